//! The records of a CSV file: where their cells stand, without a copy of them.
//!
//! What is a record is what the `csv` crate says, with `,` between cells, `"` around them and LF behind a record; a property
//! holds it to that. The crate goes through a table of states for each byte. Here marks (`,`, LF and `"`) are found 64 bytes at
//! a time, and a record without a quote stays in the buffer that it was read into.

use std::io::{self, Read};

/// So many bytes are read at a time. A longer record is put together elsewhere.
const CHUNK: usize = 1 << 16;

/// What ends a cell, a record, and a stretch without quotes.
const MARKS: [u8; 3] = *b",\n\"";

/// Bytes whose marks are found together.
const BLOCK: usize = 64;

/// So many bytes may be looked at from where a cell begins, whatever its length.
pub(crate) const WINDOW: usize = 16;

/// The UTF-8 byte order mark, which is no part of the first cell.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// Reads records, one at a time.
pub(crate) struct Records<R> {
    input: R,
    /// [`CHUNK`] bytes, and a block of zeros behind what is filled.
    buffer: Box<[u8]>,
    /// What was read and belongs to no record yet stands from here ...
    next: usize,
    /// ... to here.
    filled: usize,
    /// The marks of the block that begins at `block`, a bit a byte; those before `next` are gone.
    marks: u64,
    block: usize,
    has_begun: bool,
    has_ended: bool,
    /// The line that `next` is on, from 1.
    line: u64,
    /// Where the cells of the record begin, and where one more would.
    cells: Vec<usize>,
    /// Where the record begins in the buffer; `None` if it had to be put together in `whole`.
    place: Option<usize>,
    /// A record that has quotes or is longer than the buffer: its cells, a byte behind each, and zeros.
    whole: Vec<u8>,
    begins: u64,
    is_open: bool,
}

/// One record.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Record<'a> {
    /// Its cells, with a byte behind each, and then at least [`WINDOW`] bytes of anything.
    text: &'a [u8],
    cells: &'a [usize],
    /// The line where it begins, from 1.
    pub(crate) line: u64,
    /// The input has ended within quotes.
    pub(crate) is_open: bool,
}

impl<'a> Record<'a> {
    /// Number of cells, at least 1.
    #[inline]
    pub(crate) fn len(&self) -> usize {
        self.cells.len() - 1
    }

    /// A cell, from 0.
    #[inline]
    pub(crate) fn get(&self, at: usize) -> Option<&'a [u8]> {
        let next = *self.cells.get(at + 1)?;
        self.text.get(self.cells[at]..next - 1)
    }

    /// The length of a cell, and the bytes from where it begins: of a short cell more than there are of it.
    #[inline]
    pub(crate) fn window(&self, at: usize) -> Option<(usize, &'a [u8; WINDOW])> {
        let next = *self.cells.get(at + 1)?;
        let begin = self.cells[at];
        Some((next - 1 - begin, self.text.get(begin..)?.first_chunk()?))
    }

    /// All cells.
    pub(crate) fn iter(self) -> impl Iterator<Item = &'a [u8]> {
        (0..self.len()).filter_map(move |at| self.get(at))
    }
}

/// Where the reader of a record that is put together stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Within {
    /// In a cell without quotes, or behind those of one that has some.
    Plain,
    Quotes,
    /// Behind a quote within quotes: the last of the cell, or the first of two that stand for one.
    PerhapsBehind,
}

impl<R: Read> Records<R> {
    pub(crate) fn new(input: R) -> Self {
        Self {
            input,
            buffer: vec![0; CHUNK + BLOCK].into_boxed_slice(),
            next: 0,
            filled: 0,
            marks: 0,
            block: 0,
            has_begun: false,
            has_ended: false,
            line: 1,
            cells: Vec::new(),
            place: None,
            whole: Vec::new(),
            begins: 1,
            is_open: false,
        }
    }

    /// What is read from.
    pub(crate) fn input(&mut self) -> &mut R {
        &mut self.input
    }

    /// The record that [`Records::advance`] has found last.
    #[inline]
    pub(crate) fn record(&self) -> Record<'_> {
        let text = self.place.map_or(&self.whole[..], |begin| &self.buffer[begin..]);
        Record { text, cells: &self.cells, line: self.begins, is_open: self.is_open }
    }

    /// The line that is read next; after an error the one on which it struck.
    pub(crate) fn line(&self) -> u64 {
        let unread = &self.buffer[self.next..self.filled];
        self.line + unread.iter().filter(|&&byte| byte == b'\n').count() as u64
    }

    /// Goes on to the next record that is more than an empty line; false at the end.
    ///
    /// # Errors
    ///
    /// The input cannot be read.
    #[inline]
    pub(crate) fn advance(&mut self) -> io::Result<bool> {
        loop {
            let mut begin = self.next;
            self.cells.clear();
            self.cells.push(0);
            // In the usual case this loop is all: from mark to mark up to the end of the line.
            while let Some(at) = self.next_mark() {
                match self.buffer[at] {
                    b',' => self.cells.push(at + 1 - begin),
                    b'\n' if at > begin => {
                        self.cells.push(at + 1 - begin);
                        self.place = Some(begin);
                        (self.begins, self.is_open) = (self.line, false);
                        self.line += 1;
                        self.next = at + 1;
                        return Ok(true);
                    }
                    b'\n' => {
                        begin = at + 1;
                        self.next = begin;
                        self.line += 1;
                    }
                    _ => return self.put_together(),
                }
            }
            if self.next == 0 && self.filled == CHUNK {
                return self.put_together();
            }
            if !self.fill()? {
                return if self.next == self.filled { Ok(false) } else { self.put_together() };
            }
        }
    }

    /// Where the next mark stands, if there is one in what is filled.
    #[inline]
    fn next_mark(&mut self) -> Option<usize> {
        while self.marks == 0 {
            let block = self.block + BLOCK;
            if block >= self.filled {
                return None;
            }
            self.look_at(block);
        }
        let at = self.block + self.marks.trailing_zeros() as usize;
        self.marks &= self.marks - 1;
        Some(at)
    }

    /// Finds the marks of the block that begins at `block`.
    #[inline]
    fn look_at(&mut self, block: usize) {
        self.block = block;
        self.marks = self.buffer[block..].first_chunk().map_or(0, marks);
    }

    /// Looks again at everything from `next` on.
    fn look_again(&mut self) {
        self.look_at(self.next / BLOCK * BLOCK);
        self.marks &= u64::MAX << (self.next % BLOCK);
    }

    /// Reads more behind what is left, which moves to the front; false at the end of the input.
    #[cold]
    fn fill(&mut self) -> io::Result<bool> {
        self.buffer.copy_within(self.next..self.filled, 0);
        self.filled -= self.next;
        self.next = 0;
        let mut read = 0;
        while !self.has_ended && read == 0 {
            match self.input.read(&mut self.buffer[self.filled..CHUNK]) {
                Ok(0) => self.has_ended = true,
                Ok(some) => read = some,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
            // The mark must not be cut in two.
            if !self.has_begun && !self.has_ended && self.filled + read < BYTE_ORDER_MARK.len() {
                self.filled += read;
                read = 0;
            }
        }
        self.filled += read;
        if !self.has_begun {
            self.has_begun = true;
            self.next = if self.buffer.starts_with(BYTE_ORDER_MARK) { BYTE_ORDER_MARK.len() } else { 0 };
            read = self.filled - self.next;
        }
        self.buffer[self.filled..self.filled + BLOCK].fill(0);
        self.look_again();
        Ok(read > 0 || !self.has_ended)
    }

    /// Reads the record from `next` on into `whole`: one with quotes, one that is longer than the buffer, or a last one
    /// without a line end.
    #[cold]
    fn put_together(&mut self) -> io::Result<bool> {
        self.place = None;
        self.cells.clear();
        self.cells.push(0);
        self.whole.clear();
        self.begins = self.line;
        self.look_again();
        let (mut within, mut begin) = (Within::Plain, 0);
        loop {
            while let Some(at) = self.next_mark() {
                let (is_apart, mark) = (at > self.next, self.buffer[at]);
                self.whole.extend_from_slice(&self.buffer[self.next..at]);
                self.next = at + 1;
                self.line += u64::from(mark == b'\n');
                match (within, mark) {
                    (Within::Quotes, b'"') => within = Within::PerhapsBehind,
                    (Within::Quotes, _) => self.whole.push(mark),
                    (Within::PerhapsBehind, b'"') if !is_apart => {
                        self.whole.push(mark);
                        within = Within::Quotes;
                    }
                    (_, b',') => {
                        self.whole.push(mark);
                        (within, begin) = (Within::Plain, self.whole.len());
                        self.cells.push(begin);
                    }
                    (_, b'\n') => return Ok(self.end_whole(false)),
                    (Within::Plain, _) if self.whole.len() == begin => within = Within::Quotes,
                    _ => {
                        self.whole.push(mark);
                        within = Within::Plain;
                    }
                }
            }
            let rest = self.next..self.filled;
            if within == Within::PerhapsBehind && !rest.is_empty() {
                within = Within::Plain;
            }
            self.whole.extend_from_slice(&self.buffer[rest]);
            self.next = self.filled;
            if !self.fill()? {
                return Ok(self.end_whole(within == Within::Quotes));
            }
        }
    }

    fn end_whole(&mut self, is_open: bool) -> bool {
        self.cells.push(self.whole.len() + 1);
        self.whole.resize(self.whole.len() + 1 + WINDOW, 0);
        self.is_open = is_open;
        true
    }
}

/// The marks of a block, a bit a byte.
#[cfg(target_arch = "x86_64")]
#[inline]
fn marks(block: &[u8; BLOCK]) -> u64 {
    use std::arch::x86_64::{_mm_cmpeq_epi8, _mm_movemask_epi8, _mm_or_si128, _mm_set_epi64x, _mm_set1_epi8};

    #[target_feature(enable = "sse2")]
    fn marks(block: &[u8; BLOCK]) -> u64 {
        let [comma, line_end, quote] = MARKS.map(|mark| _mm_set1_epi8(mark.cast_signed()));
        let (words, _) = block.as_chunks::<8>();
        let (pairs, _) = words.as_chunks::<2>();
        pairs.iter().rfold(0, |marks, &[lower, upper]| {
            let bytes = _mm_set_epi64x(i64::from_le_bytes(upper), i64::from_le_bytes(lower));
            let is = |mark| _mm_cmpeq_epi8(bytes, mark);
            let found = _mm_or_si128(_mm_or_si128(is(comma), is(line_end)), is(quote));
            marks << 16 | u64::from(_mm_movemask_epi8(found).cast_unsigned())
        })
    }

    #[expect(unsafe_code, reason = "every x86-64 processor has SSE2")]
    unsafe {
        marks(block)
    }
}

/// The marks of a block, a bit a byte.
#[cfg(not(target_arch = "x86_64"))]
#[inline]
fn marks(block: &[u8; BLOCK]) -> u64 {
    marks_by_words(block)
}

/// The same eight bytes at a time, for any processor.
#[cfg(any(test, not(target_arch = "x86_64")))]
#[inline]
fn marks_by_words(block: &[u8; BLOCK]) -> u64 {
    let (words, _) = block.as_chunks::<8>();
    words.iter().rfold(0, |marks, word| marks << 8 | marks_of_word(u64::from_le_bytes(*word)))
}

/// The marks of eight bytes, a bit a byte.
#[cfg(any(test, not(target_arch = "x86_64")))]
#[inline]
fn marks_of_word(word: u64) -> u64 {
    const EACH: u64 = 0x0101_0101_0101_0101;
    const LOW: u64 = 0x7f * EACH;
    // The high bit of each byte that is not `mark`: nothing is carried from one byte to the next.
    let [a, b, c] = MARKS.map(|mark| {
        let difference = word ^ (u64::from(mark) * EACH);
        ((difference & LOW) + LOW) | difference
    });
    let found = !(a & b & c) & !LOW;
    // Brings the eight high bits together in the uppermost byte.
    (found >> 7).wrapping_mul(0x0102_0408_1020_4080) >> 56
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    type Found = Vec<(u64, Vec<Vec<u8>>)>;

    /// Gives its text in pieces of these sizes, over and over.
    struct Pieces<'a> {
        text: &'a [u8],
        sizes: std::iter::Cycle<std::slice::Iter<'a, usize>>,
    }

    impl Read for Pieces<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let size = self.sizes.next().copied().unwrap_or(1).min(buffer.len());
            self.text.read(&mut buffer[..size])
        }
    }

    fn found(text: &[u8], sizes: &[usize]) -> Found {
        let mut records = Records::new(Pieces { text, sizes: sizes.iter().cycle() });
        let mut all = Vec::new();
        while records.advance().unwrap() {
            let record = records.record();
            all.push((record.line, record.iter().map(<[u8]>::to_vec).collect()));
        }
        all
    }

    /// Without the lines, which the crate counts otherwise where lines are empty.
    fn by_the_crate(text: &[u8]) -> Vec<Vec<Vec<u8>>> {
        let mut reader = csv::ReaderBuilder::new()
            .flexible(true)
            .has_headers(false)
            .terminator(csv::Terminator::Any(b'\n'))
            .from_reader(text);
        let records = reader.byte_records().map(Result::unwrap);
        records.map(|record| record.iter().map(<[u8]>::to_vec).collect()).collect()
    }

    #[test]
    fn lines_are_those_where_records_begin() {
        let text = b"\xef\xbb\xbfa,b\n\n\nc,\"d\ne\"\nf,\r\n\"g";
        let lines: Vec<u64> = found(text, &[1]).iter().map(|(line, _)| *line).collect();
        assert_eq!(lines, [1, 4, 6, 7]);
        let mut records = Records::new(&text[..]);
        let mut open = Vec::new();
        while records.advance().unwrap() {
            open.push(records.record().is_open);
        }
        assert_eq!((open, records.line()), (vec![false, false, false, true], 7));
    }

    #[test]
    fn a_record_longer_than_the_buffer_is_put_together() {
        let long = "x".repeat(CHUNK);
        let text = format!("a,{long},b\nc,{long}{long}\n{long}d\ne,f\n");
        let all: Vec<Vec<Vec<u8>>> =
            found(text.as_bytes(), &[CHUNK]).into_iter().map(|(_, cells)| cells).collect();
        assert_eq!(all, by_the_crate(text.as_bytes()));
        assert_eq!(all.len(), 4);
    }

    #[test]
    fn an_error_names_the_line_that_it_struck() {
        struct Fails(u32);
        impl Read for Fails {
            fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
                self.0 += 1;
                match self.0 {
                    1 => Err(io::ErrorKind::Interrupted.into()),
                    2 => (&b"a,b\nc,d\n\"e\n"[..]).read(buffer),
                    _ => Err(io::Error::other("gone")),
                }
            }
        }
        let mut records = Records::new(Fails(0));
        assert!(records.advance().unwrap() && records.advance().unwrap());
        assert_eq!(records.advance().unwrap_err().to_string(), "gone");
        assert_eq!(records.line(), 4);
    }

    proptest! {
        #[test]
        fn records_are_those_of_the_csv_crate(
            text in "[a,\"\n\r;é]{0,300}",
            sizes in prop::collection::vec(1usize..90, 1..5),
        ) {
            let all: Vec<_> = found(text.as_bytes(), &sizes).into_iter().map(|(_, cells)| cells).collect();
            prop_assert_eq!(all, by_the_crate(text.as_bytes()));
        }

        #[test]
        fn marks_are_found_among_any_bytes(block in prop::collection::vec(any::<u8>(), BLOCK), at in 0..BLOCK) {
            let mut block: [u8; BLOCK] = block.try_into().unwrap();
            for mark in MARKS {
                block[at] = mark;
                let expected = (0..BLOCK).filter(|&at| MARKS.contains(&block[at]));
                let expected = expected.fold(0, |marks, at| marks | 1 << at);
                prop_assert_eq!((marks(&block), marks_by_words(&block)), (expected, expected));
            }
        }
    }
}
