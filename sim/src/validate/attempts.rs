//! The rows of a schedule as attempts, and whether every task is there and ends once.

use std::ops::Range;

use cloudai_schedulers::{DeviceSet, Duration, Request, Time};
use cloudai_workloads::{AttemptStatus, Schedule, SchedulePart, ScheduleRow};

use super::plan::Plan;
use super::verdict::{At, Findings};

const TASKS: &str = "tasks";
const ATTEMPTS: &str = "attempts";
const GANGS: &str = "gangs";

/// One attempt of a task.
#[derive(Clone, Debug)]
pub(super) struct Attempt {
    pub(super) task: u32,
    pub(super) number: u32,
    pub(super) line: u64,
    /// When it took its resources: its start less the start-up latency.
    pub(super) assigned: Option<Time>,
    pub(super) start: Option<Time>,
    pub(super) end: Option<Time>,
    pub(super) status: Option<AttemptStatus>,
    /// It is but a part of a gang whose parts do not run at the same time.
    pub(super) is_split: bool,
    /// Its row in the schedule.
    pub(super) row: usize,
    parts: Range<usize>,
}

impl Attempt {
    /// Where a violation by this attempt is.
    pub(super) fn at(&self) -> At {
        At { time: self.assigned.or(self.end), task: Some(self.task), line: Some(self.line) }
    }

    /// True if the task was to go back to the queue afterwards.
    pub(super) fn is_retried(&self) -> bool {
        self.status.is_some_and(AttemptStatus::is_retried)
    }
}

/// All attempts, by (task, number).
#[derive(Debug)]
pub(super) struct Attempts {
    pub(super) all: Vec<Attempt>,
    parts: Vec<SchedulePart>,
    first: Vec<usize>,
    /// The file says which GPU devices were used.
    pub(super) has_devices: bool,
    /// For each task the attempt that completed it.
    pub(super) completed: Vec<Option<usize>>,
    /// For each task the later of its arrival and its last predecessor's end.
    pub(super) eligible: Vec<Time>,
}

impl Attempts {
    pub(super) fn gather(plan: &Plan<'_>, schedule: &Schedule, findings: &mut Findings) -> Self {
        let rows = numbered(plan, schedule);
        let task_of = |&(_, place): &(u32, usize)| schedule.rows[place].task;
        let mut attempts = Self {
            all: Vec::with_capacity(rows.len()),
            parts: Vec::with_capacity(rows.len()),
            first: vec![0; plan.tasks.len() + 1],
            has_devices: schedule.has_devices,
            completed: vec![None; plan.tasks.len()],
            eligible: Vec::new(),
        };
        findings.checked(TASKS, "tasks", plan.tasks.len() as u64);
        for unknown in schedule.unknown.iter().filter(|unknown| unknown.worker_of.is_none()) {
            let at = At { line: Some(unknown.line), ..At::default() };
            findings.found(TASKS, at, || format!("the scenario has no task '{}'", unknown.id));
        }
        for group in rows.chunk_by(|a, b| (task_of(a), a.0) == (task_of(b), b.0)) {
            attempts.add(plan, schedule, group, findings);
        }
        for attempt in &attempts.all {
            attempts.first[attempt.task as usize + 1] += 1;
        }
        for task in 0..plan.tasks.len() {
            attempts.first[task + 1] += attempts.first[task];
        }
        findings.checked(ATTEMPTS, "attempts", attempts.all.len() as u64);
        for task in (0u32..).take(plan.tasks.len()) {
            attempts.check_life(plan, task, findings);
        }
        attempts.eligible =
            (0u32..).take(plan.tasks.len()).map(|task| attempts.eligible_at(plan, task)).collect();
        attempts
    }

    /// Where the replicas of an attempt ran.
    pub(super) fn parts(&self, attempt: &Attempt) -> &[SchedulePart] {
        &self.parts[attempt.parts.clone()]
    }

    /// Indices of the workers that the scenario has among those of an attempt.
    pub(super) fn workers(&self, attempt: &Attempt) -> impl Iterator<Item = u32> {
        self.parts(attempt).iter().filter_map(|part| part.worker)
    }

    /// The places of a task's attempts in `all`.
    pub(super) fn of(&self, task: u32) -> Range<usize> {
        self.first[task as usize]..self.first[task as usize + 1]
    }

    /// When the data of every predecessor is on `worker`; `NEVER` if one did not complete.
    pub(super) fn ready_at(&self, plan: &Plan<'_>, task: u32, worker: u32) -> Time {
        let there = |&(from, transfer): &(u32, Duration)| {
            let Some(before) = self.completed[from as usize].map(|at| &self.all[at]) else {
                return Time::NEVER;
            };
            let end = before.end.unwrap_or(Time::NEVER);
            if self.workers(before).any(|at| at == worker) { end } else { end + transfer }
        };
        plan.predecessors(task).iter().map(there).max().unwrap_or(Time::ZERO)
    }

    fn eligible_at(&self, plan: &Plan<'_>, task: u32) -> Time {
        let ends = plan
            .predecessors(task)
            .iter()
            .filter_map(|&(from, _)| self.all[self.completed[from as usize]?].end);
        ends.fold(plan.task(task).spec.arrival, Time::max)
    }

    /// One attempt from the rows that state it: several only for a gang.
    fn add(&mut self, plan: &Plan<'_>, schedule: &Schedule, group: &[(u32, usize)], findings: &mut Findings) {
        let [(number, first_place), rest @ ..] = group else { return };
        let first = &schedule.rows[*first_place];
        let spec = &plan.task(first.task).spec;
        let from = self.parts.len();
        self.parts.extend_from_slice(schedule.parts(first));
        let mut apart = Vec::new();
        for &(_, place) in rest {
            let row = &schedule.rows[place];
            let at = At { time: row.start, task: Some(row.task), line: Some(row.line) };
            if spec.replicas == 1 {
                findings.found(TASKS, at, || {
                    format!("has attempt {number} twice, first on line {}; expected one row", first.line)
                });
            } else if (row.start, row.end) == (first.start, first.end) {
                self.parts.extend_from_slice(schedule.parts(row));
            } else {
                findings.found(GANGS, at, || {
                    format!(
                        "is split: a part runs from {} to {} s, and that on line {} from {} to {} s",
                        shown(row.start),
                        shown(row.end),
                        first.line,
                        shown(first.start),
                        shown(first.end)
                    )
                });
                apart.push(place);
            }
        }
        if spec.replicas > 1 && self.parts.len() - from == 1 && apart.is_empty() {
            self.expand(from, &spec.request, spec.replicas);
        }
        self.push(plan, schedule, (*number, *first_place), from, !apart.is_empty());
        for place in apart {
            let from = self.parts.len();
            self.parts.extend_from_slice(schedule.parts(&schedule.rows[place]));
            self.push(plan, schedule, (*number, place), from, true);
        }
    }

    fn push(
        &mut self,
        plan: &Plan<'_>,
        schedule: &Schedule,
        (number, place): (u32, usize),
        from: usize,
        is_split: bool,
    ) {
        let row = &schedule.rows[place];
        self.all.push(Attempt {
            task: row.task,
            number,
            line: row.line,
            assigned: row.start.map(|start| plan.assigned(start)),
            start: row.start,
            end: row.end,
            status: row.status,
            is_split,
            row: place,
            parts: from..self.parts.len(),
        });
    }

    /// A gang whose row names one worker has all its replicas there.
    fn expand(&mut self, at: usize, request: &Request, replicas: u32) {
        let whole = self.parts[at];
        let each = request.gpu.whole_devices();
        let mut devices = whole.devices.iter();
        let shares = each > 0 && whole.devices.len() == each * replicas;
        self.parts.truncate(at);
        for _ in 0..replicas {
            let mut own = if shares { DeviceSet::EMPTY } else { whole.devices };
            devices
                .by_ref()
                .take(if shares { each as usize } else { 0 })
                .for_each(|device| own.insert(device));
            self.parts.push(SchedulePart { devices: own, ..whole });
        }
    }

    /// A task has attempts one after the other, of which the last one ends it.
    fn check_life(&mut self, plan: &Plan<'_>, task: u32, findings: &mut Findings) {
        let of_task = self.of(task);
        let Some(last) = self.all[of_task.clone()].last() else {
            let at = At { task: Some(task), ..At::default() };
            findings.found(TASKS, at, || "is missing: it has no row".to_owned());
            return;
        };
        let losses =
            self.all[of_task.clone()].iter().filter(|attempt| attempt.status == Some(AttemptStatus::Lost));
        let may_fail = plan.settings.max_retries.is_some_and(|most| losses.count() as u64 > u64::from(most));
        let gave_up = may_fail && last.status == Some(AttemptStatus::Lost);
        if let Some(status) = last.status.filter(|status| status.is_retried() && !gave_up) {
            findings.found(TASKS, last.at(), || {
                format!("never ends: its last attempt, {}, was {}", last.number, status.as_str())
            });
        }
        for place in of_task.clone() {
            let attempt = &self.all[place];
            if let Some(why) = incomplete(attempt, self.parts(attempt).is_empty()) {
                findings.found(ATTEMPTS, attempt.at(), || why.to_owned());
            }
            if attempt.end < attempt.start && attempt.end.is_some() {
                findings.found(ATTEMPTS, attempt.at(), || {
                    format!(
                        "ends at {} s, before its start at {} s",
                        shown(attempt.end),
                        shown(attempt.start)
                    )
                });
            }
            let completes = match attempt.status {
                Some(status) => status == AttemptStatus::Completed,
                None => attempt.end.is_some() && !self.is_killed(plan, attempt),
            };
            if completes {
                self.completed[task as usize] = Some(place);
            }
        }
        for pair in self.all[of_task].windows(2).filter(|pair| pair[0].number != pair[1].number) {
            let [before, after] = pair else { continue };
            if let Some(status) = before.status.filter(|status| !status.is_retried()) {
                findings.found(TASKS, after.at(), || {
                    format!(
                        "has attempt {} after attempt {}, which was {}",
                        after.number,
                        before.number,
                        status.as_str()
                    )
                });
            }
            if after.assigned < before.end && after.assigned.is_some() {
                findings.found(ATTEMPTS, after.at(), || {
                    format!(
                        "has attempt {} from {} s, while attempt {} lasts until {} s",
                        after.number,
                        shown(after.assigned),
                        before.number,
                        shown(before.end)
                    )
                });
            }
        }
    }

    /// With kills at the estimate, and nothing stated: whether the attempt had to be killed.
    fn is_killed(&self, plan: &Plan<'_>, attempt: &Attempt) -> bool {
        let longest = |time: &dyn Fn(u32) -> Option<Duration>| self.workers(attempt).filter_map(time).max();
        let limit = longest(&|worker| plan.limit(attempt.task, worker));
        let run = longest(&|worker| Some(plan.run_time(attempt.task, worker)));
        limit.is_some_and(|limit| Some(limit) < run)
    }
}

/// What a row lacks for what it says.
fn incomplete(attempt: &Attempt, without_worker: bool) -> Option<&'static str> {
    match attempt.status {
        Some(AttemptStatus::Rejected | AttemptStatus::Cancelled | AttemptStatus::Failed)
            if attempt.start.is_none() && without_worker =>
        {
            None
        }
        // It was stopped while it started up.
        Some(status) if attempt.start.is_none() && !ends_by_itself(status) => {
            attempt.end.is_none().then_some("has a worker, and neither start nor end")
        }
        _ if attempt.start.is_none() => Some("has no start"),
        _ if attempt.end.is_none() => Some("has a start and no end"),
        _ if without_worker => Some("has a start and no worker"),
        _ if attempt.number == 0 => Some("has a start in attempt 0; expected attempts from 1"),
        _ => None,
    }
}

const fn ends_by_itself(status: AttemptStatus) -> bool {
    matches!(status, AttemptStatus::Completed | AttemptStatus::TimedOut)
}

/// The rows, as places in the schedule, with the number of their attempt, by (task, number, start, line).
fn numbered(plan: &Plan<'_>, schedule: &Schedule) -> Vec<(u32, usize)> {
    let number = |row: &ScheduleRow| row.attempt.unwrap_or(u32::from(row.start.is_some()));
    let mut rows: Vec<(u32, usize)> =
        schedule.rows.iter().enumerate().map(|(place, row)| (number(row), place)).collect();
    rows.sort_unstable_by_key(|&(number, place)| {
        let row = &schedule.rows[place];
        (row.task, number, row.start, row.line)
    });
    if schedule.has_attempts || !schedule.has_status {
        return rows;
    }
    // Numbered in order of start. The parts of a gang are one attempt until it is stopped.
    for at in 1..rows.len() {
        let (before, place) = rows[at - 1];
        let (previous, row) = (&schedule.rows[place], &schedule.rows[rows[at].1]);
        if previous.task != row.task {
            continue;
        }
        let gang = plan.task(row.task).spec.replicas > 1;
        let again = previous.status.is_some_and(AttemptStatus::is_retried) && previous.start != row.start;
        rows[at].0 = before + u32::from(again || !gang);
    }
    rows
}

/// A time, or a dash.
pub(super) fn shown(time: Option<Time>) -> String {
    time.map_or_else(|| "-".to_owned(), |time| time.to_string())
}
