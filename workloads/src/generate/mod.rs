//! Synthetic workloads: [`Preset`]s with stated distributions, the same bytes on every machine.
//!
//! A preset is a table of data (`recipe`, `presets`): kinds of task with their shapes and run times, kinds of
//! worker, and how tasks arrive. `tasks` draws from it, one task at a time.
//!
//! ```
//! use cloudai_workloads::generate::{Preset, generate};
//!
//! let folder = tempfile::tempdir()?;
//! let generated = generate("mixed".parse::<Preset>()?, 100, 5, 1)?;
//! generated.write(&folder.path().join("mixed-100x5"))?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod presets;
mod recipe;
mod tasks;

use std::fmt;
use std::io::Write;
use std::path::Path;
use std::str::FromStr;

use cloudai_schedulers::model::WorkerSpec;

use crate::folder::{NewFolder, in_memory};
use crate::location::Location;
use crate::problems::Problems;
use crate::settings::to_toml;
use crate::write::{TaskWriter, write_workers};
use recipe::Recipe;
use tasks::TaskSource;

/// A synthetic workload with stated distributions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Preset {
    /// Equal workers, cpu and memory, run times uniform from 10 to 100 s, no estimates.
    Uniform,
    /// Run times of a bounded Pareto law with alpha 1.1: few long tasks make up most of the work.
    HeavyTailed,
    /// Lognormal run times, arrivals that swing by 80% over each day.
    Diurnal,
    /// Training jobs with fractions of a GPU and up to 8 whole ones on workers of two GPU models.
    MlTraining,
    /// Pipelines of stages that fan out and in again.
    DagPipelines,
    /// Web, batch, analytics and ML tasks on a small mixed cluster that they overload for a while.
    Mixed,
}

impl Preset {
    /// Every preset, in the order of help texts.
    pub const ALL: [Self; 6] =
        [Self::Uniform, Self::HeavyTailed, Self::Diurnal, Self::MlTraining, Self::DagPipelines, Self::Mixed];

    /// Every preset, in the order of help texts.
    #[must_use]
    pub const fn list() -> &'static [Self] {
        &Self::ALL
    }

    /// Its name on the command line.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Uniform => "uniform",
            Self::HeavyTailed => "heavy_tailed",
            Self::Diurnal => "diurnal",
            Self::MlTraining => "ml_training",
            Self::DagPipelines => "dag_pipelines",
            Self::Mixed => "mixed",
        }
    }

    /// One line that says what it is.
    #[must_use]
    pub const fn summary(self) -> &'static str {
        match self {
            Self::Uniform => "equal workers, cpu and memory, uniform run times, no estimates",
            Self::HeavyTailed => "bounded Pareto run times: few long tasks make up most of the work",
            Self::Diurnal => "lognormal run times, arrivals that swing by 80% over each day",
            Self::MlTraining => "training jobs on GPU fractions and up to 8 GPUs of two models",
            Self::DagPipelines => "pipelines of stages that fan out and in again",
            Self::Mixed => {
                "web, batch, analytics and ML tasks that overload a small mixed cluster for a while"
            }
        }
    }
}

impl fmt::Display for Preset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A name that no preset has.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown preset {name:?}; expected {}", Preset::ALL.map(Preset::name).join(", "))]
pub struct UnknownPreset {
    name: String,
}

impl FromStr for Preset {
    type Err = UnknownPreset;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        let found = Self::ALL.into_iter().find(|preset| preset.name() == name);
        found.ok_or_else(|| UnknownPreset { name: name.to_owned() })
    }
}

/// A size that no workload can have.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BadSize {
    /// The number of tasks.
    #[error("{0} tasks: expected 1 to 2^32 - 1")]
    Tasks(u64),
    /// The number of workers.
    #[error("{0} workers: expected 1 to 2^32 - 1")]
    Workers(u64),
}

/// A workload ready to be written: nothing of it is held in memory but the workers.
#[derive(Clone, Debug)]
pub struct Generated {
    preset: Preset,
    tasks: u64,
    seed: u64,
    workers: Vec<WorkerSpec>,
    recipe: Recipe,
}

/// A workload of a preset for `tasks` tasks on `workers` workers. Equal arguments give equal bytes; each
/// (seed, preset) has a random stream of its own.
///
/// # Errors
///
/// [`BadSize`] for no task or worker at all, or too many.
pub fn generate(preset: Preset, tasks: u64, workers: u64, seed: u64) -> Result<Generated, BadSize> {
    let in_range = |count| count >= 1 && count < u64::from(u32::MAX);
    if !in_range(tasks) {
        return Err(BadSize::Tasks(tasks));
    }
    if !in_range(workers) {
        return Err(BadSize::Workers(workers));
    }
    let recipe = presets::recipe(preset);
    Ok(Generated { preset, tasks, seed, workers: recipe.workers(workers), recipe })
}

impl Generated {
    /// Writes `tasks.csv`, `workers.csv` and `scenario.toml` into the new folder `out`, whose name becomes
    /// that of the scenario. The folder appears when it is complete.
    ///
    /// # Errors
    ///
    /// [`Problems`] if `out` is there already and not empty, or cannot be written.
    pub fn write(&self, out: &Path) -> Result<(), Problems> {
        let folder = NewFolder::create(out)?;
        folder.write("workers.csv", |file| write_workers(file, &self.workers))?;
        folder.write("tasks.csv", |file| self.write_tasks(file))?;
        let name = out.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        folder.write("scenario.toml", |file| file.write_all(self.settings(&name).as_bytes()))?;
        folder.finish()
    }

    /// The content of the files that [`Generated::write`] writes into a folder of this name, in memory.
    #[must_use]
    pub fn location(&self, name: &str) -> Location {
        let workers = in_memory(|file| write_workers(file, &self.workers));
        let tasks = in_memory(|file| self.write_tasks(file));
        Location::text(tasks, workers).with_settings(self.settings(name))
    }

    fn write_tasks(&self, file: impl Write) -> std::io::Result<()> {
        let mut writer = TaskWriter::new(file, &self.recipe.columns())?;
        let mut source = TaskSource::new(&self.recipe, &self.workers, self.seed, self.preset.name());
        for _ in 0..self.tasks {
            writer.write(&source.next_row())?;
        }
        writer.finish()
    }

    fn settings(&self, name: &str) -> String {
        to_toml(&[("name", name), ("source", &self.source(name))])
    }

    /// The command that makes this workload, and its distributions.
    fn source(&self, name: &str) -> String {
        let (preset, tasks, workers, seed) = (self.preset, self.tasks, self.workers.len(), self.seed);
        format!(
            "cloudai generate {preset} --tasks {tasks} --workers {workers} --seed {seed} --out {name}\n{}",
            self.recipe
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_round_trip_and_unknown_ones_list_the_known() {
        for &preset in Preset::list() {
            assert_eq!(preset.name().parse(), Ok(preset));
        }
        let error = "bursty".parse::<Preset>().unwrap_err().to_string();
        let known = "uniform, heavy_tailed, diurnal, ml_training, dag_pipelines, mixed";
        assert_eq!(error, format!("unknown preset \"bursty\"; expected {known}"));
    }

    #[test]
    fn empty_workloads_are_refused() {
        assert_eq!(generate(Preset::Mixed, 0, 5, 1).unwrap_err(), BadSize::Tasks(0));
        assert_eq!(generate(Preset::Mixed, 5, 0, 1).unwrap_err(), BadSize::Workers(0));
    }
}
