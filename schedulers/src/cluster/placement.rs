//! Where a task runs: workers, GPU devices, replicas.

use serde::{Deserialize, Serialize};

use crate::model::{GpuRequest, WorkerId};

/// A set of GPU devices of one worker: bit `i` stands for device `i`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct DeviceSet(pub u64);

impl DeviceSet {
    /// No device.
    pub const EMPTY: Self = Self(0);

    /// The set of one device; of none if `device` is not below
    /// [`MAX_GPUS_PER_WORKER`](crate::model::MAX_GPUS_PER_WORKER).
    #[must_use]
    pub const fn single(device: u32) -> Self {
        match 1u64.checked_shl(device) {
            Some(bit) => Self(bit),
            None => Self::EMPTY,
        }
    }

    /// Adds a device, if it is one that a worker can have.
    pub const fn insert(&mut self, device: u32) {
        self.0 |= Self::single(device).0;
    }

    /// How many devices are in the set.
    #[must_use]
    pub const fn len(self) -> u32 {
        self.0.count_ones()
    }

    /// True if no device is in the set.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The devices, ascending.
    #[inline]
    pub fn iter(self) -> impl Iterator<Item = u32> {
        let mut rest = self.0;
        std::iter::from_fn(move || {
            (rest != 0).then(|| {
                let device = rest.trailing_zeros();
                rest &= rest - 1;
                device
            })
        })
    }
}

/// Replicas of a task on one worker, on the same devices.
///
/// Of a fraction, `replicas` share the one device of the set; of whole devices, the set holds
/// `replicas` times as many as one replica asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Part {
    /// The worker.
    pub worker: WorkerId,
    /// How many replicas run there; 1 for a plain task.
    pub replicas: u32,
    /// The GPU devices that they hold.
    pub devices: DeviceSet,
}

impl Part {
    /// The one part of a plain task without GPU.
    pub(crate) const fn plain(worker: WorkerId) -> Self {
        Self { worker, replicas: 1, devices: DeviceSet::EMPTY }
    }
}

/// Where all replicas of a task run. A worker may appear in several parts (fractions on several devices).
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(from = "Vec<Part>", into = "Vec<Part>")]
pub struct Placement(Parts);

/// Nearly every placement has one part, which is written and copied in registers; several are allocated.
#[derive(Clone, Debug, Default)]
enum Parts {
    #[default]
    None,
    One(Part),
    Several(Box<[Part]>),
}

impl From<Vec<Part>> for Placement {
    fn from(parts: Vec<Part>) -> Self {
        Self::gang(&parts)
    }
}

impl From<Placement> for Vec<Part> {
    fn from(placement: Placement) -> Self {
        placement.parts().to_vec()
    }
}

impl PartialEq for Placement {
    fn eq(&self, other: &Self) -> bool {
        self.parts() == other.parts()
    }
}

impl Eq for Placement {}

impl Placement {
    /// A plain task on one worker.
    #[inline]
    #[must_use]
    pub const fn single(worker: WorkerId, devices: DeviceSet) -> Self {
        Self(Parts::One(Part { worker, replicas: 1, devices }))
    }

    /// A gang in several parts.
    #[must_use]
    pub fn gang(parts: &[Part]) -> Self {
        match parts {
            [] => Self(Parts::None),
            [part] => Self(Parts::One(*part)),
            parts => Self(Parts::Several(parts.into())),
        }
    }

    /// The parts, in the order given.
    #[inline]
    #[must_use]
    pub const fn parts(&self) -> &[Part] {
        match &self.0 {
            Parts::None => &[],
            Parts::One(part) => std::slice::from_ref(part),
            Parts::Several(parts) => parts,
        }
    }

    /// A placement in one part.
    #[inline(always)]
    pub(crate) const fn one(part: Part) -> Self {
        Self(Parts::One(part))
    }

    /// The one part of a placement that has one.
    #[inline]
    pub(crate) const fn only(&self) -> Option<Part> {
        if let Parts::One(part) = self.0 { Some(part) } else { None }
    }

    /// The worker of the first part: for a plain task, its worker.
    #[inline]
    #[must_use]
    pub fn worker(&self) -> Option<WorkerId> {
        self.parts().first().map(|part| part.worker)
    }

    /// True if some part is on `worker`.
    #[must_use]
    pub fn uses(&self, worker: WorkerId) -> bool {
        self.parts().iter().any(|part| part.worker == worker)
    }
}

/// The devices that a task without a say in it gets, given the free milli-GPU of each device.
///
/// A fraction takes the device with the least left that still suffices, ties to the lowest; whole devices are
/// the lowest free ones. `None` if they are not there.
#[inline]
#[must_use]
pub fn choose_devices(free: &[u32], gpu: GpuRequest) -> Option<DeviceSet> {
    if gpu.is_none() { Some(DeviceSet::EMPTY) } else { choose_some(free, gpu) }
}

fn choose_some(free: &[u32], gpu: GpuRequest) -> Option<DeviceSet> {
    if gpu.is_fraction() {
        let (_, device) = (0u32..)
            .zip(free)
            .filter(|&(_, &left)| left >= gpu.milli())
            .map(|(device, &left)| (left, device))
            .min()?;
        return Some(DeviceSet::single(device));
    }
    let mut chosen = DeviceSet::EMPTY;
    for (device, &left) in (0u32..).zip(free) {
        if chosen.len() == gpu.whole_devices() {
            break;
        }
        if left == crate::model::MILLI_PER_GPU {
            chosen.insert(device);
        }
    }
    (chosen.len() == gpu.whole_devices()).then_some(chosen)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gpu(milli: u64) -> GpuRequest {
        GpuRequest::from_milli(milli).unwrap()
    }

    #[test]
    fn a_fraction_takes_the_fullest_device_that_suffices() {
        assert_eq!(choose_devices(&[1000, 400, 300, 400], gpu(350)), Some(DeviceSet::single(1)));
        assert_eq!(choose_devices(&[300, 200], gpu(350)), None);
    }

    #[test]
    fn whole_devices_are_the_lowest_free_ones() {
        assert_eq!(choose_devices(&[999, 1000, 1000, 1000], gpu(2000)), Some(DeviceSet(0b0110)));
        assert_eq!(choose_devices(&[999, 1000], gpu(2000)), None);
        assert_eq!(choose_devices(&[], gpu(0)), Some(DeviceSet::EMPTY));
    }
}
