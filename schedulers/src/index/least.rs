//! The worker with the least committed work: a tournament tree.

/// A complete binary tree of minima over (work, worker).
#[derive(Clone, Debug, Default)]
pub(crate) struct LeastTree {
    nodes: Vec<u64>,
    leaves: usize,
}

impl LeastTree {
    pub(crate) fn build(work: impl ExactSizeIterator<Item = u64>) -> Self {
        let leaves = work.len().next_power_of_two();
        let mut nodes = vec![u64::MAX; 2 * leaves];
        for (leaf, work) in nodes[leaves..].iter_mut().zip(work) {
            *leaf = work;
        }
        for node in (1..leaves).rev() {
            nodes[node] = nodes[2 * node].min(nodes[2 * node + 1]);
        }
        Self { nodes, leaves }
    }

    pub(crate) fn update(&mut self, worker: usize, work: u64) {
        let mut node = self.leaves + worker;
        self.nodes[node] = work;
        while node > 1 {
            node /= 2;
            let min = self.nodes[2 * node].min(self.nodes[2 * node + 1]);
            if self.nodes[node] == min {
                break;
            }
            self.nodes[node] = min;
        }
    }

    /// The worker with the least work among those that `suits` accepts, ties to the lowest index.
    ///
    /// Steps: log2(workers) if the first candidate suits, more where it does not.
    pub(crate) fn least(&self, suits: impl Fn(usize) -> bool) -> Option<usize> {
        let mut best: Option<(u64, usize)> = None;
        let mut stack = vec![1usize];
        while let Some(node) = stack.pop() {
            let work = self.nodes[node];
            // Subtrees are visited from the left among equals, so a later tie never wins.
            if work == u64::MAX
                || best.is_some_and(|(least, at)| (least, at) <= (work, self.first_leaf(node)))
            {
                continue;
            }
            if node >= self.leaves {
                let worker = node - self.leaves;
                if suits(worker) {
                    best = Some((work, worker));
                }
                continue;
            }
            let (left, right) = (2 * node, 2 * node + 1);
            // The more promising child is pushed last and visited first.
            if self.nodes[right] < self.nodes[left] {
                stack.extend([left, right]);
            } else {
                stack.extend([right, left]);
            }
        }
        best.map(|(_, worker)| worker)
    }

    /// The lowest worker below `node`.
    fn first_leaf(&self, node: usize) -> usize {
        let depth = self.leaves.ilog2() - node.ilog2();
        (node << depth) - self.leaves
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn finds_the_least_that_suits(
            mut work in prop::collection::vec(0u64..6, 1..70),
            updates in prop::collection::vec((any::<prop::sample::Index>(), 0u64..6), 0..40),
            suits in prop::collection::vec(any::<bool>(), 70),
        ) {
            let mut tree = LeastTree::build(work.iter().copied());
            for (at, value) in updates {
                let at = at.index(work.len());
                work[at] = value;
                tree.update(at, value);
            }
            let scan = (0..work.len()).filter(|&worker| suits[worker]).min_by_key(|&worker| (work[worker], worker));
            prop_assert_eq!(tree.least(|worker| suits[worker]), scan);
        }
    }
}
