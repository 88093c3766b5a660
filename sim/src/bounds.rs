//! Lower bounds: how good a schedule could possibly be.
//!
//! Two bounds that no schedule of any strategy beats, computed from the workload alone:
//!
//! - on the makespan: the largest of the area bound with release times in each dimension, the longest path through the
//!   dependencies, and the longest task after its arrival;
//! - on the mean turnaround: the larger of the mean fastest run and, per dimension, preemptive shortest remaining time
//!   on the squashed area (Schrage 1968 proves it optimal on one machine; the whole cluster is taken as one).

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use cloudai_schedulers::{Constraint, Duration, Time, WorkerSpec};
use cloudai_workloads::{Location, Problems, Scenario, Settings, Task, Visitor};

use crate::fastest::RunTimes;

/// The bounds of a workload on its cluster.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Bounds {
    /// No makespan is below this.
    pub makespan: Duration,
    /// No mean turnaround is below this, in seconds.
    pub mean_turnaround_s: f64,
}

impl Bounds {
    /// Reads the workload once and bounds what any schedule of it can reach under these settings.
    ///
    /// # Errors
    /// [`Problems`] if the workload can no longer be read.
    pub fn of(scenario: &Scenario, settings: &Settings) -> Result<Self, Problems> {
        let mut bounding = Bounding::new(RunTimes::new(scenario, settings), settings);
        if !scenario.edges.is_empty() {
            let tasks = usize::try_from(scenario.tasks).unwrap_or(0);
            bounding.own = vec![(Time::ZERO, Duration::ZERO); tasks];
        }
        let mut stream = scenario.stream()?;
        let mut task = Task::default();
        while stream.next_into(&mut task)? {
            let constraint = scenario.constraints.get(task.spec.constraint.0 as usize);
            bounding.add(&task, constraint);
        }
        Ok(bounding.finish(scenario))
    }

    /// Reads and checks a scenario, as [`Scenario::check`] does, and bounds it on the way, so that a file of tasks is not read
    /// once more for that. `None` where it has to be: the tasks had to be held in memory.
    ///
    /// `in_force` says under which settings the scenario will run, given its own; `None` bounds nothing.
    ///
    /// # Errors
    /// [`Problems`] of the scenario.
    pub fn while_checking(
        location: &Location,
        in_force: &mut dyn FnMut(&Settings) -> Option<Settings>,
    ) -> Result<(Scenario, Option<Self>), Problems> {
        let mut passing = InPassing { in_force, bounding: None };
        let scenario = Scenario::check_visited(location, &mut passing)?;
        let bounding = passing.bounding.filter(|_| scenario.is_loaded().is_none());
        let bounds = bounding.map(|bounding| bounding.finish(&scenario));
        Ok((scenario, bounds))
    }
}

/// Speeds are in millionths; so are the areas here.
const UNIT: u128 = 1_000_000;

/// The whole cluster as one machine in one dimension. Work and time are scaled so that everything stays an integer: work
/// in units x microseconds x millionths, the clock in microseconds x rate.
#[derive(Debug)]
struct Squashed {
    /// Capacity x speed, summed over the workers.
    rate: u128,
    /// When the work so far is done at the earliest, scaled.
    done: u128,
    /// Preemptive shortest remaining time: what is served, as (remaining work, release), and what waits for that; the clock,
    /// and the sum of flow times.
    served: Option<(u128, u128)>,
    waiting: BinaryHeap<Reverse<(u128, u128)>>,
    clock: u128,
    flow: u128,
}

impl Squashed {
    fn new(rate: u128) -> Self {
        Self { rate, done: 0, served: None, waiting: BinaryHeap::new(), clock: 0, flow: 0 }
    }

    /// Work that arrives at `release`, not before what was added already.
    fn add(&mut self, release: Time, work: u128) {
        let release = product(release.micros().into(), self.rate);
        if work == 0 {
            return;
        }
        self.done = self.done.max(release).saturating_add(work);
        self.work_until(release);
        let new = (work, release);
        match &mut self.served {
            None => self.served = Some(new),
            Some(served) => {
                let longer = if new < *served { std::mem::replace(served, new) } else { new };
                self.waiting.push(Reverse(longer));
            }
        }
    }

    /// Serves the shortest remaining work until the clock stands at `until`.
    fn work_until(&mut self, until: u128) {
        while let Some((work, release)) = self.served
            && self.clock < until
        {
            let end = self.clock.saturating_add(work);
            if end > until {
                self.served = Some((end - until, release)); // and it stays the shortest
                break;
            }
            self.clock = end;
            self.flow = self.flow.saturating_add(end - release);
            self.served = self.waiting.pop().map(|Reverse(next)| next);
        }
        self.clock = self.clock.max(until);
    }

    /// Earliest end of all work, rounded up to the microsecond, as ends are.
    fn end(&self) -> Time {
        if self.rate == 0 {
            return Time::ZERO;
        }
        Time::from_micros(u64::try_from(self.done.div_ceil(self.rate)).unwrap_or(u64::MAX))
    }

    /// Sum of turnarounds in microseconds.
    fn total_flow(mut self) -> f64 {
        self.work_until(u128::MAX);
        if self.rate == 0 { 0.0 } else { wide(self.flow) / wide(self.rate) }
    }
}

/// The product, or the most that there is. Nearly always both fit 64 bits, and then it takes one multiplication.
#[inline]
fn product(one: u128, other: u128) -> u128 {
    match (u64::try_from(one), u64::try_from(other)) {
        (Ok(one), Ok(other)) => u128::from(one) * u128::from(other),
        _ => one.saturating_mul(other),
    }
}

#[expect(clippy::cast_precision_loss, reason = "the last step of an exact sum")]
fn wide(sum: u128) -> f64 {
    sum as f64
}

/// Bounds what a first reading shows.
struct InPassing<'a> {
    in_force: &'a mut dyn FnMut(&Settings) -> Option<Settings>,
    bounding: Option<Bounding<'static>>,
}

impl Visitor for InPassing<'_> {
    fn begin(&mut self, settings: &Settings, workers: &[WorkerSpec]) {
        let settings = (self.in_force)(settings);
        self.bounding =
            settings.map(|settings| Bounding::new(RunTimes::of_workers(workers, &settings), &settings));
    }

    #[inline]
    fn visit(&mut self, task: &Task, constraint: &Constraint) {
        if let Some(bounding) = &mut self.bounding {
            bounding.add(task, Some(constraint));
        }
    }
}

/// Collects tasks, in order of arrival.
struct Bounding<'a> {
    runs_on: RunTimes<'a>,
    startup_latency: Duration,
    /// Cpu, memory, storage, GPU.
    dimensions: [Squashed; 4],
    /// Earliest ends by task index, kept only where tasks depend on each other.
    own: Vec<(Time, Duration)>,
    longest: Time,
    /// Sum of fastest runs in microseconds.
    runs: u128,
    tasks: u64,
}

impl<'a> Bounding<'a> {
    fn new(runs_on: RunTimes<'a>, settings: &Settings) -> Self {
        let durations = runs_on.has_table();
        let rate = |amount: fn(&WorkerSpec) -> u64| {
            let scaled = |worker: &WorkerSpec| {
                let speed = if durations { UNIT } else { u128::from(worker.speed.millionths()) };
                u128::from(amount(worker)) * speed
            };
            Squashed::new(runs_on.workers().iter().map(scaled).sum())
        };
        let dimensions = [
            rate(|worker| worker.capacity.cpu_milli),
            rate(|worker| worker.capacity.memory_mib),
            rate(|worker| worker.capacity.storage_mib),
            rate(|worker| worker.capacity.gpu_milli()),
        ];
        Self {
            runs_on,
            startup_latency: settings.startup_latency,
            dimensions,
            own: Vec::new(),
            longest: Time::ZERO,
            runs: 0,
            tasks: 0,
        }
    }

    fn add(&mut self, task: &Task, constraint: Option<&Constraint>) {
        let spec = &task.spec;
        let fastest = self.runs_on.fastest_under(task, constraint);
        // Work at unit rate: with a table of durations the least over the workers, else the nominal time.
        let work = if self.runs_on.has_table() { fastest } else { self.runs_on.nominal(task) };
        let work = product(work.micros().into(), UNIT * u128::from(spec.replicas));
        let request = &spec.request;
        let demands =
            [request.cpu_milli, request.memory_mib, request.storage_mib, u64::from(request.gpu.milli())];
        for (dimension, demand) in self.dimensions.iter_mut().zip(demands) {
            dimension.add(spec.arrival, product(work, demand.into()));
        }
        let whole = fastest.saturating_add(self.startup_latency);
        self.longest = self.longest.max(spec.arrival + whole);
        self.runs += u128::from(whole.micros());
        self.tasks += 1;
        if let Some(own) = self.own.get_mut(spec.index as usize) {
            *own = (spec.arrival, whole);
        }
    }

    /// The earliest end of the longest path, by a walk in topological order.
    fn longest_path(&self, scenario: &Scenario) -> Time {
        let edges = &scenario.edges;
        let mut missing = vec![0u32; self.own.len()];
        for edge in edges {
            missing[edge.to as usize] += 1;
        }
        // Edges are sorted by their first end.
        let out_of = |from: u32| {
            let first = edges.partition_point(|edge| edge.from < from);
            edges[first..].iter().take_while(move |edge| edge.from == from).map(|edge| edge.to)
        };
        let mut earliest: Vec<Time> = self.own.iter().map(|&(arrival, _)| arrival).collect();
        let mut ready: Vec<u32> =
            (0u32..).zip(&missing).filter(|(_, missing)| **missing == 0).map(|(task, _)| task).collect();
        let mut longest = Time::ZERO;
        while let Some(task) = ready.pop() {
            let end = earliest[task as usize] + self.own[task as usize].1;
            longest = longest.max(end);
            for successor in out_of(task) {
                let at = successor as usize;
                earliest[at] = earliest[at].max(end);
                missing[at] -= 1;
                if missing[at] == 0 {
                    ready.push(successor);
                }
            }
        }
        longest
    }

    fn finish(self, scenario: &Scenario) -> Bounds {
        let path = if self.own.is_empty() { Time::ZERO } else { self.longest_path(scenario) };
        let area = self.dimensions.iter().map(Squashed::end).max().unwrap_or_default();
        let end = self.longest.max(path).max(area);
        let tasks = wide(u128::from(self.tasks.max(1)));
        let mean_run = wide(self.runs) / tasks;
        let flows = self.dimensions.into_iter().map(|dimension| dimension.total_flow() / tasks);
        let mean_turnaround = flows.fold(mean_run, f64::max);
        Bounds { makespan: end - scenario.first_arrival, mean_turnaround_s: mean_turnaround / 1e6 }
    }
}
