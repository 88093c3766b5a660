//! The whole worker with real processes.

use std::time::{Duration, Instant};

use cloudai_proto::v1;
use cloudai_runtime::worker::{ExecutorKind, WorkerError, WorkerSettings, start};

use super::support::{PlayedMaster, task};

#[tokio::test]
async fn a_command_runs_and_its_end_and_output_are_reported() {
    let folder = tempfile::tempdir().unwrap();
    let master = PlayedMaster::start().await;
    let mut worker = master.worker(folder.path(), |_| {}).await;
    worker.run("echo", "echo out; echo err >&2; echo $CLOUDAI_TASK_ID.$CLOUDAI_ATTEMPT").await;
    let result = master.result("echo").await;
    assert_eq!((result.status.as_str(), result.exit_code), ("completed", 0));
    assert_eq!(result.logs, "out\necho.1\nerr\n");
    assert!(result.started_at_us > 0 && result.completed_at_us >= result.started_at_us);
    assert!(result.usage.unwrap().peak_memory > 0.0);
    assert_eq!(worker.logs("echo", false).await, ["out\necho.1\n", "err\n"]);

    worker.run("three", "exit 3").await;
    let result = master.result("three").await;
    assert_eq!((result.status.as_str(), result.exit_code), ("failed", 3));
    assert_eq!(result.reason, "exit code 3");

    worker.assign(task("nothing", &["/does/not/exist"])).await;
    let result = master.result("nothing").await;
    assert_eq!((result.status.as_str(), result.started_at_us), ("failed", 0));
    assert!(result.reason.contains("/does/not/exist"), "{}", result.reason);

    // Nothing is left but the output.
    assert_eq!(std::fs::read_dir(folder.path().join("worker/run")).unwrap().count(), 0);
    worker.worker.stop().await.unwrap();
}

#[tokio::test]
async fn output_is_followed_while_it_comes() {
    let folder = tempfile::tempdir().unwrap();
    let master = PlayedMaster::start().await;
    let mut worker = master.worker(folder.path(), |_| {}).await;
    worker.run("slow", "for i in 1 2 3 4 5; do echo $i; sleep 0.1; done").await;
    assert_eq!(worker.logs("slow", true).await[0], "1\n2\n3\n4\n5\n");
    let unknown = v1::LogRequest { task_id: "../lease".to_owned(), attempt: 1, follow: false };
    assert_eq!(worker.client.stream_logs(unknown).await.unwrap_err().code(), tonic::Code::NotFound);
}

#[tokio::test]
async fn what_does_not_stop_when_asked_is_killed_after_the_grace_period() {
    let folder = tempfile::tempdir().unwrap();
    let master = PlayedMaster::start().await;
    let mut worker = master.worker(folder.path(), |_| {}).await;
    // The sleep is a child of its own, and must go as well.
    worker.run("stubborn", "trap '' TERM; sleep 61; sleep 62").await;
    worker.run("polite", "trap 'echo bye; exit 0' TERM; echo ready; while :; do sleep 0.05; done").await;
    master.status("stubborn", "running").await;
    while !worker.logs("polite", false).await[0].contains("ready") {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    tokio::time::sleep(Duration::from_millis(100)).await;
    let begin = Instant::now();
    assert!(worker.cancel("stubborn").await.held);
    assert!(worker.cancel("polite").await.held);
    let polite = master.result("polite").await;
    assert_eq!(polite.status, "cancelled");
    assert!(polite.logs.starts_with("ready\nbye\n"), "{}", polite.logs);
    let stubborn = master.result("stubborn").await;
    assert_eq!((stubborn.status.as_str(), stubborn.exit_code), ("cancelled", 137));
    assert!(begin.elapsed() >= Duration::from_millis(500), "{:?}", begin.elapsed());
    assert!(begin.elapsed() < Duration::from_secs(5), "{:?}", begin.elapsed());
    assert!(!worker.cancel("stubborn").await.held);

    // Never heard of: and never will be.
    assert!(!worker.cancel("later").await.held);
    assert!(!worker.assign(task("later", &["/bin/true"])).await.accepted);
    // Of another session.
    worker.session += 1;
    assert!(worker.assign(task("stale", &["/bin/true"])).await.stale);
}

#[tokio::test]
async fn a_restarted_worker_finds_what_runs_and_what_has_ended_meanwhile() {
    let folder = tempfile::tempdir().unwrap();
    let master = PlayedMaster::start().await;
    let mut worker = master.worker(folder.path(), |_| {}).await;
    let go = folder.path().join("go");
    worker
        .run("long", &format!("echo begin; while ! [ -e {} ]; do sleep 0.05; done; exit 5", go.display()))
        .await;
    worker.run("short", "sleep 0.4; echo done; exit 4").await;
    master.status("long", "running").await;
    master.status("short", "running").await;
    let begin = Instant::now();
    worker.worker.stop().await.unwrap();
    assert!(begin.elapsed() < Duration::from_secs(1), "stopping is quick: {:?}", begin.elapsed());
    tokio::time::sleep(Duration::from_millis(800)).await;

    let mut worker = master.worker(folder.path(), |_| {}).await;
    let held = master.heard().registrations.last().unwrap().held.clone();
    let states: Vec<(&str, &str)> = held.iter().map(|t| (t.task_id.as_str(), t.status.as_str())).collect();
    assert_eq!(states, [("long", "running"), ("short", "ended")]);
    let short = master.result("short").await;
    assert_eq!((short.status.as_str(), short.exit_code, short.logs.as_str()), ("failed", 4, "done\n"));
    assert_eq!(worker.logs("long", false).await[0], "begin\n");
    std::fs::write(go, "").unwrap();
    assert_eq!(master.result("long").await.exit_code, 5);

    // And a found one can be stopped.
    worker.run("again", "sleep 63").await;
    master.status("again", "running").await;
    worker.worker.stop().await.unwrap();
    let mut worker = master.worker(folder.path(), |_| {}).await;
    assert!(worker.cancel("again").await.held);
    assert_eq!(master.result("again").await.status, "cancelled");
}

#[tokio::test]
async fn a_result_is_kept_until_it_is_stored_through_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let master = PlayedMaster::start().await;
    let mut worker = master.worker(folder.path(), |_| {}).await;
    master.heard().stores = false;
    worker.run("kept", "exit 6").await;
    master.until("three reports", |heard| (heard.results.len() >= 3).then_some(())).await;
    worker.worker.stop().await.unwrap();
    master.heard().results.clear();
    let worker = master.worker(folder.path(), |_| {}).await;
    assert_eq!(master.result("kept").await.exit_code, 6);
    master.heard().stores = true;
    master
        .until("an empty inventory", |heard| heard.beats.last()?.running_tasks.is_empty().then_some(()))
        .await;
    worker.worker.stop().await.unwrap();
}

#[tokio::test]
async fn a_worker_that_is_cut_off_stops_what_it_must_and_comes_back() {
    let folder = tempfile::tempdir().unwrap();
    let master = PlayedMaster::start().await;
    master.heard().lease_s = 1.0;
    let mut worker = master.worker(folder.path(), |_| {}).await;
    worker.run("stops", "sleep 64").await;
    let keep = v1::Task { on_disconnect: "keep".to_owned(), ..task("keeps", &["sleep", "65"]) };
    assert!(worker.assign(keep).await.accepted);
    master.status("keeps", "running").await;
    master.status("stops", "running").await;
    master.heard().silent = true;
    tokio::time::sleep(Duration::from_millis(1500)).await;
    assert!(worker.assign(task("late", &["/bin/true"])).await.stale);
    master.heard().silent = false;
    let stopped = master.result("stops").await;
    assert_eq!((stopped.status.as_str(), stopped.reason.as_str()), ("cancelled", "cut off from the master"));
    master.status("keeps", "running").await;
    let sessions: Vec<u64> = master.heard().registrations.iter().map(|info| info.registration).collect();
    assert!(sessions.len() > 1 && sessions.is_sorted(), "{sessions:?}");
    worker.cancel("keeps").await;
    master.result("keeps").await;
}

#[tokio::test]
async fn two_workers_cannot_share_a_folder_or_an_id() {
    let folder = tempfile::tempdir().unwrap();
    let master = PlayedMaster::start().await;
    let worker = master.worker(folder.path(), |_| {}).await;
    let mut settings = WorkerSettings::default();
    settings.data_dir = folder.path().to_owned();
    settings.listen.set_port(0);
    settings.executor = ExecutorKind::Emulated;
    let refused = start(settings.clone()).await.unwrap_err();
    assert!(matches!(refused, WorkerError::InUse { .. }), "{refused}");
    worker.worker.stop().await.unwrap();

    master.heard().taken = true;
    settings.master = master.address.to_string();
    let refused = start(settings).await.unwrap().wait().await.unwrap_err();
    assert!(refused.to_string().contains("another worker with this id is alive"), "{refused}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn thousands_of_emulated_tasks_run_at_once() {
    const TASKS: usize = 3000;
    let folder = tempfile::tempdir().unwrap();
    let master = PlayedMaster::start().await;
    let worker = master.worker(folder.path(), |s| s.executor = ExecutorKind::Emulated).await;
    let begin = Instant::now();
    let mut calls = tokio::task::JoinSet::new();
    for index in 0..TASKS {
        let mut client = worker.client.clone();
        let task = v1::Task { session: worker.session, emulated_s: 1.0, ..task(&format!("t{index}"), &[]) };
        calls.spawn(async move { client.assign_task(task).await.unwrap().into_inner().accepted });
    }
    assert!(calls.join_all().await.into_iter().all(|accepted| accepted));
    let assigned = begin.elapsed();
    master.until("all results", |heard| (heard.results.len() >= TASKS).then_some(())).await;
    println!(
        "{TASKS} emulated tasks of one second: accepted in {assigned:?}, reported after {:?}",
        begin.elapsed()
    );
    master
        .until("an empty inventory", |heard| heard.beats.last()?.running_tasks.is_empty().then_some(()))
        .await;
    worker.worker.stop().await.unwrap();
}

#[tokio::test]
async fn what_a_killed_worker_leaves_does_not_outlive_the_lease() {
    let folder = tempfile::tempdir().unwrap();
    let master = PlayedMaster::start().await;
    master.heard().lease_s = 2.0;
    let (mut process, session, mut client) = master.worker_process(folder.path(), "process").await;
    let stops = v1::Task { session, ..task("stops", &["sleep", "66"]) };
    assert!(client.assign_task(stops).await.unwrap().into_inner().accepted);
    let keeps = v1::Task { session, on_disconnect: "keep".to_owned(), ..task("keeps", &["sleep", "67"]) };
    assert!(client.assign_task(keeps).await.unwrap().into_inner().accepted);
    master.status("stops", "running").await;
    master.status("keeps", "running").await;
    process.kill().unwrap();
    process.wait().unwrap();
    let killed = Instant::now();
    let ended = folder.path().join("worker/run/stops.1/ended");
    while !ended.exists() {
        assert!(killed.elapsed() < Duration::from_secs(10), "it runs on");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(killed.elapsed() > Duration::from_secs(1), "before the end of the lease: {:?}", killed.elapsed());

    let mut worker = master.worker(folder.path(), |_| {}).await;
    let stopped = master.result("stops").await;
    assert_eq!((stopped.status.as_str(), stopped.reason.as_str()), ("cancelled", "cut off from the master"));
    master.status("keeps", "running").await;
    worker.cancel("keeps").await;
    assert_eq!(master.result("keeps").await.status, "cancelled");
    worker.worker.stop().await.unwrap();
}
