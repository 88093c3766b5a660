//! The section of one strategy: metrics and plots, folded up.

use cloudai_sim::result::{Comparison, StrategyResult};

use super::figure;
use crate::analysis;
use crate::catalogue::{CATALOGUE, Metric, Unit, Value, Verdict};
use crate::escape::{escaped, link_segment};
use crate::format::{change, duration};
use crate::performance::with_unit;
use crate::plots::Plot;

pub(super) fn section(
    out: &mut String,
    comparison: &Comparison,
    index: usize,
    result: &StrategyResult,
    plots: &[Plot],
    assignments: Option<&str>,
) {
    let open = if comparison.strategies.len() == 1 { " open" } else { "" };
    let makespan = result.metrics.makespan_s.filter(|v| v.is_finite());
    let makespan = makespan.map_or_else(String::new, |v| format!("makespan {}", duration(v)));
    out.push_str(&format!(
        "<details id=\"s{index}\"{open}>\n<summary>{} <span class=\"muted\">{makespan}</span></summary>\n<div>\n",
        escaped(&result.spec)
    ));
    let folder = format!("{}/", link_segment(&result.folder));
    out.push_str("<p>Files:");
    let curve = !result.gpu_curve.is_empty();
    let files = [
        Some("performance_metrics.txt"),
        Some("metrics.json"),
        curve.then_some("gpu_curve.csv"),
        assignments,
    ];
    for file in files.into_iter().flatten() {
        out.push_str(&format!(" <a href=\"{folder}{file}\">{file}</a>"));
    }
    out.push_str("</p>\n");
    for plot in plots {
        figure(out, plot, &folder);
    }
    metrics(out, comparison, result);
    out.push_str("</div>\n</details>\n");
}

fn metrics(out: &mut String, comparison: &Comparison, result: &StrategyResult) {
    let base = analysis::baseline(comparison).filter(|base| base.spec != result.spec);
    let spec = escaped(&result.spec);
    out.push_str(&format!(
        "<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"Metrics of {spec}\">\n<table>\n<caption><span>Metrics of {spec}{}</span></caption>\n",
        base.map_or_else(String::new, |base| format!(", and how they compare with {}", escaped(&base.spec)))
    ));
    out.push_str("<thead><tr><th scope=\"col\">Metric</th><th scope=\"col\">Value</th>");
    if base.is_some() {
        out.push_str("<th scope=\"col\">Baseline</th><th scope=\"col\">Change</th>");
    }
    out.push_str("</tr></thead>\n<tbody>\n");
    for metric in CATALOGUE {
        let own = metric.value(&result.metrics);
        out.push_str(&format!(
            "<tr><th scope=\"row\" title=\"{}\">{}</th><td>{}</td>",
            escaped(metric.definition),
            escaped(metric.label),
            shown(metric, own)
        ));
        if let Some(base) = base {
            let base = metric.value(&base.metrics);
            out.push_str(&format!(
                "<td>{}</td><td>{}</td>",
                shown(metric, base),
                compared(metric, own, base)
            ));
        }
        out.push_str("</tr>\n");
    }
    out.push_str("</tbody>\n</table>\n</div>\n");
}

/// A value with its unit, times in the unit that suits them.
fn shown(metric: &Metric, value: Value) -> String {
    match (metric.unit, value) {
        (_, Value::Missing) => "–".to_owned(),
        (Unit::Seconds, Value::Real(seconds)) => duration(seconds),
        _ => with_unit(metric, value),
    }
}

fn compared(metric: &Metric, own: Value, base: Value) -> String {
    let (Some(own_value), Some(base_value)) = (own.as_f64(), base.as_f64()) else { return "–".to_owned() };
    let change = change(own_value, base_value).map(|text| text.replace('-', "−"));
    let word = match metric.verdict(own, base) {
        Verdict::Better => "better",
        Verdict::Worse => "worse",
        Verdict::Same => return "same".to_owned(),
        Verdict::Open => return change.unwrap_or_else(|| "–".to_owned()),
    };
    let change = change.map_or_else(String::new, |change| change + " ");
    format!("<span class=\"mark {word}\">{change}{word}</span>")
}
