//! What only the simulator knows of a task.

use cloudai_schedulers::{Duration, Placement, Speed, TaskId, Time, WorkerId, WorkerSpec};
use cloudai_workloads::{Durations, Task};

/// The true side of a task, beside the core's slot.
#[derive(Clone, Debug, Default)]
pub(super) struct SimTask {
    id: Option<TaskId>,
    pub(super) name: String,
    /// True nominal run time.
    duration: Duration,
    /// Nominal run time after which it is killed, if limits are in force: the file's estimate.
    limit: Option<Duration>,
    /// Nominal progress that was saved.
    done: Duration,
    pub(super) first_start: Option<Time>,
    /// When the current attempt ends; `NEVER` if none runs.
    ends_at: Time,
    /// Whether it ends at its limit.
    killed: bool,
}

/// True run times on each worker.
#[derive(Debug)]
pub(super) struct RunTimes<'a> {
    speeds: Vec<Speed>,
    durations: Option<&'a Durations>,
    kill: bool,
}

impl<'a> RunTimes<'a> {
    pub(super) fn new(workers: &[WorkerSpec], durations: Option<&'a Durations>, kill: bool) -> Self {
        Self { speeds: workers.iter().map(|worker| worker.speed).collect(), durations, kill }
    }

    fn speed(&self, worker: WorkerId) -> Speed {
        self.speeds.get(worker.index()).copied().unwrap_or_default()
    }

    /// How long work of this nominal length takes on the slowest part of a placement.
    pub(super) fn nominal_on(&self, nominal: Duration, placement: &Placement) -> Duration {
        let parts = placement.parts().iter();
        parts.map(|part| self.speed(part.worker).run_time(nominal)).max().unwrap_or(nominal)
    }

    /// The run time of `task` on a placement, saved progress left out. The slowest part of a gang decides.
    fn on_all(&self, task: &SimTask, index: u32, placement: &Placement) -> Duration {
        let parts = placement.parts().iter();
        parts.map(|part| self.on(task, index, part.worker)).max().unwrap_or_default()
    }

    /// The run time of `task` on `worker`, saved progress left out.
    fn on(&self, task: &SimTask, index: u32, worker: WorkerId) -> Duration {
        let Some(known) = self.durations.and_then(|durations| durations.get(index, worker.0)) else {
            return self.speed(worker).run_time(remaining(task.duration, task.done));
        };
        if task.done == Duration::ZERO {
            return known;
        }
        // Of an unrelated machine's time, the share that is not done.
        let left = u128::from(remaining(task.duration, task.done).micros()) * u128::from(known.micros());
        let left = left.div_ceil(u128::from(task.duration.micros().max(1)));
        Duration::from_micros(u64::try_from(left).unwrap_or(u64::MAX))
    }
}

fn remaining(duration: Duration, done: Duration) -> Duration {
    Duration::from_micros(duration.micros().saturating_sub(done.micros()))
}

/// By slot.
#[derive(Debug, Default)]
pub(super) struct Tasks(Vec<SimTask>);

impl Tasks {
    /// Takes a task in; its name's buffer is swapped with that of the slot's last tenant.
    pub(super) fn insert(&mut self, id: TaskId, task: &mut Task) {
        if id.slot() >= self.0.len() {
            self.0.resize_with(id.slot() + 1, SimTask::default);
        }
        let record = &mut self.0[id.slot()];
        let mut name = std::mem::take(&mut record.name);
        std::mem::swap(&mut name, &mut task.name);
        *record = SimTask {
            id: Some(id),
            name,
            duration: task.duration,
            limit: task.spec.estimate,
            ends_at: Time::NEVER,
            ..std::mem::take(record)
        };
        (record.done, record.first_start, record.killed) = (Duration::ZERO, None, false);
    }

    pub(super) fn get(&self, task: TaskId) -> &SimTask {
        &self.0[task.slot()]
    }

    /// Starts an attempt and returns when it ends. The slowest part of a gang decides.
    pub(super) fn start(
        &mut self,
        id: TaskId,
        placement: &Placement,
        now: Time,
        times: &RunTimes<'_>,
    ) -> Time {
        let task = &mut self.0[id.slot()];
        let run = times.on_all(task, id.index(), placement);
        let limit = task.limit.filter(|_| times.kill).map(|limit| times.nominal_on(limit, placement));
        task.killed = limit.is_some_and(|limit| limit < run);
        task.ends_at = now + limit.map_or(run, |limit| limit.min(run));
        task.first_start.get_or_insert(now);
        task.ends_at
    }

    /// The task of a heap entry and whether it is killed, unless its attempt was stopped since.
    pub(super) fn ending(&self, index: u32, slot: usize, at: Time) -> Option<(TaskId, bool)> {
        let task = self.0.get(slot)?;
        let id = task.id.filter(|id| id.index() == index)?;
        (task.ends_at == at).then_some((id, task.killed))
    }

    /// The current attempt no longer ends by itself; true if it would have.
    pub(super) fn forget_end(&mut self, task: TaskId) -> bool {
        std::mem::replace(&mut self.0[task.slot()].ends_at, Time::NEVER) != Time::NEVER
    }

    /// Saves what an attempt that is stopped after `ran` has done.
    pub(super) fn save_progress(
        &mut self,
        id: TaskId,
        placement: &Placement,
        ran: Duration,
        times: &RunTimes<'_>,
    ) {
        let task = &mut self.0[id.slot()];
        let whole = times.on_all(task, id.index(), placement).micros().max(1);
        let left = remaining(task.duration, task.done).micros();
        let gained = u128::from(left) * u128::from(ran.micros().min(whole)) / u128::from(whole);
        task.done =
            task.done.saturating_add(Duration::from_micros(u64::try_from(gained).unwrap_or(u64::MAX)));
    }
}
