//! The protocol between the master, the workers and the clients of a live cluster, as `master_worker.proto` has it.
//!
//! ```text
//!    clients ──ClientService──▶ master ──WorkerService──▶ worker
//!                                 ▲                          │
//!                                 └──────MasterService───────┘
//! ```
//!
//! ```
//! use cloudai_proto::v1;
//!
//! let task = v1::Task { task_id: "task-1".to_owned(), cpu_cores: 0.5, attempt: 1, ..v1::Task::default() };
//! assert_eq!(task.docker_image, "", "proto3: what is not set is empty");
//! ```

#![expect(missing_docs, reason = "the generated code carries the comments of the .proto file")]

/// Messages and services of `package cloudai.v1`.
#[allow(clippy::all, clippy::pedantic, unreachable_pub, reason = "generated")]
pub mod v1 {
    tonic::include_proto!("cloudai.v1");
}

/// The compiled descriptors, for gRPC reflection.
pub const DESCRIPTORS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/descriptors.bin"));
