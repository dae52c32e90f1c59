//! Words about connections and sessions: cons, crst, dump, and the client lines of stat.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::atomic::Ordering::Relaxed;

use zkrs_core::peer::ConnId;
use zkrs_core::proto::OpCode;

use crate::conn::Conn;
use crate::driver::Shared;

/// Apache's step of connection expiry in `dump`.
const CONN_BUCKET_MS: u64 = 10_000;

pub(super) fn cons(out: &mut String, shared: &Shared, asking: ConnId) {
    let core = shared.read();
    for conn in core.conns.iter() {
        full(out, conn, asking);
        out.push('\n');
    }
    out.push('\n');
}

pub(super) fn reset(shared: &Shared) {
    let core = shared.read();
    for conn in core.conns.iter() {
        conn.stats.reset();
    }
}

/// ` /ip:port[ops](queued=,recved=,sent=)`: ops is 1 while it is read from, plus 4 while it is written to.
pub(super) fn brief(out: &mut String, conn: &Conn, asking: ConnId) {
    start(out, conn, asking);
    out.push(')');
}

fn start(out: &mut String, conn: &Conn, asking: ConnId) {
    let stats = &conn.stats;
    let is_asking = conn.id == asking;
    let interest = u8::from(!is_asking) | if conn.out.is_blocked() { 4 } else { 0 };
    let queued = if is_asking { 0 } else { stats.outstanding.load(Relaxed).max(0) };
    let _ = write!(
        out,
        " /{}[{interest:x}](queued={queued},recved={},sent={}",
        conn.address,
        stats.received.load(Relaxed),
        stats.sent.load(Relaxed)
    );
}

fn full(out: &mut String, conn: &Conn, asking: ConnId) {
    start(out, conn, asking);
    let stats = &conn.stats;
    let session = stats.session.load(Relaxed);
    if session != 0 {
        let last_op = OpCode::from_wire(stats.last_op.load(Relaxed)).map_or("NA", OpCode::short_name);
        let _ = write!(
            out,
            ",sid=0x{session:x},lop={last_op},est={},to={}",
            stats.established_wall_ms,
            stats.timeout_ms.load(Relaxed)
        );
        let last_cxid = stats.last_cxid.load(Relaxed);
        if last_cxid >= 0 {
            let _ = write!(out, ",lcxid=0x{last_cxid:x}");
        }
        let latency = &stats.latency_ms;
        let _ = write!(
            out,
            ",lzxid=0x{:x},lresp={},llat={},minlat={},avglat={},maxlat={}",
            stats.last_zxid.load(Relaxed),
            stats.last_response_ms.load(Relaxed),
            stats.last_latency_ms.load(Relaxed),
            latency.min(),
            latency.mean(),
            latency.max()
        );
    }
    out.push(')');
}

pub(super) fn dump(out: &mut String, shared: &Shared) {
    let core = shared.read();
    let now = shared.clock.now();
    let wall_ms = |mono_ms: u64| now.wall_ms + mono_ms as i64 - now.mono_ms as i64;

    let sessions = core.peer.sessions_by_expiry();
    let count: usize = sessions.values().map(Vec::len).sum();
    out.push_str("SessionTracker dump:\n");
    let _ = writeln!(out, "Session Sets ({})/({count}):", sessions.len());
    for (expiry_ms, ids) in &sessions {
        let _ = writeln!(out, "{} expire at {}:", ids.len(), java_date(wall_ms(*expiry_ms)));
        for id in ids {
            let _ = writeln!(out, "\t0x{id:x}");
        }
    }

    let ephemerals = core.peer.ephemerals();
    out.push_str("ephemeral nodes dump:\n");
    let _ = writeln!(out, "Sessions with Ephemerals ({}):", ephemerals.len());
    for (session, paths) in &ephemerals {
        let _ = writeln!(out, "0x{session:x}:");
        for path in paths {
            let _ = writeln!(out, "\t{path}");
        }
    }

    let mut buckets: BTreeMap<u64, Vec<&Conn>> = BTreeMap::new();
    for conn in core.conns.iter() {
        let timeout_ms = match conn.stats.timeout_ms.load(Relaxed) {
            0 => shared.config.clients.sessionless_timeout_ms,
            timeout_ms => timeout_ms,
        };
        let expiry_ms = ((now.mono_ms + u64::from(timeout_ms)) / CONN_BUCKET_MS + 1) * CONN_BUCKET_MS;
        buckets.entry(expiry_ms).or_default().push(conn);
    }
    out.push_str("Connections dump:\n");
    let _ = writeln!(out, "Connections Sets ({})/({}):", buckets.len(), core.conns.len());
    for (expiry_ms, conns) in &buckets {
        let _ = writeln!(out, "{} expire at {}:", conns.len(), java_date(wall_ms(*expiry_ms)));
        for conn in conns {
            let session = conn.stats.session.load(Relaxed);
            let _ = writeln!(out, "\tip: /{} sessionId: 0x{session:x}", conn.address);
        }
    }
}

/// As Java's `Date.toString` in UTC: `Sat Nov 21 15:44:19 UTC 2026`.
fn java_date(wall_ms: i64) -> String {
    const DAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
    const MONTHS: [&str; 12] =
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let seconds = wall_ms.div_euclid(1000);
    let (days, second) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    let (year, month, day) = civil_from_days(days);
    let weekday = DAYS[days.rem_euclid(7) as usize];
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    format!("{weekday} {} {day:02} {hour:02}:{minute:02}:{second:02} UTC {year}", MONTHS[month])
}

/// Year, month from 0, day from 1 of a count of days since 1970-01-01. Counts in years that begin in March, so that
/// the leap day is the last one.
fn civil_from_days(days: i64) -> (i64, usize, i64) {
    let days = days + 719_468;
    let (era, day_of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = (month_from_march + 2) % 12;
    let year = era * 400 + year_of_era + i64::from(month < 2);
    (year, month as usize, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_javas() {
        let table = [
            (0, "Thu Jan 01 00:00:00 UTC 1970"),
            (1_795_275_859_000, "Sat Nov 21 15:44:19 UTC 2026"),
            (951_782_400_000, "Tue Feb 29 00:00:00 UTC 2000"),
            (-1, "Wed Dec 31 23:59:59 UTC 1969"),
            (4_107_542_399_000, "Sun Feb 28 23:59:59 UTC 2100"),
            (4_107_542_400_000, "Mon Mar 01 00:00:00 UTC 2100"),
        ];
        for (wall_ms, text) in table {
            assert_eq!(java_date(wall_ms), text);
        }
    }
}
