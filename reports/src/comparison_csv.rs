//! `comparison.csv`: one row a strategy.

use cloudai_sim::result::Comparison;

use crate::catalogue::{CATALOGUE, Value, provenance};
use crate::format::csv_number;

/// The file's text: spec, folder, every metric, and where the numbers come from. Empty fields are not applicable.
pub(crate) fn text(comparison: &Comparison) -> Result<String, Box<dyn std::error::Error + Send + Sync>> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    let mut header = vec!["spec", "folder"];
    header.extend(CATALOGUE.iter().map(|metric| metric.key));
    header.extend(provenance(&cloudai_sim::result::Metrics::default()).map(|(key, _)| key));
    writer.write_record(header)?;
    for result in &comparison.strategies {
        let mut row = vec![result.spec.clone(), result.folder.clone()];
        row.extend(CATALOGUE.iter().map(|metric| match metric.value(&result.metrics) {
            Value::Missing => String::new(),
            Value::Real(value) => csv_number(value),
            Value::Count(count) => count.to_string(),
        }));
        row.extend(provenance(&result.metrics).map(|(_, value)| value));
        writer.write_record(row)?;
    }
    Ok(String::from_utf8(writer.into_inner()?)?)
}
