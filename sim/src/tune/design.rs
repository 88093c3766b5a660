//! The file of a tuning; `docs/tuning.md` describes every key.

use std::path::Path;

use cloudai_schedulers::{ParamInfo, ParamKind, Registry, StrategySpec};
use cloudai_workloads::Problems;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::objective::{METRICS, Objective};
use super::space::{Dimension, Domain, Scale, Space};
use crate::sweep::design::parser::Parser;
use crate::sweep::design::reader::{Entry, Reader, Scalar};
use crate::sweep::{Axes, Design, ScenarioDesign};

/// Runs that a search may take, unless the file or the command line says otherwise.
pub const BUDGET: u64 = 1_000;

/// What the result is held against, unless the file says otherwise.
const BASELINES: [&str; 3] = ["first_fit", "best_fit", "easy"];

const KEYS: &str = "name, strategy, parameters, objective, budget, seed, baselines, training, heldout, memory_mb, workers, loads, \
                    shake, shake_width_s, seeds, settings";

/// A tuning, as its file states it.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Tuning {
    /// What reports call it.
    pub name: String,
    /// What is searched.
    pub space: Space,
    /// What is made small.
    pub objective: Objective,
    /// Runs that the search may take, those of the default parameters included.
    pub budget: u64,
    /// Seed of the search.
    pub seed: u64,
    /// The training scenarios, under the default parameters.
    pub training: Design,
    /// The held-out scenarios, under the default parameters and the baselines.
    pub heldout: Design,
}

impl Tuning {
    /// Reads the file of a tuning; relative paths in it are relative to its folder.
    ///
    /// # Errors
    /// [`Problems`]: every fault with its line, key, value and what was expected.
    pub fn read(file: &Path, registry: &Registry) -> Result<Self, Problems> {
        let text = std::fs::read_to_string(file).map_err(|error| Problems::io(file, "read", &error))?;
        Self::parse(&text, file, registry)
    }

    /// The tuning in this text; `file` is for messages, and its folder for relative paths.
    ///
    /// # Errors
    /// As [`Tuning::read`].
    pub fn parse(text: &str, file: &Path, registry: &Registry) -> Result<Self, Problems> {
        let mut reader = Reader::new(text, file);
        let document = reader.parse();
        let tuning = document.and_then(|document| {
            let parser = Parser { reader: &mut reader, file, registry };
            TuningParser(parser).tuning(&document)
        });
        reader.finish()?;
        tuning.ok_or_else(|| Problems::file(file, "states no tuning"))
    }
}

struct TuningParser<'r, 'a>(Parser<'r, 'a>);

/// What stands in the file, before it is put together.
#[derive(Default)]
struct Stated<'t, 'i> {
    name: Option<String>,
    strategy: Option<(StrategySpec, &'t Spanned<DeValue<'i>>)>,
    parameters: Option<&'t Spanned<DeValue<'i>>>,
    objective: Option<Objective>,
    budget: Option<u64>,
    seed: Option<u64>,
    memory_mib: Option<u64>,
    baselines: Option<Vec<StrategySpec>>,
    training: Option<&'t Spanned<DeValue<'i>>>,
    heldout: Option<&'t Spanned<DeValue<'i>>>,
    axes: Axes,
}

impl TuningParser<'_, '_> {
    fn tuning(&mut self, document: &Spanned<DeTable<'_>>) -> Option<Tuning> {
        let mut stated = Stated::default();
        for entry in Reader::entries(document.get_ref()) {
            self.entry(entry, &mut stated);
        }
        let training = self.scenarios("training", stated.training, &stated.axes);
        let heldout = self.scenarios("heldout", stated.heldout, &stated.axes);
        for (key, is_missing) in
            [("strategy", stated.strategy.is_none()), ("objective", stated.objective.is_none())]
        {
            if is_missing && self.0.reader.count() == 0 {
                self.0.reader.wrong_key(0, key, "is missing; expected it at the top of the file");
            }
        }
        let (spec, at) = stated.strategy?;
        let space = self.space(spec, at, stated.parameters)?;
        let stem = || self.0.file.file_stem().map(|stem| stem.to_string_lossy().into_owned());
        let name = stated.name.or_else(stem).unwrap_or_default();
        let baselines = stated.baselines.unwrap_or_else(|| {
            let known = BASELINES.iter().filter(|name| self.0.registry.get(name).is_ok());
            known.map(|&name| StrategySpec { name: name.to_owned(), params: Vec::new() }).collect()
        });
        let design = |scenarios, strategies| Design {
            name: name.clone(),
            about: String::new(),
            objectives: Vec::new(),
            baseline: None,
            memory_mib: stated.memory_mib,
            strategies,
            scenarios,
        };
        let default = vec![space.base.clone()];
        let others = baselines.into_iter().filter(|spec| *spec != space.base);
        Some(Tuning {
            objective: stated.objective?,
            budget: stated.budget.unwrap_or(BUDGET),
            seed: stated.seed.unwrap_or(0),
            training: design(training, default.clone()),
            heldout: design(heldout, default.into_iter().chain(others).collect()),
            name,
            space,
        })
    }

    fn entry<'t, 'i>(&mut self, entry: Entry<'t, 'i>, stated: &mut Stated<'t, 'i>) {
        const RUNS: &str = "a whole number of runs, 1 or more";
        const MIB: &str = "a whole number of MiB, 1 or more";
        let Entry { key, value, at } = entry;
        match key {
            "name" => stated.name = self.0.reader.string(key, value, "a text").map(|name| name.text),
            "strategy" => {
                let spec = self.0.spec(key, value);
                stated.strategy = spec.and_then(|spec| match self.0.registry.build(&spec) {
                    Ok(_) => Some((spec, value)),
                    Err(error) => {
                        let scalar = Scalar { text: spec.to_string(), at: value.span().start };
                        self.0.reader.wrong(key, &scalar, error.to_string());
                        None
                    }
                });
            }
            "parameters" => stated.parameters = Some(value),
            "objective" => stated.objective = self.objective(value),
            "budget" => stated.budget = self.positive(key, value, RUNS),
            "memory_mb" => stated.memory_mib = self.positive(key, value, MIB),
            "seed" => stated.seed = self.0.reader.parsed(key, value, "a whole number from 0 to 2^64 - 1"),
            "baselines" => {
                let mut specs = Vec::new();
                if !matches!(value.get_ref(), DeValue::Array(array) if array.is_empty()) {
                    self.0.strategies(key, value, &mut specs);
                }
                stated.baselines = Some(specs);
            }
            "training" => stated.training = Some(value),
            "heldout" => stated.heldout = Some(value),
            _ if self.0.axis(entry, &mut stated.axes) => {}
            _ => self.0.reader.wrong_key(at, key, format!("unknown; expected {KEYS}")),
        }
    }

    fn positive(&mut self, key: &str, value: &Spanned<DeValue<'_>>, expected: &str) -> Option<u64> {
        let number = self.0.reader.parsed::<u32>(key, value, expected)?;
        if number == 0 {
            self.0.reader.unexpected(key, value, expected);
        }
        Some(u64::from(number))
    }

    fn scenarios(
        &mut self,
        list: &str,
        value: Option<&Spanned<DeValue<'_>>>,
        axes: &Axes,
    ) -> Vec<ScenarioDesign> {
        let mut scenarios = Vec::new();
        match value {
            Some(value) => self.0.scenarios(list, value, axes, &mut scenarios),
            None => {
                let message = format!("is missing; expected at least one [[{list}]]");
                self.0.reader.wrong_key(0, list, message);
            }
        }
        scenarios
    }

    /// `"mean_wait_s"`, or a table of weights.
    fn objective(&mut self, value: &Spanned<DeValue<'_>>) -> Option<Objective> {
        let known = || format!("unknown; expected one of {}", METRICS.join(", "));
        if let DeValue::String(_) = value.get_ref() {
            let name = self.0.reader.string("objective", value, "a metric")?;
            if METRICS.contains(&name.text.as_str()) {
                return Some(Objective { terms: vec![(name.text, 1.0)] });
            }
            self.0.reader.wrong("objective", &name, known());
            return None;
        }
        let expected = "a metric such as \"mean_wait_s\", or a table of weights such as { makespan_s = 0.7, mean_wait_s = 0.3 }";
        let mut terms = Vec::new();
        let entries = self.0.reader.table("objective", value, expected);
        if entries.is_empty() && matches!(value.get_ref(), DeValue::Table(_)) {
            self.0.reader.unexpected("objective", value, expected);
        }
        for entry in entries {
            let key = format!("objective.{}", entry.key);
            if !METRICS.contains(&entry.key) {
                self.0.reader.wrong_key(entry.at, &key, known());
                continue;
            }
            let expected = "a weight above 0";
            let Some(weight) = self.0.reader.parsed::<f64>(&key, entry.value, expected) else { continue };
            if weight > 0.0 && weight.is_finite() {
                terms.push((entry.key.to_owned(), weight));
            } else {
                self.0.reader.unexpected(&key, entry.value, expected);
            }
        }
        (!terms.is_empty()).then_some(Objective { terms })
    }

    /// The parameters that are tuned: those stated, or every numeric one that the spec does not hold.
    fn space(
        &mut self,
        base: StrategySpec,
        strategy: &Spanned<DeValue<'_>>,
        parameters: Option<&Spanned<DeValue<'_>>>,
    ) -> Option<Space> {
        let infos = self.0.registry.get(&base.name).ok()?.params;
        let is_held = |name: &str| base.params.iter().any(|(held, _)| held == name);
        let mut dimensions = Vec::new();
        let before = self.0.reader.count();
        if let Some(value) = parameters {
            for entry in self.0.reader.table("parameters", value, "a table of parameters with ranges") {
                let key = format!("parameters.{}", entry.key);
                let Some(info) = infos.iter().find(|info| info.name == entry.key) else {
                    let known: Vec<&str> = infos.iter().map(|info| info.name).collect();
                    let message = format!("unknown; expected one of {}", known.join(", "));
                    self.0.reader.wrong_key(entry.at, &key, message);
                    continue;
                };
                if is_held(info.name) {
                    let message = "is held by the strategy's spec; expected it in one place";
                    self.0.reader.wrong_key(entry.at, &key, message);
                } else if let Some(domain) = self.domain(&key, info, entry.value) {
                    dimensions.push(Dimension::new(info, domain));
                }
            }
        } else {
            let free = infos.iter().filter(|info| !is_held(info.name));
            dimensions.extend(free.filter_map(Dimension::numeric));
        }
        if dimensions.is_empty() && self.0.reader.count() == before {
            let text = Scalar { text: base.to_string(), at: strategy.span().start };
            let message =
                "has no numeric parameter left to tune; expected [parameters], or a strategy with some";
            self.0.reader.wrong("strategy", &text, message);
        }
        (!dimensions.is_empty()).then_some(Space { base, dimensions })
    }

    /// A range, a list of values, or "full" for all that the parameter may be.
    fn domain(&mut self, key: &str, info: &ParamInfo, value: &Spanned<DeValue<'_>>) -> Option<Domain> {
        if matches!(value.get_ref(), DeValue::String(text) if text == "full") {
            let choices = match info.kind {
                ParamKind::Bool { .. } => vec!["false".to_owned(), "true".to_owned()],
                ParamKind::Choice { options, .. } => options.iter().map(|&text| text.to_owned()).collect(),
                _ => return Dimension::numeric(info).map(|dimension| dimension.domain),
            };
            return Some(Domain::Choice(choices));
        }
        if let DeValue::Array(_) = value.get_ref() {
            let values = self.0.reader.list(key, value, "a list of values");
            let before = self.0.reader.count();
            for value in &values {
                self.check(key, info, value);
            }
            let texts = values.into_iter().map(|value| value.text).collect();
            return (self.0.reader.count() == before).then_some(Domain::Choice(texts));
        }
        let numeric = matches!(info.kind, ParamKind::Float { .. } | ParamKind::Int { .. });
        let expected = if numeric {
            "a range such as { from = 0, to = 1 }, perhaps with scale = \"log\", or a list of values, or \"full\""
        } else {
            "a list of values, or \"full\""
        };
        if !numeric || !matches!(value.get_ref(), DeValue::Table(_)) {
            self.0.reader.unexpected(key, value, expected);
            return None;
        }
        self.range(key, info, value, expected)
    }

    fn range(
        &mut self,
        key: &str,
        info: &ParamInfo,
        value: &Spanned<DeValue<'_>>,
        expected: &str,
    ) -> Option<Domain> {
        let before = self.0.reader.count();
        let (mut from, mut to, mut scale) = (None, None, None);
        for entry in self.0.reader.table(key, value, expected) {
            let name = format!("{key}.{}", entry.key);
            match entry.key {
                "from" | "to" => {
                    let Some(end) = self.0.reader.scalar(&name, entry.value, "a number") else { continue };
                    self.check(&name, info, &end);
                    *(if entry.key == "from" { &mut from } else { &mut to }) = Some(end.text);
                }
                "scale" => match self.0.reader.string(&name, entry.value, "\"linear\" or \"log\"") {
                    Some(word) if word.text == "linear" => scale = Some(false),
                    Some(word) if word.text == "log" => scale = Some(true),
                    Some(word) => self.0.reader.wrong(&name, &word, "expected linear or log"),
                    None => {}
                },
                _ => self.0.reader.wrong_key(entry.at, &name, "unknown; expected from, to, scale"),
            }
        }
        if self.0.reader.count() > before {
            return None;
        }
        let (Some(from), Some(to)) = (from, to) else {
            self.0.reader.unexpected(key, value, expected);
            return None;
        };
        let numbers: Option<Vec<f64>> =
            [&from, &to, &info.kind.default_text()].into_iter().map(|text| text.parse().ok()).collect();
        let [low, high, default] = numbers?.try_into().ok()?;
        if high <= low {
            self.0.reader.unexpected(key, value, "from below to");
            return None;
        }
        let scale = match scale {
            None => Scale::of(low, high, default),
            Some(true) => Scale::log(low, high, default),
            Some(false) => Scale::Linear,
        };
        if let ParamKind::Int { .. } = info.kind {
            return Some(Domain::Int { from: from.parse().ok()?, to: to.parse().ok()?, scale });
        }
        Some(Domain::Float { from: low, to: high, scale })
    }

    /// Tells of a value that the parameter may not have.
    fn check(&mut self, key: &str, info: &ParamInfo, value: &Scalar) {
        if !info.kind.accepts(&value.text) {
            self.0.reader.wrong(key, value, format!("expected {}", info.kind));
        }
    }
}
