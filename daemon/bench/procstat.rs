//! CPU time and memory of a process from `/proc`, for the server under test and for the generator itself.

use std::fs;
use std::io;

/// CPU and memory at one moment.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ProcStat {
    /// User and system time of all threads so far.
    pub cpu_seconds: f64,
    /// Resident memory now.
    pub rss_bytes: u64,
}

impl ProcStat {
    /// Of the process `pid`.
    ///
    /// # Errors
    /// If there is no such process, or no `/proc`.
    pub fn of(pid: u32) -> io::Result<Self> {
        let named = |error: io::Error| io::Error::new(error.kind(), format!("/proc/{pid}: {error}"));
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).map_err(named)?;
        let status = fs::read_to_string(format!("/proc/{pid}/status")).map_err(named)?;
        let ticks = parse_cpu_ticks(&stat).ok_or_else(|| named(io::ErrorKind::InvalidData.into()))?;
        let rss_bytes = parse_rss_bytes(&status).ok_or_else(|| named(io::ErrorKind::InvalidData.into()))?;
        Ok(Self { cpu_seconds: ticks as f64 / ticks_per_second() as f64, rss_bytes })
    }
}

#[cfg(unix)]
fn ticks_per_second() -> u64 {
    rustix::param::clock_ticks_per_second()
}

#[cfg(not(unix))]
fn ticks_per_second() -> u64 {
    100
}

/// utime + stime: fields 14 and 15 of `/proc/<pid>/stat`. The second field is the program's name in
/// parentheses and may hold anything, so fields are counted behind its last parenthesis.
fn parse_cpu_ticks(stat: &str) -> Option<u64> {
    let (_, rest) = stat.rsplit_once(')')?;
    let mut fields = rest.split_ascii_whitespace().skip(11);
    let user: u64 = fields.next()?.parse().ok()?;
    let system: u64 = fields.next()?.parse().ok()?;
    Some(user + system)
}

fn parse_rss_bytes(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_found_behind_any_program_name() {
        let stat = "77 (a) b) (c) S 1 77 77 0 -1 4194560 100 0 0 0 1234 56 0 0 20 0 9 0 1 2 3";
        assert_eq!(parse_cpu_ticks(stat), Some(1290));
        assert_eq!(parse_cpu_ticks("77 (x"), None);
    }

    #[test]
    fn resident_memory_is_in_kib() {
        assert_eq!(parse_rss_bytes("Name:\tx\nVmRSS:\t    2048 kB\nThreads: 1\n"), Some(2048 * 1024));
        assert_eq!(parse_rss_bytes("Name:\tkthread\n"), None);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn this_process_has_memory() {
        let stat = ProcStat::of(std::process::id()).expect("a process can read its own /proc");
        assert!(stat.rss_bytes > 0);
    }
}
