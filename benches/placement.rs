//! Placement decisions on a cluster that is kept at 80% of its cpu: a task completes, another one starts.
//!
//! `scan` looks at every worker for the same answer, as the baseline of the index.
#![allow(missing_docs, reason = "criterion's macros")]
#![allow(
    clippy::redundant_closure_for_method_calls,
    reason = "the method is not general enough over lifetimes"
)]
#![allow(clippy::expect_used, reason = "a benchmark may end with a panic")]

use std::collections::VecDeque;
use std::hint::black_box;

use cloudai_schedulers::{
    Capabilities, Capacity, Cluster, ClusterConfig, ClusterView, Effect, Event, Indexes, QueueCursor,
    Request, Scheduler, SchedulingContext, TaskId, TaskSpec, WorkerId, WorkerSpec, WorkloadProfile,
};
use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};

/// Starts every queued task on the worker that `find` names.
struct Place(fn(&ClusterView<'_>, TaskId) -> Option<WorkerId>);

impl Scheduler for Place {
    fn supports(&self) -> Capabilities {
        Capabilities::new()
    }

    fn attach(&mut self, _: &ClusterView<'_>, _: &WorkloadProfile) {}

    fn schedule(&mut self, cx: &mut SchedulingContext<'_>) {
        let mut cursor = QueueCursor::default();
        while let Some(task) = cx.next_queued(&mut cursor) {
            if let Some(worker) = (self.0)(&cx.view(), task) {
                cx.assign(task, worker).expect("it fits");
            }
        }
    }
}

fn scan(view: &ClusterView<'_>, task: TaskId) -> Option<WorkerId> {
    let request = view.task(task)?.spec().request;
    let fits = view.workers().filter(|worker| {
        worker.free_cpu_milli() >= request.cpu_milli && worker.free_memory_mib() >= request.memory_mib
    });
    fits.min_by_key(|worker| (worker.free_cpu_milli(), worker.free_memory_mib(), worker.id())).map(|w| w.id())
}

/// A cluster under churn: one task leaves, one comes, both of mixed sizes.
struct Churn {
    cluster: Cluster,
    running: VecDeque<TaskId>,
    effects: Vec<Effect>,
    next: u32,
    state: u64,
}

impl Churn {
    fn new(workers: u32, indexes: Indexes) -> Self {
        let capacity = Capacity { cpu_milli: 16_000, memory_mib: 65_536, storage_mib: 0, gpus: 0 };
        let spec = |index| WorkerSpec { name: format!("w{index}"), capacity, ..WorkerSpec::default() };
        let mut config = ClusterConfig::default();
        config.indexes = indexes;
        let cluster = Cluster::new(config, (0..workers).map(spec).collect()).expect("few GPUs");
        let mut churn = Self { cluster, running: VecDeque::new(), effects: Vec::new(), next: 0, state: 1 };
        let mut fill = Place(|view, task| view.first_fit(task));
        while churn.cluster.held().cpu_milli * 10 < churn.cluster.capacity().cpu_milli * 8 {
            churn.start(&mut fill);
        }
        churn
    }

    fn draw(&mut self, below: u64) -> u64 {
        self.state =
            self.state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.state >> 33) % below
    }

    fn start(&mut self, strategy: &mut Place) {
        let request = Request {
            cpu_milli: 500 * (1 + self.draw(16)),
            memory_mib: 512 * (1 + self.draw(32)),
            ..Request::default()
        };
        let spec = TaskSpec { index: self.next, request, replicas: 1, ..TaskSpec::default() };
        self.next += 1;
        let task = self.cluster.submit(spec);
        self.cluster.pass(strategy);
        self.cluster.notify(strategy);
        self.effects.clear();
        self.cluster.take_effects(&mut self.effects);
        self.running.push_back(task);
    }

    fn step(&mut self, strategy: &mut Place) {
        if let Some(task) = self.running.pop_front() {
            self.cluster.apply(Event::Completed { task, attempt: 1 }).expect("it runs");
        }
        self.cluster.end_instant();
        self.start(strategy);
    }
}

fn placement(c: &mut Criterion) {
    let none = Indexes::default();
    let best = Indexes { best_fit: true, ..none };
    let least = Indexes { committed_work: true, ..none };
    for workers in [1_000, 10_000] {
        let mut group = c.benchmark_group(format!("placement/{workers}"));
        let mut bench = |name, indexes, find: fn(&ClusterView<'_>, TaskId) -> Option<WorkerId>| {
            let mut churn = Churn::new(workers, indexes);
            let mut strategy = Place(find);
            group.bench_function(BenchmarkId::from_parameter(name), |b| {
                b.iter(|| black_box(&mut churn).step(&mut strategy));
            });
        };
        bench("first_fit", none, |view, task| view.first_fit(task));
        bench("best_fit", best, |view, task| view.best_fit(task));
        bench("least_committed", least, |view, task| {
            view.least_committed(task).filter(|&w| view.fits(task, w))
        });
        bench("best_fit by scan", none, scan);
    }
}

criterion_group!(benches, placement);
criterion_main!(benches);
