//! The `Stat` of a znode as clients see it.

use crate::Zxid;
use crate::jute::{DecodeError, Reader, Writer};
use alloc::vec::Vec;

/// A znode's metadata on the wire (68 bytes).
///
/// # Notable behaviors
/// `cversion` here counts creations and deletions of children; what is stored, logged and used for sequence
/// numbers counts creations only (see [`crate::tree`]).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Stat {
    /// Zxid of the creating transaction.
    pub czxid: Zxid,
    /// Zxid of the last change of the data.
    pub mzxid: Zxid,
    /// Creation time, milliseconds since the Unix epoch.
    pub ctime: i64,
    /// Time of the last change of the data, milliseconds since the Unix epoch.
    pub mtime: i64,
    /// Number of changes of the data.
    pub version: i32,
    /// Number of changes of the list of children.
    pub cversion: i32,
    /// Number of changes of the ACL.
    pub aversion: i32,
    /// Session id of the owner if the znode is ephemeral, otherwise 0.
    pub ephemeral_owner: i64,
    /// Length of the data, bytes; 0 for null data.
    pub data_length: i32,
    /// Number of children.
    pub num_children: i32,
    /// Zxid of the last change of the list of children.
    pub pzxid: Zxid,
}

impl Stat {
    /// Appends the 68 bytes.
    pub fn encode(&self, out: &mut Vec<u8>) {
        out.put_long(self.czxid);
        out.put_long(self.mzxid);
        out.put_long(self.ctime);
        out.put_long(self.mtime);
        out.put_int(self.version);
        out.put_int(self.cversion);
        out.put_int(self.aversion);
        out.put_long(self.ephemeral_owner);
        out.put_int(self.data_length);
        out.put_int(self.num_children);
        out.put_long(self.pzxid);
    }

    /// Reads the 68 bytes.
    ///
    /// # Errors
    /// [`DecodeError::Truncated`] when fewer are left.
    pub fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            czxid: reader.long()?,
            mzxid: reader.long()?,
            ctime: reader.long()?,
            mtime: reader.long()?,
            version: reader.int()?,
            cversion: reader.int()?,
            aversion: reader.int()?,
            ephemeral_owner: reader.long()?,
            data_length: reader.int()?,
            num_children: reader.int()?,
            pzxid: reader.long()?,
        })
    }
}
