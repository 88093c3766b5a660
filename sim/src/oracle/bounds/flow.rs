//! Bounds on sums of ends and of waits.
//!
//! Weights as for the [areas](super::area) make the cluster one machine of rate 1 on which job i has the work aᵢ = min over w of
//! hold(i, w) x sum of y(f, w) s(f, i, w) / sum of y: in any schedule the job takes at least aᵢ / hold of that machine from its
//! start Sᵢ to its end Cᵢ, and all jobs together never more than all of it.
//!
//! The *mean busy time* Mᵢ, the mean instant at which the job's work is done, is (Sᵢ + Cᵢ) / 2 in that schedule. On the one
//! machine with preemption, the sum of the Mᵢ is least if at any time the job with the least work of all is served
//! (Goemans, "A Supermodular Relaxation for Scheduling with Release Dates", IPCO 1996). So
//!
//! - the sum of ends is at least the sum of (Mᵢ + the shortest time of i / 2),
//! - the sum of starts is at least the sum of (Mᵢ - the longest time of i / 2).
//!
//! Served by the least work *left*, the ends on the one machine are bounds themselves (Schrage, Operations Research 1968);
//! the larger sum counts.
//!
//! For jobs on equal machines without releases that is the bound of Eastman, Even, Isaacs ("Bounds for the Optimal
//! Scheduling of n Jobs on m Processors", Management Science 1964). It holds for every part of the jobs, too; the others then
//! count as if they were alone.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64;

use crate::oracle::Objective;
use crate::oracle::model::Model;

use super::Proof;
use super::shares::Shares;
use super::windows::Windows;

/// Weights that are tried.
const TRIES: u32 = 400;

/// Weights that add up to more are halved, all of them: only their ratios count.
const MOST_WEIGHT: u64 = 1 << 40;

/// A job whose work on the one machine is less than its time divided by these is left out, in turn; 0: none is.
const LEAST_WORK: [u64; 7] = [0, 4096, 256, 64, 32, 16, 8];

/// A lower bound on the sum of the objective over all jobs.
pub(super) fn bound(model: &Model, objective: Objective, windows: &Windows) -> (u128, Proof) {
    let shares = Shares::of(model);
    let alone = (0..model.jobs.len()).map(|job| u128::from(alone(model, objective, windows, job))).sum();
    let mut best = (alone, Proof::LongestPath);
    let mut at_best = None;
    for weights in shares.presets(model) {
        let value = relaxed(model, objective, windows, &shares, &weights);
        if value > best.0 {
            best = (value, Proof::MeanBusyTime);
            at_best = Some(weights);
        }
    }
    // From the best of them, uphill by single weights.
    let Some(mut weights) = at_best else { return best };
    let mut rng = Pcg64::seed_from_u64(0);
    for _ in 0..TRIES {
        let column = rng.random_range(0..weights.len());
        let mut whole: u64 = weights.iter().sum();
        while whole > MOST_WEIGHT {
            weights.iter_mut().for_each(|weight| *weight /= 2);
            whole = weights.iter().sum();
        }
        let old = weights[column];
        weights[column] = match rng.random_range(0..4) {
            0 => old / 2,
            1 => old * 3 / 4,
            2 => old + old / 2 + whole / 64,
            _ => old + whole / 16,
        };
        let value = relaxed(model, objective, windows, &shares, &weights);
        if value > best.0 {
            best.0 = value;
        } else {
            weights[column] = old;
        }
    }
    best
}

/// What a job adds if nothing else runs: for the wait of one with predecessors nothing, since it counts from their ends.
fn alone(model: &Model, objective: Objective, windows: &Windows, job: usize) -> u64 {
    let arrival = model.jobs[job].arrival;
    match objective {
        Objective::MeanWait if !model.jobs[job].before.is_empty() => model.latency,
        Objective::MeanWait => windows.head(job) + model.latency - arrival,
        _ => windows.earliest_end(job) - arrival,
    }
}

/// The bound under these weights, for the part of the jobs where it is strongest.
fn relaxed(model: &Model, objective: Objective, windows: &Windows, shares: &Shares, weights: &[u64]) -> u128 {
    let (weighted, rate) = shares.weigh(model, weights);
    if rate == 0 {
        return 0;
    }
    let workers = model.workers.len();
    let work = |job: usize| {
        let works =
            windows.able(job).map(|(worker, hold)| u128::from(hold) * weighted[job * workers + worker]);
        u64::try_from(works.min().unwrap_or(0) / rate).unwrap_or(u64::MAX)
    };
    let waits = objective == Objective::MeanWait;
    let of_part = |least: u64| {
        let mut part = Vec::new();
        // Sums of twice what each job adds: halves stay whole.
        let mut others = 0i128;
        for (index, job) in model.jobs.iter().enumerate() {
            let work = work(index);
            let counts = !waits || job.before.is_empty();
            if counts && work > 0 && (least == 0 || work >= job.shortest() / least) {
                part.push(Piece { release: windows.head(index), work, job: index });
            } else {
                others += 2 * i128::from(alone(model, objective, windows, index));
            }
        }
        let beyond = |job: usize| {
            let job = &model.jobs[job];
            let arrival = 2 * i128::from(job.arrival);
            if waits { 2 * i128::from(model.latency) - arrival } else { -arrival }
        };
        let busy = serve(&mut part, |piece, _| piece.work).into_iter().map(|served| {
            let job = &model.jobs[served.job];
            let half = if waits { -i128::from(job.longest()) } else { i128::from(job.shortest()) };
            served.twice_busy + half + beyond(served.job)
        });
        let by_busy: i128 = busy.sum();
        let ends = serve(&mut part, |_, left| left).into_iter().map(|served| {
            let run = if waits { 2 * i128::from(model.jobs[served.job].longest()) } else { 0 };
            2 * i128::from(served.end) - run + beyond(served.job)
        });
        let by_end: i128 = ends.sum();
        u128::try_from(others + by_busy.max(by_end)).unwrap_or(0).div_ceil(2)
    };
    LEAST_WORK.into_iter().map(of_part).max().unwrap_or(0)
}

/// A job on the one machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Piece {
    release: u64,
    work: u64,
    job: usize,
}

/// How a job fared on the one machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Served {
    job: usize,
    /// Twice the mean busy time, rounded down.
    twice_busy: i128,
    end: u64,
}

/// Serves at any time the waiting job with the least rank, which is a function of the job and its work left.
fn serve(jobs: &mut [Piece], rank: impl Fn(&Piece, u64) -> u64) -> Vec<Served> {
    jobs.sort_unstable();
    let mut waiting: BinaryHeap<Reverse<(u64, usize, u64, u128)>> = BinaryHeap::new();
    let (mut clock, mut next) = (0u64, 0);
    let mut done = Vec::with_capacity(jobs.len());
    loop {
        if waiting.is_empty() {
            let Some(piece) = jobs.get(next) else { return done };
            clock = clock.max(piece.release);
        }
        while let Some(piece) = jobs.get(next)
            && piece.release <= clock
        {
            waiting.push(Reverse((rank(piece, piece.work), next, piece.work, 0)));
            next += 1;
        }
        let Some(Reverse((_, at, left, moment))) = waiting.pop() else { continue };
        let until = jobs.get(next).map_or(u64::MAX, |piece| piece.release);
        let served = left.min(until - clock);
        // The moment of a stretch of work: its length times twice its middle.
        let moment = moment + u128::from(served) * (2 * u128::from(clock) + u128::from(served));
        clock += served;
        let piece = &jobs[at];
        if served == left {
            let twice_busy = i128::try_from(moment / u128::from(piece.work)).unwrap_or(i128::MAX);
            done.push(Served { job: piece.job, twice_busy, end: clock });
        } else {
            waiting.push(Reverse((rank(piece, left - served), at, left - served, moment)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn busy(jobs: &[(u64, u64)], rank: impl Fn(&Piece, u64) -> u64) -> Vec<(usize, i128, u64)> {
        let piece = |(job, &(release, work)): (usize, &(u64, u64))| Piece { release, work, job };
        let mut pieces: Vec<Piece> = jobs.iter().enumerate().map(piece).collect();
        serve(&mut pieces, rank).iter().map(|served| (served.job, served.twice_busy, served.end)).collect()
    }

    #[test]
    fn mean_busy_times_serve_the_least_work_of_all() {
        let whole = |piece: &Piece, _| piece.work;
        // The first is served 0-4 and 6-12: twice its mean is (4 x 4 + 6 x 18) / 10.
        assert_eq!(busy(&[(0, 10), (4, 2)], whole), [(1, 10, 6), (0, 12, 12)]);
        // What has little left is still set aside for less work of all.
        assert_eq!(busy(&[(0, 10), (9, 5)], whole), [(1, 23, 14), (0, (81 + 29) / 10, 15)]);
    }

    #[test]
    fn ends_serve_the_least_work_left() {
        assert_eq!(busy(&[(0, 10), (9, 5)], |_, left| left), [(0, 10, 10), (1, 25, 15)]);
    }
}
