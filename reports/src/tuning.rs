//! What a tuning came to, for a terminal.

use std::fmt::Write as _;

use cloudai_sim::tune::{ALPHA, Side, Tuned, Verdict};

use crate::TableStyle;
use crate::format::{counted, decimals_for, fixed, grouped, printable, shortened, wrapped};
use crate::sweep::scale::{p_value, percent};

const BOLD: &str = "\x1b[1m";
const RESET: &str = "\x1b[0m";

/// The parameters found, what they reach on either side, how they stand against other strategies, and whether the gain is one. It
/// ends with a line break.
#[must_use]
pub fn summary(tuned: &Tuned, style: TableStyle) -> String {
    let width = style.width.max(40);
    let mut out = String::new();
    let complete = format!("{} of them on every training run", grouped(tuned.complete() as u64));
    let head = format!(
        "{}, tuned for {}: {} ({complete}), {} of {} runs, seed {}",
        tuned.default,
        tuned.objective,
        counted(tuned.candidates.len() as u64, "candidate"),
        grouped(tuned.spent),
        grouped(tuned.budget),
        tuned.seed
    );
    let _ = writeln!(out, "{}\n", wrapped(&printable(&head), width, 2));
    parameters(tuned, width, &mut out);
    let heading = |text: String| if style.color { format!("{BOLD}{text}{RESET}") } else { text };
    let name = width.min(100) - 40;
    for (title, side) in [("training", &tuned.training), ("held-out", &tuned.heldout)] {
        let line =
            format!("{title:name$}  {:>4}  {:>10}  {:>10}  {:>8}", "runs", "default", "tuned", "change");
        let _ = writeln!(out, "\n{}", heading(line));
        sides(tuned, side, name, &mut out);
    }
    if !tuned.against.is_empty() {
        let name = width.min(100) - 38;
        let title =
            format!("held-out, {} against", counted(tuned.heldout.observations as u64, "observation"));
        let line = format!("{title:name$}  {:>8}  {:>18}  {:>6}", "change", "95% interval", "p");
        let _ = writeln!(out, "\n{}", heading(line));
        others(tuned, name, width, &mut out);
    }
    let _ = writeln!(out, "\n{}", wrapped(&printable(&verdict(tuned)), width, 2));
    out
}

fn parameters(tuned: &Tuned, columns: usize, out: &mut String) {
    let width = tuned.space.dimensions.iter().map(|dimension| dimension.name.len()).max().unwrap_or(0);
    for dimension in &tuned.space.dimensions {
        let found = tuned.spec.params.iter().find(|(name, _)| *name == dimension.name);
        let value = found.map_or(&dimension.default, |(_, value)| value);
        let line = format!(
            "  {:width$}  {value:<10}  default {:<10}  of {}",
            dimension.name, dimension.default, dimension.domain
        );
        let _ = writeln!(out, "{}", shortened(&line, columns));
    }
}

fn change(tuned: f64, default: f64) -> String {
    if default > 0.0 { percent(tuned / default - 1.0) } else { "-".to_owned() }
}

fn sides(tuned: &Tuned, side: &Side, name: usize, out: &mut String) {
    let terms = &tuned.objective.terms;
    for group in &side.groups {
        let title = shortened(&printable(&group.name), name - 2);
        if terms.len() > 1 {
            let _ = writeln!(out, "  {title}");
        }
        for (number, (key, _)) in terms.iter().enumerate() {
            let label = if terms.len() > 1 { format!("  {key}") } else { title.clone() };
            let default = group.default[number];
            let found = group.tuned.as_ref().map(|tuned| tuned[number]);
            let decimals = decimals_for([default].into_iter().chain(found));
            let value = |value: f64| fixed(value, decimals);
            let _ = writeln!(
                out,
                "  {:width$}  {:>4}  {:>10}  {:>10}  {:>8}",
                label,
                group.runs,
                value(default),
                found.map_or_else(|| "failed".to_owned(), value),
                found.map_or_else(|| "-".to_owned(), |found| change(found, default)),
                width = name - 2
            );
        }
    }
    let score = side.score.map_or_else(|| "-".to_owned(), |score| percent(score - 1.0));
    let all = format!("  all {}", if terms.len() > 1 { "(the weighted mix)" } else { "(the objective)" });
    let _ = writeln!(out, "{all:name$}  {:>4}  {:>10}  {:>10}  {score:>8}", side.runs, "", "");
}

fn others(tuned: &Tuned, name: usize, width: usize, out: &mut String) {
    for against in &tuned.against {
        let label = shortened(&printable(&against.spec.to_string()), name - 2);
        match &against.paired {
            Ok(paired) => {
                let interval = paired.relative_interval.ends().map_or_else(
                    || "-".to_owned(),
                    |(low, high)| format!("{} to {}", percent(low), percent(high)),
                );
                let relative = paired.relative.map_or_else(|| "-".to_owned(), percent);
                let p = p_value(paired.p);
                let _ = writeln!(
                    out,
                    "  {label:inner$}  {relative:>8}  {interval:>18}  {p:>6}",
                    inner = name - 2
                );
            }
            Err(reason) => {
                let text = format!("  {label}: not compared: {}", printable(reason));
                let _ = writeln!(out, "{}", wrapped(&text, width, 4));
            }
        }
    }
}

/// Whether the gain of training is there on the held-out scenarios, in words.
#[must_use]
pub fn verdict(tuned: &Tuned) -> String {
    let gain = tuned.training.score.map_or_else(|| "-".to_owned(), |score| percent(score - 1.0));
    let paired = tuned.against.first().and_then(|against| against.paired.as_ref().ok());
    let heldout = paired.map_or_else(String::new, |paired| {
        let change = paired.relative.map_or_else(|| "-".to_owned(), percent);
        let p = p_value(paired.p);
        let p = if p.starts_with('≤') { p } else { format!("= {p}") };
        format!("{change} on {} (p {p})", counted(paired.n as u64, "held-out observation"))
    });
    let mut text = match tuned.verdict() {
        Verdict::Default => {
            "No candidate did better than the default parameters on the training scenarios: they are the \
                             result."
                .to_owned()
        }
        Verdict::CarriesOver => format!("The gain carries over: {gain} in training, {heldout}."),
        Verdict::NotShown => {
            let mut text = format!(
                "The gain is not shown to carry over: {gain} in training, {heldout}, which may be chance."
            );
            if paired.is_some_and(|paired| paired.least_p > ALPHA) {
                text += " So few observations could not have shown more: hold out at least 6.";
            }
            text
        }
        Verdict::Overfitted => format!(
            "Overfitted: {gain} in training does not carry over, {heldout}. Keep the default parameters."
        ),
        _ => "The result failed on a held-out scenario: keep the default parameters.".to_owned(),
    };
    let better: Vec<String> = tuned
        .against
        .iter()
        .skip(1)
        .filter(|against| {
            against.paired.as_ref().is_ok_and(|paired| paired.difference > 0.0 && paired.p <= ALPHA)
        })
        .map(|against| against.spec.to_string())
        .collect();
    if !better.is_empty() {
        let _ = write!(text, " Better still on the held-out scenarios: {}.", better.join(", "));
    }
    text
}
