//! How a scenario is to be run: `scenario.toml`, and `--set KEY=VALUE` over it.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;
use std::str::FromStr;

use cloudai_schedulers::model::{Checkpoints, Duration, MAX_MICROS};
use toml::Spanned;

use crate::Estimates;
use crate::decimal::{self, Fault, Rounding};
use crate::problems::{FileProblems, Problems, quoted};

/// What becomes of a task that does not start in the pass of its arrival.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnFull {
    /// It waits in the queue.
    #[default]
    Wait,
    /// It is rejected.
    Reject,
}

impl fmt::Display for OnFull {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Wait => "wait",
            Self::Reject => "reject",
        })
    }
}

impl FromStr for OnFull {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "wait" => Ok(Self::Wait),
            "reject" => Ok(Self::Reject),
            _ => Err("expected wait or reject"),
        }
    }
}

/// How a scenario is to be run. The defaults are those of a scenario without `scenario.toml`.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Settings {
    /// What reports call the scenario; empty in a file stands for the name of its folder.
    pub name: String,
    /// Where the workload comes from.
    pub source: String,
    /// Which estimates strategies see; default [`Estimates::Column`].
    pub estimates: Estimates,
    /// Whether a task ends, failed, at the file's `estimate_s`; default no.
    pub kill_at_estimate: bool,
    /// What becomes of a task that does not start in the pass of its arrival; default [`OnFull::Wait`].
    pub on_full: OnFull,
    /// Time from assignment to start of work; default 0.
    pub startup_latency: Duration,
    /// Time from a preemption or cancellation to its confirmation; default 0.
    pub stop_latency: Duration,
    /// A task that waits longer than this starves; default 300 s.
    pub starvation_threshold: Duration,
    /// Whether tasks that are preempted or lost keep the progress that they have saved; default no.
    pub checkpoint: bool,
    /// With `checkpoint`: work between two checkpoints; default 0, progress is saved when the task is preempted.
    pub checkpoint_interval: Duration,
    /// With `checkpoint`: how long it takes to save; default 0.
    pub checkpoint_overhead: Duration,
    /// With `checkpoint`: how long it takes to go on from saved progress; default 0.
    pub restart_overhead: Duration,
    /// Mean time between a worker's return and its next failure; default 0, workers do not fail.
    pub mtbf: Duration,
    /// Mean time from a worker's failure to its return; default 0, at once.
    pub mttr: Duration,
    /// How many times a task may be started again that lost its worker; default `None`, any number of times.
    pub max_retries: Option<u32>,
    /// Seed of all that is random in a run; default 0.
    pub seed: u64,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            name: String::new(),
            source: String::new(),
            estimates: Estimates::Column,
            kill_at_estimate: false,
            on_full: OnFull::Wait,
            startup_latency: Duration::ZERO,
            stop_latency: Duration::ZERO,
            starvation_threshold: Duration::from_secs(300),
            checkpoint: false,
            checkpoint_interval: Duration::ZERO,
            checkpoint_overhead: Duration::ZERO,
            restart_overhead: Duration::ZERO,
            mtbf: Duration::ZERO,
            mttr: Duration::ZERO,
            max_retries: None,
            seed: 0,
        }
    }
}

/// Why a setting was not taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SettingError {
    /// There is no such key.
    #[error("unknown setting {key}; the settings are {}", Settings::KEYS.join(", "))]
    UnknownKey {
        /// The key.
        key: String,
    },
    /// The value is not one that the key takes.
    #[error("setting {key}: {}: {expected}", quoted(value))]
    BadValue {
        /// The key.
        key: String,
        /// The value.
        value: String,
        /// What was expected.
        expected: String,
    },
}

impl Settings {
    /// The keys of `scenario.toml` and `--set`, in the order of reports.
    pub const KEYS: [&'static str; 16] = [
        "name",
        "source",
        "estimates",
        "kill_at_estimate",
        "on_full",
        "startup_latency_s",
        "stop_latency_s",
        "starvation_threshold_s",
        "checkpoint",
        "checkpoint_interval_s",
        "checkpoint_overhead_s",
        "restart_overhead_s",
        "mtbf_s",
        "mttr_s",
        "max_retries",
        "seed",
    ];

    /// Sets one setting from text, as `--set KEY=VALUE` does.
    ///
    /// # Errors
    ///
    /// [`SettingError`], which names the key, the value and what exists or was expected.
    pub fn set(&mut self, key: &str, value: &str) -> Result<(), SettingError> {
        let bad = |expected: String| SettingError::BadValue {
            key: key.to_owned(),
            value: value.to_owned(),
            expected,
        };
        let seconds = || seconds(value).map_err(|fault| bad(format!("{fault}; {SECONDS}")));
        let truth = || value.parse::<bool>().map_err(|_| bad("expected true or false".to_owned()));
        match key {
            "name" => value.clone_into(&mut self.name),
            "source" => value.clone_into(&mut self.source),
            "estimates" => self.estimates = value.parse().map_err(|e| bad(format!("{e}")))?,
            "kill_at_estimate" => self.kill_at_estimate = truth()?,
            "on_full" => self.on_full = value.parse().map_err(|e: &str| bad(e.to_owned()))?,
            "startup_latency_s" => self.startup_latency = seconds()?,
            "stop_latency_s" => self.stop_latency = seconds()?,
            "starvation_threshold_s" => self.starvation_threshold = seconds()?,
            "checkpoint" => self.checkpoint = truth()?,
            "checkpoint_interval_s" => self.checkpoint_interval = seconds()?,
            "checkpoint_overhead_s" => self.checkpoint_overhead = seconds()?,
            "restart_overhead_s" => self.restart_overhead = seconds()?,
            "mtbf_s" => self.mtbf = seconds()?,
            "mttr_s" => self.mttr = seconds()?,
            "max_retries" => {
                let expected = "expected a whole number from 0 to 2^32 - 1, or unlimited";
                self.max_retries = match value {
                    "unlimited" => None,
                    number => Some(number.parse().map_err(|_| bad(expected.to_owned()))?),
                };
            }
            "seed" => {
                let expected = "expected a whole number from 0 to 2^64 - 1";
                self.seed = value.parse().map_err(|_| bad(expected.to_owned()))?;
            }
            _ => return Err(SettingError::UnknownKey { key: key.to_owned() }),
        }
        Ok(())
    }

    /// Every key with the value in force, in the order of [`Settings::KEYS`].
    #[must_use]
    pub fn in_force(&self) -> Vec<(String, String)> {
        let value = |key: &str| match key {
            "name" => self.name.clone(),
            "source" => self.source.clone(),
            "estimates" => self.estimates.to_string(),
            "kill_at_estimate" => self.kill_at_estimate.to_string(),
            "on_full" => self.on_full.to_string(),
            "startup_latency_s" => self.startup_latency.to_string(),
            "stop_latency_s" => self.stop_latency.to_string(),
            "starvation_threshold_s" => self.starvation_threshold.to_string(),
            "checkpoint" => self.checkpoint.to_string(),
            "checkpoint_interval_s" => self.checkpoint_interval.to_string(),
            "checkpoint_overhead_s" => self.checkpoint_overhead.to_string(),
            "restart_overhead_s" => self.restart_overhead.to_string(),
            "mtbf_s" => self.mtbf.to_string(),
            "mttr_s" => self.mttr.to_string(),
            "max_retries" => self.max_retries.map_or("unlimited".to_owned(), |most| most.to_string()),
            _ => self.seed.to_string(),
        };
        Self::KEYS.iter().map(|&key| (key.to_owned(), value(key))).collect()
    }

    /// How tasks save their progress; `None` if they do not.
    #[must_use]
    pub fn checkpoints(&self) -> Option<Checkpoints> {
        self.checkpoint.then_some(Checkpoints {
            interval: self.checkpoint_interval,
            overhead: self.checkpoint_overhead,
            restart: self.restart_overhead,
        })
    }

    /// The settings in the text of a `scenario.toml`; `file` is for messages.
    ///
    /// # Errors
    ///
    /// [`Problems`] with the line of each key that is unknown or has a bad value.
    pub fn from_toml(text: &str, file: &Path) -> Result<Self, Problems> {
        let mut problems = FileProblems::new(file);
        let mut settings = Self::default();
        match toml::from_str::<BTreeMap<Spanned<String>, Spanned<toml::Value>>>(text) {
            Ok(table) => {
                for (key, value) in &table {
                    settings.take(text, key, value, &mut problems);
                }
                problems.sort();
            }
            Err(error) => {
                let line = error.span().map(|span| line_of(text, span.start));
                problems.add(line, None, None, format!("is not TOML: {}", error.message()));
            }
        }
        problems.into_result().map(|()| settings)
    }

    fn take(
        &mut self,
        text: &str,
        key: &Spanned<String>,
        value: &Spanned<toml::Value>,
        problems: &mut FileProblems,
    ) {
        // The text as it stands: a number must not go through floating point.
        let raw = text.get(value.span()).unwrap_or_default();
        let value_text = match value.get_ref() {
            toml::Value::String(text) => text.clone(),
            toml::Value::Integer(_) | toml::Value::Float(_) => raw.replace('_', ""), // as in 1_000
            _ => raw.to_owned(),
        };
        let line = Some(line_of(text, key.span().start));
        match self.set(key.get_ref(), &value_text) {
            Ok(()) => {}
            Err(SettingError::UnknownKey { key }) => {
                problems.add(line, Some(&key), None, format!("unknown; expected {}", Self::KEYS.join(", ")));
            }
            Err(SettingError::BadValue { key, value, expected }) => {
                problems.add(line, Some(&key), Some(&value), expected);
            }
        }
    }
}

const SECONDS: &str = "expected seconds, 0 or more";

/// Seconds as written, exact to the microsecond, rounded up.
fn seconds(text: &str) -> Result<Duration, Fault> {
    let micros = decimal::parse(text.as_bytes(), 1_000_000, Rounding::Up)?;
    if micros > MAX_MICROS { Err(Fault::TooLarge) } else { Ok(Duration::from_micros(micros)) }
}

/// The line, from 1, of a byte offset.
fn line_of(text: &str, offset: usize) -> u64 {
    let before = text.as_bytes().get(..offset).unwrap_or(text.as_bytes());
    before.iter().filter(|&&byte| byte == b'\n').count() as u64 + 1
}

/// The text of a `scenario.toml` with these string settings; the keys are of [`Settings::KEYS`].
pub(crate) fn to_toml(settings: &[(&str, &str)]) -> String {
    settings.iter().map(|(key, value)| format!("{key} = {}\n", toml::Value::from(*value))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Settings, String> {
        Settings::from_toml(text, Path::new("scenario.toml")).map_err(|problems| problems.to_string())
    }

    #[test]
    fn every_key_is_read_and_shown() {
        let text = "name = 'n'\nsource = \"s\"\nestimates = 'noisy(0.5)'\nkill_at_estimate = true\n\
                    on_full = 'reject'\nstartup_latency_s = 0.1\nstop_latency_s = 2\n\
                    starvation_threshold_s = 1_060\ncheckpoint = true\ncheckpoint_interval_s = 60\n\
                    checkpoint_overhead_s = 0.5\nrestart_overhead_s = 3\nmtbf_s = 1e5\nmttr_s = 600\n\
                    max_retries = 3\nseed = 7\n";
        let settings = read(text).unwrap();
        assert_eq!(settings.startup_latency, Duration::from_micros(100_000));
        let shown: Vec<String> = settings.in_force().into_iter().map(|(k, v)| format!("{k}={v}")).collect();
        assert_eq!(
            shown.join(" "),
            "name=n source=s estimates=noisy(0.5) kill_at_estimate=true on_full=reject startup_latency_s=0.1 \
             stop_latency_s=2 starvation_threshold_s=1060 checkpoint=true checkpoint_interval_s=60 \
             checkpoint_overhead_s=0.5 restart_overhead_s=3 mtbf_s=100000 mttr_s=600 max_retries=3 seed=7"
        );
    }

    #[test]
    fn in_force_can_be_set_again() {
        let mut settings = Settings::default();
        for (key, value) in Settings::default().in_force() {
            settings.set(&key, &value).unwrap();
        }
        assert_eq!(settings, Settings::default());
    }

    #[test]
    fn problems_name_line_key_and_what_exists() {
        let error = read("name = 'x'\n\nspeed = 3\ncheckpoint = 1\n").unwrap_err();
        let lines: Vec<&str> = error.lines().collect();
        assert!(lines[0].starts_with("scenario.toml:3: speed: unknown; expected name, source,"), "{error}");
        assert_eq!(lines[1], "scenario.toml:4: checkpoint: \"1\": expected true or false");
        let error = read("name = 'x'\nname 3").unwrap_err();
        assert!(error.starts_with("scenario.toml:2: is not TOML"), "{error}");
        let error = read("a = 1\na = 2").unwrap_err();
        assert!(error.starts_with("scenario.toml:2: is not TOML"), "{error}");
    }

    #[test]
    fn set_names_key_value_and_keys() {
        let error = Settings::default().set("sed", "1").unwrap_err().to_string();
        assert!(error.contains("unknown setting sed") && error.contains("seed"), "{error}");
        let error = Settings::default().set("stop_latency_s", "-1").unwrap_err().to_string();
        let message = "setting max_retries: \"-1\": expected a whole number from 0 to 2^32 - 1, or unlimited";
        assert_eq!(Settings::default().set("max_retries", "-1").unwrap_err().to_string(), message);
        assert_eq!(error, "setting stop_latency_s: \"-1\": is negative; expected seconds, 0 or more");
    }
}
