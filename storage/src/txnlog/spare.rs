//! The next log file, prepared before it is needed.
//!
//! Creating a file, preallocating it, writing its first blocks and syncing all that costs several commits of the
//! file system's journal: milliseconds, tens of them on a busy disk. Prepared under a temporary name, on another
//! thread or in a quiet moment, all that is left for the write that begins a file is a rename.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::entry::{LOG_HEADER_BYTES, file_header};
use super::preallocate::padded_len;
use crate::error::{Result, StorageError};
use crate::fs::{Fs, FsFile};
use crate::names::TEMP_PREFIX;

/// How much is written at once.
const WRITE_BYTES: usize = 1 << 20;

/// What it takes to prepare the next log file. It may be taken to another thread.
pub struct SpareRequest {
    pub(super) fs: Arc<dyn Fs>,
    pub(super) dir: PathBuf,
    pub(super) pre_alloc_bytes: u64,
    /// How much of it to fill with zeros.
    pub(super) zero_bytes: u64,
}

/// A log file without a name and without transactions, durable.
pub struct SpareLog {
    pub(super) temp: PathBuf,
    pub(super) file: Box<dyn FsFile>,
    pub(super) file_bytes: u64,
    /// Blocks before this were written.
    pub(super) zeroed: u64,
}

impl SpareRequest {
    /// Prepares the file.
    ///
    /// # Errors
    /// [`StorageError::Io`]. Without a spare, the writer makes its next file itself.
    pub fn make(self) -> Result<SpareLog> {
        remove_leftover(&*self.fs, &self.dir)?;
        let made = self.write();
        if made.is_err() {
            // A full disk needs the space more than we do.
            let _ = remove_leftover(&*self.fs, &self.dir);
        }
        made
    }

    fn write(&self) -> Result<SpareLog> {
        let temp = temp_path(&self.dir);
        let file = self.fs.create(&temp).map_err(StorageError::io(&temp, "create"))?;
        let file_bytes = padded_len(LOG_HEADER_BYTES, LOG_HEADER_BYTES, self.pre_alloc_bytes);
        file.allocate(file_bytes).map_err(StorageError::io(&temp, "preallocate"))?;
        let zeroed = self.zero_bytes.clamp(LOG_HEADER_BYTES, file_bytes);
        let mut piece = vec![0; WRITE_BYTES.min(zeroed as usize)];
        piece[..LOG_HEADER_BYTES as usize].copy_from_slice(&file_header());
        let mut at = 0;
        while at < zeroed {
            let n = piece.len().min((zeroed - at) as usize);
            file.write_at(&piece[..n], at).map_err(StorageError::io(&temp, "write"))?;
            // In steps, so that the syncs of the current log do not wait behind one large burst.
            file.sync_data().map_err(StorageError::io(&temp, "fdatasync"))?;
            piece[..LOG_HEADER_BYTES as usize].fill(0);
            at += n as u64;
        }
        file.sync_all().map_err(StorageError::io(&temp, "fsync"))?;
        Ok(SpareLog { temp, file, file_bytes, zeroed })
    }
}

/// Removes the spare file of an earlier process.
pub(super) fn remove_leftover(fs: &dyn Fs, dir: &Path) -> Result<()> {
    let temp = temp_path(dir);
    if fs.exists(&temp) {
        fs.remove(&temp).map_err(StorageError::io(&temp, "remove"))?;
    }
    Ok(())
}

fn temp_path(dir: &Path) -> PathBuf {
    dir.join(format!("{TEMP_PREFIX}log"))
}
