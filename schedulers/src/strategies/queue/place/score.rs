//! Scores that read the vectors of what a task asks for and what a worker has: dot products, best fit, fragmentation.

use super::scored::{Score, on_chosen_devices};
use crate::{ClusterView, DeviceSet, Request, WorkerView};

/// The largest worker of the cluster that the published figures are from: 128 cores and 8 GPU devices.
const MOST_CPU_MILLI: f64 = 128_000.0;
const MOST_GPU_MILLI: f64 = 8_000.0;

/// (cpu, GPU) as shares of the largest worker.
#[expect(clippy::cast_precision_loss, reason = "amounts below 2^53")]
fn of_largest(cpu_milli: u64, gpu_milli: u64) -> (f64, f64) {
    (cpu_milli as f64 / MOST_CPU_MILLI, gpu_milli as f64 / MOST_GPU_MILLI)
}

/// Where what is left and what is asked for have the smallest dot product (Grandl et al. 2014 turned round, as in the
/// comparison of Weng et al. 2023, "Beware of Fragmentation", section 6.1).
///
/// With d = (cpu left / 128 cores)(cpu / 128 cores) + (GPU left / 8)(GPU / 8), before the task starts, the score is
/// int(100 (1 - d/2)). Memory is not scored. A fraction takes the device with the least left that suffices.
#[derive(Clone, Copy, Debug, Default)]
pub struct DotProduct;

impl Score for DotProduct {
    fn score(
        &mut self,
        _: &ClusterView<'_>,
        worker: &WorkerView<'_>,
        request: &Request,
        free: &[u32],
    ) -> Option<(f64, DeviceSet)> {
        on_chosen_devices(request, free, |_| {
            let (cpu_left, gpu_left) = of_largest(worker.free_cpu_milli(), worker.free_gpu_milli());
            let (cpu, gpu) = of_largest(request.cpu_milli, u64::from(request.gpu.milli()));
            let product = cpu_left * cpu + gpu_left * gpu;
            (100.0 * (1.0 - product / 2.0)).trunc()
        })
    }
}

/// Where the least cpu and GPU is left together (Weng et al. 2023, section 6.1).
///
/// The score is int(100 (1 - (cpu left / 128 cores + GPU left / 8) / 2)), with what is left once the task has started.
/// The paper's artifact then stretches the scores over the feasible workers to 0..100 in integers; as they span at most
/// 100, that keeps their order and makes no new ties, and is left out. Memory is not scored. A fraction takes the device
/// with the least left that suffices.
#[derive(Clone, Copy, Debug, Default)]
pub struct GpuBestFit;

impl Score for GpuBestFit {
    fn score(
        &mut self,
        _: &ClusterView<'_>,
        worker: &WorkerView<'_>,
        request: &Request,
        free: &[u32],
    ) -> Option<(f64, DeviceSet)> {
        on_chosen_devices(request, free, |_| {
            let cpu_left = worker.free_cpu_milli() - request.cpu_milli;
            let gpu_left = worker.free_gpu_milli() - u64::from(request.gpu.milli());
            let (cpu, gpu) = of_largest(cpu_left, gpu_left);
            ((1.0 - (cpu * 0.5 + gpu * 0.5)) * 100.0).trunc()
        })
    }
}

/// Tetris' alignment: where the dot product of what is asked for and what is left, both as shares of the worker, is
/// largest (Grandl et al. 2014, Multi-Resource Packing for Cluster Schedulers, section 3.2).
///
/// The dimensions are cpu, memory and GPU; Tetris has disk and network bandwidth as well, which are not modelled.
#[derive(Clone, Copy, Debug, Default)]
pub struct Tetris;

impl Score for Tetris {
    fn score(
        &mut self,
        _: &ClusterView<'_>,
        worker: &WorkerView<'_>,
        request: &Request,
        free: &[u32],
    ) -> Option<(f64, DeviceSet)> {
        on_chosen_devices(request, free, |_| {
            let capacity = worker.spec().capacity;
            let aligned = |asked: u64, left: u64, all: u64| {
                let share = |amount: u64| if all == 0 { 0.0 } else { float(amount) / float(all) };
                share(asked) * share(left)
            };
            aligned(request.cpu_milli, worker.free_cpu_milli(), capacity.cpu_milli)
                + aligned(request.memory_mib, worker.free_memory_mib(), capacity.memory_mib)
                + aligned(u64::from(request.gpu.milli()), worker.free_gpu_milli(), capacity.gpu_milli())
        })
    }
}

#[expect(clippy::cast_precision_loss, reason = "amounts below 2^53")]
fn float(amount: u64) -> f64 {
    amount as f64
}
