//! The open loop's timetable, and an alarm finer than a poll's milliseconds.

use std::io;
use std::time::Duration;

use mio::{Registry, Token};

/// Due times at an even rate.
#[derive(Debug, Clone)]
pub struct Timetable {
    interval_nanos: f64,
    taken: u64,
}

impl Timetable {
    /// `rate` requests per second, the first one due at once.
    pub fn new(rate: f64) -> Self {
        Self { interval_nanos: 1e9 / rate.max(f64::MIN_POSITIVE), taken: 0 }
    }

    /// When the next request is due, in nanoseconds since the start.
    pub fn next_nanos(&self) -> u64 {
        (self.taken as f64 * self.interval_nanos) as u64
    }

    /// Takes the next request if it is due by `now`; its due time, however long ago that was.
    pub fn take(&mut self, now: u64) -> Option<u64> {
        let due = self.next_nanos();
        (due <= now).then(|| {
            self.taken += 1;
            due
        })
    }
}

/// Wakes a poll at a time given in nanoseconds (Linux: a timerfd; elsewhere the poll's own timeout).
#[derive(Debug)]
pub struct Alarm {
    #[cfg(target_os = "linux")]
    timer: std::os::fd::OwnedFd,
}

#[cfg(target_os = "linux")]
impl Alarm {
    /// Registers an alarm under `token`.
    ///
    /// # Errors
    /// The kernel's.
    pub fn register(registry: &Registry, token: Token) -> io::Result<Self> {
        use rustix::time::{TimerfdClockId, TimerfdFlags, timerfd_create};
        use std::os::fd::AsRawFd;

        let flags = TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC;
        let timer = timerfd_create(TimerfdClockId::Monotonic, flags)?;
        let fd = timer.as_raw_fd();
        registry.register(&mut mio::unix::SourceFd(&fd), token, mio::Interest::READABLE)?;
        Ok(Self { timer })
    }

    /// Sets the alarm `due` from now, if there is one; returns the timeout to poll with, at most `longest`.
    ///
    /// # Errors
    /// The kernel's.
    pub fn arm(&self, due: Option<Duration>, longest: Duration) -> io::Result<Duration> {
        use rustix::time::{Itimerspec, TimerfdTimerFlags, Timespec, timerfd_settime};

        let Some(due) = due.filter(|due| *due < longest) else { return Ok(longest) };
        if due.is_zero() {
            return Ok(Duration::ZERO);
        }
        let once = Itimerspec {
            it_interval: Timespec { tv_sec: 0, tv_nsec: 0 },
            it_value: Timespec { tv_sec: due.as_secs() as i64, tv_nsec: i64::from(due.subsec_nanos()) },
        };
        timerfd_settime(&self.timer, TimerfdTimerFlags::empty(), &once)?;
        Ok(longest)
    }
}

#[cfg(not(target_os = "linux"))]
impl Alarm {
    /// Registers nothing: the poll's own timeout serves.
    ///
    /// # Errors
    /// None here.
    pub fn register(_: &Registry, _: Token) -> io::Result<Self> {
        Ok(Self {})
    }

    /// Returns the timeout to poll with, at most `longest`.
    ///
    /// # Errors
    /// None here.
    pub fn arm(&self, due: Option<Duration>, longest: Duration) -> io::Result<Duration> {
        Ok(due.map_or(longest, |due| due.min(longest)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_timetable_is_even_and_owes_what_was_missed() {
        let mut timetable = Timetable::new(1000.0);
        assert_eq!(timetable.take(0), Some(0));
        assert_eq!(timetable.take(999_999), None);
        assert_eq!(timetable.take(3_500_000), Some(1_000_000));
        assert_eq!(timetable.take(3_500_000), Some(2_000_000));
        assert_eq!(timetable.take(3_500_000), Some(3_000_000));
        assert_eq!(timetable.take(3_500_000), None);
        assert_eq!(timetable.next_nanos(), 4_000_000);
    }
}
