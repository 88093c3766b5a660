//! Axes of metrics, of differences, and of factors.

use crate::catalogue::{Metric, Unit};
use crate::format::trimmed;
use crate::plots::axis::{Axis, Tick, ticks_between};

/// The axis of a metric over the range of `values`: from 0, unless that would leave more than half of it empty.
pub(super) fn metric(key: &str, label: &str, values: impl IntoIterator<Item = f64>) -> Axis {
    let (low, high) = values
        .into_iter()
        .filter(|value| value.is_finite())
        .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| (low.min(value), high.max(value)));
    // Nothing but zeros gets an axis like any other.
    let (low, high) = if low <= high && (low, high) != (0.0, 0.0) { (low, high) } else { (0.0, 1.0) };
    let room = (high - low).max(high.abs() * 1e-3).max(1e-9) * 0.06;
    let low = if low >= 0.0 && low < 0.5 * high { 0.0 } else { low - room };
    let high = high + room;
    match Metric::by_key(key).map(|metric| metric.unit) {
        Some(Unit::Seconds) => Axis { low, ..Axis::time(low, high, label, 5) },
        Some(Unit::Share) => scaled(low, high, 0.01, &format!("{label} (%)")),
        Some(Unit::TasksPerMinute) => scaled(low, high, 1.0, &format!("{label} (tasks/min)")),
        _ => scaled(low, high, 1.0, label),
    }
}

/// An axis of shares in percent, signed, around 0.
pub(super) fn percent(label: &str, values: impl IntoIterator<Item = f64>) -> Axis {
    let (low, high) = values
        .into_iter()
        .filter(|value| value.is_finite())
        .fold((0.0_f64, 0.0_f64), |(low, high), value| (low.min(value), high.max(value)));
    let room = (high - low).max(1e-4) * 0.04;
    let mut axis = scaled(low - room, high + room, 0.01, label);
    for tick in &mut axis.ticks {
        if tick.value > 0.0 && tick.label != "0" {
            tick.label.insert(0, '+');
        }
        tick.label = tick.label.replace('-', "−");
    }
    axis
}

fn scaled(low: f64, high: f64, one: f64, label: &str) -> Axis {
    let ticks = ticks_between(low / one, high / one, &[], 6)
        .into_iter()
        .map(|tick| Tick { value: tick.value * one, ..tick })
        .collect();
    Axis { low, high, ticks, label: label.to_owned() }
}

/// The axis of a factor: its levels are the ticks, on a logarithmic axis where they span a factor of eight.
#[derive(Debug)]
pub(super) struct FactorAxis {
    /// The axis, in logarithms if so.
    pub(super) axis: Axis,
    logarithmic: bool,
}

impl FactorAxis {
    /// The axis for ascending `levels`; `room` is the width of the plot.
    pub(super) fn new(name: &str, levels: &[f64], room: f64) -> Self {
        let (first, last) = (levels.first().copied().unwrap_or(0.0), levels.last().copied().unwrap_or(1.0));
        let logarithmic = first > 0.0 && last / first >= 8.0;
        let place = |value: f64| if logarithmic { libm::log2(value) } else { value };
        let span = (place(last) - place(first)).max(1e-12);
        let (low, high) = (place(first) - span * 0.03, place(last) + span * 0.03);
        let mut ticks: Vec<Tick> = Vec::new();
        for &level in levels {
            let value = place(level);
            // Labels need room; a level without one keeps its points.
            let clear = |tick: &Tick| (value - tick.value) / (high - low) * room >= 44.0;
            if ticks.last().is_none_or(clear) {
                ticks.push(Tick { value, label: trimmed(level, 6) });
            }
        }
        let label = if logarithmic { format!("{name} (logarithmic)") } else { name.to_owned() };
        Self { axis: Axis { low, high, ticks, label }, logarithmic }
    }

    /// The share of the way along the axis at which `level` lies.
    pub(super) fn share(&self, level: f64) -> f64 {
        self.axis.share(if self.logarithmic { libm::log2(level) } else { level })
    }
}
