//! The scheduling core of CloudAI: the model of tasks and workers, the cluster's state machine, the [`Scheduler`] trait,
//! the built-in strategies, and the [`Registry`] that finds them by name.
//!
//! It is plain synchronous Rust: no clock, no I/O, no threads. A *driver* owns the time and the outside world. It tells
//! the [`Cluster`] what happens ([`Event`]), lets a strategy look at the cluster and decide, and carries out what the
//! cluster asks for ([`Effect`]). The simulator in `cloudai-sim` is such a driver.
//!
//! ```text
//!                 Event                         Effect
//!      driver ─────────────▶     Cluster     ─────────────▶ driver
//!                               │       ▲
//!  ClusterView, ClusterEvent    │       │   Decision: checked, then applied whole,
//!                               ▼       │   or answered with a Refusal
//!                               Scheduler
//! ```
//!
//! What lives where:
//!
//! - [`model`]: units, resources, tasks, workers. Time and resources are integers
//! - [`cluster`]: the state machine, and the data that goes in and out of it
//! - [`ClusterView`]: what a strategy sees; it has no field for a true run time
//! - [`SchedulingContext`]: what a strategy holds during a pass: the view, and the verbs that decide
//! - [`strategies`]: the built-in strategies, each in a file of its own; [`registry`]: specs and parameters
//! - [`invariants`]: what must hold of a cluster at any time
//!
//! # A cluster, driven by hand
//!
//! ```
//! use cloudai_schedulers::{
//!     Capacity, Cluster, ClusterConfig, Duration, Effect, Event, Registry, Request, TaskSpec, TaskState, Time,
//!     WorkerSpec, WorkloadProfile,
//! };
//!
//! let capacity = Capacity { cpu_milli: 4000, ..Capacity::default() };
//! let worker = WorkerSpec { name: "a".to_owned(), capacity, ..WorkerSpec::default() };
//! let mut strategy = Registry::builtin().build(&"fcfs".parse()?)?;
//! let mut config = ClusterConfig::default();
//! config.indexes = strategy.supports().indexes;
//! let mut cluster = Cluster::new(config, vec![worker])?;
//! strategy.attach(&cluster.view(), &WorkloadProfile::default());
//!
//! // Two tasks arrive that do not fit side by side.
//! let request = Request { cpu_milli: 3000, ..Request::default() };
//! let spec = |index| TaskSpec { index, request, replicas: 1, ..TaskSpec::default() };
//! let (first, second) = (cluster.submit(spec(0)), cluster.submit(spec(1)));
//!
//! // The strategy hears of them and passes once: the head of the queue starts.
//! cluster.notify(strategy.as_mut());
//! cluster.pass(strategy.as_mut());
//! let mut effects = Vec::new();
//! cluster.take_effects(&mut effects);
//! assert_eq!(effects, [Effect::Start { task: first, attempt: 1 }]);
//!
//! // The driver has started it, and says so. The instant is over.
//! cluster.apply(Event::Started { task: first, attempt: 1 })?;
//! assert_eq!(cluster.view().task(first).map(|task| task.state()), Some(TaskState::Running));
//! cluster.end_instant();
//!
//! // Ten seconds later it completes, and the next pass starts the other one.
//! cluster.advance(Time::ZERO + Duration::from_secs(10))?;
//! cluster.apply(Event::Completed { task: first, attempt: 1 })?;
//! cluster.notify(strategy.as_mut());
//! cluster.pass(strategy.as_mut());
//! assert_eq!(cluster.view().task(second).map(|task| task.state()), Some(TaskState::Assigned));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # How to write a strategy
//!
//! Implement [`Scheduler`], describe it in a [`StrategyInfo`], and [register](Registry::register) it. This one lives in
//! no workspace but its own, and is complete: it starts the tasks that are expected to be shortest first, each on the
//! first worker that it fits on.
//!
//! ```
//! use cloudai_schedulers::{
//!     Capabilities, ClusterView, Kind, Registry, Scheduler, SchedulingContext, StrategyInfo, TaskId, WorkloadProfile,
//! };
//!
//! struct ShortestFirst;
//!
//! impl Scheduler for ShortestFirst {
//!     fn supports(&self) -> Capabilities {
//!         Capabilities::new()
//!     }
//!
//!     fn attach(&mut self, _: &ClusterView<'_>, _: &WorkloadProfile) {} // it keeps no state
//!
//!     fn schedule(&mut self, cx: &mut SchedulingContext<'_>) {
//!         let view = cx.view();
//!         let mut queue: Vec<TaskId> = view.queue().collect();
//!         queue.sort_by_key(|&task| (view.expected_nominal(task), task));
//!         for task in queue {
//!             if let Some(worker) = cx.view().first_fit(task) {
//!                 let _ = cx.assign(task, worker); // refused: then it waits
//!             }
//!         }
//!     }
//! }
//!
//! const SHORTEST_FIRST: StrategyInfo = StrategyInfo {
//!     name: "shortest_first",
//!     aliases: &[],
//!     about: "queue: shortest expected run time first, on the first worker that it fits on",
//!     kind: Kind::Queue,
//!     source: "shortest processing time first (Smith 1956)",
//!     complexity: "O(Q log Q + S log W) per pass with S starts",
//!     params: &[],
//!     build: |_| Box::new(ShortestFirst),
//! };
//!
//! let mut registry = Registry::builtin();
//! registry.register(SHORTEST_FIRST)?;
//!
//! // On a cluster that has room for one of these three at a time, the shortest starts.
//! # use cloudai_schedulers::*;
//! let mut strategy = registry.build(&"shortest_first".parse()?)?;
//! let capacity = Capacity { cpu_milli: 1000, ..Capacity::default() };
//! let workers = vec![WorkerSpec { name: "a".to_owned(), capacity, ..WorkerSpec::default() }];
//! let mut cluster = Cluster::new(ClusterConfig::default(), workers)?;
//! strategy.attach(&cluster.view(), &WorkloadProfile::default());
//! let request = Request { cpu_milli: 1000, ..Request::default() };
//! let tasks: Vec<TaskId> = [30, 10, 20]
//!     .into_iter()
//!     .zip(0..)
//!     .map(|(seconds, index)| {
//!         let estimate = Some(Duration::from_secs(seconds));
//!         cluster.submit(TaskSpec { index, request, replicas: 1, estimate, ..TaskSpec::default() })
//!     })
//!     .collect();
//! cluster.pass(strategy.as_mut());
//! let state = |task| cluster.view().task(task).map(|task| task.state());
//! assert_eq!(state(tasks[1]), Some(TaskState::Assigned));
//! assert_eq!(cluster.view().queue().collect::<Vec<_>>(), [tasks[0], tasks[2]]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! What to know:
//!
//! - **One pass an instant.** [`Scheduler::schedule`] is called once for an instant in which something happened, after all
//!   events of that instant. With an empty queue the pass is left out, unless a wake-up is due or
//!   [`Capabilities::preemption`] asks for it. What a pass makes happen at the same instant gets a further pass.
//! - **Every decision is checked.** An accepted one is applied at once, so that the next line sees the result; a refused one
//!   changes nothing, and the [`Refusal`] says why.
//! - **Walk the queue with a cursor** where order of arrival is what you want: [`SchedulingContext::next_queued`] stays
//!   valid while tasks are started.
//! - **Dependencies, transfers, GPU models and labels are seen to.** Blocked tasks are not in the queue, and the finders of
//!   the view ([`ClusterView::first_fit`], [`ClusterView::best_fit`], [`ClusterView::feasible`]) offer only workers on which
//!   the task may start now. Gangs are opt-in: [`Capabilities::with_gangs`], [`ClusterView::place_in_order`],
//!   [`SchedulingContext::place`].
//! - **Private state comes from the view.** [`Scheduler::attach`] may be called on a cluster in full swing: after a restart,
//!   a switch of strategy, or a clone. [`Scheduler::observe`] keeps it up to date; it hears what has happened since the last
//!   pass, in order, and may then look at a view in which a task of an earlier event has already left the cluster.
//! - **Be deterministic.** Break ties by index, draw from [`SchedulingContext::rng`], iterate over no hash map, and take
//!   transcendental functions from `libm`.
//! - **Ask for an index** ([`Capabilities::with_best_fit`], [`Capabilities::with_committed_work`]) if the strategy makes many
//!   such queries; without it the answers are the same, by looking at every worker.

pub mod cluster;
mod context;
mod index;
pub mod invariants;
pub mod model;
mod prefetch;
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
pub use index::{Demand, Indexes};
pub use model::*;
pub use prefetch::prefetch;
pub use registry::{Kind, ParamInfo, ParamKind, Params, Registry, RegistryError, StrategyInfo, StrategySpec};
pub use scheduler::{Capabilities, Scheduler};
pub use view::{ClusterView, Input, InputState, TaskView, WorkerView};
