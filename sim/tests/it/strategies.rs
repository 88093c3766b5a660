//! Strategies made for tests.

use std::sync::{Arc, Mutex};

use cloudai_schedulers::{
    Capabilities, ClusterEvent, ClusterView, QueueCursor, Scheduler, SchedulingContext, TaskId, WorkerId,
    WorkloadProfile,
};

/// What a test's strategy writes down.
pub(crate) type Log = Arc<Mutex<Vec<String>>>;

/// A strategy whose pass is a closure; it logs what it hears.
pub(crate) struct Play<F> {
    pass: F,
    capabilities: Capabilities,
    heard: Log,
}

/// A strategy that passes whatever happens.
pub(crate) fn play<F: FnMut(&mut SchedulingContext<'_>) + Send>(pass: F) -> Play<F> {
    Play { pass, capabilities: Capabilities::new().with_gangs(), heard: Log::default() }
}

impl<F> Play<F> {
    /// It wants a pass even while the queue is empty.
    pub(crate) fn always(mut self) -> Self {
        self.capabilities = self.capabilities.with_preemption();
        self
    }

    /// What it heard so far.
    pub(crate) fn heard(&self) -> Log {
        Arc::clone(&self.heard)
    }
}

impl<F: FnMut(&mut SchedulingContext<'_>) + Send> Scheduler for Play<F> {
    fn supports(&self) -> Capabilities {
        self.capabilities
    }

    fn attach(&mut self, _: &ClusterView<'_>, _: &WorkloadProfile) {}

    fn observe(&mut self, event: &ClusterEvent, view: &ClusterView<'_>) {
        let text = match *event {
            ClusterEvent::TaskArrived(task) => format!("arrived {}", task.index()),
            ClusterEvent::TaskReleased(task) => format!("released {}", task.index()),
            ClusterEvent::TransferOver(task) => format!("transfer {}", task.index()),
            ClusterEvent::TaskStarted(task) => format!("started {}", task.index()),
            ClusterEvent::TaskEnded { task, state, .. } => format!("ended {} {state:?}", task.index()),
            ClusterEvent::TaskRequeued(task) => format!("requeued {}", task.index()),
            ref other => format!("{other:?}"),
        };
        self.heard.lock().unwrap().push(format!("{} {text}", view.now()));
    }

    fn schedule(&mut self, cx: &mut SchedulingContext<'_>) {
        (self.pass)(cx);
    }
}

/// Starts whatever fits, in queue order, on the first worker that it fits on.
pub(crate) fn start_all(cx: &mut SchedulingContext<'_>) {
    let mut cursor = QueueCursor::default();
    while let Some(task) = cx.next_queued(&mut cursor) {
        let placement = cx.view().place_in_order(task, cx.view().feasible(task));
        if let Some(placement) = placement {
            cx.place(task, &placement).unwrap();
        }
    }
}

/// The task of this index, if it is alive.
pub(crate) fn task(view: &ClusterView<'_>, index: u32) -> Option<TaskId> {
    view.tasks().find(|task| task.index() == index)
}

/// Starts the task of this index on this worker.
pub(crate) fn start(cx: &mut SchedulingContext<'_>, index: u32, worker: u32) {
    let id = task(&cx.view(), index).unwrap();
    cx.assign(id, WorkerId(worker)).unwrap();
}

/// Preempts the task of this index.
pub(crate) fn stop(cx: &mut SchedulingContext<'_>, index: u32) {
    let id = task(&cx.view(), index).unwrap();
    let attempt = cx.view().task(id).unwrap().attempt();
    cx.preempt(id, attempt).unwrap();
}

/// Indices of the queue, in its order.
pub(crate) fn queue(cx: &SchedulingContext<'_>) -> Vec<u32> {
    cx.view().queue().map(TaskId::index).collect()
}
