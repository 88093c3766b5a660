//! Tasks in real containers. Skipped where there is no Docker Engine, unless `CLOUDAI_TEST_REQUIRE` has `docker`.

use std::path::Path;
use std::time::{Duration, Instant};

use super::processes::{Cluster, until};

#[path = "../../../runtime/tests/it/worker/docker_support.rs"]
mod docker_support;

use docker_support::{docker, docker_image};

const DOCKER: &[&str] = &["--executor", "docker", "--cpu", "4", "--memory", "8"];

/// A cluster whose workers run containers, and the image for them.
fn cluster(workers: &[&str]) -> Option<(Cluster, &'static str)> {
    let image = docker_image(&std::env::temp_dir())?;
    let mut cluster =
        Cluster::with(&[], &[("HEARTBEAT_INTERVAL", "200ms"), ("INACTIVE_AFTER", "2s"), ("LEASE", "30s")]);
    for worker in workers {
        cluster.start_worker(worker, DOCKER);
    }
    Some((cluster, image))
}

fn submit(cluster: &Cluster, image: &str, flags: &[&str], script: &str) -> String {
    let args = [&["task", "submit", image], flags, &["--", "sh", "-c", script]].concat();
    cluster.good(&args).out.trim().to_owned()
}

/// The containers of a task, running or not.
fn containers(task_id: &str) -> Vec<String> {
    let listed = docker(&["ps", "-aq", "--filter", &format!("label=cloudai.task={task_id}")]);
    listed.lines().map(str::to_owned).collect()
}

#[test]
fn a_container_runs_and_its_output_and_exit_code_are_kept() {
    let Some((cluster, image)) = cluster(&["w1"]) else { return };
    let script = "echo out; echo err >&2; echo $CLOUDAI_TASK_ID $CLOUDAI_ATTEMPT $GREETING; exit 7";
    let id = submit(&cluster, image, &["--env", "GREETING=hello", "--memory", "0.25"], script);
    cluster.until_status(&id, "failed");
    let task = cluster.document(&["task", "show", &id]);
    assert_eq!((&task["exit_code"], &task["assigned_worker"]), (&7.into(), &"w1".into()));
    let logs = cluster.good(&["task", "logs", &id]);
    assert!(logs.out.contains("out\n") && logs.out.contains(&format!("{id} 1 hello\n")), "{}", logs.out);
    assert!(logs.out.contains("err\n") || logs.err.contains("err\n"), "{} {}", logs.out, logs.err);
    until("the container is removed", || containers(&id).is_empty());
}

#[test]
fn limits_are_enforced() {
    let Some((cluster, image)) = cluster(&["w1"]) else { return };
    let id = submit(&cluster, image, &["--cpu", "0.5", "--memory", "0.0625"], "sleep 60");
    cluster.until_status(&id, "running");
    let container = containers(&id).remove(0);
    let format = "{{.HostConfig.NanoCpus}} {{.HostConfig.Memory}} {{.HostConfig.MemorySwap}} {{.HostConfig.PidsLimit}} \
                  {{.HostConfig.SecurityOpt}}";
    let limits = docker(&["inspect", "--format", format, &container]);
    assert_eq!(limits, "500000000 67108864 67108864 1024 [no-new-privileges]");
    cluster.good(&["task", "cancel", &id]);

    // `tail` keeps a line for as long as it does not end.
    let hungry = submit(&cluster, image, &["--memory", "0.03125"], "tail /dev/zero");
    cluster.until_status(&hungry, "failed");
    let task = cluster.document(&["task", "show", &hungry]);
    let reason = task["reason"].as_str().unwrap();
    assert!(reason.contains("out of memory") && reason.contains("32"), "{reason}");
    cluster.until_status(&id, "cancelled");
}

#[test]
fn a_container_is_stopped_within_ten_seconds_or_killed_after_them() {
    let Some((cluster, image)) = cluster(&["w1"]) else { return };
    let mild = submit(&cluster, image, &[], "trap 'echo bye; exit 0' TERM; while true; do sleep 0.1; done");
    let deaf = submit(&cluster, image, &[], "trap '' TERM; while true; do sleep 0.1; done");
    cluster.until_status(&mild, "running");
    cluster.until_status(&deaf, "running");
    let begun = Instant::now();
    cluster.good(&["task", "cancel", &mild, &deaf]);
    cluster.until_status(&mild, "cancelled");
    let took = begun.elapsed();
    assert!(took < Duration::from_secs(10), "{took:?}");
    assert!(cluster.good(&["task", "logs", &mild]).out.contains("bye"));
    cluster.until_status(&deaf, "cancelled");
    let took = begun.elapsed();
    assert!((Duration::from_secs(9)..Duration::from_secs(25)).contains(&took), "{took:?}");
}

#[test]
fn an_image_that_does_not_exist_fails_the_task_and_says_so() {
    let Some((cluster, _)) = cluster(&["w1"]) else { return };
    // Nobody serves a registry there: it is tried again, and then given up.
    let id = submit(&cluster, "127.0.0.1:1/no/such:image", &[], "true");
    cluster.until_status(&id, "failed");
    let task = cluster.document(&["task", "show", &id]);
    let reason = task["reason"].as_str().unwrap();
    assert!(reason.contains("127.0.0.1:1/no/such:image"), "{reason}");
    assert_eq!(task["exit_code"], serde_json::Value::Null);
}

#[test]
fn a_worker_that_starts_again_finds_its_containers() {
    let Some((mut cluster, image)) = cluster(&["w1"]) else { return };
    let id = submit(&cluster, image, &[], "sleep 4; echo survived");
    cluster.until_status(&id, "running");
    cluster.kill_worker("w1");
    std::thread::sleep(Duration::from_millis(500));
    cluster.start_worker("w1", DOCKER);
    let while_away = submit(&cluster, image, &[], "echo next");
    cluster.good(&["task", "wait", &id, &while_away]);
    let task = cluster.document(&["task", "show", &id]);
    assert_eq!((&task["status"], &task["attempt"]), (&"completed".into(), &1.into()));
    assert_eq!(cluster.good(&["task", "logs", &id]).out, "survived\n");
}

#[test]
fn a_master_that_starts_again_finds_running_containers() {
    let Some((mut cluster, image)) = cluster(&["w1", "w2"]) else { return };
    let ids = ["w1", "w2"].map(|worker| submit(&cluster, image, &["--worker", worker], "sleep 3; hostname"));
    for id in &ids {
        cluster.until_status(id, "running");
    }
    cluster.kill_master();
    cluster.start_master();
    cluster.good(&["task", "wait", &ids[0], &ids[1]]);
    for (id, worker) in ids.iter().zip(["w1", "w2"]) {
        let task = cluster.document(&["task", "show", id]);
        assert_eq!((&task["attempt"], &task["assigned_worker"]), (&1.into(), &worker.into()));
    }
}

#[test]
fn the_quick_start_of_the_readme() {
    let Some((cluster, image)) = cluster(&["w1"]) else { return };
    assert!(Path::new("README.md").exists(), "tests run in the repository's root");
    let ran = cluster.good(&["task", "submit", image, "--wait", "--", "echo", "hello from a container"]);
    let id = ran.out.split_whitespace().next().unwrap();
    assert_eq!(cluster.good(&["task", "logs", id]).out, "hello from a container\n");
}
