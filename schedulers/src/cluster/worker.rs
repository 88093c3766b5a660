//! The changing part of a worker.

use std::collections::VecDeque;
use std::ops::{Deref, DerefMut};

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

/// A worker's room and what occupies it. What every start and end of a task looks at comes first, in one line of the cache.
#[derive(Clone, Debug)]
#[repr(C, align(64))]
pub(crate) struct WorkerRecord {
    pub(crate) room: Room,
    /// Tasks bound to this worker, first come first served.
    pub(crate) lane: Lane,
    /// Sum of the dominant shares of the tasks that run or wait here, in billionths; kept only if a strategy asks
    /// for it.
    pub(crate) committed: u64,
    /// As its spec has it; here because every start needs it.
    pub(crate) speed: Speed,
    pub(crate) state: WorkerState,
    pub(crate) capacity: Capacity,
    /// Milli-GPU left on each device.
    pub(crate) devices: Vec<u32>,
    /// What holds resources here.
    pub(crate) running: RunningList,
}

/// A queue of tasks, in one word while nothing has ever waited in it.
#[derive(Clone, Debug, Default)]
#[expect(clippy::box_collection, reason = "most lanes are never used, and a record has to be small")]
pub(crate) struct Lane(Option<Box<VecDeque<TaskId>>>);

impl Lane {
    #[inline(always)]
    pub(crate) fn is_empty(&self) -> bool {
        self.0.as_ref().is_none_or(|tasks| tasks.is_empty())
    }
}

impl Deref for Lane {
    type Target = VecDeque<TaskId>;

    fn deref(&self) -> &Self::Target {
        static EMPTY: VecDeque<TaskId> = VecDeque::new();
        self.0.as_deref().unwrap_or(&EMPTY)
    }
}

impl DerefMut for Lane {
    fn deref_mut(&mut self) -> &mut Self::Target {
        self.0.get_or_insert_default()
    }
}

impl IntoIterator for Lane {
    type Item = TaskId;
    type IntoIter = std::collections::vec_deque::IntoIter<TaskId>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.map_or_else(VecDeque::new, |tasks| *tasks).into_iter()
    }
}

impl WorkerRecord {
    pub(crate) fn new(capacity: Capacity, speed: Speed) -> Self {
        let devices = vec![MILLI_PER_GPU; capacity.gpus as usize];
        let mut worker = Self {
            room: Room::default(),
            lane: Lane::default(),
            committed: 0,
            speed,
            state: WorkerState::Active,
            capacity,
            devices,
            running: RunningList::default(),
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
        let (room, capacity) = (&self.room, &self.capacity);
        let cpu = Share::used(room.cpu_milli, capacity.cpu_milli);
        let memory = Share::used(room.memory_mib, capacity.memory_mib);
        let mut most = cpu.max(memory);
        if capacity.gpus > 0 {
            let free = self.devices.iter().map(|&left| u64::from(left)).sum();
            most = most.max(Share::used(free, capacity.gpu_milli()));
        }
        billionths(most.part, most.whole)
    }
}

/// A share that is not divided yet: of several only the largest has to be.
#[derive(Clone, Copy)]
struct Share {
    part: u64,
    whole: u64,
}

impl Share {
    /// What is not free; nothing of nothing.
    #[inline(always)]
    fn used(free: u64, whole: u64) -> Self {
        Self { part: whole - free, whole: whole.max(1) }
    }

    #[inline(always)]
    fn max(self, other: Self) -> Self {
        let crosswise = |part: u64, whole: u64| u128::from(part) * u128::from(whole);
        if crosswise(self.part, other.whole) >= crosswise(other.part, self.whole) { self } else { other }
    }
}

#[cfg(test)]
mod tests {
    use std::mem::{offset_of, size_of};

    use super::*;

    #[test]
    fn what_every_task_touches_is_in_one_line() {
        let line = 64;
        assert!(offset_of!(WorkerRecord, room) + size_of::<Room>() <= line);
        assert!(offset_of!(WorkerRecord, lane) + size_of::<Lane>() <= line);
        assert!(offset_of!(WorkerRecord, speed) + size_of::<Speed>() <= line);
        assert!(offset_of!(WorkerRecord, state) < line);
    }
}
