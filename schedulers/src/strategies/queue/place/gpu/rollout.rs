//! Placement by rollouts: what is left of a worker is worth what tasks to come can still use of it.
//!
//! Fragmentation gradient descent asks what the *next* task could use of what is left, and so is blind to what several tasks
//! need together: eight devices and too little cpu for eight tasks look as good as new. Here the value of a worker's
//! state is worked out by rollouts (Bertsekas, Tsitsiklis, Wu 1997, Rollout Algorithms for Combinatorial Optimization): a
//! fixed set of sampled futures is placed on the worker alone, one task after the other, best fit on its devices,
//! and the value is the mean GPU that finds room. A task starts where it costs the least value beyond what it takes itself.
//!
//! ```text
//!   profile ──▶ futures of each kind of worker (fixed samples) ──▶ value(state), remembered by state
//!   cost(task on worker) = value(before) - value(after) - GPU of the task, in steps of 0.1 devices, rounded up
//! ```
//!
//! What is known is the profile, as with `fgd`: how often each shape occurs, and nothing of what arrives when.

use std::collections::HashMap;

use rand::seq::SliceRandom;
use rand_pcg::Pcg64;
use rand_pcg::rand_core::SeedableRng;

use super::fragmentation::groups;
use super::{Devices, choices};
use crate::strategies::queue::place::sample::systematic;
use crate::strategies::queue::place::scored::Score;
use crate::{
    ClusterView, DeviceSet, MILLI_PER_GPU, Request, ShapeCount, WorkerId, WorkerView, WorkloadProfile,
};

/// Values remembered at most; when there are more, all are dropped and worked out again as needed.
const MOST_VALUES: usize = 1 << 20;

/// Offers are weighed in parts of this, so that weights are integers.
const WEIGHT: u64 = 1024;

/// The most times that scarcity multiplies the length of a future.
const LONGEST: u64 = 8;

/// Placement by rollouts on single workers; see the [module](self).
///
/// - **Futures.** Per kind of worker (cpu, devices, conditions it meets), `futures` sequences of GPU tasks that it can
///   hold, drawn once, with a fixed seed, so that together they have each shape as often as the profile. A shape counts
///   the more the fewer devices of the cluster can hold it: only those will be offered it. A sequence has `draws` tasks
///   for each device of the worker, in proportion more where scarce shapes make up much. Within a sequence come first
///   tasks with conditions, then the larger numbers of whole devices, because others will find room elsewhere.
/// - **Value** of (cpu left, devices left): over all sequences, the milli-GPU of the tasks that find room, each on the
///   device with the least left that suffices. Memory is not looked at.
/// - **Cost**: the value lost beyond the task's own GPU, in steps of `step` devices, rounded up. A fraction is tried on
///   each device that suffices. The lowest cost wins; within a step the lowest index wins, which packs, and so keeps
///   whole workers for large tasks.
#[derive(Debug)]
pub struct GpuRollout {
    futures: u64,
    draws: u64,
    /// In milli-GPU.
    step: u64,
    offers: Vec<Offer>,
    /// How many tasks of the profile ask for GPU.
    tasks: u64,
    kinds: Vec<Kind>,
    /// The kind of each worker, as far as it has been asked for.
    kind_of: Vec<Option<usize>>,
    values: HashMap<(usize, u64, Devices), u64>,
}

/// A shape, and how often one device that can hold it is offered it, against a shape that all can hold: count x [`WEIGHT`]
/// x devices of the cluster / devices that can hold it.
#[derive(Clone, Copy, Debug)]
struct Offer {
    shape: ShapeCount,
    weight: u64,
}

/// Workers that hold the same tasks.
#[derive(Debug)]
struct Kind {
    cpu_milli: u64,
    devices: u32,
    /// Whether it can hold each of the offers if it is empty.
    holds: Vec<bool>,
    futures: Vec<Vec<Request>>,
}

impl GpuRollout {
    /// With this many futures, of this many tasks a device, and steps of this many milli-GPU (at least 1).
    #[must_use]
    pub fn new(futures: u64, draws: u64, step: u64) -> Self {
        Self {
            futures,
            draws,
            step: step.max(1),
            offers: Vec::new(),
            tasks: 0,
            kinds: Vec::new(),
            kind_of: Vec::new(),
            values: HashMap::new(),
        }
    }

    /// The kind of `worker`, made if it is a new one.
    fn kind(&mut self, view: &ClusterView<'_>, worker: &WorkerView<'_>) -> usize {
        let at = worker.id().index();
        if at >= self.kind_of.len() {
            self.kind_of.resize(at + 1, None);
        }
        if let Some(kind) = self.kind_of[at] {
            return kind;
        }
        let capacity = worker.spec().capacity;
        let holds: Vec<bool> =
            self.offers.iter().map(|offer| can_hold(view, worker.id(), &offer.shape)).collect();
        let same = |kind: &Kind| {
            (kind.cpu_milli, kind.devices, &kind.holds) == (capacity.cpu_milli, capacity.gpus, &holds)
        };
        let kind = self.kinds.iter().position(same).unwrap_or_else(|| {
            let futures = self.sample(&holds, capacity.gpus);
            self.kinds.push(Kind { cpu_milli: capacity.cpu_milli, devices: capacity.gpus, holds, futures });
            self.kinds.len() - 1
        });
        self.kind_of[at] = Some(kind);
        kind
    }

    /// The futures of a kind of worker: a systematic sample of what it is offered, shuffled and dealt out.
    fn sample(&self, holds: &[bool], devices: u32) -> Vec<Vec<Request>> {
        let offers: Vec<&Offer> =
            self.offers.iter().zip(holds).filter(|&(_, &holds)| holds).map(|(offer, _)| offer).collect();
        let total: u128 = offers.iter().map(|offer| u128::from(offer.weight)).sum();
        if total == 0 {
            return Vec::new();
        }
        // A worker that can hold every shape is offered `draws` tasks a device.
        let plain = u128::from(self.draws * u64::from(devices));
        let length = plain * total / (u128::from(self.tasks) * u128::from(WEIGHT)).max(1);
        let length = length.clamp(1, (plain * u128::from(LONGEST)).max(1));
        let length = u64::try_from(length).unwrap_or(u64::MAX);
        let weights: Vec<u64> = offers.iter().map(|offer| offer.weight).collect();
        let mut drawn = systematic(&weights, length.saturating_mul(self.futures));
        drawn.shuffle(&mut Pcg64::seed_from_u64(0));
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        let in_turn = |future: &[usize]| {
            let mut future: Vec<&ShapeCount> = future.iter().map(|&at| &offers[at].shape).collect();
            let whole = |shape: &ShapeCount| shape.request.gpu.whole_devices().max(1);
            future
                .sort_by_key(|shape| (shape.constraint == crate::ConstraintId::ANY, u32::MAX - whole(shape)));
            future.iter().map(|shape| shape.request).collect()
        };
        drawn.chunks(length).map(in_turn).collect()
    }

    /// The milli-GPU that finds room in a state, summed over the futures of the kind.
    fn value(&mut self, kind: usize, cpu_milli: u64, mut devices: Devices) -> u64 {
        devices.sort_unstable();
        if devices.last().is_none_or(|&most| most == 0) {
            return 0;
        }
        let key = (kind, cpu_milli, devices);
        if let Some(&known) = self.values.get(&key) {
            return known;
        }
        let value = self.kinds[kind].futures.iter().map(|future| used(future, cpu_milli, &key.2)).sum();
        if self.values.len() >= MOST_VALUES {
            self.values.clear();
        }
        self.values.insert(key, value);
        value
    }
}

/// The milli-GPU of the tasks of a future that find room, one after the other, on devices in ascending order of what they
/// have left.
fn used(future: &[Request], mut cpu_milli: u64, devices: &[u32]) -> u64 {
    let mut devices = Devices::from_slice(devices);
    let mut used = 0;
    for request in future {
        if request.cpu_milli > cpu_milli {
            continue;
        }
        let gpu = request.gpu;
        if gpu.is_fraction() {
            let fits = devices.iter_mut().filter(|left| **left >= gpu.milli());
            let Some(device) = fits.min_by_key(|left| **left) else { continue };
            *device -= gpu.milli();
        } else {
            let free = devices.iter().filter(|&&left| left == MILLI_PER_GPU).count();
            let wanted = gpu.whole_devices() as usize;
            if free < wanted {
                continue;
            }
            devices.iter_mut().filter(|left| **left == MILLI_PER_GPU).take(wanted).for_each(|left| *left = 0);
        }
        cpu_milli -= request.cpu_milli;
        used += u64::from(gpu.milli());
    }
    used
}

/// A cost in whole steps, rounded up.
const fn in_steps(cost: i128, step: i128) -> i128 {
    -(-cost).div_euclid(step)
}

/// True if `worker` can hold a task of this shape when it is empty, memory aside.
fn can_hold(view: &ClusterView<'_>, worker: WorkerId, shape: &ShapeCount) -> bool {
    let request = &shape.request;
    view.worker(worker).is_some_and(|worker| {
        let capacity = worker.spec().capacity;
        request.cpu_milli <= capacity.cpu_milli && u64::from(request.gpu.milli()) <= capacity.gpu_milli()
    }) && view.allows(shape.constraint, worker)
}

impl Score for GpuRollout {
    fn uses_profile(&self) -> bool {
        true
    }

    fn attach(&mut self, view: &ClusterView<'_>, profile: &WorkloadProfile) {
        let all: u64 = view.workers().map(|worker| u64::from(worker.spec().capacity.gpus)).sum();
        let offer = |shape: ShapeCount| {
            let able: u64 = view
                .workers()
                .filter(|worker| can_hold(view, worker.id(), &shape))
                .map(|worker| u64::from(worker.spec().capacity.gpus))
                .sum();
            let weight =
                u128::from(shape.count) * u128::from(WEIGHT) * u128::from(all) / u128::from(able.max(1));
            Offer { shape, weight: u64::try_from(weight).unwrap_or(u64::MAX) }
        };
        let shapes = groups(profile).into_iter().filter(|shape| !shape.request.gpu.is_none());
        self.offers = shapes.map(offer).collect();
        self.tasks = self.offers.iter().map(|offer| offer.shape.count).sum();
        self.kinds.clear();
        self.kind_of.clear();
        self.values.clear();
    }

    fn score(
        &mut self,
        view: &ClusterView<'_>,
        worker: &WorkerView<'_>,
        request: &Request,
        free: &[u32],
    ) -> Option<(f64, DeviceSet)> {
        let kind = self.kind(view, worker);
        let left = worker.free_devices();
        let before = i128::from(self.value(kind, worker.free_cpu_milli(), left.into()));
        let own = i128::from(self.futures) * i128::from(request.gpu.milli());
        let step = i128::from(self.futures) * i128::from(self.step);
        let cpu_left = worker.free_cpu_milli() - request.cpu_milli;
        let mut best: Option<(i128, DeviceSet)> = None;
        for (devices, after) in choices(left, free, request.gpu) {
            let cost = before - own - i128::from(self.value(kind, cpu_left, after));
            let steps = in_steps(cost, step);
            if best.is_none_or(|(least, _)| steps < least) {
                best = Some((steps, devices));
            }
        }
        #[expect(clippy::cast_precision_loss, reason = "a number of steps")]
        best.map(|(steps, devices)| (-(steps as f64), devices))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Capacity, Cluster, ClusterConfig, ConstraintId, GpuRequest, WorkerSpec};

    #[test]
    fn costs_within_a_step_are_equal() {
        assert_eq!([-10, -9, 0, 1, 10, 11].map(|cost| in_steps(cost, 10)), [-1, 0, 0, 1, 1, 2]);
    }

    fn request(cpu_milli: u64, gpu: u64) -> Request {
        Request { cpu_milli, gpu: GpuRequest::from_milli(gpu).unwrap(), ..Request::default() }
    }

    #[test]
    fn a_future_is_placed_in_turn_as_far_as_it_fits() {
        let future = [request(1, 2000), request(1, 700), request(1, 300), request(9, 100), request(0, 200)];
        // Two whole devices, then 0.7 and 0.3 on the one with 0.9 left until 0.2 is left, nothing for 9 cores, and 0.2.
        assert_eq!(used(&future, 4, &[900, 1000, 1000]), 2900);
        assert_eq!(
            used(&future, 1, &[900, 1000, 1000]),
            2200,
            "cpu for the first, and for the last that needs none"
        );
        assert_eq!(
            used(&future, 4, &[900, 1000]),
            1200,
            "no two whole devices; 0.9 takes 0.7 and 0.2, 1.0 takes 0.3"
        );
    }

    #[test]
    fn scarce_shapes_are_offered_more_often_to_those_who_can_hold_them() {
        let worker = |cpu_milli, gpus| WorkerSpec {
            capacity: Capacity { cpu_milli, gpus, ..Capacity::default() },
            ..WorkerSpec::default()
        };
        // Of 8 devices 2 can hold the large shape, so that each is offered it four times as often.
        let cluster = Cluster::new(ClusterConfig::default(), vec![worker(4, 6), worker(16, 2)]).unwrap();
        let shape =
            |request, count| ShapeCount { request, constraint: ConstraintId::ANY, replicas: 1, count };
        let shapes = vec![shape(request(1, 1000), 3), shape(request(16, 1000), 1), shape(request(1, 0), 9)];
        let mut score = GpuRollout::new(10, 4, 100);
        let view = cluster.view();
        score.attach(&view, &WorkloadProfile { shapes, tasks: 13 });
        let kinds: Vec<usize> = view.workers().map(|worker| score.kind(&view, &worker)).collect();
        assert_eq!(kinds, [0, 1]);
        let count = |kind: usize, cpu_milli| {
            let futures = &score.kinds[kind].futures;
            let all = futures.iter().flatten().filter(|request| request.cpu_milli == cpu_milli);
            (futures.len(), futures[0].len(), all.count())
        };
        // 4 draws for each of 6 devices, times 3/4: the large shape is not for them.
        assert_eq!((count(0, 1), count(0, 16).2), ((10, 18, 180), 0));
        // 4 draws for each of 2 devices, times (3 + 4)/4, of which 4 in 7 are large.
        assert_eq!((count(1, 1), count(1, 16).2), ((10, 14, 60), 80));
    }
}
