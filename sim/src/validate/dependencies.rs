//! Dependencies: predecessors complete first, and their data is there.

use cloudai_schedulers::Time;
use cloudai_workloads::AttemptStatus;

use super::attempts::Attempts;
use super::plan::Plan;
use super::verdict::Findings;

const DEPENDENCIES: &str = "dependencies";

/// No attempt takes resources before every predecessor has completed and its data is on the worker; and a task is
/// cancelled only because a predecessor did not complete.
pub(super) fn check(plan: &Plan<'_>, attempts: &Attempts, findings: &mut Findings) {
    findings.checked(DEPENDENCIES, "dependencies", plan.scenario.edges.len() as u64);
    for attempt in &attempts.all {
        let predecessors = plan.predecessors(attempt.task);
        if attempt.assigned.is_none() && attempt.status == Some(AttemptStatus::Cancelled) {
            let fine = predecessors.iter().any(|&(from, _)| attempts.completed[from as usize].is_none());
            if !fine {
                findings.found(DEPENDENCIES, attempt.at(), || {
                    "was cancelled while it waited, and every predecessor completed".to_owned()
                });
            }
        }
        let Some(assigned) = attempt.assigned else { continue };
        for &(from, transfer) in predecessors {
            let name = &plan.task(from).name;
            let Some(before) = attempts.completed[from as usize].map(|at| &attempts.all[at]) else {
                findings.found(DEPENDENCIES, attempt.at(), || {
                    format!("starts, and its predecessor '{name}' did not complete")
                });
                continue;
            };
            let end = before.end.unwrap_or(Time::NEVER);
            let late = attempts.workers(attempt).map(|worker| {
                let there = attempts.workers(before).any(|at| at == worker);
                (if there { end } else { end + transfer }, worker)
            });
            let Some((ready, worker)) = late.max().filter(|(ready, _)| assigned < *ready) else { continue };
            findings.found(DEPENDENCIES, attempt.at(), || {
                let worker = &plan.workers()[worker as usize].name;
                let moved = if ready > end {
                    format!(", and its data is on '{worker}' {transfer} s later, at {ready} s")
                } else {
                    String::new()
                };
                format!(
                    "takes its resources at {assigned} s; its predecessor '{name}' ends at {end} s{moved}"
                )
            });
        }
    }
}
