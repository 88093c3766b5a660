//! The summary of a run: every metric is computed here, once, as `docs/metrics.md` defines it.

use cloudai_schedulers::strategies::queue::place::gpu::fragmentation::TypicalTasks;
use cloudai_schedulers::{Cluster, Duration, Placement, Time, Totals, WorkerId, WorkerState};
use cloudai_workloads::{Needs, Scenario, Settings};
use hdrhistogram::Histogram;

use super::{Attempt, AttemptEnd, EndedWaiting, Observer};
use crate::error::SimError;
use crate::histogram::three_digits;
use crate::result::{CdfPoint, Metrics};

/// Runs shorter than this count as this long in a bounded slowdown (Feitelson et al. 1997).
const SLOWDOWN_BOUND: Duration = Duration::from_secs(10);

/// A sum, a count and a histogram of times in microseconds.
#[derive(Clone, Debug)]
struct Times {
    sum: u128,
    /// The largest, exactly: the histogram's own is the upper end of its bin.
    max: u64,
    /// A run has fewer than 2^32 tasks, and small counts stay in the cache.
    histogram: Histogram<u32>,
}

impl Times {
    fn new() -> Self {
        Self { sum: 0, max: 0, histogram: three_digits() }
    }

    fn record(&mut self, time: Duration) {
        self.sum += u128::from(time.micros());
        self.max = self.max.max(time.micros());
        // The histogram grows as needed.
        let _ = self.histogram.record(time.micros());
    }

    fn mean_s(&self) -> Option<f64> {
        let count = self.histogram.len();
        (count > 0).then(|| seconds(self.sum) / as_float(count))
    }

    fn percentile_s(&self, percent: f64) -> Option<f64> {
        let value = || self.histogram.value_at_percentile(percent).min(self.max);
        (!self.histogram.is_empty()).then(|| Duration::from_micros(value()).seconds())
    }
}

#[expect(clippy::cast_precision_loss, reason = "the last step of an exact sum")]
fn seconds(micros: u128) -> f64 {
    micros as f64 / 1e6
}

#[expect(clippy::cast_precision_loss, reason = "the last step of an exact sum")]
fn as_float(count: u64) -> f64 {
    count as f64
}

#[expect(clippy::cast_precision_loss, reason = "the last step of an exact sum")]
fn wide(sum: u128) -> f64 {
    // Converting 128 bits takes a call; both round to the nearest.
    u64::try_from(sum).map_or_else(|_| sum as f64, |sum| sum as f64)
}

/// A number of at least 1 in whole thousandths, rounded.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "rounded, not negative, saturates"
)]
fn thousandths(value: f64) -> u64 {
    (value * 1e3 + 0.5) as u64
}

/// Time integrals of what tasks hold, in units x microseconds.
#[derive(Clone, Copy, Debug, Default)]
struct Integrals {
    cpu: u128,
    memory: u128,
    gpu: u128,
}

/// Mean bounded slowdown of one user so far.
#[derive(Clone, Copy, Debug, Default)]
struct UserSlowdown {
    sum: f64,
    count: u64,
}

/// Computes the metrics of a run.
#[derive(Debug)]
pub struct MetricsObserver<'a> {
    needs: Needs,
    settings: &'a Settings,
    typical: TypicalTasks,
    first_arrival: Time,
    last_arrival: Time,
    last_end: Time,
    // Held since `since`:
    since: Time,
    held: Totals,
    capacity: Totals,
    integrals: Integrals,
    /// Workers whose load may have changed in this instant; what it was in between took no time.
    changed: Vec<WorkerId>,
    // Loads of the workers that are up, in billionths: each, their sum and sum of squares.
    loads: Vec<Option<u64>>,
    load_sum: u64,
    load_squares: u128,
    up: u64,
    /// Workers that were up since `since`, and the time integral of that.
    up_since: u64,
    up_integral: u128,
    /// The standard deviation of load, as of the last instant, and whether loads have changed since.
    deviation: f64,
    loads_changed: bool,
    /// Integral of the standard deviation of load, in microseconds.
    deviation_integral: f64,
    waits: Times,
    turnarounds: Times,
    slowdown_sum: f64,
    /// Bounded slowdowns in thousandths.
    slowdowns: Histogram<u32>,
    slowdown_max: u64,
    /// By [`UserId`](cloudai_schedulers::UserId).
    users: Vec<UserSlowdown>,
    starved: u64,
    completed: u64,
    timed_out: u64,
    failed_otherwise: u64,
    cancelled: u64,
    rejected: u64,
    preemptions: u64,
    attempts_lost: u64,
    lost: u128,
    overhead: u128,
    deadline_misses: u64,
    predicted_off: u128,
    predicted_of: u128,
    allocation: Option<(f64, f64)>,
}

impl<'a> MetricsObserver<'a> {
    /// Metrics of runs of this scenario under these settings.
    #[must_use]
    pub fn new(scenario: &Scenario, settings: &'a Settings) -> Self {
        Self {
            needs: scenario.needs,
            settings,
            typical: TypicalTasks::of(&scenario.profile),
            first_arrival: scenario.first_arrival,
            last_arrival: scenario.last_arrival,
            last_end: scenario.first_arrival,
            since: scenario.first_arrival,
            held: Totals::default(),
            capacity: Totals::default(),
            integrals: Integrals::default(),
            changed: Vec::new(),
            loads: vec![Some(0); scenario.workers.len()],
            load_sum: 0,
            load_squares: 0,
            up: scenario.workers.len() as u64,
            up_since: scenario.workers.len() as u64,
            up_integral: 0,
            deviation: 0.0,
            loads_changed: false,
            deviation_integral: 0.0,
            waits: Times::new(),
            turnarounds: Times::new(),
            slowdown_sum: 0.0,
            slowdowns: three_digits(),
            slowdown_max: 0,
            users: vec![UserSlowdown::default(); scenario.users.len()],
            starved: 0,
            completed: 0,
            timed_out: 0,
            failed_otherwise: 0,
            cancelled: 0,
            rejected: 0,
            preemptions: 0,
            attempts_lost: 0,
            lost: 0,
            overhead: 0,
            deadline_misses: 0,
            predicted_off: 0,
            predicted_of: 0,
            allocation: None,
        }
    }

    #[inline]
    fn load_changed(&mut self, worker: WorkerId) {
        if self.changed.last() != Some(&worker) {
            self.changed.push(worker);
        }
    }

    /// The loads of the workers that have changed in this instant.
    #[inline]
    fn refresh_loads(&mut self, cluster: &Cluster) {
        for at in 0..self.changed.len() {
            self.refresh_load(self.changed[at], cluster);
        }
        self.changed.clear();
    }

    fn refresh_load(&mut self, worker: WorkerId, cluster: &Cluster) {
        if worker.index() >= self.loads.len() {
            self.loads.resize(worker.index() + 1, None);
        }
        let up = cluster.view().worker(worker).is_some_and(|worker| worker.state() != WorkerState::Lost);
        let after = up.then(|| cluster.load(worker));
        let before = std::mem::replace(&mut self.loads[worker.index()], after);
        if before == after {
            return;
        }
        self.loads_changed = true;
        // A load is at most 10^9, its square within 64 bits.
        if let Some(before) = before {
            self.load_sum -= before;
            self.load_squares -= u128::from(before * before);
            self.up -= 1;
        }
        if let Some(after) = after {
            self.load_sum += after;
            self.load_squares += u128::from(after * after);
            self.up += 1;
        }
    }

    /// Standard deviation of load over the workers that are up, from the exact sums.
    fn standard_deviation(&self) -> f64 {
        if self.up <= 1 {
            return 0.0;
        }
        let (up, sum) = (u128::from(self.up), u128::from(self.load_sum));
        let spread = (up * self.load_squares).saturating_sub(sum * sum);
        libm::sqrt(wide(spread)) / as_float(self.up) / 1e9
    }

    /// The integrals up to now, under what has been held since the last instant.
    fn integrate(&mut self, now: Time) {
        let span = now - self.since;
        let micros = u128::from(span.micros());
        self.integrals.cpu += u128::from(self.held.cpu_milli) * micros;
        self.integrals.memory += u128::from(self.held.memory_mib) * micros;
        self.integrals.gpu += u128::from(self.held.gpu_milli) * micros;
        self.up_integral += u128::from(self.up_since) * micros;
        if self.deviation > 0.0 {
            self.deviation_integral += self.deviation * as_float(span.micros());
        }
        self.since = self.since.max(now);
    }

    fn ended_at(&mut self, end: Time) {
        self.last_end = self.last_end.max(end);
    }

    fn record_end(&mut self, attempt: &Attempt<'_>) {
        let start = attempt.start.unwrap_or(attempt.end);
        let (turnaround, run) = (attempt.end - attempt.spec.arrival, attempt.end - start);
        self.turnarounds.record(turnaround);
        let slowdown = (turnaround.seconds() / run.max(SLOWDOWN_BOUND).seconds()).max(1.0);
        self.slowdown_sum += slowdown;
        let thousandths = thousandths(slowdown);
        self.slowdown_max = self.slowdown_max.max(thousandths);
        // The histogram grows as needed.
        let _ = self.slowdowns.record(thousandths);
        if let Some(user) = self.users.get_mut(attempt.spec.user.0 as usize) {
            user.sum += slowdown;
            user.count += 1;
        }
    }

    /// Each task that started counts once, when it is over, by its first start.
    fn waited(&mut self, eligible: Time, first_start: Option<Time>) {
        let Some(first) = first_start else { return };
        let wait = first - eligible;
        self.waits.record(wait);
        self.starved += u64::from(wait > self.settings.starvation_threshold);
    }

    fn missed(&mut self, deadline: Option<Time>, end: Option<Time>) {
        let missed = deadline.is_some_and(|deadline| end.is_none_or(|end| end > deadline));
        self.deadline_misses += u64::from(missed);
    }

    /// Distribution of waits, ascending, one point for each value that the histogram tells apart.
    #[must_use]
    pub fn wait_cdf(&self) -> Vec<CdfPoint> {
        let (mut seen, all) = (0, self.waits.histogram.len());
        let points = self.waits.histogram.iter_recorded().map(|step| {
            seen += u64::from(step.count_at_value());
            let wait = step.value_iterated_to().min(self.waits.max);
            CdfPoint { wait_s: Duration::from_micros(wait).seconds(), share: as_float(seen) / as_float(all) }
        });
        points.collect()
    }

    /// Jain, Chiu, Hawe 1984: (sum x)^2 / (n sum x^2), over users in a fixed order.
    fn jain(&self) -> Option<f64> {
        let seen = self.users.iter().filter(|user| user.count > 0);
        let means: Vec<f64> = seen.map(|user| user.sum / as_float(user.count)).collect();
        let (sum, squares) = means.iter().fold((0.0, 0.0), |(sum, squares), x| (sum + x, squares + x * x));
        (squares > 0.0).then(|| sum * sum / (as_float(means.len() as u64) * squares))
    }

    /// 99th percentile of the bounded slowdowns.
    fn p99_slowdown(&self) -> Option<f64> {
        let value = || self.slowdowns.value_at_percentile(99.0).min(self.slowdown_max);
        (!self.slowdowns.is_empty()).then(|| as_float(value()) / 1e3)
    }

    /// The metrics of the run, bounds left out.
    #[must_use]
    pub fn metrics(&self, strategy: &str) -> Metrics {
        let makespan = self.last_end - self.first_arrival;
        let any_end = !self.turnarounds.histogram.is_empty();
        let share = |integral: u128, capacity: u64| {
            let full = u128::from(capacity) * u128::from(makespan.micros());
            (full > 0).then(|| wide(integral) / wide(full))
        };
        let cpu = share(self.integrals.cpu, self.capacity.cpu_milli);
        let memory = share(self.integrals.memory, self.capacity.memory_mib);
        let gpu = share(self.integrals.gpu, self.capacity.gpu_milli);
        let asked =
            [(self.needs.asks_cpu, cpu), (self.needs.asks_memory, memory), (self.needs.asks_gpu, gpu)];
        let used: Vec<f64> = asked.into_iter().filter_map(|(asked, share)| share.filter(|_| asked)).collect();
        let mean = |values: &[f64]| {
            (!values.is_empty()).then(|| values.iter().sum::<f64>() / as_float(values.len() as u64))
        };
        let makespan_s = any_end.then(|| makespan.seconds());
        let positive = makespan_s.filter(|&makespan| makespan > 0.0);
        Metrics {
            strategy: strategy.to_owned(),
            makespan_s,
            mean_wait_s: self.waits.mean_s(),
            p50_wait_s: self.waits.percentile_s(50.0),
            p95_wait_s: self.waits.percentile_s(95.0),
            p99_wait_s: self.waits.percentile_s(99.0),
            mean_turnaround_s: self.turnarounds.mean_s(),
            p50_turnaround_s: self.turnarounds.percentile_s(50.0),
            p95_turnaround_s: self.turnarounds.percentile_s(95.0),
            p99_turnaround_s: self.turnarounds.percentile_s(99.0),
            mean_bounded_slowdown: any_end
                .then(|| self.slowdown_sum / as_float(self.turnarounds.histogram.len())),
            resource_utilization: mean(&used),
            cpu_utilization: cpu,
            memory_utilization: memory,
            gpu_utilization: gpu,
            load_variance: positive.map(|makespan| self.deviation_integral / 1e6 / makespan),
            throughput_per_min: positive.map(|makespan| as_float(self.completed) * 60.0 / makespan),
            starvation_count: self.starved,
            completed: self.completed,
            failed: self.timed_out + self.failed_otherwise,
            timed_out: self.timed_out,
            cancelled: self.cancelled,
            rejected: self.rejected,
            preemptions: self.preemptions,
            attempts_lost: self.attempts_lost,
            work_lost_s: seconds(self.lost),
            overhead_s: seconds(self.overhead),
            availability: share(self.up_integral, self.loads.len() as u64),
            deadline_misses: self.needs.deadlines.then_some(self.deadline_misses),
            jain_fairness: self.jain(),
            prediction_error: (self.predicted_of > 0)
                .then(|| wide(self.predicted_off) / wide(self.predicted_of)),
            gpu_allocation: self.allocation.map(|(allocated, _)| allocated),
            gpu_fragmentation: self.allocation.map(|(_, fragmented)| fragmented),
            seed: self.settings.seed,
            estimates: self.settings.estimates.to_string(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            p99_bounded_slowdown: self.p99_slowdown(),
            ..Metrics::default()
        }
    }

    /// True if every task ran to its end or its time limit, so that a makespan may be held against the bound.
    #[must_use]
    pub const fn ran_everything(&self) -> bool {
        self.failed_otherwise == 0 && self.cancelled == 0 && self.rejected == 0
    }
}

impl Observer for MetricsObserver<'_> {
    #[inline]
    fn held_changed(&mut self, placement: &Placement, _: &Cluster) {
        // Of a single worker no load deviates from the mean, and none is computed until a second one joins.
        if self.loads.len() > 1 {
            placement.parts().iter().for_each(|part| self.load_changed(part.worker));
        }
    }

    fn worker_changed(&mut self, worker: WorkerId, _: &Cluster) {
        if self.loads.len() == 1 {
            self.load_changed(WorkerId(0));
        }
        self.load_changed(worker);
    }

    fn attempt_ended(&mut self, attempt: &Attempt<'_>) -> Result<(), SimError> {
        self.lost += u128::from(attempt.lost.micros());
        self.overhead += u128::from(attempt.overhead.micros());
        match attempt.status {
            AttemptEnd::Completed => {
                self.completed += 1;
                self.record_end(attempt);
                if attempt.spec.estimate.is_none() {
                    let run = (attempt.end - attempt.start.unwrap_or(attempt.end)).micros();
                    self.predicted_off += u128::from(run.abs_diff(attempt.expected.micros()));
                    self.predicted_of += u128::from(run);
                }
            }
            AttemptEnd::TimedOut => {
                self.timed_out += 1;
                self.record_end(attempt);
            }
            AttemptEnd::Preempted => self.preemptions += 1,
            AttemptEnd::Cancelled => self.cancelled += 1,
            AttemptEnd::Lost => self.attempts_lost += 1,
        }
        if !attempt.status.is_retried() {
            self.ended_at(attempt.end);
            self.waited(attempt.eligible, attempt.first_start);
            let met = (attempt.status == AttemptEnd::Completed).then_some(attempt.end);
            self.missed(attempt.spec.deadline, met);
        }
        Ok(())
    }

    fn ended_waiting(&mut self, task: &EndedWaiting<'_>) -> Result<(), SimError> {
        match task.status {
            "rejected" => self.rejected += 1,
            "cancelled" => self.cancelled += 1,
            _ => self.failed_otherwise += 1,
        }
        self.ended_at(task.end);
        self.waited(task.eligible, task.first_start);
        self.missed(task.spec.deadline, None);
        Ok(())
    }

    fn settled(&mut self, cluster: &Cluster) -> Result<(), SimError> {
        let now = cluster.now();
        self.integrate(now);
        self.held = cluster.held();
        self.capacity = cluster.capacity();
        self.refresh_loads(cluster);
        self.up_since = self.up;
        if std::mem::take(&mut self.loads_changed) {
            self.deviation = self.standard_deviation();
        }
        if now == self.last_arrival && self.capacity.gpu_milli > 0 {
            let all = as_float(self.capacity.gpu_milli);
            let allocated = as_float(self.held.gpu_milli) / all;
            self.allocation = Some((allocated, self.typical.fragmentation(&cluster.view())));
        }
        Ok(())
    }
}
