//! Attempts that are lost with their workers: gangs above all, retries, and progress that is saved.

use cloudai_schedulers::{
    Checkpoints, Cluster, ClusterEvent, Decision, DeviceSet, Effect, Event, EventError, FailureReason, Part,
    Placement, TaskId, TaskState, Time, WorkerId, WorkerState, invariants,
};

use crate::driver::Driver;
use crate::support::{FirstFit, at, config, job, secs, worker};

fn part(worker: u32) -> Part {
    Part { worker: WorkerId(worker), replicas: 1, devices: DeviceSet::EMPTY }
}

const fn change(worker: u32, state: WorkerState) -> Event {
    Event::WorkerChanged { worker: WorkerId(worker), state }
}

/// A gang of three that runs on three workers since 0, and a cluster in which everything is checked.
fn gang() -> (Cluster, TaskId) {
    let mut cluster = Cluster::new(config(|_| ()), vec![worker(2, 0); 3]).unwrap();
    let task = cluster.submit(job(0, 0, 50, 1).replicas(3).spec);
    let placement = Placement::gang(&[part(0), part(1), part(2)]);
    cluster.decide(Decision::Assign { task, placement }).unwrap();
    cluster.apply(Event::Started { task, attempt: 1 }).unwrap();
    effects(&mut cluster);
    (cluster, task)
}

fn effects(cluster: &mut Cluster) -> Vec<Effect> {
    invariants::check(cluster).unwrap();
    let mut effects = Vec::new();
    cluster.take_effects(&mut effects);
    effects
}

fn lose(cluster: &mut Cluster, worker: u32) -> Vec<Effect> {
    cluster.apply(change(worker, WorkerState::Lost)).unwrap();
    effects(cluster)
}

fn whole() -> Placement {
    Placement::gang(&[part(0), part(1), part(2)])
}

#[test]
fn the_rest_of_a_gang_is_stopped_and_holds_until_that_is_confirmed() {
    let (mut cluster, task) = gang();
    cluster.advance(at(10)).unwrap();
    let worker = WorkerId(1);
    assert_eq!(
        lose(&mut cluster, 1),
        [Effect::PartLost { task, attempt: 1, worker }, Effect::Stop { task, attempt: 1 }]
    );
    let view = cluster.view();
    assert_eq!(view.task(task).unwrap().state(), TaskState::Stopping);
    assert_eq!(view.task(task).unwrap().placement().parts(), [part(0), part(2)]);
    assert_eq!(view.assigned_placement(task), Some(&whole()));
    assert!(view.is_broken(task));
    assert_eq!(view.held().cpu_milli, 2000, "the part on the lost worker is free, the others are not");
    let state = TaskState::Stopping;
    let refused = Err(EventError::WrongState { task, state });
    assert_eq!(cluster.apply(Event::Completed { task, attempt: 1 }), refused, "it cannot complete in part");

    cluster.advance(at(13)).unwrap();
    cluster.apply(Event::Stopped { task, attempt: 1 }).unwrap();
    assert_eq!(effects(&mut cluster), []);
    let view = cluster.view();
    assert_eq!((view.task(task).unwrap().state(), view.held().cpu_milli), (TaskState::Queued, 0));
    assert!(!view.is_broken(task));
}

#[test]
fn an_attempt_that_loses_its_last_worker_while_it_stops_is_over() {
    let (mut cluster, task) = gang();
    assert_eq!(lose(&mut cluster, 2).len(), 2);
    assert_eq!(
        lose(&mut cluster, 0),
        [Effect::PartLost { task, attempt: 1, worker: WorkerId(0) }],
        "one stop is enough"
    );
    let started_at: Option<Time> = Some(at(0));
    let lost = Effect::AttemptLost { task, attempt: 1, placement: whole(), assigned_at: at(0), started_at };
    assert_eq!(lose(&mut cluster, 1), [lost]);
    assert_eq!(cluster.view().task(task).unwrap().state(), TaskState::Queued);
    assert!(cluster.apply(Event::Stopped { task, attempt: 1 }).is_err(), "nothing is left to be stopped");
}

#[test]
fn a_gang_that_is_being_stopped_anyway_is_not_stopped_twice() {
    for cancelled in [false, true] {
        let (mut cluster, task) = gang();
        if cancelled {
            cluster.apply(Event::Cancelled { task }).unwrap();
        } else {
            cluster.decide(Decision::Preempt { task, attempt: 1 }).unwrap();
        }
        assert_eq!(effects(&mut cluster), [Effect::Stop { task, attempt: 1 }]);
        let worker = WorkerId(1);
        assert_eq!(lose(&mut cluster, 1), [Effect::PartLost { task, attempt: 1, worker }]);
        cluster.apply(Event::Stopped { task, attempt: 1 }).unwrap();
        let expected = if cancelled { TaskState::Cancelled } else { TaskState::Queued };
        assert_eq!(cluster.view().task(task).unwrap().state(), expected);
        assert_eq!(effects(&mut cluster), []);
    }
}

#[test]
fn the_driver_sees_the_stop_of_a_broken_gang_and_its_second_attempt() {
    let jobs = [job(0, 0, 50, 1).replicas(2), job(1, 11, 5, 1)];
    let mut driver = Driver::new(vec![worker(1, 0), worker(1, 0)], &jobs);
    driver.stop_latency = secs(3);
    driver.at(10, change(1, WorkerState::Lost));
    driver.at(20, change(1, WorkerState::Active));
    // Worker 0 is held until 13, and then free for task 1, which fits beside nothing before.
    assert_eq!(
        driver.run(&mut FirstFit).unwrap(),
        ["0.1 w0 0-13 broken", "1.1 w0 13-18 completed", "0.2 w0 20-70 completed"]
    );
}

#[test]
fn attempts_may_be_lost_so_often_and_no_more() {
    let mut cluster =
        Cluster::new(config(|config| config.max_lost_attempts = 1), vec![worker(1, 0); 2]).unwrap();
    cluster.add_dependency(0, 1, secs(0));
    let task = cluster.submit(job(0, 0, 50, 1).spec);
    let next = cluster.submit(job(1, 0, 50, 1).spec);
    for (attempt, on) in [(1, 0), (2, 1)] {
        let placement = Placement::single(WorkerId(on), DeviceSet::EMPTY);
        cluster.decide(Decision::Assign { task, placement: placement.clone() }).unwrap();
        effects(&mut cluster);
        let lost = Effect::AttemptLost { task, attempt, placement, assigned_at: at(0), started_at: None };
        let mut expected = vec![lost];
        if attempt == 2 {
            // It ends as failed, and what waited for it is cancelled.
            expected.extend([next, task].map(|task| Effect::Ended { task, reason: None }));
        }
        assert_eq!(lose(&mut cluster, on), expected);
    }
    assert_eq!(cluster.view().task(task).unwrap().state(), TaskState::Failed);
    assert_eq!(cluster.view().task(next).unwrap().state(), TaskState::Cancelled);
}

#[test]
fn what_is_saved_need_not_be_done_again() {
    let checkpoints = Checkpoints { interval: secs(10), overhead: secs(1), restart: secs(4) };
    let mut slow = worker(1, 0);
    slow.speed = cloudai_schedulers::Speed::from_millionths(500_000).unwrap();
    let config = config(|config| config.checkpoints = Some(checkpoints));
    let mut cluster = Cluster::new(config, vec![worker(1, 0), slow]).unwrap();
    let task = cluster.submit(job(0, 0, 30, 1).spec);
    // 30 s of work with two pauses; twice as long on the slow one, with five.
    assert_eq!(cluster.view().expected_run(task, WorkerId(0)), secs(32));
    assert_eq!(cluster.view().expected_run(task, WorkerId(1)), secs(65));
    cluster.apply(Event::Saved { task, work: secs(20) }).unwrap();
    cluster.apply(Event::Saved { task, work: secs(10) }).unwrap();
    let view = cluster.view();
    assert_eq!((view.saved(task), view.expected_remaining(task)), (secs(20), secs(10)), "never less");
    assert_eq!(view.expected_run(task, WorkerId(0)), secs(14));
    assert_eq!(view.expected_run(task, WorkerId(1)), secs(4 + 21));
    let placement = Placement::single(WorkerId(0), DeviceSet::EMPTY);
    cluster.decide(Decision::Assign { task, placement }).unwrap();
    cluster.advance(at(3)).unwrap();
    cluster.apply(Event::Started { task, attempt: 1 }).unwrap();
    assert_eq!(cluster.view().task(task).unwrap().expected_end(), Some(at(17)));
    cluster.apply(Event::Saved { task, work: secs(90) }).unwrap();
    assert_eq!(cluster.view().expected_remaining(task), Time::TICK, "it has not ended");
    // 3 s to 27 s: 4 to restart, 20 of work with one pause after ten, after the 20 that were saved; and then they
    // say that 90 were.
    cluster.advance(at(27)).unwrap();
    cluster.apply(Event::Completed { task, attempt: 1 }).unwrap();
    assert!(cluster.apply(Event::Saved { task, work: secs(95) }).is_err());
    let next = cluster.submit(job(1, 27, 200, 1).spec);
    assert_eq!(cluster.view().predicted_nominal(next), secs(200), "ran longer than was estimated");
    cluster.end_instant();
    let tenant = cluster.submit(job(2, 27, 5, 1).spec);
    assert_eq!(tenant.slot(), task.slot());
    assert_eq!(cluster.view().saved(tenant), secs(0), "the next tenant of the slot has saved nothing");
}

#[test]
fn a_loss_keeps_what_was_saved_before() {
    let mut cluster = Cluster::new(config(|_| ()), vec![worker(1, 0); 2]).unwrap();
    let task = cluster.submit(job(0, 0, 30, 1).spec);
    cluster.apply(Event::Saved { task, work: secs(20) }).unwrap();
    let placement = Placement::single(WorkerId(0), DeviceSet::EMPTY);
    cluster.decide(Decision::Assign { task, placement }).unwrap();
    lose(&mut cluster, 0);
    assert_eq!(cluster.view().saved(task), secs(20));
}

#[test]
fn tasks_are_lost_in_the_order_of_their_indices() {
    let mut cluster = Cluster::new(config(|_| ()), vec![worker(3, 0)]).unwrap();
    // The later ones end earlier.
    let tasks = [30, 20, 10].into_iter().zip(0u32..);
    let tasks: Vec<TaskId> = tasks.map(|(run, index)| cluster.submit(job(index, 0, run, 1).spec)).collect();
    for &task in tasks.iter().rev() {
        let placement = Placement::single(WorkerId(0), DeviceSet::EMPTY);
        cluster.decide(Decision::Assign { task, placement }).unwrap();
    }
    effects(&mut cluster);
    let lost = lose(&mut cluster, 0);
    let lost: Vec<TaskId> = lost
        .iter()
        .filter_map(|effect| if let Effect::AttemptLost { task, .. } = effect { Some(*task) } else { None })
        .collect();
    assert_eq!(lost, tasks);
}

#[test]
fn a_run_teaches_how_much_work_it_was() {
    let checkpoints = Checkpoints { interval: secs(10), overhead: secs(1), restart: secs(4) };
    let config = config(|config| config.checkpoints = Some(checkpoints));
    let mut cluster = Cluster::new(config, vec![worker(1, 0)]).unwrap();
    let unknown = |index| {
        let mut spec = job(index, 0, 0, 1).spec;
        spec.estimate = None;
        spec
    };
    let first = cluster.submit(unknown(0));
    let next = cluster.submit(unknown(1));
    let run = |cluster: &mut Cluster, task: TaskId, until: u64| {
        let placement = Placement::single(WorkerId(0), DeviceSet::EMPTY);
        cluster.decide(Decision::Assign { task, placement }).unwrap();
        cluster.apply(Event::Started { task, attempt: 1 }).unwrap();
        cluster.advance(at(until)).unwrap();
    };
    // 25 s of work with two pauses.
    run(&mut cluster, first, 27);
    cluster.apply(Event::Completed { task: first, attempt: 1 }).unwrap();
    assert_eq!(cluster.view().predicted_nominal(next), secs(25));
    // One that is cut at its limit had as much to do at least; one with an error of its own says nothing.
    let third = cluster.submit(unknown(2));
    run(&mut cluster, next, 27 + 16);
    let reason = FailureReason::TimeLimit;
    cluster.apply(Event::Failed { task: next, attempt: 1, reason }).unwrap();
    assert_eq!(cluster.view().predicted_nominal(third), secs(20), "25 s and 15 s");
    let last = cluster.submit(unknown(3));
    run(&mut cluster, third, 27 + 16 + 3);
    let reason = FailureReason::Error;
    cluster.apply(Event::Failed { task: third, attempt: 1, reason }).unwrap();
    assert_eq!(cluster.view().predicted_nominal(last), secs(20));
}

#[test]
fn strategies_hear_of_losses_and_returns() {
    struct Ear(Vec<ClusterEvent>);
    impl cloudai_schedulers::Scheduler for Ear {
        fn supports(&self) -> cloudai_schedulers::Capabilities {
            cloudai_schedulers::Capabilities::new()
        }
        fn attach(
            &mut self,
            _: &cloudai_schedulers::ClusterView<'_>,
            _: &cloudai_schedulers::WorkloadProfile,
        ) {
        }
        fn observe(&mut self, event: &ClusterEvent, _: &cloudai_schedulers::ClusterView<'_>) {
            self.0.push(*event);
        }
        fn schedule(&mut self, _: &mut cloudai_schedulers::SchedulingContext<'_>) {}
    }
    let (mut cluster, task) = gang();
    let mut ear = Ear(Vec::new());
    cluster.notify(&mut ear);
    ear.0.clear();
    let changed = |worker, state| ClusterEvent::WorkerChanged(WorkerId(worker), state);
    cluster.apply(change(1, WorkerState::Lost)).unwrap();
    cluster.apply(change(2, WorkerState::Draining)).unwrap();
    cluster.apply(Event::Stopped { task, attempt: 1 }).unwrap();
    cluster.apply(change(1, WorkerState::Active)).unwrap();
    cluster.notify(&mut ear);
    assert_eq!(
        ear.0,
        [
            changed(1, WorkerState::Lost),
            changed(2, WorkerState::Draining),
            ClusterEvent::TaskRequeued(task),
            changed(1, WorkerState::Active),
        ]
    );
}
