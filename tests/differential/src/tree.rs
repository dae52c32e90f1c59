//! Reading and clearing whole trees through the client protocol; meant for clients that are super.

use crate::client::Client;
use crate::op;
use crate::reply::Header;
use crate::wire::{AclEntry, Put, Stat, Take, put_acls, take_acls};

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

impl Client {
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
    /// As reading the tree.
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
