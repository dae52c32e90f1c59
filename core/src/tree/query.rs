//! What the tree can be asked.

use super::quota::{self, StatsTrack};
use super::{Meta, NodeId, OwnerKind, Tree};
use crate::Zxid;
use crate::acl::Acl;
use crate::proto::Stat;
use alloc::string::String;
use alloc::vec::Vec;

impl Tree {
    /// The znode at a path; "" is the root too.
    pub fn find(&self, path: &str) -> Option<NodeId> {
        self.store.find(path)
    }

    /// The stored metadata.
    pub fn meta(&self, id: NodeId) -> Meta {
        self.store.meta(id)
    }

    /// The stored metadata and the data, `None` for null.
    pub fn meta_and_data(&self, id: NodeId) -> (Meta, Option<&[u8]>) {
        let (meta, data) = self.store.meta_and_data(id);
        (meta, (!meta.data_is_null).then_some(data))
    }

    /// The data (`None` for null) and the stat as clients see it.
    pub fn data_and_stat(&self, id: NodeId) -> (Option<&[u8]>, Stat) {
        let (meta, data) = self.store.meta_and_data(id);
        ((!meta.data_is_null).then_some(data), self.wire_stat(&meta, data.len()))
    }

    /// The stat as clients see it.
    pub fn stat(&self, id: NodeId) -> Stat {
        self.data_and_stat(id).1
    }

    pub(super) fn wire_stat(&self, meta: &Meta, data_len: usize) -> Stat {
        let owner = OwnerKind::of(meta.owner, self.config.extended_types);
        Stat {
            czxid: meta.czxid,
            mzxid: meta.mzxid,
            ctime: meta.ctime,
            mtime: meta.mtime,
            version: meta.version,
            // Creations plus deletions: every child that is not there any more was deleted.
            cversion: meta.cversion.wrapping_mul(2).wrapping_sub(meta.num_children as i32),
            aversion: meta.aversion,
            ephemeral_owner: if let OwnerKind::Ephemeral(session) = owner { session } else { 0 },
            data_length: data_len as i32,
            num_children: meta.num_children as i32,
            pzxid: meta.pzxid,
        }
    }

    /// The access control list.
    pub fn acl(&self, id: NodeId) -> &[Acl] {
        self.acls.get(self.store.meta(id).acl)
    }

    /// The access control list of metadata read before.
    pub fn acl_of(&self, meta: &Meta) -> &[Acl] {
        self.acls.get(meta.acl)
    }

    /// The names of the children, in order of creation.
    pub fn children(&self, id: NodeId) -> impl Iterator<Item = &str> {
        self.store.children(id).map(|child| self.store.name(child))
    }

    /// The path of a znode.
    pub fn path(&self, id: NodeId) -> String {
        self.store.path(id)
    }

    /// Number of descendants as Apache counts them: for the root one less than there are, since its map
    /// holds the root twice and the count takes two off.
    pub fn descendants(&self, path: &str) -> Option<usize> {
        let id = self.find(path)?;
        if path == "/" {
            return Some(self.store.len() - 1);
        }
        let mut count = 0;
        self.visit(id, &mut |_| count += 1);
        Some(count - 1)
    }

    /// Number of znodes and bytes of data at and below a path.
    pub(super) fn usage(&self, path: &str) -> (i64, i64) {
        let (mut count, mut bytes) = (0, 0);
        if let Some(id) = self.find(path) {
            self.visit(id, &mut |id| {
                count += 1;
                bytes += self.store.meta_and_data(id).1.len() as i64;
            });
        }
        (count, bytes)
    }

    /// Calls `f` for a znode and all below it, parents first.
    pub(super) fn visit(&self, top: NodeId, f: &mut dyn FnMut(NodeId)) {
        let mut at = top;
        loop {
            f(at);
            let first = self.store.meta(at).first_child;
            if first != NodeId::NONE {
                at = first;
                continue;
            }
            while at != top && self.store.next_sibling(at) == NodeId::NONE {
                at = self.store.parent(at);
            }
            if at == top {
                return;
            }
            at = self.store.next_sibling(at);
        }
    }

    /// The paths of a session's ephemerals.
    pub fn ephemerals(&self, session: i64) -> impl Iterator<Item = String> {
        self.ephemerals.get(&session).into_iter().flatten().map(|id| self.store.path(*id))
    }

    /// The sessions that own ephemerals.
    pub fn ephemeral_owners(&self) -> impl Iterator<Item = i64> {
        self.ephemerals.keys().copied()
    }

    /// Containers that lost their last child (or never had one for `never_used_ms`, unless 0), and TTL znodes
    /// whose time is over.
    pub fn reapable(&self, wall_ms: i64, never_used_ms: u64) -> Vec<String> {
        let elapsed = |since: i64| wall_ms.saturating_sub(since);
        let container = |id: &&NodeId| {
            let meta = self.store.meta(**id);
            meta.num_children == 0
                && (meta.cversion > 0
                    || never_used_ms > 0
                        && elapsed(meta.ctime) > i64::try_from(never_used_ms).unwrap_or(i64::MAX))
        };
        let expired = |id: &&NodeId| {
            let meta = self.store.meta(**id);
            let OwnerKind::Ttl(ttl_ms) = OwnerKind::of(meta.owner, true) else { return false };
            meta.num_children == 0 && elapsed(meta.mtime) > ttl_ms
        };
        let due = self.containers.iter().filter(container).chain(self.ttls.iter().filter(expired));
        due.map(|id| self.store.path(*id)).collect()
    }

    /// The deepest path with a quota at or above `path`.
    pub fn quota_covering<'a>(&self, path: &'a str) -> Option<&'a str> {
        self.quotas.covering(path)
    }

    /// What is used under a quota's path: from its stats znode, or counted when that holds junk. `None` without
    /// a stats znode: then nothing is enforced, as in Apache.
    pub fn quota_usage(&self, subject: &str) -> Option<(i64, i64)> {
        let stats = self.find(&quota::znode_of(subject, quota::STATS))?;
        match StatsTrack::parse(self.store.meta_and_data(stats).1) {
            Some(track) if track.count >= 0 && track.bytes >= 0 => Some((track.count, track.bytes)),
            _ => Some(self.usage(subject)),
        }
    }

    /// The last transaction applied.
    pub fn last_processed(&self) -> Zxid {
        self.last_processed
    }

    /// Moves the last applied transaction forward: a new epoch begins before its first transaction.
    pub fn set_last_processed(&mut self, zxid: Zxid) {
        self.last_processed = self.last_processed.max(zxid);
    }

    /// Replay is over: from here on the digests of transactions must be the tree's.
    pub fn replay_done(&mut self) {
        self.digest_valid_after = -1;
    }

    /// The digest of all znodes.
    pub fn digest(&self) -> i64 {
        self.digest
    }

    /// How often a transaction's digest was not the tree's after it.
    pub fn digest_mismatches(&self) -> u64 {
        self.digest_mismatches
    }

    /// The kept digests, oldest first.
    pub fn digest_log(&self) -> impl Iterator<Item = (Zxid, i64)> {
        self.digest_log.iter().copied()
    }

    /// Whether owners may be TTLs.
    pub fn extended_types(&self) -> bool {
        self.config.extended_types
    }

    /// Number of znodes as Apache counts them: its map holds the root under "" and "/".
    pub fn znode_count(&self) -> u64 {
        self.store.len() as u64 + 1
    }

    /// Number of ephemerals.
    pub fn ephemerals_count(&self) -> u64 {
        self.ephemerals_count as u64
    }

    /// Bytes of all paths and data.
    pub fn approximate_data_size_bytes(&self) -> u64 {
        self.path_bytes + self.data_bytes
    }
}
