//! `ai_predictive`: long paths and near deadlines first, where they end earliest.

use super::rank::Ranks;
use super::{CANDIDATES, WINDOW, score, window};
use crate::{
    Capabilities, ClusterEvent, ClusterView, Kind, ParamInfo, ParamKind, Params, Scheduler,
    SchedulingContext, StrategyInfo, TaskId, WorkloadProfile,
};

/// `ai_predictive` in the registry.
pub const INFO: StrategyInfo = StrategyInfo {
    name: "ai_predictive",
    aliases: &[],
    about: "predicted run times, long dependency paths and near deadlines first, earliest expected end",
    kind: Kind::Other,
    source: "upward rank (Topcuoglu et al. 2002), predictions (Tang et al. 2010), least laxity (Mok 1983)",
    complexity: "O(window x (log window + candidates)) per pass",
    params: &[
        ParamInfo {
            name: "deadline",
            about: "weight of deadline pressure against path length",
            kind: ParamKind::Float { default: 0.25, min: 0.0, max: 1000.0 },
        },
        WINDOW,
        CANDIDATES,
    ],
    build: |params: &Params| {
        Box::new(Predictive {
            deadline: params.float("deadline"),
            window: params.count("window"),
            candidates: params.count("candidates"),
            ranks: Ranks::default(),
        })
    },
};

/// Orders the window by urgency and starts each task that fits where it is expected to end earliest, ties to where it
/// packs best.
///
/// Urgency is the upward rank of predicted run times over the longest in the window, plus `deadline` x rank / (rank +
/// laxity), laxity being the time to the deadline that is not needed for the path.
#[derive(Clone, Debug)]
pub struct Predictive {
    deadline: f64,
    window: usize,
    candidates: usize,
    ranks: Ranks,
}

impl Predictive {
    fn pressure(&self, view: &ClusterView<'_>, task: TaskId, rank_s: f64) -> f64 {
        let Some(deadline) = view.task(task).and_then(|task| task.spec().deadline) else { return 0.0 };
        let laxity_s = (deadline.seconds() - view.now().seconds() - rank_s).max(0.0);
        self.deadline * rank_s / (rank_s + laxity_s).max(f64::MIN_POSITIVE)
    }
}

impl Scheduler for Predictive {
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
        let (tasks, _) = window(cx, self.window);
        let view = cx.view();
        let ranks: Vec<f64> = tasks
            .iter()
            .map(|&task| self.ranks.rank(&view, task, |task| view.predicted_nominal(task)).seconds())
            .collect();
        let longest = ranks.iter().copied().fold(f64::MIN_POSITIVE, f64::max);
        let mut urgent: Vec<(f64, TaskId)> = tasks
            .into_iter()
            .zip(ranks)
            .map(|(task, rank_s)| (rank_s / longest + self.pressure(&view, task, rank_s), task))
            .collect();
        urgent.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
        for (_, task) in urgent {
            let view = cx.view();
            let scored = score::candidates(&view, task, self.candidates).into_iter();
            let found = scored
                .map(|worker| (view.expected_run(task, worker), score::packing(&view, task, worker), worker))
                .reduce(|a, b| if b.0 < a.0 || (b.0 == a.0 && b.1 > a.1) { b } else { a });
            if let Some((.., worker)) = found {
                let _ = cx.assign(task, worker);
            }
        }
    }
}
