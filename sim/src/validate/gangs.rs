//! Gangs: all replicas, or none.

use super::attempts::Attempts;
use super::plan::Plan;
use super::verdict::Findings;

const GANGS: &str = "gangs";

/// Each attempt has as many parts as its task has replicas. That they run at the same time was seen when their rows were
/// put together.
pub(super) fn check(plan: &Plan<'_>, attempts: &Attempts, findings: &mut Findings) {
    let mut gangs = 0;
    for attempt in attempts.all.iter().filter(|attempt| attempt.assigned.is_some() && !attempt.is_split) {
        let replicas = plan.task(attempt.task).spec.replicas;
        let parts = attempts.parts(attempt).len();
        gangs += u64::from(replicas > 1);
        if parts as u64 != u64::from(replicas) && parts > 0 {
            findings.found(GANGS, attempt.at(), || {
                format!("runs in {parts} parts; expected {replicas}, one a replica")
            });
        }
    }
    findings.checked(GANGS, "attempts of gangs", gangs);
}
