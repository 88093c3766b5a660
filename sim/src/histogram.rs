//! Histograms of three digits.

use hdrhistogram::{Counter, Histogram};

/// An empty histogram that grows as needed and tells values apart to three digits (0.1%).
#[expect(
    clippy::expect_used,
    reason = "three digits are within the range of zero to five that the crate accepts"
)]
pub(crate) fn three_digits<C: Counter>() -> Histogram<C> {
    Histogram::new(3).expect("three digits are valid")
}
