//! Watches a run from beside it: CPU and memory at both ends of the measured window, and the progress line.

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use super::load::Stop;
use super::procstat::ProcStat;
use super::progress::Progress;

/// How often the progress line is brought up to date, and a run by count is looked at for its end.
const GLANCE: Duration = Duration::from_millis(20);

/// The measured window of a run and whom to watch in it.
#[derive(Debug, Clone, Copy)]
pub struct Window {
    pub start: Instant,
    pub warmup: Duration,
    pub stop: Stop,
    /// The window lasts until the run ends, whatever `stop` says: an open loop may end late.
    pub to_the_end: bool,
    pub server_pid: Option<u32>,
}

/// CPU and memory when the window opened and when it closed.
pub type Stats = Option<(ProcStat, ProcStat)>;

/// What was seen beside a run.
#[derive(Debug)]
pub struct Watched<T> {
    /// What the run itself returned.
    pub result: T,
    pub server: Stats,
    pub own: Stats,
}

/// Runs `work` on a thread of its own and watches it. `finished` is the run's live count.
///
/// # Errors
/// If `/proc` does not know the server's process.
pub fn watch<T: Send>(
    window: Window,
    what: &str,
    finished: &AtomicU64,
    work: impl FnOnce() -> T + Send,
) -> io::Result<Watched<T>> {
    let total = match window.stop {
        Stop::After(_) => 0,
        Stop::Requests(count) => count,
    };
    let opens = window.start + window.warmup;
    let closes = match window.stop {
        Stop::After(length) if !window.to_the_end => Some(opens + length),
        _ => None,
    };
    let progress = Progress::new(what, total);
    thread::scope(|scope| {
        let worker = scope.spawn(work);
        let glance = |until: Option<Instant>| {
            while !worker.is_finished() && until.is_none_or(|until| Instant::now() < until) {
                let rest = until.map_or(GLANCE, |until| until.saturating_duration_since(Instant::now()));
                thread::sleep(rest.min(GLANCE));
                progress.set(finished.load(Ordering::Relaxed));
            }
        };
        glance(Some(opens));
        let before = snapshot(window.server_pid);
        glance(closes);
        let after = snapshot(window.server_pid);
        // A panic of the run is a bug of the generator and must be seen as one.
        let result = worker.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        let ((server_before, own_before), (server_after, own_after)) = (before?, after?);
        Ok(Watched { result, server: server_before.zip(server_after), own: own_before.zip(own_after) })
    })
}

/// The server's figures if asked for, and the generator's own where the system has them.
fn snapshot(server_pid: Option<u32>) -> io::Result<(Option<ProcStat>, Option<ProcStat>)> {
    Ok((server_pid.map(ProcStat::of).transpose()?, ProcStat::of(std::process::id()).ok()))
}
