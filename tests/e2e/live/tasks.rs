use std::io::Write as _;
use std::process::Stdio;
use std::time::{Duration, Instant};

use super::processes::Cluster;
use crate::support::Ran;

#[test]
fn a_task_from_submission_to_its_log() {
    let cluster = Cluster::start(&["w1"]);
    let id = cluster
        .submit(&["--name", "first"], "echo out; echo err >&2; echo $CLOUDAI_TASK_ID $CLOUDAI_ATTEMPT");
    assert!(id.starts_with("task-"), "{id}");
    cluster.good(&["task", "wait", &id]);
    let logs = cluster.good(&["task", "logs", &id]);
    assert_eq!(logs.out, format!("out\n{id} 1\n"));
    assert_eq!(logs.err, "err\n");
    let task = cluster.document(&["task", "show", &id]);
    assert_eq!(
        (&task["status"], &task["exit_code"], &task["attempt"]),
        (&"completed".into(), &0.into(), &1.into())
    );
    assert_eq!(
        (&task["assigned_worker"], &task["user_id"], &task["name"]),
        (&"w1".into(), &"ada".into(), &"first".into())
    );
    let times = ["created_at_us", "started_at_us", "completed_at_us"].map(|key| task[key].as_i64().unwrap());
    assert!(times.is_sorted() && times[0] > 0, "{times:?}");
    let result = &cluster.document(&["results"])["results"][0];
    assert_eq!((&result["task_id"], &result["exit_code"]), (&id.as_str().into(), &0.into()));
    assert!(result["logs"].as_str().unwrap().contains("out\n"));
}

#[test]
fn exit_codes_and_refusals() {
    let cluster = Cluster::start(&["w1"]);
    let ran = cluster.run(&["task", "submit", "busybox", "--wait", "--command", "sh -c 'exit 3'"]);
    assert_eq!((ran.code, ran.out.contains("failed (3) on w1")), (Some(1), true), "{}", ran.out);
    for (args, message) in [
        (&["--cpu", "65"][..], "64"),
        (&["--memory", "513"], "512"),
        (&["--gpu", "1.5"], "1.5"),
        (&["--worker", "nobody"], "nobody"),
        (&["--command", "'open"], "command"),
    ] {
        let ran = cluster.run(&[&["task", "submit", "busybox"], args].concat());
        assert_eq!(ran.code, Some(2), "{args:?}: {}", ran.err);
        assert!(ran.err.contains(message), "{args:?}: {}", ran.err);
    }
    let ran = cluster.run(&["task", "submit", "no image!"]);
    assert_eq!(ran.code, Some(2), "{}", ran.err);
    for command in ["show", "logs", "cancel", "wait", "why"] {
        let ran = cluster.run(&["task", command, "task-none"]);
        assert_eq!((ran.code, ran.err.contains("task-none")), (Some(2), true), "{command}: {}", ran.err);
    }
}

#[test]
fn cancelling_ends_a_task_within_ten_seconds_whatever_it_does() {
    let cluster = Cluster::start(&["w1"]);
    let meek = cluster.submit(&[], "exec sleep 600");
    let stubborn = cluster.submit(&[], "trap '' TERM; while :; do sleep 1; done");
    let waiting = cluster.submit(&["--cpu", "4"], "true");
    cluster.until_status(&meek, "running");
    cluster.until_status(&stubborn, "running");
    let begun = Instant::now();
    cluster.good(&["task", "cancel", &meek, &stubborn, &waiting]);
    cluster.until_status(&meek, "cancelled");
    assert!(begun.elapsed() < Duration::from_secs(9), "{:?}", begun.elapsed());
    cluster.until_status(&stubborn, "cancelled");
    assert!(begun.elapsed() < Duration::from_secs(15), "{:?}", begun.elapsed());
    cluster.until_status(&waiting, "cancelled");
    assert_eq!(cluster.worker("w1")["used_cpu"], 0.0, "nothing is held any more");
}

#[test]
fn tasks_are_pinned_drained_and_explained() {
    let cluster = Cluster::start(&["w1", "w2"]);
    let pinned = cluster.submit(&["--worker", "w2"], "true");
    cluster.good(&["task", "wait", &pinned]);
    assert_eq!(cluster.document(&["task", "show", &pinned])["assigned_worker"], "w2");
    for worker in ["w1", "w2"] {
        assert!(cluster.good(&["workers", "drain", worker]).out.contains("draining"));
    }
    let id = cluster.submit(&[], "true");
    let why = cluster.document(&["task", "why", &id]);
    let reasons: Vec<&str> = why["workers"]
        .as_array()
        .unwrap()
        .iter()
        .map(|refusal| refusal["reason"].as_str().unwrap())
        .collect();
    assert!(reasons.len() == 2 && reasons.iter().all(|reason| reason.contains("drain")), "{why}");
    assert_eq!(cluster.status_of(&id), "pending");
    cluster.good(&["workers", "drain", "w1", "--undo"]);
    cluster.good(&["task", "wait", &id]);
    let large = cluster.submit(&["--cpu", "64"], "true");
    assert!(cluster.good(&["task", "why", &large]).out.contains("64"), "what no worker has is named");
}

#[test]
fn logs_are_followed_as_they_are_written() {
    let cluster = Cluster::start(&["w1"]);
    let id = cluster.submit(&[], "for n in 1 2 3; do echo $n; sleep 0.3; done");
    assert_eq!(cluster.good(&["task", "logs", "-f", &id]).out, "1\n2\n3\n");
}

#[test]
fn a_batch_is_taken_whole_or_not_at_all() {
    let cluster = Cluster::start(&["w1"]);
    let task = r#"{"docker_image": "busybox", "command": ["true"], "cpu_cores": 0.5}"#;
    cluster.place.write("good.json", &format!("[{}]", [task; 20].join(",")));
    cluster
        .place
        .write("bad.json", &format!("[{task}, {{\"docker_image\": \"busybox\", \"cpu_cores\": 65}}]"));
    let ran = cluster.good(&["task", "submit", "--file", "good.json", "--wait"]);
    assert_eq!(ran.out.matches("completed").count(), 20, "{}", ran.out);
    assert_eq!(cluster.run(&["task", "submit", "--file", "bad.json"]).code, Some(2));
    assert_eq!(cluster.document(&["task", "list"])["tasks"].as_array().unwrap().len(), 20);
}

#[test]
fn the_strategy_is_switched_while_tasks_run() {
    let cluster = Cluster::start(&["w1"]);
    assert_eq!(cluster.document(&["strategy"])["spec"], "ai");
    let id = cluster.submit(&[], "sleep 1");
    assert_eq!(cluster.document(&["strategy", "easy"])["spec"], "easy");
    cluster.good(&["task", "wait", &id]);
    assert_eq!(cluster.run(&["strategy", "nonsense"]).code, Some(2));
    assert_eq!(cluster.document(&["status"])["strategy"], "easy");
}

#[test]
fn each_command_of_the_console() {
    let cluster = Cluster::start(&["w1"]);
    let id = cluster.submit(&["--worker", "w1"], "echo hello");
    cluster.good(&["task", "wait", &id]);
    let lines = format!(
        "help\nstatus\nworkers\nregister gpu-7 10.0.0.7\ntask auto busybox -name n -command \"echo hi\"\nmonitor {id}\n\
         tasks\nresults\nlogs {id}\nwhy {id}\nstrategy\ndrain w1\ndrain w1 undo\nforget gpu-7\ncancel {id}\nexit\n"
    );
    let mut child = cluster
        .place
        .command(&["console", "--master", &cluster.address()])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(lines.as_bytes()).unwrap();
    let ran: Ran = child.wait_with_output().unwrap().into();
    for text in [
        "1 total, 1 active",
        "PROCESS",
        "gpu-7  registered",
        "hello\n",
        "completed",
        "w1  draining",
        "gpu-7  forgotten",
    ] {
        assert!(ran.out.contains(text), "{text:?} is not in {}\n{}", ran.out, ran.err);
    }
}
