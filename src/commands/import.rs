//! `cloudai import`.

use std::path::Path;

use anyhow::Result;
use cloudai_workloads::{ImportReport, openb, swf, wfcommons};

use crate::cli::{ArrivalsArg, ImportCommand};
use crate::failure::{Usage, tell};

/// GPU demand is inflated to at most so many times the capacity: far beyond any question to a cluster, and still in memory.
const MOST_TARGET: f64 = 100.0;

pub(super) fn run(command: &ImportCommand) -> Result<()> {
    match command {
        ImportCommand::Swf { log, processors, out } => summarise(&swf::import(log, *processors, out)?, out),
        ImportCommand::Openb { nodes, pods, arrivals, target, seed, out } => {
            let arrivals = match arrivals {
                ArrivalsArg::Trace => openb::Arrivals::Trace,
                ArrivalsArg::Inflate if *target > 0.0 && *target <= MOST_TARGET => {
                    openb::Arrivals::Inflate { target: *target, seed: *seed }
                }
                ArrivalsArg::Inflate => {
                    return Err(Usage(format!(
                        "--target {target}: expected a number above 0 and at most {MOST_TARGET}, such as 1.3"
                    ))
                    .into());
                }
            };
            summarise(&openb::import(nodes, pods, arrivals, out)?, out);
        }
        ImportCommand::Wfcommons { file, machines, cores, memory_gb, bandwidth, out } => {
            let options = wfcommons::Options {
                machines: *machines,
                cores: *cores,
                memory_gb: *memory_gb,
                bytes_per_s: bytes_per_s(*bandwidth)?,
            };
            summarise(&wfcommons::import(file, options, out)?, out);
        }
    }
    Ok(())
}

/// A bandwidth in MB/s, as whole bytes per second.
fn bytes_per_s(bandwidth: f64) -> Result<u64> {
    if !(1e-6..=1e12).contains(&bandwidth) {
        return Err(Usage(format!("--bandwidth {bandwidth}: expected MB/s, 0.000001 to 10^12")).into());
    }
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "1 to 10^18")]
    Ok((bandwidth * 1e6).round() as u64)
}

/// What was kept, dropped and changed, on stderr.
fn summarise(report: &ImportReport, out: &Path) {
    tell(report);
    tell(format_args!("scenario: {}", out.display()));
}
