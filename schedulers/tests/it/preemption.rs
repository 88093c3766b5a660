//! Preemption with confirmed stops.

use cloudai_schedulers::{QueueCursor, SchedulingContext, TaskId, TaskState, TaskView};

use crate::driver::Driver;
use crate::support::{Pass, at, job, secs, worker};

/// The most urgent first; stops what is less urgent, latest start first, until enough will be free on worker 0.
fn urgent_first(cx: &mut SchedulingContext<'_>) {
    let mut queue: Vec<_> = cx.view().queue().collect();
    queue.sort_by_key(|&task| std::cmp::Reverse(cx.view().task(task).unwrap().spec().priority));
    for task in queue {
        if let Some(worker) = cx.view().first_fit(task) {
            cx.assign(task, worker).unwrap();
            continue;
        }
        let view = cx.view();
        let spec = view.task(task).unwrap().spec();
        let pool = view.workers().next().unwrap();
        let running: Vec<TaskView<'_>> =
            pool.running().map(|(_, running)| view.task(running).unwrap()).collect();
        let stopping = |task: &&TaskView<'_>| task.state() == TaskState::Stopping;
        let coming: u64 = running.iter().filter(stopping).map(|task| task.spec().request.cpu_milli).sum();
        let mut missing = spec.request.cpu_milli.saturating_sub(pool.free_cpu_milli() + coming);
        let mut victims: Vec<_> =
            running.iter().filter(|task| !stopping(task) && task.spec().priority < spec.priority).collect();
        victims.sort_by_key(|task| std::cmp::Reverse((task.assigned_at(), task.id())));
        let mut stop = Vec::new();
        for victim in victims {
            if missing == 0 {
                break;
            }
            missing = missing.saturating_sub(victim.spec().request.cpu_milli);
            stop.push((victim.id(), victim.attempt()));
        }
        for (victim, attempt) in stop {
            cx.preempt(victim, attempt).unwrap();
        }
        // Nobody takes what becomes free for this one.
        return;
    }
}

#[test]
fn the_urgent_task_waits_for_the_stop_and_no_longer() {
    let jobs = [
        job(0, 0, 100, 3),
        job(1, 2, 100, 1),
        job(2, 10, 10, 2).priority(5),
        // Arrives while task 0 is being stopped: its resources are not free yet.
        job(3, 11, 1, 1),
    ];
    let mut driver = Driver::new(vec![worker(4, 0)], &jobs);
    driver.stop_latency = secs(3);
    // At 10: task 1 (started last) and task 0 are stopped. At 13 task 2 starts on 2 of 4 cores; task 0 is back at
    // its place, needs 3 and blocks the rest. At 23 task 0 starts anew, with task 1; they end at 123. Then task 3.
    let schedule = driver.run(&mut Pass(urgent_first)).unwrap();
    assert_eq!(
        schedule,
        [
            "0.1 w0 0-13 stopped",
            "1.1 w0 2-13 stopped",
            "2.1 w0 13-23 completed",
            "0.2 w0 23-123 completed",
            "1.2 w0 23-123 completed",
            "3.1 w0 123-124 completed",
        ]
    );
}

#[test]
fn what_stops_still_holds_and_counts_as_served() {
    let jobs = [job(0, 0, 100, 4), job(1, 10, 10, 4).priority(1)];
    let mut driver = Driver::new(vec![worker(4, 0)], &jobs);
    driver.stop_latency = secs(3);
    let mut seen = Vec::new();
    let mut strategy = Pass(|cx: &mut SchedulingContext<'_>| {
        urgent_first(cx);
        let _ = cx.wake_at(at(12));
        for task in cx.view().tasks().filter(|task| task.index() == 0) {
            let task = cx.view().task(task).unwrap();
            let held = cx.view().held().cpu_milli;
            seen.push((cx.view().now().to_string(), task.state(), held, task.attained(cx.view().now())));
        }
    });
    assert_eq!(driver.run(&mut strategy).unwrap().len(), 3);
    let seen: Vec<_> =
        seen.iter().map(|(now, state, held, ran)| (now.as_str(), *state, *held, *ran)).collect();
    assert_eq!(
        seen,
        [
            ("0", TaskState::Assigned, 4000, secs(0)),
            ("10", TaskState::Stopping, 4000, secs(10)),
            ("12", TaskState::Stopping, 4000, secs(12)),
            // Task 1 holds the worker now, and task 0 keeps what it was served.
            ("13", TaskState::Queued, 4000, secs(13)),
            ("23", TaskState::Assigned, 4000, secs(13)),
        ]
    );
}

#[test]
fn a_requeued_task_is_met_in_its_old_place() {
    let jobs = [job(0, 0, 50, 1), job(1, 1, 50, 1), job(2, 2, 50, 1)];
    let mut driver = Driver::new(vec![worker(1, 0)], &jobs);
    driver.cancel_at(40, 2);
    let mut order = Vec::new();
    let mut strategy = Pass(|cx: &mut SchedulingContext<'_>| {
        let now = cx.view().now();
        if now == at(0) {
            let task = cx.next_queued(&mut QueueCursor::default()).unwrap();
            cx.assign(task, cloudai_schedulers::WorkerId(0)).unwrap();
            cx.wake_at(at(5)).unwrap();
        } else if now == at(5) && order.is_empty() {
            let (_, task) = cx.view().running()[0];
            cx.preempt(task, 1).unwrap();
            order.push(vec![]);
        } else if now >= at(5) {
            order.push(cx.view().queue().map(TaskId::index).collect());
            crate::support::FirstFit.schedule_on(cx);
        }
    });
    driver.run(&mut strategy).unwrap();
    assert_eq!(order[1], [0, 1, 2], "at 5, after the stop of task 0");
}
