//! `srpt`: shortest remaining time first.

use super::{Preempting, Rank, WINDOW};
use crate::{ClusterView, Duration, Kind, ParamInfo, ParamKind, StrategyInfo, TaskView};

/// `srpt` in the registry.
pub const INFO: StrategyInfo = StrategyInfo {
    name: "srpt",
    aliases: &[],
    about: "shortest remaining expected time first; a task that does not fit stops running tasks with strictly more left",
    kind: Kind::Other,
    source: "Schrage 1968, A Proof of the Optimality of the Shortest Remaining Processing Time Discipline, Operations Research",
    complexity: "O(Q log Q + R log R + window x W x running tasks a worker) per pass",
    params: &[
        ParamInfo {
            name: "margin",
            about: "a task stops another only if its own time and this share of it are less than what the other has left",
            kind: ParamKind::Float { default: 0.0, min: 0.0, max: 1e6 },
        },
        WINDOW,
    ],
    build: |params| {
        Box::new(Preempting::new(Srpt { margin: params.float("margin") }, params.count("window")))
    },
};

/// By what is left of the expected nominal run time: the user's estimate or else a prediction, without saved progress,
/// and of a task that runs without what it has done in this attempt. Past its expected end a task has a microsecond left,
/// so that an underestimated one runs on.
///
/// A task that was stopped has no less left than it had running, unless its estimate has changed since, which takes an end
/// of some other task; so it ranks behind the one that it was stopped for. (With checkpoints it has less left by what it
/// does while it is being stopped: it may then go first, with that progress made.)
///
/// The original is for one machine and known run times, and loses nothing by stopping. Here run times are expected; and
/// where stopped tasks start over, `margin` weighs what that costs.
#[derive(Clone, Copy, Debug)]
pub struct Srpt {
    margin: f64,
}

impl Rank for Srpt {
    fn waiting(&self, view: &ClusterView<'_>, task: TaskView<'_>) -> i64 {
        micros(view.expected_remaining(task.id()))
    }

    fn running(&self, view: &ClusterView<'_>, task: TaskView<'_>) -> i64 {
        // What was expected when it was assigned, and what is now: the less.
        let then = task.expected_at_start().saturating_sub(view.saved(task.id()));
        let all = then.min(view.expected_remaining(task.id()));
        micros(all.saturating_sub(done(view, task, then)))
    }

    #[expect(clippy::cast_precision_loss, reason = "both sides are rounded alike")]
    fn preempts(&self, waiting: i64, running: i64) -> bool {
        waiting < running && waiting as f64 * (1.0 + self.margin) < running as f64
    }
}

/// Nominal work done in this attempt, if all of it takes `nominal` and it ends as expected.
fn done(view: &ClusterView<'_>, task: TaskView<'_>, nominal: Duration) -> Duration {
    let (Some(start), Some(end)) = (task.started_at(), task.expected_end()) else { return Duration::ZERO };
    let (ran, whole) = ((view.now() - start).micros(), (end - start).micros());
    let share = u128::from(nominal.micros()) * u128::from(ran.min(whole)) / u128::from(whole.max(1));
    Duration::from_micros(u64::try_from(share).unwrap_or(u64::MAX))
}

/// At least one: with nothing left, two tasks would stop each other in turn.
fn micros(time: Duration) -> i64 {
    i64::try_from(time.micros()).unwrap_or(i64::MAX).max(1)
}
