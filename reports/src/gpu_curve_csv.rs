//! `gpu_curve.csv`: GPU allocation and fragmentation of one strategy against what has arrived.

use cloudai_sim::result::GpuPoint;

use crate::format::trimmed;

/// The file: a header, and a row a point, in percent with at most four decimals.
pub(crate) fn text(curve: &[GpuPoint]) -> String {
    let mut text = "arrived_percent,allocated_percent,fragmented_percent,fragmentation_percent\n".to_owned();
    for point in curve {
        let cells = [point.arrived, point.allocated, point.fragmented, point.fragmentation]
            .map(|share| trimmed(share * 100.0, 4));
        text.push_str(&cells.join(","));
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_percent_without_trailing_zeros() {
        let point =
            GpuPoint { arrived: 1.0, allocated: 0.952_345_67, fragmented: 0.0125, fragmentation: 0.25 };
        let lines: Vec<String> = text(&[point]).lines().map(str::to_owned).collect();
        assert_eq!(lines[1], "100,95.2346,1.25,25");
        assert_eq!(lines[0].split(',').count(), 4);
    }
}
