//! A folder of results: written beside its place, and put there whole.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::failure::Usage;

/// The file that tells a report from any other folder.
const MARK: &str = "report.json";

/// A folder that is being written. Dropped before [`Draft::publish`], it leaves nothing behind.
#[derive(Debug)]
pub(crate) struct Draft {
    draft: PathBuf,
    place: PathBuf,
}

impl Draft {
    /// Opens a draft for `place`, which must be free, empty, or an earlier report.
    pub(crate) fn open(place: &Path) -> Result<Self> {
        match fs::read_dir(place) {
            Ok(mut entries) => {
                if entries.next().is_some() && !place.join(MARK).is_file() {
                    let place = place.display();
                    let text = format!(
                        "{place}: is not empty and not an earlier report; name another folder with --out"
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
        fs::create_dir_all(&draft).with_context(|| format!("cannot create {}", draft.display()))?;
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
