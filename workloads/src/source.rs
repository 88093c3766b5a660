//! Inputs: files that may be compressed, pipes, text; read from the start as often as needed.

use std::fs::File;
use std::io::{self, BufReader, Cursor, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use flate2::read::MultiGzDecoder;
use sha2::{Digest, Sha256};

use crate::problems::Problems;
use crate::zstd::ZstdReader;

/// What a compressed file's first bytes are, and how its name ends.
const MAGIC: [(Packing, &[u8]); 2] =
    [(Packing::Gzip, &[0x1f, 0x8b]), (Packing::Zstd, &[0x28, 0xb5, 0x2f, 0xfd])];

/// How a file is compressed; its name says it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Packing {
    Plain,
    Gzip,
    Zstd,
}

impl Packing {
    /// Every packing that a file of a scenario may have, with what it adds to the file's name.
    pub(crate) const ALL: [Self; 3] = [Self::Plain, Self::Gzip, Self::Zstd];

    /// What the name of such a file ends with.
    pub(crate) const fn extension(self) -> &'static str {
        match self {
            Self::Plain => "",
            Self::Gzip => ".gz",
            Self::Zstd => ".zst",
        }
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Plain => "no compression",
            Self::Gzip => "gzip",
            Self::Zstd => "zstd",
        }
    }

    pub(crate) fn of(path: &Path) -> Self {
        match path.extension().and_then(std::ffi::OsStr::to_str) {
            Some("gz") => Self::Gzip,
            Some("zst") => Self::Zstd,
            _ => Self::Plain,
        }
    }
}

/// An input that can be read from the start as often as needed.
#[derive(Clone, Debug)]
pub(crate) struct Source {
    pub(crate) path: PathBuf,
    /// The content, of what can be read only once and of what was given as text.
    bytes: Option<Arc<[u8]>>,
    is_pipe: bool,
    packing: Packing,
}

impl Source {
    pub(crate) fn new(path: &Path) -> Result<Self, Problems> {
        let failed = |error| Problems::io(path, "read", &error);
        let metadata = std::fs::metadata(path).map_err(failed)?;
        if metadata.is_dir() {
            return Err(Problems::file(path, "is a folder; expected a file"));
        }
        let bytes = if metadata.is_file() { None } else { Some(std::fs::read(path).map_err(failed)?.into()) };
        let packing = Packing::of(path);
        let source = Self { path: path.to_path_buf(), is_pipe: bytes.is_some(), bytes, packing };
        if packing == Packing::Plain {
            source.refuse_packed()?;
        }
        Ok(source)
    }

    /// A compressed file without its extension would be read as a text of one long, strange line.
    fn refuse_packed(&self) -> Result<(), Problems> {
        let mut first = Vec::new();
        let failed = |error| Problems::io(&self.path, "read", &error);
        self.raw()?.take(4).read_to_end(&mut first).map_err(failed)?;
        match MAGIC.iter().find(|(_, magic)| first.starts_with(magic)) {
            Some((packing, _)) => {
                let (name, extension) = (packing.name(), packing.extension());
                let message = format!(
                    "is compressed with {name}; expected plain text, or a name that ends with {extension}"
                );
                Err(Problems::file(&self.path, message))
            }
            None => Ok(()),
        }
    }

    /// A content that is in memory, with a name for messages.
    pub(crate) fn text(name: &str, text: &str) -> Self {
        let bytes = Some(text.as_bytes().into());
        Self { path: PathBuf::from(name), bytes, is_pipe: false, packing: Packing::Plain }
    }

    /// True for a pipe or the like, which can be read only once.
    pub(crate) fn is_pipe(&self) -> bool {
        self.is_pipe
    }

    /// Bytes of content in memory.
    pub(crate) fn bytes_in_memory(&self) -> u64 {
        self.bytes.as_ref().map_or(0, |bytes| bytes.len() as u64)
    }

    fn raw(&self) -> Result<Box<dyn Read + Send>, Problems> {
        Ok(match &self.bytes {
            Some(bytes) => Box::new(Cursor::new(Arc::clone(bytes))),
            None => {
                Box::new(File::open(&self.path).map_err(|error| Problems::io(&self.path, "read", &error))?)
            }
        })
    }

    /// The content, unpacked as it is read.
    pub(crate) fn open(&self) -> Result<Box<dyn Read + Send>, Problems> {
        let raw = self.raw()?;
        Ok(match self.packing {
            Packing::Plain => raw,
            Packing::Gzip => Box::new(MultiGzDecoder::new(raw)),
            Packing::Zstd => Box::new(ZstdReader::new(BufReader::with_capacity(1 << 16, raw))),
        })
    }

    /// The content with a line end after it: then every record ends with one, and lines can be counted.
    pub(crate) fn open_lines(&self, hashed: bool) -> Result<Lines, Problems> {
        Ok(Lines { content: self.open()?, hasher: hashed.then(Sha256::new), has_ended: false })
    }

    /// The whole content.
    pub(crate) fn read_all(&self) -> Result<Vec<u8>, Problems> {
        let mut content = Vec::new();
        self.open()?.read_to_end(&mut content).map_err(|error| self.unreadable(None, &error))?;
        Ok(content)
    }

    /// The SHA-256 of the unpacked content, in hexadecimal.
    pub(crate) fn sha256(&self) -> Result<String, Problems> {
        let mut lines = self.open_lines(true)?;
        io::copy(&mut lines, &mut io::sink()).map_err(|error| self.unreadable(None, &error))?;
        Ok(lines.sha256())
    }

    /// Reading has failed on this line, if that is known: the disk, or a compressed file that is cut off or damaged.
    #[cold]
    pub(crate) fn unreadable(&self, line: Option<u64>, error: &dyn std::fmt::Display) -> Problems {
        let what = match self.packing {
            Packing::Plain => String::new(),
            packing => format!(" (unpacking {}; is the file whole?)", packing.name()),
        };
        let mut problems = crate::problems::FileProblems::new(&self.path);
        problems.add(line, None, None, format!("cannot be read: {error}{what}"));
        problems.into()
    }
}

/// A content as lines, and perhaps its hash.
pub(crate) struct Lines {
    content: Box<dyn Read + Send>,
    hasher: Option<Sha256>,
    has_ended: bool,
}

impl Lines {
    /// The SHA-256 of what was read, in hexadecimal; of nothing if it was opened without.
    pub(crate) fn sha256(&mut self) -> String {
        hexadecimal(&self.hasher.take().unwrap_or_default().finalize())
    }
}

impl Read for Lines {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.has_ended || buffer.is_empty() {
            return Ok(0);
        }
        let read = self.content.read(buffer)?;
        if read == 0 {
            self.has_ended = true;
            buffer[0] = b'\n';
            return Ok(1);
        }
        if let Some(hasher) = &mut self.hasher {
            hasher.update(&buffer[..read]);
        }
        Ok(read)
    }
}

/// Bytes as lower-case hexadecimal digits.
pub(crate) fn hexadecimal(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}"); // a String takes everything
        text
    })
}
