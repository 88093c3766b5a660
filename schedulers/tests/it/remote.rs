//! A remote agent: sees a version of the view, answers later, in JSON; each decision is checked then.

use cloudai_schedulers::{
    Cluster, ClusterConfig, Decision, DecisionBatch, DeviceSet, Effect, Event, Placement, Refusal, TaskId,
    TaskState, WorkerId, invariants,
};

use crate::support::{at, job, worker};

/// What the agent sends: every queued task to worker 0, every running one stopped, a wake-up at 20.
fn answer(cluster: &Cluster) -> String {
    let view = cluster.view();
    let placement = Placement::single(WorkerId(0), DeviceSet::EMPTY);
    let assign = view.queue().map(|task| Decision::Assign { task, placement: placement.clone() });
    let stop = view.running().into_iter().map(|(_, task)| {
        let attempt = view.task(task).unwrap().attempt();
        Decision::Preempt { task, attempt }
    });
    let decisions = assign.chain(stop).chain([Decision::WakeAt(at(20))]).collect();
    serde_json::to_string(&DecisionBatch { based_on: view.version(), decisions }).unwrap()
}

fn deliver(cluster: &mut Cluster, json: &str) -> Vec<Result<(), Refusal>> {
    let batch: DecisionBatch = serde_json::from_str(json).unwrap();
    assert!(batch.based_on <= cluster.view().version());
    let answers = cluster.apply_batch(&batch);
    invariants::check(cluster).unwrap();
    // What is answered travels back as JSON too.
    let json = serde_json::to_string(&answers).unwrap();
    assert_eq!(serde_json::from_str::<Vec<Result<(), Refusal>>>(&json).unwrap(), answers);
    answers
}

#[test]
fn stale_decisions_are_refused_one_by_one() {
    let mut cluster = Cluster::new(ClusterConfig::default(), vec![worker(3, 0)]).unwrap();
    let tasks: Vec<TaskId> = (0..4).map(|index| cluster.submit(job(index, 0, 10, 1).spec)).collect();
    let first = answer(&cluster);
    // Meanwhile somebody cancels task 1; its slot goes to task 9, which arrives.
    cluster.apply(Event::Cancelled { task: tasks[1] }).unwrap();
    cluster.end_instant();
    let newcomer = cluster.submit(job(9, 0, 10, 1).spec);
    assert_eq!(newcomer.slot(), tasks[1].slot());
    let answers = deliver(&mut cluster, &first);
    assert_eq!(answers, [Ok(()), Err(Refusal::UnknownTask(tasks[1])), Ok(()), Ok(()), Ok(())]);
    assert_eq!(cluster.view().task(newcomer).unwrap().state(), TaskState::Queued);
    // The same answer once more: nothing happens twice.
    let answers = deliver(&mut cluster, &first);
    for (task, answer) in [tasks[0], tasks[2], tasks[3]].into_iter().zip([0, 2, 3]) {
        let state = TaskState::Assigned;
        assert_eq!(answers[answer], Err(Refusal::WrongState { task, state }));
    }
    assert_eq!(cluster.view().held().cpu_milli, 3000);
}

#[test]
fn a_stop_meant_for_an_earlier_attempt_does_not_hit_the_next() {
    let mut cluster = Cluster::new(ClusterConfig::default(), vec![worker(1, 0)]).unwrap();
    let task = cluster.submit(job(0, 0, 10, 1).spec);
    let start = answer(&cluster);
    assert_eq!(deliver(&mut cluster, &start), [Ok(()), Ok(())]);
    let stop = answer(&cluster);
    // It arrives after the task was stopped and started again by others.
    cluster.decide(Decision::Preempt { task, attempt: 1 }).unwrap();
    cluster.apply(Event::Stopped { task, attempt: 1 }).unwrap();
    assert_eq!(deliver(&mut cluster, &start), [Ok(()), Ok(())]);
    cluster.advance(at(20)).unwrap();
    let answers = deliver(&mut cluster, &stop);
    assert_eq!(answers[0], Err(Refusal::StaleAttempt { task, attempt: 1, current: 2 }));
    assert_eq!(answers[1], Err(Refusal::WakeNotAhead { at: at(20), now: at(20) }));
    let mut effects = Vec::new();
    cluster.take_effects(&mut effects);
    let stops = effects.iter().filter(|effect| matches!(effect, Effect::Stop { .. })).count();
    assert_eq!(stops, 1);
}

#[test]
fn the_version_grows_with_lane_starts_too() {
    let mut cluster = Cluster::new(ClusterConfig::default(), vec![worker(1, 0)]).unwrap();
    let tasks: Vec<TaskId> = (0..2).map(|index| cluster.submit(job(index, 0, 10, 1).spec)).collect();
    for &task in &tasks {
        cluster.decide(Decision::Bind { task, worker: WorkerId(0) }).unwrap();
    }
    cluster.apply(Event::Completed { task: tasks[0], attempt: 1 }).unwrap();
    let before = cluster.view().version();
    cluster.advance_lanes();
    assert_eq!(cluster.view().task(tasks[1]).unwrap().state(), TaskState::Assigned);
    assert!(cluster.view().version() > before);
}
