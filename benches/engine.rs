//! The engine's events per second beside the limit: a bare FCFS loop with a heap and nothing else.
//!
//! Events are arrivals and completions: two a task. The tasks are in memory, so reading is left out.
#![allow(missing_docs, reason = "criterion's macros")]
#![allow(clippy::expect_used, reason = "a benchmark may end with a panic")]

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::fmt::Write as _;
use std::hint::black_box;

use cloudai_schedulers::Registry;
use cloudai_sim::Hooks;
use cloudai_sim::observers::metrics::MetricsObserver;
use cloudai_sim::observers::timeline::TimelineObserver;
use cloudai_workloads::{Location, Scenario, Task};
use criterion::{Criterion, SamplingMode, Throughput, criterion_group, criterion_main};

const TASKS: u64 = 200_000;
const SLOTS: usize = 64;

/// One pool of 64 slots at a load of 0.95: run times uniform from 1 to 199 s, gaps between arrivals uniform too. The first
/// task stands last, so the scenario is not sorted and is held in memory.
fn pool() -> Scenario {
    let mut tasks = String::from("task_id,arrival_s,duration_s,cpu_cores,memory_gb,storage_gb\n");
    let mut state = 1u64;
    let mut draw = |below: u64| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % below
    };
    // 100 s x 1 slot a task; one arrives every 100 / 64 / 0.95 s on average.
    let mut arrival_ms = 0;
    for task in 1..TASKS {
        arrival_ms += draw(3290);
        let duration = 1 + draw(199);
        let _ = writeln!(tasks, "t{task},{}.{:03},{duration},1,0,0", arrival_ms / 1000, arrival_ms % 1000);
    }
    tasks.push_str("t0,0,100,1,0,0\n");
    let workers = format!("worker_id,total_cpu,total_memory,total_storage,total_gpu\npool,{SLOTS},0,0,0\n");
    Scenario::check(&Location::text(tasks, workers)).expect("a scenario in order")
}

/// FCFS on slots: sorted arrivals merged with a heap of completions.
fn bare_loop(tasks: &[(u64, u64)]) -> u64 {
    let mut completions: BinaryHeap<Reverse<u64>> = BinaryHeap::with_capacity(SLOTS);
    let mut queue: VecDeque<(u64, u64)> = VecDeque::new();
    let (mut free, mut waited, mut next) = (SLOTS, 0, 0);
    loop {
        let arrival = tasks.get(next).map_or(u64::MAX, |task| task.0);
        let completion = completions.peek().map_or(u64::MAX, |end| end.0);
        let now = arrival.min(completion);
        if now == u64::MAX {
            return waited;
        }
        if completion <= arrival {
            completions.pop();
            free += 1;
        } else {
            queue.push_back(tasks[next]);
            next += 1;
        }
        while free > 0
            && let Some((arrived, run)) = queue.pop_front()
        {
            free -= 1;
            waited += now - arrived;
            completions.push(Reverse(now + run));
        }
    }
}

fn engine(c: &mut Criterion) {
    let scenario = pool();
    let mut tasks = Vec::new();
    let (mut stream, mut task) = (scenario.stream().expect("tasks in memory"), Task::default());
    while stream.next_into(&mut task).expect("tasks in memory") {
        tasks.push((task.spec.arrival.micros(), task.duration.micros()));
    }
    let registry = Registry::builtin();
    let spec = "fcfs".parse().expect("a valid spec");
    let fcfs = || registry.build(&spec).expect("fcfs is registered");
    let (settings, hooks) = (&scenario.settings, Hooks::default());

    let mut group = c.benchmark_group("engine/fcfs-64-slots");
    group.throughput(Throughput::Elements(2 * TASKS)).sample_size(20).sampling_mode(SamplingMode::Flat);
    group.bench_function("limit: bare loop", |b| b.iter(|| black_box(bare_loop(&tasks))));
    group.bench_function("no observer", |b| {
        b.iter(|| {
            cloudai_sim::run(&scenario, settings, "fcfs", fcfs().as_mut(), &mut (), hooks).expect("it ends")
        });
    });
    group.bench_function("all metrics", |b| {
        b.iter(|| {
            let mut metrics = MetricsObserver::new(&scenario, settings);
            cloudai_sim::run(&scenario, settings, "fcfs", fcfs().as_mut(), &mut metrics, hooks)
                .expect("it ends");
            black_box(metrics.metrics("fcfs"))
        });
    });
    group.bench_function("all metrics and timelines", |b| {
        b.iter(|| {
            let timeline = TimelineObserver::new(&scenario.workers, scenario.first_arrival);
            let mut both = (MetricsObserver::new(&scenario, settings), timeline);
            cloudai_sim::run(&scenario, settings, "fcfs", fcfs().as_mut(), &mut both, hooks)
                .expect("it ends");
            black_box(both.0.metrics("fcfs"))
        });
    });
}

criterion_group!(benches, engine);
criterion_main!(benches);
