//! `heft`, `cpop` and `peft` where the world differs from their plans.

use std::collections::BTreeMap;

use cloudai_schedulers::{
    Cluster, Constraint, Effect, Event, Registry, Scheduler, TaskState, WorkerId, WorkerSpec, WorkerState,
};
use proptest::prelude::*;

use crate::driver::Driver;
use crate::properties::jobs;
use crate::support::{Job, at, config, job, secs, worker};

const ALL: [&str; 3] = ["heft", "cpop", "peft"];

fn strategy(spec: &str) -> Box<dyn Scheduler> {
    Registry::builtin().build(&spec.parse().unwrap()).unwrap()
}

/// Only the worker of this name.
fn only(job: Job, name: &str) -> Job {
    let labels = BTreeMap::from([("name".to_owned(), name.to_owned())]);
    Job { constraint: Constraint { labels, ..Constraint::default() }, ..job }
}

fn named(cores: u64, name: &str) -> WorkerSpec {
    WorkerSpec { labels: BTreeMap::from([("name".to_owned(), name.to_owned())]), ..worker(cores, 0) }
}

#[test]
fn a_task_whose_data_is_late_gives_way_once_its_planned_start_has_passed() {
    // 1 is planned for 10 to 30 on b, so that 2 does not fit before it; but 0 takes 100 s instead of 10.
    let jobs = [
        Job { run: secs(100), ..only(job(0, 0, 10, 1), "a") },
        only(job(1, 0, 20, 1), "b").after(0, 0),
        only(job(2, 0, 15, 1), "b"),
        only(job(3, 0, 5, 1), "b"),
    ];
    for spec in ALL {
        let mut driver = Driver::new(vec![named(1, "a"), named(1, "b")], &jobs);
        let expected = [
            "3.1 w1 0-5 completed",
            "2.1 w1 10.000001-25.000001 completed",
            "0.1 w0 0-100 completed",
            "1.1 w1 100-120 completed",
        ];
        assert_eq!(driver.run(strategy(spec).as_mut()).unwrap(), expected, "{spec}");
    }
}

#[test]
fn a_task_that_lacks_only_room_lets_nothing_overtake() {
    // 1 needs both cores and is planned before 2, which would fit beside 0; but 0 takes 15 s instead of 10.
    let jobs = [Job { run: secs(15), ..job(0, 0, 10, 1) }, job(1, 1, 20, 2), job(2, 1, 11, 1)];
    let mut driver = Driver::new(vec![worker(2, 0)], &jobs);
    let expected = ["0.1 w0 0-15 completed", "1.1 w0 15-35 completed", "2.1 w0 35-46 completed"];
    assert_eq!(driver.run(strategy("heft").as_mut()).unwrap(), expected);
}

#[test]
fn tasks_of_a_lost_worker_move_and_a_new_worker_gets_some() {
    let jobs: Vec<Job> = (0..6).map(|index| job(index, 0, 10, 1)).collect();
    for spec in ALL {
        let mut driver = Driver::new(vec![worker(1, 0), worker(1, 0)], &jobs);
        driver.at(5, Event::WorkerChanged { worker: WorkerId(1), state: WorkerState::Lost });
        driver.at(25, Event::WorkerJoined(worker(1, 0)));
        driver.at(25, Event::WorkerJoined(worker(1, 0)));
        let schedule = driver.run(strategy(spec).as_mut()).unwrap();
        let on = |worker: &str| schedule.iter().filter(|line| line.contains(worker)).count();
        assert_eq!((on(" w0 "), on(" w1 "), on(" w2 ") + on(" w3 ")), (4, 1, 2), "{spec}: {schedule:?}");
        assert_eq!(driver.cluster.now(), at(40), "{spec}");
    }
}

#[test]
fn a_task_that_failed_to_start_is_planned_elsewhere() {
    let workers = vec![worker(1, 0), worker(1, 0)];
    let mut cluster = Cluster::new(config(|config| config.startup_latency = secs(1)), workers).unwrap();
    let mut heft = strategy("heft");
    heft.attach(&cluster.view(), &cloudai_schedulers::WorkloadProfile::default());
    let task = cluster.submit(job(0, 0, 10, 1).spec);
    for worker in [0, 1, 0].map(WorkerId) {
        cluster.notify(heft.as_mut());
        cluster.pass(heft.as_mut());
        let seen = cluster.view().task(task).unwrap();
        assert_eq!(seen.placement().worker(), Some(worker));
        let attempt = seen.attempt();
        let mut effects = Vec::new();
        cluster.take_effects(&mut effects);
        assert!(effects.contains(&Effect::Start { task, attempt }));
        cluster.apply(Event::StartFailed { task, attempt }).unwrap();
    }
}

#[test]
fn gangs_are_refused_and_left_alone() {
    for spec in ALL {
        assert!(!strategy(spec).supports().gangs);
        let mut driver = Driver::new(vec![worker(4, 0)], &[job(0, 0, 1, 1).replicas(2), job(1, 0, 1, 1)]);
        assert_eq!(driver.run(strategy(spec).as_mut()), Err(vec![0]), "{spec}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, ..ProptestConfig::default() })]

    /// Estimates are wrong, predecessors arrive after their successors, workers come and go, tasks are cancelled.
    #[test]
    fn whatever_fits_runs_to_its_end(
        jobs in jobs(),
        which in 0usize..3,
        restart in 0usize..40,
        faults in prop::collection::vec((0u64..60, 0u32..3, 0usize..3, 1u64..20), 0..6),
        cancels in prop::collection::vec((0u64..60, 0u32..25), 0..4),
        startup in 0u64..3,
    ) {
        let jobs: Vec<Job> = jobs.into_iter().map(|job| job.replicas(1)).collect();
        let a_run = || {
            let workers = vec![worker(4, 2), worker(6, 2), worker(4, 6)];
            let mut driver = Driver::with_config(
                config(|config| config.startup_latency = secs(startup)), workers, &jobs,
            );
            for &(at, worker, state, length) in &faults {
                let states = [WorkerState::Draining, WorkerState::Unreachable, WorkerState::Lost];
                let worker = WorkerId(worker);
                driver.at(at, Event::WorkerChanged { worker, state: states[state] });
                driver.at(at + length, Event::WorkerChanged { worker, state: WorkerState::Active });
            }
            for worker in (0..3).map(WorkerId) {
                driver.at(100, Event::WorkerChanged { worker, state: WorkerState::Active });
            }
            cancels.iter().for_each(|&(at, index)| driver.cancel_at(at, index));
            let mut list_scheduler = strategy(ALL[which]);
            driver.attach(list_scheduler.as_mut());
            let mut instant = 0;
            while driver.step(list_scheduler.as_mut()) {
                instant += 1;
                if instant == restart {
                    driver.attach(list_scheduler.as_mut());
                }
            }
            (driver.schedule(), driver.ended)
        };
        let (schedule, ended) = a_run();
        prop_assert_eq!(ended.len(), jobs.len(), "{:?}", schedule);
        prop_assert!(ended.values().all(|state| matches!(state, TaskState::Completed | TaskState::Cancelled)));
        prop_assert_eq!((schedule, ended), a_run());
    }
}
