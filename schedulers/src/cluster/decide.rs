//! How decisions are checked and carried out.

use std::borrow::Cow;

use super::Cluster;
use super::decision::{Decision, DecisionBatch, Refusal, Resource};
use super::event::{ClusterEvent, Effect};
use super::placement::{DeviceSet, Part, Placement, choose_devices};
use super::task::{AfterStop, TaskState};
use super::worker::{WorkerRecord, WorkerState};
use crate::context::SchedulingContext;
use crate::model::{Duration, MILLI_PER_GPU, Request, TaskId, Time, WorkerId};
use crate::scheduler::Scheduler;

impl Cluster {
    /// Lets the strategy look at the cluster and decide, once.
    pub fn pass(&mut self, strategy: &mut dyn Scheduler) {
        self.advance_lanes();
        strategy.schedule(&mut SchedulingContext::new(self));
        self.advance_lanes();
    }

    /// Starts, on every worker where something changed, what is at the head of the lane and fits, in worker order.
    #[inline]
    pub fn advance_lanes(&mut self) {
        if !self.dirty_lanes.is_empty() {
            self.advance_dirty_lanes();
        }
    }

    #[inline(never)]
    fn advance_dirty_lanes(&mut self) {
        let mut dirty = std::mem::take(&mut self.dirty_lanes);
        dirty.sort_unstable();
        dirty.dedup();
        for worker in dirty.drain(..) {
            while let Some(&task) = self.workers[worker.index()].lane.front() {
                if !self.start_from_lane(task, worker) {
                    break;
                }
                self.version += 1;
                self.tell(ClusterEvent::LaneStarted(task));
            }
        }
        self.dirty_lanes = dirty;
    }

    /// Applies decisions made outside a pass, in order; one answer each.
    pub fn apply_batch(&mut self, batch: &DecisionBatch) -> Vec<Result<(), Refusal>> {
        let answers = batch.decisions.iter().map(|decision| self.decide(decision.clone())).collect();
        self.advance_lanes();
        answers
    }

    /// Checks one decision and carries it out.
    ///
    /// # Errors
    /// Says why it was refused; the cluster is unchanged then.
    pub fn decide(&mut self, decision: Decision) -> Result<(), Refusal> {
        match decision {
            Decision::Assign { task, placement } => return self.assign(task, &placement),
            Decision::Bind { task, worker } => self.bind(task, worker)?,
            Decision::Preempt { task, attempt } => self.preempt(task, attempt)?,
            Decision::Reject { task, reason } => self.reject(task, reason)?,
            Decision::WakeAt(at) => {
                if at <= self.now {
                    return Err(Refusal::WakeNotAhead { at, now: self.now });
                }
                self.effects.push(Effect::WakeAt(at));
            }
        }
        self.version += 1;
        Ok(())
    }

    fn reject(&mut self, task: TaskId, reason: Cow<'static, str>) -> Result<(), Refusal> {
        let state = self.known(task)?;
        if !(state.is_waiting() || state == TaskState::Blocked) {
            return Err(Refusal::WrongState { task, state });
        }
        self.finish(task, TaskState::Rejected);
        self.effects.push(Effect::Ended { task, reason: Some(reason) });
        Ok(())
    }

    fn known(&self, task: TaskId) -> Result<TaskState, Refusal> {
        self.tasks.get(task).map(|record| record.state).ok_or(Refusal::UnknownTask(task))
    }

    /// Carries out [`Decision::Assign`].
    pub(crate) fn assign(&mut self, task: TaskId, placement: &Placement) -> Result<(), Refusal> {
        if let Some(Part { worker, replicas: 1, devices: DeviceSet::EMPTY }) = placement.only()
            && self.assign_plain(task, worker)
        {
            return Ok(());
        }
        self.assign_checked(task, placement)
    }

    #[inline(never)]
    fn assign_checked(&mut self, task: TaskId, placement: &Placement) -> Result<(), Refusal> {
        let state = self.known(task)?;
        if state != TaskState::Queued {
            return Err(Refusal::WrongState { task, state });
        }
        self.check_and_hold(task, placement)?;
        self.queue.remove(&mut self.tasks, task.slot);
        self.start(task, placement);
        self.version += 1;
        Ok(())
    }

    /// Checks every part of a placement and takes its resources; takes nothing if any part is refused.
    fn check_and_hold(&mut self, task: TaskId, placement: &Placement) -> Result<(), Refusal> {
        let spec = self.tasks.spec(task.slot);
        let (request, expected) = (spec.request, spec.replicas);
        match placement.parts() {
            [part] if part.replicas == 1 && expected == 1 => {
                self.check_part(task, &request, part)?;
                self.change_held(&request, part, true);
                Ok(())
            }
            parts => self.check_and_hold_parts(task, &request, expected, parts),
        }
    }

    fn check_and_hold_parts(
        &mut self,
        task: TaskId,
        request: &Request,
        expected: u32,
        parts: &[Part],
    ) -> Result<(), Refusal> {
        let placed: u64 = parts.iter().map(|part| u64::from(part.replicas)).sum();
        if placed != u64::from(expected) || parts.iter().any(|part| part.replicas == 0) {
            return Err(Refusal::WrongReplicas { task, expected, placed });
        }
        for (at, part) in parts.iter().enumerate() {
            if let Err(refusal) = self.check_part(task, request, part) {
                for held in &parts[..at] {
                    self.change_held(request, held, false);
                }
                return Err(refusal);
            }
            self.change_held(request, part, true);
        }
        Ok(())
    }

    #[inline]
    pub(super) fn check_part(&self, task: TaskId, request: &Request, part: &Part) -> Result<(), Refusal> {
        let worker = part.worker;
        let record = self.workers.get(worker.index()).ok_or(Refusal::UnknownWorker(worker))?;
        self.check_open(task, worker, record)?;
        let until = self.ready_at(task, worker);
        if until > self.now {
            return Err(Refusal::NotReady { task, worker, until });
        }
        if !(part.replicas == 1 && record.room.holds(request)) {
            check_amounts(request, part, record)?;
        }
        if request.gpu.is_none() && part.devices.is_empty() {
            return Ok(());
        }
        check_devices(task, request, part, record)
    }

    /// The worker takes work, and this task may run there.
    #[inline]
    pub(super) fn check_open(
        &self,
        task: TaskId,
        worker: WorkerId,
        record: &WorkerRecord,
    ) -> Result<(), Refusal> {
        if record.state != WorkerState::Active {
            return Err(Refusal::WorkerNotActive { worker, state: record.state });
        }
        if !self.is_allowed(task, worker) {
            return Err(Refusal::NotAllowed { task, worker });
        }
        if self.is_avoided(task, worker) {
            return Err(Refusal::Avoided { task, worker });
        }
        Ok(())
    }

    /// A new attempt, on resources that are already held.
    fn start(&mut self, task: TaskId, placement: &Placement) {
        if let Some(part) = placement.only() {
            self.start_part(task, part);
            return;
        }
        let expected = self.expected_nominal_at(task.slot);
        let run = self.run_time_of(task, placement, expected);
        let expected_end = self.now + self.config.startup_latency + run;
        self.list_gang(task, placement, expected_end);
        let request = self.tasks.spec(task.slot).request;
        for part in placement.parts() {
            self.change_committed(part.worker, &request, part.replicas, true);
        }
        self.tasks.at_mut(task.slot).placement = placement.clone();
        self.begin_attempt(task, expected, expected_end);
    }

    /// The same for a placement in one part.
    #[inline(always)]
    fn start_part(&mut self, task: TaskId, part: Part) {
        let expected = self.expected_nominal_at(task.slot);
        let run = self.run_time_on(task, part.worker, expected);
        let expected_end = self.now + self.config.startup_latency + run;
        self.list_on(task, part.worker, expected_end);
        if self.least.is_some() {
            let request = self.tasks.spec(task.slot).request;
            self.change_least(part.worker, &request, part.replicas, true);
        }
        self.tasks.at_mut(task.slot).placement = Placement::one(part);
        self.begin_attempt(task, expected, expected_end);
    }

    #[inline(always)]
    fn begin_attempt(&mut self, task: TaskId, expected: Duration, expected_end: Time) {
        let now = self.now;
        let record = self.tasks.at_mut(task.slot);
        record.state = TaskState::Assigned;
        record.after_stop = AfterStop::Requeue;
        record.attempt += 1;
        (record.assigned_at, record.started_at) = (now, Time::NEVER);
        (record.expected, record.expected_end) = (expected, expected_end);
        let attempt = record.attempt;
        self.holding += 1;
        self.effects.push(Effect::Start { task, attempt });
    }

    fn bind(&mut self, task: TaskId, worker: WorkerId) -> Result<(), Refusal> {
        let state = self.known(task)?;
        if !matches!(state, TaskState::Queued | TaskState::Blocked) {
            return Err(Refusal::WrongState { task, state });
        }
        let record = self.workers.get(worker.index()).ok_or(Refusal::UnknownWorker(worker))?;
        self.check_open(task, worker, record)?;
        let spec = self.tasks.spec(task.slot);
        if spec.replicas != 1 {
            return Err(Refusal::GangInLane(task));
        }
        if !record.capacity.holds(&spec.request) {
            return Err(Refusal::NeverFits { task, worker });
        }
        let request = spec.request;
        if state == TaskState::Queued {
            self.queue.remove(&mut self.tasks, task.slot);
        } else {
            self.blocked -= 1;
        }
        let record = self.tasks.at_mut(task.slot);
        record.state = TaskState::Bound;
        record.lane = Some(worker);
        self.bound += 1;
        self.change_committed(worker, &request, 1, true);
        self.workers[worker.index()].lane.push_back(task);
        if self.workers[worker.index()].lane.len() == 1 {
            self.start_from_lane(task, worker);
        }
        Ok(())
    }

    /// Starts the head of a lane if its predecessors have completed, its data is there and it fits.
    fn start_from_lane(&mut self, task: TaskId, worker: WorkerId) -> bool {
        if self.graph.node(task.index).is_some_and(|node| node.open_predecessors > 0) {
            return false;
        }
        let request = self.tasks.spec(task.slot).request;
        let Some(devices) = choose_devices(&self.workers[worker.index()].devices, request.gpu) else {
            return false;
        };
        let placement = Placement::single(worker, devices);
        if self.check_and_hold(task, &placement).is_err() {
            return false;
        }
        self.workers[worker.index()].lane.pop_front();
        self.bound -= 1;
        // What waited here runs here now: the committed work is the same, `start` adds it again.
        self.change_committed(worker, &request, 1, false);
        self.start(task, &placement);
        true
    }

    fn preempt(&mut self, task: TaskId, attempt: u32) -> Result<(), Refusal> {
        let record = self.tasks.get_mut(task).ok_or(Refusal::UnknownTask(task))?;
        if !matches!(record.state, TaskState::Assigned | TaskState::Running) {
            return Err(Refusal::WrongState { task, state: record.state });
        }
        if record.attempt != attempt {
            return Err(Refusal::StaleAttempt { task, attempt, current: record.attempt });
        }
        record.state = TaskState::Stopping;
        record.after_stop = AfterStop::Requeue;
        self.effects.push(Effect::Stop { task, attempt });
        Ok(())
    }
}

/// There is enough cpu, memory and storage for every replica of a part.
fn check_amounts(request: &Request, part: &Part, record: &WorkerRecord) -> Result<(), Refusal> {
    let worker = part.worker;
    let enough = |resource, need: u64, free: u64| match need.checked_mul(u64::from(part.replicas)) {
        Some(needed) if needed <= free => Ok(()),
        needed => {
            let needed = needed.unwrap_or(u64::MAX);
            Err(Refusal::DoesNotFit { worker, resource, needed, free })
        }
    };
    enough(Resource::Cpu, request.cpu_milli, record.room.cpu_milli)?;
    enough(Resource::Memory, request.memory_mib, record.room.memory_mib)?;
    enough(Resource::Storage, request.storage_mib, record.room.storage_mib)
}

/// The devices of a part exist, are as many as asked for, and have enough left.
fn check_devices(task: TaskId, request: &Request, part: &Part, record: &WorkerRecord) -> Result<(), Refusal> {
    let gpu = request.gpu;
    // No device was chosen because there is none: that says more than that the choice is wrong.
    if part.devices.is_empty() && choose_devices(&record.devices, gpu).is_none() {
        let (worker, resource, needed) = (part.worker, Resource::Gpu, u64::from(gpu.milli()));
        let whole = u64::from(record.room.free_gpus) * u64::from(MILLI_PER_GPU);
        let free = if gpu.is_fraction() { u64::from(record.room.widest_gpu) } else { whole };
        return Err(Refusal::DoesNotFit { worker, resource, needed, free });
    }
    let expected =
        if gpu.is_fraction() { 1 } else { u64::from(gpu.whole_devices()) * u64::from(part.replicas) };
    let exist = part.devices.iter().all(|device| (device as usize) < record.devices.len());
    if u64::from(part.devices.len()) != expected || !exist {
        return Err(Refusal::WrongDevices { task, worker: part.worker });
    }
    let needed = if gpu.is_fraction() {
        u64::from(gpu.milli()) * u64::from(part.replicas)
    } else {
        u64::from(MILLI_PER_GPU)
    };
    for device in part.devices.iter() {
        let free = u64::from(record.devices[device as usize]);
        if free < needed {
            return Err(Refusal::DoesNotFit { worker: part.worker, resource: Resource::Gpu, needed, free });
        }
    }
    Ok(())
}
