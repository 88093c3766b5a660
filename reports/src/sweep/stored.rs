//! What a report of a sweep is rendered from again.

use std::fs::{self, File};
use std::io::{BufReader, ErrorKind};
use std::path::Path;

use cloudai_sim::sweep::Table;
use serde::{Deserialize, Serialize};

use super::Report;
use crate::ReportError;

/// The file that holds the table; `cloudai sweep` writes it.
pub const RESULTS: &str = "results.csv";
/// The file that holds the GPU curves, where there are any; `cloudai sweep` writes it.
const CURVES: &str = "curves.csv";
/// The file that holds the rest.
pub(super) const ABOUT: &str = "report.json";

/// What is to be said of a table.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct About {
    sweep: String,
    #[serde(default)]
    about: String,
    #[serde(default)]
    objectives: Vec<String>,
    #[serde(default)]
    baseline: Option<String>,
    #[serde(default)]
    experiment: String,
}

/// `report.json`: all of a report but its table.
pub(super) fn about(report: &Report) -> Result<String, Box<dyn std::error::Error + Send + Sync>> {
    let about = About {
        sweep: report.name.clone(),
        about: report.about.clone(),
        objectives: report.objectives.clone(),
        baseline: report.baseline.clone(),
        experiment: report.experiment.clone(),
    };
    Ok(serde_json::to_string_pretty(&about)? + "\n")
}

/// Reads back a report from the `results.csv` and `report.json` in `dir`; without `report.json`, as a sweep that was not
/// reported yet leaves it, the report has the folder's name and asks for the usual.
///
/// # Errors
///
/// If there is no `results.csv`, if a file cannot be read, or if it is not of this version.
pub fn load(dir: &Path) -> Result<Report, ReportError> {
    let path = dir.join(RESULTS);
    let file = match File::open(&path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => {
            return Err(ReportError::NoReport { dir: dir.to_owned() });
        }
        Err(error) => return Err(ReportError::read(&path, error)),
    };
    let mut table = Table::read_csv(BufReader::new(file))
        .map_err(|source| ReportError::Table { path, source: Box::new(source) })?;
    let path = dir.join(CURVES);
    match File::open(&path) {
        Ok(file) => table
            .read_curves(BufReader::new(file))
            .map_err(|source| ReportError::Table { path, source: Box::new(source) })?,
        Err(error) if error.kind() == ErrorKind::NotFound => {}
        Err(error) => return Err(ReportError::read(&path, error)),
    }
    let path = dir.join(ABOUT);
    let about = match fs::read_to_string(&path) {
        Ok(text) => serde_json::from_str(&text).map_err(|source| ReportError::Parse { path, source })?,
        Err(error) if error.kind() == ErrorKind::NotFound => {
            let name =
                dir.canonicalize().ok().and_then(|dir| Some(dir.file_name()?.to_string_lossy().into_owned()));
            About {
                sweep: name.unwrap_or_else(|| "sweep".to_owned()),
                about: String::new(),
                objectives: Vec::new(),
                baseline: None,
                experiment: String::new(),
            }
        }
        Err(error) => return Err(ReportError::read(&path, error)),
    };
    let About { sweep: name, about, objectives, baseline, experiment } = about;
    Ok(Report { name, about, experiment, objectives, baseline, table })
}
