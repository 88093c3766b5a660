//! The problem that a method solves: tasks, the edges between them, and how long each runs where. Dense and pure.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::classes::Classes;
use crate::{ClusterView, Duration, InputState, Request, TaskId, Time, WorkerId};

/// A task that is to be planned.
#[derive(Clone, Debug)]
pub(super) struct Job {
    pub(super) task: TaskId,
    pub(super) request: Request,
    /// It may have failed to start somewhere: whether a worker will do must be asked.
    pub(super) retried: bool,
    /// Data from tasks that are not of the problem.
    pub(super) given: Vec<Given>,
}

/// Data whose origin is settled: the task has completed, runs, or has been planned before.
#[derive(Clone, Copy, Debug)]
pub(super) struct Given {
    /// When the task ends, and where; nowhere in particular if unknown.
    pub(super) end: Time,
    pub(super) worker: Option<WorkerId>,
    /// How long its data takes to another worker.
    pub(super) transfer: Duration,
}

/// Edges by one of their ends: (other end, transfer).
#[derive(Clone, Debug, Default)]
pub(super) struct Edges {
    first: Vec<usize>,
    edges: Vec<(u32, Duration)>,
}

impl Edges {
    /// Edges in the order of their own end.
    fn push_all(&mut self, edges: impl Iterator<Item = (u32, Duration)>) {
        if self.first.is_empty() {
            self.first.push(0);
        }
        self.edges.extend(edges);
        self.first.push(self.edges.len());
    }

    pub(super) fn of(&self, task: u32) -> &[(u32, Duration)] {
        &self.edges[self.first[task as usize]..self.first[task as usize + 1]]
    }

    /// The same edges by their other end.
    fn reversed(&self) -> Self {
        let tasks = self.first.len().saturating_sub(1);
        let mut first = vec![0; tasks + 1];
        for &(to, _) in &self.edges {
            first[to as usize + 1] += 1;
        }
        for task in 0..tasks {
            first[task + 1] += first[task];
        }
        let mut edges = vec![(0, Duration::ZERO); self.edges.len()];
        let mut next = first.clone();
        for (from, window) in (0u32..).zip(self.first.windows(2)) {
            for &(to, transfer) in &self.edges[window[0]..window[1]] {
                edges[next[to as usize]] = (from, transfer);
                next[to as usize] += 1;
            }
        }
        Self { first, edges }
    }
}

/// Tasks to be planned together, numbered from 0 by index in the trace.
#[derive(Clone, Debug)]
pub(super) struct Problem<'a> {
    pub(super) jobs: Vec<Job>,
    pub(super) predecessors: Edges,
    pub(super) successors: Edges,
    pub(super) classes: &'a Classes,
    /// By task, then class: from assignment to end, [`Duration::MAX`] where it cannot run.
    run: Vec<Duration>,
    /// Predecessors before successors, ties by number.
    order: Vec<u32>,
}

impl<'a> Problem<'a> {
    /// The problem of planning `tasks`, which are sorted and wait. `given` tells when and where a task ends that is not
    /// among them.
    pub(super) fn new(
        view: &ClusterView<'_>,
        classes: &'a Classes,
        tasks: &[TaskId],
        given: impl Fn(TaskId) -> (Time, Option<WorkerId>),
    ) -> Self {
        let number = |task: TaskId| tasks.binary_search(&task).ok().and_then(|at| u32::try_from(at).ok());
        let (mut jobs, mut predecessors, mut run) = (Vec::new(), Edges::default(), Vec::new());
        for task in tasks.iter().filter_map(|&task| view.task(task)) {
            let (mut inner, mut outer) = (Vec::new(), Vec::new());
            for input in view.inputs(task.id()) {
                let transfer = input.transfer;
                match input.state {
                    InputState::Open(from) => match number(from) {
                        Some(from) => inner.push((from, transfer)),
                        None => {
                            let (end, worker) = given(from);
                            outer.push(Given { end, worker, transfer });
                        }
                    },
                    // A gang's data is on several workers; here it counts as being on the first, which errs on the
                    // late side.
                    InputState::Completed { end, workers } => {
                        outer.push(Given { end, worker: workers.first().copied(), transfer });
                    }
                    InputState::Unknown => {}
                }
            }
            predecessors.push_all(inner.into_iter());
            let (spec, retried) = (task.spec(), task.attempt() > 0);
            run.extend(classes.members().map(|members| {
                let able = view.worker(members[0]).is_some_and(|worker| {
                    worker.spec().capacity.holds(&spec.request) && view.allows(spec.constraint, members[0])
                });
                let run = || view.startup_latency().saturating_add(view.expected_run(task.id(), members[0]));
                if able { run() } else { Duration::MAX }
            }));
            jobs.push(Job { task: task.id(), request: spec.request, retried, given: outer });
        }
        let successors = predecessors.reversed();
        let mut problem = Self { jobs, predecessors, successors, classes, run, order: Vec::new() };
        problem.order = problem.topological();
        problem
    }

    /// The numbers of the tasks.
    pub(super) fn numbers(&self) -> std::ops::Range<u32> {
        0..u32::try_from(self.jobs.len()).unwrap_or(u32::MAX)
    }

    /// Predecessors before successors.
    pub(super) fn order(&self) -> &[u32] {
        &self.order
    }

    /// By class: how long the task runs there, `None` where it cannot.
    pub(super) fn runs(&self, task: u32) -> impl DoubleEndedIterator<Item = Option<Duration>> + '_ {
        let (count, task) = (self.classes.count(), task as usize);
        let row = &self.run[task * count..(task + 1) * count];
        row.iter().map(|&run| (run != Duration::MAX).then_some(run))
    }

    /// How long the task runs on a worker of `class`, `None` where it cannot.
    pub(super) fn run(&self, task: u32, class: usize) -> Option<Duration> {
        let run = self.run[task as usize * self.classes.count() + class];
        (run != Duration::MAX).then_some(run)
    }

    /// The mean of `value` over the workers that can hold the task, times the number of workers. That makes it exact
    /// where every worker can; elsewhere it is rounded down.
    pub(super) fn mean(&self, task: u32, value: impl Fn(usize) -> Duration) -> u128 {
        let (mut sum, mut able) = (0, 0);
        for (class, (run, members)) in self.runs(task).zip(self.classes.members()).enumerate() {
            if run.is_some() {
                sum += u128::from(value(class).micros()) * members.len() as u128;
                able += members.len() as u128;
            }
        }
        (sum * self.classes.workers() as u128).checked_div(able).unwrap_or(0)
    }

    /// The mean run time on the scale of [`Problem::mean`].
    pub(super) fn mean_run(&self, task: u32) -> u128 {
        self.mean(task, |class| self.run(task, class).unwrap_or_default())
    }

    /// A transfer time on the scale of [`Problem::mean`].
    pub(super) fn scaled(&self, transfer: Duration) -> u128 {
        u128::from(transfer.micros()) * self.classes.workers() as u128
    }

    /// Kahn 1962, the lowest number first.
    fn topological(&self) -> Vec<u32> {
        let mut order = Vec::with_capacity(self.jobs.len());
        let mut missing: Vec<usize> = self.numbers().map(|task| self.predecessors.of(task).len()).collect();
        let mut free: BinaryHeap<Reverse<u32>> =
            self.numbers().filter(|&task| missing[task as usize] == 0).map(Reverse).collect();
        while let Some(Reverse(task)) = free.pop() {
            order.push(task);
            for &(to, _) in self.successors.of(task) {
                missing[to as usize] -= 1;
                if missing[to as usize] == 0 {
                    free.push(Reverse(to));
                }
            }
        }
        order
    }
}
