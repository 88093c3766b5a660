//! `cpop`: critical path on a processor.

use std::cmp::Reverse;

use super::online::{ListScheduler, REPLAN};
use super::plan::Guide;
use super::problem::Problem;
use super::rank;
use crate::{Kind, Params, StrategyInfo, WorkerId};

/// `cpop` in the registry.
pub const INFO: StrategyInfo = StrategyInfo {
    name: "cpop",
    aliases: &[],
    about: "plans task graphs: the critical path on one worker, the rest where it ends earliest",
    kind: Kind::Other,
    source: "CPOP (Topcuoglu, Hariri, Wu 2002, IEEE TPDS 13(3)), insertion-based",
    complexity: "a plan of N tasks with E edges: O(N log N + E + N W) searches of a worker's timeline",
    params: &[REPLAN],
    build: |params: &Params| Box::new(ListScheduler::new(guide, params.count(REPLAN.name))),
};

/// The highest sum of upward and downward rank first; the tasks of the critical path on the worker that runs them in the
/// least time, the others where they finish earliest.
fn guide(problem: &Problem<'_>) -> Guide {
    let (upward, downward) = (rank::upward(problem), rank::downward(problem));
    let priority: Vec<u128> = upward.into_iter().zip(downward).map(|(up, down)| up + down).collect();
    let path = critical_path(problem, &priority);
    let mut pinned = vec![None; problem.jobs.len()];
    if let Some(worker) = critical_worker(problem, &path) {
        path.iter().for_each(|&task| pinned[task as usize] = Some(worker));
    }
    Guide { priority, pinned, ..Guide::default() }
}

/// From the first task with the highest priority that nothing precedes, on through the first successor of the same
/// priority.
fn critical_path(problem: &Problem<'_>, priority: &[u128]) -> Vec<u32> {
    let entries = problem.numbers().filter(|&task| problem.predecessors.of(task).is_empty());
    let mut next = entries.max_by_key(|&task| (priority[task as usize], Reverse(task)));
    let mut path = Vec::new();
    while let Some(task) = next {
        path.push(task);
        let successors = problem.successors.of(task).iter().map(|&(to, _)| to);
        next = successors.filter(|&to| priority[to as usize] == priority[task as usize]).min();
    }
    path
}

/// The worker that can hold the most tasks of the path, and of those the one that runs these in the least time, ties to
/// the lowest index.
fn critical_worker(problem: &Problem<'_>, path: &[u32]) -> Option<WorkerId> {
    let of_class = |(class, members): (usize, &[WorkerId])| {
        let runs = path.iter().filter_map(|&task| problem.run(task, class));
        let (held, sum) = runs.fold((0, 0), |(held, sum), run| (held + 1, sum + u128::from(run.micros())));
        (Reverse(held), sum, members[0])
    };
    problem.classes.members().enumerate().map(of_class).min().map(|(_, _, worker)| worker)
}
