//! Runs containers.

use super::{BoxFuture, Executor, Job};
use crate::worker::events::{AttemptKey, Found, Outcome};
use crate::worker::folder::DataFolder;
use crate::worker::{WorkerError, WorkerSettings};

/// Runs containers.
#[derive(Clone, Debug)]
pub struct DockerExecutor;

impl DockerExecutor {
    /// Connects to the Docker Engine of this machine.
    ///
    /// # Errors
    ///
    /// If there is none.
    pub fn connect(_settings: &WorkerSettings, _folder: &DataFolder) -> Result<Self, WorkerError> {
        Err(WorkerError::Executor { executor: "docker", reason: "not yet".to_owned() })
    }
}

impl Executor for DockerExecutor {
    fn name(&self) -> &'static str {
        "docker"
    }
    fn run(&self, _job: Job) -> BoxFuture<Result<Outcome, String>> {
        Box::pin(async { Err(String::new()) })
    }
    fn resume(&self, job: Job) -> BoxFuture<Result<Outcome, String>> {
        self.run(job)
    }
    fn adopt(&self) -> BoxFuture<Result<Vec<Found>, String>> {
        Box::pin(async { Ok(Vec::new()) })
    }
    fn remove(&self, _key: AttemptKey) -> BoxFuture<()> {
        Box::pin(async {})
    }
}
