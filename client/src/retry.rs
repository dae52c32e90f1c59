//! Trying again after a lost connection.

use std::time::Duration;

/// Whether, and how, operations are repeated by themselves.
///
/// Only a connection loss is repeated, and only of operations whose repetition cannot change their outcome:
/// reads, sync, and setting watches. Writes are never repeated: after a connection loss nobody knows whether
/// they were applied ([`crate::Error::maybe_applied`]), and the right answer depends on what they mean.
/// Requests that had not been written to a connection need no policy: they wait for the next one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RetryPolicy {
    attempts: u32,
    backoff_min: Duration,
    backoff_max: Duration,
}

impl RetryPolicy {
    /// Nothing is repeated; every connection loss reaches the caller.
    pub const fn never() -> Self {
        Self { attempts: 0, backoff_min: Duration::ZERO, backoff_max: Duration::ZERO }
    }

    /// Reads, sync and watches are repeated up to 3 times, after 50 ms to 1 s.
    pub const fn idempotent() -> Self {
        Self { attempts: 3, backoff_min: Duration::from_millis(50), backoff_max: Duration::from_secs(1) }
    }

    /// How often an operation is repeated.
    #[must_use]
    pub const fn attempts(mut self, attempts: u32) -> Self {
        self.attempts = attempts;
        self
    }

    /// The pause before the first repetition, which doubles with each, and the longest one. Each is shortened
    /// at random by up to half, so that many clients do not return at once.
    #[must_use]
    pub const fn backoff(mut self, min: Duration, max: Duration) -> Self {
        self.backoff_min = min;
        self.backoff_max = max;
        self
    }

    /// The pause before repetition number `done + 1`; `None` when that is one too many.
    pub(crate) fn pause(&self, done: u32, random: u64) -> Option<Duration> {
        if done >= self.attempts {
            return None;
        }
        let full = self.backoff_min.saturating_mul(1 << done.min(16)).min(self.backoff_max);
        let half = full / 2;
        Some(half + half.mul_f64((random % 1024) as f64 / 1024.0))
    }
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self::never()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_the_limit_and_end() {
        let policy = RetryPolicy::idempotent()
            .attempts(4)
            .backoff(Duration::from_millis(100), Duration::from_millis(300));
        for (done, full_ms) in [100, 200, 300, 300].into_iter().enumerate() {
            let full = Duration::from_millis(full_ms);
            for random in [0, 1023, 77] {
                let pause = policy.pause(done as u32, random).unwrap();
                assert!(full / 2 <= pause && pause <= full, "{done}: {pause:?}");
            }
        }
        assert_eq!(policy.pause(4, 0), None);
        assert_eq!(RetryPolicy::never().pause(0, 0), None);
    }
}
