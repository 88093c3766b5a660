//! The KTH-SP2 log under `fcfs`, `easy` and `conservative`, against schedules that others computed, to the second.

use std::fmt::Write as _;
use std::io::Read;
use std::path::PathBuf;

use crate::support::{Case, S};

/// The data beside the project, if it is on this machine; otherwise says so.
pub(crate) fn data(file: &str) -> Option<PathBuf> {
    let beside = || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../shared/data");
    let folder = std::env::var_os("CLOUDAI_DATA_DIR").map_or_else(beside, PathBuf::from);
    let path = folder.join(file);
    if path.exists() {
        return Some(path);
    }
    eprintln!("skipped: {} is not there (set CLOUDAI_DATA_DIR to the folder with the logs)", path.display());
    None
}

/// The log as `tasks.csv`, by the import rules of the design, and independently of the importer.
pub(crate) fn tasks(log: &str) -> String {
    let mut jobs: Vec<[i64; 4]> = Vec::new();
    for line in log.lines().filter(|line| !line.starts_with(';') && !line.trim().is_empty()) {
        let fields: Vec<i64> = line.split_whitespace().map(|field| field.parse().unwrap_or(-1)).collect();
        let processors = if fields[7] > 0 { fields[7] } else { fields[4] };
        if processors <= 0 || processors > 100 || fields[3] < 0 {
            continue;
        }
        let run = fields[3].max(1);
        jobs.push([fields[1], run, processors, if fields[8] > 0 { fields[8] } else { run }]);
    }
    jobs.sort_by_key(|job| job[0]);
    let first = jobs[0][0];
    let mut text = "task_id,arrival_s,duration_s,cpu_cores,memory_gb,storage_gb,estimate_s\n".to_owned();
    for (at, [submit, run, processors, estimate]) in jobs.into_iter().enumerate() {
        let _ = writeln!(text, "{},{},{run},{processors},0,0,{estimate}", at + 1, submit - first);
    }
    text
}

#[test]
fn fcfs_on_the_kth_sp2_log_is_the_reference_schedule() {
    is_the_reference_schedule("fcfs");
}

#[test]
fn easy_on_the_kth_sp2_log_is_the_reference_schedule() {
    is_the_reference_schedule("easy");
}

#[test]
fn conservative_on_the_kth_sp2_log_is_the_reference_schedule() {
    is_the_reference_schedule("conservative");
}

/// Every start and end of the strategy's schedule is that of the reference of the same name.
fn is_the_reference_schedule(strategy: &str) {
    let reference = data(&format!("swf/kth-sp2.{strategy}.csv.gz"));
    let (Some(log), Some(reference)) = (data("swf/kth-sp2.swf"), reference) else { return };
    let log = String::from_utf8_lossy(&std::fs::read(log).unwrap()).into_owned();
    let mut text = String::new();
    let file = std::fs::File::open(reference).unwrap();
    flate2::read::GzDecoder::new(file).read_to_string(&mut text).unwrap();

    let workers = "worker_id,total_cpu,total_memory,total_storage,total_gpu\npool,100,0,0,0\n";
    let case =
        Case::of(&[("workers.csv", workers), ("tasks.csv", &tasks(&log))]).set("kill_at_estimate", "true");
    // The checker of invariants would take minutes here; the properties run it.
    let mut rows = case.rows(strategy);
    rows.sort_by_key(|row| row.task.parse::<u32>().unwrap());
    let mut compared = 0;
    for (line, row) in text.lines().skip(1).zip(&rows) {
        let ours =
            format!("{},{},{},{}", row.task, row.arrival / S, row.start.unwrap() / S, row.end.unwrap() / S);
        assert!(
            line.strip_prefix(&ours).is_some_and(|rest| rest.starts_with(',')),
            "{line} expected, {ours}"
        );
        assert!([row.arrival, row.start.unwrap(), row.end.unwrap()].iter().all(|time| time % S == 0));
        compared += 1;
    }
    assert_eq!((compared, rows.len()), (28_489 - dropped(&log), text.lines().count() - 1));
}

/// Jobs of the log that cannot be run.
fn dropped(log: &str) -> usize {
    log.lines().filter(|line| !line.starts_with(';') && !line.trim().is_empty()).count() + 1
        - tasks(log).lines().count()
}
