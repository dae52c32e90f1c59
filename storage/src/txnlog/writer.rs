//! Appending transactions: one write and one sync per batch.
//!
//! The lane that owns the writer calls, for each batch, [`LogWriter::append`], [`LogWriter::flush`], then sends its
//! acknowledgements, then [`LogWriter::settle`]; and [`LogWriter::idle`] while it has nothing to do. Everything that
//! is not needed for durability (the watermark, zeroing ahead, trimming) happens in the last two, outside of the path
//! to an acknowledgement.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::current::{
    Current, ZERO_AHEAD_BYTES, ZERO_AHEAD_BYTES_MIN, ZERO_BUSY_STEP_BYTES, ZERO_STEP_BYTES,
};
use super::entry::{
    BATCH_BYTES_MAX, ENTRY_EXTRA_BYTES, LOG_HEADER_BYTES, TXN_BYTES_MAX, TXN_BYTES_MIN, encode, zxid_of,
};
use super::spare::{SpareLog, SpareRequest, remove_leftover};
use super::truncate::{Truncated, truncate_after};
use super::watermark::{Watermark, WatermarkFile};
use crate::error::{Result, StorageError};
use crate::fs::{Fs, FsFile};
use crate::names::log_name;

/// When so little preallocated space is left, more is added before it is needed.
const ALLOCATE_AHEAD_BYTES: u64 = 1 << 20;
/// The watermark is synced after so many batches at the latest,
const WATERMARK_BATCHES_MAX: u32 = 4096;
/// and in a quiet moment if there were so many since. A lane that serves one client has such a moment after every
/// batch; the client's next request should not find it syncing.
const WATERMARK_BATCHES_IDLE: u32 = 256;

/// Settings of a [`LogWriter`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LogWriterOptions {
    /// `preAllocSize`, in bytes: by how much a log file grows at a time. 0: not ahead of what is written.
    pub pre_alloc_bytes: u64,
    /// `txnLogSizeLimitInKb`, in bytes: a file with more than this written to it is closed at the next flush.
    /// Apache counts preallocated space as well, so that any limit below `preAllocSize` closes a file per flush;
    /// we count what is written.
    pub log_bytes_max: Option<u64>,
    /// `forceSync`: whether [`LogWriter::flush`] syncs.
    pub force_sync: bool,
}

impl Default for LogWriterOptions {
    fn default() -> Self {
        LogWriterOptions { pre_alloc_bytes: 64 << 20, log_bytes_max: None, force_sync: true }
    }
}

/// Writes transactions to `log.<zxid>` files in one directory. There must be one only, which the caller's
/// [`crate::DirLock`] sees to.
pub struct LogWriter {
    fs: Arc<dyn Fs>,
    dir: PathBuf,
    options: LogWriterOptions,
    /// `None` until the first append after opening or rolling: a file's name is its first zxid.
    current: Option<Current>,
    watermark: WatermarkFile,
    batches_since_watermark_sync: u32,
    /// The last closed file, if its preallocated rest is still to be given back.
    to_trim: Option<(Box<dyn FsFile>, u64)>,
    /// The next file, if it is prepared.
    spare: Option<SpareLog>,
    /// Whether somebody is preparing it.
    spare_requested: bool,
    /// How much was written to the file before the current one.
    last_file_bytes: u64,
    last_zxid: i64,
    durable_zxid: i64,
    buf: Vec<u8>,
    poisoned: Option<(PathBuf, String)>,
}

impl LogWriter {
    /// Opens a directory for appending. `last_zxid` is the last transaction that recovery found; recovery must have
    /// run, because a torn tail that is still there would be taken for damage later. Nothing is written to the log
    /// before the first append.
    ///
    /// # Errors
    /// [`StorageError::Io`].
    pub fn open(fs: Arc<dyn Fs>, dir: &Path, last_zxid: i64, options: LogWriterOptions) -> Result<LogWriter> {
        let watermark = WatermarkFile::open(&*fs, dir)?;
        remove_leftover(&*fs, dir)?;
        Ok(LogWriter {
            fs,
            dir: dir.to_owned(),
            options,
            current: None,
            watermark,
            batches_since_watermark_sync: 0,
            to_trim: None,
            spare: None,
            spare_requested: false,
            last_file_bytes: 0,
            last_zxid,
            durable_zxid: last_zxid,
            buf: Vec::new(),
            poisoned: None,
        })
    }

    /// Appends transactions, in order. They are durable after the next [`LogWriter::flush`].
    ///
    /// # Errors
    /// [`StorageError::Misuse`] when a payload is too short or too long, or its zxid is not above the one before, in
    /// which case nothing of this call is written. [`StorageError::Io`], after which every call answers
    /// [`StorageError::Poisoned`].
    pub fn append<P: AsRef<[u8]>>(&mut self, payloads: &[P]) -> Result<()> {
        self.check_poison()?;
        let last_zxid = self.check_batch(payloads)?;
        let result = self.append_checked(payloads);
        self.guard(result)?;
        self.last_zxid = last_zxid;
        Ok(())
    }

    /// Makes everything appended durable (unless `force_sync` is off), then closes the file if it has become too long.
    ///
    /// # Errors
    /// As [`LogWriter::append`]'s `Io` and `Poisoned`.
    pub fn flush(&mut self) -> Result<()> {
        self.check_poison()?;
        let result = self.sync_current();
        self.guard(result)?;
        self.durable_zxid = self.last_zxid;
        if let (Some(current), Some(limit)) = (&self.current, self.options.log_bytes_max)
            && current.position > limit
        {
            self.roll()?;
        }
        Ok(())
    }

    /// Housekeeping after the acknowledgements of a batch were sent: about a microsecond, now and then a sync.
    /// A caller that leaves it out loses no durability.
    ///
    /// # Errors
    /// As [`LogWriter::append`]'s `Io` and `Poisoned`.
    pub fn settle(&mut self) -> Result<()> {
        self.check_poison()?;
        let result = self.settle_inner();
        self.guard(result)
    }

    /// One step of the work that waits for a quiet moment, of well under a millisecond on a disk that is one. Returns
    /// whether there is more to do.
    ///
    /// # Errors
    /// As [`LogWriter::append`]'s `Io` and `Poisoned`.
    pub fn idle(&mut self) -> Result<bool> {
        self.check_poison()?;
        let result = self.idle_inner();
        self.guard(result)
    }

    /// What is to be done for the next file, if it is time: at the start, and once the current file is well begun.
    /// To be made on another thread and given back with [`LogWriter::give_spare`]; where nobody asks,
    /// [`LogWriter::idle`] does it.
    pub fn spare_request(&mut self) -> Option<SpareRequest> {
        let early =
            self.current.as_ref().is_some_and(|current| current.position < self.options.pre_alloc_bytes / 16);
        if self.spare.is_some() || self.spare_requested || early || self.options.pre_alloc_bytes == 0 {
            return None;
        }
        self.spare_requested = true;
        // As much as the last file needed, and some more.
        let zero_bytes = (self.last_file_bytes + self.last_file_bytes / 4).max(ZERO_AHEAD_BYTES);
        Some(self.new_spare_request(zero_bytes))
    }

    /// Takes the next file, prepared. Without it, the writer makes its next file itself.
    pub fn give_spare(&mut self, spare: SpareLog) {
        self.spare = Some(spare);
    }

    /// Flushes and closes the current file; the next append begins a new one.
    ///
    /// # Errors
    /// As [`LogWriter::append`]'s `Io` and `Poisoned`.
    pub fn roll(&mut self) -> Result<()> {
        self.check_poison()?;
        let result = self.roll_inner();
        self.guard(result)
    }

    /// Removes every transaction above `zxid`, durably. The next append begins a new file.
    ///
    /// # Errors
    /// As [`truncate_after`].
    pub fn truncate_after(&mut self, zxid: i64) -> Result<Truncated> {
        self.roll()?;
        self.to_trim = None;
        let result = truncate_after(&*self.fs, &self.dir, zxid);
        let done = self.guard(result)?;
        let reopened = WatermarkFile::open(&*self.fs, &self.dir);
        self.watermark = self.guard(reopened)?;
        self.last_zxid = self.last_zxid.min(zxid);
        self.durable_zxid = self.last_zxid;
        Ok(done)
    }

    /// Goes on after `zxid`, which came by another way than this log: a snapshot from the leader.
    ///
    /// # Errors
    /// As [`LogWriter::append`]'s `Io` and `Poisoned`.
    pub fn restart_after(&mut self, zxid: i64) -> Result<()> {
        self.roll()?;
        self.last_zxid = zxid;
        self.durable_zxid = zxid;
        Ok(())
    }

    /// Flushes, gives the preallocated rest of the file back, and makes the watermark durable.
    ///
    /// # Errors
    /// As [`LogWriter::append`]'s `Io` and `Poisoned`.
    pub fn close(mut self) -> Result<()> {
        self.roll()?;
        let result = self.trim().and_then(|_| self.sync_watermark());
        self.guard(result)?;
        remove_leftover(&*self.fs, &self.dir)
    }

    /// The last transaction appended.
    pub fn last_zxid(&self) -> i64 {
        self.last_zxid
    }

    /// The last transaction that a flush covered.
    pub fn durable_zxid(&self) -> i64 {
        self.durable_zxid
    }

    /// The length of the current file, preallocated space included; 0 when none is open. Apache's `snapSizeLimitInKb`
    /// counts this.
    pub fn file_bytes(&self) -> u64 {
        self.current.as_ref().map_or(0, |current| current.file_bytes)
    }

    /// The bytes written to the current file, header included; 0 when none is open.
    pub fn written_bytes(&self) -> u64 {
        self.current.as_ref().map_or(0, |current| current.position)
    }

    fn check_poison(&self) -> Result<()> {
        match &self.poisoned {
            None => Ok(()),
            Some((path, cause)) => Err(StorageError::Poisoned { path: path.clone(), cause: cause.clone() }),
        }
    }

    /// Remembers the first error for good: after a failed write or sync nobody knows what the disk holds.
    fn guard<T>(&mut self, result: Result<T>) -> Result<T> {
        if let Err(error) = &result {
            let path = self.current.as_ref().map_or_else(|| self.dir.clone(), |current| current.path.clone());
            self.poisoned = Some((path, error.to_string()));
        }
        result
    }

    fn check_batch<P: AsRef<[u8]>>(&self, payloads: &[P]) -> Result<i64> {
        let mut last = self.last_zxid;
        for payload in payloads {
            let payload = payload.as_ref();
            let misuse = |what| Err(StorageError::Misuse { path: self.dir.clone(), what });
            if payload.len() < TXN_BYTES_MIN || payload.len() > TXN_BYTES_MAX {
                return misuse(format!(
                    "a transaction of {} bytes; the limits are {TXN_BYTES_MIN} and {TXN_BYTES_MAX}",
                    payload.len()
                ));
            }
            let zxid = zxid_of(payload);
            if zxid <= last {
                return misuse(format!("transaction 0x{zxid:x} after 0x{last:x}"));
            }
            last = zxid;
        }
        Ok(last)
    }

    fn append_checked<P: AsRef<[u8]>>(&mut self, payloads: &[P]) -> Result<()> {
        let Some(first) = payloads.first() else { return Ok(()) };
        // What the watermark can say of the batch before, it says before this one is written.
        self.note_watermark()?;
        if self.current.is_none() {
            self.begin_file(zxid_of(first.as_ref()))?;
        }
        self.buf.clear();
        for payload in payloads {
            let payload = payload.as_ref();
            let unsynced =
                self.current.as_ref().map_or(0, |current| (current.position - current.synced) as usize);
            let pending = unsynced + self.buf.len();
            // A batch beyond the bound is written as several, each synced before the next.
            if pending > 0 && pending + payload.len() + ENTRY_EXTRA_BYTES > BATCH_BYTES_MAX {
                self.write_buf()?;
                self.sync_current()?;
                self.note_watermark()?;
            }
            encode(payload, &mut self.buf);
        }
        self.write_buf()?;
        // A single huge transaction must not keep its buffer for ever.
        if self.buf.capacity() > 2 * BATCH_BYTES_MAX {
            self.buf = Vec::new();
        }
        Ok(())
    }

    fn begin_file(&mut self, zxid: i64) -> Result<()> {
        let spare = match self.spare.take() {
            Some(spare) => spare,
            None => self.new_spare_request(ZERO_STEP_BYTES).make()?,
        };
        self.spare_requested = false;
        let path = self.dir.join(log_name(zxid));
        // Nothing of a log that is there may be overwritten, whatever led here.
        if self.fs.exists(&path) {
            return Err(StorageError::io(&path, "create")(std::io::ErrorKind::AlreadyExists.into()));
        }
        self.fs.rename(&spare.temp, &path).map_err(StorageError::io(&path, "rename"))?;
        self.fs.sync_dir(&self.dir).map_err(StorageError::io(&self.dir, "fsync directory"))?;
        self.watermark.note(Watermark {
            log: zxid,
            offset: LOG_HEADER_BYTES,
            zxid: self.durable_zxid,
            forced: self.options.force_sync,
        })?;
        self.watermark.sync()?;
        self.current = Some(Current {
            path,
            log: zxid,
            file: spare.file,
            position: LOG_HEADER_BYTES,
            synced: LOG_HEADER_BYTES,
            noted: LOG_HEADER_BYTES,
            file_bytes: spare.file_bytes,
            zeroed: spare.zeroed,
            filling: true,
        });
        Ok(())
    }

    fn new_spare_request(&self, zero_bytes: u64) -> SpareRequest {
        SpareRequest {
            fs: self.fs.clone(),
            dir: self.dir.clone(),
            pre_alloc_bytes: self.options.pre_alloc_bytes,
            zero_bytes,
        }
    }

    fn write_buf(&mut self) -> Result<()> {
        if self.buf.is_empty() {
            return Ok(());
        }
        let current = self.current.as_mut().expect("begun");
        current.reserve(current.position + self.buf.len() as u64, self.options.pre_alloc_bytes)?;
        current
            .file
            .write_at(&self.buf, current.position)
            .map_err(StorageError::io(&current.path, "write"))?;
        current.position += self.buf.len() as u64;
        current.file_bytes = current.file_bytes.max(current.position);
        current.zeroed = current.zeroed.max(current.position);
        self.buf.clear();
        Ok(())
    }

    fn sync_current(&mut self) -> Result<()> {
        let Some(current) = &mut self.current else { return Ok(()) };
        if current.synced < current.position {
            if self.options.force_sync {
                current.file.sync_data().map_err(StorageError::io(&current.path, "fdatasync"))?;
            }
            current.synced = current.position;
        }
        Ok(())
    }

    fn note_watermark(&mut self) -> Result<()> {
        let Some(current) = &mut self.current else { return Ok(()) };
        if current.noted == current.synced {
            return Ok(());
        }
        self.watermark.note(Watermark {
            log: current.log,
            offset: current.synced,
            zxid: self.durable_zxid,
            forced: self.options.force_sync,
        })?;
        current.noted = current.synced;
        self.batches_since_watermark_sync += 1;
        Ok(())
    }

    fn settle_inner(&mut self) -> Result<()> {
        self.note_watermark()?;
        if self.batches_since_watermark_sync >= WATERMARK_BATCHES_MAX {
            self.sync_watermark()?;
        }
        if let Some(current) = &mut self.current {
            let ahead = ALLOCATE_AHEAD_BYTES.min(self.options.pre_alloc_bytes / 8);
            current.reserve(current.position + ahead, self.options.pre_alloc_bytes)?;
            let needed = (current.position + ZERO_AHEAD_BYTES_MIN).min(current.file_bytes);
            if current.zeroed < needed && self.options.force_sync {
                current.zero_ahead(ZERO_BUSY_STEP_BYTES)?;
            }
        }
        Ok(())
    }

    fn sync_watermark(&mut self) -> Result<()> {
        if self.options.force_sync {
            self.watermark.sync()?;
        }
        self.batches_since_watermark_sync = 0;
        Ok(())
    }

    fn idle_inner(&mut self) -> Result<bool> {
        self.settle_inner()?;
        if self.trim()? {
            return Ok(true);
        }
        if self.batches_since_watermark_sync >= WATERMARK_BATCHES_IDLE {
            self.sync_watermark()?;
            return Ok(true);
        }
        if let Some(current) = &mut self.current
            && self.options.force_sync
            && current.wants_zeros()
        {
            current.zero_ahead(ZERO_STEP_BYTES)?;
            return Ok(true);
        }
        if let Some(mut request) = self.spare_request() {
            request.zero_bytes = ZERO_STEP_BYTES;
            // Nothing is lost without it: the write that begins the file says what is wrong with the disk.
            if let Ok(spare) = request.make() {
                self.give_spare(spare);
            }
        }
        Ok(false)
    }

    /// Gives back what the last closed file did not use of its preallocated space.
    fn trim(&mut self) -> Result<bool> {
        let Some((file, len)) = self.to_trim.take() else { return Ok(false) };
        file.set_len(len).map_err(StorageError::io(&self.dir, "truncate a closed log"))?;
        Ok(true)
    }

    fn roll_inner(&mut self) -> Result<()> {
        self.sync_current()?;
        self.durable_zxid = self.last_zxid;
        self.note_watermark()?;
        self.trim()?;
        if let Some(current) = self.current.take() {
            self.last_file_bytes = current.position;
            if current.file_bytes > current.position {
                self.to_trim = Some((current.file, current.position));
            }
        }
        Ok(())
    }
}
