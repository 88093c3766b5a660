//! The worker as a state machine: inputs in, actions out; no I/O, no clock.
//!
//! What it guarantees, whatever the network does and whenever the process dies:
//!
//! - **Fence.** An assignment is taken only in the session that it names, and the number of a registration is durable
//!   before it is sent; so an assignment that was delayed past a registration can never start anything.
//! - **Lease.** Each answered heartbeat or registration lengthens the lease, counted from when it was *sent*. When it runs
//!   out, attempts with `on_disconnect = stop` are stopped.
//! - **Results.** A result is durable before it is reported, and is reported until the master has stored it.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};

use cloudai_proto::v1;

use super::events::{
    Action, AttemptKey, BootMicros, CallId, Entry, Found, FoundState, Held, Input, Load, Now, Outcome,
    StopRequest,
};
use super::journal::JournalState;

mod answers;

const SECOND: i64 = 1_000_000;
/// Changes within this time share one heartbeat.
const COALESCE: i64 = 50_000;
/// ... and so much longer for each attempt held, so that a long list is not sent all the time.
const COALESCE_PER_ATTEMPT: i64 = 50;
/// How long an attempt that is over is remembered, so that a late copy of its assignment changes nothing. A copy that is
/// older than the session is refused anyway.
const TOMBSTONE: i64 = 3600 * SECOND;
/// ... and how many are, at most.
const TOMBSTONES: usize = 100_000;
/// Results on their way to the master at once.
const REPORTS: usize = 16;
const REPORT_PAUSE: (i64, i64) = (SECOND / 10, 5 * SECOND);
const REGISTER_PAUSE: (i64, i64) = (SECOND / 5, 5 * SECOND);

/// What an attempt's reason says that was stopped because its lease ran out.
pub const CUT_OFF: &str = "cut off from the master";
/// What an attempt's reason says of which a restarted worker found nothing.
pub const LOST: &str = "lost when the worker stopped";

/// What a core starts from.
#[derive(Clone, Debug, Default)]
pub struct CoreSettings {
    /// What every registration says; `registration` and `held` are filled in.
    pub info: v1::WorkerInfo,
    /// Time between heartbeats, unless the master asks for another.
    pub heartbeat_interval_us: i64,
}

/// What is known of an earlier life of the worker.
#[derive(Clone, Debug, Default)]
pub struct Recovered {
    /// What the journal holds.
    pub journal: JournalState,
    /// What the executor found.
    pub found: Vec<Found>,
    /// The end of the lease, if this is still known.
    pub lease_end_us: Option<BootMicros>,
}

#[derive(Clone, Debug)]
enum Phase {
    Starting,
    Running,
    /// Over; the result is not stored yet. The pause before it is said again.
    Ended(Box<v1::TaskResult>, i64),
}

#[derive(Clone, Debug)]
struct Attempt {
    task: v1::Task,
    started_at_us: i64,
    stop: Option<StopRequest>,
    phase: Phase,
}

impl Attempt {
    fn info(&self) -> v1::TaskInfo {
        let status = match (&self.phase, &self.stop) {
            (Phase::Ended(..), _) => "ended",
            (_, Some(_)) => "stopping",
            (Phase::Starting, None) => "starting",
            (Phase::Running, None) => "running",
        };
        v1::TaskInfo {
            task_id: self.task.task_id.clone(),
            cpu_allocated: self.task.cpu_cores,
            memory_allocated: self.task.memory_gb * 1024.0,
            gpu_allocated: self.task.gpu_cores,
            status: status.to_owned(),
            attempt: self.task.attempt,
            started_at_us: self.started_at_us,
        }
    }
}

/// Why an attempt is remembered that is not held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Tombstone {
    /// It was held, and its result is stored.
    Ended,
    /// It was cancelled before it came.
    Cancelled,
}

#[derive(Clone, Copy, Debug)]
enum Link {
    /// To be registered, not before then.
    Out { not_before_us: BootMicros },
    /// A registration is on its way.
    Registering { sent_us: BootMicros },
    /// Registered: the session is the number of the registration.
    In,
}

/// The state of a worker. See the [module](self).
#[derive(Clone, Debug)]
pub struct WorkerCore {
    settings: CoreSettings,
    registration: u64,
    link: Link,
    register_pause: i64,
    ever_registered: bool,
    heartbeat_interval_us: i64,
    lease_us: i64,
    /// None: it has run out, and what had to be stopped is being stopped.
    lease_end_us: Option<BootMicros>,
    heartbeat_due_us: BootMicros,
    last_heartbeat_us: BootMicros,
    heartbeat_in_flight: bool,
    changed: bool,
    load: Load,
    attempts: BTreeMap<AttemptKey, Attempt>,
    reports_due: BTreeSet<(BootMicros, AttemptKey)>,
    reports_in_flight: usize,
    tombstones: HashMap<AttemptKey, Tombstone>,
    tombstone_ends: VecDeque<(BootMicros, AttemptKey)>,
}

impl WorkerCore {
    /// A worker that starts, or starts again: what ran before is taken over, and what cannot be found is reported as lost.
    #[must_use]
    pub fn new(settings: CoreSettings, now: Now, recovered: Recovered) -> (Self, Vec<Action>) {
        let mut core = Self {
            registration: recovered.journal.registration,
            link: Link::Out { not_before_us: now.boot_us },
            register_pause: REGISTER_PAUSE.0,
            ever_registered: false,
            heartbeat_interval_us: settings.heartbeat_interval_us,
            lease_us: 0,
            // A lease that nobody knows of has run out.
            lease_end_us: Some(recovered.lease_end_us.unwrap_or(now.boot_us)),
            heartbeat_due_us: now.boot_us,
            last_heartbeat_us: BootMicros::MIN / 2,
            heartbeat_in_flight: false,
            changed: false,
            load: Load::default(),
            attempts: BTreeMap::new(),
            reports_due: BTreeSet::new(),
            reports_in_flight: 0,
            tombstones: HashMap::new(),
            tombstone_ends: VecDeque::new(),
            settings,
        };
        let mut actions = Vec::new();
        let mut found: BTreeMap<AttemptKey, FoundState> =
            recovered.found.into_iter().map(|found| (found.key, found.state)).collect();
        for (key, held) in recovered.journal.held {
            core.recover(&key, held, found.remove(&key), now, &mut actions);
        }
        // Nobody knows these: their results are stored already.
        actions.extend(found.into_keys().map(|key| Action::Remove { key }));
        core.advance(now, &mut actions);
        (core, actions)
    }

    fn recover(
        &mut self,
        key: &AttemptKey,
        held: Held,
        found: Option<FoundState>,
        now: Now,
        actions: &mut Vec<Action>,
    ) {
        let task = held.task.clone();
        let phase = if held.started_at_us == 0 { Phase::Starting } else { Phase::Running };
        let stop = held.stop.clone();
        let attempt = Attempt { task: held.task, started_at_us: held.started_at_us, stop: held.stop, phase };
        self.attempts.insert(key.clone(), attempt);
        if let Some(result) = held.result {
            self.set_ended(key, result, now);
            if found.is_some() {
                actions.push(Action::Remove { key: key.clone() });
            }
            return;
        }
        match found {
            Some(FoundState::Running { started_at_us }) => {
                if let Some(attempt) = self.attempts.get_mut(key) {
                    attempt.started_at_us = started_at_us;
                    attempt.phase = Phase::Running;
                }
                actions.push(Action::Resume { task: Box::new(task) });
                if stop.is_some() {
                    actions.push(Action::Stop { key: key.clone() });
                }
            }
            Some(FoundState::Ended(outcome)) => self.ended(key, outcome, now, actions),
            Some(FoundState::NeverStarted) | None => self.start_failed(key, LOST.to_owned(), now, actions),
        }
    }

    /// The current session: the number of the registration that assignments must carry; 0: none.
    #[must_use]
    pub const fn session(&self) -> u64 {
        match self.link {
            Link::In => self.registration,
            Link::Out { .. } | Link::Registering { .. } => 0,
        }
    }

    /// The end of the lease; none if it has run out.
    #[must_use]
    pub const fn lease_end_us(&self) -> Option<BootMicros> {
        self.lease_end_us
    }

    /// Every attempt held, in order, as the master is told.
    #[must_use]
    pub fn held(&self) -> Vec<v1::TaskInfo> {
        self.attempts.values().map(Attempt::info).collect()
    }

    /// The attempts that an executor has: those held that are not over.
    pub fn active(&self) -> impl Iterator<Item = &AttemptKey> {
        self.attempts.iter().filter(|(_, a)| !matches!(a.phase, Phase::Ended(..))).map(|(key, _)| key)
    }

    /// When an [`Input::Tick`] is due if nothing else happens before.
    #[must_use]
    pub fn next_wake(&self) -> Option<BootMicros> {
        let link = match self.link {
            Link::Out { not_before_us } => Some(not_before_us),
            Link::Registering { .. } => None,
            Link::In if self.heartbeat_in_flight => None,
            Link::In => Some(self.heartbeat_at()),
        };
        let report =
            self.reports_due.first().map(|(due, _)| *due).filter(|_| self.reports_in_flight < REPORTS);
        let tombstone = self.tombstone_ends.front().map(|(end, _)| *end);
        [link, self.lease_end_us, report, tombstone].into_iter().flatten().min()
    }

    /// Takes in what happened, and says what is to be done.
    #[must_use]
    pub fn step(&mut self, now: Now, input: Input) -> Vec<Action> {
        let mut actions = Vec::new();
        // First what time alone has changed: nothing may be accepted in a session whose lease has run out.
        self.expire(now, &mut actions);
        match input {
            Input::Tick => {}
            Input::Assign { call, task } => self.assign(call, *task, &mut actions),
            Input::Cancel { call, id } => {
                let held = self.cancel(&id, now, &mut actions);
                let ack = v1::TaskAck { accepted: true, held, ..v1::TaskAck::default() };
                actions.push(Action::Answer { call, ack });
            }
            Input::Started { key, at_us } => self.started(key, at_us, &mut actions),
            Input::Ended { key, outcome } => self.ended(&key, outcome, now, &mut actions),
            Input::StartFailed { key, reason } => self.start_failed(&key, reason, now, &mut actions),
            Input::Load(load) => self.load = load,
            Input::RegisterAnswered { registration, answer } => {
                self.register_answered(registration, answer, now, &mut actions);
            }
            Input::HeartbeatAnswered { sent_us, session, answer } => {
                self.heartbeat_answered(sent_us, session, answer, now, &mut actions);
            }
            Input::ResultAnswered { key, answer } => self.result_answered(key, &answer, now, &mut actions),
        }
        self.advance(now, &mut actions);
        actions
    }

    fn assign(&mut self, call: CallId, task: v1::Task, actions: &mut Vec<Action>) {
        let key = AttemptKey::of(&task);
        let session = self.session();
        // A copy of an assignment that was taken is answered as the first one was, in whatever session it arrives: "stale"
        // would promise that nothing has started.
        let known = self.attempts.contains_key(&key) || self.tombstones.get(&key) == Some(&Tombstone::Ended);
        let refusal = if known {
            None
        } else if self.tombstones.contains_key(&key) {
            Some((false, "cancelled before it came".to_owned()))
        } else if session == 0 || task.session != session {
            Some((true, format!("assigned in session {}, and this is session {session}", task.session)))
        } else {
            problem_of(&task).map(|problem| (false, problem))
        };
        if let Some((stale, reason)) = refusal {
            let ack = v1::TaskAck { accepted: false, reason, stale, held: false };
            actions.push(Action::Answer { call, ack });
            return;
        }
        let accepted = v1::TaskAck { accepted: true, held: true, ..v1::TaskAck::default() };
        if known {
            actions.push(Action::Answer { call, ack: accepted });
            return;
        }
        let not_after_us = if keeps(&task) { None } else { self.lease_end_us };
        actions.push(Action::Journal(Entry::Accepted(Box::new(task.clone()))));
        actions.push(Action::Answer { call, ack: accepted });
        actions.push(Action::Start { task: Box::new(task.clone()), not_after_us });
        self.attempts.insert(key, Attempt { task, started_at_us: 0, stop: None, phase: Phase::Starting });
        self.changed = true;
    }

    /// Stops an attempt if it is held; else sees to it that it never starts. True if it is held.
    fn cancel(&mut self, id: &v1::TaskId, now: Now, actions: &mut Vec<Action>) -> bool {
        let reason = if id.reason.is_empty() { "cancelled" } else { &id.reason };
        let range = |attempt| AttemptKey { task_id: id.task_id.clone(), attempt };
        let keys: Vec<AttemptKey> = match id.attempt {
            0 => self.attempts.range(range(0)..=range(u32::MAX)).map(|(key, _)| key.clone()).collect(),
            attempt => {
                self.attempts.get_key_value(&range(attempt)).map(|(key, _)| key.clone()).into_iter().collect()
            }
        };
        for key in &keys {
            self.stop(key, reason, now, actions);
        }
        if keys.is_empty() && id.attempt != 0 && !self.tombstones.contains_key(&range(id.attempt)) {
            self.bury(range(id.attempt), Tombstone::Cancelled, now);
        }
        !keys.is_empty()
    }

    fn stop(&mut self, key: &AttemptKey, reason: &str, now: Now, actions: &mut Vec<Action>) {
        let Some(attempt) = self.attempts.get_mut(key) else { return };
        if matches!(attempt.phase, Phase::Ended(..)) || attempt.stop.is_some() {
            return;
        }
        let stop = StopRequest { reason: reason.to_owned(), at_us: now.unix_us };
        attempt.stop = Some(stop.clone());
        self.changed = true;
        actions.push(Action::Journal(Entry::Stopping { key: key.clone(), stop }));
        actions.push(Action::Stop { key: key.clone() });
    }

    fn started(&mut self, key: AttemptKey, at_us: i64, actions: &mut Vec<Action>) {
        let Some(attempt) = self.attempts.get_mut(&key) else { return };
        if matches!(attempt.phase, Phase::Starting) {
            attempt.phase = Phase::Running;
            attempt.started_at_us = at_us;
            self.changed = true;
            actions.push(Action::Journal(Entry::Started { key, at_us }));
        }
    }

    fn ended(&mut self, key: &AttemptKey, outcome: Outcome, now: Now, actions: &mut Vec<Action>) {
        let Some(attempt) = self.attempts.get(key) else { return };
        // What ended before it was asked to has ended by itself.
        let stopped = attempt.stop.as_ref().filter(|stop| outcome.ended_at_us >= stop.at_us);
        let (status, reason) = match stopped {
            _ if outcome.cut_off => ("cancelled", CUT_OFF.to_owned()),
            Some(stop) => ("cancelled", stop.reason.clone()),
            None if outcome.exit_code == 0 && outcome.reason.is_empty() => ("completed", String::new()),
            None if outcome.reason.is_empty() => ("failed", format!("exit code {}", outcome.exit_code)),
            None => ("failed", outcome.reason),
        };
        // 0 would say that it never started.
        let started = if outcome.started_at_us > 0 { outcome.started_at_us } else { attempt.started_at_us };
        // Docker may note the end of a short container before its start.
        let started = started.min(outcome.ended_at_us).max(1);
        let result = v1::TaskResult {
            status: status.to_owned(),
            reason,
            exit_code: outcome.exit_code,
            logs: outcome.logs,
            started_at_us: started,
            usage: outcome.usage,
            ..self.blank_result(key, outcome.ended_at_us)
        };
        self.keep_result(key, result, now, actions);
    }

    fn start_failed(&mut self, key: &AttemptKey, reason: String, now: Now, actions: &mut Vec<Action>) {
        let Some(attempt) = self.attempts.get(key) else { return };
        let (status, reason) = match &attempt.stop {
            Some(stop) => ("cancelled", stop.reason.clone()),
            None => ("failed", reason),
        };
        let result =
            v1::TaskResult { status: status.to_owned(), reason, ..self.blank_result(key, now.unix_us) };
        self.keep_result(key, result, now, actions);
    }

    fn blank_result(&self, key: &AttemptKey, ended_at_us: i64) -> v1::TaskResult {
        v1::TaskResult {
            task_id: key.task_id.clone(),
            attempt: key.attempt,
            worker_id: self.settings.info.worker_id.clone(),
            identity: self.settings.info.identity.clone(),
            completed_at: ended_at_us.div_euclid(SECOND),
            completed_at_us: ended_at_us,
            ..v1::TaskResult::default()
        }
    }

    fn keep_result(&mut self, key: &AttemptKey, result: v1::TaskResult, now: Now, actions: &mut Vec<Action>) {
        if self.attempts.get(key).is_none_or(|attempt| matches!(attempt.phase, Phase::Ended(..))) {
            return;
        }
        actions.push(Action::Journal(Entry::Ended(Box::new(result.clone()))));
        actions.push(Action::Remove { key: key.clone() });
        self.set_ended(key, result, now);
        self.changed = true;
    }

    fn set_ended(&mut self, key: &AttemptKey, result: v1::TaskResult, now: Now) {
        if let Some(attempt) = self.attempts.get_mut(key) {
            attempt.started_at_us = result.started_at_us;
            attempt.phase = Phase::Ended(Box::new(result), REPORT_PAUSE.0);
            self.reports_due.insert((now.boot_us, key.clone()));
        }
    }

    /// What time alone changes.
    fn expire(&mut self, now: Now, actions: &mut Vec<Action>) {
        while self.tombstone_ends.front().is_some_and(|(end, _)| *end <= now.boot_us) {
            if let Some((_, key)) = self.tombstone_ends.pop_front() {
                self.tombstones.remove(&key);
            }
        }
        if self.lease_end_us.is_none_or(|end| now.boot_us < end) {
            return;
        }
        self.lease_end_us = None;
        if matches!(self.link, Link::In) {
            actions.push(Action::Log(
                "the lease has run out: this worker is cut off from the master".to_owned(),
            ));
            self.link = Link::Out { not_before_us: now.boot_us };
        }
        let stopped: Vec<AttemptKey> =
            self.attempts.iter().filter(|(_, a)| !keeps(&a.task)).map(|(key, _)| key.clone()).collect();
        for key in stopped {
            self.stop(&key, CUT_OFF, now, actions);
        }
    }

    /// Sends what is due.
    fn advance(&mut self, now: Now, actions: &mut Vec<Action>) {
        self.expire(now, actions);
        if let Link::Out { not_before_us } = self.link
            && now.boot_us >= not_before_us
        {
            self.registration += 1;
            self.link = Link::Registering { sent_us: now.boot_us };
            let info = v1::WorkerInfo {
                registration: self.registration,
                held: self.held(),
                ..self.settings.info.clone()
            };
            actions.push(Action::Journal(Entry::Registration(self.registration)));
            actions.push(Action::Register(Box::new(info)));
        }
        if matches!(self.link, Link::In) && !self.heartbeat_in_flight && now.boot_us >= self.heartbeat_at() {
            self.heartbeat_in_flight = true;
            self.changed = false;
            self.last_heartbeat_us = now.boot_us;
            self.heartbeat_due_us = now.boot_us + self.heartbeat_interval_us;
            let beat = v1::Heartbeat {
                worker_id: self.settings.info.worker_id.clone(),
                cpu_usage: self.load.cpu,
                memory_usage: self.load.memory,
                gpu_usage: self.load.gpu,
                running_tasks: self.held(),
                timestamp: now.unix_us.div_euclid(SECOND),
                session: self.session(),
                identity: self.settings.info.identity.clone(),
            };
            actions.push(Action::Heartbeat { sent_us: now.boot_us, beat });
        }
        while self.reports_in_flight < REPORTS
            && self.reports_due.first().is_some_and(|(due, _)| *due <= now.boot_us)
            && let Some((_, key)) = self.reports_due.pop_first()
        {
            if let Some(Attempt { phase: Phase::Ended(result, _), .. }) = self.attempts.get(&key) {
                self.reports_in_flight += 1;
                actions.push(Action::Report(result.clone()));
            }
        }
    }

    /// When the next heartbeat is to be sent, if none is on its way.
    fn heartbeat_at(&self) -> BootMicros {
        let held = i64::try_from(self.attempts.len()).unwrap_or(i64::MAX / COALESCE_PER_ATTEMPT);
        let pause = COALESCE.max(held * COALESCE_PER_ATTEMPT);
        if self.changed {
            self.heartbeat_due_us.min(self.last_heartbeat_us + pause)
        } else {
            self.heartbeat_due_us
        }
    }

    fn bury(&mut self, key: AttemptKey, why: Tombstone, now: Now) {
        if self.tombstone_ends.len() >= TOMBSTONES
            && let Some((_, oldest)) = self.tombstone_ends.pop_front()
        {
            self.tombstones.remove(&oldest);
        }
        self.tombstone_ends.push_back((now.boot_us + TOMBSTONE, key.clone()));
        self.tombstones.insert(key, why);
    }
}

fn keeps(task: &v1::Task) -> bool {
    task.on_disconnect == "keep"
}

fn micros(seconds: f64) -> i64 {
    // Saturates; NaN becomes 0.
    (seconds * 1e6) as i64
}

/// What keeps a task from being run here, whatever the executor. Ids become the names of files.
fn problem_of(task: &v1::Task) -> Option<String> {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    let id = &task.task_id;
    if id.is_empty() || id.len() > 128 || id.starts_with('.') || !id.chars().all(plain) {
        return Some(format!("{id:?} is not a task id: expected up to 128 of A-Z a-z 0-9 - _ ."));
    }
    if task.attempt == 0 {
        return Some("attempt 0: attempts are counted from 1".to_owned());
    }
    None
}
