//! What the table of a sweep says, and how sure it is.
//!
//! ```text
//!            ┌─ summary        mean, spread and interval of each metric
//!  Table ─▶ cells ─ differences    each strategy against the baseline, in pairs
//! (sweep)    ├─ ranking        who is best, who can be told apart
//!            ├─ sensitivity    a metric against a factor that varies
//!            └─ shaking        what is left of a difference on shaken copies
//! ```
//!
//! **What counts as one observation.** Runs that share a workload are not independent: the same seed at five loads, or
//! ten shaken copies of one trace, say less than as many workloads of their own. So an observation is an *instance*,
//! one scenario with one seed. Whatever else a sweep varies (load, workers, settings, copies) is averaged within it
//! first, over the cells that all strategies compared have in common. And where some strategy has the same metrics under
//! each seed of a scenario (a trace, no randomness), its workload is one, and so are its seeds wherever strategies are compared. What follows from few instances is said, and not papered over: see [`LEAST_VALUES`](crate::statistics::LEAST_VALUES).
//!
//! [`statistics`](crate::statistics) has the methods, `docs/sweep.md` their definitions.

mod cells;
mod differences;
mod sensitivity;
mod shaking;
mod summary;

use rayon::prelude::*;

use crate::statistics::{Bootstrap, Ranking};
use crate::sweep::Table;
use cells::Cells;
pub use cells::Condition;
pub use differences::Difference;
pub use sensitivity::{Line, Point, Sensitivity};
pub use shaking::ShakenDifference;
pub use summary::{Estimate, Summary};

/// A metric that strategies are ranked by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Objective {
    /// Its key in `metrics.json`.
    pub metric: String,
    /// Whether lower values are better.
    pub lower_is_better: bool,
}

/// What to ask of a table.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Options {
    /// The metrics to rank by, the main one first.
    pub objectives: Vec<Objective>,
    /// The spec that the others are compared with; `None`, or one that is not in the table: no comparison.
    pub baseline: Option<String>,
    /// Significance level; default 0.05.
    pub alpha: f64,
    /// How intervals are made; 95% of 5,000 resamples by default.
    pub bootstrap: Bootstrap,
}

impl Options {
    /// Ranks by `objectives` and compares with `baseline`.
    #[must_use]
    pub fn new(objectives: Vec<Objective>, baseline: Option<String>) -> Self {
        Self { objectives, baseline, alpha: 0.05, bootstrap: Bootstrap::default() }
    }
}

/// The ranking by one objective, and all that belongs to it.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Findings {
    /// The objective.
    pub objective: Objective,
    /// Strategies that are ranked, as indices into [`Analysis::strategies`]: those with a value anywhere. The indices in
    /// [`Findings::ranking`] are places in this list.
    pub ranked: Vec<usize>,
    /// Their ranking over the instances in which each of them has a value.
    pub ranking: Ranking,
    /// Instances left out of the ranking, because one of the strategies has no value there.
    pub incomplete: usize,
    /// Cases (a condition with a seed) that the ranking is over, those in which each ranked strategy has a value, and cases
    /// in all.
    pub cases: (usize, usize),
    /// By strategy, in the order of [`Analysis::strategies`]: its mean over the cells of the ranking; if there are none,
    /// over all that it has. `None` without any value.
    pub overall: Vec<Option<Estimate>>,
    /// How the metric goes with each numeric factor that varies.
    pub sensitivity: Vec<Sensitivity>,
    /// Differences on shaken copies; empty without copies.
    pub shaking: Vec<ShakenDifference>,
}

/// What a table says.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Analysis {
    /// Specs of the strategies, in the order of the table.
    pub strategies: Vec<String>,
    /// The baseline, as an index into them.
    pub baseline: Option<usize>,
    /// Names of the factors that make up a condition: `scenario`, `workers`, `load`, `setting.KEY`, ...
    pub condition_factors: Vec<String>,
    /// The conditions, in the order of the table.
    pub conditions: Vec<Condition>,
    /// Instances: scenarios times seeds.
    pub instances: usize,
    /// Shaken copies, at most, of an instance; 0 without.
    pub copies: usize,
    /// The significance level.
    pub alpha: f64,
    /// How intervals were made.
    pub bootstrap: Bootstrap,
    /// Mean and spread of every metric of every strategy in every condition.
    pub summaries: Vec<Summary>,
    /// Every metric of every strategy against the baseline, over all conditions; those of the objectives in each condition,
    /// too.
    pub differences: Vec<Difference>,
    /// The findings, one an objective.
    pub findings: Vec<Findings>,
    /// Cells that did not run, and how many in all.
    pub cells_without_result: (usize, usize),
}

impl Analysis {
    /// Analyses `table`. Objectives that are no metrics of the table are left out.
    #[must_use]
    pub fn new(table: &Table, options: &Options) -> Self {
        let cells = Cells::new(table);
        let baseline =
            options.baseline.as_ref().and_then(|spec| cells.strategies.iter().position(|s| s == spec));
        let objectives: Vec<(usize, &Objective)> = options
            .objectives
            .iter()
            .filter_map(|objective| Some((table.metric(&objective.metric)?, objective)))
            .collect();
        let findings = objectives
            .par_iter()
            .map(|&(metric, objective)| findings(&cells, metric, objective, baseline, options))
            .collect();
        let keys: Vec<usize> = objectives.iter().map(|(metric, _)| *metric).collect();
        Self {
            summaries: summary::all(&cells, &options.bootstrap),
            differences: baseline
                .map_or_else(Vec::new, |base| differences::all(&cells, base, &keys, &options.bootstrap)),
            findings,
            baseline,
            condition_factors: cells.condition_factor_names(),
            instances: cells.instances(),
            copies: cells.copies(),
            alpha: options.alpha,
            bootstrap: options.bootstrap,
            cells_without_result: (
                table.rows.iter().filter(|row| row.measured().is_none()).count(),
                table.rows.len(),
            ),
            conditions: cells.conditions,
            strategies: cells.strategies,
        }
    }

    /// The overall difference of a strategy from the baseline in a metric.
    #[must_use]
    pub fn overall_difference(&self, strategy: usize, metric: &str) -> Option<&Difference> {
        self.differences
            .iter()
            .find(|d| d.strategy == strategy && d.condition.is_none() && d.metric == metric)
    }
}

fn findings(
    cells: &Cells<'_>,
    metric: usize,
    objective: &Objective,
    baseline: Option<usize>,
    options: &Options,
) -> Findings {
    let everywhere: Vec<usize> = (0..cells.conditions.len()).collect();
    let all: Vec<usize> = (0..cells.strategies.len()).collect();
    let overall = summary::side_by_side(cells, &all, &everywhere, metric, &options.bootstrap);
    let ranked: Vec<usize> = (0..overall.len()).filter(|&strategy| overall[strategy].is_some()).collect();
    let blocks = cells.blocks(&ranked, &everywhere, metric);
    let seed = options.bootstrap.seed;
    Findings {
        objective: objective.clone(),
        ranking: Ranking::new(&blocks.rows, objective.lower_is_better, options.alpha, seed),
        ranked,
        incomplete: blocks.incomplete,
        cases: blocks.cases,
        overall,
        sensitivity: sensitivity::all(cells, metric, &options.bootstrap),
        shaking: baseline.map_or_else(Vec::new, |base| shaking::all(cells, base, metric)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sweep::{Factor, FactorKind, Measured, Outcome};

    /// A table of mean waits: (scenario, load, shake, seed, strategy) and the value, `None` for a cell that failed.
    fn table(cells: &[([&str; 5], Option<f64>)]) -> Table {
        let factor = |kind, name: &str| Factor { kind, name: name.to_owned(), levels: Vec::new() };
        let mut table = Table::new();
        table.factors = vec![
            factor(FactorKind::Scenario, "scenario"),
            factor(FactorKind::Load, "load"),
            factor(FactorKind::Shake, "shake"),
            factor(FactorKind::Seed, "seed"),
            factor(FactorKind::Strategy, "strategy"),
        ];
        let metric = table.metric("mean_wait_s").unwrap();
        for (levels, value) in cells {
            let outcome = value.map_or(Outcome::Failed("no".to_owned()), |value| {
                let mut measured =
                    Measured { metrics: vec![None; table.metrics.len()], ..Measured::default() };
                measured.metrics[metric] = Some(value);
                Outcome::Ran(measured)
            });
            table.push(&levels.map(|level| Some(level.to_owned())), outcome);
        }
        table
    }

    fn analysed(table: &Table) -> Analysis {
        let objective = Objective { metric: "mean_wait_s".to_owned(), lower_is_better: true };
        Analysis::new(table, &Options::new(vec![objective], Some("fcfs".to_owned())))
    }

    const SEEDS: [&str; 6] = ["1", "2", "3", "4", "5", "6"];

    /// fcfs waits 10 and 20 at loads 1 and 2, plus the seed; `ai` 1 and 3 less.
    fn cells() -> Vec<([&'static str; 5], Option<f64>)> {
        let mut cells = Vec::new();
        for (index, seed) in SEEDS.into_iter().enumerate() {
            for (load, fcfs, gain) in [("1", 10.0, 1.0), ("2", 20.0, 3.0)] {
                let fcfs = fcfs + index as f64;
                cells.push((["s", load, "0", seed, "fcfs"], Some(fcfs)));
                cells.push((["s", load, "0", seed, "ai"], Some(fcfs - gain)));
            }
        }
        cells
    }

    #[test]
    fn loads_of_one_seed_are_one_observation() {
        let analysis = analysed(&table(&cells()));
        let overall = analysis.overall_difference(1, "mean_wait_s").unwrap();
        assert_eq!((overall.paired.n, overall.paired.difference, overall.paired.baseline), (6, -2.0, 17.5));
        assert_eq!((overall.paired.lower, overall.adjusted_p), (6, 2.0 / 64.0));
        let at_load_2 = analysis.differences.iter().find(|d| d.condition == Some(1)).unwrap();
        assert_eq!((at_load_2.paired.n, at_load_2.paired.difference), (6, -3.0));
        let findings = &analysis.findings[0];
        assert_eq!((findings.ranking.blocks, &findings.ranking.mean_ranks[..]), (6, &[2.0, 1.0][..]));
        assert_eq!(findings.ranking.letters, ["b", "a"]);
        let load = &findings.sensitivity[0];
        assert_eq!((load.factor.as_str(), load.lines.len()), ("load", 2));
        let means: Vec<(f64, f64)> = load.lines[1].points.iter().map(|p| (p.x, p.estimate.mean)).collect();
        assert_eq!(means, [(1.0, 11.5), (2.0, 19.5)]);
        assert!(findings.shaking.is_empty());
    }

    #[test]
    fn seeds_that_change_nothing_are_one_instance() {
        let same: Vec<_> = cells()
            .into_iter()
            .map(|(levels, _)| (levels, Some(if levels[4] == "ai" { 5.0 } else { 7.0 })))
            .collect();
        let analysis = analysed(&table(&same));
        let overall = analysis.overall_difference(1, "mean_wait_s").unwrap();
        assert_eq!((overall.paired.n, overall.paired.p), (1, 1.0));
        assert_eq!(analysis.findings[0].ranking.blocks, 1);
        assert!(analysis.findings[0].ranking.letters.is_empty());
        assert_eq!(analysis.instances, 6);
    }

    #[test]
    fn a_strategy_that_draws_does_not_make_many_workloads_of_one() {
        let mut cells: Vec<_> = cells()
            .into_iter()
            .map(|(levels, _)| (levels, Some(if levels[4] == "ai" { 5.0 } else { 7.0 })))
            .collect();
        for (luck, seed) in SEEDS.into_iter().enumerate() {
            for load in ["1", "2"] {
                cells.push((["s", load, "0", seed, "random"], Some(luck as f64)));
            }
        }
        let analysis = analysed(&table(&cells));
        let ranking = &analysis.findings[0].ranking;
        assert_eq!((ranking.blocks, ranking.letters.len()), (1, 0));
        let random = analysis.overall_difference(2, "mean_wait_s").unwrap();
        assert_eq!((random.paired.n, random.paired.difference), (1, 2.5 - 7.0));
        // Its own spread is another matter.
        let own = analysis.summaries.iter().find(|summary| summary.strategy == 2).unwrap();
        assert_eq!(own.estimate.n, 6);
    }

    #[test]
    fn pairs_are_formed_from_what_both_have() {
        let mut cells = cells();
        // The baseline fails at load 2 of seed 1, ai at both loads of seed 2.
        cells[2].1 = None;
        cells[5].1 = None;
        cells[7].1 = None;
        let analysis = analysed(&table(&cells));
        let overall = analysis.overall_difference(1, "mean_wait_s").unwrap();
        assert_eq!((overall.paired.n, overall.incomplete), (5, 1));
        // Seed 1 has load 1 alone: -1; four seeds have -2.
        assert!((overall.paired.difference + 9.0 / 5.0).abs() < 1e-12);
        let findings = &analysis.findings[0];
        assert_eq!((findings.incomplete, findings.cases), (1, (9, 12)));
        // Side by side stand the means of the nine cells that both have.
        let (fcfs, ai) = (findings.overall[0].unwrap().mean, findings.overall[1].unwrap().mean);
        assert!((ai - fcfs + 9.0 / 5.0).abs() < 1e-12);
        assert_eq!(analysis.cells_without_result, (3, 24));
        // The metric that nobody has is nowhere.
        assert!(analysis.summaries.iter().all(|summary| summary.metric == "mean_wait_s"));
    }

    #[test]
    fn copies_are_averaged_and_show_what_a_difference_is_worth() {
        let mut cells = Vec::new();
        for (copy, fcfs, ai) in [("0", 7.0, 2.0), ("1", 11.0, 13.0), ("2", 11.0, 12.0), ("3", 11.0, 9.0)] {
            cells.push((["s", "1", copy, "1", "fcfs"], Some(fcfs)));
            cells.push((["s", "1", copy, "1", "ai"], Some(ai)));
        }
        let analysis = analysed(&table(&cells));
        assert_eq!((analysis.copies, analysis.instances), (3, 1));
        let findings = &analysis.findings[0];
        assert_eq!((findings.overall[1].unwrap().n, findings.overall[1].unwrap().mean), (1, 9.0));
        let shaken = &findings.shaking[0];
        assert_eq!((shaken.seed.as_str(), shaken.strategy), ("1", 1));
        assert_eq!((shaken.shaken.original, shaken.shaken.kept, shaken.shaken.copies), (Some(-5.0), 1, 3));
        assert_eq!((shaken.baseline, shaken.baseline_original), (11.0, Some(7.0)));
    }

    #[test]
    fn without_a_baseline_there_is_a_ranking_and_nothing_to_compare() {
        let objective = |metric: &str| Objective { metric: metric.to_owned(), lower_is_better: true };
        let objectives = vec![objective("mean_wait_s"), objective("no_such_metric")];
        let analysis = Analysis::new(&table(&cells()), &Options::new(objectives, Some("gone".to_owned())));
        assert_eq!((analysis.baseline, analysis.differences.len(), analysis.findings.len()), (None, 0, 1));
        assert_eq!(analysis.findings[0].ranking.order, [1, 0]);
        let empty = analysed(&Table::new());
        assert_eq!((empty.strategies.len(), empty.findings[0].ranking.blocks), (0, 0));
    }
}
