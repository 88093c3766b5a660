//! Local search over orders of jobs.
//!
//! Several chains, each from its own start and with its own random stream, each on one thread. A chain changes the order
//! (a few jobs taken out and put back elsewhere, as in iterated greedy; two jobs swapped; a job sent to another worker),
//! decodes, and accepts by late acceptance hill climbing (Burke and Bykov, "The Late Acceptance Hill-Climbing Heuristic",
//! European J. Operational Research 2017): a schedule that is no worse than the current one was a while ago. What comes
//! out depends on the seed and the number of schedules alone, not on threads.

use std::cmp::Reverse;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64;
use rayon::prelude::*;

use super::Objective;
use super::bounds::Windows;
use super::decode::{Candidate, Cost, Decoder, Start};
use super::model::{Model, UNABLE};

/// Chains, whatever the number of threads.
const CHAINS: u64 = 8;

/// A chain's schedules for each one that it looks back: a longer search forgets more slowly.
const PER_MEMORY: u64 = 50;

/// How often the clock is looked at, in schedules.
const CLOCK: u64 = 64;

/// What ends a search before its budget does.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits<'a> {
    /// Schedules to build, all chains together.
    pub(super) schedules: u64,
    /// No schedule can be better than this.
    pub(super) bound: u128,
    pub(super) until: Option<Instant>,
    pub(super) stop: Option<&'a AtomicBool>,
}

impl Limits<'_> {
    /// True if the clock or somebody says so.
    pub(super) fn over(&self) -> bool {
        self.until.is_some_and(|until| Instant::now() >= until)
            || self.stop.is_some_and(|stop| stop.load(Ordering::Relaxed))
    }
}

/// The best schedule of a search.
#[derive(Clone, Debug)]
pub(super) struct Found {
    pub(super) cost: Cost,
    pub(super) plan: Vec<Start>,
    /// Schedules that were built.
    pub(super) schedules: u64,
}

/// Searches; the result is that of the best chain, the first one where several are alike.
pub(super) fn search(
    model: &Model,
    objective: Objective,
    windows: &Windows,
    seed: u64,
    limits: &Limits<'_>,
) -> Option<Found> {
    let rules = rules(model, windows);
    let chains: Vec<Found> = (0..CHAINS)
        .into_par_iter()
        .map(|chain| Chain::new(model, objective, seed, chain).run(&rules, limits))
        .collect();
    let schedules = chains.iter().map(|found| found.schedules).sum();
    chains.into_iter().min_by_key(|found| found.cost).map(|found| Found { schedules, ..found })
}

/// Priority rules: an order each.
fn rules(model: &Model, windows: &Windows) -> Vec<Vec<usize>> {
    let area = |job: usize| model.work(job);
    let run = |job: usize| u128::from(model.jobs[job].shortest());
    let head = |job: usize| u128::from(windows.head(job));
    let tail = |job: usize| u128::from(windows.tail(job)) + run(job);
    let sorted = |key: &dyn Fn(usize) -> (u128, u128)| {
        let mut order: Vec<usize> = (0..model.jobs.len()).collect();
        order.sort_by_key(|&job| (key(job), job));
        order
    };
    const MOST: u128 = u128::MAX;
    vec![
        sorted(&|job| (MOST - tail(job), head(job))),
        sorted(&|job| (head(job), MOST - tail(job))),
        sorted(&|job| (MOST - area(job), head(job))),
        sorted(&|job| (run(job), head(job))),
        sorted(&|job| (area(job), head(job))),
        sorted(&|job| (head(job), run(job))),
        sorted(&|job| (head(job) + run(job), area(job))),
        sorted(&|job| (MOST - run(job), head(job))),
    ]
}

struct Chain<'a> {
    model: &'a Model,
    decoder: Decoder<'a>,
    rng: Pcg64,
    number: u64,
    built: u64,
}

impl<'a> Chain<'a> {
    fn new(model: &'a Model, objective: Objective, seed: u64, number: u64) -> Self {
        let rng = Pcg64::seed_from_u64(seed ^ number.wrapping_mul(0x9E37_79B9_7F4A_7C15));
        Self { model, decoder: Decoder::new(model, objective), rng, number, built: 0 }
    }

    fn decode(&mut self, candidate: &Candidate) -> Cost {
        self.built += 1;
        self.decoder.decode(candidate)
    }

    fn run(mut self, rules: &[Vec<usize>], limits: &Limits<'_>) -> Found {
        let jobs = self.model.jobs.len();
        // Each chain begins at another rule: even ones at the best, odd ones at their own.
        let mut starts: Vec<(Cost, Candidate)> = Vec::new();
        for order in rules {
            let candidate = Candidate { order: order.clone(), worker: vec![None; jobs] };
            starts.push((self.decode(&candidate), candidate));
        }
        let own = usize::try_from(self.number).unwrap_or(0) % starts.len();
        let best =
            starts.iter().enumerate().min_by_key(|(at, (cost, _))| (*cost, *at)).map_or(0, |(at, _)| at);
        let (mut cost, mut current) = starts.swap_remove(if own.is_multiple_of(2) { best } else { own });
        let mut found = Found { cost: self.decode(&current), plan: self.decoder.plan.clone(), schedules: 0 };
        let budget = limits.schedules / CHAINS + u64::from(self.number < limits.schedules % CHAINS);
        let memory = usize::try_from(budget / PER_MEMORY).unwrap_or(usize::MAX).clamp(20, 5000);
        let mut history = vec![cost; memory];
        let mut turn = 0;
        let mut next = current.clone();
        while self.built < budget && found.cost.0 > limits.bound {
            if self.built.is_multiple_of(CLOCK) && limits.over() {
                break;
            }
            next.clone_from(&current);
            self.change(&mut next);
            let new = self.decode(&next);
            let past = &mut history[turn % memory];
            if new <= cost || new <= *past {
                cost = new;
                std::mem::swap(&mut current, &mut next);
                if new < found.cost {
                    found.cost = new;
                    found.plan.clone_from(&self.decoder.plan);
                    // In the order of starts, a place in the list is a place in time.
                    let mut by_start = self.decoder.plan.clone();
                    by_start.sort_by_key(|start| start.at);
                    current.order.clear();
                    current.order.extend(by_start.iter().map(|start| start.job));
                }
            }
            if cost < *past {
                *past = cost;
            }
            turn += 1;
        }
        found.schedules = self.built;
        found
    }

    fn below(&mut self, end: usize) -> usize {
        self.rng.random_range(0..end.max(1))
    }

    fn change(&mut self, candidate: &mut Candidate) {
        let jobs = candidate.order.len();
        match self.below(10) {
            0..=3 => {
                let count = 1 + self.below(3);
                for _ in 0..count {
                    let from = self.below(jobs);
                    let job = candidate.order.remove(from);
                    let to = if self.below(2) == 0 { self.near(from, jobs) } else { self.below(jobs) };
                    candidate.order.insert(to, job);
                    if self.below(4) == 0 {
                        candidate.worker[job] = self.some_worker(job);
                    }
                }
            }
            4..=6 => {
                let (one, other) = (self.below(jobs), self.below(jobs));
                let other = if self.below(2) == 0 { self.near(one, jobs) } else { other };
                candidate.order.swap(one, other);
            }
            7 => {
                // Who ends late is to be placed before others.
                let window = 1 + self.below(jobs.min(8));
                let from = self.below(jobs - window + 1);
                let part = &mut candidate.order[from..from + window];
                let placed = &self.decoder.placed;
                part.sort_by_key(|&job| (Reverse(placed[job].map_or(0, |start| start.end)), job));
            }
            _ => {
                let job = self.below(jobs);
                candidate.worker[job] = self.some_worker(job);
            }
        }
    }

    /// A place within eight of `at`.
    fn near(&mut self, at: usize, places: usize) -> usize {
        let (low, high) = (at.saturating_sub(8), (at + 9).min(places));
        low + self.below(high - low)
    }

    /// A worker that can run the job, or none in particular.
    fn some_worker(&mut self, job: usize) -> Option<usize> {
        let hold = &self.model.jobs[job].hold;
        let able = hold.iter().filter(|&&hold| hold != UNABLE).count();
        let chosen = self.below(able + 1);
        self.model.jobs[job].able().nth(chosen).map(|(worker, _)| worker)
    }
}
