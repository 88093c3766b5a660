//! Unpacking zstd as a stream: all frames of a file, one after the other, each held against its checksum.

use std::io::{self, BufRead, Read};

use ruzstd::decoding::errors::{FrameDecoderError, ReadFrameHeaderError};
use ruzstd::decoding::{BlockDecodingStrategy, FrameDecoder};

/// So much is unpacked at a time, at least.
const STEP: usize = 1 << 17;

/// Reads what a zstd file unpacks to (RFC 8878, section 3: frames and skippable frames in any number).
pub(crate) struct ZstdReader<R> {
    packed: R,
    decoder: FrameDecoder,
    /// Within a frame that is not over.
    in_frame: bool,
    /// Some frame has begun: a file without any is no zstd file.
    any_frame: bool,
}

impl<R: BufRead> ZstdReader<R> {
    pub(crate) fn new(packed: R) -> Self {
        Self { packed, decoder: FrameDecoder::new(), in_frame: false, any_frame: false }
    }

    /// Begins the next frame; false at the end of the file.
    fn next_frame(&mut self) -> io::Result<bool> {
        loop {
            if self.packed.fill_buf()?.is_empty() && self.any_frame {
                return Ok(false);
            }
            match self.decoder.init(&mut self.packed) {
                Ok(()) => {
                    (self.in_frame, self.any_frame) = (true, true);
                    return Ok(true);
                }
                Err(FrameDecoderError::ReadFrameHeaderError(ReadFrameHeaderError::SkipFrame {
                    length,
                    ..
                })) => {
                    let skipped =
                        io::copy(&mut self.packed.by_ref().take(u64::from(length)), &mut io::sink())?;
                    if skipped < u64::from(length) {
                        return Err(io::ErrorKind::UnexpectedEof.into());
                    }
                    self.any_frame = true;
                }
                Err(error) => return Err(io::Error::other(error)),
            }
        }
    }

    /// The frame is over and everything of it was taken.
    fn end_frame(&mut self) -> io::Result<()> {
        self.in_frame = false;
        let (stated, found) = (self.decoder.get_checksum_from_data(), self.decoder.get_calculated_checksum());
        match (stated, found) {
            (Some(stated), Some(found)) if stated != found => {
                let message = format!("the checksum of the content is {found:08x}; expected {stated:08x}");
                Err(io::Error::new(io::ErrorKind::InvalidData, message))
            }
            _ => Ok(()),
        }
    }
}

impl<R: BufRead> Read for ZstdReader<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        loop {
            if !self.in_frame && !self.next_frame()? {
                return Ok(0);
            }
            // What can be collected may lag behind what was decoded by the size of the window.
            while self.decoder.can_collect() == 0 && !self.decoder.is_finished() {
                let step = BlockDecodingStrategy::UptoBytes(STEP);
                self.decoder.decode_blocks(&mut self.packed, step).map_err(io::Error::other)?;
            }
            let read = self.decoder.read(buffer)?;
            if read > 0 {
                return Ok(read);
            }
            self.end_frame()?;
        }
    }
}
