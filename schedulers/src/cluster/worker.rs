//! The changing part of a worker.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use super::placement::Part;
use super::running::RunningList;
use crate::index::Room;
use crate::model::{Capacity, MILLI_PER_GPU, Request, Speed, TaskId, billionths};

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
    /// As its spec has it; here because every start needs it.
    pub(crate) speed: Speed,
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
    pub(crate) fn new(capacity: Capacity, speed: Speed) -> Self {
        let devices = vec![MILLI_PER_GPU; capacity.gpus as usize];
        let mut worker = Self {
            state: WorkerState::Active,
            capacity,
            speed,
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
    #[inline(always)]
    pub(crate) fn offered(&self) -> Room {
        self.offers(self.room)
    }

    /// The same for the room that [`hold`](Self::hold) or [`release`](Self::release) has left, which is at hand: to read it
    /// back would have to wait until it is written.
    #[inline(always)]
    pub(crate) fn offers(&self, room: Room) -> Room {
        if self.state == WorkerState::Active { room } else { Room::default() }
    }

    /// Takes the resources of `part`, which the caller has checked to be there. Returns the room that is left.
    #[inline(always)]
    pub(crate) fn hold(&mut self, request: &Request, part: &Part) -> Room {
        let times = u64::from(part.replicas);
        let mut room = Room {
            cpu_milli: self.room.cpu_milli - request.cpu_milli * times,
            memory_mib: self.room.memory_mib - request.memory_mib * times,
            storage_mib: self.room.storage_mib - request.storage_mib * times,
            ..self.room
        };
        if !part.devices.is_empty() {
            let taken = Self::milli_of_each(request, part);
            for device in part.devices.iter() {
                self.devices[device as usize] -= taken;
            }
            (room.free_gpus, room.widest_gpu) = self.measure_devices();
        }
        self.room = room;
        room
    }

    /// Gives the resources of `part` back. Returns the room that there is then.
    #[inline(always)]
    pub(crate) fn release(&mut self, request: &Request, part: &Part) -> Room {
        let times = u64::from(part.replicas);
        let mut room = Room {
            cpu_milli: self.room.cpu_milli + request.cpu_milli * times,
            memory_mib: self.room.memory_mib + request.memory_mib * times,
            storage_mib: self.room.storage_mib + request.storage_mib * times,
            ..self.room
        };
        if !part.devices.is_empty() {
            let given = Self::milli_of_each(request, part);
            for device in part.devices.iter() {
                self.devices[device as usize] += given;
            }
            (room.free_gpus, room.widest_gpu) = self.measure_devices();
        }
        self.room = room;
        room
    }

    /// What `part` holds of each of its devices.
    pub(crate) fn milli_of_each(request: &Request, part: &Part) -> u32 {
        if request.gpu.is_fraction() { request.gpu.milli() * part.replicas } else { MILLI_PER_GPU }
    }

    /// Fully free devices, and the most that one device has left.
    #[inline(never)]
    fn measure_devices(&self) -> (u32, u32) {
        let free = self.devices.iter().filter(|&&left| left == MILLI_PER_GPU).count();
        (u32::try_from(free).unwrap_or(u32::MAX), self.devices.iter().copied().max().unwrap_or(0))
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
