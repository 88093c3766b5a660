//! What moves inputs to the core, writes to the store, and actions to whom they concern.
//!
//! ```text
//!   ask() ──▶ inbox ──▶ drive: core.step ──▶ steps ──▶ keep: commit, again and again ──▶ replies, workers, watchers
//!                            └── at once ──────────────────────────────────────────────▶
//! ```
//!
//! While one group of steps is being committed the next ones gather: a busy store makes larger groups.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{broadcast, mpsc, oneshot, watch};

use super::carrier::Carrier;
use super::core::{Action, Answer, Input, MasterCore, Step, TaskView, Ticket, WorkerView};
use crate::clock::Clock;
use crate::record::UnixMicros;
use crate::store::{Store, StoreError, Write};

/// How many inputs one step takes at most.
const INPUTS_A_STEP: usize = 4096;
/// How many steps may wait for the store.
const STEPS_WAITING: usize = 1024;
/// How many changes of tasks a watcher may lag behind before it has to look afresh.
const CHANGES_KEPT: usize = 4096;
/// Pauses between attempts to reach a store that is away.
const STORE_AGAIN: [Duration; 4] = [
    Duration::from_millis(50),
    Duration::from_millis(200),
    Duration::from_millis(500),
    Duration::from_secs(1),
];

/// The master is being stopped: nobody answers any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the master is being stopped")]
pub struct Stopped;

/// What can be asked of a running master; a clone asks the same one.
#[derive(Clone, Debug)]
pub struct Master {
    pub(super) shared: Arc<Shared>,
    inbox: mpsc::UnboundedSender<Input>,
}

/// What the parts of the shell share.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) store: Arc<dyn Store>,
    pub(super) clock: Clock,
    pub(super) started_at_us: UnixMicros,
    tickets: Mutex<HashMap<Ticket, oneshot::Sender<Answer>>>,
    next_ticket: AtomicU64,
    pub(super) changes: broadcast::Sender<Arc<TaskView>>,
    pub(super) telemetry: broadcast::Sender<Arc<WorkerView>>,
    problem: Mutex<Option<(UnixMicros, String)>>,
    /// True once another master has taken the store over.
    pub(super) over: watch::Sender<bool>,
    /// WebSocket clients.
    pub(super) clients: AtomicUsize,
    pub(super) counters: Counters,
}

/// What has happened so far, for `/metrics`.
#[derive(Debug, Default)]
pub(super) struct Counters {
    pub(super) steps: AtomicU64,
    pub(super) commits: AtomicU64,
    pub(super) writes: AtomicU64,
    pub(super) store_failures: AtomicU64,
    pub(super) heartbeats: AtomicU64,
    pub(super) assignments: AtomicU64,
    /// Time in `MasterCore::step`, and in the store, in microseconds.
    pub(super) step_us: AtomicU64,
    pub(super) commit_us: AtomicU64,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // What the maps hold is whole after every statement.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

pub(super) fn add(counter: &AtomicU64, amount: u64) {
    counter.fetch_add(amount, Ordering::Relaxed);
}

fn micros(elapsed: Duration) -> u64 {
    u64::try_from(elapsed.as_micros()).unwrap_or(u64::MAX)
}

impl Master {
    /// Starts the loops around a core. They end when `stop` becomes true, and every write has been committed.
    pub(super) fn start(
        core: MasterCore,
        first: Step,
        store: Arc<dyn Store>,
        clock: Clock,
        heartbeat_buffer: usize,
        stop: watch::Receiver<bool>,
        carrier: Carrier,
    ) -> (Self, tokio::task::JoinHandle<()>) {
        let shared = Arc::new(Shared {
            store,
            clock,
            started_at_us: clock.unix_us(),
            tickets: Mutex::default(),
            next_ticket: AtomicU64::new(1),
            changes: broadcast::channel(CHANGES_KEPT).0,
            telemetry: broadcast::channel(heartbeat_buffer.max(1)).0,
            problem: Mutex::default(),
            over: watch::Sender::new(false),
            clients: AtomicUsize::new(0),
            counters: Counters::default(),
        });
        let (inbox, inputs) = mpsc::unbounded_channel();
        let (steps, waiting) = mpsc::channel(STEPS_WAITING);
        let master = Self { shared: Arc::clone(&shared), inbox: inbox.clone() };
        let porter = Porter { shared: Arc::clone(&shared), carrier, inbox };
        let keeping = tokio::spawn(keep(waiting, porter.clone()));
        tokio::spawn(drive(core, first, inputs, steps, porter, stop));
        (master, keeping)
    }

    /// Puts something to the core, and waits for the answer.
    ///
    /// # Errors
    /// [`Stopped`].
    pub async fn ask(&self, input: impl FnOnce(Ticket) -> Input) -> Result<Answer, Stopped> {
        let ticket = self.shared.next_ticket.fetch_add(1, Ordering::Relaxed);
        let (sender, answer) = oneshot::channel();
        lock(&self.shared.tickets).insert(ticket, sender);
        if self.inbox.send(input(ticket)).is_err() {
            lock(&self.shared.tickets).remove(&ticket);
            return Err(Stopped);
        }
        answer.await.map_err(|_| Stopped)
    }

    /// Since when the store has not answered, and why.
    #[must_use]
    pub fn store_problem(&self) -> Option<(UnixMicros, String)> {
        lock(&self.shared.problem).clone()
    }
}

/// Carries actions out.
#[derive(Clone, Debug)]
struct Porter {
    shared: Arc<Shared>,
    carrier: Carrier,
    inbox: mpsc::UnboundedSender<Input>,
}

impl Porter {
    fn carry_out(&self, actions: Vec<Action>) {
        for action in actions {
            match action {
                Action::Reply(ticket, answer) => {
                    // Whoever asked may have gone.
                    let waiting = lock(&self.shared.tickets).remove(&ticket);
                    let _ = waiting.map(|waiting| waiting.send(answer));
                }
                // Nobody may be watching.
                Action::Changed(view) => drop(self.shared.changes.send(Arc::from(view))),
                Action::Heard(view) => drop(self.shared.telemetry.send(Arc::from(view))),
                Action::Assign { address, task } => {
                    add(&self.shared.counters.assignments, 1);
                    self.carrier.assign(address, *task, self.inbox.clone());
                }
                Action::Stop { address, name } => self.carrier.stop(address, name, self.inbox.clone()),
            }
        }
    }
}

/// Drives the core: everything that has come in, one step, and again.
async fn drive(
    mut core: MasterCore,
    first: Step,
    mut inputs: mpsc::UnboundedReceiver<Input>,
    steps: mpsc::Sender<Step>,
    porter: Porter,
    mut stop: watch::Receiver<bool>,
) {
    let clock = porter.shared.clock;
    let mut batch = Vec::new();
    let mut step = first;
    loop {
        porter.carry_out(std::mem::take(&mut step.at_once));
        if !(step.writes.is_empty() && step.then.is_empty()) && steps.send(step).await.is_err() {
            return;
        }
        let due = core
            .next_timer()
            .map_or(Duration::from_secs(3600), |at| Duration::from_micros(at.since(clock.now()).micros()));
        tokio::select! {
            biased;
            _ = stop.wait_for(|stop| *stop) => return,
            received = inputs.recv_many(&mut batch, INPUTS_A_STEP) => {
                if received == 0 {
                    return;
                }
            }
            () = tokio::time::sleep(due) => {}
        }
        let begun = std::time::Instant::now();
        step = core.step(clock.now(), std::mem::take(&mut batch));
        add(&porter.shared.counters.steps, 1);
        add(&porter.shared.counters.step_us, micros(begun.elapsed()));
    }
}

/// Commits steps in order, as many at once as are waiting, and then carries out what depends on them. A store that is away
/// delays that, and nothing is lost.
async fn keep(mut steps: mpsc::Receiver<Step>, porter: Porter) {
    let mut group = Vec::new();
    while steps.recv_many(&mut group, STEPS_WAITING).await > 0 {
        let mut writes = Vec::new();
        let mut actions = Vec::new();
        for step in group.drain(..) {
            writes.extend(step.writes);
            actions.extend(step.then);
        }
        let writes = latest(writes);
        if !writes.is_empty() && commit(&porter.shared, &writes).await.is_err() {
            // Nothing of this may be acknowledged or done.
            porter.shared.over.send_replace(true);
            return;
        }
        porter.carry_out(actions);
    }
}

/// Of several writes of one record only the last matters: they become durable together.
fn latest(writes: Vec<Write>) -> Vec<Write> {
    let mut seen = std::collections::HashSet::new();
    let mut kept: Vec<Write> = Vec::with_capacity(writes.len());
    for write in writes.into_iter().rev() {
        let new = match &write {
            Write::Task(record) => seen.insert(('t', record.task_id.clone())),
            Write::Worker(record) => seen.insert(('w', record.worker_id.clone())),
            Write::Result(record) => seen.insert(('r', record.task_id.clone())),
            Write::Setting { key, .. } => seen.insert(('s', key.clone())),
            Write::Journal(_) => true,
        };
        if new {
            kept.push(write);
        }
    }
    kept.reverse();
    kept
}

/// Fails only if the store is another master's now.
async fn commit(shared: &Shared, writes: &[Write]) -> Result<(), StoreError> {
    let begun = std::time::Instant::now();
    let mut failures = 0;
    while let Err(error) = shared.store.commit(writes).await {
        if matches!(error, StoreError::TakenOver) {
            tracing::error!("another master has taken the store over: this one ends");
            return Err(error);
        }
        add(&shared.counters.store_failures, 1);
        if failures == 0 {
            tracing::warn!(%error, "the store does not take writes; acknowledgements wait");
        }
        note_problem(shared, &error);
        tokio::time::sleep(STORE_AGAIN[failures.min(STORE_AGAIN.len() - 1)]).await;
        failures += 1;
    }
    if failures > 0 {
        tracing::info!(failures, "the store takes writes again");
        *lock(&shared.problem) = None;
    }
    add(&shared.counters.commits, 1);
    add(&shared.counters.writes, writes.len() as u64);
    add(&shared.counters.commit_us, micros(begun.elapsed()));
    Ok(())
}

fn note_problem(shared: &Shared, error: &StoreError) {
    let mut problem = lock(&shared.problem);
    let since = problem.as_ref().map_or(shared.clock.unix_us(), |(since, _)| *since);
    *problem = Some((since, error.to_string()));
}
