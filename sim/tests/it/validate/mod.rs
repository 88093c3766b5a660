//! The validator: each check has a schedule that breaks exactly it, and one that just keeps it.
//!
//! - `general`: what holds for every schedule; `promises`: what a policy promises
//! - `runs`: schedules that the simulator made, and a recount by other means

mod general;
mod promises;
mod runs;

use cloudai_sim::validate::{Rule, ValidateError, Validation, Verdict, validate};

use crate::support::Case;

pub(crate) const HEADER: &str = "worker_id,total_cpu,total_memory,total_storage,total_gpu";

/// One worker of four cores.
fn pool(tasks: &str) -> Case {
    Case::of(&[("workers.csv", &format!("{HEADER}\npool,4,8,10,0\n")), ("tasks.csv", tasks)])
}

/// What is found in a schedule.
fn judge(case: &Case, rules: &str, schedule: &str) -> Result<Verdict, ValidateError> {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("s.csv");
    std::fs::write(&file, schedule).unwrap();
    let mut validation = Validation::new(&case.scenario, &case.settings);
    if !rules.is_empty() {
        validation.rules = Rule::parse_list(rules).unwrap();
    }
    validate(&validation, &file)
}

/// The violations in short, as people read them.
#[track_caller]
fn found(case: &Case, rules: &str, schedule: &str) -> Vec<String> {
    let verdict = judge(case, rules, schedule).unwrap();
    assert_eq!(verdict.holds, verdict.violations.is_empty());
    assert_eq!(verdict.violation_count, verdict.checks.iter().map(|check| check.violations).sum::<u64>());
    verdict.violations.iter().map(ToString::to_string).collect()
}

/// The schedule keeps everything.
#[track_caller]
fn holds(case: &Case, rules: &str, schedule: &str) {
    assert_eq!(found(case, rules, schedule), [""; 0]);
}
