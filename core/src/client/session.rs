//! The state machine itself: what a caller asks of it, and what time does to it.

use super::chroot::Chroot;
use super::config::Timing;
use super::hosts::Hosts;
use super::inbox::Inbox;
use super::link::Link;
use super::queue::{Asked, InFlight, Queue, Then};
use super::watches::{WatchList, WatchTable};
use super::{
    BreakReason, ClientConfig, Effect, EventKind, Input, RequestError, Response, SessionInfo, SessionState,
    SubmitError, WatchedEvent, WatcherId,
};
use crate::Zxid;
use crate::path::CONFIG;
use crate::proto::{AddWatchMode, OpCode, Request, RequestHeader, WatcherType, frame};
use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::string::{String, ToString};
use alloc::sync::Arc;
use alloc::vec::Vec;

/// A client's session. `T` is the caller's own name for a request, handed back with its result.
///
/// All times are milliseconds on the caller's monotonic clock.
#[derive(Debug)]
pub struct ClientSession<T> {
    pub(super) config: ClientConfig,
    pub(super) chroot: Chroot,
    pub(super) hosts: Hosts,
    pub(super) timing: Timing,
    pub(super) session: SessionInfo,
    /// The negotiated timeout; 0 before the first connection.
    pub(super) timeout_ms: u32,
    /// The session is known to servers that write; one made by a read-only server is not offered to others.
    pub(super) seen_read_write: bool,
    /// The largest zxid in a reply; notifications do not count, because a later one may still be missing.
    pub(super) last_zxid: Zxid,
    /// When a server last said anything, on whichever connection.
    pub(super) last_heard_ms: Option<u64>,
    pub(super) state: SessionState,
    pub(super) link: Link,
    pub(super) inbox: Inbox,
    /// Frames that go before all requests: handshake, credentials, watches, pings.
    pub(super) control: Vec<u8>,
    pub(super) queue: Queue<T>,
    /// Sent and unanswered, oldest first.
    pub(super) in_flight: VecDeque<InFlight<T>>,
    pub(super) auths: Vec<Auth<T>>,
    /// Which of `auths` the next answers are about.
    pub(super) auths_in_flight: VecDeque<usize>,
    pub(super) watches: WatchTable,
    pub(super) last_xid: i32,
    pub(super) closing: bool,
}

/// Credentials; sent first on every connection.
#[derive(Debug)]
pub(super) struct Auth<T> {
    pub scheme: String,
    pub credentials: Vec<u8>,
    /// Who waits to hear whether a server accepted them.
    pub tokens: Vec<T>,
}

impl<T> ClientSession<T> {
    /// A session that has not been connected yet. `seed` decides the order of servers and the pauses; it needs
    /// to differ between clients, not to be secret.
    pub fn new(config: ClientConfig, seed: u64) -> Self {
        let hosts = Hosts::new(config.hosts, config.backoff_min_ms, config.backoff_max_ms, seed);
        Self {
            chroot: Chroot::new(&config.chroot),
            timing: Timing::new(config.session_timeout_ms, hosts.count()),
            hosts,
            session: config.resume.unwrap_or(SessionInfo { id: 0, password: [0; 16] }),
            timeout_ms: 0,
            seen_read_write: config.resume.is_some(),
            last_zxid: 0,
            last_heard_ms: None,
            state: SessionState::Connecting,
            link: Link::Idle { retry_at_ms: 0 },
            inbox: Inbox::default(),
            control: Vec::new(),
            queue: Queue::default(),
            in_flight: VecDeque::new(),
            auths: Vec::new(),
            auths_in_flight: VecDeque::new(),
            watches: WatchTable::default(),
            last_xid: 0,
            closing: false,
            config,
        }
    }

    /// Where the session stands.
    pub fn state(&self) -> SessionState {
        self.state
    }

    /// Its id and password, for [`ClientConfig::resume`].
    pub fn session(&self) -> SessionInfo {
        self.session
    }

    /// The timeout the server granted, milliseconds; the one asked for before there is any.
    pub fn timeout_ms(&self) -> u32 {
        if self.timeout_ms == 0 { self.config.session_timeout_ms } else { self.timeout_ms }
    }

    /// The largest zxid seen in a reply.
    pub fn last_zxid(&self) -> Zxid {
        self.last_zxid
    }

    /// The server that serves the session.
    pub fn host(&self) -> Option<usize> {
        match self.link {
            Link::Up(up) => Some(up.host),
            _ => None,
        }
    }

    /// The path under which the client's paths lie; empty for none.
    pub fn chroot(&self) -> &str {
        self.chroot.as_str()
    }

    /// How many requests await an answer, sent or not.
    pub fn pending(&self) -> usize {
        self.in_flight.len() + self.queue.len()
    }

    /// How many watchers there are.
    pub fn watchers(&self) -> usize {
        self.watches.len()
    }

    /// When [`Input::Wake`] is due next, milliseconds.
    pub fn next_deadline(&self) -> Option<u64> {
        self.link.next_deadline(&self.timing, self.last_heard_ms.unwrap_or(0), self.expires_at_ms())
    }

    /// Whether [`ClientSession::transmit`] has something to send.
    pub fn wants_transmit(&self) -> bool {
        match self.link {
            Link::Up(_) => !self.control.is_empty() || !self.queue.is_empty(),
            _ => !self.control.is_empty(),
        }
    }

    /// Appends bytes for the connection to `out`: whole frames, requests only while `out` grew by less than
    /// `bytes_max`. What was appended counts as sent.
    pub fn transmit(&mut self, now_ms: u64, out: &mut Vec<u8>, bytes_max: usize) {
        if !self.wants_transmit() {
            return;
        }
        let start = out.len();
        out.append(&mut self.control);
        if let Link::Up(up) = &mut self.link {
            up.last_sent_ms = now_ms;
            up.ping_queued = false;
            while out.len() - start < bytes_max {
                let xid = if self.last_xid == i32::MAX { 1 } else { self.last_xid + 1 };
                let Some(sent) = self.queue.pop_into(xid, out) else { break };
                self.last_xid = xid;
                self.in_flight.push_back(sent);
            }
        }
    }

    /// Takes one input and appends what must be done.
    pub fn step(&mut self, now_ms: u64, input: Input<'_>, effects: &mut Vec<Effect<T>>) {
        if self.last_heard_ms.is_none() {
            // Nothing is known of a resumed session's last contact: count from the start.
            self.last_heard_ms = Some(now_ms);
        }
        match (input, self.link) {
            (Input::Wake, _) => self.on_wake(now_ms, effects),
            (Input::Connected, Link::Opening { host, .. }) => self.send_handshake(now_ms, host),
            (Input::Received(bytes), Link::Handshaking { .. } | Link::Up(_)) => {
                self.on_received(now_ms, bytes, effects);
            }
            (Input::Disconnected, link) if link.has_connection() => {
                self.lose_connection(now_ms, BreakReason::Closed, false, effects);
            }
            (Input::Probed { host, read_write }, Link::Up(mut up)) if up.probe.is_some() => {
                if read_write {
                    self.hosts.prefer(host);
                    self.lose_connection(now_ms, BreakReason::FoundReadWrite, true, effects);
                } else {
                    up.probe = up.probe.map(|probe| probe.refused(now_ms));
                    self.link = Link::Up(up);
                }
            }
            _ => {}
        }
    }

    /// Asks for an operation. The request is encoded here and sent by a later [`ClientSession::transmit`]; its
    /// result comes as [`Effect::Complete`]. With `watcher`, a success lists the watcher (for `exists`, NONODE
    /// too); the request's own watch flag must be set for the server to know.
    ///
    /// # Errors
    /// [`SubmitError`]; the token is dropped and nothing was sent. Whenever a request fails, its watcher stays
    /// reserved, for another try or for [`ClientSession::forget_watcher`].
    pub fn submit(
        &mut self,
        token: T,
        request: &Request<'_>,
        watcher: Option<WatcherId>,
    ) -> Result<(), SubmitError> {
        use Request::*;
        if matches!(request, Ping | Auth(_) | SetWatches(..) | CloseSession) {
            return Err(SubmitError::Reserved);
        }
        let mapped;
        let request = if self.chroot.is_none() {
            request
        } else {
            mapped = self.chroot.request(request)?;
            &mapped
        };
        let then = match (watcher, request) {
            (_, RemoveWatches { path, kind }) => WatcherType::from_wire(*kind)
                .ok()
                .map(|kind| Then::Unwatch { path: Arc::from(&**path), kind, local: false, only: None }),
            (Some(id), request) => {
                watched(request).map(|(list, path)| Then::Watch { id, list, path: Arc::from(path) })
            }
            (None, _) => None,
        };
        self.enqueue(Some(token), request, then)
    }

    /// Names a new watcher for [`ClientSession::submit`].
    ///
    /// # Errors
    /// [`SubmitError::TooManyWatches`].
    pub fn reserve_watcher(&mut self) -> Result<WatcherId, SubmitError> {
        if self.watches.len() >= self.config.watches_max {
            return Err(SubmitError::TooManyWatches { max: self.config.watches_max });
        }
        Ok(self.watches.reserve())
    }

    /// Nobody listens to this watcher any more. It is told nothing; if it was the last one of a persistent
    /// watch, the server is asked to drop the watch.
    pub fn forget_watcher(&mut self, watcher: WatcherId) {
        if let Some((list, path)) = self.watches.forget(watcher) {
            self.unwatch_quietly(list, &path, watcher);
        }
    }

    /// Removes one watcher; it is told so. The server is only asked to drop the watch if nobody else needs it.
    ///
    /// # Errors
    /// [`SubmitError::NoWatcher`] if it is not listed, otherwise as [`ClientSession::submit`].
    pub fn remove_watcher(&mut self, token: T, watcher: WatcherId) -> Result<(), SubmitError> {
        let (list, path) = self.watches.place(watcher).ok_or(SubmitError::NoWatcher)?;
        let kind = list.watcher_type();
        let wire = (path.to_string().into(), kind as i32);
        let request = if self.is_needed_by_others(list, &path, watcher) {
            Request::CheckWatches { path: wire.0, kind: wire.1 }
        } else {
            Request::RemoveWatches { path: wire.0, kind: wire.1 }
        };
        let then = Then::Unwatch { path, kind, local: false, only: Some(watcher) };
        self.enqueue(Some(token), &request, Some(then))
    }

    /// Removes all watchers of a type at a path; each is told so. `local`: they go even if the server cannot be
    /// asked, and at once if there is no connection.
    ///
    /// # Errors
    /// As [`ClientSession::submit`].
    pub fn remove_watches(
        &mut self,
        token: T,
        path: &str,
        kind: WatcherType,
        local: bool,
        effects: &mut Vec<Effect<T>>,
    ) -> Result<(), SubmitError> {
        let path: Arc<str> = Arc::from(self.chroot.to_server(path)?);
        if local && !matches!(self.link, Link::Up(_)) && !self.state.is_final() {
            let removed = self.unlist(&path, kind, None, effects);
            let result = match removed {
                0 => Err(RequestError::Code(crate::proto::ErrorCode::NoWatcher)),
                _ => Ok(Response::Done),
            };
            effects.push(Effect::Complete { token, zxid: 0, result });
            return Ok(());
        }
        let request = Request::RemoveWatches { path: (*path).into(), kind: kind as i32 };
        self.enqueue(
            Some(token),
            &request,
            Some(Then::Unwatch { path: path.clone(), kind, local, only: None }),
        )
    }

    /// Adds credentials: sent now if connected, and first on every later connection. The result comes once a
    /// server has answered; refused credentials end the session.
    ///
    /// # Errors
    /// [`SubmitError::Ended`], [`SubmitError::TooManyAuths`], [`SubmitError::TooManyRequests`],
    /// [`SubmitError::RequestTooLarge`].
    pub fn add_auth(&mut self, token: T, scheme: &str, credentials: &[u8]) -> Result<(), SubmitError> {
        self.check_open()?;
        let bytes = scheme.len() + credentials.len() + 32;
        if bytes > self.config.request_bytes_max {
            return Err(SubmitError::RequestTooLarge { bytes, max_bytes: self.config.request_bytes_max });
        }
        let known = |auth: &Auth<T>| auth.scheme == scheme && auth.credentials == credentials;
        let index = match self.auths.iter().position(known) {
            Some(index) => index,
            None if self.auths.len() >= self.config.auths_max => {
                return Err(SubmitError::TooManyAuths { max: self.config.auths_max });
            }
            None => {
                let (scheme, credentials) = (scheme.to_string(), credentials.to_vec());
                self.auths.push(Auth { scheme, credentials, tokens: Vec::new() });
                self.auths.len() - 1
            }
        };
        let max = self.config.requests_max;
        if self.auths[index].tokens.len() >= max {
            return Err(SubmitError::TooManyRequests { max });
        }
        self.auths[index].tokens.push(token);
        if matches!(self.link, Link::Up(_)) {
            self.send_auth(index);
        }
        Ok(())
    }

    /// Ends the session: at once without a connection, otherwise after all earlier requests. Later requests are
    /// refused. The result is a connection loss if the server could not be told; the session then lives on
    /// there until it expires.
    ///
    /// # Errors
    /// [`SubmitError::Ended`] if that was asked before, or the session is over.
    pub fn close(&mut self, token: T, effects: &mut Vec<Effect<T>>) -> Result<(), SubmitError> {
        self.check_open()?;
        if matches!(self.link, Link::Up(_)) {
            let asked = Asked { token: Some(token), op: OpCode::CloseSession, then: None };
            let write = |out: &mut Vec<u8>| encode_request(out, &Request::CloseSession);
            self.queue.push(asked, write, |_, _| Ok(()))?;
            self.closing = true;
            return Ok(());
        }
        self.end(SessionState::Closed, effects);
        let told = self.session.id == 0;
        let result = if told {
            Ok(Response::Done)
        } else {
            Err(RequestError::ConnectionLoss { maybe_applied: false })
        };
        effects.push(Effect::Complete { token, zxid: 0, result });
        Ok(())
    }

    /// Drops the connection, not the session; another one is sought at once.
    pub fn disconnect(&mut self, now_ms: u64, effects: &mut Vec<Effect<T>>) {
        if self.link.has_connection() {
            self.lose_connection(now_ms, BreakReason::Requested, true, effects);
        }
    }

    /// The shell is gone: ends the session on this side without telling the server. Nothing happens if it is
    /// over already.
    pub fn abandon(&mut self, effects: &mut Vec<Effect<T>>) {
        if !self.state.is_final() {
            self.end(SessionState::Closed, effects);
        }
    }

    fn check_open(&self) -> Result<(), SubmitError> {
        match self.state {
            state if state.is_final() => Err(SubmitError::Ended(state)),
            _ if self.closing => Err(SubmitError::Ended(SessionState::Closed)),
            _ => Ok(()),
        }
    }

    fn enqueue(
        &mut self,
        token: Option<T>,
        request: &Request<'_>,
        then: Option<Then>,
    ) -> Result<(), SubmitError> {
        self.check_open()?;
        let max = self.config.requests_max;
        if self.pending() >= max && token.is_some() {
            return Err(SubmitError::TooManyRequests { max });
        }
        let asked = Asked { token, op: request.op(), then: then.map(Box::new) };
        let config = &self.config;
        self.queue.push(
            asked,
            |out| encode_request(out, request),
            |frame_bytes, queue_bytes| {
                let bytes = frame_bytes - 4;
                if bytes > config.request_bytes_max {
                    let max_bytes = config.request_bytes_max;
                    return Err(SubmitError::RequestTooLarge { bytes, max_bytes });
                }
                if queue_bytes > config.request_queue_bytes_max {
                    return Err(SubmitError::QueueFull { max_bytes: config.request_queue_bytes_max });
                }
                Ok(())
            },
        )
    }

    pub(super) fn change_state(&mut self, state: SessionState, effects: &mut Vec<Effect<T>>) {
        if self.state == state {
            return;
        }
        self.state = state;
        effects.push(Effect::State(state));
        for watcher in self.watches.persistent() {
            effects.push(Effect::Event { watcher, event: self.session_event(), last: false });
        }
    }

    pub(super) fn session_event(&self) -> WatchedEvent {
        WatchedEvent { kind: EventKind::Session, state: self.state, path: String::new(), zxid: -1 }
    }

    /// Takes watchers out and tells them; how many they were.
    pub(super) fn unlist(
        &mut self,
        path: &str,
        kind: WatcherType,
        only: Option<WatcherId>,
        effects: &mut Vec<Effect<T>>,
    ) -> usize {
        let removed = self.watches.remove(path, kind, only);
        let count = removed.len();
        for (watcher, kind) in removed {
            let path = self.chroot.to_client(path).to_string();
            let event = WatchedEvent { kind, state: self.state, path, zxid: -1 };
            effects.push(Effect::Event { watcher, event, last: true });
        }
        count
    }

    /// Asks the server to drop a persistent watch nobody needs; without a connection it already has.
    pub(super) fn unwatch_quietly(&mut self, list: WatchList, path: &Arc<str>, watcher: WatcherId) {
        let is_up = matches!(self.link, Link::Up(_));
        if !is_up || !list.is_persistent() || self.is_needed_by_others(list, path, watcher) {
            return;
        }
        let kind = list.watcher_type() as i32;
        let request = Request::RemoveWatches { path: path.to_string().into(), kind };
        // Refused only by a session that is over, or by a queue full of the user's own requests: then the
        // server goes on sending events, which reach nobody.
        let _ = self.enqueue(None, &request, None);
    }

    fn is_needed_by_others(&self, list: WatchList, path: &str, watcher: WatcherId) -> bool {
        let asks = |then: &Then| {
            matches!(then, Then::Watch { id, list: other, path: at }
                if *id != watcher && *other == list && **at == *path)
        };
        let sent = self.in_flight.iter().filter_map(|sent| sent.asked.then.as_deref());
        self.watches.is_shared(list, path, watcher) || self.queue.thens().chain(sent).any(asks)
    }
}

fn encode_request(out: &mut Vec<u8>, request: &Request<'_>) {
    frame(out, |out| {
        // The xid is filled in when the request is sent.
        RequestHeader { xid: 0, op: request.op() as i32 }.encode(out);
        request.encode(out);
    });
}

/// The list a request's watcher goes to, and under which path.
fn watched<'r>(request: &'r Request<'_>) -> Option<(WatchList, &'r str)> {
    Some(match request {
        Request::Exists { path, .. } | Request::GetData { path, .. } => (WatchList::Data, path),
        Request::GetChildren { path, .. } | Request::GetChildren2 { path, .. } => (WatchList::Child, path),
        Request::AddWatch { path, mode } => match AddWatchMode::from_wire(*mode).ok()? {
            AddWatchMode::Persistent => (WatchList::Persistent, path),
            AddWatchMode::PersistentRecursive => (WatchList::Recursive, path),
        },
        Request::Reconfig(_) => (WatchList::Data, CONFIG),
        _ => return None,
    })
}
