//! Where and when a task fits earliest.

use super::forecast::Forecast;
use super::profile::Profile;
use crate::{ClusterView, Duration, Part, Request, TaskId, Time};

/// One task that looks for its earliest start.
pub(super) struct Search<'a> {
    pub(super) request: Request,
    pub(super) replicas: u32,
    /// By profile: where the task could ever run, how long for, and from when on.
    pub(super) able: Vec<(usize, Duration, Time)>,
    profiles: &'a [Profile],
}

impl<'a> Search<'a> {
    pub(super) fn of(
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
        Some(Self { request: spec.request, replicas: spec.replicas, able, profiles })
    }

    /// The earliest start, and the parts that are reserved for it: on the lowest workers.
    pub(super) fn earliest(&self) -> Option<(Time, Vec<Part>)> {
        if self.replicas > 1 {
            return self.earliest_of_gang();
        }
        let mut best: Option<(Time, usize, Duration)> = None;
        for &(at, length, ready) in &self.able {
            let before = best.map_or(Time::NEVER, |(start, ..)| start);
            if let Some(start) = self.profiles[at].earliest(&self.request, length, ready, ready, before) {
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

    /// The first profile in which one replica fits from now to its end.
    pub(super) fn fits_now(&self, now: Time) -> Option<usize> {
        let mut able = self.able.iter().filter(|&&(.., ready)| ready <= now);
        able.find(|&&(at, length, _)| self.profiles[at].fits_now(&self.request, length)).map(|&(at, ..)| at)
    }
}
