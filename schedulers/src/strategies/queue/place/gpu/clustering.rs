//! Clustering GPU tasks by what they ask for.

use smallvec::SmallVec;

use crate::strategies::queue::place::scored::{Score, on_chosen_devices};
use crate::{ClusterView, DeviceSet, GpuRequest, Request, WorkerView};

/// Like with like (Xiao et al. 2018, Gandiva; as compared with in Weng et al. 2023, section 6.1): workers that hold only
/// tasks of the same GPU class first, then those that also hold some, then those without GPU tasks, then the rest.
///
/// The classes are: a fraction; one device; two devices; and so on. Within each of the four, fuller workers come first, in
/// the steps of the paper's artifact: int(25 (8 - devices left) / 8) points. Tasks without GPU score 0 everywhere: they
/// go to the lowest index.
#[derive(Clone, Copy, Debug, Default)]
pub struct GpuClustering;

impl Score for GpuClustering {
    fn asks_what_runs(&self) -> bool {
        true
    }

    fn score(
        &mut self,
        view: &ClusterView<'_>,
        worker: &WorkerView<'_>,
        request: &Request,
        free: &[u32],
    ) -> Option<(f64, DeviceSet)> {
        on_chosen_devices(request, free, |_| {
            let Some(wanted) = class(request.gpu) else { return 0.0 };
            let mut held: SmallVec<[u32; 4]> = SmallVec::new();
            for (_, task) in worker.running() {
                let class = view.task(task).and_then(|task| class(task.spec().request.gpu));
                if let Some(class) = class.filter(|class| !held.contains(class)) {
                    held.push(class);
                }
            }
            let points: u32 = match (held.contains(&wanted), held.len()) {
                (true, 1) => 75,
                (true, _) => 50,
                (false, 0) => 25,
                (false, _) => 0,
            };
            let full = 8000u64.saturating_sub(worker.free_gpu_milli());
            f64::from(points + u32::try_from(25 * full / 8000).unwrap_or(0))
        })
    }
}

/// The class of a GPU request: 0 for a fraction, else the number of devices; `None` without GPU.
fn class(gpu: GpuRequest) -> Option<u32> {
    (!gpu.is_none()).then(|| gpu.whole_devices())
}
