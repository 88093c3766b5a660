//! Conservative backfilling: every waiting task has a reservation, and no later one may delay it.

use super::forecast::Forecast;
use super::plan::Plan;
use super::profile::Profile;
use super::search::Search;
use super::window::Window;
use super::{Backfilling, Pass};
use crate::strategies::queue::order::Ahead;
use crate::strategies::queue::place::Limits;
use crate::{ClusterView, Demand, Duration, Indexes, Request, TaskId, Time, WorkerId};

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
/// And most of the reservations that a pass does make are those that the last one made. It keeps them, and searches anew only
/// for tasks that may fit earlier than they did, or no longer where they did.
///
/// On one pool of one resource this is the original. With several workers and resources a task must fit in all of them,
/// and on the same GPU devices throughout. The replicas of a gang start at the earliest instant from which they all fit,
/// on the lowest workers.
#[derive(Clone, Debug)]
pub struct Conservative {
    forecast: Forecast,
    plan: Plan,
}

impl Conservative {
    /// Conservative backfilling that believes this of run times.
    #[must_use]
    pub fn new(forecast: Forecast) -> Self {
        Self { forecast, plan: Plan::default() }
    }
}

impl Backfilling for Conservative {
    fn indexes(&self) -> Indexes {
        let recent_changes = matches!(self.forecast, Forecast::Estimates);
        Indexes { expected_ends: true, deep_queue: true, recent_changes, ..Indexes::default() }
    }

    fn attach(&mut self, view: &ClusterView<'_>) {
        self.forecast.attach(view);
        self.plan.clear();
    }

    fn pass(&mut self, pass: &mut Pass<'_, '_>) {
        // Only a pass that may start something needs to know what will be free.
        if !may_start_any(pass) {
            return;
        }
        let mut held_up = None;
        if self.plan.keeps_none() && matches!(self.forecast, Forecast::Estimates) {
            let Some(task) = start_in_order(pass) else { return };
            held_up = Some(task);
            pass.look_from_here();
            if !is_gang(&pass.view(), task) && !may_start_any(pass) {
                return;
            }
        }
        self.plan.begin(&pass.view(), &self.forecast);
        self.plan.replay(pass, &mut self.forecast);
        if let Some(task) = held_up {
            self.plan.add(pass, &mut self.forecast, task);
        }
        let mut window = Window::default();
        self.go_on(pass, &mut window);
        self.plan.release(&pass.view(), window.reserved.into_values().flatten());
        self.plan.finish(&pass.view(), &self.forecast);
    }
}

/// True if there is a task that some worker has room for, as far as amounts tell, behind those that were looked at.
fn may_start_any(pass: &mut Pass<'_, '_>) -> bool {
    pass.look_ahead(&[pass.view().most_room()]) != Ahead::Nothing
}

/// While nobody has a reservation, what is free now is free for ever: starts tasks in queue order, as far as one that does not
/// fit, which it returns.
///
/// Or that is a gang: the pass that starts it counts on all of it for as long as the slowest worker takes on which it could run,
/// and those that come behind it have to see that.
fn start_in_order(pass: &mut Pass<'_, '_>) -> Option<TaskId> {
    while let Some(task) = pass.next_task() {
        if is_gang(&pass.view(), task) || !pass.starts(task, Limits::NONE) {
            return Some(task);
        }
    }
    None
}

fn is_gang(view: &ClusterView<'_>, task: TaskId) -> bool {
    view.task(task).is_some_and(|task| task.spec().replicas > 1)
}

impl Conservative {
    /// Goes on behind the tasks that have had their turn, as long as somebody may start.
    fn go_on(&mut self, pass: &mut Pass<'_, '_>, window: &mut Window) {
        // What fits into no more than that is only found out where somebody looks as if he might start.
        let mut openings = vec![pass.view().most_room()];
        pass.look_from_here();
        let mut ahead = pass.look_ahead(&openings);
        let mut likely = 0;
        loop {
            // What may start is still there, and may start: or what is next, or nobody.
            while let Ahead::Task(task) = ahead
                && !self.may_start(&pass.view(), task, &mut likely)
            {
                self.open(&pass.view(), &mut openings);
                ahead = pass.look_ahead(&openings);
            }
            if ahead == Ahead::Nothing {
                return;
            }
            // Every task up to there has a reservation that comes first, if it can matter.
            let Some(task) = self.next(pass, window) else { return };
            if ahead == Ahead::Task(task) {
                // There is less room now, but none where there was none.
                ahead = pass.look_ahead(&openings);
            }
        }
    }

    /// True if one replica of `task` has room on some worker from now to its end; `likely` is where to look first.
    fn may_start(&self, view: &ClusterView<'_>, task: TaskId, likely: &mut usize) -> bool {
        let profiles = &self.plan.profiles;
        let fits = |at: usize, request: &Request| {
            let on = &profiles[at];
            on.fits_now(request, self.forecast.length(view, task, on.worker).max(Time::TICK))
        };
        let found = match view.task(task).map(|task| task.spec()) {
            Some(spec) if spec.replicas == 1 => {
                let now = view.feasible(task).map(WorkerId::index).filter(|&at| at < profiles.len());
                let first = profiles.get(*likely).filter(|on| view.fits(task, on.worker)).map(|_| *likely);
                first.into_iter().chain(now).find(|&at| fits(at, &spec.request))
            }
            _ => Search::of(view, task, profiles, &self.forecast)
                .and_then(|search| search.fits_now(view.now())),
        };
        *likely = found.unwrap_or(*likely);
        found.is_some()
    }

    /// Openings into one of which every task fits that may start now, as far as amounts and estimates tell.
    fn open(&self, view: &ClusterView<'_>, openings: &mut Vec<Demand>) {
        openings.clear();
        self.plan.profiles.iter().for_each(|on| on.open_now(view, &self.forecast, openings));
    }

    /// Makes the next reservations, as far as a task which it returns; those that it passes over lie beyond the window.
    fn next(&mut self, pass: &mut Pass<'_, '_>, window: &mut Window) -> Option<TaskId> {
        while window.narrow(&pass.view(), &self.plan.profiles, &self.forecast)
            && let Ahead::Task(task) = pass.survey(&window.openings)
        {
            if window.reserved.contains_key(&task) {
                continue;
            }
            let mut steps = 1;
            loop {
                match self.place_of(&pass.view(), task, &self.plan.profiles, window) {
                    Place::Within => {
                        let made = self.plan.reserve(pass, &mut self.forecast, task);
                        window.reserved.insert(task, made);
                        window.stale = true;
                    }
                    Place::Beyond => {}
                    // The more of the tasks before it have theirs, the clearer.
                    Place::Unclear => {
                        for _ in 0..steps {
                            if self.step(pass, window)? == task {
                                return Some(task);
                            }
                        }
                        steps *= 2;
                        window.narrow(&pass.view(), &self.plan.profiles, &self.forecast);
                        continue;
                    }
                }
                return Some(task);
            }
        }
        self.step(pass, window)
    }

    /// Makes the reservation of the next task in queue order that has none, and returns the task.
    fn step(&mut self, pass: &mut Pass<'_, '_>, window: &mut Window) -> Option<TaskId> {
        loop {
            let task = pass.next_task()?;
            match window.reserved.remove(&task) {
                Some(made) => made.into_iter().for_each(|made| self.plan.push(made)),
                None => {
                    self.plan.add(pass, &mut self.forecast, task);
                    window.stale = true;
                    return Some(task);
                }
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
            profiles[at].earliest(&search.request, length, ready, ready, window.cuts[at]).is_some()
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
