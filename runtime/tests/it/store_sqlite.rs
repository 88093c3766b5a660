//! What only a store in a file does: whose file it is, who else has it open, and where it lies.

use cloudai_runtime::store::sqlite::SqliteStore;
use cloudai_runtime::store::{self, StoreError, StoreSettings};
use rusqlite::Connection;

use crate::records::{every_kind, put, task};
use crate::store::Place;

/// The message of a store that is broken.
fn broken<T: std::fmt::Debug>(opened: Result<T, StoreError>) -> String {
    match opened {
        Err(StoreError::Broken(message)) => message,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_second_master_is_refused() {
    let place = Place::file();
    let store = place.open().await;
    let message = broken(store::open(&place.settings).await);
    let file = place.settings.file();
    assert_eq!(
        message,
        format!("{}: another master has this store open; give each its own data folder", file.display())
    );
    // It does no harm to the first, and gets in when that one has gone.
    store.commit(&every_kind()).await.unwrap();
    drop(store);
    let store = place.open().await;
    assert_eq!(store.load().await.unwrap().alive.len(), 1);
    assert_eq!(store.name(), format!("SQLite at {}", file.display()));
}

#[test]
fn a_file_of_a_later_version_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("cloudai.db");
    drop(SqliteStore::open(&file).unwrap());
    Connection::open(&file).unwrap().pragma_update(None, "user_version", 9).unwrap();
    let message = broken(SqliteStore::open(&file));
    assert!(message.starts_with(file.to_str().unwrap()), "{message}");
    assert!(message.contains("later version of CloudAI (schema 9, this one knows up to 1)"), "{message}");
    Connection::open(&file).unwrap().pragma_update(None, "user_version", -1).unwrap();
    assert!(broken(SqliteStore::open(&file)).contains("schema -1"));
}

#[test]
fn files_of_others_are_refused_and_left_as_they_are() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("other.db");
    Connection::open(&file).unwrap().execute_batch("CREATE TABLE theirs (x)").unwrap();
    let before = std::fs::read(&file).unwrap();
    assert!(broken(SqliteStore::open(&file)).contains("is a database of another program"));
    assert_eq!(std::fs::read(&file).unwrap(), before);

    let text = folder.path().join("notes.txt");
    std::fs::write(
        &text,
        "something else entirely, and longer than a header of a database would be ".repeat(50),
    )
    .unwrap();
    let message = broken(SqliteStore::open(&text));
    assert!(message.contains("notes.txt") && message.contains("not a database"), "{message}");

    let message = broken(SqliteStore::open(folder.path()));
    assert!(message.contains(folder.path().to_str().unwrap()), "{message}");
    let message = broken(SqliteStore::open(folder.path().join("missing/cloudai.db")));
    assert!(message.contains("missing/cloudai.db"), "{message}");
}

#[cfg(unix)]
#[tokio::test]
async fn only_its_owner_may_read_it() {
    use std::os::unix::fs::PermissionsExt as _;

    let place = Place::file();
    let store = place.open().await;
    store.commit(&every_kind()).await.unwrap();
    let mode = |path: &std::path::Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&place.settings.data_dir), 0o700);
    let files: Vec<_> =
        std::fs::read_dir(&place.settings.data_dir).unwrap().map(|file| file.unwrap().path()).collect();
    assert_eq!(files.len(), 4, "{files:?}");
    for file in files {
        assert_eq!(mode(&file), 0o600, "{}", file.display());
    }
}

#[tokio::test]
async fn what_was_committed_is_there_after_a_kill() {
    let (place, copy) = (Place::file(), Place::file());
    let store = place.open().await;
    store.commit(&every_kind()).await.unwrap();
    store.commit(&[put(&task(1))]).await.unwrap();
    // What is on the disk while the store is open is what is there when its process is killed.
    std::fs::create_dir(&copy.settings.data_dir).unwrap();
    for suffix in ["", "-wal"] {
        let name = format!("cloudai.db{suffix}");
        std::fs::copy(place.settings.data_dir.join(&name), copy.settings.data_dir.join(&name)).unwrap();
    }
    assert_eq!(copy.open().await.load().await.unwrap(), store.load().await.unwrap());
}

#[tokio::test]
async fn a_shell_may_look_into_it_meanwhile() {
    let place = Place::file();
    let store = place.open().await;
    store.commit(&every_kind()).await.unwrap();
    let shell = Connection::open(place.settings.file()).unwrap();
    let row: (String, String, f64, String) = shell
        .query_row(
            "SELECT task_id, command, cpu_cores, status FROM tasks WHERE assigned_worker = 'w-1'",
            [],
            |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?)),
        )
        .unwrap();
    assert_eq!(
        row,
        ("task-000000".to_owned(), r#"["sh","-c","echo 'a b'"]"#.to_owned(), 1.5, "running".to_owned())
    );
    // Lists come from indexes, whatever they are filtered by.
    for condition in
        ["", "WHERE user_id = 'ann'", "WHERE status = 'running'", "WHERE assigned_worker = 'w-1'"]
    {
        let plan: String = shell
            .query_row(
                &format!(
                    "EXPLAIN QUERY PLAN SELECT record FROM tasks {condition} ORDER BY created_at_us DESC, idx DESC LIMIT 9"
                ),
                [],
                |row| row.get(3),
            )
            .unwrap();
        assert!(plan.contains("USING INDEX tasks_by_"), "{condition}: {plan}");
    }
    // A lock that is held for longer than the store waits is none of the store's faults: the same commit succeeds later.
    shell.execute_batch("BEGIN IMMEDIATE").unwrap();
    let error = store.commit(&every_kind()).await.unwrap_err();
    assert!(matches!(&error, StoreError::Away(message) if message.contains("locked")), "{error:?}");
    shell.execute_batch("ROLLBACK").unwrap();
    store.commit(&every_kind()).await.unwrap();
}

#[test]
fn settings_do_not_print_the_address() {
    let mut settings = StoreSettings::default();
    settings.mongo_uri = Some("mongodb://ann:s3cret@db.example/".to_owned());
    let printed = format!("{settings:?}");
    assert!(!printed.contains("s3cret") && printed.contains("cluster_db"), "{printed}");
}

#[cfg(not(feature = "mongo"))]
#[tokio::test]
async fn a_build_without_mongodb_says_so() {
    let mut settings = StoreSettings::default();
    settings.mongo_uri = Some("mongodb://ann:s3cret@db.example/".to_owned());
    let message = broken(store::open(&settings).await);
    assert!(message.contains("feature `mongo`") && !message.contains("s3cret"), "{message}");
}
