//! `cloudai simulate`.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use cloudai_reports::Options as ReportOptions;
use cloudai_schedulers::{Registry, StrategySpec};
use cloudai_sim::bounds::Bounds;
use cloudai_sim::observers::assignments::AssignmentsFormat;
use cloudai_sim::oracle::Options;
use cloudai_sim::result::Skipped;
use cloudai_sim::tune::read_preset;
use cloudai_sim::{Experiment, Run};

use super::scenario::{Overrides, location};
use super::{print, table_style};
use crate::cli::{AssignmentsArg, SimulateArgs};
use crate::failure::{Usage, tell};
use crate::folder::Draft;
use crate::interrupt;
use crate::progress::Progress;

/// What runs unless `--strategy` says otherwise: the seven of this system, and the plainest queue beside them.
const DEFAULT: [&str; 8] =
    ["greedy", "round_robin", "balanced", "ai", "ai_aggressive", "ai_predictive", "ai_load_balanced", "fcfs"];

pub(super) fn run(args: &SimulateArgs, registry: &Registry) -> Result<()> {
    let stop = interrupt::flag()?;
    let Asked { mut strategies, mut named } = strategies(&args.strategy, registry)?;
    let baseline = baseline(args.baseline.as_deref(), &mut strategies, registry)?;
    named.extend(baseline.iter().filter(|_| args.baseline.is_some()).cloned());
    check(&strategies, registry)?;
    let place = location(args.scenario.as_ref(), args.tasks.as_ref(), args.workers.as_ref());
    let overrides = Overrides {
        settings: &args.settings,
        estimates: args.estimates,
        seed: args.seed,
        kill_at_estimate: args.kill_at_estimate,
    };
    let (scenario, bounds) = Bounds::while_checking(&place, &mut |settings| overrides.apply(settings).ok())?;
    if let Some(because) = scenario.is_loaded() {
        tell(format_args!("note: the tasks are held in memory, because {because}"));
    }
    let settings = overrides.apply(&scenario.settings)?;
    let mut experiment = Experiment::new(&scenario, &settings, registry, &strategies);
    refuse(&experiment, &named)?;
    let place = args.out.clone().unwrap_or_else(|| Path::new("out").join(folder_name(&settings.name)));
    let draft = Draft::open(&place)?;

    experiment.baseline = baseline.as_ref();
    experiment.bounds = bounds;
    experiment.out = Some(draft.path());
    experiment.assignments = match args.assignments {
        AssignmentsArg::Csv => AssignmentsFormat::Csv,
        #[cfg(feature = "parquet")]
        AssignmentsArg::Parquet => AssignmentsFormat::Parquet,
        AssignmentsArg::None => AssignmentsFormat::None,
    };
    experiment.stop = Some(stop);
    if args.oracle {
        let mut options = Options::default();
        (options.seed, options.stop) = (settings.seed, Some(stop));
        experiment.oracle = Some(options);
    }
    let progress = Progress::start(scenario.tasks * strategies.len() as u64, "tasks");
    experiment.ended = Some(progress.count());
    let run = with_jobs(args.jobs, || cloudai_sim::compare(&experiment))??;
    drop(progress);

    let options = ReportOptions::default().with_plots(!args.no_plots);
    cloudai_reports::write(&run.comparison, draft.path(), &options)?;
    let timings = serde_json::to_string_pretty(&run.timings)?;
    let timing_file = draft.path().join("timing.json");
    std::fs::write(&timing_file, timings)
        .with_context(|| format!("cannot write {}", timing_file.display()))?;
    if stop.load(std::sync::atomic::Ordering::Relaxed) {
        return Err(cloudai_sim::SimError::Interrupted.into());
    }
    draft.publish()?;
    show(args, &run)?;
    tell(format_args!("report: {}", place.join("index.html").display()));
    anyhow::ensure!(!run.comparison.strategies.is_empty(), "no strategy supports the scenario");
    Ok(())
}

/// What `--strategy` asks for.
struct Asked {
    /// The strategies, each once, in order.
    strategies: Vec<StrategySpec>,
    /// Those that were asked for by name: neither by default nor by `all`.
    named: Vec<StrategySpec>,
}

fn strategies(asked: &[String], registry: &Registry) -> Result<Asked> {
    let (mut specs, mut named): (Vec<StrategySpec>, Vec<StrategySpec>) = (Vec::new(), Vec::new());
    let by_default = asked.is_empty();
    let asked: Vec<&str> =
        if by_default { DEFAULT.to_vec() } else { asked.iter().map(String::as_str).collect() };
    for list in asked {
        for spec in listed(list, registry)? {
            if spec.name == "all" && spec.params.is_empty() {
                let all = registry
                    .iter()
                    .map(|info| StrategySpec { name: info.name.to_owned(), params: Vec::new() });
                specs.extend(all);
            } else {
                named.extend((!by_default).then(|| spec.clone()));
                specs.push(spec);
            }
        }
    }
    let mut folders = std::collections::HashSet::new();
    specs.retain(|spec| folders.insert(spec.folder()));
    Ok(Asked { strategies: specs, named })
}

/// Who names a strategy wants its result: that it does not support the scenario is told before anything runs. What `all` and
/// the default hold is left out instead, and the report says so.
fn refuse(experiment: &Experiment<'_>, named: &[StrategySpec]) -> Result<()> {
    let mut lacking = experiment.unsupported()?;
    lacking.retain(|skipped| named.iter().any(|spec| spec.to_string() == skipped.spec));
    let told: Vec<String> = lacking
        .iter()
        .map(|Skipped { spec, reason }| format!("strategy '{spec}' cannot run: {reason}"))
        .collect();
    if told.is_empty() { Ok(()) } else { Err(Usage(told.join("\n")).into()) }
}

/// The specs of a list; `@FILE` in it, which may have no comma, stands for the spec of a preset.
fn listed(list: &str, registry: &Registry) -> Result<Vec<StrategySpec>> {
    if !list.split(',').any(|piece| piece.trim_start().starts_with('@')) {
        return Ok(StrategySpec::parse_list(list)?);
    }
    // A preset takes the place of its file, and the list is read as any other.
    let mut pieces = Vec::new();
    for piece in list.split(',') {
        pieces.push(match piece.trim().strip_prefix('@') {
            Some(file) => read_preset(Path::new(file), registry)?.to_string(),
            None => piece.to_owned(),
        });
    }
    Ok(StrategySpec::parse_list(&pieces.join(","))?)
}

/// The baseline: as asked, and then it runs too; else greedy if it runs.
fn baseline(
    asked: Option<&str>,
    strategies: &mut Vec<StrategySpec>,
    registry: &Registry,
) -> Result<Option<StrategySpec>> {
    let Some(asked) = asked else {
        return Ok(strategies.iter().find(|spec| spec.name == "greedy").cloned());
    };
    let spec: StrategySpec = match asked.trim().strip_prefix('@') {
        Some(file) => read_preset(Path::new(file), registry)?,
        None => asked.parse()?,
    };
    if !strategies.contains(&spec) {
        strategies.push(spec.clone());
    }
    Ok(Some(spec))
}

/// Names and parameters are checked before a large file is read.
fn check(strategies: &[StrategySpec], registry: &Registry) -> Result<()> {
    for spec in strategies {
        registry.build(spec)?;
    }
    Ok(())
}

/// A scenario's name as the name of a folder.
fn folder_name(name: &str) -> PathBuf {
    let keep = |c: char| if c.is_alphanumeric() || "-_.".contains(c) { c } else { '_' };
    let safe: String = name.chars().map(keep).collect();
    if safe.trim_matches('.').is_empty() { "scenario".into() } else { safe.into() }
}

fn with_jobs<T: Send>(jobs: Option<u16>, work: impl FnOnce() -> T + Send) -> Result<T> {
    let Some(jobs) = jobs else { return Ok(work()) };
    let pool = rayon::ThreadPoolBuilder::new().num_threads(usize::from(jobs)).build()?;
    Ok(pool.install(work))
}

/// Prints the comparison: a table, or the metrics as JSON.
fn show(args: &SimulateArgs, run: &Run) -> Result<()> {
    if args.json {
        let metrics: Vec<_> = run.comparison.strategies.iter().map(|result| &result.metrics).collect();
        return print(&format!("{}\n", serde_json::to_string_pretty(&metrics)?));
    }
    print(&cloudai_reports::table(&run.comparison, table_style()))
}
