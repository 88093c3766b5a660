//! Running the cells: who runs what when, within the memory that there is.

use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Instant;

use cloudai_schedulers::Registry;
use cloudai_workloads::Problems;

use super::SweepError;
use super::journal::{self, Found, Journal, Recorded};
use super::part::Part;
use super::place::{Place, Shard};
use super::plan::{Cell, CellKey, Plan};
use super::table::{Outcome, Table};
use super::workload::{Estimate, NotPrepared, Prepared, Ran};
use crate::engine::Hooks;
use crate::error::SimError;

/// Memory for workloads and runs unless the experiment says otherwise, in MiB.
pub const MEMORY_MIB: u64 = 4096;

/// So many cells are looked at for one that can begin at once.
const NEAR: usize = 64;

/// How a sweep is run. The default is one run at a time.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Options<'a> {
    /// Cells that run at the same time.
    pub jobs: usize,
    /// Memory that workloads and runs may take together, in MiB; `None`: as the experiment says, else [`MEMORY_MIB`].
    pub memory_mib: Option<u64>,
    /// Ends the sweep when it becomes true: what runs is given up, and what has ended is kept.
    pub stop: Option<&'a AtomicBool>,
    /// Counts cells that have ended.
    pub ended: Option<&'a AtomicU64>,
}

impl Default for Options<'_> {
    fn default() -> Self {
        Self { jobs: 1, memory_mib: None, stop: None, ended: None }
    }
}

/// How far a sweep is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Status {
    /// Cells of the experiment.
    pub cells: usize,
    /// Those that are skipped, as their strategies do not support them.
    pub skipped: usize,
    /// Those of which the journals know the outcome.
    pub kept: usize,
    /// Those that are left to run here: in this shard, if it is one.
    pub left: usize,
    /// Outcomes in the journals that are of no cell of this experiment.
    pub foreign: usize,
    /// Torn lines in the journals, and lines of other versions.
    pub dropped: u64,
}

/// A sweep in its folder.
#[derive(Debug)]
pub struct Sweep<'a> {
    plan: &'a Plan,
    place: Place,
    found: Found,
    status: Status,
    /// Numbers of the cells to run, each key once.
    left: Vec<usize>,
}

impl<'a> Sweep<'a> {
    /// Opens the folder of a sweep and sees what is there already. With `retry`, cells that failed run again.
    ///
    /// # Errors
    /// [`SweepError`]: the folder holds something else, another process works there, or it cannot be read or written.
    pub fn open(plan: &'a Plan, dir: &Path, shard: Option<Shard>, retry: bool) -> Result<Self, SweepError> {
        let place = Place::open(dir, shard.map(Shard::member))?;
        let found = place.read()?;
        Ok(Self::new(plan, place, found, retry, |number, _| shard.is_none_or(|shard| shard.has(number))))
    }

    /// Opens the folder as a member that runs a part of the cells: those that a list gives it. It reads no journal but its own.
    ///
    /// # Errors
    /// [`SweepError`]: as [`Sweep::open`]; or the list has cells that are not of the plan.
    pub fn open_part(plan: &'a Plan, dir: &Path, part: &Part) -> Result<Self, SweepError> {
        part.check(plan)?;
        let place = Place::open(dir, Some(part.member()))?;
        let found = place.read_own()?;
        Ok(Self::new(plan, place, found, false, |_, cell| part.has(cell.key)))
    }

    /// Opens the folder as a member of this name, to which every cell belongs.
    pub(super) fn open_as(plan: &'a Plan, dir: &Path, member: &str, retry: bool) -> Result<Self, SweepError> {
        let place = Place::open(dir, Some(member.to_owned()))?;
        let found = place.read()?;
        Ok(Self::new(plan, place, found, retry, |_, _| true))
    }

    fn new(
        plan: &'a Plan,
        place: Place,
        mut found: Found,
        retry: bool,
        mine: impl Fn(usize, &Cell) -> bool,
    ) -> Self {
        if retry {
            found.cells.retain(|_, recorded| !matches!(recorded.outcome, Outcome::Failed(_)));
        }
        let mut status = Status { cells: plan.cells.len(), dropped: found.dropped, ..Status::default() };
        let (mut left, mut met) = (Vec::new(), HashMap::new());
        for (number, cell) in plan.cells.iter().enumerate() {
            if plan.skipped(cell).is_some() {
                status.skipped += 1;
            } else if met.insert(cell.key, ()).is_some() {
                // The same run under another name: one is enough.
                status.kept += usize::from(found.cells.contains_key(&cell.key));
            } else if found.cells.contains_key(&cell.key) {
                status.kept += 1;
            } else if mine(number, cell) {
                left.push(number);
            }
        }
        status.left = left.len();
        status.foreign = found.cells.keys().filter(|key| !met.contains_key(key)).count();
        Self { plan, place, found, status, left }
    }

    /// Numbers of the cells that are left to run here, each key once, in order.
    pub(super) fn left(&self) -> &[usize] {
        &self.left
    }

    /// Takes in what another process has recorded.
    pub(super) fn take(&mut self, key: CellKey, recorded: Recorded) {
        self.found.cells.insert(key, recorded);
    }

    /// The folder.
    pub(super) fn dir(&self) -> &Path {
        self.place.dir()
    }

    /// How far it was when it was opened.
    #[must_use]
    pub const fn status(&self) -> Status {
        self.status
    }

    /// What the journals say of a cell.
    #[must_use]
    pub fn recorded(&self, cell: &Cell) -> Option<&Recorded> {
        self.found.cells.get(&cell.key)
    }

    /// Runs what is left. Each cell is recorded in the journal as it ends.
    ///
    /// # Errors
    /// [`SweepError`]: it was interrupted, a workload or the journal could not be read or written. What has ended is kept.
    pub fn run(&mut self, registry: &Registry, options: &Options<'_>) -> Result<(), SweepError> {
        let cells = std::mem::take(&mut self.left);
        self.run_some(&cells, registry, options)
    }

    /// Runs these cells.
    pub(super) fn run_some(
        &mut self,
        cells: &[usize],
        registry: &Registry,
        options: &Options<'_>,
    ) -> Result<(), SweepError> {
        let path = self.place.journal();
        let failed = |source| SweepError::io(&path, "write", source);
        if cells.is_empty() {
            // A line that was torn after all cells had ended would stand there, and be told of, for ever.
            return Journal::mend(&path).map_err(failed);
        }
        let journal = Journal::open(&path).map_err(failed)?;
        let limit = options.memory_mib.or(self.plan.memory_mib).unwrap_or(MEMORY_MIB) << 20;
        let run = Run {
            plan: self.plan,
            registry,
            options,
            desk: Mutex::new(Desk::new(self.plan, cells, limit)),
            freed: Condvar::new(),
            records: Mutex::new(Records { journal, path: &path, cells: HashMap::new(), error: None }),
            failed: AtomicBool::new(false),
        };
        let jobs = options.jobs.clamp(1, cells.len());
        let pool = rayon::ThreadPoolBuilder::new().num_threads(jobs).build();
        let pool = pool.map_err(|error| SweepError::io(&path, "run", std::io::Error::other(error)))?;
        pool.broadcast(|_| run.work());
        let mut records = run.records.into_inner().unwrap_or_else(PoisonError::into_inner);
        let synced = records.journal.sync().map_err(failed);
        self.found.cells.extend(records.cells);
        records.error.map_or(synced, Err)
    }

    /// The table, if every cell has an outcome; it is then in `results.csv`, too. What other shards have recorded meanwhile
    /// counts.
    ///
    /// # Errors
    /// [`SweepError`]: journals cannot be read, or results cannot be written.
    pub fn finish(mut self) -> Result<Option<Table>, SweepError> {
        let mut table = self.table();
        if table.is_none() {
            self.found = self.place.read()?;
            table = self.table();
        }
        if let Some(table) = &table {
            self.place.write(table)?;
        }
        Ok(table)
    }

    fn table(&self) -> Option<Table> {
        self.plan.fill(|cell| Some(self.found.cells.get(&cell.key)?.outcome.clone()))
    }
}

/// Everything that the threads of a run share.
struct Run<'a> {
    plan: &'a Plan,
    registry: &'a Registry,
    options: &'a Options<'a>,
    desk: Mutex<Desk>,
    /// Memory was freed.
    freed: Condvar,
    records: Mutex<Records<'a>>,
    /// Nobody takes a further cell.
    failed: AtomicBool,
}

/// Hands out cells in order, as memory allows, and so that no thread waits for what another one prepares.
struct Desk {
    /// Numbers of cells, the next one last.
    waiting: Vec<usize>,
    /// Workloads in use, with the cells left of each.
    workloads: HashMap<usize, Slot>,
    /// Cells left of each workload, and of each scenario.
    of_workload: HashMap<usize, usize>,
    of_scenario: HashMap<usize, usize>,
    running: usize,
    used: u64,
    limit: u64,
}

type Ready = Arc<OnceLock<Result<Prepared, NotPrepared>>>;

struct Slot {
    ready: Ready,
    estimate: Estimate,
}

/// A cell to run.
struct Job {
    cell: usize,
    ready: Ready,
    estimate: Estimate,
}

struct Records<'a> {
    journal: Journal,
    path: &'a Path,
    cells: HashMap<CellKey, Recorded>,
    error: Option<SweepError>,
}

impl Desk {
    fn new(plan: &Plan, cells: &[usize], limit: u64) -> Self {
        let (mut of_workload, mut of_scenario) = (HashMap::new(), HashMap::new());
        for &cell in cells {
            let workload = plan.cells[cell].workload;
            *of_workload.entry(workload).or_default() += 1;
            *of_scenario.entry(plan.workloads[workload].scenario).or_default() += 1;
        }
        let waiting = cells.iter().rev().copied().collect();
        Self { waiting, workloads: HashMap::new(), of_workload, of_scenario, running: 0, used: 0, limit }
    }

    /// Where the first cell stands that need not wait until another thread has prepared its workload, if one is near.
    fn ahead(&self, plan: &Plan) -> Option<usize> {
        let is_prepared =
            |workload| self.workloads.get(&workload).is_none_or(|slot| slot.ready.get().is_some());
        let near = self.waiting.len().saturating_sub(NEAR)..self.waiting.len();
        near.rev().find(|&at| is_prepared(plan.cells[self.waiting[at]].workload))
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Run<'_> {
    /// What each thread does.
    fn work(&self) {
        while let Some(job) = self.next() {
            let cell = &self.plan.cells[job.cell];
            let start = Instant::now();
            let outcome = self.run(cell, &job);
            let wall_s = start.elapsed().as_secs_f64();
            let kept = outcome.and_then(|ran| self.record(cell.key, &ran, wall_s));
            if let Err(error) = kept {
                // First the reason: who sees the flag alone takes it for an interruption.
                lock(&self.records).error.get_or_insert(error);
                self.failed.store(true, Ordering::Release);
            }
            self.give_back(&job);
        }
    }

    fn is_over(&self) -> bool {
        self.failed.load(Ordering::Acquire)
            || self.options.stop.is_some_and(|stop| stop.load(Ordering::Relaxed))
    }

    /// The next cell, as soon as there is memory for it. If nothing else runs there always is.
    fn next(&self) -> Option<Job> {
        let mut desk = lock(&self.desk);
        loop {
            if self.is_over() {
                lock(&self.records).error.get_or_insert(SweepError::Run(SimError::Interrupted));
                return None;
            }
            let next = desk.waiting.len().checked_sub(1)?;
            let job = desk.ahead(self.plan).and_then(|at| self.take(&mut desk, at));
            if let Some(job) = job.or_else(|| self.take(&mut desk, next)) {
                return Some(job);
            }
            desk = self.freed.wait(desk).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Takes the cell at `at` of those that wait, if there is memory for it.
    fn take(&self, desk: &mut Desk, at: usize) -> Option<Job> {
        let cell = desk.waiting[at];
        let workload = self.plan.cells[cell].workload;
        let known = desk.workloads.get(&workload).map(|slot| slot.estimate);
        let estimate =
            known.unwrap_or_else(|| self.plan.estimate(&self.plan.workloads[workload], desk.limit));
        let asked = estimate.run + if known.is_some() { 0 } else { estimate.held };
        if desk.running > 0 && desk.used + asked > desk.limit {
            return None;
        }
        desk.waiting.remove(at);
        desk.used += asked;
        desk.running += 1;
        let slot =
            desk.workloads.entry(workload).or_insert_with(|| Slot { ready: Ready::default(), estimate });
        Some(Job { cell, ready: Arc::clone(&slot.ready), estimate })
    }

    fn run(&self, cell: &Cell, job: &Job) -> Result<Ran, SweepError> {
        let workload = &self.plan.workloads[cell.workload];
        let hooks = Hooks { stop: self.options.stop, ..Hooks::default() };
        let attempt = || {
            let ready = job.ready.get_or_init(|| self.plan.prepare(workload, job.estimate.streams));
            match ready {
                Ok(prepared) => prepared.run(self.plan, cell, self.registry, hooks),
                Err(NotPrepared::Impossible(problems)) => {
                    // The table does not tell how the way to the experiment was written.
                    let folder = self.plan.file.parent().unwrap_or(Path::new(""));
                    Ok(Ran::Failed(problems.clone().seen_from(folder).to_string()))
                }
                Err(NotPrepared::Unreadable(problems)) => Err(Problems::clone(problems).into()),
            }
        };
        // A strategy that panics fails its cell, not the others; what it may have left half-done is its own.
        match catch_unwind(AssertUnwindSafe(attempt)) {
            Ok(ran) => Ok(ran?),
            Err(panic) => {
                let text = panic.downcast_ref::<String>().map(String::as_str);
                let text =
                    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("for no stated reason");
                Ok(Ran::Failed(format!("panicked: {text}")))
            }
        }
    }

    fn record(&self, key: CellKey, ran: &Ran, wall_s: f64) -> Result<(), SweepError> {
        let line = journal::line(key, ran, wall_s);
        // What is kept in memory is what a later reading would find.
        let read =
            line.as_ref().ok().and_then(|line| journal::read_line(line.trim_end_matches('\n').as_bytes()));
        let (Ok(line), Some((key, recorded))) = (line, read) else { return Err(SweepError::Journal { key }) };
        let mut records = lock(&self.records);
        let path = records.path;
        records.journal.append(&line).map_err(|source| SweepError::io(path, "write", source))?;
        records.cells.insert(key, recorded);
        if let Some(ended) = self.options.ended {
            ended.fetch_add(1, Ordering::Relaxed);
        }
        Ok(())
    }

    fn give_back(&self, job: &Job) {
        let mut desk = lock(&self.desk);
        desk.running -= 1;
        desk.used -= job.estimate.run;
        let workload = self.plan.cells[job.cell].workload;
        if count_down(&mut desk.of_workload, workload) {
            desk.workloads.remove(&workload);
            desk.used -= job.estimate.held;
        }
        let scenario = self.plan.workloads[workload].scenario;
        if count_down(&mut desk.of_scenario, scenario) {
            self.plan.scenarios[scenario].release();
        }
        drop(desk);
        self.freed.notify_all();
    }
}

/// True if that was the last one.
fn count_down(counts: &mut HashMap<usize, usize>, key: usize) -> bool {
    let left = counts.get_mut(&key).map(|count| {
        *count -= 1;
        *count
    });
    left == Some(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sweep::Design;

    const EXPERIMENT: &str = "
        strategies = ['fcfs', 'easy']
        seeds = '0..3'
        [[scenarios]]
        preset = 'uniform'
        tasks = 20
        workers = 2
    ";

    /// While a thread prepares a workload, others begin with the next one; of a prepared one they take what comes first.
    #[test]
    fn nobody_waits_for_a_workload_that_is_being_prepared() {
        let (registry, file) = (Registry::builtin(), Path::new("e.toml"));
        let plan = Plan::new(Design::parse(EXPERIMENT, file, &registry).unwrap(), file, &registry).unwrap();
        let cells: Vec<usize> = (0..plan.cells.len()).collect();
        let mut desk = Desk::new(&plan, &cells, u64::MAX);
        let workload = |desk: &Desk, at: usize| plan.cells[desk.waiting[at]].workload;
        let next = desk.waiting.len() - 1;
        assert_eq!(desk.ahead(&plan), Some(next));
        let first = workload(&desk, next);
        let estimate = plan.estimate(&plan.workloads[first], u64::MAX);
        desk.workloads.insert(first, Slot { ready: Ready::default(), estimate });
        let ahead = desk.ahead(&plan).unwrap();
        assert_ne!(workload(&desk, ahead), first);
        assert!((ahead + 1..=next).all(|at| workload(&desk, at) == first));
        let prepared = plan.prepare(&plan.workloads[first], estimate.streams);
        assert!(desk.workloads[&first].ready.set(prepared).is_ok());
        assert_eq!(desk.ahead(&plan), Some(next));
    }

    /// Why a cell failed names the scenario's file as from the experiment's folder, however one came there.
    #[test]
    fn the_table_is_the_same_by_every_way_to_the_experiment() {
        let folder = tempfile::tempdir().unwrap();
        let scenario = folder.path().join("narrow");
        std::fs::create_dir(&scenario).unwrap();
        std::fs::write(scenario.join("tasks.csv"), "task_id,arrival_s,duration_s,cpu_cores\na,0,1,8\n")
            .unwrap();
        let workers = "worker_id,total_cpu,total_memory,total_storage,total_gpu\nw0,4,8,8,0\nw1,8,8,8,0\n";
        std::fs::write(scenario.join("workers.csv"), workers).unwrap();
        let experiment = "strategies = ['fcfs']\n[[scenarios]]\nfolder = 'narrow'\nworkers = [1, 2]\n";
        let registry = Registry::builtin();
        let table = |way: &Path, out: &str| {
            let file = way.join("e.toml");
            let plan =
                Plan::new(Design::parse(experiment, &file, &registry).unwrap(), &file, &registry).unwrap();
            let mut sweep = Sweep::open(&plan, &folder.path().join(out), None, false).unwrap();
            sweep.run(&registry, &Options::default()).unwrap();
            sweep.finish().unwrap().unwrap();
            std::fs::read_to_string(folder.path().join(out).join("results.csv")).unwrap()
        };
        let (straight, around) = (table(folder.path(), "a"), table(&folder.path().join("narrow/.."), "b"));
        assert_eq!(straight, around);
        assert!(straight.contains("failed,\"narrow/tasks.csv: "), "{straight}");
    }

    /// Whatever a kill has left of the journal, the rest comes to the same table, and each cell stands in the journal once.
    #[test]
    fn a_journal_that_ends_anywhere_is_gone_on_with() {
        let (registry, file) = (Registry::builtin(), Path::new("e.toml"));
        let plan = Plan::new(Design::parse(EXPERIMENT, file, &registry).unwrap(), file, &registry).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let (journal, results) = (folder.path().join("journal.jsonl"), folder.path().join("results.csv"));
        let go_on = || {
            let mut sweep = Sweep::open(&plan, folder.path(), None, false).unwrap();
            sweep.run(&registry, &Options::default()).unwrap();
            let status = sweep.status();
            sweep.finish().unwrap().unwrap();
            (status, std::fs::read_to_string(&results).unwrap())
        };
        let calm = go_on().1;
        let whole = std::fs::read(&journal).unwrap();
        let ends: Vec<usize> = (1..=whole.len()).filter(|&end| whole[end - 1] == b'\n').collect();
        assert_eq!(ends.len(), plan.cells.len());
        let cuts = ends.iter().flat_map(|end| [end - 1, *end]).chain((0..whole.len()).step_by(211));
        for cut in cuts {
            for tail in ["", "0123456789abcdef {\"key\":\"77"] {
                std::fs::write(&journal, [&whole[..cut], tail.as_bytes()].concat()).unwrap();
                let (before, after) = (go_on(), go_on());
                let kept = ends.iter().filter(|&&end| end <= cut).count();
                let torn = !(tail.is_empty() && (cut == 0 || ends.contains(&cut)));
                assert_eq!((before.0.kept, before.0.dropped), (kept, u64::from(torn)), "{cut} {tail:?}");
                assert_eq!((before.1, after.1), (calm.clone(), calm.clone()), "{cut} {tail:?}");
                assert_eq!((after.0.left, after.0.dropped), (0, 0), "{cut} {tail:?}");
                let text = std::fs::read_to_string(&journal).unwrap();
                assert_eq!(text.lines().count(), plan.cells.len(), "{cut} {tail:?}");
            }
        }
    }
}
