//! First fit and best fit on many workers, whole runs beside bare loops: a task that does not start as it arrives is
//! rejected. Tasks are in memory, time is this thread's CPU time, no observer.
//!
//! The limit is a loop that merges sorted arrivals with a heap of completions and finds a worker by its cores alone: with a
//! segment tree of maxima for first fit, with a bitset of workers for each number of free cores for best fit
//! (`support/bare_fit.rs`). It knows no other resource, no states, no strategy, no names.
//!
//! Workers have 64 cores and 256 GB. *Whole*: a task asks for 1 to 16 cores. *Fractions*: for 0.05 to 16 cores in steps of
//! 0.05, and for 0.5 to 64 GB of memory; the limit gets the cores rounded up, which is the simpler problem. Load is the
//! offered one: cores that are asked for, as a share of all cores.
//!
//! ```sh
//! cargo bench --bench fit [-- [--most WORKERS] [--rounds N] [TEXT IN A CASE'S NAME]]
//! ```
#![allow(clippy::expect_used, reason = "a benchmark may end with a panic")]

#[path = "support/bare_fit.rs"]
mod bare_fit;
#[path = "support/cpu.rs"]
mod cpu;

use std::fmt::Write as _;
use std::hint::black_box;

use bare_fit::{Arrival, BestFitLevels, FirstFitTree, bare_loop};
use cloudai_schedulers::Registry;
use cloudai_sim::Hooks;
use cloudai_workloads::{Location, Scenario, Task};
use cpu::cpu_seconds;

/// Cores and GB of a worker.
const CORES: u64 = 64;
const MEMORY_GB: u64 = 256;

/// What tasks ask for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Sizes {
    Whole,
    Fractions,
}

/// So many tasks on so many workers at an offered load in percent. Run times are uniform from 1 to 199 s, gaps too.
fn scenario(sizes: Sizes, tasks: u64, workers: u64, load: u64) -> Scenario {
    let mut state = 1u64;
    let mut draw = move |below: u64| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % below
    };
    let mut text = String::from("task_id,arrival_s,duration_s,cpu_cores,memory_gb,storage_gb\n");
    // On average a task holds 8.5 cores (8.025 in fractions) for 100 s.
    let core_seconds = if sizes == Sizes::Whole { 850_000_000 } else { 802_500_000 };
    let gap_us = core_seconds * 100 / (CORES * workers * load);
    let mut arrival_us = 0;
    for task in 0..tasks {
        arrival_us += draw(2 * gap_us + 1);
        let (seconds, micros, run) = (arrival_us / 1_000_000, arrival_us % 1_000_000, 1 + draw(199));
        let _ = match sizes {
            Sizes::Whole => writeln!(text, "{task},{seconds}.{micros:06},{run},{},0,0", 1 + draw(16)),
            Sizes::Fractions => {
                let (cores, memory) = (1 + draw(320), 1 + draw(128));
                let (whole, parts) = (cores / 20, cores % 20 * 5);
                writeln!(
                    text,
                    "{task},{seconds}.{micros:06},{run},{whole}.{parts:02},{}.{},0",
                    memory / 2,
                    memory % 2 * 5
                )
            }
        };
    }
    let mut hosts = String::from("worker_id,total_cpu,total_memory,total_storage,total_gpu\n");
    for worker in 0..workers {
        let _ = writeln!(hosts, "w{worker},{CORES},{MEMORY_GB},0,0");
    }
    let mut scenario = Scenario::check(&Location::text(text, hosts)).expect("a scenario in order");
    scenario.hold().expect("the text is still there");
    scenario.settings.set("on_full", "reject").expect("a known setting");
    scenario
}

fn arrivals(scenario: &Scenario) -> Vec<Arrival> {
    let mut arrivals = Vec::new();
    let (mut stream, mut task) = (scenario.stream().expect("tasks in memory"), Task::default());
    while stream.next_into(&mut task).expect("tasks in memory") {
        let cores = task.spec.request.cpu_milli.div_ceil(1000);
        arrivals.push(Arrival {
            at: task.spec.arrival.micros(),
            run: task.duration.micros(),
            cores: u32::try_from(cores).expect("few cores"),
        });
    }
    arrivals
}

/// One run. Not inlined, so that a profiler can tell it from the preparations.
#[inline(never)]
fn simulate(scenario: &Scenario, spec: &str) {
    let parsed = spec.parse().expect("a valid spec");
    let mut strategy = Registry::builtin().build(&parsed).expect("a known strategy");
    let settings = &scenario.settings;
    let stats = cloudai_sim::run(scenario, settings, spec, strategy.as_mut(), &mut (), Hooks::default());
    assert_eq!(stats.expect("the run ends").tasks, scenario.tasks);
}

struct Arguments {
    most: u64,
    rounds: u32,
    filter: String,
    test: bool,
}

/// `cargo bench` adds `--bench`; `--test` asks for one short round.
fn arguments() -> Arguments {
    let mut parsed = Arguments { most: 100_000, rounds: 5, filter: String::new(), test: false };
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        let mut number = || words.next().and_then(|word| word.parse::<u32>().ok()).expect("a number");
        match word.as_str() {
            "--bench" => {}
            "--test" => parsed.test = true,
            "--most" => parsed.most = u64::from(number()),
            "--rounds" => parsed.rounds = number(),
            _ if word.starts_with("--") => panic!("{word}: no such option; the top of this file lists them"),
            _ => parsed.filter = word,
        }
    }
    if parsed.test {
        (parsed.most, parsed.rounds) = (1_000, 1);
    }
    parsed
}

#[expect(clippy::cast_precision_loss, reason = "figures for people")]
fn main() {
    let Arguments { most, rounds, filter, test } = arguments();
    println!(
        "\n{:<48} {:>10} {:>10} {:>9} {:>9}",
        "ns a task: arrival, decision, completion", "limit", "engine", "ratio", "rejected"
    );
    for workers in [1_000, 10_000, 100_000].into_iter().filter(|&workers| workers <= most) {
        for load in [70, 95] {
            for (spec, sizes) in
                [("first_fit", Sizes::Whole), ("best_fit", Sizes::Whole), ("best_fit", Sizes::Fractions)]
            {
                let kind = if sizes == Sizes::Whole { "whole cores" } else { "fractions, memory" };
                let name = format!("{spec}, {kind}, {workers} workers, load 0.{load}");
                if !name.contains(&filter) {
                    continue;
                }
                // Many times what runs at a time, so that the cluster is full for most of the run.
                let tasks = if test { 2_000 } else { (30 * workers).max(1_000_000) };
                let scenario = scenario(sizes, tasks, workers, load);
                let arrivals = arrivals(&scenario);
                let (mut limit, mut engine, mut rejected) = (f64::INFINITY, f64::INFINITY, 0);
                for _ in 0..rounds {
                    limit = limit.min(cpu_seconds(|| {
                        rejected = black_box(match spec {
                            "first_fit" => bare_loop(&arrivals, &mut FirstFitTree::new(workers, CORES)),
                            _ => bare_loop(&arrivals, &mut BestFitLevels::new(workers, CORES)),
                        });
                    }));
                    engine = engine.min(cpu_seconds(|| simulate(&scenario, spec)));
                }
                let each = |seconds: f64| seconds * 1e9 / tasks as f64;
                println!(
                    "{name:<48} {:>10.1} {:>10.1} {:>9.3} {:>9.4}",
                    each(limit),
                    each(engine),
                    limit / engine,
                    rejected as f64 / tasks as f64
                );
            }
        }
    }
}
