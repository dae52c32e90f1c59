//! Connections come and go, and so in the end does the session.

use super::link::Link;
use super::queue::{Asked, Then};
use super::session::ClientSession;
use super::{BreakReason, Effect, RequestError, Response, SessionState};
use crate::Zxid;
use crate::proto::{OpCode, RequestHeader, frame, xid};
use alloc::vec::Vec;

impl<T> ClientSession<T> {
    pub(super) fn on_wake(&mut self, now_ms: u64, effects: &mut Vec<Effect<T>>) {
        let expired = self.expires_at_ms().is_some_and(|at| now_ms >= at);
        match self.link {
            Link::Ended => {}
            Link::Up(mut up) => {
                let timing = self.timing;
                if now_ms >= self.last_heard_ms.unwrap_or(0) + timing.read_ms {
                    let reason = BreakReason::Silence { limit_ms: timing.read_ms };
                    return self.lose_connection(now_ms, reason, true, effects);
                }
                if !up.ping_queued && now_ms >= up.last_sent_ms + timing.ping_ms {
                    up.ping_queued = true;
                    let ping = RequestHeader { xid: xid::PING, op: OpCode::Ping as i32 };
                    frame(&mut self.control, |out| ping.encode(out));
                }
                if let Some(probe) = up.probe
                    && now_ms >= probe.due_ms
                {
                    up.probe = Some(probe.asked(now_ms));
                    effects.push(Effect::ProbeReadWrite { host: self.hosts.next() });
                }
                self.link = Link::Up(up);
            }
            _ if expired => self.end(SessionState::Expired, effects),
            Link::Idle { retry_at_ms } => {
                if now_ms >= retry_at_ms {
                    self.open(now_ms, effects);
                }
            }
            Link::Opening { since_ms, .. } | Link::Handshaking { since_ms, .. } => {
                if now_ms >= since_ms + self.timing.connect_ms {
                    let reason = BreakReason::ConnectTimeout { limit_ms: self.timing.connect_ms };
                    self.lose_connection(now_ms, reason, true, effects);
                }
            }
        }
    }

    fn open(&mut self, now_ms: u64, effects: &mut Vec<Effect<T>>) {
        let host = self.hosts.next();
        self.link = Link::Opening { host, since_ms: now_ms };
        effects.push(Effect::Connect { host });
    }

    /// When the session counts as expired without another word from a server.
    pub(super) fn expires_at_ms(&self) -> Option<u64> {
        let heard = self.last_heard_ms.filter(|_| self.session.id != 0)?;
        Some(heard + self.timing.expire_ms)
    }

    /// The connection is gone, or given up (`drop`: the shell must be told).
    pub(super) fn lose_connection(
        &mut self,
        now_ms: u64,
        reason: BreakReason,
        drop: bool,
        effects: &mut Vec<Effect<T>>,
    ) {
        let was_up = matches!(self.link, Link::Up(_));
        if drop {
            effects.push(Effect::Disconnect { reason });
        }
        self.inbox.clear();
        self.control.clear();
        self.auths_in_flight.clear();
        let pause_ms = match reason {
            BreakReason::FoundReadWrite => 0,
            _ if was_up => self.hosts.pause_after_loss(),
            _ => self.hosts.pause_after_failure(),
        };
        self.link = Link::Idle { retry_at_ms: now_ms + pause_ms };
        for sent in core::mem::take(&mut self.in_flight) {
            self.complete(
                sent.asked,
                0,
                |op| RequestError::ConnectionLoss { maybe_applied: op.is_write() },
                effects,
            );
        }
        if self.closing {
            return self.end(SessionState::Closed, effects);
        }
        if was_up {
            self.change_state(SessionState::Disconnected, effects);
        }
        if pause_ms == 0 {
            self.open(now_ms, effects);
        }
    }

    /// Completes a request that will not be answered.
    fn complete(
        &mut self,
        asked: Asked<T>,
        zxid: Zxid,
        error: impl FnOnce(OpCode) -> RequestError,
        effects: &mut Vec<Effect<T>>,
    ) {
        let mut result = Err(error(asked.op));
        // Apache ignores the loss when watches are to go on this side anyway.
        if let Some(Then::Unwatch { path, kind, local: true, only }) = asked.then.as_deref()
            && self.unlist(path, *kind, *only, effects) > 0
        {
            result = Ok(Response::Done);
        }
        if let Some(token) = asked.token {
            effects.push(Effect::Complete { token, zxid, result });
        }
    }

    /// The session is over: everybody who waits is told.
    pub(super) fn end(&mut self, state: SessionState, effects: &mut Vec<Effect<T>>) {
        if self.link.has_connection() {
            effects.push(Effect::Disconnect { reason: BreakReason::SessionEnded(state) });
        }
        self.link = Link::Ended;
        self.inbox.clear();
        self.control = Vec::new();
        for sent in core::mem::take(&mut self.in_flight) {
            let error = |op: OpCode| RequestError::Ended { state, maybe_applied: op.is_write() };
            self.complete(sent.asked, 0, error, effects);
        }
        for (asked, _) in self.queue.drain() {
            self.complete(asked, 0, |_| RequestError::Ended { state, maybe_applied: false }, effects);
        }
        for auth in core::mem::take(&mut self.auths) {
            for token in auth.tokens {
                let result = Err(RequestError::Ended { state, maybe_applied: false });
                effects.push(Effect::Complete { token, zxid: 0, result });
            }
        }
        self.state = state;
        effects.push(Effect::State(state));
        for watcher in self.watches.drain() {
            effects.push(Effect::Event { watcher, event: self.session_event(), last: true });
        }
    }
}
