//! The columns of the comparison table, shared by terminal and page: which there are, and their cells.

use cloudai_sim::result::{Comparison, Metrics};

use crate::analysis;
use crate::catalogue::{Better, Metric, Unit, Value, Verdict};
use crate::format::{TimeUnit, change, decimals_for, fixed};

/// What a column shows.
enum Source {
    /// The value of a metric.
    Metric(&'static str),
    /// The change of a metric against the baseline.
    Change(&'static str),
}

/// The columns in order, each with its heading in a terminal and on the page, and its importance: where the terminal is narrow, the highest numbers
/// are left out first.
const COLUMNS: &[(Source, &str, &str, u8)] = &[
    (Source::Metric("makespan_s"), "makespan", "Makespan", 0),
    (Source::Change("makespan_s"), "vs base", "vs baseline", 1),
    (Source::Metric("gap_to_bound"), "gap", "Gap", 2),
    (Source::Metric("gap_to_best_known"), "to best", "To best known", 3),
    (Source::Metric("mean_wait_s"), "wait", "Mean wait", 3),
    (Source::Metric("p95_wait_s"), "p95 wait", "p95 wait", 9),
    (Source::Metric("mean_turnaround_s"), "turnaround", "Mean turnaround", 4),
    (Source::Metric("resource_utilization"), "util", "Utilization", 8),
    (Source::Metric("load_variance"), "load var", "Load variance", 10),
    (Source::Metric("starvation_count"), "starved", "Starved", 11),
    (Source::Metric("completed"), "done", "Completed", 5),
    (Source::Metric("failed"), "failed", "Failed", 6),
    (Source::Metric("rejected"), "rejected", "Rejected", 12),
    (Source::Metric("gpu_allocation"), "alloc", "GPU allocation", 7),
];

/// A column, laid out: one cell a strategy.
#[derive(Debug)]
pub(crate) struct Column {
    pub(crate) metric: &'static Metric,
    /// Its heading in a terminal.
    pub(crate) heading: &'static str,
    /// Its heading on the page.
    pub(crate) title: &'static str,
    pub(crate) unit: &'static str,
    pub(crate) importance: u8,
    pub(crate) cells: Vec<Cell>,
}

#[derive(Debug)]
pub(crate) struct Cell {
    pub(crate) text: String,
    pub(crate) mark: Option<Mark>,
}

impl Column {
    /// Its unit on the page, where there is more room than in a terminal.
    pub(crate) fn page_unit(&self) -> &'static str {
        match self.unit {
            "x" if self.metric.key == "gap_to_best_known" => "× best",
            "x" => "× bound",
            "GPU %" => "%",
            unit => unit,
        }
    }

    /// Its width in a terminal.
    pub(crate) fn width(&self) -> usize {
        let cells = self.cells.iter().map(|cell| cell.text.chars().count());
        cells.chain([self.heading.len(), self.unit.chars().count()]).max().unwrap_or(0)
    }
}

/// What is remarkable about a cell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mark {
    /// The best value of its column, where they differ.
    Best,
    /// Better than the baseline.
    Better,
    /// Worse than the baseline.
    Worse,
    /// The baseline itself.
    Baseline,
}

/// Every column that has something to show.
pub(crate) fn columns(comparison: &Comparison) -> Vec<Column> {
    COLUMNS.iter().filter_map(|column| lay_out(comparison, column)).collect()
}

/// A column's cells, all in one unit; `None` if it would be empty throughout, or zero throughout for a misfortune.
fn lay_out(
    comparison: &Comparison,
    (source, heading, title, importance): &(Source, &'static str, &'static str, u8),
) -> Option<Column> {
    let (Source::Metric(key) | Source::Change(key)) = source;
    let metric = Metric::by_key(key)?;
    let values: Vec<Value> = comparison.strategies.iter().map(|s| metric.value(&s.metrics)).collect();
    let present = || values.iter().filter_map(|value| value.as_f64());
    present().next()?;
    if matches!(*key, "starvation_count" | "failed" | "rejected") && present().all(|value| value == 0.0) {
        return None;
    }
    let base = analysis::baseline(comparison);
    let (unit, cells) = match source {
        Source::Metric(_) => metric_cells(metric, &values),
        Source::Change(_) => ("%", change_cells(metric, &values, comparison, &base?.metrics)),
    };
    Some(Column { metric, heading, title, unit, importance: *importance, cells })
}

fn metric_cells(metric: &Metric, values: &[Value]) -> (&'static str, Vec<Cell>) {
    let finite = || values.iter().filter_map(|value| value.as_f64());
    let (unit, scale) = match metric.unit {
        Unit::Seconds => {
            let unit = TimeUnit::for_all(finite());
            (unit.symbol(), unit.seconds())
        }
        Unit::Share if metric.key == "gpu_allocation" => ("GPU %", 0.01),
        Unit::Share => ("%", 0.01),
        Unit::Ratio if matches!(metric.key, "gap_to_bound" | "gap_to_best_known") => ("x", 1.0),
        _ => ("", 1.0),
    };
    let decimals = match metric.unit {
        Unit::Share => 1,
        Unit::Ratio => 3,
        _ => decimals_for(finite().map(|value| value / scale)),
    };
    let best = match metric.better {
        Better::Lower => finite().reduce(f64::min),
        Better::Higher => finite().reduce(f64::max),
        Better::Neither => None,
    };
    // Where all are alike none is best.
    let alike = finite().all(|value| Some(value) == finite().next());
    let cells = values.iter().map(|value| {
        let text = match *value {
            Value::Missing => "-".to_owned(),
            Value::Count(count) => count.to_string(),
            Value::Real(real) => fixed(real / scale, decimals),
        };
        let is_best = !alike && value.as_f64().is_some() && value.as_f64() == best;
        Cell { text, mark: is_best.then_some(Mark::Best) }
    });
    (unit, cells.collect())
}

fn change_cells(metric: &Metric, values: &[Value], comparison: &Comparison, base: &Metrics) -> Vec<Cell> {
    let base = metric.value(base);
    let cell = |(i, value): (usize, &Value)| {
        if Some(&comparison.strategies[i].spec) == comparison.baseline.as_ref() {
            return Cell { text: "base".to_owned(), mark: Some(Mark::Baseline) };
        }
        let text = match (value.as_f64(), base.as_f64()) {
            (Some(value), Some(base)) => change(value, base),
            _ => None,
        };
        let mark = match metric.verdict(*value, base) {
            Verdict::Better => Some(Mark::Better),
            Verdict::Worse => Some(Mark::Worse),
            Verdict::Same | Verdict::Open => None,
        };
        let text = text.map_or_else(|| "-".to_owned(), |text| text.trim_end_matches('%').to_owned());
        Cell { text, mark }
    };
    values.iter().enumerate().map(cell).collect()
}
