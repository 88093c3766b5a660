//! Backfilling rules: which tasks may start in a pass, and what they must leave to those that wait.
//!
//! - this file: the trait, and the rules without reservations: [`Blocking`], [`Skipping`]
//! - [`easy`]: a reservation for the head of the queue; [`conservative`]: one for every waiting task
//! - [`forecast`]: when what runs is expected to end

pub mod conservative;
pub mod easy;
pub mod forecast;

use super::order::QueueOrder;
use super::place::{Limits, PlacementRule};
use crate::{ClusterView, Indexes, Placement, SchedulingContext, TaskId};

/// Decides in a pass which of the waiting tasks start.
pub trait Backfilling: Send {
    /// Which indexes it wants kept.
    fn indexes(&self) -> Indexes {
        Indexes::default()
    }

    /// Builds private state from any view, as [`Scheduler::attach`](crate::Scheduler::attach).
    fn attach(&mut self, view: &ClusterView<'_>) {
        let _ = view;
    }

    /// One pass over the queue.
    fn pass(&mut self, pass: &mut Pass<'_, '_>);
}

/// One pass, as a backfilling rule sees it: the tasks in queue order, and the verb that starts one.
pub struct Pass<'a, 'c> {
    cx: &'a mut SchedulingContext<'c>,
    order: &'a mut dyn QueueOrder,
    placement: &'a mut dyn PlacementRule,
}

impl std::fmt::Debug for Pass<'_, '_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pass").field("cx", &self.cx).finish_non_exhaustive()
    }
}

impl<'a, 'c> Pass<'a, 'c> {
    pub(super) fn new(
        cx: &'a mut SchedulingContext<'c>,
        order: &'a mut dyn QueueOrder,
        placement: &'a mut dyn PlacementRule,
    ) -> Self {
        Self { cx, order, placement }
    }

    /// The cluster as it stands now, this pass's starts included.
    #[must_use]
    pub const fn view(&self) -> ClusterView<'_> {
        self.cx.view()
    }

    /// The next task in queue order.
    pub fn next_task(&mut self) -> Option<TaskId> {
        self.order.next(&self.cx.view())
    }

    /// The next task in queue order that some single worker has room for, as far as amounts tell.
    pub fn next_with_room(&mut self) -> Option<TaskId> {
        self.order.next_with_room(&self.cx.view())
    }

    /// Starts `task` where the placement rule says, within `limits`; `None` if it does not fit.
    pub fn start(&mut self, task: TaskId, limits: Limits<'_>) -> Option<Placement> {
        if self.cx.view().surely_full_for(task) {
            return None;
        }
        let placement = self.placement.choose(self.cx, task, limits)?;
        self.cx.place(task, placement.clone()).ok()?;
        self.order.started(task, &self.cx.view());
        Some(placement)
    }
}

/// No backfilling: tasks start in queue order, and the first that does not fit blocks the rest.
#[derive(Clone, Copy, Debug, Default)]
pub struct Blocking;

impl Backfilling for Blocking {
    fn pass(&mut self, pass: &mut Pass<'_, '_>) {
        while let Some(task) = pass.next_task() {
            if pass.start(task, Limits::NONE).is_none() {
                break;
            }
        }
    }
}

/// Backfilling without reservations: every task that fits starts, in queue order. A large task may starve.
#[derive(Clone, Copy, Debug, Default)]
pub struct Skipping;

impl Backfilling for Skipping {
    fn pass(&mut self, pass: &mut Pass<'_, '_>) {
        while let Some(task) = pass.next_with_room() {
            pass.start(task, Limits::NONE);
        }
    }
}
