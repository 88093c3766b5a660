//! Orders by a key that stays the same while a task waits.

use std::collections::BTreeSet;
use std::ops::Bound;

use super::QueueOrder;
use crate::{ClusterEvent, ClusterView, TaskId, TaskState, TaskView, Time};

/// Lowest key first, ties by (eligible, index). The key is taken when a task enters the queue, so that a pass costs
/// nothing for tasks that it does not reach: entering and leaving cost O(log Q).
pub struct ByKey<K> {
    key: Box<Key<K>>,
    waiting: BTreeSet<Entry<K>>,
    /// The entry of the task in each slot, while it waits.
    of_slot: Vec<Option<Entry<K>>>,
    last: Option<Entry<K>>,
}

type Key<K> = dyn Fn(&ClusterView<'_>, TaskView<'_>) -> K + Send;
type Entry<K> = (K, Time, TaskId);

impl<K> std::fmt::Debug for ByKey<K> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ByKey").field("waiting", &self.waiting.len()).finish_non_exhaustive()
    }
}

impl<K: Ord + Copy + Send> ByKey<K> {
    /// The order by this key.
    pub fn new(key: impl Fn(&ClusterView<'_>, TaskView<'_>) -> K + Send + 'static) -> Self {
        Self { key: Box::new(key), waiting: BTreeSet::new(), of_slot: Vec::new(), last: None }
    }

    fn enter(&mut self, view: &ClusterView<'_>, task: TaskId) {
        // What is told may be over by now.
        let Some(seen) = view.task(task).filter(|seen| seen.state() == TaskState::Queued) else { return };
        self.leave(task);
        let entry = ((self.key)(view, seen), seen.eligible(), task);
        if self.of_slot.len() <= task.slot() {
            self.of_slot.resize(task.slot() + 1, None);
        }
        self.of_slot[task.slot()] = Some(entry);
        self.waiting.insert(entry);
    }

    fn leave(&mut self, task: TaskId) {
        let Some(slot) = self.of_slot.get_mut(task.slot()) else { return };
        if let Some(entry) = slot.take_if(|(_, _, waiting)| *waiting == task) {
            self.waiting.remove(&entry);
        }
    }
}

impl<K: Ord + Copy + Send> QueueOrder for ByKey<K> {
    fn attach(&mut self, view: &ClusterView<'_>) {
        self.waiting.clear();
        self.of_slot.clear();
        view.queue().for_each(|task| self.enter(view, task));
    }

    fn observe(&mut self, event: &ClusterEvent, view: &ClusterView<'_>) {
        match *event {
            ClusterEvent::TaskArrived(task)
            | ClusterEvent::TaskReleased(task)
            | ClusterEvent::TaskRequeued(task) => self.enter(view, task),
            ClusterEvent::TaskEnded { task, .. } => self.leave(task),
            _ => {}
        }
    }

    fn begin(&mut self, _: &ClusterView<'_>) {
        self.last = None;
    }

    fn next(&mut self, _: &ClusterView<'_>) -> Option<TaskId> {
        let behind = self.last.map_or(Bound::Unbounded, Bound::Excluded);
        let &entry = self.waiting.range((behind, Bound::Unbounded)).next()?;
        self.last = Some(entry);
        Some(entry.2)
    }

    fn started(&mut self, task: TaskId, _: &ClusterView<'_>) {
        self.leave(task);
    }
}
