//! Strategies compared on generated scenarios of several sizes: tasks per second, all metrics on, reading included.
#![allow(missing_docs, reason = "criterion's macros")]
#![allow(clippy::expect_used, reason = "a benchmark may end with a panic")]

mod support;

use std::hint::black_box;

use cloudai_schedulers::Registry;
use cloudai_workloads::generate::Preset;
use criterion::{BenchmarkId, Criterion, SamplingMode, Throughput, criterion_group, criterion_main};
use support::Workload;

/// The plainest of each kind, for sizes at which running every strategy takes too long.
const PLAIN: &[&str] = &["greedy", "fcfs", "first_fit", "best_fit"];

fn strategies(c: &mut Criterion) {
    let registry = Registry::builtin();
    let all: Vec<&str> = registry.iter().map(|info| info.name).collect();
    let sizes: [(Preset, u64, u64, &[&str]); 5] = [
        (Preset::Mixed, 100, 5, &all),
        (Preset::MlTraining, 10_000, 1_000, &all),
        (Preset::Uniform, 10_000, 10_000, &all),
        (Preset::Uniform, 1_000_000, 1_000, PLAIN),
        (Preset::Uniform, 1_000_000, 10_000, PLAIN),
    ];
    for (preset, tasks, workers, names) in sizes {
        let workload = Workload::generate(preset, tasks, workers, 1);
        let mut group = c.benchmark_group(format!("{preset}/{tasks}x{workers}"));
        group.throughput(Throughput::Elements(tasks)).sample_size(10);
        if tasks > 1_000 {
            group.sampling_mode(SamplingMode::Flat);
        }
        for &name in names {
            group.bench_function(BenchmarkId::from_parameter(name), |b| {
                b.iter(|| black_box(workload.run(&registry, name)));
            });
        }
    }
}

criterion_group!(benches, strategies);
criterion_main!(benches);
