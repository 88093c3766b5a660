//! A strategy that does what a plan says: so that the engine checks the plan, and measures it like any other schedule.

use cloudai_schedulers::{
    Capabilities, ClusterView, Placement, Scheduler, SchedulingContext, TaskId, WorkerId, WorkloadProfile,
};

use super::Assignment;

/// Assigns each task when and where the plan says.
#[derive(Clone, Debug)]
pub(super) struct Replay {
    /// In the order of time.
    plan: Vec<Assignment>,
    next: usize,
}

impl Replay {
    pub(super) const fn new(plan: Vec<Assignment>) -> Self {
        Self { plan, next: 0 }
    }
}

impl Scheduler for Replay {
    fn supports(&self) -> Capabilities {
        Capabilities::new()
    }

    fn attach(&mut self, _: &ClusterView<'_>, _: &WorkloadProfile) {}

    fn schedule(&mut self, cx: &mut SchedulingContext<'_>) {
        let now = cx.view().now();
        while let Some(planned) = self.plan.get(self.next)
            && planned.at <= now
        {
            let task: Option<TaskId> = cx.view().queue().find(|task| task.index() == planned.task);
            let placement = Placement::single(WorkerId(planned.worker), planned.devices);
            // A refusal would be a bug of the plan; the run then ends with the tasks that are left.
            let Some(true) = task.map(|task| cx.place(task, &placement).is_ok()) else { return };
            self.next += 1;
        }
        if let Some(planned) = self.plan.get(self.next) {
            let _ = cx.wake_at(planned.at); // it lies ahead
        }
    }
}
