//! Before when tasks of a kind cannot start, by worker.

use std::collections::HashMap;

use crate::{Duration, GpuRequest, MILLI_PER_GPU, Request, Speed, Time};

/// Tasks that ask for much the same: what all of them ask for at least, rounded down to powers of two.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Kind {
    pub(super) request: Request,
    /// The least nominal run time; that of none is twice as long or longer.
    pub(super) nominal: Duration,
}

impl Kind {
    pub(super) fn of(request: &Request, nominal: Duration) -> Self {
        let gpu = if request.gpu.is_fraction() {
            rounded_down(request.gpu.milli().into())
        } else {
            rounded_down(request.gpu.whole_devices().into()) * u64::from(MILLI_PER_GPU)
        };
        let request = Request {
            cpu_milli: rounded_down(request.cpu_milli),
            memory_mib: rounded_down(request.memory_mib),
            storage_mib: rounded_down(request.storage_mib),
            gpu: GpuRequest::from_milli(gpu).unwrap_or_default(),
        };
        Self { request, nominal: Duration::from_micros(rounded_down(nominal.micros())) }
    }

    /// No task of the kind takes as long at nominal speed.
    fn above(&self) -> Duration {
        Duration::from_micros(self.nominal.micros().saturating_mul(2).max(1))
    }
}

/// The largest power of two that is not more; 0 for 0.
fn rounded_down(number: u64) -> u64 {
    number.checked_ilog2().map_or(0, |bit| 1 << bit)
}

/// By kind of task and worker, an instant before which no task of the kind can start there.
///
/// A profile mostly fills up, and then what was found once holds on, from pass to pass: a search for the earliest start on
/// any worker compares two numbers a worker, and looks at the profiles of those few alone that may be better. Where room is given
/// back, the instant is set back to where that may matter.
#[derive(Clone, Debug, Default)]
pub(super) struct Floors {
    numbers: HashMap<Kind, usize>,
    /// By number of the kind.
    kinds: Vec<(Kind, Vec<Time>)>,
}

impl Floors {
    /// So many kinds are told apart; when there are more, all are dropped and found out again as needed.
    const MOST: usize = 256;

    /// The number of a kind, for as many workers.
    pub(super) fn number(&mut self, kind: Kind, workers: usize) -> usize {
        if let Some(&number) = self.numbers.get(&kind) {
            return number;
        }
        if self.kinds.len() >= Self::MOST {
            *self = Self::default();
        }
        self.numbers.insert(kind, self.kinds.len());
        self.kinds.push((kind, vec![Time::ZERO; workers]));
        self.kinds.len() - 1
    }

    /// A kind, and its instants by worker.
    pub(super) fn of(&self, number: usize) -> &(Kind, Vec<Time>) {
        &self.kinds[number]
    }

    /// No task of the kind can start on the worker before `time`.
    pub(super) fn raise(&mut self, number: usize, worker: usize, time: Time) {
        let floor = &mut self.kinds[number].1[worker];
        *floor = (*floor).max(time);
    }

    /// From `from` on there may be more room on the worker than there was. A start there takes `latency`.
    pub(super) fn lower(&mut self, worker: usize, speed: Speed, latency: Duration, from: Time) {
        for (kind, floors) in &mut self.kinds {
            floors[worker] = floors[worker].min(reaching(kind, speed, latency, from));
        }
    }
}

/// No task of the kind that starts on a worker before this still runs there at `from`.
pub(super) fn reaching(kind: &Kind, speed: Speed, latency: Duration, from: Time) -> Time {
    let longest = latency.saturating_add(speed.run_time(kind.above())).max(Time::TICK);
    Time::ZERO + (from - Time::ZERO).saturating_sub(longest)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_kind_asks_for_no_more_and_no_less_than_half(
            amounts in prop::array::uniform3(0u64..1 << 40), gpu in 0u64..16, fraction in 0u64..1000,
            nominal in any::<u64>(),
        ) {
            let milli = if fraction == 0 { gpu * 1000 } else { fraction };
            let [cpu_milli, memory_mib, storage_mib] = amounts;
            let gpu = GpuRequest::from_milli(milli).unwrap();
            let kind = Kind::of(
                &Request { cpu_milli, memory_mib, storage_mib, gpu },
                Duration::from_micros(nominal),
            );
            let Request { cpu_milli: cpu, memory_mib: memory, storage_mib: storage, gpu: devices } = kind.request;
            let pairs = [(cpu, cpu_milli), (memory, memory_mib), (storage, storage_mib)];
            for (least, amount) in pairs.into_iter().chain([(devices.milli().into(), milli), (kind.nominal.micros(), nominal)]) {
                prop_assert!(least <= amount && (amount == 0 || amount / 2 < least.max(1)), "{least} of {amount}");
            }
            prop_assert!(kind.above() > Duration::from_micros(nominal) || nominal > u64::MAX / 2);
        }
    }
}
