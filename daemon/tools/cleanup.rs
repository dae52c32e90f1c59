//! `zkrs cleanup` and `zkCleanup.sh`: snapshots and logs that are no longer needed.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use zkrs_storage::purge::{KEEP_MIN, purge};
use zkrs_storage::{Dirs, RealFs};

use super::{ToolError, run};

const USAGE: &str = "\
Usage:
zkrs cleanup dataLogDir [snapDir] -n count
\tdataLogDir -- path to the txn log directory
\tsnapDir -- path to the snapshot directory
\tcount -- the number of old snaps/logs you want to keep, value should be greater than or equal to 3";

/// Runs the cleanup with the arguments of Apache's `PurgeTxnLog`.
pub fn main(arguments: &[String]) -> ExitCode {
    if matches!(arguments, [word] if word == "-h" || word == "--help") {
        println!("{USAGE}");
        return ExitCode::SUCCESS;
    }
    run(|out| {
        let (log, snap, count) = match arguments {
            [log, flag, count] if flag == "-n" => (log, log, count),
            [log, snap, flag, count] if flag == "-n" => (log, snap, count),
            _ => return Err(ToolError::new(USAGE)),
        };
        let (log, snap) = (directory(log)?, directory(snap)?);
        let done = purge(&RealFs, &Dirs::new(snap, Some(log)), keep(count)?)?;
        for (path, why) in &done.damaged {
            writeln!(out, "Damaged, and not counted as one to keep: {}: {why}", path.display())?;
        }
        for path in &done.removed {
            writeln!(out, "Removing file: {}", path.display())?;
        }
        if done.oldest_kept.is_none() {
            writeln!(out, "No intact snapshot: nothing is removed")?;
        }
        Ok(())
    })
}

fn directory(path: &str) -> Result<PathBuf, ToolError> {
    if Path::new(path).join("version-2").is_dir() {
        return Ok(PathBuf::from(path));
    }
    let shown = std::path::absolute(path).unwrap_or_else(|_| PathBuf::from(path));
    Err(ToolError::new(format!("Path '{}' has no version-2 directory.\n{USAGE}", shown.display())))
}

fn keep(count: &str) -> Result<usize, ToolError> {
    match count.parse() {
        Ok(count) if count >= KEEP_MIN => Ok(count),
        Ok(_) => Err(ToolError::new(format!("count should be greater than or equal to {KEEP_MIN}\n{USAGE}"))),
        Err(_) => Err(ToolError::new(format!("'{count}' can not be parsed to integer.\n{USAGE}"))),
    }
}
