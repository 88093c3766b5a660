//! How the values of one metric are written: one unit and one number of decimals for all that stand together.

use crate::catalogue::{Metric, Unit};
use crate::format::{TimeUnit, decimals_for, fixed};

/// A metric's unit as it is shown.
#[derive(Clone, Copy, Debug)]
pub(super) struct Scale {
    /// How much of the metric's own unit is one of the unit shown.
    pub(super) one: f64,
    /// The unit's symbol; empty for ratios.
    pub(super) unit: &'static str,
    decimals: usize,
}

impl Scale {
    /// The scale that suits `values` of the metric of this key.
    pub(super) fn of(key: &str, values: impl IntoIterator<Item = f64>) -> Self {
        let values: Vec<f64> = values.into_iter().filter(|value| value.is_finite()).collect();
        let (one, unit) = match Metric::by_key(key).map(|metric| metric.unit) {
            Some(Unit::Seconds) => {
                let unit = TimeUnit::for_all(values.iter().copied());
                (unit.seconds(), unit.symbol())
            }
            Some(Unit::Share) => (0.01, "%"),
            Some(Unit::TasksPerMinute) => (1.0, "/min"),
            Some(Unit::Tasks) => (1.0, "tasks"),
            Some(Unit::Attempts) => (1.0, "attempts"),
            Some(Unit::Ratio) | None => (1.0, ""),
        };
        Self { one, unit, decimals: decimals_for(values.into_iter().map(|value| value / one)) }
    }

    /// A value without its unit.
    pub(super) fn text(&self, value: f64) -> String {
        fixed(value / self.one, self.decimals)
    }

    /// A value with its unit.
    pub(super) fn with_unit(&self, value: f64) -> String {
        format!("{} {}", self.text(value), self.unit).trim_end().to_owned()
    }

    /// An interval without its unit: `[1.0, 2.5]`.
    pub(super) fn interval(&self, (low, high): (f64, f64)) -> String {
        format!("[{}, {}]", self.text(low), self.text(high))
    }
}

/// A metric's label: `Mean wait`.
pub(super) fn label(key: &str) -> String {
    Metric::by_key(key).map_or_else(|| key.to_owned(), |metric| metric.label.to_owned())
}

/// A share of the baseline in percent, signed: `+3.2%`.
pub(crate) fn percent(share: f64) -> String {
    let percent = share * 100.0;
    let decimals = if percent.abs() >= 1_000.0 { 0 } else { 1 };
    let text = fixed(percent, decimals);
    let sign = if percent > 0.0 && text.bytes().any(|b| matches!(b, b'1'..=b'9')) { "+" } else { "" };
    format!("{sign}{text}%")
}

/// A p-value: three decimals, two significant digits below 0.1, and never 0.
pub(crate) fn p_value(p: f64) -> String {
    match p {
        p if !p.is_finite() => "-".to_owned(),
        p if p <= 0.0001 => "≤0.0001".to_owned(),
        p if p < 0.001 => format!("{p:.4}"),
        p if p < 0.1 => format!("{p:.3}"),
        p => format!("{p:.2}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_unit_for_all() {
        let scale = Scale::of("mean_wait_s", [30.0, 7_200.0, f64::NAN]);
        assert_eq!((scale.text(7_200.0), scale.with_unit(30.0)), ("120.0".to_owned(), "0.5 min".to_owned()));
        assert_eq!(Scale::of("cpu_utilization", [0.5]).with_unit(0.5), "50.00 %");
        assert_eq!(Scale::of("gap_to_bound", [1.25]).interval((1.0, 2.0)), "[1.00, 2.00]");
    }

    #[test]
    fn p_values_are_never_zero() {
        let texts = [0.0, 0.000_12, 0.0123, 0.25, 1.0, f64::NAN].map(p_value);
        assert_eq!(texts, ["≤0.0001", "0.0001", "0.012", "0.25", "1.00", "-"]);
        assert_eq!(
            (percent(-0.1234), percent(0.0), percent(0.5)),
            ("-12.3%".into(), "0.0%".into(), "+50.0%".into())
        );
    }
}
