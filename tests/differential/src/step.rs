//! The steps of a sequence: what is sent, symbolically, so that one list of steps runs against any server.
//!
//! Paths are relative to the sequence's own znode, versions and zxids may refer to what the servers answered
//! earlier. A step that makes no sense any more (after the shrinker removed others) does nothing.

use crate::reply::Fact;
use crate::request::{Mangle, Request};
use crate::wire::show;
use std::collections::HashMap;

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
    Send { slot: usize, xid: Option<i32>, request: Request },
    /// Several requests in one write, then their replies.
    Burst { slot: usize, requests: Vec<Request> },
    /// Bytes that are no frame or no request; the server is expected to close the connection.
    RawBytes { slot: usize, bytes: Vec<u8> },
    /// The client's end vanishes; the session lives on.
    Drop { slot: usize },
    /// Wait until the server tells this client something (a session is about to expire).
    AwaitEvent { slot: usize },
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
            Path::Sequential(_) if self.sequential.is_empty() => {
                Some(format!("{}/a", self.root).into_bytes())
            }
            Path::Sequential(index) => Some(self.sequential[index % self.sequential.len()].clone()),
        }
    }

    /// Takes in what replies taught, with the path of each one's request.
    pub fn learn(&mut self, facts: Vec<(Option<Vec<u8>>, Fact)>) {
        for (path, fact) in facts {
            match (fact, path) {
                (Fact::Created(created), path) => {
                    let is_sequential = created.len() > 10
                        && created[created.len() - 10..].iter().all(u8::is_ascii_digit)
                        && path.is_none_or(|path| path != created);
                    self.seen.insert(created.clone(), (0, 0));
                    if is_sequential {
                        self.sequential.push(created);
                    }
                }
                (Fact::Versions(version, aversion), Some(path)) => {
                    self.seen.insert(path, (version, aversion));
                }
                (Fact::Versions(..), None) => {}
            }
        }
    }

    /// The number behind a version symbol; `of_acl` for the ACL's.
    pub fn version(&self, path: &Path, version: Version, of_acl: bool) -> i32 {
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
