//! The shape of the trees that branch in `N`: groups of `N` children in one array. Group 0 has the root's children; the children of
//! the `n`-th of group `g` are group `N g + 1 + n`; the groups from `inner` on are the leaves.

/// The group and the place in it of what is above a group other than the first.
#[inline(always)]
pub(super) const fn above<const N: usize>(group: usize) -> (usize, usize) {
    ((group - 1) / N, (group - 1) % N)
}

/// The number of the first leaf at or behind a place to which `first` leads: it tells the first child of a group, at or behind a
/// place in it, below which there is such a leaf. O(log_N leaves).
#[inline(always)]
pub(super) fn next_leaf<const N: usize, G>(
    groups: &[G],
    inner: usize,
    (mut group, mut at): (usize, usize),
    first: impl Fn(&G, usize) -> Option<usize>,
) -> Option<usize> {
    loop {
        if let Some(found) = first(groups.get(group)?, at) {
            if group >= inner {
                return Some((group - inner) * N + found);
            }
            (group, at) = (N * group + 1 + found, 0);
            continue;
        }
        // Behind the group: up while it is a last child, then to the next neighbour.
        loop {
            if group == 0 {
                return None;
            }
            (group, at) = above::<N>(group);
            at += 1;
            if at < N {
                break;
            }
        }
    }
}
