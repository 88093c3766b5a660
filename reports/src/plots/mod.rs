//! Plots (to follow).

use std::path::Path;

use cloudai_sim::result::Comparison;

use crate::ReportError;

/// The plots of a report.
#[derive(Debug, Default)]
pub(crate) struct Drawn {}

/// Draws every plot into its files below `dir`.
#[allow(clippy::unnecessary_wraps)]
pub(crate) fn write(_comparison: &Comparison, _dir: &Path) -> Result<Drawn, ReportError> {
    Ok(Drawn {})
}
