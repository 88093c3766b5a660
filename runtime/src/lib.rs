//! The live cluster: a master that places tasks with the same strategies as the simulator, workers that run them in
//! containers, and stores that keep the records.
//!
//! ```text
//!   clients ──gRPC, HTTP──▶ master ◀──gRPC──▶ worker ──▶ executor: docker | process | emulated
//!                             │                  │
//!                    store: SQLite | MongoDB     └─ data folder: identity, journal, logs
//! ```
//!
//! Both sides are a synchronous core (events in, actions out; no I/O, no clock) and a shell of tokio tasks around it that
//! does the I/O. Tests drive the same cores through a network that delays, drops, duplicates and reorders messages.
//!
//! - [`record`]: what is kept of tasks, workers and results
//! - [`store`]: where it is kept: one trait, SQLite and MongoDB
//! - [`limits`]: what a submission may ask for
//!
//! # What is promised
//!
//! - A submission that was acknowledged is never lost: it is in the store before the answer is sent.
//! - At most one attempt of a task runs at a time. An attempt and its number are in the store before its worker hears of
//!   it; a worker that is cut off stops its tasks when its lease runs out, and only later does the master start them
//!   elsewhere; messages of another attempt or another session of a worker are refused.
//! - A result is kept by the worker until the master has stored it.

pub mod clock;
pub mod limits;
pub mod master;
pub mod record;
pub mod security;
pub mod store;
pub mod worker;
