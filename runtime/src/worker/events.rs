//! What goes into the core of a worker, and what comes out of it.

use std::fmt;

use cloudai_proto::v1;

use crate::record::UnixMicros;

/// Microseconds on a clock that only grows, and that runs on while the machine sleeps (`CLOCK_BOOTTIME`).
pub type BootMicros = i64;

/// One instant on both clocks: leases and pauses are counted on the first, records carry the second.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Now {
    /// On the clock that only grows.
    pub boot_us: BootMicros,
    /// Since the unix epoch.
    pub unix_us: UnixMicros,
}

/// Names one attempt of one task.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AttemptKey {
    /// The task.
    pub task_id: String,
    /// Its attempt, from 1.
    pub attempt: u32,
}

impl AttemptKey {
    /// The attempt that a task message is about.
    #[must_use]
    pub fn of(task: &v1::Task) -> Self {
        Self { task_id: task.task_id.clone(), attempt: task.attempt }
    }
}

impl fmt::Display for AttemptKey {
    /// `task.attempt`, as its files are named too.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.task_id, self.attempt)
    }
}

impl std::str::FromStr for AttemptKey {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let (task_id, attempt) = text.rsplit_once('.').ok_or(())?;
        let attempt = attempt.parse().map_err(|_| ())?;
        if task_id.is_empty() { Err(()) } else { Ok(Self { task_id: task_id.to_owned(), attempt }) }
    }
}

/// How an attempt ended that had started.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Outcome {
    /// Its exit code; 128 + the signal's number if a signal ended it.
    pub exit_code: i32,
    /// Why, where the exit code alone does not say it: out of memory, ...
    pub reason: String,
    /// When it started.
    pub started_at_us: UnixMicros,
    /// When it ended.
    pub ended_at_us: UnixMicros,
    /// What it used, where the executor can tell.
    pub usage: Option<v1::ResourceUsage>,
    /// Its output, cut.
    pub logs: String,
    /// The guard has stopped it, because the lease ran out while the worker could not do so.
    pub cut_off: bool,
}

/// The part of the machine that is in use, in percent.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Load {
    /// Of all cores.
    pub cpu: f64,
    /// Of the memory.
    pub memory: f64,
    /// Of all GPU devices.
    pub gpu: f64,
}

/// The caller that an [`Action::Answer`] goes to: the shell's own number.
pub type CallId = u64;

/// Something that happened.
#[derive(Clone, Debug)]
pub enum Input {
    /// Nothing but time: it is [`WorkerCore::next_wake`](super::core::WorkerCore::next_wake).
    Tick,
    /// The master assigns an attempt.
    Assign {
        /// Who is to be answered.
        call: CallId,
        /// What is assigned.
        task: Box<v1::Task>,
    },
    /// The master cancels an attempt.
    Cancel {
        /// Who is to be answered.
        call: CallId,
        /// Which.
        id: v1::TaskId,
    },
    /// The executor has started an attempt.
    Started {
        /// Which.
        key: AttemptKey,
        /// When.
        at_us: UnixMicros,
    },
    /// An attempt that had started is over.
    Ended {
        /// Which.
        key: AttemptKey,
        /// How.
        outcome: Outcome,
    },
    /// An attempt could not be started.
    StartFailed {
        /// Which.
        key: AttemptKey,
        /// Why.
        reason: String,
    },
    /// The usage of the machine was sampled.
    Load(Load),
    /// A registration was answered, or was not.
    RegisterAnswered {
        /// Its number.
        registration: u64,
        /// The answer, or what went wrong.
        answer: Result<v1::RegisterAck, String>,
    },
    /// A heartbeat was answered, or was not.
    HeartbeatAnswered {
        /// When it was sent.
        sent_us: BootMicros,
        /// The session that it was sent in.
        session: u64,
        /// The answer, or what went wrong.
        answer: Result<v1::HeartbeatAck, String>,
    },
    /// A result was answered, or was not.
    ResultAnswered {
        /// Whose result.
        key: AttemptKey,
        /// The answer, or what went wrong.
        answer: Result<v1::ResultAck, String>,
    },
}

/// Something to be done. A step's actions are done in their order; those after an [`Action::Journal`] only once its entry
/// is durable, if [`Entry::is_awaited`] says so.
#[derive(Clone, Debug)]
pub enum Action {
    /// Write this down.
    Journal(Entry),
    /// Answer a caller.
    Answer {
        /// Which.
        call: CallId,
        /// With what.
        ack: v1::TaskAck,
    },
    /// Start an attempt.
    Start {
        /// What.
        task: Box<v1::Task>,
        /// Too late is worse than never: from then on it must not be started, and counts as a failed start.
        not_after_us: Option<BootMicros>,
    },
    /// Watch an attempt that was found running.
    Resume {
        /// What.
        task: Box<v1::Task>,
    },
    /// Stop an attempt: ask it to, and kill it after the grace period. Its end follows.
    Stop {
        /// Which.
        key: AttemptKey,
    },
    /// Clear away what the executor still has of an attempt: its result is durable, or nobody knows it. If it runs, it is
    /// killed.
    Remove {
        /// Which.
        key: AttemptKey,
    },
    /// Send a registration. As with all that is sent to the master: an input follows, if only that it was not answered.
    Register(Box<v1::WorkerInfo>),
    /// Send a heartbeat.
    Heartbeat {
        /// When it was sent, as [`Input::HeartbeatAnswered`] says again.
        sent_us: BootMicros,
        /// What is sent.
        beat: v1::Heartbeat,
    },
    /// Send a result.
    Report(Box<v1::TaskResult>),
    /// The lease now lasts until then. It must survive the process, not the machine.
    Lease {
        /// The end of the lease.
        until_us: BootMicros,
    },
    /// Say this to whoever reads the log.
    Log(String),
    /// Give up: another worker with this id is alive.
    Fatal(String),
}

/// What the journal remembers.
#[derive(Clone, Debug, PartialEq)]
pub enum Entry {
    /// The number of the registration about to be sent.
    Registration(u64),
    /// An attempt was accepted.
    Accepted(Box<v1::Task>),
    /// It has started.
    Started {
        /// Which.
        key: AttemptKey,
        /// When.
        at_us: UnixMicros,
    },
    /// It is to be stopped.
    Stopping {
        /// Which.
        key: AttemptKey,
        /// Why.
        stop: StopRequest,
    },
    /// It is over.
    Ended(Box<v1::TaskResult>),
    /// Its result is stored by the master.
    Forgotten(AttemptKey),
}

impl Entry {
    /// True if what follows must wait until the entry is durable. The others are hints: without them a restarted worker
    /// asks its executor, or is told again by the master.
    #[must_use]
    pub const fn is_awaited(&self) -> bool {
        matches!(self, Self::Registration(_) | Self::Accepted(_) | Self::Ended(_))
    }
}

/// Why and since when an attempt is being stopped.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StopRequest {
    /// In words.
    pub reason: String,
    /// Since when.
    pub at_us: UnixMicros,
}

/// What the journal knows of an attempt that the worker holds.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Held {
    /// What was assigned.
    pub task: v1::Task,
    /// When it started; 0: not known to have.
    pub started_at_us: UnixMicros,
    /// It is to be stopped.
    pub stop: Option<StopRequest>,
    /// Its result, once it is over.
    pub result: Option<v1::TaskResult>,
}

/// What an executor found of an earlier life of the worker.
#[derive(Clone, Debug, PartialEq)]
pub struct Found {
    /// Which attempt.
    pub key: AttemptKey,
    /// What became of it.
    pub state: FoundState,
}

/// See [`Found`].
#[derive(Clone, Debug, PartialEq)]
pub enum FoundState {
    /// It runs.
    Running {
        /// Since when.
        started_at_us: UnixMicros,
    },
    /// It has ended meanwhile.
    Ended(Outcome),
    /// It was made ready and never started.
    NeverStarted,
}
