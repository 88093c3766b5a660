//! Tasks as a strategy may know them: everything but the true run time.

use std::cmp::Ordering;
use std::fmt;

use serde::{Deserialize, Serialize};

use super::{Duration, Request, Time};

/// A user, interned: the dense number that the reader gave the name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct UserId(pub u32);

/// Tasks of one user and one image, interned: runs of a family resemble each other.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct FamilyId(pub u32);

/// A set of conditions on workers, interned (see [`Constraint`](super::Constraint)); 0 is "any worker".
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ConstraintId(pub u32);

impl ConstraintId {
    /// No condition: every worker will do.
    pub const ANY: Self = Self(0);
}

/// A task in the cluster: its index in the trace, and the slot that holds it.
///
/// The index is the identity: it orders tasks ("index order" is trace order), and a slot that was given
/// to another task since is told apart by it. At most 2^32 - 1 tasks can pass through one cluster.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct TaskId {
    pub(crate) index: u32,
    pub(crate) slot: u32,
}

impl TaskId {
    /// The task's index in the trace (live: in the order of submission).
    #[must_use]
    pub const fn index(self) -> u32 {
        self.index
    }

    /// The slot that holds the task while it is alive: a dense number that drivers and strategies may use
    /// to keep data beside a task. It is given to another task once this one has ended.
    #[must_use]
    pub const fn slot(self) -> usize {
        self.slot as usize
    }
}

impl PartialEq for TaskId {
    fn eq(&self, other: &Self) -> bool {
        self.index == other.index
    }
}

impl Eq for TaskId {}

impl PartialOrd for TaskId {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for TaskId {
    fn cmp(&self, other: &Self) -> Ordering {
        self.index.cmp(&other.index)
    }
}

impl std::hash::Hash for TaskId {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.index.hash(state);
    }
}

impl fmt::Display for TaskId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "task #{}", self.index)
    }
}

/// What the core and a strategy know of a task when it arrives.
///
/// There is no field for the true run time: only the simulator holds it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaskSpec {
    /// Index in the trace, from 0.
    pub index: u32,
    /// Who submitted it.
    pub user: UserId,
    /// Which user and image it belongs to; predictions are made per family.
    pub family: FamilyId,
    /// Resources of the task, or of each replica of a gang.
    pub request: Request,
    /// Number of equal parts that are placed together or not at all; 1 for a plain task.
    pub replicas: u32,
    /// Which workers may run it.
    pub constraint: ConstraintId,
    /// When it arrives.
    pub arrival: Time,
    /// The run time at nominal speed that its user states, if any.
    pub estimate: Option<Duration>,
    /// Higher is more urgent; 0 unless stated.
    pub priority: i32,
    /// When it should have ended, absolute.
    pub deadline: Option<Time>,
}
