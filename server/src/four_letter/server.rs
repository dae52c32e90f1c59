//! Words about the server as a whole: srvr and stat, conf, dirs, hash.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering::Relaxed;

use zkrs_core::peer::ConnId;

use super::connections;
use crate::driver::Shared;
use crate::version::version_line;

/// `srvr`; with the connection that asked, `stat`, which lists the clients as well.
pub(super) fn srvr(out: &mut String, shared: &Shared, stat_for: Option<ConnId>) {
    let core = shared.read();
    let (peer, connections) = (core.peer.stats(), core.conns.len());
    let _ = writeln!(out, "Zookeeper version: {}", version_line());
    if let Some(asking) = stat_for {
        out.push_str("Clients:\n");
        for conn in core.conns.iter() {
            connections::brief(out, conn, asking);
            out.push('\n');
        }
        out.push('\n');
    }
    drop(core);
    let (stats, latency) = (&shared.stats, &shared.stats.latency_ms);
    let _ = writeln!(out, "Latency min/avg/max: {}/{}/{}", latency.min(), latency.mean_text(), latency.max());
    let _ = writeln!(out, "Received: {}", stats.received.load(Relaxed));
    let _ = writeln!(out, "Sent: {}", stats.sent.load(Relaxed));
    let _ = writeln!(out, "Connections: {connections}");
    let _ = writeln!(out, "Outstanding: {}", peer.outstanding_requests);
    let _ = writeln!(out, "Zxid: 0x{:x}", peer.last_processed_zxid);
    out.push_str("Mode: standalone\n");
    let _ = writeln!(out, "Node count: {}", peer.znode_count);
}

pub(super) fn conf(out: &mut String, shared: &Shared) {
    let config = &shared.config;
    let (snap, log) = (shared.dirs.snap(), shared.dirs.log());
    let backlog = config.clients.listen_backlog.map_or(-1, i64::from);
    let _ = writeln!(out, "clientPort={}", shared.client_port);
    out.push_str("secureClientPort=-1\n");
    let _ = writeln!(out, "dataDir={}", absolute(&snap).display());
    let _ = writeln!(out, "dataDirSize={}", size_of(&snap));
    let _ = writeln!(out, "dataLogDir={}", absolute(&log).display());
    let _ = writeln!(out, "dataLogSize={}", size_of(&log));
    let _ = writeln!(out, "tickTime={}", config.sessions.tick_time_ms);
    let _ = writeln!(out, "maxClientCnxns={}", config.clients.connections_per_address_max);
    let _ = writeln!(out, "minSessionTimeout={}", config.sessions.timeout_ms_min);
    let _ = writeln!(out, "maxSessionTimeout={}", config.sessions.timeout_ms_max);
    let _ = writeln!(out, "clientPortListenBacklog={backlog}");
    // A standalone server has no id of its own, whatever myid says.
    out.push_str("serverId=0\n");
}

pub(super) fn dirs(out: &mut String, shared: &Shared) {
    let _ = writeln!(out, "datadir_size: {}", size_of(&shared.dirs.snap()));
    let _ = writeln!(out, "logdir_size: {}", size_of(&shared.dirs.log()));
}

pub(super) fn hash(out: &mut String, shared: &Shared) {
    let core = shared.read();
    for (zxid, digest) in core.peer.digest_log() {
        let _ = writeln!(out, "{zxid:x}: {digest}");
    }
}

fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}

/// The lengths of the files of a directory and those below, bytes. What cannot be read counts as nothing.
fn size_of(dir: &Path) -> u64 {
    let Ok(entries) = std::fs::read_dir(dir) else { return 0 };
    let sizes = entries.flatten().filter_map(|entry| {
        let kind = entry.file_type().ok()?;
        if kind.is_dir() { Some(size_of(&entry.path())) } else { Some(entry.metadata().ok()?.len()) }
    });
    sizes.sum()
}
