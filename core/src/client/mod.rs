//! The client's half of the protocol: one session over any number of connections.
//!
//! [`ClientSession`] decides everything a client decides: which server to try and when, the handshake, what
//! is sent in which order, which reply belongs to which request, who is told of an event, when to ping, when
//! to give a connection or the session up. It has no clock and no socket. A shell opens connections when
//! [`Effect::Connect`] says so, moves bytes ([`ClientSession::transmit`], [`Input::Received`]) and reports
//! the time; the simulator does the same without a network.
//!
//! # Notable behaviors
//! - A request that was handed to a connection which then broke fails with a connection loss; one that was
//!   still waiting stays queued for the next connection.
//! - Replies are matched to requests by order and checked by xid; any disagreement breaks the connection.
//! - Events and replies come out in the order in which the server sent them.
//! - Sources: `ClientCnxn`, `ZKWatchManager`, `StaticHostProvider` of Apache ZooKeeper 3.9.5.

mod chroot;
mod config;
mod error;
mod event;
mod hosts;
mod inbox;
mod lifecycle;
mod link;
mod queue;
mod reply;
mod response;
mod resume;
mod session;
mod watches;

#[cfg(test)]
mod tests;

pub use config::ClientConfig;
pub use error::{BreakReason, RequestError, SubmitError};
pub use event::{EventKind, SessionInfo, SessionState, WatchedEvent};
pub use response::{ClientInfo, MultiResult, Response};
pub use session::ClientSession;
pub use watches::WatcherId;

use crate::Zxid;

/// Something that happened outside.
#[derive(Debug, Clone, Copy)]
pub enum Input<'a> {
    /// Time passed; see [`ClientSession::next_deadline`]. The first one starts the session.
    Wake,
    /// The connection that [`Effect::Connect`] asked for is open.
    Connected,
    /// The next bytes of the connection.
    Received(&'a [u8]),
    /// The connection could not be opened, or is gone; not an answer to [`Effect::Disconnect`].
    Disconnected,
    /// What [`Effect::ProbeReadWrite`] found.
    Probed {
        /// The server that was asked.
        host: usize,
        /// Whether it answered `rw` to the word `isro`.
        read_write: bool,
    },
}

/// Something the shell must do, in order.
#[derive(Debug, PartialEq)]
pub enum Effect<T> {
    /// Open a connection to this server (an index below `ClientConfig::hosts`) and report
    /// [`Input::Connected`] or [`Input::Disconnected`]. There is never more than one connection.
    Connect {
        /// Which server.
        host: usize,
    },
    /// Drop the connection, open or being opened, together with bytes not yet written.
    Disconnect {
        /// For the log.
        reason: BreakReason,
    },
    /// Ask this server beside the connection whether it writes, and report [`Input::Probed`].
    ProbeReadWrite {
        /// Which server.
        host: usize,
    },
    /// A request has its result.
    Complete {
        /// As given to [`ClientSession::submit`].
        token: T,
        /// The zxid of the reply's header; 0 without a reply.
        zxid: Zxid,
        /// The result.
        result: Result<Response, RequestError>,
    },
    /// A watcher is told something.
    Event {
        /// Who.
        watcher: WatcherId,
        /// What.
        event: WatchedEvent,
        /// Whether this was the last thing it will be told.
        last: bool,
    },
    /// The session's state changed.
    State(SessionState),
}
