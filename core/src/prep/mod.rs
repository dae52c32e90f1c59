//! A request becomes a transaction, or an error (`PrepRequestProcessor` of 3.9.5).
//!
//! Decides against the committed tree plus what is prepared but not yet committed (the overlay), in
//! Apache's order of checks, and predicts the digest that the tree will have. Knows no connection, no log and
//! no reply. Everything a transaction may do at apply is decided here: what passes cannot fail later.

mod checks;
mod overlay;

use crate::Zxid;
use crate::acl::{self, Acl, Id, perms};
use crate::path;
use crate::proto::{CreateMode, CreateRequest, ErrorCode, MultiElement, OpCode, Request};
use crate::tree::{Meta, OwnerKind, TTL_MS_MAX, Tree};
use crate::txn::{CreateTxn, EncodedAcls, Owner, Txn, kind};
use alloc::borrow::Cow;
use alloc::format;
use alloc::sync::Arc;
use alloc::vec::Vec;
use checks::{check_quota, next_version, parent_of_new, parent_of_old};
use overlay::{Overlay, Znode};

/// What preparation must know besides the tree.
#[derive(Debug, Clone, Copy)]
pub struct PrepConfig {
    /// Whether TTL znodes can be made.
    pub extended_types_enabled: bool,
    /// Whether quotas are enforced.
    pub enforce_quota: bool,
    /// Whether ACLs are ignored.
    pub skip_acl: bool,
    /// Whether digests are predicted.
    pub digest_enabled: bool,
    /// Whether the scheme `sasl` counts in ACLs.
    pub sasl_enabled: bool,
}

/// Who asks.
#[derive(Debug, Clone, Copy)]
pub struct Caller<'a> {
    /// The session, 0 for the server itself.
    pub session: i64,
    /// What the connection has proved to be.
    pub identities: &'a [Id],
}

/// A prepared transaction.
#[derive(Debug)]
pub struct Prepared<'a> {
    /// The type number for its header.
    pub kind: i32,
    /// Its record.
    pub txn: Txn<'a>,
    /// The tree's digest after it, where the log carries one.
    pub digest: Option<i64>,
}

/// Prepares requests one after the other.
#[derive(Debug)]
pub struct Prep {
    config: PrepConfig,
    overlay: Overlay,
}

impl Prep {
    /// Nothing prepared yet; `tree` is what the first request sees.
    pub fn new(config: PrepConfig, tree: &Tree) -> Self {
        Self { config, overlay: Overlay::new(tree.digest(), config.digest_enabled) }
    }

    /// The transaction with this zxid has been applied: the tree knows it now.
    pub fn on_applied(&mut self, zxid: Zxid) {
        self.overlay.on_applied(zxid);
    }

    /// Whether nothing is prepared that is not applied.
    pub fn is_idle(&self) -> bool {
        self.overlay.is_empty()
    }

    /// Turns a write into a transaction, which is an error transaction if it may not be.
    pub fn prepare<'a>(
        &mut self,
        tree: &Tree,
        caller: Caller<'_>,
        zxid: Zxid,
        time_ms: i64,
        request: Request<'a>,
    ) -> Prepared<'a> {
        let mut step = Step { config: &self.config, overlay: &mut self.overlay, tree, caller, zxid, time_ms };
        if let Request::Multi(elements) = request {
            let txn = step.multi(elements);
            return Prepared { kind: kind::MULTI, txn, digest: self.digest() };
        }
        match step.single(request) {
            Ok((kind, txn)) => Prepared { kind, txn, digest: self.digest() },
            Err(code) => Prepared { kind: kind::ERROR, txn: Txn::Error { code }, digest: None },
        }
    }

    /// The transaction that begins a session.
    pub fn create_session(&self, timeout_ms: i32) -> Prepared<'static> {
        Prepared { kind: kind::CREATE_SESSION, txn: Txn::CreateSession { timeout_ms }, digest: self.digest() }
    }

    /// The transaction that ends a session and names its ephemerals, prepared ones included.
    pub fn close_session(&mut self, tree: &Tree, session: i64, zxid: Zxid) -> Prepared<'static> {
        let caller = Caller { session, identities: &[] };
        let mut step =
            Step { config: &self.config, overlay: &mut self.overlay, tree, caller, zxid, time_ms: 0 };
        let paths = step.remove_ephemerals();
        Prepared {
            kind: kind::CLOSE_SESSION,
            txn: Txn::CloseSession { paths: Some(paths.into_iter().map(Cow::Owned).collect()) },
            digest: self.digest(),
        }
    }

    /// The deletion of a container or TTL znode that is due; `None` if it is not any more.
    pub fn reap<'a>(&mut self, tree: &Tree, path: &'a str, zxid: Zxid) -> Option<Prepared<'a>> {
        let caller = Caller { session: 0, identities: &[] };
        let mut step =
            Step { config: &self.config, overlay: &mut self.overlay, tree, caller, zxid, time_ms: 0 };
        step.reap(path).ok()?;
        Some(Prepared {
            kind: kind::DELETE_CONTAINER,
            txn: Txn::Delete { path: Cow::Borrowed(path) },
            digest: self.digest(),
        })
    }

    /// The transaction of a request that failed before it came here, for those that consume a zxid even so.
    pub fn failure(&self, code: ErrorCode) -> Prepared<'static> {
        Prepared { kind: kind::ERROR, txn: Txn::Error { code }, digest: None }
    }

    fn digest(&self) -> Option<i64> {
        self.config.digest_enabled.then(|| self.overlay.digest())
    }
}

/// One request on its way.
struct Step<'s> {
    config: &'s PrepConfig,
    overlay: &'s mut Overlay,
    tree: &'s Tree,
    caller: Caller<'s>,
    zxid: Zxid,
    time_ms: i64,
}

impl Step<'_> {
    fn single<'a>(&mut self, request: Request<'a>) -> Result<(i32, Txn<'a>), ErrorCode> {
        match request {
            Request::Create(op, create) => self.create(op, create),
            Request::Delete { path, version } => self.delete(path, version),
            Request::SetData { path, data, version } => self.set_data(path, data, version),
            Request::SetAcl { path, acl, version } => self.set_acl(path, acl.as_deref(), version),
            Request::Check { path, version } => self.check(path, version),
            // A standalone server has no membership to change.
            Request::Reconfig(_) => Err(ErrorCode::ReconfigDisabled),
            _ => Err(ErrorCode::Unimplemented),
        }
    }

    /// All or nothing: the first failure undoes what the elements before it prepared, and becomes the record
    /// of its element; those after it are not attempted.
    fn multi<'a>(&mut self, elements: Vec<MultiElement<'a>>) -> Txn<'a> {
        self.overlay.begin_multi();
        let mut failed = false;
        let mut txns = Vec::with_capacity(elements.len());
        for element in elements {
            if failed {
                let code = ErrorCode::RuntimeInconsistency;
                txns.push((kind::ERROR, Txn::Error { code }));
                continue;
            }
            match self.element(element) {
                Ok(txn) => txns.push(txn),
                Err(code) => {
                    failed = true;
                    txns.push((kind::ERROR, Txn::Error { code }));
                }
            }
        }
        self.overlay.end_multi(failed);
        Txn::Multi(txns)
    }

    fn element<'a>(&mut self, element: MultiElement<'a>) -> Result<(i32, Txn<'a>), ErrorCode> {
        match element {
            MultiElement::Create(op, create) => self.create(op, create),
            MultiElement::Delete { path, version } => self.delete(path, version),
            MultiElement::SetData { path, data, version } => self.set_data(path, data, version),
            MultiElement::Check { path, version } => self.check(path, version),
            // The decoder lets no reads in.
            MultiElement::GetData { .. } | MultiElement::GetChildren { .. } => {
                Err(ErrorCode::MarshallingError)
            }
        }
    }

    fn create<'a>(&mut self, op: OpCode, create: CreateRequest<'a>) -> Result<(i32, Txn<'a>), ErrorCode> {
        let mode = CreateMode::from_flags(create.flags).ok_or(ErrorCode::BadArguments)?;
        self.check_ttl(op, mode, create.ttl_ms)?;
        let parent_path = parent_of_new(&create.path)?;
        let acls = acl::fixup(create.acl.as_deref(), self.caller.identities, self.config.sasl_enabled)?;
        let parent = self.znode(parent_path)?;
        self.authorize(&parent, perms::CREATE)?;
        let parent_path = if parent_path.is_empty() { "/" } else { parent_path };
        let path: Cow<'a, str> = match mode.is_sequential() {
            true => Cow::Owned(format!("{}{:010}", create.path, parent.meta.cversion)),
            false => create.path.clone(),
        };
        if !path::is_valid(&path) {
            return Err(ErrorCode::BadArguments);
        }
        if self.overlay.znode(self.tree, &path).is_some() {
            return Err(ErrorCode::NodeExists);
        }
        if let OwnerKind::Ephemeral(_) = self.kind_of(&parent) {
            return Err(ErrorCode::NoChildrenForEphemerals);
        }
        let data_len = create.data.map_or(0, <[u8]>::len) as i64;
        self.check_quota(&path, data_len, 1)?;

        let (kind, owner) = match op {
            OpCode::CreateContainer => (kind::CREATE_CONTAINER, Owner::Container),
            OpCode::CreateTtl => (kind::CREATE_TTL, Owner::Ttl(create.ttl_ms)),
            op if mode.is_ephemeral() => (op as i32, Owner::Ephemeral),
            op => (op as i32, Owner::Persistent),
        };
        let parent_cversion = parent.meta.cversion.wrapping_add(1);
        let (zxid, time_ms) = (self.zxid, self.time_ms);
        self.overlay.change(self.tree, zxid, parent_path, |parent| {
            // As the tree will do it: at the end of the numbers the parent stands still.
            if parent_cversion > parent.meta.cversion {
                (parent.meta.cversion, parent.meta.pzxid) = (parent_cversion, zxid);
            }
            parent.meta.num_children += 1;
        });
        let meta = Meta::fresh(zxid, time_ms, self.owner_field(owner), 0);
        let encoded = EncodedAcls::of(&acls);
        self.overlay.insert(self.tree, zxid, &path, meta, create.data, acls);
        Ok((kind, Txn::Create(CreateTxn { path, data: create.data, acl: encoded, owner, parent_cversion })))
    }

    fn check_ttl(&self, op: OpCode, mode: CreateMode, ttl_ms: i64) -> Result<(), ErrorCode> {
        if mode.is_ttl() {
            return match (self.config.extended_types_enabled, ttl_ms) {
                (false, _) => Err(ErrorCode::Unimplemented),
                (true, 1..=TTL_MS_MAX) => Ok(()),
                (true, _) => Err(ErrorCode::BadArguments),
            };
        }
        // Apache lets createTTL without a TTL mode and with a negative TTL pass, and ends at its apply.
        match op == OpCode::CreateTtl || ttl_ms >= 0 {
            true => Err(ErrorCode::BadArguments),
            false => Ok(()),
        }
    }

    fn delete<'a>(&mut self, path: Cow<'a, str>, version: i32) -> Result<(i32, Txn<'a>), ErrorCode> {
        let parent_path = parent_of_old(&path)?;
        let parent = self.znode(parent_path)?;
        self.authorize(&parent, perms::DELETE)?;
        let znode = self.znode(&path)?;
        next_version(znode.meta.version, version)?;
        if znode.meta.num_children > 0 {
            return Err(ErrorCode::NotEmpty);
        }
        self.remove(&path);
        Ok((kind::DELETE, Txn::Delete { path }))
    }

    fn set_data<'a>(
        &mut self,
        path: Cow<'a, str>,
        data: Option<&'a [u8]>,
        version: i32,
    ) -> Result<(i32, Txn<'a>), ErrorCode> {
        if !path::is_valid(&path) {
            return Err(ErrorCode::BadArguments);
        }
        let znode = self.znode(&path)?;
        self.authorize(&znode, perms::WRITE)?;
        let old_len = match &znode.data {
            Some(data) => data.len() as i64,
            None => self.committed_len(&path),
        };
        self.check_quota(&path, data.map_or(0, <[u8]>::len) as i64 - old_len, 0)?;
        let version = next_version(znode.meta.version, version)?;
        let (zxid, time_ms) = (self.zxid, self.time_ms);
        self.overlay.change(self.tree, zxid, &path, |znode| {
            (znode.meta.version, znode.meta.mzxid, znode.meta.mtime) = (version, zxid, time_ms);
            znode.data = Some(data.unwrap_or_default().into());
        });
        Ok((kind::SET_DATA, Txn::SetData { path, data, version }))
    }

    fn set_acl<'a>(
        &mut self,
        path: Cow<'a, str>,
        acls: Option<&[Acl]>,
        version: i32,
    ) -> Result<(i32, Txn<'a>), ErrorCode> {
        if !path::is_valid(&path) {
            return Err(ErrorCode::BadArguments);
        }
        let acls = acl::fixup(acls, self.caller.identities, self.config.sasl_enabled)?;
        let znode = self.znode(&path)?;
        self.authorize(&znode, perms::ADMIN)?;
        let version = next_version(znode.meta.aversion, version)?;
        let acl = EncodedAcls::of(&acls);
        self.overlay.change(self.tree, self.zxid, &path, |znode| {
            znode.meta.aversion = version;
            znode.acl = Some(Arc::from(acls));
        });
        Ok((kind::SET_ACL, Txn::SetAcl { path, acl, version }))
    }

    fn check<'a>(&mut self, path: Cow<'a, str>, version: i32) -> Result<(i32, Txn<'a>), ErrorCode> {
        if !path::is_valid(&path) {
            return Err(ErrorCode::BadArguments);
        }
        let znode = self.znode(&path)?;
        self.authorize(&znode, perms::READ)?;
        let version = next_version(znode.meta.version, version)?;
        Ok((kind::CHECK, Txn::Check { path, version }))
    }

    fn remove_ephemerals(&mut self) -> Vec<alloc::string::String> {
        let session = self.caller.session;
        let mut paths: Vec<_> = self.tree.ephemerals(session).collect();
        paths.retain(|path| {
            self.overlay
                .znode(self.tree, path)
                .is_some_and(|znode| self.kind_of(&znode) == OwnerKind::Ephemeral(session))
        });
        let prepared: Vec<_> = self
            .overlay
            .created()
            .filter(|(_, znode)| self.kind_of(znode) == OwnerKind::Ephemeral(session))
            .map(|(path, _)| alloc::string::String::from(path))
            .collect();
        paths.extend(prepared);
        paths.sort_unstable();
        paths.dedup();
        for path in &paths {
            self.remove(path);
        }
        paths
    }

    fn reap(&mut self, path: &str) -> Result<(), ErrorCode> {
        parent_of_old(path)?;
        let znode = self.znode(path)?;
        let reapable = matches!(self.kind_of(&znode), OwnerKind::Container | OwnerKind::Ttl(_));
        if znode.meta.num_children > 0 || !reapable {
            return Err(ErrorCode::NotEmpty);
        }
        self.remove(path);
        Ok(())
    }

    /// Takes a znode out of the overlay's world and tells its parent.
    fn remove(&mut self, path: &str) {
        let zxid = self.zxid;
        self.overlay.remove(self.tree, zxid, path);
        let parent = path::parent(path).unwrap_or("/");
        self.overlay.change(self.tree, zxid, parent, |parent| {
            parent.meta.pzxid = parent.meta.pzxid.max(zxid);
            parent.meta.num_children = parent.meta.num_children.saturating_sub(1);
        });
    }

    fn znode(&self, path: &str) -> Result<Znode, ErrorCode> {
        self.overlay.znode(self.tree, path).ok_or(ErrorCode::NoNode)
    }

    fn authorize(&self, znode: &Znode, wanted: i32) -> Result<(), ErrorCode> {
        let acls = znode.acl.as_deref().unwrap_or_else(|| self.tree.acl_of(&znode.meta));
        match self.config.skip_acl || acl::allows(acls, wanted, self.caller.identities) {
            true => Ok(()),
            false => Err(ErrorCode::NoAuth),
        }
    }

    fn check_quota(&self, path: &str, bytes: i64, count: i64) -> Result<(), ErrorCode> {
        match self.config.enforce_quota {
            true => check_quota(self.tree, path, bytes, count),
            false => Ok(()),
        }
    }

    fn committed_len(&self, path: &str) -> i64 {
        self.tree.find(path).map_or(0, |id| self.tree.meta_and_data(id).1.map_or(0, <[u8]>::len) as i64)
    }

    fn kind_of(&self, znode: &Znode) -> OwnerKind {
        OwnerKind::of(znode.meta.owner, self.config.extended_types_enabled)
    }

    fn owner_field(&self, owner: Owner) -> i64 {
        match owner {
            Owner::Persistent => OwnerKind::Persistent,
            Owner::Ephemeral => OwnerKind::Ephemeral(self.caller.session),
            Owner::Container => OwnerKind::Container,
            Owner::Ttl(ttl_ms) => OwnerKind::Ttl(ttl_ms),
        }
        .to_owner()
    }
}
