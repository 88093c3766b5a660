//! The scheduling core from outside: what strategies and drivers can do with it, and that nothing breaks it.
//!
//! - `driver.rs`: a small driver with virtual time; `support.rs`: jobs, workers and strategies of the tests
//! - one module for each capability of the trait and the view, on examples computed by hand
//! - `totality.rs`: what used to panic or go wrong, and must not again

mod dependencies;
mod devices;
mod driver;
mod gangs;
mod in_flight;
mod plans;
mod preemption;
mod remote;
mod reservations;
mod restart;
mod rollouts;
mod support;
mod totality;
mod workers;
