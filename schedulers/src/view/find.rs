//! Finding workers for a task. Nothing is found for a task that has ended or never was, and no worker that never joined.

use super::ClusterView;
use super::fullest::FullestFit;
use crate::cluster::{Part, Placement, WorkerRecord, WorkerState, choose_devices};
use crate::index::RecentChanges;
use crate::model::{ConstraintId, MILLI_PER_GPU, Request, TaskId, TaskSpec, WorkerId};

impl<'a> ClusterView<'a> {
    /// True if `task` (one replica of a gang) can start on `worker` now.
    #[must_use]
    pub fn fits(&self, task: TaskId, worker: WorkerId) -> bool {
        let Some(spec) = self.spec_of(task) else { return false };
        let record = self.cluster.workers.get(worker.index());
        record.is_some_and(|record| {
            record.room.holds(&spec.request) && self.may_start_on(spec, task, worker, record)
        })
    }

    /// True if `worker` takes work and could hold `task` (one replica of a gang) if it were empty.
    #[must_use]
    pub fn can_ever_hold(&self, task: TaskId, worker: WorkerId) -> bool {
        let (Some(spec), Some(record)) = (self.spec_of(task), self.cluster.workers.get(worker.index()))
        else {
            return false;
        };
        record.state == WorkerState::Active
            && record.capacity.holds(&spec.request)
            && self.cluster.is_allowed(task, worker)
            && !self.cluster.is_avoided(task, worker)
    }

    /// True if there are workers that `task` avoids after failed starts.
    pub(crate) fn avoids_any(&self, task: TaskId) -> bool {
        self.cluster.avoids_any(task)
    }

    /// True if `worker` meets a set of conditions.
    #[must_use]
    pub fn allows(&self, constraint: ConstraintId, worker: WorkerId) -> bool {
        self.cluster.allows(constraint, worker)
    }

    /// True if no single worker has room for `task` (one replica of a gang) as far as amounts tell: one look at the
    /// root of the index.
    #[inline]
    #[must_use]
    pub fn surely_full_for(&self, task: TaskId) -> bool {
        self.spec_of(task).is_none_or(|spec| !self.cluster.rooms.most().holds(&spec.request))
    }

    /// The first worker, in index order, that `task` (one replica of a gang) fits on now.
    #[must_use]
    pub fn first_fit(&self, task: TaskId) -> Option<WorkerId> {
        self.first_fit_from(task, WorkerId(0))
    }

    /// The first such worker at or behind `from`.
    #[inline]
    #[must_use]
    pub fn first_fit_from(&self, task: TaskId, from: WorkerId) -> Option<WorkerId> {
        self.first_fit_of(self.spec_of(task)?, task, from)
    }

    #[inline]
    fn first_fit_of(&self, spec: &TaskSpec, task: TaskId, from: WorkerId) -> Option<WorkerId> {
        let mut from = from.index();
        loop {
            let worker = self.cluster.rooms.next(from, &spec.request)?;
            let record = self.cluster.workers.get(worker)?;
            let id = worker_id(worker);
            // The tree knows amounts up to some size only.
            if record.room.holds(&spec.request) && self.may_start_on(spec, task, id, record) {
                return Some(id);
            }
            from = worker + 1;
        }
    }

    /// Where a plain task starts by first fit, with the devices that [`SchedulingContext::assign`](crate::SchedulingContext::assign)
    /// would choose; `None` for a gang, too.
    pub(crate) fn place_first_fit(&self, task: TaskId) -> Option<Placement> {
        let spec = self.spec_of(task).filter(|spec| spec.replicas == 1)?;
        let mut from = WorkerId(0);
        loop {
            let worker = self.first_fit_of(spec, task, from)?;
            let devices = choose_devices(&self.cluster.workers[worker.index()].devices, spec.request.gpu);
            if let Some(devices) = devices {
                return Some(Placement::single(worker, devices));
            }
            from = WorkerId(worker.0 + 1);
        }
    }

    /// Every worker that `task` (one replica of a gang) fits on now, in index order.
    #[inline]
    pub fn feasible(&self, task: TaskId) -> impl Iterator<Item = WorkerId> + use<'a> {
        self.feasible_from(task, WorkerId(0))
    }

    /// Every such worker at or behind `from`, in index order.
    #[inline]
    pub fn feasible_from(&self, task: TaskId, from: WorkerId) -> impl Iterator<Item = WorkerId> + use<'a> {
        let view = *self;
        let mut from = Some(from);
        std::iter::from_fn(move || {
            let found = view.first_fit_from(task, from?);
            from = found.map(|worker| WorkerId(worker.0 + 1));
            found
        })
    }

    /// The worker on which `task` leaves the least free cpu, then memory, ties to the lowest index.
    #[must_use]
    pub fn best_fit(&self, task: TaskId) -> Option<WorkerId> {
        self.fullest_first(task).next()
    }

    /// The same of a task that is there, by the index; `None` if none is kept.
    #[inline]
    pub(crate) fn best_fit_indexed(&self, task: TaskId) -> Option<Option<WorkerId>> {
        let index = self.cluster.fullest.as_ref()?;
        Some(FullestFit::new(*self, index, task, self.cluster.tasks.spec(task.slot)).next())
    }

    /// Every worker that `task` (one replica of a gang) fits on now, fullest first: by free cpu, then free memory,
    /// then index. Fast if the strategy declares [`Indexes::best_fit`](crate::Indexes::best_fit).
    pub fn fullest_first(&self, task: TaskId) -> impl Iterator<Item = WorkerId> + use<'a> {
        let spec = self.spec_of(task);
        let mut indexed = self
            .cluster
            .fullest
            .as_ref()
            .zip(spec)
            .map(|(index, spec)| FullestFit::new(*self, index, task, spec));
        let mut scanned = self.cluster.fullest.is_none().then(|| self.sorted_by_room(task).into_iter());
        std::iter::from_fn(move || match &mut indexed {
            Some(walk) => walk.next(),
            None => scanned.as_mut()?.next(),
        })
    }

    /// The same, by a look at every worker and a sort.
    #[inline(never)]
    fn sorted_by_room(&self, task: TaskId) -> Vec<WorkerId> {
        let mut all: Vec<WorkerId> = self.feasible(task).collect();
        all.sort_by_key(|&id| {
            let room = &self.cluster.workers[id.index()].room;
            (room.cpu_milli, room.memory_mib, id)
        });
        all
    }

    /// The worker with the least committed work among those that can ever hold `task`, ties to the lowest index.
    /// Fast if the strategy declares [`Indexes::committed_work`](crate::Indexes::committed_work).
    ///
    /// Committed work is the sum of the dominant shares of what runs and waits on a worker.
    #[must_use]
    pub fn least_committed(&self, task: TaskId) -> Option<WorkerId> {
        match &self.cluster.least {
            Some(least) => least
                .least(|worker| {
                    worker < self.cluster.workers.len() && self.can_ever_hold(task, worker_id(worker))
                })
                .map(worker_id),
            None => self
                .cluster
                .worker_ids()
                .filter(|&worker| self.can_ever_hold(task, worker))
                .min_by_key(|&worker| (self.cluster.committed_by_hand(worker), worker)),
        }
    }

    /// How many changes of workers there have been: for [`changed_since`](Self::changed_since). 0 unless the strategy
    /// declares [`Indexes::recent_changes`](crate::Indexes::recent_changes).
    #[must_use]
    pub fn worker_changes(&self) -> u64 {
        self.cluster.recent.as_ref().map_or(0, RecentChanges::changes)
    }

    /// The workers whose room, devices, tasks or state have changed since [`worker_changes`](Self::worker_changes) was
    /// `changes`, the latest first; all workers for 0. Fast if the strategy declares
    /// [`Indexes::recent_changes`](crate::Indexes::recent_changes), and otherwise all workers.
    pub fn changed_since(&self, changes: u64) -> impl Iterator<Item = WorkerId> + use<'a> {
        let cluster = self.cluster;
        let noted = cluster.recent.as_ref().map(|recent| recent.since(changes).map(worker_id));
        let all = cluster.recent.is_none().then(|| cluster.worker_ids());
        noted.into_iter().flatten().chain(all.into_iter().flatten())
    }

    /// Places every replica of `task` on the workers that `order` gives, as many on each as fit; `None` if they do
    /// not all fit. A plain task goes to the first worker.
    pub fn place_in_order(&self, task: TaskId, order: impl Iterator<Item = WorkerId>) -> Option<Placement> {
        let spec = self.spec_of(task)?;
        if spec.replicas == 1 {
            let mut order = order;
            return self.placement_on(task, order.next()?);
        }
        let mut parts: Vec<Part> = Vec::new();
        let mut missing = spec.replicas;
        for worker in order {
            let record = self.cluster.workers.get(worker.index())?;
            missing -= add_parts(record, worker, &spec.request, missing, &mut parts);
            if missing == 0 {
                return Some(Placement::gang(&parts));
            }
        }
        None
    }

    /// What a task asks for, if it is there to be placed.
    #[inline]
    pub(crate) fn spec_of(&self, task: TaskId) -> Option<&'a TaskSpec> {
        let alive = self.cluster.tasks.get(task).is_some_and(|record| !record.state.is_terminal());
        alive.then(|| self.cluster.tasks.spec(task.slot))
    }

    /// True if nothing but amounts stands against a start of `task` on `worker` now.
    #[inline]
    pub(super) fn may_start_on(
        &self,
        spec: &TaskSpec,
        task: TaskId,
        worker: WorkerId,
        record: &WorkerRecord,
    ) -> bool {
        record.state == WorkerState::Active
            && self.cluster.allows(spec.constraint, worker)
            && !self.cluster.is_avoided(task, worker)
            && self.ready_at(task, worker) <= self.now()
    }

    /// The placement of a plain task on `worker` that [`SchedulingContext::assign`](crate::SchedulingContext::assign) would choose; `None` if its GPU
    /// devices are not free.
    #[inline]
    #[must_use]
    pub fn placement_on(&self, task: TaskId, worker: WorkerId) -> Option<Placement> {
        let gpu = self.spec_of(task)?.request.gpu;
        let devices = choose_devices(self.worker(worker)?.free_devices(), gpu)?;
        Some(Placement::single(worker, devices))
    }
}

pub(super) fn worker_id(index: usize) -> WorkerId {
    WorkerId(u32::try_from(index).unwrap_or(u32::MAX))
}

/// Adds as many replicas of `request` on one worker as fit, at most `most`; returns how many.
fn add_parts(
    record: &WorkerRecord,
    worker: WorkerId,
    request: &Request,
    most: u32,
    parts: &mut Vec<Part>,
) -> u32 {
    let room = record.room;
    let times = |have: u64, need: u64| have.checked_div(need).unwrap_or(u64::MAX);
    let fit = times(room.cpu_milli, request.cpu_milli)
        .min(times(room.memory_mib, request.memory_mib))
        .min(times(room.storage_mib, request.storage_mib))
        .min(u64::from(most));
    let mut left = u32::try_from(fit).unwrap_or(most);
    let before = left;
    if request.gpu.is_none() {
        parts.extend((left > 0).then_some(Part { worker, replicas: left, devices: crate::DeviceSet::EMPTY }));
        return left;
    }
    let free = (0u32..).zip(&record.devices);
    if request.gpu.is_fraction() {
        for (device, &milli) in free {
            let replicas = left.min(milli / request.gpu.milli());
            if replicas > 0 {
                parts.push(Part { worker, replicas, devices: crate::DeviceSet::single(device) });
                left -= replicas;
            }
        }
        return before - left;
    }
    let each = request.gpu.whole_devices();
    let replicas = left.min(room.free_gpus / each);
    let mut devices = crate::DeviceSet::EMPTY;
    let whole = free.filter(|&(_, &milli)| milli == MILLI_PER_GPU).map(|(device, _)| device);
    whole.take((replicas * each) as usize).for_each(|device| devices.insert(device));
    parts.extend((replicas > 0).then_some(Part { worker, replicas, devices }));
    replicas
}
