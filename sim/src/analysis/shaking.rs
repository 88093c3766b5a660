//! Differences on shaken copies.

use super::cells::Cells;
use crate::statistics::{Shaken, mean};

/// How a difference of a strategy from the baseline on one workload fares on shaken copies of it.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct ShakenDifference {
    /// The strategy, as an index.
    pub strategy: usize,
    /// The condition, as an index.
    pub condition: usize,
    /// The seed.
    pub seed: String,
    /// The baseline's mean over the copies.
    pub baseline: f64,
    /// The baseline's value on the workload as it is, which can lie far from that mean; `None` if one of the two strategies
    /// has no value there.
    pub baseline_original: Option<f64>,
    /// The differences.
    pub shaken: Shaken,
}

/// By strategy other than the baseline, condition and seed; only where there are copies.
pub(super) fn all(cells: &Cells<'_>, baseline: usize, metric: usize) -> Vec<ShakenDifference> {
    let everywhere: Vec<usize> = (0..cells.conditions.len()).collect();
    let mut all = Vec::new();
    for strategy in (0..cells.strategies.len()).filter(|&strategy| strategy != baseline) {
        let pair = [strategy, baseline];
        for key in cells.common(&pair, &everywhere) {
            let values = cells.copies_of(&pair, key, metric);
            let of = |original: bool| {
                values.iter().filter(move |(copy, _)| (*copy == 0) == original).map(|(_, v)| (v[0], v[1]))
            };
            let copies: Vec<(f64, f64)> = of(false).collect();
            let original = of(true).next();
            let baseline = mean(&copies.iter().map(|pair| pair.1).collect::<Vec<_>>());
            if let (Some(shaken), Some(baseline)) = (Shaken::new(original, &copies), baseline) {
                all.push(ShakenDifference {
                    strategy,
                    condition: key.0,
                    seed: cells.seed_name(key.1),
                    baseline,
                    baseline_original: original.map(|pair| pair.1),
                    shaken,
                });
            }
        }
    }
    all
}
