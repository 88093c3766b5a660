//! A schedule: what ran where and when, as `assignments.csv` or another program's file states it.

use std::ops::Range;
use std::path::Path;

use cloudai_schedulers::DeviceSet;
use cloudai_schedulers::model::{MAX_GPUS_PER_WORKER, Time, WorkerSpec};

use crate::Task;
use crate::columns::schedule as column;
use crate::decimal::Rounding;
use crate::hash::FixedMap;
use crate::problems::{FileProblems, Problems};
use crate::source::Source;
use crate::table::{MAX_AMOUNT, Row, Table};

/// How an attempt ended, as `assignments.csv` says it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum AttemptStatus {
    /// The task completed.
    Completed,
    /// It ran into its time limit.
    TimedOut,
    /// It was preempted; the task is queued again.
    Preempted,
    /// It was cancelled, or a predecessor did not complete.
    Cancelled,
    /// Its worker was lost; the task is queued again.
    Lost,
    /// It was turned away.
    Rejected,
    /// It failed.
    Failed,
}

impl AttemptStatus {
    /// Every status.
    pub const ALL: [Self; 7] = [
        Self::Completed,
        Self::TimedOut,
        Self::Preempted,
        Self::Cancelled,
        Self::Lost,
        Self::Rejected,
        Self::Failed,
    ];

    /// The word for it in files.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Completed => "completed",
            Self::TimedOut => "timed_out",
            Self::Preempted => "preempted",
            Self::Cancelled => "cancelled",
            Self::Lost => "lost",
            Self::Rejected => "rejected",
            Self::Failed => "failed",
        }
    }

    /// True if the task goes back to the queue, so that a further attempt follows.
    #[must_use]
    pub const fn is_retried(self) -> bool {
        matches!(self, Self::Preempted | Self::Lost)
    }
}

/// Where a replica ran.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SchedulePart {
    /// Index of the worker; `None` if the scenario has no worker of that name.
    pub worker: Option<u32>,
    /// Its GPU devices; empty where the file states none.
    pub devices: DeviceSet,
}

/// A row of a schedule; what the file does not state is `None`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ScheduleRow {
    /// Its line in the file.
    pub line: u64,
    /// Index of the task.
    pub task: u32,
    /// Number of the attempt.
    pub attempt: Option<u32>,
    /// Arrival.
    pub arrival: Option<Time>,
    /// Start.
    pub start: Option<Time>,
    /// End.
    pub end: Option<Time>,
    /// Wait, from eligible to start, in microseconds; below 0 where the file says of a task that it started too early.
    pub wait_micros: Option<i64>,
    /// How it ended.
    pub status: Option<AttemptStatus>,
    /// CPU in milli-cores, of all replicas together.
    pub cpu_milli: Option<u64>,
    parts: Range<usize>,
}

/// An id in a schedule that the scenario does not have.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct UnknownId {
    /// The line in the file.
    pub line: u64,
    /// The id.
    pub id: String,
    /// Index of the task whose worker it should be; `None` if it is the id of a task.
    pub worker_of: Option<u32>,
}

/// A schedule, as read from a file.
///
/// Rows of tasks that the scenario does not have are left out and told in [`Schedule::unknown`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Schedule {
    /// The rows, in the order of the file.
    pub rows: Vec<ScheduleRow>,
    /// Ids that the scenario does not have.
    pub unknown: Vec<UnknownId>,
    /// The file says how attempts ended.
    pub has_status: bool,
    /// The file says which GPU devices were used.
    pub has_devices: bool,
    /// The file numbers the attempts.
    pub has_attempts: bool,
    /// Columns of the file that are not read.
    pub ignored: Vec<String>,
    parts: Vec<SchedulePart>,
}

impl Schedule {
    /// Reads a schedule of these tasks, in index order, on these workers. A file `*.gz` is unpacked.
    ///
    /// `task_id`, `start_s` and `end_s` are required; `worker_id` is, too, if there is more than one worker.
    ///
    /// # Errors
    ///
    /// [`Problems`]: whatever is wrong with the file, up to twenty problems.
    pub fn read(path: &Path, tasks: &[Task], workers: &[WorkerSpec]) -> Result<Self, Problems> {
        let source = Source::new(path)?;
        let mut problems = FileProblems::new(path);
        let mut table = Table::open_lenient(&source, &column::COLUMNS)?;
        if workers.len() > 1 && !table.has(column::WORKER_ID) {
            let message = format!(
                "the column is missing; expected one with {}, as the scenario has {} workers",
                column::COLUMNS[column::WORKER_ID].expected,
                workers.len()
            );
            problems.add(Some(1), Some("worker_id"), None, message);
            return Err(problems.into());
        }
        let mut schedule = Self {
            has_status: table.has(column::STATUS),
            has_devices: table.has(column::DEVICES),
            has_attempts: table.has(column::ATTEMPT),
            ignored: table.ignored().to_vec(),
            ..Self::default()
        };
        let mut reader = Reader {
            tasks: tasks.iter().map(|task| (task.name.as_bytes(), task.spec.index)).collect(),
            workers: (0u32..).zip(workers).map(|(index, worker)| (worker.name.as_bytes(), index)).collect(),
            has_workers: table.has(column::WORKER_ID),
            schedule: &mut schedule,
        };
        while let Some(mut row) = table.next(&mut problems)? {
            reader.read(&mut row);
        }
        if schedule.rows.is_empty() && schedule.unknown.is_empty() && problems.count() == 0 {
            problems.whole("has no rows; expected at least one");
        }
        problems.into_result().map(|()| schedule)
    }

    /// Where the replicas of a row ran: one part each, in the order of the file.
    #[must_use]
    pub fn parts(&self, row: &ScheduleRow) -> &[SchedulePart] {
        self.parts.get(row.parts.clone()).unwrap_or_default()
    }
}

struct Reader<'a> {
    tasks: FixedMap<&'a [u8], u32>,
    workers: FixedMap<&'a [u8], u32>,
    has_workers: bool,
    schedule: &'a mut Schedule,
}

impl Reader<'_> {
    fn read(&mut self, row: &mut Row<'_>) {
        let name = row.text(column::TASK_ID);
        let cpu_milli = row.number(column::CPU, 1000, Rounding::Up, MAX_AMOUNT);
        let attempt = row.number(column::ATTEMPT, 1, Rounding::Exact, u64::from(u32::MAX));
        let read = ScheduleRow {
            line: row.line(),
            task: 0,
            attempt: attempt.and_then(|attempt| u32::try_from(attempt).ok()),
            arrival: row.micros(column::ARRIVAL).map(Time::from_micros),
            start: time(row, column::START),
            end: time(row, column::END),
            wait_micros: row.signed_micros(column::WAIT),
            status: status(row),
            cpu_milli,
            parts: 0..0,
        };
        let Some(&task) = self.tasks.get(name.as_bytes()) else {
            if !name.is_empty() {
                let unknown = UnknownId { line: read.line, id: name.to_owned(), worker_of: None };
                self.schedule.unknown.push(unknown);
            }
            return;
        };
        let first = self.schedule.parts.len();
        self.parts(row, task);
        let parts = first..self.schedule.parts.len();
        self.schedule.rows.push(ScheduleRow { task, parts, ..read });
    }

    /// Workers and devices, replica by replica.
    fn parts(&mut self, row: &mut Row<'_>, task: u32) {
        let first = self.schedule.parts.len();
        if let Some(names) = row.cell(column::WORKER_ID) {
            for name in names.split(|&byte| byte == b';').map(<[u8]>::trim_ascii) {
                let worker = self.workers.get(name).copied();
                if worker.is_none() {
                    let id = String::from_utf8_lossy(name).into_owned();
                    self.schedule.unknown.push(UnknownId { line: row.line(), id, worker_of: Some(task) });
                }
                self.schedule.parts.push(SchedulePart { worker, devices: DeviceSet::EMPTY });
            }
        } else if !self.has_workers {
            self.schedule.parts.push(SchedulePart { worker: Some(0), devices: DeviceSet::EMPTY });
        }
        let Some(lists) = row.cell(column::DEVICES) else { return };
        let mut filled = first;
        for list in lists.split(|&byte| byte == b';') {
            let Some(devices) = devices(list) else {
                row.unexpected(column::DEVICES, lists, "is not a list of devices");
                return;
            };
            if let Some(part) = self.schedule.parts.get_mut(filled) {
                part.devices = devices;
            }
            filled += 1;
        }
        let (lists_found, parts) = (filled - first, self.schedule.parts.len() - first);
        if lists_found != parts {
            let message = format!("has {lists_found} lists of devices; expected {parts}, as in worker_id");
            row.problem(column::DEVICES, lists, message);
        }
    }
}

/// A time that is there, even in a column that may be empty for a task that never started.
fn time(row: &mut Row<'_>, column: usize) -> Option<Time> {
    row.cell(column)?;
    row.micros(column).map(Time::from_micros)
}

fn status(row: &mut Row<'_>) -> Option<AttemptStatus> {
    let cell = row.cell(column::STATUS)?;
    let found = AttemptStatus::ALL.into_iter().find(|status| status.as_str().as_bytes() == cell);
    if found.is_none() {
        row.unexpected(column::STATUS, cell, "is unknown");
    }
    found
}

/// `0|3` as a set; `None` if it is no list of numbers below 64, each once.
fn devices(list: &[u8]) -> Option<DeviceSet> {
    let mut set = DeviceSet::EMPTY;
    let list = list.trim_ascii();
    if list.is_empty() {
        return Some(set);
    }
    for number in list.split(|&byte| byte == b'|') {
        let device: u32 = std::str::from_utf8(number).ok()?.trim().parse().ok()?;
        let before = set.len();
        set.insert(device);
        if device >= MAX_GPUS_PER_WORKER || set.len() == before {
            return None;
        }
    }
    Some(set)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Location, Scenario};

    const WORKERS: &str = "worker_id,total_cpu,total_memory,total_storage,total_gpu\n";

    fn read(workers: &str, schedule: &str) -> Result<Schedule, String> {
        let tasks = "task_id,arrival_s,duration_s\na,0,1\nb,0,1\n";
        let mut rows = Vec::new();
        let location = Location::text(tasks, format!("{WORKERS}{workers}"));
        let scenario = Scenario::open(&location, &mut |task| rows.push(task.clone())).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("s.csv");
        std::fs::write(&path, schedule).unwrap();
        let name = path.display().to_string();
        Schedule::read(&path, &rows, &scenario.workers)
            .map_err(|problems| problems.to_string().replace(&name, "s.csv"))
    }

    #[test]
    fn a_full_row_is_read_with_gangs_and_devices() {
        let schedule = read(
            "w0,8,8,8,4\nw1,8,8,8,4\n",
            "task_id,worker_id,gpu_devices,attempt,arrival_s,start_s,end_s,wait_s,status\n\
             b,w1;w0,0|3;1,2,0.5,1,2.25,0.5,preempted\n\
             a,,,0,0,,,,rejected\n",
        );
        let schedule = schedule.unwrap();
        let [first, second] = &schedule.rows[..] else { panic!("{schedule:?}") };
        let part = |worker, devices| SchedulePart { worker: Some(worker), devices: DeviceSet(devices) };
        assert_eq!(schedule.parts(first), [part(1, 0b1001), part(0, 0b10)]);
        assert_eq!((first.line, first.task, first.attempt), (2, 1, Some(2)));
        assert_eq!(
            (first.start, first.end),
            (Some(Time::from_micros(1_000_000)), Some(Time::from_micros(2_250_000)))
        );
        assert_eq!(first.status, Some(AttemptStatus::Preempted));
        assert_eq!((second.start, second.end, schedule.parts(second).len()), (None, None, 0));
    }

    #[test]
    fn the_least_form_has_three_columns_under_any_of_their_names() {
        let schedule = read("w0,8,8,8,0\n", "end,procs,queue,job_id,start\n7,1,short,a,3\n").unwrap();
        assert_eq!(schedule.ignored, ["queue"]);
        assert!(!schedule.has_status && !schedule.has_devices && !schedule.has_attempts);
        let row = &schedule.rows[0];
        assert_eq!((row.task, row.start, row.cpu_milli), (0, Some(Time::from_micros(3_000_000)), Some(1000)));
        assert_eq!(schedule.parts(row)[0].worker, Some(0), "the only one");
    }

    #[test]
    fn unknown_ids_are_told_apart_from_faults() {
        let schedule = read("w0,8,8,8,0\n", "task_id,worker_id,start_s,end_s\nz,w0,0,1\na,w9,0,1\n").unwrap();
        let told: Vec<_> =
            schedule.unknown.iter().map(|id| (id.line, id.id.as_str(), id.worker_of)).collect();
        assert_eq!(told, [(2, "z", None), (3, "w9", Some(0))]);
        assert_eq!(schedule.rows.len(), 1);
    }

    #[test]
    fn faults_name_line_column_value_and_expectation() {
        let faults = read(
            "w0,8,8,8,2\n",
            "task_id,worker_id,gpu_devices,attempt,submit,start,end,status\n\
             a,w0,0|0,1,0,0,1,completed\n\
             a,w0,64,1,0,0,1,completed\n\
             a,w0;w0,1,1,0,0,1,completed\n\
             a,w0,,1.5,-1,x,1,done\n\
             ,w0,,1,0,0,1,completed\n",
        );
        assert_eq!(
            faults.unwrap_err(),
            "s.csv:2: gpu_devices: \"0|0\": is not a list of devices; expected numbers of devices from 0 to 63 with | \
             between them, and ; between replicas\n\
             s.csv:3: gpu_devices: \"64\": is not a list of devices; expected numbers of devices from 0 to 63 with | \
             between them, and ; between replicas\n\
             s.csv:4: gpu_devices: \"1\": has 1 lists of devices; expected 2, as in worker_id\n\
             s.csv:5: attempt: \"1.5\": is not a whole number; expected a whole number from 0 to 4294967295\n\
             s.csv:5: submit: \"-1\": is negative; expected seconds, 0 to 10^11\n\
             s.csv:5: start: \"x\": is not a number; expected seconds, 0 to 10^11\n\
             s.csv:5: status: \"done\": is unknown; expected completed, timed_out, preempted, cancelled, lost, \
             rejected or failed\n\
             s.csv:6: task_id: \"\": is missing; expected the id of a task"
        );
        let fault = read("w0,8,8,8,0\nw1,8,8,8,0\n", "task_id,start_s,end_s\na,0,1\n").unwrap_err();
        assert_eq!(
            fault,
            "s.csv:1: worker_id: the column is missing; expected one with ids of workers with ; between them, as the scenario has 2 workers"
        );
        let fault = read("w0,8,8,8,0\n", "task_id,start_s\na,0\n").unwrap_err();
        assert_eq!(fault, "s.csv:1: end_s: the column is missing; expected one with seconds, 0 to 10^11");
        assert_eq!(
            read("w0,8,8,8,0\n", "task_id,start_s,end_s\n").unwrap_err(),
            "s.csv: has no rows; expected at least one"
        );
    }
}
