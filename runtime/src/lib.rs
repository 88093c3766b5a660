//! The live cluster: a master that places tasks with the same strategies as the simulator, workers that run them in
//! containers, and stores that keep the records.
//!
//! ```text
//!   clients ──gRPC, HTTP──▶ master ◀──gRPC──▶ worker ──▶ executor: docker | process | emulated
//!                             │                  │
//!                    store: SQLite | MongoDB     └─ data folder: identity, journal, logs
//! ```
//!
//! Both sides are a synchronous core (events in, actions out; no I/O, no clock) and a shell of tokio tasks around it that
//! does the I/O. Tests drive the same cores through a network that delays, drops, duplicates and reorders messages.
//!
//! - [`master`]: its core, its shell, gRPC, HTTP and WebSocket; [`worker`]: its core, its shell, executors, journal
//! - [`record`]: what is kept of tasks, workers and results
//! - [`store`]: where it is kept: one trait, SQLite and MongoDB
//! - [`limits`]: what a submission may ask for; [`security`]: tokens and TLS; [`clock`]: the time that leases go by
//!
//! A cluster in one process, whose worker sleeps instead of running containers:
//!
//! ```
//! use cloudai_runtime::master::submission::Submission;
//! use cloudai_runtime::master::{self, MasterSettings};
//! use cloudai_runtime::record::Status;
//! use cloudai_runtime::store::{self, StoreSettings};
//! use cloudai_runtime::worker::{self, ExecutorKind, WorkerSettings};
//! use cloudai_schedulers::Registry;
//! use futures_util::StreamExt as _;
//!
//! # #[tokio::main]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let folder = tempfile::tempdir()?;
//! let mut records = StoreSettings::default();
//! records.data_dir = folder.path().to_owned();
//! let mut settings = MasterSettings::default();
//! settings.grpc.set_port(0); // any that is free
//! settings.http.set_port(0);
//! let running = master::start(settings, Registry::builtin(), store::open(&records).await?).await?;
//!
//! let mut settings = WorkerSettings::default();
//! settings.worker_id = "w1".to_owned();
//! settings.listen.set_port(0);
//! settings.master = running.grpc.to_string();
//! settings.executor = ExecutorKind::Emulated;
//! settings.data_dir = folder.path().to_owned();
//! settings.guard = Vec::new(); // nothing can outlive this process
//! let worker = worker::start(settings).await?;
//!
//! let task: Submission = serde_json::from_str(r#"{"docker_image": "alpine", "emulated_s": 0.01}"#)?;
//! let task = running.master.submit(vec![task.check(&Default::default())?]).await?.remove(0);
//! let changes = running.master.watch(&task.task_id).await?;
//! let last = Box::pin(changes).fold(None, |_, now| async { now.ok() }).await;
//! assert_eq!(last.map(|task| task.record.status), Some(Status::Completed));
//!
//! worker.stop().await?;
//! running.stop().await;
//! # Ok(())
//! # }
//! ```
//!
//! # What is promised
//!
//! - A submission that was acknowledged is never lost: it is in the store before the answer is sent.
//! - At most one attempt of a task runs at a time. An attempt and its number are in the store before its worker hears of
//!   it; a worker that is cut off stops its tasks when its lease runs out, and only later does the master start them
//!   elsewhere; messages of another attempt or another session of a worker are refused.
//! - A result is kept by the worker until the master has stored it.

pub mod clock;
pub mod limits;
pub mod master;
pub mod record;
pub mod security;
pub mod store;
pub mod worker;
