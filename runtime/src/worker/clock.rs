//! The two clocks of a worker.

use std::time::{SystemTime, UNIX_EPOCH};

use super::events::{BootMicros, Now};
use crate::record::UnixMicros;

/// Both clocks, now.
#[must_use]
pub fn now() -> Now {
    Now { boot_us: boot_now_us(), unix_us: unix_now_us() }
}

/// Microseconds since the unix epoch.
#[must_use]
pub fn unix_now_us() -> UnixMicros {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_micros()).unwrap_or(i64::MAX)
}

/// Microseconds since the machine was started, sleep included: a lease must run out while a machine sleeps.
#[must_use]
pub fn boot_now_us() -> BootMicros {
    i64::try_from(crate::clock::boot_us()).unwrap_or(i64::MAX)
}

/// Names this start of the machine: a time on [`boot_now_us`] means nothing in another one.
#[must_use]
pub fn boot_id() -> String {
    let id = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    id.trim().to_owned()
}
