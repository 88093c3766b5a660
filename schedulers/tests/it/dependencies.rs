//! Dependencies, and data that takes time to arrive.

use cloudai_schedulers::{
    Event, FailureReason, Refusal, SchedulingContext, TaskState, WorkerId, WorkerState,
};

use crate::driver::Driver;
use crate::support::{FirstFit, Pass, at, find, job, worker};

#[test]
fn successors_start_at_once_where_the_data_is_and_later_elsewhere() {
    let jobs = [job(0, 0, 10, 1), job(1, 0, 4, 1).after(0, 5), job(2, 0, 4, 1).after(0, 3)];
    let mut driver = Driver::new(vec![worker(1, 0), worker(1, 0)], &jobs);
    // Worker 0 has the data of task 0 at 10 and takes task 1; worker 1 has it for task 2 at 13.
    assert_eq!(
        driver.run(&mut FirstFit).unwrap(),
        ["0.1 w0 0-10 completed", "1.1 w0 10-14 completed", "2.1 w1 13-17 completed"]
    );
}

#[test]
fn assigning_before_the_data_is_there_is_refused_with_the_time() {
    let jobs = [job(0, 0, 10, 1), job(1, 0, 4, 1).after(0, 5)];
    let mut driver = Driver::new(vec![worker(1, 0), worker(1, 0)], &jobs);
    let mut strategy = Pass(|cx: &mut SchedulingContext<'_>| {
        let Some(task) = cx.view().queue().next() else { return };
        if task.index() == 0 {
            cx.assign(task, WorkerId(0)).unwrap();
            let blocked = find(&cx.view(), 1);
            assert_eq!(cx.view().predecessors(blocked).count(), 1);
            assert_eq!(cx.view().successors(task).next(), Some((blocked, crate::support::secs(5))));
            let refusal = cx.assign(blocked, WorkerId(1)).unwrap_err();
            assert_eq!(refusal, Refusal::WrongState { task: blocked, state: TaskState::Blocked });
            return;
        }
        let view = cx.view();
        assert_eq!(view.task(task).unwrap().eligible(), at(10));
        assert_eq!((view.ready_at(task, WorkerId(0)), view.ready_at(task, WorkerId(1))), (at(10), at(15)));
        match cx.assign(task, WorkerId(1)) {
            Ok(()) => assert_eq!(cx.view().now(), at(15)),
            Err(refusal) => {
                let until = at(15);
                assert_eq!(refusal, Refusal::NotReady { task, worker: WorkerId(1), until });
                assert!(!cx.view().fits(task, WorkerId(1)));
            }
        }
    });
    assert_eq!(driver.run(&mut strategy).unwrap(), ["0.1 w0 0-10 completed", "1.1 w1 15-19 completed"]);
}

#[test]
fn the_last_input_decides() {
    let jobs = [
        job(0, 0, 10, 1),
        job(1, 0, 12, 1),
        // On worker 0 the data of task 1 is missing until 20, on worker 1 that of task 0 until 15.
        job(2, 0, 1, 2).after(0, 5).after(1, 8),
    ];
    let mut driver = Driver::new(vec![worker(1, 0), worker(2, 0)], &jobs);
    let mut strategy = Pass(|cx: &mut SchedulingContext<'_>| {
        for task in cx.view().queue().collect::<Vec<_>>() {
            let _ = cx.assign(task, WorkerId(task.index().min(1)));
        }
    });
    let schedule = driver.run(&mut strategy).unwrap();
    assert_eq!(schedule[2], "2.1 w1 15-16 completed");
}

#[test]
fn failure_cancels_everything_behind_it_those_yet_to_arrive_too() {
    let jobs = [
        job(0, 0, 10, 1),
        job(1, 0, 1, 1).after(0, 0),
        job(2, 0, 1, 1).after(1, 0),
        job(3, 20, 1, 1).after(2, 0),
        job(4, 20, 1, 1),
    ];
    let mut driver = Driver::new(vec![worker(1, 0)], &jobs);
    let mut strategy = FirstFit;
    driver.attach(&mut strategy);
    assert!(driver.step(&mut strategy));
    let task = find(&driver.cluster.view(), 0);
    driver.at(5, Event::Failed { task, attempt: 1, reason: FailureReason::Error });
    while driver.step(&mut strategy) {}
    let states: Vec<TaskState> = driver.ended.values().copied().collect();
    let cancelled = TaskState::Cancelled;
    assert_eq!(states, [TaskState::Failed, cancelled, cancelled, cancelled, TaskState::Completed]);
}

#[test]
fn a_bound_successor_whose_worker_drains_is_blocked_again() {
    let jobs = [job(0, 0, 10, 1), job(1, 0, 2, 1).after(0, 0)];
    let mut driver = Driver::new(vec![worker(1, 0), worker(1, 0)], &jobs);
    driver.at(5, Event::WorkerChanged { worker: WorkerId(1), state: WorkerState::Draining });
    let mut strategy = Pass(|cx: &mut SchedulingContext<'_>| {
        let tasks: Vec<_> = cx.view().tasks().collect();
        for task in tasks {
            match cx.view().task(task).unwrap().state() {
                TaskState::Queued => drop(cx.assign(task, WorkerId(0))),
                TaskState::Blocked if cx.view().now() == at(0) => cx.bind(task, WorkerId(1)).unwrap(),
                _ => {}
            }
        }
    });
    assert_eq!(driver.run(&mut strategy).unwrap(), ["0.1 w0 0-10 completed", "1.1 w0 10-12 completed"]);
}

#[test]
fn a_cancelled_successor_leaves_the_next_tenant_of_its_slot_alone() {
    let jobs = [job(0, 0, 10, 1), job(1, 0, 1, 1).after(0, 0), job(2, 2, 5, 1), job(3, 3, 1, 1).after(2, 0)];
    for fails in [true, false] {
        let mut driver = Driver::new(vec![worker(1, 0)], &jobs);
        driver.cancel_at(1, 1);
        let mut strategy = FirstFit;
        driver.attach(&mut strategy);
        assert!(driver.step(&mut strategy));
        if fails {
            let task = find(&driver.cluster.view(), 0);
            driver.at(5, Event::Failed { task, attempt: 1, reason: FailureReason::Error });
        }
        while driver.step(&mut strategy) {}
        assert_eq!(driver.ended[&2], TaskState::Completed);
        assert_eq!(driver.ended[&3], TaskState::Completed);
    }
}
