//! What is prepared but not applied yet (`outstandingChanges`): the tree as the next request must see it.

use crate::Zxid;
use crate::acl::Acl;
use crate::tree::{Meta, Tree, is_digested, znode_digest};
use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::sync::Arc;
use alloc::vec::Vec;
use foldhash::fast::FixedState;
use hashbrown::HashMap;

/// A znode as it will be.
#[derive(Debug, Clone)]
pub(super) struct Znode {
    pub meta: Meta,
    /// `None`: the tree's, by `meta`.
    pub acl: Option<Arc<[Acl]>>,
    /// `None`: the tree's. Null and empty are alike here, because a digest sees no difference.
    pub data: Option<Box<[u8]>>,
    /// Whether a prepared transaction makes it.
    created: bool,
}

#[derive(Debug, Clone)]
struct Change {
    zxid: Zxid,
    /// `None`: deleted.
    znode: Option<Znode>,
}

/// The changes by path, the newest of each.
#[derive(Debug)]
pub(super) struct Overlay {
    changes: HashMap<Arc<str>, Change, FixedState>,
    /// Which paths each transaction changed, in order, to be forgotten once it is applied.
    order: VecDeque<(Zxid, Arc<str>)>,
    digest: i64,
    digest_enabled: bool,
    /// What a failed multi must put back.
    undo: Option<Undo>,
}

#[derive(Debug)]
struct Undo {
    changes: Vec<(Arc<str>, Option<Change>)>,
    order_len: usize,
    digest: i64,
}

impl Overlay {
    pub fn new(digest: i64, digest_enabled: bool) -> Self {
        Self {
            changes: HashMap::with_hasher(FixedState::with_seed(0)),
            order: VecDeque::new(),
            digest,
            digest_enabled,
            undo: None,
        }
    }

    /// The digest that the tree will have.
    pub fn digest(&self) -> i64 {
        self.digest
    }

    pub fn is_empty(&self) -> bool {
        self.order.is_empty()
    }

    /// The znode at a path; "" is the root.
    pub fn znode(&self, tree: &Tree, path: &str) -> Option<Znode> {
        let path = if path.is_empty() { "/" } else { path };
        if !self.changes.is_empty()
            && let Some(change) = self.changes.get(path)
        {
            return change.znode.clone();
        }
        let meta = tree.meta(tree.find(path)?);
        Some(Znode { meta, acl: None, data: None, created: false })
    }

    /// The znodes that prepared transactions make.
    pub fn created(&self) -> impl Iterator<Item = (&str, &Znode)> {
        self.changes.iter().filter_map(|(path, change)| {
            let znode = change.znode.as_ref().filter(|znode| znode.created)?;
            Some((&**path, znode))
        })
    }

    /// Changes a znode that is there.
    pub fn change(&mut self, tree: &Tree, zxid: Zxid, path: &str, change: impl FnOnce(&mut Znode)) {
        let path = if path.is_empty() { "/" } else { path };
        let Some(mut znode) = self.znode(tree, path) else { return };
        let before = self.digest_of(tree, path, &znode);
        change(&mut znode);
        let after = self.digest_of(tree, path, &znode);
        self.digest = self.digest.wrapping_sub(before).wrapping_add(after);
        self.put(zxid, path, Some(znode));
    }

    /// Adds a znode.
    pub fn insert(
        &mut self,
        tree: &Tree,
        zxid: Zxid,
        path: &str,
        meta: Meta,
        data: Option<&[u8]>,
        acls: Vec<Acl>,
    ) {
        let data = Some(data.unwrap_or_default().into());
        let znode = Znode { meta, acl: Some(acls.into()), data, created: true };
        self.digest = self.digest.wrapping_add(self.digest_of(tree, path, &znode));
        self.put(zxid, path, Some(znode));
    }

    /// Removes a znode.
    pub fn remove(&mut self, tree: &Tree, zxid: Zxid, path: &str) {
        let Some(znode) = self.znode(tree, path) else { return };
        self.digest = self.digest.wrapping_sub(self.digest_of(tree, path, &znode));
        self.put(zxid, path, None);
    }

    /// Forgets what the tree knows by now.
    pub fn on_applied(&mut self, zxid: Zxid) {
        while self.order.front().is_some_and(|(changed, _)| *changed <= zxid) {
            let Some((_, path)) = self.order.pop_front() else { return };
            if self.changes.get(&path).is_some_and(|change| change.zxid <= zxid) {
                self.changes.remove(&path);
            }
        }
    }

    /// From here on changes can be undone.
    pub fn begin_multi(&mut self) {
        self.undo = Some(Undo { changes: Vec::new(), order_len: self.order.len(), digest: self.digest });
    }

    /// Keeps the changes since [`Overlay::begin_multi`], or undoes them.
    pub fn end_multi(&mut self, failed: bool) {
        let Some(undo) = self.undo.take().filter(|_| failed) else { return };
        for (path, before) in undo.changes.into_iter().rev() {
            match before {
                Some(change) => {
                    self.changes.insert(path, change);
                }
                None => {
                    self.changes.remove(&path);
                }
            }
        }
        self.order.truncate(undo.order_len);
        self.digest = undo.digest;
    }

    fn put(&mut self, zxid: Zxid, path: &str, znode: Option<Znode>) {
        let change = Change { zxid, znode };
        let key: Arc<str> = match self.changes.get_key_value(path) {
            Some((key, _)) => key.clone(),
            None => path.into(),
        };
        let before = self.changes.insert(key.clone(), change);
        if let Some(undo) = &mut self.undo {
            undo.changes.push((key.clone(), before));
        }
        self.order.push_back((zxid, key));
    }

    fn digest_of(&self, tree: &Tree, path: &str, znode: &Znode) -> i64 {
        if !self.digest_enabled || !is_digested(path) {
            return 0;
        }
        let data = match &znode.data {
            Some(data) => data,
            None => tree.find(path).and_then(|id| tree.meta_and_data(id).1).unwrap_or_default(),
        };
        i64::from(znode_digest(path, data, &znode.meta))
    }
}
