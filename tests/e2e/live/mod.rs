//! A live cluster over real processes: master and workers of the built binary.
//!
//! - `processes`: starting and ending masters and workers
//! - `tasks`: from submission to the log, exit codes, cancelling, pinning
//! - `failures`: workers that are killed, masters that are started again
//! - `docker`: the same in real containers; `mongo`: records in a real MongoDB; `telemetry`: WebSocket clients
//! - `console`: the console of a master on a terminal
//! - `secure`: TLS and tokens
//! - `http`: what the HTTP side answers to a client that is written here

#[cfg(target_os = "linux")]
mod console;
mod docker;
mod failures;
mod http;
#[cfg(feature = "mongo")]
mod mongo;
mod processes;
mod secure;
mod tasks;
mod telemetry;
