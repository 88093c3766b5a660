//! The waiting tasks, by what they ask for: "the next in order that may fit".

use super::Demand;

/// Most entries of a block.
const BLOCK: usize = 64;

/// A queue, so deep that one does not look at every task of it.
///
/// Tasks are kept apart by the cpu that they ask for, in classes that are at most 1/16 wide. Each class is a sorted list in
/// blocks, with a tree of minima over the blocks: of each resource, and of the length. A search asks every class whose
/// minima may fit for its first entry that does. Minima of different tasks may together promise what none of them
/// asks for; within a class they mostly do not, as its tasks are alike in cpu and only the length is left to tell.
///
/// For N entries in C classes: a search takes O(C log N) where minima tell the truth; entering and leaving take O(log N) and
/// the moving of a block's entries, and now and then a new block in the middle, the moving of N / 64 minima.
#[derive(Clone, Debug)]
pub(crate) struct Waiting<K> {
    /// By class.
    classes: Vec<(u32, Class<K>)>,
    len: usize,
}

/// Tasks that ask for about the same cpu, in order.
#[derive(Clone, Debug)]
struct Class<K> {
    blocks: Vec<Block<K>>,
    /// Minima over blocks: `least[1]` is the root, the children of `i` are `2i` and `2i + 1`, the leaves start at `leaves`.
    least: Vec<Demand>,
    leaves: usize,
    len: usize,
}

#[derive(Clone, Debug)]
struct Block<K> {
    /// No entry of this block is before it, and every entry of the blocks before is.
    first: K,
    entries: Vec<(K, Demand)>,
}

/// The class of an amount: its leading five bits and how many follow.
const fn class_of(cpu_milli: u32) -> u32 {
    if cpu_milli < 16 {
        return cpu_milli;
    }
    let follow = 27 - cpu_milli.leading_zeros();
    (follow << 4) + (cpu_milli >> follow)
}

impl<K: Ord + Copy> Waiting<K> {
    /// Takes in what is given in order.
    pub(crate) fn build(entries: impl IntoIterator<Item = (K, Demand)>) -> Self {
        let mut waiting = Self { classes: Vec::new(), len: 0 };
        entries.into_iter().for_each(|(key, demand)| waiting.insert(key, demand));
        waiting
    }

    pub(crate) const fn len(&self) -> usize {
        self.len
    }

    pub(crate) fn insert(&mut self, key: K, demand: Demand) {
        let class = class_of(demand.cpu_milli());
        let at = match self.classes.binary_search_by_key(&class, |&(class, _)| class) {
            Ok(at) => at,
            Err(at) => {
                self.classes.insert(at, (class, Class::new()));
                at
            }
        };
        self.classes[at].1.insert(key, demand);
        self.len += 1;
    }

    /// Removes the entry of `key`; nothing if it is not there.
    pub(crate) fn remove(&mut self, key: K, demand: Demand) {
        let class = class_of(demand.cpu_milli());
        if let Ok(at) = self.classes.binary_search_by_key(&class, |&(class, _)| class)
            && self.classes[at].1.remove(key)
        {
            self.len -= 1;
        }
    }

    /// The first entry behind `after` that fits into one of `openings`, as far as they tell.
    pub(crate) fn next(&self, after: Option<K>, openings: &[Demand]) -> Option<K> {
        let mut best: Option<K> = None;
        for (_, class) in &self.classes {
            if class.least[1].fits_any(openings)
                && let Some(found) = class.next(after, best, openings)
            {
                best = Some(found);
            }
        }
        best
    }

    /// True if no entry fits into any of `openings`, as far as the minima over each class tell.
    pub(crate) fn none_fits(&self, openings: &[Demand]) -> bool {
        self.classes.iter().all(|(_, class)| !class.least[1].fits_any(openings))
    }

    /// The least that any entry asks for, amount by amount.
    pub(crate) fn least(&self) -> Demand {
        self.classes.iter().fold(Demand::UNLIMITED, |least, (_, class)| least.min(class.least[1]))
    }

    /// Every entry, in order within each class.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (K, Demand)> {
        let blocks = self.classes.iter().flat_map(|(_, class)| &class.blocks);
        blocks.flat_map(|block| block.entries.iter().copied())
    }
}

impl<K: Ord + Copy> Class<K> {
    fn new() -> Self {
        Self { blocks: Vec::new(), least: vec![Demand::UNLIMITED; 2], leaves: 1, len: 0 }
    }

    /// The last block that begins at or before `key`, else the first.
    fn block_of(&self, key: &K) -> usize {
        match self.blocks.last() {
            // Most enter at the end.
            Some(last) if last.first <= *key => self.blocks.len() - 1,
            _ => self.blocks.partition_point(|block| block.first <= *key).saturating_sub(1),
        }
    }

    fn insert(&mut self, key: K, demand: Demand) {
        self.len += 1;
        if self.blocks.is_empty() {
            self.push(Block { first: key, entries: vec![(key, demand)] });
            return;
        }
        let at = self.block_of(&key);
        let block = &mut self.blocks[at];
        let place = block.entries.partition_point(|(other, _)| *other < key);
        if block.entries.len() >= BLOCK {
            if place == BLOCK && at + 1 == self.blocks.len() {
                self.push(Block { first: key, entries: vec![(key, demand)] });
                return;
            }
            self.split(at);
            self.len -= 1;
            self.insert(key, demand);
            return;
        }
        block.first = block.first.min(key);
        block.entries.insert(place, (key, demand));
        self.narrow(at, demand);
    }

    fn remove(&mut self, key: K) -> bool {
        let at = self.block_of(&key);
        let Some(block) = self.blocks.get_mut(at) else { return false };
        let Ok(place) = block.entries.binary_search_by(|(other, _)| other.cmp(&key)) else { return false };
        block.entries.remove(place);
        self.len -= 1;
        if self.len * 4 < self.blocks.len() * BLOCK && self.blocks.len() > 4 {
            self.pack();
        } else {
            self.measure(at);
        }
        true
    }

    /// Adds a block at the end.
    fn push(&mut self, block: Block<K>) {
        self.blocks.push(block);
        let at = self.blocks.len() - 1;
        if at < self.leaves {
            self.measure(at);
        } else {
            self.rebuild();
        }
    }

    /// Makes two blocks of one.
    fn split(&mut self, at: usize) {
        let entries = self.blocks[at].entries.split_off(BLOCK / 2);
        self.blocks.insert(at + 1, Block { first: entries[0].0, entries });
        self.rebuild();
    }

    /// Makes full blocks of many that have become empty.
    fn pack(&mut self) {
        let all: Vec<(K, Demand)> = self.blocks.drain(..).flat_map(|block| block.entries).collect();
        let blocks =
            all.chunks(BLOCK).map(|entries| Block { first: entries[0].0, entries: entries.to_vec() });
        self.blocks = blocks.collect();
        self.rebuild();
    }

    fn rebuild(&mut self) {
        self.leaves = self.blocks.len().next_power_of_two();
        self.least.clear();
        self.least.resize(2 * self.leaves, Demand::UNLIMITED);
        for (leaf, block) in self.least[self.leaves..].iter_mut().zip(&self.blocks) {
            *leaf = block.least();
        }
        for node in (1..self.leaves).rev() {
            self.least[node] = self.least[2 * node].min(self.least[2 * node + 1]);
        }
    }

    /// Works the minima of a block out anew, and what follows from them above.
    fn measure(&mut self, at: usize) {
        let mut node = self.leaves + at;
        self.least[node] = self.blocks[at].least();
        while node > 1 {
            node /= 2;
            let least = self.least[2 * node].min(self.least[2 * node + 1]);
            if self.least[node] == least {
                break;
            }
            self.least[node] = least;
        }
    }

    /// An entry has come to a block.
    fn narrow(&mut self, at: usize, demand: Demand) {
        let mut node = self.leaves + at;
        while node > 0 {
            let least = self.least[node].min(demand);
            if self.least[node] == least {
                break;
            }
            self.least[node] = least;
            node /= 2;
        }
    }

    /// The first entry behind `after` and before `before` that fits.
    fn next(&self, after: Option<K>, before: Option<K>, openings: &[Demand]) -> Option<K> {
        let mut at = 0;
        if let Some(after) = after {
            at = self.block_of(&after);
            if self.least[self.leaves + at].fits_any(openings) {
                let entries = &self.blocks[at].entries;
                let from = entries.partition_point(|(key, _)| *key <= after);
                if let Some(found) = first_of(&entries[from..], before, openings) {
                    return found;
                }
            }
            at += 1;
        }
        loop {
            at = self.next_block(at, openings)?;
            if before.is_some_and(|before| self.blocks[at].first >= before) {
                return None;
            }
            if let Some(found) = first_of(&self.blocks[at].entries, before, openings) {
                return found;
            }
            at += 1;
        }
    }

    /// The first block at or behind `from` whose minima fit.
    fn next_block(&self, from: usize, openings: &[Demand]) -> Option<usize> {
        if from >= self.leaves {
            return None;
        }
        // The largest subtree that begins at `from`; the whole tree for 0.
        let mut node = self.leaves + from;
        node >>= node.trailing_zeros();
        loop {
            if self.least[node].fits_any(openings) {
                if node >= self.leaves {
                    // Beyond the last block only an opening without limits fits.
                    return Some(node - self.leaves).filter(|&at| at < self.blocks.len());
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

impl<K> Block<K> {
    fn least(&self) -> Demand {
        self.entries.iter().fold(Demand::UNLIMITED, |least, (_, demand)| least.min(*demand))
    }
}

/// The first entry that fits; `Some(None)` if it, or whatever follows, is not before `before`.
fn first_of<K: Ord + Copy>(
    entries: &[(K, Demand)],
    before: Option<K>,
    openings: &[Demand],
) -> Option<Option<K>> {
    let &(key, _) = entries.iter().find(|(_, demand)| demand.fits_any(openings))?;
    Some(before.is_none_or(|before| key < before).then_some(key))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::collections::btree_map::Entry;

    use proptest::prelude::*;

    use super::*;
    use crate::model::Duration;

    fn demand(cpu: u64, memory: u64, length: u64) -> Demand {
        Demand::new([cpu, memory, 0, 0], Duration::from_micros(length << 10))
    }

    #[test]
    fn classes_are_narrow_and_in_order() {
        let mut last = (0, 0);
        for amount in 0..100_000 {
            let class = class_of(amount);
            assert!(class == last.1 || class == last.1 + 1, "{amount} is of class {class} behind {}", last.1);
            if class > last.1 {
                last = (amount, class);
            }
            assert!(amount - last.0 <= amount / 16, "{amount} shares a class with {}", last.0);
        }
        assert!(class_of(u32::MAX) < 500);
    }

    proptest! {
        #[test]
        fn finds_what_a_scan_finds(
            steps in prop::collection::vec((0u32..4, 0u32..3_000, 0u64..40, 0u64..4, 0u64..9), 1..900),
            queries in prop::collection::vec((0u32..3_100, 0u64..42, 0u64..5, 0u64..10, 0u64..42, 0u64..10), 1..40),
        ) {
            let (mut waiting, mut plain) = (Waiting::build([]), BTreeMap::new());
            for (at, (kind, key, cpu, memory, length)) in (0u32..).zip(steps) {
                // Most come at the end, some in the middle; some leave.
                let key = if kind < 2 { 3_000 + at } else { key };
                if kind == 3 {
                    let gone = plain.range(key..).next().map(|(&key, &demand)| (key, demand));
                    if let Some((key, demand)) = gone {
                        plain.remove(&key);
                        waiting.remove(key, demand);
                    }
                } else if let Entry::Vacant(vacant) = plain.entry(key) {
                    vacant.insert(demand(cpu, memory, length));
                    waiting.insert(key, demand(cpu, memory, length));
                }
            }
            prop_assert_eq!(waiting.len(), plain.len());
            prop_assert_eq!(waiting.iter().count(), plain.len());
            for (after, cpu, memory, length, other_cpu, other_length) in queries {
                let openings = [demand(cpu, memory, length), demand(other_cpu, 9, other_length)];
                let after = (after > 0).then_some(after);
                let scan = plain.iter().find(|&(&key, demand)| {
                    after.is_none_or(|after| key > after) && demand.fits_any(&openings)
                });
                prop_assert_eq!(waiting.next(after, &openings), scan.map(|(&key, _)| key));
                prop_assert!(!waiting.none_fits(&openings) || !plain.values().any(|one| one.fits_any(&openings)));
            }
            let all = [Demand::UNLIMITED];
            prop_assert_eq!(waiting.next(None, &all), plain.keys().next().copied());
            prop_assert_eq!(waiting.next(plain.keys().last().copied(), &all), None);
        }
    }
}
