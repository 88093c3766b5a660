//! A cluster in virtual time. The master's core is the real one; store, network and workers are models of what is promised
//! of them.

mod machines;

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap, HashMap};

use cloudai_runtime::master::core::{
    Action, Answer, AttemptName, Beat, CoreSettings, Delivery, Input, MasterCore, Registration, Report, Step,
};
use cloudai_runtime::record::{OnDisconnect, ResultRecord, Status, TaskRecord, TaskRequest, WorkerRecord};
use cloudai_runtime::store::{Snapshot, Write};
use cloudai_schedulers::{Duration, Registry, Time, invariants};

pub(super) const SECOND: u64 = 1_000_000;
const LEASE: u64 = 60 * SECOND;

/// A generator of random numbers (xorshift64*).
pub(super) struct Dice(u64);

impl Dice {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub(super) fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) % bound.max(1)
    }

    /// True in so many of a hundred cases.
    pub(super) fn happens(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }
}

/// How bad the world is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Trouble {
    /// Messages lost, in percent.
    pub(super) lost: u64,
    /// Messages that arrive twice, in percent.
    pub(super) twice: u64,
    /// Messages that take up to a minute, in percent; the others up to 50 ms.
    pub(super) late: u64,
    /// How often, in a thousand of the seconds, the master dies, a worker's program dies, a machine dies, or a machine is cut off.
    pub(super) deaths: u64,
    /// Starts that fail, in percent.
    pub(super) failing: u64,
    /// Tasks that are cancelled, in percent.
    pub(super) cancelled: u64,
    /// Tasks that are kept by a worker that is cut off, in percent.
    pub(super) kept: u64,
}

impl Trouble {
    pub(super) const NONE: Self =
        Self { lost: 0, twice: 0, late: 0, deaths: 0, failing: 0, cancelled: 0, kept: 0 };
}

/// What is on its way, or will happen.
#[derive(Clone, Debug)]
enum Event {
    /// A request of a worker to the master; the number is the worker's boot, so that a dead program hears nothing.
    ToMaster(usize, u64, FromWorker),
    /// The answer to it.
    ToWorker(usize, u64, ForWorker),
    /// A request of the master, which died since if its number is another.
    Assign(u64, String, Box<TaskRecord>),
    Stop(u64, String, AttemptName),
    /// The answer to it, or that there is none.
    Answered(u64, Box<Input>),
    /// The oldest step that waits is committed.
    Commit(u64),
    Second,
    /// An attempt ends by itself on a machine.
    End(usize, AttemptName, Status),
    MasterBack,
    WorkerBack(usize),
    Reachable(usize),
}

#[derive(Clone, Debug)]
enum FromWorker {
    Register(Registration),
    Beat(Beat),
    Report(Report),
}

#[derive(Clone, Debug)]
enum ForWorker {
    Registered(u64, u64, Option<Vec<AttemptName>>),
    Alive(u64, u64, Answer),
    Stored(AttemptName),
}

#[derive(Clone, Debug)]
enum State {
    Running(i64),
    Ended(Box<Report>),
}

/// A machine with a worker on it.
pub(super) struct Machine {
    id: String,
    identity: String,
    /// Durable.
    registration: u64,
    /// 0: none.
    session: u64,
    lease_end: u64,
    held: BTreeMap<AttemptName, (State, OnDisconnect)>,
    over: BTreeSet<AttemptName>,
    /// The worker's program runs.
    up: bool,
    boot: u64,
    cut_off: bool,
    register_again_at: u64,
}

#[derive(Default)]
pub(super) struct Kept {
    pub(super) tasks: BTreeMap<String, TaskRecord>,
    pub(super) results: BTreeMap<String, ResultRecord>,
    workers: BTreeMap<String, WorkerRecord>,
    settings: BTreeMap<String, String>,
    journal: u64,
}

pub(super) struct World {
    seed: u64,
    dice: Dice,
    trouble: Trouble,
    now: u64,
    queue: BinaryHeap<Reverse<(u64, u64, usize)>>,
    events: Vec<Option<Event>>,
    core: Option<MasterCore>,
    /// Counts the masters that there were.
    epoch: u64,
    steps: std::collections::VecDeque<Step>,
    tickets: HashMap<u64, (usize, u64, u64, Option<AttemptName>, u64)>,
    next_ticket: u64,
    pub(super) kept: Kept,
    pub(super) machines: Vec<Machine>,
    /// Tasks whose submission was acknowledged.
    pub(super) acknowledged: Vec<String>,
    submitting: BTreeSet<u64>,
    pub(super) spec: String,
    calm: bool,
}

fn settings(seed: u64) -> CoreSettings {
    let mut settings = CoreSettings::default();
    settings.lease = Duration::from_micros(LEASE);
    settings.margin = Duration::from_secs(5);
    settings.ids = seed;
    settings
}

impl World {
    pub(super) fn new(seed: u64, machines: usize, trouble: Trouble, spec: &str) -> Self {
        let mut world = Self {
            seed: seed >> 20,
            dice: Dice::new(seed),
            trouble,
            now: 1_000_000 * SECOND,
            queue: BinaryHeap::new(),
            events: Vec::new(),
            core: None,
            epoch: 0,
            steps: std::collections::VecDeque::new(),
            tickets: HashMap::new(),
            next_ticket: 1,
            kept: Kept::default(),
            machines: Vec::new(),
            acknowledged: Vec::new(),
            submitting: BTreeSet::new(),
            spec: spec.to_owned(),
            calm: false,
        };
        for index in 0..machines {
            world.machines.push(Machine {
                id: format!("w{index}"),
                identity: format!("identity-{index}"),
                registration: 0,
                session: 0,
                lease_end: 0,
                held: BTreeMap::new(),
                over: BTreeSet::new(),
                up: true,
                boot: 0,
                cut_off: false,
                register_again_at: 0,
            });
        }
        world.begin_master();
        world.at(0, Event::Second);
        world
    }

    fn at(&mut self, after: u64, event: Event) {
        let place = self.events.len();
        self.events.push(Some(event));
        self.queue.push(Reverse((self.now + after, place as u64, place)));
    }

    /// Puts a message on its way: lost, once or twice, soon or late.
    fn send(&mut self, machine: usize, event: &Event) {
        if self.machines[machine].cut_off || (!self.calm && self.dice.happens(self.trouble.lost)) {
            return;
        }
        let copies = if !self.calm && self.dice.happens(self.trouble.twice) { 2 } else { 1 };
        for _ in 0..copies {
            let late = !self.calm && self.dice.happens(self.trouble.late);
            let delay = self.dice.below(if late { 60 * SECOND } else { SECOND / 20 });
            self.at(delay, event.clone());
        }
    }

    fn begin_master(&mut self) {
        self.epoch += 1;
        self.steps.clear();
        self.tickets.clear();
        let kept = &self.kept;
        let mut alive: Vec<TaskRecord> =
            kept.tasks.values().filter(|task| !task.status.is_over()).cloned().collect();
        alive.sort_by_key(|task| task.index);
        let mut workers: Vec<WorkerRecord> = kept.workers.values().cloned().collect();
        workers.sort_by_key(|worker| worker.index);
        let snapshot = Snapshot {
            alive,
            workers,
            settings: kept.settings.clone().into_iter().collect(),
            next_index: kept.tasks.values().map(|task| task.index + 1).max().unwrap_or(0),
            next_seq: kept.journal,
            ..Snapshot::default()
        };
        let spec = self.spec.parse().unwrap();
        let (core, first) = MasterCore::restore(
            settings(self.epoch * 1_000_003 + self.seed),
            Registry::builtin(),
            spec,
            snapshot,
            Time::from_micros(self.now),
        )
        .unwrap();
        self.core = Some(core);
        self.take_step(first);
    }

    fn take_step(&mut self, mut step: Step) {
        let at_once = std::mem::take(&mut step.at_once);
        self.carry_out(at_once);
        self.steps.push_back(step);
        let delay = self.dice.below(SECOND / 50);
        self.at(delay, Event::Commit(self.epoch));
    }

    fn give(&mut self, input: Input) {
        let Some(core) = &mut self.core else { return };
        let step = core.step(Time::from_micros(self.now), vec![input]);
        invariants::check(core.cluster()).unwrap();
        self.take_step(step);
    }

    fn commit(&mut self) {
        let Some(step) = self.steps.pop_front() else { return };
        for write in step.writes {
            match write {
                Write::Task(task) => {
                    if let Some(before) = self.kept.tasks.get(&task.task_id) {
                        assert!(
                            !before.status.is_over(),
                            "{} ended as {} and changes",
                            task.task_id,
                            before.status
                        );
                        assert!(before.attempt <= task.attempt, "attempts only grow");
                    }
                    self.kept.tasks.insert(task.task_id.clone(), *task);
                }
                Write::Result(result) => {
                    let before = self.kept.results.insert(result.task_id.clone(), *result);
                    assert!(before.is_none(), "two results: {before:?}");
                }
                Write::Worker(worker) => {
                    self.kept.workers.insert(worker.worker_id.clone(), *worker);
                }
                Write::Setting { key, value } => {
                    self.kept.settings.insert(key, value);
                }
                Write::Journal(entry) => self.kept.journal = entry.seq + 1,
                _ => unreachable!(),
            }
        }
        self.carry_out(step.then);
    }

    fn carry_out(&mut self, actions: Vec<Action>) {
        for action in actions {
            match action {
                Action::Assign { address, task } => {
                    // It is in the store before anybody hears of it. (In one step it may be lost and made again.)
                    assert!(self.kept.tasks[&task.task_id].attempt >= task.attempt);
                    self.request(&address, |epoch, address| Event::Assign(epoch, address, task.clone()), {
                        let name = AttemptName { task_id: task.task_id.clone(), attempt: task.attempt };
                        Input::Assigned(name, Delivery::Unanswered)
                    });
                }
                Action::Stop { address, name } => {
                    let unanswered = Input::Stopping(name.clone(), None);
                    self.request(
                        &address,
                        |epoch, address| Event::Stop(epoch, address, name.clone()),
                        unanswered,
                    );
                }
                Action::Reply(ticket, answer) => self.reply(ticket, answer),
                Action::Changed(_) | Action::Heard(_) => {}
            }
        }
    }

    /// A request of the master, and what it hears if no answer comes within ten seconds. That it hears it beside an answer, too,
    /// must not matter.
    fn request(&mut self, address: &str, event: impl Fn(u64, String) -> Event, unanswered: Input) {
        let machine = self.machine_at(address);
        let event = event(self.epoch, address.to_owned());
        self.send(machine, &event);
        self.at(10 * SECOND, Event::Answered(self.epoch, Box::new(unanswered)));
    }

    fn machine_at(&self, address: &str) -> usize {
        self.machines.iter().position(|machine| address.starts_with(&machine.id)).unwrap()
    }

    fn reply(&mut self, ticket: u64, answer: Answer) {
        if let Answer::Submitted(records) = &answer {
            assert!(self.submitting.remove(&ticket));
            for record in records {
                assert!(self.kept.tasks.contains_key(&record.task_id), "acknowledged before it was kept");
                self.acknowledged.push(record.task_id.clone());
            }
            return;
        }
        let Some((machine, boot, number, name, sent)) = self.tickets.remove(&ticket) else { return };
        let answer = match answer {
            Answer::Registered(stop) => ForWorker::Registered(number, sent, Some(stop)),
            Answer::Problem(_) => ForWorker::Registered(number, sent, None),
            Answer::Stored => ForWorker::Stored(name.unwrap()),
            other => ForWorker::Alive(number, sent, other),
        };
        self.send(machine, &Event::ToWorker(machine, boot, answer));
    }

    pub(super) fn submit(&mut self, requests: Vec<TaskRequest>) {
        let ticket = self.next_ticket;
        self.next_ticket += 1;
        self.submitting.insert(ticket);
        self.give(Input::Submit(ticket, requests));
    }

    pub(super) fn give_without_answer(&mut self, input: impl FnOnce(u64) -> Input) {
        let ticket = self.next_ticket;
        self.next_ticket += 1;
        let input = input(ticket);
        self.give(input);
    }

    fn second(&mut self) {
        for place in 0..self.machines.len() {
            self.worker_second(place);
        }
        if let Some(due) = self.core.as_ref().and_then(MasterCore::next_timer)
            && due.micros() <= self.now
            && let Some(core) = &mut self.core
        {
            let step = core.step(Time::from_micros(self.now), Vec::new());
            self.take_step(step);
        }
        if !self.calm && self.dice.below(1000) < self.trouble.deaths {
            self.somebody_dies();
        }
        self.at(SECOND, Event::Second);
    }

    fn somebody_dies(&mut self) {
        let place = usize::try_from(self.dice.below(self.machines.len() as u64)).unwrap();
        let away = self.dice.below(150 * SECOND);
        match self.dice.below(4) {
            0 if self.core.is_some() => {
                self.core = None;
                self.steps.clear();
                self.at(away / 10, Event::MasterBack);
            }
            1 if self.machines[place].up => {
                // Its containers run on.
                let machine = &mut self.machines[place];
                (machine.up, machine.session) = (false, 0);
                machine.over.clear();
                self.at(away, Event::WorkerBack(place));
            }
            2 if self.machines[place].up => {
                // The machine has lost power.
                let names: Vec<AttemptName> = self.machines[place].held.keys().cloned().collect();
                for name in names {
                    self.end(place, &name, Status::Cancelled);
                }
                let machine = &mut self.machines[place];
                (machine.up, machine.session) = (false, 0);
                machine.over.clear();
                self.at(away, Event::WorkerBack(place));
            }
            3 if !self.machines[place].cut_off => {
                self.machines[place].cut_off = true;
                self.at(away, Event::Reachable(place));
            }
            _ => {}
        }
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::Second => self.second(),
            Event::Commit(epoch) => {
                if epoch == self.epoch && self.core.is_some() {
                    self.commit();
                }
            }
            Event::Answered(epoch, input) => {
                if epoch == self.epoch {
                    self.give(*input);
                }
            }
            Event::ToMaster(machine, boot, request) => {
                if self.core.is_none() {
                    return;
                }
                let ticket = self.next_ticket;
                self.next_ticket += 1;
                // The worker counts its lease from when it sent the request; that it sent it now at the latest makes the test
                // stricter.
                let sent = self.now;
                let (input, number, name) = match request {
                    FromWorker::Register(registration) => {
                        let number = registration.worker.registration;
                        (Input::Register(ticket, Box::new(registration)), number, None)
                    }
                    FromWorker::Beat(beat) => {
                        let session = beat.session;
                        (Input::Heartbeat(ticket, beat), session, None)
                    }
                    FromWorker::Report(report) => {
                        let result = &report.result;
                        let name = AttemptName { task_id: result.task_id.clone(), attempt: result.attempt };
                        (Input::Report(ticket, Box::new(report)), 0, Some(name))
                    }
                };
                self.tickets.insert(ticket, (machine, boot, number, name, sent));
                self.give(input);
            }
            Event::ToWorker(machine, boot, answer) => {
                let known = &self.machines[machine];
                if known.up && known.boot == boot {
                    self.hear(machine, answer);
                }
            }
            Event::Assign(epoch, address, task) => {
                let machine = self.machine_at(&address);
                if let Some(delivery) = self.assign(machine, &task) {
                    let name = AttemptName { task_id: task.task_id.clone(), attempt: task.attempt };
                    let answer = Input::Assigned(name, delivery);
                    self.send(machine, &Event::Answered(epoch, Box::new(answer)));
                }
            }
            Event::Stop(epoch, address, name) => {
                let machine = self.machine_at(&address);
                if let Some(held) = self.stop(machine, &name) {
                    let answer = Input::Stopping(name, Some(held));
                    self.send(machine, &Event::Answered(epoch, Box::new(answer)));
                }
            }
            Event::End(machine, name, status) => self.end(machine, &name, status),
            Event::MasterBack => self.begin_master(),
            Event::WorkerBack(place) => {
                let machine = &mut self.machines[place];
                machine.up = true;
                machine.boot += 1;
            }
            Event::Reachable(place) => self.machines[place].cut_off = false,
        }
    }

    /// No task runs twice at a time.
    fn check(&self) {
        let mut running = HashMap::new();
        for machine in &self.machines {
            for (name, (state, _)) in &machine.held {
                if matches!(state, State::Running(_)) {
                    let other = running.insert(&name.task_id, (&machine.id, name.attempt));
                    assert!(
                        other.is_none(),
                        "{name:?} runs on {} and {other:?}, at {}",
                        machine.id,
                        self.now
                    );
                }
            }
        }
    }

    /// Lets so many seconds pass.
    pub(super) fn run(&mut self, seconds: u64) {
        let until = self.now + seconds * SECOND;
        while let Some(&Reverse((at, _, place))) = self.queue.peek() {
            if at > until {
                break;
            }
            self.queue.pop();
            self.now = at;
            if let Some(event) = self.events[place].take() {
                self.happen(event);
                self.check();
            }
        }
        self.now = until;
    }

    /// From here on nothing goes wrong any more.
    pub(super) fn calm_down(&mut self) {
        self.calm = true;
    }

    pub(super) fn dice(&mut self) -> &mut Dice {
        &mut self.dice
    }

    /// The latest acknowledged tasks' states, as kept.
    pub(super) fn task(&self, task_id: &str) -> &TaskRecord {
        &self.kept.tasks[task_id]
    }

    pub(super) fn held(&self, machine: usize) -> usize {
        self.machines[machine].held.len()
    }

    pub(super) fn cut_off(&mut self, machine: usize, cut_off: bool) {
        self.machines[machine].cut_off = cut_off;
    }

    pub(super) fn kill_master(&mut self) {
        self.core = None;
        self.begin_master();
    }
}
