//! A cluster under random events and decisions, with a record of what must be true of it.

use std::collections::{BTreeMap, BTreeSet};

use cloudai_schedulers::{
    Capacity, Checkpoints, Cluster, Constraint, ConstraintId, Decision, DecisionBatch, DeviceSet, Effect,
    Event, FailureReason, Indexes, Placement, Request, TaskId, TaskSpec, TaskState, Time, Totals, WorkerId,
    WorkerSpec, WorkerState, invariants,
};
use serde_json::json;

use crate::chaos::Chaos;
use crate::finders;
use crate::support::{config, gpu, secs};

/// One step, as numbers that are read as they fit: what to do, and with what.
pub(crate) type Step = (u8, u32, u32, u32);

/// Indices of a static graph arrive in this order; the rest in index order.
const MIXED: [u32; 8] = [3, 0, 5, 1, 7, 2, 4, 6];

#[derive(Clone, Debug)]
pub(crate) struct World {
    pub(crate) cluster: Cluster,
    constraints: Vec<ConstraintId>,
    /// What they stand for; nothing for one that nobody registered.
    known: [Constraint; 3],
    submitted: Vec<TaskId>,
    attempts: BTreeMap<u32, u32>,
    ended: BTreeMap<u32, TaskState>,
    effects: Vec<Effect>,
    versions: Vec<u64>,
    /// (task, worker) of starts that failed.
    failed_starts: BTreeSet<(u32, WorkerId)>,
}

fn worker_spec(a: u32, b: u32) -> WorkerSpec {
    let capacity = Capacity {
        cpu_milli: u64::from(a % 8) * 1000,
        memory_mib: u64::from(a / 8 % 4) * 1024,
        storage_mib: 1024,
        gpus: a / 32 % 5,
    };
    let mut spec = WorkerSpec { name: format!("{a}/{b}"), capacity, ..WorkerSpec::default() };
    spec.gpu_model = (!b.is_multiple_of(3)).then(|| format!("model{}", b % 3));
    spec.labels.extend((b & 8 > 0).then(|| ("disk".to_owned(), "ssd".to_owned())));
    spec
}

fn task_spec(index: u32, arrival: Time, a: u32, b: u32) -> TaskSpec {
    let milli = [0, 0, 0, 200, 350, 500, 1000, 2000][(a / 16 % 8) as usize];
    let request = Request {
        cpu_milli: u64::from(a % 4) * 700,
        memory_mib: u64::from(a / 4 % 4) * 300,
        storage_mib: u64::from(b % 3) * 100,
        gpu: gpu(milli),
    };
    TaskSpec {
        index,
        request,
        replicas: [0, 1, 1, 1, 1, 1, 2, 4][(b / 4 % 8) as usize],
        arrival,
        estimate: (b & 64 > 0).then(|| secs(u64::from(b / 128 % 9))),
        priority: 0,
        ..TaskSpec::default()
    }
}

impl World {
    pub(crate) fn new(workers: &[(u32, u32)], edges: &[(u32, u32, u32)], indexes: Indexes) -> Self {
        let specs = workers.iter().map(|&(a, b)| worker_spec(a, b)).collect();
        let config = config(|config| {
            config.indexes = indexes;
            config.deep_from = 3;
            config.max_lost_attempts = 2;
            // Some worlds save progress, whatever else they are made of.
            config.checkpoints = (edges.len() % 2 == 1).then(|| {
                let (interval, overhead, restart) = (secs(2), secs(1), secs(1));
                Checkpoints { interval, overhead, restart }
            });
        });
        let mut cluster = Cluster::new(config, specs).unwrap();
        for &(from, distance, transfer) in edges {
            let (from, to) = (from % 8, from % 8 + 1 + distance % 7);
            if to < 8 {
                cluster.add_dependency(from, to, secs(u64::from(transfer % 4)));
            }
        }
        let mut model = Constraint::default();
        model.gpu_models.insert("model1".into());
        let mut label = Constraint::default();
        label.labels.insert("disk".into(), "ssd".into());
        let known = [Constraint::default(), model, label];
        let mut constraints: Vec<_> = known.iter().map(|known| cluster.intern_constraint(known)).collect();
        assert_eq!(constraints[0], ConstraintId::ANY);
        // One that nobody registered: no worker will do.
        constraints.push(ConstraintId(77));
        let empty = (BTreeMap::new(), BTreeMap::new());
        let versions = vec![0];
        Self {
            cluster,
            constraints,
            known,
            submitted: Vec::new(),
            attempts: empty.0,
            ended: empty.1,
            effects: Vec::new(),
            versions,
            failed_starts: BTreeSet::new(),
        }
    }

    fn arrive(&mut self, a: u32, b: u32, c: u32) {
        let count = u32::try_from(self.submitted.len()).unwrap();
        let index = MIXED.get(count as usize).copied().unwrap_or(count);
        let mut spec = task_spec(index, self.cluster.now(), a, b);
        // Half of the tasks run anywhere.
        spec.constraint = self.constraints[[0, 0, 0, 0, 1, 2, 0, c as usize / 8 % 4][(c % 8) as usize]];
        if count >= 8 && c & 48 == 0 {
            let from = self.pick(c, |state| !state.is_terminal());
            from.iter().for_each(|from| {
                self.cluster.add_dependency(from.index(), index, secs(u64::from(c / 64 % 3)));
            });
        }
        self.submitted.push(self.cluster.submit(spec));
    }

    /// The `at`-th task, cyclically, in a state that is wanted.
    fn pick(&self, at: u32, wanted: impl Fn(TaskState) -> bool) -> Option<TaskId> {
        let view = self.cluster.view();
        let fitting = |id: &TaskId| view.task(*id).is_some_and(|task| wanted(task.state()));
        let all: Vec<TaskId> = self.submitted.iter().copied().filter(fitting).collect();
        (!all.is_empty()).then(|| all[at as usize % all.len()])
    }

    /// The same among those that hold resources and have lost no worker: they may complete.
    fn pick_whole(&self, at: u32) -> Option<TaskId> {
        let view = self.cluster.view();
        let whole = |id: &TaskId| {
            view.task(*id).is_some_and(|task| task.state().holds_resources() && !view.is_broken(*id))
        };
        let all: Vec<TaskId> = self.submitted.iter().copied().filter(whole).collect();
        (!all.is_empty()).then(|| all[at as usize % all.len()])
    }

    fn attempt(&self, task: TaskId) -> u32 {
        self.cluster.view().task(task).map_or(0, |task| task.attempt())
    }

    /// Applies an event; one that is refused must leave no trace.
    fn apply(&mut self, event: &Event) -> bool {
        let before = format!("{:?}", self.cluster);
        let parts = match event {
            Event::StartFailed { task, .. } => {
                let placement = self.cluster.view().task(*task).map(|task| task.placement().clone());
                placement.iter().flat_map(Placement::parts).map(|part| (task.index(), part.worker)).collect()
            }
            _ => Vec::new(),
        };
        let applied = self.cluster.apply(event.clone());
        self.failed_starts.extend(parts.into_iter().filter(|_| applied.is_ok()));
        if let Err(error) = &applied {
            assert_eq!(format!("{:?}", self.cluster), before, "{event:?}: {error}");
        }
        applied.is_ok()
    }

    fn apply_to(&mut self, task: Option<TaskId>, event: impl Fn(TaskId, u32) -> Event) {
        if let Some(task) = task {
            let event = event(task, self.attempt(task));
            assert!(self.apply(&event), "{event:?}");
        }
    }

    fn garbage(&mut self, a: u32, b: u32, c: u32) {
        let id = |index: u32, slot: u32| serde_json::from_value(json!({ "index": index, "slot": slot }));
        let any = self.submitted.get(a as usize % self.submitted.len().max(1)).copied();
        // Somebody's task, dead or alive; or an id made up.
        let task = match (b % 4, any) {
            (0 | 1, Some(task)) => task,
            (2, _) => id(c % 40, c / 40 % 40).unwrap(),
            _ => id(u32::MAX - c % 2, c % 12).unwrap(),
        };
        let current = self.attempt(task);
        let attempt = [current, current + 1, current.saturating_sub(1), u32::MAX][(c % 4) as usize];
        let reason = FailureReason::Error;
        let worker = WorkerId(a % 12);
        let event = match c / 4 % 9 {
            0 => Event::Completed { task, attempt },
            1 => Event::Failed { task, attempt, reason },
            2 => Event::Stopped { task, attempt },
            3 => Event::Started { task, attempt },
            4 => Event::StartFailed { task, attempt },
            5 => Event::TransferOver { task },
            6 => Event::Cancelled { task },
            7 => Event::Saved { task, work: secs(u64::from(a % 50)) },
            _ => Event::WorkerChanged { worker, state: WorkerState::Active },
        };
        // The wire changes nothing.
        let event = serde_json::from_str(&serde_json::to_string(&event).unwrap()).unwrap();
        let applied = self.apply(&event);
        let of_an_attempt = c / 4 % 9 < 5;
        assert!(!applied || !of_an_attempt || attempt == current, "{event:?} is stale");
        assert!(!applied || c / 4 % 9 == 8 || self.submitted.contains(&task), "{event:?} is made up");
    }

    /// A worker is out of the question for a stated reason only.
    fn check_can_ever_hold(&self) {
        let view = self.cluster.view();
        for task in view.tasks() {
            let spec = view.task(task).unwrap().spec();
            let constraint = self.constraints.iter().position(|&known| known == spec.constraint).unwrap();
            for worker in view.workers() {
                let may = worker.state() == WorkerState::Active
                    && worker.spec().capacity.holds(&spec.request)
                    && self.known.get(constraint).is_some_and(|known| known.allows(worker.spec()));
                let can = view.can_ever_hold(task, worker.id());
                let failed = self.failed_starts.contains(&(task.index(), worker.id()));
                assert!(if can { may } else { !may || failed }, "{task} on {}: {can}", worker.id());
            }
        }
    }

    fn batch(&mut self, a: u32, b: u32, c: u32) {
        let based_on = self.versions[a as usize % self.versions.len()];
        let task = |at: u32| self.submitted.get(at as usize % self.submitted.len().max(1)).copied();
        let (Some(one), Some(two)) = (task(a), task(b)) else { return };
        let (worker, attempt) = (WorkerId(c % 9), c / 9 % 3);
        let placement = Placement::single(worker, DeviceSet(u64::from(c / 27 % 4)));
        let decisions = vec![
            Decision::Assign { task: one, placement },
            Decision::Bind { task: two, worker },
            Decision::Preempt { task: one, attempt },
            Decision::WakeAt(self.cluster.now()),
        ];
        let batch = DecisionBatch { based_on, decisions };
        let json = serde_json::to_string(&batch).unwrap();
        assert_eq!(serde_json::from_str::<DecisionBatch>(&json).unwrap(), batch);
        assert_eq!(self.cluster.apply_batch(&batch).len(), 4);
    }

    pub(crate) fn step(&mut self, (kind, a, b, c): Step) {
        let not_started = |state| state == TaskState::Assigned;
        match kind % 48 {
            0..7 | 29..32 => self.arrive(a, b, c),
            7 | 8 => {
                let to = self.cluster.now() + secs(u64::from(a % 4));
                self.cluster.advance(to).unwrap();
            }
            9..12 | 32..36 => {
                self.apply_to(self.pick(a, not_started), |task, attempt| Event::Started { task, attempt });
            }
            12..14 => self.apply_to(self.pick_whole(a), |task, attempt| Event::Completed { task, attempt }),
            14 if b % 2 == 0 => {
                let reason = [FailureReason::Error, FailureReason::TimeLimit][(b / 2 % 2) as usize];
                self.apply_to(self.pick_whole(a), |task, attempt| Event::Failed { task, attempt, reason });
            }
            15 | 16 => {
                let stopping = self.pick(a, |state| state == TaskState::Stopping);
                self.apply_to(stopping, |task, attempt| Event::Stopped { task, attempt });
            }
            17 => {
                self.apply_to(self.pick(a, not_started), |task, attempt| Event::StartFailed {
                    task,
                    attempt,
                });
            }
            18 if b % 2 == 0 => {
                let alive = self.pick(a, |state| !state.is_terminal());
                self.apply_to(alive, |task, _| Event::Cancelled { task });
            }
            19 | 20 if c % 2 == 0 => {
                let states =
                    [WorkerState::Active, WorkerState::Draining, WorkerState::Unreachable, WorkerState::Lost];
                // Mostly back to work, or little would run.
                let state = states[[0, 0, 0, 1, 2, 3][(b % 6) as usize]];
                let count = u32::try_from(self.cluster.view().worker_count()).unwrap();
                self.apply(&Event::WorkerChanged { worker: WorkerId(a % (count + 1)), state });
            }
            19 if c % 4 == 1 => {
                let alive = self.pick(a, |state| !state.is_terminal());
                self.apply_to(alive, |task, _| Event::Saved { task, work: secs(u64::from(b % 12)) });
            }
            21 if self.cluster.view().worker_count() < 12 => {
                assert!(self.apply(&Event::WorkerJoined(worker_spec(a, b))));
            }
            22 | 23 => self.garbage(a, b, c),
            24 => self.batch(a, b, c),
            25 => self.cluster.advance_lanes(),
            26 => {
                self.settle();
                self.cluster.end_instant();
                self.cluster.notify(&mut Chaos);
            }
            27 => {
                let before = self.cluster.now();
                let back = Time::from_micros(before.micros().saturating_sub(1));
                assert_eq!(self.cluster.advance(back).is_err(), back < before);
            }
            28 => {
                finders::check(&self.cluster);
                self.check_can_ever_hold();
            }
            _ => self.cluster.pass(&mut Chaos),
        }
        self.settle();
    }

    /// The invariants hold, attempts only grow, and every task is alive or ended once.
    fn settle(&mut self) {
        invariants::check(&self.cluster).unwrap();
        let mut effects = Vec::new();
        self.cluster.take_effects(&mut effects);
        self.effects.append(&mut effects);
        let version = self.cluster.view().version();
        assert!(self.versions.last().is_none_or(|&last| last <= version));
        self.versions.push(version);
        let view = self.cluster.view();
        let mut alive = 0;
        for id in &self.submitted {
            let Some(task) = view.task(*id) else {
                assert!(self.ended.contains_key(&id.index()), "{id} is lost");
                continue;
            };
            let before = self.attempts.insert(id.index(), task.attempt()).unwrap_or(0);
            assert!(
                (before..=before + 1).contains(&task.attempt()),
                "attempts of {id} only grow, one by one"
            );
            if task.state().is_terminal() {
                let first = *self.ended.entry(id.index()).or_insert(task.state());
                assert_eq!(first, task.state(), "{id} ended twice");
            } else {
                assert!(!self.ended.contains_key(&id.index()), "{id} rose again");
                alive += 1;
            }
        }
        assert_eq!(view.tasks().count(), alive);
        assert_eq!(alive, self.cluster.waiting() + self.cluster.blocked() + self.cluster.holding());
    }

    /// Ends everything; then nothing is held any more.
    pub(crate) fn wind_up(&mut self) {
        while let Some(task) = self.pick(0, |state| !state.is_terminal()) {
            let attempt = self.attempt(task);
            if self.cluster.view().is_broken(task) {
                assert!(!self.apply(&Event::Completed { task, attempt }), "a part of it is lost");
                assert!(self.apply(&Event::Stopped { task, attempt }));
            } else if self.cluster.view().task(task).unwrap().state().holds_resources() {
                assert!(self.apply(&Event::Completed { task, attempt }));
            } else {
                assert!(self.apply(&Event::Cancelled { task }));
            }
            self.cluster.advance_lanes();
            self.settle();
        }
        self.cluster.end_instant();
        self.settle();
        assert_eq!(self.ended.len(), self.submitted.len());
        assert_eq!(self.cluster.held(), Totals::default());
        for worker in self.cluster.view().workers() {
            let capacity = worker.spec().capacity;
            assert_eq!(worker.free_cpu_milli(), capacity.cpu_milli);
            assert_eq!(worker.free_gpu_milli(), capacity.gpu_milli());
            assert_eq!((worker.running().count(), worker.lane().count(), worker.load()), (0, 0, 0));
            assert_eq!(worker.committed_work(), 0);
        }
    }

    /// All that can be seen, in a form that no hash order touches.
    pub(crate) fn fingerprint(&self) -> String {
        let view = self.cluster.view();
        let mut tasks: Vec<TaskId> = view.tasks().collect();
        tasks.sort_unstable();
        let tasks: Vec<_> = tasks.into_iter().map(|task| view.task(task)).collect();
        let workers: Vec<_> = view
            .workers()
            .map(|worker| {
                let lists = (worker.running().collect::<Vec<_>>(), worker.lane().collect::<Vec<_>>());
                (worker.state(), worker.load(), worker.committed_work(), worker.free_devices(), lists)
            })
            .collect();
        let queue: Vec<_> = view.queue().collect();
        format!("{tasks:?} {workers:?} {queue:?} {:?} {:?}", view.version(), (view.held(), &self.effects))
    }
}
