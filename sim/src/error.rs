//! Why a run did not finish.

use std::path::PathBuf;

use cloudai_schedulers::invariants::Violation;
use cloudai_schedulers::{EventError, RegistryError, Time};
use cloudai_workloads::Problems;
use thiserror::Error;

/// Why a run did not finish.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum SimError {
    /// The workload could not be read.
    #[error(transparent)]
    Input(#[from] Problems),
    /// The strategy could not be made.
    #[error(transparent)]
    Strategy(#[from] RegistryError),
    /// Tasks can never start: nothing is left to happen, and the strategy has left them waiting.
    #[error(
        "strategy '{strategy}' left {count} task{} unscheduled for ever, at {at} s: {}",
        if *.count == 1 { "" } else { "s" },
        names(.tasks, *.count)
    )]
    Unscheduled {
        /// The strategy's spec.
        strategy: String,
        /// How many tasks.
        count: usize,
        /// The first of them, with the state that each is in.
        tasks: Vec<String>,
        /// When nothing was left to happen.
        at: Time,
    },
    /// The strategy goes on deciding at one instant, or waking itself, without end.
    #[error("strategy '{strategy}' does not come to rest at {at} s: {what}")]
    Restless {
        /// The strategy's spec.
        strategy: String,
        /// When.
        at: Time,
        /// What it keeps doing.
        what: &'static str,
    },
    /// Attempts are lost to failing workers again and again, and no task gets to its end.
    #[error(
        "{attempts} attempts in a row were lost with their workers by {at} s, and {count} task{} did not get on: {}; \
         expected workers that stay up for longer, checkpoints (checkpoint_interval_s), or a limit (max_retries)",
        if *.count == 1 { "" } else { "s" },
        names(.tasks, *.count)
    )]
    Hopeless {
        /// Attempts since a task last ended or saved progress.
        attempts: u64,
        /// Tasks that have not ended.
        count: usize,
        /// The first of them, with the state that each is in.
        tasks: Vec<String>,
        /// When it was given up.
        at: Time,
    },
    /// A task would end later than simulated time can tell.
    #[error(
        "task '{task}' would end {}; expected an end by {horizon} s: is a duration too long, or a speed too low?",
        if *.end == Time::from_micros(u64::MAX) { "later than a time can state".to_owned() } else { format!("at {} s", .end) }
    )]
    BeyondHorizon {
        /// The task's name.
        task: String,
        /// When it would end; `Time::NEVER` if 64 bits cannot hold it.
        end: Time,
        /// The last instant that can be simulated.
        horizon: Time,
    },
    /// The scenario holds something that the oracle does not schedule.
    #[error("the oracle cannot take this scenario: {reason}")]
    Oracle {
        /// What, and what was expected.
        reason: String,
    },
    /// The oracle's schedule, run by the engine, gives another value than planned: a bug.
    #[error("the oracle planned {planned} s, the engine measured {measured:?}")]
    OracleDisagrees {
        /// The objective as planned, in seconds.
        planned: f64,
        /// As measured.
        measured: Option<f64>,
    },
    /// A result file could not be written.
    #[error("cannot write {}: {source}", .path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The core contradicted itself: a bug.
    #[error(transparent)]
    Invariant(#[from] Violation),
    /// The engine told the core something impossible: a bug.
    #[error("the engine and the core disagree: {0}")]
    Event(#[from] EventError),
    /// Somebody asked the run to stop.
    #[error("interrupted")]
    Interrupted,
}

fn names(tasks: &[String], count: usize) -> String {
    let more = count - tasks.len().min(count);
    let rest = if more > 0 { format!(" and {more} more") } else { String::new() };
    format!("{}{rest}", tasks.join(", "))
}
