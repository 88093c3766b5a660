//! Every metric of a report, once: its key, label, unit, definition, and which direction is better.

use cloudai_sim::result::Metrics;

/// The unit of a metric.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Unit {
    /// Seconds of simulated time, shown in seconds, minutes, hours or days.
    Seconds,
    /// A share between 0 and 1, shown in percent.
    Share,
    /// A ratio without unit.
    Ratio,
    /// Tasks per minute.
    TasksPerMinute,
    /// A whole number of tasks.
    Tasks,
    /// A whole number of attempts.
    Attempts,
}

/// Which values of a metric are better.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Better {
    /// Lower values.
    Lower,
    /// Higher values.
    Higher,
    /// Neither: the metric describes the scenario, or is no aim by itself.
    Neither,
}

/// A metric's value.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum Value {
    /// Not applicable.
    Missing,
    /// A measured value, finite.
    Real(f64),
    /// A count, exact.
    Count(u64),
}

impl Value {
    /// The value as a float, if there is one.
    #[must_use]
    pub fn as_f64(self) -> Option<f64> {
        match self {
            Self::Missing => None,
            Self::Real(value) => Some(value),
            Self::Count(count) => Some(count as f64),
        }
    }
}

impl From<f64> for Value {
    fn from(value: f64) -> Self {
        if value.is_finite() { Self::Real(value) } else { Self::Missing }
    }
}

impl From<u64> for Value {
    fn from(count: u64) -> Self {
        Self::Count(count)
    }
}

impl<T: Into<Self>> From<Option<T>> for Value {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Missing, Into::into)
    }
}

/// How a value compares with the baseline's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Verdict {
    /// Better than the baseline.
    Better,
    /// Worse than the baseline.
    Worse,
    /// The same up to rounding.
    Same,
    /// Different, but neither direction is better, or a value is missing.
    Open,
}

/// A metric as reports show it.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Metric {
    /// Its key in `metrics.json` and `comparison.csv`.
    pub key: &'static str,
    /// Its name in text.
    pub label: &'static str,
    /// Its unit.
    pub unit: Unit,
    /// Which direction is better.
    pub better: Better,
    /// What it is, in one sentence.
    pub definition: &'static str,
    get: fn(&Metrics) -> Value,
}

impl Metric {
    /// This metric's value in `metrics`.
    #[must_use]
    pub fn value(&self, metrics: &Metrics) -> Value {
        (self.get)(metrics)
    }

    /// How `value` compares with `baseline`.
    #[must_use]
    pub fn verdict(&self, value: Value, baseline: Value) -> Verdict {
        let (Some(value), Some(baseline)) = (value.as_f64(), baseline.as_f64()) else { return Verdict::Open };
        // Float noise of summation order is no improvement.
        if (value - baseline).abs() <= 1e-9 * value.abs().max(baseline.abs()) {
            return Verdict::Same;
        }
        match self.better {
            Better::Neither => Verdict::Open,
            Better::Lower if value < baseline => Verdict::Better,
            Better::Higher if value > baseline => Verdict::Better,
            Better::Lower | Better::Higher => Verdict::Worse,
        }
    }

    /// The metric of that key.
    #[must_use]
    pub fn by_key(key: &str) -> Option<&'static Self> {
        CATALOGUE.iter().find(|metric| metric.key == key)
    }
}

macro_rules! catalogue {
    ($($key:ident, $label:literal, $unit:ident, $better:ident, $definition:literal;)*) => {
        /// Every metric that is a number, in the order of `metrics.json`.
        pub static CATALOGUE: &[Metric] = &[$(Metric {
            key: stringify!($key),
            label: $label,
            unit: Unit::$unit,
            better: Better::$better,
            definition: $definition,
            get: |metrics| metrics.$key.into(),
        }),*];
    };
}

catalogue! {
    makespan_s, "Makespan", Seconds, Lower, "Last end minus first arrival.";
    mean_wait_s, "Mean wait", Seconds, Lower, "Mean over the tasks that started of first start minus the time the task became eligible (its arrival, or the end of its last predecessor).";
    p50_wait_s, "Median wait", Seconds, Lower, "Half of the tasks that started waited at most this long.";
    p95_wait_s, "95th percentile of waits", Seconds, Lower, "95% of the tasks that started waited at most this long.";
    p99_wait_s, "99th percentile of waits", Seconds, Lower, "99% of the tasks that started waited at most this long.";
    mean_turnaround_s, "Mean turnaround", Seconds, Lower, "Mean over the tasks that ran to an end of end minus arrival.";
    p50_turnaround_s, "Median turnaround", Seconds, Lower, "Half of the tasks that ran to an end had at most this turnaround.";
    p95_turnaround_s, "95th percentile of turnarounds", Seconds, Lower, "95% of the tasks that ran to an end had at most this turnaround.";
    p99_turnaround_s, "99th percentile of turnarounds", Seconds, Lower, "99% of the tasks that ran to an end had at most this turnaround.";
    mean_bounded_slowdown, "Mean bounded slowdown", Ratio, Lower, "Mean of max(1, turnaround / max(run, 10 s)), where run is the length of the last attempt.";
    resource_utilization, "Resource utilization", Share, Higher, "Mean utilization of the dimensions that the workload asks for (CPU, memory, GPU; storage left out).";
    cpu_utilization, "CPU utilization", Share, Higher, "Time integral of CPU held by tasks, lost and killed work included, over nominal CPU capacity times makespan.";
    memory_utilization, "Memory utilization", Share, Higher, "Time integral of memory held by tasks over nominal memory capacity times makespan.";
    gpu_utilization, "GPU utilization", Share, Higher, "Time integral of GPU held by tasks over nominal GPU capacity times makespan.";
    load_variance, "Load variance", Ratio, Lower, "Time average of the standard deviation of load over the workers that are up; a worker's load is its largest used share over CPU, memory and GPU.";
    throughput_per_min, "Throughput", TasksPerMinute, Higher, "Completed tasks per minute of makespan.";
    starvation_count, "Starved tasks", Tasks, Lower, "Tasks that waited longer than the starvation threshold (300 s unless set).";
    completed, "Completed tasks", Tasks, Higher, "Tasks that completed.";
    failed, "Failed tasks", Tasks, Lower, "Tasks that failed, those ended at their time limit included.";
    timed_out, "Timed-out tasks", Tasks, Lower, "Tasks that were ended at their time limit.";
    cancelled, "Cancelled tasks", Tasks, Lower, "Tasks that were cancelled, or whose predecessor failed or was cancelled.";
    rejected, "Rejected tasks", Tasks, Lower, "Tasks that were refused.";
    preemptions, "Preemptions", Attempts, Neither, "Attempts that were preempted.";
    attempts_lost, "Attempts lost", Attempts, Neither, "Attempts that were lost with their workers.";
    work_lost_s, "Work lost", Seconds, Lower, "Work of preempted and lost attempts that had to be done again.";
    overhead_s, "Checkpoint overhead", Seconds, Lower, "Time that attempts spent on saving their progress and on going on from it.";
    availability, "Availability", Share, Neither, "Time average over the makespan of the share of the workers that were up.";
    deadline_misses, "Deadline misses", Tasks, Lower, "Tasks that did not complete by their deadline.";
    jain_fairness, "Jain's fairness index", Ratio, Higher, "Jain's fairness index over the mean bounded slowdowns of the users; 1 is equal treatment.";
    prediction_error, "Prediction error", Ratio, Lower, "Sum of |expected - actual run time| over the sum of actual run times, over completed tasks without an estimate.";
    lower_bound_s, "Bound on makespan", Seconds, Neither, "No schedule of all tasks can have a makespan below this: the largest of the area bound per resource with release times, the longest path through dependencies, and the longest task after its arrival.";
    gap_to_bound, "Makespan over its bound", Ratio, Lower, "Makespan over the bound on makespan; 1 is optimal. Not applicable if a task was rejected, cancelled, or failed other than by time limit.";
    best_known_s, "Shortest makespan known", Seconds, Neither, "The shortest makespan that the oracle, which knows everything beforehand, or any strategy here has reached.";
    best_known_bound_s, "Oracle's bound on makespan", Seconds, Neither, "No schedule of all tasks without preemption can have a makespan below this, as the oracle has proved.";
    gap_to_best_known, "Makespan over the shortest known", Ratio, Lower, "Makespan over the shortest makespan known. Not applicable where the gap to the bound is not.";
    mean_turnaround_bound_s, "Bound on mean turnaround", Seconds, Neither, "No schedule of all tasks can have a mean turnaround below this: the larger of the mean fastest duration and, per resource, preemptive shortest remaining time on the squashed area.";
    speedup, "Speed-up", Ratio, Higher, "The least time in which one worker runs all tasks one after the other, over the makespan. Not applicable without dependencies, or if no worker can hold each task.";
    efficiency, "Efficiency", Ratio, Higher, "Speed-up over the number of workers; above 1 where workers run several tasks at once.";
    schedule_length_ratio, "Schedule length ratio", Ratio, Lower, "Mean over the workflows (tasks that hang together by dependencies) of the time from first arrival to last end over the critical path with each task on its fastest worker and transfers 0; 1 is optimal.";
    gpu_allocation, "GPU allocation", Share, Higher, "Share of GPU capacity held after the pass at the last arrival.";
    gpu_fragmentation, "GPU fragmentation", Share, Lower, "Share of the GPU capacity then free that a typical task cannot use.";
    p99_bounded_slowdown, "99th percentile of bounded slowdowns", Ratio, Lower, "99% of the tasks that ran to an end had at most this bounded slowdown, max(1, turnaround / max(run, 10 s)).";
}

/// The keys of `metrics.json` that are no measured numbers.
pub(crate) fn provenance(metrics: &Metrics) -> [(&'static str, String); 4] {
    [
        ("seed", metrics.seed.to_string()),
        ("estimates", metrics.estimates.clone()),
        ("version", metrics.version.clone()),
        ("scenario_hash", metrics.scenario_hash.clone()),
    ]
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn the_catalogue_and_metrics_json_have_the_same_keys() {
        let metrics = Metrics::default();
        let json = serde_json::to_value(&metrics).unwrap();
        let in_json: BTreeSet<String> = json.as_object().unwrap().keys().cloned().collect();
        let mut shown: BTreeSet<String> = CATALOGUE.iter().map(|m| m.key.to_owned()).collect();
        shown.extend(provenance(&metrics).map(|(key, _)| key.to_owned()));
        shown.insert("strategy".to_owned());
        assert_eq!(shown, in_json);
    }

    #[test]
    fn verdicts_know_the_better_direction() {
        let makespan = Metric::by_key("makespan_s").unwrap();
        let utilization = Metric::by_key("cpu_utilization").unwrap();
        assert_eq!(makespan.verdict(1.0.into(), 2.0.into()), Verdict::Better);
        assert_eq!(utilization.verdict(0.1.into(), 0.2.into()), Verdict::Worse);
        assert_eq!(utilization.verdict((0.1 + 0.2).into(), 0.3.into()), Verdict::Same);
        assert_eq!(makespan.verdict(Value::Missing, 2.0.into()), Verdict::Open);
        assert_eq!(makespan.verdict(f64::NAN.into(), 2.0.into()), Verdict::Open);
    }
}
