//! The short way: starts and ends of plain tasks in a plain cluster.
//!
//! A plain task is one replica, for any worker, without GPU. A cluster is plain while nothing but cpu, memory, storage and
//! speed bears on where a task may start and how long it is expected to run: no dependencies, no failed starts, nothing
//! saved or lost. Nearly every run consists of nothing else, and then an event takes one look at
//! the task and one at the worker, where the general way (`apply.rs`, `decide.rs`) asks each part of the core in turn.
//!
//! Both ways do the same: what is not plain takes the general one, and [`ClusterConfig::short_way`](super::ClusterConfig::short_way)
//! switches this one off, so that tests run both and compare.

use super::event::ClusterEvent;
use super::placement::{Part, Placement};
use super::task::{AfterStop, TaskState};
use super::worker::WorkerState;
use super::{Cluster, Totals};
use crate::model::{Duration, GpuRequest, Request, TaskId, Time, WorkerId};

impl Cluster {
    /// Looks anew at whether the cluster is plain: to be called wherever that may have changed.
    pub(super) fn renew_plain(&mut self) {
        self.plain = self.config.short_way
            && self.config.known_run_times.is_none()
            && self.config.checkpoints.is_none()
            && self.nothing_special();
    }

    fn nothing_special(&self) -> bool {
        self.graph.is_empty() && self.avoided.is_empty() && self.setbacks.is_empty()
    }

    /// Starts a task on the first worker, in index order, that it fits on: true if it did, false if it fits nowhere. `None` if
    /// the short way does not lead there; nothing has changed then.
    #[inline(always)]
    pub(crate) fn assign_first_fit(&mut self, task: TaskId) -> Option<bool> {
        let request = self.plainly_queued(task)?;
        let Some(worker) = self.rooms.next(0, &request) else { return Some(false) };
        let worker = WorkerId(u32::try_from(worker).ok()?);
        // The tree knows amounts up to some size only.
        if !self.has_room(worker, &request) {
            return None;
        }
        self.start_plain(task, worker, &request);
        Some(true)
    }

    /// Starts a task on the worker, among those that it fits on, that has the least free cpu, then memory: as
    /// [`assign_first_fit`](Self::assign_first_fit). `None` also if no index for that is kept.
    pub(crate) fn assign_best_fit(&mut self, task: TaskId) -> Option<bool> {
        let request = self.plainly_queued(task)?;
        let Some(worker) = self.view().best_fit_indexed(task)? else { return Some(false) };
        self.start_plain(task, worker, &request);
        Some(true)
    }

    /// Starts a task on `worker`, if the short way leads there; otherwise nothing has changed.
    #[inline(always)]
    pub(super) fn assign_plain(&mut self, task: TaskId, worker: WorkerId) -> bool {
        let Some(request) = self.plainly_queued(task) else { return false };
        if !self.has_room(worker, &request) {
            return false;
        }
        self.start_plain(task, worker, &request);
        true
    }

    /// True if `worker` takes work and has room for a plain task that asks for this.
    #[inline(always)]
    fn has_room(&self, worker: WorkerId, request: &Request) -> bool {
        let host = self.workers.get(worker.index());
        host.is_some_and(|host| host.state == WorkerState::Active && host.room.holds_amounts(request))
    }

    /// What a plain task that waits in the queue of a plain cluster asks for.
    #[inline(always)]
    fn plainly_queued(&self, task: TaskId) -> Option<Request> {
        let record = self.tasks.get(task)?;
        let request = Request { gpu: GpuRequest::NONE, ..record.spec.request };
        (self.plain && record.plain && record.state == TaskState::Queued).then_some(request)
    }

    /// Starts a plain task that is queued on an active worker that has room for it.
    #[inline(always)]
    fn start_plain(&mut self, task: TaskId, worker: WorkerId, request: &Request) {
        let part = Part::plain(worker);
        debug_assert!(self.nothing_special(), "the cluster is plain");
        debug_assert!(self.check_part(task, request, &part).is_ok(), "the full check agrees");
        self.queue.remove(&mut self.tasks, task.slot);
        let before = self.key_in_indexes(worker);
        let host = &mut self.workers[worker.index()];
        let (room, speed) = (host.hold(request, &part), host.speed);
        self.keep_in_step(worker, before, room);
        self.held = Totals {
            cpu_milli: self.held.cpu_milli.saturating_add(request.cpu_milli),
            memory_mib: self.held.memory_mib.saturating_add(request.memory_mib),
            storage_mib: self.held.storage_mib.saturating_add(request.storage_mib),
            ..self.held
        };
        let (now, latency) = (self.now, self.config.startup_latency);
        let record = self.tasks.at_mut(task.slot);
        let expected = record.spec.estimate.unwrap_or_else(|| self.predictor.predict(&record.spec));
        let expected_end = now + latency + speed.run_time(expected);
        record.placement = Placement::one(part);
        record.state = TaskState::Assigned;
        record.after_stop = AfterStop::Requeue;
        record.attempt += 1;
        (record.assigned_at, record.started_at) = (now, Time::NEVER);
        (record.expected, record.expected_end) = (expected, expected_end);
        self.effects.push_start(task, record.attempt);
        self.list_on(task, worker, expected_end);
        self.change_committed(worker, request, 1, true);
        self.holding += 1;
        self.version += 1;
    }

    /// The short way of [`confirm_start`](Self::confirm_start), for a task that was assigned at this time: returns the worker that it
    /// runs on, or `None` if the short way does not lead there; nothing has changed then.
    #[inline(always)]
    pub fn confirm_plain_start(&mut self, task: TaskId, attempt: u32) -> Option<WorkerId> {
        let (now, at_once) = (self.now, self.config.startup_latency == Duration::ZERO);
        let record = self.tasks.get_mut(task)?;
        let Part { worker, .. } = record.placement.only()?;
        let waits = record.state == TaskState::Assigned && record.attempt == attempt;
        if !(self.plain && record.plain && waits && at_once && record.assigned_at == now) {
            return None;
        }
        (record.state, record.started_at) = (TaskState::Running, now);
        self.tell(ClusterEvent::TaskStarted(task));
        self.version += 1;
        Some(worker)
    }

    /// The short way of [`complete`](Self::complete): returns the worker that it ran on, or `None` if the short way does not lead
    /// there; nothing has changed then.
    #[inline(always)]
    pub fn complete_plain(&mut self, task: TaskId, attempt: u32) -> Option<WorkerId> {
        let now = self.now;
        debug_assert!(!self.plain || self.nothing_special(), "the cluster is plain");
        let record = self.tasks.get_mut(task)?;
        let Part { worker, .. } = record.placement.only()?;
        let runs = record.state == TaskState::Running && record.attempt == attempt;
        if !(self.plain && record.plain && runs) {
            return None;
        }
        let (part, request) = (Part::plain(worker), record.spec.request);
        let (ran, expected_end) = (now - record.started_at, record.expected_end);
        record.state = TaskState::Completed;
        record.attained = record.attained.saturating_add(ran);
        let before = self.key_in_indexes(worker);
        let host = &mut self.workers[worker.index()];
        let room = host.release(&request, &part);
        let (offered, has_lane) = (host.offers(room), !host.lane.is_empty());
        let nominal = host.speed.nominal_of(ran);
        self.keep_in_step(worker, before, offered);
        self.predictor.learn(self.tasks.spec(task.slot), nominal);
        self.held = Totals {
            cpu_milli: self.held.cpu_milli.saturating_sub(request.cpu_milli),
            memory_mib: self.held.memory_mib.saturating_sub(request.memory_mib),
            storage_mib: self.held.storage_mib.saturating_sub(request.storage_mib),
            ..self.held
        };
        if has_lane {
            self.dirty_lanes.push(worker);
        }
        self.unlist_running(task, worker, expected_end);
        self.change_committed(worker, &request, 1, false);
        self.tasks.retire(task.slot);
        self.holding -= 1;
        self.tell(ClusterEvent::TaskEnded { task, state: TaskState::Completed, worker: Some(worker) });
        self.version += 1;
        Some(worker)
    }
}
