//! The section on shaken copies.

use cloudai_sim::analysis::{Analysis, Findings};

use super::super::scale::label;
use super::named;
use crate::escape::escaped;
use crate::html::figure;
use crate::plots::Plot;

pub(super) fn section(out: &mut String, analysis: &Analysis, plots: &[Option<Plot>]) {
    if analysis.findings.iter().all(|findings| findings.shaking.is_empty()) {
        return;
    }
    out.push_str("<section aria-labelledby=\"shaking\">\n<h2 id=\"shaking\">Shaking</h2>\n");
    out.push_str(
        "<p>Each workload was run again with its arrivals moved a little, at random. A difference from the baseline that few \
         copies share is an accident of that one workload (Tsafrir, Ouaknine and Feitelson 2007). Copies are no \
         observations of their own: they enter the means above, and not the number of observations.</p>\n",
    );
    for (index, findings) in analysis.findings.iter().enumerate() {
        out.push_str(&format!("<h3>{}</h3>\n", escaped(&label(&findings.objective.metric))));
        table(out, analysis, findings);
        if let Some(plot) = plots.get(index).and_then(Option::as_ref) {
            figure(out, plot, "");
        }
    }
    out.push_str("</section>\n");
}

/// By strategy: over all cases, how many copies keep the sign, and in how many cases nine of ten do.
fn table(out: &mut String, analysis: &Analysis, findings: &Findings) {
    let name = escaped(&label(&findings.objective.metric).to_lowercase());
    out.push_str(&format!(
        "<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"Shaking and {name}\">\n<table class=\"compare\">\n<caption><span>A case is a condition with a seed; its difference holds if at least nine of ten copies keep its sign.</span></caption>\n<thead><tr><th scope=\"col\">Strategy<small></small></th><th scope=\"col\">Cases<small></small></th><th scope=\"col\">Holds<small>in cases</small></th><th scope=\"col\">Copies that keep the sign<small></small></th></tr></thead>\n<tbody>\n"
    ));
    for &index in &findings.ranking.order {
        let strategy = findings.ranked[index];
        let rows: Vec<_> = findings.shaking.iter().filter(|row| row.strategy == strategy).collect();
        if rows.is_empty() {
            continue;
        }
        let holds = rows.iter().filter(|row| row.shaken.holds()).count();
        let kept: usize = rows.iter().map(|row| row.shaken.kept).sum();
        let copies: usize = rows.iter().map(|row| row.shaken.copies).sum();
        out.push_str(&format!(
            "<tr><th scope=\"row\">{}</th><td>{}</td><td>{holds}</td><td>{kept} of {copies} ({}%)</td></tr>\n",
            named(analysis, strategy),
            rows.len(),
            (kept as f64 / copies.max(1) as f64 * 100.0).round()
        ));
    }
    out.push_str("</tbody>\n</table>\n</div>\n");
}
