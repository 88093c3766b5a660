//! Conservative backfilling: every waiting task has a reservation, and no later one may delay it.

use std::collections::HashSet;

use super::forecast::Forecast;
use super::profile::Profile;
use super::{Backfilling, Pass};
use crate::strategies::queue::free::Free;
use crate::strategies::queue::order::Ahead;
use crate::strategies::queue::place::Limits;
use crate::{ClusterView, Demand, Duration, Indexes, Part, Request, TaskId, Time, WorkerId};

/// Conservative backfilling (Mu'alem, Feitelson 2001, IEEE TPDS).
///
/// Each pass builds, for each worker, what will be free when if every task ends as expected, and places every queued task,
/// in queue order, where and when it fits earliest, ties to the lowest worker. A task starts if that is now, and then on the
/// one of the workers with room that the placement rule likes best.
///
/// A pass goes no further than it must. A reservation matters for nothing but what may start now: it ends with the pass. What
/// may still start now has to fit, from now to its end, into what the reservations made so far leave; and they leave ever
/// less. So the pass looks ahead in the queue for the next task that would fit if no more reservations came before it, makes those
/// that do come before it, and ends as soon as there is no such task: the queue behind it does not count.
///
/// Nor does everyone up to that task count. An instant at which no waiting task fits any more cuts the future in two, and tasks
/// whose reservations lie beyond it are passed over.
///
/// On one pool of one resource this is the original. With several workers and resources a task must fit in all of them,
/// and on the same GPU devices throughout. The replicas of a gang start at the earliest instant from which they all fit,
/// on the lowest workers.
#[derive(Clone, Debug)]
pub struct Conservative {
    forecast: Forecast,
}

impl Conservative {
    /// Conservative backfilling that believes this of run times.
    #[must_use]
    pub const fn new(forecast: Forecast) -> Self {
        Self { forecast }
    }
}

/// One task that looks for its earliest start.
struct Search<'a> {
    task: TaskId,
    request: Request,
    replicas: u32,
    /// By profile: where the task could ever run, how long for, and from when on.
    able: Vec<(usize, Duration, Time)>,
    profiles: &'a [Profile],
}

impl<'a> Search<'a> {
    fn of(
        view: &ClusterView<'_>,
        task: TaskId,
        profiles: &'a [Profile],
        forecast: &Forecast,
    ) -> Option<Self> {
        let spec = view.task(task)?.spec();
        let hold = profiles.iter().enumerate().filter(|(_, on)| view.can_ever_hold(task, on.worker));
        let able = hold.map(|(at, on)| {
            // A task of no length still has to fit when it starts.
            let length = forecast.length(view, task, on.worker).max(Time::TICK);
            (at, length, view.ready_at(task, on.worker).max(view.now()))
        });
        let mut able: Vec<(usize, Duration, Time)> = able.collect();
        if spec.replicas > 1 {
            // The parts of a gang run as long as the slowest of them.
            let longest = able.iter().map(|&(_, length, _)| length).max()?;
            able.iter_mut().for_each(|(_, length, _)| *length = longest);
        }
        Some(Self { task, request: spec.request, replicas: spec.replicas, able, profiles })
    }

    /// The earliest start, and the parts that are reserved for it: on the lowest workers.
    fn earliest(&self) -> Option<(Time, Vec<Part>)> {
        if self.replicas > 1 {
            return self.earliest_of_gang();
        }
        let mut best: Option<(Time, usize, Duration)> = None;
        for &(at, length, ready) in &self.able {
            let before = best.map_or(Time::NEVER, |(start, ..)| start);
            if let Some(start) = self.profiles[at].earliest(&self.request, length, ready, before) {
                best = Some((start, at, length));
            }
        }
        let (start, at, length) = best?;
        let on = &self.profiles[at];
        let devices = on.throughout(on.at(start), start + length).place(&self.request)?;
        Some((start, vec![Part { worker: on.worker, replicas: 1, devices }]))
    }

    /// Replicas start to fit when data arrives or a step begins; the first such instant from which all of them do.
    fn earliest_of_gang(&self) -> Option<(Time, Vec<Part>)> {
        let steps = self.able.iter().flat_map(|&(at, _, ready)| {
            let steps = self.profiles[at].steps.iter().map(|&(from, _)| from);
            steps.filter(move |&from| from > ready).chain([ready])
        });
        let mut instants: Vec<Time> = steps.collect();
        instants.sort_unstable();
        instants.dedup();
        instants.into_iter().find_map(|start| {
            let (mut parts, mut missing) = (Vec::new(), self.replicas);
            for &(at, length, _) in self.able.iter().filter(|&&(_, _, ready)| ready <= start) {
                let on = &self.profiles[at];
                let free = on.throughout(on.at(start), start + length);
                missing -= free.add_parts(on.worker, &self.request, missing, &mut parts);
                if missing == 0 {
                    return Some((start, parts));
                }
            }
            None
        })
    }

    /// True if one replica fits somewhere from now to its end.
    fn fits_now(&self, now: Time) -> bool {
        self.able.iter().any(|&(at, length, ready)| {
            let on = &self.profiles[at];
            ready <= now && on.fits_from(on.at(now), &self.request, now + length).is_ok()
        })
    }

    /// What the task may use of each worker from now to its end, by worker.
    fn free_now(&self, view: &ClusterView<'_>) -> Vec<(WorkerId, Free)> {
        let ready = self.able.iter().filter(|&&(_, _, ready)| ready <= view.now());
        let free = ready.map(|&(at, length, _)| {
            let on = &self.profiles[at];
            (on.worker, on.throughout(on.at(view.now()), view.now() + length))
        });
        free.filter(|(worker, free)| free.place(&self.request).is_some() && view.fits(self.task, *worker))
            .collect()
    }
}

impl Backfilling for Conservative {
    fn indexes(&self) -> Indexes {
        Indexes { expected_ends: true, deep_queue: true, ..Indexes::default() }
    }

    fn attach(&mut self, view: &ClusterView<'_>) {
        self.forecast.attach(view);
    }

    fn pass(&mut self, pass: &mut Pass<'_, '_>) {
        // Only a pass that may start something needs to know what will be free.
        let mut ahead = pass.look_ahead(&[pass.view().most_room()]);
        if ahead == Ahead::Nothing {
            return;
        }
        let view = pass.view();
        let least = view.least_waiting();
        let of = |worker| Profile::of(&view, worker, &self.forecast, least);
        let mut profiles: Vec<Profile> = view.workers().map(|worker| worker.id()).filter_map(of).collect();
        let mut openings = Vec::new();
        let mut window = Window::default();
        loop {
            // What may start is still there, and may start: or what is next, or nobody.
            while let Ahead::Task(task) = ahead
                && !self.may_start(&pass.view(), task, &profiles)
            {
                self.open(&pass.view(), &profiles, &mut openings);
                ahead = pass.look_ahead(&openings);
            }
            if ahead == Ahead::Nothing {
                return;
            }
            // Every task up to there has a reservation that comes first, if it can matter.
            let Some(task) = self.next(pass, &mut profiles, &mut window) else { return };
            if ahead == Ahead::Task(task) {
                self.open(&pass.view(), &profiles, &mut openings);
                ahead = pass.look_ahead(&openings);
            }
        }
    }
}

impl Conservative {
    /// Starts `task` if its reservation is for now, and makes the reservation in any case.
    fn reserve(&mut self, pass: &mut Pass<'_, '_>, task: TaskId, profiles: &mut [Profile]) {
        let view = pass.view();
        let now = view.now();
        let Some(search) = Search::of(&view, task, profiles, &self.forecast) else { return };
        let Some((start, mut parts)) = search.earliest() else { return };
        let (request, lengths) = (search.request, search.able.clone());
        if start == now {
            let free = search.free_now(&view);
            // The rule may know a better place than the lowest workers.
            if let Some(placement) = pass.start(task, Limits::only(&free)) {
                parts = placement.parts().to_vec();
                self.forecast.started(&pass.view(), task);
            }
        }
        for part in &parts {
            let profile = lengths.iter().find(|&&(at, ..)| profiles[at].worker == part.worker);
            if let Some(&(at, length, _)) = profile {
                profiles[at].reserve(&request, part, start, start + length);
            }
        }
    }

    /// True if one replica of `task` has room on some worker from now to its end.
    fn may_start(&self, view: &ClusterView<'_>, task: TaskId, profiles: &[Profile]) -> bool {
        Search::of(view, task, profiles, &self.forecast).is_some_and(|search| search.fits_now(view.now()))
    }

    /// Openings into one of which every task fits that may start now, as far as amounts and estimates tell.
    fn open(&self, view: &ClusterView<'_>, profiles: &[Profile], openings: &mut Vec<Demand>) {
        openings.clear();
        profiles.iter().for_each(|on| on.open_now(view, &self.forecast, openings));
    }

    /// Makes the next reservations, as far as a task which it returns; those that it passes over lie beyond the window.
    fn next(
        &mut self,
        pass: &mut Pass<'_, '_>,
        profiles: &mut [Profile],
        window: &mut Window,
    ) -> Option<TaskId> {
        if window.narrow(&pass.view(), profiles, &self.forecast)
            && let Ahead::Task(task) = pass.survey(&window.openings)
            && !window.reserved.contains(&task)
        {
            match self.place_of(&pass.view(), task, profiles, window) {
                Place::Within => {
                    self.reserve(pass, task, profiles);
                    window.reserved.insert(task);
                    window.stale = true;
                }
                Place::Beyond => {}
                Place::Unclear => loop {
                    let next = pass.next_task()?;
                    if !window.reserved.remove(&next) {
                        self.reserve(pass, next, profiles);
                    }
                    if next == task {
                        window.stale = true;
                        break;
                    }
                },
            }
            return Some(task);
        }
        loop {
            let task = pass.next_task()?;
            if !window.reserved.remove(&task) {
                self.reserve(pass, task, profiles);
                window.stale = true;
                return Some(task);
            }
        }
    }

    /// Where the reservation of `task` lies, as seen without those of the tasks that were passed over.
    fn place_of(&self, view: &ClusterView<'_>, task: TaskId, profiles: &[Profile], window: &Window) -> Place {
        let Some(search) = Search::of(view, task, profiles, &self.forecast) else { return Place::Beyond };
        if search.replicas > 1 {
            return Place::Unclear;
        }
        // Inside the window of a worker the start there is true; elsewhere it is no later than in truth, and so no better.
        let Some((start, parts)) = search.earliest() else { return Place::Beyond };
        let chosen = |&&(at, ..): &&(usize, Duration, Time)| profiles[at].worker == parts[0].worker;
        if search.able.iter().find(chosen).is_some_and(|&(at, ..)| start < window.cuts[at]) {
            return Place::Within;
        }
        let within = |&(at, length, ready): &(usize, Duration, Time)| {
            profiles[at].earliest(&search.request, length, ready, window.cuts[at]).is_some()
        };
        if search.able.iter().any(within) { Place::Unclear } else { Place::Beyond }
    }
}

/// Where a reservation lies.
enum Place {
    /// Inside the window, and just there.
    Within,
    /// Beyond the window on every worker.
    Beyond,
    /// That depends on the tasks that were passed over.
    Unclear,
}

/// The near future, which ends on each worker at an instant at which no waiting task fits, its cut.
///
/// No reservation can lie across a cut: it is inside the window or beyond it, and what lies beyond leaves what is free
/// inside as it is. So of the tasks in queue order only those that may fit inside have to be looked at, and the others,
/// most of a deep queue, are passed over. Two things have to hold for that.
///
/// - A task that is passed over has no reservation inside. It did not fit there when its turn came, with reservations
///   inside of none but tasks before it.
/// - A task that gets a reservation inside gets the right one. Its earliest start is before the cut of the worker that it is
///   on: up to there that profile is what it would be with every reservation made. Of other workers' profiles what lies behind
///   their cuts is too empty, so that the starts found there are no later than the true ones, and yet not earlier.
///   Where one of those is the earliest, all tasks up to it that were passed over get theirs first;
///   those of tasks behind them, all inside, are not in the way.
///
/// A profile only fills up, so a cut once found holds to the end of the pass, and cuts only move towards now.
#[derive(Debug, Default)]
struct Window {
    /// By profile; none while some worker has none.
    cuts: Vec<Time>,
    /// Every waiting task fits into one of them that fits inside.
    openings: Vec<Demand>,
    /// Tasks that have a reservation before their turn.
    reserved: HashSet<TaskId>,
    /// A reservation was made since the cuts and openings were found.
    stale: bool,
    known: bool,
}

impl Window {
    /// Brings the window up to date; false if there is none.
    fn narrow(&mut self, view: &ClusterView<'_>, profiles: &[Profile], forecast: &Forecast) -> bool {
        if self.known && !self.stale {
            return !self.cuts.is_empty();
        }
        (self.known, self.stale) = (true, false);
        // Past the first such instant of every worker, what can start now has ended.
        let now = view.now();
        let Some(latest) = profiles.iter().try_fold(now, |latest, on| Some(latest.max(on.full_from(now)?)))
        else {
            return false;
        };
        let cuts: Option<Vec<Time>> = profiles.iter().map(|on| on.full_from(latest)).collect();
        if let Some(cuts) = cuts {
            self.cuts = cuts;
        }
        if self.cuts.is_empty() {
            return false;
        }
        self.openings.clear();
        for (on, &cut) in profiles.iter().zip(&self.cuts) {
            on.open_until(cut, view, forecast, &mut self.openings);
        }
        true
    }
}
