//! `work_conserving`: no task waits while it would fit.
//!
//! What waits stands in a tree of minima over the queue: the least that any of a range asks for, dimension by dimension. A
//! worker that has become freer looks for tasks that fit, skipping every range of which it holds not even the least.

use cloudai_schedulers::{MILLI_PER_GPU, Request};

use super::plan::Plan;
use super::replay::{Promise, Start, State};
use super::room::Room;
use super::verdict::{At, Findings};

/// cpu, memory, storage, fraction of a device, whole devices.
type Amounts = [u64; 5];

const NOBODY: Amounts = [u64::MAX; 5];

fn amounts_of(request: &Request) -> Amounts {
    let fraction = if request.gpu.is_fraction() { request.gpu.milli() } else { 0 };
    [
        request.cpu_milli,
        request.memory_mib,
        request.storage_mib,
        fraction.into(),
        request.gpu.whole_devices().into(),
    ]
}

/// What one replica can find in a room: the sums, the most that is left on a device, and the free devices.
fn amounts_in(room: &Room) -> Amounts {
    let sum = |free: i128| u64::try_from(free.max(0)).unwrap_or(u64::MAX);
    let most = room.devices.iter().copied().max().unwrap_or_default().max(0);
    let free = room.devices.iter().filter(|&&free| free >= i64::from(MILLI_PER_GPU)).count();
    [sum(room.cpu_milli), sum(room.memory_mib), sum(room.storage_mib), most.unsigned_abs(), free as u64]
}

fn fits(needs: &Amounts, free: &Amounts) -> bool {
    needs.iter().zip(free).all(|(need, free)| need <= free)
}

/// A complete binary tree of minima; leaf `rank` stands at `leaves + rank`.
#[derive(Debug)]
struct Minima {
    leaves: usize,
    nodes: Vec<Amounts>,
}

impl Minima {
    fn new(ranks: usize) -> Self {
        let leaves = ranks.next_power_of_two();
        Self { leaves, nodes: vec![NOBODY; 2 * leaves] }
    }

    fn set(&mut self, rank: u32, amounts: Amounts) {
        let mut node = self.leaves + rank as usize;
        self.nodes[node] = amounts;
        while node > 1 {
            node /= 2;
            let (left, right) = (self.nodes[2 * node], self.nodes[2 * node + 1]);
            self.nodes[node] = std::array::from_fn(|dimension| left[dimension].min(right[dimension]));
        }
    }

    /// Every rank whose amounts fit into `free`, in order.
    fn all_that_fit(&self, free: &Amounts) -> Vec<u32> {
        let (mut found, mut open) = (Vec::new(), vec![1]);
        while let Some(node) = open.pop() {
            if !fits(&self.nodes[node], free) {
                continue;
            }
            if node >= self.leaves {
                found.extend(u32::try_from(node - self.leaves));
            } else {
                open.extend([2 * node + 1, 2 * node]);
            }
        }
        found
    }
}

/// What waits, and what would fit.
#[derive(Debug)]
pub(super) struct WorkConserving {
    waiting: Minima,
    tasks: u64,
}

impl WorkConserving {
    pub(super) fn new(plan: &Plan<'_>) -> Self {
        Self { waiting: Minima::new(plan.tasks.len()), tasks: 0 }
    }

    /// Tells of a task that waits and would fit, once for each time that it waits.
    fn report(&mut self, state: &State<'_>, task: u32, worker: u32, findings: &mut Findings) {
        self.waiting.set(state.rank(task), NOBODY);
        let at = At { time: Some(state.now), task: Some(task), line: None };
        findings.found("work_conserving", at, || {
            format!(
                "waits since {} s, and would fit on '{}' now",
                state.since[task as usize],
                state.plan.workers()[worker as usize].name
            )
        });
    }
}

/// All replicas of the task would fit now, some of them on `worker`. The amounts of one replica do.
fn would_start(state: &State<'_>, task: u32, worker: u32) -> bool {
    let may_use = |worker: u32| {
        state.is_up[worker as usize]
            && state.plan.allows(task, worker)
            && state.ready_at(task, worker) <= state.now
    };
    if !may_use(worker) {
        return false;
    }
    let spec = &state.plan.task(task).spec;
    if spec.replicas == 1 {
        return true;
    }
    let mut missing = spec.replicas;
    for worker in (0u32..).take(state.rooms.len()).filter(|&worker| may_use(worker)) {
        missing -= state.rooms[worker as usize].clone().take_replicas(&spec.request, missing);
    }
    missing == 0
}

impl Promise for WorkConserving {
    fn entered(&mut self, state: &State<'_>, task: u32) {
        self.tasks += 1;
        self.waiting.set(state.rank(task), amounts_of(&state.plan.task(task).spec.request));
    }

    fn started(&mut self, state: &State<'_>, start: &Start, _: &mut Findings) {
        self.waiting.set(state.rank(start.task), NOBODY);
    }

    fn settled(&mut self, state: &State<'_>, findings: &mut Findings) {
        for &worker in &state.freed {
            let free = amounts_in(&state.rooms[worker as usize]);
            for rank in self.waiting.all_that_fit(&free) {
                let task = state.by_rank[rank as usize];
                if would_start(state, task, worker) {
                    self.report(state, task, worker, findings);
                }
            }
        }
        for &task in &state.entered {
            let needs = self.waiting.nodes[self.waiting.leaves + state.rank(task) as usize];
            if needs == NOBODY {
                continue; // it has started, or was told of
            }
            let workers = (0u32..).take(state.rooms.len());
            let mut able = workers.filter(|&worker| fits(&needs, &amounts_in(&state.rooms[worker as usize])));
            if let Some(worker) = able.find(|&worker| would_start(state, task, worker)) {
                self.report(state, task, worker, findings);
            }
        }
    }

    fn finish(&mut self, findings: &mut Findings) {
        findings.checked("work_conserving", "waits", self.tasks);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tree_finds_all_that_fit_in_order() {
        let mut minima = Minima::new(5);
        for (rank, cpu) in [(0, 9), (1, 2), (3, 4), (4, 1)] {
            minima.set(rank, [cpu, 0, 0, 0, 0]);
        }
        assert_eq!(minima.all_that_fit(&[4, 0, 0, 0, 0]), [1, 3, 4]);
        minima.set(3, NOBODY);
        assert_eq!(minima.all_that_fit(&[4, 0, 0, 0, 0]), [1, 4]);
        assert_eq!(minima.all_that_fit(&[0, 9, 9, 9, 9]), [0u32; 0]);
    }
}
