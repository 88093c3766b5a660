//! Sweeps on a cluster that Slurm manages: the missing cells as the tasks of a job array, followed until all have ended.
//!
//! ```text
//!   missing cells ──cut──▶ slurm/job-N.csv ──┐
//!                          slurm/job-N.sh  ──┴─sbatch──▶ array tasks ──▶ journal-job-N-part-I.jsonl ──▶ results.csv
//!                          slurm/job-N.json (the job's name and id)
//! ```
//!
//! - `client`: sbatch, squeue, scontrol, and what they print
//! - `costs`: what a cell costs, and how the cells are cut into parts
//! - `job`: a job that was submitted: its files, its script
//! - `array`: what is submitted when, and following it: [`Array`]

mod array;
mod client;
mod costs;
mod job;

use std::path::PathBuf;

pub use array::{Array, Event, Waiting};

/// What is asked of Slurm.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Request {
    /// The program that array tasks run: this one, at a path that the nodes know.
    pub program: PathBuf,
    /// The partition; `None`: the cluster's default.
    pub partition: Option<String>,
    /// Array tasks of a job; `None`: as many as make them some minutes long.
    pub tasks: Option<u32>,
    /// Further options of sbatch, each as it would stand on a line of the script behind `#SBATCH`.
    pub options: Vec<String>,
    /// Cells that an array task runs at the same time, and the cores that it asks for.
    pub jobs: u16,
    /// Memory that an array task's workloads and runs may take together, in MiB; `None`: as the experiment says, and Slurm's default
    /// for the job.
    pub memory_mib: Option<u64>,
}

impl Request {
    /// Array tasks that run this program, one cell at a time, with the cluster's defaults.
    #[must_use]
    pub const fn new(program: PathBuf) -> Self {
        Self { program, partition: None, tasks: None, options: Vec::new(), jobs: 1, memory_mib: None }
    }
}

/// Why Slurm did not do what was asked of it.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SlurmError {
    /// There is no Slurm here.
    #[error(
        "{program}: no such program here; expected Slurm's client programs (sbatch, squeue, scontrol) in PATH"
    )]
    Missing {
        /// What was to be run.
        program: &'static str,
    },
    /// A program of Slurm ended with an error.
    #[error("{program}: {said}")]
    Failed {
        /// The program.
        program: &'static str,
        /// What it said.
        said: String,
    },
    /// A program of Slurm printed something else than it should.
    #[error("{program} printed {said:?}; expected {expected}")]
    Unexpected {
        /// The program.
        program: &'static str,
        /// What it said.
        said: String,
        /// What it was to say.
        expected: &'static str,
    },
    /// More array tasks are asked for than the cluster allows.
    #[error("{asked} array tasks are asked for; expected at most {most} (MaxArraySize of this cluster)")]
    TooMany {
        /// How many are asked for.
        asked: u32,
        /// How many there can be.
        most: u32,
    },
    /// The cluster has job arrays switched off.
    #[error("this cluster has no job arrays; expected MaxArraySize above 0 in `scontrol show config`")]
    NoArrays,
    /// Something cannot stand in a batch script.
    #[error("{text:?} cannot stand in a batch script; expected one line of text")]
    Unfit {
        /// What it is.
        text: String,
    },
    /// Jobs have ended, and cells have no result.
    #[error("{jobs} ended, and {left} cells have no result; what the array tasks said is in {}", .logs.display())]
    Ended {
        /// The jobs.
        jobs: String,
        /// Cells without result.
        left: usize,
        /// Where the array tasks' output is.
        logs: PathBuf,
    },
}

impl SlurmError {
    /// True if another command, another machine or another input would do; false if something failed.
    #[must_use]
    pub const fn is_usage(&self) -> bool {
        matches!(self, Self::Missing { .. } | Self::TooMany { .. } | Self::NoArrays | Self::Unfit { .. })
    }
}
