//! What an analysis says, in sentences; page and terminal share them.

use cloudai_sim::analysis::{Analysis, Difference, Findings};
use cloudai_sim::statistics::{Interval, LEAST_VALUES, Paired};

use super::scale::{Scale, label, p_value, percent};
use crate::catalogue::Verdict;
use crate::format::counted;

/// Whether any two strategies could have been told apart, whatever the values.
pub(super) fn is_grouped(analysis: &Analysis, findings: &Findings) -> bool {
    !findings.ranking.letters.is_empty() && findings.ranking.least_p <= analysis.alpha
}

/// Why there is no interval; empty if there is one.
pub(super) fn no_interval(interval: Interval) -> &'static str {
    match interval {
        Interval::TooFew => "too few values for an interval",
        Interval::Identical => "identical values",
        _ => "",
    }
}

/// What is missing of a difference, and why: its interval, itself in relation to the baseline, or the interval of that.
pub(super) fn missing(paired: &Paired) -> String {
    let relative = match paired.relative_interval {
        _ if paired.relative.is_none() => "no relative difference: the baseline's mean is 0",
        // Pairs that are too few or the same have neither interval, for one reason.
        _ if paired.interval.ends().is_none() => "",
        Interval::TooFew => "no relative interval: no resample has a finite ratio",
        Interval::Identical => "no relative interval: both of its ends are the same ratio",
        _ => "",
    };
    let parts = [no_interval(paired.interval), relative];
    parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("; ")
}

/// How a strategy stands against the baseline: better or worse only where that is significant.
pub(super) fn verdict(analysis: &Analysis, difference: &Difference, lower_is_better: bool) -> Verdict {
    let paired = &difference.paired;
    let down = paired.difference < 0.0 && paired.lower > paired.higher;
    let up = paired.difference > 0.0 && paired.higher > paired.lower;
    match () {
        () if paired.higher + paired.lower == 0 => Verdict::Same,
        () if difference.adjusted_p > analysis.alpha || down == up => Verdict::Open,
        () if down == lower_is_better => Verdict::Better,
        () => Verdict::Worse,
    }
}

/// A verdict as a word.
pub(super) const fn word(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Better => "better",
        Verdict::Worse => "worse",
        Verdict::Same => "same",
        Verdict::Open => "open",
    }
}

/// The scale for the means of an objective.
pub(super) fn scale(findings: &Findings) -> Scale {
    Scale::of(&findings.objective.metric, findings.overall.iter().flatten().map(|estimate| estimate.mean))
}

/// Who is best, and how sure that is.
pub(super) fn best(analysis: &Analysis, findings: &Findings) -> Option<String> {
    let ranking = &findings.ranking;
    let &first = ranking.order.first()?;
    let strategy = findings.ranked[first];
    let estimate = findings.overall[strategy]?;
    let scale = scale(findings);
    let interval =
        estimate.interval.ends().map(|ends| format!(" {}", scale.interval(ends))).unwrap_or_default();
    let metric = label(&findings.objective.metric);
    let mut text = format!(
        "{metric}: best is {}, {}{interval}",
        analysis.strategies[strategy],
        scale.with_unit(estimate.mean)
    );
    if let Some(difference) = analysis.overall_difference(strategy, &findings.objective.metric) {
        let base = analysis.baseline.map_or("", |index| &analysis.strategies[index]);
        if let Some(relative) = difference.paired.relative {
            text.push_str(&format!(", {} against {base}", percent(relative)));
        }
        text.push_str(&match verdict(analysis, difference, findings.objective.lower_is_better) {
            Verdict::Better | Verdict::Worse => format!(" (p {})", p_value(difference.adjusted_p)),
            Verdict::Same => ", the same throughout".to_owned(),
            Verdict::Open if difference.paired.n == 1 => String::new(),
            Verdict::Open => format!(" (not significant, p {})", p_value(difference.adjusted_p)),
        });
    }
    text.push('.');
    // Who else might be: those that share a letter with the best.
    if let Some(own) = ranking.letters.get(first).filter(|_| is_grouped(analysis, findings)) {
        let shares =
            |index: usize| ranking.letters[index].chars().any(|c| c.is_ascii_lowercase() && own.contains(c));
        let others = ranking.order[1..].iter().filter(|&&index| shares(index)).count();
        if others == ranking.order.len() - 1 && others > 0 {
            text.push_str(" No strategy can be told apart from it.");
        } else if others > 0 {
            text.push_str(&format!(" {} cannot be told apart from it.", counted(others as u64, "other")));
        }
    }
    Some(text)
}

/// What the data cannot say, and why.
pub(super) fn limits(analysis: &Analysis, findings: &Findings) -> Vec<String> {
    let mut sentences = Vec::new();
    let ranking = &findings.ranking;
    let n = ranking.blocks;
    if n == 1 {
        sentences.push(
            "There is one independent observation (a scenario with one seed, or seeds that change nothing): no interval, no \
             test. More seeds or scenarios would give them."
                .to_owned(),
        );
    } else if n > 1 && n < LEAST_VALUES {
        sentences.push(format!(
            "With {n} independent observations there are no intervals; they take {LEAST_VALUES}."
        ));
    }
    let strategies = ranking.order.len();
    if n > 1 && ranking.least_p > analysis.alpha && strategies > 1 {
        let pairs = (strategies * (strategies - 1) / 2) as f64;
        let needed = (n..64).find(|&n| (0..n).fold(2.0, |p, _| p / 2.0) * pairs <= analysis.alpha);
        sentences.push(format!(
            "{n} observations are too few for any two of {strategies} strategies to be told apart at {}; it takes {}.",
            analysis.alpha,
            needed.map_or_else(|| "more".to_owned(), |n| n.to_string())
        ));
    }
    if n > 1 && ranking.letters.is_empty() && strategies > 1 {
        sentences.push(format!("{strategies} strategies are too many to compare pair by pair: no groups."));
    }
    let (common, all) = findings.cases;
    if common < all {
        sentences.push(format!(
            "Means and ranks are over the {common} of {} (a condition with a seed) in which every strategy has a value.",
            counted(all as u64, "case")
        ));
    }
    let without: Vec<&str> = (0..analysis.strategies.len())
        .filter(|index| !findings.ranked.contains(index))
        .map(|index| analysis.strategies[index].as_str())
        .collect();
    if !without.is_empty() {
        sentences.push(format!("Without any value: {}.", without.join(", ")));
    }
    sentences
}

/// Whether there is any difference at all.
pub(super) fn friedman(analysis: &Analysis, findings: &Findings) -> Option<String> {
    let p = findings.ranking.friedman_p?;
    let n = counted(findings.ranking.blocks as u64, "independent observation");
    let found = if p <= analysis.alpha { "the strategies differ" } else { "no difference is certain" };
    Some(format!("Over {n}, {found} (Friedman, p {}).", p_value(p)))
}

/// Cells without a result.
pub(super) fn lost_cells(analysis: &Analysis) -> Option<String> {
    let (lost, all) = analysis.cells_without_result;
    (lost > 0).then(|| format!("{} of {} without result.", lost, counted(all as u64, "cell")))
}

/// The values of the factors that vary, of one condition and seed: `kth, load 0.9, seed 3`; empty if none does.
pub(super) fn condition_name(analysis: &Analysis, condition: usize, seed: &str) -> String {
    let varies = |factor: usize| {
        let mut values = analysis.conditions.iter().map(|condition| &condition.values[factor]);
        values.next().is_some_and(|first| values.any(|value| value != first))
    };
    let mut parts: Vec<String> = Vec::new();
    for (factor, name) in analysis.condition_factors.iter().enumerate().filter(|(factor, _)| varies(*factor))
    {
        let value = &analysis.conditions[condition].values[factor];
        match name.as_str() {
            "scenario" => parts.push(value.clone()),
            name => parts.push(format!("{} {value}", name.trim_start_matches("setting."))),
        }
    }
    if !seed.is_empty()
        && analysis.instances > analysis.conditions.iter().map(|c| c.scenario).max().map_or(0, |s| s + 1)
    {
        parts.push(format!("seed {seed}"));
    }
    parts.join(", ")
}

/// How much of the differences survives shaking, by the main objective.
pub(super) fn shaken(analysis: &Analysis) -> Option<String> {
    let findings = analysis.findings.first()?;
    let rows = &findings.shaking;
    let all = rows.len();
    let held = rows.iter().filter(|row| row.shaken.holds()).count();
    (all > 0).then(|| {
        format!(
            "{}: of {} from the baseline (one a case, which is a condition with a seed), {held} keep their sign in at least nine of ten shaken copies.",
            label(&findings.objective.metric),
            counted(all as u64, "difference")
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use cloudai_sim::statistics::Bootstrap;

    #[test]
    fn whatever_a_difference_lacks_has_its_reason() {
        let of = |pairs: &[(f64, f64)]| {
            let paired = Paired::new(pairs, &Bootstrap::default()).unwrap();
            let lacks = paired.interval.ends().is_none() || paired.relative_interval.ends().is_none();
            let note = missing(&paired);
            assert_eq!(lacks, !note.is_empty(), "{note}");
            note
        };
        let same_ratio = "no relative interval: both of its ends are the same ratio";
        // Five ties at 0: each resample has the sixth pair's ratio, or none.
        assert_eq!(of(&[(0.0, 0.0), (0.0, 0.0), (3.0, 4.0), (0.0, 0.0), (0.0, 0.0), (0.0, 0.0)]), same_ratio);
        assert_eq!(of(&[1.0, 2.0, 3.0, 4.0, 5.0, 6.0].map(|base| (base / 2.0, base))), same_ratio);
        let by_nothing = "no relative difference: the baseline's mean is 0";
        assert_eq!(of(&[0.0, 0.0, 3.0, 0.0, 1.0, 0.0].map(|own| (own, 0.0))), by_nothing);
        assert_eq!(of(&[(0.0, 0.0); 6]), format!("identical values; {by_nothing}"));
        assert_eq!(of(&[(0.0, 1.0); 6]), "identical values");
        assert_eq!(of(&[(0.0, 1.0), (2.0, 5.0)]), "too few values for an interval");
        assert_eq!(of(&[(0.0, 1.0), (2.0, 5.0), (1.0, 1.0), (4.0, 2.0), (3.0, 7.0)]), "");
    }
}
