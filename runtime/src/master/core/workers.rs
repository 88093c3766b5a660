//! Workers: who they are, whether they live, and what follows for their tasks.
//!
//! ```text
//!   registered ─▶ active ─▶ unreachable ─▶ lost        (silent for `inactive_after`; for lease and margin)
//!                  │  ▲        │            │
//!                  ▼  └────────┘◀───────────┘           (heard from; registered again)
//!               draining
//! ```
//!
//! A worker that is lost has, by its own clock, stopped its tasks: they are started elsewhere. Tasks with
//! `on_disconnect = "keep"` stay where they are until it returns or is forgotten.

use std::collections::HashSet;

use cloudai_schedulers::{Capacity, Event, Time, WorkerSpec, WorkerState};
use serde_json::json;

use super::{
    Action, Answer, AttemptName, Beat, Held, MasterCore, Problem, Registration, Ticket, Timer, WorkerEntry,
};
use crate::master::submission::{WORKER_LABEL, check_name};
use crate::record::{OnDisconnect, WorkerRecord};

/// How old the heartbeat in the store may be.
const HEARTBEAT_KEPT_US: i64 = 30_000_000;

impl MasterCore {
    pub(super) fn register(&mut self, ticket: Ticket, registration: Registration) {
        let Registration { worker, held } = registration;
        let place = match self.place_for(&worker) {
            Ok(place) => place,
            Err(problem) => return self.refuse(ticket, problem),
        };
        let (now, now_us) = (self.now(), self.now_us());
        let entry = &mut self.workers[place];
        let record = &mut entry.record;
        let first = record.registration == 0 || record.forgotten;
        record.identity.clone_from(&worker.identity);
        record.registration = worker.registration;
        record.worker_ip.clone_from(&worker.worker_ip);
        record.executor.clone_from(&worker.executor);
        record.version.clone_from(&worker.version);
        (record.is_active, record.forgotten) = (true, false);
        record.last_heartbeat_us = Some(now_us);
        (entry.contact, entry.open, entry.settled) = (now, true, false);
        entry.changed = (first || !same_machine(record, &worker)).then(|| Box::new(worker.clone()));
        if first {
            let data = json!({
                "worker_id": worker.worker_id,
                "executor": worker.executor,
                "total_cpu": worker.total_cpu,
                "total_memory": worker.total_memory,
                "total_storage": worker.total_storage,
                "total_gpu": worker.total_gpu,
                "gpu_model": worker.gpu_model,
                "labels": worker.labels,
            });
            self.note("worker_joined", data);
        }
        self.reconcile(place, &held);
        self.rejoin_if_empty(place);
        self.set_state(place);
        self.watch(place);
        self.keep_worker(place);
        let stop = self.not_wanted(place, &held);
        self.reply(ticket, Answer::Registered(stop));
    }

    /// Where a worker that registers stands, or will stand, in the list; refuses one that may not have the id.
    fn place_for(&mut self, worker: &WorkerRecord) -> Result<usize, Problem> {
        check(worker).map_err(Problem::WorkerRefused)?;
        let Some(&place) = self.worker_named.get(&worker.worker_id) else {
            let record = WorkerRecord { worker_id: worker.worker_id.clone(), ..WorkerRecord::default() };
            return Ok(self.add_worker(record));
        };
        let (entry, now) = (&self.workers[place], self.now());
        let known = &entry.record;
        if known.identity == worker.identity {
            if worker.registration <= known.registration {
                let (number, last) = (worker.registration, known.registration);
                return Err(Problem::WorkerRefused(format!(
                    "registration {number} is not newer than {last}"
                )));
            }
            return Ok(place);
        }
        let id = &worker.worker_id;
        if known.registration > 0 && !known.forgotten {
            if now < entry.contact + self.settings.inactive_after && known.is_active {
                return Err(Problem::WorkerTaken(id.clone()));
            }
            if !entry.tasks.is_empty() {
                let tasks = entry.tasks.len();
                return Err(Problem::WorkerRefused(format!(
                    "another worker with the id '{id}' may still run {tasks} tasks: wait until its lease is over, or, \
                     once it is surely gone, `cloudai workers forget {id}`"
                )));
            }
        }
        Ok(place)
    }

    /// Makes a worker known that has not been heard from.
    pub(super) fn add_worker(&mut self, mut record: WorkerRecord) -> usize {
        let place = self.workers.len();
        record.index = u32::try_from(place).unwrap_or(u32::MAX);
        record.registered_at_us = self.now_us();
        self.worker_named.insert(record.worker_id.clone(), place);
        self.workers.push(WorkerEntry {
            record,
            id: None,
            changed: None,
            contact: self.now(),
            open: false,
            settled: false,
            looked_at: None,
            beat: None,
            tasks: std::collections::BTreeSet::new(),
        });
        place
    }

    /// Brings what the master believes to run on a worker in line with what the worker says as it registers.
    fn reconcile(&mut self, place: usize, held: &[Held]) {
        let names: HashSet<&AttemptName> = held.iter().map(|held| &held.name).collect();
        for index in self.workers[place].tasks.clone() {
            let Some(entry) = self.tasks.get_mut(&index) else { continue };
            let name = AttemptName { task_id: entry.record.task_id.clone(), attempt: entry.record.attempt };
            if names.contains(&name) {
                entry.taken = true;
            } else {
                // In the session that is over it may never have heard of it, and it will not any more.
                self.lose(index, "its worker came back without it");
            }
        }
        self.confirm_starts(place, held);
    }

    fn confirm_starts(&mut self, place: usize, held: &[Held]) {
        for held in held {
            if let (Some(index), Some(started_at_us)) = (self.wanted(place, &held.name), held.started_at_us) {
                self.confirm_start(index, started_at_us);
            }
        }
    }

    /// The task whose current attempt, on this worker, has this name.
    fn wanted(&self, place: usize, name: &AttemptName) -> Option<u32> {
        let index = *self.named.get(&name.task_id)?;
        let record = &self.tasks.get(&index)?.record;
        let here = self.workers[place].tasks.contains(&index) && record.assignment.is_some();
        (here && record.attempt == name.attempt).then_some(index)
    }

    /// Of what a worker holds, what it is to stop: attempts that are over, or that are being stopped.
    fn not_wanted(&self, place: usize, held: &[Held]) -> Vec<AttemptName> {
        let stop = |held: &&Held| {
            let state = self.wanted(place, &held.name).and_then(|index| self.state_of(index));
            let over = state.is_none_or(|(_, state)| state == cloudai_schedulers::TaskState::Stopping);
            over && !held.ended
        };
        held.iter().filter(stop).map(|held| held.name.clone()).collect()
    }

    pub(super) fn heartbeat(&mut self, ticket: Ticket, beat: Beat) {
        let place = self.worker_named.get(&beat.worker_id).copied().filter(|&place| {
            let entry = &self.workers[place];
            entry.open && entry.record.registration == beat.session && entry.record.identity == beat.identity
        });
        let Some(place) = place else {
            return self.reply_at_once(ticket, Answer::RegisterFirst);
        };
        let (now, now_us) = (self.now(), self.now_us());
        let entry = &mut self.workers[place];
        entry.contact = now;
        let woken = !entry.record.is_active;
        let stale = entry.record.last_heartbeat_us.is_none_or(|last| last + HEARTBEAT_KEPT_US <= now_us);
        entry.record.last_heartbeat_us = if stale { Some(now_us) } else { entry.record.last_heartbeat_us };
        entry.record.is_active = true;
        entry.settled = true;
        if woken {
            let worker_id = entry.record.worker_id.clone();
            self.note("worker_returned", json!({ "worker_id": worker_id }));
            self.watch(place);
        }
        self.set_state(place);
        if woken || stale {
            self.keep_worker(place);
        }
        self.confirm_starts(place, &beat.held);
        let stop = self.not_wanted(place, &beat.held);
        self.workers[place].beat = Some(beat);
        self.reply_at_once(ticket, Answer::Alive(stop));
        let view = self.worker_view(place);
        self.out.at_once.push(Action::Heard(Box::new(view)));
    }

    /// Sees to a worker again when it may have fallen silent.
    pub(super) fn watch(&mut self, place: usize) {
        let contact = self.workers[place].contact;
        self.look_at(place, contact + self.settings.inactive_after);
    }

    /// Has one timer for each worker: one that comes back has been waited for, perhaps for long.
    fn look_at(&mut self, place: usize, at: Time) {
        if let Some(before) = self.workers[place].looked_at.replace(at) {
            self.timers.remove(&(before, Timer::Silence(place)));
        }
        self.timers.insert((at, Timer::Silence(place)));
    }

    pub(super) fn check_silence(&mut self, place: usize) {
        let (now, entry) = (self.now(), &mut self.workers[place]);
        let silent_at = entry.contact + self.settings.inactive_after;
        let lost_at = entry.contact + self.settings.lease + self.settings.margin;
        if now < silent_at {
            return self.watch(place);
        }
        if entry.record.is_active {
            entry.record.is_active = false;
            let worker_id = entry.record.worker_id.clone();
            self.note("worker_silent", json!({ "worker_id": worker_id }));
            self.set_state(place);
            self.keep_worker(place);
        }
        if now < lost_at {
            self.look_at(place, lost_at);
        } else if self.workers[place].open {
            self.expire(place);
        }
    }

    /// The lease of a worker is over, and the time that it has to stop its tasks.
    fn expire(&mut self, place: usize) {
        self.workers[place].open = false;
        let worker_id = self.workers[place].record.worker_id.clone();
        self.note("worker_lost", json!({ "worker_id": worker_id }));
        for index in self.workers[place].tasks.clone() {
            let keep = self.tasks.get(&index).is_some_and(|entry| {
                // One that it has not confirmed may not have begun, but it may.
                entry.record.request.on_disconnect == OnDisconnect::Keep
            });
            if !keep {
                self.lose(index, "its worker was lost");
            }
        }
        self.keep_worker(place);
    }

    /// Nothing is sent to the worker of this task until it has registered again.
    pub(super) fn close_session(&mut self, index: u32) {
        let worker = self.tasks.get(&index).and_then(|entry| entry.record.assigned_worker.as_ref());
        if let Some(&place) = worker.and_then(|worker| self.worker_named.get(worker)) {
            self.workers[place].open = false;
            self.set_state(place);
        }
    }

    /// Whether the cluster may give a worker new work.
    pub(super) fn set_state(&mut self, place: usize) {
        let entry = &self.workers[place];
        let Some(worker) = entry.id else { return };
        let state = if entry.record.forgotten {
            WorkerState::Lost
        } else if !(entry.record.is_active && entry.open && entry.settled) {
            WorkerState::Unreachable
        } else if entry.record.draining || entry.changed.is_some() {
            WorkerState::Draining
        } else {
            WorkerState::Active
        };
        if self.cluster.view().worker(worker).is_some_and(|known| known.state() != state) {
            Self::accepted(self.cluster.apply(Event::WorkerChanged { worker, state }));
        }
    }

    /// Lets a worker join the cluster, for the first time or with another capacity, once it holds nothing.
    pub(super) fn rejoin_if_empty(&mut self, place: usize) {
        if !self.workers[place].tasks.is_empty() {
            return;
        }
        let Some(changed) = self.workers[place].changed.take() else { return };
        let record = &mut self.workers[place].record;
        record.total_cpu = changed.total_cpu;
        record.total_memory = changed.total_memory;
        record.total_storage = changed.total_storage;
        record.total_gpu = changed.total_gpu;
        record.gpu_model = changed.gpu_model;
        record.labels = changed.labels;
        self.join(place);
        self.set_state(place);
        self.keep_worker(place);
    }

    /// Lets a worker join the cluster as its record has it; what it was there before is gone.
    pub(super) fn join(&mut self, place: usize) {
        if let Some(worker) = self.workers[place].id.take() {
            Self::accepted(self.cluster.apply(Event::WorkerChanged { worker, state: WorkerState::Lost }));
        }
        let spec = spec_of(&self.workers[place].record);
        let worker = self.worker_of.len();
        Self::accepted(self.cluster.apply(Event::WorkerJoined(spec)));
        self.worker_of.push(place);
        self.workers[place].id = u32::try_from(worker).ok().map(cloudai_schedulers::WorkerId);
    }

    pub(super) fn pre_register(&mut self, ticket: Ticket, worker_id: String, worker_ip: String) {
        if let Err(refused) = check_name("worker_id", &worker_id) {
            return self.refuse(ticket, Problem::WorkerRefused(refused.to_string()));
        }
        let place = match self.worker_named.get(&worker_id) {
            Some(&place) if self.workers[place].record.registration > 0 => {
                let problem =
                    Problem::WorkerRefused(format!("a worker with the id '{worker_id}' is known already"));
                return self.refuse(ticket, problem);
            }
            Some(&place) => place,
            None => self.add_worker(WorkerRecord { worker_id, ..WorkerRecord::default() }),
        };
        self.workers[place].record.worker_ip = worker_ip;
        self.keep_worker(place);
        let view = self.worker_view(place);
        self.reply(ticket, Answer::Worker(Box::new(view)));
    }

    pub(super) fn drain(&mut self, ticket: Ticket, worker_id: &str, drain: bool) {
        let Some(&place) = self.worker_named.get(worker_id) else {
            return self.refuse(ticket, Problem::UnknownWorker(worker_id.to_owned()));
        };
        if self.workers[place].record.draining != drain {
            self.workers[place].record.draining = drain;
            self.note("drain", json!({ "worker_id": worker_id, "draining": drain }));
            self.set_state(place);
            self.keep_worker(place);
        }
        let view = self.worker_view(place);
        self.reply(ticket, Answer::Worker(Box::new(view)));
    }

    pub(super) fn forget(&mut self, ticket: Ticket, worker_id: &str) {
        let Some(&place) = self.worker_named.get(worker_id) else {
            return self.refuse(ticket, Problem::UnknownWorker(worker_id.to_owned()));
        };
        if self.workers[place].record.is_active {
            let problem = format!("worker '{worker_id}' is alive: end its program first");
            return self.refuse(ticket, Problem::WorkerRefused(problem));
        }
        self.workers[place].open = false;
        self.workers[place].record.forgotten = true;
        self.note("worker_forgotten", json!({ "worker_id": worker_id }));
        for index in self.workers[place].tasks.clone() {
            self.lose(index, "its worker was forgotten");
        }
        self.set_state(place);
        self.keep_worker(place);
        let view = self.worker_view(place);
        self.reply(ticket, Answer::Worker(Box::new(view)));
    }
}

/// Checks what a worker says of itself.
fn check(worker: &WorkerRecord) -> Result<(), String> {
    check_name("worker_id", &worker.worker_id).map_err(|refused| refused.to_string())?;
    let amounts = [
        ("total_cpu", worker.total_cpu),
        ("total_memory", worker.total_memory),
        ("total_storage", worker.total_storage),
        ("total_gpu", worker.total_gpu),
    ];
    for (field, amount) in amounts {
        // NaN is in no range.
        if !(0.0..=1e9).contains(&amount) {
            return Err(format!("{field}: {amount}: expected 0 to 1000000000"));
        }
    }
    let plain = |text: &str| text.chars().count() <= 256 && !text.chars().any(char::is_control);
    let labels = worker.labels.iter().flat_map(|(key, value)| [key, value]);
    let texts = [&worker.worker_ip, &worker.executor, &worker.version, &worker.identity, &worker.gpu_model];
    if !texts.into_iter().chain(labels).all(|text| plain(text)) || worker.labels.len() > 1000 {
        return Err("expected texts of at most 256 characters, none a control character".to_owned());
    }
    let reachable = worker.worker_ip.rsplit_once(':').is_some_and(|(host, port)| {
        !host.is_empty() && !host.contains([' ', '/', '@']) && port.parse::<u16>().is_ok_and(|port| port > 0)
    });
    if !reachable {
        return Err(format!("worker_ip: '{}': expected HOST:PORT", worker.worker_ip));
    }
    if worker.identity.is_empty() {
        return Err("identity: expected a word that the worker keeps".to_owned());
    }
    Ok(())
}

/// True if two records describe the same capacity, model and labels.
fn same_machine(a: &WorkerRecord, b: &WorkerRecord) -> bool {
    spec_of(a) == spec_of(b)
}

/// Gibibytes as mebibytes and cores as milli-cores: capacities round down to the unit.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped")]
fn round_down(amount: f64) -> u64 {
    // A sum over workers of what files may state stays within 64 bits.
    ((amount * 1e6).round() / 1e6).floor().clamp(0.0, 1e15) as u64
}

/// A worker as the core knows it.
pub(super) fn spec_of(record: &WorkerRecord) -> WorkerSpec {
    let mut labels = record.labels.clone();
    labels.insert(WORKER_LABEL.to_owned(), record.worker_id.clone());
    let gpus = round_down(record.total_gpu).min(u64::from(cloudai_schedulers::MAX_GPUS_PER_WORKER));
    WorkerSpec {
        name: record.worker_id.clone(),
        capacity: Capacity {
            cpu_milli: round_down(record.total_cpu * 1000.0),
            memory_mib: round_down(record.total_memory * 1024.0),
            storage_mib: round_down(record.total_storage * 1024.0),
            gpus: u32::try_from(gpus).unwrap_or(0),
        },
        gpu_model: (!record.gpu_model.is_empty()).then(|| record.gpu_model.clone()),
        speed: cloudai_schedulers::Speed::NOMINAL,
        labels,
    }
}

/// The instant of a record's time.
pub(super) fn time_of(micros: i64) -> Time {
    Time::from_micros(u64::try_from(micros).unwrap_or(0))
}
