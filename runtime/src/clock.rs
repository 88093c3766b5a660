//! The time that a running master or worker goes by.

use std::time::{SystemTime, UNIX_EPOCH};

use cloudai_schedulers::Time;

use crate::record::UnixMicros;

/// Unix time that never goes back, and that goes on while the machine is suspended: the wall clock's when it was made, and from
/// there on by `CLOCK_BOOTTIME`. Leases depend on both.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    unix_us_at_boot: u64,
}

impl Default for Clock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock {
    /// A clock set by the wall clock.
    #[must_use]
    pub fn new() -> Self {
        let unix = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let unix = u64::try_from(unix.as_micros()).unwrap_or(0);
        Self { unix_us_at_boot: unix.saturating_sub(boot_us()) }
    }

    /// The time.
    #[must_use]
    pub fn now(&self) -> Time {
        Time::from_micros(self.unix_us_at_boot.saturating_add(boot_us()))
    }

    /// The time as records have it.
    #[must_use]
    pub fn unix_us(&self) -> UnixMicros {
        i64::try_from(self.now().micros()).unwrap_or(i64::MAX)
    }
}

/// Microseconds since the machine was started, suspended time included.
#[must_use]
pub fn boot_us() -> u64 {
    #[cfg(target_os = "linux")]
    let clock = rustix::time::ClockId::Boottime;
    // Elsewhere the monotonic clock is the best there is: a suspended machine's leases last longer than they should.
    #[cfg(not(target_os = "linux"))]
    let clock = rustix::time::ClockId::Monotonic;
    let time = rustix::time::clock_gettime(clock);
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    seconds.saturating_mul(1_000_000).saturating_add(u64::try_from(time.tv_nsec).unwrap_or(0) / 1000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_shows_unix_time_and_goes_on() {
        let clock = Clock::new();
        let (first, second) = (clock.unix_us(), clock.unix_us());
        let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_micros();
        assert!(first <= second);
        assert!(wall.abs_diff(u128::try_from(second).unwrap()) < 5_000_000);
    }
}
