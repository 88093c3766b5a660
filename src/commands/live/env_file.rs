//! `.env`: lines of `KEY=VALUE`.
//!
//! Blank lines and lines that begin with `#` say nothing. `export ` before a key is allowed. A value may be quoted: in
//! `'...'` everything stands for itself, in `"..."` a backslash introduces `\n`, `\r`, `\t`, `\\`, `\"` and `\$`. A value without
//! quotes ends at ` #` and is trimmed. Nothing is substituted, and a value does not go over several lines.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::failure::Usage;

/// What a `.env` says. The last line of a key counts.
#[derive(Clone, Debug, Default)]
pub(crate) struct EnvFile {
    path: PathBuf,
    /// Value and line, counted from 1.
    values: BTreeMap<String, (String, usize)>,
}

impl EnvFile {
    /// Reads a file; one that does not exist says nothing.
    pub(crate) fn read(path: &Path) -> Result<Self> {
        match std::fs::read(path) {
            Ok(bytes) => {
                let text = String::from_utf8(bytes).map_err(|error| {
                    let line = error.as_bytes()[..error.utf8_error().valid_up_to()]
                        .split(|&byte| byte == b'\n')
                        .count();
                    Usage(format!("{}:{line}: not UTF-8: expected text", path.display()))
                })?;
                Ok(Self::parse(path, &text)?)
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Self::default()),
            Err(error) => Err(error).with_context(|| format!("cannot read {}", path.display())),
        }
    }

    /// Reads lines; `path` is for messages.
    pub(crate) fn parse(path: &Path, text: &str) -> Result<Self, Usage> {
        let mut values = BTreeMap::new();
        for (index, line) in text.strip_prefix('\u{feff}').unwrap_or(text).lines().enumerate() {
            let entry = parse_line(line).map_err(|wrong| {
                let Wrong { value, expected } = wrong;
                Usage(format!(
                    "{}:{}: \"{}\": expected {expected}",
                    path.display(),
                    index + 1,
                    value.escape_debug()
                ))
            })?;
            if let Some((key, value)) = entry {
                values.insert(key, (value, index + 1));
            }
        }
        Ok(Self { path: path.to_owned(), values })
    }

    /// The value of a key, and its line.
    pub(crate) fn get(&self, key: &str) -> Option<(&str, usize)> {
        self.values.get(key).map(|(value, line)| (value.as_str(), *line))
    }

    /// The file.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

struct Wrong<'a> {
    value: &'a str,
    expected: &'static str,
}

fn parse_line(line: &str) -> Result<Option<(String, String)>, Wrong<'_>> {
    let text = line.trim();
    if text.is_empty() || text.starts_with('#') {
        return Ok(None);
    }
    let assignment = text
        .strip_prefix("export")
        .filter(|rest| rest.starts_with([' ', '\t']))
        .map_or(text, str::trim_start);
    let Some((key, value)) = assignment.split_once('=') else {
        return Err(Wrong { value: text, expected: "KEY=VALUE" });
    };
    let key = key.trim_end();
    let letter = |c: char| c.is_ascii_alphanumeric() || c == '_';
    if key.is_empty() || !key.chars().all(letter) || key.starts_with(|c: char| c.is_ascii_digit()) {
        return Err(Wrong {
            value: key,
            expected: "a key of letters, digits and _ that begins with none of the digits",
        });
    }
    let value = value.trim_start();
    let read = match value.chars().next() {
        Some('\'') => single(value),
        Some('"') => double(value),
        _ => Ok(bare(value)),
    };
    let value =
        read.map_err(|wrong| if is_secret(key) { Wrong { value: "(not shown)", ..wrong } } else { wrong })?;
    Ok(Some((key.to_owned(), value)))
}

/// True for names whose values no message repeats.
pub(crate) fn is_secret(key: &str) -> bool {
    ["TOKEN", "PASSWORD", "SECRET", "URI"].iter().any(|word| key.contains(word))
}

/// What follows the closing quote must be nothing or a comment.
fn over<'a>(rest: &str, value: &'a str) -> Result<(), Wrong<'a>> {
    let trimmed = rest.trim_start();
    let comment = trimmed.starts_with('#') && trimmed.len() < rest.len();
    if trimmed.is_empty() || comment {
        Ok(())
    } else {
        Err(Wrong { value, expected: "nothing after the closing quote, or a space and a # comment" })
    }
}

fn single(value: &str) -> Result<String, Wrong<'_>> {
    match value[1..].split_once('\'') {
        Some((inner, rest)) => over(rest, value).map(|()| inner.to_owned()),
        None => Err(Wrong { value, expected: "a closing '" }),
    }
}

fn double(value: &str) -> Result<String, Wrong<'_>> {
    let mut text = String::new();
    let mut chars = value[1..].chars();
    while let Some(c) = chars.next() {
        match c {
            '"' => return over(chars.as_str(), value).map(|()| text),
            '\\' => match chars.next() {
                Some('n') => text.push('\n'),
                Some('r') => text.push('\r'),
                Some('t') => text.push('\t'),
                Some(c @ ('\\' | '"' | '$' | '`')) => text.push(c),
                _ => {
                    return Err(Wrong {
                        value,
                        expected: "one of \\n, \\r, \\t, \\\\, \\\" and \\$ after a backslash",
                    });
                }
            },
            c => text.push(c),
        }
    }
    Err(Wrong { value, expected: "a closing \"" })
}

fn bare(value: &str) -> String {
    let comment = value
        .char_indices()
        .find(|&(at, c)| c == '#' && (at == 0 || value[..at].ends_with([' ', '\t'])))
        .map_or(value.len(), |(at, _)| at);
    value[..comment].trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Result<EnvFile, String> {
        EnvFile::parse(Path::new("conf/.env"), text).map_err(|wrong| wrong.to_string())
    }

    #[test]
    fn lines_quotes_comments_and_export() {
        let file = parsed(
            "\u{feff}# a comment\r\n\nexport GRPC_PORT=:50051  \nA = b c # not this\nB='x # \"y\" \\n' # c\nC=\"x\\n\\\"y\\\" #\\$z\"\nD=\nE=a#b\nF=#x\nexport\tG=1\nA=last=one\nexported=2\nü=3"
                .trim_end_matches("\nü=3"),
        )
        .unwrap();
        let value = |key| file.get(key).map(|(value, _)| value);
        assert_eq!(file.get("GRPC_PORT"), Some((":50051", 3)));
        assert_eq!(file.get("A"), Some(("last=one", 11)));
        assert_eq!(value("B"), Some("x # \"y\" \\n"));
        assert_eq!(value("C"), Some("x\n\"y\" #$z"));
        assert_eq!(value("D"), Some(""));
        assert_eq!(value("E"), Some("a#b"));
        assert_eq!(value("F"), Some(""));
        assert_eq!(value("G"), Some("1"));
        assert_eq!(value("exported"), Some("2"));
        assert_eq!(value("H"), None);
    }

    #[test]
    fn a_bad_line_is_named_with_what_was_expected() {
        for (text, message) in [
            ("A=1\nnonsense", "conf/.env:2: \"nonsense\": expected KEY=VALUE"),
            ("export A", "conf/.env:1: \"export A\": expected KEY=VALUE"),
            ("=1", "conf/.env:1: \"\": expected a key"),
            ("1A=1", "conf/.env:1: \"1A\": expected a key"),
            ("A-B=1", "conf/.env:1: \"A-B\": expected a key"),
            ("A='x", "conf/.env:1: \"\\'x\": expected a closing '"),
            ("A=\"x", "conf/.env:1: \"\\\"x\": expected a closing \""),
            ("A=\"x\\q\"", "expected one of \\n"),
            ("A='x'y", "expected nothing after the closing quote"),
            ("CLOUDAI_TOKEN='x", "conf/.env:1: \"(not shown)\": expected a closing '"),
            ("A=\"x\"#y", "expected nothing after the closing quote"),
        ] {
            let error = parsed(text).unwrap_err();
            assert!(error.contains(message), "{text}: {error}");
        }
    }

    #[test]
    fn a_file_that_is_missing_says_nothing_and_one_that_is_no_text_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        assert!(EnvFile::read(&dir.path().join("none")).unwrap().get("A").is_none());
        let path = dir.path().join(".env");
        std::fs::write(&path, b"A=1\nB=\xff\n").unwrap();
        assert!(EnvFile::read(&path).unwrap_err().to_string().contains(".env:2: not UTF-8"));
        assert!(EnvFile::read(dir.path()).unwrap_err().to_string().contains("cannot read"));
    }
}
