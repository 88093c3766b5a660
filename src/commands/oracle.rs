//! `cloudai oracle`.

use std::path::Path;

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
use crate::failure::tell;
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
    options.time_limit = args.time_limit;
    options.stop = Some(stop);
    let place = location(args.scenario.as_ref(), args.tasks.as_ref(), args.workers.as_ref());
    let scenario = Scenario::check(&place)?;
    let overrides = Overrides {
        settings: &args.settings,
        estimates: None,
        seed: args.seed,
        kill_at_estimate: args.kill_at_estimate,
    };
    let settings = overrides.apply(&scenario.settings)?;
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

/// Seconds to the microsecond, without zeros at the end: a mean has more digits than it is worth. A bound is rounded down.
fn seconds(value: f64, round: fn(f64) -> f64) -> String {
    let text = format!("{:.6}", round(value * 1e6) / 1e6);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
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
        seconds(solution.best_s(), f64::round),
        solution.schedules,
        solution.nodes,
        seconds(solution.bound_s(), f64::floor),
        solution.proof.about(),
    );
    if !solution.reproducible {
        text.push_str("A time limit was set: another run may find something else.\n");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::seconds;

    #[test]
    fn seconds_have_at_most_six_decimals() {
        assert_eq!(seconds(12.333_333_333_333_334, f64::round), "12.333333");
        assert_eq!(seconds(0.1 + 0.2, f64::round), "0.3");
        assert_eq!(seconds(3.938_259_51, f64::floor), "3.938259");
        assert_eq!(seconds(100.0, f64::floor), "100");
    }
}
