//! A set of small numbers as bits, with a summary of which words have any.

/// Numbers below a bound. A change takes constant time; the next number is found in two words, or in a scan of the
/// summary, of which a word stands for 4,096 numbers.
#[derive(Clone, Debug, Default)]
pub(super) struct Bits {
    /// `words` words of the set, then those of the summary: a bit for each word that is not 0.
    cells: Vec<u64>,
    words: usize,
    len: usize,
}

impl Bits {
    /// An empty set of numbers below `bound`.
    pub(super) fn new(bound: usize) -> Self {
        let words = bound.div_ceil(64);
        Self { cells: vec![0; words + words.div_ceil(64)], words, len: 0 }
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.len == 0
    }

    #[inline]
    pub(super) fn contains(&self, number: usize) -> bool {
        number / 64 < self.words && self.cells[number / 64] >> (number % 64) & 1 == 1
    }

    /// Adds a number that is below the bound.
    #[inline]
    pub(super) fn insert(&mut self, number: usize) {
        let (word, bit) = (number / 64, 1 << (number % 64));
        self.len += usize::from(self.cells[word] & bit == 0);
        self.cells[word] |= bit;
        self.cells[self.words + word / 64] |= 1 << (word % 64);
    }

    #[inline]
    pub(super) fn remove(&mut self, number: usize) {
        if !self.contains(number) {
            return;
        }
        let word = number / 64;
        self.len -= 1;
        self.cells[word] &= !(1 << (number % 64));
        if self.cells[word] == 0 {
            self.cells[self.words + word / 64] &= !(1 << (word % 64));
        }
    }

    /// The least number that is not below `from`.
    #[inline]
    pub(super) fn next(&self, from: usize) -> Option<usize> {
        let (words, summary) = self.cells.split_at(self.words);
        let here = from / 64;
        let rest = words.get(here)? & (!0 << (from % 64));
        if rest != 0 {
            return Some(here * 64 + rest.trailing_zeros() as usize);
        }
        let behind = here + 1;
        let mut group = behind / 64;
        let mut rest = summary.get(group)? & (!0 << (behind % 64));
        while rest == 0 {
            group += 1;
            rest = *summary.get(group)?;
        }
        let word = group * 64 + rest.trailing_zeros() as usize;
        Some(word * 64 + words[word].trailing_zeros() as usize)
    }

    /// All numbers, ascending.
    pub(super) fn iter(&self) -> impl Iterator<Item = usize> {
        let mut from = 0;
        std::iter::from_fn(move || {
            let found = self.next(from)?;
            from = found + 1;
            Some(found)
        })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn is_a_set(
            bound in 1usize..20_000,
            changes in prop::collection::vec((any::<bool>(), any::<prop::sample::Index>()), 0..200),
            from in any::<prop::sample::Index>(),
        ) {
            let (mut bits, mut expected) = (Bits::new(bound), BTreeSet::new());
            for (insert, at) in changes {
                // Near the ends of words and of words of the summary, too.
                for at in [at.index(bound), at.index(bound) / 64 * 64, at.index(bound) / 4096 * 4096] {
                    if insert {
                        bits.insert(at);
                        expected.insert(at);
                    } else {
                        bits.remove(at);
                        expected.remove(&at);
                    }
                    prop_assert_eq!(bits.contains(at), insert);
                }
            }
            prop_assert_eq!(bits.is_empty(), expected.is_empty());
            prop_assert!(bits.iter().eq(expected.iter().copied()));
            let from = from.index(bound + 100);
            prop_assert_eq!(bits.next(from), expected.range(from..).next().copied());
        }
    }
}
