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
///
/// Of parts whose types are known ([`new`](Self::new)) the compiler makes one piece; parts chosen at run time are
/// [boxed](Self::boxed).
pub struct Composed<O = Box<dyn QueueOrder>, B = Box<dyn Backfilling>, P = Box<dyn PlacementRule>> {
    order: O,
    backfill: B,
    placement: P,
}

impl<O, B, P> std::fmt::Debug for Composed<O, B, P> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Composed").finish_non_exhaustive()
    }
}

impl<O: QueueOrder + 'static, B: Backfilling + 'static, P: PlacementRule + 'static> Composed<O, B, P> {
    /// Puts the three together.
    #[must_use]
    pub fn new(order: O, backfill: B, placement: P) -> Self {
        Self { order, backfill, placement }
    }
}

impl Composed {
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

/// A part of a composition, seen as one of the three traits: of a type that is known, or boxed.
trait Is<T: ?Sized>: Send {
    fn it(&self) -> &T;
    fn it_mut(&mut self) -> &mut T;
}

impl<T: ?Sized + Send> Is<T> for Box<T> {
    fn it(&self) -> &T {
        self
    }

    fn it_mut(&mut self) -> &mut T {
        self
    }
}

macro_rules! known {
    ($part:ident) => {
        impl<T: $part + 'static> Is<dyn $part> for T {
            #[inline(always)]
            fn it(&self) -> &(dyn $part + 'static) {
                self
            }

            #[inline(always)]
            fn it_mut(&mut self) -> &mut (dyn $part + 'static) {
                self
            }
        }
    };
}

known!(QueueOrder);
known!(Backfilling);
known!(PlacementRule);

impl<O, B, P> Scheduler for Composed<O, B, P>
where
    O: Is<dyn QueueOrder>,
    B: Is<dyn Backfilling>,
    P: Is<dyn PlacementRule>,
{
    fn supports(&self) -> Capabilities {
        let (order, placement) = (self.order.it(), self.placement.it());
        let mut capabilities = Capabilities::new().with_gangs();
        capabilities.indexes = placement.indexes().or(self.backfill.it().indexes());
        capabilities.profile = placement.uses_profile();
        capabilities.ignores_events = !(order.listens() || placement.listens());
        capabilities
    }

    fn attach(&mut self, view: &ClusterView<'_>, profile: &WorkloadProfile) {
        self.order.it_mut().attach(view);
        self.backfill.it_mut().attach(view);
        self.placement.it_mut().attach(view, profile);
    }

    fn observe(&mut self, event: &ClusterEvent, view: &ClusterView<'_>) {
        self.order.it_mut().observe(event, view);
        self.placement.it_mut().observe(event, view);
    }

    fn schedule(&mut self, cx: &mut SchedulingContext<'_>) {
        let (order, placement) = (self.order.it_mut(), self.placement.it_mut());
        order.begin(&cx.view());
        self.backfill.it_mut().pass(&mut Pass::new(cx, order, placement));
    }
}
