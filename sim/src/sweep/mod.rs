//! Sweeps: experiments of many cells, each one run of a strategy on a workload.
//!
//! ```text
//!   EXPERIMENT.toml ──▶ Design ──▶ Plan ──▶ Sweep ──▶ journal.jsonl ──▶ Table ──▶ results.csv
//!                       (axes)   (cells)   (runs)    (a line a cell)  (a row a cell)
//! ```
//!
//! - `design`: the experiment as its file states it: [`Design`]; `docs/sweep.md` describes the file
//! - `plan`: scenarios checked, cells numbered, each with its key: [`Plan`]
//! - `workload`: a workload generated, varied and held, and a run on it
//! - `run`: who runs what when, within the memory that there is: [`Sweep`]
//! - `journal`: what became of each cell; it survives a kill at any moment
//! - `place`: the folder, its locks, [`Shard`]s
//! - `part`: lists of cells for processes elsewhere: [`Part`]
//! - `slurm`: the cells as an array of jobs: [`Array`]
//! - `table`: the results, one row a cell: [`Table`]
//!
//! ```
//! use cloudai_schedulers::Registry;
//! use cloudai_sim::sweep::{Design, Options, Plan, Sweep};
//!
//! let text = "
//!     strategies = ['fcfs', 'greedy']
//!     seeds = '0..3'
//!     loads = [0.8, 1.2]
//!
//!     [[scenarios]]
//!     preset = 'uniform'
//!     tasks = 50
//!     workers = 4
//! ";
//! let (registry, file) = (Registry::builtin(), std::path::Path::new("example.toml"));
//! let plan = Plan::new(Design::parse(text, file, &registry)?, file, &registry)?;
//! assert_eq!(plan.cells.len(), 2 * 3 * 2);
//!
//! let folder = tempfile::tempdir()?;
//! let mut sweep = Sweep::open(&plan, folder.path(), None, false)?;
//! sweep.run(&registry, &Options::default())?;
//! let table = sweep.finish()?.expect("every cell has run");
//! let wait = table.metric("mean_wait_s").expect("a metric");
//! assert!(table.rows.iter().all(|row| row.measured().is_some_and(|cell| cell.metrics[wait].is_some())));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

pub(crate) mod design;
mod error;
mod journal;
mod part;
mod place;
mod plan;
mod run;
mod slurm;
mod table;
mod workload;

pub use design::{Axes, Design, Origin, SHAKE_WIDTH, ScenarioDesign};
pub use error::SweepError;
pub use journal::Recorded;
pub use part::Part;
pub use place::{NoShard, Shard};
pub use plan::{Cell, CellKey, MOST_CELLS, NoKey, Plan, PlannedScenario, Workload};
pub use run::{MEMORY_MIB, Options, Status, Sweep};
pub use slurm::{Array, Event, Request, SlurmError, Waiting};
pub use table::{Factor, FactorKind, Measured, Outcome, Row, Table, TableError, group_by};
