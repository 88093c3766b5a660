//! Even samples of a distribution, without chance.

/// A systematic sample of `draws` items, ascending, with chances in proportion to `weights`: the items at the middles of
/// `draws` equal parts of all the weight. Empty if there is no weight.
pub(super) fn systematic(weights: &[u64], draws: u64) -> Vec<usize> {
    let total: u128 = weights.iter().map(|&weight| u128::from(weight)).sum();
    if total == 0 {
        return Vec::new();
    }
    let (mut item, mut below) = (0, u128::from(weights[0]));
    (0..u128::from(draws))
        .map(|draw| {
            while below * 2 * u128::from(draws) <= (2 * draw + 1) * total {
                item += 1;
                below += u128::from(weights[item]); // the last item's end lies behind every draw
            }
            item
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_the_middles_of_equal_parts() {
        assert_eq!(systematic(&[1, 0, 3], 4), [0, 2, 2, 2]);
        assert_eq!(systematic(&[1, 1, 1], 2), [0, 2], "the middles are at 0.75 and 2.25");
        assert_eq!(systematic(&[5], 3), [0, 0, 0]);
        assert!(systematic(&[0, 0], 3).is_empty() && systematic(&[], 3).is_empty());
    }
}
