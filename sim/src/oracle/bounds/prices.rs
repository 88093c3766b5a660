//! Bounds on sums of ends and waits from prices over time.
//!
//! Let y(f, w, t) >= 0 be a price for all of worker w under the dual feasible function f at time t. In any schedule the shares
//! s(f, i, w) of the jobs that run on w at t sum to at most 1. So to add to the cost of a schedule what its jobs pay, and
//! to take off what all of it is worth, does not make it dearer:
//!
//! ```text
//! cost  >=  sum over i of (cost of i + sum over f of s(f, i, w) x integral of y(f, w, t) while i runs on w)
//!           - sum over f and w of the integral of y(f, w, t)
//! ```
//!
//! Now let every job choose its worker and its start, not before its head, as is cheapest for itself: that bounds the cost of any
//! schedule from below. It is the Lagrangian relaxation of the time-indexed model (Christofides, Alvarez-Valdes, Tamarit,
//! "Project Scheduling with Resource Constraints: A Branch and Bound Approach", European J. Operational Research 1987).
//!
//! Prices are constant between the instants of a grid, so that a job's cost is piecewise linear in its start and least where
//! its start or its end meets the grid, or at its head. They are integers, and so is all that is computed with them. Good
//! ones are sought by a subgradient method with Polyak's step (Held, Wolfe, Crowder, "Validation of Subgradient
//! Optimization", Mathematical Programming 1974).

use crate::oracle::Objective;
use crate::oracle::decode::Start;
use crate::oracle::model::Model;

use super::shares::{Shares, WHOLE};
use super::windows::Windows;

/// A price of one, in the unit that prices are counted in.
const ONE: i128 = 1 << 20;

/// The highest price. Times are below 2^57, shares at most 2^20, a worker has at most 2^5 columns: all sums over 2^11 jobs
/// stay within 127 bits.
const DEAREST: i64 = 1 << 30;

/// A microsecond of cost, in the unit that costs with prices are counted in.
const COST: i128 = ONE * WHOLE as i128;

/// Most steps of the grid.
const MOST_STEPS: usize = 220;

/// Rounds of the subgradient method, where there are few jobs.
const ROUNDS: usize = 2000;

/// Work that all rounds together may take, in prices that are looked at.
const EFFORT: usize = 4_000_000_000;

/// Rounds without a better bound after which steps get shorter, and by how much.
const PATIENCE: u32 = 30;
const SHRINK: f64 = 0.8;

/// How much of the last direction goes into the next.
const MOMENTUM: f64 = 0.5;

/// A lower bound on the sum of the objective over all jobs, given a schedule that reaches `known`.
pub(super) fn bound(
    model: &Model,
    objective: Objective,
    windows: &Windows,
    plan: &[Start],
    known: u128,
) -> u128 {
    let shares = Shares::of(model);
    let grid = grid(model, plan);
    let steps = grid.len() - 1;
    let columns = shares.columns.len();
    let effort = model.jobs.len() * columns * steps;
    let rounds = (EFFORT / effort.max(1)).clamp(20, ROUNDS);
    let relaxation = Relaxation { model, objective, windows, shares: &shares, grid: &grid };
    relaxation.ascend(columns * steps, known, rounds)
}

/// Instants at which something starts or ends in a good schedule, thinned.
fn grid(model: &Model, plan: &[Start]) -> Vec<u64> {
    let mut instants: Vec<u64> = plan.iter().flat_map(|start| [start.at, start.end]).collect();
    instants.push(model.first_arrival);
    instants.sort_unstable();
    instants.dedup();
    let thin = instants.len().div_ceil(MOST_STEPS).max(1);
    let last = instants.last().copied().unwrap_or(0);
    let mut grid: Vec<u64> = instants.into_iter().step_by(thin).collect();
    grid.push(last + 1);
    grid.dedup();
    grid
}

/// Where a job runs under some prices.
#[derive(Clone, Copy, Debug)]
struct Choice {
    cost: i128,
    worker: usize,
    at: u64,
    end: u64,
}

struct Relaxation<'a> {
    model: &'a Model,
    objective: Objective,
    windows: &'a Windows,
    shares: &'a Shares,
    grid: &'a [u64],
}

impl Relaxation<'_> {
    /// Seeks good prices, and returns the best bound of all.
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        reason = "any prices prove a bound"
    )]
    fn ascend(&self, count: usize, known: u128, rounds: usize) -> u128 {
        let steps = self.grid.len() - 1;
        let mut prices = vec![0i64; count];
        let mut usage = vec![0f64; count];
        let mut direction = vec![0f64; count];
        let (mut best, mut best_prices) = (0i128, prices.clone());
        let (mut length, mut stale) = (1.0, 0u32);
        for _ in 0..rounds {
            let value = self.value(&prices, &mut usage);
            if value > best {
                (best, stale) = (value, 0);
                best_prices.clone_from(&prices);
            } else {
                stale += 1;
                if stale == PATIENCE {
                    (length, stale) = (length * SHRINK, 0);
                    prices.clone_from(&best_prices);
                    direction.fill(0.0);
                    continue;
                }
            }
            let target = i128::try_from(known).unwrap_or(i128::MAX / COST) * COST;
            if value >= target {
                break;
            }
            // Along the excess of usage over capacity, by the length of the step of the grid.
            let mut steepness = 0.0;
            for (at, slope) in direction.iter_mut().enumerate() {
                let span = (self.grid[at % steps + 1] - self.grid[at % steps]) as f64;
                let excess = usage[at] / span - WHOLE as f64;
                *slope = if prices[at] == 0 && excess < 0.0 { 0.0 } else { excess + MOMENTUM * *slope };
                steepness += *slope * excess * span;
            }
            if steepness <= 0.0 {
                direction.fill(0.0);
                stale += 1;
                if stale > PATIENCE {
                    break;
                }
                continue;
            }
            let scale = length * (target - value) as f64 / steepness;
            for (price, slope) in prices.iter_mut().zip(&direction) {
                *price = price.saturating_add((scale * slope) as i64).clamp(0, DEAREST);
            }
        }
        u128::try_from((best + COST - 1) / COST).unwrap_or(0)
    }

    /// The bound under these prices, times [`COST`]; and for each price, how much of it is used, in shares x microseconds.
    #[expect(clippy::cast_precision_loss, reason = "usage only guides the search")]
    fn value(&self, prices: &[i64], usage: &mut [f64]) -> i128 {
        let steps = self.grid.len() - 1;
        let mut sum = 0i128;
        for (at, &price) in prices.iter().enumerate() {
            let span = self.grid[at % steps + 1] - self.grid[at % steps];
            sum -= i128::from(price) * i128::from(span) * i128::from(WHOLE);
            usage[at] = 0.0;
        }
        let mut density = vec![0i128; steps];
        let mut paid = vec![0i128; self.grid.len()];
        for job in 0..self.model.jobs.len() {
            let mut best: Option<Choice> = None;
            for (worker, hold) in self.windows.able(job) {
                self.pay(job, worker, prices, &mut density, &mut paid);
                self.cheapest(job, worker, hold, &paid, &density, &mut best);
            }
            let Some(choice) = best else { continue };
            sum += choice.cost;
            for (column, share) in self.columns(job, choice.worker) {
                for step in self.steps_within(choice.at, choice.end) {
                    let (from, to) = (self.grid[step].max(choice.at), self.grid[step + 1].min(choice.end));
                    usage[column * steps + step] += share as f64 * (to - from) as f64;
                }
            }
        }
        sum
    }

    /// The columns of a worker in which the job has a share.
    fn columns(&self, job: usize, worker: usize) -> impl Iterator<Item = (usize, u64)> + '_ {
        let first = self.shares.columns.partition_point(|&(of, _)| of < worker);
        let of_worker =
            (first..self.shares.columns.len()).take_while(move |&at| self.shares.columns[at].0 == worker);
        of_worker.map(move |at| (at, self.shares.row(job)[at])).filter(|&(_, share)| share > 0)
    }

    /// The steps of the grid that have some of the time in them.
    fn steps_within(&self, from: u64, to: u64) -> std::ops::Range<usize> {
        let first = self.grid.partition_point(|&time| time <= from).saturating_sub(1);
        let last = self.grid.partition_point(|&time| time < to).saturating_sub(1);
        first..last.max(first).min(self.grid.len() - 1)
    }

    /// What the job pays on the worker: a time, by step; and up to each instant of the grid.
    fn pay(&self, job: usize, worker: usize, prices: &[i64], density: &mut [i128], paid: &mut [i128]) {
        let steps = density.len();
        density.fill(0);
        for (column, share) in self.columns(job, worker) {
            for (density, &price) in density.iter_mut().zip(&prices[column * steps..]) {
                *density += i128::from(share) * i128::from(price);
            }
        }
        paid[0] = 0;
        for step in 0..steps {
            let span = i128::from(self.grid[step + 1] - self.grid[step]);
            paid[step + 1] = paid[step] + density[step] * span;
        }
    }

    /// The cheapest start of the job on the worker, if it is cheaper than the best so far.
    fn cheapest(
        &self,
        job: usize,
        worker: usize,
        hold: u64,
        paid: &[i128],
        density: &[i128],
        best: &mut Option<Choice>,
    ) {
        let head = self.windows.head_on(job, worker);
        let mut consider = |at: u64, paid: i128| {
            let cost = self.cost(job, at, hold) + paid;
            if best.is_none_or(|best| cost < best.cost) {
                *best = Some(Choice { cost, worker, at, end: at + hold });
            }
        };
        consider(head, self.until(head + hold, paid, density) - self.until(head, paid, density));
        let mut other = 0;
        for (step, &at) in self.grid.iter().enumerate().filter(|&(_, &at)| at > head) {
            consider(at, self.until_from(&mut other, at + hold, paid, density) - paid[step]);
        }
        other = 0;
        for (step, &end) in self.grid.iter().enumerate().filter(|&(_, &end)| end > head + hold) {
            consider(end - hold, paid[step] - self.until_from(&mut other, end - hold, paid, density));
        }
    }

    /// What is paid up to a time.
    fn until(&self, time: u64, paid: &[i128], density: &[i128]) -> i128 {
        let mut step = self.grid.partition_point(|&from| from <= time).saturating_sub(1);
        self.until_from(&mut step, time, paid, density)
    }

    /// The same, for times that only grow; `step` is where the last one lay.
    fn until_from(&self, step: &mut usize, time: u64, paid: &[i128], density: &[i128]) -> i128 {
        while *step + 1 < self.grid.len() && self.grid[*step + 1] <= time {
            *step += 1;
        }
        let density = density.get(*step).copied().unwrap_or(0);
        paid[*step] + density * i128::from(time.saturating_sub(self.grid[*step]))
    }

    /// What the job adds to the objective if it starts then, times [`COST`].
    fn cost(&self, job: usize, at: u64, hold: u64) -> i128 {
        let job = &self.model.jobs[job];
        let cost = match self.objective {
            // Its wait counts from its predecessors' ends, wherever they are.
            Objective::MeanWait if !job.before.is_empty() => self.model.latency,
            Objective::MeanWait => at + self.model.latency - job.arrival,
            _ => at + hold - job.arrival,
        };
        i128::from(cost) * COST
    }
}
