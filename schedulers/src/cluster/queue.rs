//! The central queue: ordered by (eligible, index), threaded through the task table.

use super::task::{Link, NIL, TaskState, TaskTable};
use crate::index::{Demand, Room, Waiting};
use crate::model::{TaskId, Time};

/// A queue that is indexed is so until it is shorter than this share of a deep one.
const SHALLOW_SHARE: usize = 4;

/// Head, tail and length of the list.
#[derive(Clone, Debug)]
pub(crate) struct Queue {
    pub(crate) head: u32,
    tail: u32,
    pub(crate) len: usize,
    /// How long the queue may grow until it is indexed: `usize::MAX` if nobody asks for that.
    deep: usize,
    /// The queued tasks by what they ask for, while the queue is deep.
    waiting: Option<Box<Waiting<(Time, TaskId)>>>,
}

/// A position in the queue that stays valid while tasks are assigned, bound or rejected in the same pass.
///
/// It stands behind the task that it returned last. Removed tasks keep their link forward until the end of the
/// instant, so the walk goes on from wherever it stands.
#[derive(Clone, Copy, Debug, Default)]
pub struct QueueCursor {
    last: Option<u32>,
}

impl Queue {
    pub(crate) const fn new() -> Self {
        Self { head: NIL, tail: NIL, len: 0, deep: usize::MAX, waiting: None }
    }

    /// From now on a queue of more than `deep` tasks is indexed; none is for `None`.
    pub(crate) fn keep_index(&mut self, tasks: &TaskTable, deep: Option<usize>) {
        self.waiting = None;
        self.deep = deep.unwrap_or(usize::MAX);
        if self.len > self.deep {
            self.index(tasks);
        }
    }

    #[cold]
    fn index(&mut self, tasks: &TaskTable) {
        let (mut cursor, queue) = (QueueCursor::default(), &*self);
        let all = std::iter::from_fn(|| queue.advance(tasks, &mut cursor));
        let waiting = Waiting::build(all.map(|task| entry(tasks, task.slot)));
        self.waiting = Some(Box::new(waiting));
    }

    /// Inserts by (eligible, index). What arrives goes to the tail.
    #[inline(always)]
    pub(crate) fn insert(&mut self, tasks: &mut TaskTable, slot: u32) {
        let record = tasks.at_mut(slot);
        record.state = TaskState::Queued;
        let new = (record.eligible, record.index);
        let tail = self.tail;
        if tail == NIL {
            self.head = slot;
        } else {
            let last = tasks.at(tail);
            if (last.eligible, last.index) > new {
                self.insert_within(tasks, slot, new);
                return;
            }
            tasks.link_mut(tail).next = slot;
        }
        let link = tasks.link_mut(slot);
        (link.prev, link.next) = (tail, NIL);
        self.tail = slot;
        self.count_in(tasks, slot);
    }

    /// Inserts what does not belong to the tail, searching from both ends: requeued tasks, which were served before, go near
    /// the head.
    #[inline(never)]
    fn insert_within(&mut self, tasks: &mut TaskTable, slot: u32, new: (Time, u32)) {
        let key = |tasks: &TaskTable, slot: u32| {
            let record = tasks.at(slot);
            (record.eligible, record.index)
        };
        let (mut before, mut after) = (self.tail, self.head);
        loop {
            if before == NIL || key(tasks, before) <= new {
                after = if before == NIL { self.head } else { tasks.link(before).next };
                break;
            }
            // Something stands behind the new one, so `after` meets it before the list ends.
            if key(tasks, after) > new {
                before = tasks.link(after).prev;
                break;
            }
            (before, after) = (tasks.link(before).prev, tasks.link(after).next);
        }
        let link = tasks.link_mut(slot);
        (link.prev, link.next) = (before, after);
        if before == NIL {
            self.head = slot;
        } else {
            tasks.link_mut(before).next = slot;
        }
        if after == NIL {
            self.tail = slot;
        } else {
            tasks.link_mut(after).prev = slot;
        }
        self.count_in(tasks, slot);
    }

    #[inline(always)]
    fn count_in(&mut self, tasks: &TaskTable, slot: u32) {
        self.len += 1;
        if self.len > self.deep || self.waiting.is_some() {
            self.note(tasks, slot);
        }
    }

    /// A task has come, as far as the index is concerned.
    #[inline(never)]
    fn note(&mut self, tasks: &TaskTable, slot: u32) {
        if let Some(waiting) = &mut self.waiting {
            let (key, demand) = entry(tasks, slot);
            waiting.insert(key, demand);
        } else {
            self.index(tasks);
        }
    }

    /// A task has gone.
    #[inline(never)]
    fn forget(&mut self, tasks: &TaskTable, slot: u32) {
        let Some(waiting) = &mut self.waiting else { return };
        let (key, demand) = entry(tasks, slot);
        waiting.remove(key, demand);
        if self.len < self.deep / SHALLOW_SHARE {
            self.waiting = None;
        }
    }

    /// Takes a task out; its own `next` stays for cursors that stand on it.
    #[inline(always)]
    pub(crate) fn remove(&mut self, tasks: &mut TaskTable, slot: u32) {
        let Link { prev, next, .. } = *tasks.link(slot);
        if prev == NIL {
            self.head = next;
        } else {
            tasks.link_mut(prev).next = next;
        }
        if next == NIL {
            self.tail = prev;
        } else {
            tasks.link_mut(next).prev = prev;
        }
        self.len -= 1;
        if self.waiting.is_some() {
            self.forget(tasks, slot);
        }
    }

    /// The next task behind `cursor`, and moves the cursor onto it.
    #[inline(always)]
    pub(crate) fn advance(&self, tasks: &TaskTable, cursor: &mut QueueCursor) -> Option<TaskId> {
        self.advance_where(tasks, cursor, |_, _| true)
    }

    /// The next task behind `cursor` for which there is room as far as `most` tells, and moves the cursor onto it.
    #[inline]
    pub(crate) fn advance_with_room(
        &self,
        tasks: &TaskTable,
        cursor: &mut QueueCursor,
        most: &Room,
    ) -> Option<TaskId> {
        if self.waiting.is_some() {
            let opening = [most.opening()];
            return self
                .advance_indexed(tasks, cursor, &opening, |task| most.holds(&tasks.spec(task.slot).request));
        }
        self.advance_where(tasks, cursor, |slot, link| {
            link.cpu_milli <= most.cpu_milli && most.holds(&tasks.spec(slot).request)
        })
    }

    /// The next task behind `cursor` that may fit into one of `openings`, and moves the cursor onto it.
    #[inline]
    pub(crate) fn advance_within(
        &self,
        tasks: &TaskTable,
        cursor: &mut QueueCursor,
        openings: &[Demand],
    ) -> Option<TaskId> {
        if self.waiting.is_some() {
            return self.advance_indexed(tasks, cursor, openings, |_| true);
        }
        let most = openings.iter().map(Demand::cpu_milli).max()?;
        self.advance_where(tasks, cursor, |slot, link| {
            u32::try_from(link.cpu_milli).unwrap_or(u32::MAX) <= most
                && Demand::of(tasks.spec(slot)).fits_any(openings)
        })
    }

    /// The entries of the index, if there is one, for the checker of invariants.
    pub(crate) fn indexed(&self) -> Option<Vec<((Time, TaskId), Demand)>> {
        self.waiting.as_ref().map(|waiting| waiting.iter().collect())
    }

    /// True if there is an index.
    #[inline]
    pub(crate) const fn is_indexed(&self) -> bool {
        self.waiting.is_some()
    }

    /// True if no queued task fits into any of `openings`, as far as an index tells at a glance.
    pub(crate) fn none_fits(&self, openings: &[Demand]) -> bool {
        self.waiting.as_ref().is_some_and(|waiting| waiting.none_fits(openings))
    }

    /// The least that any queued task asks for, amount by amount, if there is an index.
    pub(crate) fn least(&self) -> Option<Demand> {
        self.waiting.as_ref().map(|waiting| waiting.least())
    }

    fn advance_indexed(
        &self,
        tasks: &TaskTable,
        cursor: &mut QueueCursor,
        openings: &[Demand],
        admits: impl Fn(TaskId) -> bool,
    ) -> Option<TaskId> {
        // The task that the cursor stands on may have left the queue, but not its record.
        let mut after = match cursor.last {
            Some(slot) => Some(tasks.place_of(slot)?),
            None => None,
        };
        loop {
            let found = self.waiting.as_ref()?.next(after, openings)?;
            if admits(found.1) {
                cursor.last = Some(found.1.slot);
                return Some(found.1);
            }
            after = Some(found);
        }
    }

    #[inline(always)]
    fn advance_where(
        &self,
        tasks: &TaskTable,
        cursor: &mut QueueCursor,
        admits: impl Fn(u32, &Link) -> bool,
    ) -> Option<TaskId> {
        let mut slot = cursor.last.map_or(self.head, |last| tasks.next_of(last));
        while slot != NIL {
            let link = tasks.link(slot);
            if admits(slot, link) && tasks.at(slot).state == TaskState::Queued {
                cursor.last = Some(slot);
                return Some(tasks.id_at(slot));
            }
            slot = link.next;
        }
        None
    }
}

/// What the index knows of a task.
fn entry(tasks: &TaskTable, slot: u32) -> ((Time, TaskId), Demand) {
    ((tasks.at(slot).eligible, tasks.id_at(slot)), Demand::of(tasks.spec(slot)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::model::{TaskSpec, Time};

    proptest! {
        #[test]
        fn the_queue_is_sorted_whatever_the_order_of_insertion(
            steps in prop::collection::vec((any::<prop::sample::Index>(), 0u64..6), 0..60),
        ) {
            let (mut queue, mut tasks) = (Queue::new(), TaskTable::default());
            let mut expected: Vec<(Time, TaskId)> = Vec::new();
            for (index, (pick, eligible)) in (0u32..).zip(steps) {
                if index % 4 == 3 {
                    let (_, task) = expected.remove(pick.index(expected.len()));
                    queue.remove(&mut tasks, task.slot);
                    tasks.at_mut(task.slot).state = TaskState::Assigned;
                } else {
                    let task = tasks.insert(&TaskSpec { index: 997 * index % 61, ..TaskSpec::default() }, None);
                    tasks.at_mut(task.slot).eligible = Time::from_micros(eligible);
                    queue.insert(&mut tasks, task.slot);
                    expected.push((Time::from_micros(eligible), task));
                    expected.sort_unstable();
                }
                let mut cursor = QueueCursor::default();
                let walked: Vec<TaskId> = std::iter::from_fn(|| queue.advance(&tasks, &mut cursor)).collect();
                prop_assert_eq!(&walked, &expected.iter().map(|&(_, task)| task).collect::<Vec<_>>());
                let mut backwards = Vec::new();
                let mut slot = queue.tail;
                while slot != NIL {
                    backwards.push(tasks.id_at(slot));
                    slot = tasks.link(slot).prev;
                }
                backwards.reverse();
                prop_assert_eq!((walked.len(), walked), (queue.len, backwards));
            }
        }
    }
}
