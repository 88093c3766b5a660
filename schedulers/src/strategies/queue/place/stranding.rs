//! Least fragmentation over all resources.

use super::sample::systematic;
use super::scored::{Score, on_chosen_devices};
use crate::{
    Capacity, ClusterView, ConstraintId, DeviceSet, MILLI_PER_GPU, Request, ShapeCount, WorkerView,
    WorkloadProfile,
};

/// How many tasks stand for the workload.
const TASKS: u64 = 64;

/// Where the resources that tasks of the workload cannot use grow least: fragmentation gradient descent (Weng et al. 2023)
/// carried over to cpu and memory, for clusters with or without GPUs.
///
/// 64 tasks stand for the workload: a systematic sample of the profile, in order of what they ask for. What one of them
/// strands on a worker is what is left there once as many copies of it as fit are placed (everything if none fits), as a
/// share of the worker, summed over those of cpu, memory and GPU that it asks for. The score is the mean of that over
/// the tasks before, less that after. Storage filters and is not scored. Devices are chosen by the stated rule
/// ([`choose_devices`](crate::choose_devices)).
#[derive(Clone, Debug, Default)]
pub struct LeastFragmentation {
    tasks: Vec<(Request, ConstraintId)>,
}

/// What is left on a worker.
#[derive(Clone, Debug)]
struct Left {
    cpu_milli: u64,
    memory_mib: u64,
    devices: Vec<u32>,
}

impl Left {
    /// How many copies of `request` fit.
    fn copies(&self, request: &Request) -> u64 {
        let times = |left: u64, need: u64| left.checked_div(need).unwrap_or(u64::MAX);
        let gpu = request.gpu;
        let on_devices = if gpu.is_none() {
            u64::MAX
        } else if gpu.is_fraction() {
            self.devices.iter().map(|left| u64::from(left / gpu.milli())).sum()
        } else {
            let whole = self.devices.iter().filter(|&&left| left == MILLI_PER_GPU).count() as u64;
            whole / u64::from(gpu.whole_devices())
        };
        times(self.cpu_milli, request.cpu_milli)
            .min(times(self.memory_mib, request.memory_mib))
            .min(on_devices)
    }

    /// What copies of `request` cannot use, in billionths of `capacity`, summed over what it asks for.
    fn stranded(&self, request: &Request, allowed: bool, capacity: &Capacity) -> u64 {
        let copies = if allowed { self.copies(request) } else { 0 };
        let share = |left: u64, need: u64, all: u64| {
            if need == 0 || all == 0 {
                return 0;
            }
            let beyond = left - copies * need;
            u64::try_from(u128::from(beyond) * 1_000_000_000 / u128::from(all)).unwrap_or(u64::MAX)
        };
        let gpu_left = self.devices.iter().map(|&left| u64::from(left)).sum();
        share(self.cpu_milli, request.cpu_milli, capacity.cpu_milli)
            + share(self.memory_mib, request.memory_mib, capacity.memory_mib)
            + share(gpu_left, u64::from(request.gpu.milli()), capacity.gpu_milli())
    }
}

impl LeastFragmentation {
    /// The sum over the tasks that stand for the workload.
    fn stranded(&self, view: &ClusterView<'_>, worker: &WorkerView<'_>, left: &Left) -> u64 {
        let capacity = &worker.spec().capacity;
        let of = |&(request, constraint): &(Request, ConstraintId)| {
            left.stranded(&request, view.allows(constraint, worker.id()), capacity)
        };
        self.tasks.iter().map(of).sum()
    }
}

impl Score for LeastFragmentation {
    fn uses_profile(&self) -> bool {
        true
    }

    fn attach(&mut self, _: &ClusterView<'_>, profile: &WorkloadProfile) {
        let mut shapes = profile.shapes.clone();
        shapes.sort_by_key(|shape: &ShapeCount| (shape.request, shape.constraint));
        let counts: Vec<u64> = shapes.iter().map(|shape| shape.count).collect();
        let sample = systematic(&counts, TASKS).into_iter();
        self.tasks = sample.map(|at| (shapes[at].request, shapes[at].constraint)).collect();
    }

    fn score(
        &mut self,
        view: &ClusterView<'_>,
        worker: &WorkerView<'_>,
        request: &Request,
        free: &[u32],
    ) -> Option<(f64, DeviceSet)> {
        on_chosen_devices(request, free, |devices| {
            let mut left = Left {
                cpu_milli: worker.free_cpu_milli(),
                memory_mib: worker.free_memory_mib(),
                devices: worker.free_devices().to_vec(),
            };
            let before = self.stranded(view, worker, &left);
            left.cpu_milli -= request.cpu_milli;
            left.memory_mib -= request.memory_mib;
            for device in devices.iter() {
                left.devices[device as usize] -= request.gpu.milli_per_device();
            }
            float(before) - float(self.stranded(view, worker, &left))
        })
    }
}

#[expect(clippy::cast_precision_loss, reason = "a score: sums are below 2^53")]
fn float(billionths: u64) -> f64 {
    billionths as f64
}
