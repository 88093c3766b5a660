//! `cloudai generate`.

use anyhow::Result;
use cloudai_workloads::generate::{Preset, generate};

use crate::cli::GenerateArgs;
use crate::failure::{Usage, tell};

pub(super) fn run(args: &GenerateArgs) -> Result<()> {
    let preset: Preset = args.preset.parse().map_err(|error| Usage(format!("{error}")))?;
    let (tasks, workers) = (u64::from(args.tasks), u64::from(args.workers));
    let generated = generate(preset, tasks, workers, args.seed).map_err(|error| Usage(error.to_string()))?;
    generated.write(&args.out)?;
    tell(format_args!("scenario: {} ({tasks} tasks, {workers} workers)", args.out.display()));
    Ok(())
}

/// The presets, one a line, for the help.
pub(crate) fn preset_help() -> String {
    let lines: Vec<String> =
        Preset::list().iter().map(|preset| format!("  {:14} {}", preset.name(), preset.summary())).collect();
    format!(
        "Presets:\n{}\n\nExample:\n  cloudai generate uniform --tasks 10000 --workers 100 --seed 7 --out my-scenario",
        lines.join("\n")
    )
}
