//! `cloudai validate`: what it answers, and with which exit code.

use crate::support::{Place, Ran, bundled};

const WORKERS: &str = "worker_id,total_cpu,total_memory,total_storage,total_gpu\npool,4,8,10,0\n";
const TASKS: &str = "task_id,arrival_s,duration_s,cpu_cores,estimate_s\n\
    running,0,10,3,10\nwide,1,10,4,10\nsmall,2,9,1,9\n";

fn place(schedule: &str) -> Place {
    let place = Place::new();
    place.write("s/workers.csv", WORKERS);
    place.write("s/tasks.csv", TASKS);
    place.write("theirs.csv", schedule);
    place
}

fn validate(place: &Place, more: &[&str]) -> Ran {
    place.run(&[&["validate", "theirs.csv", "--scenario", "s"], more].concat())
}

/// `small` keeps the head from starting at 10 s.
const BROKEN: &str = "job_id,start,end\nrunning,0,10\nsmall,2,11\nwide,11,21\n";

#[test]
fn every_strategy_holds_on_every_bundled_scenario() {
    let place = Place::new();
    for scenario in ["mixed-100x5", "ml-60x4", "dag-80x4"] {
        let path = bundled(scenario);
        place.good(&["simulate", &path, "--strategy", "all", "--no-plots", "--out", scenario]);
        let mut strategies = 0;
        for entry in std::fs::read_dir(place.path(scenario)).unwrap() {
            let file = entry.unwrap().path().join("assignments.csv");
            if file.exists() {
                let ran = place.run(&["validate", file.to_str().unwrap(), "--scenario", &path]);
                assert_eq!(ran.code, Some(0), "{}{}", ran.out, ran.err);
                assert!(ran.out.ends_with("the schedule holds\n") && ran.err.is_empty(), "{}", ran.out);
                strategies += 1;
            }
        }
        assert!(strategies >= 12, "{scenario}: {strategies}");
    }
}

#[test]
fn a_schedule_that_holds_ends_with_0_and_one_that_does_not_with_1() {
    let place = place(BROKEN);
    let ran = validate(&place, &["--rules", "work_conserving"]);
    assert_eq!((ran.code, ran.err.as_str()), (Some(0), ""));
    let ran = validate(&place, &["--rules", "easy,fcfs"]);
    assert_eq!((ran.code, ran.err.as_str()), (Some(1), "error: the schedule does not hold: 2 violations\n"));
    insta::assert_snapshot!("validate-broken", ran.out);
    let one = validate(&place, &["--rules", "easy,fcfs", "--first", "1"]).out;
    assert!(one.contains("first 1 of 2 violations:\n"), "{one}");
    place.write("nodes.csv", WORKERS);
    place.write("jobs.csv", TASKS);
    let files = ["validate", "theirs.csv", "--tasks", "jobs.csv", "--workers", "nodes.csv"];
    assert_eq!(place.run(&files).code, Some(0));
}

#[test]
fn settings_change_what_is_right() {
    let place = place("task_id,start_s,end_s\nrunning,0,10\nwide,10,20\nsmall,2,11\n");
    assert_eq!(validate(&place, &[]).code, Some(1), "small runs beside wide");
    place.write("theirs.csv", "task_id,start_s,end_s\nrunning,0,5\nwide,5,15\nsmall,15,24\n");
    place.write("s/tasks.csv", &TASKS.replace("running,0,10,3,10", "running,0,10,3,5"));
    assert_eq!(validate(&place, &[]).code, Some(1));
    assert_eq!(validate(&place, &["--kill-at-estimate"]).code, Some(0));
    assert_eq!(validate(&place, &["--set", "kill_at_estimate=true"]).code, Some(0));
}

#[test]
fn machines_get_json() {
    let place = place(BROKEN);
    let ran = validate(&place, &["--rules", "easy", "--json"]);
    assert_eq!(ran.code, Some(1));
    let verdict: serde_json::Value = serde_json::from_str(&ran.out).unwrap();
    assert_eq!((&verdict["holds"], &verdict["violation_count"]), (&false.into(), &1.into()));
    let violation = &verdict["violations"][0];
    let told = [&violation["check"], &violation["task"], &violation["line"], &violation["time_s"]];
    assert_eq!(told, [&"easy".into(), &"small".into(), &3.into(), &serde_json::Value::from(2.0)]);
    let easy = verdict["checks"].as_array().unwrap().iter().find(|check| check["check"] == "easy").unwrap();
    assert_eq!(
        (&easy["checked"], &easy["unit"], &easy["violations"]),
        (&1.into(), &"overtakes".into(), &1.into())
    );
}

#[test]
fn wrong_usage_and_input_end_with_2() {
    let place = place("task_id,start_s,end_s\nrunning,zero,10\nwide,1,\n");
    for (more, expected) in [
        (&["--rules", ""][..], "error: unknown rule ''; expected some of fcfs, easy, "),
        (&["--rules", "fifo"], "error: unknown rule 'fifo'; expected some of fcfs, easy, conservative, "),
        (&[], "error: theirs.csv:2: start_s: \"zero\": is not a number; expected seconds, 0 to 10^11\n"),
        (&["--estimates", "none", "--rules", "easy"], "error: theirs.csv:2: start_s"),
        (&["--set", "seed"], "error: --set seed: expected KEY=VALUE"),
    ] {
        let ran = validate(&place, more);
        assert_eq!((ran.code, ran.out.as_str()), (Some(2), ""), "{}", ran.err);
        assert!(ran.err.starts_with(expected), "{}", ran.err);
    }
    place.write("theirs.csv", BROKEN);
    let ran = validate(&place, &["--estimates", "none", "--rules", "easy"]);
    assert_eq!((ran.code, ran.out.as_str()), (Some(2), ""), "{}", ran.err);
    assert!(ran.err.starts_with("error: rule easy cannot be checked: "), "{}", ran.err);
    assert_eq!(place.run(&["validate", "theirs.csv"]).code, Some(2), "no scenario");
    assert_eq!(place.run(&["validate", "none.csv", "--scenario", "s"]).code, Some(2));
}

#[test]
fn a_packed_schedule_is_unpacked() {
    use std::io::Write;
    let place = place("");
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    packed.write_all(BROKEN.as_bytes()).unwrap();
    let bytes = packed.finish().unwrap();
    std::fs::write(place.path("theirs.csv.gz"), &bytes).unwrap();
    let ran = place.run(&["validate", "theirs.csv.gz", "--scenario", "s"]);
    assert_eq!(ran.code, Some(0), "{}{}", ran.out, ran.err);
    std::fs::write(place.path("theirs.csv.gz"), &bytes[..bytes.len() / 2]).unwrap();
    let ran = place.run(&["validate", "theirs.csv.gz", "--scenario", "s"]);
    assert_eq!(ran.code, Some(2));
    assert!(ran.err.starts_with("error: theirs.csv.gz:"), "{}", ran.err);
    assert!(ran.err.contains("cannot be read"), "{}", ran.err);
}
