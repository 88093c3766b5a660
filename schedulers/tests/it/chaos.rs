//! A strategy that decides at random, mostly badly, and checks what it is told.

use cloudai_schedulers::{
    Capabilities, ClusterView, Decision, DeviceSet, Part, Placement, QueueCursor, Scheduler,
    SchedulingContext, TaskId, TaskState, Time, WorkerId, WorkloadProfile,
};
use rand::RngExt;

use crate::support::secs;

#[derive(Clone, Debug, Default)]
pub(crate) struct Chaos;

impl Scheduler for Chaos {
    fn supports(&self) -> Capabilities {
        Capabilities::new().with_gangs().with_preemption()
    }

    fn attach(&mut self, _: &ClusterView<'_>, _: &WorkloadProfile) {}

    fn schedule(&mut self, cx: &mut SchedulingContext<'_>) {
        let mut cursor = QueueCursor::default();
        let mut last: Option<(Time, TaskId)> = None;
        loop {
            // What the cursor must give next, by a scan.
            let key = |task| (cx.view().task(task).unwrap().eligible(), task);
            let expected = cx.view().queue().find(|&task| last.is_none_or(|last| key(task) > last));
            let found = cx.next_queued(&mut cursor);
            assert_eq!(found, expected);
            let Some(task) = found else { break };
            last = Some(key(task));
            for _ in 0..roll(cx, 3) {
                let decision = random_decision(cx, task);
                attempt(cx, &decision);
            }
        }
    }
}

/// A number below `below`.
fn roll(cx: &mut SchedulingContext<'_>, below: u32) -> u32 {
    cx.rng().random_range(0..below)
}

/// Carries a decision out; a refused one must leave no trace.
fn attempt(cx: &mut SchedulingContext<'_>, decision: &Decision) {
    // To write the whole cluster out each time would take most of the time.
    let watched = roll(cx, 4) == 0;
    let before = watched.then(|| format!("{:?}", cx.fork()));
    let held = cx.view().held();
    let version = cx.view().version();
    if cx.decide(decision.clone()).is_err() {
        // The generator is part of the cluster, but no decision draws from it.
        assert_eq!(watched.then(|| format!("{:?}", cx.fork())), before, "after {decision:?}");
    } else {
        assert!(cx.view().version() > version);
        let takes = matches!(decision, Decision::Assign { .. } | Decision::Bind { .. });
        assert!(takes || cx.view().held() == held, "{decision:?} gives nothing back and takes nothing");
    }
}

fn random_decision(cx: &mut SchedulingContext<'_>, task: TaskId) -> Decision {
    let other = random_task(cx).unwrap_or(task);
    match roll(cx, 16) {
        0..4 => {
            let view = cx.view();
            let placement = view.place_in_order(task, view.feasible(task)).unwrap_or_default();
            Decision::Assign { task, placement }
        }
        4 => {
            let view = cx.view();
            let placement = view.place_in_order(task, view.fullest_first(task)).unwrap_or_default();
            Decision::Assign { task, placement }
        }
        5 => {
            // Right but for the devices.
            let worker = cx.view().first_fit(task).unwrap_or_default();
            let devices = DeviceSet::single(roll(cx, 3));
            Decision::Assign { task, placement: Placement::single(worker, devices) }
        }
        6 => Decision::Assign { task: other, placement: random_placement(cx) },
        7 | 8 => Decision::Bind { task, worker: random_worker(cx) },
        9 => Decision::Bind { task: other, worker: random_worker(cx) },
        10..13 => {
            let current = cx.view().task(other).unwrap().attempt();
            Decision::Preempt { task: other, attempt: (current + roll(cx, 2)).saturating_sub(roll(cx, 2)) }
        }
        13 if roll(cx, 4) == 0 => Decision::Reject { task: other, reason: "chance".into() },
        14 if roll(cx, 4) == 0 => {
            // Somewhere else in the queue: in front of the cursor or behind it.
            let place = roll(cx, 8) as usize;
            let task = cx.view().queue().nth(place).unwrap_or(task);
            Decision::Reject { task, reason: "chance".into() }
        }
        _ => {
            let ahead = secs(u64::from(roll(cx, 3)));
            Decision::WakeAt(cx.view().now() + ahead)
        }
    }
}

fn random_task(cx: &mut SchedulingContext<'_>) -> Option<TaskId> {
    let count = cx.view().tasks().count();
    let place = roll(cx, u32::try_from(count).unwrap().max(1)) as usize;
    let task = cx.view().tasks().nth(place);
    // Half of the time one that runs: those are few.
    if roll(cx, 2) == 0 {
        let running = |&task: &TaskId| cx.view().task(task).unwrap().state() == TaskState::Running;
        return cx.view().tasks().find(running).or(task);
    }
    task
}

/// Now and then one that is not there.
fn random_worker(cx: &mut SchedulingContext<'_>) -> WorkerId {
    let count = u32::try_from(cx.view().worker_count()).unwrap();
    WorkerId(roll(cx, count + 1))
}

fn random_placement(cx: &mut SchedulingContext<'_>) -> Placement {
    let mut part = || {
        let devices = DeviceSet(u64::from(roll(cx, 9)) & u64::from(roll(cx, 9)));
        Part { worker: random_worker(cx), replicas: roll(cx, 3), devices }
    };
    let parts = [part(), part(), part()];
    Placement::gang(&parts[..roll(cx, 4) as usize])
}
