//! Where the files of a scenario are.

use std::path::{Path, PathBuf};

use crate::problems::Problems;
use crate::settings::Settings;
use crate::source::{Packing, Source};

/// Where the files of a scenario are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Location {
    /// A folder with `tasks.csv` and `workers.csv`, and `durations.csv`, `edges.csv`, `faults.csv` and
    /// `scenario.toml` where it has them. Each of the CSV files may be compressed: `tasks.csv.gz`, `tasks.csv.zst`.
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
        /// What happens to workers.
        faults: Option<PathBuf>,
        /// The settings (`scenario.toml`).
        settings: Option<PathBuf>,
    },
    /// The contents of the files themselves, for tests and examples.
    Text {
        /// The tasks.
        tasks: String,
        /// The workers.
        workers: String,
        /// Durations of some tasks on some workers.
        durations: Option<String>,
        /// Dependencies with a cost of transfer.
        edges: Option<String>,
        /// What happens to workers.
        faults: Option<String>,
        /// The settings (`scenario.toml`).
        settings: Option<String>,
    },
}

impl Location {
    /// A file of tasks and one of workers, and nothing else.
    pub fn files(tasks: impl Into<PathBuf>, workers: impl Into<PathBuf>) -> Self {
        let (tasks, workers) = (tasks.into(), workers.into());
        Self::Files { tasks, workers, durations: None, edges: None, faults: None, settings: None }
    }

    /// The content of a file of tasks and of one of workers, and nothing else.
    pub fn text(tasks: impl Into<String>, workers: impl Into<String>) -> Self {
        let (tasks, workers) = (tasks.into(), workers.into());
        Self::Text { tasks, workers, durations: None, edges: None, faults: None, settings: None }
    }

    /// The same, with this text as `scenario.toml`; no more than the same if it is not [`Location::Text`].
    #[must_use]
    pub fn with_settings(mut self, toml: impl Into<String>) -> Self {
        if let Self::Text { settings, .. } = &mut self {
            *settings = Some(toml.into());
        }
        self
    }

    /// Finds the files and reads the settings; the scenario has a name afterwards.
    pub(crate) fn resolve(&self) -> Result<(Sources, Settings), Problems> {
        let inputs = self.inputs()?;
        let mut problems = Problems::default();
        let mut source = |input: Input<'_>| input.source().map_err(|found| problems.append(found)).ok();
        let (tasks, workers) = (source(inputs.tasks), source(inputs.workers));
        let durations = inputs.durations.and_then(&mut source);
        let edges = inputs.edges.and_then(&mut source);
        let faults = inputs.faults.and_then(&mut source);
        let settings = inputs.settings.map_or_else(|| Ok(Settings::default()), Input::settings);
        let settings = settings.map_err(|found| problems.append(found)).ok();
        match (tasks, workers, settings) {
            (Some(tasks), Some(workers), Some(mut settings)) if problems.count() == 0 => {
                if settings.name.is_empty() {
                    settings.name = self.default_name();
                }
                Ok((Sources { tasks, workers, durations, edges, faults }, settings))
            }
            _ => Err(problems),
        }
    }

    fn inputs(&self) -> Result<Inputs<'_>, Problems> {
        let path = |path: &PathBuf| Input::Path(path.clone());
        Ok(match self {
            Self::Folder(folder) => {
                if !folder.is_dir() {
                    let message =
                        "is not a folder; expected a scenario: a folder with tasks.csv and workers.csv";
                    return Err(Problems::file(folder, message));
                }
                let mut problems = Problems::default();
                let mut find =
                    |name| find(folder, name).map_err(|found| problems.append(found)).ok().flatten();
                let mut file = |name| find(name).map(Input::Path);
                let inputs = Inputs {
                    tasks: file("tasks.csv").unwrap_or_else(|| Input::Path(folder.join("tasks.csv"))),
                    workers: file("workers.csv").unwrap_or_else(|| Input::Path(folder.join("workers.csv"))),
                    durations: file("durations.csv"),
                    edges: file("edges.csv"),
                    faults: file("faults.csv"),
                    settings: Some(folder.join("scenario.toml"))
                        .filter(|path| path.exists())
                        .map(Input::Path),
                };
                problems.into_result()?;
                inputs
            }
            Self::Files { tasks, workers, durations, edges, faults, settings } => Inputs {
                tasks: path(tasks),
                workers: path(workers),
                durations: durations.as_ref().map(path),
                edges: edges.as_ref().map(path),
                faults: faults.as_ref().map(path),
                settings: settings.as_ref().map(path),
            },
            Self::Text { tasks, workers, durations, edges, faults, settings } => Inputs {
                tasks: Input::Text("tasks.csv", tasks),
                workers: Input::Text("workers.csv", workers),
                durations: durations.as_ref().map(|text| Input::Text("durations.csv", text)),
                edges: edges.as_ref().map(|text| Input::Text("edges.csv", text)),
                faults: faults.as_ref().map(|text| Input::Text("faults.csv", text)),
                settings: settings.as_ref().map(|text| Input::Text("scenario.toml", text)),
            },
        })
    }

    /// The name of the folder, or of the file of tasks without its extension.
    fn default_name(&self) -> String {
        let name = match self {
            Self::Folder(folder) => {
                let whole = std::fs::canonicalize(folder).unwrap_or_else(|_| folder.clone());
                whole.file_name().map(ToOwned::to_owned)
            }
            Self::Files { tasks, .. } => {
                let unpacked = if Packing::of(tasks) == Packing::Plain { None } else { tasks.file_stem() };
                Path::new(unpacked.unwrap_or(tasks.as_os_str())).file_stem().map(ToOwned::to_owned)
            }
            Self::Text { .. } => None,
        };
        name.map_or_else(|| "scenario".to_owned(), |name| name.to_string_lossy().into_owned())
    }
}

/// The file of this name in a folder, which may be compressed; `None` if it is not there in any form.
fn find(folder: &Path, name: &str) -> Result<Option<PathBuf>, Problems> {
    let forms = Packing::ALL.map(|packing| folder.join(format!("{name}{}", packing.extension())));
    let mut there = forms.into_iter().filter(|path| path.exists());
    match (there.next(), there.next()) {
        (Some(one), Some(other)) => {
            let other = other.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let message =
                format!("stands beside {other}; expected one of the two: which counts is not clear");
            Err(Problems::file(&one, message))
        }
        (one, _) => Ok(one),
    }
}

/// The inputs that a location names.
struct Inputs<'a> {
    tasks: Input<'a>,
    workers: Input<'a>,
    durations: Option<Input<'a>>,
    edges: Option<Input<'a>>,
    faults: Option<Input<'a>>,
    settings: Option<Input<'a>>,
}

enum Input<'a> {
    Path(PathBuf),
    /// The name for messages, and the content.
    Text(&'static str, &'a str),
}

impl Input<'_> {
    fn source(self) -> Result<Source, Problems> {
        match self {
            Self::Path(path) => Source::new(&path),
            Self::Text(name, text) => Ok(Source::text(name, text)),
        }
    }

    fn settings(self) -> Result<Settings, Problems> {
        match self {
            Self::Path(path) => {
                let text = std::fs::read_to_string(&path);
                Settings::from_toml(&text.map_err(|error| Problems::io(&path, "read", &error))?, &path)
            }
            Self::Text(name, text) => Settings::from_toml(text, Path::new(name)),
        }
    }
}

/// The files of a scenario that exist.
#[derive(Clone, Debug)]
pub(crate) struct Sources {
    pub(crate) tasks: Source,
    pub(crate) workers: Source,
    pub(crate) durations: Option<Source>,
    pub(crate) edges: Option<Source>,
    pub(crate) faults: Option<Source>,
}

impl Sources {
    /// Bytes of memory that the contents take; files take none.
    pub(crate) fn bytes(&self) -> u64 {
        let optional = [&self.durations, &self.edges, &self.faults].into_iter().flatten();
        [&self.tasks, &self.workers].into_iter().chain(optional).map(Source::bytes_in_memory).sum()
    }
}
