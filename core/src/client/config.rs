//! What a client session is told about how to behave.

use super::SessionInfo;
use alloc::string::String;

/// The parameters of a [`super::ClientSession`]. Units are in the names.
#[derive(Debug, Clone)]
pub struct ClientConfig {
    /// How many servers there are to choose from; the shell knows their addresses. At least 1.
    pub hosts: usize,
    /// The path under which all of the client's paths lie; empty for none.
    pub chroot: String,
    /// The session timeout to ask for; the server may grant another.
    pub session_timeout_ms: u32,
    /// Whether a read-only server will do.
    pub read_only: bool,
    /// A session to resume instead of opening a new one.
    pub resume: Option<SessionInfo>,
    /// The longest reply frame that is accepted (`jute.maxbuffer` of Apache's clients). A longer one breaks
    /// the connection.
    pub reply_bytes_max: usize,
    /// The longest request frame that is sent; servers close the connection on one beyond their own
    /// `jute.maxbuffer`, which looks like a connection loss.
    pub request_bytes_max: usize,
    /// How many requests may await an answer, sent or not.
    pub requests_max: usize,
    /// How many bytes of requests may await being sent.
    pub request_queue_bytes_max: usize,
    /// How many watches may be set.
    pub watches_max: usize,
    /// How many credentials may be added.
    pub auths_max: usize,
    /// The pause after all servers failed once; it doubles with each further round.
    pub backoff_min_ms: u64,
    /// The longest such pause.
    pub backoff_max_ms: u64,
}

impl Default for ClientConfig {
    fn default() -> Self {
        Self {
            hosts: 1,
            chroot: String::new(),
            session_timeout_ms: 30_000,
            read_only: false,
            resume: None,
            reply_bytes_max: 4 << 20,
            request_bytes_max: 0xfffff,
            requests_max: 65_536,
            request_queue_bytes_max: 64 << 20,
            watches_max: 1_000_000,
            auths_max: 64,
            backoff_min_ms: 50,
            backoff_max_ms: 1_000,
        }
    }
}

/// The durations that follow from a session timeout, as Apache's client derives them (`ClientCnxn`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Timing {
    /// A server that is silent for so long is given up: 2/3 of the timeout.
    pub read_ms: u64,
    /// A ping follows so long after the last request: half of that, at most 10 s.
    pub ping_ms: u64,
    /// A server that has not answered the handshake by then is given up.
    pub connect_ms: u64,
    /// Without a word from any server for so long the session counts as expired: 4/3 of the timeout.
    pub expire_ms: u64,
}

impl Timing {
    pub fn new(timeout_ms: u32, hosts: usize) -> Self {
        let timeout_ms = u64::from(timeout_ms).max(1);
        let read_ms = (timeout_ms * 2 / 3).max(1);
        Self {
            read_ms,
            ping_ms: (read_ms / 2).clamp(1, PING_INTERVAL_MAX_MS),
            connect_ms: (timeout_ms / hosts as u64).max(1),
            expire_ms: timeout_ms * 4 / 3,
        }
    }
}

/// Apache's client pings at least so often, whatever the timeout.
const PING_INTERVAL_MAX_MS: u64 = 10_000;
