//! Strategies that preempt: a task that does not fit may stop others that deserve their place less.
//!
//! All share one pass ([`Preempting`]); they differ in who deserves more ([`Rank`]).
//!
//! - [`priority`]: the higher priority; [`srpt`]: the shorter remaining time; [`las`]: the less attained service
//! - `room.rs`: what will be free once everything that is being stopped has stopped, and who has to go
//!
//! **No eviction for nothing.** Tasks are stopped only where the waiting task then fits, all of them are needed, and what
//! is being stopped anyway counts first. What becomes free is promised to the task that it was made free for: who deserves
//! less gets what is left beside it. So nobody is stopped twice for one task, however long stops take; and the pass needs no
//! memory of what it stopped, so that it goes on after a restart, or when a worker is lost meanwhile.
//!
//! **No ping-pong.** A task that is stopped ranks behind the one that it was stopped for once it is back in the queue. Each
//! [`Rank`] says why that holds.

pub mod las;
pub mod priority;
mod room;
pub mod srpt;

use room::Room;

use crate::{
    Capabilities, ClusterEvent, ClusterView, ParamInfo, ParamKind, Scheduler, SchedulingContext, TaskId,
    TaskView, Time, WorkloadProfile,
};

/// Who deserves a place more: the lower, the more deserving.
pub trait Rank: Send {
    /// The rank of a task that waits.
    fn waiting(&self, view: &ClusterView<'_>, task: TaskView<'_>) -> i64;

    /// The rank of a task that holds resources, by which it may be stopped. Never higher than what it would be waiting
    /// again.
    fn running(&self, view: &ClusterView<'_>, task: TaskView<'_>) -> i64;

    /// True if a waiting task of one rank may stop one that runs, of the other. Only if `waiting < running`, and if for some
    /// `running` then for every higher one.
    fn preempts(&self, waiting: i64, running: i64) -> bool {
        waiting < running
    }

    /// Before anything else: build private state from any view. By default there is none.
    fn attach(&mut self, view: &ClusterView<'_>) {
        let _ = view;
    }

    /// Hears what the strategy hears. By default it does nothing.
    fn observe(&mut self, event: &ClusterEvent, view: &ClusterView<'_>) {
        let _ = (event, view);
    }

    /// Called at the beginning of each pass. By default it does nothing.
    fn begin(&mut self, view: &ClusterView<'_>) {
        let _ = view;
    }

    /// When ranks change although nothing happens; asked at the end of a pass that leaves tasks waiting. By default never.
    fn changes_at(&self, view: &ClusterView<'_>) -> Option<Time> {
        let _ = view;
        None
    }
}

/// How many tasks that do not fit may look for others to stop in a pass.
pub const WINDOW: ParamInfo = ParamInfo {
    name: "window",
    about: "waiting tasks, the most deserving that do not fit, that look for others to stop in a pass",
    kind: ParamKind::Int { default: 64, min: 1, max: 1_000_000 },
};

/// Starts the waiting tasks in order of their rank, ties in queue order, each on the first worker that it fits on. One that
/// does not fit waits for what is being stopped, or stops others, or is passed over.
///
/// A gang fills the workers in index order; to make room for it, tasks are stopped wherever its replicas may run.
#[derive(Debug)]
pub struct Preempting<R> {
    rank: R,
    window: usize,
}

impl<R: Rank> Preempting<R> {
    /// By this rank, with so many tasks that may stop others in a pass.
    #[must_use]
    pub const fn new(rank: R, window: usize) -> Self {
        Self { rank, window }
    }

    /// Waiting tasks by rank, within a rank in queue order.
    fn order(&self, view: &ClusterView<'_>) -> Vec<(i64, TaskId)> {
        let ranked = |task| Some((self.rank.waiting(view, view.task(task)?), task));
        let mut waiting: Vec<(i64, TaskId)> = view.queue().filter_map(ranked).collect();
        waiting.sort_by_key(|&(rank, _)| rank);
        waiting
    }
}

impl<R: Rank> Scheduler for Preempting<R> {
    fn supports(&self) -> Capabilities {
        let mut capabilities = Capabilities::new().with_gangs().with_preemption();
        capabilities.indexes.running_tasks = true;
        capabilities
    }

    fn attach(&mut self, view: &ClusterView<'_>, _: &WorkloadProfile) {
        self.rank.attach(view);
    }

    fn observe(&mut self, event: &ClusterEvent, view: &ClusterView<'_>) {
        self.rank.observe(event, view);
    }

    fn schedule(&mut self, cx: &mut SchedulingContext<'_>) {
        if cx.view().queue_len() == 0 {
            return;
        }
        self.rank.begin(&cx.view());
        let mut room: Option<Room> = None;
        let mut looked = 0;
        for (rank, task) in self.order(&cx.view()) {
            if start(cx, task, &mut room) || looked == self.window {
                continue;
            }
            looked += 1;
            let view = cx.view();
            let room = room.get_or_insert_with(|| Room::of(&view, |task| self.rank.running(&view, task)));
            for (victim, attempt) in room.claim(&view, task, |running| self.rank.preempts(rank, running)) {
                // It holds resources, and that is its attempt; the core has nothing against it.
                let _ = cx.preempt(victim, attempt);
            }
        }
        if cx.view().queue_len() > 0
            && let Some(at) = self.rank.changes_at(&cx.view())
        {
            // A time that is not ahead needs no waking.
            let _ = cx.wake_at(at);
        }
    }
}

/// Starts a task if it fits beside what is promised to others.
fn start(cx: &mut SchedulingContext<'_>, task: TaskId, room: &mut Option<Room>) -> bool {
    let view = cx.view();
    if view.surely_full_for(task) {
        return false;
    }
    let Some(room) = room else {
        let placement = view.place_in_order(task, view.feasible(task));
        return placement.is_some_and(|placement| cx.place(task, &placement).is_ok());
    };
    let Some(placement) = room.place(&view, task) else { return false };
    room.take(&view, task, &placement);
    cx.place(task, &placement).is_ok()
}
