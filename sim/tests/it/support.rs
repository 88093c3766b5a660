//! Scenarios from text, runs of them, and what the runs leave behind.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};

use cloudai_schedulers::{Cluster, Placement, Registry, Scheduler, WorkerId, WorkerState};
use cloudai_sim::bounds::Bounds;
use cloudai_sim::observers::Attempt;
use cloudai_sim::observers::Observer;
use cloudai_sim::observers::assignments::Assignments;
use cloudai_sim::observers::checker::Checker;
use cloudai_sim::observers::gantt::Gantt;
use cloudai_sim::observers::metrics::MetricsObserver;
use cloudai_sim::observers::timeline::TimelineObserver;
use cloudai_sim::result::{CdfPoint, GanttBar, Metrics, Timeline};
use cloudai_sim::{Hooks, RunStats, SimError, run};
use cloudai_workloads::{Location, Scenario, Settings};
use tempfile::TempDir;

/// Microseconds in a second.
pub(crate) const S: u64 = 1_000_000;

/// One worker of one core.
pub(crate) const ONE: &str = "worker_id,total_cpu,total_memory,total_storage,total_gpu\nw0,1,64,1000,0\n";

/// One worker of four cores.
pub(crate) const FOUR: &str = "worker_id,total_cpu,total_memory,total_storage,total_gpu\nw0,4,64,1000,0\n";

/// Two workers of one core.
pub(crate) const TWO: &str =
    "worker_id,total_cpu,total_memory,total_storage,total_gpu\nw0,1,64,1000,0\nw1,1,64,1000,0\n";

/// A scenario in a folder of its own, and the settings to run it under.
#[derive(Debug)]
pub(crate) struct Case {
    pub(crate) scenario: Scenario,
    pub(crate) settings: Settings,
    folder: TempDir,
    files: AtomicU32,
}

impl Case {
    /// A scenario of these files.
    pub(crate) fn of(files: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in files {
            std::fs::write(folder.path().join(name), text).unwrap();
        }
        let scenario = Scenario::check(&Location::Folder(folder.path().to_owned()))
            .unwrap_or_else(|problems| panic!("{problems}"));
        Self::at(scenario, folder)
    }

    /// A scenario that was read already; the folder is for what runs of it write.
    pub(crate) fn at(scenario: Scenario, folder: TempDir) -> Self {
        let settings = scenario.settings.clone();
        Self { scenario, settings, folder, files: AtomicU32::new(0) }
    }

    /// A scenario of these workers and these tasks: a header with the columns behind the id, then a row a task, all
    /// separated by spaces.
    pub(crate) fn new(workers: &str, tasks: &[&str]) -> Self {
        Self::of(&[("workers.csv", workers), ("tasks.csv", &table("task_id", tasks))])
    }

    /// The same under another setting.
    pub(crate) fn set(mut self, key: &str, value: &str) -> Self {
        self.settings.set(key, value).unwrap();
        self
    }

    /// Runs a registered strategy to the end.
    pub(crate) fn run(&self, spec: &str) -> Outcome {
        let mut strategy = Registry::builtin().build(&spec.parse().unwrap()).unwrap();
        self.try_run(spec, strategy.as_mut(), Hooks::default())
            .unwrap_or_else(|error| panic!("{spec}: {error}"))
    }

    /// Runs a registered strategy to the end, for its rows alone.
    pub(crate) fn rows(&self, spec: &str) -> Vec<Row> {
        let mut strategy = Registry::builtin().build(&spec.parse().unwrap()).unwrap();
        let file = self.next_file();
        let mut observer = Assignments::create(&file, &self.scenario.workers).unwrap();
        run(&self.scenario, &self.settings, spec, strategy.as_mut(), &mut observer, Hooks::default())
            .unwrap();
        rows(&std::fs::read_to_string(file).unwrap())
    }

    fn next_file(&self) -> PathBuf {
        let number = self.files.fetch_add(1, Ordering::Relaxed);
        self.folder.path().join(format!("assignments-{number}.csv"))
    }

    /// Runs a strategy to the end.
    pub(crate) fn play(&self, strategy: &mut dyn Scheduler) -> Outcome {
        self.try_run("test", strategy, Hooks::default()).unwrap()
    }

    /// Runs a strategy that does not get to the end.
    pub(crate) fn fails(&self, strategy: &mut dyn Scheduler) -> String {
        self.try_run("test", strategy, Hooks::default()).unwrap_err().to_string()
    }

    /// Runs a strategy under every observer that there is.
    pub(crate) fn try_run(
        &self,
        spec: &str,
        strategy: &mut dyn Scheduler,
        hooks: Hooks<'_>,
    ) -> Result<Outcome, SimError> {
        let file = self.next_file();
        let (scenario, settings) = (&self.scenario, &self.settings);
        let summary =
            (MetricsObserver::new(scenario, settings), Assignments::create(&file, &scenario.workers)?);
        let pictures = (TimelineObserver::new(&scenario.workers, scenario.first_arrival), Gantt::default());
        let mut observer = ((summary, pictures), (Recorder::default(), Checker));
        let stats = run(scenario, settings, spec, strategy, &mut observer, hooks)?;
        let (((metrics, _), (timeline, gantt)), (recorder, Checker)) = observer;
        let text = std::fs::read_to_string(&file).unwrap();
        Ok(Outcome {
            rows: rows(&text),
            text,
            attempts: recorder.attempts,
            changes: recorder.changes,
            metrics: metrics.metrics(spec),
            ran_everything: metrics.ran_everything(),
            cdf: metrics.wait_cdf(),
            timeline: timeline.into_timeline(),
            gantt: gantt.into_bars(),
            bounds: Bounds::of(scenario, settings).unwrap(),
            stats,
        })
    }
}

/// A CSV file of rows whose cells are separated by spaces; `-` is an empty cell. `id` is the first column.
pub(crate) fn table(id: &str, rows: &[&str]) -> String {
    let mut text = String::new();
    for (at, row) in rows.iter().enumerate() {
        let cells: Vec<&str> =
            row.split_whitespace().map(|cell| if cell == "-" { "" } else { cell }).collect();
        if at == 0 && !id.is_empty() {
            text.push_str(id);
            text.push(',');
        }
        text.push_str(&cells.join(","));
        text.push('\n');
    }
    text
}

/// Everything that a run leaves behind.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) rows: Vec<Row>,
    /// `assignments.csv`.
    pub(crate) text: String,
    /// Every attempt that ended, in the order in which they did.
    pub(crate) attempts: Vec<Seen>,
    /// Changes of workers: microseconds, worker, the new state.
    pub(crate) changes: Vec<(u64, u32, WorkerState)>,
    pub(crate) metrics: Metrics,
    pub(crate) ran_everything: bool,
    pub(crate) cdf: Vec<CdfPoint>,
    pub(crate) timeline: Timeline,
    pub(crate) gantt: Vec<GanttBar>,
    pub(crate) bounds: Bounds,
    pub(crate) stats: RunStats,
}

impl Outcome {
    /// The rows in short: `a.1 w0 0-10 completed`.
    pub(crate) fn shown(&self) -> Vec<String> {
        self.rows.iter().map(ToString::to_string).collect()
    }

    /// The last row of a task.
    pub(crate) fn last(&self, task: &str) -> &Row {
        self.rows.iter().rev().find(|row| row.task == task).unwrap()
    }
}

/// A row of `assignments.csv`; times in microseconds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Row {
    pub(crate) task: String,
    pub(crate) worker: String,
    pub(crate) devices: String,
    pub(crate) attempt: u32,
    pub(crate) arrival: u64,
    pub(crate) start: Option<u64>,
    pub(crate) end: Option<u64>,
    pub(crate) wait: Option<u64>,
    pub(crate) status: String,
}

impl std::fmt::Display for Row {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let time = |time: Option<u64>| time.map_or("?".to_owned(), seconds);
        let Self { task, worker, attempt, status, .. } = self;
        write!(f, "{task}.{attempt} {worker} {}-{} {status}", time(self.start), time(self.end))
    }
}

#[expect(clippy::cast_precision_loss, reason = "for messages")]
fn seconds(micros: u64) -> String {
    (micros as f64 / 1e6).to_string()
}

/// Seconds in a file as microseconds; the file has at most six decimals and no trailing zeros.
pub(crate) fn micros(text: &str) -> u64 {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    assert!(fraction.len() <= 6 && !fraction.ends_with('0') && !text.ends_with('.'), "{text}");
    let fraction = if fraction.is_empty() { 0 } else { format!("{fraction:0<6}").parse().unwrap() };
    whole.parse::<u64>().unwrap() * S + fraction
}

fn rows(text: &str) -> Vec<Row> {
    let mut lines = text.lines();
    let header = "task_id,worker_id,gpu_devices,attempt,arrival_s,start_s,end_s,wait_s,status";
    assert_eq!(lines.next(), Some(header));
    let row = |line: &str| {
        let cells: Vec<&str> = line.split(',').collect();
        let [task, worker, devices, attempt, arrival, start, end, wait, status] = cells[..] else {
            panic!("{line}")
        };
        let time = |cell: &str| (!cell.is_empty()).then(|| micros(cell));
        Row {
            task: task.to_owned(),
            worker: worker.to_owned(),
            devices: devices.to_owned(),
            attempt: attempt.parse().unwrap(),
            arrival: micros(arrival),
            start: time(start),
            end: time(end),
            wait: time(wait),
            status: status.to_owned(),
        }
    };
    lines.map(row).collect()
}

/// An attempt as observers are told of it.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) task: String,
    pub(crate) attempt: u32,
    pub(crate) placement: Placement,
    pub(crate) assigned: u64,
    pub(crate) start: Option<u64>,
    pub(crate) end: u64,
    pub(crate) lost: u64,
    pub(crate) overhead: u64,
}

#[derive(Debug, Default)]
struct Recorder {
    attempts: Vec<Seen>,
    changes: Vec<(u64, u32, WorkerState)>,
}

impl Observer for Recorder {
    fn worker_changed(&mut self, worker: WorkerId, cluster: &Cluster) {
        let state = cluster.view().worker(worker).unwrap().state();
        self.changes.push((cluster.now().micros(), worker.0, state));
    }

    fn attempt_ended(&mut self, attempt: &Attempt<'_>) -> Result<(), SimError> {
        self.attempts.push(Seen {
            task: attempt.name.to_owned(),
            attempt: attempt.attempt,
            placement: attempt.placement.clone(),
            assigned: attempt.assigned.micros(),
            start: attempt.start.map(cloudai_schedulers::Time::micros),
            end: attempt.end.micros(),
            lost: attempt.lost.micros(),
            overhead: attempt.overhead.micros(),
        });
        Ok(())
    }
}

/// Equal up to the rounding of floating point.
pub(crate) fn close(a: f64, b: f64, tolerance: f64) -> bool {
    (a - b).abs() <= tolerance * a.abs().max(b.abs()).max(1e-9)
}
