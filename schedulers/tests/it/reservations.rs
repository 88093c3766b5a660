//! EASY backfilling on one pool, after the design's reference: the view gives all that a reservation needs.

use cloudai_schedulers::{
    Capabilities, ClusterView, QueueCursor, Scheduler, SchedulingContext, Time, WorkerId, WorkloadProfile,
};

use crate::driver::Driver;
use crate::support::{at, job, worker};

#[derive(Debug, Default)]
pub(crate) struct Easy;

impl Scheduler for Easy {
    fn supports(&self) -> Capabilities {
        Capabilities::new()
    }

    fn attach(&mut self, _: &ClusterView<'_>, _: &WorkloadProfile) {}

    fn schedule(&mut self, cx: &mut SchedulingContext<'_>) {
        let pool = WorkerId(0);
        let cpu = |cx: &SchedulingContext<'_>, task| cx.view().task(task).unwrap().spec().request.cpu_milli;
        let mut cursor = QueueCursor::default();
        let mut head = cx.next_queued(&mut cursor);
        while let Some(task) = head
            && cx.assign(task, pool).is_ok()
        {
            head = cx.next_queued(&mut cursor);
        }
        let Some(head) = head else { return };
        let (shadow, mut extra) = reservation(&cx.view(), cpu(cx, head));
        while let Some(task) = cx.next_queued(&mut cursor) {
            if !cx.view().fits(task, pool) {
                continue;
            }
            let (need, end) = (cpu(cx, task), cx.view().now() + cx.view().expected_run(task, pool));
            if end <= shadow {
                cx.assign(task, pool).unwrap();
            } else if need <= extra {
                cx.assign(task, pool).unwrap();
                extra -= need;
            }
        }
    }
}

/// When `need` fits, by the expected ends, and what is free beside it then.
fn reservation(view: &ClusterView<'_>, need: u64) -> (Time, u64) {
    let mut free = view.workers().next().unwrap().free_cpu_milli();
    let running = view.running();
    let mut ends = running.iter().peekable();
    while let Some(&(end, task)) = ends.next() {
        free += view.task(task).unwrap().spec().request.cpu_milli;
        let tied = ends.peek().is_some_and(|&&(next, _)| next == end);
        if !tied && free >= need {
            return (end, free - need);
        }
    }
    (Time::NEVER, 0)
}

#[test]
fn the_head_is_not_delayed_and_the_rest_fills_in() {
    let jobs = [job(0, 0, 10, 6), job(1, 1, 10, 8), job(2, 2, 20, 4), job(3, 3, 5, 4), job(4, 4, 100, 2)];
    let mut driver = Driver::new(vec![worker(10, 0)], &jobs);
    // Task 1 is reserved for 10, with 2 cores to spare. Task 2 would end too late and is too large to spare; task 3
    // ends in time; task 4 runs beside task 1 from 8 on.
    assert_eq!(
        driver.run(&mut Easy).unwrap(),
        [
            "3.1 w0 3-8 completed",
            "0.1 w0 0-10 completed",
            "1.1 w0 10-20 completed",
            "2.1 w0 20-40 completed",
            "4.1 w0 8-108 completed",
        ]
    );
}

#[test]
fn the_passs_own_starts_are_in_the_reservation() {
    let jobs = [job(0, 0, 10, 6), job(1, 0, 10, 8), job(2, 0, 10, 4), job(3, 0, 11, 1)];
    let mut driver = Driver::new(vec![worker(11, 0)], &jobs);
    // All in one pass: task 0 starts, so task 1 gets 10; task 2 ends by then; task 3 would not, and is spared for.
    assert_eq!(
        driver.run(&mut Easy).unwrap(),
        ["0.1 w0 0-10 completed", "2.1 w0 0-10 completed", "3.1 w0 0-11 completed", "1.1 w0 10-20 completed"]
    );
}

#[test]
fn an_overdue_task_counts_as_ending_in_a_microsecond() {
    let jobs = [job(0, 0, 15, 6).estimate(10), job(1, 1, 10, 8), job(2, 12, 1, 2), job(3, 12, 1, 1)];
    let mut driver = Driver::new(vec![worker(10, 0)], &jobs);
    // At 12 task 0 is overdue: task 1 is reserved for 12.000001, with 2 cores to spare, which task 2 takes.
    assert_eq!(
        driver.run(&mut Easy).unwrap(),
        [
            "2.1 w0 12-13 completed",
            "3.1 w0 13-14 completed",
            "0.1 w0 0-15 completed",
            "1.1 w0 15-25 completed"
        ]
    );
}

#[test]
fn overdue_tasks_tie_and_come_in_index_order() {
    let jobs = [job(0, 0, 50, 1).estimate(9), job(1, 0, 50, 1).estimate(5), job(2, 0, 50, 1).estimate(20)];
    let mut driver = Driver::new(vec![worker(3, 0)], &jobs);
    let mut strategy = Easy;
    driver.attach(&mut strategy);
    driver.step(&mut strategy);
    let listed = |driver: &Driver| {
        let view = driver.cluster.view();
        let all: Vec<_> = view.running().iter().map(|&(end, task)| (end, task.index())).collect();
        let worker: Vec<_> =
            view.workers().next().unwrap().running().map(|(end, task)| (end, task.index())).collect();
        assert_eq!(all, worker);
        all
    };
    assert_eq!(listed(&driver), [(at(5), 1), (at(9), 0), (at(20), 2)]);
    driver.cluster.advance(at(12)).unwrap();
    let soon = at(12) + Time::TICK;
    assert_eq!(listed(&driver), [(soon, 0), (soon, 1), (at(20), 2)]);
}
