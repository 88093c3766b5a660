//! Which workers have changed since one looked last: a list of the workers, latest change first.

/// A ring of the workers in order of their last change, threaded through two arrays; the entry behind the last worker is
/// the ring's beginning and end.
#[derive(Clone, Debug)]
pub(crate) struct RecentChanges {
    /// The older neighbour.
    older: Vec<u32>,
    /// The younger neighbour.
    younger: Vec<u32>,
    /// Number of the last change, by worker.
    stamps: Vec<u64>,
    /// How many changes there have been.
    changes: u64,
}

impl RecentChanges {
    /// All workers have just joined; `changes` goes on from an earlier count.
    pub(crate) fn new(workers: usize, changes: u64) -> Self {
        let ring = u32::try_from(workers).unwrap_or(u32::MAX - 1);
        let all = ring + 1;
        Self {
            older: (0..all).map(|at| (at + 1) % all).collect(),
            younger: (0..all).map(|at| (at + ring) % all).collect(),
            stamps: vec![changes + 1; workers],
            changes: changes + 1,
        }
    }

    /// How many changes there have been.
    pub(crate) const fn changes(&self) -> u64 {
        self.changes
    }

    /// Notes a change of `worker`.
    pub(crate) fn note(&mut self, worker: usize) {
        self.changes += 1;
        self.stamps[worker] = self.changes;
        let ends = self.stamps.len();
        let latest = self.older[ends] as usize;
        if latest == worker {
            return;
        }
        let (older, younger) = (self.older[worker], self.younger[worker]);
        self.older[younger as usize] = older;
        self.younger[older as usize] = younger;
        self.link(ends, worker);
        self.link(worker, latest);
    }

    fn link(&mut self, younger: usize, older: usize) {
        let number = |at: usize| u32::try_from(at).unwrap_or(u32::MAX);
        self.older[younger] = number(older);
        self.younger[older] = number(younger);
    }

    /// The workers that have changed after the first `changes` changes, the latest first.
    pub(crate) fn since(&self, changes: u64) -> impl Iterator<Item = usize> {
        let mut at = self.stamps.len();
        std::iter::from_fn(move || {
            at = self.older[at] as usize;
            (*self.stamps.get(at)? > changes).then_some(at)
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn tells_what_has_changed_latest_first(
            workers in 1usize..20,
            noted in prop::collection::vec(any::<prop::sample::Index>(), 0..60),
            looked in any::<prop::sample::Index>(),
        ) {
            let mut recent = RecentChanges::new(workers, 7);
            let noted: Vec<usize> = noted.iter().map(|at| at.index(workers)).collect();
            let looked = looked.index(noted.len() + 1);
            for &worker in &noted[..looked] {
                recent.note(worker);
            }
            let before = recent.changes();
            for &worker in &noted[looked..] {
                recent.note(worker);
            }
            let mut expected: Vec<usize> = noted[looked..].iter().rev().copied().collect();
            let mut seen = std::collections::HashSet::new();
            expected.retain(|&worker| seen.insert(worker));
            prop_assert_eq!(recent.since(before).collect::<Vec<_>>(), expected);
            let mut all: Vec<usize> = recent.since(7).collect();
            all.sort_unstable();
            prop_assert_eq!(all, (0..workers).collect::<Vec<_>>(), "each worker changed when it joined");
        }
    }
}
