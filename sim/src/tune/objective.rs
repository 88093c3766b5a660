//! What a tuning makes small: one metric, or a weighted mix, on the scale of the default parameters.

use std::fmt;

/// The metrics that can be made small.
pub const METRICS: [&str; 11] = [
    "makespan_s",
    "mean_wait_s",
    "p50_wait_s",
    "p95_wait_s",
    "p99_wait_s",
    "mean_turnaround_s",
    "p50_turnaround_s",
    "p95_turnaround_s",
    "p99_turnaround_s",
    "mean_bounded_slowdown",
    "p99_bounded_slowdown",
];

/// A weighted mix of metrics, all of them better when lower.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Objective {
    /// Keys of `metrics.json`, each with its weight above 0; at least one.
    pub terms: Vec<(String, f64)>,
}

impl Objective {
    /// The score of a run: the mean of `values` over `normal` by the weights. `normal` are the means that the default parameters reach
    /// in the same scenario; so 1 is as good as they are, and 0.9 ten percent better.
    #[must_use]
    pub fn score(&self, values: &[f64], normal: &[f64]) -> f64 {
        let all: f64 = self.terms.iter().map(|(_, weight)| weight).sum();
        let parts = self.terms.iter().zip(values.iter().zip(normal));
        parts.map(|((_, weight), (value, normal))| weight * value / normal).sum::<f64>() / all
    }
}

/// `makespan_s`, or `0.7 makespan_s + 0.3 mean_wait_s`.
impl fmt::Display for Objective {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let [(key, _)] = self.terms.as_slice() {
            return f.write_str(key);
        }
        for (number, (key, weight)) in self.terms.iter().enumerate() {
            let plus = if number > 0 { " + " } else { "" };
            write!(f, "{plus}{weight} {key}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mix_is_on_the_scale_of_the_defaults() {
        let terms = vec![("makespan_s".to_owned(), 3.0), ("mean_wait_s".to_owned(), 1.0)];
        let mix = Objective { terms };
        assert_eq!(mix.score(&[100.0, 8.0], &[100.0, 8.0]), 1.0);
        // Three quarters of 1.2, and one of 0.5.
        assert!((mix.score(&[120.0, 4.0], &[100.0, 8.0]) - 1.025).abs() < 1e-12);
        assert_eq!(mix.to_string(), "3 makespan_s + 1 mean_wait_s");
    }
}
