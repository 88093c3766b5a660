//! The rules and the metrics anew, the slow way: from the input and the rows of `assignments.csv` alone (and, for
//! gangs, how many replicas ran where, which the file does not tell).

use std::collections::{BTreeMap, BTreeSet};

use cloudai_schedulers::WorkerState;
use cloudai_sim::bounds::Bounds;
use cloudai_sim::result::Metrics;
use cloudai_workloads::{OnFull, Scenario, Settings, Task};

use crate::support::{Outcome, Row, S, close};

/// The input, by task name.
struct World<'a> {
    scenario: &'a Scenario,
    settings: &'a Settings,
    tasks: Vec<Task>,
    by_name: BTreeMap<String, usize>,
    /// (predecessor, transfer) of each task.
    predecessors: Vec<Vec<(usize, u64)>>,
}

/// What one attempt holds on one worker: [from, to) in microseconds.
struct Held {
    worker: usize,
    from: u64,
    to: u64,
    /// cpu, memory, storage, in the core's units.
    amounts: [u64; 3],
    /// (device, milli).
    devices: Vec<(usize, u64)>,
}

/// A task's life.
struct Life<'a> {
    rows: Vec<&'a Row>,
    /// When the task was over, also where the file has no time.
    over: Option<u64>,
}

impl Life<'_> {
    fn over(&self) -> u64 {
        self.over.unwrap()
    }
}

/// Checks that the outcome obeys every rule and that each metric is what its definition says.
pub(crate) fn check(scenario: &Scenario, settings: &Settings, outcome: &Outcome) {
    let world = World::of(scenario, settings);
    let lives = world.lives(outcome);
    world.check_starts(&lives, outcome);
    world.check_lengths(&lives, outcome);
    let held = world.held(outcome);
    world.check_capacity(&held);
    check_order(outcome);
    world.check_metrics(&lives, &held, outcome);
    if outcome.ran_everything {
        check_bounds(&outcome.bounds, &outcome.metrics);
    }
}

fn check_bounds(bounds: &Bounds, metrics: &Metrics) {
    let makespan = metrics.makespan_s.unwrap();
    assert!(
        makespan >= bounds.makespan.seconds() * (1.0 - 1e-9),
        "makespan {makespan} below {}",
        bounds.makespan
    );
    let (turnaround, bound) = (metrics.mean_turnaround_s.unwrap(), bounds.mean_turnaround_s);
    assert!(turnaround >= bound * (1.0 - 1e-9), "mean turnaround {turnaround} below {bound}");
}

/// Rows come in order of (end, task index); within one instant also those that never ran.
fn check_order(outcome: &Outcome) {
    let ends: Vec<u64> = outcome.rows.iter().filter_map(|row| row.end).collect();
    assert!(ends.is_sorted(), "{}", outcome.text);
}

impl<'a> World<'a> {
    fn of(scenario: &'a Scenario, settings: &'a Settings) -> Self {
        let mut tasks = Vec::new();
        let (mut stream, mut task) = (scenario.stream().unwrap(), Task::default());
        while stream.next_into(&mut task).unwrap() {
            tasks.push(task.clone());
        }
        tasks.sort_by_key(|task| task.spec.index);
        let mut predecessors = vec![Vec::new(); tasks.len()];
        for edge in &scenario.edges {
            predecessors[edge.to as usize].push((edge.from as usize, edge.transfer.micros()));
        }
        let by_name = tasks.iter().enumerate().map(|(at, task)| (task.name.clone(), at)).collect();
        Self { scenario, settings, tasks, by_name, predecessors }
    }

    fn workers_of(&self, row: &Row) -> Vec<usize> {
        let names = row.worker.split(';');
        names.map(|name| self.scenario.workers.iter().position(|w| w.name == name).unwrap()).collect()
    }

    /// Groups rows by task, and checks that each task ends exactly once, with attempts numbered from 1.
    fn lives<'r>(&self, outcome: &'r Outcome) -> Vec<Life<'r>> {
        let mut lives: Vec<Life<'_>> =
            self.tasks.iter().map(|_| Life { rows: Vec::new(), over: None }).collect();
        for row in &outcome.rows {
            let life = &mut lives[self.by_name[&row.task]];
            assert!(life.rows.last().is_none_or(|last| retried(last)), "{row} after its end");
            let number = if row.worker.is_empty() { 0 } else { life.rows.len() + 1 };
            assert_eq!(row.attempt as usize, number, "{row}");
            life.rows.push(row);
        }
        for (task, life) in self.tasks.iter().zip(&lives) {
            let last = life.rows.last().unwrap_or_else(|| panic!("{} has no row", task.name));
            let ended = ["completed", "timed_out", "cancelled", "rejected"].contains(&last.status.as_str());
            let lost = life.rows.iter().filter(|row| row.status == "lost").count() as u64;
            let most = self.settings.max_retries.map_or(u64::MAX, u64::from);
            assert!(ended || (last.status == "lost" && lost == most + 1), "{last}");
            assert!(lost <= most.saturating_add(1), "{last} after {lost} losses");
            assert_eq!(last.arrival, task.spec.arrival.micros(), "{last}");
        }
        let mut left: Vec<usize> = (0..lives.len()).collect();
        while !left.is_empty() {
            let before = left.len();
            left.retain(|&at| {
                let known = self.predecessors[at].iter().all(|&(from, _)| lives[from].over.is_some());
                if known {
                    lives[at].over = Some(self.end_of(at, &lives));
                }
                !known
            });
            assert!(left.len() < before, "a cycle of dependencies");
        }
        lives
    }

    /// When a task was over.
    fn end_of(&self, at: usize, lives: &[Life<'_>]) -> u64 {
        let row = lives[at].rows.last().unwrap();
        let eligible = self.eligible(at, lives);
        match (row.end, row.status.as_str()) {
            (Some(end), _) => end,
            (None, "rejected") => eligible,
            (None, "cancelled") => {
                let broken = self.predecessors[at].iter().filter(|&&(from, _)| broken(&lives[from]));
                let first = broken.map(|&(from, _)| lives[from].over()).min();
                first.expect("only a failed predecessor cancels").max(self.tasks[at].spec.arrival.micros())
            }
            other => panic!("{other:?}"),
        }
    }

    fn eligible(&self, at: usize, lives: &[Life<'_>]) -> u64 {
        let ends = self.predecessors[at].iter().map(|&(from, _)| lives[from].over());
        ends.max().unwrap_or(0).max(self.tasks[at].spec.arrival.micros())
    }

    /// Nominal time on one worker.
    fn scaled(&self, nominal: u64, worker: usize) -> u64 {
        let speed = u128::from(self.scenario.workers[worker].speed.millionths());
        u64::try_from((u128::from(nominal) * 1_000_000).div_ceil(speed)).unwrap()
    }

    /// How long the work of a task takes on these workers, with so much of it done, on the slowest of them.
    fn work(&self, at: usize, workers: &[usize], done: u64) -> u64 {
        let task = &self.tasks[at];
        let all = task.duration.micros();
        let on = |&worker: &usize| {
            let table = self.scenario.durations.as_ref();
            let stated = table.and_then(|table| {
                let index = u32::try_from(worker).unwrap();
                table.of_task(task.spec.index).iter().find(|&&(w, _)| w == index).map(|&(_, time)| time)
            });
            match stated {
                Some(time) if done == 0 => time.micros(),
                Some(time) => {
                    let left = u128::from(all - done) * u128::from(time.micros());
                    u64::try_from(left.div_ceil(u128::from(all))).unwrap()
                }
                None => self.scaled(all - done, worker),
            }
        };
        workers.iter().map(on).max().unwrap()
    }

    /// Each attempt runs for as long as its work, its checkpoints and its limit say; what is lost is what is not saved.
    fn check_lengths(&self, lives: &[Life<'_>], outcome: &Outcome) {
        let settings = self.settings;
        let (interval, overhead) =
            (settings.checkpoint_interval.micros(), settings.checkpoint_overhead.micros());
        let restart = settings.restart_overhead.micros();
        for (at, life) in lives.iter().enumerate() {
            let (mut done, mut used) = (0, 0);
            for row in &life.rows {
                let seen = outcome.attempts.iter().find(|a| a.task == row.task && a.attempt == row.attempt);
                let Some((start, seen)) = row.start.zip(seen) else { continue };
                let workers = self.workers_of(row);
                let whole = self.work(at, &workers, done);
                let limit = self.tasks[at].spec.estimate.filter(|_| settings.kill_at_estimate);
                let limit = limit.map(|limit| limit.micros().saturating_sub(used));
                let limit = limit.map(|limit| workers.iter().map(|&w| self.scaled(limit, w)).max().unwrap());
                let killed = limit.is_some_and(|limit| limit < whole);
                let longer = Some(self.tasks[at].duration) > self.tasks[at].spec.estimate;
                assert!(!killed || longer || self.scenario.durations.is_some(), "{row} within its estimate");
                let work = limit.map_or(whole, |limit| limit.min(whole));
                let begin = if settings.checkpoint && done > 0 { restart } else { 0 };
                let pauses = if !settings.checkpoint || interval == 0 {
                    0
                } else {
                    work.max(1).div_ceil(interval) - 1
                };
                let end = start + begin + work + pauses * overhead;
                let ran = self.lost_at(row, outcome).unwrap_or(row.end.unwrap()) - start;
                let (worked, saved) = match (settings.checkpoint, interval, row.status.as_str()) {
                    (false, ..) => (ran, 0),
                    (true, 0, "preempted") => {
                        let worked = ran.saturating_sub(begin + overhead);
                        (worked, worked)
                    }
                    (true, 0, "lost") if overhead > 0 => {
                        // It may have been saving when it was lost; the rows do not tell since when.
                        assert!(seen.lost <= ran.saturating_sub(begin), "{row}");
                        (seen.lost, 0)
                    }
                    (true, 0, _) => (ran.saturating_sub(begin), 0),
                    _ => {
                        let (mut left, mut saved) = (ran.saturating_sub(begin), 0);
                        while left >= interval + overhead {
                            left -= interval + overhead;
                            saved += interval;
                        }
                        (saved + left.min(interval), saved)
                    }
                };
                match row.status.as_str() {
                    "completed" => {
                        assert_eq!((row.end, killed), (Some(end), false), "{row}\n{}", outcome.text);
                    }
                    "timed_out" => {
                        assert_eq!((row.end, killed), (Some(end), true), "{row}\n{}", outcome.text);
                    }
                    _ => assert!(worked <= work, "{row}: {worked} of {work}"),
                }
                if !retried(row) {
                    assert_eq!((seen.lost, seen.overhead), (0, ran - worked), "{row}");
                    continue;
                }
                assert_eq!(
                    (seen.lost, seen.overhead),
                    (worked - saved, ran - worked),
                    "{row}\n{}",
                    outcome.text
                );
                if saved > 0 {
                    let left = u128::from(self.tasks[at].duration.micros() - done);
                    done += u64::try_from(left * u128::from(saved) / u128::from(whole)).unwrap();
                    let nominal = |&worker: &usize| {
                        let speed = u128::from(self.scenario.workers[worker].speed.millionths());
                        u64::try_from(u128::from(saved) * speed / 1_000_000).unwrap()
                    };
                    let by_clock = workers.iter().map(nominal).min().unwrap();
                    used = if self.scenario.durations.is_some() { used + by_clock } else { done };
                }
            }
        }
    }

    /// When an attempt first lost a worker.
    fn lost_at(&self, row: &Row, outcome: &Outcome) -> Option<u64> {
        let workers = if row.worker.is_empty() { Vec::new() } else { self.workers_of(row) };
        workers.iter().filter_map(|&worker| lost_on(row, worker, outcome)).min()
    }

    /// Every start lies behind what it has to wait for, every run is as long as it must be, on a worker that may
    /// run it.
    fn check_starts(&self, lives: &[Life<'_>], outcome: &Outcome) {
        let latency = self.settings.startup_latency.micros();
        for (at, life) in lives.iter().enumerate() {
            let (task, last) = (&self.tasks[at], life.rows.last().unwrap());
            let any_broken = self.predecessors[at].iter().any(|&(from, _)| broken(&lives[from]));
            assert_eq!(last.status == "cancelled", any_broken, "{last}");
            for row in &life.rows {
                let Some(start) = row.start else { continue };
                let assigned = start - latency;
                let workers = self.workers_of(row);
                assert!(assigned >= self.eligible(at, lives), "{row} before it was eligible");
                assert_eq!(row.wait, Some(start - self.eligible(at, lives)), "{row}");
                for &(from, transfer) in &self.predecessors[at] {
                    let before = lives[from].rows.last().unwrap();
                    assert_eq!(before.status, "completed", "{row} after {before}");
                    let there = self.workers_of(before);
                    for worker in &workers {
                        let ready = lives[from].over() + if there.contains(worker) { 0 } else { transfer };
                        assert!(assigned >= ready, "{row} before the data of {before}");
                    }
                }
                for &worker in &workers {
                    let allowed = &self.scenario.constraints[task.spec.constraint.0 as usize];
                    assert!(allowed.allows(&self.scenario.workers[worker]), "{row} where it may not run");
                }
                for &worker in &workers {
                    let of = |change: &&(u64, u32, WorkerState)| {
                        change.1 as usize == worker && change.0 <= assigned
                    };
                    let state =
                        outcome.changes.iter().rfind(of).map_or(WorkerState::Active, |change| change.2);
                    assert_eq!(state, WorkerState::Active, "{row} where nothing may start");
                }
                assert_eq!(row.status == "lost", self.lost_at(row, outcome).is_some(), "{row}");
            }
            let waits = self.settings.on_full == OnFull::Wait;
            assert!(!waits || last.status != "rejected", "{last}");
        }
        assert!(outcome.stats.tasks == self.tasks.len() as u64, "{:?}", outcome.stats);
    }

    fn held(&self, outcome: &Outcome) -> Vec<Held> {
        let latency = self.settings.startup_latency.micros();
        let mut held = Vec::new();
        for row in outcome.rows.iter().filter(|row| !row.worker.is_empty()) {
            let seen = outcome.attempts.iter().find(|a| a.task == row.task && a.attempt == row.attempt);
            let seen = seen.unwrap();
            assert_eq!((seen.start, Some(seen.end)), (row.start, row.end));
            let request = &self.tasks[self.by_name[&row.task]].spec.request;
            let from = row.start.map_or(seen.assigned, |start| start - latency);
            assert_eq!(from, seen.assigned, "{row}: held from the assignment on");
            // The row has an entry for each replica, in the order of the parts.
            let parts = seen.placement.parts().iter();
            let replicas = parts.flat_map(|part| std::iter::repeat_n(part, part.replicas as usize));
            let replicas: Vec<_> = replicas.collect();
            let workers = self.workers_of(row);
            assert_eq!(workers.len(), replicas.len(), "{row}");
            let devices: Vec<&str> = if row.devices.is_empty() {
                vec![""; replicas.len()]
            } else {
                row.devices.split(';').collect()
            };
            assert_eq!(workers.len(), devices.len(), "{row}");
            for ((part, worker), devices) in replicas.iter().zip(workers).zip(devices) {
                assert_eq!(part.worker.index(), worker);
                let devices: Vec<usize> =
                    devices.split('|').filter(|d| !d.is_empty()).map(|d| d.parse().unwrap()).collect();
                assert!(devices.iter().all(|&device| part.devices.0 & (1 << device) != 0), "{row}");
                let expected =
                    if request.gpu.is_fraction() { 1 } else { request.gpu.whole_devices() as usize };
                assert_eq!(devices.len(), expected, "{row}");
                let each = if request.gpu.is_fraction() { u64::from(request.gpu.milli()) } else { 1000 };
                held.push(Held {
                    worker,
                    from,
                    to: lost_on(row, worker, outcome).unwrap_or(row.end.unwrap()),
                    amounts: [request.cpu_milli, request.memory_mib, request.storage_mib],
                    devices: devices.into_iter().map(|device| (device, each)).collect(),
                });
            }
        }
        held
    }

    /// At no time does a worker hold more than it has, device by device.
    fn check_capacity(&self, held: &[Held]) {
        let moments: BTreeSet<u64> = held.iter().map(|held| held.from).collect();
        for moment in moments {
            for (at, worker) in self.scenario.workers.iter().enumerate() {
                let now = || held.iter().filter(|h| h.worker == at && h.from <= moment && moment < h.to);
                let capacity = &worker.capacity;
                let has = [capacity.cpu_milli, capacity.memory_mib, capacity.storage_mib];
                for (which, has) in has.into_iter().enumerate() {
                    let used: u64 = now().map(|held| held.amounts[which]).sum();
                    assert!(used <= has, "{} is overcommitted at {moment}: {used} of {has}", worker.name);
                }
                let mut devices = vec![0; capacity.gpus as usize];
                now().flat_map(|held| &held.devices).for_each(|&(device, milli)| devices[device] += milli);
                assert!(devices.iter().all(|&used| used <= 1000), "{}: {devices:?}", worker.name);
            }
        }
    }

    #[expect(clippy::cast_precision_loss, reason = "a second opinion in floating point")]
    fn check_metrics(&self, lives: &[Life<'_>], held: &[Held], outcome: &Outcome) {
        let metrics = &outcome.metrics;
        let first = self.tasks.iter().map(|task| task.spec.arrival.micros()).min().unwrap();
        let last = lives.iter().map(Life::over).max().unwrap();
        let span = last - first;
        let equal = |what: &str, got: Option<f64>, want: Option<f64>, tolerance: f64| match (got, want) {
            (Some(got), Some(want)) => {
                assert!(close(got, want, tolerance), "{what}: {got}, recomputed {want}\n{}", outcome.text);
            }
            (got, want) => assert_eq!(got, want, "{what}\n{}", outcome.text),
        };
        let ran = |life: &&Life<'_>| ["completed", "timed_out"].contains(&status(life));
        let count = |what: &str| lives.iter().filter(|life| status(life) == what).count() as u64;
        let any = lives.iter().any(|life| ran(&life));
        equal("makespan", metrics.makespan_s, any.then_some(span as f64 / 1e6), 1e-12);

        let mut waits = Vec::new();
        for (at, life) in lives.iter().enumerate() {
            let start = life.rows.iter().find_map(|row| row.start);
            waits.extend(start.map(|start| start - self.eligible(at, lives)));
        }
        equal("mean wait", metrics.mean_wait_s, mean(&waits), 1e-9);
        for (percent, got) in [(50, metrics.p50_wait_s), (95, metrics.p95_wait_s), (99, metrics.p99_wait_s)] {
            equal("percentile of waits", got, percentile(&mut waits, percent), 0.002);
        }
        let threshold = self.settings.starvation_threshold.micros();
        assert_eq!(metrics.starvation_count, waits.iter().filter(|&&wait| wait > threshold).count() as u64);

        let mut turnarounds = Vec::new();
        let mut users: BTreeMap<u32, Vec<f64>> = BTreeMap::new();
        for (at, life) in lives.iter().enumerate().filter(|(_, life)| ran(life)) {
            let row = life.rows.last().unwrap();
            let (turnaround, run) = (row.end.unwrap() - row.arrival, row.end.unwrap() - row.start.unwrap());
            turnarounds.push(turnaround);
            let slowdown = (turnaround as f64 / run.max(10 * S) as f64).max(1.0);
            users.entry(self.tasks[at].spec.user.0).or_default().push(slowdown);
        }
        equal("mean turnaround", metrics.mean_turnaround_s, mean(&turnarounds), 1e-9);
        for (percent, got) in
            [(50, metrics.p50_turnaround_s), (95, metrics.p95_turnaround_s), (99, metrics.p99_turnaround_s)]
        {
            equal("percentile of turnarounds", got, percentile(&mut turnarounds, percent), 0.002);
        }
        let slowdowns: Vec<f64> = users.values().flatten().copied().collect();
        equal("slowdown", metrics.mean_bounded_slowdown, average(&slowdowns), 1e-9);
        let mut thousandths: Vec<u64> =
            slowdowns.iter().map(|slowdown| (slowdown * 1e3).round() as u64).collect();
        let p99 = percentile(&mut thousandths, 99).map(|micros| micros * 1e3);
        equal("percentile of slowdowns", metrics.p99_bounded_slowdown, p99, 0.002);
        let fair: Vec<f64> = users.values().map(|user| average(user).unwrap()).collect();
        let sum: f64 = fair.iter().sum();
        let squares: f64 = fair.iter().map(|x| x * x).sum();
        let jain = (!fair.is_empty()).then(|| sum * sum / (fair.len() as f64 * squares));
        equal("jain", metrics.jain_fairness, jain, 1e-9);

        let counts =
            [metrics.completed, metrics.failed, metrics.timed_out, metrics.cancelled, metrics.rejected];
        let timed_out = count("timed_out");
        let failed = timed_out + count("lost");
        assert_eq!(counts, [count("completed"), failed, timed_out, count("cancelled"), count("rejected")]);
        let lost = outcome.rows.iter().filter(|row| row.status == "lost");
        assert_eq!(metrics.attempts_lost, lost.count() as u64);
        let overhead: u64 = outcome.attempts.iter().map(|attempt| attempt.overhead).sum();
        equal("overhead", Some(metrics.overhead_s), Some(overhead as f64 / 1e6), 1e-9);
        let preempted = outcome.rows.iter().filter(|row| row.status == "preempted");
        assert_eq!(metrics.preemptions, preempted.count() as u64);
        let whole = (span > 0).then_some(span as f64);
        let throughput = whole.filter(|_| any).map(|span| count("completed") as f64 * 60e6 / span);
        equal("throughput", metrics.throughput_per_min, throughput, 1e-9);
        let missed = self.tasks.iter().zip(lives).filter(|(task, life)| {
            let ended = life.rows.last().and_then(|row| row.end).filter(|_| status(life) == "completed");
            let late = |deadline: u64| ended.is_none_or(|end| end > deadline);
            task.spec.deadline.is_some_and(|deadline| late(deadline.micros()))
        });
        let any_deadline = self.tasks.iter().any(|task| task.spec.deadline.is_some());
        assert_eq!(metrics.deadline_misses, any_deadline.then_some(missed.count() as u64));
        let lost: u64 = outcome.attempts.iter().map(|attempt| attempt.lost).sum();
        equal("work lost", Some(metrics.work_lost_s), Some(lost as f64 / 1e6), 1e-9);
        self.check_use(held, first, last, outcome);
    }

    /// Utilizations, load and GPU allocation.
    #[expect(clippy::cast_precision_loss, reason = "a second opinion in floating point")]
    fn check_use(&self, held: &[Held], first: u64, last: u64, outcome: &Outcome) {
        let (metrics, workers) = (&outcome.metrics, &self.scenario.workers);
        let span = (last - first) as f64;
        let gpu_of = |held: &Held| held.devices.iter().map(|&(_, milli)| milli).sum::<u64>();
        let share = |held_of: &dyn Fn(&Held) -> u64, capacity: u64| {
            let area: f64 = held.iter().map(|h| held_of(h) as f64 * (h.to - h.from) as f64).sum();
            (capacity > 0 && span > 0.0).then(|| area / (capacity as f64 * span))
        };
        let capacity = |of: &dyn Fn(usize) -> u64| (0..workers.len()).map(of).sum::<u64>();
        let cpu = share(&|held| held.amounts[0], capacity(&|w| workers[w].capacity.cpu_milli));
        let memory = share(&|held| held.amounts[1], capacity(&|w| workers[w].capacity.memory_mib));
        let gpus = capacity(&|w| u64::from(workers[w].capacity.gpus) * 1000);
        let gpu = share(&gpu_of, gpus);
        let requests = || self.tasks.iter().map(|task| &task.spec.request);
        let asked = [
            (requests().any(|request| request.cpu_milli > 0), cpu),
            (requests().any(|request| request.memory_mib > 0), memory),
            (requests().any(|request| request.gpu.milli() > 0), gpu),
        ];
        let used: Vec<f64> = asked.into_iter().filter(|(asked, _)| *asked).filter_map(|(_, s)| s).collect();
        for (what, got, want) in [
            ("cpu utilization", metrics.cpu_utilization, cpu),
            ("memory utilization", metrics.memory_utilization, memory),
            ("gpu utilization", metrics.gpu_utilization, gpu),
            ("resource utilization", metrics.resource_utilization, average(&used)),
        ] {
            match (got, want) {
                (Some(got), Some(want)) => {
                    assert!(close(got, want, 1e-9), "{what}: {got}, recomputed {want}");
                }
                (got, want) => assert_eq!(got, want, "{what}"),
            }
        }

        let mut moments: BTreeSet<u64> = held.iter().flat_map(|held| [held.from, held.to]).collect();
        moments.extend([first, last]);
        moments.extend(outcome.changes.iter().map(|change| change.0));
        moments.retain(|moment| (first..=last).contains(moment));
        let up = |worker: usize, moment: u64| {
            let of = |change: &&(u64, u32, WorkerState)| change.1 as usize == worker && change.0 <= moment;
            outcome.changes.iter().rfind(of).is_none_or(|change| change.2 != WorkerState::Lost)
        };
        let moments: Vec<u64> = moments.into_iter().collect();
        let loads_at = |moment: u64| -> Vec<f64> {
            let load = |(at, worker): (usize, &cloudai_schedulers::WorkerSpec)| {
                let now = || held.iter().filter(|h| h.worker == at && h.from <= moment && moment < h.to);
                let part = |used: u64, has: u64| if has == 0 { 0.0 } else { used as f64 / has as f64 };
                let amount = |which: usize| now().map(|held| held.amounts[which]).sum::<u64>();
                part(amount(0), worker.capacity.cpu_milli)
                    .max(part(amount(1), worker.capacity.memory_mib))
                    .max(part(now().map(gpu_of).sum(), u64::from(worker.capacity.gpus) * 1000))
            };
            workers.iter().enumerate().filter(|&(at, _)| up(at, moment)).map(load).collect()
        };
        let (mut deviations, mut available) = (0.0, 0.0);
        for pair in moments.windows(2) {
            let loads = loads_at(pair[0]);
            available += loads.len() as f64 * (pair[1] - pair[0]) as f64;
            let count = loads.len().max(1) as f64;
            let mean = loads.iter().sum::<f64>() / count;
            let variance = loads.iter().map(|load| (load - mean).powi(2)).sum::<f64>() / count;
            deviations += variance.sqrt() * (pair[1] - pair[0]) as f64;
        }
        if let Some(got) = metrics.load_variance {
            assert!((got - deviations / span).abs() < 1e-7, "load variance {got}, recomputed {deviations}");
        }
        let share = (span > 0.0).then(|| available / span / workers.len() as f64);
        match (metrics.availability, share) {
            (Some(got), Some(want)) => {
                assert!(close(got, want, 1e-9), "availability {got}, recomputed {want}");
            }
            (got, want) => assert_eq!(got, want),
        }
        let last_arrival = self.tasks.iter().map(|task| task.spec.arrival.micros()).max().unwrap();
        let then = held.iter().filter(|held| held.from <= last_arrival && last_arrival < held.to);
        let allocated = (gpus > 0).then(|| then.map(gpu_of).sum::<u64>() as f64 / gpus as f64);
        match (metrics.gpu_allocation, allocated) {
            (Some(got), Some(want)) => {
                assert!(close(got, want, 1e-12), "allocation {got}, recomputed {want}");
            }
            (got, want) => assert_eq!(got, want),
        }
    }
}

/// The task goes on after this row, or has failed with it.
fn retried(row: &Row) -> bool {
    ["preempted", "lost"].contains(&row.status.as_str())
}

/// When an attempt lost this worker, if it did.
fn lost_on(row: &Row, worker: usize, outcome: &Outcome) -> Option<u64> {
    let seen = outcome.attempts.iter().find(|a| a.task == row.task && a.attempt == row.attempt)?;
    let lost = |change: &&(u64, u32, WorkerState)| {
        change.1 as usize == worker && change.2 == WorkerState::Lost && change.0 > seen.assigned
    };
    // An end or a stop at the same instant comes first.
    let over = |change: &&(u64, u32, WorkerState)| {
        change.0 < seen.end || (row.status == "lost" && change.0 == seen.end)
    };
    outcome.changes.iter().filter(lost).find(over).map(|change| change.0)
}

fn status<'r>(life: &Life<'r>) -> &'r str {
    life.rows.last().map_or("", |row| row.status.as_str())
}

fn broken(life: &Life<'_>) -> bool {
    status(life) != "completed"
}

#[expect(clippy::cast_precision_loss, reason = "a second opinion in floating point")]
fn mean(times: &[u64]) -> Option<f64> {
    let sum: u64 = times.iter().sum();
    (!times.is_empty()).then(|| sum as f64 / 1e6 / times.len() as f64)
}

#[expect(clippy::cast_precision_loss, reason = "a second opinion in floating point")]
fn average(values: &[f64]) -> Option<f64> {
    (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
}

/// The smallest value that at least this share of the values does not exceed.
#[expect(clippy::cast_precision_loss, reason = "a second opinion in floating point")]
fn percentile(times: &mut [u64], percent: usize) -> Option<f64> {
    times.sort_unstable();
    let rank = (times.len() * percent).div_ceil(100);
    times.get(rank.saturating_sub(1)).map(|&time| time as f64 / 1e6)
}
