//! The first frame of a connection: a new session, or an old one (`ZooKeeperServer.processConnectRequest`).

use super::conn::{Origin, OriginKind, Pending, Stage};
use super::{ConnId, Effect, Effects, Peer};
use crate::Now;
use crate::proto::{ConnectRequest, ConnectResponse, frame};
use crate::session;
use alloc::vec;

impl Peer {
    pub(super) fn on_connect(&mut self, now: Now, id: ConnId, payload: &[u8], effects: &mut Effects) {
        let Ok(request) = ConnectRequest::decode(payload) else { return self.close(id, effects) };
        // The client has seen more than this server has: it must not go back in time. No bytes, as in Apache.
        if request.last_zxid_seen > self.tree.last_processed() {
            return self.close(id, effects);
        }
        let least = i32::try_from(self.config.min_session_timeout_ms).unwrap_or(i32::MAX);
        let most = i32::try_from(self.config.max_session_timeout_ms).unwrap_or(i32::MAX);
        let Some(conn) = self.conns.get_mut(&id) else { return };
        conn.timeout_ms = request.timeout_ms.min(most).max(least);
        conn.has_read_only = request.has_read_only;
        match request.session_id {
            0 => self.create_session(now, id, effects),
            session => self.reopen_session(now, id, session, &request.password, effects),
        }
    }

    fn create_session(&mut self, now: Now, id: ConnId, effects: &mut Effects) {
        let session = self.sessions.new_id();
        let Some(conn) = self.conns.get_mut(&id) else { return };
        conn.stage = Stage::Connecting;
        conn.session = session;
        let timeout_ms = conn.timeout_ms;
        // Apache tracks the session from its preparation on, so that it expires even if nobody waits for it.
        self.sessions.add_proposed(session, timeout_ms, now);
        self.owners.insert(session, id);
        let prepared = self.prep.create_session(timeout_ms);
        let origin = Origin { conn: id, xid: 0, request: OriginKind::CreateSession };
        let zxid = self.propose(now, session, 0, prepared, Some(origin), effects);
        if let Some(conn) = self.conns.get_mut(&id) {
            conn.pending.push_back(Pending::Txn(zxid));
        }
    }

    fn reopen_session(&mut self, now: Now, id: ConnId, session: i64, password: &[u8], effects: &mut Effects) {
        // The session's old connection goes before the password is looked at.
        if let Some(old) = self.owners.get(&session).copied() {
            self.close(old, effects);
        }
        let Some(conn) = self.conns.get_mut(&id) else { return };
        let timeout_ms = conn.timeout_ms;
        if session::is_password(session, password) && self.sessions.touch(session, timeout_ms, now) {
            conn.session = session;
            self.owners.insert(session, id);
            self.establish(id, effects);
        } else {
            let read_only = conn.has_read_only.then_some(false);
            effects.send(id, |out| {
                frame(out, |out| {
                    ConnectResponse {
                        protocol_version: 0,
                        timeout_ms: 0,
                        session_id: 0,
                        password: vec![0; 16],
                        read_only,
                    }
                    .encode(out);
                });
            });
            self.close(id, effects);
        }
    }

    /// Tells the client that its session is valid.
    pub(super) fn establish(&mut self, id: ConnId, effects: &mut Effects) {
        let Some(conn) = self.conns.get_mut(&id) else { return };
        conn.stage = Stage::Established;
        let (session, timeout_ms) = (conn.session, conn.timeout_ms);
        let read_only = conn.has_read_only.then_some(false);
        effects.send(id, |out| {
            frame(out, |out| {
                ConnectResponse {
                    protocol_version: 0,
                    timeout_ms,
                    session_id: session,
                    password: session::password(session).to_vec(),
                    read_only,
                }
                .encode(out);
            });
        });
        effects.list.push(Effect::Established {
            conn: id,
            session,
            timeout_ms: u32::try_from(timeout_ms).unwrap_or(0),
        });
    }
}
