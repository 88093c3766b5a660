//! Whether a difference that one trace shows survives small changes of that trace.
//!
//! Tsafrir, Ouaknine and Feitelson 2007, "Reducing performance evaluation sensitivity and variability by input shaking":
//! a scheduler answers to a change of an arrival by seconds with a different schedule from there on, so that a
//! difference between two strategies on one trace may be an accident of that trace. Shaken copies of it show how much
//! of the difference is.

use std::cmp::Ordering;

use super::paired::difference;
use super::{mean, quantile, standard_deviation};

/// The differences between a strategy and the baseline on a trace and on its shaken copies.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct Shaken {
    /// Strategy - baseline on the trace as it is; `None` if one of them has no value there.
    pub original: Option<f64>,
    /// Copies in which both have a value.
    pub copies: usize,
    /// Copies whose difference has the sign that the trace's has (without it: that of their mean); of a difference of
    /// 0, copies that have 0 too.
    pub kept: usize,
    /// Mean difference over the copies.
    pub mean: f64,
    /// Standard deviation of the difference over the copies; `None` of fewer than two.
    pub deviation: Option<f64>,
    /// Least difference, 5th percentile, median, 95th percentile, and largest.
    pub spread: [f64; 5],
}

impl Shaken {
    /// Compares the pair of (strategy, baseline) on the trace with the pairs on its copies; all values finite. `None`
    /// without copies.
    #[must_use]
    pub fn new(original: Option<(f64, f64)>, copies: &[(f64, f64)]) -> Option<Self> {
        let original = original.map(|(own, base)| difference(own, base));
        let mut differences: Vec<f64> = copies.iter().map(|&(own, base)| difference(own, base)).collect();
        differences.sort_by(f64::total_cmp);
        let mean = mean(&differences)?;
        let sign = |value: f64| value.partial_cmp(&0.0).unwrap_or(Ordering::Equal);
        let expected = sign(original.unwrap_or(mean));
        let at = |share| quantile(&differences, share).unwrap_or(mean);
        Some(Self {
            original,
            copies: differences.len(),
            kept: differences.iter().filter(|value| sign(**value) == expected).count(),
            mean,
            deviation: standard_deviation(&differences),
            spread: [at(0.0), at(0.05), at(0.5), at(0.95), at(1.0)],
        })
    }

    /// Whether at least nine of ten copies keep the sign.
    #[must_use]
    pub const fn holds(&self) -> bool {
        self.kept * 10 >= self.copies * 9
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_the_copies_that_keep_the_sign() {
        let copies = [(9.0, 10.0), (8.0, 10.0), (11.0, 10.0), (10.0, 10.0)];
        let shaken = Shaken::new(Some((7.0, 10.0)), &copies).unwrap();
        assert_eq!((shaken.original, shaken.copies, shaken.kept), (Some(-3.0), 4, 2));
        assert_eq!((shaken.mean, shaken.spread[0], shaken.spread[4]), (-0.5, -2.0, 1.0));
        assert!(!shaken.holds());
    }

    #[test]
    fn no_difference_is_kept_by_no_difference() {
        let shaken = Shaken::new(Some((0.1 + 0.2, 0.3)), &[(1.0, 1.0), (2.0, 1.0)]).unwrap();
        assert_eq!((shaken.original, shaken.kept), (Some(0.0), 1));
    }

    #[test]
    fn without_the_trace_the_mean_sets_the_sign() {
        let shaken = Shaken::new(None, &[(1.0, 2.0); 10]).unwrap();
        assert_eq!((shaken.kept, shaken.deviation), (10, Some(0.0)));
        assert!(shaken.holds());
        assert_eq!(Shaken::new(Some((1.0, 2.0)), &[]), None);
    }
}
