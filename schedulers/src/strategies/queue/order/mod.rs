//! Queue orders: which waiting task is considered first.
//!
//! - this file: the trait, and `fcfs`
//! - [`by_key`]: orders by a key that stays the same while a task waits; [`keys`]: those keys
//! - [`by_score`]: orders by a score that changes with time: WFP3, UNICEF
//! - [`by_user`]: orders that go by what a task's user has: fair share, dominant resource fairness

pub mod by_key;
pub mod by_score;
pub mod by_user;
pub mod keys;

use crate::{ClusterEvent, ClusterView, QueueCursor, TaskId};

/// The order in which waiting tasks are considered.
///
/// A pass asks for one task after the other until it has seen enough. Ties are broken by (eligible, index), the order of
/// [`ClusterView::queue`].
pub trait QueueOrder: Send {
    /// Builds private state from any view, as [`Scheduler::attach`](crate::Scheduler::attach).
    fn attach(&mut self, view: &ClusterView<'_>) {
        let _ = view;
    }

    /// Hears what a [`Scheduler`](crate::Scheduler::observe) hears.
    fn observe(&mut self, event: &ClusterEvent, view: &ClusterView<'_>) {
        let _ = (event, view);
    }

    /// A pass begins: the walk starts from the front.
    fn begin(&mut self, view: &ClusterView<'_>);

    /// The next task to be considered; each queued task comes at most once in a pass.
    fn next(&mut self, view: &ClusterView<'_>) -> Option<TaskId>;

    /// The next task that some single worker has room for, as far as amounts tell; passes over the others.
    fn next_with_room(&mut self, view: &ClusterView<'_>) -> Option<TaskId> {
        std::iter::from_fn(|| self.next(view)).find(|&task| !view.surely_full_for(task))
    }

    /// The pass has started `task`, which [`next`](Self::next) had given.
    fn started(&mut self, task: TaskId, view: &ClusterView<'_>) {
        let _ = (task, view);
    }
}

/// First come, first served: by (eligible, index).
#[derive(Clone, Copy, Debug, Default)]
pub struct Fcfs {
    cursor: QueueCursor,
}

impl QueueOrder for Fcfs {
    fn begin(&mut self, _: &ClusterView<'_>) {
        self.cursor = QueueCursor::default();
    }

    fn next(&mut self, view: &ClusterView<'_>) -> Option<TaskId> {
        view.next_queued(&mut self.cursor)
    }

    fn next_with_room(&mut self, view: &ClusterView<'_>) -> Option<TaskId> {
        view.next_with_room(&mut self.cursor)
    }
}
