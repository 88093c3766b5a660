//! Policies as papers compose them: a queue order, a backfilling rule and a placement rule.
//!
//! ```text
//!   QueueOrder ──▶ which waiting task comes next      fcfs, sjf, wfp3, fair_share, ...   order/
//!   Backfilling ─▶ may it start, and within what?     none, skip, easy, conservative     backfill/
//!   PlacementRule ▶ on which workers and devices?     first_fit, best_fit, fgd, ...      place/
//! ```
//!
//! [`Composed`] puts three together. The spec `queue(order=sjf,backfill=easy,placement=best_fit)` builds any of them
//! ([`spec`]); `fcfs`, `first_fit`, `best_fit`, `easy` and `conservative` are names for some. `free.rs` has the arithmetic of
//! reservations.

pub mod backfill;
mod free;
pub mod order;
pub mod place;
pub mod spec;

use backfill::{Backfilling, Pass};
pub use free::Free;
use order::QueueOrder;
use place::PlacementRule;

use crate::{Capabilities, ClusterEvent, ClusterView, Scheduler, SchedulingContext, WorkloadProfile};

/// A strategy made of a queue order, a backfilling rule and a placement rule. It places gangs, too.
pub struct Composed {
    order: Box<dyn QueueOrder>,
    backfill: Box<dyn Backfilling>,
    placement: Box<dyn PlacementRule>,
}

impl std::fmt::Debug for Composed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Composed").finish_non_exhaustive()
    }
}

impl Composed {
    /// Puts the three together.
    #[must_use]
    pub fn new(
        order: impl QueueOrder + 'static,
        backfill: impl Backfilling + 'static,
        placement: impl PlacementRule + 'static,
    ) -> Self {
        Self::boxed(Box::new(order), Box::new(backfill), Box::new(placement))
    }

    /// Puts together three that were chosen at run time.
    #[must_use]
    pub fn boxed(
        order: Box<dyn QueueOrder>,
        backfill: Box<dyn Backfilling>,
        placement: Box<dyn PlacementRule>,
    ) -> Self {
        Self { order, backfill, placement }
    }
}

impl Scheduler for Composed {
    fn supports(&self) -> Capabilities {
        let mut capabilities = Capabilities::new().with_gangs();
        capabilities.indexes = self.placement.indexes().or(self.backfill.indexes());
        capabilities.profile = self.placement.uses_profile();
        capabilities.ignores_events = !(self.order.listens() || self.placement.listens());
        capabilities
    }

    fn attach(&mut self, view: &ClusterView<'_>, profile: &WorkloadProfile) {
        self.order.attach(view);
        self.backfill.attach(view);
        self.placement.attach(view, profile);
    }

    fn observe(&mut self, event: &ClusterEvent, view: &ClusterView<'_>) {
        self.order.observe(event, view);
        self.placement.observe(event, view);
    }

    fn schedule(&mut self, cx: &mut SchedulingContext<'_>) {
        self.order.begin(&cx.view());
        self.backfill.pass(&mut Pass::new(cx, self.order.as_mut(), self.placement.as_mut()));
    }
}
