//! The master's state machine: inputs in, writes and actions out. It performs no I/O and knows no clock.
//!
//! [`MasterCore::step`] takes everything that has come in since the last step, lets the strategy pass once, and says what is
//! to be written and, once that is durable, to be done. What it believes runs ahead of the store; what it says to anybody
//! does not.
//!
//! - `interface.rs`: what goes in and comes out; this file: the step; `restore.rs`: how a master begins, also again
//! - `intake.rs`: submissions, cancellations, results; `attempts.rs`: from a decision of the strategy to a running
//!   container; `workers.rs`: registrations, heartbeats, leases; `explain.rs`: answers to questions

mod attempts;
mod explain;
mod intake;
mod interface;
mod restore;
mod workers;

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};

use cloudai_schedulers::{
    Cluster, Duration, Effect, EventError, Refusal, Registry, RegistryError, Scheduler, StrategySpec, TaskId,
    Time, WorkerId,
};
pub use explain::{ClusterStatus, TaskView, Why, WorkerRefusal, WorkerView};
pub use interface::{
    Action, Answer, AttemptName, Beat, Delivery, Held, Input, Problem, Question, Registration, Report, Step,
    Ticket,
};
use rand_pcg::Pcg64;
use thiserror::Error;

use crate::limits::Limits;
use crate::record::{JournalEntry, TaskRecord, UnixMicros, WorkerRecord};
use crate::store::Write;

/// What a core is told once.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct CoreSettings {
    /// How long a worker may go on without an answer before it stops its tasks. Default 300 s.
    pub lease: Duration,
    /// How much longer the master waits than the worker: for the stop itself, which takes 10 s, or 20 if the worker's guard has to
    /// do it, and for clocks that drift. Default 30 s.
    pub margin: Duration,
    /// A worker not heard from for this long takes no new work. Default 30 s.
    pub inactive_after: Duration,
    /// How often workers are to say that they live. Default 5 s.
    pub heartbeat_interval: Duration,
    /// How often the start of a task may fail before the task does. Default 3.
    pub max_failed_starts: u32,
    /// What a submission may ask for.
    pub limits: Limits,
    /// Seeds the generator that strategies draw from. Default 0.
    pub seed: u64,
    /// Seeds the generator that ids of tasks are drawn from. Default: drawn from the system.
    pub ids: u64,
}

impl Default for CoreSettings {
    fn default() -> Self {
        Self {
            lease: Duration::from_secs(300),
            margin: Duration::from_secs(30),
            inactive_after: Duration::from_secs(30),
            heartbeat_interval: Duration::from_secs(5),
            max_failed_starts: 3,
            limits: Limits::default(),
            seed: 0,
            ids: rand::random(),
        }
    }
}

/// What is to be looked at again at some time.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Timer {
    /// The strategy has asked for a pass.
    Wake,
    /// An assignment has not been answered.
    Assign(u32, u32),
    /// A stop has not been answered.
    Stop(u32, u32),
    /// A worker may have fallen silent.
    Silence(usize),
    /// A task whose start has failed may be tried again.
    Retry(u32, u32),
}

/// A task that has not ended.
#[derive(Debug)]
struct Entry {
    record: TaskRecord,
    id: TaskId,
    /// The worker is known to have taken the current attempt.
    taken: bool,
    /// The worker is known to be stopping it.
    stop_heard: bool,
    /// The start of the current attempt has failed, and its record says so; in the cluster it stays assigned until it is time to
    /// try again.
    start_failed: bool,
}

/// A worker, also one that is gone.
#[derive(Debug)]
struct WorkerEntry {
    record: WorkerRecord,
    /// Its place in the cluster, from its first contact on; another one once its capacity has changed.
    id: Option<WorkerId>,
    /// What it has by its last registration, if that is not what the cluster has it down for: it takes no new work until it
    /// holds nothing, and joins anew.
    changed: Option<Box<WorkerRecord>>,
    /// When it was last heard from, or the master began.
    contact: Time,
    /// Assignments reach it: it has not said that its session is another, and its lease is not over.
    open: bool,
    /// It has sent a heartbeat in its present session, so it knows that it is in it: an assignment that overtakes the answer to
    /// its registration would find it between two sessions.
    settled: bool,
    /// When its silence is looked at next.
    looked_at: Option<Time>,
    /// What it said last.
    beat: Option<Beat>,
    /// Indexes of the tasks that are assigned to it.
    tasks: BTreeSet<u32>,
}

/// How tasks have ended so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Ended {
    completed: u64,
    failed: u64,
    cancelled: u64,
}

/// Dense numbers for names.
#[derive(Debug, Default)]
struct Interner(HashMap<String, u32>);

impl Interner {
    fn number(&mut self, name: &str) -> u32 {
        if let Some(&number) = self.0.get(name) {
            return number;
        }
        let number = u32::try_from(self.0.len()).unwrap_or(u32::MAX);
        self.0.insert(name.to_owned(), number);
        number
    }
}

/// The master's state machine.
pub struct MasterCore {
    settings: CoreSettings,
    registry: Registry,
    strategy: Box<dyn Scheduler>,
    spec: StrategySpec,
    cluster: Cluster,
    tasks: BTreeMap<u32, Entry>,
    /// Index of a task by its id.
    named: HashMap<String, u32>,
    workers: Vec<WorkerEntry>,
    worker_named: HashMap<String, usize>,
    /// Which of `workers` a worker of the cluster is.
    worker_of: Vec<usize>,
    users: Interner,
    families: Interner,
    /// Shapes of the latest tasks: the profile that a strategy is given.
    recent: VecDeque<cloudai_schedulers::ShapeCount>,
    timers: BTreeSet<(Time, Timer)>,
    woken: bool,
    next_index: u32,
    next_seq: u64,
    ids: Pcg64,
    ended: Ended,
    out: Step,
    effects: Vec<Effect>,
    /// What the journal is to have of this step.
    notes: Vec<serde_json::Value>,
}

impl std::fmt::Debug for MasterCore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut shown = f.debug_struct("MasterCore");
        shown.field("spec", &self.spec).field("tasks", &self.tasks).field("workers", &self.workers);
        shown.finish_non_exhaustive()
    }
}

/// Tasks whose shapes make the profile.
const RECENT: usize = 4096;

impl MasterCore {
    /// Takes in what has happened, lets the strategy pass, and says what follows. `now` never goes back: an earlier one
    /// counts as the last.
    pub fn step(&mut self, now: Time, mut inputs: Vec<Input>) -> Step {
        self.set_clock(now);
        inputs.sort_by_key(Input::class);
        let (questions, events): (Vec<Input>, Vec<Input>) =
            inputs.into_iter().partition(|input| matches!(input, Input::Ask(..)));
        for input in events {
            self.take(input);
            self.carry_out();
        }
        self.run_timers();
        self.pass();
        self.cluster.end_instant();
        for question in questions {
            self.take(question);
        }
        self.write_journal();
        std::mem::take(&mut self.out)
    }

    /// When a step is due even if nothing comes in.
    #[must_use]
    pub fn next_timer(&self) -> Option<Time> {
        self.timers.first().map(|&(at, _)| at)
    }

    /// The cluster, to check its invariants.
    #[must_use]
    pub const fn cluster(&self) -> &Cluster {
        &self.cluster
    }

    /// The spec of the strategy in force.
    #[must_use]
    pub fn strategy(&self) -> String {
        self.spec.to_string()
    }

    fn set_clock(&mut self, now: Time) {
        // An earlier time is refused, and the clock stays.
        let _ = self.cluster.advance(now);
    }

    fn now(&self) -> Time {
        self.cluster.now()
    }

    #[expect(clippy::cast_possible_wrap, reason = "unix time in microseconds")]
    fn now_us(&self) -> UnixMicros {
        self.now().micros() as i64
    }

    fn take(&mut self, input: Input) {
        match input {
            Input::Submit(ticket, requests) => self.submit(ticket, requests),
            Input::Cancel(ticket, task) => self.cancel(ticket, &task),
            Input::Register(ticket, registration) => self.register(ticket, *registration),
            Input::Heartbeat(ticket, beat) => self.heartbeat(ticket, beat),
            Input::Report(ticket, report) => self.report(ticket, *report),
            Input::Assigned(name, delivery) => self.assigned(&name, delivery),
            Input::Stopping(name, held) => self.stopping(&name, held),
            Input::PreRegister(ticket, worker, address) => self.pre_register(ticket, worker, address),
            Input::Drain(ticket, worker, drain) => self.drain(ticket, &worker, drain),
            Input::Forget(ticket, worker) => self.forget(ticket, &worker),
            Input::Switch(ticket, spec) => self.switch(ticket, spec),
            Input::Ask(ticket, question) => self.answer(ticket, &question),
        }
    }

    fn run_timers(&mut self) {
        while let Some((_, timer)) = self.timers.pop_first().filter(|(at, timer)| {
            let due = *at <= self.cluster.now();
            if !due {
                self.timers.insert((*at, timer.clone()));
            }
            due
        }) {
            match timer {
                Timer::Wake => self.woken = true,
                Timer::Assign(index, attempt) => self.assign_again(index, attempt),
                Timer::Stop(index, attempt) => self.stop_again(index, attempt),
                Timer::Silence(worker) => self.check_silence(worker),
                Timer::Retry(index, attempt) => self.try_again(index, attempt),
            }
            self.carry_out();
        }
    }

    /// Lets the strategy pass, if there is something to decide.
    fn pass(&mut self) {
        let woken = std::mem::take(&mut self.woken);
        if woken {
            let _ = self.cluster.apply(cloudai_schedulers::Event::Woke);
        }
        self.cluster.notify(self.strategy.as_mut());
        if woken || self.cluster.view().queue_len() > 0 || self.strategy.supports().preemption {
            self.cluster.pass(self.strategy.as_mut());
        } else {
            self.cluster.advance_lanes();
        }
        self.carry_out();
    }

    /// Switches the strategy; tasks stay where they are.
    fn switch(&mut self, ticket: Ticket, spec: StrategySpec) {
        match self.registry.build(&spec) {
            Err(error) => self.refuse(ticket, error.into()),
            Ok(strategy) => {
                self.strategy = strategy;
                self.spec = spec;
                self.cluster.keep_indexes(self.strategy.supports().indexes);
                self.strategy.attach(&self.cluster.view(), &self.profile());
                let spec = self.strategy();
                self.out.writes.push(Write::Setting { key: STRATEGY.to_owned(), value: spec.clone() });
                self.note("strategy", serde_json::json!({ "spec": spec }));
                self.reply(ticket, Answer::Strategy(spec));
            }
        }
    }

    fn profile(&self) -> cloudai_schedulers::WorkloadProfile {
        let mut shapes: Vec<cloudai_schedulers::ShapeCount> = Vec::new();
        let mut places = HashMap::new();
        for shape in &self.recent {
            let place = *places.entry((shape.request, shape.constraint)).or_insert_with(|| {
                shapes.push(cloudai_schedulers::ShapeCount { count: 0, ..*shape });
                shapes.len() - 1
            });
            shapes[place].count += 1;
        }
        shapes.sort_by_key(|shape| std::cmp::Reverse(shape.count));
        cloudai_schedulers::WorkloadProfile { shapes, tasks: self.recent.len() as u64 }
    }

    /// Answers once everything written so far is durable.
    fn reply(&mut self, ticket: Ticket, answer: Answer) {
        self.out.then.push(Action::Reply(ticket, answer));
    }

    /// Answers now.
    fn reply_at_once(&mut self, ticket: Ticket, answer: Answer) {
        self.out.at_once.push(Action::Reply(ticket, answer));
    }

    fn refuse(&mut self, ticket: Ticket, problem: Problem) {
        self.reply(ticket, Answer::Problem(problem));
    }

    /// Takes something down for the journal.
    fn note(&mut self, event: &str, mut data: serde_json::Value) {
        data["event"] = event.into();
        self.notes.push(data);
    }

    /// Writes the journal: what has happened in a step, its pass included, is one entry, so that a replay can repeat the pass.
    fn write_journal(&mut self) {
        if self.notes.is_empty() {
            return;
        }
        let data = std::mem::take(&mut self.notes).into();
        let entry = JournalEntry { seq: self.next_seq, at_us: self.now_us(), kind: "step".to_owned(), data };
        self.next_seq += 1;
        self.out.writes.push(Write::Journal(entry));
    }

    /// Writes a task as it stands, and tells those who watch it.
    fn keep(&mut self, index: u32) {
        let Some(entry) = self.tasks.get(&index) else { return };
        self.out.writes.push(Write::Task(Box::new(entry.record.clone())));
        if let Some(view) = self.task_view(index) {
            self.out.then.push(Action::Changed(Box::new(view)));
        }
    }

    /// Writes a worker as it stands, and tells those who watch it.
    fn keep_worker(&mut self, place: usize) {
        let now = self.now_us();
        let record = &mut self.workers[place].record;
        record.updated_at_us = now;
        self.out.writes.push(Write::Worker(Box::new(record.clone())));
        let view = self.worker_view(place);
        self.out.at_once.push(Action::Heard(Box::new(view)));
    }

    /// An event that contradicts the cluster's state is a bug of this core, and no reason to die.
    fn accepted(what: Result<(), EventError>) {
        if let Err(error) = what {
            tracing::error!(%error, "the cluster refuses an event");
            debug_assert!(false, "{error}");
        }
    }
}

/// The setting that holds the strategy's spec.
pub(crate) const STRATEGY: &str = "strategy";

/// Why a master cannot begin.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum RestoreError {
    /// The strategy cannot be made.
    #[error(transparent)]
    Strategy(#[from] RegistryError),
    /// A record contradicts another.
    #[error(
        "the store's records contradict each other: attempt {attempt} of task '{task_id}' on worker '{worker_id}': {refusal}"
    )]
    Placement {
        /// The task.
        task_id: String,
        /// Its attempt.
        attempt: u32,
        /// Where the record has it.
        worker_id: String,
        /// Why that cannot be.
        refusal: Refusal,
    },
    /// The cluster refuses what a record says.
    #[error("the store's records contradict each other: {0}")]
    Event(#[from] EventError),
    /// An assignment names a worker that the store does not have.
    #[error("task '{task_id}' is assigned to worker '{worker_id}', which the store does not have")]
    NoWorker {
        /// The task.
        task_id: String,
        /// The worker.
        worker_id: String,
    },
}
