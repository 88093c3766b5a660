//! Placement rules that score workers: schedules by hand, and the kept scores against scores worked out anew.

use cloudai_schedulers::strategies::queue::Composed;
use cloudai_schedulers::strategies::queue::backfill::easy::Easy;
use cloudai_schedulers::strategies::queue::backfill::forecast::Forecast;
use cloudai_schedulers::strategies::queue::backfill::{Backfilling, Skipping};
use cloudai_schedulers::strategies::queue::order::Fcfs;
use cloudai_schedulers::strategies::queue::place::gpu::clustering::GpuClustering;
use cloudai_schedulers::strategies::queue::place::gpu::fgd::Fgd;
use cloudai_schedulers::strategies::queue::place::gpu::packing::GpuPacking;
use cloudai_schedulers::strategies::queue::place::gpu::random::GpuRandom;
use cloudai_schedulers::strategies::queue::place::gpu::rollout::GpuRollout;
use cloudai_schedulers::strategies::queue::place::score::{DotProduct, GpuBestFit, Tetris};
use cloudai_schedulers::strategies::queue::place::scored::{Score, Scored};
use cloudai_schedulers::strategies::queue::place::stranding::LeastFragmentation;
use cloudai_schedulers::strategies::queue::place::{Limits, PlacementRule};
use cloudai_schedulers::{
    Cluster, ClusterConfig, ClusterView, Constraint, ConstraintId, Event, Indexes, Placement, Request,
    Scheduler, SchedulingContext, ShapeCount, TaskId, WorkerId, WorkerSpec, WorkerState, WorkloadProfile,
    invariants,
};
use proptest::prelude::*;

use crate::driver::Driver;
use crate::support::{Job, gpu, job, secs, worker};

/// (milli-cores, milli-GPU, how many tasks)
fn profile(shapes: &[(u64, u64, u64)]) -> WorkloadProfile {
    let shape = |&(cpu_milli, milli, count): &(u64, u64, u64)| {
        let request = Request { cpu_milli, gpu: gpu(milli), ..Request::default() };
        ShapeCount { request, constraint: ConstraintId::ANY, replicas: 1, count }
    };
    WorkloadProfile {
        shapes: shapes.iter().map(shape).collect(),
        tasks: shapes.iter().map(|&(_, _, count)| count).sum(),
    }
}

/// Where the rule puts tasks that arrive one after the other and stay: `worker:device,device`, or `-`.
pub(crate) fn places(
    rule: impl PlacementRule + 'static,
    workers: Vec<WorkerSpec>,
    profile: &WorkloadProfile,
    jobs: &[Job],
) -> String {
    let mut strategy = Composed::new(Fcfs::default(), Skipping, rule);
    let mut cluster = Cluster::new(ClusterConfig::default(), workers).unwrap();
    cluster.keep_indexes(strategy.supports().indexes);
    strategy.attach(&cluster.view(), profile);
    let place = |job: &Job| {
        let task = cluster.submit(job.spec);
        cluster.pass(&mut strategy);
        let part = cluster.view().task(task).unwrap().placement().parts().first().copied();
        part.map_or("-".to_owned(), |part| {
            let devices: Vec<String> = part.devices.iter().map(|device| device.to_string()).collect();
            format!("{}:{}", part.worker.0, devices.join(","))
        })
    };
    jobs.iter().map(place).collect::<Vec<_>>().join(" ")
}

/// Jobs that stay, of (milli-cores, milli-GPU).
pub(crate) fn jobs(shapes: &[(u64, u64)]) -> Vec<Job> {
    (0u32..)
        .zip(shapes)
        .map(|(index, &(cpu_milli, milli))| {
            let mut job = job(index, 0, 1000, 0).gpu(milli);
            job.spec.request.cpu_milli = cpu_milli;
            job
        })
        .collect()
}

pub(crate) fn nothing() -> WorkloadProfile {
    WorkloadProfile::default()
}

#[test]
fn dot_product_goes_where_the_product_is_least_in_whole_points() {
    // d = (128/128)(32/128) + (8/8)(1/8) = 0.375, 81 points; (64/128)(32/128) + 1/8 = 0.25, 87; with 63 cores 0.248, 87.
    let workers = vec![worker(128, 8), worker(64, 8), worker(63, 8)];
    // Then the second has 32 cores and 7 devices, d = 0.0625 + 0.109, 91 points, and goes on winning.
    assert_eq!(places(Scored::new(DotProduct), workers, &nothing(), &jobs(&[(32_000, 1000); 2])), "1:0 1:1");
}

#[test]
fn dot_product_counts_what_is_left_before_the_task_starts() {
    // With 64 cores 87.5 points, with 60 cores 87.9: as many whole ones. Less the task itself it would be 90.6 and 91.02.
    let workers = vec![worker(64, 8), worker(60, 8)];
    assert_eq!(places(Scored::new(DotProduct), workers, &nothing(), &jobs(&[(32_000, 1000)])), "0:0");
    // The GPUs count: 8 of 8 devices left against 2.
    let workers = vec![worker(8, 8), worker(8, 2)];
    assert_eq!(places(Scored::new(DotProduct), workers, &nothing(), &jobs(&[(0, 1000)])), "1:0");
}

#[test]
fn gpu_best_fit_leaves_least_of_both_in_whole_points() {
    // Left: 96 cores and 7 devices, (0.75 + 0.875)/2 = 0.8125, 18 points; 32 and 7: 43; 31 and 7: 44; 30 and 7: 44.
    let workers = vec![worker(128, 8), worker(64, 8), worker(63, 8), worker(62, 8)];
    let rule = Scored::new(GpuBestFit);
    assert_eq!(places(rule, workers, &nothing(), &jobs(&[(32_000, 1000)])), "2:0");
    // Of fractions, the device with the least left that suffices.
    let stream = jobs(&[(0, 500), (0, 300), (0, 600), (0, 200)]);
    assert_eq!(places(Scored::new(GpuBestFit), vec![worker(8, 2)], &nothing(), &stream), "0:0 0:0 0:1 0:0");
}

#[test]
fn tetris_aligns_with_what_a_worker_has_most_of() {
    // Shares: half of 10 cores x all free = 0.5; a quarter of 20 x all free = 0.25; memory 1/64 of both.
    let workers = vec![worker(20, 0), worker(10, 0)];
    // Then 5 of 10 are free: 0.5 x 0.5 = 0.25 again, and the lowest index wins; then 0.25 x 0.75.
    let placed = places(Scored::new(Tetris), workers, &nothing(), &jobs(&[(5000, 0); 3]));
    assert_eq!(placed, "1: 0: 1:");
}

#[test]
fn tetris_aligns_memory_and_gpus_too() {
    let mut workers = vec![worker(8, 0), worker(8, 0)];
    workers[1].capacity.memory_mib = 1000;
    let mut stream = jobs(&[(1000, 0)]);
    stream[0].spec.request.memory_mib = 500;
    // Half of the memory against 500 of 65536.
    assert_eq!(places(Scored::new(Tetris), workers, &nothing(), &stream), "1:");
    // Half of the devices against a quarter.
    let workers = vec![worker(8, 4), worker(8, 2)];
    assert_eq!(places(Scored::new(Tetris), workers, &nothing(), &jobs(&[(1000, 1000)])), "1:0");
}

#[test]
fn gpu_packing_takes_occupied_devices_then_occupied_workers_then_empty_ones() {
    let workers = || vec![worker(8, 4), worker(8, 2)];
    let packed =
        |stream: &[(u64, u64)]| places(Scored::new(GpuPacking), workers(), &nothing(), &jobs(stream));
    // Empty: 33 - 4 and 33 - 2, so the smaller worker is opened first. Then its occupied device: 100 - 5.
    assert_eq!(packed(&[(0, 500), (0, 300)]), "1:0 1:0");
    // 0.8 does not fit there: a free device of an occupied worker (49) before an empty worker (29).
    assert_eq!(packed(&[(0, 500), (0, 800), (0, 1000)]), "1:0 1:1 0:0");
    // Of two occupied devices the fuller one: 100 - 2 for 0.2 left, 100 - 7 for 0.7 left.
    assert_eq!(packed(&[(0, 800), (0, 300), (0, 200)]), "1:0 1:1 1:0");
    // Without GPU all are equal.
    assert_eq!(packed(&[(0, 500), (1000, 0)]), "1:0 0:");
    // The fuller one of two workers: 100 - 7 and 100 - 2.
    let two = vec![worker(8, 1), worker(8, 1)];
    let stream = jobs(&[(0, 300), (0, 800), (0, 200)]);
    assert_eq!(places(Scored::new(GpuPacking), two, &nothing(), &stream), "0:0 1:0 1:0");
    // 0.75 and 0.72 left: 100 - 7 both.
    let two = vec![worker(1, 1), worker(1, 1)];
    let stream = jobs(&[(1000, 250), (1000, 280), (0, 100)]);
    assert_eq!(places(Scored::new(GpuPacking), two, &nothing(), &stream), "0:0 1:0 0:0");
}

#[test]
fn gpu_clustering_puts_like_with_like() {
    let workers = vec![worker(8, 4), worker(8, 4), worker(8, 4)];
    // A fraction and a whole device each open a worker: an empty one (25 points and more) comes before one with other
    // classes (0 and more). Like joins like (75), then two classes meet where they must.
    let stream = jobs(&[(0, 500), (0, 1000), (0, 500), (0, 1000), (0, 2000), (0, 4000), (0, 3000)]);
    let placed = places(Scored::new(GpuClustering), workers, &nothing(), &stream);
    assert_eq!(placed, "0:0 1:0 0:0 1:1 2:0,1 - 0:1,2,3");
}

#[test]
fn gpu_clustering_prefers_mixed_workers_with_the_class_to_empty_ones_and_those_to_others() {
    // Only w0 has the cores for the first two, so that it holds a fraction and a whole device.
    let workers = vec![worker(8, 4), worker(1, 4)];
    let stream = jobs(&[(2000, 500), (2000, 1000), (0, 500), (0, 2000), (0, 2000)]);
    // 0.5: 50 + 17 points on w0, 25 + 12 on w1. Two devices: 0 + 18 on w0, 25 + 12 on w1, and then 75 + 18 there.
    let placed = places(Scored::new(GpuClustering), workers, &nothing(), &stream);
    assert_eq!(placed, "0:0 0:1 0:0 1:0,1 1:2,3");
}

#[test]
fn gpu_clustering_prefers_pure_workers_to_mixed_ones_and_fuller_ones_to_emptier() {
    // The first two fit on w0 alone, and take all of its cores; the third fits on w1 alone.
    let workers = vec![worker(4, 4), worker(1, 4)];
    let stream = jobs(&[(2000, 500), (2000, 1000), (1000, 500), (0, 300)]);
    // 0.3: 50 + 17 points on w0, 75 + 14 on w1.
    assert_eq!(places(Scored::new(GpuClustering), workers, &nothing(), &stream), "0:0 0:1 1:0 1:0");
    // Of two empty ones 25 + 12 and 25 + 18: the one with fewer devices left.
    let workers = vec![worker(8, 4), worker(8, 2)];
    assert_eq!(places(Scored::new(GpuClustering), workers, &nothing(), &jobs(&[(0, 1000)])), "1:0");
}

/// Half of the tasks ask for half a device, half for a whole one.
fn halves() -> WorkloadProfile {
    profile(&[(1000, 500, 50), (1000, 1000, 50)])
}

#[test]
fn fgd_goes_where_fragmentation_grows_least() {
    // 0.5 on the whole device: F from 0 to 0.5 x 0.5, as a whole task cannot use the rest. On the half device: back to 0.
    let stream = jobs(&[(1000, 1000), (1000, 500), (1000, 1000), (1000, 500)]);
    let workers = vec![worker(64, 2), worker(64, 2)];
    // Whole: F stays 0 everywhere: lowest index. Half: -0.25 everywhere: lowest index. Whole: on w0 there is none, w1.
    // Half: joins the half (+0.25).
    assert_eq!(places(Scored::new(Fgd::new(false)), workers, &halves(), &stream), "0:0 0:1 1:0 0:1");
}

#[test]
fn fgd_tells_hundredths_apart_and_ties_to_the_lowest_device() {
    // 0.6 are left on w0, 0.3 on w1. Then 0.1: on w0 F falls from 0.6/2 to 0.5/2, sigmoid(0.05) = 0.512; on w1 from 0.3 to
    // 0.2, sigmoid(0.1) = 0.525.
    let stream = jobs(&[(1000, 400), (1000, 700), (1000, 100)]);
    for quantize in [false, true] {
        let workers = vec![worker(64, 1), worker(64, 1)];
        assert_eq!(places(Scored::new(Fgd::new(quantize)), workers, &halves(), &stream), "0:0 1:0 1:0");
        // Nobody needs a GPU: any device is as good.
        let (stream, profile) = (jobs(&[(0, 500), (0, 300)]), profile(&[(1000, 0, 1)]));
        let rule = Scored::new(Fgd::new(quantize));
        assert_eq!(places(rule, vec![worker(8, 2)], &profile, &stream), "0:0 0:0");
    }
}

#[test]
fn fgd_counts_cpu_that_is_missing() {
    // Two cores are left on w0 besides one device: one more core taken, and no typical task fits: F + 1 device.
    let profile = profile(&[(2000, 1000, 1)]);
    let workers = || vec![worker(2, 1), worker(4, 1)];
    let placed = |quantize| {
        places(
            Scored::new(Fgd::new(quantize)),
            workers(),
            &profile,
            &jobs(&[(1000, 0), (1000, 0), (1000, 0)]),
        )
    };
    // w1 may lose two cores without harm; the third costs the same on both: sigmoid(-1) = 0.27, the lowest index wins.
    assert_eq!(placed(false), "1: 1: 0:");
    assert_eq!(placed(true), "1: 1: 0:");
}

#[test]
fn quantized_scores_tie_and_the_lowest_index_wins() {
    // 0.48 and 0.7 leave 0.52 on w0 and 0.3 on w1. Then 0.02: on w0 F falls from 0.52/2 to 0.5/2, sigmoid(0.01) = 0.5025;
    // on w1 from 0.3 to 0.28, sigmoid(0.02) = 0.505. Both are 50 points.
    let stream = jobs(&[(1000, 480), (1000, 700), (1000, 20)]);
    let placed = |quantize| {
        places(Scored::new(Fgd::new(quantize)), vec![worker(64, 1), worker(64, 1)], &halves(), &stream)
    };
    assert_eq!(placed(false), "0:0 1:0 1:0");
    assert_eq!(placed(true), "0:0 1:0 0:0");
    // Cut off, not rounded: sigmoid(0.015) = 0.5037, sigmoid(0.03) = 0.5075.
    let stream = jobs(&[(1000, 470), (1000, 700), (1000, 30)]);
    let workers = vec![worker(64, 1), worker(64, 1)];
    assert_eq!(places(Scored::new(Fgd::new(true)), workers, &halves(), &stream), "0:0 1:0 0:0");
}

#[test]
fn a_rollout_sees_what_several_tasks_need_together() {
    // One shape: 4 cores and a device. Four cores of w0 (8 cores, 2 devices) are worth a device; w1 has four to spare.
    let shape = profile(&[(4000, 1000, 10)]);
    let workers = || vec![worker(8, 2), worker(12, 2)];
    let stream = jobs(&[(4000, 0), (4000, 1000), (4000, 1000), (4000, 1000), (4000, 1000)]);
    assert_eq!(
        places(Scored::new(GpuRollout::default()), workers(), &shape, &stream),
        "1: 0:0 0:1 1:0 1:1",
        "all four devices are used"
    );
    // The next task alone would fit on both all the same, so that fgd sees no difference.
    assert_eq!(places(Scored::new(Fgd::new(false)), workers(), &shape, &stream), "0: 1:0 1:1 0:0 -");
}

#[test]
fn a_rollout_fills_what_others_cannot_use() {
    // Only whole devices are asked for. 0.95 goes to w1, which alone has the core. Then 0.05 costs 1 - 0.05 on the whole
    // device of w0, and nothing on what is left on w1.
    let shape = profile(&[(0, 1000, 1)]);
    let stream = jobs(&[(1000, 950), (0, 50), (0, 50)]);
    let placed =
        places(Scored::new(GpuRollout::default()), vec![worker(0, 1), worker(1, 1)], &shape, &stream);
    assert_eq!(placed, "1:0 1:0 0:0");
}

#[test]
fn least_fragmentation_leaves_whole_copies() {
    // The one shape: 4 cores. On w0, 2 of 8 cores taken leave one copy and 2/8 stranded (0 before); on w1, 2 of 6 taken
    // strand nothing (2/6 before).
    let shape = profile(&[(4000, 0, 1)]);
    let workers = || vec![worker(8, 0), worker(6, 0)];
    let rule = Scored::new(LeastFragmentation::default());
    assert_eq!(
        places(rule, workers(), &shape, &jobs(&[(2000, 0), (4000, 0), (4000, 0), (4000, 0)])),
        "1: 0: 0: 1:"
    );
}

#[test]
fn gpu_random_tries_every_worker_and_device() {
    let mut seen = std::collections::BTreeSet::new();
    for seed in 0..40 {
        let mut strategy = Composed::new(Fcfs::default(), Skipping, GpuRandom);
        let config = crate::support::config(|config| config.seed = seed);
        let mut cluster = Cluster::new(config, vec![worker(8, 2), worker(8, 0), worker(8, 1)]).unwrap();
        strategy.attach(&cluster.view(), &nothing());
        let task = cluster.submit(jobs(&[(1000, 300)])[0].spec);
        cluster.pass(&mut strategy);
        let part = cluster.view().task(task).unwrap().placement().parts()[0];
        seen.insert((part.worker.0, part.devices.0));
    }
    assert_eq!(seen.into_iter().collect::<Vec<_>>(), [(0, 0b01), (0, 0b10), (2, 0b01)]);
}

/// A rule whose every choice is compared with that of scores worked out anew.
struct Checked<S> {
    rule: Scored<S>,
    fresh: fn() -> S,
    profile: WorkloadProfile,
}

impl<S: Score> Checked<S> {
    /// Every worker that the task fits on, the best first, by a new score.
    fn in_order(
        &self,
        view: &ClusterView<'_>,
        task: TaskId,
        limits: &Limits<'_>,
    ) -> Vec<(WorkerId, Placement)> {
        let mut score = (self.fresh)();
        score.attach(view, &self.profile);
        let request = view.task(task).unwrap().spec().request;
        let mut all: Vec<(f64, WorkerId, Placement)> = Vec::new();
        for worker in view.workers().filter(|worker| view.fits(task, worker.id())) {
            let Some(free) = limits.devices_on(view, task, worker.id()) else { continue };
            let Some((score, devices)) = score.score(view, &worker, &request, free) else { continue };
            all.push((score, worker.id(), Placement::single(worker.id(), devices)));
        }
        all.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
        all.into_iter().map(|(_, worker, placement)| (worker, placement)).collect()
    }
}

impl<S: Score> PlacementRule for Checked<S> {
    fn indexes(&self) -> Indexes {
        self.rule.indexes()
    }

    fn attach(&mut self, view: &ClusterView<'_>, _: &WorkloadProfile) {
        self.rule.attach(view, &self.profile);
    }

    fn choose(
        &mut self,
        cx: &mut SchedulingContext<'_>,
        task: TaskId,
        limits: Limits<'_>,
    ) -> Option<Placement> {
        let chosen = self.rule.choose(cx, task, limits);
        let view = cx.view();
        if view.task(task).unwrap().spec().replicas == 1 {
            let expected = self.in_order(&view, task, &limits).into_iter().next();
            assert_eq!(chosen, expected.map(|(_, placement)| placement), "{task}");
        }
        chosen
    }
}

fn stream() -> impl Strategy<Value = Vec<Job>> {
    let one = (0u64..40, 0u64..12, 0u64..5, 0usize..7, 1u32..8, 0u64..9, any::<u16>());
    prop::collection::vec(one, 1..30).prop_map(|shapes| {
        (0u32..)
            .zip(shapes)
            .map(|(index, (arrival, run, cores, milli, replicas, estimate, bits))| {
                let milli = [0, 0, 300, 450, 600, 1000, 2000][milli];
                let replicas = if replicas > 3 { 1 } else { replicas };
                let mut job =
                    job(index, arrival, run, cores).gpu(milli).replicas(replicas).estimate(estimate);
                if bits & 7 == 0 {
                    job.constraint = Constraint {
                        gpu_models: ["A".to_owned()].into_iter().collect(),
                        ..Constraint::default()
                    };
                }
                let from = u32::from(bits / 16) % (index + 1);
                if bits & 8 == 8 && from < index { job.after(from, u64::from(bits / 4 % 4)) } else { job }
            })
            .collect()
    })
}

fn check<S: Score + 'static>(
    fresh: fn() -> S,
    backfill: impl Backfilling + 'static,
    jobs: &[Job],
    faults: &[(u64, u32, usize, u64)],
) {
    let mut workers = vec![worker(10, 6), worker(6, 2), worker(12, 3), worker(8, 0)];
    workers[0].gpu_model = Some("A".to_owned());
    workers[2].gpu_model = Some("A".to_owned());
    let mut driver = Driver::new(workers, jobs);
    driver.startup = secs(1);
    for &(at, worker, state, length) in faults {
        let states = [WorkerState::Draining, WorkerState::Unreachable, WorkerState::Lost];
        let worker = WorkerId(worker);
        driver.at(at, Event::WorkerChanged { worker, state: states[state] });
        driver.at(at + length, Event::WorkerChanged { worker, state: WorkerState::Active });
    }
    for worker in (0..4).map(WorkerId) {
        driver.at(200, Event::WorkerChanged { worker, state: WorkerState::Active });
    }
    let any = profile(&[(2000, 300, 4), (1000, 1000, 3), (4000, 0, 2), (3000, 2000, 1), (1000, 450, 2)]);
    let rule = Checked { rule: Scored::new(fresh()), fresh, profile: any };
    let left = driver.run(&mut Composed::new(Fcfs::default(), backfill, rule));
    assert!(left.is_ok(), "{left:?}");
    assert_eq!(invariants::check(&driver.cluster), Ok(()));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, ..ProptestConfig::default() })]

    #[test]
    fn kept_scores_are_those_worked_out_anew(
        jobs in stream(),
        faults in prop::collection::vec((0u64..60, 0u32..4, 0usize..3, 1u64..20), 0..6),
    ) {
        check(|| DotProduct, Skipping, &jobs, &faults);
        check(|| GpuClustering, Skipping, &jobs, &faults);
        check(|| GpuPacking, Skipping, &jobs, &faults);
        check(|| Fgd::new(false), Skipping, &jobs, &faults);
        check(|| Fgd::new(true), Easy::new(Forecast::Estimates), &jobs, &faults);
        check(|| GpuRollout::new(4, 3, 100), Skipping, &jobs, &faults);
        check(|| GpuRollout::new(4, 3, 100), Easy::new(Forecast::Estimates), &jobs, &faults);
        check(LeastFragmentation::default, Easy::new(Forecast::Estimates), &jobs, &faults);
    }
}
