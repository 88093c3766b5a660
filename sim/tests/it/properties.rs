//! Every registered strategy, on any scenario, obeys every rule.

use cloudai_schedulers::strategies::queue::spec::{BACKFILLS, ORDERS, PLACEMENTS};
use cloudai_schedulers::{Registry, StrategySpec};
use cloudai_workloads::generate::{Preset, generate};
use cloudai_workloads::{Location, OnFull, Scenario};
use proptest::prelude::*;

use crate::random::{scenarios, troubled};
use crate::recompute;
use crate::support::Case;

/// Specs of the registered strategies that support the case, and of compositions with every part there is.
fn able(case: &Case) -> Vec<String> {
    let registry = Registry::builtin();
    let names = registry.iter().map(|info| info.name.to_owned());
    let orders = ORDERS.iter().map(|order| format!("queue(order={order},backfill=easy,placement=best_fit)"));
    let rules = BACKFILLS.iter().flat_map(|backfill| {
        PLACEMENTS.iter().map(move |placement| format!("queue(backfill={backfill},placement={placement})"))
    });
    names.chain(orders).chain(rules).filter(|spec| supports(case, spec)).collect()
}

/// The named ones, and those that preempt as they do where everything is short.
fn able_to_preempt(case: &Case) -> Vec<String> {
    let registry = Registry::builtin();
    let names = registry.iter().map(|info| info.name.to_owned());
    let more = [
        "las(first_queue_h=0.0005,queues=3,factor=4,promote=2)",
        "las(first_queue_h=0.002,promote=0)",
        "srpt(margin=0.3)",
        "priority_preemption(window=1)",
    ];
    names.chain(more.map(str::to_owned)).filter(|spec| supports(case, spec)).collect()
}

fn supports(case: &Case, spec: &str) -> bool {
    let spec: StrategySpec = spec.parse().unwrap();
    let supports = Registry::builtin().build(&spec).unwrap().supports();
    (supports.gangs || !case.scenario.needs.gangs)
        && (!supports.preemption || case.settings.on_full == OnFull::Wait)
}

/// Runs every strategy that supports the case and checks all that it leaves behind.
fn check(case: &Case) {
    for spec in able(case) {
        recompute::check(&case.scenario, &case.settings, &case.run(&spec));
    }
}

/// `PROPTEST_CASES` asks for more than usual.
fn config() -> ProptestConfig {
    let asked = std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok());
    ProptestConfig { cases: asked.unwrap_or(160), ..ProptestConfig::default() }
}

proptest! {
    #![proptest_config(config())]

    /// Runs to the end, every invariant after every instant, each task ends exactly once, nothing starts before it
    /// may, nothing is overcommitted, no bound is beaten, and each metric is what its definition says.
    #[test]
    fn every_strategy_obeys_every_rule(files in scenarios()) {
        check(&files.case());
    }
}

proptest! {
    #![proptest_config(config())]

    /// The same while workers fail, return, drain and join, tasks are stopped, and progress is lost or saved.
    #[test]
    fn every_strategy_obeys_every_rule_in_trouble(files in troubled()) {
        let case = files.case();
        for spec in able_to_preempt(&case) {
            recompute::check(&case.scenario, &case.settings, &case.run(&spec));
        }
    }
}

#[test]
fn every_strategy_obeys_every_rule_on_generated_workloads() {
    for (seed, &preset) in (0u64..).zip(Preset::list()) {
        let folder = tempfile::tempdir().unwrap();
        let place = folder.path().join(preset.name());
        generate(preset, 120, 4, seed).unwrap().write(&place).unwrap();
        check(&Case::at(Scenario::check(&Location::Folder(place)).unwrap(), folder));
    }
}

#[test]
fn settings_that_change_what_happens_are_obeyed_on_a_bundled_workload() {
    let bundled = |name: &str| {
        let place = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../workloads").join(name);
        Case::at(Scenario::check(&Location::Folder(place)).unwrap(), tempfile::tempdir().unwrap())
    };
    check(&bundled("mixed-100x5").set("startup_latency_s", "2.5").set("starvation_threshold_s", "20"));
    check(&bundled("mixed-100x5").set("on_full", "reject").set("estimates", "none"));
    check(&bundled("dag-80x4").set("estimates", "noisy(2)").set("kill_at_estimate", "true"));
    check(&bundled("ml-60x4").set("estimates", "exact"));
}
