//! A sorted set of numbers, in blocks.

/// A block is split in two when it gets longer.
const MOST_IN_BLOCK: usize = 96;

/// A sorted set in blocks: a change moves a few lines of memory within one of them, and the first key of each block, which lie
/// together, say in which. (A B-tree of the standard library, with its nodes all over memory, took twice the time.)
#[derive(Clone, Debug, Default)]
pub(super) struct SortedBlocks {
    /// The first key of each block.
    firsts: Vec<u64>,
    /// Sorted, one behind the other; none is empty.
    blocks: Vec<Vec<u64>>,
}

impl SortedBlocks {
    /// The set of `keys`, which are in order.
    pub(super) fn build(keys: &[u64]) -> Self {
        let blocks: Vec<Vec<u64>> = keys.chunks(MOST_IN_BLOCK / 2).map(<[u64]>::to_vec).collect();
        Self { firsts: blocks.iter().map(|block| block[0]).collect(), blocks }
    }

    /// The block where `key` is or belongs; none only of an empty set.
    #[inline]
    fn block_of(&self, key: u64) -> Option<usize> {
        let behind = self.firsts.partition_point(|&first| first <= key);
        (!self.firsts.is_empty()).then(|| behind.saturating_sub(1))
    }

    pub(super) fn insert(&mut self, key: u64) {
        let Some(at) = self.block_of(key) else {
            self.firsts.push(key);
            self.blocks.push(vec![key]);
            return;
        };
        let block = &mut self.blocks[at];
        let Err(place) = block.binary_search(&key) else { return };
        block.insert(place, key);
        self.firsts[at] = block[0];
        if block.len() > MOST_IN_BLOCK {
            self.split(at);
        }
    }

    #[cold]
    fn split(&mut self, at: usize) {
        let block = &mut self.blocks[at];
        let behind = block.split_off(block.len() / 2);
        self.firsts.insert(at + 1, behind[0]);
        self.blocks.insert(at + 1, behind);
    }

    pub(super) fn remove(&mut self, key: u64) {
        let Some(at) = self.block_of(key) else { return };
        let block = &mut self.blocks[at];
        let Ok(place) = block.binary_search(&key) else { return };
        block.remove(place);
        if let Some(&first) = block.first() {
            self.firsts[at] = first;
        } else {
            self.firsts.remove(at);
            self.blocks.remove(at);
        }
    }

    /// All keys if they lie in one block, of at most `most`; the set is empty then.
    pub(super) fn take_few(&mut self, most: usize) -> Option<Vec<u64>> {
        if self.blocks.len() > 1 || self.blocks.first().is_some_and(|block| block.len() > most) {
            return None;
        }
        self.firsts.clear();
        Some(self.blocks.pop().unwrap_or_default())
    }

    /// All keys from `from` on, in order.
    #[inline]
    pub(super) fn from(&self, from: u64) -> impl Iterator<Item = u64> {
        let at = self.block_of(from).unwrap_or(0);
        let (first, rest) = self.blocks.get(at..).unwrap_or_default().split_at_checked(1).unwrap_or_default();
        let head = first.first().map_or([].as_slice(), |block| {
            let place = block.partition_point(|&key| key < from);
            &block[place..]
        });
        head.iter().chain(rest.iter().flatten()).copied()
    }

    pub(super) fn contains(&self, key: u64) -> bool {
        self.block_of(key).is_some_and(|at| self.blocks[at].binary_search(&key).is_ok())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn is_a_sorted_set(
            start in prop::collection::btree_set(0u64..999, 0..200),
            changes in prop::collection::vec((any::<bool>(), 0u64..999), 0..600),
            from in 0u64..1_000,
            most in 0usize..60,
        ) {
            let mut set = SortedBlocks::build(&start.iter().copied().collect::<Vec<u64>>());
            let mut expected: BTreeSet<u64> = start;
            for (insert, key) in changes {
                if insert {
                    set.insert(key);
                    expected.insert(key);
                } else {
                    set.remove(key);
                    expected.remove(&key);
                }
                prop_assert_eq!(set.contains(key), insert);
            }
            prop_assert!(set.from(from).eq(expected.range(from..).copied()));
            prop_assert!(set.from(0).eq(expected.iter().copied()));
            if let Some(few) = set.take_few(most) {
                prop_assert!(few.len() <= most && few.into_iter().eq(expected));
                prop_assert_eq!(set.from(0).next(), None);
            } else {
                prop_assert!(expected.len() > most || set.blocks.len() > 1);
            }
        }
    }
}
