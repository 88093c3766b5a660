//! `performance_metrics.txt`: one strategy's metrics, and how they compare with the baseline's.

use std::fmt::Write as _;

use cloudai_sim::result::{Comparison, StrategyResult};

use crate::analysis;
use crate::catalogue::{Better, CATALOGUE, Metric, Unit, Value, Verdict, provenance};
use crate::format::{change, counted, csv_number, duration, printable, trimmed};

/// The file's text.
pub(crate) fn text(comparison: &Comparison, result: &StrategyResult) -> String {
    let mut out = String::new();
    // Writing to a string cannot fail.
    let _ = write_text(&mut out, comparison, result);
    out
}

fn write_text(out: &mut String, comparison: &Comparison, result: &StrategyResult) -> std::fmt::Result {
    writeln!(out, "Strategy: {}", printable(&result.spec))?;
    writeln!(
        out,
        "Scenario: {} ({}, {})",
        printable(&comparison.scenario),
        counted(comparison.tasks, "task"),
        counted(comparison.workers.len() as u64, "worker")
    )?;
    if !comparison.foreknowledge.is_empty() {
        writeln!(out, "Known beforehand: {}", printable(&comparison.foreknowledge))?;
    }

    heading(out, "Metrics")?;
    let rows: Vec<_> = CATALOGUE.iter().map(|metric| row(metric, metric.value(&result.metrics))).collect();
    let labels = width(rows.iter().map(|row| row.label));
    let values = width(rows.iter().map(|row| row.value.as_str()));
    for row in &rows {
        let line = format!("{:<labels$}  {:>values$} {}", row.label, row.value, row.unit);
        let human = row.human.as_ref().map_or_else(String::new, |human| format!(" ({human})"));
        writeln!(out, "  {}{human}", line.trim_end())?;
    }

    heading(out, "Performance vs Baseline")?;
    write_baseline(out, comparison, result)?;

    heading(out, "Provenance")?;
    for (key, value) in provenance(&result.metrics) {
        writeln!(
            out,
            "  {:<13}  {}",
            key,
            if value.is_empty() { "-".to_owned() } else { printable(&value) }
        )?;
    }
    Ok(())
}

fn write_baseline(out: &mut String, comparison: &Comparison, result: &StrategyResult) -> std::fmt::Result {
    let Some(baseline) = analysis::baseline(comparison) else {
        return match &comparison.baseline {
            Some(spec) => writeln!(out, "  The baseline {} did not run.", printable(spec)),
            None => writeln!(out, "  There is no baseline in this comparison."),
        };
    };
    if baseline.spec == result.spec {
        return writeln!(out, "  This strategy is the baseline.");
    }
    writeln!(out, "  Baseline: {}", printable(&baseline.spec))?;
    let mut rows = vec![["", "value", "baseline", "change", ""].map(str::to_owned)];
    for metric in CATALOGUE.iter().filter(|metric| metric.better != Better::Neither) {
        let (own, base) = (metric.value(&result.metrics), metric.value(&baseline.metrics));
        let (Some(own_value), Some(base_value)) = (own.as_f64(), base.as_f64()) else { continue };
        let verdict = match metric.verdict(own, base) {
            Verdict::Better => "better",
            Verdict::Worse => "worse",
            Verdict::Same => "same",
            Verdict::Open => "",
        };
        rows.push([
            metric.label.to_owned(),
            with_unit(metric, own),
            with_unit(metric, base),
            change(own_value, base_value).unwrap_or_else(|| "-".to_owned()),
            verdict.to_owned(),
        ]);
    }
    let [labels, own, base, changes, _] =
        std::array::from_fn(|i| width(rows.iter().map(|row| row[i].as_str())));
    for [label, value, baseline, change, verdict] in &rows {
        let line =
            format!("{label:<labels$}  {value:>own$}  {baseline:>base$}  {change:>changes$}  {verdict}");
        writeln!(out, "  {}", line.trim_end())?;
    }
    Ok(())
}

struct Row {
    label: &'static str,
    value: String,
    unit: &'static str,
    human: Option<String>,
}

fn row(metric: &Metric, value: Value) -> Row {
    let (text, unit) = number(metric, value);
    let human = match (metric.unit, value) {
        (Unit::Seconds, Value::Real(seconds)) if seconds.abs() > 120.0 => Some(duration(seconds)),
        _ => None,
    };
    Row { label: metric.label, value: text, unit, human }
}

/// A value and its unit; `-` without unit if there is none.
fn number(metric: &Metric, value: Value) -> (String, &'static str) {
    let real = match value {
        Value::Missing => return ("-".to_owned(), ""),
        Value::Count(count) => {
            let unit = match (metric.unit, count) {
                (Unit::Attempts, 1) => "attempt",
                (Unit::Attempts, _) => "attempts",
                (_, 1) => "task",
                _ => "tasks",
            };
            return (count.to_string(), unit);
        }
        Value::Real(real) => real,
    };
    match metric.unit {
        Unit::Seconds => (if real.abs() < 1e15 { trimmed_seconds(real) } else { csv_number(real) }, "s"),
        Unit::Share => (trimmed(real * 100.0, 2), "%"),
        Unit::TasksPerMinute => (trimmed(real, 4), "tasks/min"),
        Unit::Ratio => (trimmed(real, 4), ""),
        Unit::Tasks => (trimmed(real, 4), "tasks"),
        Unit::Attempts => (trimmed(real, 4), "attempts"),
    }
}

/// Seconds to the millisecond: finer digits are noise beside runs of minutes.
fn trimmed_seconds(seconds: f64) -> String {
    csv_number((seconds * 1_000.0).round() / 1_000.0)
}

/// A value with its unit; `-` if there is none.
pub(crate) fn with_unit(metric: &Metric, value: Value) -> String {
    let (text, unit) = number(metric, value);
    format!("{text} {unit}").trim_end().to_owned()
}

fn heading(out: &mut String, text: &str) -> std::fmt::Result {
    writeln!(out, "\n{text}\n{}", "-".repeat(text.len()))
}

fn width<'a>(texts: impl Iterator<Item = &'a str>) -> usize {
    texts.map(|text| text.chars().count()).max().unwrap_or(0)
}
