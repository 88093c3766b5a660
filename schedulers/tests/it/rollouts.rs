//! Rollouts: fork the cluster in a pass, play alternatives forward, take the better one.

use cloudai_schedulers::{
    Cluster, Event, QueueCursor, SchedulingContext, TaskId, TaskState, Time, WorkerId, invariants,
};

use crate::driver::Driver;
use crate::support::{Pass, at, job, worker};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Order {
    Queue,
    ShortestFirst,
}

fn start_in(cx: &mut SchedulingContext<'_>, order: Order) {
    let mut queue: Vec<TaskId> = cx.view().queue().collect();
    if order == Order::ShortestFirst {
        queue.sort_by_key(|&task| (cx.view().expected_nominal(task), task));
    }
    for task in queue {
        if cx.assign(task, WorkerId(0)).is_err() {
            return;
        }
    }
}

/// Plays the fork to its end under `order`, everything taking as long as expected; the sum of all ends.
fn play(mut fork: Cluster, order: Order) -> u64 {
    let mut strategy = Pass(move |cx: &mut SchedulingContext<'_>| start_in(cx, order));
    let mut sum = 0;
    loop {
        fork.pass(&mut strategy);
        let Some(&(end, task)) = fork.view().running().first() else { return sum };
        fork.advance(end).unwrap();
        let attempt = fork.view().task(task).unwrap().attempt();
        fork.apply(Event::Completed { task, attempt }).unwrap();
        fork.end_instant();
        invariants::check(&fork).unwrap();
        sum += end.micros();
    }
}

#[test]
fn the_better_future_is_chosen_and_the_present_is_untouched() {
    let jobs = [job(0, 0, 10, 1), job(1, 0, 1, 1), job(2, 0, 100, 1)];
    let mut driver = Driver::new(vec![worker(1, 0)], &jobs);
    let mut chosen = Vec::new();
    let mut strategy = Pass(|cx: &mut SchedulingContext<'_>| {
        if cx.view().queue_len() == 0 {
            return;
        }
        let before = format!("{:?}", cx.fork());
        let cost = |order| play(cx.fork(), order);
        let costs = (cost(Order::Queue), cost(Order::ShortestFirst));
        assert_eq!(format!("{:?}", cx.fork()), before);
        let order = if costs.1 < costs.0 { Order::ShortestFirst } else { Order::Queue };
        chosen.push((costs.0 / 1_000_000, costs.1 / 1_000_000));
        start_in(cx, order);
    });
    assert_eq!(
        driver.run(&mut strategy).unwrap(),
        ["1.1 w0 0-1 completed", "0.1 w0 1-11 completed", "2.1 w0 11-111 completed"]
    );
    // 10 + 11 + 111 against 1 + 11 + 111; then no difference is left.
    assert_eq!(chosen, [(132, 123), (122, 122), (111, 111)]);
}

#[test]
fn a_fork_and_its_original_go_their_own_ways() {
    let mut driver = Driver::new(vec![worker(2, 0)], &[job(0, 0, 10, 1), job(1, 0, 10, 1)]);
    let mut strategy = crate::support::FirstFit;
    driver.attach(&mut strategy);
    driver.step(&mut strategy);
    let mut fork = driver.cluster.clone();
    let original = format!("{:?}", driver.cluster);
    let tasks: Vec<TaskId> = fork.view().tasks().collect();
    fork.advance(at(3)).unwrap();
    fork.apply(Event::Completed { task: tasks[0], attempt: 1 }).unwrap();
    fork.end_instant();
    // The slot that both share the spec of is overwritten in the fork alone.
    let newcomer = fork.submit(job(7, 3, 5, 1).priority(9).spec);
    assert_eq!(newcomer.slot(), tasks[0].slot());
    assert_eq!(format!("{:?}", driver.cluster), original);
    assert_eq!(driver.cluster.view().task(newcomer).map(|task| task.state()), None);
    assert_eq!(driver.cluster.view().task(tasks[0]).unwrap().spec().priority, 0);
    let after_fork = format!("{fork:?}");
    while driver.step(&mut strategy) {}
    assert_eq!(format!("{fork:?}"), after_fork);
    assert_eq!(fork.view().task(tasks[1]).unwrap().state(), TaskState::Running);
}

#[test]
fn a_cursor_of_a_larger_fork_is_harmless_elsewhere() {
    let mut driver = Driver::new(vec![worker(1, 0)], &[job(0, 0, 10, 1), job(1, 0, 1, 1)]);
    let mut strategy = Pass(|cx: &mut SchedulingContext<'_>| {
        let mut cursor = QueueCursor::default();
        let mut fork = cx.fork();
        for index in 10..20 {
            fork.submit(job(index, 0, 1, 1).spec);
        }
        fork.pass(&mut Pass(|cx: &mut SchedulingContext<'_>| while cx.next_queued(&mut cursor).is_some() {}));
        let _ = cx.next_queued(&mut cursor);
        start_in(cx, Order::Queue);
    });
    assert_eq!(driver.run(&mut strategy).unwrap().len(), 2);
    assert_eq!(driver.cluster.now(), Time::ZERO + crate::support::secs(11));
}
