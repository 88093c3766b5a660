//! Reports of sweeps: many runs, and what they say together.
//!
//! ```text
//!                   ┌─ summary_table ─────► terminal
//!  Report ─ analyse ┤
//!  (a table)        └─ write ─┬─► DIR/index.html
//!                             ├─► DIR/report.json ──── load ─► Report (with DIR/results.csv, the table)
//!                             ├─► DIR/summary.csv, differences.csv, ranking.csv, shaking.csv
//!                             └─► DIR/differences_*, sensitivity_*, shaking_*, gpu_*   .svg .png
//! ```
//!
//! The statistics are those of [`cloudai_sim::analysis`]; this module chooses what to ask, and shows the answers. The
//! same sweep gives the same bytes.

mod curves;
mod files;
mod page;
mod plots;
pub(crate) mod scale;
mod stale;
mod stored;
mod terminal;
mod words;

use std::fs;
use std::path::Path;

use cloudai_sim::analysis::{Analysis, Objective, Options as Questions};
use cloudai_sim::sweep::Table;

use crate::catalogue::{Better, Metric};
use crate::{Options, ReportError};
pub use stored::{RESULTS, load};
pub use terminal::summary_table;

/// A sweep that has run, and how it is to be looked at.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Report {
    /// What the report calls it.
    pub name: String,
    /// What it is about, in words; may be empty.
    pub about: String,
    /// The text of the experiment file; may be empty.
    pub experiment: String,
    /// Keys of the metrics that strategies are ranked by, the main one first; empty: [`default_objectives`].
    pub objectives: Vec<String>,
    /// The spec that the others are compared with; `None`: the first strategy of the table.
    pub baseline: Option<String>,
    /// The results.
    pub table: Table,
}

impl Report {
    /// A sweep with nothing but its results.
    #[must_use]
    pub fn new(name: impl Into<String>, table: Table) -> Self {
        Self { name: name.into(), table, ..Self::default() }
    }

    /// Asks the table for what a report shows.
    #[must_use]
    pub fn analyse(&self) -> Analysis {
        let keys = if self.objectives.is_empty() {
            default_objectives(&self.table)
        } else {
            self.objectives.iter().map(String::as_str).collect()
        };
        let objective = |key: &str| {
            let lower = Metric::by_key(key).is_none_or(|metric| metric.better != Better::Higher);
            Objective { metric: key.to_owned(), lower_is_better: lower }
        };
        let first = || self.table.factors.iter().find(|f| f.name == "strategy")?.levels.first().cloned();
        let baseline = self.baseline.clone().or_else(first);
        Analysis::new(&self.table, &Questions::new(keys.into_iter().map(objective).collect(), baseline))
    }
}

/// What strategies are ranked by unless an experiment says: of mean wait, mean bounded slowdown, makespan, resource
/// utilization and GPU allocation those that are not the same in all cells.
#[must_use]
pub fn default_objectives(table: &Table) -> Vec<&'static str> {
    const USUAL: [&str; 5] =
        ["mean_wait_s", "mean_bounded_slowdown", "makespan_s", "resource_utilization", "gpu_allocation"];
    let varies = |key: &str| {
        let Some(metric) = table.metric(key) else { return false };
        let mut values = table.rows.iter().filter_map(|row| row.measured()?.metrics.get(metric).copied()?);
        values.next().is_some_and(|first| values.any(|value| value != first))
    };
    let found: Vec<&str> = USUAL.into_iter().filter(|key| varies(key)).collect();
    if found.is_empty() { vec![USUAL[0]] } else { found }
}

/// Writes a report with what [`Report::analyse`] has found into `dir`, which must exist; files that are there
/// are replaced, others left alone; but pictures that an earlier report left there and this one does not have are removed,
/// all of them without plots: beside tables of another experiment they would mislead.
///
/// # Errors
///
/// If a file cannot be written, or such a picture not be removed.
pub fn write(report: &Report, analysis: &Analysis, dir: &Path, options: &Options) -> Result<(), ReportError> {
    let put = |name: &str, text: String| {
        let path = dir.join(name);
        fs::write(&path, text).map_err(|source| ReportError::write(&path, source))
    };
    for (name, text) in [
        ("summary.csv", files::summary(analysis)),
        ("differences.csv", files::differences(analysis)),
        ("ranking.csv", files::ranking(analysis)),
        ("shaking.csv", files::shaking(analysis)),
        (stored::ABOUT, stored::about(report)),
    ] {
        put(name, text.map_err(|error| ReportError::encode(&dir.join(name), &error))?)?;
    }
    let drawn =
        if options.plots { plots::write(&report.table, analysis, dir)? } else { plots::Drawn::default() };
    stale::remove(dir, &report.table.metrics, &drawn)?;
    put("index.html", page::page(report, analysis, &drawn))
}

/// The names of the files that [`write()`] leaves, pictures aside.
pub const FILES: [&str; 6] =
    ["index.html", "summary.csv", "differences.csv", "ranking.csv", "shaking.csv", stored::ABOUT];
