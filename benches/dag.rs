//! Task graphs: how the cost of planning and following a plan grows with the tasks, all metrics on, reading included.
#![allow(missing_docs, reason = "criterion's macros")]
#![allow(clippy::expect_used, reason = "a benchmark may end with a panic")]

mod support;

use std::fmt::Write as _;
use std::hint::black_box;

use cloudai_schedulers::Registry;
use cloudai_workloads::generate::Preset;
use cloudai_workloads::{Location, Scenario};
use criterion::{BenchmarkId, Criterion, SamplingMode, Throughput, criterion_group, criterion_main};
use support::Workload;

/// Tasks in layers of 1,000 on workers that run one task at a time; each waits for three of the layer before it, with
/// transfers. The numbers come from a fixed linear congruential generator.
fn layered(tasks: u64, workers: u64) -> Scenario {
    const LAYER: u64 = 1000;
    let mut state = 7u64;
    let mut below = |limit: u64| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % limit
    };
    let mut files = [
        "worker_id,total_cpu,total_memory,total_storage,total_gpu,speed\n".to_owned(),
        "task_id,arrival_s,duration_s,memory_gb,storage_gb,estimate_s\n".to_owned(),
        "from_task,to_task,transfer_s\n".to_owned(),
    ];
    for worker in 0..workers {
        let _ = writeln!(files[0], "w{worker},1,0,0,0,{}", ["0.5", "1", "1.5", "2"][below(4) as usize]);
    }
    for task in 0..tasks {
        let run = 1 + below(100);
        let _ = writeln!(files[1], "t{task},0,{run},0,0,{run}");
        if let Some(layer) = (task / LAYER).checked_sub(1) {
            let first = below(LAYER);
            for step in 0..3 {
                let from = layer * LAYER + (first + 331 * step) % LAYER;
                let _ = writeln!(files[2], "t{from},t{task},{}", below(50));
            }
        }
    }
    let [workers, tasks, edges] = files;
    let location =
        Location::Text { tasks, workers, edges: Some(edges), durations: None, faults: None, settings: None };
    Scenario::check(&location).expect("a scenario in order")
}

fn dag(c: &mut Criterion) {
    let registry = Registry::builtin();
    for tasks in [1_000, 10_000, 100_000] {
        let workloads = [
            ("layered", Workload::of(layered(tasks, 80))),
            ("dag_pipelines", Workload::generate(Preset::DagPipelines, tasks, 80, 1)),
        ];
        for (name, workload) in workloads {
            let mut group = c.benchmark_group(format!("{name}/{tasks}x80"));
            group.throughput(Throughput::Elements(tasks)).sample_size(10).sampling_mode(SamplingMode::Flat);
            for strategy in ["heft", "cpop", "peft", "fcfs"] {
                group.bench_function(BenchmarkId::from_parameter(strategy), |b| {
                    b.iter(|| black_box(workload.run(&registry, strategy)));
                });
            }
        }
    }
}

criterion_group!(benches, dag);
criterion_main!(benches);
