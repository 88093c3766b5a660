//! The changing part of a worker.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use super::placement::Part;
use super::running::RunningList;
use crate::index::Room;
use crate::model::{Capacity, MILLI_PER_GPU, Request, TaskId, billionths};

/// Whether a worker takes work.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WorkerState {
    /// Takes work.
    #[default]
    Active,
    /// Finishes what runs there and takes nothing new.
    Draining,
    /// Not heard from: takes nothing new, and what runs there still holds its resources.
    Unreachable,
    /// Gone, with everything that ran there.
    Lost,
}

/// A worker's room and what occupies it.
#[derive(Clone, Debug)]
pub(crate) struct WorkerRecord {
    pub(crate) state: WorkerState,
    pub(crate) capacity: Capacity,
    pub(crate) room: Room,
    /// Milli-GPU left on each device.
    pub(crate) devices: Vec<u32>,
    /// What holds resources here.
    pub(crate) running: RunningList,
    /// Tasks bound to this worker, first come first served.
    pub(crate) lane: VecDeque<TaskId>,
    /// Sum of the dominant shares of the tasks that run or wait here, in billionths; kept only if a strategy asks
    /// for it.
    pub(crate) committed: u64,
}

impl WorkerRecord {
    pub(crate) fn new(capacity: Capacity) -> Self {
        let devices = vec![MILLI_PER_GPU; capacity.gpus as usize];
        let mut worker = Self {
            state: WorkerState::Active,
            capacity,
            room: Room::default(),
            devices,
            running: RunningList::default(),
            lane: VecDeque::new(),
            committed: 0,
        };
        worker.empty();
        worker
    }

    /// Sets everything free.
    pub(crate) fn empty(&mut self) {
        self.devices.fill(MILLI_PER_GPU);
        self.room = Room {
            cpu_milli: self.capacity.cpu_milli,
            memory_mib: self.capacity.memory_mib,
            storage_mib: self.capacity.storage_mib,
            free_gpus: self.capacity.gpus,
            widest_gpu: if self.capacity.gpus > 0 { MILLI_PER_GPU } else { 0 },
        };
    }

    /// What the index may promise: nothing on a worker that takes no work.
    #[inline]
    pub(crate) fn offered(&self) -> Room {
        let open = self.state == WorkerState::Active;
        // Amount by amount: a copy as a whole would have to wait for the amounts that were written just before.
        Room {
            cpu_milli: if open { self.room.cpu_milli } else { 0 },
            memory_mib: if open { self.room.memory_mib } else { 0 },
            storage_mib: if open { self.room.storage_mib } else { 0 },
            free_gpus: if open { self.room.free_gpus } else { 0 },
            widest_gpu: if open { self.room.widest_gpu } else { 0 },
        }
    }

    /// Takes the resources of `part`, which the caller has checked to be there.
    #[inline]
    pub(crate) fn hold(&mut self, request: &Request, part: &Part) {
        let times = u64::from(part.replicas);
        self.room.cpu_milli -= request.cpu_milli * times;
        self.room.memory_mib -= request.memory_mib * times;
        self.room.storage_mib -= request.storage_mib * times;
        if !part.devices.is_empty() {
            let taken = Self::milli_of_each(request, part);
            for device in part.devices.iter() {
                self.devices[device as usize] -= taken;
            }
            self.measure_devices();
        }
    }

    /// Gives the resources of `part` back.
    #[inline]
    pub(crate) fn release(&mut self, request: &Request, part: &Part) {
        let times = u64::from(part.replicas);
        self.room.cpu_milli += request.cpu_milli * times;
        self.room.memory_mib += request.memory_mib * times;
        self.room.storage_mib += request.storage_mib * times;
        if !part.devices.is_empty() {
            let given = Self::milli_of_each(request, part);
            for device in part.devices.iter() {
                self.devices[device as usize] += given;
            }
            self.measure_devices();
        }
    }

    /// What `part` holds of each of its devices.
    pub(crate) fn milli_of_each(request: &Request, part: &Part) -> u32 {
        if request.gpu.is_fraction() { request.gpu.milli() * part.replicas } else { MILLI_PER_GPU }
    }

    fn measure_devices(&mut self) {
        let free = self.devices.iter().filter(|&&left| left == MILLI_PER_GPU).count();
        self.room.free_gpus = u32::try_from(free).unwrap_or(u32::MAX);
        self.room.widest_gpu = self.devices.iter().copied().max().unwrap_or(0);
    }

    /// The largest used share over cpu, memory and GPU, in billionths.
    pub(crate) fn load(&self) -> u64 {
        let gpu_free: u64 = self.devices.iter().map(|&left| u64::from(left)).sum();
        let used = |free: u64, all: u64| billionths(all - free, all);
        used(self.room.cpu_milli, self.capacity.cpu_milli)
            .max(used(self.room.memory_mib, self.capacity.memory_mib))
            .max(used(gpu_free, self.capacity.gpu_milli()))
    }
}
