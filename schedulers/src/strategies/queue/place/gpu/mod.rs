//! Sharing GPUs: rules that know of devices, after Weng et al. 2023, "Beware of Fragmentation: Scheduling GPU-Sharing
//! Workloads with Fragmentation Gradient Descent" (USENIX ATC 2023).
//!
//! - [`fragmentation`]: typical tasks, and the GPU that they cannot use
//! - [`fgd`]: least growth of that; [`rollout`]: least loss over several tasks to come, our own
//! - [`packing`], [`clustering`], [`random`]: the rivals of the paper; the others are vectors of
//!   [`score`](super::score)
//! - [`named`]: the strategies that are made of them

pub mod clustering;
pub mod fgd;
pub mod fragmentation;
pub mod named;
pub mod packing;
pub mod random;
pub mod rollout;

use smallvec::SmallVec;

use crate::{DeviceSet, GpuRequest, choose_devices};

/// Milli-GPU left on each device of a worker.
type Devices = SmallVec<[u32; 8]>;

/// Every way to serve `gpu` from devices of which `free` may be used, that makes a difference: for a fraction each device
/// that suffices, the lowest among those with equally much `left`; for whole devices the lowest free ones. With each, what
/// it leaves of `left`.
fn choices(left: &[u32], free: &[u32], gpu: GpuRequest) -> SmallVec<[(DeviceSet, Devices); 8]> {
    let after = |devices: DeviceSet| {
        let mut after = Devices::from_slice(left);
        for device in devices.iter() {
            let device = &mut after[device as usize];
            *device = device.saturating_sub(gpu.milli_per_device());
        }
        (devices, after)
    };
    if !gpu.is_fraction() {
        return choose_devices(free, gpu).map(after).into_iter().collect();
    }
    let mut seen = Devices::new();
    (0u32..)
        .zip(left.iter().zip(free))
        .filter(|&(_, (left, &free))| {
            let new = free >= gpu.milli() && !seen.contains(left);
            if new {
                seen.push(*left);
            }
            new
        })
        .map(|(device, _)| after(DeviceSet::single(device)))
        .collect()
}
