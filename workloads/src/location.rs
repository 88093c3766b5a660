//! Where the files of a scenario are.

use std::path::{Path, PathBuf};

use crate::problems::Problems;
use crate::settings::Settings;
use crate::table::Source;

/// Where the files of a scenario are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Location {
    /// A folder with `tasks.csv` and `workers.csv`, and `durations.csv`, `edges.csv` and `scenario.toml`
    /// where it has them.
    Folder(PathBuf),
    /// Files one by one.
    Files {
        /// The tasks.
        tasks: PathBuf,
        /// The workers.
        workers: PathBuf,
        /// Durations of some tasks on some workers.
        durations: Option<PathBuf>,
        /// Dependencies with a cost of transfer.
        edges: Option<PathBuf>,
        /// The settings (`scenario.toml`).
        settings: Option<PathBuf>,
    },
}

impl Location {
    /// A file of tasks and one of workers, and nothing else.
    pub fn files(tasks: impl Into<PathBuf>, workers: impl Into<PathBuf>) -> Self {
        let (tasks, workers) = (tasks.into(), workers.into());
        Self::Files { tasks, workers, durations: None, edges: None, settings: None }
    }

    /// Finds the files and reads the settings; the scenario has a name afterwards.
    pub(crate) fn resolve(&self) -> Result<(Sources, Settings), Problems> {
        let (tasks, workers, durations, edges, settings) = match self {
            Self::Folder(folder) => {
                if !folder.is_dir() {
                    let message =
                        "is not a folder; expected a scenario: a folder with tasks.csv and workers.csv";
                    return Err(Problems::file(folder, message));
                }
                let file = |name| folder.join(name);
                let optional = |name| Some(file(name)).filter(|path| path.exists());
                let (durations, edges) = (optional("durations.csv"), optional("edges.csv"));
                (file("tasks.csv"), file("workers.csv"), durations, edges, optional("scenario.toml"))
            }
            Self::Files { tasks, workers, durations, edges, settings } => {
                (tasks.clone(), workers.clone(), durations.clone(), edges.clone(), settings.clone())
            }
        };
        let mut problems = Problems::default();
        let mut source = |path: &Path| Source::new(path).map_err(|found| problems.append(found)).ok();
        let (tasks, workers) = (source(&tasks), source(&workers));
        let durations = durations.and_then(|path| source(&path));
        let edges = edges.and_then(|path| source(&path));
        let mut settings = read_settings(settings.as_deref()).unwrap_or_else(|found| {
            problems.append(found);
            Settings::default()
        });
        problems.into_result()?;
        let (Some(tasks), Some(workers)) = (tasks, workers) else {
            return Err(Problems::default()); // cannot be: a missing source is a problem
        };
        if settings.name.is_empty() {
            settings.name = self.default_name();
        }
        Ok((Sources { tasks, workers, durations, edges }, settings))
    }

    /// The name of the folder, or of the file of tasks without its extension.
    fn default_name(&self) -> String {
        let name = match self {
            Self::Folder(folder) => {
                let whole = std::fs::canonicalize(folder).unwrap_or_else(|_| folder.clone());
                whole.file_name().map(ToOwned::to_owned)
            }
            Self::Files { tasks, .. } => tasks.file_stem().map(ToOwned::to_owned),
        };
        name.map_or_else(|| "scenario".to_owned(), |name| name.to_string_lossy().into_owned())
    }
}

fn read_settings(path: Option<&Path>) -> Result<Settings, Problems> {
    let Some(path) = path else { return Ok(Settings::default()) };
    let text = std::fs::read_to_string(path).map_err(|error| Problems::io(path, "read", &error))?;
    Settings::from_toml(&text, path)
}

/// The files of a scenario that exist.
#[derive(Clone, Debug)]
pub(crate) struct Sources {
    pub(crate) tasks: Source,
    pub(crate) workers: Source,
    pub(crate) durations: Option<Source>,
    pub(crate) edges: Option<Source>,
}
