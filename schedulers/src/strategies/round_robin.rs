//! `round_robin`: the workers in turn.

use crate::{
    Capabilities, ClusterView, Kind, Params, QueueCursor, Scheduler, SchedulingContext, StrategyInfo,
    WorkerId, WorkloadProfile,
};

/// `round_robin` in the registry.
pub const INFO: StrategyInfo = StrategyInfo {
    name: "round_robin",
    aliases: &[],
    about: "immediate mode: the next worker in turn that can ever hold the task",
    kind: Kind::Immediate,
    source: "cyclic assignment; every text book",
    complexity: "O(1) per task where most workers can hold it, O(W) at worst",
    params: &[],
    build: |_: &Params| Box::new(RoundRobin::default()),
};

/// Commits each task when it arrives to the next worker, cyclically, that can ever hold it.
#[derive(Clone, Copy, Debug, Default)]
pub struct RoundRobin {
    /// Index of the worker whose turn it is.
    turn: usize,
}

impl Scheduler for RoundRobin {
    fn supports(&self) -> Capabilities {
        Capabilities::new()
    }

    fn attach(&mut self, _: &ClusterView<'_>, _: &WorkloadProfile) {}

    fn schedule(&mut self, cx: &mut SchedulingContext<'_>) {
        let mut cursor = QueueCursor::default();
        while let Some(task) = cx.next_queued(&mut cursor) {
            let view = cx.view();
            let workers = view.worker_count();
            let in_turn = (0..workers).map(|step| (self.turn + step) % workers);
            let mut ids = in_turn.map(|worker| WorkerId(u32::try_from(worker).unwrap_or(u32::MAX)));
            if let Some(worker) = ids.find(|&worker| view.can_ever_hold(task, worker))
                && cx.bind(task, worker).is_ok()
            {
                self.turn = worker.index() + 1;
            }
        }
    }
}
