//! `heft`: heterogeneous earliest finish time.

use super::online::{ListScheduler, REPLAN};
use super::plan::Guide;
use super::problem::Problem;
use super::rank;
use crate::{Kind, Params, StrategyInfo};

/// `heft` in the registry.
pub const INFO: StrategyInfo = StrategyInfo {
    name: "heft",
    aliases: &[],
    about: "plans task graphs: longest way to the end first, where it ends earliest, gaps are filled",
    kind: Kind::Other,
    source: "HEFT (Topcuoglu, Hariri, Wu 2002, IEEE TPDS 13(3)), insertion-based",
    complexity: "a plan of N tasks with E edges: O(N log N + E + N W) searches of a worker's timeline",
    params: &[REPLAN],
    build: |params: &Params| Box::new(ListScheduler::new(guide, params.count(REPLAN.name))),
};

/// The highest upward rank first; each where it finishes earliest.
fn guide(problem: &Problem<'_>) -> Guide {
    Guide { priority: rank::upward(problem), ..Guide::default() }
}
