//! Wilcoxon's signed-rank test of paired differences.
//!
//! It, and not Student's t, because differences of scheduling metrics are skewed and have outliers; it, and not a test
//! of the mean by flipping signs, because one scenario with large values would then decide for all (Demšar 2006,
//! "Statistical comparisons of classifiers over multiple data sets", section 3.1.3, argues the same).

use std::cmp::Ordering;

use super::normal;
use super::ranking::midranks;

/// Up to so many pairs the distribution is enumerated.
const EXACT: usize = 50;

/// The answer of [`signed_rank`].
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct SignedRank {
    /// Differences, zeros included.
    pub n: usize,
    /// Differences above 0.
    pub above: usize,
    /// Differences below 0.
    pub below: usize,
    /// Two-sided p-value; 1 if all differences are 0.
    pub p: f64,
    /// The smallest p-value that so many differences, those of 0 left out, could have shown: what is not below α here
    /// could not have been significant.
    pub least_p: f64,
}

/// Tests whether `differences` are distributed symmetrically around 0. `None` of none; each must be finite.
///
/// After Wilcoxon 1945 with the zeros of Pratt 1959: |difference| is ranked with the zeros among them and mid-ranks for
/// ties, then the zeros are left out. Up to 50 differences the p-value is exact, given the ranks at hand: the share of
/// all 2^m assignments of signs whose sum of positive ranks lies as far out, doubled. Beyond that the sum is taken as
/// normal, its variance that of these ranks, with continuity correction.
#[must_use]
pub fn signed_rank(differences: &[f64]) -> Option<SignedRank> {
    if differences.is_empty() {
        return None;
    }
    let sizes: Vec<f64> = differences.iter().map(|difference| difference.abs()).collect();
    let ranks = midranks(&sizes);
    let ranked: Vec<(f64, bool)> = differences
        .iter()
        .zip(ranks)
        .filter(|(difference, _)| **difference != 0.0)
        .map(|(difference, rank)| (rank, *difference > 0.0))
        .collect();
    let above = ranked.iter().filter(|(_, positive)| *positive).count();
    let positive_sum: f64 = ranked.iter().filter(|(_, positive)| *positive).map(|(rank, _)| rank).sum();
    let ranks: Vec<f64> = ranked.iter().map(|(rank, _)| *rank).collect();
    let p = if ranks.is_empty() {
        1.0
    } else if ranks.len() <= EXACT {
        exact(&ranks, positive_sum)
    } else {
        approximate(&ranks, positive_sum)
    };
    let least_p = if ranks.is_empty() {
        1.0
    } else if ranks.len() <= EXACT {
        libm::ldexp(1.0, 1 - ranks.len() as i32)
    } else {
        approximate(&ranks, 0.0)
    };
    Some(SignedRank { n: differences.len(), above, below: ranked.len() - above, p, least_p })
}

/// Mid-ranks are halves: doubled, they are whole, and the distribution of their sum is a walk over whole numbers.
fn exact(ranks: &[f64], positive_sum: f64) -> f64 {
    let doubled: Vec<usize> = ranks.iter().map(|rank| (rank * 2.0).round() as usize).collect();
    let total: usize = doubled.iter().sum();
    let mut chance = vec![0.0; total + 1];
    chance[0] = 1.0;
    let mut reached = 0;
    for rank in doubled {
        for sum in (0..=reached).rev() {
            chance[sum] *= 0.5;
            chance[sum + rank] += chance[sum];
        }
        reached += rank;
    }
    // Symmetric around half of the total: the lower tail of the nearer end is enough.
    let sum = (positive_sum * 2.0).round() as usize;
    let nearer = sum.min(total - sum);
    let tail: f64 = chance[..=nearer].iter().sum();
    (2.0 * tail).min(1.0)
}

fn approximate(ranks: &[f64], positive_sum: f64) -> f64 {
    let total: f64 = ranks.iter().sum();
    let variance = ranks.iter().map(|rank| rank * rank).sum::<f64>() / 4.0;
    let away = positive_sum - total / 2.0;
    // Half a step towards the middle, as the sum is discrete.
    let away = match away.partial_cmp(&0.0) {
        Some(Ordering::Greater) => (away - 0.5).max(0.0),
        Some(Ordering::Less) => (away + 0.5).min(0.0),
        _ => 0.0,
    };
    (2.0 * normal::cumulative(-(away / variance.sqrt()).abs())).min(1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn p(differences: &[f64]) -> f64 {
        signed_rank(differences).unwrap().p
    }

    /// By enumerating all assignments of signs to the ranks of `scipy.stats.rankdata(abs(d))`, zeros ranked and left out.
    /// The first is also `scipy.stats.wilcoxon(d, method="exact")`, of SciPy 1.17.
    #[test]
    fn small_samples_are_exact_also_with_ties_and_zeros() {
        let cases: [(&[f64], f64); 5] = [
            (&[1.1, 2.2, -0.3, 4.0, 5.0, -0.6, 7.5], 0.078_125),
            (&[0.0, 0.0, 1.0, 1.0, 1.0, -1.0, 2.0, 2.0, 3.0, -0.5], 0.093_75),
            (&[3.0, 3.0, 3.0, 3.0, -3.0, -3.0], 0.687_5),
            (&[0.0, 0.0, 5.0], 1.0),
            (&[0.0, 0.0], 1.0),
        ];
        for (differences, expected) in cases {
            assert!((p(differences) - expected).abs() < 1e-15, "{differences:?}: {}", p(differences));
        }
        assert_eq!(signed_rank(&[]), None);
    }

    /// `scipy.stats.wilcoxon(d, method="exact")`, and with `method="approx", correction=True, zero_method="pratt"`.
    #[test]
    fn larger_samples_agree_with_scipy() {
        let exact: Vec<f64> =
            (1..=40).map(|i| 0.5 * f64::from(i) * if i % 3 == 0 { -1.0 } else { 1.0 }).collect();
        assert!((p(&exact) - 0.066_160_616_266_643_05).abs() < 1e-12);
        let smooth: Vec<f64> = (0..80).map(|i| f64::from(i % 17) - 5.5 + 0.01 * f64::from(i)).collect();
        assert!((p(&smooth) - 9.548_806_963_359_128e-5).abs() < 1e-15, "{}", p(&smooth));
        let tied: Vec<f64> = (0..90).map(|i| f64::from(i * 7 % 11) - 4.0).collect();
        assert!((p(&tied) - 0.008_565_397_832_016_656).abs() < 1e-13, "{}", p(&tied));
    }

    #[test]
    fn the_side_does_not_matter_and_the_least_p_is_that_of_one_side() {
        let differences = [1.0, 2.0, 3.0, 5.0, -4.0, 6.0];
        let mirrored: Vec<f64> = differences.iter().map(|d| -d).collect();
        let (test, mirror) = (signed_rank(&differences).unwrap(), signed_rank(&mirrored).unwrap());
        assert_eq!((test.p, test.above, test.below), (mirror.p, mirror.below, mirror.above));
        assert_eq!(test.least_p, p(&[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]));
        assert_eq!(test.least_p, 0.031_25);
    }
}
