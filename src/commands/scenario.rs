//! Which scenario a command is about, and the settings with its flags over them.

use std::path::PathBuf;

use anyhow::Result;
use cloudai_workloads::{Estimates, Location, Settings};

use crate::failure::Usage;

/// A folder, or the two files instead of it.
pub(super) fn location(
    folder: Option<&PathBuf>,
    tasks: Option<&PathBuf>,
    workers: Option<&PathBuf>,
) -> Location {
    match (folder, tasks, workers) {
        (None, Some(tasks), Some(workers)) => Location::files(tasks, workers),
        (folder, ..) => Location::Folder(folder.cloned().unwrap_or_default()),
    }
}

/// What the command line says over the scenario's own settings.
#[derive(Clone, Copy, Debug)]
pub(super) struct Overrides<'a> {
    pub(super) settings: &'a [String],
    pub(super) estimates: Option<Estimates>,
    pub(super) seed: Option<u64>,
    pub(super) kill_at_estimate: bool,
}

impl Overrides<'_> {
    /// The settings in force, given the scenario's own.
    pub(super) fn apply(self, scenario: &Settings) -> Result<Settings> {
        let mut settings = scenario.clone();
        for setting in self.settings {
            let (key, value) = setting.split_once('=').ok_or_else(|| {
                Usage(format!("--set {setting}: expected KEY=VALUE, such as startup_latency_s=2"))
            })?;
            settings.set(key.trim(), value.trim())?;
        }
        if let Some(estimates) = self.estimates {
            settings.estimates = estimates;
        }
        if let Some(seed) = self.seed {
            settings.seed = seed;
        }
        settings.kill_at_estimate |= self.kill_at_estimate;
        Ok(settings)
    }
}
