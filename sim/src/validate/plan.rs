//! What the scenario asks for, task by task: the yardstick.

use cloudai_schedulers::{Duration, Time, WorkerSpec};
use cloudai_workloads::{Estimates, Problems, Scenario, Settings, Task};

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
        Ok(Self { scenario, settings, tasks, first_predecessor, predecessors })
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

    /// From an assignment to the end that was to be expected, on one worker: start-up latency, and estimate / speed.
    pub(super) fn expected_length(&self, task: u32, worker: u32) -> Duration {
        let exact = self.settings.estimates == Estimates::Exact;
        let known =
            self.scenario.durations.as_ref().filter(|_| exact).and_then(|table| table.get(task, worker));
        let run = known.or_else(|| {
            let estimate = self.estimate(self.task(task))?;
            Some(self.workers()[worker as usize].speed.run_time(estimate))
        });
        self.settings.startup_latency.saturating_add(run.unwrap_or_default())
    }

    /// The true run time on one worker of a task of which `done` (nominal) is saved from earlier attempts.
    pub(super) fn run_time(&self, task: u32, worker: u32, done: Duration) -> Duration {
        let nominal = self.task(task).duration.micros();
        let left = nominal.saturating_sub(done.micros());
        let speed = self.workers()[worker as usize].speed;
        let known = self.scenario.durations.as_ref().and_then(|table| table.get(task, worker));
        match known {
            None => speed.run_time(Duration::from_micros(left)),
            Some(known) if done == Duration::ZERO => known,
            Some(known) => {
                // The share of it that is not done.
                let micros =
                    (u128::from(left) * u128::from(known.micros())).div_ceil(u128::from(nominal.max(1)));
                Duration::from_micros(u64::try_from(micros).unwrap_or(u64::MAX))
            }
        }
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
