//! Where the head of the queue fits earliest, without a look at what runs on every worker in every pass.

use std::collections::HashMap;

use crate::strategies::queue::free::Free;
use crate::{ClusterView, ConstraintId, InputState, Request, TaskId, Time, WorkerId, WorkerState};

/// Times kept at most, over all shapes; when there are more, all are dropped and worked out again as needed.
const MOST_TIMES: usize = 1 << 22;

/// By shape (request and conditions), when each worker will have room for it if every task there ends as expected.
///
/// That changes only when the worker does, and is the same for all heads of a shape. So a pass looks at the workers that have
/// changed since the last head of the shape asked, O(log W) each, and walks over what runs on those alone which may be
/// the best: of the others a bound is known, the first end there.
///
/// A time that is past stands for one microsecond from now, as expected ends do; it is kept as it is and read so.
#[derive(Clone, Debug, Default)]
pub(super) struct EarliestRoom {
    shapes: HashMap<(Request, ConstraintId), Times>,
    workers: usize,
}

impl EarliestRoom {
    /// Forgets everything.
    pub(super) fn clear(&mut self) {
        self.shapes.clear();
    }

    /// The worker where `head`, a plain task, can start earliest by the estimates, ties to the lowest index.
    pub(super) fn worker_for(&mut self, view: &ClusterView<'_>, head: TaskId) -> Option<WorkerId> {
        let spec = view.task(head)?.spec();
        let shape = Shape { view: *view, request: spec.request, constraint: spec.constraint };
        let times = self.times(&shape);
        let data = view.inputs(head).map(|input| match input.state {
            InputState::Completed { end, .. } => end + input.transfer,
            _ => Time::ZERO,
        });
        if data.max().unwrap_or(Time::ZERO) <= view.now() {
            let first = times.first(&shape)?;
            if view.can_ever_hold(head, first) {
                return Some(first);
            }
        }
        times.first_for(&shape, head)
    }

    /// The times for a shape, as the cluster stands now.
    fn times(&mut self, shape: &Shape<'_>) -> &mut Times {
        let (workers, key) = (shape.view.worker_count(), (shape.request, shape.constraint));
        let too_many = self.shapes.len().saturating_mul(workers) >= MOST_TIMES;
        if workers != self.workers || (too_many && !self.shapes.contains_key(&key)) {
            self.shapes.clear();
            self.workers = workers;
        }
        let times = self.shapes.entry(key).or_default();
        if times.exact.is_empty() {
            times.build(shape);
        } else {
            for worker in shape.view.changed_since(times.seen) {
                let (time, exact) = shape.bound(worker);
                times.set(worker, time, exact);
            }
        }
        times.seen = shape.view.worker_changes();
        times
    }
}

/// Tasks that ask for the same, in a cluster.
struct Shape<'a> {
    view: ClusterView<'a>,
    request: Request,
    constraint: ConstraintId,
}

impl Shape<'_> {
    /// A time before which `worker` has no room, and whether it has some then; time zero if it may have some now.
    fn bound(&self, worker: WorkerId) -> (Time, bool) {
        let Some(seen) = self.view.worker(worker) else { return (Time::NEVER, true) };
        let able = seen.state() == WorkerState::Active
            && seen.spec().capacity.holds(&self.request)
            && self.view.allows(self.constraint, worker);
        if !able {
            return (Time::NEVER, true);
        }
        if seen.holds(&self.request) {
            return (Time::ZERO, self.request.gpu.is_none());
        }
        seen.running().next().map_or((Time::NEVER, true), |(end, _)| (end, false))
    }

    /// When `worker` has room: time zero if it has now.
    fn room_from(&self, worker: WorkerId) -> Time {
        let room = || {
            let mut free = Free::now(&self.view, worker)?;
            if free.place(&self.request).is_some() {
                return Some(Time::ZERO);
            }
            self.view.worker(worker)?.running().find_map(|(end, task)| {
                free.release(&self.view, worker, task);
                free.place(&self.request).map(|_| end)
            })
        };
        room().unwrap_or(Time::NEVER)
    }

    /// A time that is past, as it counts now; time zero is now.
    fn counted(&self, time: Time) -> Time {
        let now = self.view.now();
        if time == Time::ZERO { now } else { time.max(now + Time::TICK) }
    }
}

/// By worker, when a shape has room there: a tree of minima.
#[derive(Clone, Debug, Default)]
struct Times {
    /// `nodes[1]` is the root, the children of `i` are `2i` and `2i + 1`, the leaves start at `leaves`.
    nodes: Vec<Time>,
    leaves: usize,
    /// By worker: what the leaf says is the time, and not only a bound.
    exact: Vec<bool>,
    /// How many changes of workers have been taken in.
    seen: u64,
}

impl Times {
    fn build(&mut self, shape: &Shape<'_>) {
        let workers = shape.view.worker_count();
        self.leaves = workers.next_power_of_two();
        self.nodes = vec![Time::NEVER; 2 * self.leaves];
        self.exact = vec![true; workers];
        for worker in (0..workers).map(worker_id) {
            (self.nodes[self.leaves + worker.index()], self.exact[worker.index()]) = shape.bound(worker);
        }
        for node in (1..self.leaves).rev() {
            self.nodes[node] = self.nodes[2 * node].min(self.nodes[2 * node + 1]);
        }
    }

    fn set(&mut self, worker: WorkerId, time: Time, exact: bool) {
        let mut node = self.leaves + worker.index();
        self.nodes[node] = time;
        self.exact[worker.index()] = exact;
        while node > 1 {
            node /= 2;
            let least = self.nodes[2 * node].min(self.nodes[2 * node + 1]);
            if self.nodes[node] == least {
                break;
            }
            self.nodes[node] = least;
        }
    }

    /// When there is room on `worker`, found out if need be.
    fn exactly(&mut self, shape: &Shape<'_>, worker: WorkerId) -> Time {
        if !self.exact[worker.index()] {
            self.set(worker, shape.room_from(worker), true);
        }
        self.nodes[self.leaves + worker.index()]
    }

    /// The worker that has room first, ties to the lowest index.
    fn first(&mut self, shape: &Shape<'_>) -> Option<WorkerId> {
        loop {
            let least = self.nodes[1];
            if least == Time::NEVER {
                return None;
            }
            // Whatever is past counts as the same time.
            let tied = if least == Time::ZERO { least } else { shape.counted(least) };
            let mut node = 1;
            while node < self.leaves {
                node = 2 * node + usize::from(self.nodes[2 * node] > tied);
            }
            let worker = worker_id(node - self.leaves);
            if self.exact[worker.index()] {
                return Some(worker);
            }
            self.exactly(shape, worker);
        }
    }

    /// The worker where `head` can start first, ties to the lowest index: where its data arrives at different times, or it is to
    /// avoid workers.
    fn first_for(&mut self, shape: &Shape<'_>, head: TaskId) -> Option<WorkerId> {
        let view = shape.view;
        let mut best: Option<(Time, WorkerId)> = None;
        for worker in (0..self.exact.len()).map(worker_id) {
            let before = best.map_or(Time::NEVER, |(start, _)| start);
            let ready = view.ready_at(head, worker);
            let bound = shape.counted(self.nodes[self.leaves + worker.index()]).max(ready);
            if bound >= before || !view.can_ever_hold(head, worker) {
                continue;
            }
            let start = shape.counted(self.exactly(shape, worker)).max(ready);
            if start < before {
                best = Some((start, worker));
            }
        }
        best.map(|(_, worker)| worker)
    }
}

fn worker_id(index: usize) -> WorkerId {
    WorkerId(u32::try_from(index).unwrap_or(u32::MAX))
}
