//! What is submitted when, and following it.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use cloudai_schedulers::Registry;

use super::super::SweepError;
use super::super::journal::Found;
use super::super::part::read_list;
use super::super::place::names;
use super::super::plan::{CellKey, Plan};
use super::super::run::{Options, Status, Sweep};
use super::super::table::Table;
use super::client::{self, Queued};
use super::costs::{self, Costs};
use super::job::{Job, text_line};
use super::{Request, SlurmError};
use crate::error::SimError;

/// Journals are looked at this often; less often where there are many.
const LOOK: Duration = Duration::from_secs(1);

/// Array tasks whose journals can be looked at that often.
const MANY: u32 = 200;

/// squeue is asked after so long at first, half as long again each time, and so long at last.
const ASK_FIRST: Duration = Duration::from_secs(1);
const ASK_LAST: Duration = Duration::from_secs(30);

/// After the last array task has ended its results are waited for so long: file systems of clusters show files late.
const SETTLE: Duration = Duration::from_secs(5);

/// How often what ended jobs have left is submitted again while each of them has got further.
const AGAIN: u32 = 3;

/// What happens, for people to know.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Event {
    /// A few cells are run here, to learn what a cell costs.
    Measuring {
        /// How many.
        cells: usize,
    },
    /// A job was submitted.
    Submitted {
        /// Its id.
        job: String,
        /// Its array tasks.
        tasks: u32,
        /// Its cells.
        cells: usize,
        /// What an array task will take on average, in seconds, if that is known.
        task_s: Option<f64>,
        /// Its script.
        script: PathBuf,
    },
    /// A job that was submitted earlier waits or runs.
    Found {
        /// Its id.
        job: String,
        /// Cells that are still to come from it.
        cells: usize,
    },
    /// Where a job stands; told when it changes.
    Waiting(Waiting),
    /// Slurm does not answer; it is asked again.
    Unreachable {
        /// Why.
        why: String,
    },
    /// Jobs have ended without some of their cells, which are submitted again.
    Missing {
        /// How many cells.
        cells: usize,
    },
}

/// Where a job stands.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Waiting {
    /// Its id.
    pub job: String,
    /// Array tasks that run.
    pub running: usize,
    /// Array tasks that wait.
    pub waiting: usize,
    /// Why they wait, in Slurm's words; each reason once.
    pub reasons: Vec<String>,
}

/// A sweep whose cells run as the tasks of job arrays.
#[derive(Debug)]
pub struct Array<'a> {
    plan: &'a Plan,
    sweep: Sweep<'a>,
    request: Request,
    most_tasks: u32,
    /// Jobs that wait or run.
    jobs: Vec<Followed>,
    /// Cells that are expected from a job, with its number in this sweep.
    expected: HashMap<CellKey, u32>,
    /// Number of the next job.
    next: u32,
}

#[derive(Debug)]
struct Followed {
    job: Job,
    told: Waiting,
    /// How far each journal of its array tasks has been read.
    read: HashMap<String, u64>,
}

impl<'a> Array<'a> {
    /// Opens the folder of a sweep, and asks Slurm how many array tasks a job may have. With `retry`, cells that failed run again.
    /// Other processes may run parts or shards of the sweep meanwhile, but no other one may follow it.
    ///
    /// # Errors
    /// [`SweepError`]: there is no Slurm here, the request is not in order, or as [`Sweep::open`].
    pub fn open(plan: &'a Plan, dir: &Path, retry: bool, request: Request) -> Result<Self, SweepError> {
        let most_tasks = client::most_tasks()?;
        if let Some(asked) = request.tasks.filter(|&asked| asked > most_tasks) {
            return Err(SlurmError::TooMany { asked, most: most_tasks }.into());
        }
        for text in request.options.iter().chain(&request.partition) {
            text_line(text)?;
        }
        let sweep = Sweep::open_as(plan, dir, "slurm", retry)?;
        let (jobs, expected) = (Vec::new(), HashMap::new());
        Ok(Self { plan, sweep, request, most_tasks, jobs, expected, next: 1 })
    }

    /// How far the sweep was when it was opened.
    #[must_use]
    pub const fn status(&self) -> Status {
        self.sweep.status()
    }

    /// Ids of the jobs that wait or run, as far as is known.
    #[must_use]
    pub fn jobs(&self) -> Vec<String> {
        let active = self.jobs.iter().filter(|followed| !followed.job.ended);
        active.filter_map(|followed| Some(followed.job.id.as_ref()?.number.to_string())).collect()
    }

    /// Submits what has no result and is expected from no job, and follows the jobs until each cell has one. When `options.stop`
    /// becomes true it returns, and the jobs go on.
    ///
    /// # Errors
    /// [`SweepError`]: it was interrupted; Slurm refused; jobs have ended and left cells without result; files could not be read or
    /// written.
    pub fn run(
        &mut self,
        registry: &Registry,
        options: &Options<'_>,
        tell: &mut dyn FnMut(Event),
    ) -> Result<(), SweepError> {
        self.find_jobs(tell)?;
        let mut free = self.sweep.left().to_vec();
        free.retain(|&cell| !self.expected.contains_key(&self.plan.cells[cell].key));
        self.measure_and_submit(free, registry, options, tell)?;
        for again in 0..=AGAIN {
            let before = self.expected.len();
            if self.follow(options, tell)? {
                return Ok(());
            }
            let got_further = self.expected.len() < before;
            if again == AGAIN || !got_further {
                break;
            }
            tell(Event::Missing { cells: self.expected.len() });
            let cells = self.sweep.left().iter().copied();
            let cells = cells.filter(|&cell| self.expected.contains_key(&self.plan.cells[cell].key));
            self.submit(&cells.collect::<Vec<_>>(), tell)?;
        }
        let jobs = self.jobs.iter().filter_map(|followed| followed.job.id.as_ref());
        let jobs: Vec<String> = jobs.map(ToString::to_string).collect();
        let plural = if jobs.len() == 1 { "" } else { "s" };
        Err(SlurmError::Ended {
            jobs: format!("job{plural} {}", jobs.join(", ")),
            left: self.expected.len(),
            logs: self.sweep.dir().join("slurm"),
        }
        .into())
    }

    /// The table, if every cell has an outcome, as [`Sweep::finish`].
    ///
    /// # Errors
    /// As [`Sweep::finish`].
    pub fn finish(self) -> Result<Option<Table>, SweepError> {
        self.sweep.finish()
    }

    /// Finds the jobs that still wait or run, and what is expected from them.
    fn find_jobs(&mut self, tell: &mut dyn FnMut(Event)) -> Result<(), SweepError> {
        let dir = self.sweep.dir().to_path_buf();
        let left: HashSet<CellKey> =
            self.sweep.left().iter().map(|&cell| self.plan.cells[cell].key).collect();
        for mut job in Job::all(&dir)? {
            self.next = job.number + 1;
            if job.ended {
                continue;
            }
            if job.id.is_none() {
                // Killed between submitting it and writing its id down, or before.
                job.id = client::find(&job.name)?;
            }
            let queued = job.id.as_ref().map_or(Ok(Vec::new()), |id| client::queue(id, &job.name))?;
            job.ended = queued.is_empty();
            job.save(&dir)?;
            let (Some(id), false) = (&job.id, job.ended) else { continue };
            let active: HashSet<Option<u32>> = queued.iter().map(|task| task.part).collect();
            let before = self.expected.len();
            read_list(&job.list(&dir), |part, key| {
                if left.contains(&key) && (active.contains(&None) || active.contains(&Some(part))) {
                    self.expected.insert(key, job.number);
                }
            })?;
            let cells = self.expected.len() - before;
            if cells > 0 {
                tell(Event::Found { job: id.to_string(), cells });
                self.jobs.push(Followed::new(job));
            }
        }
        Ok(())
    }

    fn measure_and_submit(
        &mut self,
        mut cells: Vec<usize>,
        registry: &Registry,
        options: &Options<'_>,
        tell: &mut dyn FnMut(Event),
    ) -> Result<(), SweepError> {
        if cells.is_empty() {
            return Ok(());
        }
        if self.request.tasks.is_none() {
            let sample = self.costs().unknown(self.plan, &cells);
            if !sample.is_empty() {
                tell(Event::Measuring { cells: sample.len() });
                self.measure(&sample, registry, options)?;
                cells.retain(|&cell| self.sweep.recorded(&self.plan.cells[cell]).is_none());
            }
        }
        self.submit(&cells, tell)
    }

    fn costs(&self) -> Costs {
        Costs::of(self.plan, |cell| Some(self.sweep.recorded(cell)?.wall_s))
    }

    /// Runs cells here, as many as end in time.
    fn measure(
        &mut self,
        cells: &[usize],
        registry: &Registry,
        options: &Options<'_>,
    ) -> Result<(), SweepError> {
        let asked_to_stop = || options.stop.is_some_and(|stop| stop.load(Ordering::Relaxed));
        let (over, end) = (AtomicBool::new(false), AtomicBool::new(false));
        let began = Instant::now();
        let mut here = *options;
        (here.jobs, here.stop) = (1, Some(&end));
        let ran = std::thread::scope(|scope| {
            scope.spawn(|| {
                while !over.load(Ordering::Relaxed) {
                    if asked_to_stop() || began.elapsed() >= costs::MEASURING {
                        end.store(true, Ordering::Relaxed);
                    }
                    std::thread::sleep(Duration::from_millis(10));
                }
            });
            let ran = self.sweep.run_some(cells, registry, &here);
            over.store(true, Ordering::Relaxed);
            ran
        });
        match ran {
            Err(SweepError::Run(SimError::Interrupted)) if !asked_to_stop() => Ok(()),
            ran => ran,
        }
    }

    fn submit(&mut self, cells: &[usize], tell: &mut dyn FnMut(Event)) -> Result<(), SweepError> {
        if cells.is_empty() {
            return Ok(());
        }
        let (plan, measured) = (self.plan, self.costs());
        let cost = |cell: &usize| measured.cost(plan, &plan.cells[*cell]);
        let known: Option<Vec<f64>> = cells.iter().map(cost).collect();
        // Where not one cell has ended in the time for measuring, each is taken to need that time.
        let unknown = || vec![costs::MEASURING.as_secs_f64(); cells.len()];
        let of_each = known.clone().unwrap_or_else(unknown);
        let total: f64 = of_each.iter().sum();
        let most = self.most_tasks.min(costs::MOST_TASKS);
        let jobs = self.request.jobs;
        let tasks = self.request.tasks.unwrap_or_else(|| costs::tasks(total, jobs, cells.len(), most));
        let parts = costs::cut(cells, &of_each, tasks);

        let dir = self.sweep.dir().to_path_buf();
        let mut job = Job::prepare(&dir, self.next, plan, &parts, &self.request)?;
        self.next += 1;
        let id = match client::submit(&job.script_path(&dir)) {
            Ok(id) => id,
            Err(error) => {
                // A controller that answers too late may have taken the job all the same.
                let Ok(Some(id)) = client::find(&job.name) else {
                    job.ended = true;
                    job.save(&dir)?;
                    return Err(error.into());
                };
                id
            }
        };
        tell(Event::Submitted {
            job: id.to_string(),
            tasks: job.tasks,
            cells: job.cells,
            task_s: known.map(|_| total / f64::from(job.tasks.max(1)) / f64::from(jobs.max(1))),
            script: job.script_path(&dir),
        });
        job.id = Some(id);
        job.save(&dir)?;
        self.expected.extend(cells.iter().map(|&cell| (plan.cells[cell].key, job.number)));
        self.jobs.push(Followed::new(job));
        Ok(())
    }

    /// Follows the jobs; true if each cell has a result, false if the jobs have ended before.
    fn follow(&mut self, options: &Options<'_>, tell: &mut dyn FnMut(Event)) -> Result<bool, SweepError> {
        let dir = self.sweep.dir().to_path_buf();
        let mut wait = ASK_FIRST;
        let (mut ask_at, mut look_at) = (Instant::now(), Instant::now());
        let (mut all_ended_at, mut unreachable): (Option<Instant>, bool) = (None, false);
        while !self.expected.is_empty() {
            if options.stop.is_some_and(|stop| stop.load(Ordering::Relaxed)) {
                return Err(SweepError::Run(SimError::Interrupted));
            }
            // First what runs, then what has ended: what is not in the queue any more has written its results before.
            if all_ended_at.is_none() && Instant::now() >= ask_at {
                match self.ask(tell) {
                    Ok(true) => unreachable = false,
                    Ok(false) => all_ended_at = Some(Instant::now()),
                    Err(error) => {
                        if !std::mem::replace(&mut unreachable, true) {
                            tell(Event::Unreachable { why: error.to_string() });
                        }
                    }
                }
                ask_at = Instant::now() + wait;
                wait = wait.mul_f64(1.5).min(ASK_LAST);
            }
            if Instant::now() >= look_at {
                let tasks: u32 = self.jobs.iter().map(|followed| followed.job.tasks).sum();
                self.look(&dir, options)?;
                look_at = Instant::now() + LOOK * (tasks / MANY).clamp(1, 30);
                if !self.expected.is_empty() && all_ended_at.is_some_and(|at| at.elapsed() >= SETTLE) {
                    break;
                }
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        for followed in &mut self.jobs {
            // Its last array task may be about to end; what follows does not depend on it.
            followed.job.ended = true;
            followed.job.save(&dir)?;
        }
        if self.expected.is_empty() {
            self.jobs.clear();
        }
        Ok(self.expected.is_empty())
    }

    /// Asks what of the jobs waits or runs; false if nothing does.
    fn ask(&mut self, tell: &mut dyn FnMut(Event)) -> Result<bool, SlurmError> {
        let mut any = false;
        for Followed { job, told, .. } in &mut self.jobs {
            let Some(id) = job.id.as_ref().filter(|_| !job.ended) else { continue };
            let queued = client::queue(id, &job.name)?;
            any |= !queued.is_empty();
            let now = Waiting::of(id.to_string(), &queued);
            if *told != now && !queued.is_empty() {
                tell(Event::Waiting(now.clone()));
                *told = now;
            }
        }
        Ok(any)
    }

    /// Reads what array tasks have written since.
    fn look(&mut self, dir: &Path, options: &Options<'_>) -> Result<(), SweepError> {
        let names = names(dir)?;
        for Followed { job, read, .. } in &mut self.jobs {
            let prefix = job.journals(dir);
            for name in names.iter().filter(|name| name.starts_with(&prefix)) {
                let (path, mut found) = (dir.join(name), Found::default());
                let from = read.entry(name.clone()).or_default();
                *from = found.read(&path, *from).map_err(|source| SweepError::io(&path, "read", source))?;
                for (key, recorded) in found.cells {
                    let came = self.expected.get(&key) == Some(&job.number);
                    if came {
                        self.expected.remove(&key);
                        self.sweep.take(key, recorded);
                        if let Some(ended) = options.ended {
                            ended.fetch_add(1, Ordering::Relaxed);
                        }
                    }
                }
            }
        }
        Ok(())
    }
}

impl Followed {
    fn new(job: Job) -> Self {
        Self { job, told: Waiting::default(), read: HashMap::new() }
    }
}

impl Waiting {
    fn of(job: String, queued: &[Queued]) -> Self {
        let waiting = queued.iter().filter(|task| task.waits).count();
        let mut reasons: Vec<String> = Vec::new();
        for task in queued.iter().filter(|task| task.waits) {
            let known = task.reason == "None" || reasons.contains(&task.reason);
            if !known {
                reasons.push(task.reason.clone());
            }
        }
        Self { job, running: queued.len() - waiting, waiting, reasons }
    }
}
