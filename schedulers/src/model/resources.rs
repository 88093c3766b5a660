//! What a task asks for and what a worker offers: integers, exact to the unit.

use serde::{Deserialize, Serialize};

/// One GPU device in milli-GPU.
pub const MILLI_PER_GPU: u32 = 1000;

/// The most GPU devices that one worker can have: a set of devices is one machine word.
pub const MAX_GPUS_PER_WORKER: u32 = 64;

/// How much GPU a task (each replica of a gang) asks for, in milli-GPU.
///
/// Nothing, a fraction of ONE device (`0 < gpu < 1000`), or a whole number of whole devices.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct GpuRequest(u32);

impl GpuRequest {
    /// No GPU.
    pub const NONE: Self = Self(0);

    /// A request of `milli` milli-GPU; `None` if it is more than one device but not a whole number of
    /// devices, or more than [`MAX_GPUS_PER_WORKER`] devices.
    #[must_use]
    pub const fn from_milli(milli: u64) -> Option<Self> {
        let limit = (MAX_GPUS_PER_WORKER * MILLI_PER_GPU) as u64;
        let fractional = !milli.is_multiple_of(MILLI_PER_GPU as u64);
        if milli > limit || (milli > MILLI_PER_GPU as u64 && fractional) {
            return None;
        }
        #[expect(clippy::cast_possible_truncation, reason = "at most 64,000")]
        Some(Self(milli as u32))
    }

    /// The request in milli-GPU.
    #[must_use]
    pub const fn milli(self) -> u32 {
        self.0
    }

    /// True if no GPU is asked for.
    #[must_use]
    pub const fn is_none(self) -> bool {
        self.0 == 0
    }

    /// True for a part of one device.
    #[must_use]
    pub const fn is_fraction(self) -> bool {
        self.0 > 0 && self.0 < MILLI_PER_GPU
    }

    /// How many whole devices are asked for; 0 for none and for a fraction.
    #[must_use]
    pub const fn whole_devices(self) -> u32 {
        self.0 / MILLI_PER_GPU
    }

    /// What is asked of each device that is used: the fraction, 1000 for whole devices, 0 for none.
    #[must_use]
    pub const fn milli_per_device(self) -> u32 {
        if self.0 >= MILLI_PER_GPU { MILLI_PER_GPU } else { self.0 }
    }
}

impl<'de> Deserialize<'de> for GpuRequest {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let milli = u64::deserialize(deserializer)?;
        Self::from_milli(milli).ok_or_else(|| {
            serde::de::Error::custom(format!(
                "{milli} milli-GPU: expected 0, a fraction of one device (1 to 999) or whole devices (multiples of 1000)"
            ))
        })
    }
}

/// Resources that a task holds while it runs; for a gang, what each replica holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Request {
    /// CPU in milli-cores.
    pub cpu_milli: u64,
    /// Memory in MiB.
    pub memory_mib: u64,
    /// Storage in MiB.
    pub storage_mib: u64,
    /// GPU in milli-GPU.
    pub gpu: GpuRequest,
}

/// Resources that a worker has in all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Capacity {
    /// CPU in milli-cores.
    pub cpu_milli: u64,
    /// Memory in MiB.
    pub memory_mib: u64,
    /// Storage in MiB.
    pub storage_mib: u64,
    /// GPU devices, at most [`MAX_GPUS_PER_WORKER`].
    pub gpus: u32,
}

impl Capacity {
    /// All GPU devices together, in milli-GPU.
    #[must_use]
    pub const fn gpu_milli(&self) -> u64 {
        self.gpus as u64 * MILLI_PER_GPU as u64
    }

    /// True if an empty worker of this capacity can hold one replica of `request`.
    #[must_use]
    pub const fn holds(&self, request: &Request) -> bool {
        request.cpu_milli <= self.cpu_milli
            && request.memory_mib <= self.memory_mib
            && request.storage_mib <= self.storage_mib
            && request.gpu.milli() as u64 <= self.gpu_milli()
    }

    /// How many replicas of `request` an empty worker of this capacity can hold at once.
    ///
    /// A request of nothing at all fits without limit: `u64::MAX`.
    #[must_use]
    pub fn replicas_held(&self, request: &Request) -> u64 {
        let times = |have: u64, need: u64| have.checked_div(need).unwrap_or(u64::MAX);
        let gpus = if request.gpu.is_fraction() {
            u64::from(self.gpus) * u64::from(MILLI_PER_GPU / request.gpu.milli())
        } else {
            times(self.gpu_milli(), u64::from(request.gpu.milli()))
        };
        times(self.cpu_milli, request.cpu_milli)
            .min(times(self.memory_mib, request.memory_mib))
            .min(times(self.storage_mib, request.storage_mib))
            .min(gpus)
    }

    /// The dominant share of `request`: the largest share that it takes of cpu, memory or GPU, in
    /// billionths of this capacity (Ghodsi et al. 2011, Dominant Resource Fairness).
    #[must_use]
    pub fn dominant_share(&self, request: &Request) -> u64 {
        billionths(request.cpu_milli, self.cpu_milli)
            .max(billionths(request.memory_mib, self.memory_mib))
            .max(billionths(u64::from(request.gpu.milli()), self.gpu_milli()))
    }
}

/// The share that `part` is of `whole`, in billionths, rounded down; 0 of nothing.
#[inline]
pub(crate) fn billionths(part: u64, whole: u64) -> u64 {
    if part == 0 { 0 } else { share(part, whole, 1_000_000_000).unwrap_or(0) }
}

/// The share that `part` is of `whole`, in parts of `unit`, rounded down; `None` of nothing.
#[inline]
pub(crate) fn share(part: u64, whole: u64, unit: u64) -> Option<u64> {
    // A division of 64 bits takes a fraction of the time of one of 128, and nearly all amounts allow it.
    if let Some(scaled) = part.checked_mul(unit) {
        return scaled.checked_div(whole);
    }
    wide_share(part, whole, unit)
}

#[cold]
fn wide_share(part: u64, whole: u64, unit: u64) -> Option<u64> {
    let share = (u128::from(part) * u128::from(unit)).checked_div(u128::from(whole))?;
    Some(u64::try_from(share).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gpu_request_is_a_fraction_of_one_device_or_whole_devices() {
        assert!(GpuRequest::from_milli(0).is_some_and(GpuRequest::is_none));
        assert!(GpuRequest::from_milli(460).is_some_and(GpuRequest::is_fraction));
        assert_eq!(GpuRequest::from_milli(8000).map(GpuRequest::whole_devices), Some(8));
        assert_eq!(GpuRequest::from_milli(1500), None);
        assert_eq!(GpuRequest::from_milli(65_000), None);
    }

    #[test]
    fn replicas_held_counts_fractions_per_device() {
        let capacity = Capacity { cpu_milli: 64_000, memory_mib: 1024, storage_mib: 0, gpus: 2 };
        let request = Request { cpu_milli: 1000, gpu: GpuRequest(400), ..Request::default() };
        assert_eq!(capacity.replicas_held(&request), 4, "two of 0.4 on each of two devices");
        assert_eq!(capacity.replicas_held(&Request::default()), u64::MAX);
    }
}
