//! The server as a pure value: inputs in, effects out.

mod effect;

pub use effect::{Effect, Effects, Input, Ticket};

use crate::Now;
use alloc::string::String;
use alloc::vec::Vec;

/// The shell's name for a client connection; unique for the life of the process.
pub type ConnId = u64;

/// What a peer must be told about how to behave. Units are in the names.
#[derive(Debug, Clone)]
pub struct PeerConfig {
    /// This server's id, 1 when standalone; the high byte of the session ids it makes.
    pub server_id: u8,
    /// The basic unit of time; sessions expire in steps of it.
    pub tick_time_ms: u32,
    /// The least session timeout a client is given.
    pub min_session_timeout_ms: u32,
    /// The largest session timeout a client is given.
    pub max_session_timeout_ms: u32,
    /// Transactions between snapshots; the real number is drawn between half of it and all of it.
    pub snap_count: u32,
    /// Logged bytes between snapshots, likewise; 0 for no limit.
    pub snap_size_limit_bytes: u64,
    /// The largest frame a client may send, and what a transaction must fit to be replayed.
    pub jute_max_buffer_bytes: usize,
    /// Whether transactions and snapshots carry the tree digest.
    pub digest_enabled: bool,
    /// Whether snapshots end with the last processed zxid.
    pub serialize_last_processed_zxid: bool,
    /// Whether TTL znodes can be made.
    pub extended_types_enabled: bool,
    /// Whether quotas are enforced.
    pub enforce_quota: bool,
    /// Whether ACLs are ignored.
    pub skip_acl: bool,
    /// `user:base64(sha1(user:password))` of the superuser.
    pub super_digest: Option<String>,
    /// Schemes of which a client must have proved one before it may do anything; empty for no such rule.
    pub enforce_auth_schemes: Vec<String>,
    /// How often containers and TTL znodes are looked for.
    pub container_check_interval_ms: u64,
    /// At most so many of them are deleted per minute.
    pub container_max_per_minute: u32,
    /// Containers that never had a child go after so long; 0 for never.
    pub container_max_never_used_ms: u64,
}

impl Default for PeerConfig {
    fn default() -> Self {
        Self {
            server_id: 1,
            tick_time_ms: 3000,
            min_session_timeout_ms: 6000,
            max_session_timeout_ms: 60_000,
            snap_count: 100_000,
            snap_size_limit_bytes: 4 << 30,
            jute_max_buffer_bytes: 0xfffff,
            digest_enabled: true,
            serialize_last_processed_zxid: true,
            extended_types_enabled: false,
            enforce_quota: false,
            skip_acl: false,
            super_digest: None,
            enforce_auth_schemes: Vec::new(),
            container_check_interval_ms: 60_000,
            container_max_per_minute: 10_000,
            container_max_never_used_ms: 0,
        }
    }
}

/// What [`Peer::read`] did with a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReadOutcome {
    /// The reply was appended.
    Served,
    /// Nothing was done: the request needs [`Peer::step`] (a write, a watch, a session with writes in flight).
    NeedsStep,
}

/// What [`Peer::snapshot_slice`] yields. Bytes go to storage's snapshot writer; a seal closes a part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SnapshotStatus {
    /// More to come.
    More,
    /// The bytes so far are one part: the writer puts a seal after them. More to come.
    Seal,
    /// As [`SnapshotStatus::Seal`], and that was all.
    Done,
}

/// The sizes and counters that admin words print.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct PeerStats {
    pub last_processed_zxid: i64,
    pub znode_count: u64,
    pub ephemerals_count: u64,
    pub approximate_data_size_bytes: u64,
    pub watch_count: u64,
    pub global_sessions: u64,
    pub outstanding_requests: u64,
    pub tree_digest: i64,
    pub digest_mismatches: u64,
}

/// The state machine of one server.
pub struct Peer {}

/// ## The API others build on (being implemented):
/// ```text
/// Recovery: let mut loader = Loader::new(PeerConfig, seed: u64);
///   loader.snapshot_begin(zxid); loader.snapshot_bytes(&[u8])?; loader.snapshot_end()?;   // uncompressed body, parts without seals
///   loader.txn(payload: &[u8])?; loader.reset();
///   let peer = loader.finish(now);      // empty tree if nothing was loaded
/// peer.step(&mut self, now: Now, input: Input<'_>, effects: &mut Effects)
/// peer.read(&self, now: Now, conn: ConnId, payload: &[u8], out: &mut Vec<u8>) -> ReadOutcome   // appends whole reply frames
/// peer.next_deadline(&self) -> Option<u64 /* mono_ms */>
/// peer.snapshot_slice(&mut self, bytes_max: usize, out: &mut Vec<u8>) -> SnapshotStatus
/// peer.stats(&self) -> PeerStats
/// peer.watches_by_path / watches_by_session / sessions / ephemerals: iterators for admin words
/// peer.digest_log(&self) -> impl Iterator<Item = (Zxid, i64)>
/// peer.check_invariants(&self)
/// ```
impl Peer {
    /// When [`Input::Wake`] is due next, on the monotonic clock, milliseconds.
    pub fn next_deadline(&self) -> Option<u64> {
        None
    }

    /// Takes one input and appends what must be done.
    pub fn step(&mut self, _now: Now, _input: Input<'_>, _effects: &mut Effects) {}
}
