//! What the peer keeps of each client connection.

use super::ConnId;
use crate::Zxid;
use crate::acl::Id;
use crate::proto::OpCode;
use crate::sasl::DigestMd5Server;
use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::string::ToString;
use alloc::vec::Vec;
use core::net::IpAddr;

/// How far a connection has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    /// Nothing received yet.
    Fresh,
    /// Its session is being created.
    Connecting,
    /// It speaks for a session.
    Established,
    /// It is being closed; whatever it still sends is ignored.
    Closing,
}

/// A request that waits for its turn. Replies leave in the order of requests.
#[derive(Debug)]
pub(super) enum Pending {
    /// A transaction on its way: the reply leaves when it is applied.
    Txn(Zxid),
    /// A `sync`: answered once everything up to this zxid is applied.
    Sync(Zxid, Box<[u8]>),
    /// A frame behind one of those.
    Frame(Box<[u8]>),
}

/// One client connection.
#[derive(Debug)]
pub(super) struct Conn {
    pub stage: Stage,
    /// The session's id, 0 before there is one.
    pub session: i64,
    /// The negotiated timeout, milliseconds.
    pub timeout_ms: i32,
    /// Whether the connect request had the read-only flag, so that the response has it too.
    pub has_read_only: bool,
    /// What the connection has proved to be.
    pub identities: Vec<Id>,
    /// Its exchange of SASL tokens.
    pub sasl: DigestMd5Server,
    pub pending: VecDeque<Pending>,
    /// Bytes held in `pending`.
    pub pending_bytes: usize,
}

impl Conn {
    pub fn new(address: IpAddr) -> Self {
        Self {
            stage: Stage::Fresh,
            session: 0,
            timeout_ms: 0,
            has_read_only: true,
            identities: alloc::vec![Id { scheme: "ip".to_string(), id: address.to_string() }],
            sasl: DigestMd5Server::default(),
            pending: VecDeque::new(),
            pending_bytes: 0,
        }
    }

    pub fn push_frame(&mut self, payload: &[u8]) {
        self.pending_bytes += payload.len();
        self.pending.push_back(Pending::Frame(payload.into()));
    }

    pub fn pop_frame(&mut self) -> Option<Box<[u8]>> {
        match self.pending.front()? {
            Pending::Frame(_) => {}
            Pending::Txn(_) | Pending::Sync(..) => return None,
        }
        let Some(Pending::Frame(payload)) = self.pending.pop_front() else { return None };
        self.pending_bytes -= payload.len();
        Some(payload)
    }
}

/// Where the reply to a transaction goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Origin {
    pub conn: ConnId,
    pub xid: i32,
    pub request: OriginKind,
}

/// What was asked for, as far as the reply depends on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum OriginKind {
    Op(OpCode),
    CreateSession,
}
