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
    assert_eq!((view.expected_nominal(task), view.predicted_nominal(task)), (Duration::ZERO, Duration::ZERO));
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
