//! Deep queues: with indexes and without, and against the plain definitions, the schedules are the same.

use cloudai_schedulers::strategies::queue::spec::{BACKFILLS, ORDERS};
use cloudai_schedulers::{Event, Registry, Scheduler, WorkerId, WorkerSpec, WorkerState};
use proptest::prelude::*;

use crate::driver::Driver;
use crate::plain::{PlainConservative, PlainEasy};
use crate::support::{Job, config, job, secs, worker};

/// What else happens: (when, worker, state, for how long), and (when, task) that is cancelled.
pub(crate) type Troubles = (Vec<(u64, u32, usize, u64)>, Vec<(u64, u32)>);

/// Jobs that find room on the first worker of [`cluster`], most of them while the cluster is full.
pub(crate) fn jobs(most: usize) -> impl Strategy<Value = Vec<Job>> {
    let one = (0u64..25, 0u64..14, 0u64..5, 0usize..10, 1u32..4, 0u64..5, any::<u16>());
    prop::collection::vec(one, 1..most).prop_map(|shapes| {
        let jobs = (0u32..).zip(shapes).map(|(index, (arrival, run, cores, milli, replicas, off, bits))| {
            let milli = [0, 0, 0, 0, 0, 0, 300, 600, 1000, 2000][milli];
            let mut job = job(index, arrival, run, cores).gpu(milli);
            job.spec.request.memory_mib = u64::from(bits / 4 % 4) * 100;
            job = if bits % 7 == 0 { job.replicas(replicas) } else { job };
            // Exact, far too long, unknown, or too short.
            job.spec.estimate = match off {
                0 => None,
                1 => Some(secs(run / 2)),
                2 => Some(secs(run * 3 + 1)),
                _ => Some(secs(run)),
            };
            job.spec.priority = i32::from(bits % 5 == 0);
            job.spec.user.0 = u32::from(bits / 64 % 3);
            let from = u32::from(bits / 16) % (index + 1);
            if bits % 11 == 0 && from < index { job.after(from, u64::from(bits / 4 % 4)) } else { job }
        });
        jobs.collect()
    })
}

pub(crate) fn troubles() -> impl Strategy<Value = Troubles> {
    let faults = prop::collection::vec((0u64..60, 0u32..3, 0usize..3, 1u64..20), 0..4);
    let cancels = prop::collection::vec((0u64..60, 0u32..40), 0..4);
    (faults, cancels).prop_map(|(faults, cancels)| (faults, cancels))
}

pub(crate) fn cluster(workers: usize) -> Vec<WorkerSpec> {
    let mut all = vec![worker(8, 4), worker(4, 1), worker(6, 2)];
    all[1].speed = cloudai_schedulers::Speed::from_millionths(1_700_000).unwrap();
    all[2].capacity.memory_mib = 250;
    all.truncate(workers);
    all
}

/// The schedule of a strategy, or what it leaves: not every gang fits. A queue of more than `deep_from` tasks is indexed.
fn run(
    strategy: &mut dyn Scheduler,
    jobs: &[Job],
    workers: usize,
    (faults, cancels): &Troubles,
    startup: u64,
    deep_from: usize,
) -> (Result<Vec<String>, Vec<u32>>, Vec<String>) {
    let config = config(|config| {
        config.startup_latency = secs(startup);
        config.deep_from = deep_from;
    });
    let mut driver = Driver::with_config(config, cluster(workers), jobs);
    plan_troubles(&mut driver, workers, faults, cancels);
    (driver.run(strategy), driver.schedule())
}

/// Faults of the workers that there are, and cancellations.
pub(crate) fn plan_troubles(
    driver: &mut Driver,
    workers: usize,
    faults: &[(u64, u32, usize, u64)],
    cancels: &[(u64, u32)],
) {
    let known = |worker: u32| (worker as usize) < workers;
    for &(at, worker, state, length) in faults.iter().filter(|fault| known(fault.1)) {
        let state = [WorkerState::Draining, WorkerState::Unreachable, WorkerState::Lost][state];
        let worker = WorkerId(worker);
        driver.at(at, Event::WorkerChanged { worker, state });
        driver.at(at + length, Event::WorkerChanged { worker, state: WorkerState::Active });
    }
    for worker in (0u32..3).filter(|&worker| known(worker)).map(WorkerId) {
        driver.at(100, Event::WorkerChanged { worker, state: WorkerState::Active });
    }
    cancels.iter().for_each(|&(at, index)| driver.cancel_at(at, index));
}

pub(crate) fn named(spec: &str) -> Box<dyn Scheduler> {
    Registry::builtin().build(&spec.parse().unwrap()).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn backfilling_is_what_its_definition_says(
        jobs in jobs(45), workers in 1usize..4, troubles in troubles(), startup in 0u64..2, deep_from in 0usize..9,
    ) {
        let run = |strategy: &mut dyn Scheduler| run(strategy, &jobs, workers, &troubles, startup, deep_from);
        prop_assert_eq!(run(named("easy").as_mut()), run(&mut PlainEasy), "easy");
        prop_assert_eq!(run(named("conservative").as_mut()), run(&mut PlainConservative), "conservative");
    }

    #[test]
    fn on_one_pool_too_where_all_goes_as_expected_or_ends_early(
        shapes in prop::collection::vec((0u64..60, 1u64..30, 1u64..9, 0u64..40), 1..80), deep_from in 0usize..9,
    ) {
        let shaped = (0u32..).zip(&shapes);
        let jobs: Vec<Job> = shaped
            .map(|(index, &(arrival, run, cores, over))| {
                job(index, arrival, run, cores).estimate(run + over.saturating_sub(20))
            })
            .collect();
        let quiet = (Vec::new(), Vec::new());
        let run = |strategy: &mut dyn Scheduler| run(strategy, &jobs, 1, &quiet, 0, deep_from);
        prop_assert_eq!(run(named("easy").as_mut()), run(&mut PlainEasy), "easy");
        prop_assert_eq!(run(named("conservative").as_mut()), run(&mut PlainConservative), "conservative");
    }

    #[test]
    fn conservative_passes_over_nobody_who_matters(
        shapes in prop::collection::vec((0u64..9, 1u64..40, 0u32..4, 0u64..60, 0u8..40), 60..200),
        workers in 1usize..4, sjf: bool,
    ) {
        // Many wait, most of them narrow; few enough of the other kinds that windows find their end.
        let shaped = (0u32..).zip(&shapes);
        let jobs: Vec<Job> = shaped
            .map(|(index, &(arrival, run, wide, over, kind))| {
                let job = job(index, arrival, run, 1 << wide).estimate(run + over.saturating_sub(10));
                match kind {
                    0 => job.replicas(2),
                    1 => job.gpu(500),
                    2 if index > 0 => job.after(index - 1, 1),
                    _ => job,
                }
            })
            .collect();
        let spec = format!("queue(order={},backfill=conservative)", if sjf { "sjf" } else { "fcfs" });
        let quiet = (Vec::new(), Vec::new());
        let run = |deep_from| run(named(&spec).as_mut(), &jobs, workers, &quiet, 0, deep_from);
        prop_assert_eq!(run(4), run(usize::MAX), "{}", spec);
    }

    #[test]
    fn conservative_keeps_no_reservation_that_others_would_not_get(
        shapes in prop::collection::vec((0u64..60, 1u64..40, 0u32..4, 0u64..60, 0u8..40), 20..90),
        workers in 1usize..7, cancels in prop::collection::vec((0u64..60, 0u32..90), 0..6), deep_from in 0usize..9,
        gpus: bool,
    ) {
        // Most end early, some as expected, some late; they come, end and are cancelled while many wait.
        let shaped = (0u32..).zip(&shapes);
        let jobs: Vec<Job> = shaped
            .map(|(index, &(arrival, run, wide, over, kind))| {
                let job = job(index, arrival, run, 1 << wide).estimate(run + over.saturating_sub(10));
                match kind {
                    0 => job.replicas(2),
                    1..5 => job.gpu([300, 500, 600, 2000][usize::from(kind) - 1]),
                    7.. if gpus => job.gpu([0, 300, 400, 500, 700, 1000][usize::from(kind) % 6]),
                    5 => job.estimate(run.div_ceil(2)),
                    6 if index > 0 => job.after(index - 1, 1),
                    _ => job,
                }
            })
            .collect();
        let cluster: Vec<WorkerSpec> = cluster(3).into_iter().cycle().take(workers).collect();
        let run = |strategy: &mut dyn Scheduler| {
            let config = config(|config| config.deep_from = deep_from);
            let mut driver = Driver::with_config(config, cluster.clone(), &jobs);
            plan_troubles(&mut driver, workers, &[], &cancels);
            (driver.run(strategy), driver.schedule())
        };
        prop_assert_eq!(run(named("conservative").as_mut()), run(&mut PlainConservative));
    }

    #[test]
    fn an_index_changes_no_decision(
        jobs in jobs(40), workers in 1usize..4, troubles in troubles(), order in 0..ORDERS.len(),
        backfill in 0..BACKFILLS.len(), placement in 0usize..3,
    ) {
        let placement = ["first_fit", "random", "worst_fit"][placement];
        let spec =
            format!("queue(order={},backfill={},placement={placement})", ORDERS[order], BACKFILLS[backfill]);
        let run = |deep_from| run(named(&spec).as_mut(), &jobs, workers, &troubles, 0, deep_from);
        prop_assert_eq!(run(2), run(usize::MAX), "{}", spec);
    }
}
