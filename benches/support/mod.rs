//! What the benchmarks share: scenarios generated into a temporary folder.

use cloudai_schedulers::{Registry, StrategySpec};
use cloudai_sim::Hooks;
use cloudai_sim::observers::metrics::MetricsObserver;
use cloudai_sim::result::Metrics;
use cloudai_workloads::generate::{Preset, generate};
use cloudai_workloads::{Location, Scenario};
use tempfile::TempDir;

/// A generated scenario, and the folder that it lives in.
pub(crate) struct Workload {
    pub(crate) scenario: Scenario,
    _folder: Option<TempDir>,
}

impl Workload {
    pub(crate) fn generate(preset: Preset, tasks: u64, workers: u64, seed: u64) -> Self {
        let folder = TempDir::new().expect("a temporary folder");
        let place = folder.path().join("scenario");
        let generated = generate(preset, tasks, workers, seed).expect("a valid size");
        generated.write(&place).expect("the folder is writable");
        let scenario = Scenario::check(&Location::Folder(place)).expect("a generated scenario is in order");
        Self { scenario, _folder: Some(folder) }
    }

    /// A scenario that needs no folder.
    #[allow(dead_code, reason = "not every benchmark makes its own")]
    pub(crate) const fn of(scenario: Scenario) -> Self {
        Self { scenario, _folder: None }
    }

    /// Runs a strategy with all metrics on, reading the tasks from their file.
    pub(crate) fn run(&self, registry: &Registry, spec: &str) -> Metrics {
        let parsed: StrategySpec = spec.parse().expect("a valid spec");
        let mut strategy = registry.build(&parsed).expect("a known strategy");
        let settings = &self.scenario.settings;
        let mut metrics = MetricsObserver::new(&self.scenario, settings);
        cloudai_sim::run(&self.scenario, settings, spec, strategy.as_mut(), &mut metrics, Hooks::default())
            .expect("the run ends");
        metrics.metrics(spec)
    }
}
