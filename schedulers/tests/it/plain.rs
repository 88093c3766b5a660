//! EASY and conservative backfilling as their definitions have them: everything worked out anew in every pass, by trying every
//! task, every worker and every instant. First come first served, first fit. They share no code with the strategies.

use cloudai_schedulers::{
    Capabilities, ClusterView, DeviceSet, Part, Placement, QueueCursor, Request, Scheduler,
    SchedulingContext, TaskId, Time, WorkerId, WorkloadProfile, choose_devices,
};

/// What is free on a worker.
#[derive(Clone, Debug)]
struct Room {
    amounts: [u64; 3],
    devices: Vec<u32>,
}

impl Room {
    fn now(view: &ClusterView<'_>, worker: WorkerId) -> Self {
        let worker = view.worker(worker).unwrap();
        let amounts = [worker.free_cpu_milli(), worker.free_memory_mib(), worker.free_storage_mib()];
        Self { amounts, devices: worker.free_devices().to_vec() }
    }

    fn needs(request: &Request) -> [u64; 3] {
        [request.cpu_milli, request.memory_mib, request.storage_mib]
    }

    fn change(&mut self, request: &Request, part: &Part, give: bool) {
        let replicas = u64::from(part.replicas);
        for (left, need) in self.amounts.iter_mut().zip(Self::needs(request)) {
            *left = if give { *left + need * replicas } else { left.saturating_sub(need * replicas) };
        }
        for device in part.devices.iter() {
            let each = if request.gpu.is_fraction() { request.gpu.milli() * part.replicas } else { 1000 };
            let left = &mut self.devices[device as usize];
            *left = if give { *left + each } else { left.saturating_sub(each) };
        }
    }

    fn least(&mut self, other: &Self) {
        self.amounts.iter_mut().zip(&other.amounts).for_each(|(mine, theirs)| *mine = (*mine).min(*theirs));
        self.devices.iter_mut().zip(&other.devices).for_each(|(mine, theirs)| *mine = (*mine).min(*theirs));
    }

    /// Parts for one replica after the other, at most `most`; of a plain task on the devices that the core would choose.
    fn parts(&self, worker: WorkerId, request: &Request, most: u32, plain: bool) -> Vec<Part> {
        let (mut left, mut parts) = (self.clone(), Vec::<Part>::new());
        for _ in 0..most {
            if Self::needs(request).iter().zip(&left.amounts).any(|(need, left)| need > left) {
                break;
            }
            let devices = if plain || !request.gpu.is_fraction() {
                choose_devices(&left.devices, request.gpu)
            } else {
                // A gang of fractions fills the devices in index order.
                let first = left.devices.iter().position(|&left| left >= request.gpu.milli());
                first.map(|device| DeviceSet::single(u32::try_from(device).unwrap()))
            };
            let Some(devices) = devices else { break };
            let part = Part { worker, replicas: 1, devices };
            left.change(request, &part, false);
            match parts.last_mut() {
                Some(last) if !request.gpu.is_fraction() => {
                    last.replicas += 1;
                    devices.iter().for_each(|device| last.devices.insert(device));
                }
                Some(last) if last.devices == devices => last.replicas += 1,
                _ => parts.push(part),
            }
        }
        parts
    }
}

fn replicas(parts: &[Part]) -> u32 {
    parts.iter().map(|part| part.replicas).sum()
}

/// Somebody holds something of a worker from some time, or from now on, until another.
#[derive(Clone, Debug)]
struct Held {
    from: Option<Time>,
    to: Time,
    request: Request,
    part: Part,
}

/// What will be held when, as is expected now.
struct Forecast<'v> {
    view: ClusterView<'v>,
    held: Vec<Held>,
}

impl<'v> Forecast<'v> {
    fn of(view: ClusterView<'v>) -> Self {
        let mut held = Vec::new();
        for worker in view.workers() {
            for (to, task) in worker.running() {
                let task = view.task(task).unwrap();
                let here = task.placement().parts().iter().filter(|part| part.worker == worker.id());
                held.extend(here.map(|&part| Held { from: None, to, request: task.spec().request, part }));
            }
        }
        Self { view, held }
    }

    /// What is free on a worker from one time to another, without a break.
    fn free(&self, worker: WorkerId, from: Time, to: Time) -> Room {
        let at = |time: Time| {
            let mut room = Room::now(&self.view, worker);
            for held in self.held.iter().filter(|held| held.part.worker == worker) {
                match held.from {
                    // It runs, and is counted in what is free now.
                    None if held.to <= time => room.change(&held.request, &held.part, true),
                    Some(from) if from <= time && time < held.to => {
                        room.change(&held.request, &held.part, false);
                    }
                    _ => {}
                }
            }
            room
        };
        let mut least = at(from);
        let starts = self.held.iter().filter_map(|held| held.from).filter(|&time| time > from && time < to);
        starts.for_each(|time| least.least(&at(time)));
        least
    }

    /// The workers that could hold a task, with the time that it is expected to take there and when it is ready.
    fn able(&self, task: TaskId) -> Vec<(WorkerId, u64, Time)> {
        let view = self.view;
        let ids = view.workers().map(|worker| worker.id()).filter(|&worker| view.can_ever_hold(task, worker));
        let mut able: Vec<(WorkerId, u64, Time)> = ids
            .map(|worker| {
                let run = view.startup_latency().saturating_add(view.expected_run(task, worker)).micros();
                (worker, run, view.ready_at(task, worker).max(view.now()))
            })
            .collect();
        if view.task(task).unwrap().spec().replicas > 1 {
            let longest = able.iter().map(|able| able.1).max().unwrap_or(0);
            able.iter_mut().for_each(|able| able.1 = longest);
        }
        able
    }

    /// The earliest start of a task, where, and until when.
    fn earliest(&self, task: TaskId, at_least: u64) -> Option<(Time, Vec<Part>, u64)> {
        let spec = self.view.task(task).unwrap().spec();
        let able = self.able(task);
        let mut instants: Vec<Time> = able.iter().map(|able| able.2).collect();
        instants.extend(self.held.iter().map(|held| held.to).filter(|&time| time > self.view.now()));
        instants.sort_unstable();
        instants.dedup();
        for start in instants {
            let (mut parts, mut longest) = (Vec::new(), 0);
            for &(worker, length, _) in able.iter().filter(|able| able.2 <= start) {
                let length = length.max(at_least);
                let free = self.free(worker, start, Time::from_micros(start.micros().saturating_add(length)));
                let missing = spec.replicas - replicas(&parts);
                let here = free.parts(worker, &spec.request, missing, spec.replicas == 1);
                if !here.is_empty() {
                    longest = length;
                }
                parts.extend(here);
                if replicas(&parts) == spec.replicas {
                    return Some((start, parts, longest));
                }
            }
        }
        None
    }
}

fn placement(parts: &[Part]) -> Placement {
    match parts {
        [part] if part.replicas == 1 => Placement::single(part.worker, part.devices),
        parts => Placement::gang(parts),
    }
}

/// First fit of every task that is reached, on what is free, or on less.
fn first_fit(
    cx: &SchedulingContext<'_>,
    task: TaskId,
    limit: impl Fn(WorkerId) -> Option<Room>,
) -> Option<Placement> {
    let view = cx.view();
    let spec = view.task(task)?.spec();
    let mut parts = Vec::new();
    for worker in view.workers().map(|worker| worker.id()).filter(|&worker| view.fits(task, worker)) {
        let room = limit(worker).unwrap_or_else(|| Room::now(&view, worker));
        let missing = spec.replicas - replicas(&parts);
        parts.extend(room.parts(worker, &spec.request, missing, spec.replicas == 1));
        if replicas(&parts) == spec.replicas {
            return Some(placement(&parts));
        }
    }
    None
}

/// EASY.
#[derive(Debug)]
pub(crate) struct PlainEasy;

impl Scheduler for PlainEasy {
    fn supports(&self) -> Capabilities {
        Capabilities::new().with_gangs()
    }

    fn attach(&mut self, _: &ClusterView<'_>, _: &WorkloadProfile) {}

    fn schedule(&mut self, cx: &mut SchedulingContext<'_>) {
        let mut cursor = QueueCursor::default();
        let head = loop {
            let Some(task) = cx.next_queued(&mut cursor) else { return };
            match first_fit(cx, task, |_| None) {
                Some(placement) => cx.place(task, &placement).unwrap(),
                None => break task,
            }
        };
        // When and where the head starts, and what it leaves there.
        let forecast = Forecast::of(cx.view());
        let request = cx.view().task(head).unwrap().spec().request;
        let reserved = forecast.earliest(head, 0).map(|(shadow, parts, _)| {
            let mut workers: Vec<WorkerId> = parts.iter().map(|part| part.worker).collect();
            workers.dedup();
            let left = workers.into_iter().map(|worker| {
                let mut room = forecast.free(worker, shadow, shadow);
                let here = parts.iter().filter(|part| part.worker == worker);
                here.for_each(|part| room.change(&request, part, false));
                (worker, room)
            });
            (shadow, left.collect::<Vec<_>>())
        });
        drop(forecast);
        let mut reserved = reserved.unwrap_or((Time::NEVER, Vec::new()));
        while let Some(task) = cx.next_queued(&mut cursor) {
            let view = cx.view();
            let able = Forecast::of(view).able(task);
            let limit = |worker: WorkerId| {
                let (_, length, _) = able.iter().find(|able| able.0 == worker)?;
                let (_, extra) = reserved.1.iter().find(|(reserved, _)| *reserved == worker)?;
                let overlaps = view.now().micros().saturating_add(*length) > reserved.0.micros();
                overlaps.then(|| {
                    let mut room = Room::now(&view, worker);
                    room.least(extra);
                    room
                })
            };
            let Some(placement) = first_fit(cx, task, limit) else { continue };
            let request = view.task(task).unwrap().spec().request;
            let shared = placement.parts().iter().filter(|part| limit(part.worker).is_some());
            let shared: Vec<Part> = shared.copied().collect();
            for part in shared {
                let extra = reserved.1.iter_mut().find(|(worker, _)| *worker == part.worker).unwrap();
                extra.1.change(&request, &part, false);
            }
            cx.place(task, &placement).unwrap();
        }
    }
}

/// Conservative backfilling.
#[derive(Debug)]
pub(crate) struct PlainConservative;

impl Scheduler for PlainConservative {
    fn supports(&self) -> Capabilities {
        Capabilities::new().with_gangs()
    }

    fn attach(&mut self, _: &ClusterView<'_>, _: &WorkloadProfile) {}

    fn schedule(&mut self, cx: &mut SchedulingContext<'_>) {
        let view = cx.view();
        let mut forecast = Forecast::of(view);
        let (mut cursor, mut starts) = (QueueCursor::default(), Vec::new());
        while let Some(task) = view.next_queued(&mut cursor) {
            let Some((start, parts, length)) = forecast.earliest(task, 1) else { continue };
            let request = view.task(task).unwrap().spec().request;
            let to = Time::from_micros(start.micros().saturating_add(length));
            forecast.held.extend(parts.iter().map(|&part| Held { from: Some(start), to, request, part }));
            if start == view.now() {
                starts.push((task, placement(&parts)));
            }
        }
        starts.into_iter().for_each(|(task, placement)| cx.place(task, &placement).unwrap());
    }
}
