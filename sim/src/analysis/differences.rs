//! Strategies against the baseline.

use rayon::prelude::*;

use super::cells::Cells;
use crate::statistics::{Bootstrap, Paired, holm};

/// How a metric of a strategy differs from the baseline's.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Difference {
    /// Key of the metric.
    pub metric: String,
    /// The strategy, as an index.
    pub strategy: usize,
    /// The condition, as an index; `None` is over all of them.
    pub condition: Option<usize>,
    /// What the pairs say.
    pub paired: Paired,
    /// Its p-value under Holm's correction over the strategies compared in this metric and condition.
    pub adjusted_p: f64,
    /// Instances left out, because one of the two has no value there.
    pub incomplete: usize,
}

/// Every metric over all conditions; `objectives` in each condition, too.
pub(super) fn all(
    cells: &Cells<'_>,
    baseline: usize,
    objectives: &[usize],
    bootstrap: &Bootstrap,
) -> Vec<Difference> {
    let overall = (0..cells.table.metrics.len()).map(|metric| (metric, None));
    let each = objectives
        .iter()
        .flat_map(|&metric| (0..cells.conditions.len()).map(move |condition| (metric, Some(condition))));
    let jobs: Vec<(usize, Option<usize>)> = overall.chain(each).collect();
    jobs.into_par_iter()
        .flat_map_iter(|(metric, condition)| family(cells, baseline, metric, condition, bootstrap))
        .collect()
}

/// The strategies compared in one metric and condition: what Holm's correction is over.
fn family(
    cells: &Cells<'_>,
    baseline: usize,
    metric: usize,
    condition: Option<usize>,
    bootstrap: &Bootstrap,
) -> Vec<Difference> {
    let conditions: Vec<usize> = condition.map_or_else(|| (0..cells.conditions.len()).collect(), |c| vec![c]);
    let others = (0..cells.strategies.len()).filter(|&strategy| strategy != baseline);
    let mut differences: Vec<Difference> = others
        .filter_map(|strategy| {
            let blocks = cells.blocks(&[strategy, baseline], &conditions, metric);
            let pairs: Vec<(f64, f64)> = blocks.rows.iter().map(|row| (row[0], row[1])).collect();
            let paired = Paired::new(&pairs, bootstrap)?;
            let metric = cells.table.metrics[metric].clone();
            let incomplete = blocks.incomplete;
            Some(Difference { metric, strategy, condition, paired, adjusted_p: paired.p, incomplete })
        })
        .collect();
    let adjusted = holm(&differences.iter().map(|difference| difference.paired.p).collect::<Vec<_>>());
    for (difference, adjusted) in differences.iter_mut().zip(adjusted) {
        difference.adjusted_p = adjusted;
    }
    differences
}
