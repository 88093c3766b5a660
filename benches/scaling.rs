//! How the cost of each strategy grows: with the tasks that wait, and with the workers.
//!
//! All tasks of a case arrive within its first second, so that nearly all of them wait, and all run to their end: every
//! depth of the queue from all of them down to none is part of a figure. Requests are powers of two up to half a worker,
//! run times and overestimates are drawn log-uniformly, 1 min to 10 h and 1 to 10 times; tasks end before their estimates,
//! as they mostly do. The tasks are in memory; time is CPU time, no observer. What is printed is tasks
//! per CPU second, and between sizes the exponent with which the time for a task grows: 0 is linear in all, 1 quadratic.
//!
//! ```sh
//! cargo bench --bench scaling [-- [--most TASKS] [--workers MOST] [--seconds PER-CASE] [TEXT IN A STRATEGY'S NAME ...]]
//! cargo bench --bench scaling -- --most 10000000 --seconds 30 fcfs first_fit easy
//! ```
//!
//! A case that takes longer than its seconds is stopped, and what share of its tasks had ended by then is printed. Larger ones are
//! not run then; nor are those that would take too long even if the time grew with the tasks alone.
#![allow(clippy::expect_used, reason = "a benchmark may end with a panic")]

#[path = "support/cpu.rs"]
mod cpu;

use std::fmt::Write as _;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use cloudai_schedulers::Registry;
use cloudai_sim::{Hooks, SimError};
use cloudai_workloads::{Location, Scenario};
use cpu::cpu_seconds;

/// Cores of a worker; of the one worker that is a pool.
const CORES: u64 = 64;
const POOL_CORES: u64 = 256;

/// So many tasks share the workers of a case at most: on the largest clusters most of them have to wait, too.
const MOST_ACROSS: u64 = 1_000_000;

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

/// How a case went.
#[derive(Clone, Copy, Debug)]
enum Case {
    /// CPU seconds of one run.
    Took(f64),
    /// It was stopped; this share of the tasks had ended.
    Stopped(f64),
    /// It would have taken too long.
    NotRun,
}

/// One run of at most so many seconds.
#[expect(clippy::cast_precision_loss, reason = "figures for people")]
fn run(scenario: &Scenario, spec: &str, most: f64) -> Case {
    let parsed = spec.parse().expect("a valid spec");
    let mut strategy = Registry::builtin().build(&parsed).expect("a known strategy");
    let (stop, over, ended) = (AtomicBool::new(false), AtomicBool::new(false), AtomicU64::new(0));
    let hooks = Hooks { stop: Some(&stop), ended: Some(&ended), time_passes: false };
    let mut done = None;
    let spent = std::thread::scope(|scope| {
        scope.spawn(|| {
            let step = Duration::from_millis(20);
            let mut waited = Duration::ZERO;
            while !over.load(Ordering::Relaxed) && waited.as_secs_f64() < most {
                std::thread::park_timeout(step);
                waited += step;
            }
            stop.store(true, Ordering::Relaxed);
        });
        let spent = cpu_seconds(|| {
            let settings = &scenario.settings;
            done = Some(cloudai_sim::run(scenario, settings, spec, strategy.as_mut(), &mut (), hooks));
        });
        over.store(true, Ordering::Relaxed);
        spent
    });
    match done.expect("it has run") {
        Ok(stats) => {
            assert_eq!(stats.tasks, scenario.tasks);
            Case::Took(spent)
        }
        Err(SimError::Interrupted) => {
            Case::Stopped(ended.load(Ordering::Relaxed) as f64 / scenario.tasks as f64)
        }
        Err(error) => panic!("{spec}: {error}"),
    }
}

struct Arguments {
    most: u64,
    workers: u64,
    seconds: f64,
    filters: Vec<String>,
    test: bool,
}

/// `cargo bench` adds `--bench`; `--test` asks for one short round.
fn arguments() -> Arguments {
    let mut parsed =
        Arguments { most: 100_000, workers: 100_000, seconds: 20.0, filters: Vec::new(), test: false };
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        let mut number = || words.next().and_then(|word| word.parse::<u32>().ok()).expect("a number");
        match word.as_str() {
            "--bench" => {}
            "--test" => parsed.test = true,
            "--most" => parsed.most = u64::from(number()),
            "--workers" => parsed.workers = u64::from(number()),
            "--seconds" => parsed.seconds = f64::from(number()),
            _ if word.starts_with("--") => panic!("{word}: no such option; the top of this file lists them"),
            _ => parsed.filters.push(word),
        }
    }
    parsed
}

/// Powers of ten from `from` to `most`.
fn decades(from: u64, most: u64) -> impl Iterator<Item = u64> {
    std::iter::successors(Some(from), |size| Some(size * 10)).take_while(move |&size| size <= most)
}

/// What a strategy has shown at the sizes before, and whether the next one is worth a try.
fn is_hopeless(before: &[Case], growth: f64, seconds: f64) -> bool {
    match before.last() {
        Some(Case::Took(spent)) => spent * growth > seconds,
        // More workers do not always take longer.
        Some(_) => growth > 1.0,
        None => false,
    }
}

/// A Markdown table with a line for each strategy: tasks per second at each size, and the exponents between them.
#[expect(clippy::cast_precision_loss, reason = "figures for people")]
fn table(title: &str, sizes: &[(u64, u64)], names: &[&str], seconds: f64) {
    let mut cases: Vec<Vec<Case>> = vec![Vec::new(); names.len()];
    for (at, &(tasks, workers)) in sizes.iter().enumerate() {
        let growth = at.checked_sub(1).map_or(1.0, |before| tasks as f64 / sizes[before].0 as f64);
        let wanted = cases.iter().any(|before| !is_hopeless(before, growth, seconds));
        let scenario = wanted.then(|| burst(tasks, workers));
        for (name, cases) in names.iter().zip(&mut cases) {
            let scenario = scenario.as_ref().filter(|_| !is_hopeless(cases, growth, seconds));
            let case = scenario.map_or(Case::NotRun, |scenario| run(scenario, name, seconds));
            eprintln!("{name}, {tasks} tasks, {workers} workers: {case:?}");
            cases.push(case);
        }
    }
    println!("\n{title}: tasks per CPU second\n");
    let mut head = "| strategy |".to_owned();
    for (at, &(tasks, workers)) in sizes.iter().enumerate() {
        let size = if sizes[0].1 == sizes[sizes.len() - 1].1 { tasks } else { workers };
        let _ = write!(head, "{} {} |", if at > 0 { " growth |" } else { "" }, thousands(size as f64));
    }
    println!("{head}\n|---|{}", "---|".repeat(2 * sizes.len() - 1));
    for (name, cases) in names.iter().zip(&cases) {
        let mut line = format!("| `{name}` |");
        for (at, case) in cases.iter().enumerate() {
            let tasks = sizes[at].0 as f64;
            if let Some(before) = at.checked_sub(1) {
                let growth = match (cases[before], case) {
                    (Case::Took(least), Case::Took(most)) => {
                        // What grows as fast as the tasks do costs the same for each.
                        format!("{:.2}", libm::log10(most / least * sizes[before].0 as f64 / tasks))
                    }
                    _ => String::new(),
                };
                let _ = write!(line, " {growth} |");
            }
            let _ = match case {
                Case::Took(spent) => write!(line, " {} |", thousands(tasks / spent)),
                Case::Stopped(share) => {
                    write!(line, " > {seconds} s ({}%) |", thousands((share * 100.0).floor()))
                }
                Case::NotRun => write!(line, " - |"),
            };
        }
        println!("{line}");
    }
}

/// A number in whole units, with commas.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "small and positive")]
fn thousands(number: f64) -> String {
    let digits = (number.round() as u64).to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[expect(clippy::cast_precision_loss, reason = "figures for people")]
fn main() {
    let Arguments { most, workers, seconds, filters, test } = arguments();
    // A whole name means that strategy alone, other text whatever has it in its name.
    let wanted = |name: &&str| {
        let is = |text: &String| {
            if STRATEGIES.contains(&text.as_str()) {
                *name == text.as_str()
            } else {
                name.contains(text.as_str())
            }
        };
        filters.is_empty() || filters.iter().any(is)
    };
    let names: Vec<&str> = STRATEGIES.iter().copied().filter(wanted).collect();
    let (most, workers) = if test { (1_000, 10) } else { (most, workers) };
    let pool: Vec<(u64, u64)> = decades(1_000, most).map(|tasks| (tasks, 1)).collect();
    let ten: Vec<(u64, u64)> = decades(1_000, most).map(|tasks| (tasks, 10)).collect();
    let across: Vec<(u64, u64)> =
        decades(10, workers).map(|workers| (most.min(MOST_ACROSS), workers)).collect();
    table("Tasks on one pool of 256 cores", &pool, &names, seconds);
    table("Tasks on 10 workers of 64 cores", &ten, &names, seconds);
    let tasks = thousands(most.min(MOST_ACROSS) as f64);
    table(&format!("{tasks} tasks on workers of 64 cores"), &across, &names, seconds);
}
