//! What the view's finders must give, found by looking at every worker.

use cloudai_schedulers::{
    Cluster, ClusterView, Decision, Indexes, Placement, TaskId, TaskState, Time, WorkerId, WorkerView,
    choose_devices,
};

/// Compares every finder with a scan, for every task that waits, under all four sets of indexes.
pub(crate) fn check(cluster: &Cluster) {
    let running = |cluster: &Cluster| -> Vec<Vec<(Time, TaskId)>> {
        cluster.view().workers().map(|worker| worker.running().collect()).collect()
    };
    let running_before = running(cluster);
    for (best_fit, committed_work) in [(false, false), (false, true), (true, false), (true, true)] {
        let mut cluster = cluster.clone();
        cluster.keep_indexes(Indexes {
            best_fit,
            committed_work,
            expected_ends: best_fit,
            running_tasks: committed_work,
            recent_changes: best_fit,
            deep_queue: best_fit,
        });
        assert_eq!(running(&cluster), running_before, "the order of what runs does not depend on the index");
        check_as_is(&cluster);
    }
    // Those kept over the whole run, not built just now.
    check_as_is(cluster);
}

fn check_as_is(cluster: &Cluster) {
    let view = cluster.view();
    for worker in view.workers() {
        assert_eq!(worker.committed_work(), committed(&view, &worker));
    }
    for task in view.tasks() {
        check_task(cluster, task);
    }
}

fn check_task(cluster: &Cluster, task: TaskId) {
    let view = cluster.view();
    let looked_at = view.task(task).unwrap();
    let (request, state) = (looked_at.spec().request, looked_at.state());
    let (plain, queued) = (looked_at.spec().replicas == 1, state == TaskState::Queued);
    let mut fitting: Vec<WorkerView<'_>> = Vec::new();
    for worker in view.workers() {
        let id = worker.id();
        let can_ever = view.can_ever_hold(task, id);
        let fits = can_ever
            && request.cpu_milli <= worker.free_cpu_milli()
            && request.memory_mib <= worker.free_memory_mib()
            && request.storage_mib <= worker.free_storage_mib()
            && choose_devices(worker.free_devices(), request.gpu).is_some()
            && view.ready_at(task, id) <= view.now();
        assert_eq!(view.fits(task, id), fits, "{task} on {id}");
        if plain && matches!(state, TaskState::Queued | TaskState::Blocked) {
            let bound = cluster.clone().decide(Decision::Bind { task, worker: id });
            assert_eq!(can_ever, bound.is_ok(), "{task} on {id}: {bound:?}");
        }
        if plain && queued {
            let devices = choose_devices(worker.free_devices(), request.gpu).unwrap_or_default();
            let placement = Placement::single(id, devices);
            let assigned = cluster.clone().decide(Decision::Assign { task, placement });
            assert_eq!(fits, assigned.is_ok(), "{task} on {id}: {assigned:?}");
        }
        if fits {
            fitting.push(worker);
        }
    }
    let ids: Vec<WorkerId> = fitting.iter().map(WorkerView::id).collect();
    assert_eq!(view.feasible(task).collect::<Vec<_>>(), ids);
    assert_eq!(view.first_fit(task), ids.first().copied());
    assert!(ids.is_empty() || !view.surely_full_for(task));
    for from in 0..=u32::try_from(view.worker_count()).unwrap() {
        let expected = ids.iter().copied().find(|id| id.0 >= from);
        assert_eq!(view.first_fit_from(task, WorkerId(from)), expected);
    }
    if queued {
        check_placement(cluster, task, &fitting);
    }
    fitting.sort_by_key(|worker| (worker.free_cpu_milli(), worker.free_memory_mib(), worker.id()));
    let ids: Vec<WorkerId> = fitting.iter().map(WorkerView::id).collect();
    assert_eq!(view.fullest_first(task).collect::<Vec<_>>(), ids);
    assert_eq!(view.best_fit(task), ids.first().copied());
    let able = view.workers().filter(|worker| view.can_ever_hold(task, worker.id()));
    let least = able.min_by_key(|worker| (committed(&view, worker), worker.id()));
    assert_eq!(view.least_committed(task), least.map(|worker| worker.id()));
}

/// A task is placed if and only if its replicas fit, counted worker by worker and device by device.
fn check_placement(cluster: &Cluster, task: TaskId, fitting: &[WorkerView<'_>]) {
    let view = cluster.view();
    let spec = view.task(task).unwrap().spec();
    let request = spec.request;
    let room: u64 = fitting
        .iter()
        .map(|worker| {
            let times = |have: u64, need: u64| have.checked_div(need).unwrap_or(u64::MAX);
            let milli = u64::from(request.gpu.milli());
            let gpus: u64 = if request.gpu.is_fraction() {
                worker.free_devices().iter().map(|&left| u64::from(left) / milli).sum()
            } else {
                let whole = worker.free_devices().iter().filter(|&&left| left == 1000).count();
                times(whole as u64 * 1000, milli)
            };
            times(worker.free_cpu_milli(), request.cpu_milli)
                .min(times(worker.free_memory_mib(), request.memory_mib))
                .min(times(worker.free_storage_mib(), request.storage_mib))
                .min(gpus)
                .min(u64::from(spec.replicas))
        })
        .sum();
    let placement = view.place_in_order(task, view.feasible(task));
    assert_eq!(placement.is_some(), room >= u64::from(spec.replicas), "{task}");
    if let Some(placement) = placement {
        cluster.clone().decide(Decision::Assign { task, placement }).unwrap();
    }
}

/// Committed work by its definition.
fn committed(view: &ClusterView<'_>, worker: &WorkerView<'_>) -> u64 {
    let capacity = worker.spec().capacity;
    let share = |task: TaskId| capacity.dominant_share(&view.task(task).unwrap().spec().request);
    let running = worker.running().map(|(_, task)| {
        let placement = view.task(task).unwrap().placement();
        let here = placement.parts().iter().filter(|part| part.worker == worker.id());
        share(task) * here.map(|part| u64::from(part.replicas)).sum::<u64>()
    });
    running.chain(worker.lane().map(share)).sum()
}
