//! A comparison: several strategies on one scenario, in parallel.

use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::time::Instant;

use cloudai_schedulers::{Kind, Registry, Scheduler, StrategySpec};
use cloudai_workloads::{Estimates, OnFull, Problems, Scenario, Settings};
use rayon::prelude::*;

use crate::bounds::Bounds;
use crate::engine::{self, Hooks, RunStats};
use crate::error::SimError;
use crate::observers::assignments::{Assignments, AssignmentsFormat};
use crate::observers::gantt::Gantt;
use crate::observers::gpu_curve::GpuCurve;
use crate::observers::metrics::MetricsObserver;
use crate::observers::timeline::TimelineObserver;
use crate::oracle::{self, Solution};
use crate::result::{Comparison, Metrics, Skipped, StrategyKind, StrategyResult, Timing};
use crate::workflows::{WorkflowObserver, Workflows};

/// What to compare, and how.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Experiment<'a> {
    /// The scenario.
    pub scenario: &'a Scenario,
    /// The settings in force: the scenario's own, with whatever overrides them.
    pub settings: &'a Settings,
    /// Where strategies come from.
    pub registry: &'a Registry,
    /// Strategies to run, in the order of the report.
    pub strategies: &'a [StrategySpec],
    /// The spec that the others are compared with, if it is among them.
    pub baseline: Option<&'a StrategySpec>,
    /// Looks for the shortest makespan with these options, before anything runs. `None` does not. A scenario that the oracle
    /// does not schedule is compared without it, and the comparison says why.
    pub oracle: Option<oracle::Options<'a>>,
    /// What bounds the scenario under these settings, if that is known ([`Bounds::while_checking`]); else it is read once more
    /// for that.
    pub bounds: Option<Bounds>,
    /// Where `<strategy>/assignments.csv` go; the folder exists. `None` writes none.
    pub out: Option<&'a Path>,
    /// How assignments are written there.
    pub assignments: AssignmentsFormat,
    /// Ends all runs when it becomes true.
    pub stop: Option<&'a AtomicBool>,
    /// Counts ended tasks over all runs.
    pub ended: Option<&'a AtomicU64>,
}

impl<'a> Experiment<'a> {
    /// An experiment without baseline, files and progress.
    #[must_use]
    pub const fn new(
        scenario: &'a Scenario,
        settings: &'a Settings,
        registry: &'a Registry,
        strategies: &'a [StrategySpec],
    ) -> Self {
        Self {
            scenario,
            settings,
            registry,
            strategies,
            baseline: None,
            oracle: None,
            bounds: None,
            out: None,
            assignments: AssignmentsFormat::Csv,
            stop: None,
            ended: None,
        }
    }

    /// The bounds of the scenario.
    pub(crate) fn bounds(&self) -> Result<Bounds, Problems> {
        self.bounds.map_or_else(|| Bounds::of(self.scenario, self.settings), Ok)
    }

    /// Those of the strategies that do not support the scenario, which [`compare`] skips.
    ///
    /// # Errors
    /// A strategy cannot be made of its spec.
    pub fn unsupported(&self) -> Result<Vec<Skipped>, SimError> {
        let mut all = Vec::new();
        for spec in self.strategies {
            let strategy = self.registry.build(spec)?;
            let reason = unsupported(strategy.as_ref(), self.scenario.needs.gangs, self.settings);
            all.extend(reason.map(|reason| Skipped { spec: spec.to_string(), reason }));
        }
        Ok(all)
    }
}

/// The outcome of an experiment: what goes into the report, and what it took.
#[derive(Clone, Debug, Default)]
pub struct Run {
    /// Everything that a report shows; a function of the inputs and the seed alone.
    pub comparison: Comparison,
    /// Wall-clock measurements, one a strategy that ran.
    pub timings: Vec<Timing>,
}

/// Runs every strategy of the experiment on its scenario, in parallel, each on one thread.
///
/// A strategy that does not support the scenario is skipped, with the reason.
///
/// # Errors
/// The first error of any run, in the order of the strategies.
pub fn compare(experiment: &Experiment<'_>) -> Result<Run, SimError> {
    let (mut runnable, mut skipped) = (Vec::new(), Vec::new());
    for spec in experiment.strategies {
        let strategy = experiment.registry.build(spec)?;
        match unsupported(strategy.as_ref(), experiment.scenario.needs.gangs, experiment.settings) {
            Some(reason) => skipped.push(Skipped { spec: spec.to_string(), reason }),
            None => runnable.push((spec, strategy)),
        }
    }
    let bounds = experiment.bounds()?;
    let look =
        |options: &oracle::Options<'_>| oracle::solve(experiment.scenario, experiment.settings, options);
    let solution = match experiment.oracle.as_ref().map(look).transpose() {
        Err(SimError::Oracle { reason }) => {
            skipped.push(Skipped { spec: "oracle".to_owned(), reason });
            None
        }
        solution => solution?,
    };
    let workflows = Workflows::of(experiment.scenario, experiment.settings)?;
    let outcomes: Vec<Result<(StrategyResult, Timing), SimError>> = runnable
        .into_par_iter()
        .map(|(spec, strategy)| {
            let kind = match experiment.registry.get(&spec.name)?.kind {
                Kind::Immediate => StrategyKind::Immediate,
                Kind::Queue => StrategyKind::Queue,
                Kind::Other => StrategyKind::Other,
            };
            run_one(experiment, spec, kind, strategy, bounds, &workflows)
        })
        .collect();
    let (mut strategies, timings): (Vec<_>, Vec<_>) =
        outcomes.into_iter().collect::<Result<Vec<_>, _>>()?.into_iter().unzip();
    if let Some(solution) = &solution {
        hold_against(solution, &mut strategies);
    }
    let scenario = experiment.scenario;
    let ran = |spec: &&StrategySpec| {
        strategies.iter().any(|result: &StrategyResult| result.spec == spec.to_string())
    };
    let comparison = Comparison {
        scenario: experiment.settings.name.clone(),
        source: Some(experiment.settings.source.clone()).filter(|source| !source.is_empty()),
        tasks: scenario.tasks,
        workers: scenario.workers.iter().map(|worker| worker.name.clone()).collect(),
        settings: experiment.settings.in_force(),
        foreknowledge: foreknowledge(experiment),
        baseline: experiment.baseline.filter(ran).map(ToString::to_string),
        strategies,
        skipped,
    };
    Ok(Run { comparison, timings })
}

/// Says how far every strategy is from the shortest makespan known, which may be one of theirs.
fn hold_against(solution: &Solution, strategies: &mut [StrategyResult]) {
    let whole = strategies.iter().filter(|result| result.metrics.gap_to_bound.is_some());
    let shortest = whole.filter_map(|result| result.metrics.makespan_s).fold(solution.best_s(), f64::min);
    for StrategyResult { metrics, .. } in strategies {
        metrics.best_known_s = Some(shortest);
        metrics.best_known_bound_s = Some(solution.bound_s());
        let makespan = metrics.makespan_s.filter(|_| metrics.gap_to_bound.is_some() && shortest > 0.0);
        metrics.gap_to_best_known = makespan.map(|makespan| makespan / shortest);
    }
}

/// What the scenario needs and the strategy lacks.
pub(crate) fn unsupported(strategy: &dyn Scheduler, gangs: bool, settings: &Settings) -> Option<String> {
    let supports = strategy.supports();
    if gangs && !supports.gangs {
        return Some("the scenario has gangs (replicas > 1), which the strategy does not place".to_owned());
    }
    if settings.on_full == OnFull::Reject && supports.preemption {
        let reason = "the scenario rejects what does not start at once (on_full = reject), and the strategy makes room by \
                      stopping tasks, which is over only after the pass";
        return Some(reason.to_owned());
    }
    None
}

/// What strategies know beforehand, in words.
fn foreknowledge(experiment: &Experiment<'_>) -> String {
    let estimates = match experiment.settings.estimates {
        Estimates::Column => {
            "users' estimates where the file has them, predictions from earlier runs elsewhere"
        }
        Estimates::Exact => "CLAIRVOYANT: every estimate is the true run time",
        Estimates::None => "no estimates, only predictions from earlier runs",
        _ => "estimates that are the true run times with noise",
    };
    let uses_profile = |spec: &StrategySpec| {
        experiment.registry.build(spec).is_ok_and(|strategy| strategy.supports().profile)
    };
    let with: Vec<String> =
        experiment.strategies.iter().filter(|spec| uses_profile(spec)).map(ToString::to_string).collect();
    if with.is_empty() {
        estimates.to_owned()
    } else {
        format!("{estimates}; the workload profile: {}", with.join(", "))
    }
}

pub(crate) fn run_one(
    experiment: &Experiment<'_>,
    spec: &StrategySpec,
    kind: StrategyKind,
    mut strategy: Box<dyn Scheduler>,
    bounds: Bounds,
    workflows: &Workflows,
) -> Result<(StrategyResult, Timing), SimError> {
    let (scenario, settings) = (experiment.scenario, experiment.settings);
    let (name, folder) = (spec.to_string(), spec.folder());
    let assignments = match experiment.out {
        Some(out) => {
            let place = out.join(&folder);
            std::fs::create_dir_all(&place)
                .map_err(|source| SimError::Write { path: place.clone(), source })?;
            Assignments::create_in(&place, experiment.assignments, &scenario.workers)?
        }
        None => None,
    };
    let pictures = (TimelineObserver::new(&scenario.workers, scenario.first_arrival), Gantt::default());
    let numbers = (MetricsObserver::new(scenario, settings), GpuCurve::of(scenario, settings));
    let summary = (numbers, WorkflowObserver::new(workflows));
    let mut observer = ((summary, assignments), pictures);
    let hooks = Hooks { stop: experiment.stop, ended: experiment.ended, time_passes: true };
    let start = Instant::now();
    let stats = engine::run(scenario, settings, &name, strategy.as_mut(), &mut observer, hooks)?;
    let timing = timing(&name, start.elapsed().as_secs_f64(), &stats);
    let ((((metrics, gpu_curve), flows), _), (timeline, gantt)) = observer;
    let summary = summarise(&name, scenario, &metrics, &flows, bounds);
    let result = StrategyResult {
        spec: name,
        folder,
        kind,
        wait_cdf: metrics.wait_cdf(),
        metrics: summary,
        timeline: timeline.into_timeline(),
        gantt: gantt.into_bars(),
        gpu_curve: gpu_curve.map(GpuCurve::into_points).unwrap_or_default(),
    };
    Ok((result, timing))
}

/// The metrics of a run, bounds and ratios to them included.
pub(crate) fn summarise(
    name: &str,
    scenario: &Scenario,
    metrics: &MetricsObserver<'_>,
    flows: &WorkflowObserver<'_>,
    bounds: Bounds,
) -> Metrics {
    let mut summary = metrics.metrics(name);
    summary.scenario_hash.clone_from(&scenario.hash);
    summary.lower_bound_s = Some(bounds.makespan.seconds());
    summary.mean_turnaround_bound_s = Some(bounds.mean_turnaround_s);
    if metrics.ran_everything() {
        flows.complete(&mut summary);
    }
    if metrics.ran_everything() && bounds.makespan.micros() > 0 {
        summary.gap_to_bound = summary.makespan_s.map(|makespan| makespan / bounds.makespan.seconds());
    }
    summary
}

#[expect(clippy::cast_precision_loss, reason = "wall-clock figures")]
fn timing(strategy: &str, wall_s: f64, stats: &RunStats) -> Timing {
    Timing {
        strategy: strategy.to_owned(),
        wall_s,
        tasks_per_s: stats.tasks as f64 / wall_s.max(1e-9),
        passes: stats.passes,
        mean_pass_us: stats.pass_ns.mean() / 1e3,
        p99_pass_us: stats.pass_ns.value_at_percentile(99.0) as f64 / 1e3,
    }
}
