//! Heads and tails: when a job can start at the earliest, and how much must follow it at the least.

use crate::oracle::model::{Model, UNABLE};

/// For each job on each worker: its time there, what must have passed before it starts, what must pass after it ends.
///
/// By induction along the dependencies: a predecessor ends no earlier than its own head plus its time, on the worker that
/// makes it so, and if that is another worker its data travels. Each predecessor is looked at by itself, so that a head
/// is a lower bound; a tail is the same from behind.
#[derive(Clone, Debug)]
pub(in crate::oracle) struct Windows {
    workers: usize,
    /// By job, then worker; [`UNABLE`] where the job cannot run, or not within the limit.
    hold: Vec<u64>,
    head: Vec<u64>,
    tail: Vec<u64>,
    /// Weights of the strongest area bound, for [`Windows::rest`]: by job, then worker, and their rate.
    weight: Vec<u128>,
    rate: u128,
}

impl Windows {
    pub(in crate::oracle) fn new(model: &Model) -> Self {
        let hold: Vec<u64> = model.jobs.iter().flat_map(|job| job.hold.iter().copied()).collect();
        let mut windows = Self {
            workers: model.workers.len(),
            head: vec![0; hold.len()],
            tail: vec![0; hold.len()],
            hold,
            weight: Vec::new(),
            rate: 0,
        };
        windows.tighten(model);
        windows
    }

    /// The same for schedules that end by `limit`: a worker on which a job would end later is closed to it. `None` if some job
    /// is left without a worker: then there is no such schedule.
    pub(in crate::oracle) fn within(&self, model: &Model, limit: u64) -> Option<Self> {
        let mut windows = self.clone();
        loop {
            let mut closed = false;
            for job in 0..model.jobs.len() {
                for worker in 0..self.workers {
                    let at = job * self.workers + worker;
                    if windows.hold[at] != UNABLE && windows.end_of_all(job, worker) > limit {
                        windows.hold[at] = UNABLE;
                        closed = true;
                    }
                }
                windows.able(job).next()?;
            }
            if !closed {
                return Some(windows);
            }
            windows.tighten(model);
        }
    }

    fn tighten(&mut self, model: &Model) {
        for &job in &model.topological {
            for worker in 0..self.workers {
                let inputs = model.jobs[job].before.iter().map(|&(from, transfer)| {
                    let ends = self.able(from).map(|(other, hold)| {
                        self.head_on(from, other) + hold + if other == worker { 0 } else { transfer }
                    });
                    ends.min().unwrap_or(0)
                });
                self.head[job * self.workers + worker] = inputs.fold(model.jobs[job].arrival, u64::max);
            }
        }
        for &job in model.topological.iter().rev() {
            for worker in 0..self.workers {
                let outputs = model.jobs[job].after.iter().map(|&(to, transfer)| {
                    let rests = self.able(to).map(|(other, hold)| {
                        self.tail_on(to, other) + hold + if other == worker { 0 } else { transfer }
                    });
                    rests.min().unwrap_or(0)
                });
                self.tail[job * self.workers + worker] = outputs.max().unwrap_or(0);
            }
        }
    }

    pub(in crate::oracle) fn able(&self, job: usize) -> impl Iterator<Item = (usize, u64)> + '_ {
        let row = &self.hold[job * self.workers..(job + 1) * self.workers];
        row.iter().copied().enumerate().filter(|&(_, hold)| hold != UNABLE)
    }

    pub(in crate::oracle) fn head_on(&self, job: usize, worker: usize) -> u64 {
        self.head[job * self.workers + worker]
    }

    pub(in crate::oracle) fn tail_on(&self, job: usize, worker: usize) -> u64 {
        self.tail[job * self.workers + worker]
    }

    /// No schedule in which the job runs on the worker ends before this.
    pub(super) fn end_of_all(&self, job: usize, worker: usize) -> u64 {
        let at = job * self.workers + worker;
        self.head[at] + self.hold[at] + self.tail[at]
    }

    /// The job starts nowhere before this.
    pub(in crate::oracle) fn head(&self, job: usize) -> u64 {
        self.able(job).map(|(worker, _)| self.head_on(job, worker)).min().unwrap_or(0)
    }

    /// Wherever the job runs, at least this follows its end.
    pub(in crate::oracle) fn tail(&self, job: usize) -> u64 {
        self.able(job).map(|(worker, _)| self.tail_on(job, worker)).min().unwrap_or(0)
    }

    /// The job ends nowhere before this.
    pub(super) fn earliest_end(&self, job: usize) -> u64 {
        self.able(job).map(|(worker, hold)| self.head_on(job, worker) + hold).min().unwrap_or(0)
    }

    /// The part of the job's time on the worker that lies between `from` and `after` before the end of all, at the least.
    ///
    /// It may begin before `from` by as much as its head lies before it, and end late by as much as its tail is shorter.
    pub(super) fn inside(&self, job: usize, worker: usize, from: u64, after: u64) -> u64 {
        let at = job * self.workers + worker;
        let early = from.saturating_sub(self.head[at]);
        let late = after.saturating_sub(self.tail[at]);
        self.hold[at].saturating_sub(early).saturating_sub(late)
    }

    /// Keeps these weights for [`Windows::rest`].
    pub(super) fn keep(&mut self, weight: Vec<u128>, rate: u128) {
        (self.weight, self.rate) = (weight, rate);
    }

    /// No schedule ends before this in which `started` run as they do, and the jobs that are `left` start at `now` or
    /// later: the area bound from `now` on.
    pub(in crate::oracle) fn rest(
        &self,
        now: u64,
        started: &[crate::oracle::decode::Start],
        left: impl Iterator<Item = usize>,
    ) -> u64 {
        if self.rate == 0 {
            return 0;
        }
        let weight = |job: usize, worker: usize| self.weight[job * self.workers + worker];
        let held = started
            .iter()
            .map(|start| u128::from(start.end.saturating_sub(now)) * weight(start.job, start.worker));
        let to_come = left.map(|job| {
            self.able(job).map(|(worker, hold)| u128::from(hold) * weight(job, worker)).min().unwrap_or(0)
        });
        let work = held.sum::<u128>() + to_come.sum::<u128>();
        now + u64::try_from(work.div_ceil(self.rate)).unwrap_or(u64::MAX)
    }
}
