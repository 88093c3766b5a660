//! `fcfs`: nobody starts before somebody who stands earlier in the queue.

use super::replay::{Promise, Start, State};
use super::verdict::Findings;

/// Order of (eligible, index), start by start.
#[derive(Debug, Default)]
pub(super) struct Fcfs {
    starts: u64,
}

impl Promise for Fcfs {
    fn started(&mut self, state: &State<'_>, start: &Start, findings: &mut Findings) {
        self.starts += 1;
        // Where there were several passes, somebody who came at this instant may have come after the start.
        let waits = |rank: &&u32| {
            !state.is_unsettled || state.since[state.by_rank[**rank as usize] as usize] < state.now
        };
        let earlier = state.queue.range(..start.rank);
        let Some(&overtaken) = earlier.into_iter().find(waits) else { return };
        let overtaken = state.by_rank[overtaken as usize];
        findings.found("fcfs", state.at(start), || {
            format!(
                "starts before task '{}', which is eligible since {} s; itself since {} s",
                state.name(overtaken),
                state.attempts.eligible[overtaken as usize],
                state.attempts.eligible[start.task as usize]
            )
        });
    }

    fn finish(&mut self, findings: &mut Findings) {
        findings.checked("fcfs", "starts", self.starts);
    }
}
