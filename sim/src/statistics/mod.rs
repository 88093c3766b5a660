//! Statistics of repeated runs: how sure a mean, a difference, a ranking is.
//!
//! ```text
//! bootstrap        interval of a mean, or of a ratio of means         BCa, widened for small samples
//! signed_rank      are paired differences around 0?                   exact Wilcoxon, normal beyond 50
//! holm             many such answers at once                          step-down correction
//! paired           a strategy against the baseline: all three above
//! ranking          mean ranks, Friedman's test, letters               what can be told apart
//! shaking          does a difference survive small changes?           Tsafrir et al.
//! ```
//!
//! All of it works on plain numbers and knows nothing of sweeps. Samples must be independent for their intervals and
//! tests to mean anything; whoever calls decides what counts as one observation. Definitions with formulas
//! and sources are in `docs/sweep.md`.
//!
//! The same numbers and seed give the same bytes on any machine: random numbers are PCG64's, transcendental functions
//! those of `libm`, and sums run in a stated order. (That is also why `statrs` is not used: its distributions rest on
//! the `exp` and `ln` of the platform.)

mod bootstrap;
mod holm;
mod normal;
mod paired;
mod ranking;
mod shaking;
mod signed_rank;
mod student;

pub use bootstrap::{Bootstrap, Interval, LEAST_VALUES};
pub use holm::holm;
pub use paired::{Paired, is_same};
pub use ranking::{Ranking, letters, midranks};
pub use shaking::Shaken;
pub use signed_rank::{SignedRank, signed_rank};

/// The mean of `values`, summed in order; `None` of none.
#[must_use]
pub fn mean(values: &[f64]) -> Option<f64> {
    if values.is_empty() { None } else { Some(values.iter().sum::<f64>() / values.len() as f64) }
}

/// The sample standard deviation of `values`, over n - 1; `None` of fewer than two.
#[must_use]
pub fn standard_deviation(values: &[f64]) -> Option<f64> {
    if values.len() < 2 {
        return None;
    }
    let mean = mean(values)?;
    let squares: f64 = values.iter().map(|value| (value - mean) * (value - mean)).sum();
    Some((squares / (values.len() - 1) as f64).sqrt())
}

/// The `share` quantile of ascending `sorted`, between 0 and 1, interpolated between neighbours (type 7 of Hyndman
/// and Fan 1996, as R and NumPy do); `None` of none.
#[must_use]
pub fn quantile(sorted: &[f64], share: f64) -> Option<f64> {
    let last = sorted.len().checked_sub(1)?;
    let at = share.clamp(0.0, 1.0) * last as f64;
    let below = at.floor() as usize;
    let (low, high) = (sorted[below], sorted[(below + 1).min(last)]);
    Some(low + (high - low) * (at - below as f64))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_samples_have_what_they_can_have() {
        assert_eq!((mean(&[]), standard_deviation(&[1.0]), quantile(&[], 0.5)), (None, None, None));
        assert_eq!(mean(&[1.0, 2.0, 6.0]), Some(3.0));
        assert_eq!(standard_deviation(&[1.0, 2.0, 6.0]), Some(7.0_f64.sqrt()));
        let sorted = [1.0, 2.0, 4.0, 8.0];
        let at = |share| quantile(&sorted, share).unwrap();
        assert_eq!((at(0.0), at(0.5), at(1.0)), (1.0, 3.0, 8.0));
        // numpy.quantile([1, 2, 4, 8], 0.9)
        assert!((at(0.9) - 6.8).abs() < 1e-12);
    }
}
