//! A strategy against the baseline, pair by pair.

use super::{Bootstrap, Interval, mean, signed_rank};

/// What pairs of values say of the difference between a strategy and the baseline.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct Paired {
    /// Pairs.
    pub n: usize,
    /// Mean of the strategy's values.
    pub mean: f64,
    /// Mean of the baseline's.
    pub baseline: f64,
    /// Mean of strategy - baseline.
    pub difference: f64,
    /// Its interval.
    pub interval: Interval,
    /// Mean difference over the baseline's mean; `None` if that is 0.
    pub relative: Option<f64>,
    /// Its interval.
    pub relative_interval: Interval,
    /// Pairs in which the strategy's value is higher.
    pub higher: usize,
    /// Pairs in which it is lower.
    pub lower: usize,
    /// Two-sided p-value of Wilcoxon's signed-rank test.
    pub p: f64,
    /// The smallest that these pairs could have shown.
    pub least_p: f64,
}

impl Paired {
    /// Compares `pairs` of (strategy, baseline), independent and finite; `None` of none.
    #[must_use]
    pub fn new(pairs: &[(f64, f64)], bootstrap: &Bootstrap) -> Option<Self> {
        let own: Vec<f64> = pairs.iter().map(|pair| pair.0).collect();
        let base: Vec<f64> = pairs.iter().map(|pair| pair.1).collect();
        let differences: Vec<f64> = pairs.iter().map(|&(own, base)| difference(own, base)).collect();
        let test = signed_rank(&differences)?;
        let baseline = mean(&base)?;
        let mean_difference = mean(&differences)?;
        let relative = (baseline != 0.0).then_some(mean_difference / baseline);
        Some(Self {
            n: pairs.len(),
            mean: mean(&own)?,
            baseline,
            difference: mean_difference,
            interval: bootstrap.mean(&differences),
            relative,
            relative_interval: relative
                .map_or(Interval::TooFew, |_| bootstrap.ratio_of_means(&differences, &base)),
            higher: test.above,
            lower: test.below,
            p: test.p,
            least_p: test.least_p,
        })
    }
}

/// Whether two values are the same up to the rounding of sums.
#[must_use]
pub fn is_same(a: f64, b: f64) -> bool {
    (a - b).abs() <= 1e-9 * a.abs().max(b.abs())
}

/// a - b, and 0 if they are the same up to rounding.
pub(super) fn difference(a: f64, b: f64) -> f64 {
    if is_same(a, b) { 0.0 } else { a - b }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_constant_gain_is_certain_and_no_gain_is_none() {
        let pairs: Vec<(f64, f64)> = (0..8).map(|i| (90.0 + f64::from(i), 100.0 + f64::from(i))).collect();
        let paired = Paired::new(&pairs, &Bootstrap::default()).unwrap();
        assert_eq!((paired.n, paired.difference, paired.interval), (8, -10.0, Interval::Identical));
        assert_eq!((paired.lower, paired.higher, paired.p), (8, 0, 2.0 / 256.0));
        // -10 over a mean of 103.5: the ends are those of resampled means of the baseline.
        assert!((paired.relative.unwrap() + 10.0 / 103.5).abs() < 1e-15);
        let (low, high) = paired.relative_interval.ends().unwrap();
        assert!(-10.0 / 100.0 <= low && low < high && high <= -10.0 / 107.0);

        let same = Paired::new(&[(0.1 + 0.2, 0.3), (5.0, 5.0)], &Bootstrap::default()).unwrap();
        assert_eq!((same.difference, same.p, same.least_p, same.higher + same.lower), (0.0, 1.0, 1.0, 0));
        let zero = Paired::new(&[(1.0, 0.0)], &Bootstrap::default()).unwrap();
        assert_eq!((zero.relative, zero.interval), (None, Interval::TooFew));
        assert_eq!(Paired::new(&[], &Bootstrap::default()), None);
    }

    /// Where strategies do not differ, about 5 of 100 tests say at 0.05 that they do, and not more.
    #[test]
    fn false_alarms_are_as_rare_as_they_should_be() {
        use rand_pcg::rand_core::{Rng, SeedableRng};
        let mut random = rand_pcg::Pcg64::seed_from_u64(11);
        let mut value = || (random.next_u64() >> 11) as f64;
        let bootstrap = Bootstrap { resamples: 10, ..Bootstrap::default() };
        let alarms = (0..1_000)
            .filter(|_| {
                let pairs: Vec<(f64, f64)> = (0..12).map(|_| (value(), value())).collect();
                Paired::new(&pairs, &bootstrap).unwrap().p <= 0.05
            })
            .count();
        assert!((30..=55).contains(&alarms), "{alarms}");
    }
}
