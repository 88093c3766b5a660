//! One plan for many rounds of strategies, as a search needs it.

use cloudai_schedulers::{Registry, StrategySpec};

use super::{Base, Plan, PlannedScenario, Workload};
use crate::sweep::Origin;

impl Plan {
    /// The same scenarios with other strategies; of the cells those whose number among the cells of one strategy is wanted.
    pub(crate) fn renew(
        &mut self,
        strategies: Vec<StrategySpec>,
        registry: &Registry,
        is_wanted: impl Fn(usize) -> bool,
    ) {
        let unsupported = |scenario: &PlannedScenario| scenario.unsupported_by(&strategies, registry);
        self.skipped = self.scenarios.iter().map(unsupported).collect();
        self.strategies = strategies;
        self.workloads.clear();
        self.cells.clear();
        for scenario in 0..self.scenarios.len() {
            self.enumerate(scenario);
        }
        let (mut number, count) = (0, self.strategies.len());
        self.cells.retain(|_| {
            number += 1;
            is_wanted((number - 1) / count)
        });
    }

    /// What a workload is drawn from, in words: two of the same are the same tasks, perhaps at another load, shaken, or on other
    /// workers.
    pub(crate) fn draw(&self, workload: &Workload) -> String {
        let scenario = &self.scenarios[workload.scenario];
        let seed = |fixed: &Option<u64>| fixed.or(workload.seed).unwrap_or(0);
        match (&scenario.base, &scenario.design.origin) {
            (Base::Checked { hash, .. }, _) => format!("the files with hash {hash}"),
            (Base::Openb(trace), Origin::Openb { target: Some(_), seed: fixed, .. }) => {
                format!("tasks drawn from the pods {} by seed {}", trace.hashes()[1], seed(fixed))
            }
            (Base::Openb(trace), _) => format!("the pods {}", trace.hashes()[1]),
            (_, Origin::Preset { preset, seed: fixed, .. }) => {
                format!("preset {preset} with seed {}", seed(fixed))
            }
            _ => String::new(),
        }
    }
}
