//! Words about watches: wchs, wchc, wchp. As Apache's they know data watches only.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use crate::driver::Shared;

pub(super) fn summary(out: &mut String, shared: &Shared) {
    let by_path = shared.read().peer.watches_by_path();
    let sessions: BTreeSet<i64> = by_path.iter().flat_map(|(_, sessions)| sessions).copied().collect();
    let total: usize = by_path.iter().map(|(_, sessions)| sessions.len()).sum();
    let _ = writeln!(out, "{} connections watching {} paths", sessions.len(), by_path.len());
    let _ = writeln!(out, "Total watches:{total}");
}

pub(super) fn by_path(out: &mut String, shared: &Shared) {
    let by_path = shared.read().peer.watches_by_path();
    for (path, sessions) in by_path {
        let _ = writeln!(out, "{path}");
        for session in sessions {
            let _ = writeln!(out, "\t0x{session:x}");
        }
    }
    out.push('\n');
}

pub(super) fn by_session(out: &mut String, shared: &Shared) {
    let by_session = shared.read().peer.watches_by_session();
    for (session, paths) in by_session {
        let _ = writeln!(out, "0x{session:x}");
        for path in paths {
            let _ = writeln!(out, "\t{path}");
        }
    }
    out.push('\n');
}
