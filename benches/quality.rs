//! How good the schedules are: every strategy on generated scenarios, means over many seeds, as a Markdown table.
//!
//! Not a measurement of time: the numbers are the same on every machine. `-- --test` runs two seeds.
#![allow(clippy::expect_used, reason = "a benchmark may end with a panic")]

mod support;

use std::io::Write as _;

use cloudai_schedulers::Registry;
use cloudai_sim::bounds::Bounds;
use cloudai_sim::result::Metrics;
use cloudai_workloads::generate::Preset;
use support::Workload;

const SEEDS: u64 = 30;

/// Preset, tasks, workers.
const SCENARIOS: [(Preset, u64, u64); 5] = [
    (Preset::Mixed, 100, 5),
    (Preset::Mixed, 1_000, 5),
    (Preset::Uniform, 100, 5),
    (Preset::MlTraining, 100, 5),
    (Preset::DagPipelines, 100, 5),
];

fn main() {
    let seeds = if std::env::args().any(|arg| arg == "--test") { 2 } else { SEEDS };
    let registry = Registry::builtin();
    let mut out = std::io::stdout().lock();
    for (preset, tasks, workers) in SCENARIOS {
        let mut rows: Vec<Row> = registry.iter().map(|info| Row::new(info.name)).collect();
        for seed in 1..=seeds {
            let workload = Workload::generate(preset, tasks, workers, seed);
            let bounds =
                Bounds::of(&workload.scenario, &workload.scenario.settings).expect("it was just read");
            let runs: Vec<Metrics> = rows.iter().map(|row| workload.run(&registry, row.name)).collect();
            for (row, metrics) in rows.iter_mut().zip(&runs) {
                row.add(metrics, &runs[0], bounds);
            }
        }
        let text = table(&rows, &format!("{preset}, {tasks} tasks, {workers} workers, {seeds} seeds"));
        out.write_all(text.as_bytes()).expect("stdout is open");
    }
}

/// Sums over the seeds.
struct Row {
    name: &'static str,
    makespans: Vec<f64>,
    gap: f64,
    wait_s: f64,
    turnaround_gap: f64,
    utilization: f64,
    load_variance: f64,
}

impl Row {
    fn new(name: &'static str) -> Self {
        let makespans = Vec::new();
        Self {
            name,
            makespans,
            gap: 0.0,
            wait_s: 0.0,
            turnaround_gap: 0.0,
            utilization: 0.0,
            load_variance: 0.0,
        }
    }

    fn add(&mut self, metrics: &Metrics, baseline: &Metrics, bounds: Bounds) {
        let makespan = metrics.makespan_s.unwrap_or(f64::NAN);
        self.makespans.push(makespan / baseline.makespan_s.unwrap_or(f64::NAN));
        self.gap += makespan / bounds.makespan.seconds();
        self.wait_s += metrics.mean_wait_s.unwrap_or(f64::NAN);
        self.turnaround_gap += metrics.mean_turnaround_s.unwrap_or(f64::NAN) / bounds.mean_turnaround_s;
        self.utilization += metrics.resource_utilization.unwrap_or(f64::NAN);
        self.load_variance += metrics.load_variance.unwrap_or(f64::NAN);
    }
}

#[expect(clippy::cast_precision_loss, reason = "a few dozen seeds")]
fn table(rows: &[Row], title: &str) -> String {
    let mut text = format!(
        "### {title}\n\n| strategy | makespan vs greedy (mean, min .. max) | makespan / bound | mean wait s | \
         mean turnaround / bound | utilization | load variance |\n|---|---|---|---|---|---|---|\n"
    );
    for row in rows {
        let n = row.makespans.len() as f64;
        let percent = |ratio: f64| format!("{:+.1}%", 100.0 * (ratio - 1.0));
        let least = row.makespans.iter().copied().fold(f64::INFINITY, f64::min);
        let most = row.makespans.iter().copied().fold(0.0, f64::max);
        let mean = percent(row.makespans.iter().sum::<f64>() / n);
        let cells = [
            row.name.to_owned(),
            format!("{mean} ({} .. {})", percent(least), percent(most)),
            format!("{:.3}", row.gap / n),
            format!("{:.2}", row.wait_s / n),
            format!("{:.3}", row.turnaround_gap / n),
            format!("{:.1}%", 100.0 * row.utilization / n),
            format!("{:.3}", row.load_variance / n),
        ];
        text.push_str(&format!("| {} |\n", cells.join(" | ")));
    }
    text.push('\n');
    text
}
