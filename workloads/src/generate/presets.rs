//! The presets' numbers: chosen once, from what is usual, and not for any strategy.

use super::Preset;
use super::recipe::{Arrivals, Kind, Machine, Recipe, Shape, shape};
use crate::sample::Law;

/// Nominal speed.
const NOMINAL: u32 = 1_000_000;

const PLAIN: Machine =
    Machine { cores: 16, memory_gb: 64, storage_gb: 1000, gpus: 0, gpu_model: "", speed: NOMINAL };

/// The numbers of a preset.
pub(crate) fn recipe(preset: Preset) -> Recipe {
    match preset {
        Preset::Uniform => uniform(),
        Preset::HeavyTailed => heavy_tailed(),
        Preset::Diurnal => diurnal(),
        Preset::MlTraining => ml_training(),
        Preset::DagPipelines => dag_pipelines(),
        Preset::Mixed => mixed(),
    }
}

/// Tasks on machines of one kind at a load of 0.8; the presets below change what they must.
fn plain(kinds: Vec<Kind>, machine: Machine) -> Recipe {
    Recipe {
        kinds,
        machines: vec![machine],
        arrivals: Arrivals::Poisson,
        load: 0.8,
        estimate_step_s: Some(60),
        one_model: 0.0,
        priorities: Vec::new(),
        deadlines: 0.0,
    }
}

fn kind(name: &'static str, weight: f64, duration: Law, shapes: Vec<Shape>) -> Kind {
    Kind { name, weight, shapes, duration }
}

fn uniform() -> Recipe {
    let shapes = (1..=4).flat_map(|cores| (1..=8).map(move |gb| shape(1.0, cores * 1000, gb * 1024, 1, 0)));
    let duration = Law::Uniform { low: 10.0, high: 100.0 };
    Recipe { estimate_step_s: None, ..plain(vec![kind("task", 1.0, duration, shapes.collect())], PLAIN) }
}

/// Cores in powers of two, as most parallel jobs ask for, with 2 GB a core.
fn powers_of_two() -> Vec<Shape> {
    [(0.5, 1), (0.25, 2), (0.15, 4), (0.1, 8)]
        .map(|(w, cores)| shape(w, cores * 1000, cores * 2048, 1, 0))
        .to_vec()
}

fn heavy_tailed() -> Recipe {
    let duration = Law::BoundedPareto { alpha: 1.1, low: 1.0, high: 10_000.0 };
    let machine = Machine { cores: 32, memory_gb: 128, ..PLAIN };
    plain(vec![kind("job", 1.0, duration, powers_of_two())], machine)
}

fn diurnal() -> Recipe {
    let request = kind("request", 0.7, Law::Lognormal { median: 60.0, sigma: 1.0 }, powers_of_two());
    let report = Law::Lognormal { median: 600.0, sigma: 1.2 };
    let report =
        kind("report", 0.3, report, vec![shape(0.6, 2000, 8192, 1, 0), shape(0.4, 4000, 16_384, 1, 0)]);
    Recipe { arrivals: Arrivals::Daily { swing: 0.8 }, ..plain(vec![request, report], PLAIN) }
}

fn ml_training() -> Recipe {
    let notebook = kind(
        "notebook",
        0.35,
        Law::Lognormal { median: 1200.0, sigma: 1.0 },
        vec![shape(0.45, 2000, 8192, 1, 250), shape(0.55, 4000, 16_384, 1, 500)],
    );
    let training = kind(
        "training",
        0.65,
        Law::Lognormal { median: 1800.0, sigma: 1.3 },
        vec![
            shape(0.45, 8000, 32_768, 10, 1000),
            shape(0.25, 16_000, 65_536, 10, 2000),
            shape(0.18, 32_000, 131_072, 10, 4000),
            shape(0.12, 64_000, 262_144, 10, 8000),
        ],
    );
    let large =
        Machine { cores: 96, memory_gb: 768, storage_gb: 4000, gpus: 8, gpu_model: "A100", speed: 1_500_000 };
    let small =
        Machine { cores: 48, memory_gb: 384, storage_gb: 2000, gpus: 4, gpu_model: "V100", speed: NOMINAL };
    Recipe { machines: vec![large, small], one_model: 0.25, ..plain(vec![notebook, training], large) }
}

fn dag_pipelines() -> Recipe {
    let shapes =
        vec![shape(0.5, 1000, 2048, 1, 0), shape(0.3, 2000, 4096, 1, 0), shape(0.2, 4000, 8192, 1, 0)];
    let stage = kind("stage", 1.0, Law::Lognormal { median: 30.0, sigma: 0.8 }, shapes);
    let fast = Machine { cores: 8, memory_gb: 32, speed: 1_500_000, ..PLAIN };
    Recipe {
        machines: vec![PLAIN, fast],
        arrivals: Arrivals::Pipelines,
        estimate_step_s: Some(10),
        ..plain(vec![stage], PLAIN)
    }
}

fn mixed() -> Recipe {
    let lognormal = |median, sigma| Law::Lognormal { median, sigma };
    let web = vec![shape(0.4, 500, 512, 1, 0), shape(0.4, 1000, 1024, 1, 0), shape(0.2, 2000, 2048, 1, 0)];
    let batch =
        vec![shape(0.4, 1000, 2048, 2, 0), shape(0.4, 2000, 4096, 5, 0), shape(0.2, 4000, 8192, 10, 0)];
    let analytics =
        vec![shape(0.5, 4000, 8192, 10, 0), shape(0.3, 8000, 16_384, 20, 0), shape(0.2, 8000, 32_768, 20, 0)];
    let ml = vec![
        shape(0.3, 8000, 16_384, 10, 0),
        shape(0.2, 2000, 8192, 5, 250),
        shape(0.25, 2000, 8192, 5, 500),
        shape(0.25, 4000, 16_384, 10, 1000),
    ];
    let machine = |cores, memory_gb, gpus| Machine {
        cores,
        memory_gb,
        storage_gb: 500,
        gpus,
        gpu_model: if gpus > 0 { "T4" } else { "" },
        speed: NOMINAL,
    };
    Recipe {
        kinds: vec![
            kind("web", 0.3, lognormal(8.0, 0.6), web),
            kind("batch", 0.3, lognormal(25.0, 0.6), batch),
            kind("analytics", 0.25, lognormal(30.0, 0.5), analytics),
            kind("ml", 0.15, lognormal(40.0, 0.4), ml),
        ],
        machines: vec![
            machine(32, 128, 2),
            machine(8, 16, 0),
            machine(16, 64, 0),
            machine(16, 32, 0),
            machine(24, 96, 0),
        ],
        arrivals: Arrivals::Poisson,
        load: 1.5,
        estimate_step_s: Some(10),
        one_model: 0.0,
        priorities: vec![(0, 0.7), (1, 0.2), (2, 0.1)],
        deadlines: 0.25,
    }
}
