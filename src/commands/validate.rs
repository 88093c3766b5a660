//! `cloudai validate`.

use anyhow::Result;
use cloudai_sim::validate::{Rule, Validation, validate};
use cloudai_workloads::Scenario;

use super::print;
use super::scenario::{Overrides, location};
use crate::cli::ValidateArgs;
use crate::failure::Violated;

pub(super) fn run(args: &ValidateArgs) -> Result<()> {
    let rules = args.rules.as_deref().map(Rule::parse_list).transpose()?.unwrap_or_default();
    let place = location(args.scenario.as_ref(), args.tasks.as_ref(), args.workers.as_ref());
    let scenario = Scenario::check(&place)?;
    let overrides = Overrides {
        settings: &args.settings,
        estimates: args.estimates,
        seed: args.seed,
        kill_at_estimate: args.kill_at_estimate,
    };
    let settings = overrides.apply(&scenario.settings)?;
    let mut validation = Validation::new(&scenario, &settings);
    validation.rules = rules;
    validation.first = args.first;
    let verdict = validate(&validation, &args.assignments)?;
    if args.json {
        print(&format!("{}\n", serde_json::to_string_pretty(&verdict)?))?;
    } else {
        print(&verdict.to_string())?;
    }
    if verdict.holds { Ok(()) } else { Err(Violated { count: verdict.violation_count }.into()) }
}
