//! Workers that fail and return, as the scenario's trace says or as drawn, and what the engine does about it.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};

use cloudai_schedulers::{
    Duration, Event, Placement, TaskId, TaskState, Time, WorkerId, WorkerState, strategy_seed,
};
use cloudai_workloads::{Fault, FaultKind, Scenario, Settings};
use rand_pcg::Pcg64;
use rand_pcg::rand_core::{Rng, SeedableRng};

use super::attempts::OverAttempt;
use super::{Engine, HORIZON};
use crate::error::SimError;
use crate::observers::{AttemptEnd, Observer};

/// When workers change their state.
///
/// A worker that the trace names changes as the trace says. The others are up and down by turns, for times drawn from
/// exponential distributions with the means of the settings. Each draws from a generator of its own, seeded from (seed,
/// worker index), and only its next change is known: nothing depends on the strategy, and a run of any length needs no
/// more memory.
#[derive(Debug)]
pub(super) struct Failures<'a> {
    /// What is left of the trace, in order of time.
    trace: &'a [Fault],
    /// The next change of each worker that draws: (time, worker).
    next: BinaryHeap<Reverse<(Time, u32)>>,
    /// By worker; empty if nobody draws.
    drawn: Vec<Drawn>,
    mtbf: Duration,
    mttr: Duration,
    /// Attempts that hold resources and get nothing done any more, by task index.
    standstills: BTreeMap<u32, Standstill>,
    /// A worker changed its state in this instant.
    pub(super) changed: bool,
}

/// Since when an attempt gets nothing done, although it still holds resources.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Standstill {
    /// A gang has been without one of its workers.
    pub(super) broken: Option<Time>,
    /// It saves its progress before it stops; this may lie ahead.
    pub(super) saving: Option<Time>,
}

/// The generator of one worker, and whether its next change is to come up.
#[derive(Clone, Debug)]
struct Drawn {
    rng: Pcg64,
    down: bool,
}

impl Drawn {
    fn new(seed: u64, worker: u32) -> Self {
        let seed = strategy_seed(seed, &format!("failures of worker {worker}"));
        Self { rng: Pcg64::seed_from_u64(seed), down: false }
    }

    /// An exponentially distributed time, rounded up to the microsecond.
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a mean is at most 10^17, the draw at most 37 times that, and it is not negative"
    )]
    fn exponential(&mut self, mean: Duration) -> Duration {
        // Uniform in (0, 1], in steps of 2^-53.
        let uniform = ((self.rng.next_u64() >> 11) + 1) as f64 / (1u64 << 53) as f64;
        Duration::from_micros(libm::ceil(-libm::log(uniform) * mean.micros() as f64) as u64)
    }
}

impl<'a> Failures<'a> {
    pub(super) fn new(scenario: &'a Scenario, settings: &Settings) -> Self {
        let mut failures = Self {
            trace: &scenario.faults,
            next: BinaryHeap::new(),
            drawn: Vec::new(),
            mtbf: settings.mtbf,
            mttr: settings.mttr,
            standstills: BTreeMap::new(),
            changed: false,
        };
        if settings.mtbf > Duration::ZERO {
            let workers = u32::try_from(scenario.workers.len()).unwrap_or(u32::MAX);
            failures.drawn = (0..workers).map(|worker| Drawn::new(settings.seed, worker)).collect();
            let mut traced = vec![false; scenario.workers.len()];
            scenario.faults.iter().for_each(|fault| traced[fault.worker as usize] = true);
            for worker in (0..workers).filter(|&worker| !traced[worker as usize]) {
                failures.draw(worker, scenario.first_arrival);
            }
        }
        failures
    }

    /// Workers that the trace lets join, and that are not there before.
    pub(super) fn absent(&self) -> Vec<WorkerId> {
        let joins = self.trace.iter().filter(|fault| fault.kind == FaultKind::Join);
        joins.map(|fault| WorkerId(fault.worker)).collect()
    }

    /// When a worker changes its state next; `NEVER` if none does any more.
    #[inline]
    pub(super) fn next_time(&self) -> Time {
        let traced = self.trace.first().map_or(Time::NEVER, |fault| fault.time);
        let drawn = self.next.peek().map_or(Time::NEVER, |&Reverse((time, _))| time);
        traced.min(drawn)
    }

    /// The next change at this instant.
    pub(super) fn take(&mut self, now: Time) -> Option<(WorkerId, WorkerState)> {
        if let Some((fault, rest)) = self.trace.split_first()
            && fault.time == now
        {
            self.trace = rest;
            let state = match fault.kind {
                FaultKind::Down => WorkerState::Lost,
                FaultKind::Drain => WorkerState::Draining,
                FaultKind::Up | FaultKind::Join => WorkerState::Active,
            };
            return Some((WorkerId(fault.worker), state));
        }
        let &Reverse((time, worker)) = self.next.peek()?;
        if time != now {
            return None;
        }
        self.next.pop();
        let drawn = &mut self.drawn[worker as usize];
        drawn.down = !drawn.down;
        let state = if drawn.down { WorkerState::Lost } else { WorkerState::Active };
        self.draw(worker, now);
        Some((WorkerId(worker), state))
    }

    /// Draws when `worker` changes next. It is up for a microsecond at least, so that time goes on.
    fn draw(&mut self, worker: u32, now: Time) {
        let drawn = &mut self.drawn[worker as usize];
        let lasts = if drawn.down {
            drawn.exponential(self.mttr)
        } else {
            drawn.exponential(self.mtbf).max(Time::TICK)
        };
        let at = now + lasts;
        // Nothing happens beyond the end of time.
        if at <= HORIZON {
            self.next.push(Reverse((at, worker)));
        }
    }

    /// The attempt of `task` is told to stop, and begins to save at this time.
    pub(super) fn saves_from(&mut self, task: TaskId, at: Time) {
        self.standstills.entry(task.index()).or_default().saving = Some(at);
    }

    /// When the attempt of `task` begins to save, or has begun; `NEVER` if it is not told to stop.
    #[inline(always)]
    pub(super) fn saving(&self, task: TaskId) -> Time {
        if self.standstills.is_empty() { Time::NEVER } else { self.saving_of(task) }
    }

    #[cold]
    fn saving_of(&self, task: TaskId) -> Time {
        self.standstills.get(&task.index()).and_then(|standstill| standstill.saving).unwrap_or(Time::NEVER)
    }

    /// True if every attempt gets its work done.
    #[inline(always)]
    pub(super) fn nothing_stands_still(&self) -> bool {
        self.standstills.is_empty()
    }

    /// Since when the attempt of `task`, which is over, got nothing done; forgets it.
    #[inline(always)]
    pub(super) fn take_standstill(&mut self, task: TaskId) -> Standstill {
        if self.standstills.is_empty() { Standstill::default() } else { self.remove_standstill(task) }
    }

    #[cold]
    fn remove_standstill(&mut self, task: TaskId) -> Standstill {
        self.standstills.remove(&task.index()).unwrap_or_default()
    }
}

impl<O: Observer> Engine<'_, O> {
    /// Takes out the workers that join later.
    pub(super) fn leave_out_absent(&mut self) -> Result<(), SimError> {
        for worker in self.failures.absent() {
            self.apply(Event::WorkerChanged { worker, state: WorkerState::Lost })?;
            self.observer.worker_changed(worker, &self.cluster);
        }
        Ok(())
    }

    /// Puts the changes of workers at this instant into the agenda, which has them in order.
    pub(super) fn schedule_changes(&mut self, now: Time) {
        while let Some((worker, state)) = self.failures.take(now) {
            self.schedule(now, worker.0, Event::WorkerChanged { worker, state });
        }
    }

    pub(super) fn change_worker(
        &mut self,
        worker: WorkerId,
        state: WorkerState,
        now: Time,
    ) -> Result<(), SimError> {
        self.failures.changed = true;
        self.apply(Event::WorkerChanged { worker, state })?;
        self.observer.worker_changed(worker, &self.cluster);
        // What was lost is reported before anything is started anew.
        self.carry_out(now)
    }

    /// A gang goes on without one of its workers, and gets nothing done any more.
    pub(super) fn lose_part(&mut self, task: TaskId, now: Time) {
        self.forget_end(task);
        self.failures.standstills.entry(task.index()).or_default().broken.get_or_insert(now);
    }

    /// An attempt is over because its workers are gone.
    pub(super) fn lose_attempt(
        &mut self,
        task: TaskId,
        attempt: u32,
        (placement, assigned, start): (Placement, Time, Option<Time>),
        now: Time,
    ) -> Result<(), SimError> {
        let Some(seen) = self.cluster.view().task(task) else { return Ok(()) };
        let cancelled = seen.state() == TaskState::Cancelled;
        let status = if cancelled { AttemptEnd::Cancelled } else { AttemptEnd::Lost };
        let expected = self.run_times.nominal_on(seen.expected_at_start(), &placement);
        let over = OverAttempt { task, attempt, placement, assigned, start, expected, status };
        self.report_attempt(&over, now)?;
        self.forget_end(task);
        self.observer.held_changed(over.placement.parts(), &self.cluster);
        if cancelled {
            self.count_ended();
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_exponential_and_each_worker_has_its_own() {
        let mean = Duration::from_secs(1000);
        let mut sums = Vec::new();
        for worker in 0..2 {
            let mut drawn = Drawn::new(7, worker);
            let mut again = Drawn::new(7, worker);
            let (mut sum, mut beyond) = (0, 0);
            for _ in 0..20_000 {
                let time = drawn.exponential(mean);
                assert_eq!(time, again.exponential(mean));
                sum += time.micros();
                beyond += u32::from(time > mean);
            }
            let (mean, share) = (sum / 20_000 / 1_000_000, f64::from(beyond) / 20_000.0);
            assert!((970..1030).contains(&mean), "a mean of {mean} s");
            // e^-1 of them are longer than the mean.
            assert!((share - 0.3679).abs() < 0.02, "{share}");
            sums.push(sum);
        }
        assert_ne!(sums[0], sums[1]);
        assert_ne!(
            Drawn::new(7, 0).exponential(mean),
            Drawn::new(8, 0).exponential(mean),
            "the seed decides"
        );
    }

    #[test]
    fn the_largest_draw_stays_within_64_bits() {
        let longest = Duration::from_micros(cloudai_schedulers::model::MAX_MICROS);
        let mut drawn = Drawn::new(0, 0);
        assert!((0..1000).all(|_| drawn.exponential(longest) < Duration::MAX));
        assert_eq!(drawn.exponential(Duration::ZERO), Duration::ZERO);
        // Rounded up: none of them is over at once.
        assert!((0..1000).all(|_| drawn.exponential(Time::TICK) >= Time::TICK));
    }
}
