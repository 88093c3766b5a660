//! Availability: work runs on workers that are up.

use cloudai_schedulers::Duration;
use cloudai_workloads::{AttemptStatus, FaultKind};

use super::attempts::{Attempt, Attempts, shown};
use super::plan::Plan;
use super::verdict::Findings;

const AVAILABILITY: &str = "availability";

/// Holds attempts against `faults.csv`: nothing starts on a worker that takes no work, an attempt ends when its worker is
/// lost, and is lost for no other reason.
pub(super) fn check(plan: &Plan<'_>, attempts: &Attempts, findings: &mut Findings) {
    if plan.settings.mtbf > Duration::ZERO {
        findings.note(
            "availability: workers fail at random (mtbf_s), and when they did is not in the schedule"
                .to_owned(),
        );
        return;
    }
    let mut checked = 0;
    for attempt in &attempts.all {
        let mut workers: Vec<u32> = attempts.workers(attempt).collect();
        workers.dedup();
        checked += workers.len() as u64;
        for &worker in &workers {
            check_on(plan, attempt, worker, findings);
        }
        let (Some(AttemptStatus::Lost), Some(end)) = (attempt.status, attempt.end) else { continue };
        let since = attempt.assigned.unwrap_or_default();
        if !workers.iter().any(|&worker| plan.lost(worker, since).is_some_and(|at| at <= end)) {
            findings.found(AVAILABILITY, attempt.at(), || {
                format!(
                    "is lost at {end} s, and no worker of it went down since {} s",
                    shown(attempt.assigned)
                )
            });
        }
    }
    findings.checked(AVAILABILITY, "places", checked);
}

fn check_on(plan: &Plan<'_>, attempt: &Attempt, worker: u32, findings: &mut Findings) {
    let faults = plan.faults(worker);
    let (Some(assigned), Some(end)) = (attempt.assigned, attempt.end) else { return };
    let name = &plan.workers()[worker as usize].name;
    // What happens to workers at an instant happens before the pass.
    let before = faults.partition_point(|fault| fault.time <= assigned);
    let state = match faults[..before].last() {
        Some(last) => Some(last.kind),
        None => faults.first().filter(|first| first.kind == FaultKind::Join).map(|_| FaultKind::Join),
    };
    let takes_work = match state {
        None | Some(FaultKind::Up) => true,
        Some(FaultKind::Join) => before > 0,
        Some(_) => false,
    };
    if !takes_work {
        findings.found(AVAILABILITY, attempt.at(), || {
            let why = match state {
                Some(FaultKind::Join) => "has not joined yet",
                Some(FaultKind::Drain) => "drains",
                _ => "is down",
            };
            format!("starts on '{name}' at {assigned} s, which {why}")
        });
    }
    let down = faults[before..].iter().find(|fault| fault.kind == FaultKind::Down && fault.time < end);
    if let Some(down) = down.filter(|_| attempt.status != Some(AttemptStatus::Lost)) {
        findings.found(AVAILABILITY, attempt.at(), || {
            format!(
                "runs on '{name}' until {end} s, which goes down at {} s; expected it to be lost then",
                down.time
            )
        });
    }
}
