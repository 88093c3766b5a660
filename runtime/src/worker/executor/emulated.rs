//! Runs nothing: an attempt sleeps for the time that its task states, and holds what it asks for.

use std::time::Duration;

use super::{BoxFuture, Executor, Job};
use crate::worker::clock::unix_now_us;
use crate::worker::events::{AttemptKey, Found, Outcome};

/// Sleeps for `emulated_s` of each task, thousands at once. It forgets everything with the process.
#[derive(Clone, Copy, Debug, Default)]
pub struct EmulatedExecutor;

impl Executor for EmulatedExecutor {
    fn name(&self) -> &'static str {
        "emulated"
    }

    fn run(&self, job: Job) -> BoxFuture<Result<Outcome, String>> {
        Box::pin(async move {
            let Job { task, started, mut stop, .. } = job;
            let started_at_us = unix_now_us();
            started.send(started_at_us);
            let length = Duration::try_from_secs_f64(task.emulated_s.max(0.0)).unwrap_or(Duration::MAX);
            let exit_code = tokio::select! {
                () = tokio::time::sleep(length) => 0,
                () = stop.wait() => 143,
            };
            let ended_at_us = unix_now_us().max(started_at_us);
            Ok(Outcome { exit_code, started_at_us, ended_at_us, ..Outcome::default() })
        })
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
