//! What stands behind the numbers: method, files, experiment, cells that did not run.

use std::collections::BTreeMap;

use cloudai_sim::analysis::Analysis;
use cloudai_sim::statistics::LEAST_VALUES;
use cloudai_sim::sweep::{Outcome, Table};

use super::super::Report;
use crate::escape::escaped;
use crate::format::counted;

pub(super) fn section(out: &mut String, sweep: &Report, analysis: &Analysis) {
    out.push_str("<section aria-labelledby=\"background\">\n<h2 id=\"background\">Background</h2>\n");
    method(out, analysis);
    out.push_str(
        "<p>Files: <a href=\"summary.csv\">summary.csv</a> (mean, spread and interval of every metric), \
         <a href=\"differences.csv\">differences.csv</a> (paired), <a href=\"ranking.csv\">ranking.csv</a>, \
         <a href=\"shaking.csv\">shaking.csv</a>.</p>\n",
    );
    lost(out, &sweep.table);
    if !sweep.experiment.is_empty() {
        out.push_str("<details>\n<summary>The experiment</summary>\n<div>\n<pre>");
        for line in sweep.experiment.lines() {
            out.push_str(&escaped(line));
            out.push('\n');
        }
        out.push_str("</pre>\n</div>\n</details>\n");
    }
    out.push_str("</section>\n");
}

fn method(out: &mut String, analysis: &Analysis) {
    let confidence = (analysis.bootstrap.confidence * 100.0).round();
    let resamples = analysis.bootstrap.resamples;
    let (alpha, seed) = (analysis.alpha, analysis.bootstrap.seed);
    let terms = [
        (
            "Observation",
            "One scenario with one seed. Loads, cluster sizes, settings and shaken copies of it are averaged first, over the cells that \
             all strategies compared have in common: they share a workload and are not independent. Seeds that change nothing count once."
                .to_owned(),
        ),
        (
            "Interval",
            format!(
                "{confidence}% BCa bootstrap over observations, {resamples} resamples, widened by Student's quantile for small samples; none below {LEAST_VALUES} observations."
            ),
        ),
        (
            "Difference",
            "Mean of the paired differences strategy − baseline; in percent, that mean over the baseline's mean.".to_owned(),
        ),
        (
            "p",
            "Wilcoxon's signed-rank test of the pairs, two-sided, exact up to 50 pairs, after Holm's correction over the strategies compared."
                .to_owned(),
        ),
        (
            "Group",
            format!(
                "Letters from the same test of all pairs of strategies, after Holm's correction over the pairs: strategies without a common letter differ at {alpha}."
            ),
        ),
        (
            "Friedman",
            format!("Whether mean ranks differ at all; p from 9,999 permutations within observations, seed {seed}."),
        ),
    ];
    out.push_str(
        "<details>\n<summary>How sure is that? The methods</summary>\n<div>\n<dl class=\"words\">\n",
    );
    for (term, text) in terms {
        out.push_str(&format!("<dt>{term}</dt>\n<dd>{}</dd>\n", escaped(&text)));
    }
    out.push_str("</dl>\n</div>\n</details>\n");
}

/// Cells without a result, by reason.
fn lost(out: &mut String, table: &Table) {
    let mut reasons: BTreeMap<(&str, &str), u64> = BTreeMap::new();
    for row in &table.rows {
        match &row.outcome {
            Outcome::Skipped(reason) => *reasons.entry(("skipped", reason)).or_default() += 1,
            Outcome::Failed(reason) => *reasons.entry(("failed", reason)).or_default() += 1,
            _ => {}
        }
    }
    if reasons.is_empty() {
        return;
    }
    out.push_str("<h3>Cells without a result</h3>\n<ul>\n");
    for ((what, reason), count) in reasons {
        let cells = counted(count, "cell");
        out.push_str(&format!("<li>{cells} {what}: {}</li>\n", escaped(reason)));
    }
    out.push_str("</ul>\n");
}

/// Which version made the results.
pub(super) fn provenance(out: &mut String, sweep: &Report) {
    let at = Table::TEXTS.iter().position(|text| *text == "version");
    let version = sweep.table.rows.iter().find_map(|row| row.measured()?.texts.get(at?));
    if let Some(version) = version {
        out.push_str(&format!("<p>CloudAI {}</p>\n", escaped(version)));
    }
}
