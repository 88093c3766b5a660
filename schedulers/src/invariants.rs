//! What must hold of a cluster at any time, checked from scratch.
//!
//! Property tests, the simulator's checker and the live master all use this one function.

use thiserror::Error;

use crate::cluster::{Cluster, TaskState, Totals, WorkerRecord, WorkerState};
use crate::model::{TaskId, Time, WorkerId};

/// A broken invariant: a bug of the core.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("invariant broken at {at} s: {what}")]
pub struct Violation {
    /// When it was found.
    pub at: Time,
    /// What is wrong.
    pub what: String,
}

/// Checks every invariant of the cluster, in time linear in tasks alive and workers.
///
/// No worker is overcommitted and what is held is exactly what tasks hold, device by device; a gang is placed whole
/// or not at all; the queue is in order and holds the queued tasks, each once; lanes likewise; lost workers hold
/// nothing; every index agrees with the workers.
///
/// # Errors
/// The first violation found.
pub fn check(cluster: &Cluster) -> Result<(), Violation> {
    let fail = |what: String| Err(Violation { at: cluster.now, what });
    let mut fresh: Vec<WorkerRecord> =
        cluster.workers.iter().map(|worker| WorkerRecord::new(worker.capacity)).collect();
    let mut held = Totals::default();
    let (mut queued, mut bound, mut blocked, mut holding) = (0usize, 0usize, 0usize, 0usize);
    for task in cluster.tasks.alive() {
        let (record, spec) = (cluster.tasks.at(task.slot), cluster.tasks.spec(task.slot));
        match record.state {
            TaskState::Queued => queued += 1,
            TaskState::Bound => {
                bound += 1;
                let lanes = cluster.workers.iter().filter(|worker| worker.lane.contains(&task)).count();
                if lanes != 1 || record.lane.is_none() {
                    return fail(format!("{task} is bound and stands in {lanes} lanes"));
                }
            }
            TaskState::Blocked => blocked += 1,
            state if state.holds_resources() => {
                holding += 1;
                let placed: u64 = record.placement.parts().iter().map(|part| u64::from(part.replicas)).sum();
                if placed != u64::from(spec.replicas) {
                    return fail(format!("{task} has {} replicas and {placed} are placed", spec.replicas));
                }
                for part in record.placement.parts() {
                    let Some(worker) = fresh.get_mut(part.worker.index()) else {
                        return fail(format!("{task} is on {}, which does not exist", part.worker));
                    };
                    let Some(left) = take(worker, &spec.request, part) else {
                        return fail(format!("{} is overcommitted by {task}", part.worker));
                    };
                    *worker = left;
                    let entries = cluster.workers[part.worker.index()]
                        .running
                        .iter()
                        .filter(|entry| entry.1 == task)
                        .count();
                    if entries != 1 {
                        return fail(format!("{task} is listed {entries} times on {}", part.worker));
                    }
                    let times = u64::from(part.replicas);
                    held.cpu_milli += spec.request.cpu_milli * times;
                    held.memory_mib += spec.request.memory_mib * times;
                    held.storage_mib += spec.request.storage_mib * times;
                    held.gpu_milli += u64::from(spec.request.gpu.milli()) * times;
                }
            }
            state => return fail(format!("{task} is alive and {state:?}")),
        }
    }
    if held != cluster.held() {
        return fail(format!("tasks hold {held:?}, the total says {:?}", cluster.held()));
    }
    let counted = (queued + bound, blocked, holding);
    let kept = (cluster.waiting(), cluster.blocked(), cluster.holding());
    if counted != kept {
        return fail(format!("(waiting, blocked, holding) are {counted:?}, the counters say {kept:?}"));
    }
    check_queue(cluster, queued)?;
    for (id, fresh) in cluster.worker_ids().zip(&fresh) {
        check_worker(cluster, id, fresh)?;
    }
    Ok(())
}

/// `worker` with `part` held, or `None` if it does not fit.
fn take(worker: &WorkerRecord, request: &crate::model::Request, part: &crate::Part) -> Option<WorkerRecord> {
    let times = u64::from(part.replicas);
    let fits = request.cpu_milli.checked_mul(times)? <= worker.room.cpu_milli
        && request.memory_mib.checked_mul(times)? <= worker.room.memory_mib
        && request.storage_mib.checked_mul(times)? <= worker.room.storage_mib
        && part.devices.iter().all(|device| {
            worker
                .devices
                .get(device as usize)
                .is_some_and(|&left| left >= WorkerRecord::milli_of_each(request, part))
        });
    let mut after = worker.clone();
    fits.then(|| {
        after.hold(request, part);
        after
    })
}

fn check_queue(cluster: &Cluster, queued: usize) -> Result<(), Violation> {
    let fail = |what: String| Err(Violation { at: cluster.now, what });
    let order: Vec<(Time, TaskId)> =
        cluster.view().queue().map(|task| (cluster.tasks.at(task.slot).eligible, task)).collect();
    if order.len() != queued {
        return fail(format!("{queued} tasks are queued, the queue has {}", order.len()));
    }
    match order.windows(2).find(|pair| pair[0] >= pair[1]) {
        Some(pair) => fail(format!("{} stands before {} in the queue", pair[0].1, pair[1].1)),
        None => Ok(()),
    }
}

fn check_worker(cluster: &Cluster, id: WorkerId, fresh: &WorkerRecord) -> Result<(), Violation> {
    let fail = |what: String| Err(Violation { at: cluster.now, what });
    let worker = &cluster.workers[id.index()];
    if (worker.room, &worker.devices) != (fresh.room, &fresh.devices) {
        return fail(format!("{id} has {:?} free, its tasks leave {:?}", worker.room, fresh.room));
    }
    if worker.state == WorkerState::Lost && !(worker.running.is_empty() && worker.lane.is_empty()) {
        return fail(format!("{id} is lost and still has tasks"));
    }
    if cluster.rooms.room(id.index()) != worker.offered() {
        return fail(format!("the index disagrees with {id}"));
    }
    let key = (worker.room.cpu_milli, worker.room.memory_mib, id.0);
    let open = worker.state == WorkerState::Active;
    if cluster.fullest.as_ref().is_some_and(|fullest| fullest.contains(&key) != open) {
        return fail(format!("the best-fit index disagrees with {id}"));
    }
    if cluster.least.is_some() && worker.committed != cluster.committed_by_hand(id) {
        return fail(format!("the committed work of {id} is not the sum of its tasks"));
    }
    Ok(())
}
