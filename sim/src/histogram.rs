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

/// Bits of a value that tell it apart from its neighbours, behind its first one: 2^10 bins a power of two.
const DIGITS: u32 = 10;

/// A histogram that records as fast as can be: the bins of [`three_digits`], and nothing beside them.
///
/// A value below 2^11 has a bin of its own; from there on each power of two has 2^10 bins of equal width. Fewer than 2^32
/// values may be recorded, as a run has fewer tasks; a small count keeps more of them in the cache.
#[derive(Clone, Debug, Default)]
pub(crate) struct Bins {
    counts: Vec<u32>,
}

impl Bins {
    /// Counts a value below 2^63.
    #[inline(always)]
    pub(crate) fn record(&mut self, value: u64) {
        let bin = bin_of(value);
        match self.counts.get_mut(bin) {
            Some(count) => *count += 1,
            None => self.grow_and_count(bin),
        }
    }

    #[cold]
    #[inline(never)]
    fn grow_and_count(&mut self, bin: usize) {
        // All bins of the value's power of two.
        self.counts.resize(((bin >> DIGITS) + 1) << DIGITS, 0);
        self.counts[bin] += 1;
    }

    /// Values recorded.
    pub(crate) fn len(&self) -> u64 {
        u64::from(total(&self.counts))
    }

    /// The largest value of the bin in which each of the percentiles lies; `None` if nothing was recorded.
    pub(crate) fn percentiles<const N: usize>(&self, percents: [f64; N]) -> Option<[u64; N]> {
        let len = total(&self.counts);
        (len > 0).then(|| percents.map(|percent| self.value_of_rank(rank(percent, len))))
    }

    /// The largest value of the bin of the value that is this one in ascending order, from 1.
    fn value_of_rank(&self, rank: u32) -> u64 {
        let mut below = 0;
        // Whole powers of two are passed over by their sums.
        for (power, counts) in self.counts.chunks(1 << DIGITS).enumerate() {
            let here = total(counts);
            if below + here < rank {
                below += here;
                continue;
            }
            for (bin, &count) in (power << DIGITS..).zip(counts) {
                below += count;
                if below >= rank {
                    return largest_of(bin);
                }
            }
        }
        0
    }

    /// The largest value of each bin in which something was recorded, ascending, and how much was.
    pub(crate) fn recorded(&self) -> impl Iterator<Item = (u64, u32)> {
        let bins = self.counts.iter().enumerate();
        bins.filter(|&(_, &count)| count > 0).map(|(bin, &count)| (largest_of(bin), count))
    }
}

/// All counts are those of fewer than 2^32 values.
fn total(counts: &[u32]) -> u32 {
    counts.iter().sum()
}

/// The rank, from 1, of the percentile among so many values: the first at or below which there are that many percent.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a share of a count, not negative"
)]
fn rank(percent: f64, len: u32) -> u32 {
    ((percent / 100.0 * f64::from(len)).ceil() as u32).max(1)
}

/// The bin of a value. Behind a value's first one its next 10 bits count, and with each power of two begin 2^10 bins more.
#[inline(always)]
const fn bin_of(value: u64) -> usize {
    let dropped = (value | ((2 << DIGITS) - 1)).ilog2() - DIGITS;
    ((dropped as usize) << DIGITS) + (value >> dropped) as usize
}

/// The largest value of a bin.
const fn largest_of(bin: usize) -> u64 {
    let dropped = (bin >> DIGITS).saturating_sub(1);
    (((bin - (dropped << DIGITS)) as u64 + 1) << dropped) - 1
}

#[cfg(test)]
mod tests {
    use hdrhistogram::Histogram;
    use proptest::prelude::*;

    use super::{Bins, bin_of, largest_of, three_digits};

    /// What both say of the same values: count, percentiles, bins.
    fn agree(values: &[u64]) {
        let (mut bins, mut known): (Bins, Histogram<u32>) = (Bins::default(), three_digits());
        known.auto(true);
        for &value in values {
            bins.record(value);
            known.record(value).expect("it grows");
        }
        assert_eq!(bins.len(), known.len());
        let percents = [0.1, 1.0, 25.0, 50.0, 95.0, 99.0, 99.9, 100.0];
        let expected = percents.map(|percent| known.value_at_percentile(percent));
        assert_eq!(bins.percentiles(percents), (!known.is_empty()).then_some(expected));
        let recorded: Vec<(u64, u32)> =
            known.iter_recorded().map(|step| (step.value_iterated_to(), step.count_at_value())).collect();
        assert_eq!(bins.recorded().collect::<Vec<_>>(), recorded);
    }

    /// Values of every magnitude, and those beside the powers of two.
    fn value() -> impl Strategy<Value = u64> {
        let beside = (0u32..63, 0u64..3).prop_map(|(bit, add)| ((1u64 << bit) + add).saturating_sub(1));
        prop_oneof![(any::<u64>(), 1u32..64).prop_map(|(value, shift)| value >> shift), beside, 0u64..5000]
    }

    proptest! {
        #[test]
        fn records_and_reads_what_hdrhistogram_does(values in prop::collection::vec(value(), 0..200)) {
            agree(&values);
        }

        #[test]
        fn many_values_of_one_magnitude_agree(values in prop::collection::vec(1u64 << 20..1 << 24, 0..2000)) {
            agree(&values);
        }
    }

    #[test]
    fn bins_follow_one_another_without_gap() {
        for bin in 0..53 << 10 {
            let largest = largest_of(bin);
            assert_eq!((bin_of(largest), bin_of(largest + 1)), (bin, bin + 1));
        }
    }

    #[test]
    fn nothing_recorded_has_no_percentiles() {
        agree(&[]);
    }
}
