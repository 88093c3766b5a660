//! The engine beside the limit: the tasks are in memory, so that reading is left out, and time is this thread's CPU time.
//!
//! - FCFS on 64 slots at a load of 0.95, beside a bare loop with a heap and nothing else
//! - EASY on the KTH-SP2 log, if it is at hand
//!
//! Events are arrivals and completions: two a task. Each round runs every case once; the best of all rounds counts, since
//! whatever else the machine does only ever adds.
//!
//! ```sh
//! cargo bench --bench engine [-- [--tasks N] [--rounds N] [TEXT IN A CASE'S NAME]]
//! ```
#![allow(clippy::expect_used, reason = "a benchmark may end with a panic")]

#[path = "support/cpu.rs"]
mod cpu;

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::fmt::Write as _;
use std::hint::black_box;
use std::path::PathBuf;

use cloudai_schedulers::Registry;
use cloudai_sim::Hooks;
use cloudai_sim::observers::Observer;
use cloudai_sim::observers::metrics::MetricsObserver;
use cloudai_sim::observers::timeline::TimelineObserver;
use cloudai_workloads::{Location, Scenario, Settings, Task, swf};
use cpu::cpu_seconds;

const SLOTS: usize = 64;

/// One pool of 64 slots at a load of 0.95: run times uniform from 1 to 199 s, gaps between arrivals uniform too.
fn pool(tasks: u64) -> Scenario {
    let mut text = String::from("task_id,arrival_s,duration_s,cpu_cores,memory_gb,storage_gb\n");
    let mut state = 1u64;
    let mut draw = |below: u64| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % below
    };
    // 100 s x 1 slot a task; one arrives every 100 / 64 / 0.95 s on average.
    let mut arrival_ms = 0;
    for task in 0..tasks {
        arrival_ms += draw(3290);
        let duration = 1 + draw(199);
        let _ = writeln!(text, "t{task},{}.{:03},{duration},1,0,0", arrival_ms / 1000, arrival_ms % 1000);
    }
    let workers = format!("worker_id,total_cpu,total_memory,total_storage,total_gpu\npool,{SLOTS},0,0,0\n");
    let mut scenario = Scenario::check(&Location::text(text, workers)).expect("a scenario in order");
    scenario.hold().expect("the text is still there");
    scenario
}

/// The KTH-SP2 log, imported, if it lies beside the project or in `CLOUDAI_DATA_DIR`.
fn kth_sp2() -> Option<Scenario> {
    let beside = || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared/data");
    let data = std::env::var_os("CLOUDAI_DATA_DIR").map_or_else(beside, PathBuf::from);
    let log = data.join("swf/kth-sp2.swf");
    if !log.exists() {
        println!(
            "skipped: {} is not there (set CLOUDAI_DATA_DIR to the folder with the logs)",
            log.display()
        );
        return None;
    }
    let folder = tempfile::tempdir().expect("a temporary folder");
    let place = folder.path().join("kth-sp2");
    swf::import(&log, Some(100), &place).expect("the log is in order");
    let mut scenario = Scenario::check(&Location::Folder(place)).expect("an imported scenario is in order");
    scenario.hold().expect("the file is still there");
    scenario.settings.set("kill_at_estimate", "true").expect("a known setting");
    Some(scenario)
}

/// Arrival and run time of every task, in microseconds.
fn bare_tasks(scenario: &Scenario) -> Vec<(u64, u64)> {
    let mut tasks = Vec::new();
    let (mut stream, mut task) = (scenario.stream().expect("tasks in memory"), Task::default());
    while stream.next_into(&mut task).expect("tasks in memory") {
        tasks.push((task.spec.arrival.micros(), task.duration.micros()));
    }
    tasks
}

/// FCFS on slots: sorted arrivals merged with a heap of completions.
fn bare_loop(tasks: &[(u64, u64)]) -> u64 {
    let mut completions: BinaryHeap<Reverse<u64>> = BinaryHeap::with_capacity(SLOTS);
    let mut queue: VecDeque<(u64, u64)> = VecDeque::new();
    let (mut free, mut waited, mut next) = (SLOTS, 0, 0);
    loop {
        let arrival = tasks.get(next).map_or(u64::MAX, |task| task.0);
        let completion = completions.peek().map_or(u64::MAX, |end| end.0);
        let now = arrival.min(completion);
        if now == u64::MAX {
            return waited;
        }
        if completion <= arrival {
            completions.pop();
            free += 1;
        } else {
            queue.push_back(tasks[next]);
            next += 1;
        }
        while free > 0
            && let Some((arrived, run)) = queue.pop_front()
        {
            free -= 1;
            waited += now - arrived;
            completions.push(Reverse(now + run));
        }
    }
}

/// One run of a strategy, on tasks in memory. Not inlined, so that a profiler can tell it from the preparations.
#[inline(never)]
fn simulate(scenario: &Scenario, spec: &str, observer: &mut impl Observer) {
    let parsed = spec.parse().expect("a valid spec");
    let mut strategy = Registry::builtin().build(&parsed).expect("a known strategy");
    let stats =
        cloudai_sim::run(scenario, &scenario.settings, spec, strategy.as_mut(), observer, Hooks::default());
    assert_eq!(stats.expect("the run ends").tasks, scenario.tasks);
}

fn with_metrics(scenario: &Scenario, spec: &str) {
    let mut metrics = MetricsObserver::new(scenario, &scenario.settings);
    simulate(scenario, spec, &mut metrics);
    black_box(metrics.metrics(spec));
}

fn with_timelines(scenario: &Scenario, spec: &str) {
    let settings: &Settings = &scenario.settings;
    let timeline = TimelineObserver::new(&scenario.workers, scenario.first_arrival);
    let mut both = (MetricsObserver::new(scenario, settings), timeline);
    simulate(scenario, spec, &mut both);
    black_box(both.0.metrics(spec));
}

/// Something to measure.
struct Case<'a> {
    name: &'static str,
    tasks: u64,
    run: Box<dyn Fn() + 'a>,
    best_s: f64,
}

struct Arguments {
    tasks: u64,
    rounds: u32,
    filter: String,
}

/// `cargo bench` adds `--bench`; `--test` asks for one short round.
fn arguments() -> Arguments {
    let mut parsed = Arguments { tasks: 1_000_000, rounds: 10, filter: String::new() };
    let mut words = std::env::args().skip(1);
    let number = |word: Option<String>| word.and_then(|word| word.parse().ok()).expect("a number");
    while let Some(word) = words.next() {
        match word.as_str() {
            "--bench" => {}
            "--test" => (parsed.tasks, parsed.rounds) = (1_000, 1),
            "--tasks" => parsed.tasks = number(words.next()),
            "--rounds" => parsed.rounds = u32::try_from(number(words.next())).expect("few rounds"),
            _ if word.starts_with("--") => panic!("{word}: no such option; the top of this file lists them"),
            _ => parsed.filter = word,
        }
    }
    parsed
}

#[expect(clippy::cast_precision_loss, reason = "figures for people")]
fn main() {
    let Arguments { tasks, rounds, filter } = arguments();
    let (pool, kth) = (pool(tasks), kth_sp2());
    let bare = bare_tasks(&pool);
    let case = |name, tasks, run: Box<dyn Fn()>| Case { name, tasks, run, best_s: f64::INFINITY };
    let mut cases = vec![
        case("limit: bare loop", tasks, Box::new(|| _ = black_box(bare_loop(&bare)))),
        case("fcfs, 64 slots, no observer", tasks, Box::new(|| simulate(&pool, "fcfs", &mut ()))),
        case("fcfs, 64 slots, all metrics", tasks, Box::new(|| with_metrics(&pool, "fcfs"))),
        case("fcfs, 64 slots, all metrics and timelines", tasks, Box::new(|| with_timelines(&pool, "fcfs"))),
    ];
    if let Some(kth) = &kth {
        cases.push(case(
            "easy, KTH-SP2, no observer",
            kth.tasks,
            Box::new(|| simulate(kth, "easy", &mut ())),
        ));
        cases.push(case("easy, KTH-SP2, all metrics", kth.tasks, Box::new(|| with_metrics(kth, "easy"))));
    }
    cases.retain(|case| case.name.contains(&filter));
    if cases.is_empty() {
        println!("no case has {filter:?} in its name");
        return;
    }
    for _ in 0..rounds {
        for case in &mut cases {
            let spent = cpu_seconds(|| (case.run)());
            case.best_s = case.best_s.min(spent);
        }
    }
    let limit = cases.iter().find(|case| case.name.starts_with("limit"));
    let limit = limit.map(|case| case.best_s / case.tasks as f64);
    println!("\n{:<44} {:>13} {:>9} {:>13}", "", "M tasks/CPU s", "ns/event", "of the limit");
    for case in &cases {
        let each = case.best_s / case.tasks as f64;
        let ratio = limit.map_or_else(String::new, |limit| format!("{:.3}", limit / each));
        println!("{:<44} {:>13.3} {:>9.1} {ratio:>13}", case.name, 1e-6 / each, each * 1e9 / 2.0);
    }
}
