//! Reading and clearing whole trees through the client protocol, as super.

use crate::conn::{ANSWER_MS, Conn, Connected, Incoming, connect_payload};
use crate::op;
use crate::reply::Header;
use crate::wire::{AclEntry, Put, Stat, Take, put_acls, take_acls};
use std::net::SocketAddr;

/// Requests in flight at once.
const WINDOW_REQUESTS: usize = 300;
/// A session that outlives every step of a run.
const SESSION_TIMEOUT_MS: i32 = 120_000;
/// Znodes that every server has and nobody can delete.
pub const PERMANENT: [&[u8]; 4] = [b"/", b"/zookeeper", b"/zookeeper/quota", b"/zookeeper/config"];

/// A znode as a client sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct Znode {
    pub path: Vec<u8>,
    pub data: Option<Vec<u8>>,
    pub acl: Option<Vec<AclEntry>>,
    pub stat: Stat,
}

/// A session with super's rights.
#[derive(Debug)]
pub struct Super {
    /// Its connection.
    pub conn: Conn,
    /// Its session id.
    pub session: i64,
}

impl Super {
    /// Opens a session and authenticates it.
    ///
    /// # Errors
    /// A message when the server does not play along.
    pub fn open(address: SocketAddr) -> Result<Self, String> {
        let mut conn = Conn::open(address).map_err(|error| format!("connect to {address}: {error}"))?;
        conn.send(&connect_payload(0, SESSION_TIMEOUT_MS, 0, &[0; 16], Some(false)));
        let Incoming::Frame(frame) = conn.receive(ANSWER_MS) else {
            return Err(format!("{address} gave no connect response"));
        };
        let session = Connected::take(&frame).map_or(0, |connected| connected.session);
        let mut auth = Vec::new();
        auth.int(0);
        auth.buffer(Some(b"digest"));
        auth.buffer(Some(b"super:test"));
        let mut this = Self { conn, session };
        let (header, _) = this.call(op::AUTH, &auth)?;
        match (session, header.err) {
            (0, _) => Err(format!("{address} refused a new session")),
            (_, 0) => Ok(this),
            (_, err) => Err(format!("{address} refused super's password: {err}")),
        }
    }

    /// One request and its reply.
    ///
    /// # Errors
    /// A message when there is no reply.
    pub fn call(&mut self, op: i32, body: &[u8]) -> Result<(Header, Vec<u8>), String> {
        self.conn.request(op, body);
        self.reply()
    }

    /// Sends all requests, a window at a time, and returns their replies in order.
    ///
    /// # Errors
    /// A message when replies stop coming.
    pub fn call_all(&mut self, requests: &[(i32, Vec<u8>)]) -> Result<Vec<(Header, Vec<u8>)>, String> {
        let mut replies = Vec::with_capacity(requests.len());
        for window in requests.chunks(WINDOW_REQUESTS) {
            for (op, body) in window {
                self.conn.request(*op, body);
            }
            for _ in window {
                replies.push(self.reply()?);
            }
        }
        Ok(replies)
    }

    /// The znodes at and below `roots`, those that exist, in the order of their paths.
    ///
    /// # Errors
    /// A message when a reply is missing or is not what it should be.
    pub fn walk(&mut self, roots: &[&[u8]]) -> Result<Vec<Znode>, String> {
        let mut found = Vec::new();
        let mut level: Vec<Vec<u8>> = roots.iter().map(|root| root.to_vec()).collect();
        while !level.is_empty() {
            let requests: Vec<(i32, Vec<u8>)> = level
                .iter()
                .flat_map(|path| {
                    [op::GET_DATA, op::GET_ACL, op::GET_CHILDREN].map(|op| (op, path_body(op, path)))
                })
                .collect();
            let replies = self.call_all(&requests)?;
            let mut next = Vec::new();
            for (path, replies) in level.into_iter().zip(replies.chunks_exact(3)) {
                if replies[0].0.err == -101 {
                    continue;
                }
                let shown = String::from_utf8_lossy(&path).into_owned();
                let (znode, children) =
                    read_znode(path, replies).ok_or_else(|| format!("unexpected replies about {shown}"))?;
                next.extend(children.iter().map(|child| join(&znode.path, child)));
                found.push(znode);
            }
            level = next;
        }
        found.sort_by(|one, other| one.path.cmp(&other.path));
        Ok(found)
    }

    /// Deletes everything but the permanent znodes; returns the paths deleted.
    ///
    /// # Errors
    /// A message naming the znode that could not be deleted.
    pub fn clear(&mut self) -> Result<Vec<Vec<u8>>, String> {
        let mut paths = self.paths(b"/")?;
        paths.retain(|path| !PERMANENT.contains(&path.as_slice()));
        // Children sort after their parents.
        paths.sort();
        let requests: Vec<(i32, Vec<u8>)> = paths
            .iter()
            .rev()
            .map(|path| {
                let mut body = Vec::new();
                body.buffer(Some(path));
                body.int(-1);
                (op::DELETE, body)
            })
            .collect();
        for ((header, _), path) in self.call_all(&requests)?.iter().zip(paths.iter().rev()) {
            if header.err != 0 {
                return Err(format!("delete {}: error {}", String::from_utf8_lossy(path), header.err));
            }
        }
        Ok(paths)
    }

    /// Gives the permanent znodes their first data and ACLs back.
    ///
    /// # Errors
    /// A message naming what could not be restored.
    pub fn restore_permanent(&mut self) -> Result<(), String> {
        for path in PERMANENT {
            let perms = if path == b"/zookeeper/config" { 1 } else { 31 };
            let open = vec![(perms, Some(b"world".to_vec()), Some(b"anyone".to_vec()))];
            let requests =
                [(op::GET_DATA, path_body(op::GET_DATA, path)), (op::GET_ACL, path_body(op::GET_ACL, path))];
            let replies = self.call_all(&requests)?;
            let data = Take::new(&replies[0].1).buffer();
            let acl = take_acls(&mut Take::new(&replies[1].1));
            let mut repairs = Vec::new();
            if data != Some(Some(&[])) {
                let mut body = Vec::new();
                body.buffer(Some(path));
                body.buffer(Some(&[]));
                body.int(-1);
                repairs.push((op::SET_DATA, body));
            }
            if acl != Some(Some(open.clone())) {
                let mut body = Vec::new();
                body.buffer(Some(path));
                put_acls(&mut body, Some(&open));
                body.int(-1);
                repairs.push((op::SET_ACL, body));
            }
            if let Some((header, _)) = self.call_all(&repairs)?.iter().find(|(header, _)| header.err != 0) {
                return Err(format!("restore {}: error {}", String::from_utf8_lossy(path), header.err));
            }
        }
        Ok(())
    }

    /// The paths at and below `root`.
    ///
    /// # Errors
    /// As [`Super::walk`].
    pub fn paths(&mut self, root: &[u8]) -> Result<Vec<Vec<u8>>, String> {
        let mut found = Vec::new();
        let mut level = vec![root.to_vec()];
        while !level.is_empty() {
            let requests: Vec<(i32, Vec<u8>)> =
                level.iter().map(|path| (op::GET_CHILDREN, path_body(op::GET_CHILDREN, path))).collect();
            let mut next = Vec::new();
            for ((header, body), path) in self.call_all(&requests)?.iter().zip(&level) {
                let children = children_of(*header, body)
                    .ok_or_else(|| format!("no children of {}", String::from_utf8_lossy(path)))?;
                next.extend(children.iter().map(|child| join(path, child)));
            }
            found.append(&mut level);
            level = next;
        }
        Ok(found)
    }

    fn reply(&mut self) -> Result<(Header, Vec<u8>), String> {
        match self.conn.receive(ANSWER_MS) {
            Incoming::Frame(frame) => {
                let (header, body) = Header::take(&frame).ok_or("a reply without a header")?;
                Ok((header, body.to_vec()))
            }
            Incoming::Closed => Err("the server closed super's connection".to_string()),
            Incoming::Silence => Err(format!("the server did not answer super within {ANSWER_MS} ms")),
        }
    }
}

fn path_body(op: i32, path: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    body.buffer(Some(path));
    if op != op::GET_ACL {
        body.flag(false);
    }
    body
}

fn read_znode(path: Vec<u8>, replies: &[(Header, Vec<u8>)]) -> Option<(Znode, Vec<Vec<u8>>)> {
    let mut from = Take::new(&replies[0].1);
    let data = from.buffer()?.map(<[u8]>::to_vec);
    let stat = Stat::take(&mut from)?;
    let mut from = Take::new(&replies[1].1);
    let acl = take_acls(&mut from)?;
    let children = children_of(replies[2].0, &replies[2].1)?;
    Some((Znode { path, data, acl, stat }, children))
}

fn children_of(header: Header, body: &[u8]) -> Option<Vec<Vec<u8>>> {
    if header.err != 0 {
        return None;
    }
    Take::new(body).vector(|from| from.buffer()?.map(<[u8]>::to_vec))?
}

fn join(parent: &[u8], child: &[u8]) -> Vec<u8> {
    let parent = if parent == b"/" { &b""[..] } else { parent };
    [parent, b"/", child].concat()
}
