//! A tree out of a snapshot's bytes, fed in pieces of any size.

use super::acl_table::OPEN;
use super::{Meta, NodeId, Tree, TreeConfig, quota};
use crate::Zxid;
use crate::jute::{DecodeError, Reader};
use crate::path;
use alloc::borrow::ToOwned;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use hashbrown::HashMap;

/// Why a snapshot or a transaction cannot be taken in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LoadError {
    /// Bytes that are no record.
    Decode(DecodeError),
    /// A znode whose parent was not there before it.
    MissingParent(String),
    /// A path twice, or one that names no znode.
    BadPath(String),
    /// The snapshot ends before its terminator.
    Incomplete,
    /// A transaction that could not be applied.
    BadTxn {
        /// Its zxid.
        zxid: Zxid,
        /// Why.
        problem: String,
    },
}

impl fmt::Display for LoadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Decode(error) => write!(f, "not a snapshot record: {error}"),
            Self::MissingParent(path) => write!(f, "the znode {path:?} comes before its parent"),
            Self::BadPath(path) => write!(f, "the path {path:?} is malformed or there twice"),
            Self::Incomplete => write!(f, "the snapshot ends before its terminator"),
            Self::BadTxn { zxid, problem } => write!(f, "transaction 0x{zxid:x}: {problem}"),
        }
    }
}

impl core::error::Error for LoadError {}

impl From<DecodeError> for LoadError {
    fn from(error: DecodeError) -> Self {
        Self::Decode(error)
    }
}

/// What [`ImageLoader::feed`] took.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// Bytes taken; the rest belongs to the file (a seal) and must not be fed.
    pub consumed: usize,
    /// Whether a part ended after them.
    pub part_ended: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    SessionCount,
    Sessions(usize),
    AclCount,
    Acls(usize),
    Nodes,
    Tail,
}

/// Builds a [`Tree`] from the parts of a snapshot.
///
/// The first part (sessions, ACLs, znodes, terminator) is fed in pieces. The two optional ones after it have
/// fixed lengths, 20 bytes (digest) and 8 bytes (last zxid), and are fed whole.
#[derive(Debug)]
pub struct ImageLoader {
    tree: Tree,
    zxid: Zxid,
    sessions: Vec<(i64, i32)>,
    acl_ids: HashMap<i64, u32, foldhash::fast::FixedState>,
    phase: Phase,
    pending: Vec<u8>,
    digest: Option<(Zxid, i64)>,
}

impl ImageLoader {
    /// A loader for a snapshot named after `zxid`.
    pub fn new(config: TreeConfig, zxid: Zxid) -> Self {
        Self {
            tree: Tree::bare(config),
            zxid,
            sessions: Vec::new(),
            acl_ids: HashMap::with_hasher(foldhash::fast::FixedState::with_seed(config.seed)),
            phase: Phase::SessionCount,
            pending: Vec::new(),
            digest: None,
        }
    }

    /// Takes the next bytes.
    ///
    /// # Errors
    /// [`LoadError`] when they cannot belong to a snapshot; the loader is of no use afterwards.
    pub fn feed(&mut self, bytes: &[u8]) -> Result<Progress, LoadError> {
        if self.phase == Phase::Tail {
            return self.tail(bytes);
        }
        if self.pending.is_empty() {
            let (consumed, part_ended) = self.parse(bytes)?;
            if part_ended {
                return Ok(Progress { consumed, part_ended });
            }
            self.pending.extend_from_slice(&bytes[consumed..]);
            return Ok(Progress { consumed: bytes.len(), part_ended });
        }
        let mut joined = core::mem::take(&mut self.pending);
        let before = joined.len();
        joined.extend_from_slice(bytes);
        let (consumed, part_ended) = self.parse(&joined)?;
        if part_ended {
            return Ok(Progress { consumed: consumed - before, part_ended });
        }
        joined.drain(..consumed);
        self.pending = joined;
        Ok(Progress { consumed: bytes.len(), part_ended })
    }

    /// The tree and the sessions (id, timeout in milliseconds).
    ///
    /// # Errors
    /// [`LoadError::Incomplete`] when the first part has not ended.
    pub fn finish(mut self) -> Result<(Tree, Vec<(i64, i32)>), LoadError> {
        if self.phase != Phase::Tail {
            return Err(LoadError::Incomplete);
        }
        // Drop the loader's own hold on every list: what no znode uses is forgotten.
        for id in self.acl_ids.values() {
            self.tree.acls.release(*id);
        }
        let tree = &mut self.tree;
        tree.last_processed = self.zxid;
        tree.digest_valid_after = match self.digest {
            Some((zxid, digest)) if zxid == self.zxid => {
                tree.digest_mismatches += u64::from(tree.config.digest_enabled && digest != tree.digest);
                zxid
            }
            // Fuzzy: whatever was applied before the snapshot ended may be in it twice over.
            Some((zxid, _)) => zxid,
            None => Zxid::MAX,
        };
        tree.restore_quotas();
        Ok((self.tree, self.sessions))
    }

    fn tail(&mut self, bytes: &[u8]) -> Result<Progress, LoadError> {
        let mut reader = Reader::new(bytes);
        if bytes.len() == 20 {
            let zxid = reader.long()?;
            let version = reader.int()?;
            let digest = reader.long()?;
            if version == super::DIGEST_VERSION && zxid >= self.zxid {
                self.digest = Some((zxid, digest));
            }
        }
        Ok(Progress { consumed: bytes.len(), part_ended: true })
    }

    /// Parses whole items; returns how many bytes they took and whether the terminator was among them.
    fn parse(&mut self, bytes: &[u8]) -> Result<(usize, bool), LoadError> {
        let mut reader = Reader::new(bytes);
        loop {
            let taken = bytes.len() - reader.remaining().len();
            match self.item(&mut reader) {
                Ok(false) => {}
                Ok(true) => return Ok((bytes.len() - reader.remaining().len(), true)),
                Err(LoadError::Decode(DecodeError::Truncated)) => return Ok((taken, false)),
                Err(error) => return Err(error),
            }
        }
    }

    fn item(&mut self, reader: &mut Reader<'_>) -> Result<bool, LoadError> {
        match self.phase {
            Phase::SessionCount => {
                self.phase = Phase::Sessions(reader.vector_len()?.unwrap_or(0));
            }
            Phase::Sessions(0) => self.phase = Phase::AclCount,
            Phase::Sessions(left) => {
                let session = (reader.long()?, reader.int()?);
                self.sessions.push(session);
                self.phase = Phase::Sessions(left - 1);
            }
            Phase::AclCount => self.phase = Phase::Acls(reader.vector_len()?.unwrap_or(0)),
            Phase::Acls(0) => self.phase = Phase::Nodes,
            Phase::Acls(left) => {
                let id = reader.long()?;
                let start = reader.remaining();
                crate::acl::decode_acls(reader)?;
                let bytes = &start[..start.len() - reader.remaining().len()];
                let interned = self.tree.acls.intern(bytes).ok_or(DecodeError::Truncated)?;
                self.acl_ids.insert(id, interned);
                self.phase = Phase::Acls(left - 1);
            }
            Phase::Nodes => return self.znode(reader),
            Phase::Tail => return Ok(true),
        }
        Ok(false)
    }

    fn znode(&mut self, reader: &mut Reader<'_>) -> Result<bool, LoadError> {
        let path = reader.string()?;
        if path == "/" {
            self.phase = Phase::Tail;
            return Ok(true);
        }
        let data = reader.buffer()?;
        let acl = reader.long()?;
        let meta = Meta {
            czxid: reader.long()?,
            mzxid: reader.long()?,
            ctime: reader.long()?,
            mtime: reader.long()?,
            version: reader.int()?,
            cversion: reader.int()?,
            aversion: reader.int()?,
            owner: reader.long()?,
            pzxid: reader.long()?,
            acl: self.acl_ids.get(&acl).copied().unwrap_or(OPEN),
            ..Meta::default()
        };
        self.place(&path, data, meta)?;
        Ok(false)
    }

    fn place(&mut self, path: &str, data: Option<&[u8]>, meta: Meta) -> Result<(), LoadError> {
        if path.is_empty() {
            return self.place_root(data, meta);
        }
        let bad = || LoadError::BadPath(path.to_owned());
        let parent = path::parent(path).ok_or_else(bad)?;
        if path::name(path).is_empty() || self.tree.find(path).is_some() {
            return Err(bad());
        }
        if self.tree.find(parent).is_none() {
            return Err(LoadError::MissingParent(path.to_owned()));
        }
        self.count_acl_use(meta.acl);
        self.tree.loaded_czxid_max = self.tree.loaded_czxid_max.max(meta.czxid);
        self.tree.insert(path, meta, data);
        Ok(())
    }

    fn place_root(&mut self, data: Option<&[u8]>, meta: Meta) -> Result<(), LoadError> {
        let tree = &mut self.tree;
        let old = tree.meta(NodeId::ROOT);
        if old.num_children > 0 {
            return Err(LoadError::BadPath(String::new()));
        }
        let meta = Meta { data_is_null: data.is_none(), ..meta };
        let data = data.unwrap_or_default();
        if tree.config.digest_enabled {
            tree.digest = i64::from(super::znode_digest("/", data, &meta));
        }
        tree.data_bytes = data.len() as u64;
        tree.store.set_meta_and_data(NodeId::ROOT, &meta, data);
        self.count_acl_use(meta.acl);
        Ok(())
    }

    fn count_acl_use(&mut self, acl: u32) {
        self.tree.acls.retain(acl);
    }
}

impl Tree {
    /// Finds every quota below `/zookeeper/quota` and counts what it covers.
    fn restore_quotas(&mut self) {
        let Some(root) = self.find(path::QUOTA) else { return };
        let mut found = Vec::new();
        self.visit(root, &mut |id| {
            let name = self.store.name(id);
            if matches!(name, quota::LIMITS | quota::STATS) {
                found.push((self.store.path(self.store.parent(id)), name == quota::LIMITS));
            }
        });
        for (parent, is_limits) in found {
            match is_limits {
                true => self.quotas.add(&parent),
                false => self.recount_quota(&parent),
            }
        }
    }
}
