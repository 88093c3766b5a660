//! A folder of results: written beside its place, and put there whole.

use std::ffi::OsStr;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::failure::Usage;

/// A folder that is being written. Dropped before [`Draft::publish`], it leaves nothing behind.
#[derive(Debug)]
pub(crate) struct Draft {
    draft: PathBuf,
    place: PathBuf,
}

impl Draft {
    /// Opens a draft for `place`, which must be free, empty, or an earlier report.
    pub(crate) fn open(place: &Path) -> Result<Self> {
        // A link stays, and what it leads to is replaced.
        let place = &match fs::canonicalize(place) {
            Ok(place) => place,
            Err(_) if place.is_symlink() => {
                return Err(Usage(format!("{}: is a link that leads nowhere", place.display())).into());
            }
            Err(_) => place.to_owned(),
        };
        match fs::read_dir(place) {
            Ok(entries) => {
                if let Some(reason) = not_a_report(place, entries) {
                    let place = place.display();
                    let text = format!(
                        "{place}: holds more than an earlier report ({reason}); name another folder with --out"
                    );
                    return Err(Usage(text).into());
                }
            }
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) if error.kind() == ErrorKind::NotADirectory => {
                return Err(Usage(format!("{}: is not a folder", place.display())).into());
            }
            Err(error) => return Err(error).with_context(|| format!("cannot read {}", place.display())),
        }
        let draft = sibling(place, "partial")?;
        // Left by a run of the same process id that was killed.
        remove(&draft)?;
        fs::create_dir_all(&draft).with_context(|| format!("cannot create {}", place.display()))?;
        Ok(Self { draft, place: place.to_owned() })
    }

    /// Where to write.
    pub(crate) fn path(&self) -> &Path {
        &self.draft
    }

    /// Puts the folder in its place; an earlier report there is replaced.
    pub(crate) fn publish(self) -> Result<()> {
        let old = sibling(&self.place, "old")?;
        remove(&old)?;
        let replaced = match fs::rename(&self.place, &old) {
            Ok(()) => true,
            Err(error) if error.kind() == ErrorKind::NotFound => false,
            Err(error) => {
                return Err(error).with_context(|| format!("cannot replace {}", self.place.display()));
            }
        };
        if let Err(error) = fs::rename(&self.draft, &self.place) {
            if replaced {
                let _ = fs::rename(&old, &self.place);
            }
            return Err(error).with_context(|| format!("cannot create {}", self.place.display()));
        }
        remove(&old)
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.draft);
    }
}

/// Why the folder may not be replaced: something in it is not of a report. `None` if it is empty, too.
fn not_a_report(place: &Path, entries: fs::ReadDir) -> Option<String> {
    let mut entries = entries.peekable();
    entries.peek()?;
    let Ok(report) = cloudai_reports::load(place) else {
        return Some("no report.json of ours in it".to_owned());
    };
    let files = ["report.json", "timing.json", "comparison.csv", "index.html", "oracle.json"];
    let in_strategy = [
        "assignments.csv",
        "assignments.parquet",
        "metrics.json",
        "performance_metrics.txt",
        "gpu_curve.csv",
    ];
    for entry in entries {
        let Ok(name) = entry.map(|entry| entry.file_name()) else {
            return Some("it cannot be read".to_owned());
        };
        if is_one_of(&files, &name) {
            continue;
        }
        let of_strategy = report.strategies.iter().any(|result| *result.folder == *name);
        let Some(inside) = fs::read_dir(place.join(&name)).ok().filter(|_| of_strategy) else {
            return Some(format!("'{}' is no part of it", name.to_string_lossy()));
        };
        for file in inside.flatten().map(|entry| entry.file_name()) {
            if !is_one_of(&in_strategy, &file) {
                return Some(format!(
                    "'{}/{}' is no part of it",
                    name.to_string_lossy(),
                    file.to_string_lossy()
                ));
            }
        }
    }
    None
}

/// True for one of these names, and for a picture.
fn is_one_of(names: &[&str], name: &OsStr) -> bool {
    let picture =
        Path::new(name).extension().is_some_and(|extension| extension == "svg" || extension == "png");
    picture || names.iter().any(|known| name == *known)
}

/// A hidden folder beside `place`, of this process alone.
fn sibling(place: &Path, what: &str) -> Result<PathBuf> {
    let name = place
        .file_name()
        .ok_or_else(|| Usage(format!("{}: is not the name of a folder", place.display())))?;
    Ok(place.with_file_name(format!(".{}.{what}-{}", name.to_string_lossy(), std::process::id())))
}

fn remove(folder: &Path) -> Result<()> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            Err(error).with_context(|| format!("cannot remove {}", folder.display()))
        }
        _ => Ok(()),
    }
}
