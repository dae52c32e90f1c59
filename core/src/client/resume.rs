//! The beginning of a connection: handshake, credentials, then the watches the server does not know.

use super::link::{Link, Probe, Up};
use super::queue::{Asked, InFlight};
use super::session::ClientSession;
use super::watches::WatchList;
use super::{BreakReason, Effect, SessionInfo, SessionState};
use crate::jute::DecodeError;
use crate::proto::{
    AuthPacket, ConnectRequest, ConnectResponse, OpCode, Request, RequestHeader, SetWatches, frame, xid,
};
use alloc::borrow::Cow;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;

impl<T> ClientSession<T> {
    /// Nothing else is sent before the answer: some servers read only one frame until then.
    pub(super) fn send_handshake(&mut self, now_ms: u64, host: usize) {
        self.link = Link::Handshaking { host, since_ms: now_ms };
        let request = ConnectRequest {
            protocol_version: 0,
            last_zxid_seen: self.last_zxid,
            timeout_ms: i32::try_from(self.config.session_timeout_ms).unwrap_or(i32::MAX),
            session_id: if self.seen_read_write { self.session.id } else { 0 },
            password: self.session.password.to_vec(),
            read_only: self.config.read_only,
            has_read_only: true,
        };
        frame(&mut self.control, |out| request.encode(out));
    }

    pub(super) fn on_handshake(
        &mut self,
        now_ms: u64,
        host: usize,
        payload: &[u8],
        effects: &mut Vec<Effect<T>>,
    ) -> Result<(), BreakReason> {
        let response = ConnectResponse::decode(payload).map_err(BreakReason::Malformed)?;
        let timeout_ms = match u32::try_from(response.timeout_ms) {
            Ok(timeout_ms) if timeout_ms > 0 => timeout_ms,
            _ => {
                self.end(SessionState::Expired, effects);
                return Ok(());
            }
        };
        let length = response.password.len() as i32;
        let password = <[u8; 16]>::try_from(response.password)
            .map_err(|_| BreakReason::Malformed(DecodeError::UnknownValue(length)))?;
        let read_only = response.read_only.unwrap_or(false);
        self.session = SessionInfo { id: response.session_id, password };
        self.seen_read_write |= !read_only;
        self.timeout_ms = timeout_ms;
        self.timing = super::config::Timing::new(timeout_ms, self.hosts.count());
        self.hosts.succeeded();
        let probe = (read_only && self.hosts.count() > 1).then(|| Probe::new(now_ms));
        self.link = Link::Up(Up { host, last_sent_ms: now_ms, ping_queued: false, probe });
        let state = if read_only { SessionState::ConnectedReadOnly } else { SessionState::Connected };
        self.change_state(state, effects);
        for index in 0..self.auths.len() {
            self.send_auth(index);
        }
        self.send_watches();
        Ok(())
    }

    pub(super) fn send_auth(&mut self, index: usize) {
        let auth = &self.auths[index];
        let packet =
            AuthPacket { kind: 0, scheme: auth.scheme.as_str().into(), auth: Some(&auth.credentials) };
        encode(&mut self.control, xid::AUTH, &Request::Auth(packet));
        self.auths_in_flight.push_back(index);
    }

    /// Standard and persistent watches travel apart, so that a server that knows only the former keeps them.
    fn send_watches(&mut self) {
        let standard = [WatchList::Data, WatchList::Exist, WatchList::Child];
        self.send_watch_lists(OpCode::SetWatches, &standard);
        self.send_watch_lists(OpCode::SetWatches2, &[WatchList::Persistent, WatchList::Recursive]);
    }

    /// In chunks, because a frame with all of them may be more than a server accepts (ZOOKEEPER-706).
    fn send_watch_lists(&mut self, op: OpCode, lists: &[WatchList]) {
        let mut chunk: Vec<(WatchList, Arc<str>)> = Vec::new();
        let mut chunk_bytes = 0;
        let all: Vec<_> = lists
            .iter()
            .flat_map(|list| self.watches.paths(*list).map(|path| (*list, path.clone())))
            .collect();
        for (list, path) in all {
            let path_bytes = 4 + path.len();
            if chunk_bytes + path_bytes > CHUNK_BYTES_MAX - CHUNK_HEAD_BYTES && !chunk.is_empty() {
                self.send_watch_chunk(op, &chunk);
                chunk.clear();
                chunk_bytes = 0;
            }
            chunk_bytes += path_bytes;
            chunk.push((list, path));
        }
        if !chunk.is_empty() {
            self.send_watch_chunk(op, &chunk);
        }
    }

    fn send_watch_chunk(&mut self, op: OpCode, chunk: &[(WatchList, Arc<str>)]) {
        let of = |wanted: WatchList| -> Vec<Cow<'_, str>> {
            let paths = chunk.iter().filter(|(list, _)| *list == wanted);
            paths.map(|(_, path)| Cow::Borrowed(&**path)).collect()
        };
        let lists = SetWatches {
            relative_zxid: self.last_zxid,
            data: of(WatchList::Data),
            exist: of(WatchList::Exist),
            child: of(WatchList::Child),
            persistent: of(WatchList::Persistent),
            persistent_recursive: of(WatchList::Recursive),
        };
        encode(&mut self.control, xid::SET_WATCHES, &Request::SetWatches(op, lists));
        let asked = Asked { token: None, op, then: None };
        self.in_flight.push_back(InFlight { xid: xid::SET_WATCHES, asked });
    }

    /// A server refused to set watches anew: they are gone, and whoever relies on them must know.
    pub(super) fn lose_watches(&mut self, persistent: bool, effects: &mut Vec<Effect<T>>) {
        for (watcher, kind, path) in self.watches.remove_all(persistent) {
            let path = String::from(self.chroot.to_client(&path));
            let event = super::WatchedEvent { kind, state: self.state, path, zxid: -1 };
            effects.push(Effect::Event { watcher, event, last: true });
        }
    }
}

fn encode(out: &mut Vec<u8>, xid: i32, request: &Request<'_>) {
    frame(out, |out| {
        RequestHeader { xid, op: request.op() as i32 }.encode(out);
        request.encode(out);
    });
}

/// The longest setWatches frame, unless a single path is longer.
const CHUNK_BYTES_MAX: usize = 128 << 10;
/// Frame length, header, zxid and the five counts.
const CHUNK_HEAD_BYTES: usize = 4 + 8 + 8 + 5 * 4;
