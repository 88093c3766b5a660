//! GPU allocation and fragmentation against what has arrived, for workloads that reject what does not fit.

use cloudai_schedulers::strategies::queue::place::gpu::fragmentation::TypicalTasks;
use cloudai_schedulers::{Cluster, Part, TaskSpec, WorkerId, WorkerState};
use cloudai_workloads::{OnFull, Scenario, Settings};

use super::Observer;
use crate::error::SimError;
use crate::result::GpuPoint;

/// Rows at most; when there would be more, the step between them doubles.
const MOST_ROWS: usize = 2_048;

/// Parts of the capacity that steps are counted in: the first step is one of them, 0.1%.
const PARTS: u128 = 1_000;

/// The cluster after an instant, in milli-GPU.
#[derive(Clone, Copy, Debug, Default)]
struct Row {
    arrived: u64,
    held: u64,
    capacity: u64,
    /// Times the number of typical tasks.
    unusable: u128,
}

/// Records the curve: a row for the first instant at which the GPU demand of all arrivals so far reaches each multiple of
/// 0.1% of the capacity (0.2%, 0.4%, ... where that would be more than 2,048 rows), and one for the last arrival.
#[derive(Clone, Debug)]
pub struct GpuCurve {
    typical: TypicalTasks,
    arrived: u64,
    /// In [`PARTS`] of the capacity.
    step: u128,
    rows: Vec<Row>,
    last: Row,
    /// By worker: what typical tasks cannot use there.
    unusable: Vec<u64>,
    all_unusable: u128,
}

impl GpuCurve {
    /// The curve of a run of this scenario; `None` unless the settings reject what does not fit, and tasks ask for GPU.
    #[must_use]
    pub fn of(scenario: &Scenario, settings: &Settings) -> Option<Self> {
        let wanted = settings.on_full == OnFull::Reject && scenario.needs.asks_gpu;
        wanted.then(|| Self {
            typical: TypicalTasks::of(&scenario.profile),
            arrived: 0,
            step: 1,
            rows: Vec::new(),
            last: Row::default(),
            unusable: Vec::new(),
            all_unusable: 0,
        })
    }

    fn refresh(&mut self, worker: WorkerId, cluster: &Cluster) {
        let view = cluster.view();
        let Some(worker) = view.worker(worker) else { return };
        let lost = worker.state() == WorkerState::Lost;
        let after = if lost { 0 } else { self.typical.unusable_on(&view, &worker) };
        let before = std::mem::replace(&mut self.unusable[worker.id().index()], after);
        self.all_unusable = self.all_unusable + u128::from(after) - u128::from(before);
    }

    /// Sums up workers that it has not seen yet.
    fn meet_workers(&mut self, cluster: &Cluster) {
        let known = self.unusable.len();
        let view = cluster.view();
        self.unusable.resize(view.worker_count(), 0);
        view.workers().skip(known).for_each(|worker| self.refresh(worker.id(), cluster));
    }

    /// How many steps have been reached in a row.
    fn steps(&self, row: &Row) -> u128 {
        (u128::from(row.arrived) * PARTS).checked_div(u128::from(row.capacity) * self.step).unwrap_or(0)
    }

    /// Keeps the first row of each step.
    fn thin_out(&mut self) {
        self.step *= 2;
        let mut reached = 0;
        let rows = std::mem::take(&mut self.rows);
        self.rows = rows
            .into_iter()
            .filter(|row| {
                let steps = self.steps(row);
                std::mem::replace(&mut reached, steps) < steps
            })
            .collect();
    }

    /// The curve, ascending by what has arrived; empty without GPUs.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "the last step of exact sums")]
    pub fn into_points(mut self) -> Vec<GpuPoint> {
        if self.rows.last().is_some_and(|row| row.arrived < self.last.arrived) {
            self.rows.push(self.last);
        }
        let point = |row: &Row| {
            let capacity = row.capacity as f64;
            let free = row.capacity.saturating_sub(row.held);
            let fragmentation = self.typical.share(row.unusable, free);
            GpuPoint {
                arrived: row.arrived as f64 / capacity,
                allocated: row.held as f64 / capacity,
                fragmented: fragmentation * free as f64 / capacity,
                fragmentation,
            }
        };
        self.rows.iter().map(point).collect()
    }
}

impl Observer for GpuCurve {
    fn reads_names(&self) -> bool {
        false
    }

    fn arrived(&mut self, task: &TaskSpec) {
        self.arrived += u64::from(task.request.gpu.milli()) * u64::from(task.replicas);
    }

    fn held_changed(&mut self, parts: &[Part], cluster: &Cluster) {
        self.meet_workers(cluster);
        parts.iter().for_each(|part| self.refresh(part.worker, cluster));
    }

    fn worker_changed(&mut self, worker: WorkerId, cluster: &Cluster) {
        self.meet_workers(cluster);
        self.refresh(worker, cluster);
    }

    fn settled(&mut self, cluster: &Cluster) -> Result<(), SimError> {
        if self.arrived == self.last.arrived {
            return Ok(());
        }
        self.meet_workers(cluster);
        let row = Row {
            arrived: self.arrived,
            held: cluster.held().gpu_milli,
            capacity: cluster.capacity().gpu_milli,
            unusable: self.all_unusable,
        };
        let reached = self.rows.last().map_or(0, |last| self.steps(last));
        if self.steps(&row) > reached {
            self.rows.push(row);
            if self.rows.len() > MOST_ROWS {
                self.thin_out();
            }
        }
        self.last = row;
        Ok(())
    }
}
