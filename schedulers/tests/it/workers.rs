//! Workers that join, drain, fall silent, are lost and return; and wake-ups.

use cloudai_schedulers::{Event, Refusal, SchedulingContext, TaskState, WorkerId, WorkerState};

use crate::driver::Driver;
use crate::support::{FirstFit, Pass, at, config, job, secs, worker};

const fn change(worker: u32, state: WorkerState) -> Event {
    Event::WorkerChanged { worker: WorkerId(worker), state }
}

#[test]
fn a_draining_worker_finishes_and_takes_nothing_new() {
    let jobs = [job(0, 0, 10, 1), job(1, 1, 2, 1), job(2, 30, 2, 1)];
    let mut driver = Driver::new(vec![worker(4, 0), worker(1, 0)], &jobs);
    driver.at(1, change(0, WorkerState::Draining));
    driver.at(20, change(0, WorkerState::Active));
    let mut strategy = Pass(|cx: &mut SchedulingContext<'_>| {
        for task in cx.view().queue().filter(|task| task.index() == 1).collect::<Vec<_>>() {
            let (worker, state) = (WorkerId(0), WorkerState::Draining);
            assert_eq!(cx.assign(task, worker), Err(Refusal::WorkerNotActive { worker, state }));
            assert_eq!(cx.bind(task, worker), Err(Refusal::WorkerNotActive { worker, state }));
            assert!(!cx.view().can_ever_hold(task, worker));
        }
        FirstFit.schedule_on(cx);
    });
    assert_eq!(
        driver.run(&mut strategy).unwrap(),
        ["1.1 w1 1-3 completed", "0.1 w0 0-10 completed", "2.1 w0 30-32 completed"]
    );
}

#[test]
fn an_unreachable_worker_keeps_what_it_runs_a_lost_one_does_not() {
    let jobs = [job(0, 0, 50, 1), job(1, 0, 50, 1)];
    let mut driver = Driver::new(vec![worker(1, 0), worker(1, 0)], &jobs);
    driver.at(10, change(0, WorkerState::Unreachable));
    driver.at(20, change(0, WorkerState::Active));
    driver.at(30, change(1, WorkerState::Unreachable));
    driver.at(40, change(1, WorkerState::Lost));
    driver.at(60, change(1, WorkerState::Active));
    assert_eq!(
        driver.run(&mut FirstFit).unwrap(),
        ["1.1 w1 0-40 lost", "0.1 w0 0-50 completed", "1.2 w0 50-100 completed"]
    );
}

#[test]
fn a_lane_goes_back_to_the_queue_with_its_worker_gone() {
    for state in [WorkerState::Draining, WorkerState::Unreachable, WorkerState::Lost] {
        let jobs = [job(0, 0, 10, 1), job(1, 0, 5, 1), job(2, 0, 5, 1)];
        let mut driver = Driver::new(vec![worker(1, 0), worker(1, 0)], &jobs);
        driver.at(4, change(0, state));
        let mut strategy = Pass(|cx: &mut SchedulingContext<'_>| {
            let target = WorkerId(u32::from(cx.view().now() >= at(4)));
            for task in cx.view().queue().collect::<Vec<_>>() {
                cx.bind(task, target).unwrap();
            }
        });
        let mut schedule = driver.run(&mut strategy).unwrap();
        schedule.sort();
        if state == WorkerState::Lost {
            let expected = ["0.1 w0 0-4 lost", "0.2 w1 4-14 completed", "1.1 w1 14-19 completed"];
            assert_eq!(schedule[..3], expected);
        } else {
            let expected = ["0.1 w0 0-10 completed", "1.1 w1 4-9 completed", "2.1 w1 9-14 completed"];
            assert_eq!(schedule, expected);
        }
    }
}

#[test]
fn a_worker_that_joins_is_used_and_indexed() {
    let mut picky = job(1, 0, 5, 1);
    picky.constraint.labels.insert("disk".into(), "ssd".into());
    let mut ssd = worker(2, 0);
    ssd.labels.insert("disk".into(), "ssd".into());
    let jobs = [job(0, 0, 5, 8), picky];
    let mut driver = Driver::new(vec![worker(1, 0)], &jobs);
    driver.at(3, Event::WorkerJoined(ssd));
    driver.at(7, Event::WorkerJoined(worker(8, 0)));
    driver.cluster.keep_indexes(cloudai_schedulers::Indexes {
        best_fit: true,
        committed_work: true,
        expected_ends: true,
        running_tasks: true,
        recent_changes: true,
        deep_queue: true,
    });
    assert_eq!(driver.run(&mut FirstFit).unwrap(), ["1.1 w1 3-8 completed", "0.1 w2 7-12 completed"]);
    assert_eq!(driver.cluster.capacity().cpu_milli, 11_000);
}

#[test]
fn what_never_fits_is_named_at_the_end() {
    let jobs = [job(0, 0, 5, 1), job(1, 0, 5, 9), job(2, 0, 1, 1).after(1, 0)];
    assert_eq!(Driver::new(vec![worker(1, 0)], &jobs).run(&mut FirstFit), Err(vec![1, 2]));
}

#[test]
fn a_wake_up_brings_a_pass_of_its_own() {
    let mut driver = Driver::new(vec![worker(1, 0)], &[job(0, 0, 5, 1)]);
    let mut strategy = Pass(|cx: &mut SchedulingContext<'_>| {
        let now = cx.view().now();
        assert_eq!(cx.wake_at(now), Err(Refusal::WakeNotAhead { at: now, now }));
        if now < at(7) {
            cx.wake_at(at(7)).unwrap();
        } else {
            FirstFit.schedule_on(cx);
        }
    });
    assert_eq!(driver.run(&mut strategy).unwrap(), ["0.1 w0 7-12 completed"]);
}

#[test]
fn a_startup_latency_holds_the_resources() {
    let config = config(|config| config.startup_latency = secs(2));
    let jobs = [job(0, 0, 5, 1), job(1, 1, 5, 1)];
    let mut driver = Driver::with_config(config, vec![worker(1, 0)], &jobs);
    assert_eq!(driver.run(&mut FirstFit).unwrap(), ["0.1 w0 2-7 completed", "1.1 w0 9-14 completed"]);
    assert!(driver.ended.values().all(|&state| state == TaskState::Completed));
}

#[test]
fn a_task_of_no_length_gets_a_further_pass_in_its_instant() {
    let jobs = [job(0, 0, 0, 1), job(1, 0, 3, 1)];
    let mut driver = Driver::new(vec![worker(1, 0)], &jobs);
    assert_eq!(driver.run(&mut FirstFit).unwrap(), ["0.1 w0 0-0 completed", "1.1 w0 0-3 completed"]);
    assert_eq!(driver.passes, 2);
}
