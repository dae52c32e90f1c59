//! What a request sets in motion, and in which order its reply leaves.

use super::conn::{Conn, Origin, OriginKind, Pending, Stage};
use super::read::{Leaves, reply};
use super::{ConnId, Effects, Peer, ReadOutcome};
use crate::acl;
use crate::jute::{DecodeError, Reader};
use crate::prep::{Caller, Prepared};
use crate::proto::{
    AddWatchMode, AuthPacket, ErrorCode, EventType, OpCode, ReplyHeader, Request, RequestHeader, SetWatches,
    WatcherEvent, frame, xid,
};
use crate::{Now, Zxid};
use alloc::boxed::Box;
use alloc::vec::Vec;

/// What the identities of one connection may take; each is looked at whenever an ACL is checked. Room for some
/// 700 users of a digest.
const IDENTITY_BYTES_MAX: usize = 64 << 10;
/// The zxid of events that setWatches finds.
const NO_ZXID: Zxid = -1;

impl Peer {
    /// Serves a request that changes nothing, under a shared reference, so that readers run side by side.
    ///
    /// Appends the whole reply frame to `out`, or leaves it alone and asks for [`Peer::step`].
    pub fn read(&self, now: Now, id: ConnId, payload: &[u8], out: &mut Vec<u8>) -> ReadOutcome {
        self.try_read(now, id, payload, out).map_or(ReadOutcome::NeedsStep, |()| ReadOutcome::Served)
    }

    fn try_read(&self, now: Now, id: ConnId, payload: &[u8], out: &mut Vec<u8>) -> Option<()> {
        let conn = self.conns.get(&id)?;
        if conn.stage != Stage::Established || !conn.pending.is_empty() || !self.may_act(conn) {
            return None;
        }
        let mut reader = Reader::new(payload);
        let header = RequestHeader::decode(&mut reader).ok()?;
        let op = OpCode::from_wire(header.op)?;
        let served_here = match op {
            OpCode::Sync => self.proposals.is_empty(),
            OpCode::Exists
            | OpCode::GetData
            | OpCode::GetChildren
            | OpCode::GetChildren2
            | OpCode::GetAcl
            | OpCode::GetAllChildrenNumber
            | OpCode::GetEphemerals
            | OpCode::MultiRead
            | OpCode::WhoAmI
            | OpCode::Ping => true,
            _ => false,
        };
        if !served_here {
            return None;
        }
        let request = Request::decode(op, reader.remaining()).ok()?;
        let leaves_watch = Self::leaves(&request, Ok(())) != Leaves::Nothing;
        if leaves_watch || !self.sessions.touch(conn.session, conn.timeout_ms, now) {
            return None;
        }
        let xid = if op == OpCode::Ping { xid::PING } else { header.xid };
        let _ = reply(out, xid, self.tree.last_processed(), |out| self.answer(conn, &request, out));
        Some(())
    }

    pub(super) fn on_client_request(&mut self, now: Now, id: ConnId, payload: &[u8], effects: &mut Effects) {
        let Some(conn) = self.conns.get_mut(&id) else { return };
        match conn.stage {
            Stage::Fresh => self.on_connect(now, id, payload, effects),
            Stage::Connecting => conn.push_frame(payload),
            Stage::Established => self.on_frame(now, id, payload, false, effects),
            Stage::Closing => {}
        }
    }

    /// Handles one request. `is_next` says that it comes from the head of the connection's queue: everything
    /// before it has been answered.
    fn on_frame(&mut self, now: Now, id: ConnId, payload: &[u8], is_next: bool, effects: &mut Effects) {
        let mut reader = Reader::new(payload);
        let Ok(header) = RequestHeader::decode(&mut reader) else { return self.close(id, effects) };
        let body = reader.remaining();
        let op = OpCode::from_wire(header.op);
        match op {
            Some(OpCode::Auth) => return self.on_auth(id, header, body, effects),
            Some(OpCode::Sasl) => return self.on_sasl(id, header, body, effects),
            _ => {}
        }
        let Some(conn) = self.conns.get(&id) else { return };
        if !self.may_act(conn) {
            return self.refuse(id, header.xid, 0, ErrorCode::SessionClosedRequireAuth, effects);
        }
        // Unknown, internal, and check outside a multi: answered out of turn, then closed.
        let Some(op) = op.filter(|op| *op != OpCode::Check) else {
            return self.refuse(id, header.xid, NO_ZXID, ErrorCode::Unimplemented, effects);
        };
        if !self.sessions.touch(conn.session, conn.timeout_ms, now) && !is_next {
            // The session is closing or gone: silence, the connection will follow. What was accepted before
            // is still answered.
            return;
        }
        match Request::decode(op, body) {
            Ok(request) if op.is_write() => self.on_write(now, id, header, request, is_next, effects),
            Err(error) if op == OpCode::Multi || op.is_write() && error == DecodeError::UnexpectedNull => {
                let prepared = self.prep.failure(malformed_write(op, body));
                self.propose_for(now, id, header.xid, op, prepared, is_next, effects);
            }
            decoded => {
                let must_wait = !is_next && !conn.pending.is_empty();
                let proposed = self.proposals.back().map(|proposal| proposal.zxid);
                let Some(conn) = self.conns.get_mut(&id) else { return };
                // A sync waits for what is proposed when it comes, its own connection's writes included; what
                // is proposed later is none of its business.
                if let (OpCode::Sync, Some(upto), false) = (op, proposed, is_next) {
                    conn.pending.push_back(Pending::Sync(upto, Box::from(payload)));
                    self.syncs.push_back((upto, id));
                    return;
                }
                if must_wait {
                    return conn.push_frame(payload);
                }
                match decoded {
                    Ok(request) => self.on_read(id, header, &request, effects),
                    Err(_) => self.send_reply(id, header.xid, effects, |_| Err(ErrorCode::MarshallingError)),
                }
            }
        }
    }

    fn on_write(
        &mut self,
        now: Now,
        id: ConnId,
        header: RequestHeader,
        request: Request<'_>,
        is_next: bool,
        effects: &mut Effects,
    ) {
        let Some(conn) = self.conns.get(&id) else { return };
        let op = request.op();
        let zxid = self.last_proposed + 1;
        let prepared = match request {
            Request::CloseSession => {
                self.sessions.set_closing(conn.session);
                self.prep.close_session(&self.tree, conn.session, zxid)
            }
            Request::Reconfig(_) if self.config.reconfig_enabled => {
                self.prep.failure(ErrorCode::Unimplemented)
            }
            request => {
                let caller = Caller { session: conn.session, identities: &conn.identities };
                self.prep.prepare(&self.tree, caller, zxid, now.wall_ms, request)
            }
        };
        self.propose_for(now, id, header.xid, op, prepared, is_next, effects);
    }

    #[allow(clippy::too_many_arguments)]
    fn propose_for(
        &mut self,
        now: Now,
        id: ConnId,
        xid: i32,
        op: OpCode,
        prepared: Prepared<'_>,
        is_next: bool,
        effects: &mut Effects,
    ) {
        let Some(session) = self.conns.get(&id).map(|conn| conn.session) else { return };
        let origin = Origin { conn: id, xid, request: OriginKind::Op(op) };
        let zxid = self.propose(now, session, xid, prepared, Some(origin), effects);
        let Some(conn) = self.conns.get_mut(&id) else { return };
        match is_next {
            true => conn.pending.push_front(Pending::Txn(zxid)),
            false => conn.pending.push_back(Pending::Txn(zxid)),
        }
    }

    fn on_read(&mut self, id: ConnId, header: RequestHeader, request: &Request<'_>, effects: &mut Effects) {
        match request {
            Request::SetWatches(_, lists) => {
                self.set_watches(id, lists, effects);
                self.send_reply(id, header.xid, effects, |_| Ok(()));
            }
            Request::AddWatch { path, mode } => {
                let result = AddWatchMode::from_wire(*mode).map(|mode| self.watches.add(id, path, mode));
                self.send_reply(id, header.xid, effects, |out| {
                    result.map(|()| out.extend_from_slice(&0i32.to_be_bytes()))
                });
            }
            Request::CheckWatches { path, kind } | Request::RemoveWatches { path, kind } => {
                let result = self.watches_of_type(id, request.op(), path, *kind);
                self.send_reply(id, header.xid, effects, |_| result);
            }
            request => self.on_plain_read(id, header, request, effects),
        }
    }

    fn on_plain_read(
        &mut self,
        id: ConnId,
        header: RequestHeader,
        request: &Request<'_>,
        effects: &mut Effects,
    ) {
        let Some(conn) = self.conns.get(&id) else { return };
        let xid = if matches!(request, Request::Ping) { xid::PING } else { header.xid };
        let zxid = self.tree.last_processed();
        let mut result = Ok(());
        effects.send(id, |out| result = reply(out, xid, zxid, |out| self.answer(conn, request, out)));
        let (Request::Exists { path, .. }
        | Request::GetData { path, .. }
        | Request::GetChildren { path, .. }
        | Request::GetChildren2 { path, .. }) = request
        else {
            return;
        };
        match Self::leaves(request, result) {
            Leaves::Nothing => {}
            Leaves::DataWatch => self.watches.add_data(id, path),
            Leaves::ChildWatch => self.watches.add_child(id, path),
        }
    }

    /// After a reconnect: what changed since the client last looked is told at once, the rest is watched
    /// again. These events carry no zxid and ask no ACL.
    fn set_watches(&mut self, id: ConnId, lists: &SetWatches<'_>, effects: &mut Effects) {
        let since = lists.relative_zxid;
        let tell = |effects: &mut Effects, kind, path: &str| {
            effects.send(id, |out| WatcherEvent { kind, path }.encode_frame(NO_ZXID, out));
        };
        for path in &lists.data {
            match self.tree.find(path).map(|node| self.tree.meta(node)) {
                None => tell(effects, EventType::NodeDeleted, path),
                Some(meta) if meta.mzxid > since => tell(effects, EventType::NodeDataChanged, path),
                Some(_) => self.watches.add_data(id, path),
            }
        }
        for path in &lists.exist {
            match self.tree.find(path) {
                Some(_) => tell(effects, EventType::NodeCreated, path),
                None => self.watches.add_data(id, path),
            }
        }
        for path in &lists.child {
            match self.tree.find(path).map(|node| self.tree.meta(node)) {
                None => tell(effects, EventType::NodeDeleted, path),
                Some(meta) if meta.pzxid > since => tell(effects, EventType::NodeChildrenChanged, path),
                Some(_) => self.watches.add_child(id, path),
            }
        }
        for path in &lists.persistent {
            self.watches.add(id, path, AddWatchMode::Persistent);
        }
        for path in &lists.persistent_recursive {
            self.watches.add(id, path, AddWatchMode::PersistentRecursive);
        }
    }

    fn on_auth(&mut self, id: ConnId, header: RequestHeader, body: &[u8], effects: &mut Effects) {
        let Ok(Request::Auth(packet)) = Request::decode(OpCode::Auth, body) else {
            return self.close(id, effects);
        };
        if !self.authenticate(id, &packet) {
            return self.refuse(id, header.xid, 0, ErrorCode::AuthFailed, effects);
        }
        effects.send(id, |out| {
            frame(out, |out| ReplyHeader { xid: header.xid, zxid: 0, err: ErrorCode::Ok }.encode(out));
        });
    }

    fn authenticate(&mut self, id: ConnId, packet: &AuthPacket<'_>) -> bool {
        let Some(conn) = self.conns.get_mut(&id) else { return false };
        match &*packet.scheme {
            // The address was proved when the connection was made.
            "ip" => true,
            "digest" => {
                let Some(credentials) = packet.auth else { return false };
                let identity = acl::digest_identity(credentials);
                let is_super = self.config.super_digest.as_deref() == Some(&identity.id);
                (!is_super || add_identity(conn, acl::Id::new("super", ""))) && add_identity(conn, identity)
            }
            _ => false,
        }
    }

    /// Whether the connection has proved one of the schemes that the configuration insists on.
    fn may_act(&self, conn: &Conn) -> bool {
        let wanted = &self.config.enforce_auth_schemes;
        wanted.is_empty() || conn.identities.iter().any(|id| wanted.contains(&id.scheme))
    }

    /// An error reply out of turn, then the end of the connection.
    fn refuse(&mut self, id: ConnId, xid: i32, zxid: Zxid, err: ErrorCode, effects: &mut Effects) {
        effects.send(id, |out| frame(out, |out| ReplyHeader { xid, zxid, err }.encode(out)));
        self.close(id, effects);
    }

    pub(super) fn send_reply(
        &self,
        id: ConnId,
        xid: i32,
        effects: &mut Effects,
        body: impl FnOnce(&mut Vec<u8>) -> Result<(), ErrorCode>,
    ) {
        let zxid = self.tree.last_processed();
        effects.send(id, |out| {
            let _ = reply(out, xid, zxid, body);
        });
    }

    /// Handles what a client sent ahead of the answer to its handshake, as if it came now. Its writes get their
    /// places in the order before those of any later frame.
    pub(super) fn take_early_frames(&mut self, now: Now, id: ConnId, effects: &mut Effects) {
        let Some(conn) = self.conns.get_mut(&id) else { return };
        conn.pending_bytes = 0;
        for early in core::mem::take(&mut conn.pending) {
            let established = self.conns.get(&id).is_some_and(|conn| conn.stage == Stage::Established);
            if let (Pending::Frame(payload), true) = (early, established) {
                self.on_frame(now, id, &payload, false, effects);
            }
        }
    }

    /// Answers what waited behind something that is answered now.
    pub(super) fn drain(&mut self, now: Now, id: ConnId, effects: &mut Effects) {
        loop {
            let applied = self.tree.last_processed();
            let Some(conn) = self.conns.get_mut(&id).filter(|conn| conn.stage == Stage::Established) else {
                return;
            };
            if matches!(conn.pending.front(), Some(Pending::Sync(upto, _)) if *upto <= applied) {
                let Some(Pending::Sync(_, payload)) = conn.pending.pop_front() else { return };
                self.on_frame(now, id, &payload, true, effects);
                continue;
            }
            let Some(payload) = conn.pop_frame() else { return };
            self.on_frame(now, id, &payload, true, effects);
        }
    }
}

/// The code of a write whose bytes are malformed in one of the ways that consume a zxid in Apache: a multi that
/// does not decode, or a null where the preparation, not the decoder, stumbles over it.
fn malformed_write(op: OpCode, body: &[u8]) -> ErrorCode {
    let path = Reader::new(body).string_or_null();
    match (op, path) {
        (OpCode::SetData | OpCode::SetAcl, Ok(None)) => ErrorCode::BadArguments,
        _ => ErrorCode::MarshallingError,
    }
}

/// Notes what a connection has proved to be; false when it has proved too much already.
pub(super) fn add_identity(conn: &mut Conn, id: acl::Id) -> bool {
    if conn.identities.contains(&id) {
        return true;
    }
    let held_bytes: usize = conn.identities.iter().chain([&id]).map(identity_bytes).sum();
    if held_bytes > IDENTITY_BYTES_MAX {
        return false;
    }
    conn.identities.push(id);
    true
}

fn identity_bytes(id: &acl::Id) -> usize {
    core::mem::size_of::<acl::Id>() + id.scheme.len() + id.id.len()
}
