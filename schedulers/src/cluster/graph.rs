//! Dependencies between tasks, and when data is where it is needed.

use std::collections::HashMap;

use smallvec::SmallVec;

use crate::model::{Duration, TaskId, Time, WorkerId};

/// What became of a task that others depend on.
#[derive(Clone, Debug, Default)]
pub(crate) enum Outcome {
    #[default]
    Open,
    Completed {
        end: Time,
        workers: SmallVec<[WorkerId; 1]>,
    },
    /// Failed, cancelled or rejected: successors are cancelled.
    Broken,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Node {
    /// The task, once it has arrived.
    pub(crate) task: Option<TaskId>,
    pub(crate) outcome: Outcome,
    pub(crate) predecessors: Vec<(u32, Duration)>,
    pub(crate) successors: Vec<(u32, Duration)>,
    /// Predecessors that have not completed.
    pub(crate) open_predecessors: u32,
}

/// The dependency graph by trace index; only tasks with an edge have a node.
#[derive(Clone, Debug, Default)]
pub(crate) struct Graph {
    nodes: HashMap<u32, Node>,
}

impl Graph {
    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }

    pub(crate) fn node(&self, index: u32) -> Option<&Node> {
        self.nodes.get(&index)
    }

    #[inline]
    pub(crate) fn node_mut(&mut self, index: u32) -> Option<&mut Node> {
        if self.nodes.is_empty() { None } else { self.nodes.get_mut(&index) }
    }

    /// Adds an edge. A predecessor that has completed already does not block.
    pub(crate) fn add(&mut self, from: u32, to: u32, transfer: Duration) {
        let before = self.nodes.entry(from).or_default();
        before.successors.push((to, transfer));
        let open = !matches!(before.outcome, Outcome::Completed { .. });
        let after = self.nodes.entry(to).or_default();
        after.predecessors.push((from, transfer));
        after.open_predecessors += u32::from(open);
    }

    /// True if some predecessor of `index` failed, so that it can never run.
    pub(crate) fn is_broken(&self, index: u32) -> bool {
        self.node(index).is_some_and(|node| {
            node.predecessors
                .iter()
                .any(|(from, _)| self.node(*from).is_some_and(|from| matches!(from.outcome, Outcome::Broken)))
        })
    }

    /// Predecessors of `index` that have not completed, counted anew.
    pub(crate) fn counted_open(&self, index: u32) -> usize {
        let predecessors = self.node(index).map_or(&[][..], |node| &node.predecessors);
        let completed =
            |from| self.node(from).is_some_and(|from| matches!(from.outcome, Outcome::Completed { .. }));
        predecessors.iter().filter(|&&(from, _)| !completed(from)).count()
    }

    /// Completed predecessors of `index`: end, workers, transfer time.
    fn inputs(&self, index: u32) -> impl Iterator<Item = (Time, &[WorkerId], Duration)> {
        let predecessors = self.node(index).map_or(&[][..], |node| &node.predecessors);
        predecessors.iter().filter_map(|(from, transfer)| match &self.node(*from)?.outcome {
            Outcome::Completed { end, workers } => Some((*end, workers.as_slice(), *transfer)),
            Outcome::Open | Outcome::Broken => None,
        })
    }

    /// When the data of every predecessor is on `worker`, given that all have completed.
    #[inline(never)]
    pub(crate) fn ready_at(&self, index: u32, worker: WorkerId) -> Time {
        self.inputs(index)
            .map(|(end, workers, transfer)| if workers.contains(&worker) { end } else { end + transfer })
            .max()
            .unwrap_or(Time::ZERO)
    }

    /// The latest end of a predecessor.
    pub(crate) fn last_predecessor_end(&self, index: u32) -> Time {
        self.inputs(index).map(|(end, _, _)| end).max().unwrap_or(Time::ZERO)
    }

    /// The distinct instants behind `now` at which data of `index` arrives somewhere.
    pub(crate) fn transfers_after(&self, index: u32, now: Time) -> Vec<Time> {
        let mut ends: Vec<Time> =
            self.inputs(index).map(|(end, _, transfer)| end + transfer).filter(|&end| end > now).collect();
        ends.sort_unstable();
        ends.dedup();
        ends
    }
}
