//! The plots of a report.
//!
//! ```text
//! gantt, load, series, wait_cdf, bars,    what is shown: each builds a Scene
//! gpu_curve
//!   axis                                  ticks, grid, title, legend
//!     scene                               shapes in units
//!       svg, png                          the two formats
//! ```
//!
//! `palette` holds the colours, `text` measures and draws letters.

pub(crate) mod axis;
mod bars;
mod gantt;
pub(crate) mod gpu_curve;
mod load;
pub(crate) mod palette;
mod png;
pub(crate) mod scene;
mod series;
pub(crate) mod svg;
pub(crate) mod text;
mod wait_cdf;

use std::fs;
use std::path::Path;

use cloudai_sim::result::{Comparison, StrategyResult};
use rayon::prelude::*;

use crate::ReportError;
use scene::Scene;
use svg::Place;
use text::Fonts;

/// A plot as the page embeds it.
#[derive(Debug)]
pub(crate) struct Plot {
    /// The name of its files, without extension.
    pub(crate) name: String,
    /// What it shows.
    pub(crate) caption: String,
    /// SVG markup for the page.
    pub(crate) markup: String,
}

/// The plots of a report, as the page embeds them.
#[derive(Debug, Default)]
pub(crate) struct Drawn {
    /// Plots of the comparison as a whole.
    pub(crate) overall: Vec<Plot>,
    /// Plots of each strategy, in the comparison's order; empty if none were drawn.
    pub(crate) strategies: Vec<Vec<Plot>>,
}

/// Draws every plot into its files below `dir`, whose folders exist.
pub(crate) fn write(comparison: &Comparison, dir: &Path) -> Result<Drawn, ReportError> {
    let fonts = fonts(dir)?;
    let mut jobs: Vec<Job<'_>> = Vec::new();
    if !comparison.strategies.is_empty() {
        jobs.extend([Job::Makespan, Job::Turnaround, Job::WaitCdf]);
    }
    if gpu_curve::has_any(comparison) {
        jobs.extend([Job::GpuAllocation, Job::GpuFragmentation]);
    }
    let overall = jobs.len();
    for result in &comparison.strategies {
        jobs.extend([Job::Gantt(result), Job::Utilization(result), Job::Queue(result), Job::Load(result)]);
    }
    let plots: Result<Vec<Plot>, ReportError> =
        jobs.par_iter().map(|job| job.write(comparison, dir, &fonts)).collect();
    let mut plots = plots?.into_iter();
    let mut drawn = Drawn { overall: plots.by_ref().take(overall).collect(), strategies: Vec::new() };
    for result in &comparison.strategies {
        let mut own: Vec<Plot> = plots.by_ref().take(4).collect();
        // Without bars, the schedule is the heat map; the page shows it once.
        own.retain(|plot| plot.name != "gantt" || gantt::has_bars(result));
        drawn.strategies.push(own);
    }
    Ok(drawn)
}

/// A plot to draw; they are drawn in parallel.
enum Job<'a> {
    Makespan,
    Turnaround,
    WaitCdf,
    GpuAllocation,
    GpuFragmentation,
    Gantt(&'a StrategyResult),
    Utilization(&'a StrategyResult),
    Queue(&'a StrategyResult),
    Load(&'a StrategyResult),
}

impl Job<'_> {
    fn name(&self) -> &'static str {
        match self {
            Self::Makespan => "makespan",
            Self::Turnaround => "turnaround",
            Self::WaitCdf => "wait_cdf",
            Self::GpuAllocation => "gpu_allocation",
            Self::GpuFragmentation => "gpu_fragmentation",
            Self::Gantt(_) => "gantt",
            Self::Utilization(_) => "utilization",
            Self::Queue(_) => "queue",
            Self::Load(_) => "load",
        }
    }

    fn scene(&self, comparison: &Comparison, fonts: &Fonts) -> Scene {
        let workers = &comparison.workers;
        match self {
            Self::Makespan => bars::makespan(comparison, fonts),
            Self::Turnaround => bars::turnaround(comparison, fonts),
            Self::WaitCdf => wait_cdf::draw(comparison, fonts),
            Self::GpuAllocation => gpu_curve::allocation(comparison, fonts),
            Self::GpuFragmentation => gpu_curve::fragmentation(comparison, fonts),
            Self::Gantt(result) if gantt::has_bars(result) => gantt::draw(result, workers, fonts),
            Self::Gantt(result) => load::draw(result, "Schedule as load", workers.len(), fonts),
            Self::Utilization(result) => series::utilization(result, fonts),
            Self::Queue(result) => series::queue(result, fonts),
            Self::Load(result) => load::draw(result, "Load of workers", workers.len(), fonts),
        }
    }

    fn write(&self, comparison: &Comparison, dir: &Path, fonts: &Fonts) -> Result<Plot, ReportError> {
        let folder = match self {
            Self::Gantt(result) | Self::Utilization(result) | Self::Queue(result) | Self::Load(result) => {
                dir.join(&result.folder)
            }
            _ => dir.to_owned(),
        };
        store(self.scene(comparison, fonts), &folder, self.name(), fonts)
    }
}

/// Writes a picture into `folder` as SVG and PNG, and returns it as the page embeds it.
pub(crate) fn store(scene: Scene, folder: &Path, name: &str, fonts: &Fonts) -> Result<Plot, ReportError> {
    let path = folder.join(format!("{name}.svg"));
    fs::write(&path, svg::markup(&scene, Place::File)).map_err(|source| ReportError::write(&path, source))?;
    let path = folder.join(format!("{name}.png"));
    let bytes =
        png::encode(&scene, fonts).map_err(|reason| ReportError::Draw { path: path.clone(), reason })?;
    fs::write(&path, bytes).map_err(|source| ReportError::write(&path, source))?;
    let markup = svg::markup(&scene, Place::Page);
    Ok(Plot { name: name.to_owned(), caption: scene.description, markup })
}

/// The faces, or an error that names the folder whose pictures want them.
pub(crate) fn fonts(dir: &Path) -> Result<Fonts, ReportError> {
    Fonts::new().map_err(|error| ReportError::Draw { path: dir.to_owned(), reason: format!("font: {error}") })
}
