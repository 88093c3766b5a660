//! Journals: what became of each cell, a line a cell, appended as cells end.
//!
//! A line is the first 8 bytes of the SHA-256 of the rest in hexadecimal, a blank, and a JSON object. Each is written by one call
//! in append mode, so that a process that is killed leaves at most one torn line, at the end. A line whose sum is wrong is
//! no line: its cell runs again.

use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::path::Path;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use sha2::{Digest, Sha256};

use super::plan::CellKey;
use super::table::{Measured, Outcome};
use super::workload::Ran;
use crate::result::GpuPoint;

/// What is written is brought to the disk at least this often, and at the end.
const SYNC_EVERY: Duration = Duration::from_secs(1);

/// What a journal says of a cell.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Recorded {
    /// What became of it.
    pub outcome: Outcome,
    /// Wall time of its run, in seconds. It differs from run to run, and stands in no result.
    pub wall_s: f64,
}

/// A line, without its sum.
#[derive(Debug, Serialize, Deserialize)]
struct Line<'a> {
    key: String,
    status: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
    wall_s: f64,
    /// The object of `metrics.json`.
    #[serde(borrow, skip_serializing_if = "Option::is_none")]
    metrics: Option<&'a RawValue>,
    /// Allocated, fragmented, fragmentation at 1%, 2%, ... arrived.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    curve: Vec<[f64; 3]>,
}

/// The text of a line, with its end.
pub(super) fn line(key: CellKey, ran: &Ran, wall_s: f64) -> Result<String, serde_json::Error> {
    let mut line =
        Line { key: key.to_string(), status: "ran", error: None, wall_s, metrics: None, curve: Vec::new() };
    let metrics;
    match ran {
        Ran::Measured(measured, curve) => {
            metrics = serde_json::value::to_raw_value(measured)?;
            line.metrics = Some(&metrics);
            line.curve =
                curve.iter().map(|point| [point.allocated, point.fragmented, point.fragmentation]).collect();
        }
        Ran::Skipped(reason) => (line.status, line.error) = ("skipped", Some(reason.clone())),
        Ran::Failed(error) => (line.status, line.error) = ("failed", Some(error.clone())),
    }
    let text = serde_json::to_string(&line)?;
    Ok(format!("{} {text}\n", sum(text.as_bytes())))
}

fn sum(text: &[u8]) -> String {
    Sha256::digest(text)[..8].iter().map(|byte| format!("{byte:02x}")).collect()
}

/// What a line without its end says; `None` if it is torn or not of this version.
pub(super) fn read_line(line: &[u8]) -> Option<(CellKey, Recorded)> {
    let (stated, text) = line.split_at_checked(16)?;
    let text = text.strip_prefix(b" ")?;
    if stated != sum(text).as_bytes() {
        return None;
    }
    let line: Line<'_> = serde_json::from_slice(text).ok()?;
    let outcome = match (line.status, line.error, line.metrics) {
        ("ran", None, Some(metrics)) => Outcome::Ran(Measured::parse(metrics.get(), curve(&line.curve))?),
        ("skipped", Some(reason), None) => Outcome::Skipped(reason),
        ("failed", Some(error), None) => Outcome::Failed(error),
        _ => return None,
    };
    Some((line.key.parse().ok()?, Recorded { outcome, wall_s: line.wall_s }))
}

fn curve(points: &[[f64; 3]]) -> Vec<GpuPoint> {
    let point = |(percent, &[allocated, fragmented, fragmentation]): (u32, &[f64; 3])| GpuPoint {
        arrived: f64::from(percent) / 100.0,
        allocated,
        fragmented,
        fragmentation,
    };
    (1u32..).zip(points).map(point).collect()
}

/// What a reading of journals has found.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub(super) cells: HashMap<CellKey, Recorded>,
    /// Lines that are torn, or of another version.
    pub(super) dropped: u64,
}

impl Found {
    /// Takes in a journal from an offset on; returns the offset behind its last whole line. Of a cell that stands there twice the
    /// first that has not failed counts: all of those say the same.
    pub(super) fn read(&mut self, path: &Path, from: u64) -> io::Result<u64> {
        let mut file = File::open(path)?;
        file.seek(SeekFrom::Start(from))?;
        let mut reader = BufReader::with_capacity(1 << 16, file);
        let (mut line, mut whole) = (Vec::new(), from);
        loop {
            line.clear();
            let read = reader.read_until(b'\n', &mut line)? as u64;
            if line.pop_if(|last| *last == b'\n').is_none() {
                self.dropped += u64::from(read > 0);
                return Ok(whole);
            }
            whole += read;
            match read_line(&line) {
                Some((key, recorded)) => {
                    let known = self.cells.entry(key).or_insert_with(|| recorded.clone());
                    if matches!(known.outcome, Outcome::Failed(_)) {
                        *known = recorded;
                    }
                }
                None => self.dropped += 1,
            }
        }
    }
}

/// A journal that lines are appended to.
#[derive(Debug)]
pub(super) struct Journal {
    file: File,
    synced: Instant,
}

impl Journal {
    /// Opens or creates a journal. What stands behind its last whole line is cut off.
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        let mut file = OpenOptions::new().create(true).append(true).read(true).open(path)?;
        if let Some(whole) = whole_lines(&mut file)? {
            file.set_len(whole)?;
        }
        Ok(Self { file, synced: Instant::now() })
    }

    /// The same to a journal that nothing is appended to, if it is there. One that is whole is only read.
    pub(super) fn mend(path: &Path) -> io::Result<()> {
        let mut file = match File::open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(error),
        };
        match whole_lines(&mut file)? {
            Some(whole) => OpenOptions::new().write(true).open(path)?.set_len(whole),
            None => Ok(()),
        }
    }

    pub(super) fn append(&mut self, line: &str) -> io::Result<()> {
        self.file.write_all(line.as_bytes())?;
        if self.synced.elapsed() >= SYNC_EVERY {
            self.sync()?;
        }
        Ok(())
    }

    pub(super) fn sync(&mut self) -> io::Result<()> {
        self.synced = Instant::now();
        self.file.sync_data()
    }
}

/// The bytes up to the end of the last line that has one, if there is something behind it.
fn whole_lines(file: &mut File) -> io::Result<Option<u64>> {
    const BLOCK: u64 = 1 << 12;
    let length = file.metadata()?.len();
    let mut end = length;
    while end > 0 {
        let start = end.saturating_sub(BLOCK);
        let mut block = Vec::new();
        file.seek(SeekFrom::Start(start))?;
        file.take(end - start).read_to_end(&mut block)?;
        if let Some(last) = block.iter().rposition(|&byte| byte == b'\n') {
            end = start + last as u64 + 1;
            break;
        }
        end = start;
    }
    Ok((end < length).then_some(end))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::result::Metrics;

    fn key(number: u8) -> CellKey {
        format!("{number:032x}").parse().unwrap()
    }

    fn lines() -> Vec<String> {
        let metrics = Metrics {
            makespan_s: Some(0.1 + 0.2),
            mean_wait_s: Some(f64::MIN_POSITIVE),
            ..Metrics::default()
        };
        let point = GpuPoint { arrived: 0.01, allocated: 1.0 / 3.0, fragmented: 0.0, fragmentation: 1e-300 };
        let ran = Ran::Measured(Box::new(metrics), vec![point]);
        let all = [ran, Ran::Skipped("has\ngangs".to_owned()), Ran::Failed("it \"fell\"".to_owned())];
        (1..).zip(all).map(|(number, ran)| line(key(number), &ran, 0.5).unwrap()).collect()
    }

    #[test]
    fn lines_read_back_as_the_same_numbers() {
        let read = |line: &str| read_line(line.trim_end_matches('\n').as_bytes()).unwrap();
        let all = lines();
        let (found, recorded) = read(&all[0]);
        let Outcome::Ran(measured) = recorded.outcome else { panic!("it ran") };
        assert_eq!((found, recorded.wall_s), (key(1), 0.5));
        assert_eq!(measured.metrics[..2], [Some(0.1 + 0.2), Some(f64::MIN_POSITIVE)]);
        assert_eq!(measured.curve[0].fragmentation, 1e-300);
        assert_eq!(read(&all[1]).1.outcome, Outcome::Skipped("has\ngangs".to_owned()));
        assert_eq!(read(&all[2]).1.outcome, Outcome::Failed("it \"fell\"".to_owned()));
    }

    #[test]
    fn whatever_is_torn_is_dropped_and_cut_off() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal.jsonl");
        let all = lines();
        let whole = all.concat();
        // Torn at every place of the last line.
        for cut in all[..2].concat().len()..whole.len() {
            std::fs::write(&path, &whole[..cut]).unwrap();
            let mut found = Found::default();
            let length = found.read(&path, 0).unwrap();
            assert_eq!(found.cells.len(), 2, "{cut}");
            assert_eq!(found.dropped, u64::from(cut > length as usize), "{cut}");
            Journal::mend(&path).unwrap();
            assert_eq!(std::fs::read_to_string(&path).unwrap(), all[..2].concat(), "{cut}");
            std::fs::write(&path, &whole[..cut]).unwrap();
            let mut journal = Journal::open(&path).unwrap();
            journal.append(&all[2]).unwrap();
            assert_eq!(std::fs::read_to_string(&path).unwrap(), whole, "{cut}");
        }
        let none = folder.path().join("none.jsonl");
        Journal::mend(&none).unwrap();
        assert!(!none.exists());
    }

    #[test]
    fn a_changed_byte_drops_its_line_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal.jsonl");
        let whole = lines().concat();
        for at in (0..whole.len()).step_by(7) {
            let mut bytes = whole.clone().into_bytes();
            bytes[at] ^= 4;
            std::fs::write(&path, &bytes).unwrap();
            let mut found = Found::default();
            found.read(&path, 0).unwrap();
            assert!(found.cells.len() >= 2 - usize::from(whole.as_bytes()[at] == b'\n'), "{at}");
            assert!(found.dropped >= 1, "{at}");
        }
    }
}
