//! A peer out of what the disk holds: a snapshot's parts, then the log's transactions.

use super::housekeeping::{Reaper, Snapshots};
use super::{Peer, PeerConfig};
use crate::prep::{Prep, PrepConfig};
use crate::sasl::Nonces;
use crate::session::Sessions;
use crate::tree::{ImageLoader, LoadError, Progress, Silent, Tree, TreeConfig};
use crate::txn::{Txn, decode_payload};
use crate::watch::Watches;
use crate::{Now, Zxid};
use alloc::collections::{BTreeMap, VecDeque};
use alloc::string::ToString;
use alloc::vec::Vec;
use foldhash::fast::FixedState;
use hashbrown::HashMap;

/// Takes in what recovery reads and becomes a [`Peer`].
///
/// Without a snapshot the first transaction meets the tree of a fresh server.
#[derive(Debug)]
pub struct Loader {
    config: PeerConfig,
    seed: u64,
    image: Option<ImageLoader>,
    tree: Option<Tree>,
    sessions: BTreeMap<i64, i32>,
    txns: u64,
    had_snapshot: bool,
}

impl Loader {
    /// A loader that has read nothing. `seed` is for hashes of client-chosen paths, for the snapshot
    /// schedule and for SASL nonces; outside of tests nobody may guess it.
    pub fn new(config: PeerConfig, seed: u64) -> Self {
        Self {
            config,
            seed,
            image: None,
            tree: None,
            sessions: BTreeMap::new(),
            txns: 0,
            had_snapshot: false,
        }
    }

    /// Forgets everything read so far: the snapshot turned out bad, another one follows.
    pub fn reset(&mut self) {
        *self = Self::new(self.config.clone(), self.seed);
    }

    /// A snapshot named after `zxid` follows.
    pub fn snapshot_begin(&mut self, zxid: Zxid) {
        self.reset();
        self.image = Some(ImageLoader::new(self.tree_config(), zxid));
    }

    /// Takes bytes of the snapshot, without file header and seals. The first part may come in pieces of any
    /// size; when [`Progress::part_ended`] comes back, the rest of the piece was not taken and a seal
    /// belongs there. The parts after it (20 bytes of digest, 8 bytes of zxid) come whole.
    ///
    /// # Errors
    /// [`LoadError`] when the bytes are no snapshot; call [`Loader::reset`] before trying another one.
    pub fn snapshot_bytes(&mut self, bytes: &[u8]) -> Result<Progress, LoadError> {
        self.image.as_mut().ok_or(LoadError::Incomplete)?.feed(bytes)
    }

    /// The snapshot is complete.
    ///
    /// # Errors
    /// [`LoadError::Incomplete`] when it is not.
    pub fn snapshot_end(&mut self) -> Result<(), LoadError> {
        let (tree, sessions) = self.image.take().ok_or(LoadError::Incomplete)?.finish()?;
        self.tree = Some(tree);
        self.sessions = sessions.into_iter().collect();
        self.had_snapshot = true;
        Ok(())
    }

    /// Applies one transaction of the log.
    ///
    /// # Errors
    /// [`LoadError::BadTxn`] when its bytes are no transaction.
    pub fn txn(&mut self, payload: &[u8]) -> Result<(), LoadError> {
        let (header, txn, digest) = decode_payload(payload).map_err(|error| LoadError::BadTxn {
            zxid: payload
                .get(12..20)
                .map_or(0, |b| b.iter().fold(0, |zxid, byte| zxid << 8 | i64::from(*byte))),
            problem: error.to_string(),
        })?;
        match txn {
            Txn::CreateSession { timeout_ms } => {
                self.sessions.insert(header.client_id, timeout_ms);
            }
            Txn::CloseSession { .. } => {
                self.sessions.remove(&header.client_id);
            }
            _ => {}
        }
        let config = self.tree_config();
        let tree = self.tree.get_or_insert_with(|| Tree::new(config));
        tree.apply(&header, &txn, digest, &mut Silent, &mut Vec::new());
        self.txns += 1;
        Ok(())
    }

    /// Whether no snapshot was read: the shell must write one before it serves, because Apache refuses a
    /// directory that has logs and no snapshot.
    pub fn needs_snapshot(&self) -> bool {
        !self.had_snapshot
    }

    /// The peer. Ephemerals that no session owns are gone from it; every session has its whole timeout again.
    pub fn finish(self, now: Now) -> Peer {
        let tree_config = self.tree_config();
        let mut tree = self.tree.unwrap_or_else(|| Tree::new(tree_config));
        tree.drop_orphans(|session| self.sessions.contains_key(&session));
        tree.replay_done();
        let config = self.config;
        let mut sessions = Sessions::new(config.server_id, config.tick_time_ms, now);
        for (id, timeout_ms) in self.sessions {
            sessions.add(id, timeout_ms, now);
        }
        let prep_config = PrepConfig {
            extended_types_enabled: config.extended_types_enabled,
            enforce_quota: config.enforce_quota,
            skip_acl: config.skip_acl,
            digest_enabled: config.digest_enabled,
            sasl_enabled: config.sasl.scheme_enabled,
        };
        Peer {
            prep: Prep::new(prep_config, &tree),
            last_proposed: tree.last_processed(),
            tree,
            sessions,
            watches: Watches::new(self.seed),
            conns: HashMap::with_hasher(FixedState::with_seed(0)),
            owners: HashMap::with_hasher(FixedState::with_seed(0)),
            proposals: VecDeque::new(),
            syncs: VecDeque::new(),
            last_ticket: 0,
            reaper: Reaper::new(&config, now),
            snapshots: Snapshots::new(&config, self.seed, self.txns),
            nonces: Nonces::new(self.seed),
            stats: Vec::new(),
            config,
        }
    }

    fn tree_config(&self) -> TreeConfig {
        TreeConfig {
            seed: self.seed,
            digest_enabled: self.config.digest_enabled,
            extended_types: self.config.extended_types_enabled,
        }
    }
}
