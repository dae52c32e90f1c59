//! What admin words and metrics ask.

use super::{ConnId, Peer, PeerStats};
use crate::Zxid;
use crate::proto::Stat;
use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;

impl Peer {
    /// Sizes and counters.
    pub fn stats(&self) -> PeerStats {
        PeerStats {
            last_processed_zxid: self.tree.last_processed(),
            znode_count: self.tree.znode_count(),
            ephemerals_count: self.tree.ephemerals_count(),
            approximate_data_size_bytes: self.tree.approximate_data_size_bytes(),
            watch_count: self.watches.count() as u64,
            global_sessions: self.sessions.len() as u64,
            outstanding_requests: self.proposals.len() as u64,
            tree_digest: self.tree.digest(),
            digest_mismatches: self.tree.digest_mismatches(),
        }
    }

    /// Requests that are proposed and not yet answered.
    pub fn outstanding_requests(&self) -> u64 {
        self.proposals.len() as u64
    }

    /// Bytes of requests that wait behind this connection's writes; the shell bounds them by not reading.
    pub fn backlog_bytes(&self, conn: ConnId) -> usize {
        self.conns.get(&conn).map_or(0, |conn| conn.pending_bytes)
    }

    /// The session a connection speaks for, 0 for none.
    pub fn session_of(&self, conn: ConnId) -> i64 {
        self.conns.get(&conn).map_or(0, |conn| conn.session)
    }

    /// Committed sessions with their timeouts in milliseconds, by id.
    pub fn sessions(&self) -> Vec<(i64, i32)> {
        self.sessions.all()
    }

    /// Sessions by the time at which they end unless heard of, monotonic milliseconds.
    pub fn sessions_by_expiry(&self) -> BTreeMap<u64, Vec<i64>> {
        self.sessions.by_expiry()
    }

    /// Every session that owns ephemerals, with their paths.
    pub fn ephemerals(&self) -> Vec<(i64, Vec<String>)> {
        self.tree
            .ephemeral_owners()
            .map(|session| (session, self.tree.ephemerals(session).collect()))
            .collect()
    }

    /// Data watches by path, each with the sessions that watch, as `wchp` lists them.
    pub fn watches_by_path(&self) -> Vec<(String, Vec<i64>)> {
        let sessions = |conns: Vec<ConnId>| conns.into_iter().map(|conn| self.session_of(conn)).collect();
        self.watches
            .data_by_path()
            .into_iter()
            .map(|(path, conns)| (String::from(path), sessions(conns)))
            .collect()
    }

    /// Data watches by session, as `wchc` lists them.
    pub fn watches_by_session(&self) -> Vec<(i64, Vec<String>)> {
        let mut by_session: BTreeMap<i64, Vec<String>> = BTreeMap::new();
        for (path, conns) in self.watches.data_by_path() {
            for conn in conns {
                by_session.entry(self.session_of(conn)).or_default().push(String::from(path));
            }
        }
        by_session.into_iter().collect()
    }

    /// Digests of the past, oldest first.
    pub fn digest_log(&self) -> impl Iterator<Item = (Zxid, i64)> {
        self.tree.digest_log()
    }

    /// The stat of a znode, for tests and tools that look inside.
    pub fn stat(&self, path: &str) -> Option<Stat> {
        self.tree.find(path).map(|id| self.tree.stat(id))
    }

    /// The tree, for tests and tools that look inside.
    pub fn tree(&self) -> &crate::tree::Tree {
        &self.tree
    }

    /// Checks everything that must hold between steps.
    ///
    /// # Panics
    /// On the first thing that does not, naming it.
    pub fn check_invariants(&self) {
        self.tree.check_invariants();
        self.watches.check_invariants(|conn| self.conns.contains_key(&conn));
        assert_eq!(self.tree.digest_mismatches(), 0, "every predicted digest came true");
        assert!(self.tree.last_processed() <= self.last_proposed, "applied <= proposed");
        assert!(self.proposals.iter().is_sorted_by_key(|p| (p.zxid, p.ticket)), "proposals are in order");
        if self.proposals.is_empty() {
            assert!(self.prep.is_idle(), "nothing is prepared that was not proposed");
        }
        for owner in self.tree.ephemeral_owners() {
            assert!(self.sessions.get(owner).is_some(), "the owner 0x{owner:x} of an ephemeral is a session");
        }
        for (session, conn) in &self.owners {
            assert_eq!(self.session_of(*conn), *session, "a session's connection is its own");
        }
    }
}
