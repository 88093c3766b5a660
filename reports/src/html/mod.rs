//! `index.html`: the report as one file that needs no network and no script.
//!
//! `overview` writes what concerns all strategies, `strategy` the section of each, `style.css` the looks. Names in it
//! come from files of others: everything but the markup of this module goes through
//! [`escaped`](crate::escape::escaped).

mod overview;
mod strategy;

use cloudai_sim::result::{Comparison, StrategyResult};

use crate::escape::escaped;
use crate::plots::{Drawn, Plot};

const STYLE: &str = include_str!("style.css");

/// The page's text; `assignments` says whose file of assignments is there to be linked, and its name.
pub(crate) fn page(
    comparison: &Comparison,
    drawn: &Drawn,
    assignments: impl Fn(&StrategyResult) -> Option<&'static str>,
) -> String {
    let mut out = String::new();
    let title = if comparison.scenario.is_empty() { "untitled scenario" } else { &comparison.scenario };
    open(&mut out, title);
    overview::header(&mut out, comparison, title);
    out.push_str("<main id=\"main\">\n");
    overview::results(&mut out, comparison);
    if !drawn.overall.is_empty() {
        out.push_str("<section aria-labelledby=\"plots\">\n<h2 id=\"plots\">Strategies side by side</h2>\n");
        for plot in &drawn.overall {
            figure(&mut out, plot, "");
        }
        out.push_str("</section>\n");
    }
    if !comparison.strategies.is_empty() {
        out.push_str("<section aria-labelledby=\"strategies\">\n<h2 id=\"strategies\">Each strategy</h2>\n");
        for (index, result) in comparison.strategies.iter().enumerate() {
            let plots = drawn.strategies.get(index).map_or(&[][..], Vec::as_slice);
            strategy::section(&mut out, comparison, index, result, plots, assignments(result));
        }
        out.push_str("</section>\n");
    }
    overview::background(&mut out, comparison);
    out.push_str("</main>\n");
    overview::footer(&mut out, comparison);
    out.push_str("</body>\n</html>\n");
    out
}

/// Everything up to the header: nothing is loaded from anywhere, and nothing is run, whatever a name may hold.
pub(crate) fn open(out: &mut String, title: &str) {
    out.push_str("<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n");
    out.push_str("<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\n");
    out.push_str("<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'; img-src data:\">\n");
    out.push_str(&format!(
        "<title>{} – CloudAI report</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n",
        escaped(title)
    ));
    out.push_str("<a class=\"skip\" href=\"#main\">Skip to the results</a>\n");
}

/// A plot with its caption and links to its files in `folder` (a relative link ending in `/`, or empty).
pub(crate) fn figure(out: &mut String, plot: &Plot, folder: &str) {
    let caption = escaped(&plot.caption);
    out.push_str(&format!(
        "<figure>\n<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"{caption}\">\n{}</div>\n",
        plot.markup
    ));
    out.push_str(&format!(
        "<figcaption>{caption} <a href=\"{folder}{0}.svg\">SVG</a> <a href=\"{folder}{0}.png\">PNG</a></figcaption>\n</figure>\n",
        plot.name
    ));
}
