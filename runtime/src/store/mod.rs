//! Where records are kept: one trait, two implementations, one conformance suite (`tests/it/store.rs`).
//!
//! The master commits in groups. A commit is durable when it returns, and it is whole: all of its writes are there, or none.

use std::fmt;

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

    /// What is there when a master starts.
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
