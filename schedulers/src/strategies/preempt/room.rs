//! Who has to go so that a task fits.

use crate::strategies::queue::Free;
use crate::{ClusterView, Duration, Part, Placement, Request, TaskId, TaskState, TaskView, WorkerId};

/// What will be free on each worker once everything that is being stopped has stopped, less what is promised to tasks
/// that wait for it; and who runs there.
#[derive(Debug)]
pub(super) struct Room {
    soon: Vec<Free>,
    /// Workers on which something is promised: there, less may be used now than is free.
    promised: Vec<bool>,
    /// Tasks that may be stopped, the most deserving first; of one rank the one that has run for longest.
    running: Vec<Candidate>,
    /// Places in `running`, by worker.
    on: Vec<Vec<usize>>,
}

#[derive(Clone, Copy, Debug)]
struct Candidate {
    task: TaskId,
    attempt: u32,
    rank: i64,
    ran: Duration,
    /// It has been stopped in this pass.
    stopped: bool,
}

/// Tasks to stop on one worker; the least is the best.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Eviction {
    /// The most deserving of them: the less it deserves, the better.
    best: std::cmp::Reverse<i64>,
    count: usize,
    /// How long they have run in this attempt, together.
    ran: Duration,
    worker: WorkerId,
    /// Places in `Room::running`.
    victims: Vec<usize>,
}

impl Room {
    /// The room as it is now; `rank` is that of a task that runs.
    pub(super) fn of(view: &ClusterView<'_>, rank: impl Fn(TaskView<'_>) -> i64) -> Self {
        let mut soon: Vec<Free> = view.workers().filter_map(|worker| Free::now(view, worker.id())).collect();
        let mut running = Vec::new();
        for (_, id) in view.running() {
            let Some(task) = view.task(id) else { continue };
            if task.state() == TaskState::Stopping {
                release(view, &mut soon, id);
                continue;
            }
            let ran = task.started_at().map_or(Duration::ZERO, |start| view.now() - start);
            let (attempt, rank) = (task.attempt(), rank(task));
            running.push(Candidate { task: id, attempt, rank, ran, stopped: false });
        }
        running.sort_by_key(|one| (one.rank, std::cmp::Reverse(one.ran), one.task));
        let mut on = vec![Vec::new(); soon.len()];
        for (place, one) in running.iter().enumerate() {
            for worker in workers_of(view, one.task) {
                on[worker.index()].push(place);
            }
        }
        Self { promised: vec![false; soon.len()], soon, running, on }
    }

    /// Where `task` can start now beside what is promised: on the first workers, a gang only where nothing is.
    pub(super) fn place(&self, view: &ClusterView<'_>, task: TaskId) -> Option<Placement> {
        let spec = view.task(task)?.spec();
        if spec.replicas > 1 {
            return view
                .place_in_order(task, view.feasible(task).filter(|worker| !self.promised[worker.index()]));
        }
        view.feasible(task).find_map(|worker| {
            if !self.promised[worker.index()] {
                return view.placement_on(task, worker);
            }
            // Free now, and still free when those have what they are promised.
            let mut both = Free::now(view, worker)?;
            both.narrow(&self.soon[worker.index()]);
            both.place(&spec.request).map(|devices| Placement::single(worker, devices))
        })
    }

    /// A task starts.
    pub(super) fn take(&mut self, view: &ClusterView<'_>, task: TaskId, placement: &Placement) {
        let Some(task) = view.task(task) else { return };
        for part in placement.parts() {
            self.soon[part.worker.index()].take(&task.spec().request, part);
        }
    }

    /// Finds where `task` will fit, promises it that room, and returns who has to be stopped for it: nobody if enough
    /// is being stopped already, or if no task that it `may_stop` would help.
    pub(super) fn claim(
        &mut self,
        view: &ClusterView<'_>,
        task: TaskId,
        may_stop: impl Fn(i64) -> bool,
    ) -> Vec<(TaskId, u32)> {
        let Some(spec) = view.task(task).map(|task| task.spec()) else { return Vec::new() };
        let able = |worker: &WorkerId| {
            view.can_ever_hold(task, *worker) && view.ready_at(task, *worker) <= view.now()
        };
        let able: Vec<WorkerId> = view.workers().map(|worker| worker.id()).filter(able).collect();
        let request = spec.request;
        let victims = if spec.replicas > 1 {
            self.claim_many(view, &request, spec.replicas, &able, may_stop)
        } else {
            self.claim_one(view, &request, &able, may_stop)
        };
        let stopped = |&place: &usize| (self.running[place].task, self.running[place].attempt);
        victims.iter().map(stopped).collect()
    }

    fn claim_one(
        &mut self,
        view: &ClusterView<'_>,
        request: &Request,
        able: &[WorkerId],
        may_stop: impl Fn(i64) -> bool,
    ) -> Vec<usize> {
        let coming = able.iter().find(|worker| self.soon[worker.index()].place(request).is_some());
        let (worker, victims) = if let Some(&worker) = coming {
            (worker, Vec::new())
        } else {
            let worst = self.running.iter().rev().find(|one| !one.stopped);
            if !worst.is_some_and(|worst| may_stop(worst.rank)) {
                return Vec::new();
            }
            let found = able.iter().filter_map(|&worker| self.evict(view, request, worker, &may_stop));
            let Some(best) = found.min() else { return Vec::new() };
            (best.worker, best.victims)
        };
        self.stop(view, &victims);
        let free = &mut self.soon[worker.index()];
        if let Some(devices) = free.place(request) {
            free.take(request, &Part { worker, replicas: 1, devices });
            self.promised[worker.index()] = true;
        }
        victims
    }

    /// The tasks to stop on `worker`: all that may be, without those that can stay, the most deserving first.
    fn evict(
        &self,
        view: &ClusterView<'_>,
        request: &Request,
        worker: WorkerId,
        may_stop: impl Fn(i64) -> bool,
    ) -> Option<Eviction> {
        let all: Vec<usize> = self.on[worker.index()]
            .iter()
            .copied()
            .filter(|&place| self.stoppable(place, &may_stop))
            .collect();
        let mut free = self.soon[worker.index()].clone();
        all.iter().for_each(|&place| free.release(view, worker, self.running[place].task));
        free.place(request)?;
        let mut victims = Vec::new();
        for place in all {
            let mut with = free.clone();
            hold(view, &mut with, worker, self.running[place].task);
            if with.place(request).is_some() {
                free = with;
            } else {
                victims.push(place);
            }
        }
        let ran =
            victims.iter().fold(Duration::ZERO, |sum, &place| sum.saturating_add(self.running[place].ran));
        let best = std::cmp::Reverse(self.running[*victims.first()?].rank);
        Some(Eviction { best, count: victims.len(), ran, worker, victims })
    }

    /// Room for a gang, over all workers that may hold some of it. Those who can stay are found as on one worker.
    fn claim_many(
        &mut self,
        view: &ClusterView<'_>,
        request: &Request,
        replicas: u32,
        able: &[WorkerId],
        may_stop: impl Fn(i64) -> bool,
    ) -> Vec<usize> {
        let fit =
            |soon: &[Free], worker: WorkerId| u64::from(soon[worker.index()].replicas(request, replicas));
        let total = |soon: &[Free]| able.iter().map(|&worker| fit(soon, worker)).sum::<u64>();
        let wanted = u64::from(replicas);
        let mut victims = Vec::new();
        if total(&self.soon) < wanted {
            let helps =
                |place: &usize| workers_of(view, self.running[*place].task).any(|on| able.contains(&on));
            let all: Vec<usize> = (0..self.running.len())
                .filter(|&place| self.stoppable(place, &may_stop))
                .filter(helps)
                .collect();
            let mut soon = self.soon.clone();
            all.iter().for_each(|&place| release(view, &mut soon, self.running[place].task));
            let mut sum = total(&soon);
            if sum < wanted {
                return Vec::new();
            }
            for place in all {
                let task = self.running[place].task;
                let mut with = sum;
                let before: Vec<(WorkerId, Free)> =
                    workers_of(view, task).map(|worker| (worker, soon[worker.index()].clone())).collect();
                for (worker, _) in &before {
                    let counts = able.contains(worker);
                    with -= if counts { fit(&soon, *worker) } else { 0 };
                    hold(view, &mut soon[worker.index()], *worker, task);
                    with += if counts { fit(&soon, *worker) } else { 0 };
                }
                if with >= wanted {
                    sum = with;
                } else {
                    before.into_iter().for_each(|(worker, free)| soon[worker.index()] = free);
                    victims.push(place);
                }
            }
        }
        self.stop(view, &victims);
        let mut missing = replicas;
        for &worker in able {
            let mut parts = Vec::new();
            missing -= self.soon[worker.index()].add_parts(worker, request, missing, &mut parts);
            for part in &parts {
                self.soon[worker.index()].take(request, part);
                self.promised[worker.index()] = true;
            }
        }
        victims
    }

    fn stoppable(&self, place: usize, may_stop: impl Fn(i64) -> bool) -> bool {
        let one = &self.running[place];
        !one.stopped && may_stop(one.rank)
    }

    fn stop(&mut self, view: &ClusterView<'_>, victims: &[usize]) {
        for &place in victims {
            self.running[place].stopped = true;
            release(view, &mut self.soon, self.running[place].task);
        }
    }
}

/// The workers that `task` holds something on, each once.
fn workers_of<'a>(view: &ClusterView<'a>, task: TaskId) -> impl Iterator<Item = WorkerId> + use<'a> {
    let parts = view.task(task).map_or(&[][..], |task| task.placement().parts());
    parts.iter().enumerate().filter_map(|(at, part)| {
        let seen = parts[..at].iter().any(|earlier| earlier.worker == part.worker);
        (!seen).then_some(part.worker)
    })
}

/// Adds all that `task` holds to what is free.
fn release(view: &ClusterView<'_>, free: &mut [Free], task: TaskId) {
    for worker in workers_of(view, task) {
        free[worker.index()].release(view, worker, task);
    }
}

/// Takes what `task` holds on `worker` from what is free there.
fn hold(view: &ClusterView<'_>, free: &mut Free, worker: WorkerId, task: TaskId) {
    let Some(task) = view.task(task) else { return };
    for part in task.placement().parts().iter().filter(|part| part.worker == worker) {
        free.take(&task.spec().request, part);
    }
}
