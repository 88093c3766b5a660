//! What a tuning writes: `preset.toml` and `trials.csv`; and the reader of presets.

use std::fmt::Write as _;
use std::fs;
use std::io;
use std::path::Path;

use cloudai_schedulers::{Registry, StrategySpec};
use cloudai_workloads::Problems;

use super::outcome::{Side, Tuned, Verdict};
use super::space::Dimension;
use crate::sweep::SweepError;
use crate::sweep::design::reader::{Reader, Scalar};

/// Reads a preset: the strategy that its `spec` names. What else stands there is a record, and not looked at.
///
/// # Errors
/// [`Problems`]: the file cannot be read, is not TOML, or has no spec of a strategy that there is.
pub fn read_preset(path: &Path, registry: &Registry) -> Result<StrategySpec, Problems> {
    const EXPECTED: &str = "the spec of a strategy, such as \"ai(window=64)\"";
    let text = fs::read_to_string(path).map_err(|error| Problems::io(path, "read", &error))?;
    let mut reader = Reader::new(&text, path);
    let mut spec = None;
    if let Some(document) = reader.parse() {
        let entry = Reader::entries(document.get_ref()).into_iter().find(|entry| entry.key == "spec");
        match entry {
            Some(entry) => {
                if let Some(stated) = reader.string("spec", entry.value, EXPECTED) {
                    spec = checked(&stated, registry, &mut reader);
                }
            }
            None => reader.wrong_key(0, "spec", format!("is missing; expected {EXPECTED}")),
        }
    }
    reader.finish()?;
    spec.ok_or_else(|| Problems::file(path, format!("spec: expected {EXPECTED}")))
}

fn checked(stated: &Scalar, registry: &Registry, reader: &mut Reader<'_>) -> Option<StrategySpec> {
    let spec = stated.text.parse::<StrategySpec>().and_then(|spec| registry.build(&spec).map(|_| spec));
    match spec {
        Ok(spec) => Some(spec),
        Err(error) => {
            reader.wrong("spec", stated, error.to_string());
            None
        }
    }
}

/// Writes both, each beside its place and then renamed.
pub(super) fn write(tuned: &Tuned, dir: &Path) -> Result<(), SweepError> {
    let trials = trials(tuned)
        .map_err(|error| SweepError::io(&dir.join("trials.csv"), "write", io::Error::other(error)))?;
    for (name, content) in [("trials.csv", trials), ("preset.toml", preset(tuned).into_bytes())] {
        let (path, draft) = (dir.join(name), dir.join(format!(".{name}.tmp")));
        let written = fs::write(&draft, content).and_then(|()| fs::rename(&draft, &path));
        written.map_err(|source| SweepError::io(&path, "write", source))?;
    }
    Ok(())
}

/// One row a candidate.
fn trials(tuned: &Tuned) -> Result<Vec<u8>, csv::Error> {
    let space = &tuned.space;
    let mut out = csv::Writer::from_writer(Vec::new());
    let fixed = ["candidate", "iteration", "strategy", "runs", "score", "default_score", "status", "error"];
    let params = space.dimensions.iter().map(|dimension| format!("param.{}", dimension.name));
    out.write_record(fixed.map(str::to_owned).into_iter().chain(params))?;
    for (number, candidate) in tuned.candidates.iter().enumerate() {
        let status = match candidate {
            _ if number == 0 => "default",
            candidate if candidate.error.is_some() => "failed",
            candidate if candidate.is_complete => "complete",
            _ => "dropped",
        };
        let value = |dimension: &Dimension| {
            let stated = candidate.spec.params.iter().find(|(name, _)| *name == dimension.name);
            stated.map_or_else(|| dimension.default.clone(), |(_, value)| value.clone())
        };
        let row = [
            number.to_string(),
            candidate.iteration.to_string(),
            candidate.spec.to_string(),
            candidate.runs.to_string(),
            candidate.score.map(|score| score.to_string()).unwrap_or_default(),
            candidate.default_score.to_string(),
            status.to_owned(),
            candidate.error.clone().unwrap_or_default(),
        ];
        let params = space.dimensions.iter().map(value);
        out.write_record(row.into_iter().chain(params))?;
    }
    out.into_inner().map_err(|error| csv::Error::from(error.into_error()))
}

fn quoted(text: &str) -> String {
    toml::Value::String(text.to_owned()).to_string()
}

fn preset(tuned: &Tuned) -> String {
    let mut text = String::new();
    let verdict = match tuned.verdict() {
        Verdict::Default => "default",
        Verdict::CarriesOver => "carries_over",
        Verdict::NotShown => "not_shown",
        Verdict::Overfitted => "overfitted",
        Verdict::Failed => "failed",
    };
    let _ = write!(
        text,
        "# Found by `cloudai tune`; run it with `cloudai simulate SCENARIO --strategy @preset.toml`.\n\
         # Only spec is read; the rest says where it comes from.\n\
         spec = {}\n\
         name = {}\n\
         default = {}\n\
         version = {}\n\
         seed = {}\n\
         budget = {}\n\
         runs = {}\n\
         candidates = {}\n\
         verdict = {}\n\n[objective]\n",
        quoted(&tuned.spec.to_string()),
        quoted(&tuned.name),
        quoted(&tuned.default.to_string()),
        quoted(env!("CARGO_PKG_VERSION")),
        quoted(&tuned.seed.to_string()),
        tuned.budget,
        tuned.spent,
        tuned.candidates.len(),
        quoted(verdict)
    );
    for (key, weight) in &tuned.objective.terms {
        let _ = writeln!(text, "{key} = {weight:?}");
    }
    side(&mut text, "training", &tuned.training, tuned);
    side(&mut text, "heldout", &tuned.heldout, tuned);
    for against in &tuned.against {
        let _ = writeln!(text, "\n[[against]]\nstrategy = {}", quoted(&against.spec.to_string()));
        match &against.paired {
            Ok(paired) => {
                let _ = writeln!(text, "observations = {}", paired.n);
                if let Some(relative) = paired.relative {
                    let _ = writeln!(text, "difference = {relative:?}");
                }
                if let Some((low, high)) = paired.relative_interval.ends() {
                    let _ = writeln!(text, "interval = [{low:?}, {high:?}]");
                }
                let _ = writeln!(text, "p = {:?}", paired.p);
            }
            Err(reason) => {
                let _ = writeln!(text, "error = {}", quoted(reason));
            }
        }
    }
    text
}

fn side(text: &mut String, name: &str, side: &Side, tuned: &Tuned) {
    let (runs, observations) = (side.runs, side.observations);
    let _ = writeln!(text, "\n[{name}]\nruns = {runs}\nobservations = {observations}");
    if let Some(score) = side.score {
        let _ = writeln!(text, "score = {score:?}");
    }
    for group in &side.groups {
        let _ =
            writeln!(text, "\n[[{name}.scenarios]]\nname = {}\nruns = {}", quoted(&group.name), group.runs);
        for (number, (key, _)) in tuned.objective.terms.iter().enumerate() {
            let mean = group.tuned.as_ref().map(|tuned| format!(", tuned = {:?}", tuned[number]));
            let mean = mean.unwrap_or_default();
            let _ = writeln!(text, "{key} = {{ default = {:?}{mean} }}", group.default[number]);
        }
        let hashes: Vec<String> = group.hashes.iter().map(|hash| quoted(hash)).collect();
        let _ = writeln!(text, "hashes = [{}]", hashes.join(", "));
    }
}
