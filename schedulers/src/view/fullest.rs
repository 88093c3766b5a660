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
/// The order knows cpu and memory, and roughly GPU. Where it leads past many workers in vain, as where few of them have storage
/// left, the tree of maxima may know that only few fit at all; then these are sorted. Looking there takes at most
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
            let (worker, behind) = self.index.next(self.from?, &self.spec.request)?;
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use crate::cluster::{Cluster, ClusterConfig, Decision, Event, WorkerState};
    use crate::model::{Capacity, GpuRequest, Request, TaskSpec, WorkerSpec};
    use crate::{Indexes, WorkerId};

    /// Few workers have GPUs or much storage.
    fn worker(kind: u8) -> WorkerSpec {
        let (cpu_milli, memory_mib) = (1000 * (1 + u64::from(kind % 5)), 1 << (kind % 7));
        let gpus = if kind.is_multiple_of(41) { u32::from(kind % 3) + 1 } else { 0 };
        let storage_mib = if kind.is_multiple_of(29) { 1000 } else { 1 };
        WorkerSpec {
            capacity: Capacity { cpu_milli, memory_mib, storage_mib, gpus },
            ..WorkerSpec::default()
        }
    }

    fn request((cpu_milli, memory_mib, storage_mib, gpu): (u64, u64, u64, u64)) -> Request {
        let gpu = GpuRequest::from_milli(gpu).unwrap();
        Request { cpu_milli, memory_mib, storage_mib, gpu }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn gives_what_a_sort_gives_on_many_workers(
            kinds in prop::collection::vec(any::<u8>(), 1..400),
            steps in prop::collection::vec(
                (any::<prop::sample::Index>(), 0u8..16, any::<u8>(), 0u64..2000, 0u64..9), 0..200,
            ),
            asked in prop::collection::vec(
                (
                    prop::sample::select(vec![0u64, 500, 1000, 3000, 9000]),
                    prop::sample::select(vec![0u64, 1, 5, 60]),
                    prop::sample::select(vec![0u64, 0, 2, 1000]),
                    prop::sample::select(vec![0u64, 0, 300, 1000, 2000]),
                ),
                1..6,
            ),
        ) {
            let indexes = Indexes { best_fit: true, ..Indexes::default() };
            let config = ClusterConfig { indexes, ..ClusterConfig::default() };
            let mut cluster = Cluster::new(config, kinds.into_iter().map(worker).collect()).unwrap();
            let (mut index, mut running) = (0, Vec::new());
            for (at, step, kind, cpu, memory) in steps {
                let workers = u32::try_from(cluster.workers.len()).unwrap();
                let worker_at = WorkerId(u32::try_from(at.index(workers as usize)).unwrap());
                match step {
                    0 => cluster.apply(Event::WorkerJoined(worker(kind))).unwrap(),
                    1 => cluster.apply(Event::WorkerChanged { worker: worker_at, state: WorkerState::Draining }).unwrap(),
                    2 => cluster.apply(Event::WorkerChanged { worker: worker_at, state: WorkerState::Lost }).unwrap(),
                    3 => cluster.apply(Event::WorkerChanged { worker: worker_at, state: WorkerState::Active }).unwrap(),
                    4..8 if !running.is_empty() => {
                        let task = running.swap_remove(at.index(running.len()));
                        // It may have been lost.
                        let _ = cluster.apply(Event::Completed { task, attempt: 1 });
                    }
                    _ => {
                        let request = request((cpu, memory, 0, if kind < 9 { 700 } else { 0 }));
                        let task = cluster.submit(TaskSpec { index, request, ..TaskSpec::default() });
                        index += 1;
                        let found = cluster.view().best_fit(task);
                        let placement = found.and_then(|worker| cluster.view().placement_on(task, worker));
                        if let Some(placement) = placement {
                            cluster.decide(Decision::Assign { task, placement }).unwrap();
                            running.push(task);
                        }
                    }
                }
            }
            crate::invariants::check(&cluster).unwrap();
            let mut plain = cluster.clone();
            plain.keep_indexes(Indexes::default());
            for asked in asked {
                let spec = TaskSpec { index, request: request(asked), ..TaskSpec::default() };
                index += 1;
                let (task, same) = (cluster.submit(spec), plain.submit(spec));
                let sorted: Vec<WorkerId> = plain.view().fullest_first(same).collect();
                prop_assert_eq!(cluster.view().fullest_first(task).collect::<Vec<_>>(), sorted);
            }
        }
    }
}
