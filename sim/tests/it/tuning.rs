//! Tuning: a known optimum is found, threads and interruptions change nothing, and what cannot be tuned is said.

use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use cloudai_schedulers::{
    Capabilities, ClusterView, Duration, Kind, ParamInfo, ParamKind, Registry, Scheduler, SchedulingContext,
    StrategyInfo, TaskId, WorkloadProfile,
};
use cloudai_sim::sweep::{Options, SweepError};
use cloudai_sim::tune::{Tuned, Tuning, Verdict, read_preset, tune};
use cloudai_workloads::Problems;

/// Starts a task |delay - 20| seconds late, and 5 more unless the mood is good: best at 20 and `good`.
struct Late {
    by: Duration,
}

impl Scheduler for Late {
    fn supports(&self) -> Capabilities {
        Capabilities::new()
    }

    fn attach(&mut self, _: &ClusterView<'_>, _: &WorkloadProfile) {}

    fn schedule(&mut self, cx: &mut SchedulingContext<'_>) {
        let queue: Vec<TaskId> = cx.view().queue().collect();
        for task in queue {
            let Some(eligible) = cx.view().task(task).map(|task| task.eligible()) else { continue };
            let due = eligible + self.by;
            if cx.view().now() < due {
                let _ = cx.wake_at(due);
            } else if let Some(worker) = cx.view().first_fit(task) {
                let _ = cx.assign(task, worker);
            }
        }
    }
}

const LATE: StrategyInfo = StrategyInfo {
    name: "late",
    aliases: &[],
    about: "starts tasks late",
    kind: Kind::Other,
    source: "made up",
    complexity: "O(Q)",
    params: &[
        ParamInfo {
            name: "delay",
            about: "best at 20",
            kind: ParamKind::Float { default: 50.0, min: 0.0, max: 100.0 },
        },
        ParamInfo {
            name: "mood",
            about: "best if good",
            kind: ParamKind::Choice { default: "fair", options: &["fair", "good", "foul"] },
        },
        ParamInfo {
            name: "unused",
            about: "changes nothing",
            kind: ParamKind::Int { default: 3, min: 1, max: 9 },
        },
    ],
    build: |params| {
        let moody = if params.choice("mood") == "good" { 0.0 } else { 5.0 };
        let late = (params.float("delay") - 20.0).abs() + moody;
        Box::new(Late { by: Duration::from_micros((late * 1e6) as u64) })
    },
};

const SMALL: &str = "
strategy = 'late'
objective = { mean_wait_s = 2, makespan_s = 1 }
budget = 300
baselines = ['fcfs']

[parameters]
delay = { from = 0, to = 100 }
mood = 'full'

[[training]]
preset = 'uniform'
tasks = 30
workers = 6
seeds = '0..6'

[[heldout]]
preset = 'uniform'
tasks = 30
workers = 6
seeds = '10..18'
";

fn registry() -> Registry {
    let mut registry = Registry::builtin();
    registry.register(LATE).unwrap();
    registry
}

fn run(text: &str, dir: &Path, options: &Options<'_>) -> Result<Tuned, SweepError> {
    let (registry, file) = (registry(), Path::new("t.toml"));
    let tuning = Tuning::parse(text, file, &registry)?;
    tune(&tuning, file, dir, &registry, options)
}

fn input_error(text: &str) -> String {
    let folder = tempfile::tempdir().unwrap();
    match run(text, &folder.path().join("out"), &Options::default()) {
        Err(SweepError::Input(problems)) => Problems::to_string(&problems),
        other => panic!("{other:?}"),
    }
}

fn file(dir: &Path, name: &str) -> String {
    std::fs::read_to_string(dir.join(name)).unwrap()
}

#[test]
fn a_known_optimum_is_found_and_carries_over() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("out");
    let ended = AtomicU64::new(0);
    let mut options = Options::default();
    options.ended = Some(&ended);
    let tuned = run(SMALL, &dir, &options).unwrap();
    let value = |name: &str| tuned.spec.params.iter().find(|(known, _)| known == name).unwrap().1.clone();
    let delay: f64 = value("delay").parse().unwrap();
    assert!((delay - 20.0).abs() < 2.0, "{}", tuned.spec);
    assert_eq!(value("mood"), "good");
    assert_eq!(tuned.verdict(), Verdict::CarriesOver);
    assert!(tuned.training.score.unwrap() < 0.5 && tuned.heldout.score.unwrap() < 0.5);
    assert_eq!((tuned.training.observations, tuned.heldout.observations), (6, 8));
    assert!(tuned.spent <= 300 && tuned.spent > 250, "{}", tuned.spent);
    // The default, fcfs and the result on each held-out run, and what the search took; the result was measured in training already,
    // and counts as kept.
    assert_eq!(ended.load(Ordering::Relaxed), tuned.spent + 3 * 8 + 6);

    // Every candidate is in the file, and what ran everywhere and was best is the result.
    let trials = file(&dir, "trials.csv");
    assert_eq!(trials.lines().count(), tuned.candidates.len() + 1);
    let best = tuned.candidates.iter().filter(|candidate| candidate.is_complete);
    let best = best.min_by(|a, b| a.score.unwrap().total_cmp(&b.score.unwrap())).unwrap();
    assert_eq!(best.spec, tuned.spec);
    assert!((best.score.unwrap() - tuned.training.score.unwrap()).abs() < 1e-12);

    assert_eq!(read_preset(&dir.join("preset.toml"), &registry()).unwrap(), tuned.spec);
    let held = &tuned.heldout.groups[0];
    assert_eq!((held.runs, held.hashes.len()), (8, 8));
    assert!(tuned.table.rows.len() == 8 * 3 && dir.join("heldout/results.csv").is_file());
}

#[test]
fn threads_interruptions_and_repetition_change_no_byte() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let with = |jobs: usize| {
        let mut options = Options::default();
        options.jobs = jobs;
        options
    };
    run(SMALL, &at("one"), &with(1)).unwrap();
    run(SMALL, &at("four"), &with(4)).unwrap();

    // Interrupted wherever it is then, and run again: in the end nothing is left to run.
    let (stop, ended) = (AtomicBool::new(false), AtomicU64::new(0));
    let mut options = with(2);
    (options.stop, options.ended) = (Some(&stop), Some(&ended));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while ended.load(Ordering::Relaxed) < 60 {
                std::thread::yield_now();
            }
            stop.store(true, Ordering::Relaxed);
        });
        let stopped = run(SMALL, &at("stopped"), &options);
        // Lets the other thread go, however this ended.
        ended.store(1_000, Ordering::Relaxed);
        assert!(stopped.is_err(), "it was over before it could be interrupted");
    });
    run(SMALL, &at("stopped"), &with(1)).unwrap();
    run(SMALL, &at("stopped"), &with(1)).unwrap();

    for name in ["preset.toml", "trials.csv", "heldout/results.csv"] {
        let first = file(&at("one"), name);
        for other in ["four", "stopped"] {
            assert!(first == file(&at(other), name), "{name} of {other}");
        }
    }
    let seeded = SMALL.replace("budget = 300", "budget = 300\nseed = 9");
    run(&seeded, &at("seed"), &with(1)).unwrap();
    assert_ne!(file(&at("one"), "trials.csv"), file(&at("seed"), "trials.csv"));
}

#[test]
fn where_nothing_is_to_be_gained_the_default_is_the_result() {
    let folder = tempfile::tempdir().unwrap();
    let text = SMALL
        .replace("mood = 'full'", "")
        .replace("delay = { from = 0, to = 100 }", "unused = { from = 1, to = 9 }");
    let tuned = run(&text, &folder.path().join("out"), &Options::default()).unwrap();
    assert_eq!((tuned.verdict(), tuned.spec), (Verdict::Default, "late".parse().unwrap()));
    assert_eq!(tuned.candidates.len(), 9, "every value once");
    for side in [&tuned.training, &tuned.heldout] {
        assert!((side.score.unwrap() - 1.0).abs() < 1e-12, "{:?}", side.score);
    }
    assert!(tuned.against.is_empty());
}

/// On one worker of four cores. Shortest first helps where long tasks of all cores come first, and harms where a short one does.
#[test]
fn what_helps_in_training_alone_is_called_overfitted() {
    let folder = tempfile::tempdir().unwrap();
    let text = "
strategy = 'queue'
objective = 'mean_wait_s'
budget = 40
baselines = []
[parameters]
order = ['sjf', 'ljf']
[[training]]
folder = 'long-first'
[[heldout]]
folder = 'short-first'
";
    let tasks = |rows: &[(&str, u32, u32)]| {
        let row =
            |(id, duration, cores): &(&str, u32, u32)| format!("{id},0,{duration},{cores},{duration}\n");
        let rows: String = rows.iter().map(row).collect();
        format!("task_id,arrival_s,duration_s,cpu_cores,estimate_s\n{rows}")
    };
    let place = folder.path();
    for (name, tasks) in [
        // Waits: fcfs and ljf 0 + 60 + 60, sjf 50 + 0 + 0.
        ("long-first", tasks(&[("a", 60, 4), ("b", 50, 2), ("c", 50, 2)])),
        // Waits: fcfs 0 + 0 + 10 + 19, sjf 9 + 9 + 0 + 19.
        ("short-first", tasks(&[("a", 10, 2), ("b", 10, 2), ("c", 9, 4), ("d", 30, 4)])),
    ] {
        std::fs::create_dir(place.join(name)).unwrap();
        std::fs::write(place.join(name).join("tasks.csv"), tasks).unwrap();
        let workers = "worker_id,total_cpu,total_memory,total_storage,total_gpu\nw,4,64,100,0\n";
        std::fs::write(place.join(name).join("workers.csv"), workers).unwrap();
    }
    let (registry, file) = (registry(), place.join("t.toml"));
    let tuning = Tuning::parse(text, &file, &registry).unwrap();
    let tuned = tune(&tuning, &file, &place.join("out"), &registry, &Options::default()).unwrap();
    assert_eq!(tuned.spec.to_string(), "queue(order=sjf)");
    let (training, heldout) = (tuned.training.score.unwrap(), tuned.heldout.score.unwrap());
    assert!(training < 1.0, "{training}");
    assert!((heldout - 37.0 / 29.0).abs() < 1e-9, "{heldout}");
    assert_eq!(tuned.verdict(), Verdict::Overfitted);
}

#[test]
fn scenarios_on_both_sides_are_refused() {
    let seeds = SMALL.replace("'10..18'", "'5..9'");
    let message = input_error(&seeds);
    assert!(message.contains("uniform-30 workers=6 seed=5 has the tasks of the training run"), "{message}");
    // Another load, another size: the same draw.
    let load = SMALL.replace("'10..18'", "'5..9'\nloads = 0.5");
    assert!(input_error(&load).contains("preset uniform with seed 5"));
    let few = SMALL.replace("budget = 300", "budget = 11");
    assert_eq!(
        input_error(&few),
        "t.toml: budget: 11: expected at least 12, twice the 6 training runs of one strategy"
    );
    let idle = SMALL.replace("{ mean_wait_s = 2, makespan_s = 1 }", "'p50_wait_s'").replace("'late'", "'ai'");
    let idle = idle.replace("delay = { from = 0, to = 100 }\nmood = 'full'", "balance = 'full'");
    let idle = idle.replace("workers = 6", "workers = 600");
    let message = input_error(&idle);
    assert!(
        message.contains("p50_wait_s is 0 in uniform-30 workers=600 with the default parameters"),
        "{message}"
    );
}

#[test]
fn foreign_folders_are_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("thesis.tex"), "").unwrap();
    let error = run(SMALL, folder.path(), &Options::default()).unwrap_err();
    assert!(error.to_string().contains("holds no tuning"), "{error}");
}
