//! Commands and console of a live cluster, against a master that the test plays.

pub(crate) mod commands;
#[cfg(target_os = "linux")]
mod console;
mod fake_master;
#[cfg(target_os = "linux")]
pub(crate) mod terminal;
