//! `cloudai import`.

use std::path::Path;

use anyhow::Result;
use cloudai_workloads::{ImportReport, openb, swf};

use crate::cli::{ArrivalsArg, ImportCommand};
use crate::failure::Usage;

pub(super) fn run(command: &ImportCommand) -> Result<()> {
    match command {
        ImportCommand::Swf { log, processors, out } => tell(&swf::import(log, *processors, out)?, out),
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
            tell(&openb::import(nodes, pods, arrivals, out)?, out);
        }
    }
    Ok(())
}

/// What was kept, dropped and changed, on stderr.
fn tell(report: &ImportReport, out: &Path) {
    eprintln!("{report}");
    eprintln!("scenario: {}", out.display());
}
