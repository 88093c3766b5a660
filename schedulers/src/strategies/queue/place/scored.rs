//! Rules that score every worker and take the best, without scoring every worker anew.
//!
//! - [`Score`]: how good it is to start a task on a worker
//! - [`Scored`]: the rule that takes the best; it keeps the scores of each shape, and scores again only workers that have
//!   changed since a task of that shape was placed last

use std::collections::HashMap;

use super::{Limits, PlacementRule};
use crate::index::LeastTree;
use crate::{
    ClusterView, ConstraintId, DeviceSet, Indexes, Placement, Request, SchedulingContext, TaskId, WorkerId,
    WorkerState, WorkerView, WorkloadProfile, choose_devices,
};

/// Scores kept at most, over all shapes; when there are more, all are dropped and worked out again as needed.
const MOST_SCORES: usize = 1 << 22;

/// How good it is to start a task on a worker.
///
/// A score may depend on nothing but the request, the worker (its spec, room, devices and tasks) and what
/// [`attach`](Self::attach) was given: it is kept until the worker changes.
pub trait Score: Send {
    /// True if it asks what runs on a worker, which is to be listed then.
    fn asks_what_runs(&self) -> bool {
        false
    }

    /// True if it makes use of the workload profile.
    fn uses_profile(&self) -> bool {
        false
    }

    /// Builds private state from any view, as [`Scheduler::attach`](crate::Scheduler::attach).
    fn attach(&mut self, view: &ClusterView<'_>, profile: &WorkloadProfile) {
        let _ = (view, profile);
    }

    /// The best way to start one replica of `request` on `worker`, which has the room: the devices, and a score, of which
    /// the highest wins. `free` is the milli-GPU on each device that the task may use; it is less than what is left where
    /// others have reserved devices. `None` if the devices do not suffice.
    fn score(
        &mut self,
        view: &ClusterView<'_>,
        worker: &WorkerView<'_>,
        request: &Request,
        free: &[u32],
    ) -> Option<(f64, DeviceSet)>;
}

/// A score that does not depend on the devices: they are chosen by the stated rule ([`choose_devices`]).
pub(super) fn on_chosen_devices(
    request: &Request,
    free: &[u32],
    score: impl FnOnce(DeviceSet) -> f64,
) -> Option<(f64, DeviceSet)> {
    let devices = choose_devices(free, request.gpu)?;
    Some((score(devices), devices))
}

/// The worker with the highest score among those that the task fits on, ties to the lowest index. A gang fills one worker
/// after the other in that order, each scored for one replica.
#[derive(Debug)]
pub struct Scored<S> {
    score: S,
    shapes: HashMap<(Request, ConstraintId), Ranks>,
    workers: usize,
}

/// The workers ranked for one shape. A lower rank is a higher score; [`u64::MAX`] is for those that it does not fit on.
#[derive(Debug)]
struct Ranks {
    tree: LeastTree,
    /// How many changes of workers have been taken in.
    seen: u64,
}

impl<S: Score> Scored<S> {
    /// The rule that takes the best by `score`.
    #[must_use]
    pub fn new(score: S) -> Self {
        Self { score, shapes: HashMap::new(), workers: 0 }
    }

    /// The ranks for a shape, as the cluster stands now.
    fn ranks(&mut self, view: &ClusterView<'_>, request: &Request, constraint: ConstraintId) -> &mut Ranks {
        let (workers, shape) = (view.worker_count(), (*request, constraint));
        let too_many = self.shapes.len().saturating_mul(workers) >= MOST_SCORES;
        if workers != self.workers || (too_many && !self.shapes.contains_key(&shape)) {
            self.shapes.clear();
            self.workers = workers;
        }
        let ranks = self.shapes.entry(shape).or_insert_with(|| Ranks {
            tree: LeastTree::build(std::iter::repeat_n(u64::MAX, workers)),
            seen: 0,
        });
        for worker in view.changed_since(ranks.seen) {
            let rank = rank(&mut self.score, view, worker, request, constraint);
            ranks.tree.update(worker.index(), rank);
        }
        ranks.seen = view.worker_changes();
        ranks
    }

    /// The best worker for a plain task and its devices there.
    fn best(&mut self, view: &ClusterView<'_>, task: TaskId, limits: &Limits<'_>) -> Option<Placement> {
        let spec = view.task(task)?.spec();
        let tree = &self.ranks(view, &spec.request, spec.constraint).tree;
        let open = |worker: usize| {
            let worker = WorkerId(u32::try_from(worker).ok()?);
            (limits.of(worker).is_ok() && view.fits(task, worker)).then_some(worker)
        };
        let unlimited = tree.least(|worker| open(worker).is_some()).and_then(open);
        let mut best: Option<(u64, WorkerId, DeviceSet)> = None;
        let limited = limits.limited.iter().map(|(worker, free)| (*worker, Some(free)));
        for (worker, limit) in unlimited.map(|worker| (worker, None)).into_iter().chain(limited) {
            let Some(seen) = view.worker(worker).filter(|_| view.fits(task, worker)) else { continue };
            if limit.is_some_and(|free| !free.holds_amounts(&spec.request)) {
                continue;
            }
            let free = limit.map_or(seen.free_devices(), |free| free.devices());
            let Some((score, devices)) = self.score.score(view, &seen, &spec.request, free) else { continue };
            let found = (descending(score), worker, devices);
            if best.is_none_or(|best| (found.0, found.1) < (best.0, best.1)) {
                best = Some(found);
            }
        }
        best.map(|(_, worker, devices)| Placement::single(worker, devices))
    }
}

impl<S: Score> PlacementRule for Scored<S> {
    fn listens(&self) -> bool {
        false
    }

    fn indexes(&self) -> Indexes {
        Indexes { recent_changes: true, running_tasks: self.score.asks_what_runs(), ..Indexes::default() }
    }

    fn uses_profile(&self) -> bool {
        self.score.uses_profile()
    }

    fn attach(&mut self, view: &ClusterView<'_>, profile: &WorkloadProfile) {
        self.shapes.clear();
        self.score.attach(view, profile);
    }

    fn choose(
        &mut self,
        cx: &mut SchedulingContext<'_>,
        task: TaskId,
        limits: Limits<'_>,
    ) -> Option<Placement> {
        let view = cx.view();
        let spec = view.task(task)?.spec();
        if spec.replicas == 1 {
            return self.best(&view, task, &limits);
        }
        let mut order: Vec<(u64, WorkerId)> = view
            .feasible(task)
            .map(|worker| (rank(&mut self.score, &view, worker, &spec.request, spec.constraint), worker))
            .collect();
        order.sort_unstable();
        limits.place_in_order(&view, task, order.into_iter().map(|(_, worker)| worker))
    }
}

/// The rank of a worker for a shape, tasks' own obstacles (workers to avoid, data on its way) left aside.
fn rank(
    score: &mut impl Score,
    view: &ClusterView<'_>,
    worker: WorkerId,
    request: &Request,
    constraint: ConstraintId,
) -> u64 {
    let Some(worker) = view.worker(worker) else { return u64::MAX };
    let open = worker.state() == WorkerState::Active
        && worker.holds(request)
        && view.allows(constraint, worker.id());
    if !open {
        return u64::MAX;
    }
    score
        .score(view, &worker, request, worker.free_devices())
        .map_or(u64::MAX, |(score, _)| descending(score))
}

/// A number that is lower for a higher score, below [`u64::MAX`] for every score that is a number.
fn descending(score: f64) -> u64 {
    let bits = (score + 0.0).to_bits(); // -0.0 becomes 0.0
    let ascending = if bits >> 63 == 1 { !bits } else { bits | 1 << 63 };
    !ascending
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_higher_score_has_a_lower_rank() {
        let scores = [f64::MAX, 2.0, 1.0, 1e-300, 0.0, -1e-300, -1.0, -2.0, f64::MIN, f64::NEG_INFINITY];
        for pair in scores.windows(2) {
            assert!(descending(pair[0]) < descending(pair[1]), "{pair:?}");
        }
        assert_eq!(descending(0.0), descending(-0.0));
        assert!(descending(f64::NEG_INFINITY) < u64::MAX);
    }
}
