//! What the scenario asks for, task by task: the yardstick.

use cloudai_schedulers::{Duration, Time, WorkerSpec};
use cloudai_workloads::{Estimates, Fault, FaultKind, Problems, Scenario, Settings, Task};

/// A scenario with all its tasks in memory.
pub(super) struct Plan<'a> {
    pub(super) scenario: &'a Scenario,
    pub(super) settings: &'a Settings,
    /// By index.
    pub(super) tasks: Vec<Task>,
    /// Where each task's predecessors begin; one more than there are tasks.
    first_predecessor: Vec<usize>,
    /// (predecessor, transfer), by task.
    predecessors: Vec<(u32, Duration)>,
    /// What happens to each worker, in order of time.
    faults: Vec<Vec<Fault>>,
}

impl<'a> Plan<'a> {
    pub(super) fn of(scenario: &'a Scenario, settings: &'a Settings) -> Result<Self, Problems> {
        let mut tasks = Vec::with_capacity(usize::try_from(scenario.tasks).unwrap_or_default());
        let (mut stream, mut task) = (scenario.stream()?, Task::default());
        while stream.next_into(&mut task)? {
            tasks.push(task.clone());
        }
        tasks.sort_by_key(|task| task.spec.index);
        let mut first_predecessor = vec![0; tasks.len() + 1];
        for edge in &scenario.edges {
            first_predecessor[edge.to as usize + 1] += 1;
        }
        for task in 0..tasks.len() {
            first_predecessor[task + 1] += first_predecessor[task];
        }
        let mut edges: Vec<_> = scenario.edges.iter().collect();
        edges.sort_by_key(|edge| (edge.to, edge.from));
        let predecessors = edges.into_iter().map(|edge| (edge.from, edge.transfer)).collect();
        let mut faults = vec![Vec::new(); scenario.workers.len()];
        for fault in &scenario.faults {
            faults[fault.worker as usize].push(*fault);
        }
        Ok(Self { scenario, settings, tasks, first_predecessor, predecessors, faults })
    }

    pub(super) fn task(&self, index: u32) -> &Task {
        &self.tasks[index as usize]
    }

    pub(super) fn workers(&self) -> &[WorkerSpec] {
        &self.scenario.workers
    }

    /// What must have completed before a task starts: (predecessor, transfer).
    pub(super) fn predecessors(&self, task: u32) -> &[(u32, Duration)] {
        let task = task as usize;
        &self.predecessors[self.first_predecessor[task]..self.first_predecessor[task + 1]]
    }

    /// What happens to a worker, in order of time.
    pub(super) fn faults(&self, worker: u32) -> &[Fault] {
        &self.faults[worker as usize]
    }

    /// When a worker is lost first, from `since` on.
    pub(super) fn lost(&self, worker: u32, since: Time) -> Option<Time> {
        let faults = self.faults(worker);
        let first = faults.partition_point(|fault| fault.time < since);
        faults[first..].iter().find(|fault| fault.kind == FaultKind::Down).map(|fault| fault.time)
    }

    /// How long a stop takes, saving progress included.
    pub(super) fn stop_length(&self) -> Duration {
        let settings = self.settings;
        let saves = settings.checkpoint && settings.checkpoint_interval == Duration::ZERO;
        let saving = if saves { settings.checkpoint_overhead } else { Duration::ZERO };
        settings.stop_latency.saturating_add(saving)
    }

    /// The worker has the GPU model and the labels that the task asks for.
    pub(super) fn allows(&self, task: u32, worker: u32) -> bool {
        let constraint = &self.scenario.constraints[self.task(task).spec.constraint.0 as usize];
        let worker = &self.workers()[worker as usize];
        let model = worker.gpu_model.as_ref();
        let models = &constraint.gpu_models;
        (models.is_empty() || model.is_some_and(|model| models.contains(model)))
            && constraint.labels.iter().all(|(key, value)| worker.labels.get(key) == Some(value))
    }

    /// The estimate that strategies saw.
    pub(super) fn estimate(&self, task: &Task) -> Option<Duration> {
        self.settings.estimates.apply(task, self.settings.seed)
    }

    /// From an assignment to the end that was to be expected, on one worker: start-up latency, estimate / speed, and the
    /// pauses that checkpoints take.
    pub(super) fn expected_length(&self, task: u32, worker: u32) -> Duration {
        let exact = self.settings.estimates == Estimates::Exact;
        let known =
            self.scenario.durations.as_ref().filter(|_| exact).and_then(|table| table.get(task, worker));
        let run = known.or_else(|| {
            let estimate = self.estimate(self.task(task))?;
            Some(self.workers()[worker as usize].speed.run_time(estimate))
        });
        let run = run.unwrap_or_default();
        self.settings.startup_latency.saturating_add(run).saturating_add(self.pauses(run))
    }

    /// The true run time on one worker, from the beginning.
    pub(super) fn run_time(&self, task: u32, worker: u32) -> Duration {
        let known = self.scenario.durations.as_ref().and_then(|table| table.get(task, worker));
        known.unwrap_or_else(|| self.workers()[worker as usize].speed.run_time(self.task(task).duration))
    }

    /// What an attempt pauses for to save its progress: `checkpoint_overhead_s` after each full `checkpoint_interval_s` of
    /// work but the last.
    pub(super) fn pauses(&self, run: Duration) -> Duration {
        let (interval, overhead) = (self.settings.checkpoint_interval, self.settings.checkpoint_overhead);
        if !self.settings.checkpoint || interval == Duration::ZERO || run == Duration::ZERO {
            return Duration::ZERO;
        }
        let pauses = run.micros().div_ceil(interval.micros()) - 1;
        Duration::from_micros(overhead.micros().saturating_mul(pauses))
    }

    /// The time after which the task is killed on one worker, if it has a limit.
    pub(super) fn limit(&self, task: u32, worker: u32) -> Option<Duration> {
        let limit = self.task(task).spec.estimate.filter(|_| self.settings.kill_at_estimate)?;
        Some(self.workers()[worker as usize].speed.run_time(limit))
    }

    /// When a start's resources began to be held: before the start-up latency.
    pub(super) fn assigned(&self, start: Time) -> Time {
        Time::from_micros(start.micros().saturating_sub(self.settings.startup_latency.micros()))
    }
}
