//! The data folder of a worker: `DATA_DIR/worker/`, which only its user may enter.
//!
//! - `lock`: locked for as long as the worker lives, so that two can't share the folder
//! - `identity`: a random word; who has another one is another worker
//! - `journal`: see [`Journal`](super::journal::Journal)
//! - `lease`: the end of the lease
//! - `alive`, `guard.json`, `guard.lock`, `cut_off/`: between the worker and its guard
//! - `logs/TASK.ATTEMPT.out` and `.err`
//! - `run/`: what the process executor keeps

use std::fs::{File, TryLockError};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::WorkerError;
use super::clock::boot_id;
use super::events::{AttemptKey, BootMicros};
use super::executor::LogFiles;
use super::journal::replace_file;

/// `lease`.
#[derive(Debug, Serialize, Deserialize)]
struct Lease {
    boot_id: String,
    until_us: BootMicros,
}

/// The end of the lease in a folder, if it was written since the machine was started.
pub(super) fn read_lease(folder: &Path) -> Option<BootMicros> {
    let bytes = std::fs::read(folder.join("lease")).ok()?;
    let lease: Lease = serde_json::from_slice(&bytes).ok()?;
    (lease.boot_id == boot_id()).then_some(lease.until_us)
}

/// An open data folder: locked until it is dropped.
#[derive(Debug)]
pub struct DataFolder {
    path: PathBuf,
    identity: String,
    boot_id: String,
    _lock: File,
    _alive: File,
}

impl DataFolder {
    /// Opens the folder below `data_dir`, makes it if need be, and locks it.
    ///
    /// # Errors
    ///
    /// If another worker has it, or it cannot be read or written.
    pub fn open(data_dir: &Path) -> Result<Self, WorkerError> {
        let path = data_dir.join("worker");
        let failed = |source| WorkerError::Folder { path: path.clone(), source };
        // What tasks print, and their environment, is nobody else's.
        std::fs::create_dir_all(data_dir).map_err(failed)?;
        match std::fs::DirBuilder::new().mode(0o700).create(&path) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(failed(error)),
            _ => std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o700)).map_err(failed)?,
        }
        std::fs::create_dir_all(path.join("logs")).map_err(failed)?;
        std::fs::create_dir_all(path.join("run")).map_err(failed)?;
        let path = path.canonicalize().map_err(failed)?;
        let failed = |source| WorkerError::Folder { path: path.clone(), source };
        let lock = File::options().create(true).truncate(false).write(true).open(path.join("lock"));
        let lock = lock.map_err(failed)?;
        lock.try_lock().map_err(|error| match error {
            TryLockError::WouldBlock => WorkerError::InUse { path: path.clone() },
            TryLockError::Error(source) => failed(source),
        })?;
        // A guard looks at this one, and may have it for a moment.
        let alive = File::options().create(true).truncate(false).write(true).open(path.join("alive"));
        let alive = alive.map_err(failed)?;
        alive.lock().map_err(failed)?;
        let identity = match std::fs::read_to_string(path.join("identity")) {
            Ok(identity) => identity,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let identity = format!("{:032x}", rand::random::<u128>());
                replace_file(&path.join("identity"), identity.as_bytes()).map_err(failed)?;
                identity
            }
            Err(error) => return Err(failed(error)),
        };
        Ok(Self { path, identity, boot_id: boot_id(), _lock: lock, _alive: alive })
    }

    /// The folder.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The random word.
    #[must_use]
    pub fn identity(&self) -> &str {
        &self.identity
    }

    /// The end of the lease, if it was written since the machine was started.
    #[must_use]
    pub fn lease_end_us(&self) -> Option<BootMicros> {
        read_lease(&self.path)
    }

    /// Writes the end of the lease down. It survives this process, and need not survive the machine.
    ///
    /// # Errors
    ///
    /// If the disk does not take it.
    pub fn set_lease_end(&self, until_us: BootMicros) -> io::Result<()> {
        let temporary = self.path.join("lease.new");
        let lease = Lease { boot_id: self.boot_id.clone(), until_us };
        std::fs::write(&temporary, serde_json::to_vec(&lease)?)?;
        std::fs::rename(temporary, self.path.join("lease"))
    }

    /// Where the output of attempts is.
    #[must_use]
    pub fn logs(&self) -> LogFolder {
        LogFolder(self.path.join("logs"))
    }
}

/// The folder of the output of attempts.
#[derive(Clone, Debug)]
pub struct LogFolder(PathBuf);

impl LogFolder {
    /// The files of an attempt.
    #[must_use]
    pub fn files(&self, key: &AttemptKey) -> LogFiles {
        LogFiles { stdout: self.0.join(format!("{key}.out")), stderr: self.0.join(format!("{key}.err")) }
    }

    /// The last attempt of a task that has left output.
    #[must_use]
    pub fn last_attempt(&self, task_id: &str) -> Option<u32> {
        let attempt = |entry: io::Result<std::fs::DirEntry>| {
            let name = entry.ok()?.file_name().into_string().ok()?;
            let key: AttemptKey = name.strip_suffix(".out")?.parse().ok()?;
            (key.task_id == task_id).then_some(key.attempt)
        };
        std::fs::read_dir(&self.0).ok()?.filter_map(attempt).max()
    }

    /// Deletes what has not been written to for so long, unless `keep` says otherwise.
    pub fn clean(&self, older_than: std::time::Duration, keep: impl Fn(&AttemptKey) -> bool) {
        for entry in std::fs::read_dir(&self.0).into_iter().flatten().flatten() {
            let path = entry.path();
            let key = path.file_stem().and_then(|name| name.to_str()?.parse().ok());
            let age =
                entry.metadata().and_then(|data| data.modified()).ok().and_then(|time| time.elapsed().ok());
            if age.is_some_and(|age| age > older_than) && !key.is_some_and(|key| keep(&key)) {
                let _ = std::fs::remove_file(path);
            }
        }
    }
}
