//! Exact search for small cases.
//!
//! Jobs are started one after the other in the order of time. A node is a set of running and ended jobs; a child starts
//! one more job on one worker, on one device, at the earliest time not before the last start at which it fits.
//!
//! That is enough. The objectives are regular: ending earlier never costs. So among the optimal schedules take one with
//! the least sum of starts, and walk through its jobs by (start, index). Each of them starts where the branching starts
//! it: if it could start earlier, beside the jobs before it, it could do so in the whole schedule, since what comes later
//! starts later; then the sum of starts would not be the least.
//!
//! A branch is cut if
//!
//! - no completion of it can cost less than the best that is known (the bounds below);
//! - it starts a job at the instant of the last start although that one has the higher index: the other order is another
//!   branch;
//! - it starts a job at a time by which another one could have run to its end: in an optimal schedule with the least sum of
//!   starts that one would have been moved ahead (Giffler and Thompson, "Algorithms for Solving Production-Scheduling
//!   Problems", Operations Research 1960). Jobs whose data must be transferred are left out of this, since to move them
//!   to another worker may delay their successors;
//! - it uses a worker that is still untouched where an identical one before it is, too.

use cloudai_schedulers::{DeviceSet, MILLI_PER_GPU};

use super::Objective;
use super::bounds::Windows;
use super::decode::{Start, ready, value};
use super::model::{Model, Need};
use super::search::Limits;

/// What came of it.
#[derive(Clone, Debug)]
pub(super) struct Explored {
    /// A schedule that is better than the one that was known, if there was one.
    pub(super) better: Option<(u128, Vec<Start>)>,
    /// The whole tree was searched: the best schedule known is optimal.
    pub(super) complete: bool,
    /// Nodes that were visited.
    pub(super) nodes: u64,
}

/// Searches for a schedule of the jobs of `part` that costs less than `known`, visiting at most `nodes` nodes.
///
/// The others count as far as they are in the windows: what they make the part wait for, and what must follow. For a makespan,
/// which then is that of the part with its tails, this bounds that of all.
pub(super) fn explore(
    model: &Model,
    objective: Objective,
    windows: &Windows,
    part: &[usize],
    known: u128,
    nodes: u64,
    limits: &Limits<'_>,
) -> Explored {
    let mut tree = Tree {
        model,
        objective,
        windows,
        part,
        limits,
        needs: model.jobs.iter().map(Need::of).collect(),
        placed: vec![None; model.jobs.len()],
        plan: Vec::new(),
        best: known,
        better: None,
        left: nodes,
        complete: true,
    };
    tree.visit();
    let better = tree.better.map(|plan| (tree.best, plan));
    Explored { better, complete: tree.complete, nodes: nodes - tree.left }
}

struct Tree<'a> {
    model: &'a Model,
    objective: Objective,
    windows: &'a Windows,
    part: &'a [usize],
    limits: &'a Limits<'a>,
    needs: Vec<Need>,
    placed: Vec<Option<Start>>,
    /// In the order of starts.
    plan: Vec<Start>,
    best: u128,
    better: Option<Vec<Start>>,
    left: u64,
    complete: bool,
}

impl Tree<'_> {
    fn visit(&mut self) {
        if self.left == 0 || (self.left.is_multiple_of(1024) && self.limits.over()) {
            self.complete = false;
            return;
        }
        self.left -= 1;
        if self.plan.len() == self.part.len() {
            let cost = self.cost();
            if cost < self.best {
                self.best = cost;
                self.better = Some(self.plan.clone());
            }
            return;
        }
        if self.bound() >= self.best {
            return;
        }
        for start in self.children() {
            self.placed[start.job] = Some(start);
            self.plan.push(start);
            self.visit();
            self.plan.pop();
            self.placed[start.job] = None;
            if !self.complete || self.best <= self.limits.bound {
                return;
            }
        }
    }

    /// The last start: no job that is left starts before.
    fn now(&self) -> u64 {
        self.plan.last().map_or(0, |start| start.at)
    }

    fn is_available(&self, job: usize) -> bool {
        let before = &self.model.jobs[job].before;
        let is_waited_for = |job: usize| self.placed[job].is_none() && self.part.contains(&job);
        self.placed[job].is_none() && !before.iter().any(|&(job, _)| is_waited_for(job))
    }

    /// The starts to try, the most promising first.
    fn children(&self) -> Vec<Start> {
        let mut starts = Vec::new();
        for job in self.part.iter().copied().filter(|&job| self.is_available(job)) {
            for (worker, hold) in self.model.jobs[job].able() {
                let twin = self.model.twin[worker];
                let touched = |worker: usize| self.plan.iter().any(|start| start.worker == worker);
                let earlier_twin = |other: usize| self.model.twin[other] == twin && !touched(other);
                if !touched(worker) && (twin..worker).any(earlier_twin) {
                    continue;
                }
                self.starts_on(job, worker, hold, &mut starts);
            }
        }
        let moves_freely = |job: usize| self.model.jobs[job].after.iter().all(|&(_, transfer)| transfer == 0);
        let ahead: Vec<Start> = starts.iter().copied().filter(|start| moves_freely(start.job)).collect();
        let is_late = |start: &Start| ahead.iter().any(|other| other.end <= start.at);
        let last = self.plan.last().copied();
        starts.retain(|start| {
            !is_late(start) && !last.is_some_and(|last| start.at == last.at && start.job < last.job)
        });
        let urgency = |start: &Start| start.end + self.windows.tail_on(start.job, start.worker);
        starts.sort_by_key(|start| {
            (start.at, std::cmp::Reverse(urgency(start)), start.end, start.job, start.worker)
        });
        starts
    }

    /// The earliest starts of a job on a worker: one for each device that makes a difference.
    fn starts_on(&self, job: usize, worker: usize, hold: u64, starts: &mut Vec<Start>) {
        let need = &self.needs[job];
        let from = ready(self.model, &self.placed, job, worker);
        let from = from.max(self.windows.head_on(job, worker)).max(self.now());
        let mut add = |at: u64, devices: DeviceSet| {
            starts.push(Start { job, worker, devices, at, end: at + hold });
        };
        let running: Vec<&Start> =
            self.plan.iter().filter(|start| start.worker == worker && start.end > from).collect();
        let mut times: Vec<u64> = running.iter().map(|start| start.end).collect();
        times.push(from);
        times.sort_unstable();
        times.dedup();
        if need.devices == 0 {
            let at = times.into_iter().find(|&at| self.has_room(&running, worker, need, at));
            at.into_iter().for_each(|at| add(at, DeviceSet::EMPTY));
            return;
        }
        let gpus = self.model.workers[worker].gpus;
        if need.per_device == u64::from(MILLI_PER_GPU) {
            // Idle devices are alike, since nothing starts before now.
            for at in times {
                let idle = (0..gpus).filter(|&device| used(&running, device, at, &self.needs) == 0);
                let idle: Vec<u32> = idle.take(need.devices as usize).collect();
                if idle.len() == need.devices as usize && self.has_room(&running, worker, need, at) {
                    let mut devices = DeviceSet::EMPTY;
                    idle.into_iter().for_each(|device| devices.insert(device));
                    add(at, devices);
                    return;
                }
            }
            return;
        }
        let mut idle_tried: Vec<u64> = Vec::new();
        for device in 0..gpus {
            let fits = |at: &u64| {
                used(&running, device, *at, &self.needs) + need.per_device <= u64::from(MILLI_PER_GPU)
                    && self.has_room(&running, worker, need, *at)
            };
            let Some(at) = times.iter().copied().find(fits) else { continue };
            if used(&running, device, at, &self.needs) == 0 {
                if idle_tried.contains(&at) {
                    continue;
                }
                idle_tried.push(at);
            }
            add(at, DeviceSet::single(device));
        }
    }

    /// Whether cpu, memory and storage suffice; what is used only falls from now on.
    fn has_room(&self, running: &[&Start], worker: usize, need: &Need, at: u64) -> bool {
        let capacity = &self.model.workers[worker];
        let capacity = [capacity.cpu_milli, capacity.memory_mib, capacity.storage_mib];
        capacity.iter().enumerate().all(|(dimension, &capacity)| {
            let held = running.iter().filter(|start| start.end > at);
            let held: u64 = held.map(|start| self.needs[start.job].demand[dimension]).sum();
            held + need.demand[dimension] <= capacity
        })
    }

    /// What the jobs that are placed cost; with what must follow them, if that is not only a sum.
    fn cost(&self) -> u128 {
        match self.objective {
            Objective::Makespan => {
                let ends =
                    self.plan.iter().map(|start| start.end + self.windows.tail_on(start.job, start.worker));
                u128::from(ends.max().unwrap_or(0).saturating_sub(self.model.first_arrival))
            }
            _ => value(self.model, self.objective, &self.placed),
        }
    }

    /// No completion of this branch costs less.
    fn bound(&self) -> u128 {
        let now = self.now();
        let left = || self.part.iter().copied().filter(|&job| self.placed[job].is_none());
        let earliest = |job: usize| {
            let ends = self.model.jobs[job].able().map(move |(worker, hold)| {
                let before = self.model.jobs[job].before.iter();
                let inputs = before.filter_map(|&(from, transfer)| {
                    let start = self.placed[from]?;
                    Some(if start.worker == worker { start.end } else { start.end + transfer })
                });
                let at = inputs.fold(now.max(self.windows.head_on(job, worker)), u64::max);
                (at, at + hold, at + hold + self.windows.tail_on(job, worker))
            });
            ends.fold((u64::MAX, u64::MAX, u64::MAX), |least, end| {
                (least.0.min(end.0), least.1.min(end.1), least.2.min(end.2))
            })
        };
        let so_far = self.cost();
        match self.objective {
            Objective::Makespan => {
                let longest = left().map(|job| earliest(job).2).max().unwrap_or(0);
                let area = self.windows.rest(now, &self.plan, left());
                so_far.max(u128::from(longest.max(area).saturating_sub(self.model.first_arrival)))
            }
            Objective::MeanTurnaround => {
                let rest = left().map(|job| u128::from(earliest(job).1 - self.model.jobs[job].arrival));
                so_far + rest.sum::<u128>()
            }
            // The wait of a job counts from its predecessors' ends, which may still lie ahead.
            Objective::MeanWait => {
                let first = left().filter(|&job| self.model.jobs[job].before.is_empty());
                let wait = |job: usize| earliest(job).0 + self.model.latency - self.model.jobs[job].arrival;
                so_far + first.map(|job| u128::from(wait(job))).sum::<u128>()
            }
        }
    }
}

/// Milli-GPU held on a device at a time.
fn used(running: &[&Start], device: u32, at: u64, needs: &[Need]) -> u64 {
    let here = running.iter().filter(|start| start.end > at && start.devices.0 >> device & 1 == 1);
    here.map(|start| needs[start.job].per_device).sum()
}
