//! Where candidates run: the runs of a tuning are cells of a sweep, in a folder of their own.

use std::path::PathBuf;
use std::sync::atomic::Ordering;

use cloudai_schedulers::{Registry, StrategySpec};

use super::objective::Objective;
use crate::sweep::{Measured, Options, Outcome, Plan, Sweep, SweepError, Table, Workload};

/// What a run says of its strategy.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Measure {
    /// One value for each term of the objective; else why there are none.
    pub(super) values: Result<Vec<f64>, String>,
    /// Tasks that completed.
    pub(super) completed: f64,
    /// Hash of the workload.
    pub(super) hash: String,
}

/// A run of a set of scenarios, whatever the strategy.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Case {
    pub(super) workload: Workload,
    /// Which of the groups: one a scenario, number of workers, load and combination of settings.
    pub(super) group: usize,
    /// What it is drawn from: cases of one draw are one observation.
    pub(super) draw: String,
    /// What it is called: `mixed-100 load=0.8 seed=3`.
    pub(super) name: String,
}

/// The scenarios of a tuning, and where runs on them are kept.
#[derive(Debug)]
pub(super) struct Bench<'a> {
    plan: Plan,
    dir: PathBuf,
    registry: &'a Registry,
    options: Options<'a>,
    metrics: Vec<usize>,
    completed: usize,
    pub(super) cases: Vec<Case>,
    /// Names of the groups.
    pub(super) groups: Vec<String>,
}

impl<'a> Bench<'a> {
    pub(super) fn new(
        mut plan: Plan,
        dir: PathBuf,
        objective: &Objective,
        registry: &'a Registry,
        options: Options<'a>,
    ) -> Self {
        let table = plan.table();
        let place = |key: &str| table.metric(key).unwrap_or(usize::MAX);
        let metrics = objective.terms.iter().map(|(key, _)| place(key)).collect();
        let completed = place("completed");
        let all = plan.strategies.clone();
        plan.renew(all[..1].to_vec(), registry, |_| true);
        let (mut cases, mut groups) = (Vec::new(), Vec::<String>::new());
        for cell in &plan.cells {
            let named: Vec<(String, String)> = table
                .factors
                .iter()
                .zip(plan.coordinates(cell))
                .filter_map(|(factor, level)| Some((factor.name.clone(), level?)))
                .collect();
            // The name of the scenario stands alone; loads of 1 and shakes of 0 go without saying.
            let said = |of_group: bool| {
                let words = named.iter().filter_map(|(name, level)| match name.as_str() {
                    "scenario" => Some(level.clone()),
                    "strategy" => None,
                    _ if name.starts_with("param.") => None,
                    "seed" | "shake" if of_group => None,
                    "load" if level == "1" => None,
                    "shake" if level == "0" => None,
                    _ => Some(format!("{name}={level}")),
                });
                words.collect::<Vec<_>>().join(" ")
            };
            let group = said(true);
            let group = groups.iter().position(|known| *known == group).unwrap_or_else(|| {
                groups.push(group);
                groups.len() - 1
            });
            let workload = plan.workloads[cell.workload];
            let draw = format!("{} of scenario {}", plan.draw(&workload), workload.scenario);
            cases.push(Case { workload, group, draw, name: said(false) });
        }
        Self { plan, dir, registry, options, metrics, completed, cases, groups }
    }

    /// What each case is drawn from, in words.
    pub(super) fn draws(&self) -> impl Iterator<Item = (String, &Case)> {
        self.cases.iter().map(|case| (self.plan.draw(&case.workload), case))
    }

    /// Runs strategies on cases (ascending): for each strategy what it measured by case. Results that are there already are taken.
    pub(super) fn run(
        &mut self,
        strategies: &[StrategySpec],
        cases: &[usize],
    ) -> Result<Vec<Vec<Measure>>, SweepError> {
        let wanted: std::collections::HashSet<usize> = cases.iter().copied().collect();
        self.plan.renew(strategies.to_vec(), self.registry, |case| wanted.contains(&case));
        let mut sweep = Sweep::open(&self.plan, &self.dir, None, false)?;
        if let Some(ended) = self.options.ended {
            ended.fetch_add(sweep.status().kept as u64, Ordering::Relaxed);
        }
        sweep.run(self.registry, &self.options)?;
        let mut measures = vec![Vec::new(); strategies.len()];
        for (number, cell) in self.plan.cells.iter().enumerate() {
            let skipped = self.plan.skipped(cell).map(|reason| Outcome::Skipped(reason.to_owned()));
            let outcome = skipped.or_else(|| Some(sweep.recorded(cell)?.outcome.clone()));
            measures[number % strategies.len()].push(self.measure(outcome));
        }
        Ok(measures)
    }

    /// The table of all cases under these strategies, which have all run; it is then in `results.csv`, too.
    pub(super) fn table(&mut self, strategies: &[StrategySpec]) -> Result<Option<Table>, SweepError> {
        self.plan.renew(strategies.to_vec(), self.registry, |_| true);
        Sweep::open(&self.plan, &self.dir, None, false)?.finish()
    }

    fn measure(&self, outcome: Option<Outcome>) -> Measure {
        let failed = |reason: String| Measure { values: Err(reason), completed: 0.0, hash: String::new() };
        match outcome {
            Some(Outcome::Ran(Measured { metrics, texts, .. })) => {
                let value =
                    |&place: &usize| metrics.get(place).copied().flatten().filter(|value| value.is_finite());
                let values: Option<Vec<f64>> = self.metrics.iter().map(value).collect();
                Measure {
                    values: values.ok_or_else(|| "no task ran to an end".to_owned()),
                    completed: value(&self.completed).unwrap_or(0.0),
                    hash: texts.last().cloned().unwrap_or_default(),
                }
            }
            Some(Outcome::Skipped(reason) | Outcome::Failed(reason)) => failed(reason),
            None => failed("did not run".to_owned()),
        }
    }
}
