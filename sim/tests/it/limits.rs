//! How long a task runs: speeds, stated durations, kills at the estimate, start-up latency; and what a strategy may
//! know of it.

use std::sync::{Arc, Mutex};

use cloudai_schedulers::{SchedulingContext, WorkerId};

use crate::strategies::{play, start, start_all, task};
use crate::support::{Case, ONE, S, close, table};

const FAST_AND_SLOW: &str = "worker_id,total_cpu,total_memory,total_storage,total_gpu,speed\n\
                             fast,1,64,1000,0,2\nslow,1,64,1000,0,0.3\n";

#[test]
fn a_task_runs_for_its_duration_over_speed_rounded_up() {
    let case = Case::new(FAST_AND_SLOW, &["arrival_s duration_s cpu_cores", "a 0 0.000003 1", "b 0 1 1"]);
    let outcome = case.run("first_fit");
    assert_eq!(outcome.shown(), ["a.1 fast 0-0.000002 completed", "b.1 slow 0-3.333334 completed"]);
}

#[test]
fn a_kill_comes_at_the_estimate_over_speed() {
    let case = Case::new(
        FAST_AND_SLOW,
        &[
            "arrival_s duration_s cpu_cores estimate_s",
            "a 0 10 1 4",
            "b 0 10 1 6",
            "c 50 10 1 10",
            "d 50 10 1 -",
        ],
    );
    let patient = case.run("first_fit");
    assert!(patient.rows.iter().all(|row| row.status == "completed"), "no kills unless asked for");
    let case = case.set("kill_at_estimate", "true");
    let outcome = case.run("first_fit");
    assert_eq!(
        outcome.shown(),
        [
            "a.1 fast 0-2 timed_out",
            "b.1 slow 0-20 timed_out",
            // Exactly as long as its estimate: it completes.
            "c.1 fast 50-55 completed",
            // Without an estimate there is no kill.
            "d.1 slow 50-83.333334 completed",
        ]
    );
    assert_eq!((outcome.metrics.failed, outcome.metrics.timed_out, outcome.metrics.completed), (2, 2, 2));
    assert!(outcome.ran_everything, "a time limit does not void the bound");
}

#[test]
fn the_limit_of_a_gang_is_that_of_its_slowest_part() {
    for (estimate, expected) in [(3, "g.1 fast;slow 0-10 timed_out"), (6, "g.1 fast;slow 0-20 completed")] {
        let row = format!("g 0 6 1 {estimate} 2");
        let case = Case::new(FAST_AND_SLOW, &["arrival_s duration_s cpu_cores estimate_s replicas", &row]);
        assert_eq!(case.set("kill_at_estimate", "true").run("fcfs").shown(), [expected]);
    }
}

#[test]
fn a_kill_uses_the_file_whatever_the_strategies_see() {
    for mode in ["exact", "none", "noisy(3)", "column"] {
        let case = Case::new(ONE, &["arrival_s duration_s cpu_cores estimate_s", "a 0 10 1 4"])
            .set("kill_at_estimate", "true")
            .set("estimates", mode);
        assert_eq!(case.run("fcfs").shown(), ["a.1 w0 0-4 timed_out"], "{mode}");
    }
}

#[test]
fn a_failed_predecessor_cancels_its_successors() {
    let case = Case::new(
        ONE,
        &[
            "arrival_s duration_s cpu_cores estimate_s depends_on deadline_s",
            "a 0 10 1 4 - -",
            "b 0 1 1 - a 100",
            "c 1 1 1 - b -",
            "d 0 1 1 - - -",
            "late 20 1 1 - a;d -",
        ],
    )
    .set("kill_at_estimate", "true");
    let outcome = case.run("fcfs");
    assert_eq!(
        outcome.shown(),
        [
            "a.1 w0 0-4 timed_out",
            "b.0  ?-? cancelled",
            "c.0  ?-? cancelled",
            "d.1 w0 4-5 completed",
            "late.0  ?-? cancelled"
        ]
    );
    assert!(outcome.text.contains("\nb,,,0,0,,,,cancelled\n"), "{}", outcome.text);
    assert_eq!((outcome.metrics.cancelled, outcome.metrics.failed), (3, 1));
    assert_eq!(outcome.metrics.deadline_misses, Some(1), "what never ends has missed its deadline");
    assert!(!outcome.ran_everything);
    assert_eq!(outcome.stats.tasks, 5);
}

#[test]
fn stated_durations_replace_duration_over_speed() {
    let case = Case::of(&[
        ("workers.csv", FAST_AND_SLOW),
        ("tasks.csv", &table("task_id", &["arrival_s duration_s cpu_cores", "a 0 10 1", "b 0 12 1"])),
        ("durations.csv", "task_id,worker_id,duration_s\na,fast,7\nb,fast,1\n"),
    ]);
    let outcome = case.run("first_fit");
    assert_eq!(outcome.shown(), ["a.1 fast 0-7 completed", "b.1 slow 0-40 completed"]);
}

/// What a strategy expects of each task on each worker, in seconds, at its first pass.
fn expectations(case: &Case) -> Vec<String> {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let log = Arc::clone(&seen);
    case.play(&mut play(move |cx: &mut SchedulingContext<'_>| {
        let view = cx.view();
        let mut log = log.lock().unwrap();
        if log.is_empty() {
            for id in view.queue() {
                let estimate = view.task(id).unwrap().spec().estimate;
                let on = |worker| view.expected_run(id, WorkerId(worker)).to_string();
                let estimate = estimate.map_or("none".to_owned(), |estimate| estimate.to_string());
                log.push(format!("{estimate}: {} {}", on(0), on(1)));
            }
        }
        drop(log);
        start_all(cx);
    }));
    let seen = seen.lock().unwrap();
    seen.clone()
}

#[test]
fn strategies_see_the_estimates_of_the_mode_and_stated_durations_only_if_exact() {
    let case = |mode| {
        Case::of(&[
            ("workers.csv", FAST_AND_SLOW),
            (
                "tasks.csv",
                &table("task_id", &["arrival_s duration_s cpu_cores estimate_s", "a 0 6 1 12", "b 0 3 1 -"]),
            ),
            ("durations.csv", "task_id,worker_id,duration_s\na,fast,7\nb,slow,1\n"),
        ])
        .set("estimates", mode)
    };
    let column = expectations(&case("column"));
    assert_eq!(column[0], "12: 6 40");
    assert!(column[1].starts_with("none: "), "{column:?}");
    assert_eq!(expectations(&case("exact")), ["6: 7 20", "3: 1.5 1"]);
    let none = expectations(&case("none"));
    assert!(none.iter().all(|line| line.starts_with("none: ")), "{none:?}");
    // Nothing is known: the same for both.
    assert_eq!(none[0], none[1]);
}

#[test]
fn noise_is_reproducible_and_follows_the_seed() {
    let tasks: Vec<String> = (0..50).map(|at| format!("t{at} 0 10 0.01")).collect();
    let mut rows = vec!["arrival_s duration_s cpu_cores"];
    rows.extend(tasks.iter().map(String::as_str));
    let workers =
        "worker_id,total_cpu,total_memory,total_storage,total_gpu\nw0,1,64,1000,0\nw1,1,64,1000,0\n";
    let of = |seed: &str| {
        expectations(&Case::new(workers, &rows).set("estimates", "noisy(0.5)").set("seed", seed))
    };
    assert_eq!(of("1"), of("1"));
    assert_ne!(of("1"), of("2"));
    for line in of("1") {
        let estimate: f64 = line.split(':').next().unwrap().parse().unwrap();
        assert!((10.0..=15.0).contains(&estimate), "{line}");
    }
}

#[test]
fn a_start_takes_its_latency_and_holds_from_the_assignment() {
    let case = Case::new(ONE, &["arrival_s duration_s cpu_cores", "a 1 4 1", "b 1 0 1"])
        .set("startup_latency_s", "2.5")
        .set("starvation_threshold_s", "2.5");
    let outcome = case.run("fcfs");
    // a holds from 1, starts at 3.5, ends at 7.5; b holds from 7.5, starts and ends at 10.
    assert_eq!(outcome.shown(), ["a.1 w0 3.5-7.5 completed", "b.1 w0 10-10 completed"]);
    assert_eq!(outcome.last("a").wait, Some(2_500_000), "the confirmed start counts");
    assert!(close(outcome.metrics.cpu_utilization.unwrap(), 1.0, 1e-12), "held from the assignment on");
    assert_eq!(outcome.metrics.starvation_count, 1, "longer than the threshold, not as long");
    // The longest task: 1 + 2.5 + 4, from the first arrival at 1.
    assert_eq!(outcome.bounds.makespan.micros(), 6_500_000);
}

#[test]
fn expected_ends_count_the_latency() {
    let case = Case::new(ONE, &["arrival_s duration_s cpu_cores estimate_s", "a 0 4 1 6"])
        .set("startup_latency_s", "2");
    let seen = Arc::new(Mutex::new(Vec::new()));
    let log = Arc::clone(&seen);
    case.play(
        &mut play(move |cx: &mut SchedulingContext<'_>| {
            if cx.view().queue_len() > 0 {
                start(cx, 0, 0);
            }
            let running = task(&cx.view(), 0).and_then(|id| cx.view().task(id)?.expected_end());
            log.lock().unwrap().extend(running.map(|end| end.micros() / S));
        })
        .always(),
    );
    // At the assignment, and again at the confirmed start.
    assert_eq!(*seen.lock().unwrap(), [8, 8]);
}

#[test]
fn predictions_are_held_against_the_run_on_the_worker() {
    // Half speed: 10 nominal seconds run 20. After the first run the prediction is exact.
    let workers = "worker_id,total_cpu,total_memory,total_storage,total_gpu,speed\nw0,1,64,1000,0,0.5\n";
    let rows: Vec<String> = (0..20).map(|at| format!("t{at} 0 10 1 u")).collect();
    let mut table = vec!["arrival_s duration_s cpu_cores user_id"];
    table.extend(rows.iter().map(String::as_str));
    let error = Case::new(workers, &table).run("fcfs").metrics.prediction_error.unwrap();
    let first_only = Case::new(workers, &table[..2]).run("fcfs").metrics.prediction_error.unwrap();
    assert!(close(error, first_only / 20.0, 1e-9), "only the first of 20 is off: {error}, {first_only}");
    assert_eq!(
        Case::new(ONE, &["arrival_s duration_s cpu_cores estimate_s", "a 0 4 1 6"])
            .run("fcfs")
            .metrics
            .prediction_error,
        None,
        "estimates are not predictions"
    );
}
