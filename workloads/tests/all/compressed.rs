//! Compressed inputs: the same scenario as unpacked, and errors that say what is wrong with the file.

use std::io::Write;

use cloudai_workloads::{Location, Schedule, swf, wfcommons};
use flate2::Compression;
use flate2::write::GzEncoder;
use ruzstd::encoding::{CompressionLevel, compress_to_vec};

use crate::support::{WORKERS, folder, open, open_files, problems_of, read};

type Pack = fn(&[u8]) -> Vec<u8>;

const PACKINGS: [(&str, Pack); 2] = [("gz", gzip), ("zst", zstd)];

fn gzip(plain: &[u8]) -> Vec<u8> {
    let mut packed = GzEncoder::new(Vec::new(), Compression::fast());
    packed.write_all(plain).unwrap();
    packed.finish().unwrap()
}

fn zstd(plain: &[u8]) -> Vec<u8> {
    compress_to_vec(plain, CompressionLevel::Fastest)
}

/// Large enough for several blocks, and not too even.
fn tasks() -> String {
    let mut text = "task_id,arrival_s,duration_s\n".to_owned();
    let row = |at: u64| format!("t{at},{at},{}.5\n", at.wrapping_mul(0x9e37_79b9_7f4a_7c15) % 1000);
    text.extend((0..20_000).map(row));
    text
}

#[test]
fn a_compressed_scenario_is_the_same_scenario() {
    let plain = tasks();
    let (expected, expected_tasks) = open(&plain).unwrap();
    for (extension, pack) in PACKINGS {
        // Two members, one after the other, as `cat` puts them.
        let (first, second) = plain.as_bytes().split_at(plain.len() / 3);
        let packed = [pack(first), pack(second)].concat();
        assert!(packed.len() < plain.len());
        let files = [
            (&*format!("tasks.csv.{extension}"), packed.as_slice()),
            (&*format!("workers.csv.{extension}"), &pack(WORKERS.as_bytes())),
            (&*format!("faults.csv.{extension}"), &pack(b"time_s,worker_id,event\n5,w0,drain\n")),
            (&*format!("edges.csv.{extension}"), &pack(b"from_task,to_task,transfer_s\nt0,t1,2\n")),
            (&*format!("durations.csv.{extension}"), &pack(b"task_id,worker_id,duration_s\nt0,w0,2\n")),
        ];
        let (scenario, tasks) = open_files(&files[..2]).unwrap();
        assert_eq!((&scenario.hash, &tasks), (&expected.hash, &expected_tasks), "{extension}");
        let (scenario, tasks) = open_files(&files).unwrap();
        assert_eq!((scenario.faults.len(), scenario.edges.len(), tasks), (1, 1, expected_tasks.clone()));
        assert!(scenario.durations.is_some());
    }
}

#[test]
fn a_skippable_frame_of_zstd_is_skipped() {
    let mut packed = vec![0x50, 0x2a, 0x4d, 0x18, 3, 0, 0, 0, 7, 7, 7];
    packed.extend(zstd(tasks().as_bytes()));
    let workers = ("workers.csv", WORKERS.as_bytes());
    let (scenario, _) = open_files(&[("tasks.csv.zst", &packed), workers]).unwrap();
    assert_eq!(scenario.tasks, 20_000);
    packed.truncate(9);
    let problems = problems_of(&[("tasks.csv.zst", &packed), workers]);
    assert!(problems.starts_with("tasks.csv.zst: cannot be read: "), "{problems}");
}

#[test]
fn a_file_that_is_cut_off_or_damaged_is_an_error_with_its_line() {
    let workers = ("workers.csv", WORKERS.as_bytes());
    for (extension, pack) in PACKINGS {
        let name = format!("tasks.csv.{extension}");
        let whole = pack(tasks().as_bytes());
        let mut flipped = whole.clone();
        let at = flipped.len() - 3; // within the checksum
        flipped[at] ^= 0x10;
        for (packed, what) in
            [(&whole[..whole.len() / 2], "half"), (&whole[..whole.len() - 1], "short"), (&flipped, "damaged")]
        {
            let problems = problems_of(&[(&name, packed), workers]);
            let rest =
                problems.strip_prefix(&format!("{name}:")).unwrap_or_else(|| panic!("{what}: {problems}"));
            let (line, message) = rest.split_once(": ").unwrap_or_else(|| panic!("{what}: {problems}"));
            // What zstd has unpacked comes out behind the window: half of so short a file is not even a header.
            if what != "half" || extension == "gz" {
                let line: u64 = line.parse().unwrap_or_else(|_| panic!("{what}: {problems}"));
                let range = if what == "half" { 5_000..15_000 } else { 5_000..20_003 };
                assert!(range.contains(&line), "{what}: {problems}");
            }
            assert!(message.ends_with("is the file whole?)"), "{what}: {problems}");
        }
        for (packed, what) in [(&b""[..], "empty"), (&b"task_id,arrival_s,duration_s\n"[..], "plain")] {
            let problems = problems_of(&[(&name, packed), workers]);
            assert!(problems.starts_with(&format!("{name}: cannot be read: ")), "{what}: {problems}");
        }
    }
}

#[test]
fn two_forms_of_one_file_are_an_error_and_so_is_a_hidden_compression() {
    let (tasks, workers) = (tasks(), ("workers.csv", WORKERS.as_bytes()));
    let packed = gzip(tasks.as_bytes());
    let problems = problems_of(&[("tasks.csv", tasks.as_bytes()), ("tasks.csv.gz", &packed), workers]);
    let expected =
        "tasks.csv: stands beside tasks.csv.gz; expected one of the two: which counts is not clear";
    assert_eq!(problems, expected);
    let both = [
        ("tasks.csv", tasks.as_bytes()),
        workers,
        ("faults.csv.gz", &packed[..]),
        ("faults.csv.zst", &packed),
    ];
    assert!(problems_of(&both).starts_with("faults.csv.gz: stands beside faults.csv.zst"));
    let problems = problems_of(&[("tasks.csv", &packed), workers]);
    let expected = "tasks.csv: is compressed with gzip; expected plain text, or a name that ends with .gz";
    assert_eq!(problems, expected);
    let problems = problems_of(&[("tasks.csv", &zstd(tasks.as_bytes())), workers]);
    assert!(problems.starts_with("tasks.csv: is compressed with zstd; "), "{problems}");
}

#[test]
fn files_that_are_named_one_by_one_may_be_compressed_and_keep_their_name() {
    let files = folder(&[("jobs.csv.zst", &zstd(tasks().as_bytes())), ("nodes.csv", WORKERS.as_bytes())]);
    let place = |name| files.path().join(name);
    let (scenario, tasks) = read(&Location::files(place("jobs.csv.zst"), place("nodes.csv"))).unwrap();
    assert_eq!((scenario.name.as_str(), scenario.tasks), ("jobs", 20_000));
    let schedule = zstd(b"task_id,worker_id,start_s,end_s\nt0,w0,0,1\n");
    std::fs::write(place("s.csv.zst"), schedule).unwrap();
    assert_eq!(Schedule::read(&place("s.csv.zst"), &tasks, &scenario.workers).unwrap().rows.len(), 1);
}

#[test]
fn logs_and_workflows_are_imported_as_the_archives_have_them() {
    let log = b"; MaxProcs: 10\n1 100 5 60 4 -1 -1 4 120 -1 1 7 1 -1 -1 -1 -1 -1\n".repeat(200);
    let flow =
        br#"{"name": "w", "schemaVersion": "1.4", "workflow": {"tasks": [{"name": "a", "runtime": 5}]}}"#;
    let files = folder(&[
        ("log.swf.gz", &gzip(&log)),
        ("cut.swf.gz", &gzip(&log)[..40]),
        ("flow.json.zst", &zstd(flow)),
    ]);
    let place = |name| files.path().join(name);
    let report = swf::import(&place("log.swf.gz"), None, &place("log")).unwrap();
    assert_eq!(report.kept, 200);
    let problems = swf::import(&place("cut.swf.gz"), None, &place("cut")).unwrap_err().to_string();
    assert!(problems.contains("cut.swf.gz:") && problems.contains("cannot be read"), "{problems}");
    let report = wfcommons::import(&place("flow.json.zst"), wfcommons::Options::default(), &place("flow"));
    assert_eq!(report.unwrap().kept, 1);
}
