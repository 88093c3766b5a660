//! What is searched: parameters with ranges, and points among them.

use std::fmt;

use cloudai_schedulers::{ParamInfo, ParamKind, StrategySpec};

/// Significant digits of a number that the search proposes, so that specs stay readable.
const DIGITS: usize = 4;

/// A parameter that is tuned.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Dimension {
    /// Its name, as in a spec.
    pub name: String,
    /// The values that it may take.
    pub domain: Domain,
    /// Its default, as it would stand in a spec.
    pub default: String,
}

/// The values that a parameter may take. Ranges are inclusive.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Domain {
    /// Numbers.
    Float {
        /// The least.
        from: f64,
        /// The largest.
        to: f64,
        /// How they are spread.
        scale: Scale,
    },
    /// Whole numbers.
    Int {
        /// The least.
        from: u64,
        /// The largest.
        to: u64,
        /// How they are spread.
        scale: Scale,
    },
    /// One of these.
    Choice(Vec<String>),
}

/// How the values of a range are spread over the search: equal distances on it are equal steps.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum Scale {
    /// As they are.
    Linear,
    /// By log(value - from + offset); the offset is above 0.
    Log {
        /// Distances from the start of the range below this count as small.
        offset: f64,
    },
}

/// A point of a space: for each dimension, in order, a position in its range from 0 to 1, or the number of its choice.
pub(super) type Point = Vec<f64>;

impl Scale {
    /// The scale for a range, if nothing is said: logarithmic where the default lies in the first hundredth of it, or where it spans
    /// three decades.
    pub(super) fn of(from: f64, to: f64, default: f64) -> Self {
        let wide = from > 0.0 && to / from >= 1e3;
        let early = default > from && to - from > 100.0 * (default - from);
        if wide || early { Self::log(from, to, default) } else { Self::Linear }
    }

    /// The logarithmic scale of a range. From 0 on a tenth of the default, else a thousandth of the range, counts as small.
    pub(super) fn log(from: f64, to: f64, default: f64) -> Self {
        let offset = if from > 0.0 {
            from
        } else if default > from && default <= to {
            (default - from) / 10.0
        } else {
            (to - from) / 1e3
        };
        Self::Log { offset }
    }

    fn value(self, from: f64, to: f64, at: f64) -> f64 {
        let value = match self {
            Self::Linear => from + (to - from) * at,
            Self::Log { offset } => from + offset * (libm::pow(1.0 + (to - from) / offset, at) - 1.0),
        };
        value.clamp(from, to)
    }

    fn at(self, from: f64, to: f64, value: f64) -> f64 {
        if to <= from {
            return 0.0;
        }
        let at = match self {
            Self::Linear => (value - from) / (to - from),
            Self::Log { offset } => {
                libm::log1p((value - from).max(0.0) / offset) / libm::log1p((to - from) / offset)
            }
        };
        at.clamp(0.0, 1.0)
    }
}

impl fmt::Display for Domain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let log = |scale: &Scale| if *scale == Scale::Linear { "" } else { ", log" };
        match self {
            Self::Float { from, to, scale } => write!(f, "{from} to {to}{}", log(scale)),
            Self::Int { from, to, scale } => write!(f, "whole, {from} to {to}{}", log(scale)),
            Self::Choice(options) => f.write_str(&options.join(", ")),
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "positions in a range need no more than 53 bits")]
fn float(value: u64) -> f64 {
    value as f64
}

/// Four significant digits.
fn rounded(value: f64) -> f64 {
    format!("{value:.*e}", DIGITS - 1).parse().unwrap_or(value)
}

impl Domain {
    /// The text of the value at this position, as it stands in a spec.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "rounded, within the range, not negative"
    )]
    pub(super) fn text(&self, at: f64) -> String {
        match self {
            Self::Float { from, to, scale } => {
                rounded(scale.value(*from, *to, at)).clamp(*from, *to).to_string()
            }
            Self::Int { from, to, scale } => {
                let value = scale.value(float(*from), float(*to), at);
                (libm::round(value) as u64).clamp(*from, *to).to_string()
            }
            Self::Choice(options) => options.get(at as usize).cloned().unwrap_or_default(),
        }
    }

    /// The position of a value; that of the nearest one if it is outside. 0 of what is no value.
    pub(super) fn at(&self, text: &str) -> f64 {
        let number = || text.parse().unwrap_or(0.0);
        match self {
            Self::Float { from, to, scale } => scale.at(*from, *to, number()),
            Self::Int { from, to, scale } => scale.at(float(*from), float(*to), number()),
            Self::Choice(options) => {
                float(options.iter().position(|option| option == text).unwrap_or(0) as u64)
            }
        }
    }

    /// How many choices there are; `None` of a range.
    pub(super) fn choices(&self) -> Option<usize> {
        if let Self::Choice(options) = self { Some(options.len()) } else { None }
    }
}

impl Dimension {
    pub(super) fn new(info: &ParamInfo, domain: Domain) -> Self {
        Self { name: info.name.to_owned(), domain, default: info.kind.default_text() }
    }

    /// The whole range of a parameter; `None` of one that is not numeric.
    pub(super) fn numeric(info: &ParamInfo) -> Option<Self> {
        let domain = match info.kind {
            ParamKind::Float { default, min, max } => {
                Domain::Float { from: min, to: max, scale: Scale::of(min, max, default) }
            }
            ParamKind::Int { default, min, max } => {
                Domain::Int { from: min, to: max, scale: Scale::of(float(min), float(max), float(default)) }
            }
            ParamKind::Bool { .. } | ParamKind::Choice { .. } => return None,
        };
        Some(Self::new(info, domain))
    }
}

/// The parameters of a strategy that are tuned.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Space {
    /// The strategy, with the parameters that are held.
    pub base: StrategySpec,
    /// The parameters that are tuned, at least one.
    pub dimensions: Vec<Dimension>,
}

impl Space {
    /// The point of the defaults, or the nearest to it.
    pub(super) fn default_point(&self) -> Point {
        self.dimensions.iter().map(|dimension| dimension.domain.at(&dimension.default)).collect()
    }

    /// Whether a point has the defaults themselves.
    pub(super) fn is_default(&self, point: &[f64]) -> bool {
        self.dimensions
            .iter()
            .zip(point)
            .all(|(dimension, &at)| dimension.domain.text(at) == dimension.default)
    }

    /// The strategy at a point.
    pub(super) fn spec(&self, point: &[f64]) -> StrategySpec {
        let mut spec = self.base.clone();
        let tuned = self.dimensions.iter().zip(point);
        spec.params.extend(tuned.map(|(dimension, &at)| (dimension.name.clone(), dimension.domain.text(at))));
        spec
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_have_positions_and_positions_values() {
        let weight = Domain::Float { from: 0.0, to: 1000.0, scale: Scale::of(0.0, 1000.0, 0.45) };
        assert_eq!((weight.text(0.0), weight.text(1.0)), ("0".to_owned(), "1000".to_owned()));
        for value in ["0.45", "0.001", "12.5", "999"] {
            assert_eq!(weight.text(weight.at(value)), value);
        }
        let window = Domain::Int { from: 1, to: 1_000_000, scale: Scale::of(1.0, 1e6, 256.0) };
        assert_eq!(window.text(0.5), "1000", "log: the middle of 10^0 and 10^6");
        assert_eq!(window.text(window.at("256")), "256");
        let half = Domain::Float { from: -1.0, to: 2.0, scale: Scale::of(-1.0, 2.0, 0.5) };
        assert_eq!((half.text(0.5).as_str(), half.at("0.5")), ("0.5", 0.5));
        assert_eq!((half.at("-7"), half.at("7")), (0.0, 1.0));
        let rule = Domain::Choice(vec!["none".to_owned(), "easy".to_owned()]);
        assert_eq!((rule.text(1.0).as_str(), rule.at("easy")), ("easy", 1.0));
    }

    #[test]
    fn proposals_have_few_digits_and_stay_in_range() {
        let domain = Domain::Float { from: 0.0, to: 1.0 / 3.0, scale: Scale::Linear };
        assert_eq!(domain.text(0.123_456_789), "0.04115");
        assert_eq!(domain.text(1.0).parse::<f64>().unwrap().max(1.0 / 3.0), 1.0 / 3.0);
    }
}
