//! `index.html` of a sweep: one file that needs no network and no script, in the looks of the other report.
//!
//! `objective` writes the section of each objective, `background` what stands behind the numbers.

mod background;
mod objective;
mod shaking;

use cloudai_sim::analysis::Analysis;

use super::plots::{Drawn, Plots};
use super::{Report, words};
use crate::escape::escaped;
use crate::format::grouped;
use crate::html;
use crate::plots::Plot;
use crate::plots::palette::series;
use crate::plots::svg;

/// The page's text.
pub(super) fn page(sweep: &Report, analysis: &Analysis, drawn: &Drawn) -> String {
    let mut out = String::new();
    let title = if sweep.name.is_empty() { "untitled sweep" } else { &sweep.name };
    html::open(&mut out, title);
    header(&mut out, sweep, analysis, title);
    out.push_str("<main id=\"main\">\n");
    findings(&mut out, analysis);
    for (index, findings) in analysis.findings.iter().enumerate() {
        let none = Plots::default();
        let plots = drawn.objectives.get(index).unwrap_or(&none);
        objective::section(&mut out, analysis, findings, index, plots);
    }
    shaking::section(&mut out, analysis, &drawn.shaking);
    gpu(&mut out, &drawn.gpu);
    background::section(&mut out, sweep, analysis);
    out.push_str("</main>\n<footer>\n");
    background::provenance(&mut out, sweep);
    out.push_str("<p>The same experiment gives the same bytes: this page holds no date and no wall-clock time.</p>\n</footer>\n</body>\n</html>\n");
    out
}

fn header(out: &mut String, sweep: &Report, analysis: &Analysis, title: &str) {
    out.push_str(&format!("<header>\n<p class=\"eyebrow\">CloudAI sweep</p>\n<h1>{}</h1>\n", escaped(title)));
    if !sweep.about.is_empty() {
        out.push_str(&format!("<p class=\"muted\">{}</p>\n", escaped(&sweep.about)));
    }
    out.push_str("<dl class=\"facts\">\n");
    let mut fact = |name: &str, value: &str| {
        out.push_str(&format!("<div><dt>{name}</dt><dd>{}</dd></div>\n", escaped(value)));
    };
    let levels =
        |name: &str| sweep.table.factors.iter().find(|f| f.name == name).map_or(0, |f| f.levels.len() as u64);
    fact("Cells", &grouped(sweep.table.rows.len() as u64));
    fact("Strategies", &grouped(analysis.strategies.len() as u64));
    for (name, factor) in
        [("Scenarios", "scenario"), ("Loads", "load"), ("Cluster sizes", "workers"), ("Seeds", "seed")]
    {
        if levels(factor) > 1 || factor == "scenario" {
            fact(name, &grouped(levels(factor)));
        }
    }
    if analysis.copies > 0 {
        fact("Shaken copies", &grouped(analysis.copies as u64));
    }
    fact("Baseline", analysis.baseline.map_or("none", |index| &analysis.strategies[index]));
    out.push_str("</dl>\n</header>\n");
}

/// GPU curves, by scenario.
fn gpu(out: &mut String, scenarios: &[(String, [Plot; 2])]) {
    if scenarios.is_empty() {
        return;
    }
    out.push_str("<section aria-labelledby=\"gpu\">\n<h2 id=\"gpu\">GPU allocation</h2>\n");
    out.push_str(
        "<p>The mean over all cells of a strategy, at each percent of GPU demand that had arrived.</p>\n",
    );
    for (name, plots) in scenarios {
        if scenarios.len() > 1 {
            out.push_str(&format!("<h3>{}</h3>\n", escaped(name)));
        }
        plots.iter().for_each(|plot| html::figure(out, plot, ""));
    }
    out.push_str("</section>\n");
}

/// The answer in short.
fn findings(out: &mut String, analysis: &Analysis) {
    out.push_str(
        "<section aria-labelledby=\"results\">\n<h2 id=\"results\">Findings</h2>\n<div class=\"card\">\n",
    );
    let mut sentences: Vec<String> =
        analysis.findings.iter().filter_map(|findings| words::best(analysis, findings)).collect();
    if sentences.is_empty() {
        sentences.push("No strategy has a result to be ranked by.".to_owned());
    }
    sentences.extend(words::shaken(analysis));
    sentences.extend(words::lost_cells(analysis));
    for sentence in sentences {
        out.push_str(&format!("<p>{}</p>\n", escaped(&sentence)));
    }
    out.push_str("</div>\n</section>\n");
}

/// A strategy's name behind its stroke in the plots, broken after its punctuation where it must be.
fn named(analysis: &Analysis, strategy: usize) -> String {
    let spec = &analysis.strategies[strategy];
    let name: String =
        spec.split_inclusive(['_', '(', ',', '=']).map(|part| escaped(part) + "<wbr>").collect();
    format!("{} {name}", svg::key(series(strategy)))
}

/// A number with a minus sign.
fn signed(text: &str) -> String {
    escaped(&text.replace('-', "−"))
}
