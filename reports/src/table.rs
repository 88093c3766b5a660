//! The comparison table for a terminal.

use cloudai_sim::result::Comparison;

use crate::TableStyle;
use crate::analysis;
use crate::columns::{Column, Mark, columns};
use crate::format::{printable, shortened, wrapped};

const GAP: &str = "  ";
const BOLD: &str = "\x1b[1m";
const DIM: &str = "\x1b[2m";
const GREEN: &str = "\x1b[32m";
const RED: &str = "\x1b[31m";
const RESET: &str = "\x1b[0m";

/// The comparison as a table for a terminal, with the bounds, the best batch-mode queue, foreknowledge and what was
/// skipped below it.
///
/// Each column has one unit, in its heading. Columns that are empty throughout are left out, and so are the least
/// important ones where [`TableStyle::width`] is too small for all. A name that is too long for its column stands on a line
/// of its own. It ends with a line break.
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
    let mut columns = columns(comparison);
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
        let name = printable(&result.spec);
        if name.chars().count() > name_width {
            // Two compositions may differ in the middle: a long name gets a line of its own.
            out.push_str(&shortened(&name, style.width));
            out.push('\n');
            out.push_str(&" ".repeat(name_width));
        } else {
            out.push_str(&format!("{name:<name_width$}"));
        }
        for column in &columns {
            let cell = &column.cells[row];
            let padding = " ".repeat(column.width() - cell.text.chars().count());
            out.push_str(&format!("{GAP}{padding}{}", paint(cell.text.clone(), cell.mark.map(code))));
        }
        out.truncate(out.trim_end_matches(' ').len());
        out.push('\n');
    }
}

/// The ANSI code of a mark.
fn code(mark: Mark) -> &'static str {
    match mark {
        Mark::Best | Mark::Better => GREEN,
        Mark::Worse => RED,
        Mark::Baseline => DIM,
    }
}

fn notes(comparison: &Comparison, style: TableStyle, out: &mut String) {
    let width = style.width.max(20);
    let mut lines = Vec::new();
    lines.extend(analysis::unequal_sentence(comparison));
    lines.extend(analysis::bounds_sentence(comparison));
    lines.extend(analysis::oracle_sentence(comparison));
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
