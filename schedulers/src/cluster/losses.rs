//! Workers that drain, are lost and return; what becomes of the attempts there, and of the work that they had done.
//!
//! A plain task on a lost worker is back in the queue at once. Of a gang that spans several workers the rest still
//! runs: it is stopped, holds its resources until that is confirmed, and only then the task is queued again.

use super::Cluster;
use super::event::{ClusterEvent, Effect, EventError};
use super::placement::{Part, Placement};
use super::task::{AfterStop, TaskState};
use super::worker::WorkerState;
use crate::model::{Duration, TaskId, Time, WorkerId};

/// What has gone wrong with a task. Nearly no task has one, so it lies beside the table.
#[derive(Clone, Debug, Default)]
pub(crate) struct Setback {
    /// Attempts that were lost with their workers.
    lost_attempts: u32,
    /// Starts that failed.
    pub(super) failed_starts: u32,
    /// Work that need not be done again, at nominal speed.
    saved: Duration,
    /// The current attempt as it was assigned, once some worker of it is lost and others still hold parts of it.
    pub(crate) whole: Option<Placement>,
}

impl Cluster {
    pub(super) fn change_worker(&mut self, worker: WorkerId, state: WorkerState) -> Result<(), EventError> {
        if worker.index() >= self.workers.len() {
            return Err(EventError::UnknownWorker(worker));
        }
        self.change_state(worker, state);
        if state != WorkerState::Active {
            // The lane as a whole: to take each task out of it would look through it each time.
            for task in std::mem::take(&mut self.workers[worker.index()].lane) {
                self.requeue(task);
            }
            for slot in self.avoided.keys().copied().collect::<Vec<u32>>() {
                self.forgive_if_stuck(slot);
            }
        }
        if state == WorkerState::Lost {
            let mut running: Vec<TaskId> =
                self.running_on(worker).into_iter().map(|(_, task)| task).collect();
            running.sort_unstable();
            for task in running {
                self.lose_parts(task, worker);
            }
        }
        self.tell(ClusterEvent::WorkerChanged(worker, state));
        Ok(())
    }

    /// Frees what `task` holds on a lost worker. What it holds elsewhere is to be stopped; if that is nothing, the
    /// attempt is over.
    fn lose_parts(&mut self, task: TaskId, worker: WorkerId) {
        let record = self.tasks.at(task.slot);
        let (lost, left): (Vec<Part>, Vec<Part>) =
            record.placement.parts().iter().partition(|part| part.worker == worker);
        if left.is_empty() {
            self.lose_attempt(task);
            return;
        }
        let (request, expected_end) = (self.tasks.spec(task.slot).request, record.expected_end);
        for part in &lost {
            self.change_held(&request, part, false);
            self.change_committed(worker, &request, part.replicas, false);
        }
        self.unlist_running(task, worker, expected_end);
        let record = self.tasks.at_mut(task.slot);
        let whole = std::mem::replace(&mut record.placement, Placement::gang(&left));
        self.setback_mut(task).whole.get_or_insert(whole);
        let record = self.tasks.at_mut(task.slot);
        let (attempt, stopping) = (record.attempt, record.state == TaskState::Stopping);
        self.effects.push(Effect::PartLost { task, attempt, worker });
        if !stopping {
            (record.state, record.after_stop) = (TaskState::Stopping, AfterStop::Requeue);
            self.effects.push(Effect::Stop { task, attempt });
        }
    }

    /// Nothing is left of an attempt: the task is tried again, or is cancelled if that was under way.
    pub(super) fn lose_attempt(&mut self, task: TaskId) {
        let placement = self.assigned_placement(task).clone();
        let record = self.tasks.at(task.slot);
        let (attempt, assigned_at) = (record.attempt, record.assigned_at);
        let started_at = (record.started_at != Time::NEVER).then_some(record.started_at);
        let cancelled = record.state == TaskState::Stopping && record.after_stop == AfterStop::Cancel;
        self.effects.push(Effect::AttemptLost { task, attempt, placement, assigned_at, started_at });
        if cancelled {
            self.finish(task, TaskState::Cancelled);
        } else {
            self.try_again(task);
        }
    }

    /// The current attempt was lost with its workers, and holds nothing that is still to be stopped: the task goes
    /// back to the queue, or fails if that has happened too often.
    pub(super) fn try_again(&mut self, task: TaskId) {
        let setback = self.setback_mut(task);
        setback.whole = None;
        setback.lost_attempts += 1;
        if setback.lost_attempts > self.config.max_lost_attempts {
            self.finish(task, TaskState::Failed);
            self.effects.push(Effect::Ended { task, reason: None });
        } else {
            self.requeue(task);
        }
    }

    pub(super) fn save(&mut self, task: TaskId, work: Duration) -> Result<(), EventError> {
        let state = self.tasks.get(task).ok_or(EventError::UnknownTask(task))?.state;
        if state.is_terminal() {
            return Err(EventError::WrongState { task, state });
        }
        if work > self.saved(task) {
            self.setback_mut(task).saved = work;
        }
        Ok(())
    }

    pub(super) fn setback_mut(&mut self, task: TaskId) -> &mut Setback {
        self.plain = false;
        self.setbacks.entry(task.slot).or_default()
    }

    #[inline(always)]
    fn setback(&self, task: TaskId) -> Option<&Setback> {
        if self.setbacks.is_empty() { None } else { self.setback_of(task) }
    }

    #[cold]
    fn setback_of(&self, task: TaskId) -> Option<&Setback> {
        self.tasks.get(task).and_then(|_| self.setbacks.get(&task.slot))
    }

    /// True if a worker of the current attempt was lost and the rest of it is being stopped.
    #[inline(always)]
    pub(crate) fn is_broken(&self, task: TaskId) -> bool {
        self.setback(task).is_some_and(|setback| setback.whole.is_some())
    }

    /// Where the current attempt was assigned, the parts on lost workers included.
    pub(crate) fn assigned_placement(&self, task: TaskId) -> &Placement {
        let whole = self.setback(task).and_then(|setback| setback.whole.as_ref());
        whole.unwrap_or(&self.tasks.at(task.slot).placement)
    }

    /// Work of `task` that need not be done again, at nominal speed.
    #[inline(always)]
    pub(crate) fn saved(&self, task: TaskId) -> Duration {
        self.setback(task).map_or(Duration::ZERO, |setback| setback.saved)
    }

    /// How much of the run time of the attempt that ends now was work: checkpoints and the restart left out.
    #[inline(always)]
    pub(super) fn work_in(&self, task: TaskId, ran: Duration) -> Duration {
        if self.config.checkpoints.is_none() { ran } else { self.work_beside_checkpoints(task, ran) }
    }

    #[cold]
    fn work_beside_checkpoints(&self, task: TaskId, ran: Duration) -> Duration {
        let Some(costs) = self.config.checkpoints else { return ran };
        costs.progress(ran, self.saved(task) > Duration::ZERO, false).work
    }
}
