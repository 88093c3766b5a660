//! Workloads of CloudAI: what a run is made of, read, checked, streamed.
//!
//! ```text
//! tasks.csv  workers.csv  durations.csv  edges.csv   scenario.toml
//!      \_________|____________|____________/              |
//!                 v                                       v
//!      Scenario::open  ->  Problems (up to twenty a file), or
//!      Scenario { workers, profile, needs, edges, durations, settings, hash, ... }
//!                 |
//!                 v  as often as wanted, a row at a time
//!      TaskStream::next_into(&mut Task)       in order of (arrival, index)
//! ```
//!
//! What lives where: [`Location`] finds the files, [`Scenario`] holds what is known of them, [`Task`] is a row
//! (with the true duration, which no strategy sees), [`Estimates`] says which estimate a strategy does see,
//! [`Settings`] how the scenario is to be run, [`Problems`] what is wrong with it.

mod check;
mod columns;
mod decimal;
mod durations;
mod estimates;
mod folder;
pub mod generate;
mod graph;
mod hash;
mod location;
mod names;
pub mod openb;
mod problems;
mod report;
mod sample;
mod scenario;
mod settings;
mod shapes;
mod stream;
pub mod swf;
mod table;
mod task;
mod workers;
mod write;

pub use durations::Durations;
pub use estimates::{Estimates, UnknownEstimates};
pub use graph::Edge;
pub use location::Location;
pub use problems::{Problem, Problems, SHOWN_PER_FILE};
pub use report::ImportReport;
pub use scenario::{LoadedBecause, Needs, Scenario};
pub use settings::{OnFull, SettingError, Settings};
pub use stream::TaskStream;
pub use task::{DEFAULT_REQUEST, Task};
pub use write::{TaskColumn, TaskRow, TaskWriter, write_workers};
