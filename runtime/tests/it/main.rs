//! Tests of the runtime from outside.
//!
//! - `store`: what every store must do, run over each of them; `store_sqlite` and `store_mongo`: what only one of them does
//! - `records`: records for tests; `mongod`: a MongoDB server for tests
//! - `master`: the master's core, also through a network that loses and delays; `worker`: the worker, really run

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test panics where something is amiss")]

mod master;
#[cfg(all(unix, feature = "mongo"))]
mod mongod;
mod records;
mod store;
#[cfg(all(unix, feature = "mongo"))]
mod store_mongo;
mod store_sqlite;
mod worker;
