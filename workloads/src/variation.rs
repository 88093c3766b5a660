//! The same scenario, varied: another load, shaken arrivals, another number of workers.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use cloudai_schedulers::model::{Duration, MAX_MICROS, Time, WorkerSpec};

use crate::Problems;
use crate::decimal::{self, Millionths, Rounding};
use crate::hash::{FixedMap, splitmix64};
use crate::scenario::{LoadedBecause, Scenario};
use crate::shapes::Shapes;
use crate::task::Task;

/// A factor on the rate of arrivals, in millionths; above 0.
///
/// Under load L a task arrives at t0 + (arrival - t0) / L, t0 being the first arrival: every time between two arrivals is
/// divided by L, so that the work offered in a unit of time is multiplied by it. The quotient is rounded to the nearest
/// microsecond, halves up. Deadlines move with the arrivals of their tasks; nothing else changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Load(u32);

impl Load {
    /// As the file has it.
    pub const ONE: Self = Self(1_000_000);

    /// When a task arrives under this load.
    pub(crate) fn apply(self, first: Time, arrival: Time) -> Time {
        if self == Self::ONE {
            return arrival;
        }
        let (after, load) = (u128::from((arrival - first).micros()), u128::from(self.0));
        let scaled = (after * u128::from(Self::ONE.0) + load / 2) / load;
        let scaled = u64::try_from(scaled).unwrap_or(u64::MAX);
        Time::from_micros(first.micros().saturating_add(scaled))
    }
}

impl Default for Load {
    fn default() -> Self {
        Self::ONE
    }
}

impl fmt::Display for Load {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Millionths(u64::from(self.0)).fmt(f)
    }
}

/// A text that is no load.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected a number from 0.000001 to 4294 with at most six decimals")]
pub struct UnknownLoad;

impl FromStr for Load {
    type Err = UnknownLoad;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let millionths =
            decimal::parse(text.as_bytes(), Self::ONE.0, Rounding::Exact).map_err(|_| UnknownLoad)?;
        u32::try_from(millionths).ok().filter(|&load| load > 0).map(Self).ok_or(UnknownLoad)
    }
}

/// Input shaking (Tsafrir, Ouaknine, Feitelson 2007, "Reducing performance evaluation sensitivity and variability by
/// input shaking"): small random perturbations of the workload, so that what is an accident of one trace shows as such.
///
/// Each arrival moves by a whole number of microseconds, uniform from 0 to `width`, drawn from (seed, copy, index of the task)
/// alone. (Moving all arrivals by the same time changes nothing, so that this is the same noise as one of plus or minus half
/// the width, without arrivals before time 0.) Deadlines move with the arrivals of their tasks. The index of a task stays that of
/// its row: tasks that overtake each other are queued as they now arrive, and ties go by index as ever.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shake {
    /// The longest that an arrival can move.
    pub width: Duration,
    /// Decides the noise.
    pub seed: u64,
    /// Which of many shaken copies.
    pub copy: u32,
}

impl Shake {
    fn apply(self, task: &mut Task) {
        // A stream of its own: noisy estimates draw from (seed, index), too.
        let stream = splitmix64(splitmix64(self.seed ^ 0x0073_6861_6b69_6e67) ^ u64::from(self.copy));
        let bits = splitmix64(stream ^ u64::from(task.spec.index));
        let values = u128::from(self.width.micros()) + 1;
        let noise = ((u128::from(bits) * values) >> 64) as u64;
        task.arrive_at(Time::from_micros(task.spec.arrival.micros().saturating_add(noise)));
    }
}

/// What is varied in a scenario; the default is nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Variation {
    /// The load.
    pub load: Load,
    /// Noise on the arrivals, after the load.
    pub shake: Option<Shake>,
    /// So many workers: the first ones of the file, and where there are more than in the file, the file's in turn, again and
    /// again. The copies of worker `w` are called `w~2`, `w~3`, ...; they have its durations, too.
    pub workers: Option<u32>,
}

impl Scenario {
    /// The scenario as read, varied. Its hash stays that of the files.
    ///
    /// Tasks are streamed if they are streamed here; with shaken arrivals they are loaded.
    ///
    /// # Errors
    /// [`Problems`] if tasks no longer fit on fewer workers, if workers would have to be copied and `faults.csv` names them, if
    /// arrivals would come later than the last time of a file, or if the tasks can no longer be read.
    pub fn vary(&self, variation: &Variation) -> Result<Self, Problems> {
        let mut varied = self.copy();
        if let Some(workers) = variation.workers {
            varied.change_workers(workers as usize)?;
        }
        let Variation { load, shake, .. } = *variation;
        if load != Load::ONE {
            varied.last_arrival = load.apply(self.first_arrival, self.last_arrival);
            varied.retime = Some((self.first_arrival, load));
        }
        let width = shake.map_or(Duration::ZERO, |shake| shake.width);
        if varied.last_arrival.micros().saturating_add(width.micros()) > MAX_MICROS {
            let message =
                format!("arrivals end after 10^11 s under a load of {load}; expected a higher load");
            return Err(Problems::file(&self.sources.tasks.path, message));
        }
        let changes_loaded = self.loaded.is_some() && load != Load::ONE;
        if shake.is_some() || changes_loaded {
            varied.reload(load, shake)?;
        }
        Ok(varied)
    }

    /// Bytes of memory, roughly, that [`Scenario::hold`] takes, or has taken.
    #[must_use]
    pub fn held_bytes(&self) -> u64 {
        /// A short name and what its allocation costs.
        const NAME: u64 = 48;
        let tasks = self.tasks * (size_of::<Task>() as u64 + NAME);
        let edges = size_of_val::<[crate::Edge]>(&self.edges) as u64;
        tasks + edges + self.sources.bytes()
    }

    fn copy(&self) -> Self {
        Self {
            name: self.name.clone(),
            settings: self.settings.clone(),
            workers: self.workers.clone(),
            constraints: self.constraints.clone(),
            users: self.users.clone(),
            profile: self.profile.clone(),
            needs: self.needs,
            tasks: self.tasks,
            first_arrival: self.first_arrival,
            last_arrival: self.last_arrival,
            edges: self.edges.clone(),
            durations: self.durations.clone(),
            faults: self.faults.clone(),
            hash: self.hash.clone(),
            names: Arc::clone(&self.names),
            sources: self.sources.clone(),
            loaded: self.loaded.clone(),
            retime: self.retime,
        }
    }

    /// Loads the tasks of this scenario's stream, moved; what was loaded has not seen the load yet, what is streamed has.
    fn reload(&mut self, load: Load, shake: Option<Shake>) -> Result<(), Problems> {
        let (first, is_loaded) = (self.first_arrival, self.loaded.is_some());
        let because = self.loaded.as_ref().map_or(LoadedBecause::Shaken, |(because, _)| *because);
        let (mut stream, mut task) = (self.stream()?, Task::default());
        let mut tasks = Vec::new();
        while stream.next_into(&mut task)? {
            if is_loaded {
                task.arrive_at(load.apply(first, task.spec.arrival));
            }
            if let Some(shake) = shake {
                shake.apply(&mut task);
            }
            tasks.push(std::mem::take(&mut task));
        }
        tasks.sort_by_key(|task| (task.spec.arrival, task.spec.index));
        if let (Some(first), Some(last)) = (tasks.first(), tasks.last()) {
            (self.first_arrival, self.last_arrival) = (first.spec.arrival, last.spec.arrival);
        }
        self.loaded = Some((because, tasks.into()));
        Ok(())
    }

    fn change_workers(&mut self, count: usize) -> Result<(), Problems> {
        let known = self.workers.len();
        if count > known && !self.faults.is_empty() {
            let message = format!(
                "{count} workers: the scenario has faults.csv, which tells what happens to each of its {known}; expected at most {known}"
            );
            return Err(Problems::file(&self.sources.workers.path, message));
        }
        if count == 0 {
            return Err(Problems::file(&self.sources.workers.path, "0 workers; expected at least one"));
        }
        let workers: Vec<WorkerSpec> = (0..count)
            .map(|number| {
                let (original, round) = (&self.workers[number % known], number / known);
                let name = if round == 0 {
                    original.name.clone()
                } else {
                    format!("{}~{}", original.name, round + 1)
                };
                WorkerSpec { name, ..original.clone() }
            })
            .collect();
        if count > known {
            self.check_names(&workers)?;
        } else {
            self.check_fits(&workers)?;
        }
        self.faults.retain(|fault| (fault.worker as usize) < count);
        if let Some(durations) = &mut self.durations {
            *durations = durations.on_workers(known, count);
        }
        self.workers = workers;
        Ok(())
    }

    fn check_names(&self, workers: &[WorkerSpec]) -> Result<(), Problems> {
        let mut names: FixedMap<&str, ()> = FixedMap::default();
        let twice = workers.iter().find(|worker| names.insert(&worker.name, ()).is_some());
        twice.map_or(Ok(()), |worker| {
            let message = format!(
                "{} workers: a copy would be called {:?}, as another worker is",
                workers.len(),
                worker.name
            );
            Err(Problems::file(&self.sources.workers.path, message))
        })
    }

    /// Fewer workers may hold less.
    fn check_fits(&self, workers: &[WorkerSpec]) -> Result<(), Problems> {
        let mut shapes = Shapes::new(workers);
        let (mut stream, mut task) = (self.stream()?, Task::default());
        while stream.next_into(&mut task)? {
            let constraint = &self.constraints[task.spec.constraint.0 as usize];
            if !shapes.count(&task.spec, constraint) {
                let reason = shapes.explain(&task.spec, constraint);
                let kept = match workers.len() {
                    1 => "worker".to_owned(),
                    count => format!("{count} workers"),
                };
                let message = format!("with the first {kept} alone, {:?} {reason}", task.name);
                return Err(Problems::file(&self.sources.tasks.path, message));
            }
        }
        Ok(())
    }
}
