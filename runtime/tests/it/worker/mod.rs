//! The worker: its core by itself, and with real processes and containers under a master that is played.

mod core;
mod docker;
mod docker_support;
mod process;
mod support;
