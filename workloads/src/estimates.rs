//! Which estimate of a task's run time the strategies get to see.

use std::fmt;
use std::str::FromStr;

use cloudai_schedulers::model::{Duration, MAX_MICROS};
use serde::{Deserialize, Serialize};

use crate::Task;
use crate::hash::{splitmix64, unit_interval};

/// Which estimate of a task's run time the strategies get to see (`--estimates`).
///
/// A kill at the estimate always uses the file's `estimate_s`, whatever stands here.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub enum Estimates {
    /// The file's `estimate_s`, if the task has one.
    #[default]
    Column,
    /// The true duration: clairvoyance, which every report states.
    Exact,
    /// None at all.
    None,
    /// Duration x (1 + F u) with u uniform in [0, 1), by (seed, task index); F is 0 or more.
    Noisy(f64),
}

impl Estimates {
    /// The estimate of `task` that strategies see under `seed`, rounded up to the microsecond.
    #[must_use]
    pub fn apply(&self, task: &Task, seed: u64) -> Option<Duration> {
        match *self {
            Self::Column => task.spec.estimate,
            Self::Exact => Some(task.duration),
            Self::None => None,
            Self::Noisy(factor) => Some(noisy(task.duration, factor, seed, task.spec.index)),
        }
    }
}

/// Duration x (1 + factor x u): the noise depends on nothing but seed and index, so that every strategy
/// and every order of reading sees the same.
fn noisy(duration: Duration, factor: f64, seed: u64, index: u32) -> Duration {
    let uniform = unit_interval(splitmix64(splitmix64(seed) ^ u64::from(index)));
    #[expect(clippy::cast_precision_loss, reason = "the noise needs no more than 53 bits")]
    let noise = libm::ceil(duration.micros() as f64 * factor * uniform);
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "the cast saturates; not negative"
    )]
    let noise = noise as u64;
    Duration::from_micros(duration.micros().saturating_add(noise).min(MAX_MICROS))
}

impl fmt::Display for Estimates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Column => f.write_str("column"),
            Self::Exact => f.write_str("exact"),
            Self::None => f.write_str("none"),
            Self::Noisy(factor) => write!(f, "noisy({factor})"),
        }
    }
}

/// A text that is none of the estimates.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected column, exact, none or noisy(F) with a finite F of 0 or more, such as noisy(0.5)")]
pub struct UnknownEstimates;

impl FromStr for Estimates {
    type Err = UnknownEstimates;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.trim() {
            "column" => Ok(Self::Column),
            "exact" => Ok(Self::Exact),
            "none" => Ok(Self::None),
            other => {
                let factor = other.strip_prefix("noisy(").and_then(|rest| rest.strip_suffix(')'));
                let factor: f64 = factor.and_then(|text| text.trim().parse().ok()).ok_or(UnknownEstimates)?;
                // + 0.0 turns a negative zero into zero, so that it is shown as such
                if factor.is_finite() && factor >= 0.0 {
                    Ok(Self::Noisy(factor + 0.0))
                } else {
                    Err(UnknownEstimates)
                }
            }
        }
    }
}

impl From<Estimates> for String {
    fn from(estimates: Estimates) -> Self {
        estimates.to_string()
    }
}

impl TryFrom<String> for Estimates {
    type Error = UnknownEstimates;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use cloudai_schedulers::model::TaskSpec;

    fn task(index: u32) -> Task {
        let spec = TaskSpec { index, estimate: Some(Duration::from_secs(60)), ..TaskSpec::default() };
        Task { spec, name: String::new(), duration: Duration::from_secs(10) }
    }

    #[test]
    fn each_kind_gives_its_estimate() {
        assert_eq!(Estimates::Column.apply(&task(0), 1), Some(Duration::from_secs(60)));
        assert_eq!(Estimates::Exact.apply(&task(0), 1), Some(Duration::from_secs(10)));
        assert_eq!(Estimates::None.apply(&task(0), 1), None);
        assert_eq!(Estimates::Noisy(0.0).apply(&task(0), 1), Some(Duration::from_secs(10)));
    }

    #[test]
    fn noise_is_uniform_and_depends_on_seed_and_index_only() {
        let noisy = Estimates::Noisy(2.0);
        let of = |index, seed| noisy.apply(&task(index), seed).unwrap().seconds();
        let mean = (0..10_000).map(|index| of(index, 1)).sum::<f64>() / 10_000.0;
        assert!((mean - 20.0).abs() < 0.3, "mean {mean}");
        assert!((0..10_000).all(|index| (10.0..=30.0).contains(&of(index, 1))));
        assert!((of(3, 1) - of(3, 1)).abs() < f64::EPSILON);
        assert!((of(3, 1) - of(3, 2)).abs() > f64::EPSILON);
    }

    #[test]
    fn the_text_form_round_trips() {
        for text in ["column", "exact", "none", "noisy(0.5)", "noisy(3)"] {
            assert_eq!(text.parse::<Estimates>().unwrap().to_string(), text);
        }
        for text in ["", "noisy", "noisy()", "noisy(-1)", "noisy(inf)", "noisy(NaN)", "Exact"] {
            assert!(text.parse::<Estimates>().is_err(), "{text}");
        }
    }
}
