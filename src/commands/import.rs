//! `cloudai import`.

use std::path::Path;

use anyhow::Result;
use cloudai_workloads::{ImportReport, openb, swf};

use crate::cli::{ArrivalsArg, ImportCommand};
use crate::failure::{Usage, tell};

pub(super) fn run(command: &ImportCommand) -> Result<()> {
    match command {
        ImportCommand::Swf { log, processors, out } => summarise(&swf::import(log, *processors, out)?, out),
        ImportCommand::Openb { nodes, pods, arrivals, target, seed, out } => {
            let arrivals = match arrivals {
                ArrivalsArg::Trace => openb::Arrivals::Trace,
                ArrivalsArg::Inflate if target.is_finite() && *target > 0.0 => {
                    openb::Arrivals::Inflate { target: *target, seed: *seed }
                }
                ArrivalsArg::Inflate => {
                    return Err(
                        Usage(format!("--target {target}: expected a number above 0, such as 1.3")).into()
                    );
                }
            };
            summarise(&openb::import(nodes, pods, arrivals, out)?, out);
        }
    }
    Ok(())
}

/// What was kept, dropped and changed, on stderr.
fn summarise(report: &ImportReport, out: &Path) {
    tell(report);
    tell(format_args!("scenario: {}", out.display()));
}
