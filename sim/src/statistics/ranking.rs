//! Who is best over many blocks, and who can be told apart.
//!
//! Mean ranks and Friedman's test for whether there is any difference (Demšar 2006). Which strategies differ is then
//! asked pair by pair with signed ranks under Holm's correction, and not by the distance of mean ranks (Nemenyi's
//! test): whether A and B differ would there depend on which other strategies took part (Benavoli, Corani and Mangili
//! 2016, "Should we really use post-hoc tests based on mean-ranks?").

use rand_pcg::Pcg64;
use rand_pcg::rand_core::SeedableRng;

use super::bootstrap::below_n;
use super::paired::{difference, is_same};
use super::{holm, mean, signed_rank};

/// Permutations behind Friedman's p-value.
const PERMUTATIONS: u32 = 9_999;
/// With more strategies than this, the pairs are too many to compare, and letters too many to read.
const MOST_STRATEGIES: usize = 60;
/// More groups than this are no help to a reader.
const MOST_GROUPS: usize = 200;

/// The ranking of strategies over blocks.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Ranking {
    /// Blocks: independent instances in which each strategy has a value.
    pub blocks: usize,
    /// By strategy: its mean rank over the blocks, 1 is best, ties share the mean of their ranks.
    pub mean_ranks: Vec<f64>,
    /// By strategy: its mean value over the blocks.
    pub means: Vec<f64>,
    /// Strategies, best mean rank first; ties by mean value, then in the order given.
    pub order: Vec<usize>,
    /// P-value of Friedman's test that all strategies are alike; `None` with fewer than two blocks or strategies.
    pub friedman_p: Option<f64>,
    /// By strategy: letters of the groups it is in. Two strategies without a common letter differ significantly. Empty
    /// with fewer than two blocks, or for more than 60 strategies.
    pub letters: Vec<String>,
    /// The smallest p-value, after Holm's correction, that a pair could have shown with so many blocks: at or above
    /// the significance level, no pair can be told apart, whatever the values.
    pub least_p: f64,
}

impl Ranking {
    /// Ranks strategies by `blocks`: one row a block, one finite value a strategy, all of the same length. `alpha` is the
    /// significance level of the letters, `seed` that of the permutations.
    ///
    /// Friedman's p-value is the share of 9,999 random permutations within the blocks, and the data itself, whose ranks
    /// are as unequal as those of the data: it needs no table, holds for any number of blocks, and takes ties as they are.
    #[must_use]
    pub fn new(blocks: &[Vec<f64>], lower_is_better: bool, alpha: f64, seed: u64) -> Self {
        let strategies = blocks.first().map_or(0, Vec::len);
        let ranks: Vec<Vec<f64>> = blocks
            .iter()
            .map(|block| {
                let sign = if lower_is_better { 1.0 } else { -1.0 };
                midranks(&block.iter().map(|value| sign * value).collect::<Vec<_>>())
            })
            .collect();
        let column = |rows: &[Vec<f64>], s: usize| rows.iter().map(|row| row[s]).collect::<Vec<_>>();
        let column_mean = |rows: &[Vec<f64>], s: usize| mean(&column(rows, s)).unwrap_or(f64::NAN);
        let mean_ranks: Vec<f64> = (0..strategies).map(|s| column_mean(&ranks, s)).collect();
        let means: Vec<f64> = (0..strategies).map(|s| column_mean(blocks, s)).collect();
        let mut order: Vec<usize> = (0..strategies).collect();
        order.sort_by(|&a, &b| {
            let by_value = means[a].total_cmp(&means[b]);
            let by_value = if lower_is_better { by_value } else { by_value.reverse() };
            mean_ranks[a].total_cmp(&mean_ranks[b]).then(by_value).then(a.cmp(&b))
        });
        let mut ranking = Self {
            blocks: blocks.len(),
            mean_ranks,
            means,
            order,
            friedman_p: None,
            letters: Vec::new(),
            least_p: 1.0,
        };
        if blocks.len() < 2 || strategies < 2 {
            return ranking;
        }
        ranking.friedman_p = Some(friedman(&ranks, seed));
        if strategies > MOST_STRATEGIES {
            return ranking;
        }
        let pairs: Vec<(usize, usize)> =
            (0..strategies).flat_map(|a| (a + 1..strategies).map(move |b| (a, b))).collect();
        let p: Vec<f64> = pairs
            .iter()
            .map(|&(a, b)| {
                let differences: Vec<f64> = blocks.iter().map(|row| difference(row[a], row[b])).collect();
                signed_rank(&differences).map_or(1.0, |test| test.p)
            })
            .collect();
        let mut different = vec![vec![false; strategies]; strategies];
        for (&(a, b), adjusted) in pairs.iter().zip(holm(&p)) {
            different[a][b] = adjusted <= alpha;
            different[b][a] = different[a][b];
        }
        ranking.letters = letters(&ranking.order, &different);
        ranking.least_p = (libm::pow(2.0, 1.0 - blocks.len() as f64) * pairs.len() as f64).min(1.0);
        ranking
    }
}

/// The ranks of `values` from 1 for the least; values that are the same up to rounding share the mean of their ranks.
#[must_use]
pub fn midranks(values: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|a, b| values[*a].total_cmp(&values[*b]));
    let mut ranks = vec![0.0; values.len()];
    let mut place = 0;
    for tied in order.chunk_by(|a, b| is_same(values[*a], values[*b])) {
        let rank = place as f64 + (tied.len() + 1) as f64 / 2.0;
        for &index in tied {
            ranks[index] = rank;
        }
        place += tied.len();
    }
    ranks
}

/// The p-value by permutation. With the ranks of each block given, Friedman's statistic grows with the sum of squares of
/// the rank sums; mid-ranks are doubled, so that it is a whole number.
fn friedman(ranks: &[Vec<f64>], seed: u64) -> f64 {
    let mut doubled: Vec<Vec<u64>> =
        ranks.iter().map(|row| row.iter().map(|rank| (rank * 2.0).round() as u64).collect()).collect();
    let strategies = doubled.first().map_or(0, Vec::len);
    let statistic = |rows: &[Vec<u64>]| {
        let mut sums = vec![0_u64; strategies];
        for row in rows {
            for (sum, rank) in sums.iter_mut().zip(row) {
                *sum += rank;
            }
        }
        sums.iter().map(|sum| u128::from(*sum) * u128::from(*sum)).sum::<u128>()
    };
    let observed = statistic(&doubled);
    let mut random = Pcg64::seed_from_u64(seed);
    let mut as_far = 1_u32;
    for _ in 0..PERMUTATIONS {
        for row in &mut doubled {
            for last in (1..row.len()).rev() {
                row.swap(last, below_n(&mut random, last + 1));
            }
        }
        as_far += u32::from(statistic(&doubled) >= observed);
    }
    f64::from(as_far) / f64::from(PERMUTATIONS + 1)
}

/// The compact letter display of Piepho 2004 ("An algorithm for a letter-based representation of all-pairwise
/// comparisons", insert and absorb): by strategy, the letters of its groups, such that two strategies share a letter
/// exactly if they are not `different`. Letters go by `order`, best first. Empty if there are too many groups to read.
#[must_use]
pub fn letters(order: &[usize], different: &[Vec<bool>]) -> Vec<String> {
    let strategies = different.len();
    let mut groups: Vec<Vec<bool>> = vec![vec![true; strategies]];
    for (place, &a) in order.iter().enumerate() {
        for &b in &order[place + 1..] {
            if !different[a][b] {
                continue;
            }
            let (torn, mut kept): (Vec<_>, Vec<_>) =
                groups.into_iter().partition(|group| group[a] && group[b]);
            for group in torn {
                for out in [b, a] {
                    let mut part = group.clone();
                    part[out] = false;
                    // A group within another says nothing of its own.
                    let within =
                        |other: &Vec<bool>| part.iter().zip(other).all(|(part, other)| !part || *other);
                    if !kept.iter().any(within) {
                        kept.retain(|other| !other.iter().zip(&part).all(|(other, part)| !other || *part));
                        kept.push(part);
                    }
                }
            }
            groups = kept;
            if groups.len() > MOST_GROUPS {
                return Vec::new();
            }
        }
    }
    // By the places of their members, best first.
    groups.sort_by_key(|group| {
        order.iter().enumerate().filter(|(_, s)| group[**s]).map(|(place, _)| place).collect::<Vec<_>>()
    });
    let mut letters = vec![String::new(); strategies];
    for (index, group) in groups.iter().enumerate() {
        for (text, _) in letters.iter_mut().zip(group).filter(|(_, member)| **member) {
            text.push_str(&letter(index));
        }
    }
    letters
}

/// a to z, then a2 to z2, and so on.
fn letter(index: usize) -> String {
    let letter = char::from(b'a' + (index % 26) as u8);
    if index < 26 { letter.to_string() } else { format!("{letter}{}", index / 26 + 1) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ties_share_their_ranks() {
        assert_eq!(midranks(&[3.0, 1.0, 3.0, 0.1 + 0.2, 0.3]), [4.5, 3.0, 4.5, 1.5, 1.5]);
        assert_eq!(midranks(&[0.0, -0.0, 0.0]), [2.0, 2.0, 2.0]);
        assert!(midranks(&[]).is_empty());
    }

    /// Exact, from all 6^4 permutations within the blocks: 0.125.
    #[test]
    fn friedman_agrees_with_the_enumeration() {
        let blocks = [[1.0, 2.0, 3.0], [1.0, 3.0, 2.0], [1.0, 2.0, 3.0], [2.0, 1.0, 3.0]].map(Vec::from);
        let ranking = Ranking::new(&blocks, true, 0.05, 1);
        assert!((ranking.friedman_p.unwrap() - 0.125).abs() < 0.01, "{ranking:?}");
        assert_eq!(ranking.mean_ranks, [1.25, 2.0, 2.75]);
        assert_eq!(ranking.order, [0, 1, 2]);
        assert_eq!(Ranking::new(&blocks, false, 0.05, 1).order, [2, 1, 0]);
    }

    /// Twelve blocks, a well ahead of b and c, which take turns. By hand: of three pairs, Holm asks the two clear ones
    /// (p = 2/4096) for at most 0.05/3 and 0.05/2.
    #[test]
    fn strategies_that_cannot_be_told_apart_share_a_letter() {
        let blocks: Vec<Vec<f64>> = (0..12)
            .map(|i| {
                let i = f64::from(i);
                let turn = if i % 2.0 == 0.0 { 1.0 } else { -1.0 };
                vec![20.0 + i + turn, 10.0 + i, 20.0 + i]
            })
            .collect();
        let ranking = Ranking::new(&blocks, true, 0.05, 0);
        assert_eq!(ranking.order[0], 1);
        assert_eq!(ranking.letters, ["b", "a", "b"]);
        assert!(ranking.friedman_p.unwrap() < 0.001);
        assert!((ranking.least_p - 3.0 * 2.0 / 4096.0).abs() < 1e-15);
    }

    #[test]
    fn letters_overlap_where_differences_are_not_transitive() {
        // The first and the last differ, the middle one from neither.
        let different = [[false, false, true], [false; 3], [true, false, false]].map(Vec::from);
        assert_eq!(letters(&[0, 1, 2], &different), ["a", "ab", "b"]);
        assert_eq!(letters(&[2, 1, 0], &different), ["b", "ab", "a"]);
    }

    /// Whatever the pattern: a common letter exactly if not different.
    #[test]
    fn letters_say_exactly_what_differs() {
        let mut random = Pcg64::seed_from_u64(3);
        for _ in 0..200 {
            let n = 2 + below_n(&mut random, 8);
            let mut different = vec![vec![false; n]; n];
            for (a, b) in (0..n).flat_map(|a| (a + 1..n).map(move |b| (a, b))) {
                different[a][b] = below_n(&mut random, 2) == 0;
                different[b][a] = different[a][b];
            }
            let order: Vec<usize> = (0..n).rev().collect();
            let letters = letters(&order, &different);
            for (a, row) in different.iter().enumerate() {
                for (b, different) in row.iter().enumerate() {
                    let common = letters[a].chars().any(|letter| letters[b].contains(letter));
                    assert_eq!(common, !different, "{letters:?}");
                }
            }
        }
    }

    #[test]
    fn too_few_blocks_are_ranked_and_nothing_more() {
        let one = Ranking::new(&[vec![2.0, 1.0]], true, 0.05, 0);
        assert_eq!((one.order, one.friedman_p, one.letters.len()), (vec![1, 0], None, 0));
        let none = Ranking::new(&[], true, 0.05, 0);
        assert_eq!((none.blocks, none.order.len()), (0, 0));
        let alike = Ranking::new(&vec![vec![1.0, 1.0]; 20], true, 0.05, 0);
        assert_eq!(alike.friedman_p, Some(1.0));
        assert_eq!(alike.letters, ["a", "a"]);
    }
}
