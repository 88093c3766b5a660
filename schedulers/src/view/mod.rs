//! What a strategy may see.
//!
//! - this file: the cluster as a whole; [`task`], [`worker`]: one of them; [`find`]: finding workers for a task;
//!   [`input`]: what a task needs from its predecessors

mod find;
mod fullest;
mod input;
mod task;
mod worker;

pub use input::{Input, InputState};
pub use task::TaskView;
pub use worker::WorkerView;

use crate::cluster::{Cluster, Placement, QueueCursor, Totals};
use crate::index::Demand;
use crate::model::{Checkpoints, Duration, TaskId, Time, WorkerId, left_of};

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
    #[inline]
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

    /// The next task of the queue, as [`SchedulingContext::next_queued`](crate::SchedulingContext::next_queued) has it.
    #[inline]
    pub fn next_queued(&self, cursor: &mut QueueCursor) -> Option<TaskId> {
        self.cluster.queue.advance(&self.cluster.tasks, cursor)
    }

    /// The next task of the queue that some single worker has room for (one replica of it), as far as amounts tell; passes over
    /// those for which [`surely_full_for`](Self::surely_full_for) holds.
    #[inline]
    pub fn next_with_room(&self, cursor: &mut QueueCursor) -> Option<TaskId> {
        let most = self.cluster.rooms.most();
        self.cluster.queue.advance_with_room(&self.cluster.tasks, cursor, &most)
    }

    /// The next task of the queue that may fit into one of `openings`, as far as amounts and estimates tell; passes over the
    /// others. Where the queue is deep, without a look at each if the strategy declares
    /// [`Indexes::deep_queue`](crate::Indexes::deep_queue).
    #[inline]
    pub fn next_within(&self, cursor: &mut QueueCursor, openings: &[Demand]) -> Option<TaskId> {
        self.cluster.queue.advance_within(&self.cluster.tasks, cursor, openings)
    }

    /// True if it is plain at a glance that no queued task has room on any single worker: only where the queue is deep and
    /// the strategy declares [`Indexes::deep_queue`](crate::Indexes::deep_queue).
    #[inline]
    #[must_use]
    pub fn surely_full(&self) -> bool {
        let queue = &self.cluster.queue;
        queue.len == 0 || queue.is_indexed() && self.none_has_room()
    }

    #[inline(never)]
    fn none_has_room(&self) -> bool {
        self.cluster.queue.none_fits(&[self.cluster.rooms.most().opening()])
    }

    /// The least that any queued task asks for, amount by amount: only where the queue is deep and the strategy declares
    /// [`Indexes::deep_queue`](crate::Indexes::deep_queue).
    pub(crate) fn least_waiting(&self) -> Option<Demand> {
        self.cluster.queue.least()
    }

    /// The most of each resource that is free on any one worker, as an opening for tasks of any length.
    #[inline]
    #[must_use]
    pub fn most_room(&self) -> Demand {
        self.cluster.rooms.most().opening()
    }

    /// The same without `worker`.
    #[inline]
    #[must_use]
    pub fn most_room_beside(&self, worker: WorkerId) -> Demand {
        if worker.index() >= self.cluster.workers.len() {
            return self.most_room();
        }
        self.cluster.rooms.most_beside(worker.index()).opening()
    }

    /// How many tasks are queued; those in lanes do not count.
    #[inline]
    #[must_use]
    pub const fn queue_len(&self) -> usize {
        self.cluster.queue.len
    }

    /// A task, or `None` if it has left the cluster.
    #[inline]
    #[must_use]
    pub fn task(&self, id: TaskId) -> Option<TaskView<'a>> {
        let record = self.cluster.tasks.get(id)?;
        Some(TaskView { id, record })
    }

    /// The task in a [slot](TaskId::slot), if there is one.
    #[inline]
    #[must_use]
    pub fn tenant(&self, slot: usize) -> Option<TaskView<'a>> {
        let (id, record) = self.cluster.tasks.tenant(slot)?;
        Some(TaskView { id, record })
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
        let mut all = self.cluster.all_running();
        all.iter_mut().for_each(|(end, _)| *end = (*end).max(overdue));
        all.sort_unstable();
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

    /// The expected nominal run time without the work that is saved: what is still to be done. At least a microsecond
    /// if something was saved.
    #[must_use]
    pub fn expected_remaining(&self, task: TaskId) -> Duration {
        left_of(self.expected_nominal(task), self.saved(task))
    }

    /// How long an attempt on `worker` is to be expected to run: known for the pair, or the expected nominal time at its
    /// speed; without the work that is saved, with the checkpoints' costs. [`Duration::MAX`] on a worker that is not
    /// there.
    #[must_use]
    pub fn expected_run(&self, task: TaskId, worker: WorkerId) -> Duration {
        self.run_on(task, worker, self.expected_nominal(task))
    }

    /// The run time on `worker` of a task that takes `nominal` at nominal speed: known for the pair, or that time at the
    /// worker's speed; [`Duration::MAX`] on a worker that is not there.
    #[must_use]
    pub fn run_on(&self, task: TaskId, worker: WorkerId, nominal: Duration) -> Duration {
        self.cluster.run_time_on(task, worker, nominal)
    }

    /// True if the run time on a worker follows from the nominal one and the worker's speed, for every task.
    pub(crate) fn has_plain_run_times(&self) -> bool {
        let config = self.cluster.config();
        config.known_run_times.is_none() && config.checkpoints.is_none() && self.cluster.setbacks.is_empty()
    }

    /// How many tasks may wait until it pays to index them.
    pub(crate) const fn deep_from(&self) -> usize {
        self.cluster.config().deep_from
    }

    /// How many workers there may be until it pays to remember things of each.
    pub(crate) const fn many_workers(&self) -> usize {
        self.deep_from() / 8
    }

    /// True if run times of single pairs of task and worker may be known, so that two workers of one speed need not be
    /// alike.
    #[must_use]
    pub const fn has_known_run_times(&self) -> bool {
        self.cluster.config().known_run_times.is_some()
    }

    /// How long a start takes, as far as is known.
    #[must_use]
    pub const fn startup_latency(&self) -> Duration {
        self.cluster.config().startup_latency
    }

    /// Work of `task` that need not be done again, at nominal speed: what earlier attempts have saved.
    #[must_use]
    pub fn saved(&self, task: TaskId) -> Duration {
        self.cluster.saved(task)
    }

    /// How tasks save their progress; `None` if an attempt that is stopped or lost starts over.
    #[must_use]
    pub const fn checkpoints(&self) -> Option<Checkpoints> {
        self.cluster.config().checkpoints
    }

    /// True if a worker of the task's current attempt was lost and the rest of the gang is being stopped.
    #[must_use]
    pub fn is_broken(&self, task: TaskId) -> bool {
        self.cluster.is_broken(task)
    }

    /// Where the current attempt of `task` was assigned, with the parts on workers that were lost since;
    /// [`TaskView::placement`] has what it still holds.
    #[must_use]
    pub fn assigned_placement(&self, task: TaskId) -> Option<&'a Placement> {
        self.cluster.tasks.get(task).map(|_| self.cluster.assigned_placement(task))
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
    #[inline]
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

    // ---- Dependencies ----

    /// When the data of the completed predecessors of `task` is on `worker`; time zero without predecessors.
    #[inline]
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
