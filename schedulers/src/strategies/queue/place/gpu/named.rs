//! The strategies of GPU sharing, by name: tasks in order of arrival, each that fits starts, where the rule says.

use super::clustering::GpuClustering;
use super::fgd::Fgd;
use super::packing::GpuPacking;
use super::random::GpuRandom;
use super::rollout::GpuRollout;
use crate::strategies::queue::Composed;
use crate::strategies::queue::backfill::Skipping;
use crate::strategies::queue::order::Fcfs;
use crate::strategies::queue::place::PlacementRule;
use crate::strategies::queue::place::score::{DotProduct, GpuBestFit};
use crate::strategies::queue::place::scored::Scored;
use crate::{Kind, ParamInfo, ParamKind, Params, Scheduler, StrategyInfo};

const WENG: &str = "Weng et al. 2023, Beware of Fragmentation (USENIX ATC), section 6.1, and its artifact";

/// A decision scores the workers that have changed since the last task of the same shape.
const SCORED: &str = "per start: O(log W) for each worker changed since a task of this shape started last; O(W) for a new shape";

fn queue(placement: impl PlacementRule + 'static) -> Box<dyn Scheduler> {
    Box::new(Composed::new(Fcfs::default(), Skipping, placement))
}

const fn plain(
    name: &'static str,
    about: &'static str,
    complexity: &'static str,
    build: fn(&Params) -> Box<dyn Scheduler>,
) -> StrategyInfo {
    StrategyInfo {
        name,
        aliases: &[],
        about,
        kind: Kind::Queue,
        source: WENG,
        complexity,
        params: &[],
        build,
    }
}

/// `gpu_random` in the registry.
pub const GPU_RANDOM: StrategyInfo = plain(
    "gpu_random",
    "GPU sharing: starts every task that fits, in order, on a random worker and device",
    "O(Q + S W) per pass with S starts",
    |_| queue(GpuRandom),
);

/// `dot_product` in the registry.
pub const DOT_PRODUCT: StrategyInfo = plain(
    "dot_product",
    "GPU sharing: starts every task that fits, in order, where what is left and what is asked for have the least dot product",
    SCORED,
    |_| queue(Scored::new(DotProduct)),
);

/// `gpu_clustering` in the registry.
pub const GPU_CLUSTERING: StrategyInfo = plain(
    "gpu_clustering",
    "GPU sharing: starts every task that fits, in order, with tasks of the same GPU class",
    "as the other scores, and the tasks on a worker each time that it is scored",
    |_| queue(Scored::new(GpuClustering)),
);

/// `gpu_packing` in the registry.
pub const GPU_PACKING: StrategyInfo = plain(
    "gpu_packing",
    "GPU sharing: starts every task that fits, in order, on occupied devices first, then on occupied workers",
    SCORED,
    |_| queue(Scored::new(GpuPacking)),
);

/// `gpu_best_fit` in the registry.
pub const GPU_BEST_FIT: StrategyInfo = plain(
    "gpu_best_fit",
    "GPU sharing: starts every task that fits, in order, where least cpu and GPU is left",
    SCORED,
    |_| queue(Scored::new(GpuBestFit)),
);

/// `fgd` in the registry.
pub const FGD: StrategyInfo = StrategyInfo {
    name: "fgd",
    aliases: &[],
    about: "GPU sharing: starts every task that fits, in order, where the GPU that typical tasks cannot use grows least",
    kind: Kind::Other,
    source: "Weng et al. 2023, Beware of Fragmentation (USENIX ATC), section 4; quantized: its artifact",
    complexity: "as the other scores, and the typical shapes x devices each time that a worker is scored",
    params: &[QUANTIZE],
    build: |params| queue(Scored::new(Fgd::new(params.bool("quantize")))),
};

/// The parameter of `fgd`.
pub const QUANTIZE: ParamInfo = ParamInfo {
    name: "quantize",
    about: "scores become int(100 x sigmoid): many tie, and the lowest worker wins",
    kind: ParamKind::Bool { default: false },
};

/// `gpu_rollout` in the registry.
pub const GPU_ROLLOUT: StrategyInfo = StrategyInfo {
    name: "gpu_rollout",
    aliases: &[],
    about: "GPU sharing: starts every task that fits, in order, where what is left loses least of its worth to several tasks to come",
    kind: Kind::Other,
    source: "our own: rollouts (Bertsekas, Tsitsiklis, Wu 1997) on single workers, over futures drawn from the profile",
    complexity: "as the other scores, and futures x tasks of one x devices for each new state of a worker",
    params: &[
        ParamInfo {
            name: "futures",
            about: "how many futures a state is tried on",
            kind: ParamKind::Int { default: 64, min: 1, max: 4096 },
        },
        ParamInfo {
            name: "draws",
            about: "tasks in a future, for each device of the worker",
            kind: ParamKind::Int { default: 4, min: 1, max: 64 },
        },
        ParamInfo {
            name: "step",
            about: "costs within so many devices count as equal, and the lowest worker wins",
            kind: ParamKind::Float { default: 0.1, min: 0.001, max: 8.0 },
        },
    ],
    build: |params| queue(Scored::new(rollout(params))),
};

/// The rule that `gpu_rollout` and its parameters describe.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "within the parameter's range")]
fn rollout(params: &Params) -> GpuRollout {
    let step = libm::round(params.float("step") * 1000.0) as u64;
    GpuRollout::new(params.int("futures"), params.int("draws"), step)
}

impl Default for GpuRollout {
    /// As `gpu_rollout` without parameters.
    fn default() -> Self {
        Self::new(64, 4, 100)
    }
}
