//! Checks a schedule from any source against its scenario, and against what a policy promises.
//!
//! ```text
//!   assignments.csv ──▶ Schedule ──▶ attempts ──▶ general checks ──┐
//!    (ours or not)                      │                          ├──▶ Verdict
//!         Scenario, Settings ──▶ Plan ──┴──▶ replay ──▶ promises ──┘
//! ```
//!
//! This is a second implementation of the rules, written from their definitions: it shares the input with the simulator,
//! and neither the engine, nor the cluster's state, nor the strategies. A fault in those is therefore seen here.
//!
//! - `plan.rs`: what the scenario asks for; `attempts.rs`: the rows as attempts, and whether every task is there
//! - `general.rs`, `lengths.rs`, `gangs.rs`, `availability.rs`, `dependencies.rs`, `capacity.rs`: what holds for every schedule
//! - `replay.rs`: the schedule instant by instant, a pass at each; `room.rs`: what is free on a worker
//! - `fcfs.rs`, `priority.rs`, `easy.rs`, `conservative.rs`, `work_conserving.rs`, `no_preemption.rs`: one promise each
//! - `rule.rs`, `verdict.rs`: what is asked, what is answered
//!
//! # Which promise does a schedule keep?
//!
//! The second task starts first: that breaks the order of arrival, and delays nobody.
//!
//! ```
//! use cloudai_sim::validate::{Rule, Validation, validate};
//! use cloudai_workloads::{Location, Scenario};
//!
//! let workers = "worker_id,total_cpu,total_memory,total_storage,total_gpu\npool,4,8,10,0\n";
//! let tasks = "task_id,arrival_s,duration_s,cpu_cores,estimate_s\nrunning,0,10,3,10\nwide,1,10,4,10\nsmall,2,5,1,5\n";
//! let scenario = Scenario::check(&Location::text(tasks, workers))?;
//!
//! let folder = tempfile::tempdir()?;
//! let file = folder.path().join("theirs.csv");
//! std::fs::write(&file, "job_id,start,end\nrunning,0,10\nsmall,2,7\nwide,10,20\n")?;
//!
//! let mut validation = Validation::new(&scenario, &scenario.settings);
//! validation.rules = vec![Rule::Fcfs, Rule::Easy];
//! let verdict = validate(&validation, &file)?;
//! let broken: Vec<&str> = verdict.violations.iter().map(|violation| violation.check.as_str()).collect();
//! assert_eq!(broken, ["fcfs"]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod attempts;
mod availability;
mod capacity;
mod conservative;
mod dependencies;
mod easy;
mod fcfs;
mod gangs;
mod general;
mod lengths;
mod no_preemption;
mod plan;
mod priority;
mod replay;
mod room;
mod rule;
mod verdict;
mod work_conserving;

use std::path::Path;

use cloudai_workloads::{Problems, Scenario, Schedule, Settings};
use thiserror::Error;

use attempts::Attempts;
use plan::Plan;
use verdict::Findings;

pub use rule::{Rule, UnknownRule};
pub use verdict::{CheckResult, Verdict, Violation};

/// How many violations are told in full unless asked otherwise.
pub const SHOWN: usize = 20;

/// What to hold a schedule to.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Validation<'a> {
    /// The scenario that the schedule is of.
    pub scenario: &'a Scenario,
    /// The settings that were in force.
    pub settings: &'a Settings,
    /// What the policy promises, besides what every schedule must keep. By default nothing.
    pub rules: Vec<Rule>,
    /// How many violations are told in full, the earliest first; the others are counted. [`SHOWN`] unless set.
    pub first: usize,
}

impl<'a> Validation<'a> {
    /// The general checks alone.
    #[must_use]
    pub const fn new(scenario: &'a Scenario, settings: &'a Settings) -> Self {
        Self { scenario, settings, rules: Vec::new(), first: SHOWN }
    }
}

/// Why a schedule could not be checked.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ValidateError {
    /// A file is not in order.
    #[error(transparent)]
    Input(#[from] Problems),
    /// What a rule speaks of is not in the input.
    #[error("rule {rule} cannot be checked: {why}")]
    Undecidable {
        /// The rule.
        rule: Rule,
        /// What is missing.
        why: String,
    },
}

/// Checks the schedule in `file`.
///
/// The time is O(n log n) in the number of tasks and attempts n, and what the promises take in addition: for `easy`, the
/// tasks that run, once an instant at which somebody overtakes; for `conservative`, those and the tasks that wait; for
/// `work_conserving`, the search for a task that fits, on each worker that has become freer.
///
/// # Errors
/// The input is not in order, or does not say what a rule speaks of. A schedule that breaks rules is no error.
pub fn validate(validation: &Validation<'_>, file: &Path) -> Result<Verdict, ValidateError> {
    let plan = Plan::of(validation.scenario, validation.settings)?;
    let schedule = Schedule::read(file, &plan.tasks, &plan.scenario.workers)?;
    for &rule in &validation.rules {
        rule.check_decidable(&plan, &schedule)?;
    }
    let mut findings = Findings::new(validation.first);
    let attempts = Attempts::gather(&plan, &schedule, &mut findings);
    general::check(&plan, &schedule, &attempts, &mut findings);
    lengths::check(&plan, &attempts, &mut findings);
    gangs::check(&plan, &attempts, &mut findings);
    availability::check(&plan, &attempts, &mut findings);
    dependencies::check(&plan, &attempts, &mut findings);
    capacity::check(&plan, &attempts, &mut findings);
    replay::check(&plan, &attempts, &validation.rules, &mut findings);
    Ok(findings.into_verdict(&plan, &schedule, &attempts, file))
}
