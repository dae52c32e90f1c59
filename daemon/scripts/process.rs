//! Processes by their pid files.

use std::io;
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process, test_kill_process};

/// How often a process is looked at while it is waited for.
const LOOK: Duration = Duration::from_millis(20);

/// The process that a pid file names, whether it runs or not; `None` for a file without a pid.
pub fn read_pid_file(path: &Path) -> Option<Pid> {
    let text = std::fs::read_to_string(path).ok()?;
    text.trim().parse().ok().filter(|pid| *pid > 0).and_then(Pid::from_raw)
}

/// Whether the process runs; one that has ended, and only waits for its parent to notice, does not.
pub fn runs(pid: Pid) -> bool {
    // A process that we may not signal runs all the same.
    let exists = matches!(test_kill_process(pid), Ok(()) | Err(rustix::io::Errno::PERM));
    exists && !has_ended(pid)
}

/// Linux tells by the letter behind the name in `/proc/PID/stat`.
fn has_ended(pid: Pid) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", pid.as_raw_nonzero())).unwrap_or_default();
    let state = stat.rsplit_once(") ").and_then(|(_, rest)| rest.chars().next());
    matches!(state, Some('Z' | 'X'))
}

/// Asks a process to end.
///
/// # Errors
/// There is none, or it is not ours.
pub fn terminate(pid: Pid) -> io::Result<()> {
    Ok(kill_process(pid, Signal::TERM)?)
}

/// Waits until `done`, but no longer than `limit`; says whether it was.
pub fn wait_until(limit: Duration, mut done: impl FnMut() -> bool) -> bool {
    let end = Instant::now() + limit;
    loop {
        if done() {
            return true;
        }
        if Instant::now() >= end {
            return false;
        }
        std::thread::sleep(LOOK);
    }
}
