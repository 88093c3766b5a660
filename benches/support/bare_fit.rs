//! The limit of placement: a loop over sorted arrivals and a heap of completions, with an index over free cores alone.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// A task as the bare loop knows it. Times in microseconds.
#[derive(Clone, Copy)]
pub(crate) struct Arrival {
    pub(crate) at: u64,
    pub(crate) run: u64,
    pub(crate) cores: u32,
}

/// Finds a worker and keeps what is free there.
pub(crate) trait BareIndex {
    /// Takes cores of the worker that the rule chooses; `None` if none has them.
    fn take(&mut self, cores: u32) -> Option<u32>;
    /// Gives them back.
    fn give(&mut self, worker: u32, cores: u32);
}

/// Runs all tasks; one that fits nowhere as it arrives is rejected. Returns how many were.
pub(crate) fn bare_loop(arrivals: &[Arrival], index: &mut impl BareIndex) -> u64 {
    // (end, worker and cores): 12 bytes of news in 16.
    let mut completions: BinaryHeap<Reverse<(u64, u32, u32)>> = BinaryHeap::new();
    let mut rejected = 0;
    for task in arrivals {
        while let Some(&Reverse((end, worker, cores))) = completions.peek()
            && end <= task.at
        {
            completions.pop();
            index.give(worker, cores);
        }
        match index.take(task.cores) {
            Some(worker) => completions.push(Reverse((task.at + task.run, worker, task.cores))),
            None => rejected += 1,
        }
    }
    rejected
}

/// First fit: a complete binary tree with the most free cores of any worker below.
pub(crate) struct FirstFitTree {
    nodes: Vec<u32>,
    leaves: usize,
}

impl FirstFitTree {
    pub(crate) fn new(workers: u64, cores: u64) -> Self {
        let workers = usize::try_from(workers).expect("few workers");
        let leaves = workers.next_power_of_two();
        let mut nodes = vec![0; 2 * leaves];
        nodes[leaves..leaves + workers].fill(u32::try_from(cores).expect("few cores"));
        for node in (1..leaves).rev() {
            nodes[node] = nodes[2 * node].max(nodes[2 * node + 1]);
        }
        Self { nodes, leaves }
    }

    fn renew_above(&mut self, mut node: usize) {
        while node > 1 {
            node /= 2;
            let most = self.nodes[2 * node].max(self.nodes[2 * node + 1]);
            if self.nodes[node] == most {
                break;
            }
            self.nodes[node] = most;
        }
    }
}

impl BareIndex for FirstFitTree {
    fn take(&mut self, cores: u32) -> Option<u32> {
        if self.nodes[1] < cores {
            return None;
        }
        let mut node = 1;
        while node < self.leaves {
            node *= 2;
            node += usize::from(self.nodes[node] < cores);
        }
        self.nodes[node] -= cores;
        self.renew_above(node);
        u32::try_from(node - self.leaves).ok()
    }

    fn give(&mut self, worker: u32, cores: u32) {
        let node = self.leaves + worker as usize;
        self.nodes[node] += cores;
        self.renew_above(node);
    }
}

/// Best fit: for each number of free cores a bitset of the workers that have it, with a summary over its words.
pub(crate) struct BestFitLevels {
    free: Vec<u32>,
    levels: Vec<Level>,
}

#[derive(Clone)]
struct Level {
    words: Vec<u64>,
    /// A bit for each word that is not 0.
    summary: Vec<u64>,
    count: u32,
}

impl Level {
    fn insert(&mut self, worker: usize) {
        self.words[worker / 64] |= 1 << (worker % 64);
        self.summary[worker / 4096] |= 1 << (worker / 64 % 64);
        self.count += 1;
    }

    fn remove(&mut self, worker: usize) {
        self.words[worker / 64] &= !(1 << (worker % 64));
        if self.words[worker / 64] == 0 {
            self.summary[worker / 4096] &= !(1 << (worker / 64 % 64));
        }
        self.count -= 1;
    }

    fn first(&self) -> usize {
        let group = self.summary.iter().position(|&words| words != 0).expect("it is not empty");
        let word = group * 64 + self.summary[group].trailing_zeros() as usize;
        word * 64 + self.words[word].trailing_zeros() as usize
    }
}

impl BestFitLevels {
    pub(crate) fn new(workers: u64, cores: u64) -> Self {
        let workers = usize::try_from(workers).expect("few workers");
        let cores = u32::try_from(cores).expect("few cores");
        let level = Level {
            words: vec![0; workers.div_ceil(64)],
            summary: vec![0; workers.div_ceil(4096)],
            count: 0,
        };
        let mut levels = vec![level; cores as usize + 1];
        (0..workers).for_each(|worker| levels[cores as usize].insert(worker));
        Self { free: vec![cores; workers], levels }
    }

    fn change(&mut self, worker: usize, free: u32) {
        self.levels[self.free[worker] as usize].remove(worker);
        self.free[worker] = free;
        self.levels[free as usize].insert(worker);
    }
}

impl BareIndex for BestFitLevels {
    fn take(&mut self, cores: u32) -> Option<u32> {
        let level = self.levels[cores as usize..].iter().find(|level| level.count > 0)?;
        let worker = level.first();
        self.change(worker, self.free[worker] - cores);
        u32::try_from(worker).ok()
    }

    fn give(&mut self, worker: u32, cores: u32) {
        let worker = worker as usize;
        self.change(worker, self.free[worker] + cores);
    }
}
