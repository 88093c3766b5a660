//! A CSV file with a known set of columns: header, records, cells.

use crate::columns::Column;
use crate::decimal::{self, Rounding};
use crate::problems::{FileProblems, Problems};
use crate::records::{Record, Records};
use crate::source::{Lines, Source};
use cloudai_schedulers::model::MAX_MICROS;

/// The largest amount of a resource, in its unit: sums over a million workers stay within 64 bits.
pub(crate) const MAX_AMOUNT: u64 = 1_000_000_000_000;

/// A place behind all cells.
const NOWHERE: usize = usize::MAX - 1;

/// Where each column of a schema stands in the file's rows.
#[derive(Debug)]
pub(crate) struct Layout {
    schema: &'static [Column],
    /// By column; [`NOWHERE`] of one that the file does not have.
    places: Vec<usize>,
    /// What the file calls each column.
    names: Vec<&'static str>,
    width: usize,
    /// Columns of the file that are not of the schema.
    ignored: Vec<String>,
}

/// What to do with a column that the schema does not know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Unknown {
    Refuse,
    Ignore,
}

impl Layout {
    /// Finds the columns of `schema` in a header; problems go to `problems`.
    fn of(
        header: Record<'_>,
        schema: &'static [Column],
        unknown: Unknown,
        problems: &mut FileProblems,
    ) -> Self {
        let line = header.line;
        let mut places = vec![NOWHERE; schema.len()];
        let mut names: Vec<&str> = schema.iter().map(|column| column.name).collect();
        let mut ignored = Vec::new();
        for (place, cell) in header.iter().enumerate() {
            let cell = cell.trim_ascii();
            let found = schema.iter().enumerate().find_map(|(at, column)| Some((at, column.called(cell)?)));
            match found {
                Some((column, _)) if places[column] != NOWHERE => {
                    problems.cell(
                        line,
                        schema[column].name,
                        cell,
                        "the column stands there twice; expected it once",
                    );
                }
                Some((column, name)) => (places[column], names[column]) = (place, name),
                None if unknown == Unknown::Ignore => {
                    ignored.push(String::from_utf8_lossy(cell).into_owned());
                }
                None => {
                    let known: Vec<&str> = schema.iter().map(|column| column.name).collect();
                    let message = format!("unknown column; expected some of {}", known.join(", "));
                    problems.add(Some(line), None, Some(&String::from_utf8_lossy(cell)), message);
                }
            }
        }
        for (column, place) in schema.iter().zip(&places) {
            if column.required && *place == NOWHERE {
                let message = format!("the column is missing; expected one with {}", column.expected);
                problems.add(Some(line), Some(column.name), None, message);
            }
        }
        Self { schema, places, names, width: header.len(), ignored }
    }
}

/// An open CSV file.
pub(crate) struct Table {
    records: Records<Lines>,
    layout: Layout,
    source: Source,
}

impl std::fmt::Debug for Table {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Table").field("path", &self.source.path).finish_non_exhaustive()
    }
}

impl Table {
    /// Opens a file and reads its header.
    pub(crate) fn open(source: &Source, schema: &'static [Column]) -> Result<Self, Problems> {
        Self::open_with(source, schema, Unknown::Refuse, false)
    }

    /// Opens a file, to know the hash of its content once it was read to the end.
    pub(crate) fn open_hashed(source: &Source, schema: &'static [Column]) -> Result<Self, Problems> {
        Self::open_with(source, schema, Unknown::Refuse, true)
    }

    /// Opens a file that may have columns beside those of the schema.
    pub(crate) fn open_lenient(source: &Source, schema: &'static [Column]) -> Result<Self, Problems> {
        Self::open_with(source, schema, Unknown::Ignore, false)
    }

    fn open_with(
        source: &Source,
        schema: &'static [Column],
        unknown: Unknown,
        hashed: bool,
    ) -> Result<Self, Problems> {
        // A carriage return before the line end is a blank, which cells are read without.
        let mut records = Records::new(source.open_lines(hashed)?);
        let mut problems = FileProblems::new(&source.path);
        loop {
            if !records.advance().map_err(|error| source.unreadable(None, &error))? {
                let names: Vec<&str> = schema.iter().filter(|c| c.required).map(|c| c.name).collect();
                problems.whole(format!("is empty; expected a header with at least {}", names.join(", ")));
                return Err(problems.into());
            }
            if !is_blank(records.record()) {
                break;
            }
        }
        let header = records.record();
        let layout = Layout::of(header, schema, unknown, &mut problems);
        problems.into_result()?;
        Ok(Self { records, layout, source: source.clone() })
    }

    /// True if the file has the column.
    pub(crate) fn has(&self, column: usize) -> bool {
        self.layout.places[column] != NOWHERE
    }

    /// The SHA-256 of the content, of a table that was opened for that and read to its end.
    pub(crate) fn sha256(&mut self) -> String {
        self.records.input().sha256()
    }

    /// The file's columns that the schema does not know.
    pub(crate) fn ignored(&self) -> &[String] {
        &self.layout.ignored
    }

    #[cold]
    fn unreadable(&self, error: &std::io::Error) -> Problems {
        self.source.unreadable(Some(self.records.line()), error)
    }

    /// The next row that has as many cells as the header; rows that do not are problems.
    #[inline]
    pub(crate) fn next<'a>(
        &'a mut self,
        problems: &'a mut FileProblems,
    ) -> Result<Option<Row<'a>>, Problems> {
        loop {
            match self.records.advance() {
                Ok(true) => {}
                Ok(false) => return Ok(None),
                Err(error) => return Err(self.unreadable(&error)),
            }
            let (found, expected) = (self.records.record().len(), self.layout.width);
            if found == expected {
                if self.records.record().is_open {
                    left_open(self.records.record(), problems);
                }
                break;
            }
            wrong_width(self.records.record(), expected, problems);
        }
        Ok(Some(Row { record: self.records.record(), layout: &self.layout, problems }))
    }
}

/// A line of nothing but blanks; the carriage return of a line end is one.
fn is_blank(record: Record<'_>) -> bool {
    record.len() == 1 && record.get(0).is_none_or(|cell| cell.trim_ascii().is_empty())
}

/// A row that ends with the file, since a quote in its last cell is not closed: it may have swallowed any number of rows.
#[cold]
fn left_open(record: Record<'_>, problems: &mut FileProblems) {
    problems
        .line(record.line, "has a quote that is left open up to the end of the file; expected a closing one");
}

/// A problem with a row that has another number of cells than the header, unless it is blank.
#[cold]
fn wrong_width(record: Record<'_>, expected: usize, problems: &mut FileProblems) {
    let found = record.len();
    if !is_blank(record) {
        let hint = if record.is_open { "; is a quote left open?" } else { "" };
        let cells = if found == 1 { "cell" } else { "cells" };
        let message = format!("has {found} {cells}; expected {expected}, as in the header{hint}");
        problems.line(record.line, message);
    }
}

/// One row, and where its problems go.
#[derive(Debug)]
pub(crate) struct Row<'a> {
    record: Record<'a>,
    layout: &'a Layout,
    problems: &'a mut FileProblems,
}

impl<'a> Row<'a> {
    /// The line where the row begins, from 1.
    pub(crate) fn line(&self) -> u64 {
        self.record.line
    }

    /// What stands in a column without the blanks around it; `None` if nothing does.
    #[inline]
    pub(crate) fn cell(&self, column: usize) -> Option<&'a [u8]> {
        let cell = self.record.get(self.layout.places[column])?.trim_ascii();
        if cell.is_empty() { None } else { Some(cell) }
    }

    /// A problem with what stands in a column.
    #[cold]
    pub(crate) fn problem(&mut self, column: usize, value: &[u8], message: impl Into<String>) {
        self.problems.cell(self.line(), self.layout.names[column], value, message);
    }

    /// The usual problem: what was found, and what the column holds.
    #[cold]
    pub(crate) fn unexpected(&mut self, column: usize, value: &[u8], found: &str) {
        let expected = self.layout.schema[column].expected;
        self.problem(column, value, format!("{found}; expected {expected}"));
    }

    /// True if nothing was wrong with anything up to here.
    pub(crate) fn problem_count(&self) -> u64 {
        self.problems.count()
    }

    /// The text in a column; an empty cell gives `""`, which is a problem where the column is required.
    #[inline]
    pub(crate) fn text(&mut self, column: usize) -> &'a str {
        let Some(cell) = self.cell(column) else {
            if self.layout.schema[column].required {
                self.unexpected(column, b"", "is missing");
            }
            return "";
        };
        std::str::from_utf8(cell).unwrap_or_else(|_| {
            self.problem(column, cell, "is not UTF-8 text; expected UTF-8");
            ""
        })
    }

    /// The number in a column in units; `None` if the cell is empty or wrong (then a problem is noted).
    #[inline(always)]
    pub(crate) fn number(&mut self, column: usize, unit: u32, rounding: Rounding, max: u64) -> Option<u64> {
        let (length, window) = self.record.window(self.layout.places[column])?; // a required column is there
        match decimal::parse_short(window, length, unit, rounding) {
            Some(units) if units <= max => Some(units),
            _ => self.number_of_any_kind(column, unit, rounding, max),
        }
    }

    /// As [`Row::number`], of what is nothing, long, or no mere digits.
    #[inline(never)]
    fn number_of_any_kind(&mut self, column: usize, unit: u32, rounding: Rounding, max: u64) -> Option<u64> {
        let Some(cell) = self.cell(column) else {
            if self.layout.schema[column].required {
                self.unexpected(column, b"", "is missing");
            }
            return None;
        };
        match decimal::parse(cell, unit, rounding) {
            Ok(units) if units <= max => Some(units),
            Ok(_) => {
                self.unexpected(column, cell, "is too large");
                None
            }
            Err(fault) => {
                self.unexpected(column, cell, &fault.to_string());
                None
            }
        }
    }

    /// Seconds in a column, as microseconds rounded up.
    #[inline]
    pub(crate) fn micros(&mut self, column: usize) -> Option<u64> {
        self.number(column, 1_000_000, Rounding::Up, MAX_MICROS)
    }

    /// Seconds in a column that may be negative, as microseconds rounded up.
    pub(crate) fn signed_micros(&mut self, column: usize) -> Option<i64> {
        let cell = self.cell(column)?;
        let Some(digits @ [b'0'..=b'9' | b'.', ..]) = cell.strip_prefix(b"-") else {
            return self.micros(column).and_then(|micros| i64::try_from(micros).ok());
        };
        match decimal::parse(digits, 1_000_000, Rounding::Down).map(i64::try_from) {
            Ok(Ok(micros)) if micros.unsigned_abs() <= MAX_MICROS => Some(-micros),
            Ok(_) => {
                self.unexpected(column, cell, "is too large");
                None
            }
            Err(fault) => {
                self.unexpected(column, cell, &fault.to_string());
                None
            }
        }
    }

    /// A whole number that may be negative.
    pub(crate) fn signed(&mut self, column: usize) -> Option<i32> {
        let cell = self.cell(column)?;
        match decimal::parse_signed(cell).map(i32::try_from) {
            Ok(Ok(number)) => Some(number),
            Ok(Err(_)) => {
                self.unexpected(column, cell, "is out of range");
                None
            }
            Err(fault) => {
                self.unexpected(column, cell, &fault.to_string());
                None
            }
        }
    }

    /// `k=v;k=v` as pairs; a problem if it is not of that form.
    pub(crate) fn labels(&mut self, column: usize) -> std::collections::BTreeMap<String, String> {
        let text = self.text(column);
        let mut labels = std::collections::BTreeMap::new();
        for pair in text.split(';').map(str::trim).filter(|pair| !pair.is_empty()) {
            let split = pair.split_once('=').map(|(key, value)| (key.trim(), value.trim()));
            match split {
                Some((key, value)) if !key.is_empty() => {
                    if labels.insert(key.to_owned(), value.to_owned()).is_some() {
                        self.unexpected(column, text.as_bytes(), &format!("has the key {key} twice"));
                    }
                }
                _ => self.unexpected(column, text.as_bytes(), &format!("{pair:?} is not of the form k=v")),
            }
        }
        labels
    }
}
