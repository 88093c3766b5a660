//! Where records are kept: one trait, two implementations, one conformance suite (`tests/it/store.rs`).
//!
//! The master commits in groups. A commit is durable when it returns, and it is whole: all of its writes are there, or none.
//!
//! - [`sqlite`]: one file, for a cluster that has nothing else; `mongo`, a feature: a MongoDB server
//! - [`open`]: the one that the settings name

#[cfg(feature = "mongo")]
mod documents;
#[cfg(feature = "mongo")]
pub mod mongo;
pub mod sqlite;

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use futures_util::future::BoxFuture;
use thiserror::Error;

use crate::record::{JournalEntry, ResultRecord, Status, TaskRecord, WorkerRecord};

/// One change. Writing what is already there changes nothing, so that a commit whose outcome is unknown may be repeated.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Write {
    /// Inserts or replaces the task of this id.
    Task(Box<TaskRecord>),
    /// Inserts or replaces the worker of this id.
    Worker(Box<WorkerRecord>),
    /// Inserts or replaces the result of this task.
    Result(Box<ResultRecord>),
    /// Sets a setting of the cluster.
    Setting {
        /// Its name.
        key: String,
        /// Its value.
        value: String,
    },
    /// Inserts or replaces the entry of this number.
    Journal(JournalEntry),
}

/// What a master needs to go on from where another one stopped.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Snapshot {
    /// Tasks that have not ended, by index.
    pub alive: Vec<TaskRecord>,
    /// Every worker, by index.
    pub workers: Vec<WorkerRecord>,
    /// Settings of the cluster.
    pub settings: Vec<(String, String)>,
    /// One more than the highest index of a task.
    pub next_index: u32,
    /// One more than the highest number of a journal entry.
    pub next_seq: u64,
    /// How many tasks have ended, by how.
    pub completed: u64,
    /// See `completed`.
    pub failed: u64,
    /// See `completed`.
    pub cancelled: u64,
}

/// Which records to list. Empty fields match everything.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// Of this status.
    pub status: Option<Status>,
    /// Of this user (tasks only).
    pub user_id: Option<String>,
    /// Of this worker.
    pub worker_id: Option<String>,
    /// At most this many, the newest first: tasks by (`created_at_us`, index), results by (`completed_at_us`, `task_id`).
    pub limit: usize,
}

/// Why a store could not answer.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum StoreError {
    /// It is away or busy, as far as one can tell: the same call may succeed later.
    #[error("the store does not answer: {0}")]
    Away(String),
    /// Another master has loaded it since: this one's time is over.
    #[error("another master has taken the store over")]
    TakenOver,
    /// It will not work: a damaged file, wrong credentials, a newer schema.
    #[error("{0}")]
    Broken(String),
}

/// A store of records.
pub trait Store: Send + Sync + fmt::Debug {
    /// What it is and where, for people, without credentials: `SQLite at ./cloudai-data/cloudai.db`.
    fn name(&self) -> String;

    /// Carries out all writes, in order, or none; returns when they are durable.
    fn commit<'a>(&'a self, writes: &'a [Write]) -> BoxFuture<'a, Result<(), StoreError>>;

    /// What is there when a master starts. From then on the store is this master's: commits of another one, which has loaded it
    /// before, fail with [`StoreError::TakenOver`].
    fn load(&self) -> BoxFuture<'_, Result<Snapshot, StoreError>>;

    /// A task, ended or not.
    fn task<'a>(&'a self, task_id: &'a str) -> BoxFuture<'a, Result<Option<TaskRecord>, StoreError>>;

    /// Tasks, ended or not.
    fn tasks<'a>(&'a self, filter: &'a Filter) -> BoxFuture<'a, Result<Vec<TaskRecord>, StoreError>>;

    /// How a task ended.
    fn result<'a>(&'a self, task_id: &'a str) -> BoxFuture<'a, Result<Option<ResultRecord>, StoreError>>;

    /// Results of ended tasks; `filter.user_id` is not looked at.
    fn results<'a>(&'a self, filter: &'a Filter) -> BoxFuture<'a, Result<Vec<ResultRecord>, StoreError>>;

    /// Journal entries from number `from` on, at most `limit`, in order.
    fn journal(&self, from: u64, limit: usize) -> BoxFuture<'_, Result<Vec<JournalEntry>, StoreError>>;
}

/// Where the records of a cluster are.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct StoreSettings {
    /// Address of a MongoDB server, with credentials where it wants them. Default none: a file in `data_dir`.
    pub mongo_uri: Option<String>,
    /// Database on that server. Default `cluster_db`.
    pub db_name: String,
    /// Most connections to that server. Default 100.
    pub pool_size: u32,
    /// Folder of the file [`StoreSettings::file`]. Default `./cloudai-data`.
    pub data_dir: PathBuf,
}

impl Default for StoreSettings {
    fn default() -> Self {
        Self {
            mongo_uri: None,
            db_name: "cluster_db".to_owned(),
            pool_size: 100,
            data_dir: PathBuf::from("./cloudai-data"),
        }
    }
}

impl StoreSettings {
    /// The SQLite file: `cloudai.db` in `data_dir`.
    #[must_use]
    pub fn file(&self) -> PathBuf {
        self.data_dir.join("cloudai.db")
    }
}

impl fmt::Debug for StoreSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StoreSettings")
            // It may hold a password.
            .field("mongo_uri", &self.mongo_uri.as_ref().map(|_| "(set)"))
            .field("db_name", &self.db_name)
            .field("pool_size", &self.pool_size)
            .field("data_dir", &self.data_dir)
            .finish()
    }
}

/// Opens the store that the settings name: MongoDB if its address is set, else a SQLite file, whose folder is made, for its owner
/// alone, where it is missing.
///
/// # Errors
///
/// [`StoreError::Away`] if the server doesn't answer; [`StoreError::Broken`] if it refuses, if this build knows no MongoDB, or if the
/// file is not usable.
pub async fn open(settings: &StoreSettings) -> Result<Arc<dyn Store>, StoreError> {
    if let Some(uri) = &settings.mongo_uri {
        return open_mongo(uri, settings).await;
    }
    let (folder, file) = (settings.data_dir.clone(), settings.file());
    let opened = tokio::task::spawn_blocking(move || {
        make_folder(&folder)
            .map_err(|error| StoreError::Broken(format!("{}: can't be made: {error}", folder.display())))?;
        sqlite::SqliteStore::open(file)
    });
    let store = opened.await.map_err(|error| StoreError::Broken(error.to_string()))??;
    Ok(Arc::new(store))
}

#[cfg(feature = "mongo")]
async fn open_mongo(uri: &str, settings: &StoreSettings) -> Result<Arc<dyn Store>, StoreError> {
    Ok(Arc::new(mongo::MongoStore::connect(uri, &settings.db_name, settings.pool_size).await?))
}

#[cfg(not(feature = "mongo"))]
async fn open_mongo(_: &str, _: &StoreSettings) -> Result<Arc<dyn Store>, StoreError> {
    let why = "MONGO_URI is set, but this build knows no MongoDB: build with the feature `mongo`, or unset it to use a file";
    Err(StoreError::Broken(why.to_owned()))
}

fn make_folder(folder: &Path) -> std::io::Result<()> {
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)
}
