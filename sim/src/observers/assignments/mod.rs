//! `assignments.csv`: one row an attempt; or the same as Parquet.
//!
//! `csv` and `parquet` write rows. Those of an instant come in any order: CSV brings them into theirs as text, for Parquet
//! they are `held`.

mod csv;
#[cfg(feature = "parquet")]
mod held;
#[cfg(feature = "parquet")]
mod parquet;

use std::fmt::Write as _;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use cloudai_schedulers::{Cluster, Duration, GpuRequest, Placement, Time, WorkerId, WorkerSpec};

use self::csv::CsvRows;
#[cfg(feature = "parquet")]
use self::held::Held;
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

/// What rows of one instant are ordered by: the task's index and the attempt.
type Key = (u32, u32);

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
    /// Workers and devices of a row that names several.
    text: String,
}

#[derive(Debug)]
enum Rows {
    Csv(CsvRows),
    #[cfg(feature = "parquet")]
    Parquet(Box<ParquetRows>, Held),
}

impl Rows {
    /// Takes in a row of this instant.
    #[inline]
    fn add(&mut self, key: Key, row: &Row<'_>) {
        match self {
            Self::Csv(rows) => rows.add(key, row),
            #[cfg(feature = "parquet")]
            Self::Parquet(_, held) => held.add(key, row),
        }
    }

    /// No more rows of this instant follow.
    #[inline]
    fn settle(&mut self) -> io::Result<()> {
        match self {
            Self::Csv(rows) => rows.settle(),
            #[cfg(feature = "parquet")]
            Self::Parquet(rows, held) => held.give(|row| rows.write(row)),
        }
    }
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
                let rows = |file| Ok(Rows::Parquet(Box::new(ParquetRows::new(file)?), Held::default()));
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
        Ok(Self { path: path.to_owned(), workers, rows, text: String::new() })
    }

    #[cold]
    fn failed(&self, source: io::Error) -> SimError {
        SimError::Write { path: self.path.clone(), source }
    }
}

impl Observer for Assignments<'_> {
    fn attempt_ended(&mut self, attempt: &Attempt<'_>) -> Result<(), SimError> {
        let gpu = attempt.spec.request.gpu;
        let (worker_id, gpu_devices) = match attempt.placement.parts() {
            [part] if part.replicas == 1 && gpu.is_none() => (name_of(self.workers, part.worker), ""),
            _ => {
                self.text.clear();
                let first_device = append_placement(&mut self.text, attempt.placement, gpu, self.workers);
                self.text.split_at(first_device)
            }
        };
        let row = Row {
            task_id: attempt.name,
            worker_id,
            gpu_devices,
            attempt: attempt.attempt,
            arrival: attempt.spec.arrival,
            start: attempt.start,
            end: Some(attempt.end),
            wait: attempt.start.map(|start| start - attempt.eligible),
            status: attempt.status.as_str(),
        };
        self.rows.add((attempt.spec.index, attempt.attempt), &row);
        Ok(())
    }

    fn ended_waiting(&mut self, task: &EndedWaiting<'_>) -> Result<(), SimError> {
        if task.attempts == 0 {
            let row = Row {
                task_id: task.name,
                worker_id: "",
                gpu_devices: "",
                attempt: 0,
                arrival: task.spec.arrival,
                start: None,
                end: None,
                wait: None,
                status: task.status,
            };
            self.rows.add((task.spec.index, 0), &row);
        }
        Ok(())
    }

    fn settled(&mut self, _: &Cluster) -> Result<(), SimError> {
        self.rows.settle().map_err(|source| self.failed(source))
    }

    fn finished(&mut self) -> Result<(), SimError> {
        let finished = match &mut self.rows {
            Rows::Csv(rows) => rows.finish(),
            #[cfg(feature = "parquet")]
            Rows::Parquet(rows, _) => rows.finish(),
        };
        finished.map_err(|source| self.failed(source))
    }
}

fn name_of(workers: &[WorkerSpec], worker: WorkerId) -> &str {
    workers.get(worker.index()).map_or("", |worker| &worker.name)
}

/// One entry a replica, first all workers and then all devices; says where the devices begin.
fn append_placement(
    text: &mut String,
    placement: &Placement,
    gpu: GpuRequest,
    workers: &[WorkerSpec],
) -> usize {
    let replicas = || placement.parts().iter().flat_map(|part| (0..part.replicas).map(move |at| (part, at)));
    for (at, (part, _)) in replicas().enumerate() {
        if at > 0 {
            text.push(';');
        }
        text.push_str(name_of(workers, part.worker));
    }
    let first_device = text.len();
    if gpu.is_none() {
        return first_device;
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
    first_device
}
