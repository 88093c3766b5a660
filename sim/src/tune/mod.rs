//! Tuning: the parameters of a strategy that make an objective small on training scenarios, and what is left of that on others.
//!
//! ```text
//!   TUNING.toml ─▶ Tuning ─▶ search ⇄ bench (a sweep of the training scenarios) ─▶ Tuned ─▶ preset.toml, trials.csv
//!                                      bench (a sweep of the held-out ones) ───────▶
//! ```
//!
//! - `design`: the tuning as its file states it: [`Tuning`]; `docs/tuning.md` describes the file
//! - `space`: the parameters and their ranges: [`Space`]
//! - `objective`: what is made small: [`Objective`]
//! - `search`: which candidates run on what: iterated racing by successive halving
//! - `bench`: their runs, as cells of a sweep: they survive a kill, and run in parallel
//! - `run`: all of it, one after the other: [`tune()`]
//! - `outcome`: what came out: [`Tuned`], with its [`Verdict`]
//! - `files`: what is written, and read again: [`read_preset`]
//!
//! The same file, seed and budget give the same result on any number of threads. The default parameters are the first candidate,
//! and win ties: no result is worse than they are on the training scenarios.
//!
//! ```
//! use cloudai_schedulers::Registry;
//! use cloudai_sim::sweep::Options;
//! use cloudai_sim::tune::{Tuning, tune};
//!
//! let text = "
//!     strategy = 'ai'
//!     objective = 'mean_wait_s'
//!     budget = 30
//!
//!     [parameters]
//!     starvation = { from = 0, to = 1 }
//!
//!     [[training]]
//!     preset = 'uniform'
//!     tasks = 50
//!     workers = 2
//!     seeds = '0..4'
//!
//!     [[heldout]]
//!     preset = 'uniform'
//!     tasks = 50
//!     workers = 2
//!     seeds = '10..14'
//! ";
//! let (registry, file) = (Registry::builtin(), std::path::Path::new("example.toml"));
//! let tuning = Tuning::parse(text, file, &registry)?;
//! let folder = tempfile::tempdir()?;
//! let tuned = tune(&tuning, file, &folder.path().join("out"), &registry, &Options::default())?;
//! assert!(tuned.training.score.is_some_and(|score| score <= 1.0));
//! assert!(tuned.spent <= 30);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod bench;
mod design;
mod files;
mod objective;
mod outcome;
mod run;
mod search;
mod space;

pub use design::{BUDGET, Tuning};
pub use files::read_preset;
pub use objective::{METRICS, Objective};
pub use outcome::{ALPHA, Against, Candidate, Group, Side, Tuned, Verdict};
pub use run::tune;
pub use space::{Dimension, Domain, Scale, Space};
