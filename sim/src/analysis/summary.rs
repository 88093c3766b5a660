//! Mean, spread and interval of a metric.

use rayon::prelude::*;

use super::cells::Cells;
use crate::statistics::{Bootstrap, Interval, mean, standard_deviation};

/// Where a metric lies over instances.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct Estimate {
    /// Instances with a value.
    pub n: usize,
    /// Mean over them.
    pub mean: f64,
    /// Standard deviation over them; `None` of one.
    pub deviation: Option<f64>,
    /// Interval of the mean.
    pub interval: Interval,
    /// Least value.
    pub least: f64,
    /// Largest value.
    pub largest: f64,
    /// Instances that ran and have no value.
    pub missing: usize,
}

/// A metric of a strategy in a condition.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Summary {
    /// Key of the metric.
    pub metric: String,
    /// The strategy, as an index.
    pub strategy: usize,
    /// The condition, as an index; `None` is the mean over all of them.
    pub condition: Option<usize>,
    /// What is known of it.
    pub estimate: Estimate,
}

/// Every metric of every strategy over all conditions and in each; without those that have no value.
pub(super) fn all(cells: &Cells<'_>, bootstrap: &Bootstrap) -> Vec<Summary> {
    let everywhere: Vec<usize> = (0..cells.conditions.len()).collect();
    let each = (0..cells.conditions.len()).map(Some);
    let scopes: Vec<Option<usize>> = std::iter::once(None).chain(each).collect();
    let jobs: Vec<(usize, usize, Option<usize>)> = (0..cells.table.metrics.len())
        .flat_map(|metric| (0..cells.strategies.len()).map(move |strategy| (metric, strategy)))
        .flat_map(|(metric, strategy)| scopes.iter().map(move |&scope| (metric, strategy, scope)))
        .collect();
    jobs.into_par_iter()
        .filter_map(|(metric, strategy, condition)| {
            let one = condition.map(|condition| [condition]);
            let conditions = one.as_ref().map_or(&everywhere[..], |one| &one[..]);
            let estimate = estimate(cells, strategy, conditions, metric, bootstrap)?;
            Some(Summary { metric: cells.table.metrics[metric].clone(), strategy, condition, estimate })
        })
        .collect()
}

/// A metric of a strategy over `conditions`; `None` without any value.
pub(super) fn estimate(
    cells: &Cells<'_>,
    strategy: usize,
    conditions: &[usize],
    metric: usize,
    bootstrap: &Bootstrap,
) -> Option<Estimate> {
    let blocks = cells.blocks(&[strategy], conditions, metric);
    let values: Vec<f64> = blocks.rows.iter().map(|row| row[0]).collect();
    of_values(&values, blocks.incomplete, bootstrap)
}

/// What `values` of instances say; `None` of none.
pub(super) fn of_values(values: &[f64], missing: usize, bootstrap: &Bootstrap) -> Option<Estimate> {
    Some(Estimate {
        n: values.len(),
        mean: mean(values)?,
        deviation: standard_deviation(values),
        interval: bootstrap.mean(values),
        least: values.iter().copied().fold(f64::INFINITY, f64::min),
        largest: values.iter().copied().fold(f64::NEG_INFINITY, f64::max),
        missing,
    })
}

/// A metric of each of `strategies` over `conditions`, as it may stand side by side: over the cells in which all of those
/// that have any value have one; if there is no such cell, over all that each has.
pub(super) fn side_by_side(
    cells: &Cells<'_>,
    strategies: &[usize],
    conditions: &[usize],
    metric: usize,
    bootstrap: &Bootstrap,
) -> Vec<Option<Estimate>> {
    let own: Vec<Option<Estimate>> =
        strategies.iter().map(|&strategy| estimate(cells, strategy, conditions, metric, bootstrap)).collect();
    let present: Vec<usize> = (0..strategies.len()).filter(|&place| own[place].is_some()).collect();
    let with_values: Vec<usize> = present.iter().map(|&place| strategies[place]).collect();
    let blocks = cells.blocks(&with_values, conditions, metric);
    if blocks.rows.is_empty() {
        return own;
    }
    let mut common = vec![None; strategies.len()];
    for (column, &place) in present.iter().enumerate() {
        let values: Vec<f64> = blocks.rows.iter().map(|row| row[column]).collect();
        common[place] = of_values(&values, blocks.incomplete, bootstrap);
    }
    common
}
