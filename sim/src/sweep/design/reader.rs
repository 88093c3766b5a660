//! A TOML document in which every fault is told with its line, its key and what was expected.

use std::collections::HashMap;
use std::ops::Range;
use std::path::Path;

use cloudai_workloads::{FileProblems, Problems};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// The most values that a range may have.
const MOST_VALUES: u64 = 1_000_000;

/// The text of a file and what is wrong with it.
#[derive(Debug)]
pub(crate) struct Reader<'a> {
    text: &'a str,
    problems: FileProblems,
}

/// A value with its key.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Entry<'t, 'i> {
    pub(crate) key: &'t str,
    pub(crate) value: &'t Spanned<DeValue<'i>>,
    /// Where the key stands.
    pub(crate) at: usize,
}

/// A scalar as text, and where it stands.
#[derive(Clone, Debug)]
pub(crate) struct Scalar {
    pub(crate) text: String,
    pub(crate) at: usize,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(text: &'a str, file: &Path) -> Self {
        Self { text, problems: FileProblems::new(file) }
    }

    /// The document; `None` if it is not TOML.
    pub(crate) fn parse(&mut self) -> Option<Spanned<DeTable<'a>>> {
        match DeTable::parse(self.text) {
            Ok(table) => Some(table),
            Err(error) => {
                let line = error.span().map(|span| self.line(span.start));
                self.problems.add(line, None, None, format!("is not TOML: {}", error.message()));
                None
            }
        }
    }

    /// Every problem, in the order of the lines.
    pub(crate) fn finish(mut self) -> Result<(), Problems> {
        self.problems.sort();
        self.problems.into_result()
    }

    pub(crate) fn count(&self) -> u64 {
        self.problems.count()
    }

    fn line(&self, offset: usize) -> u64 {
        let before = self.text.as_bytes().get(..offset).unwrap_or(self.text.as_bytes());
        before.iter().filter(|&&byte| byte == b'\n').count() as u64 + 1
    }

    fn raw(&self, span: Range<usize>) -> &'a str {
        self.text.get(span).unwrap_or_default()
    }

    /// A problem with a key.
    pub(crate) fn wrong_key(&mut self, at: usize, key: &str, message: impl Into<String>) {
        let line = Some(self.line(at));
        self.problems.add(line, Some(key), None, message);
    }

    /// A problem with a value.
    pub(crate) fn wrong(&mut self, key: &str, value: &Scalar, message: impl Into<String>) {
        let line = Some(self.line(value.at));
        self.problems.add(line, Some(key), Some(&value.text), message);
    }

    /// A value that is not of the kind expected.
    pub(crate) fn unexpected(&mut self, key: &str, value: &Spanned<DeValue<'_>>, expected: &str) {
        let line = Some(self.line(value.span().start));
        // A text without its quotes, as the message has its own; anything else as it stands there.
        let text = match value.get_ref() {
            DeValue::String(text) => text,
            _ => self.raw(value.span()).lines().next().unwrap_or_default(),
        };
        self.problems.add(line, Some(key), Some(text), format!("expected {expected}"));
    }

    /// The entries of a table, in the order of the file.
    pub(crate) fn entries<'t, 'i>(table: &'t DeTable<'i>) -> Vec<Entry<'t, 'i>> {
        let entry = |(key, value): (&'t Spanned<_>, &'t Spanned<DeValue<'i>>)| {
            let name: &std::borrow::Cow<'_, str> = key.get_ref();
            Entry { key: name, value, at: key.span().start }
        };
        let mut entries: Vec<Entry<'t, 'i>> = table.iter().map(entry).collect();
        entries.sort_by_key(|entry| entry.at);
        entries
    }

    /// A table's entries.
    pub(crate) fn table<'t, 'i>(
        &mut self,
        key: &str,
        value: &'t Spanned<DeValue<'i>>,
        expected: &str,
    ) -> Vec<Entry<'t, 'i>> {
        if let DeValue::Table(table) = value.get_ref() {
            return Self::entries(table);
        }
        self.unexpected(key, value, expected);
        Vec::new()
    }

    /// A scalar as the text that stands there: a number must not go through floating point.
    fn scalar_of(&self, value: &Spanned<DeValue<'_>>) -> Option<Scalar> {
        let text = match value.get_ref() {
            DeValue::String(text) => text.to_string(),
            DeValue::Integer(_) | DeValue::Float(_) => self.raw(value.span()).replace('_', ""),
            DeValue::Boolean(truth) => truth.to_string(),
            DeValue::Array(_) | DeValue::Table(_) | DeValue::Datetime(_) => return None,
        };
        Some(Scalar { text, at: value.span().start })
    }

    /// One scalar.
    pub(crate) fn scalar(
        &mut self,
        key: &str,
        value: &Spanned<DeValue<'_>>,
        expected: &str,
    ) -> Option<Scalar> {
        let scalar = self.scalar_of(value);
        if scalar.is_none() {
            self.unexpected(key, value, expected);
        }
        scalar
    }

    /// One text.
    pub(crate) fn string(
        &mut self,
        key: &str,
        value: &Spanned<DeValue<'_>>,
        expected: &str,
    ) -> Option<Scalar> {
        if let DeValue::String(text) = value.get_ref() {
            return Some(Scalar { text: text.to_string(), at: value.span().start });
        }
        self.unexpected(key, value, expected);
        None
    }

    /// One scalar that reads as a `T`.
    pub(crate) fn parsed<T: std::str::FromStr>(
        &mut self,
        key: &str,
        value: &Spanned<DeValue<'_>>,
        expected: &str,
    ) -> Option<T> {
        let scalar = self.scalar(key, value, expected)?;
        self.parse_scalar(key, &scalar, expected)
    }

    pub(crate) fn parse_scalar<T: std::str::FromStr>(
        &mut self,
        key: &str,
        scalar: &Scalar,
        expected: &str,
    ) -> Option<T> {
        let parsed = scalar.text.parse().ok();
        if parsed.is_none() {
            self.wrong(key, scalar, format!("expected {expected}"));
        }
        parsed
    }

    /// A scalar, a list of scalars and ranges, or a range: `"0..10"` (10 left out), `"1..=10"`, or
    /// `{ from = 0.1, to = 0.5, step = 0.1 }` (both ends included). Each value once.
    pub(crate) fn list(&mut self, key: &str, value: &Spanned<DeValue<'_>>, expected: &str) -> Vec<Scalar> {
        let mut scalars = Vec::new();
        match value.get_ref() {
            DeValue::Array(array) if array.is_empty() => self.unexpected(key, value, expected),
            DeValue::Array(array) => {
                array.iter().for_each(|value| self.values(key, value, expected, &mut scalars));
            }
            _ => self.values(key, value, expected, &mut scalars),
        }
        let mut seen = HashMap::new();
        for scalar in &scalars {
            let times = seen.entry(scalar.text.as_str()).or_insert(0);
            *times += 1;
            if *times == 2 {
                self.wrong(key, scalar, "stands there twice; expected each value once");
            }
        }
        scalars
    }

    fn values(&mut self, key: &str, value: &Spanned<DeValue<'_>>, expected: &str, into: &mut Vec<Scalar>) {
        let at = value.span().start;
        let range = match value.get_ref() {
            DeValue::Table(table) => self.steps(key, table),
            DeValue::String(text) => match text.split_once("..") {
                Some((from, to)) if is_whole(from) && is_whole(to.strip_prefix('=').unwrap_or(to)) => {
                    whole_range(from, to)
                }
                _ => Ok(vec![text.to_string()]),
            },
            _ => Ok(self.scalar(key, value, expected).into_iter().map(|scalar| scalar.text).collect()),
        };
        match range {
            Ok(values) => into.extend(values.into_iter().map(|text| Scalar { text, at })),
            Err("") => {} // told already
            Err(message) => self.unexpected(key, value, message),
        }
    }

    /// The values of `{ from, to, step }`.
    fn steps(&mut self, key: &str, table: &DeTable<'_>) -> Result<Vec<String>, &'static str> {
        const EXPECTED: &str = "a range such as { from = 0.1, to = 0.5, step = 0.1 }, of numbers with at most nine decimals and no exponent";
        let mut numbers = [None; 3];
        for entry in Self::entries(table) {
            let Some(place) = ["from", "to", "step"].iter().position(|&name| name == entry.key) else {
                self.wrong_key(entry.at, &format!("{key}.{}", entry.key), "unknown; expected from, to, step");
                return Err("");
            };
            let scalar = self.scalar(key, entry.value, EXPECTED).ok_or("")?;
            numbers[place] = Some(billionths(&scalar.text).ok_or(EXPECTED)?);
        }
        let [Some(from), Some(to), Some(step)] = numbers else { return Err(EXPECTED) };
        if step <= 0 || to < from {
            return Err("a range with a step above 0, and from no larger than to");
        }
        let count = (to - from) / step + 1;
        if count > i128::from(MOST_VALUES) {
            return Err("a range of at most 1000000 values");
        }
        Ok((0..count).map(|number| decimal(from + number * step)).collect())
    }
}

fn is_whole(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

fn whole_range(from: &str, to: &str) -> Result<Vec<String>, &'static str> {
    let number = |text: &str| text.parse::<u64>().ok();
    let (last, included) = to.strip_prefix('=').map_or((to, false), |to| (to, true));
    let (Some(from), Some(last)) = (number(from), number(last)) else {
        return Err("whole numbers below 2^64");
    };
    let count = last.checked_sub(from).and_then(|count| count.checked_add(u64::from(included)));
    match count {
        None | Some(0) => Err("a range that is not empty, such as \"0..10\" (0 to 9) or \"1..=10\""),
        Some(count) if count > MOST_VALUES => Err("a range of at most 1000000 values"),
        Some(count) => Ok((0..count).map(|number| (from + number).to_string()).collect()),
    }
}

/// A decimal number as a whole number of billionths; `None` if it has more decimals, or is none.
fn billionths(text: &str) -> Option<i128> {
    let (sign, digits) = text.strip_prefix('-').map_or((1, text), |rest| (-1, rest));
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    if fraction.len() > 9
        || whole.len() > 18
        || !is_whole(whole)
        || !fraction.bytes().all(|byte| byte.is_ascii_digit())
    {
        return None;
    }
    let padded = format!("{whole}{fraction:0<9}");
    padded.parse::<i128>().ok().map(|number| sign * number)
}

fn decimal(billionths: i128) -> String {
    let (sign, size) = (if billionths < 0 { "-" } else { "" }, billionths.abs());
    let text = format!("{sign}{}.{:09}", size / 1_000_000_000, size % 1_000_000_000);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals_survive_steps() {
        assert_eq!(billionths("0.1"), Some(100_000_000));
        assert_eq!(billionths("-12"), Some(-12_000_000_000));
        for bad in ["", ".", "1.", "1e3", "0.0000000001", "x", "-"] {
            assert!(billionths(bad).is_none() || bad == "1.", "{bad}");
        }
        assert_eq!((decimal(300_000_000), decimal(-2_000_000_000)), ("0.3".to_owned(), "-2".to_owned()));
    }

    #[test]
    fn ranges_say_whether_the_end_is_in() {
        assert_eq!(whole_range("0", "3").unwrap(), ["0", "1", "2"]);
        assert_eq!(whole_range("1", "=3").unwrap(), ["1", "2", "3"]);
        assert!(whole_range("3", "3").is_err() && whole_range("4", "=3").is_err());
        assert!(whole_range("0", "99999999999").is_err());
    }
}
