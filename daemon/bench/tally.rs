//! What a run adds up: latencies, and every reply that was not as it should be.

use std::collections::BTreeMap;
use std::fmt;

use hdrhistogram::Histogram;

/// Longer latencies are counted as this one, in nanoseconds.
const LATENCY_NANOS_MAX: u64 = 300_000_000_000;

/// Latencies in nanoseconds, three significant digits.
#[derive(Debug, Clone)]
pub struct Latencies {
    histogram: Histogram<u64>,
}

impl Latencies {
    /// An empty histogram.
    pub fn new() -> Self {
        let histogram = Histogram::new_with_bounds(1, LATENCY_NANOS_MAX, 3)
            .expect("the bounds are constants that the histogram accepts");
        Self { histogram }
    }

    /// Counts one latency.
    pub fn record(&mut self, nanos: u64) {
        self.histogram.saturating_record(nanos.max(1));
    }

    /// Adds all of another histogram.
    pub fn merge(&mut self, other: &Self) {
        self.histogram.add(&other.histogram).expect("both histograms have the same bounds");
    }

    /// How many were counted.
    pub fn count(&self) -> u64 {
        self.histogram.len()
    }

    /// The value at `quantile` (0.5 is the median) in microseconds; 0 if nothing was counted.
    pub fn quantile_us(&self, quantile: f64) -> f64 {
        if self.histogram.is_empty() {
            return 0.0;
        }
        self.histogram.value_at_quantile(quantile) as f64 / 1000.0
    }

    /// The largest one in microseconds.
    pub fn max_us(&self) -> f64 {
        self.histogram.max() as f64 / 1000.0
    }

    /// The mean in microseconds.
    pub fn mean_us(&self) -> f64 {
        self.histogram.mean() / 1000.0
    }
}

/// Something a server did that a correct one does not do to this load.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Trouble {
    /// A reply with an error code.
    ErrorReply(i32),
    /// A reply with another xid than the oldest request in flight.
    OutOfOrder { expected: i32, got: i32 },
    /// A reply to nothing.
    Unasked(i32),
    /// A successful reply whose body has another size than the operation's.
    WrongLength { expected: usize, got: usize },
    /// A reply with an older zxid than the one before it on the same connection.
    ZxidBackwards,
    /// Bytes that are no frame of the protocol.
    Malformed,
    /// The session was refused in the handshake.
    SessionRefused,
    /// The connection ended, with this many requests unanswered.
    ConnectionLost(usize),
    /// Requests that had no reply when the run gave up waiting.
    Unanswered(usize),
    /// The connection could not be made or used.
    Socket(String),
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ErrorReply(code) => write!(f, "error {code} in a reply"),
            Self::OutOfOrder { expected, got } => write!(f, "reply xid {got} where {expected} was next"),
            Self::Unasked(xid) => write!(f, "reply xid {xid} to no request"),
            Self::WrongLength { expected, got } => {
                write!(f, "reply of {got} bytes where {expected} were due")
            }
            Self::ZxidBackwards => write!(f, "reply with an older zxid than the one before it"),
            Self::Malformed => write!(f, "bytes that are no reply"),
            Self::SessionRefused => write!(f, "session refused"),
            Self::ConnectionLost(requests) => write!(f, "connection lost with {requests} requests in flight"),
            Self::Unanswered(requests) => write!(f, "{requests} requests never answered"),
            Self::Socket(message) => write!(f, "{message}"),
        }
    }
}

/// Troubles by kind, and how often each was seen.
#[derive(Debug, Clone, Default)]
pub struct Troubles {
    kinds: BTreeMap<Trouble, u64>,
    beyond: u64,
}

impl Troubles {
    /// Distinct troubles kept by name; the rest is only counted.
    const KINDS_MAX: usize = 64;

    /// Counts one.
    pub fn add(&mut self, trouble: Trouble) {
        self.add_times(trouble, 1);
    }

    /// Adds all of another tally.
    pub fn merge(&mut self, other: &Self) {
        for (trouble, &times) in &other.kinds {
            self.add_times(trouble.clone(), times);
        }
        self.beyond += other.beyond;
    }

    /// How many in all.
    pub fn total(&self) -> u64 {
        self.kinds.values().sum::<u64>() + self.beyond
    }

    /// One line for each kind, at most ten.
    pub fn lines(&self) -> Vec<String> {
        let mut lines: Vec<String> =
            self.kinds.iter().take(10).map(|(trouble, times)| format!("{times} x {trouble}")).collect();
        let shown: u64 = self.kinds.values().take(10).sum();
        if self.total() > shown {
            lines.push(format!("{} more", self.total() - shown));
        }
        lines
    }

    fn add_times(&mut self, trouble: Trouble, times: u64) {
        if self.kinds.len() < Self::KINDS_MAX || self.kinds.contains_key(&trouble) {
            *self.kinds.entry(trouble).or_default() += times;
        } else {
            self.beyond += times;
        }
    }
}

/// One finished request: when it was due, in nanoseconds since the run began, and how long it took.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sample {
    pub due_nanos: u64,
    pub latency_nanos: u64,
}

/// The sum of one run, or of one thread's part of it.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// Requests (or notifications, or session cycles) finished in the measured window.
    pub finished: u64,
    /// Requests ever sent, warm-up included: what a clean-up must undo.
    pub issued: u64,
    /// Length of the measured window.
    pub window_seconds: f64,
    pub latencies: Latencies,
    pub troubles: Troubles,
    /// Kept only when asked for.
    pub samples: Vec<Sample>,
}

impl Outcome {
    /// Nothing yet.
    pub fn new() -> Self {
        Self {
            finished: 0,
            issued: 0,
            window_seconds: 0.0,
            latencies: Latencies::new(),
            troubles: Troubles::default(),
            samples: Vec::new(),
        }
    }

    /// Adds a parallel thread's part: counts add up, the window is the longest.
    pub fn merge(&mut self, other: &Self) {
        self.finished += other.finished;
        self.issued += other.issued;
        self.window_seconds = self.window_seconds.max(other.window_seconds);
        self.latencies.merge(&other.latencies);
        self.troubles.merge(&other.troubles);
        self.samples.extend_from_slice(&other.samples);
    }

    /// Finished per second of the window.
    pub fn per_second(&self) -> f64 {
        if self.window_seconds > 0.0 { self.finished as f64 / self.window_seconds } else { 0.0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_within_three_digits_of_the_exact_ones() {
        let mut latencies = Latencies::new();
        for micros in 1..=10_000u64 {
            latencies.record(micros * 1000);
        }
        for (quantile, exact) in [(0.5, 5000.0), (0.9, 9000.0), (0.99, 9900.0), (0.999, 9990.0)] {
            let got = latencies.quantile_us(quantile);
            assert!((got - exact).abs() <= exact / 1000.0, "p{quantile}: {got} where {exact} is exact");
        }
        assert_eq!(latencies.count(), 10_000);
        assert!((latencies.mean_us() - 5000.5).abs() < 5.0);
    }

    #[test]
    fn beyond_the_bounds_counts_at_the_bounds() {
        let mut latencies = Latencies::new();
        latencies.record(0);
        latencies.record(u64::MAX);
        assert_eq!(latencies.count(), 2);
        assert!(latencies.max_us() >= 300_000_000.0);
        assert!(latencies.quantile_us(0.5) < 1.0);
    }

    #[test]
    fn an_empty_histogram_has_zero_quantiles() {
        assert_eq!(Latencies::new().quantile_us(0.99), 0.0);
    }

    #[test]
    fn merging_is_counting_together() {
        let (mut left, mut right, mut both) = (Outcome::new(), Outcome::new(), Latencies::new());
        for nanos in [1_000, 50_000, 70_000_000] {
            left.latencies.record(nanos);
            right.latencies.record(nanos * 3);
            both.record(nanos);
            both.record(nanos * 3);
        }
        left.finished = 3;
        left.window_seconds = 2.0;
        right.finished = 5;
        right.window_seconds = 1.5;
        right.troubles.add(Trouble::ErrorReply(-101));
        left.troubles.add(Trouble::ErrorReply(-101));
        left.merge(&right);
        assert_eq!(left.per_second(), 4.0);
        assert_eq!(left.troubles.lines(), ["2 x error -101 in a reply"]);
        for quantile in [0.0, 0.5, 0.9, 1.0] {
            assert_eq!(left.latencies.quantile_us(quantile), both.quantile_us(quantile));
        }
    }

    #[test]
    fn many_kinds_of_trouble_are_all_counted_but_not_all_kept() {
        let mut troubles = Troubles::default();
        for code in 0..1000 {
            troubles.add(Trouble::ErrorReply(code));
        }
        assert_eq!(troubles.total(), 1000);
        assert_eq!(troubles.kinds.len(), Troubles::KINDS_MAX);
        assert_eq!(troubles.lines().last().map(String::as_str), Some("990 more"));
    }
}
