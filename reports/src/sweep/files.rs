//! The CSV files of a sweep's report.

use cloudai_sim::analysis::Analysis;
use cloudai_sim::statistics::Interval;

use super::words;
use crate::format::csv_number;

type Text = Result<String, Box<dyn std::error::Error + Send + Sync>>;

/// The ends of an interval, and why there are none.
fn ends(interval: Interval) -> [String; 3] {
    let (low, high) = interval.ends().map_or((String::new(), String::new()), |(l, h)| (number(l), number(h)));
    [low, high, words::no_interval(interval).to_owned()]
}

fn number(value: f64) -> String {
    csv_number(value)
}

fn optional(value: Option<f64>) -> String {
    value.map_or_else(String::new, number)
}

/// A p-value with enough digits to be tested against anything.
fn p(value: f64) -> String {
    if value < 0.001 { format!("{value:e}") } else { number(value) }
}

/// `condition` and its factors; `all` and empty fields for the mean over all conditions.
fn scope(analysis: &Analysis, condition: Option<usize>) -> Vec<String> {
    match condition {
        None => {
            let empty = std::iter::repeat_n(String::new(), analysis.condition_factors.len());
            std::iter::once("all".to_owned()).chain(empty).collect()
        }
        Some(index) => {
            let values = analysis.conditions[index].values.iter().cloned();
            std::iter::once("condition".to_owned()).chain(values).collect()
        }
    }
}

fn header<'a>(analysis: &'a Analysis, before: &[&'a str], after: &[&'a str]) -> Vec<&'a str> {
    let factors = analysis.condition_factors.iter().map(String::as_str);
    before.iter().copied().chain(["scope"]).chain(factors).chain(after.iter().copied()).collect()
}

fn finished(writer: csv::Writer<Vec<u8>>) -> Text {
    Ok(String::from_utf8(writer.into_inner()?)?)
}

/// `summary.csv`: one row for each metric, strategy and condition.
pub(super) fn summary(analysis: &Analysis) -> Text {
    let mut writer = csv::Writer::from_writer(Vec::new());
    let after = ["n", "mean", "sd", "ci_low", "ci_high", "min", "max", "missing", "note"];
    writer.write_record(header(analysis, &["metric", "strategy"], &after))?;
    for summary in &analysis.summaries {
        let estimate = &summary.estimate;
        let [low, high, note] = ends(estimate.interval);
        let mut row = vec![summary.metric.clone(), analysis.strategies[summary.strategy].clone()];
        row.extend(scope(analysis, summary.condition));
        row.extend([
            estimate.n.to_string(),
            number(estimate.mean),
            optional(estimate.deviation),
            low,
            high,
            number(estimate.least),
            number(estimate.largest),
            estimate.missing.to_string(),
            note,
        ]);
        writer.write_record(row)?;
    }
    finished(writer)
}

/// `differences.csv`: one row for each metric, strategy other than the baseline, and condition.
pub(super) fn differences(analysis: &Analysis) -> Text {
    let mut writer = csv::Writer::from_writer(Vec::new());
    let after = [
        "n",
        "mean",
        "baseline_mean",
        "difference",
        "ci_low",
        "ci_high",
        "relative",
        "relative_low",
        "relative_high",
        "lower",
        "higher",
        "p",
        "p_holm",
        "least_p",
        "incomplete",
        "note",
    ];
    writer.write_record(header(analysis, &["metric", "strategy", "baseline"], &after))?;
    let baseline = analysis.baseline.map(|index| analysis.strategies[index].clone()).unwrap_or_default();
    for difference in &analysis.differences {
        let paired = &difference.paired;
        let [low, high, _] = ends(paired.interval);
        let [relative_low, relative_high, _] = ends(paired.relative_interval);
        let strategy = analysis.strategies[difference.strategy].clone();
        let mut row = vec![difference.metric.clone(), strategy, baseline.clone()];
        row.extend(scope(analysis, difference.condition));
        row.extend([
            paired.n.to_string(),
            number(paired.mean),
            number(paired.baseline),
            number(paired.difference),
            low,
            high,
            optional(paired.relative),
            relative_low,
            relative_high,
            paired.lower.to_string(),
            paired.higher.to_string(),
            p(paired.p),
            p(difference.adjusted_p),
            p(paired.least_p),
            difference.incomplete.to_string(),
            words::missing(paired),
        ]);
        writer.write_record(row)?;
    }
    finished(writer)
}

/// `ranking.csv`: one row for each objective and strategy, best first.
pub(super) fn ranking(analysis: &Analysis) -> Text {
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record([
        "metric",
        "place",
        "strategy",
        "blocks",
        "mean_rank",
        "mean",
        "letters",
        "friedman_p",
        "least_p",
        "incomplete",
    ])?;
    for findings in &analysis.findings {
        let ranking = &findings.ranking;
        for (place, &index) in ranking.order.iter().enumerate() {
            writer.write_record([
                findings.objective.metric.clone(),
                (place + 1).to_string(),
                analysis.strategies[findings.ranked[index]].clone(),
                ranking.blocks.to_string(),
                number(ranking.mean_ranks[index]),
                number(ranking.means[index]),
                ranking.letters.get(index).cloned().unwrap_or_default(),
                ranking.friedman_p.map(p).unwrap_or_default(),
                p(ranking.least_p),
                findings.incomplete.to_string(),
            ])?;
        }
    }
    finished(writer)
}

/// `shaking.csv`: one row for each objective, strategy other than the baseline, condition and seed.
pub(super) fn shaking(analysis: &Analysis) -> Text {
    let mut writer = csv::Writer::from_writer(Vec::new());
    let after = [
        "seed",
        "baseline_mean",
        "baseline_original",
        "original",
        "copies",
        "kept",
        "mean",
        "sd",
        "min",
        "p05",
        "median",
        "p95",
        "max",
    ];
    writer.write_record(header(analysis, &["metric", "strategy"], &after))?;
    for findings in &analysis.findings {
        for row in &findings.shaking {
            let shaken = &row.shaken;
            let mut fields =
                vec![findings.objective.metric.clone(), analysis.strategies[row.strategy].clone()];
            fields.extend(scope(analysis, Some(row.condition)));
            fields.extend([
                row.seed.clone(),
                number(row.baseline),
                optional(row.baseline_original),
                optional(shaken.original),
                shaken.copies.to_string(),
                shaken.kept.to_string(),
                number(shaken.mean),
                optional(shaken.deviation),
            ]);
            fields.extend(shaken.spread.map(number));
            writer.write_record(fields)?;
        }
    }
    finished(writer)
}
