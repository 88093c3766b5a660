//! A fresh strategy attached in the middle of a run goes on like the old one.

use std::collections::VecDeque;

use cloudai_schedulers::{
    Capabilities, ClusterEvent, ClusterView, Scheduler, SchedulingContext, TaskId, TaskState, WorkerId,
    WorkloadProfile,
};

use crate::driver::Driver;
use crate::reservations::Easy;
use crate::support::{Job, job, worker};

/// First come first served over a queue of its own, built from what it hears: it depends on hearing everything,
/// and on `attach` telling it the rest.
#[derive(Debug, Default)]
struct Hearsay {
    queue: VecDeque<TaskId>,
}

impl Hearsay {
    fn take_in(&mut self, view: &ClusterView<'_>, task: TaskId) {
        if view.task(task).is_some_and(|task| task.state() == TaskState::Queued)
            && !self.queue.contains(&task)
        {
            let key = |task: TaskId| (view.task(task).map(|task| task.eligible()), task);
            let place = self.queue.partition_point(|&other| key(other) < key(task));
            self.queue.insert(place, task);
        }
    }
}

impl Scheduler for Hearsay {
    fn supports(&self) -> Capabilities {
        Capabilities::new()
    }

    fn attach(&mut self, view: &ClusterView<'_>, _: &WorkloadProfile) {
        self.queue = view.queue().collect();
    }

    fn observe(&mut self, event: &ClusterEvent, view: &ClusterView<'_>) {
        match *event {
            ClusterEvent::TaskArrived(task)
            | ClusterEvent::TaskReleased(task)
            | ClusterEvent::TaskRequeued(task) => self.take_in(view, task),
            ClusterEvent::TaskEnded { task, .. } => self.queue.retain(|&other| other != task),
            _ => {}
        }
    }

    fn schedule(&mut self, cx: &mut SchedulingContext<'_>) {
        assert_eq!(self.queue, cx.view().queue().collect::<Vec<_>>());
        while let Some(&task) = self.queue.front()
            && cx.assign(task, WorkerId(0)).is_ok()
        {
            self.queue.pop_front();
        }
    }
}

fn jobs() -> Vec<Job> {
    // An arithmetic mess: arrivals 0 to 60, runs 1 to 23, 1 to 7 cores, estimates right, short and long.
    let spread = |index: u32, factor: u32, modulus: u32| u64::from(index * factor % modulus);
    let mut jobs: Vec<Job> = (0..40)
        .map(|index| {
            let run = 1 + spread(index, 17, 23);
            job(index, spread(index, 11, 61), run, 1 + spread(index, 5, 7))
                .estimate(run + 3 - spread(index, 3, 5).min(run + 2))
        })
        .collect();
    for index in 30..40 {
        jobs[index as usize] = jobs[index as usize].clone().after(index - 20, 2);
    }
    jobs
}

fn run(restart_after: Option<usize>, fresh: impl Fn() -> Box<dyn Scheduler>) -> Vec<String> {
    let mut driver = Driver::new(vec![worker(10, 0)], &jobs());
    driver.cancel_at(17, 8);
    driver.cancel_at(33, 25);
    let mut strategy = fresh();
    driver.attach(&mut *strategy);
    let mut steps = 0;
    while driver.step(&mut *strategy) {
        steps += 1;
        if restart_after == Some(steps) {
            strategy = fresh();
            driver.attach(&mut *strategy);
        }
    }
    assert_eq!(driver.ended.len(), 40);
    driver.schedule()
}

#[test]
fn a_restart_at_any_instant_changes_nothing() {
    let strategies: [fn() -> Box<dyn Scheduler>; 2] = [|| Box::new(Easy), || Box::new(Hearsay::default())];
    for fresh in strategies {
        let uninterrupted = run(None, fresh);
        assert!(uninterrupted.len() >= 38);
        for instant in 1..60 {
            assert_eq!(run(Some(instant), fresh), uninterrupted, "restarted after {instant} instants");
        }
    }
}
