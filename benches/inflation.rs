//! How much GPU strategies allocate: the inflation experiment of Weng et al. 2023, "Beware of Fragmentation", as a Markdown
//! table beside the results of the paper's own simulator, and the CPU time of a run.
//!
//! It needs the trace: `CLOUDAI_DATA_DIR` names a folder with `openb/openb_node_list_gpu_node.csv` and
//! `openb/openb_pod_list_default.csv`; without it, it says so and measures nothing. The shares are the same on every
//! machine, and time is this thread's CPU time, with the tasks in memory and no observer.
//!
//! ```sh
//! cargo bench --bench inflation [-- [--test] [--seeds FIRST..LAST] [--pods FILE] [--strategies SPEC[,SPEC...]]]
//! ```
//!
//! `--test` runs one seed.
#![allow(clippy::expect_used, reason = "a benchmark may end with a panic")]

#[path = "support/cpu.rs"]
mod cpu;

use std::io::Write as _;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};

use cloudai_schedulers::{Registry, StrategySpec};
use cloudai_sim::observers::gpu_curve::GpuCurve;
use cloudai_sim::result::GpuPoint;
use cloudai_sim::{Hooks, run};
use cloudai_workloads::openb::{self, Arrivals};
use cloudai_workloads::{Location, Scenario};
use cpu::cpu_seconds;
use tempfile::TempDir;

/// Strategies, and the artifact's allocated GPU in percent at 100% and at 130% arrived (default trace, ten seeds).
const STRATEGIES: [(&str, Option<(f64, f64)>); 8] = [
    ("gpu_random", Some((86.30, 87.47))),
    ("dot_product", Some((90.62, 90.85))),
    ("gpu_clustering", Some((91.65, 91.88))),
    ("gpu_packing", Some((91.78, 92.00))),
    ("gpu_best_fit", Some((92.86, 93.08))),
    ("fgd", None),
    ("fgd(quantize=true)", Some((95.23, 95.39))),
    ("gpu_rollout", None),
];

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let option = |name: &str| args.iter().position(|arg| arg == name).and_then(|at| args.get(at + 1));
    let Some(data) = std::env::var_os("CLOUDAI_DATA_DIR").map(PathBuf::from) else {
        return tell("inflation: skipped, CLOUDAI_DATA_DIR does not name a folder with the openb trace\n");
    };
    let nodes = data.join("openb/openb_node_list_gpu_node.csv");
    let default = data.join("openb/openb_pod_list_default.csv");
    let pods = option("--pods").map_or(default, PathBuf::from);
    if let Some(missing) = [&nodes, &pods].into_iter().find(|file| !file.is_file()) {
        return tell(&format!("inflation: skipped, {} is missing\n", missing.display()));
    }
    let seeds = if args.iter().any(|arg| arg == "--test") {
        1..=1
    } else {
        option("--seeds").map_or(1..=10, |text| seeds(text))
    };
    let names: Vec<String> = match option("--strategies") {
        Some(list) => {
            StrategySpec::parse_list(list).expect("a list of specs").iter().map(ToString::to_string).collect()
        }
        None => STRATEGIES.iter().map(|(name, _)| (*name).to_owned()).collect(),
    };
    let scenarios: Vec<Inflated> = seeds.clone().map(|seed| Inflated::import(&nodes, &pods, seed)).collect();
    tell(&format!(
        "### {}, seeds {} to {}\n\n| strategy | allocated GPU at 100% arrived (standard deviation) | artifact | at 130% | \
         artifact | CPU s a run |\n|---|---|---|---|---|---|\n",
        pods.file_name().map(|name| name.to_string_lossy()).unwrap_or_default(),
        seeds.start(),
        seeds.end(),
    ));
    let artifact = |name: &str| {
        let known = STRATEGIES.iter().find(|(known, _)| *known == name)?;
        known.1.filter(|_| option("--pods").is_none())
    };
    for name in &names {
        let runs: Vec<Run> = scenarios.iter().map(|scenario| scenario.run(name)).collect();
        let figure = |figure: Option<f64>| figure.map_or_else(String::new, |figure| format!("{figure:.2}"));
        let column = |of: fn(&Run) -> f64| runs.iter().map(of).collect::<Vec<f64>>();
        let cells = [
            format!("`{name}`"),
            spread(&column(|run| run.at_capacity)),
            figure(artifact(name).map(|(at_capacity, _)| at_capacity)),
            spread(&column(|run| run.at_end)),
            figure(artifact(name).map(|(_, at_end)| at_end)),
            format!("{:.3}", mean(&column(|run| run.cpu_s))),
        ];
        tell(&format!("| {} |\n", cells.join(" | ")));
    }
}

fn tell(text: &str) {
    std::io::stdout().write_all(text.as_bytes()).expect("stdout is open");
}

/// Mean and standard deviation.
#[expect(clippy::cast_precision_loss, reason = "a few seeds")]
fn spread(values: &[f64]) -> String {
    let mean = mean(values);
    let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
    let deviation = (squares / (values.len().max(2) - 1) as f64).sqrt();
    format!("{mean:.2} ({deviation:.2})")
}

#[expect(clippy::cast_precision_loss, reason = "a few seeds")]
fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

/// `1..10`, both included.
fn seeds(text: &str) -> RangeInclusive<u64> {
    let (first, last) = text.split_once("..").expect("--seeds FIRST..LAST");
    first.parse().expect("a number")..=last.parse().expect("a number")
}

/// An inflated trace, in a folder that lives as long.
struct Inflated {
    scenario: Scenario,
    _folder: TempDir,
}

/// What a run came to: percent of the GPU capacity, and CPU time.
struct Run {
    at_capacity: f64,
    at_end: f64,
    cpu_s: f64,
}

impl Inflated {
    fn import(nodes: &Path, pods: &Path, seed: u64) -> Self {
        let folder = TempDir::new().expect("a temporary folder");
        let place = folder.path().join("scenario");
        openb::import(nodes, pods, Arrivals::Inflate { target: 1.3, seed }, &place).expect("the trace");
        let mut scenario =
            Scenario::check(&Location::Folder(place)).expect("an imported scenario is in order");
        scenario.hold().expect("the files are still there");
        Self { scenario, _folder: folder }
    }

    fn run(&self, spec: &str) -> Run {
        let parsed: StrategySpec = spec.parse().expect("a valid spec");
        let mut strategy = Registry::builtin().build(&parsed).expect("a known strategy");
        let settings = &self.scenario.settings;
        let cpu_s = cpu_seconds(|| {
            run(&self.scenario, settings, spec, strategy.as_mut(), &mut (), Hooks::default())
                .expect("it runs");
        });
        let mut strategy = Registry::builtin().build(&parsed).expect("a known strategy");
        let mut curve = GpuCurve::of(&self.scenario, settings).expect("it rejects what does not fit");
        run(&self.scenario, settings, spec, strategy.as_mut(), &mut curve, Hooks::default())
            .expect("it runs");
        let points = curve.into_points();
        let percent = |point: Option<&GpuPoint>| point.map_or(f64::NAN, |point| point.allocated * 100.0);
        Run {
            at_capacity: percent(points.iter().find(|point| point.arrived >= 1.0)),
            at_end: percent(points.last()),
            cpu_s,
        }
    }
}
