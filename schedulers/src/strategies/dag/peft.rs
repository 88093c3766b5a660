//! `peft`: predict earliest finish time.

use super::online::{ListScheduler, REPLAN};
use super::plan::Guide;
use super::problem::Problem;
use crate::{Duration, Kind, Params, StrategyInfo};

/// `peft` in the registry.
pub const INFO: StrategyInfo = StrategyInfo {
    name: "peft",
    aliases: &[],
    about: "plans task graphs: looks ahead by a table of optimistic costs to the end",
    kind: Kind::Other,
    source: "PEFT (Arabnejad, Barbosa 2014, IEEE TPDS 25(3))",
    complexity: "a plan of N tasks with E edges, C classes of workers: O(E C + N log N + N W) searches of a timeline",
    params: &[REPLAN],
    build: |params: &Params| Box::new(ListScheduler::new(guide, params.count(REPLAN.name))),
};

/// The highest mean optimistic cost first; each where its finish and the optimistic cost from there on are the least.
fn guide(problem: &Problem<'_>) -> Guide {
    let ahead = optimistic_costs(problem);
    let cost = |task: u32, class: usize| ahead[task as usize * problem.classes.count() + class];
    let priority = problem.numbers().map(|task| problem.mean(task, |class| cost(task, class))).collect();
    Guide { priority, ahead, ..Guide::default() }
}

/// The optimistic cost table: by task, then class, the longest over the successors of the shortest way from there to the
/// end if every worker were free.
///
/// The paper's table has a column for each processor. Those of one class are equal: staying on the worker costs the same
/// on each of them, and leaving it the same for all.
fn optimistic_costs(problem: &Problem<'_>) -> Vec<Duration> {
    let classes = problem.classes.count();
    let mut table = vec![Duration::ZERO; problem.jobs.len() * classes];
    // From the beginning of a task to the end, on each class and at best.
    let mut onward = vec![Duration::MAX; classes];
    for &task in problem.order().iter().rev() {
        for (class, run) in problem.runs(task).enumerate() {
            let rest = table[task as usize * classes + class];
            onward[class] = run.map_or(Duration::MAX, |run| run.saturating_add(rest));
        }
        let best = onward.iter().min().copied().unwrap_or(Duration::MAX);
        if best == Duration::MAX {
            continue; // no worker can hold it: it is not planned, and nothing behind it
        }
        for &(from, transfer) in problem.predecessors.of(task) {
            let row = &mut table[from as usize * classes..(from as usize + 1) * classes];
            for (cost, &stay) in row.iter_mut().zip(&onward) {
                *cost = (*cost).max(stay.min(best.saturating_add(transfer)));
            }
        }
    }
    table
}
