//! The rows of a table by strategy, condition, seed and copy.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use crate::statistics::mean;
use crate::sweep::{FactorKind, Table};

/// A condition: all that a cell is run under except strategy, seed and shaken copy.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Condition {
    /// For each of [`Analysis::condition_factors`](super::Analysis::condition_factors) its value; empty where it does not
    /// apply.
    pub values: Vec<String>,
    /// The place of its scenario among the scenarios.
    pub scenario: usize,
}

/// Copies of one (strategy, condition, seed): (copy, row), the workload as it is being copy 0.
type Copies = Vec<(usize, usize)>;

/// What several strategies have in common.
#[derive(Debug)]
pub(super) struct Blocks {
    /// By instance the means of the strategies, over the cells of it in which each of them has a value.
    pub(super) rows: Vec<Vec<f64>>,
    /// Instances without such a cell.
    pub(super) incomplete: usize,
    /// Cases (a condition with a seed) in which each has a value, and in which any of them ran.
    pub(super) cases: (usize, usize),
}

/// A table, indexed.
#[derive(Debug)]
pub(super) struct Cells<'t> {
    pub(super) table: &'t Table,
    pub(super) strategies: Vec<String>,
    pub(super) conditions: Vec<Condition>,
    /// The factors of conditions.
    pub(super) condition_factors: Vec<usize>,
    /// By strategy, the copies of each (condition, seed) that has run.
    runs: Vec<BTreeMap<(usize, usize), Copies>>,
    /// By strategy, the scenarios in which the seed changes nothing.
    seedless: Vec<BTreeSet<usize>>,
    /// The scenarios whose workload is the same under every seed.
    one_workload: BTreeSet<usize>,
}

impl<'t> Cells<'t> {
    pub(super) fn new(table: &'t Table) -> Self {
        let of = |kind: FactorKind| table.factors.iter().position(|factor| factor.kind == kind);
        let is_condition = |kind| {
            !matches!(
                kind,
                FactorKind::Strategy | FactorKind::Parameter | FactorKind::Seed | FactorKind::Shake
            )
        };
        let condition_factors: Vec<usize> =
            (0..table.factors.len()).filter(|&factor| is_condition(table.factors[factor].kind)).collect();
        let levels = |factor: Option<usize>| factor.map_or(&[][..], |factor| &table.factors[factor].levels);
        let strategies = levels(of(FactorKind::Strategy)).to_vec();
        // Copies are known by their number, 0 for the workload as it is.
        let copy_numbers: Vec<usize> =
            levels(of(FactorKind::Shake)).iter().map(|level| level.parse().unwrap_or(usize::MAX)).collect();

        let mut conditions: Vec<Condition> = Vec::new();
        let mut known: HashMap<Vec<Option<usize>>, usize> = HashMap::new();
        let mut runs: Vec<BTreeMap<(usize, usize), Copies>> = vec![BTreeMap::new(); strategies.len()];
        for (at, row) in table.rows.iter().enumerate() {
            let level =
                |factor: Option<usize>| factor.and_then(|factor| row.levels.get(factor).copied().flatten());
            let key: Vec<Option<usize>> =
                condition_factors.iter().map(|&factor| level(Some(factor))).collect();
            let condition = *known.entry(key).or_insert_with(|| {
                let value = |&factor: &usize| table.level(row, factor).unwrap_or_default().to_owned();
                conditions.push(Condition {
                    values: condition_factors.iter().map(value).collect(),
                    scenario: level(of(FactorKind::Scenario)).unwrap_or(0),
                });
                conditions.len() - 1
            });
            let (Some(strategy), Some(_)) = (level(of(FactorKind::Strategy)), row.measured()) else {
                continue;
            };
            let seed = level(of(FactorKind::Seed)).unwrap_or(0);
            let copy = level(of(FactorKind::Shake)).map_or(0, |level| copy_numbers[level]);
            runs[strategy].entry((condition, seed)).or_default().push((copy, at));
        }
        let mut cells = Self {
            table,
            strategies,
            conditions,
            condition_factors,
            runs,
            seedless: Vec::new(),
            one_workload: BTreeSet::new(),
        };
        cells.seedless = (0..cells.strategies.len()).map(|strategy| cells.without_seed(strategy)).collect();
        cells.one_workload = cells.of_one_workload();
        cells
    }

    /// The scenarios in which, over several seeds, some strategy has the same metrics throughout. Other workloads would
    /// have changed them: what still differs there is the luck of strategies that draw.
    fn of_one_workload(&self) -> BTreeSet<usize> {
        let mut found = BTreeSet::new();
        for (runs, seedless) in self.runs.iter().zip(&self.seedless) {
            let mut seeds: BTreeMap<usize, BTreeSet<usize>> = BTreeMap::new();
            for &(condition, seed) in runs.keys() {
                seeds.entry(self.conditions[condition].scenario).or_default().insert(seed);
            }
            found.extend(seedless.iter().filter(|scenario| seeds[scenario].len() > 1));
        }
        found
    }

    /// The scenarios in which every metric of `strategy` is the same under each seed.
    fn without_seed(&self, strategy: usize) -> BTreeSet<usize> {
        let mut first: BTreeMap<(usize, usize), usize> = BTreeMap::new();
        let mut differs = BTreeSet::new();
        let mut seen = BTreeSet::new();
        for (&(condition, _), copies) in &self.runs[strategy] {
            let scenario = self.conditions[condition].scenario;
            seen.insert(scenario);
            for &(copy, row) in copies {
                let before = *first.entry((condition, copy)).or_insert(row);
                let metrics = |row: usize| self.table.rows[row].measured().map(|measured| &measured.metrics);
                if metrics(before) != metrics(row) {
                    differs.insert(scenario);
                }
            }
        }
        seen.retain(|scenario| !differs.contains(scenario));
        seen
    }

    pub(super) fn condition_factor_names(&self) -> Vec<String> {
        self.condition_factors.iter().map(|&factor| self.table.factors[factor].name.clone()).collect()
    }

    /// The name of a seed by its level.
    pub(super) fn seed_name(&self, seed: usize) -> String {
        self.level_name(FactorKind::Seed, seed)
    }

    /// The name of a scenario by its level.
    pub(super) fn scenario_name(&self, scenario: usize) -> String {
        self.level_name(FactorKind::Scenario, scenario)
    }

    fn level_name(&self, kind: FactorKind, level: usize) -> String {
        let factor = self.table.factors.iter().find(|factor| factor.kind == kind);
        factor.and_then(|factor| factor.levels.get(level)).cloned().unwrap_or_default()
    }

    /// A parameter's value in a strategy; `None` if it does not have it.
    pub(super) fn level_of(&self, strategy: usize, parameter: usize) -> Option<&str> {
        let row = self.runs[strategy].values().flatten().next()?.1;
        self.table.level(&self.table.rows[row], parameter)
    }

    /// How many (scenario, seed) there are.
    pub(super) fn instances(&self) -> usize {
        let all: BTreeSet<(usize, usize)> = self
            .runs
            .iter()
            .flat_map(BTreeMap::keys)
            .map(|&(condition, seed)| (self.conditions[condition].scenario, seed))
            .collect();
        all.len()
    }

    /// Shaken copies of an instance, at most.
    pub(super) fn copies(&self) -> usize {
        let shaken = |copies: &Copies| copies.iter().filter(|(copy, _)| *copy != 0).count();
        self.runs.iter().flat_map(BTreeMap::values).map(shaken).max().unwrap_or(0)
    }

    /// A metric's value in a row, if it has a finite one.
    pub(super) fn value(&self, row: usize, metric: usize) -> Option<f64> {
        let value = self.table.rows[row].measured()?.metrics.get(metric).copied().flatten()?;
        value.is_finite().then_some(value)
    }

    /// The (condition, seed) in which every one of `strategies` has run, in order.
    pub(super) fn common<'a>(
        &'a self,
        strategies: &'a [usize],
        conditions: &'a [usize],
    ) -> impl Iterator<Item = (usize, usize)> + 'a {
        let first = strategies.first().map(|&strategy| &self.runs[strategy]);
        conditions.iter().flat_map(move |&condition| {
            let keys =
                first.into_iter().flat_map(move |runs| runs.range((condition, 0)..=(condition, usize::MAX)));
            keys.map(|(key, _)| *key)
                .filter(|key| strategies.iter().all(|&strategy| self.runs[strategy].contains_key(key)))
        })
    }

    /// The copies of (condition, seed) in which every one of `strategies` has a value, each with those values.
    pub(super) fn copies_of(
        &self,
        strategies: &[usize],
        key: (usize, usize),
        metric: usize,
    ) -> Vec<(usize, Vec<f64>)> {
        let Some((&first, others)) = strategies.split_first() else { return Vec::new() };
        let Some(copies) = self.runs[first].get(&key) else { return Vec::new() };
        let in_copy = |&(copy, row): &(usize, usize)| {
            let mut values = vec![self.value(row, metric)?];
            for &strategy in others {
                let (_, row) = self.runs[strategy].get(&key)?.iter().find(|(other, _)| *other == copy)?;
                values.push(self.value(*row, metric)?);
            }
            Some((copy, values))
        };
        copies.iter().filter_map(in_copy).collect()
    }

    /// What `strategies` have in common under `conditions`. Seeds that change nothing are one instance; where strategies are
    /// compared, so are seeds that change no workload.
    pub(super) fn blocks(&self, strategies: &[usize], conditions: &[usize], metric: usize) -> Blocks {
        let mut cells: BTreeMap<(usize, usize), Vec<Vec<f64>>> = BTreeMap::new();
        for key in self.common(strategies, conditions) {
            // Copies of a workload count as one cell of it, however many there are.
            let copies = self.copies_of(strategies, key, metric);
            if let Some(means) =
                column_means(copies.iter().map(|(_, values)| values.as_slice()), strategies.len())
            {
                cells.entry((self.conditions[key.0].scenario, key.1)).or_default().push(means);
            }
        }
        let common = cells.values().map(Vec::len).sum();
        let mut ran: BTreeSet<(usize, usize)> = BTreeSet::new();
        for &strategy in strategies {
            for &condition in conditions {
                let seeds = self.runs[strategy].range((condition, 0)..=(condition, usize::MAX));
                ran.extend(seeds.map(|(key, _)| *key));
            }
        }
        let instances: BTreeSet<(usize, usize)> =
            ran.iter().map(|&(condition, seed)| (self.conditions[condition].scenario, seed)).collect();
        let incomplete = instances.len() - cells.len();
        let is_one = |scenario: &usize| match strategies {
            [alone] => self.seedless[*alone].contains(scenario),
            _ => self.one_workload.contains(scenario),
        };
        let mut observations: BTreeMap<(usize, usize), Vec<Vec<f64>>> = BTreeMap::new();
        for ((scenario, seed), rows) in cells {
            let seed = if is_one(&scenario) { 0 } else { seed };
            observations.entry((scenario, seed)).or_default().extend(rows);
        }
        let rows = observations
            .values()
            .filter_map(|rows| column_means(rows.iter().map(Vec::as_slice), strategies.len()))
            .collect();
        Blocks { rows, incomplete, cases: (common, ran.len()) }
    }
}

/// The mean of each column; `None` without rows.
fn column_means<'a>(rows: impl Iterator<Item = &'a [f64]>, columns: usize) -> Option<Vec<f64>> {
    let rows: Vec<&[f64]> = rows.collect();
    (0..columns).map(|column| mean(&rows.iter().map(|row| row[column]).collect::<Vec<_>>())).collect()
}
