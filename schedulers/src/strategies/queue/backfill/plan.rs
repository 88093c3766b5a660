//! The reservations of earlier passes, as far as they still hold.

use smallvec::SmallVec;

use super::Pass;
use super::floors::{Floors, reaching};
use super::forecast::Forecast;
use super::known::Known;
use super::profile::Profile;
use super::reservation::{Reservation, Span};
use super::search::Search;
use super::wants::Wants;
use crate::strategies::queue::free::Free;
use crate::strategies::queue::place::Limits;
use crate::{ClusterView, Demand, Duration, Part, TaskId, TaskState, Time, WorkerId};

/// A pass that had enough reservations from the last one gives up one in so many of them; fewer where it takes long to make
/// them again, on many workers.
const SPARE_SHARE: usize = 4;
const SPARE_SHARE_OF_MANY: usize = 16;

/// The reservations of a prefix of the queue, and what they leave free.
///
/// A pass that made all reservations anew would make nearly all of them as they were. A task's earliest start depends on what
/// is free when its turn comes, and for most tasks that is the same as before, or differs where it does not matter. So a pass
/// goes through the reservations in queue order, and keeps for each worker the span of time in which more is free than
/// when they were made, and the one in which less is. A task whose reservation lies outside what was lost and which does not
/// fit earlier within what was gained keeps it. Another searches, and what it leaves and takes adds to the spans.
///
/// The profile of a worker without such spans stays as it was, with the reservations of all tasks. It is built anew, with
/// those of the tasks so far, as soon as somebody has to look at it.
///
/// What starts, and so moves from the reservations to what runs, changes nothing for tasks before it: it takes what
/// they had left. Only their choice of GPU devices may be another then.
#[derive(Clone, Debug, Default)]
pub(super) struct Plan {
    pub(super) profiles: Vec<Profile>,
    known: Vec<Known>,
    floors: Floors,
    /// For each search anew, by worker: no start lies before that.
    bounds: Vec<Time>,
    /// In queue order, from the first of the queue on.
    made: Vec<Reservation>,
    /// Whose turn it is: those before are as this pass has them, those from here on as the last one had them.
    turn: usize,
    /// The open profiles, in order.
    open: Vec<usize>,
    /// The workers on which some task has a reservation, or had one not long ago, in order.
    promised: Vec<usize>,
    /// How many changes of workers have been taken in.
    seen: u64,
    least: Option<Demand>,
    /// It is from an earlier pass.
    is_kept: bool,
    /// Reservations were added to it in this pass.
    has_grown: bool,
    /// What has started in this pass, with its expected end by worker.
    started: Vec<(usize, Time, TaskId)>,
}

impl Plan {
    /// Forgets everything.
    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }

    /// True if it has no reservation that would hold in a pass that begins now.
    pub(super) fn keeps_none(&self) -> bool {
        !self.is_kept || self.made.is_empty()
    }

    /// A pass begins.
    pub(super) fn begin(&mut self, view: &ClusterView<'_>, forecast: &Forecast) {
        (self.turn, self.has_grown) = (0, false);
        if !self.is_kept || !self.catch_up(view, forecast) {
            self.clear();
            self.least = view.least_waiting();
            for worker in view.workers() {
                let Some(profile) = Profile::of(view, worker.id(), forecast, self.least) else { continue };
                self.profiles.push(profile);
                self.known.push(Known::of(view, forecast, worker));
            }
        }
    }

    /// Takes in what has changed since the last pass; false if nothing is left of it.
    fn catch_up(&mut self, view: &ClusterView<'_>, forecast: &Forecast) -> bool {
        let now = view.now();
        if view.worker_count() != self.profiles.len() {
            return false;
        }
        for worker in view.changed_since(self.seen) {
            let same = view.worker(worker).zip(self.known.get(worker.index()));
            if same.is_none_or(|(worker, known)| worker.state() != known.state) {
                return false;
            }
        }
        let least = view.least_waiting();
        for profile in &mut self.profiles {
            profile.begin_at(now);
            if least != self.least {
                profile.measure(least);
            }
        }
        self.least = least;
        for worker in view.changed_since(self.seen) {
            self.compare(view, forecast, worker.index());
        }
        for at in 0..self.known.len() {
            let known = &mut self.known[at];
            let (to_lose, is_stale) = (known.to_lose, known.is_stale);
            (known.to_lose, known.is_stale) = (Span::EMPTY, false);
            // What outlives its expected end holds on from moment to moment.
            if known.held.first().is_some_and(|&(end, _)| end <= now) {
                self.compare(view, forecast, at);
            }
            if is_stale || !to_lose.is_empty() {
                self.open(view, forecast, at);
                self.known[at].lose(to_lose);
            }
            if is_stale {
                let ever = Span { from: now, to: Time::NEVER };
                self.set_back(view, at, now);
                self.known[at].gain(ever);
                self.known[at].lose(ever);
            }
        }
        true
    }

    /// Takes in what runs on a worker, where it differs from what ran.
    fn compare(&mut self, view: &ClusterView<'_>, forecast: &Forecast, at: usize) {
        let now = view.now();
        let held: Vec<(Time, TaskId)> = forecast.ends(view, self.profiles[at].worker).collect();
        let before = std::mem::replace(&mut self.known[at].held, held);
        let held = &self.known[at].held;
        let without = |some: &[(Time, TaskId)], other: &[(Time, TaskId)]| {
            let only = some.iter().filter(|entry| other.binary_search(entry).is_err());
            Span { from: now, to: only.map(|&(end, _)| end).max().unwrap_or(Time::ZERO) }
        };
        let (gained, lost) = (without(&before, held), without(held, &before));
        if !(gained.is_empty() && lost.is_empty()) {
            self.open(view, forecast, at);
            if !gained.is_empty() {
                self.set_back(view, at, gained.from);
            }
            self.known[at].gain(gained);
            self.known[at].lose(lost);
        }
    }

    /// Goes through the reservations of the last pass, and starts those tasks whose time has come.
    pub(super) fn replay(&mut self, pass: &mut Pass<'_, '_>, forecast: &mut Forecast) {
        while self.turn < self.made.len() {
            let next = pass.next_in_order();
            while let Some(gone) = self.made.get_mut(self.turn)
                && Some(gone.task) != next
                && !waits(&pass.view(), gone.task)
            {
                gone.is_gone = true;
                self.vacate(&pass.view(), forecast, self.turn);
                self.turn += 1;
            }
            match (next, self.made.get(self.turn)) {
                (Some(task), Some(known)) if known.task == task => {
                    self.renew(pass, forecast);
                    self.turn += 1;
                }
                (next, _) => {
                    // Somebody has come between, or the order is another: what follows is to be made anew.
                    for rest in self.turn..self.made.len() {
                        self.vacate(&pass.view(), forecast, rest);
                    }
                    self.made.truncate(self.turn);
                    if let Some(task) = next {
                        self.add(pass, forecast, task);
                    }
                    return;
                }
            }
        }
    }

    /// Makes the reservation of the next task in queue order.
    pub(super) fn add(&mut self, pass: &mut Pass<'_, '_>, forecast: &mut Forecast, task: TaskId) {
        if let Some(made) = self.reserve(pass, forecast, task) {
            self.push(made);
        }
    }

    /// Takes in the reservation of the next task in queue order, which has been made before its turn.
    pub(super) fn push(&mut self, made: Reservation) {
        self.made.push(made);
        self.turn = self.made.len();
        self.has_grown = true;
    }

    /// Starts `task` if its earliest start is now, or else makes its reservation, and returns that.
    pub(super) fn reserve(
        &mut self,
        pass: &mut Pass<'_, '_>,
        forecast: &mut Forecast,
        task: TaskId,
    ) -> Option<Reservation> {
        let now = pass.view().now();
        let made = self.search(&pass.view(), forecast, task, now)?;
        if made.start == now && self.start(pass, forecast, task) {
            return None;
        }
        for part in &made.parts {
            self.profiles[part.worker.index()].reserve(&made.request, part, made.start, made.end);
            self.promise(part.worker.index());
        }
        Some(made)
    }

    fn promise(&mut self, at: usize) {
        if let Err(place) = self.promised.binary_search(&at) {
            self.promised.insert(place, at);
        }
    }

    /// Gives back what has been reserved for those that do not belong to the prefix.
    pub(super) fn release(&mut self, view: &ClusterView<'_>, others: impl Iterator<Item = Reservation>) {
        for other in others {
            for part in &other.parts {
                let at = part.worker.index();
                self.profiles[at].release(&other.request, part, other.start, other.end);
                self.set_back(view, at, other.start);
            }
        }
    }

    /// The pass is over.
    pub(super) fn finish(&mut self, view: &ClusterView<'_>, forecast: &Forecast) {
        self.made.retain(|made| !made.is_gone);
        if !self.has_grown {
            // Perhaps fewer do as well.
            let many = self.profiles.len() > view.many_workers();
            let share = if many { SPARE_SHARE_OF_MANY } else { SPARE_SHARE };
            let fewer = self.made.len() - self.made.len() / share;
            let rest: Vec<Reservation> = self.made.drain(fewer..).collect();
            self.release(view, rest.into_iter());
        }
        for at in self.open.drain(..) {
            let known = &mut self.known[at];
            (known.is_open, known.gained, known.lost) = (false, Span::EMPTY, Span::EMPTY);
        }
        self.is_kept = matches!(forecast, Forecast::Estimates);
        for (at, end, task) in self.started.drain(..) {
            let known = &mut self.known[at];
            if !known.held.iter().any(|&(_, other)| other == task) {
                known.held.clear();
                known.held.extend(forecast.ends(view, self.profiles[at].worker));
            }
            // The profile has it that the task ends then.
            known.is_stale |= !known.held.contains(&(end, task));
        }
        self.seen = view.worker_changes();
        // To look at some without need takes less than to list them anew in every pass.
        if self.promised.len() > 2 * self.made.len() + 16 {
            self.list_promised();
        }
    }

    fn list_promised(&mut self) {
        self.promised.clear();
        let parts = self.made.iter().flat_map(|made| &made.parts);
        self.promised.extend(parts.map(|part| part.worker.index()));
        self.promised.sort_unstable();
        self.promised.dedup();
    }

    /// The earliest start of `task`, whose turn it is, which is known not to lie before `from`; all profiles are as it has to
    /// see them.
    fn search(
        &mut self,
        view: &ClusterView<'_>,
        forecast: &Forecast,
        task: TaskId,
        from: Time,
    ) -> Option<Reservation> {
        let spec = view.task(task)?.spec();
        let is_plain = spec.replicas == 1
            && spec.estimate.is_some()
            && view.has_plain_run_times()
            && !view.avoids_any(task)
            && view.inputs(task).next().is_none();
        let found =
            if is_plain { self.earliest(view, forecast, task, from) } else { self.any(view, forecast, task) };
        let (start, end, parts) = found.unwrap_or((Time::NEVER, Time::NEVER, SmallVec::new()));
        Some(Reservation { task, request: spec.request, start, end, parts, is_plain, is_gone: false })
    }

    /// When any task starts earliest, until when it runs, and where.
    fn any(&mut self, view: &ClusterView<'_>, forecast: &Forecast, task: TaskId) -> Option<Found> {
        if self.is_replaying() {
            (0..self.profiles.len()).for_each(|at| self.open(view, forecast, at));
        }
        let search = Search::of(view, task, &self.profiles, forecast)?;
        let (start, parts) = search.earliest()?;
        let at = parts.first()?.worker.index();
        let &(_, length, _) = search.able.iter().find(|&&(able, ..)| able == at)?;
        Some((start, start + length, SmallVec::from_vec(parts)))
    }

    /// The same of a plain task, with a look at those profiles alone in which it may start first.
    fn earliest(
        &mut self,
        view: &ClusterView<'_>,
        forecast: &Forecast,
        task: TaskId,
        from: Time,
    ) -> Option<Found> {
        let mut wants = Wants::of(view, forecast, task)?;
        let kind = (self.profiles.len() > view.many_workers()).then(|| wants.kind());
        let number = kind.map(|kind| self.floors.number(kind, self.profiles.len()));
        let mut bounds = std::mem::take(&mut self.bounds);
        self.bound(view, number, &mut bounds);
        let likely = (0..bounds.len()).min_by_key(|&at| bounds[at]);
        let mut best: Option<(Time, usize, Duration)> = None;
        for at in likely.into_iter().chain(0..bounds.len()) {
            // Of equal starts the one on the lowest worker counts.
            let before = match best {
                None => Time::NEVER,
                Some((start, chosen, _)) if at < chosen => start + Time::TICK,
                Some((start, ..)) => start,
            };
            if bounds[at].max(from) >= before {
                continue;
            }
            let bound = std::mem::replace(&mut bounds[at], Time::NEVER);
            let worker = self.profiles[at].worker;
            let Some(length) = self.known[at].length(view, worker, &mut wants) else { continue };
            if self.is_replaying() {
                self.open(view, forecast, at);
            }
            let on = &self.profiles[at];
            if let Some(start) = on.earliest(&wants.request, length, from, bound, before) {
                best = Some((start, at, length));
                continue;
            }
            if let (Some(kind), Some(number)) = (&kind, number) {
                let least = wants.least_length_at(self.known[at].speed, kind);
                let floor = on.earliest_from(&kind.request, least, bound, Time::NEVER);
                self.floors.raise(number, at, floor.unwrap_or(Time::NEVER));
            }
        }
        self.bounds = bounds;
        let (start, at, length) = best?;
        let on = &self.profiles[at];
        let devices = on.throughout(on.at(start), start + length).place(&wants.request)?;
        let part = Part { worker: on.worker, replicas: 1, devices };
        Some((start, start + length, SmallVec::from_elem(part, 1)))
    }

    /// For each worker an instant before which no task of a kind can start there, as far as is known.
    fn bound(&self, view: &ClusterView<'_>, number: Option<usize>, bounds: &mut Vec<Time>) {
        bounds.clear();
        let Some(number) = number else { return bounds.resize(self.profiles.len(), Time::ZERO) };
        let (kind, floors) = self.floors.of(number);
        bounds.extend_from_slice(floors);
        // Those are of profiles with the reservations of all tasks: without those of the tasks from here on there may be more room.
        for made in &self.made[self.turn..] {
            for part in &made.parts {
                let at = part.worker.index();
                if let Some(known) = self.known.get(at) {
                    let from = reaching(kind, known.speed, view.startup_latency(), made.start);
                    bounds[at] = bounds[at].min(from);
                }
            }
        }
    }

    /// There are tasks whose turn has not come: profiles that are not open have reservations of theirs.
    fn is_replaying(&self) -> bool {
        self.turn < self.made.len()
    }

    /// From `from` on there may be more room on a worker than there was.
    fn set_back(&mut self, view: &ClusterView<'_>, at: usize, from: Time) {
        self.floors.lower(at, self.known[at].speed, view.startup_latency(), from);
    }

    /// Starts `task` on one of the workers where it fits from now to its end: the placement rule may know a better place
    /// than the lowest of them. The profiles of workers that have room for it now are as it has to see them.
    fn start(&mut self, pass: &mut Pass<'_, '_>, forecast: &mut Forecast, task: TaskId) -> bool {
        let view = pass.view();
        let now = view.now();
        let Some(spec) = view.task(task).map(|task| *task.spec()) else { return false };
        let request = spec.request;
        // The parts of a gang run as long as the slowest of them.
        let longest = (spec.replicas > 1).then(|| {
            let search = Search::of(&view, task, &self.profiles, forecast)?;
            search.able.first().map(|&(_, length, _)| length)
        });
        let longest = longest.flatten();
        let length = |view: &ClusterView<'_>, forecast: &Forecast, worker: WorkerId| {
            longest.unwrap_or_else(|| forecast.length(view, task, worker).max(Time::TICK))
        };
        // Where nobody has a reservation, what is free now is free to the end.
        let promised = self.promised.iter().filter(|&&at| view.fits(task, self.profiles[at].worker));
        let limited: Vec<(WorkerId, Free)> = promised
            .map(|&at| {
                let on = &self.profiles[at];
                (on.worker, on.throughout(on.at(now), now + length(&view, forecast, on.worker)))
            })
            .collect();
        let Some(placement) = pass.start(task, Limits::on(&limited)) else { return false };
        let view = pass.view();
        forecast.started(&view, task);
        for part in placement.parts() {
            let at = part.worker.index();
            let end = now + length(&view, forecast, part.worker);
            self.profiles[at].reserve(&request, part, now, end);
            self.started.push((at, end, task));
            if !request.gpu.is_none() {
                let known = &mut self.known[at];
                known.to_lose = known.to_lose.around(Span { from: now, to: end });
            }
        }
        true
    }

    /// It is the turn of a task that has a reservation from the last pass.
    fn renew(&mut self, pass: &mut Pass<'_, '_>, forecast: &mut Forecast) {
        let view = pass.view();
        let (now, turn) = (view.now(), self.turn);
        let anew = match self.check(&view, forecast) {
            Check::Holds => None,
            Check::Earlier(start, at, length) => self.earlier(start, at, length),
            Check::NotBefore(start) => {
                let anew = self.search(&view, forecast, self.made[turn].task, start);
                anew.filter(|anew| !anew.is_like(&self.made[turn]))
            }
        };
        let is_new = anew.is_some();
        if let Some(anew) = anew {
            self.vacate(&view, forecast, turn);
            self.made[turn] = anew;
        }
        if self.made[turn].start == now && self.start_renewed(pass, forecast, is_new) {
            return;
        }
        let view = pass.view();
        for part in 0..self.made[turn].parts.len() {
            let at = self.made[turn].parts[part].worker.index();
            if is_new {
                self.open(&view, forecast, at);
                self.promise(at);
                self.known[at].lose(self.made[turn].span(now));
            }
            if self.known[at].is_open {
                let made = &self.made[turn];
                self.profiles[at].reserve(&made.request, &made.parts[part], made.start, made.end);
            }
        }
    }

    /// Starts the task whose turn it is; false if the placement rule does not. What was reserved for it before is given back
    /// already if the reservation `is_new`.
    fn start_renewed(&mut self, pass: &mut Pass<'_, '_>, forecast: &mut Forecast, is_new: bool) -> bool {
        let (view, turn) = (pass.view(), self.turn);
        let (task, now) = (self.made[turn].task, view.now());
        for at in self.promised.clone() {
            if view.fits(task, self.profiles[at].worker) {
                self.open(&view, forecast, at);
            }
        }
        let before = self.started.len();
        if !self.start(pass, forecast, task) {
            return false;
        }
        let made = &self.made[turn];
        let as_reserved = |&(at, end, _): &(usize, Time, TaskId)| match made.parts.as_slice() {
            [part] => (at, end) == (part.worker.index(), made.end) && made.request.gpu.is_none(),
            _ => false,
        };
        if is_new || !self.started[before..].iter().all(as_reserved) {
            if !is_new {
                self.vacate(&pass.view(), forecast, turn);
            }
            for &(at, end, _) in &self.started[before..] {
                if self.known[at].is_open {
                    self.known[at].lose(Span { from: now, to: end });
                }
            }
        }
        self.made[turn].is_gone = true;
        true
    }

    /// The reservation of the task whose turn it is, moved to an earlier start.
    fn earlier(&self, start: Time, at: usize, length: Duration) -> Option<Reservation> {
        let (made, on) = (&self.made[self.turn], &self.profiles[at]);
        let devices = on.throughout(on.at(start), start + length).place(&made.request)?;
        let parts = SmallVec::from_elem(Part { worker: on.worker, replicas: 1, devices }, 1);
        Some(Reservation { start, end: start + length, parts, ..made.clone() })
    }

    /// Whether the task whose turn it is keeps its reservation.
    fn check(&self, view: &ClusterView<'_>, forecast: &Forecast) -> Check {
        let (now, made) = (view.now(), &self.made[self.turn]);
        if !made.is_plain || made.start < now || !view.has_plain_run_times() {
            return Check::NotBefore(now);
        }
        let own = made.parts.first().map_or(usize::MAX, |part| part.worker.index());
        let mut is_lost = false;
        if let Some(known) = self.known.get(own).filter(|known| known.is_open) {
            let (on, span) = (&self.profiles[own], made.span(now));
            if !made.request.gpu.is_none() && (known.lost.overlaps(span) || known.gained.overlaps(span)) {
                // It may choose other devices.
                return Check::NotBefore(now);
            }
            is_lost = known.lost.overlaps(span)
                && on.fits_from(on.at(made.start), &made.request, made.end).is_err();
        }
        let Some(mut wants) = Wants::of(view, forecast, made.task) else { return Check::NotBefore(now) };
        let mut best: Option<(Time, usize, Duration)> = None;
        for &at in &self.open {
            let gained = self.known[at].gained;
            if gained.is_empty() {
                continue;
            }
            // Of equal starts the one on the lowest worker counts.
            let before = match best {
                Some((start, ..)) => start,
                None if at < own && !made.parts.is_empty() => made.start + Time::TICK,
                None => made.start,
            };
            let on = &self.profiles[at];
            let Some(length) = self.known[at].length(view, on.worker, &mut wants) else { continue };
            // What does not meet what was gained, has not fit before.
            let from = (gained.from + Time::TICK - Time::ZERO).saturating_sub(length);
            let from = (Time::ZERO + from).max(now);
            let before = before.min(gained.to);
            if let Some(start) = on.earliest_from(&made.request, length, from, before) {
                best = Some((start, at, length));
            }
        }
        match best {
            Some((start, at, length)) => Check::Earlier(start, at, length),
            None if is_lost => Check::NotBefore(made.start),
            None => Check::Holds,
        }
    }

    /// A reservation of the last pass is no more.
    fn vacate(&mut self, view: &ClusterView<'_>, forecast: &Forecast, which: usize) {
        let span = self.made[which].span(view.now());
        for part in 0..self.made[which].parts.len() {
            let at = self.made[which].parts[part].worker.index();
            self.open(view, forecast, at);
            self.set_back(view, at, span.from);
            self.known[at].gain(span);
        }
    }

    /// Builds a profile anew, as the task whose turn it is has to see it.
    fn open(&mut self, view: &ClusterView<'_>, forecast: &Forecast, at: usize) {
        if self.known[at].is_open {
            return;
        }
        let worker = self.profiles[at].worker;
        let Some(mut on) = Profile::of(view, worker, forecast, self.least) else { return };
        for made in self.made[..self.turn].iter().filter(|made| !made.is_gone) {
            for part in made.parts.iter().filter(|part| part.worker == worker) {
                on.reserve(&made.request, part, made.start, made.end);
            }
        }
        self.profiles[at] = on;
        self.known[at].is_open = true;
        let place = self.open.partition_point(|&other| other < at);
        self.open.insert(place, at);
    }
}

/// From when until when, and where.
type Found = (Time, Time, SmallVec<[Part; 1]>);

/// What becomes of a reservation.
enum Check {
    /// It stays.
    Holds,
    /// The task starts earlier: when, on which worker, and how long it takes there.
    Earlier(Time, usize, Duration),
    /// It takes a search of all workers, from then on.
    NotBefore(Time),
}

fn waits(view: &ClusterView<'_>, task: TaskId) -> bool {
    view.task(task).is_some_and(|task| task.state() == TaskState::Queued)
}
