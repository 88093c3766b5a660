//! Bounds on the end of all jobs: weighted areas, and jobs that exclude each other.
//!
//! **Weighted area.** Fix an instant `from` and a time `after` before the end T. Let o(i, w) be the part of job i's time on
//! worker w that must lie between `from` and T - `after` ([`Windows::inside`]), s(f, i, w) its share of w under a dual
//! feasible function f, and y(f, w) any weights, none negative. At every instant the jobs on w have shares that sum to at most
//! 1, so that over the interval
//!
//! ```text
//! sum over i of min over w of sum over f of y(f, w) s(f, i, w) o(i, w)  <=  (T - after - from) x sum of all y
//! ```
//!
//! which bounds T from below. The best weights are the dual of a linear program: the fractional assignment of jobs to
//! workers that ends first. Any weights prove a bound, so they are sought in floating point (exponentiated gradient,
//! Kivinen and Warmuth, Information and Computation 1997), rounded to integers, and the bound is then computed exactly.
//! Equal weights on all workers give the plain area bound; weight on some workers only gives the area bound of the jobs that
//! fit nowhere else.
//!
//! **Exclusion.** Of jobs that each take more than half of a resource on every worker open to them, no two run on one
//! worker at one time. If k m + 1 of them have m workers to share, k + 1 are on one, one after the other.

use crate::oracle::model::Model;

use super::Proof;
use super::shares::Shares;
use super::windows::Windows;

/// Jobs x workers x ends of intervals that are tried: where there are many of the former, fewer of the latter.
const EFFORT: usize = 20_000;

/// Intervals for which weights are sought.
const INTERVALS: usize = 8;

/// Steps of the search for weights.
const STEPS: u32 = 300;

/// Weights are rounded to multiples of one over this.
const GRAIN: f64 = (1u64 << 20) as f64;

/// An interval: from an instant until so long before the end of all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Interval {
    from: u64,
    after: u64,
}

/// A bound on the end of all, and why.
pub(super) type Bounded = (u64, Proof);

/// The strongest bound on the end of all jobs that these windows allow, with the weights that prove its area part.
pub(super) fn bound(model: &Model, windows: &Windows, shares: &Shares) -> (Bounded, Vec<u64>) {
    let mut best = (longest_path(model, windows), Proof::LongestPath);
    let intervals = intervals(model, windows);
    for &interval in &intervals {
        best = stronger(best, (exclusion(model, windows, interval), Proof::Exclusion));
    }
    let presets = shares.presets(model);
    let mut plain: Vec<(u64, Interval, usize)> = Vec::new();
    for (number, weights) in presets.iter().enumerate() {
        let (weighted, rate) = shares.weigh(model, weights);
        let values = intervals
            .iter()
            .map(|&interval| (area(model, windows, &weighted, rate, interval), interval, number));
        plain.extend(values.max_by_key(|&(value, ..)| value));
        if number == 0 {
            plain.extend(intervals.iter().map(|&interval| (0, interval, 0)));
        }
    }
    plain.sort_by_key(|&(value, interval, preset)| (std::cmp::Reverse(value), interval, preset));
    let mut weights = presets.first().cloned().unwrap_or_default();
    if let Some(&(value, _, preset)) = plain.first() {
        weights.clone_from(&presets[preset]);
        best = stronger(best, (value, Proof::Area));
    }
    let mut tried: Vec<Interval> = Vec::new();
    let mut strongest = plain.first().map_or(0, |&(value, ..)| value);
    for &(_, interval, preset) in &plain {
        if tried.len() == INTERVALS {
            break;
        }
        if tried.contains(&interval) {
            continue;
        }
        tried.push(interval);
        let found = ascend(model, windows, shares, interval, &presets[preset]);
        let (weighted, rate) = shares.weigh(model, &found);
        let value = area(model, windows, &weighted, rate, interval);
        if value > strongest {
            (strongest, weights) = (value, found);
            best = stronger(best, (value, Proof::WeightedArea));
        }
    }
    (best, weights)
}

fn stronger(one: Bounded, other: Bounded) -> Bounded {
    if other.0 > one.0 { other } else { one }
}

/// The longest path: no schedule ends before any job's head, time and tail, on the worker where they are least.
fn longest_path(model: &Model, windows: &Windows) -> u64 {
    let of_job = |job: usize| {
        let ends = windows.able(job).map(|(worker, _)| windows.end_of_all(job, worker));
        ends.min().unwrap_or(0)
    };
    (0..model.jobs.len()).map(of_job).max().unwrap_or(0)
}

/// Intervals that begin at some head and end at some tail.
fn intervals(model: &Model, windows: &Windows) -> Vec<Interval> {
    let jobs = 0..model.jobs.len();
    let most = (EFFORT / (model.jobs.len() * model.workers.len()).max(1)).clamp(4, 40);
    let froms = thinned(jobs.clone().map(|job| windows.head(job)).collect(), most);
    let afters = thinned(jobs.map(|job| windows.tail(job)).chain([0]).collect(), most);
    froms.iter().flat_map(|&from| afters.iter().map(move |&after| Interval { from, after })).collect()
}

/// At most so many of the different values, evenly by rank, the least among them.
fn thinned(mut values: Vec<u64>, most: usize) -> Vec<u64> {
    values.sort_unstable();
    values.dedup();
    let step = values.len().div_ceil(most).max(1);
    values.into_iter().step_by(step).collect()
}

/// The area bound of an interval under these weights; 0 if nothing must lie in it.
fn area(model: &Model, windows: &Windows, weighted: &[u128], rate: u128, interval: Interval) -> u64 {
    let workers = model.workers.len();
    let of_job = |job: usize| {
        let work = windows.able(job).map(|(worker, _)| {
            let inside = windows.inside(job, worker, interval.from, interval.after);
            u128::from(inside) * weighted[job * workers + worker]
        });
        work.min().unwrap_or(0)
    };
    let work: u128 = (0..model.jobs.len()).map(of_job).sum();
    if work == 0 || rate == 0 {
        return 0;
    }
    let length = u64::try_from(work.div_ceil(rate)).unwrap_or(u64::MAX);
    interval.from.saturating_add(interval.after).saturating_add(length)
}

/// Seeks weights with a strong bound for the interval.
#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "any weights prove a bound"
)]
fn ascend(model: &Model, windows: &Windows, shares: &Shares, interval: Interval, start: &[u64]) -> Vec<u64> {
    let columns = shares.columns.len();
    // Jobs that must lie in the interval on whatever worker, and where.
    let inside: Vec<(usize, Vec<(usize, f64)>)> = (0..model.jobs.len())
        .map(|job| {
            let at =
                |(worker, _)| (worker, windows.inside(job, worker, interval.from, interval.after) as f64);
            (job, windows.able(job).map(at).collect::<Vec<_>>())
        })
        .filter(|(_, at)| at.iter().all(|&(_, inside)| inside > 0.0))
        .collect();
    let whole: u64 = start.iter().sum();
    let even = 1.0 / columns.max(1) as f64;
    let mut weights: Vec<f64> =
        start.iter().map(|&weight| 0.8 * weight as f64 / whole.max(1) as f64 + 0.2 * even).collect();
    let mut mean = vec![0.0; columns];
    let (mut best, mut best_value) = (weights.clone(), 0.0);
    let mut gradient = vec![0.0; columns];
    let mut cost = vec![0.0; model.workers.len()];
    let mut value_of = |weights: &[f64], gradient: &mut [f64]| {
        gradient.fill(0.0);
        let mut value = 0.0;
        for (job, at) in &inside {
            let row = shares.row(*job);
            cost.fill(0.0);
            for ((&(worker, _), &share), weight) in shares.columns.iter().zip(row).zip(weights) {
                cost[worker] += weight * share as f64;
            }
            let least = at.iter().map(|&(worker, inside)| (inside * cost[worker], worker, inside));
            let Some((least, worker, inside)) = least.min_by(|a, b| a.0.total_cmp(&b.0)) else { continue };
            value += least;
            let first = shares.columns.partition_point(|&(of, _)| of < worker);
            for column in (first..columns).take_while(|&column| shares.columns[column].0 == worker) {
                gradient[column] += inside * row[column] as f64;
            }
        }
        value
    };
    for step in 1..=STEPS {
        let value = value_of(&weights, &mut gradient);
        if value > best_value {
            best_value = value;
            best.clone_from(&weights);
        }
        let steepest = gradient.iter().copied().fold(1.0, f64::max);
        let rate = 1.0 / libm::sqrt(f64::from(step));
        for (weight, slope) in weights.iter_mut().zip(&gradient) {
            *weight *= libm::exp(rate * (slope - value) / steepest);
        }
        let sum: f64 = weights.iter().sum();
        for (weight, mean) in weights.iter_mut().zip(&mut mean) {
            *weight /= sum;
            *mean += *weight;
        }
        if step.is_multiple_of(25) {
            let average: Vec<f64> = mean.iter().map(|mean| mean / 25.0).collect();
            mean.fill(0.0);
            let value = value_of(&average, &mut gradient);
            if value > best_value {
                best_value = value;
                best = average;
            }
        }
    }
    best.into_iter().map(|weight| (weight * GRAIN) as u64).collect()
}

/// The bound from jobs that exclude each other.
fn exclusion(model: &Model, windows: &Windows, interval: Interval) -> u64 {
    // Sets of workers are sets of bits; beyond them this bound says nothing.
    if model.workers.len() > 128 {
        return 0;
    }
    let open = |job: usize| windows.able(job).fold(0u128, |set, (worker, _)| set | 1 << worker);
    let jobs = 0..model.jobs.len();
    let least = |job: usize| {
        let inside = windows.able(job).map(|(w, _)| windows.inside(job, w, interval.from, interval.after));
        inside.min().unwrap_or(0)
    };
    let mut best = 0;
    for dimension in 0..4 {
        let takes_half =
            |&job: &usize| windows.able(job).all(|(worker, _)| is_big(model, job, worker, dimension));
        let mut big: Vec<(u64, u128)> =
            jobs.clone().filter(takes_half).map(|job| (least(job), open(job))).collect();
        big.retain(|&(inside, _)| inside > 0);
        big.sort_unstable_by(|a, b| b.cmp(a));
        let mut sets: Vec<u128> = big.iter().map(|&(_, set)| set).collect();
        sets.push(sets.iter().fold(0, |all, set| all | set));
        sets.sort_unstable();
        sets.dedup();
        for set in sets {
            let within: Vec<u64> =
                big.iter().filter(|(_, open)| open & !set == 0).map(|&(inside, _)| inside).collect();
            let workers = set.count_ones() as usize;
            let crowded = (1..).map(|k| (k, k * workers + 1)).take_while(|&(_, count)| count <= within.len());
            let length = crowded.map(|(k, count)| within[count - 1 - k..count].iter().sum::<u64>()).max();
            best = best.max(length.map_or(0, |length| interval.from + interval.after + length));
        }
    }
    best
}

/// True if the job takes more than half of this resource of the worker.
fn is_big(model: &Model, job: usize, worker: usize, dimension: usize) -> bool {
    let (job, capacity) = (&model.jobs[job], &model.workers[worker]);
    let plain = [capacity.cpu_milli, capacity.memory_mib, capacity.storage_mib];
    match plain.get(dimension) {
        Some(capacity) => u128::from(job.demand[dimension]) * 2 > u128::from(*capacity),
        None => u64::from(job.gpu.milli()) * 2 > capacity.gpu_milli(),
    }
}

/// The strongest bound on the end of all, sharpened by contradiction: if no schedule ends by a limit, the end lies beyond
/// it. `known` is the end of some schedule. Also keeps the weights for the exact search.
pub(super) fn sharpened(model: &Model, windows: &mut Windows, known: u64) -> Bounded {
    let shares = Shares::of(model);
    let (mut best, weights) = bound(model, windows, &shares);
    let (weighted, rate) = shares.weigh(model, &weights);
    windows.keep(weighted, rate);
    // No schedule ends before `low`; that none ends by a limit of `high` or more could not be shown.
    let (mut low, mut high) = (best.0, known);
    let mut limit = known.saturating_sub(1);
    while low <= limit {
        let none_ends_by_limit = match windows.within(model, limit) {
            None => true,
            Some(windows) => bound(model, &windows, &shares).0.0 > limit,
        };
        if none_ends_by_limit {
            low = limit + 1;
            best = (low, Proof::Contradiction);
        } else {
            high = limit;
        }
        if high - low <= known >> 12 {
            break;
        }
        limit = low + (high - low) / 2;
    }
    best
}
