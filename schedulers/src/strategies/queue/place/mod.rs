//! Placement rules: on which workers and devices a task starts.
//!
//! - this file: the trait, and what a rule has to respect
//! - [`fit`]: rules that take workers in an order: first, best, worst and next fit, random, spread
//! - [`scored`]: rules that score every worker and take the best; [`score`]: scores over vectors of resources
//! - [`gpu`]: sharing GPUs: fragmentation, packing, clustering, rollouts
//! - [`stranding`]: least fragmentation, GPUs or not

pub mod fit;
pub mod gpu;
mod sample;
pub mod score;
pub mod scored;
pub mod stranding;

use std::borrow::Cow;

use super::free::Free;
use crate::{
    ClusterEvent, ClusterView, Indexes, Part, Placement, SchedulingContext, TaskId, WorkerId, WorkloadProfile,
};

/// Chooses where a task starts, once queue order and backfilling have decided that it may.
pub trait PlacementRule: Send {
    /// Which indexes over workers it wants kept.
    fn indexes(&self) -> Indexes {
        Indexes::default()
    }

    /// True if it makes use of the workload profile.
    fn uses_profile(&self) -> bool {
        false
    }

    /// Builds private state from any view, as [`Scheduler::attach`](crate::Scheduler::attach).
    fn attach(&mut self, view: &ClusterView<'_>, profile: &WorkloadProfile) {
        let _ = (view, profile);
    }

    /// False if it has no use for [`observe`](Self::observe), which need not be called then.
    fn listens(&self) -> bool {
        true
    }

    /// Hears what a [`Scheduler`](crate::Scheduler::observe) hears.
    fn observe(&mut self, event: &ClusterEvent, view: &ClusterView<'_>) {
        let _ = (event, view);
    }

    /// Starts `task`, every replica of it, where [`choose`](Self::choose) says; false if it does not fit. For rules that find out
    /// and start in one, which is faster.
    #[inline]
    fn start(&mut self, cx: &mut SchedulingContext<'_>, task: TaskId, limits: Limits<'_>) -> bool {
        start_chosen(self, cx, task, limits)
    }

    /// Where `task`, every replica of it, starts now within `limits`; `None` if it does not fit.
    ///
    /// The context is there for its view and its random generator: nothing is decided here.
    fn choose(
        &mut self,
        cx: &mut SchedulingContext<'_>,
        task: TaskId,
        limits: Limits<'_>,
    ) -> Option<Placement>;
}

/// Starts `task` where `rule` chooses; false if it does not fit.
fn start_chosen(
    rule: &mut (impl PlacementRule + ?Sized),
    cx: &mut SchedulingContext<'_>,
    task: TaskId,
    limits: Limits<'_>,
) -> bool {
    if cx.view().surely_full_for(task) {
        return false;
    }
    let chosen = rule.choose(cx, task, limits);
    // Looked at where it lies: to move what was just written costs more than the look.
    let Some(placement) = &chosen else { return false };
    cx.place(task, placement).is_ok()
}

/// What others have reserved, as one task must respect it: how much of which worker it may take.
#[derive(Clone, Copy, Debug)]
pub struct Limits<'a> {
    /// Workers of which the task may use no more than this, by index.
    limited: &'a [(WorkerId, Free)],
    /// Whether the workers that are not listed are free to use.
    others: bool,
}

impl<'a> Limits<'a> {
    /// Nothing is reserved.
    pub const NONE: Limits<'static> = Limits { limited: &[], others: true };

    /// On the workers of this list, which is sorted by worker, no more than stated; all that is free elsewhere.
    #[must_use]
    pub const fn on(limited: &'a [(WorkerId, Free)]) -> Self {
        Self { limited, others: true }
    }

    /// On the workers of this list, which is sorted by worker, no more than stated; nothing elsewhere.
    #[must_use]
    pub const fn only(limited: &'a [(WorkerId, Free)]) -> Self {
        Self { limited, others: false }
    }

    /// True if nothing is reserved.
    #[must_use]
    pub const fn are_none(&self) -> bool {
        self.limited.is_empty() && self.others
    }

    /// What the task may use of `worker`: all that is free (`Ok`), or this much.
    fn of(&self, worker: WorkerId) -> Result<(), Option<&'a Free>> {
        if self.are_none() {
            return Ok(());
        }
        match self.limited.binary_search_by_key(&worker, |&(worker, _)| worker) {
            Ok(at) => Err(Some(&self.limited[at].1)),
            Err(_) if self.others => Ok(()),
            Err(_) => Err(None),
        }
    }

    /// Milli-GPU that `task` may use on each device of `worker`; `None` if one replica of it does not fit there now
    /// within the limits, as far as amounts tell.
    #[must_use]
    pub fn devices_on(&self, view: &ClusterView<'a>, task: TaskId, worker: WorkerId) -> Option<&'a [u32]> {
        match self.of(worker) {
            Ok(()) => Some(view.worker(worker)?.free_devices()),
            Err(limit) => {
                let free = limit?;
                free.holds_amounts(&view.task(task)?.spec().request).then(|| free.devices())
            }
        }
    }

    /// Places every replica of `task` on the workers that `order` gives, each of which it fits on as far as the
    /// cluster is concerned, as many on each as fit within the limits. Devices are chosen by the stated rule
    /// ([`choose_devices`](crate::choose_devices)). `None` if they do not all fit.
    pub fn place_in_order(
        &self,
        view: &ClusterView<'a>,
        task: TaskId,
        order: impl IntoIterator<Item = WorkerId>,
    ) -> Option<Placement> {
        let spec = view.task(task)?.spec();
        if spec.replicas == 1 {
            return order.into_iter().find_map(|worker| match self.of(worker) {
                Ok(()) => view.placement_on(task, worker),
                Err(limit) => limit?.place(&spec.request).map(|devices| Placement::single(worker, devices)),
            });
        }
        let (mut parts, mut missing): (Vec<Part>, u32) = (Vec::new(), spec.replicas);
        for worker in order {
            let free = match self.of(worker) {
                Ok(()) => Cow::Owned(Free::now(view, worker)?),
                Err(Some(limit)) => Cow::Borrowed(limit),
                Err(None) => continue,
            };
            missing -= free.add_parts(worker, &spec.request, missing, &mut parts);
            if missing == 0 {
                return Some(Placement::gang(&parts));
            }
        }
        None
    }
}
