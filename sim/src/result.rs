//! What a run leaves behind: the metrics, and the data that its plots are drawn from.
//!
//! All of it is a function of the inputs and the seed alone; wall-clock measurements live in [`Timing`].

use serde::{Deserialize, Serialize};

/// The metrics of one run, each defined in `docs/metrics.md`.
///
/// `null` in `metrics.json` (here `None`) means "not applicable". Times are in seconds of simulated time,
/// utilizations and shares between 0 and 1.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Metrics {
    /// The strategy's spec, as given.
    pub strategy: String,
    /// Last end minus first arrival.
    pub makespan_s: Option<f64>,
    /// Mean of first start minus eligible, over the tasks that started.
    pub mean_wait_s: Option<f64>,
    /// Median wait.
    pub p50_wait_s: Option<f64>,
    /// 95th percentile of waits.
    pub p95_wait_s: Option<f64>,
    /// 99th percentile of waits.
    pub p99_wait_s: Option<f64>,
    /// Mean of end minus arrival, over the tasks that ran to an end.
    pub mean_turnaround_s: Option<f64>,
    /// Median turnaround.
    pub p50_turnaround_s: Option<f64>,
    /// 95th percentile of turnarounds.
    pub p95_turnaround_s: Option<f64>,
    /// 99th percentile of turnarounds.
    pub p99_turnaround_s: Option<f64>,
    /// Mean of max(1, turnaround / max(run, 10 s)).
    pub mean_bounded_slowdown: Option<f64>,
    /// Mean utilization of the dimensions that the workload asks for, storage left out.
    pub resource_utilization: Option<f64>,
    /// CPU held over CPU there is, over the makespan.
    pub cpu_utilization: Option<f64>,
    /// Memory held over memory there is.
    pub memory_utilization: Option<f64>,
    /// GPU held over GPU there is; `None` without GPUs.
    pub gpu_utilization: Option<f64>,
    /// Time average of the standard deviation of load over the workers that are up.
    pub load_variance: Option<f64>,
    /// Completed tasks per minute of makespan.
    pub throughput_per_min: Option<f64>,
    /// Tasks that waited longer than the starvation threshold.
    pub starvation_count: u64,
    /// Tasks that completed.
    pub completed: u64,
    /// Tasks that failed, those that were timed out included.
    pub failed: u64,
    /// Tasks that were ended at their time limit.
    pub timed_out: u64,
    /// Tasks that were cancelled.
    pub cancelled: u64,
    /// Tasks that were rejected.
    pub rejected: u64,
    /// Attempts that were preempted.
    pub preemptions: u64,
    /// Attempts that were lost with their workers.
    pub attempts_lost: u64,
    /// Work of preempted and lost attempts that had to be done again.
    pub work_lost_s: f64,
    /// Time that attempts spent on checkpoints and on going on from one.
    pub overhead_s: f64,
    /// Mean share of the workers that were up, over the makespan.
    pub availability: Option<f64>,
    /// Tasks that did not complete by their deadline; `None` without deadlines.
    pub deadline_misses: Option<u64>,
    /// Jain's fairness index over the mean bounded slowdowns of the users.
    pub jain_fairness: Option<f64>,
    /// Sum of |expected - actual run time| over the sum of actual run times, over completed tasks without an
    /// estimate; `None` if there are none.
    pub prediction_error: Option<f64>,
    /// No schedule of all tasks can have a makespan below this.
    pub lower_bound_s: Option<f64>,
    /// Makespan over `lower_bound_s`; `None` if a task was rejected, cancelled or failed other than by time limit.
    pub gap_to_bound: Option<f64>,
    /// The shortest makespan known: the oracle's, or that of a strategy that ran every task; `None` without the oracle.
    pub best_known_s: Option<f64>,
    /// No schedule of all tasks without preemption has a shorter makespan, as the oracle has proved.
    pub best_known_bound_s: Option<f64>,
    /// Makespan over `best_known_s`; `None` where `gap_to_bound` is.
    pub gap_to_best_known: Option<f64>,
    /// No schedule of all tasks can have a mean turnaround below this.
    pub mean_turnaround_bound_s: Option<f64>,
    /// Least time in which one worker runs all tasks one after the other, over the makespan; `None` without
    /// dependencies, if no worker can hold each task, or where `gap_to_bound` is `None`.
    pub speedup: Option<f64>,
    /// Speed-up over the number of workers.
    pub efficiency: Option<f64>,
    /// Mean over the workflows of their length over their critical path; `None` without dependencies, or where
    /// `gap_to_bound` is `None`.
    pub schedule_length_ratio: Option<f64>,
    /// Share of GPU capacity held after the pass at the last arrival; `None` without GPUs.
    pub gpu_allocation: Option<f64>,
    /// Share of the GPU capacity then free that a typical task cannot use; `None` without GPUs.
    pub gpu_fragmentation: Option<f64>,
    /// The seed of the run.
    pub seed: u64,
    /// Where estimates came from: `column`, `exact`, `none` or `noisy(F)`.
    pub estimates: String,
    /// The version of CloudAI that made the run.
    pub version: String,
    /// Hash of the scenario's files.
    pub scenario_hash: String,
    /// 99th percentile of the bounded slowdowns.
    pub p99_bounded_slowdown: Option<f64>,
}

/// Time series of one run in equal bins; each value is the exact time average over its bin.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Timeline {
    /// Start of the first bin, in seconds.
    pub start_s: f64,
    /// Width of a bin, in seconds.
    pub bin_s: f64,
    /// Share of CPU held.
    pub cpu: Vec<f64>,
    /// Share of memory held.
    pub memory: Vec<f64>,
    /// Share of GPU held; empty without GPUs.
    pub gpu: Vec<f64>,
    /// Tasks that wait: queued or bound to a worker's lane.
    pub queue: Vec<f64>,
    /// Load of workers: one row a worker, or a group of neighbours where there are many, of one value a bin.
    pub load: Vec<LoadRow>,
}

/// A row of the load heat map.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct LoadRow {
    /// The worker's name, or the names of the first and last of a group.
    pub label: String,
    /// The largest used share over cpu, memory and GPU; for a group, the mean over it.
    pub load: Vec<f64>,
}

/// One attempt, as a bar of the Gantt chart.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct GanttBar {
    /// Index of the worker in the scenario.
    pub worker: u32,
    /// The task's name.
    pub task: String,
    /// Start, in seconds.
    pub start_s: f64,
    /// End, in seconds.
    pub end_s: f64,
    /// CPU held there, in cores.
    pub cpu_cores: f64,
    /// How it ended: `completed`, `timed_out`, `preempted`, ...
    pub status: String,
}

/// A point of a cumulative distribution: `share` of the tasks waited at most `wait_s`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct CdfPoint {
    /// A wait in seconds.
    pub wait_s: f64,
    /// Between 0 and 1.
    pub share: f64,
}

/// A point of the GPU curve: the cluster after the pass of an instant, in shares of its GPU capacity.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct GpuPoint {
    /// GPU demand of all tasks that have arrived; may exceed 1.
    pub arrived: f64,
    /// Capacity that is held.
    pub allocated: f64,
    /// Free capacity that a typical task cannot use, in expectation.
    pub fragmented: f64,
    /// The same as a share of the free capacity; 0 if nothing is free.
    pub fragmentation: f64,
}

/// Everything that one strategy's run leaves for a report.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct StrategyResult {
    /// The spec, as given: `ai`, `ai_aggressive(window=64)`.
    pub spec: String,
    /// The name of its folder in the report.
    pub folder: String,
    /// Whether it is a batch-mode queue (one of the honest baselines), an immediate-mode policy, or other.
    pub kind: StrategyKind,
    /// The metrics.
    pub metrics: Metrics,
    /// Time series.
    pub timeline: Timeline,
    /// Distribution of waits, ascending; the last share is 1. Empty if no task started.
    pub wait_cdf: Vec<CdfPoint>,
    /// All attempts in order of end; empty if there were more than a Gantt chart can show.
    pub gantt: Vec<GanttBar>,
    /// GPU allocation and fragmentation against what has arrived, ascending; empty unless the scenario rejects what does
    /// not fit and has GPUs.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub gpu_curve: Vec<GpuPoint>,
}

/// What family a strategy belongs to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StrategyKind {
    /// Commits each task to a worker when it arrives.
    Immediate,
    /// One central queue in a fixed order: the honest baselines.
    Queue,
    /// Everything else.
    #[default]
    Other,
}

/// A strategy that was asked for and could not run the scenario.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Skipped {
    /// The spec.
    pub spec: String,
    /// Why: what the scenario needs and the strategy lacks.
    pub reason: String,
}

/// A comparison of strategies on one scenario: what `cloudai simulate` reports.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Comparison {
    /// The scenario's name.
    pub scenario: String,
    /// Where the workload comes from, as its `scenario.toml` says.
    pub source: Option<String>,
    /// Tasks in the workload.
    pub tasks: u64,
    /// Names of the workers, in index order.
    pub workers: Vec<String>,
    /// The settings that were in force: key and value, in a fixed order.
    pub settings: Vec<(String, String)>,
    /// What strategies knew beforehand, in words: estimates, workload profile.
    pub foreknowledge: String,
    /// The spec that the others are compared with, if it ran.
    pub baseline: Option<String>,
    /// One result a strategy, in the order asked for.
    pub strategies: Vec<StrategyResult>,
    /// What was skipped, and why.
    pub skipped: Vec<Skipped>,
}

/// Wall-clock measurements of one run; never part of a file that must be reproducible.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Timing {
    /// The spec.
    pub strategy: String,
    /// Wall time of the run, in seconds.
    pub wall_s: f64,
    /// Simulated tasks per second of wall time.
    pub tasks_per_s: f64,
    /// Passes of the strategy.
    pub passes: u64,
    /// Mean wall time of a pass, in microseconds.
    pub mean_pass_us: f64,
    /// 99th percentile of the wall time of a pass, in microseconds.
    pub p99_pass_us: f64,
}
