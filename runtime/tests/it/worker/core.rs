//! The worker's core by itself: each message and each moment is the test's own.

use std::collections::{BTreeMap, BTreeSet};

use cloudai_proto::v1;
use cloudai_runtime::worker::core::{CUT_OFF, CoreSettings, LOST, Recovered, WorkerCore};
use cloudai_runtime::worker::events::{Action, AttemptKey, Found, FoundState, Input, Now, Outcome};
use cloudai_runtime::worker::journal::JournalState;
use proptest::prelude::*;

const SECOND: i64 = 1_000_000;
const LEASE: i64 = 30;

/// A core, and what a disk and an executor would hold.
#[derive(Debug)]
struct Bench {
    core: WorkerCore,
    now: i64,
    journal: JournalState,
    lease_end_us: Option<i64>,
    running: BTreeSet<AttemptKey>,
    stopping: BTreeSet<AttemptKey>,
    /// How often each attempt was started, in all lives of the worker.
    starts: BTreeMap<AttemptKey, u32>,
    actions: Vec<Action>,
}

fn settings() -> CoreSettings {
    let info = v1::WorkerInfo { worker_id: "w1".to_owned(), ..v1::WorkerInfo::default() };
    CoreSettings { info, heartbeat_interval_us: 5 * SECOND }
}

fn at(us: i64) -> Now {
    Now { boot_us: us, unix_us: 1_000_000 * SECOND + us }
}

fn key(task_id: &str, attempt: u32) -> AttemptKey {
    AttemptKey { task_id: task_id.to_owned(), attempt }
}

impl Bench {
    fn new() -> Self {
        let (core, actions) = WorkerCore::new(settings(), at(0), Recovered::default());
        let mut bench = Self {
            core,
            now: 0,
            journal: JournalState::default(),
            lease_end_us: None,
            running: BTreeSet::new(),
            stopping: BTreeSet::new(),
            starts: BTreeMap::new(),
            actions: Vec::new(),
        };
        bench.perform(actions);
        bench
    }

    /// Registered, in session 1.
    fn registered() -> Self {
        let mut bench = Self::new();
        bench.answer_registration();
        bench
    }

    fn answer_registration(&mut self) {
        let registration = self.journal.registration;
        let ack = v1::RegisterAck { accepted: true, lease_s: LEASE as f64, ..v1::RegisterAck::default() };
        self.step(Input::RegisterAnswered { registration, answer: Ok(ack) });
    }

    fn step(&mut self, input: Input) {
        let actions = self.core.step(at(self.now), input);
        self.perform(actions);
    }

    fn wait(&mut self, us: i64) {
        self.now += us;
        self.step(Input::Tick);
    }

    fn perform(&mut self, actions: Vec<Action>) {
        for action in &actions {
            match action {
                Action::Journal(entry) => self.journal.apply(entry),
                Action::Start { task, not_after_us } => {
                    let key = AttemptKey::of(task);
                    *self.starts.entry(key.clone()).or_default() += 1;
                    assert!(self.journal.held.contains_key(&key), "{key} is not written down");
                    assert!(not_after_us.is_none_or(|end| end > self.now), "{key} starts after the lease");
                    self.running.insert(key);
                }
                Action::Stop { key } => {
                    self.stopping.insert(key.clone());
                }
                Action::Remove { key } => {
                    self.running.remove(key);
                    self.stopping.remove(key);
                }
                Action::Report(result) => {
                    let key = key(&result.task_id, result.attempt);
                    let written = self.journal.held.get(&key).and_then(|held| held.result.clone());
                    assert_eq!(written.as_ref(), Some(&**result), "reported before it is durable");
                }
                Action::Register(info) => assert_eq!(info.registration, self.journal.registration),
                Action::Lease { until_us } => self.lease_end_us = Some(*until_us),
                _ => {}
            }
        }
        self.actions.extend(actions);
    }

    fn assign(&mut self, task_id: &str, attempt: u32, session: u64) -> v1::TaskAck {
        self.assign_task(v1::Task { task_id: task_id.to_owned(), attempt, session, ..v1::Task::default() })
    }

    fn assign_task(&mut self, task: v1::Task) -> v1::TaskAck {
        self.step(Input::Assign { call: 1, task: Box::new(task) });
        self.answer()
    }

    fn cancel(&mut self, task_id: &str, attempt: u32) -> v1::TaskAck {
        let id = v1::TaskId { task_id: task_id.to_owned(), attempt, reason: String::new() };
        self.step(Input::Cancel { call: 1, id });
        self.answer()
    }

    fn answer(&self) -> v1::TaskAck {
        let answer = |action: &Action| match action {
            Action::Answer { ack, .. } => Some(ack.clone()),
            _ => None,
        };
        self.actions.iter().rev().find_map(answer).unwrap()
    }

    fn end(&mut self, key: &AttemptKey, exit_code: i32) {
        let unix = at(self.now).unix_us;
        let outcome = Outcome { exit_code, started_at_us: unix, ended_at_us: unix, ..Outcome::default() };
        self.step(Input::Ended { key: key.clone(), outcome });
    }

    fn started(&mut self, key: &AttemptKey) {
        self.step(Input::Started { key: key.clone(), at_us: at(self.now).unix_us });
    }

    fn reports(&self) -> Vec<v1::TaskResult> {
        let report = |action: &Action| match action {
            Action::Report(result) => Some((**result).clone()),
            _ => None,
        };
        self.actions.iter().filter_map(report).collect()
    }

    fn heartbeats(&self) -> Vec<(i64, v1::Heartbeat)> {
        let beat = |action: &Action| match action {
            Action::Heartbeat { sent_us, beat } => Some((*sent_us, beat.clone())),
            _ => None,
        };
        self.actions.iter().filter_map(beat).collect()
    }

    fn answer_heartbeat(&mut self) {
        if let Some((sent_us, beat)) = self.heartbeats().pop() {
            let ack = v1::HeartbeatAck { accepted: true, ..v1::HeartbeatAck::default() };
            self.step(Input::HeartbeatAnswered { sent_us, session: beat.session, answer: Ok(ack) });
        }
    }

    /// The process dies and comes back; the executor keeps what runs if it can.
    fn restart(&mut self, survives: bool) {
        let found = |key: &AttemptKey| Found {
            key: key.clone(),
            state: FoundState::Running { started_at_us: at(self.now).unix_us },
        };
        let found = if survives { self.running.iter().map(found).collect() } else { Vec::new() };
        if !survives {
            self.running.clear();
        }
        self.stopping.clear();
        let recovered = Recovered { journal: self.journal.clone(), found, lease_end_us: self.lease_end_us };
        let (core, actions) = WorkerCore::new(settings(), at(self.now), recovered);
        self.core = core;
        self.actions.clear();
        self.perform(actions);
    }
}

#[test]
fn only_an_assignment_of_the_session_is_taken() {
    let mut bench = Bench::new();
    assert!(bench.assign("a", 1, 0).stale, "no session yet");
    assert!(bench.assign("a", 1, 1).stale, "being registered");
    bench.answer_registration();
    assert_eq!(bench.core.session(), 1);
    assert!(bench.assign("a", 1, 2).stale);
    assert!(bench.assign("a", 1, 1).accepted);
    assert!(bench.assign("a", 1, 1).accepted, "a copy of it");
    assert_eq!(bench.starts[&key("a", 1)], 1);
    // Nothing that could be a file's name elsewhere.
    for id in ["", "../a", "a/b", ".a", "a b"] {
        let ack = bench.assign(id, 1, 1);
        assert!(!ack.accepted && !ack.stale, "{id:?}: {ack:?}");
    }
}

#[test]
fn there_is_no_session_while_registering_again() {
    let mut bench = Bench::registered();
    let (sent_us, _) = bench.heartbeats()[0].clone();
    let ack = v1::HeartbeatAck { accepted: true, register: true, ..v1::HeartbeatAck::default() };
    bench.step(Input::HeartbeatAnswered { sent_us, session: 1, answer: Ok(ack) });
    assert_eq!((bench.core.session(), bench.journal.registration), (0, 2));
    assert!(bench.assign("a", 1, 1).stale && bench.assign("a", 1, 2).stale);
    // An answer to an older registration means nothing.
    let ack = v1::RegisterAck { accepted: true, lease_s: 1.0, ..v1::RegisterAck::default() };
    bench.step(Input::RegisterAnswered { registration: 1, answer: Ok(ack) });
    assert_eq!(bench.core.session(), 0);
    bench.answer_registration();
    assert!(bench.assign("a", 1, 1).stale);
    assert!(bench.assign("a", 1, 2).accepted);
}

#[test]
fn what_is_cancelled_before_it_comes_never_starts() {
    let mut bench = Bench::registered();
    assert!(!bench.cancel("a", 1).held);
    let ack = bench.assign("a", 1, 1);
    assert!(!ack.accepted && !ack.stale, "{ack:?}");
    assert!(bench.assign("a", 2, 1).accepted, "another attempt");
    bench.wait(3600 * SECOND);
    assert!(bench.starts.len() == 1);
}

#[test]
fn a_cancelled_attempt_is_stopped_and_ends_as_cancelled_or_as_it_did_before() {
    let mut bench = Bench::registered();
    for task_id in ["stopped", "ended"] {
        assert!(bench.assign(task_id, 1, 1).accepted);
        bench.started(&key(task_id, 1));
    }
    let ended_at = at(bench.now).unix_us;
    bench.wait(SECOND);
    assert!(bench.cancel("stopped", 0).held, "whichever is held");
    assert!(bench.cancel("ended", 1).held);
    assert!(bench.cancel("ended", 1).held, "again");
    assert_eq!(bench.stopping.len(), 2);
    bench.end(&key("stopped", 1), 143);
    let outcome =
        Outcome { exit_code: 0, started_at_us: ended_at, ended_at_us: ended_at, ..Outcome::default() };
    bench.step(Input::Ended { key: key("ended", 1), outcome });
    let ends: Vec<(String, String)> = bench.reports().into_iter().map(|r| (r.task_id, r.status)).collect();
    let expected = [("stopped", "cancelled"), ("ended", "completed")];
    assert_eq!(ends, expected.map(|(task_id, status)| (task_id.to_owned(), status.to_owned())));
    assert!(bench.cancel("ended", 1).held, "its result is not stored");
    bench.step(Input::ResultAnswered { key: key("ended", 1), answer: Ok(v1::ResultAck { stored: true }) });
    assert!(!bench.cancel("ended", 1).held);
    assert!(bench.assign("ended", 1, 1).accepted, "a late copy, of which nothing comes");
    assert_eq!(bench.starts[&key("ended", 1)], 1);
}

#[test]
fn the_lease_counts_from_when_the_answered_heartbeat_was_sent() {
    let mut bench = Bench::registered();
    assert_eq!(bench.core.lease_end_us(), Some(LEASE * SECOND));
    bench.answer_heartbeat();
    bench.wait(5 * SECOND);
    let (sent_us, _) = bench.heartbeats().pop().unwrap();
    assert_eq!(sent_us, 5 * SECOND);
    bench.wait(4 * SECOND);
    bench.answer_heartbeat();
    assert_eq!(bench.core.lease_end_us(), Some((5 + LEASE) * SECOND));
    // One that is not accepted renews nothing.
    bench.wait(SECOND);
    let (sent_us, _) = bench.heartbeats().pop().unwrap();
    let refused = Ok(v1::HeartbeatAck::default());
    bench.step(Input::HeartbeatAnswered { sent_us, session: 1, answer: refused });
    assert_eq!(bench.core.lease_end_us(), Some((5 + LEASE) * SECOND));
}

#[test]
fn when_the_lease_runs_out_what_must_stop_is_stopped_and_the_rest_goes_on() {
    let mut bench = Bench::registered();
    assert!(bench.assign("stops", 1, 1).accepted);
    let keeps = v1::Task {
        task_id: "keeps".to_owned(),
        attempt: 1,
        session: 1,
        on_disconnect: "keep".to_owned(),
        ..v1::Task::default()
    };
    assert!(bench.assign_task(keeps).accepted);
    bench.wait(LEASE * SECOND - 1);
    assert_eq!(bench.core.session(), 1);
    bench.wait(1);
    assert_eq!((bench.core.session(), bench.core.lease_end_us()), (0, None));
    assert_eq!(bench.stopping, BTreeSet::from([key("stops", 1)]));
    assert!(bench.assign("late", 1, 1).stale);
    bench.end(&key("stops", 1), 143);
    let result = bench.reports().pop().unwrap();
    assert_eq!((result.status.as_str(), result.reason.as_str()), ("cancelled", CUT_OFF));
    // It is being registered; that takes until it is answered.
    assert_eq!(bench.journal.registration, 2);
    let lost = Err("no route".to_owned());
    bench.step(Input::RegisterAnswered { registration: 2, answer: lost });
    bench.wait(SECOND);
    assert_eq!(bench.journal.registration, 3);
    bench.answer_registration();
    assert_eq!((bench.core.session(), bench.running.len()), (3, 1));
    // A master that gives shorter leases now counts with those.
    let (sent_us, _) = bench.heartbeats().pop().unwrap();
    let ack = v1::HeartbeatAck { accepted: true, register: true, ..v1::HeartbeatAck::default() };
    bench.step(Input::HeartbeatAnswered { sent_us, session: 3, answer: Ok(ack) });
    let ack = v1::RegisterAck { accepted: true, lease_s: 3.0, ..v1::RegisterAck::default() };
    bench.step(Input::RegisterAnswered { registration: 4, answer: Ok(ack) });
    assert_eq!(bench.core.lease_end_us(), Some(bench.now + 3 * SECOND));
    // An answer that comes after its own lease has run out gives no session.
    bench.wait(LEASE * SECOND);
    bench.wait(LEASE * SECOND);
    bench.answer_registration();
    assert_eq!(bench.core.session(), 0);
}

#[test]
fn a_result_is_reported_until_it_is_stored_sixteen_at_once() {
    let mut bench = Bench::registered();
    for index in 0..20 {
        let task_id = format!("t{index:02}");
        assert!(bench.assign(&task_id, 1, 1).accepted);
        bench.end(&key(&task_id, 1), 0);
    }
    assert_eq!(bench.reports().len(), 16);
    let mut pause = SECOND / 10;
    for round in 1..9 {
        bench.actions.clear();
        bench.step(Input::ResultAnswered { key: key("t00", 1), answer: Err("lost".to_owned()) });
        if round == 1 {
            // Its place goes to the next one; all of them are full again.
            assert_eq!(bench.reports()[0].task_id, "t16");
            for task_id in ["t01", "t02", "t03", "t04"] {
                let answer = Ok(v1::ResultAck { stored: true });
                bench.step(Input::ResultAnswered { key: key(task_id, 1), answer });
            }
            bench.actions.clear();
        }
        bench.wait(pause - 1);
        assert_eq!(bench.reports(), []);
        bench.wait(1);
        assert_eq!(bench.reports()[0].task_id, "t00");
        pause = (2 * pause).min(5 * SECOND);
    }
    assert_eq!(bench.core.held().len(), 16);
}

#[test]
fn changes_that_follow_each_other_share_a_heartbeat() {
    let mut bench = Bench::registered();
    bench.answer_heartbeat();
    bench.actions.clear();
    bench.wait(10_000);
    for index in 0..5 {
        assert!(bench.assign(&format!("t{index}"), 1, 1).accepted);
    }
    assert_eq!(bench.heartbeats().len(), 0);
    assert_eq!(bench.core.next_wake(), Some(50_000));
    bench.wait(40_000);
    let beats = bench.heartbeats();
    assert_eq!((beats.len(), beats[0].1.running_tasks.len()), (1, 5));
    assert_eq!(beats[0].1.running_tasks[0].status, "starting");
}

#[test]
fn a_second_worker_gives_up_only_if_it_never_was_registered() {
    let taken = || v1::RegisterAck { taken: true, reason: "taken".to_owned(), ..v1::RegisterAck::default() };
    let fatal = |bench: &Bench| bench.actions.iter().any(|action| matches!(action, Action::Fatal(_)));
    let mut bench = Bench::new();
    bench.step(Input::RegisterAnswered { registration: 1, answer: Ok(taken()) });
    assert!(fatal(&bench));
    let mut bench = Bench::registered();
    bench.wait(LEASE * SECOND);
    bench.step(Input::RegisterAnswered { registration: 2, answer: Ok(taken()) });
    assert!(!fatal(&bench));
    bench.wait(SECOND);
    assert_eq!(bench.journal.registration, 3, "it tries again");
}

#[test]
fn a_restarted_worker_takes_over_what_it_finds_and_reports_what_it_does_not() {
    let mut bench = Bench::registered();
    for task_id in ["runs", "gone", "ended", "told"] {
        assert!(bench.assign(task_id, 1, 1).accepted);
        bench.started(&key(task_id, 1));
    }
    bench.end(&key("told", 1), 7);
    bench.running = BTreeSet::from([key("runs", 1), key("stranger", 4)]);
    bench.restart(true);
    let resumed = |action: &Action| matches!(action, Action::Resume { task } if task.task_id == "runs");
    assert_eq!(bench.actions.iter().filter(|action| resumed(action)).count(), 1);
    assert_eq!(bench.running, BTreeSet::from([key("runs", 1)]), "what nobody knows is removed");
    let reports = bench.reports();
    let lost = reports.iter().find(|result| result.task_id == "gone").unwrap();
    assert_eq!((lost.status.as_str(), lost.started_at_us, lost.reason.as_str()), ("failed", 0, LOST));
    assert_eq!(reports.iter().find(|result| result.task_id == "told").unwrap().exit_code, 7);
    assert_eq!(bench.journal.registration, 2, "a new session");
    assert_eq!(bench.core.held().len(), 4);
    assert!(bench.stopping.is_empty(), "the lease goes on");

    // Without a lease that anybody knows of, nothing may run on.
    bench.lease_end_us = None;
    bench.restart(true);
    assert_eq!(bench.stopping, BTreeSet::from([key("runs", 1)]));
}

#[derive(Clone, Debug)]
enum Move {
    Assign { task: u8, attempt: u32, session_back: u64 },
    Cancel { task: u8, attempt: u32 },
    Started,
    End { exit_code: i32 },
    StartFailed,
    Registered { accepted: bool },
    Heartbeat { register: bool },
    Stored { stored: bool },
    Wait { us: i64 },
    Restart { survives: bool },
}

fn moves() -> impl Strategy<Value = Vec<Move>> {
    let one = prop_oneof![
        6 => (0..4u8, 1..4u32, 0..3u64)
            .prop_map(|(task, attempt, session_back)| Move::Assign { task, attempt, session_back }),
        2 => (0..4u8, 0..4u32).prop_map(|(task, attempt)| Move::Cancel { task, attempt }),
        2 => Just(Move::Started),
        3 => (0..2i32).prop_map(|exit_code| Move::End { exit_code }),
        1 => Just(Move::StartFailed),
        4 => any::<bool>().prop_map(|accepted| Move::Registered { accepted }),
        3 => prop::bool::weighted(0.2).prop_map(|register| Move::Heartbeat { register }),
        3 => any::<bool>().prop_map(|stored| Move::Stored { stored }),
        3 => prop_oneof![0..SECOND, 0..(2 * LEASE * SECOND)].prop_map(|us| Move::Wait { us }),
        1 => any::<bool>().prop_map(|survives| Move::Restart { survives }),
    ];
    prop::collection::vec(one, 1..120)
}

proptest! {
    /// Whatever is said in whatever order, and whenever the worker dies.
    #[test]
    fn no_attempt_starts_twice_and_none_is_lost(moves in moves()) {
        let mut bench = Bench::new();
        let mut stored: BTreeSet<AttemptKey> = BTreeSet::new();
        let mut accepted: BTreeSet<AttemptKey> = BTreeSet::new();
        for step in moves {
            match step {
                Move::Assign { task, attempt, session_back } => {
                    let session = bench.journal.registration.saturating_sub(session_back);
                    let current = bench.core.session();
                    let (task_id, before) = (format!("t{task}"), bench.starts.len());
                    let key = key(&task_id, attempt);
                    // A master never assigns an attempt anew of which it has stored the result.
                    if stored.contains(&key) {
                        continue;
                    }
                    let ack = bench.assign(&task_id, attempt, session);
                    if bench.starts.len() > before {
                        prop_assert!(ack.accepted && session == current && current != 0);
                    }
                    if ack.accepted {
                        accepted.insert(key);
                    }
                }
                Move::Cancel { task, attempt } => {
                    bench.cancel(&format!("t{task}"), attempt);
                }
                Move::Started => {
                    if let Some(key) = bench.running.first().cloned() {
                        bench.started(&key);
                    }
                }
                Move::End { exit_code } => {
                    if let Some(key) = bench.running.first().cloned() {
                        bench.end(&key, exit_code);
                    }
                }
                Move::StartFailed => {
                    if let Some(key) = bench.running.last().cloned() {
                        bench.step(Input::StartFailed { key, reason: "no".to_owned() });
                    }
                }
                Move::Registered { accepted } => {
                    let registration = bench.journal.registration;
                    let ack = v1::RegisterAck { accepted, lease_s: LEASE as f64, ..v1::RegisterAck::default() };
                    bench.step(Input::RegisterAnswered { registration, answer: Ok(ack) });
                }
                Move::Heartbeat { register } => {
                    if let Some((sent_us, beat)) = bench.heartbeats().pop() {
                        let ack = v1::HeartbeatAck { accepted: true, register, ..v1::HeartbeatAck::default() };
                        let answer = Ok(ack);
                        bench.step(Input::HeartbeatAnswered { sent_us, session: beat.session, answer });
                    }
                }
                Move::Stored { stored: yes } => {
                    if let Some(result) = bench.reports().pop() {
                        let key = key(&result.task_id, result.attempt);
                        bench.step(Input::ResultAnswered { key: key.clone(), answer: Ok(v1::ResultAck { stored: yes }) });
                        if yes {
                            stored.insert(key);
                        }
                    }
                }
                Move::Wait { us } => bench.wait(us),
                Move::Restart { survives } => bench.restart(survives),
            }
            for (key, count) in &bench.starts {
                prop_assert_eq!(*count, 1, "{} has started {} times", key, count);
            }
            // What was accepted is held until its result is stored.
            let held: BTreeSet<AttemptKey> = bench.journal.held.keys().cloned().collect();
            for key in &accepted {
                prop_assert!(held.contains(key) || stored.contains(key), "{} is lost", key);
            }
            let told: BTreeSet<AttemptKey> =
                bench.core.held().into_iter().map(|info| key(&info.task_id, info.attempt)).collect();
            prop_assert_eq!(&told, &held);
            // What runs is held; and without a lease it is being stopped.
            prop_assert!(bench.running.is_subset(&held));
            if bench.core.lease_end_us().is_none() {
                prop_assert!(bench.running.is_subset(&bench.stopping));
            }
            // No time of its own is missed: the core always wants to be woken, or waits for an answer.
            prop_assert!(bench.core.next_wake().is_none_or(|wake| wake > bench.now), "{:?}", bench.core.next_wake());
        }
    }
}
