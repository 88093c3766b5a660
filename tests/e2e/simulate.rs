//! `cloudai simulate` on good input.

use serde_json::Value;

use crate::support::{Place, bundled, files};

/// Keys that `metrics.json` always has.
const KEYS: [&str; 47] = [
    "makespan_s",
    "mean_wait_s",
    "p50_wait_s",
    "p95_wait_s",
    "p99_wait_s",
    "mean_turnaround_s",
    "p50_turnaround_s",
    "p95_turnaround_s",
    "p99_turnaround_s",
    "mean_bounded_slowdown",
    "resource_utilization",
    "cpu_utilization",
    "memory_utilization",
    "gpu_utilization",
    "load_variance",
    "throughput_per_min",
    "starvation_count",
    "completed",
    "failed",
    "timed_out",
    "cancelled",
    "rejected",
    "preemptions",
    "attempts_lost",
    "work_lost_s",
    "overhead_s",
    "availability",
    "deadline_misses",
    "jain_fairness",
    "prediction_error",
    "lower_bound_s",
    "gap_to_bound",
    "best_known_s",
    "best_known_bound_s",
    "gap_to_best_known",
    "mean_turnaround_bound_s",
    "speedup",
    "efficiency",
    "schedule_length_ratio",
    "gpu_allocation",
    "gpu_fragmentation",
    "seed",
    "strategy",
    "estimates",
    "version",
    "scenario_hash",
    "p99_bounded_slowdown",
];

/// The seven and fcfs.
const DEFAULT: [&str; 8] =
    ["greedy", "round_robin", "balanced", "ai", "ai_aggressive", "ai_predictive", "ai_load_balanced", "fcfs"];

fn metrics(place: &Place, file: &str) -> serde_json::Map<String, Value> {
    let text = std::fs::read_to_string(place.path(file)).unwrap();
    serde_json::from_str::<Value>(&text).unwrap().as_object().unwrap().clone()
}

#[test]
fn a_run_leaves_every_file_and_prints_a_table() {
    let place = Place::new();
    let ran = place.good(&["simulate", &bundled("mixed-100x5"), "--out", "r"]);
    let rows: Vec<&str> =
        ran.out.lines().skip(3).take(8).map(|line| line.split_whitespace().next().unwrap()).collect();
    assert_eq!(rows, DEFAULT);
    assert!(ran.err.ends_with("report: r/index.html\n"), "{}", ran.err);
    assert_eq!(place.names(), ["r"], "nothing else is left");

    let files = files(&place.path("r"));
    let defined = include_str!("../../docs/metrics.md");
    for strategy in DEFAULT {
        for file in ["assignments.csv", "performance_metrics.txt", "metrics.json", "gantt.svg", "gantt.png"] {
            assert!(files.contains_key(&format!("{strategy}/{file}")), "{strategy}/{file}");
        }
        let rows = files[&format!("{strategy}/assignments.csv")].split(|&byte| byte == b'\n').count();
        assert_eq!(rows, 102, "a header, 100 tasks, and nothing behind the last line end");
        let metrics = metrics(&place, &format!("r/{strategy}/metrics.json"));
        for key in KEYS {
            let value = metrics.get(key).unwrap_or_else(|| panic!("{key} is missing"));
            assert!(!value.is_object() && !value.is_array(), "{key}: the object is flat");
        }
        for key in metrics.keys() {
            assert!(defined.contains(&format!("`{key}`")), "docs/metrics.md does not define {key}");
        }
        assert_eq!(metrics["strategy"], strategy);
        assert_eq!(metrics["completed"], 100);
        assert_eq!(metrics["estimates"], "column");
        assert!(metrics["makespan_s"].as_f64() >= metrics["lower_bound_s"].as_f64());
    }
    for file in ["comparison.csv", "index.html", "report.json", "timing.json", "makespan.svg", "makespan.png"]
    {
        assert!(files.contains_key(file), "{file}");
    }

    let comparison = String::from_utf8(files["comparison.csv"].clone()).unwrap();
    let specs: Vec<&str> = comparison.lines().skip(1).map(|line| line.split(',').next().unwrap()).collect();
    assert_eq!(specs, DEFAULT);
}

#[test]
fn the_page_needs_no_network_and_no_script() {
    let place = Place::new();
    place.good(&["simulate", &bundled("ml-60x4"), "--out", "r", "--strategy", "fcfs,greedy"]);
    let page = std::fs::read_to_string(place.path("r/index.html")).unwrap();
    for fetches in
        ["src=\"http", "src=\"//", "href=\"http", "href=\"//", "url(", "@import", "<script", "<iframe"]
    {
        assert!(!page.contains(fetches), "{fetches}");
    }
    // Every link leads to a place on the page or a file of the report.
    for link in page.split("href=\"").skip(1).map(|rest| rest.split('"').next().unwrap()) {
        let there = match link.strip_prefix('#') {
            Some(id) => page.contains(&format!("id=\"{id}\"")),
            None => place.path("r").join(link).is_file(),
        };
        assert!(there, "{link}");
    }
}

#[test]
fn one_thread_or_two_make_the_same_bytes() {
    let place = Place::new();
    let run = |out: &str, threads: &str, jobs: &[&str]| {
        let scenario = bundled("mixed-100x5");
        let args = [&["simulate", &scenario, "--out", out, "--strategy", "all"], jobs].concat();
        let ran = place.command(&args).env("RAYON_NUM_THREADS", threads).output().unwrap();
        assert!(ran.status.success());
        let mut files = files(&place.path(out));
        assert!(files.remove("timing.json").is_some());
        (ran.stdout, files)
    };
    let one = run("a", "1", &[]);
    for other in [run("b", "2", &[]), run("c", "2", &["--jobs", "1"]), run("d", "1", &["-j", "2"])] {
        assert!(one.0 == other.0);
        assert_eq!(one.1.keys().collect::<Vec<_>>(), other.1.keys().collect::<Vec<_>>());
        for (name, bytes) in &one.1 {
            assert!(*bytes == other.1[name], "{name}");
        }
    }
}

#[test]
fn json_prints_the_metrics_of_each_strategy() {
    let place = Place::new();
    let ran = place.good(&[
        "simulate",
        &bundled("dag-80x4"),
        "--json",
        "--no-plots",
        "--strategy",
        "fcfs,ai(window=8)",
    ]);
    let printed: Value = serde_json::from_str(&ran.out).unwrap();
    let printed = printed.as_array().unwrap();
    assert_eq!(printed.len(), 2);
    assert_eq!(printed[1]["strategy"], "ai(window=8)");
    // The default folder is named after the scenario; the strategy's after its spec.
    assert_eq!(printed[0].as_object().unwrap(), &metrics(&place, "out/dag-80x4/fcfs/metrics.json"));
    assert_eq!(printed[1].as_object().unwrap(), &metrics(&place, "out/dag-80x4/ai_window=8_/metrics.json"));
    assert!(ran.err.contains("note: the tasks are held in memory, because its tasks depend on each other"));
    let pictures = files(&place.path("out/dag-80x4"));
    assert!(!pictures.keys().any(|name| name.ends_with(".svg") || name.ends_with(".png")));
}

#[test]
fn flags_override_the_settings_and_the_report_says_what_was_in_force() {
    let place = Place::new();
    let scenario = bundled("mixed-100x5");
    let fcfs = |out: &str, flags: &[&str]| {
        let args =
            [&["simulate", &scenario, "--out", out, "--no-plots", "--strategy", "fcfs"], flags].concat();
        place.good(&args);
        metrics(&place, &format!("{out}/fcfs/metrics.json"))
    };
    let plain = fcfs("plain", &[]);
    let late = fcfs("late", &["--set", "startup_latency_s=5", "--set", "starvation_threshold_s=10"]);
    assert!(late["mean_wait_s"].as_f64().unwrap() >= 5.0 && plain["makespan_s"] != late["makespan_s"]);
    assert!(late["starvation_count"].as_u64() > plain["starvation_count"].as_u64());
    let report = std::fs::read_to_string(place.path("late/report.json")).unwrap();
    assert!(report.contains("[\"startup_latency_s\",\"5\"]"), "what was in force");

    let seeded = fcfs("seeded", &["--seed", "7", "--estimates", "noisy(0.5)"]);
    assert_eq!((&seeded["seed"], &seeded["estimates"]), (&Value::from(7), &Value::from("noisy(0.5)")));
    assert_eq!(seeded["scenario_hash"], plain["scenario_hash"]);
    assert_eq!(fcfs("set", &["--set", "seed=7"])["seed"], 7);

    let killed = fcfs("killed", &["--kill-at-estimate"]);
    assert_eq!(killed["failed"], killed["timed_out"]);
    let full = fcfs("full", &["--set", "on_full=reject"]);
    assert!(full["rejected"].as_u64().unwrap() > 0 && full["gap_to_bound"].is_null());
}

#[test]
fn the_baseline_runs_and_is_named() {
    let place = Place::new();
    let ran = place.good(&[
        "simulate",
        &bundled("mixed-100x5"),
        "--no-plots",
        "--strategy",
        "greedy,ai",
        "--baseline",
        "best_fit",
    ]);
    let line = ran.out.lines().find(|line| line.starts_with("best_fit")).unwrap();
    assert!(line.contains(" base "), "{line}");
}

#[test]
fn lists_of_specs_are_split_outside_parentheses_and_each_runs_once() {
    let place = Place::new();
    let ran = place.good(&[
        "simulate",
        &bundled("mixed-100x5"),
        "--no-plots",
        "--json",
        "--strategy",
        "fcfs, ai(window=8,balance=0.5)",
        "--strategy",
        "fcfs",
    ]);
    let printed: Value = serde_json::from_str(&ran.out).unwrap();
    let specs: Vec<&str> =
        printed.as_array().unwrap().iter().map(|metrics| metrics["strategy"].as_str().unwrap()).collect();
    assert_eq!(specs, ["fcfs", "ai(window=8,balance=0.5)"]);
}

#[test]
fn all_runs_what_supports_the_scenario_and_lists_the_rest() {
    let place = Place::new();
    place.write("s/workers.csv", "worker_id,total_cpu,total_memory,total_storage,total_gpu\nw0,4,8,10,0\n");
    place.write("s/tasks.csv", "task_id,arrival_s,duration_s,replicas\na,0,5,3\nb,1,5,1\n");
    let ran = place.good(&["simulate", "s", "--strategy", "all", "--no-plots"]);
    assert!(ran.out.contains("\nfcfs "), "{}", ran.out);
    assert!(ran.out.contains("Skipped greedy: the scenario has gangs"), "{}", ran.out);
    // So does the default; what is named has to run.
    let ran = place.good(&["simulate", "s", "--no-plots", "--out", "default"]);
    assert!(ran.out.contains("Skipped greedy: the scenario has gangs"), "{}", ran.out);
    let gangs = "the scenario has gangs (replicas > 1), which the strategy does not place";
    for args in
        [&["--strategy", "fcfs,ai(window=8)"][..], &["--strategy", "fcfs", "--baseline", "ai(window=8)"]]
    {
        let ran = place.run(&[&["simulate", "s", "--out", "named", "--no-plots"], args].concat());
        assert_eq!(ran.code, Some(2), "{}", ran.err);
        assert_eq!(ran.err, format!("error: strategy 'ai(window=8)' cannot run: {gangs}\n"));
        assert!(!place.path("named").exists());
    }
    let full = ["simulate", "s", "--set", "on_full=reject", "--strategy", "srpt", "--no-plots"];
    let ran = place.run(&full);
    assert_eq!(ran.code, Some(2), "{}", ran.err);
    assert!(ran.err.starts_with("error: strategy 'srpt' cannot run: the scenario rejects"), "{}", ran.err);
}

#[test]
fn files_can_be_named_one_by_one() {
    let place = Place::new();
    let folder = bundled("ml-60x4");
    let (tasks, workers) = (format!("{folder}/tasks.csv"), format!("{folder}/workers.csv"));
    let args = ["simulate", "--tasks", &tasks, "--workers", &workers, "--strategy", "fcfs", "--no-plots"];
    place.good(&args);
    place.good(&["simulate", &folder, "--strategy", "fcfs", "--no-plots"]);
    let rows = |out: &str| std::fs::read(place.path(out).join("fcfs/assignments.csv")).unwrap();
    assert!(rows("out/tasks") == rows("out/ml-60x4"));
}

#[test]
fn generated_scenarios_run() {
    let place = Place::new();
    for preset in ["uniform", "heavy_tailed", "diurnal", "ml_training", "dag_pipelines", "mixed"] {
        place.good(&["generate", preset, "--tasks", "40", "--workers", "3", "--seed", "5", "--out", preset]);
        place.good(&["generate", preset, "--tasks", "40", "--workers", "3", "--seed", "5", "--out", "again"]);
        assert!(
            std::fs::read(place.path(preset).join("tasks.csv")).unwrap()
                == std::fs::read(place.path("again/tasks.csv")).unwrap()
        );
        std::fs::remove_dir_all(place.path("again")).unwrap();
        place.good(&["simulate", preset, "--strategy", "fcfs,ai", "--no-plots"]);
    }
}

#[test]
fn assignments_are_csv_or_parquet_or_left_out() {
    let place = Place::new();
    let scenario = bundled("mixed-100x5");
    let simulate = |format: &str| {
        let ran = place.run(&[
            "simulate",
            &scenario,
            "-s",
            "fcfs",
            "--no-plots",
            "--assignments",
            format,
            "-o",
            "r",
        ]);
        assert_eq!(ran.code, Some(0), "{}", ran.err);
        let page = std::fs::read_to_string(place.path("r/index.html")).unwrap();
        let file = |name: &str| {
            let there = place.path("r/fcfs").join(name).exists();
            assert_eq!(page.contains(&format!("href=\"fcfs/{name}\"")), there, "{format} {name}");
            there
        };
        (file("assignments.csv"), file("assignments.parquet"))
    };
    if cfg!(feature = "parquet") {
        assert_eq!(simulate("parquet"), (false, true));
        let bytes = std::fs::read(place.path("r/fcfs/assignments.parquet")).unwrap();
        assert!(bytes.starts_with(b"PAR1") && bytes.ends_with(b"PAR1"));
    }
    assert_eq!(simulate("none"), (false, false), "a report with Parquet is replaced, too");
    assert_eq!(simulate("csv"), (true, false));
}
