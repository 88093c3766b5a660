//! What runs attempts: containers, plain processes, or nothing at all.
//!
//! - [`docker`]: containers, with the limits of the task
//! - [`process`]: plain processes of this machine; **enforces nothing**
//! - [`emulated`]: sleeps, for tests of scale

use std::fmt;
use std::future::Future;
use std::path::PathBuf;
use std::pin::Pin;

use cloudai_proto::v1;
use tokio::sync::watch;

use super::events::{AttemptKey, Found, Outcome};
use crate::record::UnixMicros;

mod credentials;
pub mod docker;
mod docker_output;
pub mod emulated;
pub mod process;

/// A future that an executor returns.
pub type BoxFuture<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// Something that runs attempts. What it runs, except when it emulates, outlives the worker.
pub trait Executor: Send + Sync + fmt::Debug {
    /// docker, process or emulated.
    fn name(&self) -> &'static str;

    /// Starts an attempt and sees it through to its end. A failure to start is an error, with the reason.
    fn run(&self, job: Job) -> BoxFuture<Result<Outcome, String>>;

    /// The same for an attempt that [`adopt`](Self::adopt) has found running.
    fn resume(&self, job: Job) -> BoxFuture<Result<Outcome, String>>;

    /// Finds what an earlier life of this worker has left.
    fn adopt(&self) -> BoxFuture<Result<Vec<Found>, String>>;

    /// Removes what is left of an attempt, logs apart; kills it if it runs.
    fn remove(&self, key: AttemptKey) -> BoxFuture<()>;
}

/// One attempt for an executor.
#[derive(Debug)]
pub struct Job {
    /// What is to run.
    pub task: v1::Task,
    /// Where its output goes.
    pub logs: LogFiles,
    /// Says that it has started.
    pub started: StartedSignal,
    /// Asks it to stop.
    pub stop: StopSignal,
}

impl Job {
    /// Which attempt this is.
    #[must_use]
    pub fn key(&self) -> AttemptKey {
        AttemptKey::of(&self.task)
    }
}

/// Where the output of an attempt is kept.
#[derive(Clone, Debug)]
pub struct LogFiles {
    /// Standard output.
    pub stdout: PathBuf,
    /// Standard error.
    pub stderr: PathBuf,
}

/// Tells the worker that an attempt has started.
pub struct StartedSignal(Box<dyn FnOnce(UnixMicros) + Send>);

impl StartedSignal {
    /// A signal that calls this.
    pub fn new(signal: impl FnOnce(UnixMicros) + Send + 'static) -> Self {
        Self(Box::new(signal))
    }

    /// It has started, then.
    pub fn send(self, at_us: UnixMicros) {
        (self.0)(at_us);
    }
}

impl fmt::Debug for StartedSignal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("StartedSignal")
    }
}

/// Whether an attempt is to stop.
#[derive(Clone, Debug)]
pub struct StopSignal(watch::Receiver<bool>);

impl StopSignal {
    /// A signal and the switch that gives it.
    #[must_use]
    pub fn new() -> (watch::Sender<bool>, Self) {
        let (sender, receiver) = watch::channel(false);
        (sender, Self(receiver))
    }

    /// True if it is to stop.
    #[must_use]
    pub fn is_on(&self) -> bool {
        *self.0.borrow()
    }

    /// Returns when it is to stop; never, if nobody will say so any more.
    pub async fn wait(&mut self) {
        if self.0.wait_for(|stop| *stop).await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}
