//! What a plain task wants of the workers.

use super::floors::Kind;
use super::forecast::Forecast;
use crate::{Capacity, ClusterView, ConstraintId, Duration, Request, Speed, TaskId, Time, WorkerId};

/// A task of one replica whose run time on a worker follows from the worker's speed.
pub(super) struct Wants {
    pub(super) request: Request,
    constraint: ConstraintId,
    nominal: Duration,
    latency: Duration,
    /// How long it takes at the speed that was asked for last.
    last: Option<(Speed, Duration)>,
}

impl Wants {
    pub(super) fn of(view: &ClusterView<'_>, forecast: &Forecast, task: TaskId) -> Option<Self> {
        let spec = view.task(task)?.spec();
        Some(Self {
            request: spec.request,
            constraint: spec.constraint,
            nominal: forecast.nominal(view, task),
            latency: view.startup_latency(),
            last: None,
        })
    }

    pub(super) fn kind(&self) -> Kind {
        Kind::of(&self.request, self.nominal)
    }

    /// True if it can run on an active worker.
    #[inline]
    pub(super) fn can_run_on(&self, view: &ClusterView<'_>, worker: WorkerId, capacity: &Capacity) -> bool {
        capacity.holds(&self.request) && view.allows(self.constraint, worker)
    }

    /// How long it takes at a speed.
    #[inline]
    pub(super) fn length_at(&mut self, speed: Speed) -> Duration {
        if let Some((last, length)) = self.last
            && last == speed
        {
            return length;
        }
        let length = length_at(speed, self.nominal, self.latency);
        self.last = Some((speed, length));
        length
    }

    /// How long a task of this kind takes there at least.
    pub(super) fn least_length_at(&self, speed: Speed, kind: &Kind) -> Duration {
        length_at(speed, kind.nominal, self.latency)
    }
}

/// From an assignment to the expected end. A task of no length still has to fit when it starts.
fn length_at(speed: Speed, nominal: Duration, latency: Duration) -> Duration {
    latency.saturating_add(speed.run_time(nominal)).max(Time::TICK)
}
