//! A whole server on a simulated disk: the real core, the real storage code, and a driver of a few lines.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use zkrs_core::Now;
use zkrs_core::peer::{ConnId, Effect, Effects, Input, Peer, PeerConfig, SnapshotStatus, Ticket};
use zkrs_storage::purge::{KEEP_MIN, purge};
use zkrs_storage::{
    Compression, Dirs, LogWriter, LogWriterOptions, PeerSink, RecoveryOptions, Result, SnapshotWriter,
    loader, recover,
};

use crate::disk::Disk;
use crate::history::{History, Point, session_term};
use crate::prng::Prng;

/// Where a host's files are on its disk.
pub const DATA_DIR: &str = "/data";

/// Small files, so that a run passes every border often.
const PRE_ALLOC_BYTES: u64 = 16 << 10;
/// A snapshot after so many transactions.
const SNAP_COUNT: u32 = 60;

/// One server.
pub struct Host {
    /// Its state machine.
    pub peer: Peer,
    /// Its disk.
    pub disk: Disk,
    /// Its clocks.
    pub now: Now,
    /// What it has promised.
    pub history: History,
    /// The last transaction that somebody was told of. Shared with whoever watches the disk.
    pub acknowledged: Arc<AtomicI64>,
    /// The last transaction proposed, likewise.
    pub proposed: Arc<AtomicI64>,
    /// Connections it has closed since somebody looked.
    pub closed: Vec<ConnId>,
    dirs: Dirs,
    log: LogWriter,
    lane: VecDeque<LaneItem>,
    snapshot: Option<SnapshotWriter>,
    effects: Effects,
}

enum LaneItem {
    Append(Ticket, Vec<u8>),
    Roll,
}

/// A peer that came out of a disk, and what is to be compared of it.
pub struct Reborn {
    /// The peer.
    pub peer: Peer,
    /// The last transaction it knows.
    pub last_zxid: i64,
    /// Its state.
    pub point: Point,
    fresh: bool,
}

/// The configuration that all hosts share.
pub fn config() -> PeerConfig {
    PeerConfig {
        snap_count: SNAP_COUNT,
        extended_types_enabled: true,
        tick_time_ms: 1000,
        min_session_timeout_ms: 2000,
        max_session_timeout_ms: 20_000,
        container_check_interval_ms: 500,
        ..PeerConfig::default()
    }
}

/// Recovers what a disk holds.
///
/// # Errors
/// What recovery refuses.
pub fn reborn(disk: &Disk, now: Now) -> Result<Reborn> {
    let dirs = Dirs::new(DATA_DIR, None);
    let mut sink = PeerSink::new(config(), 11);
    let recovered = recover(disk, &dirs, RecoveryOptions::default(), &mut sink, &mut |_| {})?;
    let peer = sink.finish(now);
    let sessions = sessions_of(&peer);
    let point = Point { digest: peer.stats().tree_digest, sessions };
    let last_zxid = peer.last_processed_zxid();
    Ok(Reborn { peer, last_zxid, point, fresh: recovered.is_fresh() })
}

fn sessions_of(peer: &Peer) -> u64 {
    peer.sessions()
        .into_iter()
        .fold(0, |sum, (id, timeout_ms)| sum.wrapping_add(session_term(id, timeout_ms)))
}

impl Host {
    /// A server on an empty disk. With `force_sync` off it acknowledges what it has only written: the known bug
    /// that shows that the campaign can see one.
    ///
    /// # Errors
    /// What storage refuses.
    pub fn start(disk: Disk, now: Now, force_sync: bool) -> Result<Host> {
        let reborn = reborn(&disk, now)?;
        let history = History::new(reborn.point.digest);
        Host::resume(disk, now, reborn, history, force_sync)
    }

    /// A server that goes on after a crash. `history` is forgotten beyond what the disk still had.
    ///
    /// # Errors
    /// What storage refuses.
    pub fn resume(
        disk: Disk,
        now: Now,
        reborn: Reborn,
        mut history: History,
        force_sync: bool,
    ) -> Result<Host> {
        let Reborn { mut peer, last_zxid, fresh, .. } = reborn;
        history.forget_after(last_zxid);
        let dirs = Dirs::new(DATA_DIR, None);
        let fs: Arc<dyn zkrs_storage::Fs> = Arc::new(disk.clone());
        if fresh {
            let writer = SnapshotWriter::create(fs.clone(), &dirs.snap(), last_zxid, Compression::None)?;
            loader::write_first_snapshot(&mut peer, writer, now)?;
        }
        let options = LogWriterOptions { pre_alloc_bytes: PRE_ALLOC_BYTES, log_bytes_max: None, force_sync };
        let log = LogWriter::open(fs, &dirs.log(), last_zxid, options)?;
        Ok(Host {
            peer,
            disk,
            now,
            history,
            acknowledged: Arc::new(AtomicI64::new(last_zxid)),
            proposed: Arc::new(AtomicI64::new(last_zxid)),
            closed: Vec::new(),
            dirs,
            log,
            lane: VecDeque::new(),
            snapshot: None,
            effects: Effects::default(),
        })
    }

    /// Gives the peer one input.
    ///
    /// # Errors
    /// What storage refuses.
    pub fn step(&mut self, input: Input<'_>) -> Result<()> {
        self.peer.step(self.now, input, &mut self.effects);
        self.carry_out()
    }

    /// Writes and syncs some of what is queued for the log, then tells the peer.
    ///
    /// # Errors
    /// What storage refuses.
    pub fn sync_some(&mut self, prng: &mut Prng) -> Result<()> {
        let count = 1 + prng.below(self.lane.len().max(1) as u64) as usize;
        let mut batch: Vec<Vec<u8>> = Vec::new();
        let mut upto = 0;
        for _ in 0..count {
            match self.lane.pop_front() {
                None => break,
                Some(LaneItem::Append(ticket, payload)) => {
                    upto = ticket;
                    batch.push(payload);
                }
                Some(LaneItem::Roll) => {
                    self.log.append(&std::mem::take(&mut batch))?;
                    self.log.flush()?;
                    self.log.roll()?;
                }
            }
        }
        self.log.append(&batch)?;
        self.log.flush()?;
        if upto > 0 {
            self.step(Input::LogDone { upto })?;
            // Every reply to what was applied has left.
            self.acknowledged.store(self.peer.last_processed_zxid(), Ordering::SeqCst);
        }
        if prng.chance(1, 4) {
            self.log.idle()?;
        }
        Ok(())
    }

    /// Writes the next bit of the snapshot under way, if there is one, and purges once it is done.
    ///
    /// # Errors
    /// What storage refuses.
    pub fn snapshot_some(&mut self, prng: &mut Prng) -> Result<()> {
        let Some(writer) = &mut self.snapshot else { return Ok(()) };
        let mut slice = Vec::new();
        let status = self.peer.snapshot_slice(1 + prng.below(600) as usize, &mut slice);
        writer.write(&slice)?;
        if status == SnapshotStatus::More {
            return Ok(());
        }
        writer.seal()?;
        if status == SnapshotStatus::Done {
            if let Some(writer) = self.snapshot.take() {
                writer.finish()?;
            }
            self.step(Input::SnapshotDone)?;
            if prng.chance(1, 2) {
                purge(&self.disk, &self.dirs, KEEP_MIN)?;
            }
        }
        Ok(())
    }

    /// How much waits for the log.
    pub fn lane_len(&self) -> usize {
        self.lane.len()
    }

    fn carry_out(&mut self) -> Result<()> {
        for effect in &self.effects.list {
            match effect {
                Effect::Append { ticket, range, .. } => {
                    let payload = self.effects.bytes[range.clone()].to_vec();
                    self.history.push(&payload);
                    self.proposed.store(self.history.last_zxid(), Ordering::SeqCst);
                    self.lane.push_back(LaneItem::Append(*ticket, payload));
                }
                Effect::RollLog => self.lane.push_back(LaneItem::Roll),
                Effect::StartSnapshot { zxid } => {
                    let fs = Arc::new(self.disk.clone());
                    self.snapshot =
                        Some(SnapshotWriter::create(fs, &self.dirs.snap(), *zxid, Compression::None)?);
                }
                Effect::Close { conn } => self.closed.push(*conn),
                Effect::Send { .. } | Effect::Established { .. } => {}
            }
        }
        self.effects.clear();
        Ok(())
    }
}

/// The files of one kind on a host's disk.
pub fn files(disk: &Disk, prefix: &str) -> Vec<PathBuf> {
    let named = |path: &Path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(prefix));
    disk.paths().into_iter().filter(|path| named(path)).collect()
}
