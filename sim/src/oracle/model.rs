//! The scenario as an optimiser sees it: dense indices, integers, true run times.

use cloudai_schedulers::{Capacity, Duration, GpuRequest, Request, WorkerSpec};
use cloudai_workloads::{OnFull, Scenario, Settings, Task};

use crate::error::SimError;
use crate::fastest::can_hold;

/// A worker that cannot run the job: longer than anything that occurs.
pub(super) const UNABLE: u64 = u64::MAX;

/// Sums of all runs stay below this, so that no time of any schedule leaves 64 bits, and no sum of a bound 127.
const LONGEST: u128 = 1 << 56;

/// A task, with all that is true of it. Times in microseconds.
#[derive(Clone, Debug, Default)]
pub(super) struct Job {
    pub(super) arrival: u64,
    /// Cpu, memory, storage.
    pub(super) demand: [u64; 3],
    pub(super) gpu: GpuRequest,
    /// By worker, how long it holds its resources there, start-up latency included; [`UNABLE`] where it cannot run.
    pub(super) hold: Vec<u64>,
    /// Predecessors, and how long their data takes to another worker.
    pub(super) before: Vec<(usize, u64)>,
    /// Successors likewise.
    pub(super) after: Vec<(usize, u64)>,
}

impl Job {
    /// The workers that can run it, with its time there.
    pub(super) fn able(&self) -> impl Iterator<Item = (usize, u64)> + '_ {
        self.hold.iter().copied().enumerate().filter(|&(_, hold)| hold != UNABLE)
    }

    /// The least time that it holds its resources anywhere.
    pub(super) fn shortest(&self) -> u64 {
        self.able().map(|(_, hold)| hold).min().unwrap_or(0)
    }

    /// The longest time that it holds its resources anywhere.
    pub(super) fn longest(&self) -> u64 {
        self.able().map(|(_, hold)| hold).max().unwrap_or(0)
    }
}

/// The whole problem.
#[derive(Clone, Debug, Default)]
pub(super) struct Model {
    /// By index in the trace.
    pub(super) jobs: Vec<Job>,
    pub(super) workers: Vec<Capacity>,
    /// By worker: the first one that is the same in every respect.
    pub(super) twin: Vec<usize>,
    /// Indices of the jobs such that predecessors come first.
    pub(super) topological: Vec<usize>,
    pub(super) first_arrival: u64,
    pub(super) latency: u64,
}

impl Model {
    /// Takes the scenario over.
    ///
    /// # Errors
    /// [`SimError::Oracle`] if it holds something that the oracle does not schedule; [`SimError::Input`] if it can no longer
    /// be read.
    pub(super) fn of(scenario: &Scenario, settings: &Settings, most: usize) -> Result<Self, SimError> {
        let refuse = |reason: String| Err(SimError::Oracle { reason });
        if scenario.needs.gangs {
            return refuse("the scenario has gangs (replicas > 1), which it does not place".to_owned());
        }
        if settings.on_full == OnFull::Reject {
            return refuse(
                "on_full is \"reject\", but it lets every task wait; expected \"wait\"".to_owned(),
            );
        }
        if settings.mtbf > Duration::ZERO || !scenario.faults.is_empty() {
            return refuse("its workers fail (mtbf_s, faults.csv), but it counts on all of them".to_owned());
        }
        if settings.checkpoint && settings.checkpoint_overhead > Duration::ZERO {
            return refuse("checkpoints that take time make runs longer; expected none".to_owned());
        }
        if scenario.tasks > most as u64 {
            return refuse(format!("the scenario has {} tasks; expected at most {most}", scenario.tasks));
        }
        let mut model = Self {
            jobs: vec![Job::default(); most.min(usize::try_from(scenario.tasks).unwrap_or(most))],
            workers: scenario.workers.iter().map(|worker| worker.capacity).collect(),
            first_arrival: scenario.first_arrival.micros(),
            latency: settings.startup_latency.micros(),
            ..Self::default()
        };
        for edge in &scenario.edges {
            let (from, to, transfer) = (edge.from as usize, edge.to as usize, edge.transfer.micros());
            model.jobs[to].before.push((from, transfer));
            model.jobs[from].after.push((to, transfer));
        }
        let mut stream = scenario.stream()?;
        let mut task = Task::default();
        while stream.next_into(&mut task)? {
            model.take(scenario, settings, &task)?;
        }
        let transfers: u128 = scenario.edges.iter().map(|edge| u128::from(edge.transfer.micros())).sum();
        let runs: u128 = model.jobs.iter().map(|job| u128::from(job.longest())).sum();
        if u128::from(scenario.last_arrival.micros()) + runs + transfers > LONGEST {
            return refuse("its run times add up to more than 2^56 microseconds (2283 years)".to_owned());
        }
        model.twin = (0..model.workers.len()).map(|worker| model.first_twin(scenario, worker)).collect();
        model.topological = model.sort();
        Ok(model)
    }

    fn take(&mut self, scenario: &Scenario, settings: &Settings, task: &Task) -> Result<(), SimError> {
        let (spec, request) = (&task.spec, &task.spec.request);
        let job = &mut self.jobs[spec.index as usize];
        job.arrival = spec.arrival.micros();
        job.demand = [request.cpu_milli, request.memory_mib, request.storage_mib];
        job.gpu = request.gpu;
        let leaves_successors = !job.after.is_empty();
        let hold = |(index, worker): (u32, &WorkerSpec)| {
            if !can_hold(worker, spec.constraint, request, &scenario.constraints) {
                return UNABLE;
            }
            let known = scenario.durations.as_ref().and_then(|table| table.get(spec.index, index));
            let run = known.unwrap_or_else(|| worker.speed.run_time(task.duration));
            let limit = spec.estimate.filter(|_| settings.kill_at_estimate);
            let limit = limit.map_or(Duration::MAX, |limit| worker.speed.run_time(limit));
            // A task that is killed cancels its successors: no schedule of all tasks runs it there.
            if limit < run && leaves_successors {
                return UNABLE;
            }
            run.min(limit).saturating_add(settings.startup_latency).micros()
        };
        job.hold = (0u32..).zip(&scenario.workers).map(hold).collect();
        let reason = match job.able().map(|(_, hold)| hold).min() {
            Some(0) => "takes no time; expected at least a microsecond",
            None => "cannot complete on any worker, or is killed at its estimate and others depend on it",
            Some(_) => return Ok(()),
        };
        Err(SimError::Oracle { reason: format!("task '{}' {reason}", task.name) })
    }

    /// The first worker that no job can tell from this one.
    fn first_twin(&self, scenario: &Scenario, worker: usize) -> usize {
        let same = |other: &usize| {
            scenario.workers[*other].capacity == scenario.workers[worker].capacity
                && self.jobs.iter().all(|job| job.hold[*other] == job.hold[worker])
        };
        (0..worker).find(same).unwrap_or(worker)
    }

    /// Predecessors first, otherwise by index.
    fn sort(&self) -> Vec<usize> {
        let mut missing: Vec<usize> = self.jobs.iter().map(|job| job.before.len()).collect();
        let mut ready: std::collections::BTreeSet<usize> =
            (0..self.jobs.len()).filter(|&job| missing[job] == 0).collect();
        let mut sorted = Vec::with_capacity(self.jobs.len());
        while let Some(job) = ready.pop_first() {
            sorted.push(job);
            for &(successor, _) in &self.jobs[job].after {
                missing[successor] -= 1;
                if missing[successor] == 0 {
                    ready.insert(successor);
                }
            }
        }
        sorted
    }

    /// How much of a worker a job takes for how long, at the least: dominant share x time.
    pub(super) fn work(&self, job: usize) -> u128 {
        let job = &self.jobs[job];
        let [cpu_milli, memory_mib, storage_mib] = job.demand;
        let request = Request { cpu_milli, memory_mib, storage_mib, gpu: job.gpu };
        let works = job.able().map(|(worker, hold)| {
            u128::from(self.workers[worker].dominant_share(&request)) * u128::from(hold)
        });
        works.min().unwrap_or(0)
    }

    /// True if some job depends on another.
    pub(super) fn has_dependencies(&self) -> bool {
        self.jobs.iter().any(|job| !job.before.is_empty())
    }
}

/// What a job asks of one worker, laid out for a look-up over time.
#[derive(Clone, Copy, Debug)]
pub(super) struct Need {
    pub(super) demand: [u64; 3],
    /// What is needed of each device that it takes.
    pub(super) per_device: u64,
    /// How many devices it takes.
    pub(super) devices: u32,
}

impl Need {
    pub(super) fn of(job: &Job) -> Self {
        let devices = if job.gpu.is_fraction() { 1 } else { job.gpu.whole_devices() };
        Self { demand: job.demand, per_device: u64::from(job.gpu.milli_per_device()), devices }
    }
}
