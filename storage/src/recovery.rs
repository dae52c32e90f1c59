//! Start-up: from files to a state machine.
//!
//! The newest snapshot that reads back whole, then every transaction after it, in one unbroken chain. What a crash
//! left unfinished (a torn tail, empty logs, temporary files) is tidied up, but only after everything else has
//! succeeded: a refused start changes nothing.

use std::path::{Path, PathBuf};

use crate::dirs::Dirs;
use crate::epochs;
use crate::error::{Result, StorageError};
use crate::fs::{Access, Fs};
use crate::names::{SnapshotName, TEMP_PREFIX, list_snapshots};
use crate::snapshot::{Chunk, SnapshotPart, SnapshotReader, check_plausible, invalid};
use crate::txnlog::{LogReader, LogStart, Tail};

/// How many snapshots are tried, newest first (Apache's `FileSnap`).
const SNAPSHOTS_TRIED_MAX: usize = 100;
/// How many transactions are replayed between two calls of the progress callback.
const PROGRESS_TXNS: u64 = 4096;

/// Why a [`RecoverySink`] cannot take what it was given.
pub type SinkError = Box<dyn std::error::Error + Send + Sync>;

/// The state machine that recovery fills.
pub trait RecoverySink {
    /// A snapshot of the state after `zxid` begins.
    fn snapshot_begin(&mut self, zxid: i64);

    /// The next bytes of its body, in pieces of any size. Its seal has not been verified yet.
    ///
    /// # Errors
    /// When the bytes cannot be a snapshot: the next older one is tried.
    fn snapshot_bytes(&mut self, bytes: &[u8]) -> std::result::Result<(), SinkError>;

    /// A part behind the body.
    fn snapshot_part(&mut self, part: SnapshotPart);

    /// The snapshot is complete and all its seals are right.
    ///
    /// # Errors
    /// As [`RecoverySink::snapshot_bytes`].
    fn snapshot_end(&mut self) -> std::result::Result<(), SinkError>;

    /// Forget everything: the snapshot was bad, and another begins.
    fn reset(&mut self);

    /// The next transaction.
    ///
    /// # Errors
    /// When it cannot be applied: recovery ends with [`StorageError::Rejected`].
    fn txn(&mut self, payload: &[u8]) -> std::result::Result<(), SinkError>;
}

/// Settings of [`recover`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RecoveryOptions {
    /// `datadir.autocreate`: create missing directories.
    pub auto_create_dirs: bool,
    /// `db.autocreate`: an empty database is trusted to be meant so, without the file `initialize`.
    pub auto_create_db: bool,
    /// `snapshot.trust.empty`: accept logs without any snapshot, as servers before 3.5 left them.
    pub trust_empty: bool,
}

impl Default for RecoveryOptions {
    fn default() -> Self {
        RecoveryOptions { auto_create_dirs: true, auto_create_db: true, trust_empty: false }
    }
}

/// How far recovery is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// Bytes read.
    pub bytes_done: u64,
    /// Bytes to read, as far as known: the snapshot in use and the logs, preallocated space included.
    pub bytes_total: u64,
    /// Transactions replayed.
    pub txns: u64,
}

/// What [`recover`] found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recovered {
    /// The snapshot that the state was built from. `None`: there is none, and the server must write one before its
    /// first transaction, because logs without a snapshot are refused at the next start. [`Recovered::is_fresh`].
    pub snapshot: Option<SnapshotName>,
    /// Newer snapshots that could not be used, and why.
    pub snapshots_skipped: Vec<(PathBuf, String)>,
    /// The last transaction: the next one has a higher zxid. -1 for an empty database that is not trusted, with which
    /// a server may join an ensemble but not lead it.
    pub last_zxid: i64,
    /// Transactions replayed.
    pub txns: u64,
    /// The length of a torn tail, which was cut: never acknowledged, except as the module documentation of
    /// [`crate::txnlog`] says.
    pub torn_bytes: u64,
    /// Empty logs and temporary files that were removed.
    pub removed: Vec<PathBuf>,
}

impl Recovered {
    /// Whether there was nothing: the server must write a first snapshot, then call
    /// [`epochs::clear_initialize`].
    pub fn is_fresh(&self) -> bool {
        self.snapshot.is_none()
    }
}

/// Recovers the state of a server into `sink`. The caller holds the [`crate::DirLock`].
///
/// # Errors
/// [`StorageError::Refused`] when the directories are not ones to start on; [`StorageError::Damage`] when anything
/// acknowledged is damaged or missing; [`StorageError::Rejected`] when the sink does not take a transaction;
/// [`StorageError::Io`].
pub fn recover(
    fs: &dyn Fs,
    dirs: &Dirs,
    options: RecoveryOptions,
    sink: &mut dyn RecoverySink,
    progress: &mut dyn FnMut(Progress),
) -> Result<Recovered> {
    dirs.ensure(fs, options.auto_create_dirs)?;
    dirs.check_contents(fs)?;
    let (snapshot, snapshots_skipped) = load_snapshot(fs, &dirs.snap(), sink, progress)?;
    let start = match &snapshot {
        Some(name) => name.zxid,
        None => {
            refuse_log_without_snapshot(fs, dirs, options)?;
            0
        }
    };
    let (txns, tail) = replay(fs, dirs, start, snapshot.as_ref(), sink, progress)?;
    let removed = tidy(fs, dirs, &tail)?;
    let trusted = options.auto_create_db || epochs::may_initialize(fs, dirs);
    if snapshot.is_some() {
        epochs::clear_initialize(fs, dirs)?;
    }
    let empty = snapshot.is_none() && txns == 0;
    let last_zxid = if empty && !trusted { -1 } else { tail.last_zxid };
    Ok(Recovered { snapshot, snapshots_skipped, last_zxid, txns, torn_bytes: tail.torn_bytes, removed })
}

type Skipped = Vec<(PathBuf, String)>;

/// Loads the newest snapshot that can be loaded.
fn load_snapshot(
    fs: &dyn Fs,
    dir: &Path,
    sink: &mut dyn RecoverySink,
    progress: &mut dyn FnMut(Progress),
) -> Result<(Option<SnapshotName>, Skipped)> {
    let mut skipped = Vec::new();
    let mut tried = 0;
    for name in list_snapshots(fs, dir)? {
        if tried == SNAPSHOTS_TRIED_MAX {
            break;
        }
        let loaded = check_plausible(fs, &name).and_then(|()| {
            tried += 1;
            load_one(fs, &name, sink, progress)
        });
        match loaded {
            Ok(()) => return Ok((Some(name), skipped)),
            Err(error) => {
                skipped.push((name.path, error.to_string()));
                sink.reset();
            }
        }
    }
    match skipped.first() {
        None => Ok((None, skipped)),
        Some((path, why)) => Err(invalid(
            path,
            0,
            format!("none of {} snapshots can be read; the newest: {why}", skipped.len()),
        )),
    }
}

fn load_one(
    fs: &dyn Fs,
    name: &SnapshotName,
    sink: &mut dyn RecoverySink,
    progress: &mut dyn FnMut(Progress),
) -> Result<()> {
    let file = fs.open(&name.path, Access::Read).map_err(StorageError::io(&name.path, "open"))?;
    let bytes_total = file.len().map_err(StorageError::io(&name.path, "read the length"))?;
    let mut reader = SnapshotReader::open(fs, name)?;
    sink.snapshot_begin(name.zxid);
    loop {
        let at = reader.stream_bytes();
        match reader.next_chunk()? {
            None => break,
            Some(Chunk::Part(part)) => sink.snapshot_part(part),
            Some(Chunk::Body(bytes)) => {
                sink.snapshot_bytes(bytes).map_err(|e| invalid(&name.path, at, e.to_string()))?;
            }
        }
        progress(Progress { bytes_done: reader.file_bytes(), bytes_total, txns: 0 });
    }
    sink.snapshot_end().map_err(|e| invalid(&name.path, reader.stream_bytes(), e.to_string()))
}

fn refuse_log_without_snapshot(fs: &dyn Fs, dirs: &Dirs, options: RecoveryOptions) -> Result<()> {
    if options.trust_empty {
        return Ok(());
    }
    let mut reader = LogReader::open(fs, &dirs.log(), LogStart::Oldest)?;
    match reader.next()? {
        None => Ok(()),
        Some(entry) => Err(StorageError::refused(
            &dirs.snap(),
            format!("no snapshot, but the log holds transactions from 0x{:x} on", entry.zxid),
            "restore a snapshot from a copy; or, only when moving from a server before 3.5, set \
             snapshot.trust.empty=true once",
        )),
    }
}

fn replay(
    fs: &dyn Fs,
    dirs: &Dirs,
    start: i64,
    snapshot: Option<&SnapshotName>,
    sink: &mut dyn RecoverySink,
    progress: &mut dyn FnMut(Progress),
) -> Result<(u64, Tail)> {
    let snapshot_bytes = match snapshot {
        None => 0,
        Some(name) => {
            let file = fs.open(&name.path, Access::Read).map_err(StorageError::io(&name.path, "open"))?;
            file.len().map_err(StorageError::io(&name.path, "read the length"))?
        }
    };
    let log_dir = dirs.log();
    let mut reader = LogReader::open(fs, &log_dir, LogStart::After(start))?;
    let mut txns = 0;
    loop {
        if txns % PROGRESS_TXNS == 0 {
            let (done, total) = reader.progress();
            progress(Progress {
                bytes_done: snapshot_bytes + done,
                bytes_total: snapshot_bytes + total,
                txns,
            });
        }
        let Some(entry) = reader.next()? else { break };
        sink.txn(entry.payload).map_err(|e| StorageError::Rejected {
            path: log_dir.join(crate::names::log_name(entry.log)),
            offset: entry.offset,
            zxid: entry.zxid,
            what: e.to_string(),
        })?;
        txns += 1;
    }
    let (_, total) = reader.progress();
    let bytes = snapshot_bytes + total;
    progress(Progress { bytes_done: bytes, bytes_total: bytes, txns });
    Ok((txns, reader.tail().clone()))
}

/// Cuts the torn tail and the preallocated rest, removes empty logs and temporary files. The cut is durable when this
/// returns, so that a file which is not the last one never ends in anything unreadable.
fn tidy(fs: &dyn Fs, dirs: &Dirs, tail: &Tail) -> Result<Vec<PathBuf>> {
    if let Some((path, end)) = &tail.end {
        let file = fs.open(path, Access::ReadWrite).map_err(StorageError::io(path, "open"))?;
        if file.len().map_err(StorageError::io(path, "read the length"))? > *end {
            file.set_len(*end).map_err(StorageError::io(path, "truncate"))?;
            file.sync_all().map_err(StorageError::io(path, "fsync"))?;
        }
    }
    let mut remove = tail.empty.clone();
    let mut folders = vec![dirs.snap()];
    if dirs.apart() {
        folders.push(dirs.log());
    }
    for folder in &folders {
        let names = fs.list(folder).map_err(StorageError::io(folder, "list"))?;
        remove
            .extend(names.iter().filter(|name| name.starts_with(TEMP_PREFIX)).map(|name| folder.join(name)));
    }
    for path in &remove {
        fs.remove(path).map_err(StorageError::io(path, "remove"))?;
    }
    if !remove.is_empty() {
        for folder in &folders {
            fs.sync_dir(folder).map_err(StorageError::io(folder, "fsync directory"))?;
        }
    }
    Ok(remove)
}
