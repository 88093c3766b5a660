//! `easy`: first come first served with aggressive backfilling.

use crate::{
    Capabilities, ClusterView, Duration, Kind, Params, Placement, QueueCursor, Request, Scheduler,
    SchedulingContext, StrategyInfo, TaskId, Time, WorkerId, WorkloadProfile, choose_devices,
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

/// Resources of one worker that are free.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Free {
    cpu_milli: u64,
    memory_mib: u64,
    storage_mib: u64,
    /// Milli-GPU left on each device.
    devices: Vec<u32>,
}

impl Free {
    /// What is free on `worker` now.
    pub(super) fn now(view: &ClusterView<'_>, worker: WorkerId) -> Option<Self> {
        let worker = view.worker(worker)?;
        Some(Self {
            cpu_milli: worker.free_cpu_milli(),
            memory_mib: worker.free_memory_mib(),
            storage_mib: worker.free_storage_mib(),
            devices: worker.free_devices().to_vec(),
        })
    }

    /// The amounts suffice; of devices this says nothing.
    pub(super) fn holds_amounts(&self, request: &Request) -> bool {
        request.cpu_milli <= self.cpu_milli
            && request.memory_mib <= self.memory_mib
            && request.storage_mib <= self.storage_mib
    }

    /// The devices on which `request` fits, if it fits.
    fn place(&self, request: &Request) -> Option<crate::DeviceSet> {
        if self.holds_amounts(request) { choose_devices(&self.devices, request.gpu) } else { None }
    }

    /// Adds what `task` holds on `worker`.
    pub(super) fn release(&mut self, view: &ClusterView<'_>, worker: WorkerId, task: TaskId) {
        let Some(task) = view.task(task) else { return };
        let request = task.spec().request;
        for part in task.placement().parts().iter().filter(|part| part.worker == worker) {
            let times = u64::from(part.replicas);
            self.cpu_milli += request.cpu_milli * times;
            self.memory_mib += request.memory_mib * times;
            self.storage_mib += request.storage_mib * times;
            let each = if request.gpu.is_fraction() {
                request.gpu.milli() * part.replicas
            } else {
                request.gpu.milli_per_device()
            };
            part.devices.iter().for_each(|device| self.devices[device as usize] += each);
        }
    }

    /// Takes what one task holds on these devices.
    pub(super) fn take(&mut self, request: &Request, devices: crate::DeviceSet) {
        self.cpu_milli -= request.cpu_milli;
        self.memory_mib -= request.memory_mib;
        self.storage_mib -= request.storage_mib;
        let each = request.gpu.milli_per_device();
        devices.iter().for_each(|device| self.devices[device as usize] -= each);
    }

    /// The least of both, device by device.
    pub(super) fn narrow(&mut self, other: &Self) {
        for (mine, theirs) in self.devices.iter_mut().zip(&other.devices) {
            *mine = (*mine).min(*theirs);
        }
    }

    /// The devices on which a request for GPU fits.
    pub(super) fn devices_for(&self, request: &Request) -> Option<crate::DeviceSet> {
        choose_devices(&self.devices, request.gpu)
    }
}

/// From an assignment now to the expected end on `worker`.
pub(super) fn expected_length(view: &ClusterView<'_>, task: TaskId, worker: WorkerId) -> Duration {
    view.startup_latency().saturating_add(view.expected_run(task, worker))
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
            if !found.is_some_and(|worker| cx.assign(task, worker).is_ok()) {
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
