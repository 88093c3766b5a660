//! Random scenarios, events and decisions, garbage included: nothing panics, nothing is lost, nothing leaks.

use cloudai_schedulers::{Event, Indexes, TaskState, Totals, WorkerId, WorkerState};
use proptest::prelude::*;

use crate::driver::Driver;
use crate::finders;
use crate::reservations::Easy;
use crate::support::{FirstFit, Job, config, job, secs};
use crate::world::{Step, World};

fn steps(most: usize) -> impl Strategy<Value = Vec<Step>> {
    prop::collection::vec((any::<u8>(), any::<u32>(), any::<u32>(), any::<u32>()), most / 3..most)
}

fn workers() -> impl Strategy<Value = Vec<(u32, u32)>> {
    prop::collection::vec((any::<u32>(), any::<u32>()), 0..7)
}

fn edges() -> impl Strategy<Value = Vec<(u32, u32, u32)>> {
    prop::collection::vec((0u32..8, 0u32..7, 0u32..4), 0..4)
}

fn indexes() -> impl Strategy<Value = Indexes> {
    let six = any::<[bool; 6]>();
    six.prop_map(|[best_fit, committed_work, expected_ends, running_tasks, recent_changes, deep_queue]| {
        Indexes { best_fit, committed_work, expected_ends, running_tasks, recent_changes, deep_queue }
    })
}

/// Jobs for a driver: any of them fits the worker of [`a_run`].
pub(crate) fn jobs() -> impl Strategy<Value = Vec<Job>> {
    let one = (0u64..30, 0u64..12, 0u64..4, 0usize..6, 1u32..4, 0u64..9, any::<u16>());
    prop::collection::vec(one, 1..25).prop_map(|shapes| {
        let jobs =
            (0u32..).zip(shapes).map(|(index, (arrival, run, cores, milli, replicas, estimate, after))| {
                let milli = [0, 0, 300, 600, 1000, 2000][milli];
                let replicas = if after % 3 == 0 { replicas } else { 1 };
                let job = job(index, arrival, run, cores).gpu(milli).replicas(replicas).estimate(estimate);
                let from = u32::from(after / 16) % (index + 1);
                if after & 1 == 1 && from < index { job.after(from, u64::from(after / 4 % 4)) } else { job }
            });
        jobs.collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, ..ProptestConfig::default() })]

    #[test]
    fn nothing_breaks_the_core(
        workers in workers(), edges in edges(), indexes in indexes(), steps in steps(200),
    ) {
        let mut world = World::new(&workers, &edges, indexes);
        steps.into_iter().for_each(|step| world.step(step));
        finders::check(&world.cluster);
        world.wind_up();
    }

    #[test]
    fn the_same_happens_twice_and_a_clone_goes_its_own_way(
        workers in workers(), edges in edges(), indexes in indexes(), steps in steps(120), at in 0usize..120,
    ) {
        let at = at.min(steps.len());
        let mut world = World::new(&workers, &edges, indexes);
        steps[..at].iter().for_each(|&step| world.step(step));
        let mut clone = world.clone();
        let before = format!("{:?}", clone.cluster);
        steps[at..].iter().for_each(|&step| world.step(step));
        prop_assert_eq!(format!("{:?}", clone.cluster), before);
        steps[at..].iter().for_each(|&step| clone.step(step));
        let mut again = World::new(&workers, &edges, indexes);
        steps.iter().for_each(|&step| again.step(step));
        prop_assert_eq!(clone.fingerprint(), world.fingerprint());
        prop_assert_eq!(again.fingerprint(), world.fingerprint());
    }

    #[test]
    fn whatever_fits_runs_to_its_end_through_losses_and_cancellations(
        jobs in jobs(),
        faults in prop::collection::vec((0u64..60, 0u32..3, 0usize..3, 1u64..20), 0..6),
        cancels in prop::collection::vec((0u64..60, 0u32..25), 0..4),
        latencies in (0u64..3, 0u64..3),
    ) {
        let a_run = |strategy: &mut dyn cloudai_schedulers::Scheduler| {
            let workers = vec![crate::support::worker(10, 6); 3];
            let mut driver = Driver::with_config(
                config(|config| config.startup_latency = secs(latencies.0)), workers, &jobs,
            );
            driver.stop_latency = secs(latencies.1);
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
            let schedule = driver.run(strategy).map(|schedule| schedule.join("\n"));
            assert_eq!(driver.cluster.held(), Totals::default());
            (schedule, driver.ended)
        };
        let (schedule, ended) = a_run(&mut FirstFit);
        prop_assert!(schedule.is_ok(), "{:?}", schedule);
        prop_assert_eq!(ended.len(), jobs.len());
        prop_assert!(ended.values().all(|state| matches!(state, TaskState::Completed | TaskState::Cancelled)));
        prop_assert_eq!((schedule, ended), a_run(&mut FirstFit));
    }

    #[test]
    fn a_run_under_easy_survives_a_restart(jobs in jobs(), at in 1usize..20) {
        let jobs: Vec<Job> = jobs.into_iter().map(|job| job.gpu(0).replicas(1)).collect();
        let run = |restart: bool| {
            let mut driver = Driver::new(vec![crate::support::worker(5, 0)], &jobs);
            let mut strategy = Easy;
            driver.attach(&mut strategy);
            let mut instant = 0;
            while driver.step(&mut strategy) {
                instant += 1;
                if restart && instant == at {
                    strategy = Easy;
                    driver.attach(&mut strategy);
                }
            }
            (driver.schedule(), driver.ended)
        };
        prop_assert_eq!(run(false), run(true));
    }
}
