//! The comparison table for a terminal.

use cloudai_sim::result::{Comparison, Metrics};

use crate::TableStyle;
use crate::analysis;
use crate::catalogue::{Better, Metric, Value, Verdict};
use crate::format::{TimeUnit, change, decimals_for, fixed, printable, shortened, wrapped};

const GAP: &str = "  ";
const BOLD: &str = "\x1b[1m";
const DIM: &str = "\x1b[2m";
const GREEN: &str = "\x1b[32m";
const RED: &str = "\x1b[31m";
const RESET: &str = "\x1b[0m";

/// What a column shows.
enum Source {
    /// The value of a metric.
    Metric(&'static str),
    /// The change of a metric against the baseline.
    Change(&'static str),
}

/// The columns in order, each with its heading and its importance: where the terminal is narrow, the highest numbers
/// are left out first.
const COLUMNS: &[(Source, &str, u8)] = &[
    (Source::Metric("makespan_s"), "makespan", 0),
    (Source::Change("makespan_s"), "vs base", 1),
    (Source::Metric("gap_to_bound"), "gap", 2),
    (Source::Metric("mean_wait_s"), "wait", 3),
    (Source::Metric("p95_wait_s"), "p95 wait", 8),
    (Source::Metric("mean_turnaround_s"), "turnaround", 4),
    (Source::Metric("resource_utilization"), "util", 5),
    (Source::Metric("load_variance"), "load var", 9),
    (Source::Metric("starvation_count"), "starved", 10),
    (Source::Metric("completed"), "done", 6),
    (Source::Metric("failed"), "failed", 7),
    (Source::Metric("rejected"), "rejected", 11),
    (Source::Metric("gpu_allocation"), "GPU alloc", 12),
];

/// A column, laid out.
struct Column {
    heading: &'static str,
    unit: &'static str,
    importance: u8,
    cells: Vec<Cell>,
}

struct Cell {
    text: String,
    color: Option<&'static str>,
}

impl Column {
    fn width(&self) -> usize {
        let cells = self.cells.iter().map(|cell| cell.text.chars().count());
        cells.chain([self.heading.len(), self.unit.chars().count()]).max().unwrap_or(0)
    }
}

/// The comparison as a table for a terminal, with the bounds, the best batch-mode queue, foreknowledge and what was
/// skipped below it.
///
/// Each column has one unit, in its heading. Columns that are empty throughout are left out, and so are the least
/// important ones where [`TableStyle::width`] is too small for all. It ends with a line break.
#[must_use]
pub fn table(comparison: &Comparison, style: TableStyle) -> String {
    let mut out = String::new();
    if comparison.strategies.is_empty() {
        out.push_str("No strategy ran.\n");
    } else {
        grid(comparison, style, &mut out);
    }
    notes(comparison, style, &mut out);
    out
}

fn grid(comparison: &Comparison, style: TableStyle, out: &mut String) {
    let mut columns: Vec<Column> = COLUMNS.iter().filter_map(|column| lay_out(comparison, column)).collect();
    let longest =
        comparison.strategies.iter().map(|s| s.spec.chars().count()).max().unwrap_or(0).max("strategy".len());
    // A name needs this much to be told apart; columns go before it gets less.
    let least_name = longest.min(20);
    let needed = |columns: &[Column]| columns.iter().map(|c| c.width() + GAP.len()).sum::<usize>();
    while least_name + needed(&columns) > style.width && columns.len() > 1 {
        let Some(least) = (0..columns.len()).max_by_key(|&i| columns[i].importance) else { break };
        columns.remove(least);
    }
    let name_width = longest.min(style.width.saturating_sub(needed(&columns)).max(8));

    let paint = |text: String, code: Option<&str>| match code {
        Some(code) if style.color => format!("{code}{text}{RESET}"),
        _ => text,
    };
    let mut header = format!("{:<name_width$}", "strategy");
    let mut units = " ".repeat(name_width);
    for column in &columns {
        let width = column.width();
        header.push_str(&format!("{GAP}{:>width$}", column.heading));
        units.push_str(&format!("{GAP}{:>width$}", column.unit));
    }
    let rule = "-".repeat(header.chars().count());
    out.push_str(&format!(
        "{}\n{}\n{rule}\n",
        paint(header, Some(BOLD)),
        paint(units.trim_end().to_owned(), Some(DIM))
    ));
    for (row, result) in comparison.strategies.iter().enumerate() {
        let name = shortened(&printable(&result.spec), name_width);
        out.push_str(&format!("{name:<name_width$}"));
        for column in &columns {
            let cell = &column.cells[row];
            let padding = " ".repeat(column.width() - cell.text.chars().count());
            out.push_str(&format!("{GAP}{padding}{}", paint(cell.text.clone(), cell.color)));
        }
        out.truncate(out.trim_end_matches(' ').len());
        out.push('\n');
    }
}

/// A column's cells, all in one unit; `None` if it would be empty throughout, or zero throughout for a misfortune.
fn lay_out(
    comparison: &Comparison,
    (source, heading, importance): &(Source, &'static str, u8),
) -> Option<Column> {
    let (Source::Metric(key) | Source::Change(key)) = source;
    let metric = Metric::by_key(key)?;
    let values: Vec<Value> = comparison.strategies.iter().map(|s| metric.value(&s.metrics)).collect();
    let present = || values.iter().filter_map(|value| value.as_f64());
    present().next()?;
    if matches!(*key, "starvation_count" | "rejected") && present().all(|value| value == 0.0) {
        return None;
    }
    let base = analysis::baseline(comparison);
    let (unit, cells) = match source {
        Source::Metric(_) => metric_cells(metric, &values),
        Source::Change(_) => ("%", change_cells(metric, &values, comparison, &base?.metrics)),
    };
    Some(Column { heading, unit, importance: *importance, cells })
}

fn metric_cells(metric: &Metric, values: &[Value]) -> (&'static str, Vec<Cell>) {
    use crate::catalogue::Unit;
    let finite = || values.iter().filter_map(|value| value.as_f64());
    let (unit, scale) = match metric.unit {
        Unit::Seconds => {
            let unit = TimeUnit::for_all(finite());
            (unit.symbol(), unit.seconds())
        }
        Unit::Share => ("%", 0.01),
        Unit::Ratio if metric.key == "gap_to_bound" => ("x bound", 1.0),
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
        Cell { text, color: is_best.then_some(GREEN) }
    });
    (unit, cells.collect())
}

fn change_cells(metric: &Metric, values: &[Value], comparison: &Comparison, base: &Metrics) -> Vec<Cell> {
    let base = metric.value(base);
    let cell = |(i, value): (usize, &Value)| {
        if Some(&comparison.strategies[i].spec) == comparison.baseline.as_ref() {
            return Cell { text: "base".to_owned(), color: Some(DIM) };
        }
        let text = match (value.as_f64(), base.as_f64()) {
            (Some(value), Some(base)) => change(value, base),
            _ => None,
        };
        let color = match metric.verdict(*value, base) {
            Verdict::Better => Some(GREEN),
            Verdict::Worse => Some(RED),
            Verdict::Same | Verdict::Open => None,
        };
        let text = text.map_or_else(|| "-".to_owned(), |text| text.trim_end_matches('%').to_owned());
        Cell { text, color }
    };
    values.iter().enumerate().map(cell).collect()
}

fn notes(comparison: &Comparison, style: TableStyle, out: &mut String) {
    let width = style.width.max(20);
    let mut lines = Vec::new();
    lines.extend(analysis::bounds_sentence(comparison));
    lines.extend(analysis::queue_sentence(comparison));
    if let (Some(spec), None) = (&comparison.baseline, analysis::baseline(comparison)) {
        lines.push(format!("The baseline {spec} did not run."));
    }
    if !comparison.foreknowledge.is_empty() {
        lines.push(format!("Known beforehand: {}", comparison.foreknowledge));
    }
    lines.extend(comparison.skipped.iter().map(|s| format!("Skipped {}: {}", s.spec, s.reason)));
    if !lines.is_empty() {
        out.push('\n');
    }
    for line in lines {
        out.push_str(&wrapped(&printable(&line), width, 2));
        out.push('\n');
    }
}
