//! The built-in strategies, each in a file of its own.
//!
//! - immediate mode, a task is committed to a worker when it arrives: [`greedy`], [`round_robin`], [`balanced`]
//! - batch mode, one central queue: [`queue`] (`fcfs`, `first_fit`, `best_fit`), and with backfilling [`easy`], [`conservative`]
//!   (`free.rs`: the arithmetic of their reservations)
//! - the `ai` family, batch mode with scores: [`ai`]

pub mod ai;
pub mod balanced;
pub mod conservative;
pub mod easy;
mod free;
pub mod greedy;
pub mod queue;
pub mod round_robin;
