//! Predicted run times for tasks whose user states none.

use crate::model::{Duration, TaskSpec, share};

/// Predicts a run time from recent runs of the same family (user and image); failing that, of the same user; failing
/// that, of anybody; before anything has run, the user's estimate, or [`Predictor::DEFAULT`].
///
/// - A task without an estimate: the mean of the last two run times. After Tsafrir, Etsion and Feitelson, "Backfilling
///   Using System-Generated Predictions Rather than User Runtime Estimates" (IEEE TPDS 2007).
/// - A task with one: its estimate times the mean of the last two ratios of run time to estimate, at most 1. After Tang,
///   Desai, Buettner and Lan, "Analyzing and Adjusting User Runtime Estimates to Improve Job Scheduling on the Blue
///   Gene/P" (IPDPS 2010).
#[derive(Clone, Debug, Default)]
pub(crate) struct Predictor {
    families: Vec<Recent>,
    users: Vec<Recent>,
    all: Recent,
}

/// What the last two runs were like.
#[derive(Clone, Copy, Debug, Default)]
struct Recent {
    run_micros: LastTwo,
    /// Run time over estimate, in millionths, of runs that had one.
    accuracy: LastTwo,
}

/// The last two values, latest first; one that there has not been is [`NONE`].
#[derive(Clone, Copy, Debug)]
struct LastTwo {
    latest: u64,
    before: u64,
}

/// No value yet: longer than any run.
const NONE: u64 = u64::MAX;

impl Default for LastTwo {
    fn default() -> Self {
        Self { latest: NONE, before: NONE }
    }
}

impl LastTwo {
    #[inline(always)]
    fn push(&mut self, value: u64) {
        self.before = self.latest;
        self.latest = value.min(NONE - 1);
    }

    #[inline]
    fn mean(self) -> Option<u64> {
        let before = if self.before == NONE { self.latest } else { self.before };
        (self.latest != NONE).then(|| self.latest.midpoint(before))
    }
}

impl Recent {
    #[inline]
    fn push(&mut self, run: Duration, accuracy: Option<u64>) {
        self.run_micros.push(run.micros());
        if let Some(accuracy) = accuracy {
            self.accuracy.push(accuracy);
        }
    }
}

impl Predictor {
    /// What is expected while nothing at all is known: one minute.
    pub(crate) const DEFAULT: Duration = Duration::from_secs(60);

    /// Learns from a run of `task` of `nominal` length.
    #[inline(always)]
    pub(crate) fn learn(&mut self, task: &TaskSpec, nominal: Duration) {
        let accuracy = task.estimate.and_then(|estimate| {
            // What runs for its estimate or longer was estimated right, as far as this goes.
            share(nominal.min(estimate).micros(), estimate.micros(), MILLION)
        });
        entry(&mut self.families, task.family.0).push(nominal, accuracy);
        entry(&mut self.users, task.user.0).push(nominal, accuracy);
        self.all.push(nominal, accuracy);
    }

    /// The nominal run time that recent runs suggest for `task`.
    #[inline(always)]
    pub(crate) fn predict(&self, task: &TaskSpec) -> Duration {
        let Some(estimate) = task.estimate else {
            let micros = self.recent(task, |recent| recent.run_micros);
            return micros.map_or(Self::DEFAULT, |micros| Duration::from_micros(micros.max(1)));
        };
        let Some(accuracy) = self.recent(task, |recent| recent.accuracy) else { return estimate };
        let micros = u128::from(estimate.micros()) * u128::from(accuracy) / u128::from(MILLION);
        Duration::from_micros(u64::try_from(micros).unwrap_or(u64::MAX).max(1)).min(estimate)
    }

    /// The mean over the last two of the family, else of the user, else of anybody.
    fn recent(&self, task: &TaskSpec, of: impl Fn(Recent) -> LastTwo) -> Option<u64> {
        let look_up =
            |list: &[Recent], index: u32| list.get(index as usize).and_then(|&recent| of(recent).mean());
        look_up(&self.families, task.family.0)
            .or_else(|| look_up(&self.users, task.user.0))
            .or_else(|| of(self.all).mean())
    }
}

const MILLION: u64 = 1_000_000;

#[inline(always)]
fn entry(list: &mut Vec<Recent>, index: u32) -> &mut Recent {
    let index = index as usize;
    if index >= list.len() {
        lengthen(list, index);
    }
    &mut list[index]
}

#[cold]
fn lengthen(list: &mut Vec<Recent>, index: usize) {
    list.resize(index + 1, Recent::default());
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{FamilyId, UserId};

    fn task(family: u32, user: u32) -> TaskSpec {
        TaskSpec { family: FamilyId(family), user: UserId(user), ..TaskSpec::default() }
    }

    #[test]
    fn a_familys_runs_come_first_then_the_users_then_all() {
        let mut predictor = Predictor::default();
        assert_eq!(predictor.predict(&task(1, 1)), Predictor::DEFAULT);
        for seconds in [10, 20, 40] {
            predictor.learn(&task(1, 1), Duration::from_secs(seconds));
        }
        assert_eq!(predictor.predict(&task(1, 1)), Duration::from_secs(30), "the last two");
        predictor.learn(&task(2, 1), Duration::from_secs(100));
        assert_eq!(predictor.predict(&task(3, 1)), Duration::from_secs(70), "the user's last two");
        assert_eq!(predictor.predict(&task(1, 1)), Duration::from_secs(30), "still the family's");
        predictor.learn(&task(4, 2), Duration::from_secs(4));
        assert_eq!(predictor.predict(&task(5, 7)), Duration::from_secs(52), "anybody's last two");
    }

    #[test]
    fn an_estimate_is_scaled_by_how_right_estimates_were() {
        let mut predictor = Predictor::default();
        let estimated = |seconds| TaskSpec { estimate: Some(Duration::from_secs(seconds)), ..task(0, 0) };
        assert_eq!(
            predictor.predict(&estimated(100)),
            Duration::from_secs(100),
            "nothing known: the estimate"
        );
        predictor.learn(&estimated(100), Duration::from_secs(20));
        predictor.learn(&estimated(50), Duration::from_secs(20));
        assert_eq!(predictor.predict(&estimated(1000)), Duration::from_secs(300));
        predictor.learn(&estimated(10), Duration::from_secs(90));
        predictor.learn(&estimated(10), Duration::from_secs(90));
        assert_eq!(
            predictor.predict(&estimated(1000)),
            Duration::from_secs(1000),
            "never above the estimate"
        );
    }
}
