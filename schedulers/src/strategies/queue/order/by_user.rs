//! Orders that go by what a task's user has: the user who has least comes first.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};

use super::QueueOrder;
use super::keys::Score;
use super::sorted::Sorted;
use crate::{ClusterEvent, ClusterView, Demand, Duration, TaskId, TaskState, TaskView, Time, Totals, UserId};

/// What is counted for a user.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Measure {
    /// The dominant share of the cluster that the user's tasks hold now (Ghodsi et al. 2011, Dominant Resource Fairness):
    /// each start moves the user back.
    HeldNow,
    /// Dominant share x time that the user's tasks have held, halved every half-life (as in Kay, Lauder 1988, A Fair Share
    /// Scheduler).
    Decayed {
        /// After this long, past use counts half.
        half_life: Duration,
    },
}

/// Past use is compared to the millionth of a cluster second, so that users who are even do not part by rounding.
const MILLION: f64 = 1e6;

/// Tasks of the user who has least come first, ties to the lowest user; within a user first come, first served.
///
/// O(log U + log Q) for each task that the pass reaches, and O(U) a pass.
#[derive(Debug)]
pub struct ByUser {
    measure: Measure,
    users: BTreeMap<UserId, User>,
    /// What the task in each slot holds.
    holding: Vec<Option<(TaskId, UserId, Totals)>>,
    /// Where the task in each slot waits.
    waiting: Vec<Option<(UserId, (Time, TaskId))>>,
    /// Users with tasks left in this pass.
    next: BinaryHeap<Reverse<(Score, UserId)>>,
    /// The user whose task was given last.
    last: Option<UserId>,
}

#[derive(Clone, Debug, Default)]
struct User {
    waiting: Sorted<(Time, TaskId)>,
    /// How far this pass has come.
    seen: Option<(Time, TaskId)>,
    held: Totals,
    /// Share x seconds of the past, as of `updated`.
    used: f64,
    updated: Time,
}

impl User {
    /// The dominant share held now.
    fn share(&self, all: Totals) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "a share")]
        let share = |held: u64, all: u64| if all == 0 { 0.0 } else { held as f64 / all as f64 };
        share(self.held.cpu_milli, all.cpu_milli)
            .max(share(self.held.memory_mib, all.memory_mib))
            .max(share(self.held.gpu_milli, all.gpu_milli))
    }

    /// Brings what was used up to `now`: the past decays, and what is held adds to it, decaying as it goes.
    fn update(&mut self, now: Time, all: Totals, half_life: Duration) {
        let half_life = half_life.max(Time::TICK).seconds();
        let kept = libm::exp2(-(now - self.updated).seconds() / half_life);
        self.used = self.used * kept + self.share(all) * half_life / std::f64::consts::LN_2 * (1.0 - kept);
        self.updated = now;
    }
}

impl ByUser {
    /// The order by this measure.
    #[must_use]
    pub const fn new(measure: Measure) -> Self {
        Self {
            measure,
            users: BTreeMap::new(),
            holding: Vec::new(),
            waiting: Vec::new(),
            next: BinaryHeap::new(),
            last: None,
        }
    }

    fn value(&self, user: UserId, view: &ClusterView<'_>) -> Score {
        let user = self.users.get(&user);
        Score(user.map_or(0.0, |user| match self.measure {
            Measure::HeldNow => user.share(view.capacity()),
            Measure::Decayed { .. } => libm::round(user.used * MILLION),
        }))
    }

    fn user(&mut self, user: UserId, view: &ClusterView<'_>) -> &mut User {
        let (now, all, measure) = (view.now(), view.capacity(), self.measure);
        let user = self.users.entry(user).or_default();
        if let Measure::Decayed { half_life } = measure {
            user.update(now, all, half_life);
        }
        user
    }

    fn enter(&mut self, view: &ClusterView<'_>, task: TaskId) {
        let Some(seen) = view.task(task).filter(|seen| seen.state() == TaskState::Queued) else { return };
        self.leave(task, view.deep_from());
        let (user, place) = (seen.spec().user, (seen.eligible(), task));
        self.user(user, view).waiting.insert(place, Demand::of(seen.spec()));
        *slot_of(&mut self.waiting, task) = Some((user, place));
    }

    fn leave(&mut self, task: TaskId, deep_from: usize) {
        let entry = slot_of(&mut self.waiting, task).take_if(|(_, (_, waiting))| *waiting == task);
        if let Some((user, place)) = entry {
            self.users.entry(user).or_default().waiting.remove(place, deep_from);
        }
    }

    fn hold(&mut self, view: &ClusterView<'_>, task: TaskView<'_>) {
        let (id, user, amounts) = (task.id(), task.spec().user, amounts(task));
        change(&mut self.user(user, view).held, amounts, u64::saturating_add);
        *slot_of(&mut self.holding, id) = Some((id, user, amounts));
    }

    fn release(&mut self, view: &ClusterView<'_>, task: TaskId) {
        let entry = slot_of(&mut self.holding, task).take_if(|(holding, ..)| *holding == task);
        if let Some((_, user, amounts)) = entry {
            change(&mut self.user(user, view).held, amounts, u64::saturating_sub);
        }
    }
}

impl ByUser {
    /// The next task of the user who has least among those of whom `find` finds one; the others are done with in this pass.
    fn next_of_users(
        &mut self,
        view: &ClusterView<'_>,
        find: impl Fn(&mut User) -> Option<(Time, TaskId)>,
    ) -> Option<TaskId> {
        // Its task may have started since, which moves its user back.
        if let Some(last) = self.last.take() {
            self.next.push(Reverse((self.value(last, view), last)));
        }
        while let Some(Reverse((_, id))) = self.next.pop() {
            let user = self.users.entry(id).or_default();
            if let Some(place) = find(user) {
                user.seen = Some(place);
                self.last = Some(id);
                return Some(place.1);
            }
        }
        None
    }
}

impl QueueOrder for ByUser {
    fn attach(&mut self, view: &ClusterView<'_>) {
        *self = Self::new(self.measure);
        view.queue().for_each(|task| self.enter(view, task));
        let mut holding: Vec<TaskView<'_>> = view.tasks().filter_map(|task| view.task(task)).collect();
        holding.retain(|task| task.state().holds_resources());
        holding.into_iter().for_each(|task| self.hold(view, task));
    }

    fn observe(&mut self, event: &ClusterEvent, view: &ClusterView<'_>) {
        match *event {
            ClusterEvent::TaskArrived(task) | ClusterEvent::TaskReleased(task) => self.enter(view, task),
            ClusterEvent::TaskRequeued(task) => {
                self.release(view, task);
                self.enter(view, task);
            }
            ClusterEvent::TaskEnded { task, .. } => {
                self.release(view, task);
                self.leave(task, view.deep_from());
            }
            _ => {}
        }
    }

    fn begin(&mut self, view: &ClusterView<'_>) {
        self.last = None;
        let mut next = std::mem::take(&mut self.next);
        next.clear();
        let users: Vec<UserId> = self.users.keys().copied().collect();
        for id in users {
            let user = self.user(id, view);
            user.seen = None;
            if !user.waiting.is_empty() {
                next.push(Reverse((self.value(id, view), id)));
            }
        }
        self.next = next;
    }

    fn next(&mut self, view: &ClusterView<'_>) -> Option<TaskId> {
        self.next_of_users(view, |user| user.waiting.next(user.seen))
    }

    fn next_with_room(&mut self, view: &ClusterView<'_>) -> Option<TaskId> {
        let opening = [view.most_room()];
        std::iter::from_fn(|| self.next_within(view, &opening)).find(|&task| !view.surely_full_for(task))
    }

    fn next_within(&mut self, view: &ClusterView<'_>, openings: &[Demand]) -> Option<TaskId> {
        let deep_from = view.deep_from();
        self.next_of_users(view, |user| user.waiting.next_within(user.seen, deep_from, openings))
    }

    fn started(&mut self, task: TaskId, view: &ClusterView<'_>) {
        self.leave(task, view.deep_from());
        if let Some(task) = view.task(task) {
            self.hold(view, task);
        }
    }
}

fn slot_of<T: Clone>(slots: &mut Vec<Option<T>>, task: TaskId) -> &mut Option<T> {
    if slots.len() <= task.slot() {
        slots.resize(task.slot() + 1, None);
    }
    &mut slots[task.slot()]
}

fn amounts(task: TaskView<'_>) -> Totals {
    let (request, times) = (task.spec().request, u64::from(task.spec().replicas));
    Totals {
        cpu_milli: request.cpu_milli.saturating_mul(times),
        memory_mib: request.memory_mib.saturating_mul(times),
        storage_mib: request.storage_mib.saturating_mul(times),
        gpu_milli: u64::from(request.gpu.milli()).saturating_mul(times),
    }
}

fn change(held: &mut Totals, amounts: Totals, by: fn(u64, u64) -> u64) {
    held.cpu_milli = by(held.cpu_milli, amounts.cpu_milli);
    held.memory_mib = by(held.memory_mib, amounts.memory_mib);
    held.storage_mib = by(held.storage_mib, amounts.storage_mib);
    held.gpu_milli = by(held.gpu_milli, amounts.gpu_milli);
}
