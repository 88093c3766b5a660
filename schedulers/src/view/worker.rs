//! A worker, as a strategy sees it.

use crate::cluster::{Cluster, WorkerRecord, WorkerState};
use crate::model::{Request, TaskId, Time, WorkerId, WorkerSpec};

/// A worker to look at.
#[derive(Clone, Copy, Debug)]
pub struct WorkerView<'a> {
    id: WorkerId,
    record: &'a WorkerRecord,
    cluster: &'a Cluster,
}

impl<'a> WorkerView<'a> {
    #[inline]
    pub(super) fn new(id: WorkerId, cluster: &'a Cluster) -> Self {
        Self { id, record: &cluster.workers[id.index()], cluster }
    }

    /// Its id.
    #[must_use]
    pub const fn id(&self) -> WorkerId {
        self.id
    }

    /// What it is.
    #[must_use]
    pub fn spec(&self) -> &'a WorkerSpec {
        &self.cluster.specs[self.id.index()]
    }

    /// Whether it takes work.
    #[must_use]
    pub const fn state(&self) -> WorkerState {
        self.record.state
    }

    /// Free cpu in milli-cores.
    #[must_use]
    pub const fn free_cpu_milli(&self) -> u64 {
        self.record.room.cpu_milli
    }

    /// Free memory in MiB.
    #[must_use]
    pub const fn free_memory_mib(&self) -> u64 {
        self.record.room.memory_mib
    }

    /// Free storage in MiB.
    #[must_use]
    pub const fn free_storage_mib(&self) -> u64 {
        self.record.room.storage_mib
    }

    /// Milli-GPU left on each device.
    #[inline]
    #[must_use]
    pub fn free_devices(&self) -> &'a [u32] {
        &self.record.devices
    }

    /// True if one replica of `request` fits now, as far as amounts tell.
    #[must_use]
    pub fn holds(&self, request: &Request) -> bool {
        self.record.room.holds(request)
    }

    /// GPU left over all devices, in milli-GPU.
    #[must_use]
    pub fn free_gpu_milli(&self) -> u64 {
        self.record.devices.iter().map(|&left| u64::from(left)).sum()
    }

    /// The largest used share over cpu, memory and GPU, in billionths.
    #[must_use]
    pub fn load(&self) -> u64 {
        self.record.load()
    }

    /// What holds resources here, by (expected end, index), this pass's own starts included. An expected end that is
    /// past counts as one microsecond from now. Costs a sort unless the strategy declares
    /// [`Indexes::expected_ends`](crate::Indexes::expected_ends), and a look at every task if it does not declare
    /// [`Indexes::running_tasks`](crate::Indexes::running_tasks) either.
    pub fn running(&self) -> impl Iterator<Item = (Time, TaskId)> + use<'a> {
        let soon = self.cluster.now + Time::TICK;
        let (mut first, ahead) = match self.record.running.as_ordered() {
            Some(running) if self.cluster.lists_running => {
                let (first, ahead) = running.split_at(running.partition_point(|&(end, _)| end <= soon));
                (first.to_vec(), ahead)
            }
            _ => (self.cluster.running_on(self.id), [].as_slice()),
        };
        first.iter_mut().for_each(|(end, _)| *end = (*end).max(soon));
        first.sort_unstable();
        first.into_iter().chain(ahead.iter().copied())
    }

    /// How many tasks hold resources here. At hand if the strategy declares [`Indexes::running_tasks`](crate::Indexes::running_tasks) or
    /// [`expected_ends`](crate::Indexes::expected_ends); else it takes a look at every task.
    #[must_use]
    pub fn running_len(&self) -> usize {
        if self.cluster.lists_running {
            self.record.running.len()
        } else {
            self.cluster.running_on(self.id).len()
        }
    }

    /// The tasks that wait in its lane, in order.
    pub fn lane(&self) -> impl ExactSizeIterator<Item = TaskId> + use<'a> {
        self.record.lane.iter().copied()
    }

    /// Sum of the dominant shares of what runs and waits here, in billionths of the worker.
    #[must_use]
    pub fn committed_work(&self) -> u64 {
        if self.cluster.least.is_some() {
            self.record.committed
        } else {
            self.cluster.committed_by_hand(self.id)
        }
    }
}
