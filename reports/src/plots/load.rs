//! The heat map of load: workers against time.

use cloudai_sim::result::{LoadRow, StrategyResult, Timeline};

use super::axis::{self, Axis, Frame, Tick};
use super::palette::{LEVELS, level};
use super::scene::{Anchor, Area, Ink, Scene, Shape, Stroke, Text, WIDTH};
use super::text::Fonts;
use crate::format::counted;

/// More rows or columns than this could not be told apart.
const MOST_ROWS: usize = 200;
const MOST_COLUMNS: usize = 300;

/// Space right of the map: the colour bar with its labels.
const BAR_SPACE: f64 = 92.0;

/// The heat map, under the given title.
pub(crate) fn draw(result: &StrategyResult, title: &str, workers: usize, fonts: &Fonts) -> Scene {
    let timeline = &result.timeline;
    let rows = rows(timeline);
    let columns = rows.first().map_or(0, |row| row.load.len());
    let mut scene = Scene::new(format!(
        "Heat map of load over time under {}: {}.",
        result.spec,
        counted(workers as u64, "worker")
    ));
    let grouped = if rows.len() < workers { " Each row is the mean of neighbouring workers." } else { "" };
    let frame = Frame {
        title: format!("{title}: {}", result.spec),
        subtitle: format!("Largest used share over CPU, memory and GPU of each worker.{grouped}"),
        legend: Vec::new(),
        fonts,
    };
    let top = frame.head(&mut scene);
    let widest = rows.iter().map(|row| fonts.width(&row.label, 12.0, false)).fold(0.0, f64::max);
    let left = (widest + 28.0).clamp(62.0, 190.0);
    let height = (rows.len() as f64 * 30.0).clamp(90.0, 360.0);
    let area = Area::new(left, top, WIDTH - left - BAR_SPACE, height);

    let end =
        timeline.start_s + timeline.load.first().map_or(0, |row| row.load.len()) as f64 * timeline.bin_s;
    axis::horizontal(&mut scene, area, &Axis::time(timeline.start_s, end, "Time", 8), false);
    if columns == 0 {
        scene.text(area.x + area.w / 2.0, area.y + area.h / 2.0, "no data", Ink::Muted, Anchor::Middle);
    } else {
        let levels = rows.iter().flat_map(|row| row.load.iter().map(|&load| level(load))).collect();
        scene.shapes.push(Shape::Cells { area, columns, levels });
        label_rows(&mut scene, area, &rows, fonts);
    }
    color_bar(&mut scene, area);
    scene
}

fn label_rows(scene: &mut Scene, area: Area, rows: &[LoadRow], fonts: &Fonts) {
    let pitch = area.h / rows.len() as f64;
    let mut last = f64::NEG_INFINITY;
    for (i, row) in rows.iter().enumerate() {
        let y = area.y + (i as f64 + 0.5) * pitch + 4.0;
        if y - last < 14.0 {
            continue;
        }
        scene.text(area.x - 8.0, y, fonts.fitted(&row.label, 12.0, area.x - 24.0), Ink::Text, Anchor::End);
        last = y;
        if pitch >= 14.0 && i > 0 {
            let edge = y - 4.0 - pitch / 2.0;
            scene.line(vec![(area.x, edge), (area.right(), edge)], Stroke::solid(Ink::Ground, 1.0));
        }
    }
}

fn color_bar(scene: &mut Scene, area: Area) {
    let bar = Area::new(area.right() + 16.0, area.y, 14.0, area.h);
    scene.shapes.push(Shape::Cells { area: bar, columns: 1, levels: (0..LEVELS).rev().collect() });
    for Tick { value, label } in Axis::percent("Load").ticks {
        let y = bar.bottom() - value * bar.h;
        scene.line(vec![(bar.right(), y), (bar.right() + 4.0, y)], Stroke::solid(Ink::Muted, 0.7));
        scene.text(bar.right() + 8.0, y + 4.0, label, Ink::Muted, Anchor::Start);
    }
    scene.push_text(Text {
        x: bar.right() + 46.0,
        y: bar.y + bar.h / 2.0,
        text: "Load (%)".to_owned(),
        size: 12.0,
        bold: false,
        ink: Ink::Text,
        anchor: Anchor::Middle,
        upright: true,
    });
}

/// The rows to draw: neighbours merged where there are too many, each of the same number of columns.
fn rows(timeline: &Timeline) -> Vec<LoadRow> {
    let columns = timeline.load.iter().map(|row| row.load.len()).max().unwrap_or(0);
    if columns == 0 {
        return Vec::new();
    }
    let group = timeline.load.len().div_ceil(MOST_ROWS).max(1);
    let merged = timeline.load.chunks(group).map(|chunk| {
        let mut sum = vec![0.0; columns];
        for row in chunk {
            for (sum, load) in sum.iter_mut().zip(&row.load) {
                *sum += load;
            }
        }
        let load: Vec<f64> = sum.into_iter().map(|sum| sum / chunk.len() as f64).collect();
        let label = chunk.first().map(|row| row.label.clone()).unwrap_or_default();
        LoadRow { label, load: coarser(&load, MOST_COLUMNS).0 }
    });
    merged.collect()
}

/// `values` in at most `most` equal bins, and how many old bins make a new one; the last may be of fewer.
pub(crate) fn coarser(values: &[f64], most: usize) -> (Vec<f64>, usize) {
    let group = values.len().div_ceil(most).max(1);
    let means = values.chunks(group).map(|chunk| chunk.iter().sum::<f64>() / chunk.len() as f64).collect();
    (means, group)
}
