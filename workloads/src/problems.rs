//! What is wrong with an input: up to twenty problems of a file, reported together.

use std::fmt;
use std::path::{Path, PathBuf};

/// How many problems of one file are told; the others are counted.
pub const SHOWN_PER_FILE: usize = 20;

/// The most characters of an offending value that a message repeats.
const SHOWN_OF_VALUE: usize = 60;

/// One thing that is wrong with a file.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Problem {
    /// The file.
    pub file: PathBuf,
    /// The line in it, from 1; `None` if the problem is with the file as a whole.
    pub line: Option<u64>,
    /// The name of the column, or the key in a settings file.
    pub column: Option<String>,
    /// What stands there.
    pub value: Option<String>,
    /// What is wrong with it, and what was expected.
    pub message: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.file.display())?;
        if let Some(line) = self.line {
            write!(f, ":{line}")?;
        }
        f.write_str(": ")?;
        if let Some(column) = &self.column {
            write!(f, "{column}: ")?;
        }
        if let Some(value) = &self.value {
            write!(f, "{}: ", quoted(value))?;
        }
        f.write_str(&self.message)
    }
}

/// `value` in quotes, control characters escaped, cut short if it is long.
pub(crate) fn quoted(value: &str) -> String {
    if value.chars().count() <= SHOWN_OF_VALUE {
        return format!("{value:?}");
    }
    let start: String = value.chars().take(SHOWN_OF_VALUE).collect();
    format!("{start:?}...")
}

/// Everything that is wrong with an input: an error that shows one problem a line.
///
/// Of each file the first [`SHOWN_PER_FILE`] problems are kept; the rest are counted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Problems {
    files: Vec<FileProblems>,
    output_failed: bool,
}

impl Problems {
    /// The problems that are kept, file by file.
    pub fn iter(&self) -> impl Iterator<Item = &Problem> {
        self.files.iter().flat_map(|file| &file.shown)
    }

    /// How many problems were found, those included that are only counted.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.files.iter().map(FileProblems::count).sum()
    }

    /// True if it was no input that was wrong, but output that could not be written.
    #[must_use]
    pub const fn output_failed(&self) -> bool {
        self.output_failed
    }

    /// A problem with a file as a whole.
    #[must_use]
    pub fn file(path: &Path, message: impl Into<String>) -> Self {
        let mut problems = FileProblems::new(path);
        problems.whole(message);
        Self { files: vec![problems], output_failed: false }
    }

    /// A file or folder that could not be `what` (read, created, ...).
    #[must_use]
    pub fn io(path: &Path, what: &str, error: &std::io::Error) -> Self {
        Self::file(path, format!("cannot be {what}: {error}"))
    }

    /// A file or folder of the output that could not be `what` (created, written, ...).
    pub(crate) fn output(path: &Path, what: &str, error: &std::io::Error) -> Self {
        Self { output_failed: true, ..Self::io(path, what, error) }
    }

    /// Takes in the problems of one more file.
    pub(crate) fn take(&mut self, file: FileProblems) {
        if file.count() > 0 {
            self.files.push(file);
        }
    }

    /// Takes in the problems of another input.
    pub fn append(&mut self, other: Self) {
        self.output_failed |= other.output_failed;
        for file in other.files {
            self.take(file);
        }
    }

    /// The same, with the names of files below `folder` as they are from there, however the way to `folder` is written.
    #[must_use]
    pub fn seen_from(mut self, folder: &Path) -> Self {
        for file in &mut self.files {
            let named = file.shown.iter_mut().map(|problem| &mut problem.file);
            for path in named.chain([&mut file.file]) {
                if let Ok(below) = path.strip_prefix(folder) {
                    *path = below.to_path_buf();
                }
            }
        }
        self
    }

    /// `Ok` if nothing is wrong.
    pub(crate) fn into_result(self) -> Result<(), Self> {
        if self.count() == 0 { Ok(()) } else { Err(self) }
    }
}

impl From<FileProblems> for Problems {
    fn from(file: FileProblems) -> Self {
        let mut problems = Self::default();
        problems.take(file);
        problems
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut first = true;
        for file in &self.files {
            for problem in &file.shown {
                write!(f, "{}{problem}", if first { "" } else { "\n" })?;
                first = false;
            }
            if file.more > 0 {
                write!(f, "\n{}: and {} more problems", file.file.display(), file.more)?;
            }
        }
        Ok(())
    }
}

impl std::error::Error for Problems {}

/// Collects the problems of one file; [`Problems`] is the error that they become.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FileProblems {
    file: PathBuf,
    shown: Vec<Problem>,
    more: u64,
}

impl FileProblems {
    /// None yet; `file` is for messages.
    #[must_use]
    pub fn new(file: &Path) -> Self {
        Self { file: file.to_path_buf(), ..Self::default() }
    }

    /// How many there are.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.shown.len() as u64 + self.more
    }

    /// A problem with the file as a whole.
    pub(crate) fn whole(&mut self, message: impl Into<String>) {
        self.add(None, None, None, message);
    }

    /// A problem with a line as a whole.
    pub(crate) fn line(&mut self, line: u64, message: impl Into<String>) {
        self.add(Some(line), None, None, message);
    }

    /// A problem with what stands in one column of a line.
    pub(crate) fn cell(&mut self, line: u64, column: &str, value: &[u8], message: impl Into<String>) {
        self.add(Some(line), Some(column), Some(&String::from_utf8_lossy(value)), message);
    }

    /// A problem on a line (from 1), in a column or with a key, with a value; what does not apply is `None`.
    pub fn add(
        &mut self,
        line: Option<u64>,
        column: Option<&str>,
        value: Option<&str>,
        message: impl Into<String>,
    ) {
        if self.shown.len() >= SHOWN_PER_FILE {
            self.more += 1;
            return;
        }
        self.shown.push(Problem {
            file: self.file.clone(),
            line,
            column: column.map(str::to_owned),
            value: value.map(str::to_owned),
            message: message.into(),
        });
    }

    /// Puts what is shown in the order of the lines.
    pub fn sort(&mut self) {
        self.shown.sort_by_key(|problem| problem.line);
    }

    /// `Ok` if nothing is wrong.
    ///
    /// # Errors
    ///
    /// The problems that were collected.
    pub fn into_result(self) -> Result<(), Problems> {
        Problems::from(self).into_result()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_names_file_line_column_value_and_expectation() {
        let mut problems = FileProblems::new(Path::new("tasks.csv"));
        problems.cell(7, "cpu_cores", b"two", "expected a number of cores, 0 or more");
        let shown = Problems::from(problems).to_string();
        assert_eq!(shown, "tasks.csv:7: cpu_cores: \"two\": expected a number of cores, 0 or more");
    }

    #[test]
    fn twenty_are_shown_and_the_rest_counted() {
        let mut problems = FileProblems::new(Path::new("t.csv"));
        for line in 0..50 {
            problems.line(line, "is wrong");
        }
        let problems = Problems::from(problems);
        assert_eq!(problems.count(), 50);
        assert_eq!(problems.iter().count(), 20);
        assert!(problems.to_string().ends_with("\nt.csv: and 30 more problems"));
        let mut far = FileProblems::new(Path::new("a/b/t.csv"));
        (1..50).for_each(|line| far.line(line, "is wrong"));
        let near = Problems::from(far).seen_from(Path::new("a"));
        assert!(near.to_string().lines().all(|line| line.starts_with("b/t.csv:")));
        assert_eq!(problems.to_string().lines().count(), 21);
    }

    #[test]
    fn long_values_are_cut_and_control_characters_escaped() {
        assert_eq!(quoted("a\nb"), "\"a\\nb\"");
        assert!(quoted(&"x".repeat(1000)).len() < 70);
    }
}
