//! What can go wrong while a report is written or read.

use std::path::{Path, PathBuf};

use thiserror::Error;

/// Why a report could not be written or read; each message names the file.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ReportError {
    /// A file or folder could not be read.
    #[error("cannot read {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// A file or folder could not be written.
    #[error("cannot write {}: {source}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// A picture of an earlier report could not be removed.
    #[error("cannot remove {}: {source}", path.display())]
    Remove {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// There is no report in the folder.
    #[error("{} holds no report: expected report.json in it, as `cloudai simulate --out` leaves it, or results.csv, as `cloudai sweep --out` does", dir.display())]
    NoReport {
        /// The folder.
        dir: PathBuf,
    },
    /// `report.json` is not a report.
    #[error("{}:{}:{}: not a report of this version: {source}", path.display(), source.line(), source.column())]
    Parse {
        /// The file.
        path: PathBuf,
        /// What was expected where.
        source: serde_json::Error,
    },
    /// `results.csv` is not the table of a sweep.
    #[error("{}: not the results of a sweep of this version: {source}", path.display())]
    Table {
        /// The file.
        path: PathBuf,
        /// What was expected where.
        source: Box<cloudai_sim::sweep::TableError>,
    },
    /// A value could not be turned into JSON or CSV.
    #[error("cannot encode {}: {reason}", path.display())]
    Encode {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// A strategy's folder would lie outside the report.
    #[error("strategy `{spec}`: folder `{folder}` is not a plain name; expected one path component")]
    Folder {
        /// The strategy.
        spec: String,
        /// Its folder.
        folder: String,
    },
    /// Two strategies would overwrite each other's files.
    #[error("strategies `{first}` and `{second}` share the folder `{folder}`; expected one folder each")]
    SharedFolder {
        /// The earlier strategy.
        first: String,
        /// The later strategy.
        second: String,
        /// Their folder.
        folder: String,
    },
    /// A picture could not be drawn.
    #[error("cannot draw {}: {reason}", path.display())]
    Draw {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
}

impl ReportError {
    /// An error of writing `path`.
    pub(crate) fn write(path: &Path, source: std::io::Error) -> Self {
        Self::Write { path: path.to_owned(), source }
    }

    /// An error of reading `path`.
    pub(crate) fn read(path: &Path, source: std::io::Error) -> Self {
        Self::Read { path: path.to_owned(), source }
    }

    /// An error of encoding what belongs into `path`.
    pub(crate) fn encode(path: &Path, reason: &impl ToString) -> Self {
        Self::Encode { path: path.to_owned(), reason: reason.to_string() }
    }
}
