//! List scheduling of task graphs: [`heft`], [`cpop`], [`peft`].
//!
//! All three plan ahead: they give each task a worker and a start, with the times that data takes between workers and the
//! run times of each pair of task and worker. They differ in the order in which they plan and in how they compare
//! workers, and say so in a `Guide`: a pure function of a `Problem`. What they share:
//!
//! - `problem.rs`: the problem, dense; `classes.rs`: workers that are alike; `rank.rs`: upward and downward ranks
//! - `timeline.rs`: what is free on a worker over time; `plan.rs`: tasks put on timelines, into gaps where they fit
//! - `online.rs`: when to plan, and what to start; `turns.rs`: the order on one worker
//!
//! # From the papers' model to this one
//!
//! In the papers one graph is known from the beginning, a processor runs one task at a time, and every time is exact. Here:
//!
//! - **A worker runs what fits.** A task goes into the first stretch of a worker's timeline in which what it asks for is
//!   free throughout, in every resource and on the same GPU devices. On workers that hold one task at a time that is the
//!   papers' insertion into gaps. Means are taken over the workers that can hold a task.
//! - **Tasks arrive.** A pass plans the tasks that have arrived and whose predecessors have, around what runs (until its
//!   expected end) and what is planned. Several graphs, ends and beginnings are taken as one graph.
//! - **Plans age.** A task that arrives, comes back or loses its worker is *fresh*. Fresh tasks are put into the gaps of
//!   the plan; once the fresh ones since the last full plan are an eighth of those that wait, everything that waits
//!   is planned anew. So a task is planned a bounded number of times on average, however many arrive. A worker that comes
//!   counts as so many fresh tasks as a mean worker has planned for it.
//! - **Times are wrong.** Of the plan, each task's worker and the order on each worker are kept; a task starts as soon as
//!   its turn has come, its data is there and it fits. One that lacks only room lets nothing overtake. One whose data is
//!   not there keeps its turn until its planned start, and then gives way to the tasks behind it until the data is there:
//!   no worker idles for ever while it could start something, and two workers cannot wait for each other.

mod classes;
pub mod cpop;
pub mod heft;
mod online;
pub mod peft;
mod plan;
mod problem;
mod rank;
mod timeline;
mod turns;

pub use online::ListScheduler;
