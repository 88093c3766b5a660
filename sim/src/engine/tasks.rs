//! What only the simulator knows of a task.

use cloudai_schedulers::{
    Checkpoints, Duration, Placement, Speed, TaskId, Time, WorkerId, WorkerSpec, prefetch,
};
use cloudai_workloads::{Durations, Task};

/// The true side of a task, beside the core's slot: one line of the cache.
#[derive(Clone, Debug)]
#[repr(align(64))]
pub(super) struct SimTask {
    /// The slot's tenant, or its last one.
    id: TaskId,
    /// Whether it ends at its limit.
    killed: bool,
    /// When the current attempt ends; `NEVER` if none runs.
    ends_at: Time,
    /// Start of its first attempt that started; `NEVER` before.
    first_start: Time,
    /// True nominal run time.
    duration: Duration,
    /// Nominal run time after which it is killed, if limits are in force: the file's estimate. `MAX` without one.
    limit: Duration,
    /// Nominal progress that was saved.
    done: Duration,
    /// How much of its limit that has taken.
    used: Duration,
}

impl SimTask {
    fn new(id: TaskId) -> Self {
        Self {
            id,
            killed: false,
            ends_at: Time::NEVER,
            first_start: Time::NEVER,
            duration: Duration::ZERO,
            limit: Duration::MAX,
            done: Duration::ZERO,
            used: Duration::ZERO,
        }
    }

    /// True if an attempt goes on from saved progress.
    pub(super) fn is_resumed(&self) -> bool {
        self.done > Duration::ZERO
    }

    /// How long an attempt takes that starts now.
    fn length(&mut self, placement: &Placement, times: &RunTimes<'_>) -> Duration {
        let run = times.on_all(self, self.id.index(), placement);
        // Of the limit, what saved work has used is gone; what was lost does not count.
        let mut work = run;
        if times.kill && self.limit != Duration::MAX {
            let limit = times.nominal_on(self.limit.saturating_sub(self.used), placement);
            self.killed = limit < run;
            work = work.min(limit);
        }
        times.checkpoints.map_or(work, |costs| costs.length(work, self.is_resumed()))
    }

    /// When its first attempt that started did so.
    #[inline]
    pub(super) fn first_start(&self) -> Option<Time> {
        (self.first_start != Time::NEVER).then_some(self.first_start)
    }
}

/// True run times on each worker.
#[derive(Debug)]
pub(super) struct RunTimes<'a> {
    speeds: Vec<Speed>,
    durations: Option<&'a Durations>,
    kill: bool,
    checkpoints: Option<Checkpoints>,
    /// Nothing of the above.
    plain: bool,
}

impl<'a> RunTimes<'a> {
    pub(super) fn new(
        workers: &[WorkerSpec],
        durations: Option<&'a Durations>,
        kill: bool,
        checkpoints: Option<Checkpoints>,
    ) -> Self {
        let speeds = workers.iter().map(|worker| worker.speed).collect();
        let plain = durations.is_none() && !kill && checkpoints.is_none();
        Self { speeds, durations, kill, checkpoints, plain }
    }

    /// True if nothing but its worker's speed bears on how long a task runs.
    #[inline(always)]
    pub(super) const fn are_plain(&self) -> bool {
        self.plain
    }

    #[inline(always)]
    fn speed(&self, worker: WorkerId) -> Speed {
        self.speeds.get(worker.index()).copied().unwrap_or_default()
    }

    /// How long work of this nominal length takes on the slowest part of a placement.
    #[inline(always)]
    pub(super) fn nominal_on(&self, nominal: Duration, placement: &Placement) -> Duration {
        match placement.parts() {
            [part] => self.speed(part.worker).run_time(nominal),
            parts => {
                let each = parts.iter().map(|part| self.speed(part.worker).run_time(nominal));
                each.max().unwrap_or(nominal)
            }
        }
    }

    /// How much nominal work the slowest part of a placement does in `run`.
    fn nominal_of(&self, run: Duration, placement: &Placement) -> Duration {
        let parts = placement.parts().iter();
        parts.map(|part| self.speed(part.worker).nominal_of(run)).min().unwrap_or(run)
    }

    /// The run time of `task` on a placement, saved progress left out. The slowest part of a gang decides.
    #[inline(always)]
    fn on_all(&self, task: &SimTask, index: u32, placement: &Placement) -> Duration {
        match placement.parts() {
            [part] => self.on(task, index, part.worker),
            parts => parts.iter().map(|part| self.on(task, index, part.worker)).max().unwrap_or_default(),
        }
    }

    /// The run time of `task` on `worker`, saved progress left out.
    #[inline(always)]
    fn on(&self, task: &SimTask, index: u32, worker: WorkerId) -> Duration {
        let Some(known) = self.durations.and_then(|durations| durations.get(index, worker.0)) else {
            return self.speed(worker).run_time(task.duration.saturating_sub(task.done));
        };
        if task.done == Duration::ZERO {
            return known;
        }
        // Of an unrelated machine's time, the share that is not done.
        let left = u128::from(task.duration.saturating_sub(task.done).micros()) * u128::from(known.micros());
        let left = left.div_ceil(u128::from(task.duration.micros().max(1)));
        Duration::from_micros(u64::try_from(left).unwrap_or(u64::MAX))
    }
}

/// By slot.
#[derive(Debug, Default)]
pub(super) struct Tasks {
    tasks: Vec<SimTask>,
    /// Where the first part of a task runs, apart from the rest: few enough bytes to be at hand always.
    workers: Vec<WorkerId>,
    /// Their names, if these are read.
    names: Vec<String>,
}

impl Tasks {
    /// Takes a task in, with its name if that is read.
    #[inline(always)]
    pub(super) fn insert(&mut self, id: TaskId, task: &Task, named: bool) {
        if id.slot() >= self.tasks.len() {
            self.tasks.resize_with(id.slot() + 1, || SimTask::new(id));
            self.workers.resize(id.slot() + 1, WorkerId(0));
        }
        let record = &mut self.tasks[id.slot()];
        (record.id, record.killed) = (id, false);
        (record.duration, record.limit) = (task.duration, task.spec.estimate.unwrap_or(Duration::MAX));
        (record.done, record.used) = (Duration::ZERO, Duration::ZERO);
        (record.first_start, record.ends_at) = (Time::NEVER, Time::NEVER);
        if named {
            self.keep_name(id, &task.name);
        }
    }

    #[inline(never)]
    fn keep_name(&mut self, id: TaskId, name: &str) {
        if id.slot() >= self.names.len() {
            self.names.resize_with(id.slot() + 1, String::new);
        }
        let place = &mut self.names[id.slot()];
        place.clear();
        place.push_str(name);
    }

    /// The name of a task; empty if it was not kept.
    #[inline]
    pub(super) fn name(&self, task: TaskId) -> &str {
        self.names.get(task.slot()).map_or("", String::as_str)
    }

    /// True if all tasks that are alive lie in a near cache, as likely as not.
    #[inline(always)]
    pub(super) fn are_near(&self) -> bool {
        self.tasks.len() < 1_000
    }

    /// Asks for the memory of a task that is about to end, and says where it runs.
    #[inline(always)]
    pub(super) fn prefetch(&self, slot: usize) -> WorkerId {
        if let Some(task) = self.tasks.get(slot) {
            prefetch(task);
        }
        self.workers.get(slot).copied().unwrap_or_default()
    }

    pub(super) fn get(&self, task: TaskId) -> &SimTask {
        &self.tasks[task.slot()]
    }

    /// Starts an attempt and returns when it ends. The slowest part of a gang decides.
    #[inline(always)]
    pub(super) fn start(
        &mut self,
        id: TaskId,
        placement: &Placement,
        now: Time,
        times: &RunTimes<'_>,
    ) -> Time {
        let task = &mut self.tasks[id.slot()];
        if let (Some(place), Some(worker)) = (self.workers.get_mut(id.slot()), placement.worker()) {
            *place = worker;
        }
        task.ends_at = now + task.length(placement, times);
        task.first_start = task.first_start.min(now);
        task.ends_at
    }

    /// The same for one on a single worker where [nothing but speed](RunTimes::are_plain) bears on how long it takes.
    #[inline(always)]
    pub(super) fn start_plain(
        &mut self,
        id: TaskId,
        worker: WorkerId,
        now: Time,
        times: &RunTimes<'_>,
    ) -> Time {
        let task = &mut self.tasks[id.slot()];
        if let Some(place) = self.workers.get_mut(id.slot()) {
            *place = worker;
        }
        task.ends_at = now + times.speed(worker).run_time(task.duration);
        task.first_start = task.first_start.min(now);
        task.ends_at
    }

    /// True if the attempt of a heap entry ends then, and was not stopped since.
    #[inline(always)]
    pub(super) fn is_ending(&self, index: u32, slot: usize, at: Time) -> bool {
        self.tasks.get(slot).is_some_and(|task| task.id.index() == index && task.ends_at == at)
    }

    /// The same of an entry that has left the heap: the task, and whether it is killed; `None` if its attempt was stopped.
    #[inline(always)]
    pub(super) fn take_ending(&mut self, index: u32, slot: usize, at: Time) -> Option<(TaskId, bool)> {
        let task = self.tasks.get_mut(slot)?;
        if task.id.index() != index || task.ends_at != at {
            return None;
        }
        task.ends_at = Time::NEVER;
        Some((task.id, task.killed))
    }

    /// The current attempt no longer ends by itself; true if it would have.
    #[inline(always)]
    pub(super) fn forget_end(&mut self, task: TaskId) -> bool {
        std::mem::replace(&mut self.tasks[task.slot()].ends_at, Time::NEVER) != Time::NEVER
    }

    /// True if the current attempt ends by itself later than `at`.
    pub(super) fn ends_after(&self, task: TaskId, at: Time) -> bool {
        let ends_at = self.tasks[task.slot()].ends_at;
        ends_at > at && ends_at != Time::NEVER
    }

    /// Saves the work that an attempt did in `run`, and returns all that is saved by now, at nominal speed.
    pub(super) fn save_progress(
        &mut self,
        id: TaskId,
        placement: &Placement,
        run: Duration,
        times: &RunTimes<'_>,
    ) -> Duration {
        let task = &mut self.tasks[id.slot()];
        let whole = times.on_all(task, id.index(), placement).micros().max(1);
        let left = task.duration.saturating_sub(task.done).micros();
        let gained = u128::from(left) * u128::from(run.micros().min(whole)) / u128::from(whole);
        let gained = Duration::from_micros(u64::try_from(gained).unwrap_or(u64::MAX));
        task.done = task.done.saturating_add(gained);
        // The same, but where a pair's time has nothing to do with the task's nominal one: there the clock counts.
        let used = if times.durations.is_none() { gained } else { times.nominal_of(run, placement) };
        task.used = task.used.saturating_add(used);
        task.done
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_true_side_of_a_task_takes_one_line() {
        assert_eq!(size_of::<SimTask>(), 64);
    }
}
