//! What is free on one worker over time: the profile that schedules are built on.

use cloudai_schedulers::{Capacity, DeviceSet, MILLI_PER_GPU};

use super::model::Need;

/// Cpu, memory and storage stand before the devices in a row.
const PLAIN: usize = 3;

/// A step function of time: from `times[k]` to `times[k + 1]` the k-th row is free. Behind the last step everything is.
#[derive(Clone, Debug)]
pub(super) struct Timeline {
    /// Ascending, the first at 0.
    times: Vec<u64>,
    /// A row a step: cpu, memory, storage, then milli-GPU of each device.
    free: Vec<u64>,
    width: usize,
}

impl Timeline {
    pub(super) fn new(capacity: &Capacity) -> Self {
        let plain = [capacity.cpu_milli, capacity.memory_mib, capacity.storage_mib];
        let mut free = plain.to_vec();
        free.resize(PLAIN + capacity.gpus as usize, u64::from(MILLI_PER_GPU));
        Self { times: vec![0], width: free.len(), free }
    }

    /// Everything is free again.
    pub(super) fn clear(&mut self) {
        // The last row is that of an empty worker.
        let last = self.free.len() - self.width;
        self.free.drain(..last);
        self.times.truncate(1);
    }

    fn row(&self, step: usize) -> &[u64] {
        &self.free[step * self.width..(step + 1) * self.width]
    }

    fn step_at(&self, time: u64) -> usize {
        self.times.partition_point(|&from| from <= time) - 1
    }

    /// The earliest time, not before `from`, at which `need` is free for `length`, and the devices for it.
    ///
    /// The length is not 0, and an empty worker can hold it. A fraction gets the device that has the least left over that time, whole
    /// devices are the lowest.
    pub(super) fn earliest(&self, from: u64, length: u64, need: &Need) -> (u64, DeviceSet) {
        let (mut first, mut at) = (self.step_at(from), from);
        loop {
            match self.window(first, at + length, need) {
                Ok(devices) => return (at, self.choose(first, at + length, need, devices)),
                Err(next) => (first, at) = (next, self.times[next]),
            }
        }
    }

    /// The devices that are free from the step `first` until `until`, or the step at which to try again.
    fn window(&self, first: usize, until: u64, need: &Need) -> Result<DeviceSet, usize> {
        let mut common = DeviceSet(u64::MAX);
        let mut step = first;
        loop {
            let row = self.row(step);
            if row[..PLAIN].iter().zip(&need.demand).any(|(have, need)| have < need) {
                return Err(step + 1);
            }
            if need.devices > 0 {
                let here = free_devices(&row[PLAIN..], need.per_device);
                common.0 &= here.0;
                if here.len() < need.devices {
                    return Err(step + 1);
                }
                if common.len() < need.devices {
                    return Err(first + 1);
                }
            }
            step += 1;
            if self.times.get(step).is_none_or(|&time| time >= until) {
                return Ok(common);
            }
        }
    }

    fn choose(&self, first: usize, until: u64, need: &Need, free: DeviceSet) -> DeviceSet {
        let mut chosen = DeviceSet::EMPTY;
        if need.devices == 0 {
            return chosen;
        }
        if need.per_device == u64::from(MILLI_PER_GPU) {
            free.iter().take(need.devices as usize).for_each(|device| chosen.insert(device));
            return chosen;
        }
        let steps =
            || (first..self.times.len()).take_while(|&step| step == first || self.times[step] < until);
        let left =
            |device: u32| steps().map(|step| self.row(step)[PLAIN + device as usize]).min().unwrap_or(0);
        free.iter().min_by_key(|&device| (left(device), device)).map_or(chosen, DeviceSet::single)
    }

    /// Takes `need` from `from` for `length`; it must be free.
    pub(super) fn take(&mut self, from: u64, length: u64, need: &Need, devices: DeviceSet) {
        let first = self.split(from);
        let last = self.split(from + length);
        for step in first..last {
            let row = &mut self.free[step * self.width..(step + 1) * self.width];
            for (have, need) in row.iter_mut().zip(&need.demand) {
                *have -= need;
            }
            for device in devices.iter() {
                row[PLAIN + device as usize] -= need.per_device;
            }
        }
    }

    /// The step that begins at `time`, made if there is none.
    fn split(&mut self, time: u64) -> usize {
        let step = self.step_at(time);
        if self.times[step] == time {
            return step;
        }
        self.times.insert(step + 1, time);
        let from = step * self.width;
        let end = self.free.len();
        self.free.extend_from_within(end - self.width..);
        self.free.copy_within(from..end - self.width, from + self.width);
        step + 1
    }
}

fn free_devices(left: &[u64], need: u64) -> DeviceSet {
    let mut free = DeviceSet::EMPTY;
    for (device, &left) in (0u32..).zip(left) {
        if left >= need {
            free.insert(device);
        }
    }
    free
}

#[cfg(test)]
mod tests {
    use super::*;

    const CAPACITY: Capacity = Capacity { cpu_milli: 4, memory_mib: 9, storage_mib: 9, gpus: 2 };

    fn need(cpu: u64, per_device: u64, devices: u32) -> Need {
        Need { demand: [cpu, 0, 0], per_device, devices }
    }

    #[test]
    fn a_gap_is_used_if_it_is_long_enough() {
        let mut timeline = Timeline::new(&CAPACITY);
        timeline.take(10, 10, &need(3, 0, 0), DeviceSet::EMPTY);
        assert_eq!(timeline.earliest(0, 10, &need(2, 0, 0)).0, 0);
        assert_eq!(timeline.earliest(0, 11, &need(2, 0, 0)).0, 20);
        assert_eq!(timeline.earliest(3, 11, &need(1, 0, 0)).0, 3);
        timeline.take(0, 10, &need(2, 0, 0), DeviceSet::EMPTY);
        assert_eq!(timeline.earliest(0, 5, &need(3, 0, 0)).0, 20);
        timeline.clear();
        assert_eq!(timeline.earliest(0, 100, &need(4, 0, 0)).0, 0);
    }

    #[test]
    fn one_device_must_be_free_for_the_whole_time() {
        let mut timeline = Timeline::new(&CAPACITY);
        timeline.take(0, 10, &need(0, 1000, 1), DeviceSet::single(0));
        timeline.take(10, 10, &need(0, 1000, 1), DeviceSet::single(1));
        // At every instant one of the two is free, but neither for longer than ten.
        assert_eq!(timeline.earliest(0, 10, &need(0, 500, 1)), (0, DeviceSet::single(1)));
        assert_eq!(timeline.earliest(0, 11, &need(0, 500, 1)), (10, DeviceSet::single(0)));
        assert_eq!(timeline.earliest(0, 1, &need(0, 1000, 2)), (20, DeviceSet(0b11)));
    }

    #[test]
    fn a_fraction_takes_the_device_with_the_least_left() {
        let mut timeline = Timeline::new(&CAPACITY);
        timeline.take(5, 5, &need(0, 300, 1), DeviceSet::single(1));
        assert_eq!(timeline.earliest(0, 6, &need(0, 500, 1)), (0, DeviceSet::single(1)));
        assert_eq!(timeline.earliest(0, 5, &need(0, 500, 1)), (0, DeviceSet::single(0)));
        assert_eq!(timeline.earliest(0, 6, &need(0, 800, 1)), (0, DeviceSet::single(0)));
    }
}
