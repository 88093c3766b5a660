//! Time, durations and speeds as exact integers.

use std::fmt;
use std::ops::{Add, Sub};

use serde::{Deserialize, Serialize};

const MICROS_PER_SECOND: u64 = 1_000_000;

/// The longest time or duration that a file may state: 10^11 seconds (3,170 years), in microseconds.
///
/// It keeps every sum that the core forms within 64 bits.
pub const MAX_MICROS: u64 = 100_000_000_000 * MICROS_PER_SECOND;

/// An instant, in microseconds since the origin of the scenario (live: of the cluster).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Time(u64);

/// A length of time, in microseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Duration(u64);

impl Time {
    /// The origin.
    pub const ZERO: Self = Self(0);
    /// Later than every instant that occurs.
    pub const NEVER: Self = Self(u64::MAX);
    /// The shortest step of time: one microsecond.
    pub const TICK: Duration = Duration(1);

    /// The instant `micros` microseconds after the origin.
    #[must_use]
    pub const fn from_micros(micros: u64) -> Self {
        Self(micros)
    }

    /// Microseconds since the origin.
    #[must_use]
    pub const fn micros(self) -> u64 {
        self.0
    }

    /// Seconds since the origin; for display and plots, not for arithmetic.
    #[must_use]
    pub fn seconds(self) -> f64 {
        Duration(self.0).seconds()
    }

    /// The time from `earlier` to this instant, zero if `earlier` is later.
    #[must_use]
    pub const fn since(self, earlier: Self) -> Duration {
        Duration(self.0.saturating_sub(earlier.0))
    }
}

impl Duration {
    /// No time at all.
    pub const ZERO: Self = Self(0);
    /// Longer than every duration that occurs.
    pub const MAX: Self = Self(u64::MAX);

    /// A duration of `micros` microseconds.
    #[must_use]
    pub const fn from_micros(micros: u64) -> Self {
        Self(micros)
    }

    /// A duration of whole seconds.
    #[must_use]
    pub const fn from_secs(seconds: u64) -> Self {
        Self(seconds.saturating_mul(MICROS_PER_SECOND))
    }

    /// The duration in microseconds.
    #[must_use]
    pub const fn micros(self) -> u64 {
        self.0
    }

    /// The duration in seconds; for display and plots, not for arithmetic.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "display only")]
    pub fn seconds(self) -> f64 {
        self.0 as f64 / MICROS_PER_SECOND as f64
    }

    /// The sum, or [`Duration::MAX`] beyond it.
    #[must_use]
    pub const fn saturating_add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }

    /// The difference, or zero below it.
    #[must_use]
    pub const fn saturating_sub(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }
}

impl Add<Duration> for Time {
    type Output = Self;

    /// Saturates at [`Time::NEVER`].
    fn add(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(duration.0))
    }
}

impl Sub for Time {
    type Output = Duration;

    /// Saturates at zero.
    fn sub(self, earlier: Self) -> Duration {
        self.since(earlier)
    }
}

/// Writes seconds with at most six decimals and without trailing zeros: `12`, `0.5`, `3.000001`.
fn write_seconds(micros: u64, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let (whole, mut fraction) = (micros / MICROS_PER_SECOND, micros % MICROS_PER_SECOND);
    if fraction == 0 {
        return write!(f, "{whole}");
    }
    let mut width = 6;
    while fraction % 10 == 0 {
        fraction /= 10;
        width -= 1;
    }
    write!(f, "{whole}.{fraction:0width$}")
}

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_seconds(self.0, f)
    }
}

impl fmt::Display for Duration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_seconds(self.0, f)
    }
}

/// A worker's speed relative to nominal, in millionths: a task runs for its nominal duration divided by it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "u32", into = "u32")]
pub struct Speed(u32);

impl TryFrom<u32> for Speed {
    type Error = &'static str;

    fn try_from(millionths: u32) -> Result<Self, Self::Error> {
        Self::from_millionths(millionths).ok_or("a speed of 0: expected millionths of nominal, at least 1")
    }
}

impl From<Speed> for u32 {
    fn from(speed: Speed) -> Self {
        speed.0
    }
}

impl Speed {
    /// Nominal speed, 1.0.
    pub const NOMINAL: Self = Self(1_000_000);

    /// A speed of `millionths` / 10^6, or `None` for zero.
    #[must_use]
    pub const fn from_millionths(millionths: u32) -> Option<Self> {
        if millionths == 0 { None } else { Some(Self(millionths)) }
    }

    /// The speed in millionths of nominal.
    #[must_use]
    pub const fn millionths(self) -> u32 {
        self.0
    }

    /// How long nominal work takes at this speed, rounded up to the microsecond.
    #[inline]
    #[must_use]
    pub fn run_time(self, nominal: Duration) -> Duration {
        if self == Self::NOMINAL { nominal } else { self.scaled_run_time(nominal) }
    }

    #[inline(never)]
    fn scaled_run_time(self, nominal: Duration) -> Duration {
        let scaled = u128::from(nominal.0) * u128::from(Self::NOMINAL.0);
        let micros = scaled.div_ceil(u128::from(self.0));
        Duration(u64::try_from(micros).unwrap_or(u64::MAX))
    }

    /// The nominal work that is done in `run` at this speed, rounded down to the microsecond.
    #[inline]
    #[must_use]
    pub fn nominal_of(self, run: Duration) -> Duration {
        if self == Self::NOMINAL { run } else { self.scaled_nominal_of(run) }
    }

    #[inline(never)]
    fn scaled_nominal_of(self, run: Duration) -> Duration {
        let micros = u128::from(run.0) * u128::from(self.0) / u128::from(Self::NOMINAL.0);
        Duration(u64::try_from(micros).unwrap_or(u64::MAX))
    }
}

impl Default for Speed {
    fn default() -> Self {
        Self::NOMINAL
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_are_written_without_trailing_zeros() {
        let shown = |micros| Time::from_micros(micros).to_string();
        assert_eq!(shown(0), "0");
        assert_eq!(shown(12_000_000), "12");
        assert_eq!(shown(500_000), "0.5");
        assert_eq!(shown(3_000_001), "3.000001");
        assert_eq!(shown(1_020_300), "1.0203");
    }

    #[test]
    fn run_time_rounds_up() {
        let third = Speed::from_millionths(3_000_000).unwrap();
        assert_eq!(third.run_time(Duration::from_micros(10)), Duration::from_micros(4));
        assert_eq!(Speed::NOMINAL.run_time(Duration::from_micros(10)), Duration::from_micros(10));
        let slowest = Speed::from_millionths(1).unwrap();
        assert_eq!(slowest.run_time(Duration::MAX), Duration::MAX);
    }
}
