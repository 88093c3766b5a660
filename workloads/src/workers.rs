//! Reading `workers.csv`.

use std::collections::HashMap;

use cloudai_schedulers::model::{Capacity, MAX_GPUS_PER_WORKER, Speed, WorkerSpec};

use crate::check::{UNNAMEABLE, can_be_named};
use crate::columns::workers as column;
use crate::decimal::Rounding;
use crate::problems::{FileProblems, Problems};
use crate::source::Source;
use crate::table::{MAX_AMOUNT, Row, Table};

/// Reads all workers, in the order of the file.
pub(crate) fn read(source: &Source) -> Result<Vec<WorkerSpec>, Problems> {
    let mut problems = FileProblems::new(&source.path);
    let mut table = Table::open(source, &column::COLUMNS)?;
    let mut workers = Vec::new();
    let mut lines: HashMap<String, u64> = HashMap::new();
    while let Some(mut row) = table.next(&mut problems)? {
        let worker = worker(&mut row);
        if worker.name.is_empty() {
            continue;
        }
        if !can_be_named(worker.name.as_bytes()) {
            row.problem(column::WORKER_ID, worker.name.as_bytes(), UNNAMEABLE);
        }
        if let Some(first) = lines.get(&worker.name) {
            let message = format!("duplicate id, first on line {first}; expected an id of its own");
            row.problem(column::WORKER_ID, worker.name.as_bytes(), message);
        } else {
            lines.insert(worker.name.clone(), row.line());
        }
        workers.push(worker);
    }
    if workers.is_empty() && problems.count() == 0 {
        problems.whole("has no workers; expected at least one row");
    }
    if u32::try_from(workers.len()).is_err() {
        problems.whole("has more than 2^32 - 1 workers");
    }
    problems.into_result().map(|()| workers)
}

fn worker(row: &mut Row<'_>) -> WorkerSpec {
    let mut amount = |column, unit| row.number(column, unit, Rounding::Down, MAX_AMOUNT).unwrap_or_default();
    let (cpu_milli, memory_mib, storage_mib) =
        (amount(column::CPU, 1000), amount(column::MEMORY, 1024), amount(column::STORAGE, 1024));
    let gpus = row.number(column::GPU, 1, Rounding::Exact, u64::from(MAX_GPUS_PER_WORKER)).unwrap_or(0);
    #[expect(clippy::cast_possible_truncation, reason = "at most MAX_GPUS_PER_WORKER")]
    let capacity = Capacity { cpu_milli, memory_mib, storage_mib, gpus: gpus as u32 };
    let gpu_model = row.text(column::GPU_MODEL);
    WorkerSpec {
        name: row.text(column::WORKER_ID).to_owned(),
        capacity,
        gpu_model: (!gpu_model.is_empty()).then(|| gpu_model.to_owned()),
        speed: speed(row),
        labels: row.labels(column::LABELS),
    }
}

fn speed(row: &mut Row<'_>) -> Speed {
    let millionths = row.number(column::SPEED, 1_000_000, Rounding::Down, u64::from(u32::MAX));
    let Some(millionths) = millionths else { return Speed::NOMINAL };
    let speed = u32::try_from(millionths).ok().and_then(Speed::from_millionths);
    speed.unwrap_or_else(|| {
        let cell = row.cell(column::SPEED).unwrap_or_default();
        row.problem(column::SPEED, cell, "expected a number above 0");
        Speed::NOMINAL
    })
}
