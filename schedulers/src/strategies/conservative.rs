//! `conservative`: backfilling in which every waiting task has a reservation.

use super::free::{Free, expected_length};
use crate::{
    Capabilities, ClusterView, DeviceSet, Duration, Kind, Params, Placement, QueueCursor, Request, Scheduler,
    SchedulingContext, StrategyInfo, TaskId, Time, WorkerId, WorkloadProfile,
};

/// `conservative` in the registry.
pub const INFO: StrategyInfo = StrategyInfo {
    name: "conservative",
    aliases: &[],
    about: "queue: every waiting task has a reservation that no later one may delay",
    kind: Kind::Queue,
    source: "Mu'alem, Feitelson 2001, IEEE TPDS (conservative backfilling)",
    complexity: "O(Q x W x steps of a worker's profile) per pass",
    params: &[],
    build: |_: &Params| Box::new(Conservative),
};

/// Each pass builds, for each worker, what will be free when if every task ends as expected, and places every queued task,
/// in queue order, where and when it fits earliest, ties to the lowest worker. A task starts if that is now.
///
/// On one pool of one resource this is the original. With several workers and resources a task must fit in all of them,
/// and on the same GPU devices throughout.
#[derive(Clone, Copy, Debug, Default)]
pub struct Conservative;

/// What is free on one worker from now on: each step lasts until the next begins, the last one for ever.
#[derive(Debug)]
struct Profile {
    worker: WorkerId,
    steps: Vec<(Time, Free)>,
}

/// A place in a profile.
#[derive(Clone, Copy, Debug)]
struct Slot {
    start: Time,
    devices: DeviceSet,
}

impl Profile {
    fn of(view: &ClusterView<'_>, worker: WorkerId) -> Option<Self> {
        let mut free = Free::now(view, worker)?;
        let mut steps = vec![(view.now(), free.clone())];
        for (end, task) in view.worker(worker)?.running() {
            free.release(view, worker, task);
            match steps.last_mut() {
                Some((from, last)) if *from == end => last.clone_from(&free),
                _ => steps.push((end, free.clone())),
            }
        }
        Some(Self { worker, steps })
    }

    /// The earliest start, not before `ready`, from which `request` fits for `length`, if it lies before `before`.
    fn earliest(&self, request: &Request, length: Duration, ready: Time, before: Time) -> Option<Slot> {
        let mut first = self.steps.partition_point(|(from, _)| *from <= ready).saturating_sub(1);
        while let Some((from, free)) = self.steps.get(first) {
            let start = (*from).max(ready);
            if start >= before {
                return None;
            }
            match self.fits_from(first, free, request, start + length) {
                Ok(devices) => return Some(Slot { start, devices }),
                Err(next) => first = next,
            }
        }
        None
    }

    /// Whether `request` fits from step `first` until `end`, on the same devices throughout; else the step to go on at.
    fn fits_from(&self, first: usize, free: &Free, request: &Request, end: Time) -> Result<DeviceSet, usize> {
        let window =
            || self.steps[first..].iter().enumerate().take_while(|(at, step)| *at == 0 || step.0 < end);
        if let Some((at, _)) = window().find(|(_, (_, free))| !free.holds_amounts(request)) {
            return Err(first + at + 1);
        }
        if request.gpu.is_none() {
            return Ok(DeviceSet::EMPTY);
        }
        let mut throughout = free.clone();
        window().for_each(|(_, (_, free))| throughout.narrow(free));
        throughout.devices_for(request).ok_or(first + 1)
    }

    /// Takes `request` out of the profile for `length` from `slot` on.
    fn reserve(&mut self, request: &Request, slot: Slot, length: Duration) {
        let first = self.step_at(slot.start);
        let last = self.step_at(slot.start + length);
        for (_, free) in &mut self.steps[first..last] {
            free.take(request, slot.devices);
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

impl Scheduler for Conservative {
    fn supports(&self) -> Capabilities {
        Capabilities::new()
    }

    fn attach(&mut self, _: &ClusterView<'_>, _: &WorkloadProfile) {}

    fn schedule(&mut self, cx: &mut SchedulingContext<'_>) {
        let view = cx.view();
        let now = view.now();
        let mut profiles: Vec<Profile> =
            view.workers().filter_map(|worker| Profile::of(&view, worker.id())).collect();
        let mut cursor = QueueCursor::default();
        while let Some(task) = cx.next_queued(&mut cursor) {
            let Some((at, slot, length)) = earliest(&cx.view(), task, &profiles) else { continue };
            let Some(request) = cx.view().task(task).map(|task| task.spec().request) else { continue };
            profiles[at].reserve(&request, slot, length);
            if slot.start == now {
                // What was found fits: the core has nothing against it.
                let _ = cx.place(task, Placement::single(profiles[at].worker, slot.devices));
            }
        }
    }
}

/// Where and when `task` fits earliest: index of the profile, the slot, and how long it will hold it.
fn earliest(view: &ClusterView<'_>, task: TaskId, profiles: &[Profile]) -> Option<(usize, Slot, Duration)> {
    let request = view.task(task)?.spec().request;
    let mut best: Option<(usize, Slot, Duration)> = None;
    for (at, profile) in profiles.iter().enumerate() {
        if !view.can_ever_hold(task, profile.worker) {
            continue;
        }
        // A task of no length still has to fit when it starts.
        let length = expected_length(view, task, profile.worker).max(Time::TICK);
        let ready = view.ready_at(task, profile.worker).max(view.now());
        let before = best.map_or(Time::NEVER, |(_, slot, _)| slot.start);
        if let Some(slot) = profile.earliest(&request, length, ready, before) {
            best = Some((at, slot, length));
        }
        if best.is_some_and(|(_, slot, _)| slot.start == view.now()) {
            break;
        }
    }
    best
}
