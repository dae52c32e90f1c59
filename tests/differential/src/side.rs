//! One server's half of a run: the clients that talk to it and what it told them, as comparable lines.

use crate::client::{Client, LONG_TIMEOUT_MS};
use crate::conn::{ANSWER_MS, Conn, Connected, Incoming, connect_payload, session_password};
use crate::files::OpenSession;
use crate::op;
use crate::reply::{Fact, Header, Names};
use crate::server::Server;
use crate::step::{Path, SessionRef, Step, World, Zxids};
use crate::wire::{Put, show, show_or_null};
use std::collections::HashSet;

/// Clients of a sequence.
pub const SLOTS: usize = 4;
/// Stands for the error code of a multi that was answered, and failed.
pub const MULTI_FAILED: i32 = 1;
/// How long a server may take to close a connection that it must close.
const CLOSE_MS: u64 = 5_000;
/// A session id that no server gave out.
const UNKNOWN_SESSION: i64 = 0x0123_4567_89ab_cdef;

/// A server and its clients.
#[derive(Debug)]
pub struct Side {
    /// The process.
    pub server: Server,
    /// What its numbers mean in this sequence.
    pub names: Names,
    controller: Client,
    slots: [Slot; SLOTS],
    /// Sessions granted in this sequence and not closed since.
    sessions: Vec<i64>,
    /// Those of earlier, settled sequences.
    left_open: Vec<i64>,
    /// Transactions whose events come in no promised order: those that end a session.
    unordered: HashSet<i64>,
}

#[derive(Debug, Default)]
struct Slot {
    conn: Option<Conn>,
    session: i64,
    last_zxid: i64,
}

/// What [`Side::begin`] has left for [`Side::finish`].
#[derive(Debug)]
pub enum Sent {
    /// The step does nothing here.
    Nothing,
    /// A connect request; the slots whose connections it should end.
    Connect(Vec<usize>, Option<Box<Conn>>),
    /// Requests: xid, opcode and path of each.
    Requests(Vec<SentRequest>),
    /// Bytes after which the server should close.
    RawBytes,
    /// A wait for an event.
    Await,
}

/// A request on its way.
#[derive(Debug)]
pub struct SentRequest {
    xid: i32,
    op: i32,
    path: Option<Vec<u8>>,
}

/// What a server answered to a step.
#[derive(Debug, Default)]
pub struct Answer {
    /// Comparable lines.
    pub lines: Vec<String>,
    /// What was learned, with the request's path.
    pub facts: Vec<(Option<Vec<u8>>, Fact)>,
    /// Opcode and error code of each reply.
    pub results: Vec<(i32, i32)>,
}

impl Side {
    /// Opens the controlling session at a server.
    ///
    /// # Errors
    /// A message when the server refuses it.
    pub fn new(server: Server) -> Result<Self, String> {
        let controller = Client::open_super(server.address)?;
        Ok(Self {
            server,
            names: Names::default(),
            controller,
            slots: Default::default(),
            sessions: Vec::new(),
            left_open: Vec::new(),
            unordered: HashSet::new(),
        })
    }

    /// Starts a sequence below a new znode.
    ///
    /// # Errors
    /// A message when the znode cannot be created.
    pub fn start_sequence(&mut self, root: &str) -> Result<(), String> {
        let mut body = Vec::new();
        body.buffer(Some(root.as_bytes()));
        body.buffer(Some(b""));
        body.int(1);
        body.int(31);
        body.buffer(Some(b"world"));
        body.buffer(Some(b"anyone"));
        body.int(0);
        let (header, _) = self.controller.call(op::CREATE, &body)?;
        if header.err != 0 {
            return Err(format!("create {root}: error {}", header.err));
        }
        self.names = Names { base: header.zxid, ..Names::default() };
        self.slots = Default::default();
        self.sessions.clear();
        self.unordered.clear();
        Ok(())
    }

    /// Sends what the step asks for.
    pub fn begin(&mut self, step: &Step, world: &World, answer: &mut Answer) -> Sent {
        let slot = step.slot();
        if let Step::Connect { session, zxid, timeout_ms, read_only, mangle, .. } = step {
            let zxid = self.zxids(slot).resolve(*zxid);
            let (session, wrong) = match session {
                SessionRef::New => (0, false),
                SessionRef::Own => (self.slots[slot].session, false),
                SessionRef::OwnWrongPassword => (self.slots[slot].session, true),
                SessionRef::OfSlot(other) => (self.slots[*other].session, false),
                SessionRef::Unknown => (UNKNOWN_SESSION, false),
            };
            let mut password = if session == 0 { [0; 16] } else { session_password(session) };
            if wrong {
                password[7] ^= 1;
            }
            let mut payload = connect_payload(zxid, *timeout_ms, session, &password, *read_only);
            if let Some(mangle) = mangle {
                mangle.apply(&mut payload);
            }
            return self.begin_connect(slot, session, &payload, answer);
        }
        let zxids = self.zxids(slot);
        let Some(conn) = &mut self.slots[slot].conn else { return Sent::Nothing };
        match step {
            Step::Connect { .. } => unreachable!("handled above"),
            Step::Send { xid, request, .. } => {
                let xid = xid.unwrap_or_else(|| fixed_xid(request.op()).unwrap_or_else(|| conn.take_xid()));
                let path = request.path().and_then(|path: &Path| world.path(path));
                conn.send(&crate::conn::request_payload(xid, request.op(), &request.body(world, zxids)));
                Sent::Requests(vec![SentRequest { xid, op: request.op(), path }])
            }
            Step::Burst { requests, .. } => {
                let mut bytes = Vec::new();
                let mut sent = Vec::new();
                for request in requests {
                    let xid = fixed_xid(request.op()).unwrap_or_else(|| conn.take_xid());
                    let payload =
                        crate::conn::request_payload(xid, request.op(), &request.body(world, zxids));
                    bytes.buffer(Some(&payload));
                    let path = request.path().and_then(|path: &Path| world.path(path));
                    sent.push(SentRequest { xid, op: request.op(), path });
                }
                conn.send_raw(&bytes);
                Sent::Requests(sent)
            }
            Step::RawBytes { bytes, .. } => {
                conn.send_raw(bytes);
                Sent::RawBytes
            }
            Step::Drop { .. } => {
                if let Some(conn) = self.slots[slot].conn.take() {
                    conn.drop_abruptly();
                }
                Sent::Nothing
            }
            Step::AwaitEvent { .. } => Sent::Await,
        }
    }

    /// Reads what the step's requests brought.
    pub fn finish(&mut self, step: &Step, sent: Sent, answer: &mut Answer) {
        let slot = step.slot();
        match sent {
            Sent::Nothing => {}
            Sent::Connect(victims, replaced) => self.finish_connect(slot, &victims, replaced, answer),
            Sent::Requests(sent) => self.read_replies(slot, &sent, answer),
            Sent::RawBytes => {
                self.await_close(slot, answer);
                self.slots[slot].conn = None;
            }
            Sent::Await => self.await_event(slot, answer),
        }
    }

    /// Reads what is still under way, then the whole tree (there is nothing in it but this sequence's).
    ///
    /// # Errors
    /// A message when the server stops answering.
    pub fn dump(&mut self) -> Result<Answer, String> {
        let mut answer = Answer::default();
        for slot in 0..SLOTS {
            self.flush(slot, &mut answer);
        }
        for znode in self.controller.walk(&[b"/"])? {
            answer.lines.push(format!(
                "{} '{}' {} {}",
                show(&znode.path),
                show_or_null(znode.data.as_deref()),
                self.names.stat(&znode.stat),
                crate::request::show_acls(znode.acl.as_deref()),
            ));
        }
        Ok(answer)
    }

    /// Closes every connection; the sessions live on.
    pub fn settle(&mut self) {
        for slot in &mut self.slots {
            if let Some(conn) = slot.conn.take() {
                conn.drop_abruptly();
            }
        }
        self.left_open.append(&mut self.sessions);
    }

    /// The server and the sessions that settled sequences left open; the controlling session is closed.
    pub fn into_server(mut self) -> (Server, Vec<OpenSession>) {
        // A server that is gone shows in what its caller does next.
        let _ = self.controller.call(op::CLOSE_SESSION, &[]);
        let open = |id| OpenSession { id, timeout_ms: LONG_TIMEOUT_MS };
        (self.server, self.left_open.into_iter().map(open).collect())
    }

    /// Ends all sessions and deletes all znodes of the sequence.
    ///
    /// # Errors
    /// A message when the server stops answering or keeps a znode.
    pub fn end_sequence(&mut self) -> Result<Answer, String> {
        let mut answer = Answer::default();
        let close = Step::Send {
            slot: 0,
            xid: None,
            request: crate::request::Request::Bare { op: op::CLOSE_SESSION },
        };
        for slot in 0..SLOTS {
            if let Some(conn) = &mut self.slots[slot].conn {
                let xid = conn.request(op::CLOSE_SESSION, &[]);
                self.read_replies(
                    slot,
                    &[SentRequest { xid, op: op::CLOSE_SESSION, path: None }],
                    &mut answer,
                );
            }
        }
        while let Some(session) = self.sessions.first().copied() {
            self.slots[0].session = session;
            let payload = connect_payload(0, 30_000, session, &session_password(session), Some(false));
            let sent = self.begin_connect(0, session, &payload, &mut answer);
            self.finish(&close, sent, &mut answer);
            let sent = self.begin(&close, &World::default(), &mut answer);
            self.finish(&close, sent, &mut answer);
            self.sessions.retain(|other| *other != session);
        }
        let deleted = self.controller.clear()?;
        self.controller.restore_permanent()?;
        answer.lines.extend(deleted.iter().map(|path| format!("cleared {}", show(path))));
        Ok(answer)
    }

    /// Cleans up after a sequence that stopped early, and shows what is left: the permanent znodes.
    ///
    /// # Errors
    /// As [`Side::end_sequence`].
    pub fn remains(&mut self) -> Result<Vec<String>, String> {
        self.end_sequence()?;
        // All zxids are old now.
        self.names.base = i64::MAX;
        Ok(self.dump()?.lines)
    }

    fn zxids(&self, slot: usize) -> Zxids {
        Zxids { base: self.names.base, last: self.slots[slot].last_zxid }
    }

    fn begin_connect(&mut self, slot: usize, session: i64, payload: &[u8], answer: &mut Answer) -> Sent {
        // Events on their way to a connection that the server is about to close may or may not make it.
        let victims: Vec<usize> =
            (0..SLOTS).filter(|at| session != 0 && self.slots[*at].session == session).collect();
        for victim in &victims {
            self.flush(*victim, answer);
        }
        let victims: Vec<usize> =
            victims.into_iter().filter(|at| *at != slot && self.slots[*at].conn.is_some()).collect();
        let mut replaced = self.slots[slot].conn.take();
        if self.slots[slot].session != session
            && let Some(conn) = replaced.take()
        {
            conn.drop_abruptly();
        }
        match Conn::open(self.server.address) {
            Ok(mut conn) => {
                conn.send(payload);
                self.slots[slot].conn = Some(conn);
            }
            Err(error) => answer.lines.push(format!("no connection: {:?}", error.kind())),
        }
        Sent::Connect(victims, replaced.map(Box::new))
    }

    fn finish_connect(
        &mut self,
        slot: usize,
        victims: &[usize],
        replaced: Option<Box<Conn>>,
        answer: &mut Answer,
    ) {
        let Some(conn) = &mut self.slots[slot].conn else { return };
        let incoming = conn.receive(ANSWER_MS);
        let answered = matches!(incoming, Incoming::Frame(_));
        let mut granted = false;
        match incoming {
            Incoming::Frame(frame) => match Connected::take(&frame) {
                Some(connected) => granted = self.on_connected(slot, &connected, answer),
                None => answer.lines.push(format!("undecodable connect response {}", show(&frame))),
            },
            Incoming::Closed => answer.lines.push("closed without a connect response".to_string()),
            Incoming::Silence => answer.lines.push("no connect response".to_string()),
        }
        if !granted {
            if answered {
                self.await_close(slot, answer);
            }
            self.slots[slot].conn = None;
        }
        if let Some(mut conn) = replaced {
            let fate =
                if answered && conn.receive(CLOSE_MS) == Incoming::Closed { "closed" } else { "left alone" };
            answer.lines.push(format!("the slot's old connection was {fate}"));
        }
        for victim in victims.iter().filter(|_| answered) {
            answer.lines.push(format!("client {victim}:"));
            self.await_close(*victim, answer);
            self.slots[*victim].conn = None;
        }
    }

    fn on_connected(&mut self, slot: usize, connected: &Connected, answer: &mut Answer) -> bool {
        let Connected { protocol_version, timeout_ms, session, password, read_only } = connected;
        let form = format!("version={protocol_version} timeout={timeout_ms} readOnly={read_only:?}");
        if *session == 0 {
            let password = if password == &[0; 16] { "zeros" } else { "not zeros" };
            answer.lines.push(format!("refused: {form} password of {password}"));
            return false;
        }
        let count = self.names.sessions.len();
        let name = self.names.sessions.entry(*session).or_insert_with(|| format!("S{}", count + 1)).clone();
        if !self.sessions.contains(session) {
            self.sessions.push(*session);
        }
        let password = if password[..] == session_password(*session) { "as expected" } else { "unexpected" };
        let server = session >> 56;
        answer.lines.push(format!("connected: {name} of server {server} {form} password {password}"));
        self.slots[slot].session = *session;
        true
    }

    /// Reads until every request is answered, the connection ends or the server is silent.
    fn read_replies(&mut self, slot: usize, sent: &[SentRequest], answer: &mut Answer) {
        let mut events = Vec::new();
        let mut waiting = sent.iter();
        let mut next = waiting.next();
        while let Some(request) = next {
            let Some(conn) = &mut self.slots[slot].conn else { break };
            let incoming = conn.receive(ANSWER_MS);
            let Incoming::Frame(frame) = incoming else {
                self.emit(&mut events, answer);
                let what = if incoming == Incoming::Closed { "closed" } else { "silence" };
                answer.lines.push(format!("{what} instead of a reply"));
                self.slots[slot].conn = None;
                break;
            };
            let Some((header, body)) = Header::take(&frame) else {
                answer.lines.push(format!("a frame without header: {}", show(&frame)));
                continue;
            };
            if header.is_event() {
                events.push((header.zxid, self.names.event(header, body)));
                continue;
            }
            let mut facts = Vec::new();
            let mut line = self.names.reply(request.op, header, body, &mut facts);
            if header.xid != request.xid {
                line.push_str(&format!(" (xid {} for {})", header.xid, request.xid));
            }
            if request.op == op::CLOSE_SESSION && header.err == 0 {
                self.unordered.insert(header.zxid);
                let session = self.slots[slot].session;
                self.sessions.retain(|other| *other != session);
            }
            self.emit(&mut events, answer);
            let failed_inside = request.op == op::MULTI && line.contains("[-1,");
            answer.results.push((request.op, if failed_inside { MULTI_FAILED } else { header.err }));
            answer.lines.push(line);
            answer.facts.extend(facts.into_iter().map(|fact| (request.path.clone(), fact)));
            self.slots[slot].last_zxid = self.slots[slot].last_zxid.max(header.zxid);
            if ends_connection(request.op, header.err) {
                self.await_close(slot, answer);
                self.slots[slot].conn = None;
            }
            next = waiting.next();
        }
    }

    fn await_event(&mut self, slot: usize, answer: &mut Answer) {
        let Some(conn) = &mut self.slots[slot].conn else { return };
        match conn.receive(ANSWER_MS) {
            Incoming::Frame(frame) => {
                if let Some((header, body)) = Header::take(&frame) {
                    self.unordered.insert(header.zxid);
                    answer.lines.push(self.names.event(header, body));
                }
            }
            other => answer.lines.push(format!("{other:?} instead of an event")),
        }
        self.flush(slot, answer);
    }

    /// Has the server send whatever it has for this client.
    fn flush(&mut self, slot: usize, answer: &mut Answer) {
        if let Some(conn) = &mut self.slots[slot].conn {
            conn.send(&crate::conn::request_payload(-2, op::PING, &[]));
            self.read_replies(slot, &[SentRequest { xid: -2, op: op::PING, path: None }], answer);
        }
    }

    fn await_close(&mut self, slot: usize, answer: &mut Answer) {
        let Some(conn) = &mut self.slots[slot].conn else { return };
        loop {
            match conn.receive(CLOSE_MS) {
                Incoming::Closed => return answer.lines.push("closed".to_string()),
                Incoming::Silence => return answer.lines.push("not closed".to_string()),
                Incoming::Frame(frame) => answer.lines.push(match Header::take(&frame) {
                    Some((header, body)) if header.is_event() => self.names.event(header, body),
                    Some((header, body)) => format!("unasked reply {header:?} {}", show(body)),
                    None => format!("a frame without header: {}", show(&frame)),
                }),
            }
        }
    }

    /// Appends events, those of one session's end sorted.
    fn emit(&self, events: &mut Vec<(i64, String)>, answer: &mut Answer) {
        for run in events.chunk_by_mut(|one, other| one.0 == other.0) {
            if self.unordered.contains(&run[0].0) {
                run.sort();
            }
        }
        answer.lines.extend(events.drain(..).map(|(_, text)| text));
    }
}

/// Requests whose xid is a constant of the protocol.
fn fixed_xid(op: i32) -> Option<i32> {
    match op {
        op::PING => Some(-2),
        op::AUTH => Some(-4),
        op::SET_WATCHES | op::SET_WATCHES2 => Some(-8),
        _ => None,
    }
}

/// Whether the server closes the connection after such a reply.
fn ends_connection(op: i32, err: i32) -> bool {
    let unimplemented_mode = matches!(
        op,
        op::CREATE | op::CREATE2 | op::CREATE_CONTAINER | op::CREATE_TTL | op::MULTI | op::RECONFIG
    );
    match err {
        -115 | -124 => true,
        -6 => !unimplemented_mode,
        _ => op == op::CLOSE_SESSION && err == 0,
    }
}
