//! A static plan: everything bound into lanes beforehand, blocked tasks too, as HEFT does.

use std::collections::HashMap;

use cloudai_schedulers::{
    Capabilities, ClusterView, Duration, Scheduler, SchedulingContext, TaskId, Time, WorkerId,
    WorkloadProfile,
};

use crate::driver::Driver;
use crate::support::{job, worker};

/// HEFT without insertion (Topcuoglu et al. 2002), planned once from the graph in the view.
#[derive(Debug, Default)]
struct Heft;

fn upward_rank(view: &ClusterView<'_>, task: TaskId, known: &mut HashMap<u32, Duration>) -> Duration {
    if let Some(&rank) = known.get(&task.index()) {
        return rank;
    }
    let mut behind = Duration::ZERO;
    for (next, transfer) in view.successors(task) {
        behind = behind.max(transfer.saturating_add(upward_rank(view, next, known)));
    }
    let rank = view.expected_nominal(task).saturating_add(behind);
    known.insert(task.index(), rank);
    rank
}

impl Scheduler for Heft {
    fn supports(&self) -> Capabilities {
        Capabilities::new()
    }

    fn attach(&mut self, _: &ClusterView<'_>, _: &WorkloadProfile) {}

    fn schedule(&mut self, cx: &mut SchedulingContext<'_>) {
        let view = cx.view();
        let mut ranks = HashMap::new();
        let mut order: Vec<TaskId> = view.tasks().collect();
        order.sort_by_key(|&task| (std::cmp::Reverse(upward_rank(&view, task, &mut ranks)), task));
        let mut free = vec![Time::ZERO; view.worker_count()];
        let mut ends: HashMap<u32, (Time, WorkerId)> = HashMap::new();
        let mut plan = Vec::new();
        for task in order {
            let finish = |worker: WorkerId| {
                let inputs = view.predecessors(task).map(|(from, transfer)| {
                    let (end, at) = ends[&from.index()];
                    if at == worker { end } else { end + transfer }
                });
                let start = inputs.max().unwrap_or_default().max(free[worker.index()]);
                start + view.expected_run(task, worker)
            };
            let best = view.workers().map(|worker| (finish(worker.id()), worker.id())).min().unwrap();
            free[best.1.index()] = best.0;
            ends.insert(task.index(), best);
            plan.push((task, best.1));
        }
        for (task, worker) in plan {
            let state = cx.view().task(task).unwrap().state();
            if !state.holds_resources() && cx.view().task(task).unwrap().lane().is_none() {
                cx.bind(task, worker).unwrap();
            }
        }
    }
}

#[test]
fn lanes_carry_a_plan_out_in_its_order() {
    let jobs = [
        job(0, 0, 5, 1),
        job(1, 0, 10, 1).after(0, 2),
        job(2, 0, 4, 1).after(0, 2),
        job(3, 0, 3, 1).after(1, 2).after(2, 2),
        // Could start at once on worker 1, but is planned behind task 2.
        job(4, 0, 1, 1),
    ];
    let mut driver = Driver::new(vec![worker(1, 0), worker(1, 0)], &jobs);
    // Ranks 22, 15, 9, 3, 1. Task 1 follows task 0 on worker 0 (15 against 17), task 2 goes to worker 1 (11 against
    // 19), task 3 to worker 0 (18 against 20), task 4 to worker 1 (12 against 19).
    assert_eq!(
        driver.run(&mut Heft).unwrap(),
        [
            "0.1 w0 0-5 completed",
            "2.1 w1 7-11 completed",
            "4.1 w1 11-12 completed",
            "1.1 w0 5-15 completed",
            "3.1 w0 15-18 completed",
        ]
    );
    assert_eq!(driver.passes, 1, "one pass plans everything, lanes do the rest");
}

#[test]
fn a_plan_moves_when_the_head_of_a_lane_is_cancelled() {
    let jobs = [job(0, 0, 5, 1), job(1, 0, 10, 1).after(0, 2), job(2, 0, 4, 1).after(0, 2), job(4, 0, 1, 1)];
    let mut driver = Driver::new(vec![worker(1, 0), worker(1, 0)], &jobs);
    driver.cancel_at(3, 2);
    assert_eq!(
        driver.run(&mut Heft).unwrap(),
        ["4.1 w1 3-4 completed", "0.1 w0 0-5 completed", "1.1 w0 5-15 completed"]
    );
}
