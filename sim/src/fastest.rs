//! How long tasks really run on the workers of a scenario: what bounds and ratios are measured by.

use std::collections::HashMap;

use cloudai_schedulers::{Constraint, ConstraintId, Duration, Request, Speed, WorkerSpec};
use cloudai_workloads::{Scenario, Settings, Task};

/// True run times under the settings' limits, on one worker or the fastest.
#[derive(Debug)]
pub(crate) struct RunTimes<'a> {
    scenario: &'a Scenario,
    kill: bool,
    /// The speed of all workers, if it is one: then nothing has to be looked up for each task.
    same_speed: Option<Speed>,
    /// The fastest worker that can hold a shape.
    fastest: HashMap<(Request, ConstraintId), Speed>,
}

impl<'a> RunTimes<'a> {
    pub(crate) fn new(scenario: &'a Scenario, settings: &Settings) -> Self {
        let mut speeds = scenario.workers.iter().map(|worker| worker.speed);
        let same_speed = speeds.next().filter(|&first| speeds.all(|speed| speed == first));
        Self { scenario, kill: settings.kill_at_estimate, same_speed, fastest: HashMap::new() }
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
        let Some(worker) = self.scenario.workers.get(index as usize) else { return Duration::MAX };
        let Some(durations) = &self.scenario.durations else {
            return worker.speed.run_time(self.nominal(task));
        };
        let run =
            durations.get(task.spec.index, index).unwrap_or_else(|| worker.speed.run_time(task.duration));
        let limit = task.spec.estimate.filter(|_| self.kill);
        limit.map_or(run, |limit| run.min(worker.speed.run_time(limit)))
    }

    /// The run time on the fastest worker that can hold the task.
    pub(crate) fn fastest(&mut self, task: &Task) -> Duration {
        let (spec, nominal) = (&task.spec, self.nominal(task));
        let Scenario { workers, constraints, .. } = self.scenario;
        let able = |worker: &WorkerSpec| can_hold(worker, spec.constraint, &spec.request, constraints);
        if self.scenario.durations.is_some() {
            let able = (0u32..).zip(workers).filter(|(_, worker)| able(worker));
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
    worker.capacity.holds(request)
        && constraints.get(constraint.0 as usize).is_none_or(|constraint| constraint.allows(worker))
}
