//! How much of a worker a job takes: its share of each resource, as it is and rounded by dual feasible functions.
//!
//! A function f from [0, 1] to [0, 1] is dual feasible if for numbers that sum to at most 1 their images do, too. Then the
//! jobs that run on a worker at one time have shares f(demand / capacity) that sum to at most 1, and the area bound holds
//! for f(x) as it does for x. It is stronger where jobs do not pack well: with the first function below two jobs of 3
//! cores take all of two workers of 4.
//!
//! - u(k), k = 1 to 4: x if (k + 1) x is whole, else floor((k + 1) x) / k (Fekete and Schepers, "New Classes of Fast Lower
//!   Bounds for Bin Packing Problems", Mathematical Programming 2001)
//! - U(1 / d): 1 above 1 - 1/d, 0 below 1/d, else x (Martello and Toth, "Lower Bounds and Reduction Procedures for the Bin
//!   Packing Problem", Discrete Applied Mathematics 1990)
//!
//! For GPUs x is the share of one device, and the worker's share is the sum over the devices divided by their number.
//! All shares are rounded down to 2^-20: less demand, a weaker bound, still a bound.

use cloudai_schedulers::{Capacity, MILLI_PER_GPU};

use crate::oracle::model::{Job, Model, UNABLE};

/// A whole worker.
pub(super) const WHOLE: u64 = 1 << 20;

/// The k of the functions u(k).
const STEPS: [u64; 4] = [1, 2, 3, 4];

/// The d of the functions U(1 / d).
const CUTS: [u64; 3] = [3, 4, 8];

/// Ways to round: not at all, and each function.
const ROUNDINGS: usize = 1 + STEPS.len() + CUTS.len();

/// Cpu, memory, storage, GPU, each rounded in each way.
const FUNCTIONS: usize = 4 * ROUNDINGS;

/// Shares of all jobs: a column for each function on each worker that anybody takes a share of.
#[derive(Clone, Debug)]
pub(super) struct Shares {
    /// The worker and function of a column, ascending.
    pub(super) columns: Vec<(usize, usize)>,
    /// By job, then column.
    shares: Vec<u64>,
}

impl Shares {
    pub(super) fn of(model: &Model) -> Self {
        let mut columns = Vec::new();
        let mut by_column: Vec<Vec<u64>> = Vec::new();
        for (worker, capacity) in model.workers.iter().enumerate() {
            let first = by_column.len();
            for function in 0..FUNCTIONS {
                let share =
                    |job: &Job| if job.hold[worker] == UNABLE { 0 } else { share(job, capacity, function) };
                let column: Vec<u64> = model.jobs.iter().map(share).collect();
                let is_new = !by_column[first..].contains(&column);
                if column.iter().any(|&share| share > 0) && is_new {
                    columns.push((worker, function));
                    by_column.push(column);
                }
            }
        }
        let jobs = 0..model.jobs.len();
        let shares = jobs.flat_map(|job| by_column.iter().map(move |column| column[job])).collect();
        Self { columns, shares }
    }

    /// A job's row.
    pub(super) fn row(&self, job: usize) -> &[u64] {
        &self.shares[job * self.columns.len()..(job + 1) * self.columns.len()]
    }

    /// Weights to begin with: each function by itself, the same on all workers and in proportion to what they have.
    pub(super) fn presets(&self, model: &Model) -> Vec<Vec<u64>> {
        let amounts: [fn(&Capacity) -> u64; 5] = [
            |_| 1 << 20,
            |capacity| capacity.cpu_milli,
            |capacity| capacity.memory_mib,
            |capacity| capacity.storage_mib,
            |capacity| capacity.gpu_milli(),
        ];
        let mut presets = Vec::new();
        for function in 0..FUNCTIONS {
            for amount in amounts {
                let weight = |&(worker, of): &(usize, usize)| {
                    if of == function { amount(&model.workers[worker]).min(1 << 24) } else { 0 }
                };
                let weights: Vec<u64> = self.columns.iter().map(weight).collect();
                if weights.iter().any(|&weight| weight > 0) {
                    presets.push(weights);
                }
            }
        }
        presets.sort();
        presets.dedup();
        presets
    }

    /// By job, then worker: the sum of weight x share; and the rate, which no set of jobs that run together exceeds.
    pub(super) fn weigh(&self, model: &Model, weights: &[u64]) -> (Vec<u128>, u128) {
        let workers = model.workers.len();
        let mut weighted = vec![0u128; model.jobs.len() * workers];
        for job in 0..model.jobs.len() {
            let columns = self.columns.iter().zip(self.row(job)).zip(weights);
            for ((&(worker, _), &share), &weight) in columns {
                weighted[job * workers + worker] += u128::from(share) * u128::from(weight);
            }
        }
        let rate = weights.iter().map(|&weight| u128::from(weight) * u128::from(WHOLE)).sum();
        (weighted, rate)
    }
}

/// f(demand / capacity) in units of 1 / [`WHOLE`], rounded down.
fn share(job: &Job, capacity: &Capacity, function: usize) -> u64 {
    let (dimension, rounding) = (function / ROUNDINGS, function % ROUNDINGS);
    let plain = [capacity.cpu_milli, capacity.memory_mib, capacity.storage_mib];
    if let Some(&capacity) = plain.get(dimension) {
        return round(job.demand[dimension], capacity, rounding);
    }
    let devices = u64::from(capacity.gpus);
    let taken = if job.gpu.is_fraction() {
        round(u64::from(job.gpu.milli()), u64::from(MILLI_PER_GPU), rounding)
    } else {
        u64::from(job.gpu.whole_devices()) * WHOLE
    };
    taken.checked_div(devices).unwrap_or(0)
}

fn round(demand: u64, capacity: u64, rounding: usize) -> u64 {
    let (demand, capacity, whole) = (u128::from(demand), u128::from(capacity), u128::from(WHOLE));
    if capacity == 0 {
        return 0;
    }
    let plain = demand * whole / capacity;
    let share = if rounding == 0 {
        plain
    } else if let Some(&k) = STEPS.get(rounding - 1) {
        let k = u128::from(k);
        let times = demand * (k + 1);
        if times.is_multiple_of(capacity) { plain } else { times / capacity * whole / k }
    } else {
        let d = u128::from(CUTS[rounding - 1 - STEPS.len()]);
        if demand * d > capacity * (d - 1) {
            whole
        } else if demand * d < capacity {
            0
        } else {
            plain
        }
    };
    u64::try_from(share).unwrap_or(WHOLE)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn every_rounding_is_dual_feasible(parts in proptest::collection::vec(1u64..60, 1..12), spare in 0u64..8) {
            let capacity = parts.iter().sum::<u64>() + spare;
            for rounding in 0..ROUNDINGS {
                let images: u64 = parts.iter().map(|&part| round(part, capacity, rounding)).sum();
                prop_assert!(images <= WHOLE, "rounding {rounding} of {parts:?} on {capacity}: {images}");
            }
        }
    }

    #[test]
    fn more_than_half_counts_as_all() {
        assert_eq!(round(3, 4, 1), WHOLE);
        assert_eq!(round(2, 4, 1), WHOLE / 2);
        assert_eq!(round(1, 4, 1), 0);
        assert_eq!(round(3, 8, 2), WHOLE / 2, "more than a third, less than two");
        assert_eq!(round(4, 5, 1 + STEPS.len()), WHOLE, "more than two thirds");
    }
}
