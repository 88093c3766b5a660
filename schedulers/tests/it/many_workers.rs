//! EASY on many workers, where it remembers when each of them has room: the schedules are those of its plain definition.

use std::collections::HashMap;
use std::sync::Arc;

use cloudai_schedulers::{Checkpoints, Event, Scheduler, Speed, WorkerId, WorkerSpec, WorkerState};
use proptest::prelude::*;

use crate::deep_queues::{jobs, named, troubles};
use crate::driver::Driver;
use crate::plain::PlainEasy;
use crate::support::{Job, config, job, secs, worker};

/// Small workers of several kinds, so that the head of the queue often has to wait for one of them.
fn cluster(kinds: &[usize]) -> Vec<WorkerSpec> {
    kinds.iter().map(|&kind| of_kind(kind)).collect()
}

fn of_kind(kind: usize) -> WorkerSpec {
    let mut spec = [worker(4, 0), worker(4, 1), worker(3, 2), worker(2, 0), worker(5, 1)][kind % 5].clone();
    spec.speed = Speed::from_millionths([1_000_000, 1_000_000, 1_700_000, 600_000][kind % 4]).unwrap();
    if kind.is_multiple_of(3) {
        spec.capacity.memory_mib = 250;
    }
    if kind.is_multiple_of(6) {
        spec.labels.insert("disk".into(), "ssd".into());
    }
    spec
}

/// What the world does besides.
#[derive(Clone, Debug)]
struct Surroundings {
    kinds: Vec<usize>,
    /// (when, of which kind).
    joins: Vec<(u64, usize)>,
    /// (when, worker, state, for how long).
    faults: Vec<(u64, u32, usize, u64)>,
    cancels: Vec<(u64, u32)>,
    /// (when, task), from then on for a few seconds.
    failed_starts: Vec<(u64, u32)>,
    /// How long starts take, and how long they are expected to.
    startup: (u64, u64),
    checkpoints: bool,
    known_run_times: bool,
    deep_from: usize,
}

fn surroundings() -> impl Strategy<Value = Surroundings> {
    let workers = (
        prop::collection::vec(0usize..12, 2..10),
        prop::collection::vec((0u64..40, 0usize..12), 0..3),
        prop::collection::vec((0u64..60, 0u32..12, 0usize..3, 1u64..20), 0..5),
    );
    let tasks = (troubles(), prop::collection::vec((0u64..40, 0u32..60), 0..8));
    let model = ((0u64..3, 0u64..3), any::<bool>(), any::<bool>(), 0usize..9);
    (workers, tasks, model).prop_map(|((kinds, joins, faults), ((_, cancels), failed_starts), model)| {
        let (startup, checkpoints, known_run_times, deep_from) = model;
        Surroundings {
            kinds,
            joins,
            faults,
            cancels,
            failed_starts,
            startup,
            checkpoints,
            known_run_times,
            deep_from,
        }
    })
}

fn run(
    strategy: &mut dyn Scheduler,
    jobs: &[Job],
    around: &Surroundings,
) -> (Result<Vec<String>, Vec<u32>>, Vec<String>) {
    let config = config(|config| {
        config.startup_latency = secs(around.startup.1);
        config.deep_from = around.deep_from;
        config.checkpoints = around.checkpoints.then(|| {
            let (interval, overhead, restart) = (secs(2), secs(1), secs(1));
            Checkpoints { interval, overhead, restart }
        });
        let pairs = (0..60u32).flat_map(|task| (0..10).map(move |worker| (task, worker)));
        let known = pairs.filter(|(task, worker)| (task * 7 + worker * 3) % 5 == 0);
        let known: HashMap<_, _> =
            known.map(|(task, worker)| ((task, worker), secs(u64::from(1 + (task + worker) % 9)))).collect();
        config.known_run_times = around.known_run_times.then(|| Arc::new(known));
    });
    let mut driver = Driver::with_config(config, cluster(&around.kinds), jobs);
    driver.startup = secs(around.startup.0);
    for &(at, kind) in &around.joins {
        driver.at(at, Event::WorkerJoined(of_kind(kind)));
    }
    let workers = u32::try_from(around.kinds.len()).unwrap();
    for &(at, worker, state, length) in around.faults.iter().filter(|fault| fault.1 < workers) {
        let state = [WorkerState::Draining, WorkerState::Unreachable, WorkerState::Lost][state];
        let worker = WorkerId(worker);
        driver.at(at, Event::WorkerChanged { worker, state });
        driver.at(at + length, Event::WorkerChanged { worker, state: WorkerState::Active });
    }
    for worker in (0..workers).map(WorkerId) {
        driver.at(100, Event::WorkerChanged { worker, state: WorkerState::Active });
    }
    around.cancels.iter().for_each(|&(at, task)| driver.cancel_at(at, task));
    for &(at, task) in &around.failed_starts {
        (at..at + 6).for_each(|at| driver.fail_start_at(at, task));
    }
    (driver.run(strategy), driver.schedule())
}

/// Some of the jobs run only where there is a label.
fn with_conditions(mut jobs: Vec<Job>) -> Vec<Job> {
    for job in jobs.iter_mut().skip(3).step_by(9) {
        job.constraint.labels.insert("disk".into(), "ssd".into());
    }
    jobs
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn easy_reserves_where_its_definition_says(jobs in jobs(60), around in surroundings()) {
        let jobs = with_conditions(jobs);
        let run = |strategy: &mut dyn Scheduler| run(strategy, &jobs, &around);
        prop_assert_eq!(run(named("easy").as_mut()), run(&mut PlainEasy));
    }

    #[test]
    fn in_a_long_queue_of_few_shapes_too(
        shapes in prop::collection::vec((0u64..30, 1u64..25, 0u64..5, 0u64..40), 40..120),
        kinds in prop::collection::vec(0usize..12, 2..10),
        late in 0u64..2,
    ) {
        let shaped = (0u32..).zip(&shapes);
        let jobs: Vec<Job> = shaped
            .map(|(index, &(arrival, run, cores, over))| {
                job(index, arrival, run, cores).estimate((run + over).saturating_sub(15))
            })
            .collect();
        let around = Surroundings {
            kinds,
            joins: vec![(40, 7)],
            faults: vec![(20, 1, 2, 9), (30, 0, 0, 10)],
            cancels: Vec::new(),
            failed_starts: Vec::new(),
            startup: (late, 1),
            checkpoints: false,
            known_run_times: false,
            deep_from: 8,
        };
        let run = |strategy: &mut dyn Scheduler| run(strategy, &jobs, &around);
        prop_assert_eq!(run(named("easy").as_mut()), run(&mut PlainEasy));
    }
}
