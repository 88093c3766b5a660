//! What tables and pages say about a comparison as a whole: baseline, bounds, the best batch-mode queue.

use cloudai_sim::result::{Comparison, Metrics, StrategyKind, StrategyResult};

use crate::format::{change, counted, duration, duration_at_least, grouped};

/// The baseline's result, if it ran.
pub(crate) fn baseline(comparison: &Comparison) -> Option<&StrategyResult> {
    let spec = comparison.baseline.as_deref()?;
    comparison.strategies.iter().find(|result| result.spec == spec)
}

/// True if a task that does not start at once is turned away: then who accepts less is done sooner, and a makespan says
/// nothing good.
pub(crate) fn rejects(comparison: &Comparison) -> bool {
    comparison.settings.iter().any(|(key, value)| key == "on_full" && value == "reject")
}

/// The batch-mode queue with the least makespan; where tasks are rejected, the one that completed most.
pub(crate) fn best_queue(comparison: &Comparison) -> Option<&StrategyResult> {
    let makespan = |result: &StrategyResult| result.metrics.makespan_s.filter(|v| v.is_finite());
    let turned_away = |result: &StrategyResult| {
        if rejects(comparison) { std::cmp::Reverse(result.metrics.completed) } else { std::cmp::Reverse(0) }
    };
    let allocated = |result: &StrategyResult| {
        result.metrics.gpu_allocation.filter(|_| rejects(comparison)).map_or(0.0, |share| -share)
    };
    // Among equals the one with the shorter turnaround.
    let key = |result: &StrategyResult| {
        let time = if rejects(comparison) { None } else { makespan(result) };
        (turned_away(result), allocated(result), time, result.metrics.mean_turnaround_s)
    };
    comparison
        .strategies
        .iter()
        .filter(|result| result.kind == StrategyKind::Queue && makespan(result).is_some())
        .reduce(|best, next| if key(next) < key(best) { next } else { best })
}

/// The least value of a bound over the strategies: it holds for each of them.
pub(crate) fn bound(comparison: &Comparison, get: impl Fn(&Metrics) -> Option<f64>) -> Option<f64> {
    comparison
        .strategies
        .iter()
        .filter_map(|result| get(&result.metrics))
        .filter(|v| v.is_finite())
        .reduce(f64::min)
}

/// The bounds in a sentence.
pub(crate) fn bounds_sentence(comparison: &Comparison) -> Option<String> {
    if rejects(comparison) {
        return None; // the bounds are on schedules of all tasks
    }
    let makespan = bound(comparison, |m| m.lower_bound_s);
    let turnaround = bound(comparison, |m| m.mean_turnaround_bound_s);
    match (makespan, turnaround) {
        (Some(makespan), Some(turnaround)) => Some(format!(
            "No schedule of all tasks can have a makespan below {}, nor a mean turnaround below {}.",
            duration_at_least(makespan),
            duration_at_least(turnaround)
        )),
        (Some(makespan), None) => Some(format!(
            "No schedule of all tasks can have a makespan below {}.",
            duration_at_least(makespan)
        )),
        (None, Some(turnaround)) => Some(format!(
            "No schedule of all tasks can have a mean turnaround below {}.",
            duration_at_least(turnaround)
        )),
        (None, None) => None,
    }
}

/// What the oracle found, in a sentence.
pub(crate) fn oracle_sentence(comparison: &Comparison) -> Option<String> {
    let known = bound(comparison, |m| m.best_known_s)?;
    let proved = bound(comparison, |m| m.best_known_bound_s)?;
    let proof = if known <= proved {
        "none is shorter without preemption".to_owned()
    } else {
        format!("without preemption none is below {}", duration_at_least(proved))
    };
    Some(format!(
        "Shortest makespan known, by an oracle that knows everything beforehand: {}; {proof}.",
        duration(known)
    ))
}

/// The best batch-mode queue beside the baseline in a sentence: a weak baseline flatters.
pub(crate) fn queue_sentence(comparison: &Comparison) -> Option<String> {
    let queue = best_queue(comparison)?;
    if rejects(comparison) {
        return Some(accepting_sentence(queue, baseline(comparison)));
    }
    let queue_makespan = queue.metrics.makespan_s?;
    let mut text = format!("Best batch-mode queue: {}, makespan {}", queue.spec, duration(queue_makespan));
    if let Some(baseline) = baseline(comparison) {
        if baseline.spec == queue.spec {
            text.push_str("; it is the baseline.");
            return Some(text);
        }
        if let Some(base) = baseline.metrics.makespan_s.filter(|v| v.is_finite()) {
            let change =
                change(queue_makespan, base).map_or_else(String::new, |change| format!(" ({change})"));
            text.push_str(&format!("{change}, where the baseline {} has {}", baseline.spec, duration(base)));
            if queue_makespan < base {
                text.push_str(": a weak baseline flatters, so compare with the queue too");
            }
        }
    }
    text.push('.');
    Some(text)
}

/// The same where tasks are rejected: what counts is how much was taken in.
fn accepting_sentence(queue: &StrategyResult, baseline: Option<&StrategyResult>) -> String {
    let did = |metrics: &Metrics| {
        let allocated = metrics.gpu_allocation.filter(|share| share.is_finite());
        let gpus = allocated.map_or_else(String::new, |share| {
            format!(", {:.1}% of the GPUs in use at the last arrival", share * 100.0)
        });
        format!("{} completed{gpus}", counted(metrics.completed, "task"))
    };
    let mut text = format!(
        "Best batch-mode queue, as tasks that do not start at once are rejected: {}, {}",
        queue.spec,
        did(&queue.metrics)
    );
    match baseline {
        Some(baseline) if baseline.spec == queue.spec => text.push_str("; it is the baseline"),
        Some(baseline) => {
            text.push_str(&format!("; the baseline {}: {}", baseline.spec, did(&baseline.metrics)));
        }
        None => {}
    }
    text.push('.');
    text
}

/// The strategy with the least makespan among those that completed the most tasks; the first of several.
pub(crate) fn least_makespan(comparison: &Comparison) -> Option<(&StrategyResult, f64)> {
    let most = comparison.strategies.iter().map(|result| result.metrics.completed).max()?;
    comparison
        .strategies
        .iter()
        .filter(|result| result.metrics.completed == most)
        .filter_map(|result| {
            result.metrics.makespan_s.filter(|v| v.is_finite()).map(|makespan| (result, makespan))
        })
        .reduce(|best, next| if next.1 < best.1 { next } else { best })
}

/// A warning where strategies did not complete equally many tasks: who does less work is done sooner.
pub(crate) fn unequal_sentence(comparison: &Comparison) -> Option<String> {
    let most = comparison.strategies.iter().map(|result| result.metrics.completed).max()?;
    let fewer: Vec<String> = comparison
        .strategies
        .iter()
        .filter(|result| result.metrics.completed < most)
        .map(|result| format!("{} ({})", result.spec, grouped(result.metrics.completed)))
        .collect();
    (!fewer.is_empty()).then(|| {
        let most = counted(most, "task");
        format!(
            "Not all completed {most}: {}. Less work takes less time, so compare with care.",
            fewer.join(", ")
        )
    })
}
