//! Orders by a score that changes with time.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::QueueOrder;
use super::keys::{Score, processors, seconds};
use crate::{ClusterView, TaskId, TaskView, Time};

/// Highest score first, ties by (eligible, index). Every waiting task is scored in every pass: O(Q), and O(log Q) for each
/// task that the pass reaches.
#[derive(Debug)]
pub struct ByScore {
    score: fn(&ClusterView<'_>, TaskView<'_>) -> f64,
    ranked: BinaryHeap<(Score, Reverse<(Time, TaskId)>)>,
    /// The pass has ranked the tasks: one that finds no room for any of them does without.
    is_ranked: bool,
}

impl ByScore {
    /// The order by this score.
    #[must_use]
    pub const fn new(score: fn(&ClusterView<'_>, TaskView<'_>) -> f64) -> Self {
        Self { score, ranked: BinaryHeap::new(), is_ranked: false }
    }

    fn rank(&mut self, view: &ClusterView<'_>) {
        let mut entries = std::mem::take(&mut self.ranked).into_vec();
        entries.clear();
        entries.extend(view.queue().filter_map(|task| {
            let seen = view.task(task)?;
            Some((Score((self.score)(view, seen)), Reverse((seen.eligible(), task))))
        }));
        self.ranked = entries.into();
        self.is_ranked = true;
    }
}

impl QueueOrder for ByScore {
    fn listens(&self) -> bool {
        false
    }

    fn begin(&mut self, _: &ClusterView<'_>) {
        self.is_ranked = false;
    }

    fn next(&mut self, view: &ClusterView<'_>) -> Option<TaskId> {
        if !self.is_ranked {
            self.rank(view);
        }
        self.ranked.pop().map(|(_, Reverse((_, task)))| task)
    }
}

/// WFP3: (wait / expected run time)^3 x processors (Tang, Lan, Desai, Buettner 2009, Fault-aware, utility-based job
/// scheduling on Blue Gene/P systems).
#[must_use]
pub fn wfp3(view: &ClusterView<'_>, task: TaskView<'_>) -> f64 {
    let ratio = wait(view, task) / run(view, task);
    ratio * ratio * ratio * processors(view, task)
}

/// UNICEF: wait / (log2(processors) x expected run time) (Tang et al. 2009). A task of one processor or less that has
/// waited comes first, as the formula's limit has it.
#[must_use]
pub fn unicef(view: &ClusterView<'_>, task: TaskView<'_>) -> f64 {
    let wait = wait(view, task);
    if wait > 0.0 { wait / (libm::log2(processors(view, task).max(1.0)) * run(view, task)) } else { 0.0 }
}

fn wait(view: &ClusterView<'_>, task: TaskView<'_>) -> f64 {
    seconds(view.now() - task.eligible())
}

/// At least a microsecond, to divide by.
fn run(view: &ClusterView<'_>, task: TaskView<'_>) -> f64 {
    seconds(view.expected_nominal(task.id()).max(Time::TICK))
}
