//! The server as its clients see it: three connections, a disk that is as slow as the input says, a clock that
//! jumps, snapshots in slices. Whatever comes in, the invariants hold, and the log and every finished snapshot
//! lead back to the same tree.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::{IpAddr, Ipv4Addr};

use zkrs_core::Now;
use zkrs_core::acl::digest_identity;
use zkrs_core::jute::Reader;
use zkrs_core::peer::{
    ConnId, Effect, Effects, Input as PeerInput, Loader, Peer, PeerConfig, ReadOutcome, SnapshotStatus,
    Ticket,
};
use zkrs_core::proto::{ConnectRequest, ConnectResponse, ErrorCode, OpCode, ReplyHeader, RequestHeader, xid};
use zkrs_core::sasl::{SaslConfig, SaslUsers};

use crate::input::Input;
use crate::request;

/// More would only make single runs slower.
const EVENTS_MAX: usize = 400;
const SEED: u64 = 5;

/// Plays the input against a fresh peer.
pub fn check(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    let mut rig = Rig::new(config(&mut input));
    for _ in 0..EVENTS_MAX {
        if input.is_empty() {
            break;
        }
        rig.event(&mut input);
    }
    rig.finish();
}

fn config(input: &mut Input<'_>) -> PeerConfig {
    let bits = input.byte();
    let bit = |n: u8| bits >> n & 1 == 1;
    PeerConfig {
        extended_types_enabled: !bit(0),
        enforce_quota: bit(1),
        skip_acl: bit(2),
        digest_enabled: !bit(3),
        snap_count: if bit(4) { 2 } else { 12 },
        enforce_auth_schemes: if bit(5) { vec!["digest".to_owned()] } else { Vec::new() },
        super_digest: bit(6).then(|| digest_identity(b"user:secret").id),
        reconfig_enabled: bit(7),
        serialize_last_processed_zxid: !bit(2),
        container_max_never_used_ms: if bit(1) { 1000 } else { 0 },
        sasl: SaslConfig {
            users: SaslUsers::new(if bit(7) {
                vec![("user".to_owned(), "secret".to_owned())]
            } else {
                Vec::new()
            }),
            scheme_enabled: true,
            super_users: Vec::new(),
            allow_failed_clients: bit(0),
        },
        ..PeerConfig::default()
    }
}

struct Rig {
    config: PeerConfig,
    peer: Peer,
    now: Now,
    effects: Effects,
    slots: [Option<ConnId>; 3],
    next_conn: ConnId,
    /// The session of each connection that has one, with its password.
    established: BTreeMap<ConnId, (i64, Vec<u8>)>,
    /// The last session that was made.
    old_session: (i64, Vec<u8>),
    closing: Vec<ConnId>,
    asked: BTreeMap<ConnId, Asked>,
    log: Vec<Vec<u8>>,
    durable: Ticket,
    snapshot: Option<Image>,
    images: Vec<Image>,
    xid: i32,
}

/// What a connection was asked and has not answered.
#[derive(Default)]
struct Asked {
    /// In the order of asking, which is that of answering.
    in_turn: VecDeque<i32>,
    /// Credentials and refusals, which are answered at once.
    out_of_turn: BTreeSet<i32>,
    /// Bytes that make no sense were sent: nobody knows what the answers will be.
    is_unclear: bool,
}

/// A snapshot being taken: its name and its parts.
struct Image {
    zxid: i64,
    parts: Vec<Vec<u8>>,
}

impl Rig {
    fn new(config: PeerConfig) -> Self {
        let now = Now { mono_ms: 1000, wall_ms: 1_700_000_000_000 };
        Self {
            peer: Loader::new(config.clone(), SEED).finish(now),
            config,
            now,
            effects: Effects::default(),
            slots: [None; 3],
            next_conn: 0,
            established: BTreeMap::new(),
            old_session: (0, Vec::new()),
            closing: Vec::new(),
            asked: BTreeMap::new(),
            log: Vec::new(),
            durable: 0,
            snapshot: None,
            images: Vec::new(),
            xid: 0,
        }
    }

    fn event(&mut self, input: &mut Input<'_>) {
        match input.byte() % 16 {
            0..9 => self.request(input),
            9 => self.raw_frame(input),
            10 | 11 => self.log_done(self.durable + 1 + input.below(8) as u64),
            12 => self.jump(input),
            13 => self.close_slot(input.below(3)),
            14 => self.snapshot_step(input),
            _ => self.reconnect(input),
        }
    }

    /// A request that makes sense; on a slot without a connection, a new session first.
    fn request(&mut self, input: &mut Input<'_>) {
        let slot = input.below(3);
        let conn = match self.slots[slot] {
            Some(conn) => conn,
            None => return self.connect(slot, (0, vec![0; 16]), 0, 10_000, true),
        };
        self.xid += 1;
        let request = request::request(input);
        let mut payload = Vec::new();
        let xid = if request.op() == OpCode::Ping { -2 } else { self.xid };
        RequestHeader { xid, op: request.op() as i32 }.encode(&mut payload);
        request.encode(&mut payload);
        let deaf = self.closing.contains(&conn);
        let asked = self.asked.entry(conn).or_default();
        match request.op() {
            OpCode::Auth | OpCode::Sasl | OpCode::Check => drop(asked.out_of_turn.insert(xid)),
            _ => asked.in_turn.push_back(xid),
        }
        self.frame(conn, &payload);
        if deaf {
            // The shell reports the end at some time after it was told to close.
            self.close_slot(slot);
        }
    }

    fn raw_frame(&mut self, input: &mut Input<'_>) {
        let slot = input.below(3);
        let frame = input.string();
        let conn = self.slots[slot].unwrap_or_else(|| self.open(slot));
        self.asked.entry(conn).or_default().is_unclear = true;
        self.frame(conn, frame);
    }

    fn reconnect(&mut self, input: &mut Input<'_>) {
        let slot = input.below(3);
        self.close_slot(slot);
        let (session, password) = match input.byte() % 8 {
            0 => (0, vec![0; 16]),
            1 => (self.old_session.0, vec![1; 16]),
            2 => (input.long(), input.string().to_vec()),
            3 => (self.old_session.0, Vec::new()),
            other => {
                let live = self.established.values().nth(usize::from(other) - 4);
                live.unwrap_or(&self.old_session).clone()
            }
        };
        let seen = input.pick(&[0, 0, 0, 1, -1, i64::MAX, i64::MIN]);
        let timeout_ms = input.pick(&[10_000, 6000, 0, -1, i32::MAX, i32::MIN, 60_000]);
        self.connect(slot, (session, password), seen, timeout_ms, input.flag());
    }

    fn connect(
        &mut self,
        slot: usize,
        (session_id, password): (i64, Vec<u8>),
        last_zxid_seen: i64,
        timeout_ms: i32,
        has_read_only: bool,
    ) {
        let conn = self.open(slot);
        let mut payload = Vec::new();
        let request = ConnectRequest {
            protocol_version: 0,
            last_zxid_seen,
            timeout_ms,
            session_id,
            password,
            read_only: has_read_only && timeout_ms < 0,
            has_read_only,
        };
        request.encode(&mut payload);
        self.frame(conn, &payload);
    }

    fn open(&mut self, slot: usize) -> ConnId {
        self.next_conn += 1;
        let conn = self.next_conn;
        self.slots[slot] = Some(conn);
        self.step(PeerInput::ClientOpened { conn, address: IpAddr::V4(Ipv4Addr::LOCALHOST) });
        conn
    }

    fn close_slot(&mut self, slot: usize) {
        if let Some(conn) = self.slots[slot].take() {
            self.established.remove(&conn);
            self.step(PeerInput::ClientClosed { conn });
        }
    }

    fn log_done(&mut self, upto: Ticket) {
        self.durable = upto.min(self.log.len() as Ticket);
        self.step(PeerInput::LogDone { upto: self.durable });
        self.peer.check_invariants();
    }

    fn jump(&mut self, input: &mut Input<'_>) {
        self.now.mono_ms += input.pick(&[1, 50, 2000, 3000, 7000, 10_000, 61_000, 600_000, 1 << 32]);
        self.now.wall_ms += input.pick(&[1, 1, 3000, 61_000, 600_000, -5000, -1 << 45, 1 << 45]);
        self.step(PeerInput::Wake);
        let next = self.peer.next_deadline();
        assert!(next.is_none_or(|next| next > self.now.mono_ms), "after a wake the next one lies ahead");
        self.peer.check_invariants();
    }

    /// One frame, first offered to the shared read, whose answer must be what the step answers.
    fn frame(&mut self, conn: ConnId, payload: &[u8]) {
        let mut answer = Vec::new();
        let outcome = self.peer.read(self.now, conn, payload, &mut answer);
        self.peer.step(self.now, PeerInput::ClientRequest { conn, payload }, &mut self.effects);
        match outcome {
            ReadOutcome::NeedsStep => assert!(answer.is_empty(), "a read that is not served writes nothing"),
            ReadOutcome::Served => {
                let sent: Vec<u8> = sends(&self.effects, conn).flatten().copied().collect();
                assert_eq!(answer, sent, "a shared read answers as the step does");
            }
        }
        self.carry_out();
    }

    fn step(&mut self, input: PeerInput<'_>) {
        self.peer.step(self.now, input, &mut self.effects);
        self.carry_out();
    }

    fn carry_out(&mut self) {
        let effects = std::mem::take(&mut self.effects);
        for effect in &effects.list {
            match effect {
                Effect::Send { conn, range } => self.sent(*conn, &effects.bytes[range.clone()]),
                Effect::Close { conn } => {
                    assert!(!self.closing.contains(conn), "a connection is closed once");
                    self.closing.push(*conn);
                }
                Effect::Established { conn, session, timeout_ms } => {
                    assert!(
                        *session != 0 && *timeout_ms > 0,
                        "an established session has an id and a timeout"
                    );
                    assert!(self.established.contains_key(conn), "the response comes before the fact");
                }
                Effect::Append { ticket, zxid, range } => {
                    let payload = &effects.bytes[range.clone()];
                    assert_eq!(*ticket, self.log.len() as Ticket + 1, "tickets count up");
                    assert_eq!(payload[12..20], zxid.to_be_bytes(), "the payload has the zxid");
                    self.log.push(payload.to_vec());
                }
                Effect::RollLog => {}
                Effect::StartSnapshot { zxid } => {
                    assert!(self.snapshot.is_none(), "one snapshot at a time");
                    self.snapshot = Some(Image { zxid: *zxid, parts: vec![Vec::new()] });
                }
            }
        }
        self.effects = effects;
        self.effects.clear();
    }

    /// Whole frames, and none after the close.
    fn sent(&mut self, conn: ConnId, bytes: &[u8]) {
        assert!(!self.closing.contains(&conn), "nothing follows a close");
        let mut rest = bytes;
        while !rest.is_empty() {
            let (length, after) = rest.split_first_chunk::<4>().expect("a frame begins with its length");
            let (frame, after) = after
                .split_at_checked(u32::from_be_bytes(*length) as usize)
                .expect("a frame is as long as it says");
            rest = after;
            if self.established.contains_key(&conn) {
                let header = ReplyHeader::decode(&mut Reader::new(frame)).expect("a reply has a header");
                self.asked.entry(conn).or_default().answered(&header);
            } else if let Ok(response) = ConnectResponse::decode(frame)
                && response.protocol_version == 0
                && response.session_id != 0
                && self.peer.session_of(conn) == response.session_id
            {
                self.old_session = (response.session_id, response.password.clone());
                self.established.insert(conn, (response.session_id, response.password));
            }
        }
    }

    fn snapshot_step(&mut self, input: &mut Input<'_>) {
        let choice = input.byte();
        if self.snapshot.is_none() {
            let mut effects = std::mem::take(&mut self.effects);
            self.peer.start_snapshot(&mut effects);
            self.effects = effects;
            return self.carry_out();
        }
        if choice == 255 {
            // Given up.
            self.snapshot = None;
            return self.step(PeerInput::SnapshotDone);
        }
        self.slice(usize::from(choice) * 4);
    }

    fn slice(&mut self, bytes_max: usize) {
        let Some(image) = &mut self.snapshot else { return };
        let mut bytes = Vec::new();
        let status = self.peer.snapshot_slice(bytes_max, &mut bytes);
        image.parts.last_mut().expect("there is a part").extend_from_slice(&bytes);
        match status {
            SnapshotStatus::More => {}
            SnapshotStatus::Seal => image.parts.push(Vec::new()),
            SnapshotStatus::Done => {
                self.images.extend(self.snapshot.take());
                self.step(PeerInput::SnapshotDone);
            }
        }
    }

    /// Everything becomes durable; then the past is replayed.
    fn finish(mut self) {
        // What is answered from the queue may propose more.
        while self.durable < self.log.len() as Ticket {
            self.log_done(self.log.len() as Ticket);
        }
        while self.snapshot.is_some() {
            self.slice(1 << 20);
        }
        self.peer.check_invariants();
        assert_eq!(self.peer.outstanding_requests(), 0, "nothing is left over");
        for conn in self.slots.iter().flatten().filter(|conn| !self.closing.contains(conn)) {
            let asked = self.asked.entry(*conn).or_default();
            assert!(asked.is_unclear || asked.in_turn.is_empty(), "no answer to {:?}", asked.in_turn);
        }
        self.replay(None);
        for image in &self.images {
            self.replay(Some(image));
        }
    }

    /// A loader fed with the log, or with a snapshot and what follows it, makes the same tree.
    fn replay(&self, image: Option<&Image>) {
        let mut loader = Loader::new(self.config.clone(), SEED);
        let mut from = 0;
        if let Some(image) = image {
            from = image.zxid;
            loader.snapshot_begin(image.zxid);
            for (n, part) in image.parts.iter().enumerate() {
                let progress = loader.snapshot_bytes(part).expect("our own snapshot loads");
                assert!(progress.part_ended && progress.consumed == part.len(), "part {n} is whole");
            }
            loader.snapshot_end().expect("our own snapshot is complete");
        }
        for payload in &self.log {
            let zxid = i64::from_be_bytes(payload[12..20].try_into().expect("eight bytes"));
            if zxid > from {
                loader.txn(payload).expect("our own transaction applies");
            }
        }
        let again = loader.finish(self.now);
        let (was, is) = (self.peer.stats(), again.stats());
        let name = image.map_or("the log".to_owned(), |image| format!("the snapshot at 0x{:x}", image.zxid));
        assert_eq!(is.digest_mismatches, 0, "{name}: every digest comes true");
        assert_eq!(was.tree_digest, is.tree_digest, "{name}: the tree's digest");
        assert_eq!(was.znode_count, is.znode_count, "{name}: znodes");
        assert_eq!(was.ephemerals_count, is.ephemerals_count, "{name}: ephemerals");
        assert_eq!(was.approximate_data_size_bytes, is.approximate_data_size_bytes, "{name}: bytes");
        assert_eq!(was.last_processed_zxid, is.last_processed_zxid, "{name}: the last zxid");
        assert_eq!(self.peer.sessions(), again.sessions(), "{name}: sessions");
        again.check_invariants();
    }
}

impl Asked {
    fn answered(&mut self, header: &ReplyHeader) {
        let refusals = [ErrorCode::Unimplemented, ErrorCode::SessionClosedRequireAuth, ErrorCode::AuthFailed];
        if header.xid == xid::NOTIFICATION || self.is_unclear || self.out_of_turn.remove(&header.xid) {
            return;
        }
        match self.in_turn.front() {
            Some(due) if *due == header.xid => drop(self.in_turn.pop_front()),
            // The connection ends with these.
            _ if refusals.contains(&header.err) => {}
            due => panic!("the answer to {} comes where that to {due:?} is due", header.xid),
        }
    }
}

fn sends(effects: &Effects, to: ConnId) -> impl Iterator<Item = &[u8]> {
    effects.list.iter().filter_map(move |effect| match effect {
        Effect::Send { conn, range } if *conn == to => Some(&effects.bytes[range.clone()]),
        _ => None,
    })
}
