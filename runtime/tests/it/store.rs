//! What every store must do: one suite, run over SQLite here and over MongoDB by `store_mongo`.

use std::collections::BTreeMap;
use std::sync::Arc;

use cloudai_runtime::record::{JournalEntry, ResultRecord, Status, TaskRecord, WorkerRecord};
use cloudai_runtime::store::{self, Filter, Snapshot, Store, StoreError, StoreSettings, Write};
use serde_json::json;
use tempfile::TempDir;

use crate::records::{entry, every_kind, map, put, put_result, put_worker, result, set, task, worker};

/// Where a case keeps its records; it may open the store there again and again.
pub(crate) struct Place {
    pub(crate) settings: StoreSettings,
    /// False for a server without transactions.
    pub(crate) atomic: bool,
    _folder: Option<TempDir>,
}

impl Place {
    pub(crate) fn file() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut settings = StoreSettings::default();
        settings.data_dir = folder.path().join("data");
        Self { settings, atomic: true, _folder: Some(folder) }
    }

    #[cfg(all(unix, feature = "mongo"))]
    pub(crate) fn server(uri: &str, db_name: &str, atomic: bool) -> Self {
        let mut settings = StoreSettings::default();
        settings.mongo_uri = Some(uri.to_owned());
        settings.db_name = db_name.to_owned();
        // If a file were opened instead, it would be found out.
        settings.data_dir = "/nonexistent".into();
        Self { settings, atomic, _folder: None }
    }

    pub(crate) async fn open(&self) -> Arc<dyn Store> {
        store::open(&self.settings).await.unwrap()
    }
}

/// Makes a test of each case over SQLite, and the list of them for other stores.
macro_rules! cases {
    ($($name:ident),* $(,)?) => {
        mod sqlite {
            $(#[tokio::test]
            async fn $name() {
                super::$name(&super::Place::file()).await;
            })*
        }

        #[cfg(all(unix, feature = "mongo"))]
        pub(crate) const CASES: &[(&str, Case)] = &[$((stringify!($name), |place| Box::pin($name(place)))),*];
    };
}

#[cfg(all(unix, feature = "mongo"))]
pub(crate) type Case = for<'a> fn(&'a Place) -> futures_util::future::BoxFuture<'a, ()>;

cases![
    an_empty_store,
    every_kind_of_write_is_read_back,
    a_repeat_changes_nothing,
    later_writes_replace_earlier_ones,
    a_commit_is_whole_or_not_at_all,
    lists_are_filtered_ordered_and_limited,
    a_load_has_what_a_master_needs,
    strings_of_every_kind,
    numbers_at_their_limits,
    the_journal_in_pages,
    ten_thousand_tasks,
    commits_at_the_same_time,
    a_commit_that_nobody_waits_for,
];

const ALL: Filter = Filter { status: None, user_id: None, worker_id: None, limit: usize::MAX };

async fn an_empty_store(place: &Place) {
    let store = place.open().await;
    assert_eq!(store.load().await.unwrap(), Snapshot::default());
    assert_eq!(store.task("task-1").await.unwrap(), None);
    assert_eq!(store.result("task-1").await.unwrap(), None);
    assert_eq!(store.tasks(&ALL).await.unwrap(), []);
    assert_eq!(store.results(&ALL).await.unwrap(), []);
    assert_eq!(store.journal(0, 10).await.unwrap(), []);
    store.commit(&[]).await.unwrap();
    assert_eq!(store.load().await.unwrap(), Snapshot::default());
}

async fn every_kind_of_write_is_read_back(place: &Place) {
    let store = place.open().await;
    store.commit(&every_kind()).await.unwrap();
    // As few fields as there can be.
    let bare = TaskRecord { task_id: "task-bare".to_owned(), index: 1, ..TaskRecord::default() };
    let bare_result = ResultRecord {
        task_id: "task-bare".to_owned(),
        status: Status::Cancelled,
        completed_at_us: 1,
        ..ResultRecord::default()
    };
    let bare_worker = WorkerRecord { worker_id: "w-bare".to_owned(), index: 2, ..WorkerRecord::default() };
    store.commit(&[put(&bare), put_result(&bare_result), put_worker(&bare_worker)]).await.unwrap();
    assert_eq!(store.task("task-000000").await.unwrap(), Some(task(0)));
    assert_eq!(store.task("task-bare").await.unwrap(), Some(bare.clone()));
    assert_eq!(store.tasks(&ALL).await.unwrap(), [task(0), bare.clone()]);
    assert_eq!(store.result("task-000000").await.unwrap(), Some(result(0)));
    assert_eq!(store.result("task-bare").await.unwrap(), Some(bare_result.clone()));
    assert_eq!(store.results(&ALL).await.unwrap(), [result(0), bare_result]);
    assert_eq!(store.journal(0, 10).await.unwrap(), [entry(0)]);
    let snapshot = store.load().await.unwrap();
    assert_eq!(snapshot.alive, [task(0), bare]);
    assert_eq!(snapshot.workers, [worker(1), bare_worker]);
    assert_eq!(snapshot.settings, [("strategy".to_owned(), "ai".to_owned())]);
}

async fn a_repeat_changes_nothing(place: &Place) {
    let store = place.open().await;
    store.commit(&every_kind()).await.unwrap();
    let before = store.load().await.unwrap();
    for _ in 0..3 {
        store.commit(&every_kind()).await.unwrap();
    }
    assert_eq!(store.load().await.unwrap(), before);
    assert_eq!(store.tasks(&ALL).await.unwrap().len(), 1);
    assert_eq!(store.results(&ALL).await.unwrap().len(), 1);
    assert_eq!(store.journal(0, 10).await.unwrap().len(), 1);
}

async fn later_writes_replace_earlier_ones(place: &Place) {
    let store = place.open().await;
    store.commit(&every_kind()).await.unwrap();
    let mut changed = task(0);
    changed.request.command.clear();
    changed.assignment = None;
    changed.assigned_worker = None;
    changed.status = Status::Completed;
    let mut twice = changed.clone();
    twice.status = Status::Failed;
    let mut worker = worker(1);
    worker.is_active = false;
    let mut result = result(0);
    result.exit_code = 0;
    let mut entry = entry(0);
    entry.kind = "ended".to_owned();
    // Within one commit, too, the last one counts.
    let writes = [
        put(&changed),
        set("strategy", "fcfs"),
        put_worker(&worker),
        put_result(&result),
        put(&twice),
        set("strategy", "sjf"),
        Write::Journal(entry.clone()),
    ];
    store.commit(&writes).await.unwrap();
    assert_eq!(store.task("task-000000").await.unwrap(), Some(twice));
    assert_eq!(store.result("task-000000").await.unwrap(), Some(result));
    assert_eq!(store.journal(0, 10).await.unwrap(), [entry]);
    let snapshot = store.load().await.unwrap();
    assert_eq!(snapshot.workers, [worker]);
    assert_eq!(snapshot.settings, [("strategy".to_owned(), "sjf".to_owned())]);
    assert_eq!((snapshot.alive.len(), snapshot.completed, snapshot.failed), (0, 0, 1));
}

async fn a_commit_is_whole_or_not_at_all(place: &Place) {
    if !place.atomic {
        return;
    }
    let store = place.open().await;
    store.commit(&every_kind()).await.unwrap();
    let before = store.load().await.unwrap();
    // The second of two tasks of one index can't be written, wherever in the commit it stands.
    let mut broken = task(0);
    broken.task_id = "task-other".to_owned();
    let good = [
        put(&task(1)),
        put_worker(&worker(2)),
        put_result(&result(1)),
        set("k", "v"),
        Write::Journal(entry(1)),
    ];
    for place in 0..=good.len() {
        let mut writes = good.to_vec();
        writes.insert(place, put(&broken));
        let error = store.commit(&writes).await.unwrap_err();
        assert!(matches!(error, StoreError::Broken(_)), "{error:?}");
        assert_eq!(store.load().await.unwrap(), before);
        assert_eq!(store.task("task-000001").await.unwrap(), None);
        assert_eq!(store.result("task-000001").await.unwrap(), None);
        assert_eq!(store.journal(0, 10).await.unwrap().len(), 1);
    }
    // And it goes on.
    store.commit(&good).await.unwrap();
    assert_eq!(store.load().await.unwrap().next_index, 2);
}

async fn lists_are_filtered_ordered_and_limited(place: &Place) {
    let store = place.open().await;
    let mut writes = Vec::new();
    let mut tasks = Vec::new();
    let mut results = Vec::new();
    for index in 0..60 {
        let mut task = task(index);
        // Ties in time, and times that do not follow the order of submission.
        task.created_at_us = 1_700_000_000_000_000 + i64::from(index * 7 % 20);
        task.status = Status::ALL[index as usize % 5];
        task.request.user_id = format!("user-{}", index % 3);
        task.assigned_worker = (index % 4 > 0).then(|| format!("w-{}", index % 4));
        let mut result = result(index);
        result.completed_at_us = 1_700_000_000_000_000 + i64::from(index * 11 % 20);
        result.status = [Status::Completed, Status::Failed, Status::Cancelled][index as usize % 3];
        result.worker_id = task.assigned_worker.clone().unwrap_or_default();
        writes.extend([put(&task), put_result(&result)]);
        tasks.push(task);
        results.push(result);
    }
    store.commit(&writes).await.unwrap();
    tasks.sort_by_key(|task| std::cmp::Reverse((task.created_at_us, task.index)));
    results.sort_by_key(|result| std::cmp::Reverse((result.completed_at_us, result.task_id.clone())));
    let statuses = Status::ALL.map(Some).into_iter().chain([None]);
    for status in statuses {
        for user_id in [None, Some("user-1"), Some("nobody"), Some("")] {
            for worker_id in [None, Some("w-2"), Some("nowhere")] {
                for limit in [0, 1, 7, 60, 1000, usize::MAX] {
                    let filter = Filter {
                        status,
                        user_id: user_id.map(str::to_owned),
                        worker_id: worker_id.map(str::to_owned),
                        limit,
                    };
                    let expected: Vec<&TaskRecord> = tasks
                        .iter()
                        .filter(|task| status.is_none_or(|status| task.status == status))
                        .filter(|task| user_id.is_none_or(|user| task.request.user_id == user))
                        .filter(|task| {
                            worker_id.is_none_or(|worker| task.assigned_worker.as_deref() == Some(worker))
                        })
                        .take(limit)
                        .collect();
                    let found = store.tasks(&filter).await.unwrap();
                    assert_eq!(found.iter().collect::<Vec<_>>(), expected, "{filter:?}");
                    let expected: Vec<&ResultRecord> = results
                        .iter()
                        .filter(|result| status.is_none_or(|status| result.status == status))
                        .filter(|result| worker_id.is_none_or(|worker| result.worker_id == worker))
                        .take(limit)
                        .collect();
                    let found = store.results(&filter).await.unwrap();
                    assert_eq!(found.iter().collect::<Vec<_>>(), expected, "{filter:?}");
                }
            }
        }
    }
}

async fn a_load_has_what_a_master_needs(place: &Place) {
    let store = place.open().await;
    let mut alive = Vec::new();
    // Written in an order that is not that of the indexes.
    for index in (0..50).rev() {
        let mut task = task(index);
        task.status = Status::ALL[index as usize % 5];
        if !task.status.is_over() {
            alive.insert(0, task.clone());
        }
        let index = u64::from(index);
        let writes = [put(&task), Write::Journal(entry(100 + index)), set(&format!("key-{index:02}"), "x")];
        store.commit(&writes).await.unwrap();
    }
    let workers = [worker(0), worker(2), worker(11)];
    store.commit(&[&workers[2], &workers[0], &workers[1]].map(put_worker)).await.unwrap();
    let name = store.name();
    drop(store);
    let store = place.open().await;
    assert_eq!(store.name(), name);
    let snapshot = store.load().await.unwrap();
    assert_eq!(snapshot.alive, alive);
    assert_eq!(snapshot.workers, workers);
    let settings: Vec<_> = (0..50).map(|index| (format!("key-{index:02}"), "x".to_owned())).collect();
    assert_eq!(snapshot.settings, settings);
    assert_eq!((snapshot.next_index, snapshot.next_seq), (50, 150));
    assert_eq!((snapshot.completed, snapshot.failed, snapshot.cancelled), (10, 10, 10));
    // The highest index counts even if its task has ended.
    let mut last = task(70);
    last.status = Status::Completed;
    store.commit(&[put(&last)]).await.unwrap();
    let snapshot = store.load().await.unwrap();
    assert_eq!((snapshot.next_index, snapshot.completed), (71, 11));
}

async fn strings_of_every_kind(place: &Place) {
    let store = place.open().await;
    let long = "long \u{1F600} ".repeat(100_000);
    let strings = [
        "",
        " ",
        "Grüße, 世界, \u{1F469}\u{200D}\u{1F680}, e\u{301}",
        "$where",
        "a.b.c",
        "$",
        ".",
        "..a",
        "__proto__",
        "_id",
        "'; DROP TABLE tasks; --",
        "% _ * ? [a]",
        "line\nline\r\n\ttab \u{1} \u{1b}[31m \u{7f} \u{feff}",
        "\"quoted\" \\backslash\\ {\"json\": [1]}",
        "null",
        "\u{10FFFF}\u{E000}\u{FFFF}",
        &long,
    ];
    let everything: BTreeMap<String, String> =
        strings.iter().map(|&string| (string.to_owned(), string.to_owned())).collect();
    for (index, string) in (0..).zip(strings) {
        let mut task = task(index);
        task.task_id = format!("task-{string}");
        task.request.user_id = string.to_owned();
        task.request.name = string.to_owned();
        task.request.docker_image = string.to_owned();
        task.request.command = vec![string.to_owned(), String::new()];
        if string.len() < 1000 {
            task.request.labels.clone_from(&everything);
            task.request.env.clone_from(&everything);
        }
        task.assigned_worker = Some(string.to_owned());
        task.reason = Some(string.to_owned());
        let mut result = result(index);
        result.task_id.clone_from(&task.task_id);
        result.worker_id = string.to_owned();
        result.logs = string.to_owned();
        let mut worker = worker(index);
        worker.worker_id = string.to_owned();
        worker.labels = map(&[(string, string)]);
        let mut entry = entry(u64::from(index));
        entry.kind = string.to_owned();
        entry.data = json!({ string: string });
        let writes = [
            put(&task),
            put_result(&result),
            put_worker(&worker),
            set(string, string),
            Write::Journal(entry.clone()),
        ];
        store.commit(&writes).await.unwrap();
        let short: String = string.chars().take(40).collect();
        assert_eq!(store.task(&task.task_id).await.unwrap().as_ref(), Some(&task), "{short:?}");
        assert_eq!(store.result(&task.task_id).await.unwrap().as_ref(), Some(&result), "{short:?}");
        assert_eq!(store.journal(u64::from(index), 1).await.unwrap(), [entry], "{short:?}");
        let filter = Filter {
            user_id: Some(string.to_owned()),
            worker_id: Some(string.to_owned()),
            limit: 5,
            ..Filter::default()
        };
        assert_eq!(store.tasks(&filter).await.unwrap(), [task], "{short:?}");
        assert_eq!(store.results(&filter).await.unwrap(), [result], "{short:?}");
        let snapshot = store.load().await.unwrap();
        assert_eq!(snapshot.workers.last(), Some(&worker), "{short:?}");
        assert!(snapshot.settings.contains(&(string.to_owned(), string.to_owned())), "{short:?}");
    }
}

async fn numbers_at_their_limits(place: &Place) {
    let store = place.open().await;
    let times = [i64::MAX, i64::MAX - 1, 999, 0, -1, -999, i64::MIN + 1, i64::MIN];
    let amounts = [f64::MAX, 1.0 / 3.0, 0.1, f64::MIN_POSITIVE, 5e-324, 0.0, 9_007_199_254_740_993.0, 1e23];
    let mut tasks = Vec::new();
    let mut writes = Vec::new();
    for (place, (time, amount)) in (0..).zip(times.into_iter().zip(amounts)) {
        let mut task = task(u32::MAX - 1 - place);
        task.request.deadline_us = Some(time);
        task.request.cpu_cores = amount;
        task.request.estimate_s = Some(-amount);
        task.request.priority = if place % 2 == 0 { i32::MIN } else { i32::MAX };
        task.created_at_us = time;
        task.started_at_us = Some(time);
        task.completed_at_us = Some(time);
        task.exit_code = task.request.priority.into();
        task.attempt = u32::MAX;
        task.failed_starts = u32::MAX;
        if let Some(assignment) = &mut task.assignment {
            assignment.session = u64::MAX - u64::from(place);
            assignment.gpu_devices = vec![u32::MAX];
            assignment.assigned_at_us = time;
        }
        let mut result = result(place);
        result.completed_at_us = time;
        result.execution_time = amount;
        result.exit_code = i32::MIN;
        writes.extend([put(&task), put_result(&result)]);
        tasks.push(task);
    }
    let mut worker = worker(u32::MAX);
    worker.registration = u64::MAX;
    worker.last_heartbeat_us = Some(i64::MIN);
    worker.registered_at_us = i64::MAX;
    let mut late = entry(i64::MAX as u64 - 1);
    late.at_us = i64::MIN;
    writes.extend([put_worker(&worker), Write::Journal(late.clone())]);
    store.commit(&writes).await.unwrap();
    drop(store);
    let store = place.open().await;
    assert_eq!(store.tasks(&ALL).await.unwrap(), tasks);
    let ended: Vec<i64> =
        store.results(&ALL).await.unwrap().iter().map(|result| result.completed_at_us).collect();
    assert_eq!(ended, times);
    let snapshot = store.load().await.unwrap();
    tasks.reverse();
    assert_eq!(snapshot.alive, tasks);
    assert_eq!(snapshot.workers, [worker]);
    assert_eq!((snapshot.next_index, snapshot.next_seq), (u32::MAX, i64::MAX as u64));
    assert_eq!(store.journal(i64::MAX as u64 - 1, 5).await.unwrap(), [late]);
    assert_eq!(store.journal(u64::MAX, 5).await.unwrap(), []);
}

async fn the_journal_in_pages(place: &Place) {
    let store = place.open().await;
    let entries: Vec<JournalEntry> = (0..100).map(entry).collect();
    // Not in order, and with a hole.
    let mut writes: Vec<Write> = entries.iter().cloned().map(Write::Journal).collect();
    writes.remove(50);
    writes.reverse();
    store.commit(&writes).await.unwrap();
    assert_eq!(store.journal(0, 0).await.unwrap(), []);
    assert_eq!(store.journal(0, 3).await.unwrap(), entries[..3]);
    assert_eq!(store.journal(50, 2).await.unwrap(), entries[51..53]);
    assert_eq!(store.journal(98, 10).await.unwrap(), entries[98..]);
    assert_eq!(store.journal(100, 10).await.unwrap(), []);
    let mut seen = Vec::new();
    let mut from = 0;
    loop {
        let page = store.journal(from, 7).await.unwrap();
        let Some(last) = page.last() else { break };
        from = last.seq + 1;
        seen.extend(page);
    }
    assert_eq!(seen.len(), 99);
    assert!(seen.is_sorted_by_key(|entry| entry.seq));
    assert_eq!(store.journal(0, usize::MAX).await.unwrap(), seen);
}

async fn ten_thousand_tasks(place: &Place) {
    let store = place.open().await;
    let mut tasks: Vec<TaskRecord> = (0..10_001).map(task).collect();
    for part in tasks.chunks(500) {
        let writes: Vec<Write> = part.iter().map(put).collect();
        store.commit(&writes).await.unwrap();
    }
    assert_eq!(store.load().await.unwrap().alive, tasks);
    for task in &mut tasks[..10_000] {
        task.status = Status::Completed;
    }
    // One commit of more than some servers take in one message.
    let writes: Vec<Write> = tasks.iter().map(put).collect();
    store.commit(&writes).await.unwrap();
    drop(store);
    let store = place.open().await;
    let snapshot = store.load().await.unwrap();
    assert_eq!((snapshot.alive.len(), snapshot.completed, snapshot.next_index), (1, 10_000, 10_001));
    let filter = Filter { status: Some(Status::Completed), limit: 20, ..Filter::default() };
    let newest: Vec<TaskRecord> = tasks[9980..10_000].iter().rev().cloned().collect();
    assert_eq!(store.tasks(&filter).await.unwrap(), newest);
    assert_eq!(store.tasks(&ALL).await.unwrap().len(), 10_001);
}

async fn commits_at_the_same_time(place: &Place) {
    let store = place.open().await;
    let mut running = Vec::new();
    for index in 0..40 {
        let store = store.clone();
        running.push(tokio::spawn(async move {
            // All of them write to one setting, and each to records of its own.
            let writes = [put(&task(index)), put_result(&result(index)), set("last", &index.to_string())];
            store.commit(&writes).await.unwrap();
            assert_eq!(store.task(&task(index).task_id).await.unwrap(), Some(task(index)));
        }));
    }
    for commit in running {
        commit.await.unwrap();
    }
    let snapshot = store.load().await.unwrap();
    assert_eq!((snapshot.alive.len(), snapshot.settings.len()), (40, 1));
}

async fn a_commit_that_nobody_waits_for(place: &Place) {
    let store = place.open().await;
    let writes: Vec<Write> = (0..200).map(|index| put(&task(index))).collect();
    for micros in [0, 300, 1000, 3000, 10_000] {
        let patience = std::time::Duration::from_micros(micros);
        let _ = tokio::time::timeout(patience, store.commit(&writes)).await;
        let there = store.tasks(&ALL).await.unwrap().len();
        assert!(!place.atomic || there == 0 || there == writes.len(), "{there} of {} tasks", writes.len());
    }
    // The next ones find the store as if nothing had been.
    store.commit(&every_kind()).await.unwrap();
    store.commit(&writes).await.unwrap();
    assert_eq!(store.tasks(&ALL).await.unwrap().len(), writes.len());
}
