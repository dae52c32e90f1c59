//! The entries of a log file as they lie on disk, right or wrong.
//!
//! Recovery reads logs through `zkrs_storage`, which refuses what is damaged. A tool must show the damage, so this
//! reader goes on behind a wrong checksum, as `TxnLogToolkit` does. Format: 16 bytes of header, then for each entry
//! an `i64` Adler-32 of the payload, an `i32` length, the payload and the byte `B`; a length of 0 is the end.

use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::Path;

use zkrs_storage::txnlog::TXN_BYTES_MAX;

use crate::tools::ToolError;

const MAGIC: i32 = 0x5a4b_4c47;
const END_MARK: u8 = b'B';

/// The 16 bytes at the beginning.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FileHeader {
    pub version: i32,
    pub dbid: i64,
}

impl FileHeader {
    pub fn bytes(self) -> [u8; 16] {
        let mut bytes = [0; 16];
        bytes[..4].copy_from_slice(&MAGIC.to_be_bytes());
        bytes[4..8].copy_from_slice(&self.version.to_be_bytes());
        bytes[8..].copy_from_slice(&self.dbid.to_be_bytes());
        bytes
    }
}

/// One entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    /// Where it starts, bytes.
    pub offset: u64,
    /// The checksum that is stored.
    pub stored: i64,
    pub payload: Vec<u8>,
    /// Whether the byte behind it is the end mark.
    pub is_whole: bool,
}

impl Frame {
    /// The checksum that the payload has.
    pub fn checksum(&self) -> i64 {
        i64::from(simd_adler32::adler32(&self.payload.as_slice()))
    }

    /// The zxid in the header; 0 if the payload is too short to have one.
    pub fn zxid(&self) -> i64 {
        let bytes = self.payload.get(12..20).and_then(|bytes| bytes.try_into().ok());
        bytes.map_or(0, i64::from_be_bytes)
    }

    pub fn is_intact(&self) -> bool {
        self.stored == self.checksum()
    }

    /// The entry's bytes with the checksum `stored`.
    pub fn bytes(&self, stored: i64) -> Vec<u8> {
        let length = i32::try_from(self.payload.len()).expect("checked when it was read");
        let mut bytes = Vec::with_capacity(self.payload.len() + 13);
        bytes.extend(stored.to_be_bytes());
        bytes.extend(length.to_be_bytes());
        bytes.extend(&self.payload);
        bytes.push(END_MARK);
        bytes
    }
}

/// Reads one file.
pub struct Frames {
    input: BufReader<File>,
    offset: u64,
    pub header: FileHeader,
}

impl Frames {
    /// Opens a file and reads its header.
    ///
    /// # Errors
    /// The file cannot be read, or is no transaction log.
    pub fn open(path: &Path) -> Result<Self, ToolError> {
        let unreadable = || ToolError::new(format!("File doesn't exist or not readable: {}", path.display()));
        let file = File::open(path).map_err(|_| unreadable())?;
        if file.metadata().map_err(|_| unreadable())?.is_dir() {
            return Err(unreadable());
        }
        let mut frames = Self {
            input: BufReader::with_capacity(1 << 16, file),
            offset: 0,
            header: FileHeader { version: 0, dbid: 0 },
        };
        let name = path.file_name().unwrap_or_default().display().to_string();
        let no_log = || ToolError::usage(format!("Invalid magic number for {name}"));
        let header = (frames.number::<4>()?, frames.number::<4>()?, frames.number::<8>()?);
        let (Some(magic), Some(version), Some(dbid)) = header else { return Err(no_log()) };
        if i32::from_be_bytes(magic) != MAGIC {
            return Err(no_log());
        }
        frames.header = FileHeader { version: i32::from_be_bytes(version), dbid: i64::from_be_bytes(dbid) };
        Ok(frames)
    }

    /// The next entry; `None` at the end, which is an empty entry or an incomplete one.
    ///
    /// # Errors
    /// A length that no entry has; the system's.
    pub fn next(&mut self) -> Result<Option<Frame>, ToolError> {
        let offset = self.offset;
        let (Some(stored), Some(length)) = (self.number::<8>()?, self.number::<4>()?) else {
            return Ok(None);
        };
        let length = match usize::try_from(i32::from_be_bytes(length)) {
            Ok(0) => return Ok(None),
            Ok(length) if length <= TXN_BYTES_MAX => length,
            _ => {
                let length = i32::from_be_bytes(length);
                return Err(ToolError::new(format!(
                    "the entry at offset {offset} claims {length} bytes; an entry has 1 to {TXN_BYTES_MAX}"
                )));
            }
        };
        let mut payload = Vec::new();
        let taken = self.input.by_ref().take(length as u64).read_to_end(&mut payload)?;
        self.offset += taken as u64;
        let Some([mark]) = self.number::<1>()?.filter(|_| taken == length) else { return Ok(None) };
        Ok(Some(Frame { offset, stored: i64::from_be_bytes(stored), payload, is_whole: mark == END_MARK }))
    }

    fn number<const N: usize>(&mut self) -> io::Result<Option<[u8; N]>> {
        let mut bytes = [0; N];
        match self.input.read_exact(&mut bytes) {
            Ok(()) => {
                self.offset += N as u64;
                Ok(Some(bytes))
            }
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(None),
            Err(error) => Err(error),
        }
    }
}
