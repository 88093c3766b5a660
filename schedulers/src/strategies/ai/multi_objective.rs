//! `ai` (`ai_multi_objective`): a weighted score over feasible (task, worker) pairs.

use super::rank::Ranks;
use super::{CANDIDATES, WINDOW, score, window};
use crate::{
    Capabilities, ClusterEvent, ClusterView, Kind, ParamInfo, ParamKind, Params, Scheduler,
    SchedulingContext, StrategyInfo, TaskId, WorkerId, WorkloadProfile,
};

const fn weight(name: &'static str, about: &'static str, default: f64) -> ParamInfo {
    ParamInfo { name, about, kind: ParamKind::Float { default, min: 0.0, max: 1000.0 } }
}

/// `ai` in the registry.
pub const INFO: StrategyInfo = StrategyInfo {
    name: "ai",
    aliases: &["ai_multi_objective"],
    about: "weighted score over feasible (task, worker) pairs: packing, length, balance, age",
    kind: Kind::Other,
    source: "weighted-sum multi-objective list scheduling; the weights are this system's own",
    complexity: "O(window x (candidates + starts)) per pass",
    params: &[
        weight("utilization", "weight of packing: full and evenly full workers, less fragmentation", 0.45),
        weight("makespan", "weight of long expected run times and long dependency paths", 0.25),
        weight("balance", "weight of workers with a low load", 0.20),
        weight("starvation", "weight of age", 0.10),
        ParamInfo {
            name: "patience",
            about: "wait in seconds at which age counts in full",
            kind: ParamKind::Float { default: 300.0, min: 0.001, max: 1e9 },
        },
        WINDOW,
        CANDIDATES,
    ],
    build: |params| Box::new(MultiObjective::new(params)),
};

/// Repeatedly starts the feasible (task, worker) pair with the highest score, until none is left. Ties go to the task
/// that is first in the queue, then to the lowest worker.
///
/// A task's part of the score: `makespan` x its upward rank over the longest in the window, and `starvation` x its age
/// over `patience`, at most 1. A pair's part: `utilization` x packing, and `balance` x (1 - load of the worker).
#[derive(Clone, Debug)]
pub struct MultiObjective {
    utilization: f64,
    makespan: f64,
    balance: f64,
    starvation: f64,
    patience_s: f64,
    window: usize,
    candidates: usize,
    ranks: Ranks,
}

/// A task of the window: its own part of the score, and its best pair.
struct Entry {
    task: TaskId,
    urgency: f64,
    best: Option<(f64, WorkerId)>,
}

impl MultiObjective {
    fn new(params: &Params) -> Self {
        Self {
            utilization: params.float("utilization"),
            makespan: params.float("makespan"),
            balance: params.float("balance"),
            starvation: params.float("starvation"),
            patience_s: params.float("patience"),
            window: params.count("window"),
            candidates: params.count("candidates"),
            ranks: Ranks::default(),
        }
    }

    fn pair(&self, view: &ClusterView<'_>, task: TaskId, worker: WorkerId) -> f64 {
        self.utilization * score::packing(view, task, worker)
            + self.balance * (1.0 - score::load_after(view, task, worker))
    }

    /// The best worker for a task: highest score, ties to the lowest index.
    fn best(&self, view: &ClusterView<'_>, task: TaskId) -> Option<(f64, WorkerId)> {
        let scored = score::candidates(view, task, self.candidates).into_iter();
        scored.map(|worker| (self.pair(view, task, worker), worker)).reduce(better)
    }

    fn entries(&mut self, cx: &SchedulingContext<'_>) -> Vec<Entry> {
        let view = cx.view();
        let (tasks, _) = window(cx, self.window);
        let ranks: Vec<f64> = tasks
            .iter()
            .map(|&task| self.ranks.rank(&view, task, |task| view.expected_nominal(task)).seconds())
            .collect();
        let longest = ranks.iter().copied().fold(f64::MIN_POSITIVE, f64::max);
        let entry = |(task, rank): (TaskId, f64)| {
            let waited = view.task(task).map_or(0.0, |task| view.now().since(task.eligible()).seconds());
            let urgency =
                self.makespan * rank / longest + self.starvation * (waited / self.patience_s).min(1.0);
            Entry { task, urgency, best: self.best(&view, task) }
        };
        tasks.into_iter().zip(ranks).map(entry).filter(|entry| entry.best.is_some()).collect()
    }
}

fn better(a: (f64, WorkerId), b: (f64, WorkerId)) -> (f64, WorkerId) {
    match b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)) {
        std::cmp::Ordering::Greater => b,
        _ => a,
    }
}

impl Scheduler for MultiObjective {
    fn supports(&self) -> Capabilities {
        Capabilities::new().with_best_fit()
    }

    fn attach(&mut self, _: &ClusterView<'_>, _: &WorkloadProfile) {
        self.ranks = Ranks::default();
    }

    fn observe(&mut self, event: &ClusterEvent, view: &ClusterView<'_>) {
        self.ranks.observe(event, view);
    }

    fn schedule(&mut self, cx: &mut SchedulingContext<'_>) {
        let mut entries = self.entries(cx);
        loop {
            let scored = entries.iter().enumerate().filter_map(|(at, entry)| {
                entry.best.map(|(pair, worker)| (entry.urgency + pair, at, worker))
            });
            let Some((_, at, worker)) = scored.reduce(|a, b| if b.0 > a.0 { b } else { a }) else { return };
            let started = cx.assign(entries[at].task, worker).is_ok();
            entries.remove(at);
            if !started {
                continue;
            }
            // Only pairs with this worker have changed.
            let view = cx.view();
            for entry in &mut entries {
                let fits = view.fits(entry.task, worker);
                entry.best = match entry.best {
                    Some((_, was)) if was == worker => self.best(&view, entry.task),
                    Some(best) if fits => Some(better(best, (self.pair(&view, entry.task, worker), worker))),
                    best => best,
                };
            }
        }
    }
}
