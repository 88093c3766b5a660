//! What workflows are measured by: speed-up, efficiency and schedule length ratio (Topcuoglu, Hariri, Wu 2002, section
//! 5.1), as `docs/metrics.md` defines them.

use std::collections::HashMap;

use cloudai_schedulers::{Duration, Time};
use cloudai_workloads::{Edge, Problems, Scenario, Settings, Task};

use crate::error::SimError;
use crate::fastest::{RunTimes, can_hold};
use crate::observers::{Attempt, Observer};
use crate::result::Metrics;

/// Marks a task that is of no workflow.
const NONE: u32 = u32::MAX;

/// The workflows of a scenario: tasks that hang together by dependencies; a task without any is of none.
#[derive(Clone, Debug, Default)]
pub struct Workflows {
    /// By task index: its workflow.
    of: Vec<u32>,
    /// By workflow.
    flows: Vec<Workflow>,
    /// The least time in which one worker runs all tasks of the scenario one after the other; `None` if no worker can
    /// hold each of them, or if there are no workflows.
    sequential: Option<Duration>,
    workers: usize,
}

#[derive(Clone, Copy, Debug)]
struct Workflow {
    first_arrival: Time,
    /// The critical path: from the first arrival to the earliest end of all its tasks on workers that are the fastest for
    /// each and always free, transfers 0.
    path: Duration,
}

impl Workflows {
    /// Reads the workload once more, if its tasks depend on each other.
    ///
    /// # Errors
    /// [`Problems`] if the workload can no longer be read.
    pub fn of(scenario: &Scenario, settings: &Settings) -> Result<Self, Problems> {
        if scenario.edges.is_empty() {
            return Ok(Self::default());
        }
        let mut runs = RunTimes::new(scenario, settings);
        let mut sums = sequential_workers(scenario);
        // By task index: earliest end so far without its own run, and its fastest run.
        let mut tasks = vec![(Time::ZERO, Duration::ZERO); usize::try_from(scenario.tasks).unwrap_or(0)];
        let (mut stream, mut task) = (scenario.stream()?, Task::default());
        while stream.next_into(&mut task)? {
            tasks[task.spec.index as usize] = (task.spec.arrival, runs.fastest(&task));
            for (worker, sum) in &mut sums {
                *sum = sum.saturating_add(runs.on(&task, *worker));
            }
        }
        let of = components(tasks.len(), &scenario.edges);
        let count = of.iter().filter(|&&flow| flow != NONE).max().map_or(0, |&last| last as usize + 1);
        let mut flows = vec![Workflow { first_arrival: Time::NEVER, path: Duration::ZERO }; count];
        for (&flow, &(arrival, _)) in of.iter().zip(&tasks) {
            if let Some(flow) = flows.get_mut(flow as usize) {
                flow.first_arrival = flow.first_arrival.min(arrival);
            }
        }
        for (task, end) in earliest_ends(&mut tasks, &scenario.edges) {
            if let Some(flow) = flows.get_mut(of[task as usize] as usize) {
                flow.path = flow.path.max(end - flow.first_arrival);
            }
        }
        let sequential = sums.into_iter().map(|(_, sum)| sum).min();
        Ok(Self { of, flows, sequential, workers: scenario.workers.len() })
    }
}

/// The workers that can hold every task, with nothing on them yet. Without a table of durations the fastest of them alone.
fn sequential_workers(scenario: &Scenario) -> Vec<(u32, Duration)> {
    let profile = &scenario.profile;
    // Beyond the limit of the profile there may be shapes that nobody can tell.
    let known = profile.shapes.iter().map(|shape| shape.count).sum::<u64>() == profile.tasks;
    let shapes = || profile.shapes.iter();
    let able = (0u32..).zip(&scenario.workers).filter(|(_, worker)| {
        known
            && shapes().all(|shape| {
                shape.replicas == 1
                    && can_hold(worker, shape.constraint, &shape.request, &scenario.constraints)
            })
    });
    if scenario.durations.is_some() {
        return able.map(|(index, _)| (index, Duration::ZERO)).collect();
    }
    let fastest = able.max_by_key(|(_, worker)| worker.speed);
    fastest.map(|(index, _)| (index, Duration::ZERO)).into_iter().collect()
}

/// By task: the number of the component that it hangs together with, in the order of their first tasks; [`NONE`] without
/// an edge.
fn components(tasks: usize, edges: &[Edge]) -> Vec<u32> {
    fn root(parent: &mut [u32], mut task: u32) -> u32 {
        while parent[task as usize] != task {
            parent[task as usize] = parent[parent[task as usize] as usize];
            task = parent[task as usize];
        }
        task
    }
    let all = 0..u32::try_from(tasks).unwrap_or(NONE);
    let mut parent: Vec<u32> = all.clone().collect();
    let mut has_edge = vec![false; tasks];
    for edge in edges {
        let (a, b) = (root(&mut parent, edge.from), root(&mut parent, edge.to));
        parent[a.max(b) as usize] = a.min(b);
        (has_edge[edge.from as usize], has_edge[edge.to as usize]) = (true, true);
    }
    let mut numbers: HashMap<u32, u32> = HashMap::new();
    let number = |task: u32| {
        if !has_edge[task as usize] {
            return NONE;
        }
        let next = u32::try_from(numbers.len()).unwrap_or(NONE);
        *numbers.entry(root(&mut parent, task)).or_insert(next)
    };
    all.map(number).collect()
}

/// Each task's earliest end, given arrivals and runs: the longest way to it.
fn earliest_ends(tasks: &mut [(Time, Duration)], edges: &[Edge]) -> Vec<(u32, Time)> {
    let mut missing = vec![0u32; tasks.len()];
    edges.iter().for_each(|edge| missing[edge.to as usize] += 1);
    let mut ready: Vec<u32> =
        (0u32..).zip(&missing).filter(|(_, missing)| **missing == 0).map(|(task, _)| task).collect();
    let mut ends = Vec::with_capacity(tasks.len());
    while let Some(task) = ready.pop() {
        let (start, run) = tasks[task as usize];
        ends.push((task, start + run));
        // Edges are sorted by their first end.
        let first = edges.partition_point(|edge| edge.from < task);
        for edge in edges[first..].iter().take_while(|edge| edge.from == task) {
            let to = edge.to as usize;
            tasks[to].0 = tasks[to].0.max(start + run);
            missing[to] -= 1;
            ready.extend((missing[to] == 0).then_some(edge.to));
        }
    }
    ends
}

/// Notes when each workflow ends.
#[derive(Clone, Debug)]
pub struct WorkflowObserver<'a> {
    workflows: &'a Workflows,
    last_end: Vec<Time>,
}

impl<'a> WorkflowObserver<'a> {
    /// Nothing has ended yet.
    #[must_use]
    pub fn new(workflows: &'a Workflows) -> Self {
        Self { workflows, last_end: vec![Time::ZERO; workflows.flows.len()] }
    }

    /// Adds speed-up, efficiency and schedule length ratio to the metrics of a run in which every task ran to its end.
    pub fn complete(&self, metrics: &mut Metrics) {
        let makespan = metrics.makespan_s.filter(|&makespan| makespan > 0.0);
        if let (Some(makespan), Some(sequential)) = (makespan, self.workflows.sequential) {
            let speedup = sequential.seconds() / makespan;
            metrics.speedup = Some(speedup);
            metrics.efficiency = Some(speedup / as_float(self.workflows.workers));
        }
        let flows = self.workflows.flows.iter().zip(&self.last_end);
        let ratios: Vec<f64> = flows
            .filter(|(flow, _)| flow.path > Duration::ZERO)
            .map(|(flow, &end)| (end - flow.first_arrival).seconds() / flow.path.seconds())
            .collect();
        metrics.schedule_length_ratio =
            (!ratios.is_empty()).then(|| ratios.iter().sum::<f64>() / as_float(ratios.len()));
    }
}

#[expect(clippy::cast_precision_loss, reason = "the last step of an exact count")]
fn as_float(count: usize) -> f64 {
    count as f64
}

impl Observer for WorkflowObserver<'_> {
    fn attempt_ended(&mut self, attempt: &Attempt<'_>) -> Result<(), SimError> {
        let flow = self.workflows.of.get(attempt.task.index() as usize).copied().unwrap_or(NONE);
        if let Some(last) = self.last_end.get_mut(flow as usize) {
            *last = (*last).max(attempt.end);
        }
        Ok(())
    }
}
