//! What is free on a worker, now or later: the arithmetic of reservations.

use crate::{ClusterView, DeviceSet, Duration, Request, TaskId, WorkerId, choose_devices};

/// Resources of one worker that are free.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Free {
    cpu_milli: u64,
    memory_mib: u64,
    storage_mib: u64,
    /// Milli-GPU left on each device.
    devices: Vec<u32>,
}

impl Free {
    /// What is free on `worker` now.
    pub(super) fn now(view: &ClusterView<'_>, worker: WorkerId) -> Option<Self> {
        let worker = view.worker(worker)?;
        Some(Self {
            cpu_milli: worker.free_cpu_milli(),
            memory_mib: worker.free_memory_mib(),
            storage_mib: worker.free_storage_mib(),
            devices: worker.free_devices().to_vec(),
        })
    }

    /// The amounts suffice; of devices this says nothing.
    pub(super) fn holds_amounts(&self, request: &Request) -> bool {
        request.cpu_milli <= self.cpu_milli
            && request.memory_mib <= self.memory_mib
            && request.storage_mib <= self.storage_mib
    }

    /// The devices on which `request` fits, if it fits.
    pub(super) fn place(&self, request: &Request) -> Option<DeviceSet> {
        if self.holds_amounts(request) { choose_devices(&self.devices, request.gpu) } else { None }
    }

    /// Adds what `task` holds on `worker`.
    pub(super) fn release(&mut self, view: &ClusterView<'_>, worker: WorkerId, task: TaskId) {
        let Some(task) = view.task(task) else { return };
        let request = task.spec().request;
        for part in task.placement().parts().iter().filter(|part| part.worker == worker) {
            let times = u64::from(part.replicas);
            self.cpu_milli += request.cpu_milli * times;
            self.memory_mib += request.memory_mib * times;
            self.storage_mib += request.storage_mib * times;
            let each = if request.gpu.is_fraction() {
                request.gpu.milli() * part.replicas
            } else {
                request.gpu.milli_per_device()
            };
            part.devices.iter().for_each(|device| self.devices[device as usize] += each);
        }
    }

    /// Takes what one task holds on these devices.
    pub(super) fn take(&mut self, request: &Request, devices: DeviceSet) {
        self.cpu_milli -= request.cpu_milli;
        self.memory_mib -= request.memory_mib;
        self.storage_mib -= request.storage_mib;
        let each = request.gpu.milli_per_device();
        devices.iter().for_each(|device| self.devices[device as usize] -= each);
    }

    /// The least of both, device by device.
    pub(super) fn narrow(&mut self, other: &Self) {
        for (mine, theirs) in self.devices.iter_mut().zip(&other.devices) {
            *mine = (*mine).min(*theirs);
        }
    }

    /// The devices on which a request for GPU fits.
    pub(super) fn devices_for(&self, request: &Request) -> Option<DeviceSet> {
        choose_devices(&self.devices, request.gpu)
    }
}

/// From an assignment now to the expected end on `worker`.
pub(super) fn expected_length(view: &ClusterView<'_>, task: TaskId, worker: WorkerId) -> Duration {
    view.startup_latency().saturating_add(view.expected_run(task, worker))
}
