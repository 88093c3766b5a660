//! Importing workflows in the WfFormat of `WfCommons` (Coleman, Casanova, Pottier, Kaushik, Deelman, Ferreira da Silva
//! 2022, "WfCommons: A Framework for Enabling Scientific Workflow Research and Development").
//!
//! A file is one workflow: all its tasks arrive at 0. Parents and children become edges. The files that a parent writes
//! and a child reads take their size over a stated bandwidth to reach another machine. Run times are nominal, whatever
//! machine they were measured on: clock rates are not taken for speeds. Machines become workers.
//!
//! - `format.rs`: the shapes of the format, brought to one form

mod format;

use std::collections::BTreeMap;
use std::path::Path;

use cloudai_schedulers::model::{Capacity, Duration, MAX_MICROS, Request, WorkerSpec};
use format::{Entry, Instance, Stated};

use crate::check::{UNNAMEABLE, can_be_named};
use crate::columns::edges;
use crate::decimal::{self, Rounding};
use crate::folder::NewFolder;
use crate::problems::{FileProblems, Problems};
use crate::report::ImportReport;
use crate::settings::to_toml;
use crate::source::Source;
use crate::table::MAX_AMOUNT;
use crate::write::{TaskColumn, TaskRow, TaskWriter, write_workers};

const MIB: u64 = 1 << 20;

/// What a file does not say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// So many equal machines instead of those of the file; by default [`Options::MACHINES`] if it has none.
    pub machines: Option<u32>,
    /// Cores of such a machine, and of one that the file says nothing of. 16 by default.
    pub cores: u32,
    /// Its memory in GB. 64 by default.
    pub memory_gb: u32,
    /// How fast files move between machines, in bytes per second, at least 1. 125 MB/s by default: 1 Gbit/s.
    pub bytes_per_s: u64,
}

impl Options {
    /// How many machines there are if neither the file nor the user says so.
    pub const MACHINES: u32 = 4;
}

impl Default for Options {
    fn default() -> Self {
        Self { machines: None, cores: 16, memory_gb: 64, bytes_per_s: 125_000_000 }
    }
}

/// Writes the workflow in `file` as a scenario into the new folder `out`.
///
/// # Errors
///
/// [`Problems`] if the file cannot be read or understood, a task lacks a run time or names a task that is not there,
/// dependencies form a cycle, or if `out` is there already and not empty or cannot be written.
pub fn import(file: &Path, options: Options, out: &Path) -> Result<ImportReport, Problems> {
    let folder = NewFolder::create(out)?;
    let json = Source::new(file)?.read_all()?;
    let instance = format::read(&json).map_err(|(line, message)| {
        let mut problems = FileProblems::new(file);
        problems.add((line > 0).then_some(line), None, None, message);
        Problems::from(problems)
    })?;
    let mut import = Import { problems: FileProblems::new(file), report: ImportReport::default(), options };
    let workers = import.workers(&instance);
    let tasks = import.tasks(&instance, &workers);
    let edges = import.edges(&instance);
    import.check_cycles(&instance, &edges);
    let Import { problems, mut report, .. } = import;
    problems.into_result()?;
    (report.read, report.kept) = (tasks.len() as u64, tasks.len() as u64);
    folder.write("workers.csv", |file| write_workers(file, &workers))?;
    folder.write("tasks.csv", |file| write_tasks(file, &instance, &tasks))?;
    folder.write("edges.csv", |file| write_edges(file, &instance, &edges))?;
    let name =
        |path: &Path| path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let source = format!(
        "cloudai import wfcommons {}{} --bandwidth {} --out {}\nworkflow: {}\n{report}\n",
        name(file),
        options.machines.map(|machines| format!(" --machines {machines}")).unwrap_or_default(),
        decimal::Millionths(options.bytes_per_s),
        name(out),
        instance.name,
    );
    folder.write("scenario.toml", |file| {
        use std::io::Write;
        file.write_all(to_toml(&[("name", &name(out)), ("source", &source)]).as_bytes())
    })?;
    folder.finish().map(|()| report)
}

/// What is written of a task.
#[derive(Clone, Copy, Debug)]
struct Row {
    duration: Duration,
    request: Request,
}

struct Import {
    problems: FileProblems,
    report: ImportReport,
    options: Options,
}

impl Import {
    /// A number in units of `scale` / `stated.unit`; a problem, and `None`, if it is none.
    fn number(
        &mut self,
        of: &str,
        stated: &Stated,
        scale: u32,
        rounding: Rounding,
        most: u64,
    ) -> Option<u64> {
        let text = stated.text.get();
        let message = match decimal::parse(text.as_bytes(), scale, rounding) {
            Ok(value) => match value.checked_mul(u64::from(stated.unit)).filter(|&value| value <= most) {
                Some(value) => return Some(value),
                None => "is too large".to_owned(),
            },
            Err(fault) => fault.to_string(),
        };
        let column = format!("{of}: {}", stated.field);
        self.problems.add(
            None,
            Some(&column),
            Some(text),
            format!("{message}; expected a number, 0 or more"),
        );
        None
    }

    fn bytes(&mut self, of: &str, stated: &Stated, rounding: Rounding) -> Option<u64> {
        self.number(of, stated, 1, rounding, MAX_AMOUNT * MIB)
    }

    fn workers(&mut self, instance: &Instance) -> Vec<WorkerSpec> {
        let given = Capacity {
            cpu_milli: u64::from(self.options.cores) * 1000,
            memory_mib: u64::from(self.options.memory_gb) * 1024,
            ..Capacity::default()
        };
        if instance.machines.is_empty() || self.options.machines.is_some() {
            if self.options.machines.is_none() {
                self.report.change_task("no machines, so that there are 4 equal ones");
            }
            let names =
                (1..=self.options.machines.unwrap_or(Options::MACHINES)).map(|n| format!("machine-{n}"));
            return names.map(|name| WorkerSpec { name, capacity: given, ..WorkerSpec::default() }).collect();
        }
        let mut workers: Vec<WorkerSpec> = Vec::new();
        for machine in &instance.machines {
            if workers.iter().any(|worker| worker.name == machine.name) {
                self.report.drop_task("machine of the same name as another");
                continue;
            }
            let of = format!("machine {}", machine.name);
            let mut capacity = given;
            match &machine.cores {
                Some(cores) => {
                    let cores = self.number(&of, cores, 1000, Rounding::Down, MAX_AMOUNT);
                    capacity.cpu_milli = cores.unwrap_or(given.cpu_milli);
                }
                None => self.report.change_task("machine without a number of cores got that of the flag"),
            }
            match &machine.memory {
                Some(memory) => {
                    let bytes = self.bytes(&of, memory, Rounding::Down);
                    capacity.memory_mib = bytes.map_or(given.memory_mib, |bytes| (bytes / MIB).max(1));
                }
                None => self.report.change_task("machine without memory got that of the flag"),
            }
            workers.push(WorkerSpec { name: machine.name.clone(), capacity, ..WorkerSpec::default() });
        }
        workers
    }

    fn tasks(&mut self, instance: &Instance, workers: &[WorkerSpec]) -> Vec<Row> {
        let mut rows = Vec::with_capacity(instance.tasks.len());
        if instance.tasks.is_empty() {
            self.problems.whole("has no tasks; expected at least one");
        }
        for _ in 0..instance.strays {
            self.report.drop_task("execution of a task that the specification does not have");
        }
        for task in &instance.tasks {
            let of = format!("task {}", task.id);
            let duration = match &task.runtime {
                Some(runtime) => self.number(&of, runtime, 1_000_000, Rounding::Up, MAX_MICROS),
                None => {
                    let message = "is missing; expected the task's run time in seconds";
                    self.problems.add(None, Some(&format!("{of}: runtimeInSeconds")), None, message);
                    None
                }
            };
            let cores =
                task.cores.as_ref().map(|cores| self.number(&of, cores, 1000, Rounding::Up, MAX_AMOUNT));
            let memory = task.memory.as_ref().and_then(|memory| self.bytes(&of, memory, Rounding::Up));
            let request = Request {
                cpu_milli: cores.flatten().unwrap_or(1000),
                memory_mib: memory.unwrap_or(0).div_ceil(MIB),
                ..Request::default()
            };
            let request = self.fitted(request, workers);
            rows.push(Row { duration: Duration::from_micros(duration.unwrap_or(0)), request });
        }
        rows
    }

    /// The request, or as much of it as some machine has.
    fn fitted(&mut self, mut request: Request, workers: &[WorkerSpec]) -> Request {
        let capacities = || workers.iter().map(|worker| worker.capacity);
        let most_cpu = capacities().map(|capacity| capacity.cpu_milli).max().unwrap_or(0);
        if request.cpu_milli > most_cpu {
            self.report.change_task("more cores than any machine has became the most that one has");
            request.cpu_milli = most_cpu;
        }
        let with_cpu = capacities().filter(|capacity| capacity.cpu_milli >= request.cpu_milli);
        let most_memory = with_cpu.map(|capacity| capacity.memory_mib).max().unwrap_or(0);
        if request.memory_mib > most_memory {
            self.report.change_task("more memory than such a machine has became the most that one has");
            request.memory_mib = most_memory;
        }
        request
    }

    /// By (parent, child): the transfer.
    fn edges(&mut self, instance: &Instance) -> BTreeMap<(usize, usize), Duration> {
        let numbers = self.numbers(&instance.tasks);
        let mut bytes: BTreeMap<(usize, usize), u64> = BTreeMap::new();
        for (number, task) in instance.tasks.iter().enumerate() {
            let relatives = [("parents", &task.parents), ("children", &task.children)];
            for (field, name) in
                relatives.iter().flat_map(|(field, names)| names.iter().map(move |n| (field, n)))
            {
                let wrong = match numbers.get(name.as_str()) {
                    Some(&other) if other != number => {
                        let edge = if *field == "parents" { (other, number) } else { (number, other) };
                        bytes.insert(edge, 0);
                        continue;
                    }
                    Some(_) => "is the task itself; expected another task",
                    None => "unknown task; expected the id of a task in this file",
                };
                self.problems.add(None, Some(&format!("task {}: {field}", task.id)), Some(name), wrong);
            }
        }
        let sizes = self.sizes(instance);
        let mut writers: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
        for (number, task) in instance.tasks.iter().enumerate() {
            task.outputs.iter().for_each(|file| writers.entry(file).or_default().push(number));
        }
        for (child, task) in instance.tasks.iter().enumerate() {
            for file in &task.inputs {
                let Some(writers) = writers.get(file.as_str()) else { continue }; // there from the beginning
                let Some(&size) = sizes.get(file.as_str()) else {
                    self.report.change_task("file without a size takes no time to move");
                    continue;
                };
                let mut any = writers.contains(&child);
                for &writer in writers {
                    if let Some(sum) = bytes.get_mut(&(writer, child)) {
                        *sum = sum.saturating_add(size);
                        any = true;
                    }
                }
                if !any {
                    self.report.drop_task("input whose writer is not a parent: it is not waited for");
                }
            }
        }
        let rate = u128::from(self.options.bytes_per_s.max(1));
        let transfer = |bytes: u64| {
            let micros = (u128::from(bytes) * 1_000_000).div_ceil(rate).min(u128::from(MAX_MICROS));
            Duration::from_micros(u64::try_from(micros).unwrap_or(MAX_MICROS))
        };
        bytes.into_iter().map(|(edge, bytes)| (edge, transfer(bytes))).collect()
    }

    /// The tasks by id, and by their other name where no other task has it.
    fn numbers<'a>(&mut self, tasks: &'a [Entry]) -> BTreeMap<&'a str, usize> {
        let mut numbers = BTreeMap::new();
        for (number, task) in tasks.iter().enumerate() {
            if numbers.insert(task.id.as_str(), number).is_some() || task.id.is_empty() {
                let message = "expected each task to have an id of its own";
                self.problems.add(None, Some(&format!("task {number}: id")), Some(&task.id), message);
            }
            if !can_be_named(task.id.as_bytes()) {
                self.problems.add(None, Some(&format!("task {number}: id")), Some(&task.id), UNNAMEABLE);
            }
        }
        for (number, task) in tasks.iter().enumerate() {
            if let Some(alias) = &task.alias {
                numbers.entry(alias).or_insert(number);
            }
        }
        numbers
    }

    fn sizes<'a>(&mut self, instance: &'a Instance) -> BTreeMap<&'a str, u64> {
        let mut sizes = BTreeMap::new();
        for (name, stated) in &instance.sizes {
            if let Some(size) = self.bytes(&format!("file {name}"), stated, Rounding::Up) {
                sizes.insert(name.as_str(), size);
            }
        }
        sizes
    }

    /// Takes away tasks without predecessors until none is left (Kahn 1962).
    fn check_cycles(&mut self, instance: &Instance, edges: &BTreeMap<(usize, usize), Duration>) {
        let mut missing = vec![0usize; instance.tasks.len()];
        edges.keys().for_each(|&(_, to)| missing[to] += 1);
        let mut free: Vec<usize> = (0..missing.len()).filter(|&task| missing[task] == 0).collect();
        let mut ended = 0;
        while let Some(task) = free.pop() {
            ended += 1;
            for (&(_, to), _) in edges.range((task, 0)..(task + 1, 0)) {
                missing[to] -= 1;
                free.extend((missing[to] == 0).then_some(to));
            }
        }
        if ended < missing.len()
            && let Some(task) = missing.iter().position(|&missing| missing > 0)
        {
            let column = format!("task {}: parents", instance.tasks[task].id);
            self.problems.add(None, Some(&column), None, "waits for a cycle of tasks; expected no cycle");
        }
    }
}

fn write_tasks(file: impl std::io::Write, instance: &Instance, rows: &[Row]) -> std::io::Result<()> {
    let columns =
        [TaskColumn::CpuCores, TaskColumn::MemoryGb, TaskColumn::StorageGb, TaskColumn::DockerImage];
    let mut writer = TaskWriter::new(file, &columns)?;
    for (task, row) in instance.tasks.iter().zip(rows) {
        let (task_id, docker_image) = (task.id.as_str(), task.program.as_str());
        let (duration, request) = (row.duration, row.request);
        writer.write(&TaskRow { task_id, duration, request, docker_image, ..TaskRow::default() })?;
    }
    writer.finish()
}

fn write_edges(
    file: impl std::io::Write,
    instance: &Instance,
    all: &BTreeMap<(usize, usize), Duration>,
) -> std::io::Result<()> {
    let mut writer = csv::Writer::from_writer(file);
    writer.write_record(edges::COLUMNS.map(|column| column.name))?;
    for (&(from, to), transfer) in all {
        let (from, to) = (&instance.tasks[from].id, &instance.tasks[to].id);
        writer.write_record([from.as_str(), to, &transfer.to_string()])?;
    }
    writer.flush()
}
