//! The trait that every scheduling strategy implements.

use serde::{Deserialize, Serialize};

use crate::cluster::ClusterEvent;
use crate::context::SchedulingContext;
use crate::index::Indexes;
use crate::model::WorkloadProfile;
use crate::view::ClusterView;

/// A scheduling strategy: looks at the cluster, and decides.
///
/// The same object runs in the simulator and on a live cluster. It sees no true run times, is told what happens, and
/// has every decision checked. It must be deterministic: randomness comes from [`SchedulingContext::rng`].
pub trait Scheduler: Send {
    /// What this strategy can handle and what it needs. Asked before anything else, and constant.
    fn supports(&self) -> Capabilities;

    /// First call, and again after a restart, a switch of strategy or a clone: build private state from ANY view,
    /// not only that of an empty cluster.
    fn attach(&mut self, view: &ClusterView<'_>, profile: &WorkloadProfile);

    /// Something happened that was not this strategy's own accepted decision. Optional.
    ///
    /// That a task has ended is always told, even if the strategy itself rejected it.
    fn observe(&mut self, event: &ClusterEvent, view: &ClusterView<'_>) {
        let _ = (event, view);
    }

    /// Look at the cluster as it stands now, and decide. Called once for an instant in which something happened.
    fn schedule(&mut self, cx: &mut SchedulingContext<'_>);
}

/// What a strategy can handle and needs. By default nothing special.
///
/// Dependencies, transfer times, GPU devices, GPU models and labels are taken care of by the core for every strategy:
/// blocked tasks are not in the queue, and the finders of the view respect the rest.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Capabilities {
    /// Places gangs (tasks with several replicas).
    pub gangs: bool,
    /// Preempts, so it wants a pass even while the queue is empty.
    pub preemption: bool,
    /// Makes use of the workload profile.
    pub profile: bool,
    /// Has no use for [`Scheduler::observe`], which need not be called.
    pub ignores_events: bool,
    /// Which indexes it wants kept for its queries.
    pub indexes: Indexes,
}

impl Capabilities {
    /// Nothing special.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Places gangs.
    #[must_use]
    pub const fn with_gangs(mut self) -> Self {
        self.gangs = true;
        self
    }

    /// Preempts: a pass is made even while the queue is empty.
    #[must_use]
    pub const fn with_preemption(mut self) -> Self {
        self.preemption = true;
        self
    }

    /// Makes use of the workload profile, which a report then states as foreknowledge.
    #[must_use]
    pub const fn with_profile(mut self) -> Self {
        self.profile = true;
        self
    }

    /// Has no use for [`Scheduler::observe`], which need not be called: that saves a tenth of a run's time.
    #[must_use]
    pub const fn ignoring_events(mut self) -> Self {
        self.ignores_events = true;
        self
    }

    /// Asks for [`ClusterView::best_fit`] to be fast.
    #[must_use]
    pub const fn with_best_fit(mut self) -> Self {
        self.indexes.best_fit = true;
        self
    }

    /// Asks for [`WorkerView::running`](crate::WorkerView::running) to be fast.
    #[must_use]
    pub const fn with_expected_ends(mut self) -> Self {
        self.indexes.expected_ends = true;
        self
    }

    /// Asks for [`ClusterView::least_committed`] to be fast.
    #[must_use]
    pub const fn with_committed_work(mut self) -> Self {
        self.indexes.committed_work = true;
        self
    }

    /// Asks for [`ClusterView::next_within`] and [`ClusterView::next_with_room`] to be fast where the queue is deep.
    #[must_use]
    pub const fn with_deep_queue(mut self) -> Self {
        self.indexes.deep_queue = true;
        self
    }

    /// Asks for [`ClusterView::changed_since`] to be fast.
    #[must_use]
    pub const fn with_recent_changes(mut self) -> Self {
        self.indexes.recent_changes = true;
        self
    }
}
