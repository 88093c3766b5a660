//! The domain model: units, resources, tasks, workers.
//!
//! - [`units`](self): [`Time`], [`Duration`] in microseconds, [`Speed`]
//! - resources: [`Request`] of a task, [`Capacity`] of a worker, [`GpuRequest`]
//! - tasks: [`TaskSpec`] as a strategy may know it, [`TaskId`]
//! - workers: [`WorkerSpec`], [`Constraint`] that a task puts on them
//! - [`Checkpoints`]: what an attempt that does not get to its end leaves to the next one
//! - [`WorkloadProfile`]: what may be known of a workload beforehand

mod checkpoint;
mod profile;
mod resources;
mod task;
mod units;
mod worker;

pub(crate) use checkpoint::left_of;
pub use checkpoint::{Checkpoints, Progress};
pub use profile::{ShapeCount, WorkloadProfile};
pub use resources::{Capacity, GpuRequest, MAX_GPUS_PER_WORKER, MILLI_PER_GPU, Request};
pub(crate) use resources::{billionths, share};
pub use task::{ConstraintId, FamilyId, TaskId, TaskSpec, UserId};
pub use units::{Duration, MAX_MICROS, Speed, Time};
pub use worker::{Constraint, WorkerId, WorkerSpec};
