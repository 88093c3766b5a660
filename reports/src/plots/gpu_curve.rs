//! GPU allocation and fragmentation against what has arrived: all strategies in one chart each.

use cloudai_sim::result::{Comparison, GpuPoint, StrategyResult};

use super::axis::{self, Axis, Frame, LEFT, RIGHT, Sample, Tick};
use super::palette::series;
use super::scene::{Area, Scene, WIDTH};
use super::text::Fonts;
use crate::format::{shortened, trimmed};

const HEIGHT: f64 = 380.0;
/// Until a strategy has left out so much of the capacity, the curves are one diagonal.
const APART: f64 = 0.005;

/// True if there is anything to draw.
pub(crate) fn has_any(comparison: &Comparison) -> bool {
    comparison.strategies.iter().any(|result| !result.gpu_curve.is_empty())
}

/// Allocation, as Weng et al. 2023 draw it (their figure 9), from where the strategies part.
pub(crate) fn allocation(comparison: &Comparison, fonts: &Fonts) -> Scene {
    let start = curves(comparison)
        .flat_map(|(_, result)| &result.gpu_curve)
        .filter(|point| point.arrived - point.allocated > APART)
        .map(|point| point.allocated)
        .fold(f64::INFINITY, f64::min);
    let start = if start.is_finite() { (start * 10.0).floor().clamp(0.0, 9.0) / 10.0 } else { 0.0 };
    let frame = Frame {
        title: "GPU allocation against what has arrived".to_owned(),
        subtitle: "Both in percent of the GPU capacity; higher is better, and the diagonal is everything."
            .to_owned(),
        legend: legend(comparison, |point| point.allocated),
        fonts,
    };
    let y = Axis { low: start, ..percent(start, 1.0, "Allocated") };
    let description = "GPU allocation against arrived GPU demand, one line a strategy.";
    draw(comparison, description, &frame, start, &y, |point| point.allocated)
}

/// Fragmentation, as a share of the capacity.
pub(crate) fn fragmentation(comparison: &Comparison, fonts: &Fonts) -> Scene {
    let most = curves(comparison)
        .flat_map(|(_, result)| &result.gpu_curve)
        .map(|point| point.fragmented)
        .fold(0.01, f64::max);
    let frame = Frame {
        title: "GPU fragmentation against what has arrived".to_owned(),
        subtitle: "Free GPU that a typical task cannot use, in percent of the GPU capacity; lower is better."
            .to_owned(),
        legend: legend(comparison, |point| point.fragmented),
        fonts,
    };
    let y = percent(0.0, most, "Fragmented");
    let description = "GPU fragmentation against arrived GPU demand, one line a strategy.";
    draw(comparison, description, &frame, 0.0, &y, |point| point.fragmented)
}

fn curves(comparison: &Comparison) -> impl Iterator<Item = (usize, &StrategyResult)> {
    comparison.strategies.iter().enumerate().filter(|(_, result)| !result.gpu_curve.is_empty())
}

fn legend(comparison: &Comparison, value: fn(&GpuPoint) -> f64) -> Vec<(Sample, String)> {
    curves(comparison)
        .map(|(i, result)| {
            let last = result.gpu_curve.last().map_or(0.0, value);
            let text = format!("{}, at the end {}%", shortened(&result.spec, 40), trimmed(last * 100.0, 1));
            (Sample::Line(series(i)), text)
        })
        .collect()
}

/// An axis of shares from `low` to `high`, shown in percent.
fn percent(low: f64, high: f64, label: &str) -> Axis {
    let ticks = axis::ticks_between(low * 100.0, high * 100.0, &[], 6)
        .into_iter()
        .map(|tick| Tick { value: tick.value / 100.0, ..tick })
        .collect();
    Axis { low, high, ticks, label: format!("{label} (%)") }
}

fn draw(
    comparison: &Comparison,
    description: &str,
    frame: &Frame<'_>,
    start: f64,
    y: &Axis,
    value: fn(&GpuPoint) -> f64,
) -> Scene {
    let mut scene = Scene::new(description.to_owned());
    let top = frame.head(&mut scene);
    let area = Area::new(LEFT, top, WIDTH - LEFT - RIGHT, HEIGHT);
    let end = curves(comparison)
        .filter_map(|(_, result)| result.gpu_curve.last())
        .map(|point| point.arrived)
        .fold(start + 0.01, f64::max);
    let x = percent(start, end, "Arrived");
    axis::vertical(&mut scene, area, y);
    axis::horizontal(&mut scene, area, &x, true);
    let curves: Vec<_> = curves(comparison).collect();
    for (i, result) in curves.into_iter().rev() {
        let seen = result.gpu_curve.iter().filter(|point| point.arrived >= start && value(point) >= y.low);
        let place = |point: &GpuPoint| {
            (area.x + x.share(point.arrived) * area.w, area.bottom() - y.share(value(point)) * area.h)
        };
        scene.line(seen.map(place).collect(), series(i));
    }
    axis::base_line(&mut scene, area);
    scene
}
