//! Importing the Alibaba GPU cluster trace of 2023 ("openb"; Weng et al., ATC 2023, "Beware of Fragmentation").
//!
//! Nodes become workers with their ids and GPU models. A pod asks for `num_gpu` whole devices, or for `gpu_milli` / 1000
//! of one; memory keeps its MiB exactly; storage is left out.

use std::io::Write;
use std::path::{Path, PathBuf};

use cloudai_schedulers::model::{
    Capacity, Constraint, Duration, GpuRequest, MAX_GPUS_PER_WORKER, MILLI_PER_GPU, Request, TaskSpec, Time,
    WorkerSpec,
};

use crate::columns::{nodes, pods};
use crate::decimal::Rounding;
use crate::folder::{NewFolder, in_memory};
use crate::location::Location;
use crate::problems::{FileProblems, Problems};
use crate::report::ImportReport;
use crate::sample::Sampler;
use crate::settings::to_toml;
use crate::shapes::Shapes;
use crate::source::Source;
use crate::table::{MAX_AMOUNT, Row, Table};
use crate::write::{TaskColumn, TaskRow, TaskWriter, write_workers};

/// How long a pod of the inflation protocol runs: 10^7 s, longer than pods arrive.
const INFLATED_RUN: Duration = Duration::from_secs(10_000_000);

/// The most tasks that an inflation writes.
const MOST_TASKS: usize = 100_000_000;

/// When pods arrive and how long they run.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Arrivals {
    /// As in the trace: arrival = creation - first creation; duration = deletion - (scheduled, else creation), 0
    /// becomes 1 s.
    #[default]
    Trace,
    /// The inflation protocol: all pods, shuffled, then draws with replacement until the GPU demand reaches
    /// `target` x the capacity. One arrives each second and runs for 10^7 s; one that does not fit is rejected
    /// (the scenario says `on_full = "reject"`). The nodes are shuffled, too: many policies tie often and take the
    /// lowest index then, and with the nodes in the order of the list, model by model, it would show (the paper's
    /// artifact renames the nodes at random for the same end).
    Inflate {
        /// GPU demand over GPU capacity, above 0; the paper has 1.3.
        target: f64,
        /// Decides orders and draws.
        seed: u64,
    },
}

/// Writes the trace as a scenario into the new folder `out`.
///
/// # Errors
///
/// [`Problems`] if a file cannot be read or understood, no pod can be kept, the target of the inflation is not above
/// 0 or cannot be reached, or if `out` is there already and not empty or cannot be written.
pub fn import(nodes: &Path, pods: &Path, arrivals: Arrivals, out: &Path) -> Result<ImportReport, Problems> {
    let folder = NewFolder::create(out)?;
    let trace = Trace::read(nodes, pods)?;
    let imported = trace.arrive(arrivals)?;
    folder.write("workers.csv", |file| write_workers(file, &imported.workers))?;
    folder.write("tasks.csv", |file| write_pods(file, &imported.pods))?;
    let settings = imported.settings(&file_name(out));
    folder.write("scenario.toml", |file| file.write_all(settings.as_bytes()))?;
    folder.finish().map(|()| imported.report)
}

/// The two lists, read once, to make scenarios of them in memory as often as needed.
#[derive(Clone, Debug)]
pub struct Trace {
    nodes: PathBuf,
    pods: PathBuf,
    workers: Vec<WorkerSpec>,
    /// Those that fit some node.
    kept: Vec<Pod>,
    report: ImportReport,
    hashes: [String; 2],
}

/// A trace with arrivals.
struct Imported<'a> {
    trace: &'a Trace,
    workers: Vec<WorkerSpec>,
    pods: Vec<Pod>,
    report: ImportReport,
    arrivals: Arrivals,
}

impl Trace {
    /// Reads the lists of nodes and pods.
    ///
    /// # Errors
    ///
    /// [`Problems`] if a file cannot be read or understood.
    pub fn read(nodes: &Path, pods: &Path) -> Result<Self, Problems> {
        let (node_list, pod_list) = (Source::new(nodes)?, Source::new(pods)?);
        let workers = read_nodes(&node_list)?;
        let (mut kept, mut report) = (Vec::new(), ImportReport::default());
        let shapes = Shapes::new(&workers);
        for pod in read_pods(&pod_list, &mut report)? {
            let spec = TaskSpec { request: pod.request, replicas: 1, ..TaskSpec::default() };
            if shapes.fits_somewhere(&spec, &pod.constraint) {
                kept.push(pod);
            } else {
                report.drop_task("fits no node");
            }
        }
        let hashes = [node_list.sha256()?, pod_list.sha256()?];
        Ok(Self { nodes: nodes.to_path_buf(), pods: pods.to_path_buf(), workers, kept, report, hashes })
    }

    /// The content of the files that [`import`] writes into a folder of this name, in memory.
    ///
    /// # Errors
    ///
    /// [`Problems`] if no pod can be kept, or if the target of the inflation is not above 0 or cannot be reached.
    pub fn location(&self, arrivals: Arrivals, name: &str) -> Result<Location, Problems> {
        let imported = self.arrive(arrivals)?;
        let workers = in_memory(|file| write_workers(file, &imported.workers));
        let tasks = in_memory(|file| write_pods(file, &imported.pods));
        Ok(Location::text(tasks, workers).with_settings(imported.settings(name)))
    }

    /// SHA-256, in hexadecimal, of the list of nodes and of that of pods.
    #[must_use]
    pub const fn hashes(&self) -> &[String; 2] {
        &self.hashes
    }

    /// Number of pods that fit some node.
    #[must_use]
    pub fn pods(&self) -> usize {
        self.kept.len()
    }

    /// Number of nodes.
    #[must_use]
    pub fn nodes(&self) -> usize {
        self.workers.len()
    }

    fn arrive(&self, arrivals: Arrivals) -> Result<Imported<'_>, Problems> {
        let (mut workers, mut report) = (self.workers.clone(), self.report.clone());
        let pods = match arrivals {
            Arrivals::Trace => keep_timed(self.kept.clone(), &mut report),
            Arrivals::Inflate { target, seed } => {
                let inflated = inflate(&self.kept, &workers, target, seed);
                let inflated = inflated.map_err(|message| Problems::file(&self.pods, message))?;
                Sampler::new(seed, "openb-inflate-nodes").shuffle(&mut workers);
                inflated
            }
        };
        if pods.is_empty() {
            return Err(Problems::file(&self.pods, format!("has no pod to keep ({report})")));
        }
        report.kept = pods.len() as u64;
        Ok(Imported { trace: self, workers, pods, report, arrivals })
    }
}

impl Imported<'_> {
    /// The text of `scenario.toml`.
    fn settings(&self, name: &str) -> String {
        let how = match self.arrivals {
            Arrivals::Trace => "trace".to_owned(),
            Arrivals::Inflate { target, seed } => format!("inflate --target {target} --seed {seed}"),
        };
        let source = format!(
            "cloudai import openb --nodes {} --pods {} --arrivals {how} --out {name}\n{}\n",
            file_name(&self.trace.nodes),
            file_name(&self.trace.pods),
            self.report
        );
        let mut settings = vec![("name", name), ("source", source.as_str())];
        if matches!(self.arrivals, Arrivals::Inflate { .. }) {
            settings.push(("on_full", "reject"));
        }
        to_toml(&settings)
    }
}

fn file_name(path: &Path) -> String {
    path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}

/// A pod of the list.
#[derive(Clone, Debug)]
struct Pod {
    name: String,
    request: Request,
    constraint: Constraint,
    creation: u64,
    scheduled: Option<u64>,
    deletion: Option<u64>,
    /// Microseconds; 0 until they are known.
    arrival: u64,
    duration: Duration,
}

fn read_nodes(source: &Source) -> Result<Vec<WorkerSpec>, Problems> {
    let mut problems = FileProblems::new(&source.path);
    let mut table = Table::open(source, &nodes::COLUMNS)?;
    let mut workers = Vec::new();
    while let Some(mut row) = table.next(&mut problems)? {
        let mut whole = |column, max| row.number(column, 1, Rounding::Exact, max).unwrap_or(0);
        let (cpu_milli, memory_mib) = (whole(nodes::CPU, MAX_AMOUNT), whole(nodes::MEMORY, MAX_AMOUNT));
        let gpus = whole(nodes::GPU, u64::from(MAX_GPUS_PER_WORKER));
        #[expect(clippy::cast_possible_truncation, reason = "at most MAX_GPUS_PER_WORKER")]
        let capacity = Capacity { cpu_milli, memory_mib, storage_mib: 0, gpus: gpus as u32 };
        let (name, model) = (row.text(nodes::NAME).to_owned(), row.text(nodes::MODEL));
        let gpu_model = (!model.is_empty()).then(|| model.to_owned());
        workers.push(WorkerSpec { name, capacity, gpu_model, ..WorkerSpec::default() });
    }
    if workers.is_empty() && problems.count() == 0 {
        problems.whole("has no nodes; expected at least one row");
    }
    problems.into_result().map(|()| workers)
}

fn read_pods(source: &Source, report: &mut ImportReport) -> Result<Vec<Pod>, Problems> {
    let mut problems = FileProblems::new(&source.path);
    let mut table = Table::open(source, &pods::COLUMNS)?;
    let mut list = Vec::new();
    while let Some(mut row) = table.next(&mut problems)? {
        report.read += 1;
        let mut whole = |column, max| row.number(column, 1, Rounding::Exact, max).unwrap_or(0);
        let (cpu_milli, memory_mib) = (whole(pods::CPU, MAX_AMOUNT), whole(pods::MEMORY, MAX_AMOUNT));
        let gpu = gpu(&mut row, report);
        let models = row.text(pods::MODELS).split('|').map(str::trim).filter(|model| !model.is_empty());
        let gpu_models = models.map(str::to_owned).collect();
        list.push(Pod {
            name: row.text(pods::NAME).to_owned(),
            request: Request { cpu_milli, memory_mib, storage_mib: 0, gpu },
            constraint: Constraint { gpu_models, ..Constraint::default() },
            creation: row.micros(pods::CREATION).unwrap_or(0),
            scheduled: row.micros(pods::SCHEDULED),
            deletion: row.micros(pods::DELETION),
            arrival: 0,
            duration: Duration::ZERO,
        });
    }
    problems.into_result().map(|()| list)
}

/// Whole devices, or a part of one.
fn gpu(row: &mut Row<'_>, report: &mut ImportReport) -> GpuRequest {
    let devices = row.number(pods::GPUS, 1, Rounding::Exact, u64::from(MAX_GPUS_PER_WORKER)).unwrap_or(0);
    let milli = row.number(pods::GPU_MILLI, 1, Rounding::Exact, u64::from(MILLI_PER_GPU)).unwrap_or(0);
    if devices > 1 && milli < u64::from(MILLI_PER_GPU) {
        report.change_task("parts of several GPUs became whole ones");
    }
    let asked = if devices == 1 { milli } else { devices * u64::from(MILLI_PER_GPU) };
    GpuRequest::from_milli(asked).unwrap_or_default() // in range: at most 64 devices, or a part of one
}

/// Gives pods the times of the trace; those without an end are dropped.
fn keep_timed(mut kept: Vec<Pod>, report: &mut ImportReport) -> Vec<Pod> {
    let first = kept.iter().map(|pod| pod.creation).min().unwrap_or(0);
    kept.retain_mut(|pod| {
        let Some(deletion) = pod.deletion else {
            report.drop_task("no deletion time");
            return false;
        };
        let Some(run) = deletion.checked_sub(pod.scheduled.unwrap_or(pod.creation)) else {
            report.drop_task("deleted before it was scheduled");
            return false;
        };
        if run == 0 {
            report.change_task("duration 0 became 1 s");
        }
        pod.arrival = pod.creation - first;
        pod.duration = if run == 0 { Duration::from_secs(1) } else { Duration::from_micros(run) };
        true
    });
    kept.sort_by_key(|pod| pod.arrival);
    kept
}

/// The inflation protocol.
fn inflate(pods: &[Pod], workers: &[WorkerSpec], target: f64, seed: u64) -> Result<Vec<Pod>, String> {
    if !target.is_finite() || target <= 0.0 {
        return Err(format!("a target of {target}: expected a number above 0"));
    }
    let capacity: u64 = workers.iter().map(|worker| worker.capacity.gpu_milli()).sum();
    #[expect(clippy::cast_precision_loss, reason = "far below 2^53")]
    let wanted = target * capacity as f64;
    let gpu = |pod: &Pod| u64::from(pod.request.gpu.milli());
    let mut demand: u64 = pods.iter().map(gpu).sum();
    if demand == 0 || capacity == 0 {
        return Err("no pod or no node has GPUs; expected some to inflate to the target".to_owned());
    }
    let mut sampler = Sampler::new(seed, "openb-inflate");
    let mut drawn = pods.to_vec();
    sampler.shuffle(&mut drawn);
    let mut copies = vec![0u32; pods.len()];
    #[expect(clippy::cast_precision_loss, reason = "far below 2^53")]
    while (demand as f64) < wanted {
        let number = sampler.below(pods.len());
        copies[number] += 1;
        let name = format!("{}-copy-{}", pods[number].name, copies[number]);
        demand += gpu(&pods[number]);
        drawn.push(Pod { name, ..pods[number].clone() });
        if drawn.len() > MOST_TASKS {
            return Err(format!("a target of {target} asks for more than 10^8 tasks; expected less"));
        }
    }
    for (second, pod) in (0u64..).zip(&mut drawn) {
        pod.arrival = second * 1_000_000;
        pod.duration = INFLATED_RUN;
    }
    Ok(drawn)
}

fn write_pods(file: impl Write, pods: &[Pod]) -> std::io::Result<()> {
    let columns = [
        TaskColumn::CpuCores,
        TaskColumn::MemoryGb,
        TaskColumn::StorageGb,
        TaskColumn::GpuCores,
        TaskColumn::GpuModel,
    ];
    let mut writer = TaskWriter::new(file, &columns)?;
    for pod in pods {
        writer.write(&TaskRow {
            task_id: &pod.name,
            arrival: Time::from_micros(pod.arrival),
            duration: pod.duration,
            request: pod.request,
            constraint: Some(&pod.constraint),
            ..TaskRow::default()
        })?;
    }
    writer.finish()
}
