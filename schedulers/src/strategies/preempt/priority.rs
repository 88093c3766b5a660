//! `priority_preemption`: who has the higher priority runs.

use super::{Preempting, Rank, WINDOW};
use crate::{ClusterView, Kind, StrategyInfo, TaskView};

/// `priority_preemption` in the registry.
pub const INFO: StrategyInfo = StrategyInfo {
    name: "priority_preemption",
    aliases: &[],
    about: "queue by priority; a task that does not fit stops running tasks of lower priority, as few as will do",
    kind: Kind::Other,
    source: "Verma et al. 2015, Large-Scale Cluster Management at Google with Borg, EuroSys; victims as in the default preemption of Kubernetes",
    complexity: "O(Q log Q + R log R + window x W x running tasks a worker) per pass",
    params: &[WINDOW],
    build: |params| Box::new(Preempting::new(Priority, params.count("window"))),
};

/// By the priority of the workload, which never changes: a task that was stopped ranks behind the one that it was stopped
/// for, and each stop puts a higher priority in the place of a lower one.
#[derive(Clone, Copy, Debug)]
pub struct Priority;

impl Rank for Priority {
    fn waiting(&self, _: &ClusterView<'_>, task: TaskView<'_>) -> i64 {
        -i64::from(task.spec().priority)
    }

    fn running(&self, view: &ClusterView<'_>, task: TaskView<'_>) -> i64 {
        self.waiting(view, task)
    }
}
