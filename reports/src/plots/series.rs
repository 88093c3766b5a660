//! Series over time of one strategy: utilization and queue length.

use cloudai_sim::result::{StrategyResult, Timeline};

use super::axis::{self, Axis, Frame, LEFT, RIGHT, Sample};
use super::load::coarser;
use super::palette::series;
use super::scene::{Anchor, Area, Ink, Scene, Shape, WIDTH};
use super::text::Fonts;
use crate::format::{duration, trimmed};

/// More bins than this are finer than the picture.
const MOST_BINS: usize = 400;
const HEIGHT: f64 = 230.0;

/// Utilization over time, one line a resource.
pub(crate) fn utilization(result: &StrategyResult, fonts: &Fonts) -> Scene {
    let timeline = &result.timeline;
    let metrics = &result.metrics;
    let resources = [
        ("CPU", &timeline.cpu, metrics.cpu_utilization),
        ("memory", &timeline.memory, metrics.memory_utilization),
        ("GPU", &timeline.gpu, metrics.gpu_utilization),
    ];
    let present = || resources.iter().enumerate().filter(|(_, (_, values, _))| !values.is_empty());
    let mut scene = Scene::new(format!("Utilization of resources over time under {}.", result.spec));
    let legend = present().map(|(i, (name, _, mean))| {
        let mean = mean.filter(|m| m.is_finite()).map(|m| format!(", mean {}%", trimmed(m * 100.0, 1)));
        (Sample::Line(series(i)), format!("{name}{}", mean.unwrap_or_default()))
    });
    let frame = Frame {
        title: format!("Utilization: {}", result.spec),
        subtitle: String::new(),
        legend: legend.collect(),
        fonts,
    };
    let (area, x) = lay_out(&mut scene, &frame, timeline, timeline.cpu.len().max(timeline.gpu.len()));
    let y = Axis::percent("Used share");
    axis::vertical(&mut scene, area, &y);
    for (i, (_, values, _)) in present() {
        let points = points(area, &x, &y, timeline, values);
        if i == 0 {
            under(&mut scene, area, &points, series(i).ink);
        }
        scene.line(points, series(i));
    }
    finish(&mut scene, area, present().next().is_none());
    scene
}

/// Waiting tasks over time.
pub(crate) fn queue(result: &StrategyResult, fonts: &Fonts) -> Scene {
    let timeline = &result.timeline;
    let mut scene = Scene::new(format!("Number of waiting tasks over time under {}.", result.spec));
    let peak = timeline.queue.iter().copied().enumerate().filter(|(_, v)| v.is_finite());
    let peak = peak.reduce(|best, next| if next.1 > best.1 { next } else { best });
    let subtitle = peak.filter(|(_, most)| *most > 0.0).map_or_else(
        || "No task ever waited.".to_owned(),
        |(bin, most)| {
            let at = timeline.start_s + (bin as f64 + 0.5) * timeline.bin_s;
            format!(
                "Tasks that wait, queued or in a worker's lane; at most {} at {}.",
                trimmed(most, 1),
                duration(at)
            )
        },
    );
    let frame =
        Frame { title: format!("Queue length: {}", result.spec), subtitle, legend: Vec::new(), fonts };
    let (area, x) = lay_out(&mut scene, &frame, timeline, timeline.queue.len());
    let y = Axis::amount(peak.map_or(0.0, |(_, most)| most), "Waiting tasks");
    axis::vertical(&mut scene, area, &y);
    let points = points(area, &x, &y, timeline, &timeline.queue);
    under(&mut scene, area, &points, series(0).ink);
    scene.line(points, series(0));
    finish(&mut scene, area, timeline.queue.is_empty());
    scene
}

fn lay_out(scene: &mut Scene, frame: &Frame<'_>, timeline: &Timeline, bins: usize) -> (Area, Axis) {
    let top = frame.head(scene);
    let area = Area::new(LEFT, top, WIDTH - LEFT - RIGHT, HEIGHT);
    let x = Axis::time(timeline.start_s, timeline.start_s + bins as f64 * timeline.bin_s, "Time", 9);
    axis::horizontal(scene, area, &x, true);
    (area, x)
}

fn points(area: Area, x: &Axis, y: &Axis, timeline: &Timeline, values: &[f64]) -> Vec<(f64, f64)> {
    let (values, group) = coarser(values, MOST_BINS);
    axis::stair(area, x, y, timeline.start_s, timeline.bin_s * group as f64, &values)
}

fn under(scene: &mut Scene, area: Area, points: &[(f64, f64)], fill: Ink) {
    scene.shapes.push(Shape::Under { points: points.to_vec(), base: area.bottom(), fill });
}

fn finish(scene: &mut Scene, area: Area, empty: bool) {
    axis::base_line(scene, area);
    if empty {
        scene.text(area.x + area.w / 2.0, area.y + area.h / 2.0, "no data", Ink::Muted, Anchor::Middle);
    }
}
