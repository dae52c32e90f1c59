//! One client with a corner of the tree of its own, which it knows exactly.

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::sync::mpsc::Sender;

use zkrs_core::jute::Reader;
use zkrs_core::proto::{CreateMode, ErrorCode, MultiElement, OpCode, Request, Stat};

use super::random::Random;
use crate::wire::{Ended, Wire, create};

/// Requests on their way at a time, at most.
const DEPTH_MAX: u64 = 16;
/// Znodes in the corner at a time, about.
const ZNODES_MAX: usize = 40;

/// The writer, between two connections.
pub struct Writer {
    folder: String,
    random: Random,
    /// Everything acknowledged.
    known: Corner,
    /// Sent and not answered, in the order of sending.
    pending: VecDeque<Op>,
    serial: u64,
    last_zxid: i64,
    /// The session, which outlives the server, and its ephemeral.
    session: Option<(i64, Vec<u8>)>,
    /// Sessions that were closed: they and their ephemerals stay gone.
    closed: Vec<(i64, Vec<u8>)>,
    /// Whether the folder was made.
    is_set_up: bool,
}

/// What is below the writer's folder.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
struct Corner {
    /// Data by name.
    znodes: BTreeMap<String, String>,
    /// What the folder itself holds, and how often it was set.
    register: String,
    version: i32,
    /// Znodes ever made, which is the next sequence number.
    made: u64,
}

#[derive(Debug, Clone)]
enum Op {
    Create {
        name: String,
        data: String,
    },
    CreateSequential {
        data: String,
    },
    Set {
        data: String,
    },
    Delete {
        name: String,
    },
    /// A create and a set, both or neither.
    Both {
        name: String,
        data: String,
    },
}

impl Writer {
    /// A writer that has done nothing.
    pub fn new(id: u32, random: Random) -> Self {
        Self {
            folder: format!("/writer-{id}"),
            random,
            known: Corner::default(),
            pending: VecDeque::new(),
            serial: 0,
            last_zxid: 0,
            session: None,
            closed: Vec::new(),
            is_set_up: false,
        }
    }

    /// The last transaction it was told of.
    pub fn last_zxid(&self) -> i64 {
        self.last_zxid
    }

    /// Requests sent and not answered.
    pub fn in_flight(&self) -> usize {
        self.pending.len()
    }

    /// Writes until the server goes away; tells `acks` how many requests were acknowledged.
    pub fn write_until_closed(&mut self, address: SocketAddr, acks: &Sender<u64>) {
        // Any of these steps may be the one in which the server dies.
        let Ok(mut wire) = Wire::try_connect(address) else { return };
        if self.begin_session(&mut wire).is_err() {
            return;
        }
        loop {
            let mut model = self.known.clone();
            for _ in 0..=self.random.below(DEPTH_MAX) {
                let op = self.next_op(&model);
                model.apply(&op);
                wire.request(&op.request(&self.folder, &self.path_of(&op)));
                self.pending.push_back(op);
            }
            while let Some(op) = self.pending.front() {
                let Ok(reply) = wire.reply() else { return };
                assert_eq!(reply.header.err, ErrorCode::Ok, "{}: {op:?}", self.folder);
                self.known.apply(op);
                self.last_zxid = reply.header.zxid;
                self.pending.pop_front();
                // Nobody listens any more after the kill.
                let _ = acks.send(1);
            }
            if self.random.below(200) == 0 && self.end_session(&mut wire).is_err() {
                return;
            }
        }
    }

    /// Resumes the session, or makes one with an ephemeral, and the folder when it is the first.
    fn begin_session(&mut self, wire: &mut Wire) -> Result<(), Ended> {
        if let Some((session, password)) = &self.session {
            let answer = wire.resume_session(*session, password)?;
            assert_eq!(answer.session_id, *session, "{}: the session lives on", self.folder);
            return Ok(());
        }
        wire.open_session(60_000)?;
        if !self.is_set_up {
            let err = wire.create(&self.folder, b"", CreateMode::Persistent)?;
            // The one before may have been carried out without having been acknowledged.
            assert!(matches!(err, ErrorCode::Ok | ErrorCode::NodeExists), "{}: {err:?}", self.folder);
            self.is_set_up = true;
        }
        let err = wire.create(&ephemeral(wire.session), b"", CreateMode::Ephemeral)?;
        assert_eq!(err, ErrorCode::Ok, "{}: the ephemeral", self.folder);
        self.session = Some((wire.session, wire.password.clone()));
        Ok(())
    }

    /// Closes the session and begins another.
    fn end_session(&mut self, wire: &mut Wire) -> Result<(), Ended> {
        let session = self.session.take();
        let closed = wire.call(&Request::CloseSession);
        match closed {
            Ok(reply) => {
                assert_eq!(reply.header.err, ErrorCode::Ok);
                self.last_zxid = reply.header.zxid;
                self.closed.extend(session);
            }
            // Whether it was closed is not known: neither is checked.
            Err(ended) => return Err(ended),
        }
        let address = wire.stream.peer_addr().map_err(|_| Ended::Closed)?;
        *wire = Wire::try_connect(address).map_err(|_| Ended::Closed)?;
        self.begin_session(wire)
    }

    fn next_op(&mut self, model: &Corner) -> Op {
        self.serial += 1;
        let serial = self.serial;
        let (name, data) = (format!("n{serial}"), format!("d{serial}"));
        let oldest = model.znodes.keys().next().cloned();
        match (self.random.below(10), oldest) {
            (_, Some(name)) if model.znodes.len() > ZNODES_MAX => Op::Delete { name },
            (0..4, _) => Op::Create { name, data },
            (4 | 5, _) => Op::Set { data },
            (6 | 7, _) => Op::Both { name, data },
            (8, _) => Op::CreateSequential { data },
            (_, Some(name)) => Op::Delete { name },
            (_, None) => Op::Set { data },
        }
    }

    fn path_of(&self, op: &Op) -> String {
        match op {
            Op::Create { name, .. } | Op::Delete { name } | Op::Both { name, .. } => {
                format!("{}/{name}", self.folder)
            }
            Op::CreateSequential { .. } => format!("{}/s-", self.folder),
            Op::Set { .. } => self.folder.clone(),
        }
    }

    /// Compares the corner with what was promised; how many of the requests in flight were carried out.
    ///
    /// # Errors
    /// What is wrong, in words.
    pub fn verify(&mut self, address: SocketAddr) -> Result<u64, String> {
        let pending: Vec<Op> = self.pending.drain(..).collect();
        let mut wire = Wire::with_session(address);
        let reader = wire.session;
        if self.is_set_up {
            let found = self.read(&mut wire)?;
            let survived = self.explain(&found, &pending)?;
            self.known = found;
            self.verify_sessions(&mut wire, address)?;
            self.end_reader(&mut wire, reader)?;
            return Ok(survived);
        }
        self.end_reader(&mut wire, reader)?;
        Ok(0)
    }

    fn end_reader(&self, wire: &mut Wire, session: i64) -> Result<(), String> {
        match wire.call(&Request::CloseSession) {
            Ok(_) => Ok(()),
            Err(ended) => Err(format!("{}: the reader's session 0x{session:x}: {ended:?}", self.folder)),
        }
    }

    /// Which number of the pending requests, from the first on, makes what was promised what is there.
    fn explain(&self, found: &Corner, pending: &[Op]) -> Result<u64, String> {
        let mut model = self.known.clone();
        for survived in 0..=pending.len() {
            if model == *found {
                return Ok(survived as u64);
            }
            if let Some(op) = pending.get(survived) {
                model.apply(op);
            }
        }
        Err(format!(
            "{}: no prefix of what was in flight explains what is there\n acknowledged: {:?}\n in flight: {pending:?}\n \
             found: {found:?}",
            self.folder, self.known
        ))
    }

    fn read(&self, wire: &mut Wire) -> Result<Corner, String> {
        let fail = |what: &str| format!("{}: {what}", self.folder);
        let names = wire.call(&Request::GetChildren { path: self.folder.as_str().into(), watch: false });
        let names = names.map_err(|ended| fail(&format!("reading the names: {ended:?}")))?;
        if names.header.err != ErrorCode::Ok {
            return Err(fail(&format!("the acknowledged folder: {:?}", names.header.err)));
        }
        let names = Reader::new(&names.body).strings().map_err(|_| fail("not a list of names"))?;
        let (register, stat) = self.get(wire, &self.folder)?;
        let mut znodes = BTreeMap::new();
        for name in names {
            let (data, stat) = self.get(wire, &format!("{}/{name}", self.folder))?;
            if stat.version != 0 {
                return Err(fail(&format!("{name} was never set and has version {}", stat.version)));
            }
            znodes.insert(name.into_owned(), data);
        }
        // The stat shows both creates and deletes; twice the creates less the children is what it says.
        let made = (i64::from(stat.cversion) + znodes.len() as i64) / 2;
        Ok(Corner { znodes, register, version: stat.version, made: made as u64 })
    }

    fn get(&self, wire: &mut Wire, path: &str) -> Result<(String, Stat), String> {
        let reply = wire.call(&Request::GetData { path: path.into(), watch: false });
        let reply = reply.map_err(|ended| format!("{path}: {ended:?}"))?;
        if reply.header.err != ErrorCode::Ok {
            return Err(format!("{path}: {:?}", reply.header.err));
        }
        let mut reader = Reader::new(&reply.body);
        let data = reader.string().map_err(|_| format!("{path}: no data"))?.into_owned();
        let stat = Stat::decode(&mut reader).map_err(|_| format!("{path}: no stat"))?;
        Ok((data, stat))
    }

    /// The session's ephemeral is there and its own; those of closed sessions are not.
    fn verify_sessions(&mut self, wire: &mut Wire, address: SocketAddr) -> Result<(), String> {
        if let Some((session, _)) = &self.session {
            let (_, stat) = self.get(wire, &ephemeral(*session))?;
            if stat.ephemeral_owner != *session {
                return Err(format!(
                    "the ephemeral of 0x{session:x} belongs to 0x{:x}",
                    stat.ephemeral_owner
                ));
            }
        }
        for (session, password) in std::mem::take(&mut self.closed) {
            let path = ephemeral(session);
            if wire.exists(&path) != Ok(false) {
                return Err(format!("{path} outlives its closed session"));
            }
            let answer = Wire::connect(address).resume_session(session, &password);
            match answer {
                Ok(answer) if answer.session_id == 0 => {}
                other => return Err(format!("the closed session 0x{session:x}: {other:?}")),
            }
        }
        Ok(())
    }
}

impl Corner {
    fn apply(&mut self, op: &Op) {
        match op {
            Op::Create { name, data } => self.make(name.clone(), data),
            Op::CreateSequential { data } => self.make(format!("s-{:010}", self.made), data),
            Op::Set { data } => self.set(data),
            Op::Delete { name } => drop(self.znodes.remove(name)),
            Op::Both { name, data } => {
                self.make(name.clone(), data);
                self.set(data);
            }
        }
    }

    fn make(&mut self, name: String, data: &str) {
        self.znodes.insert(name, data.to_owned());
        self.made += 1;
    }

    fn set(&mut self, data: &str) {
        data.clone_into(&mut self.register);
        self.version += 1;
    }
}

impl Op {
    fn request<'a>(&'a self, folder: &'a str, path: &'a str) -> Request<'a> {
        match self {
            Op::Create { data, .. } => create(path, data.as_bytes(), CreateMode::Persistent),
            Op::CreateSequential { data } => create(path, data.as_bytes(), CreateMode::PersistentSequential),
            Op::Set { data } => {
                Request::SetData { path: path.into(), data: Some(data.as_bytes()), version: -1 }
            }
            Op::Delete { .. } => Request::Delete { path: path.into(), version: -1 },
            Op::Both { data, .. } => {
                let Request::Create(_, create) = create(path, data.as_bytes(), CreateMode::Persistent) else {
                    unreachable!("create makes creates")
                };
                Request::Multi(vec![
                    MultiElement::Create(OpCode::Create, create),
                    MultiElement::SetData { path: folder.into(), data: Some(data.as_bytes()), version: -1 },
                ])
            }
        }
    }
}

fn ephemeral(session: i64) -> String {
    format!("/ephemeral-{session:x}")
}

/// The checker itself: a lost, a doubled and a reordered write have no explanation.
#[test]
fn the_checker_sees_what_must_not_be() {
    let mut writer = Writer::new(0, Random::new(1));
    let op = |n: u32| Op::Create { name: format!("n{n}"), data: format!("d{n}") };
    let corner = |ops: &[u32]| {
        let mut corner = Corner::default();
        ops.iter().for_each(|n| corner.apply(&op(*n)));
        corner
    };
    writer.known = corner(&[1, 2]);
    let pending = [op(3), op(4)];
    for (found, survived) in [(&[1, 2][..], 0), (&[1, 2, 3], 1), (&[1, 2, 3, 4], 2)] {
        assert_eq!(writer.explain(&corner(found), &pending), Ok(survived));
    }
    for wrong in [&[1][..], &[1, 2, 4], &[1, 2, 2], &[1, 2, 3, 4, 4]] {
        assert!(writer.explain(&corner(wrong), &pending).is_err(), "{wrong:?} is explained");
    }
    let mut torn = corner(&[1, 2]);
    torn.znodes.insert("n2".to_owned(), String::new());
    assert!(writer.explain(&torn, &pending).is_err(), "half a write is explained");
}
