//! Best fit: the workers in order of (free cpu, free memory, index), in levels by free cpu.
//!
//! ```text
//!   key        cpu | memory | worker                  packed into 64 bits, so that the order of numbers is the order
//!   level      the upper bits of cpu
//!   tops       the most memory in each level          a tree of maxima: finds the next level that has enough
//! ```
//!
//! A level is a short sorted list as long as it has few workers. A long one whose workers all have the same cpu and memory
//! free, as where tasks ask for whole cores, is a bitset of workers; any other long one is a sorted set in blocks.

use super::bits::Bits;
use super::blocks::SortedBlocks;
use super::maxima::Maxima;

/// (free cpu in milli-cores, free memory in MiB, index of the worker).
pub(crate) type Key = (u64, u64, u32);

/// There are at most so many levels: three lines of their tree lead to each.
const MOST_LEVELS: usize = 4096;

/// The top of a level without workers.
const EMPTY: i32 = i32::MIN;

/// A level with more keys than this is no plain list any more.
const FEW: usize = 64;

/// The workers that take work, by what is free there. Insertion and removal take constant time where levels are short or
/// their workers alike, and at most logarithmic time otherwise (amortised).
#[derive(Clone, Debug, Default)]
pub(crate) struct FullestFirst {
    /// By level, the most memory that any of its workers has free, or had since the level last was a short list; what is beyond
    /// 31 bits is cut.
    tops: Maxima,
    levels: Vec<Level>,
    shape: Shape,
}

/// How a key is packed.
#[derive(Clone, Copy, Debug, Default)]
struct Shape {
    memory_bits: u32,
    worker_bits: u32,
    /// Bits of a packed key below its level.
    below_level: u32,
}

/// Packed keys of one level, in order.
#[derive(Clone, Debug)]
enum Level {
    Few(Vec<u64>),
    /// All have the same cpu and memory: `room` is the key of worker 0.
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
    /// The index of `keys`, of workers below `workers`, none of which will ever have more than `most_cpu_milli` or
    /// `most_memory_mib` free; `None` if keys of that size cannot be packed into 64 bits.
    pub(crate) fn build(
        keys: impl Iterator<Item = Key>,
        workers: usize,
        most_cpu_milli: u64,
        most_memory_mib: u64,
    ) -> Option<Self> {
        let bits = |most: u64| u64::BITS - most.leading_zeros();
        let (memory_bits, worker_bits) = (bits(most_memory_mib), bits(workers as u64));
        // One bit is left, so that there is a number behind each key.
        if bits(most_cpu_milli) + memory_bits + worker_bits >= u64::BITS {
            return None;
        }
        // For as many workers as there may be on a level each: not more than four levels for each worker.
        let levels = (4 * workers).next_power_of_two().clamp(16, MOST_LEVELS) as u64;
        let step_bits = bits(most_cpu_milli).saturating_sub(levels.ilog2());
        let shape = Shape { memory_bits, worker_bits, below_level: step_bits + memory_bits + worker_bits };
        let levels = usize::try_from(most_cpu_milli >> step_bits).ok()? + 1;
        let mut index = Self { tops: Maxima::new(levels), levels: vec![Level::default(); levels], shape };
        let mut keys: Vec<u64> = keys.map(|key| shape.pack(key)).collect();
        keys.sort_unstable();
        for level in keys.chunk_by(|&a, &b| shape.level(a) == shape.level(b)) {
            let at = shape.level(level[0]);
            index.tops.set(at, shape.top(level));
            index.levels[at] = shape.fitting(level.to_vec());
        }
        Some(index)
    }

    #[inline]
    pub(crate) fn insert(&mut self, key: Key) {
        let (shape, key) = (self.shape, self.shape.pack(key));
        let at = shape.level(key);
        self.tops.set(at, self.tops.get(at).max(cut(shape.memory(key))));
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
        let top = match level {
            Level::Few(keys) => {
                let place = keys.partition_point(|&other| other < key);
                if keys.get(place) == Some(&key) {
                    keys.remove(place);
                }
                if self.tops.get(at) > cut(shape.memory(key)) {
                    return;
                }
                shape.top(keys)
            }
            Level::Alike { room, workers } => {
                if *room == shape.room(key) {
                    workers.remove(shape.worker(key));
                }
                if !workers.is_empty() {
                    return;
                }
                EMPTY
            }
            Level::Many(keys) => {
                keys.remove(key);
                let Some(few) = keys.take_few(FEW / 2) else { return };
                let top = shape.top(&few);
                *level = Level::Few(few);
                top
            }
        };
        self.tops.set(at, top);
    }

    /// Where to begin for a task that asks for so much cpu: for [`next`](Self::next). `None` if no worker can have it.
    #[inline]
    pub(crate) fn begin(&self, cpu_milli: u64) -> Option<u64> {
        let below_cpu = self.shape.memory_bits + self.shape.worker_bits;
        (cpu_milli <= u64::MAX >> 1 >> below_cpu).then_some(cpu_milli << below_cpu)
    }

    /// The first worker at or behind the packed key `from` with so much memory free, and where to go on.
    #[inline]
    pub(crate) fn next(&self, from: u64, memory_mib: u64) -> Option<(u32, u64)> {
        let shape = self.shape;
        let (suits, least) = (|&key: &u64| shape.memory(key) >= memory_mib, cut(memory_mib));
        let mut at = shape.level(from);
        loop {
            at = self.tops.next(at, least)?;
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
        found && self.tops.get(at) >= cut(shape.memory(key))
    }
}

/// An amount as far as 31 bits can tell.
#[inline]
fn cut(amount: u64) -> i32 {
    i32::try_from(amount).unwrap_or(i32::MAX)
}

impl Shape {
    #[inline]
    fn pack(self, (cpu_milli, memory_mib, worker): Key) -> u64 {
        ((cpu_milli << self.memory_bits) | memory_mib) << self.worker_bits | u64::from(worker)
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
        key >> self.worker_bits & !(!0 << self.memory_bits)
    }

    /// The most memory in `keys`.
    #[inline]
    fn top(self, keys: &[u64]) -> i32 {
        keys.iter().map(|&key| cut(self.memory(key))).max().unwrap_or(EMPTY)
    }

    /// The key without the worker.
    #[inline]
    fn room(self, key: u64) -> u64 {
        key & (!0 << self.worker_bits)
    }

    #[inline]
    #[expect(clippy::cast_possible_truncation, reason = "workers are numbered with 32 bits")]
    fn worker(self, key: u64) -> usize {
        (key & !(!0 << self.worker_bits)) as usize
    }

    /// The first key at or behind `from` of workers who all have the same room.
    #[inline]
    fn next_alike(self, room: u64, workers: &Bits, from: u64) -> Option<u64> {
        let first = usize::try_from(from.saturating_sub(room)).ok()?;
        workers.next(first).map(|worker| room | worker as u64)
    }

    /// A level in the form that suits its keys, which are in order.
    #[cold]
    fn fitting(self, keys: Vec<u64>) -> Level {
        let rooms = keys.first().zip(keys.last()).map(|(&first, &last)| (self.room(first), self.room(last)));
        match rooms {
            Some((room, last)) if keys.len() > FEW && room == last => {
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
        let mut keys: Vec<u64> = workers.iter().map(|worker| room | worker as u64).collect();
        keys.insert(keys.partition_point(|&other| other < key), key);
        self.fitting(keys)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    /// All keys from one on with so much memory, step by step.
    fn from(index: &FullestFirst, cpu_milli: u64, memory_mib: u64) -> Vec<u32> {
        let mut from = index.begin(cpu_milli);
        std::iter::from_fn(|| {
            let (worker, behind) = index.next(from?, memory_mib)?;
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
            start in any::<bool>(),
            changes in prop::collection::vec(
                (any::<prop::sample::Index>(), any::<prop::sample::Index>(), any::<prop::sample::Index>(), 0u8..8),
                0..900,
            ),
            queries in prop::collection::vec((any::<prop::sample::Index>(), any::<prop::sample::Index>()), 1..9),
        ) {
            let amount = |at: prop::sample::Index, most: u64| at.index(usize::try_from(most).unwrap() + 1) as u64;
            // What each has free, if it takes work.
            let mut rooms: Vec<Option<(u64, u64)>> = vec![start.then_some((most_cpu, most_memory)); workers as usize];
            let keys = |rooms: &[Option<(u64, u64)>]| -> BTreeSet<Key> {
                (0u32..).zip(rooms).filter_map(|(at, room)| room.map(|(cpu, memory)| (cpu, memory, at))).collect()
            };
            let build = |rooms: &[Option<(u64, u64)>]| {
                FullestFirst::build(keys(rooms).into_iter(), rooms.len(), most_cpu, most_memory).unwrap()
            };
            let mut index = build(&rooms);
            for (at, cpu, memory, kind) in changes {
                let at = at.index(rooms.len());
                let worker = u32::try_from(at).unwrap();
                let room = match kind {
                    0 => None,
                    1 => Some((most_cpu, most_memory)),
                    2 | 3 => Some((0, 0)),
                    _ => Some((amount(cpu, most_cpu), amount(memory, most_memory))),
                };
                if let Some((cpu, memory)) = std::mem::replace(&mut rooms[at], room) {
                    prop_assert!(index.contains((cpu, memory, worker)));
                    index.remove((cpu, memory, worker));
                    prop_assert!(!index.contains((cpu, memory, worker)));
                }
                if let Some((cpu, memory)) = room {
                    index.insert((cpu, memory, worker));
                    prop_assert!(index.contains((cpu, memory, worker)));
                }
            }
            let (keys, fresh) = (keys(&rooms), build(&rooms));
            for (cpu, memory) in queries {
                let (cpu, memory) = (amount(cpu, most_cpu + 1), amount(memory, most_memory + 1));
                for (cpu, memory) in [(cpu, memory), (cpu, 0), (0, memory), (0, 0)] {
                    let found = keys.iter().filter(|&&(has_cpu, has_memory, _)| has_cpu >= cpu && has_memory >= memory);
                    let expected: Vec<u32> = found.map(|&(_, _, worker)| worker).collect();
                    prop_assert_eq!(&from(&index, cpu, memory), &expected);
                    prop_assert_eq!(&from(&fresh, cpu, memory), &expected);
                }
            }
        }
    }

    #[test]
    fn what_cannot_be_packed_is_not_indexed() {
        let build = |workers, cpu, memory| FullestFirst::build(std::iter::empty(), workers, cpu, memory);
        assert!(build(1 << 19, (1 << 20) - 1, (1 << 23) - 1).is_some());
        assert!(build(1 << 19, (1 << 20) - 1, 1 << 23).is_none());
        assert!(build(1, u64::MAX, 0).is_none());
        let index = build(3, 1000, 1000).unwrap();
        assert_eq!(index.begin(u64::MAX).and_then(|from| index.next(from, 0)), None);
        assert_eq!(index.begin(1 << 40).and_then(|from| index.next(from, u64::MAX)), None);
    }
}
