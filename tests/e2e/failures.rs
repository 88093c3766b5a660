//! Workers that fail, from outside: `faults.csv`, its errors, the settings of failures, and preemption.

use serde_json::Value;

use crate::support::{Place, bundled, files};

const WORKERS: &str = "worker_id,total_cpu,total_memory,total_storage,total_gpu\nw0,1,8,10,0\nw1,1,8,10,0\n";
const TASKS: &str = "task_id,arrival_s,duration_s,priority,replicas\na,0,10,0,1\nb,1,5,3,2\nc,2,4,1,1\n";

fn scenario(faults: &str, settings: &str) -> Place {
    let place = Place::new();
    place.write("s/workers.csv", WORKERS);
    place.write("s/tasks.csv", TASKS);
    place.write("s/faults.csv", &format!("time_s,worker_id,event\n{faults}"));
    place.write("s/scenario.toml", settings);
    place
}

#[test]
fn a_trace_of_failures_is_followed_and_reported() {
    let place = scenario("4,w0,down\n9,w0,up\n", "");
    place.good(&["simulate", "s", "--strategy", "fcfs", "--out", "r"]);
    let rows = std::fs::read_to_string(place.path("r/fcfs/assignments.csv")).unwrap();
    assert_eq!(
        rows,
        "task_id,worker_id,gpu_devices,attempt,arrival_s,start_s,end_s,wait_s,status\n\
         a,w0,,1,0,0,4,0,lost\na,w1,,2,0,4,14,4,completed\nb,w0;w1,,1,1,14,19,13,completed\n\
         c,w0,,1,2,19,23,17,completed\n"
    );
    let metrics = std::fs::read_to_string(place.path("r/fcfs/metrics.json")).unwrap();
    let metrics: Value = serde_json::from_str(&metrics).unwrap();
    assert_eq!((&metrics["attempts_lost"], &metrics["work_lost_s"]), (&Value::from(1), &Value::from(4.0)));
    assert!((metrics["availability"].as_f64().unwrap() - 41.0 / 46.0).abs() < 1e-12, "{metrics}");
}

#[test]
fn bad_rows_are_named_with_line_column_value_and_expectation() {
    for (faults, says) in [
        ("4,w0,down\n3,w0,up\n", "s/faults.csv:3: time_s: \"3\": is before the row above, at 4 s; expected"),
        ("4,w9,down\n", "s/faults.csv:2: worker_id: \"w9\": unknown worker; expected the id of a worker"),
        (
            "4,w0,broken\n",
            "s/faults.csv:2: event: \"broken\": unknown event; expected down, up, drain or join",
        ),
        (
            "4,w0,up\n",
            "s/faults.csv:2: event: \"up\": cannot happen to worker \"w0\", which is up then; expected",
        ),
        (
            "4,w0,down\n5,w0,join\n",
            "s/faults.csv:3: event: \"join\": cannot happen to worker \"w0\", which is down",
        ),
        ("soon,w0,down\n", "s/faults.csv:2: time_s: \"soon\": is not a number; expected seconds"),
        ("4,w0\n", "s/faults.csv:2: "),
    ] {
        let place = scenario(faults, "");
        let ran = place.run(&["simulate", "s"]);
        assert_eq!((ran.code, ran.out.as_str()), (Some(2), ""), "{faults}: {}", ran.err);
        assert!(ran.err.contains(says), "{says:?} is not in: {}", ran.err);
        assert_eq!(place.names(), ["s"], "nothing is written");
    }
    let ran = scenario("", "").run(&["simulate", "s", "--set", "max_retries=often"]);
    assert_eq!(ran.code, Some(2));
    assert!(ran.err.contains("max_retries: \"often\": expected a whole number"), "{}", ran.err);
}

#[test]
fn tasks_that_cannot_run_any_more_are_named() {
    // The gang needs both workers.
    let place = scenario("4,w0,down\n", "");
    let ran = place.run(&["simulate", "s", "--strategy", "first_fit"]);
    assert_eq!((ran.code, ran.out.as_str()), (Some(1), ""), "{}", ran.err);
    assert!(ran.err.contains("left 1 task unscheduled for ever"), "{}", ran.err);
    assert!(ran.err.contains("b (queued)"), "{}", ran.err);
}

#[test]
fn what_fails_and_what_is_stopped_passes_validation() {
    let settings =
        "stop_latency_s = 0.5\ncheckpoint = true\ncheckpoint_interval_s = 2\nrestart_overhead_s = 0.25\n";
    let place = scenario("3,w0,drain\n4,w1,down\n6,w1,up\n6.5,w0,up\n9,w0,down\n9.5,w0,up\n", settings);
    place.good(&["simulate", "s", "--strategy", "all", "--out", "r"]);
    for strategy in ["fcfs", "first_fit", "priority_preemption", "srpt", "las"] {
        place.good(&["validate", &format!("r/{strategy}/assignments.csv"), "--scenario", "s"]);
    }
}

#[test]
fn one_thread_or_two_make_the_same_failures() {
    let place = Place::new();
    let scenario = bundled("mixed-100x5");
    let mut args =
        vec!["simulate", &scenario, "--strategy", "all", "--no-plots", "--out", "r", "--seed", "3"];
    for setting in
        ["mtbf_s=120", "mttr_s=20", "stop_latency_s=2", "checkpoint=true", "checkpoint_interval_s=30"]
    {
        args.extend(["--set", setting]);
    }
    let run = |jobs| {
        place.good(&[&args[..], &["--jobs", jobs]].concat());
        let mut files = files(&place.path("r"));
        files.remove("timing.json");
        files
    };
    let one = run("1");
    assert!(one == run("2"));
    let comparison = String::from_utf8_lossy(&one["comparison.csv"]).into_owned();
    let fcfs = comparison.lines().find(|line| line.starts_with("fcfs,")).unwrap();
    let header: Vec<&str> = comparison.lines().next().unwrap().split(',').collect();
    let lost = header.iter().position(|&name| name == "attempts_lost").unwrap();
    assert_ne!(fcfs.split(',').nth(lost), Some("0"), "{comparison}");
}
