//! How numbers are written: units chosen by range, no trailing zeros, never `NaN`.

/// A unit of simulated time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TimeUnit {
    Seconds,
    Minutes,
    Hours,
    Days,
}

impl TimeUnit {
    /// The unit in which times up to `largest_s` seconds read well.
    pub(crate) fn for_largest(largest_s: f64) -> Self {
        match largest_s.abs() {
            s if s > 3.0 * 86_400.0 => Self::Days,
            s if s > 3.0 * 3_600.0 => Self::Hours,
            s if s > 120.0 => Self::Minutes,
            _ => Self::Seconds,
        }
    }

    /// The unit for the largest finite of `values`.
    pub(crate) fn for_all(values: impl IntoIterator<Item = f64>) -> Self {
        Self::for_largest(values.into_iter().filter(|v| v.is_finite()).fold(0.0, |a, v| v.abs().max(a)))
    }

    /// Seconds in one of this unit.
    pub(crate) const fn seconds(self) -> f64 {
        match self {
            Self::Seconds => 1.0,
            Self::Minutes => 60.0,
            Self::Hours => 3_600.0,
            Self::Days => 86_400.0,
        }
    }

    /// Its symbol.
    pub(crate) const fn symbol(self) -> &'static str {
        match self {
            Self::Seconds => "s",
            Self::Minutes => "min",
            Self::Hours => "h",
            Self::Days => "d",
        }
    }
}

/// Decimals that give about three significant digits to the largest of `values`, so that a column lines up.
pub(crate) fn decimals_for(values: impl IntoIterator<Item = f64>) -> usize {
    let largest = values.into_iter().filter(|v| v.is_finite()).fold(0.0_f64, |a, v| v.abs().max(a));
    match largest {
        l if l >= 1_000.0 => 0,
        l if l >= 100.0 => 1,
        l if l >= 1.0 || l == 0.0 => 2,
        l if l >= 0.1 => 3,
        _ => 4,
    }
}

/// `value` with a fixed number of decimals; in scientific notation where that would be unreadable, and `-` where it
/// is not a number.
pub(crate) fn fixed(value: f64, decimals: usize) -> String {
    if !value.is_finite() {
        return "-".to_owned();
    }
    if value.abs() >= 1e9 {
        return format!("{value:.2e}");
    }
    let text = format!("{value:.decimals$}");
    // A small negative value must not read as "-0.0".
    if text.starts_with('-') && text.bytes().all(|b| matches!(b, b'-' | b'0' | b'.')) {
        text[1..].to_owned()
    } else {
        text
    }
}

/// `value` with at most `decimals` decimals and no trailing zeros.
pub(crate) fn trimmed(value: f64, decimals: usize) -> String {
    let text = fixed(value, decimals);
    if !text.contains('.') || text.contains('e') {
        return text;
    }
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// The form of a number in a CSV file: at most six decimals without trailing zeros, empty if it is not a number.
pub(crate) fn csv_number(value: f64) -> String {
    if !value.is_finite() {
        String::new()
    } else if value.abs() >= 1e15 {
        format!("{value:e}")
    } else {
        let text = format!("{value:.6}");
        let text = text.trim_end_matches('0').trim_end_matches('.');
        if text == "-0" { "0".to_owned() } else { text.to_owned() }
    }
}

/// A time in a unit of its own: `42 s`, `12.5 min`, `3.1 h`.
pub(crate) fn duration(seconds: f64) -> String {
    in_unit(seconds, |value, _| value)
}

/// The same, rounded down: a lower bound must not look larger than what it bounds.
pub(crate) fn duration_at_least(seconds: f64) -> String {
    in_unit(seconds, |value, decimals| {
        let scale = [1.0, 10.0, 100.0, 1000.0].get(decimals).copied().unwrap_or(10_000.0);
        (value * scale).floor() / scale
    })
}

/// Four digits, in the largest unit that suits, after `round` has seen the value and its decimals.
fn in_unit(seconds: f64, round: impl Fn(f64, usize) -> f64) -> String {
    if !seconds.is_finite() {
        return "-".to_owned();
    }
    let unit = TimeUnit::for_largest(seconds);
    let value = seconds / unit.seconds();
    let decimals = match value.abs() {
        v if v >= 1000.0 => 0,
        v if v >= 100.0 => 1,
        v if v >= 10.0 => 2,
        _ => 3,
    };
    format!("{} {}", trimmed(round(value, decimals), decimals), unit.symbol())
}

/// A whole number in groups of three digits: `1,234,567`.
pub(crate) fn grouped(value: u64) -> String {
    let digits = value.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A number of things: `1 task`, `2,000 tasks`.
pub(crate) fn counted(count: u64, thing: &str) -> String {
    format!("{} {thing}{}", grouped(count), if count == 1 { "" } else { "s" })
}

/// A relative change in percent, signed: `+3.2%`; `None` if the base is zero or a value is not finite.
pub(crate) fn change(value: f64, base: f64) -> Option<String> {
    let percent = (value / base - 1.0) * 100.0;
    if base == 0.0 || !percent.is_finite() {
        return None;
    }
    let decimals = if percent.abs() >= 1_000.0 { 0 } else { 1 };
    let text = fixed(percent, decimals);
    let sign = if percent > 0.0 && text.bytes().any(|b| matches!(b, b'1'..=b'9')) { "+" } else { "" };
    Some(format!("{sign}{text}%"))
}

/// `text` in at most `width` characters, its middle replaced by `…` where it is longer: names of workers and specs of
/// strategies often differ in their ends.
pub(crate) fn shortened(text: &str, width: usize) -> String {
    let length = text.chars().count();
    if length <= width {
        return text.to_owned();
    }
    let kept = width.saturating_sub(1);
    let tail = kept / 2;
    let head: String = text.chars().take(kept - tail).collect();
    let tail: String = text.chars().skip(length - tail).collect();
    format!("{head}…{tail}")
}

/// `text` without characters that would steer a terminal or break a line.
pub(crate) fn printable(text: &str) -> String {
    let harmless = |c: char| match c {
        '\n' | '\r' | '\t' => ' ',
        c if c.is_control() => '\u{fffd}',
        c => c,
    };
    text.trim_end().chars().map(harmless).collect()
}

/// `text` broken at spaces into lines of at most `width` characters, where its words allow it; every line but the first is indented.
pub(crate) fn wrapped(text: &str, width: usize, indent: usize) -> String {
    let mut out = String::new();
    let mut used = 0;
    let mut words = text.split_whitespace().peekable();
    while let Some(word) = words.next() {
        let length = word.chars().count();
        // A unit stays with its number: room for it is asked for with the number before it.
        let unit = words.peek().filter(|next| is_unit(next)).map_or(0, |next| next.chars().count() + 1);
        let unit = if is_unit(word) { 0 } else { unit };
        if used > 0 && used + 1 + length + unit > width {
            out.push('\n');
            out.extend(std::iter::repeat_n(' ', indent));
            used = indent;
        } else if used > 0 {
            out.push(' ');
            used += 1;
        }
        out.push_str(word);
        used += length;
    }
    out
}

/// Whether a word is a unit of time, punctuation aside.
fn is_unit(word: &str) -> bool {
    matches!(word.trim_end_matches(['.', ',', ':', ';']), "s" | "min" | "h" | "d")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_never_nan_and_never_minus_zero() {
        assert_eq!(fixed(f64::NAN, 2), "-");
        assert_eq!(fixed(-0.001, 2), "0.00");
        assert_eq!(csv_number(-0.000_000_1), "0");
        assert_eq!(csv_number(f64::INFINITY), "");
        assert_eq!(csv_number(12.500), "12.5");
        assert_eq!(trimmed(100.0, 2), "100");
        assert_eq!(fixed(1e300, 2), "1.00e300");
    }

    #[test]
    fn times_take_the_unit_of_their_range() {
        assert_eq!(duration(0.0), "0 s");
        assert_eq!(duration(42.0), "42 s");
        assert_eq!(duration(750.0), "12.5 min");
        assert_eq!(duration(14_400.0), "4 h");
        assert_eq!(duration(864_000.0), "10 d");
    }

    #[test]
    fn changes_are_signed() {
        assert_eq!(change(90.0, 100.0).as_deref(), Some("-10.0%"));
        assert_eq!(change(103.2, 100.0).as_deref(), Some("+3.2%"));
        assert_eq!(change(100.0, 100.0).as_deref(), Some("0.0%"));
        assert_eq!(change(1.0, 0.0), None);
    }

    #[test]
    fn long_text_is_shortened_and_wrapped_by_characters() {
        assert_eq!(shortened("äöüß", 3), "ä…ß");
        assert_eq!(shortened("abc", 0), "…");
        assert_eq!(wrapped("aa bb cc", 5, 1), "aa bb\n cc");
        assert_eq!(wrapped("below 12 min.", 9, 0), "below\n12 min.");
        assert_eq!(grouped(1_234_567), "1,234,567");
        assert_eq!(counted(1, "task"), "1 task");
    }
}
