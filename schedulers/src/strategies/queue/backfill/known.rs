//! What a plan knows of a worker.

use super::forecast::Forecast;
use super::reservation::Span;
use super::wants::Wants;
use crate::{Capacity, ClusterView, Duration, Speed, TaskId, Time, WorkerId, WorkerState, WorkerView};

/// What is known of a worker beside its profile.
#[derive(Clone, Debug)]
pub(super) struct Known {
    pub(super) state: WorkerState,
    pub(super) capacity: Capacity,
    pub(super) speed: Speed,
    /// What held resources at the end of the last pass, by (expected end, index).
    pub(super) held: Vec<(Time, TaskId)>,
    /// Its profile has been built anew in this pass, up to the task whose turn it is; else it is as the last pass has left it,
    /// with the reservations of all.
    pub(super) is_open: bool,
    /// Around what the task whose turn it is finds free that was not free when its reservation was made. Its profile is open
    /// then.
    pub(super) gained: Span,
    /// The same of what was free and is not.
    pub(super) lost: Span,
    /// What the next pass takes as lost.
    pub(super) to_lose: Span,
    /// What its profile says of a task that has started is not what the cluster expects.
    pub(super) is_stale: bool,
}

impl Known {
    pub(super) fn of(view: &ClusterView<'_>, forecast: &Forecast, worker: WorkerView<'_>) -> Self {
        Self {
            state: worker.state(),
            capacity: worker.spec().capacity,
            speed: worker.spec().speed,
            held: forecast.ends(view, worker.id()).collect(),
            is_open: false,
            gained: Span::EMPTY,
            lost: Span::EMPTY,
            to_lose: Span::EMPTY,
            is_stale: false,
        }
    }

    /// How long a task takes here; `None` if it can never run here.
    #[inline]
    pub(super) fn length(
        &self,
        view: &ClusterView<'_>,
        worker: WorkerId,
        wants: &mut Wants,
    ) -> Option<Duration> {
        let able = self.state == WorkerState::Active && wants.can_run_on(view, worker, &self.capacity);
        able.then(|| wants.length_at(self.speed))
    }

    pub(super) fn gain(&mut self, span: Span) {
        self.gained = self.gained.around(span);
    }

    pub(super) fn lose(&mut self, span: Span) {
        self.lost = self.lost.around(span);
    }
}
