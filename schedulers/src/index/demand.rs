//! What a task asks for, in numbers that are quick to compare.

use crate::model::{Duration, Request, TaskSpec};

/// How much a task asks for and how long it is known to run at least; or, as an upper bound, what an opening offers and for
/// how long.
///
/// Amounts are rounded down to 32 bits. So the comparison may let a task through that does not quite fit, and never
/// keeps one out that does: it finds candidates, and who asks still has to look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Demand {
    /// Cpu in milli-cores, memory and storage in MiB, GPU in milli-GPU, length in units of 1,024 microseconds.
    amounts: [u32; 5],
}

impl Demand {
    /// More than any task asks for, on workers of any size and for any time: as an opening, it is open to all.
    pub const UNLIMITED: Self = Self { amounts: [u32::MAX; 5] };

    /// What one replica of a task asks for, for as long as its user says, or for no time at all if the user says nothing.
    #[inline]
    #[must_use]
    pub fn of(spec: &TaskSpec) -> Self {
        let gpu = u64::from(spec.request.gpu.milli());
        let length = spec.estimate.unwrap_or(Duration::ZERO);
        let Request { cpu_milli, memory_mib, storage_mib, .. } = spec.request;
        Self::new([cpu_milli, memory_mib, storage_mib, gpu], length)
    }

    /// An opening of so much cpu, memory, storage and GPU, for tasks of at most `length` at nominal speed. Of GPU it
    /// takes the milli-GPU of the whole devices that are free, or what the emptiest device has left if none is.
    #[inline]
    #[must_use]
    pub(crate) fn new(amounts: [u64; 4], length: Duration) -> Self {
        let [cpu, memory, storage, gpu] = amounts.map(saturated);
        Self { amounts: [cpu, memory, storage, gpu, saturated(length.micros() >> 10)] }
    }

    /// The same, for tasks of at most `length`.
    #[must_use]
    pub fn lasting(mut self, length: Duration) -> Self {
        self.amounts[4] = saturated(length.micros() >> 10);
        self
    }

    /// True if a task that asks for this may fit into `opening`.
    #[inline]
    #[must_use]
    pub fn fits(&self, opening: &Self) -> bool {
        let [a, b, c, d, e] = self.amounts;
        let [of_a, of_b, of_c, of_d, of_e] = opening.amounts;
        // Without branches: all five are in one or two registers.
        (a <= of_a) & (b <= of_b) & (c <= of_c) & (d <= of_d) & (e <= of_e)
    }

    /// True if a task that asks for this may fit into one of `openings`.
    #[inline]
    #[must_use]
    pub fn fits_any(&self, openings: &[Self]) -> bool {
        openings.iter().any(|opening| self.fits(opening))
    }

    /// Cpu in milli-cores.
    #[inline]
    pub(crate) const fn cpu_milli(&self) -> u32 {
        self.amounts[0]
    }

    /// The least of both, amount by amount.
    #[inline]
    pub(crate) fn min(self, other: Self) -> Self {
        Self { amounts: std::array::from_fn(|at| self.amounts[at].min(other.amounts[at])) }
    }

    /// The most of both, amount by amount.
    #[inline]
    #[must_use]
    pub fn max(self, other: Self) -> Self {
        Self { amounts: std::array::from_fn(|at| self.amounts[at].max(other.amounts[at])) }
    }
}

#[inline]
fn saturated(amount: u64) -> u32 {
    u32::try_from(amount).unwrap_or(u32::MAX)
}
