//! What holds resources on a worker.

use std::ops::Deref;

use super::apply::distinct_workers;
use super::placement::Placement;
use super::{Cluster, TaskId, Time, WorkerId};

/// The tasks that hold resources on one worker, with their expected ends: one entry a task.
///
/// Kept if a strategy declares that it asks what runs where, and in order of (expected end, index) if it asks for that order.
/// To keep either costs more than anything else that a start and an end do: on many workers the list, and the record of the
/// task that moves to the place of the one that has ended, lie in no near cache. Who asks all the same pays for a look at
/// every task.
#[derive(Clone, Debug, Default)]
pub(crate) struct RunningList {
    entries: Vec<(Time, TaskId)>,
    ordered: bool,
}

impl RunningList {
    /// The entries if they are in order.
    #[inline]
    pub(crate) fn as_ordered(&self) -> Option<&[(Time, TaskId)]> {
        self.ordered.then_some(&self.entries)
    }

    /// Adds an entry and returns its place.
    #[inline(always)]
    pub(crate) fn add(&mut self, expected_end: Time, task: TaskId) -> u32 {
        if self.ordered {
            return self.add_in_order(expected_end, task);
        }
        let at = self.entries.len();
        self.entries.push((expected_end, task));
        place(at)
    }

    #[inline(never)]
    fn add_in_order(&mut self, expected_end: Time, task: TaskId) -> u32 {
        let at = self.place_of(expected_end, task);
        self.entries.insert(at, (expected_end, task));
        place(at)
    }

    /// Removes the entry of `task`, if it is there; `near` is where to look first. Returns the task that was moved into
    /// its place, if one was, and the place.
    #[inline(always)]
    pub(crate) fn remove(&mut self, expected_end: Time, task: TaskId, near: u32) -> Option<(TaskId, u32)> {
        if self.ordered {
            self.remove_in_order(expected_end, task);
            return None;
        }
        let mut at = near as usize;
        if self.entries.get(at).is_none_or(|&(_, there)| there != task) {
            at = self.entries.iter().position(|&(_, other)| other == task)?;
        }
        self.entries.swap_remove(at);
        self.entries.get(at).map(|&(_, moved)| (moved, place(at)))
    }

    /// Where an entry stands, or belongs. To compare times alone, and indices only among equals, takes half the time.
    fn place_of(&self, expected_end: Time, task: TaskId) -> usize {
        let first = self.entries.partition_point(|&(end, _)| end < expected_end);
        let before = |&&(end, other): &&(Time, TaskId)| end == expected_end && other < task;
        first + self.entries[first..].iter().take_while(before).count()
    }

    #[inline(never)]
    fn remove_in_order(&mut self, expected_end: Time, task: TaskId) {
        let at = self.place_of(expected_end, task);
        if self.entries.get(at) == Some(&(expected_end, task)) {
            self.entries.remove(at);
        }
    }

    #[cfg(test)]
    pub(crate) fn entries_mut(&mut self) -> &mut Vec<(Time, TaskId)> {
        &mut self.entries
    }
}

fn place(at: usize) -> u32 {
    u32::try_from(at).unwrap_or(u32::MAX)
}

impl Deref for RunningList {
    type Target = [(Time, TaskId)];

    #[inline]
    fn deref(&self) -> &[(Time, TaskId)] {
        &self.entries
    }
}

impl Cluster {
    /// Lists `task` on a worker.
    #[inline(always)]
    pub(super) fn list_on(&mut self, task: TaskId, worker: WorkerId, expected_end: Time) {
        if self.lists_running {
            self.list_there(task, worker, expected_end);
        }
    }

    #[inline(never)]
    fn list_there(&mut self, task: TaskId, worker: WorkerId, expected_end: Time) {
        let at = self.workers[worker.index()].running.add(expected_end, task);
        self.tasks.at_mut(task.slot).listed_at = at;
    }

    /// Lists `task` on every worker of `placement`.
    pub(super) fn list_gang(&mut self, task: TaskId, placement: &Placement, expected_end: Time) {
        for worker in distinct_workers(placement) {
            self.list_on(task, worker, expected_end);
        }
    }

    /// Takes `task` off the list of `worker`.
    #[inline(always)]
    pub(super) fn unlist_running(&mut self, task: TaskId, worker: WorkerId, expected_end: Time) {
        if self.lists_running {
            self.unlist_there(task, worker, expected_end);
        }
    }

    #[inline(never)]
    fn unlist_there(&mut self, task: TaskId, worker: WorkerId, expected_end: Time) {
        // Of a gang on several workers this is the place on the last of them: a place to look at first, no more.
        let at = self.tasks.at(task.slot).listed_at;
        let running = &mut self.workers[worker.index()].running;
        if let Some((moved, at)) = running.remove(expected_end, task, at) {
            self.tasks.at_mut(moved.slot).listed_at = at;
        }
    }

    /// Fills the lists anew from the table of tasks.
    pub(super) fn list_all(&mut self) {
        for worker in &mut self.workers {
            worker.running = RunningList { entries: Vec::new(), ordered: self.config.indexes.expected_ends };
        }
        let holding: Vec<TaskId> = self.tasks.alive().filter(|&task| self.holds(task)).collect();
        for task in holding {
            let record = self.tasks.at(task.slot);
            let (placement, expected_end) = (record.placement.clone(), record.expected_end);
            for worker in distinct_workers(&placement) {
                self.list_there(task, worker, expected_end);
            }
        }
    }

    /// Empties the lists: nobody asks for them.
    pub(super) fn list_none(&mut self) {
        self.workers.iter_mut().for_each(|worker| worker.running = RunningList::default());
    }

    fn holds(&self, task: TaskId) -> bool {
        self.tasks.at(task.slot).state.holds_resources()
    }

    /// What holds resources on a worker, in no order; by a look at every task if there are no lists.
    pub(crate) fn running_on(&self, worker: WorkerId) -> Vec<(Time, TaskId)> {
        if self.lists_running {
            return self.workers[worker.index()].running.to_vec();
        }
        let here = |task: &TaskId| self.holds(*task) && self.tasks.at(task.slot).placement.uses(worker);
        let ends = |task: TaskId| (self.tasks.at(task.slot).expected_end, task);
        self.tasks.alive().filter(here).map(ends).collect()
    }

    /// What holds resources anywhere, in no order, each task once.
    pub(crate) fn all_running(&self) -> Vec<(Time, TaskId)> {
        if self.lists_running {
            let mut all: Vec<(Time, TaskId)> =
                self.workers.iter().flat_map(|worker| worker.running.iter().copied()).collect();
            all.sort_unstable();
            all.dedup();
            return all;
        }
        let ends = |task: TaskId| (self.tasks.at(task.slot).expected_end, task);
        self.tasks.alive().filter(|&task| self.holds(task)).map(ends).collect()
    }

    /// Committed work as its definition has it, from what runs and waits on the worker.
    pub(crate) fn committed_by_hand(&self, worker: WorkerId) -> u64 {
        self.committed_of(worker, &self.running_on(worker))
    }

    pub(super) fn committed_of(&self, worker: WorkerId, running: &[(Time, TaskId)]) -> u64 {
        let record = &self.workers[worker.index()];
        let share = |task: TaskId| {
            let replicas = self.replicas_on(task, worker);
            record.capacity.dominant_share(&self.tasks.spec(task.slot).request).saturating_mul(replicas)
        };
        let running = running.iter().map(|&(_, task)| share(task));
        running.chain(record.lane.iter().map(|&task| share(task))).fold(0, u64::saturating_add)
    }

    /// Replicas of `task` that `worker` holds; 1 for a task in its lane.
    fn replicas_on(&self, task: TaskId, worker: WorkerId) -> u64 {
        let record = self.tasks.at(task.slot);
        if record.placement.parts().is_empty() {
            return 1;
        }
        let here = record.placement.parts().iter().filter(|part| part.worker == worker);
        here.map(|part| u64::from(part.replicas)).sum()
    }
}
