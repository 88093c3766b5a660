//! What a worker must not forget: its registrations and the attempts that it holds.
//!
//! An append-only file of records, written anew when it has grown. A record is its length and a checksum (FNV-1a, 64 bits),
//! both little-endian, then a byte for the kind and a protobuf message. A crash can tear only what was not durable yet, so
//! reading ends at the first record that is not whole, and the rest is cut off.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use cloudai_proto::v1;
use prost::Message;

use super::events::{AttemptKey, Entry, Held, StopRequest};

/// The file is written anew when it is longer than this, and than four times what is alive in it.
const COMPACT_AT: u64 = 8 << 20;
const HEADER: usize = 12;

/// What a journal holds, by itself.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct JournalState {
    /// The last registration's number; 0: none.
    pub registration: u64,
    /// Every attempt that is held.
    pub held: BTreeMap<AttemptKey, Held>,
}

/// The journal of one data folder, open.
#[derive(Debug)]
pub struct Journal {
    path: PathBuf,
    file: File,
    length: u64,
    /// Length of what was alive when the file was last written anew.
    live: u64,
    state: JournalState,
}

impl Journal {
    /// Opens the journal, or begins one, and reads what it holds.
    ///
    /// # Errors
    ///
    /// If the file cannot be read or written.
    pub fn open(path: &Path) -> io::Result<Self> {
        let bytes = match std::fs::read(path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            Err(error) => return Err(error),
        };
        let mut state = JournalState::default();
        let mut rest = bytes.as_slice();
        while let Some((entry, after)) = decode(rest) {
            state.apply(&entry);
            rest = after;
        }
        if !rest.is_empty() {
            tracing::warn!(bytes = rest.len(), "the journal ends in what was never written whole: cut off");
        }
        let (file, length) = write_anew(path, &state)?;
        Ok(Self { path: path.to_owned(), file, length, live: length, state })
    }

    /// What it holds.
    #[must_use]
    pub const fn state(&self) -> &JournalState {
        &self.state
    }

    /// Writes entries down. They are durable when this returns, if any of them [is awaited](Entry::is_awaited).
    ///
    /// # Errors
    ///
    /// If the disk does not take them. What the file then holds is not known: the journal is to be opened again.
    pub fn append(&mut self, entries: &[Entry]) -> io::Result<()> {
        let mut bytes = Vec::new();
        for entry in entries {
            encode(entry, &mut bytes);
            self.state.apply(entry);
        }
        self.length += bytes.len() as u64;
        if self.length > COMPACT_AT.max(4 * self.live) {
            (self.file, self.length) = write_anew(&self.path, &self.state)?;
            self.live = self.length;
            return Ok(());
        }
        self.file.write_all(&bytes)?;
        if entries.iter().any(Entry::is_awaited) {
            self.file.sync_data()?;
        }
        Ok(())
    }
}

/// Replaces the content of a file; the new content is durable, and a crash leaves the old or the new one.
///
/// # Errors
///
/// If the disk does not take it.
pub fn replace_file(path: &Path, content: &[u8]) -> io::Result<File> {
    let temporary = path.with_extension("new");
    let mut file = OpenOptions::new().create(true).write(true).truncate(true).open(&temporary)?;
    file.write_all(content)?;
    file.sync_all()?;
    std::fs::rename(&temporary, path)?;
    if let Some(folder) = path.parent() {
        File::open(folder)?.sync_all()?;
    }
    Ok(file)
}

fn write_anew(path: &Path, state: &JournalState) -> io::Result<(File, u64)> {
    let mut bytes = Vec::new();
    encode(&Entry::Registration(state.registration), &mut bytes);
    for (key, held) in &state.held {
        encode(&Entry::Accepted(Box::new(held.task.clone())), &mut bytes);
        if held.started_at_us != 0 {
            encode(&Entry::Started { key: key.clone(), at_us: held.started_at_us }, &mut bytes);
        }
        if let Some(stop) = &held.stop {
            encode(&Entry::Stopping { key: key.clone(), stop: stop.clone() }, &mut bytes);
        }
        if let Some(result) = &held.result {
            encode(&Entry::Ended(Box::new(result.clone())), &mut bytes);
        }
    }
    // The handle goes on where the content ends.
    Ok((replace_file(path, &bytes)?, bytes.len() as u64))
}

impl JournalState {
    /// Takes in one entry.
    pub fn apply(&mut self, entry: &Entry) {
        match entry {
            Entry::Registration(number) => self.registration = *number,
            Entry::Accepted(task) => {
                self.held.insert(AttemptKey::of(task), Held { task: (**task).clone(), ..Held::default() });
            }
            Entry::Started { key, at_us } => {
                if let Some(held) = self.held.get_mut(key) {
                    held.started_at_us = *at_us;
                }
            }
            Entry::Stopping { key, stop } => {
                if let Some(held) = self.held.get_mut(key) {
                    held.stop = Some(stop.clone());
                }
            }
            Entry::Ended(result) => {
                let key = AttemptKey { task_id: result.task_id.clone(), attempt: result.attempt };
                if let Some(held) = self.held.get_mut(&key) {
                    held.result = Some((**result).clone());
                }
            }
            Entry::Forgotten(key) => {
                self.held.remove(key);
            }
        }
    }
}

fn encode(entry: &Entry, bytes: &mut Vec<u8>) {
    let name = |key: &AttemptKey| v1::TaskInfo {
        task_id: key.task_id.clone(),
        attempt: key.attempt,
        ..v1::TaskInfo::default()
    };
    let (kind, message) = match entry {
        Entry::Registration(number) => (1, number.to_le_bytes().to_vec()),
        Entry::Accepted(task) => (2, task.encode_to_vec()),
        Entry::Started { key, at_us } => {
            (3, v1::TaskInfo { started_at_us: *at_us, ..name(key) }.encode_to_vec())
        }
        Entry::Stopping { key, stop } => {
            let info = v1::TaskInfo { started_at_us: stop.at_us, status: stop.reason.clone(), ..name(key) };
            (4, info.encode_to_vec())
        }
        Entry::Ended(result) => (5, result.encode_to_vec()),
        Entry::Forgotten(key) => (6, name(key).encode_to_vec()),
    };
    let mut payload = vec![kind];
    payload.extend(message);
    bytes.extend(u32::try_from(payload.len()).unwrap_or(u32::MAX).to_le_bytes());
    bytes.extend(checksum(&payload).to_le_bytes());
    bytes.extend(payload);
}

/// The first entry, and what follows it; nothing if it is not whole.
fn decode(bytes: &[u8]) -> Option<(Entry, &[u8])> {
    let (header, rest) = bytes.split_at_checked(HEADER)?;
    let (length, sum) = header.split_at_checked(4)?;
    let length = u32::from_le_bytes(length.try_into().ok()?) as usize;
    let (payload, rest) = rest.split_at_checked(length)?;
    if checksum(payload) != u64::from_le_bytes(sum.try_into().ok()?) {
        return None;
    }
    let (kind, message) = payload.split_first()?;
    let named = || {
        let info = v1::TaskInfo::decode(message).ok()?;
        Some((AttemptKey { task_id: info.task_id, attempt: info.attempt }, info.started_at_us, info.status))
    };
    let entry = match kind {
        1 => Entry::Registration(u64::from_le_bytes(message.try_into().ok()?)),
        2 => Entry::Accepted(Box::new(v1::Task::decode(message).ok()?)),
        3 => named().map(|(key, at_us, _)| Entry::Started { key, at_us })?,
        4 => named()
            .map(|(key, at_us, reason)| Entry::Stopping { key, stop: StopRequest { reason, at_us } })?,
        5 => Entry::Ended(Box::new(v1::TaskResult::decode(message).ok()?)),
        6 => Entry::Forgotten(named()?.0),
        _ => return None,
    };
    Some((entry, rest))
}

fn checksum(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(task: &str) -> AttemptKey {
        AttemptKey { task_id: task.to_owned(), attempt: 1 }
    }

    fn task(id: &str) -> Box<v1::Task> {
        Box::new(v1::Task { task_id: id.to_owned(), attempt: 1, ..v1::Task::default() })
    }

    fn written(path: &Path) -> Journal {
        let mut journal = Journal::open(path).unwrap();
        let stop = StopRequest { reason: "enough".to_owned(), at_us: 9 };
        let result = v1::TaskResult { task_id: "b".to_owned(), attempt: 1, ..v1::TaskResult::default() };
        journal
            .append(&[
                Entry::Registration(7),
                Entry::Accepted(task("a")),
                Entry::Accepted(task("b")),
                Entry::Accepted(task("c")),
                Entry::Started { key: key("a"), at_us: 5 },
                Entry::Stopping { key: key("a"), stop },
                Entry::Ended(Box::new(result)),
                Entry::Forgotten(key("c")),
            ])
            .unwrap();
        journal
    }

    #[test]
    fn a_journal_is_read_as_it_was_written() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal");
        let before = written(&path);
        for _ in 0..2 {
            let after = Journal::open(&path).unwrap();
            assert_eq!(after.state(), before.state());
            assert_eq!((after.state().registration, after.state().held.len()), (7, 2));
        }
    }

    #[test]
    fn any_torn_tail_is_cut_off_and_what_stood_before_it_stays() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal");
        written(&path);
        let whole = std::fs::read(&path).unwrap();
        let mut most = 0;
        for length in (0..whole.len()).step_by(5) {
            for noise in [&b""[..], &[0; 40]] {
                std::fs::write(&path, [&whole[..length], noise].concat()).unwrap();
                let held = Journal::open(&path).unwrap().state().held.len();
                most = most.max(held);
                // It can be written again, and read.
                let mut journal = Journal::open(&path).unwrap();
                journal.append(&[Entry::Accepted(task("d"))]).unwrap();
                assert!(Journal::open(&path).unwrap().state().held.contains_key(&key("d")));
            }
        }
        assert_eq!(most, 3, "a, b and, before it was forgotten, c");
    }

    #[test]
    fn a_long_journal_is_written_anew() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal");
        let mut journal = Journal::open(&path).unwrap();
        let big = v1::Task { command: vec!["x".repeat(100_000)], ..*task("big") };
        for _ in 0..200 {
            journal.append(&[Entry::Accepted(Box::new(big.clone())), Entry::Forgotten(key("big"))]).unwrap();
        }
        assert!(std::fs::metadata(&path).unwrap().len() < COMPACT_AT + 200_000);
        assert!(Journal::open(&path).unwrap().state().held.is_empty());
    }
}
