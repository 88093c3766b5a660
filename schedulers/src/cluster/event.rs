//! What happens to a cluster, what it tells its driver, and what a strategy hears of it.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::placement::Placement;
use super::task::TaskState;
use super::worker::WorkerState;
use crate::model::{Duration, TaskId, TaskSpec, Time, WorkerId, WorkerSpec};

/// Why an attempt failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FailureReason {
    /// It ran into its time limit, which is its own estimate.
    TimeLimit,
    /// It ended with an error of its own.
    Error,
}

/// Something that happens to the cluster: the input of the state machine.
///
/// Events of one instant are applied in the order of [`Event::class`], within a class by task or worker index.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Event {
    /// An attempt completed.
    Completed {
        /// The task.
        task: TaskId,
        /// The attempt that completed.
        attempt: u32,
    },
    /// An attempt failed; the task is not tried again.
    Failed {
        /// The task.
        task: TaskId,
        /// The attempt that failed.
        attempt: u32,
        /// Why.
        reason: FailureReason,
    },
    /// A stop that was asked for is confirmed: the resources are free.
    Stopped {
        /// The task.
        task: TaskId,
        /// The attempt that stopped.
        attempt: u32,
    },
    /// A start is confirmed.
    Started {
        /// The task.
        task: TaskId,
        /// The attempt that started.
        attempt: u32,
    },
    /// A start failed: the task returns to the queue, and avoids the workers of this attempt.
    StartFailed {
        /// The task.
        task: TaskId,
        /// The attempt that did not start.
        attempt: u32,
    },
    /// A new worker joins; it gets the next index.
    WorkerJoined(WorkerSpec),
    /// A worker changes its state: drains, is lost, returns.
    WorkerChanged {
        /// The worker.
        worker: WorkerId,
        /// Its new state.
        state: WorkerState,
    },
    /// So much of a task's work is saved that it need not be done again: what a driver tells when an attempt that
    /// keeps its progress is stopped or lost. Less than what is known already changes nothing.
    Saved {
        /// The task.
        task: TaskId,
        /// Work at nominal speed, over all attempts.
        work: Duration,
    },
    /// Data of a task has arrived at a worker (announced by [`Effect::TransferAt`]).
    TransferOver {
        /// The task that waits for it.
        task: TaskId,
    },
    /// Somebody cancels a task.
    Cancelled {
        /// The task.
        task: TaskId,
    },
    /// A task arrives.
    Arrived(TaskSpec),
    /// A wake-up that the strategy asked for is due.
    Woke,
}

impl Event {
    /// The class of [`Event::Arrived`].
    pub const ARRIVAL_CLASS: u8 = 6;

    /// The rank of the event among those of one instant, lowest first.
    #[must_use]
    pub const fn class(&self) -> u8 {
        match self {
            Self::Completed { .. } | Self::Failed { .. } => 0,
            Self::Stopped { .. } | Self::Saved { .. } => 1,
            Self::Started { .. } | Self::StartFailed { .. } => 2,
            Self::WorkerJoined(_) | Self::WorkerChanged { .. } => 3,
            Self::TransferOver { .. } => 4,
            Self::Cancelled { .. } => 5,
            Self::Arrived(_) => Self::ARRIVAL_CLASS,
            Self::Woke => 7,
        }
    }
}

/// Why an event was not applied. The cluster is unchanged then.
#[derive(Clone, Debug, PartialEq, Eq, Error, Serialize, Deserialize)]
#[non_exhaustive]
pub enum EventError {
    /// The task has ended, or never was.
    #[error("{0} is not in the cluster")]
    UnknownTask(TaskId),
    /// The worker never was.
    #[error("{0} is not in the cluster")]
    UnknownWorker(WorkerId),
    /// The event speaks of an attempt that is over.
    #[error("{task}: the event speaks of attempt {attempt}, the current one is {current}")]
    StaleAttempt {
        /// The task.
        task: TaskId,
        /// The attempt of the event.
        attempt: u32,
        /// The task's current attempt.
        current: u32,
    },
    /// The event cannot happen to a task in this state.
    #[error("{task} is {state:?}: the event cannot happen to it")]
    WrongState {
        /// The task.
        task: TaskId,
        /// Its state.
        state: TaskState,
    },
    /// The clock was to be set back.
    #[error("time cannot go back from {now} s to {to} s")]
    TimeWentBack {
        /// The cluster's time.
        now: Time,
        /// The time asked for.
        to: Time,
    },
    /// The worker has more GPU devices than a set can hold.
    #[error("worker '{0}' has {1} GPUs, at most 64 are possible")]
    TooManyGpus(String, u32),
}

/// What the driver has to do, or to know, after an event or a decision.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Effect {
    /// Start an attempt where the task is now placed, and confirm it.
    Start {
        /// The task.
        task: TaskId,
        /// The attempt to start.
        attempt: u32,
    },
    /// Stop an attempt, and confirm it.
    Stop {
        /// The task.
        task: TaskId,
        /// The attempt to stop.
        attempt: u32,
    },
    /// An attempt is over without the driver having said so: its workers were lost or its start failed.
    AttemptLost {
        /// The task, which is back in the queue, or cancelled, or failed ([`Effect::Ended`] follows then).
        task: TaskId,
        /// The attempt that is over.
        attempt: u32,
        /// Where it ran, every part of it.
        placement: Placement,
        /// When it was assigned.
        assigned_at: Time,
        /// Its confirmed start, or `None` if it never started.
        started_at: Option<Time>,
    },
    /// A worker of a gang was lost, and others still hold parts of the attempt. It cannot complete any more; what is
    /// left of it is being stopped, by the [`Effect::Stop`] that follows or one that was asked for earlier.
    PartLost {
        /// The task.
        task: TaskId,
        /// The attempt.
        attempt: u32,
        /// The worker that was lost.
        worker: WorkerId,
    },
    /// A task that was waiting has ended: cancelled, rejected, or failed to start too often.
    Ended {
        /// The task.
        task: TaskId,
        /// Why it was rejected, in words; `None` if it was not.
        reason: Option<Cow<'static, str>>,
    },
    /// Apply [`Event::TransferOver`] at this time.
    TransferAt {
        /// The task that waits for data.
        task: TaskId,
        /// When the data has arrived.
        at: Time,
    },
    /// Apply [`Event::Woke`] at this time.
    WakeAt(Time),
}

/// What the driver has to do, in order.
///
/// Places are written over, not pushed to: pushing goes by a call that copies all of an effect from the stack, and has to wait
/// until its few fields are there.
#[derive(Debug, Default)]
pub(super) struct Effects {
    places: Vec<Effect>,
    /// Behind so many places there is what was done earlier.
    len: usize,
}

/// Of what is to be done, and not of what was.
impl Clone for Effects {
    fn clone(&self) -> Self {
        Self { places: self.as_slice().to_vec(), len: self.len }
    }
}

impl Effects {
    #[inline(always)]
    pub(super) fn push(&mut self, effect: Effect) {
        match self.places.get_mut(self.len) {
            Some(place) => *place = effect,
            None => self.push_new(effect),
        }
        self.len += 1;
    }

    /// Pushes [`Effect::Start`]: most places have held one before, and of that only the fields are written.
    #[inline(always)]
    pub(super) fn push_start(&mut self, new: TaskId, number: u32) {
        if let Some(Effect::Start { task, attempt }) = self.places.get_mut(self.len) {
            (*task, *attempt) = (new, number);
            self.len += 1;
        } else {
            self.push_first_start(new, number);
        }
    }

    #[cold]
    fn push_first_start(&mut self, task: TaskId, attempt: u32) {
        self.push(Effect::Start { task, attempt });
    }

    #[cold]
    fn push_new(&mut self, effect: Effect) {
        self.places.push(effect);
    }

    #[inline(always)]
    pub(super) fn get(&self, at: usize) -> Option<&Effect> {
        if at < self.len { self.places.get(at) } else { None }
    }

    #[inline]
    pub(super) fn as_slice(&self) -> &[Effect] {
        &self.places[..self.len]
    }

    #[inline]
    pub(super) fn clear(&mut self) {
        self.len = 0;
    }

    /// Moves all into `effects`.
    #[inline]
    pub(super) fn append_to(&mut self, effects: &mut Vec<Effect>) {
        effects.extend(self.places.drain(..self.len));
        self.len = 0;
    }
}

/// What a strategy hears: something happened that was not its own accepted decision.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ClusterEvent {
    /// A task arrived; it is queued, or blocked by predecessors.
    TaskArrived(TaskId),
    /// Every predecessor of a task has completed.
    TaskReleased(TaskId),
    /// Data for a task has arrived at a worker.
    TransferOver(TaskId),
    /// The start of a task is confirmed.
    TaskStarted(TaskId),
    /// A task is over, well or badly; `state` says which. `worker` is where it ran, if it did.
    TaskEnded {
        /// The task.
        task: TaskId,
        /// A terminal state.
        state: TaskState,
        /// The (first) worker that it ran on.
        worker: Option<WorkerId>,
    },
    /// A task is back in the queue: preempted, its start failed, or its worker was lost or drained.
    TaskRequeued(TaskId),
    /// A worker started a task from its lane.
    LaneStarted(TaskId),
    /// A worker that was not known before joined.
    WorkerJoined(WorkerId),
    /// A worker changed its state: it drains, is lost, takes work again. One that a scenario lets join later is lost
    /// until then.
    WorkerChanged(WorkerId, WorkerState),
    /// A wake-up is due.
    Woke,
}
