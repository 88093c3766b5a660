//! `fcfs`, `first_fit`, `best_fit`: one central queue in order of arrival.

use crate::{
    Capabilities, ClusterView, Kind, Params, QueueCursor, Scheduler, SchedulingContext, StrategyInfo, TaskId,
    WorkloadProfile,
};

const FEITELSON: &str = "Feitelson, Rudolph 1995, Parallel Job Scheduling: Issues and Approaches";
const JOHNSON: &str = "Johnson 1973, Near-Optimal Bin Packing Algorithms, applied to a queue";

/// `fcfs` in the registry.
pub const FCFS: StrategyInfo = StrategyInfo {
    name: "fcfs",
    aliases: &[],
    about: "queue: starts the head while it fits on some worker, first fit; the head blocks the rest",
    kind: Kind::Queue,
    source: FEITELSON,
    complexity: "O(log W) per start",
    params: &[],
    build: |_: &Params| Box::new(Queue { blocks_at_head: true, placement: Placement::First }),
};

/// `first_fit` in the registry.
pub const FIRST_FIT: StrategyInfo = StrategyInfo {
    name: "first_fit",
    aliases: &[],
    about: "queue: starts every task that fits on some worker now, in order, on the first such worker",
    kind: Kind::Queue,
    source: JOHNSON,
    complexity: "O(Q + S log W) per pass with S starts",
    params: &[],
    build: |_: &Params| Box::new(Queue { blocks_at_head: false, placement: Placement::First }),
};

/// `best_fit` in the registry.
pub const BEST_FIT: StrategyInfo = StrategyInfo {
    name: "best_fit",
    aliases: &[],
    about: "queue: starts every task that fits on some worker now, in order, where it leaves least free cpu",
    kind: Kind::Queue,
    source: JOHNSON,
    complexity: "O(Q + S log W) per pass with S starts",
    params: &[],
    build: |_: &Params| Box::new(Queue { blocks_at_head: false, placement: Placement::Best }),
};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Placement {
    /// The first worker in index order.
    First,
    /// Least free cpu left, then memory, then index.
    Best,
}

/// One queue by (eligible, index). Either its head blocks what stands behind, or every task that fits now starts.
/// A gang fills the workers in placement order.
#[derive(Clone, Copy, Debug)]
pub struct Queue {
    blocks_at_head: bool,
    placement: Placement,
}

impl Queue {
    fn start(self, cx: &mut SchedulingContext<'_>, task: TaskId) -> bool {
        let view = cx.view();
        if view.surely_full_for(task) {
            return false;
        }
        let placement = match self.placement {
            Placement::First => view.place_in_order(task, view.feasible(task)),
            Placement::Best => view.place_in_order(task, view.fullest_first(task)),
        };
        placement.is_some_and(|placement| cx.place(task, placement).is_ok())
    }
}

impl Scheduler for Queue {
    fn supports(&self) -> Capabilities {
        let plain = Capabilities::new().with_gangs();
        if self.placement == Placement::Best { plain.with_best_fit() } else { plain }
    }

    fn attach(&mut self, _: &ClusterView<'_>, _: &WorkloadProfile) {}

    fn schedule(&mut self, cx: &mut SchedulingContext<'_>) {
        let mut cursor = QueueCursor::default();
        while let Some(task) = cx.next_queued(&mut cursor) {
            if !self.start(cx, task) && self.blocks_at_head {
                break;
            }
        }
    }
}
