//! First fit and "every feasible worker": a tree of maxima over the workers.

use super::Demand;
use crate::model::{Duration, MILLI_PER_GPU, Request};

/// What is free on a worker; in the tree, the most of each that any worker below has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Room {
    pub(crate) cpu_milli: u64,
    pub(crate) memory_mib: u64,
    pub(crate) storage_mib: u64,
    /// Fully free GPU devices.
    pub(crate) free_gpus: u32,
    /// The most that one device has left, in milli-GPU.
    pub(crate) widest_gpu: u32,
}

impl Room {
    /// True if one replica of `request` fits, as far as amounts tell.
    #[inline(always)]
    pub(crate) fn holds(&self, request: &Request) -> bool {
        request.cpu_milli <= self.cpu_milli
            && request.memory_mib <= self.memory_mib
            && request.storage_mib <= self.storage_mib
            && request.gpu.whole_devices() <= self.free_gpus
            && request.gpu.milli_per_device() <= self.widest_gpu
    }

    /// As an opening, for tasks of any length.
    #[inline]
    pub(crate) fn opening(&self) -> Demand {
        let gpu = u64::from(self.free_gpus * MILLI_PER_GPU).max(u64::from(self.widest_gpu));
        Demand::new([self.cpu_milli, self.memory_mib, self.storage_mib, gpu], Duration::MAX)
    }

    #[inline]
    fn max(self, other: Self) -> Self {
        Self {
            cpu_milli: self.cpu_milli.max(other.cpu_milli),
            memory_mib: self.memory_mib.max(other.memory_mib),
            storage_mib: self.storage_mib.max(other.storage_mib),
            free_gpus: self.free_gpus.max(other.free_gpus),
            widest_gpu: self.widest_gpu.max(other.widest_gpu),
        }
    }
}

/// A complete binary tree over the workers, in index order. An update costs at most log2(workers) steps and stops
/// where nothing changes; a query descends only where a worker may fit.
#[derive(Clone, Debug, Default)]
pub(crate) struct RoomTree {
    /// `nodes[1]` is the root, the children of `i` are `2i` and `2i + 1`, the leaves start at `leaves`.
    nodes: Vec<Room>,
    leaves: usize,
}

impl RoomTree {
    pub(crate) fn build(rooms: impl ExactSizeIterator<Item = Room>) -> Self {
        let leaves = rooms.len().next_power_of_two();
        let mut nodes = vec![Room::default(); 2 * leaves];
        for (leaf, room) in nodes[leaves..].iter_mut().zip(rooms) {
            *leaf = room;
        }
        for node in (1..leaves).rev() {
            nodes[node] = nodes[2 * node].max(nodes[2 * node + 1]);
        }
        Self { nodes, leaves }
    }

    #[inline(always)]
    pub(crate) fn update(&mut self, worker: usize, room: Room) {
        let leaf = self.leaves + worker;
        self.nodes[leaf] = room;
        if leaf > 1 {
            self.renew_above(leaf);
        }
    }

    #[inline(never)]
    fn renew_above(&mut self, leaf: usize) {
        let mut node = leaf;
        while node > 1 {
            node /= 2;
            let max = self.nodes[2 * node].max(self.nodes[2 * node + 1]);
            if self.nodes[node] == max {
                break;
            }
            self.nodes[node] = max;
        }
    }

    #[inline(always)]
    pub(crate) fn prefetch(&self, worker: usize) {
        let leaf = self.leaves + worker;
        crate::prefetch(&self.nodes[leaf & !1]);
        crate::prefetch(&self.nodes[leaf / 4 * 2]);
        crate::prefetch(&self.nodes[leaf / 8 * 2]);
    }

    #[inline]
    pub(crate) fn room(&self, worker: usize) -> Room {
        self.nodes[self.leaves + worker]
    }

    /// The most of each resource that is free on any one worker.
    #[inline]
    pub(crate) fn most(&self) -> Room {
        self.nodes[1]
    }

    /// The same over all workers but one.
    pub(crate) fn most_beside(&self, worker: usize) -> Room {
        let mut node = self.leaves + worker;
        let mut most = Room::default();
        while node > 1 {
            most = most.max(self.nodes[node ^ 1]);
            node /= 2;
        }
        most
    }

    /// The first worker at or behind `from` whose room holds `request`.
    #[inline]
    pub(crate) fn next(&self, from: usize, request: &Request) -> Option<usize> {
        if from >= self.leaves {
            return None;
        }
        // The largest subtree that begins at `from`; the whole tree for 0.
        let mut node = self.leaves + from;
        node >>= node.trailing_zeros();
        loop {
            if self.nodes[node].holds(request) {
                if node >= self.leaves {
                    return Some(node - self.leaves);
                }
                node *= 2;
                continue;
            }
            // To the right neighbour's subtree: up while this is a right child, then across.
            node += 1;
            node >>= node.trailing_zeros();
            if node == 1 {
                return None;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn finds_what_a_scan_finds(
            rooms in prop::collection::vec((0u64..8, 0u64..8), 1..70),
            updates in prop::collection::vec((any::<prop::sample::Index>(), 0u64..8, 0u64..8), 0..40),
            cpu_milli in 0u64..9,
            memory_mib in 0u64..9,
            from in 0usize..80,
        ) {
            let room = |(cpu_milli, memory_mib)| Room { cpu_milli, memory_mib, ..Room::default() };
            let mut rooms: Vec<Room> = rooms.into_iter().map(room).collect();
            let mut tree = RoomTree::build(rooms.iter().copied());
            for (at, cpu, memory) in updates {
                let at = at.index(rooms.len());
                rooms[at] = room((cpu, memory));
                tree.update(at, rooms[at]);
            }
            let request = Request { cpu_milli, memory_mib, ..Request::default() };
            let scan = (from..rooms.len()).find(|&worker| rooms[worker].holds(&request));
            // Padding leaves hold a request of nothing; the caller knows how many workers there are.
            let found = tree.next(from, &request).filter(|&worker| worker < rooms.len());
            prop_assert_eq!(found, scan);
        }
    }
}
