use std::time::Duration;

use super::processes::{Cluster, until};

#[test]
fn nothing_acknowledged_is_lost_when_the_master_is_killed() {
    let mut cluster = Cluster::start(&["w1"]);
    let running = cluster.submit(&[], "sleep 3; echo survived");
    cluster.until_status(&running, "running");
    let waiting = cluster.submit(&["--cpu", "4"], "echo later");
    cluster.kill_master();
    std::thread::sleep(Duration::from_millis(500));
    cluster.start_master();
    cluster.good(&["task", "wait", &running, &waiting]);
    let task = cluster.document(&["task", "show", &running]);
    assert_eq!(
        (&task["status"], &task["attempt"]),
        (&"completed".into(), &1.into()),
        "it was found again, not started again"
    );
    assert_eq!(cluster.good(&["task", "logs", &running]).out, "survived\n");
}

#[test]
fn a_result_that_the_master_missed_is_kept_for_it() {
    let mut cluster = Cluster::start(&["w1"]);
    let id = cluster.submit(&[], "sleep 1; exit 3");
    cluster.until_status(&id, "running");
    cluster.kill_master();
    std::thread::sleep(Duration::from_secs(2));
    cluster.start_master();
    cluster.until_status(&id, "failed");
    let task = cluster.document(&["task", "show", &id]);
    assert_eq!((&task["exit_code"], &task["attempt"]), (&3.into(), &1.into()));
}

#[test]
fn a_task_of_a_worker_that_is_gone_is_started_elsewhere_after_the_lease() {
    let mut cluster = Cluster::start(&["w1"]);
    let id = cluster.submit(&[], "sleep 1; echo done");
    cluster.until_status(&id, "running");
    cluster.kill_worker("w1");
    until("the worker is missed", || cluster.worker("w1")["state"] == "unreachable");
    cluster.start_worker("w2", &["--executor", "process", "--cpu", "4", "--memory", "8"]);
    cluster.good(&["task", "wait", &id]);
    let task = cluster.document(&["task", "show", &id]);
    assert_eq!((&task["assigned_worker"], &task["attempt"]), (&"w2".into(), &2.into()));
}

#[test]
fn a_task_to_be_kept_waits_for_its_worker_or_for_a_word() {
    let mut cluster = Cluster::start(&["w1"]);
    let id = cluster.submit(&["--on-disconnect", "keep"], "sleep 30");
    cluster.until_status(&id, "running");
    cluster.kill_worker("w1");
    cluster.start_worker("w2", &["--executor", "process", "--cpu", "4", "--memory", "8"]);
    std::thread::sleep(Duration::from_secs(6));
    assert_eq!(
        cluster.document(&["task", "show", &id])["attempt"],
        1,
        "the lease is over, and it is not started elsewhere"
    );
    cluster.good(&["workers", "forget", "w1"]);
    until("it is started elsewhere", || cluster.document(&["task", "show", &id])["assigned_worker"] == "w2");
    cluster.good(&["task", "cancel", &id]);
}

#[test]
fn a_second_worker_of_the_same_id_is_refused() {
    let cluster = Cluster::start(&["w1"]);
    let master = cluster.address();
    let args =
        ["worker", "--worker-id", "w1", "--master", &master, "--worker-port", ":0", "--data-dir", "other"];
    let ran = cluster.place.run(&[&args[..], &["--executor", "process"]].concat());
    assert_eq!(ran.code, Some(1), "{}", ran.err);
    assert!(ran.err.contains("w1"), "{}", ran.err);
    assert_eq!(cluster.worker("w1")["state"], "active");
}

#[test]
fn a_master_ends_in_order() {
    let cluster = Cluster::start(&["w1"]);
    let id = cluster.submit(&[], "sleep 600");
    cluster.until_status(&id, "running");
    cluster.good(&["task", "cancel", &id]);
    cluster.until_status(&id, "cancelled");
    // Dropping the cluster asks all of its processes to end, and waits.
}
