//! The server as a pure value: inputs in, effects out.
//!
//! Only this module sees connections, sessions, requests, transactions and the tree together. A write goes
//! prepare -> propose -> log lane -> commit -> apply -> reply; a read is answered from the tree at once, or
//! behind the writes its own connection has in flight. Nothing here waits, and nothing is iterated in hash
//! order.

mod admin;
mod commit;
mod conn;
mod connect;
mod effect;
mod housekeeping;
mod read;
mod recover;
mod request;
mod sasl;

pub use effect::{Effect, Effects, Input, Ticket};
pub use recover::Loader;

use crate::prep::Prep;
use crate::proto::Stat;
use crate::sasl::{Nonces, SaslConfig};
use crate::session::Sessions;
use crate::tree::Tree;
use crate::watch::Watches;
use crate::{Now, Zxid};
use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::string::String;
use alloc::vec::Vec;
use conn::{Conn, Origin};
use foldhash::fast::FixedState;
use hashbrown::HashMap;

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
    /// How clients authenticate by SASL.
    pub sasl: SaslConfig,
    /// Schemes of which a client must have proved one before it may do anything; empty for no such rule.
    pub enforce_auth_schemes: Vec<String>,
    /// How often containers and TTL znodes are looked for.
    pub container_check_interval_ms: u64,
    /// At most so many of them are deleted per minute.
    pub container_max_per_minute: u32,
    /// Containers that never had a child go after so long; 0 for never.
    pub container_max_never_used_ms: u64,
    /// Whether reconfiguration is switched on (a standalone server has nothing to reconfigure even so).
    pub reconfig_enabled: bool,
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
            sasl: SaslConfig::default(),
            enforce_auth_schemes: Vec::new(),
            container_check_interval_ms: 60_000,
            container_max_per_minute: 10_000,
            container_max_never_used_ms: 0,
            reconfig_enabled: false,
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
#[derive(Debug)]
pub struct Peer {
    config: PeerConfig,
    tree: Tree,
    prep: Prep,
    sessions: Sessions,
    watches: Watches,
    conns: HashMap<ConnId, Conn, FixedState>,
    /// Which connection speaks for a session.
    owners: HashMap<i64, ConnId, FixedState>,
    /// Proposed and not yet applied, in zxid order.
    proposals: VecDeque<Proposal>,
    /// Connections with a `sync` that waits for a zxid, in that order.
    syncs: VecDeque<(Zxid, ConnId)>,
    last_proposed: Zxid,
    last_ticket: Ticket,
    reaper: housekeeping::Reaper,
    snapshots: housekeeping::Snapshots,
    /// For SASL challenges.
    nonces: Nonces,
    /// Scratch for the stats of one apply.
    stats: Vec<Stat>,
}

/// A transaction between its preparation and its commit.
#[derive(Debug)]
struct Proposal {
    zxid: Zxid,
    ticket: Ticket,
    payload: Box<[u8]>,
    origin: Option<Origin>,
}

impl Peer {
    /// When [`Input::Wake`] is due next, on the monotonic clock, milliseconds.
    pub fn next_deadline(&self) -> Option<u64> {
        [self.sessions.next_deadline(), Some(self.reaper.next_ms)].into_iter().flatten().min()
    }

    /// Takes one input and appends what must be done.
    pub fn step(&mut self, now: Now, input: Input<'_>, effects: &mut Effects) {
        match input {
            Input::Wake => self.on_wake(now, effects),
            Input::ClientOpened { conn, address } => {
                self.conns.insert(conn, Conn::new(address));
            }
            Input::ClientRequest { conn, payload } => self.on_client_request(now, conn, payload, effects),
            Input::ClientClosed { conn } => self.on_client_closed(conn),
            Input::LogDone { upto } => self.on_log_done(now, upto, effects),
            Input::SnapshotDone => self.on_snapshot_done(),
        }
        self.maybe_snapshot(effects);
    }

    /// The last transaction applied.
    pub fn last_processed_zxid(&self) -> Zxid {
        self.tree.last_processed()
    }

    fn on_client_closed(&mut self, id: ConnId) {
        self.watches.remove_conn(id);
        if let Some(conn) = self.conns.remove(&id)
            && self.owners.get(&conn.session) == Some(&id)
        {
            self.owners.remove(&conn.session);
        }
    }

    /// Sends what is pending, then closes; the connection is deaf from here on.
    fn close(&mut self, id: ConnId, effects: &mut Effects) {
        let Some(conn) = self.conns.get_mut(&id) else { return };
        if conn.stage == conn::Stage::Closing {
            return;
        }
        conn.stage = conn::Stage::Closing;
        conn.pending.clear();
        conn.pending_bytes = 0;
        if self.owners.get(&conn.session) == Some(&id) {
            self.owners.remove(&conn.session);
        }
        self.watches.remove_conn(id);
        effects.list.push(Effect::Close { conn: id });
    }
}

#[cfg(test)]
mod tests;
