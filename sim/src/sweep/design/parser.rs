//! Reads a design, or the parts of it that a tuning has, too, from a document: what each key means.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use cloudai_schedulers::{Registry, StrategySpec};
use cloudai_workloads::generate::Preset;
use cloudai_workloads::{SettingError, Settings};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::reader::{Entry, Reader, Scalar};
use super::{Axes, Design, Origin, ScenarioDesign};
use crate::sweep::MOST_CELLS;
use crate::sweep::table::Table;

/// The most a workload may be inflated to, as a multiple of the capacity.
const MOST_TARGET: f64 = 100.0;

/// Keys at the top of the file.
const KEYS: &str = "name, about, objectives, baseline, memory_mb, workers, loads, shake, shake_width_s, seeds, settings, strategies, scenarios";
/// Settings that a sweep does not vary.
const FIXED: [&str; 3] = ["name", "source", "seed"];
/// Keys that vary something.
const AXES: &str = "workers, loads, shake, shake_width_s, seeds, settings";

/// Reads what the files of experiments and of tunings have in common.
pub(crate) struct Parser<'r, 'a> {
    pub(crate) reader: &'r mut Reader<'a>,
    pub(crate) file: &'r Path,
    pub(crate) registry: &'r Registry,
}

impl Parser<'_, '_> {
    pub(super) fn design(&mut self, document: &Spanned<DeTable<'_>>) -> Design {
        let name = self.file.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
        let (strategies, scenarios) = (Vec::new(), Vec::new());
        let (about, objectives) = (String::new(), Vec::new());
        let mut design =
            Design { name, about, objectives, baseline: None, memory_mib: None, strategies, scenarios };
        let (mut axes, mut baseline, mut scenarios) = (Axes::default(), None, None);
        for entry in Reader::entries(document.get_ref()) {
            let Entry { key, value, at } = entry;
            match key {
                "name" => {
                    if let Some(name) = self.reader.string(key, value, "a text") {
                        design.name = name.text;
                    }
                }
                "about" => {
                    if let Some(about) = self.reader.string(key, value, "a text") {
                        design.about = about.text;
                    }
                }
                "objectives" => design.objectives = self.objectives(key, value),
                "baseline" => baseline = self.reader.string(key, value, "the spec of one of the strategies"),
                "memory_mb" => {
                    let expected = "a whole number of MiB, 1 or more";
                    let memory = self.reader.parsed::<u32>(key, value, expected);
                    if memory == Some(0) {
                        self.reader.unexpected(key, value, expected);
                    }
                    design.memory_mib = memory.map(u64::from);
                }
                "strategies" => self.strategies(key, value, &mut design.strategies),
                "scenarios" => scenarios = Some(value),
                _ if self.axis(entry, &mut axes) => {}
                _ => self.reader.wrong_key(at, key, format!("unknown; expected {KEYS}")),
            }
        }
        match scenarios {
            Some(value) => self.scenarios("scenarios", value, &axes, &mut design.scenarios),
            None => self.reader.wrong_key(0, "scenarios", "is missing; expected at least one [[scenarios]]"),
        }
        if design.strategies.is_empty() && self.reader.count() == 0 {
            self.reader.wrong_key(0, "strategies", "is missing; expected at least one strategy");
        }
        design.baseline = baseline.and_then(|spec| self.baseline(&spec, &design.strategies));
        design
    }

    fn objectives(&mut self, key: &str, value: &Spanned<DeValue<'_>>) -> Vec<String> {
        let known = Table::new();
        let mut objectives = Vec::new();
        for objective in self.reader.list(key, value, "keys of metrics, such as [\"mean_wait_s\"]") {
            if known.metric(&objective.text).is_some() {
                objectives.push(objective.text);
            } else {
                let message = format!("is no metric; expected some of {}", known.metrics.join(", "));
                self.reader.wrong(key, &objective, message);
            }
        }
        objectives
    }

    fn baseline(&mut self, spec: &Scalar, strategies: &[StrategySpec]) -> Option<StrategySpec> {
        let found = strategies.iter().find(|known| known.to_string() == spec.text).cloned();
        if found.is_none() && !strategies.is_empty() {
            let known: Vec<String> = strategies.iter().map(ToString::to_string).collect();
            let message = format!("is not among the strategies; expected one of {}", known.join(", "));
            self.reader.wrong("baseline", spec, message);
        }
        found
    }

    /// Takes in a key that varies something; false if it is not one.
    pub(crate) fn axis(&mut self, entry: Entry<'_, '_>, axes: &mut Axes) -> bool {
        let Entry { key, value, .. } = entry;
        match key {
            "workers" => {
                let counts = self.numbers(
                    key,
                    value,
                    "whole numbers from 1 to 1000000, a list or a range such as \"1..=8\"",
                );
                if let Some(&bad) = counts.iter().find(|&&count| count == 0 || count > 1_000_000) {
                    self.reader.unexpected(
                        key,
                        value,
                        &format!("whole numbers from 1 to 1000000, not {bad}"),
                    );
                }
                axes.workers = Some(counts);
            }
            "loads" => {
                let before = self.reader.count();
                axes.loads =
                    self.numbers(key, value, "numbers from 0.000001 to 4294 with at most six decimals");
                let mut seen = HashSet::new();
                let twice = axes.loads.iter().find(|&&load| !seen.insert(load));
                // The same text twice is told already; here are left those that only mean the same.
                if let Some(twice) = twice.filter(|_| self.reader.count() == before) {
                    let scalar = Scalar { text: twice.to_string(), at: value.span().start };
                    self.reader.wrong(key, &scalar, "stands there twice; expected each value once");
                }
            }
            "shake" => axes.shake = self.shake(value),
            "shake_width_s" => {
                let mut settings = Settings::default();
                let scalar = self.reader.scalar(key, value, "seconds, 0 or more");
                if let Some(scalar) = scalar {
                    // A setting in seconds is read by the same rule.
                    match settings.set("mtbf_s", &scalar.text) {
                        Ok(()) => axes.shake_width = settings.mtbf,
                        Err(SettingError::BadValue { expected, .. }) => {
                            self.reader.wrong(key, &scalar, &expected);
                        }
                        Err(_) => self.reader.wrong(key, &scalar, "expected seconds, 0 or more"),
                    }
                }
            }
            "seeds" => {
                let expected =
                    "whole numbers from 0 to 2^64 - 1, a list or a range such as \"0..10\" (0 to 9)";
                axes.seeds = Some(self.numbers(key, value, expected));
            }
            "settings" => self.settings(value, &mut axes.settings),
            _ => return false,
        }
        true
    }

    fn numbers<T: std::str::FromStr>(
        &mut self,
        key: &str,
        value: &Spanned<DeValue<'_>>,
        expected: &str,
    ) -> Vec<T> {
        let scalars = self.reader.list(key, value, expected);
        scalars.iter().filter_map(|scalar| self.reader.parse_scalar(key, scalar, expected)).collect()
    }

    /// `shake = N` stands for the workload as it is and N shaken copies; a list names the copies.
    fn shake(&mut self, value: &Spanned<DeValue<'_>>) -> Vec<u32> {
        let expected =
            "a number of shaken copies up to 100000, or a list of their numbers, 0 for the workload as it is";
        if let DeValue::Integer(_) = value.get_ref() {
            let copies = self.reader.parsed::<u32>("shake", value, expected);
            if copies.is_some_and(|copies| copies > 100_000) {
                self.reader.unexpected("shake", value, expected);
            }
            return (0..=copies.unwrap_or(0).min(100_000)).collect();
        }
        self.numbers("shake", value, expected)
    }

    fn settings(&mut self, value: &Spanned<DeValue<'_>>, settings: &mut Vec<(String, Vec<String>)>) {
        for entry in self.reader.table("settings", value, "a table of settings") {
            let key = format!("settings.{}", entry.key);
            if matches!(entry.key, "name" | "source") {
                self.reader.wrong_key(entry.at, &key, "cannot be varied; expected a name in [[scenarios]]");
                continue;
            }
            if entry.key == "seed" {
                self.reader.wrong_key(entry.at, &key, "cannot be varied; expected seeds = [...]");
                continue;
            }
            if !Settings::KEYS.contains(&entry.key) {
                let known: Vec<&str> =
                    Settings::KEYS.into_iter().filter(|known| !FIXED.contains(known)).collect();
                self.reader.wrong_key(entry.at, &key, format!("unknown; expected {}", known.join(", ")));
                continue;
            }
            let values = self.reader.list(&key, entry.value, "a value, or a list of values");
            let mut shown = Vec::new();
            for value in values {
                let mut trial = Settings::default();
                match trial.set(entry.key, &value.text) {
                    Ok(()) => shown.push(value.text),
                    Err(cloudai_workloads::SettingError::BadValue { expected, .. }) => {
                        self.reader.wrong(&key, &value, expected);
                    }
                    Err(error) => self.reader.wrong(&key, &value, error.to_string()),
                }
            }
            settings.retain(|(known, _)| known != entry.key);
            settings.push((entry.key.to_owned(), shown));
        }
    }

    /// The strategies of a list called `key`.
    pub(crate) fn strategies(
        &mut self,
        key: &str,
        value: &Spanned<DeValue<'_>>,
        strategies: &mut Vec<StrategySpec>,
    ) {
        const EXPECTED: &str = "a list of specs, or [[strategies]] with a spec, or with a name and params";
        let DeValue::Array(array) = value.get_ref() else {
            self.reader.unexpected(key, value, EXPECTED);
            return;
        };
        // There may be a million.
        let mut seen: HashSet<StrategySpec> = strategies.iter().cloned().collect();
        for value in array {
            let (at, specs) = match value.get_ref() {
                DeValue::String(_) => (value.span().start, self.spec(key, value).into_iter().collect()),
                DeValue::Table(table) => (value.span().start, self.strategy(table, value.span().start)),
                _ => {
                    self.reader.unexpected(key, value, EXPECTED);
                    continue;
                }
            };
            for spec in specs {
                let scalar = Scalar { text: spec.to_string(), at };
                if seen.contains(&spec) {
                    self.reader.wrong(key, &scalar, "stands there twice; expected each strategy once");
                } else if let Err(error) = self.registry.build(&spec) {
                    self.reader.wrong(key, &scalar, error.to_string());
                    break; // one fault of a list of values is enough
                } else {
                    seen.insert(spec.clone());
                    strategies.push(spec);
                }
            }
        }
    }

    pub(crate) fn spec(&mut self, key: &str, value: &Spanned<DeValue<'_>>) -> Option<StrategySpec> {
        let scalar = self.reader.string(key, value, "a spec such as \"fcfs\" or \"ai(window=64)\"")?;
        match scalar.text.parse() {
            Ok(spec) => Some(spec),
            Err(error) => {
                self.reader.wrong(key, &scalar, format!("{error}"));
                None
            }
        }
    }

    /// `spec`, or `name`, either with `params`: every combination of their values.
    fn strategy(&mut self, table: &DeTable<'_>, at: usize) -> Vec<StrategySpec> {
        let (mut base, mut params) = (None, Vec::new());
        for Entry { key, value, at } in Reader::entries(table) {
            match key {
                "spec" | "name" if base.is_some() => {
                    self.reader.wrong_key(at, key, "expected either a name or a spec, not both");
                }
                "spec" | "name" => base = self.spec(key, value),
                "params" => {
                    for entry in self.reader.table("params", value, "a table of parameters") {
                        let name = format!("params.{}", entry.key);
                        let values =
                            self.reader.list(&name, entry.value, "a value, a list of values, or a range");
                        params.push((entry.key.to_owned(), values));
                    }
                }
                _ => self.reader.wrong_key(at, key, "unknown; expected spec, name, params"),
            }
        }
        let Some(base) = base else {
            if self.reader.count() == 0 {
                self.reader.wrong_key(
                    at,
                    "strategies",
                    "has no name; expected spec = \"...\" or name = \"...\"",
                );
            }
            return Vec::new();
        };
        let mut specs = vec![base];
        for (name, values) in params {
            if specs.iter().any(|spec| spec.params.iter().any(|(known, _)| *known == name)) {
                self.reader.wrong_key(
                    at,
                    &format!("params.{name}"),
                    "is in the spec, too; expected it in one place",
                );
                continue;
            }
            let count = (specs.len() as u64).saturating_mul(values.len() as u64);
            if count > MOST_CELLS {
                let message = format!("makes {count} combinations; expected at most {MOST_CELLS}");
                self.reader.wrong_key(at, &format!("params.{name}"), message);
                return Vec::new();
            }
            let with = |spec: &StrategySpec, value: &Scalar| {
                let mut spec = spec.clone();
                spec.params.push((name.clone(), value.text.clone()));
                spec
            };
            specs = specs.iter().flat_map(|spec| values.iter().map(|value| with(spec, value))).collect();
        }
        specs
    }

    /// The scenarios of `[[list]]`.
    pub(crate) fn scenarios(
        &mut self,
        list: &str,
        value: &Spanned<DeValue<'_>>,
        axes: &Axes,
        scenarios: &mut Vec<ScenarioDesign>,
    ) {
        let expected = format!("[[{list}]], each with a folder, a preset, or openb");
        let tables = match value.get_ref() {
            DeValue::Array(array) if !array.is_empty() => array.iter().collect(),
            _ => {
                self.reader.unexpected(list, value, &expected);
                Vec::new()
            }
        };
        for value in tables {
            let DeValue::Table(table) = value.get_ref() else {
                self.reader.unexpected(list, value, &expected);
                continue;
            };
            let at = value.span().start;
            let Some(scenario) = self.scenario(list, table, axes.clone(), at) else { continue };
            if scenarios.iter().any(|known: &ScenarioDesign| known.name == scenario.name) {
                let name = Scalar { text: scenario.name, at };
                self.reader.wrong(
                    list,
                    &name,
                    "is the name of another scenario; expected a name = \"...\" of its own",
                );
            } else {
                scenarios.push(scenario);
            }
        }
    }

    fn scenario(
        &mut self,
        list: &str,
        table: &DeTable<'_>,
        mut axes: Axes,
        at: usize,
    ) -> Option<ScenarioDesign> {
        let before = self.reader.count();
        let (mut fields, mut folder) = (Fields::default(), None);
        for entry in Reader::entries(table) {
            let Entry { key, value, at } = entry;
            match key {
                "name" => fields.name = self.reader.string(key, value, "a text").map(|name| name.text),
                "folder" => {
                    let path = self.reader.string(key, value, "the path of a scenario");
                    fields.folder = path.as_ref().map(|path| self.path(&path.text));
                    folder = path;
                }
                "preset" => {
                    let name = self.reader.string(key, value, "the name of a preset");
                    fields.preset = name.and_then(|name| match name.text.parse::<Preset>() {
                        Ok(preset) => Some(preset),
                        Err(error) => {
                            self.reader.wrong(key, &name, error.to_string());
                            None
                        }
                    });
                }
                "tasks" => {
                    let expected = "a whole number from 1 to 4294967294";
                    let tasks = self.reader.parsed::<u32>(key, value, expected);
                    if tasks.is_some_and(|tasks| tasks == 0 || tasks == u32::MAX) {
                        self.reader.unexpected(key, value, expected);
                    }
                    fields.tasks = tasks;
                }
                "seed" => fields.seed = self.reader.parsed(key, value, "a whole number from 0 to 2^64 - 1"),
                "openb" => fields.openb = self.openb(value),
                _ if self.axis(entry, &mut axes) => {}
                _ => {
                    let message =
                        format!("unknown; expected name, folder, preset, tasks, seed, openb, {AXES}");
                    self.reader.wrong_key(at, key, message);
                }
            }
        }
        let is_sound = self.reader.count() == before;
        if let Some(folder) = folder.filter(|folder| !self.path(&folder.text).is_dir()) {
            let message = "is not a folder; expected a scenario: a folder with tasks.csv and workers.csv";
            self.reader.wrong("folder", &folder, message);
        }
        if !is_sound {
            return None;
        }
        let origin = fields.origin(&axes).map_err(|message| self.reader.wrong_key(at, list, message)).ok()?;
        let name = fields.name.unwrap_or_else(|| origin.default_name());
        Some(ScenarioDesign { name, origin, axes })
    }

    fn path(&self, path: &str) -> PathBuf {
        self.file.parent().unwrap_or_else(|| Path::new("")).join(path)
    }

    fn openb(&mut self, value: &Spanned<DeValue<'_>>) -> Option<(PathBuf, PathBuf, Option<f64>)> {
        const EXPECTED: &str = "a table { nodes = \"FILE\", pods = \"FILE\" }, perhaps with target";
        let before = self.reader.count();
        let (mut nodes, mut pods, mut target) = (None, None, None);
        for Entry { key, value, at } in self.reader.table("openb", value, EXPECTED) {
            match key {
                "nodes" => nodes = self.reader.string(key, value, "the path of the list of nodes"),
                "pods" => pods = self.reader.string(key, value, "the path of the list of pods"),
                "target" => {
                    let expected = "a number above 0 and at most 100, such as 1.3";
                    target = self.reader.parsed::<f64>(key, value, expected);
                    if target.is_some_and(|target| !(target > 0.0 && target <= MOST_TARGET)) {
                        self.reader.unexpected(key, value, expected);
                    }
                }
                _ => self.reader.wrong_key(at, key, "unknown; expected nodes, pods, target"),
            }
        }
        if let (Some(nodes), Some(pods)) = (nodes, pods) {
            return Some((self.path(&nodes.text), self.path(&pods.text), target));
        }
        if self.reader.count() == before {
            self.reader.unexpected("openb", value, EXPECTED);
        }
        None
    }
}

/// What a scenario states about its origin.
#[derive(Debug, Default)]
struct Fields {
    name: Option<String>,
    folder: Option<PathBuf>,
    preset: Option<Preset>,
    tasks: Option<u32>,
    seed: Option<u64>,
    openb: Option<(PathBuf, PathBuf, Option<f64>)>,
}

impl Fields {
    fn origin(&mut self, axes: &Axes) -> Result<Origin, String> {
        let stated = [
            ("folder", self.folder.is_some()),
            ("preset", self.preset.is_some()),
            ("openb", self.openb.is_some()),
        ];
        let stated: Vec<&str> =
            stated.into_iter().filter_map(|(key, is_stated)| is_stated.then_some(key)).collect();
        let (seed, tasks) = (self.seed, self.tasks);
        match (self.folder.take(), self.preset, self.openb.take()) {
            (Some(folder), None, None) if seed.is_none() && tasks.is_none() => Ok(Origin::Folder(folder)),
            (Some(_), None, None) => {
                Err("tasks and seed are of generated scenarios; expected only a folder".to_owned())
            }
            (None, Some(preset), None) => {
                let tasks = tasks.ok_or("a preset needs tasks = N")?;
                axes.workers.as_ref().ok_or("a preset needs workers = N, or a list of numbers")?;
                Ok(Origin::Preset { preset, tasks, seed })
            }
            (None, None, Some((nodes, pods, target))) if tasks.is_none() => {
                if seed.is_some() && target.is_none() {
                    return Err("a seed is of inflated arrivals; expected a target, too".to_owned());
                }
                Ok(Origin::Openb { nodes, pods, target, seed })
            }
            (None, None, Some(_)) => Err("tasks are of generated scenarios; expected only openb".to_owned()),
            _ => {
                let found = if stated.is_empty() { "none".to_owned() } else { stated.join(" and ") };
                Err(format!("has {found}; expected exactly one of folder, preset, openb"))
            }
        }
    }
}

impl Origin {
    fn default_name(&self) -> String {
        let of_path = |path: &Path| {
            let name = if path.is_dir() {
                path.canonicalize().ok().and_then(|path| path.file_name().map(ToOwned::to_owned))
            } else {
                path.file_stem().map(ToOwned::to_owned)
            };
            name.map_or_else(|| path.display().to_string(), |name| name.to_string_lossy().into_owned())
        };
        match self {
            Self::Folder(folder) => of_path(folder),
            Self::Preset { preset, tasks, .. } => format!("{preset}-{tasks}"),
            Self::Openb { pods, .. } => of_path(pods),
        }
    }
}
