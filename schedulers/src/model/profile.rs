//! What may be known of a workload beforehand.

use serde::{Deserialize, Serialize};

use super::{ConstraintId, Request};

/// One kind of request and how many tasks make it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShapeCount {
    /// Resources of the task, or of each replica.
    pub request: Request,
    /// Which workers may run it.
    pub constraint: ConstraintId,
    /// Number of replicas.
    pub replicas: u32,
    /// How many tasks have this shape.
    pub count: u64,
}

/// The shapes of a workload's tasks and their frequencies.
///
/// In simulation the scenario's own (foreknowledge, which a report states); live, the recent tasks'.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct WorkloadProfile {
    /// The distinct shapes, most frequent first, ties in order of first appearance; at most
    /// [`WorkloadProfile::MAX_SHAPES`].
    pub shapes: Vec<ShapeCount>,
    /// Tasks in all, those of shapes beyond the limit included.
    pub tasks: u64,
}

impl WorkloadProfile {
    /// How many distinct shapes are told apart; tasks of later ones are only counted in `tasks`.
    pub const MAX_SHAPES: usize = 65_536;
}
