//! When tasks are expected to end, as reservations count on it.

use crate::{ClusterView, Duration, TaskId, TaskState, Time, WorkerId};

/// What a reservation believes about run times.
#[derive(Clone, Debug)]
pub enum Forecast {
    /// The user's estimate, or a prediction where there is none.
    Estimates,
    /// A prediction from recent runs, at most the estimate, put right step by step while a task outlives it.
    Predictions(Predictions),
}

/// Predictions as they were when tasks started (Tsafrir, Etsion, Feitelson 2007, Backfilling Using System-Generated
/// Predictions Rather than User Runtime Estimates).
#[derive(Clone, Debug, Default)]
pub struct Predictions {
    /// What was predicted for the attempt in each slot: task, attempt, nominal run time.
    at_start: Vec<Option<(TaskId, u32, Duration)>>,
}

/// A prediction that a task has outlived grows by these, one after the other, until it lies ahead (Tsafrir et al. 2007,
/// section 5: 1, 5, 15 and 30 minutes, 1, 2, 5, 10, 20, 50 and 100 hours); the last one is repeated.
const CORRECTIONS_S: [u64; 11] = [60, 300, 900, 1800, 3600, 7200, 18_000, 36_000, 72_000, 180_000, 360_000];

impl Forecast {
    /// Predictions with corrections.
    #[must_use]
    pub fn predictions() -> Self {
        Self::Predictions(Predictions::default())
    }

    /// Takes what runs already as if it were predicted now.
    pub(super) fn attach(&mut self, view: &ClusterView<'_>) {
        let Self::Predictions(predictions) = self else { return };
        predictions.at_start.clear();
        view.tasks().for_each(|task| predictions.remember(view, task));
    }

    /// `task` has started in this pass.
    pub(super) fn started(&mut self, view: &ClusterView<'_>, task: TaskId) {
        if let Self::Predictions(predictions) = self {
            predictions.remember(view, task);
        }
    }

    /// From an assignment of `task` now to its expected end on `worker`.
    #[inline]
    pub(super) fn length(&self, view: &ClusterView<'_>, task: TaskId, worker: WorkerId) -> Duration {
        view.startup_latency().saturating_add(view.run_on(task, worker, self.nominal(view, task)))
    }

    /// The nominal run time of `task`.
    #[inline]
    pub(super) fn nominal(&self, view: &ClusterView<'_>, task: TaskId) -> Duration {
        match self {
            Self::Estimates => view.expected_nominal(task),
            Self::Predictions(_) => view.predicted_nominal(task),
        }
    }

    /// A task that is expected to end by `end` if it is assigned on `worker` now is stated to run no longer than this at
    /// nominal speed.
    pub(super) fn longest_until(&self, view: &ClusterView<'_>, worker: WorkerId, end: Time) -> Duration {
        match (self, view.worker(worker)) {
            (Self::Estimates, Some(worker)) if view.has_plain_run_times() => {
                let run = (end - view.now()).saturating_sub(view.startup_latency());
                worker.spec().speed.nominal_of(run)
            }
            _ => Duration::MAX,
        }
    }

    /// The same for a part of `task` on `worker`: the parts of a gang run as long as the slowest of them, wherever that is.
    #[inline]
    pub(super) fn length_beside(&self, view: &ClusterView<'_>, task: TaskId, worker: WorkerId) -> Duration {
        if view.task(task).is_none_or(|task| task.spec().replicas == 1) {
            return self.length(view, task, worker);
        }
        let able =
            view.workers().map(|worker| worker.id()).filter(|&worker| view.can_ever_hold(task, worker));
        able.map(|worker| self.length(view, task, worker)).max().unwrap_or_default()
    }

    /// What holds resources on `worker`, by (expected end, index). An end that is past counts as one microsecond from now.
    pub(super) fn ends<'v>(
        &self,
        view: &ClusterView<'v>,
        worker: WorkerId,
    ) -> Ends<impl Iterator<Item = (Time, TaskId)> + use<'v>> {
        let running = view.worker(worker).map(|worker| worker.running());
        match self {
            Self::Estimates => Ends::AsEstimated(running),
            Self::Predictions(predictions) => {
                let running = running.into_iter().flatten();
                let mut ends: Vec<(Time, TaskId)> =
                    running.map(|(end, task)| (predictions.end(view, worker, task, end), task)).collect();
                ends.sort_unstable();
                Ends::Corrected(ends.into_iter())
            }
        }
    }
}

/// Expected ends, in order.
pub(super) enum Ends<I> {
    AsEstimated(Option<I>),
    Corrected(std::vec::IntoIter<(Time, TaskId)>),
}

impl<I: Iterator<Item = (Time, TaskId)>> Iterator for Ends<I> {
    type Item = (Time, TaskId);

    fn next(&mut self) -> Option<Self::Item> {
        match self {
            Self::AsEstimated(ends) => ends.as_mut()?.next(),
            Self::Corrected(ends) => ends.next(),
        }
    }
}

impl Predictions {
    fn remember(&mut self, view: &ClusterView<'_>, task: TaskId) {
        let Some(seen) = view.task(task).filter(|seen| seen.state().holds_resources()) else { return };
        if self.at_start.len() <= task.slot() {
            self.at_start.resize(task.slot() + 1, None);
        }
        self.at_start[task.slot()] = Some((task, seen.attempt(), view.predicted_nominal(task)));
    }

    /// The corrected end of `task`, whose estimate has it end at `estimated`.
    fn end(&self, view: &ClusterView<'_>, worker: WorkerId, task: TaskId, estimated: Time) -> Time {
        let Some(seen) = view.task(task) else { return estimated };
        let Some((start, (_, _, predicted))) = seen.assigned_at().zip(
            self.at_start.get(task.slot()).copied().flatten().filter(|&(remembered, attempt, _)| {
                remembered == task && attempt == seen.attempt() && seen.state() != TaskState::Stopping
            }),
        ) else {
            return estimated;
        };
        let mut end = start + view.startup_latency() + view.run_on(task, worker, predicted);
        let last = CORRECTIONS_S[CORRECTIONS_S.len() - 1];
        let mut corrections = CORRECTIONS_S.into_iter().chain(std::iter::repeat(last));
        while end <= view.now() {
            end = end + Duration::from_secs(corrections.next().unwrap_or(last));
        }
        let bound = if seen.spec().estimate.is_some() { estimated } else { Time::NEVER };
        end.min(bound).max(view.now() + Time::TICK)
    }
}
