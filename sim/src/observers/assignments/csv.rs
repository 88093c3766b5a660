//! Rows as CSV, by hand: the formatting of the standard library costs more than the rest of a row together.

use std::fs::File;
use std::io::{self, Write};

use cloudai_schedulers::{Duration, Time};

use super::{COLUMNS, Key, Row};

/// So much is collected before it is written.
const FLUSH: usize = 1 << 18;

/// Two digits for each number below 100.
const PAIRS: [[u8; 2]; 100] = {
    let mut pairs = [[b'0'; 2]; 100];
    let mut number = 0;
    while number < 100 {
        #[expect(clippy::cast_possible_truncation, reason = "below 100")]
        let digits = [b'0' + (number / 10) as u8, b'0' + (number % 10) as u8];
        pairs[number] = digits;
        number += 1;
    }
    pairs
};

/// Writes rows as CSV (RFC 4180, with LF as line end), byte for byte as the `csv` crate does.
#[derive(Debug)]
pub(super) struct CsvRows<W = File> {
    out: W,
    buffer: Vec<u8>,
    /// The rows of this instant, with where they begin in the buffer.
    instant: Vec<(Key, usize)>,
    /// They are in order as they stand.
    in_order: bool,
}

impl<W: Write> CsvRows<W> {
    /// Begins with the header.
    pub(super) fn new(out: W) -> Self {
        let mut buffer = Vec::with_capacity(FLUSH + (FLUSH >> 3));
        buffer.extend_from_slice(COLUMNS.join(",").as_bytes());
        buffer.push(b'\n');
        Self { out, buffer, instant: Vec::new(), in_order: true }
    }

    /// Adds a row of this instant.
    #[inline]
    pub(super) fn add(&mut self, key: Key, row: &Row<'_>) {
        self.in_order &= self.instant.last().is_none_or(|(last, _)| *last <= key);
        self.instant.push((key, self.buffer.len()));
        let out = &mut self.buffer;
        push_text(out, row.task_id);
        out.push(b',');
        push_text(out, row.worker_id);
        out.push(b',');
        out.extend_from_slice(row.gpu_devices.as_bytes());
        out.push(b',');
        push_whole(out, u64::from(row.attempt));
        out.push(b',');
        push_seconds(out, row.arrival.micros());
        for micros in [row.start.map(Time::micros), row.end.map(Time::micros), row.wait.map(Duration::micros)]
        {
            out.push(b',');
            if let Some(micros) = micros {
                push_seconds(out, micros);
            }
        }
        out.push(b',');
        out.extend_from_slice(row.status.as_bytes());
        out.push(b'\n');
    }

    /// No more rows of this instant follow: brings them into the order of their keys.
    #[inline]
    pub(super) fn settle(&mut self) -> io::Result<()> {
        if !self.in_order {
            self.sort();
        }
        self.instant.clear();
        if self.buffer.len() >= FLUSH { self.flush() } else { Ok(()) }
    }

    #[inline(never)]
    fn sort(&mut self) {
        let Some(&(_, first)) = self.instant.first() else { return };
        let unsorted = self.buffer.split_off(first);
        let ends = self.instant.iter().skip(1).map(|&(_, begin)| begin).chain([first + unsorted.len()]);
        let mut rows: Vec<(Key, &[u8])> = self
            .instant
            .iter()
            .zip(ends)
            .map(|(&(key, begin), end)| (key, unsorted.get(begin - first..end - first).unwrap_or_default()))
            .collect();
        rows.sort_unstable_by_key(|&(key, _)| key);
        for (_, row) in rows {
            self.buffer.extend_from_slice(row);
        }
        self.in_order = true;
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.write_all(&self.buffer)?;
        self.buffer.clear();
        Ok(())
    }

    pub(super) fn finish(&mut self) -> io::Result<()> {
        self.flush()?;
        self.out.flush()
    }
}

/// A text, in quotes if it has something that would end the cell.
#[inline]
fn push_text(out: &mut Vec<u8>, text: &str) {
    // Without an early end, so that it runs on many bytes at a time.
    let special = |byte: u8| (byte == b',') | (byte == b'"') | (byte == b'\n') | (byte == b'\r');
    if text.bytes().fold(false, |found, byte| found | special(byte)) {
        push_quoted(out, text);
    } else {
        out.extend_from_slice(text.as_bytes());
    }
}

#[cold]
fn push_quoted(out: &mut Vec<u8>, text: &str) {
    out.push(b'"');
    for byte in text.bytes() {
        if byte == b'"' {
            out.push(b'"');
        }
        out.push(byte);
    }
    out.push(b'"');
}

#[inline]
fn push_whole(out: &mut Vec<u8>, number: u64) {
    if number < 10 {
        #[expect(clippy::cast_possible_truncation, reason = "one digit")]
        out.push(b'0' + number as u8);
    } else {
        out.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
    }
}

/// Seconds with at most six decimals and without trailing zeros, as `Display` of a time has them.
#[inline]
fn push_seconds(out: &mut Vec<u8>, micros: u64) {
    push_whole(out, micros / 1_000_000);
    let fraction = (micros % 1_000_000) as usize;
    if fraction == 0 {
        return;
    }
    let [[a, b], [c, d], [e, f]] =
        [PAIRS[fraction / 10_000], PAIRS[fraction / 100 % 100], PAIRS[fraction % 100]];
    let digits = [b'.', a, b, c, d, e, f];
    let mut length = digits.len();
    while digits[length - 1] == b'0' {
        length -= 1; // ends at a digit other than 0 at the latest
    }
    out.extend_from_slice(&digits[..length]);
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
