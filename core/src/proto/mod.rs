//! The client protocol: what a client may ask and what the server answers, byte for byte as in 3.9.5.
//!
//! Only shapes live here; what a request does is decided in [`crate::prep`] and [`crate::peer`].

mod code;
mod multi;
mod op;
mod reply;
mod request;
mod stat;

pub use code::ErrorCode;
pub use multi::{MultiElement, decode_multi, decode_multi_read, encode_multi_header};
pub use op::{AddWatchMode, CreateMode, OpCode, WatcherType};
pub use reply::{ConnectResponse, EventType, ReplyHeader, WatcherEvent, frame};
pub use request::{
    AuthPacket, ConnectRequest, CreateRequest, ReconfigRequest, Request, RequestHeader, SetWatches,
};
pub use stat::Stat;

/// Transaction and request ids of the protocol that are not counters.
pub mod xid {
    /// A notification pushed by the server.
    pub const NOTIFICATION: i32 = -1;
    /// A ping and its reply.
    pub const PING: i32 = -2;
    /// An authentication packet and its reply.
    pub const AUTH: i32 = -4;
    /// A setWatches or setWatches2 and its reply.
    pub const SET_WATCHES: i32 = -8;
}
