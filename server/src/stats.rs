//! Counters that admin words print: cheap enough to be kept for every batch of requests.
//!
//! All are relaxed atomics: each is right by itself, none is consistent with another, as in Apache ZooKeeper.

use std::sync::atomic::{AtomicI32, AtomicI64, AtomicU32, AtomicU64, Ordering::Relaxed};

use crate::frames::Replies;

/// Count, sum, least and greatest of something measured, reset together.
#[derive(Debug)]
pub(crate) struct Summary {
    count: AtomicU64,
    sum: AtomicU64,
    min: AtomicU64,
    max: AtomicU64,
}

impl Default for Summary {
    fn default() -> Self {
        Self {
            count: AtomicU64::new(0),
            sum: AtomicU64::new(0),
            min: AtomicU64::new(u64::MAX),
            max: AtomicU64::new(0),
        }
    }
}

impl Summary {
    /// Records `count` measurements of the same `value`.
    pub(crate) fn record(&self, value: u64, count: u64) {
        if count == 0 {
            return;
        }
        self.count.fetch_add(count, Relaxed);
        if value > 0 {
            self.sum.fetch_add(value.saturating_mul(count), Relaxed);
        }
        if value < self.min.load(Relaxed) {
            self.min.fetch_min(value, Relaxed);
        }
        if value > self.max.load(Relaxed) {
            self.max.fetch_max(value, Relaxed);
        }
    }

    pub(crate) fn reset(&self) {
        self.count.store(0, Relaxed);
        self.sum.store(0, Relaxed);
        self.min.store(u64::MAX, Relaxed);
        self.max.store(0, Relaxed);
    }

    pub(crate) fn count(&self) -> u64 {
        self.count.load(Relaxed)
    }

    pub(crate) fn sum(&self) -> u64 {
        self.sum.load(Relaxed)
    }

    /// The least value; 0 when nothing was measured.
    pub(crate) fn min(&self) -> u64 {
        match self.min.load(Relaxed) {
            u64::MAX => 0,
            min => min,
        }
    }

    pub(crate) fn max(&self) -> u64 {
        self.max.load(Relaxed)
    }

    /// The mean, rounded down.
    pub(crate) fn mean(&self) -> u64 {
        self.sum().checked_div(self.count()).unwrap_or(0)
    }

    /// The mean as Apache ZooKeeper prints it: at most four decimals, at least one.
    pub(crate) fn mean_text(&self) -> String {
        let (sum, count) = (self.sum(), self.count());
        decimal(if count == 0 { 0.0 } else { sum as f64 / count as f64 })
    }
}

/// A number as Java's `Double.toString` writes it after rounding to four decimals.
pub(crate) fn decimal(value: f64) -> String {
    let text = format!("{value:.4}");
    let text = text.trim_end_matches('0');
    if text.ends_with('.') { format!("{text}0") } else { text.to_owned() }
}

/// What one connection did.
#[derive(Debug)]
pub(crate) struct ConnStats {
    /// When it was accepted, milliseconds since the Unix epoch.
    pub established_wall_ms: i64,
    pub received: AtomicU64,
    pub sent: AtomicU64,
    /// Requests without a reply yet.
    pub outstanding: AtomicI64,
    /// 0 without session.
    pub session: AtomicI64,
    pub timeout_ms: AtomicU32,
    /// The opcode of the last request; 0 for none.
    pub last_op: AtomicI32,
    pub last_cxid: AtomicI32,
    pub last_zxid: AtomicI64,
    /// On the monotonic clock.
    pub last_response_ms: AtomicU64,
    pub last_latency_ms: AtomicU64,
    pub latency_ms: Summary,
}

impl ConnStats {
    pub(crate) fn new(established_wall_ms: i64) -> Self {
        Self {
            established_wall_ms,
            received: AtomicU64::new(0),
            sent: AtomicU64::new(0),
            outstanding: AtomicI64::new(0),
            session: AtomicI64::new(0),
            timeout_ms: AtomicU32::new(0),
            last_op: AtomicI32::new(0),
            last_cxid: AtomicI32::new(-1),
            last_zxid: AtomicI64::new(-1),
            last_response_ms: AtomicU64::new(0),
            last_latency_ms: AtomicU64::new(0),
            latency_ms: Summary::default(),
        }
    }

    /// Notes a batch of requests, of which `last` is the last payload. The first request of a connection has no
    /// header.
    pub(crate) fn requests(&self, count: u64, last: &[u8], has_header: bool) {
        self.received.fetch_add(count, Relaxed);
        self.outstanding.fetch_add(i64::try_from(count).unwrap_or(i64::MAX), Relaxed);
        if !has_header {
            return;
        }
        if let Some([x0, x1, x2, x3, o0, o1, o2, o3]) = last.first_chunk::<8>() {
            self.last_cxid.store(i32::from_be_bytes([*x0, *x1, *x2, *x3]), Relaxed);
            self.last_op.store(i32::from_be_bytes([*o0, *o1, *o2, *o3]), Relaxed);
        }
    }

    /// Notes replies and notifications appended at `now_ms`.
    pub(crate) fn replies(&self, replies: &Replies, now_ms: u64) {
        self.sent.fetch_add(u64::from(replies.frames), Relaxed);
        let answered = i64::from(replies.frames - replies.notifications);
        if answered > 0 {
            self.outstanding.fetch_sub(answered, Relaxed);
            self.last_response_ms.store(now_ms, Relaxed);
            if let Some(zxid) = replies.last_zxid {
                self.last_zxid.store(zxid, Relaxed);
            }
        }
    }

    pub(crate) fn latency(&self, latency_ms: u64, count: u64) {
        self.last_latency_ms.store(latency_ms, Relaxed);
        self.latency_ms.record(latency_ms, count);
    }

    /// What `crst` does.
    pub(crate) fn reset(&self) {
        self.received.store(0, Relaxed);
        self.sent.store(0, Relaxed);
        self.last_op.store(0, Relaxed);
        self.last_cxid.store(-1, Relaxed);
        self.last_zxid.store(-1, Relaxed);
        self.last_response_ms.store(0, Relaxed);
        self.last_latency_ms.store(0, Relaxed);
        self.latency_ms.reset();
    }
}

/// What the server did.
#[derive(Debug)]
pub(crate) struct ServerStats {
    pub received: AtomicU64,
    pub sent: AtomicU64,
    pub bytes_received: AtomicU64,
    pub response_bytes: AtomicU64,
    pub response_bytes_last: AtomicI64,
    pub response_bytes_min: AtomicI64,
    pub response_bytes_max: AtomicI64,
    pub read_latency_ms: Summary,
    pub update_latency_ms: Summary,
    /// Reads and updates together: the line `Latency min/avg/max`.
    pub latency_ms: Summary,
    pub fsync_ms: Summary,
    pub batch_txns: Summary,
    pub snapshot_ms: Summary,
    pub connection_requests: AtomicU64,
    pub connections_rejected: AtomicU64,
    pub connections_dropped: AtomicU64,
    pub sessionless_expired: AtomicU64,
    pub large_requests_rejected: AtomicU64,
    pub throttle_waits: AtomicU64,
    pub snapshots_failed: AtomicU64,
    /// `gtmk`, `stmk`: kept and shown, it switches nothing.
    pub trace_mask: AtomicI64,
}

/// Apache's `ZooTrace.DEFAULT`: warnings, sessions, session ids, errors.
const TRACE_MASK_DEFAULT: i64 = 306;

impl Default for ServerStats {
    fn default() -> Self {
        Self {
            received: AtomicU64::new(0),
            sent: AtomicU64::new(0),
            bytes_received: AtomicU64::new(0),
            response_bytes: AtomicU64::new(0),
            response_bytes_last: AtomicI64::new(-1),
            response_bytes_min: AtomicI64::new(-1),
            response_bytes_max: AtomicI64::new(-1),
            read_latency_ms: Summary::default(),
            update_latency_ms: Summary::default(),
            latency_ms: Summary::default(),
            fsync_ms: Summary::default(),
            batch_txns: Summary::default(),
            snapshot_ms: Summary::default(),
            connection_requests: AtomicU64::new(0),
            connections_rejected: AtomicU64::new(0),
            connections_dropped: AtomicU64::new(0),
            sessionless_expired: AtomicU64::new(0),
            large_requests_rejected: AtomicU64::new(0),
            throttle_waits: AtomicU64::new(0),
            snapshots_failed: AtomicU64::new(0),
            trace_mask: AtomicI64::new(TRACE_MASK_DEFAULT),
        }
    }
}

impl ServerStats {
    /// Notes replies and notifications of `bytes` in all.
    pub(crate) fn replies(&self, replies: &Replies, bytes: usize) {
        self.sent.fetch_add(u64::from(replies.frames), Relaxed);
        self.response_bytes.fetch_add(bytes as u64, Relaxed);
        let [min, max, last] =
            [replies.payload_bytes_min, replies.payload_bytes_max, replies.payload_bytes_last]
                .map(|bytes| i64::try_from(bytes).unwrap_or(i64::MAX));
        self.response_bytes_last.store(last, Relaxed);
        let min_so_far = self.response_bytes_min.load(Relaxed);
        if min_so_far < 0 || min < min_so_far {
            self.response_bytes_min.store(min, Relaxed);
        }
        if max > self.response_bytes_max.load(Relaxed) {
            self.response_bytes_max.fetch_max(max, Relaxed);
        }
    }

    pub(crate) fn read_latency(&self, latency_ms: u64, count: u64) {
        self.read_latency_ms.record(latency_ms, count);
        self.latency_ms.record(latency_ms, count);
    }

    pub(crate) fn update_latency(&self, latency_ms: u64, count: u64) {
        self.update_latency_ms.record(latency_ms, count);
        self.latency_ms.record(latency_ms, count);
    }

    /// What `srst` does: latencies, packet counts, response sizes.
    pub(crate) fn reset(&self) {
        self.received.store(0, Relaxed);
        self.sent.store(0, Relaxed);
        self.latency_ms.reset();
        self.response_bytes_last.store(-1, Relaxed);
        self.response_bytes_min.store(-1, Relaxed);
        self.response_bytes_max.store(-1, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn means_look_like_javas() {
        let table = [(0.0, "0.0"), (0.8234, "0.8234"), (5.0, "5.0"), (1.51724, "1.5172"), (72.0, "72.0")];
        for (value, text) in table {
            assert_eq!(decimal(value), text);
        }
    }

    #[test]
    fn a_summary_counts_and_forgets() {
        let summary = Summary::default();
        assert_eq!((summary.min(), summary.max(), summary.mean_text()), (0, 0, "0.0".to_owned()));
        summary.record(3, 2);
        summary.record(0, 1);
        assert_eq!((summary.count(), summary.sum(), summary.min(), summary.max()), (3, 6, 0, 3));
        assert_eq!((summary.mean(), summary.mean_text()), (2, "2.0".to_owned()));
        summary.reset();
        assert_eq!((summary.count(), summary.min(), summary.max()), (0, 0, 0));
    }
}
