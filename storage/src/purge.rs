//! Removal of snapshots and logs that nothing kept needs (Apache's `PurgeTxnLog`, and autopurge).
//!
//! Kept are the newest snapshots that look whole, and every log with transactions after the oldest of them. Beyond
//! Apache, one of the kept snapshots must also read back with the right checksum: if none of them does, older ones
//! are kept too until one does, and if none does at all, nothing is removed.

use std::path::PathBuf;

use crate::dirs::Dirs;
use crate::error::{Result, StorageError};
use crate::fs::Fs;
use crate::names::{LogName, SnapshotName, list_logs, list_snapshots};
use crate::snapshot::{check_plausible, verify};

/// The least number of snapshots to keep (Apache's, for its tool and for `autopurge.snapRetainCount`).
pub const KEEP_MIN: usize = 3;

/// What [`purge`] did.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Purged {
    /// Files removed, in that order.
    pub removed: Vec<PathBuf>,
    /// The oldest snapshot kept; `None` when none is intact, and so nothing was removed.
    pub oldest_kept: Option<i64>,
    /// Snapshots among the kept ones that turned out to be damaged, and why.
    pub damaged: Vec<(PathBuf, String)>,
}

/// Removes what the `keep` newest snapshots (at least [`KEEP_MIN`]) do not need. Safe beside a running server: its
/// current log and a snapshot being written are never touched.
///
/// # Errors
/// [`StorageError::Io`]; what was removed until then stays removed.
pub fn purge(fs: &dyn Fs, dirs: &Dirs, keep: usize) -> Result<Purged> {
    let mut done = Purged::default();
    let snapshots = list_snapshots(fs, &dirs.snap())?;
    let Some(oldest) = oldest_to_keep(fs, &snapshots, keep.max(KEEP_MIN), &mut done) else { return Ok(done) };
    done.oldest_kept = Some(oldest);
    let logs = list_logs(fs, &dirs.log())?;
    let old_snapshots =
        snapshots.into_iter().rev().map(|s| (s.zxid, s.path)).filter(|&(zxid, _)| zxid < oldest);
    let paths: Vec<PathBuf> = old_snapshots
        .map(|(_, path)| path)
        .chain(unneeded(&logs, oldest).map(|log| log.path.clone()))
        .collect();
    for path in paths {
        fs.remove(&path).map_err(StorageError::io(&path, "remove"))?;
        done.removed.push(path);
    }
    if !done.removed.is_empty() {
        for dir in [dirs.snap(), dirs.log()] {
            fs.sync_dir(&dir).map_err(StorageError::io(&dir, "fsync directory"))?;
        }
    }
    Ok(done)
}

/// The zxid of the oldest snapshot to keep.
fn oldest_to_keep(fs: &dyn Fs, snapshots: &[SnapshotName], keep: usize, done: &mut Purged) -> Option<i64> {
    let (mut plausible, mut verified) = (0, false);
    let mut oldest = None;
    for name in snapshots {
        if let Err(error) = check_plausible(fs, name) {
            done.damaged.push((name.path.clone(), error.to_string()));
            continue;
        }
        if !verified {
            match verify(fs, name) {
                Ok(_) => verified = true,
                Err(error) => done.damaged.push((name.path.clone(), error.to_string())),
            }
        }
        plausible += 1;
        oldest = Some(name.zxid);
        if plausible >= keep && verified {
            break;
        }
    }
    oldest.filter(|_| verified)
}

/// Logs whose transactions are all at or below `oldest`: all but the last that starts there, and those after it.
fn unneeded(logs: &[LogName], oldest: i64) -> impl Iterator<Item = &LogName> {
    let needed_from = logs.partition_point(|log| log.zxid <= oldest).saturating_sub(1);
    logs[..needed_from].iter()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_log_that_reaches_beyond_the_snapshot_stays() {
        let logs: Vec<LogName> = [1, 10, 20, 30]
            .map(|zxid| LogName { zxid, path: PathBuf::from(format!("log.{zxid:x}")) })
            .to_vec();
        let gone = |oldest| unneeded(&logs, oldest).map(|log| log.zxid).collect::<Vec<_>>();
        assert_eq!(gone(0), []);
        assert_eq!(gone(9), []);
        assert_eq!(gone(10), [1]);
        assert_eq!(gone(19), [1]);
        assert_eq!(gone(25), [1, 10]);
        assert_eq!(gone(99), [1, 10, 20]);
    }
}
