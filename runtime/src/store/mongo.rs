//! Records in a MongoDB server, under the names that its users look for: collections TASKS, `WORKER_REGISTRY`, RESULTS, and beside
//! them SETTINGS and JOURNAL. `documents.rs` has their fields, `mongo/claim.rs` whose database it is.
//!
//! On a replica set (of one member, too) a commit is one transaction, acknowledged by a majority and in their journals: it is there
//! as a whole or not at all, and a commit that was given up on can't take effect after a later one, because all of them are
//! transactions of one session, and a session's next transaction ends the one before.
//!
//! A standalone server has no transactions. There the writes are made collection by collection, each of them idempotent: a commit
//! that fails in the middle has left some behind, and repeating it completes it. Results come before tasks in that order, so that no
//! task is seen to have ended whose result is missing. Use a replica set for anything that matters.
//!
//! A commit takes one round trip for each collection that it writes to, not one for each document, plus one for the transaction's end.
//!
//! Nothing here waits for ever: a server that can't be found or doesn't answer is [`StoreError::Away`] after 5 to 10 seconds.

mod claim;

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use mongodb::bson::{Bson, Document, RawDocumentBuf, doc, serialize_to_raw_document_buf};
use mongodb::error::{Error, ErrorKind, TRANSIENT_TRANSACTION_ERROR};
use mongodb::options::{
    Acknowledgment, ClientOptions, DatabaseOptions, IndexOptions, ReadConcern, WriteConcern,
};
use mongodb::{Client, ClientSession, Cursor, Database, IndexModel};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::sync::Mutex;

use self::claim::CLAIM;
use super::documents::{JournalDocument, ResultDocument, SettingDocument, TaskDocument, WorkerDocument};
use super::{Filter, Snapshot, Store, StoreError, Write};
use crate::record::{JournalEntry, ResultRecord, Status, TaskRecord};

/// How long to look for a server, and how long to wait for a connection.
const FIND: Duration = Duration::from_secs(5);

/// How long one answer may take, and one commit as a whole.
const ANSWER: Duration = Duration::from_secs(10);

/// How long the indexes may take: they are built at the first start, or after an upgrade over all that is there.
const BUILD: Duration = Duration::from_secs(300);

/// How often a transaction is tried that the server ended because of another one.
const TRIES: u32 = 4;

/// A command holds at most this many bytes of documents: the server's limit is 16 MiB for all of it.
const COMMAND_BYTES: usize = 12 << 20;

/// The server takes at most 100,000 writes in a command.
const COMMAND_WRITES: usize = 10_000;

const SETTINGS: usize = 0;
const WORKERS: usize = 1;
const RESULTS: usize = 2;
const TASKS: usize = 3;
const JOURNAL: usize = 4;

/// Collections and the field that identifies a document, in the order in which they are written.
const COLLECTIONS: [(&str, &str); 5] = [
    ("SETTINGS", "_id"),
    ("WORKER_REGISTRY", "worker_id"),
    ("RESULTS", "task_id"),
    ("TASKS", "task_id"),
    ("JOURNAL", "_id"),
];

/// A store in a database of a MongoDB server.
pub struct MongoStore {
    name: String,
    database: Database,
    /// The session of all transactions; none where the server has no transactions.
    session: Option<Mutex<ClientSession>>,
    /// What this master has written down as the one whose database it is. Whoever loads last has it.
    claim: String,
    claimed: AtomicBool,
}

impl fmt::Debug for MongoStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The client would print its credentials.
        f.debug_struct("MongoStore").field("name", &self.name).finish_non_exhaustive()
    }
}

impl MongoStore {
    /// Connects to the server at this address, and makes the collections and their indexes in the database of this name where they
    /// are missing. `pool_size` is the most connections.
    ///
    /// # Errors
    ///
    /// [`StoreError::Away`] if no server is found there, or none that takes writes; [`StoreError::Broken`] if the address or the
    /// credentials are wrong, or what is there does not fit the indexes. No message has credentials in it.
    pub async fn connect(uri: &str, db_name: &str, pool_size: u32) -> Result<Self, StoreError> {
        let mut options =
            within(FIND, ClientOptions::parse(uri)).await?.map_err(|error| bad_address(uri, &error))?;
        options.app_name.get_or_insert_with(|| "cloudai".to_owned());
        options.connect_timeout = Some(FIND);
        options.server_selection_timeout = Some(FIND);
        options.max_pool_size = Some(pool_size);
        let hosts: Vec<String> = options.hosts.iter().map(ToString::to_string).collect();
        let name = format!("MongoDB at {}, database {db_name}", hosts.join(","));
        let client = Client::with_options(options).map_err(|error| bad_address(uri, &error))?;
        let hello = within(ANSWER, client.database("admin").run_command(doc! { "hello": 1 })).await?;
        let hello = hello.map_err(|error| refused(&error))?;
        let transactions =
            hello.contains_key("setName") || hello.get_str("msg").is_ok_and(|kind| kind == "isdbgrid");
        let mut database = DatabaseOptions::default();
        let mut session = None;
        if transactions {
            // What is read was acknowledged by a majority, and won't be undone by the election of another primary.
            database.read_concern = Some(ReadConcern::majority());
            let started = within(ANSWER, client.start_session()).await?;
            session = Some(Mutex::new(started.map_err(|error| refused(&error))?));
        }
        let claim = format!("{:032x}", rand::random::<u128>());
        let store = Self {
            name,
            database: client.database_with_options(db_name, database),
            session,
            claim,
            claimed: AtomicBool::new(false),
        };
        within(BUILD, store.create_indexes()).await?.map_err(|error| refused(&error))?;
        Ok(store)
    }

    async fn create_indexes(&self) -> Result<(), Error> {
        let unique = |field: &str| {
            IndexModel::builder()
                .keys(doc! { field: 1 })
                .options(IndexOptions::builder().unique(true).build())
                .build()
        };
        let on = |keys: Document| IndexModel::builder().keys(keys).build();
        let tasks = [
            unique("task_id"),
            unique("index"),
            on(doc! { "user_id": 1 }),
            on(doc! { "status": 1 }),
            on(doc! { "assigned_worker": 1 }),
            on(doc! { "user_id": 1, "created_at": -1 }),
            on(doc! { "created_at_us": -1, "index": -1 }),
        ];
        let workers = [unique("worker_id"), on(doc! { "is_active": 1 })];
        let results = [
            unique("task_id"),
            on(doc! { "worker_id": 1 }),
            on(doc! { "status": 1 }),
            on(doc! { "completed_at_us": -1, "task_id": -1 }),
        ];
        for (collection, indexes) in [(TASKS, &tasks[..]), (WORKERS, &workers), (RESULTS, &results)] {
            let collection = self.database.collection::<Document>(COLLECTIONS[collection].0);
            collection.create_indexes(indexes.iter().cloned()).await?;
        }
        // The others need no index beside that of `_id`, but must be there before a transaction: servers before 4.4 can't make a
        // collection in one.
        let there = self.database.list_collection_names().await?;
        for collection in [SETTINGS, JOURNAL].map(|index| COLLECTIONS[index].0) {
            if !there.iter().any(|name| name == collection) {
                self.database.create_collection(collection).await?;
            }
        }
        Ok(())
    }

    async fn write(&self, writes: &[Write]) -> Result<(), StoreError> {
        let commands = commands(writes, self.session.is_none())?;
        let Some(session) = &self.session else {
            self.check_claim(None).await.map_err(Refusal::into_error)?;
            for command in commands {
                self.run(command, None).await.map_err(Refusal::into_error)?;
            }
            return Ok(());
        };
        let mut session = session.lock().await;
        let mut tries = 1;
        loop {
            match self.transact(&mut session, &commands).await {
                Ok(()) => return Ok(()),
                Err(Refusal::Driver(error))
                    if tries < TRIES
                        && error.contains_label(TRANSIENT_TRANSACTION_ERROR)
                        && matches!(*error.kind, ErrorKind::Command(_)) =>
                {
                    tokio::time::sleep(Duration::from_millis(10 << (2 * tries))).await;
                    tries += 1;
                }
                Err(refusal) => return Err(refusal.into_error()),
            }
        }
    }

    async fn transact(
        &self,
        session: &mut ClientSession,
        commands: &[RawDocumentBuf],
    ) -> Result<(), Refusal> {
        // One that was given up on is under way, as far as its session knows. If there is none, this is refused without a word to the
        // server, which is as well.
        let _ = session.abort_transaction().await;
        let majority = WriteConcern::builder().w(Acknowledgment::Majority).journal(true).build();
        session.start_transaction().write_concern(majority).await?;
        self.check_claim(Some(&mut *session)).await?;
        for command in commands {
            self.run(command.clone(), Some(&mut *session)).await?;
        }
        session.commit_transaction().await?;
        Ok(())
    }

    async fn run(&self, command: RawDocumentBuf, session: Option<&mut ClientSession>) -> Result<(), Refusal> {
        let run = self.database.run_raw_command(command);
        let reply = match session {
            Some(session) => run.session(session).await?,
            None => run.await?,
        };
        // The driver looks into a reply to a command of the caller's own only for the command's failure, not for those of its writes.
        let failed = reply.get_array("writeErrors").ok().and_then(|errors| errors.first()?.as_document());
        let failed = failed.or_else(|| reply.get_document("writeConcernError").ok());
        match failed {
            None => Ok(()),
            Some(error) => Err(Refusal::Write {
                code: error.get_i32("code").unwrap_or_default(),
                message: error.get_str("errmsg").unwrap_or("no reason given").to_owned(),
            }),
        }
    }

    async fn snapshot(&self) -> Result<Snapshot, StoreError> {
        self.take_over().await?;
        let alive = doc! { "status": { "$in": [Status::Pending.name(), Status::Running.name()] } };
        let alive = self.list::<TaskDocument>(TASKS, alive, doc! { "index": 1 }, usize::MAX).await?;
        let order = doc! { "index": 1, "worker_id": 1 };
        let workers = self.list::<WorkerDocument>(WORKERS, doc! {}, order, usize::MAX).await?;
        let others = doc! { "_id": { "$ne": CLAIM } };
        let settings = self.list::<SettingDocument>(SETTINGS, others, doc! { "_id": 1 }, usize::MAX).await?;
        let next_index = u32::try_from(self.next(TASKS, "index").await?)
            .map_err(|_| StoreError::Broken("every index of a task is used".to_owned()))?;
        Ok(Snapshot {
            alive: alive.into_iter().map(Into::into).collect(),
            workers: workers.into_iter().map(Into::into).collect(),
            settings: settings.into_iter().map(|setting| (setting.key, setting.value)).collect(),
            next_index,
            next_seq: self.next(JOURNAL, "_id").await?,
            completed: self.count(Status::Completed).await?,
            failed: self.count(Status::Failed).await?,
            cancelled: self.count(Status::Cancelled).await?,
        })
    }

    /// One more than the highest value of a field, or 0.
    async fn next(&self, collection: usize, field: &str) -> Result<u64, StoreError> {
        let collection = self.database.collection::<Document>(COLLECTIONS[collection].0);
        let find = collection.find_one(doc! {}).sort(doc! { field: -1 }).projection(doc! { field: 1 });
        let last = within(ANSWER, find).await?.map_err(|error| refused(&error))?;
        Ok(match last.as_ref().and_then(|document| document.get(field)) {
            Some(Bson::Int64(highest)) => highest.cast_unsigned() + 1,
            Some(Bson::Int32(highest)) => u64::from(highest.cast_unsigned()) + 1,
            _ => 0,
        })
    }

    async fn count(&self, status: Status) -> Result<u64, StoreError> {
        let tasks = self.database.collection::<Document>(COLLECTIONS[TASKS].0);
        let count = tasks.count_documents(doc! { "status": status.name() });
        within(ANSWER, count).await?.map_err(|error| refused(&error))
    }

    /// Documents of a collection, at most `limit`.
    async fn list<D: DeserializeOwned + Send + Sync>(
        &self,
        collection: usize,
        filter: Document,
        order: Document,
        limit: usize,
    ) -> Result<Vec<D>, StoreError> {
        if limit == 0 {
            // To the server, 0 is no limit.
            return Ok(Vec::new());
        }
        let name = COLLECTIONS[collection].0;
        let collection = self.database.collection::<D>(name);
        let mut find = collection.find(filter).sort(order).allow_disk_use(true);
        if let Ok(limit) = i64::try_from(limit) {
            find = find.limit(limit);
        }
        let mut cursor: Cursor<D> = within(ANSWER, find).await?.map_err(|error| refused(&error))?;
        let mut found = Vec::new();
        while within(ANSWER, cursor.advance()).await?.map_err(|error| refused(&error))? {
            let document = cursor.deserialize_current().map_err(|error| {
                let id = cursor.current().get("_id").ok().flatten();
                StoreError::Broken(format!(
                    "{name}: a document that can't be read ({error}), its _id: {id:?}"
                ))
            })?;
            found.push(document);
        }
        Ok(found)
    }
}

impl Store for MongoStore {
    fn name(&self) -> String {
        self.name.clone()
    }

    fn commit<'a>(&'a self, writes: &'a [Write]) -> BoxFuture<'a, Result<(), StoreError>> {
        async move { within(ANSWER, self.write(writes)).await? }.boxed()
    }

    fn load(&self) -> BoxFuture<'_, Result<Snapshot, StoreError>> {
        self.snapshot().boxed()
    }

    fn task<'a>(&'a self, task_id: &'a str) -> BoxFuture<'a, Result<Option<TaskRecord>, StoreError>> {
        async move {
            let filter = doc! { "task_id": task_id };
            let found = self.list::<TaskDocument>(TASKS, filter, doc! { "task_id": 1 }, 1).await?;
            Ok(found.into_iter().next().map(Into::into))
        }
        .boxed()
    }

    fn tasks<'a>(&'a self, filter: &'a Filter) -> BoxFuture<'a, Result<Vec<TaskRecord>, StoreError>> {
        async move {
            let order = doc! { "created_at_us": -1, "index": -1 };
            let mut query = conditions(filter, "assigned_worker");
            if let Some(user) = &filter.user_id {
                query.insert("user_id", user);
            }
            let found = self.list::<TaskDocument>(TASKS, query, order, filter.limit).await?;
            Ok(found.into_iter().map(Into::into).collect())
        }
        .boxed()
    }

    fn result<'a>(&'a self, task_id: &'a str) -> BoxFuture<'a, Result<Option<ResultRecord>, StoreError>> {
        async move {
            let filter = doc! { "task_id": task_id };
            let found = self.list::<ResultDocument>(RESULTS, filter, doc! { "task_id": 1 }, 1).await?;
            Ok(found.into_iter().next().map(Into::into))
        }
        .boxed()
    }

    fn results<'a>(&'a self, filter: &'a Filter) -> BoxFuture<'a, Result<Vec<ResultRecord>, StoreError>> {
        async move {
            let order = doc! { "completed_at_us": -1, "task_id": -1 };
            let query = conditions(filter, "worker_id");
            let found = self.list::<ResultDocument>(RESULTS, query, order, filter.limit).await?;
            Ok(found.into_iter().map(Into::into).collect())
        }
        .boxed()
    }

    fn journal(&self, from: u64, limit: usize) -> BoxFuture<'_, Result<Vec<JournalEntry>, StoreError>> {
        async move {
            let Ok(from) = i64::try_from(from) else { return Ok(Vec::new()) };
            let query = doc! { "_id": { "$gte": from } };
            let found = self.list::<JournalDocument>(JOURNAL, query, doc! { "_id": 1 }, limit).await?;
            let read = |document: JournalDocument| {
                let seq = document.seq;
                document
                    .try_into()
                    .map_err(|error| StoreError::Broken(format!("JOURNAL: entry {seq}: {error}")))
            };
            found.into_iter().map(read).collect()
        }
        .boxed()
    }
}

fn conditions(filter: &Filter, worker_field: &str) -> Document {
    let mut query = Document::new();
    if let Some(status) = filter.status {
        query.insert("status", status.name());
    }
    if let Some(worker) = &filter.worker_id {
        query.insert(worker_field, worker);
    }
    query
}

/// One write of an `update` command: replaces the document that `q` finds, or inserts it.
#[derive(Serialize)]
struct Statement {
    q: RawDocumentBuf,
    u: RawDocumentBuf,
    upsert: bool,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Update<'a> {
    update: &'a str,
    updates: &'a [Statement],
    ordered: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    write_concern: Option<Document>,
}

/// The commands that carry out the writes, as few as there can be.
fn commands(writes: &[Write], standalone: bool) -> Result<Vec<RawDocumentBuf>, StoreError> {
    let mut statements: [Vec<Statement>; COLLECTIONS.len()] = Default::default();
    // Of several writes to a document only the last one counts; where it is.
    let mut places: HashMap<(usize, Bson), usize> = HashMap::new();
    for write in writes {
        let (collection, key, document) = match write {
            Write::Task(task) => (TASKS, Bson::from(&task.task_id), encode(&TaskDocument::from(&**task))?),
            Write::Worker(worker) => {
                (WORKERS, Bson::from(&worker.worker_id), encode(&WorkerDocument::from(&**worker))?)
            }
            Write::Result(result) => {
                (RESULTS, Bson::from(&result.task_id), encode(&ResultDocument::from(&**result))?)
            }
            Write::Setting { key, value } => {
                let document = SettingDocument { key: key.clone(), value: value.clone() };
                (SETTINGS, Bson::from(key), encode(&document)?)
            }
            Write::Journal(entry) => {
                (JOURNAL, Bson::from(entry.seq.cast_signed()), encode(&JournalDocument::from(entry))?)
            }
        };
        let list = &mut statements[collection];
        let place = *places.entry((collection, key.clone())).or_insert(list.len());
        let statement =
            Statement { q: encode(&doc! { COLLECTIONS[collection].1: key })?, u: document, upsert: true };
        match list.get_mut(place) {
            Some(earlier) => *earlier = statement,
            None => list.push(statement),
        }
    }
    let mut commands = Vec::new();
    for (statements, (collection, _)) in statements.iter().zip(COLLECTIONS) {
        let mut rest = &statements[..];
        while !rest.is_empty() {
            let mut bytes = 0;
            let fits = |statement: &&Statement| {
                bytes += statement.q.as_bytes().len() + statement.u.as_bytes().len() + 64;
                bytes <= COMMAND_BYTES
            };
            // One that is too long by itself is for the server to refuse.
            let count = rest.iter().take(COMMAND_WRITES).take_while(fits).count().max(1);
            let (now, later) = rest.split_at(count);
            rest = later;
            // In a transaction its end says how it is to be acknowledged.
            let write_concern = standalone.then(|| doc! { "w": 1, "j": true });
            commands.push(encode(&Update {
                update: collection,
                updates: now,
                ordered: true,
                write_concern,
            })?);
        }
    }
    Ok(commands)
}

fn encode(value: &impl Serialize) -> Result<RawDocumentBuf, StoreError> {
    serialize_to_raw_document_buf(value)
        .map_err(|error| StoreError::Broken(format!("a record that BSON can't hold: {error}")))
}

/// Why the server did not carry out a command.
enum Refusal {
    Driver(Error),
    Write { code: i32, message: String },
    TakenOver,
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        Self::Driver(error)
    }
}

impl Refusal {
    fn into_error(self) -> StoreError {
        match self {
            Self::Driver(error) => refused(&error),
            Self::TakenOver => StoreError::TakenOver,
            Self::Write { code, message } if passes(code) => StoreError::Away(format!("MongoDB: {message}")),
            Self::Write { message, .. } => StoreError::Broken(format!("MongoDB: {message}")),
        }
    }
}

/// Waits, but not for ever: a server that is stopped, or behind a network that drops everything, leaves its connections open.
async fn within<T>(time: Duration, answer: impl IntoFuture<Output = T>) -> Result<T, StoreError> {
    tokio::time::timeout(time, answer)
        .await
        .map_err(|_| StoreError::Away(format!("MongoDB: no answer in {} s", time.as_secs())))
}

/// Whether the same call may succeed later.
fn refused(error: &Error) -> StoreError {
    let passes = match &*error.kind {
        ErrorKind::Io(_)
        | ErrorKind::ConnectionPoolCleared { .. }
        | ErrorKind::ServerSelection { .. }
        | ErrorKind::DnsResolve { .. } => true,
        ErrorKind::Command(command) => passes(command.code),
        _ => false,
    };
    let labelled = ["TransientTransactionError", "UnknownTransactionCommitResult", "RetryableWriteError"]
        .into_iter()
        .any(|label| error.contains_label(label));
    if passes || labelled {
        StoreError::Away(format!("MongoDB: {}", error.kind))
    } else {
        StoreError::Broken(format!("MongoDB: {}", error.kind))
    }
}

/// Codes of the server for what passes by itself: it starts and does not know its keys yet, it stops, another member becomes the
/// primary, something takes too long or is in the way, or its disk is full until somebody makes room.
fn passes(code: i32) -> bool {
    let starts = matches!(code, 94 | 211);
    let stops = matches!(code, 91 | 11600 | 11601 | 11602);
    let primary = matches!(code, 133 | 189 | 10107 | 13388 | 13435 | 13436);
    let network = matches!(code, 6 | 7 | 89 | 9001);
    let time = matches!(code, 24 | 50 | 64 | 202 | 262);
    let transaction = matches!(code, 112 | 134 | 225 | 246 | 251 | 290);
    let disk = code == 14031;
    starts || stops || primary || network || time || transaction || disk
}

/// An address that can't be used. What the driver says about one may repeat a part of it, so it is shown only if there is nothing to
/// hide.
fn bad_address(uri: &str, error: &Error) -> StoreError {
    let why = if uri.contains('@') {
        "expected mongodb://[USER:PASSWORD@]HOST[:PORT][,...]/[?OPTION=VALUE&...], user and password percent-encoded".to_owned()
    } else {
        error.kind.to_string()
    };
    StoreError::Broken(format!("MONGO_URI is not an address that can be used: {why}"))
}
