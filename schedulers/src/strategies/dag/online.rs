//! A plan kept in step with what happens: when to plan, what to plan, and what to start.

use std::collections::{BTreeSet, HashMap};

use super::classes::Classes;
use super::plan::{Guide, Place, Timelines, plan};
use super::problem::Problem;
use super::turns::{Next, Turn, Turns};
use crate::{
    Capabilities, ClusterEvent, ClusterView, InputState, ParamInfo, ParamKind, Placement, Scheduler,
    SchedulingContext, TaskId, TaskState, Time, WorkerId, WorkerState, WorkloadProfile,
};

/// When everything that waits is planned anew.
pub(super) const REPLAN: ParamInfo = ParamInfo {
    name: "replan",
    about: "everything is planned anew once one in so many of the waiting tasks is concerned by changes",
    kind: ParamKind::Int { default: 8, min: 1, max: 1_000_000 },
};

/// Where a waiting task is to run, and its turn there.
#[derive(Clone, Copy, Debug)]
struct Planned {
    task: TaskId,
    place: Place,
    turn: Turn,
}

/// A list scheduler for task graphs: keeps a plan made under the guidance of a method, and follows it.
#[derive(Clone, Debug)]
pub struct ListScheduler {
    guide: fn(&Problem<'_>) -> Guide,
    /// [`REPLAN`].
    share: usize,
    classes: Classes,
    timelines: Timelines,
    /// Waiting tasks that have a place, by slot.
    planned: Vec<Option<Planned>>,
    /// How many there are.
    waiting: usize,
    /// By worker.
    turns: Vec<Turns>,
    /// Number of the next turn.
    number: u64,
    /// Tasks to be planned in the next pass.
    fresh: Vec<TaskId>,
    /// Tasks that no worker there now can hold.
    homeless: Vec<TaskId>,
    /// Tasks concerned by changes since everything was planned.
    changes: usize,
    /// Everything is to be planned anew.
    restart: bool,
    /// Workers that may have something to start.
    dirty: BTreeSet<WorkerId>,
    /// When to look at a worker again that keeps its room.
    due: BTreeSet<(Time, WorkerId)>,
}

impl ListScheduler {
    pub(super) fn new(guide: fn(&Problem<'_>) -> Guide, share: usize) -> Self {
        Self {
            guide,
            share,
            classes: Classes::default(),
            timelines: Timelines::default(),
            planned: Vec::new(),
            waiting: 0,
            turns: Vec::new(),
            number: 0,
            fresh: Vec::new(),
            homeless: Vec::new(),
            changes: 0,
            restart: true,
            dirty: BTreeSet::new(),
            due: BTreeSet::new(),
        }
    }

    fn planned(&self, task: TaskId) -> Option<Planned> {
        self.planned.get(task.slot()).copied().flatten().filter(|planned| planned.task == task)
    }

    fn turns(&mut self, worker: WorkerId) -> &mut Turns {
        if worker.index() >= self.turns.len() {
            self.turns.resize_with(worker.index() + 1, Turns::default);
        }
        &mut self.turns[worker.index()]
    }

    /// Takes a task out of the plan; returns the worker that it was planned for.
    fn unplan(&mut self, task: TaskId) -> Option<WorkerId> {
        let planned = self.planned(task)?;
        self.planned[task.slot()] = None;
        self.waiting -= 1;
        self.turns(planned.place.worker).remove(planned.turn);
        Some(planned.place.worker)
    }

    /// Notes that a task is to be planned.
    fn add(&mut self, task: TaskId) {
        self.fresh.push(task);
        self.changes += 1;
    }

    /// A worker came, went or changed its mind: what was planned for it finds another place, and a new one some work.
    fn change_worker(&mut self, worker: WorkerId, is_active: bool, view: &ClusterView<'_>) {
        self.classes = Classes::of(view);
        self.timelines.forget(worker);
        self.dirty.insert(worker);
        let displaced: Vec<TaskId> = self.turns(worker).drain().collect();
        for task in displaced {
            self.planned[task.slot()] = None;
            self.waiting -= 1;
            self.add(task);
        }
        if is_active {
            self.changes += self.waiting / self.classes.workers().max(1) + 1;
            self.fresh.append(&mut self.homeless);
        }
    }

    /// The data of a task may be where it is to run.
    fn refresh(&mut self, task: TaskId, view: &ClusterView<'_>) {
        let Some(planned) = self.planned(task) else { return };
        if is_ready(view, task, planned.place.worker) {
            self.turns(planned.place.worker).make_ready(planned.turn);
            self.dirty.insert(planned.place.worker);
        }
    }

    /// Enough has changed to plan everything anew.
    fn is_stale(&self) -> bool {
        let waiting = self.waiting + self.homeless.len();
        self.restart || (self.changes > 0 && self.changes.saturating_mul(self.share) >= waiting)
    }

    /// Plans what is to be planned: everything that waits if enough has changed, else the tasks concerned, into the gaps
    /// of the plan as it stands.
    fn replan(&mut self, view: &ClusterView<'_>) {
        if self.is_stale() {
            if std::mem::take(&mut self.restart) {
                self.fresh = view.tasks().collect();
            }
            self.fresh.append(&mut self.homeless);
            self.fresh.extend(self.turns.iter_mut().flat_map(Turns::drain));
            self.planned.clear();
            (self.waiting, self.changes) = (0, 0);
            self.timelines = Timelines::default();
            self.due.clear();
        }
        let fresh = std::mem::take(&mut self.fresh);
        let tasks = self.plannable(view, fresh);
        if tasks.is_empty() {
            return;
        }
        let classes = std::mem::take(&mut self.classes);
        let problem = Problem::new(view, &classes, &tasks, |task| self.end_of(view, task));
        let guide = (self.guide)(&problem);
        let placed = plan(view, &problem, &guide, &mut self.timelines);
        self.classes = classes;
        for (number, place) in placed {
            self.enter(view, tasks[number as usize], place);
        }
        let homeless: Vec<TaskId> = tasks.into_iter().filter(|&task| self.planned(task).is_none()).collect();
        self.homeless.extend(homeless);
    }

    /// Gives a task its turn.
    fn enter(&mut self, view: &ClusterView<'_>, task: TaskId, place: Place) {
        let turn = (place.start, self.number);
        self.number += 1;
        if task.slot() >= self.planned.len() {
            self.planned.resize(task.slot() + 1, None);
        }
        self.planned[task.slot()] = Some(Planned { task, place, turn });
        self.waiting += 1;
        let is_ready = is_ready(view, task, place.worker);
        self.turns(place.worker).insert(turn, task, is_ready);
        self.dirty.insert(place.worker);
    }

    /// When and where a task ends that is not to be planned.
    fn end_of(&self, view: &ClusterView<'_>, task: TaskId) -> (Time, Option<WorkerId>) {
        if let Some(planned) = self.planned(task) {
            return (planned.place.finish.max(view.now()), Some(planned.place.worker));
        }
        let Some(seen) = view.task(task) else { return (view.now(), None) };
        let soon = view.now() + Time::TICK;
        match (seen.expected_end(), seen.lane()) {
            (Some(end), _) => (end.max(soon), seen.placement().worker()),
            (None, Some(lane)) => (view.now() + view.expected_run(task, lane), Some(lane)),
            (None, None) => (soon, None),
        }
    }

    /// Of `fresh` and what comes behind them: the tasks that wait without a place and whose predecessors all have one,
    /// run, have completed, or are among them. Sorted.
    fn plannable(&self, view: &ClusterView<'_>, fresh: Vec<TaskId>) -> Vec<TaskId> {
        let mut tasks: Vec<TaskId> = Vec::new();
        // Predecessors that are in none of these states, by index; 0 means chosen.
        let mut missing: HashMap<u32, usize> = HashMap::new();
        let mut stack = fresh;
        while let Some(task) = stack.pop() {
            if missing.contains_key(&task.index()) || !self.waits_unplanned(view, task) {
                continue;
            }
            let unsettled = |state: InputState<'_>| match state {
                InputState::Completed { .. } => false,
                InputState::Unknown => true,
                InputState::Open(from) => {
                    self.waits_unplanned(view, from) && missing.get(&from.index()) != Some(&0)
                }
            };
            let count = view.inputs(task).filter(|input| unsettled(input.state)).count();
            missing.insert(task.index(), count);
            let mut chosen = Vec::from_iter((count == 0).then_some(task));
            while let Some(task) = chosen.pop() {
                tasks.push(task);
                for (to, _) in view.successors(task) {
                    match missing.get_mut(&to.index()) {
                        None => stack.push(to),
                        Some(0) => {}
                        Some(count) => {
                            *count -= 1;
                            chosen.extend((*count == 0).then_some(to));
                        }
                    }
                }
            }
        }
        tasks.sort_unstable();
        tasks
    }

    /// A task that could be given a place. Gangs get none, and what waits in a lane is the core's.
    fn waits_unplanned(&self, view: &ClusterView<'_>, task: TaskId) -> bool {
        let waits = view.task(task).is_some_and(|task| {
            matches!(task.state(), TaskState::Blocked | TaskState::Queued) && task.spec().replicas == 1
        });
        waits && self.planned(task).is_none()
    }

    /// Starts on `worker` what has its turn and fits.
    fn follow(&mut self, cx: &mut SchedulingContext<'_>, worker: WorkerId) {
        let now = cx.view().now();
        loop {
            match self.turns(worker).next(now) {
                Next::Nothing => return,
                Next::Keep(start) => {
                    // Its data should be there by then; if it is not, others go first.
                    let late = start + Time::TICK;
                    self.due.insert((late, worker));
                    let _ = cx.wake_at(late);
                    return;
                }
                Next::Start(task) => {
                    let Some(planned) = self.planned(task) else { return };
                    if !cx.view().fits(task, worker) {
                        return; // nothing overtakes a task that lacks only room
                    }
                    let as_planned = Placement::single(worker, planned.place.devices);
                    if cx.place(task, &as_planned).or_else(|_| cx.assign(task, worker)).is_err() {
                        return;
                    }
                    self.unplan(task);
                }
            }
        }
    }
}

/// Nothing that `task` needs is missing on `worker` but room.
fn is_ready(view: &ClusterView<'_>, task: TaskId, worker: WorkerId) -> bool {
    view.task(task).is_some_and(|task| task.state() == TaskState::Queued)
        && view.ready_at(task, worker) <= view.now()
}

impl Scheduler for ListScheduler {
    fn supports(&self) -> Capabilities {
        let mut capabilities = Capabilities::new();
        capabilities.indexes.running_tasks = true;
        capabilities
    }

    fn attach(&mut self, view: &ClusterView<'_>, _: &WorkloadProfile) {
        *self = Self::new(self.guide, self.share);
        self.classes = Classes::of(view);
    }

    fn observe(&mut self, event: &ClusterEvent, view: &ClusterView<'_>) {
        match *event {
            ClusterEvent::TaskArrived(task) => self.add(task),
            ClusterEvent::TaskRequeued(task) => {
                self.add(task);
                // It has given back its room somewhere.
                self.dirty.extend(view.workers().map(|worker| worker.id()));
            }
            ClusterEvent::TaskReleased(task) | ClusterEvent::TransferOver(task) => self.refresh(task, view),
            ClusterEvent::TaskEnded { task, worker, .. } => {
                let planned_for = self.unplan(task);
                self.dirty.extend(planned_for.into_iter().chain(worker));
            }
            ClusterEvent::WorkerJoined(worker) => self.change_worker(worker, true, view),
            ClusterEvent::WorkerChanged(worker, state) => {
                self.change_worker(worker, state == WorkerState::Active, view);
            }
            ClusterEvent::TaskStarted(_) | ClusterEvent::LaneStarted(_) | ClusterEvent::Woke => {}
        }
    }

    fn schedule(&mut self, cx: &mut SchedulingContext<'_>) {
        if !self.fresh.is_empty() || self.is_stale() {
            self.replan(&cx.view());
        }
        let later = self.due.split_off(&(cx.view().now() + Time::TICK, WorkerId(0)));
        let due = std::mem::replace(&mut self.due, later);
        self.dirty.extend(due.into_iter().map(|(_, worker)| worker));
        for worker in std::mem::take(&mut self.dirty) {
            self.follow(cx, worker);
        }
    }
}
