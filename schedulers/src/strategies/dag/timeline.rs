//! What is free on one worker from now on, and where a task fits in earliest.

use crate::strategies::queue::Free;
use crate::{ClusterView, DeviceSet, Duration, Part, Request, Time, WorkerId};

/// A chunk with more steps than this is cut in two.
const MOST_STEPS: usize = 64;

/// What is free on a worker: each step lasts until the next begins, the last one for ever. Neighbours differ.
///
/// Steps lie in chunks, so that a change moves few of them, and a search passes over a chunk in which nothing can fit.
/// With S steps a search looks at O(S / 64 + 64) steps and chunks where gaps are too short, and a reservation at the
/// steps that it spans.
#[derive(Clone, Debug)]
pub(super) struct Timeline {
    /// Never empty, and no chunk is.
    chunks: Vec<Chunk>,
}

#[derive(Clone, Debug)]
struct Chunk {
    steps: Vec<(Time, Free)>,
    /// The most of each amount that is free in some step.
    most: Free,
    /// The longest stretch with free cpu that ends inside the chunk.
    longest: Duration,
    /// Where the stretch with free cpu begins that reaches the end of the chunk.
    tail: usize,
}

/// Where and when a task fits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Slot {
    pub(super) start: Time,
    pub(super) devices: DeviceSet,
}

/// A step: chunk, place in it.
type Position = (usize, usize);

impl Chunk {
    fn new(steps: Vec<(Time, Free)>) -> Option<Self> {
        let most = steps.first()?.1.clone();
        let mut chunk = Self { steps, most, longest: Duration::ZERO, tail: 0 };
        chunk.summarise();
        Some(chunk)
    }

    fn from(&self) -> Time {
        self.steps.first().map_or(Time::NEVER, |(from, _)| *from)
    }

    fn summarise(&mut self) {
        (self.longest, self.tail) = (Duration::ZERO, 0);
        for (at, (from, free)) in self.steps.iter().enumerate() {
            if at == 0 {
                self.most.clone_from(free);
            } else {
                self.most.widen_amounts(free);
            }
            if !free.has_cpu() {
                if self.tail < at {
                    self.longest = self.longest.max(*from - self.steps[self.tail].0);
                }
                self.tail = at + 1;
            }
        }
    }
}

impl Timeline {
    /// What is free on `worker` if every task that holds resources there ends as expected.
    pub(super) fn of(view: &ClusterView<'_>, worker: WorkerId) -> Option<Self> {
        let mut free = Free::now(view, worker)?;
        let mut steps = vec![(view.now(), free.clone())];
        for (end, task) in view.worker(worker)?.running() {
            free.release(view, worker, task);
            match steps.last_mut() {
                Some((from, last)) if *from == end => last.clone_from(&free),
                _ => steps.push((end, free.clone())),
            }
        }
        Some(Self::of_steps(&steps))
    }

    fn of_steps(steps: &[(Time, Free)]) -> Self {
        let chunks = steps.chunks(MOST_STEPS / 2).filter_map(|steps| Chunk::new(steps.to_vec()));
        Self { chunks: chunks.collect() }
    }

    /// The earliest start from `ready` on from which `request` fits for `length` on the same devices throughout; `None`
    /// if it lies behind `latest`.
    pub(super) fn earliest(
        &self,
        request: &Request,
        length: Duration,
        ready: Time,
        latest: Time,
    ) -> Option<Slot> {
        let mut from = self.position(ready);
        loop {
            let (start, at) = self.window(from, request, length, ready, latest)?;
            if request.gpu.is_none() {
                return Some(Slot { start, devices: DeviceSet::EMPTY });
            }
            if let Some(devices) = self.devices_throughout(at, request, start + length) {
                return Some(Slot { start, devices });
            }
            from = self.behind(at)?;
        }
    }

    /// The earliest start from which the amounts suffice for `length`, and the step that it lies in.
    fn window(
        &self,
        from: Position,
        request: &Request,
        length: Duration,
        ready: Time,
        latest: Time,
    ) -> Option<(Time, Position)> {
        let mut since: Option<(Time, Position)> = None;
        let mut first = from.1;
        for (number, chunk) in self.chunks.iter().enumerate().skip(from.0) {
            if since.is_none() && first == 0 {
                if chunk.from() > latest {
                    return None;
                }
                if !chunk.most.holds_amounts(request) {
                    continue;
                }
                if request.cpu_milli > 0 && chunk.longest < length {
                    first = chunk.tail;
                }
            }
            for (at, (time, free)) in chunk.steps.iter().enumerate().skip(first) {
                if since.is_some_and(|(start, _)| *time >= start + length) {
                    return since;
                }
                if !free.holds_amounts(request) {
                    since = None;
                } else if since.is_none() {
                    since = Some(((*time).max(ready), (number, at)));
                }
                let start = since.map_or(*time, |(start, _)| start);
                if start > latest {
                    return None;
                }
            }
            first = 0;
        }
        since
    }

    /// The devices on which `request` fits from step `at` until `end`.
    fn devices_throughout(&self, at: Position, request: &Request, end: Time) -> Option<DeviceSet> {
        let mut free = self.chunks.get(at.0)?.steps.get(at.1)?.1.clone();
        let mut next = self.behind(at);
        while let Some(at) = next {
            let (from, step) = &self.chunks[at.0].steps[at.1];
            if *from >= end {
                break;
            }
            free.narrow(step);
            next = self.behind(at);
        }
        free.place(request)
    }

    /// Takes `request` out for `length` from `slot` on.
    pub(super) fn reserve(&mut self, request: &Request, slot: Slot, length: Duration) {
        let end = slot.start + length;
        // Which worker it is does not matter here.
        let part = Part { worker: WorkerId(0), replicas: 1, devices: slot.devices };
        self.cut(end);
        self.cut(slot.start);
        let first = self.position(slot.start);
        let mut at = Some(first);
        while let Some((chunk, step)) = at {
            let (from, free) = &mut self.chunks[chunk].steps[step];
            if *from >= end {
                break;
            }
            free.take(request, &part);
            at = self.behind((chunk, step));
        }
        let last = at.map_or(self.chunks.len() - 1, |(chunk, _)| chunk);
        for chunk in &mut self.chunks[first.0..=last] {
            chunk.summarise();
        }
        self.join(end);
        self.join(slot.start);
    }

    /// Makes a step begin at `time`.
    fn cut(&mut self, time: Time) {
        let (chunk, step) = self.position(time);
        let (from, free) = &self.chunks[chunk].steps[step];
        if *from >= time {
            return;
        }
        let free = free.clone();
        self.chunks[chunk].steps.insert(step + 1, (time, free));
        if self.chunks[chunk].steps.len() > MOST_STEPS {
            let behind = self.chunks[chunk].steps.split_off(MOST_STEPS / 2);
            self.chunks.splice(chunk + 1..chunk + 1, Chunk::new(behind));
        }
        self.chunks[chunk].summarise();
    }

    /// Takes away the step that begins at `time` if it does not differ from the one before.
    fn join(&mut self, time: Time) {
        let (chunk, step) = self.position(time);
        let before = match (chunk, step) {
            (0, 0) => return,
            (chunk, 0) => (chunk - 1, self.chunks[chunk - 1].steps.len() - 1),
            (chunk, step) => (chunk, step - 1),
        };
        let (from, free) = &self.chunks[chunk].steps[step];
        if *from != time || *free != self.chunks[before.0].steps[before.1].1 {
            return;
        }
        self.chunks[chunk].steps.remove(step);
        if self.chunks[chunk].steps.is_empty() {
            self.chunks.remove(chunk);
        } else {
            self.chunks[chunk].summarise();
        }
    }

    /// The step that `time` lies in, the first one for what lies before it.
    fn position(&self, time: Time) -> Position {
        let chunk = self.chunks.partition_point(|chunk| chunk.from() <= time).saturating_sub(1);
        let steps = &self.chunks[chunk].steps;
        (chunk, steps.partition_point(|(from, _)| *from <= time).saturating_sub(1))
    }

    /// The step behind `at`.
    fn behind(&self, at: Position) -> Option<Position> {
        if at.1 + 1 < self.chunks[at.0].steps.len() {
            return Some((at.0, at.1 + 1));
        }
        (at.0 + 1 < self.chunks.len()).then_some((at.0 + 1, 0))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{Capacity, Cluster, ClusterConfig, GpuRequest, WorkerSpec};

    const GPUS: u32 = 2;

    fn empty(cpu_milli: u64) -> Timeline {
        let capacity = Capacity { cpu_milli, memory_mib: 4, storage_mib: 4, gpus: GPUS };
        let worker = WorkerSpec { capacity, ..WorkerSpec::default() };
        let cluster = Cluster::new(ClusterConfig::default(), vec![worker]).unwrap();
        Timeline::of(&cluster.view(), WorkerId(0)).unwrap()
    }

    /// The same by looking at every microsecond.
    fn by_hand(
        taken: &[(Request, Slot, u64)],
        cpu_milli: u64,
        request: &Request,
        length: u64,
        ready: u64,
    ) -> u64 {
        let free_at = |time: u64| {
            let mut free = (cpu_milli, 4, [1000u32; GPUS as usize]);
            for (request, slot, length) in taken {
                let start = slot.start.micros();
                if (start..start + length).contains(&time) {
                    free.0 -= request.cpu_milli;
                    free.1 -= request.memory_mib;
                    slot.devices.iter().for_each(|d| free.2[d as usize] -= request.gpu.milli_per_device());
                }
            }
            free
        };
        let fits = |start: u64| {
            let mut devices = [1000u32; GPUS as usize];
            for time in start..start + length {
                let free = free_at(time);
                if free.0 < request.cpu_milli || free.1 < request.memory_mib {
                    return false;
                }
                devices.iter_mut().zip(free.2).for_each(|(least, now)| *least = (*least).min(now));
            }
            let enough = devices.iter().filter(|&&left| left >= request.gpu.milli_per_device()).count();
            request.gpu.is_none() || enough >= request.gpu.whole_devices().max(1) as usize
        };
        (ready..).find(|&start| fits(start)).unwrap()
    }

    proptest! {
        #[test]
        fn a_search_finds_what_looking_at_every_microsecond_finds(
            cores in 1u64..4,
            asked in prop::collection::vec((0u64..4, 0u64..5, 0usize..5, 1u64..9, 0u64..40), 1..160),
        ) {
            let (mut timeline, mut taken) = (empty(cores), Vec::new());
            for (cpu_milli, memory_mib, gpu, length, ready) in asked {
                let gpu = GpuRequest::from_milli([0, 0, 400, 1000, 2000][gpu]).unwrap();
                let cpu_milli = cpu_milli.min(cores);
                let request = Request { cpu_milli, memory_mib, storage_mib: 0, gpu };
                let expected = by_hand(&taken, cores, &request, length, ready);
                let run = Duration::from_micros(length);
                let at = Time::from_micros;
                let search = |latest| timeline.earliest(&request, run, at(ready), latest);
                let slot = search(Time::NEVER).unwrap();
                prop_assert_eq!(slot.start, at(expected));
                prop_assert_eq!(search(at(expected)), Some(slot));
                prop_assert!(expected == 0 || search(at(expected - 1)).is_none());
                timeline.reserve(&request, slot, run);
                taken.push((request, slot, length));
                let steps: Vec<_> = timeline.chunks.iter().flat_map(|chunk| &chunk.steps).collect();
                prop_assert!(steps.windows(2).all(|pair| pair[0].0 < pair[1].0 && pair[0].1 != pair[1].1));
            }
        }
    }

    #[test]
    fn many_gaps_stay_in_small_chunks_and_the_first_long_one_is_found() {
        let (mut timeline, whole) = (empty(1), Request { cpu_milli: 1, ..Request::default() });
        let at = Time::from_micros;
        for number in 0..5000 {
            let slot = Slot { start: at(10 * number), devices: DeviceSet::EMPTY };
            timeline.reserve(&whole, slot, Duration::from_micros(if number == 4000 { 4 } else { 8 }));
        }
        assert!(timeline.chunks.iter().all(|chunk| chunk.steps.len() <= MOST_STEPS));
        let found = |length| {
            timeline.earliest(&whole, Duration::from_micros(length), Time::ZERO, Time::NEVER).unwrap().start
        };
        assert_eq!((found(2), found(3), found(6), found(7)), (at(8), at(40_004), at(40_004), at(49_998)));
    }
}
