//! The tree as a snapshot's bytes, written in slices while transactions go on.
//!
//! The image is fuzzy, as Apache's: later slices may show later changes, and replay of the log from the
//! image's zxid puts that right. Two things keep it simple and always loadable: znodes created after the image
//! began are left out (replay creates them), so every znode comes after its parent and only once; and ACL ids
//! are never reused, so an id means one list for ever. Seals and the file header belong to storage.

use super::{DIGEST_VERSION, NodeId, Tree, record};
use crate::Zxid;
use crate::jute::Writer;
use alloc::string::String;
use alloc::vec::Vec;

/// What a slice was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ImageStatus {
    /// More to come.
    More,
    /// The bytes so far end a part: a seal belongs here. More to come.
    Seal,
    /// The bytes so far end the last part: a seal belongs here, then the file is complete.
    Done,
}

/// Where the writing of an image stands.
#[derive(Debug)]
pub(super) struct Walk {
    zxid: Zxid,
    /// Znodes made after this are left out. Beyond `zxid` only when the tree came from a fuzzy snapshot without
    /// its log: what that held is not in any log to come.
    czxid_max: Zxid,
    /// ACL ids from here on are not in the image's table.
    acl_id_limit: u32,
    phase: Phase,
    with_zxid: bool,
    /// For each level the child to write next.
    stack: Vec<Frame>,
    path: String,
}

#[derive(Debug)]
struct Frame {
    next: NodeId,
    path_len: usize,
}

#[derive(Debug)]
enum Phase {
    Head(Vec<u8>),
    Nodes,
    Digest,
    LastZxid,
}

impl Walk {
    /// A znode goes away; if it was the next to be written, its sibling is.
    pub fn on_removed(&mut self, id: NodeId, next_sibling: NodeId) {
        for frame in &mut self.stack {
            if frame.next == id {
                frame.next = next_sibling;
            }
        }
    }
}

impl Tree {
    /// Begins an image of the tree as of the last applied transaction; one that was under way is given up.
    pub fn start_image(&mut self, sessions: &[(i64, i32)], with_zxid: bool) -> Zxid {
        let mut head = Vec::new();
        head.put_vector_len(sessions.len());
        for (id, timeout_ms) in sessions {
            head.put_long(*id);
            head.put_int(*timeout_ms);
        }
        let count_at = head.len();
        head.put_int(0);
        let mut count = 0;
        let mut acl_id_limit = 1;
        for (id, bytes) in self.acls.iter() {
            head.put_long(i64::from(id));
            head.extend_from_slice(bytes);
            acl_id_limit = id + 1;
            count += 1;
        }
        head[count_at..count_at + 4].copy_from_slice(&i32::to_be_bytes(count));
        self.walk = Some(Walk {
            zxid: self.last_processed,
            czxid_max: self.last_processed.max(self.loaded_czxid_max),
            acl_id_limit,
            phase: Phase::Head(head),
            with_zxid,
            stack: Vec::new(),
            path: String::new(),
        });
        self.last_processed
    }

    /// Gives up the image under way, if any.
    pub fn abandon_image(&mut self) {
        self.walk = None;
    }

    /// Whether an image is under way.
    pub fn has_image(&self) -> bool {
        self.walk.is_some()
    }

    /// Appends the next part of the image to `out`: whole znodes until `bytes_max` is reached, and at least
    /// one.
    ///
    /// # Panics
    /// If no image was begun.
    pub fn image_slice(&mut self, bytes_max: usize, out: &mut Vec<u8>) -> ImageStatus {
        let mut walk = self.walk.take().expect("an image is under way");
        let status = self.slice(&mut walk, bytes_max, out);
        if status != ImageStatus::Done {
            self.walk = Some(walk);
        }
        status
    }

    fn slice(&self, walk: &mut Walk, bytes_max: usize, out: &mut Vec<u8>) -> ImageStatus {
        match &mut walk.phase {
            Phase::Head(head) => {
                out.append(head);
                walk.phase = Phase::Nodes;
                self.write_znode(NodeId::ROOT, walk, out);
                ImageStatus::More
            }
            Phase::Nodes => {
                let start = out.len();
                while out.len() - start < bytes_max {
                    let Some(frame) = walk.stack.last_mut() else {
                        out.put_string("/");
                        return self.end_of_nodes(walk);
                    };
                    let id = frame.next;
                    if id == NodeId::NONE {
                        walk.stack.pop();
                        continue;
                    }
                    frame.next = self.store.next_sibling(id);
                    walk.path.truncate(frame.path_len);
                    if self.store.meta(id).czxid <= walk.czxid_max {
                        walk.path.push('/');
                        walk.path.push_str(self.store.name(id));
                        self.write_znode(id, walk, out);
                    }
                }
                ImageStatus::More
            }
            Phase::Digest => {
                out.put_long(self.last_processed);
                out.put_int(DIGEST_VERSION);
                out.put_long(self.digest);
                walk.phase = Phase::LastZxid;
                if walk.with_zxid { ImageStatus::Seal } else { ImageStatus::Done }
            }
            Phase::LastZxid => {
                out.put_long(walk.zxid);
                ImageStatus::Done
            }
        }
    }

    fn end_of_nodes(&self, walk: &mut Walk) -> ImageStatus {
        walk.phase = match (self.config.digest_enabled, walk.with_zxid) {
            (true, _) => Phase::Digest,
            (false, true) => Phase::LastZxid,
            (false, false) => return ImageStatus::Done,
        };
        ImageStatus::Seal
    }

    fn write_znode(&self, id: NodeId, walk: &mut Walk, out: &mut Vec<u8>) {
        let (meta, data) = self.meta_and_data(id);
        out.put_string(&walk.path);
        out.put_buffer(data);
        // A list made after the image began is not in its table; replay of the setACL puts it right.
        let acl = match meta.acl {
            super::acl_table::OPEN => -1,
            acl if acl < walk.acl_id_limit => i64::from(acl),
            _ => self.acls.iter().map(|(id, _)| id).find(|id| *id < walk.acl_id_limit).map_or(-1, i64::from),
        };
        out.put_long(acl);
        record::encode_stat_persisted(&meta, out);
        walk.stack.push(Frame { next: meta.first_child, path_len: walk.path.len() });
    }
}
