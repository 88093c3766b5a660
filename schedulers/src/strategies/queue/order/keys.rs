//! Keys and scores of waiting tasks.
//!
//! "Run time" is what is to be expected: the user's estimate, or a prediction ([`ClusterView::expected_nominal`]). The
//! originals count processors; here [`processors`] stands for them, which on one pool of cores is the same.

use std::cmp::{Ordering, Reverse};

use crate::{ClusterView, Duration, TaskView, Time};

/// A number that sorts by [`f64::total_cmp`].
#[derive(Clone, Copy, Debug)]
pub struct Score(pub f64);

impl PartialEq for Score {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Score {}

impl PartialOrd for Score {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Score {
    fn cmp(&self, other: &Self) -> Ordering {
        self.0.total_cmp(&other.0)
    }
}

/// Seconds, for a score.
#[must_use]
pub fn seconds(time: Duration) -> f64 {
    time.seconds()
}

/// A part of a whole, such as run time x need of what there is, compared exactly: shares that are equal tie.
#[derive(Clone, Copy, Debug)]
pub struct Share {
    part: u128,
    /// At least 1.
    whole: u64,
}

impl Share {
    /// `part` of `whole`; of nothing there is no share.
    #[must_use]
    pub const fn new(part: u128, whole: u64) -> Self {
        if whole == 0 { Self { part: 0, whole: 1 } } else { Self { part, whole } }
    }

    /// So many times the share.
    #[must_use]
    pub const fn times(self, factor: u128) -> Self {
        Self { part: self.part.saturating_mul(factor), ..self }
    }
}

impl PartialEq for Share {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Share {}

impl PartialOrd for Share {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Share {
    fn cmp(&self, other: &Self) -> Ordering {
        let (ours, theirs) = (u128::from(self.whole), u128::from(other.whole));
        // What is left of a division is below its divisor, so that these products have room.
        (self.part / ours)
            .cmp(&(other.part / theirs))
            .then_with(|| (self.part % ours * theirs).cmp(&(other.part % theirs * ours)))
    }
}

/// The largest share that a task, all replicas of it, takes of the cluster's cpu, memory or GPU.
#[must_use]
pub fn dominant_share(view: &ClusterView<'_>, task: TaskView<'_>) -> Share {
    let (spec, all) = (task.spec(), view.capacity());
    let share = |need: u64, all: u64| Share::new(u128::from(need) * u128::from(spec.replicas), all);
    share(spec.request.cpu_milli, all.cpu_milli)
        .max(share(spec.request.memory_mib, all.memory_mib))
        .max(share(u64::from(spec.request.gpu.milli()), all.gpu_milli))
}

/// A task's size in processors: the cores that it asks for; if its [dominant share](dominant_share) of the cluster is of
/// something else, as many cores as are that share of all cores.
#[must_use]
#[expect(clippy::cast_precision_loss, reason = "a score, not an account")]
pub fn processors(view: &ClusterView<'_>, task: TaskView<'_>) -> f64 {
    let (spec, all) = (task.spec(), view.capacity());
    let share = |need: u64, all: u64| if all == 0 { 0.0 } else { need as f64 / all as f64 };
    let cores = spec.request.cpu_milli as f64 / 1000.0;
    let all_cores = all.cpu_milli as f64 / 1000.0;
    let others = share(spec.request.memory_mib, all.memory_mib)
        .max(share(u64::from(spec.request.gpu.milli()), all.gpu_milli));
    f64::from(spec.replicas) * cores.max(others * all_cores)
}

/// `sjf`: shortest expected run time first (Smith 1956).
#[must_use]
pub fn shortest(view: &ClusterView<'_>, task: TaskView<'_>) -> Duration {
    view.expected_nominal(task.id())
}

/// `ljf`: longest expected run time first (Graham 1969, longest processing time).
#[must_use]
pub fn longest(view: &ClusterView<'_>, task: TaskView<'_>) -> Reverse<Duration> {
    Reverse(shortest(view, task))
}

/// `smallest_area`: least run time x dominant share of the cluster first.
#[must_use]
pub fn area(view: &ClusterView<'_>, task: TaskView<'_>) -> Share {
    dominant_share(view, task).times(u128::from(view.expected_nominal(task.id()).micros()))
}

/// `largest_area`: most run time x dominant share of the cluster first.
#[must_use]
pub fn large_area(view: &ClusterView<'_>, task: TaskView<'_>) -> Reverse<Share> {
    Reverse(area(view, task))
}

/// `edf`: earliest deadline first, tasks without one last (Liu, Layland 1973).
#[must_use]
pub fn deadline(_: &ClusterView<'_>, task: TaskView<'_>) -> Time {
    task.spec().deadline.unwrap_or(Time::NEVER)
}

/// `priority`: highest priority + `aging` x hours waited first, where `aging` is in billionths of a point. As all that wait
/// age alike, the order of two tasks never changes, and the time at which each became eligible stands for its age. Counted
/// in whole numbers, so that tasks which are even tie.
#[must_use]
pub fn aged_priority(task: TaskView<'_>, aging: u64) -> Reverse<i128> {
    let age = i128::from(aging) * i128::from(task.eligible().micros());
    Reverse(i128::from(task.spec().priority) * POINT - age)
}

/// A point of priority, in billionths of a point x microseconds in an hour.
const POINT: i128 = 1_000_000_000 * 3_600_000_000;

/// A function of run time, processors and time of submission, in seconds.
pub type Learned = fn(run: f64, processors: f64, submitted: f64) -> f64;

/// `f1` to `f4`: lowest value of a learned function of run time r, processors n and submission s first (Carastan-Santos,
/// de Camargo 2017, Obtaining dynamic scheduling policies with simulation and machine learning). Submissions and run times
/// below a second count as a second.
pub const LEARNED: [Learned; 4] = [
    |r, n, s| libm::log10(r) * n + 870.0 * libm::log10(s),
    |r, n, s| libm::sqrt(r) * n + 25_600.0 * libm::log10(s),
    |r, n, s| r * n + 6_860_000.0 * libm::log10(s),
    |r, n, s| r * libm::sqrt(n) + 530_000.0 * libm::log10(s),
];

/// The value of a learned function for a task.
#[must_use]
pub fn learned(view: &ClusterView<'_>, task: TaskView<'_>, function: Learned) -> Score {
    let submitted = Duration::from_micros(task.spec().arrival.micros());
    let run = seconds(view.expected_nominal(task.id()));
    Score(function(run.max(1.0), processors(view, task), seconds(submitted).max(1.0)))
}

/// `las`: the queue of least attained service first, first come first served within it (Gu et al. 2019, Tiresias,
/// discretised two-dimensional least attained service). Service is run time x GPUs (x cores for tasks without
/// GPUs), in hours; the queues part at 1, 10 and 100 times `first_queue`.
#[must_use]
pub fn attained_queue(view: &ClusterView<'_>, task: TaskView<'_>, first_queue: f64) -> u8 {
    let request = task.spec().request;
    let each = if request.gpu.is_none() { request.cpu_milli } else { u64::from(request.gpu.milli()) };
    #[expect(clippy::cast_precision_loss, reason = "a score, not an account")]
    let units = each as f64 / 1000.0 * f64::from(task.spec().replicas);
    let service = seconds(task.attained(view.now())) / 3600.0 * units;
    let below = [1.0, 10.0, 100.0].into_iter().take_while(|times| service >= times * first_queue);
    u8::try_from(below.count()).unwrap_or(u8::MAX)
}
