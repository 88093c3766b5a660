//! How long attempts are to be expected to run.

use super::Cluster;
use super::placement::Placement;
use crate::model::{Duration, TaskId, WorkerId, left_of};

impl Cluster {
    /// The nominal run time that may be expected: the user's estimate, or else a prediction.
    #[inline]
    pub(crate) fn expected_nominal(&self, task: TaskId) -> Duration {
        self.tasks.get(task).map_or(Duration::ZERO, |_| self.expected_nominal_at(task.slot))
    }

    /// The same for the task in a slot known to be taken.
    #[inline(always)]
    pub(super) fn expected_nominal_at(&self, slot: u32) -> Duration {
        let spec = self.tasks.spec(slot);
        spec.estimate.unwrap_or_else(|| self.predictor.predict(spec))
    }

    pub(crate) fn predicted_nominal(&self, task: TaskId) -> Duration {
        self.tasks.get(task).map_or(Duration::ZERO, |_| self.predictor.predict(self.tasks.spec(task.slot)))
    }

    /// How long an attempt of `task` on `worker` is to be expected to run, if its whole work takes `nominal` and no
    /// better is known.
    #[inline(always)]
    pub(crate) fn run_time_on(&self, task: TaskId, worker: WorkerId, nominal: Duration) -> Duration {
        let config = &self.config;
        if config.known_run_times.is_some() || config.checkpoints.is_some() || !self.setbacks.is_empty() {
            return self.run_time_with_extras(task, worker, nominal);
        }
        self.workers.get(worker.index()).map_or(Duration::MAX, |worker| worker.speed.run_time(nominal))
    }

    /// The same where pairs are known, work is saved, or saving it takes time.
    #[cold]
    fn run_time_with_extras(&self, task: TaskId, worker: WorkerId, nominal: Duration) -> Duration {
        let known = self.config.known_run_times.as_ref().and_then(|known| known.get(&(task.index, worker.0)));
        let saved = self.saved(task);
        let work = match known {
            Some(&whole) => share_left(whole, nominal, saved),
            None => match self.workers.get(worker.index()) {
                Some(worker) => worker.speed.run_time(left_of(nominal, saved)),
                None => return Duration::MAX,
            },
        };
        self.config.checkpoints.map_or(work, |costs| costs.length(work, saved > Duration::ZERO))
    }

    /// The slowest part of a placement decides.
    #[inline(always)]
    pub(super) fn run_time_of(&self, task: TaskId, placement: &Placement, nominal: Duration) -> Duration {
        match placement.parts() {
            [part] => self.run_time_on(task, part.worker, nominal),
            parts => {
                let each = parts.iter().map(|part| self.run_time_on(task, part.worker, nominal));
                each.max().unwrap_or_default()
            }
        }
    }
}

/// Of the time that all of a task's work takes on some worker, what is left of it with `saved` of `nominal` saved.
fn share_left(whole: Duration, nominal: Duration, saved: Duration) -> Duration {
    if saved == Duration::ZERO {
        return whole;
    }
    let left = u128::from(left_of(nominal, saved).micros()) * u128::from(whole.micros());
    let left = left.div_ceil(u128::from(nominal.micros().max(1)));
    Duration::from_micros(u64::try_from(left).unwrap_or(u64::MAX))
}
