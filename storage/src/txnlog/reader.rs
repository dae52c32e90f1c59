//! All logs of a directory read as one sequence of transactions.

use std::path::{Path, PathBuf};

use super::entry::{LOG_HEADER_BYTES, TXN_TYPE_ERROR, txn_type_of, zxid_of};
use super::scan::{LogScan, Step};
use super::tail::{Synced, Verdict, judge, last_data};
use super::watermark::Watermark;
use crate::error::{DamageKind, Result, StorageError};
use crate::fs::{Access, Fs, read_full};
use crate::names::{LogName, list_logs};
use crate::{counter_of, epoch_of};

/// Where a [`LogReader`] starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogStart {
    /// With the first transaction above this zxid, which must follow it without a hole.
    After(i64),
    /// With the oldest transaction there is.
    Oldest,
}

/// An intact transaction in a log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LogEntry<'a> {
    /// Its zxid.
    pub zxid: i64,
    /// Apache's `TxnHeader`, record and digest.
    pub payload: &'a [u8],
    /// The log file, by the first zxid in its name.
    pub log: i64,
    /// Where its entry starts in that file, in bytes.
    pub offset: u64,
}

/// How a log ended.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Tail {
    /// The last zxid read, or the one that the reader started after.
    pub last_zxid: i64,
    /// The last file with transactions, and the offset behind the last intact one.
    pub end: Option<(PathBuf, u64)>,
    /// The length of an incomplete write behind that offset, or in a file without any transaction: 0 when the log
    /// ends cleanly.
    pub torn_bytes: u64,
    /// Last files without a single transaction, which a crash leaves just after their creation.
    pub empty: Vec<PathBuf>,
}

/// Reads transactions in order, over all files. Changes nothing on disk.
pub struct LogReader<'a> {
    fs: &'a dyn Fs,
    /// The files not opened yet, oldest first.
    files: std::collections::VecDeque<LogName>,
    scan: Option<LogScan>,
    log: i64,
    /// The last zxid that the next must follow; `None` before the first of [`LogStart::Oldest`].
    previous: Option<i64>,
    /// Transactions up to here are skipped.
    skip_to: i64,
    /// The last zxid seen in the current file, skipped ones included.
    last_in_file: Option<i64>,
    watermark: Option<Watermark>,
    tail: Tail,
    bytes_before: u64,
    bytes_total: u64,
}

impl<'a> LogReader<'a> {
    /// Opens the logs in `dir`.
    ///
    /// # Errors
    /// [`StorageError::Io`], and [`StorageError::Damage`] when the log that should hold the first transaction is not
    /// there.
    pub fn open(fs: &'a dyn Fs, dir: &Path, start: LogStart) -> Result<LogReader<'a>> {
        let mut files = std::collections::VecDeque::from(list_logs(fs, dir)?);
        let watermark = Watermark::load(fs, dir)?;
        let mut tail = Tail::default();
        drop_empty_logs(fs, &mut files, watermark, &mut tail)?;
        let (previous, skip_to) = match start {
            LogStart::Oldest => (None, i64::MIN),
            LogStart::After(zxid) => (Some(zxid), zxid),
        };
        if let LogStart::After(zxid) = start {
            tail.last_zxid = zxid;
            while files.len() > 1 && files[1].zxid <= zxid.saturating_add(1) {
                files.pop_front();
            }
        }
        let mut bytes_total = 0;
        for name in &files {
            let file = fs.open(&name.path, Access::Read).map_err(StorageError::io(&name.path, "open"))?;
            bytes_total += file.len().map_err(StorageError::io(&name.path, "read the length"))?;
        }
        Ok(LogReader {
            fs,
            files,
            scan: None,
            log: 0,
            previous,
            skip_to,
            last_in_file: None,
            watermark,
            tail,
            bytes_before: 0,
            bytes_total,
        })
    }

    /// The next transaction; `None` at the end, after which [`LogReader::tail`] tells how it ended.
    ///
    /// # Errors
    /// [`StorageError::Io`], and [`StorageError::Damage`] for anything that is neither a transaction, nor the end, nor
    /// what a crash can leave behind the last synced one.
    #[allow(clippy::should_implement_trait)] // the items borrow the reader's buffer
    pub fn next(&mut self) -> Result<Option<LogEntry<'_>>> {
        let (offset, len, zxid) = loop {
            if self.scan.is_none() && !self.open_next()? {
                return self.finish().map(|()| None);
            }
            let scan = self.scan.as_mut().expect("just opened");
            match scan.step()? {
                Step::Entry { offset, len } => {
                    if let Some(zxid) = self.accept(offset, len)? {
                        break (offset, len, zxid);
                    }
                }
                Step::End => self.end_of_file(None)?,
                Step::Unreadable(why) => self.end_of_file(Some(why))?,
            }
        };
        let payload = self.scan.as_ref().expect("has this entry").payload(len);
        Ok(Some(LogEntry { zxid, payload, log: self.log, offset }))
    }

    /// How the log ended; complete once [`LogReader::next`] has returned `None`.
    pub fn tail(&self) -> &Tail {
        &self.tail
    }

    /// Bytes read so far, and bytes in all files to read (preallocated ones included).
    pub fn progress(&self) -> (u64, u64) {
        (self.bytes_before + self.scan.as_ref().map_or(0, LogScan::offset), self.bytes_total)
    }

    fn open_next(&mut self) -> Result<bool> {
        let Some(name) = self.files.pop_front() else { return Ok(false) };
        self.scan = Some(LogScan::open(self.fs, &name.path)?);
        self.log = name.zxid;
        self.last_in_file = None;
        Ok(true)
    }

    /// Checks the order of the entry just read; `None` when it is to be skipped.
    fn accept(&mut self, offset: u64, len: usize) -> Result<Option<i64>> {
        let scan = self.scan.as_ref().expect("has this entry");
        let payload = scan.payload(len);
        let (zxid, is_error) = (zxid_of(payload), txn_type_of(payload) == TXN_TYPE_ERROR);
        let path = scan.path();
        if self.last_in_file.is_none() && zxid != self.log {
            return Err(StorageError::damage(
                path,
                offset,
                self.previous.unwrap_or(0),
                DamageKind::Name,
                format!("the first transaction is 0x{zxid:x}, the name says 0x{:x}", self.log),
            ));
        }
        let skipped = zxid <= self.skip_to;
        let follows = match (self.last_in_file, self.previous) {
            // Skipped ones may have holes, where a snapshot from a leader replaced the log; but they never go back.
            (last, _) if skipped => last.is_none_or(|last| zxid > last || (zxid == last && is_error)),
            (_, None) => true,
            (_, Some(previous)) => follows(previous, zxid, is_error),
        };
        if !follows {
            let known = self.previous.or(self.last_in_file).unwrap_or(0);
            return Err(StorageError::damage(
                path,
                offset,
                known,
                DamageKind::Hole,
                format!("transaction 0x{zxid:x} does not follow 0x{known:x}: some between them are missing"),
            ));
        }
        self.last_in_file = Some(zxid);
        if skipped {
            return Ok(None);
        }
        self.previous = Some(zxid);
        self.tail.last_zxid = zxid;
        Ok(Some(zxid))
    }

    fn end_of_file(&mut self, why: Option<&str>) -> Result<()> {
        let scan = self.scan.take().expect("at its end");
        let last = self.previous.max(self.last_in_file).unwrap_or(0);
        let at = scan.offset();
        self.bytes_before += scan.file_bytes();
        let last_file = self.files.is_empty();
        // Apache leaves a torn tail where it is and repeats its zxid in a new file.
        let superseded = self.files.front().is_some_and(|next| next.zxid == last + 1 || next.zxid == last);
        if superseded {
            self.note_end(&scan, at);
            return Ok(());
        }
        let synced = match self.watermark {
            _ if !last_file => Synced::Unknown,
            Some(w) if w.log != self.log => Synced::Unknown,
            Some(w) if w.forced => Synced::UpTo(w.offset),
            Some(_) => Synced::Never,
            None => Synced::Unknown,
        };
        let torn_bytes = match judge(&scan, last, synced, why)? {
            Verdict::Clean => 0,
            Verdict::Torn(bytes) => bytes,
            Verdict::Damaged(what) => {
                return Err(StorageError::damage(scan.path(), at, last, DamageKind::Entry, what));
            }
            Verdict::Shortened(watermark) => return Err(shortened(scan.path(), at, last, watermark)),
        };
        if last_file {
            self.tail.torn_bytes += torn_bytes;
        }
        self.note_end(&scan, at);
        Ok(())
    }

    fn note_end(&mut self, scan: &LogScan, at: u64) {
        if at > LOG_HEADER_BYTES {
            self.tail.end = Some((scan.path().to_owned(), at));
        } else if self.files.is_empty() {
            self.tail.empty.push(scan.path().to_owned());
        }
    }

    fn finish(&mut self) -> Result<()> {
        let last = self.previous.max(self.last_in_file).unwrap_or(0);
        match self.watermark {
            Some(w) if w.forced && w.zxid > last => {
                let path = self.tail.end.as_ref().map(|(path, _)| path.clone()).unwrap_or_default();
                let at = self.tail.end.as_ref().map_or(0, |&(_, at)| at);
                Err(StorageError::damage(
                    &path,
                    at,
                    last,
                    DamageKind::Shortened,
                    format!(
                        "the log ends with 0x{last:x}, but was synced up to 0x{:x} in log.{:x}",
                        w.zxid, w.log
                    ),
                ))
            }
            _ => Ok(()),
        }
    }
}

/// Whether `next` may come right after `previous`.
pub(crate) fn follows(previous: i64, next: i64, next_is_error: bool) -> bool {
    next == previous.wrapping_add(1)
        || (epoch_of(next) > epoch_of(previous) && counter_of(next) == 1)
        || (next == previous && next_is_error)
}

fn shortened(path: &Path, at: u64, last: i64, watermark: u64) -> StorageError {
    StorageError::damage(
        path,
        at,
        last,
        DamageKind::Shortened,
        format!("the log ends here, but was synced up to {watermark}"),
    )
}

/// Takes last files without any byte of a transaction out of the list, and into `tail`.
fn drop_empty_logs(
    fs: &dyn Fs,
    files: &mut std::collections::VecDeque<LogName>,
    watermark: Option<Watermark>,
    tail: &mut Tail,
) -> Result<()> {
    while let Some(last) = files.back() {
        if !is_empty_log(fs, &last.path)? {
            break;
        }
        if let Some(w) = watermark
            && w.forced
            && w.log == last.zxid
            && w.offset > LOG_HEADER_BYTES
        {
            return Err(shortened(&last.path, 0, 0, w.offset));
        }
        tail.empty.push(last.path.clone());
        files.pop_back();
    }
    Ok(())
}

/// Whether a file holds at most a header, or a part of one, and zeros.
pub(crate) fn is_empty_log(fs: &dyn Fs, path: &Path) -> Result<bool> {
    let file = fs.open(path, Access::Read).map_err(StorageError::io(path, "open"))?;
    let len = file.len().map_err(StorageError::io(path, "read the length"))?;
    let mut start = [0; LOG_HEADER_BYTES as usize + 32];
    let n = read_full(&*file, &mut start, 0).map_err(StorageError::io(path, "read"))?;
    if start[LOG_HEADER_BYTES as usize..].iter().any(|&b| b != 0) {
        return Ok(false);
    }
    let header = &start[..n.min(LOG_HEADER_BYTES as usize)];
    let expected = super::entry::file_header();
    // What a torn write of the header leaves: right bytes and zeros.
    if !header.iter().zip(expected).all(|(&found, right)| found == right || found == 0) {
        return Ok(false);
    }
    Ok(last_data(&*file, LOG_HEADER_BYTES, len).map_err(StorageError::io(path, "read"))?.is_none())
}
