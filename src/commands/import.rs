//! `cloudai import`.

use std::path::Path;

use anyhow::Result;
use cloudai_workloads::{ImportReport, openb, swf, wfcommons};

use crate::cli::{ArrivalsArg, ImportCommand};
use crate::failure::{Usage, tell};

/// GPU demand is inflated to at most so many times the capacity: far beyond any question to a cluster, and still in memory.
const MOST_TARGET: f64 = 100.0;

/// What inflation takes if it is not told, as `cloudai import openb --help` says.
const DEFAULT_TARGET: f64 = 1.3;
const DEFAULT_SEED: u64 = 1;

pub(super) fn run(command: &ImportCommand) -> Result<()> {
    match command {
        ImportCommand::Swf { log, processors, out } => summarise(&swf::import(log, *processors, out)?, out),
        ImportCommand::Openb { nodes, pods, arrivals, target, seed, out } => {
            let arrivals = match arrivals {
                ArrivalsArg::Trace => {
                    let idle = target.map(|_| "--target").or(seed.map(|_| "--seed"));
                    if let Some(option) = idle {
                        let text = format!(
                            "{option} has no effect on the trace's own arrivals: expected --arrivals inflate beside it"
                        );
                        return Err(Usage(text).into());
                    }
                    openb::Arrivals::Trace
                }
                ArrivalsArg::Inflate => {
                    let (target, seed) = (target.unwrap_or(DEFAULT_TARGET), seed.unwrap_or(DEFAULT_SEED));
                    if !(target > 0.0 && target <= MOST_TARGET) {
                        let text = format!(
                            "--target {target}: expected a number above 0 and at most {MOST_TARGET}, such as 1.3"
                        );
                        return Err(Usage(text).into());
                    }
                    openb::Arrivals::Inflate { target, seed }
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
