//! The distribution of waits: all strategies in one chart.

use cloudai_sim::result::{CdfPoint, Comparison};

use super::axis::{self, Axis, Frame, LEFT, RIGHT, Sample, Tick};
use super::palette::series;
use super::scene::{Anchor, Area, Ink, Scene, WIDTH};
use super::text::Fonts;
use crate::format::shortened;

const HEIGHT: f64 = 380.0;
/// Where waits span more than this factor, the axis is logarithmic.
const WIDE: f64 = 100.0;
/// Width that a wait of zero takes on a logarithmic axis.
const ZERO_SPACE: f64 = 44.0;

/// The chart.
pub(crate) fn draw(comparison: &Comparison, fonts: &Fonts) -> Scene {
    let mut scene = Scene::new("Cumulative distribution of waits, one line a strategy.".to_owned());
    let drawn: Vec<_> =
        comparison.strategies.iter().enumerate().filter(|(_, result)| !result.wait_cdf.is_empty()).collect();
    let frame = Frame {
        title: "How long tasks waited".to_owned(),
        subtitle: "Share of the tasks that waited at most so long; further up and to the left is better."
            .to_owned(),
        legend: drawn.iter().map(|(i, r)| (Sample::Line(series(*i)), shortened(&r.spec, 60))).collect(),
        fonts,
    };
    let top = frame.head(&mut scene);
    let area = Area::new(LEFT, top, WIDTH - LEFT - RIGHT, HEIGHT);
    let scale =
        Scale::for_waits(&drawn.iter().map(|(_, result)| &*result.wait_cdf).collect::<Vec<_>>(), area);

    axis::vertical(&mut scene, area, &Axis::percent("Share of tasks"));
    axis::horizontal(&mut scene, area, &scale.axis, true);
    for (i, result) in drawn.iter().rev() {
        scene.line(stair(&result.wait_cdf, area, &scale), series(*i));
    }
    axis::base_line(&mut scene, area);
    if drawn.is_empty() {
        scene.text(
            area.x + area.w / 2.0,
            area.y + area.h / 2.0,
            "no task started",
            Ink::Muted,
            Anchor::Middle,
        );
    }
    scene
}

/// The shares as a stair from zero to the right edge.
fn stair(cdf: &[CdfPoint], area: Area, scale: &Scale) -> Vec<(f64, f64)> {
    let mut points: Vec<(f64, f64)> = Vec::new();
    let mut level = area.bottom();
    for point in cdf.iter().filter(|point| point.wait_s.is_finite() && point.share.is_finite()) {
        let x = area.x + scale.axis.share(scale.position(point.wait_s)) * area.w;
        let y = area.bottom() - point.share.clamp(0.0, 1.0) * area.h;
        // Steps below a third of a unit cannot be seen; without this, a million tasks would be a million steps.
        let visible = points
            .last()
            .is_none_or(|last| x - last.0 > 0.3 || (last.1 - y).abs() > 0.3 || point.share >= 1.0);
        if visible {
            points.push((x, level));
            points.push((x, y));
            level = y;
        }
    }
    points.push((area.right(), level));
    points
}

/// The waits between which the axis is of interest: from the one that 98% of the positive waits exceed (a handful of
/// waits of milliseconds should not take decades) to the longest.
fn range(distributions: &[&[CdfPoint]]) -> (f64, f64) {
    let mut positive: Vec<(f64, f64)> = Vec::new();
    for distribution in distributions {
        let mut before = 0.0;
        for point in distribution.iter().filter(|point| point.wait_s.is_finite() && point.share.is_finite()) {
            if point.wait_s > 0.0 {
                positive.push((point.wait_s, (point.share - before).max(0.0)));
            }
            before = point.share;
        }
    }
    positive.sort_by(|a, b| a.0.total_cmp(&b.0));
    let total: f64 = positive.iter().map(|(_, weight)| weight).sum();
    let mut below = 0.0;
    let low = positive.iter().find(|(_, weight)| {
        below += weight;
        below > 0.02 * total
    });
    let (Some(low), Some(high)) = (low.or(positive.first()), positive.last()) else { return (0.0, 0.0) };
    (low.0, high.0)
}

/// From waits to positions on the axis: themselves, or their logarithms with a place for zero.
struct Scale {
    /// The logarithms that zero and the shortest waits are shown at; `None` on a linear axis.
    zero: Option<(f64, f64)>,
    axis: Axis,
}

impl Scale {
    fn for_waits(distributions: &[&[CdfPoint]], area: Area) -> Self {
        let (low, high) = range(distributions);
        if high < WIDE * low || high <= 0.0 {
            return Self { zero: None, axis: Axis::time(0.0, high, "Wait", 9) };
        }
        let low = libm::log10(low);
        let high = libm::log10(high);
        let decades = high - low;
        let zero = low - decades * ZERO_SPACE / (area.w - ZERO_SPACE);
        let mut ticks = vec![Tick { value: zero, label: "0".to_owned() }];
        // Marks crowd each other out by need: the longest first, as the tail is what is looked for.
        let room = (high - zero) / area.w * 46.0;
        for &(seconds, label) in MARKS.iter().rev() {
            let value = libm::log10(seconds);
            let clear = ticks.iter().all(|tick| (tick.value - value).abs() >= room);
            if value >= low && value <= high && clear {
                ticks.push(Tick { value, label: label.to_owned() });
            }
        }
        let label = format!("Wait (logarithmic; longest {})", crate::format::duration(libm::pow(10.0, high)));
        Self { zero: Some((zero, low)), axis: Axis { low: zero, high, ticks, label } }
    }

    fn position(&self, wait_s: f64) -> f64 {
        match self.zero {
            None => wait_s,
            Some((zero, _)) if wait_s <= 0.0 => zero,
            Some((_, low)) => libm::log10(wait_s).max(low),
        }
    }
}

/// Round times to mark on a logarithmic axis.
const MARKS: &[(f64, &str)] = &[
    (1e-6, "1 µs"),
    (1e-5, "10 µs"),
    (1e-4, "100 µs"),
    (1e-3, "1 ms"),
    (1e-2, "10 ms"),
    (1e-1, "0.1 s"),
    (1.0, "1 s"),
    (3.0, "3 s"),
    (10.0, "10 s"),
    (30.0, "30 s"),
    (60.0, "1 min"),
    (180.0, "3 min"),
    (600.0, "10 min"),
    (1_800.0, "30 min"),
    (3_600.0, "1 h"),
    (10_800.0, "3 h"),
    (36_000.0, "10 h"),
    (86_400.0, "1 d"),
    (259_200.0, "3 d"),
    (864_000.0, "10 d"),
    (2_592_000.0, "30 d"),
    (8_640_000.0, "100 d"),
    (86_400_000.0, "1000 d"),
];
