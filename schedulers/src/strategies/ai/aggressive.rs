//! `ai_aggressive`: large tasks bin-packed, gaps filled, the rest opportunistically.

use super::rank::Ranks;
use super::{CANDIDATES, WINDOW, score, window};
use crate::{
    Capabilities, ClusterEvent, ClusterView, Kind, ParamInfo, ParamKind, Params, Scheduler,
    SchedulingContext, StrategyInfo, TaskId, WorkloadProfile,
};

/// `ai_aggressive` in the registry.
pub const INFO: StrategyInfo = StrategyInfo {
    name: "ai_aggressive",
    aliases: &[],
    about: "three passes: large tasks bin-packed longest first, gaps filled with smaller ones, then the rest",
    kind: Kind::Other,
    source: "best fit decreasing (Johnson 1973) in several dimensions, with longest processing time first (Graham 1969)",
    complexity: "O(Q + window x (log window + candidates)) per pass",
    params: &[
        ParamInfo {
            name: "large",
            about: "a task is large if it takes this share of a mean worker",
            kind: ParamKind::Float { default: 0.25, min: 0.0, max: 1000.0 },
        },
        WINDOW,
        CANDIDATES,
    ],
    build: |params: &Params| {
        Box::new(Aggressive {
            large: params.float("large"),
            window: params.count("window"),
            candidates: params.count("candidates"),
            ranks: Ranks::default(),
        })
    },
};

/// Keeps the machines full: in the window, first the large tasks, then the others, both by descending upward rank, each
/// where it packs best; then every task behind the window, in queue order.
#[derive(Clone, Debug)]
pub struct Aggressive {
    large: f64,
    window: usize,
    candidates: usize,
    ranks: Ranks,
}

impl Scheduler for Aggressive {
    fn supports(&self) -> Capabilities {
        Capabilities::new().with_best_fit().with_deep_queue()
    }

    fn attach(&mut self, _: &ClusterView<'_>, _: &WorkloadProfile) {
        self.ranks = Ranks::default();
    }

    fn observe(&mut self, event: &ClusterEvent, view: &ClusterView<'_>) {
        self.ranks.observe(event, view);
    }

    fn schedule(&mut self, cx: &mut SchedulingContext<'_>) {
        let (tasks, mut behind) = window(cx, self.window);
        let view = cx.view();
        let mut ranked: Vec<(bool, std::cmp::Reverse<u64>, TaskId)> = Vec::with_capacity(tasks.len());
        for task in tasks {
            let rank = self.ranks.rank(&view, task, |task| view.expected_nominal(task)).micros();
            let small = score::size(&view, task) < self.large;
            ranked.push((small, std::cmp::Reverse(rank), task));
        }
        ranked.sort_unstable();
        for (_, _, task) in ranked {
            self.start(cx, task);
        }
        // The room shrinks as tasks start.
        while let Some(task) = cx.view().next_with_room(&mut behind) {
            self.start(cx, task);
        }
    }
}

impl Aggressive {
    /// Starts a task where it packs best, if it fits anywhere.
    fn start(&self, cx: &mut SchedulingContext<'_>, task: TaskId) {
        let view = cx.view();
        if view.surely_full_for(task) {
            return;
        }
        if let Some(worker) = score::best_packing(&view, task, self.candidates) {
            let _ = cx.assign(task, worker);
        }
    }
}
