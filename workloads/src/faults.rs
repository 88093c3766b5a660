//! `faults.csv`: when workers go down, come back, drain and join.

use std::fmt;

use cloudai_schedulers::model::{Time, WorkerSpec};

use crate::columns::faults as column;
use crate::hash::FixedMap;
use crate::problems::{FileProblems, Problems};
use crate::source::Source;
use crate::table::{Row, Table};

/// What happens to a worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FaultKind {
    /// It is lost, with everything that runs there.
    Down,
    /// It takes work again: after a failure, or when it no longer drains.
    Up,
    /// It takes no new work; what runs there goes on.
    Drain,
    /// It is there from now on, and was not before.
    Join,
}

impl FaultKind {
    fn parse(text: &str) -> Option<Self> {
        Some(match text {
            "down" => Self::Down,
            "up" => Self::Up,
            "drain" => Self::Drain,
            "join" => Self::Join,
            _ => return None,
        })
    }
}

/// A row of `faults.csv`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fault {
    /// When it happens.
    pub time: Time,
    /// Index of the worker.
    pub worker: u32,
    /// What happens to it.
    pub kind: FaultKind,
}

/// What a worker is, as far as the rows read so far tell.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Worker {
    /// Up, and no row has named it.
    #[default]
    Fresh,
    Up,
    Draining,
    Down,
}

impl Worker {
    /// What it is after `kind`; `None` if that cannot happen to it.
    const fn after(self, kind: FaultKind) -> Option<Self> {
        match (self, kind) {
            (Self::Fresh, FaultKind::Join) | (Self::Draining | Self::Down, FaultKind::Up) => Some(Self::Up),
            (Self::Fresh | Self::Up, FaultKind::Drain) => Some(Self::Draining),
            (Self::Fresh | Self::Up | Self::Draining, FaultKind::Down) => Some(Self::Down),
            _ => None,
        }
    }

    /// What may happen to it.
    const fn expected(self) -> &'static str {
        match self {
            Self::Fresh => "down, drain or join",
            Self::Up => "down or drain",
            Self::Draining => "up or down",
            Self::Down => "up",
        }
    }
}

impl fmt::Display for Worker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Fresh | Self::Up => "up",
            Self::Draining => "draining",
            Self::Down => "down",
        })
    }
}

/// Reads all rows; they are in order of time, and each says something that can happen to its worker.
pub(crate) fn read(source: &Source, workers: &[WorkerSpec]) -> Result<Vec<Fault>, Problems> {
    let numbers: FixedMap<&str, u32> =
        (0u32..).zip(workers).map(|(number, worker)| (worker.name.as_str(), number)).collect();
    let mut problems = FileProblems::new(&source.path);
    let mut table = Table::open(source, &column::COLUMNS)?;
    let mut faults: Vec<Fault> = Vec::new();
    let mut states: Vec<Worker> = vec![Worker::default(); workers.len()];
    while let Some(mut row) = table.next(&mut problems)? {
        let before = row.problem_count();
        let time = Time::from_micros(row.micros(column::TIME).unwrap_or(0));
        let worker = known_worker(&mut row, &numbers);
        let kind = kind(&mut row);
        if let Some(last) = faults.last()
            && time < last.time
            && row.problem_count() == before
        {
            let message =
                format!("is before the row above, at {} s; expected rows in order of time", last.time);
            let cell = row.cell(column::TIME).unwrap_or_default();
            row.problem(column::TIME, cell, message);
        }
        if row.problem_count() > before {
            continue;
        }
        let (Some(worker), Some(kind)) = (worker, kind) else { continue };
        let state = &mut states[worker as usize];
        if let Some(after) = state.after(kind) {
            *state = after;
            faults.push(Fault { time, worker, kind });
        } else {
            let name = &workers[worker as usize].name;
            let message = format!(
                "cannot happen to worker {name:?}, which is {state} then; expected {}",
                state.expected()
            );
            let cell = row.cell(column::EVENT).unwrap_or_default();
            row.problem(column::EVENT, cell, message);
        }
    }
    problems.into_result().map(|()| faults)
}

fn known_worker(row: &mut Row<'_>, numbers: &FixedMap<&str, u32>) -> Option<u32> {
    let name = row.text(column::WORKER_ID);
    let worker = numbers.get(name).copied();
    if worker.is_none() && !name.is_empty() {
        let message = "unknown worker; expected the id of a worker in the file of workers";
        row.problem(column::WORKER_ID, name.as_bytes(), message);
    }
    worker
}

fn kind(row: &mut Row<'_>) -> Option<FaultKind> {
    let text = row.text(column::EVENT);
    let kind = FaultKind::parse(text);
    if kind.is_none() && !text.is_empty() {
        row.problem(column::EVENT, text.as_bytes(), "unknown event; expected down, up, drain or join");
    }
    kind
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_rows(rows: &str) -> Result<Vec<Fault>, String> {
        let worker = |name: &str| WorkerSpec { name: name.to_owned(), ..WorkerSpec::default() };
        let source = Source::text("faults.csv", &format!("time_s,worker_id,event\n{rows}"));
        read(&source, &[worker("a"), worker("b")]).map_err(|problems| problems.to_string())
    }

    #[test]
    fn rows_are_read_in_order_and_a_time_may_come_twice() {
        let faults = read_rows("0.5,b,join\n3,a,drain\n3,b,down\n3,a,down\n4,a,up\n").unwrap();
        let shown: Vec<_> = faults.iter().map(|f| (f.time.micros(), f.worker, f.kind)).collect();
        use FaultKind::{Down, Drain, Join, Up};
        assert_eq!(
            shown,
            [
                (500_000, 1, Join),
                (3_000_000, 0, Drain),
                (3_000_000, 1, Down),
                (3_000_000, 0, Down),
                (4_000_000, 0, Up)
            ]
        );
        assert_eq!(read_rows("").unwrap(), []);
    }

    #[test]
    fn each_problem_names_line_column_value_and_what_was_expected() {
        let problems =
            read_rows("5,a,down\n4,a,up\n5,c,up\n6,a,explode\n-1,a,up\n,a,up\n7,,up\n8,a,\n").unwrap_err();
        let lines: Vec<&str> = problems.lines().collect();
        assert_eq!(
            lines,
            [
                "faults.csv:3: time_s: \"4\": is before the row above, at 5 s; expected rows in order of time",
                "faults.csv:4: worker_id: \"c\": unknown worker; expected the id of a worker in the file of workers",
                "faults.csv:5: event: \"explode\": unknown event; expected down, up, drain or join",
                "faults.csv:6: time_s: \"-1\": is negative; expected seconds, 0 to 10^11",
                "faults.csv:7: time_s: \"\": is missing; expected seconds, 0 to 10^11",
                "faults.csv:8: worker_id: \"\": is missing; expected the id of a worker",
                "faults.csv:9: event: \"\": is missing; expected down, up, drain or join",
            ]
        );
    }

    #[test]
    fn what_cannot_happen_to_a_worker_is_refused() {
        for (rows, state, expected) in [
            ("1,a,up\n", "up", "down, drain or join"),
            ("1,a,join\n2,a,join\n", "up", "down or drain"),
            ("1,a,down\n2,a,drain\n", "down", "up"),
            ("1,a,down\n2,a,down\n", "down", "up"),
            ("1,a,drain\n2,a,drain\n", "draining", "up or down"),
            ("1,a,drain\n2,a,join\n", "draining", "up or down"),
        ] {
            let problem = read_rows(rows).unwrap_err();
            let says = format!("cannot happen to worker \"a\", which is {state} then; expected {expected}");
            assert!(problem.ends_with(&says), "{problem}");
        }
    }
}
