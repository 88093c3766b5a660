//! Dependencies between tasks: `depends_on` and `edges.csv` as one set, without cycles.

use std::path::Path;

use cloudai_schedulers::model::Duration;
use serde::{Deserialize, Serialize};

use crate::Task;
use crate::columns::edges as column;
use crate::hash::FixedMap;
use crate::problems::{FileProblems, Problems};
use crate::source::Source;
use crate::table::{Row, Table};

/// The most tasks of a cycle that a message names.
const NAMED_OF_CYCLE: usize = 12;

/// A dependency: `to` may start once `from` has completed and its data has arrived.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Edge {
    /// Index of the task that comes first.
    pub from: u32,
    /// Index of the task that waits for it.
    pub to: u32,
    /// How long the transfer takes if the two run on different workers.
    pub transfer: Duration,
}

/// A `depends_on` as it stands in the file.
#[derive(Clone, Debug)]
pub(crate) struct DependsOn {
    pub(crate) task: u32,
    pub(crate) line: u64,
    pub(crate) text: Box<str>,
}

/// An edge and the line that states it.
#[derive(Clone, Copy, Debug)]
struct Stated {
    edge: Edge,
    in_edges_file: bool,
    line: u64,
}

/// Merges `depends_on` with `edges.csv`: sorted by (from, to), each pair once. `tasks` are in the order of
/// their index, `numbers` gives the index of an id.
pub(crate) fn read(
    tasks_file: &Path,
    tasks: &[Task],
    numbers: &FixedMap<&str, u32>,
    depends_on: &[DependsOn],
    edges: Option<&Source>,
) -> Result<Vec<Edge>, Problems> {
    let mut tasks_problems = FileProblems::new(tasks_file);
    let mut edges_problems = edges.map(|source| FileProblems::new(&source.path)).unwrap_or_default();
    let mut stated = Vec::new();
    for entry in depends_on {
        for name in entry.text.split(';').map(str::trim).filter(|name| !name.is_empty()) {
            let problem = match numbers.get(name) {
                Some(&from) if from != entry.task => {
                    let edge = Edge { from, to: entry.task, transfer: Duration::ZERO };
                    stated.push(Stated { edge, in_edges_file: false, line: entry.line });
                    continue;
                }
                Some(_) => "is the task itself; expected another task",
                None => "unknown task; expected the id of a task in this file",
            };
            tasks_problems.cell(entry.line, "depends_on", name.as_bytes(), problem);
        }
    }
    if let Some(source) = edges {
        read_edges(source, numbers, &mut stated, &mut edges_problems)?;
    }
    let mut problems = Problems::default();
    let known = tasks_problems.count() + edges_problems.count() == 0;
    let merged = merge(stated, &mut edges_problems);
    if known && let Some(cycle) = find_cycle(tasks.len(), &merged) {
        let (names, closing) = (name_cycle(tasks, &cycle), cycle[0]);
        let last = cycle[cycle.len() - 1];
        let stated = merged.iter().find(|stated| stated.edge.from == last && stated.edge.to == closing);
        let line = stated.map(|stated| stated.line);
        let in_edges_file = stated.is_some_and(|stated| stated.in_edges_file);
        let file = if in_edges_file { &mut edges_problems } else { &mut tasks_problems };
        let column = if in_edges_file { "to_task" } else { "depends_on" };
        file.add(line, Some(column), None, format!("dependency cycle {names}; expected no cycle"));
    }
    problems.take(tasks_problems);
    problems.take(edges_problems);
    problems.into_result()?;
    Ok(merged.into_iter().map(|stated| stated.edge).collect())
}

fn read_edges(
    source: &Source,
    numbers: &FixedMap<&str, u32>,
    stated: &mut Vec<Stated>,
    problems: &mut FileProblems,
) -> Result<(), Problems> {
    let mut table = Table::open(source, &column::COLUMNS)?;
    while let Some(mut row) = table.next(problems)? {
        let from = known_task(&mut row, column::FROM, numbers);
        let to = known_task(&mut row, column::TO, numbers);
        let transfer = row.micros(column::TRANSFER).map(Duration::from_micros);
        let (Some(from), Some(to), Some(transfer)) = (from, to, transfer) else { continue };
        if from == to {
            let name = row.cell(column::TO).unwrap_or_default();
            row.problem(column::TO, name, "is the task itself; expected another task");
            continue;
        }
        stated.push(Stated { edge: Edge { from, to, transfer }, in_edges_file: true, line: row.line() });
    }
    Ok(())
}

/// The index of the task that a cell names; a problem if there is none.
pub(crate) fn known_task(row: &mut Row<'_>, column: usize, numbers: &FixedMap<&str, u32>) -> Option<u32> {
    let name = row.text(column);
    let number = numbers.get(name).copied();
    if number.is_none() && !name.is_empty() {
        row.problem(column, name.as_bytes(), "unknown task; expected the id of a task in the file of tasks");
    }
    number
}

/// Sorts, and leaves one of each pair: what `edges.csv` says counts before a `depends_on`. Two lines of
/// `edges.csv` that differ are a problem.
fn merge(mut stated: Vec<Stated>, problems: &mut FileProblems) -> Vec<Stated> {
    stated.sort_by_key(|s| (s.edge.from, s.edge.to, !s.in_edges_file, s.line));
    stated.dedup_by(|later, first| {
        let same = (later.edge.from, later.edge.to) == (first.edge.from, first.edge.to);
        if same && later.in_edges_file && later.edge.transfer != first.edge.transfer {
            let value = later.edge.transfer.to_string();
            let message = format!("differs from line {}, which states the same edge", first.line);
            problems.cell(later.line, "transfer_s", value.as_bytes(), message);
        }
        same
    });
    stated
}

/// A cycle in the order of its edges, found by taking away tasks without predecessors (Kahn 1962).
fn find_cycle(tasks: usize, edges: &[Stated]) -> Option<Vec<u32>> {
    let mut waiting = vec![0u32; tasks];
    let mut first = vec![0usize; tasks + 1];
    for stated in edges {
        waiting[stated.edge.to as usize] += 1;
        first[stated.edge.from as usize + 1] += 1;
    }
    for task in 0..tasks {
        first[task + 1] += first[task];
    }
    let mut free: Vec<usize> = (0..tasks).filter(|&task| waiting[task] == 0).collect();
    while let Some(task) = free.pop() {
        for stated in &edges[first[task]..first[task + 1]] {
            let to = stated.edge.to as usize;
            waiting[to] -= 1;
            if waiting[to] == 0 {
                free.push(to);
            }
        }
    }
    // Every task left waits for one that is left: going back along such edges must come round.
    let mut predecessor = vec![None; tasks];
    for stated in edges.iter().rev().filter(|stated| waiting[stated.edge.from as usize] > 0) {
        predecessor[stated.edge.to as usize] = Some(stated.edge.from);
    }
    let mut task = u32::try_from(waiting.iter().position(|&waits| waits > 0)?).ok()?;
    let mut seen = vec![false; tasks];
    while !std::mem::replace(&mut seen[task as usize], true) {
        task = predecessor[task as usize]?;
    }
    let mut cycle = vec![task];
    let mut back = predecessor[task as usize]?;
    while back != task {
        cycle.push(back);
        back = predecessor[back as usize]?;
    }
    cycle.reverse();
    let least = (0..cycle.len()).min_by_key(|&at| cycle[at])?;
    cycle.rotate_left(least);
    Some(cycle)
}

fn name_cycle(tasks: &[Task], cycle: &[u32]) -> String {
    let name = |index: u32| tasks[index as usize].name.as_str();
    let mut named: Vec<&str> = cycle.iter().take(NAMED_OF_CYCLE).map(|&index| name(index)).collect();
    if cycle.len() > NAMED_OF_CYCLE {
        named.push("...");
    }
    named.push(name(cycle[0]));
    let more = if cycle.len() > NAMED_OF_CYCLE { format!(" ({} tasks)", cycle.len()) } else { String::new() };
    format!("{}{more}", named.join(" -> "))
}
