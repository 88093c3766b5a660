//! Attempts that start and end, and what observers hear of them.

use std::sync::atomic::Ordering;

use cloudai_schedulers::{
    Checkpoints, Cluster, Decision, DeviceSet, Duration, Event, EventError, FailureReason, Part, Placement,
    Progress, TaskId, TaskState, Time, WorkerId,
};

use super::completions::{index_of, key_of, slot_of};
use super::{Engine, HORIZON};
use crate::error::SimError;
use crate::observers::{Attempt, AttemptEnd, EndedWaiting, Observer};

/// Ended tasks are counted in steps of this many.
pub(super) const ENDED_PER_TICK: u64 = 256;

/// An attempt that is over, as the core knew it.
pub(super) struct OverAttempt {
    pub(super) task: TaskId,
    pub(super) attempt: u32,
    pub(super) placement: Placement,
    pub(super) assigned: Time,
    pub(super) start: Option<Time>,
    /// How long it was expected to run.
    pub(super) expected: Duration,
    pub(super) status: AttemptEnd,
}

/// What a plain task holds of a worker.
#[inline(always)]
const fn plain_part(worker: WorkerId) -> Part {
    Part { worker, replicas: 1, devices: DeviceSet::EMPTY }
}

impl<O: Observer> Engine<'_, O> {
    /// An attempt was assigned: it runs as soon as its start is confirmed.
    #[inline(always)]
    pub(super) fn start(&mut self, task: TaskId, attempt: u32, now: Time) -> Result<(), SimError> {
        if self.run_times.are_plain()
            && let Some(worker) = self.cluster.confirm_plain_start(task, attempt)
        {
            self.stats.events += 1;
            self.observer.held_changed(&[plain_part(worker)], &self.cluster);
            let end = self.tasks.start_plain(task, worker, now, &self.run_times);
            return self.ends_at(task, end);
        }
        if let Some(task) = self.cluster.view().task(task) {
            self.observer.held_changed(task.placement().parts(), &self.cluster);
        }
        if self.settings.startup_latency == Duration::ZERO {
            return self.confirm_start(task, attempt);
        }
        let at = now + self.settings.startup_latency;
        self.schedule(at, task.index(), Event::Started { task, attempt });
        Ok(())
    }

    /// When a stop that begins now is confirmed. While progress is being saved, none is made.
    pub(super) fn stop_at(&mut self, task: TaskId, now: Time) -> Time {
        let at = now + self.settings.stop_latency;
        let saving = self.checkpoints.map_or(Duration::ZERO, Checkpoints::stop_overhead);
        if saving == Duration::ZERO || self.cluster.view().is_broken(task) {
            return at;
        }
        if self.tasks.ends_after(task, at) {
            self.forget_end(task);
        }
        self.failures.saves_from(task, at);
        at + saving
    }

    /// An attempt does not end by itself any more.
    #[inline(always)]
    pub(super) fn forget_end(&mut self, task: TaskId) {
        self.stopped_ends += u64::from(self.tasks.forget_end(task));
    }

    /// Confirms a start, and lets the task end when its true run time or its limit is over.
    pub(super) fn confirm_start(&mut self, task: TaskId, attempt: u32) -> Result<(), SimError> {
        if self.cluster.view().is_broken(task) {
            return Ok(()); // A gang that lost a worker before it came to run.
        }
        self.stats.events += 1;
        match self.cluster.confirm_start(task, attempt) {
            Ok(()) => {}
            // The attempt was stopped, or is being stopped, before it came to run.
            Err(
                EventError::StaleAttempt { .. } | EventError::UnknownTask(_) | EventError::WrongState { .. },
            ) => {
                return Ok(());
            }
            Err(error) => return Err(error.into()),
        }
        let Some(seen) = self.cluster.view().task(task) else { return Ok(()) };
        let end = self.tasks.start(task, seen.placement(), self.cluster.now(), &self.run_times);
        self.ends_at(task, end)
    }

    /// An attempt has started and ends then by itself.
    #[inline(always)]
    fn ends_at(&mut self, task: TaskId, end: Time) -> Result<(), SimError> {
        if end > HORIZON {
            return Err(self.beyond_horizon(task, end));
        }
        if end > self.failures.saving(task) {
            self.tasks.forget_end(task);
        } else {
            self.completions.push(key_of(end, task));
        }
        Ok(())
    }

    #[cold]
    fn beyond_horizon(&self, task: TaskId, end: Time) -> SimError {
        SimError::BeyondHorizon { task: self.names(&[task]).concat(), end, horizon: HORIZON }
    }

    /// A task ends by itself or at its limit, unless the heap's entry is of an attempt that was stopped.
    #[inline(always)]
    pub(super) fn complete(&mut self, key: u128, now: Time) -> Result<(), SimError> {
        // With no attempt stopped, every key is that of one that ends now.
        if self.stopped_ends == 0 && self.run_times.are_plain() && self.failures.nothing_stands_still() {
            return self.complete_whole(slot_of(key), now);
        }
        let Some((task, killed)) = self.tasks.take_ending(index_of(key), slot_of(key), now) else {
            self.stopped_ends = self.stopped_ends.saturating_sub(1);
            return Ok(());
        };
        if killed {
            return self.kill(task, now);
        }
        self.end_attempt(task, AttemptEnd::Completed, now, Cluster::complete)
    }

    /// A task completes that has lost nothing and saves nothing: as [`end_attempt`](Self::end_attempt), with less to ask for.
    #[inline(always)]
    fn complete_whole(&mut self, slot: usize, now: Time) -> Result<(), SimError> {
        let Some(seen) = self.cluster.view().tenant(slot) else { return Ok(()) };
        let task = seen.id();
        let (record, placement, start) = (self.tasks.get(task), seen.placement(), seen.started_at());
        let attempt = seen.attempt();
        self.observer.attempt_ended(&Attempt {
            task,
            name: self.tasks.name(task),
            spec: seen.spec(),
            placement,
            attempt,
            eligible: seen.eligible(),
            assigned: seen.assigned_at().unwrap_or(now),
            start,
            first_start: if attempt == 1 { start } else { record.first_start() },
            end: now,
            status: AttemptEnd::Completed,
            expected: self.run_times.nominal_on(seen.expected_at_start(), placement),
            lost: Duration::ZERO,
            overhead: Duration::ZERO,
        })?;
        self.stats.events += 1;
        if let Some(worker) = self.cluster.complete_plain(task, attempt) {
            self.observer.held_changed(&[plain_part(worker)], &self.cluster);
        } else {
            self.cluster.complete(task, attempt)?;
            // The core keeps what has ended until the end of the instant.
            if let Some(ended) = self.cluster.view().task(task) {
                self.observer.held_changed(ended.placement().parts(), &self.cluster);
            }
        }
        self.count_ended();
        Ok(())
    }

    #[inline(never)]
    fn kill(&mut self, task: TaskId, now: Time) -> Result<(), SimError> {
        self.end_attempt(task, AttemptEnd::TimedOut, now, |cluster, task, attempt| {
            cluster.apply(Event::Failed { task, attempt, reason: FailureReason::TimeLimit })
        })
    }

    pub(super) fn confirm_stop(&mut self, task: TaskId, attempt: u32, now: Time) -> Result<(), SimError> {
        let view = self.cluster.view();
        let stopping =
            view.task(task).filter(|task| task.attempt() == attempt && task.state() == TaskState::Stopping);
        let Some(stopping) = stopping else { return Ok(()) }; // It ended before the stop took effect.
        let status = if stopping.is_cancelled() {
            AttemptEnd::Cancelled
        } else if view.is_broken(task) {
            AttemptEnd::Lost
        } else {
            AttemptEnd::Preempted
        };
        self.end_attempt(task, status, now, |cluster, task, attempt| {
            cluster.apply(Event::Stopped { task, attempt })
        })
    }

    /// Reports the current attempt as it was, and ends it.
    #[inline(always)]
    fn end_attempt(
        &mut self,
        task: TaskId,
        status: AttemptEnd,
        now: Time,
        end: impl FnOnce(&mut Cluster, TaskId, u32) -> Result<(), EventError>,
    ) -> Result<(), SimError> {
        let view = self.cluster.view();
        let (Some(seen), Some(placement)) = (view.task(task), view.assigned_placement(task)) else {
            return Ok(());
        };
        let (placement, start) = (placement.clone(), seen.started_at());
        let expected = match (start, seen.expected_end()) {
            // Checkpoints and what was saved earlier are in it.
            (Some(start), Some(end)) if self.checkpoints.is_some() => end - start,
            _ => self.run_times.nominal_on(seen.expected_at_start(), &placement),
        };
        let (attempt, assigned) = (seen.attempt(), seen.assigned_at().unwrap_or(now));
        let over = OverAttempt { task, attempt, placement, assigned, start, expected, status };
        self.report_attempt(&over, now)?;
        self.forget_end(task);
        self.stats.events += 1;
        end(&mut self.cluster, task, attempt)?;
        self.observer.held_changed(over.placement.parts(), &self.cluster);
        if !status.is_retried() {
            self.count_ended();
        }
        Ok(())
    }

    /// Tells the observer of an attempt that is over, and keeps the progress that it has saved.
    #[inline(always)]
    pub(super) fn report_attempt(&mut self, over: &OverAttempt, now: Time) -> Result<(), SimError> {
        let OverAttempt { task, ref placement, status, .. } = *over;
        let Some(seen) = self.cluster.view().task(task) else { return Ok(()) };
        let standstill = self.failures.take_standstill(task);
        let ran_until = standstill.broken.unwrap_or(now);
        let since_start = |until: Time| over.start.map_or(Duration::ZERO, |start| until - start);
        let ran = since_start(ran_until);
        let record = self.tasks.get(task);
        let progress = self.checkpoints.map_or(Progress { work: ran, saved: Duration::ZERO }, |costs| {
            let stopped = status == AttemptEnd::Preempted;
            // One that is lost while it saves had worked until it began to.
            let worked_until = standstill.saving.filter(|_| !stopped).unwrap_or(ran_until).min(ran_until);
            costs.progress(since_start(worked_until), record.is_resumed(), stopped)
        });
        let lost =
            if status.is_retried() { progress.work.saturating_sub(progress.saved) } else { Duration::ZERO };
        self.observer.attempt_ended(&Attempt {
            task,
            name: self.tasks.name(task),
            spec: seen.spec(),
            placement,
            attempt: over.attempt,
            eligible: seen.eligible(),
            assigned: over.assigned,
            start: over.start,
            first_start: record.first_start(),
            end: now,
            status,
            expected: over.expected,
            lost,
            overhead: ran.saturating_sub(progress.work),
        })?;
        if status.is_retried() {
            return self.keep_progress(task, placement, status, progress);
        }
        Ok(())
    }

    /// Keeps what an attempt whose task goes back to the queue has saved.
    #[inline(never)]
    fn keep_progress(
        &mut self,
        task: TaskId,
        placement: &Placement,
        status: AttemptEnd,
        progress: Progress,
    ) -> Result<(), SimError> {
        let saved = progress.saved > Duration::ZERO;
        if saved {
            let work = self.tasks.save_progress(task, placement, progress.saved, &self.run_times);
            // One that has failed, lost too often, has no use for it.
            if !self.cluster.view().task(task).is_some_and(|task| task.state().is_terminal()) {
                self.apply(Event::Saved { task, work })?;
            }
        }
        self.patience.attempt_was_retried(status, saved);
        if self.patience.is_tried() {
            return self.check_patience();
        }
        Ok(())
    }

    /// A task that was waiting has ended.
    #[inline(never)]
    pub(super) fn end_waiting(&mut self, task: TaskId, now: Time) -> Result<(), SimError> {
        let view = self.cluster.view();
        let Some(ended) = view.task(task) else { return Ok(()) };
        let status = match ended.state() {
            TaskState::Rejected => "rejected",
            TaskState::Cancelled => "cancelled",
            _ => "failed",
        };
        let record = self.tasks.get(task);
        self.observer.ended_waiting(&EndedWaiting {
            task,
            name: self.tasks.name(task),
            spec: ended.spec(),
            status,
            end: now,
            attempts: ended.attempt(),
            eligible: ended.eligible(),
            first_start: record.first_start(),
        })?;
        self.count_ended();
        Ok(())
    }

    #[inline(always)]
    pub(super) fn count_ended(&mut self) {
        self.patience.task_ended();
        self.stats.tasks += 1;
        if self.stats.tasks.is_multiple_of(ENDED_PER_TICK)
            && let Some(ended) = self.hooks.ended
        {
            ended.fetch_add(ENDED_PER_TICK, Ordering::Relaxed);
        }
    }

    /// `on_full = "reject"`: what the pass has left waiting is turned away, unless it has been started before.
    #[inline(never)]
    pub(super) fn reject_waiting(&mut self, now: Time) -> Result<(), SimError> {
        let view = self.cluster.view();
        let mut waiting: Vec<TaskId> = view.queue().collect();
        if self.cluster.waiting() > view.queue_len() {
            waiting.extend(view.workers().flat_map(|worker| worker.lane()));
        }
        waiting.retain(|&task| view.task(task).is_some_and(|task| task.attempt() == 0));
        waiting.sort_unstable();
        for task in waiting {
            // What waits can be rejected; the core has nothing against it.
            let _ = self.cluster.decide(Decision::Reject { task, reason: "the cluster is full".into() });
        }
        self.carry_out(now)
    }
}
