//! A tree of maxima over numbers in a row.

use wide::f32x4;

use super::amount::LESS;
use super::tree::{above, next_leaf};

/// 16 neighbours: a line of the cache.
#[derive(Clone, Copy, Debug)]
#[repr(align(64))]
struct Line([f32x4; 4]);

/// The places of 16 neighbours.
const PLACES: [f32x4; 4] = [
    f32x4::new([0.0, 1.0, 2.0, 3.0]),
    f32x4::new([4.0, 5.0, 6.0, 7.0]),
    f32x4::new([8.0, 9.0, 10.0, 11.0]),
    f32x4::new([12.0, 13.0, 14.0, 15.0]),
];

impl Line {
    #[inline(always)]
    const fn get(&self, at: usize) -> f32 {
        self.0[(at / 4) & 3].as_array()[at & 3]
    }

    /// Replaces one, and returns the most of all then. What is at hand is not read back: that would have to wait until it is
    /// written.
    #[inline(always)]
    #[expect(clippy::cast_precision_loss, reason = "one of 16")]
    fn replace(&mut self, at: usize, number: f32) -> f32 {
        let (place, new) = (f32x4::splat((at & 15) as f32), f32x4::splat(number));
        let with = |quarter: usize| place.simd_eq(PLACES[quarter]).bitselect(new, self.0[quarter]);
        let [a, b, c, d] = [0, 1, 2, 3].map(with);
        let most = a.fast_max(b).fast_max(c.fast_max(d)).to_array();
        self.0[(at / 4) & 3].as_mut_array()[at & 3] = number;
        larger(larger(most[0], most[1]), larger(most[2], most[3]))
    }

    /// The first at or behind `from` that is not below `least`.
    #[inline(always)]
    fn first(&self, from: usize, least: f32) -> Option<usize> {
        let least = f32x4::splat(least);
        let [a, b, c, d] = self.0.map(|numbers| numbers.simd_ge(least).to_bitmask());
        let bits = (a | b << 4 | c << 8 | d << 12) >> from << from;
        (bits != 0).then(|| bits.trailing_zeros() as usize)
    }
}

#[inline(always)]
fn larger(a: f32, b: f32) -> f32 {
    if a > b { a } else { b }
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
        Self { lines: vec![Line([f32x4::splat(LESS); 4]); inner + bottom], inner }
    }

    /// The number at `at`.
    #[inline]
    pub(super) fn get(&self, at: usize) -> f32 {
        self.lines[self.inner + at / 16].get(at % 16)
    }

    #[inline]
    #[expect(clippy::float_cmp, reason = "numbers that stand for amounts")]
    pub(super) fn set(&mut self, at: usize, number: f32) {
        let (mut line, mut at, mut number) = (self.inner + at / 16, at % 16, number);
        while self.lines[line].get(at) != number {
            number = self.lines[line].replace(at, number);
            if line == 0 {
                break;
            }
            (line, at) = above::<16>(line);
        }
    }

    /// The first place at or behind `from` whose number is at least `least`, which is more than the least that there is.
    #[inline]
    pub(super) fn next(&self, from: usize, least: f32) -> Option<usize> {
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
            changes in prop::collection::vec((any::<prop::sample::Index>(), -1i8..9), 0..300),
            queries in prop::collection::vec((any::<prop::sample::Index>(), 1i8..10), 1..20),
        ) {
            let (mut tree, mut numbers) = (Maxima::new(len), vec![LESS; len]);
            for (at, number) in changes {
                let (at, number) = (at.index(len), if number < 0 { LESS } else { f32::from(number + 1) });
                tree.set(at, number);
                numbers[at] = number;
                prop_assert_eq!(tree.get(at), number);
            }
            for (from, least) in queries {
                let (from, least) = (from.index(len + 20), f32::from(least));
                let scan = (from..len).find(|&at| numbers[at] >= least);
                prop_assert_eq!(tree.next(from, least), scan);
            }
        }
    }
}
