//! A scenario: workers, tasks and settings, read and checked.

use std::fmt;
use std::sync::Arc;

use cloudai_schedulers::model::{Constraint, Time, WorkerSpec, WorkloadProfile};
use sha2::{Digest, Sha256};

use crate::check::{Checked, check};
use crate::durations::Durations;
use crate::faults::{self, Fault};
use crate::graph::{self, DependsOn, Edge};
use crate::hash::FixedMap;
use crate::location::{Location, Sources};
use crate::names::Names;
use crate::problems::Problems;
use crate::settings::Settings;
use crate::source::hexadecimal;
use crate::stream::{FileStream, TaskStream};
use crate::task::Task;
use crate::variation::Load;
use crate::workers;

/// What a strategy must be able to handle, and what the workload tells it, to run a scenario.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Needs {
    /// Some task has more than one replica.
    pub gangs: bool,
    /// Some task depends on another.
    pub dependencies: bool,
    /// Some dependency has a transfer that takes time.
    pub transfers: bool,
    /// Some task asks for GPU.
    pub gpus: bool,
    /// Some task asks for a fraction of a GPU.
    pub gpu_fractions: bool,
    /// Some task is restricted to GPU models.
    pub gpu_models: bool,
    /// Some task asks for labels of workers.
    pub labels: bool,
    /// Some task has a deadline.
    pub deadlines: bool,
    /// Some task has a priority other than 0.
    pub priorities: bool,
    /// EVERY task has an estimate in the file.
    pub estimates: bool,
    /// Some task asks for cpu.
    pub asks_cpu: bool,
    /// Some task asks for memory.
    pub asks_memory: bool,
    /// Some task asks for storage.
    pub asks_storage: bool,
    /// Some task asks for GPU; the same as `gpus`, named like the other dimensions.
    pub asks_gpu: bool,
}

/// Why the tasks of a scenario are held in memory instead of streamed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum LoadedBecause {
    /// Some task arrives before the task above it, first on this line.
    Unsorted {
        /// The line of that task.
        line: u64,
    },
    /// Tasks depend on each other.
    Dependencies,
    /// There is a file of durations.
    Durations,
    /// The file can be read only once.
    Pipe,
    /// [`Scenario::hold`] was called.
    Asked,
    /// Its arrivals were shaken.
    Shaken,
}

impl fmt::Display for LoadedBecause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unsorted { line } => {
                write!(f, "it is not sorted by arrival (line {line} arrives before the line above it)")
            }
            Self::Dependencies => f.write_str("its tasks depend on each other"),
            Self::Durations => f.write_str("it has a file of durations by task and worker"),
            Self::Pipe => f.write_str("it can be read only once"),
            Self::Asked => f.write_str("that was asked for"),
            Self::Shaken => f.write_str("its arrivals were shaken"),
        }
    }
}

/// Sees the tasks of a scenario while they are checked ([`Scenario::check_visited`]).
pub trait Visitor {
    /// Before any task: the settings as read, and the workers.
    fn begin(&mut self, settings: &Settings, workers: &[WorkerSpec]);

    /// A task that is in order, with its constraint; in the order of the file.
    fn visit(&mut self, task: &Task, constraint: &Constraint);
}

/// Looks at nothing.
impl Visitor for () {
    fn begin(&mut self, _: &Settings, _: &[WorkerSpec]) {}

    fn visit(&mut self, _: &Task, _: &Constraint) {}
}

/// A scenario that was read and found to be in order.
///
/// Its tasks are streamed from the file whenever they are needed; memory grows with the number of
/// distinct users, images, constraints and shapes, not with that of the tasks (but see
/// [`Scenario::is_loaded`]).
#[derive(Debug)]
#[non_exhaustive]
pub struct Scenario {
    /// What reports call it: the name in its settings as read, else that of its folder or file.
    pub name: String,
    /// How it is to be run.
    pub settings: Settings,
    /// The workers, in the order of their file.
    pub workers: Vec<WorkerSpec>,
    /// By [`ConstraintId`](cloudai_schedulers::model::ConstraintId); the first allows every worker.
    pub constraints: Vec<Constraint>,
    /// By [`UserId`](cloudai_schedulers::model::UserId); the first, `""`, has the tasks without `user_id`.
    pub users: Vec<String>,
    /// The shapes of all tasks and how often each occurs.
    pub profile: WorkloadProfile,
    /// What a strategy must be able to handle.
    pub needs: Needs,
    /// Number of tasks, at least one.
    pub tasks: u64,
    /// When the first task arrives.
    pub first_arrival: Time,
    /// When the last task arrives.
    pub last_arrival: Time,
    /// All dependencies, by (from, to), each pair once.
    pub edges: Vec<Edge>,
    /// What `durations.csv` says, if there is one.
    pub durations: Option<Durations>,
    /// What happens to workers, in order of time; empty without `faults.csv`. A worker whose first entry is
    /// [`FaultKind::Join`](crate::FaultKind::Join) is not there before.
    pub faults: Vec<Fault>,
    /// SHA-256, in hexadecimal, of one line `NAME SHA256\n` for each of the files `tasks`, `workers`,
    /// `durations`, `edges` and `faults` that there is, in this order, of their content as unpacked. The settings are
    /// not in it.
    pub hash: String,
    pub(crate) names: Arc<Names>,
    pub(crate) sources: Sources,
    pub(crate) loaded: Option<(LoadedBecause, Arc<[Task]>)>,
    /// A load other than that of the file, with the file's first arrival; what is loaded has it already.
    pub(crate) retime: Option<(Time, Load)>,
}

impl Scenario {
    /// Reads and checks a scenario, then calls `visit` for each task in order of (arrival, index).
    ///
    /// The file of tasks is read once to check it and, unless it had to be loaded, once more to visit.
    /// Who needs no visit saves that with [`Scenario::check`].
    ///
    /// # Errors
    ///
    /// [`Problems`]: whatever is wrong with the files, up to twenty problems of each.
    pub fn open(location: &Location, visit: &mut dyn FnMut(&Task)) -> Result<Self, Problems> {
        let scenario = Self::check(location)?;
        let mut stream = scenario.stream()?;
        let mut task = Task::default();
        while stream.next_into(&mut task)? {
            visit(&task);
        }
        Ok(scenario)
    }

    /// Reads and checks a scenario.
    ///
    /// # Errors
    ///
    /// As [`Scenario::open`].
    pub fn check(location: &Location) -> Result<Self, Problems> {
        Self::check_visited(location, &mut ())
    }

    /// Reads and checks a scenario, and shows its tasks to `visitor` on the way: the file of tasks is then read once for both.
    ///
    /// The tasks are those of the scenario in its order unless it [is loaded](Scenario::is_loaded): what is loaded may have
    /// to be sorted first, and is at hand afterwards.
    ///
    /// # Errors
    ///
    /// As [`Scenario::open`]; what was shown before means nothing then.
    pub fn check_visited(location: &Location, visitor: &mut impl Visitor) -> Result<Self, Problems> {
        let (sources, settings) = location.resolve()?;
        let mut problems = Problems::default();
        let workers = workers::read(&sources.workers).map_err(|found| problems.append(found)).ok();
        if let Some(workers) = &workers {
            visitor.begin(&settings, workers);
        }
        let checked = check(&sources.tasks, workers.as_deref(), visitor);
        let checked = checked.map_err(|found| problems.append(found)).ok();
        let faults = match (&sources.faults, &workers) {
            (Some(source), Some(workers)) => {
                faults::read(source, workers).map_err(|found| problems.append(found)).ok()
            }
            _ => Some(Vec::new()),
        };
        let (Some(workers), Some(checked), Some(faults)) = (workers, checked, faults) else {
            return Err(problems);
        };
        let because = why_load(&sources, &checked);
        let names = Arc::new(checked.names);
        let mut scenario = Self {
            name: settings.name.clone(),
            settings,
            workers,
            constraints: names.constraints(),
            users: names.users(),
            profile: checked.shapes.into_profile(),
            needs: checked.needs,
            tasks: checked.tasks,
            first_arrival: checked.first_arrival,
            last_arrival: checked.last_arrival,
            edges: Vec::new(),
            durations: None,
            faults,
            hash: hash(&sources, &checked.sha256)?,
            names,
            sources,
            loaded: None,
            retime: None,
        };
        if let Some(because) = because {
            scenario.load(because)?;
        }
        Ok(scenario)
    }

    /// A fresh stream of the tasks in order of (arrival, index).
    ///
    /// # Errors
    ///
    /// The file can no longer be read.
    pub fn stream(&self) -> Result<TaskStream, Problems> {
        match &self.loaded {
            Some((_, tasks)) => Ok(TaskStream::loaded(Arc::clone(tasks))),
            None => TaskStream::file(&self.sources.tasks, Arc::clone(&self.names), self.tasks, self.retime),
        }
    }

    /// Why the tasks are held in memory; `None` if they are streamed.
    #[must_use]
    pub fn is_loaded(&self) -> Option<LoadedBecause> {
        self.loaded.as_ref().map(|(because, _)| *because)
    }

    /// Holds the tasks in memory from now on, so that runs do not read the file again: for many runs of one scenario, and
    /// to measure a run without the reading.
    ///
    /// # Errors
    ///
    /// The file can no longer be read, or has changed since it was checked.
    pub fn hold(&mut self) -> Result<(), Problems> {
        if self.loaded.is_none() {
            self.load(LoadedBecause::Asked)?;
        }
        Ok(())
    }

    /// Reads all tasks into memory, and what refers to them by id.
    fn load(&mut self, because: LoadedBecause) -> Result<(), Problems> {
        let mut file = FileStream::open(&self.sources.tasks, Arc::clone(&self.names), self.tasks)?;
        let (mut tasks, mut depends_on, mut task) = (Vec::new(), Vec::new(), Task::default());
        while file.next_into(&mut task)? {
            let (line, text) = file.last_row();
            if !text.is_empty() {
                depends_on.push(DependsOn { task: task.spec.index, line, text: text.into() });
            }
            if let Some((first, load)) = self.retime {
                task.arrive_at(load.apply(first, task.spec.arrival));
            }
            tasks.push(std::mem::take(&mut task));
        }
        let mut numbers = FixedMap::default();
        numbers.extend(tasks.iter().map(|task| (task.name.as_str(), task.spec.index)));
        let mut problems = Problems::default();
        let path = &self.sources.tasks.path;
        match graph::read(path, &tasks, &numbers, &depends_on, self.sources.edges.as_ref()) {
            Ok(edges) => self.edges = edges,
            Err(found) => problems.append(found),
        }
        if let Some(source) = &self.sources.durations {
            match Durations::read(source, tasks.len(), &numbers, &self.workers) {
                Ok(durations) => self.durations = Some(durations),
                Err(found) => problems.append(found),
            }
        }
        problems.into_result()?;
        drop(numbers);
        self.needs.dependencies = !self.edges.is_empty();
        self.needs.transfers = self.edges.iter().any(|edge| edge.transfer.micros() > 0);
        tasks.sort_by_key(|task| (task.spec.arrival, task.spec.index));
        self.loaded = Some((because, tasks.into()));
        Ok(())
    }
}

fn why_load(sources: &Sources, checked: &Checked) -> Option<LoadedBecause> {
    if checked.depends || sources.edges.is_some() {
        Some(LoadedBecause::Dependencies)
    } else if sources.durations.is_some() {
        Some(LoadedBecause::Durations)
    } else if let Some(line) = checked.unsorted_at {
        Some(LoadedBecause::Unsorted { line })
    } else if sources.tasks.is_pipe() {
        Some(LoadedBecause::Pipe)
    } else {
        None
    }
}

fn hash(sources: &Sources, tasks_sha256: &str) -> Result<String, Problems> {
    let mut whole = Sha256::new();
    whole.update(format!("tasks {tasks_sha256}\n"));
    let files = [
        ("workers", Some(&sources.workers)),
        ("durations", sources.durations.as_ref()),
        ("edges", sources.edges.as_ref()),
        ("faults", sources.faults.as_ref()),
    ];
    for (name, source) in files {
        if let Some(source) = source {
            whole.update(format!("{name} {}\n", source.sha256()?));
        }
    }
    Ok(hexadecimal(&whole.finalize()))
}
