//! First fit and "every feasible worker": a tree of maxima over the workers.

use wide::f32x4;

use super::Demand;
use super::amount::{MOST, amount_of, number_of};
use super::tree::{above, next_leaf};
use crate::model::{Duration, MILLI_PER_GPU, Request};

/// What is free on a worker.
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
    /// There is enough of everything but GPUs.
    #[inline(always)]
    pub(crate) const fn holds_amounts(&self, request: &Request) -> bool {
        request.cpu_milli <= self.cpu_milli
            && request.memory_mib <= self.memory_mib
            && request.storage_mib <= self.storage_mib
    }

    /// True if one replica of `request` fits, as far as amounts tell.
    #[inline(always)]
    pub(crate) fn holds(&self, request: &Request) -> bool {
        self.holds_amounts(request)
            && request.gpu.whole_devices() <= self.free_gpus
            && request.gpu.milli_per_device() <= self.widest_gpu
    }

    /// As an opening, for tasks of any length.
    #[inline]
    pub(crate) fn opening(&self) -> Demand {
        let gpu = u64::from(self.free_gpus * MILLI_PER_GPU).max(u64::from(self.widest_gpu));
        Demand::new([self.cpu_milli, self.memory_mib, self.storage_mib, gpu], Duration::MAX)
    }
}

/// A room or a request in one register of 16 bytes, as [numbers](super::amount): cpu in milli-cores, memory in MiB, storage in MiB, GPU in
/// milli-GPU. Where there is no worker there is less than nothing, so that not even a request of nothing fits there. What is
/// larger than a number can tell is cut, so that what fits is never kept out, and what is let through has to be looked at where
/// amounts are that large.
///
/// Of GPU one number tells all: the milli-GPU of the whole devices that are free, or what the emptiest device has left if
/// none is.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Amounts(f32x4);

impl Amounts {
    #[inline(always)]
    fn new(cpu_milli: u64, memory_mib: u64, storage_mib: u64, gpu_milli: u32) -> Self {
        let amounts = [cpu_milli, memory_mib, storage_mib, gpu_milli.into()];
        Self(f32x4::new(amounts.map(number_of)))
    }

    #[inline(always)]
    fn of_room(room: &Room) -> Self {
        let gpu_milli = (room.free_gpus * MILLI_PER_GPU).max(room.widest_gpu);
        Self::new(room.cpu_milli, room.memory_mib, room.storage_mib, gpu_milli)
    }

    #[inline(always)]
    fn of_request(request: &Request) -> Self {
        let Request { cpu_milli, memory_mib, storage_mib, gpu } = *request;
        Self::new(cpu_milli, memory_mib, storage_mib, gpu.milli())
    }

    /// The room, or more where amounts were cut.
    fn room(self) -> Room {
        let [cpu_milli, memory_mib, storage_mib, gpu_milli] = self.0.to_array().map(|number| {
            let amount = amount_of(number);
            if amount == MOST { u64::MAX } else { amount.into() }
        });
        let gpu_milli = u32::try_from(gpu_milli).unwrap_or(0);
        Room {
            cpu_milli,
            memory_mib,
            storage_mib,
            free_gpus: gpu_milli / MILLI_PER_GPU,
            widest_gpu: gpu_milli.min(MILLI_PER_GPU),
        }
    }

    #[inline(always)]
    fn max(self, other: Self) -> Self {
        Self(self.0.fast_max(other.0))
    }

    /// A bit for each amount that `request` asks more of.
    #[inline(always)]
    fn lacks(self, request: Self) -> u32 {
        request.0.simd_gt(self.0).to_bitmask()
    }

    #[inline(always)]
    fn is(self, other: Self) -> bool {
        self.0.simd_eq(other.0).all()
    }
}

/// Four neighbours: a line of the cache.
#[derive(Clone, Copy, Debug)]
#[repr(align(64))]
struct Group([Amounts; 4]);

impl Group {
    #[inline(always)]
    fn most(&self) -> Amounts {
        let [a, b, c, d] = self.0;
        a.max(b).max(c.max(d))
    }

    /// Replaces one, and returns the most of all then.
    #[inline(always)]
    fn replace(&mut self, at: usize, amounts: Amounts) -> Amounts {
        let [a, b, c] = [1, 2, 3].map(|other| self.0[(at ^ other) & 3]);
        self.0[at & 3] = amounts;
        amounts.max(a.max(b).max(c))
    }

    /// The first at or behind `from` that holds `request`.
    #[inline(always)]
    fn first(&self, from: usize, request: Amounts) -> Option<usize> {
        let [a, b, c, d] = self.0.map(|amounts| amounts.lacks(request));
        let lacks = a | b << 4 | c << 8 | d << 12;
        // One bit for each of the four that lacks nothing.
        let lacks = lacks | lacks >> 1 | lacks >> 2 | lacks >> 3;
        let fits = !lacks & 0x1111 & (0xFFFF << (4 * from));
        (fits != 0).then(|| fits.trailing_zeros() as usize / 4)
    }
}

/// A tree over the workers, in index order, that branches in four: a node's children are a line of the cache, and their
/// most is what the node has. An update costs at most log4(workers) steps and stops where nothing changes; a query
/// descends only where a worker may fit.
#[derive(Clone, Debug, Default)]
pub(crate) struct RoomTree {
    /// `groups[0]` are the root's children; those of the `n`-th of group `g` are group `4g + 1 + n`. The workers are
    /// in the groups from `inner` on; behind the last worker there is nothing.
    groups: Vec<Group>,
    inner: usize,
    /// The most of each that any worker has.
    most: Room,
    /// There is one worker, as in a pool of processors: `most` is its room, and tells all.
    alone: bool,
}

impl RoomTree {
    pub(crate) fn build(rooms: impl ExactSizeIterator<Item = Room>) -> Self {
        let alone = rooms.len() == 1;
        let bottom = rooms.len().div_ceil(4).max(1);
        let mut inner = 0;
        let mut width = 1;
        while width < bottom {
            inner += width;
            width *= 4;
        }
        let mut groups = vec![Group([Amounts::default(); 4]); inner + bottom];
        let mut last = Room::default();
        for (worker, room) in rooms.enumerate() {
            groups[inner + worker / 4].0[worker % 4] = Amounts::of_room(&room);
            last = room;
        }
        for group in (1..groups.len()).rev() {
            groups[(group - 1) / 4].0[(group - 1) % 4] = groups[group].most();
        }
        Self { most: if alone { last } else { groups[0].most().room() }, groups, inner, alone }
    }

    #[inline(always)]
    pub(crate) fn update(&mut self, worker: usize, room: &Room) {
        if self.alone {
            self.most = *room;
            return;
        }
        self.renew(worker, room);
    }

    #[inline(never)]
    fn renew(&mut self, worker: usize, room: &Room) {
        let (mut group, mut at) = (self.inner + worker / 4, worker % 4);
        let mut amounts = Amounts::of_room(room);
        loop {
            let Some(here) = self.groups.get_mut(group) else { return };
            if here.0[at & 3].is(amounts) {
                return;
            }
            amounts = here.replace(at, amounts);
            if group == 0 {
                break;
            }
            (group, at) = above::<4>(group);
        }
        self.most = amounts.room();
    }

    #[inline(always)]
    pub(crate) fn prefetch(&self, worker: usize) {
        let group = self.inner + worker / 4;
        if let Some(bottom) = self.groups.get(group) {
            crate::prefetch(bottom);
        }
    }

    /// True if this is what the tree has of `worker`.
    pub(crate) fn agrees(&self, worker: usize, room: &Room) -> bool {
        if self.alone {
            return self.most == *room;
        }
        let kept = self.groups.get(self.inner + worker / 4);
        kept.is_some_and(|group| group.0[worker % 4] == Amounts::of_room(room))
    }

    /// The most of each resource that is free on any one worker; more where it is beyond 31 bits.
    #[inline]
    pub(crate) const fn most(&self) -> Room {
        self.most
    }

    /// The same over all workers but one.
    pub(crate) fn most_beside(&self, worker: usize) -> Room {
        let (mut group, mut at) = (self.inner + worker / 4, worker % 4);
        let mut most = Amounts::default();
        loop {
            for (other, &amounts) in self.groups[group].0.iter().enumerate() {
                most = if other == at { most } else { most.max(amounts) };
            }
            if group == 0 {
                return most.room();
            }
            (group, at) = above::<4>(group);
        }
    }

    /// The first worker at or behind `from` whose room holds `request`, as far as 31 bits tell.
    #[inline]
    pub(crate) fn next(&self, from: usize, request: &Request) -> Option<usize> {
        if self.alone {
            return (from == 0 && self.most.holds(request)).then_some(0);
        }
        self.next_of_many(from, request)
    }

    #[inline]
    fn next_of_many(&self, from: usize, request: &Request) -> Option<usize> {
        let request = Amounts::of_request(request);
        // From the beginning, the way is down; otherwise from the worker up, until there is a way down.
        let from = if from == 0 { (0, 0) } else { (self.inner + from / 4, from % 4) };
        next_leaf::<4, _>(&self.groups, self.inner, from, |group, at| group.first(at, request))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::model::GpuRequest;

    proptest! {
        #[test]
        fn finds_what_a_scan_finds(
            rooms in prop::collection::vec((0u64..8, 0u64..8, 0u32..6), 1..300),
            updates in prop::collection::vec((any::<prop::sample::Index>(), 0u64..8, 0u64..8, 0u32..6), 0..40),
            cpu_milli in 0u64..9,
            memory_mib in 0u64..9,
            gpu in prop::sample::select(vec![0u64, 1, 400, 999, 1000, 2000, 3000]),
            from in 0usize..320,
        ) {
            // Devices that are full, half empty, or free.
            let room = |(cpu_milli, memory_mib, gpu): (u64, u64, u32)| {
                let widest_gpu = [0, 400, 999, 1000, 1000, 1000][gpu as usize];
                Room { cpu_milli, memory_mib, free_gpus: gpu.saturating_sub(2), widest_gpu, ..Room::default() }
            };
            let mut rooms: Vec<Room> = rooms.into_iter().map(room).collect();
            let mut tree = RoomTree::build(rooms.iter().copied());
            for (at, cpu, memory, gpu) in updates {
                let at = at.index(rooms.len());
                rooms[at] = room((cpu, memory, gpu));
                tree.update(at, &rooms[at]);
                prop_assert!(tree.agrees(at, &rooms[at]));
            }
            let gpu = GpuRequest::from_milli(gpu).unwrap();
            let request = Request { cpu_milli, memory_mib, gpu, ..Request::default() };
            let scan = (from..rooms.len()).find(|&worker| rooms[worker].holds(&request));
            prop_assert_eq!(tree.next(from, &request), scan);
            let most = |rooms: &mut dyn Iterator<Item = &Room>| {
                rooms.fold(Room::default(), |most, room| Room {
                    cpu_milli: most.cpu_milli.max(room.cpu_milli),
                    memory_mib: most.memory_mib.max(room.memory_mib),
                    storage_mib: most.storage_mib.max(room.storage_mib),
                    free_gpus: most.free_gpus.max(room.free_gpus),
                    widest_gpu: most.widest_gpu.max(room.widest_gpu),
                })
            };
            prop_assert_eq!(tree.most(), most(&mut rooms.iter()));
            let but = from % rooms.len();
            let others = rooms.iter().enumerate().filter(|&(at, _)| at != but).map(|(_, room)| room);
            prop_assert_eq!(tree.most_beside(but), most(&mut others.into_iter()));
        }
    }

    #[test]
    fn a_single_worker_is_known_exactly() {
        let room = |cpu_milli| Room { cpu_milli, ..Room::default() };
        let request = |cpu_milli| Request { cpu_milli, ..Request::default() };
        let mut tree = RoomTree::build(std::iter::once(room(1 << 40)));
        assert_eq!((tree.next(0, &request(1 << 40)), tree.next(0, &request(1 + (1 << 40)))), (Some(0), None));
        tree.update(0, &room(7));
        assert!(tree.agrees(0, &room(7)) && !tree.agrees(0, &room(8)));
        assert_eq!(
            (tree.next(0, &request(7)), tree.next(0, &request(8)), tree.next(1, &request(0))),
            (Some(0), None, None)
        );
        assert_eq!((tree.most(), tree.most_beside(0)), (room(7), Room::default()));
    }

    #[test]
    fn what_is_larger_than_the_tree_can_tell_is_a_candidate() {
        let room = |cpu_milli| Room { cpu_milli, ..Room::default() };
        let large = 1 << 40;
        let tree = RoomTree::build([room(7), room(large), room(large + 2)].into_iter());
        let request = |cpu_milli| Request { cpu_milli, ..Request::default() };
        assert_eq!(tree.next(0, &request(8)), Some(1));
        assert_eq!(tree.next(0, &request(large + 1)), Some(1));
        assert_eq!(tree.next(2, &request(large + 3)), Some(2));
        assert!(tree.most().holds(&request(u64::MAX)));
        assert_eq!(RoomTree::build(std::iter::empty()).next(0, &request(0)), None);
        assert_eq!(RoomTree::default().next(0, &request(0)), None);
    }
}
