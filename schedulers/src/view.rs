//! What a strategy may see.

use smallvec::SmallVec;

use crate::cluster::{
    AfterStop, Cluster, Part, Placement, QueueCursor, TaskRecord, TaskState, Totals, WorkerRecord,
    WorkerState,
};
use crate::model::{
    ConstraintId, Duration, MILLI_PER_GPU, Request, TaskId, TaskSpec, Time, WorkerId, WorkerSpec,
};

/// A cluster to look at: queue, workers, running tasks, dependencies, expectations. There are no true run times in
/// it.
#[derive(Clone, Copy, Debug)]
pub struct ClusterView<'a> {
    cluster: &'a Cluster,
}

impl<'a> ClusterView<'a> {
    pub(crate) const fn new(cluster: &'a Cluster) -> Self {
        Self { cluster }
    }

    /// The time.
    #[must_use]
    pub const fn now(&self) -> Time {
        self.cluster.now
    }

    /// Grows with everything that happens; a remote strategy bases its decisions on one version.
    #[must_use]
    pub const fn version(&self) -> u64 {
        self.cluster.version
    }

    // ---- Tasks ----

    /// The queue, by (eligible, index).
    pub fn queue(&self) -> impl Iterator<Item = TaskId> + use<'a> {
        let (cluster, mut cursor) = (self.cluster, QueueCursor::default());
        std::iter::from_fn(move || cluster.queue.advance(&cluster.tasks, &mut cursor))
    }

    /// How many tasks are queued; those in lanes do not count.
    #[must_use]
    pub const fn queue_len(&self) -> usize {
        self.cluster.queue.len
    }

    /// A task, or `None` if it has left the cluster.
    #[must_use]
    pub fn task(&self, id: TaskId) -> Option<TaskView<'a>> {
        let record = self.cluster.tasks.get(id)?;
        Some(TaskView { id, record, spec: self.cluster.tasks.spec(id.slot) })
    }

    /// All tasks that have not ended, blocked ones included, in no stated order (but always the same).
    pub fn tasks(&self) -> impl Iterator<Item = TaskId> + use<'a> {
        self.cluster.tasks.alive()
    }

    /// Tasks that hold resources, by (expected end, index). Costs a sort over them; per worker,
    /// [`WorkerView::running`] is at hand.
    #[must_use]
    pub fn running(&self) -> Vec<(Time, TaskId)> {
        let overdue = self.now() + Time::TICK;
        let entries = self.cluster.workers.iter().flat_map(|worker| &worker.running);
        let mut all: Vec<(Time, TaskId)> = entries.map(|&(end, task)| (end.max(overdue), task)).collect();
        all.sort_unstable();
        all.dedup();
        all
    }

    // ---- Expectations: no time at all for a task that is not there ----

    /// The nominal run time to be expected: the user's estimate if there is one, else a prediction.
    #[must_use]
    pub fn expected_nominal(&self, task: TaskId) -> Duration {
        self.cluster.expected_nominal(task)
    }

    /// The nominal run time that recent runs of the same user and image suggest, at most the estimate.
    #[must_use]
    pub fn predicted_nominal(&self, task: TaskId) -> Duration {
        self.cluster.predicted_nominal(task)
    }

    /// The run time to be expected on `worker`: known for the pair, or the expected nominal time at its speed;
    /// [`Duration::MAX`] on a worker that is not there.
    #[must_use]
    pub fn expected_run(&self, task: TaskId, worker: WorkerId) -> Duration {
        self.cluster.run_time_on(task, worker, self.expected_nominal(task))
    }

    /// How long a start takes, as far as is known.
    #[must_use]
    pub const fn startup_latency(&self) -> Duration {
        self.cluster.config().startup_latency
    }

    // ---- Workers ----

    /// Every worker that ever joined, in index order.
    pub fn workers(&self) -> impl Iterator<Item = WorkerView<'a>> + use<'a> {
        let cluster = self.cluster;
        cluster.worker_ids().map(move |id| WorkerView::new(id, cluster))
    }

    /// How many workers ever joined.
    #[must_use]
    pub const fn worker_count(&self) -> usize {
        self.cluster.workers.len()
    }

    /// A worker.
    #[must_use]
    pub fn worker(&self, id: WorkerId) -> Option<WorkerView<'a>> {
        (id.index() < self.cluster.workers.len()).then(|| WorkerView::new(id, self.cluster))
    }

    /// Resources held by tasks.
    #[must_use]
    pub const fn held(&self) -> Totals {
        self.cluster.held()
    }

    /// Capacity of all workers.
    #[must_use]
    pub const fn capacity(&self) -> Totals {
        self.cluster.capacity()
    }

    // ---- Finding workers: none for a task that has ended or never was, and none that never joined ----

    /// True if `task` (one replica of a gang) can start on `worker` now.
    #[must_use]
    pub fn fits(&self, task: TaskId, worker: WorkerId) -> bool {
        let Some(spec) = self.spec_of(task) else { return false };
        worker.index() < self.cluster.workers.len()
            && self.cluster.rooms.room(worker.index()).holds(&spec.request)
            && self.may_start(task, worker)
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

    /// True if `worker` meets a set of conditions.
    #[must_use]
    pub fn allows(&self, constraint: ConstraintId, worker: WorkerId) -> bool {
        self.cluster.allows(constraint, worker)
    }

    /// True if no single worker has room for `task` (one replica of a gang) as far as amounts tell: one look at the
    /// root of the index.
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
    #[must_use]
    pub fn first_fit_from(&self, task: TaskId, from: WorkerId) -> Option<WorkerId> {
        let request = &self.spec_of(task)?.request;
        let mut from = from.index();
        loop {
            let worker = self.cluster.rooms.next(from, request)?;
            if worker >= self.cluster.workers.len() {
                return None;
            }
            let id = worker_id(worker);
            if self.may_start(task, id) {
                return Some(id);
            }
            from = worker + 1;
        }
    }

    /// Every worker that `task` (one replica of a gang) fits on now, in index order.
    pub fn feasible(&self, task: TaskId) -> impl Iterator<Item = WorkerId> + use<'a> {
        let view = *self;
        let mut from = Some(WorkerId(0));
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

    /// Every worker that `task` (one replica of a gang) fits on now, fullest first: by free cpu, then free memory,
    /// then index. Fast if the strategy declares [`Indexes::best_fit`](crate::Indexes::best_fit).
    pub fn fullest_first(&self, task: TaskId) -> impl Iterator<Item = WorkerId> + use<'a> {
        let (cluster, view) = (self.cluster, *self);
        let least_cpu = self.spec_of(task).map(|spec| spec.request.cpu_milli);
        let indexed = cluster.fullest.as_ref().zip(least_cpu).map(|(fullest, least_cpu)| {
            let from = (least_cpu, 0, 0);
            fullest
                .range(from..)
                .map(|&(_, _, worker)| WorkerId(worker))
                .filter(move |&id| view.fits(task, id))
        });
        let scanned = cluster.fullest.is_none().then(|| {
            let mut all: Vec<WorkerId> = view.feasible(task).collect();
            all.sort_by_key(|&id| {
                let room = cluster.rooms.room(id.index());
                (room.cpu_milli, room.memory_mib, id)
            });
            all
        });
        indexed.into_iter().flatten().chain(scanned.into_iter().flatten())
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
    pub(crate) fn spec_of(&self, task: TaskId) -> Option<&'a TaskSpec> {
        let alive = self.cluster.tasks.get(task).is_some_and(|record| !record.state.is_terminal());
        alive.then(|| self.cluster.tasks.spec(task.slot))
    }

    /// True if nothing but amounts stands against a start of `task` on `worker` now.
    fn may_start(&self, task: TaskId, worker: WorkerId) -> bool {
        self.cluster.workers[worker.index()].state == WorkerState::Active
            && self.cluster.is_allowed(task, worker)
            && !self.cluster.is_avoided(task, worker)
            && self.ready_at(task, worker) <= self.now()
    }

    // ---- Dependencies ----

    /// When the data of the completed predecessors of `task` is on `worker`; time zero without predecessors.
    #[must_use]
    pub fn ready_at(&self, task: TaskId, worker: WorkerId) -> Time {
        self.cluster.ready_at(task, worker)
    }

    /// Predecessors of `task` that have arrived and not ended, with the time that their data takes to another worker.
    pub fn predecessors(&self, task: TaskId) -> impl Iterator<Item = (TaskId, Duration)> + use<'a> {
        let node = self.cluster.graph.node(task.index());
        self.known_neighbours(node.map_or(&[], |node| &node.predecessors))
    }

    /// Successors of `task` that have arrived and not ended, with the time that its data takes to another worker.
    pub fn successors(&self, task: TaskId) -> impl Iterator<Item = (TaskId, Duration)> + use<'a> {
        let node = self.cluster.graph.node(task.index());
        self.known_neighbours(node.map_or(&[], |node| &node.successors))
    }

    fn known_neighbours(
        &self,
        edges: &'a [(u32, Duration)],
    ) -> impl Iterator<Item = (TaskId, Duration)> + use<'a> {
        let cluster = self.cluster;
        edges.iter().filter_map(move |&(index, transfer)| {
            let task = cluster.graph.node(index)?.task?;
            let alive = cluster.tasks.get(task).is_some_and(|record| !record.state.is_terminal());
            alive.then_some((task, transfer))
        })
    }
}

fn worker_id(index: usize) -> WorkerId {
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

/// A task to look at.
#[derive(Clone, Copy, Debug)]
pub struct TaskView<'a> {
    id: TaskId,
    record: &'a TaskRecord,
    spec: &'a TaskSpec,
}

impl<'a> TaskView<'a> {
    /// Its id.
    #[must_use]
    pub const fn id(&self) -> TaskId {
        self.id
    }

    /// What was known when it arrived.
    #[must_use]
    pub const fn spec(&self) -> &'a TaskSpec {
        self.spec
    }

    /// Its state.
    #[must_use]
    pub const fn state(&self) -> TaskState {
        self.record.state
    }

    /// The current or last attempt; 0 before the first.
    #[must_use]
    pub const fn attempt(&self) -> u32 {
        self.record.attempt
    }

    /// Since when it could have started: the later of arrival and the last predecessor's end.
    #[must_use]
    pub const fn eligible(&self) -> Time {
        self.record.eligible
    }

    /// Where it runs; no parts while it waits.
    #[must_use]
    pub const fn placement(&self) -> &'a Placement {
        &self.record.placement
    }

    /// The worker in whose lane it waits.
    #[must_use]
    pub fn lane(&self) -> Option<WorkerId> {
        self.record.lane.filter(|_| self.record.state == TaskState::Bound)
    }

    /// True if it is being stopped for good.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        self.record.state == TaskState::Stopping && self.record.after_stop == AfterStop::Cancel
    }

    /// When the current attempt was assigned.
    #[must_use]
    pub fn assigned_at(&self) -> Option<Time> {
        (self.record.assigned_at != Time::NEVER).then_some(self.record.assigned_at)
    }

    /// When the current attempt's start was confirmed.
    #[must_use]
    pub fn started_at(&self) -> Option<Time> {
        (self.record.started_at != Time::NEVER).then_some(self.record.started_at)
    }

    /// When the current attempt is expected to end, as seen at its start. If that is past, count on one
    /// microsecond from now.
    #[must_use]
    pub fn expected_end(&self) -> Option<Time> {
        self.record.state.holds_resources().then_some(self.record.expected_end)
    }

    /// The nominal run time that was expected when the current attempt was assigned.
    #[must_use]
    pub const fn expected_at_start(&self) -> Duration {
        self.record.expected
    }

    /// Time run so far, over all attempts.
    #[must_use]
    pub fn attained(&self, now: Time) -> Duration {
        let current = match self.started_at() {
            Some(start) if self.record.state.holds_resources() => now - start,
            _ => Duration::ZERO,
        };
        self.record.attained.saturating_add(current)
    }
}

/// A worker to look at.
#[derive(Clone, Copy, Debug)]
pub struct WorkerView<'a> {
    id: WorkerId,
    record: &'a WorkerRecord,
    cluster: &'a Cluster,
}

impl<'a> WorkerView<'a> {
    fn new(id: WorkerId, cluster: &'a Cluster) -> Self {
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
    #[must_use]
    pub fn free_devices(&self) -> &'a [u32] {
        &self.record.devices
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
    /// past counts as one microsecond from now.
    pub fn running(&self) -> impl Iterator<Item = (Time, TaskId)> + use<'a> {
        let soon = self.cluster.now + Time::TICK;
        let (overdue, ahead) =
            self.record.running.split_at(self.record.running.partition_point(|&(end, _)| end <= soon));
        let mut overdue: SmallVec<[(Time, TaskId); 8]> =
            overdue.iter().map(|&(_, task)| (soon, task)).collect();
        overdue.sort_unstable();
        overdue.into_iter().chain(ahead.iter().copied())
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
