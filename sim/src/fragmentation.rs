//! GPU fragmentation: what a typical task cannot use.

use cloudai_schedulers::{ClusterView, Request, ShapeCount, WorkerView, WorkloadProfile};

/// The typical tasks of a workload and their shares: shapes by (cpu, GPU, models), most frequent first (ties: larger
/// cpu, then GPU, first), up to 95% of the tasks (Weng et al. 2023, "Beware of Fragmentation", section 4).
#[derive(Clone, Debug, Default)]
pub struct TypicalTasks {
    shapes: Vec<(ShapeCount, f64)>,
}

impl TypicalTasks {
    /// The typical tasks of a profile.
    #[must_use]
    pub fn of(profile: &WorkloadProfile) -> Self {
        let key = |shape: &ShapeCount| (shape.request.cpu_milli, shape.request.gpu, shape.constraint);
        let mut groups: Vec<ShapeCount> = Vec::new();
        let mut sorted = profile.shapes.clone();
        sorted.sort_by_key(key);
        for shape in sorted {
            match groups.last_mut() {
                Some(last) if key(last) == key(&shape) => last.count += shape.count,
                _ => groups.push(shape),
            }
        }
        groups.sort_by_key(|shape| {
            (std::cmp::Reverse((shape.count, shape.request.cpu_milli, shape.request.gpu)), shape.constraint)
        });
        let (mut seen, total) = (0u64, groups.iter().map(|shape| shape.count).sum::<u64>());
        let enough = |seen: u64| u128::from(seen) * 100 >= u128::from(total) * 95;
        groups.retain(|shape| {
            let wanted = !enough(seen);
            seen += shape.count;
            wanted
        });
        let kept: u64 = groups.iter().map(|shape| shape.count).sum();
        #[expect(clippy::cast_precision_loss, reason = "a share")]
        let shapes = groups.into_iter().map(|shape| (shape, shape.count as f64 / kept as f64)).collect();
        Self { shapes }
    }

    /// The share of the free GPU capacity that a task drawn from the typical ones cannot use, in expectation; 0 if
    /// nothing is free.
    #[must_use]
    pub fn fragmentation(&self, view: &ClusterView<'_>) -> f64 {
        let (mut unusable, mut free) = (0.0, 0.0);
        for worker in view.workers() {
            let left = float(worker.free_gpu_milli());
            free += left;
            if left > 0.0 {
                unusable += self
                    .shapes
                    .iter()
                    .map(|(shape, share)| share * cannot_use(view, &worker, shape))
                    .sum::<f64>();
            }
        }
        if free > 0.0 { unusable / free } else { 0.0 }
    }
}

/// Milli-GPU left on `worker` that a task of this shape cannot use.
fn cannot_use(view: &ClusterView<'_>, worker: &WorkerView<'_>, shape: &ShapeCount) -> f64 {
    let request: &Request = &shape.request;
    let devices = worker.free_devices();
    let each = request.gpu.milli_per_device();
    let enough = u32::try_from(devices.iter().filter(|&&left| left >= each).count()).unwrap_or(u32::MAX);
    let needed = request.gpu.whole_devices().max(1);
    let fits = request.cpu_milli <= worker.free_cpu_milli() && view.allows(shape.constraint, worker.id());
    if request.gpu.is_none() || !fits || enough < needed {
        return float(worker.free_gpu_milli());
    }
    devices.iter().filter(|&&left| left < each).map(|&left| f64::from(left)).sum()
}

#[expect(clippy::cast_precision_loss, reason = "a share")]
fn float(milli: u64) -> f64 {
    milli as f64
}
