//! Parts: lists of cells that are handed out to processes elsewhere.
//!
//! A list is a CSV file with the columns `part`, `cell`, `key`: a row for each cell, by its key, and the part that runs it. Other than
//! a [`Shard`](super::Shard), a part holds what it held when it was written, whatever has been run since; so an array task that
//! starts again, or late, runs the same cells, and none that another one runs.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use super::SweepError;
use super::place::{journal_of, replace};
use super::plan::{CellKey, Plan};

const COLUMNS: [&str; 3] = ["part", "cell", "key"];

/// The cells of one part of a list.
#[derive(Clone, Debug)]
pub struct Part {
    file: PathBuf,
    name: String,
    index: u32,
    keys: HashSet<CellKey>,
}

impl Part {
    /// Reads the cells of a part.
    ///
    /// # Errors
    /// [`SweepError`]: the file cannot be read, is no list, or has no such part.
    pub fn read(file: &Path, index: u32) -> Result<Self, SweepError> {
        let mut keys = HashSet::new();
        read_list(file, |part, key| {
            if part == index {
                keys.insert(key);
            }
        })?;
        if keys.is_empty() {
            return Err(refused(file, None, format!("has no cells of part {index}; expected some")));
        }
        let name = list_name(file);
        Ok(Self { file: file.to_path_buf(), name, index, keys })
    }

    /// True if the cell of this key is in it.
    #[must_use]
    pub fn has(&self, key: CellKey) -> bool {
        self.keys.contains(&key)
    }

    /// How many cells it has.
    #[must_use]
    pub fn cells(&self) -> usize {
        self.keys.len()
    }

    /// What it is called among the processes that work in a folder.
    pub(super) fn member(&self) -> String {
        member(&self.name, self.index)
    }

    /// All of its cells are the plan's, or somebody has changed the experiment since.
    pub(super) fn check(&self, plan: &Plan) -> Result<(), SweepError> {
        let known: HashSet<CellKey> = plan.cells.iter().map(|cell| cell.key).collect();
        let strange = self.keys.iter().filter(|key| !known.contains(key)).count();
        if strange == 0 {
            return Ok(());
        }
        let message = format!(
            "{strange} of {} cells of part {} are not of {}; expected the experiment, the files of its scenarios and the version of \
             cloudai to be what they were when the list was written",
            self.cells(),
            self.index,
            plan.file.display(),
        );
        Err(refused(&self.file, None, message))
    }
}

/// What a list is called in the names of journals: its file's name without its ending, of plain characters.
fn list_name(file: &Path) -> String {
    let stem = file.file_stem().unwrap_or_default().to_string_lossy();
    let plain = |c: char| if c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.') { c } else { '_' };
    stem.chars().map(plain).collect()
}

fn member(list: &str, index: u32) -> String {
    format!("{list}-part-{index}")
}

/// What the names of the journals of a list's parts begin with.
pub(super) fn journals_of(list: &Path) -> String {
    let name = journal_of(&format!("{}-part-", list_name(list)));
    name.trim_end_matches(".jsonl").to_owned()
}

fn refused(file: &Path, line: Option<u64>, message: String) -> SweepError {
    SweepError::List { file: file.to_path_buf(), line, message }
}

/// Writes a list: the cells of each part, by their numbers.
pub(super) fn write_list(file: &Path, plan: &Plan, parts: &[Vec<usize>]) -> Result<(), SweepError> {
    replace(file, |out| {
        let mut rows = csv::Writer::from_writer(out);
        rows.write_record(COLUMNS)?;
        for (index, cells) in parts.iter().enumerate() {
            for &cell in cells {
                let key = plan.cells[cell].key.to_string();
                rows.write_record([index.to_string(), cell.to_string(), key])?;
            }
        }
        rows.flush()
    })
}

/// Goes over a list: part and key of each row.
pub(super) fn read_list(file: &Path, mut row: impl FnMut(u32, CellKey)) -> Result<(), SweepError> {
    let failed = |error: csv::Error| {
        let line = error.position().map(csv::Position::line);
        match error.into_kind() {
            csv::ErrorKind::Io(source) => SweepError::io(file, "read", source),
            _ => refused(file, line, "expected three columns: part, cell, key".to_owned()),
        }
    };
    let mut rows = csv::Reader::from_path(file).map_err(failed)?;
    if rows.headers().map_err(failed)? != COLUMNS.as_slice() {
        return Err(refused(file, Some(1), "expected the columns part, cell, key".to_owned()));
    }
    for record in rows.records() {
        let record = record.map_err(failed)?;
        let line = record.position().map(csv::Position::line);
        let bad = |column: &str, text: &str, expected: &str| {
            refused(file, line, format!("{column}: {text:?}: expected {expected}"))
        };
        let (part, key) = (&record[0], &record[2]);
        let part = part.parse().map_err(|_| bad("part", part, "a number from 0"))?;
        let key = key.parse().map_err(|error: super::NoKey| bad("key", key, strip(&error.to_string())))?;
        row(part, key);
    }
    Ok(())
}

fn strip(text: &str) -> &str {
    text.strip_prefix("expected ").unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "00112233445566778899aabbccddeeff";

    #[test]
    fn a_list_is_read_and_what_is_none_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("job-2.csv");
        let read = |text: &str, index| {
            std::fs::write(&file, text).unwrap();
            Part::read(&file, index)
                .map_err(|error| error.to_string().replace(&format!("{}", file.display()), "FILE"))
        };
        let part = read(&format!("part,cell,key\n0,0,{KEY}\n1,7,{KEY}\n"), 1).unwrap();
        assert_eq!((part.cells(), part.member().as_str()), (1, "job-2-part-1"));
        assert!(format!("journal-{}.jsonl", part.member()).starts_with(&journals_of(&file)));
        for (text, message) in [
            (format!("part,cell,key\n0,0,{KEY}\n"), "FILE: has no cells of part 1; expected some"),
            ("a,b\n".to_owned(), "FILE:1: expected the columns part, cell, key"),
            ("part,cell,key\n1,0\n".to_owned(), "FILE:2: expected three columns: part, cell, key"),
            ("part,cell,key\n1,0,77\n".to_owned(), "FILE:2: key: \"77\": expected 32 hexadecimal digits"),
            (format!("part,cell,key\n-1,0,{KEY}\n"), "FILE:2: part: \"-1\": expected a number from 0"),
        ] {
            assert_eq!(read(&text, 1).unwrap_err(), message);
        }
    }
}
