//! What a task that waits is promised.

use smallvec::SmallVec;

use crate::{Part, Request, TaskId, Time};

/// Where and when a waiting task is to start.
#[derive(Clone, Debug)]
pub(super) struct Reservation {
    pub(super) task: TaskId,
    pub(super) request: Request,
    pub(super) start: Time,
    pub(super) end: Time,
    /// None if it never fits.
    pub(super) parts: SmallVec<[Part; 1]>,
    /// For as long as the task waits, nothing but what is free has a say in its earliest start.
    pub(super) is_plain: bool,
    /// It has left the queue.
    pub(super) is_gone: bool,
}

impl Reservation {
    /// True if it holds the same at the same time.
    pub(super) fn is_like(&self, other: &Self) -> bool {
        (self.start, self.end) == (other.start, other.end) && self.parts == other.parts
    }

    /// When it holds that, from `now` on.
    pub(super) fn span(&self, now: Time) -> Span {
        Span { from: self.start.max(now), to: self.end }
    }
}

/// From an instant until before another; empty if that is not later.
#[derive(Clone, Copy, Debug)]
pub(super) struct Span {
    pub(super) from: Time,
    pub(super) to: Time,
}

impl Span {
    pub(super) const EMPTY: Self = Self { from: Time::NEVER, to: Time::ZERO };

    pub(super) fn is_empty(self) -> bool {
        self.from >= self.to
    }

    /// The shortest span around both.
    pub(super) fn around(self, other: Self) -> Self {
        match (self.is_empty(), other.is_empty()) {
            (true, _) => other,
            (_, true) => self,
            _ => Self { from: self.from.min(other.from), to: self.to.max(other.to) },
        }
    }

    pub(super) fn overlaps(self, other: Self) -> bool {
        self.from.max(other.from) < self.to.min(other.to)
    }
}
