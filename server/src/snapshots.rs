//! The snapshot thread: pulls a snapshot out of the peer in slices and writes it, and purges what is no longer
//! needed.
//!
//! A slice is small, and after each the thread rests several times as long as the slice held the lock: requests
//! hardly notice. The thread has the priority of the others, for one that is preempted while it holds the lock holds
//! up everybody. A snapshot that fails is given up with an error in the log: the transaction log still has
//! everything, and the next one is due soon.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

use zkrs_core::Zxid;
use zkrs_core::peer::{Input, SnapshotStatus};
use zkrs_storage::{Compression, SnapshotWriter, StorageError, purge};

use crate::config::SnapshotCompression;
use crate::driver::{Shared, Work};

/// What one hold of the lock takes out of the tree at most.
const SLICE_BYTES_MAX: usize = 32 << 10;
/// How many times as long as a slice took the thread rests after it.
const REST_PER_SLICE: u32 = 4;
/// The shortest rest: it bounds what the snapshot asks of the disk, which it shares with the log, to some 50 MB/s.
const REST_MIN: Duration = Duration::from_micros(500);

/// What the snapshot thread is asked for.
#[derive(Default)]
pub(crate) struct SnapshotRequests {
    wanted: Mutex<Option<Zxid>>,
    thread: OnceLock<Thread>,
}

impl SnapshotRequests {
    /// Asks for a snapshot; the peer has one under way at most.
    pub(crate) fn request(&self, zxid: Zxid) {
        *self.wanted.lock().unwrap_or_else(PoisonError::into_inner) = Some(zxid);
    }

    pub(crate) fn wake(&self) {
        if let Some(thread) = self.thread.get() {
            thread.unpark();
        }
    }

    fn take(&self) -> Option<Zxid> {
        self.wanted.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// Runs until the server stops.
fn run(shared: &Shared) {
    let _ = shared.snapshots.thread.set(thread::current());
    let interval =
        shared.config.snapshots.purge_interval_hours.map(|h| Duration::from_secs(u64::from(h) * 3600));
    let mut last_purge: Option<Instant> = None;
    let mut work = Work::default();
    while !shared.stopping.load(Ordering::SeqCst) {
        if let Some(zxid) = shared.snapshots.take() {
            take_snapshot(shared, zxid);
            shared.step(shared.clock.now(), Input::SnapshotDone, &mut work);
            continue;
        }
        let Some(interval) = interval else {
            thread::park();
            continue;
        };
        // Apache's first purge is at start, too.
        match last_purge.map(|at| interval.saturating_sub(at.elapsed())) {
            Some(left) if !left.is_zero() => thread::park_timeout(left),
            _ => {
                purge_old(shared);
                last_purge = Some(Instant::now());
            }
        }
    }
}

fn take_snapshot(shared: &Shared, zxid: Zxid) {
    let start = Instant::now();
    match write_snapshot(shared, zxid) {
        Ok(true) => {
            let took_ms = u64::try_from(start.elapsed().as_millis()).unwrap_or(u64::MAX);
            shared.stats.snapshot_ms.record(took_ms, 1);
            tracing::info!(zxid = %format_args!("0x{zxid:x}"), took_ms, "snapshot taken");
        }
        Ok(false) => {
            tracing::info!(zxid = %format_args!("0x{zxid:x}"), "snapshot given up: the server stops")
        }
        Err(error) => {
            shared.stats.snapshots_failed.fetch_add(1, Ordering::Relaxed);
            tracing::error!(
                zxid = %format_args!("0x{zxid:x}"),
                "a snapshot was given up, the next one will be tried: {error}"
            );
        }
    }
}

/// Writes one snapshot, slice by slice. False: given up because the server stops.
fn write_snapshot(shared: &Shared, zxid: Zxid) -> Result<bool, StorageError> {
    let compression = compression(shared.config.snapshots.compression);
    let mut writer = SnapshotWriter::create(Arc::clone(&shared.fs), &shared.dirs.snap(), zxid, compression)?;
    let mut slice = Vec::with_capacity(SLICE_BYTES_MAX);
    loop {
        slice.clear();
        let start = Instant::now();
        let status = shared.write().peer.snapshot_slice(SLICE_BYTES_MAX, &mut slice);
        let held = start.elapsed();
        writer.write(&slice)?;
        match status {
            SnapshotStatus::More => {}
            SnapshotStatus::Seal => writer.seal()?,
            SnapshotStatus::Done => {
                writer.seal()?;
                writer.finish()?;
                return Ok(true);
            }
        }
        if shared.stopping.load(Ordering::SeqCst) {
            return Ok(false);
        }
        thread::sleep((held * REST_PER_SLICE).max(REST_MIN));
    }
}

/// The storage crate's name of a configured compression.
pub(crate) fn compression(configured: SnapshotCompression) -> Compression {
    match configured {
        SnapshotCompression::Plain => Compression::None,
        SnapshotCompression::Gzip => Compression::Gz,
        SnapshotCompression::Snappy => Compression::Snappy,
    }
}

fn purge_old(shared: &Shared) {
    match purge::purge(&*shared.fs, &shared.dirs, shared.config.snapshots.retain_count as usize) {
        Ok(purged) => tracing::info!(removed = purged.removed.len(), "old snapshots and logs were purged"),
        Err(error) => tracing::warn!("purging old snapshots and logs failed: {error}"),
    }
}

/// Starts the snapshot thread.
pub(crate) fn spawn(shared: Arc<Shared>) -> std::io::Result<thread::JoinHandle<()>> {
    thread::Builder::new().name("zkrs-snapshot".to_owned()).spawn(move || {
        let _guard = shared.exit.guard();
        run(&shared);
    })
}
