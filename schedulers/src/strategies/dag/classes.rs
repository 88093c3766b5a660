//! Workers that are alike.

use std::collections::HashMap;

use crate::{ClusterView, WorkerId, WorkerState};

/// Active workers by class. Two workers are of one class if every task takes equally long on both and fits on both or on
/// neither when they are empty; where run times of single pairs are known, each worker is a class of its own.
#[derive(Clone, Debug, Default)]
pub(super) struct Classes {
    /// By class: its workers, by index.
    members: Vec<Vec<WorkerId>>,
    /// By worker: its class, if it is active.
    of: Vec<Option<u32>>,
}

impl Classes {
    pub(super) fn of(view: &ClusterView<'_>) -> Self {
        let mut classes = Self::default();
        let mut known = HashMap::new();
        for worker in view.workers() {
            if worker.state() != WorkerState::Active {
                classes.of.push(None);
                continue;
            }
            let (spec, new) = (worker.spec(), classes.members.len());
            let class = if view.has_known_run_times() {
                new
            } else {
                *known.entry((spec.capacity, spec.speed, &spec.gpu_model, &spec.labels)).or_insert(new)
            };
            if class == new {
                classes.members.push(Vec::new());
            }
            classes.members[class].push(worker.id());
            classes.of.push(u32::try_from(class).ok());
        }
        classes
    }

    /// How many classes there are.
    pub(super) fn count(&self) -> usize {
        self.members.len()
    }

    /// How many workers there are.
    pub(super) fn workers(&self) -> usize {
        self.members.iter().map(Vec::len).sum()
    }

    /// The workers of each class, by index; none is empty.
    pub(super) fn members(&self) -> impl Iterator<Item = &[WorkerId]> {
        self.members.iter().map(Vec::as_slice)
    }

    /// The class of a worker, if it is active.
    pub(super) fn class_of(&self, worker: WorkerId) -> Option<usize> {
        self.of.get(worker.index()).copied().flatten().map(|class| class as usize)
    }
}
