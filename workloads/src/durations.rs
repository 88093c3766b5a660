//! `durations.csv`: unrelated machines, where each pair of task and worker has its own run time.

use cloudai_schedulers::model::{Duration, WorkerSpec};

use crate::columns::durations as column;
use crate::graph::known_task;
use crate::hash::FixedMap;
use crate::problems::{FileProblems, Problems};
use crate::source::Source;
use crate::table::Table;

/// Run times of some tasks on some workers; they replace duration / speed for that pair.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Durations {
    /// Where each task's entries begin; one more than there are tasks.
    first: Vec<usize>,
    /// (worker, run time), by task, then worker.
    entries: Vec<(u32, Duration)>,
}

impl Durations {
    /// The run time of a task on a worker, by their indices; `None` if the file states none.
    #[must_use]
    pub fn get(&self, task: u32, worker: u32) -> Option<Duration> {
        let row = self.of_task(task);
        row.binary_search_by_key(&worker, |&(worker, _)| worker).ok().map(|at| row[at].1)
    }

    /// What the file states of a task: (worker index, run time), by worker index.
    #[must_use]
    pub fn of_task(&self, task: u32) -> &[(u32, Duration)] {
        let task = task as usize;
        match (self.first.get(task), self.first.get(task + 1)) {
            (Some(&from), Some(&to)) => &self.entries[from..to],
            _ => &[],
        }
    }

    /// What is stated where only the first `count` of `known` workers are there, or where they come again in turn.
    pub(crate) fn on_workers(&self, known: usize, count: usize) -> Self {
        let (mut first, mut entries) = (Vec::with_capacity(self.first.len()), Vec::new());
        for task in self.first.windows(2) {
            first.push(entries.len());
            let row = &self.entries[task[0]..task[1]];
            for round in (0..count).step_by(known.max(1)) {
                let here = row
                    .iter()
                    .filter_map(|&(worker, time)| Some((u32::try_from(worker as usize + round).ok()?, time)));
                entries.extend(here.filter(|&(worker, _)| (worker as usize) < count));
            }
        }
        first.push(entries.len());
        Self { first, entries }
    }

    pub(crate) fn read(
        source: &Source,
        tasks: usize,
        numbers: &FixedMap<&str, u32>,
        workers: &[WorkerSpec],
    ) -> Result<Self, Problems> {
        let worker_numbers: FixedMap<&str, u32> =
            (0u32..).zip(workers).map(|(number, worker)| (worker.name.as_str(), number)).collect();
        let mut problems = FileProblems::new(&source.path);
        let mut table = Table::open(source, &column::COLUMNS)?;
        let mut stated: Vec<(u32, u32, u64, Duration)> = Vec::new();
        while let Some(mut row) = table.next(&mut problems)? {
            let task = known_task(&mut row, column::TASK_ID, numbers);
            let name = row.text(column::WORKER_ID);
            let worker = worker_numbers.get(name).copied();
            if worker.is_none() && !name.is_empty() {
                let message = "unknown worker; expected the id of a worker in the file of workers";
                row.problem(column::WORKER_ID, name.as_bytes(), message);
            }
            let duration = row.micros(column::DURATION).map(Duration::from_micros);
            if let (Some(task), Some(worker), Some(duration)) = (task, worker, duration) {
                stated.push((task, worker, row.line(), duration));
            }
        }
        stated.sort_unstable_by_key(|&(task, worker, line, _)| (task, worker, line));
        for pair in stated.windows(2).filter(|pair| (pair[0].0, pair[0].1) == (pair[1].0, pair[1].1)) {
            let message = format!("states the same task and worker as line {}", pair[0].2);
            problems.line(pair[1].2, message);
        }
        problems.sort();
        problems.into_result()?;
        let mut first = vec![0; tasks + 1];
        for &(task, ..) in &stated {
            first[task as usize + 1] += 1;
        }
        for task in 0..tasks {
            first[task + 1] += first[task];
        }
        Ok(Self { first, entries: stated.into_iter().map(|(_, worker, _, time)| (worker, time)).collect() })
    }
}
