//! Checks the core's invariants as a run goes on.

use cloudai_schedulers::{Cluster, invariants};

use super::Observer;
use crate::error::SimError;

/// Checks every invariant after every instant; the run ends at the first violation. Costs time linear in the tasks
/// alive and the workers, an instant.
#[derive(Clone, Copy, Debug, Default)]
pub struct Checker;

impl Observer for Checker {
    fn reads_names(&self) -> bool {
        false
    }

    fn settled(&mut self, cluster: &Cluster) -> Result<(), SimError> {
        Ok(invariants::check(cluster)?)
    }
}
