//! What came out of a tuning, and whether it holds where nobody looked.

use cloudai_schedulers::StrategySpec;

use super::bench::{Case, Measure};
use super::objective::Objective;
use super::space::Space;
use crate::statistics::{Bootstrap, Paired, mean};
use crate::sweep::Table;

/// The significance level of the verdict.
pub const ALPHA: f64 = 0.05;

/// What came out of a tuning.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Tuned {
    /// The tuning's name.
    pub name: String,
    /// The strategy that did best on the training scenarios.
    pub spec: StrategySpec,
    /// The strategy with the default parameters, those held by the file aside.
    pub default: StrategySpec,
    /// The parameters that were tuned.
    pub space: Space,
    /// What was made small.
    pub objective: Objective,
    /// Seed of the search.
    pub seed: u64,
    /// Runs that the search was allowed.
    pub budget: u64,
    /// Runs that it took, those of the default parameters included.
    pub spent: u64,
    /// The candidates in the order in which they were drawn; the default is the first.
    pub candidates: Vec<Candidate>,
    /// On the training scenarios.
    pub training: Side,
    /// On the held-out ones.
    pub heldout: Side,
    /// The result against others on the held-out scenarios: the default first, then the baselines. Empty if nothing was found.
    pub against: Vec<Against>,
    /// The held-out runs.
    pub table: Table,
}

/// A candidate of the search.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Candidate {
    /// The strategy with its parameters.
    pub spec: StrategySpec,
    /// The iteration that drew it; 0 of the default.
    pub iteration: u32,
    /// Training runs that it had.
    pub runs: usize,
    /// Its mean score over them; `None` if one failed.
    pub score: Option<f64>,
    /// The mean score of the default over the same runs.
    pub default_score: f64,
    /// True if it ran on every training case, and failed on none.
    pub is_complete: bool,
    /// Why a run of it does not count.
    pub error: Option<String>,
}

/// One side of a tuning: the training scenarios, or the held-out ones.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Side {
    /// Runs of one strategy.
    pub runs: usize,
    /// Workloads of their own among them: what a test may count as observations.
    pub observations: usize,
    /// Mean score of the result; that of the default is 1. `None` if the result failed somewhere.
    pub score: Option<f64>,
    /// The scenarios, each at each load, number of workers and settings.
    pub groups: Vec<Group>,
}

/// A scenario at one load, with one number of workers, under one combination of settings.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Group {
    /// Its name, and what is varied.
    pub name: String,
    /// Runs of one strategy.
    pub runs: usize,
    /// Means of the default parameters, by term of the objective.
    pub default: Vec<f64>,
    /// Means of the result; `None` if it failed somewhere.
    pub tuned: Option<Vec<f64>>,
    /// Hashes of its workloads, each once.
    pub hashes: Vec<String>,
}

/// The result against another strategy, in pairs of held-out observations.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Against {
    /// The other one.
    pub spec: StrategySpec,
    /// Scores of the result and of the other: what the pairs say. Else why there are none.
    pub paired: Result<Paired, String>,
}

/// Whether a gain in training is one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Verdict {
    /// Nothing was better than the default in training: it is the result.
    Default,
    /// Better than the default on held-out scenarios, too, and significantly so.
    CarriesOver,
    /// Better on held-out scenarios, but not so that chance could be ruled out.
    NotShown,
    /// No better than the default on held-out scenarios: what was learned is of the training scenarios alone.
    Overfitted,
    /// The result failed on a held-out scenario.
    Failed,
}

impl Tuned {
    /// Whether what was gained in training is there on the held-out scenarios.
    #[must_use]
    pub fn verdict(&self) -> Verdict {
        if self.spec == self.default {
            return Verdict::Default;
        }
        match self.against.first().map(|against| &against.paired) {
            Some(Ok(paired)) if paired.difference >= 0.0 => Verdict::Overfitted,
            Some(Ok(paired)) if paired.p <= ALPHA => Verdict::CarriesOver,
            Some(Ok(_)) => Verdict::NotShown,
            _ => Verdict::Failed,
        }
    }

    /// Candidates that ran on every training case.
    #[must_use]
    pub fn complete(&self) -> usize {
        self.candidates.iter().filter(|candidate| candidate.is_complete).count()
    }
}

/// What the default parameters reach in each case: the scale that everything is measured on.
#[derive(Debug)]
pub(super) struct Reference<'a> {
    objective: &'a Objective,
    groups: &'a [String],
    cases: &'a [Case],
    measures: Vec<Measure>,
    /// By group: the means, by term.
    normals: Vec<Vec<f64>>,
}

impl<'a> Reference<'a> {
    /// # Errors
    /// In words, if there is no scale: the default failed, or is at 0.
    pub(super) fn new(
        objective: &'a Objective,
        groups: &'a [String],
        cases: &'a [Case],
        measures: Vec<Measure>,
    ) -> Result<Self, String> {
        for (case, measure) in cases.iter().zip(&measures) {
            if let Err(reason) = &measure.values {
                return Err(format!("the default parameters cannot be measured in {}: {reason}", case.name));
            }
        }
        let reference = Self { objective, groups, cases, measures, normals: Vec::new() };
        let normals = reference.means(&reference.measures).unwrap_or_default();
        for (name, means) in groups.iter().zip(&normals) {
            if let Some((key, _)) =
                objective.terms.iter().zip(means).find(|(_, mean)| **mean <= 0.0).map(|(term, _)| term)
            {
                return Err(format!(
                    "{key} is 0 in {name} with the default parameters; expected scenarios in which it could be lower"
                ));
            }
        }
        Ok(Self { normals, ..reference })
    }

    /// The score of a run, or why it does not count.
    pub(super) fn score(&self, case: usize, measure: &Measure) -> Result<f64, String> {
        let values = measure.values.as_ref().map_err(Clone::clone)?;
        let (completed, usual) = (measure.completed, self.measures[case].completed);
        if completed < usual {
            return Err(format!("completes {completed} tasks where the default parameters complete {usual}"));
        }
        Ok(self.objective.score(values, &self.normals[self.cases[case].group]))
    }

    /// The scores of the default.
    pub(super) fn scores(&self) -> Vec<f64> {
        let score = |(case, measure)| self.score(case, measure).unwrap_or(1.0);
        self.measures.iter().enumerate().map(score).collect()
    }

    fn all(&self, measures: &[Measure]) -> Result<Vec<f64>, String> {
        let score = |(case, measure)| {
            self.score(case, measure).map_err(|reason| format!("{}: {reason}", self.cases[case].name))
        };
        measures.iter().enumerate().map(score).collect()
    }

    /// Means by group and term; `None` if a run has no values.
    fn means(&self, measures: &[Measure]) -> Option<Vec<Vec<f64>>> {
        let terms = self.objective.terms.len();
        let of = |group: usize, term: usize| {
            let own = self.cases.iter().zip(measures).filter(|(case, _)| case.group == group);
            let values: Option<Vec<f64>> =
                own.map(|(_, measure)| measure.values.as_ref().ok().map(|values| values[term])).collect();
            mean(&values?)
        };
        (0..self.groups.len()).map(|group| (0..terms).map(|term| of(group, term)).collect()).collect()
    }

    /// What a result came to on this side.
    pub(super) fn side(&self, tuned: &[Measure]) -> Side {
        let means = self.means(tuned);
        let group = |(number, name): (usize, &String)| {
            let own: Vec<usize> =
                (0..self.cases.len()).filter(|&case| self.cases[case].group == number).collect();
            let mut hashes: Vec<String> = own.iter().map(|&case| self.measures[case].hash.clone()).collect();
            hashes.dedup();
            Group {
                name: name.clone(),
                runs: own.len(),
                default: self.normals[number].clone(),
                tuned: means.as_ref().map(|means| means[number].clone()),
                hashes,
            }
        };
        Side {
            runs: self.cases.len(),
            observations: self.observed(&self.scores()).len(),
            score: self.all(tuned).ok().and_then(|scores| mean(&scores)),
            groups: self.groups.iter().enumerate().map(group).collect(),
        }
    }

    /// The means of scores over what is no observation of its own, in the order of the cases.
    fn observed(&self, scores: &[f64]) -> Vec<f64> {
        let mut draws: Vec<(&str, Vec<f64>)> = Vec::new();
        for (case, &score) in self.cases.iter().zip(scores) {
            match draws.iter_mut().find(|(draw, _)| *draw == case.draw) {
                Some((_, scores)) => scores.push(score),
                None => draws.push((&case.draw, vec![score])),
            }
        }
        draws.iter().filter_map(|(_, scores)| mean(scores)).collect()
    }

    /// The result against another strategy.
    pub(super) fn against(&self, spec: &StrategySpec, tuned: &[Measure], other: &[Measure]) -> Against {
        let paired = || {
            let own = self.all(tuned).map_err(|reason| format!("the result fails: {reason}"))?;
            let other = self.all(other)?;
            let pairs: Vec<(f64, f64)> = self.observed(&own).into_iter().zip(self.observed(&other)).collect();
            Paired::new(&pairs, &Bootstrap::default()).ok_or_else(|| "there are no pairs".to_owned())
        };
        Against { spec: spec.clone(), paired: paired() }
    }
}
