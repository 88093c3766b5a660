//! Differences on shaken copies: the spread over the copies beside the difference on the trace itself.

use cloudai_sim::analysis::{Analysis, Findings, ShakenDifference};

use super::super::scale::label;
use super::super::words::condition_name;
use super::value_axis;
use crate::plots::axis::{self, Frame, Sample};
use crate::plots::palette::series;
use crate::plots::scene::{Anchor, Area, Ink, Scene, Shape, Stroke, WIDTH};
use crate::plots::text::Fonts;

const ROW: f64 = 24.0;
/// More rows are in `shaking.csv` only.
const MOST_ROWS: usize = 36;
const LEFT: f64 = 300.0;
const VALUES: f64 = 92.0;

/// The plot: one row for each strategy, condition and seed, in percent of the baseline's mean over the copies.
pub(super) fn draw(analysis: &Analysis, findings: &Findings, fonts: &Fonts) -> Scene {
    let name = label(&findings.objective.metric);
    let base = analysis.baseline.map_or("", |index| &analysis.strategies[index]);
    let mut scene = Scene::new(format!(
        "{name}: difference from {base} on each trace and over its shaken copies, and how many copies keep its sign."
    ));
    let drawable = findings.shaking.iter().filter(|row| row.baseline != 0.0);
    let rows: Vec<&ShakenDifference> = drawable.clone().take(MOST_ROWS).collect();
    let left_out = drawable.count() - rows.len();
    let more =
        if left_out > 0 { format!(" {left_out} more rows are in shaking.csv.") } else { String::new() };
    let frame = Frame {
        title: format!("{name}: what shaking leaves of a difference"),
        subtitle: format!("In percent of {base}'s mean; right: copies that keep the sign.{more}"),
        legend: vec![
            (Sample::Box(Ink::Text), "on the trace itself".to_owned()),
            (Sample::Line(Stroke::solid(Ink::Muted, 6.0)), "5% to 95% of the copies".to_owned()),
            (Sample::Line(Stroke::solid(Ink::Muted, 1.5)), "all copies".to_owned()),
        ],
        fonts,
    };
    let top = frame.head(&mut scene) + 4.0;
    let area = Area::new(LEFT, top, WIDTH - LEFT - VALUES, (rows.len() as f64 * ROW).max(ROW));
    let values = rows.iter().flat_map(|row| {
        let reach = [row.shaken.spread[0], row.shaken.spread[4], row.shaken.original.unwrap_or(0.0)];
        reach.map(|value| value / row.baseline.abs())
    });
    let x = value_axis::percent("Difference (% of the baseline's mean)", values);
    axis::horizontal(&mut scene, area, &x, true);
    let at = |value: f64| area.x + x.share(value) * area.w;
    scene.line(vec![(at(0.0), area.y - 4.0), (at(0.0), area.bottom())], Stroke::solid(Ink::Muted, 1.2));
    for (i, row) in rows.iter().enumerate() {
        let y = area.y + (i as f64 + 0.5) * ROW;
        let shaken = &row.shaken;
        let ink = series(row.strategy).ink;
        let spec = &analysis.strategies[row.strategy];
        let text = match condition_name(analysis, row.condition, &row.seed) {
            place if place.is_empty() => spec.clone(),
            place => format!("{} · {place}", crate::format::shortened(spec, 26)),
        };
        scene.text(LEFT - 8.0, y + 4.0, fonts.fitted(&text, 11.0, LEFT - 24.0), Ink::Text, Anchor::End);
        let share = |value: f64| at(value / row.baseline.abs());
        let [least, low, median, high, largest] = shaken.spread.map(share);
        scene.line(vec![(least, y), (largest, y)], Stroke::solid(ink, 1.5));
        scene.line(vec![(low, y), (high, y)], Stroke::solid(ink, 6.0));
        scene.line(vec![(median, y - 5.0), (median, y + 5.0)], Stroke::solid(Ink::Ground, 2.0));
        if let Some(original) = shaken.original {
            let place = Area::new(share(original) - 4.0, y - 4.0, 8.0, 8.0);
            scene.shapes.push(Shape::Rect {
                area: place,
                fill: Ink::Text,
                border: Some(Ink::Ground),
                note: None,
            });
        }
        let kept = format!("{} of {}", shaken.kept, shaken.copies);
        let ink = if shaken.holds() { Ink::Muted } else { Ink::Text };
        scene.text(area.right() + 12.0, y + 4.0, kept, ink, Anchor::Start);
    }
    scene
}
