//! The znode tree: what committed transactions have made.
//!
//! Applies transactions and answers questions; it never refuses anything. Whether a request may become a
//! transaction is decided before, in [`crate::prep`]. It knows no connection, no request, no watch: who wants
//! to hear of changes is told through [`Observer`]. Applying is idempotent in the way replay over a fuzzy
//! snapshot needs (`DataTree` of 3.9.5): a parent's cversion and pzxid only grow.

mod acl_table;
mod check;
mod digest;
mod image;
mod load;
mod owner;
mod query;
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
use quota::Quotas;
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
    /// The highest czxid in the snapshot that the tree was loaded from: above the snapshot's own zxid when the
    /// snapshot was written while znodes were made, and then its log may be missing (a restored copy).
    loaded_czxid_max: Zxid,
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
            loaded_czxid_max: 0,
            path_bytes: 1,
            data_bytes: 0,
            walk: None,
        }
    }

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
}

#[cfg(test)]
mod tests;
