//! One log file read forward, entry by entry, through a buffer.

use std::path::{Path, PathBuf};

use simd_adler32::adler32;

use super::entry::{
    END_MARK, ENTRY_EXTRA_BYTES, ENTRY_HEAD_BYTES, LOG_HEADER_BYTES, LOG_MAGIC, LOG_VERSION, TXN_BYTES_MAX,
    TXN_BYTES_MIN, be_i32, head, plausible_len,
};
use crate::error::{DamageKind, Result, StorageError};
use crate::fs::{Access, Fs, FsFile, read_full};

/// How much is read at once.
const CHUNK_BYTES: usize = 512 << 10;

/// A log file being read.
pub(crate) struct LogScan {
    path: PathBuf,
    file: Box<dyn FsFile>,
    file_bytes: u64,
    buf: Vec<u8>,
    /// The file offset of `buf[0]`.
    buf_at: u64,
    /// The bytes of `buf` that hold data.
    filled: usize,
    /// Where the next entry starts in `buf`.
    next: usize,
}

/// What the next bytes of a log are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    /// An intact entry; [`LogScan::payload`] is its payload of this many bytes.
    Entry {
        /// Where the entry starts in the file.
        offset: u64,
        /// The length of the payload.
        len: usize,
    },
    /// A zero entry head, or the end of the file: the usual end.
    End,
    /// Something that is not an intact entry.
    Unreadable(&'static str),
}

impl LogScan {
    /// Opens a log file and checks its header.
    pub fn open(fs: &dyn Fs, path: &Path) -> Result<LogScan> {
        let file = fs.open(path, Access::Read).map_err(StorageError::io(path, "open"))?;
        let file_bytes = file.len().map_err(StorageError::io(path, "read the length"))?;
        let mut scan = LogScan {
            path: path.to_owned(),
            file,
            file_bytes,
            buf: Vec::new(),
            buf_at: 0,
            filled: 0,
            next: 0,
        };
        let header = scan.peek(LOG_HEADER_BYTES as usize)?;
        let wrong = if header.len() < LOG_HEADER_BYTES as usize {
            Some(format!("{} bytes are too short for a log", header.len()))
        } else if be_i32(&header[..4]) != LOG_MAGIC {
            Some("the file does not start with ZKLG".to_owned())
        } else if be_i32(&header[4..8]) != LOG_VERSION {
            Some(format!("log version {} instead of {LOG_VERSION}", be_i32(&header[4..8])))
        } else {
            None
        };
        if let Some(what) = wrong {
            return Err(StorageError::damage(path, 0, 0, DamageKind::Header, what));
        }
        scan.next = LOG_HEADER_BYTES as usize;
        Ok(scan)
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The file itself, for a closer look at its tail.
    pub fn file(&self) -> &dyn FsFile {
        &*self.file
    }

    pub fn file_bytes(&self) -> u64 {
        self.file_bytes
    }

    /// Where the next entry starts.
    pub fn offset(&self) -> u64 {
        self.buf_at + self.next as u64
    }

    /// The payload of the entry that [`LogScan::step`] found last.
    pub fn payload(&self, len: usize) -> &[u8] {
        // `next` is behind the end mark of that entry.
        &self.buf[self.next - 1 - len..self.next - 1]
    }

    /// Reads one entry and moves behind it; does not move on anything else.
    pub fn step(&mut self) -> Result<Step> {
        let offset = self.offset();
        let bytes = self.peek(ENTRY_HEAD_BYTES)?;
        if bytes.len() < ENTRY_HEAD_BYTES {
            let zeros = bytes.iter().all(|&b| b == 0);
            return Ok(if zeros {
                Step::End
            } else {
                Step::Unreadable("the file ends inside an entry's head")
            });
        }
        let (checksum, len) = head(bytes);
        if checksum == 0 && len == 0 {
            return Ok(Step::End);
        }
        if !plausible_len(len) {
            return Ok(Step::Unreadable(if (len as usize) < TXN_BYTES_MIN {
                "the length is below that of a transaction's header"
            } else {
                debug_assert!(len as usize > TXN_BYTES_MAX);
                "the length is above the limit of 64 MiB"
            }));
        }
        let len = len as usize;
        let total = len + ENTRY_EXTRA_BYTES;
        if offset + total as u64 > self.file_bytes {
            return Ok(Step::Unreadable("the entry reaches beyond the end of the file"));
        }
        if total > CHUNK_BYTES && self.byte_at(offset + total as u64 - 1)? != END_MARK {
            return Ok(Step::Unreadable("the end mark is missing"));
        }
        let bytes = self.peek(total)?;
        if bytes.len() < total {
            return Ok(Step::Unreadable("the file ends inside an entry"));
        }
        if bytes[total - 1] != END_MARK {
            return Ok(Step::Unreadable("the end mark is missing"));
        }
        if u64::from(adler32(&&bytes[ENTRY_HEAD_BYTES..total - 1])) != checksum {
            return Ok(Step::Unreadable("the checksum does not match"));
        }
        self.next += total;
        Ok(Step::Entry { offset, len })
    }

    /// The next `want` bytes without moving; fewer only at the end of the file.
    fn peek(&mut self, want: usize) -> Result<&[u8]> {
        if self.filled - self.next < want {
            self.fill(want)?;
        }
        let have = (self.filled - self.next).min(want);
        Ok(&self.buf[self.next..self.next + have])
    }

    fn fill(&mut self, want: usize) -> Result<()> {
        self.buf.copy_within(self.next..self.filled, 0);
        self.buf_at += self.next as u64;
        self.filled -= self.next;
        self.next = 0;
        let left = self.file_bytes.saturating_sub(self.buf_at);
        let target = (want.max(CHUNK_BYTES) as u64).min(left) as usize;
        if self.buf.len() < target {
            self.buf.resize(target, 0);
        }
        if self.filled < target {
            let at = self.buf_at + self.filled as u64;
            let n = read_full(&*self.file, &mut self.buf[self.filled..target], at)
                .map_err(StorageError::io(&self.path, "read"))?;
            self.filled += n;
        }
        Ok(())
    }

    fn byte_at(&self, offset: u64) -> Result<u8> {
        let mut byte = [0];
        read_full(&*self.file, &mut byte, offset).map_err(StorageError::io(&self.path, "read"))?;
        Ok(byte[0])
    }
}
