//! `balanced`: the worker with the least committed work.

use crate::{
    Capabilities, ClusterView, Kind, Params, QueueCursor, Scheduler, SchedulingContext, StrategyInfo,
    WorkloadProfile,
};

/// `balanced` in the registry.
pub const INFO: StrategyInfo = StrategyInfo {
    name: "balanced",
    aliases: &[],
    about: "immediate mode: the worker with the least committed work",
    kind: Kind::Immediate,
    source: "opportunistic load balancing (Maheswaran et al. 1999) on dominant shares (Ghodsi et al. 2011)",
    complexity: "O(log W) per task where the least committed worker can hold it",
    params: &[],
    build: |_: &Params| Box::new(Balanced),
};

/// Commits each task when it arrives to the worker with the least committed work that can ever hold it, ties to the
/// lowest index.
#[derive(Clone, Copy, Debug, Default)]
pub struct Balanced;

impl Scheduler for Balanced {
    fn supports(&self) -> Capabilities {
        Capabilities::new().with_committed_work()
    }

    fn attach(&mut self, _: &ClusterView<'_>, _: &WorkloadProfile) {}

    fn schedule(&mut self, cx: &mut SchedulingContext<'_>) {
        let mut cursor = QueueCursor::default();
        while let Some(task) = cx.next_queued(&mut cursor) {
            if let Some(worker) = cx.view().least_committed(task) {
                let _ = cx.bind(task, worker);
            }
        }
    }
}
