//! The log file being written: its position, and the preallocated space ahead of it.

use std::path::PathBuf;

use super::preallocate::padded_len;
use crate::error::{Result, StorageError};
use crate::fs::FsFile;

/// How far ahead of the write position blocks are filled with zeros, so that a sync finds them written before.
pub(super) const ZERO_AHEAD_BYTES: u64 = 4 << 20;
/// How much of that is done at once in a quiet moment: about a third of a millisecond.
pub(super) const ZERO_STEP_BYTES: u64 = 256 << 10;
/// When no quiet moment comes, so much is done at once,
pub(super) const ZERO_BUSY_STEP_BYTES: u64 = 2 << 20;
/// when so little is left. A sync of blocks that were never written before waits for the file system's journal.
pub(super) const ZERO_AHEAD_BYTES_MIN: u64 = 256 << 10;

static ZEROS: [u8; ZERO_STEP_BYTES as usize] = [0; ZERO_STEP_BYTES as usize];

/// An open log file.
pub(super) struct Current {
    pub path: PathBuf,
    pub log: i64,
    pub file: Box<dyn FsFile>,
    /// Where the next entry goes.
    pub position: u64,
    /// Everything before this is synced.
    pub synced: u64,
    /// What the watermark says.
    pub noted: u64,
    /// The file's length.
    pub file_bytes: u64,
    /// Blocks before this were written at least once.
    pub zeroed: u64,
    /// Whether zeros are being added, a step at a time.
    pub filling: bool,
}

impl Current {
    /// Sees to it that the file reaches to `end`, by Apache's steps.
    pub fn reserve(&mut self, end: u64, pre_alloc_bytes: u64) -> Result<()> {
        let file_bytes = padded_len(end, self.file_bytes, pre_alloc_bytes);
        if file_bytes > self.file_bytes {
            self.file.allocate(file_bytes).map_err(StorageError::io(&self.path, "preallocate"))?;
            self.file_bytes = file_bytes;
        }
        Ok(())
    }

    /// Whether it is time for more zeros: when half of what lies ahead is used up, and then until all is there again.
    pub fn wants_zeros(&mut self) -> bool {
        let missing = self.zeros_end().saturating_sub(self.zeroed);
        self.filling = missing > 0 && (self.filling || missing >= ZERO_AHEAD_BYTES / 2);
        self.filling
    }

    /// Fills the preallocated space ahead with zeros, so many bytes at most, and syncs them.
    pub fn zero_ahead(&mut self, bytes_max: u64) -> Result<()> {
        let end = self.zeros_end().min(self.zeroed + bytes_max);
        if end <= self.zeroed {
            return Ok(());
        }
        while self.zeroed < end {
            let step = (end - self.zeroed).min(ZERO_STEP_BYTES);
            self.file
                .write_at(&ZEROS[..step as usize], self.zeroed)
                .map_err(StorageError::io(&self.path, "write zeros ahead"))?;
            self.zeroed += step;
        }
        self.file.sync_data().map_err(StorageError::io(&self.path, "fdatasync"))
    }

    /// How far the zeros should reach.
    fn zeros_end(&self) -> u64 {
        (self.position + ZERO_AHEAD_BYTES).min(self.file_bytes)
    }
}
