//! `no_preemption`: no task is preempted.

use cloudai_workloads::AttemptStatus;

use super::attempts::{Attempts, shown};
use super::verdict::{At, Findings};

/// Looks for attempts that were preempted. One that was lost with its worker was not.
pub(super) fn check(attempts: &Attempts, findings: &mut Findings) {
    findings.checked("no_preemption", "attempts", attempts.all.len() as u64);
    for attempt in attempts.all.iter().filter(|attempt| attempt.status == Some(AttemptStatus::Preempted)) {
        let at = At { time: attempt.end, task: Some(attempt.task), line: Some(attempt.line) };
        findings.found("no_preemption", at, || {
            format!("is preempted in attempt {}, which started at {} s", attempt.number, shown(attempt.start))
        });
    }
}
