//! Bounds on the makespan from parts of the jobs, each scheduled exactly.
//!
//! Leave jobs out of a schedule, and what is left is a schedule of the others, with the same ends. So no makespan is below
//! the least one of any part of the jobs. Parts that say something are those that compete for something scarce: jobs that
//! fit on few workers, jobs that need GPUs, the largest ones.

use super::Objective;
use super::bounds::Windows;
use super::branch_and_bound::explore;
use super::model::{Model, UNABLE};
use super::search::Limits;

/// Sizes of parts, from easy to hard.
const SIZES: [usize; 4] = [6, 9, 12, 16];

/// What was shown.
#[derive(Clone, Copy, Debug)]
pub(super) struct Parted {
    /// No schedule of all jobs has a makespan below this.
    pub(super) bound: u128,
    /// Nodes that were visited.
    pub(super) nodes: u64,
}

/// The strongest bound from parts, given the makespan `known` of some schedule; visits at most `nodes` nodes.
pub(super) fn bound(
    model: &Model,
    windows: &Windows,
    known: u128,
    nodes: u64,
    limits: &Limits<'_>,
) -> Parted {
    let groups = groups(model);
    let mut best = Parted { bound: limits.bound, nodes: 0 };
    let most = nodes / (groups.len() * SIZES.len()).max(1) as u64;
    for group in &groups {
        let mut last = 0;
        for size in SIZES {
            let part = &group[..size.min(group.len())];
            if part.len() == last || best.bound >= known {
                continue;
            }
            last = part.len();
            let limits = Limits { bound: best.bound, ..*limits };
            let explored = explore(model, Objective::Makespan, windows, part, known, most, &limits);
            best.nodes += explored.nodes;
            if !explored.complete {
                break;
            }
            best.bound = best.bound.max(explored.better.map_or(known, |(makespan, _)| makespan));
        }
    }
    best
}

/// Groups of jobs that compete, the ones with the most work first: those that fit only within a set of workers, for each
/// set that occurs, and those that need GPUs.
fn groups(model: &Model) -> Vec<Vec<usize>> {
    let able =
        |job: usize| -> Vec<bool> { model.jobs[job].hold.iter().map(|&hold| hold != UNABLE).collect() };
    let jobs = 0..model.jobs.len();
    let mut sets: Vec<Vec<bool>> = jobs.clone().map(able).collect();
    sets.sort();
    sets.dedup();
    let within = |set: &Vec<bool>| -> Vec<usize> {
        let inside = |job: &usize| able(*job).iter().zip(set).all(|(able, open)| !able || *open);
        jobs.clone().filter(inside).collect()
    };
    let mut groups: Vec<Vec<usize>> = sets.iter().map(within).collect();
    groups.push(jobs.clone().filter(|&job| !model.jobs[job].gpu.is_none()).collect());
    groups.push(jobs.collect());
    for group in &mut groups {
        group.sort_by_key(|&job| (std::cmp::Reverse(model.work(job)), job));
    }
    groups.sort();
    groups.dedup();
    groups.retain(|group| group.len() > 1);
    groups.sort_by_key(Vec::len);
    groups
}
