//! The word mntr: `zk_<key>\t<value>` lines, whole numbers as such and means with a decimal point.
//!
//! All of Apache's gauges are here, and those of its counters and summaries that say something about this server.
//! Keys about the Java server's internal queues are left out rather than made up.

use std::fmt::{Display, Write as _};
use std::sync::atomic::Ordering::Relaxed;

use crate::driver::Shared;
use crate::stats::{Summary, decimal};
use crate::version::version_line;

pub(super) fn mntr(out: &mut String, shared: &Shared) {
    let (peer, connections) = {
        let core = shared.read();
        (core.peer.stats(), core.conns.len())
    };
    let (stats, latency) = (&shared.stats, &shared.stats.latency_ms);
    line(out, "version", version_line());
    line(out, "server_state", "standalone");
    line(out, "ephemerals_count", peer.ephemerals_count);
    line(out, "num_alive_connections", connections);
    line(out, "avg_latency", latency.mean_text());
    line(out, "outstanding_requests", peer.outstanding_requests);
    line(out, "znode_count", peer.znode_count);
    line(out, "global_sessions", peer.global_sessions);
    line(out, "non_mtls_remote_conn_count", 0);
    line(out, "last_client_response_size", stats.response_bytes_last.load(Relaxed));
    line(out, "packets_sent", stats.sent.load(Relaxed));
    line(out, "packets_received", stats.received.load(Relaxed));
    line(out, "max_client_response_size", stats.response_bytes_max.load(Relaxed));
    line(out, "connection_drop_probability", decimal(shared.throttle.drop_probability()));
    line(out, "watch_count", peer.watch_count);
    line(out, "auth_failed_count", 0);
    line(out, "min_latency", latency.min());
    let files = open_files();
    line(out, "max_file_descriptor_count", files.map_or(-1, |files| files.max));
    line(out, "approximate_data_size", peer.approximate_data_size_bytes);
    line(out, "open_file_descriptor_count", files.map_or(-1, |files| files.open));
    line(out, "local_sessions", 0);
    line(out, "uptime", shared.clock.uptime_ms());
    line(out, "max_latency", latency.max());
    line(out, "outstanding_tls_handshake", 0);
    line(out, "min_client_response_size", stats.response_bytes_min.load(Relaxed));
    line(out, "non_mtls_local_conn_count", 0);

    line(out, "connection_rejected", stats.connections_rejected.load(Relaxed));
    line(out, "connection_drop_count", stats.connections_dropped.load(Relaxed));
    line(out, "connection_request_count", stats.connection_requests.load(Relaxed));
    line(out, "sessionless_connections_expired", stats.sessionless_expired.load(Relaxed));
    line(out, "bytes_received_count", stats.bytes_received.load(Relaxed));
    line(out, "response_bytes", stats.response_bytes.load(Relaxed));
    line(out, "request_throttle_wait_count", stats.throttle_waits.load(Relaxed));
    line(out, "large_requests_rejected", stats.large_requests_rejected.load(Relaxed));
    line(out, "digest_mismatches_count", peer.digest_mismatches);
    line(out, "snapshot_error_count", stats.snapshots_failed.load(Relaxed));
    line(out, "unrecoverable_error_count", 0);

    summary(out, "readlatency", &stats.read_latency_ms);
    summary(out, "updatelatency", &stats.update_latency_ms);
    summary(out, "fsynctime", &stats.fsync_ms);
    summary(out, "snapshottime", &stats.snapshot_ms);
    summary(out, "sync_processor_batch_size", &stats.batch_txns);
}

fn line(out: &mut String, key: &str, value: impl Display) {
    let _ = writeln!(out, "zk_{key}\t{value}");
}

fn summary(out: &mut String, key: &str, summary: &Summary) {
    let _ = writeln!(out, "zk_avg_{key}\t{}", summary.mean_text());
    let _ = writeln!(out, "zk_min_{key}\t{}", summary.min());
    let _ = writeln!(out, "zk_max_{key}\t{}", summary.max());
    let _ = writeln!(out, "zk_cnt_{key}\t{}", summary.count());
    let _ = writeln!(out, "zk_sum_{key}\t{}", summary.sum());
}

#[derive(Clone, Copy)]
struct OpenFiles {
    open: i64,
    max: i64,
}

/// The process's descriptors, where the system shows them in Linux's way.
fn open_files() -> Option<OpenFiles> {
    let open = std::fs::read_dir("/proc/self/fd").ok()?.count();
    let limits = std::fs::read_to_string("/proc/self/limits").ok()?;
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"))?;
    let max = line.split_whitespace().next()?.parse().unwrap_or(i64::MAX);
    Some(OpenFiles { open: i64::try_from(open).unwrap_or(i64::MAX), max })
}
