//! Starts and stops that take time and may fail, as on a live cluster.

use cloudai_schedulers::{
    Cluster, Decision, DeviceSet, Effect, Event, EventError, FailureReason, Placement, Refusal, TaskId,
    TaskState, Time, WorkerId, WorkerState, invariants,
};

use crate::support::{at, config, job, secs, worker};

struct Live {
    cluster: Cluster,
    task: TaskId,
}

fn live(workers: usize) -> Live {
    let config = config(|config| config.startup_latency = secs(2));
    let mut cluster = Cluster::new(config, vec![worker(4, 0); workers]).unwrap();
    let task = cluster.submit(job(0, 0, 10, 3).spec);
    Live { cluster, task }
}

impl Live {
    fn assign(&mut self, worker: u32) -> Result<(), Refusal> {
        let placement = Placement::single(WorkerId(worker), DeviceSet::EMPTY);
        self.cluster.decide(Decision::Assign { task: self.task, placement })
    }

    fn apply(&mut self, event: Event) -> Result<(), EventError> {
        let before = format!("{:?}", self.cluster);
        let answer = self.cluster.apply(event);
        if answer.is_err() {
            assert_eq!(format!("{:?}", self.cluster), before);
        }
        invariants::check(&self.cluster).unwrap();
        answer
    }

    fn effects(&mut self) -> Vec<Effect> {
        let mut effects = Vec::new();
        self.cluster.take_effects(&mut effects);
        effects
    }

    fn state(&self) -> TaskState {
        self.cluster.view().task(self.task).unwrap().state()
    }

    fn held(&self) -> u64 {
        self.cluster.held().cpu_milli
    }

    fn started(&mut self, attempt: u32) -> Result<(), EventError> {
        self.apply(Event::Started { task: self.task, attempt })
    }

    fn start_failed(&mut self, attempt: u32) -> Result<(), EventError> {
        self.apply(Event::StartFailed { task: self.task, attempt })
    }

    fn completed(&mut self, attempt: u32) -> Result<(), EventError> {
        self.apply(Event::Completed { task: self.task, attempt })
    }

    fn stopped(&mut self, attempt: u32) -> Result<(), EventError> {
        self.apply(Event::Stopped { task: self.task, attempt })
    }

    fn lose(&mut self, worker: u32) {
        self.apply(Event::WorkerChanged { worker: WorkerId(worker), state: WorkerState::Lost }).unwrap();
    }
}

#[test]
fn the_expected_end_moves_when_the_start_is_confirmed() {
    let mut live = live(1);
    let task = live.task;
    live.assign(0).unwrap();
    assert_eq!(live.cluster.view().running(), [(at(12), task)], "2 s to start, 10 s to run");
    live.cluster.advance(at(5)).unwrap();
    live.started(1).unwrap();
    assert_eq!(live.cluster.view().running(), [(at(15), task)]);
    assert_eq!(live.started(1), Err(EventError::WrongState { task, state: TaskState::Running }), "twice");
}

#[test]
fn a_failed_start_is_retried_elsewhere_and_not_for_ever() {
    let mut live = live(4);
    let task = live.task;
    for attempt in 1..=3 {
        assert_eq!(live.cluster.view().first_fit(task), Some(WorkerId(attempt - 1)));
        live.assign(attempt - 1).unwrap();
        assert_eq!(live.effects(), [Effect::Start { task, attempt }]);
        live.start_failed(attempt).unwrap();
        assert_eq!(live.held(), 0);
        let worker = WorkerId(attempt - 1);
        let placement = Placement::single(worker, DeviceSet::EMPTY);
        let lost = Effect::AttemptLost { task, attempt, placement, assigned_at: at(0), started_at: None };
        if attempt < 3 {
            assert_eq!(live.effects(), [lost]);
            assert_eq!(live.assign(attempt - 1), Err(Refusal::Avoided { task, worker }));
            assert_eq!(
                live.cluster.decide(Decision::Bind { task, worker }),
                Err(Refusal::Avoided { task, worker })
            );
        } else {
            assert_eq!(live.effects(), [lost, Effect::Ended { task, reason: None }]);
            assert_eq!(live.state(), TaskState::Failed);
        }
    }
}

#[test]
fn a_start_that_fails_after_it_was_confirmed_is_refused() {
    let mut live = live(1);
    live.assign(0).unwrap();
    live.started(1).unwrap();
    let task = live.task;
    assert_eq!(live.start_failed(1), Err(EventError::WrongState { task, state: TaskState::Running }));
    let reason = FailureReason::Error;
    live.apply(Event::Failed { task, attempt: 1, reason }).unwrap();
    assert_eq!((live.state(), live.held()), (TaskState::Failed, 0));
}

#[test]
fn a_worker_lost_while_assigned_gives_the_task_back_and_fences_the_attempt() {
    let mut live = live(2);
    let task = live.task;
    live.assign(0).unwrap();
    live.effects();
    live.lose(0);
    let placement = Placement::single(WorkerId(0), DeviceSet::EMPTY);
    let lost = Effect::AttemptLost { task, attempt: 1, placement, assigned_at: at(0), started_at: None };
    assert_eq!((live.effects(), live.state(), live.held()), (vec![lost], TaskState::Queued, 0));
    // Nothing of attempt 1 counts any more, before or after the next one.
    let state = TaskState::Queued;
    assert_eq!(live.completed(1), Err(EventError::WrongState { task, state }));
    live.assign(1).unwrap();
    let stale = EventError::StaleAttempt { task, attempt: 1, current: 2 };
    assert_eq!(live.completed(1), Err(stale.clone()));
    assert_eq!(live.started(1), Err(stale.clone()));
    assert_eq!(live.start_failed(1), Err(stale.clone()));
    assert_eq!(live.stopped(1), Err(stale));
    live.started(2).unwrap();
    live.completed(2).unwrap();
    assert_eq!(live.state(), TaskState::Completed);
    let state = TaskState::Completed;
    assert_eq!(live.completed(2), Err(EventError::WrongState { task, state }), "twice in one instant");
    live.cluster.end_instant();
    assert_eq!(live.completed(2), Err(EventError::UnknownTask(task)));
}

#[test]
fn a_start_confirmed_while_stopping_ran_and_is_still_stopped() {
    let mut live = live(1);
    let task = live.task;
    live.assign(0).unwrap();
    live.cluster.decide(Decision::Preempt { task, attempt: 1 }).unwrap();
    live.cluster.advance(at(3)).unwrap();
    live.started(1).unwrap();
    assert_eq!((live.state(), live.held()), (TaskState::Stopping, 3000));
    live.cluster.advance(at(4)).unwrap();
    live.stopped(1).unwrap();
    assert_eq!((live.state(), live.held()), (TaskState::Queued, 0));
    let view = live.cluster.view();
    assert_eq!(view.task(task).unwrap().attained(view.now()), secs(1));
}

#[test]
fn a_start_that_fails_while_stopping_does_what_the_stop_was_for() {
    for cancelled in [false, true] {
        let mut live = live(2);
        let task = live.task;
        live.assign(0).unwrap();
        if cancelled {
            live.apply(Event::Cancelled { task }).unwrap();
        } else {
            live.cluster.decide(Decision::Preempt { task, attempt: 1 }).unwrap();
        }
        live.start_failed(1).unwrap();
        let expected = if cancelled { TaskState::Cancelled } else { TaskState::Queued };
        assert_eq!((live.state(), live.held()), (expected, 0));
    }
}

#[test]
fn completion_may_overtake_the_stop() {
    let mut live = live(1);
    let task = live.task;
    live.assign(0).unwrap();
    live.started(1).unwrap();
    live.cluster.decide(Decision::Preempt { task, attempt: 1 }).unwrap();
    let twice = live.cluster.decide(Decision::Preempt { task, attempt: 1 });
    assert_eq!(twice, Err(Refusal::WrongState { task, state: TaskState::Stopping }));
    live.completed(1).unwrap();
    assert_eq!(live.state(), TaskState::Completed);
    assert!(live.stopped(1).is_err());
}

#[test]
fn a_cancellation_during_a_preemption_wins() {
    let mut live = live(1);
    let task = live.task;
    live.assign(0).unwrap();
    live.cluster.decide(Decision::Preempt { task, attempt: 1 }).unwrap();
    live.effects();
    live.apply(Event::Cancelled { task }).unwrap();
    assert_eq!(live.effects(), [], "one stop is enough");
    live.stopped(1).unwrap();
    assert_eq!(live.state(), TaskState::Cancelled);
}

#[test]
fn a_worker_lost_while_a_cancelled_task_stops_ends_it() {
    let mut live = live(1);
    let task = live.task;
    live.assign(0).unwrap();
    live.cluster.advance(at(1)).unwrap();
    live.started(1).unwrap();
    live.apply(Event::Cancelled { task }).unwrap();
    live.effects();
    live.lose(0);
    let started_at: Option<Time> = Some(at(1));
    let placement = Placement::single(WorkerId(0), DeviceSet::EMPTY);
    let lost = Effect::AttemptLost { task, attempt: 1, placement, assigned_at: at(0), started_at };
    assert_eq!((live.effects(), live.state()), (vec![lost], TaskState::Cancelled));
}

#[test]
fn a_worker_that_was_avoided_is_forgiven_once_no_other_is_left() {
    let mut live = live(2);
    live.assign(0).unwrap();
    live.start_failed(1).unwrap();
    assert_eq!(live.cluster.view().first_fit(live.task), Some(WorkerId(1)));
    live.lose(1);
    assert_eq!(live.cluster.view().first_fit(live.task), Some(WorkerId(0)));
}

#[test]
fn where_there_is_no_other_worker_the_same_one_is_tried_again() {
    let mut live = live(1);
    for attempt in 1..=2 {
        live.assign(0).unwrap();
        live.start_failed(attempt).unwrap();
        assert_eq!(live.state(), TaskState::Queued);
    }
    live.assign(0).unwrap();
    live.start_failed(3).unwrap();
    assert_eq!(live.state(), TaskState::Failed, "bounded all the same");
}

#[test]
fn the_next_tenant_of_a_slot_avoids_nothing() {
    let mut live = live(2);
    let task = live.task;
    live.assign(0).unwrap();
    live.start_failed(1).unwrap();
    live.apply(Event::Cancelled { task }).unwrap();
    live.cluster.end_instant();
    let next = live.cluster.submit(job(1, 0, 10, 1).spec);
    assert_eq!(next.slot(), task.slot());
    assert_eq!(live.cluster.view().first_fit(next), Some(WorkerId(0)));
}

#[test]
fn a_restarted_driver_makes_a_running_attempt_again_under_its_number() {
    // Two attempts were over before the restart, and the third runs since second 5.
    let mut live = live(1);
    live.cluster.continue_attempts(live.task, 2).unwrap();
    live.cluster.advance(at(5)).unwrap();
    live.assign(0).unwrap();
    assert_eq!(live.effects(), [Effect::Start { task: live.task, attempt: 3 }]);
    live.started(3).unwrap();

    let stale = EventError::StaleAttempt { task: live.task, attempt: 2, current: 3 };
    assert_eq!(live.completed(2), Err(stale));
    live.completed(3).unwrap();
    assert_eq!((live.state(), live.held()), (TaskState::Completed, 0));
}

#[test]
fn attempts_go_on_from_a_higher_number_only_and_only_of_a_task_that_waits() {
    let mut live = live(1);
    live.cluster.continue_attempts(live.task, 7).unwrap();
    let back = EventError::StaleAttempt { task: live.task, attempt: 6, current: 7 };
    assert_eq!(live.cluster.continue_attempts(live.task, 6), Err(back));

    live.assign(0).unwrap();
    let assigned = EventError::WrongState { task: live.task, state: TaskState::Assigned };
    assert_eq!(live.cluster.continue_attempts(live.task, 9), Err(assigned));
    live.started(8).unwrap();
    live.completed(8).unwrap();
    let ended = EventError::WrongState { task: live.task, state: TaskState::Completed };
    assert_eq!(live.cluster.continue_attempts(live.task, 9), Err(ended));
    live.cluster.end_instant();
    assert_eq!(live.cluster.continue_attempts(live.task, 9), Err(EventError::UnknownTask(live.task)));
}
