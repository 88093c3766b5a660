//! Packing GPUs: occupied devices first.

use crate::strategies::queue::place::scored::{Score, on_chosen_devices};
use crate::{ClusterView, DeviceSet, MILLI_PER_GPU, Request, WorkerView};

/// Occupied devices first, then free devices on occupied workers, then empty workers (Weng et al. 2023, section 6.1).
///
/// The scores are those of the paper's artifact: on an occupied device 100 less a tenth of its free percent; if a free
/// device must be taken on an occupied worker, 50 less their number, but at least 33; on a worker whose devices are all
/// free, 33 less their number, but at least 0. Tasks without GPU score 0 everywhere: they go to the lowest index.
///
/// For the artifact an empty worker scores at least the number of its devices, which shows beyond 16 devices only.
#[derive(Clone, Copy, Debug, Default)]
pub struct GpuPacking;

impl Score for GpuPacking {
    fn score(
        &mut self,
        _: &ClusterView<'_>,
        worker: &WorkerView<'_>,
        request: &Request,
        free: &[u32],
    ) -> Option<(f64, DeviceSet)> {
        on_chosen_devices(request, free, |devices| {
            let left = worker.free_devices();
            let free = left.iter().filter(|&&left| left == MILLI_PER_GPU).count();
            let chosen = || devices.iter().map(|device| left[device as usize]);
            let opened = chosen().filter(|&left| left == MILLI_PER_GPU).count();
            let score = if request.gpu.is_none() {
                0
            } else if free == left.len() {
                33usize.saturating_sub(free)
            } else if opened > 0 {
                50usize.saturating_sub(opened).max(33)
            } else {
                let percent: u32 = chosen().map(|left| left * 100 / MILLI_PER_GPU).sum();
                100usize.saturating_sub(percent as usize / 10).max(50)
            };
            u32::try_from(score).map_or(0.0, f64::from)
        })
    }
}
