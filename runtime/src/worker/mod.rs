//! The worker: takes attempts from the master, runs them, and reports how they ended.
//!
//! ```text
//!   master ──AssignTask, CancelTask, StreamLogs──▶ service ─▶ ┌──────┐ ─▶ journal, then ─▶ executor
//!   master ◀──RegisterWorker, SendHeartbeat, ───── shell ◀── │ core │ ◀─ started, ended ◀──┘
//!             ReportTaskCompletion                           └──────┘
//! ```
//!
//! - [`core`]: the state machine, without I/O; [`events`]: what goes into it and comes out
//! - [`executor`]: docker, process, emulated
//! - [`journal`], [`folder`]: what it keeps on disk
//! - [`usage`]: what the machine has and uses; [`clock`]
//! - `shell`: the tokio tasks around the core; `service`: gRPC; `supervise`: the process beside each process;
//!   `guard`: the one beside the worker

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

pub mod clock;
pub mod core;
pub mod events;
pub mod executor;
pub mod folder;
mod guard;
pub mod journal;
mod service;
mod settings;
mod shell;
mod supervise;
pub mod usage;

pub use guard::guard;
pub use settings::{ExecutorKind, WorkerSettings};
pub use shell::{RunningWorker, start};
pub use supervise::supervise;

/// Why a worker cannot start, or gave up.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WorkerError {
    /// Another worker uses the data folder.
    #[error("{}: another worker is using this data folder; give each worker its own", path.display())]
    InUse {
        /// The folder.
        path: PathBuf,
    },
    /// The data folder cannot be used.
    #[error("{}: cannot use the data folder: {source}", path.display())]
    Folder {
        /// The folder.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The gRPC service cannot listen.
    #[error("cannot listen on {address}: {source}")]
    Listen {
        /// Where.
        address: SocketAddr,
        /// Why.
        source: io::Error,
    },
    /// The listener would be open to others.
    #[error(transparent)]
    Exposed(#[from] crate::security::Exposed),
    /// The address of the master makes no sense, or the token, or the certificates that are trusted.
    #[error("the master: {0}")]
    Master(#[from] crate::security::DialError),
    /// The certificate or key for serving.
    #[error("TLS: {0}")]
    Tls(String),
    /// The executor cannot be used.
    #[error("the {executor} executor cannot be used: {reason}")]
    Executor {
        /// Which.
        executor: &'static str,
        /// Why.
        reason: String,
    },
    /// The master has another worker with this id.
    #[error("worker {worker_id:?}: {reason}")]
    Taken {
        /// The id.
        worker_id: String,
        /// What the master says.
        reason: String,
    },
    /// The journal could not be written. What it holds is safe; the tasks run on.
    #[error("cannot write the journal: {0}")]
    Journal(io::Error),
    /// A part of the worker has died.
    #[error("the worker has died: {0}")]
    Died(String),
}
