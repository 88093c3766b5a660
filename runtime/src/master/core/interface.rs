//! What goes into the core, and what comes out.

use cloudai_schedulers::{RegistryError, StrategySpec};
use thiserror::Error;

use super::explain::{ClusterStatus, TaskView, Why, WorkerView};
use crate::record::{ResultRecord, TaskRecord, TaskRequest, UnixMicros, WorkerRecord};
use crate::store::Write;

/// Names who waits for an answer; chosen by the shell.
pub type Ticket = u64;

/// An attempt of a task, as messages name it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AttemptName {
    /// The task.
    pub task_id: String,
    /// The attempt.
    pub attempt: u32,
}

/// An attempt that a worker says it holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Held {
    /// Which.
    pub name: AttemptName,
    /// When it started, by the worker's clock.
    pub started_at_us: Option<UnixMicros>,
    /// Its result is on the way.
    pub ended: bool,
}

/// A worker registers.
#[derive(Clone, Debug, PartialEq)]
pub struct Registration {
    /// Who it is and what it has; only the fields that a worker states are looked at.
    pub worker: WorkerRecord,
    /// Every attempt that it holds.
    pub held: Vec<Held>,
}

/// A worker says that it lives.
#[derive(Clone, Debug, PartialEq)]
pub struct Beat {
    /// The worker.
    pub worker_id: String,
    /// Its identity.
    pub identity: String,
    /// Its registration.
    pub session: u64,
    /// Percent of the machine.
    pub cpu_usage: f64,
    /// Percent of the machine.
    pub memory_usage: f64,
    /// Percent of the machine.
    pub gpu_usage: f64,
    /// Every attempt that it holds.
    pub held: Vec<Held>,
}

/// An attempt is over, says its worker.
#[derive(Clone, Debug, PartialEq)]
pub struct Report {
    /// What there is to keep; `completed_at_us` by the worker's clock.
    pub result: ResultRecord,
    /// Its start by the worker's clock; `None` if it never started.
    pub started_at_us: Option<UnixMicros>,
}

/// What a worker answers to an assignment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Delivery {
    /// It will start it, or has done so.
    Taken,
    /// It is in another session: nothing has started, and nothing will.
    Stale,
    /// It will not start it.
    Refused(String),
    /// No answer: whether it heard of it is not known.
    Unanswered,
}

/// Something that has come in.
#[derive(Clone, Debug)]
pub enum Input {
    /// Take these tasks, all or none.
    Submit(Ticket, Vec<TaskRequest>),
    /// End a task.
    Cancel(Ticket, String),
    /// A worker joins or comes back.
    Register(Ticket, Box<Registration>),
    /// A worker lives.
    Heartbeat(Ticket, Beat),
    /// An attempt is over.
    Report(Ticket, Box<Report>),
    /// What became of [`Action::Assign`].
    Assigned(AttemptName, Delivery),
    /// What became of [`Action::Stop`]: does the worker hold the attempt? `None`: no answer.
    Stopping(AttemptName, Option<bool>),
    /// Make a worker known by id and address.
    PreRegister(Ticket, String, String),
    /// Give a worker no new work, or (false) again.
    Drain(Ticket, String, bool),
    /// A worker is gone for good.
    Forget(Ticket, String),
    /// Switch to the strategy of this spec.
    Switch(Ticket, StrategySpec),
    /// A question.
    Ask(Ticket, Question),
}

impl Input {
    /// The rank among inputs of one step, as the events of one instant are ordered: ends, starts, workers, cancellations,
    /// arrivals, and then questions.
    pub(super) const fn class(&self) -> u8 {
        match self {
            Self::Report(..) | Self::Stopping(..) => 0,
            Self::Assigned(..) | Self::Heartbeat(..) => 1,
            Self::Register(..) | Self::PreRegister(..) | Self::Drain(..) | Self::Forget(..) => 2,
            Self::Cancel(..) => 3,
            Self::Submit(..) => 4,
            Self::Switch(..) | Self::Ask(..) => 5,
        }
    }
}

/// A question about what the core knows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Question {
    /// A task that has not ended; [`Problem::UnknownTask`] for any other.
    Task(String),
    /// Why a task waits.
    Why(String),
    /// Every worker.
    Workers,
    /// The cluster as a whole.
    Status,
}

/// An answer.
#[derive(Clone, Debug, PartialEq)]
pub enum Answer {
    /// The tasks are in the store.
    Submitted(Vec<TaskRecord>),
    /// A task.
    Task(Box<TaskView>),
    /// The registration is accepted; these attempts are to be stopped.
    Registered(Vec<AttemptName>),
    /// The heartbeat counts, and renews the lease; these attempts are to be stopped.
    Alive(Vec<AttemptName>),
    /// The heartbeat is of no session that is open: register.
    RegisterFirst,
    /// The result is stored, or of no use.
    Stored,
    /// A worker.
    Worker(Box<WorkerView>),
    /// Every worker, by id.
    Workers(Vec<WorkerView>),
    /// Why a task waits.
    Why(Why),
    /// The cluster.
    Status(Box<ClusterStatus>),
    /// The strategy in force.
    Strategy(String),
    /// It cannot be done.
    Problem(Problem),
}

/// Why something cannot be done.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Problem {
    /// There is no such task that has not ended.
    #[error("no task has the id '{0}'")]
    UnknownTask(String),
    /// The task has ended.
    #[error("task '{0}' is {1} already")]
    Over(String, &'static str),
    /// There is no such worker.
    #[error("no worker has the id '{0}'")]
    UnknownWorker(String),
    /// Too many tasks wait or run.
    #[error("{0} tasks have not ended yet: at most {1} may be alive")]
    Full(usize, usize),
    /// The id is another worker's, which is alive.
    #[error("another worker with the id '{0}' is alive: give this one another WORKER_ID")]
    WorkerTaken(String),
    /// What is asked for of a worker cannot be done, for this reason.
    #[error("{0}")]
    WorkerRefused(String),
    /// The strategy cannot be made.
    #[error(transparent)]
    Strategy(#[from] RegistryError),
}

/// Something to be done.
#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    /// Tell a worker to start an attempt, and say what it answers.
    Assign {
        /// Where the worker is reached.
        address: String,
        /// The task, with its assignment.
        task: Box<TaskRecord>,
    },
    /// Tell a worker to stop an attempt, and say what it answers.
    Stop {
        /// Where the worker is reached.
        address: String,
        /// Which.
        name: AttemptName,
    },
    /// Answer whoever holds the ticket.
    Reply(Ticket, Answer),
    /// A task has changed: for those who watch it.
    Changed(Box<TaskView>),
    /// A worker has changed, or was heard from: for those who watch it.
    Heard(Box<WorkerView>),
}

/// What a step has led to.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Step {
    /// To be done at once, whatever becomes of the writes.
    pub at_once: Vec<Action>,
    /// To be made durable, all or none.
    pub writes: Vec<Write>,
    /// To be done once they are durable, and those of every earlier step.
    pub then: Vec<Action>,
}
