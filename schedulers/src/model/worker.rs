//! Workers, and the conditions that a task may put on them.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::{Deserialize, Serialize};

use super::{Capacity, Speed};

/// A worker, by its index in the scenario (live: in order of registration).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct WorkerId(pub u32);

impl WorkerId {
    /// The worker's index, to look things up in a list by worker.
    #[must_use]
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

impl fmt::Display for WorkerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "worker #{}", self.0)
    }
}

/// What is known of a worker when it joins.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct WorkerSpec {
    /// Its name, as files and people know it.
    pub name: String,
    /// What it has in all.
    pub capacity: Capacity,
    /// The model of all its GPU devices.
    pub gpu_model: Option<String>,
    /// A task runs for its nominal duration divided by this.
    pub speed: Speed,
    /// Labels that tasks may ask for.
    pub labels: BTreeMap<String, String>,
}

/// Conditions on the worker that runs a task; the default asks for nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Constraint {
    /// The worker's GPU model is one of these; any model if empty.
    pub gpu_models: BTreeSet<String>,
    /// The worker has each of these labels, with this value.
    pub labels: BTreeMap<String, String>,
}

impl Constraint {
    /// True if `worker` meets every condition.
    #[must_use]
    pub fn allows(&self, worker: &WorkerSpec) -> bool {
        let model_allowed = self.gpu_models.is_empty()
            || worker.gpu_model.as_ref().is_some_and(|model| self.gpu_models.contains(model));
        model_allowed && self.labels.iter().all(|(key, value)| worker.labels.get(key) == Some(value))
    }
}
