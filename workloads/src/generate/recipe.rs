//! What a preset is made of, as data.

use std::fmt;

use cloudai_schedulers::model::{Capacity, GpuRequest, Request, Speed, WorkerSpec};

use crate::decimal::{Gigabytes, Millionths, Thousandths};
use crate::sample::Law;
use crate::write::TaskColumn;

/// A preset as data.
#[derive(Clone, Debug)]
pub(crate) struct Recipe {
    /// What tasks there are.
    pub(crate) kinds: Vec<Kind>,
    /// Kinds of worker; worker i is of kind i modulo their number. The first holds every task.
    pub(crate) machines: Vec<Machine>,
    /// When tasks arrive.
    pub(crate) arrivals: Arrivals,
    /// Offered load: expected work of the scarcest resource over what the workers have of it.
    pub(crate) load: f64,
    /// Users round their over-estimates up to a multiple of so many seconds; `None`: no estimates.
    pub(crate) estimate_step_s: Option<u32>,
    /// Share of the tasks that ask for GPU which insist on one model.
    pub(crate) one_model: f64,
    /// Priorities with their weights; empty: all 0.
    pub(crate) priorities: Vec<(i32, f64)>,
    /// Share of tasks with a deadline, at arrival + duration x (2 + exponential of mean 2).
    pub(crate) deadlines: f64,
}

/// A kind of task.
#[derive(Clone, Debug)]
pub(crate) struct Kind {
    /// Its name: in ids, and as image `example/NAME`.
    pub(crate) name: &'static str,
    pub(crate) weight: f64,
    /// What such tasks ask for.
    pub(crate) shapes: Vec<Shape>,
    pub(crate) duration: Law,
}

/// What a task asks for, and how often.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shape {
    pub(crate) weight: f64,
    pub(crate) request: Request,
}

/// One dimension of a request.
type Amount = fn(&Request) -> u64;

/// A shape in milli-cores, MiB of memory, GB of storage and milli-GPU.
pub(crate) fn shape(weight: f64, cpu_milli: u64, memory_mib: u64, storage_gb: u64, gpu_milli: u64) -> Shape {
    let gpu = GpuRequest::from_milli(gpu_milli).unwrap_or_default();
    Shape { weight, request: Request { cpu_milli, memory_mib, storage_mib: storage_gb * 1024, gpu } }
}

/// A kind of worker.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Machine {
    pub(crate) cores: u64,
    pub(crate) memory_gb: u64,
    pub(crate) storage_gb: u64,
    pub(crate) gpus: u32,
    pub(crate) gpu_model: &'static str,
    /// Speed in millionths of nominal.
    pub(crate) speed: u32,
}

/// When tasks arrive.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Arrivals {
    /// Independently of each other, at a constant rate.
    Poisson,
    /// A rate that swings with the sine of the time of day by this share, least at the start.
    Daily { swing: f64 },
    /// Pipelines at a constant rate; all tasks of one arrive at once.
    Pipelines,
}

impl Recipe {
    /// The workers.
    pub(crate) fn workers(&self, count: u64) -> Vec<WorkerSpec> {
        let width = (count - 1).to_string().len();
        let named = (0..count).zip(self.machines.iter().cycle());
        named.map(|(number, machine)| machine.worker(format!("worker-{number:0width$}"))).collect()
    }

    /// The optional columns that its tasks need.
    pub(crate) fn columns(&self) -> Vec<TaskColumn> {
        let gpus = self.requests().any(|request| !request.gpu.is_none());
        let storage = self.requests().any(|request| request.storage_mib != 1024);
        let mut columns = vec![TaskColumn::CpuCores, TaskColumn::MemoryGb];
        columns.extend([TaskColumn::UserId, TaskColumn::DockerImage]);
        let optional = [
            (storage, TaskColumn::StorageGb),
            (gpus, TaskColumn::GpuCores),
            (self.estimate_step_s.is_some(), TaskColumn::EstimateS),
            (!self.priorities.is_empty(), TaskColumn::Priority),
            (self.deadlines > 0.0, TaskColumn::DeadlineS),
            (self.arrivals == Arrivals::Pipelines, TaskColumn::DependsOn),
            (self.one_model > 0.0, TaskColumn::GpuModel),
        ];
        columns.extend(optional.into_iter().filter(|(needed, _)| *needed).map(|(_, column)| column));
        columns
    }

    fn requests(&self) -> impl Iterator<Item = Request> {
        self.kinds.iter().flat_map(|kind| &kind.shapes).map(|shape| shape.request)
    }

    /// Arrivals a second at which the scarcest of cpu, memory and GPU of `workers` has the stated load.
    #[expect(clippy::cast_precision_loss, reason = "a rate of arrival")]
    pub(crate) fn arrival_rate(&self, workers: &[WorkerSpec]) -> f64 {
        let total = |of: fn(&Capacity) -> u64| -> f64 {
            workers.iter().map(|w| of(&w.capacity) as f64 * f64::from(w.speed.millionths()) / 1e6).sum()
        };
        let dimensions: [(f64, Amount); 3] = [
            (total(|capacity| capacity.cpu_milli), |request| request.cpu_milli),
            (total(|capacity| capacity.memory_mib), |request| request.memory_mib),
            (total(Capacity::gpu_milli), |request| u64::from(request.gpu.milli())),
        ];
        let seconds_of_cluster = |&(capacity, of): &(f64, Amount)| {
            if capacity > 0.0 { self.mean_work(of) / capacity } else { 0.0 }
        };
        self.load / dimensions.iter().map(seconds_of_cluster).fold(0.0, f64::max)
    }

    /// Expected demand x run time of a task.
    #[expect(clippy::cast_precision_loss, reason = "an expectation")]
    fn mean_work(&self, of: Amount) -> f64 {
        let kinds: f64 = self.kinds.iter().map(|kind| kind.weight).sum();
        let work = |kind: &Kind| {
            let shapes: f64 = kind.shapes.iter().map(|shape| shape.weight).sum();
            let demand: f64 = kind.shapes.iter().map(|shape| shape.weight * of(&shape.request) as f64).sum();
            kind.weight / kinds * demand / shapes * kind.duration.mean()
        };
        self.kinds.iter().map(work).sum()
    }
}

impl Machine {
    fn worker(&self, name: String) -> WorkerSpec {
        WorkerSpec {
            name,
            capacity: Capacity {
                cpu_milli: self.cores * 1000,
                memory_mib: self.memory_gb * 1024,
                storage_mib: self.storage_gb * 1024,
                gpus: self.gpus,
            },
            gpu_model: (self.gpus > 0).then(|| self.gpu_model.to_owned()),
            speed: Speed::from_millionths(self.speed).unwrap_or_default(),
            labels: std::collections::BTreeMap::new(),
        }
    }
}

/// The distributions, one line each, for the `source` of a scenario.
impl fmt::Display for Recipe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.arrivals {
            Arrivals::Poisson => writeln!(f, "arrivals: Poisson, offered load {}", self.load)?,
            Arrivals::Daily { swing } => writeln!(
                f,
                "arrivals: Poisson, the rate swings by {swing} of its mean over each day, least at the start; \
                 mean offered load {}",
                self.load
            )?,
            Arrivals::Pipelines => writeln!(
                f,
                "arrivals: pipelines, Poisson, offered load {}; 3 to 6 stages of 1 to 5 tasks, the first of one; \
                 each task depends on all tasks of the stage before",
                self.load
            )?,
        }
        for kind in &self.kinds {
            write!(
                f,
                "{} (weight {}): {}; weight x (cores, GB memory, GB storage, GPU):",
                kind.name, kind.weight, kind.duration
            )?;
            for Shape { weight, request } in &kind.shapes {
                let (cpu, memory) = (Thousandths(request.cpu_milli), Gigabytes(request.memory_mib));
                let (storage, gpu) =
                    (Gigabytes(request.storage_mib), Thousandths(u64::from(request.gpu.milli())));
                write!(f, " {weight} x ({cpu}, {memory}, {storage}, {gpu})")?;
            }
            writeln!(f)?;
        }
        write!(f, "workers in turn (cores, GB memory, GB storage, GPUs, speed):")?;
        for machine in &self.machines {
            let Machine { cores, memory_gb, storage_gb, gpus, gpu_model, speed } = machine;
            let space = if gpu_model.is_empty() { "" } else { " " };
            let speed = Millionths(u64::from(*speed));
            write!(f, " ({cores}, {memory_gb}, {storage_gb}, {gpus}{space}{gpu_model}, {speed})")?;
        }
        writeln!(f, "\nusers: 20, the k-th with weight 1/k")?;
        match self.estimate_step_s {
            Some(step) => {
                writeln!(f, "estimates: duration x (1 + exponential of mean 1), rounded up to {step} s")?;
            }
            None => writeln!(f, "estimates: none")?,
        }
        if self.one_model > 0.0 {
            writeln!(
                f,
                "GPU models: {} of the tasks with GPU draw a model, each as likely, and insist on it if it can hold them",
                self.one_model
            )?;
        }
        if !self.priorities.is_empty() {
            let listed: Vec<String> =
                self.priorities.iter().map(|(p, weight)| format!("{p} (weight {weight})")).collect();
            writeln!(f, "priorities: {}", listed.join(", "))?;
        }
        if self.deadlines > 0.0 {
            writeln!(
                f,
                "deadlines: {} of the tasks, at arrival + duration x (2 + exponential of mean 2)",
                self.deadlines
            )?;
        }
        Ok(())
    }
}
