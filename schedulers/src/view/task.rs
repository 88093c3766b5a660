//! A task, as a strategy sees it.

use crate::cluster::{AfterStop, Placement, TaskRecord, TaskState};
use crate::model::{Duration, TaskId, TaskSpec, Time, WorkerId};

/// A task to look at.
#[derive(Clone, Copy, Debug)]
pub struct TaskView<'a> {
    pub(super) id: TaskId,
    pub(super) record: &'a TaskRecord,
}

impl<'a> TaskView<'a> {
    /// Its id.
    #[must_use]
    pub const fn id(&self) -> TaskId {
        self.id
    }

    /// What was known when it arrived.
    #[inline]
    #[must_use]
    pub const fn spec(&self) -> &'a TaskSpec {
        &self.record.spec
    }

    /// Its state.
    #[must_use]
    pub const fn state(&self) -> TaskState {
        self.record.state
    }

    /// The current or last attempt; 0 before the first.
    #[must_use]
    pub const fn attempt(&self) -> u32 {
        self.record.attempt
    }

    /// Since when it could have started: the later of arrival and the last predecessor's end.
    #[must_use]
    pub const fn eligible(&self) -> Time {
        self.record.eligible
    }

    /// Where it runs; no parts while it waits.
    #[inline]
    #[must_use]
    pub const fn placement(&self) -> &'a Placement {
        &self.record.placement
    }

    /// The worker in whose lane it waits.
    #[must_use]
    pub fn lane(&self) -> Option<WorkerId> {
        self.record.lane.filter(|_| self.record.state == TaskState::Bound)
    }

    /// True if it is being stopped for good.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        self.record.state == TaskState::Stopping && self.record.after_stop == AfterStop::Cancel
    }

    /// When the current attempt was assigned.
    #[inline]
    #[must_use]
    pub fn assigned_at(&self) -> Option<Time> {
        (self.record.assigned_at != Time::NEVER).then_some(self.record.assigned_at)
    }

    /// When the current attempt's start was confirmed.
    #[inline]
    #[must_use]
    pub fn started_at(&self) -> Option<Time> {
        (self.record.started_at != Time::NEVER).then_some(self.record.started_at)
    }

    /// When the current attempt is expected to end, as seen at its start. If that is past, count on one
    /// microsecond from now.
    #[must_use]
    pub fn expected_end(&self) -> Option<Time> {
        self.record.state.holds_resources().then_some(self.record.expected_end)
    }

    /// The nominal run time that was expected when the current attempt was assigned.
    #[inline]
    #[must_use]
    pub const fn expected_at_start(&self) -> Duration {
        self.record.expected
    }

    /// Time run so far, over all attempts.
    #[must_use]
    pub fn attained(&self, now: Time) -> Duration {
        let current = match self.started_at() {
            Some(start) if self.record.state.holds_resources() => now - start,
            _ => Duration::ZERO,
        };
        self.record.attained.saturating_add(current)
    }
}
