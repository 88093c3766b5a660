//! Workloads of CloudAI: what a run is made of, read, checked, streamed.
//!
//! ```text
//! tasks.csv  workers.csv  durations.csv  edges.csv  faults.csv   scenario.toml
//!      \_________|____________|____________|__________/              |
//!                 v                                                   v
//!      Scenario::open  ->  Problems (up to twenty a file), or
//!      Scenario { workers, profile, needs, edges, durations, faults, settings, hash, ... }
//!                 |
//!                 v  as often as wanted, a row at a time
//!      TaskStream::next_into(&mut Task)       in order of (arrival, index)
//! ```
//!
//! A task is read with its true duration, which only the simulator may know: it stands in [`Task`], and
//! [`TaskSpec`](cloudai_schedulers::model::TaskSpec), which strategies see, has no field for it.
//!
//! ```
//! use cloudai_workloads::{Estimates, Location, Scenario, Task};
//!
//! let workers = "worker_id,total_cpu,total_memory,total_storage,total_gpu\nw0,8,16,100,0\n";
//! let tasks = "task_id,arrival_s,duration_s,cpu_cores\nhello,0,12.5,2\nworld,3,4,0.5\n";
//! let location = Location::text(tasks, workers); // usually Location::Folder("workloads/mixed-100x5".into())
//!
//! let mut work_s = 0.0;
//! let scenario = Scenario::open(&location, &mut |task| work_s += task.duration.seconds())?;
//! assert_eq!((scenario.tasks, scenario.workers.len(), work_s), (2, 1, 16.5));
//!
//! let (mut stream, mut task) = (scenario.stream()?, Task::default());
//! while stream.next_into(&mut task)? {
//!     let seen = Estimates::Column.apply(&task, scenario.settings.seed);
//!     assert_eq!(seen, None, "the file has no estimates");
//! }
//!
//! let too_big = Location::text("task_id,arrival_s,duration_s,cpu_cores\nbig,0,1,64\n", workers);
//! let problems = Scenario::open(&too_big, &mut |_| {}).unwrap_err().to_string();
//! assert!(problems.starts_with("tasks.csv:2: task_id: \"big\": fits nowhere: asks for cpu 64"));
//! # Ok::<(), cloudai_workloads::Problems>(())
//! ```
//!
//! What lives where:
//!
//! - reading: [`Location`] finds the files, [`Scenario`] holds what is known of them, [`TaskStream`] gives the
//!   tasks; inside, `records` splits any CSV and `table` reads one with known columns, `check` makes the first pass
//!   over the tasks, `graph`, `durations` and `faults` read what refers to tasks and workers by id, `decimal` turns
//!   text into integers
//! - [`Schedule`]: what ran where and when, in our `assignments.csv` or another program's file
//! - [`Settings`] and [`Estimates`]: how a scenario is to be run, and which estimates strategies see
//! - [`Variation`]: the same scenario under another load, shaken, or with another number of workers
//! - [`Problems`]: what is wrong with an input, up to twenty problems of a file
//! - writing: [`TaskWriter`] and [`write_workers`]
//! - making scenarios: [`generate`] from stated distributions; [`swf`], [`openb`] and [`wfcommons`] from published
//!   logs and workflows
//!
//! The folders `mixed-100x5`, `ml-60x4` and `dag-80x4` beside the sources are scenarios that [`generate`]
//! made, with the command in their `scenario.toml`.

mod check;
mod columns;
mod decimal;
mod durations;
mod estimates;
mod faults;
mod folder;
pub mod generate;
mod graph;
mod hash;
mod location;
mod names;
pub mod openb;
mod problems;
mod records;
mod report;
mod sample;
mod scenario;
mod schedule;
mod settings;
mod shapes;
mod source;
mod stream;
pub mod swf;
mod table;
mod task;
mod variation;
pub mod wfcommons;
mod workers;
mod write;
mod zstd;

pub use durations::Durations;
pub use estimates::{Estimates, UnknownEstimates};
pub use faults::{Fault, FaultKind};
pub use graph::Edge;
pub use location::Location;
pub use problems::{FileProblems, Problem, Problems, SHOWN_PER_FILE};
pub use report::ImportReport;
pub use scenario::{LoadedBecause, Needs, Scenario, Visitor};
pub use schedule::{AttemptStatus, Schedule, SchedulePart, ScheduleRow, UnknownId};
pub use settings::{OnFull, SettingError, Settings};
pub use stream::TaskStream;
pub use task::{DEFAULT_REQUEST, Task};
pub use variation::{Load, Shake, UnknownLoad, Variation};
pub use write::{TaskColumn, TaskRow, TaskWriter, write_workers};
