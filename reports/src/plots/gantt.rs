//! The Gantt chart: what ran where and when.

use std::collections::BTreeMap;

use cloudai_sim::result::{GanttBar, StrategyResult};

use super::axis::{self, Axis, Frame, RIGHT, Sample};
use super::palette::{BLUE, GREY, ORANGE, PURPLE, VERMILLION};
use super::scene::{Anchor, Area, Ink, Rgb, Scene, Shape, Stroke, Text, WIDTH};
use super::text::Fonts;
use crate::format::{counted, duration};

/// More attempts than this are shown as a heat map of load.
const MOST_BARS: usize = 3_000;
/// More lanes than this could not be told apart.
const MOST_LANES: usize = 400;
/// Beyond this many bars, notes on hovering would make the page heavy.
const MOST_NOTES: usize = 600;

const PALE: Rgb = Rgb(0x9e, 0xcb, 0xec);

/// Whether the chart would show bars, and not the heat map in their place.
pub(crate) fn has_bars(result: &StrategyResult) -> bool {
    let bars = &result.gantt;
    !bars.is_empty() && bars.len() <= MOST_BARS && Lanes::of(bars).total <= MOST_LANES
}

/// The chart of attempts as bars, one block of lanes a worker.
pub(crate) fn draw(result: &StrategyResult, workers: &[String], fonts: &Fonts) -> Scene {
    let bars = &result.gantt;
    let lanes = Lanes::of(bars);
    let shown: Vec<u32> = if workers.len() <= 60 {
        (0..workers.len() as u32)
            .chain(lanes.count.keys().copied().filter(|w| *w as usize >= workers.len()))
            .collect()
    } else {
        lanes.count.keys().copied().collect()
    };
    let names =
        |worker: u32| workers.get(worker as usize).cloned().unwrap_or_else(|| format!("worker {worker}"));
    let largest = bars.iter().map(|bar| bar.cpu_cores).filter(|v| v.is_finite()).fold(0.0, f64::max);

    let mut scene = Scene::new(format!(
        "Gantt chart of {}: {} on {}.",
        result.spec,
        counted(bars.len() as u64, "attempt"),
        counted(shown.len() as u64, "worker")
    ));
    let frame = Frame {
        title: format!("Schedule: {}", result.spec),
        subtitle: "Each bar is an attempt; tasks that run side by side on a worker are stacked.".to_owned(),
        legend: legend(bars, largest),
        fonts,
    };
    let top = frame.head(&mut scene);

    let widest = shown.iter().map(|&w| fonts.width(&names(w), 12.0, false)).fold(0.0, f64::max);
    let left = (widest + 28.0).clamp(62.0, 190.0);
    let total: usize = shown.iter().map(|w| lanes.count.get(w).copied().unwrap_or(1)).sum();
    let lane_height = (560.0 / total.max(1) as f64).clamp(2.0, 16.0);
    let gap = if shown.len() <= 60 { 5.0 } else { 1.0 };

    let (start, end) = span(result);
    let x = Axis::time(start, end, "Time", 9);
    let mut y = top;
    let mut blocks: BTreeMap<u32, f64> = BTreeMap::new();
    let mut ground = Vec::new();
    let mut labelled = f64::NEG_INFINITY;
    for (i, &worker) in shown.iter().enumerate() {
        let height = lanes.count.get(&worker).copied().unwrap_or(1) as f64 * lane_height;
        blocks.insert(worker, y);
        ground.push(Area::new(left, y - gap / 2.0, WIDTH - left - RIGHT, height + gap));
        let middle = y + height / 2.0 + 4.0;
        if i == 0 || middle - labelled >= 13.0 {
            let name = fonts.fitted(&names(worker), 12.0, left - 24.0);
            scene.text(left - 8.0, middle, name, Ink::Text, Anchor::End);
            labelled = middle;
        }
        y += height + gap;
    }
    let area = Area::new(left, top - gap / 2.0, WIDTH - left - RIGHT, (y - top).max(20.0));
    axis::horizontal(&mut scene, area, &x, true);
    for block in ground {
        scene.line(
            vec![(block.x, block.bottom()), (block.right(), block.bottom())],
            Stroke::solid(Ink::Grid, 0.7),
        );
    }
    for (bar, &lane) in bars.iter().zip(&lanes.of_bar) {
        let Some(block) = blocks.get(&bar.worker) else { continue };
        let y = block + lane as f64 * lane_height;
        let (from, to) = (area.x + x.share(bar.start_s) * area.w, area.x + x.share(bar.end_s) * area.w);
        let place = Area::new(from, y, (to - from).max(0.7), lane_height);
        draw_bar(&mut scene, bar, place, largest, bars.len() <= MOST_NOTES, fonts);
    }
    axis::base_line(&mut scene, area);
    scene
}

fn draw_bar(scene: &mut Scene, bar: &GanttBar, place: Area, largest: f64, with_note: bool, fonts: &Fonts) {
    let fill = color(bar, largest);
    let note = with_note.then(|| {
        format!(
            "{}: {} to {} ({}), {} cores, {}",
            bar.task,
            duration(bar.start_s),
            duration(bar.end_s),
            duration(bar.end_s - bar.start_s),
            crate::format::trimmed(bar.cpu_cores, 3),
            bar.status.replace('_', " ")
        )
    });
    scene.shapes.push(Shape::Rect { area: place, fill: Ink::Fixed(fill), border: Some(Ink::Ground), note });
    if place.h >= 9.5 && fonts.width(&bar.task, 9.0, false) <= place.w - 6.0 {
        let ink = if fill.is_light() { Rgb(0x1b, 0x1f, 0x24) } else { Rgb(0xff, 0xff, 0xff) };
        scene.push_text(Text {
            x: place.x + place.w / 2.0,
            y: place.y + place.h / 2.0 + 3.2,
            text: bar.task.clone(),
            size: 9.0,
            bold: false,
            ink: Ink::Fixed(ink),
            anchor: Anchor::Middle,
            upright: false,
        });
    }
}

/// Completed attempts are blue, the darker the more cores they held; other ends have colours of their own.
fn color(bar: &GanttBar, largest: f64) -> Rgb {
    match bar.status.as_str() {
        "completed" => {
            let share = if largest > 0.0 { (bar.cpu_cores / largest).clamp(0.0, 1.0) } else { 1.0 };
            PALE.mixed(
                BLUE.mixed(Rgb(0, 0x30, 0x60), 0.35),
                if share.is_finite() { share.sqrt() } else { 0.0 },
            )
        }
        other => status_color(other),
    }
}

fn status_color(status: &str) -> Rgb {
    match status {
        "timed_out" => ORANGE,
        "preempted" => PURPLE,
        "cancelled" => GREY,
        _ => VERMILLION,
    }
}

fn legend(bars: &[GanttBar], largest: f64) -> Vec<(Sample, String)> {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for bar in bars {
        *counts.entry(&bar.status).or_default() += 1;
    }
    let mut entries = Vec::new();
    if let Some(count) = counts.remove("completed") {
        let least =
            bars.iter().map(|bar| bar.cpu_cores).filter(|v| v.is_finite()).fold(f64::INFINITY, f64::min);
        let cores = |v: f64| crate::format::trimmed(v, 2);
        let probe = |cpu_cores: f64| {
            let probe = GanttBar {
                worker: 0,
                task: String::new(),
                start_s: 0.0,
                end_s: 0.0,
                cpu_cores,
                status: "completed".to_owned(),
            };
            Sample::Box(Ink::Fixed(color(&probe, largest)))
        };
        if least < largest {
            entries.push((probe(least), format!("completed ({count}), {} cores", cores(least))));
            entries.push((probe(largest), format!("… to {} cores", cores(largest))));
        } else {
            entries.push((probe(largest), format!("completed ({count})")));
        }
    }
    for (status, count) in counts {
        entries.push((
            Sample::Box(Ink::Fixed(status_color(status))),
            format!("{} ({count})", status.replace('_', " ")),
        ));
    }
    entries
}

/// First start and last end.
fn span(result: &StrategyResult) -> (f64, f64) {
    let finite = |v: &f64| v.is_finite();
    let bars = &result.gantt;
    let end = bars.iter().map(|bar| bar.end_s).filter(finite).fold(f64::NEG_INFINITY, f64::max);
    let start = bars.iter().map(|bar| bar.start_s).filter(finite).fold(f64::INFINITY, f64::min);
    // The chart begins with the timeline (the first arrival) where that is earlier.
    let first = if result.timeline.cpu.is_empty() { start } else { start.min(result.timeline.start_s) };
    if first.is_finite() && end.is_finite() { (first, end) } else { (0.0, 1.0) }
}

/// Which lane of its worker each bar lies in.
struct Lanes {
    of_bar: Vec<usize>,
    /// Lanes of each worker that has bars.
    count: BTreeMap<u32, usize>,
    total: usize,
}

impl Lanes {
    /// Bars in order of start take the first lane that is free.
    fn of(bars: &[GanttBar]) -> Self {
        let mut order: Vec<usize> = (0..bars.len()).collect();
        order.sort_by(|&a, &b| bars[a].start_s.total_cmp(&bars[b].start_s).then(a.cmp(&b)));
        let mut of_bar = vec![0; bars.len()];
        let mut free_from: BTreeMap<u32, Vec<f64>> = BTreeMap::new();
        for index in order {
            let bar = &bars[index];
            let lanes = free_from.entry(bar.worker).or_default();
            let lane = lanes.iter().position(|&free| free <= bar.start_s).unwrap_or(lanes.len());
            if lane == lanes.len() {
                lanes.push(bar.end_s);
            } else {
                lanes[lane] = bar.end_s;
            }
            of_bar[index] = lane;
        }
        let count: BTreeMap<u32, usize> =
            free_from.iter().map(|(&worker, lanes)| (worker, lanes.len())).collect();
        let total = count.values().sum();
        Self { of_bar, count, total }
    }
}
