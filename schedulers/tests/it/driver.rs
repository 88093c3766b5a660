//! A driver for tests: virtual time, true run times, latencies, and a check of everything after every step.

use std::collections::{BTreeMap, HashMap};
use std::fmt;

use cloudai_schedulers::{
    Cluster, ClusterConfig, Duration, Effect, Event, Scheduler, TaskId, TaskState, Time, WorkerId,
    WorkerSpec, WorkloadProfile, invariants,
};

use crate::support::{Job, at};

/// One attempt of a task, as the driver saw it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Attempt {
    task: u32,
    attempt: u32,
    worker: WorkerId,
    start: Option<Time>,
    end: Time,
    how: &'static str,
}

impl fmt::Display for Attempt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let start = self.start.map_or("never".into(), |start| start.to_string());
        write!(f, "{}.{} w{} {start}-{} {}", self.task, self.attempt, self.worker.0, self.end, self.how)
    }
}

#[derive(Clone, Debug)]
enum Due {
    Event(Event),
    /// Somebody cancels the task of this index, if it is still there.
    Cancel(u32),
    /// The start of the task of this index fails, if it is under way.
    FailStart(u32),
    Arrive(Job),
}

#[derive(Clone, Debug)]
pub(crate) struct Driver {
    pub(crate) cluster: Cluster,
    pub(crate) startup: Duration,
    pub(crate) stop_latency: Duration,
    /// By (time, class, index, order of scheduling).
    due: BTreeMap<(Time, u8, u32, u64), Due>,
    serial: u64,
    runs: HashMap<u32, Duration>,
    ends: HashMap<u32, (Time, u8, u32, u64)>,
    alive: BTreeMap<u32, TaskId>,
    pub(crate) ended: BTreeMap<u32, TaskState>,
    pub(crate) attempts: Vec<Attempt>,
    pub(crate) passes: u32,
}

impl Driver {
    pub(crate) fn new(workers: Vec<WorkerSpec>, jobs: &[Job]) -> Self {
        Self::with_config(ClusterConfig::default(), workers, jobs)
    }

    pub(crate) fn with_config(config: ClusterConfig, workers: Vec<WorkerSpec>, jobs: &[Job]) -> Self {
        let startup = config.startup_latency;
        let mut driver = Self {
            cluster: Cluster::new(config, workers).unwrap(),
            startup,
            stop_latency: Duration::ZERO,
            due: BTreeMap::new(),
            serial: 0,
            runs: HashMap::new(),
            ends: HashMap::new(),
            alive: BTreeMap::new(),
            ended: BTreeMap::new(),
            attempts: Vec::new(),
            passes: 0,
        };
        for job in jobs {
            let mut job = job.clone();
            job.spec.constraint = driver.cluster.intern_constraint(&job.constraint);
            for &(from, transfer) in &job.after {
                driver.cluster.add_dependency(from, job.spec.index, transfer);
            }
            driver.runs.insert(job.spec.index, job.run);
            driver.put(job.spec.arrival, 6, 0, Due::Arrive(job));
        }
        driver
    }

    fn put(&mut self, time: Time, class: u8, index: u32, due: Due) -> (Time, u8, u32, u64) {
        self.serial += 1;
        let key = (time, class, index, self.serial);
        self.due.insert(key, due);
        key
    }

    pub(crate) fn at(&mut self, seconds: u64, event: Event) {
        let index = if let Event::WorkerChanged { worker, .. } = &event { worker.0 } else { 0 };
        self.put(at(seconds), event.class(), index, Due::Event(event));
    }

    pub(crate) fn cancel_at(&mut self, seconds: u64, index: u32) {
        self.put(at(seconds), 5, index, Due::Cancel(index));
    }

    pub(crate) fn fail_start_at(&mut self, seconds: u64, index: u32) {
        self.put(at(seconds), 2, index, Due::FailStart(index));
    }

    pub(crate) fn attach(&self, strategy: &mut dyn Scheduler) {
        strategy.attach(&self.cluster.view(), &WorkloadProfile::default());
    }

    /// Attaches the strategy, runs to the end, and gives the attempts; an error names tasks left for ever.
    pub(crate) fn run(&mut self, strategy: &mut dyn Scheduler) -> Result<Vec<String>, Vec<u32>> {
        self.cluster.keep_indexes(strategy.supports().indexes);
        self.attach(strategy);
        while self.step(strategy) {}
        let left: Vec<u32> = self.alive.keys().copied().collect();
        if left.is_empty() { Ok(self.schedule()) } else { Err(left) }
    }

    pub(crate) fn schedule(&self) -> Vec<String> {
        self.attempts.iter().map(ToString::to_string).collect()
    }

    /// One instant; false once nothing is due any more.
    pub(crate) fn step(&mut self, strategy: &mut dyn Scheduler) -> bool {
        let Some((&(now, ..), _)) = self.due.first_key_value() else { return false };
        self.cluster.advance(now).unwrap();
        while self.due.first_key_value().is_some_and(|(key, _)| key.0 == now) {
            let mut woke = false;
            while let Some(entry) = self.due.first_entry()
                && entry.key().0 == now
            {
                let due = entry.remove();
                woke |= matches!(due, Due::Event(Event::Woke));
                self.apply(due);
                self.carry_out(strategy);
            }
            self.cluster.advance_lanes();
            self.carry_out(strategy);
            if self.cluster.view().queue_len() > 0 || woke || strategy.supports().preemption {
                self.cluster.pass(strategy);
                self.passes += 1;
                self.carry_out(strategy);
            }
        }
        self.settle();
        self.cluster.end_instant();
        invariants::check(&self.cluster).unwrap();
        true
    }

    fn apply(&mut self, due: Due) {
        let event = match due {
            Due::Event(event) => event,
            Due::Cancel(index) => match self.alive.get(&index) {
                Some(&task) => Event::Cancelled { task },
                None => return,
            },
            Due::FailStart(index) => {
                let Some(&task) = self.alive.get(&index) else { return };
                let seen = self.cluster.view().task(task).filter(|seen| seen.state() == TaskState::Assigned);
                let Some(attempt) = seen.map(|seen| seen.attempt()) else { return };
                Event::StartFailed { task, attempt }
            }
            Due::Arrive(job) => {
                let task = self.cluster.submit(job.spec);
                assert!(self.alive.insert(task.index(), task).is_none());
                return;
            }
        };
        let over = match &event {
            Event::Completed { task, .. } => Some((*task, "completed")),
            Event::Failed { task, .. } => Some((*task, "failed")),
            Event::Stopped { task, .. } if self.cluster.view().is_broken(*task) => Some((*task, "broken")),
            Event::Stopped { task, .. } => Some((*task, "stopped")),
            _ => None,
        };
        let record = over.and_then(|(task, how)| self.attempt_of(task, how));
        match self.cluster.apply(event.clone()) {
            Ok(()) => self.attempts.extend(record),
            // What was on its way when the attempt ended by other means.
            Err(error) => assert!(event.class() <= 5, "{event:?} was refused: {error}"),
        }
        if let Event::Started { task, attempt } = event {
            self.expect_end(task, attempt);
        }
    }

    fn attempt_of(&self, id: TaskId, how: &'static str) -> Option<Attempt> {
        let task = self.cluster.view().task(id)?;
        let worker = self.cluster.view().assigned_placement(id)?.worker()?;
        let (start, end) = (task.started_at(), self.cluster.now());
        Some(Attempt { task: id.index(), attempt: task.attempt(), worker, start, end, how })
    }

    /// The true end of an attempt that has started.
    fn expect_end(&mut self, id: TaskId, attempt: u32) {
        let view = self.cluster.view();
        let Some(task) = view.task(id).filter(|task| task.state() == TaskState::Running) else { return };
        let nominal = self.runs[&id.index()];
        let speeds = task.placement().parts().iter();
        let run = speeds.map(|part| view.worker(part.worker).unwrap().spec().speed.run_time(nominal)).max();
        let event = Event::Completed { task: id, attempt };
        let key = self.put(self.cluster.now() + run.unwrap(), 0, id.index(), Due::Event(event));
        self.ends.insert(id.index(), key);
    }

    /// Lets the strategy hear what happened, and does what the core asks for.
    fn carry_out(&mut self, strategy: &mut dyn Scheduler) {
        invariants::check(&self.cluster).unwrap();
        self.cluster.notify(strategy);
        let mut effects = Vec::new();
        self.cluster.take_effects(&mut effects);
        let now = self.cluster.now();
        for effect in effects {
            match effect {
                Effect::Start { task, attempt } => {
                    let event = Due::Event(Event::Started { task, attempt });
                    if self.startup == Duration::ZERO {
                        self.apply(event);
                    } else {
                        self.put(now + self.startup, 2, task.index(), event);
                    }
                }
                Effect::Stop { task, attempt } => {
                    // What is being stopped makes no progress.
                    self.ends.remove(&task.index()).and_then(|key| self.due.remove(&key));
                    let event = Due::Event(Event::Stopped { task, attempt });
                    self.put(now + self.stop_latency, 1, task.index(), event);
                }
                Effect::PartLost { task, .. } => {
                    self.ends.remove(&task.index()).and_then(|key| self.due.remove(&key));
                }
                Effect::AttemptLost { task, attempt, placement, started_at, .. } => {
                    self.ends.remove(&task.index()).and_then(|key| self.due.remove(&key));
                    let (task, worker) = (task.index(), placement.worker().unwrap());
                    self.attempts.push(Attempt {
                        task,
                        attempt,
                        worker,
                        start: started_at,
                        end: now,
                        how: "lost",
                    });
                }
                Effect::TransferAt { task, at } => {
                    self.put(at, 4, task.index(), Due::Event(Event::TransferOver { task }));
                }
                Effect::WakeAt(at) => drop(self.put(at, 7, 0, Due::Event(Event::Woke))),
                Effect::Ended { task, .. } => {
                    let state = self.cluster.view().task(task).unwrap().state();
                    assert!(state.is_terminal(), "{task} is {state:?}");
                }
            }
        }
    }

    /// Every task is alive, or ended once.
    fn settle(&mut self) {
        let view = self.cluster.view();
        self.alive.retain(|&index, &mut id| {
            let state = view.task(id).unwrap_or_else(|| panic!("{id} is lost")).state();
            if state.is_terminal() {
                assert_eq!(self.ended.insert(index, state), None);
            }
            !state.is_terminal()
        });
    }
}
