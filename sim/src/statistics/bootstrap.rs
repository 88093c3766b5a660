//! Confidence intervals by resampling.
//!
//! BCa, bias-corrected and accelerated (Efron 1987; Efron and Tibshirani 1993, "An Introduction to the Bootstrap",
//! chapter 14), and not plain percentiles, because metrics of scheduling are skewed to the right, and percentiles then
//! miss on one side. Both are too narrow for small samples, as a resample varies by (n - 1)/n of what a sample does
//! and knows nothing of the uncertainty of that; so the normal quantile in the formula is replaced by
//! sqrt(n / (n - 1)) times Student's (Hesterberg 2015, "What teachers should know about the bootstrap", section 5.4).

use rand_pcg::Pcg64;
use rand_pcg::rand_core::{Rng, SeedableRng};

use super::{is_same, mean, normal, student};

/// Fewer values than this have no interval: no resample lies outside the values, and the range of n values covers a
/// median with probability 1 - 2^(1-n) at most, 87.5% at 4.
pub const LEAST_VALUES: usize = 5;

/// What is known of where a statistic lies.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum Interval {
    /// With the confidence asked for between these.
    Between {
        /// Lower end.
        low: f64,
        /// Upper end.
        high: f64,
    },
    /// Fewer than [`LEAST_VALUES`] values.
    TooFew,
    /// All values are the same: they say nothing of how they would vary.
    Identical,
}

impl Interval {
    /// The ends, if there are any.
    #[must_use]
    pub const fn ends(self) -> Option<(f64, f64)> {
        match self {
            Self::Between { low, high } => Some((low, high)),
            Self::TooFew | Self::Identical => None,
        }
    }
}

/// How intervals are made.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct Bootstrap {
    /// How many resamples; default 5,000.
    pub resamples: u32,
    /// The confidence, between 0 and 1; default 0.95.
    pub confidence: f64,
    /// Seed of the resampling; default 0.
    pub seed: u64,
}

impl Default for Bootstrap {
    fn default() -> Self {
        Self { resamples: 5_000, confidence: 0.95, seed: 0 }
    }
}

impl Bootstrap {
    /// The interval of the mean of independent, finite `values`.
    #[must_use]
    pub fn mean(&self, values: &[f64]) -> Interval {
        self.ratio(values, None)
    }

    /// The interval of mean(`numerators`) / mean(`denominators`), resampled in pairs; both have the same length.
    /// [`Interval::TooFew`] also if the mean of the denominators is 0.
    #[must_use]
    pub fn ratio_of_means(&self, numerators: &[f64], denominators: &[f64]) -> Interval {
        self.ratio(numerators, Some(denominators))
    }

    fn ratio(&self, above: &[f64], below: Option<&[f64]>) -> Interval {
        let n = above.len();
        if n < LEAST_VALUES || below.is_some_and(|below| below.len() != n) {
            return Interval::TooFew;
        }
        let statistic = |above: f64, below: f64| if below.is_finite() { above / below } else { above };
        let sums = |values: &[f64]| values.iter().sum::<f64>();
        let (above_sum, below_sum) = (sums(above), below.map_or(n as f64, sums));
        let estimate = statistic(above_sum, below_sum);
        if !estimate.is_finite() {
            return Interval::TooFew;
        }
        let without: Vec<f64> = (0..n)
            .map(|i| {
                let left = below.map_or((n - 1) as f64, |below| below_sum - below[i]);
                statistic(above_sum - above[i], left)
            })
            .collect();
        let same = |values: &[f64]| values.iter().all(|value| *value == values[0]);
        if same(above) && below.is_none_or(same) {
            return Interval::Identical;
        }
        let mut random = Random::new(self.seed, n);
        let mut replicates: Vec<f64> = (0..self.resamples.max(1))
            .map(|_| {
                let (mut up, mut down) = (0.0, 0.0);
                for _ in 0..n {
                    let i = random.index();
                    up += above[i];
                    down += below.map_or(1.0, |below| below[i]);
                }
                statistic(up, down)
            })
            .filter(|value| value.is_finite())
            .collect();
        let (low, high) = self.shares(estimate, &without, &replicates);
        match (quantile_of(&mut replicates, low), quantile_of(&mut replicates, high)) {
            // A ratio that is the same in every resample varies by rounding alone.
            (Some(low), Some(high)) if low < high && !is_same(low, high) => Interval::Between { low, high },
            (Some(_), Some(_)) => Interval::Identical,
            _ => Interval::TooFew,
        }
    }

    /// Which quantiles of the replicates are the ends.
    fn shares(&self, estimate: f64, without: &[f64], replicates: &[f64]) -> (f64, f64) {
        let n = without.len() as f64;
        let less = replicates.iter().filter(|value| **value < estimate).count();
        let up_to = replicates.iter().filter(|value| **value <= estimate).count();
        let bias = normal::quantile((less + up_to) as f64 / 2.0 / replicates.len() as f64);
        let bias = bias.clamp(-5.0, 5.0);
        let middle = mean(without).unwrap_or(estimate);
        let (mut squares, mut cubes) = (0.0, 0.0);
        for value in without {
            let away = middle - value;
            squares += away * away;
            cubes += away * away * away;
        }
        let skew = if squares > 0.0 { cubes / (6.0 * squares * squares.sqrt()) } else { 0.0 };
        let tail = (1.0 - self.confidence.clamp(0.0, 1.0 - 1e-9)) / 2.0;
        let wide = student::quantile(1.0 - tail, n - 1.0) * (n / (n - 1.0)).sqrt();
        let share = |z: f64| {
            let z = bias + z;
            let shrink = 1.0 - skew * z;
            // Beyond the pole of the formula lies the end of the distribution.
            if shrink <= 0.0 {
                if z < 0.0 { 0.0 } else { 1.0 }
            } else {
                normal::cumulative(bias + z / shrink)
            }
        };
        (share(-wide), share(wide))
    }
}

/// The `share` quantile of unsorted `values`, as [`quantile`](super::quantile) of sorted ones; sorting 5,000 values would
/// take longer than drawing them.
fn quantile_of(values: &mut [f64], share: f64) -> Option<f64> {
    let last = values.len().checked_sub(1)?;
    let at = share.clamp(0.0, 1.0) * last as f64;
    let below = at.floor() as usize;
    let (_, low, above) = values.select_nth_unstable_by(below, f64::total_cmp);
    let low = *low;
    let next = above.iter().copied().reduce(f64::min).unwrap_or(low);
    Some(low + (next - low) * (at - below as f64))
}

/// Indices below n, two from each draw where n allows it: by the upper half of a product, whose bias of n / 2^32 (up to
/// 65,536, 2^-16 of a chance of 1 / n) is nothing beside the randomness of resampling.
#[derive(Debug)]
struct Random {
    source: Pcg64,
    n: usize,
    left: Option<u32>,
}

impl Random {
    fn new(seed: u64, n: usize) -> Self {
        Self { source: Pcg64::seed_from_u64(seed), n, left: None }
    }

    fn index(&mut self) -> usize {
        if self.n > 1 << 16 {
            return below_n(&mut self.source, self.n);
        }
        let word = self.left.take().unwrap_or_else(|| {
            let draw = self.source.next_u64();
            self.left = Some(draw as u32);
            (draw >> 32) as u32
        });
        ((u64::from(word) * self.n as u64) >> 32) as usize
    }
}

/// A whole number below `n`: the upper half of a product, whose bias of n / 2^64 is nothing.
pub(super) fn below_n(random: &mut Pcg64, n: usize) -> usize {
    ((u128::from(random.next_u64()) * n as u128) >> 64) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ends(interval: Interval) -> (f64, f64) {
        interval.ends().unwrap()
    }

    /// Against all n^n resamples, enumerated in Python with the formulas above, quantiles by `numpy.quantile`, normal
    /// and Student's distributions by SciPy 1.17; so many random resamples come close.
    #[test]
    fn agrees_with_the_enumeration() {
        let values = [1.0, 2.0, 4.0, 8.0, 16.0, 3.0, 5.0];
        let many = Bootstrap { resamples: 100_000, ..Bootstrap::default() };
        let close = |own: (f64, f64), expected: (f64, f64), within: f64| {
            assert!((own.0 - expected.0).abs() <= within && (own.1 - expected.1).abs() <= within, "{own:?}");
        };
        close(ends(many.mean(&values)), (2.571_428_571, 13.142_857_143), 0.15);
        let at_80 = Bootstrap { confidence: 0.8, ..many };
        close(ends(at_80.mean(&values)), (3.428_571_429, 9.571_428_571), 0.15);
        let above = [1.0, -2.0, 4.0, 8.0, 3.0, 5.0, 1.0];
        let below = [10.0, 12.0, 20.0, 31.0, 16.0, 30.0, 11.0];
        let at_90 = Bootstrap { confidence: 0.9, ..many };
        close(ends(at_90.ratio_of_means(&above, &below)), (0.032_258_065, 0.215_277_778), 0.003);
    }

    #[test]
    fn quantiles_of_unsorted_values_are_those_of_sorted_ones() {
        let values = [5.0, 1.0, 4.0, 2.0, 2.0, 9.0];
        let mut sorted = values;
        sorted.sort_by(f64::total_cmp);
        for share in [0.0, 0.1, 0.5, 0.77, 1.0] {
            assert_eq!(quantile_of(&mut values.clone(), share), super::super::quantile(&sorted, share));
        }
        assert_eq!(quantile_of(&mut [], 0.5), None);
    }

    #[test]
    fn what_has_no_interval_says_why() {
        let bootstrap = Bootstrap::default();
        assert_eq!(bootstrap.mean(&[]), Interval::TooFew);
        assert_eq!(bootstrap.mean(&[1.0, 2.0, 3.0, 4.0]), Interval::TooFew);
        assert_eq!(bootstrap.mean(&[2.0; 9]), Interval::Identical);
        assert_eq!(bootstrap.ratio_of_means(&[1.0; 6], &[0.0; 6]), Interval::TooFew);
        assert_eq!(bootstrap.ratio_of_means(&[0.0; 5], &[1.0, 2.0, 3.0, 4.0, 5.0]), Interval::Identical);
        // Some resamples divide by 0; the others remain.
        let some = bootstrap.ratio_of_means(&[1.0, 2.0, 3.0, 1.0, 2.0], &[0.0, 0.0, 0.0, 1.0, 2.0]);
        assert!(some.ends().is_some_and(|(low, high)| low.is_finite() && high.is_finite()));
    }

    #[test]
    fn the_same_seed_gives_the_same_interval_and_scale_scales_it() {
        let values = [3.0, 1.0, 4.0, 1.0, 5.0, 9.0, 2.0, 6.0];
        let bootstrap = Bootstrap::default();
        assert_eq!(bootstrap.mean(&values), bootstrap.mean(&values));
        assert_ne!(bootstrap.mean(&values), Bootstrap { seed: 1, ..bootstrap }.mean(&values));
        let (low, high) = ends(bootstrap.mean(&values));
        let doubled = ends(bootstrap.mean(&values.map(|value| value * 2.0)));
        assert_eq!(doubled, (low * 2.0, high * 2.0));
    }

    /// The share of 1,000 samples whose 95% interval holds the true mean. Seeded: the figures are always the same.
    fn coverage(n: usize, draw: impl Fn(&mut Pcg64) -> f64, mean: f64) -> f64 {
        let mut random = Pcg64::seed_from_u64(7);
        let bootstrap = Bootstrap { resamples: 1_000, ..Bootstrap::default() };
        let hits = (0..1_000)
            .filter(|_| {
                let values: Vec<f64> = (0..n).map(|_| draw(&mut random)).collect();
                let (low, high) = ends(bootstrap.mean(&values));
                low <= mean && mean <= high
            })
            .count();
        hits as f64 / 1_000.0
    }

    fn uniform(random: &mut Pcg64) -> f64 {
        ((random.next_u64() >> 11) as f64 + 0.5) / (1_u64 << 53) as f64
    }

    #[test]
    fn intervals_cover_the_mean_about_as_often_as_they_claim() {
        let normal = |random: &mut Pcg64| normal::quantile(uniform(random));
        let exponential = |random: &mut Pcg64| -libm::log(uniform(random));
        let figures = [
            ("normal, 6", coverage(6, normal, 0.0), 0.9),
            ("normal, 10", coverage(10, normal, 0.0), 0.93),
            ("normal, 40", coverage(40, normal, 0.0), 0.94),
            // Few values of a skewed distribution do not show its tail.
            ("exponential, 10", coverage(10, exponential, 1.0), 0.92),
            ("exponential, 40", coverage(40, exponential, 1.0), 0.93),
        ];
        for (name, covered, least) in figures {
            assert!(covered >= least && covered <= 0.975, "{name}: {covered}");
        }
    }
}
