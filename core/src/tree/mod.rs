//! The znode tree: what committed transactions have made.
//!
//! Applies transactions and answers questions; it never refuses anything. Whether a request may become a
//! transaction is decided before, in [`crate::prep`]. It knows no connection, no request, no watch: who wants
//! to hear of changes is told through [`Observer`]. Applying is idempotent in the way replay over a fuzzy
//! snapshot needs (`DataTree` of 3.9.5): a parent's cversion and pzxid only grow.

mod acl_table;
mod digest;
mod image;
mod load;
mod owner;
pub mod quota;
mod record;
mod slab;
mod store;

pub use digest::{is_digested, znode_digest};
pub use image::ImageStatus;
pub use load::{ImageLoader, LoadError, Progress};
pub use owner::{CONTAINER_OWNER, OwnerKind, TTL_MS_MAX};
pub use record::Meta;

use crate::Zxid;
use crate::acl::Acl;
use crate::path;
use crate::proto::{ErrorCode, Stat};
use crate::txn::{CreateTxn, DIGEST_VERSION, Owner, Txn, TxnDigest, TxnHeader};
use acl_table::AclTable;
use alloc::collections::{BTreeMap, BTreeSet, VecDeque};
use alloc::string::String;
use alloc::vec::Vec;
use image::Walk;
use quota::{Quotas, StatsTrack};
use store::Store;

/// A znode's number inside one tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId(u32);

impl NodeId {
    /// The root.
    pub const ROOT: NodeId = NodeId(0);
    const NONE: NodeId = NodeId(u32::MAX);
}

impl Default for NodeId {
    fn default() -> Self {
        Self::NONE
    }
}

/// Hears of changes as they are applied, in order. The ACLs are those that decide who may be told.
pub trait Observer {
    /// `path` was created below `parent`.
    fn created(&mut self, path: &str, acl: &[Acl], parent: &str, parent_acl: &[Acl]);
    /// `path` was deleted from below `parent`.
    fn deleted(&mut self, path: &str, acl: &[Acl], parent: &str, parent_acl: &[Acl]);
    /// The data of `path` was set.
    fn data_changed(&mut self, path: &str, acl: &[Acl]);
}

/// Hears nothing: for replay.
#[derive(Debug)]
pub struct Silent;

impl Observer for Silent {
    fn created(&mut self, _: &str, _: &[Acl], _: &str, _: &[Acl]) {}
    fn deleted(&mut self, _: &str, _: &[Acl], _: &str, _: &[Acl]) {}
    fn data_changed(&mut self, _: &str, _: &[Acl]) {}
}

/// One digest is kept for every so many transactions.
const DIGEST_LOG_INTERVAL: Zxid = 128;
/// And so many of them.
const DIGEST_LOG_ENTRIES_MAX: usize = 1024;

/// How a tree is to be kept.
#[derive(Debug, Clone, Copy)]
pub struct TreeConfig {
    /// Seeds the hash of client-chosen paths.
    pub seed: u64,
    /// Whether the digest is kept and compared.
    pub digest_enabled: bool,
    /// Whether owners may be TTLs.
    pub extended_types: bool,
}

/// All znodes and what is derived from them.
#[derive(Debug)]
pub struct Tree {
    config: TreeConfig,
    store: Store,
    acls: AclTable,
    quotas: Quotas,
    ephemerals: BTreeMap<i64, BTreeSet<NodeId>>,
    ephemerals_count: usize,
    containers: BTreeSet<NodeId>,
    ttls: BTreeSet<NodeId>,
    digest: i64,
    digest_log: VecDeque<(Zxid, i64)>,
    digest_mismatches: u64,
    /// Digests are compared only after this point, the end of a fuzzy snapshot.
    digest_valid_after: Zxid,
    last_processed: Zxid,
    path_bytes: u64,
    data_bytes: u64,
    walk: Option<Walk>,
}

impl Tree {
    /// The tree of a fresh server: the root and the reserved znodes, made by no transaction.
    pub fn new(config: TreeConfig) -> Self {
        let mut tree = Self::bare(config);
        for reserved in [path::ZOOKEEPER, path::QUOTA] {
            tree.insert(reserved, Meta::default(), Some(b""));
        }
        let acl = [Acl { perms: crate::acl::perms::READ, id: crate::acl::Id::new("world", "anyone") }];
        let acl = tree.acls.intern(&crate::txn::EncodedAcls::of(&acl).0).expect("a list we encoded");
        let config_meta = Meta { acl, aversion: -1, ..Meta::default() };
        tree.insert(path::CONFIG, config_meta, Some(b""));
        tree
    }

    /// Only the root, for a snapshot to fill.
    fn bare(config: TreeConfig) -> Self {
        let root = Meta::default();
        Self {
            config,
            store: Store::new(config.seed, root),
            acls: AclTable::new(config.seed),
            quotas: Quotas::default(),
            ephemerals: BTreeMap::new(),
            ephemerals_count: 0,
            containers: BTreeSet::new(),
            ttls: BTreeSet::new(),
            digest: i64::from(if config.digest_enabled { znode_digest("/", b"", &root) } else { 0 }),
            digest_log: VecDeque::new(),
            digest_mismatches: 0,
            digest_valid_after: -1,
            last_processed: 0,
            path_bytes: 1,
            data_bytes: 0,
            walk: None,
        }
    }

    // ---- questions -------------------------------------------------------------------------------------

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

    fn wire_stat(&self, meta: &Meta, data_len: usize) -> Stat {
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
    fn usage(&self, path: &str) -> (i64, i64) {
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
    fn visit(&self, top: NodeId, f: &mut dyn FnMut(NodeId)) {
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

    /// What is used under a quota's path: from its stats znode, or counted when that holds junk.
    pub fn quota_usage(&self, subject: &str) -> (i64, i64) {
        let track = self
            .find(&quota::znode_of(subject, quota::STATS))
            .and_then(|id| StatsTrack::parse(self.store.meta_and_data(id).1));
        match track {
            Some(track) if track.count >= 0 && track.bytes >= 0 => (track.count, track.bytes),
            _ => self.usage(subject),
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

    // ---- changes ---------------------------------------------------------------------------------------

    /// Applies one committed transaction. Returns the code its client would see; anything but OK from a
    /// single (not multi) transaction that is no error transaction means replay over a fuzzy snapshot.
    ///
    /// Each create, setData and setACL, also inside a multi, appends the znode's stat as of that moment to
    /// `stats`.
    pub fn apply(
        &mut self,
        header: &TxnHeader,
        txn: &Txn<'_>,
        digest: Option<TxnDigest>,
        observer: &mut dyn Observer,
        stats: &mut Vec<Stat>,
    ) -> ErrorCode {
        let code = self.apply_record(header, txn, observer, stats);
        if header.zxid > self.last_processed {
            self.last_processed = header.zxid;
        }
        self.compare_digest(header.zxid, digest);
        code
    }

    fn apply_record(
        &mut self,
        header: &TxnHeader,
        txn: &Txn<'_>,
        observer: &mut dyn Observer,
        stats: &mut Vec<Stat>,
    ) -> ErrorCode {
        match txn {
            Txn::CreateSession { .. } | Txn::Check { .. } => ErrorCode::Ok,
            Txn::Error { code } => *code,
            Txn::CloseSession { paths } => {
                self.close_session(header, paths.as_deref().unwrap_or_default(), observer);
                ErrorCode::Ok
            }
            Txn::Create(create) => self.create(header, create, observer, stats),
            Txn::Delete { path } => self.delete(path, header.zxid, observer),
            Txn::SetData { path, data, version } => {
                let code = self.set_data(header, path, *data, *version, observer);
                stats.extend(self.find(path).map(|id| self.stat(id)));
                code
            }
            Txn::SetAcl { path, acl, version } => {
                let code = self.set_acl(path, &acl.0, *version);
                stats.extend(self.find(path).map(|id| self.stat(id)));
                code
            }
            Txn::Multi(elements) => {
                let failed = elements.iter().find_map(|(_, element)| match element {
                    Txn::Error { code } if !code.is_ok() => Some(*code),
                    _ => None,
                });
                if failed.is_none() {
                    for (_, element) in elements {
                        self.apply_record(header, element, observer, stats);
                    }
                }
                ErrorCode::Ok
            }
        }
    }

    fn create(
        &mut self,
        header: &TxnHeader,
        txn: &CreateTxn<'_>,
        observer: &mut dyn Observer,
        stats: &mut Vec<Stat>,
    ) -> ErrorCode {
        let parent_path = path::parent(&txn.path).unwrap_or("/");
        let Some(parent) = self.find(parent_path) else { return ErrorCode::NoNode };
        self.update_parent(parent, parent_path, |meta| {
            let cversion = match txn.parent_cversion {
                -1 => meta.cversion.wrapping_add(1),
                given => given,
            };
            if cversion > meta.cversion {
                (meta.cversion, meta.pzxid) = (cversion, header.zxid);
            }
        });
        let Some(acl) = self.acls.intern(&txn.acl.0) else { return ErrorCode::DataInconsistency };
        if let Some(existing) = self.find(&txn.path) {
            // Only replay comes here. The snapshot may have written the znode before its ACL.
            let mut meta = self.store.meta(existing);
            self.acls.release(meta.acl);
            meta.acl = acl;
            self.store.set_meta(existing, &meta);
            return ErrorCode::NodeExists;
        }
        let owner = match txn.owner {
            Owner::Persistent => OwnerKind::Persistent,
            Owner::Ephemeral => OwnerKind::Ephemeral(header.client_id),
            Owner::Container => OwnerKind::Container,
            Owner::Ttl(ttl_ms) => OwnerKind::Ttl(ttl_ms),
        };
        let meta = Meta::fresh(header.zxid, header.time_ms, owner.to_owner(), acl);
        self.insert(&txn.path, meta, txn.data);
        stats.push(self.wire_stat(&meta, txn.data.map_or(0, <[u8]>::len)));
        self.quota_after_create(&txn.path, parent_path, txn.data.map_or(0, <[u8]>::len));
        let parent_acl = self.acls.get(self.store.meta(parent).acl);
        observer.created(&txn.path, self.acls.get(acl), parent_path, parent_acl);
        ErrorCode::Ok
    }

    fn delete(&mut self, path: &str, zxid: Zxid, observer: &mut dyn Observer) -> ErrorCode {
        let parent_path = path::parent(path).unwrap_or("/");
        let Some(parent) = self.find(parent_path) else { return ErrorCode::NoNode };
        // Also when the znode is gone already: the snapshot may have written the parent before its deletion.
        self.update_parent(parent, parent_path, |meta| meta.pzxid = meta.pzxid.max(zxid));
        let Some(id) = self.find(path) else { return ErrorCode::NoNode };
        let (meta, data) = self.store.meta_and_data(id);
        if id == NodeId::ROOT || meta.num_children > 0 {
            return ErrorCode::NotEmpty;
        }
        let data_len = data.len();
        if self.counts_in_digest(path) {
            self.digest = self.digest.wrapping_sub(i64::from(znode_digest(path, data, &meta)));
        }
        self.forget_owner(id, &meta);
        self.path_bytes -= path.len() as u64;
        self.data_bytes -= data_len as u64;
        if let Some(walk) = &mut self.walk {
            walk.on_removed(id, self.store.next_sibling(id));
        }
        self.store.remove(id);
        if path::name(path) == quota::LIMITS {
            self.quotas.remove(parent_path);
        }
        self.adjust_quota(path, -(data_len as i64), -1);
        let parent_acl = self.acls.get(self.store.meta(parent).acl);
        observer.deleted(path, self.acls.get(meta.acl), parent_path, parent_acl);
        self.acls.release(meta.acl);
        ErrorCode::Ok
    }

    fn set_data(
        &mut self,
        header: &TxnHeader,
        path: &str,
        data: Option<&[u8]>,
        version: i32,
        observer: &mut dyn Observer,
    ) -> ErrorCode {
        let Some(id) = self.find(path) else { return ErrorCode::NoNode };
        let (old, old_data) = self.store.meta_and_data(id);
        let old_len = old_data.len();
        let mut meta = old;
        (meta.mzxid, meta.mtime, meta.version) = (header.zxid, header.time_ms, version);
        meta.data_is_null = data.is_none();
        let data = data.unwrap_or_default();
        if self.counts_in_digest(path) {
            self.digest = self
                .digest
                .wrapping_sub(i64::from(znode_digest(path, old_data, &old)))
                .wrapping_add(i64::from(znode_digest(path, data, &meta)));
        }
        self.store.set_meta_and_data(id, &meta, data);
        self.data_bytes = self.data_bytes - old_len as u64 + data.len() as u64;
        self.adjust_quota(path, data.len() as i64 - old_len as i64, 0);
        observer.data_changed(path, self.acls.get(meta.acl));
        ErrorCode::Ok
    }

    fn set_acl(&mut self, path: &str, acl: &[u8], version: i32) -> ErrorCode {
        let Some(id) = self.find(path) else { return ErrorCode::NoNode };
        let Some(acl) = self.acls.intern(acl) else { return ErrorCode::DataInconsistency };
        let (old, data) = self.store.meta_and_data(id);
        let meta = Meta { acl, aversion: version, ..old };
        if self.counts_in_digest(path) {
            self.digest = self
                .digest
                .wrapping_sub(i64::from(znode_digest(path, data, &old)))
                .wrapping_add(i64::from(znode_digest(path, data, &meta)));
        }
        self.store.set_meta(id, &meta);
        self.acls.release(old.acl);
        ErrorCode::Ok
    }

    /// The transaction names the ephemerals; what else the session owns (logs of before 3.6, fuzzy
    /// snapshots) goes too.
    fn close_session(
        &mut self,
        header: &TxnHeader,
        paths: &[alloc::borrow::Cow<'_, str>],
        observer: &mut dyn Observer,
    ) {
        for path in paths {
            self.delete(path, header.zxid, observer);
        }
        let left: Vec<String> = self.ephemerals(header.client_id).collect();
        for path in left {
            self.delete(&path, header.zxid, observer);
        }
    }

    /// Ephemerals whose session nobody knows, left by a fuzzy snapshot: deleted at start, by no transaction.
    pub fn drop_orphans(&mut self, is_session: impl Fn(i64) -> bool) -> usize {
        let orphans: Vec<String> =
            self.ephemeral_owners().filter(|s| !is_session(*s)).flat_map(|s| self.ephemerals(s)).collect();
        for path in &orphans {
            self.delete(path, self.last_processed, &mut Silent);
        }
        orphans.len()
    }

    fn insert(&mut self, path: &str, meta: Meta, data: Option<&[u8]>) -> NodeId {
        let parent_path = path::parent(path).unwrap_or("/");
        let parent = self.find(parent_path).expect("the caller saw the parent");
        let meta = Meta { data_is_null: data.is_none(), ..meta };
        let data = data.unwrap_or_default();
        let id = self.store.insert(parent, path, &meta, data);
        if self.counts_in_digest(path) {
            self.digest = self.digest.wrapping_add(i64::from(znode_digest(path, data, &meta)));
        }
        self.path_bytes += path.len() as u64;
        self.data_bytes += data.len() as u64;
        self.note_owner(id, &meta);
        id
    }

    fn update_parent(&mut self, id: NodeId, path: &str, change: impl FnOnce(&mut Meta)) {
        let (old, data) = self.store.meta_and_data(id);
        let mut meta = old;
        change(&mut meta);
        if meta == old {
            return;
        }
        if self.counts_in_digest(path) {
            self.digest = self
                .digest
                .wrapping_sub(i64::from(znode_digest(path, data, &old)))
                .wrapping_add(i64::from(znode_digest(path, data, &meta)));
        }
        self.store.set_meta(id, &meta);
    }

    fn counts_in_digest(&self, path: &str) -> bool {
        self.config.digest_enabled && is_digested(path)
    }

    fn note_owner(&mut self, id: NodeId, meta: &Meta) {
        match OwnerKind::of(meta.owner, self.config.extended_types) {
            OwnerKind::Persistent => {}
            OwnerKind::Ephemeral(session) => {
                self.ephemerals.entry(session).or_default().insert(id);
                self.ephemerals_count += 1;
            }
            OwnerKind::Container => {
                self.containers.insert(id);
            }
            OwnerKind::Ttl(_) => {
                self.ttls.insert(id);
            }
        }
    }

    fn forget_owner(&mut self, id: NodeId, meta: &Meta) {
        match OwnerKind::of(meta.owner, self.config.extended_types) {
            OwnerKind::Persistent => {}
            OwnerKind::Ephemeral(session) => {
                if let Some(owned) = self.ephemerals.get_mut(&session) {
                    owned.remove(&id);
                    if owned.is_empty() {
                        self.ephemerals.remove(&session);
                    }
                }
                self.ephemerals_count -= 1;
            }
            OwnerKind::Container => {
                self.containers.remove(&id);
            }
            OwnerKind::Ttl(_) => {
                self.ttls.remove(&id);
            }
        }
    }

    // ---- quota -----------------------------------------------------------------------------------------

    fn quota_after_create(&mut self, path: &str, parent_path: &str, data_len: usize) {
        if parent_path.starts_with(path::QUOTA) {
            match path::name(path) {
                quota::LIMITS => self.quotas.add(parent_path),
                quota::STATS => self.recount_quota(parent_path),
                _ => {}
            }
        }
        self.adjust_quota(path, data_len as i64, 1);
    }

    fn recount_quota(&mut self, quota_path: &str) {
        if let Some(subject) = quota::subject_of(quota_path) {
            let (count, bytes) = self.usage(subject);
            self.write_usage(subject, count, bytes);
        }
    }

    fn adjust_quota(&mut self, path: &str, bytes: i64, count: i64) {
        let Some(subject) = self.quotas.covering(path) else { return };
        let stats = self.find(&quota::znode_of(subject, quota::STATS));
        let Some(stats) = stats else { return };
        let (old_count, old_bytes) = match StatsTrack::parse(self.store.meta_and_data(stats).1) {
            Some(track) if track.count >= 0 && track.bytes >= 0 => (track.count + count, track.bytes + bytes),
            // Junk a client wrote there: count afresh, this change included.
            _ => self.usage(subject),
        };
        self.write_usage(subject, old_count, old_bytes);
    }

    /// Rewrites a stats znode's data and nothing else: no version, no watch, no transaction.
    fn write_usage(&mut self, subject: &str, count: i64, bytes: i64) {
        let Some(stats) = self.find(&quota::znode_of(subject, quota::STATS)) else { return };
        let text = StatsTrack::usage_text(count, bytes);
        let (mut meta, old) = self.store.meta_and_data(stats);
        let old_len = old.len();
        meta.data_is_null = false;
        self.store.set_meta_and_data(stats, &meta, text.as_bytes());
        self.data_bytes = self.data_bytes - old_len as u64 + text.len() as u64;
    }

    // ---- digest ----------------------------------------------------------------------------------------

    fn compare_digest(&mut self, zxid: Zxid, digest: Option<TxnDigest>) {
        if !self.config.digest_enabled {
            return;
        }
        let Some(digest) = digest.filter(|d| d.version == DIGEST_VERSION) else { return };
        if zxid <= self.digest_valid_after {
            return;
        }
        if digest.digest != self.digest {
            self.digest_mismatches += 1;
        }
        if zxid % DIGEST_LOG_INTERVAL == 0 {
            self.digest_log.push_back((zxid, self.digest));
            if self.digest_log.len() > DIGEST_LOG_ENTRIES_MAX {
                self.digest_log.pop_front();
            }
        }
    }

    // ---- checks ----------------------------------------------------------------------------------------

    /// Recomputes everything that is derived and compares.
    ///
    /// # Panics
    /// On the first difference, naming it.
    pub fn check_invariants(&self) {
        let (mut digest, mut path_bytes, mut data_bytes, mut nodes) = (0i64, 1u64, 0u64, 0usize);
        let mut acl_uses: BTreeMap<u32, u32> = BTreeMap::new();
        let mut ephemerals = 0;
        self.visit(NodeId::ROOT, &mut |id| {
            nodes += 1;
            let path = self.store.path(id);
            let (meta, data) = self.store.meta_and_data(id);
            assert_eq!(self.find(&path), Some(id), "the index finds {path}");
            assert_eq!(self.store.children(id).count(), meta.num_children as usize, "children of {path}");
            if self.counts_in_digest(&path) {
                digest = digest.wrapping_add(i64::from(znode_digest(&path, data, &meta)));
            }
            path_bytes += if id == NodeId::ROOT { 0 } else { path.len() as u64 };
            data_bytes += data.len() as u64;
            if meta.acl != acl_table::OPEN {
                *acl_uses.entry(meta.acl).or_default() += 1;
            }
            if let OwnerKind::Ephemeral(session) = OwnerKind::of(meta.owner, self.config.extended_types) {
                ephemerals += 1;
                assert!(self.ephemerals[&session].contains(&id), "{path} is in the index of ephemerals");
                assert_eq!(meta.num_children, 0, "the ephemeral {path} has no children");
            }
        });
        assert_eq!(nodes, self.store.len(), "every znode is reachable");
        assert_eq!(ephemerals, self.ephemerals_count, "every ephemeral is counted");
        assert_eq!(path_bytes, self.path_bytes, "bytes of paths");
        assert_eq!(data_bytes, self.data_bytes, "bytes of data");
        assert!(acl_uses.into_iter().eq(self.acls.uses()), "every ACL is counted");
        if self.config.digest_enabled {
            assert_eq!(digest, self.digest, "the digest");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::txn::{EncodedAcls, kind};
    use alloc::borrow::Cow;
    use alloc::format;

    const CONFIG: TreeConfig = TreeConfig { seed: 1, digest_enabled: true, extended_types: true };

    fn apply(tree: &mut Tree, zxid: Zxid, client_id: i64, kind: i32, txn: Txn<'_>) -> ErrorCode {
        let header = TxnHeader { client_id, cxid: 0, zxid, time_ms: zxid * 10, kind };
        tree.apply(&header, &txn, None, &mut Silent, &mut Vec::new())
    }

    fn create(path: &str, owner: Owner, parent_cversion: i32) -> Txn<'_> {
        Txn::Create(CreateTxn {
            path: Cow::Borrowed(path),
            data: Some(b"data"),
            acl: EncodedAcls::of(&Acl::open()),
            owner,
            parent_cversion,
        })
    }

    #[test]
    fn a_fresh_tree_has_apaches_digest_count_and_size() {
        let tree = Tree::new(CONFIG);
        assert_eq!(tree.digest(), 1_371_985_504);
        assert_eq!(tree.znode_count(), 5);
        assert_eq!(tree.approximate_data_size_bytes(), 44);
        assert_eq!(tree.stat(NodeId::ROOT).cversion, -1);
        assert_eq!(tree.stat(tree.find("/zookeeper").unwrap()).cversion, -2);
        tree.check_invariants();
    }

    #[test]
    fn everything_derived_follows_the_changes() {
        let mut tree = Tree::new(CONFIG);
        assert_eq!(apply(&mut tree, 1, 5, kind::CREATE, create("/a", Owner::Persistent, 1)), ErrorCode::Ok);
        assert_eq!(apply(&mut tree, 2, 5, kind::CREATE, create("/a/e", Owner::Ephemeral, 1)), ErrorCode::Ok);
        assert_eq!(apply(&mut tree, 3, 5, kind::CREATE_TTL, create("/a/t", Owner::Ttl(7), 2)), ErrorCode::Ok);
        assert_eq!(
            apply(&mut tree, 4, 5, kind::CREATE_CONTAINER, create("/a/c", Owner::Container, 3)),
            ErrorCode::Ok
        );
        tree.check_invariants();
        let stat = tree.stat(tree.find("/a").unwrap());
        assert_eq!((stat.cversion, stat.num_children, stat.pzxid), (3, 3, 4));
        assert_eq!(tree.ephemerals(5).collect::<Vec<_>>(), ["/a/e"]);
        let close = Txn::CloseSession { paths: Some(alloc::vec!["/a/e".into()]) };
        apply(&mut tree, 5, 5, kind::CLOSE_SESSION, close);
        let stat = tree.stat(tree.find("/a").unwrap());
        assert_eq!((stat.cversion, stat.num_children, stat.pzxid), (4, 2, 5));
        assert_eq!(tree.reapable(1000, 0), ["/a/t"]);
        tree.check_invariants();
    }

    /// A tree taken slice by slice while it changes, then replayed, is the tree.
    #[test]
    fn a_fuzzy_image_and_the_log_make_the_same_tree() {
        for slice_bytes in [1, 200, 1 << 20] {
            let mut tree = Tree::new(CONFIG);
            let mut zxid = 0;
            for i in 0..50 {
                zxid += 1;
                apply(&mut tree, zxid, 9, kind::CREATE, create(&format!("/n{i}"), Owner::Persistent, i + 1));
            }
            let start = tree.start_image(&[(9, 4000)], true);
            let (mut body, mut parts) = (Vec::new(), Vec::new());
            let mut log: Vec<(Zxid, i32, Txn<'_>)> = Vec::new();
            let names: Vec<String> = (0..50).map(|i| format!("/n{i}")).collect();
            let kids: Vec<String> = (0..50).map(|i| format!("/n{i}/k")).collect();
            let mut i = 0;
            loop {
                let status = tree.image_slice(slice_bytes, &mut body);
                if status != ImageStatus::More {
                    parts.push(core::mem::take(&mut body));
                }
                if status == ImageStatus::Done {
                    break;
                }
                if i < 50 {
                    let at = i * 7 % 50;
                    let changes = [
                        (kind::CREATE, create(&kids[at], Owner::Ephemeral, 1)),
                        (kind::SET_DATA, Txn::SetData { path: (&names[at]).into(), data: None, version: 1 }),
                        (kind::DELETE, Txn::Delete { path: (&kids[at]).into() }),
                        (kind::DELETE, Txn::Delete { path: (&names[at]).into() }),
                        (kind::CREATE, create(&names[at], Owner::Persistent, 51 + i as i32)),
                    ];
                    for (kind, txn) in changes {
                        zxid += 1;
                        assert_eq!(apply(&mut tree, zxid, 9, kind, txn.clone()), ErrorCode::Ok);
                        log.push((zxid, kind, txn));
                    }
                    i += 1;
                }
            }
            let mut loader = ImageLoader::new(CONFIG, start);
            for (n, part) in parts.iter().enumerate() {
                let mut rest = &part[..];
                while !rest.is_empty() {
                    let piece = if n == 0 { rest.len().min(33) } else { rest.len() };
                    let progress = loader.feed(&rest[..piece]).unwrap();
                    rest = &rest[progress.consumed..];
                    assert_eq!(progress.part_ended, rest.is_empty());
                }
            }
            let (mut loaded, sessions) = loader.finish().unwrap();
            assert_eq!(sessions, [(9, 4000)]);
            loaded.check_invariants();
            for (zxid, kind, txn) in log {
                apply(&mut loaded, zxid, 9, kind, txn);
            }
            loaded.check_invariants();
            tree.check_invariants();
            assert_eq!(loaded.digest(), tree.digest());
            assert_eq!(loaded.last_processed(), tree.last_processed());
        }
    }
}
