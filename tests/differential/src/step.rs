//! The steps of a sequence: what is sent, symbolically, so that one list of steps runs against any server.
//!
//! Paths are relative to the sequence's own znode, versions and zxids may refer to what the servers answered
//! earlier. A step that makes no sense any more (after the shrinker removed others) does nothing.

use crate::wire::{AclEntry, Put, put_acls, show, show_or_null};
use std::collections::HashMap;

/// Client opcodes by number.
#[allow(missing_docs)]
pub mod op {
    pub const CREATE: i32 = 1;
    pub const DELETE: i32 = 2;
    pub const EXISTS: i32 = 3;
    pub const GET_DATA: i32 = 4;
    pub const SET_DATA: i32 = 5;
    pub const GET_ACL: i32 = 6;
    pub const SET_ACL: i32 = 7;
    pub const GET_CHILDREN: i32 = 8;
    pub const SYNC: i32 = 9;
    pub const PING: i32 = 11;
    pub const GET_CHILDREN2: i32 = 12;
    pub const CHECK: i32 = 13;
    pub const MULTI: i32 = 14;
    pub const CREATE2: i32 = 15;
    pub const RECONFIG: i32 = 16;
    pub const CHECK_WATCHES: i32 = 17;
    pub const REMOVE_WATCHES: i32 = 18;
    pub const CREATE_CONTAINER: i32 = 19;
    pub const CREATE_TTL: i32 = 21;
    pub const MULTI_READ: i32 = 22;
    pub const AUTH: i32 = 100;
    pub const SET_WATCHES: i32 = 101;
    pub const SASL: i32 = 102;
    pub const GET_EPHEMERALS: i32 = 103;
    pub const GET_ALL_CHILDREN_NUMBER: i32 = 104;
    pub const SET_WATCHES2: i32 = 105;
    pub const ADD_WATCH: i32 = 106;
    pub const WHO_AM_I: i32 = 107;
    pub const CLOSE_SESSION: i32 = -11;

    /// The name of an opcode; unknown ones have none.
    pub fn name(op: i32) -> Option<&'static str> {
        Some(match op {
            CREATE => "create",
            DELETE => "delete",
            EXISTS => "exists",
            GET_DATA => "getData",
            SET_DATA => "setData",
            GET_ACL => "getACL",
            SET_ACL => "setACL",
            GET_CHILDREN => "getChildren",
            SYNC => "sync",
            PING => "ping",
            GET_CHILDREN2 => "getChildren2",
            CHECK => "check",
            MULTI => "multi",
            CREATE2 => "create2",
            RECONFIG => "reconfig",
            CHECK_WATCHES => "checkWatches",
            REMOVE_WATCHES => "removeWatches",
            CREATE_CONTAINER => "createContainer",
            CREATE_TTL => "createTTL",
            MULTI_READ => "multiRead",
            AUTH => "auth",
            SET_WATCHES => "setWatches",
            SASL => "sasl",
            GET_EPHEMERALS => "getEphemerals",
            GET_ALL_CHILDREN_NUMBER => "getAllChildrenNumber",
            SET_WATCHES2 => "setWatches2",
            ADD_WATCH => "addWatch",
            WHO_AM_I => "whoAmI",
            CLOSE_SESSION => "closeSession",
            _ => return None,
        })
    }
}

/// A path to send.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Path {
    /// A null string.
    Null,
    /// These bytes.
    Raw(Vec<u8>),
    /// The sequence's own znode, followed by this.
    Below(String),
    /// `/zookeeper/quota`, the sequence's own znode, this.
    Quota(String),
    /// The n-th (counted round) sequential znode created so far; `a` below the own znode when there is none.
    Sequential(usize),
}

/// Data to send.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Data {
    /// A null buffer.
    Null,
    /// These bytes.
    Bytes(Vec<u8>),
    /// So many equal bytes.
    Filled(usize),
}

/// A version to send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Version {
    /// This number.
    Exact(i32),
    /// The version last seen of that path in any reply, plus this; 0 plus this when none was seen.
    Seen(i32),
}

/// A zxid to send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ZxidRef {
    /// This number.
    Exact(i64),
    /// That of the creation of the sequence's own znode, plus this.
    Base(i64),
    /// The largest that this client has seen in a reply.
    Last,
}

/// A change to an encoded body that makes it wrong, or at least odd.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Mangle {
    /// Keep only so many thousandths of it.
    Truncate(usize),
    /// Put these bytes over what is at so many thousandths.
    Overwrite(usize, Vec<u8>),
    /// More bytes at its end.
    Append(Vec<u8>),
}

/// A request.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Request {
    /// The four creates; `ttl` only where the record has it.
    Create {
        op: i32,
        path: Path,
        data: Data,
        acl: Option<Vec<AclEntry>>,
        flags: i32,
        ttl: Option<i64>,
    },
    /// delete, check.
    Versioned {
        op: i32,
        path: Path,
        version: Version,
    },
    /// exists, getData, getChildren, getChildren2.
    Watching {
        op: i32,
        path: Path,
        watch: bool,
    },
    SetData {
        path: Path,
        data: Data,
        version: Version,
    },
    SetAcl {
        path: Path,
        acl: Option<Vec<AclEntry>>,
        version: Version,
    },
    /// getACL, sync, getEphemerals, getAllChildrenNumber.
    PathOnly {
        op: i32,
        path: Path,
    },
    /// multi, multiRead.
    Multi {
        op: i32,
        elements: Vec<Request>,
    },
    /// checkWatches, removeWatches, addWatch.
    WatchKind {
        op: i32,
        path: Path,
        kind: i32,
    },
    /// setWatches (the first three lists) and setWatches2.
    SetWatches {
        op: i32,
        zxid: ZxidRef,
        lists: Vec<Vec<Path>>,
    },
    Auth {
        scheme: Option<Vec<u8>>,
        auth: Option<Vec<u8>>,
    },
    Sasl {
        token: Option<Vec<u8>>,
    },
    Reconfig {
        members: [Option<Vec<u8>>; 3],
        config_id: i64,
    },
    /// ping, whoAmI, closeSession, and opcodes that nobody knows.
    Bare {
        op: i32,
    },
    Mangled {
        inner: Box<Request>,
        how: Mangle,
    },
}

/// The session that a connection asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SessionRef {
    /// A new one.
    New,
    /// The one this slot had last.
    Own,
    /// That one, with a wrong password.
    OwnWrongPassword,
    /// The one another slot has.
    OfSlot(usize),
    /// One that no server knows.
    Unknown,
}

/// One step of a sequence. A slot is one client: at most one connection at a time, and a last session.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Step {
    Connect {
        slot: usize,
        session: SessionRef,
        zxid: ZxidRef,
        timeout_ms: i32,
        /// `None`: the form of clients up to 3.3.
        read_only: Option<bool>,
        mangle: Option<Mangle>,
    },
    /// One request, one reply. The xid is the connection's next unless given.
    Send {
        slot: usize,
        xid: Option<i32>,
        request: Request,
    },
    /// Several requests in one write, then their replies.
    Burst {
        slot: usize,
        requests: Vec<Request>,
    },
    /// Bytes that are no frame or no request; the server is expected to close the connection.
    RawBytes {
        slot: usize,
        bytes: Vec<u8>,
    },
    /// The client's end vanishes; the session lives on.
    Drop {
        slot: usize,
    },
    /// Wait until the server tells this client something (a session is about to expire).
    AwaitEvent {
        slot: usize,
    },
}

/// What the symbols of steps stand for in one run.
#[derive(Debug, Default)]
pub struct World {
    /// The sequence's own znode.
    pub root: String,
    /// The sequential znodes created so far.
    pub sequential: Vec<Vec<u8>>,
    /// Data and ACL version last seen, by path.
    pub seen: HashMap<Vec<u8>, (i32, i32)>,
}

/// What zxid symbols stand for at one of the servers.
#[derive(Debug, Clone, Copy, Default)]
pub struct Zxids {
    /// Of the creation of the sequence's own znode.
    pub base: i64,
    /// The largest seen by the client that sends.
    pub last: i64,
}

impl Zxids {
    /// The number behind a symbol.
    pub fn resolve(&self, zxid: ZxidRef) -> i64 {
        match zxid {
            ZxidRef::Exact(zxid) => zxid,
            ZxidRef::Base(delta) => self.base + delta,
            ZxidRef::Last => self.last,
        }
    }
}

impl World {
    /// The bytes of a path, or null.
    pub fn path(&self, path: &Path) -> Option<Vec<u8>> {
        match path {
            Path::Null => None,
            Path::Raw(bytes) => Some(bytes.clone()),
            Path::Below(rest) => Some(format!("{}{rest}", self.root).into_bytes()),
            Path::Quota(rest) => Some(format!("/zookeeper/quota{}{rest}", self.root).into_bytes()),
            Path::Sequential(_) if self.sequential.is_empty() => Some(format!("{}/a", self.root).into_bytes()),
            Path::Sequential(index) => Some(self.sequential[index % self.sequential.len()].clone()),
        }
    }

    fn version(&self, path: &Path, version: Version, of_acl: bool) -> i32 {
        match version {
            Version::Exact(version) => version,
            Version::Seen(offset) => {
                let seen = self.path(path).and_then(|path| self.seen.get(&path).copied()).unwrap_or_default();
                (if of_acl { seen.1 } else { seen.0 }).wrapping_add(offset)
            }
        }
    }
}

impl Data {
    /// The bytes, or null.
    pub fn bytes(&self) -> Option<Vec<u8>> {
        match self {
            Self::Null => None,
            Self::Bytes(bytes) => Some(bytes.clone()),
            Self::Filled(length) => Some(vec![b'x'; *length]),
        }
    }
}

impl Mangle {
    /// Applies the change.
    pub fn apply(&self, body: &mut Vec<u8>) {
        match self {
            Self::Truncate(thousandths) => body.truncate(body.len() * thousandths / 1000),
            Self::Overwrite(thousandths, bytes) => {
                let at = body.len() * thousandths / 1000;
                for (offset, byte) in bytes.iter().enumerate() {
                    if let Some(place) = body.get_mut(at + offset) {
                        *place = *byte;
                    }
                }
            }
            Self::Append(bytes) => body.extend_from_slice(bytes),
        }
    }
}

impl Request {
    /// The opcode it travels under.
    pub fn op(&self) -> i32 {
        match self {
            Self::Create { op, .. }
            | Self::Versioned { op, .. }
            | Self::Watching { op, .. }
            | Self::PathOnly { op, .. }
            | Self::Multi { op, .. }
            | Self::WatchKind { op, .. }
            | Self::SetWatches { op, .. }
            | Self::Bare { op } => *op,
            Self::SetData { .. } => op::SET_DATA,
            Self::SetAcl { .. } => op::SET_ACL,
            Self::Auth { .. } => op::AUTH,
            Self::Sasl { .. } => op::SASL,
            Self::Reconfig { .. } => op::RECONFIG,
            Self::Mangled { inner, .. } => inner.op(),
        }
    }

    /// The path it is about, if it has exactly one.
    pub fn path(&self) -> Option<&Path> {
        match self {
            Self::Create { path, .. }
            | Self::Versioned { path, .. }
            | Self::Watching { path, .. }
            | Self::SetData { path, .. }
            | Self::SetAcl { path, .. }
            | Self::PathOnly { path, .. }
            | Self::WatchKind { path, .. } => Some(path),
            _ => None,
        }
    }

    /// The body, without request header.
    pub fn body(&self, world: &World, zxids: Zxids) -> Vec<u8> {
        let mut out = Vec::new();
        let put_path = |out: &mut Vec<u8>, path: &Path| out.buffer(world.path(path).as_deref());
        match self {
            Self::Create { path, data, acl, flags, ttl, .. } => {
                put_path(&mut out, path);
                out.buffer(data.bytes().as_deref());
                put_acls(&mut out, acl.as_deref());
                out.int(*flags);
                if let Some(ttl) = ttl {
                    out.long(*ttl);
                }
            }
            Self::Versioned { path, version, .. } => {
                put_path(&mut out, path);
                out.int(world.version(path, *version, false));
            }
            Self::Watching { path, watch, .. } => {
                put_path(&mut out, path);
                out.flag(*watch);
            }
            Self::SetData { path, data, version } => {
                put_path(&mut out, path);
                out.buffer(data.bytes().as_deref());
                out.int(world.version(path, *version, false));
            }
            Self::SetAcl { path, acl, version } => {
                put_path(&mut out, path);
                put_acls(&mut out, acl.as_deref());
                out.int(world.version(path, *version, true));
            }
            Self::PathOnly { path, .. } => put_path(&mut out, path),
            Self::Multi { elements, .. } => {
                for element in elements {
                    out.int(element.op());
                    out.flag(false);
                    out.int(-1);
                    out.extend_from_slice(&element.body(world, zxids));
                }
                out.int(-1);
                out.flag(true);
                out.int(-1);
            }
            Self::WatchKind { path, kind, .. } => {
                put_path(&mut out, path);
                out.int(*kind);
            }
            Self::SetWatches { zxid, lists, .. } => {
                out.long(zxids.resolve(*zxid));
                for list in lists {
                    out.int(list.len() as i32);
                    for path in list {
                        put_path(&mut out, path);
                    }
                }
            }
            Self::Auth { scheme, auth } => {
                out.int(0);
                out.buffer(scheme.as_deref());
                out.buffer(auth.as_deref());
            }
            Self::Sasl { token } => out.buffer(token.as_deref()),
            Self::Reconfig { members, config_id } => {
                for text in members {
                    out.buffer(text.as_deref());
                }
                out.long(*config_id);
            }
            Self::Bare { .. } => {}
            Self::Mangled { inner, how } => {
                out = inner.body(world, zxids);
                how.apply(&mut out);
            }
        }
        out
    }

    /// One line for people.
    pub fn describe(&self, world: &World) -> String {
        let name = op::name(self.op()).map_or_else(|| format!("op {}", self.op()), str::to_string);
        let at = |path: &Path| show_path(world, path);
        let rest = match self {
            Self::Create { path, data, acl, flags, ttl, .. } => {
                let ttl = ttl.map_or(String::new(), |ttl| format!(" ttl={ttl}"));
                format!("{} {} acl={} flags={flags}{ttl}", at(path), show_data(data), show_acls(acl.as_deref()))
            }
            Self::Versioned { path, version, .. } => {
                format!("{} v={}", at(path), world.version(path, *version, false))
            }
            Self::Watching { path, watch, .. } => format!("{}{}", at(path), if *watch { " watch" } else { "" }),
            Self::SetData { path, data, version } => {
                format!("{} {} v={}", at(path), show_data(data), world.version(path, *version, false))
            }
            Self::SetAcl { path, acl, version } => {
                let version = world.version(path, *version, true);
                format!("{} acl={} v={version}", at(path), show_acls(acl.as_deref()))
            }
            Self::PathOnly { path, .. } => at(path),
            Self::Multi { elements, .. } => {
                let inner: Vec<String> = elements.iter().map(|element| element.describe(world)).collect();
                format!("[{}]", inner.join("; "))
            }
            Self::WatchKind { path, kind, .. } => format!("{} kind={kind}", at(path)),
            Self::SetWatches { zxid, lists, .. } => {
                let lists: Vec<String> =
                    lists.iter().map(|list| list.iter().map(at).collect::<Vec<_>>().join(",")).collect();
                format!("zxid={zxid:?} [{}]", lists.join(" | "))
            }
            Self::Auth { scheme, auth } => {
                format!("{} {}", show_or_null(scheme.as_deref()), show_or_null(auth.as_deref()))
            }
            Self::Sasl { token } => show_or_null(token.as_deref()),
            Self::Reconfig { members, config_id } => {
                let texts: Vec<String> = members.iter().map(|text| show_or_null(text.as_deref())).collect();
                format!("{} id={config_id}", texts.join(" "))
            }
            Self::Bare { .. } => String::new(),
            Self::Mangled { inner, how } => {
                let how = match how {
                    Mangle::Truncate(thousandths) => format!("cut at {thousandths}/1000"),
                    Mangle::Overwrite(at, bytes) => format!("{} put at {at}/1000", show(bytes)),
                    Mangle::Append(bytes) => format!("followed by {}", show(bytes)),
                };
                return format!("{} <- {how}", inner.describe(world));
            }
        };
        format!("{name} {rest}")
    }
}

impl Step {
    /// The slot it concerns.
    pub fn slot(&self) -> usize {
        match self {
            Self::Connect { slot, .. }
            | Self::Send { slot, .. }
            | Self::Burst { slot, .. }
            | Self::RawBytes { slot, .. }
            | Self::Drop { slot }
            | Self::AwaitEvent { slot } => *slot,
        }
    }

    /// One line for people.
    pub fn describe(&self, world: &World) -> String {
        let what = match self {
            Self::Connect { session, zxid, timeout_ms, read_only, mangle, .. } => {
                let odd = mangle.as_ref().map_or(String::new(), |mangle| format!(" {mangle:?}"));
                format!("connect {session:?} zxid={zxid:?} timeout={timeout_ms} readOnly={read_only:?}{odd}")
            }
            Self::Send { xid, request, .. } => {
                let xid = xid.map_or(String::new(), |xid| format!(" xid={xid}"));
                format!("{}{xid}", request.describe(world))
            }
            Self::Burst { requests, .. } => {
                let inner: Vec<String> = requests.iter().map(|request| request.describe(world)).collect();
                format!("burst\n      {}", inner.join("\n      "))
            }
            Self::RawBytes { bytes, .. } => format!("raw {}", show(bytes)),
            Self::Drop { .. } => "drop the connection".to_string(),
            Self::AwaitEvent { .. } => "await an event".to_string(),
        };
        format!("client {}: {what}", self.slot())
    }
}

fn show_path(world: &World, path: &Path) -> String {
    let text = show_or_null(world.path(path).as_deref());
    text.replace(&world.root, "~")
}

fn show_data(data: &Data) -> String {
    match data.bytes() {
        None => "null".to_string(),
        Some(bytes) => format!("'{}'", show(&bytes)),
    }
}

/// An ACL for people: `perms:scheme:id` entries.
pub fn show_acls(acls: Option<&[AclEntry]>) -> String {
    let Some(acls) = acls else { return "null".to_string() };
    let entries: Vec<String> = acls
        .iter()
        .map(|(perms, scheme, id)| {
            format!("{perms}:{}:{}", show_or_null(scheme.as_deref()), show_or_null(id.as_deref()))
        })
        .collect();
    format!("[{}]", entries.join(" "))
}
