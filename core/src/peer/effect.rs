//! What goes into a [`super::Peer`] and what comes out.

use super::ConnId;
use crate::Zxid;
use alloc::vec::Vec;
use core::net::IpAddr;
use core::ops::Range;

/// A place in the one FIFO lane that is the disk. Tickets count up from 1; the shell reports the highest one
/// that is durable, which covers all before it.
pub type Ticket = u64;

/// Something that happened outside.
#[derive(Debug, Clone, Copy)]
pub enum Input<'a> {
    /// A deadline may have passed; see [`super::Peer::next_deadline`].
    Wake,
    /// A client connected. Nothing is sent before its first request.
    ClientOpened {
        /// The shell's name for the connection, never used again after it closes.
        conn: ConnId,
        /// The client's address as its `ip` identity.
        address: IpAddr,
    },
    /// One whole frame from a client, without its length prefix: the connect request if it is the first.
    ClientRequest {
        /// Who sent it.
        conn: ConnId,
        /// The frame's payload.
        payload: &'a [u8],
    },
    /// The connection is gone, for whatever reason; not an answer to [`Effect::Close`] only.
    ClientClosed {
        /// Which one.
        conn: ConnId,
    },
    /// Everything up to this ticket is on disk.
    LogDone {
        /// The highest durable ticket.
        upto: Ticket,
    },
    /// The snapshot that [`Effect::StartSnapshot`] asked for is durable, or was given up.
    SnapshotDone,
}

/// Something the shell must do, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// Append these bytes (whole frames) to what this connection is sent.
    Send {
        /// To whom.
        conn: ConnId,
        /// Where they lie in [`Effects::bytes`].
        range: Range<usize>,
    },
    /// Send what is pending, then close the connection and report [`Input::ClientClosed`].
    Close {
        /// Which one.
        conn: ConnId,
    },
    /// The session is established: from now on the connection counts as its.
    Established {
        /// Which connection.
        conn: ConnId,
        /// Its session.
        session: i64,
        /// The negotiated timeout, milliseconds.
        timeout_ms: u32,
    },
    /// Append this transaction payload to the log, in ticket order.
    Append {
        /// Its place in the lane.
        ticket: Ticket,
        /// Its zxid.
        zxid: Zxid,
        /// Where the payload lies in [`Effects::bytes`].
        range: Range<usize>,
    },
    /// The log moves on to a new file before the next append.
    RollLog,
    /// Begin a snapshot named after this zxid: pull it with [`super::Peer::snapshot_slice`].
    StartSnapshot {
        /// The last applied transaction.
        zxid: Zxid,
    },
}

/// What one or more steps ask for. Reused between steps: [`Effects::clear`] keeps the memory.
#[derive(Debug, Default)]
pub struct Effects {
    /// In the order in which they must be carried out.
    pub list: Vec<Effect>,
    /// The bytes that effects refer to.
    pub bytes: Vec<u8>,
}

impl Effects {
    /// Forgets everything, keeps the memory.
    pub fn clear(&mut self) {
        self.list.clear();
        self.bytes.clear();
    }

    /// Lets `write` append frames and queues them for `conn`; consecutive sends to one connection become one.
    pub(crate) fn send(&mut self, conn: ConnId, write: impl FnOnce(&mut Vec<u8>)) {
        let start = self.bytes.len();
        write(&mut self.bytes);
        let end = self.bytes.len();
        if let Some(Effect::Send { conn: last, range }) = self.list.last_mut()
            && *last == conn
            && range.end == start
        {
            range.end = end;
            return;
        }
        self.list.push(Effect::Send { conn, range: start..end });
    }
}
