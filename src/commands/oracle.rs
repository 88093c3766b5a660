//! `cloudai oracle`.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};
use cloudai_reports::Options as ReportOptions;
use cloudai_schedulers::Registry;
use cloudai_sim::oracle::{self, Options, Solution};
use cloudai_sim::{Experiment, compare};
use cloudai_workloads::{Scenario, Settings};
use serde_json::{Value, json};

use super::print;
use super::scenario::{Overrides, location};
use crate::cli::OracleArgs;
use crate::failure::{Usage, tell};
use crate::folder::Draft;
use crate::interrupt;

/// What the oracle knows that no strategy does.
const FOREKNOWLEDGE: &str = "CLAIRVOYANT and OFFLINE: every arrival and every true run time; no preemption";

pub(super) fn run(args: &OracleArgs, registry: &Registry) -> Result<()> {
    let stop = interrupt::flag()?;
    let mut options = Options::default();
    options.objective = args.objective;
    options.schedules = args.schedules;
    options.nodes = args.nodes;
    options.time_limit = args.time_limit.map(time_limit).transpose()?;
    options.stop = Some(stop);
    let place = location(args.scenario.as_ref(), args.tasks.as_ref(), args.workers.as_ref());
    let scenario = Scenario::check(&place)?;
    let overrides = Overrides {
        settings: &args.settings,
        estimates: None,
        seed: args.seed,
        kill_at_estimate: args.kill_at_estimate,
    };
    let settings = overrides.apply(&scenario)?;
    options.seed = settings.seed;
    let draft = args.out.as_deref().map(Draft::open).transpose()?;
    let solution = oracle::solve(&scenario, &settings, &options)?;

    let mut experiment = Experiment::new(&scenario, &settings, registry, &[]);
    experiment.out = draft.as_ref().map(Draft::path);
    // Also without a report: the engine checks every schedule that we speak of.
    let replayed = oracle::replay(&experiment, &solution)?;
    let told = told(&solution, &scenario, &settings, options.seed);
    let mut comparison = compare(&experiment)?.comparison;
    FOREKNOWLEDGE.clone_into(&mut comparison.foreknowledge);
    comparison.strategies.push(replayed);
    if let (Some(draft), Some(place)) = (draft, &args.out) {
        let options = ReportOptions::default().with_plots(!args.no_plots);
        cloudai_reports::write(&comparison, draft.path(), &options)?;
        write(&draft.path().join("oracle.json"), &told)?;
        draft.publish()?;
        tell(format_args!("report: {}", place.join("index.html").display()));
    }
    if args.json {
        return print(&format!("{}\n", serde_json::to_string_pretty(&told)?));
    }
    print(&words(&solution, &settings.name))
}

fn time_limit(seconds: f64) -> Result<Duration> {
    let limit = Duration::try_from_secs_f64(seconds).ok().filter(|limit| !limit.is_zero());
    limit.ok_or_else(|| Usage(format!("--time-limit {seconds}: expected seconds, more than 0")).into())
}

/// What `oracle.json` holds.
fn told(solution: &Solution, scenario: &Scenario, settings: &Settings, seed: u64) -> Value {
    json!({
        "scenario": settings.name,
        "objective": solution.objective,
        "best_s": solution.best_s(),
        "bound_s": solution.bound_s(),
        "gap": solution.gap(),
        "optimal": solution.is_optimal(),
        "proof": solution.proof,
        "tasks": solution.tasks,
        "schedules": solution.schedules,
        "nodes": solution.nodes,
        "seed": seed,
        "reproducible": solution.reproducible,
        "foreknowledge": FOREKNOWLEDGE,
        "version": env!("CARGO_PKG_VERSION"),
        "scenario_hash": scenario.hash,
    })
}

fn write(file: &Path, told: &Value) -> Result<()> {
    let text = format!("{}\n", serde_json::to_string_pretty(told)?);
    std::fs::write(file, text).with_context(|| format!("cannot write {}", file.display()))
}

fn words(solution: &Solution, name: &str) -> String {
    let gap = match solution.gap() {
        _ if solution.is_optimal() => "1: optimal".to_owned(),
        Some(gap) => format!("{gap:.4}"),
        None => "none: the bound is 0".to_owned(),
    };
    let mut text = format!(
        "{} of {name}, {} tasks\n\
         best found  {} s, after {} schedules and {} nodes\n\
         bound       {} s: {}\n\
         gap         {gap}\n\
         Known beforehand: {FOREKNOWLEDGE}\n",
        solution.objective,
        solution.tasks,
        solution.best_s(),
        solution.schedules,
        solution.nodes,
        solution.bound_s(),
        solution.proof.about(),
    );
    if !solution.reproducible {
        text.push_str("A time limit was set: another run may find something else.\n");
    }
    text
}
