//! Scales, ticks, and the frame around a plot: title, axes, legend.

use super::scene::{Anchor, Area, Ink, Scene, Stroke, Text, WIDTH};
use super::text::Fonts;
use crate::format::{TimeUnit, trimmed};

/// A position on an axis and what is written there.
#[derive(Clone, Debug)]
pub(crate) struct Tick {
    /// In the axis' own unit.
    pub(crate) value: f64,
    pub(crate) label: String,
}

/// A linear axis from 0 or a start to an end.
#[derive(Clone, Debug)]
pub(crate) struct Axis {
    pub(crate) low: f64,
    pub(crate) high: f64,
    pub(crate) ticks: Vec<Tick>,
    pub(crate) label: String,
}

impl Axis {
    /// The share of the way from low to high at which `value` lies, kept within the axis.
    pub(crate) fn share(&self, value: f64) -> f64 {
        let share = (value - self.low) / (self.high - self.low);
        if share.is_finite() { share.clamp(0.0, 1.0) } else { 0.0 }
    }

    /// An axis of times from `low_s` to `high_s` seconds, ticks in the unit that suits the range.
    pub(crate) fn time(low_s: f64, high_s: f64, label: &str, ticks: usize) -> Self {
        let high_s = if high_s > low_s { high_s } else { low_s + 1.0 };
        // A first arrival shortly after 0 should not cost the axis its 0.
        let low_s = if low_s > 0.0 && low_s < 0.05 * high_s { 0.0 } else { low_s };
        let unit = TimeUnit::for_largest(low_s.abs().max(high_s));
        let ticks = ticks_between(low_s / unit.seconds(), high_s / unit.seconds(), steps(unit), ticks)
            .into_iter()
            .map(|tick| Tick { value: tick.value * unit.seconds(), ..tick })
            .collect();
        Self { low: low_s, high: high_s, ticks, label: format!("{label} ({})", unit.symbol()) }
    }

    /// An axis of shares, shown in percent.
    pub(crate) fn percent(label: &str) -> Self {
        let tick = |percent: u8| Tick { value: f64::from(percent) / 100.0, label: format!("{percent}") };
        Self {
            low: 0.0,
            high: 1.0,
            ticks: [0, 25, 50, 75, 100].map(tick).into(),
            label: format!("{label} (%)"),
        }
    }

    /// An axis of amounts from 0 to at least `high`, ending at a tick.
    pub(crate) fn amount(high: f64, label: &str) -> Self {
        let high = if high.is_finite() && high > 0.0 { high } else { 1.0 };
        let mut ticks = ticks_between(0.0, high, &[], 5);
        let step = ticks.get(1).map_or(high, |tick| tick.value);
        if let Some(last) = ticks.last().map(|tick| tick.value).filter(|last| *last < high) {
            let value = last + step;
            ticks.push(Tick { value, label: trimmed(value, 6) });
        }
        for tick in &mut ticks {
            tick.label = compact(tick.value);
        }
        let high = ticks.last().map_or(high, |tick| tick.value);
        Self { low: 0.0, high, ticks, label: label.to_owned() }
    }
}

/// An amount in few characters: `250`, `20k`, `1.5M`.
fn compact(value: f64) -> String {
    match value {
        v if v >= 1e9 => crate::format::fixed(v, 0),
        v if v >= 1e6 => format!("{}M", trimmed(v / 1e6, 2)),
        v if v >= 1e4 => format!("{}k", trimmed(v / 1e3, 2)),
        v => trimmed(v, 6),
    }
}

/// Steps that suit a unit of time beyond 1, 2 and 5 times a power of ten.
fn steps(unit: TimeUnit) -> &'static [f64] {
    match unit {
        TimeUnit::Seconds | TimeUnit::Minutes => &[10.0, 15.0, 30.0, 60.0],
        TimeUnit::Hours => &[3.0, 6.0, 12.0, 24.0, 48.0],
        TimeUnit::Days => &[7.0, 14.0, 28.0],
    }
}

/// About `count` ticks at round values between `low` and `high`.
pub(crate) fn ticks_between(low: f64, high: f64, preferred: &[f64], count: usize) -> Vec<Tick> {
    let least = (high - low) / count.max(1) as f64;
    if !least.is_finite() || least <= 0.0 {
        return Vec::new();
    }
    let power = libm::pow(10.0, libm::floor(libm::log10(least)));
    let decimal = [1.0, 2.0, 5.0, 10.0].map(|m| m * power);
    let step = decimal
        .iter()
        .chain(preferred)
        .copied()
        .filter(|step| *step >= least * 0.999)
        .fold(f64::INFINITY, f64::min);
    let first = (low / step).ceil();
    (0..=count + 1)
        .map(|i| {
            let value = (first + i as f64) * step;
            Tick { value, label: trimmed(value, 6) }
        })
        .filter(|tick| tick.value <= high + step * 1e-9)
        .collect()
}

/// The plot's outer parts: where they are depends on how much the legend needs.
#[derive(Debug)]
pub(crate) struct Frame<'a> {
    pub(crate) title: String,
    pub(crate) subtitle: String,
    /// Entries of the legend, each a sample and its text.
    pub(crate) legend: Vec<(Sample, String)>,
    pub(crate) fonts: &'a Fonts,
}

/// What stands before a legend's text.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Sample {
    Line(Stroke),
    Box(Ink),
}

/// Space left of the plot unless row labels need more.
pub(crate) const LEFT: f64 = 62.0;
/// Space right of it: half of the last tick's label.
pub(crate) const RIGHT: f64 = 28.0;
/// Space below it: ticks and the label of the axis.
pub(crate) const BOTTOM: f64 = 50.0;

const MARGIN: f64 = 16.0;
const LEGEND_LINE: f64 = 20.0;
const SAMPLE_WIDTH: f64 = 30.0;

impl Frame<'_> {
    /// Draws title, subtitle and legend; returns where the plot may begin.
    pub(crate) fn head(&self, scene: &mut Scene) -> f64 {
        let room = WIDTH - 2.0 * MARGIN;
        let title = self.fonts.fitted(&self.title, 16.5, room);
        scene.push_text(Text {
            x: MARGIN,
            y: 28.0,
            text: title,
            size: 15.0,
            bold: true,
            ink: Ink::Text,
            anchor: Anchor::Start,
            upright: false,
        });
        let mut y = 28.0;
        if !self.subtitle.is_empty() {
            y += 19.0;
            scene.text(MARGIN, y, self.fonts.fitted(&self.subtitle, 12.0, room), Ink::Muted, Anchor::Start);
        }
        if !self.legend.is_empty() {
            y = self.draw_legend(scene, y + 8.0, room);
        }
        y + 18.0
    }

    /// Entries in columns as wide as the widest, so that they line up.
    fn draw_legend(&self, scene: &mut Scene, top: f64, room: f64) -> f64 {
        // Three columns, or two of longer texts where entries are few.
        let most = if self.legend.len() > 4 { 202.0 } else { 330.0 };
        let texts: Vec<String> =
            self.legend.iter().map(|(_, text)| self.fonts.fitted(text, 12.0, most)).collect();
        let widths = texts.iter().map(|text| self.fonts.width(text, 12.0, false) + SAMPLE_WIDTH + 24.0);
        let (total, widest) = widths.fold((0.0, 1.0_f64), |(sum, widest), w| (sum + w, widest.max(w)));
        let one_line = total <= room;
        let columns = (room / widest).floor().max(1.0);
        let (mut x, mut y, mut column) = (MARGIN, top + 12.0, 0.0);
        for ((sample, _), text) in self.legend.iter().zip(&texts) {
            if !one_line && column >= columns {
                (x, y, column) = (MARGIN, y + LEGEND_LINE, 0.0);
            }
            match sample {
                Sample::Line(stroke) => {
                    scene.line(vec![(x, y - 4.0), (x + SAMPLE_WIDTH - 6.0, y - 4.0)], *stroke);
                }
                Sample::Box(ink) => scene.rect(Area::new(x + 8.0, y - 10.0, 14.0, 11.0), *ink),
            }
            scene.text(x + SAMPLE_WIDTH, y, text.clone(), Ink::Text, Anchor::Start);
            x += if one_line { self.fonts.width(text, 12.0, false) + SAMPLE_WIDTH + 24.0 } else { widest };
            column += 1.0;
        }
        y + 2.0
    }
}

/// Draws the ticks, grid lines and label of a horizontal axis below `area`; sets the scene's height.
pub(crate) fn horizontal(scene: &mut Scene, area: Area, axis: &Axis, grid: bool) {
    for tick in &axis.ticks {
        let x = area.x + axis.share(tick.value) * area.w;
        if grid {
            scene.line(vec![(x, area.y), (x, area.bottom())], Stroke::solid(Ink::Grid, 0.7));
        }
        scene.line(vec![(x, area.bottom()), (x, area.bottom() + 4.0)], Stroke::solid(Ink::Muted, 0.7));
        scene.text(x, area.bottom() + 17.0, tick.label.clone(), Ink::Muted, Anchor::Middle);
    }
    scene.text(area.x + area.w / 2.0, area.bottom() + 37.0, axis.label.clone(), Ink::Text, Anchor::Middle);
    scene.height = area.bottom() + BOTTOM;
}

/// Draws the ticks, grid lines and label of a vertical axis left of `area`.
pub(crate) fn vertical(scene: &mut Scene, area: Area, axis: &Axis) {
    for tick in &axis.ticks {
        let y = area.bottom() - axis.share(tick.value) * area.h;
        scene.line(vec![(area.x, y), (area.right(), y)], Stroke::solid(Ink::Grid, 0.7));
        scene.text(area.x - 7.0, y + 4.0, tick.label.clone(), Ink::Muted, Anchor::End);
    }
    scene.push_text(Text {
        x: 20.0,
        y: area.y + area.h / 2.0,
        text: axis.label.clone(),
        size: 12.0,
        bold: false,
        ink: Ink::Text,
        anchor: Anchor::Middle,
        upright: true,
    });
}

/// Draws the base line of a plot.
pub(crate) fn base_line(scene: &mut Scene, area: Area) {
    scene.line(vec![(area.x, area.bottom()), (area.right(), area.bottom())], Stroke::solid(Ink::Muted, 0.8));
}

/// The stair of a series of bins over an area: each value holds for its bin.
pub(crate) fn stair(
    area: Area,
    x: &Axis,
    y: &Axis,
    start_s: f64,
    bin_s: f64,
    values: &[f64],
) -> Vec<(f64, f64)> {
    let mut points = Vec::with_capacity(values.len() * 2);
    for (i, &value) in values.iter().enumerate() {
        let height = area.bottom() - y.share(value) * area.h;
        for edge in [i, i + 1] {
            let at = x.share(start_s + edge as f64 * bin_s);
            points.push((area.x + at * area.w, height));
        }
    }
    points
}
