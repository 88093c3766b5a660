//! What a strategy may ask for, and why it may be refused.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::placement::Placement;
use super::task::TaskState;
use super::worker::WorkerState;
use crate::model::{TaskId, Time, WorkerId};

/// A decision as data: serialisable, checked and applied atomically.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Decision {
    /// Start a queued task here, now.
    Assign {
        /// The task.
        task: TaskId,
        /// Worker, devices and replicas.
        placement: Placement,
    },
    /// Let a queued or blocked task wait in the lane of a worker; it starts at the lane's head as soon as it fits.
    Bind {
        /// The task.
        task: TaskId,
        /// The worker.
        worker: WorkerId,
    },
    /// Stop an attempt and put the task back into the queue.
    Preempt {
        /// The task.
        task: TaskId,
        /// The attempt that the decision is about.
        attempt: u32,
    },
    /// Turn a waiting task away for good.
    Reject {
        /// The task.
        task: TaskId,
        /// Why, in words.
        reason: Cow<'static, str>,
    },
    /// Ask for a pass at this time, even if nothing happens.
    WakeAt(Time),
}

/// Decisions from outside a pass, such as from a remote strategy.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DecisionBatch {
    /// The [`version`](crate::ClusterView::version) of the view that they are based on.
    pub based_on: u64,
    /// Applied in order, each checked against the cluster as it is by then.
    pub decisions: Vec<Decision>,
}

/// A resource, as a refusal names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Resource {
    /// Milli-cores.
    Cpu,
    /// MiB.
    Memory,
    /// MiB.
    Storage,
    /// Milli-GPU.
    Gpu,
}

/// Why a decision was refused. The cluster is unchanged then.
#[derive(Clone, Debug, PartialEq, Eq, Error, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Refusal {
    /// The task has ended, or never was.
    #[error("{0} is not in the cluster")]
    UnknownTask(TaskId),
    /// The worker never was.
    #[error("{0} is not in the cluster")]
    UnknownWorker(WorkerId),
    /// The task's state does not allow it.
    #[error("{task} is {state:?}")]
    WrongState {
        /// The task.
        task: TaskId,
        /// Its state.
        state: TaskState,
    },
    /// The decision speaks of an attempt that is over.
    #[error("{task}: attempt {attempt} is over, the current one is {current}")]
    StaleAttempt {
        /// The task.
        task: TaskId,
        /// The attempt of the decision.
        attempt: u32,
        /// The current attempt.
        current: u32,
    },
    /// The worker takes no new work.
    #[error("{worker} is {state:?}")]
    WorkerNotActive {
        /// The worker.
        worker: WorkerId,
        /// Its state.
        state: WorkerState,
    },
    /// The task's GPU models or labels exclude the worker.
    #[error("{task} may not run on {worker}: GPU model or labels do not match")]
    NotAllowed {
        /// The task.
        task: TaskId,
        /// The worker.
        worker: WorkerId,
    },
    /// A start of the task has failed on this worker.
    #[error("{task} has failed to start on {worker}")]
    Avoided {
        /// The task.
        task: TaskId,
        /// The worker.
        worker: WorkerId,
    },
    /// There is not enough of a resource.
    #[error("{worker} has {free} of {resource:?} free, {needed} are needed")]
    DoesNotFit {
        /// The worker.
        worker: WorkerId,
        /// Which resource.
        resource: Resource,
        /// How much is asked for.
        needed: u64,
        /// How much is free.
        free: u64,
    },
    /// The devices of a placement do not match the request.
    #[error("the devices on {worker} do not match what {task} asks for")]
    WrongDevices {
        /// The task.
        task: TaskId,
        /// The worker.
        worker: WorkerId,
    },
    /// The placement does not place each replica exactly once.
    #[error("{task} has {expected} replicas, the placement has {placed}")]
    WrongReplicas {
        /// The task.
        task: TaskId,
        /// Replicas of the task.
        expected: u32,
        /// Replicas placed.
        placed: u64,
    },
    /// Data of a predecessor is still on its way to the worker.
    #[error("{task} is ready on {worker} at {until} s")]
    NotReady {
        /// The task.
        task: TaskId,
        /// The worker.
        worker: WorkerId,
        /// When it will be ready there.
        until: Time,
    },
    /// Even an empty worker could not hold the task.
    #[error("{task} can never fit on {worker}")]
    NeverFits {
        /// The task.
        task: TaskId,
        /// The worker.
        worker: WorkerId,
    },
    /// A gang cannot wait in the lane of one worker.
    #[error("{0} is a gang and cannot be bound to one worker")]
    GangInLane(TaskId),
    /// A wake-up must lie ahead.
    #[error("a wake-up at {at} s is not after {now} s")]
    WakeNotAhead {
        /// The time asked for.
        at: Time,
        /// The cluster's time.
        now: Time,
    },
}
