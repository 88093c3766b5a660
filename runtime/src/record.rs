//! What is kept of tasks, workers and results, whichever store keeps it.
//!
//! Times are microseconds since the unix epoch; amounts are as they were asked for: cores, GB of 1024 MiB, GPU devices.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

/// Microseconds since the unix epoch.
pub type UnixMicros = i64;

/// The state of a task as people see it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// Waits for a worker, or for its start.
    #[default]
    Pending,
    /// Runs, or is being stopped.
    Running,
    /// Ended with exit code 0.
    Completed,
    /// Ended otherwise, or never could start.
    Failed,
    /// Somebody cancelled it.
    Cancelled,
}

impl Status {
    /// Every status.
    pub const ALL: [Self; 5] = [Self::Pending, Self::Running, Self::Completed, Self::Failed, Self::Cancelled];

    /// Its name in files, messages and records.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Running => "running",
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }

    /// The status of this name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.name() == name)
    }

    /// True once nothing more can happen to the task.
    #[must_use]
    pub const fn is_over(self) -> bool {
        !matches!(self, Self::Pending | Self::Running)
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// What becomes of a task whose worker is cut off for the length of the lease.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OnDisconnect {
    /// The worker stops it, and the master starts it elsewhere later.
    #[default]
    Stop,
    /// It runs on, and is started nowhere else until its worker returns or is forgotten.
    Keep,
}

/// What the user asked for: the part of a task that never changes.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct TaskRequest {
    /// Who submitted it; empty if nobody said.
    pub user_id: String,
    /// A name for people; may be empty, and need not be unique.
    pub name: String,
    /// The image.
    pub docker_image: String,
    /// Words; none for the image's own command.
    pub command: Vec<String>,
    /// Cores.
    pub cpu_cores: f64,
    /// GB.
    pub memory_gb: f64,
    /// GB.
    pub storage_gb: f64,
    /// GPU devices: 0, a fraction of one, or a whole number.
    pub gpu_cores: f64,
    /// Models that will do; any if empty.
    pub gpu_models: Vec<String>,
    /// Higher is more urgent.
    pub priority: i32,
    /// When it should have ended.
    pub deadline_us: Option<UnixMicros>,
    /// How long its user expects it to run, in seconds.
    pub estimate_s: Option<f64>,
    /// Labels that its worker must have.
    pub labels: BTreeMap<String, String>,
    /// Environment of the container.
    pub env: BTreeMap<String, String>,
    /// What becomes of it when its worker is cut off.
    pub on_disconnect: OnDisconnect,
    /// The only worker that may run it.
    pub pinned_to: Option<String>,
    /// How long the emulated executor sleeps, in seconds.
    pub emulated_s: f64,
}

/// An attempt that was assigned and is not known to be over.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Assignment {
    /// The worker that it was assigned to.
    pub worker_id: String,
    /// The worker's registration under which it was.
    pub session: u64,
    /// GPU devices, by index.
    pub gpu_devices: Vec<u32>,
    /// When.
    pub assigned_at_us: UnixMicros,
}

/// A task.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct TaskRecord {
    /// `task-...`, unique.
    pub task_id: String,
    /// Its place in the order of submission, from 0: the task's index in the core.
    pub index: u32,
    /// What was asked for.
    pub request: TaskRequest,
    /// Where it stands.
    pub status: Status,
    /// The last attempt's number; 0 before the first.
    pub attempt: u32,
    /// The current attempt, from before its worker hears of it until it is over.
    pub assignment: Option<Assignment>,
    /// The worker of the current or last attempt.
    pub assigned_worker: Option<String>,
    /// Attempts whose start has failed.
    pub failed_starts: u32,
    /// Somebody has cancelled it; it may still have to be stopped.
    pub cancel_requested: bool,
    /// When it was submitted.
    pub created_at_us: UnixMicros,
    /// The confirmed start of the current or last attempt.
    pub started_at_us: Option<UnixMicros>,
    /// When it ended for good.
    pub completed_at_us: Option<UnixMicros>,
    /// The exit code of its last attempt.
    pub exit_code: Option<i32>,
    /// Why it failed, or was cancelled.
    pub reason: Option<String>,
}

/// A worker.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct WorkerRecord {
    /// Unique.
    pub worker_id: String,
    /// Its index in the core, in the order of registration.
    pub index: u32,
    /// Where the master reaches it: host and port.
    pub worker_ip: String,
    /// Cores.
    pub total_cpu: f64,
    /// GB.
    pub total_memory: f64,
    /// GB.
    pub total_storage: f64,
    /// Devices.
    pub total_gpu: f64,
    /// The model of its devices.
    pub gpu_model: String,
    /// Labels that tasks may ask for.
    pub labels: BTreeMap<String, String>,
    /// docker, process or emulated; empty before the first contact.
    pub executor: String,
    /// The version that it runs.
    pub version: String,
    /// The secret word of its data folder; empty before the first contact.
    pub identity: String,
    /// Its last accepted registration, 0 before the first.
    pub registration: u64,
    /// Heard from lately.
    pub is_active: bool,
    /// Takes no new work, because an operator said so.
    pub draining: bool,
    /// An operator has declared it gone.
    pub forgotten: bool,
    /// Written now and then, not with every heartbeat.
    pub last_heartbeat_us: Option<UnixMicros>,
    /// When it first became known.
    pub registered_at_us: UnixMicros,
    /// When this record last changed.
    pub updated_at_us: UnixMicros,
}

/// How a task ended: written once, with its last attempt.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ResultRecord {
    /// The task.
    pub task_id: String,
    /// Where its last attempt ran; empty if it never did.
    pub worker_id: String,
    /// completed, failed or cancelled.
    pub status: Status,
    /// The exit code; 0 also where there was none.
    pub exit_code: i32,
    /// Its output, cut by [`cut_logs`].
    pub logs: String,
    /// Seconds from start to end of the last attempt.
    pub execution_time: f64,
    /// When it ended.
    pub completed_at_us: UnixMicros,
    /// The last attempt.
    pub attempt: u32,
    /// Why, in words, unless it completed.
    pub reason: Option<String>,
    /// CPU seconds, where the executor can tell.
    pub cpu_s: f64,
    /// MiB, where the executor can tell.
    pub peak_memory_mib: f64,
}

/// What has happened in one step of the master, for an export of the run: written in order and never changed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct JournalEntry {
    /// Grows by one with every entry of a cluster.
    pub seq: u64,
    /// When.
    pub at_us: UnixMicros,
    /// step.
    pub kind: String,
    /// What happened, in order: JSON objects, whose `event` is assigned, started, ended, start_failed, lost, worker_joined,
    /// worker_silent, worker_returned, worker_lost, worker_forgotten, drain or strategy.
    pub data: serde_json::Value,
}

/// How many characters of a task's output its result keeps.
pub const LOGS_KEPT: usize = 10_000;

/// The line that stands where output was cut.
pub const TRUNCATED: &str = "... (truncated)";

/// The first [`LOGS_KEPT`] characters; the line [`TRUNCATED`] follows if there were more.
///
/// ```
/// use cloudai_runtime::record::{cut_logs, LOGS_KEPT};
///
/// assert_eq!(cut_logs("short"), "short");
/// let long = "x".repeat(LOGS_KEPT + 1);
/// assert!(cut_logs(&long).ends_with("x\n... (truncated)"));
/// ```
#[must_use]
pub fn cut_logs(logs: &str) -> String {
    match logs.char_indices().nth(LOGS_KEPT) {
        None => logs.to_owned(),
        Some((end, _)) => {
            let kept = &logs[..end];
            let newline = if kept.ends_with('\n') { "" } else { "\n" };
            format!("{kept}{newline}{TRUNCATED}")
        }
    }
}
