//! Rows as CSV, by hand: the formatting of the standard library costs more than the rest of a row together.

use std::fs::File;
use std::io::{self, Write};

use cloudai_schedulers::{Duration, Time};

use super::{COLUMNS, Key, Row};

/// So much is collected before it is written.
const FLUSH: usize = 1 << 18;

/// Two digits for each number below 100, the first one in the lower byte. That there are 128 spares a look at the length.
const PAIRS: [u16; 128] = {
    let mut pairs = [0; 128];
    let mut number = 0;
    while number < 100 {
        #[expect(clippy::cast_possible_truncation, reason = "below 100")]
        let digits = [b'0' + (number / 10) as u8, b'0' + (number % 10) as u8];
        pairs[number] = u16::from_le_bytes(digits);
        number += 1;
    }
    pairs
};

/// Writes rows as CSV (RFC 4180, with LF as line end), byte for byte as the `csv` crate does.
#[derive(Debug)]
pub(super) struct CsvRows<W = File> {
    out: W,
    /// What is not written yet, and room behind it.
    buffer: Vec<u8>,
    filled: usize,
    /// The rows of this instant, with where they begin in the buffer.
    instant: Vec<(Key, usize)>,
    /// They are in order as they stand.
    in_order: bool,
}

impl<W: Write> CsvRows<W> {
    /// Begins with the header.
    pub(super) fn new(out: W) -> Self {
        let mut rows = Self {
            out,
            buffer: vec![0; FLUSH + (FLUSH >> 3)],
            filled: 0,
            instant: Vec::new(),
            in_order: true,
        };
        let mut header = rows.text();
        header.bytes(COLUMNS.join(",").as_bytes());
        header.byte(b'\n');
        rows.filled = header.len;
        rows
    }

    /// What follows in the buffer.
    #[inline(always)]
    fn text(&mut self) -> Text<'_> {
        Text { room: &mut self.buffer, len: self.filled }
    }

    /// Makes room for so many more bytes.
    #[inline(always)]
    fn reserve(&mut self, more: usize) {
        if self.buffer.len() - self.filled < more {
            self.grow(more);
        }
    }

    #[cold]
    fn grow(&mut self, more: usize) {
        self.buffer.resize((self.filled + more).max(2 * self.buffer.len()), 0);
    }

    /// Adds a row of this instant.
    #[inline]
    pub(super) fn add(&mut self, key: Key, row: &Row<'_>) {
        self.in_order &= self.instant.last().is_none_or(|(last, _)| *last <= key);
        self.instant.push((key, self.filled));
        // Quotes may double a name.
        self.reserve(2 * (row.task_id.len() + row.worker_id.len()) + row.gpu_devices.len() + NUMBERS);
        let mut text = self.text();
        text.name(row.task_id);
        text.byte(b',');
        text.name(row.worker_id);
        text.byte(b',');
        text.bytes(row.gpu_devices.as_bytes());
        text.byte(b',');
        text.whole(u64::from(row.attempt));
        text.byte(b',');
        text.seconds(row.arrival.micros());
        for micros in [row.start.map(Time::micros), row.end.map(Time::micros), row.wait.map(Duration::micros)]
        {
            text.byte(b',');
            if let Some(micros) = micros {
                text.seconds(micros);
            }
        }
        text.byte(b',');
        text.bytes(row.status.as_bytes());
        text.byte(b'\n');
        self.filled = text.len;
    }

    /// No more rows of this instant follow: brings them into the order of their keys.
    #[inline]
    pub(super) fn settle(&mut self) -> io::Result<()> {
        if !self.in_order {
            self.sort();
        }
        self.instant.clear();
        if self.filled >= FLUSH { self.flush() } else { Ok(()) }
    }

    #[inline(never)]
    fn sort(&mut self) {
        let Some(&(_, first)) = self.instant.first() else { return };
        let unsorted = self.buffer[first..self.filled].to_vec();
        let ends = self.instant.iter().skip(1).map(|&(_, begin)| begin).chain([first + unsorted.len()]);
        let mut rows: Vec<(Key, &[u8])> = self
            .instant
            .iter()
            .zip(ends)
            .map(|(&(key, begin), end)| (key, unsorted.get(begin - first..end - first).unwrap_or_default()))
            .collect();
        rows.sort_unstable_by_key(|&(key, _)| key);
        self.filled = first;
        let mut text = self.text();
        for (_, row) in rows {
            text.bytes(row);
        }
        self.filled = text.len;
        self.in_order = true;
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.write_all(&self.buffer[..self.filled])?;
        self.filled = 0;
        Ok(())
    }

    pub(super) fn finish(&mut self) -> io::Result<()> {
        self.flush()?;
        self.out.flush()
    }
}

/// The most that everything in a row but names and devices takes: five numbers of 20 digits, four of them with six decimals,
/// separators and a status; and what is written beyond the end.
const NUMBERS: usize = 5 * 20 + 4 * 7 + 32 + 8;

/// Text that grows at its end.
///
/// Numbers are written eight bytes at a time, whatever their length, and the next piece overwrites what was too many: to append
/// each by its length takes longer than to format it. For that there has to be [room](CsvRows::reserve).
struct Text<'a> {
    room: &'a mut [u8],
    len: usize,
}

impl Text<'_> {
    #[inline(always)]
    fn byte(&mut self, byte: u8) {
        if let Some(place) = self.room.get_mut(self.len) {
            *place = byte;
        }
        self.len += 1;
    }

    #[inline(always)]
    fn bytes(&mut self, bytes: &[u8]) {
        if let Some(place) = self.room.get_mut(self.len..self.len + bytes.len()) {
            place.copy_from_slice(bytes);
        }
        self.len += bytes.len();
    }

    /// A text, in quotes if it has something that would end the cell.
    #[inline(always)]
    fn name(&mut self, text: &str) {
        if ends_cell(text.as_bytes()) {
            self.quoted(text);
        } else {
            self.bytes(text.as_bytes());
        }
    }

    #[cold]
    fn quoted(&mut self, text: &str) {
        self.byte(b'"');
        for byte in text.bytes() {
            if byte == b'"' {
                self.byte(b'"');
            }
            self.byte(byte);
        }
        self.byte(b'"');
    }

    /// Eight bytes, of which so many count.
    #[inline(always)]
    fn eight(&mut self, bytes: u64, count: usize) {
        if let Some(place) = self.room.get_mut(self.len..self.len + 8) {
            place.copy_from_slice(&bytes.to_le_bytes());
        }
        self.len += count;
    }

    #[inline(always)]
    fn whole(&mut self, number: u64) {
        match number {
            0..10 => self.eight(u64::from(b'0') + number, 1),
            10..100_000_000 => {
                let upper = number / 10_000;
                let digits = four_digits(upper) | four_digits(number - 10_000 * upper) << 32;
                // The first digit stands in the lowest byte.
                let zeros = (digits ^ ZEROS).trailing_zeros() / 8;
                self.eight(digits >> (8 * zeros), 8 - zeros as usize);
            }
            _ => self.bytes(itoa::Buffer::new().format(number).as_bytes()),
        }
    }

    /// Seconds with at most six decimals and without trailing zeros, as `Display` of a time has them.
    #[inline(always)]
    fn seconds(&mut self, micros: u64) {
        let seconds = micros / 1_000_000;
        self.whole(seconds);
        let fraction = micros - 1_000_000 * seconds;
        if fraction == 0 {
            return;
        }
        let upper = fraction / 100;
        let digits = four_digits(upper) | two_digits(fraction - 100 * upper) << 32;
        // Two bytes of nothing stand above the six digits.
        let zeros = (digits ^ (ZEROS >> 16)).leading_zeros() as usize / 8 - 2;
        self.eight(u64::from(b'.') | digits << 8, 7 - zeros);
    }
}

/// True if some byte would end a cell, or begin one with quotes.
#[inline(always)]
fn ends_cell(text: &[u8]) -> bool {
    let special = |byte: u8| matches!(byte, b',' | b'"' | b'\n' | b'\r');
    let Some(last) = text.last_chunk() else { return text.iter().any(|&byte| special(byte)) };
    let (words, _) = text.as_chunks::<8>();
    words.iter().chain([last]).any(|word| {
        let word = u64::from_le_bytes(*word);
        [b',', b'"', b'\n', b'\r'].into_iter().any(|byte| has_byte(word, byte))
    })
}

/// True if one of the eight bytes is this one: then, and only then, the lowest of those that are 0 after the first step borrows.
#[inline(always)]
const fn has_byte(word: u64, byte: u8) -> bool {
    let other = word ^ u64::from_le_bytes([byte; 8]);
    other.wrapping_sub(u64::from_le_bytes([1; 8])) & !other & u64::from_le_bytes([0x80; 8]) != 0
}

/// The digit 0, eight times.
const ZEROS: u64 = u64::from_le_bytes([b'0'; 8]);

/// The digits of a number below 100, the first one in the lowest byte.
#[inline(always)]
fn two_digits(number: u64) -> u64 {
    u64::from(PAIRS[(number & 127) as usize])
}

/// The digits of a number below 10,000.
#[inline(always)]
fn four_digits(number: u64) -> u64 {
    let upper = number / 100;
    two_digits(upper) | two_digits(number - 100 * upper) << 16
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The same row through the `csv` crate and the formatting of the standard library.
    fn by_the_crate(row: &Row<'_>) -> Vec<u8> {
        let mut out = csv::Writer::from_writer(Vec::new());
        let some = |value: Option<String>| value.unwrap_or_default();
        let cells = [
            row.task_id.to_owned(),
            row.worker_id.to_owned(),
            row.gpu_devices.to_owned(),
            row.attempt.to_string(),
            row.arrival.to_string(),
            some(row.start.map(|at| at.to_string())),
            some(row.end.map(|at| at.to_string())),
            some(row.wait.map(|time| time.to_string())),
            row.status.to_owned(),
        ];
        out.write_record(COLUMNS).unwrap();
        out.write_record(cells).unwrap();
        out.into_inner().unwrap()
    }

    fn micros() -> impl Strategy<Value = u64> {
        prop_oneof![any::<u64>(), 0..100_000_000u64, (0..100_000u64).prop_map(|millis| millis * 1000)]
    }

    proptest! {
        #[test]
        fn rows_are_those_of_the_csv_crate(
            task_id in "[a-c,;|\"\r\n é]{0,30}",
            worker_id in "[a-c,\"]{0,20}",
            attempt in any::<u32>(),
            arrival in micros(),
            start in prop::option::of(micros()),
            end in prop::option::of(micros()),
            wait in prop::option::of(micros()),
        ) {
            let row = Row {
                task_id: &task_id,
                worker_id: &worker_id,
                gpu_devices: "0|1;2",
                attempt,
                arrival: Time::from_micros(arrival),
                start: start.map(Time::from_micros),
                end: end.map(Time::from_micros),
                wait: wait.map(Duration::from_micros),
                status: "completed",
            };
            let mut found = Vec::new();
            let mut rows = CsvRows::new(&mut found);
            rows.add((0, attempt), &row);
            rows.settle().unwrap();
            rows.finish().unwrap();
            prop_assert_eq!(found, by_the_crate(&row));
        }

        #[test]
        fn rows_of_an_instant_are_written_by_their_keys(
            instants in prop::collection::vec(prop::collection::vec((0..20u32, 0..3u32), 0..9), 0..6),
        ) {
            let mut found = Vec::new();
            let mut rows = CsvRows::new(&mut found);
            let mut expected = vec![COLUMNS.join(",")];
            for mut keys in instants {
                for &(index, attempt) in &keys {
                    let row = Row {
                        task_id: &format!("t{index}"),
                        worker_id: "w",
                        gpu_devices: "",
                        attempt,
                        arrival: Time::ZERO,
                        start: None,
                        end: None,
                        wait: None,
                        status: "lost",
                    };
                    rows.add((index, attempt), &row);
                }
                rows.settle().unwrap();
                keys.sort_unstable();
                expected.extend(keys.iter().map(|(index, attempt)| format!("t{index},w,,{attempt},0,,,,lost")));
            }
            rows.finish().unwrap();
            prop_assert_eq!(String::from_utf8(found).unwrap(), expected.join("\n") + "\n");
        }
    }
}
