//! Pictures that an earlier report left in the folder.

use std::collections::BTreeSet;
use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use super::plots::{Drawn, is_safe};
use crate::ReportError;

/// Removes the pictures in `dir` that a report of a sweep could have written, and that are not among the `drawn`. `metrics`
/// are the keys that objectives can have.
pub(super) fn remove(dir: &Path, metrics: &[String], drawn: &Drawn) -> Result<(), ReportError> {
    let kept: BTreeSet<&str> = drawn.names().collect();
    let read = |source| ReportError::read(dir, source);
    for entry in fs::read_dir(dir).map_err(read)? {
        let entry = entry.map_err(read)?;
        let name = entry.file_name();
        let stem =
            name.to_str().and_then(|name| name.strip_suffix(".svg").or_else(|| name.strip_suffix(".png")));
        let is_stale = stem.is_some_and(|stem| !kept.contains(stem) && is_ours(stem, metrics));
        // A folder or a link of such a name is somebody else's.
        if !is_stale || !entry.file_type().is_ok_and(|kind| kind.is_file()) {
            continue;
        }
        let path = entry.path();
        match fs::remove_file(&path) {
            Err(source) if source.kind() != ErrorKind::NotFound => {
                return Err(ReportError::Remove { path, source });
            }
            _ => {}
        }
    }
    Ok(())
}

/// Whether `plots` gives a picture this name in some sweep.
fn is_ours(stem: &str, metrics: &[String]) -> bool {
    let is_metric = |name: &str| metrics.iter().any(|metric| metric == name);
    if let Some(metric) = stem.strip_prefix("differences_").or_else(|| stem.strip_prefix("shaking_")) {
        return is_metric(metric);
    }
    if let Some(rest) = stem.strip_prefix("sensitivity_") {
        let factor = |metric: &String| rest.strip_prefix(metric.as_str())?.strip_prefix('_');
        return metrics.iter().filter_map(factor).any(is_factor);
    }
    let gpu = stem.strip_prefix("gpu_allocation").or_else(|| stem.strip_prefix("gpu_fragmentation"));
    gpu.is_some_and(|rest| rest.is_empty() || rest.strip_prefix('_').is_some_and(is_name))
}

/// Whether `text` is a factor that metrics are drawn against, alone or with a scenario's name.
fn is_factor(text: &str) -> bool {
    ["load", "workers"].iter().any(|factor| {
        text.strip_prefix(factor)
            .is_some_and(|rest| rest.is_empty() || rest.strip_prefix('_').is_some_and(is_name))
    }) || ["setting.", "param."].iter().any(|kind| text.strip_prefix(kind).is_some_and(is_name))
}

/// Whether `text` can be what `plots::safe` makes of a name.
fn is_name(text: &str) -> bool {
    !text.is_empty() && text.chars().all(is_safe)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_that_a_report_writes_are_ours() {
        let metrics = ["mean_wait_s", "mean_wait_s_of_gangs", "makespan_s"].map(str::to_owned);
        let ours = [
            "differences_mean_wait_s",
            "shaking_makespan_s",
            "sensitivity_mean_wait_s_load",
            "sensitivity_mean_wait_s_of_gangs_workers_mixed-100x5",
            "sensitivity_makespan_s_setting.mtbf_s",
            "sensitivity_makespan_s_param.window_a_scenario",
            "gpu_allocation",
            "gpu_fragmentation_openb",
        ];
        for name in ours {
            assert!(is_ours(name, &metrics), "{name}");
        }
        let others = [
            "differences_",
            "differences_mean_wait_s (copy)",
            "differences_mean_wait_s_old",
            "shaking_hands",
            "sensitivity_mean_wait_s",
            "sensitivity_mean_wait_s_",
            "sensitivity_mean_wait_s_colour",
            "sensitivity_mean_wait_s_loaded",
            "sensitivity_makespan_s_param.",
            "sensitivity_nothing_load",
            "gpu_allocation_",
            "gpu_allocations",
            "gpu_allocation_of mine",
            "makespan",
        ];
        for name in others {
            assert!(!is_ours(name, &metrics), "{name}");
        }
    }
}
