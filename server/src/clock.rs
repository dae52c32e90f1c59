//! The two clocks that a step is given, read here and nowhere else.

use std::time::{Instant, SystemTime, UNIX_EPOCH};
use zkrs_core::Now;

/// Reads the clocks.
///
/// The monotonic one starts at the wall clock's reading at start, not at zero: session ids are made from it, and
/// must not repeat those that an earlier process gave to sessions that are still in the tree.
#[derive(Debug, Clone)]
pub(crate) struct Clock {
    start: Instant,
    start_ms: u64,
}

impl Clock {
    pub(crate) fn start() -> Self {
        Self { start: Instant::now(), start_ms: wall_ms().max(0).unsigned_abs() }
    }

    /// Both clocks.
    pub(crate) fn now(&self) -> Now {
        Now { mono_ms: self.mono_ms(), wall_ms: wall_ms() }
    }

    /// The monotonic clock, milliseconds.
    pub(crate) fn mono_ms(&self) -> u64 {
        self.start_ms + self.uptime_ms()
    }

    /// Milliseconds since the server started.
    pub(crate) fn uptime_ms(&self) -> u64 {
        u64::try_from(self.start.elapsed().as_millis()).unwrap_or(u64::MAX)
    }
}

fn wall_ms() -> i64 {
    match SystemTime::now().duration_since(UNIX_EPOCH) {
        Ok(since) => i64::try_from(since.as_millis()).unwrap_or(i64::MAX),
        Err(before) => -i64::try_from(before.duration().as_millis()).unwrap_or(i64::MAX),
    }
}
