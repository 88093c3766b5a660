//! Time series for the plots: exact averages over equal bins.

use cloudai_schedulers::{Cluster, Part, Time, Totals, WorkerId, WorkerSpec};

use super::Observer;
use crate::error::SimError;
use crate::result::{LoadRow, Timeline};

/// Bins of a series; when time outgrows them, neighbours are merged and the width doubles.
const BINS: usize = 512;

/// Rows of the heat map; more workers than this share rows.
const ROWS: usize = 128;

/// The width that bins begin with: 1/128 s, in microseconds (rounded down).
const FIRST_WIDTH: u64 = 7_812;

/// An integral over time, by bin. It grows when the value changes, not with every instant: it is exact, so nothing is lost by
/// it.
#[derive(Clone, Debug)]
struct Series {
    /// In units x microseconds.
    bins: Vec<u128>,
    /// The value since `since`.
    value: u64,
    /// Until when it has been summed up, in microseconds since the start.
    since: u64,
    /// The bin that `since` lies in or at the end of, and where it ends.
    bin: usize,
    bin_end: u64,
}

impl Series {
    fn new() -> Self {
        Self { bins: vec![0; BINS], value: 0, since: 0, bin: 0, bin_end: FIRST_WIDTH }
    }

    /// The value from `at` on, which lies within the bins.
    #[inline(always)]
    fn set(&mut self, at: u64, width: u64, value: u64) {
        if value != self.value {
            self.advance(at, width);
            self.value = value;
        }
    }

    /// Adds the current value up to `until`, which lies within the bins.
    #[inline]
    fn advance(&mut self, until: u64, width: u64) {
        if until > self.bin_end {
            self.leave_bin(until, width);
        }
        self.add(until);
    }

    /// Adds the current value up to the end of the last bin that ends before `until`.
    #[inline(never)]
    fn leave_bin(&mut self, until: u64, width: u64) {
        if self.value == 0 {
            self.since = until;
            self.find_bin(width);
        }
        while until > self.bin_end {
            self.add(self.bin_end);
            self.bin += 1;
            self.bin_end = self.bin_end.saturating_add(width);
        }
    }

    /// Adds the current value up to `until`, which lies within the bin.
    #[inline(always)]
    fn add(&mut self, until: u64) {
        self.bins[self.bin] += u128::from(self.value) * u128::from(until - self.since);
        self.since = until;
    }

    /// Merges neighbours; bins are of this width from now on.
    fn merge(&mut self, width: u64) {
        for bin in 0..BINS / 2 {
            self.bins[bin] = self.bins[2 * bin] + self.bins[2 * bin + 1];
        }
        self.bins[BINS / 2..].fill(0);
        self.find_bin(width);
    }

    fn find_bin(&mut self, width: u64) {
        let bin = self.since.saturating_sub(1) / width;
        self.bin_end = (bin + 1).saturating_mul(width);
        // Bins are merged before time outgrows them.
        self.bin = usize::try_from(bin).unwrap_or(BINS).min(BINS - 1);
    }
}

/// Records utilization, queue length and the load of workers over time.
#[derive(Clone, Debug)]
pub struct TimelineObserver {
    start: Time,
    width: u64,
    /// The last instant, in microseconds since the start.
    last: u64,
    /// Where the bins end.
    end: u64,
    capacity: Totals,
    cpu: Series,
    memory: Series,
    gpu: Series,
    queue: Series,
    loads: Vec<Series>,
    /// Load by worker, in billionths.
    load: Vec<u64>,
    /// Workers whose load may have changed in this instant; what it was in between took no time.
    changed: Vec<WorkerId>,
    workers_a_row: usize,
    labels: Vec<String>,
}

impl TimelineObserver {
    /// Records from the first arrival on.
    #[must_use]
    pub fn new(workers: &[WorkerSpec], first_arrival: Time) -> Self {
        let workers_a_row = workers.len().div_ceil(ROWS).max(1);
        let labels: Vec<String> = workers
            .chunks(workers_a_row)
            .map(|row| match row {
                [only] => only.name.clone(),
                [first, .., last] => format!("{} … {}", first.name, last.name),
                [] => String::new(),
            })
            .collect();
        Self {
            start: first_arrival,
            width: FIRST_WIDTH,
            last: 0,
            end: FIRST_WIDTH * BINS as u64,
            capacity: Totals::default(),
            cpu: Series::new(),
            memory: Series::new(),
            gpu: Series::new(),
            queue: Series::new(),
            loads: vec![Series::new(); labels.len()],
            load: vec![0; workers.len()],
            changed: Vec::new(),
            workers_a_row,
            labels,
        }
    }

    /// Microseconds since the start, with bins wide enough to hold them.
    #[inline(always)]
    fn reach(&mut self, now: Time) -> u64 {
        let at = (now - self.start).micros();
        if at > self.end {
            self.widen(at);
        }
        self.last = at;
        at
    }

    #[cold]
    #[inline(never)]
    fn widen(&mut self, at: u64) {
        while at > self.end {
            let width = self.width.saturating_mul(2);
            self.all_series().for_each(|series| series.merge(width));
            self.width = width;
            self.end = width.saturating_mul(BINS as u64);
        }
    }

    fn all_series(&mut self) -> impl Iterator<Item = &mut Series> {
        [&mut self.cpu, &mut self.memory, &mut self.gpu, &mut self.queue].into_iter().chain(&mut self.loads)
    }

    #[inline]
    fn load_changed(&mut self, worker: WorkerId) {
        if self.changed.last() != Some(&worker) {
            self.changed.push(worker);
        }
    }

    fn refresh(&mut self, worker: WorkerId, at: u64, cluster: &Cluster) {
        let Some(load) = self.load.get_mut(worker.index()) else { return };
        let before = std::mem::replace(load, cluster.load(worker));
        let after = *load;
        if let Some(row) = self.loads.get_mut(worker.index() / self.workers_a_row) {
            row.set(at, self.width, row.value - before + after);
        }
    }

    /// The series, from the first arrival to the last instant.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "for a picture")]
    pub fn into_timeline(mut self) -> Timeline {
        let (last, width) = (self.last, self.width);
        self.all_series().for_each(|series| series.advance(last, width));
        let bins = usize::try_from(last.div_ceil(width)).unwrap_or(BINS).clamp(1, BINS);
        let averages = |series: &Series, full: u64| -> Vec<f64> {
            (0u64..)
                .zip(&series.bins[..bins])
                .map(|(bin, &sum)| {
                    let length = width.min(last.saturating_sub(bin * width)).max(1);
                    if full == 0 { 0.0 } else { sum as f64 / length as f64 / full as f64 }
                })
                .collect()
        };
        let row = |(at, label): (usize, &String)| {
            let workers = self.workers_a_row.min(self.load.len() - at * self.workers_a_row);
            LoadRow { label: label.clone(), load: averages(&self.loads[at], workers as u64 * 1_000_000_000) }
        };
        Timeline {
            start_s: self.start.seconds(),
            bin_s: Time::from_micros(width).seconds(),
            cpu: averages(&self.cpu, self.capacity.cpu_milli),
            memory: averages(&self.memory, self.capacity.memory_mib),
            gpu: if self.capacity.gpu_milli > 0 {
                averages(&self.gpu, self.capacity.gpu_milli)
            } else {
                Vec::new()
            },
            queue: averages(&self.queue, 1),
            load: self.labels.iter().enumerate().map(row).collect(),
        }
    }
}

impl Observer for TimelineObserver {
    fn reads_names(&self) -> bool {
        false
    }

    #[inline]
    fn held_changed(&mut self, parts: &[Part], _: &Cluster) {
        parts.iter().for_each(|part| self.load_changed(part.worker));
    }

    fn worker_changed(&mut self, worker: WorkerId, _: &Cluster) {
        self.load_changed(worker);
    }

    #[inline]
    fn settled(&mut self, cluster: &Cluster) -> Result<(), SimError> {
        let at = self.reach(cluster.now());
        let (width, held) = (self.width, cluster.held());
        self.capacity = cluster.capacity();
        self.cpu.set(at, width, held.cpu_milli);
        self.memory.set(at, width, held.memory_mib);
        self.gpu.set(at, width, held.gpu_milli);
        self.queue.set(at, width, cluster.waiting() as u64);
        for changed in 0..self.changed.len() {
            self.refresh(self.changed[changed], at, cluster);
        }
        self.changed.clear();
        Ok(())
    }
}
