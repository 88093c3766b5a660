//! `assignments.csv`: one row an attempt; or the same as Parquet.
//!
//! The observer brings the rows of an instant into order; `csv` and `parquet` write them.

mod csv;
#[cfg(feature = "parquet")]
mod parquet;

use std::fmt::Write as _;
use std::fs::File;
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};

use cloudai_schedulers::{Cluster, Duration, GpuRequest, Placement, Time, WorkerSpec};

use self::csv::CsvRows;
#[cfg(feature = "parquet")]
use self::parquet::ParquetRows;
use super::{Attempt, EndedWaiting, Observer};
use crate::error::SimError;

/// The columns, in the order of every format.
const COLUMNS: [&str; 9] =
    ["task_id", "worker_id", "gpu_devices", "attempt", "arrival_s", "start_s", "end_s", "wait_s", "status"];

/// How the rows of a run are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum AssignmentsFormat {
    /// `assignments.csv`.
    #[default]
    Csv,
    /// `assignments.parquet`, with the same columns; what is empty in the CSV file is null.
    #[cfg(feature = "parquet")]
    Parquet,
    /// Not at all.
    None,
}

impl AssignmentsFormat {
    /// The name of the file; `None` if there is none.
    #[must_use]
    pub const fn file_name(self) -> Option<&'static str> {
        match self {
            Self::Csv => Some("assignments.csv"),
            #[cfg(feature = "parquet")]
            Self::Parquet => Some("assignments.parquet"),
            Self::None => None,
        }
    }
}

/// A row, as every format gets it.
#[derive(Clone, Copy, Debug)]
struct Row<'a> {
    task_id: &'a str,
    worker_id: &'a str,
    gpu_devices: &'a str,
    attempt: u32,
    arrival: Time,
    start: Option<Time>,
    end: Option<Time>,
    wait: Option<Duration>,
    status: &'static str,
}

/// Writes one row an attempt, in order of (end, task index). A task that never started has one row with empty worker
/// and times.
///
/// For a gang, `worker_id` and `gpu_devices` list its replicas, separated by `;`. The devices of a replica are separated by
/// `|`. `wait_s` is start minus eligible.
#[derive(Debug)]
pub struct Assignments<'a> {
    path: PathBuf,
    workers: &'a [WorkerSpec],
    rows: Rows,
    /// Of this instant, to be sorted by (index, attempt).
    pending: Vec<Pending>,
    /// The texts of the pending rows.
    text: String,
}

#[derive(Debug)]
enum Rows {
    Csv(CsvRows),
    #[cfg(feature = "parquet")]
    Parquet(Box<ParquetRows>),
}

/// A row of this instant; texts are places in [`Assignments::text`].
#[derive(Clone, Debug)]
struct Pending {
    key: (u32, u32),
    task_id: Range<usize>,
    worker_id: Range<usize>,
    gpu_devices: Range<usize>,
    arrival: Time,
    start: Option<Time>,
    end: Option<Time>,
    wait: Option<Duration>,
    status: &'static str,
}

impl<'a> Assignments<'a> {
    /// Creates the file `assignments.csv`.
    ///
    /// # Errors
    /// [`SimError::Write`] if that fails.
    pub fn create(path: &Path, workers: &'a [WorkerSpec]) -> Result<Self, SimError> {
        Self::with(path, workers, |file| Ok(Rows::Csv(CsvRows::new(file))))
    }

    /// Creates the file of a format in a folder; `None` if the format has none.
    ///
    /// # Errors
    /// [`SimError::Write`] if that fails.
    pub fn create_in(
        folder: &Path,
        format: AssignmentsFormat,
        workers: &'a [WorkerSpec],
    ) -> Result<Option<Self>, SimError> {
        let Some(name) = format.file_name() else { return Ok(None) };
        let path = folder.join(name);
        match format {
            #[cfg(feature = "parquet")]
            AssignmentsFormat::Parquet => {
                let rows = |file| Ok(Rows::Parquet(Box::new(ParquetRows::new(file)?)));
                Self::with(&path, workers, rows).map(Some)
            }
            _ => Self::create(&path, workers).map(Some),
        }
    }

    fn with(
        path: &Path,
        workers: &'a [WorkerSpec],
        rows: impl FnOnce(File) -> io::Result<Rows>,
    ) -> Result<Self, SimError> {
        let failed = |source| SimError::Write { path: path.to_owned(), source };
        let rows = File::create(path).and_then(rows).map_err(failed)?;
        Ok(Self { path: path.to_owned(), workers, rows, pending: Vec::new(), text: String::new() })
    }

    #[cold]
    fn failed(&self, source: io::Error) -> SimError {
        SimError::Write { path: self.path.clone(), source }
    }

    fn write_pending(&mut self) -> io::Result<()> {
        if self.pending.len() > 1 {
            self.pending.sort_unstable_by_key(|row| row.key);
        }
        for row in &self.pending {
            let text = |range: &Range<usize>| self.text.get(range.clone()).unwrap_or_default();
            let row = Row {
                task_id: text(&row.task_id),
                worker_id: text(&row.worker_id),
                gpu_devices: text(&row.gpu_devices),
                attempt: row.key.1,
                arrival: row.arrival,
                start: row.start,
                end: row.end,
                wait: row.wait,
                status: row.status,
            };
            match &mut self.rows {
                Rows::Csv(rows) => rows.write(&row)?,
                #[cfg(feature = "parquet")]
                Rows::Parquet(rows) => rows.write(&row)?,
            }
        }
        self.pending.clear();
        self.text.clear();
        Ok(())
    }
}

/// Appends to a text and says where it stands.
fn append(text: &mut String, what: &str) -> Range<usize> {
    let first = text.len();
    text.push_str(what);
    first..text.len()
}

impl Observer for Assignments<'_> {
    fn attempt_ended(&mut self, attempt: &Attempt<'_>) -> Result<(), SimError> {
        let task_id = append(&mut self.text, attempt.name);
        let gpu = attempt.spec.request.gpu;
        let (worker_id, gpu_devices) = match attempt.placement.parts() {
            [part] if part.replicas == 1 && gpu.is_none() => {
                let name = self.workers.get(part.worker.index()).map_or("", |worker| &worker.name);
                (append(&mut self.text, name), 0..0)
            }
            _ => append_placement(&mut self.text, attempt.placement, gpu, self.workers),
        };
        self.pending.push(Pending {
            key: (attempt.spec.index, attempt.attempt),
            task_id,
            worker_id,
            gpu_devices,
            arrival: attempt.spec.arrival,
            start: attempt.start,
            end: Some(attempt.end),
            wait: attempt.start.map(|start| start - attempt.eligible),
            status: attempt.status.as_str(),
        });
        Ok(())
    }

    fn ended_waiting(&mut self, task: &EndedWaiting<'_>) -> Result<(), SimError> {
        if task.attempts == 0 {
            let task_id = append(&mut self.text, task.name);
            self.pending.push(Pending {
                key: (task.spec.index, 0),
                task_id,
                worker_id: 0..0,
                gpu_devices: 0..0,
                arrival: task.spec.arrival,
                start: None,
                end: None,
                wait: None,
                status: task.status,
            });
        }
        Ok(())
    }

    fn settled(&mut self, _: &Cluster) -> Result<(), SimError> {
        if self.pending.is_empty() {
            return Ok(());
        }
        self.write_pending().map_err(|source| self.failed(source))
    }

    fn finished(&mut self) -> Result<(), SimError> {
        let finished = match &mut self.rows {
            Rows::Csv(rows) => rows.finish(),
            #[cfg(feature = "parquet")]
            Rows::Parquet(rows) => rows.finish(),
        };
        finished.map_err(|source| self.failed(source))
    }
}

/// One entry a replica, first all workers and then all devices; says where the two stand.
fn append_placement(
    text: &mut String,
    placement: &Placement,
    gpu: GpuRequest,
    workers: &[WorkerSpec],
) -> (Range<usize>, Range<usize>) {
    let first = text.len();
    let replicas = || placement.parts().iter().flat_map(|part| (0..part.replicas).map(move |at| (part, at)));
    for (at, (part, _)) in replicas().enumerate() {
        if at > 0 {
            text.push(';');
        }
        text.push_str(workers.get(part.worker.index()).map_or("", |worker| &worker.name));
    }
    let end_of_workers = text.len();
    if gpu.is_none() {
        return (first..end_of_workers, 0..0);
    }
    let whole = gpu.whole_devices() as usize;
    for (at, (part, replica)) in replicas().enumerate() {
        if at > 0 {
            text.push(';');
        }
        // Every replica of a part on one device has the same fraction of it; whole devices are dealt out in order.
        let (skipped, taken) = if gpu.is_fraction() { (0, 1) } else { (replica as usize * whole, whole) };
        for (at, device) in part.devices.iter().skip(skipped).take(taken).enumerate() {
            let _ = write!(text, "{}{device}", if at > 0 { "|" } else { "" }); // a String takes everything
        }
    }
    (first..end_of_workers, end_of_workers..text.len())
}
