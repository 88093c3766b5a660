//! What happens at one instant: the order of events, one pass, and further passes for what a pass makes happen.

use std::sync::{Arc, Mutex};

use cloudai_schedulers::{QueueCursor, SchedulingContext, Time};

use crate::strategies::{Log, play, queue, start, start_all, stop};
use crate::support::{Case, FOUR, ONE, S, TWO};

fn at(micros: u64) -> Time {
    Time::from_micros(micros)
}

fn taken(log: &Log) -> Vec<String> {
    std::mem::take(&mut log.lock().unwrap())
}

#[test]
fn a_strategy_passes_once_an_instant_and_sees_all_of_it() {
    let case =
        Case::new(ONE, &["arrival_s duration_s cpu_cores", "a 0 10 1", "b 10 5 1", "c 10 1 1", "d 10 2 1"]);
    let log = Log::default();
    let seen = Arc::clone(&log);
    // Shortest first: it must see c when the completion of a and the arrival of b are there.
    let outcome = case.play(&mut play(move |cx: &mut SchedulingContext<'_>| {
        let view = cx.view();
        let free = view.workers().next().unwrap().free_cpu_milli();
        seen.lock().unwrap().push(format!("{} {:?} {free}", view.now(), queue(cx)));
        let shortest = queue(cx).into_iter().min_by_key(|&index| [10, 5, 1, 2][index as usize]);
        if free > 0
            && let Some(shortest) = shortest
        {
            start(cx, shortest, 0);
        }
    }));
    assert_eq!(taken(&log), ["0 [0] 1000", "10 [1, 2, 3] 1000", "11 [1, 3] 1000", "13 [1] 1000"]);
    assert_eq!(outcome.stats.passes, 4, "none at 18, with an empty queue");
    assert_eq!(
        outcome.shown(),
        [
            "a.1 w0 0-10 completed",
            "c.1 w0 10-11 completed",
            "d.1 w0 11-13 completed",
            "b.1 w0 13-18 completed"
        ]
    );
}

#[test]
fn events_of_one_instant_apply_by_class_and_then_by_index() {
    // At 10 s: e and a complete (e was started first), p's stop and the starts of s and r are confirmed (r was started first), f is
    // released by e, w1 drains, the data of t is there, x and y arrive, and the strategy wakes.
    let tasks = table();
    let workers = "worker_id,total_cpu,total_memory,total_storage,total_gpu\nw0,8,64,1000,0\n\
                   w1,8,64,1000,0\n";
    let case = Case::of(&[
        ("workers.csv", workers),
        ("tasks.csv", &tasks),
        ("edges.csv", "from_task,to_task,transfer_s\nq,t,6\ne,f,0\n"),
        ("faults.csv", "time_s,worker_id,event\n10,w1,drain\n"),
    ])
    .set("startup_latency_s", "2")
    .set("stop_latency_s", "3");
    let mut strategy = play(|cx: &mut SchedulingContext<'_>| {
        let now = cx.view().now();
        if now == at(0) {
            start(cx, 6, 0);
            start(cx, 1, 0);
            start(cx, 2, 0);
            start(cx, 4, 0);
            cx.wake_at(at(7 * S)).unwrap();
            cx.wake_at(at(10 * S)).unwrap();
        } else if now == at(7 * S) {
            stop(cx, 2);
        } else if now == at(8 * S) {
            start(cx, 9, 0);
            start(cx, 3, 0);
        } else if now >= at(10 * S) {
            start_all(cx);
        }
    })
    .always();
    let heard = strategy.heard();
    case.play(&mut strategy);
    let heard = taken(&heard);
    let at_ten: Vec<&str> = heard.iter().filter_map(|line| line.strip_prefix("10 ")).collect();
    assert_eq!(
        at_ten,
        [
            "ended 1 Completed",
            "ended 6 Completed",
            "released 7",
            "requeued 2",
            "started 3",
            "started 9",
            "WorkerChanged(WorkerId(1), Draining)",
            "transfer 5",
            "arrived 0",
            "arrived 8",
            "Woke",
        ]
    );
}

/// The tasks of the test above; index order is not the order of arrival.
fn table() -> String {
    crate::support::table(
        "task_id",
        &[
            "arrival_s duration_s cpu_cores",
            "x 10 1 1",
            "a 0 8 1",
            "p 0 100 1",
            "s 8 1 1",
            "q 0 2 1",
            "t 0 1 1",
            "e 0 8 1",
            "f 0 1 1",
            "y 10 1 1",
            "r 8 1 1",
        ],
    )
}

#[test]
fn a_worker_freed_at_the_instant_of_an_arrival_is_free_for_it() {
    let case = Case::new(ONE, &["arrival_s duration_s cpu_cores", "a 0 10.000001 1", "b 10.000001 1 1"]);
    for spec in ["fcfs", "greedy", "ai"] {
        let outcome = case.run(spec);
        assert_eq!(outcome.last("b").wait, Some(0), "{spec}");
    }
}

#[test]
fn what_a_pass_makes_happen_gets_a_further_pass_in_the_same_instant() {
    let case =
        Case::new(ONE, &["arrival_s duration_s cpu_cores", "a 5 0 1", "b 5 0 1", "c 5 1 1", "d 5 1 1"]);
    let log = Log::default();
    let seen = Arc::clone(&log);
    let outcome = case.play(&mut play(move |cx: &mut SchedulingContext<'_>| {
        seen.lock().unwrap().push(format!("{} {:?}", cx.view().now(), queue(cx)));
        start_all(cx);
    }));
    assert_eq!(taken(&log), ["5 [0, 1, 2, 3]", "5 [1, 2, 3]", "5 [2, 3]", "6 [3]"]);
    assert_eq!(
        outcome.shown(),
        ["a.1 w0 5-5 completed", "b.1 w0 5-5 completed", "c.1 w0 5-6 completed", "d.1 w0 6-7 completed"]
    );
    assert_eq!(outcome.metrics.makespan_s, Some(2.0));
}

#[test]
fn a_successor_of_a_task_of_length_zero_starts_in_the_same_instant() {
    let case =
        Case::new(ONE, &["arrival_s duration_s cpu_cores depends_on", "a 3 0 1 -", "b 0 0 1 a", "c 0 2 1 b"]);
    for spec in ["fcfs", "round_robin", "ai_predictive"] {
        let outcome = case.run(spec);
        assert_eq!(
            outcome.shown(),
            ["a.1 w0 3-3 completed", "b.1 w0 3-3 completed", "c.1 w0 3-5 completed"],
            "{spec}"
        );
    }
}

#[test]
fn without_queue_and_wake_up_there_is_no_pass_unless_asked_for() {
    let case = Case::new(TWO, &["arrival_s duration_s cpu_cores", "a 0 10 1", "b 0 20 1"]);
    let outcome = case.play(&mut play(start_all));
    assert_eq!(outcome.stats.passes, 1);
    let outcome = case.play(&mut play(start_all).always());
    assert_eq!(outcome.stats.passes, 3, "at both completions too");
    let outcome = case.play(&mut play(|cx: &mut SchedulingContext<'_>| {
        if cx.view().now() == at(0) {
            cx.wake_at(at(15 * S)).unwrap();
        }
        start_all(cx);
    }));
    assert_eq!(outcome.stats.passes, 2, "at the wake-up too");
}

#[test]
fn wake_ups_come_when_asked_for_and_once_an_instant() {
    let case = Case::new(ONE, &["arrival_s duration_s cpu_cores", "a 0 1 1"]);
    let log = Log::default();
    let seen = Arc::clone(&log);
    let outcome = case.play(&mut play(move |cx: &mut SchedulingContext<'_>| {
        let now = cx.view().now();
        seen.lock().unwrap().push(now.to_string());
        assert!(cx.wake_at(now).is_err(), "a wake-up lies ahead");
        if now == at(0) {
            for _ in 0..3 {
                cx.wake_at(at(7)).unwrap();
                cx.wake_at(at(5)).unwrap();
            }
        }
        if now == at(7) {
            start_all(cx);
        }
    }));
    assert_eq!(taken(&log), ["0", "0.000005", "0.000007"]);
    assert_eq!(outcome.shown(), ["a.1 w0 0.000007-1.000007 completed"]);
}

#[test]
fn the_queue_is_in_order_of_eligibility_and_then_of_the_file() {
    // b is eligible at 4, when a ends; c and d arrive at 3 and 4, e stands before b in the file.
    let case = Case::new(
        FOUR,
        &[
            "arrival_s duration_s cpu_cores depends_on",
            "e 4 1 4 -",
            "b 0 1 4 a",
            "a 0 4 4 -",
            "d 4 1 4 -",
            "c 3 1 4 -",
        ],
    );
    let outcome = case.run("fcfs");
    let order: Vec<&str> = outcome.rows.iter().map(|row| row.task.as_str()).collect();
    assert_eq!(order, ["a", "c", "e", "b", "d"]);
    assert_eq!(outcome.last("b").wait, Some(2 * S), "from when it was eligible, not from its arrival");
}

#[test]
fn rows_of_one_instant_are_in_index_order() {
    let case = Case::new(FOUR, &["arrival_s duration_s cpu_cores", "a 0 5 1", "b 2 3 1", "c 1 4 1"]);
    let backwards = |cx: &mut SchedulingContext<'_>| {
        for index in queue(cx).into_iter().rev() {
            start(cx, index, 0);
        }
    };
    let order: Vec<String> = case.play(&mut play(backwards)).rows.into_iter().map(|row| row.task).collect();
    assert_eq!(order, ["a", "b", "c"]);
}

#[test]
fn a_cursor_goes_on_while_a_pass_assigns() {
    let case =
        Case::new(FOUR, &["arrival_s duration_s cpu_cores", "a 0 1 1", "b 0 1 1", "c 0 1 1", "d 0 1 1"]);
    let visited = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&visited);
    case.play(&mut play(move |cx: &mut SchedulingContext<'_>| {
        let mut cursor = QueueCursor::default();
        while let Some(task) = cx.next_queued(&mut cursor) {
            seen.lock().unwrap().push(task.index());
            start(cx, task.index(), 0);
        }
    }));
    assert_eq!(*visited.lock().unwrap(), [0, 1, 2, 3]);
}
