//! How well a task suits a worker, between 0 and 1.

use crate::{ClusterView, Request, TaskId, WorkerId, WorkerView};

/// Shares of cpu, memory and GPU that are used on `worker` once `request` runs there; `None` for what it lacks.
fn shares_after(worker: &WorkerView<'_>, request: &Request) -> [Option<f64>; 3] {
    let capacity = worker.spec().capacity;
    #[expect(clippy::cast_precision_loss, reason = "a score, not an account")]
    let share = |all: u64, free: u64, need: u64| {
        (all > 0).then(|| (all - free.min(all) + need.min(free)) as f64 / all as f64)
    };
    [
        share(capacity.cpu_milli, worker.free_cpu_milli(), request.cpu_milli),
        share(capacity.memory_mib, worker.free_memory_mib(), request.memory_mib),
        share(capacity.gpu_milli(), worker.free_gpu_milli(), u64::from(request.gpu.milli())),
    ]
}

/// How full and how evenly full the worker is afterwards: the mean share used, less half of the spread between the
/// resources, which is what would be stranded.
pub(super) fn packing(view: &ClusterView<'_>, task: TaskId, worker: WorkerId) -> f64 {
    let (Some(worker), Some(task)) = (view.worker(worker), view.task(task)) else { return 0.0 };
    let (mut sum, mut count, mut least, mut most) = (0.0, 0.0, 1.0_f64, 0.0_f64);
    for share in shares_after(&worker, &task.spec().request).into_iter().flatten() {
        sum += share;
        count += 1.0;
        least = least.min(share);
        most = most.max(share);
    }
    if count == 0.0 { 0.0 } else { sum / count - 0.5 * (most - least) }
}

/// The worker where the task packs best, ties to the first candidate.
pub(super) fn best_packing(view: &ClusterView<'_>, task: TaskId, most: usize) -> Option<WorkerId> {
    let scored = candidates(view, task, most).into_iter().map(|worker| (packing(view, task, worker), worker));
    scored.reduce(|a, b| if b.0 > a.0 { b } else { a }).map(|(_, worker)| worker)
}

/// The largest share used on the worker afterwards.
pub(super) fn load_after(view: &ClusterView<'_>, task: TaskId, worker: WorkerId) -> f64 {
    let (Some(worker), Some(task)) = (view.worker(worker), view.task(task)) else { return 1.0 };
    shares_after(&worker, &task.spec().request).into_iter().flatten().fold(0.0, f64::max)
}

/// The largest share that the task takes of the cluster's mean worker: how large it is.
pub(super) fn size(view: &ClusterView<'_>, task: TaskId) -> f64 {
    let Some(task) = view.task(task) else { return 0.0 };
    let (request, all) = (task.spec().request, view.capacity());
    #[expect(clippy::cast_precision_loss, reason = "a score, not an account")]
    let share = |need: u64, all: u64| if all == 0 { 0.0 } else { need as f64 / all as f64 };
    #[expect(clippy::cast_precision_loss, reason = "a score, not an account")]
    let workers = view.worker_count() as f64;
    workers
        * share(request.cpu_milli, all.cpu_milli)
            .max(share(request.memory_mib, all.memory_mib))
            .max(share(u64::from(request.gpu.milli()), all.gpu_milli))
}

/// Workers to be scored for a task: all that it fits on if they are few, else the fullest and the first of them.
pub(super) fn candidates(view: &ClusterView<'_>, task: TaskId, most: usize) -> Vec<WorkerId> {
    let mut found: Vec<WorkerId> = view.feasible(task).take(most.max(2)).collect();
    if found.len() == most.max(2) {
        found.truncate(most / 2);
        for worker in view.fullest_first(task).take(most - most / 2) {
            if !found.contains(&worker) {
                found.push(worker);
            }
        }
    }
    found
}
