//! When a task may start: dependencies, transfers, and a full cluster.

use std::sync::{Arc, Mutex};

use cloudai_schedulers::{Refusal, SchedulingContext, WorkerId};

use crate::strategies::{play, queue, start, start_all, stop, task};
use crate::support::{Case, ONE, S, TWO, table};

fn chain(transfer: &str) -> Case {
    let edges = format!("from_task,to_task,transfer_s\na,b,{transfer}\n");
    let tasks = table("task_id", &["arrival_s duration_s cpu_cores", "a 0 10 1", "b 2 5 1"]);
    Case::of(&[("workers.csv", TWO), ("tasks.csv", &tasks), ("edges.csv", &edges)])
}

#[test]
fn a_task_may_start_elsewhere_only_once_its_data_is_there() {
    let refused = Arc::new(Mutex::new(Vec::new()));
    let log = Arc::clone(&refused);
    // Insists on the other worker.
    let outcome = chain("3.5").play(&mut play(move |cx: &mut SchedulingContext<'_>| {
        for index in queue(cx) {
            let id = task(&cx.view(), index).unwrap();
            match cx.assign(id, WorkerId(index)) {
                Ok(()) => {}
                Err(Refusal::NotReady { until, .. }) => log.lock().unwrap().push(until.to_string()),
                Err(other) => panic!("{other}"),
            }
        }
    }));
    assert_eq!(outcome.shown(), ["a.1 w0 0-10 completed", "b.1 w1 13.5-18.5 completed"]);
    assert_eq!(*refused.lock().unwrap(), ["13.5"], "refused once, with the time; then a pass at that time");
    assert_eq!(outcome.last("b").wait, Some(3_500_000), "it waits from the predecessor's end");
}

#[test]
fn where_the_predecessor_ran_there_is_nothing_to_transfer() {
    let outcome = chain("3.5").run("first_fit");
    assert_eq!(outcome.shown(), ["a.1 w0 0-10 completed", "b.1 w0 10-15 completed"]);
    // Moving data holds no resource.
    let held = 15.0 / (2.0 * 15.0);
    assert_eq!(outcome.metrics.cpu_utilization, Some(held));
}

#[test]
fn the_bound_takes_transfers_as_nothing() {
    assert_eq!(chain("1000").run("first_fit").bounds.makespan.micros(), 15 * S);
}

#[test]
fn a_task_waits_for_the_last_of_its_predecessors() {
    let case = Case::new(
        TWO,
        &["arrival_s duration_s cpu_cores depends_on", "c 0 1 1 a;b", "a 0 3 1 -", "b 0 5 1 -", "d 0 1 1 a"],
    );
    let outcome = case.run("first_fit");
    assert_eq!(
        outcome.shown(),
        ["a.1 w0 0-3 completed", "d.1 w0 3-4 completed", "b.1 w1 0-5 completed", "c.1 w0 5-6 completed"]
    );
    assert_eq!(outcome.last("c").wait, Some(0));
}

#[test]
fn a_task_that_arrives_after_its_predecessors_end_is_eligible_at_its_arrival() {
    let case = Case::new(ONE, &["arrival_s duration_s cpu_cores depends_on", "a 0 1 1 -", "b 9 1 1 a"]);
    let outcome = case.run("greedy");
    assert_eq!(outcome.shown(), ["a.1 w0 0-1 completed", "b.1 w0 9-10 completed"]);
    assert_eq!(outcome.last("b").wait, Some(0));
}

#[test]
fn a_full_cluster_rejects_what_does_not_start_in_the_pass_of_its_arrival() {
    let tasks = &["arrival_s duration_s cpu_cores", "a 0 10 1", "b 0 1 1", "c 5 1 1", "d 10 1 1"];
    // greedy binds what does not fit to a lane; that is no start either.
    for spec in ["fcfs", "greedy", "ai"] {
        let outcome = Case::new(ONE, tasks).set("on_full", "reject").run(spec);
        assert_eq!(
            outcome.shown(),
            ["b.0  ?-? rejected", "c.0  ?-? rejected", "a.1 w0 0-10 completed", "d.1 w0 10-11 completed"],
            "{spec}"
        );
        assert_eq!((outcome.metrics.rejected, outcome.metrics.completed), (2, 2));
        assert!(!outcome.ran_everything);
    }
}

#[test]
fn a_full_cluster_rejects_in_every_pass_of_an_instant() {
    // z ends where it starts; x and y are released by it in a further pass, and only one of them fits.
    let case = Case::new(
        ONE,
        &["arrival_s duration_s cpu_cores depends_on", "z 0 0 1 -", "x 0 3 1 z", "y 0 3 1 z", "w 3 1 1 -"],
    )
    .set("on_full", "reject");
    let outcome = case.run("fcfs");
    assert_eq!(
        outcome.shown(),
        ["z.1 w0 0-0 completed", "y.0  ?-? rejected", "x.1 w0 0-3 completed", "w.1 w0 3-4 completed"]
    );
}

#[test]
fn a_full_cluster_keeps_a_task_that_started_and_was_preempted() {
    let case =
        Case::new(ONE, &["arrival_s duration_s cpu_cores", "a 0 10 1", "b 4 2 1"]).set("on_full", "reject");
    let outcome = case.play(&mut play(|cx: &mut SchedulingContext<'_>| {
        let (now, free) =
            (cx.view().now().micros() / S, cx.view().workers().next().unwrap().free_cpu_milli());
        match (now, free) {
            (4, 0) => {
                let b = task(&cx.view(), 1).unwrap();
                // Wait for the stop: b would be rejected otherwise.
                stop(cx, 0);
                let _ = b;
            }
            (4, _) => start_all_but(cx, 0),
            _ => start_all(cx),
        }
    }));
    // b is rejected in the pass of its arrival; a was preempted for it, waits, and is not rejected.
    assert_eq!(outcome.shown(), ["a.1 w0 0-4 preempted", "b.0  ?-? rejected", "a.2 w0 4-14 completed"]);
}

#[test]
fn a_full_cluster_keeps_a_task_that_started_and_was_lost() {
    let files = [
        ("workers.csv", ONE),
        ("tasks.csv", "task_id,arrival_s,duration_s,cpu_cores\na,0,10,1\n"),
        ("faults.csv", "time_s,worker_id,event\n3,w0,down\n5,w0,up\n"),
    ];
    let outcome = Case::of(&files).set("on_full", "reject").run("fcfs");
    // There is no room for a from 3 to 5.
    assert_eq!(outcome.shown(), ["a.1 w0 0-3 lost", "a.2 w0 5-15 completed"]);
}

#[test]
fn a_full_cluster_rejects_by_index_wherever_a_task_waits() {
    let tasks = ["arrival_s duration_s cpu_cores", "a 0 9 1", "b 0 9 1", "c 0 9 1", "d 0 9 1", "e 0 9 1"];
    let case = Case::new(TWO, &tasks).set("on_full", "reject");
    // c and d wait in lanes, that of the first worker has the later one; e waits in the queue.
    let mut strategy = play(|cx: &mut SchedulingContext<'_>| {
        for (index, worker) in [(0, 0), (1, 1)] {
            start(cx, index, worker);
        }
        for (index, worker) in [(3, 0), (2, 1)] {
            let id = task(&cx.view(), index).unwrap();
            cx.bind(id, WorkerId(worker)).unwrap();
        }
    });
    let heard = strategy.heard();
    case.play(&mut strategy);
    let heard = std::mem::take(&mut *heard.lock().unwrap());
    let rejected: Vec<&str> = heard.iter().filter_map(|line| line.strip_suffix(" Rejected")).collect();
    assert_eq!(rejected, ["9 ended 2", "9 ended 3", "9 ended 4"], "heard at the next instant");
}

/// Starts what is queued, and this task only if nothing else is.
fn start_all_but(cx: &mut SchedulingContext<'_>, index: u32) {
    let others: Vec<u32> = queue(cx).into_iter().filter(|&other| other != index).collect();
    if others.is_empty() {
        start(cx, index, 0);
    }
    others.into_iter().for_each(|other| start(cx, other, 0));
}
