//! Reading and writing beside the limit: what the checks of the reader and the exactness of the writer cost over a bare
//! loop. Time is this thread's CPU time, that of the kernel included.
//!
//! - reading a generated `tasks.csv`: a loop over the records of the `csv` crate that looks at nothing, the checked first
//!   reading, and a further reading; the same compressed
//! - writing `assignments.csv`: a loop that writes finished lines, one that formats the same rows with the standard library
//!   through the `csv` crate, and the observer; the same as Parquet, where this build has it
//!
//! Each round runs every case once; the best of all rounds counts, since whatever else the machine does only ever adds.
//!
//! ```sh
//! cargo bench --bench io [-- [--rows N] [--rounds N] [TEXT IN A CASE'S NAME]]
//! ```
#![allow(clippy::expect_used, reason = "a benchmark may end with a panic")]
#![allow(clippy::cast_possible_truncation, reason = "few rows, small numbers")]

#[path = "support/cpu.rs"]
mod cpu;

use std::fs::File;
use std::hint::black_box;
use std::io::{BufWriter, Read, Write};
use std::path::{Path, PathBuf};

use cloudai_schedulers::{
    Cluster, ClusterConfig, DeviceSet, Duration, Placement, TaskSpec, Time, WorkerId, WorkerSpec,
};
use cloudai_sim::observers::assignments::{Assignments, AssignmentsFormat};
use cloudai_sim::observers::{Attempt, AttemptEnd, Observer};
use cloudai_workloads::generate::{Preset, generate};
use cloudai_workloads::{Location, Scenario, Task};
use cpu::cpu_seconds;
use flate2::{Compression, write::GzEncoder};

/// A loop over the records of a CSV file that looks at nothing.
fn bare_reading(path: &Path) {
    let file = File::open(path).expect("the file is there");
    let mut reader = csv::ReaderBuilder::new().buffer_capacity(1 << 16).from_reader(file);
    let (mut record, mut cells) = (csv::ByteRecord::new(), 0);
    while reader.read_byte_record(&mut record).expect("it can be read") {
        cells += record.len();
    }
    black_box(cells);
}

fn first_reading(folder: &Path) {
    black_box(Scenario::check(&Location::Folder(folder.to_path_buf())).expect("it is in order"));
}

fn further_reading(scenario: &Scenario) {
    let (mut stream, mut task) = (scenario.stream().expect("it is there"), Task::default());
    let mut work = 0;
    while stream.next_into(&mut task).expect("it can be read") {
        work += task.duration.micros();
    }
    black_box(work);
}

/// What is written: rows of a run that never was, one an instant.
struct Writing {
    folder: PathBuf,
    rows: u64,
    workers: Vec<WorkerSpec>,
    lines: Vec<u8>,
}

impl Writing {
    fn new(folder: PathBuf, rows: u64) -> Self {
        std::fs::create_dir(&folder).expect("the folder is writable");
        let spec = |index| WorkerSpec { name: format!("worker-{index:04}"), ..WorkerSpec::default() };
        let mut writing = Self { folder, rows, workers: (0..1000).map(spec).collect(), lines: Vec::new() };
        writing.observe(AssignmentsFormat::Csv);
        writing.lines = std::fs::read(writing.folder.join("assignments.csv")).expect("it was written");
        writing
    }

    /// Arrival, wait and run time in microseconds, and the worker.
    fn row(at: u64) -> (u64, u64, u64, u32) {
        let mixed = at.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32;
        (at * 12_345_000, mixed % 97 * 500_000, 1_000_000 + mixed % 1_000_000_000, (mixed % 1000) as u32)
    }

    fn observe(&self, format: AssignmentsFormat) {
        let mut cluster = Cluster::new(ClusterConfig::default(), self.workers.clone()).expect("no GPUs");
        let task = cluster.submit(TaskSpec { replicas: 1, ..TaskSpec::default() });
        let observer = Assignments::create_in(&self.folder, format, &self.workers).expect("it is writable");
        let mut observer = observer.expect("a format with a file");
        let (mut spec, mut name) = (TaskSpec { replicas: 1, ..TaskSpec::default() }, String::new());
        for at in 0..self.rows {
            let (arrival, wait, run, worker) = Self::row(at);
            spec.arrival = Time::from_micros(arrival);
            spec.index = at as u32;
            id(&mut name, at);
            let start = spec.arrival + Duration::from_micros(wait);
            let attempt = Attempt {
                task,
                name: &name,
                spec: &spec,
                placement: &Placement::single(WorkerId(worker), DeviceSet::EMPTY),
                attempt: 1,
                eligible: spec.arrival,
                assigned: start,
                start: Some(start),
                first_start: Some(start),
                end: start + Duration::from_micros(run),
                status: AttemptEnd::Completed,
                expected: Duration::from_micros(run),
                lost: Duration::ZERO,
                overhead: Duration::ZERO,
            };
            observer
                .attempt_ended(&attempt)
                .and_then(|()| observer.settled(&cluster))
                .expect("it is writable");
        }
        observer.finished().expect("it is writable");
    }

    /// Finished lines, as they are.
    fn copy(&self) {
        let mut file = File::create(self.folder.join("copied.csv")).expect("it is writable");
        let mut buffer = Vec::with_capacity(1 << 18);
        for line in self.lines.split_inclusive(|&byte| byte == b'\n') {
            buffer.extend_from_slice(line);
            if buffer.len() > (1 << 18) - 1000 {
                file.write_all(&buffer).expect("it is writable");
                buffer.clear();
            }
        }
        file.write_all(&buffer).expect("it is writable");
    }

    /// The same rows by the formatting of the standard library and the `csv` crate.
    fn by_the_crate(&self) {
        let file = File::create(self.folder.join("crate.csv")).expect("it is writable");
        let mut out = csv::WriterBuilder::new().buffer_capacity(1 << 16).from_writer(file);
        let (mut cell, mut name) = (Vec::new(), String::new());
        for at in 0..self.rows {
            let (arrival, wait, run, worker) = Self::row(at);
            let (arrival, wait) = (Time::from_micros(arrival), Duration::from_micros(wait));
            let (start, end) = (arrival + wait, arrival + wait + Duration::from_micros(run));
            id(&mut name, at);
            out.write_field(&name)
                .and_then(|()| out.write_field(&self.workers[worker as usize].name))
                .expect("ok");
            out.write_field("").and_then(|()| out.write_field("1")).expect("it is writable");
            for value in [&arrival as &dyn std::fmt::Display, &start, &end, &wait] {
                cell.clear();
                write!(cell, "{value}").and_then(|()| Ok(out.write_field(&cell)?)).expect("it is writable");
            }
            out.write_field("completed")
                .and_then(|()| out.write_record(None::<&[u8]>))
                .expect("it is writable");
        }
        out.flush().expect("it is writable");
    }
}

/// As generated tasks are called, without the cost of formatting.
fn id(name: &mut String, at: u64) {
    name.clear();
    name.push_str("task-");
    for place in (0..7).rev() {
        name.push(char::from(b'0' + (at / 10u64.pow(place) % 10) as u8));
    }
}

/// Something to measure.
struct Case<'a> {
    name: &'static str,
    /// Of the plain file that is read or written.
    bytes: u64,
    /// What it is held against.
    limit: bool,
    run: Box<dyn Fn() + 'a>,
    best_s: f64,
}

struct Arguments {
    rows: u64,
    rounds: u32,
    filter: String,
}

/// `cargo bench` adds `--bench`; `--test` asks for one short round.
fn arguments() -> Arguments {
    let mut parsed = Arguments { rows: 1_000_000, rounds: 5, filter: String::new() };
    let mut words = std::env::args().skip(1);
    let number = |word: Option<String>| word.and_then(|word| word.parse().ok()).expect("a number");
    while let Some(word) = words.next() {
        match word.as_str() {
            "--bench" => {}
            "--test" => (parsed.rows, parsed.rounds) = (1_000, 1),
            "--rows" => parsed.rows = number(words.next()),
            "--rounds" => parsed.rounds = u32::try_from(number(words.next())).expect("few rounds"),
            _ if word.starts_with("--") => panic!("{word}: no such option; the top of this file lists them"),
            _ => parsed.filter = word,
        }
    }
    parsed
}

fn size(path: &Path) -> u64 {
    std::fs::metadata(path).expect("the file is there").len()
}

/// The scenario once more, with its tasks compressed.
fn compressed(plain: &Path, place: PathBuf) -> PathBuf {
    std::fs::create_dir(&place).expect("the folder is writable");
    std::fs::copy(plain.join("workers.csv"), place.join("workers.csv")).expect("the folder is writable");
    let file = File::create(place.join("tasks.csv.gz")).expect("the folder is writable");
    let mut packed = GzEncoder::new(BufWriter::new(file), Compression::fast());
    let mut tasks = Vec::new();
    File::open(plain.join("tasks.csv"))
        .expect("it is there")
        .read_to_end(&mut tasks)
        .expect("it can be read");
    packed.write_all(&tasks).and_then(|()| packed.finish()).expect("the folder is writable");
    place
}

#[expect(clippy::cast_precision_loss, reason = "figures for people")]
fn main() {
    let Arguments { rows, rounds, filter } = arguments();
    let folder = tempfile::tempdir().expect("a temporary folder");
    let plain = folder.path().join("plain");
    let generated = generate(Preset::Uniform, rows, 1000, 1).expect("a valid size");
    generated.write(&plain).expect("the folder is writable");
    let packed = compressed(&plain, folder.path().join("packed"));
    let tasks = plain.join("tasks.csv");
    let scenario = Scenario::check(&Location::Folder(plain.clone())).expect("it is in order");
    let writing = Writing::new(folder.path().join("written"), rows);
    let (read, written) = (size(&tasks), writing.lines.len() as u64);
    let case =
        |name, bytes, limit, run: Box<dyn Fn()>| Case { name, bytes, limit, run, best_s: f64::INFINITY };
    let mut cases = vec![
        case("limit: read, csv crate alone", read, true, Box::new(|| bare_reading(&tasks))),
        case("read, first time: checked and hashed", read, false, Box::new(|| first_reading(&plain))),
        case("read again", read, false, Box::new(|| further_reading(&scenario))),
        case("read, first time, gzip", read, false, Box::new(|| first_reading(&packed))),
        case("limit: write finished lines", written, true, Box::new(|| writing.copy())),
        case("write, std formatting and csv crate", written, false, Box::new(|| writing.by_the_crate())),
        case("write assignments.csv", written, false, Box::new(|| writing.observe(AssignmentsFormat::Csv))),
    ];
    #[cfg(feature = "parquet")]
    cases.push(case(
        "write assignments.parquet",
        written,
        false,
        Box::new(|| writing.observe(AssignmentsFormat::Parquet)),
    ));
    cases.retain(|case| case.limit || case.name.contains(&filter));
    for _ in 0..rounds {
        for case in &mut cases {
            let spent = cpu_seconds(|| (case.run)());
            case.best_s = case.best_s.min(spent);
        }
    }
    println!("\n{:<40} {:>13} {:>8} {:>13} {:>13}", "", "M rows/CPU s", "ns/row", "MB/CPU s", "of the limit");
    let mut limit_s = 0.0;
    for case in &cases {
        limit_s = if case.limit { case.best_s } else { limit_s };
        let (s, rows) = (case.best_s, rows as f64);
        let megabytes = case.bytes as f64 / s / 1e6;
        println!(
            "{:<40} {:>13.2} {:>8.0} {megabytes:>13.0} {:>13.2}",
            case.name,
            rows / s / 1e6,
            s / rows * 1e9,
            limit_s / s
        );
    }
}
