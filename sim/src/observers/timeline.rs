//! Time series for the plots: exact averages over equal bins.

use cloudai_schedulers::{Cluster, Placement, Time, Totals, WorkerId, WorkerSpec};

use super::Observer;
use crate::error::SimError;
use crate::result::{LoadRow, Timeline};

/// Bins of a series; when time outgrows them, neighbours are merged and the width doubles.
const BINS: usize = 512;

/// Rows of the heat map; more workers than this share rows.
const ROWS: usize = 128;

/// The width that bins begin with: 1/128 s, in microseconds (rounded down).
const FIRST_WIDTH: u64 = 7_812;

/// An integral over time, by bin.
#[derive(Clone, Debug)]
struct Series {
    bins: Vec<u128>,
    /// The value since `Clock::last`.
    value: u64,
    /// Until when it has been summed up, in microseconds since the start.
    since: u64,
}

impl Series {
    fn new() -> Self {
        Self { bins: vec![0; BINS], value: 0, since: 0 }
    }

    /// Adds the current value up to `until`, which lies within the bins.
    fn advance(&mut self, until: u64, width: u64) {
        if self.value > 0 {
            let mut from = self.since;
            while from < until {
                let bin = from / width;
                let to = until.min((bin + 1) * width);
                if let Some(sum) = usize::try_from(bin).ok().and_then(|bin| self.bins.get_mut(bin)) {
                    *sum += u128::from(self.value) * u128::from(to - from);
                }
                from = to;
            }
        }
        self.since = until;
    }

    fn merge(&mut self) {
        for bin in 0..BINS / 2 {
            self.bins[bin] = self.bins[2 * bin] + self.bins[2 * bin + 1];
        }
        self.bins[BINS / 2..].fill(0);
    }
}

/// Records utilization, queue length and the load of workers over time.
#[derive(Clone, Debug)]
pub struct TimelineObserver {
    start: Time,
    width: u64,
    last: u64,
    capacity: Totals,
    cpu: Series,
    memory: Series,
    gpu: Series,
    queue: Series,
    loads: Vec<Series>,
    /// Load by worker, in billionths.
    load: Vec<u64>,
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
            capacity: Totals::default(),
            cpu: Series::new(),
            memory: Series::new(),
            gpu: Series::new(),
            queue: Series::new(),
            loads: vec![Series::new(); labels.len()],
            load: vec![0; workers.len()],
            workers_a_row,
            labels,
        }
    }

    /// Microseconds since the start, with bins wide enough to hold them.
    fn reach(&mut self, now: Time) -> u64 {
        let at = (now - self.start).micros();
        while at > self.width.saturating_mul(BINS as u64) {
            // A row that has not changed for long is summed up before its bins are merged.
            let (last, width) = (self.last, self.width);
            self.all_series().for_each(|series| {
                series.advance(last, width);
                series.merge();
            });
            self.width = self.width.saturating_mul(2);
        }
        self.last = at;
        at
    }

    fn all_series(&mut self) -> impl Iterator<Item = &mut Series> {
        [&mut self.cpu, &mut self.memory, &mut self.gpu, &mut self.queue].into_iter().chain(&mut self.loads)
    }

    fn refresh(&mut self, worker: WorkerId, cluster: &Cluster) {
        let Some(load) = self.load.get_mut(worker.index()) else { return };
        let before = std::mem::replace(load, cluster.load(worker));
        let after = *load;
        let at = self.reach(cluster.now());
        let width = self.width;
        if let Some(row) = self.loads.get_mut(worker.index() / self.workers_a_row) {
            row.advance(at, width);
            row.value = row.value - before + after;
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
    fn held_changed(&mut self, placement: &Placement, cluster: &Cluster) {
        for part in placement.parts() {
            self.refresh(part.worker, cluster);
        }
    }

    fn worker_changed(&mut self, worker: WorkerId, cluster: &Cluster) {
        self.refresh(worker, cluster);
    }

    fn settled(&mut self, cluster: &Cluster) -> Result<(), SimError> {
        let at = self.reach(cluster.now());
        let width = self.width;
        let held = cluster.held();
        self.capacity = cluster.capacity();
        let waiting = u64::try_from(cluster.waiting()).unwrap_or(u64::MAX);
        let now = [
            (&mut self.cpu, held.cpu_milli),
            (&mut self.memory, held.memory_mib),
            (&mut self.gpu, held.gpu_milli),
            (&mut self.queue, waiting),
        ];
        for (series, value) in now {
            series.advance(at, width);
            series.value = value;
        }
        Ok(())
    }
}
