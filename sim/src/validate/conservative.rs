//! `conservative`: no start delays the reservation of a task that stands earlier in the queue.
//!
//! Mu'alem, Feitelson 2001, IEEE TPDS. Each pass builds, for each worker, what is free when if all that runs ends as
//! expected, and places every waiting task, in queue order, where and when it fits earliest, ties to the lowest index. A task
//! that starts must fit now, for as long as it is expected to run, beside the reservations of all that stand before it. The
//! replicas of a gang are placed on the lowest workers from the earliest instant from which they all fit, each for as long
//! as the gang takes on the slowest worker that could hold a part of it.

use cloudai_schedulers::{DeviceSet, Duration, Request, Time};

use super::replay::{Promise, Start, State};
use super::room::Room;
use super::verdict::Findings;

/// What is free on one worker from now on: each step lasts until the next begins, the last one for ever.
#[derive(Debug)]
struct Profile {
    steps: Vec<(Time, Room)>,
}

impl Profile {
    fn of(state: &State<'_>, worker: u32) -> Self {
        let mut room = state.rooms[worker as usize].clone();
        let mut steps = vec![(state.now, room.clone())];
        for (end, attempt) in state.expected_ends(worker) {
            state.release(&mut room, worker, attempt);
            match steps.last_mut() {
                Some((from, last)) if *from == end => last.clone_from(&room),
                _ => steps.push((end, room.clone())),
            }
        }
        Self { steps }
    }

    /// The least that is free in a span of time, dimension by dimension. It begins at or after the first step.
    fn least(&self, from: Time, to: Time) -> Room {
        let first = self.steps.partition_point(|(begin, _)| *begin <= from) - 1;
        let mut least = self.steps[first].1.clone();
        for (_, room) in self.steps[first + 1..].iter().take_while(|(begin, _)| *begin < to) {
            least.narrow(room);
        }
        least
    }

    /// The earliest start from `ready` on, if it lies before `before`: a task can only begin to fit where a step begins.
    fn earliest(
        &self,
        request: &Request,
        length: Duration,
        ready: Time,
        before: Time,
    ) -> Option<(Time, DeviceSet)> {
        let later = self.steps.iter().map(|(begin, _)| *begin).filter(|&begin| begin > ready);
        let mut candidates = std::iter::once(ready).chain(later).take_while(|&start| start < before);
        candidates.find_map(|start| {
            Some((start, self.least_if_held(request, start, start + length)?.place(request)?))
        })
    }

    /// As [`Self::least`], but nothing as soon as a step has too little: most candidates end so.
    fn least_if_held(&self, request: &Request, from: Time, to: Time) -> Option<Room> {
        let first = self.steps.partition_point(|(begin, _)| *begin <= from) - 1;
        let span = self.steps[first..].iter().enumerate().take_while(|(at, step)| *at == 0 || step.0 < to);
        let mut least: Option<Room> = None;
        for (_, (_, room)) in span {
            if !room.holds_amounts(request) {
                return None;
            }
            match &mut least {
                Some(least) => least.narrow(room),
                None => least = Some(room.clone()),
            }
        }
        least
    }

    /// Takes the request out of a span of time.
    fn reserve(&mut self, request: &Request, devices: DeviceSet, from: Time, to: Time) {
        let (first, last) = (self.step_at(from), self.step_at(to));
        self.steps[first..last].iter_mut().for_each(|(_, room)| room.take(request, devices));
    }

    /// Puts back what was reserved.
    fn release(&mut self, request: &Request, devices: DeviceSet, from: Time, to: Time) {
        let (first, last) = (self.step_at(from), self.step_at(to));
        self.steps[first..last].iter_mut().for_each(|(_, room)| room.give(request, devices));
    }

    /// What a start that is expected to last until `end` runs into.
    fn clash(&self, state: &State<'_>, start: &Start, worker: u32, devices: DeviceSet, end: Time) -> String {
        let request = &state.plan.task(start.task).spec.request;
        let mut within = self.steps.iter().take_while(|(begin, _)| *begin < end);
        let (from, lacks) = within
            .find(|(_, room)| !room.holds(request, devices))
            .map_or((state.now, String::new()), |(begin, room)| (*begin, room.lacks(request, devices)));
        format!(
            "delays a reservation of a task before it in the queue, on '{}' from {from} s on: it is expected to end at {end} \
             s, and does not fit beside those reservations ({lacks})",
            state.plan.workers()[worker as usize].name
        )
    }

    /// The step that begins at `time`; splits one for it if need be.
    fn step_at(&mut self, time: Time) -> usize {
        let at = self.steps.partition_point(|(begin, _)| *begin < time);
        if self.steps.get(at).is_none_or(|(begin, _)| *begin != time) {
            let before = self.steps[at - 1].1.clone();
            self.steps.insert(at, (time, before));
        }
        at
    }
}

/// The reservations of one pass, as far down the queue as they are made.
#[derive(Debug)]
struct Pass {
    profiles: Vec<Profile>,
    /// The first rank that is not placed.
    next: u32,
}

impl Pass {
    fn new(state: &State<'_>) -> Self {
        let workers = (0u32..).take(state.rooms.len());
        Self { profiles: workers.map(|worker| Profile::of(state, worker)).collect(), next: 0 }
    }

    /// Makes the reservations of all that wait before `rank`.
    fn place_before(&mut self, state: &State<'_>, rank: u32) {
        for &waiting in state.queue.range(self.next..rank) {
            let task = state.by_rank[waiting as usize];
            let spec = &state.plan.task(task).spec;
            let found =
                if spec.replicas > 1 { self.earliest_gang(state, task) } else { self.earliest(state, task) };
            for Reserved { worker, start, end, devices } in found {
                self.profiles[worker as usize].reserve(&spec.request, devices, start, end);
            }
        }
        self.next = rank;
    }

    /// Where a plain task fits earliest; nothing if it never does.
    fn earliest(&self, state: &State<'_>, task: u32) -> Vec<Reserved> {
        let request = &state.plan.task(task).spec.request;
        let mut best: Option<Reserved> = None;
        for worker in state.able(task) {
            let before = best.as_ref().map_or(Time::NEVER, |best| best.start);
            let length = length(state, task, worker);
            let ready = state.ready_at(task, worker);
            if let Some((start, devices)) =
                self.profiles[worker as usize].earliest(request, length, ready, before)
            {
                best = Some(Reserved { worker, start, end: start + length, devices });
            }
        }
        best.into_iter().collect()
    }

    /// Where the replicas of a gang fit earliest, all at once; nothing if they never do.
    fn earliest_gang(&self, state: &State<'_>, task: u32) -> Vec<Reserved> {
        let spec = &state.plan.task(task).spec;
        let able: Vec<(u32, Time)> =
            state.able(task).map(|worker| (worker, state.ready_at(task, worker))).collect();
        let length = longest(state, task);
        let mut instants: Vec<Time> = Vec::new();
        for &(worker, ready) in &able {
            let later = self.profiles[worker as usize].steps.iter().map(|(begin, _)| *begin);
            instants.extend(later.filter(|&begin| begin > ready).chain([ready]));
        }
        instants.sort_unstable();
        instants.dedup();
        for start in instants {
            let mut parts = Vec::new();
            for &(worker, _) in able.iter().filter(|(_, ready)| *ready <= start) {
                let mut room = self.profiles[worker as usize].least(start, start + length);
                while parts.len() < spec.replicas as usize
                    && let Some(devices) = room.place_replica(&spec.request)
                {
                    room.take(&spec.request, devices);
                    parts.push(Reserved { worker, start, end: start + length, devices });
                }
            }
            if parts.len() == spec.replicas as usize {
                return parts;
            }
        }
        Vec::new()
    }

    /// Lets a start pass that fits beside the reservations made; else says what it runs into.
    fn admit(&mut self, state: &State<'_>, start: &Start) -> Result<(), String> {
        self.place_before(state, start.rank);
        let parts = state.attempts.parts(&state.attempts.all[start.attempt]);
        let spec = &state.plan.task(start.task).spec;
        let mut taken: Vec<(u32, Time, DeviceSet)> = Vec::new();
        for part in parts {
            let Some(worker) = part.worker else { continue };
            let length = if spec.replicas > 1 {
                longest(state, start.task)
            } else {
                length(state, start.task, worker)
            };
            let end = state.now + length;
            let profile = &mut self.profiles[worker as usize];
            if profile.least(state.now, end).holds(&spec.request, part.devices) {
                profile.reserve(&spec.request, part.devices, state.now, end);
                taken.push((worker, end, part.devices));
                continue;
            }
            let why = profile.clash(state, start, worker, part.devices, end);
            // All parts or none.
            for (worker, end, devices) in taken {
                self.profiles[worker as usize].release(&spec.request, devices, state.now, end);
            }
            return Err(why);
        }
        Ok(())
    }
}

/// A part of a reservation.
#[derive(Debug)]
struct Reserved {
    worker: u32,
    start: Time,
    end: Time,
    devices: DeviceSet,
}

/// How long a task is expected to hold a worker; one of no length still has to fit when it starts.
fn length(state: &State<'_>, task: u32, worker: u32) -> Duration {
    state.plan.expected_length(task, worker).max(Time::TICK)
}

/// How long a gang is expected to take on the slowest worker that could hold a part of it.
fn longest(state: &State<'_>, task: u32) -> Duration {
    state.able(task).map(|worker| length(state, task, worker)).max().unwrap_or(Time::TICK)
}

/// All reservations, pass by pass. A start that delays one is left out when the next ones of the pass are judged.
#[derive(Debug, Default)]
pub(super) struct Conservative {
    pass: Option<Pass>,
    overtakes: u64,
}

impl Promise for Conservative {
    fn started(&mut self, state: &State<'_>, start: &Start, findings: &mut Findings) {
        // Whoever starts in queue order delays nobody.
        if state.head().is_none_or(|head| state.rank(head) > start.rank) {
            return;
        }
        self.overtakes += 1;
        if state.is_unsettled {
            return;
        }
        let pass = self.pass.get_or_insert_with(|| Pass::new(state));
        if let Err(why) = pass.admit(state, start) {
            findings.found("conservative", state.at(start), || why);
        }
    }

    fn settled(&mut self, _: &State<'_>, _: &mut Findings) {
        self.pass = None;
    }

    fn finish(&mut self, findings: &mut Findings) {
        findings.checked("conservative", "overtakes", self.overtakes);
    }
}
