//! Decimal text to integer units and back, exactly: no floating point in between.

use std::fmt;

use crate::records::WINDOW;

/// The most significant digits that a number may have.
const MAX_DIGITS: u32 = 30;

/// The most characters of a number that is read without more ado: its product with a unit is far from 2^64.
const MAX_LONG: usize = 12;

/// Powers of ten for the fast path.
const POWERS: [u64; 16] = {
    let mut powers = [1; 16];
    let mut i = 1;
    while i < 16 {
        powers[i] = powers[i - 1] * 10;
        i += 1;
    }
    powers
};

/// What to do with a remainder below one unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rounding {
    /// To the next unit: requests and times.
    Up,
    /// To the unit below, but a positive value never to 0: capacities.
    Down,
    /// It is an error.
    Exact,
}

/// Why a text is not the number that is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    NotANumber,
    NotFinite,
    Negative,
    TooLarge,
    TooManyDigits,
    NotWhole,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotANumber => "is not a number",
            Self::NotFinite => "is not finite",
            Self::Negative => "is negative",
            Self::TooLarge => "is too large",
            Self::TooManyDigits => "has more than 30 significant digits",
            Self::NotWhole => "is not a whole number",
        })
    }
}

/// `text` x `unit` as an integer: `parse(b"1.5", 1000, ..)` is 1500.
///
/// Accepts `12`, `0.5`, `.5`, `5.`, `+1`, `1e3`, `1.5E-2`; ASCII blanks around it are not accepted.
#[inline]
pub(crate) fn parse(text: &[u8], unit: u32, rounding: Rounding) -> Result<u64, Fault> {
    let mut window = [0; WINDOW];
    if let Some(place) = window.get_mut(..text.len()) {
        place.copy_from_slice(text);
        if let Some(units) = parse_short(&window, text.len(), unit, rounding) {
            return Ok(units);
        }
    }
    parse_any(text, unit, rounding)
}

/// The usual case: the first `length` bytes, at most 12, are digits and at most one point, and are read all at once. What
/// stands behind them does not matter.
#[inline(always)]
pub(crate) fn parse_short(
    window: &[u8; WINDOW],
    length: usize,
    unit: u32,
    rounding: Rounding,
) -> Option<u64> {
    let (first, _) = window.split_first_chunk::<8>()?;
    if length > 8 {
        return parse_long(window, length, unit, rounding);
    }
    if length == 0 {
        return None;
    }
    // The first character stands in the lowest byte. Moved up, the last one is in the uppermost, with zeros below the first.
    let mut text = u64::from_le_bytes(*first) << (8 * (8 - length));
    let (mut digits, mut decimals) = (length, 0);
    let points = bytes_that_are(text, b'.');
    if points != 0 {
        // The digits before the point move up over it; a second point stays, and is no digit.
        let point = points.trailing_zeros() / 8;
        let before = text & !(u64::MAX << (8 * point));
        text = (text & (u64::MAX << 8 << (8 * point))) | before << 8;
        (digits, decimals) = (length - 1, 7 - point as usize);
        if digits == 0 {
            return None;
        }
    }
    let values = text ^ (each(b'0') << (8 * (8 - digits)));
    if !are_digits(values) {
        return None;
    }
    scale(eight_digits(values), decimals, unit, rounding)
}

/// The same of 9 to 12 characters, in two halves.
#[inline(never)]
fn parse_long(window: &[u8; WINDOW], length: usize, unit: u32, rounding: Rounding) -> Option<u64> {
    if length > MAX_LONG {
        return None;
    }
    let mut text = u128::from_le_bytes(*window) << (8 * (WINDOW - length));
    let (mut digits, mut decimals) = (length, 0);
    let [lower, upper] = halves(text).map(|half| bytes_that_are(half, b'.'));
    let points = u128::from(upper) << 64 | u128::from(lower);
    if points != 0 {
        let point = points.trailing_zeros() / 8;
        let before = text & !(u128::MAX << (8 * point));
        text = (text & (u128::MAX << 8 << (8 * point))) | before << 8;
        (digits, decimals) = (length - 1, WINDOW - 1 - point as usize);
    }
    let zeros = u128::from(each(b'0')) << 64 | u128::from(each(b'0'));
    let [first, last] = halves(text ^ (zeros << (8 * (WINDOW - digits))));
    if !(are_digits(first) && are_digits(last)) {
        return None;
    }
    scale(eight_digits(first) * POWERS[8] + eight_digits(last), decimals, unit, rounding)
}

/// The lower and the upper eight bytes.
#[inline]
#[expect(clippy::cast_possible_truncation, reason = "halves")]
const fn halves(text: u128) -> [u64; 2] {
    [text as u64, (text >> 64) as u64]
}

/// True if no byte is above 9.
#[inline]
const fn are_digits(values: u64) -> bool {
    (values | values.wrapping_add(each(0x7f - 9))) & each(0x80) == 0
}

/// A number of up to 12 digits with so many decimals, in units.
#[inline(always)]
fn scale(mantissa: u64, decimals: usize, unit: u32, rounding: Rounding) -> Option<u64> {
    // Where the unit has as many decimals as the text, the usual case, nothing is divided.
    match (unit, decimals) {
        (_, 0) => Some(mantissa * u64::from(unit)), // at most 10^12 x 10^6
        (1_000_000, 0..=6) => Some(mantissa * POWERS[6 - decimals]),
        (1_000, 0..=3) => Some(mantissa * POWERS[3 - decimals]),
        _ => {
            let (scaled, divisor) = (mantissa * u64::from(unit), POWERS[decimals]);
            round(u128::from(scaled / divisor), !scaled.is_multiple_of(divisor), rounding).ok()
        }
    }
}

/// A byte, eight times.
pub(crate) const fn each(byte: u8) -> u64 {
    u64::from_le_bytes([byte; 8])
}

/// The high bit of each byte that is `byte`.
#[inline]
pub(crate) fn bytes_that_are(text: u64, byte: u8) -> u64 {
    let other = text ^ each(byte);
    !(((other & each(0x7f)) + each(0x7f)) | other) & each(0x80)
}

/// The number whose digits, most significant first, stand in the bytes of `digits`, the lowest byte first: neighbours are put
/// together three times.
#[inline]
fn eight_digits(digits: u64) -> u64 {
    const EVERY_FOURTH: u64 = 0x0000_00ff_0000_00ff;
    let pairs = (digits * 10).wrapping_add(digits >> 8);
    let upper = (pairs & EVERY_FOURTH).wrapping_mul(100 + (1_000_000 << 32));
    let lower = (pairs >> 16 & EVERY_FOURTH).wrapping_mul(1 + (10_000 << 32));
    upper.wrapping_add(lower) >> 32
}

/// Any decimal number, with sign and exponent.
fn parse_any(text: &[u8], unit: u32, rounding: Rounding) -> Result<u64, Fault> {
    let (negative, digits) = match text {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        _ => (false, text),
    };
    let lower = digits.to_ascii_lowercase();
    if matches!(lower.as_slice(), b"inf" | b"infinity" | b"nan") {
        return Err(Fault::NotFinite);
    }
    let (number, exponent) = match lower.iter().position(|&byte| byte == b'e') {
        Some(at) => (&lower[..at], parse_exponent(&lower[at + 1..])?),
        None => (&lower[..], 0),
    };
    let (mantissa, fraction_digits) = parse_mantissa(number)?;
    if mantissa == 0 {
        return Ok(0);
    }
    if negative {
        return Err(Fault::Negative);
    }
    let scaled = mantissa * u128::from(unit); // at most 10^30 x 2^20
    let exponent = exponent - fraction_digits;
    let power = u32::try_from(exponent.unsigned_abs()).ok().and_then(|power| 10u128.checked_pow(power));
    if exponent >= 0 {
        let units = power.and_then(|power| scaled.checked_mul(power)).ok_or(Fault::TooLarge)?;
        return round(units, false, rounding);
    }
    match power {
        Some(power) => round(scaled / power, !scaled.is_multiple_of(power), rounding),
        None => round(0, true, rounding), // 10^38 is above every scaled mantissa
    }
}

/// The digits as one integer, and how many of them stand behind the point.
fn parse_mantissa(number: &[u8]) -> Result<(u128, i64), Fault> {
    let (mut mantissa, mut significant, mut fraction_digits) = (0u128, 0, 0i64);
    let (mut any, mut point, mut zeros) = (false, false, 0u32);
    for &byte in number {
        match byte {
            b'0'..=b'9' => {
                any = true;
                fraction_digits += i64::from(point);
                if byte == b'0' {
                    zeros += 1; // taken in once a digit other than 0 follows
                    continue;
                }
                significant += if mantissa == 0 { 1 } else { zeros + 1 };
                if significant > MAX_DIGITS {
                    return Err(Fault::TooManyDigits);
                }
                let shift = if mantissa == 0 { 1 } else { 10u128.pow(zeros + 1) };
                mantissa = mantissa * shift + u128::from(byte - b'0');
                zeros = 0;
            }
            b'.' if !point => point = true,
            _ => return Err(Fault::NotANumber),
        }
    }
    if !any {
        return Err(Fault::NotANumber);
    }
    // Zeros at the end are not in the mantissa: they count as a shift of the point.
    Ok((mantissa, if mantissa == 0 { 0 } else { fraction_digits - i64::from(zeros) }))
}

/// The power of ten after the `e`.
fn parse_exponent(text: &[u8]) -> Result<i64, Fault> {
    let (sign, digits) = match text {
        [b'-', rest @ ..] => (-1, rest),
        [b'+', rest @ ..] => (1, rest),
        _ => (1, text),
    };
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return Err(Fault::NotANumber);
    }
    let size = digits.iter().fold(0i64, |size, &byte| (size * 10 + i64::from(byte - b'0')).min(1_000_000));
    Ok(sign * size)
}

fn round(units: u128, remainder: bool, rounding: Rounding) -> Result<u64, Fault> {
    let units = match rounding {
        Rounding::Up => units + u128::from(remainder),
        Rounding::Down => units.max(u128::from(remainder)),
        Rounding::Exact if remainder => return Err(Fault::NotWhole),
        Rounding::Exact => units,
    };
    u64::try_from(units).map_err(|_| Fault::TooLarge)
}

/// A whole number that may be negative, as in a priority.
pub(crate) fn parse_signed(text: &[u8]) -> Result<i64, Fault> {
    let (negative, digits) = match text {
        [b'-', rest @ ..] if !matches!(rest, [b'-' | b'+', ..]) => (true, rest),
        _ => (false, text),
    };
    let size = i64::try_from(parse(digits, 1, Rounding::Exact)?).map_err(|_| Fault::TooLarge)?;
    Ok(if negative { -size } else { size })
}

/// Thousandths (milli-cores, milli-GPU) as a minimal decimal: `1500` is shown as `1.5`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Thousandths(pub(crate) u64);

impl fmt::Display for Thousandths {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_minimal(f, self.0 / 1000, self.0 % 1000, 3)
    }
}

/// MiB as a minimal decimal number of GB of 1024 MiB: `1536` is shown as `1.5`. Exact.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Gigabytes(pub(crate) u64);

impl fmt::Display for Gigabytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // 1/1024 = 0.0009765625: ten decimals are enough for every number of MiB.
        write_minimal(f, self.0 / 1024, (self.0 % 1024) * 9_765_625, 10)
    }
}

/// Millionths (speeds) as a minimal decimal.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Millionths(pub(crate) u64);

impl fmt::Display for Millionths {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_minimal(f, self.0 / 1_000_000, self.0 % 1_000_000, 6)
    }
}

fn write_minimal(f: &mut fmt::Formatter<'_>, whole: u64, mut fraction: u64, mut width: usize) -> fmt::Result {
    if fraction == 0 {
        return write!(f, "{whole}");
    }
    while fraction.is_multiple_of(10) {
        fraction /= 10;
        width -= 1;
    }
    write!(f, "{whole}.{fraction:0width$}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn up(text: &str, unit: u32) -> Result<u64, Fault> {
        parse(text.as_bytes(), unit, Rounding::Up)
    }

    #[test]
    fn decimals_become_units() {
        assert_eq!(up("1.5", 1000), Ok(1500));
        assert_eq!(up("0.1", 1024), Ok(103), "102.4 MiB round up");
        assert_eq!(parse(b"0.1", 1024, Rounding::Down), Ok(102));
        assert_eq!(up(".5", 1000), Ok(500));
        assert_eq!(up("5.", 1000), Ok(5000));
        assert_eq!(up("+1e3", 1), Ok(1000));
        assert_eq!(up("1.5E-3", 1000), Ok(2));
        assert_eq!(up("100000000000.000000", 1_000_000), Ok(100_000_000_000_000_000));
        assert_eq!(up("0.000000000000000000000000000000000000", 1), Ok(0));
        assert_eq!(up("100000000000000000000000000000000000000e-38", 1), Ok(1));
        assert_eq!(up("-0.0", 1), Ok(0));
        assert_eq!(up("4.6", 1_000_000), Ok(4_600_000), "4.6 has no exact binary form");
        assert_eq!(up("12345.678901", 1_000_000), Ok(12_345_678_901));
        assert_eq!(up(".00000000001", 1_000_000), Ok(1));
    }

    #[test]
    fn a_positive_value_never_becomes_zero() {
        assert_eq!(up("0.00000000001", 1000), Ok(1));
        assert_eq!(parse(b"0.0001", 1000, Rounding::Down), Ok(1));
        assert_eq!(up("1e-999999999999", 1000), Ok(1));
    }

    #[test]
    fn faults_are_told_apart() {
        assert_eq!(up("", 1), Err(Fault::NotANumber));
        assert_eq!(up(".", 1), Err(Fault::NotANumber));
        assert_eq!(up("1.2.3", 1), Err(Fault::NotANumber));
        assert_eq!(up("1e", 1), Err(Fault::NotANumber));
        assert_eq!(up("0x10", 1), Err(Fault::NotANumber));
        assert_eq!(up("1 2", 1), Err(Fault::NotANumber));
        assert_eq!(up("NaN", 1), Err(Fault::NotFinite));
        assert_eq!(up("-inf", 1), Err(Fault::NotFinite));
        assert_eq!(up("-1", 1), Err(Fault::Negative));
        assert_eq!(up("1e30", 1), Err(Fault::TooLarge));
        assert_eq!(up("1e999999999999", 1), Err(Fault::TooLarge));
        assert_eq!(up("1.0000000000000000000000000000001", 1), Err(Fault::TooManyDigits));
        assert_eq!(parse(b"1.5", 1, Rounding::Exact), Err(Fault::NotWhole));
        assert_eq!(parse(b"2.0", 1, Rounding::Exact), Ok(2));
        assert_eq!(parse_signed(b"-3"), Ok(-3));
        assert_eq!(parse_signed(b"--3"), Err(Fault::NotANumber));
    }

    #[test]
    fn amounts_are_written_minimally() {
        assert_eq!(Thousandths(1500).to_string(), "1.5");
        assert_eq!(Thousandths(7).to_string(), "0.007");
        assert_eq!(Gigabytes(1).to_string(), "0.0009765625");
        assert_eq!(Gigabytes(512).to_string(), "0.5");
        assert_eq!(Millionths(1_250_000).to_string(), "1.25");
    }

    proptest! {
        #[test]
        fn the_short_paths_agree_with_the_long_one(
            text in "[0-9]{0,8}\\.?[0-9]{0,6}|[0-9./:e+\u{ff}-]{0,13}",
            behind in any::<[u8; WINDOW]>(),
            unit in 1u32..1_000_001,
        ) {
            let mut window = behind;
            let length = text.len();
            window[..length.min(WINDOW)].copy_from_slice(&text.as_bytes()[..length.min(WINDOW)]);
            for unit in [unit, 1, 1_000, 1024, 1_000_000] {
                for rounding in [Rounding::Up, Rounding::Down, Rounding::Exact] {
                    let expected = parse_any(text.as_bytes(), unit, rounding);
                    prop_assert_eq!(parse(text.as_bytes(), unit, rounding), expected);
                    if let Some(units) = parse_short(&window, length, unit, rounding) {
                        prop_assert_eq!(Ok(units), expected);
                    } else {
                        let plain = text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
                        prop_assert!(length > MAX_LONG || !plain || expected.is_err());
                    }
                }
            }
        }

        #[test]
        fn what_is_written_reads_back(units in 0u64..1_000_000_000_000) {
            let text = Gigabytes(units).to_string();
            prop_assert_eq!(parse(text.as_bytes(), 1024, Rounding::Up), Ok(units));
            prop_assert_eq!(parse(text.as_bytes(), 1024, Rounding::Down), Ok(units));
            let text = Thousandths(units).to_string();
            prop_assert_eq!(parse(text.as_bytes(), 1000, Rounding::Exact), Ok(units));
        }

        #[test]
        fn no_text_panics(text in ".*", bytes in prop::collection::vec(any::<u8>(), 0..40)) {
            let _ = up(&text, 1_000_000);
            let _ = parse(&bytes, 1024, Rounding::Down);
            let _ = parse_signed(&bytes);
        }
    }
}
