//! Best fit: the workers in order of (free cpu, free memory, index), in levels by free cpu.
//!
//! ```text
//!   key        cpu | memory | worker | gpu            packed into 64 bits, so that the order of numbers is the order
//!   level      the upper bits of cpu
//!   tops       the most memory in each level          a tree of maxima: finds the next level that has enough
//!   gpus       the most gpu in each level             the same, where there are GPUs
//! ```
//!
//! Gpu is coarse, and left out where it does not fit the 64 bits: who asks has to look whether the worker really suits.
//!
//! A level is a short sorted list as long as it has few workers. A long one whose workers all have the same cpu, memory and gpu
//! free, as where tasks ask for whole cores, is a bitset of workers; any other long one is a sorted set in blocks.

use super::amount::{LESS, number_of};
use super::bits::Bits;
use super::blocks::SortedBlocks;
use super::maxima::Maxima;
use super::room::Room;
use crate::model::{GpuRequest, MILLI_PER_GPU, Request};

/// What places a worker in the order, and whether it may suit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Key {
    cpu_milli: u64,
    memory_mib: u64,
    /// See [`gpu_free`].
    gpu: u32,
    worker: u32,
}

impl Key {
    #[inline]
    pub(crate) fn new(room: &Room, worker: u32) -> Self {
        Self { cpu_milli: room.cpu_milli, memory_mib: room.memory_mib, gpu: gpu_free(room), worker }
    }
}

/// The free GPUs of a worker in one small number: the eighths that the emptiest device has left, rounded down; from 8 on, 7 and the
/// number of whole devices that are free.
#[inline]
fn gpu_free(room: &Room) -> u32 {
    let whole = room.free_gpus;
    if whole > 0 { 7 + whole } else { eighths(room.widest_gpu) }
}

/// The same of a request: no worker that has less can hold it.
#[inline]
fn gpu_asked(gpu: GpuRequest) -> u32 {
    let whole = gpu.whole_devices();
    if whole > 0 { 7 + whole } else { eighths(gpu.milli()) }
}

#[inline]
fn eighths(milli: u32) -> u32 {
    8 * milli / MILLI_PER_GPU
}

/// There are at most so many levels: three lines of their tree lead to each.
const MOST_LEVELS: usize = 4096;

/// A level with more keys than this is no plain list any more.
const FEW: usize = 64;

/// The workers that take work, by what is free there. Insertion and removal take constant time where levels are short or
/// their workers alike, and at most logarithmic time otherwise (amortised).
#[derive(Clone, Debug, Default)]
pub(crate) struct FullestFirst {
    /// By level, the most memory that any of its workers has free, or had since the level last was a short list; what is beyond
    /// 31 bits is cut.
    tops: Maxima,
    /// The same of gpu, kept if keys have it.
    gpus: Maxima,
    levels: Vec<Level>,
    shape: Shape,
}

/// How a key is packed.
#[derive(Clone, Copy, Debug, Default)]
struct Shape {
    memory_bits: u32,
    worker_bits: u32,
    gpu_bits: u32,
    /// Bits of a packed key below its level.
    below_level: u32,
}

/// Packed keys of one level, in order.
#[derive(Clone, Debug)]
enum Level {
    Few(Vec<u64>),
    /// All have the same cpu, memory and gpu: `room` is the key of worker 0.
    Alike {
        room: u64,
        workers: Bits,
    },
    Many(SortedBlocks),
}

impl Default for Level {
    fn default() -> Self {
        Self::Few(Vec::new())
    }
}

impl FullestFirst {
    /// The index of `keys`, of workers below `workers`, none of which will ever have more of anything free than `most`; `None` if
    /// keys of that size cannot be packed into 64 bits.
    pub(crate) fn build(keys: impl Iterator<Item = Key>, workers: usize, most: &Room) -> Option<Self> {
        let bits = |most: u64| u64::BITS - most.leading_zeros();
        let (most_cpu_milli, memory_bits) = (most.cpu_milli, bits(most.memory_mib));
        let (worker_bits, mut gpu_bits) = (bits(workers as u64), bits(gpu_free(most).into()));
        let needed = bits(most_cpu_milli) + memory_bits + worker_bits;
        // One bit is left, so that there is a number behind each key.
        if needed >= u64::BITS {
            return None;
        }
        if needed + gpu_bits >= u64::BITS {
            gpu_bits = 0;
        }
        // For as many workers as there may be on a level each: not more than four levels for each worker.
        let levels = (4 * workers).next_power_of_two().clamp(16, MOST_LEVELS) as u64;
        let step_bits = bits(most_cpu_milli).saturating_sub(levels.ilog2());
        let below_level = step_bits + memory_bits + worker_bits + gpu_bits;
        let shape = Shape { memory_bits, worker_bits, gpu_bits, below_level };
        let levels = usize::try_from(most_cpu_milli >> step_bits).ok()? + 1;
        let (tops, gpus) = (Maxima::new(levels), Maxima::new(levels));
        let mut index = Self { tops, gpus, levels: vec![Level::default(); levels], shape };
        let mut keys: Vec<u64> = keys.map(|key| shape.pack(key)).collect();
        keys.sort_unstable();
        for level in keys.chunk_by(|&a, &b| shape.level(a) == shape.level(b)) {
            let at = shape.level(level[0]);
            index.set_most(at, shape.most(level));
            index.levels[at] = shape.fitting(level.to_vec());
        }
        Some(index)
    }

    #[inline]
    pub(crate) fn insert(&mut self, key: Key) {
        let (shape, key) = (self.shape, self.shape.pack(key));
        let at = shape.level(key);
        self.tops.set(at, self.tops.get(at).max(number_of(shape.memory(key))));
        if shape.gpu_bits > 0 {
            self.gpus.set(at, self.gpus.get(at).max(number_of(shape.gpu(key))));
        }
        let level = &mut self.levels[at];
        match level {
            Level::Few(keys) => {
                let place = keys.partition_point(|&other| other < key);
                keys.insert(place, key);
                if keys.len() > FEW {
                    *level = shape.fitting(std::mem::take(keys));
                }
            }
            Level::Alike { room, workers } if *room == shape.room(key) => workers.insert(shape.worker(key)),
            Level::Alike { room, workers } => *level = shape.unlike(*room, workers, key),
            Level::Many(keys) => keys.insert(key),
        }
    }

    #[inline]
    pub(crate) fn remove(&mut self, key: Key) {
        let (shape, key) = (self.shape, self.shape.pack(key));
        let at = shape.level(key);
        let level = &mut self.levels[at];
        let most = match level {
            Level::Few(keys) => {
                let place = keys.partition_point(|&other| other < key);
                if keys.get(place) == Some(&key) {
                    keys.remove(place);
                }
                let has_more_gpu = shape.gpu_bits == 0 || self.gpus.get(at) > number_of(shape.gpu(key));
                if has_more_gpu && self.tops.get(at) > number_of(shape.memory(key)) {
                    return;
                }
                shape.most(keys)
            }
            Level::Alike { room, workers } => {
                if *room == shape.room(key) {
                    workers.remove(shape.worker(key));
                }
                if !workers.is_empty() {
                    return;
                }
                (LESS, LESS)
            }
            Level::Many(keys) => {
                keys.remove(key);
                let Some(few) = keys.take_few(FEW / 2) else { return };
                let most = shape.most(&few);
                *level = Level::Few(few);
                most
            }
        };
        self.set_most(at, most);
    }

    /// Notes the most memory and gpu in a level.
    #[inline]
    fn set_most(&mut self, at: usize, (memory, gpu): (f32, f32)) {
        self.tops.set(at, memory);
        if self.shape.gpu_bits > 0 {
            self.gpus.set(at, gpu);
        }
    }

    /// Where to begin for a task that asks for so much cpu: for [`next`](Self::next). `None` if no worker can have it.
    #[inline]
    pub(crate) fn begin(&self, cpu_milli: u64) -> Option<u64> {
        let below_cpu = self.shape.memory_bits + self.shape.worker_bits + self.shape.gpu_bits;
        (cpu_milli <= u64::MAX >> 1 >> below_cpu).then_some(cpu_milli << below_cpu)
    }

    /// The first worker at or behind the packed key `from` with so much memory free, and as much GPU as keys tell, and where to
    /// go on.
    #[inline]
    pub(crate) fn next(&self, from: u64, request: &Request) -> Option<(u32, u64)> {
        let shape = self.shape;
        let memory_mib = request.memory_mib;
        let gpu = if shape.gpu_bits > 0 { gpu_asked(request.gpu).into() } else { 0 };
        let suits = |&key: &u64| shape.memory(key) >= memory_mib && shape.gpu(key) >= gpu;
        let mut at = shape.level(from);
        loop {
            at = self.tops.next(at, number_of(memory_mib))?;
            if gpu > 0 {
                let with_gpu = self.gpus.next(at, number_of(gpu))?;
                if with_gpu > at {
                    at = with_gpu;
                    continue;
                }
            }
            let found = match &self.levels[at] {
                Level::Few(keys) => keys.iter().copied().find(|&key| key >= from && suits(&key)),
                Level::Alike { room, workers } if suits(room) => shape.next_alike(*room, workers, from),
                Level::Alike { .. } => None,
                Level::Many(keys) => keys.from(from).find(suits),
            };
            if let Some(key) = found {
                return Some((u32::try_from(shape.worker(key)).ok()?, key + 1));
            }
            at += 1;
        }
    }

    pub(crate) fn contains(&self, key: Key) -> bool {
        let (shape, key) = (self.shape, self.shape.pack(key));
        let at = shape.level(key);
        let found = self.levels.get(at).is_some_and(|level| match level {
            Level::Few(keys) => keys.binary_search(&key).is_ok(),
            Level::Alike { room, workers } => *room == shape.room(key) && workers.contains(shape.worker(key)),
            Level::Many(keys) => keys.contains(key),
        });
        let gpus_agree = shape.gpu_bits == 0 || self.gpus.get(at) >= number_of(shape.gpu(key));
        found && gpus_agree && self.tops.get(at) >= number_of(shape.memory(key))
    }
}

impl Shape {
    #[inline]
    fn pack(self, key: Key) -> u64 {
        let room = (key.cpu_milli << self.memory_bits) | key.memory_mib;
        (room << self.worker_bits | u64::from(key.worker)) << self.gpu_bits | self.gpu(key.gpu.into())
    }

    #[inline]
    #[expect(
        clippy::cast_possible_truncation,
        reason = "there are at most 4,096 levels, and one behind them"
    )]
    fn level(self, key: u64) -> usize {
        (key >> self.below_level) as usize
    }

    #[inline]
    fn memory(self, key: u64) -> u64 {
        key >> (self.worker_bits + self.gpu_bits) & !(!0 << self.memory_bits)
    }

    #[inline]
    fn gpu(self, key: u64) -> u64 {
        key & !(!0 << self.gpu_bits)
    }

    /// The most memory and the most gpu in `keys`.
    #[inline]
    fn most(self, keys: &[u64]) -> (f32, f32) {
        let most =
            |of: fn(Self, u64) -> u64| keys.iter().map(|&key| of(self, key)).max().map_or(LESS, number_of);
        (most(Self::memory), if self.gpu_bits > 0 { most(Self::gpu) } else { LESS })
    }

    /// The key without the worker.
    #[inline]
    fn room(self, key: u64) -> u64 {
        key & !(!(!0 << self.worker_bits) << self.gpu_bits)
    }

    #[inline]
    #[expect(clippy::cast_possible_truncation, reason = "workers are numbered with 32 bits")]
    fn worker(self, key: u64) -> usize {
        (key >> self.gpu_bits & !(!0 << self.worker_bits)) as usize
    }

    /// The first key at or behind `from` of workers who all have the same room.
    #[inline]
    fn next_alike(self, room: u64, workers: &Bits, from: u64) -> Option<u64> {
        let first = from.saturating_sub(room).div_ceil(1 << self.gpu_bits);
        workers.next(usize::try_from(first).ok()?).map(|worker| self.of_alike(room, worker))
    }

    #[inline]
    fn of_alike(self, room: u64, worker: usize) -> u64 {
        room | (worker as u64) << self.gpu_bits
    }

    /// A level in the form that suits its keys, which are in order.
    #[cold]
    fn fitting(self, keys: Vec<u64>) -> Level {
        let room = keys.first().map(|&first| self.room(first));
        match room {
            // Where gpu differs, that of the first and the last worker may still be the same.
            Some(room) if keys.len() > FEW && keys.iter().all(|&key| self.room(key) == room) => {
                let mut workers = Bits::new(1 << self.worker_bits);
                keys.iter().for_each(|&key| workers.insert(self.worker(key)));
                Level::Alike { room, workers }
            }
            _ if keys.len() > FEW => Level::Many(SortedBlocks::build(&keys)),
            _ => Level::Few(keys),
        }
    }

    /// The level of workers who were all alike, and of another one that is not.
    #[cold]
    fn unlike(self, room: u64, workers: &Bits, key: u64) -> Level {
        let mut keys: Vec<u64> = workers.iter().map(|worker| self.of_alike(room, worker)).collect();
        keys.insert(keys.partition_point(|&other| other < key), key);
        self.fitting(keys)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// All keys from one on that may suit, step by step.
    fn from(index: &FullestFirst, request: &Request) -> Vec<u32> {
        let mut from = index.begin(request.cpu_milli);
        std::iter::from_fn(|| {
            let (worker, behind) = index.next(from?, request)?;
            from = Some(behind);
            Some(worker)
        })
        .collect()
    }

    proptest! {
        #[test]
        fn gives_what_a_scan_gives(
            workers in 1u32..400,
            // Few amounts, so that many workers are alike; many, so that levels hold different ones.
            (most_cpu, most_memory) in (prop::sample::select(vec![0, 3, 70, 100_000]), prop::sample::select(vec![0, 1, 70_000])),
            most_gpus in prop::sample::select(vec![0u32, 1, 8]),
            start in any::<bool>(),
            changes in prop::collection::vec(
                (any::<prop::sample::Index>(), any::<prop::sample::Index>(), any::<prop::sample::Index>(), 0u8..8, 0u32..=8_000),
                0..900,
            ),
            queries in prop::collection::vec(
                (any::<prop::sample::Index>(), any::<prop::sample::Index>(), prop::sample::select(vec![0u64, 1, 130, 999, 1_000, 5_000])),
                1..9,
            ),
        ) {
            let amount = |at: prop::sample::Index, most: u64| at.index(usize::try_from(most).unwrap() + 1) as u64;
            // So much is left of the GPUs, as whole ones and the rest in one.
            let room = |cpu_milli, memory_mib, gpu_milli: u32| {
                let gpu_milli = gpu_milli.min(1_000 * most_gpus);
                let (free_gpus, widest_gpu) = (gpu_milli / 1_000, gpu_milli.min(1_000));
                Room { cpu_milli, memory_mib, free_gpus, widest_gpu, ..Room::default() }
            };
            let most = room(most_cpu, most_memory, u32::MAX);
            // What each has free, if it takes work.
            let mut rooms: Vec<Option<Room>> = vec![start.then_some(most); workers as usize];
            let build = |rooms: &[Option<Room>]| {
                let keys = (0u32..).zip(rooms).filter_map(|(at, room)| Some(Key::new(room.as_ref()?, at)));
                FullestFirst::build(keys, rooms.len(), &most).unwrap()
            };
            let mut index = build(&rooms);
            for (at, cpu, memory, kind, gpu) in changes {
                let at = at.index(rooms.len());
                let worker = u32::try_from(at).unwrap();
                let room = match kind {
                    0 => None,
                    1 => Some(most),
                    2 => Some(room(0, 0, 0)),
                    3 => Some(room(0, 0, gpu)),
                    _ => Some(room(amount(cpu, most_cpu), amount(memory, most_memory), gpu)),
                };
                if let Some(room) = std::mem::replace(&mut rooms[at], room) {
                    let key = Key::new(&room, worker);
                    prop_assert!(index.contains(key));
                    index.remove(key);
                    prop_assert!(!index.contains(key));
                }
                if let Some(room) = room {
                    let key = Key::new(&room, worker);
                    index.insert(key);
                    prop_assert!(index.contains(key));
                }
            }
            let fresh = build(&rooms);
            let mut sorted: Vec<(u64, u64, u32, Room)> = (0u32..)
                .zip(&rooms)
                .filter_map(|(at, room)| room.map(|room| (room.cpu_milli, room.memory_mib, at, room)))
                .collect();
            sorted.sort_unstable_by_key(|&(cpu, memory, at, _)| (cpu, memory, at));
            for (cpu, memory, gpu) in queries {
                let (cpu, memory) = (amount(cpu, most_cpu + 1), amount(memory, most_memory + 1));
                let gpu = GpuRequest::from_milli(gpu).unwrap();
                for (cpu_milli, memory_mib) in [(cpu, memory), (cpu, 0), (0, memory), (0, 0)] {
                    let request = Request { cpu_milli, memory_mib, gpu, ..Request::default() };
                    // Where there are no GPUs, keys say nothing of them.
                    let suits = |room: &Room| {
                        room.cpu_milli >= cpu_milli && room.memory_mib >= memory_mib && (most_gpus == 0 || gpu_free(room) >= gpu_asked(gpu))
                    };
                    let found = sorted.iter().filter(|(.., room)| suits(room));
                    let expected: Vec<u32> = found.map(|&(_, _, worker, _)| worker).collect();
                    prop_assert_eq!(&from(&index, &request), &expected);
                    prop_assert_eq!(&from(&fresh, &request), &expected);
                    // Nobody who has room is passed over.
                    let holding = sorted.iter().filter(|(.., room)| room.holds(&request));
                    prop_assert!(holding.map(|&(_, _, worker, _)| worker).all(|worker| expected.contains(&worker)));
                }
            }
        }
    }

    #[test]
    fn what_cannot_be_packed_is_not_indexed() {
        let most =
            |cpu_milli, memory_mib, free_gpus| Room { cpu_milli, memory_mib, free_gpus, ..Room::default() };
        let build = |workers, most: Room| FullestFirst::build(std::iter::empty(), workers, &most);
        assert!(build(1 << 19, most((1 << 20) - 1, (1 << 23) - 1, 0)).is_some());
        assert!(build(1 << 19, most((1 << 20) - 1, 1 << 23, 0)).is_none());
        assert!(build(1, most(u64::MAX, 0, 0)).is_none());
        let request = |cpu_milli, memory_mib| Request { cpu_milli, memory_mib, ..Request::default() };
        let index = build(3, most(1000, 1000, 0)).unwrap();
        assert_eq!(index.begin(u64::MAX).and_then(|from| index.next(from, &request(u64::MAX, 0))), None);
        assert_eq!(index.begin(1 << 40).and_then(|from| index.next(from, &request(1 << 40, u64::MAX))), None);
    }

    /// Where GPUs do not fit the key, workers are given whatever they have of them.
    #[test]
    fn gpus_are_left_out_of_keys_that_are_full() {
        let room = Room { cpu_milli: (1 << 20) - 1, memory_mib: (1 << 23) - 1, ..Room::default() };
        let most = Room { free_gpus: 8, widest_gpu: 1000, ..room };
        let index = FullestFirst::build([Key::new(&room, 7)].into_iter(), 1 << 19, &most).unwrap();
        let request = Request { gpu: GpuRequest::from_milli(2000).unwrap(), ..Request::default() };
        assert_eq!(from(&index, &request), [7]);
        assert!(index.contains(Key::new(&room, 7)));
    }
}
