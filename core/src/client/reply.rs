//! What a server says, and what follows from it.

use super::link::Link;
use super::queue::{InFlight, Then};
use super::session::ClientSession;
use super::watches::WatchList;
use super::{BreakReason, Effect, EventKind, RequestError, Response, SessionState, WatchedEvent};
use crate::Zxid;
use crate::jute::{DecodeError, Reader};
use crate::proto::{ErrorCode, EventType, OpCode, ReplyHeader, xid};
use alloc::string::ToString;
use alloc::vec::Vec;

impl<T> ClientSession<T> {
    pub(super) fn on_received(&mut self, now_ms: u64, bytes: &[u8], effects: &mut Vec<Effect<T>>) {
        self.last_heard_ms = Some(now_ms);
        let mut inbox = core::mem::take(&mut self.inbox);
        let frame_bytes_max = self.config.reply_bytes_max;
        let outcome = inbox.receive(bytes, frame_bytes_max, |payload| match self.link {
            Link::Handshaking { host, .. } => self.on_handshake(now_ms, host, payload, effects),
            Link::Up(_) => self.on_reply(payload, effects),
            // The frame before this one ended the session.
            _ => Ok(()),
        });
        match outcome {
            Ok(()) if self.link.has_connection() => self.inbox = inbox,
            Ok(()) => {}
            Err(reason) => self.lose_connection(now_ms, reason, true, effects),
        }
    }

    fn on_reply(&mut self, payload: &[u8], effects: &mut Vec<Effect<T>>) -> Result<(), BreakReason> {
        let mut reader = Reader::new(payload);
        let header = ReplyHeader::decode(&mut reader).map_err(BreakReason::Malformed)?;
        match header.xid {
            xid::PING => Ok(()),
            xid::AUTH => {
                self.on_auth_reply(header.err, effects);
                Ok(())
            }
            xid::NOTIFICATION => {
                self.on_notification(header.zxid, reader, effects).map_err(BreakReason::Malformed)
            }
            got => {
                let expected = self.in_flight.front().map(|sent| sent.xid);
                if expected != Some(got) {
                    return Err(BreakReason::XidMismatch { expected, got });
                }
                let Some(sent) = self.in_flight.pop_front() else { return Ok(()) };
                self.on_answer(header, reader.remaining(), sent, effects)
            }
        }
    }

    fn on_auth_reply(&mut self, err: ErrorCode, effects: &mut Vec<Effect<T>>) {
        let Some(index) = self.auths_in_flight.pop_front() else { return };
        let tokens = core::mem::take(&mut self.auths[index].tokens);
        for token in tokens {
            let result = if err.is_ok() { Ok(Response::Done) } else { Err(RequestError::Code(err)) };
            effects.push(Effect::Complete { token, zxid: 0, result });
        }
        if !err.is_ok() {
            self.end(SessionState::AuthFailed, effects);
        }
    }

    fn on_notification(
        &mut self,
        zxid: Zxid,
        mut reader: Reader<'_>,
        effects: &mut Vec<Effect<T>>,
    ) -> Result<(), DecodeError> {
        let kind = reader.int()?;
        let kind = EventType::from_wire(kind).ok_or(DecodeError::UnknownValue(kind))?;
        let _state = reader.int()?;
        let path = reader.string()?;
        for (watcher, last) in self.watches.trigger(kind, &path) {
            let event = WatchedEvent {
                kind: EventKind::from(kind),
                state: self.state,
                path: self.chroot.to_client(&path).to_string(),
                zxid,
            };
            effects.push(Effect::Event { watcher, event, last });
        }
        Ok(())
    }

    fn on_answer(
        &mut self,
        header: ReplyHeader,
        body: &[u8],
        sent: InFlight<T>,
        effects: &mut Vec<Effect<T>>,
    ) -> Result<(), BreakReason> {
        let op = sent.asked.op;
        let result = if header.err.is_ok() {
            match Response::decode(op, body, &self.chroot) {
                Ok(response) => Ok(response),
                Err(error) => {
                    // Unanswered as far as its caller is concerned: losing the connection tells them.
                    self.in_flight.push_front(sent);
                    return Err(BreakReason::Malformed(error));
                }
            }
        } else {
            Err(RequestError::Code(header.err))
        };
        if header.zxid > 0 {
            self.last_zxid = self.last_zxid.max(header.zxid);
        }
        match sent.asked.then.as_deref() {
            Some(Then::Watch { id, list, path }) => {
                let list = match (op, header.err) {
                    (_, ErrorCode::Ok) => Some(*list),
                    (OpCode::Exists, ErrorCode::NoNode) => Some(WatchList::Exist),
                    _ => None,
                };
                if let Some(list) = list
                    && !self.watches.list(*id, list, path)
                {
                    self.unwatch_quietly(list, path, *id);
                }
            }
            Some(Then::Unwatch { path, kind, local, only }) if *local || header.err.is_ok() => {
                self.unlist(path, *kind, *only, effects);
            }
            _ => {}
        }
        if matches!(op, OpCode::SetWatches | OpCode::SetWatches2) && !header.err.is_ok() {
            if header.err == ErrorCode::ThrottledOp {
                return Err(BreakReason::WatchesThrottled);
            }
            self.lose_watches(op == OpCode::SetWatches2, effects);
        }
        if let Some(token) = sent.asked.token {
            effects.push(Effect::Complete { token, zxid: header.zxid, result });
        }
        if op == OpCode::CloseSession {
            self.end(SessionState::Closed, effects);
        }
        Ok(())
    }
}
