//! Made-up sweeps: waits that grow with load, strategies that are faster or slower by a factor, noise by seed and by
//! shaken copy. Deterministic.

use cloudai_reports::sweep::Report;
use cloudai_sim::sweep::{Factor, FactorKind, Measured, Outcome, Table};

use super::Random;

/// What varies.
struct Grid {
    scenarios: &'static [&'static str],
    workers: &'static [u32],
    loads: &'static [f64],
    copies: u32,
    seeds: u32,
    /// Strategies, each with its pace and its parameter `window`, if it has it.
    strategies: Vec<(String, f64, Option<u32>)>,
}

/// Every sweep by name.
#[allow(dead_code)]
pub(crate) fn all() -> Vec<(&'static str, Report)> {
    vec![("sweep", loads()), ("sweep-many", many()), ("sweep-shaken", shaken()), ("sweep-one", one())]
}

/// Five strategies at three loads, twelve seeds.
pub(crate) fn loads() -> Report {
    let strategies = [
        ("fcfs", 1.0),
        ("easy", 0.7),
        ("conservative", 0.72),
        ("queue(order=sjf,backfill=easy)", 0.6),
        ("greedy", 1.0),
    ];
    let strategies = strategies.map(|(spec, pace)| (spec.to_owned(), pace, None)).into();
    let grid = Grid {
        scenarios: &["mixed-100x5"],
        workers: &[5],
        loads: &[0.7, 0.9, 1.1],
        copies: 0,
        seeds: 12,
        strategies,
    };
    let mut sweep = sweep("load and backfilling", &grid, 0.08);
    sweep.about = "How much backfilling is worth under load.".to_owned();
    sweep.experiment = "[sweep]\nloads = [0.7, 0.9, 1.1]\nseeds = \"1..12\"\n".to_owned();
    sweep.objectives = ["mean_wait_s", "resource_utilization"].map(str::to_owned).into();
    sweep
}

/// 24 strategies, twenty of them one with a parameter, in two scenarios on clusters of four sizes; some cells fail.
pub(crate) fn many() -> Report {
    let mut strategies: Vec<(String, f64, Option<u32>)> = (0..20)
        .map(|i| {
            let window = 1 << (i % 10);
            let (kind, pace) = if i < 10 { ("ai", 0.8) } else { ("ai_aggressive", 0.75) };
            let away = f64::from(i % 10 - 6);
            (format!("{kind}(window={window})"), pace + 0.008 * away * away, Some(window as u32))
        })
        .collect();
    let plain = [
        ("fcfs", 1.0),
        ("greedy", 1.05),
        ("round_robin", 1.3),
        ("queue(order=sjf,backfill=easy,placement=best_fit)", 0.74),
    ];
    strategies.extend(plain.map(|(spec, pace)| (spec.to_owned(), pace, None)));
    let grid = Grid {
        scenarios: &["kth", "ml-60x4"],
        workers: &[50, 100, 200, 400],
        loads: &[1.0],
        copies: 0,
        seeds: 6,
        strategies,
    };
    let mut sweep = sweep("windows", &grid, 0.1);
    sweep.baseline = Some("greedy".to_owned());
    let failed = sweep.table.rows.iter_mut().filter(|row| row.cell % 97 == 5);
    failed.for_each(|row| row.outcome = Outcome::Failed("strategy `ai`: 3 tasks were left".to_owned()));
    sweep
}

/// Three strategies on two traces with twenty shaken copies each; one of the gains is an accident.
pub(crate) fn shaken() -> Report {
    let strategies = [("fcfs", 1.0), ("easy", 0.6), ("greedy", 0.995)];
    let strategies = strategies.map(|(spec, pace)| (spec.to_owned(), pace, None)).into();
    let grid = Grid {
        scenarios: &["kth", "sdsc"],
        workers: &[100],
        loads: &[0.9, 1.0],
        copies: 20,
        seeds: 1,
        strategies,
    };
    sweep("two traces, shaken", &grid, 0.02)
}

/// One run a strategy.
pub(crate) fn one() -> Report {
    let strategies = vec![("fcfs".to_owned(), 1.0, None), ("easy".to_owned(), 0.7, None)];
    let grid = Grid { scenarios: &["kth"], workers: &[100], loads: &[1.0], copies: 0, seeds: 1, strategies };
    sweep("one run", &grid, 0.0)
}

fn sweep(name: &str, grid: &Grid, noise: f64) -> Report {
    let mut random = Random(7);
    let factor = |kind, name: &str| Factor { kind, name: name.to_owned(), levels: Vec::new() };
    let mut table = Table::new();
    table.factors = vec![
        factor(FactorKind::Scenario, "scenario"),
        factor(FactorKind::Workers, "workers"),
        factor(FactorKind::Load, "load"),
        factor(FactorKind::Shake, "shake"),
        factor(FactorKind::Seed, "seed"),
        factor(FactorKind::Strategy, "strategy"),
        factor(FactorKind::Parameter, "param.window"),
    ];
    for (number, scenario) in grid.scenarios.iter().enumerate() {
        for &workers in grid.workers {
            for &load in grid.loads {
                for seed in 1..=grid.seeds {
                    for copy in 0..=grid.copies {
                        // What the workload does to everybody, and what it does to one.
                        let hard = 1.0 + 4.0 * noise * (random.unit() - 0.5);
                        for (spec, pace, window) in &grid.strategies {
                            let own = 1.0 + 2.0 * noise * (random.unit() - 0.5);
                            let crowd = 100.0 / f64::from(workers);
                            let wait =
                                300.0 * (1 + number) as f64 * crowd * load * load * load * hard * own * pace;
                            let texts = [
                                Some((*scenario).to_owned()),
                                Some(workers.to_string()),
                                Some(load.to_string()),
                                Some(copy.to_string()),
                                Some(seed.to_string()),
                                Some(spec.clone()),
                                window.map(|window| window.to_string()),
                            ];
                            let measured = measured(&table, wait, load);
                            table.push(&texts, Outcome::Ran(measured));
                        }
                    }
                }
            }
        }
    }
    Report::new(name, table)
}

fn measured(table: &Table, wait: f64, load: f64) -> Measured {
    let mut measured = Measured {
        metrics: vec![None; table.metrics.len()],
        texts: ["column", "0.1.0", "0123abcd"].map(str::to_owned).into(),
        curve: Vec::new(),
    };
    let makespan = 36_000.0 + wait;
    let values = [
        ("mean_wait_s", wait),
        ("mean_bounded_slowdown", 1.0 + wait / 60.0),
        ("makespan_s", makespan),
        ("resource_utilization", (load * 0.8 * 36_000.0 / makespan).min(1.0)),
        ("completed", 1_000.0),
    ];
    for (key, value) in values {
        if let Some(metric) = table.metric(key) {
            measured.metrics[metric] = Some(value);
        }
    }
    measured
}
