//! What happens by itself: expiry of sessions, the reaper of containers and TTL znodes, snapshots.

use super::{Effect, Effects, Peer, PeerConfig, SnapshotStatus};
use crate::Now;
use crate::tree::ImageStatus;
use alloc::collections::VecDeque;
use alloc::string::String;
use alloc::vec::Vec;

/// Deletes containers and TTL znodes at a bounded pace (`ContainerManager`).
#[derive(Debug)]
pub(super) struct Reaper {
    /// When it acts next, monotonic milliseconds.
    pub next_ms: u64,
    /// When it looks for more.
    scan_ms: u64,
    due: VecDeque<String>,
}

impl Reaper {
    pub fn new(config: &PeerConfig, now: Now) -> Self {
        let scan_ms = now.mono_ms + config.container_check_interval_ms.max(1);
        Self { next_ms: scan_ms, scan_ms, due: VecDeque::new() }
    }
}

/// Decides when the log moves on to a new file and a snapshot begins (`SyncRequestProcessor`).
#[derive(Debug)]
pub(super) struct Snapshots {
    txns: u64,
    bytes: u64,
    txns_limit: u64,
    bytes_limit: u64,
    seed: u64,
    /// A snapshot was asked for and is not done.
    running: bool,
}

impl Snapshots {
    pub fn new(config: &PeerConfig, seed: u64, txns: u64) -> Self {
        let mut snapshots = Self { txns, bytes: 0, txns_limit: 0, bytes_limit: 0, seed, running: false };
        snapshots.draw(config);
        snapshots
    }

    pub fn on_logged(&mut self, bytes: usize) {
        self.txns += 1;
        self.bytes += bytes as u64;
    }

    fn is_due(&self) -> bool {
        self.txns > self.txns_limit || self.bytes > self.bytes_limit
    }

    /// Between half the configured limits and all of them, so that the servers of an ensemble do not
    /// snapshot all at once.
    fn draw(&mut self, config: &PeerConfig) {
        let half_txns = u64::from(config.snap_count.max(2) / 2);
        self.txns_limit = half_txns + self.random() % half_txns;
        let half_bytes = config.snap_size_limit_bytes / 2;
        self.bytes_limit = if half_bytes == 0 { u64::MAX } else { half_bytes + self.random() % half_bytes };
    }

    /// SplitMix64.
    fn random(&mut self) -> u64 {
        self.seed = self.seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.seed;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}

impl Peer {
    pub(super) fn on_wake(&mut self, now: Now, effects: &mut Effects) {
        for session in self.sessions.expired(now) {
            if self.sessions.set_closing(session) {
                let zxid = self.last_proposed + 1;
                let prepared = self.prep.close_session(&self.tree, session, zxid);
                self.propose(now, session, 0, prepared, None, effects);
            }
        }
        if now.mono_ms >= self.reaper.next_ms {
            self.reap(now, effects);
        }
    }

    fn reap(&mut self, now: Now, effects: &mut Effects) {
        if self.reaper.due.is_empty() && now.mono_ms >= self.reaper.scan_ms {
            let never_used_ms = self.config.container_max_never_used_ms;
            self.reaper.due = self.tree.reapable(now.wall_ms, never_used_ms).into();
            self.reaper.scan_ms = now.mono_ms + self.config.container_check_interval_ms.max(1);
        }
        let pace_ms = 60_000 / u64::from(self.config.container_max_per_minute.max(1));
        // Faster than one a millisecond: several at a time.
        let batch = if pace_ms == 0 { self.config.container_max_per_minute / 60_000 } else { 1 };
        for _ in 0..batch {
            let Some(path) = self.reaper.due.pop_front() else { break };
            let zxid = self.last_proposed + 1;
            if let Some(prepared) = self.prep.reap(&self.tree, &path, zxid) {
                self.propose(now, 0, 0, prepared, None, effects);
            }
        }
        self.reaper.next_ms =
            if self.reaper.due.is_empty() { self.reaper.scan_ms } else { now.mono_ms + pace_ms.max(1) };
    }

    pub(super) fn maybe_snapshot(&mut self, effects: &mut Effects) {
        if self.snapshots.is_due() && !self.snapshots.running {
            effects.list.push(Effect::RollLog);
            self.start_snapshot(effects);
        }
    }

    /// Begins a snapshot now, unless one is under way; false then.
    pub fn start_snapshot(&mut self, effects: &mut Effects) -> bool {
        if self.snapshots.running {
            return false;
        }
        self.snapshots.running = true;
        (self.snapshots.txns, self.snapshots.bytes) = (0, 0);
        self.snapshots.draw(&self.config);
        let sessions = self.sessions.all();
        let zxid = self.tree.start_image(&sessions, self.config.serialize_last_processed_zxid);
        effects.list.push(Effect::StartSnapshot { zxid });
        true
    }

    /// Appends the next part of the snapshot under way: whole znodes until `bytes_max` is reached, and at
    /// least one.
    ///
    /// # Panics
    /// If no snapshot is under way.
    pub fn snapshot_slice(&mut self, bytes_max: usize, out: &mut Vec<u8>) -> SnapshotStatus {
        match self.tree.image_slice(bytes_max, out) {
            ImageStatus::More => SnapshotStatus::More,
            ImageStatus::Seal => SnapshotStatus::Seal,
            ImageStatus::Done => SnapshotStatus::Done,
        }
    }

    pub(super) fn on_snapshot_done(&mut self) {
        self.snapshots.running = false;
        self.tree.abandon_image();
    }
}
