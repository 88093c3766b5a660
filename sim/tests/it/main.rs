//! The simulator from outside: what a run leaves behind, rule by rule, and against slow recomputation.
//!
//! - `support`: scenarios from text, runs, rows of `assignments.csv`; `strategies`: strategies made for tests
//! - `random`: random scenarios; `recompute`: every metric and every rule anew, from the rows and the input
//! - `reference_policies`: queue compositions against a plain simulator
//! - `properties`, `determinism`: every registered strategy on random scenarios
//! - `validate`: the validator, on schedules made by hand and on those of runs
//! - `tuning`: parameters searched and judged
//! - the rest: one rule a test

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test panics where something is amiss")]

mod backfilling;
mod bounds;
mod checkpoints;
mod dag;
mod determinism;
mod errors;
mod failures;
mod instants;
mod kth_sp2;
mod limits;
mod observers;
mod oracle;
mod orders;
mod preempting;
mod preemption;
mod properties;
mod random;
mod recompute;
mod reference_policies;
mod release;
mod strategies;
mod support;
mod tuning;
mod validate;
