//! Observers: how results leave a run.
//!
//! The engine tells an [`Observer`] what happens; an observer turns it into a file, a number or a check. A run that
//! needs only the summary pays for nothing else. Observers compose: a pair of observers is one.
//!
//! - [`assignments`]: `assignments.csv`; [`metrics`]: the summary; [`timeline`]: time series for the plots;
//!   [`gantt`]: bars; [`gpu_curve`]: GPU allocation against what has arrived; [`checker`]: invariants after every instant

pub mod assignments;
pub mod checker;
pub mod gantt;
pub mod gpu_curve;
pub mod metrics;
pub mod timeline;

use cloudai_schedulers::{Cluster, Duration, Part, Placement, TaskId, TaskSpec, Time, WorkerId};

use crate::error::SimError;

/// How an attempt ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AttemptEnd {
    /// The task completed.
    Completed,
    /// It ran into its time limit.
    TimedOut,
    /// It was preempted; the task is queued again.
    Preempted,
    /// It was cancelled.
    Cancelled,
    /// Its worker was lost; the task is queued again.
    Lost,
}

impl AttemptEnd {
    /// The word for it in files.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Completed => "completed",
            Self::TimedOut => "timed_out",
            Self::Preempted => "preempted",
            Self::Cancelled => "cancelled",
            Self::Lost => "lost",
        }
    }

    /// True if the task goes back to the queue.
    #[must_use]
    pub const fn is_retried(self) -> bool {
        matches!(self, Self::Preempted | Self::Lost)
    }
}

/// One attempt that has ended.
#[derive(Clone, Copy, Debug)]
pub struct Attempt<'a> {
    /// The task.
    pub task: TaskId,
    /// Its name, if the observer [reads names](Observer::reads_names).
    pub name: &'a str,
    /// What was known of it.
    pub spec: &'a TaskSpec,
    /// Where it ran.
    pub placement: &'a Placement,
    /// Number of the attempt, from 1.
    pub attempt: u32,
    /// The later of arrival and the last predecessor's end.
    pub eligible: Time,
    /// When it was assigned; it held its resources from then on.
    pub assigned: Time,
    /// Confirmed start; `None` if it was stopped before.
    pub start: Option<Time>,
    /// Confirmed start of the task's first attempt that started.
    pub first_start: Option<Time>,
    /// When it gave its resources back.
    pub end: Time,
    /// How it ended.
    pub status: AttemptEnd,
    /// The run time that was expected at the assignment, at the speed of where it ran.
    pub expected: Duration,
    /// Work that has to be done again: what the attempt did and did not save, if the task runs again, else zero.
    pub lost: Duration,
    /// Time of the attempt that was spent on checkpoints and on going on from one.
    pub overhead: Duration,
}

/// A task that ended while it waited.
#[derive(Clone, Copy, Debug)]
pub struct EndedWaiting<'a> {
    /// The task.
    pub task: TaskId,
    /// Its name, if the observer [reads names](Observer::reads_names).
    pub name: &'a str,
    /// What was known of it.
    pub spec: &'a TaskSpec,
    /// `cancelled`, `rejected` or `failed`.
    pub status: &'static str,
    /// When it was turned away.
    pub end: Time,
    /// Attempts that it had had by then.
    pub attempts: u32,
    /// The later of arrival and the last predecessor's end.
    pub eligible: Time,
    /// Confirmed start of its first attempt that started.
    pub first_start: Option<Time>,
}

/// Hears what happens in a run. Every method does nothing by default.
pub trait Observer {
    /// False if it has no use for the names of tasks, which need not be kept then: they are empty if nobody reads them.
    fn reads_names(&self) -> bool {
        true
    }

    /// A task arrives; it has not been decided upon. Its estimate is that of the workload, whatever strategies may see.
    fn arrived(&mut self, task: &TaskSpec) {
        let _ = task;
    }

    /// A task holds resources on these workers from now on, or no longer does.
    fn held_changed(&mut self, parts: &[Part], cluster: &Cluster) {
        let _ = (parts, cluster);
    }

    /// A worker joined or changed its state.
    fn worker_changed(&mut self, worker: WorkerId, cluster: &Cluster) {
        let _ = (worker, cluster);
    }

    /// An attempt has ended.
    ///
    /// # Errors
    /// Whatever stands against recording it; the run ends then.
    fn attempt_ended(&mut self, attempt: &Attempt<'_>) -> Result<(), SimError> {
        let _ = attempt;
        Ok(())
    }

    /// A task has ended while it waited: cancelled, rejected, or failed to start too often.
    ///
    /// # Errors
    /// Whatever stands against recording it; the run ends then.
    fn ended_waiting(&mut self, task: &EndedWaiting<'_>) -> Result<(), SimError> {
        let _ = task;
        Ok(())
    }

    /// Everything of this instant has happened; the cluster stays like this until the next one.
    ///
    /// # Errors
    /// Whatever stands against recording it; the run ends then.
    fn settled(&mut self, cluster: &Cluster) -> Result<(), SimError> {
        let _ = cluster;
        Ok(())
    }

    /// The run is over.
    ///
    /// # Errors
    /// Whatever stands against finishing the record.
    fn finished(&mut self) -> Result<(), SimError> {
        Ok(())
    }
}

/// Observes nothing.
impl Observer for () {
    fn reads_names(&self) -> bool {
        false
    }
}

/// Both observe, the first one first.
impl<A: Observer, B: Observer> Observer for (A, B) {
    fn reads_names(&self) -> bool {
        self.0.reads_names() || self.1.reads_names()
    }

    fn arrived(&mut self, task: &TaskSpec) {
        self.0.arrived(task);
        self.1.arrived(task);
    }

    fn held_changed(&mut self, parts: &[Part], cluster: &Cluster) {
        self.0.held_changed(parts, cluster);
        self.1.held_changed(parts, cluster);
    }

    fn worker_changed(&mut self, worker: WorkerId, cluster: &Cluster) {
        self.0.worker_changed(worker, cluster);
        self.1.worker_changed(worker, cluster);
    }

    fn attempt_ended(&mut self, attempt: &Attempt<'_>) -> Result<(), SimError> {
        self.0.attempt_ended(attempt)?;
        self.1.attempt_ended(attempt)
    }

    fn ended_waiting(&mut self, task: &EndedWaiting<'_>) -> Result<(), SimError> {
        self.0.ended_waiting(task)?;
        self.1.ended_waiting(task)
    }

    fn settled(&mut self, cluster: &Cluster) -> Result<(), SimError> {
        self.0.settled(cluster)?;
        self.1.settled(cluster)
    }

    fn finished(&mut self) -> Result<(), SimError> {
        self.0.finished()?;
        self.1.finished()
    }
}

/// Observes if it is there.
impl<O: Observer> Observer for Option<O> {
    fn reads_names(&self) -> bool {
        self.as_ref().is_some_and(Observer::reads_names)
    }

    fn arrived(&mut self, task: &TaskSpec) {
        if let Some(observer) = self {
            observer.arrived(task);
        }
    }

    fn held_changed(&mut self, parts: &[Part], cluster: &Cluster) {
        if let Some(observer) = self {
            observer.held_changed(parts, cluster);
        }
    }

    fn worker_changed(&mut self, worker: WorkerId, cluster: &Cluster) {
        if let Some(observer) = self {
            observer.worker_changed(worker, cluster);
        }
    }

    fn attempt_ended(&mut self, attempt: &Attempt<'_>) -> Result<(), SimError> {
        self.as_mut().map_or(Ok(()), |observer| observer.attempt_ended(attempt))
    }

    fn ended_waiting(&mut self, task: &EndedWaiting<'_>) -> Result<(), SimError> {
        self.as_mut().map_or(Ok(()), |observer| observer.ended_waiting(task))
    }

    fn settled(&mut self, cluster: &Cluster) -> Result<(), SimError> {
        self.as_mut().map_or(Ok(()), |observer| observer.settled(cluster))
    }

    fn finished(&mut self) -> Result<(), SimError> {
        self.as_mut().map_or(Ok(()), Observer::finished)
    }
}
