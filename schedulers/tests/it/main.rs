//! The scheduling core from outside: what strategies and drivers can do with it, and that nothing breaks it.
//!
//! - `driver.rs`: a small driver with virtual time; `support.rs`: jobs, workers and strategies of the tests
//! - one module for each capability of the trait and the view, on examples computed by hand
//! - `properties.rs`: random scenarios, events and decisions, garbage included, on the cluster of `world.rs`;
//!   `chaos.rs` decides at random, `finders.rs` compares what the view finds with a scan
//! - `totality.rs`: what used to panic or go wrong, and must not again

#![allow(clippy::unwrap_used, reason = "helpers of tests may fail as tests do")]

mod chaos;
mod dags;
mod deep_queues;
mod dependencies;
mod devices;
mod driver;
mod finders;
mod fits;
mod gangs;
mod in_flight;
mod keys;
mod losses;
mod many_workers;
mod plain;
mod plans;
mod preemption;
mod properties;
mod remote;
mod reservations;
mod restart;
mod rollouts;
mod scores;
mod short_way;
mod support;
mod totality;
mod users;
mod workers;
mod world;
