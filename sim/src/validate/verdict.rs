//! What is answered: counts, the first violations, and what was not checked.

use std::collections::BinaryHeap;
use std::fmt;
use std::path::Path;

use cloudai_schedulers::Time;
use cloudai_workloads::Schedule;
use serde::Serialize;

use super::attempts::Attempts;
use super::plan::Plan;

/// The answer about a schedule.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Verdict {
    /// The file.
    pub schedule: String,
    /// The scenario's name.
    pub scenario: String,
    /// No check found a violation.
    pub holds: bool,
    /// Tasks of the scenario.
    pub tasks: u64,
    /// Attempts in the schedule.
    pub attempts: u64,
    /// The settings that were in force: key and value.
    pub settings: Vec<(String, String)>,
    /// One entry a check, the general ones first.
    pub checks: Vec<CheckResult>,
    /// How many violations there are.
    pub violation_count: u64,
    /// The first of them, in order of (time, task, check).
    pub violations: Vec<Violation>,
    /// What was not checked, or not read, and why.
    pub notes: Vec<String>,
}

/// What one check found.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct CheckResult {
    /// Its name; of a promise, the name of the rule.
    pub check: String,
    /// How many things it looked at.
    pub checked: u64,
    /// What they are.
    pub unit: String,
    /// How many of them break the rule.
    pub violations: u64,
}

/// One violation.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Violation {
    /// The check that found it.
    pub check: String,
    /// The task, if it is known.
    pub task: Option<String>,
    /// The line of the schedule, if it is about one.
    pub line: Option<u64>,
    /// When it happens, in seconds.
    pub time_s: Option<f64>,
    /// What is wrong, with the numbers.
    pub what: String,
}

/// Where a violation is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct At {
    pub(super) time: Option<Time>,
    pub(super) task: Option<u32>,
    pub(super) line: Option<u64>,
}

#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Kept {
    at: At,
    check: usize,
    number: u64,
    what: String,
}

/// Collects what the checks find: counts all, keeps the first.
#[derive(Debug)]
pub(super) struct Findings {
    first: usize,
    checks: Vec<CheckResult>,
    kept: BinaryHeap<Kept>,
    count: u64,
    notes: Vec<String>,
}

impl Findings {
    pub(super) fn new(first: usize) -> Self {
        Self { first, checks: Vec::new(), kept: BinaryHeap::new(), count: 0, notes: Vec::new() }
    }

    /// A check has looked at `checked` things.
    pub(super) fn checked(&mut self, check: &str, unit: &str, checked: u64) {
        let at = self.check(check);
        self.checks[at].checked += checked;
        unit.clone_into(&mut self.checks[at].unit);
    }

    /// A violation; `what` is asked for its words only if they are kept.
    pub(super) fn found(&mut self, check: &str, at: At, what: impl FnOnce() -> String) {
        let check = self.check(check);
        self.checks[check].violations += 1;
        self.count += 1;
        let full = self.kept.len() >= self.first;
        if full && self.kept.peek().is_none_or(|last| (last.at, last.check) <= (at, check)) {
            return;
        }
        if full {
            self.kept.pop();
        }
        self.kept.push(Kept { at, check, number: self.count, what: what() });
    }

    /// Something that was not checked.
    pub(super) fn note(&mut self, note: String) {
        self.notes.push(note);
    }

    fn check(&mut self, name: &str) -> usize {
        self.checks.iter().position(|check| check.check == name).unwrap_or_else(|| {
            self.checks.push(CheckResult { check: name.to_owned(), ..CheckResult::default() });
            self.checks.len() - 1
        })
    }

    pub(super) fn into_verdict(
        mut self,
        plan: &Plan<'_>,
        schedule: &Schedule,
        attempts: &Attempts,
        file: &Path,
    ) -> Verdict {
        if !schedule.ignored.is_empty() {
            self.notes.push(format!("columns that are not read: {}", schedule.ignored.join(", ")));
        }
        let names = &self.checks;
        let violations = self.kept.into_sorted_vec().into_iter().map(|kept| Violation {
            check: names[kept.check].check.clone(),
            task: kept.at.task.map(|task| plan.task(task).name.clone()),
            line: kept.at.line,
            time_s: kept.at.time.map(Time::seconds),
            what: kept.what,
        });
        Verdict {
            schedule: file.display().to_string(),
            scenario: plan.settings.name.clone(),
            holds: self.count == 0,
            tasks: plan.tasks.len() as u64,
            attempts: attempts.all.len() as u64,
            settings: plan.settings.in_force(),
            violation_count: self.count,
            violations: violations.collect(),
            checks: self.checks,
            notes: self.notes,
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{}: {} attempts of the {} tasks of {}",
            self.schedule, self.attempts, self.tasks, self.scenario
        )?;
        writeln!(f)?;
        for check in &self.checks {
            let result = match check.violations {
                0 => "ok".to_owned(),
                1 => "1 violation".to_owned(),
                many => format!("{many} violations"),
            };
            writeln!(f, "  {:<16} {:>9} {:<20} {result}", check.check, check.checked, check.unit)?;
        }
        for note in &self.notes {
            writeln!(f, "  not checked: {note}")?;
        }
        writeln!(f)?;
        if self.holds {
            return writeln!(f, "the schedule holds");
        }
        if !self.violations.is_empty() {
            writeln!(f, "first {} of {} violations:", self.violations.len(), self.violation_count)?;
        }
        for violation in &self.violations {
            writeln!(f, "  {violation}")?;
        }
        writeln!(f, "the schedule does not hold")
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(time) = self.time_s {
            write!(f, "at {time} s, ")?;
        }
        if let Some(line) = self.line {
            write!(f, "line {line}, ")?;
        }
        write!(f, "{}: ", self.check)?;
        if let Some(task) = &self.task {
            write!(f, "task '{task}' ")?;
        }
        f.write_str(&self.what)
    }
}
