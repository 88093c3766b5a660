//! Amounts in an order that every processor compares four at a time.

/// The bits of the number that stands for no amount at all.
const NOTHING: u32 = f32::MIN_POSITIVE.to_bits();

/// The largest amount that is told apart: what is more is cut, nearly 2^31.
pub(super) const MOST: u32 = f32::MAX.to_bits() - NOTHING;

/// Less than any amount.
pub(super) const LESS: f32 = 0.0;

/// An amount as the floating-point number of the same bits, moved beyond the denormal ones: those are in the same order. Of
/// floating-point numbers every processor takes the larger, four at a time, of integers only newer ones do.
#[inline(always)]
#[expect(clippy::cast_possible_truncation, reason = "cut to 31 bits")]
pub(super) fn number_of(amount: u64) -> f32 {
    f32::from_bits(amount.min(MOST.into()) as u32 + NOTHING)
}

/// The amount of a number; [`MOST`] if it was cut, and none at all for [`LESS`].
#[inline(always)]
pub(super) const fn amount_of(number: f32) -> u32 {
    number.to_bits().saturating_sub(NOTHING)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn numbers_are_in_the_order_of_amounts(a in 0u64..1 << 33, b in 0u64..1 << 33) {
            let (cut_a, cut_b) = (a.min(MOST.into()), b.min(MOST.into()));
            prop_assert_eq!(number_of(a).partial_cmp(&number_of(b)), Some(cut_a.cmp(&cut_b)));
            prop_assert_eq!(u64::from(amount_of(number_of(a))), cut_a);
            prop_assert!(number_of(a) > LESS && number_of(a).is_normal());
        }
    }

    #[test]
    fn the_ends_are_told_apart() {
        assert!(LESS < number_of(0) && number_of(0) < number_of(1));
        assert!(number_of(MOST.into()) > number_of(u64::from(MOST) - 1));
        assert_eq!((number_of(u64::MAX), amount_of(LESS)), (f32::MAX, 0));
    }
}
