//! The engine: drives the core with virtual time.
//!
//! One loop, an instant a turn: take the earliest time at which anything happens, apply all events of that instant in
//! the order of [`Event::class`], let the strategy pass once, and carry out what it decided. What a pass makes happen at
//! the same instant gets a further pass.
//!
//! Arrivals come sorted from the reader and are merged with a heap of completions; everything rare stands in an agenda.
//!
//! - `failures.rs`: workers that fail and return
//! - `tasks.rs`: what only the simulator knows of a task, its true run time above all

mod failures;
mod tasks;

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Instant;

use cloudai_schedulers::{
    Capabilities, Checkpoints, Cluster, ClusterConfig, Decision, Duration, Effect, Event, EventError,
    FailureReason, KnownRunTimes, Placement, Progress, Scheduler, TaskId, TaskState, Time, WorkloadProfile,
    strategy_seed,
};
use cloudai_workloads::{Estimates, OnFull, Scenario, Settings, Task, TaskStream};
use failures::Failures;
use hdrhistogram::Histogram;
use tasks::{RunTimes, Tasks};

use crate::error::SimError;
use crate::histogram::three_digits;
use crate::observers::{Attempt, AttemptEnd, EndedWaiting, Observer};

/// Simulated time ends here, at 2^62 microseconds (146,000 years): sums of times stay within 64 bits.
const HORIZON: Time = Time::from_micros(1 << 62);

/// A strategy that passes more often than this at one instant never comes to rest.
const MOST_PASSES_PER_INSTANT: u32 = 100_000;

/// So many preemptions that saved nothing, while no task arrived or ended, lead nowhere.
const MOST_FRUITLESS_STOPS: u32 = 1_000_000;

/// So many changes of workers, while tasks wait, nothing runs and nothing else is due, bring no task to run.
const MOST_IDLE_CHANGES: u32 = 100_000;

/// So many attempts that were lost and left nothing, while no task ended, lead nowhere.
const MOST_LOST_IN_VAIN: u64 = 1_000_000;

/// As many wake-ups in a row, with nothing else left to happen, are too many.
const MOST_IDLE_WAKES: u32 = 100_000;

/// What connects a run with the world around it. By default nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct Hooks<'a> {
    /// The run ends with [`SimError::Interrupted`] soon after this becomes true.
    pub stop: Option<&'a AtomicBool>,
    /// Counts tasks that have ended, for a progress bar.
    pub ended: Option<&'a AtomicU64>,
    /// Measure the wall time of every pass.
    pub time_passes: bool,
}

/// What a run took.
#[derive(Clone, Debug)]
pub struct RunStats {
    /// Tasks that ended.
    pub tasks: u64,
    /// Events applied: arrivals, completions and the rest.
    pub events: u64,
    /// Passes of the strategy.
    pub passes: u64,
    /// Wall time of the passes in nanoseconds, three digits; empty unless [`Hooks::time_passes`].
    pub pass_ns: Histogram<u64>,
}

/// Runs `strategy` on `scenario` under `settings`, and tells `observer` what happens.
///
/// `spec` names the strategy: in errors, and to seed its random generator.
///
/// # Errors
/// The workload cannot be read, the observer cannot record, the strategy leaves tasks waiting for ever, or the run was
/// interrupted.
pub fn run(
    scenario: &Scenario,
    settings: &Settings,
    spec: &str,
    strategy: &mut dyn Scheduler,
    observer: &mut impl Observer,
    hooks: Hooks<'_>,
) -> Result<RunStats, SimError> {
    Engine::new(scenario, settings, spec, strategy.supports(), observer, hooks)?.run(strategy)
}

struct Engine<'a, O> {
    scenario: &'a Scenario,
    settings: &'a Settings,
    spec: &'a str,
    capabilities: Capabilities,
    observer: &'a mut O,
    hooks: Hooks<'a>,
    cluster: Cluster,
    stream: TaskStream,
    /// The next task to arrive, if `more`.
    next: Task,
    more: bool,
    tasks: Tasks,
    run_times: RunTimes<'a>,
    /// Expected completions: (time, index, slot) in one number, so that they sort as the design orders them.
    completions: BinaryHeap<Reverse<u128>>,
    /// Rare events: (time, class, task or worker index, number).
    agenda: BTreeMap<(Time, u8, u32, u64), Event>,
    scheduled: u64,
    effects: Vec<Effect>,
    woke: bool,
    failures: Failures<'a>,
    checkpoints: Option<Checkpoints>,
    /// Preemptions that saved nothing since a task last arrived or ended.
    fruitless_stops: u32,
    /// Entries in `completions` of attempts that were stopped.
    stopped_ends: u64,
    stats: RunStats,
}

/// An attempt that is over, as the core knew it.
struct OverAttempt {
    task: TaskId,
    attempt: u32,
    placement: Placement,
    assigned: Time,
    start: Option<Time>,
    /// How long it was expected to run.
    expected: Duration,
    status: AttemptEnd,
}

impl<'a, O: Observer> Engine<'a, O> {
    fn new(
        scenario: &'a Scenario,
        settings: &'a Settings,
        spec: &'a str,
        capabilities: Capabilities,
        observer: &'a mut O,
        hooks: Hooks<'a>,
    ) -> Result<Self, SimError> {
        let mut config = ClusterConfig::default();
        config.seed = strategy_seed(settings.seed, spec);
        config.startup_latency = settings.startup_latency;
        config.indexes = capabilities.indexes;
        config.max_lost_attempts = settings.max_retries.unwrap_or(u32::MAX);
        config.checkpoints = settings.checkpoints();
        if settings.estimates == Estimates::Exact {
            config.known_run_times =
                scenario.durations.as_ref().map(|table| Arc::new(known_run_times(scenario, table)));
        }
        let mut cluster = Cluster::new(config, scenario.workers.clone())?;
        for constraint in &scenario.constraints {
            cluster.intern_constraint(constraint);
        }
        for edge in &scenario.edges {
            cluster.add_dependency(edge.from, edge.to, edge.transfer);
        }
        let mut stream = scenario.stream()?;
        let mut next = Task::default();
        let more = stream.next_into(&mut next)?;
        Ok(Self {
            scenario,
            settings,
            spec,
            capabilities,
            observer,
            hooks,
            cluster,
            stream,
            next,
            more,
            tasks: Tasks::default(),
            run_times: RunTimes::new(
                &scenario.workers,
                scenario.durations.as_ref(),
                settings.kill_at_estimate,
                settings.checkpoints(),
            ),
            completions: BinaryHeap::new(),
            agenda: BTreeMap::new(),
            scheduled: 0,
            effects: Vec::new(),
            woke: false,
            failures: Failures::new(scenario, settings),
            checkpoints: settings.checkpoints(),
            fruitless_stops: 0,
            stopped_ends: 0,
            stats: RunStats { tasks: 0, events: 0, passes: 0, pass_ns: three_digits() },
        })
    }

    fn run(mut self, strategy: &mut dyn Scheduler) -> Result<RunStats, SimError> {
        // Who does not declare that it uses the profile does not get it.
        let nothing = WorkloadProfile::default();
        let profile = if self.capabilities.profile { &self.scenario.profile } else { &nothing };
        self.leave_out_absent()?;
        strategy.attach(&self.cluster.view(), profile);
        let (mut idle_wakes, mut idle_changes) = (0, 0);
        let mut next = self.next_time();
        while let Some(now) = next
            && !self.is_over()
        {
            if now > HORIZON {
                return Err(self.restless("it asks to be woken beyond the end of time"));
            }
            self.cluster.advance(now)?;
            next = self.instant(strategy, now)?;
            // One load an instant costs nothing beside a pass, and a pass may take long.
            if self.hooks.stop.is_some_and(|stop| stop.load(Ordering::Relaxed)) {
                return Err(SimError::Interrupted);
            }
            let only_waking = self.cluster.holding() == 0 && !self.more && self.only_wakes_are_left();
            let changed = std::mem::take(&mut self.failures.changed);
            idle_changes = if only_waking { idle_changes + u32::from(changed) } else { 0 };
            if idle_changes > MOST_IDLE_CHANGES {
                return self.check_all_ended().map(|()| self.stats);
            }
            // Who waits for a worker to return may well look at the clock.
            let alone = only_waking && self.failures.next_time() == Time::NEVER;
            idle_wakes = if alone { idle_wakes + 1 } else { 0 };
            if idle_wakes > MOST_IDLE_WAKES {
                return Err(self.restless("it keeps asking to be woken while nothing happens"));
            }
            if self.fruitless_stops > MOST_FRUITLESS_STOPS {
                return Err(self.restless("it keeps preempting tasks that lose their progress"));
            }
            if self.failures.in_vain > MOST_LOST_IN_VAIN {
                return Err(self.hopeless());
            }
        }
        self.check_all_ended()?;
        self.observer.finished()?;
        if let Some(ended) = self.hooks.ended {
            ended.fetch_add(self.stats.tasks % ENDED_PER_TICK, Ordering::Relaxed);
        }
        Ok(self.stats)
    }

    /// When something happens next.
    fn next_time(&mut self) -> Option<Time> {
        // An attempt that was stopped does not end: that its end would have been due is no event.
        while self.stopped_ends > 0
            && let Some(&Reverse(key)) = self.completions.peek()
            && self.tasks.ending(index_of(key), slot_of(key), time_of(key)).is_none()
        {
            self.completions.pop();
            self.stopped_ends -= 1;
        }
        let mut next = if self.more { self.next.spec.arrival } else { Time::NEVER };
        if let Some(&Reverse(key)) = self.completions.peek() {
            next = next.min(time_of(key));
        }
        if let Some((&(time, ..), _)) = self.agenda.first_key_value() {
            next = next.min(time);
        }
        next = next.min(self.failures.next_time());
        (next != Time::NEVER).then_some(next)
    }

    /// True if every task has arrived and ended: wake-ups that are still due concern nobody.
    fn is_over(&self) -> bool {
        let alive = self.cluster.waiting() + self.cluster.blocked() + self.cluster.holding();
        !self.more && alive == 0
    }

    fn only_wakes_are_left(&self) -> bool {
        self.completions.is_empty() && self.agenda.values().all(|event| *event == Event::Woke)
    }

    /// Everything of one instant; returns when the next one is.
    fn instant(&mut self, strategy: &mut dyn Scheduler, now: Time) -> Result<Option<Time>, SimError> {
        let mut passes = 0;
        let next = loop {
            self.apply_events(now)?;
            self.cluster.notify(strategy);
            self.pass(strategy);
            self.carry_out(now)?;
            if self.settings.on_full == OnFull::Reject {
                self.reject_waiting(now)?;
            }
            passes += 1;
            if passes > MOST_PASSES_PER_INSTANT {
                return Err(self.restless("its decisions make ever more happen at the same instant"));
            }
            let next = self.next_time();
            if next != Some(now) {
                break next;
            }
        };
        self.observer.settled(&self.cluster)?;
        self.cluster.end_instant();
        Ok(next)
    }

    /// Applies the events of this instant that are known by now, in the order of the design.
    fn apply_events(&mut self, now: Time) -> Result<(), SimError> {
        while let Some(&Reverse(key)) = self.completions.peek()
            && time_of(key) == now
        {
            self.completions.pop();
            self.complete(key, now)?;
        }
        if self.failures.next_time() == now {
            self.schedule_changes(now);
        }
        let rare = self.agenda.first_key_value().is_some_and(|(&(time, ..), _)| time == now);
        if rare {
            self.apply_rare(now, ..Event::ARRIVAL_CLASS)?;
        }
        while self.more && self.next.spec.arrival == now {
            self.arrive()?;
        }
        if rare {
            self.apply_rare(now, ..u8::MAX)?;
        }
        Ok(())
    }

    /// Applies the agenda's events of this instant whose class is in the range.
    fn apply_rare(&mut self, now: Time, classes: std::ops::RangeTo<u8>) -> Result<(), SimError> {
        while let Some(entry) = self.agenda.first_entry() {
            let &(time, class, ..) = entry.key();
            if time != now || class >= classes.end {
                break;
            }
            match entry.remove() {
                Event::Started { task, attempt } => self.confirm_start(task, attempt)?,
                Event::Stopped { task, attempt } => self.confirm_stop(task, attempt, now)?,
                Event::WorkerChanged { worker, state } => self.change_worker(worker, state, now)?,
                Event::Woke => {
                    self.woke = true;
                    self.apply(Event::Woke)?;
                }
                event => {
                    // A transfer may end after its task has: then nobody waits for it.
                    match self.apply(event) {
                        Ok(()) | Err(EventError::UnknownTask(_)) => {}
                        Err(error) => return Err(error.into()),
                    }
                }
            }
        }
        Ok(())
    }

    fn apply(&mut self, event: Event) -> Result<(), EventError> {
        self.stats.events += 1;
        self.cluster.apply(event)
    }

    fn arrive(&mut self) -> Result<(), SimError> {
        // What strategies may see takes the place of the file's estimate, which is the limit.
        let seen = self.settings.estimates.apply(&self.next, self.settings.seed);
        let limit = std::mem::replace(&mut self.next.spec.estimate, seen);
        self.observer.arrived(&self.next.spec);
        let task = self.cluster.submit(&self.next.spec);
        self.stats.events += 1;
        self.tasks.insert(task, &mut self.next, limit);
        self.fruitless_stops = 0;
        self.more = self.stream.next_into(&mut self.next)?;
        Ok(())
    }

    fn pass(&mut self, strategy: &mut dyn Scheduler) {
        let woke = std::mem::take(&mut self.woke);
        if self.cluster.view().queue_len() == 0 && !woke && !self.capabilities.preemption {
            self.cluster.advance_lanes();
            return;
        }
        self.stats.passes += 1;
        if self.hooks.time_passes {
            let start = Instant::now();
            self.cluster.pass(strategy);
            let spent = u64::try_from(start.elapsed().as_nanos()).unwrap_or(u64::MAX);
            let _ = self.stats.pass_ns.record(spent);
        } else {
            self.cluster.pass(strategy);
        }
    }

    /// Does what the core asks for.
    fn carry_out(&mut self, now: Time) -> Result<(), SimError> {
        self.cluster.take_effects(&mut self.effects);
        if self.effects.is_empty() {
            return Ok(());
        }
        let mut effects = std::mem::take(&mut self.effects);
        for effect in effects.drain(..) {
            match effect {
                Effect::Start { task, attempt } => {
                    if let Some(task) = self.cluster.view().task(task) {
                        self.observer.held_changed(task.placement(), &self.cluster);
                    }
                    if self.settings.startup_latency.micros() == 0 {
                        self.confirm_start(task, attempt)?;
                    } else {
                        let at = now + self.settings.startup_latency;
                        self.schedule(at, task.index(), Event::Started { task, attempt });
                    }
                }
                Effect::Stop { task, attempt } => {
                    let at = self.stop_at(task, now);
                    self.schedule(at, task.index(), Event::Stopped { task, attempt });
                }
                Effect::TransferAt { task, at } => {
                    self.schedule(at, task.index(), Event::TransferOver { task });
                }
                Effect::WakeAt(at) => {
                    // One wake-up an instant is enough, however often it is asked for.
                    self.agenda.insert((at, Event::Woke.class(), 0, 0), Event::Woke);
                }
                Effect::Ended { task, .. } => self.end_waiting(task, now)?,
                Effect::PartLost { task, .. } => self.lose_part(task, now),
                Effect::AttemptLost { task, attempt, placement, assigned_at, started_at } => {
                    self.lose_attempt(task, attempt, (placement, assigned_at, started_at), now)?;
                }
            }
        }
        self.effects = effects;
        Ok(())
    }

    /// When a stop that begins now is confirmed. While progress is being saved, none is made.
    fn stop_at(&mut self, task: TaskId, now: Time) -> Time {
        let at = now + self.settings.stop_latency;
        let saving = self.checkpoints.map_or(Duration::ZERO, Checkpoints::stop_overhead);
        if saving == Duration::ZERO || self.cluster.view().is_broken(task) {
            return at;
        }
        if self.tasks.ends_after(task, at) {
            self.forget_end(task);
        }
        self.failures.saves_from(task, at);
        at + saving
    }

    /// An attempt does not end by itself any more.
    fn forget_end(&mut self, task: TaskId) {
        self.stopped_ends += u64::from(self.tasks.forget_end(task));
    }

    fn schedule(&mut self, at: Time, index: u32, event: Event) {
        self.scheduled += 1;
        self.agenda.insert((at, event.class(), index, self.scheduled), event);
    }

    /// Confirms a start, and lets the task end when its true run time or its limit is over.
    fn confirm_start(&mut self, task: TaskId, attempt: u32) -> Result<(), SimError> {
        if self.cluster.view().is_broken(task) {
            return Ok(()); // A gang that lost a worker before it came to run.
        }
        match self.apply(Event::Started { task, attempt }) {
            Ok(()) => {}
            // The attempt was stopped, or is being stopped, before it came to run.
            Err(
                EventError::StaleAttempt { .. } | EventError::UnknownTask(_) | EventError::WrongState { .. },
            ) => {
                return Ok(());
            }
            Err(error) => return Err(error.into()),
        }
        let Some(seen) = self.cluster.view().task(task) else { return Ok(()) };
        let end = self.tasks.start(task, seen.placement(), self.cluster.now(), &self.run_times);
        if end > HORIZON {
            return Err(SimError::BeyondHorizon {
                task: self.tasks.get(task).name.clone(),
                end,
                horizon: HORIZON,
            });
        }
        if end > self.failures.saving(task) {
            self.tasks.forget_end(task);
        } else {
            self.completions.push(Reverse(key_of(end, task)));
        }
        Ok(())
    }

    /// A task ends by itself or at its limit, unless the heap's entry is of an attempt that was stopped.
    fn complete(&mut self, key: u128, now: Time) -> Result<(), SimError> {
        let Some((task, killed)) = self.tasks.ending(index_of(key), slot_of(key), now) else {
            self.stopped_ends = self.stopped_ends.saturating_sub(1);
            return Ok(());
        };
        // Its entry has left the heap.
        self.tasks.forget_end(task);
        let Some(attempt) = self.cluster.view().task(task).map(|task| task.attempt()) else { return Ok(()) };
        let (event, status) = if killed {
            (Event::Failed { task, attempt, reason: FailureReason::TimeLimit }, AttemptEnd::TimedOut)
        } else {
            (Event::Completed { task, attempt }, AttemptEnd::Completed)
        };
        self.end_attempt(task, event, status, now)
    }

    fn confirm_stop(&mut self, task: TaskId, attempt: u32, now: Time) -> Result<(), SimError> {
        let view = self.cluster.view();
        let stopping =
            view.task(task).filter(|task| task.attempt() == attempt && task.state() == TaskState::Stopping);
        let Some(stopping) = stopping else { return Ok(()) }; // It ended before the stop took effect.
        let status = if stopping.is_cancelled() {
            AttemptEnd::Cancelled
        } else if view.is_broken(task) {
            AttemptEnd::Lost
        } else {
            AttemptEnd::Preempted
        };
        self.end_attempt(task, Event::Stopped { task, attempt }, status, now)
    }

    /// Applies an event that ends an attempt, and reports the attempt as it was.
    fn end_attempt(
        &mut self,
        task: TaskId,
        event: Event,
        status: AttemptEnd,
        now: Time,
    ) -> Result<(), SimError> {
        let view = self.cluster.view();
        let (Some(seen), Some(placement)) = (view.task(task), view.assigned_placement(task)) else {
            return Ok(());
        };
        let (placement, start) = (placement.clone(), seen.started_at());
        let expected = match (start, seen.expected_end()) {
            // Checkpoints and what was saved earlier are in it.
            (Some(start), Some(end)) if self.checkpoints.is_some() => end - start,
            _ => self.run_times.nominal_on(seen.expected_at_start(), &placement),
        };
        let (attempt, assigned) = (seen.attempt(), seen.assigned_at().unwrap_or(now));
        let over = OverAttempt { task, attempt, placement, assigned, start, expected, status };
        self.report_attempt(&over, now)?;
        self.forget_end(task);
        self.apply(event)?;
        self.observer.held_changed(&over.placement, &self.cluster);
        if !status.is_retried() {
            self.count_ended();
        }
        Ok(())
    }

    /// Tells the observer of an attempt that is over, and keeps the progress that it has saved.
    fn report_attempt(&mut self, over: &OverAttempt, now: Time) -> Result<(), SimError> {
        let OverAttempt { task, ref placement, status, .. } = *over;
        let Some(seen) = self.cluster.view().task(task) else { return Ok(()) };
        let standstill = self.failures.take_standstill(task);
        let ran_until = standstill.broken.unwrap_or(now);
        let since_start = |until: Time| over.start.map_or(Duration::ZERO, |start| until - start);
        let ran = since_start(ran_until);
        let record = self.tasks.get(task);
        let progress = self.checkpoints.map_or(Progress { work: ran, saved: Duration::ZERO }, |costs| {
            let stopped = status == AttemptEnd::Preempted;
            // One that is lost while it saves had worked until it began to.
            let worked_until = standstill.saving.filter(|_| !stopped).unwrap_or(ran_until).min(ran_until);
            costs.progress(since_start(worked_until), record.is_resumed(), stopped)
        });
        let lost =
            if status.is_retried() { progress.work.saturating_sub(progress.saved) } else { Duration::ZERO };
        self.observer.attempt_ended(&Attempt {
            task,
            name: &record.name,
            spec: seen.spec(),
            placement,
            attempt: over.attempt,
            eligible: seen.eligible(),
            assigned: over.assigned,
            start: over.start,
            first_start: record.first_start,
            end: now,
            status,
            expected: over.expected,
            lost,
            overhead: ran.saturating_sub(progress.work),
        })?;
        if !status.is_retried() {
            return Ok(());
        }
        let saved = progress.saved > Duration::ZERO;
        if saved {
            let work = self.tasks.save_progress(task, placement, progress.saved, &self.run_times);
            // One that has failed, lost too often, has no use for it.
            if !self.cluster.view().task(task).is_some_and(|task| task.state().is_terminal()) {
                self.apply(Event::Saved { task, work })?;
            }
            self.failures.in_vain = 0;
        }
        match status {
            AttemptEnd::Preempted => self.fruitless_stops = if saved { 0 } else { self.fruitless_stops + 1 },
            _ => self.failures.in_vain += u64::from(!saved),
        }
        Ok(())
    }

    /// A task that was waiting has ended.
    fn end_waiting(&mut self, task: TaskId, now: Time) -> Result<(), SimError> {
        let view = self.cluster.view();
        let Some(ended) = view.task(task) else { return Ok(()) };
        let status = match ended.state() {
            TaskState::Rejected => "rejected",
            TaskState::Cancelled => "cancelled",
            _ => "failed",
        };
        let record = self.tasks.get(task);
        self.observer.ended_waiting(&EndedWaiting {
            task,
            name: &record.name,
            spec: ended.spec(),
            status,
            end: now,
            attempts: ended.attempt(),
            eligible: ended.eligible(),
            first_start: record.first_start,
        })?;
        self.count_ended();
        Ok(())
    }

    fn count_ended(&mut self) {
        self.fruitless_stops = 0;
        self.failures.in_vain = 0;
        self.stats.tasks += 1;
        if self.stats.tasks.is_multiple_of(ENDED_PER_TICK)
            && let Some(ended) = self.hooks.ended
        {
            ended.fetch_add(ENDED_PER_TICK, Ordering::Relaxed);
        }
    }

    /// `on_full = "reject"`: what the pass has left waiting is turned away, unless it has been started before.
    fn reject_waiting(&mut self, now: Time) -> Result<(), SimError> {
        if self.cluster.waiting() == 0 {
            return Ok(());
        }
        let view = self.cluster.view();
        let mut waiting: Vec<TaskId> = view.queue().collect();
        waiting.extend(view.workers().flat_map(|worker| worker.lane()));
        waiting.retain(|&task| view.task(task).is_some_and(|task| task.attempt() == 0));
        waiting.sort_unstable();
        for task in waiting {
            // What waits can be rejected; the core has nothing against it.
            let _ = self.cluster.decide(Decision::Reject { task, reason: "the cluster is full".into() });
        }
        self.carry_out(now)
    }

    fn restless(&self, what: &'static str) -> SimError {
        SimError::Restless { strategy: self.spec.to_owned(), at: self.cluster.now(), what }
    }

    fn hopeless(&self) -> SimError {
        let (count, tasks) = self.left();
        SimError::Hopeless { count, tasks, at: self.cluster.now(), attempts: self.failures.in_vain }
    }

    fn check_all_ended(&self) -> Result<(), SimError> {
        let (count, tasks) = self.left();
        if count == 0 {
            return Ok(());
        }
        Err(SimError::Unscheduled { strategy: self.spec.to_owned(), count, tasks, at: self.cluster.now() })
    }

    /// How many tasks have not ended, and the first of them with the state that each is in.
    fn left(&self) -> (usize, Vec<String>) {
        let view = self.cluster.view();
        let mut left: Vec<TaskId> = view.tasks().collect();
        left.sort_unstable();
        let shown = left.iter().take(10).filter_map(|&task| {
            let state = view.task(task)?.state();
            Some(format!("{} ({})", self.tasks.get(task).name, waiting_words(state)))
        });
        (left.len(), shown.collect())
    }
}

/// Ended tasks are counted in steps of this many.
const ENDED_PER_TICK: u64 = 256;

fn waiting_words(state: TaskState) -> &'static str {
    match state {
        TaskState::Blocked => "waits for a predecessor",
        TaskState::Queued => "queued",
        TaskState::Bound => "bound to a worker",
        _ => "holds resources",
    }
}

fn known_run_times(scenario: &Scenario, table: &cloudai_workloads::Durations) -> KnownRunTimes {
    let tasks = 0..u32::try_from(scenario.tasks).unwrap_or(u32::MAX);
    tasks
        .flat_map(|task| table.of_task(task).iter().map(move |&(worker, run)| ((task, worker), run)))
        .collect()
}

fn key_of(time: Time, task: TaskId) -> u128 {
    let slot = u32::try_from(task.slot()).unwrap_or(u32::MAX);
    (u128::from(time.micros()) << 64) | (u128::from(task.index()) << 32) | u128::from(slot)
}

const fn time_of(key: u128) -> Time {
    Time::from_micros((key >> 64) as u64)
}

#[expect(clippy::cast_possible_truncation, reason = "the fields of the key")]
const fn index_of(key: u128) -> u32 {
    (key >> 32) as u32
}

const fn slot_of(key: u128) -> usize {
    key as u32 as usize
}
