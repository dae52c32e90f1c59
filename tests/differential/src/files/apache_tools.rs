//! Apache's own programs for its files, run on whatever wrote them.

use super::txn_log::numbered;
use crate::server::java;
use std::path::Path;

/// What the tools found in a data directory.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Verdict {
    /// Snapshots that `SnapshotFormatter` printed to the end.
    pub snapshots: usize,
    /// Logs that `TxnLogToolkit` read to the end without complaint.
    pub logs: usize,
    /// Transactions in those logs.
    pub transactions: usize,
}

/// Runs `SnapshotFormatter` and `TxnLogToolkit` on every snapshot and log.
///
/// # Errors
/// A message with what a tool printed when it did not accept a file.
pub fn judge(data_dir: &Path) -> Result<Verdict, String> {
    let mut verdict = Verdict::default();
    for snapshot in numbered(data_dir, "snapshot.")? {
        let text = run("org.apache.zookeeper.server.SnapshotFormatter", &[snapshot.as_path()])?;
        if !text.contains("Session Details") {
            return Err(format!("SnapshotFormatter says nothing of {}: {text}", snapshot.display()));
        }
        verdict.snapshots += 1;
    }
    for log in numbered(data_dir, "log.")? {
        let text = run("org.apache.zookeeper.server.persistence.TxnLogToolkit", &[log.as_path()])?;
        if text.contains("CRC ERROR") || text.contains("CRC error") {
            return Err(format!("TxnLogToolkit: a wrong checksum in {}", log.display()));
        }
        verdict.transactions += text.lines().filter(|line| line.contains(" session 0x")).count();
        verdict.logs += 1;
    }
    Ok(verdict)
}

/// The nodes that `SnapshotComparer` finds different between two snapshots.
///
/// # Errors
/// A message with what the tool printed when it did not compare.
pub fn compare(left: &Path, right: &Path) -> Result<String, String> {
    let mut command = java()?;
    command.arg("org.apache.zookeeper.server.SnapshotComparer").arg("-l").arg(left).arg("-r").arg(right);
    command.args(["-b", "0", "-n", "0"]);
    finish(command)
}

fn run(class: &str, files: &[&Path]) -> Result<String, String> {
    let mut command = java()?;
    command.arg(class).args(files);
    finish(command)
}

fn finish(mut command: std::process::Command) -> Result<String, String> {
    let output = command.output().map_err(|error| error.to_string())?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let errors = String::from_utf8_lossy(&output.stderr);
    match output.status.success() {
        true => Ok(text),
        false => Err(format!("{command:?}: {}\n{text}\n{errors}", output.status)),
    }
}
