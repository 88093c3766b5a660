//! Preemption: what is held until when, what is lost, and what is saved.

use std::sync::{Arc, Mutex};

use cloudai_schedulers::{SchedulingContext, Time};

use crate::strategies::{play, queue, start, start_all, stop, task};
use crate::support::{Case, ONE, S, close};

/// Runs task 0, preempts it at each of these seconds, and starts whatever is queued.
fn preempting(at: &'static [u64]) -> impl FnMut(&mut SchedulingContext<'_>) + Send {
    move |cx| {
        let now = cx.view().now();
        if now == Time::ZERO {
            at.iter().for_each(|&second| cx.wake_at(Time::from_micros(second * S)).unwrap());
        }
        let due = at.iter().any(|&second| now == Time::from_micros(second * S));
        let running = task(&cx.view(), 0).is_some_and(|id| {
            let view = cx.view();
            let task = view.task(id).unwrap();
            task.started_at().is_some_and(|start| start < now) && !queue(cx).contains(&0)
        });
        if due && running {
            stop(cx, 0);
        } else {
            start_all(cx);
        }
    }
}

const LONG: &[&str] = &["arrival_s duration_s cpu_cores", "a 0 10 1"];

#[test]
fn a_preempted_task_loses_its_progress() {
    let outcome = Case::new(ONE, LONG).play(&mut play(preempting(&[4])).always());
    assert_eq!(outcome.shown(), ["a.1 w0 0-4 preempted", "a.2 w0 4-14 completed"]);
    assert_eq!((outcome.metrics.preemptions, outcome.metrics.work_lost_s), (1, 4.0));
    assert_eq!(outcome.metrics.mean_wait_s, Some(0.0), "the first start counts");
    assert_eq!(outcome.metrics.mean_turnaround_s, Some(14.0));
    // Turnaround 14 over the last attempt's 10.
    assert!(close(outcome.metrics.mean_bounded_slowdown.unwrap(), 1.4, 1e-12));
}

#[test]
fn a_task_that_checkpoints_keeps_its_progress() {
    let case = Case::new(ONE, LONG).set("checkpoint", "true");
    let outcome = case.play(&mut play(preempting(&[4, 7])).always());
    assert_eq!(outcome.shown(), ["a.1 w0 0-4 preempted", "a.2 w0 4-7 preempted", "a.3 w0 7-10 completed"]);
    assert_eq!((outcome.metrics.preemptions, outcome.metrics.work_lost_s), (2, 0.0));
    assert_eq!(outcome.metrics.makespan_s, Some(10.0));
}

#[test]
fn saved_progress_is_counted_at_nominal_speed() {
    let workers = "worker_id,total_cpu,total_memory,total_storage,total_gpu,speed\n\
                   slow,1,64,1000,0,0.5\nfast,1,64,1000,0,2\n";
    let case = Case::new(workers, LONG).set("checkpoint", "true");
    // 20 s on the slow worker; 8 s there are 4 nominal seconds, the other 6 take 3 s on the fast one.
    let outcome = case.play(
        &mut play(|cx: &mut SchedulingContext<'_>| {
            let now = cx.view().now().micros() / S;
            match now {
                0 => {
                    start(cx, 0, 0);
                    cx.wake_at(Time::from_micros(8 * S)).unwrap();
                }
                8 if queue(cx).is_empty() => stop(cx, 0),
                _ if !queue(cx).is_empty() => start(cx, 0, 1),
                _ => {}
            }
        })
        .always(),
    );
    assert_eq!(outcome.shown(), ["a.1 slow 0-8 preempted", "a.2 fast 8-11 completed"]);
}

#[test]
fn the_progress_of_a_gang_is_that_of_its_slowest_part() {
    let workers = "worker_id,total_cpu,total_memory,total_storage,total_gpu,speed\n\
                   fast,1,64,1000,0,1\nslow,1,64,1000,0,0.5\n";
    let case = Case::new(workers, &["arrival_s duration_s cpu_cores replicas", "a 0 10 1 2"])
        .set("checkpoint", "true");
    // 20 s, as long as the slow part takes; 10 s are half of it.
    let outcome = case.play(&mut play(preempting(&[10])).always());
    assert_eq!(outcome.shown(), ["a.1 fast;slow 0-10 preempted", "a.2 fast;slow 10-20 completed"]);
}

#[test]
fn what_is_stopped_stays_held_until_the_stop_is_confirmed() {
    let free = Arc::new(Mutex::new(Vec::new()));
    let log = Arc::clone(&free);
    let case =
        Case::new(ONE, &["arrival_s duration_s cpu_cores", "a 0 10 1", "b 5 1 1"]).set("stop_latency_s", "2");
    let mut inner = preempting(&[4]);
    let outcome = case.play(
        &mut play(move |cx: &mut SchedulingContext<'_>| {
            let view = cx.view();
            let worker = view.workers().next().unwrap();
            log.lock().unwrap().push((view.now().micros() / S, worker.free_cpu_milli()));
            inner(cx);
        })
        .always(),
    );
    // It runs on while it is being stopped, for 6 s in all; then it keeps its place before b.
    assert_eq!(outcome.shown(), ["a.1 w0 0-6 preempted", "a.2 w0 6-16 completed", "b.1 w0 16-17 completed"]);
    assert_eq!(outcome.metrics.work_lost_s, 6.0);
    assert_eq!(free.lock().unwrap()[..4], [(0, 1000), (4, 0), (5, 0), (6, 1000)]);
    assert!(close(outcome.metrics.cpu_utilization.unwrap(), 1.0, 1e-12), "lost work included");
}

#[test]
fn a_task_may_end_before_its_stop_takes_effect() {
    let case = Case::new(ONE, LONG).set("stop_latency_s", "100");
    let outcome = case.play(&mut play(preempting(&[4])).always());
    assert_eq!(outcome.shown(), ["a.1 w0 0-10 completed"]);
    assert_eq!((outcome.metrics.preemptions, outcome.metrics.work_lost_s), (0, 0.0));
}

#[test]
fn a_completion_at_the_instant_of_the_stop_wins() {
    let case = Case::new(ONE, LONG).set("stop_latency_s", "6");
    let outcome = case.play(&mut play(preempting(&[4])).always());
    assert_eq!(outcome.shown(), ["a.1 w0 0-10 completed"]);
}

#[test]
fn an_attempt_that_is_stopped_before_it_starts_has_no_start() {
    let case = Case::new(ONE, LONG).set("startup_latency_s", "3");
    let outcome = case.play(
        &mut play(|cx: &mut SchedulingContext<'_>| match cx.view().now().micros() / S {
            0 => {
                start(cx, 0, 0);
                cx.wake_at(Time::from_micros(S)).unwrap();
            }
            1 if queue(cx).is_empty() => stop(cx, 0),
            _ => start_all(cx),
        })
        .always(),
    );
    assert_eq!(outcome.shown(), ["a.1 w0 ?-1 preempted", "a.2 w0 4-14 completed"]);
    assert!(outcome.text.contains("\na,w0,,1,0,,1,,preempted\n"), "{}", outcome.text);
    assert_eq!(outcome.metrics.mean_wait_s, Some(4.0));
    assert!(close(outcome.metrics.cpu_utilization.unwrap(), 1.0, 1e-12), "it held from the assignment on");
}

#[test]
fn a_stale_completion_does_not_end_a_later_attempt() {
    // The first attempt would have ended at 10, just when the second one runs.
    let outcome = Case::new(ONE, LONG).play(&mut play(preempting(&[9])).always());
    assert_eq!(outcome.shown(), ["a.1 w0 0-9 preempted", "a.2 w0 9-19 completed"]);
}

#[test]
fn waiting_counts_for_a_task_that_started_and_was_turned_away_later() {
    let case = Case::new(ONE, &["arrival_s duration_s cpu_cores", "b 0 2 1", "a 0 10 1"]);
    let outcome = case.play(
        &mut play(|cx: &mut SchedulingContext<'_>| match cx.view().now().micros() / S {
            0 if queue(cx).len() == 2 => {
                start(cx, 0, 0);
                cx.wake_at(Time::from_micros(4 * S)).unwrap();
            }
            2 if !queue(cx).is_empty() => start(cx, 1, 0),
            4 if queue(cx).is_empty() => stop(cx, 1),
            4 => {
                let id = task(&cx.view(), 1).unwrap();
                cx.reject(id, "no more").unwrap();
            }
            _ => {}
        })
        .always(),
    );
    assert_eq!(outcome.shown(), ["b.1 w0 0-2 completed", "a.1 w0 2-4 preempted"]);
    assert_eq!((outcome.metrics.rejected, outcome.metrics.completed), (1, 1));
    assert_eq!(outcome.metrics.mean_wait_s, Some(1.0), "over the tasks that started: 0 and 2");
}
