//! Workers that go down, return, drain and join: what is lost, when it runs again, and how a run ends.

use cloudai_schedulers::{Registry, SchedulingContext};
use cloudai_sim::{Hooks, run};

use crate::strategies::{play, queue, start_all};
use crate::support::{Case, ONE, S, TWO, close, table};

/// A scenario with these rows of `faults.csv`, cells separated by spaces.
fn case(workers: &str, tasks: &[&str], faults: &[&str]) -> Case {
    let mut rows = vec!["time_s worker_id event"];
    rows.extend(faults);
    Case::of(&[
        ("workers.csv", workers),
        ("tasks.csv", &table("task_id", tasks)),
        ("faults.csv", &table("", &rows)),
    ])
}

/// The error of a run of a registered strategy.
fn error(case: &Case, spec: &str) -> String {
    let mut strategy = Registry::builtin().build(&spec.parse().unwrap()).unwrap();
    case.try_run(spec, strategy.as_mut(), Hooks::default()).unwrap_err().to_string()
}

const LONG: &[&str] = &["arrival_s duration_s cpu_cores", "a 0 10 1"];
const TWO_LONG: &[&str] = &["arrival_s duration_s cpu_cores", "a 0 10 1", "b 0 10 1"];

#[test]
fn a_lost_attempt_is_reported_and_the_task_runs_again_elsewhere() {
    let tasks = &["arrival_s duration_s cpu_cores", "a 0 10 1", "b 0 6 1"];
    let outcome = case(TWO, tasks, &["4 w0 down", "100 w0 up"]).run("fcfs");
    assert_eq!(outcome.shown(), ["a.1 w0 0-4 lost", "b.1 w1 0-6 completed", "a.2 w1 6-16 completed"]);
    let metrics = &outcome.metrics;
    assert_eq!((metrics.attempts_lost, metrics.work_lost_s, metrics.preemptions), (1, 4.0, 0));
    assert_eq!((metrics.completed, metrics.failed), (2, 0));
    assert_eq!(metrics.mean_wait_s, Some(0.0), "the first start counts");
    // Nominal capacity: 4 + 16 core seconds of 2 x 16; w0 is up for 4 of 16 seconds.
    assert!(close(metrics.cpu_utilization.unwrap(), 20.0 / 32.0, 1e-12));
    assert!(close(metrics.availability.unwrap(), 20.0 / 32.0, 1e-12));
    // Both are equally loaded until 4, then w1 is alone: its load deviates from nothing.
    assert_eq!(metrics.load_variance, Some(0.0));
}

#[test]
fn a_completion_at_the_instant_of_the_failure_comes_first() {
    let outcome = case(ONE, LONG, &["10 w0 down"]).run("fcfs");
    assert_eq!(outcome.shown(), ["a.1 w0 0-10 completed"]);
}

#[test]
fn a_task_that_arrives_at_the_instant_of_the_failure_does_not_start_there() {
    let tasks = &["arrival_s duration_s cpu_cores", "a 5 10 1"];
    let outcome = case(TWO, tasks, &["5 w0 down", "5 w1 drain", "6 w1 up"]).run("fcfs");
    assert_eq!(outcome.shown(), ["a.1 w1 6-16 completed"]);
}

#[test]
fn a_worker_that_is_down_for_no_time_loses_what_runs_there_all_the_same() {
    let outcome = case(ONE, LONG, &["4 w0 down", "4 w0 up"]).run("fcfs");
    assert_eq!(outcome.shown(), ["a.1 w0 0-4 lost", "a.2 w0 4-14 completed"]);
}

#[test]
fn a_cluster_that_is_down_waits_for_its_repair() {
    let faults = &["4 w0 down", "1000000 w0 up"];
    for spec in ["fcfs", "greedy", "easy", "ai"] {
        let outcome = case(ONE, LONG, faults).run(spec);
        assert_eq!(outcome.shown(), ["a.1 w0 0-4 lost", "a.2 w0 1000000-1000010 completed"], "{spec}");
    }
    // It may look at the clock meanwhile.
    let outcome = case(ONE, LONG, faults).play(&mut play(|cx: &mut SchedulingContext<'_>| {
        let now = cx.view().now();
        cx.wake_at(now + cloudai_schedulers::Duration::from_secs(5)).unwrap();
        start_all(cx);
    }));
    assert_eq!(outcome.last("a").end, Some(1_000_010 * S));
}

#[test]
fn what_waits_in_the_lane_of_a_lost_worker_is_committed_anew() {
    let tasks = &["arrival_s duration_s cpu_cores", "a 0 10 1", "b 0 10 1", "c 0 1 1", "d 0 1 1"];
    // Round robin: a and c to w0, b and d to w1.
    let outcome = case(TWO, tasks, &["4 w0 down"]).run("round_robin");
    assert_eq!(
        outcome.shown(),
        [
            "a.1 w0 0-4 lost",
            "b.1 w1 0-10 completed",
            "d.1 w1 10-11 completed",
            "a.2 w1 11-21 completed",
            "c.1 w1 21-22 completed",
        ]
    );
}

#[test]
fn a_draining_worker_finishes_what_runs_and_takes_nothing() {
    let tasks = &["arrival_s duration_s cpu_cores", "a 0 10 1", "b 0 2 1", "c 3 2 1"];
    let outcome = case(TWO, tasks, &["1 w0 drain", "2 w1 drain", "20 w1 up"]).run("fcfs");
    let expected = ["b.1 w1 0-2 completed", "a.1 w0 0-10 completed", "c.1 w1 20-22 completed"];
    assert_eq!(outcome.shown(), expected);
    assert_eq!((outcome.metrics.attempts_lost, outcome.metrics.availability), (0, Some(1.0)));
}

#[test]
fn a_draining_worker_may_be_lost_before_it_has_finished() {
    let outcome = case(ONE, LONG, &["1 w0 drain", "4 w0 down", "6 w0 up"]).run("fcfs");
    assert_eq!(outcome.shown(), ["a.1 w0 0-4 lost", "a.2 w0 6-16 completed"]);
}

#[test]
fn a_worker_that_joins_is_not_there_before() {
    let strategy = play(start_all);
    let heard = strategy.heard();
    let mut strategy = strategy;
    let outcome = case(TWO, TWO_LONG, &["3 w0 join"]).play(&mut strategy);
    assert_eq!(outcome.shown(), ["a.1 w1 0-10 completed", "b.1 w0 3-13 completed"]);
    assert!(heard.lock().unwrap().contains(&"3 WorkerChanged(WorkerId(0), Active)".to_owned()));
    assert!(close(outcome.metrics.availability.unwrap(), (13.0 + 10.0) / 26.0, 1e-12));
}

#[test]
fn the_run_ends_with_the_last_task_whatever_fails_later() {
    let outcome = case(ONE, LONG, &["50 w0 down", "60 w0 up"]).set("mtbf_s", "1000").run("fcfs");
    assert_eq!(outcome.metrics.makespan_s, Some(10.0));
    assert_eq!(outcome.stats.events, 3, "arrival, start, completion");
}

const GANG: &[&str] = &["arrival_s duration_s cpu_cores replicas", "a 0 50 1 2", "b 11 5 1 1"];

#[test]
fn what_is_left_of_a_gang_holds_its_worker_until_it_has_stopped() {
    let case = case(TWO, GANG, &["10 w0 down", "30 w0 up"]).set("stop_latency_s", "3");
    let outcome = case.run("first_fit");
    assert_eq!(
        outcome.shown(),
        ["a.1 w0;w1 0-13 lost", "b.1 w1 13-18 completed", "a.2 w0;w1 30-80 completed"]
    );
    assert_eq!((outcome.metrics.attempts_lost, outcome.metrics.work_lost_s), (1, 10.0), "nothing from 10 on");
    // w0 is held for 10 + 50 s, w1 for 13 + 5 + 50 s.
    assert!(close(outcome.metrics.cpu_utilization.unwrap(), 128.0 / 160.0, 1e-12));
}

#[test]
fn a_gang_that_loses_a_worker_before_it_starts_never_ran() {
    let case =
        case(TWO, GANG, &["1 w1 down", "2 w1 up"]).set("startup_latency_s", "4").set("stop_latency_s", "6");
    let outcome = case.run("first_fit");
    assert_eq!(
        outcome.shown(),
        ["a.1 w0;w1 ?-7 lost", "a.2 w0;w1 11-61 completed", "b.1 w0 65-70 completed"]
    );
    assert_eq!(outcome.metrics.work_lost_s, 0.0);
}

#[test]
fn a_gang_that_loses_all_its_workers_is_over_at_once() {
    let case = case(TWO, &GANG[..2], &["10 w0 down", "11 w1 down", "20 w0 up", "20 w1 up"]);
    let outcome = case.set("stop_latency_s", "3").run("first_fit");
    assert_eq!(outcome.shown(), ["a.1 w0;w1 0-11 lost", "a.2 w0;w1 20-70 completed"]);
    assert_eq!(outcome.metrics.work_lost_s, 10.0);
}

#[test]
fn a_task_fails_once_it_has_lost_too_many_attempts() {
    let tasks = &["arrival_s duration_s cpu_cores depends_on", "a 0 10 1 -", "b 0 1 1 a", "c 12 1 1 -"];
    let faults = &["4 w0 down", "5 w0 up", "9 w0 down", "11 w0 up"];
    let outcome = case(ONE, tasks, faults).set("max_retries", "1").run("fcfs");
    let rows: Vec<String> = outcome.shown();
    assert_eq!(rows, ["a.1 w0 0-4 lost", "a.2 w0 5-9 lost", "b.0  ?-? cancelled", "c.1 w0 12-13 completed"]);
    let metrics = &outcome.metrics;
    assert_eq!((metrics.failed, metrics.cancelled, metrics.completed), (1, 1, 1));
    assert_eq!((metrics.attempts_lost, metrics.work_lost_s), (2, 8.0));
    assert!(!outcome.ran_everything);
    let outcome = case(ONE, tasks, faults).set("max_retries", "2").run("fcfs");
    assert_eq!(outcome.metrics.completed, 3);
    let outcome = case(ONE, tasks, faults).set("max_retries", "0").run("fcfs");
    assert_eq!(outcome.shown()[0], "a.1 w0 0-4 lost");
    assert_eq!(outcome.metrics.attempts_lost, 1);
}

#[test]
fn capacity_that_is_lost_for_good_leaves_tasks_which_are_named() {
    let message = error(&case(ONE, TWO_LONG, &["4 w0 down"]), "fcfs");
    assert_eq!(message, "strategy 'fcfs' left 2 tasks unscheduled for ever, at 4 s: a (queued), b (queued)");
    // A gang that would need both, of which one is always down.
    let message = error(&case(TWO, &GANG[..2], &["0 w0 down", "5 w0 up", "5 w1 down"]), "fcfs");
    assert_eq!(message, "strategy 'fcfs' left 1 task unscheduled for ever, at 5 s: a (queued)");
}

#[test]
fn who_starts_nothing_while_workers_come_and_go_is_told_so() {
    let case = Case::new(ONE, LONG).set("mtbf_s", "5").set("mttr_s", "5");
    let message = case.fails(&mut play(|_| ()));
    assert!(message.starts_with("strategy 'test' left 1 task unscheduled for ever"), "{message}");
}

#[test]
fn a_task_that_never_gets_to_its_end_is_given_up_with_advice() {
    let tasks = &["arrival_s duration_s cpu_cores", "a 0 100000 1"];
    let case = Case::new(ONE, tasks).set("mtbf_s", "10");
    let mut strategy = Registry::builtin().build(&"fcfs".parse().unwrap()).unwrap();
    let ran = run(&case.scenario, &case.settings, "fcfs", strategy.as_mut(), &mut (), Hooks::default());
    let message = ran.unwrap_err().to_string();
    assert!(message.starts_with("1000001 attempts in a row were lost with their workers by "), "{message}");
    assert!(
        message.contains(" s, and 1 task did not get on: a (") && message.contains("max_retries"),
        "{message}"
    );
    assert_eq!(case.set("max_retries", "100").run("fcfs").metrics.failed, 1);
}

#[test]
fn drawn_failures_are_the_same_whatever_the_strategy() {
    let tasks: Vec<String> = std::iter::once("arrival_s duration_s cpu_cores".to_owned())
        .chain((0..30).map(|at| format!("t{at} {} 20 1", at * 7)))
        .collect();
    let tasks: Vec<&str> = tasks.iter().map(String::as_str).collect();
    let case = Case::new(TWO, &tasks).set("mtbf_s", "40").set("mttr_s", "15");
    let changes = |spec: &str| {
        let changes = case.run(spec).changes;
        changes.into_iter().filter(|change| change.0 < 200 * S).collect::<Vec<_>>()
    };
    let first = changes("fcfs");
    assert!(first.len() > 6, "{first:?}");
    for spec in ["greedy", "ai", "first_fit", "easy"] {
        assert_eq!(changes(spec), first, "{spec}");
    }
    let outcome = case.run("fcfs");
    assert!(outcome.metrics.attempts_lost > 0 && outcome.metrics.completed == 30);
    let other = Case::new(TWO, &tasks).set("mtbf_s", "40").set("mttr_s", "15").set("seed", "1");
    assert_ne!(other.run("fcfs").changes, case.run("fcfs").changes, "the seed decides");
}

#[test]
fn the_first_failure_is_drawn_from_the_first_arrival_on() {
    let changes = |arrival: u64| {
        let row = format!("a {arrival} 50 1");
        let case = Case::new(TWO, &["arrival_s duration_s cpu_cores", &row]);
        let changes = case.set("mtbf_s", "40").set("mttr_s", "15").run("fcfs").changes;
        changes
            .into_iter()
            .map(move |(at, worker, state)| (at - arrival * S, worker, state))
            .collect::<Vec<_>>()
    };
    assert_eq!(changes(1000), changes(0));
    assert!(changes(0).len() > 1);
}

#[test]
fn a_worker_of_the_trace_draws_nothing() {
    let case = case(TWO, TWO_LONG, &["5 w0 down", "100 w0 up"]).set("mtbf_s", "3").set("mttr_s", "1");
    let outcome = case.run("fcfs");
    let of = |worker: u32| outcome.changes.iter().filter(move |change| change.1 == worker);
    assert!(of(0).all(|change| change.0 == 5 * S || change.0 == 100 * S), "{:?}", outcome.changes);
    assert!(of(1).count() > 2, "{:?}", outcome.changes);
}

#[test]
fn nothing_queued_is_seen_while_the_rest_of_a_gang_stops() {
    let case = case(TWO, &GANG[..2], &["10 w0 down", "11 w0 up"]).set("stop_latency_s", "3");
    let mut seen = Vec::new();
    case.play(
        &mut play(|cx: &mut SchedulingContext<'_>| {
            seen.push((cx.view().now().micros() / S, queue(cx)));
            start_all(cx);
        })
        .always(),
    );
    assert_eq!(seen, [(0, vec![0]), (10, vec![]), (11, vec![]), (13, vec![0]), (63, vec![])]);
}
