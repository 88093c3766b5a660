//! Conservative backfilling: every waiting task has a reservation, and no later one may delay it.

use super::forecast::Forecast;
use super::{Backfilling, Pass};
use crate::strategies::queue::free::Free;
use crate::strategies::queue::place::Limits;
use crate::{ClusterView, Duration, Indexes, Part, Request, TaskId, Time, WorkerId};

/// Conservative backfilling (Mu'alem, Feitelson 2001, IEEE TPDS).
///
/// Each pass builds, for each worker, what will be free when if every task ends as expected, and places every queued task,
/// in queue order, where and when it fits earliest, ties to the lowest worker. A task starts if that is now, and then on the
/// one of the workers with room that the placement rule likes best.
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

/// What is free on one worker from now on: each step lasts until the next begins, the last one for ever.
#[derive(Debug)]
struct Profile {
    worker: WorkerId,
    steps: Vec<(Time, Free)>,
}

impl Profile {
    fn of(view: &ClusterView<'_>, worker: WorkerId, forecast: &Forecast) -> Option<Self> {
        let mut free = Free::now(view, worker)?;
        let mut steps = vec![(view.now(), free.clone())];
        for (end, task) in forecast.ends(view, worker) {
            free.release(view, worker, task);
            match steps.last_mut() {
                Some((from, last)) if *from == end => last.clone_from(&free),
                _ => steps.push((end, free.clone())),
            }
        }
        Some(Self { worker, steps })
    }

    /// The step that is in force at `time`.
    fn at(&self, time: Time) -> usize {
        self.steps.partition_point(|(from, _)| *from <= time).saturating_sub(1)
    }

    /// The earliest start, not before `ready`, from which `request` fits for `length`, if it lies before `before`.
    fn earliest(&self, request: &Request, length: Duration, ready: Time, before: Time) -> Option<Time> {
        let mut first = self.at(ready);
        while let Some((from, _)) = self.steps.get(first) {
            let start = (*from).max(ready);
            if start >= before {
                return None;
            }
            match self.fits_from(first, request, start + length) {
                Ok(()) => return Some(start),
                Err(next) => first = next,
            }
        }
        None
    }

    /// Whether `request` fits from step `first` until `end`, on the same devices throughout; else the step to go on at.
    fn fits_from(&self, first: usize, request: &Request, end: Time) -> Result<(), usize> {
        if let Some((at, _)) = self.window(first, end).find(|(_, free)| !free.holds_amounts(request)) {
            return Err(at + 1);
        }
        let fits = request.gpu.is_none() || self.throughout(first, end).place(request).is_some();
        if fits { Ok(()) } else { Err(first + 1) }
    }

    /// The steps from `first` on that begin before `end`.
    fn window(&self, first: usize, end: Time) -> impl Iterator<Item = (usize, &Free)> {
        let steps = self.steps.iter().enumerate().skip(first);
        steps.take_while(move |(at, step)| *at == first || step.0 < end).map(|(at, (_, free))| (at, free))
    }

    /// What is free from step `first` until `end` without a break.
    fn throughout(&self, first: usize, end: Time) -> Free {
        let mut least = self.steps[first].1.clone();
        self.window(first, end).for_each(|(_, free)| least.narrow(free));
        least
    }

    /// Takes what the replicas of `part` hold out of the profile, from `start` to `end`.
    fn reserve(&mut self, request: &Request, part: &Part, start: Time, end: Time) {
        let first = self.step_at(start);
        let last = self.step_at(end);
        for (_, free) in &mut self.steps[first..last] {
            free.take(request, part);
        }
    }

    /// The step that begins at `time`; splits one for it if need be.
    fn step_at(&mut self, time: Time) -> usize {
        let at = self.steps.partition_point(|(from, _)| *from < time);
        if self.steps.get(at).is_none_or(|(from, _)| *from != time) {
            let before = self.steps[at - 1].1.clone();
            self.steps.insert(at, (time, before));
        }
        at
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
        Indexes { expected_ends: true, ..Indexes::default() }
    }

    fn attach(&mut self, view: &ClusterView<'_>) {
        self.forecast.attach(view);
    }

    fn pass(&mut self, pass: &mut Pass<'_, '_>) {
        let view = pass.view();
        let now = view.now();
        let of = |worker| Profile::of(&view, worker, &self.forecast);
        let mut profiles: Vec<Profile> = view.workers().map(|worker| worker.id()).filter_map(of).collect();
        while let Some(task) = pass.next_task() {
            let view = pass.view();
            let Some(search) = Search::of(&view, task, &profiles, &self.forecast) else { continue };
            let Some((start, mut parts)) = search.earliest() else { continue };
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
    }
}
