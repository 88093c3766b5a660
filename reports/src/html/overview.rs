//! What concerns all strategies: facts, comparison table, settings, definitions.

use cloudai_sim::result::Comparison;

use crate::analysis;
use crate::catalogue::CATALOGUE;
use crate::columns::{Cell, Mark, columns};
use crate::escape::escaped;
use crate::format::{change, duration, grouped};

pub(super) fn header(out: &mut String, comparison: &Comparison, title: &str) {
    out.push_str(&format!(
        "<header>\n<p class=\"eyebrow\">CloudAI report</p>\n<h1>{}</h1>\n",
        escaped(title)
    ));
    if let Some(text) = &comparison.source {
        source(out, text);
    }
    out.push_str("<dl class=\"facts\">\n");
    fact(out, "Tasks", &grouped(comparison.tasks));
    fact(out, "Workers", &grouped(comparison.workers.len() as u64));
    fact(out, "Strategies", &grouped(comparison.strategies.len() as u64));
    fact(out, "Baseline", comparison.baseline.as_deref().unwrap_or("none"));
    out.push_str("</dl>\n</header>\n");
}

/// Where the workload comes from: its first line, and what follows it folded up.
fn source(out: &mut String, text: &str) {
    let mut lines = text.lines().filter(|line| !line.trim().is_empty());
    let Some(first) = lines.next() else { return };
    out.push_str(&format!("<p class=\"muted\">Source: {}</p>\n", escaped(first)));
    let rest: Vec<String> = lines.map(|line| format!("<li>{}</li>\n", escaped(line))).collect();
    if !rest.is_empty() {
        out.push_str("<details>\n<summary>More on the source</summary>\n<div>\n<ul>\n");
        out.extend(rest);
        out.push_str("</ul>\n</div>\n</details>\n");
    }
}

fn fact(out: &mut String, name: &str, value: &str) {
    out.push_str(&format!("<div><dt>{name}</dt><dd>{}</dd></div>\n", escaped(value)));
}

pub(super) fn results(out: &mut String, comparison: &Comparison) {
    out.push_str("<section aria-labelledby=\"results\">\n<h2 id=\"results\">Results</h2>\n");
    let mut sentences = Vec::new();
    sentences.extend(winner(comparison));
    sentences.extend(analysis::unequal_sentence(comparison));
    sentences.extend(analysis::bounds_sentence(comparison));
    sentences.extend(analysis::oracle_sentence(comparison));
    sentences.extend(analysis::queue_sentence(comparison));
    if let (Some(spec), None) = (&comparison.baseline, analysis::baseline(comparison)) {
        sentences.push(format!("The baseline {spec} did not run."));
    }
    if !comparison.foreknowledge.is_empty() {
        sentences.push(format!("Known beforehand: {}", comparison.foreknowledge));
    }
    if !sentences.is_empty() {
        out.push_str("<div class=\"card\">\n");
        for sentence in sentences {
            out.push_str(&format!("<p>{}</p>\n", escaped(&sentence)));
        }
        out.push_str("</div>\n");
    }
    if comparison.strategies.is_empty() {
        out.push_str("<p>No strategy ran.</p>\n");
    } else {
        table(out, comparison);
    }
    if !comparison.skipped.is_empty() {
        out.push_str("<h3>Skipped</h3>\n<ul>\n");
        for skipped in &comparison.skipped {
            let (spec, reason) = (escaped(&skipped.spec), escaped(&skipped.reason));
            out.push_str(&format!("<li><code>{spec}</code>: {reason}</li>\n"));
        }
        out.push_str("</ul>\n");
    }
    out.push_str("</section>\n");
}

fn winner(comparison: &Comparison) -> Option<String> {
    let (result, makespan) = analysis::least_makespan(comparison)?;
    let base = analysis::baseline(comparison);
    let versus = base.filter(|base| base.spec != result.spec).and_then(|base| {
        change(makespan, base.metrics.makespan_s?).map(|change| format!(" ({change} against {})", base.spec))
    });
    Some(format!("Least makespan: {}, {}{}.", result.spec, duration(makespan), versus.unwrap_or_default()))
}

fn table(out: &mut String, comparison: &Comparison) {
    let columns = columns(comparison);
    out.push_str(
        "<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"Comparison of strategies\">\n",
    );
    let colours = if analysis::baseline(comparison).is_some() {
        "; green is better than the baseline, red is worse"
    } else {
        ""
    };
    out.push_str(&format!("<table class=\"compare\">\n<caption><span>★ marks the best value of a column{colours}.</span></caption>\n"));
    out.push_str("<thead><tr><th scope=\"col\">Strategy<small></small></th>");
    for column in &columns {
        out.push_str(&format!(
            "<th scope=\"col\" title=\"{}\">{}<small>{}</small></th>",
            escaped(column.metric.definition),
            column.title,
            column.page_unit()
        ));
    }
    out.push_str("</tr></thead>\n<tbody>\n");
    for (row, result) in comparison.strategies.iter().enumerate() {
        out.push_str(&format!(
            "<tr><th scope=\"row\"><a href=\"#s{row}\">{}</a></th>",
            breakable(&result.spec)
        ));
        for column in &columns {
            cell(out, &column.cells[row]);
        }
        out.push_str("</tr>\n");
    }
    out.push_str("</tbody>\n</table>\n</div>\n");
    out.push_str("<p class=\"muted\">The same as <a href=\"comparison.csv\">comparison.csv</a>, with every metric; all of it in <a href=\"report.json\">report.json</a>.</p>\n");
}

/// A spec that may be broken after its punctuation.
fn breakable(spec: &str) -> String {
    spec.split_inclusive(['_', '(', ',', '=']).map(|part| escaped(part) + "<wbr>").collect()
}

fn cell(out: &mut String, cell: &Cell) {
    let text = cell.text.as_str();
    let text = if text == "-" {
        "–".to_owned()
    } else {
        text.replacen('-', "−", usize::from(text.starts_with('-')))
    };
    out.push_str(&match cell.mark {
        None => format!("<td>{text}</td>"),
        Some(Mark::Best) => {
            format!("<td class=\"best\"><span aria-hidden=\"true\">★ </span>{text}<span class=\"sr\"> best</span></td>")
        }
        Some(Mark::Better) => {
            format!("<td><span class=\"mark better\">{text}<span class=\"sr\"> better</span></span></td>")
        }
        Some(Mark::Worse) => {
            format!("<td><span class=\"mark worse\">{text}<span class=\"sr\"> worse</span></span></td>")
        }
        Some(Mark::Baseline) => format!("<td class=\"muted\">{text}</td>"),
    });
}

pub(super) fn background(out: &mut String, comparison: &Comparison) {
    out.push_str("<section aria-labelledby=\"background\">\n<h2 id=\"background\">Background</h2>\n");
    if !comparison.settings.is_empty() {
        out.push_str("<details open>\n<summary>Settings in force</summary>\n<div>\n<table>\n<tbody>\n");
        for (key, value) in &comparison.settings {
            out.push_str(&format!(
                "<tr><th scope=\"row\"><code>{}</code></th><td class=\"words\">{}</td></tr>\n",
                escaped(key),
                escaped(value)
            ));
        }
        out.push_str("</tbody>\n</table>\n</div>\n</details>\n");
    }
    out.push_str("<details>\n<summary>Definitions of the metrics</summary>\n<div>\n<dl class=\"words\">\n");
    for metric in CATALOGUE {
        out.push_str(&format!(
            "<dt>{} <code>{}</code></dt>\n<dd>{}</dd>\n",
            escaped(metric.label),
            metric.key,
            escaped(metric.definition)
        ));
    }
    out.push_str("</dl>\n</div>\n</details>\n</section>\n");
}

pub(super) fn footer(out: &mut String, comparison: &Comparison) {
    out.push_str("<footer>\n");
    if let Some(first) = comparison.strategies.first() {
        let metrics = &first.metrics;
        out.push_str(&format!(
            "<p>CloudAI {}, seed {}, estimates {}, scenario hash <code>{}</code></p>\n",
            escaped(&metrics.version),
            metrics.seed,
            escaped(&metrics.estimates),
            escaped(&metrics.scenario_hash)
        ));
    }
    out.push_str("<p>The same inputs and seed give the same bytes: this page holds no date and no wall-clock time.</p>\n</footer>\n");
}
