//! The discrete-event simulator of CloudAI (guide to follow).

pub mod bounds;
pub mod engine;
mod error;
mod experiment;
mod fragmentation;
mod histogram;
pub mod observers;
pub mod result;

pub use engine::{Hooks, RunStats, run};
pub use error::SimError;
pub use experiment::{Experiment, Run, compare};
pub use fragmentation::TypicalTasks;
