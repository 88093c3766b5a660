//! The task table: a slab of records whose slots are reused.

use serde::{Deserialize, Serialize};

use super::placement::Placement;
use crate::model::{ConstraintId, Duration, TaskId, TaskSpec, Time, WorkerId};
use crate::prefetch;

/// "No slot": the end of a list.
pub(crate) const NIL: u32 = u32::MAX;

/// Where a task is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TaskState {
    /// Waits for predecessors.
    Blocked,
    /// In the central queue.
    Queued,
    /// In a worker's lane.
    Bound,
    /// Holds its resources; the start is not yet confirmed.
    Assigned,
    /// Runs.
    Running,
    /// Holds its resources until its stop is confirmed.
    Stopping,
    /// Ended by itself.
    Completed,
    /// Ended badly, or at its time limit.
    Failed,
    /// Ended because somebody, or a predecessor's failure, cancelled it.
    Cancelled,
    /// Turned away by the strategy, or by a full cluster under `on_full = "reject"`.
    Rejected,
}

impl TaskState {
    /// True once nothing more can happen to the task.
    #[must_use]
    pub const fn is_terminal(self) -> bool {
        matches!(self, Self::Completed | Self::Failed | Self::Cancelled | Self::Rejected)
    }

    /// True while the task holds resources.
    #[must_use]
    pub const fn holds_resources(self) -> bool {
        matches!(self, Self::Assigned | Self::Running | Self::Stopping)
    }

    /// True while the task waits for a worker: queued or in a lane.
    #[must_use]
    pub const fn is_waiting(self) -> bool {
        matches!(self, Self::Queued | Self::Bound)
    }

    /// The state as it is stored and shown: pending, running, completed, failed or cancelled.
    #[must_use]
    pub const fn shown(self) -> &'static str {
        match self {
            Self::Blocked | Self::Queued | Self::Bound | Self::Assigned => "pending",
            Self::Running | Self::Stopping => "running",
            Self::Completed => "completed",
            Self::Failed | Self::Rejected => "failed",
            Self::Cancelled => "cancelled",
        }
    }
}

/// What becomes of a task once its stop is confirmed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AfterStop {
    Requeue,
    Cancel,
}

/// A task: what changes, and what it is. In whole lines of the cache, as few as can be.
#[derive(Clone, Debug)]
#[repr(align(64))]
pub(crate) struct TaskRecord {
    /// Identity of the tenant; `NIL` in a free slot.
    pub(crate) index: u32,
    pub(crate) state: TaskState,
    pub(crate) after_stop: AfterStop,
    /// One replica, for any worker, without GPU: what it asks for is amounts, no more.
    pub(crate) plain: bool,
    /// Number of the current or last attempt; 0 before the first.
    pub(crate) attempt: u32,
    /// The worker of the lane that the task waits in, or went through.
    pub(crate) lane: Option<WorkerId>,
    pub(crate) placement: Placement,
    /// Where it stands in the list of what runs on its worker, as far as is known.
    pub(crate) listed_at: u32,
    /// Maximum of arrival and the last predecessor's end.
    pub(crate) eligible: Time,
    pub(crate) assigned_at: Time,
    /// Confirmed start of the current attempt; `NEVER` before.
    pub(crate) started_at: Time,
    pub(crate) expected_end: Time,
    /// The nominal run time that was expected when the current attempt was assigned.
    pub(crate) expected: Duration,
    /// Time run in earlier attempts.
    pub(crate) attained: Duration,
    /// What was known when it arrived, with at least one replica.
    pub(crate) spec: TaskSpec,
}

/// A task's place in the queue, apart from its record: a walk along a deep queue passes over most tasks by what stands
/// here alone.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Link {
    /// Neighbours. `next` survives removal until the end of the instant, so that cursors go on.
    pub(crate) prev: u32,
    pub(crate) next: u32,
    /// What the task asks for.
    pub(crate) cpu_milli: u64,
}

impl TaskRecord {
    fn vacant() -> Self {
        Self {
            index: NIL,
            state: TaskState::Completed,
            after_stop: AfterStop::Requeue,
            plain: false,
            attempt: 0,
            lane: None,
            placement: Placement::default(),
            listed_at: 0,
            eligible: Time::ZERO,
            assigned_at: Time::NEVER,
            started_at: Time::NEVER,
            expected_end: Time::NEVER,
            expected: Duration::ZERO,
            attained: Duration::ZERO,
            spec: TaskSpec::default(),
        }
    }

    /// A new task moves in. What an assignment writes before anybody reads it stays as the last tenant left it.
    #[inline(always)]
    fn take_tenant(&mut self, spec: &TaskSpec, estimate: Option<Duration>) {
        self.index = spec.index;
        self.plain = spec.replicas <= 1 && spec.constraint == ConstraintId::ANY && spec.request.gpu.is_none();
        self.attempt = 0;
        self.lane = None;
        self.placement = Placement::default();
        self.eligible = spec.arrival;
        (self.assigned_at, self.started_at, self.expected_end) = (Time::NEVER, Time::NEVER, Time::NEVER);
        (self.expected, self.attained) = (Duration::ZERO, Duration::ZERO);
        // What the core relies on, whatever a driver says.
        self.spec = TaskSpec { replicas: spec.replicas.max(1), estimate, ..*spec };
    }
}

/// All tasks that are alive, and those that ended in this instant.
///
/// A clone copies the lists as blocks but for the placements, which is cheap enough for rollouts. (Specs in an `Arc`, shared
/// with the clones, would save a third of that, and cost every arrival an atomic operation.)
#[derive(Clone, Debug, Default)]
pub(crate) struct TaskTable {
    records: Vec<TaskRecord>,
    links: Vec<Link>,
    /// Slots without a task. The last `ended` of them had theirs until this instant.
    free: Vec<u32>,
    /// Slots that are not given to others before [`TaskTable::recycle`].
    ended: usize,
}

impl TaskTable {
    /// Takes a task in that becomes eligible as it arrives.
    #[inline(always)]
    pub(crate) fn insert(&mut self, spec: &TaskSpec, estimate: Option<Duration>) -> TaskId {
        let slot = match self.free.len().checked_sub(self.ended + 1) {
            Some(last) => self.free.swap_remove(last),
            None => self.grow(),
        };
        self.records[slot as usize].take_tenant(spec, estimate);
        self.links[slot as usize] = Link { prev: NIL, next: NIL, cpu_milli: spec.request.cpu_milli };
        TaskId { index: spec.index, slot }
    }

    /// One more slot.
    #[cold]
    fn grow(&mut self) -> u32 {
        self.records.push(TaskRecord::vacant());
        self.links.push(Link::default());
        // More than 2^32 - 2 tasks alive at once do not fit any memory this runs in.
        u32::try_from(self.records.len() - 1).unwrap_or(NIL)
    }

    /// The record of `id`, or `None` if the task has ended and its slot was given back.
    #[inline(always)]
    pub(crate) fn get(&self, id: TaskId) -> Option<&TaskRecord> {
        self.records.get(id.slot()).filter(|record| record.index == id.index && id.index != NIL)
    }

    #[inline(always)]
    pub(crate) fn get_mut(&mut self, id: TaskId) -> Option<&mut TaskRecord> {
        self.records.get_mut(id.slot()).filter(|record| record.index == id.index && id.index != NIL)
    }

    /// The task in a slot; `None` if there is none.
    #[inline(always)]
    pub(crate) fn tenant(&self, slot: usize) -> Option<(TaskId, &TaskRecord)> {
        let record = self.records.get(slot).filter(|record| record.index != NIL)?;
        Some((TaskId { index: record.index, slot: u32::try_from(slot).ok()? }, record))
    }

    /// The record in a slot known to be taken.
    #[inline(always)]
    pub(crate) fn at(&self, slot: u32) -> &TaskRecord {
        &self.records[slot as usize]
    }

    #[inline(always)]
    pub(crate) fn at_mut(&mut self, slot: u32) -> &mut TaskRecord {
        &mut self.records[slot as usize]
    }

    #[inline(always)]
    pub(crate) fn link(&self, slot: u32) -> &Link {
        &self.links[slot as usize]
    }

    #[inline(always)]
    pub(crate) fn link_mut(&mut self, slot: u32) -> &mut Link {
        &mut self.links[slot as usize]
    }

    /// What follows `slot` in the queue; nothing if the slot is that of another table, a fork's.
    #[inline]
    pub(crate) fn next_of(&self, slot: u32) -> u32 {
        self.links.get(slot as usize).map_or(NIL, |link| link.next)
    }

    /// Where the task in a slot stands or stood in the queue: (eligible, id); nothing if the slot is that of another
    /// table, a fork's.
    #[inline]
    pub(crate) fn place_of(&self, slot: u32) -> Option<(Time, TaskId)> {
        let record = self.records.get(slot as usize)?;
        Some((record.eligible, TaskId { index: record.index, slot }))
    }

    #[inline(always)]
    pub(crate) fn spec(&self, slot: u32) -> &TaskSpec {
        &self.records[slot as usize].spec
    }

    #[inline]
    pub(crate) fn id_at(&self, slot: u32) -> TaskId {
        TaskId { index: self.records[slot as usize].index, slot }
    }

    /// Marks a slot for recycling at the end of the instant.
    #[inline(always)]
    pub(crate) fn retire(&mut self, slot: u32) {
        self.free.push(slot);
        self.ended += 1;
    }

    /// Gives the slots of ended tasks back.
    #[inline(always)]
    pub(crate) fn recycle(&mut self) {
        while let Some(last) = self.ended.checked_sub(1) {
            let slot = self.free[self.free.len() - self.ended];
            self.records[slot as usize].index = NIL;
            self.ended = last;
        }
    }

    /// Asks for the memory of a task that is about to end.
    #[inline(always)]
    pub(crate) fn prefetch(&self, slot: usize) {
        if let Some(record) = self.records.get(slot) {
            prefetch(record);
        }
    }

    /// Tasks that have not ended, in slot order.
    pub(crate) fn alive(&self) -> impl Iterator<Item = TaskId> {
        (0u32..)
            .zip(&self.records)
            .filter(|(_, record)| record.index != NIL && !record.state.is_terminal())
            .map(|(slot, record)| TaskId { index: record.index, slot })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_takes_three_lines() {
        assert_eq!(size_of::<TaskRecord>(), 3 * 64);
    }
}
