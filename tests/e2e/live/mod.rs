//! A live cluster over real processes: master and workers of the built binary.
//!
//! - `processes`: starting and ending masters and workers
//! - `tasks`: from submission to the log, exit codes, cancelling, pinning
//! - `failures`: workers that are killed, masters that are started again
//! - `http`: what the HTTP side answers to a client that is written here

mod failures;
mod http;
mod processes;
mod tasks;
