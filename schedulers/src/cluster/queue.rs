//! The central queue: ordered by (eligible, index), threaded through the task table.

use super::task::{NIL, TaskState, TaskTable};
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

    /// Inserts by (eligible, index), searching from the tail: arrivals go there in constant time.
    pub(crate) fn insert(&mut self, tasks: &mut TaskTable, slot: u32) {
        let key = |tasks: &TaskTable, slot: u32| {
            let record = tasks.at(slot);
            (record.eligible, record.index)
        };
        let new = key(tasks, slot);
        let mut before = self.tail;
        while before != NIL && key(tasks, before) > new {
            before = tasks.at(before).prev;
        }
        let after = if before == NIL { self.head } else { tasks.at(before).next };
        let record = tasks.at_mut(slot);
        (record.prev, record.next, record.state) = (before, after, TaskState::Queued);
        if before == NIL {
            self.head = slot;
        } else {
            tasks.at_mut(before).next = slot;
        }
        if after == NIL {
            self.tail = slot;
        } else {
            tasks.at_mut(after).prev = slot;
        }
        self.len += 1;
    }

    /// Takes a task out; its own `next` stays for cursors that stand on it.
    pub(crate) fn remove(&mut self, tasks: &mut TaskTable, slot: u32) {
        let (prev, next) = (tasks.at(slot).prev, tasks.at(slot).next);
        if prev == NIL {
            self.head = next;
        } else {
            tasks.at_mut(prev).next = next;
        }
        if next == NIL {
            self.tail = prev;
        } else {
            tasks.at_mut(next).prev = prev;
        }
        self.len -= 1;
    }

    /// The next task behind `cursor`, and moves the cursor onto it.
    pub(crate) fn advance(&self, tasks: &TaskTable, cursor: &mut QueueCursor) -> Option<TaskId> {
        let mut slot = cursor.last.map_or(self.head, |last| tasks.next_of(last));
        while slot != NIL && tasks.at(slot).state != TaskState::Queued {
            slot = tasks.at(slot).next;
        }
        if slot == NIL {
            return None;
        }
        cursor.last = Some(slot);
        Some(tasks.id_at(slot))
    }
}
