//! Single steps of the master's core.

use cloudai_runtime::master::core::{Action, Answer, CoreSettings, Input, MasterCore, Problem, Registration};
use cloudai_runtime::record::{Status, TaskRequest, WorkerRecord};
use cloudai_runtime::store::Snapshot;
use cloudai_schedulers::{Registry, Time};

use super::world::{Trouble, World};

fn plain(cpu_cores: f64) -> TaskRequest {
    TaskRequest { docker_image: "image".to_owned(), cpu_cores, memory_gb: 0.5, ..TaskRequest::default() }
}

#[test]
fn a_task_is_placed_and_its_end_is_kept() {
    let mut world = World::new(1, 1, Trouble::NONE, "fcfs");
    world.run(12);
    world.submit(vec![plain(1.0)]);
    world.run(200);
    let task = world.task(&world.acknowledged[0].clone()).clone();
    assert!(matches!(task.status, Status::Completed | Status::Failed));
    assert_eq!((task.attempt, task.assigned_worker.as_deref()), (1, Some("w0")));
    assert!(task.created_at_us <= task.started_at_us.unwrap());
    assert!(task.started_at_us <= task.completed_at_us);
}

#[test]
fn a_task_that_fits_nowhere_waits() {
    let mut world = World::new(1, 1, Trouble::NONE, "fcfs");
    world.submit(vec![plain(3.0)]);
    world.run(1000);
    assert_eq!(world.task(&world.acknowledged[0].clone()).status, Status::Pending);
}

#[test]
fn a_pinned_task_runs_on_its_worker_only() {
    let mut world = World::new(1, 3, Trouble::NONE, "first_fit");
    world.run(12);
    world.submit(vec![TaskRequest { pinned_to: Some("w2".to_owned()), ..plain(1.0) }; 5]);
    world.run(1000);
    for task_id in &world.acknowledged {
        assert_eq!(world.task(task_id).assigned_worker.as_deref(), Some("w2"));
    }
}

#[test]
fn what_a_worker_took_along_is_started_elsewhere_once_its_lease_is_over() {
    let mut world = World::new(4, 2, Trouble::NONE, "first_fit");
    world.run(12);
    world.submit(vec![plain(1.0)]);
    world.run(1);
    world.cut_off(0, true);
    let task_id = world.acknowledged[0].clone();
    world.run(60);
    assert_eq!(world.task(&task_id).attempt, 1, "the lease is not over yet, or not long enough");
    world.run(300);
    let task = world.task(&task_id);
    assert_eq!((task.attempt, task.assigned_worker.as_deref()), (2, Some("w1")), "{task:?}");
}

#[test]
fn a_master_that_is_killed_at_once_goes_on_with_the_same_attempts() {
    let mut world = World::new(2, 2, Trouble::NONE, "first_fit");
    world.run(12);
    world.submit(vec![plain(1.0), plain(1.0), plain(1.0)]);
    world.run(3);
    world.kill_master();
    world.run(300);
    for task_id in &world.acknowledged {
        let task = world.task(task_id);
        assert!(task.status.is_over());
        assert_eq!(task.attempt, 1);
    }
}

/// What a master answers to this registration.
fn register(worker: WorkerRecord) -> Answer {
    let (settings, registry) = (CoreSettings::default(), Registry::builtin());
    let spec = "fcfs".parse().unwrap();
    let (mut core, _) =
        MasterCore::restore(settings, registry, spec, Snapshot::default(), Time::ZERO).unwrap();
    let registration = Registration { worker, held: Vec::new() };
    let step = core.step(Time::from_micros(1), vec![Input::Register(7, Box::new(registration))]);
    match step.then.into_iter().find(|action| matches!(action, Action::Reply(7, _))) {
        Some(Action::Reply(_, answer)) => answer,
        _ => panic!("no answer"),
    }
}

#[test]
fn what_a_worker_says_of_itself_is_checked() {
    let good = WorkerRecord {
        worker_id: "w".to_owned(),
        worker_ip: "10.0.0.1:50052".to_owned(),
        total_cpu: 2.0,
        identity: "word".to_owned(),
        registration: 1,
        ..WorkerRecord::default()
    };
    assert_eq!(register(good.clone()), Answer::Registered(Vec::new()));
    let bad = [
        WorkerRecord { total_cpu: f64::NAN, ..good.clone() },
        WorkerRecord { total_memory: f64::INFINITY, ..good.clone() },
        WorkerRecord { total_gpu: -1.0, ..good.clone() },
        WorkerRecord { worker_id: "a/b".to_owned(), ..good.clone() },
        WorkerRecord { worker_ip: "::::".to_owned(), ..good.clone() },
        WorkerRecord { worker_ip: String::new(), ..good.clone() },
        WorkerRecord { identity: String::new(), ..good.clone() },
        WorkerRecord { version: "1\u{1b}[31m".to_owned(), ..good.clone() },
        WorkerRecord { executor: "x".repeat(1000), ..good },
    ];
    for worker in bad {
        let answer = register(worker.clone());
        assert!(matches!(answer, Answer::Problem(Problem::WorkerRefused(_))), "{worker:?}: {answer:?}");
    }
}
