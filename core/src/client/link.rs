//! Where the connection stands, and which moment comes next.

use super::config::Timing;

/// The connection, if any.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Link {
    /// None; the next attempt is due then.
    Idle { retry_at_ms: u64 },
    /// Being opened.
    Opening { host: usize, since_ms: u64 },
    /// Open; the connect request was sent, or is about to be.
    Handshaking { host: usize, since_ms: u64 },
    /// Serving the session.
    Up(Up),
    /// The session is over.
    Ended,
}

/// A connection that serves the session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Up {
    pub host: usize,
    pub last_sent_ms: u64,
    /// A ping waits to be transmitted.
    pub ping_queued: bool,
    /// The server only reads: look for another one.
    pub probe: Option<Probe>,
}

/// The search for a server that writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Probe {
    pub due_ms: u64,
    pub interval_ms: u64,
}

impl Probe {
    pub fn new(now_ms: u64) -> Self {
        Self { due_ms: now_ms + PROBE_MIN_MS, interval_ms: PROBE_MIN_MS }
    }

    /// Somebody was asked: the next one is due in any case after the longest pause.
    pub fn asked(self, now_ms: u64) -> Self {
        Self { due_ms: now_ms + PROBE_MAX_MS, ..self }
    }

    /// The answer was no.
    pub fn refused(self, now_ms: u64) -> Self {
        let interval_ms = (self.interval_ms * 2).min(PROBE_MAX_MS);
        Self { due_ms: now_ms + interval_ms, interval_ms }
    }
}

impl Link {
    /// Whether the shell holds, or is opening, a connection.
    pub fn has_connection(&self) -> bool {
        matches!(self, Self::Opening { .. } | Self::Handshaking { .. } | Self::Up(_))
    }

    /// The next moment at which something is due. `expires_at_ms`: when the session counts as expired.
    pub fn next_deadline(
        &self,
        timing: &Timing,
        last_heard_ms: u64,
        expires_at_ms: Option<u64>,
    ) -> Option<u64> {
        let own = match self {
            Self::Idle { retry_at_ms } => *retry_at_ms,
            Self::Opening { since_ms, .. } | Self::Handshaking { since_ms, .. } => {
                since_ms + timing.connect_ms
            }
            Self::Up(up) => {
                let silence = last_heard_ms + timing.read_ms;
                let ping = if up.ping_queued { u64::MAX } else { up.last_sent_ms + timing.ping_ms };
                let probe = up.probe.map_or(u64::MAX, |probe| probe.due_ms);
                return Some(silence.min(ping).min(probe));
            }
            Self::Ended => return None,
        };
        Some(expires_at_ms.map_or(own, |expires| own.min(expires)))
    }
}

/// Apache's client asks other servers at first after 100 ms, at last every minute.
const PROBE_MIN_MS: u64 = 100;
const PROBE_MAX_MS: u64 = 60_000;
