//! The peer driven by hand: a disk that is as fast as the test wants it to be, connections that are vectors.

use super::*;
use crate::acl::Acl;
use crate::jute::{Reader, Writer};
use crate::proto::{
    AuthPacket, ConnectRequest, ConnectResponse, CreateRequest, ErrorCode, EventType, MultiElement, OpCode,
    ReplyHeader, Request, RequestHeader,
};
use alloc::borrow::Cow;
use alloc::collections::BTreeMap;
use alloc::string::ToString;
use alloc::{format, vec};
use core::net::{IpAddr, Ipv4Addr};

mod watching;

struct Rig {
    peer: Peer,
    now: Now,
    effects: Effects,
    sent: BTreeMap<ConnId, Vec<u8>>,
    closed: Vec<ConnId>,
    log: Vec<Vec<u8>>,
    last_ticket: Ticket,
    auto_sync: bool,
}

impl Rig {
    fn new() -> Self {
        Self::with(PeerConfig { extended_types_enabled: true, ..PeerConfig::default() })
    }

    fn with(config: PeerConfig) -> Self {
        let now = Now { mono_ms: 1000, wall_ms: 1_700_000_000_000 };
        Self {
            peer: Loader::new(config, 5).finish(now),
            now,
            effects: Effects::default(),
            sent: BTreeMap::new(),
            closed: Vec::new(),
            log: Vec::new(),
            last_ticket: 0,
            auto_sync: true,
        }
    }

    fn step(&mut self, input: Input<'_>) {
        self.peer.step(self.now, input, &mut self.effects);
        self.carry_out();
        if self.auto_sync {
            self.sync_disk();
        }
        self.peer.check_invariants();
    }

    fn sync_disk(&mut self) {
        self.peer.step(self.now, Input::LogDone { upto: self.last_ticket }, &mut self.effects);
        self.carry_out();
    }

    fn carry_out(&mut self) {
        for effect in &self.effects.list {
            match effect {
                Effect::Send { conn, range } => {
                    self.sent.entry(*conn).or_default().extend_from_slice(&self.effects.bytes[range.clone()])
                }
                Effect::Close { conn } => self.closed.push(*conn),
                Effect::Append { ticket, range, .. } => {
                    assert_eq!(*ticket, self.last_ticket + 1);
                    self.last_ticket = *ticket;
                    self.log.push(self.effects.bytes[range.clone()].to_vec());
                }
                Effect::Established { .. } | Effect::RollLog | Effect::StartSnapshot { .. } => {}
            }
        }
        self.effects.clear();
    }

    fn open(&mut self, conn: ConnId) {
        self.step(Input::ClientOpened { conn, address: IpAddr::V4(Ipv4Addr::LOCALHOST) });
    }

    fn connect(&mut self, conn: ConnId) -> ConnectResponse {
        self.connect_as(conn, 0, &[0; 16])
    }

    fn connect_as(&mut self, conn: ConnId, session_id: i64, password: &[u8]) -> ConnectResponse {
        self.open(conn);
        let mut payload = Vec::new();
        ConnectRequest {
            protocol_version: 0,
            last_zxid_seen: 0,
            timeout_ms: 10_000,
            session_id,
            password: password.to_vec(),
            read_only: false,
            has_read_only: true,
        }
        .encode(&mut payload);
        self.step(Input::ClientRequest { conn, payload: &payload });
        ConnectResponse::decode(&self.frame(conn).expect("a connect response")).unwrap()
    }

    fn send(&mut self, conn: ConnId, xid: i32, request: &Request<'_>) {
        let payload = encode(xid, request);
        self.step(Input::ClientRequest { conn, payload: &payload });
    }

    fn frame(&mut self, conn: ConnId) -> Option<Vec<u8>> {
        let sent = self.sent.get_mut(&conn).filter(|sent| !sent.is_empty())?;
        let length = i32::from_be_bytes(*sent.first_chunk().unwrap()) as usize;
        let frame = sent[4..4 + length].to_vec();
        sent.drain(..4 + length);
        Some(frame)
    }

    /// The next reply or event of a connection: its xid, error and body.
    fn reply(&mut self, conn: ConnId) -> (i32, ErrorCode, Vec<u8>) {
        let frame = self.frame(conn).expect("a reply");
        let mut reader = Reader::new(&frame);
        let header = ReplyHeader::decode(&mut reader).unwrap();
        (header.xid, header.err, reader.remaining().to_vec())
    }

    fn event(&mut self, conn: ConnId) -> (EventType, String) {
        let (xid, err, body) = self.reply(conn);
        assert_eq!((xid, err), (-1, ErrorCode::Ok));
        let mut reader = Reader::new(&body);
        let kind = EventType::from_wire(reader.int().unwrap()).unwrap();
        assert_eq!(reader.int(), Ok(3));
        (kind, reader.string().unwrap().to_string())
    }

    fn ask(&mut self, conn: ConnId, xid: i32, request: &Request<'_>) -> Result<Vec<u8>, ErrorCode> {
        self.send(conn, xid, request);
        let (got, err, body) = self.reply(conn);
        assert_eq!(got, xid);
        if err.is_ok() { Ok(body) } else { Err(err) }
    }
}

fn encode(xid: i32, request: &Request<'_>) -> Vec<u8> {
    let mut payload = Vec::new();
    RequestHeader { xid, op: request.op() as i32 }.encode(&mut payload);
    request.encode(&mut payload);
    payload
}

fn create_body(path: &str, flags: i32) -> CreateRequest<'_> {
    CreateRequest { path: Cow::Borrowed(path), data: Some(b"d"), acl: Some(Acl::open()), flags, ttl_ms: -1 }
}

fn create(path: &str, flags: i32) -> Request<'_> {
    Request::Create(OpCode::Create, create_body(path, flags))
}

fn delete(path: &str) -> Request<'_> {
    Request::Delete { path: path.into(), version: -1 }
}

fn get(path: &str, watch: bool) -> Request<'_> {
    Request::GetData { path: path.into(), watch }
}

fn set<'a>(path: &'a str, data: &'a [u8]) -> Request<'a> {
    Request::SetData { path: path.into(), data: Some(data), version: -1 }
}

fn string(body: &[u8]) -> String {
    Reader::new(body).string().unwrap().to_string()
}

#[test]
fn a_session_creates_reads_and_closes() {
    let mut rig = Rig::new();
    let session = rig.connect(1);
    assert_eq!(session.timeout_ms, 10_000);
    assert_eq!(session.read_only, Some(false));
    assert_eq!(string(&rig.ask(1, 1, &create("/a", 0)).unwrap()), "/a");
    assert_eq!(rig.ask(1, 2, &create("/a", 0)), Err(ErrorCode::NodeExists));
    assert_eq!(string(&rig.ask(1, 3, &create("/a/s", 2)).unwrap()), "/a/s0000000000");
    assert_eq!(string(&rig.ask(1, 4, &create("/a/s", 3)).unwrap()), "/a/s0000000001");
    assert_eq!(rig.ask(1, 5, &create("/a/s0000000001/x", 0)), Err(ErrorCode::NoChildrenForEphemerals));
    assert_eq!(rig.ask(1, 6, &delete("/a")), Err(ErrorCode::NotEmpty));
    rig.ask(1, 7, &Request::CloseSession).unwrap();
    assert_eq!(rig.closed, [1]);
    assert_eq!(rig.peer.stat("/a/s0000000001"), None);
    assert_eq!(rig.peer.stats().global_sessions, 0);
    // Session, seven writes of which two failed: each has its zxid.
    assert_eq!(rig.peer.last_processed_zxid(), 8);
}

#[test]
fn a_read_waits_behind_the_writes_of_its_own_connection_only() {
    let mut rig = Rig::new();
    rig.connect(1);
    rig.connect(2);
    rig.auto_sync = false;
    rig.send(1, 1, &create("/a", 0));
    rig.send(1, 2, &get("/a", true));
    rig.send(1, 3, &set("/a", b"2"));
    rig.send(1, 4, &get("/a", false));
    rig.send(2, 1, &get("/a", false));
    assert_eq!(rig.reply(2).1, ErrorCode::NoNode);
    assert!(rig.frame(1).is_none());
    rig.sync_disk();
    assert_eq!(rig.reply(1).0, 1);
    assert_eq!(rig.reply(1).0, 2);
    assert_eq!(rig.event(1), (EventType::NodeDataChanged, "/a".into()));
    assert_eq!(rig.reply(1).0, 3);
    let (xid, _, body) = rig.reply(1);
    assert_eq!((xid, Reader::new(&body).buffer()), (4, Ok(Some(&b"2"[..]))));
}

#[test]
fn what_was_asked_before_the_close_is_answered_before_it() {
    let mut rig = Rig::new();
    rig.connect(1);
    rig.auto_sync = false;
    rig.send(1, 1, &create("/a", 0));
    rig.send(1, 2, &get("/a", false));
    rig.send(1, 3, &Request::CloseSession);
    rig.send(1, 4, &get("/a", false));
    rig.sync_disk();
    assert_eq!([rig.reply(1).0, rig.reply(1).0, rig.reply(1).0], [1, 2, 3]);
    assert!(rig.frame(1).is_none());
}

#[test]
fn a_sync_waits_for_what_others_have_proposed() {
    let mut rig = Rig::new();
    rig.connect(1);
    rig.connect(2);
    rig.auto_sync = false;
    rig.send(1, 1, &create("/a", 0));
    rig.send(2, 1, &Request::Sync { path: "/".into() });
    rig.send(2, 2, &get("/a", false));
    assert!(rig.frame(2).is_none());
    rig.sync_disk();
    assert_eq!(rig.reply(2).0, 1);
    assert_eq!(rig.reply(2), (2, ErrorCode::Ok, rig.peer_get("/a")));
}

#[test]
fn a_sync_waits_for_nothing_that_comes_after_it() {
    let mut rig = Rig::new();
    rig.connect(1);
    rig.auto_sync = false;
    rig.send(1, 1, &create("/a", 0));
    rig.send(1, 2, &Request::Sync { path: "/".into() });
    rig.send(1, 3, &set("/a", b"x"));
    rig.send(1, 4, &Request::CloseSession);
    rig.sync_disk();
    for xid in 1..=4 {
        let frame = rig.frame(1).expect("a reply");
        let header = ReplyHeader::decode(&mut Reader::new(&frame)).unwrap();
        // The session's creation was zxid 1; the sync sees what was proposed before it.
        let zxid = [2, 2, 3, 4][xid - 1];
        assert_eq!((header.xid, header.zxid, header.err), (xid as i32, zxid, ErrorCode::Ok));
    }
}

#[test]
fn what_comes_before_the_handshake_is_answered_keeps_its_place() {
    let mut rig = Rig::new();
    rig.auto_sync = false;
    rig.open(1);
    let mut hello = Vec::new();
    ConnectRequest {
        protocol_version: 0,
        last_zxid_seen: 0,
        timeout_ms: 10_000,
        session_id: 0,
        password: vec![0; 16],
        read_only: false,
        has_read_only: true,
    }
    .encode(&mut hello);
    rig.step(Input::ClientRequest { conn: 1, payload: &hello });
    rig.send(1, 1, &create("/a", 0));
    rig.send(1, 2, &set("/a", b"1"));
    rig.send(1, 3, &get("/a", false));
    rig.sync_disk();
    rig.send(1, 4, &set("/a", b"2"));
    rig.send(1, 5, &get("/a", false));
    rig.sync_disk();
    ConnectResponse::decode(&rig.frame(1).expect("a connect response")).unwrap();
    let data = |body: Vec<u8>| Reader::new(&body).buffer().unwrap().map(<[u8]>::to_vec);
    assert_eq!([rig.reply(1).0, rig.reply(1).0], [1, 2]);
    assert_eq!(data(rig.reply(1).2), Some(b"1".to_vec()));
    assert_eq!(rig.reply(1).0, 4);
    assert_eq!(data(rig.reply(1).2), Some(b"2".to_vec()));
}

impl Rig {
    fn peer_get(&self, path: &str) -> Vec<u8> {
        let id = self.peer.tree().find(path).unwrap();
        let (data, stat) = self.peer.tree().data_and_stat(id);
        let mut body = Vec::new();
        body.put_buffer(data);
        stat.encode(&mut body);
        body
    }
}

#[test]
fn prepared_changes_count_for_the_next_request() {
    let mut rig = Rig::new();
    rig.connect(1);
    rig.connect(2);
    rig.auto_sync = false;
    rig.send(1, 1, &create("/a", 0));
    rig.send(2, 1, &create("/a/b", 2));
    rig.send(2, 2, &create("/a/b", 2));
    rig.send(1, 2, &delete("/a/b0000000000"));
    rig.send(1, 3, &delete("/a/b0000000001"));
    rig.send(2, 3, &delete("/a"));
    rig.send(2, 4, &create("/a/x", 0));
    rig.sync_disk();
    for (conn, xid, err) in [
        (1, 1, ErrorCode::Ok),
        (1, 2, ErrorCode::Ok),
        (1, 3, ErrorCode::Ok),
        (2, 1, ErrorCode::Ok),
        (2, 2, ErrorCode::Ok),
        (2, 3, ErrorCode::Ok),
        (2, 4, ErrorCode::NoNode),
    ] {
        let reply = rig.reply(conn);
        assert_eq!((reply.0, reply.1), (xid, err));
    }
    rig.peer.check_invariants();
}

#[test]
fn a_failed_multi_leaves_nothing_and_gives_its_numbers_back() {
    let mut rig = Rig::new();
    rig.connect(1);
    rig.ask(1, 1, &create("/a", 0)).unwrap();
    let sequential = || MultiElement::Create(OpCode::Create2, create_body("/a/s", 2));
    let check = MultiElement::Check { path: "/none".into(), version: 0 };
    let body = rig.ask(1, 2, &Request::Multi(vec![sequential(), sequential(), check, sequential()])).unwrap();
    let mut reader = Reader::new(&body);
    for code in [ErrorCode::Ok, ErrorCode::Ok, ErrorCode::NoNode, ErrorCode::RuntimeInconsistency] {
        assert_eq!((reader.int(), reader.bool(), reader.int()), (Ok(-1), Ok(false), Ok(code.0)));
        assert_eq!(reader.int(), Ok(code.0));
    }
    assert_eq!((reader.int(), reader.bool()), (Ok(-1), Ok(true)));
    let body = rig.ask(1, 3, &Request::Multi(vec![sequential(), sequential()])).unwrap();
    let mut reader = Reader::new(&body);
    assert_eq!((reader.int(), reader.bool(), reader.int()), (Ok(15), Ok(false), Ok(0)));
    assert_eq!(reader.string().as_deref(), Ok("/a/s0000000000"));
}

#[test]
fn sessions_expire_and_take_their_ephemerals_along() {
    let mut rig = Rig::new();
    rig.connect(1);
    rig.connect(2);
    rig.ask(1, 1, &create("/e", 1)).unwrap();
    rig.ask(2, 1, &get("/e", true)).unwrap();
    rig.now.mono_ms += 9_000;
    rig.ask(2, 2, &get("/e", false)).unwrap();
    rig.now.mono_ms += 5_000;
    assert!(rig.peer.next_deadline().unwrap() <= rig.now.mono_ms);
    rig.step(Input::Wake);
    assert_eq!(rig.closed, [1]);
    assert_eq!(rig.event(2), (EventType::NodeDeleted, "/e".into()));
    assert_eq!(rig.peer.stats().global_sessions, 1);
}

#[test]
fn a_session_moves_to_its_new_connection() {
    let mut rig = Rig::new();
    let first = rig.connect(1);
    rig.ask(1, 1, &create("/e", 1)).unwrap();
    let second = rig.connect_as(2, first.session_id, &first.password);
    assert_eq!(second, first);
    assert_eq!(rig.closed, [1]);
    rig.send(1, 2, &create("/late", 0));
    assert!(rig.frame(1).is_none());
    assert_eq!(rig.peer.stat("/late"), None);
    rig.ask(2, 1, &delete("/e")).unwrap();
    let refused = rig.connect_as(3, first.session_id, &[1; 16]);
    assert_eq!((refused.timeout_ms, refused.session_id), (0, 0));
    // The attempt costs the session its connection, even with a wrong password.
    assert_eq!(rig.closed, [1, 2, 3]);
}

#[test]
fn replies_to_an_old_connection_never_reach_the_new_one() {
    let mut rig = Rig::new();
    let first = rig.connect(1);
    rig.auto_sync = false;
    rig.send(1, 1, &create("/a", 0));
    rig.connect_as(2, first.session_id, &first.password);
    rig.send(2, 1, &set("/a", b"x"));
    rig.sync_disk();
    assert!(rig.frame(1).is_none());
    let (xid, err, body) = rig.reply(2);
    assert_eq!((xid, err, body.len()), (1, ErrorCode::Ok, 68));
    assert!(rig.frame(2).is_none());
}

#[test]
fn internal_and_unknown_requests_close() {
    for op in [-10, 20, 0, 13, 99, -1] {
        let mut rig = Rig::new();
        rig.connect(1);
        let mut payload = Vec::new();
        RequestHeader { xid: 7, op }.encode(&mut payload);
        rig.step(Input::ClientRequest { conn: 1, payload: &payload });
        assert_eq!(rig.reply(1).1, ErrorCode::Unimplemented);
        assert_eq!(rig.closed, [1]);
        assert_eq!(rig.log.len(), 1);
    }
}

#[test]
fn poison_requests_leave_no_transaction_that_fails() {
    let mut rig = Rig::new();
    rig.connect(1);
    let ttl = CreateRequest { ttl_ms: -5, ..create_body("/t", 0) };
    assert_eq!(rig.ask(1, 1, &Request::Create(OpCode::CreateTtl, ttl)), Err(ErrorCode::BadArguments));
    assert_eq!(rig.ask(1, 2, &create("/zookeeper/quota/zookeeper_limits", 0)), Err(ErrorCode::BadArguments));
    for (xid, path) in
        [(3, "/a"), (4, "/a/b"), (5, "/zookeeper/quota/a"), (6, "/zookeeper/quota/a/zookeeper_limits")]
    {
        rig.ask(1, xid, &create(path, 0)).unwrap();
    }
    rig.ask(1, 7, &create("/zookeeper/quota/a/zookeeper_stats", 0)).unwrap();
    rig.ask(1, 8, &set("/zookeeper/quota/a/zookeeper_stats", b"junk")).unwrap();
    rig.ask(1, 9, &set("/a/b", b"12345")).unwrap();
    let body = rig.peer_get("/zookeeper/quota/a/zookeeper_stats");
    assert_eq!(Reader::new(&body).buffer(), Ok(Some(&b"count=2,bytes=6"[..])));
    rig.ask(1, 10, &delete("/zookeeper/quota/a/zookeeper_limits")).unwrap();
    // And the log of it all replays to the same tree.
    let mut loader = Loader::new(PeerConfig { extended_types_enabled: true, ..PeerConfig::default() }, 9);
    for payload in &rig.log {
        loader.txn(payload).unwrap();
    }
    let replayed = loader.finish(rig.now);
    replayed.check_invariants();
    assert_eq!(replayed.stats().tree_digest, rig.peer.stats().tree_digest);
}

#[test]
fn a_flood_of_credentials_ends_the_connection() {
    let mut rig = Rig::new();
    rig.connect(1);
    let mut accepted = 0;
    while rig.closed.is_empty() {
        let auth = format!("user-{accepted}:secret");
        let packet = AuthPacket { kind: 0, scheme: "digest".into(), auth: Some(auth.as_bytes()) };
        rig.send(1, -4, &Request::Auth(packet));
        let (xid, err, _) = rig.reply(1);
        assert_eq!(
            (xid, err),
            (-4, if rig.closed.is_empty() { ErrorCode::Ok } else { ErrorCode::AuthFailed })
        );
        accepted += 1;
        assert!(accepted < 2000, "there is a limit");
    }
    assert!(accepted > 500, "far beyond what anybody needs");
}
