//! Reports of CloudAI: what people see of a comparison of strategies.
//!
//! A run of the simulator ends in a [`Comparison`](cloudai_sim::result::Comparison): metrics, time series and
//! distributions of each strategy. This crate turns it into a table for the terminal, into files for other programs,
//! into plots for papers, and into one page for everybody. It computes no metric; it knows of each what its unit is,
//! and whether lower or higher is better ([`catalogue`]).
//!
//! ```text
//!                      ┌─ table ───────────► terminal
//!                      │
//!  Comparison ─ write ─┼─► DIR/report.json ────────── load ─► Comparison
//!  (cloudai-sim)       ├─► DIR/comparison.csv
//!                      ├─► DIR/makespan, turnaround, wait_cdf, ...  .svg .png
//!                      ├─► DIR/index.html
//!                      └─► DIR/<strategy>/performance_metrics.txt
//!                                         metrics.json, gpu_curve.csv
//!                                         gantt, utilization, queue, load   .svg .png
//! ```
//!
//! Two rules hold throughout. Same comparison, same bytes: no date, no wall-clock time, no map in hash order. And
//! names are input from others: none of them can become markup, steer a terminal, or lead a path out of the report.
//!
//! ```
//! use cloudai_reports::{Options, TableStyle, load, table, write};
//! use cloudai_sim::result::{Comparison, StrategyResult};
//!
//! let mut result = StrategyResult { spec: "fcfs".into(), folder: "fcfs".into(), ..Default::default() };
//! result.metrics.makespan_s = Some(120.0);
//! result.metrics.completed = 2;
//! let comparison = Comparison { scenario: "two tasks".into(), strategies: vec![result], ..Default::default() };
//!
//! let text = table(&comparison, TableStyle::default());
//! assert!(text.lines().any(|line| line.starts_with("fcfs") && line.contains("120.0")));
//!
//! let dir = tempfile::tempdir()?;
//! write(&comparison, dir.path(), &Options::default().with_plots(false))?;
//! assert!(dir.path().join("fcfs/performance_metrics.txt").is_file());
//! assert_eq!(load(dir.path())?, comparison);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Text in pictures is set in DejaVu Sans, which the `dejavu` crate carries, so that they look alike on machines
//! without fonts; `reports/NOTICE` holds its licence.

mod analysis;
pub mod catalogue;
mod columns;
mod comparison_csv;
mod error;
mod escape;
mod files;
mod format;
mod gpu_curve_csv;
mod html;
mod options;
mod performance;
mod plots;
pub mod sweep;
mod table;
pub mod tuning;

pub use error::ReportError;
pub use files::{load, write};
pub use options::{Options, TableStyle};
pub use table::table;
