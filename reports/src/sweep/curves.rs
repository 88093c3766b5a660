//! GPU curves of a sweep: the mean over the cells of each scenario and strategy.

use cloudai_sim::analysis::Analysis;
use cloudai_sim::result::{Comparison, GpuPoint, StrategyResult};
use cloudai_sim::sweep::Table;

/// The scenarios that have curves, each as a comparison of its strategies, in the order of the table. At each percent of
/// arrived demand a strategy's curve is the mean over all of its cells there, and ends where the first of them ends.
pub(super) fn by_scenario(table: &Table, analysis: &Analysis) -> Vec<Comparison> {
    let (Some(scenario), Some(strategy)) = (table.factor("scenario"), table.factor("strategy")) else {
        return Vec::new();
    };
    let curves = |scenario_level: usize, spec: &str| -> Vec<&[GpuPoint]> {
        let here = table.rows.iter().filter(|row| {
            row.levels[scenario] == Some(scenario_level) && table.level(row, strategy) == Some(spec)
        });
        here.filter_map(|row| row.measured())
            .map(|cell| &cell.curve[..])
            .filter(|curve| !curve.is_empty())
            .collect()
    };
    let comparison = |(level, name): (usize, &String)| {
        let result = |spec: &String| StrategyResult {
            spec: spec.clone(),
            gpu_curve: mean(&curves(level, spec)),
            ..StrategyResult::default()
        };
        let strategies = analysis.strategies.iter().map(result).collect();
        Comparison { scenario: name.clone(), strategies, ..Comparison::default() }
    };
    let all = table.factors[scenario].levels.iter().enumerate().map(comparison);
    all.filter(|comparison| comparison.strategies.iter().any(|result| !result.gpu_curve.is_empty())).collect()
}

#[expect(clippy::cast_precision_loss, reason = "a number of cells")]
fn mean(curves: &[&[GpuPoint]]) -> Vec<GpuPoint> {
    let length = curves.iter().map(|curve| curve.len()).min().unwrap_or(0);
    let point = |at: usize| {
        let mean = |of: fn(&GpuPoint) -> f64| {
            curves.iter().map(|curve| of(&curve[at])).sum::<f64>() / curves.len() as f64
        };
        GpuPoint {
            arrived: curves[0][at].arrived,
            allocated: mean(|point| point.allocated),
            fragmented: mean(|point| point.fragmented),
            fragmentation: mean(|point| point.fragmentation),
        }
    };
    (0..length).map(point).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mean_ends_where_the_first_curve_ends() {
        let point =
            |arrived, allocated| GpuPoint { arrived, allocated, fragmented: 0.5, fragmentation: 0.25 };
        let (a, b) = ([point(0.01, 0.25), point(0.02, 0.5)], [point(0.01, 0.75)]);
        assert_eq!(mean(&[&a, &b]), [point(0.01, 0.5)]);
        assert_eq!(mean(&[]), []);
    }
}
