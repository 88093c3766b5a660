//! Schedules that the simulator made, and a recount by other means.

use std::path::Path;

use cloudai_schedulers::{Registry, StrategySpec};
use cloudai_sim::validate::Verdict;
use cloudai_workloads::{Location, Scenario, Task};
use proptest::prelude::*;

use super::{HEADER, judge};
use crate::kth_sp2::{data, tasks};
use crate::random::scenarios;
use crate::support::{Case, S};

/// Which rules a strategy keeps.
const KEPT: [(&str, &str); 4] = [
    ("fcfs", "fcfs,easy,conservative,no_preemption"),
    ("easy", "easy"),
    ("conservative", "conservative"),
    ("first_fit", "work_conserving"),
];

fn check(case: &Case, spec: &str, rules: &str) -> Verdict {
    let verdict = judge(case, rules, &case.run(spec).text).unwrap();
    assert!(verdict.holds, "{spec} under {rules}: {verdict}");
    verdict
}

fn able(case: &Case) -> impl Iterator<Item = String> {
    let registry = Registry::builtin();
    let names: Vec<String> = registry.iter().map(|info| info.name.to_owned()).collect();
    let has_gangs = case.scenario.needs.gangs;
    names.into_iter().filter(move |name| {
        let spec: StrategySpec = name.parse().unwrap();
        !has_gangs || registry.build(&spec).unwrap().supports().gangs
    })
}

/// `PROPTEST_CASES` asks for more than usual.
fn config() -> ProptestConfig {
    let asked = std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok());
    ProptestConfig { cases: asked.unwrap_or(64), ..ProptestConfig::default() }
}

proptest! {
    #![proptest_config(config())]

    /// Whatever the scenario has, every strategy's schedule holds, and the queues keep what they promise.
    #[test]
    fn what_the_simulator_makes_holds(files in scenarios()) {
        let case = files.case();
        for name in able(&case) {
            check(&case, &name, "");
        }
        // Without an estimate strategies go by predictions, of which the validator knows nothing.
        let case = case.set("estimates", "noisy(0.7)");
        for (name, rules) in KEPT.into_iter().filter(|(name, _)| able(&case).any(|able| able == *name)) {
            // Who is turned away waits for no time, and conservatively that was a reservation.
            let rules = if case.settings.on_full == cloudai_workloads::OnFull::Reject { "" } else { rules };
            check(&case, name, rules);
        }
    }
}

#[test]
fn the_reference_schedules_of_kth_sp2_keep_their_own_rule() {
    let Some(log) = data("swf/kth-sp2.swf") else { return };
    let tasks = tasks(&String::from_utf8_lossy(&std::fs::read(log).unwrap()));
    let workers = format!("{HEADER}\npool,100,0,0,0\n");
    let case = Case::of(&[("workers.csv", &workers), ("tasks.csv", &tasks)]).set("kill_at_estimate", "true");
    for (reference, overtakes, under_fcfs, under_conservative) in
        [("fcfs", 0, 0, 0), ("easy", 17_098, 17_098, 3_133), ("conservative", 16_143, 16_143, 0)]
    {
        let Some(file) = data(&format!("swf/kth-sp2.{reference}.csv.gz")) else { return };
        let mut validation = cloudai_sim::validate::Validation::new(&case.scenario, &case.settings);
        validation.rules = cloudai_sim::validate::Rule::parse_list("fcfs,easy,conservative").unwrap();
        let verdict = cloudai_sim::validate::validate(&validation, &file).unwrap();
        let of = |name: &str| {
            let check = verdict.checks.iter().find(|check| check.check == name).unwrap();
            (check.checked, check.violations)
        };
        let general: u64 = ["tasks", "attempts", "arrival", "length", "placement", "capacity"]
            .map(|name| of(name).1)
            .iter()
            .sum();
        assert_eq!(general, 0, "{verdict}");
        assert_eq!(of("fcfs"), (28_489, under_fcfs), "{reference}");
        assert_eq!(of("easy"), (overtakes, 0), "{reference}");
        assert_eq!(of("conservative"), (overtakes, under_conservative), "{reference}");
    }
}

/// An EASY whose reservation never blocks anything is `first_fit` on one pool.
#[test]
fn an_easy_that_blocks_nothing_is_caught_with_the_right_count() {
    for seed in 0..4 {
        let mut text = "task_id,arrival_s,duration_s,cpu_cores,memory_gb,storage_gb,estimate_s\n".to_owned();
        let mut state: u64 = 1 + seed;
        let mut draw = |below: u64| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) % below
        };
        let mut arrival = 0;
        for task in 0..300 {
            arrival += draw(8);
            let run = 1 + draw(60);
            text.push_str(&format!(
                "t{task},{arrival},{run},{},0,0,{}\n",
                1 + draw(16),
                (run * (1 + draw(4))).max(2) - 1
            ));
        }
        let workers = format!("{HEADER}\npool,16,0,0,0\n");
        let case = Case::of(&[("workers.csv", &workers), ("tasks.csv", &text)]);
        let rows = case.run("first_fit");
        let verdict = judge(&case, "easy", &rows.text).unwrap();
        let easy = verdict.checks.iter().find(|check| check.check == "easy").unwrap();
        let jobs = jobs(&case, &rows.rows);
        assert_eq!((easy.checked, easy.violations), recount(&jobs, 16), "seed {seed}");
        assert!(easy.violations > 5, "seed {seed}: {easy:?}");
    }
}

/// arrival, start, end, cores, estimate; in queue order, times in seconds.
type Job = [u64; 5];

fn jobs(case: &Case, rows: &[crate::support::Row]) -> Vec<Job> {
    let mut tasks: Vec<Task> = Vec::new();
    let mut stream = case.scenario.stream().unwrap();
    let mut task = Task::default();
    while stream.next_into(&mut task).unwrap() {
        tasks.push(task.clone());
    }
    let job = |task: &Task| {
        let row = rows.iter().find(|row| row.task == task.name).unwrap();
        let estimate = task.spec.estimate.unwrap().micros();
        [
            row.arrival / S,
            row.start.unwrap() / S,
            row.end.unwrap() / S,
            task.spec.request.cpu_milli / 1000,
            estimate / S,
        ]
    };
    tasks.iter().map(job).collect()
}

/// Overtakes, and those that delay the head, from the definition, one pool of one resource, everything looked at anew for
/// each start.
fn recount(jobs: &[Job], cores: u64) -> (u64, u64) {
    let (mut overtakes, mut delays) = (0, 0);
    let mut instants: Vec<u64> = jobs.iter().map(|job| job[1]).collect();
    instants.sort_unstable();
    instants.dedup();
    for now in instants {
        let waits = |job: &&Job| job[0] <= now && job[1] > now;
        let Some(head) = jobs.iter().position(|job| waits(&job)) else { continue };
        // What runs when the head has been passed over: earlier starts, and this instant's before it in the queue.
        let mut running: Vec<(u64, u64)> = Vec::new();
        for (at, job) in jobs.iter().enumerate() {
            if job[2] > now && (job[1] < now || (job[1] == now && at < head)) {
                running.push(((job[1] + job[4]) * 1_000_000, job[3]));
            }
        }
        let micros = now * 1_000_000;
        running.iter_mut().for_each(|(end, _)| *end = (*end).max(micros + 1));
        running.sort_unstable();
        let mut free = cores - running.iter().map(|(_, held)| held).sum::<u64>();
        let mut shadow = micros;
        for &(end, _) in &running {
            if free >= jobs[head][3] {
                break;
            }
            shadow = end;
            free = cores - running.iter().filter(|(end, _)| *end > shadow).map(|(_, held)| held).sum::<u64>();
        }
        let mut extra = free - jobs[head][3];
        for job in jobs.iter().skip(head + 1).filter(|job| job[1] == now) {
            overtakes += 1;
            if micros + job[4] * 1_000_000 <= shadow {
                continue;
            }
            if job[3] <= extra {
                extra -= job[3];
            } else {
                delays += 1;
            }
        }
    }
    (overtakes, delays)
}

#[test]
fn bundled_scenarios_hold_under_other_settings() {
    let bundled = |name: &str| {
        let place = Path::new(env!("CARGO_MANIFEST_DIR")).join("../workloads").join(name);
        Case::at(Scenario::check(&Location::Folder(place)).unwrap(), tempfile::tempdir().unwrap())
    };
    for case in [
        bundled("mixed-100x5").set("startup_latency_s", "2.5"),
        bundled("mixed-100x5").set("mtbf_s", "60").set("mttr_s", "20").set("checkpoint", "true"),
        bundled("mixed-100x5").set("mtbf_s", "60").set("mttr_s", "20").set("max_retries", "1"),
        bundled("dag-80x4").set("estimates", "noisy(2)").set("kill_at_estimate", "true"),
        bundled("ml-60x4").set("on_full", "reject"),
    ] {
        for name in able(&case) {
            check(&case, &name, "");
        }
    }
}
