//! Cutting a log back to a transaction, as a leader demands it (TRUNC) or an operator.

use std::path::{Path, PathBuf};

use super::entry::LOG_HEADER_BYTES;
use super::entry::zxid_of;
use super::reader::is_empty_log;
use super::scan::{LogScan, Step};
use super::watermark::{Watermark, WatermarkFile};
use crate::error::{Result, StorageError};
use crate::fs::{Access, Fs};
use crate::names::list_logs;

/// What a truncation removed.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Truncated {
    /// The last transaction left, if any is.
    pub last_zxid: Option<i64>,
    /// Whole files removed.
    pub files_removed: Vec<PathBuf>,
    /// The file that was cut, and its new length in bytes.
    pub cut: Option<(PathBuf, u64)>,
}

/// Removes every transaction above `zxid` from the logs in `dir`, durably. Unlike Apache's, it does not need `zxid`
/// itself to be in the log, and never leaves a later one. No [`super::LogWriter`] may be open on the directory; use
/// [`super::LogWriter::truncate_after`] then.
///
/// Entries are read up to the first that is unreadable, so that this is also the way to give up what follows damage:
/// everything from there on goes.
///
/// # Errors
/// [`StorageError::Io`]; [`StorageError::Damage`] for a file header that cannot be read.
pub fn truncate_after(fs: &dyn Fs, dir: &Path, zxid: i64) -> Result<Truncated> {
    let mut done = Truncated::default();
    let mut keep = list_logs(fs, dir)?;
    keep.truncate(keep.partition_point(|log| log.zxid <= zxid));
    let mut cut = None;
    while let Some(last) = keep.last() {
        if is_empty_log(fs, &last.path)? {
            keep.pop();
            continue;
        }
        let (end, last_zxid) = end_at(fs, &last.path, zxid)?;
        if end > LOG_HEADER_BYTES {
            cut = Some((last.clone(), end));
            done.last_zxid = last_zxid;
            break;
        }
        keep.pop();
    }
    let first_removed = keep.last().map_or(i64::MIN, |last| last.zxid);
    // The watermark first: a crash in between may leave more log than it says, never less.
    if let Some(Watermark { forced, .. }) = Watermark::load(fs, dir)? {
        let mut file = WatermarkFile::open(fs, dir)?;
        let (log, offset) = cut.as_ref().map_or((0, 0), |(log, end)| (log.zxid, *end));
        file.note(Watermark { log, offset, zxid: done.last_zxid.unwrap_or(0), forced })?;
        file.sync()?;
    }
    // Newest first: at every moment what is left is a prefix.
    for log in list_logs(fs, dir)?.into_iter().rev().filter(|log| log.zxid > first_removed) {
        fs.remove(&log.path).map_err(StorageError::io(&log.path, "remove"))?;
        fs.sync_dir(dir).map_err(StorageError::io(dir, "fsync directory"))?;
        done.files_removed.push(log.path);
    }
    if let Some((log, end)) = cut {
        let file = fs.open(&log.path, Access::ReadWrite).map_err(StorageError::io(&log.path, "open"))?;
        file.set_len(end).map_err(StorageError::io(&log.path, "truncate"))?;
        file.sync_all().map_err(StorageError::io(&log.path, "fsync"))?;
        done.cut = Some((log.path, end));
    }
    Ok(done)
}

/// The offset behind the last entry at or below `zxid`, and that entry's zxid.
fn end_at(fs: &dyn Fs, path: &Path, zxid: i64) -> Result<(u64, Option<i64>)> {
    let mut scan = LogScan::open(fs, path)?;
    let (mut end, mut last) = (scan.offset(), None);
    while let Step::Entry { len, .. } = scan.step()? {
        let found = zxid_of(scan.payload(len));
        if found > zxid {
            break;
        }
        (end, last) = (scan.offset(), Some(found));
    }
    Ok((end, last))
}
