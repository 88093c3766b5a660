//! Lower bounds on what any schedule without preemption can reach, each proved where it is computed.
//!
//! - `windows.rs`: heads and tails: the longest path
//! - `shares.rs`: shares of workers, rounded by dual feasible functions
//! - `area.rs`: weighted areas and exclusion, for the makespan
//! - `flow.rs`: mean busy times, for sums of ends and waits; `prices.rs`: prices over time, for the same
//!
//! All are computed in integers. They are at least as strong as [`crate::bounds::Bounds`], whose bounds they contain, but
//! for preemption: those hold for preemptive schedules, too.

mod area;
mod flow;
mod prices;
mod shares;
mod windows;

use serde::{Deserialize, Serialize};

use super::Objective;
use super::decode::Start;
use super::model::Model;

pub(super) use windows::Windows;

/// Which argument gave the strongest bound.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Proof {
    /// A task after its arrival and along its dependencies, by itself.
    LongestPath,
    /// Work over capacity in one dimension, perhaps rounded by a dual feasible function.
    Area,
    /// The same, with a weight for each worker and dimension.
    WeightedArea,
    /// Tasks of which no two fit on one worker.
    Exclusion,
    /// The shorter end that was assumed leaves some task without a worker, or its area without room.
    Contradiction,
    /// Mean busy times, or shortest remaining time, on the weighted area as one machine.
    MeanBusyTime,
    /// Prices for each worker, dimension and time, under which every task by itself chooses its start.
    Prices,
    /// Every schedule of a part of the tasks was looked at, or ruled out.
    Part,
    /// Every schedule was looked at, or ruled out.
    Exhaustion,
}

impl Proof {
    /// In words.
    #[must_use]
    pub const fn about(self) -> &'static str {
        match self {
            Self::LongestPath => "each task by itself, after its arrival and along its dependencies",
            Self::Area => "work over capacity in one dimension",
            Self::WeightedArea => "work over capacity, with a weight for each worker and dimension",
            Self::Exclusion => "tasks of which no two fit on one worker",
            Self::Contradiction => {
                "a shorter makespan would close workers to tasks and leave too little room"
            }
            Self::MeanBusyTime => {
                "mean busy times, or shortest remaining time, on the cluster as one machine"
            }
            Self::Prices => "each task by itself, under prices for workers and dimensions over time",
            Self::Part => "every schedule of a part of the tasks was looked at or ruled out",
            Self::Exhaustion => "every schedule was looked at or ruled out",
        }
    }
}

/// The strongest bound on the objective, given a known schedule and what it reaches: a makespan, or a sum over all jobs, in
/// microseconds.
pub(super) fn lower_bound(
    model: &Model,
    objective: Objective,
    windows: &mut Windows,
    known: u128,
) -> (u128, Proof) {
    match objective {
        Objective::Makespan => {
            let known = u64::try_from(known).unwrap_or(u64::MAX).saturating_add(model.first_arrival);
            let (end, proof) = area::sharpened(model, windows, known);
            (u128::from(end - model.first_arrival), proof)
        }
        Objective::MeanWait | Objective::MeanTurnaround => flow::bound(model, objective, windows),
    }
}

/// A bound on a sum that takes longer: prices, on a grid of instants from a good schedule.
pub(super) fn by_prices(
    model: &Model,
    objective: Objective,
    windows: &Windows,
    plan: &[Start],
    known: u128,
) -> (u128, Proof) {
    (prices::bound(model, objective, windows, plan, known), Proof::Prices)
}
