//! Putting the tasks of a problem on timelines, one after the other.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};

use super::problem::{Job, Problem};
use super::timeline::{Slot, Timeline};
use crate::{ClusterView, DeviceSet, Duration, Request, Time, WorkerId};

/// What a method has to say: the order of planning, and how workers are compared. What is empty says nothing.
#[derive(Clone, Debug, Default)]
pub(super) struct Guide {
    /// By task: of those whose predecessors are planned, the highest is planned next, ties to the lowest number.
    pub(super) priority: Vec<u128>,
    /// By task: the worker that it goes to if that can hold it.
    pub(super) pinned: Vec<Option<WorkerId>>,
    /// By task, then class: added to the finish time on a worker of that class when workers are compared.
    pub(super) ahead: Vec<Duration>,
}

impl Guide {
    fn pinned(&self, task: u32) -> Option<WorkerId> {
        self.pinned.get(task as usize).copied().flatten()
    }

    fn ahead(&self, task: u32, class: usize, classes: usize) -> Duration {
        self.ahead.get(task as usize * classes + class).copied().unwrap_or_default()
    }
}

/// Where and when a task is to run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) worker: WorkerId,
    pub(super) start: Time,
    pub(super) finish: Time,
    pub(super) devices: DeviceSet,
}

/// The timelines of workers, made when they are first looked at.
#[derive(Clone, Debug, Default)]
pub(super) struct Timelines {
    by_worker: Vec<Option<Timeline>>,
    /// By kind, then worker: no task of the kind can start there before. A timeline only fills up, so that what held
    /// once holds until it is made anew.
    floors: HashMap<Kind, Vec<Time>>,
}

/// Tasks that ask for the same and run for about as long: the request, and the binary logarithm of the length.
type Kind = (Request, u32);

/// Beyond so many kinds no more floors are kept.
const MOST_KINDS: usize = 256;

impl Timelines {
    fn get(&mut self, view: &ClusterView<'_>, worker: WorkerId) -> Option<&mut Timeline> {
        if worker.index() >= self.by_worker.len() {
            self.by_worker.resize(worker.index() + 1, None);
        }
        let entry = &mut self.by_worker[worker.index()];
        if entry.is_none() {
            *entry = Timeline::of(view, worker);
        }
        entry.as_mut()
    }

    /// To be made anew when it is next looked at.
    pub(super) fn forget(&mut self, worker: WorkerId) {
        if let Some(entry) = self.by_worker.get_mut(worker.index()) {
            *entry = None;
        }
        for floors in self.floors.values_mut() {
            floors.get_mut(worker.index()).into_iter().for_each(|floor| *floor = Time::ZERO);
        }
    }

    /// The floors of a kind so far, to be given back.
    fn take_floors(&mut self, kind: Kind) -> Vec<Time> {
        self.floors.remove(&kind).unwrap_or_default()
    }

    fn give_floors(&mut self, kind: Kind, floors: Vec<Time>) {
        if !floors.is_empty() && self.floors.len() < MOST_KINDS {
            self.floors.insert(kind, floors);
        }
    }
}

/// Plans all tasks that some worker can hold, and whose predecessors are planned; in the order of planning.
pub(super) fn plan(
    view: &ClusterView<'_>,
    problem: &Problem<'_>,
    guide: &Guide,
    timelines: &mut Timelines,
) -> Vec<(u32, Place)> {
    let mut planner = Planner { view, problem, guide, timelines, places: vec![None; problem.jobs.len()] };
    let key = |task: u32| (guide.priority[task as usize], Reverse(task));
    let mut missing: Vec<usize> = problem.numbers().map(|task| problem.predecessors.of(task).len()).collect();
    let mut free: BinaryHeap<(u128, Reverse<u32>)> =
        problem.numbers().filter(|&task| missing[task as usize] == 0).map(key).collect();
    let mut planned = Vec::with_capacity(problem.jobs.len());
    while let Some((_, Reverse(task))) = free.pop() {
        let Some(place) = planner.place(task) else { continue };
        planned.push((task, place));
        for &(to, _) in problem.successors.of(task) {
            missing[to as usize] -= 1;
            if missing[to as usize] == 0 {
                free.push(key(to));
            }
        }
    }
    planned
}

struct Planner<'a, 'p> {
    view: &'a ClusterView<'a>,
    problem: &'a Problem<'p>,
    guide: &'a Guide,
    timelines: &'a mut Timelines,
    places: Vec<Option<Place>>,
}

/// The best place so far, and what it is compared by.
#[derive(Clone, Copy, Debug)]
struct Best {
    goal: Time,
    place: Place,
}

/// When the data of a task's predecessors is where.
struct Ready {
    /// On a worker that none of them runs on.
    elsewhere: Time,
    /// On those that some of them run on, by worker.
    hosts: Vec<(WorkerId, Time)>,
}

impl Planner<'_, '_> {
    /// Plans one task.
    fn place(&mut self, task: u32) -> Option<Place> {
        let problem = self.problem;
        let (job, ready) = (&problem.jobs[task as usize], self.ready(task));
        let pinned = self.guide.pinned(task).and_then(|worker| {
            let at = ready.hosts.iter().find(|host| host.0 == worker).map_or(ready.elsewhere, |host| host.1);
            self.better(task, job, worker, at, None)
        });
        let best = pinned.or_else(|| self.best(task, job, &ready))?;
        let run = problem.run(task, problem.classes.class_of(best.place.worker)?)?;
        let slot = Slot { start: best.place.start, devices: best.place.devices };
        // A task of no length still has to fit when it starts.
        let timeline = self.timelines.get(self.view, best.place.worker)?;
        timeline.reserve(&job.request, slot, run.max(Time::TICK));
        self.places[task as usize] = Some(best.place);
        Some(best.place)
    }

    /// Where the goal is earliest, ties to the lowest worker.
    fn best(&mut self, task: u32, job: &Job, ready: &Ready) -> Option<Best> {
        let problem = self.problem;
        let mut best = None;
        // Where data need not travel first: then most other workers need no look.
        for &(worker, at) in &ready.hosts {
            best = self.better(task, job, worker, at, best).or(best);
        }
        for (class, (run, members)) in problem.runs(task).zip(problem.classes.members()).enumerate() {
            let Some(run) = run else { continue };
            let after = run.saturating_add(self.guide.ahead(task, class, problem.classes.count()));
            let kind = (job.request, run.micros().max(1).ilog2());
            let mut floors = self.timelines.take_floors(kind);
            for &worker in members {
                let beaten = |start: Time| {
                    let goal = (start + after, worker);
                    best.is_some_and(|best: Best| (best.goal, best.place.worker) < goal)
                };
                let floor = floors.get(worker.index()).copied().unwrap_or_default().max(ready.elsewhere);
                if beaten(ready.elsewhere) {
                    break;
                }
                if beaten(floor) || ready.hosts.binary_search_by_key(&worker, |host| host.0).is_ok() {
                    continue;
                }
                let found = self.better(task, job, worker, ready.elsewhere, best);
                if found.is_none_or(|found| found.place.start > floor) {
                    self.raise(&mut floors, worker, kind);
                }
                best = found.or(best);
            }
            self.timelines.give_floors(kind, floors);
        }
        best
    }

    /// Looks when a task of `kind` could start on `worker` at the earliest.
    fn raise(&mut self, floors: &mut Vec<Time>, worker: WorkerId, (request, length): Kind) {
        if worker.index() >= floors.len() {
            floors.resize(worker.index() + 1, Time::ZERO);
        }
        let floor = &mut floors[worker.index()];
        let Some(timeline) = self.timelines.get(self.view, worker) else { return };
        let shortest = Duration::from_micros(1 << length);
        if let Some(slot) = timeline.earliest(&request, shortest, *floor, Time::NEVER) {
            *floor = slot.start;
        }
    }

    /// The task's best place on `worker`, if that is better than `best`.
    fn better(
        &mut self,
        task: u32,
        job: &Job,
        worker: WorkerId,
        at: Time,
        best: Option<Best>,
    ) -> Option<Best> {
        let class = self.problem.classes.class_of(worker)?;
        let run = self.problem.run(task, class)?;
        if job.retried && !self.view.can_ever_hold(job.task, worker) {
            return None;
        }
        let after = run.saturating_add(self.guide.ahead(task, class, self.problem.classes.count()));
        let latest = best.map_or(Some(Time::NEVER), |best| {
            let tie = u64::from(worker > best.place.worker);
            best.goal.micros().checked_sub(after.micros())?.checked_sub(tie).map(Time::from_micros)
        })?;
        if at > latest {
            return None;
        }
        let timeline = self.timelines.get(self.view, worker)?;
        let Slot { start, devices } = timeline.earliest(&job.request, run.max(Time::TICK), at, latest)?;
        Some(Best { goal: start + after, place: Place { worker, start, finish: start + run, devices } })
    }

    /// When the task's data is where.
    fn ready(&self, task: u32) -> Ready {
        let now = self.view.now();
        let (problem, places) = (self.problem, &self.places);
        let planned = problem.predecessors.of(task).iter().filter_map(|&(from, transfer)| {
            places[from as usize].map(|place| (Some(place.worker), place.finish, place.finish + transfer))
        });
        let given = problem.jobs[task as usize].given.iter();
        let given = given.map(|data| (data.worker, data.end, data.end + data.transfer));
        let mut inputs: Vec<(Option<WorkerId>, Time, Time)> = planned.chain(given).collect();
        inputs.sort_unstable();
        // Of each worker: the latest end there, and when its last data is elsewhere.
        inputs.dedup_by(|next, last| {
            let same = next.0 == last.0;
            if same {
                (last.1, last.2) = (last.1.max(next.1), last.2.max(next.2));
            }
            same
        });
        // The two that are last elsewhere: on the last one's own worker the other counts.
        let (mut last, mut second) = (now, now);
        for &(.., sent) in &inputs {
            if sent > last {
                (last, second) = (sent, last);
            } else {
                second = second.max(sent);
            }
        }
        let hosts = inputs.into_iter().filter_map(|(worker, end, sent)| {
            let others = if sent == last { second } else { last };
            Some((worker?, end.max(others)))
        });
        Ready { elsewhere: last, hosts: hosts.collect() }
    }
}
