//! `cloudai tune`.

use std::io::IsTerminal;

use anyhow::Result;
use cloudai_reports::sweep::Report;
use cloudai_reports::{Options as ReportOptions, TableStyle};
use cloudai_schedulers::Registry;
use cloudai_sim::sweep::Options;
use cloudai_sim::tune::{Tuned, Tuning};

use super::print;
use crate::cli::TuneArgs;
use crate::failure::tell;
use crate::interrupt;
use crate::progress::Progress;

pub(super) fn run(args: &TuneArgs, registry: &Registry) -> Result<()> {
    let mut tuning = Tuning::read(&args.tuning, registry)?;
    // Up to here nothing was written: whoever is asked to stop simply ends.
    let stop = interrupt::flag()?;
    tuning.budget = args.budget.map_or(tuning.budget, u64::from);
    tuning.seed = args.seed.unwrap_or(tuning.seed);
    for dimension in &tuning.space.dimensions {
        tell(format_args!("tunes {}: {}", dimension.name, dimension.domain));
    }
    let progress = Progress::start(tuning.budget, "runs");
    let mut options = Options::default();
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    options.jobs = args.jobs.map_or(cores, usize::from);
    options.memory_mib = args.memory_mb;
    options.stop = Some(stop);
    options.ended = Some(progress.count());
    let tuned = cloudai_sim::tune::tune(&tuning, &args.tuning, &args.out, registry, &options);
    drop(progress);
    let tuned = tuned.inspect_err(|_| {
        if stop.load(std::sync::atomic::Ordering::Relaxed) {
            let dir = args.out.display();
            tell(format_args!("what has ended is kept in {dir}: run the same command again to go on"));
        }
    })?;
    report(args, &tuned)?;
    let color =
        std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    let width = std::env::var("COLUMNS").ok().and_then(|columns| columns.parse().ok()).unwrap_or(80);
    print(&cloudai_reports::tuning::summary(&tuned, TableStyle::new(color, width)))?;
    tell(format_args!("preset: {}", args.out.join("preset.toml").display()));
    tell(format_args!("report: {}", args.out.join("heldout").join("index.html").display()));
    Ok(())
}

/// The held-out runs, as the sweep that they are.
fn report(args: &TuneArgs, tuned: &Tuned) -> Result<()> {
    let mut report = Report::new(format!("{}: held-out scenarios", tuned.name), tuned.table.clone());
    report.about = cloudai_reports::tuning::verdict(tuned);
    report.experiment = std::fs::read_to_string(&args.tuning).unwrap_or_default();
    report.objectives = tuned.objective.terms.iter().map(|(key, _)| key.clone()).collect();
    report.baseline = Some(tuned.default.to_string());
    let options = ReportOptions::default().with_plots(!args.no_plots);
    cloudai_reports::sweep::write(&report, &report.analyse(), &args.out.join("heldout"), &options)?;
    Ok(())
}
