//! The engine: drives the core with virtual time.
//!
//! One loop, an instant a turn: take the earliest time at which anything happens, apply all events of that instant in
//! the order of [`Event::class`], let the strategy pass once, and carry out what it decided. What a pass makes happen at
//! the same instant gets a further pass.
//!
//! Arrivals come sorted from the reader and are merged with a queue of completions; everything rare stands in an agenda.
//!
//! - `attempts.rs`: attempts that start and end, and what observers hear of them
//! - `completions.rs`: when attempts end
//! - `failures.rs`: workers that fail and return
//! - `patience.rs`: runs that lead nowhere, and what is left when they end
//! - `tasks.rs`: what only the simulator knows of a task, its true run time above all

mod attempts;
mod completions;
mod failures;
mod patience;
mod tasks;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Instant;

use attempts::ENDED_PER_TICK;
use cloudai_schedulers::{
    Capabilities, Checkpoints, Cluster, ClusterConfig, Effect, Event, EventError, KnownRunTimes, Scheduler,
    Time, WorkloadProfile, strategy_seed,
};
use cloudai_workloads::{Estimates, OnFull, Scenario, Settings, TaskStream};
use completions::{Completions, index_of, slot_of, time_of};
use failures::Failures;
use hdrhistogram::Histogram;
use patience::{MOST_PASSES_PER_INSTANT, Patience};
use tasks::{RunTimes, Tasks};

use crate::error::SimError;
use crate::histogram::three_digits;
use crate::observers::Observer;

/// Simulated time ends here, at 2^62 microseconds (146,000 years): sums of times stay within 64 bits.
const HORIZON: Time = Time::from_micros(1 << 62);

/// So many passes are timed each; after that one in [`TIMED_OF`], for all of them: to look at the clock takes as long as a
/// short pass does.
const TIMED_EACH: u64 = 1_024;
const TIMED_OF: u64 = 16;

/// What connects a run with the world around it. By default nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct Hooks<'a> {
    /// The run ends with [`SimError::Interrupted`] soon after this becomes true.
    pub stop: Option<&'a AtomicBool>,
    /// Counts tasks that have ended, for a progress bar.
    pub ended: Option<&'a AtomicU64>,
    /// Measure the wall time of passes.
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
    /// Wall time of the passes in nanoseconds, three digits; empty unless [`Hooks::time_passes`]. In a long run one pass in
    /// sixteen was timed, and counts for all.
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
    /// When the task arrives that the stream has come to; `NEVER` at its end.
    next_arrival: Time,
    tasks: Tasks,
    /// Whether the observer wants names kept.
    reads_names: bool,
    run_times: RunTimes<'a>,
    completions: Completions,
    /// Rare events: (time, class, task or worker index, number).
    agenda: BTreeMap<(Time, u8, u32, u64), Event>,
    scheduled: u64,
    /// When the first thing of the agenda or of the failures happens.
    rare_at: Time,
    woke: bool,
    failures: Failures<'a>,
    checkpoints: Option<Checkpoints>,
    patience: Patience,
    /// Entries in `completions` of attempts that were stopped.
    stopped_ends: u64,
    stats: RunStats,
    /// When the first attempt was to end that memory was asked for last.
    looked_at: Time,
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
        let failures = Failures::new(scenario, settings);
        config.indexes = capabilities.indexes;
        // Whoever loses a worker asks what ran there.
        config.indexes.running_tasks |= failures.next_time() != Time::NEVER;
        config.hears = !capabilities.ignores_events;
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
        let next_arrival = stream.advance()?.unwrap_or(Time::NEVER);
        let reads_names = observer.reads_names();
        Ok(Self {
            scenario,
            settings,
            spec,
            capabilities,
            observer,
            hooks,
            cluster,
            stream,
            next_arrival,
            tasks: Tasks::default(),
            reads_names,
            run_times: RunTimes::new(
                &scenario.workers,
                scenario.durations.as_ref(),
                settings.kill_at_estimate,
                settings.checkpoints(),
            ),
            completions: Completions::default(),
            agenda: BTreeMap::new(),
            scheduled: 0,
            rare_at: Time::NEVER,
            woke: false,
            failures,
            checkpoints: settings.checkpoints(),
            patience: Patience::default(),
            stopped_ends: 0,
            stats: RunStats { tasks: 0, events: 0, passes: 0, pass_ns: three_digits() },
            looked_at: Time::NEVER,
        })
    }

    fn run(mut self, strategy: &mut dyn Scheduler) -> Result<RunStats, SimError> {
        // Who does not declare that it uses the profile does not get it.
        let nothing = WorkloadProfile::default();
        let profile = if self.capabilities.profile { &self.scenario.profile } else { &nothing };
        self.leave_out_absent()?;
        strategy.attach(&self.cluster.view(), profile);
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
            if self.cluster.holding() == 0 && self.next_arrival == Time::NEVER {
                self.check_idle()?;
            } else {
                self.failures.changed = false;
                self.patience.something_goes_on();
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
    #[inline(always)]
    fn next_time(&mut self) -> Option<Time> {
        // An attempt that was stopped does not end: that its end would have been due is no event.
        if self.stopped_ends > 0 {
            self.drop_stopped_ends();
        }
        let mut next = self.next_arrival.min(self.completions.next_time());
        self.rare_at = self.failures.next_time();
        if !self.agenda.is_empty() {
            self.rare_at = self.rare_at.min(self.next_of_agenda());
        }
        next = next.min(self.rare_at);
        (next != Time::NEVER).then_some(next)
    }

    /// Asks for the memory of what ends soon: of the worker of the task that ends next, and of the two tasks of which one ends
    /// after that.
    #[inline(always)]
    fn look_ahead(&mut self) {
        if self.tasks.are_near() {
            return;
        }
        let at = self.completions.next_time();
        if at == self.looked_at {
            return;
        }
        self.looked_at = at;
        for key in self.completions.soon() {
            self.cluster.prefetch_task(slot_of(key));
            self.cluster.prefetch_worker(self.tasks.prefetch(slot_of(key)));
        }
    }

    #[inline(never)]
    fn next_of_agenda(&self) -> Time {
        self.agenda.first_key_value().map_or(Time::NEVER, |(&(time, ..), _)| time)
    }

    #[inline(never)]
    fn drop_stopped_ends(&mut self) {
        let tasks = &self.tasks;
        let is_over = |key| !tasks.is_ending(index_of(key), slot_of(key), time_of(key));
        let dropped = self.completions.drop_over(is_over);
        self.stopped_ends = self.stopped_ends.saturating_sub(dropped);
    }

    /// True if every task has arrived and ended: wake-ups that are still due concern nobody.
    fn is_over(&self) -> bool {
        let alive = self.cluster.waiting() + self.cluster.blocked() + self.cluster.holding();
        self.next_arrival == Time::NEVER && alive == 0
    }

    /// Everything of one instant; returns when the next one is.
    #[inline(always)]
    fn instant(&mut self, strategy: &mut dyn Scheduler, now: Time) -> Result<Option<Time>, SimError> {
        let mut passes = 0;
        let next = loop {
            self.apply_events(now)?;
            self.look_ahead();
            self.cluster.notify(strategy);
            self.pass(strategy);
            self.carry_out(now)?;
            if self.cluster.waiting() > 0 && self.settings.on_full == OnFull::Reject {
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
    #[inline(always)]
    fn apply_events(&mut self, now: Time) -> Result<(), SimError> {
        while let Some(key) = self.completions.pop_at(now) {
            self.complete(key, now)?;
        }
        let rare = self.rare_at == now;
        if rare {
            self.schedule_changes(now);
            self.apply_rare(now, ..Event::ARRIVAL_CLASS)?;
        }
        while self.next_arrival == now {
            self.arrive()?;
        }
        if rare {
            self.apply_rare(now, ..u8::MAX)?;
        }
        Ok(())
    }

    /// Applies the agenda's events of this instant whose class is in the range.
    #[inline(never)]
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

    #[inline(always)]
    fn arrive(&mut self) -> Result<(), SimError> {
        if let Some(task) = self.stream.task() {
            self.observer.arrived(&task.spec);
            let seen = self.settings.estimates.apply(task, self.settings.seed);
            let id = self.cluster.submit_estimated(&task.spec, seen);
            self.tasks.insert(id, task, self.reads_names);
            self.stats.events += 1;
            self.patience.task_arrived();
        }
        self.next_arrival = self.stream.advance()?.unwrap_or(Time::NEVER);
        Ok(())
    }

    #[inline(always)]
    fn pass(&mut self, strategy: &mut dyn Scheduler) {
        let woke = std::mem::take(&mut self.woke);
        if self.cluster.view().queue_len() == 0 && !woke && !self.capabilities.preemption {
            self.cluster.advance_lanes();
            return;
        }
        self.stats.passes += 1;
        let alone = self.stats.passes <= TIMED_EACH;
        if self.hooks.time_passes && (alone || self.stats.passes.is_multiple_of(TIMED_OF)) {
            let start = Instant::now();
            self.cluster.pass(strategy);
            let spent = u64::try_from(start.elapsed().as_nanos()).unwrap_or(u64::MAX);
            let _ = self.stats.pass_ns.record_n(spent, if alone { 1 } else { TIMED_OF });
        } else {
            self.cluster.pass(strategy);
        }
    }

    /// Does what the core asks for.
    #[inline(always)]
    fn carry_out(&mut self, now: Time) -> Result<(), SimError> {
        let mut done = 0;
        while let Some(effect) = self.cluster.effect(done) {
            done += 1;
            if let Effect::Start { task, attempt } = *effect {
                self.start(task, attempt, now)?;
            } else {
                let rare = effect.clone();
                self.carry_out_rare(&rare, now)?;
            }
        }
        if done > 0 {
            self.cluster.effects_done();
        }
        Ok(())
    }

    #[inline(never)]
    fn schedule(&mut self, at: Time, index: u32, event: Event) {
        self.scheduled += 1;
        self.agenda.insert((at, event.class(), index, self.scheduled), event);
    }

    #[inline(never)]
    fn carry_out_rare(&mut self, effect: &Effect, now: Time) -> Result<(), SimError> {
        match *effect {
            Effect::Start { task, attempt } => self.start(task, attempt, now)?,
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
            Effect::AttemptLost { task, attempt, ref placement, assigned_at, started_at } => {
                self.lose_attempt(task, attempt, (placement.clone(), assigned_at, started_at), now)?;
            }
        }
        Ok(())
    }
}

fn known_run_times(scenario: &Scenario, table: &cloudai_workloads::Durations) -> KnownRunTimes {
    let tasks = 0..u32::try_from(scenario.tasks).unwrap_or(u32::MAX);
    tasks
        .flat_map(|task| table.of_task(task).iter().map(move |&(worker, run)| ((task, worker), run)))
        .collect()
}
