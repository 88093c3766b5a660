//! What is free on a worker: exact sums, device by device.

use cloudai_schedulers::{Capacity, DeviceSet, GpuRequest, MILLI_PER_GPU, Request};

/// Free amounts. They are negative where a schedule overcommits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Room {
    pub(super) cpu_milli: i128,
    pub(super) memory_mib: i128,
    pub(super) storage_mib: i128,
    /// Milli-GPU on each device.
    pub(super) devices: Vec<i64>,
}

impl Room {
    /// An empty worker.
    pub(super) fn of(capacity: &Capacity) -> Self {
        Self {
            cpu_milli: capacity.cpu_milli.into(),
            memory_mib: capacity.memory_mib.into(),
            storage_mib: capacity.storage_mib.into(),
            devices: vec![MILLI_PER_GPU.into(); capacity.gpus as usize],
        }
    }

    /// Takes what one replica holds on these devices.
    pub(super) fn take(&mut self, request: &Request, devices: DeviceSet) {
        self.change(request, devices, -1);
    }

    /// Gives back what one replica held.
    pub(super) fn give(&mut self, request: &Request, devices: DeviceSet) {
        self.change(request, devices, 1);
    }

    fn change(&mut self, request: &Request, devices: DeviceSet, sign: i8) {
        let sign = i128::from(sign);
        self.cpu_milli += sign * i128::from(request.cpu_milli);
        self.memory_mib += sign * i128::from(request.memory_mib);
        self.storage_mib += sign * i128::from(request.storage_mib);
        let each = i64::from(request.gpu.milli_per_device()) * if sign < 0 { -1 } else { 1 };
        for device in devices.iter() {
            if let Some(free) = self.devices.get_mut(device as usize) {
                *free += each;
            }
        }
    }

    /// The amounts suffice; of devices this says nothing.
    pub(super) fn holds_amounts(&self, request: &Request) -> bool {
        i128::from(request.cpu_milli) <= self.cpu_milli
            && i128::from(request.memory_mib) <= self.memory_mib
            && i128::from(request.storage_mib) <= self.storage_mib
    }

    /// There is room for the request on exactly these devices.
    pub(super) fn holds(&self, request: &Request, devices: DeviceSet) -> bool {
        let each = i64::from(request.gpu.milli_per_device());
        let fits = |device: u32| self.devices.get(device as usize).is_some_and(|&free| free >= each);
        self.holds_amounts(request) && devices.iter().all(fits)
    }

    /// The devices for a request that fits: a fraction goes where the least is left that suffices, ties to the lowest
    /// index; whole devices are the lowest free ones.
    pub(super) fn place(&self, request: &Request) -> Option<DeviceSet> {
        if self.holds_amounts(request) { self.devices_for(request.gpu) } else { None }
    }

    /// The devices for a replica of a gang that fits: the lowest that suffice, so that fractions fill devices in index
    /// order.
    pub(super) fn place_replica(&self, request: &Request) -> Option<DeviceSet> {
        if !request.gpu.is_fraction() {
            return self.place(request);
        }
        let enough = |&(_, &free): &(u32, &i64)| free >= i64::from(request.gpu.milli());
        let (device, _) = (0u32..).zip(&self.devices).find(enough).filter(|_| self.holds_amounts(request))?;
        Some(DeviceSet::single(device))
    }

    /// Takes as many replicas of a gang as fit, at most `most`; says how many.
    pub(super) fn take_replicas(&mut self, request: &Request, most: u32) -> u32 {
        for taken in 0..most {
            let Some(devices) = self.place_replica(request) else { return taken };
            self.take(request, devices);
        }
        most
    }

    fn devices_for(&self, gpu: GpuRequest) -> Option<DeviceSet> {
        let numbered = || (0u32..).zip(self.devices.iter().copied());
        if gpu.is_fraction() {
            let enough = numbered().filter(|&(_, free)| free >= i64::from(gpu.milli()));
            return enough
                .min_by_key(|&(device, free)| (free, device))
                .map(|(device, _)| DeviceSet::single(device));
        }
        let mut set = DeviceSet::EMPTY;
        let free = numbered().filter(|&(_, free)| free >= i64::from(MILLI_PER_GPU));
        free.take(gpu.whole_devices() as usize).for_each(|(device, _)| set.insert(device));
        (set.len() == gpu.whole_devices()).then_some(set)
    }

    /// The least of both, dimension by dimension.
    pub(super) fn narrow(&mut self, other: &Self) {
        self.cpu_milli = self.cpu_milli.min(other.cpu_milli);
        self.memory_mib = self.memory_mib.min(other.memory_mib);
        self.storage_mib = self.storage_mib.min(other.storage_mib);
        for (mine, theirs) in self.devices.iter_mut().zip(&other.devices) {
            *mine = (*mine).min(*theirs);
        }
    }

    /// What is short for the request on these devices, with the numbers; empty if nothing is.
    pub(super) fn lacks(&self, request: &Request, devices: DeviceSet) -> String {
        let mut short = Vec::new();
        let amounts = [
            ("cpu", request.cpu_milli, self.cpu_milli, 1000, "cores"),
            ("memory", request.memory_mib, self.memory_mib, 1, "MiB"),
            ("storage", request.storage_mib, self.storage_mib, 1, "MiB"),
        ];
        for (name, need, free, unit, called) in amounts {
            if i128::from(need) > free {
                short.push(format!(
                    "{name}: {} of {} {called}",
                    amount(need.into(), unit),
                    amount(free, unit)
                ));
            }
        }
        let each = i64::from(request.gpu.milli_per_device());
        for device in devices.iter() {
            let free = self.devices.get(device as usize).copied().unwrap_or_default();
            if free < each {
                let (need, free) = (amount(each.into(), 1000), amount(free.into(), 1000));
                short.push(format!("GPU device {device}: {need} of {free}"));
            }
        }
        short.join(", ")
    }
}

/// Units as a minimal decimal number of what has `unit` of them, 1 or 1000.
pub(super) fn amount(units: i128, unit: i128) -> String {
    let (whole, rest) = (units.abs() / unit, units.abs() % unit);
    let sign = if units < 0 { "-" } else { "" };
    if rest == 0 {
        return format!("{sign}{whole}");
    }
    format!("{sign}{whole}.{rest:03}").trim_end_matches('0').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(cpu_milli: u64, gpu_milli: u64) -> Request {
        Request { cpu_milli, gpu: GpuRequest::from_milli(gpu_milli).unwrap(), ..Request::default() }
    }

    #[test]
    fn devices_are_chosen_by_the_stated_rule() {
        let mut room = Room::of(&Capacity { cpu_milli: 8000, gpus: 4, ..Capacity::default() });
        room.take(&request(0, 500), DeviceSet::single(2));
        room.take(&request(0, 700), DeviceSet::single(3));
        assert_eq!(room.place(&request(0, 300)), Some(DeviceSet::single(3)));
        assert_eq!(room.place(&request(0, 400)), Some(DeviceSet::single(2)));
        assert_eq!(room.place(&request(0, 600)), Some(DeviceSet::single(0)), "ties to the lowest");
        assert_eq!(room.place(&request(0, 2000)), Some(DeviceSet(0b11)));
        assert_eq!(room.place(&request(0, 3000)), None);
        assert_eq!(room.place_replica(&request(0, 400)), Some(DeviceSet::single(0)), "of a gang the lowest");
        assert_eq!(room.take_replicas(&request(0, 400), 9), 5, "two, two, one, none");
    }

    #[test]
    fn what_lacks_is_told_with_numbers() {
        let mut room = Room::of(&Capacity { cpu_milli: 2000, gpus: 1, ..Capacity::default() });
        room.take(&request(2500, 400), DeviceSet::single(0));
        assert_eq!(
            room.lacks(&request(1000, 700), DeviceSet::single(0)),
            "cpu: 1 of -0.5 cores, GPU device 0: 0.7 of 0.6"
        );
        assert_eq!(room.lacks(&request(0, 600), DeviceSet::single(0)), "cpu: 0 of -0.5 cores");
    }
}
