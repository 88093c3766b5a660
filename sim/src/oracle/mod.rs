//! The oracle: the best schedule that can be found for a small scenario, and a proof of how good any can be.
//!
//! It is offline and clairvoyant: it knows every arrival and every true run time beforehand, which no strategy does. Its
//! schedules are without preemption. What it finds says how far a strategy is from what was possible; what it proves says how
//! far from optimal it can be itself.
//!
//! ```text
//!   Scenario ──▶ Model ──▶ search ─────────▶ branch and bound ──▶ Solution ──▶ engine (replay)
//!                   └────▶ bounds ───┴──────────────┘              best, bound, plan
//! ```
//!
//! - `model.rs`: the scenario in dense integers
//! - `timeline.rs`: what is free on a worker over time; `decode.rs`: from an order of jobs to a schedule
//! - `search.rs`: priority rules, then local search over orders, several chains in parallel
//! - `bounds/`: lower bounds, each with its proof
//! - `branch_and_bound.rs`: all schedules of small cases; `parts.rs`: of parts of large ones, for a bound
//! - `replay.rs`: the engine runs what was planned, so that it is checked and measured like any strategy's schedule
//!
//! It needs no solver from outside. The dual of the relaxation that bounds the makespan is a problem in few weights; those that
//! are found in floating point are rounded, and prove a bound in exact integers, which a solver's answer would not.
//!
//! The same scenario, settings, options and seed give the same solution on any number of threads, unless a time limit cuts
//! the search short.

mod bounds;
mod branch_and_bound;
mod decode;
mod model;
mod parts;
mod replay;
mod search;
mod timeline;

use std::fmt;
use std::str::FromStr;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use cloudai_schedulers::{DeviceSet, StrategySpec, Time};
use cloudai_workloads::{Scenario, Settings};
use serde::{Deserialize, Serialize};

use crate::bounds::Bounds;
use crate::error::SimError;
use crate::experiment::{Experiment, run_one};
use crate::result::{StrategyKind, StrategyResult};
use crate::workflows::Workflows;

pub use bounds::Proof;
use bounds::Windows;
use decode::Start;
use model::Model;
use replay::Replay;
use search::{Found, Limits};

/// The most tasks that a scenario may have.
pub const MOST_TASKS: usize = 2000;

/// Cases with more tasks than this are not searched exhaustively.
const MOST_EXHAUSTIVE: usize = 24;

/// What to minimise.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Objective {
    /// The last end minus the first arrival.
    #[default]
    Makespan,
    /// The mean of start minus eligible.
    MeanWait,
    /// The mean of end minus arrival.
    MeanTurnaround,
}

impl Objective {
    /// All, by name.
    pub const ALL: [Self; 3] = [Self::Makespan, Self::MeanWait, Self::MeanTurnaround];

    /// Its name on the command line and in files.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Makespan => "makespan",
            Self::MeanWait => "mean_wait",
            Self::MeanTurnaround => "mean_turnaround",
        }
    }
}

impl fmt::Display for Objective {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Objective {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let found = Self::ALL.into_iter().find(|objective| objective.as_str() == text);
        found.ok_or_else(|| "expected makespan, mean_wait or mean_turnaround".to_owned())
    }
}

/// How long to look, and for what.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Options<'a> {
    /// What to minimise; default the makespan.
    pub objective: Objective,
    /// Schedules that the local search builds; default 100,000.
    pub schedules: u64,
    /// Nodes that branch and bound visits; default 2,000,000.
    pub nodes: u64,
    /// Seed of the local search; default 0.
    pub seed: u64,
    /// Ends the search after this wall time. What is found then depends on the machine; default none.
    pub time_limit: Option<Duration>,
    /// Ends the search when it becomes true; default none.
    pub stop: Option<&'a AtomicBool>,
}

impl Default for Options<'_> {
    fn default() -> Self {
        Self {
            objective: Objective::Makespan,
            schedules: 100_000,
            nodes: 2_000_000,
            seed: 0,
            time_limit: None,
            stop: None,
        }
    }
}

/// Where and when a task is assigned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Assignment {
    /// Index of the task.
    pub task: u32,
    /// Index of the worker.
    pub worker: u32,
    /// GPU devices.
    pub devices: DeviceSet,
    /// When it takes its resources; it starts after the start-up latency.
    pub at: Time,
    /// When it gives them back.
    pub end: Time,
}

/// What the oracle found and proved. Values of a mean are sums over all tasks in microseconds.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Solution {
    /// What was minimised.
    pub objective: Objective,
    /// Tasks in the scenario.
    pub tasks: u64,
    /// The best value found: the makespan, or the sum of waits or turnarounds.
    pub best: u128,
    /// No schedule without preemption has a smaller value.
    pub bound: u128,
    /// Why.
    pub proof: Proof,
    /// Schedules that the local search built.
    pub schedules: u64,
    /// Nodes that branch and bound visited.
    pub nodes: u64,
    /// False if a time limit was set: another run may find something else.
    pub reproducible: bool,
    /// The schedule, in the order of assignments.
    pub plan: Vec<Assignment>,
}

impl Solution {
    /// The best value found, in seconds.
    #[must_use]
    pub fn best_s(&self) -> f64 {
        self.seconds(self.best)
    }

    /// The bound, in seconds.
    #[must_use]
    pub fn bound_s(&self) -> f64 {
        self.seconds(self.bound)
    }

    /// True if the best that was found is proved to be optimal.
    #[must_use]
    pub const fn is_optimal(&self) -> bool {
        self.best == self.bound
    }

    /// Best over bound, at least 1; `None` if the bound is 0 and the best is not.
    #[must_use]
    pub fn gap(&self) -> Option<f64> {
        if self.is_optimal() {
            return Some(1.0);
        }
        (self.bound > 0).then(|| self.best_s() / self.bound_s())
    }

    #[expect(clippy::cast_precision_loss, reason = "the last step of an exact sum")]
    fn seconds(&self, value: u128) -> f64 {
        let count = if self.objective == Objective::Makespan { 1 } else { self.tasks.max(1) };
        value as f64 / count as f64 / 1e6
    }
}

/// Looks for the best schedule of a scenario, and for a proof of how good any schedule can be.
///
/// # Errors
/// [`SimError::Oracle`] if the scenario is not one for it: gangs, `on_full = "reject"`, more than [`MOST_TASKS`] tasks, or a
/// task that cannot complete anywhere or takes no time. [`SimError::Interrupted`] if somebody asked it to stop.
pub fn solve(scenario: &Scenario, settings: &Settings, options: &Options<'_>) -> Result<Solution, SimError> {
    let model = Model::of(scenario, settings, MOST_TASKS)?;
    let mut windows = Windows::new(&model);
    let until = options.time_limit.and_then(|limit| Instant::now().checked_add(limit));
    let mut limits = Limits { schedules: options.schedules / 8, bound: 0, until, stop: options.stop };
    let objective = options.objective;
    let nothing = SimError::Oracle { reason: "the scenario has no tasks; expected at least one".to_owned() };
    // A short search first: its bound may end the long one early, or spare it.
    let mut found = search::search(&model, objective, &windows, options.seed, &limits).ok_or(nothing)?;
    let (mut bound, mut proof, mut nodes) = prove(&model, &mut windows, options, &found, &limits, 0);
    (limits.schedules, limits.bound) = (options.schedules.saturating_sub(found.schedules), bound);
    if found.cost.0 > bound
        && let Some(mut longer) = search::search(&model, objective, &windows, options.seed, &limits)
    {
        longer.schedules += found.schedules;
        found =
            if longer.cost < found.cost { longer } else { Found { schedules: longer.schedules, ..found } };
    }
    if found.cost.0 > bound {
        let again = match objective {
            Objective::Makespan => prove(&model, &mut windows, options, &found, &limits, nodes),
            _ => {
                let (bound, proof) =
                    bounds::by_prices(&model, objective, &windows, &found.plan, found.cost.0);
                (bound, proof, nodes)
            }
        };
        nodes = again.2;
        if again.0 > bound {
            (bound, proof) = (again.0, again.1);
        }
    }
    // Waits of tasks with predecessors may fall if those end later: then the tree does not hold every schedule that matters.
    let regular = objective != Objective::MeanWait || !model.has_dependencies();
    if found.cost.0 > bound && regular && model.jobs.len() <= MOST_EXHAUSTIVE {
        limits.bound = bound;
        let all: Vec<usize> = (0..model.jobs.len()).collect();
        let left = options.nodes.saturating_sub(nodes);
        let explored =
            branch_and_bound::explore(&model, objective, &windows, &all, found.cost.0, left, &limits);
        nodes += explored.nodes;
        if let Some((cost, plan)) = explored.better {
            (found.cost.0, found.plan) = (cost, plan);
        }
        if explored.complete && found.cost.0 > bound {
            (bound, proof) = (found.cost.0, Proof::Exhaustion);
        }
    }
    if options.stop.is_some_and(|stop| stop.load(std::sync::atomic::Ordering::Relaxed)) {
        return Err(SimError::Interrupted);
    }
    Ok(Solution {
        objective,
        tasks: scenario.tasks,
        best: found.cost.0,
        bound,
        proof,
        schedules: found.schedules,
        nodes,
        reproducible: options.time_limit.is_none(),
        plan: plan(&found.plan),
    })
}

/// A bound on the objective, why, and the nodes that were visited by then. Parts of the jobs take at most half of all nodes,
/// those before included.
fn prove(
    model: &Model,
    windows: &mut Windows,
    options: &Options<'_>,
    found: &Found,
    limits: &Limits<'_>,
    nodes: u64,
) -> (u128, Proof, u64) {
    let known = found.cost.0;
    let (bound, proof) = bounds::lower_bound(model, options.objective, windows, known);
    if options.objective != Objective::Makespan || bound >= known {
        return (bound, proof, nodes);
    }
    let limits = Limits { bound, ..*limits };
    let parted = parts::bound(model, windows, known, (options.nodes / 2).saturating_sub(nodes), &limits);
    let proof = if parted.bound > bound { Proof::Part } else { proof };
    (parted.bound, proof, nodes + parted.nodes)
}

/// In the order of time.
fn plan(starts: &[Start]) -> Vec<Assignment> {
    let index = |index: usize| u32::try_from(index).unwrap_or(u32::MAX);
    let mut plan: Vec<Assignment> = starts
        .iter()
        .map(|start| Assignment {
            task: index(start.job),
            worker: index(start.worker),
            devices: start.devices,
            at: Time::from_micros(start.at),
            end: Time::from_micros(start.end),
        })
        .collect();
    plan.sort_by_key(|planned| planned.at);
    plan
}

/// Runs a solution's schedule in the engine, which checks and measures it, as the strategy `oracle`.
///
/// # Errors
/// As a run of any strategy; [`SimError::OracleDisagrees`] if what is measured is not what was planned: a bug.
pub fn replay(experiment: &Experiment<'_>, solution: &Solution) -> Result<StrategyResult, SimError> {
    let spec = StrategySpec { name: "oracle".to_owned(), params: Vec::new() };
    let bounds = Bounds::of(experiment.scenario, experiment.settings)?;
    let workflows = Workflows::of(experiment.scenario, experiment.settings)?;
    let strategy = Box::new(Replay::new(solution.plan.clone()));
    let (result, _) = run_one(experiment, &spec, StrategyKind::Other, strategy, bounds, &workflows)?;
    let metrics = &result.metrics;
    let measured = match solution.objective {
        Objective::Makespan => metrics.makespan_s,
        Objective::MeanWait => metrics.mean_wait_s,
        Objective::MeanTurnaround => metrics.mean_turnaround_s,
    };
    let planned = solution.best_s();
    match measured {
        Some(measured) if (measured - planned).abs() <= 1e-9 * planned.max(1.0) => Ok(result),
        _ => Err(SimError::OracleDisagrees { planned, measured }),
    }
}
