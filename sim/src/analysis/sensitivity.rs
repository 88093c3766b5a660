//! A metric against a factor that varies.

use std::collections::BTreeMap;

use rayon::prelude::*;

use super::cells::Cells;
use super::summary::{Estimate, side_by_side};
use crate::statistics::Bootstrap;
use crate::sweep::FactorKind;

/// A point of a line.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct Point {
    /// The factor's value.
    pub x: f64,
    /// The metric there, over instances, all other factors averaged.
    pub estimate: Estimate,
}

/// The line of a strategy, or of the strategies that differ in one parameter alone.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Line {
    /// What it is called: a spec, for a parameter without that parameter.
    pub label: String,
    /// The strategy that gives it its colour, as an index.
    pub strategy: usize,
    /// Points, by x; empty for a strategy that does not have the parameter.
    pub points: Vec<Point>,
    /// The metric of a strategy that does not have the parameter.
    pub level: Option<Estimate>,
}

/// How a metric goes with a numeric factor in a scenario.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Sensitivity {
    /// The factor: `load`, `workers`, `setting.mtbf_s`, `param.window`, ...
    pub factor: String,
    /// The scenario's name.
    pub scenario: String,
    /// Lines, in the order of strategies.
    pub lines: Vec<Line>,
}

/// For each scenario and each factor with at least two levels there, all of them numbers.
pub(super) fn all(cells: &Cells<'_>, metric: usize, bootstrap: &Bootstrap) -> Vec<Sensitivity> {
    let mut scenarios: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    for (index, condition) in cells.conditions.iter().enumerate() {
        scenarios.entry(condition.scenario).or_default().push(index);
    }
    let of_conditions = |kind| matches!(kind, FactorKind::Workers | FactorKind::Load | FactorKind::Setting);
    let jobs: Vec<(&Vec<usize>, usize)> = scenarios
        .values()
        .flat_map(|conditions| (0..cells.table.factors.len()).map(move |factor| (conditions, factor)))
        .collect();
    jobs.into_par_iter()
        .filter_map(|(conditions, factor)| {
            let kind = cells.table.factors[factor].kind;
            let lines = if kind == FactorKind::Parameter {
                by_parameter(cells, conditions, factor, metric, bootstrap)?
            } else if of_conditions(kind) {
                by_condition(cells, conditions, factor, metric, bootstrap)?
            } else {
                return None;
            };
            let name = cells.table.factors[factor].name.clone();
            let scenario = cells.scenario_name(cells.conditions[conditions[0]].scenario);
            Some(Sensitivity { factor: name, scenario, lines })
        })
        .collect()
}

/// A value as a number that can be drawn.
fn number(text: &str) -> Option<f64> {
    text.parse::<f64>().ok().filter(|value| value.is_finite())
}

fn by_condition(
    cells: &Cells<'_>,
    conditions: &[usize],
    factor: usize,
    metric: usize,
    bootstrap: &Bootstrap,
) -> Option<Vec<Line>> {
    let place = cells.condition_factors.iter().position(|other| *other == factor)?;
    let mut levels: Vec<(f64, Vec<usize>)> = Vec::new();
    for &condition in conditions {
        let x = number(&cells.conditions[condition].values[place])?;
        match levels.iter_mut().find(|(level, _)| *level == x) {
            Some((_, members)) => members.push(condition),
            None => levels.push((x, vec![condition])),
        }
    }
    levels.sort_by(|a, b| a.0.total_cmp(&b.0));
    if levels.len() < 2 {
        return None;
    }
    let all: Vec<usize> = (0..cells.strategies.len()).collect();
    let estimates: Vec<Vec<Option<Estimate>>> =
        levels.iter().map(|(_, members)| side_by_side(cells, &all, members, metric, bootstrap)).collect();
    let line = |strategy: usize| {
        let at_level = levels.iter().zip(&estimates);
        let points: Vec<Point> =
            at_level.filter_map(|((x, _), all)| Some(Point { x: *x, estimate: all[strategy]? })).collect();
        let label = cells.strategies[strategy].clone();
        (!points.is_empty()).then_some(Line { label, strategy, points, level: None })
    };
    let lines: Vec<Line> = all.iter().filter_map(|&strategy| line(strategy)).collect();
    (!lines.is_empty()).then_some(lines)
}

/// Strategies that differ in this parameter alone make one line; those without it one of a single point, for comparison.
fn by_parameter(
    cells: &Cells<'_>,
    conditions: &[usize],
    factor: usize,
    metric: usize,
    bootstrap: &Bootstrap,
) -> Option<Vec<Line>> {
    let name = cells.table.factors[factor].name.trim_start_matches("param.");
    let mut lines: Vec<Line> = Vec::new();
    let all: Vec<usize> = (0..cells.strategies.len()).collect();
    let estimates = side_by_side(cells, &all, conditions, metric, bootstrap);
    for (strategy, spec) in cells.strategies.iter().enumerate() {
        let Some(estimate) = estimates[strategy] else { continue };
        let Some(level) = cells.level_of(strategy, factor) else {
            lines.push(Line { label: spec.clone(), strategy, points: Vec::new(), level: Some(estimate) });
            continue;
        };
        let point = Point { x: number(level)?, estimate };
        let label = without_parameter(spec, name);
        match lines.iter_mut().find(|line| line.label == label && line.level.is_none()) {
            Some(line) => line.points.push(point),
            None => lines.push(Line { label, strategy, points: vec![point], level: None }),
        }
    }
    for line in &mut lines {
        line.points.sort_by(|a, b| a.x.total_cmp(&b.x));
    }
    lines.iter().any(|line| line.points.len() > 1).then_some(lines)
}

/// A spec without one of its parameters: `ai(window=3,x=1)` without `window` is `ai(x=1)`.
fn without_parameter(spec: &str, name: &str) -> String {
    let Some((strategy, rest)) = spec.split_once('(') else { return spec.to_owned() };
    let kept: Vec<&str> = rest
        .trim_end_matches(')')
        .split(',')
        .filter(|part| part.split('=').next().is_none_or(|key| key.trim() != name))
        .collect();
    if kept.is_empty() { strategy.to_owned() } else { format!("{strategy}({})", kept.join(",")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_family_is_named_without_its_parameter() {
        assert_eq!(without_parameter("ai(window=3,x=1)", "window"), "ai(x=1)");
        assert_eq!(without_parameter("ai(window=3)", "window"), "ai");
        assert_eq!(without_parameter("fcfs", "window"), "fcfs");
    }
}
