//! The folder of a sweep: its journals, its locks, its results.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, BufWriter, ErrorKind, Write};
use std::path::{Path, PathBuf};

use super::SweepError;
use super::journal::Found;
use super::table::Table;

/// A part of the cells: those whose number modulo `of` is `index`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shard {
    index: u32,
    of: u32,
}

/// A text that names no shard.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected I/N with I from 0 to N - 1, such as 0/4")]
pub struct NoShard;

impl Shard {
    /// Shard `index` of `of`; `None` unless `index` is below `of`.
    #[must_use]
    pub const fn new(index: u32, of: u32) -> Option<Self> {
        if index < of { Some(Self { index, of }) } else { None }
    }

    /// What it is called among the processes that work in a folder.
    pub(super) fn member(self) -> String {
        format!("{}-of-{}", self.index, self.of)
    }

    /// True if the cell of this number is in it.
    #[must_use]
    pub const fn has(self, cell: usize) -> bool {
        cell as u64 % self.of as u64 == self.index as u64
    }
}

impl std::fmt::Display for Shard {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.index, self.of)
    }
}

impl std::str::FromStr for Shard {
    type Err = NoShard;

    fn from_str(text: &str) -> Result<Self, NoShard> {
        let (index, of) = text.split_once('/').ok_or(NoShard)?;
        let number = |text: &str| text.parse().map_err(|_| NoShard);
        Self::new(number(index)?, number(of)?).ok_or(NoShard)
    }
}

/// The folder, locked for as long as this lives.
#[derive(Debug)]
pub(super) struct Place {
    dir: PathBuf,
    member: Option<String>,
    /// A member holds the folder's lock with others, and one of its own alone; who is no member holds the folder's alone.
    _locks: Vec<File>,
}

impl Place {
    /// Opens the folder, which is created if it is not there, alone or as a member: one of several processes, here or on other
    /// machines, each with a name, a lock and a journal of its own.
    pub(super) fn open(dir: &Path, member: Option<String>) -> Result<Self, SweepError> {
        fs::create_dir_all(dir).map_err(|source| SweepError::creating(dir, source))?;
        let names = names(dir)?;
        if !names.is_empty() && !names.iter().any(|name| name == "lock" || is_journal(name)) {
            return Err(SweepError::Foreign { dir: dir.to_path_buf() });
        }
        let mut locks = vec![lock(dir, "lock", member.is_some())?];
        if let Some(name) = &member {
            locks.push(lock(dir, &format!("lock-{name}"), false)?);
        }
        Ok(Self { dir: dir.to_path_buf(), member, _locks: locks })
    }

    /// The folder.
    pub(super) fn dir(&self) -> &Path {
        &self.dir
    }

    /// The journal that this process appends to.
    pub(super) fn journal(&self) -> PathBuf {
        let name = self.member.as_deref().map_or_else(|| "journal.jsonl".to_owned(), journal_of);
        self.dir.join(name)
    }

    /// What this process's own journal says.
    pub(super) fn read_own(&self) -> Result<Found, SweepError> {
        let (mut found, path) = (Found::default(), self.journal());
        match found.read(&path, 0) {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(SweepError::io(&path, "read", error)),
            _ => Ok(found),
        }
    }

    /// What all journals in the folder say.
    pub(super) fn read(&self) -> Result<Found, SweepError> {
        let mut found = Found::default();
        let mut journals = names(&self.dir)?;
        journals.retain(|name| is_journal(name));
        journals.sort_unstable();
        for name in journals {
            let path = self.dir.join(name);
            found.read(&path, 0).map_err(|source| SweepError::io(&path, "read", source))?;
        }
        Ok(found)
    }

    /// Writes `results.csv`, and `curves.csv` if there is a curve.
    pub(super) fn write(&self, table: &Table) -> Result<(), SweepError> {
        self.replace("results.csv", |file| table.write_csv(file))?;
        if table.rows.iter().any(|row| row.measured().is_some_and(|measured| !measured.curve.is_empty())) {
            self.replace("curves.csv", |file| table.write_curves(file))?;
        }
        Ok(())
    }

    fn replace(
        &self,
        name: &str,
        content: impl FnOnce(&mut BufWriter<File>) -> Result<(), csv::Error>,
    ) -> Result<(), SweepError> {
        replace(&self.dir.join(name), |file| content(file).map_err(io::Error::other))
    }
}

/// Writes a file beside its place and renames it: whoever looks sees the old one or the new one, whole.
pub(super) fn replace(
    path: &Path,
    content: impl FnOnce(&mut BufWriter<File>) -> io::Result<()>,
) -> Result<(), SweepError> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let draft = path.with_file_name(format!(".{name}.{}.tmp", std::process::id()));
    let written = || -> io::Result<()> {
        let mut file = BufWriter::with_capacity(1 << 16, File::create(&draft)?);
        content(&mut file)?;
        file.flush()?;
        file.get_ref().sync_data()?;
        fs::rename(&draft, path)
    };
    written().map_err(|source| {
        let _ = fs::remove_file(&draft);
        SweepError::io(path, "write", source)
    })
}

/// The name of a member's journal.
pub(super) fn journal_of(member: &str) -> String {
    format!("journal-{member}.jsonl")
}

fn is_journal(name: &str) -> bool {
    name.starts_with("journal") && name.ends_with(".jsonl")
}

pub(super) fn names(dir: &Path) -> Result<Vec<String>, SweepError> {
    let failed = |source| SweepError::io(dir, "read", source);
    let entries = fs::read_dir(dir).map_err(failed)?;
    let name = |entry: io::Result<fs::DirEntry>| Ok(entry?.file_name().to_string_lossy().into_owned());
    entries.map(name).collect::<io::Result<_>>().map_err(failed)
}

fn lock(dir: &Path, name: &str, shared: bool) -> Result<File, SweepError> {
    let path = dir.join(name);
    let options = OpenOptions::new().create(true).truncate(false).write(true).read(true).open(&path);
    let file = options.map_err(|source| SweepError::io(&path, "open", source))?;
    let locked = if shared { file.try_lock_shared() } else { file.try_lock() };
    match locked {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(SweepError::Busy { path }),
        Err(TryLockError::Error(source)) if source.kind() == ErrorKind::Unsupported => {
            Err(SweepError::io(&path, "lock", io::Error::other("the file system has no locks")))
        }
        Err(TryLockError::Error(source)) => Err(SweepError::io(&path, "lock", source)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_cell_is_in_one_shard() {
        for of in 1..6 {
            for cell in 0..40 {
                let holds = (0..of).filter(|&index| Shard::new(index, of).unwrap().has(cell)).count();
                assert_eq!(holds, 1);
            }
        }
        for bad in ["", "1", "4/4", "1/0", "-1/2", "a/b", "1/2/3"] {
            assert!(bad.parse::<Shard>().is_err(), "{bad}");
        }
        assert_eq!("3/4".parse::<Shard>().unwrap().to_string(), "3/4");
    }

    #[test]
    fn shards_share_a_folder_and_nobody_else_does() {
        let folder = tempfile::tempdir().unwrap();
        let shard = |index| Place::open(folder.path(), Shard::new(index, 2).map(Shard::member));
        let first = shard(0).unwrap();
        let _second = shard(1).unwrap();
        assert!(matches!(shard(0), Err(SweepError::Busy { .. })));
        assert!(matches!(Place::open(folder.path(), None), Err(SweepError::Busy { .. })));
        drop(first);
        shard(0).unwrap();
    }

    #[test]
    fn a_folder_of_other_things_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("thesis.tex"), "").unwrap();
        assert!(matches!(Place::open(folder.path(), None), Err(SweepError::Foreign { .. })));
    }
}
