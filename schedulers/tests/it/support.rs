//! Jobs, workers and the simple strategies that several tests share.

use cloudai_schedulers::{
    Capabilities, Capacity, ClusterConfig, ClusterView, Constraint, Duration, GpuRequest, Request, Scheduler,
    SchedulingContext, TaskId, TaskSpec, Time, WorkerSpec, WorkloadProfile,
};

pub(crate) fn at(seconds: u64) -> Time {
    Time::from_micros(seconds * 1_000_000)
}

pub(crate) fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

pub(crate) fn gpu(milli: u64) -> GpuRequest {
    GpuRequest::from_milli(milli).unwrap()
}

/// A task together with what only the driver knows of it.
#[derive(Clone, Debug)]
pub(crate) struct Job {
    pub(crate) spec: TaskSpec,
    /// The true run time at nominal speed.
    pub(crate) run: Duration,
    pub(crate) constraint: Constraint,
    /// (predecessor, transfer time)
    pub(crate) after: Vec<(u32, Duration)>,
}

/// A job that arrives at `arrival` s, runs for `run` s and needs `cores`; its estimate is exact.
pub(crate) fn job(index: u32, arrival: u64, run: u64, cores: u64) -> Job {
    let request = Request { cpu_milli: cores * 1000, ..Request::default() };
    let spec = TaskSpec {
        index,
        request,
        replicas: 1,
        arrival: at(arrival),
        estimate: Some(secs(run)),
        ..TaskSpec::default()
    };
    Job { spec, run: secs(run), constraint: Constraint::default(), after: Vec::new() }
}

impl Job {
    pub(crate) fn estimate(mut self, seconds: u64) -> Self {
        self.spec.estimate = Some(secs(seconds));
        self
    }

    pub(crate) fn priority(mut self, priority: i32) -> Self {
        self.spec.priority = priority;
        self
    }

    pub(crate) fn gpu(mut self, milli: u64) -> Self {
        self.spec.request.gpu = gpu(milli);
        self
    }

    pub(crate) fn replicas(mut self, replicas: u32) -> Self {
        self.spec.replicas = replicas;
        self
    }

    pub(crate) fn after(mut self, predecessor: u32, transfer: u64) -> Self {
        self.after.push((predecessor, secs(transfer)));
        self
    }
}

pub(crate) fn worker(cores: u64, gpus: u32) -> WorkerSpec {
    let capacity = Capacity { cpu_milli: cores * 1000, memory_mib: 65_536, storage_mib: 65_536, gpus };
    WorkerSpec { name: format!("{cores}x{gpus}"), capacity, ..WorkerSpec::default() }
}

/// Starts whatever fits, in queue order, on the first worker; gangs over the first workers.
#[derive(Debug, Default)]
pub(crate) struct FirstFit;

impl Scheduler for FirstFit {
    fn supports(&self) -> Capabilities {
        Capabilities::new().with_gangs()
    }

    fn attach(&mut self, _: &ClusterView<'_>, _: &WorkloadProfile) {}

    fn schedule(&mut self, cx: &mut SchedulingContext<'_>) {
        let mut cursor = cloudai_schedulers::QueueCursor::default();
        while let Some(task) = cx.next_queued(&mut cursor) {
            let view = cx.view();
            if let Some(placement) = view.place_in_order(task, view.feasible(task)) {
                cx.place(task, &placement).unwrap();
            }
        }
    }
}

/// A strategy that is one function.
pub(crate) struct Pass<F>(pub(crate) F);

impl<F: FnMut(&mut SchedulingContext<'_>) + Send> Scheduler for Pass<F> {
    fn supports(&self) -> Capabilities {
        Capabilities::new().with_gangs().with_preemption()
    }

    fn attach(&mut self, _: &ClusterView<'_>, _: &WorkloadProfile) {}

    fn schedule(&mut self, cx: &mut SchedulingContext<'_>) {
        (self.0)(cx);
    }
}

/// The task of trace index `index` among those alive.
pub(crate) fn find(view: &ClusterView<'_>, index: u32) -> TaskId {
    view.tasks().find(|task| task.index() == index).unwrap()
}

impl FirstFit {
    /// Its pass, for strategies that do more.
    pub(crate) fn schedule_on(&mut self, cx: &mut SchedulingContext<'_>) {
        self.schedule(cx);
    }
}

/// The default configuration with changes.
pub(crate) fn config(change: impl FnOnce(&mut ClusterConfig)) -> ClusterConfig {
    let mut config = ClusterConfig::default();
    change(&mut config);
    config
}
