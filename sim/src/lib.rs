//! The discrete-event simulator of CloudAI: it drives the core of `cloudai-schedulers` with virtual time, measures what
//! comes out, and says how far from optimal it can be.
//!
//! ```text
//!   Scenario ──▶ engine ──▶ observers ──▶ Metrics, Timeline, assignments.csv, ...
//!  (workloads)   │    ▲
//!          Event ▼    │ Effect
//!               Cluster ◀──▶ Scheduler
//!              (schedulers)
//! ```
//!
//! - [`compare`] runs several strategies on one scenario, in parallel, each run on one thread: what `cloudai simulate` does
//! - [`run`] is a single run with an [`Observer`](observers::Observer) of your own
//! - [`engine`]: the loop; [`observers`]: how results leave a run; [`result`]: what they are
//! - [`validate`]: whether a schedule, from any source, keeps the rules
//! - [`bounds`]: no schedule of any strategy does better than this
//! - [`analysis`]: what the table of a [`sweep`] says of strategies; [`statistics`]: how sure it is
//! - [`tune`]: parameters of a strategy for an objective, searched on some scenarios and judged on others
//! - [`oracle`]: the best schedule that can be found for a small scenario, with a proof of how good any can be
//!
//! The same scenario, settings, seed and strategy give the same results to the last bit, on any number of threads.
//! Wall-clock measurements are kept apart, in [`result::Timing`].
//!
//! # Two strategies on two tasks
//!
//! Worker `b` runs at half speed. `greedy` starts both tasks on `a`; `round_robin` sends the second one to `b`.
//!
//! ```
//! use cloudai_schedulers::{Registry, StrategySpec};
//! use cloudai_sim::{Experiment, compare};
//! use cloudai_workloads::{Location, Scenario};
//!
//! let folder = tempfile::tempdir()?;
//! std::fs::write(
//!     folder.path().join("tasks.csv"),
//!     "task_id,arrival_s,duration_s,cpu_cores\n\
//!      first,0,10,2\n\
//!      second,0,10,2\n",
//! )?;
//! std::fs::write(
//!     folder.path().join("workers.csv"),
//!     "worker_id,total_cpu,total_memory,total_storage,total_gpu,speed\n\
//!      a,4,8,100,0,1\n\
//!      b,4,8,100,0,0.5\n",
//! )?;
//!
//! let scenario = Scenario::check(&Location::Folder(folder.path().to_owned()))?;
//! let registry = Registry::builtin();
//! let strategies = StrategySpec::parse_list("greedy,round_robin")?;
//! let run = compare(&Experiment::new(&scenario, &scenario.settings, &registry, &strategies))?;
//!
//! let makespans: Vec<Option<f64>> =
//!     run.comparison.strategies.iter().map(|result| result.metrics.makespan_s).collect();
//! assert_eq!(makespans, [Some(10.0), Some(20.0)]);
//! // No schedule ends before the longer task does on the fastest worker, so greedy is optimal here.
//! assert_eq!(run.comparison.strategies[0].metrics.gap_to_bound, Some(1.0));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # An observer of your own
//!
//! Observers compose: a pair of observers is one. This run counts late tasks, and checks the core's invariants after every
//! instant.
//!
//! ```
//! use cloudai_schedulers::Registry;
//! use cloudai_sim::observers::{Attempt, Observer, checker::Checker};
//! use cloudai_sim::{Hooks, SimError, run};
//! use cloudai_workloads::{Location, Scenario};
//!
//! #[derive(Default)]
//! struct Late(u64);
//!
//! impl Observer for Late {
//!     fn attempt_ended(&mut self, attempt: &Attempt<'_>) -> Result<(), SimError> {
//!         self.0 += u64::from(attempt.spec.deadline.is_some_and(|deadline| attempt.end > deadline));
//!         Ok(())
//!     }
//! }
//!
//! # let bundled = concat!(env!("CARGO_MANIFEST_DIR"), "/../workloads/mixed-100x5");
//! # let path = std::path::PathBuf::from(bundled);
//! let scenario = Scenario::check(&Location::Folder(path))?;
//! let mut strategy = Registry::builtin().build(&"first_fit".parse()?)?;
//! let mut observer = (Late::default(), Checker);
//! let settings = &scenario.settings;
//! let stats = run(&scenario, settings, "first_fit", strategy.as_mut(), &mut observer, Hooks::default())?;
//! assert_eq!(stats.tasks, scenario.tasks);
//! assert!(observer.0.0 <= scenario.tasks);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

pub mod analysis;
pub mod bounds;
pub mod engine;
mod error;
mod experiment;
mod fastest;
mod histogram;
pub mod observers;
pub mod oracle;
pub mod result;
pub mod statistics;
pub mod sweep;
pub mod tune;
pub mod validate;
pub mod workflows;

pub use engine::{Hooks, RunStats, run};
pub use error::SimError;
pub use experiment::{Experiment, Run, compare};

/// The Rust code of the project's documents, compiled and run as doctests.
#[cfg(doctest)]
mod documents {
    #[doc = include_str!("../../README.md")]
    mod readme {}
}
