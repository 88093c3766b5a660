//! A metric against a factor: one line a strategy, intervals as bands.

use cloudai_sim::analysis::{Analysis, Findings, Line, Sensitivity};

use super::super::scale::label;
use super::value_axis::{self, FactorAxis};
use crate::format::shortened;
use crate::plots::axis::{self, Frame, LEFT, RIGHT, Sample};
use crate::plots::palette::series;
use crate::plots::scene::{Area, Dash, Ink, Scene, Shape, Stroke, WIDTH};
use crate::plots::text::Fonts;

const HEIGHT: f64 = 380.0;
/// More lines than this cannot be told apart: the best and the baseline keep their colours, the others are grey.
const MOST_COLOURED: usize = 10;
/// Bands of more lines than this would cover each other.
const MOST_BANDS: usize = 6;

/// The plot.
pub(super) fn draw(
    analysis: &Analysis,
    findings: &Findings,
    sensitivity: &Sensitivity,
    fonts: &Fonts,
) -> Scene {
    let name = label(&findings.objective.metric);
    let factor = sensitivity.factor.trim_start_matches("param.").trim_start_matches("setting.");
    let scenarios = findings.sensitivity.iter().any(|other| other.scenario != sensitivity.scenario);
    let place = if scenarios { format!(", {}", sensitivity.scenario) } else { String::new() };
    let title = format!("{name} against {factor}{place}");
    let mut scene = Scene::new(format!("{title}: one line a strategy, with intervals."));
    let coloured = coloured(analysis, findings, &sensitivity.lines);
    let grey = sensitivity.lines.len() - coloured.len();
    let mut legend: Vec<(Sample, String)> = coloured
        .iter()
        .map(|line| (Sample::Line(series(line.strategy)), shortened(&line.label, 60)))
        .collect();
    if grey > 0 {
        legend.push((Sample::Line(other()), format!("{grey} others")));
    }
    let better = if findings.objective.lower_is_better { "lower" } else { "higher" };
    let bands = coloured
        .iter()
        .filter(|line| line.points.iter().any(|p| p.estimate.interval.ends().is_some()))
        .count();
    let with = match bands {
        0 => "no intervals: too few observations",
        1..=MOST_BANDS => "bands are intervals of the mean",
        _ => "bars are intervals of the mean",
    };
    let frame = Frame {
        title,
        subtitle: format!("Mean over observations, all else averaged; {better} is better; {with}."),
        legend,
        fonts,
    };
    let top = frame.head(&mut scene);
    let area = Area::new(LEFT + 6.0, top, WIDTH - LEFT - RIGHT - 6.0, HEIGHT);
    let mut levels: Vec<f64> = sensitivity.lines.iter().flat_map(|line| &line.points).map(|p| p.x).collect();
    levels.sort_by(f64::total_cmp);
    levels.dedup();
    let x = FactorAxis::new(factor, &levels, area.w);
    let is_coloured = |line: &Line| coloured.iter().any(|other| std::ptr::eq(*other, line));
    let reach = sensitivity.lines.iter().flat_map(|line| {
        let estimates = line.points.iter().map(|point| point.estimate).chain(line.level);
        let with_ends = is_coloured(line);
        estimates.flat_map(move |estimate| {
            let (low, high) =
                estimate.interval.ends().filter(|_| with_ends).unwrap_or((estimate.mean, estimate.mean));
            [low, estimate.mean, high]
        })
    });
    let y = value_axis::metric(&findings.objective.metric, &name, reach);
    axis::vertical(&mut scene, area, &y);
    axis::horizontal(&mut scene, area, &x.axis, false);
    let at =
        |level: f64, value: f64| (area.x + x.share(level) * area.w, area.bottom() - y.share(value) * area.h);
    for line in sensitivity.lines.iter().filter(|line| !is_coloured(line)) {
        scene.line(path(line, area, &at), other());
    }
    if bands <= MOST_BANDS {
        for line in &coloured {
            band(&mut scene, line, &at);
        }
    }
    // The best last, over the others.
    for (place, line) in coloured.iter().enumerate().rev() {
        // Bars at one place would cover each other.
        let aside = (place as f64 - (coloured.len() - 1) as f64 / 2.0) * 3.0;
        let stroke = series(line.strategy);
        scene.line(path(line, area, &at), stroke);
        for point in &line.points {
            let (px, py) = at(point.x, point.estimate.mean);
            scene.shapes.push(Shape::Rect {
                area: Area::new(px - 3.0, py - 3.0, 6.0, 6.0),
                fill: stroke.ink,
                border: None,
                note: Some(note(findings, line, point.x, &point.estimate)),
            });
            if let Some((low, high)) = point.estimate.interval.ends().filter(|_| bands > MOST_BANDS) {
                let ends = [low, high].map(|end| at(point.x, end)).map(|(x, y)| (x + aside, y));
                scene.line(ends.into(), Stroke::solid(stroke.ink, 1.0));
            }
        }
    }
    axis::base_line(&mut scene, area);
    scene
}

/// What a page shows on hovering over a point.
fn note(findings: &Findings, line: &Line, x: f64, estimate: &cloudai_sim::analysis::Estimate) -> String {
    let scale = super::super::scale::Scale::of(&findings.objective.metric, [estimate.mean]);
    let ends = estimate.interval.ends().map(|ends| format!(" {}", scale.interval(ends))).unwrap_or_default();
    let x = crate::format::trimmed(x, 6);
    format!("{} at {x}: {}{ends}, n = {}", line.label, scale.with_unit(estimate.mean), estimate.n)
}

/// The stroke of those that are there for the range alone.
const fn other() -> Stroke {
    Stroke { ink: Ink::Grid, width: 1.4, dash: Dash::Solid }
}

/// The lines that keep their colours, best first: all, or the best by the ranking and the baseline.
fn coloured<'a>(analysis: &Analysis, findings: &Findings, lines: &'a [Line]) -> Vec<&'a Line> {
    let place = |line: &Line| {
        let ranked = findings.ranking.order.iter().position(|&i| findings.ranked[i] == line.strategy);
        ranked.unwrap_or(usize::MAX)
    };
    let mut sorted: Vec<&Line> = lines.iter().collect();
    if sorted.len() <= MOST_COLOURED + 2 {
        return sorted;
    }
    sorted.sort_by_key(|line| place(line));
    let base = sorted.iter().position(|line| Some(line.strategy) == analysis.baseline);
    let base = base.filter(|&at| at >= MOST_COLOURED).map(|at| sorted[at]);
    sorted.truncate(MOST_COLOURED);
    sorted.extend(base);
    sorted
}

/// A line's points; one that does not depend on the factor goes from edge to edge.
fn path(line: &Line, area: Area, at: &impl Fn(f64, f64) -> (f64, f64)) -> Vec<(f64, f64)> {
    if let Some(level) = line.level {
        let y = at(0.0, level.mean).1;
        return vec![(area.x, y), (area.right(), y)];
    }
    line.points.iter().map(|point| at(point.x, point.estimate.mean)).collect()
}

/// The intervals of neighbouring points as a band; a gap where one has none.
fn band(scene: &mut Scene, line: &Line, at: &impl Fn(f64, f64) -> (f64, f64)) {
    let ends: Vec<Option<(f64, f64, f64)>> = line
        .points
        .iter()
        .map(|point| point.estimate.interval.ends().map(|(low, high)| (point.x, low, high)))
        .collect();
    for run in ends.split(Option::is_none).filter(|run| run.len() > 1) {
        let side = |pick: fn((f64, f64, f64)) -> f64| {
            run.iter().flatten().map(|&point| at(point.0, pick(point))).collect::<Vec<_>>()
        };
        let (upper, lower) = (side(|point| point.2), side(|point| point.1));
        scene.shapes.push(Shape::Band { upper, lower, fill: series(line.strategy).ink });
    }
}
