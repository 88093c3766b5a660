//! Same inputs and seed, same bytes: whatever the number of threads, and whatever runs beside it.

use std::path::Path;

use cloudai_schedulers::{Registry, StrategySpec};
use cloudai_sim::{Experiment, Run, compare};
use cloudai_workloads::{Location, Scenario};

fn bundled(name: &str) -> Scenario {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../workloads").join(name);
    Scenario::check(&Location::Folder(folder)).unwrap()
}

fn specs(list: &[&str]) -> Vec<StrategySpec> {
    list.iter().map(|spec| spec.parse().unwrap()).collect()
}

fn all() -> Vec<StrategySpec> {
    Registry::builtin().iter().map(|info| info.name.parse().unwrap()).collect()
}

/// Runs the specs on so many threads, and returns what goes into the report and every assignments file.
fn run(scenario: &Scenario, specs: &[StrategySpec], threads: usize) -> (Run, Vec<(String, Vec<u8>)>) {
    let folder = tempfile::tempdir().unwrap();
    let (registry, settings) = (Registry::builtin(), scenario.settings.clone());
    let mut experiment = Experiment::new(scenario, &settings, &registry, specs);
    experiment.out = Some(folder.path());
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
    let run = pool.install(|| compare(&experiment)).unwrap();
    let file = |spec: &StrategySpec| {
        let file = folder.path().join(spec.folder()).join("assignments.csv");
        (spec.to_string(), std::fs::read(file).unwrap_or_default())
    };
    let files = specs.iter().map(file).collect();
    (run, files)
}

#[test]
fn threads_and_repetition_change_no_byte() {
    for name in ["mixed-100x5", "ml-60x4", "dag-80x4"] {
        let scenario = bundled(name);
        let (first, files) = run(&scenario, &all(), 1);
        for threads in [1, 2, 4] {
            let (again, files_again) = run(&scenario, &all(), threads);
            assert!(files == files_again, "{name} on {threads} threads");
            assert_eq!(first.comparison, again.comparison, "{name} on {threads} threads");
            let bytes = |run: &Run| serde_json::to_string(&run.comparison).unwrap();
            assert!(bytes(&first) == bytes(&again), "{name} on {threads} threads");
        }
    }
}

#[test]
fn failures_and_preemption_change_nothing_about_that() {
    let mut scenario = bundled("ml-60x4");
    for (key, value) in [
        ("mtbf_s", "2000"),
        ("mttr_s", "300"),
        ("max_retries", "20"),
        ("stop_latency_s", "3"),
        ("checkpoint", "true"),
        ("checkpoint_interval_s", "100"),
        ("checkpoint_overhead_s", "1"),
    ] {
        scenario.settings.set(key, value).unwrap();
    }
    let (first, files) = run(&scenario, &all(), 1);
    let lost = first.comparison.strategies.iter().map(|result| result.metrics.attempts_lost).sum::<u64>();
    assert!(lost > 20, "{lost} attempts are lost");
    let (again, files_again) = run(&scenario, &all(), 2);
    assert!(files == files_again && first.comparison == again.comparison);
}

#[test]
fn a_result_does_not_depend_on_what_runs_beside_it() {
    let scenario = bundled("mixed-100x5");
    let together = run(&scenario, &all(), 2);
    for (at, spec) in all().into_iter().enumerate() {
        let (alone, files) = run(&scenario, &[spec], 1);
        assert!(together.1[at] == files[0], "{}", files[0].0);
        assert_eq!(together.0.comparison.strategies[at], alone.comparison.strategies[0]);
    }
}

#[test]
fn the_order_of_the_report_is_the_order_asked_for() {
    let asked = ["fcfs", "ai(balance=0.5)", "greedy", "ai"];
    let (run, _) = run(&bundled("mixed-100x5"), &specs(&asked), 2);
    let got: Vec<&str> = run.comparison.strategies.iter().map(|result| result.spec.as_str()).collect();
    assert_eq!(got, asked);
    let timed: Vec<&str> = run.timings.iter().map(|timing| timing.strategy.as_str()).collect();
    assert_eq!(timed, asked);
}

#[test]
fn what_cannot_run_is_skipped_with_the_reason() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(
        folder.path().join("workers.csv"),
        "worker_id,total_cpu,total_memory,total_storage,total_gpu\nw0,4,8,100,0\n",
    )
    .unwrap();
    std::fs::write(folder.path().join("tasks.csv"), "task_id,arrival_s,duration_s,replicas\na,0,1,2\n")
        .unwrap();
    let scenario = Scenario::check(&Location::Folder(folder.path().to_owned())).unwrap();
    let (run, _) = run(&scenario, &specs(&["greedy", "fcfs"]), 1);
    assert_eq!(run.comparison.strategies.len(), 1);
    assert_eq!(run.comparison.skipped[0].spec, "greedy");
    assert!(run.comparison.skipped[0].reason.contains("gangs"), "{:?}", run.comparison.skipped);
}
