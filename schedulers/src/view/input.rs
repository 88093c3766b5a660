//! What a task needs from its predecessors.

use super::ClusterView;
use crate::cluster::Outcome;
use crate::model::{Duration, TaskId, Time, WorkerId};

/// What a task needs from one of its predecessors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Input<'a> {
    /// How far that predecessor is.
    pub state: InputState<'a>,
    /// How long its data takes to reach another worker.
    pub transfer: Duration,
}

/// How far a predecessor is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InputState<'a> {
    /// It has not arrived, or ended badly: nothing is known of when it could complete.
    Unknown,
    /// It has arrived and not ended.
    Open(TaskId),
    /// It has completed.
    Completed {
        /// When.
        end: Time,
        /// Where; its data is there.
        workers: &'a [WorkerId],
    },
}

impl<'a> ClusterView<'a> {
    /// What `task` needs from each of its predecessors, in the order in which the dependencies were declared.
    pub fn inputs(&self, task: TaskId) -> impl Iterator<Item = Input<'a>> + use<'a> {
        let cluster = self.cluster;
        let predecessors = cluster.graph.node(task.index()).map_or(&[][..], |node| &node.predecessors);
        predecessors.iter().map(move |&(index, transfer)| {
            let node = cluster.graph.node(index);
            let state = match node.map(|node| (&node.outcome, node.task)) {
                Some((Outcome::Completed { end, workers }, _)) => {
                    InputState::Completed { end: *end, workers }
                }
                Some((Outcome::Open, Some(task))) => InputState::Open(task),
                _ => InputState::Unknown,
            };
            Input { state, transfer }
        })
    }
}
