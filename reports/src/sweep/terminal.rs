//! The table at the end of a sweep.

use std::fmt::Write as _;

use cloudai_sim::analysis::{Analysis, Findings};

use super::scale::{label, p_value, percent};
use super::words;
use crate::TableStyle;
use crate::catalogue::Verdict;
use crate::format::{counted, printable, shortened, wrapped};

/// Strategies shown; the baseline is shown beyond that.
const SHOWN: usize = 12;
const GAP: &str = "  ";
const BOLD: &str = "\x1b[1m";
const DIM: &str = "\x1b[2m";
const GREEN: &str = "\x1b[32m";
const RED: &str = "\x1b[31m";
const RESET: &str = "\x1b[0m";

/// The best strategies by the main objective for a terminal: mean, interval, difference from the baseline with its
/// p-value, and the groups that cannot be told apart; what limits it, and the best by each other objective, below. It ends with a line
/// break.
#[must_use]
pub fn summary_table(analysis: &Analysis, style: TableStyle) -> String {
    let mut out = String::new();
    let Some(main) = analysis.findings.first().filter(|findings| !findings.ranking.order.is_empty()) else {
        return "No strategy has a result to be ranked by.\n".to_owned();
    };
    grid(analysis, main, style, &mut out);
    let mut notes = Vec::new();
    notes.extend(words::friedman(analysis, main));
    notes.extend(words::limits(analysis, main));
    notes.extend(analysis.findings[1..].iter().filter_map(|findings| words::best(analysis, findings)));
    notes.extend(words::lost_cells(analysis));
    out.push('\n');
    for note in notes {
        out.push_str(&wrapped(&printable(&note), style.width.max(20), 2));
        out.push('\n');
    }
    out
}

struct Row {
    name: String,
    /// Mean, interval, difference, p, group.
    cells: [String; 5],
    code: Option<&'static str>,
}

fn rows(analysis: &Analysis, findings: &Findings) -> (Vec<Row>, usize) {
    let ranking = &findings.ranking;
    let scale = words::scale(findings);
    let metric = &findings.objective.metric;
    let is_grouped = words::is_grouped(analysis, findings);
    let row = |place: usize, index: usize| {
        let strategy = findings.ranked[index];
        let estimate = findings.overall[strategy];
        let interval =
            estimate.and_then(|e| e.interval.ends()).map_or_else(|| "-".to_owned(), |e| scale.interval(e));
        let difference = analysis.overall_difference(strategy, metric);
        let is_base = analysis.baseline == Some(strategy);
        let relative = match difference {
            _ if is_base => "base".to_owned(),
            Some(difference) => difference.paired.relative.map_or_else(|| "-".to_owned(), percent),
            None => "-".to_owned(),
        };
        let tested = difference.filter(|difference| difference.paired.n > 1);
        let p = tested.map_or_else(|| "-".to_owned(), |difference| p_value(difference.adjusted_p));
        let verdict = difference.map(|d| words::verdict(analysis, d, findings.objective.lower_is_better));
        let cells = [
            estimate.map_or_else(|| "-".to_owned(), |estimate| scale.text(estimate.mean)),
            interval,
            relative,
            if is_base { String::new() } else { p },
            ranking.letters.get(index).filter(|_| is_grouped).cloned().unwrap_or_default(),
        ];
        let code = match verdict {
            Some(Verdict::Better) => Some(GREEN),
            Some(Verdict::Worse) => Some(RED),
            _ if is_base => Some(DIM),
            _ => None,
        };
        Row { name: format!("{} {}", place + 1, printable(&analysis.strategies[strategy])), cells, code }
    };
    let shown: Vec<Row> = ranking
        .order
        .iter()
        .enumerate()
        .filter(|(place, index)| *place < SHOWN || analysis.baseline == Some(findings.ranked[**index]))
        .map(|(place, &index)| row(place, index))
        .collect();
    let left = ranking.order.len() - shown.len();
    (shown, left)
}

fn grid(analysis: &Analysis, findings: &Findings, style: TableStyle, out: &mut String) {
    let (rows, left) = rows(analysis, findings);
    let scale = words::scale(findings);
    let direction = if findings.objective.lower_is_better { "lower" } else { "higher" };
    let unit = if scale.unit.is_empty() { String::new() } else { format!(" in {}", scale.unit) };
    let conditions = analysis.conditions.len();
    let over = match (findings.ranking.blocks, conditions) {
        (n, 1) => counted(n as u64, "observation"),
        (n, c) => format!("{} under {}", counted(n as u64, "observation"), counted(c as u64, "condition")),
    };
    let title = format!("{}{unit} over {over}, {direction} is better", label(&findings.objective.metric));
    let paint = |text: String, code: Option<&str>| match code {
        Some(code) if style.color => format!("{code}{text}{RESET}"),
        _ => text,
    };
    let confidence = format!("{}% interval", (analysis.bootstrap.confidence * 100.0).round());
    let headings = ["mean", &confidence, "vs base", "p", "group"].map(str::to_owned);
    let mut widths: Vec<usize> = headings.iter().map(|heading| heading.chars().count()).collect();
    for row in &rows {
        for (width, cell) in widths.iter_mut().zip(&row.cells) {
            *width = (*width).max(cell.chars().count());
        }
    }
    // Columns that would be empty throughout are left out, and the interval where the terminal is too narrow.
    let mut kept: Vec<usize> = (0..headings.len())
        .filter(|&column| rows.iter().any(|row| !matches!(row.cells[column].as_str(), "" | "-" | "base")))
        .collect();
    let needed = |kept: &[usize]| kept.iter().map(|&column| widths[column] + GAP.len()).sum::<usize>();
    for victim in [1, 4, 3, 2] {
        if needed(&kept) + 18 > style.width {
            kept.retain(|&column| column != victim);
        }
    }
    let longest = rows.iter().map(|row| row.name.chars().count()).max().unwrap_or(0).max("strategy".len());
    let name_width = longest.min(style.width.saturating_sub(needed(&kept)).max(8));
    let line = |name: String, cells: &[String]| {
        let mut text = name;
        for &column in &kept {
            let width = widths[column];
            // Groups read from the left, numbers from the right.
            let _ = if column == 4 {
                write!(text, "{GAP}{:<width$}", cells[column])
            } else {
                write!(text, "{GAP}{:>width$}", cells[column])
            };
        }
        text.trim_end().to_owned()
    };
    out.push_str(&wrapped(&title, style.width.max(20), 0));
    out.push_str("\n\n");
    let header = line(format!("{:<name_width$}", "strategy"), &headings);
    let rule = "-".repeat((name_width + needed(&kept)).min(style.width));
    out.push_str(&format!("{}\n{rule}\n", paint(header, Some(BOLD))));
    for row in &rows {
        let mut name = row.name.clone();
        if name.chars().count() > name_width {
            // Two specs may differ in the middle: a long name gets a line of its own.
            out.push_str(&shortened(&name, style.width));
            out.push('\n');
            name.clear();
        }
        out.push_str(&paint(line(format!("{name:<name_width$}"), &row.cells), row.code));
        out.push('\n');
    }
    if left > 0 {
        out.push_str(&format!("and {left} more, in index.html and ranking.csv\n"));
    }
}
