//! Questions and inputs that make no sense get a plain answer, never a panic.

use cloudai_schedulers::{
    Capacity, Cluster, ClusterConfig, Decision, DeviceSet, Duration, Event, EventError, GpuRequest, Part,
    Placement, Refusal, SchedulingContext, TaskId, TaskState, WorkerId, WorkerSpec, invariants,
};
use serde_json::json;

use crate::support::{Pass, config, job, worker};

fn forged(index: u32, slot: u32) -> TaskId {
    serde_json::from_value(json!({ "index": index, "slot": slot })).unwrap()
}

/// Asks the view everything about a task and a worker, one of which is not there.
fn ask(cluster: &Cluster, task: TaskId, worker: WorkerId) {
    let view = cluster.view();
    assert!(!view.fits(task, worker));
    assert!(!view.can_ever_hold(task, worker));
    assert_eq!(view.placement_on(task, worker), None);
    assert_eq!(view.place_in_order(task, [worker].into_iter()), None);
    let _ = (view.ready_at(task, worker), view.expected_run(task, worker));
}

fn ask_without_task(cluster: &Cluster, task: TaskId) {
    let view = cluster.view();
    for worker in [WorkerId(0), WorkerId(1), WorkerId(70), WorkerId(u32::MAX)] {
        ask(cluster, task, worker);
        assert_eq!(view.first_fit_from(task, worker), None);
    }
    assert_eq!((view.first_fit(task), view.best_fit(task), view.least_committed(task)), (None, None, None));
    assert_eq!(view.feasible(task).chain(view.fullest_first(task)).count(), 0);
    assert!(view.surely_full_for(task));
    assert_eq!(view.predecessors(task).count() + view.successors(task).count(), 0);
}

#[test]
fn an_edge_declared_too_late_does_not_disturb_the_queue() {
    let mut cluster = Cluster::new(ClusterConfig::default(), vec![worker(1, 0)]).unwrap();
    let tasks: Vec<TaskId> = (0..3).map(|index| cluster.submit(job(index, 0, 10, 1).spec)).collect();
    cluster.add_dependency(0, 1, Duration::ZERO);
    cluster.pass(&mut crate::support::FirstFit);
    cluster.advance(crate::support::at(10)).unwrap();
    cluster.apply(Event::Completed { task: tasks[0], attempt: 1 }).unwrap();
    invariants::check(&cluster).unwrap();
}

#[test]
fn a_forged_id_of_a_free_slot_is_unknown() {
    let mut cluster = Cluster::new(ClusterConfig::default(), vec![worker(4, 1)]).unwrap();
    let gone = cluster.submit(job(0, 0, 10, 1).spec);
    cluster.apply(Event::Cancelled { task: gone }).unwrap();
    cluster.end_instant();
    let task = forged(u32::MAX, gone.slot() as u32);
    assert_eq!(cluster.apply(Event::TransferOver { task }), Err(EventError::UnknownTask(task)));
    assert_eq!(cluster.apply(Event::Cancelled { task }), Err(EventError::UnknownTask(task)));
    let reject = Decision::Reject { task, reason: "forged".into() };
    assert_eq!(cluster.decide(reject), Err(Refusal::UnknownTask(task)));
}

#[test]
fn a_view_answers_for_tasks_and_workers_that_are_not_there() {
    let mut cluster = Cluster::new(ClusterConfig::default(), vec![worker(4, 1); 2]).unwrap();
    let gone = cluster.submit(job(0, 0, 10, 1).spec);
    let there = cluster.submit(job(1, 0, 10, 1).spec);
    cluster.apply(Event::Cancelled { task: gone }).unwrap();
    ask_without_task(&cluster, gone);
    assert!(cluster.view().task(gone).is_some(), "until the instant ends");
    cluster.end_instant();
    for indexes in [false, true] {
        cluster.keep_indexes(cloudai_schedulers::Indexes {
            best_fit: indexes,
            committed_work: indexes,
            expected_ends: indexes,
            running_tasks: indexes,
            recent_changes: indexes,
            deep_queue: indexes,
        });
        for task in [gone, forged(7, 99), forged(7, 1), forged(u32::MAX, gone.slot() as u32)] {
            ask_without_task(&cluster, task);
            let view = cluster.view();
            assert!(view.task(task).is_none());
            let expected = (view.expected_nominal(task), view.predicted_nominal(task));
            assert_eq!(expected, (Duration::ZERO, Duration::ZERO));
        }
        for worker in [WorkerId(2), WorkerId(3), WorkerId(70), WorkerId(u32::MAX)] {
            ask(&cluster, there, worker);
            assert_eq!(cluster.load(worker), 0);
            assert_eq!(cluster.view().first_fit_from(there, worker), None);
            assert!(cluster.view().worker(worker).is_none());
            assert_eq!(cluster.view().expected_run(there, worker), Duration::MAX, "it never ends there");
        }
    }
}

#[test]
fn a_strategy_may_ask_for_placements_that_are_not_there() {
    let mut cluster = Cluster::new(ClusterConfig::default(), vec![worker(4, 1)]).unwrap();
    cluster.submit(job(0, 0, 10, 1).replicas(3).spec);
    cluster.submit(job(1, 0, 10, 1).spec);
    cluster.pass(&mut Pass(|cx: &mut SchedulingContext<'_>| {
        let queue: Vec<TaskId> = cx.view().queue().collect();
        let nowhere = [WorkerId(9), WorkerId(u32::MAX)];
        assert_eq!(cx.view().place_in_order(queue[0], nowhere.into_iter()), None);
        assert_eq!(cx.assign(queue[1], WorkerId(9)), Err(Refusal::UnknownWorker(WorkerId(9))));
        assert_eq!(cx.assign(forged(8, 8), WorkerId(0)), Err(Refusal::UnknownTask(forged(8, 8))));
        assert!(cx.place(queue[1], &Placement::gang(&[])).is_err());
        assert!(cx.place(queue[1], &Placement::single(WorkerId(0), DeviceSet::single(64))).is_ok());
    }));
    let mut set = DeviceSet::EMPTY;
    set.insert(200);
    assert!(set.is_empty(), "there is no such device");
}

#[test]
fn a_cluster_without_workers_or_requests_of_nothing_is_no_special_case() {
    let mut cluster = Cluster::new(ClusterConfig::default(), vec![]).unwrap();
    let mut nothing = job(0, 0, 0, 0).spec;
    nothing.replicas = 0;
    let task = cluster.submit(nothing);
    for indexes in [false, true] {
        cluster.keep_indexes(cloudai_schedulers::Indexes {
            best_fit: indexes,
            committed_work: indexes,
            expected_ends: indexes,
            running_tasks: indexes,
            recent_changes: indexes,
            deep_queue: indexes,
        });
        let view = cluster.view();
        assert_eq!(
            (view.first_fit(task), view.best_fit(task), view.least_committed(task)),
            (None, None, None)
        );
    }
    cluster.apply(Event::WorkerJoined(WorkerSpec::default())).unwrap();
    assert_eq!(cluster.view().first_fit(task), Some(WorkerId(0)), "a worker of nothing holds nothing");
    cluster.pass(&mut crate::support::FirstFit);
    assert_eq!(cluster.view().task(task).unwrap().state(), TaskState::Assigned);
    cluster.apply(Event::Completed { task, attempt: 1 }).unwrap();
    invariants::check(&cluster).unwrap();
}

#[test]
fn amounts_at_the_end_of_the_range_do_not_overflow() {
    let most = u64::MAX;
    let capacity = Capacity { cpu_milli: most, memory_mib: most, storage_mib: most, gpus: 64 };
    let spec = WorkerSpec { capacity, ..WorkerSpec::default() };
    let all = cloudai_schedulers::Indexes {
        best_fit: true,
        committed_work: true,
        expected_ends: true,
        running_tasks: true,
        recent_changes: true,
        deep_queue: true,
    };
    let config = config(|config| config.indexes = all);
    let mut cluster = Cluster::new(config, vec![spec.clone(), spec]).unwrap();
    let mut huge = job(0, 0, 10, 1).replicas(u32::MAX).spec;
    huge.request.cpu_milli = most / 2;
    let huge = cluster.submit(huge);
    let mut one = job(1, 0, 10, 1).spec;
    one.request.cpu_milli = most;
    one.request.memory_mib = most;
    one.estimate = Some(Duration::MAX);
    let one = cluster.submit(one);
    cluster.pass(&mut Pass(|cx: &mut SchedulingContext<'_>| {
        let part = Part { worker: WorkerId(0), replicas: u32::MAX, devices: DeviceSet::EMPTY };
        assert!(matches!(cx.place(huge, &Placement::gang(&[part])), Err(Refusal::DoesNotFit { .. })));
        assert_eq!(cx.view().place_in_order(huge, cx.view().feasible(huge)), None);
        cx.assign(one, WorkerId(1)).unwrap();
    }));
    invariants::check(&cluster).unwrap();
    cluster.apply(Event::Started { task: one, attempt: 1 }).unwrap();
    cluster.apply(Event::Completed { task: one, attempt: 1 }).unwrap();
    invariants::check(&cluster).unwrap();
}

#[test]
fn a_worker_without_speed_or_with_too_many_gpus_is_refused() {
    let spec = json!({ "name": "w", "capacity": { "cpu_milli": 1, "memory_mib": 1, "storage_mib": 1, "gpus": 0 },
        "gpu_model": null, "speed": 0, "labels": {} });
    assert!(serde_json::from_value::<WorkerSpec>(spec).is_err());
    let spec = worker(1, 65);
    let refused = Err(EventError::TooManyGpus("1x65".into(), 65));
    assert_eq!(Cluster::new(ClusterConfig::default(), vec![spec.clone()]).map(drop), refused);
    let mut cluster = Cluster::new(ClusterConfig::default(), vec![]).unwrap();
    assert_eq!(cluster.apply(Event::WorkerJoined(spec)), refused);
    assert!(serde_json::from_value::<GpuRequest>(json!(1500)).is_err());
}
