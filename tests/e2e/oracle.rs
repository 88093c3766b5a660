//! `cloudai oracle`, and `cloudai simulate --oracle`.

use serde_json::Value;

use crate::support::{Place, bundled, names};

#[test]
fn the_bundled_mixed_scenario_is_solved_and_proved() {
    let place = Place::new();
    let ran = place.good(&["oracle", &bundled("mixed-100x5"), "--schedules", "20000"]);
    assert!(ran.out.contains("best found  172.093 s"), "{}", ran.out);
    assert!(ran.out.contains("gap         1: optimal"), "{}", ran.out);
    assert!(ran.out.contains("CLAIRVOYANT"), "{}", ran.out);
}

#[test]
fn the_report_holds_the_schedule_and_is_the_same_each_time() {
    let place = Place::new();
    let run = |out: &str| {
        let scenario = bundled("dag-80x4");
        let args =
            ["oracle", &scenario, "--objective", "mean_turnaround", "--schedules", "400", "--no-plots"];
        place.good(&[&args[..], &["--out", out, "--json"]].concat()).out
    };
    let (first, second) = (run("first"), run("second"));
    assert_eq!(first, second);
    let told: Value = serde_json::from_str(&first).unwrap();
    assert!(told["bound_s"].as_f64() <= told["best_s"].as_f64());
    assert_eq!((&told["reproducible"], &told["objective"]), (&true.into(), &"mean_turnaround".into()));
    let listed = ["comparison.csv", "index.html", "oracle", "oracle.json", "report.json"];
    assert_eq!(names(&place.path("first")), listed);
    for file in ["oracle.json", "report.json", "oracle/assignments.csv"] {
        let read = |folder: &str| std::fs::read(place.path(folder).join(file)).unwrap();
        assert_eq!(read("first"), read("second"), "{file}");
    }
    // The schedule's own metrics say what was found, and a report may be replaced.
    let metrics = std::fs::read_to_string(place.path("first/oracle/metrics.json")).unwrap();
    let metrics: Value = serde_json::from_str(&metrics).unwrap();
    assert_eq!(metrics["mean_turnaround_s"], told["best_s"]);
    assert_eq!(run("first"), first);
}

#[test]
fn simulate_says_how_far_from_the_best_known_each_strategy_is() {
    let place = Place::new();
    let args = ["simulate", &bundled("mixed-100x5"), "--oracle", "-s", "ai,fcfs", "--no-plots", "--json"];
    let metrics: Vec<Value> = serde_json::from_str(&place.good(&args).out).unwrap();
    for metrics in &metrics {
        assert_eq!(metrics["best_known_s"], 172.093);
        assert_eq!(metrics["best_known_bound_s"], 172.093);
        let gap = metrics["makespan_s"].as_f64().unwrap() / 172.093;
        assert!((metrics["gap_to_best_known"].as_f64().unwrap() - gap).abs() < 1e-12);
    }
}

#[test]
fn what_it_cannot_take_is_wrong_input() {
    let place = Place::new();
    place.write("s/tasks.csv", "task_id,arrival_s,duration_s,replicas\na,0,1,2\n");
    place.write("s/workers.csv", "worker_id,total_cpu,total_memory,total_storage,total_gpu\nw,4,8,100,0\n");
    let ran = place.run(&["oracle", "s"]);
    assert_eq!(ran.code, Some(2), "{}", ran.err);
    assert!(ran.err.contains("the oracle cannot take this scenario: the scenario has gangs"), "{}", ran.err);
    for limit in ["-1", "0", "1e300", "1e-300", "nan", "inf", "soon"] {
        let ran = place.run(&["oracle", "s", "--time-limit", limit]);
        assert_eq!(ran.code, Some(2), "{}", ran.err);
        let told = format!("'{limit}' for '--time-limit <SECONDS>': expected seconds, from 0.001 to 10^9");
        assert!(ran.err.contains(&told), "{}", ran.err);
    }
}

#[test]
fn a_comparison_goes_on_without_an_oracle_that_refuses() {
    let place = Place::new();
    place.write("s/tasks.csv", "task_id,arrival_s,duration_s,replicas\na,0,1,2\n");
    place.write("s/workers.csv", "worker_id,total_cpu,total_memory,total_storage,total_gpu\nw,4,8,100,0\n");
    let ran = place.good(&["simulate", "s", "--oracle", "-s", "fcfs", "--no-plots"]);
    assert!(ran.out.contains("Skipped oracle: the scenario has gangs"), "{}", ran.out);
    assert!(!ran.out.contains("Shortest makespan known"), "{}", ran.out);
}
