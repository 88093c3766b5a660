//! What is free on a worker, now or later: the arithmetic of reservations.

use crate::model::MILLI_PER_GPU;
use crate::{ClusterView, Demand, DeviceSet, Duration, Part, Request, TaskId, WorkerId, choose_devices};

/// Resources of one worker that are free, or that one task may use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Free {
    cpu_milli: u64,
    memory_mib: u64,
    storage_mib: u64,
    /// Milli-GPU left on each device.
    devices: Vec<u32>,
}

impl Free {
    /// What is free on `worker` now; `None` if it never joined.
    #[must_use]
    pub fn now(view: &ClusterView<'_>, worker: WorkerId) -> Option<Self> {
        let worker = view.worker(worker)?;
        Some(Self {
            cpu_milli: worker.free_cpu_milli(),
            memory_mib: worker.free_memory_mib(),
            storage_mib: worker.free_storage_mib(),
            devices: worker.free_devices().to_vec(),
        })
    }

    /// So much cpu, and nothing else.
    #[cfg(test)]
    pub(crate) const fn of_cpu(cpu_milli: u64) -> Self {
        Self { cpu_milli, memory_mib: 0, storage_mib: 0, devices: Vec::new() }
    }

    /// Milli-GPU left on each device.
    #[must_use]
    pub fn devices(&self) -> &[u32] {
        &self.devices
    }

    /// As an opening, for tasks of any length.
    #[must_use]
    pub(crate) fn opening(&self) -> Demand {
        let whole =
            self.devices.iter().filter(|&&left| left == MILLI_PER_GPU).map(|&left| u64::from(left)).sum();
        let widest = self.devices.iter().max().map_or(0, |&left| u64::from(left));
        let gpu = widest.max(whole);
        Demand::new([self.cpu_milli, self.memory_mib, self.storage_mib, gpu], Duration::MAX)
    }

    /// The amounts suffice; of devices this says nothing.
    #[must_use]
    pub const fn holds_amounts(&self, request: &Request) -> bool {
        request.cpu_milli <= self.cpu_milli
            && request.memory_mib <= self.memory_mib
            && request.storage_mib <= self.storage_mib
    }

    /// The devices on which `request` fits by the stated rule ([`choose_devices`]), if it fits.
    #[must_use]
    pub fn place(&self, request: &Request) -> Option<DeviceSet> {
        if self.holds_amounts(request) { choose_devices(&self.devices, request.gpu) } else { None }
    }

    /// How many replicas of `request` fit, at most `most`.
    #[must_use]
    pub fn replicas(&self, request: &Request, most: u32) -> u32 {
        let fit = self.by_amounts(request, most);
        if request.gpu.is_none() || fit == 0 {
            return fit;
        }
        if request.gpu.is_fraction() {
            let each = request.gpu.milli();
            return self.devices.iter().fold(0, |sum: u32, left| sum.saturating_add(left / each)).min(fit);
        }
        let whole = self.devices.iter().filter(|&&left| left == MILLI_PER_GPU).count();
        fit.min(u32::try_from(whole).unwrap_or(u32::MAX) / request.gpu.whole_devices())
    }

    /// Adds as many replicas of `request` as fit to `parts`, at most `most`; returns how many. Fractions fill the
    /// devices in index order, whole devices are the lowest free ones.
    pub fn add_parts(&self, worker: WorkerId, request: &Request, most: u32, parts: &mut Vec<Part>) -> u32 {
        let fit = self.replicas(request, most);
        if fit == 0 {
            return 0;
        }
        if request.gpu.is_fraction() {
            let mut left = fit;
            for (device, &milli) in (0u32..).zip(&self.devices) {
                let replicas = left.min(milli / request.gpu.milli());
                if replicas > 0 {
                    parts.push(Part { worker, replicas, devices: DeviceSet::single(device) });
                    left -= replicas;
                }
            }
            return fit;
        }
        let mut devices = DeviceSet::EMPTY;
        let whole = (0u32..).zip(&self.devices).filter(|&(_, &milli)| milli == MILLI_PER_GPU);
        let wanted = (fit * request.gpu.whole_devices()) as usize;
        whole.take(wanted).for_each(|(device, _)| devices.insert(device));
        parts.push(Part { worker, replicas: fit, devices });
        fit
    }

    fn by_amounts(&self, request: &Request, most: u32) -> u32 {
        let times = |have: u64, need: u64| have.checked_div(need).unwrap_or(u64::MAX);
        let fit = times(self.cpu_milli, request.cpu_milli)
            .min(times(self.memory_mib, request.memory_mib))
            .min(times(self.storage_mib, request.storage_mib))
            .min(u64::from(most));
        u32::try_from(fit).unwrap_or(most)
    }

    /// Adds what `task` holds on `worker`.
    pub(crate) fn release(&mut self, view: &ClusterView<'_>, worker: WorkerId, task: TaskId) {
        let Some(task) = view.task(task) else { return };
        let request = &task.spec().request;
        for part in task.placement().parts() {
            if part.worker == worker {
                self.change(request, part, |left, amount| *left += amount);
            }
        }
    }

    /// Takes what the replicas of `part` hold.
    pub(crate) fn take(&mut self, request: &Request, part: &Part) {
        self.change(request, part, |left, amount| *left = left.saturating_sub(amount));
    }

    /// Gives back what the replicas of `part` hold.
    pub(crate) fn give(&mut self, request: &Request, part: &Part) {
        self.change(request, part, |left, amount| *left += amount);
    }

    #[inline]
    fn change(&mut self, request: &Request, part: &Part, change: impl Fn(&mut u64, u64)) {
        let times = u64::from(part.replicas);
        change(&mut self.cpu_milli, request.cpu_milli * times);
        change(&mut self.memory_mib, request.memory_mib * times);
        change(&mut self.storage_mib, request.storage_mib * times);
        if part.devices.is_empty() {
            return;
        }
        let each = if request.gpu.is_fraction() {
            u64::from(request.gpu.milli()) * times
        } else {
            u64::from(request.gpu.milli_per_device())
        };
        for device in part.devices.iter() {
            let mut left = u64::from(self.devices[device as usize]);
            change(&mut left, each);
            self.devices[device as usize] = u32::try_from(left).unwrap_or(u32::MAX);
        }
    }

    /// The most of both in each amount; devices are left alone.
    pub(crate) fn widen_amounts(&mut self, other: &Self) {
        self.cpu_milli = self.cpu_milli.max(other.cpu_milli);
        self.memory_mib = self.memory_mib.max(other.memory_mib);
        self.storage_mib = self.storage_mib.max(other.storage_mib);
    }

    /// True if any cpu is free.
    pub(crate) const fn has_cpu(&self) -> bool {
        self.cpu_milli > 0
    }

    /// The least of both, resource by resource and device by device.
    pub(crate) fn narrow(&mut self, other: &Self) {
        self.cpu_milli = self.cpu_milli.min(other.cpu_milli);
        self.memory_mib = self.memory_mib.min(other.memory_mib);
        self.storage_mib = self.storage_mib.min(other.storage_mib);
        for (mine, theirs) in self.devices.iter_mut().zip(&other.devices) {
            *mine = (*mine).min(*theirs);
        }
    }
}
