//! Differences from the baseline with their intervals: a forest plot.

use cloudai_sim::analysis::{Analysis, Difference, Findings};

use super::super::scale::{Scale, label, p_value, percent};
use super::super::words;
use super::value_axis;
use crate::catalogue::Verdict;
use crate::plots::axis::{self, Axis, Frame, LEFT};
use crate::plots::palette::series;
use crate::plots::scene::{Anchor, Area, Ink, Scene, Shape, Stroke, WIDTH};
use crate::plots::text::Fonts;

const ROW: f64 = 26.0;
/// Space right of the axis for what is written of a row.
const VALUES: f64 = 250.0;
const MARK: f64 = 9.0;

/// What a row shows: the difference and its interval, in the axis' unit.
struct Row<'a> {
    difference: &'a Difference,
    value: f64,
    ends: Option<(f64, f64)>,
}

/// The plot: one row a strategy, best first.
pub(super) fn draw(analysis: &Analysis, findings: &Findings, fonts: &Fonts) -> Scene {
    let metric = &findings.objective.metric;
    let base = analysis.baseline.map_or("", |index| &analysis.strategies[index]);
    let name = label(metric);
    let mut scene =
        Scene::new(format!("{name}: difference of each strategy from {base}, with its interval."));
    let ordered = findings.ranking.order.iter().map(|&index| findings.ranked[index]);
    let differences: Vec<&Difference> =
        ordered.filter_map(|strategy| analysis.overall_difference(strategy, metric)).collect();
    // In percent of the baseline, unless it is 0 somewhere.
    let relative = differences.iter().all(|difference| difference.paired.relative.is_some());
    let rows: Vec<Row<'_>> = differences
        .iter()
        .map(|difference| {
            let paired = &difference.paired;
            let (value, interval) = if relative {
                (paired.relative.unwrap_or(0.0), paired.relative_interval)
            } else {
                (paired.difference, paired.interval)
            };
            Row { difference, value, ends: interval.ends() }
        })
        .collect();
    let values =
        || rows.iter().flat_map(|row| [Some(row.value), row.ends.map(|e| e.0), row.ends.map(|e| e.1)]);
    let better = if findings.objective.lower_is_better { "left" } else { "right" };
    let frame = Frame {
        title: format!("{name}: difference from {base}"),
        subtitle: format!(
            "Mean of paired differences and {}% interval; further {better} is better. Filled: significant at {} after Holm.",
            analysis.bootstrap.confidence * 100.0,
            analysis.alpha
        ),
        legend: Vec::new(),
        fonts,
    };
    let top = frame.head(&mut scene) + 8.0;
    let widest = rows
        .iter()
        .map(|row| fonts.width(&analysis.strategies[row.difference.strategy], 12.0, false))
        .fold(0.0, f64::max);
    let left = (widest + 28.0).clamp(LEFT, 230.0);
    let area = Area::new(left, top, WIDTH - left - VALUES, (rows.len() as f64 * ROW).max(ROW));
    let scale = Scale::of(metric, values().flatten());
    let x = if relative {
        value_axis::percent("Difference (% of the baseline's mean)", values().flatten())
    } else {
        with_zero(metric, &format!("Difference of {}", name.to_lowercase()), values().flatten())
    };
    axis::horizontal(&mut scene, area, &x, true);
    let at = |value: f64| area.x + x.share(value) * area.w;
    scene.line(vec![(at(0.0), area.y - 4.0), (at(0.0), area.bottom())], Stroke::solid(Ink::Muted, 1.2));
    for (i, row) in rows.iter().enumerate() {
        let y = area.y + (i as f64 + 0.5) * ROW;
        let strategy = row.difference.strategy;
        let spec = fonts.fitted(&analysis.strategies[strategy], 12.0, left - 24.0);
        scene.text(left - 8.0, y + 4.0, spec, Ink::Text, Anchor::End);
        let ink = series(strategy).ink;
        if let Some((low, high)) = row.ends {
            scene.line(vec![(at(low), y), (at(high), y)], Stroke::solid(ink, 2.0));
            for end in [low, high] {
                scene.line(vec![(at(end), y - 4.0), (at(end), y + 4.0)], Stroke::solid(ink, 2.0));
            }
        }
        let verdict = words::verdict(analysis, row.difference, findings.objective.lower_is_better);
        let fill = if matches!(verdict, Verdict::Better | Verdict::Worse) { ink } else { Ink::Ground };
        mark(&mut scene, at(row.value), y, fill, ink);
        let text = if relative { percent(row.value) } else { scale.with_unit(row.value) };
        let ends = row.ends.map_or_else(String::new, |(low, high)| {
            let bare = |share: f64| percent(share).trim_end_matches('%').to_owned();
            if relative {
                format!(" [{}, {}]", bare(low), bare(high))
            } else {
                format!(" {}", scale.interval((low, high)))
            }
        });
        let shown = fonts.fitted(&format!("{text}{ends}").replace('-', "−"), 12.0, VALUES - 84.0);
        scene.text(area.right() + 10.0, y + 4.0, shown, Ink::Text, Anchor::Start);
        let p = if row.difference.paired.n > 1 {
            format!("p {}", p_value(row.difference.adjusted_p))
        } else {
            "n = 1".to_owned()
        };
        scene.text(WIDTH - 12.0, y + 4.0, p, Ink::Muted, Anchor::End);
    }
    scene
}

/// A square with an outline in the strategy's colour.
fn mark(scene: &mut Scene, x: f64, y: f64, fill: Ink, ink: Ink) {
    let square = |size: f64| Area::new(x - size / 2.0, y - size / 2.0, size, size);
    scene.rect(square(MARK), ink);
    if fill != ink {
        scene.shapes.push(Shape::Rect { area: square(MARK - 4.0), fill, border: None, note: None });
    }
}

/// An axis of a metric's differences that has its 0.
fn with_zero(metric: &str, label: &str, values: impl IntoIterator<Item = f64>) -> Axis {
    value_axis::metric(metric, label, values.into_iter().chain([0.0]))
}
