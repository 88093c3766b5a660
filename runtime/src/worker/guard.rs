//! A small process that sees to it that nothing outlives the lease when the worker cannot: because it was killed, was
//! stopped and not started again, or hangs.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use rustix::process::Signal;
use serde::{Deserialize, Serialize};

use super::clock::{boot_now_us, unix_now_us};
use super::events::{AttemptKey, BootMicros};
use super::executor::process::{Spec, StartedNote, is_supervised, read_note, signal};
use super::executor::{BoxFuture, docker};
use super::folder::read_lease;

/// How often the lease is looked at.
const LOOK: Duration = Duration::from_millis(500);
/// How long a worker that is alive may take beyond the grace period.
const MARGIN: Duration = Duration::from_secs(1);
const NOTE: &str = "guard.json";

/// `guard.json`: what the worker wants guarded. Another word in it ends a guard: the next one has come.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct GuardNote {
    pub(super) word: u64,
    pub(super) docker: bool,
    pub(super) identity: String,
    pub(super) grace_ms: u64,
}

impl GuardNote {
    pub(super) fn write(&self, folder: &Path) -> io::Result<()> {
        super::executor::process::write_note(folder, NOTE, self)
    }
}

/// Stops, when the lease of the worker in this folder (`DATA_DIR/worker`) has run out, every attempt that must not outlive
/// it and that the worker has not stopped. The worker runs this in a process of its own (see
/// [`WorkerSettings::guard`](super::WorkerSettings::guard)): a program that starts workers calls it, before anything else,
/// when its first argument is `__guard`, with the second as the folder.
///
/// It returns when there is no worker and nothing to guard, or when a younger guard has come.
#[must_use]
pub fn guard(folder: &Path) -> ExitCode {
    // Out of the worker's session: what is sent to its terminal must not come here.
    let _ = rustix::process::setsid();
    match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => match runtime.block_on(watch(folder)) {
            Ok(()) => ExitCode::SUCCESS,
            Err(_) => ExitCode::FAILURE,
        },
        Err(_) => ExitCode::FAILURE,
    }
}

async fn watch(folder: &Path) -> io::Result<()> {
    let note: GuardNote = read_note(folder, NOTE).ok_or(io::ErrorKind::NotFound)?;
    // One at a time: the older one leaves when it sees the new word.
    let lock = File::options().create(true).truncate(false).write(true).open(folder.join("guard.lock"))?;
    lock.lock()?;
    let grace = Duration::from_millis(note.grace_ms);
    while read_note::<GuardNote>(folder, NOTE).is_some_and(|current| current.word == note.word) {
        let alive = is_locked(&folder.join("alive"));
        let patience = if alive { grace + MARGIN } else { Duration::ZERO };
        let patience = BootMicros::try_from(patience.as_micros()).unwrap_or(BootMicros::MAX);
        // A worker that has not registered yet looks after what it has found by itself.
        let is_over =
            || read_lease(folder).map_or(!alive, |end| boot_now_us() >= end.saturating_add(patience));
        if is_over() {
            let mut stops = running_processes(folder, grace);
            if note.docker {
                stops.extend(docker::stops(&note.identity, grace).await);
            }
            // Again: what was found before the lease was renewed must stay.
            if is_over() {
                let stops = stops.into_iter().map(|(key, stop)| {
                    let written = write_cut_off(folder, &key);
                    async move {
                        if written.is_ok() {
                            stop.await;
                        }
                    }
                });
                futures_util::future::join_all(stops).await;
            }
        }
        if !alive && !is_anything_left(folder, &note).await {
            break;
        }
        tokio::time::sleep(LOOK).await;
    }
    Ok(())
}

/// True if another process has locked this file.
fn is_locked(path: &Path) -> bool {
    File::open(path).is_ok_and(|file| file.try_lock_shared().is_err())
}

/// What the process executor runs that must not outlive the lease.
fn processes(folder: &Path) -> Vec<(AttemptKey, PathBuf)> {
    let entries = std::fs::read_dir(folder.join("run")).into_iter().flatten().flatten();
    let bound = |place: PathBuf| {
        let key = place.file_name()?.to_str()?.parse().ok()?;
        let spec: Spec = read_note(&place, "spec.json")?;
        (spec.on_disconnect != "keep" && is_supervised(&place)).then_some((key, place))
    };
    entries.filter_map(|entry| bound(entry.path())).collect()
}

/// What stops them.
fn running_processes(folder: &Path, grace: Duration) -> Vec<(AttemptKey, BoxFuture<()>)> {
    let stop = |place: PathBuf| -> BoxFuture<()> {
        Box::pin(async move {
            let Some(note) = read_note::<StartedNote>(&place, "started") else { return };
            signal(note, Signal::TERM);
            let ended = async {
                while is_supervised(&place) {
                    tokio::time::sleep(LOOK / 10).await;
                }
            };
            if tokio::time::timeout(grace, ended).await.is_err() {
                signal(note, Signal::KILL);
            }
        })
    };
    processes(folder).into_iter().map(|(key, place)| (key, stop(place))).collect()
}

async fn is_anything_left(folder: &Path, note: &GuardNote) -> bool {
    !processes(folder).is_empty() || note.docker && docker::are_any(&note.identity).await
}

fn write_cut_off(folder: &Path, key: &AttemptKey) -> io::Result<()> {
    let notes = folder.join("cut_off");
    std::fs::create_dir_all(&notes)?;
    std::fs::write(notes.join(key.to_string()), unix_now_us().to_string())
}

/// True if a guard has stopped this attempt, or was about to.
pub(super) fn was_cut_off(folder: &Path, key: &AttemptKey) -> bool {
    folder.join("cut_off").join(key.to_string()).exists()
}

/// Forgets that a guard has stopped this attempt: its result says so.
pub(super) fn forget_cut_off(folder: &Path, key: &AttemptKey) {
    let _ = std::fs::remove_file(folder.join("cut_off").join(key.to_string()));
}
