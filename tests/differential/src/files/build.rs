//! A tree with every kind of znode, ACL, quota, session and counter, made through the client protocol.

use super::OpenSession;
use crate::client::Client;
use crate::op;
use crate::rng::Rng;
use crate::wire::{AclEntry, Put, put_acls};
use std::net::SocketAddr;

/// Leaves below one parent in the bulk.
const LEAVES_PER_PARENT: usize = 500;
const SESSIONS: usize = 12;
/// Levels of the deep chain.
const DEPTH: usize = 200;

/// What was built beside the tree.
#[derive(Debug)]
pub struct Built {
    /// The sessions that are open.
    pub sessions: Vec<OpenSession>,
    /// Their clients; the connections break when these are dropped.
    pub clients: Vec<Client>,
    /// Parents whose next sequence numbers are worth asking for.
    pub counters: Vec<String>,
}

/// A request: opcode and body.
pub type Call = (i32, Vec<u8>);

/// Builds a tree of about `znodes` znodes.
///
/// # Errors
/// A message naming the request that failed.
pub fn build(address: SocketAddr, znodes: usize, seed: u64) -> Result<Built, String> {
    let mut client = Client::open_super(address)?;
    let mut rng = Rng::new(seed);
    let mut counters = build_kinds(&mut client, &mut rng, znodes / 20)?;
    counters.extend(build_bulk(&mut client, &mut rng, znodes)?);
    build_failures(&mut client)?;
    let clients = build_sessions(address, &mut rng)?;
    let sessions = clients
        .iter()
        .map(|client| OpenSession { id: client.session, timeout_ms: client.timeout_ms })
        .collect();
    // After the sessions are there, so that logs hold what follows them, too.
    must_all(&mut client, &[set_data("/counters", Some(b"the last write before the stop"))])?;
    Ok(Built { sessions, clients, counters })
}

/// `world:anyone` with all permissions.
pub fn open_acl() -> Vec<AclEntry> {
    vec![acl_entry(31, "world", "anyone")]
}

/// One of the creates, by the flags' kind.
pub fn create(path: &str, data: Option<&[u8]>, acl: &[AclEntry], flags: i32) -> Call {
    let mut body = Vec::new();
    body.buffer(Some(path.as_bytes()));
    body.buffer(data);
    put_acls(&mut body, Some(acl));
    body.int(flags);
    (if flags == 4 { op::CREATE_CONTAINER } else { op::CREATE }, body)
}

/// A setData of any version.
pub fn set_data(path: &str, data: Option<&[u8]>) -> Call {
    let mut body = Vec::new();
    body.buffer(Some(path.as_bytes()));
    body.buffer(data);
    body.int(-1);
    (op::SET_DATA, body)
}

/// A delete of any version.
pub fn delete(path: &str) -> Call {
    let mut body = Vec::new();
    body.buffer(Some(path.as_bytes()));
    body.int(-1);
    (op::DELETE, body)
}

/// Sends all and wants success of all.
///
/// # Errors
/// A message naming the first request that failed.
pub fn must_all(client: &mut Client, calls: &[Call]) -> Result<(), String> {
    for ((header, _), (op, body)) in client.call_all(calls)?.iter().zip(calls) {
        if header.err != 0 {
            let name = op::name(*op).unwrap_or("?");
            return Err(format!("{name} {}: error {}", crate::wire::show(body), header.err));
        }
    }
    Ok(())
}

fn plain(path: &str) -> Call {
    create(path, Some(b""), &open_acl(), 0)
}

fn acl_entry(perms: i32, scheme: &str, id: &str) -> AclEntry {
    (perms, Some(scheme.as_bytes().to_vec()), Some(id.as_bytes().to_vec()))
}

fn create_ttl(path: &str, flags: i32, ttl_ms: i64) -> Call {
    let (_, mut body) = create(path, Some(b"ttl"), &open_acl(), flags);
    body.long(ttl_ms);
    (op::CREATE_TTL, body)
}

fn set_acl(path: &str, acl: &[AclEntry]) -> Call {
    let mut body = Vec::new();
    body.buffer(Some(path.as_bytes()));
    put_acls(&mut body, Some(acl));
    body.int(-1);
    (op::SET_ACL, body)
}

fn multi(elements: &[Call]) -> Call {
    let mut body = Vec::new();
    for (op, element) in elements {
        body.int(*op);
        body.flag(false);
        body.int(-1);
        body.extend_from_slice(element);
    }
    body.int(-1);
    body.flag(true);
    body.int(-1);
    (op::MULTI, body)
}

/// A few of each special kind; returns parents with counters.
fn build_kinds(client: &mut Client, rng: &mut Rng, wide: usize) -> Result<Vec<String>, String> {
    let mut calls =
        vec![plain("/containers"), plain("/ttl"), plain("/acl"), plain("/counters"), plain("/wide")];
    for index in 0..60 {
        let path = format!("/containers/c{index}");
        calls.push(create(&path, Some(b"container"), &open_acl(), 4));
        // Every third keeps a child, every third had one, every third never had.
        if index % 3 < 2 {
            calls.push(plain(&format!("{path}/child")));
        }
        if index % 3 == 1 {
            calls.push(delete(&format!("{path}/child")));
        }
    }
    for index in 0..60 {
        let ttl_ms = *rng.pick(&[1, 1000, 0xff_ffff_ffff, 86_400_000, 12_345_678_901]);
        calls.push(create_ttl(&format!("/ttl/t{index}"), 5, ttl_ms));
        calls.push(create_ttl("/ttl/s-", 6, ttl_ms));
    }
    for (index, acl) in acls().iter().enumerate() {
        calls.push(create(&format!("/acl/a{index}"), Some(b"acl"), acl, 0));
        calls.push(plain(&format!("/acl/b{index}")));
        calls.push(set_acl(&format!("/acl/b{index}"), acl));
    }
    for _ in 0..wide {
        calls.push(create("/wide/s-", Some(b"wide"), &open_acl(), 2));
    }
    let mut deep = String::new();
    for _ in 0..DEPTH {
        deep.push_str("/deep");
        calls.push(plain(&deep));
    }
    let mut counters = vec!["/wide".to_string(), "/ttl".to_string(), "/containers".to_string(), deep];
    for index in 0..40 {
        let path = format!("/counters/k{index}");
        calls.push(plain(&path));
        for number in 0..index {
            calls.push(create(&format!("{path}/s-"), None, &open_acl(), 2));
            if rng.once_in(2) {
                calls.push(delete(&format!("{path}/s-{number:010}")));
            }
        }
        counters.push(path);
    }
    for name in ["\u{e9}t\u{e9}", "\u{4e2d}\u{6587}", " ", "...", "a b", "\u{3042}"] {
        calls.push(plain(&format!("/counters/{name}")));
    }
    calls.push(set_data("/", Some(b"root data")));
    calls.push(create("/large", Some(&vec![7; 900_000]), &open_acl(), 0));
    calls.extend(quota("/quota-soft", "count=3,bytes=-1"));
    calls.extend(quota("/quota-hard", "count=-1,bytes=-1=;byteHardLimit=200;countHardLimit=8"));
    calls.push(multi(&[
        plain("/multi"),
        create("/multi/s-", None, &open_acl(), 2),
        create("/multi/s-", Some(b"two"), &open_acl(), 2),
        set_data("/multi", Some(b"set in the multi")),
        create("/multi/container", Some(b""), &open_acl(), 4),
        delete("/multi/s-0000000000"),
    ]));
    calls.push(multi(&[]));
    counters.push("/multi".to_string());
    must_all(client, &calls)?;
    Ok(counters)
}

fn acls() -> Vec<Vec<AclEntry>> {
    vec![
        open_acl(),
        vec![acl_entry(1, "world", "anyone")],
        vec![acl_entry(31, "auth", "")],
        vec![acl_entry(3, "digest", "joe:fpT/y03U+EjItKZOSLGvjnJlyng="), acl_entry(16, "ip", "127.0.0.1")],
        vec![acl_entry(31, "ip", "10.0.0.0/8"), acl_entry(1, "ip", "::1")],
        vec![acl_entry(0, "world", "anyone")],
        vec![acl_entry(-1, "world", "anyone")],
    ]
}

fn quota(place: &str, limits: &str) -> Vec<Call> {
    let folder = format!("/zookeeper/quota{place}");
    let mut calls = vec![plain(place), create(&format!("{place}/old"), Some(b"0123456789"), &open_acl(), 0)];
    calls.push(plain(&folder));
    calls.push(create(&format!("{folder}/zookeeper_limits"), Some(limits.as_bytes()), &open_acl(), 0));
    calls.push(create(&format!("{folder}/zookeeper_stats"), Some(b"count=0,bytes=0"), &open_acl(), 0));
    calls.push(create(&format!("{place}/new"), Some(b"01234"), &open_acl(), 0));
    calls.push(set_data(&format!("{place}/old"), Some(b"0123")));
    calls
}

fn build_bulk(client: &mut Client, rng: &mut Rng, znodes: usize) -> Result<Vec<String>, String> {
    must_all(client, &[plain("/bulk")])?;
    let mut counters = Vec::new();
    for number in 0..znodes.div_ceil(LEAVES_PER_PARENT) {
        let parent = format!("/bulk/p{number}");
        let mut calls = vec![plain(&parent)];
        for leaf in 0..LEAVES_PER_PARENT {
            let path = format!("{parent}/leaf{leaf}");
            let data = match rng.below(1000) {
                0..50 => None,
                50..100 => Some(Vec::new()),
                100 => Some(vec![b'L'; 20_000]),
                _ => Some((0..rng.below(100)).map(|at| (at * 7 + leaf) as u8).collect()),
            };
            calls.push(create(&path, data.as_deref(), &open_acl(), 0));
            match rng.below(100) {
                0..10 => calls.push(set_data(&path, Some(b"set again"))),
                10..13 => calls.push(set_acl(&path, rng.pick::<Vec<AclEntry>>(&acls()))),
                13..15 => calls.push(delete(&path)),
                _ => {}
            }
        }
        must_all(client, &calls)?;
        counters.push(parent);
    }
    Ok(counters)
}

/// Requests that fail still take zxids and go to the log.
fn build_failures(client: &mut Client) -> Result<(), String> {
    let calls = [
        plain("/bulk"),
        delete("/bulk"),
        plain("/nowhere/child"),
        multi(&[set_data("/multi", Some(b"lost")), delete("/bulk")]),
    ];
    for ((header, _), expected) in client.call_all(&calls)?.iter().zip([-110, -111, -101, 0]) {
        if header.err != expected {
            return Err(format!("a request that should end with {expected} ended with {}", header.err));
        }
    }
    Ok(())
}

fn build_sessions(address: SocketAddr, rng: &mut Rng) -> Result<Vec<Client>, String> {
    let mut clients = Vec::new();
    for number in 0..SESSIONS {
        let mut client = Client::open(address, 90_000 + 1000 * number as i32)?;
        let mut calls = Vec::new();
        for index in 0..number {
            calls.push(create(&format!("/bulk/e{number}-{index}"), Some(b"mine"), &open_acl(), 1));
            calls.push(create("/wide/e-", None, &open_acl(), 3));
        }
        if number > 1 {
            calls.push(delete(&format!("/bulk/e{number}-0")));
            calls.push(set_data(&format!("/bulk/e{number}-1"), Some(b"still mine")));
        }
        must_all(&mut client, &calls)?;
        if number > 0 && rng.once_in(4) {
            let (header, _) = client.call(op::CLOSE_SESSION, &[])?;
            if header.err != 0 {
                return Err(format!("closeSession: error {}", header.err));
            }
            continue;
        }
        clients.push(client);
    }
    Ok(clients)
}
