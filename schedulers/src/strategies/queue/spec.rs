//! The compositions that can be named: `queue(...)`, and names for the classical ones.

use super::Composed;
use super::backfill::conservative::Conservative;
use super::backfill::easy::Easy;
use super::backfill::forecast::Forecast;
use super::backfill::{Backfilling, Blocking, Skipping};
use super::order::by_key::ByKey;
use super::order::by_score::{ByScore, unicef, wfp3};
use super::order::by_user::{ByUser, Measure};
use super::order::{Fcfs, QueueOrder, keys};
use super::place::PlacementRule;
use super::place::fit::{BestFit, FirstFit, NextFit, Random, Spread, WorstFit};
use super::place::gpu::clustering::GpuClustering;
use super::place::gpu::fgd::Fgd;
use super::place::gpu::named;
use super::place::gpu::packing::GpuPacking;
use super::place::gpu::random::GpuRandom;
use super::place::gpu::rollout::GpuRollout;
use super::place::score::{DotProduct, GpuBestFit, Tetris};
use super::place::scored::Scored;
use super::place::stranding::LeastFragmentation;
use crate::{Duration, Kind, ParamInfo, ParamKind, Params, Scheduler, StrategyInfo};

const FEITELSON: &str = "Feitelson, Rudolph 1995, Parallel Job Scheduling: Issues and Approaches";
const JOHNSON: &str = "Johnson 1973, Near-Optimal Bin Packing Algorithms, applied to a queue";

/// `fcfs` in the registry.
pub const FCFS: StrategyInfo = StrategyInfo {
    name: "fcfs",
    aliases: &[],
    about: "queue: starts the head while it fits on some worker, first fit; the head blocks the rest",
    kind: Kind::Queue,
    source: FEITELSON,
    complexity: "O(log W) per start",
    params: &[],
    build: |_| Box::new(Composed::new(Fcfs::default(), Blocking, FirstFit)),
};

/// `first_fit` in the registry.
pub const FIRST_FIT: StrategyInfo = StrategyInfo {
    name: "first_fit",
    aliases: &[],
    about: "queue: starts every task that fits on some worker now, in order, on the first such worker",
    kind: Kind::Queue,
    source: JOHNSON,
    complexity: "O(S (C log Q + log W)) per pass with S starts, C classes of cpu waiting",
    params: &[],
    build: |_| Box::new(Composed::new(Fcfs::default(), Skipping, FirstFit)),
};

/// `best_fit` in the registry.
pub const BEST_FIT: StrategyInfo = StrategyInfo {
    name: "best_fit",
    aliases: &[],
    about: "queue: starts every task that fits on some worker now, in order, where it leaves least free cpu",
    kind: Kind::Queue,
    source: JOHNSON,
    complexity: "O(S (C log Q + log W)) per pass with S starts, C classes of cpu waiting",
    params: &[],
    build: |_| Box::new(Composed::new(Fcfs::default(), Skipping, BestFit)),
};

/// `easy` in the registry.
pub const EASY: StrategyInfo = StrategyInfo {
    name: "easy",
    aliases: &[],
    about: "queue: fcfs, and later tasks may overtake if they do not delay the head's reservation",
    kind: Kind::Queue,
    source: "Lifka 1995, The ANL/IBM SP Scheduling System; Mu'alem, Feitelson 2001, IEEE TPDS",
    complexity: "O(S (C log Q + log W) + D (log W + running tasks a worker)) per pass with S starts, C classes of cpu waiting, D workers changed since a head of the shape waited",
    params: &[],
    build: |_| Box::new(Composed::new(Fcfs::default(), Easy::new(Forecast::Estimates), FirstFit)),
};

/// `conservative` in the registry.
pub const CONSERVATIVE: StrategyInfo = StrategyInfo {
    name: "conservative",
    aliases: &[],
    about: "queue: every waiting task has a reservation that no later one may delay",
    kind: Kind::Queue,
    source: "Mu'alem, Feitelson 2001, IEEE TPDS (conservative backfilling)",
    complexity: "O(K (W + steps of the profiles)) per pass, K reservations up to the last task that can start: hardly more for a deeper queue on one worker, up to Q on several",
    params: &[],
    build: |_| Box::new(Composed::new(Fcfs::default(), Conservative::new(Forecast::Estimates), FirstFit)),
};

/// `queue` in the registry: any composition.
pub const QUEUE: StrategyInfo = StrategyInfo {
    name: "queue",
    aliases: &[],
    about: "queue: any queue order with any backfilling and any placement rule",
    kind: Kind::Queue,
    source: "orders and rules: docs/strategies.md names the source of each",
    complexity: "order: O(log Q) per task reached, O(Q) per pass for wfp3 and unicef, O(U) over users per pass for fair_share and drf; backfilling: as fcfs, \
                 first_fit, easy and conservative",
    params: &[
        ParamInfo {
            name: "order",
            about: "which waiting task comes first",
            kind: ParamKind::Choice { default: "fcfs", options: ORDERS },
        },
        ParamInfo {
            name: "backfill",
            about: "which tasks may overtake: none (the head blocks), all that fit (skip), those that delay no reservation",
            kind: ParamKind::Choice { default: "none", options: BACKFILLS },
        },
        ParamInfo {
            name: "placement",
            about: "which worker a task starts on",
            kind: ParamKind::Choice { default: "first_fit", options: PLACEMENTS },
        },
        ParamInfo {
            name: "aging",
            about: "order=priority: points of priority that an hour of waiting is worth",
            kind: ParamKind::Float { default: 1.0, min: 0.0, max: 1e9 },
        },
        ParamInfo {
            name: "half_life_h",
            about: "order=fair_share: hours after which past use counts half",
            kind: ParamKind::Float { default: 24.0, min: 0.001, max: 1e6 },
        },
        ParamInfo {
            name: "first_queue_h",
            about: "order=las: attained service at which a task leaves the first queue, in GPU hours (core hours without GPU)",
            kind: ParamKind::Float { default: 1.0, min: 1e-6, max: 1e6 },
        },
        ParamInfo { about: "placement=fgd: as of the strategy fgd", ..named::QUANTIZE },
    ],
    build: |params| {
        compose(params, params.choice("order"), params.choice("backfill"), params.choice("placement"))
    },
};

/// The queue orders, by name.
pub const ORDERS: &[&str] = &[
    "fcfs",
    "sjf",
    "ljf",
    "smallest_area",
    "largest_area",
    "priority",
    "wfp3",
    "unicef",
    "f1",
    "f2",
    "f3",
    "f4",
    "edf",
    "fair_share",
    "drf",
    "las",
];

/// The backfilling rules, by name.
pub const BACKFILLS: &[&str] =
    &["none", "skip", "easy", "conservative", "easy_predicted", "conservative_predicted"];

/// The placement rules, by name.
pub const PLACEMENTS: &[&str] = &[
    "first_fit",
    "best_fit",
    "worst_fit",
    "next_fit",
    "random",
    "spread",
    "dot_product",
    "tetris",
    "least_fragmentation",
    "gpu_random",
    "gpu_clustering",
    "gpu_packing",
    "gpu_best_fit",
    "fgd",
    "gpu_rollout",
];

fn compose(params: &Params, order: &str, backfill: &str, placement: &str) -> Box<dyn Scheduler> {
    Box::new(Composed::boxed(
        order_named(order, params),
        backfill_named(backfill),
        placement_named(placement, params),
    ))
}

fn order_named(name: &str, params: &Params) -> Box<dyn QueueOrder> {
    let (aging, first_queue) = (billionths(params.float("aging")), params.float("first_queue_h"));
    let learned = |at: usize| {
        let function = keys::LEARNED[at];
        Box::new(ByKey::new(move |view, task| keys::learned(view, task, function)))
    };
    match name {
        "sjf" => Box::new(ByKey::new(keys::shortest)),
        "ljf" => Box::new(ByKey::new(keys::longest)),
        "smallest_area" => Box::new(ByKey::new(keys::area)),
        "largest_area" => Box::new(ByKey::new(keys::large_area)),
        "priority" => Box::new(ByKey::new(move |_, task| keys::aged_priority(task, aging))),
        "wfp3" => Box::new(ByScore::new(wfp3)),
        "unicef" => Box::new(ByScore::new(unicef)),
        "f1" => learned(0),
        "f2" => learned(1),
        "f3" => learned(2),
        "f4" => learned(3),
        "edf" => Box::new(ByKey::new(keys::deadline)),
        "fair_share" => {
            let half_life = duration(params.float("half_life_h") * 3600.0);
            Box::new(ByUser::new(Measure::Decayed { half_life }))
        }
        "drf" => Box::new(ByUser::new(Measure::HeldNow)),
        "las" => Box::new(ByKey::new(move |view, task| keys::attained_queue(view, task, first_queue))),
        _ => Box::new(Fcfs::default()),
    }
}

/// A parameter of 0 to 10^9 in whole billionths, the nearest.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "within the range of the parameter"
)]
fn billionths(value: f64) -> u64 {
    libm::round(value * 1e9) as u64
}

fn backfill_named(name: &str) -> Box<dyn Backfilling> {
    match name {
        "skip" => Box::new(Skipping),
        "easy" => Box::new(Easy::new(Forecast::Estimates)),
        "easy_predicted" => Box::new(Easy::new(Forecast::predictions())),
        "conservative" => Box::new(Conservative::new(Forecast::Estimates)),
        "conservative_predicted" => Box::new(Conservative::new(Forecast::predictions())),
        _ => Box::new(Blocking),
    }
}

fn placement_named(name: &str, params: &Params) -> Box<dyn PlacementRule> {
    match name {
        "best_fit" => Box::new(BestFit),
        "worst_fit" => Box::new(WorstFit),
        "next_fit" => Box::new(NextFit::default()),
        "random" => Box::new(Random),
        "spread" => Box::new(Spread),
        "dot_product" => Box::new(Scored::new(DotProduct)),
        "tetris" => Box::new(Scored::new(Tetris)),
        "least_fragmentation" => Box::new(Scored::new(LeastFragmentation::default())),
        "gpu_random" => Box::new(GpuRandom),
        "gpu_clustering" => Box::new(Scored::new(GpuClustering)),
        "gpu_packing" => Box::new(Scored::new(GpuPacking)),
        "gpu_best_fit" => Box::new(Scored::new(GpuBestFit)),
        "fgd" => Box::new(Scored::new(Fgd::new(params.bool("quantize")))),
        "gpu_rollout" => Box::new(Scored::new(GpuRollout::default())),
        _ => Box::new(FirstFit),
    }
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "within the parameter's range")]
fn duration(seconds: f64) -> Duration {
    Duration::from_micros((seconds * 1e6) as u64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Registry, StrategySpec};

    #[test]
    fn a_parameter_without_effect_is_refused_with_what_it_would_need() {
        let registry = Registry::builtin();
        let build = |spec: &str| {
            let spec: StrategySpec = spec.parse().unwrap();
            registry.build(&spec).map(|_| ()).map_err(|error| error.to_string())
        };
        for spec in [
            "queue(order=priority,aging=2)",
            "queue(aging=2,order=priority)",
            "queue(order=fair_share,half_life_h=1)",
            "queue(order=las,first_queue_h=1)",
            "queue(placement=fgd,quantize=true)",
            "fgd(quantize=true)",
        ] {
            assert_eq!(build(spec), Ok(()), "{spec}");
        }
        assert_eq!(
            build("queue(order=sjf,aging=2)").unwrap_err(),
            "strategy 'queue': aging has no effect with order=sjf: expected order=priority beside it"
        );
        assert_eq!(
            build("queue(quantize=false)").unwrap_err(),
            "strategy 'queue': quantize has no effect with placement=first_fit: expected placement=fgd beside it"
        );
        assert!(build("queue(half_life_h=1)").is_err() && build("queue(first_queue_h=1)").is_err());
    }

    #[test]
    fn conditions_of_parameters_name_choices_that_exist() {
        for info in Registry::builtin().iter() {
            for (param, value) in info.params.iter().filter_map(ParamInfo::only_with) {
                let other = info.params.iter().find(|other| other.name == param).unwrap();
                assert!(
                    matches!(other.kind, ParamKind::Choice { options, .. } if options.contains(&value)),
                    "{}: {param}={value}",
                    info.name
                );
            }
        }
    }
}
