//! `ai_load_balanced`: where the load stays most even.

use super::rank::Ranks;
use super::{CANDIDATES, WINDOW, score, window};
use crate::{
    Capabilities, ClusterEvent, ClusterView, Kind, Params, Scheduler, SchedulingContext, StrategyInfo,
    TaskId, WorkerId, WorkloadProfile,
};

/// `ai_load_balanced` in the registry.
pub const INFO: StrategyInfo = StrategyInfo {
    name: "ai_load_balanced",
    aliases: &[],
    about: "longest expected first, on the worker with the lowest load afterwards, round-robin ties",
    kind: Kind::Other,
    source: "worst fit (Johnson 1973) with longest processing time first (Graham 1969)",
    complexity: "O(window x (log window + candidates)) per pass",
    params: &[WINDOW, CANDIDATES],
    build: |params: &Params| {
        Box::new(LoadBalanced {
            window: params.count("window"),
            candidates: params.count("candidates"),
            turn: 0,
            ranks: Ranks::default(),
        })
    },
};

/// Orders the window by descending upward rank and starts each task that fits on the worker whose load is lowest
/// afterwards. Among equals the next in turn is taken.
#[derive(Clone, Debug)]
pub struct LoadBalanced {
    window: usize,
    candidates: usize,
    /// The worker whose turn it is among equals.
    turn: u32,
    ranks: Ranks,
}

impl LoadBalanced {
    /// The feasible workers, beginning with the one whose turn it is.
    fn in_turn(&self, view: &ClusterView<'_>, task: TaskId) -> Vec<WorkerId> {
        let mut workers: Vec<WorkerId> = Vec::new();
        let mut from = WorkerId(self.turn);
        while workers.len() < self.candidates {
            let Some(worker) = view.first_fit_from(task, from) else { break };
            workers.push(worker);
            from = WorkerId(worker.0 + 1);
        }
        let before = view.feasible(task).take_while(|worker| worker.0 < self.turn);
        workers.extend(before.take(self.candidates - workers.len()));
        workers
    }
}

impl Scheduler for LoadBalanced {
    fn supports(&self) -> Capabilities {
        Capabilities::new()
    }

    fn attach(&mut self, _: &ClusterView<'_>, _: &WorkloadProfile) {
        self.ranks = Ranks::default();
    }

    fn observe(&mut self, event: &ClusterEvent, view: &ClusterView<'_>) {
        self.ranks.observe(event, view);
    }

    fn schedule(&mut self, cx: &mut SchedulingContext<'_>) {
        let (tasks, _) = window(cx, self.window);
        let view = cx.view();
        let mut longest: Vec<(std::cmp::Reverse<u64>, TaskId)> = Vec::with_capacity(tasks.len());
        for task in tasks {
            let rank = self.ranks.rank(&view, task, |task| view.expected_nominal(task)).micros();
            longest.push((std::cmp::Reverse(rank), task));
        }
        longest.sort_unstable();
        for (_, task) in longest {
            let view = cx.view();
            let found = self
                .in_turn(&view, task)
                .into_iter()
                .map(|worker| (score::load_after(&view, task, worker), worker))
                .reduce(|a, b| if b.0 < a.0 { b } else { a });
            if let Some((_, worker)) = found
                && cx.assign(task, worker).is_ok()
            {
                self.turn = worker.0 + 1;
            }
        }
    }
}
