//! From a decision of the strategy to a running container, and back.

use cloudai_schedulers::{Decision, Duration, Effect, Event, TaskState};
use serde_json::json;

use super::{Action, AttemptName, Delivery, MasterCore, Timer};
use crate::record::{Assignment, ResultRecord, Status, UnixMicros};

/// How long to wait before saying something again that was not answered.
const AGAIN: Duration = Duration::from_secs(1);

impl MasterCore {
    /// Carries out what the cluster asks for.
    pub(super) fn carry_out(&mut self) {
        loop {
            let mut effects = std::mem::take(&mut self.effects);
            self.cluster.take_effects(&mut effects);
            if effects.is_empty() {
                self.effects = effects;
                return;
            }
            for effect in effects.drain(..) {
                match effect {
                    Effect::Start { task, attempt } => self.start(task.index(), attempt),
                    Effect::Stop { task, .. } => {
                        let Some(entry) = self.tasks.get_mut(&task.index()) else { continue };
                        entry.stop_heard = false;
                        if std::mem::take(&mut entry.start_failed) {
                            // There is nothing to stop.
                            self.stopped(task.index(), "the start failed");
                        } else {
                            self.say_stop(task.index());
                        }
                    }
                    Effect::Ended { task, reason } => {
                        self.ended_waiting(task.index(), reason.map(std::borrow::Cow::into_owned));
                    }
                    Effect::WakeAt(at) => {
                        self.timers.insert((at, Timer::Wake));
                    }
                    // The event that led to it has seen to the task; there are no gangs and no transfers here.
                    Effect::AttemptLost { .. } | Effect::PartLost { .. } | Effect::TransferAt { .. } => {}
                }
            }
            if self.effects.is_empty() {
                self.effects = effects;
            }
        }
    }

    /// A task is assigned: its attempt is written down, and its worker hears of it once that is durable.
    fn start(&mut self, index: u32, attempt: u32) {
        let now = self.now_us();
        let Some(entry) = self.tasks.get_mut(&index) else { return };
        let view = self.cluster.view();
        let Some(&part) = view.task(entry.id).and_then(|task| task.placement().parts().first()) else {
            return;
        };
        let place = self.worker_of[part.worker.index()];
        let worker = &mut self.workers[place];
        worker.tasks.insert(index);
        let record = &mut entry.record;
        record.attempt = attempt;
        record.assigned_worker = Some(worker.record.worker_id.clone());
        record.assignment = Some(Assignment {
            worker_id: worker.record.worker_id.clone(),
            session: worker.record.registration,
            gpu_devices: part.devices.iter().collect(),
            assigned_at_us: now,
        });
        (record.started_at_us, record.exit_code, record.reason) = (None, None, None);
        (entry.taken, entry.stop_heard, entry.start_failed) = (false, false, false);
        let (task_id, worker_id) = (record.task_id.clone(), worker.record.worker_id.clone());
        self.note("assigned", json!({ "task_id": task_id, "attempt": attempt, "worker_id": worker_id }));
        self.keep(index);
        self.say_assign(index);
    }

    pub(super) fn say_assign(&mut self, index: u32) {
        let Some(entry) = self.tasks.get(&index) else { return };
        let Some(address) = self.address_of(index) else { return };
        self.out.then.push(Action::Assign { address, task: Box::new(entry.record.clone()) });
    }

    pub(super) fn say_stop(&mut self, index: u32) {
        let Some(entry) = self.tasks.get(&index) else { return };
        let Some(address) = self.address_of(index) else { return };
        let name = AttemptName { task_id: entry.record.task_id.clone(), attempt: entry.record.attempt };
        self.out.then.push(Action::Stop { address, name });
    }

    fn address_of(&self, index: u32) -> Option<String> {
        let worker = &self.tasks.get(&index)?.record.assignment.as_ref()?.worker_id;
        Some(self.workers[*self.worker_named.get(worker)?].record.worker_ip.clone())
    }

    /// The task whose current attempt this is.
    fn current_attempt(&self, name: &AttemptName) -> Option<u32> {
        let index = *self.named.get(&name.task_id)?;
        let record = &self.tasks.get(&index)?.record;
        (record.assignment.is_some() && record.attempt == name.attempt).then_some(index)
    }

    /// A worker has answered to an assignment.
    pub(super) fn assigned(&mut self, name: &AttemptName, delivery: Delivery) {
        let Some(index) = self.current_attempt(name) else { return };
        let Some(entry) = self.tasks.get_mut(&index).filter(|entry| !entry.taken) else { return };
        match delivery {
            Delivery::Taken => entry.taken = true,
            Delivery::Unanswered => {
                self.timers.insert((self.now() + AGAIN, Timer::Assign(index, name.attempt)));
            }
            Delivery::Stale => {
                // Its next registration opens a session; until then nothing more is sent there.
                self.close_session(index);
                self.lose(index, "the worker began a new session");
            }
            Delivery::Refused(reason) => {
                let worker_id = entry.record.assigned_worker.clone().unwrap_or_default();
                let result = ResultRecord {
                    task_id: name.task_id.clone(),
                    worker_id,
                    status: Status::Failed,
                    completed_at_us: self.now_us(),
                    attempt: name.attempt,
                    reason: Some(reason),
                    ..ResultRecord::default()
                };
                self.start_failed(index, result);
            }
        }
    }

    /// Says an assignment again that was not answered, unless it is of no interest any more.
    pub(super) fn assign_again(&mut self, index: u32, attempt: u32) {
        let wanted =
            self.tasks.get(&index).is_some_and(|entry| entry.record.attempt == attempt && !entry.taken);
        let assigned = self.state_of(index).is_some_and(|(_, state)| state == TaskState::Assigned);
        if wanted && assigned {
            self.say_assign(index);
        }
    }

    /// A worker has answered to a stop.
    pub(super) fn stopping(&mut self, name: &AttemptName, held: Option<bool>) {
        let Some(index) = self.current_attempt(name) else { return };
        let Some((_, TaskState::Stopping)) = self.state_of(index) else { return };
        match held {
            // Its result will say how it ended.
            Some(true) => {
                if let Some(entry) = self.tasks.get_mut(&index) {
                    entry.stop_heard = true;
                }
            }
            Some(false) => self.stopped(index, "stopped before it began"),
            None => {
                self.timers.insert((self.now() + AGAIN, Timer::Stop(index, name.attempt)));
            }
        }
    }

    pub(super) fn stop_again(&mut self, index: u32, attempt: u32) {
        let wanted =
            self.tasks.get(&index).is_some_and(|entry| entry.record.attempt == attempt && !entry.stop_heard);
        let stopping = self.state_of(index).is_some_and(|(_, state)| state == TaskState::Stopping);
        if wanted && stopping {
            self.say_stop(index);
        }
    }

    /// The start of the current attempt is confirmed; `started_at_us` is by the worker's clock.
    pub(super) fn confirm_start(&mut self, index: u32, started_at_us: UnixMicros) {
        let Some((task, state)) = self.state_of(index) else { return };
        let now = self.now_us();
        let Some(entry) = self.tasks.get_mut(&index) else { return };
        let record = &mut entry.record;
        if record.started_at_us.is_some() || !state.holds_resources() {
            return;
        }
        entry.taken = true;
        let assigned_at = record.assignment.as_ref().map_or(now, |held| held.assigned_at_us);
        // Clocks of two machines differ; a start lies behind its assignment all the same.
        record.started_at_us = Some(started_at_us.clamp(assigned_at.min(now), now));
        record.status = Status::Running;
        let attempt = record.attempt;
        let task_id = record.task_id.clone();
        Self::accepted(self.cluster.apply(Event::Started { task, attempt }));
        self.note("started", json!({ "task_id": task_id, "attempt": attempt }));
        self.keep(index);
    }

    /// The current attempt is over without a result: the task waits again, or is over if it was cancelled.
    pub(super) fn lose(&mut self, index: u32, reason: &str) {
        let Some((task, state)) = self.state_of(index) else { return };
        if !state.holds_resources() {
            return;
        }
        if state != TaskState::Stopping {
            let attempt = self.tasks.get(&index).map_or(0, |entry| entry.record.attempt);
            if let Err(error) = self.cluster.decide(Decision::Preempt { task, attempt }) {
                tracing::error!(%error, "an attempt that is lost cannot be given up");
                return;
            }
            self.carry_out_but_stop(task);
        }
        self.stopped(index, reason);
    }

    /// The stop that giving up asks for is not to be sent: there is nothing left to stop, or nobody to tell.
    fn carry_out_but_stop(&mut self, task: cloudai_schedulers::TaskId) {
        let mut effects = std::mem::take(&mut self.effects);
        self.cluster.take_effects(&mut effects);
        effects.retain(|effect| !matches!(effect, Effect::Stop { task: stopped, .. } if *stopped == task));
        self.effects = effects;
    }

    /// A stop is confirmed.
    fn stopped(&mut self, index: u32, reason: &str) {
        let Some((task, _)) = self.state_of(index) else { return };
        let Some(entry) = self.tasks.get(&index) else { return };
        let (attempt, cancelled) = (entry.record.attempt, entry.record.cancel_requested);
        let started = entry.record.started_at_us.is_some();
        Self::accepted(self.cluster.apply(Event::Stopped { task, attempt }));
        if cancelled {
            let result = ResultRecord {
                task_id: entry.record.task_id.clone(),
                worker_id: entry.record.assigned_worker.clone().filter(|_| started).unwrap_or_default(),
                status: Status::Cancelled,
                completed_at_us: self.now_us(),
                attempt,
                ..ResultRecord::default()
            };
            self.finish(index, result);
        } else {
            self.release(index, reason, "lost");
        }
    }

    /// The current attempt is over and the task waits again.
    pub(super) fn release(&mut self, index: u32, reason: &str, kind: &str) {
        let Some(entry) = self.tasks.get_mut(&index) else { return };
        let record = &mut entry.record;
        record.assignment = None;
        record.status = Status::Pending;
        record.started_at_us = None;
        record.reason = Some(reason.to_owned());
        let data = json!({ "task_id": record.task_id, "attempt": record.attempt, "reason": reason });
        self.note(kind, data);
        self.keep(index);
        self.leave_worker(index);
    }
}
