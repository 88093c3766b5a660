//! `assignments.csv`: one row an attempt.

use std::fmt::Write as _;
use std::fs::File;
use std::path::{Path, PathBuf};

use cloudai_schedulers::{Cluster, GpuRequest, Placement, WorkerSpec};
use csv::Writer;

use super::{Attempt, EndedWaiting, Observer};
use crate::error::SimError;

const HEADER: [&str; 9] =
    ["task_id", "worker_id", "gpu_devices", "attempt", "arrival_s", "start_s", "end_s", "wait_s", "status"];

/// Writes one row an attempt, in order of (end, task index). A task that never started has one row with empty worker
/// and times.
///
/// For a gang, `worker_id` and `gpu_devices` list its replicas, separated by `;`. The devices of a replica are separated by
/// `|`. `wait_s` is start minus eligible.
#[derive(Debug)]
pub struct Assignments<'a> {
    path: PathBuf,
    workers: &'a [WorkerSpec],
    out: Writer<File>,
    /// Rows of this instant, to be sorted by (index, attempt).
    rows: Vec<Row>,
    /// Rows that are in use; those behind keep their buffers.
    used: usize,
}

#[derive(Debug, Default)]
struct Row {
    key: (u32, u32),
    cells: [String; 9],
}

impl<'a> Assignments<'a> {
    /// Creates the file.
    ///
    /// # Errors
    /// [`SimError::Write`] if that fails.
    pub fn create(path: &Path, workers: &'a [WorkerSpec]) -> Result<Self, SimError> {
        let file = File::create(path).map_err(|source| SimError::Write { path: path.to_owned(), source })?;
        let out = csv::WriterBuilder::new().buffer_capacity(1 << 16).from_writer(file);
        let mut assignments = Self { path: path.to_owned(), workers, out, rows: Vec::new(), used: 0 };
        assignments.out.write_record(HEADER).map_err(|error| assignments.failed(error))?;
        Ok(assignments)
    }

    fn failed(&self, error: csv::Error) -> SimError {
        let source = match error.into_kind() {
            csv::ErrorKind::Io(source) => source,
            other => std::io::Error::other(format!("{other:?}")),
        };
        SimError::Write { path: self.path.clone(), source }
    }

    fn row(&mut self, key: (u32, u32)) -> &mut Row {
        if self.used == self.rows.len() {
            self.rows.push(Row::default());
        }
        self.used += 1;
        let row = &mut self.rows[self.used - 1];
        row.key = key;
        row.cells.iter_mut().for_each(String::clear);
        row
    }

    fn flush_rows(&mut self) -> Result<(), SimError> {
        let rows = &mut self.rows[..self.used];
        rows.sort_unstable_by_key(|row| row.key);
        for row in rows {
            if let Err(error) = self.out.write_record(&row.cells) {
                return Err(self.failed(error));
            }
        }
        self.used = 0;
        Ok(())
    }
}

impl Observer for Assignments<'_> {
    fn attempt_ended(&mut self, attempt: &Attempt<'_>) -> Result<(), SimError> {
        let workers = self.workers;
        let row = self.row((attempt.spec.index, attempt.attempt));
        let [task, worker, devices, number, arrival, start, end, wait, status] = &mut row.cells;
        task.push_str(attempt.name);
        write_placement(attempt.placement, attempt.spec.request.gpu, workers, worker, devices);
        write(number, attempt.attempt);
        write(arrival, attempt.spec.arrival);
        if let Some(started) = attempt.start {
            write(start, started);
            write(wait, started - attempt.eligible);
        }
        write(end, attempt.end);
        status.push_str(attempt.status.as_str());
        Ok(())
    }

    fn ended_waiting(&mut self, task: &EndedWaiting<'_>) -> Result<(), SimError> {
        if task.attempts == 0 {
            let row = self.row((task.spec.index, 0));
            let [name, _, _, attempt, arrival, _, _, _, status] = &mut row.cells;
            name.push_str(task.name);
            write(attempt, 0);
            write(arrival, task.spec.arrival);
            status.push_str(task.status);
        }
        Ok(())
    }

    fn settled(&mut self, _: &Cluster) -> Result<(), SimError> {
        if self.used > 0 { self.flush_rows() } else { Ok(()) }
    }

    fn finished(&mut self) -> Result<(), SimError> {
        self.out.flush().map_err(|source| SimError::Write { path: self.path.clone(), source })
    }
}

/// Appends a value; writing to a string cannot fail.
fn write(cell: &mut String, value: impl std::fmt::Display) {
    let _ = write!(cell, "{value}");
}

/// One entry a replica.
fn write_placement(
    placement: &Placement,
    gpu: GpuRequest,
    workers: &[WorkerSpec],
    names: &mut String,
    devices: &mut String,
) {
    let mut is_first = true;
    for part in placement.parts() {
        let mut whole = part.devices.iter();
        for _ in 0..part.replicas {
            if !std::mem::take(&mut is_first) {
                names.push(';');
                devices.push(';');
            }
            names.push_str(workers.get(part.worker.index()).map_or("", |worker| &worker.name));
            if gpu.is_fraction() {
                part.devices.iter().take(1).for_each(|device| write(devices, device));
            }
            for (at, device) in whole.by_ref().take(gpu.whole_devices() as usize).enumerate() {
                if at > 0 {
                    devices.push('|');
                }
                write(devices, device);
            }
        }
    }
    if gpu.is_none() {
        devices.clear();
    }
}
