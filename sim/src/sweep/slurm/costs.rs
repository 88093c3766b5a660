//! What a cell costs, and how cells are cut into parts.
//!
//! A cell is taken to cost what measured cells of the same scenario and strategy cost on average, in seconds of wall time; where there
//! is none, those of the same scenario; else all. What was run before is measured; if that leaves scenarios or strategies out, a few
//! cells are run here first.

use std::collections::HashMap;
use std::time::Duration;

use super::super::plan::{Cell, Plan};

/// How long an array task is to take. Starting one costs the cluster a few hundredths of a second, and reading the experiment;
/// against minutes that is nothing, and what a lost node loses is little.
pub(super) const TASK: Duration = Duration::from_secs(180);

/// The most array tasks of a job, whatever the cluster would allow: each of them counts as a job (`MaxJobCount`, 10,000 unless a site
/// sets it otherwise).
pub(super) const MOST_TASKS: u32 = 5000;

/// How long cells are run here to measure them.
pub(super) const MEASURING: Duration = Duration::from_secs(20);

/// The most cells that are run here, and the share of all that they may be at most (but for one).
const MOST_MEASURED: usize = 16;
const SHARE_MEASURED: usize = 8;

/// Average of what was measured.
#[derive(Clone, Copy, Debug, Default)]
struct Mean {
    sum: f64,
    count: u32,
}

impl Mean {
    fn add(&mut self, seconds: f64) {
        self.sum += seconds;
        self.count += 1;
    }

    fn get(self) -> Option<f64> {
        (self.count > 0).then(|| self.sum / f64::from(self.count))
    }
}

/// Scenario and strategy of a cell: what it costs depends on these most.
fn group(plan: &Plan, cell: &Cell) -> (usize, usize) {
    (plan.workloads[cell.workload].scenario, cell.strategy)
}

/// What cells cost.
#[derive(Debug, Default)]
pub(super) struct Costs {
    of_group: HashMap<(usize, usize), Mean>,
    of_scenario: HashMap<usize, Mean>,
    of_all: Mean,
}

impl Costs {
    /// From the wall times of cells that have run, `None` for others.
    pub(super) fn of(plan: &Plan, wall_s: impl Fn(&Cell) -> Option<f64>) -> Self {
        let mut costs = Self::default();
        for cell in &plan.cells {
            if let Some(seconds) = wall_s(cell) {
                let group = group(plan, cell);
                costs.of_group.entry(group).or_default().add(seconds);
                costs.of_scenario.entry(group.0).or_default().add(seconds);
                costs.of_all.add(seconds);
            }
        }
        costs
    }

    /// What a cell will cost, in seconds; `None` if nothing was measured.
    pub(super) fn cost(&self, plan: &Plan, cell: &Cell) -> Option<f64> {
        let group = group(plan, cell);
        let of_group = self.of_group.get(&group).and_then(|mean| mean.get());
        of_group
            .or_else(|| self.of_scenario.get(&group.0).and_then(|mean| mean.get()))
            .or_else(|| self.of_all.get())
    }

    /// The cells to run here first: the middle one of each group that nothing is known of, or of as many groups, evenly spread, as
    /// can be run.
    pub(super) fn unknown(&self, plan: &Plan, cells: &[usize]) -> Vec<usize> {
        let mut groups: Vec<((usize, usize), Vec<usize>)> = Vec::new();
        let mut place = HashMap::new();
        for &number in cells {
            let group = group(plan, &plan.cells[number]);
            if !self.of_group.contains_key(&group) {
                let at = *place.entry(group).or_insert(groups.len());
                if at == groups.len() {
                    groups.push((group, Vec::new()));
                }
                groups[at].1.push(number);
            }
        }
        let most = MOST_MEASURED.min((cells.len() / SHARE_MEASURED).max(1)).min(groups.len());
        let spread = (0..most).map(|at| &groups[at * groups.len() / most].1);
        spread.map(|cells| cells[cells.len() / 2]).collect()
    }
}

/// How many array tasks cells of this cost are cut into.
pub(super) fn tasks(total_s: f64, jobs: u16, cells: usize, most: u32) -> u32 {
    let most = most.min(u32::try_from(cells).unwrap_or(u32::MAX)).max(1);
    let wanted = total_s / (TASK.as_secs_f64() * f64::from(jobs.max(1)));
    // Saturates: an unknown or absurd cost is no reason to fail.
    (wanted.ceil() as u32).clamp(1, most)
}

/// Cuts cells into at most so many parts of about equal cost, each of cells that stand together, so that a workload is made ready
/// in as few of them as can be. A cell belongs where the middle of its cost lies; parts that nothing lies in are left out.
pub(super) fn cut(cells: &[usize], costs: &[f64], tasks: u32) -> Vec<Vec<usize>> {
    let total: f64 = costs.iter().sum();
    let mut parts: Vec<Vec<usize>> = Vec::new();
    let (mut before, mut last) = (0.0, None);
    for (&cell, &cost) in cells.iter().zip(costs) {
        let share = if total > 0.0 { (before + cost / 2.0) / total } else { 0.0 };
        let at = ((share * f64::from(tasks)) as u32).min(tasks.saturating_sub(1));
        before += cost;
        if last != Some(at) {
            parts.push(Vec::new());
            last = Some(at);
        }
        if let Some(part) = parts.last_mut() {
            part.push(cell);
        }
    }
    parts
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn tasks_take_some_minutes_within_bounds() {
        assert_eq!(tasks(0.0, 1, 1000, 5000), 1);
        assert_eq!(tasks(180.0, 1, 1000, 5000), 1);
        assert_eq!(tasks(181.0, 1, 1000, 5000), 2);
        assert_eq!(tasks(3600.0, 1, 1000, 5000), 20);
        assert_eq!(tasks(3600.0, 4, 1000, 5000), 5);
        assert_eq!(tasks(3600.0, 1, 7, 5000), 7, "a cell is the least");
        assert_eq!(tasks(1e9, 1, 1_000_000, 1001), 1001, "longer ones where the cluster allows no more");
        assert_eq!(tasks(f64::INFINITY, 1, 10, 1001), 10);
        assert_eq!(tasks(f64::NAN, 1, 10, 1001), 1);
    }

    #[test]
    fn a_long_cell_has_a_part_of_its_own() {
        let parts = cut(&[10, 11, 12, 13], &[1.0, 1.0, 20.0, 1.0], 3);
        assert_eq!(parts, [vec![10, 11], vec![12], vec![13]]);
        assert_eq!(cut(&[4, 5], &[0.0, 0.0], 2), [vec![4, 5]]);
        assert_eq!(cut(&[], &[], 2), Vec::<Vec<usize>>::new());
    }

    proptest! {
        #[test]
        fn each_cell_is_in_one_part_and_parts_are_even(
            costs in proptest::collection::vec(0.01_f64..3.0, 1..300),
            tasks in 1_u32..40,
        ) {
            let cells: Vec<usize> = (0..costs.len()).map(|number| number * 3).collect();
            let parts = cut(&cells, &costs, tasks);
            prop_assert!(parts.len() <= tasks as usize);
            prop_assert!(parts.iter().all(|part| !part.is_empty()));
            prop_assert_eq!(parts.concat(), cells);
            let (total, largest) = (costs.iter().sum::<f64>(), costs.iter().copied().fold(0.0, f64::max));
            for part in &parts {
                let cost: f64 = part.iter().map(|cell| costs[cell / 3]).sum();
                prop_assert!(cost <= total / f64::from(tasks) + largest + 1e-9);
            }
        }
    }
}
