//! Runs that do not get to the end say so, and why; none hangs.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use cloudai_schedulers::{Duration, SchedulingContext, Time, WorkerId};
use cloudai_sim::{Hooks, SimError, run};

use crate::strategies::{play, queue, start, start_all, stop, task};
use crate::support::{Case, FOUR, ONE};

const TWO_TASKS: &[&str] = &["arrival_s duration_s cpu_cores depends_on", "a 0 10 1 -", "b 1 1 1 a"];

#[test]
fn tasks_that_never_start_are_named_with_what_they_wait_for() {
    let error = Case::new(ONE, TWO_TASKS).fails(&mut play(|_: &mut SchedulingContext<'_>| {}));
    assert_eq!(
        error,
        "strategy 'test' left 2 tasks unscheduled for ever, at 1 s: a (queued), b (waits for a predecessor)"
    );
}

#[test]
fn of_many_tasks_ten_are_named_and_the_rest_counted() {
    let rows: Vec<String> = (0..37).map(|at| format!("t{at} 0 1 1")).collect();
    let mut table = vec!["arrival_s duration_s cpu_cores"];
    table.extend(rows.iter().map(String::as_str));
    let error = Case::new(ONE, &table).fails(&mut play(|_: &mut SchedulingContext<'_>| {}));
    assert!(
        error.contains("left 37 tasks unscheduled") && error.contains("t9 (queued) and 27 more"),
        "{error}"
    );
    assert!(!error.contains("t10"), "{error}");
}

/// Whoever reads no names, as metrics alone, has none kept: they come from the workload then, in memory or in its file.
#[test]
fn tasks_are_named_even_if_no_name_was_kept() {
    let rows = ["arrival_s duration_s cpu_cores", "b 0 1 1", "a 0 1 1", "c 5 1 1"];
    let mut case = Case::new(ONE, &rows);
    for held in [false, true] {
        if held {
            case.scenario.hold().unwrap();
        }
        let mut strategy = play(|cx: &mut SchedulingContext<'_>| {
            if let Some(first) = queue(cx).first().filter(|&&first| first == 0) {
                start(cx, *first, 0);
            }
        });
        let error = run(&case.scenario, &case.settings, "test", &mut strategy, &mut (), Hooks::default())
            .unwrap_err();
        assert_eq!(
            error.to_string(),
            "strategy 'test' left 2 tasks unscheduled for ever, at 5 s: a (queued), c (queued)"
        );
    }
}

#[test]
fn lanes_that_dead_lock_are_an_error() {
    // b waits at the head of the lane for a, which waits behind it.
    let error = Case::new(ONE, &["arrival_s duration_s cpu_cores depends_on", "a 0 10 1 -", "b 0 1 1 a"])
        .fails(&mut play(|cx: &mut SchedulingContext<'_>| {
            for index in [1, 0] {
                let id = task(&cx.view(), index).unwrap();
                cx.bind(id, WorkerId(0)).unwrap();
            }
        }));
    assert_eq!(
        error,
        "strategy 'test' left 2 tasks unscheduled for ever, at 0 s: a (bound to a worker), b (bound to a worker)"
    );
}

#[test]
fn a_strategy_that_wakes_for_ever_and_schedules_nothing_is_an_error() {
    let error = Case::new(ONE, TWO_TASKS).fails(&mut play(|cx: &mut SchedulingContext<'_>| {
        let next = cx.view().now() + Duration::from_secs(1);
        cx.wake_at(next).unwrap();
    }));
    assert!(error.starts_with("strategy 'test' does not come to rest at "), "{error}");
    assert!(error.ends_with("s: it keeps asking to be woken while nothing happens"), "{error}");
}

#[test]
fn a_strategy_that_always_wants_to_be_woken_is_done_when_the_tasks_are() {
    let case = Case::new(ONE, TWO_TASKS);
    let outcome = case.play(&mut play(|cx: &mut SchedulingContext<'_>| {
        let next = cx.view().now() + Duration::from_secs(1);
        cx.wake_at(next).unwrap();
        start_all(cx);
    }));
    assert_eq!(outcome.shown(), ["a.1 w0 0-10 completed", "b.1 w0 10-11 completed"]);
    assert_eq!(outcome.stats.passes, 12, "from 0 to 11 s, and none when everything is over");
}

#[test]
fn a_wake_up_at_the_end_of_time_is_harmless() {
    let case = Case::new(ONE, &["arrival_s duration_s cpu_cores", "a 0 10 1"]);
    let outcome = case.play(&mut play(|cx: &mut SchedulingContext<'_>| {
        let _ = cx.wake_at(Time::NEVER);
        let _ = cx.wake_at(Time::from_micros(u64::MAX - 1));
        start_all(cx);
    }));
    assert_eq!(outcome.metrics.makespan_s, Some(10.0));
}

#[test]
fn a_strategy_that_starts_and_stops_for_ever_at_one_instant_is_an_error() {
    let error = Case::new(ONE, &["arrival_s duration_s cpu_cores", "a 0 10 1"]).fails(
        &mut play(|cx: &mut SchedulingContext<'_>| {
            if queue(cx).is_empty() {
                stop(cx, 0);
            } else {
                start(cx, 0, 0);
                stop(cx, 0);
            }
        })
        .always(),
    );
    assert!(error.starts_with("strategy 'test' does not come to rest at 0 s: "), "{error}");
}

#[test]
fn a_strategy_that_starts_and_stops_for_ever_as_time_goes_by_is_an_error() {
    for latency in ["0", "0.5"] {
        let error = Case::new(ONE, &["arrival_s duration_s cpu_cores", "a 0 10 1"])
            .set("stop_latency_s", latency)
            .fails(
                &mut play(|cx: &mut SchedulingContext<'_>| {
                    let now = cx.view().now();
                    if queue(cx).is_empty() {
                        let id = task(&cx.view(), 0).unwrap();
                        let attempt = cx.view().task(id).unwrap().attempt();
                        let _ = cx.preempt(id, attempt);
                    } else {
                        start(cx, 0, 0);
                        cx.wake_at(now + Duration::from_secs(1)).unwrap();
                    }
                })
                .always(),
            );
        assert!(error.starts_with("strategy 'test' does not come to rest at "), "{error}");
    }
}

#[test]
fn a_run_stops_soon_after_it_is_asked_to() {
    let rows: Vec<String> = (0..100).map(|at| format!("t{at} {at} 1 1")).collect();
    let mut table = vec!["arrival_s duration_s cpu_cores"];
    table.extend(rows.iter().map(String::as_str));
    let case = Case::new(FOUR, &table);
    let (flag, passes) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let (raise, count) = (Arc::clone(&flag), Arc::clone(&passes));
    let mut strategy = play(move |cx: &mut SchedulingContext<'_>| {
        start_all(cx);
        if count.fetch_add(1, Ordering::Relaxed) == 5 {
            raise.store(true, Ordering::Relaxed);
        }
    });
    let hooks = Hooks { stop: Some(&flag), ..Hooks::default() };
    let error = case.try_run("test", &mut strategy, hooks).unwrap_err();
    assert!(matches!(error, SimError::Interrupted), "{error}");
    assert_eq!(passes.load(Ordering::Relaxed), 6, "a pass may be slow: the request is seen after each");
}

#[test]
fn ended_tasks_are_counted_for_a_progress_bar() {
    let rows: Vec<String> = (0..700).map(|at| format!("t{at} {at} 1 1")).collect();
    let mut table = vec!["arrival_s duration_s cpu_cores"];
    table.extend(rows.iter().map(String::as_str));
    let ended = AtomicU64::new(0);
    let hooks = Hooks { ended: Some(&ended), time_passes: true, ..Hooks::default() };
    let outcome = Case::new(FOUR, &table).try_run("test", &mut play(start_all), hooks).unwrap();
    assert_eq!(ended.load(Ordering::Relaxed), 700);
    assert_eq!(outcome.stats.pass_ns.len(), outcome.stats.passes);
}

#[test]
fn of_many_passes_one_in_sixteen_is_timed_and_counts_for_all() {
    let rows: Vec<String> = (0..3_000).map(|at| format!("t{at} {at} 1 1")).collect();
    let mut table = vec!["arrival_s duration_s cpu_cores"];
    table.extend(rows.iter().map(String::as_str));
    let passes = AtomicU64::new(0);
    let mut strategy = play(|cx| {
        passes.fetch_add(1, Ordering::Relaxed);
        start_all(cx);
    });
    let hooks = Hooks { time_passes: true, ..Hooks::default() };
    let stats = Case::new(FOUR, &table).try_run("test", &mut strategy, hooks).unwrap().stats;
    assert_eq!(stats.passes, passes.load(Ordering::Relaxed));
    assert_eq!(stats.pass_ns.len(), stats.passes / 16 * 16, "1,024 each, and all later ones by sixteens");
}

#[test]
fn an_input_that_changes_under_a_run_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    write("workers.csv", ONE);
    write("tasks.csv", "task_id,arrival_s,duration_s\na,0,1\nb,1,1\n");
    let place = folder.path().to_owned();
    let scenario = cloudai_workloads::Scenario::check(&cloudai_workloads::Location::Folder(place)).unwrap();
    let scratch = tempfile::tempdir().unwrap();
    let case = Case::at(scenario, scratch);
    write("tasks.csv", "task_id,arrival_s,duration_s\na,0,1\n");
    let error = case.fails(&mut play(start_all));
    assert!(error.contains("tasks.csv: changed while it was in use"), "{error}");
}

#[test]
fn results_that_cannot_be_written_are_an_error_that_names_the_file() {
    let case = Case::new(ONE, &["arrival_s duration_s", "a 0 1"]);
    let file = std::path::Path::new("/dev/full");
    if !file.exists() {
        eprintln!("skipped: there is no /dev/full here");
        return;
    }
    let mut observer =
        cloudai_sim::observers::assignments::Assignments::create(file, &case.scenario.workers).unwrap();
    let mut strategy = play(start_all);
    let error =
        cloudai_sim::run(&case.scenario, &case.settings, "x", &mut strategy, &mut observer, Hooks::default())
            .unwrap_err()
            .to_string();
    assert!(error.starts_with("cannot write /dev/full: "), "{error}");
}

#[test]
fn a_task_that_ends_beyond_time_is_an_error_that_names_it() {
    let workers = "worker_id,total_cpu,total_memory,total_storage,total_gpu,speed\nslow,4,4,4,0,0.000001\n";
    let tasks = "task_id,arrival_s,duration_s\nageless,0,1e11\n";
    let case = Case::of(&[("workers.csv", workers), ("tasks.csv", tasks)]);
    let error = case.fails(&mut play(start_all));
    assert!(
        error.contains("task 'ageless' would end later than a time can state; expected an end by"),
        "{error}"
    );
}
