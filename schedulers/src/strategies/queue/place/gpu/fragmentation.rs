//! GPU fragmentation: what a typical task cannot use.

use crate::{ClusterView, ConstraintId, ShapeCount, WorkerView, WorkloadProfile};

/// The typical tasks M of a workload: shapes by (cpu, GPU, conditions on the worker), most frequent first (ties: larger
/// cpu, then GPU, first), up to 95% of the tasks (Weng et al. 2023, "Beware of Fragmentation", section 4).
#[derive(Clone, Debug, Default)]
pub struct TypicalTasks {
    shapes: Vec<ShapeCount>,
    tasks: u64,
}

impl TypicalTasks {
    /// The typical tasks of a profile.
    #[must_use]
    pub fn of(profile: &WorkloadProfile) -> Self {
        let mut shapes = groups(profile);
        let total: u64 = shapes.iter().map(|shape| shape.count).sum();
        let mut seen = 0u64;
        shapes.retain(|shape| {
            let wanted = u128::from(seen) * 100 < u128::from(total) * 95;
            seen += shape.count;
            wanted
        });
        let tasks = shapes.iter().map(|shape| shape.count).sum();
        Self { shapes, tasks }
    }

    /// How many tasks of the profile are typical.
    #[must_use]
    pub const fn tasks(&self) -> u64 {
        self.tasks
    }

    /// F_n(M) of the paper, times [`tasks`](Self::tasks): the milli-GPU left on a worker that a typical task cannot use,
    /// summed over the typical tasks. The worker meets the conditions that `allows` says, and has this cpu left, and this
    /// many milli-GPU on each device.
    ///
    /// A task that does not fit there (cpu, conditions or devices) cannot use any of it, nor can one that needs no GPU;
    /// another cannot use devices that have less left than it needs of each. Memory does not count.
    #[must_use]
    pub fn unusable(&self, allows: impl Fn(ConstraintId) -> bool, cpu_milli: u64, devices: &[u32]) -> u64 {
        let left: u64 = devices.iter().map(|&left| u64::from(left)).sum();
        if left == 0 {
            return 0;
        }
        let of_shape = |shape: &ShapeCount| {
            let gpu = shape.request.gpu;
            let each = gpu.milli_per_device();
            let (mut enough, mut too_little) = (0u32, 0u64);
            for &device in devices {
                enough += u32::from(device >= each);
                too_little += if device < each { u64::from(device) } else { 0 };
            }
            let fits = shape.request.cpu_milli <= cpu_milli
                && enough >= gpu.whole_devices().max(1)
                && allows(shape.constraint);
            shape.count * if gpu.is_none() || !fits { left } else { too_little }
        };
        self.shapes.iter().map(of_shape).sum()
    }

    /// [`unusable`](Self::unusable) on a worker as it is now.
    #[must_use]
    pub fn unusable_on(&self, view: &ClusterView<'_>, worker: &WorkerView<'_>) -> u64 {
        let allows = |constraint| view.allows(constraint, worker.id());
        self.unusable(allows, worker.free_cpu_milli(), worker.free_devices())
    }

    /// The share of the free GPU capacity that a task drawn from the typical ones cannot use, in expectation; 0 if
    /// nothing is free.
    #[must_use]
    pub fn fragmentation(&self, view: &ClusterView<'_>) -> f64 {
        let (unusable, free) = view.workers().fold((0u128, 0u64), |(unusable, free), worker| {
            (unusable + u128::from(self.unusable_on(view, &worker)), free + worker.free_gpu_milli())
        });
        self.share(unusable, free)
    }

    /// Unusable capacity as a share of `free` milli-GPU; 0 if nothing is free.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "the last step of an exact sum")]
    pub fn share(&self, unusable: u128, free: u64) -> f64 {
        let all = u128::from(self.tasks) * u128::from(free);
        if all == 0 { 0.0 } else { unusable as f64 / all as f64 }
    }
}

/// The shapes of a profile by (cpu, GPU, conditions), most frequent first, ties: larger cpu, then GPU, first.
pub(super) fn groups(profile: &WorkloadProfile) -> Vec<ShapeCount> {
    let key = |shape: &ShapeCount| (shape.request.cpu_milli, shape.request.gpu, shape.constraint);
    let mut sorted = profile.shapes.clone();
    sorted.sort_by_key(key);
    let mut groups: Vec<ShapeCount> = Vec::new();
    for shape in sorted {
        match groups.last_mut() {
            Some(last) if key(last) == key(&shape) => last.count += shape.count,
            _ => groups.push(shape),
        }
    }
    groups.sort_by_key(|shape| {
        (std::cmp::Reverse((shape.count, shape.request.cpu_milli, shape.request.gpu)), shape.constraint)
    });
    groups
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{GpuRequest, Request};

    fn shape(cpu_milli: u64, gpu_milli: u64, constraint: u32, count: u64) -> ShapeCount {
        let gpu = GpuRequest::from_milli(gpu_milli).unwrap();
        let request = Request { cpu_milli, gpu, ..Request::default() };
        ShapeCount { request, constraint: ConstraintId(constraint), replicas: 1, count }
    }

    fn typical(shapes: &[ShapeCount]) -> TypicalTasks {
        TypicalTasks::of(&WorkloadProfile { shapes: shapes.to_vec(), tasks: 0 })
    }

    #[test]
    fn typical_tasks_are_the_prefix_that_reaches_95_percent() {
        let mut other_memory = shape(1, 0, 0, 30);
        other_memory.request.memory_mib = 5;
        let all = [shape(1, 0, 0, 60), other_memory, shape(2, 500, 0, 5), shape(3, 500, 0, 5)];
        // 90 with 1 milli-core, whatever the memory; then the larger cpu of two with 5. 95 of 100 is enough.
        let tasks = typical(&all);
        let kept: Vec<(u64, u64)> =
            tasks.shapes.iter().map(|shape| (shape.request.cpu_milli, shape.count)).collect();
        assert_eq!(kept, [(1, 90), (3, 5)]);
        assert_eq!(tasks.tasks(), 95);
        // Of two with as much cpu the larger GPU.
        let tasks = typical(&[shape(1, 0, 0, 90), shape(2, 300, 0, 5), shape(2, 500, 0, 5)]);
        assert_eq!(tasks.shapes[1].request.gpu.milli(), 500);
    }

    #[test]
    fn what_typical_tasks_cannot_use() {
        // Left: 1.0 + 0.6 + 0.3 = 1.9 GPU, 4 cores.
        let (devices, cpu) = ([1000, 600, 300], 4000);
        let unusable = |shape| typical(&[shape]).unusable(|constraint| constraint.0 == 0, cpu, &devices);
        assert_eq!(unusable(shape(1000, 500, 0, 1)), 300, "the device with 0.3");
        assert_eq!(unusable(shape(1000, 1000, 0, 1)), 900, "the two that are not whole");
        assert_eq!(unusable(shape(1000, 2000, 0, 1)), 1900, "there are no two whole ones");
        assert_eq!(unusable(shape(5000, 500, 0, 1)), 1900, "too little cpu");
        assert_eq!(unusable(shape(1000, 500, 1, 1)), 1900, "a worker of another model");
        assert_eq!(unusable(shape(1000, 0, 0, 1)), 1900, "no GPU wanted");
        assert_eq!(unusable(shape(1000, 300, 0, 2)), 0, "every device serves");
        let mixed = typical(&[shape(1000, 500, 0, 3), shape(1000, 0, 0, 2)]);
        assert_eq!(mixed.unusable(|_| true, cpu, &devices), 3 * 300 + 2 * 1900);
        assert_eq!(mixed.unusable(|_| true, cpu, &[0, 0]), 0, "nothing is left");
    }
}
