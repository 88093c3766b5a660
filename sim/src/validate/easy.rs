//! `easy`: no task that overtakes the head of the queue delays the head's reservation.
//!
//! Lifka 1995, "The ANL/IBM SP Scheduling System"; Mu'alem, Feitelson 2001, IEEE TPDS. In each pass whoever starts in queue
//! order does so freely. The first task that is left waiting is the head. Its reservation: the worker where it fits earliest
//! if all that runs ends as expected (all ends tied at one instant counted), ties to the lowest index; that instant is the
//! shadow time, and what is then free beside the head is the extra. A task behind the head may start on any other worker,
//! and on that one if it is expected to end by the shadow time, or fits into the extra, which it then takes.

use cloudai_schedulers::Time;

use super::replay::{Promise, Start, State};
use super::room::Room;
use super::verdict::Findings;

/// When and where the head will start, and what will be free beside it.
#[derive(Debug)]
struct Reservation {
    head: u32,
    worker: u32,
    shadow: Time,
    extra: Room,
}

impl Reservation {
    fn of(state: &State<'_>, head: u32) -> Option<Self> {
        let workers = (0u32..).take(state.rooms.len()).filter(|&worker| state.is_able(head, worker));
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
                return Some(Self { head, worker, shadow, extra: room });
            }
            shadow = ends.peek()?.0;
        }
        None
    }

    /// Lets a start on the reserved worker pass if it does not delay the head; else says why it does.
    fn admit(&mut self, state: &State<'_>, start: &Start) -> Result<(), String> {
        let attempt = &state.attempts.all[start.attempt];
        let [part] = state.attempts.parts(attempt) else { return Ok(()) };
        if part.worker != Some(self.worker) {
            return Ok(());
        }
        let end = state.now + state.plan.expected_length(start.task, self.worker);
        if end <= self.shadow {
            return Ok(());
        }
        let request = &state.plan.task(start.task).spec.request;
        if self.extra.holds(request, part.devices) {
            self.extra.take(request, part.devices);
            return Ok(());
        }
        Err(format!(
            "overtakes the head, task '{}', and delays its reservation on '{}' at {} s: it is expected to end at {end} s, \
             and does not fit beside the head ({})",
            state.name(self.head),
            state.plan.workers()[self.worker as usize].name,
            self.shadow,
            self.extra.lacks(request, part.devices)
        ))
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
