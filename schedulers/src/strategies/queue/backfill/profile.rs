//! What will be free on a worker, when: the profile that reservations are made in.

use std::cell::RefCell;

use super::forecast::Forecast;
use crate::strategies::queue::free::Free;
use crate::{ClusterView, Demand, Duration, Part, Request, Time, WorkerId};

/// What is free on one worker from now on: each step lasts until the next begins, the last one for ever.
#[derive(Clone, Debug)]
pub(super) struct Profile {
    pub(super) worker: WorkerId,
    pub(super) steps: Vec<(Time, Free)>,
    /// What the smallest of the waiting tasks asks for, amount by amount, if that is known.
    least: Option<Demand>,
    /// Instants at which no waiting task fits, in order. In a pass a profile only fills up, so that they stay.
    full: Vec<Time>,
    /// What earlier searches have found, so that later ones need not walk over the same steps again.
    floors: RefCell<Floors>,
}

/// Earliest starts that were found in a profile. In a pass it only fills up, so nothing that asks for as much, for as long,
/// starts earlier.
#[derive(Clone, Debug, Default)]
struct Floors {
    found: Vec<(Request, Duration, Time)>,
    /// Which one to give up next.
    oldest: usize,
}

impl Floors {
    /// So many are remembered: it takes no longer to look at all of them than to walk over a few steps.
    const MOST: usize = 24;

    /// No earlier start is possible.
    fn before(&self, request: &Request, length: Duration) -> Time {
        let smaller =
            self.found.iter().filter(|(other, least, _)| *least <= length && includes(request, other));
        smaller.map(|&(.., start)| start).max().unwrap_or(Time::ZERO)
    }

    fn add(&mut self, request: &Request, length: Duration, start: Time) {
        self.found
            .retain(|(other, least, early)| *early > start || *least < length || !includes(other, request));
        if self.found.len() < Self::MOST {
            self.found.push((*request, length, start));
        } else {
            self.oldest = (self.oldest + 1) % Self::MOST;
            self.found[self.oldest] = (*request, length, start);
        }
    }
}

/// Where `request` fits, `other` fits.
fn includes(request: &Request, other: &Request) -> bool {
    other.cpu_milli <= request.cpu_milli
        && other.memory_mib <= request.memory_mib
        && other.storage_mib <= request.storage_mib
        && other.gpu <= request.gpu
}

impl Profile {
    /// Up to so many steps it takes no longer to look at one after the other than to halve them.
    const FEW: usize = 24;

    /// From so many steps on it pays to remember what searches have found.
    const MANY: usize = 64;

    /// With what runs on `worker`; `least` is what the smallest of the waiting tasks asks for.
    pub(super) fn of(
        view: &ClusterView<'_>,
        worker: WorkerId,
        forecast: &Forecast,
        least: Option<Demand>,
    ) -> Option<Self> {
        let mut free = Free::now(view, worker)?;
        let mut steps = vec![(view.now(), free.clone())];
        for (end, task) in forecast.ends(view, worker) {
            free.release(view, worker, task);
            match steps.last_mut() {
                Some((from, last)) if *from == end => last.clone_from(&free),
                _ => steps.push((end, free.clone())),
            }
        }
        let mut profile = Self { worker, steps, least, full: Vec::new(), floors: RefCell::default() };
        profile.measure(least);
        Some(profile)
    }

    /// From now on `least` is what the smallest of the waiting tasks asks for.
    pub(super) fn measure(&mut self, least: Option<Demand>) {
        self.least = least;
        self.full.clear();
        if let Some(least) = least {
            let full = self.steps.iter().filter(|(_, free)| !least.fits(&free.opening()));
            self.full.extend(full.map(|&(from, _)| from));
        }
    }

    /// It is `now`, in a new pass.
    pub(super) fn begin_at(&mut self, now: Time) {
        let at = self.at(now);
        self.steps.drain(..at);
        if let Some((from, free)) = self.steps.first_mut() {
            *from = now;
            let past = self.full.partition_point(|&full| full <= now);
            self.full.drain(..past);
            if self.least.is_some_and(|least| !least.fits(&free.opening())) {
                self.full.insert(0, now);
            }
        }
        *self.floors.get_mut() = Floors::default();
    }

    /// The step that is in force at `time`.
    pub(super) fn at(&self, time: Time) -> usize {
        if self.steps.first().is_some_and(|&(from, _)| time <= from) {
            return 0;
        }
        if self.steps.len() <= Self::FEW {
            // One look after the other, which do not wait for each other.
            return self.steps.iter().skip(1).take_while(|(from, _)| *from <= time).count();
        }
        self.steps.partition_point(|(from, _)| *from <= time).saturating_sub(1)
    }

    /// The earliest start, not before `ready`, from which `request` fits for `length`, if it lies before `before`; it is known
    /// not to lie before `bound`.
    pub(super) fn earliest(
        &self,
        request: &Request,
        length: Duration,
        ready: Time,
        bound: Time,
        before: Time,
    ) -> Option<Time> {
        let from = ready.max(bound);
        if self.steps.len() < Self::MANY {
            return self.earliest_from(request, length, from, before);
        }
        let from = from.max(self.floors.borrow().before(request, length));
        let found = self.earliest_from(request, length, from, before);
        // What was found says nothing of starts before the task's own data was there.
        if self.steps.first().is_some_and(|&(now, _)| ready <= now) {
            self.floors.borrow_mut().add(request, length, found.unwrap_or(before));
        }
        found
    }

    /// The same without a look at what earlier searches have found.
    pub(super) fn earliest_from(
        &self,
        request: &Request,
        length: Duration,
        ready: Time,
        before: Time,
    ) -> Option<Time> {
        let mut first = self.at(ready);
        if request.gpu.is_none() {
            return self.earliest_by_amounts(first, request, length, ready, before);
        }
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

    /// The same from step `first` on where no devices are asked for, in one walk.
    fn earliest_by_amounts(
        &self,
        first: usize,
        request: &Request,
        length: Duration,
        ready: Time,
        before: Time,
    ) -> Option<Time> {
        let mut start: Option<Time> = None;
        for (from, free) in &self.steps[first..] {
            if let Some(start) = start
                && *from >= start + length
            {
                break;
            }
            if !free.holds_amounts(request) {
                start = None;
            } else if start.is_none() {
                start = Some((*from).max(ready));
            }
            if start.unwrap_or(*from) >= before {
                return None;
            }
        }
        start
    }

    /// Whether `request` fits for `length` from now on.
    pub(super) fn fits_now(&self, request: &Request, length: Duration) -> bool {
        self.steps.first().is_some_and(|&(now, _)| self.fits_from(0, request, now + length).is_ok())
    }

    /// Whether `request` fits from step `first` until `end`, on the same devices throughout; else the step to go on at.
    pub(super) fn fits_from(&self, first: usize, request: &Request, end: Time) -> Result<(), usize> {
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
    pub(super) fn throughout(&self, first: usize, end: Time) -> Free {
        let mut least = self.steps[first].1.clone();
        self.window(first, end).for_each(|(_, free)| least.narrow(free));
        least
    }

    /// Takes what the replicas of `part` hold out of the profile, from `start` to `end`.
    pub(super) fn reserve(&mut self, request: &Request, part: &Part, start: Time, end: Time) {
        let first = self.step_at(start);
        let last = self.step_at(end);
        for (from, free) in &mut self.steps[first..last] {
            free.take(request, part);
            if let Some(least) = &self.least
                && !least.fits(&free.opening())
                && let Err(at) = self.full.binary_search(from)
            {
                self.full.insert(at, *from);
            }
        }
    }

    /// Gives back what the replicas of `part` were to hold, from `start` to `end`.
    pub(super) fn release(&mut self, request: &Request, part: &Part, start: Time, end: Time) {
        let first = self.step_at(start);
        let last = self.step_at(end);
        for (from, free) in &mut self.steps[first..last] {
            free.give(request, part);
            if let Some(least) = &self.least
                && least.fits(&free.opening())
                && let Ok(at) = self.full.binary_search(from)
            {
                self.full.remove(at);
            }
        }
        // Steps that were split for it are of no more use.
        for at in [last, first] {
            if at > 0 && at < self.steps.len() && self.steps[at].1 == self.steps[at - 1].1 {
                let (from, _) = self.steps.remove(at);
                if let Ok(at) = self.full.binary_search(&from) {
                    self.full.remove(at);
                }
            }
        }
    }

    /// The first instant from `time` on at which no waiting task fits.
    pub(super) fn full_from(&self, time: Time) -> Option<Time> {
        self.full.get(self.full.partition_point(|full| *full < time)).copied()
    }

    /// Adds openings to `openings` into one of which every waiting task fits that fits here from now to its end, as far as
    /// amounts and estimates tell: what is free from now on, and the less of it the longer.
    pub(super) fn open_now(&self, view: &ClusterView<'_>, forecast: &Forecast, openings: &mut Vec<Demand>) {
        self.open_from(0, Time::NEVER, view, forecast, openings);
    }

    /// The same for tasks that fit here anywhere between now and `cut`.
    pub(super) fn open_until(
        &self,
        cut: Time,
        view: &ClusterView<'_>,
        forecast: &Forecast,
        openings: &mut Vec<Demand>,
    ) {
        let mut before: Option<Demand> = None;
        for (at, (from, free)) in self.steps.iter().enumerate() {
            if *from >= cut {
                return;
            }
            let here = free.opening();
            // What fits from here on where no more is free than before fits into an opening from there.
            if before.is_none_or(|before| here.min(before) != here) {
                self.open_from(at, cut, view, forecast, openings);
            }
            before = Some(here);
        }
    }

    fn open_from(
        &self,
        at: usize,
        cut: Time,
        view: &ClusterView<'_>,
        forecast: &Forecast,
        openings: &mut Vec<Demand>,
    ) {
        let Some(((start, first), steps)) = self.steps[at..].split_first() else { return };
        let mut least = first.opening();
        let lasting = |least: Demand, end: Time| {
            least.lasting(forecast.longest_until(view, self.worker, view.now() + (end - *start)))
        };
        for (from, free) in steps {
            if self.least.is_some_and(|smallest| !smallest.fits(&least)) {
                return;
            }
            if *from >= cut {
                break;
            }
            let next = least.min(free.opening());
            if next != least {
                add_opening(openings, lasting(least, *from));
                least = next;
            }
        }
        if self.least.is_none_or(|smallest| smallest.fits(&least)) {
            add_opening(openings, if cut == Time::NEVER { least } else { lasting(least, cut) });
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

/// Most openings that are told apart.
const MOST_OPENINGS: usize = 32;

/// Adds an opening to those that no other includes.
fn add_opening(openings: &mut Vec<Demand>, opening: Demand) {
    if openings.iter().any(|other| opening.fits(other)) {
        return;
    }
    openings.retain(|other| !other.fits(&opening));
    if openings.len() < MOST_OPENINGS {
        openings.push(opening);
    } else if let Some(last) = openings.last_mut() {
        *last = last.max(opening);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{DeviceSet, GpuRequest};

    /// What is free of ten cores, second by second, and whether that is too little for anybody.
    fn seconds(profile: &Profile) -> Vec<(Free, bool)> {
        let free = |second| {
            let (from, free) = &profile.steps[profile.at(Time::from_micros(second))];
            (free.clone(), profile.full.binary_search(from).is_ok())
        };
        (0..40).map(free).collect()
    }

    proptest! {
        #[test]
        fn what_is_given_back_leaves_no_trace(
            kept in prop::collection::vec((0u64..20, 1u64..20, 1u64..3), 0..4),
            given in prop::collection::vec((0u64..20, 1u64..20, 1u64..3), 0..3),
        ) {
            let least = Some(Demand::new([3, 0, 0, 0], Duration::ZERO));
            let steps = vec![(Time::ZERO, Free::of_cpu(10))];
            let mut profile =
                Profile { worker: WorkerId(0), steps, least, full: Vec::new(), floors: RefCell::default() };
            let part = Part { worker: WorkerId(0), replicas: 1, devices: DeviceSet::EMPTY };
            let spans = |all: &[(u64, u64, u64)]| -> Vec<(Request, Time, Time)> {
                let request = |cpu_milli| Request { cpu_milli, memory_mib: 0, storage_mib: 0, gpu: GpuRequest::NONE };
                let time = Time::from_micros;
                all.iter().map(|&(from, long, cpu)| (request(cpu), time(from), time(from + long))).collect()
            };
            let (kept, given) = (spans(&kept), spans(&given));
            kept.iter().for_each(|(request, start, end)| profile.reserve(request, &part, *start, *end));
            let before = seconds(&profile);
            given.iter().for_each(|(request, start, end)| profile.reserve(request, &part, *start, *end));
            given.iter().for_each(|(request, start, end)| profile.release(request, &part, *start, *end));
            prop_assert_eq!(seconds(&profile), before);
        }
    }

    #[test]
    fn whatever_fits_into_an_opening_fits_into_one_that_was_kept() {
        let mut openings = Vec::new();
        let all: Vec<Demand> = (0..50).map(|at| Demand::new([at, 100 - at, 1, 1], Duration::MAX)).collect();
        all.iter().for_each(|&opening| add_opening(&mut openings, opening));
        assert_eq!(openings.len(), MOST_OPENINGS);
        assert!(all.iter().all(|opening| openings.iter().any(|kept| opening.fits(kept))));
    }
}
