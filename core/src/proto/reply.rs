//! Replies and notifications.

use super::ErrorCode;
use crate::Zxid;
use crate::jute::{DecodeError, Reader, Writer};
use alloc::vec::Vec;

/// Appends one frame: reserves the 4-byte length, lets `body` write, then fills the length in.
pub fn frame(out: &mut Vec<u8>, body: impl FnOnce(&mut Vec<u8>)) {
    let start = out.len();
    out.put_int(0);
    body(out);
    let length = i32::try_from(out.len() - start - 4).expect("a reply stays below 2 GiB");
    out[start..start + 4].copy_from_slice(&length.to_be_bytes());
}

/// What precedes every reply but the first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReplyHeader {
    /// The request's xid, or one of [`super::xid`].
    pub xid: i32,
    /// The last transaction applied at the server when it answered.
    pub zxid: Zxid,
    /// The result; a body follows only when it is [`ErrorCode::Ok`].
    pub err: ErrorCode,
}

impl ReplyHeader {
    /// Appends the 16 bytes.
    pub fn encode(&self, out: &mut Vec<u8>) {
        out.put_int(self.xid);
        out.put_long(self.zxid);
        out.put_int(self.err.0);
    }

    /// Reads the 16 bytes.
    ///
    /// # Errors
    /// [`DecodeError::Truncated`] when fewer are left.
    pub fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self { xid: reader.int()?, zxid: reader.long()?, err: ErrorCode(reader.int()?) })
    }
}

/// The answer to a [`super::ConnectRequest`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConnectResponse {
    /// Protocol version, 0.
    pub protocol_version: i32,
    /// The negotiated session timeout, milliseconds; 0 when the session is not valid.
    pub timeout_ms: i32,
    /// The session's id; 0 when it is not valid.
    pub session_id: i64,
    /// The session's password, 16 bytes.
    pub password: Vec<u8>,
    /// Whether the server is read-only; `None` to a client that did not ask (up to 3.3).
    pub read_only: Option<bool>,
}

impl ConnectResponse {
    /// Appends the frame's payload.
    pub fn encode(&self, out: &mut Vec<u8>) {
        out.put_int(self.protocol_version);
        out.put_int(self.timeout_ms);
        out.put_long(self.session_id);
        out.put_buffer(Some(&self.password));
        if let Some(read_only) = self.read_only {
            out.put_bool(read_only);
        }
    }

    /// Decodes the frame's payload.
    ///
    /// # Errors
    /// [`DecodeError`] when it is not a connect response.
    pub fn decode(payload: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(payload);
        Ok(Self {
            protocol_version: reader.int()?,
            timeout_ms: reader.int()?,
            session_id: reader.long()?,
            password: reader.buffer()?.unwrap_or_default().to_vec(),
            read_only: if reader.remaining().is_empty() { None } else { Some(reader.bool()?) },
        })
    }
}

/// What happened to a znode.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(i32)]
pub enum EventType {
    /// The path exists now.
    NodeCreated = 1,
    /// The path exists no more.
    NodeDeleted = 2,
    /// The data was set.
    NodeDataChanged = 3,
    /// A child was created or deleted.
    NodeChildrenChanged = 4,
}

impl EventType {
    /// The type of a wire number; the server sends no others.
    pub fn from_wire(number: i32) -> Option<Self> {
        Some(match number {
            1 => Self::NodeCreated,
            2 => Self::NodeDeleted,
            3 => Self::NodeDataChanged,
            4 => Self::NodeChildrenChanged,
            _ => return None,
        })
    }
}

/// The body of a notification.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WatcherEvent<P> {
    /// What happened.
    pub kind: EventType,
    /// Where.
    pub path: P,
}

/// `KeeperState.SyncConnected`, the only state a server sends.
const STATE_SYNC_CONNECTED: i32 = 3;

impl<P: AsRef<str>> WatcherEvent<P> {
    /// Appends a whole notification frame. `zxid` is the transaction's, or -1 for events that setWatches
    /// finds.
    pub fn encode_frame(&self, zxid: Zxid, out: &mut Vec<u8>) {
        frame(out, |out| {
            ReplyHeader { xid: super::xid::NOTIFICATION, zxid, err: ErrorCode::Ok }.encode(out);
            out.put_int(self.kind as i32);
            out.put_int(STATE_SYNC_CONNECTED);
            out.put_string(self.path.as_ref());
        });
    }
}
