//! `easy`: first come first served with aggressive backfilling.

use super::free::{Free, expected_length};
use crate::{
    Capabilities, ClusterView, Kind, Params, Placement, QueueCursor, Scheduler, SchedulingContext,
    StrategyInfo, TaskId, Time, WorkerId, WorkloadProfile,
};

/// `easy` in the registry.
pub const INFO: StrategyInfo = StrategyInfo {
    name: "easy",
    aliases: &[],
    about: "queue: fcfs, and later tasks may overtake if they do not delay the head's reservation",
    kind: Kind::Queue,
    source: "Lifka 1995, The ANL/IBM SP Scheduling System; Mu'alem, Feitelson 2001, IEEE TPDS",
    complexity: "O(Q x feasible workers + W x running tasks a worker) per pass",
    params: &[],
    build: |_: &Params| Box::new(Easy),
};

/// Starts the head of the queue while it fits. Then only the head gets a reservation, computed anew in every pass: the
/// worker where it fits earliest if every task ends as expected, ties to the lowest index. The rest start in queue order:
/// on any other worker, first fit; on the reserved one only if they are expected to end by then, or fit into what the head
/// will leave.
///
/// On one pool of one resource this is the original. With several workers and resources, "what the head leaves" is a
/// vector, device by device.
#[derive(Clone, Copy, Debug, Default)]
pub struct Easy;

/// When and where the head will start, and what will be free there beside it.
#[derive(Clone, Debug)]
struct Reservation {
    worker: WorkerId,
    shadow: Time,
    extra: Free,
}

impl Reservation {
    /// The earliest start of `head` if every task ends as expected; `None` if no worker that is up can ever hold it.
    fn of(view: &ClusterView<'_>, head: TaskId) -> Option<Self> {
        let able =
            view.workers().map(|worker| worker.id()).filter(|&worker| view.can_ever_hold(head, worker));
        let mut best: Option<Self> = None;
        for worker in able {
            let before = best.as_ref().map_or(Time::NEVER, |best| best.shadow);
            if let Some(found) = Self::on(view, head, worker, before) {
                best = Some(found);
            }
        }
        best
    }

    /// The earliest start on `worker`, if it lies before `before`.
    fn on(view: &ClusterView<'_>, head: TaskId, worker: WorkerId, before: Time) -> Option<Self> {
        let request = view.task(head)?.spec().request;
        let ready = view.ready_at(head, worker).max(view.now());
        let mut free = Free::now(view, worker)?;
        let mut running = view.worker(worker)?.running().peekable();
        let mut shadow = ready;
        // All that ends by the time the data is there, and then one instant after the other.
        loop {
            while let Some((_, task)) = running.next_if(|&(end, _)| end <= shadow) {
                free.release(view, worker, task);
            }
            if shadow >= before {
                return None;
            }
            if let Some(devices) = free.place(&request) {
                free.take(&request, devices);
                return Some(Self { worker, shadow, extra: free });
            }
            shadow = running.peek()?.0;
        }
    }

    /// Where `task` may start on the reserved worker without delaying the head; takes it out of what is left.
    fn admit(&mut self, view: &ClusterView<'_>, task: TaskId) -> Option<Placement> {
        let request = view.task(task)?.spec().request;
        if view.now() + expected_length(view, task, self.worker) <= self.shadow {
            return view.placement_on(task, self.worker);
        }
        // It will still be there: on devices that are free now and then.
        if !self.extra.holds_amounts(&request) {
            return None;
        }
        let mut both = Free::now(view, self.worker)?;
        both.narrow(&self.extra);
        let devices = both.devices_for(&request)?;
        self.extra.take(&request, devices);
        Some(Placement::single(self.worker, devices))
    }
}

impl Scheduler for Easy {
    fn supports(&self) -> Capabilities {
        Capabilities::new()
    }

    fn attach(&mut self, _: &ClusterView<'_>, _: &WorkloadProfile) {}

    fn schedule(&mut self, cx: &mut SchedulingContext<'_>) {
        let mut cursor = QueueCursor::default();
        let head = loop {
            let Some(task) = cx.next_queued(&mut cursor) else { return };
            let found = cx.view().first_fit(task);
            let started = found.is_some_and(|worker| cx.assign(task, worker).is_ok());
            if !started {
                break task;
            }
        };
        let mut reservation = Reservation::of(&cx.view(), head);
        while let Some(task) = cx.next_queued(&mut cursor) {
            let view = cx.view();
            if view.surely_full_for(task) {
                continue;
            }
            let found = view.feasible(task).find_map(|worker| match &mut reservation {
                Some(reservation) if reservation.worker == worker => reservation.admit(&view, task),
                _ => view.placement_on(task, worker),
            });
            if let Some(placement) = found {
                // What was found fits: the core has nothing against it.
                let _ = cx.place(task, placement);
            }
        }
    }
}
