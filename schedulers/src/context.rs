//! What a strategy holds during a pass: the view, and the verbs that decide.

use std::borrow::Cow;

use rand_pcg::Pcg64;

use crate::cluster::{Cluster, Decision, Placement, QueueCursor, Refusal};
use crate::model::{TaskId, Time, WorkerId};
use crate::view::ClusterView;

/// One pass of a strategy. Each accepted decision is applied at once, so that the next line of the strategy sees
/// its result.
#[derive(Debug)]
pub struct SchedulingContext<'a> {
    cluster: &'a mut Cluster,
}

impl<'a> SchedulingContext<'a> {
    pub(crate) const fn new(cluster: &'a mut Cluster) -> Self {
        Self { cluster }
    }

    /// The cluster as it stands now, this pass's decisions included.
    #[must_use]
    pub const fn view(&self) -> ClusterView<'_> {
        ClusterView::new(self.cluster)
    }

    /// The next task of the queue. The cursor stays valid while tasks are assigned, bound or rejected:
    ///
    /// ```
    /// # use cloudai_schedulers::{QueueCursor, SchedulingContext};
    /// # fn pass(cx: &mut SchedulingContext<'_>) {
    /// let mut cursor = QueueCursor::default();
    /// while let Some(task) = cx.next_queued(&mut cursor) {
    ///     if let Some(worker) = cx.view().first_fit(task) {
    ///         let _ = cx.assign(task, worker);
    ///     }
    /// }
    /// # }
    /// ```
    pub fn next_queued(&self, cursor: &mut QueueCursor) -> Option<TaskId> {
        self.cluster.queue.advance(&self.cluster.tasks, cursor)
    }

    /// Starts a plain task on `worker`. A fraction gets the device with the least left that suffices, whole devices
    /// are the lowest free ones.
    ///
    /// # Errors
    /// Says why the core refused; nothing has changed then.
    pub fn assign(&mut self, task: TaskId, worker: WorkerId) -> Result<(), Refusal> {
        let placement = self.view().placement_on(task, worker);
        // Without the devices the core's own check names what is missing.
        let placement = placement.unwrap_or_else(|| Placement::single(worker, crate::DeviceSet::EMPTY));
        self.place(task, &placement)
    }

    /// Starts a task, or every replica of a gang, exactly as `placement` says.
    ///
    /// # Errors
    /// Says why the core refused; nothing has changed then.
    #[inline]
    pub fn place(&mut self, task: TaskId, placement: &Placement) -> Result<(), Refusal> {
        self.cluster.assign(task, placement)
    }

    /// Starts a plain task on the first worker, in index order, that it fits on: false if it fits on none, `None` if it is not
    /// plain, and nothing has changed.
    #[inline]
    pub(crate) fn assign_first_fit(&mut self, task: TaskId) -> Option<bool> {
        self.cluster.assign_first_fit(task)
    }

    /// The same on the worker that has the least free cpu, then memory, if an index for that is kept.
    #[inline]
    pub(crate) fn assign_best_fit(&mut self, task: TaskId) -> Option<bool> {
        self.cluster.assign_best_fit(task)
    }

    /// Lets a task wait in the lane of `worker`; it starts there at once if the lane is empty and it fits.
    ///
    /// # Errors
    /// Says why the core refused; nothing has changed then.
    pub fn bind(&mut self, task: TaskId, worker: WorkerId) -> Result<(), Refusal> {
        self.cluster.decide(Decision::Bind { task, worker })
    }

    /// Stops an attempt; its resources stay held until the stop is confirmed, then the task is queued again.
    ///
    /// # Errors
    /// Says why the core refused; nothing has changed then.
    pub fn preempt(&mut self, task: TaskId, attempt: u32) -> Result<(), Refusal> {
        self.cluster.decide(Decision::Preempt { task, attempt })
    }

    /// Turns a waiting task away for good.
    ///
    /// # Errors
    /// Says why the core refused; nothing has changed then.
    pub fn reject(&mut self, task: TaskId, reason: impl Into<Cow<'static, str>>) -> Result<(), Refusal> {
        self.cluster.decide(Decision::Reject { task, reason: reason.into() })
    }

    /// Asks for a pass at `time`, even if nothing happens then.
    ///
    /// # Errors
    /// [`Refusal::WakeNotAhead`] unless `time` is later than now.
    pub fn wake_at(&mut self, time: Time) -> Result<(), Refusal> {
        self.cluster.decide(Decision::WakeAt(time))
    }

    /// Carries out a decision given as data.
    ///
    /// # Errors
    /// Says why the core refused; nothing has changed then.
    pub fn decide(&mut self, decision: Decision) -> Result<(), Refusal> {
        self.cluster.decide(decision)
    }

    /// A copy of the cluster to try things on, as rollouts do. Task data is shared.
    #[must_use]
    pub fn fork(&self) -> Cluster {
        self.cluster.clone()
    }

    /// The strategy's random generator, seeded from the run's seed and the strategy's spec.
    pub const fn rng(&mut self) -> &mut Pcg64 {
        &mut self.cluster.rng
    }
}
