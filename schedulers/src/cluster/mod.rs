//! The cluster's state machine.
//!
//! [`Cluster`] is driven: the simulator or the live master sets its clock, applies [`Event`]s, lets a strategy make
//! its pass, and carries out the [`Effect`]s. It performs no I/O and knows no clock of its own.
//!
//! ```text
//!              submit                     assign               Started
//!    (arrives) ──────▶ blocked ─▶ queued ────────▶ assigned ──────────▶ running ─▶ completed | failed
//!                                  │  ▲   bind       ▲ │ preempt, cancel   │
//!                                  │  └────────┐     │ ▼                   ▼
//!                                  └─▶ bound ──┼─────┘ stopping ◀──────────┘
//!                                              └───────── │ Stopped ─▶ queued | cancelled
//! ```
//!
//! - `task.rs`: the task table; `queue.rs`: the queue; `worker.rs`: workers; `graph.rs`: dependencies
//! - `event.rs`, `decision.rs`: what comes in and goes out, as data; `apply.rs`, `decide.rs`: how it is carried out
//! - `plain.rs`: the short way for what nearly every run consists of
//! - `losses.rs`: workers that change their state, attempts that are lost, progress that is saved
//! - `placement.rs`: devices and replicas; `expected.rs`: run times to be expected; `predictor.rs`: predictions

mod apply;
mod decide;
mod decision;
mod event;
mod expected;
mod graph;
mod losses;
mod placement;
mod plain;
mod predictor;
mod queue;
mod running;
mod task;
mod worker;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

pub(crate) use apply::distinct_workers;
pub use decision::{Decision, DecisionBatch, Refusal, Resource};
pub use event::{ClusterEvent, Effect, Event, EventError, FailureReason};
pub(crate) use graph::Outcome;
pub(crate) use losses::Setback;
pub use placement::{DeviceSet, Part, Placement, choose_devices};
pub use queue::QueueCursor;
use rand_pcg::Pcg64;
use rand_pcg::rand_core::SeedableRng;
pub use task::TaskState;
pub(crate) use task::{AfterStop, NIL, TaskRecord, TaskTable};
pub(crate) use worker::WorkerRecord;
pub use worker::WorkerState;

use crate::index::{FullestFirst, FullestKey, Indexes, LeastTree, RecentChanges, Room, RoomTree};
use crate::model::{
    Capacity, Checkpoints, Constraint, ConstraintId, Duration, MAX_GPUS_PER_WORKER, Request, TaskId, Time,
    WorkerId, WorkerSpec,
};
use crate::scheduler::Scheduler;
use crate::view::ClusterView;

/// Run times known for pairs of (task index, worker): unrelated machines. Visible to strategies.
pub type KnownRunTimes = HashMap<(u32, u32), Duration>;

/// What a cluster is told once, when it is made.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ClusterConfig {
    /// Seeds the generator that strategies draw from; derive it from the run's seed and the strategy's spec.
    pub seed: u64,
    /// How long a start takes, from assignment to confirmation, as far as is known beforehand. Default 0.
    pub startup_latency: Duration,
    /// A task whose start has failed this often fails. Default 3.
    pub max_failed_starts: u32,
    /// A task that has lost more attempts than this with their workers fails. Default: there is no limit.
    pub max_lost_attempts: u32,
    /// How tasks save their progress, as far as is known beforehand; `None` if they do not. Default `None`.
    pub checkpoints: Option<Checkpoints>,
    /// Run times that strategies may know for pairs of task and worker. Default none.
    pub known_run_times: Option<Arc<KnownRunTimes>>,
    /// Which indexes to keep beside the one for first fit. Default none.
    pub indexes: Indexes,
    /// Whether to keep what happens for [`Cluster::notify`]. Default true.
    pub hears: bool,
    /// A queue of more tasks than this is deep, and indexed if [`Indexes::deep_queue`] is asked for; of more workers than an
    /// eighth of it, backfilling remembers more. Decisions do not depend on it. Default 512.
    pub deep_from: usize,
    /// Whether plain tasks take a short way through the core. Decisions do not depend on it. Default true.
    pub short_way: bool,
}

impl Default for ClusterConfig {
    fn default() -> Self {
        Self {
            seed: 0,
            startup_latency: Duration::ZERO,
            max_failed_starts: 3,
            max_lost_attempts: u32::MAX,
            checkpoints: None,
            known_run_times: None,
            indexes: Indexes::default(),
            hears: true,
            deep_from: 512,
            short_way: true,
        }
    }
}

/// Resources held by tasks, or there in all, over a whole cluster.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Milli-cores.
    pub cpu_milli: u64,
    /// MiB.
    pub memory_mib: u64,
    /// MiB.
    pub storage_mib: u64,
    /// Milli-GPU.
    pub gpu_milli: u64,
}

impl Totals {
    fn add_capacity(&mut self, capacity: &Capacity) {
        self.cpu_milli = self.cpu_milli.saturating_add(capacity.cpu_milli);
        self.memory_mib = self.memory_mib.saturating_add(capacity.memory_mib);
        self.storage_mib = self.storage_mib.saturating_add(capacity.storage_mib);
        self.gpu_milli = self.gpu_milli.saturating_add(capacity.gpu_milli());
    }
}

/// The state of a cluster: workers, tasks, queue, lanes, dependencies, and the indexes over them.
///
/// A clone is independent and cheap enough for rollouts: task data is shared.
#[derive(Clone, Debug)]
pub struct Cluster {
    pub(crate) now: Time,
    pub(crate) version: u64,
    config: ClusterConfig,
    pub(crate) specs: Arc<Vec<WorkerSpec>>,
    pub(crate) workers: Vec<WorkerRecord>,
    pub(crate) tasks: TaskTable,
    pub(crate) queue: queue::Queue,
    pub(crate) graph: graph::Graph,
    predictor: predictor::Predictor,
    constraints: Vec<Constraint>,
    /// Per constraint, per worker: is it met? Empty for [`ConstraintId::ANY`].
    allowed: Vec<Vec<bool>>,
    /// Workers on which a start of the task in this slot has failed.
    avoided: HashMap<u32, Vec<WorkerId>>,
    /// What has gone wrong with the task in this slot; of most tasks there is nothing to tell.
    pub(crate) setbacks: BTreeMap<u32, Setback>,
    pub(crate) rooms: RoomTree,
    pub(crate) fullest: Option<FullestFirst>,
    pub(crate) least: Option<LeastTree>,
    pub(crate) recent: Option<RecentChanges>,
    /// Plain tasks may take the short way (`plain.rs`).
    plain: bool,
    /// `fullest` or `recent` is kept.
    indexed: bool,
    /// It is listed by worker what runs there.
    pub(crate) lists_running: bool,
    dirty_lanes: Vec<WorkerId>,
    held: Totals,
    capacity: Totals,
    /// Tasks alive by what they wait for: blocked.
    blocked: usize,
    /// In lanes.
    bound: usize,
    /// Assigned, running or stopping.
    holding: usize,
    effects: event::Effects,
    events: Vec<ClusterEvent>,
    pub(crate) rng: Pcg64,
}

impl Cluster {
    /// A cluster of these workers, all active and empty, at time zero.
    ///
    /// # Errors
    /// [`EventError::TooManyGpus`] if a worker has more devices than a [`DeviceSet`] can hold.
    pub fn new(config: ClusterConfig, workers: Vec<WorkerSpec>) -> Result<Self, EventError> {
        for worker in &workers {
            check_gpus(worker)?;
        }
        let records: Vec<WorkerRecord> =
            workers.iter().map(|spec| WorkerRecord::new(spec.capacity, spec.speed)).collect();
        let mut capacity = Totals::default();
        for spec in &workers {
            capacity.add_capacity(&spec.capacity);
        }
        let mut cluster = Self {
            now: Time::ZERO,
            version: 0,
            rng: Pcg64::seed_from_u64(config.seed),
            config,
            specs: Arc::new(workers),
            workers: records,
            tasks: TaskTable::default(),
            queue: queue::Queue::new(),
            graph: graph::Graph::default(),
            predictor: predictor::Predictor::default(),
            constraints: vec![Constraint::default()],
            allowed: vec![Vec::new()],
            avoided: HashMap::new(),
            setbacks: BTreeMap::new(),
            rooms: RoomTree::default(),
            fullest: None,
            least: None,
            recent: None,
            plain: false,
            indexed: false,
            lists_running: false,
            dirty_lanes: Vec::new(),
            held: Totals::default(),
            capacity,
            blocked: 0,
            bound: 0,
            holding: 0,
            effects: event::Effects::default(),
            events: Vec::new(),
        };
        cluster.build_indexes();
        Ok(cluster)
    }

    /// Registers a set of conditions that tasks may name, and returns its number; equal ones share a number.
    pub fn intern_constraint(&mut self, constraint: &Constraint) -> ConstraintId {
        let known = self.constraints.iter().position(|known| known == constraint);
        let index = known.unwrap_or_else(|| {
            self.constraints.push(constraint.clone());
            self.allowed.push(self.specs.iter().map(|worker| constraint.allows(worker)).collect());
            self.constraints.len() - 1
        });
        ConstraintId(u32::try_from(index).unwrap_or(u32::MAX))
    }

    /// Declares that the task of index `to` needs the task of index `from` to complete, and that its data then
    /// takes `transfer` to reach another worker than the one that `from` ran on. To be called before `to` arrives,
    /// and before `from` ends.
    pub fn add_dependency(&mut self, from: u32, to: u32, transfer: Duration) {
        self.graph.add(from, to, transfer);
        self.renew_plain();
    }

    /// Replaces the indexes that are kept; for a switch of strategy.
    pub fn keep_indexes(&mut self, indexes: Indexes) {
        self.config.indexes = indexes;
        self.build_indexes();
    }

    /// The time of the cluster.
    #[inline]
    #[must_use]
    pub const fn now(&self) -> Time {
        self.now
    }

    /// Sets the clock.
    ///
    /// # Errors
    /// [`EventError::TimeWentBack`] if `to` lies before the current time.
    #[inline]
    pub fn advance(&mut self, to: Time) -> Result<(), EventError> {
        if to < self.now {
            return Err(EventError::TimeWentBack { now: self.now, to });
        }
        self.now = to;
        Ok(())
    }

    /// What a strategy, an observer or a person may see.
    #[inline]
    #[must_use]
    pub const fn view(&self) -> ClusterView<'_> {
        ClusterView::new(self)
    }

    /// Lets the strategy hear everything that happened since the last call.
    #[inline]
    pub fn notify(&mut self, strategy: &mut dyn Scheduler) {
        if self.events.is_empty() {
            return;
        }
        for event in &self.events {
            strategy.observe(event, &self.view());
        }
        self.events.clear();
    }

    /// Keeps an event for the strategy to hear.
    #[inline(always)]
    fn tell(&mut self, event: ClusterEvent) {
        if self.config.hears {
            self.events.push(event);
        }
    }

    /// What the driver has to do, in order, until it [says](Self::effects_done) that it has done so.
    #[inline]
    #[must_use]
    pub fn effects(&self) -> &[Effect] {
        self.effects.as_slice()
    }

    /// The one of [`effects`](Self::effects) at this place.
    #[inline]
    #[must_use]
    pub fn effect(&self, at: usize) -> Option<&Effect> {
        self.effects.get(at)
    }

    /// The driver has done all that there was to do.
    #[inline]
    pub fn effects_done(&mut self) {
        self.effects.clear();
    }

    /// Moves what the driver has to do into `effects`, in order.
    #[inline]
    pub fn take_effects(&mut self, effects: &mut Vec<Effect>) {
        self.effects.append_to(effects);
    }

    /// Ends the instant: slots of tasks that have ended may be given to others from here on, and ids of ended
    /// tasks become unknown.
    #[inline]
    pub fn end_instant(&mut self) {
        self.tasks.recycle();
    }

    /// Asks for the memory of the task in `slot`, which is about to end: a hint, which may be wrong.
    #[inline(always)]
    pub fn prefetch_task(&self, slot: usize) {
        self.tasks.prefetch(slot);
    }

    /// Asks for the memory of a worker that a task is about to leave.
    #[inline(always)]
    pub fn prefetch_worker(&self, worker: WorkerId) {
        if let Some(record) = self.workers.get(worker.index()) {
            crate::prefetch(record);
            self.rooms.prefetch(worker.index());
        }
    }

    /// Resources held by tasks now.
    #[inline]
    #[must_use]
    pub const fn held(&self) -> Totals {
        self.held
    }

    /// Nominal capacity of all workers that ever joined.
    #[inline]
    #[must_use]
    pub const fn capacity(&self) -> Totals {
        self.capacity
    }

    /// Tasks that wait for a worker: queued or in a lane.
    #[inline]
    #[must_use]
    pub const fn waiting(&self) -> usize {
        self.queue.len + self.bound
    }

    /// Tasks that wait for predecessors.
    #[inline]
    #[must_use]
    pub const fn blocked(&self) -> usize {
        self.blocked
    }

    /// Tasks that hold resources.
    #[inline]
    #[must_use]
    pub const fn holding(&self) -> usize {
        self.holding
    }

    /// The largest used share of `worker` over cpu, memory and GPU, in billionths; 0 if it never joined.
    #[must_use]
    pub fn load(&self, worker: WorkerId) -> u64 {
        self.workers.get(worker.index()).map_or(0, WorkerRecord::load)
    }

    fn build_indexes(&mut self) {
        self.rooms = RoomTree::build(self.workers.iter().map(WorkerRecord::offered));
        self.fullest = self.config.indexes.best_fit.then_some(()).and_then(|()| {
            let workers = (0u32..).zip(&self.workers);
            let active = workers.filter(|(_, worker)| worker.state == WorkerState::Active);
            let keys = active.map(|(index, worker)| FullestKey::new(&worker.room, index));
            let capacities = self.workers.iter().map(|worker| &worker.capacity);
            let most = capacities.fold(Room::default(), |most, capacity| Room {
                cpu_milli: most.cpu_milli.max(capacity.cpu_milli),
                memory_mib: most.memory_mib.max(capacity.memory_mib),
                free_gpus: most.free_gpus.max(capacity.gpus),
                ..most
            });
            FullestFirst::build(keys, self.workers.len(), &most)
        });
        self.lists_running = self.config.indexes.expected_ends || self.config.indexes.running_tasks;
        self.list_all();
        self.least = None;
        if self.config.indexes.committed_work {
            for worker in self.worker_ids() {
                let running = self.workers[worker.index()].running.to_vec();
                self.workers[worker.index()].committed = self.committed_of(worker, &running);
            }
            self.least = Some(LeastTree::build(self.workers.iter().map(|worker| worker.committed)));
        }
        if !self.lists_running {
            self.list_none();
        }
        let deep = self.config.indexes.deep_queue.then_some(self.config.deep_from);
        self.queue.keep_index(&self.tasks, deep);
        let changes = self.recent.take().map_or(0, |recent| recent.changes());
        self.recent =
            self.config.indexes.recent_changes.then(|| RecentChanges::new(self.workers.len(), changes));
        self.indexed = self.fullest.is_some() || self.recent.is_some();
        self.renew_plain();
    }

    pub(crate) fn worker_ids(&self) -> impl Iterator<Item = WorkerId> + use<> {
        (0..u32::try_from(self.workers.len()).unwrap_or(u32::MAX)).map(WorkerId)
    }

    #[inline(always)]
    fn change_committed(&mut self, worker: WorkerId, request: &Request, replicas: u32, add: bool) {
        if self.least.is_some() {
            self.change_least(worker, request, replicas, add);
        }
    }

    #[inline(never)]
    fn change_least(&mut self, worker: WorkerId, request: &Request, replicas: u32, add: bool) {
        let Some(least) = &mut self.least else { return };
        let record = &mut self.workers[worker.index()];
        let share = record.capacity.dominant_share(request).saturating_mul(u64::from(replicas));
        record.committed =
            if add { record.committed.saturating_add(share) } else { record.committed.saturating_sub(share) };
        least.update(worker.index(), record.committed);
    }

    /// Changes the state of a worker and keeps every index in step.
    fn change_state(&mut self, worker: WorkerId, state: WorkerState) {
        let before = self.key_in_indexes(worker);
        let record = &mut self.workers[worker.index()];
        record.state = state;
        let offered = record.offered();
        self.keep_in_step(worker, before, offered);
    }

    /// Where a worker stands in the indexes that a strategy has asked for; nothing if it has asked for none.
    #[inline(always)]
    fn key_in_indexes(&self, worker: WorkerId) -> Option<(WorkerState, FullestKey)> {
        let record = self.indexed.then(|| &self.workers[worker.index()])?;
        Some((record.state, FullestKey::new(&record.room, worker.0)))
    }

    /// Brings every index up to date with a worker that has changed.
    #[inline(always)]
    fn keep_in_step(&mut self, worker: WorkerId, before: Option<(WorkerState, FullestKey)>, offered: Room) {
        self.rooms.update(worker.index(), &offered);
        if let Some(before) = before {
            self.note_change(worker, before);
        }
    }

    /// Keeps the indexes that a strategy has asked for in step with a worker whose state and key were `before`.
    #[inline(never)]
    fn note_change(&mut self, worker: WorkerId, before: (WorkerState, FullestKey)) {
        if let Some(recent) = &mut self.recent {
            recent.note(worker.index());
        }
        let Some(fullest) = &mut self.fullest else { return };
        let record = &self.workers[worker.index()];
        let after = (record.state, FullestKey::new(&record.room, worker.0));
        if before == after {
            return;
        }
        let key = |(state, key)| (state == WorkerState::Active).then_some(key);
        if let Some(before) = key(before) {
            fullest.remove(before);
        }
        if let Some(after) = key(after) {
            fullest.insert(after);
        }
    }

    /// Takes or gives back what one part of a placement holds.
    #[inline(always)]
    fn change_held(&mut self, request: &Request, part: &Part, take: bool) {
        let times = u64::from(part.replicas);
        // A sum over workers may exceed 64 bits only where the capacity, which saturates, does.
        let change = |total: u64, amount: u64| {
            let amount = amount * times;
            if take { total.saturating_add(amount) } else { total.saturating_sub(amount) }
        };
        self.held = Totals {
            cpu_milli: change(self.held.cpu_milli, request.cpu_milli),
            memory_mib: change(self.held.memory_mib, request.memory_mib),
            storage_mib: change(self.held.storage_mib, request.storage_mib),
            gpu_milli: change(self.held.gpu_milli, u64::from(request.gpu.milli())),
        };
        let before = self.key_in_indexes(part.worker);
        let worker = &mut self.workers[part.worker.index()];
        let room = if take { worker.hold(request, part) } else { worker.release(request, part) };
        let offered = worker.offers(room);
        self.keep_in_step(part.worker, before, offered);
    }

    #[inline]
    pub(crate) fn is_allowed(&self, task: TaskId, worker: WorkerId) -> bool {
        self.allows(self.tasks.spec(task.slot).constraint, worker)
    }

    #[inline(always)]
    pub(crate) fn allows(&self, constraint: ConstraintId, worker: WorkerId) -> bool {
        constraint == ConstraintId::ANY || self.meets(constraint, worker)
    }

    #[inline(never)]
    fn meets(&self, constraint: ConstraintId, worker: WorkerId) -> bool {
        let allowed = self.allowed.get(constraint.0 as usize);
        allowed.is_some_and(|allowed| allowed.get(worker.index()).copied().unwrap_or(false))
    }

    #[inline(always)]
    pub(crate) fn is_avoided(&self, task: TaskId, worker: WorkerId) -> bool {
        !self.avoided.is_empty() && self.avoids(task, worker)
    }

    pub(crate) fn avoids_any(&self, task: TaskId) -> bool {
        self.avoided.contains_key(&task.slot)
    }

    #[cold]
    fn avoids(&self, task: TaskId, worker: WorkerId) -> bool {
        self.avoided.get(&task.slot).is_some_and(|avoided| avoided.contains(&worker))
    }

    /// When the data that `task` needs is on `worker`, all predecessors having completed.
    #[inline(always)]
    pub(crate) fn ready_at(&self, task: TaskId, worker: WorkerId) -> Time {
        if self.graph.is_empty() {
            return Time::ZERO;
        }
        self.graph.ready_at(task.index, worker)
    }

    pub(crate) const fn config(&self) -> &ClusterConfig {
        &self.config
    }
}

fn check_gpus(worker: &WorkerSpec) -> Result<(), EventError> {
    if worker.capacity.gpus > MAX_GPUS_PER_WORKER {
        return Err(EventError::TooManyGpus(worker.name.clone(), worker.capacity.gpus));
    }
    Ok(())
}

/// Seeds a strategy's random generator from the run's seed and the strategy's spec (FNV-1a, 64 bits), so that a
/// result does not depend on which other strategies run beside it.
#[must_use]
pub fn strategy_seed(seed: u64, spec: &str) -> u64 {
    let bytes = seed.to_le_bytes().into_iter().chain(spec.bytes());
    bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}
