//! `priority`: nobody starts while a task of higher priority waits.

use std::cmp::Reverse;
use std::collections::BTreeSet;

use super::replay::{Promise, Start, State};
use super::verdict::Findings;

/// Priorities of those who start against those of who is left waiting.
#[derive(Debug, Default)]
pub(super) struct Priority {
    /// (priority, rank) of all who wait, the most urgent first.
    waiting: BTreeSet<(Reverse<i32>, u32)>,
    starts: Vec<Start>,
    checked: u64,
}

fn key(state: &State<'_>, task: u32) -> (Reverse<i32>, u32) {
    (Reverse(state.plan.task(task).spec.priority), state.rank(task))
}

impl Promise for Priority {
    fn entered(&mut self, state: &State<'_>, task: u32) {
        self.waiting.insert(key(state, task));
    }

    fn started(&mut self, state: &State<'_>, start: &Start, _: &mut Findings) {
        self.waiting.remove(&key(state, start.task));
        self.starts.push(*start);
    }

    fn settled(&mut self, state: &State<'_>, findings: &mut Findings) {
        self.checked += self.starts.len() as u64;
        for start in self.starts.drain(..) {
            let own = state.plan.task(start.task).spec.priority;
            let mut above = self.waiting.iter().take_while(|(Reverse(priority), _)| *priority > own);
            // Where there were several passes, somebody who came at this instant may have come after the start.
            let waits = |rank: u32| {
                !state.is_unsettled || state.since[state.by_rank[rank as usize] as usize] < state.now
            };
            let Some(&(Reverse(higher), rank)) = above.find(|(_, rank)| waits(*rank)) else { continue };
            let waiting = state.by_rank[rank as usize];
            findings.found("priority", state.at(&start), || {
                let since = state.since[waiting as usize];
                format!(
                    "starts with priority {own} while task '{}' with priority {higher} waits, since {since} s",
                    state.name(waiting)
                )
            });
        }
    }

    fn finish(&mut self, findings: &mut Findings) {
        findings.checked("priority", "starts", self.checked);
    }
}
