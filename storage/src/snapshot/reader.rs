//! Reading a snapshot back, piece by piece, with its seals verified.

use std::io::{self, Read};
use std::path::PathBuf;

use flate2::read::GzDecoder;
use simd_adler32::Adler32;

use super::snappy::SnappyReader;
use super::{Compression, HEADER_BYTES, SEAL_BYTES, SLASH, file_header, invalid};
use crate::error::{Result, StorageError};
use crate::fs::{Access, Fs, FsFile};
use crate::names::SnapshotName;

/// How much of the stream is handed out at once.
const CHUNK_BYTES: usize = 256 << 10;
const DIGEST_BYTES: usize = 20;
const LAST_ZXID_BYTES: usize = 8;
/// The longest tail: three seals, a digest, a last zxid.
const TAIL_BYTES_MAX: usize = 3 * SEAL_BYTES + DIGEST_BYTES + LAST_ZXID_BYTES;

/// Reads one snapshot. Nothing of it may be used before [`SnapshotReader::next_chunk`] has returned `None`: the
/// seals come last.
pub struct SnapshotReader {
    path: PathBuf,
    source: Source,
    buf: Vec<u8>,
    /// Bytes of `buf` that were handed out and are to be dropped.
    used: usize,
    /// Bytes of `buf` that hold data.
    filled: usize,
    adler: Adler32,
    stream_bytes: u64,
    /// The parts behind the body, once the end was seen.
    parts: Option<std::vec::IntoIter<SnapshotPart>>,
}

/// A piece of a snapshot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Chunk<'a> {
    /// Bytes of the body, which ends with the string `/`.
    Body(&'a [u8]),
    /// One of the parts behind it.
    Part(SnapshotPart),
}

/// A part behind the body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SnapshotPart {
    /// The tree's digest at some zxid.
    Digest {
        /// That zxid.
        zxid: i64,
        /// The version of the digest's definition.
        version: i32,
        /// The digest.
        digest: i64,
    },
    /// The last zxid applied when the snapshot was finished. The one in the file's name counts.
    LastZxid(i64),
}

impl SnapshotReader {
    /// Opens a snapshot and checks its header.
    ///
    /// # Errors
    /// [`StorageError::Damage`] of kind [`crate::DamageKind::Snapshot`]; [`StorageError::Io`].
    pub fn open(fs: &dyn Fs, name: &SnapshotName) -> Result<SnapshotReader> {
        let path = name.path.clone();
        let file = fs.open(&path, Access::Read).map_err(StorageError::io(&path, "open"))?;
        let plain = FileSource { file, at: 0 };
        let source = match name.compression {
            Compression::None => Source::Plain(plain),
            Compression::Gz => Source::Gz(Box::new(GzDecoder::new(plain))),
            Compression::Snappy => {
                let reader = SnappyReader::new(io::BufReader::with_capacity(CHUNK_BYTES, plain));
                Source::Snappy(Box::new(reader.map_err(|e| read_error(&path, 0, e))?))
            }
        };
        let mut reader = SnapshotReader {
            path,
            source,
            buf: vec![0; CHUNK_BYTES + TAIL_BYTES_MAX],
            used: 0,
            filled: 0,
            adler: Adler32::new(),
            stream_bytes: 0,
            parts: None,
        };
        reader.fill()?;
        if reader.filled < HEADER_BYTES || reader.buf[..HEADER_BYTES] != file_header() {
            return Err(invalid(&reader.path, 0, "its header is not a snapshot's"));
        }
        reader.consume(HEADER_BYTES);
        Ok(reader)
    }

    /// The next piece; `None` when all was read and every seal was right.
    ///
    /// # Errors
    /// [`StorageError::Damage`] of kind [`crate::DamageKind::Snapshot`]; [`StorageError::Io`].
    pub fn next_chunk(&mut self) -> Result<Option<Chunk<'_>>> {
        if let Some(parts) = &mut self.parts {
            return Ok(parts.next().map(Chunk::Part));
        }
        let more = self.fill()?;
        let have = self.filled - self.used;
        let body = if more {
            have.saturating_sub(TAIL_BYTES_MAX)
        } else {
            let (body, parts) = self.read_tail()?;
            self.parts = Some(parts.into_iter());
            body
        };
        let start = self.used;
        self.consume(body);
        Ok(Some(Chunk::Body(&self.buf[start..start + body])))
    }

    /// The bytes of the uncompressed stream read so far.
    pub fn stream_bytes(&self) -> u64 {
        self.stream_bytes
    }

    /// The bytes of the file read so far.
    pub fn file_bytes(&self) -> u64 {
        match &self.source {
            Source::Plain(file) => file.at,
            Source::Gz(decoder) => decoder.get_ref().at,
            Source::Snappy(decoder) => decoder.inner().get_ref().at,
        }
    }

    /// Counts `n` bytes into the checksum and marks them as handed out.
    fn consume(&mut self, n: usize) {
        self.adler.write(&self.buf[self.used..self.used + n]);
        self.used += n;
        self.stream_bytes += n as u64;
    }

    /// Fills the buffer; false when the stream has ended.
    fn fill(&mut self) -> Result<bool> {
        self.buf.copy_within(self.used..self.filled, 0);
        self.filled -= self.used;
        self.used = 0;
        while self.filled < self.buf.len() {
            match self.source.read(&mut self.buf[self.filled..]) {
                Ok(0) => return Ok(false),
                Ok(n) => self.filled += n,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(read_error(&self.path, self.file_bytes(), e)),
            }
        }
        Ok(true)
    }

    /// Finds where the body ends, by the seals behind it; returns its remaining length and the parts.
    fn read_tail(&mut self) -> Result<(usize, Vec<SnapshotPart>)> {
        let tail = &self.buf[self.used..self.filled];
        for (digest, last_zxid) in [(true, true), (true, false), (false, true), (false, false)] {
            let parts_bytes = SEAL_BYTES
                + if digest { DIGEST_BYTES + SEAL_BYTES } else { 0 }
                + if last_zxid { LAST_ZXID_BYTES + SEAL_BYTES } else { 0 };
            if let Some(body) = tail.len().checked_sub(parts_bytes)
                && let Some(parts) = sealed_parts(&self.adler, tail, body, digest, last_zxid)
            {
                self.stream_bytes += parts_bytes as u64;
                return Ok((body, parts));
            }
        }
        let at = self.stream_bytes + tail.len() as u64;
        Err(invalid(&self.path, at, "the checksum at its end does not match, or is missing"))
    }
}

/// The parts behind a body that ends at `body` in `tail`, if all seals are right.
fn sealed_parts(
    adler: &Adler32,
    tail: &[u8],
    body: usize,
    digest: bool,
    last_zxid: bool,
) -> Option<Vec<SnapshotPart>> {
    let mut adler = adler.clone();
    let mut at = 0;
    let mut sealed = |part_bytes: usize| {
        let part = &tail[at..at + part_bytes];
        adler.write(part);
        let seal = &tail[at + part_bytes..at + part_bytes + SEAL_BYTES];
        let right = seal[..8] == u64::from(adler.finish()).to_be_bytes() && seal[8..] == SLASH;
        adler.write(seal);
        at += part_bytes + SEAL_BYTES;
        right.then_some(part)
    };
    let mut parts = Vec::new();
    sealed(body)?;
    if digest {
        let part = sealed(DIGEST_BYTES)?;
        parts.push(SnapshotPart::Digest {
            zxid: i64_at(part, 0),
            version: i32::from_be_bytes(part[8..12].try_into().expect("four bytes")),
            digest: i64_at(part, 12),
        });
    }
    if last_zxid {
        parts.push(SnapshotPart::LastZxid(i64_at(sealed(LAST_ZXID_BYTES)?, 0)));
    }
    Some(parts)
}

fn i64_at(bytes: &[u8], at: usize) -> i64 {
    i64::from_be_bytes(bytes[at..at + 8].try_into().expect("eight bytes"))
}

/// Compressed bytes that cannot be decompressed are damage, not an error of the disk.
fn read_error(path: &std::path::Path, at: u64, error: io::Error) -> StorageError {
    match error.kind() {
        io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput | io::ErrorKind::UnexpectedEof => {
            invalid(path, at, format!("cannot be decompressed: {error}"))
        }
        // flate2 and snap report bad bytes as `Other`; the operating system's errors carry a number.
        _ if error.raw_os_error().is_none() => invalid(path, at, format!("cannot be decompressed: {error}")),
        _ => StorageError::io(path, "read")(error),
    }
}

enum Source {
    Plain(FileSource),
    Gz(Box<GzDecoder<FileSource>>),
    Snappy(Box<SnappyReader<io::BufReader<FileSource>>>),
}

impl Read for Source {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        match self {
            Source::Plain(file) => file.read(buf),
            Source::Gz(decoder) => decoder.read(buf),
            Source::Snappy(decoder) => decoder.read(buf),
        }
    }
}

struct FileSource {
    file: Box<dyn FsFile>,
    at: u64,
}

impl Read for FileSource {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let n = self.file.read_at(buf, self.at)?;
        self.at += n as u64;
        Ok(n)
    }
}
