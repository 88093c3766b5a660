//! List scheduling of task graphs: the papers' own examples, and what happens when a plan meets the world.

use std::fmt::Write as _;
use std::path::PathBuf;

use cloudai_schedulers::Registry;
use cloudai_sim::{Experiment, compare};
use cloudai_workloads::{Location, Scenario};
use proptest::prelude::*;

use crate::support::{Case, Outcome, S, TWO, close};

/// A graph of the classical model: each worker runs one task at a time, `run[task][worker]` s; edges (from, to, transfer).
fn classical(run: &[[u32; 3]], edges: &[(u32, u32, u32)]) -> Case {
    let mut files = [
        ("workers.csv", "worker_id,total_cpu,total_memory,total_storage,total_gpu\n".to_owned()),
        ("tasks.csv", "task_id,arrival_s,duration_s,memory_gb,storage_gb\n".to_owned()),
        ("durations.csv", "task_id,worker_id,duration_s\n".to_owned()),
        ("edges.csv", "from_task,to_task,transfer_s\n".to_owned()),
    ];
    (1..=3).for_each(|worker| writeln!(files[0].1, "p{worker},1,0,0,0").unwrap());
    for (task, times) in (1..).zip(run) {
        writeln!(files[1].1, "t{task},0,1,0,0").unwrap();
        for (worker, time) in (1..).zip(times) {
            writeln!(files[2].1, "t{task},p{worker},{time}").unwrap();
        }
    }
    edges.iter().for_each(|(from, to, transfer)| writeln!(files[3].1, "t{from},t{to},{transfer}").unwrap());
    Case::of(&files.each_ref().map(|(name, text)| (*name, text.as_str()))).set("estimates", "exact")
}

/// The example of Topcuoglu, Hariri, Wu 2002 (IEEE TPDS 13(3), figure 2).
fn topcuoglu() -> Case {
    let run = [
        [14, 16, 9],
        [13, 19, 18],
        [11, 13, 19],
        [13, 8, 17],
        [12, 13, 10],
        [13, 16, 9],
        [7, 15, 11],
        [5, 11, 14],
        [18, 12, 20],
        [21, 7, 16],
    ];
    let edges = [
        (1, 2, 18),
        (1, 3, 12),
        (1, 4, 9),
        (1, 5, 11),
        (1, 6, 14),
        (2, 8, 19),
        (2, 9, 16),
        (3, 7, 23),
        (4, 8, 27),
        (4, 9, 23),
        (5, 9, 13),
        (6, 8, 15),
        (7, 10, 17),
        (8, 10, 11),
        (9, 10, 13),
    ];
    classical(&run, &edges)
}

/// The example of Arabnejad, Barbosa 2014 (IEEE TPDS 25(3), figure 1).
fn arabnejad() -> Case {
    let run = [
        [22, 21, 36],
        [22, 18, 18],
        [32, 27, 43],
        [7, 10, 4],
        [29, 27, 35],
        [26, 17, 24],
        [14, 25, 30],
        [29, 23, 36],
        [15, 21, 8],
        [13, 16, 33],
    ];
    let edges = [
        (1, 2, 17),
        (1, 3, 31),
        (1, 4, 29),
        (1, 5, 13),
        (1, 6, 7),
        (2, 8, 3),
        (2, 9, 30),
        (3, 7, 16),
        (4, 8, 11),
        (4, 9, 7),
        (5, 9, 57),
        (6, 8, 5),
        (7, 10, 9),
        (8, 10, 42),
        (9, 10, 7),
    ];
    classical(&run, &edges)
}

/// Each task's bar: `t1 p3 0-9`, by task.
fn schedule(outcome: &Outcome) -> Vec<String> {
    let mut rows: Vec<_> = outcome.rows.iter().collect();
    rows.sort_by_key(|row| row.task[1..].parse::<u32>().unwrap());
    let bar = |start: u64, end: u64| format!("{}-{}", start / S, end / S);
    rows.iter()
        .map(|r| format!("{} {} {}", r.task, r.worker, bar(r.start.unwrap(), r.end.unwrap())))
        .collect()
}

#[test]
fn heft_on_the_example_of_its_paper_is_the_papers_schedule() {
    let expected = [
        "t1 p3 0-9",
        "t2 p1 27-40",
        "t3 p3 9-28",
        "t4 p2 18-26",
        "t5 p3 28-38",
        "t6 p2 26-42",
        "t7 p3 38-49",
        "t8 p1 57-62",
        "t9 p2 56-68",
        "t10 p2 73-80",
    ];
    assert_eq!(schedule(&topcuoglu().run("heft")), expected);
}

#[test]
fn makespans_on_the_examples_are_those_of_the_papers() {
    let makespan = |case: &Case, strategy| case.run(strategy).metrics.makespan_s.unwrap();
    let case = topcuoglu();
    assert_eq!((makespan(&case, "heft"), makespan(&case, "cpop")), (80.0, 86.0));
    let case = arabnejad();
    assert_eq!((makespan(&case, "peft"), makespan(&case, "heft")), (122.0, 133.0));
}

#[test]
fn the_example_as_files_gives_the_same() {
    let beside = || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../shared/data");
    let folder = std::env::var_os("CLOUDAI_DATA_DIR").map_or_else(beside, PathBuf::from).join("heft-2002");
    if !folder.exists() {
        eprintln!("skipped: {} is not there (set CLOUDAI_DATA_DIR)", folder.display());
        return;
    }
    let scenario = Scenario::check(&Location::Folder(folder)).unwrap();
    let case = Case::at(scenario, tempfile::tempdir().unwrap()).set("estimates", "exact");
    for (strategy, makespan) in [("heft", 80.0), ("cpop", 86.0)] {
        assert_eq!(case.run(strategy).metrics.makespan_s, Some(makespan), "{strategy}");
    }
}

#[test]
fn a_mean_run_time_is_over_all_workers() {
    let workers = "worker_id,total_cpu,total_memory,total_storage,total_gpu,speed\n\
                   w0,1,64,1000,0,1\nw1,1,64,1000,0,1\nw2,1,64,1000,0,0.5\n";
    let files = [
        ("workers.csv", workers),
        ("tasks.csv", "task_id,arrival_s,duration_s\nx,0,10\ny,0,1\nz,0,1\n"),
        ("edges.csv", "from_task,to_task,transfer_s\ny,z,11\n"),
    ];
    // x has 40/3, y 4/3 + 11 + 4/3, and goes first. (Over the two kinds of workers it would be 15 against 14.)
    let outcome = Case::of(&files).set("estimates", "exact").run("heft");
    assert_eq!(schedule_of(&outcome), ["x w1 0-10", "y w0 0-1", "z w0 1-2"]);
}

#[test]
fn the_critical_path_goes_where_most_of_it_fits() {
    let workers = "worker_id,total_cpu,total_memory,total_storage,total_gpu,speed\n\
                   w0,1,64,1000,0,2\nw1,2,64,1000,0,1\n";
    let files = [
        ("workers.csv", workers),
        ("tasks.csv", "task_id,arrival_s,duration_s,cpu_cores\na,0,10,1\nb,0,10,2\n"),
        ("edges.csv", "from_task,to_task,transfer_s\na,b,1\n"),
    ];
    // w0 would run a in half the time, and cannot hold b.
    let outcome = Case::of(&files).set("estimates", "exact").run("cpop");
    assert_eq!(schedule_of(&outcome), ["a w1 0-10", "b w1 10-20"]);
}

#[test]
fn plans_count_the_start_up_latency() {
    let workers = "worker_id,total_cpu,total_memory,total_storage,total_gpu,speed\n\
                   w0,1,64,1000,0,1\nw1,1,64,1000,0,0.4\n";
    // b would end at 19 on w0 behind a, at 22.5 on w1; with a latency for each at 29 and at 27.5.
    for (latency, expected) in [("0", ["a w0 0-10", "b w0 10-19"]), ("5", ["a w0 5-15", "b w1 5-27"])] {
        let case = Case::new(workers, &["arrival_s duration_s", "a 0 10", "b 0 9"]);
        let outcome = case.set("estimates", "exact").set("startup_latency_s", latency).run("heft");
        assert_eq!(schedule_of(&outcome), expected, "{latency}");
    }
}

/// Each task's bar, by name, in whole seconds.
fn schedule_of(outcome: &Outcome) -> Vec<String> {
    let bar = |row: &crate::support::Row| {
        format!("{} {} {}-{}", row.task, row.worker, row.start.unwrap() / S, row.end.unwrap() / S)
    };
    let mut bars: Vec<String> = outcome.rows.iter().map(bar).collect();
    bars.sort();
    bars
}

/// Speed-up, efficiency and schedule length ratio, as a comparison reports them.
fn ratios(case: &Case, spec: &str) -> [Option<f64>; 3] {
    let registry = Registry::builtin();
    let specs = [spec.parse().unwrap()];
    let experiment = Experiment::new(&case.scenario, &case.settings, &registry, &specs);
    let run = compare(&experiment).unwrap();
    let metrics = &run.comparison.strategies[0].metrics;
    [metrics.speedup, metrics.efficiency, metrics.schedule_length_ratio]
}

#[test]
fn the_ratios_of_the_papers_example() {
    // On p1 alone all tasks take 127; t1, t2, t9, t10 take at least 9 + 13 + 12 + 7 = 41.
    let [speedup, efficiency, length] = ratios(&topcuoglu(), "heft").map(Option::unwrap);
    assert!(close(speedup, 127.0 / 80.0, 1e-12) && close(efficiency, 127.0 / 240.0, 1e-12));
    assert!(close(length, 80.0 / 41.0, 1e-12), "{length}");
}

#[test]
fn ratios_are_means_over_workflows_and_missing_where_they_say_nothing() {
    let chains = |last: &str| {
        let tasks = [
            "arrival_s duration_s depends_on cpu_cores",
            "a 0 10 - 1",
            "b 0 10 a 1",
            "c 5 10 - 1",
            "d 5 5 c 1",
            last,
        ];
        let workers = "worker_id,total_cpu,total_memory,total_storage,total_gpu,speed\nw0,1,64,1000,0,2\nw1,2,64,1000,0,1\n";
        Case::new(workers, &tasks)
    };
    let case = chains("e 0 1 - 1");
    let rows = case.run("fcfs");
    let end = |task: &str| rows.last(task).end.unwrap();
    let expected = (end("b") as f64 / 10e6 + (end("d") - 5 * S) as f64 / 7.5e6) / 2.0;
    let makespan = rows.metrics.makespan_s.unwrap();
    let [speedup, efficiency, length] = ratios(&case, "fcfs").map(Option::unwrap);
    assert!(close(length, expected, 1e-12) && length > 1.0, "{length} is not {expected}");
    // All 36 s of work on w0, at speed 2.
    assert!(close(speedup, 18.0 / makespan, 1e-12) && close(efficiency, speedup / 2.0, 1e-12));
    // Two cores are only on w1; three nowhere.
    let [speedup, ..] = ratios(&chains("e 0 1 - 2"), "fcfs");
    assert!(close(
        speedup.unwrap() * chains("e 0 1 - 2").run("fcfs").metrics.makespan_s.unwrap(),
        36.0,
        1e-12
    ));
    let nothing = Case::new(TWO, &["arrival_s duration_s", "a 0 1", "b 0 1"]);
    assert_eq!(ratios(&nothing, "fcfs"), [None; 3]);
}

/// The plan of a method by its definition, slowly: every rank by recursion, every gap by looking at all of them.
struct Slow<'a> {
    run: &'a [[u32; 3]],
    edges: &'a [(u32, u32, u32)],
}

impl Slow<'_> {
    fn after(&self, task: u32) -> impl Iterator<Item = (u32, u32)> + '_ {
        self.edges.iter().filter(move |edge| edge.0 == task).map(|&(_, to, transfer)| (to, transfer))
    }

    fn before(&self, task: u32) -> impl Iterator<Item = (u32, u32)> + '_ {
        self.edges.iter().filter(move |edge| edge.1 == task).map(|&(from, _, transfer)| (from, transfer))
    }

    fn on(&self, task: u32, worker: usize) -> u32 {
        self.run[task as usize - 1][worker]
    }

    /// Three times the mean, so that it is whole.
    fn mean(&self, task: u32) -> u32 {
        (0..3).map(|worker| self.on(task, worker)).sum()
    }

    fn upward(&self, task: u32) -> u32 {
        self.mean(task) + self.after(task).map(|(to, c)| 3 * c + self.upward(to)).max().unwrap_or(0)
    }

    fn downward(&self, task: u32) -> u32 {
        self.before(task).map(|(from, c)| self.downward(from) + self.mean(from) + 3 * c).max().unwrap_or(0)
    }

    fn optimistic(&self, task: u32, worker: usize) -> u32 {
        let on = |to: u32, c: u32, other: usize| {
            self.optimistic(to, other) + self.on(to, other) + if other == worker { 0 } else { c }
        };
        self.after(task).map(|(to, c)| (0..3).map(|other| on(to, c, other)).min().unwrap()).max().unwrap_or(0)
    }

    /// The critical path, and the worker for it.
    fn critical(&self) -> (Vec<u32>, usize) {
        let all = 1..=u32::try_from(self.run.len()).unwrap();
        let priority = |task: &u32| self.upward(*task) + self.downward(*task);
        let entries = all.filter(|&task| self.before(task).next().is_none());
        let mut next = entries.max_by_key(|task| (priority(task), std::cmp::Reverse(*task)));
        let mut path = Vec::new();
        while let Some(task) = next {
            path.push(task);
            next = self.after(task).map(|(to, _)| to).filter(|to| priority(to) == priority(&task)).min();
        }
        let sum = |worker: &usize| path.iter().map(|&task| self.on(task, *worker)).sum::<u32>();
        let worker = (0..3).min_by_key(sum).unwrap();
        (path, worker)
    }

    fn plan(&self, method: &str) -> Vec<String> {
        let count = u32::try_from(self.run.len()).unwrap();
        let (path, critical) = self.critical();
        let priority = |task: u32| match method {
            "heft" => self.upward(task),
            "cpop" => self.upward(task) + self.downward(task),
            _ => (0..3).map(|worker| self.optimistic(task, worker)).sum(),
        };
        let mut placed: std::collections::BTreeMap<u32, (usize, u32, u32)> =
            std::collections::BTreeMap::new();
        while placed.len() < self.run.len() {
            let free = (1..=count).filter(|task| {
                !placed.contains_key(task) && self.before(*task).all(|(from, _)| placed.contains_key(&from))
            });
            let task = free.max_by_key(|&task| (priority(task), std::cmp::Reverse(task))).unwrap();
            let start = |worker: usize| {
                let data = self.before(task).map(|(from, c)| {
                    let (at, _, end) = placed[&from];
                    end + if at == worker { 0 } else { c }
                });
                let (ready, run) = (data.max().unwrap_or(0), self.on(task, worker));
                let busy = || placed.values().filter(move |place| place.0 == worker);
                (ready..).find(|&s| busy().all(|&(_, from, to)| s + run <= from || to <= s)).unwrap()
            };
            let goal = |worker: &usize| {
                let ahead = if method == "peft" { self.optimistic(task, *worker) } else { 0 };
                start(*worker) + self.on(task, *worker) + ahead
            };
            let pinned = method == "cpop" && path.contains(&task);
            let worker = if pinned { critical } else { (0..3).min_by_key(goal).unwrap() };
            let start = start(worker);
            placed.insert(task, (worker, start, start + self.on(task, worker)));
        }
        placed
            .iter()
            .map(|(task, (worker, from, to))| format!("t{task} p{} {from}-{to}", worker + 1))
            .collect()
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, ..ProptestConfig::default() })]

    #[test]
    fn a_run_of_the_classical_model_is_the_plan_by_its_definition(
        run in prop::collection::vec([1u32..20, 1u32..20, 1u32..20], 1..12),
        pairs in prop::collection::btree_map((1u32..12, 1u32..12), 0u32..25, 0..25),
    ) {
        let count = u32::try_from(run.len()).unwrap();
        let forward = pairs.into_iter().filter(|((from, to), _)| from < to && *to <= count);
        let edges: Vec<(u32, u32, u32)> = forward.map(|((from, to), transfer)| (from, to, transfer)).collect();
        let case = classical(&run, &edges);
        for method in ["heft", "cpop", "peft"] {
            prop_assert_eq!(schedule(&case.run(method)), Slow { run: &run, edges: &edges }.plan(method), "{}", method);
        }
    }
}
