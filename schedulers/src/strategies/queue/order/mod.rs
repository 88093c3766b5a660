//! Queue orders: which waiting task is considered first.
//!
//! - this file: the trait, and `fcfs`
//! - [`by_key`]: orders by a key that stays the same while a task waits; [`keys`]: those keys
//! - [`by_score`]: orders by a score that changes with time: WFP3, UNICEF
//! - [`by_user`]: orders that go by what a task's user has: fair share, dominant resource fairness
//! - `sorted`: waiting tasks by a key, passing over those that do not fit

pub mod by_key;
pub mod by_score;
pub mod by_user;
pub mod keys;
mod sorted;

use crate::{ClusterEvent, ClusterView, Demand, QueueCursor, TaskId, Time};

/// The order in which waiting tasks are considered.
///
/// A pass asks for one task after the other until it has seen enough. Ties are broken by (eligible, index), the order of
/// [`ClusterView::queue`].
pub trait QueueOrder: Send {
    /// Builds private state from any view, as [`Scheduler::attach`](crate::Scheduler::attach).
    fn attach(&mut self, view: &ClusterView<'_>) {
        let _ = view;
    }

    /// False if it has no use for [`observe`](Self::observe), which need not be called then.
    fn listens(&self) -> bool {
        true
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

    /// The next task that may fit into one of `openings`, as far as amounts and estimates tell; passes over the others.
    fn next_within(&mut self, view: &ClusterView<'_>, openings: &[Demand]) -> Option<TaskId> {
        let fits =
            |&task: &TaskId| view.task(task).is_some_and(|task| Demand::of(task.spec()).fits_any(openings));
        std::iter::from_fn(|| self.next(view)).find(fits)
    }

    /// Looks ahead: the first task, behind the one that this gave last in the pass, that may fit into one of `openings`.
    /// [`next`](Self::next) goes on from where it stands. [`Ahead::Unknown`] if the order cannot tell.
    fn look_ahead(&mut self, view: &ClusterView<'_>, openings: &[Demand]) -> Ahead {
        let _ = (view, openings);
        Ahead::Unknown
    }

    /// From now on [`look_ahead`](Self::look_ahead) goes on behind the task that [`next`](Self::next) gave last.
    fn look_from_here(&mut self) {}

    /// Looks ahead independently of [`look_ahead`](Self::look_ahead): the first task, behind the one that this gave last and the one
    /// that [`next`](Self::next) gave last, that may fit into one of `openings`.
    fn survey(&mut self, view: &ClusterView<'_>, openings: &[Demand]) -> Ahead {
        let _ = (view, openings);
        Ahead::Unknown
    }

    /// The pass has started `task`, which [`next`](Self::next) had given.
    fn started(&mut self, task: TaskId, view: &ClusterView<'_>) {
        let _ = (task, view);
    }
}

/// What an order sees ahead.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ahead {
    /// This task is the next that may fit.
    Task(TaskId),
    /// No further task fits.
    Nothing,
    /// The order does not know.
    Unknown,
}

impl From<Option<TaskId>> for Ahead {
    fn from(found: Option<TaskId>) -> Self {
        found.map_or(Self::Nothing, Self::Task)
    }
}

/// First come, first served: by (eligible, index).
#[derive(Clone, Copy, Debug, Default)]
pub struct Fcfs {
    cursor: QueueCursor,
    ahead: QueueCursor,
    surveyed: QueueCursor,
    /// The task that was surveyed last, while it stands behind the cursor.
    is_ahead: Option<(Time, TaskId)>,
}

impl QueueOrder for Fcfs {
    fn listens(&self) -> bool {
        false
    }

    #[inline(always)]
    fn begin(&mut self, _: &ClusterView<'_>) {
        *self = Self::default();
    }

    #[inline(always)]
    fn next(&mut self, view: &ClusterView<'_>) -> Option<TaskId> {
        let next = view.next_queued(&mut self.cursor);
        if self.is_ahead.is_none_or(|ahead| key(view, next) >= Some(ahead)) {
            (self.surveyed, self.is_ahead) = (self.cursor, None);
        }
        next
    }

    #[inline(always)]
    fn next_with_room(&mut self, view: &ClusterView<'_>) -> Option<TaskId> {
        view.next_with_room(&mut self.cursor)
    }

    fn next_within(&mut self, view: &ClusterView<'_>, openings: &[Demand]) -> Option<TaskId> {
        view.next_within(&mut self.cursor, openings)
    }

    fn look_ahead(&mut self, view: &ClusterView<'_>, openings: &[Demand]) -> Ahead {
        view.next_within(&mut self.ahead, openings).into()
    }

    fn look_from_here(&mut self) {
        self.ahead = self.cursor;
    }

    fn survey(&mut self, view: &ClusterView<'_>, openings: &[Demand]) -> Ahead {
        let found = view.next_within(&mut self.surveyed, openings);
        self.is_ahead = key(view, found).or(self.is_ahead);
        found.into()
    }
}

fn key(view: &ClusterView<'_>, task: Option<TaskId>) -> Option<(Time, TaskId)> {
    let task = view.task(task?)?;
    Some((task.eligible(), task.id()))
}
