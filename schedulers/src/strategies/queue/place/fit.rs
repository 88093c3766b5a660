//! Rules that take the workers in an order, and the first on which the task fits.
//!
//! A plain task starts on the first worker of the order, a gang fills one worker after the other.

use rand::seq::SliceRandom;

use super::{Limits, PlacementRule, start_chosen};
use crate::{Indexes, Placement, SchedulingContext, TaskId, WorkerId};

/// The first worker in index order (Johnson 1973).
#[derive(Clone, Copy, Debug, Default)]
pub struct FirstFit;

impl PlacementRule for FirstFit {
    fn listens(&self) -> bool {
        false
    }

    #[inline(always)]
    fn start(&mut self, cx: &mut SchedulingContext<'_>, task: TaskId, limits: Limits<'_>) -> bool {
        if limits.are_none()
            && let Some(started) = cx.assign_first_fit(task)
        {
            return started;
        }
        start_chosen(self, cx, task, limits)
    }

    fn choose(
        &mut self,
        cx: &mut SchedulingContext<'_>,
        task: TaskId,
        limits: Limits<'_>,
    ) -> Option<Placement> {
        let view = cx.view();
        if limits.are_none()
            && let Some(placement) = view.place_first_fit(task)
        {
            return Some(placement);
        }
        limits.place_in_order(&view, task, view.feasible(task))
    }
}

/// The worker that is left with the least free cpu, then memory, then the lowest index (Johnson 1973).
#[derive(Clone, Copy, Debug, Default)]
pub struct BestFit;

impl PlacementRule for BestFit {
    fn listens(&self) -> bool {
        false
    }

    fn indexes(&self) -> Indexes {
        Indexes { best_fit: true, ..Indexes::default() }
    }

    #[inline(always)]
    fn start(&mut self, cx: &mut SchedulingContext<'_>, task: TaskId, limits: Limits<'_>) -> bool {
        if limits.are_none()
            && let Some(started) = cx.assign_best_fit(task)
        {
            return started;
        }
        start_chosen(self, cx, task, limits)
    }

    fn choose(
        &mut self,
        cx: &mut SchedulingContext<'_>,
        task: TaskId,
        limits: Limits<'_>,
    ) -> Option<Placement> {
        let view = cx.view();
        limits.place_in_order(&view, task, view.fullest_first(task))
    }
}

/// The worker that is left with the most free cpu, then memory, then the lowest index.
///
/// Every worker that the task fits on is looked at.
#[derive(Clone, Copy, Debug, Default)]
pub struct WorstFit;

impl PlacementRule for WorstFit {
    fn listens(&self) -> bool {
        false
    }

    fn choose(
        &mut self,
        cx: &mut SchedulingContext<'_>,
        task: TaskId,
        limits: Limits<'_>,
    ) -> Option<Placement> {
        let view = cx.view();
        let free = |worker| {
            let worker = view.worker(worker)?;
            Some((worker.free_cpu_milli(), worker.free_memory_mib()))
        };
        let mut order: Vec<WorkerId> = view.feasible(task).collect();
        order.sort_by_key(|&worker| (std::cmp::Reverse(free(worker)), worker));
        limits.place_in_order(&view, task, order)
    }
}

/// The next worker in index order, cyclically, behind the one that was chosen last (Johnson 1973, next fit, without
/// closing the workers that were passed over).
#[derive(Clone, Copy, Debug, Default)]
pub struct NextFit {
    next: WorkerId,
}

impl PlacementRule for NextFit {
    fn listens(&self) -> bool {
        false
    }

    fn choose(
        &mut self,
        cx: &mut SchedulingContext<'_>,
        task: TaskId,
        limits: Limits<'_>,
    ) -> Option<Placement> {
        let view = cx.view();
        let behind = view.feasible_from(task, self.next);
        let wrapped = view.feasible(task).take_while(|&worker| worker < self.next);
        let placement = limits.place_in_order(&view, task, behind.chain(wrapped))?;
        let last = placement.parts().last()?.worker;
        self.next = WorkerId(last.0 + 1);
        Some(placement)
    }
}

/// A worker drawn evenly from those that the task fits on.
#[derive(Clone, Copy, Debug, Default)]
pub struct Random;

impl PlacementRule for Random {
    fn listens(&self) -> bool {
        false
    }

    fn choose(
        &mut self,
        cx: &mut SchedulingContext<'_>,
        task: TaskId,
        limits: Limits<'_>,
    ) -> Option<Placement> {
        let mut order: Vec<WorkerId> = cx.view().feasible(task).collect();
        order.shuffle(cx.rng());
        limits.place_in_order(&cx.view(), task, order)
    }
}

/// The worker that runs the fewest tasks, then the one with the lowest load (the largest share used over cpu, memory
/// and GPU), ties to the lowest index: spreads tasks, as cluster managers do so that a lost worker costs little.
///
/// Every worker that the task fits on is looked at.
#[derive(Clone, Copy, Debug, Default)]
pub struct Spread;

impl PlacementRule for Spread {
    fn indexes(&self) -> Indexes {
        Indexes { running_tasks: true, ..Indexes::default() }
    }

    fn listens(&self) -> bool {
        false
    }

    fn choose(
        &mut self,
        cx: &mut SchedulingContext<'_>,
        task: TaskId,
        limits: Limits<'_>,
    ) -> Option<Placement> {
        let view = cx.view();
        let used = |worker| view.worker(worker).map(|worker| (worker.running_len(), worker.load()));
        let mut order: Vec<WorkerId> = view.feasible(task).collect();
        order.sort_by_key(|&worker| (used(worker), worker));
        limits.place_in_order(&view, task, order)
    }
}
