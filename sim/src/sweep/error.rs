//! Why a sweep did not finish.

use std::io;
use std::path::{Path, PathBuf};

use cloudai_workloads::Problems;
use thiserror::Error;

use super::plan::CellKey;
use super::slurm::SlurmError;
use crate::error::SimError;

/// Why a sweep did not finish. What had ended before is kept.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum SweepError {
    /// The experiment, or a scenario of it, is not in order.
    #[error(transparent)]
    Input(#[from] Problems),
    /// The folder holds other things.
    #[error("{}: is there already and holds no sweep; expected a new or an empty folder, or that of a sweep", .dir.display())]
    Foreign {
        /// The folder.
        dir: PathBuf,
    },
    /// What should be the folder is a file.
    #[error("{}: is a file; expected a folder, or nothing", .path.display())]
    File {
        /// The file.
        path: PathBuf,
    },
    /// Another process works there.
    #[error("{}: another process works on this sweep, or on this shard of it; expected to be alone there", .path.display())]
    Busy {
        /// The lock that is held.
        path: PathBuf,
    },
    /// A file of the sweep could not be read or written.
    #[error("cannot {what} {}: {source}", .path.display())]
    Io {
        /// What was tried.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A list of cells is none, or is not of this experiment.
    #[error("{}{}: {message}", .file.display(), .line.map_or_else(String::new, |line| format!(":{line}")))]
    List {
        /// The list.
        file: PathBuf,
        /// The line, if it is about one.
        line: Option<u64>,
        /// What is wrong with it, and what was expected.
        message: String,
    },
    /// Slurm did not do what was asked of it.
    #[error(transparent)]
    Slurm(#[from] SlurmError),
    /// A run could not go on, for a reason that has nothing to do with its strategy.
    #[error(transparent)]
    Run(#[from] SimError),
    /// A result does not survive being written down: a bug.
    #[error("the result of cell {key} cannot be recorded")]
    Journal {
        /// The cell.
        key: CellKey,
    },
}

impl SweepError {
    /// A folder that could not be created.
    pub(crate) fn creating(dir: &Path, source: io::Error) -> Self {
        if dir.is_file() {
            return Self::File { path: dir.to_path_buf() };
        }
        Self::io(dir, "create", source)
    }

    pub(crate) fn io(path: &Path, what: &'static str, source: io::Error) -> Self {
        Self::Io { what, path: path.to_path_buf(), source }
    }
}
