//! What a policy promises.

use std::fmt;
use std::str::FromStr;

use cloudai_schedulers::Duration;
use cloudai_workloads::{AttemptStatus, Schedule, ScheduleRow};
use thiserror::Error;

use super::ValidateError;
use super::plan::Plan;

/// What a policy promises, besides what every schedule must keep.
///
/// Tasks queue in order of (eligible, index); eligible is the later of the arrival and the last predecessor's end. There is
/// one pass an instant, after all its events.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Rule {
    /// Nobody starts before somebody who stands earlier in the queue.
    Fcfs,
    /// No task that overtakes the head of the queue delays the head's reservation (Lifka 1995).
    Easy,
    /// No start delays the reservation of a task that stands earlier in the queue (Mu'alem, Feitelson 2001).
    Conservative,
    /// No task waits while it would fit.
    WorkConserving,
    /// Nobody starts while a task of higher priority waits.
    Priority,
    /// No task is preempted.
    NoPreemption,
}

/// A text that names no rule.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("unknown rule '{name}'; expected some of {}, with commas between them", Rule::names())]
pub struct UnknownRule {
    /// The text.
    pub name: String,
}

impl Rule {
    /// Every rule.
    pub const ALL: [Self; 6] = [
        Self::Fcfs,
        Self::Easy,
        Self::Conservative,
        Self::WorkConserving,
        Self::Priority,
        Self::NoPreemption,
    ];

    /// Its name on the command line and in verdicts.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Fcfs => "fcfs",
            Self::Easy => "easy",
            Self::Conservative => "conservative",
            Self::WorkConserving => "work_conserving",
            Self::Priority => "priority",
            Self::NoPreemption => "no_preemption",
        }
    }

    /// Reads a list such as `fcfs,no_preemption`; each rule once, in the order given.
    ///
    /// # Errors
    /// [`UnknownRule`] for a name that no rule has, an empty one included.
    pub fn parse_list(list: &str) -> Result<Vec<Self>, UnknownRule> {
        let mut rules = Vec::new();
        for name in list.split(',').map(str::trim) {
            let rule = name.parse()?;
            if !rules.contains(&rule) {
                rules.push(rule);
            }
        }
        Ok(rules)
    }

    fn names() -> String {
        Self::ALL.map(Self::as_str).join(", ")
    }

    /// An error unless scenario and schedule say all that the rule speaks of.
    pub(super) fn check_decidable(self, plan: &Plan<'_>, schedule: &Schedule) -> Result<(), ValidateError> {
        let cannot = |why: String| Err(ValidateError::Undecidable { rule: self, why });
        if matches!(self, Self::Easy | Self::Conservative) {
            if let Some(task) = plan.tasks.iter().find(|task| plan.estimate(task).is_none()) {
                return cannot(format!(
                    "reservations are made with estimates, and task '{}' has none; expected estimate_s for every task, or \
                     --estimates exact if the schedule was made with true run times",
                    task.name
                ));
            }
            let retried = |row: &ScheduleRow| row.status.is_some_and(AttemptStatus::is_retried);
            if plan.settings.checkpoint && schedule.rows.iter().any(retried) {
                return cannot(
                    "tasks go on from saved progress, and what strategies expected of the rest is not in the schedule"
                        .to_owned(),
                );
            }
        }
        let replays_rooms = matches!(self, Self::Easy | Self::Conservative | Self::WorkConserving);
        if replays_rooms && plan.settings.mtbf > Duration::ZERO {
            return cannot(
                "workers fail at random (mtbf_s), and which of them were up is not in the schedule; expected a faults.csv \
                 instead"
                    .to_owned(),
            );
        }
        if replays_rooms && plan.scenario.needs.gpus && !schedule.has_devices {
            return cannot(
                "tasks ask for GPU, and the schedule does not say on which devices they ran; expected a column gpu_devices"
                    .to_owned(),
            );
        }
        let held_unseen = |row: &&ScheduleRow| row.start.is_none() && row.end.is_some();
        if replays_rooms && let Some(row) = schedule.rows.iter().find(held_unseen) {
            return cannot(format!(
                "an attempt of task '{}' (line {}) was stopped during start-up, and since when it held resources is not in the \
                 schedule",
                plan.task(row.task).name,
                row.line
            ));
        }
        if self == Self::NoPreemption && !schedule.has_status {
            return cannot(
                "the schedule does not say how attempts ended; expected a column status".to_owned(),
            );
        }
        Ok(())
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Rule {
    type Err = UnknownRule;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        let name = if name == "no_idle" { Self::WorkConserving.as_str() } else { name };
        let found = Self::ALL.into_iter().find(|rule| rule.as_str() == name);
        found.ok_or_else(|| UnknownRule { name: name.to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_and_shown() {
        for rule in Rule::ALL {
            assert_eq!(rule.to_string().parse(), Ok(rule));
        }
        let list = Rule::parse_list("fcfs, no_idle,work_conserving");
        assert_eq!(list, Ok(vec![Rule::Fcfs, Rule::WorkConserving]));
        assert_eq!(Rule::parse_list("").unwrap_err().name, "");
        assert_eq!(Rule::parse_list("fcfs,").unwrap_err().name, "");
        let message = Rule::parse_list("fcfs,fifo").unwrap_err().to_string();
        assert!(
            message.starts_with("unknown rule 'fifo'; expected some of fcfs, easy, conservative"),
            "{message}"
        );
    }
}
