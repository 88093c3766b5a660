//! Best fit: the workers in order of (free cpu, free memory, index).

/// (free cpu in milli-cores, free memory in MiB, index of the worker).
pub(crate) type Key = (u64, u64, u32);

/// A block is split in two when it gets longer.
const MOST_IN_BLOCK: usize = 96;

/// A sorted set in blocks: a change moves a few lines of memory within one of them, and the first key of each block, which lie
/// together, say in which. (A B-tree of the standard library, with its nodes all over memory, took twice the time.)
#[derive(Clone, Debug, Default)]
pub(crate) struct FullestFirst {
    /// The first key of each block.
    firsts: Vec<Key>,
    /// Sorted, one behind the other; none is empty.
    blocks: Vec<Vec<Key>>,
}

impl FullestFirst {
    pub(crate) fn build(keys: impl Iterator<Item = Key>) -> Self {
        let mut keys: Vec<Key> = keys.collect();
        keys.sort_unstable();
        let blocks: Vec<Vec<Key>> = keys.chunks(MOST_IN_BLOCK / 2).map(<[Key]>::to_vec).collect();
        Self { firsts: blocks.iter().map(|block| block[0]).collect(), blocks }
    }

    /// The block where `key` is or belongs; none only of an empty set.
    #[inline]
    fn block_of(&self, key: &Key) -> Option<usize> {
        let behind = self.firsts.partition_point(|first| first <= key);
        (!self.firsts.is_empty()).then(|| behind.saturating_sub(1))
    }

    pub(crate) fn insert(&mut self, key: Key) {
        let Some(at) = self.block_of(&key) else {
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

    pub(crate) fn remove(&mut self, key: &Key) {
        let Some(at) = self.block_of(key) else { return };
        let block = &mut self.blocks[at];
        let Ok(place) = block.binary_search(key) else { return };
        block.remove(place);
        if let Some(&first) = block.first() {
            self.firsts[at] = first;
        } else {
            self.firsts.remove(at);
            self.blocks.remove(at);
        }
    }

    /// All keys from `from` on, in order.
    #[inline]
    pub(crate) fn from<'a>(&'a self, from: &Key) -> impl Iterator<Item = &'a Key> + use<'a> {
        let at = self.block_of(from).unwrap_or(0);
        let (first, rest) = self.blocks.get(at..).unwrap_or_default().split_at_checked(1).unwrap_or_default();
        let head = first.first().map_or([].as_slice(), |block| {
            let place = block.partition_point(|key| key < from);
            &block[place..]
        });
        head.iter().chain(rest.iter().flatten())
    }

    pub(crate) fn contains(&self, key: &Key) -> bool {
        self.block_of(key).is_some_and(|at| self.blocks[at].binary_search(key).is_ok())
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
            start in prop::collection::btree_set((0u64..9, 0u64..9, 0u32..9), 0..200),
            changes in prop::collection::vec((any::<bool>(), (0u64..9, 0u64..9, 0u32..9)), 0..600),
            from in (0u64..10, 0u64..10, 0u32..10),
        ) {
            let mut set = FullestFirst::build(start.iter().copied());
            let mut expected: BTreeSet<Key> = start;
            for (insert, key) in changes {
                if insert {
                    set.insert(key);
                    expected.insert(key);
                } else {
                    set.remove(&key);
                    expected.remove(&key);
                }
                prop_assert_eq!(set.contains(&key), insert);
            }
            prop_assert!(set.from(&from).eq(expected.range(from..)));
            prop_assert!(set.from(&(0, 0, 0)).eq(expected.iter()));
        }
    }
}
