//! The suite of `store` over MongoDB, and what only a store in MongoDB does: what its documents look like, and what becomes of a
//! commit while the server is away.

use std::time::{Duration, Instant};

use cloudai_runtime::record::Status;
use cloudai_runtime::store::{self, Store, StoreError, StoreSettings};
use mongodb::bson::{Bson, DateTime, Document, doc};
use mongodb::{Client, Database};

use crate::mongod::Mongod;
use crate::records::{entry, every_kind, put, set, task};
use crate::store::{CASES, Place};

async fn suite(server: &Mongod, atomic: bool) {
    for (name, case) in CASES {
        let begun = Instant::now();
        eprint!("{name}: ");
        case(&Place::server(&server.uri(), name, atomic)).await;
        eprintln!("ok, {} ms", begun.elapsed().as_millis());
    }
}

#[tokio::test]
async fn the_suite_on_a_replica_set() {
    let Some(server) = Mongod::replica_set().await else { return };
    suite(&server, true).await;
}

#[tokio::test]
async fn the_suite_on_a_standalone_server() {
    let Some(server) = Mongod::standalone().await else { return };
    suite(&server, false).await;
    // What a failed commit leaves behind, its repeat completes.
    let place = Place::server(&server.uri(), "halves", false);
    let store = place.open().await;
    store.commit(&[put(&task(0))]).await.unwrap();
    let mut broken = task(0);
    broken.task_id = "task-other".to_owned();
    let mut writes = every_kind();
    writes.push(put(&broken));
    assert!(matches!(store.commit(&writes).await, Err(StoreError::Broken(_))));
    writes.pop();
    store.commit(&writes).await.unwrap();
    assert_eq!(store.journal(0, 9).await.unwrap(), [entry(0)]);
}

#[tokio::test]
async fn the_master_that_has_loaded_last_has_the_store() {
    for replica_set in [true, false] {
        let server = if replica_set { Mongod::replica_set().await } else { Mongod::standalone().await };
        let Some(server) = server else { return };
        let place = Place::server(&server.uri(), "claims", replica_set);
        let (first, second) = (place.open().await, place.open().await);
        first.load().await.unwrap();
        first.commit(&[put(&task(0))]).await.unwrap();
        let found = second.load().await.unwrap();
        assert_eq!((found.alive, found.settings), (vec![task(0)], vec![]));
        let late = first.commit(&[put(&task(1))]).await;
        assert!(matches!(late, Err(StoreError::TakenOver)), "{late:?}");
        second.commit(&[put(&task(2))]).await.unwrap();
        assert_eq!(
            second.load().await.unwrap().alive,
            [task(0), task(2)],
            "the late commit has left nothing"
        );
    }
}

async fn database(server: &Mongod) -> Database {
    Client::with_uri_str(server.uri()).await.unwrap().database("cluster_db")
}

async fn only(database: &Database, collection: &str) -> Document {
    let found = database.collection::<Document>(collection).find_one(doc! {}).await.unwrap();
    found.unwrap_or_else(|| panic!("{collection} is empty"))
}

/// That the document has these fields with these values, of exactly these types.
fn has(document: &Document, expected: &Document) {
    for (field, value) in expected {
        assert_eq!(document.get(field), Some(value), "{field} of {document}");
    }
}

#[tokio::test]
async fn documents_and_indexes_are_as_promised() {
    let Some(server) = Mongod::replica_set().await else { return };
    let store = Place::server(&server.uri(), "cluster_db", true).open().await;
    assert!(store.name().starts_with("MongoDB at 127.0.0.1:"), "{}", store.name());
    assert!(store.name().ends_with(", database cluster_db"), "{}", store.name());
    assert!(!format!("{store:?} {}", store.name()).contains("s3cret"), "{store:?}");
    store.commit(&every_kind()).await.unwrap();
    let database = database(&server).await;

    let found = only(&database, "TASKS").await;
    let expected = doc! {
        "task_id": "task-000000",
        "user_id": "ann",
        "docker_image": "registry.example/image:1.0",
        "command": ["sh", "-c", "echo 'a b'"],
        "cpu_cores": 1.5,
        "memory_gb": 0.1 + 0.2,
        "storage_gb": 1.0 / 3.0,
        "gpu_cores": 0.25,
        "status": "running",
        "assigned_worker": "w-1",
        "created_at": DateTime::from_millis(1_700_000_000_000),
        "started_at": DateTime::from_millis(1_700_000_001_000),
        "completed_at": DateTime::from_millis(1_700_000_002_000),
        "created_at_us": 1_700_000_000_000_001_i64,
        "started_at_us": 1_700_000_001_000_002_i64,
        "completed_at_us": 1_700_000_002_000_003_i64,
        "labels": [{ "name": "disk", "value": "ssd" }, { "name": "zone", "value": "eu" }],
    };
    has(&found, &expected);
    let mut bare = task(0);
    bare.request.command.clear();
    bare.assigned_worker = None;
    (bare.started_at_us, bare.completed_at_us) = (None, None);
    bare.status = Status::Pending;
    store.commit(&[put(&bare)]).await.unwrap();
    let expected = doc! {
        "command": null, "assigned_worker": null, "started_at": null, "completed_at": null, "status": "pending"
    };
    has(&only(&database, "TASKS").await, &expected);

    let expected = doc! {
        "worker_id": "w-1",
        "worker_ip": "10.0.0.1:50052",
        "total_cpu": 16.0,
        "total_memory": 62.7,
        "total_storage": 1000.25,
        "total_gpu": 4.0,
        "is_active": true,
        "last_heartbeat": DateTime::from_millis(1_700_000_003_000),
        "registered_at": DateTime::from_millis(1_700_000_000_000),
        "updated_at": DateTime::from_millis(1_700_000_003_000),
    };
    has(&only(&database, "WORKER_REGISTRY").await, &expected);
    let expected = doc! {
        "task_id": "task-000000",
        "worker_id": "w-1",
        "status": "failed",
        "exit_code": 137,
        "logs": "one\ntwo\n",
        "execution_time": 1.000_001,
        "completed_at": DateTime::from_millis(1_700_000_002_000),
    };
    has(&only(&database, "RESULTS").await, &expected);
    has(&only(&database, "SETTINGS").await, &doc! { "_id": "strategy", "value": "ai" });
    has(&only(&database, "JOURNAL").await, &doc! { "_id": 0_i64, "kind": "assigned" });

    let indexes = [
        ("TASKS", doc! { "task_id": 1 }, true),
        ("TASKS", doc! { "user_id": 1 }, false),
        ("TASKS", doc! { "status": 1 }, false),
        ("TASKS", doc! { "assigned_worker": 1 }, false),
        ("TASKS", doc! { "user_id": 1, "created_at": -1 }, false),
        ("WORKER_REGISTRY", doc! { "worker_id": 1 }, true),
        ("WORKER_REGISTRY", doc! { "is_active": 1 }, false),
        ("RESULTS", doc! { "task_id": 1 }, true),
        ("RESULTS", doc! { "worker_id": 1 }, false),
        ("RESULTS", doc! { "status": 1 }, false),
    ];
    for (collection, keys, unique) in indexes {
        let reply = database.run_command(doc! { "listIndexes": collection }).await.unwrap();
        let there = reply.get_document("cursor").unwrap().get_array("firstBatch").unwrap();
        let index = there
            .iter()
            .filter_map(Bson::as_document)
            .find(|index| index.get_document("key").unwrap() == &keys);
        let index = index.unwrap_or_else(|| panic!("{collection} has no index {keys}"));
        assert_eq!(index.get_bool("unique").unwrap_or(false), unique, "{collection} {keys}");
    }
    let second = database.collection::<Document>("TASKS").insert_one(doc! { "task_id": "task-000000" }).await;
    assert!(second.is_err());
}

/// Repeats a commit until it succeeds, as a master does.
async fn until_it_succeeds(store: &dyn Store, writes: &[store::Write]) -> Duration {
    let begun = Instant::now();
    while let Err(error) = store.commit(writes).await {
        assert!(matches!(error, StoreError::Away(_)), "{error:?}");
        assert!(begun.elapsed() < Duration::from_secs(60), "{error:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    begun.elapsed()
}

/// That every call says that the store is away, soon.
async fn all_are_away(store: &dyn Store, writes: &[store::Write]) {
    let begun = Instant::now();
    let (commit, load, journal) = tokio::join!(store.commit(writes), store.load(), store.journal(0, 1));
    for error in [commit.unwrap_err(), load.unwrap_err(), journal.unwrap_err()] {
        assert!(matches!(error, StoreError::Away(_)), "{error:?}");
    }
    assert!(begun.elapsed() < Duration::from_secs(15), "{:?}", begun.elapsed());
}

async fn comes_and_goes(mut server: Mongod) {
    let store = Place::server(&server.uri(), "cluster_db", true).open().await;
    store.commit(&[set("before", "1")]).await.unwrap();
    let writes = every_kind();

    server.freeze();
    all_are_away(&*store, &writes).await;
    all_are_away(&*store, &writes).await;
    server.thaw();
    eprintln!("after a freeze: {:?}", until_it_succeeds(&*store, &writes).await);
    assert_eq!(store.task("task-000000").await.unwrap(), Some(task(0)));

    // In the middle of commits.
    let mut index = 1;
    let end = Instant::now() + Duration::from_millis(300);
    let pending = loop {
        let writes = vec![put(&task(index)), set("last", &index.to_string())];
        if Instant::now() >= end {
            server.freeze();
            assert!(matches!(store.commit(&writes).await, Err(StoreError::Away(_))));
            break writes;
        }
        store.commit(&writes).await.unwrap();
        index += 1;
    };
    server.thaw();
    until_it_succeeds(&*store, &pending).await;

    server.kill();
    all_are_away(&*store, &writes).await;
    for _ in 0..3 {
        index += 1;
        let writes = [put(&task(index))];
        // It answers before it is ready, and with reasons of its own.
        let ((), waited) = tokio::join!(server.restart(), until_it_succeeds(&*store, &writes));
        eprintln!("after a kill: {waited:?}");
        server.kill();
    }
    server.restart().await;
    let snapshot = store.load().await.unwrap();
    assert_eq!((snapshot.alive.len(), snapshot.next_index), (index as usize + 1, index + 1));
    assert!(snapshot.settings.contains(&("before".to_owned(), "1".to_owned())));
}

#[tokio::test]
async fn a_replica_set_that_comes_and_goes() {
    let Some(server) = Mongod::replica_set().await else { return };
    comes_and_goes(server).await;
}

#[tokio::test]
async fn a_standalone_server_that_comes_and_goes() {
    let Some(server) = Mongod::standalone().await else { return };
    comes_and_goes(server).await;
}

async fn opened(uri: &str) -> StoreError {
    let mut settings = StoreSettings::default();
    settings.mongo_uri = Some(uri.to_owned());
    let begun = Instant::now();
    let error = store::open(&settings).await.unwrap_err();
    assert!(begun.elapsed() < Duration::from_secs(15), "{:?}", begun.elapsed());
    assert!(!format!("{error} {error:?}").contains("s3cret"), "{error:?}");
    error
}

#[tokio::test]
async fn what_cannot_be_opened_says_why() {
    for uri in [
        "",
        "localhost",
        "http://localhost",
        "mongodb://",
        "mongodb://ann:s3cret@",
        "mongodb://ann:s3cret/x@h",
    ] {
        let error = opened(uri).await;
        assert!(
            matches!(&error, StoreError::Broken(message) if message.contains("MONGO_URI")),
            "{uri}: {error:?}"
        );
    }
    // Nobody listens there.
    let error = opened("mongodb://ann:s3cret@127.0.0.1:1/").await;
    assert!(matches!(error, StoreError::Away(_)), "{error:?}");
    let Some(server) = Mongod::replica_set().await else { return };
    for who in ["bob:s3cret@", "ann:xs3cret@"] {
        let error = opened(&server.uri_as(who)).await;
        assert!(
            matches!(&error, StoreError::Broken(message) if message.contains("uthentication")),
            "{error:?}"
        );
    }
    let error = opened(&server.uri_as("")).await;
    assert!(matches!(&error, StoreError::Broken(message) if message.contains("uthentication")), "{error:?}");
    server.freeze();
    let error = opened(&server.uri()).await;
    assert!(matches!(error, StoreError::Away(_)), "{error:?}");
}
