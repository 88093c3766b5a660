//! Predicted run times for tasks whose user states none.

use crate::model::{Duration, FamilyId, TaskSpec, UserId};

/// Predicts a run time from recent runs.
///
/// The mean of the last two runs of the same user and image; failing that, of the same user; failing that, of
/// all tasks; before anything has run, [`Predictor::DEFAULT`]. A user's estimate caps it. After Tsafrir, Etsion
/// and Feitelson, "Backfilling Using System-Generated Predictions Rather than User Runtime Estimates" (IEEE TPDS
/// 2007), whose predictor is the mean of a user's last two runs.
#[derive(Clone, Debug, Default)]
pub(crate) struct Predictor {
    families: Vec<Recent>,
    users: Vec<Recent>,
    all: Recent,
}

/// The last two run times, latest first; the second equals the first after one run.
#[derive(Clone, Copy, Debug, Default)]
struct Recent(Option<[u64; 2]>);

impl Recent {
    fn push(&mut self, micros: u64) {
        self.0 = Some([micros, self.0.map_or(micros, |[latest, _]| latest)]);
    }

    fn mean(self) -> Option<Duration> {
        self.0.map(|[a, b]| Duration::from_micros(a.midpoint(b).max(1)))
    }
}

impl Predictor {
    /// What is expected while nothing at all is known: one minute.
    pub(crate) const DEFAULT: Duration = Duration::from_secs(60);

    /// Learns from a run of `nominal` length.
    pub(crate) fn learn(&mut self, family: FamilyId, user: UserId, nominal: Duration) {
        let micros = nominal.micros();
        entry(&mut self.families, family.0).push(micros);
        entry(&mut self.users, user.0).push(micros);
        self.all.push(micros);
    }

    /// The nominal run time that recent runs suggest for `task`.
    pub(crate) fn predict(&self, task: &TaskSpec) -> Duration {
        let family = self.families.get(task.family.0 as usize).copied().unwrap_or_default();
        let user = || self.users.get(task.user.0 as usize).copied().unwrap_or_default();
        let known = family.mean().or_else(|| user().mean()).or_else(|| self.all.mean());
        match (known, task.estimate) {
            (Some(known), Some(estimate)) => known.min(estimate),
            (Some(known), None) => known,
            (None, Some(estimate)) => estimate,
            (None, None) => Self::DEFAULT,
        }
    }
}

fn entry(list: &mut Vec<Recent>, index: u32) -> &mut Recent {
    let index = index as usize;
    if index >= list.len() {
        list.resize(index + 1, Recent::default());
    }
    &mut list[index]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_familys_runs_come_first_then_the_users_then_all() {
        let mut predictor = Predictor::default();
        let task =
            |family, user| TaskSpec { family: FamilyId(family), user: UserId(user), ..TaskSpec::default() };
        assert_eq!(predictor.predict(&task(1, 1)), Predictor::DEFAULT);
        predictor.learn(FamilyId(1), UserId(1), Duration::from_secs(10));
        predictor.learn(FamilyId(1), UserId(1), Duration::from_secs(20));
        predictor.learn(FamilyId(1), UserId(1), Duration::from_secs(40));
        assert_eq!(predictor.predict(&task(1, 1)), Duration::from_secs(30), "the last two");
        predictor.learn(FamilyId(2), UserId(1), Duration::from_secs(100));
        assert_eq!(predictor.predict(&task(3, 1)), Duration::from_secs(70), "the user's last two");
        predictor.learn(FamilyId(4), UserId(2), Duration::from_secs(4));
        assert_eq!(predictor.predict(&task(5, 7)), Duration::from_secs(52), "anybody's last two");
    }

    #[test]
    fn an_estimate_caps_a_prediction() {
        let mut predictor = Predictor::default();
        predictor.learn(FamilyId(0), UserId(0), Duration::from_secs(50));
        let task = TaskSpec { estimate: Some(Duration::from_secs(20)), ..TaskSpec::default() };
        assert_eq!(predictor.predict(&task), Duration::from_secs(20));
    }
}
