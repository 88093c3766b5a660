//! Lengths: each attempt lasts as long as it must.

use cloudai_schedulers::Duration;
use cloudai_workloads::AttemptStatus;

use super::attempts::{Attempt, Attempts};
use super::plan::Plan;
use super::verdict::Findings;

const LENGTH: &str = "length";

/// How long an attempt runs unless somebody stops it, pauses for checkpoints included.
struct Due {
    run: Duration,
    /// The limit, if it comes before.
    limit: Option<Duration>,
}

/// Attempts that end by themselves do so after their run time, or at their limit; those that are stopped do not last longer.
/// Of a gang the slowest part decides.
pub(super) fn check(plan: &Plan<'_>, attempts: &Attempts, findings: &mut Findings) {
    let (mut checked, mut resumed) = (0, 0u64);
    for (place, attempt) in attempts.all.iter().enumerate() {
        let Some(due) = due(plan, attempts, attempt) else { continue };
        checked += 1;
        let before = &attempts.all[attempts.of(attempt.task).start..place];
        if plan.settings.checkpoint && before.iter().any(Attempt::is_retried) {
            resumed += 1;
            check_stopped(plan, attempt, plan.settings.restart_overhead.saturating_add(due.run), findings);
        } else {
            check_one(plan, attempt, &due, findings);
        }
    }
    findings.checked(LENGTH, "attempts", checked);
    if resumed > 0 {
        findings.note(format!(
            "length: {resumed} attempts may go on from saved progress; only that they are no longer than a whole run"
        ));
    }
}

fn due(plan: &Plan<'_>, attempts: &Attempts, attempt: &Attempt) -> Option<Due> {
    let task = attempt.task;
    let (Some(_), Some(_)) = (attempt.start, attempt.end) else { return None };
    let run = attempts.workers(attempt).map(|worker| plan.run_time(task, worker)).max()?;
    let limit = attempts.workers(attempt).filter_map(|worker| plan.limit(task, worker)).max();
    let limit = limit.filter(|&limit| limit < run);
    let with_pauses = |work: Duration| work.saturating_add(plan.pauses(work));
    Some(Due { run: with_pauses(run), limit: limit.map(with_pauses) })
}

fn check_one(plan: &Plan<'_>, attempt: &Attempt, due: &Due, findings: &mut Findings) {
    let (Some(start), Some(end)) = (attempt.start, attempt.end) else { return };
    let ran = end - start;
    match (attempt.status, due.limit) {
        (Some(AttemptStatus::Completed), Some(limit)) => findings.found(LENGTH, attempt.at(), || {
            format!("completed after {ran} s; expected timed_out at its limit of {limit} s")
        }),
        (Some(AttemptStatus::TimedOut), None) => findings.found(LENGTH, attempt.at(), || {
            format!(
                "timed out after {ran} s; expected completed after {} s, as no limit ends it before",
                due.run
            )
        }),
        (None | Some(AttemptStatus::Completed | AttemptStatus::TimedOut), limit) => {
            let expected = limit.unwrap_or(due.run);
            let word = if limit.is_some() { "its limit" } else { "its run time" };
            if ran != expected {
                findings.found(LENGTH, attempt.at(), || {
                    format!("runs for {ran} s, from {start} to {end} s; expected {word} of {expected} s")
                });
            }
        }
        (Some(_), limit) => check_stopped(plan, attempt, limit.unwrap_or(due.run), findings),
    }
}

/// An attempt that was stopped lasts at most `most`, and as long as it took to stop it.
fn check_stopped(plan: &Plan<'_>, attempt: &Attempt, most: Duration, findings: &mut Findings) {
    let (Some(start), Some(end)) = (attempt.start, attempt.end) else { return };
    let settings = plan.settings;
    let saves = settings.checkpoint && settings.checkpoint_interval == Duration::ZERO;
    let stop = settings.stop_latency.saturating_add(if saves {
        settings.checkpoint_overhead
    } else {
        Duration::ZERO
    });
    let most = most.saturating_add(if attempt.status.is_none() { Duration::ZERO } else { stop });
    let ran = end - start;
    if ran > most {
        findings.found(LENGTH, attempt.at(), || {
            format!("lasts {ran} s, from {start} to {end} s; expected at most {most} s, when it would have ended by itself")
        });
    }
}
