//! End-to-end tests: the built binary, from outside.
//!
//! - `support`: running the binary, scenarios, folders
//! - `simulate`: what a good run prints and leaves; `report`: rendering again
//! - `validate`: schedules that hold and that do not
//! - `sweep`: experiments of many cells, killed, resumed, sharded, refused
//! - `slurm`: the same on a cluster of Slurm, which `cluster` starts, with nodes that are killed
//! - `tune`: parameters searched, presets, and what is refused
//! - `clients`: commands and console of a live cluster, against a master that the tests play
//! - `bad_input`: what is refused, with which message; `folders`: where results go and where not
//! - `failures`: workers that fail, and what is refused about them
//! - `interrupted`: signals; `streams`: closed pipes, full disks, colours; `text`: snapshots of help and tables

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test panics where something is amiss")]

mod bad_input;
#[cfg(feature = "live")]
mod clients;
#[cfg(target_os = "linux")]
mod cluster;
mod failures;
mod folders;
#[cfg(unix)]
mod interrupted;
#[cfg(feature = "live")]
mod live;
mod oracle;
mod report;
mod simulate;
#[cfg(target_os = "linux")]
mod slurm;
mod streams;
mod support;
mod sweep;
mod text;
mod tune;
mod validate;
