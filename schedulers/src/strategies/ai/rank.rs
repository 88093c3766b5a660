//! Upward ranks: how much work hangs on a task.

use std::collections::HashMap;

use crate::{ClusterEvent, ClusterView, Duration, TaskId};

/// The upward rank of a task: its expected nominal run time plus the longest path of expected run times through its
/// successors that have arrived (Topcuoglu, Hariri, Wu 2002, transfers left out).
///
/// Ranks of tasks with successors are remembered until a task with predecessors arrives.
#[derive(Clone, Debug, Default)]
pub(super) struct Ranks {
    known: HashMap<TaskId, Duration>,
}

impl Ranks {
    pub(super) fn observe(&mut self, event: &ClusterEvent, view: &ClusterView<'_>) {
        match event {
            ClusterEvent::TaskArrived(task) if view.predecessors(*task).next().is_some() => {
                self.known.clear();
            }
            ClusterEvent::TaskEnded { task, .. } => {
                self.known.remove(task);
            }
            _ => {}
        }
    }

    /// The upward rank of `task`, given each task's own run time. Each task and edge is visited once until it is
    /// forgotten.
    pub(super) fn rank(
        &mut self,
        view: &ClusterView<'_>,
        task: TaskId,
        run_time: impl Fn(TaskId) -> Duration,
    ) -> Duration {
        if view.successors(task).next().is_none() {
            return run_time(task);
        }
        let mut stack = vec![task];
        while let Some(&top) = stack.last() {
            if self.known.contains_key(&top) {
                stack.pop();
                continue;
            }
            let before = stack.len();
            stack.extend(
                view.successors(top).map(|(next, _)| next).filter(|next| !self.known.contains_key(next)),
            );
            if stack.len() == before {
                let tail = view.successors(top).filter_map(|(next, _)| self.known.get(&next)).max().copied();
                self.known.insert(top, run_time(top).saturating_add(tail.unwrap_or_default()));
                stack.pop();
            }
        }
        self.known.get(&task).copied().unwrap_or_default()
    }
}
