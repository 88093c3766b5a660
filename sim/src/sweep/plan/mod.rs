//! The plan: a design with its scenarios checked, and its cells numbered.
//!
//! - `key`: what identifies a cell

mod key;
mod renew;
#[cfg(test)]
mod tests;

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use cloudai_schedulers::{Registry, StrategySpec};
use cloudai_workloads::openb::Trace;
use cloudai_workloads::{Load, Location, OnFull, Problems, Scenario, SettingError, Settings};

use super::design::{Design, Origin, ScenarioDesign};
use super::table::{Factor, FactorKind, Outcome, Table};
use crate::experiment::unsupported;

pub use key::{CellKey, NoKey};

/// The most cells of an experiment.
pub const MOST_CELLS: u64 = 1_000_000;

/// One run of the experiment: where it stands in the plan's lists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Cell {
    /// Identifies it.
    pub key: CellKey,
    /// Which of [`Plan::workloads`].
    pub workload: usize,
    /// Which of the combinations of settings of its scenario.
    pub settings: usize,
    /// Which of [`Plan::strategies`].
    pub strategy: usize,
    /// Its seed.
    pub seed: u64,
}

/// A workload that cells share.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Workload {
    /// Which of [`Plan::scenarios`].
    pub scenario: usize,
    /// Number of workers; `None`: as many as the scenario has.
    pub workers: Option<u32>,
    /// The load.
    pub load: Load,
    /// Which shaken copy; 0 is the workload as it is.
    pub shake: u32,
    /// The seed that it is drawn or shaken with, if it is.
    pub seed: Option<u64>,
}

/// A scenario of the plan, checked.
#[derive(Debug)]
pub struct PlannedScenario {
    /// As the file states it.
    pub design: ScenarioDesign,
    pub(super) base: Base,
    /// Every combination of the varied settings, by [`Cell::settings`]: the values in the order of the keys.
    pub(super) combinations: Vec<Vec<String>>,
    /// The scenario's own settings.
    pub(super) settings: Settings,
    gangs: bool,
}

/// What workloads of a scenario are made from.
#[derive(Debug)]
pub(super) enum Base {
    /// A folder, checked; `None` when no cell needs it any more.
    Checked { scenario: Mutex<Option<Arc<Scenario>>>, workers: u32, tasks: u64, hash: String },
    /// A generator.
    Preset,
    /// The trace.
    Openb(Box<Trace>),
}

/// An experiment with its scenarios checked and its cells numbered.
#[derive(Debug)]
#[non_exhaustive]
pub struct Plan {
    /// The experiment's name.
    pub name: String,
    /// What it is about; may be empty.
    pub about: String,
    /// Keys of the metrics that strategies are ranked by; may be empty.
    pub objectives: Vec<String>,
    /// The file.
    pub file: PathBuf,
    /// The strategies.
    pub strategies: Vec<StrategySpec>,
    /// Names of the parameters that some strategy states, in the order of the file.
    parameters: Vec<String>,
    /// The strategy that the others are compared with.
    pub baseline: Option<StrategySpec>,
    /// Memory that workloads and runs may take together, in MiB.
    pub memory_mib: Option<u64>,
    /// The scenarios, in the order of the file.
    pub scenarios: Vec<PlannedScenario>,
    /// The workloads, in the order of the cells; cells of one workload stand together.
    pub workloads: Vec<Workload>,
    /// The cells, in order: by scenario, workers, load, shake, seed, settings, strategy, the last changing fastest.
    pub cells: Vec<Cell>,
    /// By scenario, combination of settings and strategy: why such cells are skipped.
    skipped: Vec<Vec<Vec<Option<String>>>>,
}

impl Plan {
    /// Reads the file of an experiment, and the scenarios that it names.
    ///
    /// # Errors
    /// [`Problems`] with the file, or with a scenario.
    pub fn read(file: &Path, registry: &Registry) -> Result<Self, Problems> {
        Self::new(Design::read(file, registry)?, file, registry)
    }

    /// Checks the scenarios of a design and numbers its cells; `file` is where messages say that it comes from.
    ///
    /// # Errors
    /// [`Problems`] with a scenario, or if there are more than [`MOST_CELLS`] cells.
    pub fn new(design: Design, file: &Path, registry: &Registry) -> Result<Self, Problems> {
        let mut problems = Problems::default();
        let mut scenarios = Vec::new();
        for design in design.scenarios {
            match PlannedScenario::check(design, file) {
                Ok(scenario) => scenarios.push(scenario),
                Err(found) => problems.append(found),
            }
        }
        if problems.count() > 0 {
            return Err(problems);
        }
        let strategies = design.strategies;
        let mut plan = Self {
            name: design.name,
            about: design.about,
            objectives: design.objectives,
            file: file.to_path_buf(),
            baseline: design.baseline,
            memory_mib: design.memory_mib,
            skipped: scenarios
                .iter()
                .map(|scenario| scenario.unsupported_by(&strategies, registry))
                .collect(),
            parameters: parameters(&strategies),
            strategies,
            scenarios,
            workloads: Vec::new(),
            cells: Vec::new(),
        };
        let count: u64 = plan
            .scenarios
            .iter()
            .map(|scenario| scenario.cells(plan.strategies.len()))
            .fold(0, u64::saturating_add);
        if count > MOST_CELLS {
            return Err(Problems::file(file, format!("has {count} cells; expected at most {MOST_CELLS}")));
        }
        for scenario in 0..plan.scenarios.len() {
            plan.enumerate(scenario);
        }
        Ok(plan)
    }

    fn enumerate(&mut self, number: usize) {
        let scenario = &self.scenarios[number];
        let axes = &scenario.design.axes;
        let workers =
            axes.workers.as_ref().map_or(vec![None], |counts| counts.iter().copied().map(Some).collect());
        let seeds = axes.seeds.clone().unwrap_or_else(|| vec![scenario.settings.seed]);
        let settings: Vec<String> =
            (0..scenario.combinations.len()).map(|combination| scenario.key_of(combination)).collect();
        for workers in workers {
            for &load in &axes.loads {
                for &shake in &axes.shake {
                    for &seed in &seeds {
                        let own = (scenario.design.origin.is_drawn() || shake > 0).then_some(seed);
                        let workload = Workload { scenario: number, workers, load, shake, seed: own };
                        if self.workloads.last() != Some(&workload) {
                            self.workloads.push(workload);
                        }
                        let of_workload = scenario.key_of_workload(&workload);
                        for (combination, of_settings) in settings.iter().enumerate() {
                            for (strategy, spec) in self.strategies.iter().enumerate() {
                                let text = format!(
                                    "cloudai {} sweep 1\n{of_workload}seed {seed}\n{of_settings}strategy {spec}\n",
                                    env!("CARGO_PKG_VERSION")
                                );
                                let workload = self.workloads.len() - 1;
                                self.cells.push(Cell {
                                    key: CellKey::of(&text),
                                    workload,
                                    settings: combination,
                                    strategy,
                                    seed,
                                });
                            }
                        }
                    }
                }
            }
        }
    }

    /// Why a cell is skipped; `None` if it runs.
    #[must_use]
    pub fn skipped(&self, cell: &Cell) -> Option<&str> {
        let scenario = self.workloads[cell.workload].scenario;
        self.skipped[scenario][cell.settings][cell.strategy].as_deref()
    }

    /// The settings that a cell runs under.
    pub(super) fn settings(&self, cell: &Cell) -> Settings {
        let scenario = &self.scenarios[self.workloads[cell.workload].scenario];
        let mut settings = scenario.combined(cell.settings);
        settings.seed = cell.seed;
        settings
    }

    /// A table without rows, with the factors of this plan.
    #[must_use]
    pub fn table(&self) -> Table {
        let mut table = Table::new();
        let mut factor = |kind, name: &str| {
            table.factors.push(Factor { kind, name: name.to_owned(), levels: Vec::new() });
        };
        factor(FactorKind::Scenario, "scenario");
        factor(FactorKind::Workers, "workers");
        factor(FactorKind::Load, "load");
        factor(FactorKind::Shake, "shake");
        factor(FactorKind::Seed, "seed");
        for key in self.setting_keys() {
            factor(FactorKind::Setting, &format!("setting.{key}"));
        }
        factor(FactorKind::Strategy, "strategy");
        for name in &self.parameters {
            factor(FactorKind::Parameter, &format!("param.{name}"));
        }
        table
    }

    /// The coordinates of a cell, one for each factor of [`Plan::table`].
    #[must_use]
    pub fn coordinates(&self, cell: &Cell) -> Vec<Option<String>> {
        let workload = &self.workloads[cell.workload];
        let scenario = &self.scenarios[workload.scenario];
        let mut coordinates = vec![
            Some(scenario.design.name.clone()),
            Some(workload.workers.unwrap_or_else(|| scenario.workers()).to_string()),
            Some(workload.load.to_string()),
            Some(workload.shake.to_string()),
            Some(cell.seed.to_string()),
        ];
        let in_force = scenario.combined(cell.settings).in_force();
        for key in self.setting_keys() {
            let value = in_force.iter().find(|(known, _)| known == key);
            coordinates.push(value.map(|(_, value)| value.clone()));
        }
        let spec = &self.strategies[cell.strategy];
        coordinates.push(Some(spec.to_string()));
        for name in &self.parameters {
            let value = spec.params.iter().find(|(known, _)| known == name);
            coordinates.push(value.map(|(_, value)| value.clone()));
        }
        coordinates
    }

    /// The table of all cells, if every one of them has an outcome.
    pub(super) fn fill(&self, outcome: impl Fn(&Cell) -> Option<Outcome>) -> Option<Table> {
        let mut table = self.table();
        for cell in &self.cells {
            let skipped = self.skipped(cell).map(|reason| Outcome::Skipped(reason.to_owned()));
            let outcome = skipped.or_else(|| outcome(cell))?;
            table.push(&self.coordinates(cell), outcome);
        }
        Some(table)
    }

    /// Keys of the settings that some scenario varies or states, in the order of the file.
    fn setting_keys(&self) -> Vec<&str> {
        let stated = self.scenarios.iter().flat_map(|scenario| &scenario.design.axes.settings);
        once_each(stated.map(|(key, _)| key.as_str()))
    }
}

/// Names of the parameters that some strategy states, in the order of the file.
fn parameters(strategies: &[StrategySpec]) -> Vec<String> {
    let stated = strategies.iter().flat_map(|spec| &spec.params);
    once_each(stated.map(|(name, _)| name.as_str())).into_iter().map(str::to_owned).collect()
}

fn once_each<'a>(names: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    let mut seen = std::collections::HashSet::new();
    names.filter(|&name| seen.insert(name)).collect()
}

impl PlannedScenario {
    fn check(design: ScenarioDesign, file: &Path) -> Result<Self, Problems> {
        let (base, mut settings, gangs) = match &design.origin {
            Origin::Folder(folder) => {
                let scenario = Scenario::check(&Location::Folder(folder.clone()))?;
                let (settings, gangs) = (scenario.settings.clone(), scenario.needs.gangs);
                let base = Base::Checked {
                    workers: u32::try_from(scenario.workers.len()).unwrap_or(u32::MAX),
                    tasks: scenario.tasks,
                    hash: scenario.hash.clone(),
                    scenario: Mutex::new(Some(Arc::new(scenario))),
                };
                (base, settings, gangs)
            }
            Origin::Preset { .. } => (Base::Preset, Settings::default(), false),
            Origin::Openb { nodes, pods, target, .. } => {
                let mut settings = Settings::default();
                if target.is_some() {
                    settings.on_full = OnFull::Reject;
                }
                (Base::Openb(Box::new(Trace::read(nodes, pods)?)), settings, false)
            }
        };
        settings.name.clone_from(&design.name);
        let mut combinations = vec![Vec::new()];
        for (_, values) in &design.axes.settings {
            let with = |before: &Vec<String>, value: &String| before.iter().chain([value]).cloned().collect();
            combinations = combinations
                .iter()
                .flat_map(|before| values.iter().map(move |value| with(before, value)))
                .collect();
        }
        let scenario = Self { design, base, combinations, settings, gangs };
        scenario.check_settings().map_err(|error| Problems::file(file, error.to_string()))?;
        let mut keys = std::collections::HashSet::new();
        let count = scenario.combinations.len();
        if let Some(twice) = (0..count).find(|&combination| !keys.insert(scenario.key_of(combination))) {
            let values = scenario.combinations[twice].join(", ");
            let message =
                format!("settings {values}: another combination means the same; expected each value once");
            return Err(Problems::file(file, message));
        }
        Ok(scenario)
    }

    /// The design has checked each value; here a scenario's settings take them.
    fn check_settings(&self) -> Result<(), SettingError> {
        let mut trial = self.settings.clone();
        let keys = &self.design.axes.settings;
        keys.iter().try_for_each(|(key, values)| values.iter().try_for_each(|value| trial.set(key, value)))
    }

    /// The settings of a combination, before the seed.
    fn combined(&self, combination: usize) -> Settings {
        let mut settings = self.settings.clone();
        for ((key, _), value) in self.design.axes.settings.iter().zip(&self.combinations[combination]) {
            // `check_settings` has tried it.
            let _ = settings.set(key, value);
        }
        settings
    }

    /// Number of workers, where no cell says otherwise.
    fn workers(&self) -> u32 {
        match &self.base {
            Base::Checked { workers, .. } => *workers,
            Base::Preset => 0, // a preset always has a number of workers
            Base::Openb(trace) => u32::try_from(trace.nodes()).unwrap_or(u32::MAX),
        }
    }

    fn cells(&self, strategies: usize) -> u64 {
        let axes = &self.design.axes;
        let one = |count: Option<usize>| count.unwrap_or(1) as u64;
        let counts = [
            one(axes.workers.as_ref().map(Vec::len)),
            axes.loads.len() as u64,
            axes.shake.len() as u64,
            one(axes.seeds.as_ref().map(Vec::len)),
            self.combinations.len() as u64,
            strategies as u64,
        ];
        counts.into_iter().fold(1, u64::saturating_mul)
    }

    fn unsupported_by(&self, strategies: &[StrategySpec], registry: &Registry) -> Vec<Vec<Option<String>>> {
        let reason = |spec: &StrategySpec, settings: &Settings| {
            // The design has built each of them.
            let strategy = registry.build(spec).ok()?;
            unsupported(strategy.as_ref(), self.gangs, settings)
        };
        let all = (0..self.combinations.len()).map(|combination| self.combined(combination));
        all.map(|settings| strategies.iter().map(|spec| reason(spec, &settings)).collect()).collect()
    }

    /// What a workload is, as part of the text that a cell's key is the hash of.
    fn key_of_workload(&self, workload: &Workload) -> String {
        let mut text = String::new();
        let seed = |fixed: &Option<u64>| fixed.or(workload.seed).unwrap_or(0);
        let workers = match (&self.base, &self.design.origin) {
            (Base::Checked { hash, workers, .. }, _) => {
                let _ = writeln!(text, "files {hash}");
                workload.workers.filter(|count| count != workers)
            }
            (Base::Openb(trace), Origin::Openb { target, seed: fixed, .. }) => {
                let [nodes, pods] = trace.hashes();
                let _ = writeln!(text, "openb {nodes} {pods}");
                if let Some(target) = target {
                    let _ = writeln!(text, "inflate {target} {}", seed(fixed));
                }
                workload.workers.filter(|&count| count != self.workers())
            }
            (_, Origin::Preset { preset, tasks, seed: fixed }) => {
                let _ = writeln!(text, "preset {preset} {tasks} {}", seed(fixed));
                workload.workers
            }
            _ => workload.workers,
        };
        if let Some(workers) = workers {
            let _ = writeln!(text, "workers {workers}");
        }
        if workload.load != Load::ONE {
            let _ = writeln!(text, "load {}", workload.load);
        }
        if workload.shake > 0 {
            let (copy, width) = (workload.shake, self.design.axes.shake_width);
            let _ = writeln!(text, "shake {copy} {width} {}", workload.seed.unwrap_or(0));
        }
        text
    }

    /// The settings in force, as part of the text that a cell's key is the hash of.
    fn key_of(&self, combination: usize) -> String {
        let in_force = self.combined(combination).in_force();
        let counts =
            in_force.into_iter().filter(|(key, _)| !matches!(key.as_str(), "name" | "source" | "seed"));
        counts.fold(String::new(), |mut text, (key, value)| {
            let _ = writeln!(text, "{key} {value}");
            text
        })
    }

    /// Lets go of what was checked: no further cell needs it.
    pub(super) fn release(&self) {
        if let Base::Checked { scenario, .. } = &self.base {
            scenario.lock().unwrap_or_else(PoisonError::into_inner).take();
        }
    }
}
