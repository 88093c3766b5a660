//! The section of one objective: ranking, plots, means by condition.

use cloudai_sim::analysis::{Analysis, Estimate, Findings};
use cloudai_sim::statistics::Interval;

use super::super::plots::Plots;
use super::super::scale::{Scale, label, p_value, percent};
use super::super::words;
use super::{named, signed};
use crate::catalogue::{Metric, Verdict};
use crate::escape::escaped;
use crate::html::figure;

/// More conditions are in `summary.csv` only.
const MOST_CONDITIONS: usize = 24;

pub(super) fn section(
    out: &mut String,
    analysis: &Analysis,
    findings: &Findings,
    index: usize,
    plots: &Plots,
) {
    let metric = &findings.objective.metric;
    let direction = if findings.objective.lower_is_better { "lower" } else { "higher" };
    out.push_str(&format!(
        "<section aria-labelledby=\"o{index}\">\n<h2 id=\"o{index}\">{}</h2>\n",
        escaped(&label(metric))
    ));
    let definition = Metric::by_key(metric).map_or("", |metric| metric.definition);
    out.push_str(&format!(
        "<p class=\"muted\"><code>{}</code>, {direction} is better. {}</p>\n",
        escaped(metric),
        escaped(definition)
    ));
    let mut sentences = Vec::new();
    sentences.extend(words::friedman(analysis, findings));
    sentences.extend(words::limits(analysis, findings));
    if !sentences.is_empty() {
        out.push_str("<div class=\"card\">\n");
        for sentence in sentences {
            out.push_str(&format!("<p>{}</p>\n", escaped(&sentence)));
        }
        out.push_str("</div>\n");
    }
    if !findings.ranked.is_empty() {
        ranking(out, analysis, findings);
    }
    for plot in &plots.shown {
        figure(out, plot, "");
    }
    if !plots.folded.is_empty() {
        out.push_str("<details>\n<summary>The same in the other scenarios</summary>\n<div>\n");
        for plot in &plots.folded {
            figure(out, plot, "");
        }
        out.push_str("</div>\n</details>\n");
    }
    by_condition(out, analysis, findings);
    out.push_str("</section>\n");
}

/// Strategies without a complete observation are ranked behind the others, by nothing: in the order of the table.
fn order(findings: &Findings) -> Vec<usize> {
    if findings.ranking.order.is_empty() {
        return findings.ranked.clone();
    }
    findings.ranking.order.iter().map(|&index| findings.ranked[index]).collect()
}

fn ranking(out: &mut String, analysis: &Analysis, findings: &Findings) {
    let metric = &findings.objective.metric;
    let ranking = &findings.ranking;
    let scale = words::scale(findings);
    let confidence = (analysis.bootstrap.confidence * 100.0).round();
    let grouped = words::is_grouped(analysis, findings);
    let base = analysis.baseline.map(|index| analysis.strategies[index].as_str());
    let title = escaped(&label(metric));
    out.push_str(&format!(
        "<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"Ranking by {title}\">\n<table class=\"compare\">\n<caption><span>"
    ));
    if grouped {
        out.push_str(&format!(
            "Strategies that share a letter cannot be told apart at {} (signed ranks, Holm over all pairs). ",
            analysis.alpha
        ));
    }
    if base.is_some() {
        out.push_str("Green is significantly better than the baseline, red significantly worse. ");
    }
    out.push_str("</span></caption>\n<thead><tr><th scope=\"col\">Strategy<small></small></th>");
    if grouped {
        out.push_str("<th scope=\"col\">Group<small></small></th>");
    }
    out.push_str(&format!(
        "<th scope=\"col\">Mean<small>{}</small></th><th scope=\"col\">Interval<small>{confidence}%</small></th>",
        scale.unit
    ));
    if let Some(base) = base {
        out.push_str(&format!(
            "<th scope=\"col\">Difference<small>from {}</small></th><th scope=\"col\">Interval<small>{confidence}%</small></th><th scope=\"col\">p<small>Holm</small></th><th scope=\"col\">Better<small>in pairs</small></th>",
            escaped(&crate::format::shortened(base, 18))
        ));
    }
    out.push_str("<th scope=\"col\">Mean rank<small></small></th></tr></thead>\n<tbody>\n");
    for strategy in order(findings) {
        let Some(estimate) = &findings.overall[strategy] else { continue };
        out.push_str(&format!("<tr><th scope=\"row\">{}</th>", named(analysis, strategy)));
        let place = findings.ranked.iter().position(|&other| other == strategy);
        if grouped {
            let letters = place.and_then(|place| ranking.letters.get(place)).map_or("", String::as_str);
            out.push_str(&format!("<td class=\"group\">{letters}</td>"));
        }
        out.push_str(&format!(
            "<td>{}</td><td>{}</td>",
            signed(&scale.text(estimate.mean)),
            interval(&scale, estimate)
        ));
        if base.is_some() {
            difference(out, analysis, findings, strategy);
        }
        let rank = place.and_then(|place| ranking.mean_ranks.get(place));
        out.push_str(&format!(
            "<td>{}</td></tr>\n",
            rank.map_or_else(|| "–".to_owned(), |rank| crate::format::fixed(*rank, 2))
        ));
    }
    out.push_str("</tbody>\n</table>\n</div>\n");
}

fn difference(out: &mut String, analysis: &Analysis, findings: &Findings, strategy: usize) {
    if analysis.baseline == Some(strategy) {
        out.push_str("<td class=\"muted\">baseline</td><td></td><td></td><td></td>");
        return;
    }
    let Some(difference) = analysis.overall_difference(strategy, &findings.objective.metric) else {
        out.push_str("<td>–</td><td>–</td><td>–</td><td>–</td>");
        return;
    };
    let paired = &difference.paired;
    let scale = words::scale(findings);
    // The interval is that of what is shown, and so is the reason for there being none.
    let (text, interval, ends) = match paired.relative {
        Some(relative) => {
            let ends = paired.relative_interval.ends();
            let ends = ends.map(|(low, high)| format!("[{}, {}]", percent(low), percent(high)));
            (percent(relative), paired.relative_interval, ends)
        }
        None => {
            let ends = paired.interval.ends().map(|ends| scale.interval(ends));
            (scale.with_unit(paired.difference), paired.interval, ends)
        }
    };
    let text = match words::verdict(analysis, difference, findings.objective.lower_is_better) {
        Verdict::Same => "same".to_owned(),
        verdict @ (Verdict::Better | Verdict::Worse) => {
            let word = words::word(verdict);
            format!("<span class=\"mark {word}\">{}<span class=\"sr\"> {word}</span></span>", signed(&text))
        }
        Verdict::Open => signed(&text),
    };
    let ends = ends.map_or_else(|| reason(paired.n, interval), |ends| signed(&ends));
    out.push_str(&format!(
        "<td>{text}</td><td>{ends}</td><td>{}</td><td>{} of {}</td>",
        if paired.n > 1 { escaped(&p_value(difference.adjusted_p)) } else { "–".to_owned() },
        if findings.objective.lower_is_better { paired.lower } else { paired.higher },
        paired.n
    ));
}

fn interval(scale: &Scale, estimate: &Estimate) -> String {
    match estimate.interval.ends() {
        Some(ends) => signed(&scale.interval(ends)),
        None => reason(estimate.n, estimate.interval),
    }
}

/// Why there is no interval, in a cell.
fn reason(n: usize, interval: Interval) -> String {
    let why = match interval {
        Interval::Identical => "identical".to_owned(),
        _ => format!("n = {n}"),
    };
    format!("<span class=\"muted\">{why}</span>")
}

/// A table of means: strategies by conditions.
fn by_condition(out: &mut String, analysis: &Analysis, findings: &Findings) {
    let metric = &findings.objective.metric;
    let conditions = analysis.conditions.len();
    if conditions < 2 {
        return;
    }
    let shown = conditions.min(MOST_CONDITIONS);
    out.push_str("<details>\n<summary>Means under each condition</summary>\n<div>\n");
    if shown < conditions {
        out.push_str(&format!(
            "<p class=\"muted\">The first {shown} of {conditions} conditions; all of them are in <a href=\"summary.csv\">summary.csv</a>.</p>\n"
        ));
    }
    let of = |strategy: usize, condition: usize| {
        analysis.summaries.iter().find(|summary| {
            summary.condition == Some(condition) && summary.strategy == strategy && summary.metric == *metric
        })
    };
    out.push_str(&format!(
        "<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"{0} by condition\">\n<table class=\"compare\">\n<caption><span>Mean and interval of {0}; ★ marks the best mean of a column.</span></caption>\n<thead><tr><th scope=\"col\">Strategy<small></small></th>",
        escaped(&label(metric).to_lowercase())
    ));
    // One unit a column: loads may lie orders of magnitude apart.
    let columns: Vec<(Scale, Option<f64>)> = (0..shown)
        .map(|condition| {
            let means: Vec<f64> = (0..analysis.strategies.len())
                .filter_map(|strategy| of(strategy, condition).map(|summary| summary.estimate.mean))
                .collect();
            let lower = findings.objective.lower_is_better;
            let best = means.iter().copied().reduce(|a, b| if (b < a) == lower { b } else { a });
            let best = best.filter(|best| means.iter().any(|mean| mean != best));
            (Scale::of(metric, means), best)
        })
        .collect();
    for (condition, (scale, _)) in columns.iter().enumerate() {
        out.push_str(&format!(
            "<th scope=\"col\">{}<small>{}</small></th>",
            escaped(&words::condition_name(analysis, condition, "")),
            scale.unit
        ));
    }
    out.push_str("</tr></thead>\n<tbody>\n");
    for strategy in order(findings) {
        out.push_str(&format!("<tr><th scope=\"row\">{}</th>", named(analysis, strategy)));
        for (condition, (scale, best)) in columns.iter().enumerate() {
            let Some(summary) = of(strategy, condition) else {
                out.push_str("<td>–</td>");
                continue;
            };
            let estimate = &summary.estimate;
            let is_best = *best == Some(estimate.mean);
            let ends = estimate.interval.ends().map_or_else(String::new, |ends| {
                format!("<br><span class=\"muted\">{}</span>", signed(&scale.interval(ends)))
            });
            let (class, star, word) = if is_best {
                (" class=\"best\"", "<span aria-hidden=\"true\">★ </span>", "<span class=\"sr\"> best</span>")
            } else {
                ("", "", "")
            };
            out.push_str(&format!(
                "<td{class}>{star}{}{word}{ends}</td>",
                signed(&scale.text(estimate.mean))
            ));
        }
        out.push_str("</tr>\n");
    }
    out.push_str("</tbody>\n</table>\n</div>\n</div>\n</details>\n");
}
