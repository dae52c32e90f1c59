//! Requests that the tree answers as it is (`FinalRequestProcessor`): no transaction, no change but watches.

use super::conn::Conn;
use super::{ConnId, Peer};
use crate::acl::{self, perms};
use crate::jute::Writer;
use crate::proto::{ErrorCode, MultiElement, ReplyHeader, Request, WatcherType, encode_multi_header, frame};
use crate::tree::{Meta, NodeId};
use crate::{Zxid, proto::OpCode};
use alloc::string::String;
use alloc::vec::Vec;

/// A watch that a read leaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Leaves {
    Nothing,
    DataWatch,
    ChildWatch,
}

/// Appends a whole reply frame: the header, and the body if `body` succeeds.
pub(super) fn reply(
    out: &mut Vec<u8>,
    xid: i32,
    zxid: Zxid,
    body: impl FnOnce(&mut Vec<u8>) -> Result<(), ErrorCode>,
) -> Result<(), ErrorCode> {
    let mut result = Ok(());
    frame(out, |out| {
        let start = out.len();
        ReplyHeader { xid, zxid, err: ErrorCode::Ok }.encode(out);
        let body_start = out.len();
        result = body(out);
        if let Err(code) = result {
            out.truncate(body_start);
            out[start + 12..start + 16].copy_from_slice(&code.0.to_be_bytes());
        }
    });
    result
}

impl Peer {
    /// Answers a read into `out` as the body of a reply. What watch it leaves depends on the answer.
    pub(super) fn answer(
        &self,
        conn: &Conn,
        request: &Request<'_>,
        out: &mut Vec<u8>,
    ) -> Result<(), ErrorCode> {
        match request {
            Request::Exists { path, .. } => self.exists(conn, path, out),
            Request::GetData { path, .. } => self.get_data(conn, path, out),
            Request::GetChildren { path, .. } => self.get_children(conn, path, out).map(|_| ()),
            Request::GetChildren2 { path, .. } => {
                let id = self.get_children(conn, path, out)?;
                self.tree.stat(id).encode(out);
                Ok(())
            }
            Request::GetAcl { path } => self.get_acl(conn, path, out),
            Request::GetAllChildrenNumber { path } => {
                self.readable(conn, path)?;
                let count = self.tree.descendants(path).ok_or(ErrorCode::NoNode)?;
                out.put_int(i32::try_from(count).unwrap_or(i32::MAX));
                Ok(())
            }
            Request::GetEphemerals { prefix } => {
                self.get_ephemerals(conn, prefix.as_deref(), out);
                Ok(())
            }
            Request::MultiRead(elements) => {
                self.multi_read(conn, elements, out);
                Ok(())
            }
            Request::WhoAmI => {
                out.put_vector_len(conn.identities.len());
                for id in &conn.identities {
                    out.put_string(&id.scheme);
                    out.put_string(acl::user_name(id));
                }
                Ok(())
            }
            Request::Sync { path } => {
                out.put_string(path);
                Ok(())
            }
            Request::Ping => Ok(()),
            _ => Err(ErrorCode::Unimplemented),
        }
    }

    /// The watch that a successful (for exists: also a NONODE) answer leaves.
    pub(super) fn leaves(request: &Request<'_>, result: Result<(), ErrorCode>) -> Leaves {
        match (request, result) {
            (Request::Exists { watch: true, .. }, Ok(()) | Err(ErrorCode::NoNode)) => Leaves::DataWatch,
            (Request::GetData { watch: true, .. }, Ok(())) => Leaves::DataWatch,
            (
                Request::GetChildren { watch: true, .. } | Request::GetChildren2 { watch: true, .. },
                Ok(()),
            ) => Leaves::ChildWatch,
            _ => Leaves::Nothing,
        }
    }

    fn exists(&self, conn: &Conn, path: &str, out: &mut Vec<u8>) -> Result<(), ErrorCode> {
        if path.contains('\0') {
            return Err(ErrorCode::BadArguments);
        }
        let (id, _) = self.readable(conn, path)?;
        self.tree.stat(id).encode(out);
        Ok(())
    }

    fn get_data(&self, conn: &Conn, path: &str, out: &mut Vec<u8>) -> Result<(), ErrorCode> {
        let (id, _) = self.readable(conn, path)?;
        let (data, stat) = self.tree.data_and_stat(id);
        out.put_buffer(data);
        stat.encode(out);
        Ok(())
    }

    fn get_children(&self, conn: &Conn, path: &str, out: &mut Vec<u8>) -> Result<NodeId, ErrorCode> {
        let (id, meta) = self.readable(conn, path)?;
        out.put_vector_len(meta.num_children as usize);
        for name in self.tree.children(id) {
            out.put_string(name);
        }
        Ok(id)
    }

    fn get_acl(&self, conn: &Conn, path: &str, out: &mut Vec<u8>) -> Result<(), ErrorCode> {
        let id = self.tree.find(path).ok_or(ErrorCode::NoNode)?;
        let acls = self.tree.acl(id);
        self.authorize(conn, acls, perms::READ | perms::ADMIN)?;
        match self.authorize(conn, acls, perms::ADMIN) {
            Ok(()) => acl::encode_acls(out, Some(acls)),
            Err(_) => acl::encode_acls(out, Some(&acl::masked(acls))),
        }
        self.tree.stat(id).encode(out);
        Ok(())
    }

    /// A raw prefix of the path, as Apache has it; a blank one or "/" means all.
    fn get_ephemerals(&self, conn: &Conn, prefix: Option<&str>, out: &mut Vec<u8>) {
        let prefix = prefix.filter(|prefix| !prefix.trim().is_empty() && *prefix != "/").unwrap_or("");
        let paths: Vec<String> =
            self.tree.ephemerals(conn.session).filter(|path| path.starts_with(prefix)).collect();
        out.put_vector_len(paths.len());
        for path in &paths {
            out.put_string(path);
        }
    }

    fn multi_read(&self, conn: &Conn, elements: &[MultiElement<'_>], out: &mut Vec<u8>) {
        for element in elements {
            let start = out.len();
            encode_multi_header(out, element.op() as i32, false, ErrorCode::Ok);
            let result = match element {
                MultiElement::GetData { path } => self.get_data(conn, path, out),
                MultiElement::GetChildren { path } => self.get_children(conn, path, out).map(|_| ()),
                _ => Err(ErrorCode::MarshallingError),
            };
            if let Err(code) = result {
                out.truncate(start);
                encode_multi_header(out, -1, false, code);
                out.put_int(code.0);
            }
        }
        encode_multi_header(out, -1, true, ErrorCode(-1));
    }

    /// The znode, if it is there and the caller may read it.
    fn readable(&self, conn: &Conn, path: &str) -> Result<(NodeId, Meta), ErrorCode> {
        let id = self.tree.find(path).ok_or(ErrorCode::NoNode)?;
        let meta = self.tree.meta(id);
        self.authorize(conn, self.tree.acl_of(&meta), perms::READ)?;
        Ok((id, meta))
    }

    fn authorize(&self, conn: &Conn, acls: &[acl::Acl], wanted: i32) -> Result<(), ErrorCode> {
        match self.config.skip_acl || acl::allows(acls, wanted, &conn.identities) {
            true => Ok(()),
            false => Err(ErrorCode::NoAuth),
        }
    }

    /// checkWatches and removeWatches.
    pub(super) fn watches_of_type(
        &mut self,
        conn: ConnId,
        op: OpCode,
        path: &str,
        kind: i32,
    ) -> Result<(), ErrorCode> {
        let kind = WatcherType::from_wire(kind)?;
        let found = match op {
            OpCode::CheckWatches => self.watches.contains(conn, path, kind),
            _ => self.watches.remove(conn, path, kind),
        };
        match found {
            true => Ok(()),
            false => Err(ErrorCode::NoWatcher),
        }
    }
}
