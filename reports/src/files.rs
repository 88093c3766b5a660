//! The files of a report: which there are, and how they are written and read.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Component, Path};

use cloudai_sim::result::{Comparison, StrategyResult};
use rayon::prelude::*;
use serde::Serialize;

use crate::{Options, ReportError, comparison_csv, gpu_curve_csv, html, performance, plots};

/// Writes a report of `comparison` into `dir`, which must exist.
///
/// In it are `report.json` (the comparison itself, for [`load`]), `comparison.csv` and `index.html`, and in one folder
/// a strategy `performance_metrics.txt`, `metrics.json` and, if it has one, `gpu_curve.csv`; with plots, each of them as
/// SVG and PNG. Folders that
/// already exist are used, files replaced, other files left alone. The bytes depend on the arguments alone (and
/// `index.html` links `assignments.csv` or `assignments.parquet` of a strategy where it is there).
///
/// # Errors
///
/// If a file cannot be written; if a strategy's folder is not a plain name, or two strategies share one.
pub fn write(comparison: &Comparison, dir: &Path, options: &Options) -> Result<(), ReportError> {
    check_folders(comparison)?;
    for result in &comparison.strategies {
        let folder = dir.join(&result.folder);
        fs::create_dir_all(&folder).map_err(|source| ReportError::write(&folder, source))?;
    }
    write_json(comparison, &dir.join("report.json"), false)?;
    write_csv(comparison, &dir.join("comparison.csv"))?;
    comparison.strategies.par_iter().try_for_each(|result| write_strategy(comparison, result, dir))?;
    let drawn = if options.plots { plots::write(comparison, dir)? } else { plots::Drawn::default() };
    let page = html::page(comparison, &drawn, |result| {
        let is_there = |name: &&str| dir.join(&result.folder).join(name).is_file();
        ["assignments.csv", "assignments.parquet"].into_iter().find(is_there)
    });
    write_text(&page, &dir.join("index.html"))
}

/// Reads back what [`write()`] left in `dir`.
///
/// # Errors
///
/// If there is no `report.json` in `dir`, if it cannot be read, or if it is not a report of this version.
pub fn load(dir: &Path) -> Result<Comparison, ReportError> {
    let path = dir.join("report.json");
    let text = match fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            return Err(ReportError::NoReport { dir: dir.to_owned() });
        }
        Err(error) => return Err(ReportError::read(&path, error)),
    };
    let comparison = serde_json::from_str(&text).map_err(|source| ReportError::Parse { path, source })?;
    check_folders(&comparison)?;
    Ok(comparison)
}

/// A stored report is input from outside: its folders must not lead out of it.
fn check_folders(comparison: &Comparison) -> Result<(), ReportError> {
    let mut taken: BTreeMap<&str, &str> = BTreeMap::new();
    for StrategyResult { spec, folder, .. } in &comparison.strategies {
        let mut components = Path::new(folder).components();
        let plain = matches!((components.next(), components.next()), (Some(Component::Normal(name)), None) if name == folder.as_str());
        if !plain || folder.contains(['/', '\\', '\0']) {
            return Err(ReportError::Folder { spec: spec.clone(), folder: folder.clone() });
        }
        if let Some(first) = taken.insert(folder, spec) {
            return Err(ReportError::SharedFolder {
                first: first.to_owned(),
                second: spec.clone(),
                folder: folder.clone(),
            });
        }
    }
    Ok(())
}

fn write_strategy(comparison: &Comparison, result: &StrategyResult, dir: &Path) -> Result<(), ReportError> {
    let folder = dir.join(&result.folder);
    write_text(&performance::text(comparison, result), &folder.join("performance_metrics.txt"))?;
    if !result.gpu_curve.is_empty() {
        write_text(&gpu_curve_csv::text(&result.gpu_curve), &folder.join("gpu_curve.csv"))?;
    }
    write_json(&result.metrics, &folder.join("metrics.json"), true)
}

fn write_csv(comparison: &Comparison, path: &Path) -> Result<(), ReportError> {
    let text = comparison_csv::text(comparison).map_err(|error| ReportError::encode(path, &error))?;
    write_text(&text, path)
}

fn write_json(value: &impl Serialize, path: &Path, pretty: bool) -> Result<(), ReportError> {
    let text = if pretty { serde_json::to_string_pretty(value) } else { serde_json::to_string(value) };
    let text = text.map_err(|error| ReportError::encode(path, &error))?;
    write_text(&(text + "\n"), path)
}

fn write_text(text: &str, path: &Path) -> Result<(), ReportError> {
    fs::write(path, text).map_err(|source| ReportError::write(path, source))
}
