//! How the cost of each strategy grows: with the tasks that wait, and with the workers.
//!
//! All tasks of a case arrive within its first second, so that nearly all of them wait, and all run to their end: every
//! depth of the queue from all of them down to none is part of a figure. Requests are powers of two up to half a worker,
//! run times and overestimates are drawn log-uniformly, 1 min to 10 h and 1 to 10 times; tasks end before their estimates,
//! as they mostly do. The tasks are in memory; time is this thread's CPU time, no observer. What is printed is tasks
//! per CPU second, and between sizes the exponent with which the time for a task grows: 0 is linear in all, 1 quadratic.
//!
//! ```sh
//! cargo bench --bench scaling [-- [--most TASKS] [--seconds PER-CASE] [TEXT IN A STRATEGY'S NAME]]
//! ```
#![allow(clippy::expect_used, reason = "a benchmark may end with a panic")]

#[path = "support/cpu.rs"]
mod cpu;

use std::fmt::Write as _;
use std::io::Write as _;

use cloudai_schedulers::Registry;
use cloudai_sim::Hooks;
use cloudai_workloads::{Location, Scenario};
use cpu::cpu_seconds;

/// Cores of a worker; of the one worker that is a pool.
const CORES: u64 = 64;
const POOL_CORES: u64 = 256;

/// The strategies, from the plainest on.
const STRATEGIES: &[&str] = &[
    "greedy",
    "fcfs",
    "first_fit",
    "best_fit",
    "easy",
    "conservative",
    "queue(order=sjf,backfill=easy)",
    "queue(order=fair_share,backfill=easy)",
    "queue(order=wfp3,backfill=easy)",
    "ai",
    "ai_aggressive",
    "ai_predictive",
    "ai_load_balanced",
];

/// So many tasks, all there within a second, on so many workers.
fn burst(tasks: u64, workers: u64) -> Scenario {
    let cores = if workers == 1 { POOL_CORES } else { CORES };
    let mut state = 1u64;
    let mut draw = move || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        #[expect(clippy::cast_precision_loss, reason = "53 bits")]
        let unit = (state >> 11) as f64 / (1u64 << 53) as f64;
        unit
    };
    let widths = u64::from(cores.ilog2());
    let mut text =
        String::from("task_id,arrival_s,duration_s,cpu_cores,memory_gb,storage_gb,estimate_s,user_id\n");
    for task in 0..tasks {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "small and positive")]
        let below = |most: u64, unit: f64| (most as f64 * unit) as u64;
        let width = 1u64 << below(widths, draw());
        let seconds: f64 = 60.0 * libm::pow(600.0, draw());
        let (run, estimate) = (seconds.ceil(), (seconds * libm::pow(10.0, draw()) / 60.0).ceil() * 60.0);
        let (micros, user) = (task * 1_000_000 / tasks, below(100, draw()));
        let _ = writeln!(text, "{task},0.{micros:06},{run},{width},0,0,{estimate},u{user}");
    }
    let mut hosts = String::from("worker_id,total_cpu,total_memory,total_storage,total_gpu\n");
    for worker in 0..workers {
        let _ = writeln!(hosts, "w{worker},{cores},0,0,0");
    }
    let mut scenario = Scenario::check(&Location::text(text, hosts)).expect("a scenario in order");
    scenario.hold().expect("the text is still there");
    scenario
}

/// CPU seconds of one run.
fn run(scenario: &Scenario, spec: &str) -> f64 {
    let parsed = spec.parse().expect("a valid spec");
    let mut strategy = Registry::builtin().build(&parsed).expect("a known strategy");
    cpu_seconds(|| {
        let settings = &scenario.settings;
        let stats = cloudai_sim::run(scenario, settings, spec, strategy.as_mut(), &mut (), Hooks::default());
        assert_eq!(stats.expect("the run ends").tasks, scenario.tasks);
    })
}

struct Arguments {
    most: u64,
    seconds: f64,
    filter: String,
    test: bool,
}

/// `cargo bench` adds `--bench`; `--test` asks for one short round.
fn arguments() -> Arguments {
    let mut parsed = Arguments { most: 100_000, seconds: 20.0, filter: String::new(), test: false };
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        let mut number = || words.next().and_then(|word| word.parse::<u32>().ok()).expect("a number");
        match word.as_str() {
            "--bench" => {}
            "--test" => parsed.test = true,
            "--most" => parsed.most = u64::from(number()),
            "--seconds" => parsed.seconds = f64::from(number()),
            _ => parsed.filter = word,
        }
    }
    parsed
}

/// Powers of ten from `from` to `most`.
fn decades(from: u64, most: u64) -> impl Iterator<Item = u64> {
    std::iter::successors(Some(from), |size| Some(size * 10)).take_while(move |&size| size <= most)
}

/// One line of a table for each strategy: tasks per second at each size, and the exponents between them. A strategy of which
/// the next size is likely to take longer than `seconds` is not run at that size and beyond.
#[expect(clippy::cast_precision_loss, reason = "figures for people")]
fn table(title: &str, sizes: &[(u64, u64)], names: &[&str], seconds: f64) {
    println!("\n{title}\n");
    let scenarios: Vec<Scenario> = sizes.iter().map(|&(tasks, workers)| burst(tasks, workers)).collect();
    let mut head = format!("{:<40}", "tasks x workers");
    for (at, (tasks, workers)) in sizes.iter().enumerate() {
        let growth = if at > 0 { "growth" } else { "" };
        let _ = write!(head, " {growth:>6} {:>14}", format!("{tasks}x{workers}"));
    }
    println!("{head}");
    for name in names {
        print!("{name:<40}");
        let mut taken: Vec<f64> = Vec::new();
        for (scenario, &(tasks, _)) in scenarios.iter().zip(sizes) {
            let expected = match taken.as_slice() {
                [.., before, last] => last * (last / before).clamp(1.0, 100.0),
                [last] => last * 30.0,
                [] => 0.0,
            };
            let spent = if expected <= seconds { run(scenario, name) } else { f64::INFINITY };
            let growth = taken.last().map(|before| libm::log10(spent / before));
            taken.push(spent);
            // What grows as fast as the tasks do costs the same for each.
            let more = taken
                .len()
                .checked_sub(2)
                .map_or(0.0, |before| libm::log10(tasks as f64 / sizes[before].0 as f64));
            let growth =
                growth.filter(|growth| growth.is_finite()).map(|growth| format!("{:.2}", growth - more));
            let rate =
                if spent.is_finite() { format!("{:.0}", tasks as f64 / spent) } else { "-".to_owned() };
            print!(" {:>6} {rate:>14}", growth.unwrap_or_default());
            let _ = std::io::stdout().flush();
        }
        println!();
    }
}

fn main() {
    let Arguments { most, seconds, filter, test } = arguments();
    let names: Vec<&str> = STRATEGIES.iter().copied().filter(|name| name.contains(&filter)).collect();
    let most = if test { 1_000 } else { most };
    let pool: Vec<(u64, u64)> = decades(1_000, most).map(|tasks| (tasks, 1)).collect();
    let ten: Vec<(u64, u64)> = decades(1_000, most).map(|tasks| (tasks, 10)).collect();
    let workers = decades(10, if test { 10 } else { 100_000 });
    let across: Vec<(u64, u64)> = workers.map(|workers| (most.min(100_000), workers)).collect();
    table("Tasks waiting, on one pool of 256 cores: tasks per CPU second", &pool, &names, seconds);
    table("Tasks waiting, on 10 workers of 64 cores: tasks per CPU second", &ten, &names, seconds);
    table("Workers: tasks per CPU second", &across, &names, seconds);
}
