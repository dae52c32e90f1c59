//! File names: `log.<hex zxid>`, `snapshot.<hex zxid>[.gz|.snappy]`, and our own, which match neither.

use std::path::{Path, PathBuf};

use crate::error::{Result, StorageError};
use crate::fs::Fs;
use crate::snapshot::Compression;

/// How transaction logs' names start.
pub const LOG_PREFIX: &str = "log.";
/// How snapshots' names start.
pub const SNAPSHOT_PREFIX: &str = "snapshot.";
/// How the names of our unfinished files start. Apache's server and tools look at neither prefix here.
pub const TEMP_PREFIX: &str = "zkrs.tmp.";

/// A transaction log file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogName {
    /// The first zxid in it.
    pub zxid: i64,
    /// Its path.
    pub path: PathBuf,
}

/// A snapshot file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SnapshotName {
    /// The last zxid applied when it was begun.
    pub zxid: i64,
    /// How it is compressed.
    pub compression: Compression,
    /// Its path.
    pub path: PathBuf,
}

/// The name of the log whose first transaction is `zxid`.
pub fn log_name(zxid: i64) -> String {
    format!("{LOG_PREFIX}{zxid:x}")
}

/// The name of a snapshot at `zxid`.
pub fn snapshot_name(zxid: i64, compression: Compression) -> String {
    format!("{SNAPSHOT_PREFIX}{zxid:x}{}", compression.extension())
}

/// All transaction logs in `dir`, oldest first. Ordered as numbers: the hex is not padded.
///
/// # Errors
/// [`StorageError::Io`] when the directory cannot be listed.
pub fn list_logs(fs: &dyn Fs, dir: &Path) -> Result<Vec<LogName>> {
    let mut logs: Vec<LogName> = fs
        .list(dir)
        .map_err(StorageError::io(dir, "list"))?
        .into_iter()
        .filter_map(|name| {
            let zxid = parse_zxid(name.strip_prefix(LOG_PREFIX)?)?;
            Some(LogName { zxid, path: dir.join(name) })
        })
        .collect();
    logs.sort_by(|a, b| a.zxid.cmp(&b.zxid).then_with(|| a.path.cmp(&b.path)));
    Ok(logs)
}

/// All snapshots in `dir`, newest first.
///
/// # Errors
/// [`StorageError::Io`] when the directory cannot be listed.
pub fn list_snapshots(fs: &dyn Fs, dir: &Path) -> Result<Vec<SnapshotName>> {
    let mut snapshots: Vec<SnapshotName> = fs
        .list(dir)
        .map_err(StorageError::io(dir, "list"))?
        .into_iter()
        .filter_map(|name| {
            let (zxid, compression) = parse_snapshot(&name)?;
            Some(SnapshotName { zxid, compression, path: dir.join(name) })
        })
        .collect();
    snapshots.sort_by(|a, b| b.zxid.cmp(&a.zxid).then_with(|| a.path.cmp(&b.path)));
    Ok(snapshots)
}

/// The zxid and compression in a snapshot's file name; `None` for other names.
pub fn parse_snapshot(name: &str) -> Option<(i64, Compression)> {
    let rest = name.strip_prefix(SNAPSHOT_PREFIX)?;
    let (hex, compression) = match rest.split_once('.') {
        None => (rest, Compression::None),
        Some((hex, "gz")) => (hex, Compression::Gz),
        Some((hex, "snappy")) => (hex, Compression::Snappy),
        Some(_) => return None,
    };
    Some((parse_zxid(hex)?, compression))
}

/// Hex digits only, up to `i64::MAX`: what Java's `Long.parseLong(s, 16)` takes, without its signs.
fn parse_zxid(hex: &str) -> Option<i64> {
    if hex.is_empty() || !hex.bytes().all(|b| b.is_ascii_hexdigit()) {
        return None;
    }
    i64::from_str_radix(hex, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_as_apache_reads_them() {
        assert_eq!(parse_snapshot("snapshot.1f"), Some((0x1f, Compression::None)));
        assert_eq!(parse_snapshot("snapshot.100000001.gz"), Some((0x1_0000_0001, Compression::Gz)));
        assert_eq!(parse_snapshot("snapshot.0.snappy"), Some((0, Compression::Snappy)));
        for other in ["snapshot.", "snapshot.-1", "snapshot.+1", "snapshot.1.tmp", "snapshot.xyz", "log.1"] {
            assert_eq!(parse_snapshot(other), None, "{other}");
        }
        assert_eq!(parse_zxid("8000000000000000"), None);
        assert_eq!(snapshot_name(255, Compression::Gz), "snapshot.ff.gz");
        assert_eq!(log_name(0x1_0000_000a), "log.10000000a");
    }
}
