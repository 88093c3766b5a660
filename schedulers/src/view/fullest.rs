//! The workers that a task fits on, fullest first.

use super::ClusterView;
use super::find::worker_id;
use crate::cluster::WorkerRecord;
use crate::index::FullestFirst;
use crate::model::{TaskId, TaskSpec, WorkerId};

/// So many workers are looked at in vain before the other index is asked; twice as many the next time.
const PATIENCE: usize = 32;

/// Walks over the workers in order of (free cpu, free memory, index), passing over those that the task does not fit on.
///
/// The order knows cpu and memory only. Where it leads past many workers in vain, as where few of them have GPUs or
/// storage left, the tree of maxima may know that only few fit at all; then these are sorted. Looking there takes at most
/// as long as what was looked at in vain, so that both together take twice the time of the quicker one.
pub(super) struct FullestFit<'a> {
    view: ClusterView<'a>,
    index: &'a FullestFirst,
    spec: &'a TaskSpec,
    task: TaskId,
    /// Where the walk goes on.
    from: Option<u64>,
    /// Workers looked at in vain since the tree was asked.
    vain: usize,
    patience: usize,
    /// All that are left, if they are known.
    rest: Option<std::vec::IntoIter<WorkerId>>,
}

impl<'a> FullestFit<'a> {
    #[inline]
    pub(super) fn new(
        view: ClusterView<'a>,
        index: &'a FullestFirst,
        task: TaskId,
        spec: &'a TaskSpec,
    ) -> Self {
        let from = index.begin(spec.request.cpu_milli);
        Self { view, index, spec, task, from, vain: 0, patience: PATIENCE, rest: None }
    }

    #[inline]
    fn fits(&self, worker: WorkerId, record: &WorkerRecord) -> bool {
        record.room.holds(&self.spec.request) && self.view.may_start_on(self.spec, self.task, worker, record)
    }

    /// The workers behind `last` that the task fits on, in order, if few enough come into question.
    #[inline(never)]
    fn gather(&self, last: WorkerId) -> Option<std::vec::IntoIter<WorkerId>> {
        let cluster = self.view.cluster;
        let key = |worker: WorkerId| {
            let room = &cluster.workers[worker.index()].room;
            (room.cpu_milli, room.memory_mib, worker)
        };
        let (last, mut found, mut from) = (key(last), Vec::new(), 0);
        for _ in 0..self.patience {
            let Some(at) = cluster.rooms.next(from, &self.spec.request) else {
                found.sort_unstable_by_key(|&worker| key(worker));
                return Some(found.into_iter());
            };
            let worker = worker_id(at);
            if key(worker) > last && self.fits(worker, &cluster.workers[at]) {
                found.push(worker);
            }
            from = at + 1;
        }
        None
    }
}

impl Iterator for FullestFit<'_> {
    type Item = WorkerId;

    #[inline]
    fn next(&mut self) -> Option<WorkerId> {
        if let Some(rest) = &mut self.rest {
            return rest.next();
        }
        loop {
            let (worker, behind) = self.index.next(self.from?, self.spec.request.memory_mib)?;
            self.from = Some(behind);
            let worker = WorkerId(worker);
            if self.fits(worker, self.view.cluster.workers.get(worker.index())?) {
                return Some(worker);
            }
            self.vain += 1;
            if self.vain >= self.patience {
                if let Some(mut rest) = self.gather(worker) {
                    let next = rest.next();
                    self.rest = Some(rest);
                    return next;
                }
                (self.vain, self.patience) = (0, 2 * self.patience);
            }
        }
    }
}
