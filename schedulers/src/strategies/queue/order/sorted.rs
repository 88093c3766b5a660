//! Waiting tasks in an order of their own.

use std::collections::BTreeMap;
use std::ops::Bound;

use crate::Demand;
use crate::index::Waiting;

/// Waiting tasks by a key, lowest first, with what each asks for. While they are many and somebody passes over those that do not
/// fit, they are indexed by that, too.
///
/// To enter, to leave and to find the next takes O(log Q).
#[derive(Clone, Debug)]
pub(super) struct Sorted<K> {
    tasks: BTreeMap<K, Demand>,
    deep: Option<Waiting<K>>,
}

impl<K> Default for Sorted<K> {
    fn default() -> Self {
        Self { tasks: BTreeMap::new(), deep: None }
    }
}

impl<K> Sorted<K> {
    pub(super) fn len(&self) -> usize {
        self.tasks.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.tasks.is_empty()
    }
}

impl<K: Ord + Copy> Sorted<K> {
    pub(super) fn insert(&mut self, key: K, demand: Demand) {
        self.tasks.insert(key, demand);
        if let Some(deep) = &mut self.deep {
            deep.insert(key, demand);
        }
    }

    /// Removes the task of `key`; an index is given up when it holds far fewer than `deep_from`.
    pub(super) fn remove(&mut self, key: K, deep_from: usize) {
        let Some(demand) = self.tasks.remove(&key) else { return };
        if let Some(deep) = &mut self.deep {
            deep.remove(key, demand);
            if deep.len() < deep_from / 4 {
                self.deep = None;
            }
        }
    }

    /// The first key behind another.
    pub(super) fn next(&self, behind: Option<K>) -> Option<K> {
        let from = behind.map_or(Bound::Unbounded, Bound::Excluded);
        self.tasks.range((from, Bound::Unbounded)).next().map(|(&key, _)| key)
    }

    /// The first key behind another whose task may fit into one of `openings`; more than `deep_from` tasks are indexed.
    pub(super) fn next_within(
        &mut self,
        behind: Option<K>,
        deep_from: usize,
        openings: &[Demand],
    ) -> Option<K> {
        if self.deep.is_none() && self.tasks.len() > deep_from {
            self.deep = Some(Waiting::build(self.tasks.iter().map(|(&key, &demand)| (key, demand))));
        }
        if let Some(deep) = &self.deep {
            return deep.next(behind, openings);
        }
        let from = behind.map_or(Bound::Unbounded, Bound::Excluded);
        let mut rest = self.tasks.range((from, Bound::Unbounded));
        rest.find(|(_, demand)| demand.fits_any(openings)).map(|(&key, _)| key)
    }
}
