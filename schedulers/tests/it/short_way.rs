//! The short way of plain tasks through the core leads where the general one does.

use cloudai_schedulers::GpuRequest;
use proptest::prelude::*;

use crate::deep_queues::{Troubles, cluster, jobs, named, plan_troubles, troubles};
use crate::driver::Driver;
use crate::support::{Job, config, secs};

const STRATEGIES: [&str; 12] = [
    "fcfs",
    "first_fit",
    "best_fit",
    "easy",
    "conservative",
    "greedy",
    "round_robin",
    "balanced",
    "srpt",
    "las",
    "queue(order=sjf,backfill=easy,placement=spread)",
    "queue(order=fair_share,backfill=none,placement=first_fit)",
];

fn run(
    spec: &str,
    jobs: &[Job],
    workers: usize,
    (faults, cancels): &Troubles,
    startup: u64,
    short_way: bool,
) -> (Result<Vec<String>, Vec<u32>>, Vec<String>, u64) {
    let config = config(|config| {
        config.startup_latency = secs(startup);
        config.short_way = short_way;
    });
    let mut driver = Driver::with_config(config, cluster(workers), jobs);
    plan_troubles(&mut driver, workers, faults, cancels);
    (driver.run(named(spec).as_mut()), driver.schedule(), driver.cluster.view().version())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn leads_where_the_general_way_does(
        mut jobs in jobs(40), workers in 1usize..4, troubles in troubles(), quiet: bool, startup in 0u64..2,
        few_are_special in 0usize..4, strategy in 0..STRATEGIES.len(),
    ) {
        // In most runs there is nothing but plain tasks for a while, or altogether.
        let plain = jobs.len() * few_are_special / 3;
        for job in &mut jobs[..plain] {
            (job.spec.replicas, job.spec.request.gpu) = (1, GpuRequest::NONE);
        }
        jobs.iter_mut().filter(|_| few_are_special > 0).for_each(|job| job.after.clear());
        let troubles = if quiet { (Vec::new(), Vec::new()) } else { troubles };
        let run = |short_way| run(STRATEGIES[strategy], &jobs, workers, &troubles, startup, short_way);
        prop_assert_eq!(run(true), run(false), "{}", STRATEGIES[strategy]);
    }
}
