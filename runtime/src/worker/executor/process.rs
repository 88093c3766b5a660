//! Runs commands as plain processes, for machines without Docker. **It enforces nothing**: a task sees the machine, and
//! may use all of it; the amounts it asks for are only accounted for.
//!
//! Each command has a supervisor, a small process of its own (see [`supervise`](super::super::supervise)), so that
//! commands outlive the worker and their exit codes are known to the next one. Its folder holds:
//!
//! - `spec.json`: what to run
//! - `lock`: locked by the supervisor for as long as it lives
//! - `started`, `ended`: what it says of the command
//! - `abandoned`: nobody may start this any more
//! - `work/`: where the command runs; it goes with the folder

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs::{File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use cloudai_proto::v1;
use rustix::process::{Pid, Signal, kill_process_group};
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufReadExt as _, BufReader};

use super::{BoxFuture, Executor, Job, StopSignal};
use crate::worker::clock::unix_now_us;
use crate::worker::events::{AttemptKey, Found, FoundState, Outcome};

/// How often a command is looked at that an earlier worker has started.
const POLL: Duration = Duration::from_millis(100);
/// How long a supervisor may take to say whether its command has started.
const START: Duration = Duration::from_secs(10);

/// `spec.json`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(in crate::worker) struct Spec {
    pub(in crate::worker) command: Vec<String>,
    pub(in crate::worker) env: BTreeMap<String, String>,
    pub(in crate::worker) stdout: PathBuf,
    pub(in crate::worker) stderr: PathBuf,
    pub(in crate::worker) on_disconnect: String,
}

/// `started`.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(in crate::worker) struct StartedNote {
    /// The command's process, which leads its group.
    pub(in crate::worker) pid: i32,
    /// When the kernel says that it was made: another process of the same number differs in this.
    pub(in crate::worker) ticks: u64,
    pub(in crate::worker) started_at_us: i64,
}

/// `ended`.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(in crate::worker) struct EndedNote {
    pub(in crate::worker) exit_code: i32,
    pub(in crate::worker) ended_at_us: i64,
    pub(in crate::worker) cpu_s: f64,
    /// MiB.
    pub(in crate::worker) peak_memory: f64,
}

/// Runs commands without Docker. See the [module](self).
#[derive(Clone, Debug)]
pub struct ProcessExecutor {
    folder: PathBuf,
    supervisor: Vec<OsString>,
    grace: Duration,
}

impl ProcessExecutor {
    /// An executor that keeps its folders below `folder`.
    #[must_use]
    pub fn new(folder: PathBuf, supervisor: Vec<OsString>, grace: Duration) -> Self {
        Self { folder, supervisor, grace }
    }

    fn place(&self, key: &AttemptKey) -> PathBuf {
        self.folder.join(key.to_string())
    }
}

impl Executor for ProcessExecutor {
    fn name(&self) -> &'static str {
        "process"
    }

    fn run(&self, job: Job) -> BoxFuture<Result<Outcome, String>> {
        let this = self.clone();
        Box::pin(async move {
            let folder = this.place(&job.key());
            prepare(&folder, &job)
                .map_err(|error| format!("cannot prepare {}: {error}", folder.display()))?;
            let (program, arguments) =
                this.supervisor.split_first().ok_or("no supervisor command is set".to_owned())?;
            let mut supervisor = tokio::process::Command::new(program)
                .args(arguments)
                .arg(&folder)
                .stdin(Stdio::null())
                .stdout(Stdio::piped())
                .stderr(Stdio::null())
                .spawn()
                .map_err(|error| format!("cannot run the supervisor {}: {error}", program.display()))?;
            let Job { started, mut stop, .. } = job;
            let said = match supervisor.stdout.take() {
                Some(stdout) => tokio::time::timeout(START, first_word(BufReader::new(stdout))).await,
                None => Ok(Err("the supervisor has no output".to_owned())),
            };
            let note =
                said.unwrap_or_else(|_| Err("the supervisor does not answer".to_owned())).and_then(|()| {
                    read_note::<StartedNote>(&folder, "started")
                        .ok_or("the supervisor left no note".to_owned())
                });
            let note = match note {
                Ok(note) => note,
                Err(reason) => {
                    // Nothing may start any more before this is said.
                    abandon(&folder).await;
                    return Err(reason);
                }
            };
            started.send(note.started_at_us);
            let ended = async {
                let _ = supervisor.wait().await;
            };
            stop_or_end(note, &mut stop, this.grace, ended).await;
            Ok(outcome(&folder, note))
        })
    }

    fn resume(&self, job: Job) -> BoxFuture<Result<Outcome, String>> {
        let this = self.clone();
        Box::pin(async move {
            let folder = this.place(&job.key());
            let Job { mut stop, .. } = job;
            let note = loop {
                if let Some(note) = read_note::<StartedNote>(&folder, "started") {
                    break note;
                }
                if !is_supervised(&folder) {
                    return Err("it never started".to_owned());
                }
                tokio::time::sleep(POLL).await;
            };
            let ended = async {
                while is_supervised(&folder) {
                    tokio::time::sleep(POLL).await;
                }
            };
            stop_or_end(note, &mut stop, this.grace, ended).await;
            Ok(outcome(&folder, note))
        })
    }

    fn adopt(&self) -> BoxFuture<Result<Vec<Found>, String>> {
        let this = self.clone();
        Box::pin(async move {
            let problem = |error: io::Error| format!("cannot read {}: {error}", this.folder.display());
            std::fs::create_dir_all(&this.folder).map_err(problem)?;
            let mut found = Vec::new();
            for entry in std::fs::read_dir(&this.folder).map_err(problem)? {
                let folder = entry.map_err(problem)?.path();
                let name = folder.file_name().and_then(|name| name.to_str()).unwrap_or_default();
                if let Ok(key) = name.parse() {
                    found.push(Found { key, state: find(&folder) });
                }
            }
            Ok(found)
        })
    }

    fn remove(&self, key: AttemptKey) -> BoxFuture<()> {
        let folder = self.place(&key);
        Box::pin(async move {
            abandon(&folder).await;
            if let Err(error) = std::fs::remove_dir_all(&folder)
                && error.kind() != io::ErrorKind::NotFound
            {
                tracing::warn!(folder = %folder.display(), %error, "cannot remove the folder of an attempt");
            }
        })
    }
}

fn prepare(folder: &Path, job: &Job) -> io::Result<()> {
    let task = &job.task;
    if task.command.is_empty() {
        let problem = "the task has no command, and the process executor has no image to take one from";
        return Err(io::Error::new(io::ErrorKind::InvalidInput, problem));
    }
    let mut env: BTreeMap<String, String> = task.env.clone().into_iter().collect();
    env.insert("CLOUDAI_TASK_ID".to_owned(), task.task_id.clone());
    env.insert("CLOUDAI_ATTEMPT".to_owned(), task.attempt.to_string());
    let spec = Spec {
        command: task.command.clone(),
        env,
        stdout: std::path::absolute(&job.logs.stdout)?,
        stderr: std::path::absolute(&job.logs.stderr)?,
        on_disconnect: task.on_disconnect.clone(),
    };
    std::fs::create_dir_all(folder.join("work"))?;
    std::fs::write(folder.join("spec.json"), serde_json::to_vec(&spec)?)
}

/// What the supervisor says first: that it has started its command, or why not. Other lines are not its own.
async fn first_word(output: impl tokio::io::AsyncBufRead + Unpin) -> Result<(), String> {
    let mut lines = output.lines();
    while let Ok(Some(line)) = lines.next_line().await {
        if let Some(problem) = line.strip_prefix("failed ") {
            return Err(problem.to_owned());
        }
        if line == "started" {
            return Ok(());
        }
    }
    Err("the supervisor has died".to_owned())
}

async fn stop_or_end(
    note: StartedNote,
    stop: &mut StopSignal,
    grace: Duration,
    ended: impl Future<Output = ()>,
) {
    tokio::pin!(ended);
    tokio::select! {
        () = &mut ended => return,
        () = stop.wait() => signal(note, Signal::TERM),
    }
    if tokio::time::timeout(grace, &mut ended).await.is_err() {
        signal(note, Signal::KILL);
        ended.await;
    }
}

/// Sends a signal to the command's group, if this is still the command.
pub(in crate::worker) fn signal(note: StartedNote, signal: Signal) {
    if ticks_of(note.pid) == Some(note.ticks)
        && let Some(pid) = Pid::from_raw(note.pid)
    {
        let _ = kill_process_group(pid, signal);
    }
}

/// When a process was made, in the kernel's ticks since the machine was started.
pub(in crate::worker) fn ticks_of(pid: i32) -> Option<u64> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name, in parentheses, may hold anything; field 22 is the 20th after it.
    stat.rsplit_once(')')?.1.split_whitespace().nth(19)?.parse().ok()
}

pub(in crate::worker) fn read_note<T: for<'de> Deserialize<'de>>(folder: &Path, name: &str) -> Option<T> {
    serde_json::from_slice(&std::fs::read(folder.join(name)).ok()?).ok()
}

pub(in crate::worker) fn write_note<T: Serialize>(folder: &Path, name: &str, note: &T) -> io::Result<()> {
    let temporary = folder.join(format!("{name}.new"));
    std::fs::write(&temporary, serde_json::to_vec(note)?)?;
    std::fs::rename(temporary, folder.join(name))
}

/// The lock of a folder: none while its supervisor lives.
fn lock(folder: &Path) -> Option<File> {
    let file = File::options().create(true).truncate(false).write(true).open(folder.join("lock")).ok()?;
    match file.try_lock() {
        Ok(()) => Some(file),
        Err(TryLockError::WouldBlock | TryLockError::Error(_)) => None,
    }
}

/// True while the supervisor of a folder lives.
pub(in crate::worker) fn is_supervised(folder: &Path) -> bool {
    folder.is_dir() && lock(folder).is_none()
}

/// Kills what runs, and sees to it that nothing starts.
async fn abandon(folder: &Path) {
    if !folder.is_dir() {
        return;
    }
    let _ = std::fs::write(folder.join("abandoned"), "");
    loop {
        if let Some(note) = read_note(folder, "started") {
            signal(note, Signal::KILL);
        }
        if !is_supervised(folder) {
            return;
        }
        tokio::time::sleep(POLL).await;
    }
}

fn find(folder: &Path) -> FoundState {
    let started = read_note::<StartedNote>(folder, "started");
    let Some(_lock) = lock(folder) else {
        return FoundState::Running {
            started_at_us: started.map_or_else(unix_now_us, |note| note.started_at_us),
        };
    };
    // Under the lock: a supervisor that has not got so far will start nothing.
    let _ = std::fs::write(folder.join("abandoned"), "");
    match read_note::<StartedNote>(folder, "started") {
        Some(note) if folder.join("ended").exists() => FoundState::Ended(outcome(folder, note)),
        // The supervisor has died, most likely with the machine: nobody knows how the command ended.
        Some(note) => {
            signal(note, Signal::KILL);
            FoundState::NeverStarted
        }
        None => FoundState::NeverStarted,
    }
}

fn outcome(folder: &Path, note: StartedNote) -> Outcome {
    let started_at_us = note.started_at_us;
    match read_note::<EndedNote>(folder, "ended") {
        Some(ended) => Outcome {
            exit_code: ended.exit_code,
            reason: match ended.exit_code {
                // As a shell counts them; a command may also exit with such a code by itself.
                code @ 129..=192 => format!("exit code {code} (signal {})", code - 128),
                _ => String::new(),
            },
            started_at_us,
            ended_at_us: ended.ended_at_us,
            usage: Some(v1::ResourceUsage { cpu_s: ended.cpu_s, peak_memory: ended.peak_memory }),
            ..Outcome::default()
        },
        None => {
            signal(note, Signal::KILL);
            let reason = "its supervisor has died".to_owned();
            Outcome {
                exit_code: 137,
                reason,
                started_at_us,
                ended_at_us: unix_now_us(),
                ..Outcome::default()
            }
        }
    }
}
