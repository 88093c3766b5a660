//! Names, amounts and times in words.

use unicode_width::UnicodeWidthChar;

/// `text` without characters that would steer a terminal or break a line.
pub(crate) fn printable(text: &str) -> String {
    let harmless = |c: char| match c {
        '\n' | '\r' | '\t' => ' ',
        // Characters that turn the direction of the text around, too.
        c if c.is_control() || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}') => '\u{fffd}',
        c => c,
    };
    text.trim_end().chars().map(harmless).collect()
}

/// Columns that `text` takes on a terminal.
pub(crate) fn width(text: &str) -> usize {
    text.chars().map(|c| c.width().unwrap_or(0)).sum()
}

/// `text`, or as much of it as fits `columns` with a `…` at its end.
pub(crate) fn cut(text: &str, columns: usize) -> String {
    if width(text) <= columns {
        return text.to_owned();
    }
    let mut kept = String::new();
    let mut used = 0;
    for c in text.chars() {
        used += c.width().unwrap_or(0);
        if used >= columns {
            break;
        }
        kept.push(c);
    }
    if columns > 0 {
        kept.push('…');
    }
    kept
}

/// A number without needless digits: at most two decimals.
pub(crate) fn amount(value: f64) -> String {
    let text = format!("{value:.2}");
    let text = text.trim_end_matches('0').trim_end_matches('.');
    if text == "-0" || text.is_empty() { "0".to_owned() } else { text.to_owned() }
}

/// A time span in its largest fitting unit.
pub(crate) fn span(micros: i64) -> String {
    let seconds = micros / 1_000_000;
    match seconds {
        ..1 => format!("{} ms", (micros / 1000).max(0)),
        1..10 => format!("{:.1} s", (micros / 100_000) as f64 / 10.0),
        10..120 => format!("{seconds} s"),
        120..7200 => format!("{} min", seconds / 60),
        7200..172_800 => format!("{} h", seconds / 3600),
        _ => format!("{} d", seconds / 86_400),
    }
}

/// How long ago a time was; `-` if it is 0. Clocks differ: a time that is still to come is now.
pub(crate) fn ago(at_us: i64, now_us: i64) -> String {
    match (at_us, now_us.saturating_sub(at_us)) {
        (0, _) => "-".to_owned(),
        (_, ..1_000_000) => "now".to_owned(),
        (_, since @ ..10_000_000) => format!("{} s ago", since / 1_000_000),
        (_, since) => format!("{} ago", span(since)),
    }
}

/// A time of day in UTC, as RFC 3339 has it, to the second; `-` if it is 0.
pub(crate) fn clock(at_us: i64) -> String {
    if at_us == 0 {
        return "-".to_owned();
    }
    let seconds = at_us.div_euclid(1_000_000);
    let (days, second) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    // Howard Hinnant, "chrono-compatible low-level date algorithms": civil_from_days.
    let z = days + 719_468;
    let era = z.div_euclid(146_097);
    let doe = z.rem_euclid(146_097);
    let yoe = (doe - doe / 1460 + doe / 36_524 - doe / 146_096) / 365;
    let doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    let mp = (5 * doy + 2) / 153;
    let day = doy - (153 * mp + 2) / 5 + 1;
    let month = if mp < 10 { mp + 3 } else { mp - 9 };
    let year = yoe + era * 400 + i64::from(month <= 2);
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

/// `text` broken at spaces into lines that end before `columns` and begin at `indent`; where the first one begins is already so.
pub(crate) fn wrapped(text: &str, columns: usize, indent: usize) -> String {
    let columns = columns.saturating_sub(indent);
    let mut out = String::new();
    let mut used = 0;
    for word in text.split_whitespace() {
        let needed = width(word);
        if used > 0 && used + 1 + needed > columns {
            out.push('\n');
            out.push_str(&" ".repeat(indent));
            used = 0;
        } else if used > 0 {
            out.push(' ');
            used += 1;
        }
        out.push_str(word);
        used += needed;
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_harmless_and_cut_by_columns() {
        assert_eq!(printable("a\x1b[31mb\nc\u{202e}"), "a\u{fffd}[31mb c\u{fffd}");
        assert_eq!(cut("task-0123456789", 8), "task-01…");
        assert_eq!(cut("short", 5), "short");
        assert_eq!(cut("日本語の名前", 7), "日本語…");
        assert_eq!(width(&cut("日本語の名前", 6)), 5, "half a character is none");
        assert_eq!((cut("ab", 1), cut("ab", 0)), ("…".into(), String::new()));
        assert_eq!(wrapped("aa bb cc", 6, 1), "aa bb\n cc");
    }

    #[test]
    fn amounts_and_times() {
        assert_eq!(
            (amount(0.5), amount(2.0), amount(100.0), amount(-0.001)),
            ("0.5".into(), "2".into(), "100".into(), "0".into())
        );
        let now = 1_800_000_000_000_000;
        let since = |seconds: i64| ago(now - seconds * 1_000_000, now);
        assert_eq!((since(0), since(-5), ago(0, now)), ("now".into(), "now".into(), "-".into()));
        assert_eq!(
            (since(3), since(12), since(119)),
            ("3 s ago".into(), "12 s ago".into(), "119 s ago".into())
        );
        assert_eq!(
            (since(120), since(7200), since(200_000)),
            ("2 min ago".into(), "2 h ago".into(), "2 d ago".into())
        );
        assert_eq!((span(1500), span(2_340_000), span(-5)), ("1 ms".into(), "2.3 s".into(), "0 ms".into()));
        assert_eq!(clock(now), "2027-01-15T08:00:00Z");
        assert_eq!(clock(951_782_400_000_000), "2000-02-29T00:00:00Z");
    }
}
