//! The first reading of `tasks.csv`: everything about it that can be checked row by row.

use cloudai_schedulers::model::{TaskSpec, Time, WorkerSpec};

use crate::columns::tasks as column;
use crate::decimal::{bytes_that_are, each};
use crate::hash::{FixedMap, hash64};
use crate::names::Names;
use crate::problems::{FileProblems, Problems};
use crate::scenario::{Needs, Visitor};
use crate::shapes::Shapes;
use crate::source::Source;
use crate::table::Table;
use crate::task::{Task, TaskParser};

/// What the first reading finds out.
#[derive(Debug)]
pub(crate) struct Checked {
    pub(crate) names: Names,
    pub(crate) shapes: Shapes,
    pub(crate) needs: Needs,
    pub(crate) tasks: u64,
    pub(crate) first_arrival: Time,
    pub(crate) last_arrival: Time,
    /// The line of the first task that arrives before the task above it.
    pub(crate) unsorted_at: Option<u64>,
    /// Some task states dependencies.
    pub(crate) depends: bool,
    /// The SHA-256 of the file's content.
    pub(crate) sha256: String,
}

/// What is wrong with an id that a list of ids cannot hold.
pub(crate) const UNNAMEABLE: &str =
    "has a ; or a control character; expected an id that a list with ; between its ids can name";

/// True for an id that `depends_on`, and a gang's `worker_id` in a schedule, can name.
#[inline]
pub(crate) fn can_be_named(id: &[u8]) -> bool {
    let Some(last) = id.last_chunk() else {
        return !id.iter().any(|&byte| byte == b';' || byte < b' ' || byte == 0x7f);
    };
    // Eight bytes at a time, the last ones perhaps twice.
    let (words, _) = id.as_chunks::<8>();
    !words.iter().chain([last]).any(|word| {
        let word = u64::from_le_bytes(*word);
        let control = word.wrapping_sub(each(b' ')) & !word & each(0x80);
        (control | bytes_that_are(word, b';') | bytes_that_are(word, 0x7f)) != 0
    })
}

/// Reads and checks all of `source`, and shows `visitor` each task that is in order. Without workers (theirs was a problem)
/// fitting is not checked.
pub(crate) fn check(
    source: &Source,
    workers: Option<&[WorkerSpec]>,
    visitor: &mut impl Visitor,
) -> Result<Checked, Problems> {
    let mut problems = FileProblems::new(&source.path);
    let mut table = Table::open_hashed(source, &column::COLUMNS)?;
    let mut found = Checked::new(workers.unwrap_or_default());
    let mut ids = Ids::default();
    let (mut parser, mut task, mut last) = (TaskParser::default(), Task::default(), Time::ZERO);
    while let Some(mut row) = table.next(&mut problems)? {
        let before = row.problem_count();
        let Some(index) = u32::try_from(found.tasks).ok().filter(|&index| index < u32::MAX) else {
            row.problem(column::TASK_ID, b"", "is one too many; expected at most 2^32 - 1 tasks");
            break;
        };
        parser.read(&mut row, index, &mut found.names, &mut task);
        found.tasks += 1;
        ids.add(task.name.as_bytes());
        if !can_be_named(task.name.as_bytes()) {
            row.problem(column::TASK_ID, task.name.as_bytes(), UNNAMEABLE);
        }
        if row.problem_count() > before {
            continue;
        }
        if task.spec.arrival < last && found.unsorted_at.is_none() {
            found.unsorted_at = Some(row.line());
        }
        last = task.spec.arrival;
        found.depends |= row.cell(column::DEPENDS_ON).is_some();
        found.add(&task.spec);
        let constraint = found.names.constraint_of(task.spec.constraint);
        if !found.shapes.count(&task.spec, constraint) && workers.is_some() {
            let message = found.shapes.explain(&task.spec, constraint);
            row.problem(column::TASK_ID, task.name.as_bytes(), message);
            continue;
        }
        visitor.visit(&task, constraint);
    }
    found.sha256 = table.sha256();
    drop(table);
    report_duplicates(source, ids, &mut problems)?;
    if found.tasks == 0 && problems.count() == 0 {
        problems.whole("has no tasks; expected at least one row");
    }
    problems.sort();
    problems.into_result()?;
    found.finish();
    Ok(found)
}

impl Checked {
    fn new(workers: &[WorkerSpec]) -> Self {
        Self {
            names: Names::new(),
            shapes: Shapes::new(workers),
            needs: Needs { estimates: true, ..Needs::default() },
            tasks: 0,
            first_arrival: Time::NEVER,
            last_arrival: Time::ZERO,
            unsorted_at: None,
            depends: false,
            sha256: String::new(),
        }
    }

    /// Takes in what a task needs, apart from what its shape tells.
    #[inline]
    fn add(&mut self, task: &TaskSpec) {
        self.first_arrival = self.first_arrival.min(task.arrival);
        self.last_arrival = self.last_arrival.max(task.arrival);
        let needs = &mut self.needs;
        needs.estimates &= task.estimate.is_some();
        needs.deadlines |= task.deadline.is_some();
        needs.priorities |= task.priority != 0;
        needs.gangs |= task.replicas > 1;
        needs.asks_cpu |= task.request.cpu_milli > 0;
        needs.asks_memory |= task.request.memory_mib > 0;
        needs.asks_storage |= task.request.storage_mib > 0;
        needs.gpus |= !task.request.gpu.is_none();
        needs.gpu_fractions |= task.request.gpu.is_fraction();
    }

    fn finish(&mut self) {
        self.needs.asks_gpu = self.needs.gpus;
        let constraints = self.names.constraints();
        self.needs.gpu_models = constraints.iter().any(|constraint| !constraint.gpu_models.is_empty());
        self.needs.labels = constraints.iter().any(|constraint| !constraint.labels.is_empty());
    }
}

/// The ids of a file, as far as they have to be known to find those that stand there twice: as long as each is above the one
/// before it, by length and then by bytes, as in t1, t2, ..., t10, or 001, 002, ..., it is another one.
#[derive(Debug, Default)]
struct Ids {
    /// How many rows had risen until one did not.
    rising: u64,
    last: Vec<u8>,
    unordered: bool,
    /// Of that one and all behind it.
    hashes: Vec<u64>,
}

impl Ids {
    #[inline]
    fn add(&mut self, id: &[u8]) {
        if self.unordered {
            self.add_hash(id);
        } else if (id.len(), id) > (self.last.len(), &self.last) {
            self.rising += 1;
            self.last.clear();
            self.last.extend_from_slice(id);
        } else {
            self.unordered = true;
            self.add_hash(id);
        }
    }

    fn add_hash(&mut self, id: &[u8]) {
        // An empty one is a problem of its own.
        if !id.is_empty() {
            self.hashes.push(hash64(id));
        }
    }

    /// Hashes that occur more than once, in ascending order. Those of ids that rose are not known yet, and are read again.
    fn twice(mut self, source: &Source) -> Result<Vec<u64>, Problems> {
        if !self.unordered {
            return Ok(Vec::new());
        }
        let mut ignored = FileProblems::default();
        let mut table = Table::open(source, &column::COLUMNS)?;
        for _ in 0..self.rising {
            let Some(row) = table.next(&mut ignored)? else { break };
            self.add_hash(row.cell(column::TASK_ID).unwrap_or_default());
        }
        let ids = &mut self.hashes;
        ids.sort_unstable();
        let same = ids.windows(2).filter(|pair| pair[0] == pair[1]);
        let mut twice: Vec<u64> = same.map(|pair| pair[0]).collect();
        twice.dedup();
        Ok(twice)
    }
}

/// Finds ids that stand there twice from the hashes of all ids. Where two hashes are equal the file is read again, so
/// that a mere collision of hashes is no problem.
fn report_duplicates(source: &Source, ids: Ids, problems: &mut FileProblems) -> Result<(), Problems> {
    let twice = ids.twice(source)?;
    if twice.is_empty() {
        return Ok(());
    }
    let mut first_lines: FixedMap<Vec<u8>, u64> = FixedMap::default();
    let mut ignored = FileProblems::default();
    let mut table = Table::open(source, &column::COLUMNS)?;
    while let Some(row) = table.next(&mut ignored)? {
        let Some(id) = row.cell(column::TASK_ID).filter(|id| twice.binary_search(&hash64(id)).is_ok()) else {
            continue;
        };
        let line = row.line();
        if let Some(first) = first_lines.get(id) {
            let message = format!("duplicate id, first on line {first}; expected an id of its own");
            problems.cell(line, "task_id", id, message);
        } else {
            first_lines.insert(id.to_vec(), line);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn duplicates(text: &str, ids: &[&str]) -> u64 {
        let source = Source::text("tasks.csv", text);
        let mut problems = FileProblems::new(&source.path);
        let mut found = Ids::default();
        ids.iter().for_each(|id| found.add(id.as_bytes()));
        report_duplicates(&source, found, &mut problems).unwrap();
        problems.count()
    }

    #[test]
    fn ids_that_rise_by_length_and_then_by_bytes_cannot_repeat() {
        let unordered = |ids: &[&str]| {
            let mut found = Ids::default();
            ids.iter().for_each(|id| found.add(id.as_bytes()));
            found.unordered
        };
        assert!(!unordered(&["t1", "t2", "t9", "t10", "t11", "t100", "aaaaa"]));
        assert!(unordered(&["t1", "t1"]) && unordered(&["t2", "t10", "t9"]) && unordered(&["b", "c", "a"]));
    }

    #[test]
    fn a_mere_collision_of_hashes_is_no_problem() {
        let text = "task_id,arrival_s,duration_s\na,0,1\nb,0,1\n";
        assert_eq!(duplicates(text, &["a", "b"]), 0);
        assert_eq!(duplicates(text, &["a", "a"]), 0, "as if b had the hash of a");
        assert_eq!(duplicates(&format!("{text}a,0,1\n"), &["a", "b", "a"]), 1);
    }

    #[test]
    fn ids_that_rose_are_found_again() {
        let ids = ["t1", "t2", "t3", "t2", "u", "t1", "t4"];
        let rows: String = ids.iter().map(|id| format!("{id},0,1\n")).collect();
        assert_eq!(duplicates(&format!("task_id,arrival_s,duration_s\n{rows}"), &ids), 2);
    }

    proptest! {
        #[test]
        fn what_can_be_named_has_no_semicolon_and_no_control_character(id in "[a-z;\u{1f}\u{7f} é\u{80}\t]{0,4}[a-z]{0,20}[a-z;\u{1}é]{0,2}") {
            let named = id.bytes().all(|byte| byte != b';' && !byte.is_ascii_control());
            prop_assert_eq!(can_be_named(id.as_bytes()), named);
        }
    }
}
