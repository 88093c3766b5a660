//! A workload made ready: generated, varied, held in memory where there is room, with what cells of equal settings share.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use cloudai_schedulers::Registry;
use cloudai_workloads::generate::generate;
use cloudai_workloads::openb::Arrivals;
use cloudai_workloads::{Location, Problems, Scenario, Shake, Task, Variation};

use super::design::Origin;
use super::plan::{Base, Cell, Plan, Workload};
use crate::bounds::Bounds;
use crate::engine::{self, Hooks};
use crate::error::SimError;
use crate::experiment::{summarise, unsupported};
use crate::observers::gpu_curve::GpuCurve;
use crate::observers::metrics::MetricsObserver;
use crate::result::{GpuPoint, Metrics};
use crate::workflows::{WorkflowObserver, Workflows};

/// Bytes of a task's row as text, and of its share in what a reader builds, roughly.
const TEXT: u64 = 120;

/// Bytes of a worker in the cluster and its indexes, roughly.
const WORKER: u64 = 1024;

/// Bytes of a task that is alive in a run: record, spec, links, the simulator's side, observers.
const ALIVE: u64 = 384;

/// Bytes of a run whatever its size: histograms, heaps, buffers.
const RUN: u64 = 8 << 20;

/// Bounds and workflows under one combination of settings.
type Shared = Arc<OnceLock<Result<(Bounds, Workflows), Problems>>>;

/// A workload that runs can start from.
#[derive(Debug)]
pub(super) struct Prepared {
    scenario: Arc<Scenario>,
    shared: Mutex<HashMap<usize, Shared>>,
}

/// What a cell came to.
#[derive(Clone, Debug)]
pub(super) enum Ran {
    Measured(Box<Metrics>, Vec<GpuPoint>),
    Skipped(String),
    Failed(String),
}

/// Why there is no workload.
#[derive(Clone, Debug)]
pub(super) enum NotPrepared {
    /// There cannot be one: each of its cells fails with this reason.
    Impossible(Problems),
    /// It cannot be read, or no longer: the sweep ends.
    Unreadable(Problems),
}

impl From<Problems> for NotPrepared {
    fn from(problems: Problems) -> Self {
        Self::Unreadable(problems)
    }
}

/// What a workload and each of its runs may take, in bytes.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Estimate {
    pub(super) held: u64,
    pub(super) run: u64,
    /// The tasks are read again for each run instead of held.
    pub(super) streams: bool,
}

impl Plan {
    /// What a workload and its runs may take, under a limit. Tasks that would take more than half of it are streamed where they
    /// can be.
    pub(super) fn estimate(&self, workload: &Workload, limit: u64) -> Estimate {
        let scenario = &self.scenarios[workload.scenario];
        let (tasks, workers, text) = match &scenario.base {
            Base::Checked { tasks, workers, .. } => (*tasks, u64::from(*workers), 0),
            Base::Openb(trace) => (trace.pods() as u64 * 2, trace.nodes() as u64, TEXT),
            Base::Preset => match scenario.design.origin {
                Origin::Preset { tasks, .. } => (u64::from(tasks), 0, TEXT),
                _ => (0, 0, 0),
            },
        };
        let workers = workload.workers.map_or(workers, u64::from) * WORKER;
        let held = tasks * (size_of::<Task>() as u64 + 48 + text) + workers;
        let can_stream = workload.shake == 0 && matches!(scenario.base, Base::Checked { .. });
        let streams = can_stream && held > limit / 2;
        Estimate { held: if streams { workers } else { held }, run: RUN + tasks * ALIVE + workers, streams }
    }

    /// Makes a workload ready.
    pub(super) fn prepare(&self, workload: &Workload, streams: bool) -> Result<Prepared, NotPrepared> {
        let scenario = &self.scenarios[workload.scenario];
        let (design, name) = (&scenario.design, &scenario.design.name);
        let drawn = |fixed: &Option<u64>| fixed.or(workload.seed).unwrap_or(0);
        let base = match (&scenario.base, &design.origin) {
            (Base::Checked { scenario, .. }, Origin::Folder(folder)) => {
                let kept = scenario.lock().unwrap_or_else(PoisonError::into_inner).clone();
                kept.map_or_else(|| Scenario::check(&Location::Folder(folder.clone())).map(Arc::new), Ok)?
            }
            (Base::Openb(trace), Origin::Openb { target, seed, .. }) => {
                let inflate = |&target: &f64| Arrivals::Inflate { target, seed: drawn(seed) };
                let arrivals = target.as_ref().map_or(Arrivals::Trace, inflate);
                Arc::new(Scenario::check(&trace.location(arrivals, name)?)?)
            }
            (_, Origin::Preset { preset, tasks, seed }) => {
                let workers = u64::from(workload.workers.unwrap_or(1));
                let generated = generate(*preset, u64::from(*tasks), workers, drawn(seed));
                let generated = generated.map_err(|error| Problems::file(&self.file, error.to_string()))?;
                Arc::new(Scenario::check(&generated.location(name))?)
            }
            _ => return Err(Problems::file(&self.file, format!("{name}: has no workload")).into()),
        };
        let mut variation = Variation::default();
        variation.load = workload.load;
        variation.shake = (workload.shake > 0).then(|| Shake {
            width: design.axes.shake_width,
            seed: workload.seed.unwrap_or(0),
            copy: workload.shake,
        });
        if !matches!(design.origin, Origin::Preset { .. }) {
            variation.workers = workload.workers.filter(|&count| count as usize != base.workers.len());
        }
        let mut varied = if variation == Variation::default() && (streams || base.is_loaded().is_some()) {
            base
        } else {
            Arc::new(base.vary(&variation).map_err(NotPrepared::Impossible)?)
        };
        if !streams && let Some(scenario) = Arc::get_mut(&mut varied) {
            scenario.hold()?;
        }
        Ok(Prepared { scenario: varied, shared: Mutex::default() })
    }
}

impl Prepared {
    /// Runs a cell.
    ///
    /// # Errors
    /// What says nothing about the strategy: the workload can no longer be read, or the run was interrupted.
    pub(super) fn run(
        &self,
        plan: &Plan,
        cell: &Cell,
        registry: &Registry,
        hooks: Hooks<'_>,
    ) -> Result<Ran, SimError> {
        let (scenario, settings) = (&*self.scenario, plan.settings(cell));
        let spec = &plan.strategies[cell.strategy];
        let mut strategy = registry.build(spec)?;
        if let Some(reason) = unsupported(strategy.as_ref(), scenario.needs.gangs, &settings) {
            return Ok(Ran::Skipped(reason));
        }
        let shared = self.shared(cell.settings);
        let shared = shared
            .get_or_init(|| Ok((Bounds::of(scenario, &settings)?, Workflows::of(scenario, &settings)?)));
        let (bounds, workflows) = shared.as_ref().map_err(Problems::clone)?;
        let name = spec.to_string();
        let numbers = (MetricsObserver::new(scenario, &settings), GpuCurve::of(scenario, &settings));
        let mut observer = (numbers, WorkflowObserver::new(workflows));
        match engine::run(scenario, &settings, &name, strategy.as_mut(), &mut observer, hooks) {
            Ok(_) => {}
            Err(error @ (SimError::Interrupted | SimError::Input(_) | SimError::Write { .. })) => {
                return Err(error);
            }
            Err(error) => return Ok(Ran::Failed(error.to_string())),
        }
        let ((metrics, curve), flows) = observer;
        let curve = curve.map(GpuCurve::into_points).unwrap_or_default();
        Ok(Ran::Measured(
            Box::new(summarise(&name, scenario, &metrics, &flows, *bounds)),
            at_each_percent(&curve),
        ))
    }

    fn shared(&self, settings: usize) -> Shared {
        let mut shared = self.shared.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(shared.entry(settings).or_default())
    }
}

/// As many digits as `curves.csv` has.
fn millionths(share: f64) -> f64 {
    (share * 1e6).round() / 1e6
}

/// The first point of a curve at or after each percent of the capacity, as `Measured::curve` has it.
fn at_each_percent(curve: &[GpuPoint]) -> Vec<GpuPoint> {
    let mut left = curve.iter().peekable();
    let mut points = Vec::new();
    for percent in 1u32.. {
        let arrived = f64::from(percent) / 100.0;
        while left.next_if(|point| point.arrived < arrived).is_some() {}
        let Some(&&point) = left.peek() else { break };
        points.push(GpuPoint {
            arrived,
            allocated: millionths(point.allocated),
            fragmented: millionths(point.fragmented),
            fragmentation: millionths(point.fragmentation),
        });
    }
    points
}
