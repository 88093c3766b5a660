//! `las`: least attained service, in discrete queues.

use std::collections::BTreeMap;

use super::{Preempting, Rank, WINDOW};
use crate::{
    ClusterEvent, ClusterView, Duration, Kind, ParamInfo, ParamKind, Params, StrategyInfo, TaskId, TaskState,
    TaskView, Time,
};

/// `las` in the registry.
pub const INFO: StrategyInfo = StrategyInfo {
    name: "las",
    aliases: &["tiresias"],
    about: "least attained service: the more GPU time a task has had, the lower its queue; lower queues give way",
    kind: Kind::Other,
    source: "Gu et al. 2019, Tiresias: A GPU Cluster Manager for Distributed Deep Learning, NSDI (discretised two-dimensional LAS)",
    complexity: "O(Q log Q + R log R + window x W x running tasks a worker) per pass",
    params: &[
        ParamInfo {
            name: "queues",
            about: "how many queues there are",
            kind: ParamKind::Int { default: 2, min: 1, max: 16 },
        },
        ParamInfo {
            name: "first_queue_h",
            about: "attained service at which a task leaves the first queue, in GPU hours (core hours without GPU)",
            kind: ParamKind::Float { default: 1.0, min: 1e-6, max: 1e6 },
        },
        ParamInfo {
            name: "factor",
            about: "each further queue ends at this many times the service of the one before",
            kind: ParamKind::Float { default: 10.0, min: 1.0, max: 1e6 },
        },
        ParamInfo {
            name: "promote",
            about: "a task goes back to the first queue when it has waited this many times as long as it had run; 0: never",
            kind: ParamKind::Float { default: 0.0, min: 0.0, max: 1e6 },
        },
        WINDOW,
    ],
    build: |params| Box::new(Preempting::new(Las::new(params), params.count("window"))),
};

/// By the queue that a task is in: the one of all that it has been served. Service is run time over all attempts, lost
/// ones included, times GPUs (times cores for tasks without GPU), all replicas counted. Within a queue tasks run first
/// come first served, and do not stop each other.
///
/// Service only grows, so a task that was stopped is in no earlier queue than before, which was behind that of the task it
/// was stopped for. A promotion begins a new count. It takes a wait that grows with all that the task has run, so that tasks
/// which are promoted in turn run for longer and longer, and get to their ends even if they start over each time.
///
/// Departures from the paper: the wait is held against the task's run time from its beginning, not from its last promotion,
/// since there a stopped task goes on where it was, and here it may start over. GPUs are counted as asked for, fractions too; without GPUs it is cores. The paper's profiles of
/// how sensitive a model is to placement are left out, and so is the Gittins index.
#[derive(Clone, Debug)]
pub struct Las {
    /// Service at which each queue but the last ends, in microseconds x milli-GPU.
    ends: Vec<u128>,
    promote: f64,
    /// By task index: run time at its last promotion.
    promoted: BTreeMap<u32, Duration>,
    /// By task index: when it was last put back into the queue.
    waits_since: BTreeMap<u32, Time>,
}

/// Microseconds x milli-GPU in a GPU hour.
const GPU_HOUR: f64 = 3.6e9 * 1e3;

impl Las {
    fn new(params: &Params) -> Self {
        let (mut end, factor) = (params.float("first_queue_h") * GPU_HOUR, params.float("factor"));
        let mut ends = Vec::new();
        for _ in 1..params.int("queues") {
            ends.push(whole(end));
            end *= factor;
        }
        let (promoted, waits_since) = (BTreeMap::new(), BTreeMap::new());
        Self { ends, promote: params.float("promote"), promoted, waits_since }
    }

    /// Run time that counts: since the last promotion.
    fn ran(&self, view: &ClusterView<'_>, task: TaskView<'_>) -> Duration {
        let before = self.promoted.get(&task.id().index()).copied().unwrap_or_default();
        task.attained(view.now()).saturating_sub(before)
    }

    fn queue(&self, view: &ClusterView<'_>, task: TaskView<'_>) -> usize {
        let service = u128::from(self.ran(view, task).micros()) * size(task);
        self.ends.partition_point(|&end| end <= service)
    }

    /// When a waiting task has waited for so long that it goes back to the first queue.
    fn promotion(&self, view: &ClusterView<'_>, task: TaskView<'_>) -> Option<Time> {
        if self.promote == 0.0 || self.queue(view, task) == 0 {
            return None;
        }
        let since = self.waits_since.get(&task.id().index()).copied().unwrap_or_else(|| task.eligible());
        #[expect(clippy::cast_precision_loss, reason = "a factor that people chose")]
        let wait = whole(task.attained(view.now()).micros() as f64 * self.promote);
        Some(since + Duration::from_micros(u64::try_from(wait).unwrap_or(u64::MAX)))
    }

    /// When a task that runs, or is about to, leaves its queue. What this pass has started runs without a further one.
    fn demotion(&self, view: &ClusterView<'_>, task: TaskView<'_>) -> Option<Time> {
        if size(task) == 0 {
            return None;
        }
        let runs_from = match task.state() {
            TaskState::Running => view.now(),
            TaskState::Assigned => (task.assigned_at()? + view.startup_latency()).max(view.now()),
            _ => return None,
        };
        let end = self.ends.get(self.queue(view, task))?;
        let at = u64::try_from(end.div_ceil(size(task))).unwrap_or(u64::MAX);
        let left = Duration::from_micros(at).saturating_sub(self.ran(view, task));
        Some(runs_from + left)
    }
}

impl Rank for Las {
    fn waiting(&self, view: &ClusterView<'_>, task: TaskView<'_>) -> i64 {
        i64::try_from(self.queue(view, task)).unwrap_or(i64::MAX)
    }

    fn running(&self, view: &ClusterView<'_>, task: TaskView<'_>) -> i64 {
        self.waiting(view, task)
    }

    fn attach(&mut self, _: &ClusterView<'_>) {
        self.promoted.clear();
        self.waits_since.clear();
    }

    fn observe(&mut self, event: &ClusterEvent, view: &ClusterView<'_>) {
        match *event {
            ClusterEvent::TaskRequeued(task) => {
                self.waits_since.insert(task.index(), view.now());
            }
            ClusterEvent::TaskEnded { task, .. } => {
                self.waits_since.remove(&task.index());
                self.promoted.remove(&task.index());
            }
            _ => {}
        }
    }

    fn begin(&mut self, view: &ClusterView<'_>) {
        let due = |&task: &TaskId| {
            let promotion = view.task(task).and_then(|task| self.promotion(view, task));
            promotion.is_some_and(|at| at <= view.now())
        };
        let due: Vec<TaskId> = view.queue().filter(due).collect();
        for task in due.into_iter().filter_map(|task| view.task(task)) {
            self.promoted.insert(task.id().index(), task.attained(view.now()));
        }
    }

    fn changes_at(&self, view: &ClusterView<'_>) -> Option<Time> {
        let running = view.running();
        let demotions = running.iter().filter_map(|&(_, task)| self.demotion(view, view.task(task)?));
        let promotions = view.queue().filter_map(|task| self.promotion(view, view.task(task)?));
        demotions.chain(promotions).min()
    }
}

/// GPUs that a task asks for, or cores if none, all replicas counted, in thousandths.
fn size(task: TaskView<'_>) -> u128 {
    let request = task.spec().request;
    let each = if request.gpu.is_none() { request.cpu_milli } else { u64::from(request.gpu.milli()) };
    u128::from(each) * u128::from(task.spec().replicas)
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "not negative; saturates")]
fn whole(amount: f64) -> u128 {
    amount as u128
}
