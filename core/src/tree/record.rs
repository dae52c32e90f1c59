//! A znode as bytes: a header that holds only what differs from a fresh leaf, the name, the data.
//!
//! A persistent leaf that was never written again costs 20 bytes of header. Fields that come with use
//! (a second write, children, an owner, a changed ACL) are groups behind flag bits.

use super::NodeId;
use crate::Zxid;
use alloc::vec::Vec;
use core::ops::Range;

/// A znode's metadata as it is stored, logged and digested.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Meta {
    /// Zxid of the creating transaction.
    pub czxid: Zxid,
    /// Zxid of the last change of the data.
    pub mzxid: Zxid,
    /// Zxid of the last change of the list of children.
    pub pzxid: Zxid,
    /// Creation time, milliseconds since the Unix epoch.
    pub ctime: i64,
    /// Time of the last change of the data, milliseconds since the Unix epoch.
    pub mtime: i64,
    /// Number of changes of the data.
    pub version: i32,
    /// Number of children ever created: the next sequence number.
    pub cversion: i32,
    /// Number of changes of the ACL.
    pub aversion: i32,
    /// Session, container mark or TTL, as in [`super::OwnerKind`].
    pub owner: i64,
    /// The interned ACL.
    pub(super) acl: u32,
    pub(super) first_child: NodeId,
    pub(super) last_child: NodeId,
    /// Number of children.
    pub num_children: u32,
    /// Whether the data is null, not merely empty.
    pub(super) data_is_null: bool,
}

impl Meta {
    /// The znode's own metadata at its creation.
    pub(crate) fn fresh(zxid: Zxid, time_ms: i64, owner: i64, acl: u32) -> Self {
        Self {
            czxid: zxid,
            mzxid: zxid,
            pzxid: zxid,
            ctime: time_ms,
            mtime: time_ms,
            owner,
            acl,
            ..Self::default()
        }
    }

    fn flags(&self) -> u8 {
        let mut flags = 0;
        if (self.mzxid, self.mtime, self.version) != (self.czxid, self.ctime, 0) {
            flags |= WRITTEN;
        }
        if self.pzxid != self.czxid || self.cversion != 0 || self.num_children != 0 {
            flags |= PARENT;
        }
        if self.owner != 0 {
            flags |= OWNED;
        }
        if self.aversion != 0 {
            flags |= ACL_SET;
        }
        if self.data_is_null {
            flags |= NULL_DATA;
        }
        flags
    }
}

const WRITTEN: u8 = 1;
const PARENT: u8 = 2;
const OWNED: u8 = 4;
const ACL_SET: u8 = 8;
const NULL_DATA: u8 = 16;

const HEADER_BYTES_MAX: usize = 1 + 5 + 5 + 4 + 16 + 20 + 24 + 8 + 4;

/// A decoded record: its metadata and where its name and data lie in it.
#[derive(Debug, Clone)]
pub(super) struct View {
    pub meta: Meta,
    pub name: Range<usize>,
    pub data: Range<usize>,
}

/// Reads a record. Records are made by [`encode_header`] only, so this cannot fail.
pub(super) fn decode(bytes: &[u8]) -> View {
    let mut cursor = Cursor { bytes, at: 0 };
    let flags = cursor.byte();
    let name_len = cursor.varint();
    let data_len = cursor.varint();
    let mut meta = Meta { acl: cursor.u32(), czxid: cursor.i64(), ctime: cursor.i64(), ..Meta::default() };
    (meta.mzxid, meta.mtime, meta.pzxid) = (meta.czxid, meta.ctime, meta.czxid);
    if flags & WRITTEN != 0 {
        (meta.mzxid, meta.mtime, meta.version) = (cursor.i64(), cursor.i64(), cursor.u32() as i32);
    }
    if flags & PARENT != 0 {
        (meta.pzxid, meta.cversion) = (cursor.i64(), cursor.u32() as i32);
        (meta.first_child, meta.last_child) = (NodeId(cursor.u32()), NodeId(cursor.u32()));
        meta.num_children = cursor.u32();
    }
    if flags & OWNED != 0 {
        meta.owner = cursor.i64();
    }
    if flags & ACL_SET != 0 {
        meta.aversion = cursor.u32() as i32;
    }
    meta.data_is_null = flags & NULL_DATA != 0;
    let name = cursor.at..cursor.at + name_len;
    let data = name.end..name.end + data_len;
    View { meta, name, data }
}

/// Only where the name lies: what a path comparison needs.
pub(super) fn name(bytes: &[u8]) -> &[u8] {
    let mut cursor = Cursor { bytes, at: 0 };
    let flags = cursor.byte();
    let name_len = cursor.varint();
    cursor.varint();
    cursor.at += 4 + 16;
    for (flag, length) in [(WRITTEN, 20), (PARENT, 24), (OWNED, 8), (ACL_SET, 4)] {
        if flags & flag != 0 {
            cursor.at += length;
        }
    }
    &bytes[cursor.at..cursor.at + name_len]
}

/// A header on the stack.
pub(super) struct Header {
    bytes: [u8; HEADER_BYTES_MAX],
    len: usize,
}

impl Header {
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[..self.len]
    }

    fn put(&mut self, bytes: &[u8]) {
        self.bytes[self.len..self.len + bytes.len()].copy_from_slice(bytes);
        self.len += bytes.len();
    }

    fn put_varint(&mut self, mut value: usize) {
        while value >= 0x80 {
            self.put(&[value as u8 | 0x80]);
            value >>= 7;
        }
        self.put(&[value as u8]);
    }
}

/// Writes the header of a record whose name and data have these lengths.
pub(super) fn encode_header(meta: &Meta, name_len: usize, data_len: usize) -> Header {
    let mut header = Header { bytes: [0; HEADER_BYTES_MAX], len: 0 };
    let flags = meta.flags();
    header.put(&[flags]);
    header.put_varint(name_len);
    header.put_varint(data_len);
    header.put(&meta.acl.to_le_bytes());
    header.put(&meta.czxid.to_le_bytes());
    header.put(&meta.ctime.to_le_bytes());
    if flags & WRITTEN != 0 {
        header.put(&meta.mzxid.to_le_bytes());
        header.put(&meta.mtime.to_le_bytes());
        header.put(&meta.version.to_le_bytes());
    }
    if flags & PARENT != 0 {
        header.put(&meta.pzxid.to_le_bytes());
        header.put(&meta.cversion.to_le_bytes());
        header.put(&meta.first_child.0.to_le_bytes());
        header.put(&meta.last_child.0.to_le_bytes());
        header.put(&meta.num_children.to_le_bytes());
    }
    if flags & OWNED != 0 {
        header.put(&meta.owner.to_le_bytes());
    }
    if flags & ACL_SET != 0 {
        header.put(&meta.aversion.to_le_bytes());
    }
    header
}

struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Cursor<'_> {
    fn byte(&mut self) -> u8 {
        self.at += 1;
        self.bytes[self.at - 1]
    }

    fn array<const N: usize>(&mut self) -> [u8; N] {
        self.at += N;
        *self.bytes[self.at - N..].first_chunk().expect("a record holds the fields its flags name")
    }

    fn u32(&mut self) -> u32 {
        u32::from_le_bytes(self.array())
    }

    fn i64(&mut self) -> i64 {
        i64::from_le_bytes(self.array())
    }

    fn varint(&mut self) -> usize {
        let mut value = 0;
        for shift in (0..).step_by(7) {
            let byte = self.byte();
            value |= ((byte & 0x7f) as usize) << shift;
            if byte & 0x80 == 0 {
                break;
            }
        }
        value
    }
}

/// The 60 bytes of `StatPersisted` in the order in which snapshots hold them.
pub(super) fn encode_stat_persisted(meta: &Meta, out: &mut Vec<u8>) {
    use crate::jute::Writer;
    out.put_long(meta.czxid);
    out.put_long(meta.mzxid);
    out.put_long(meta.ctime);
    out.put_long(meta.mtime);
    out.put_int(meta.version);
    out.put_int(meta.cversion);
    out.put_int(meta.aversion);
    out.put_long(meta.owner);
    out.put_long(meta.pzxid);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_combination_of_groups_round_trips() {
        for bits in 0..32 {
            let mut meta = Meta::fresh(7, 1000, 0, 3);
            if bits & 1 != 0 {
                (meta.mzxid, meta.mtime, meta.version) = (9, 2000, -1);
            }
            if bits & 2 != 0 {
                (meta.pzxid, meta.cversion, meta.num_children) = (11, 5, 2);
                (meta.first_child, meta.last_child) = (NodeId(4), NodeId(8));
            }
            if bits & 4 != 0 {
                meta.owner = i64::MIN;
            }
            if bits & 8 != 0 {
                meta.aversion = 6;
            }
            meta.data_is_null = bits & 16 != 0;
            let data_len = if meta.data_is_null { 0 } else { 300 };
            let mut bytes = encode_header(&meta, 3, data_len).as_bytes().to_vec();
            bytes.extend_from_slice(b"abc");
            bytes.resize(bytes.len() + data_len, b'd');
            bytes.extend_from_slice(&[0xee; 9]);
            let view = decode(&bytes);
            assert_eq!(view.meta, meta);
            assert_eq!(&bytes[view.name.clone()], b"abc");
            assert_eq!(name(&bytes), b"abc");
            assert!(bytes[view.data.clone()].iter().all(|b| *b == b'd'));
            assert_eq!(view.data.len(), data_len);
        }
    }
}
