//! The built-in strategies, each in a file of its own.
//!
//! - immediate mode, a task is committed to a worker when it arrives: [`greedy`], [`round_robin`], [`balanced`]
//! - batch mode, one central queue: [`queue`], composed of an order, a backfilling rule and a placement rule
//! - batch mode with preemption: [`preempt`] (`priority_preemption`, `srpt`, `las`)
//! - the `ai` family, batch mode with scores: [`ai`]
//! - list scheduling of task graphs, planned ahead: [`dag`] (`heft`, `cpop`, `peft`)

pub mod ai;
pub mod balanced;
pub mod dag;
pub mod greedy;
pub mod preempt;
pub mod queue;
pub mod round_robin;
