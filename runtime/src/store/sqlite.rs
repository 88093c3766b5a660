//! Records in one SQLite file.
//!
//! Every table has columns for what is filtered, ordered or worth a look with the `sqlite3` shell, and a column `record` with the whole
//! record as JSON, which is what is read back: a field that a later version adds needs no new column, only a default for old rows.
//!
//! One thread owns the connection that writes, another the one that reads, so that a long list delays no commit (the file is in WAL
//! mode, where readers and the writer don't wait for each other). Each commit is one transaction, flushed to the disk before it is
//! answered (`synchronous=FULL`).

use std::fs::{File, OpenOptions, TryLockError};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc;
use std::thread::JoinHandle;
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use rusqlite::types::Value;
use rusqlite::{Connection, ErrorCode, OpenFlags, params, params_from_iter};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::sync::oneshot;

use super::{Filter, Snapshot, Store, StoreError, Write};
use crate::record::{JournalEntry, ResultRecord, Status, TaskRecord};

/// Says in the file's header that it is ours: `CLAI`.
const APPLICATION_ID: i32 = 0x434c_4149;

/// What brings a file from version N to N + 1 is at index N. Never change one that was released: add another.
const MIGRATIONS: [&str; 1] = [include_str!("schema.sql")];

/// How long to wait for another process that has the file locked, such as a backup.
const BUSY: Duration = Duration::from_secs(5);

/// A store in one file. Beside it lie SQLite's `-wal` and `-shm`, and `.lock`, which keeps a second master off.
///
/// Dropping it waits for what is under way.
#[derive(Debug)]
pub struct SqliteStore {
    path: Arc<Path>,
    writer: Actor,
    reader: Actor,
    /// Locked as long as this is open; declared last because fields are dropped in order and both connections must be closed before.
    _lock: File,
}

impl SqliteStore {
    /// Opens the file, or makes it. Its folder must be there.
    ///
    /// # Errors
    ///
    /// [`StoreError::Broken`] where another process has it open as a store, where it is not a store or of a later version, and where
    /// the file system refuses; [`StoreError::Away`] where another program, such as a backup, has it locked.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, StoreError> {
        let path: Arc<Path> = path.as_ref().into();
        let refused =
            |error: &dyn std::fmt::Display| StoreError::Broken(format!("{}: {error}", path.display()));
        let lock = lock(&path)?;
        // SQLite would make it readable for everybody; tasks may have secrets in their environment. The files beside it get its mode.
        own_file(&path).map_err(|error| refused(&error))?;
        let mut connection = Connection::open_with_flags(&path, flags(OpenFlags::SQLITE_OPEN_READ_WRITE))
            .map_err(|error| refused(&error))?;
        prepare(&mut connection, &path)?;
        let reads = Connection::open_with_flags(&path, flags(OpenFlags::SQLITE_OPEN_READ_ONLY))
            .and_then(|reads| reads.busy_timeout(BUSY).map(|()| reads))
            .map_err(|error| refused(&error))?;
        let writer = Actor::start("store-write", connection).map_err(|error| refused(&error))?;
        let reader = Actor::start("store-read", reads).map_err(|error| refused(&error))?;
        Ok(Self { path, writer, reader, _lock: lock })
    }

    /// Runs a read on the reader's thread, with errors that name the file.
    fn read<'a, T: Send + 'static>(
        &'a self,
        job: impl FnOnce(&mut Connection) -> Result<T, Failure> + Send + 'static,
    ) -> BoxFuture<'a, Result<T, StoreError>> {
        let answer = self.reader.run(job);
        async move { answer.await?.map_err(|failure| failure.at(&self.path)) }.boxed()
    }
}

impl Store for SqliteStore {
    fn name(&self) -> String {
        format!("SQLite at {}", self.path.display())
    }

    fn commit<'a>(&'a self, writes: &'a [Write]) -> BoxFuture<'a, Result<(), StoreError>> {
        let writes = writes.to_vec();
        let answer = self.writer.run(move |connection| commit(connection, &writes));
        async move { answer.await?.map_err(|failure| failure.at(&self.path)) }.boxed()
    }

    fn load(&self) -> BoxFuture<'_, Result<Snapshot, StoreError>> {
        self.read(load)
    }

    fn task<'a>(&'a self, task_id: &'a str) -> BoxFuture<'a, Result<Option<TaskRecord>, StoreError>> {
        let id = Value::Text(task_id.to_owned());
        self.read(|connection| {
            Ok(records(connection, "SELECT record FROM tasks WHERE task_id = ?1", vec![id])?.pop())
        })
    }

    fn tasks<'a>(&'a self, filter: &'a Filter) -> BoxFuture<'a, Result<Vec<TaskRecord>, StoreError>> {
        let mut query = Query::from("tasks");
        query.is("status", filter.status.map(Status::name));
        query.is("user_id", filter.user_id.as_deref());
        query.is("assigned_worker", filter.worker_id.as_deref());
        let (sql, values) = query.newest("created_at_us DESC, idx DESC", filter.limit);
        self.read(move |connection| records(connection, &sql, values))
    }

    fn result<'a>(&'a self, task_id: &'a str) -> BoxFuture<'a, Result<Option<ResultRecord>, StoreError>> {
        let id = Value::Text(task_id.to_owned());
        self.read(|connection| {
            Ok(records(connection, "SELECT record FROM results WHERE task_id = ?1", vec![id])?.pop())
        })
    }

    fn results<'a>(&'a self, filter: &'a Filter) -> BoxFuture<'a, Result<Vec<ResultRecord>, StoreError>> {
        let mut query = Query::from("results");
        query.is("status", filter.status.map(Status::name));
        query.is("worker_id", filter.worker_id.as_deref());
        let (sql, values) = query.newest("completed_at_us DESC, task_id DESC", filter.limit);
        self.read(move |connection| records(connection, &sql, values))
    }

    fn journal(&self, from: u64, limit: usize) -> BoxFuture<'_, Result<Vec<JournalEntry>, StoreError>> {
        // Nothing has a number that an i64 can't hold.
        let Ok(from) = i64::try_from(from) else { return async { Ok(Vec::new()) }.boxed() };
        let values = vec![Value::Integer(from), Value::Integer(clamp(limit))];
        let sql = "SELECT record FROM journal WHERE seq >= ?1 ORDER BY seq LIMIT ?2";
        self.read(|connection| records(connection, sql, values))
    }
}

/// Takes the lock of a store's file, and thereby keeps others from it until the file is closed.
///
/// It is a file of its own: closing any handle on the database's own file would drop the locks that SQLite has there.
fn lock(path: &Path) -> Result<File, StoreError> {
    let mut name = path.as_os_str().to_owned();
    name.push(".lock");
    let name = PathBuf::from(name);
    let file = own_file(&name).map_err(|error| StoreError::Broken(format!("{}: {error}", name.display())))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(StoreError::Broken(format!(
            "{}: another master has this store open; give each its own data folder",
            path.display()
        ))),
        Err(TryLockError::Error(error)) => {
            Err(StoreError::Broken(format!("{}: can't be locked: {error}", name.display())))
        }
    }
}

/// Opens a file for writing, or makes it for the owner alone.
fn own_file(path: &Path) -> std::io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

/// A connection has one thread, so SQLite need not guard it.
fn flags(access: OpenFlags) -> OpenFlags {
    access | OpenFlags::SQLITE_OPEN_NO_MUTEX
}

/// Settings of the connection that writes, and the tables.
fn prepare(connection: &mut Connection, path: &Path) -> Result<(), StoreError> {
    let inner = |connection: &mut Connection| -> Result<Option<String>, Failure> {
        connection.busy_timeout(BUSY)?;
        connection.set_prepared_statement_cache_capacity(64);
        // First of all, and before anything is written: whose file this is.
        let version: i64 = connection.query_row("PRAGMA user_version", [], |row| row.get(0))?;
        let application: i32 = connection.query_row("PRAGMA application_id", [], |row| row.get(0))?;
        let tables: i64 = connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
        if application != APPLICATION_ID && (tables > 0 || version != 0 || application != 0) {
            return Ok(Some("is a database of another program".to_owned()));
        }
        let known = MIGRATIONS.len();
        let Some(done) = usize::try_from(version).ok().filter(|&version| version <= known) else {
            return Ok(Some(format!(
                "was written by a later version of CloudAI (schema {version}, this one knows up to {known}); upgrade, or use a backup \
                 from before"
            )));
        };
        connection.pragma_update(None, "journal_mode", "WAL")?;
        connection.pragma_update(None, "synchronous", "FULL")?;
        // After a burst the log is cut to this, rather than kept at its largest.
        connection.pragma_update(None, "journal_size_limit", 64 << 20)?;
        if done < known {
            let transaction = connection.transaction()?;
            for migration in &MIGRATIONS[done..] {
                transaction.execute_batch(migration)?;
            }
            transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
            transaction.pragma_update(None, "user_version", clamp(known))?;
            transaction.commit()?;
        }
        Ok(None)
    };
    match inner(connection) {
        Ok(None) => Ok(()),
        Ok(Some(why)) => Err(StoreError::Broken(format!("{}: {why}", path.display()))),
        Err(failure) => Err(failure.at(path)),
    }
}

/// Carries out all writes, or none: a transaction that is dropped is rolled back.
fn commit(connection: &mut Connection, writes: &[Write]) -> Result<(), Failure> {
    let transaction = connection.transaction()?;
    for write in writes {
        apply(&transaction, write)?;
    }
    transaction.commit()?;
    Ok(())
}

fn apply(connection: &Connection, write: &Write) -> Result<(), Failure> {
    match write {
        Write::Task(task) => {
            let request = &task.request;
            let command = (!request.command.is_empty()).then(|| json(&request.command)).transpose()?;
            connection
                .prepare_cached(
                    "INSERT INTO tasks (idx, task_id, user_id, name, docker_image, command, cpu_cores, memory_gb, storage_gb, \
                     gpu_cores, status, attempt, assigned_worker, created_at_us, started_at_us, completed_at_us, record) \
                     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17) \
                     ON CONFLICT (task_id) DO UPDATE SET idx = excluded.idx, user_id = excluded.user_id, name = excluded.name, \
                     docker_image = excluded.docker_image, command = excluded.command, cpu_cores = excluded.cpu_cores, \
                     memory_gb = excluded.memory_gb, storage_gb = excluded.storage_gb, gpu_cores = excluded.gpu_cores, \
                     status = excluded.status, attempt = excluded.attempt, assigned_worker = excluded.assigned_worker, \
                     created_at_us = excluded.created_at_us, started_at_us = excluded.started_at_us, \
                     completed_at_us = excluded.completed_at_us, record = excluded.record",
                )?
                .execute(params![
                    task.index,
                    task.task_id,
                    request.user_id,
                    request.name,
                    request.docker_image,
                    command,
                    request.cpu_cores,
                    request.memory_gb,
                    request.storage_gb,
                    request.gpu_cores,
                    task.status.name(),
                    task.attempt,
                    task.assigned_worker,
                    task.created_at_us,
                    task.started_at_us,
                    task.completed_at_us,
                    json(task)?,
                ])?;
        }
        Write::Worker(worker) => {
            connection
                .prepare_cached(
                    "INSERT OR REPLACE INTO worker_registry (worker_id, idx, worker_ip, total_cpu, total_memory, total_storage, \
                     total_gpu, is_active, last_heartbeat_us, registered_at_us, updated_at_us, record) \
                     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)",
                )?
                .execute(params![
                    worker.worker_id,
                    worker.index,
                    worker.worker_ip,
                    worker.total_cpu,
                    worker.total_memory,
                    worker.total_storage,
                    worker.total_gpu,
                    worker.is_active,
                    worker.last_heartbeat_us,
                    worker.registered_at_us,
                    worker.updated_at_us,
                    json(worker)?,
                ])?;
        }
        Write::Result(result) => {
            connection
                .prepare_cached(
                    "INSERT OR REPLACE INTO results (task_id, worker_id, status, exit_code, execution_time, completed_at_us, record) \
                     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
                )?
                .execute(params![
                    result.task_id,
                    result.worker_id,
                    result.status.name(),
                    result.exit_code,
                    result.execution_time,
                    result.completed_at_us,
                    json(result)?,
                ])?;
        }
        Write::Setting { key, value } => {
            connection
                .prepare_cached("INSERT OR REPLACE INTO settings (key, value) VALUES (?1, ?2)")?
                .execute(params![key, value])?;
        }
        Write::Journal(entry) => {
            let seq = i64::try_from(entry.seq)
                .map_err(|_| Failure::Other(format!("journal entry {} is out of range", entry.seq)))?;
            connection
                .prepare_cached(
                    "INSERT OR REPLACE INTO journal (seq, at_us, kind, record) VALUES (?1, ?2, ?3, ?4)",
                )?
                .execute(params![seq, entry.at_us, entry.kind, json(entry)?])?;
        }
    }
    Ok(())
}

fn load(connection: &mut Connection) -> Result<Snapshot, Failure> {
    // One transaction, so that all of it is of the same moment.
    let transaction = connection.transaction()?;
    let mut snapshot = Snapshot {
        alive: records(
            &transaction,
            "SELECT record FROM tasks WHERE status IN ('pending', 'running') ORDER BY idx",
            Vec::new(),
        )?,
        workers: records(
            &transaction,
            "SELECT record FROM worker_registry ORDER BY idx, worker_id",
            Vec::new(),
        )?,
        ..Snapshot::default()
    };
    let mut settings = transaction.prepare_cached("SELECT key, value FROM settings ORDER BY key")?;
    for row in settings.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))? {
        snapshot.settings.push(row?);
    }
    let next = |sql: &str| -> Result<i64, rusqlite::Error> {
        Ok(transaction
            .query_row(sql, [], |row| row.get::<_, Option<i64>>(0))?
            .map_or(0, |highest| highest + 1))
    };
    snapshot.next_index = u32::try_from(next("SELECT max(idx) FROM tasks")?)
        .map_err(|_| Failure::Other("every index of a task is used".to_owned()))?;
    snapshot.next_seq = next("SELECT max(seq) FROM journal")?.cast_unsigned();
    let mut counts = transaction.prepare_cached("SELECT status, count(*) FROM tasks GROUP BY status")?;
    for row in counts.query_map([], |row| Ok((row.get::<_, String>(0)?, row.get::<_, i64>(1)?)))? {
        let (status, count) = row?;
        let count = count.cast_unsigned();
        match Status::from_name(&status) {
            Some(Status::Completed) => snapshot.completed = count,
            Some(Status::Failed) => snapshot.failed = count,
            Some(Status::Cancelled) => snapshot.cancelled = count,
            Some(Status::Pending | Status::Running) => {}
            None => return Err(Failure::Other(format!("{count} tasks have the unknown status {status:?}"))),
        }
    }
    Ok(snapshot)
}

/// The records that a query finds; `record` is its only column.
fn records<T: DeserializeOwned>(
    connection: &Connection,
    sql: &str,
    values: Vec<Value>,
) -> Result<Vec<T>, Failure> {
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query(params_from_iter(values))?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        let text = row.get_ref(0)?.as_str().map_err(|error| Failure::Other(error.to_string()))?;
        let record = serde_json::from_str(text)
            .map_err(|error| Failure::Other(format!("a record that can't be read ({error}): {text}")))?;
        found.push(record);
    }
    Ok(found)
}

fn json(value: &impl Serialize) -> Result<String, Failure> {
    serde_json::to_string(value).map_err(|error| Failure::Other(error.to_string()))
}

/// As many as SQLite can count.
fn clamp(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}

/// A list with conditions.
struct Query {
    table: &'static str,
    conditions: Vec<String>,
    values: Vec<Value>,
}

impl Query {
    fn from(table: &'static str) -> Self {
        Self { table, conditions: Vec::new(), values: Vec::new() }
    }

    /// Only rows with this value, if there is one.
    fn is(&mut self, column: &str, value: Option<&str>) {
        if let Some(value) = value {
            self.values.push(Value::Text(value.to_owned()));
            self.conditions.push(format!("{column} = ?{}", self.values.len()));
        }
    }

    fn newest(mut self, order: &str, limit: usize) -> (String, Vec<Value>) {
        let conditions = match self.conditions.join(" AND ") {
            none if none.is_empty() => none,
            some => format!(" WHERE {some}"),
        };
        self.values.push(Value::Integer(clamp(limit)));
        let table = self.table;
        let last = self.values.len();
        (format!("SELECT record FROM {table}{conditions} ORDER BY {order} LIMIT ?{last}"), self.values)
    }
}

/// Why a job failed, without the file's name.
#[derive(Debug)]
enum Failure {
    Sqlite(rusqlite::Error),
    Other(String),
}

impl Failure {
    fn at(self, path: &Path) -> StoreError {
        let path = path.display();
        match self {
            // These pass: another process has it locked, or somebody makes room.
            Self::Sqlite(error)
                if matches!(
                    error.sqlite_error_code(),
                    Some(
                        ErrorCode::DatabaseBusy
                            | ErrorCode::DatabaseLocked
                            | ErrorCode::DiskFull
                            | ErrorCode::OutOfMemory
                    )
                ) =>
            {
                StoreError::Away(format!("{path}: {error}"))
            }
            Self::Sqlite(error) => StoreError::Broken(format!("{path}: {error}")),
            Self::Other(message) => StoreError::Broken(format!("{path}: {message}")),
        }
    }
}

impl From<rusqlite::Error> for Failure {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sqlite(error)
    }
}

type Job = Box<dyn FnOnce(&mut Connection) + Send>;

/// A thread with a connection, which does jobs in the order in which they come.
#[derive(Debug)]
struct Actor {
    /// Closed to end the thread.
    jobs: Option<mpsc::Sender<Job>>,
    thread: Option<JoinHandle<()>>,
}

impl Actor {
    fn start(name: &str, mut connection: Connection) -> std::io::Result<Self> {
        let (jobs, queue) = mpsc::channel::<Job>();
        let thread = std::thread::Builder::new().name(name.to_owned()).spawn(move || {
            for job in queue {
                job(&mut connection);
            }
        })?;
        Ok(Self { jobs: Some(jobs), thread: Some(thread) })
    }

    /// Queues a job now, and waits for its answer when polled. It is done even if nobody waits any more.
    fn run<T, F>(&self, job: F) -> impl Future<Output = Result<T, StoreError>> + Send + use<T, F>
    where
        T: Send + 'static,
        F: FnOnce(&mut Connection) -> T + Send + 'static,
    {
        let (answer, answered) = oneshot::channel();
        let job: Job = Box::new(move |connection| {
            // Whoever asked may have gone.
            let _ = answer.send(job(connection));
        });
        if let Some(jobs) = &self.jobs {
            // A thread that is gone drops the job, and with it the sender of the answer.
            let _ = jobs.send(job);
        }
        async move {
            answered.await.map_err(|_| StoreError::Broken("the thread of the store has ended".to_owned()))
        }
    }
}

impl Drop for Actor {
    fn drop(&mut self) {
        drop(self.jobs.take());
        if let Some(thread) = self.thread.take() {
            // It panicked if at all: that has been printed, and there is nothing to save.
            let _ = thread.join();
        }
    }
}
