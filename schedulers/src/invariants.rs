//! What must hold of a cluster at any time, checked from scratch.
//!
//! Property tests, the simulator's checker and the live master all use this one function.

use std::collections::HashSet;

use thiserror::Error;

use crate::cluster::{
    Cluster, NIL, TaskRecord, TaskState, Totals, WorkerRecord, WorkerState, distinct_workers,
};
use crate::index::Demand;
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
/// or not at all, but for one that lost a worker, which is being stopped; the queue is in order and holds the queued tasks, each once; lanes and lists of running tasks
/// likewise; blocked are those with open predecessors; lost workers hold nothing; every index agrees with the workers.
///
/// # Errors
/// The first violation found.
pub fn check(cluster: &Cluster) -> Result<(), Violation> {
    let fail = |what: String| Err(Violation { at: cluster.now, what });
    let mut fresh: Vec<WorkerRecord> =
        cluster.workers.iter().map(|worker| WorkerRecord::new(worker.capacity, worker.speed)).collect();
    let mut held = Totals::default();
    let (mut queued, mut bound, mut blocked, mut holding, mut listed) =
        (0usize, 0usize, 0usize, 0usize, 0usize);
    for task in cluster.tasks.alive() {
        let (record, spec) = (cluster.tasks.at(task.slot), cluster.tasks.spec(task.slot));
        match record.state {
            TaskState::Queued => queued += 1,
            TaskState::Bound => bound += 1,
            TaskState::Blocked => blocked += 1,
            state if state.holds_resources() => {
                holding += 1;
                listed += distinct_workers(&record.placement).count();
                check_whole(cluster, task)?;
                for part in record.placement.parts() {
                    let Some(worker) = fresh.get_mut(part.worker.index()) else {
                        return fail(format!("{task} is on {}, which does not exist", part.worker));
                    };
                    let Some(left) = take(worker, &spec.request, part) else {
                        return fail(format!("{} is overcommitted by {task}", part.worker));
                    };
                    *worker = left;
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
    check_lists(cluster, listed, bound)?;
    check_dependencies(cluster)?;
    check_setbacks(cluster)?;
    for (id, fresh) in cluster.worker_ids().zip(&fresh) {
        check_worker(cluster, id, fresh)?;
    }
    Ok(())
}

/// Every replica is placed once. Of a gang that lost a worker some parts are gone, and the rest is being stopped.
fn check_whole(cluster: &Cluster, task: TaskId) -> Result<(), Violation> {
    let fail = |what: String| Err(Violation { at: cluster.now, what });
    let record = cluster.tasks.at(task.slot);
    let expected = cluster.tasks.spec(task.slot).replicas;
    let (held, assigned) = (record.placement.parts(), cluster.assigned_placement(task).parts());
    let placed: u64 = assigned.iter().map(|part| u64::from(part.replicas)).sum();
    if placed != u64::from(expected) {
        return fail(format!("{task} has {expected} replicas and {placed} are placed"));
    }
    if cluster.is_broken(task) {
        let rest = !held.is_empty() && held.len() < assigned.len();
        if record.state != TaskState::Stopping || !rest || held.iter().any(|part| !assigned.contains(part)) {
            return fail(format!("{task} has lost a worker, is {:?} and holds {held:?}", record.state));
        }
    }
    Ok(())
}

/// What is remembered of setbacks is of tasks that are alive, and only of one that holds resources are parts lost.
fn check_setbacks(cluster: &Cluster) -> Result<(), Violation> {
    for (&slot, setback) in &cluster.setbacks {
        let record = cluster.tasks.at(slot);
        let forgotten = record.index == NIL || record.state.is_terminal();
        if forgotten || (setback.whole.is_some() && !record.state.holds_resources()) {
            let what = format!("slot {slot}, {:?}, has {setback:?}", record.state);
            return Err(Violation { at: cluster.now, what });
        }
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
    if let Some(pair) = order.windows(2).find(|pair| pair[0] >= pair[1]) {
        return fail(format!("{} stands before {} in the queue", pair[0].1, pair[1].1));
    }
    let Some(mut indexed) = cluster.queue.indexed() else { return Ok(()) };
    indexed.sort_unstable_by_key(|&(place, _)| place);
    let demand = |&place: &(Time, TaskId)| (place, Demand::of(cluster.tasks.spec(place.1.slot)));
    if !indexed.into_iter().eq(order.iter().map(demand)) {
        return fail("the index of the queue has other tasks than the queue".to_owned());
    }
    Ok(())
}

/// The lists of workers hold what runs and waits there, each task once, and nothing else.
fn check_lists(cluster: &Cluster, listed: usize, bound: usize) -> Result<(), Violation> {
    let fail = |what: String| Err(Violation { at: cluster.now, what });
    let (mut running, mut waiting) = (0, 0);
    let mut seen: HashSet<TaskId> = HashSet::new();
    for (id, worker) in cluster.worker_ids().zip(&cluster.workers) {
        let mut running_here = worker.running.to_vec();
        if worker.running.as_ordered().is_none() {
            running_here.sort_unstable();
        }
        if !running_here.is_sorted_by(|a, b| a < b) {
            return fail(format!("what runs on {id} is not in order, or listed twice"));
        }
        for (end, task) in running_here {
            let here = |record: &TaskRecord| {
                record.state.holds_resources() && record.placement.uses(id) && record.expected_end == end
            };
            if !cluster.tasks.get(task).is_some_and(here) {
                return fail(format!("{task} is listed on {id} and does not run there until {end} s"));
            }
        }
        for &task in worker.lane.iter() {
            let here = |record: &TaskRecord| record.state == TaskState::Bound && record.lane == Some(id);
            if !cluster.tasks.get(task).is_some_and(here) || !seen.insert(task) {
                return fail(format!("{task} is in the lane of {id} and not bound there, or twice"));
            }
        }
        running += worker.running.len();
        waiting += worker.lane.len();
    }
    let listed = if cluster.lists_running { listed } else { 0 };
    if (running, waiting) != (listed, bound) {
        return fail(format!(
            "workers list {running} running and {waiting} bound tasks, there are {listed} and {bound}"
        ));
    }
    Ok(())
}

/// A task is blocked while predecessors are open, is not queued before, and cannot wait for what has failed.
fn check_dependencies(cluster: &Cluster) -> Result<(), Violation> {
    if cluster.graph.is_empty() {
        return Ok(());
    }
    let fail = |what: String| Err(Violation { at: cluster.now, what });
    for task in cluster.tasks.alive() {
        let state = cluster.tasks.at(task.slot).state;
        let open = cluster.graph.counted_open(task.index);
        let kept = cluster.graph.node(task.index).map_or(0, |node| node.open_predecessors as usize);
        if open != kept {
            return fail(format!("{task} has {open} open predecessors, the counter says {kept}"));
        }
        if state != TaskState::Bound && (state == TaskState::Blocked) != (open > 0) {
            return fail(format!("{task} is {state:?} with {open} open predecessors"));
        }
        if cluster.graph.is_broken(task.index) {
            return fail(format!("{task} is alive and a predecessor has failed"));
        }
    }
    Ok(())
}

fn check_worker(cluster: &Cluster, id: WorkerId, fresh: &WorkerRecord) -> Result<(), Violation> {
    let fail = |what: String| Err(Violation { at: cluster.now, what });
    let worker = &cluster.workers[id.index()];
    if (worker.room, &worker.devices) != (fresh.room, &fresh.devices) {
        return fail(format!("{id} has {:?} free, its tasks leave {:?}", worker.room, fresh.room));
    }
    if worker.state == WorkerState::Lost && !(cluster.running_on(id).is_empty() && worker.lane.is_empty()) {
        return fail(format!("{id} is lost and still has tasks"));
    }
    if !cluster.rooms.agrees(id.index(), &worker.offered()) {
        return fail(format!("the index disagrees with {id}"));
    }
    let key = crate::index::FullestKey::new(&worker.room, id.0);
    let open = worker.state == WorkerState::Active;
    if cluster.fullest.as_ref().is_some_and(|fullest| fullest.contains(key) != open) {
        return fail(format!("the best-fit index disagrees with {id}"));
    }
    if cluster.least.is_some() && worker.committed != cluster.committed_by_hand(id) {
        return fail(format!("the committed work of {id} is not the sum of its tasks"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::{ClusterConfig, Decision, Event};
    use crate::model::{Capacity, Request, TaskSpec, WorkerSpec};
    use crate::{Duration, Indexes};

    /// Tasks 0 and 1 run, 2 is bound, 3 and 4 are queued, 5 is blocked by 0.
    fn cluster() -> Cluster {
        let capacity = Capacity { cpu_milli: 2, memory_mib: 2, storage_mib: 2, gpus: 2 };
        let config = ClusterConfig {
            indexes: Indexes {
                best_fit: true,
                committed_work: true,
                expected_ends: true,
                running_tasks: true,
                recent_changes: true,
                deep_queue: true,
            },
            ..ClusterConfig::default()
        };
        let worker = WorkerSpec { capacity, ..WorkerSpec::default() };
        let mut cluster = Cluster::new(config, vec![worker; 2]).unwrap();
        cluster.add_dependency(0, 5, Duration::ZERO);
        let request = Request { cpu_milli: 2, ..Request::default() };
        let tasks: Vec<TaskId> =
            (0..6).map(|index| cluster.submit(TaskSpec { index, request, ..TaskSpec::default() })).collect();
        for (task, worker) in [(0, 0), (1, 1), (2, 0)] {
            cluster.decide(Decision::Bind { task: tasks[task], worker: WorkerId(worker) }).unwrap();
        }
        cluster
    }

    type Damage = fn(&mut Cluster);

    #[test]
    fn each_kind_of_damage_is_found() {
        assert_eq!(check(&cluster()), Ok(()));
        let damages: [(&str, Damage); 16] = [
            ("free", |cluster| cluster.workers[0].room.cpu_milli += 1),
            ("free", |cluster| cluster.workers[0].devices[1] -= 1),
            ("does not run there", |cluster| {
                cluster.workers[0].running.add(Time::ZERO, TaskId { index: 9, slot: 9 });
            }),
            ("does not run there", |cluster| {
                let (_, task) = cluster.workers[0].running[0];
                cluster.workers[0].running.entries_mut()[0] = (Time::NEVER, task);
            }),
            ("list 1 running", |cluster| cluster.workers[0].running.entries_mut().clear()),
            ("0 bound", |cluster| cluster.workers[0].lane.clear()),
            ("or twice", |cluster| {
                let task = cluster.workers[0].lane[0];
                cluster.workers[1].lane.push_back(task);
            }),
            ("counters", |cluster| cluster.tasks.at_mut(4).state = TaskState::Blocked),
            ("stands before", |cluster| cluster.tasks.at_mut(3).eligible = Time::NEVER),
            ("open predecessors", |cluster| {
                cluster.graph.node_mut(5).unwrap().open_predecessors = 0;
            }),
            ("replicas", |cluster| cluster.tasks.at_mut(0).placement = crate::Placement::default()),
            ("the index", |cluster| cluster.rooms.update(1, &crate::index::Room::default())),
            ("best-fit", |cluster| {
                *cluster.fullest.as_mut().unwrap() = crate::index::FullestFirst::default();
            }),
            ("has lost a worker", |cluster| {
                let whole = crate::Placement::gang(&[cluster.tasks.at(0).placement.parts()[0]]);
                cluster.setbacks.entry(0).or_default().whole = Some(whole);
            }),
            ("slot 3", |cluster| {
                cluster.setbacks.entry(3).or_default().whole = Some(crate::Placement::default());
            }),
            ("committed", |cluster| cluster.workers[1].committed += 1),
        ];
        for (expected, damage) in damages {
            let mut cluster = cluster();
            damage(&mut cluster);
            let found = check(&cluster).unwrap_err();
            assert!(found.what.contains(expected), "expected '{expected}', found '{found}'");
        }
    }

    #[test]
    fn what_the_core_does_itself_is_in_order() {
        let mut cluster = cluster();
        let (_, task) = cluster.workers[0].running[0];
        cluster.apply(Event::Completed { task, attempt: 1 }).unwrap();
        assert_eq!(check(&cluster), Ok(()));
        cluster.advance_lanes();
        cluster.end_instant();
        assert_eq!(check(&cluster), Ok(()));
    }
}
