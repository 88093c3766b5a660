//! The schedule instant by instant: what is free, who waits, and who starts in each pass.
//!
//! At an instant attempts end, then tasks enter the queue, then one pass starts tasks. A promise hears of each start before
//! it takes its room, in queue order, and of the instant when all have.

use std::collections::BTreeSet;

use cloudai_schedulers::{Duration, Time};
use cloudai_workloads::{AttemptStatus, Fault, FaultKind};

use super::attempts::{Attempt, Attempts};
use super::conservative::Conservative;
use super::easy::Easy;
use super::fcfs::Fcfs;
use super::no_preemption;
use super::plan::Plan;
use super::priority::Priority;
use super::room::Room;
use super::rule::Rule;
use super::verdict::{At, Findings};
use super::work_conserving::WorkConserving;

/// What a promise looks at.
pub(super) struct State<'a> {
    pub(super) plan: &'a Plan<'a>,
    pub(super) attempts: &'a Attempts,
    pub(super) now: Time,
    /// Ranks of the tasks that wait: the queue, head first.
    pub(super) queue: BTreeSet<u32>,
    /// For each task its place in the order of (eligible, index), and the task for each place.
    pub(super) rank: Vec<u32>,
    pub(super) by_rank: Vec<u32>,
    /// For each task since when it waits, or waited last.
    pub(super) since: Vec<Time>,
    /// The workers that take work now.
    pub(super) is_up: Vec<bool>,
    /// What is free on each worker.
    pub(super) rooms: Vec<Room>,
    /// What holds resources on each worker: (expected end, place in `attempts.all`).
    pub(super) running: Vec<BTreeSet<(Time, usize)>>,
    /// Workers on which something has ended at this instant, or that take work from now on.
    pub(super) freed: Vec<u32>,
    /// Tasks that have entered the queue at this instant, or whose data has arrived somewhere.
    pub(super) entered: Vec<u32>,
    /// Something at this instant takes no time, or is stopped. There may be several passes then, and the file does not say
    /// which start belongs to which.
    pub(super) is_unsettled: bool,
}

impl State<'_> {
    /// The head of the queue.
    pub(super) fn head(&self) -> Option<u32> {
        self.queue.first().map(|&rank| self.by_rank[rank as usize])
    }

    /// The rank of a task.
    pub(super) fn rank(&self, task: u32) -> u32 {
        self.rank[task as usize]
    }

    /// The name of a task.
    pub(super) fn name(&self, task: u32) -> &str {
        &self.plan.task(task).name
    }

    /// What runs on a worker, by when it is expected to end; what is past that counts on one microsecond from now.
    pub(super) fn expected_ends(&self, worker: u32) -> impl Iterator<Item = (Time, usize)> {
        let soon = self.now + Time::TICK;
        self.running[worker as usize].iter().map(move |&(end, attempt)| (end.max(soon), attempt))
    }

    /// Gives back into `room`, a copy of that of `worker`, what an attempt holds there.
    pub(super) fn release(&self, room: &mut Room, worker: u32, attempt: usize) {
        let attempt = &self.attempts.all[attempt];
        let request = &self.plan.task(attempt.task).spec.request;
        for part in self.attempts.parts(attempt).iter().filter(|part| part.worker == Some(worker)) {
            room.give(request, part.devices);
        }
    }

    /// The workers that take work, may run the task, and could hold it (of a gang, a replica) if they were empty.
    pub(super) fn able(&self, task: u32) -> impl Iterator<Item = u32> {
        let request = &self.plan.task(task).spec.request;
        let workers = (0u32..).zip(self.plan.workers()).filter(|(_, worker)| worker.capacity.holds(request));
        let workers = workers.map(|(index, _)| index);
        workers.filter(move |&worker| self.is_up[worker as usize] && self.plan.allows(task, worker))
    }

    /// When the task can start on a worker as far as its data goes, not before now.
    pub(super) fn ready_at(&self, task: u32, worker: u32) -> Time {
        self.attempts.ready_at(self.plan, task, worker).max(self.now)
    }

    /// Where a violation of a start at this instant is.
    pub(super) fn at(&self, start: &Start) -> At {
        At { time: Some(self.now), task: Some(start.task), line: Some(self.attempts.all[start.attempt].line) }
    }
}

/// A start in the pass of an instant.
#[derive(Clone, Copy, Debug)]
pub(super) struct Start {
    /// Its place in the list of attempts.
    pub(super) attempt: usize,
    pub(super) task: u32,
    /// Its place in the queue.
    pub(super) rank: u32,
}

/// A promise of a policy, held against the schedule pass by pass.
pub(super) trait Promise {
    /// A task enters the queue.
    fn entered(&mut self, _state: &State<'_>, _task: u32) {}

    /// A task starts. It has left the queue, and has not taken its room yet; what starts at this instant and stands before
    /// it in the queue has.
    fn started(&mut self, _state: &State<'_>, _start: &Start, _findings: &mut Findings) {}

    /// Every start of this instant has taken its room.
    fn settled(&mut self, _state: &State<'_>, _findings: &mut Findings) {}

    /// Tells how many things it looked at.
    fn finish(&mut self, findings: &mut Findings);
}

/// Something that happens in the replay.
#[derive(Clone, Copy, Debug)]
enum Step {
    /// An attempt ends.
    End(usize),
    /// Something happens to a worker: this one of the scenario's faults.
    Fault(usize),
    /// Data of a task arrives on some worker.
    Data(u32),
    /// A task enters the queue, to be started in this attempt.
    Enter(usize),
    /// An attempt takes its resources.
    Start(usize),
}

/// Holds a schedule against the promises.
pub(super) fn check(plan: &Plan<'_>, attempts: &Attempts, rules: &[Rule], findings: &mut Findings) {
    let mut promises: Vec<Box<dyn Promise>> = Vec::new();
    for rule in rules {
        findings.checked(rule.as_str(), "", 0);
        promises.push(match rule {
            Rule::Fcfs => Box::new(Fcfs::default()),
            Rule::Easy => Box::new(Easy::default()),
            Rule::Conservative => Box::new(Conservative::default()),
            Rule::WorkConserving => Box::new(WorkConserving::new(plan)),
            Rule::Priority => Box::new(Priority::default()),
            Rule::NoPreemption => {
                no_preemption::check(attempts, findings);
                continue;
            }
        });
    }
    if promises.is_empty() {
        return;
    }
    let never = plan.tasks.len() - count_started(attempts);
    if never > 0 {
        findings.note(format!(
            "promises: {never} tasks that never started; until when they waited is not in the schedule"
        ));
    }
    let mut replay = Replay { state: state(plan, attempts), promises, unsettled: 0 };
    let steps = steps(plan, attempts, &replay.state);
    for instant in steps.chunk_by(|a, b| a.0 == b.0) {
        replay.instant(instant, findings);
    }
    for promise in &mut replay.promises {
        promise.finish(findings);
    }
    if replay.unsettled > 0 {
        findings.note(format!(
            "promises: the order within instants at which attempts take no time or are stopped ({} of them); there only what is \
             certain is judged",
            replay.unsettled
        ));
    }
}

fn count_started(attempts: &Attempts) -> usize {
    let tasks = attempts.all.chunk_by(|a, b| a.task == b.task);
    tasks.filter(|of_task| of_task.iter().any(|attempt| attempt.assigned.is_some())).count()
}

fn state<'a>(plan: &'a Plan<'a>, attempts: &'a Attempts) -> State<'a> {
    let mut by_rank: Vec<u32> = (0u32..).take(plan.tasks.len()).collect();
    by_rank.sort_unstable_by_key(|&task| (attempts.eligible[task as usize], task));
    let mut rank = vec![0; by_rank.len()];
    for (place, &task) in (0u32..).zip(&by_rank) {
        rank[task as usize] = place;
    }
    State {
        plan,
        attempts,
        now: Time::ZERO,
        queue: BTreeSet::new(),
        rank,
        by_rank,
        since: attempts.eligible.clone(),
        is_up: up_at_first(plan),
        rooms: plan.workers().iter().map(|worker| Room::of(&worker.capacity)).collect(),
        running: vec![BTreeSet::new(); plan.workers().len()],
        freed: Vec::new(),
        entered: Vec::new(),
        is_unsettled: false,
    }
}

/// A worker of which the first thing told is that it joins is not there before.
fn up_at_first(plan: &Plan<'_>) -> Vec<bool> {
    let mut is_up = vec![true; plan.workers().len()];
    for fault in plan.scenario.faults.iter().filter(|fault| fault.kind == FaultKind::Join) {
        is_up[fault.worker as usize] = false;
    }
    is_up
}

/// All steps in order of time; at one instant ends, faults, data, entries, and starts in queue order.
fn steps(plan: &Plan<'_>, attempts: &Attempts, state: &State<'_>) -> Vec<(Time, Step)> {
    let mut steps = Vec::with_capacity(attempts.all.len() * 3);
    let faults = &plan.scenario.faults;
    steps.extend(faults.iter().enumerate().map(|(place, fault)| (fault.time, Step::Fault(place))));
    for task in (0u32..).take(plan.tasks.len()) {
        let mut since = attempts.eligible[task as usize];
        let moved = plan.predecessors(task).iter().filter(|(_, transfer)| *transfer > Duration::ZERO);
        for &(from, transfer) in moved {
            if let Some(end) = attempts.completed[from as usize].and_then(|at| attempts.all[at].end) {
                steps.push((end + transfer, Step::Data(task)));
            }
        }
        for place in attempts.of(task) {
            let attempt = &attempts.all[place];
            let (Some(assigned), Some(end)) = (attempt.assigned, attempt.end) else {
                // Until when it waited for a start that did not come about is not known.
                since = attempt.end.unwrap_or(since);
                continue;
            };
            // A start that is too early was told of; here it has waited from then on.
            steps.push((since.min(assigned), Step::Enter(place)));
            steps.push((assigned, Step::Start(place)));
            steps.push((end.max(assigned), Step::End(place)));
            since = end;
        }
    }
    let rank = |place: usize| state.rank(attempts.all[place].task);
    steps.sort_unstable_by_key(|&(time, step)| match step {
        Step::End(place) => (time, 0, rank(place), place),
        // Those of one worker in the order of the file.
        Step::Fault(place) => (time, 1, faults[place].worker, place),
        Step::Data(task) => (time, 2, task, 0),
        Step::Enter(place) => (time, 3, rank(place), place),
        Step::Start(place) => (time, 4, rank(place), place),
    });
    steps
}

/// True if the attempt may have ended in the midst of an instant, after a pass: when its start was confirmed, or when a pass
/// had it stopped.
fn ends_within(attempt: &Attempt) -> bool {
    let is_stopped = matches!(attempt.status, Some(AttemptStatus::Preempted | AttemptStatus::Cancelled));
    is_stopped || attempt.end <= attempt.start
}

struct Replay<'a> {
    state: State<'a>,
    promises: Vec<Box<dyn Promise>>,
    /// Instants with perhaps several passes.
    unsettled: u64,
}

impl Replay<'_> {
    fn instant(&mut self, steps: &[(Time, Step)], findings: &mut Findings) {
        let Some(&(now, _)) = steps.first() else { return };
        let attempts = self.state.attempts;
        let is_momentary = |place: usize| attempts.all[place].end <= attempts.all[place].assigned;
        self.state.now = now;
        self.state.freed.clear();
        self.state.entered.clear();
        self.state.is_unsettled = steps.iter().any(|&(_, step)| match step {
            Step::Start(place) => is_momentary(place),
            Step::End(place) => ends_within(&attempts.all[place]),
            _ => false,
        });
        self.unsettled += u64::from(self.state.is_unsettled);
        for &(_, step) in steps {
            match step {
                Step::End(place) if !is_momentary(place) => self.end(place),
                Step::End(_) => {}
                Step::Fault(place) => {
                    let Fault { worker, kind, .. } = self.state.plan.scenario.faults[place];
                    let is_up = matches!(kind, FaultKind::Up | FaultKind::Join);
                    self.state.is_up[worker as usize] = is_up;
                    self.state.freed.extend(is_up.then_some(worker));
                }
                Step::Data(task) => self.state.entered.push(task),
                Step::Enter(place) => self.enter(attempts.all[place].task),
                Step::Start(place) => self.start(place, is_momentary(place), findings),
            }
        }
        for promise in &mut self.promises {
            promise.settled(&self.state, findings);
        }
    }

    fn enter(&mut self, task: u32) {
        let state = &mut self.state;
        state.queue.insert(state.rank[task as usize]);
        state.since[task as usize] = state.now;
        state.entered.push(task);
        for promise in &mut self.promises {
            promise.entered(&self.state, task);
        }
    }

    fn start(&mut self, place: usize, is_momentary: bool, findings: &mut Findings) {
        let task = self.state.attempts.all[place].task;
        let rank = self.state.rank(task);
        self.state.queue.remove(&rank);
        let start = Start { attempt: place, task, rank };
        for promise in &mut self.promises {
            promise.started(&self.state, &start, findings);
        }
        if !is_momentary {
            self.hold(place, true);
        }
    }

    fn end(&mut self, place: usize) {
        self.hold(place, false);
        let attempts = self.state.attempts;
        self.state.freed.extend(attempts.workers(&attempts.all[place]));
    }

    /// An attempt takes what it holds, or gives it back.
    fn hold(&mut self, place: usize, takes: bool) {
        let state = &mut self.state;
        let attempt = &state.attempts.all[place];
        let request = &state.plan.task(attempt.task).spec.request;
        let assigned = attempt.assigned.unwrap_or_default();
        let length =
            state.attempts.workers(attempt).map(|at| state.plan.expected_length(attempt.task, at)).max();
        let expected_end = assigned + length.unwrap_or_default();
        for part in state.attempts.parts(attempt) {
            let Some(worker) = part.worker.map(|worker| worker as usize) else { continue };
            if takes {
                state.rooms[worker].take(request, part.devices);
                state.running[worker].insert((expected_end, place));
            } else {
                state.rooms[worker].give(request, part.devices);
                state.running[worker].remove(&(expected_end, place));
            }
        }
    }
}
