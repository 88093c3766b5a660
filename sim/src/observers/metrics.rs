//! The summary of a run: every metric is computed here, once, as `docs/metrics.md` defines it.

use cloudai_schedulers::strategies::queue::place::gpu::fragmentation::TypicalTasks;
use cloudai_schedulers::{Cluster, Duration, Part, Time, Totals, UserId, WorkerId, WorkerState};
use cloudai_workloads::{Needs, Scenario, Settings};

use super::{Attempt, AttemptEnd, EndedWaiting, Observer};
use crate::error::SimError;
use crate::histogram::Bins;
use crate::result::{CdfPoint, Metrics};

/// Runs shorter than this count as this long in a bounded slowdown (Feitelson et al. 1997).
const SLOWDOWN_BOUND: Duration = Duration::from_secs(10);

/// A sum, the largest and a histogram of times in microseconds.
#[derive(Clone, Debug, Default)]
struct Times {
    sum: u128,
    /// The largest, exactly: the histogram's own is the upper end of its bin.
    max: u64,
    histogram: Bins,
}

impl Times {
    #[inline(always)]
    fn record(&mut self, time: Duration) {
        let micros = time.micros();
        self.sum += u128::from(micros);
        if micros > self.max {
            self.max = micros;
        }
        self.histogram.record(micros);
    }

    fn mean_s(&self) -> Option<f64> {
        let count = self.histogram.len();
        (count > 0).then(|| seconds(self.sum) / as_float(count))
    }

    /// The median, the 95th and the 99th percentile.
    fn percentiles_s(&self) -> [Option<f64>; 3] {
        let values = self.histogram.percentiles([50.0, 95.0, 99.0]);
        let seconds = |value: u64| Duration::from_micros(value.min(self.max)).seconds();
        values.map_or([None; 3], |values| values.map(|value| Some(seconds(value))))
    }
}

/// A number that holds for a while each time, and its integral over time, in units x microseconds.
///
/// The integral grows when the number changes, not with every instant: it is exact, so nothing is lost by it.
#[derive(Clone, Copy, Debug)]
struct Integral {
    value: u64,
    since: Time,
    before: u128,
}

impl Integral {
    const fn new(value: u64, since: Time) -> Self {
        Self { value, since, before: 0 }
    }

    /// The number is `value` from `now` on; before the integral begins, no time passes.
    #[inline(always)]
    fn set(&mut self, now: Time, value: u64) {
        if value != self.value {
            self.before = self.until(now);
            self.since = self.since.max(now);
            self.value = value;
        }
    }

    #[inline(always)]
    fn until(&self, now: Time) -> u128 {
        self.before + u128::from(self.value) * u128::from((now - self.since).micros())
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

/// The number that [`Duration::seconds`] gives. Simulated time ends at 2^62 microseconds, so a length of it fits a signed
/// number, and that is converted by a single instruction.
#[inline(always)]
#[expect(clippy::cast_precision_loss, reason = "a slowdown is a ratio of roundings")]
fn simulated_seconds(length: Duration) -> f64 {
    length.micros().cast_signed() as f64 / 1e6
}

/// A number of at least 1 in whole thousandths, rounded; below 2^63, as no slowdown is more than 2^62 microseconds / 10 s.
#[inline(always)]
#[expect(clippy::cast_possible_truncation, reason = "rounded")]
fn thousandths(value: f64) -> u64 {
    ((value * 1e3 + 0.5) as i64).cast_unsigned()
}

/// So many ends are taken in at once.
const AT_ONCE: usize = 256;

/// A task has run to its end or its limit.
#[derive(Clone, Copy, Debug)]
struct End {
    turnaround: Duration,
    run: Duration,
    user: UserId,
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
    /// The last instant, once the first task has arrived: integrals are read there.
    settled_at: Time,
    // What tasks hold:
    cpu: Integral,
    memory: Integral,
    gpu: Integral,
    /// As of the last arrival, or of the last change of a worker after it.
    capacity: Totals,
    /// False while a single worker is all there is and has never failed: then no load deviates from the mean, and none is
    /// computed.
    watches_loads: bool,
    /// Workers whose load may have changed in this instant; what it was in between took no time.
    changed: Vec<WorkerId>,
    // Loads of the workers that are up, in billionths: each, their sum and sum of squares.
    loads: Vec<Option<u64>>,
    load_sum: u64,
    load_squares: u128,
    up: u64,
    /// Workers that are up, as of the last instant.
    available: Integral,
    /// The standard deviation of load, as of the last instant, and whether loads have changed since.
    deviation: f64,
    loads_changed: bool,
    /// Integral of the standard deviation of load, in microseconds.
    deviation_integral: f64,
    waits: Times,
    turnarounds: Times,
    /// Not taken in yet. That divides, and counts in far places: of many at once none waits for another, and the run for none.
    ends: Vec<End>,
    slowdown_sum: f64,
    /// Bounded slowdowns in thousandths.
    slowdowns: Bins,
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
            settled_at: scenario.first_arrival,
            cpu: Integral::new(0, scenario.first_arrival),
            memory: Integral::new(0, scenario.first_arrival),
            gpu: Integral::new(0, scenario.first_arrival),
            capacity: Totals::default(),
            watches_loads: scenario.workers.len() > 1,
            changed: Vec::new(),
            loads: vec![Some(0); scenario.workers.len()],
            load_sum: 0,
            load_squares: 0,
            up: scenario.workers.len() as u64,
            available: Integral::new(scenario.workers.len() as u64, scenario.first_arrival),
            deviation: 0.0,
            loads_changed: false,
            deviation_integral: 0.0,
            waits: Times::default(),
            turnarounds: Times::default(),
            ends: Vec::with_capacity(AT_ONCE),
            slowdown_sum: 0.0,
            slowdowns: Bins::default(),
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

    /// The loads after this instant, and their deviation up to it.
    #[inline(never)]
    fn settle_loads(&mut self, cluster: &Cluster) {
        let now = cluster.now();
        if self.deviation > 0.0 {
            self.deviation_integral += self.deviation * as_float((now - self.settled_at).micros());
        }
        self.refresh_loads(cluster);
        self.available.set(now, self.up);
        if std::mem::take(&mut self.loads_changed) {
            self.deviation = self.standard_deviation();
        }
    }

    /// How much of the GPUs is allocated when all tasks have arrived, and what is left.
    #[cold]
    #[inline(never)]
    fn settle_last_arrival(&mut self, cluster: &Cluster) {
        self.capacity = cluster.capacity();
        if self.capacity.gpu_milli > 0 {
            let allocated = as_float(self.gpu.value) / as_float(self.capacity.gpu_milli);
            self.allocation = Some((allocated, self.typical.fragmentation(&cluster.view())));
        }
    }

    #[inline(always)]
    fn ended_at(&mut self, end: Time) {
        if end > self.last_end {
            self.last_end = end;
        }
    }

    #[inline(always)]
    fn record_end(&mut self, attempt: &Attempt<'_>) {
        let start = attempt.start.unwrap_or(attempt.end);
        let (turnaround, run) = (attempt.end - attempt.spec.arrival, attempt.end - start);
        self.ends.push(End { turnaround, run, user: attempt.spec.user });
        if self.ends.len() == AT_ONCE {
            self.take_in_ends();
        }
    }

    #[inline(never)]
    fn take_in_ends(&mut self) {
        for &End { turnaround, run, user } in &self.ends {
            self.turnarounds.record(turnaround);
            let bounded = simulated_seconds(run.max(SLOWDOWN_BOUND));
            let slowdown = (simulated_seconds(turnaround) / bounded).max(1.0);
            self.slowdown_sum += slowdown;
            let thousandths = thousandths(slowdown);
            if thousandths > self.slowdown_max {
                self.slowdown_max = thousandths;
            }
            self.slowdowns.record(thousandths);
            if let Some(user) = self.users.get_mut(user.0 as usize) {
                user.sum += slowdown;
                user.count += 1;
            }
        }
        self.ends.clear();
    }

    #[inline(always)]
    fn attempt_completed(&mut self, attempt: &Attempt<'_>) {
        self.add_costs(attempt);
        self.completed += 1;
        self.record_end(attempt);
        if attempt.spec.estimate.is_none() {
            let run = (attempt.end - attempt.start.unwrap_or(attempt.end)).micros();
            self.predicted_off += u128::from(run.abs_diff(attempt.expected.micros()));
            self.predicted_of += u128::from(run);
        }
        self.task_over(attempt, Some(attempt.end));
    }

    #[inline(never)]
    fn attempt_broke_off(&mut self, attempt: &Attempt<'_>) {
        self.add_costs(attempt);
        match attempt.status {
            AttemptEnd::Completed => {}
            AttemptEnd::TimedOut => {
                self.timed_out += 1;
                self.record_end(attempt);
            }
            AttemptEnd::Preempted => self.preemptions += 1,
            AttemptEnd::Cancelled => self.cancelled += 1,
            AttemptEnd::Lost => self.attempts_lost += 1,
        }
        if !attempt.status.is_retried() {
            self.task_over(attempt, None);
        }
    }

    #[inline(always)]
    fn add_costs(&mut self, attempt: &Attempt<'_>) {
        self.lost += u128::from(attempt.lost.micros());
        self.overhead += u128::from(attempt.overhead.micros());
    }

    /// The attempt was the task's last one.
    #[inline(always)]
    fn task_over(&mut self, attempt: &Attempt<'_>, completed: Option<Time>) {
        self.ended_at(attempt.end);
        self.waited(attempt.eligible, attempt.first_start);
        self.missed(attempt.spec.deadline, completed);
    }

    /// Each task that started counts once, when it is over, by its first start.
    #[inline(always)]
    fn waited(&mut self, eligible: Time, first_start: Option<Time>) {
        let Some(first) = first_start else { return };
        let wait = first - eligible;
        self.waits.record(wait);
        self.starved += u64::from(wait > self.settings.starvation_threshold);
    }

    #[inline(always)]
    fn missed(&mut self, deadline: Option<Time>, end: Option<Time>) {
        let missed = deadline.is_some_and(|deadline| end.is_none_or(|end| end > deadline));
        self.deadline_misses += u64::from(missed);
    }

    /// Distribution of waits, ascending, one point for each value that the histogram tells apart.
    #[must_use]
    pub fn wait_cdf(&self) -> Vec<CdfPoint> {
        let (mut seen, all) = (0, self.waits.histogram.len());
        let points = self.waits.histogram.recorded().map(|(wait, count)| {
            seen += u64::from(count);
            let wait = Duration::from_micros(wait.min(self.waits.max));
            CdfPoint { wait_s: wait.seconds(), share: as_float(seen) / as_float(all) }
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
        let [value] = self.slowdowns.percentiles([99.0])?;
        Some(as_float(value.min(self.slowdown_max)) / 1e3)
    }

    /// The metrics of a run that has [finished](Observer::finished), bounds left out.
    #[must_use]
    pub fn metrics(&self, strategy: &str) -> Metrics {
        debug_assert!(self.ends.is_empty(), "the run has finished");
        let makespan = self.last_end - self.first_arrival;
        let ends = self.turnarounds.histogram.len();
        let any_end = ends > 0;
        let [p50_wait_s, p95_wait_s, p99_wait_s] = self.waits.percentiles_s();
        let [p50_turnaround_s, p95_turnaround_s, p99_turnaround_s] = self.turnarounds.percentiles_s();
        let share = |held: &Integral, capacity: u64| {
            let integral = held.until(self.settled_at);
            let full = u128::from(capacity) * u128::from(makespan.micros());
            (full > 0).then(|| wide(integral) / wide(full))
        };
        let cpu = share(&self.cpu, self.capacity.cpu_milli);
        let memory = share(&self.memory, self.capacity.memory_mib);
        let gpu = share(&self.gpu, self.capacity.gpu_milli);
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
            p50_wait_s,
            p95_wait_s,
            p99_wait_s,
            mean_turnaround_s: self.turnarounds.mean_s(),
            p50_turnaround_s,
            p95_turnaround_s,
            p99_turnaround_s,
            mean_bounded_slowdown: any_end.then(|| self.slowdown_sum / as_float(ends)),
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
            availability: share(&self.available, self.loads.len() as u64),
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
    fn reads_names(&self) -> bool {
        false
    }

    #[inline(always)]
    fn held_changed(&mut self, parts: &[Part], _: &Cluster) {
        if self.watches_loads {
            parts.iter().for_each(|part| self.load_changed(part.worker));
        }
    }

    fn worker_changed(&mut self, worker: WorkerId, cluster: &Cluster) {
        if !self.watches_loads {
            // The only one so far; its load has not been watched.
            self.watches_loads = true;
            self.load_changed(WorkerId(0));
        }
        self.capacity = cluster.capacity();
        self.load_changed(worker);
    }

    #[inline(always)]
    fn attempt_ended(&mut self, attempt: &Attempt<'_>) -> Result<(), SimError> {
        if attempt.status == AttemptEnd::Completed {
            self.attempt_completed(attempt);
        } else {
            self.attempt_broke_off(attempt);
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

    #[inline(always)]
    fn settled(&mut self, cluster: &Cluster) -> Result<(), SimError> {
        let (now, held) = (cluster.now(), cluster.held());
        self.cpu.set(now, held.cpu_milli);
        self.memory.set(now, held.memory_mib);
        self.gpu.set(now, held.gpu_milli);
        if self.watches_loads {
            self.settle_loads(cluster);
        }
        self.settled_at = self.settled_at.max(now);
        if now == self.last_arrival {
            self.settle_last_arrival(cluster);
        }
        Ok(())
    }

    fn finished(&mut self) -> Result<(), SimError> {
        self.take_in_ends();
        Ok(())
    }
}
