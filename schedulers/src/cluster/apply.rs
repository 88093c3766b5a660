//! How events change the cluster.

use std::borrow::Borrow;

use smallvec::SmallVec;

use super::event::{ClusterEvent, Effect, Event, EventError, FailureReason};
use super::graph::Outcome;
use super::placement::{Part, Placement};
use super::task::{AfterStop, TaskState};
use super::worker::WorkerRecord;
use super::{Cluster, check_gpus};
use crate::model::{Duration, TaskId, TaskSpec, Time, WorkerId, WorkerSpec};

impl Cluster {
    /// Applies an event at the current time.
    ///
    /// # Errors
    /// Says what the event contradicts; the cluster is unchanged then.
    pub fn apply(&mut self, event: Event) -> Result<(), EventError> {
        match event {
            Event::Completed { task, attempt } => return self.complete(task, attempt),
            Event::Started { task, attempt } => return self.confirm_start(task, attempt),
            Event::Failed { task, attempt, reason } => self.failed(task, attempt, reason)?,
            Event::Stopped { task, attempt } => self.stopped(task, attempt)?,
            Event::StartFailed { task, attempt } => self.start_failed(task, attempt)?,
            Event::Saved { task, work } => self.save(task, work)?,
            Event::WorkerJoined(spec) => self.join(spec)?,
            Event::WorkerChanged { worker, state } => self.change_worker(worker, state)?,
            Event::TransferOver { task } => self.transfer_over(task)?,
            Event::Cancelled { task } => self.cancel(task)?,
            Event::Arrived(spec) => {
                self.take_in(&spec, spec.estimate);
            }
            Event::Woke => self.tell(ClusterEvent::Woke),
        }
        self.version += 1;
        Ok(())
    }

    /// Takes a new task in, as [`Event::Arrived`] does, and returns its id. `spec.index` must be new.
    ///
    /// A task with a failed predecessor is cancelled at once.
    pub fn submit(&mut self, spec: impl Borrow<TaskSpec>) -> TaskId {
        let spec = spec.borrow();
        self.take_in(spec, spec.estimate)
    }

    /// The same where another estimate takes the place of the spec's own.
    #[inline(always)]
    pub fn submit_estimated(&mut self, spec: &TaskSpec, estimate: Option<Duration>) -> TaskId {
        self.take_in(spec, estimate)
    }

    /// Lets the attempts of a task that holds nothing go on behind number `last`, for a driver that was restarted: attempts made
    /// before are over, or are made again with their own numbers by assigning them anew in the order of their times.
    ///
    /// # Errors
    /// [`EventError::UnknownTask`]; [`EventError::WrongState`] if the task holds resources or has ended;
    /// [`EventError::StaleAttempt`] if `last` lies behind an attempt that was made already. The cluster is unchanged then.
    pub fn continue_attempts(&mut self, task: TaskId, last: u32) -> Result<(), EventError> {
        let record = self.tasks.get_mut(task).ok_or(EventError::UnknownTask(task))?;
        if record.state.holds_resources() || record.state.is_terminal() {
            return Err(EventError::WrongState { task, state: record.state });
        }
        if last < record.attempt {
            return Err(EventError::StaleAttempt { task, attempt: last, current: record.attempt });
        }
        record.attempt = last;
        self.version += 1;
        Ok(())
    }

    #[inline(always)]
    fn take_in(&mut self, spec: &TaskSpec, estimate: Option<Duration>) -> TaskId {
        let task = self.tasks.insert(spec, estimate);
        self.version += 1;
        self.tell(ClusterEvent::TaskArrived(task));
        if self.graph.is_empty() || !self.blocks(task) {
            self.queue.insert(&mut self.tasks, task.slot);
        }
        task
    }

    /// True if a task that has just arrived is blocked, or cancelled at once, by its predecessors.
    #[inline(never)]
    fn blocks(&mut self, task: TaskId) -> bool {
        let mut waits_for = 0;
        if let Some(node) = self.graph.node_mut(task.index) {
            node.task = Some(task);
            waits_for = node.open_predecessors;
            if self.graph.is_broken(task.index) {
                self.tasks.at_mut(task.slot).state = TaskState::Blocked;
                self.blocked += 1;
                self.finish(task, TaskState::Cancelled);
                self.effects.push(Effect::Ended { task, reason: None });
                return true;
            }
        }
        if waits_for > 0 {
            self.tasks.at_mut(task.slot).state = TaskState::Blocked;
            self.blocked += 1;
            return true;
        }
        self.make_eligible(task);
        false
    }

    /// Sets when the task became eligible, and announces the transfers that it still waits for.
    fn make_eligible(&mut self, task: TaskId) {
        let eligible = self.tasks.spec(task.slot).arrival.max(self.graph.last_predecessor_end(task.index));
        self.tasks.at_mut(task.slot).eligible = eligible;
        for at in self.graph.transfers_after(task.index, self.now) {
            self.effects.push(Effect::TransferAt { task, at });
        }
    }

    /// The attempt is the current one, and no worker of it is lost.
    #[inline(always)]
    fn check_whole(&self, task: TaskId, attempt: u32) -> Result<(), EventError> {
        self.check_attempt(task, attempt)?;
        if self.is_broken(task) {
            return Err(EventError::WrongState { task, state: TaskState::Stopping });
        }
        Ok(())
    }

    /// An attempt has completed: [`Event::Completed`], without the detour by data.
    ///
    /// # Errors
    /// Says what that contradicts; the cluster is unchanged then.
    #[inline]
    pub fn complete(&mut self, task: TaskId, attempt: u32) -> Result<(), EventError> {
        if self.complete_plain(task, attempt).is_some() {
            return Ok(());
        }
        self.complete_in_full(task, attempt)
    }

    #[inline(never)]
    fn complete_in_full(&mut self, task: TaskId, attempt: u32) -> Result<(), EventError> {
        self.check_whole(task, attempt)?;
        self.learn(task);
        self.finish(task, TaskState::Completed);
        self.version += 1;
        Ok(())
    }

    #[inline(never)]
    fn failed(&mut self, task: TaskId, attempt: u32, reason: FailureReason) -> Result<(), EventError> {
        self.check_whole(task, attempt)?;
        if reason == FailureReason::TimeLimit {
            self.learn(task);
        }
        self.finish(task, TaskState::Failed);
        Ok(())
    }

    fn transfer_over(&mut self, task: TaskId) -> Result<(), EventError> {
        let record = self.tasks.get(task).ok_or(EventError::UnknownTask(task))?;
        self.dirty_lanes.extend(record.lane);
        self.tell(ClusterEvent::TransferOver(task));
        Ok(())
    }

    #[inline(always)]
    fn check_attempt(&self, task: TaskId, attempt: u32) -> Result<(), EventError> {
        let record = self.tasks.get(task).ok_or(EventError::UnknownTask(task))?;
        if record.attempt != attempt {
            return Err(EventError::StaleAttempt { task, attempt, current: record.attempt });
        }
        if !record.state.holds_resources() {
            return Err(EventError::WrongState { task, state: record.state });
        }
        Ok(())
    }

    /// Lets the predictor learn from the attempt that ends now: its time on the worker, scaled to nominal speed.
    #[inline(always)]
    fn learn(&mut self, task: TaskId) {
        let record = self.tasks.at(task.slot);
        if let Some(worker) = record.placement.worker()
            && record.started_at != Time::NEVER
        {
            let work = self.work_in(task, self.now - record.started_at);
            let nominal =
                self.workers[worker.index()].speed.nominal_of(work).saturating_add(self.saved(task));
            let spec = self.tasks.spec(task.slot);
            self.predictor.learn(spec, nominal);
        }
    }

    /// Ends a task for good, and what follows from it for its successors.
    #[inline(always)]
    pub(super) fn finish(&mut self, task: TaskId, state: TaskState) {
        self.end_one(task, state);
        if !self.graph.is_empty() {
            self.tell_successors(task);
        }
    }

    #[inline(never)]
    fn tell_successors(&mut self, task: TaskId) {
        let mut ended: SmallVec<[TaskId; 4]> = SmallVec::from_slice(&[task]);
        while let Some(task) = ended.pop() {
            let completed = self.tasks.at(task.slot).state == TaskState::Completed;
            let workers = self.tasks.at(task.slot).placement.parts().iter().map(|part| part.worker).collect();
            let Some(node) = self.graph.node_mut(task.index) else { continue };
            node.outcome =
                if completed { Outcome::Completed { end: self.now, workers } } else { Outcome::Broken };
            for (successor, _) in node.successors.clone() {
                let Some(node) = self.graph.node_mut(successor) else { continue };
                if completed {
                    node.open_predecessors -= 1;
                }
                let (open, Some(successor)) = (node.open_predecessors, node.task) else { continue };
                // It may have been cancelled long ago, and its slot be another task's.
                let alive = self.tasks.get(successor).is_some_and(|record| !record.state.is_terminal());
                if !alive {
                    continue;
                }
                if !completed {
                    self.end_one(successor, TaskState::Cancelled);
                    self.effects.push(Effect::Ended { task: successor, reason: None });
                    ended.push(successor);
                } else if completed && open == 0 {
                    self.release_successor(successor);
                }
            }
        }
    }

    /// Lets a task whose last predecessor has completed into the queue, or on in its lane.
    fn release_successor(&mut self, task: TaskId) {
        let (state, lane) = (self.tasks.at(task.slot).state, self.tasks.at(task.slot).lane);
        match state {
            TaskState::Blocked => {
                self.make_eligible(task);
                self.blocked -= 1;
                self.queue.insert(&mut self.tasks, task.slot);
            }
            TaskState::Bound => {
                self.make_eligible(task);
                self.dirty_lanes.extend(lane);
            }
            // An edge that was declared too late: the task's place in the queue must not change.
            _ => return,
        }
        self.tell(ClusterEvent::TaskReleased(task));
    }

    /// Ends one task, whatever it was doing. Its placement is kept until the end of the instant, for the driver.
    #[inline(always)]
    fn end_one(&mut self, task: TaskId, state: TaskState) {
        self.leave(task);
        let record = self.tasks.at_mut(task.slot);
        record.state = state;
        let worker = record.placement.worker();
        self.tasks.retire(task.slot);
        if !(self.avoided.is_empty() && self.setbacks.is_empty()) {
            self.forget_troubles(task);
        }
        self.tell(ClusterEvent::TaskEnded { task, state, worker });
    }

    #[inline(never)]
    fn forget_troubles(&mut self, task: TaskId) {
        self.avoided.remove(&task.slot);
        self.setbacks.remove(&task.slot);
        self.renew_plain();
    }

    /// Takes a task out of wherever it is: blocked set, queue, lane, or the resources that it holds.
    #[inline(always)]
    fn leave(&mut self, task: TaskId) {
        match self.tasks.at(task.slot).state {
            TaskState::Blocked => self.blocked -= 1,
            TaskState::Queued => self.queue.remove(&mut self.tasks, task.slot),
            TaskState::Bound => self.leave_lane(task),
            TaskState::Assigned | TaskState::Running | TaskState::Stopping => self.release(task),
            _ => {}
        }
    }

    #[inline(never)]
    fn leave_lane(&mut self, task: TaskId) {
        let Some(worker) = self.tasks.at_mut(task.slot).lane.take() else { return };
        self.workers[worker.index()].lane.retain(|&waiting| waiting != task);
        self.bound -= 1;
        let request = self.tasks.spec(task.slot).request;
        self.change_committed(worker, &request, 1, false);
        self.dirty_lanes.push(worker);
    }

    /// Gives back all that an attempt holds.
    #[inline(always)]
    fn release(&mut self, task: TaskId) {
        let now = self.now;
        let record = self.tasks.at_mut(task.slot);
        if record.started_at != Time::NEVER {
            record.attained = record.attained.saturating_add(now - record.started_at);
        }
        self.holding -= 1;
        if let Some(part) = record.placement.only() {
            self.release_part(task, &part);
            return;
        }
        self.release_gang(task);
    }

    #[inline(never)]
    fn release_gang(&mut self, task: TaskId) {
        let placement = std::mem::take(&mut self.tasks.at_mut(task.slot).placement);
        for part in placement.parts() {
            self.release_part(task, part);
        }
        self.tasks.at_mut(task.slot).placement = placement;
    }

    #[inline(always)]
    fn release_part(&mut self, task: TaskId, part: &Part) {
        let request = self.tasks.spec(task.slot).request;
        self.change_held(&request, part, false);
        self.change_committed(part.worker, &request, part.replicas, false);
        self.unlist_running(task, part.worker, self.tasks.at(task.slot).expected_end);
        if !self.workers[part.worker.index()].lane.is_empty() {
            self.dirty_lanes.push(part.worker);
        }
    }

    /// Puts a task that held resources back into the queue, at its place.
    pub(super) fn requeue(&mut self, task: TaskId) {
        self.leave(task);
        let record = self.tasks.at_mut(task.slot);
        record.placement = Placement::default();
        record.lane = None;
        (record.assigned_at, record.started_at, record.expected_end) =
            (Time::NEVER, Time::NEVER, Time::NEVER);
        if self.graph.node(task.index).is_some_and(|node| node.open_predecessors > 0) {
            self.tasks.at_mut(task.slot).state = TaskState::Blocked;
            self.blocked += 1;
        } else {
            self.queue.insert(&mut self.tasks, task.slot);
        }
        self.tell(ClusterEvent::TaskRequeued(task));
    }

    fn stopped(&mut self, task: TaskId, attempt: u32) -> Result<(), EventError> {
        self.check_attempt(task, attempt)?;
        let record = self.tasks.at(task.slot);
        if record.state != TaskState::Stopping {
            return Err(EventError::WrongState { task, state: record.state });
        }
        match record.after_stop {
            AfterStop::Requeue if self.is_broken(task) => self.try_again(task),
            AfterStop::Requeue => self.requeue(task),
            AfterStop::Cancel => self.finish(task, TaskState::Cancelled),
        }
        Ok(())
    }

    /// A start is confirmed: [`Event::Started`], without the detour by data.
    ///
    /// # Errors
    /// Says what that contradicts; the cluster is unchanged then.
    #[inline]
    pub fn confirm_start(&mut self, task: TaskId, attempt: u32) -> Result<(), EventError> {
        self.check_attempt(task, attempt)?;
        let (now, at_once) = (self.now, self.config.startup_latency == Duration::ZERO);
        let record = self.tasks.at_mut(task.slot);
        // A start may be confirmed while the stop is under way: it ran, and is still to be stopped.
        if record.started_at != Time::NEVER {
            return Err(EventError::WrongState { task, state: record.state });
        }
        record.started_at = now;
        if record.state == TaskState::Assigned {
            record.state = TaskState::Running;
        }
        if !(at_once && record.assigned_at == now) {
            self.expect_end_anew(task);
        }
        self.tell(ClusterEvent::TaskStarted(task));
        self.version += 1;
        Ok(())
    }

    /// A start was confirmed at another time than was expected, and so moves the expected end.
    #[inline(never)]
    fn expect_end_anew(&mut self, task: TaskId) {
        let record = self.tasks.at(task.slot);
        let expected_before = record.expected_end;
        let expected_end = self.now + self.run_time_of(task, &record.placement, record.expected);
        if expected_end == expected_before {
            return;
        }
        let record = self.tasks.at_mut(task.slot);
        record.expected_end = expected_end;
        let placement = record.placement.clone();
        for worker in distinct_workers(&placement) {
            self.unlist_running(task, worker, expected_before);
            if let Some(recent) = &mut self.recent {
                recent.note(worker.index());
            }
        }
        self.list_gang(task, &placement, expected_end);
    }

    fn start_failed(&mut self, task: TaskId, attempt: u32) -> Result<(), EventError> {
        self.check_attempt(task, attempt)?;
        let broken = self.is_broken(task);
        let record = self.tasks.at_mut(task.slot);
        if record.started_at != Time::NEVER {
            return Err(EventError::WrongState { task, state: record.state });
        }
        if broken {
            self.lose_attempt(task);
            return Ok(());
        }
        let (stopping, cancel) =
            (record.state == TaskState::Stopping, record.after_stop == AfterStop::Cancel);
        let workers: Vec<WorkerId> = distinct_workers(&record.placement).collect();
        let (placement, assigned_at) = (record.placement.clone(), record.assigned_at);
        self.effects.push(Effect::AttemptLost { task, attempt, placement, assigned_at, started_at: None });
        let setback = self.setback_mut(task);
        setback.failed_starts += 1;
        let failed_starts = setback.failed_starts;
        if stopping && cancel {
            self.finish(task, TaskState::Cancelled);
        } else if failed_starts >= self.config.max_failed_starts {
            self.finish(task, TaskState::Failed);
            self.effects.push(Effect::Ended { task, reason: None });
        } else {
            self.avoided.entry(task.slot).or_default().extend(workers);
            self.renew_plain();
            self.forgive_if_stuck(task.slot);
            self.requeue(task);
        }
        Ok(())
    }

    /// Forgets which workers a task avoids once no other active one could hold it: to try there again, a bounded
    /// number of times, is better than to wait for ever.
    pub(super) fn forgive_if_stuck(&mut self, slot: u32) {
        let (task, request) = (self.tasks.id_at(slot), &self.tasks.spec(slot).request);
        let elsewhere = self.worker_ids().any(|worker| {
            let record = &self.workers[worker.index()];
            self.check_open(task, worker, record).is_ok() && record.capacity.holds(request)
        });
        if !elsewhere {
            self.avoided.remove(&slot);
            self.renew_plain();
        }
    }

    fn join(&mut self, spec: WorkerSpec) -> Result<(), EventError> {
        check_gpus(&spec)?;
        let worker = WorkerId(u32::try_from(self.workers.len()).unwrap_or(u32::MAX));
        for (constraint, allowed) in self.constraints.iter().zip(&mut self.allowed).skip(1) {
            allowed.push(constraint.allows(&spec));
        }
        self.capacity.add_capacity(&spec.capacity);
        self.workers.push(WorkerRecord::new(spec.capacity, spec.speed));
        std::sync::Arc::make_mut(&mut self.specs).push(spec);
        self.build_indexes();
        self.tell(ClusterEvent::WorkerJoined(worker));
        Ok(())
    }

    fn cancel(&mut self, task: TaskId) -> Result<(), EventError> {
        let record = self.tasks.get_mut(task).ok_or(EventError::UnknownTask(task))?;
        let (state, attempt) = (record.state, record.attempt);
        if state.is_terminal() {
            return Err(EventError::WrongState { task, state });
        }
        if !state.holds_resources() {
            self.finish(task, TaskState::Cancelled);
            self.effects.push(Effect::Ended { task, reason: None });
            return Ok(());
        }
        record.after_stop = AfterStop::Cancel;
        record.state = TaskState::Stopping;
        if state != TaskState::Stopping {
            self.effects.push(Effect::Stop { task, attempt });
        }
        Ok(())
    }
}

/// The workers of a placement, each once.
pub(crate) fn distinct_workers(placement: &Placement) -> impl Iterator<Item = WorkerId> {
    let parts = placement.parts();
    parts.iter().enumerate().filter_map(move |(at, part)| {
        let seen = parts[..at].iter().any(|earlier| earlier.worker == part.worker);
        (!seen).then_some(part.worker)
    })
}
