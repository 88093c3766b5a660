//! From an order of jobs to a schedule: the serial schedule generation scheme.
//!
//! Kolisch, "Serial and parallel resource-constrained project scheduling methods revisited" (European J. Operational
//! Research 1996): jobs are placed one after the other, each as early as the ones placed before it leave room. Every
//! schedule in which nothing can be moved ahead comes from some order and some choice of workers.

use cloudai_schedulers::DeviceSet;

use super::Objective;
use super::model::{Model, Need, UNABLE};
use super::timeline::Timeline;

/// Where and when a job holds its resources, in microseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Start {
    pub(super) job: usize,
    pub(super) worker: usize,
    pub(super) devices: DeviceSet,
    pub(super) at: u64,
    pub(super) end: u64,
}

/// What a schedule costs: the objective as a whole number of microseconds (a sum, where the objective is a mean), then the
/// sum of all ends, which tells schedules of one makespan apart.
pub(super) type Cost = (u128, u128);

/// An order of jobs, and for some a worker to insist on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Candidate {
    pub(super) order: Vec<usize>,
    pub(super) worker: Vec<Option<usize>>,
}

/// Builds schedules; keeps its memory.
#[derive(Clone, Debug)]
pub(super) struct Decoder<'a> {
    model: &'a Model,
    objective: Objective,
    needs: Vec<Need>,
    /// Workers in the order in which ties are broken: those that can run the fewest jobs keep the others free.
    workers: Vec<usize>,
    timelines: Vec<Timeline>,
    /// By job.
    pub(super) placed: Vec<Option<Start>>,
    /// In the order of placement.
    pub(super) plan: Vec<Start>,
    stack: Vec<usize>,
}

impl<'a> Decoder<'a> {
    pub(super) fn new(model: &'a Model, objective: Objective) -> Self {
        let mut workers: Vec<usize> = (0..model.workers.len()).collect();
        let runs = |worker: usize| model.jobs.iter().filter(|job| job.hold[worker] != UNABLE).count();
        workers.sort_by_key(|&worker| (runs(worker), worker));
        Self {
            model,
            objective,
            needs: model.jobs.iter().map(Need::of).collect(),
            workers,
            timelines: model.workers.iter().map(Timeline::new).collect(),
            placed: vec![None; model.jobs.len()],
            plan: Vec::with_capacity(model.jobs.len()),
            stack: Vec::new(),
        }
    }

    /// Builds the candidate's schedule into `plan`. A job that stands before a predecessor is placed right behind it.
    pub(super) fn decode(&mut self, candidate: &Candidate) -> Cost {
        self.timelines.iter_mut().for_each(Timeline::clear);
        self.placed.fill(None);
        self.plan.clear();
        for &job in &candidate.order {
            self.stack.push(job);
            while let Some(&top) = self.stack.last() {
                let before = &self.model.jobs[top].before;
                let missing = before.iter().find(|(job, _)| self.placed[*job].is_none());
                if let Some(&(missing, _)) = missing {
                    self.stack.push(missing);
                } else {
                    self.stack.pop();
                    if self.placed[top].is_none() {
                        self.place(top, candidate.worker[top]);
                    }
                }
            }
        }
        self.cost()
    }

    /// Places a job where it ends first, or starts first where only waiting counts.
    fn place(&mut self, index: usize, insisted: Option<usize>) {
        let job = &self.model.jobs[index];
        let mut best: Option<((u64, u64), Start)> = None;
        for &worker in &self.workers {
            let hold = job.hold[worker];
            if hold == UNABLE || insisted.is_some_and(|insisted| insisted != worker) {
                continue;
            }
            let ready = ready(self.model, &self.placed, index, worker);
            // What cannot be better at its earliest is not looked up.
            if best.is_some_and(|(key, _)| self.key(ready, ready + hold) >= key) {
                continue;
            }
            let (at, devices) = self.timelines[worker].earliest(ready, hold, &self.needs[index]);
            let key = self.key(at, at + hold);
            if best.is_none_or(|(least, _)| key < least) {
                best = Some((key, Start { job: index, worker, devices, at, end: at + hold }));
            }
        }
        // Some worker is able, and nobody insists on one that is not.
        let Some((_, start)) = best else { return };
        let length = start.end - start.at;
        self.timelines[start.worker].take(start.at, length, &self.needs[index], start.devices);
        self.placed[index] = Some(start);
        self.plan.push(start);
    }

    const fn key(&self, at: u64, end: u64) -> (u64, u64) {
        match self.objective {
            Objective::MeanWait => (at, end),
            _ => (end, at),
        }
    }

    fn cost(&self) -> Cost {
        (
            value(self.model, self.objective, &self.placed),
            self.plan.iter().map(|start| u128::from(start.end)).sum(),
        )
    }
}

/// When a job may start on a worker: it has arrived, its predecessors have ended, and their data is there.
pub(super) fn ready(model: &Model, placed: &[Option<Start>], job: usize, worker: usize) -> u64 {
    let job = &model.jobs[job];
    let inputs = job.before.iter().filter_map(|&(from, transfer)| {
        placed[from].map(|start| if start.worker == worker { start.end } else { start.end + transfer })
    });
    inputs.fold(job.arrival, u64::max)
}

/// The objective of the jobs that are placed.
pub(super) fn value(model: &Model, objective: Objective, placed: &[Option<Start>]) -> u128 {
    let starts = placed.iter().flatten();
    let arrival = |start: &Start| model.jobs[start.job].arrival;
    match objective {
        Objective::Makespan => {
            u128::from(starts.map(|start| start.end - model.first_arrival).max().unwrap_or(0))
        }
        Objective::MeanTurnaround => starts.map(|start| u128::from(start.end - arrival(start))).sum(),
        Objective::MeanWait => starts
            .map(|start| {
                let ends = model.jobs[start.job].before.iter().filter_map(|&(from, _)| placed[from]);
                let eligible = ends.map(|start| start.end).fold(arrival(start), u64::max);
                u128::from(start.at + model.latency - eligible)
            })
            .sum(),
    }
}
