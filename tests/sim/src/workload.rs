//! Clients that ask for everything that changes a tree, well and badly.

use std::borrow::Cow;
use std::net::{IpAddr, Ipv4Addr};

use zkrs_core::acl::{Acl, Id};
use zkrs_core::peer::{ConnId, Input};
use zkrs_core::proto::{ConnectRequest, CreateRequest, MultiElement, OpCode, Request, RequestHeader};
use zkrs_storage::Result;

use crate::host::Host;
use crate::prng::Prng;

/// So many clients at a time.
const CLIENTS: usize = 4;

/// The clients of one host.
#[derive(Debug, Default)]
pub struct Workload {
    conns: Vec<ConnId>,
    next_conn: ConnId,
    next_xid: i32,
}

impl Workload {
    /// Lets one client do one thing.
    ///
    /// # Errors
    /// What storage refuses.
    pub fn act(&mut self, host: &mut Host, prng: &mut Prng) -> Result<()> {
        let closed = std::mem::take(&mut host.closed);
        for conn in closed {
            self.conns.retain(|known| *known != conn);
            host.step(Input::ClientClosed { conn })?;
        }
        if self.conns.len() < CLIENTS {
            return self.connect(host, prng);
        }
        let conn = self.conns[prng.below(self.conns.len() as u64) as usize];
        if prng.chance(1, 80) {
            // Gone without a word; the session expires later.
            self.conns.retain(|known| *known != conn);
            return host.step(Input::ClientClosed { conn });
        }
        self.next_xid += 1;
        let data = data(prng);
        let request = request(prng, &data);
        let mut payload = Vec::new();
        RequestHeader { xid: self.next_xid, op: request.op() as i32 }.encode(&mut payload);
        request.encode(&mut payload);
        host.step(Input::ClientRequest { conn, payload: &payload })
    }

    fn connect(&mut self, host: &mut Host, prng: &mut Prng) -> Result<()> {
        self.next_conn += 1;
        let conn = self.next_conn;
        self.conns.push(conn);
        host.step(Input::ClientOpened { conn, address: IpAddr::V4(Ipv4Addr::LOCALHOST) })?;
        let mut payload = Vec::new();
        ConnectRequest {
            protocol_version: 0,
            last_zxid_seen: 0,
            timeout_ms: 2000 + prng.below(8) as i32 * 1000,
            session_id: 0,
            password: vec![0; 16],
            read_only: false,
            has_read_only: true,
        }
        .encode(&mut payload);
        host.step(Input::ClientRequest { conn, payload: &payload })
    }
}

fn data(prng: &mut Prng) -> Vec<u8> {
    let len = match prng.below(40) {
        0 => 9000,
        1..=4 => 700,
        _ => prng.below(60),
    };
    let mut data = vec![0; len as usize];
    prng.fill(&mut data);
    data
}

fn path(prng: &mut Prng) -> Cow<'static, str> {
    const NAMES: [&str; 5] = ["a", "b", "c", "d", "e"];
    let depth = 1 + prng.below(3);
    let mut path = String::new();
    for _ in 0..depth {
        path.push('/');
        path.push_str(NAMES[prng.below(NAMES.len() as u64) as usize]);
    }
    Cow::Owned(path)
}

fn acl(prng: &mut Prng) -> Option<Vec<Acl>> {
    let mut acls = Acl::open();
    if prng.chance(1, 4) {
        let id = format!("10.0.{}.0/24", prng.below(20));
        acls.push(Acl { perms: 1 + prng.below(31) as i32, id: Id::new("ip", &id) });
    }
    Some(acls)
}

fn create<'a>(prng: &mut Prng, data: &'a [u8]) -> (OpCode, CreateRequest<'a>) {
    let (op, flags, ttl_ms) = match prng.below(12) {
        0 => (OpCode::CreateContainer, 4, -1),
        1 => (OpCode::CreateTtl, 5, 1 + prng.below(3000) as i64),
        2 => (OpCode::CreateTtl, 6, 1 + prng.below(3000) as i64),
        3 | 4 => (OpCode::Create2, 2, -1),
        5 | 6 => (OpCode::Create, 1, -1),
        7 => (OpCode::Create2, 3, -1),
        _ => (OpCode::Create, 0, -1),
    };
    let data = prng.chance(9, 10).then_some(data);
    (op, CreateRequest { path: path(prng), data, acl: acl(prng), flags, ttl_ms })
}

fn version(prng: &mut Prng) -> i32 {
    if prng.chance(3, 4) { -1 } else { prng.below(4) as i32 }
}

fn element<'a>(prng: &mut Prng, data: &'a [u8]) -> MultiElement<'a> {
    match prng.below(6) {
        0 | 1 => {
            let (op, create) = create(prng, data);
            MultiElement::Create(op, create)
        }
        2 => MultiElement::Delete { path: path(prng), version: -1 },
        3 => MultiElement::Check { path: path(prng), version: version(prng) },
        _ => MultiElement::SetData { path: path(prng), data: Some(data), version: version(prng) },
    }
}

fn request<'a>(prng: &mut Prng, data: &'a [u8]) -> Request<'a> {
    match prng.below(40) {
        0 => Request::CloseSession,
        1..=15 => {
            let (op, create) = create(prng, data);
            Request::Create(op, create)
        }
        16..=23 => Request::Delete { path: path(prng), version: version(prng) },
        24..=31 => Request::SetData { path: path(prng), data: Some(data), version: version(prng) },
        32 | 33 => Request::SetAcl { path: path(prng), acl: acl(prng), version: version(prng) },
        34..=36 => {
            let count = prng.below(6);
            Request::Multi((0..count).map(|_| element(prng, data)).collect())
        }
        37 => Request::Sync { path: path(prng) },
        38 => Request::GetChildren2 { path: path(prng), watch: true },
        _ => Request::GetData { path: path(prng), watch: true },
    }
}
