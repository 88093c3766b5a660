//! The design of an experiment, as its file states it; `docs/sweep.md` describes every key.
//!
//! - this file: what a file can state
//! - `parser`: reads that from a document; tunings share most of it
//! - `reader`: TOML in which every fault is told with its line

pub(crate) mod parser;
pub(crate) mod reader;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};

use cloudai_schedulers::{Registry, StrategySpec};
use cloudai_workloads::generate::Preset;
use cloudai_workloads::{Load, Problems};
use parser::Parser;
use reader::Reader;

/// How far shaking moves an arrival at most, unless the file says otherwise.
pub const SHAKE_WIDTH: cloudai_schedulers::Duration = cloudai_schedulers::Duration::from_secs(60);

/// An experiment, as its file states it.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Design {
    /// What reports call it.
    pub name: String,
    /// What it is about, in words; may be empty.
    pub about: String,
    /// Keys of the metrics that strategies are ranked by, the main one first; empty: as reports choose.
    pub objectives: Vec<String>,
    /// The strategy that the others are compared with, one of `strategies`.
    pub baseline: Option<StrategySpec>,
    /// Memory that workloads and runs may take together, in MiB (`memory_mb`).
    pub memory_mib: Option<u64>,
    /// The strategies, parameters spelled out, each once.
    pub strategies: Vec<StrategySpec>,
    /// The scenarios.
    pub scenarios: Vec<ScenarioDesign>,
}

/// A scenario of an experiment, and what is varied in it.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct ScenarioDesign {
    /// Its name, unlike that of any other.
    pub name: String,
    /// Where it comes from.
    pub origin: Origin,
    /// What is varied.
    pub axes: Axes,
}

/// Where a scenario comes from.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Origin {
    /// A folder with `tasks.csv` and `workers.csv`.
    Folder(PathBuf),
    /// A preset of `cloudai generate`.
    Preset {
        /// Which.
        preset: Preset,
        /// How many tasks.
        tasks: u32,
        /// Seed of the generator; `None`: the cell's.
        seed: Option<u64>,
    },
    /// The openb trace.
    Openb {
        /// The list of nodes.
        nodes: PathBuf,
        /// The list of pods.
        pods: PathBuf,
        /// GPU demand to inflate to, as a multiple of the capacity; `None`: arrivals as in the trace.
        target: Option<f64>,
        /// Seed of the inflation; `None`: the cell's.
        seed: Option<u64>,
    },
}

impl Origin {
    /// True if each seed of the experiment has a workload of its own.
    #[must_use]
    pub const fn is_drawn(&self) -> bool {
        matches!(self, Self::Preset { seed: None, .. } | Self::Openb { target: Some(_), seed: None, .. })
    }
}

/// What is varied in a scenario: the cells are the product of all of it.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Axes {
    /// Numbers of workers; `None`: as many as the scenario has.
    pub workers: Option<Vec<u32>>,
    /// Loads.
    pub loads: Vec<Load>,
    /// Shaken copies, 0 for the workload as it is.
    pub shake: Vec<u32>,
    /// How far shaking moves an arrival at most.
    pub shake_width: cloudai_schedulers::Duration,
    /// Seeds; `None`: the scenario's own.
    pub seeds: Option<Vec<u64>>,
    /// Settings by key, in the order of the file, each with its values.
    pub settings: Vec<(String, Vec<String>)>,
}

impl Default for Axes {
    fn default() -> Self {
        Self {
            workers: None,
            loads: vec![Load::ONE],
            shake: vec![0],
            shake_width: SHAKE_WIDTH,
            seeds: None,
            settings: Vec::new(),
        }
    }
}

impl Design {
    /// Reads the file of an experiment; relative paths in it are relative to its folder.
    ///
    /// # Errors
    /// [`Problems`]: every fault with its line, key, value and what was expected.
    pub fn read(file: &Path, registry: &Registry) -> Result<Self, Problems> {
        let text = std::fs::read_to_string(file).map_err(|error| Problems::io(file, "read", &error))?;
        Self::parse(&text, file, registry)
    }

    /// The design in this text; `file` is for messages, and its folder for relative paths:
    /// the folders of scenarios have to be there.
    ///
    /// # Errors
    /// As [`Design::read`].
    pub fn parse(text: &str, file: &Path, registry: &Registry) -> Result<Self, Problems> {
        let mut reader = Reader::new(text, file);
        let design =
            reader.parse().map(|document| Parser { reader: &mut reader, file, registry }.design(&document));
        reader.finish()?;
        design.ok_or_else(|| Problems::file(file, "is not TOML"))
    }
}
