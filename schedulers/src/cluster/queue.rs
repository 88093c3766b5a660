//! The central queue: ordered by (eligible, index), threaded through the task table.

use super::task::{Link, NIL, TaskState, TaskTable};
use crate::index::Room;
use crate::model::TaskId;

/// Head, tail and length of the list.
#[derive(Clone, Debug)]
pub(crate) struct Queue {
    pub(crate) head: u32,
    tail: u32,
    pub(crate) len: usize,
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
        Self { head: NIL, tail: NIL, len: 0 }
    }

    /// Inserts by (eligible, index), searching from both ends: arrivals go to the tail and requeued tasks, which
    /// were served before, near the head.
    #[inline]
    pub(crate) fn insert(&mut self, tasks: &mut TaskTable, slot: u32) {
        let key = |tasks: &TaskTable, slot: u32| {
            let record = tasks.at(slot);
            (record.eligible, record.index)
        };
        let new = key(tasks, slot);
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
        tasks.at_mut(slot).state = TaskState::Queued;
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
        self.len += 1;
    }

    /// Takes a task out; its own `next` stays for cursors that stand on it.
    #[inline]
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
    }

    /// The next task behind `cursor`, and moves the cursor onto it.
    #[inline]
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
        self.advance_where(tasks, cursor, |slot, link| {
            link.cpu_milli <= most.cpu_milli && most.holds(&tasks.spec(slot).request)
        })
    }

    #[inline]
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
                    let task = tasks.insert(&TaskSpec { index: 997 * index % 61, ..TaskSpec::default() });
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
