//! How long tasks really run on the workers of a scenario: what bounds and ratios are measured by.

use std::borrow::Cow;
use std::collections::HashMap;

use cloudai_schedulers::{Constraint, ConstraintId, Duration, Request, Speed, WorkerSpec};
use cloudai_workloads::{Durations, Scenario, Settings, Task};

/// True run times under the settings' limits, on one worker or the fastest.
#[derive(Debug)]
pub(crate) struct RunTimes<'a> {
    workers: Cow<'a, [WorkerSpec]>,
    constraints: &'a [Constraint],
    durations: Option<&'a Durations>,
    kill: bool,
    /// The speed of all workers, if it is one: then nothing has to be looked up for each task.
    same_speed: Option<Speed>,
    /// The fastest worker that can hold a shape.
    fastest: HashMap<(Request, ConstraintId), Speed>,
}

impl<'a> RunTimes<'a> {
    pub(crate) fn new(scenario: &'a Scenario, settings: &Settings) -> Self {
        let durations = scenario.durations.as_ref();
        Self::with(Cow::Borrowed(&scenario.workers), &scenario.constraints, durations, settings)
    }

    /// Without a scenario, of whose tasks the constraints come one by one ([`RunTimes::fastest_under`]) and that have no
    /// table of durations.
    pub(crate) fn of_workers(workers: &[WorkerSpec], settings: &Settings) -> Self {
        Self::with(Cow::Owned(workers.to_vec()), &[], None, settings)
    }

    fn with(
        workers: Cow<'a, [WorkerSpec]>,
        constraints: &'a [Constraint],
        durations: Option<&'a Durations>,
        settings: &Settings,
    ) -> Self {
        let mut speeds = workers.iter().map(|worker| worker.speed);
        let same_speed = speeds.next().filter(|&first| speeds.all(|speed| speed == first));
        let kill = settings.kill_at_estimate;
        Self { workers, constraints, durations, kill, same_speed, fastest: HashMap::new() }
    }

    /// The workers, in their order.
    pub(crate) fn workers(&self) -> &[WorkerSpec] {
        &self.workers
    }

    /// True if there is a table of durations.
    pub(crate) fn has_table(&self) -> bool {
        self.durations.is_some()
    }

    /// The nominal time that the task runs before it ends or is killed.
    pub(crate) fn nominal(&self, task: &Task) -> Duration {
        match task.spec.estimate {
            Some(estimate) if self.kill => task.duration.min(estimate),
            _ => task.duration,
        }
    }

    /// The run time on the worker of this index, whether it can hold the task or not.
    pub(crate) fn on(&self, task: &Task, index: u32) -> Duration {
        let Some(worker) = self.workers.get(index as usize) else { return Duration::MAX };
        let Some(durations) = self.durations else {
            return worker.speed.run_time(self.nominal(task));
        };
        let run =
            durations.get(task.spec.index, index).unwrap_or_else(|| worker.speed.run_time(task.duration));
        let limit = task.spec.estimate.filter(|_| self.kill);
        limit.map_or(run, |limit| run.min(worker.speed.run_time(limit)))
    }

    /// The run time on the fastest worker that can hold the task.
    pub(crate) fn fastest(&mut self, task: &Task) -> Duration {
        self.fastest_under(task, self.constraints.get(task.spec.constraint.0 as usize))
    }

    /// The same under a constraint that is given.
    pub(crate) fn fastest_under(&mut self, task: &Task, constraint: Option<&Constraint>) -> Duration {
        let (spec, nominal, workers) = (&task.spec, self.nominal(task), &self.workers);
        let able = |worker: &WorkerSpec| holds(worker, &spec.request, constraint);
        if self.durations.is_some() {
            let able = (0u32..).zip(workers.iter()).filter(|(_, worker)| able(worker));
            return able.map(|(index, _)| self.on(task, index)).min().unwrap_or(nominal);
        }
        if let Some(speed) = self.same_speed {
            return speed.run_time(nominal); // a checked task fits on some worker
        }
        let speed = self.fastest.entry((spec.request, spec.constraint)).or_insert_with(|| {
            workers.iter().filter(|worker| able(worker)).map(|worker| worker.speed).max().unwrap_or_default()
        });
        speed.run_time(nominal)
    }
}

/// True if an empty worker could hold one replica of such a task.
pub(crate) fn can_hold(
    worker: &WorkerSpec,
    constraint: ConstraintId,
    request: &Request,
    constraints: &[Constraint],
) -> bool {
    holds(worker, request, constraints.get(constraint.0 as usize))
}

fn holds(worker: &WorkerSpec, request: &Request, constraint: Option<&Constraint>) -> bool {
    worker.capacity.holds(request) && constraint.is_none_or(|constraint| constraint.allows(worker))
}
