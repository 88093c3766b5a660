//! The page (to follow).

use cloudai_sim::result::{Comparison, StrategyResult};

use crate::plots::Drawn;

/// The page's text.
pub(crate) fn page(_: &Comparison, _: &Drawn, _has_assignments: impl Fn(&StrategyResult) -> bool) -> String {
    String::new()
}
