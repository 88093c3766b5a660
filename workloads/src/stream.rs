//! The tasks of a checked scenario, one by one.

use std::sync::Arc;

use cloudai_schedulers::model::Time;
use cloudai_schedulers::prefetch;

use crate::columns::tasks as column;
use crate::names::Names;
use crate::problems::{FileProblems, Problems};
use crate::source::Source;
use crate::table::Table;
use crate::task::{Task, TaskParser};
use crate::variation::Load;

/// Of tasks in memory, the one so far ahead is asked for.
const AHEAD: usize = 4;

/// The tasks of a scenario in order of (arrival, index).
///
/// Streams are independent of each other and of the scenario: each may go to a thread of its own.
#[derive(Debug)]
pub struct TaskStream {
    state: State,
}

#[derive(Debug)]
enum State {
    /// Those before `next` have been given.
    Loaded { tasks: Arc<[Task]>, next: usize },
    /// `task` is what was read last, if anything `is_there`.
    File { file: Box<FileStream>, retime: Option<(Time, Load)>, task: Box<Task>, is_there: bool },
}

impl TaskStream {
    pub(crate) fn loaded(tasks: Arc<[Task]>) -> Self {
        Self { state: State::Loaded { tasks, next: 0 } }
    }

    /// The tasks of a file; under a load other than that of the file with the first arrival, from which it counts.
    pub(crate) fn file(
        source: &Source,
        names: Arc<Names>,
        tasks: u64,
        retime: Option<(Time, Load)>,
    ) -> Result<Self, Problems> {
        let file = Box::new(FileStream::open(source, names, tasks)?);
        Ok(Self { state: State::File { file, retime, task: Box::default(), is_there: false } })
    }

    /// Goes on to the next task and says when it arrives; `None` at the end.
    ///
    /// # Errors
    ///
    /// The file can no longer be read, or has changed since it was checked.
    #[inline]
    pub fn advance(&mut self) -> Result<Option<Time>, Problems> {
        match &mut self.state {
            State::Loaded { tasks, next } => {
                let task = tasks.get(*next);
                if let Some(soon) = tasks.get(*next + AHEAD) {
                    prefetch(soon);
                }
                *next += 1;
                Ok(task.map(|task| task.spec.arrival))
            }
            State::File { file, retime, task, is_there } => {
                *is_there = read(file, *retime, task)?;
                Ok(is_there.then_some(task.spec.arrival))
            }
        }
    }

    /// The task that the stream has [come to](Self::advance), where it lies; nothing is copied. `None` before the first and behind
    /// the last.
    #[inline]
    #[must_use]
    pub fn task(&self) -> Option<&Task> {
        match &self.state {
            State::Loaded { tasks, next } => tasks.get(next.wrapping_sub(1)),
            State::File { task, is_there, .. } => is_there.then_some(task),
        }
    }

    /// [Goes on](Self::advance) and puts the next task into `task`, reusing its memory; false at the end.
    ///
    /// # Errors
    ///
    /// As [`advance`](Self::advance).
    #[inline]
    pub fn next_into(&mut self, task: &mut Task) -> Result<bool, Problems> {
        if let State::File { file, retime, .. } = &mut self.state {
            return read(file, *retime, task);
        }
        let more = self.advance()?.is_some();
        if let Some(next) = self.task() {
            task.copy_from(next);
        }
        Ok(more)
    }
}

/// The next task of a file, under the load that it is to have.
#[inline]
fn read(file: &mut FileStream, retime: Option<(Time, Load)>, task: &mut Task) -> Result<bool, Problems> {
    let more = file.next_into(task)?;
    if let Some((first, load)) = retime
        && more
    {
        task.arrive_at(load.apply(first, task.spec.arrival));
    }
    Ok(more)
}

/// A further reading of a file that was checked.
#[derive(Debug)]
pub(crate) struct FileStream {
    table: Table,
    parser: TaskParser,
    names: Arc<Names>,
    problems: FileProblems,
    source: Source,
    read: u64,
    tasks: u64,
    line: u64,
    depends_on: String,
}

impl FileStream {
    pub(crate) fn open(source: &Source, names: Arc<Names>, tasks: u64) -> Result<Self, Problems> {
        Ok(Self {
            table: Table::open(source, &column::COLUMNS)?,
            parser: TaskParser::default(),
            names,
            problems: FileProblems::new(&source.path),
            source: source.clone(),
            read: 0,
            tasks,
            line: 0,
            depends_on: String::new(),
        })
    }

    /// The next row of the file, in the order of the file.
    #[inline]
    pub(crate) fn next_into(&mut self, task: &mut Task) -> Result<bool, Problems> {
        let Some(mut row) = self.table.next(&mut self.problems)? else {
            if self.read != self.tasks || self.problems.count() > 0 {
                return Err(self.changed());
            }
            return Ok(false);
        };
        let index = u32::try_from(self.read).unwrap_or(u32::MAX);
        self.parser.read(&mut row, index, &mut &*self.names, task);
        self.depends_on.clear();
        if row.cell(column::DEPENDS_ON).is_some() {
            self.depends_on.push_str(row.text(column::DEPENDS_ON));
            self.line = row.line();
        }
        self.read += 1;
        if self.problems.count() > 0 || self.read > self.tasks {
            return Err(self.changed());
        }
        Ok(true)
    }

    /// The `depends_on` of the row that was read last, and its line if there is something in it.
    pub(crate) fn last_row(&self) -> (u64, &str) {
        (self.line, &self.depends_on)
    }

    #[cold]
    fn changed(&self) -> Problems {
        let message =
            format!("changed while it was in use; expected the {} tasks that were checked", self.tasks);
        let mut problems = Problems::file(&self.source.path, message);
        problems.append(self.problems.clone().into());
        problems
    }
}
