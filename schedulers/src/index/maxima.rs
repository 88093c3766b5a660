//! A tree of maxima over numbers in a row.

use super::tree::{above, next_leaf};

/// 16 neighbours: a line of the cache.
#[derive(Clone, Copy, Debug)]
#[repr(align(64))]
struct Line([i32; 16]);

impl Line {
    /// Replaces one, and returns the most of all then. What is at hand is not read back: that would have to wait until it is
    /// written.
    #[inline(always)]
    fn replace(&mut self, at: usize, number: i32) -> i32 {
        let others = self.0.iter().enumerate();
        let most =
            others.fold(number, |most, (other, &number)| if other == at { most } else { most.max(number) });
        self.0[at & 15] = number;
        most
    }

    /// The first at or behind `from` that is not below `least`.
    #[inline(always)]
    fn first(&self, from: usize, least: i32) -> Option<usize> {
        let bits = self
            .0
            .iter()
            .enumerate()
            .fold(0u32, |bits, (at, &number)| bits | u32::from(number >= least) << at);
        let bits = bits >> from << from;
        (bits != 0).then(|| bits.trailing_zeros() as usize)
    }
}

/// Finds the next number that is large enough, in a tree that branches in 16. A change and a query take at most
/// log16(numbers) steps up, and a query as many down.
#[derive(Clone, Debug, Default)]
pub(super) struct Maxima {
    /// `lines[0]` are the root's children; those of the `n`-th of line `l` are line `16l + 1 + n`. The numbers are in the
    /// lines from `inner` on.
    lines: Vec<Line>,
    inner: usize,
}

impl Maxima {
    /// So many numbers, all of them the least that there is.
    pub(super) fn new(len: usize) -> Self {
        let bottom = len.div_ceil(16).max(1);
        let (mut inner, mut width) = (0, 1);
        while width < bottom {
            inner += width;
            width *= 16;
        }
        Self { lines: vec![Line([i32::MIN; 16]); inner + bottom], inner }
    }

    /// The number at `at`.
    #[inline]
    pub(super) fn get(&self, at: usize) -> i32 {
        self.lines[self.inner + at / 16].0[at % 16]
    }

    #[inline]
    pub(super) fn set(&mut self, at: usize, number: i32) {
        let (mut line, mut at, mut number) = (self.inner + at / 16, at % 16, number);
        while self.lines[line].0[at] != number {
            number = self.lines[line].replace(at, number);
            if line == 0 {
                break;
            }
            (line, at) = above::<16>(line);
        }
    }

    /// The first place at or behind `from` whose number is at least `least`, which is more than the least that there is.
    #[inline]
    pub(super) fn next(&self, from: usize, least: i32) -> Option<usize> {
        let from = (self.inner + from / 16, from % 16);
        next_leaf::<16, _>(&self.lines, self.inner, from, |line, at| line.first(at, least))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn finds_what_a_scan_finds(
            len in 1usize..5_000,
            changes in prop::collection::vec((any::<prop::sample::Index>(), -1i32..9), 0..300),
            queries in prop::collection::vec((any::<prop::sample::Index>(), -1i32..10), 1..20),
        ) {
            let (mut tree, mut numbers) = (Maxima::new(len), vec![i32::MIN; len]);
            for (at, number) in changes {
                let (at, number) = (at.index(len), if number < 0 { i32::MIN } else { number });
                tree.set(at, number);
                numbers[at] = number;
                prop_assert_eq!(tree.get(at), number);
            }
            for (from, least) in queries {
                let from = from.index(len + 20);
                let scan = (from..len).find(|&at| numbers[at] >= least);
                prop_assert_eq!(tree.next(from, least), scan);
            }
        }
    }
}
