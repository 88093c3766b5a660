//! Differences on shaken copies: the spread over the copies beside the difference on the trace itself.

use cloudai_sim::analysis::{Analysis, Findings, ShakenDifference};

use super::super::scale::label;
use super::super::words::condition_name;
use super::value_axis;
use crate::format::shortened;
use crate::plots::axis::{self, Frame, Sample};
use crate::plots::palette::series;
use crate::plots::scene::{Anchor, Area, Ink, Scene, Shape, Stroke, WIDTH};
use crate::plots::text::Fonts;

const ROW: f64 = 24.0;
/// More rows are in `shaking.csv` only.
const MOST_ROWS: usize = 36;
/// Room for the rows' labels, by the longest of them: at least and at most. What is longer still is shortened.
const LABELS: (f64, f64) = (120.0, 350.0);
/// A baseline's name is cut to so many characters in the subtitle, which would lose its end otherwise.
const MOST_OF_BASELINE: usize = 20;
/// The size of the labels, which `Scene::text` sets.
const SIZE: f64 = 12.0;
const VALUES: f64 = 92.0;

/// The plot: one row for each strategy, condition and seed. What is of the copies is in percent of the baseline's mean over
/// them, and what is of the trace itself in percent of the baseline's value there: where shaking changes a workload much the
/// two lie far apart, and a decrease could seem to be of more than 100%.
pub(super) fn draw(analysis: &Analysis, findings: &Findings, fonts: &Fonts) -> Scene {
    let name = label(&findings.objective.metric);
    let base = analysis.baseline.map_or("", |index| &analysis.strategies[index]);
    let mut scene = Scene::new(format!(
        "{name}: difference from {base} on each trace and over its shaken copies, and how many copies keep its sign."
    ));
    let drawable = findings.shaking.iter().filter(|row| row.baseline != 0.0);
    let rows: Vec<&ShakenDifference> = drawable.clone().take(MOST_ROWS).collect();
    let left_out = drawable.count() - rows.len();
    let more = if left_out > 0 { format!(" {left_out} more rows: shaking.csv.") } else { String::new() };
    let frame = Frame {
        title: format!("{name}: what shaking leaves of a difference"),
        subtitle: format!(
            "Bars: % of {0}'s mean over the copies; square: % of {0}'s value on the trace.{more}",
            shortened(base, MOST_OF_BASELINE)
        ),
        legend: vec![
            (Sample::Box(Ink::Text), "on the trace itself".to_owned()),
            (Sample::Line(Stroke::solid(Ink::Muted, 6.0)), "5% to 95% of the copies".to_owned()),
            (Sample::Line(Stroke::solid(Ink::Muted, 1.5)), "all copies".to_owned()),
        ],
        fonts,
    };
    let top = frame.head(&mut scene) + 4.0;
    let labels: Vec<String> = rows.iter().map(|row| row_label(analysis, row)).collect();
    let widest = labels.iter().map(|text| fonts.width(text, SIZE, false)).fold(0.0, f64::max);
    let room = widest.clamp(LABELS.0, LABELS.1);
    let left = room + 24.0;
    let area = Area::new(left, top, WIDTH - left - VALUES, (rows.len() as f64 * ROW).max(ROW));
    let values = rows.iter().flat_map(|row| {
        let of_copies = |value: f64| value / row.baseline.abs();
        [of_copies(row.shaken.spread[0]), of_copies(row.shaken.spread[4]), on_trace(row).unwrap_or(0.0)]
    });
    let x = value_axis::percent("Difference (% of the baseline)", values);
    axis::horizontal(&mut scene, area, &x, true);
    let at = |value: f64| area.x + x.share(value) * area.w;
    scene.line(vec![(at(0.0), area.y - 4.0), (at(0.0), area.bottom())], Stroke::solid(Ink::Muted, 1.2));
    scene.text(area.right() + 12.0, area.y - 6.0, "keep sign", Ink::Muted, Anchor::Start);
    for (i, (row, label)) in rows.iter().zip(&labels).enumerate() {
        let y = area.y + (i as f64 + 0.5) * ROW;
        let shaken = &row.shaken;
        let ink = series(row.strategy).ink;
        scene.text(left - 8.0, y + 4.0, fonts.fitted(label, SIZE, room), Ink::Text, Anchor::End);
        let share = |value: f64| at(value / row.baseline.abs());
        let [least, low, median, high, largest] = shaken.spread.map(share);
        scene.line(vec![(least, y), (largest, y)], Stroke::solid(ink, 1.5));
        scene.line(vec![(low, y), (high, y)], Stroke::solid(ink, 6.0));
        scene.line(vec![(median, y - 5.0), (median, y + 5.0)], Stroke::solid(Ink::Ground, 2.0));
        if let Some(original) = on_trace(row) {
            let place = Area::new(at(original) - 4.0, y - 4.0, 8.0, 8.0);
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

/// The difference on the trace itself as a share of the baseline's value there; `None` if that is 0 or missing.
fn on_trace(row: &ShakenDifference) -> Option<f64> {
    let baseline = row.baseline_original.filter(|value| *value != 0.0)?;
    Some(row.shaken.original? / baseline.abs())
}

/// The strategy, and the case where there is more than one.
fn row_label(analysis: &Analysis, row: &ShakenDifference) -> String {
    let spec = &analysis.strategies[row.strategy];
    match condition_name(analysis, row.condition, &row.seed) {
        place if place.is_empty() => spec.clone(),
        place => format!("{} · {place}", shortened(spec, 26)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plots::scene::Text;
    use crate::sweep::Report;
    use cloudai_sim::sweep::{Factor, FactorKind, Measured, Outcome, Table};

    /// Baseline `fcfs` and `greedy` in two cases of one trace each: `values` are the two's mean waits on the trace, and
    /// on each of two copies.
    fn report(scenario: &str, values: [(f64, f64); 2]) -> Report {
        let factor = |kind, name: &str| Factor { kind, name: name.to_owned(), levels: Vec::new() };
        let mut table = Table::new();
        table.factors = vec![
            factor(FactorKind::Scenario, "scenario"),
            factor(FactorKind::Workers, "workers"),
            factor(FactorKind::Load, "load"),
            factor(FactorKind::Shake, "shake"),
            factor(FactorKind::Seed, "seed"),
            factor(FactorKind::Strategy, "strategy"),
        ];
        let metric = table.metric("mean_wait_s").unwrap();
        let cases = [(scenario, "5", "0.9", "0"), (scenario, "10", "1", "1"), ("other", "10", "1", "0")];
        for (scenario, workers, load, seed) in cases {
            for (copy, (base, own)) in [("0", values[0]), ("1", values[1]), ("2", values[1])] {
                for (strategy, value) in [("fcfs", base), ("greedy", own)] {
                    let mut measured =
                        Measured { metrics: vec![None; table.metrics.len()], ..Measured::default() };
                    measured.metrics[metric] = Some(value);
                    let levels = [scenario, workers, load, copy, seed, strategy];
                    table.push(&levels.map(|level| Some(level.to_owned())), Outcome::Ran(measured));
                }
            }
        }
        Report { objectives: vec!["mean_wait_s".to_owned()], ..Report::new("shaken", table) }
    }

    fn texts(scene: &Scene) -> Vec<&Text> {
        let texts = scene.shapes.iter().filter_map(|shape| match shape {
            Shape::Text(text) => Some(text),
            _ => None,
        });
        texts.collect()
    }

    #[test]
    fn a_wait_cannot_shrink_by_more_than_all_of_it() {
        let fonts = Fonts::new().unwrap();
        // On the trace 1,000 of 1,500 s are saved, ten times what the copies wait.
        let analysis = report("mixed", [(1_500.0, 500.0), (100.0, 90.0)]).analyse();
        let findings = &analysis.findings[0];
        assert_eq!(on_trace(&findings.shaking[0]), Some(-1_000.0 / 1_500.0));
        let scene = draw(&analysis, findings, &fonts);
        let texts: Vec<&str> = texts(&scene).iter().map(|text| text.text.as_str()).collect();
        assert!(texts.contains(&"−60") && !texts.iter().any(|text| text.contains("−1")), "{texts:?}");
        let subtitle = "Bars: % of fcfs's mean over the copies; square: % of fcfs's value on the trace.";
        assert!(texts.contains(&subtitle), "{texts:?}");

        let nothing = report("mixed", [(0.0, 5.0), (100.0, 90.0)]).analyse();
        assert_eq!(on_trace(&nothing.findings[0].shaking[0]), None);
    }

    #[test]
    fn labels_lie_within_the_picture() {
        let fonts = Fonts::new().unwrap();
        for scenario in
            ["s", "mixed-100x5", "a-scenario-with-a-name-that-no-label-has-enough-room-for-at-all"]
        {
            let analysis = report(scenario, [(10.0, 9.0), (10.0, 9.0)]).analyse();
            let scene = draw(&analysis, &analysis.findings[0], &fonts);
            let (mut rows, mut whole) = (0, false);
            for text in texts(&scene).into_iter().filter(|text| !text.upright) {
                let width = fonts.width(&text.text, text.size, text.bold);
                let start = match text.anchor {
                    Anchor::Start => text.x,
                    Anchor::Middle => text.x - width / 2.0,
                    Anchor::End => text.x - width,
                };
                assert!(start >= 8.0 && start + width <= WIDTH, "{text:?}");
                rows += usize::from(text.text.starts_with("greedy ·"));
                whole |= text.text == "greedy · mixed-100x5, workers 10, load 1, seed 1";
            }
            assert_eq!((rows, whole), (3, scenario == "mixed-100x5"));
        }
    }
}
