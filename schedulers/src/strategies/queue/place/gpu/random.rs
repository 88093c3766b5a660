//! Random workers and devices.

use rand::seq::{IndexedRandom, SliceRandom};

use crate::strategies::queue::place::{Limits, PlacementRule};
use crate::{DeviceSet, Placement, SchedulingContext, TaskId, WorkerId, choose_devices};

/// A worker drawn evenly from those that the task fits on, and for a fraction a device drawn evenly from those that
/// suffice there (Weng et al. 2023, section 6.1). Whole devices are the lowest free ones. A gang fills workers in random
/// order, on devices by the stated rule.
#[derive(Clone, Copy, Debug, Default)]
pub struct GpuRandom;

impl PlacementRule for GpuRandom {
    fn listens(&self) -> bool {
        false
    }

    fn choose(
        &mut self,
        cx: &mut SchedulingContext<'_>,
        task: TaskId,
        limits: Limits<'_>,
    ) -> Option<Placement> {
        let mut order: Vec<WorkerId> = cx.view().feasible(task).collect();
        order.shuffle(cx.rng());
        let view = cx.view();
        let spec = view.task(task)?.spec();
        if spec.replicas > 1 || !spec.request.gpu.is_fraction() {
            return limits.place_in_order(&view, task, order);
        }
        let gpu = spec.request.gpu;
        let (worker, suffice) = order.into_iter().find_map(|worker| {
            let free = limits.devices_on(&view, task, worker)?;
            choose_devices(free, gpu)?;
            let suffice: Vec<u32> = (0u32..)
                .zip(free)
                .filter(|&(_, &left)| left >= gpu.milli())
                .map(|(device, _)| device)
                .collect();
            Some((worker, suffice))
        })?;
        let device = *suffice.choose(cx.rng())?;
        Some(Placement::single(worker, DeviceSet::single(device)))
    }
}
