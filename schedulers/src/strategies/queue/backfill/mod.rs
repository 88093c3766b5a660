//! Backfilling rules: which tasks may start in a pass, and what they must leave to those that wait.
//!
//! - this file: the trait, and the rules without reservations: [`Blocking`], [`Skipping`]
//! - [`easy`]: a reservation for the head of the queue; [`conservative`]: one for every waiting task
//! - [`forecast`]: when what runs is expected to end; `profile`: what will be free on a worker then; `earliest`: which worker has
//!   room first
//! - `reservation`: what a task that waits is promised; `plan`: reservations that are kept from pass to pass; `known`: what it
//!   knows of a worker
//! - `search`: where a task fits earliest; `wants`: what there is to know of it for that if it is plain; `floors`: before when tasks
//!   like it are known not to fit
//! - `window`: how far ahead a pass has to look

pub mod conservative;
mod earliest;
pub mod easy;
mod floors;
pub mod forecast;
mod known;
mod plan;
mod profile;
mod reservation;
mod search;
mod wants;
mod window;

use super::order::{Ahead, QueueOrder};
use super::place::{Limits, PlacementRule};
use crate::{ClusterView, Demand, Indexes, Placement, SchedulingContext, TaskId};

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
    #[inline(always)]
    pub(super) fn new(
        cx: &'a mut SchedulingContext<'c>,
        order: &'a mut dyn QueueOrder,
        placement: &'a mut dyn PlacementRule,
    ) -> Self {
        Self { cx, order, placement }
    }

    /// The cluster as it stands now, this pass's starts included.
    #[inline]
    #[must_use]
    pub const fn view(&self) -> ClusterView<'_> {
        self.cx.view()
    }

    /// The next task in queue order.
    ///
    /// None if it is plain at a glance that no waiting task has room: then none can start.
    #[inline(always)]
    pub fn next_task(&mut self) -> Option<TaskId> {
        let view = self.cx.view();
        if view.surely_full() { None } else { self.order.next(&view) }
    }

    /// The next task in queue order, whether any has room or not.
    pub fn next_in_order(&mut self) -> Option<TaskId> {
        self.order.next(&self.cx.view())
    }

    /// From now on [`look_ahead`](Self::look_ahead) looks behind the task that [`next_task`](Self::next_task) gave last.
    pub fn look_from_here(&mut self) {
        self.order.look_from_here();
    }

    /// The next task in queue order that some single worker has room for, as far as amounts tell.
    #[inline(always)]
    pub fn next_with_room(&mut self) -> Option<TaskId> {
        let view = self.cx.view();
        if view.surely_full() { None } else { self.order.next_with_room(&view) }
    }

    /// The next task in queue order that may fit into one of `openings`, as far as amounts and estimates tell.
    #[inline]
    pub fn next_within(&mut self, openings: &[Demand]) -> Option<TaskId> {
        self.order.next_within(&self.cx.view(), openings)
    }

    /// Looks ahead: the next task that may fit into one of `openings`, behind the one that this gave last.
    pub fn look_ahead(&mut self, openings: &[Demand]) -> Ahead {
        self.order.look_ahead(&self.cx.view(), openings)
    }

    /// The next task, behind those that this and [`next_task`](Self::next_task) gave, that may fit into one of `openings`.
    pub fn survey(&mut self, openings: &[Demand]) -> Ahead {
        self.order.survey(&self.cx.view(), openings)
    }

    /// Starts `task` where the placement rule says, within `limits`; `None` if it does not fit.
    pub fn start(&mut self, task: TaskId, limits: Limits<'_>) -> Option<Placement> {
        let started = self.starts(task, limits);
        started.then(|| self.cx.view().task(task).map(|task| task.placement().clone())).flatten()
    }

    /// The same for those who need not know where: false if it does not fit.
    #[inline(always)]
    pub fn starts(&mut self, task: TaskId, limits: Limits<'_>) -> bool {
        let started = self.placement.start(self.cx, task, limits);
        if started {
            self.order.started(task, &self.cx.view());
        }
        started
    }
}

/// No backfilling: tasks start in queue order, and the first that does not fit blocks the rest.
#[derive(Clone, Copy, Debug, Default)]
pub struct Blocking;

impl Backfilling for Blocking {
    #[inline(always)]
    fn pass(&mut self, pass: &mut Pass<'_, '_>) {
        while let Some(task) = pass.next_task() {
            if !pass.starts(task, Limits::NONE) {
                break;
            }
        }
    }
}

/// Backfilling without reservations: every task that fits starts, in queue order. A large task may starve.
#[derive(Clone, Copy, Debug, Default)]
pub struct Skipping;

impl Backfilling for Skipping {
    fn indexes(&self) -> Indexes {
        Indexes { deep_queue: true, ..Indexes::default() }
    }

    #[inline(always)]
    fn pass(&mut self, pass: &mut Pass<'_, '_>) {
        while let Some(task) = pass.next_with_room() {
            pass.starts(task, Limits::NONE);
        }
    }
}
