//! `greedy`: the first worker that can start the task now.

use crate::{
    Capabilities, ClusterView, Kind, Params, QueueCursor, Scheduler, SchedulingContext, StrategyInfo,
    WorkloadProfile,
};

/// `greedy` in the registry.
pub const INFO: StrategyInfo = StrategyInfo {
    name: "greedy",
    aliases: &[],
    about: "immediate mode: the first worker that can start the task now, else the least committed one",
    kind: Kind::Immediate,
    source: "list scheduling in immediate mode; Maheswaran et al. 1999 for the mode",
    complexity: "O(log W) per task while workers are free, O(W) when every lane is busy",
    params: &[],
    build: |_: &Params| Box::new(Greedy),
};

/// Commits each task when it arrives: to the first worker, in index order, whose lane is empty and that can start it
/// now; else to the one with the least committed work, ties to the lowest index.
#[derive(Clone, Copy, Debug, Default)]
pub struct Greedy;

impl Scheduler for Greedy {
    fn supports(&self) -> Capabilities {
        Capabilities::new().with_committed_work()
    }

    fn attach(&mut self, _: &ClusterView<'_>, _: &WorkloadProfile) {}

    fn schedule(&mut self, cx: &mut SchedulingContext<'_>) {
        let mut cursor = QueueCursor::default();
        while let Some(task) = cx.next_queued(&mut cursor) {
            let view = cx.view();
            let idle_lane = |&worker: &_| view.worker(worker).is_some_and(|worker| worker.lane().len() == 0);
            let startable = view.feasible(task).find(idle_lane);
            if let Some(worker) = startable.or_else(|| view.least_committed(task)) {
                // A task that no active worker can hold waits for one.
                let _ = cx.bind(task, worker);
            }
        }
    }
}
