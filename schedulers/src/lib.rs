//! The scheduling core of CloudAI (guide to follow).

pub mod cluster;
mod context;
mod index;
pub mod invariants;
pub mod model;
pub mod registry;
mod scheduler;
pub mod strategies;
mod view;

pub use cluster::{
    Cluster, ClusterConfig, ClusterEvent, Decision, DecisionBatch, DeviceSet, Effect, Event, EventError,
    FailureReason, KnownRunTimes, Part, Placement, QueueCursor, Refusal, Resource, TaskState, Totals,
    WorkerState, choose_devices, strategy_seed,
};
pub use context::SchedulingContext;
pub use index::Indexes;
pub use model::*;
pub use registry::{Kind, ParamInfo, ParamKind, Params, Registry, RegistryError, StrategyInfo, StrategySpec};
pub use scheduler::{Capabilities, Scheduler};
pub use view::{ClusterView, TaskView, WorkerView};
