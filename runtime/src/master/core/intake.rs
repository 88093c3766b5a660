//! Submissions, cancellations, and results.

use cloudai_schedulers::{
    Duration, Event, FailureReason, FamilyId, Request, ShapeCount, TaskSpec, TaskState, Time, UserId,
};
use rand::RngExt as _;
use serde_json::json;

use super::{Answer, Entry, MasterCore, Problem, RECENT, Report, Ticket, Timer};
use crate::master::submission::{constraint_of, duration_of, request_of};
use crate::record::{ResultRecord, Status, TaskRecord, TaskRequest, cut_logs};
use crate::store::Write;

/// How long a task waits after its first and second failed start: a registry that is away for a moment must not fail it.
const PAUSES: [Duration; 2] = [Duration::from_secs(1), Duration::from_secs(4)];

/// What a worker says first of an image that is not there: no other worker will find it either.
const NO_SUCH_IMAGE: &str = "no such image";

impl MasterCore {
    pub(super) fn submit(&mut self, ticket: Ticket, requests: Vec<TaskRequest>) {
        let alive = self.tasks.len() + requests.len();
        if alive > self.settings.limits.alive {
            return self.refuse(ticket, Problem::Full(self.tasks.len(), self.settings.limits.alive));
        }
        let pins = requests.iter().filter_map(|request| request.pinned_to.as_ref());
        if let Some(unknown) = pins.into_iter().find(|&worker| !self.knows(worker)) {
            let unknown = unknown.clone();
            return self.refuse(ticket, Problem::UnknownWorker(unknown));
        }
        let first = self.next_index;
        for request in requests {
            let record = TaskRecord {
                task_id: format!("task-{}", self.word()),
                index: self.next_index,
                created_at_us: self.now_us(),
                request,
                ..TaskRecord::default()
            };
            self.next_index += 1;
            let index = record.index;
            self.admit(record);
            self.keep(index);
        }
        let records = self.tasks.range(first..).map(|(_, entry)| entry.record.clone()).collect();
        self.reply(ticket, Answer::Submitted(records));
    }

    fn knows(&self, worker_id: &str) -> bool {
        let place = self.worker_named.get(worker_id);
        place.is_some_and(|&place| !self.workers[place].record.forgotten)
    }

    /// 16 random letters and digits that are no task's yet; 80 bits, so that none is that of a task of old.
    fn word(&mut self) -> String {
        const LETTERS: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";
        loop {
            let word: String = (0..16).map(|_| char::from(LETTERS[self.ids.random_range(0..32)])).collect();
            if !self.named.contains_key(&format!("task-{word}")) {
                return word;
            }
        }
    }

    /// Lets a task into the cluster.
    pub(super) fn admit(&mut self, record: TaskRecord) {
        let request = request_of(&record.request);
        let constraint = self.cluster.intern_constraint(&constraint_of(&record.request));
        self.remember_shape(request, constraint);
        let family = format!("{}\n{}", record.request.user_id, record.request.docker_image);
        let time = |micros: i64| Time::from_micros(u64::try_from(micros).unwrap_or(0));
        let spec = TaskSpec {
            index: record.index,
            user: UserId(self.users.number(&record.request.user_id)),
            family: FamilyId(self.families.number(&family)),
            request,
            replicas: 1,
            constraint,
            arrival: time(record.created_at_us),
            estimate: record.request.estimate_s.map(duration_of),
            priority: record.request.priority,
            deadline: record.request.deadline_us.map(time),
        };
        let id = self.cluster.submit(spec);
        self.named.insert(record.task_id.clone(), record.index);
        self.tasks
            .insert(record.index, Entry { record, id, taken: false, stop_heard: false, start_failed: false });
    }

    fn remember_shape(&mut self, request: Request, constraint: cloudai_schedulers::ConstraintId) {
        if self.recent.len() == RECENT {
            self.recent.pop_front();
        }
        self.recent.push_back(ShapeCount { request, constraint, replicas: 1, count: 1 });
    }

    pub(super) fn cancel(&mut self, ticket: Ticket, task_id: &str) {
        let Some(&index) = self.named.get(task_id) else {
            return self.refuse(ticket, Problem::UnknownTask(task_id.to_owned()));
        };
        let Some(entry) = self.tasks.get_mut(&index) else { return };
        if !entry.record.cancel_requested {
            entry.record.cancel_requested = true;
            entry.record.reason = None;
            let task = entry.id;
            self.keep(index);
            Self::accepted(self.cluster.apply(Event::Cancelled { task }));
        }
        let before = self.task_view(index);
        self.carry_out();
        // A task that was waiting has ended by now.
        let view = self.task_view(index).or_else(|| {
            before.map(|mut view| {
                view.record.status = Status::Cancelled;
                view.record.completed_at_us = Some(self.now_us());
                view
            })
        });
        if let Some(view) = view {
            self.reply(ticket, Answer::Task(Box::new(view)));
        }
    }

    /// An attempt is over.
    pub(super) fn report(&mut self, ticket: Ticket, report: Report) {
        if let Some(index) = self.current(&report.result) {
            self.conclude(index, report);
        }
        // Of an attempt that is over already nothing is wanted any more. The answer waits for what is being written.
        self.reply(ticket, Answer::Stored);
    }

    /// The task whose current attempt, on that worker, the result is of.
    fn current(&self, result: &ResultRecord) -> Option<u32> {
        let index = *self.named.get(&result.task_id)?;
        let record = &self.tasks.get(&index)?.record;
        let assignment = record.assignment.as_ref()?;
        (record.attempt == result.attempt && assignment.worker_id == result.worker_id).then_some(index)
    }

    fn conclude(&mut self, index: u32, report: Report) {
        let Report { result, started_at_us } = report;
        if let Some(started_at_us) = started_at_us {
            self.confirm_start(index, started_at_us);
        }
        let Some((task, state)) = self.state_of(index) else { return };
        let attempt = result.attempt;
        match result.status {
            Status::Completed => {
                Self::accepted(self.cluster.apply(Event::Completed { task, attempt }));
                self.finish(index, result);
            }
            Status::Failed if started_at_us.is_none() => self.start_failed(index, result),
            Status::Failed => {
                let reason = FailureReason::Error;
                Self::accepted(self.cluster.apply(Event::Failed { task, attempt, reason }));
                self.finish(index, result);
            }
            // It was stopped: as somebody wanted, or because its worker was cut off.
            _ if state == TaskState::Stopping && self.is_cancelled(index) => {
                Self::accepted(self.cluster.apply(Event::Stopped { task, attempt }));
                self.finish(index, ResultRecord { status: Status::Cancelled, ..result });
            }
            _ => self.lose(index, result.reason.as_deref().unwrap_or("stopped")),
        }
    }

    /// An attempt never started: another one is made elsewhere, unless that has happened too often or is of no use.
    pub(super) fn start_failed(&mut self, index: u32, result: ResultRecord) {
        let Some((task, state)) = self.state_of(index) else { return };
        let attempt = result.attempt;
        let reason = result.reason.clone().unwrap_or_else(|| "the start failed".to_owned());
        let Some(entry) = self.tasks.get_mut(&index) else { return };
        entry.record.failed_starts += 1;
        let failed = entry.record.failed_starts;
        let cancelled = entry.record.cancel_requested;
        let hopeless = failed >= self.settings.max_failed_starts;
        if state != TaskState::Stopping && (hopeless || reason.starts_with(NO_SUCH_IMAGE)) {
            Self::accepted(self.cluster.apply(Event::Failed { task, attempt, reason: FailureReason::Error }));
            self.finish(index, result);
        } else if state == TaskState::Stopping && cancelled {
            Self::accepted(self.cluster.apply(Event::Stopped { task, attempt }));
            self.finish(index, ResultRecord { status: Status::Cancelled, ..result });
        } else if state == TaskState::Stopping || state == TaskState::Running {
            self.lose(index, &reason);
        } else {
            entry.start_failed = true;
            let pause = PAUSES[(failed as usize - 1).min(PAUSES.len() - 1)];
            self.timers.insert((self.now() + pause, Timer::Retry(index, attempt)));
            self.release(index, &reason, "start_failed");
        }
    }

    /// A task has ended: writes its record and its result, and forgets it.
    pub(super) fn finish(&mut self, index: u32, result: ResultRecord) {
        let now = self.now_us();
        let Some(entry) = self.tasks.get_mut(&index) else { return };
        let record = &mut entry.record;
        let assigned_at = record.assignment.as_ref().map_or(record.created_at_us, |held| held.assigned_at_us);
        record.status = result.status;
        record.completed_at_us =
            Some(result.completed_at_us.clamp(record.started_at_us.unwrap_or(assigned_at), now));
        record.exit_code = record.started_at_us.map(|_| result.exit_code);
        // That somebody cancelled it is its status.
        record.reason = result.reason.clone().filter(|_| result.status != Status::Cancelled);
        record.assignment = None;
        let result = ResultRecord {
            logs: cut_logs(&result.logs),
            completed_at_us: record.completed_at_us.unwrap_or(now),
            reason: record.reason.clone(),
            ..result
        };
        match result.status {
            Status::Completed => self.ended.completed += 1,
            Status::Cancelled => self.ended.cancelled += 1,
            _ => self.ended.failed += 1,
        }
        let (task_id, attempt) = (result.task_id.clone(), result.attempt);
        self.note("ended", json!({ "task_id": task_id, "attempt": attempt, "status": result.status }));
        self.out.writes.push(Write::Result(Box::new(result)));
        self.keep(index);
        self.leave_worker(index);
        self.tasks.remove(&index);
        self.named.remove(&task_id);
    }

    /// The pause after a failed start is over: the task is queued again, and the cluster avoids the worker from now on.
    pub(super) fn try_again(&mut self, index: u32, attempt: u32) {
        let Some((task, TaskState::Assigned)) = self.state_of(index) else { return };
        let Some(entry) = self.tasks.get_mut(&index) else { return };
        if entry.record.attempt == attempt && std::mem::take(&mut entry.start_failed) {
            Self::accepted(self.cluster.apply(Event::StartFailed { task, attempt }));
        }
    }

    /// The state of a task in the cluster.
    pub(super) fn state_of(&self, index: u32) -> Option<(cloudai_schedulers::TaskId, TaskState)> {
        let entry = self.tasks.get(&index)?;
        Some((entry.id, self.cluster.view().task(entry.id)?.state()))
    }

    fn is_cancelled(&self, index: u32) -> bool {
        self.tasks.get(&index).is_some_and(|entry| entry.record.cancel_requested)
    }

    /// A task that waited has ended: somebody cancelled it, or the strategy turned it away.
    pub(super) fn ended_waiting(&mut self, index: u32, reason: Option<String>) {
        let now = self.now_us();
        let Some(entry) = self.tasks.get_mut(&index) else { return };
        let status = if entry.record.cancel_requested { Status::Cancelled } else { Status::Failed };
        let reason = reason.or_else(|| entry.record.reason.clone());
        entry.record.reason.clone_from(&reason);
        let result = ResultRecord {
            task_id: entry.record.task_id.clone(),
            worker_id: String::new(),
            status,
            completed_at_us: now,
            attempt: entry.record.attempt,
            reason,
            ..ResultRecord::default()
        };
        self.finish(index, result);
    }

    /// Takes a task off the list of its worker; a worker that waits to join anew may do so.
    pub(super) fn leave_worker(&mut self, index: u32) {
        let worker = self.tasks.get(&index).and_then(|entry| entry.record.assigned_worker.as_ref());
        if let Some(&place) = worker.and_then(|worker| self.worker_named.get(worker)) {
            self.workers[place].tasks.remove(&index);
            self.rejoin_if_empty(place);
        }
    }
}
