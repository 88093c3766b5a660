//! Upward and downward ranks (Topcuoglu, Hariri, Wu 2002, section 4.1), on the scale of [`Problem::mean`].

use super::problem::Problem;

/// By task: its mean run time and the longest way from it to an end, mean run times and transfers counted.
pub(super) fn upward(problem: &Problem<'_>) -> Vec<u128> {
    let mut rank = vec![0; problem.jobs.len()];
    for &task in problem.order().iter().rev() {
        let ways = problem.successors.of(task).iter();
        let longest = ways.map(|&(to, transfer)| problem.scaled(transfer) + rank[to as usize]).max();
        rank[task as usize] = problem.mean_run(task) + longest.unwrap_or(0);
    }
    rank
}

/// By task: the longest way from a beginning to it, its own run time left out.
pub(super) fn downward(problem: &Problem<'_>) -> Vec<u128> {
    let mut rank = vec![0; problem.jobs.len()];
    for &task in problem.order() {
        let through = rank[task as usize] + problem.mean_run(task);
        for &(to, transfer) in problem.successors.of(task) {
            let way = through + problem.scaled(transfer);
            rank[to as usize] = way.max(rank[to as usize]);
        }
    }
    rank
}
