//! Importing logs in the Standard Workload Format (Chapin et al. 1999; Parallel Workloads Archive).
//!
//! A job has 18 fields. Processors are those requested (field 8) if positive, else those allocated (field 5). A job
//! without processors, with more than the machine has, without a submit time or with a negative run time is
//! dropped. A run time of 0 becomes 1 s. Without a requested time (field 9) the estimate is the run time. The
//! user is field 12 where positive. Jobs are sorted by submit time (stable), rebased to 0 and numbered from 1.
//! A log named `*.gz`, as the archive has them, or `*.zst` is unpacked.
//! The machine is one worker `pool`; a processor is a core, memory and storage are left out.

use std::io::{BufRead, BufReader};
use std::path::Path;

use cloudai_schedulers::model::{Capacity, Duration, MAX_MICROS, Request, Time, WorkerSpec};

use crate::decimal::{self, Fault, Rounding};
use crate::folder::NewFolder;
use crate::problems::{FileProblems, Problems};
use crate::report::ImportReport;
use crate::settings::to_toml;
use crate::source::Source;
use crate::table::MAX_AMOUNT;
use crate::write::{TaskColumn, TaskRow, TaskWriter, write_workers};

const FIELDS: usize = 18;

/// The fields that count, from 0, with the names that the format's definition gives them.
const SUBMIT: (usize, &str) = (1, "submit time");
const RUN: (usize, &str) = (3, "run time");
const ALLOCATED: (usize, &str) = (4, "allocated processors");
const REQUESTED: (usize, &str) = (7, "requested processors");
const REQUESTED_TIME: (usize, &str) = (8, "requested time");
const USER: (usize, &str) = (11, "user id");

/// Header lines that say where a log comes from.
const ORIGIN: [&str; 3] = ["Computer", "Installation", "Acknowledge"];

/// Writes the jobs of `log` as a scenario into the new folder `out`.
///
/// `processors` says how large the machine is; else the header's `MaxProcs` does.
///
/// # Errors
///
/// [`Problems`] if the log cannot be read or understood, says nothing of the size of the machine, has no job that
/// can be kept, or if `out` is there already and not empty or cannot be written.
pub fn import(log: &Path, processors: Option<u64>, out: &Path) -> Result<ImportReport, Problems> {
    let folder = NewFolder::create(out)?;
    let mut parsed = Log::read(log)?;
    let Some(size) = processors.or(parsed.max_processors) else {
        let message =
            "says nothing of the size of the machine; expected a line \"; MaxProcs: N\", or --processors";
        return Err(Problems::file(log, message));
    };
    if size == 0 || size > MAX_AMOUNT / 1000 {
        return Err(Problems::file(log, format!("a machine of {size} processors: expected 1 to 10^9")));
    }
    let mut report = parsed.report;
    parsed.jobs.retain(|job| {
        let fits = job.processors <= size;
        if !fits {
            report.drop_task("more processors than the machine has");
        }
        fits
    });
    if parsed.jobs.is_empty() {
        return Err(Problems::file(log, format!("has no job to keep ({report})")));
    }
    parsed.jobs.sort_by_key(|job| job.submit);
    report.kept = parsed.jobs.len() as u64;
    let capacity = Capacity { cpu_milli: size * 1000, ..Capacity::default() };
    let pool = WorkerSpec { name: "pool".to_owned(), capacity, ..WorkerSpec::default() };
    folder.write("workers.csv", |file| write_workers(file, &[pool]))?;
    folder.write("tasks.csv", |file| write_jobs(file, &parsed.jobs))?;
    let name =
        |path: &Path| path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let source = format!(
        "cloudai import swf {} --processors {size} --out {}\n{}{report}\n",
        name(log),
        name(out),
        parsed.origin
    );
    folder.write("scenario.toml", |file| {
        use std::io::Write;
        file.write_all(to_toml(&[("name", &name(out)), ("source", &source)]).as_bytes())
    })?;
    folder.finish().map(|()| report)
}

fn write_jobs(file: impl std::io::Write, jobs: &[Job]) -> std::io::Result<()> {
    let columns = [
        TaskColumn::CpuCores,
        TaskColumn::MemoryGb,
        TaskColumn::StorageGb,
        TaskColumn::EstimateS,
        TaskColumn::UserId,
    ];
    let mut writer = TaskWriter::new(file, &columns)?;
    let first = jobs.first().map_or(0, |job| job.submit);
    for (number, job) in (1u64..).zip(jobs) {
        writer.write(&TaskRow {
            task_id: &number.to_string(),
            arrival: Time::from_micros(job.submit - first),
            duration: job.run,
            request: Request { cpu_milli: job.processors * 1000, ..Request::default() },
            estimate: Some(job.estimate),
            user_id: &job.user.map(|user| user.to_string()).unwrap_or_default(),
            ..TaskRow::default()
        })?;
    }
    writer.finish()
}

/// A job that may be kept.
#[derive(Clone, Copy, Debug)]
struct Job {
    /// Microseconds, as in the log.
    submit: u64,
    run: Duration,
    processors: u64,
    estimate: Duration,
    user: Option<u64>,
}

#[derive(Debug, Default)]
struct Log {
    jobs: Vec<Job>,
    max_processors: Option<u64>,
    /// The lines of the header that say where it comes from.
    origin: String,
    report: ImportReport,
}

impl Log {
    fn read(path: &Path) -> Result<Self, Problems> {
        let source = Source::new(path)?;
        let mut input = BufReader::with_capacity(1 << 16, source.open()?);
        let (mut log, mut problems, mut line) = (Self::default(), FileProblems::new(path), Vec::new());
        for number in 1u64.. {
            line.clear();
            let read = input.read_until(b'\n', &mut line);
            if read.map_err(|error| source.unreadable(Some(number), &error))? == 0 {
                break;
            }
            let text = line.trim_ascii();
            match text.strip_prefix(b";") {
                Some(comment) => log.header(&String::from_utf8_lossy(comment)),
                None if text.is_empty() => {}
                None => log.job(&mut Line { text, number, problems: &mut problems }),
            }
        }
        problems.into_result().map(|()| log)
    }

    fn header(&mut self, comment: &str) {
        let Some((key, value)) = comment.split_once(':') else { return };
        let (key, value) = (key.trim(), value.trim());
        if key == "MaxProcs" && self.max_processors.is_none() {
            self.max_processors =
                value.split_whitespace().next().and_then(|n| n.parse().ok()).filter(|&n| n > 0);
        } else if ORIGIN.contains(&key) {
            self.origin += &format!("{key}: {value}\n");
        }
    }

    fn job(&mut self, line: &mut Line<'_, '_>) {
        let fields: Vec<&[u8]> =
            line.text.split(u8::is_ascii_whitespace).filter(|field| !field.is_empty()).collect();
        if fields.len() != FIELDS {
            let message = format!("has {} fields; expected the {FIELDS} of a job", fields.len());
            line.problems.line(line.number, message);
            return;
        }
        self.report.read += 1;
        let before = line.problems.count();
        let mut number = |field, unit| line.number(&fields, field, unit);
        let (submit, run) = (number(SUBMIT, 1_000_000), number(RUN, 1_000_000));
        let (requested, allocated) = (number(REQUESTED, 1), number(ALLOCATED, 1));
        let (time, user) = (number(REQUESTED_TIME, 1_000_000), number(USER, 1));
        if line.problems.count() > before {
            return;
        }
        let positive = |number: Option<u64>| number.filter(|&number| number > 0);
        let Some(processors) = positive(requested).or(positive(allocated)) else {
            return self.report.drop_task("no processors");
        };
        let Some(run) = run else { return self.report.drop_task("negative run time") };
        let Some(submit) = submit else { return self.report.drop_task("no submit time") };
        let run = Duration::from_micros(run);
        let run = if run == Duration::ZERO {
            self.report.change_task("run time 0 became 1 s");
            Duration::from_secs(1)
        } else {
            run
        };
        let estimate = positive(time).map_or_else(
            || {
                self.report.change_task("no requested time, so that the estimate is the run time");
                run
            },
            Duration::from_micros,
        );
        self.jobs.push(Job { submit, run, processors, estimate, user: positive(user) });
    }
}

/// A line with a job.
struct Line<'a, 'p> {
    text: &'a [u8],
    number: u64,
    problems: &'p mut FileProblems,
}

impl Line<'_, '_> {
    /// A field in units; `None` if it is negative (the format's "unknown"), or wrong, which is a problem.
    fn number(&mut self, fields: &[&[u8]], (field, name): (usize, &str), unit: u32) -> Option<u64> {
        match decimal::parse(fields[field], unit, Rounding::Up) {
            Ok(units) if units <= MAX_MICROS => Some(units),
            Err(Fault::Negative) => None,
            Ok(_) => {
                self.problems.cell(self.number, name, fields[field], "is too large; expected up to 10^11");
                None
            }
            Err(fault) => {
                let message = format!("{fault}; expected a number, or -1");
                self.problems.cell(self.number, name, fields[field], message);
                None
            }
        }
    }
}
