//! Many tests at once.

/// P-values adjusted after Holm 1979, "A simple sequentially rejective multiple test procedure": rejecting what is
/// adjusted to at most α keeps the chance of any false rejection among them at most α, however the tests depend on
/// each other. In the order given; at most 1.
///
/// The i-th smallest of m (from 0) becomes the largest of (m - j) p_j over j <= i.
#[must_use]
pub fn holm(p_values: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..p_values.len()).collect();
    order.sort_by(|a, b| p_values[*a].total_cmp(&p_values[*b]));
    let mut adjusted = vec![0.0; p_values.len()];
    let mut largest: f64 = 0.0;
    for (place, &index) in order.iter().enumerate() {
        largest = largest.max(p_values[index] * (p_values.len() - place) as f64).min(1.0);
        adjusted[index] = largest;
    }
    adjusted
}

#[cfg(test)]
mod tests {
    use super::*;

    /// By hand, and the same from R: `p.adjust(c(0.01, 0.04, 0.03, 0.005), "holm")`.
    #[test]
    fn steps_down() {
        let close = |own: &[f64], expected: &[f64]| {
            own.iter().zip(expected).all(|(own, expected)| (own - expected).abs() < 1e-12)
        };
        assert!(close(&holm(&[0.01, 0.04, 0.03, 0.005]), &[0.03, 0.06, 0.06, 0.02]));
        assert!(close(&holm(&[0.5, 0.9]), &[1.0, 1.0]));
        assert_eq!(holm(&[0.2]), [0.2]);
        assert!(holm(&[]).is_empty());
    }
}
