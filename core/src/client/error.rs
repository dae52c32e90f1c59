//! Why a request failed, was refused, or a connection was given up.

use super::SessionState;
use crate::jute::DecodeError;
use crate::proto::ErrorCode;
use core::fmt;

/// Why a submitted request has no result.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RequestError {
    /// The server answered with this code.
    Code(ErrorCode),
    /// The connection broke after the request had been handed to it.
    ConnectionLoss {
        /// Whether the request is a write: the server may have applied it.
        maybe_applied: bool,
    },
    /// The session ended before the request was answered.
    Ended {
        /// How: [`SessionState::Expired`], [`SessionState::AuthFailed`] or [`SessionState::Closed`].
        state: SessionState,
        /// Whether the request is a write that had been handed to a connection.
        maybe_applied: bool,
    },
}

impl RequestError {
    /// The code under which Apache's clients report it.
    pub fn code(self) -> ErrorCode {
        match self {
            Self::Code(code) => code,
            Self::ConnectionLoss { .. } => ErrorCode::ConnectionLoss,
            Self::Ended { state, .. } => ended_code(state),
        }
    }

    /// Whether the server may have applied the request although it has no result.
    pub fn maybe_applied(self) -> bool {
        match self {
            Self::Code(_) => false,
            Self::ConnectionLoss { maybe_applied } | Self::Ended { maybe_applied, .. } => maybe_applied,
        }
    }
}

impl fmt::Display for RequestError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Code(code) => write!(f, "{code}"),
            Self::ConnectionLoss { .. } => write!(f, "the connection was lost before the answer"),
            Self::Ended { state, .. } => write!(f, "the session ended before the answer ({state:?})"),
        }
    }
}

impl core::error::Error for RequestError {}

/// Why a request was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SubmitError {
    /// The session is over, or being closed.
    Ended(SessionState),
    /// Too many requests wait for an answer.
    TooManyRequests {
        /// `ClientConfig::requests_max`.
        max: usize,
    },
    /// Too many bytes of requests wait for a connection.
    QueueFull {
        /// `ClientConfig::request_queue_bytes_max`.
        max_bytes: usize,
    },
    /// The request's frame exceeds what a server accepts.
    RequestTooLarge {
        /// The frame's size.
        bytes: usize,
        /// `ClientConfig::request_bytes_max`.
        max_bytes: usize,
    },
    /// Too many watches.
    TooManyWatches {
        /// `ClientConfig::watches_max`.
        max: usize,
    },
    /// Too many credentials.
    TooManyAuths {
        /// `ClientConfig::auths_max`.
        max: usize,
    },
    /// A path without leading slash, which a chroot would silently glue to another name.
    RelativePath,
    /// The root of a chroot cannot be deleted.
    DeleteRoot,
    /// An operation that the session itself sends (ping, auth, setWatches, closeSession).
    Reserved,
    /// The watcher is not, or no longer, registered.
    NoWatcher,
}

impl SubmitError {
    /// Whether the same request will be taken once others are sent or answered.
    pub fn is_transient(self) -> bool {
        matches!(self, Self::TooManyRequests { .. } | Self::QueueFull { .. })
    }

    /// The code under which Apache's clients report the same thing.
    pub fn code(self) -> ErrorCode {
        match self {
            Self::Ended(state) => ended_code(state),
            Self::NoWatcher => ErrorCode::NoWatcher,
            _ => ErrorCode::BadArguments,
        }
    }
}

impl fmt::Display for SubmitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ended(state) => write!(f, "the session is over ({state:?}); open a new one"),
            Self::TooManyRequests { max } => {
                write!(f, "{max} requests await an answer already; wait for some, or raise requests_max")
            }
            Self::QueueFull { max_bytes } => write!(
                f,
                "{max_bytes} bytes of requests await a connection; wait, or raise request_queue_bytes_max"
            ),
            Self::RequestTooLarge { bytes, max_bytes } => write!(
                f,
                "the request takes {bytes} bytes, servers accept {max_bytes}; raise jute.maxbuffer there and request_bytes_max here"
            ),
            Self::TooManyWatches { max } => {
                write!(f, "{max} watches are set already; remove some, or raise watches_max")
            }
            Self::TooManyAuths { max } => write!(f, "{max} credentials were added already"),
            Self::RelativePath => write!(f, "the path does not start with a slash"),
            Self::DeleteRoot => write!(f, "the root cannot be deleted"),
            Self::Reserved => write!(f, "the session sends this operation by itself"),
            Self::NoWatcher => write!(f, "the watcher is not registered"),
        }
    }
}

impl core::error::Error for SubmitError {}

/// Why the state machine gave a connection up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BreakReason {
    /// The server closed it, or it could not be opened.
    Closed,
    /// Nothing was heard for too long, milliseconds.
    Silence {
        /// How long.
        limit_ms: u64,
    },
    /// The connection or the handshake took too long, milliseconds.
    ConnectTimeout {
        /// How long.
        limit_ms: u64,
    },
    /// A reply answers another request than the oldest one.
    XidMismatch {
        /// The oldest unanswered request's; `None` if there is none.
        expected: Option<i32>,
        /// The reply's.
        got: i32,
    },
    /// A frame longer than `reply_bytes_max`, or of negative length.
    FrameLength(i32),
    /// Bytes that are not the record they should be.
    Malformed(DecodeError),
    /// A setWatches was throttled: it must be sent again, on a new connection.
    WatchesThrottled,
    /// The caller asked for it.
    Requested,
    /// A server that also writes was found; this one only reads.
    FoundReadWrite,
    /// The session is over.
    SessionEnded(SessionState),
}

impl fmt::Display for BreakReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Closed => write!(f, "closed by the server"),
            Self::Silence { limit_ms } => write!(f, "nothing heard for {limit_ms} ms"),
            Self::ConnectTimeout { limit_ms } => write!(f, "not connected within {limit_ms} ms"),
            Self::XidMismatch { expected: Some(expected), got } => {
                write!(f, "the reply has xid {got}, expected {expected}")
            }
            Self::XidMismatch { expected: None, got } => {
                write!(f, "a reply with xid {got}, but no request is unanswered")
            }
            Self::FrameLength(length) => {
                write!(
                    f,
                    "a reply of {length} bytes exceeds reply_bytes_max; raise it if replies are that large"
                )
            }
            Self::Malformed(error) => write!(f, "malformed reply: {error}"),
            Self::WatchesThrottled => write!(f, "the server throttled setWatches"),
            Self::Requested => write!(f, "disconnected on request"),
            Self::FoundReadWrite => write!(f, "found a server that writes"),
            Self::SessionEnded(state) => write!(f, "the session is over ({state:?})"),
        }
    }
}

/// Apache's clients know two ends: refused credentials, and everything else.
fn ended_code(state: SessionState) -> ErrorCode {
    match state {
        SessionState::AuthFailed => ErrorCode::AuthFailed,
        _ => ErrorCode::SessionExpired,
    }
}
