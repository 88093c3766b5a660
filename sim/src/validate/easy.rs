//! `easy`: no task that overtakes the head of the queue delays the head's reservation.
//!
//! Lifka 1995, "The ANL/IBM SP Scheduling System"; Mu'alem, Feitelson 2001, IEEE TPDS. In each pass whoever starts in queue
//! order does so freely. The first task that is left waiting is the head. Its reservation: the worker where it fits earliest
//! if all that runs ends as expected (all ends tied at one instant counted), ties to the lowest index; a gang takes the lowest
//! workers at the earliest instant at which all its replicas fit. That instant is the shadow time, and what is then free
//! beside the head is the extra. A task behind the head may start on any other worker, and on a reserved one if it is
//! expected to end by the shadow time, or fits into the extra, which it then takes.

use cloudai_schedulers::Time;

use super::replay::{Promise, Start, State};
use super::room::Room;
use super::verdict::Findings;

/// When and where the head will start, and what will be free beside it.
#[derive(Debug)]
struct Reservation {
    head: u32,
    shadow: Time,
    /// By worker.
    extra: Vec<(u32, Room)>,
}

impl Reservation {
    fn of(state: &State<'_>, head: u32) -> Option<Self> {
        let workers = state.able(head);
        if state.plan.task(head).spec.replicas > 1 {
            return Self::of_gang(state, head, &workers.collect::<Vec<_>>());
        }
        let mut best: Option<Self> = None;
        for worker in workers {
            let before = best.as_ref().map_or(Time::NEVER, |best| best.shadow);
            best = Self::on(state, head, worker, before).or(best);
        }
        best
    }

    /// The earliest start of the head on a worker, if it lies before `before`.
    fn on(state: &State<'_>, head: u32, worker: u32, before: Time) -> Option<Self> {
        let request = &state.plan.task(head).spec.request;
        let mut room = state.rooms[worker as usize].clone();
        let mut ends = state.expected_ends(worker).peekable();
        let mut shadow = state.ready_at(head, worker);
        while shadow < before {
            while let Some((_, attempt)) = ends.next_if(|&(end, _)| end <= shadow) {
                state.release(&mut room, worker, attempt);
            }
            if let Some(devices) = room.place(request) {
                room.take(request, devices);
                return Some(Self { head, shadow, extra: vec![(worker, room)] });
            }
            shadow = ends.peek()?.0;
        }
        None
    }

    /// The earliest instant at which all replicas fit, on the lowest of these workers.
    fn of_gang(state: &State<'_>, head: u32, workers: &[u32]) -> Option<Self> {
        let spec = &state.plan.task(head).spec;
        let mut rooms: Vec<Room> =
            workers.iter().map(|&worker| state.rooms[worker as usize].clone()).collect();
        let mut fits = vec![0; workers.len()];
        let mut is_ready = vec![false; workers.len()];
        // Data that arrives (none ends), and what ends.
        let mut changes: Vec<(Time, usize, Option<usize>)> = Vec::new();
        for (at, &worker) in workers.iter().enumerate() {
            changes.push((state.ready_at(head, worker), at, None));
            changes.extend(state.expected_ends(worker).map(|(end, attempt)| (end, at, Some(attempt))));
        }
        changes.sort_unstable();
        for instant in changes.chunk_by(|a, b| a.0 == b.0) {
            for &(_, at, ended) in instant {
                match ended {
                    Some(attempt) => state.release(&mut rooms[at], workers[at], attempt),
                    None => is_ready[at] = true,
                }
                if is_ready[at] {
                    fits[at] = rooms[at].clone().take_replicas(&spec.request, spec.replicas);
                }
            }
            if fits.iter().map(|&fits| u64::from(fits)).sum::<u64>() < u64::from(spec.replicas) {
                continue;
            }
            let (mut extra, mut missing) = (Vec::new(), spec.replicas);
            for (at, room) in rooms.iter_mut().enumerate().filter(|(at, _)| is_ready[*at]) {
                let taken = room.take_replicas(&spec.request, missing);
                missing -= taken;
                if taken > 0 {
                    extra.push((workers[at], room.clone()));
                }
            }
            return Some(Self { head, shadow: instant[0].0, extra });
        }
        None
    }

    /// Lets a start pass that does not delay the head; else says why it does.
    fn admit(&mut self, state: &State<'_>, start: &Start) -> Result<(), String> {
        let parts = state.attempts.parts(&state.attempts.all[start.attempt]);
        let lengths =
            parts.iter().filter_map(|part| Some(state.plan.expected_length(start.task, part.worker?)));
        let end = state.now + lengths.max().unwrap_or_default();
        if end <= self.shadow {
            return Ok(());
        }
        let request = &state.plan.task(start.task).spec.request;
        let mut left = self.extra.clone();
        for part in parts {
            let Some((worker, extra)) = left.iter_mut().find(|(worker, _)| part.worker == Some(*worker))
            else {
                continue;
            };
            if !extra.holds(request, part.devices) {
                return Err(format!(
                    "overtakes the head, task '{}', and delays its reservation on '{}' at {} s: it is expected to end at \
                     {end} s, and does not fit beside the head ({})",
                    state.name(self.head),
                    state.plan.workers()[*worker as usize].name,
                    self.shadow,
                    extra.lacks(request, part.devices)
                ));
            }
            extra.take(request, part.devices);
        }
        self.extra = left;
        Ok(())
    }
}

/// The head's reservation, pass by pass. A start that delays it is left out when the next ones of the pass are judged.
#[derive(Debug, Default)]
pub(super) struct Easy {
    reservation: Option<Reservation>,
    overtakes: u64,
}

impl Promise for Easy {
    fn started(&mut self, state: &State<'_>, start: &Start, findings: &mut Findings) {
        let Some(head) = state.head() else { return };
        if state.rank(head) > start.rank {
            return; // in queue order: nobody is overtaken
        }
        self.overtakes += 1;
        if state.is_unsettled {
            return;
        }
        if self.reservation.is_none() {
            self.reservation = Reservation::of(state, head);
        }
        if let Some(Err(why)) = self.reservation.as_mut().map(|reservation| reservation.admit(state, start)) {
            findings.found("easy", state.at(start), || why);
        }
    }

    fn settled(&mut self, _: &State<'_>, _: &mut Findings) {
        self.reservation = None;
    }

    fn finish(&mut self, findings: &mut Findings) {
        findings.checked("easy", "overtakes", self.overtakes);
    }
}
