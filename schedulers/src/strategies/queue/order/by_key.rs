//! Orders by a key that stays the same while a task waits.

use super::sorted::Sorted;
use super::{Ahead, QueueOrder};
use crate::{ClusterEvent, ClusterView, Demand, TaskId, TaskState, TaskView, Time};

/// Lowest key first, ties by (eligible, index). The key is taken when a task enters the queue, so that a pass costs
/// nothing for tasks that it does not reach: entering and leaving cost O(log Q).
pub struct ByKey<K> {
    key: Box<Key<K>>,
    waiting: Sorted<Entry<K>>,
    /// The entry of the task in each slot, while it waits.
    of_slot: Vec<Option<Entry<K>>>,
    last: Option<Entry<K>>,
    /// How far the pass has looked ahead.
    ahead: Option<Entry<K>>,
    /// The same of a survey.
    surveyed: Option<Entry<K>>,
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
        Self {
            key: Box::new(key),
            waiting: Sorted::default(),
            of_slot: Vec::new(),
            last: None,
            ahead: None,
            surveyed: None,
        }
    }

    fn enter(&mut self, view: &ClusterView<'_>, task: TaskId) {
        // What is told may be over by now.
        let Some(seen) = view.task(task).filter(|seen| seen.state() == TaskState::Queued) else { return };
        self.leave(task, view.deep_from());
        let entry = ((self.key)(view, seen), seen.eligible(), task);
        if self.of_slot.len() <= task.slot() {
            self.of_slot.resize(task.slot() + 1, None);
        }
        self.of_slot[task.slot()] = Some(entry);
        self.waiting.insert(entry, Demand::of(seen.spec()));
    }

    fn leave(&mut self, task: TaskId, deep_from: usize) {
        let Some(slot) = self.of_slot.get_mut(task.slot()) else { return };
        if let Some(entry) = slot.take_if(|(_, _, waiting)| *waiting == task) {
            self.waiting.remove(entry, deep_from);
        }
    }
}

impl<K: Ord + Copy + Send> QueueOrder for ByKey<K> {
    fn attach(&mut self, view: &ClusterView<'_>) {
        self.waiting = Sorted::default();
        self.of_slot.clear();
        view.queue().for_each(|task| self.enter(view, task));
    }

    fn observe(&mut self, event: &ClusterEvent, view: &ClusterView<'_>) {
        match *event {
            ClusterEvent::TaskArrived(task)
            | ClusterEvent::TaskReleased(task)
            | ClusterEvent::TaskRequeued(task) => self.enter(view, task),
            ClusterEvent::TaskEnded { task, .. } => self.leave(task, view.deep_from()),
            _ => {}
        }
    }

    fn begin(&mut self, _: &ClusterView<'_>) {
        (self.last, self.ahead, self.surveyed) = (None, None, None);
    }

    fn next(&mut self, _: &ClusterView<'_>) -> Option<TaskId> {
        let entry = self.waiting.next(self.last)?;
        self.last = Some(entry);
        Some(entry.2)
    }

    fn next_with_room(&mut self, view: &ClusterView<'_>) -> Option<TaskId> {
        let opening = [view.most_room()];
        std::iter::from_fn(|| self.next_within(view, &opening)).find(|&task| !view.surely_full_for(task))
    }

    fn next_within(&mut self, view: &ClusterView<'_>, openings: &[Demand]) -> Option<TaskId> {
        let entry = self.waiting.next_within(self.last, view.deep_from(), openings)?;
        self.last = Some(entry);
        Some(entry.2)
    }

    fn look_ahead(&mut self, view: &ClusterView<'_>, openings: &[Demand]) -> Ahead {
        let found = self.waiting.next_within(self.ahead, view.deep_from(), openings);
        self.ahead = found.or(self.ahead);
        found.map(|entry| entry.2).into()
    }

    fn look_from_here(&mut self) {
        self.ahead = self.last;
    }

    fn survey(&mut self, view: &ClusterView<'_>, openings: &[Demand]) -> Ahead {
        let found = self.waiting.next_within(self.last.max(self.surveyed), view.deep_from(), openings);
        self.surveyed = found.or(self.surveyed);
        found.map(|entry| entry.2).into()
    }

    fn started(&mut self, task: TaskId, view: &ClusterView<'_>) {
        self.leave(task, view.deep_from());
    }
}
