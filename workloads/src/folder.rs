//! A scenario folder that appears whole or not at all.

use std::ffi::OsString;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use crate::problems::Problems;

/// A folder in the making: written beside its place, and put there at the end.
#[derive(Debug)]
pub(crate) struct NewFolder {
    temporary: PathBuf,
    target: PathBuf,
}

impl NewFolder {
    /// Begins a folder; a file or a folder with something in it at `target` is refused.
    pub(crate) fn create(target: &Path) -> Result<Self, Problems> {
        if target.exists() {
            let mut entries =
                std::fs::read_dir(target).map_err(|error| Problems::io(target, "read", &error))?;
            if entries.next().is_some() {
                let message = "is there already and not empty; expected a new or an empty folder";
                return Err(Problems::file(target, message));
            }
        }
        let Some(name) = target.file_name() else {
            return Err(Problems::file(target, "has no name; expected the path of a new folder"));
        };
        let mut temporary_name = OsString::from(".");
        temporary_name.push(name);
        temporary_name.push(format!(".{}.tmp", std::process::id()));
        let temporary = target.with_file_name(temporary_name);
        std::fs::create_dir_all(&temporary).map_err(|error| Problems::output(target, "created", &error))?;
        Ok(Self { temporary, target: target.to_path_buf() })
    }

    /// Writes a file of the folder.
    pub(crate) fn write(
        &self,
        name: &str,
        content: impl FnOnce(&mut BufWriter<File>) -> std::io::Result<()>,
    ) -> Result<(), Problems> {
        let path = self.temporary.join(name);
        let written = File::create(&path).and_then(|file| {
            let mut file = BufWriter::with_capacity(1 << 16, file);
            content(&mut file)?;
            file.flush()
        });
        written.map_err(|error| Problems::output(&self.target.join(name), "written", &error))
    }

    /// Puts the folder in its place.
    pub(crate) fn finish(self) -> Result<(), Problems> {
        if self.target.exists() {
            // It was empty at the start; if it is not any more, this fails and nothing is lost.
            std::fs::remove_dir(&self.target)
                .map_err(|error| Problems::output(&self.target, "replaced", &error))?;
        }
        std::fs::rename(&self.temporary, &self.target)
            .map_err(|error| Problems::output(&self.target, "put in place", &error))
    }
}

/// The content of a file, in memory. Writing there does not fail, and what is written is text.
pub(crate) fn in_memory(content: impl FnOnce(&mut Vec<u8>) -> std::io::Result<()>) -> String {
    let mut bytes = Vec::new();
    let written = content(&mut bytes);
    debug_assert!(written.is_ok(), "{written:?}");
    String::from_utf8(bytes).unwrap_or_default()
}

impl Drop for NewFolder {
    fn drop(&mut self) {
        // After a rename there is nothing; after a failure what was begun goes away, as well as it can.
        let _ = std::fs::remove_dir_all(&self.temporary);
    }
}
