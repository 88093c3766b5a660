//! EASY: later tasks may overtake the head of the queue as long as they do not delay it.

use smallvec::SmallVec;

use super::earliest::EarliestRoom;
use super::forecast::Forecast;
use super::{Backfilling, Pass};
use crate::strategies::queue::free::Free;
use crate::strategies::queue::place::Limits;
use crate::{ClusterView, Demand, Indexes, Part, Placement, Request, TaskId, Time, WorkerId};

/// Aggressive backfilling (Lifka 1995, The ANL/IBM SP Scheduling System; Mu'alem, Feitelson 2001, IEEE TPDS).
///
/// Tasks start in queue order while they fit. Then only the head gets a reservation, computed anew in every pass: the
/// worker where it fits earliest if every task ends as expected, ties to the lowest index; a gang gets, at the earliest
/// instant at which all its replicas fit, the lowest workers. The rest start in queue order: on any other worker, as the
/// placement rule likes; on a reserved one only if they are expected to end by then, or fit into what the head will leave.
///
/// On one pool of one resource this is the original. With several workers and resources, "what the head leaves" is a
/// vector, device by device.
#[derive(Clone, Debug)]
pub struct Easy {
    forecast: Forecast,
    earliest: EarliestRoom,
}

impl Easy {
    /// EASY that believes this of run times.
    #[must_use]
    pub fn new(forecast: Forecast) -> Self {
        Self { forecast, earliest: EarliestRoom::default() }
    }
}

impl Backfilling for Easy {
    fn indexes(&self) -> Indexes {
        let recent_changes = matches!(self.forecast, Forecast::Estimates);
        Indexes { expected_ends: true, deep_queue: true, recent_changes, ..Indexes::default() }
    }

    fn attach(&mut self, view: &ClusterView<'_>) {
        self.forecast.attach(view);
        self.earliest.clear();
    }

    fn pass(&mut self, pass: &mut Pass<'_, '_>) {
        let head = loop {
            let Some(task) = pass.next_task() else { return };
            if !pass.starts(task, Limits::NONE) {
                break task;
            }
            self.forecast.started(&pass.view(), task);
        };
        // The reservation is only worked out if somebody might overtake.
        let Some(mut task) = pass.next_with_room() else { return };
        let mut reservation = self.reserve(&pass.view(), head);
        loop {
            self.overtake(pass, task, reservation.as_mut());
            let view = pass.view();
            let openings = match &reservation {
                Some(reservation) => reservation.openings(&view, &self.forecast),
                None => [view.most_room()].into_iter().collect(),
            };
            let Some(next) = pass.next_within(&openings) else { return };
            task = next;
        }
    }
}

impl Easy {
    /// The earliest start of `head` if every task ends as expected; `None` if the workers that are up can never hold it.
    fn reserve(&mut self, view: &ClusterView<'_>, head: TaskId) -> Option<Reservation> {
        // Corrected predictions change while the worker does not; and of one worker there is no choice.
        let plain = view.task(head)?.spec().replicas == 1 && view.worker_count() > 1;
        if !plain || matches!(self.forecast, Forecast::Predictions(_)) {
            return Reservation::of(view, head, &self.forecast);
        }
        let worker = self.earliest.worker_for(view, head)?;
        Reservation::on(view, head, worker, Time::NEVER, &self.forecast)
    }

    /// Starts `task` if it fits and does not delay the head.
    fn overtake(&mut self, pass: &mut Pass<'_, '_>, task: TaskId, reservation: Option<&mut Reservation>) {
        let view = pass.view();
        if reservation.as_ref().is_some_and(|held| held.shuts_out(&view, task, &self.forecast)) {
            return;
        }
        let limited = reservation.as_ref().map(|held| held.limits(&view, task, &self.forecast));
        let limited = limited.unwrap_or_default();
        let Some(placement) = pass.start(task, Limits::on(&limited)) else { return };
        if let Some(reservation) = reservation {
            reservation.give(&pass.view(), task, &placement, &limited);
        }
        self.forecast.started(&pass.view(), task);
    }
}

/// What a task may use of reserved workers, by worker.
type Limited = SmallVec<[(WorkerId, Free); 1]>;

/// When and where the head will start, and what will be free there beside it.
#[derive(Clone, Debug)]
struct Reservation {
    shadow: Time,
    /// By worker.
    extra: Limited,
}

impl Reservation {
    /// The earliest start of `head` if every task ends as expected; `None` if the workers that are up can never hold it.
    fn of(view: &ClusterView<'_>, head: TaskId, forecast: &Forecast) -> Option<Self> {
        let spec = view.task(head)?.spec();
        let able =
            view.workers().map(|worker| worker.id()).filter(|&worker| view.can_ever_hold(head, worker));
        if spec.replicas > 1 {
            return Self::of_gang(
                view,
                head,
                &spec.request,
                spec.replicas,
                &able.collect::<Vec<_>>(),
                forecast,
            );
        }
        let mut best: Option<Self> = None;
        for worker in able {
            let before = best.as_ref().map_or(Time::NEVER, |best| best.shadow);
            if let Some(found) = Self::on(view, head, worker, before, forecast) {
                best = Some(found);
            }
        }
        best
    }

    /// The earliest start of a plain task on `worker`, if it lies before `before`.
    fn on(
        view: &ClusterView<'_>,
        head: TaskId,
        worker: WorkerId,
        before: Time,
        forecast: &Forecast,
    ) -> Option<Self> {
        let request = view.task(head)?.spec().request;
        let mut free = Free::now(view, worker)?;
        let mut running = forecast.ends(view, worker).peekable();
        let mut shadow = view.ready_at(head, worker).max(view.now());
        // All that ends by the time the data is there, and then one instant after the other.
        loop {
            while let Some((_, task)) = running.next_if(|&(end, _)| end <= shadow) {
                free.release(view, worker, task);
            }
            if shadow >= before {
                return None;
            }
            if let Some(devices) = free.place(&request) {
                free.take(&request, &Part { worker, replicas: 1, devices });
                return Some(Self { shadow, extra: [(worker, free)].into_iter().collect() });
            }
            shadow = running.peek()?.0;
        }
    }

    /// The earliest start of a gang: all ends on all workers that could hold a part of it, one instant after the other.
    fn of_gang(
        view: &ClusterView<'_>,
        head: TaskId,
        request: &Request,
        replicas: u32,
        able: &[WorkerId],
        forecast: &Forecast,
    ) -> Option<Self> {
        let mut free: Vec<(WorkerId, Free)> =
            able.iter().filter_map(|&worker| Some((worker, Free::now(view, worker)?))).collect();
        // What may change how many replicas fit, by time: data that has arrived, tasks that end.
        let ready = (0..able.len()).map(|at| (view.ready_at(head, able[at]).max(view.now()), at, None));
        let ends = (0..able.len())
            .flat_map(|at| forecast.ends(view, able[at]).map(move |(end, task)| (end, at, Some(task))));
        let mut changes: Vec<(Time, usize, Option<TaskId>)> = ready.chain(ends).collect();
        changes.sort_unstable();
        let (mut is_ready, mut fit, mut total) = (vec![false; able.len()], vec![0; able.len()], 0u64);
        for same_instant in changes.chunk_by(|a, b| a.0 == b.0) {
            for &(_, at, ended) in same_instant {
                match ended {
                    Some(task) => free[at].1.release(view, able[at], task),
                    None => is_ready[at] = true,
                }
                let fits = if is_ready[at] { free[at].1.replicas(request, replicas) } else { 0 };
                total = total - u64::from(std::mem::replace(&mut fit[at], fits)) + u64::from(fits);
            }
            if total >= u64::from(replicas) {
                let (mut parts, mut missing) = (Vec::new(), replicas);
                for ((worker, free), _) in free.iter().zip(&is_ready).filter(|&(_, &ready)| ready) {
                    missing -= free.add_parts(*worker, request, missing, &mut parts);
                }
                return Some(Self::behind(same_instant[0].0, free, request, &parts));
            }
        }
        None
    }

    /// What `parts` of the head leave of the workers that they take.
    fn behind(shadow: Time, free: Vec<(WorkerId, Free)>, request: &Request, parts: &[Part]) -> Self {
        let taken = |worker| parts.iter().filter(move |part| part.worker == worker);
        let extra = free.into_iter().filter(|&(worker, _)| taken(worker).next().is_some());
        let extra = extra.map(|(worker, mut free)| {
            taken(worker).for_each(|part| free.take(request, part));
            (worker, free)
        });
        Self { shadow, extra: extra.collect() }
    }

    /// Openings into one of which every task fits that may start beside the head, and few others do: what is free on workers
    /// that are not reserved; on reserved ones what is free until the head starts, and what is free now and then.
    fn openings(&self, view: &ClusterView<'_>, forecast: &Forecast) -> SmallVec<[Demand; 3]> {
        let mut openings = SmallVec::new();
        match self.extra.as_slice() {
            reserved if reserved.len() == view.worker_count() => {}
            [(worker, _)] => openings.push(view.most_room_beside(*worker)),
            _ => openings.push(view.most_room()),
        }
        let (mut before, mut beside): (Option<Demand>, Option<Demand>) = (None, None);
        for (worker, extra) in &self.extra {
            let Some(mut free) = Free::now(view, *worker) else { continue };
            let short = free.opening().lasting(forecast.longest_until(view, *worker, self.shadow));
            before = Some(before.map_or(short, |before| before.max(short)));
            free.narrow(extra);
            let narrow = free.opening();
            beside = Some(beside.map_or(narrow, |beside| beside.max(narrow)));
        }
        openings.extend(before.into_iter().chain(beside));
        openings
    }

    /// True if every worker is reserved, and `task` would still be there when the head starts, and does not fit beside it: the
    /// quick way out on a single pool, where most of the queue takes it.
    fn shuts_out(&self, view: &ClusterView<'_>, task: TaskId, forecast: &Forecast) -> bool {
        let Some(request) = view.task(task).map(|task| task.spec().request) else { return true };
        self.extra.len() == view.worker_count()
            && self.extra.iter().all(|(worker, extra)| {
                !extra.holds_amounts(&request) && self.meets(view, task, *worker, forecast)
            })
    }

    /// True if `task`, started on `worker` now, is expected to be there still when the head starts.
    fn meets(&self, view: &ClusterView<'_>, task: TaskId, worker: WorkerId, forecast: &Forecast) -> bool {
        view.now() + forecast.length_beside(view, task, worker) > self.shadow
    }

    /// What `task` may use of the reserved workers on which it would still be there when the head starts: what is free
    /// now and then.
    fn limits(&self, view: &ClusterView<'_>, task: TaskId, forecast: &Forecast) -> Limited {
        let mut limited = Limited::new();
        for (worker, extra) in &self.extra {
            if self.meets(view, task, *worker, forecast)
                && let Some(mut both) = Free::now(view, *worker)
            {
                both.narrow(extra);
                limited.push((*worker, both));
            }
        }
        limited
    }

    /// Takes what `task`, placed within `limited`, holds of what the head leaves.
    fn give(&mut self, view: &ClusterView<'_>, task: TaskId, placement: &Placement, limited: &Limited) {
        let Some(request) = view.task(task).map(|task| task.spec().request) else { return };
        for part in placement.parts() {
            let was_limited = limited.iter().any(|&(worker, _)| worker == part.worker);
            let extra = self.extra.iter_mut().find(|(worker, _)| *worker == part.worker && was_limited);
            if let Some((_, extra)) = extra {
                extra.take(&request, part);
            }
        }
    }
}
