//! What a run prints: text for people, one JSON object for programs.

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::procstat::ProcStat;
use super::tally::Outcome;

/// The quantiles reported, and their names.
const QUANTILES: [(&str, f64); 5] =
    [("p50", 0.5), ("p90", 0.9), ("p99", 0.99), ("p99.9", 0.999), ("p99.99", 0.9999)];

/// Everything known about a finished run.
#[derive(Debug)]
pub struct Report {
    pub op: &'static str,
    pub server: String,
    pub connections: u32,
    pub depth: u32,
    pub size: u32,
    pub rate: Option<f64>,
    pub outcome: Outcome,
    /// The server's CPU and memory when the window opened and when it closed.
    pub server_stat: Option<(ProcStat, ProcStat)>,
    /// The generator's own.
    pub own_stat: Option<(ProcStat, ProcStat)>,
    /// For idle sessions: how many were opened.
    pub sessions_held: Option<u32>,
}

impl Report {
    /// The table for people.
    pub fn text(&self) -> String {
        let mut out = String::new();
        let outcome = &self.outcome;
        // Writing to a String cannot fail.
        let _ = write!(out, "{} on {}, {} connections", self.op, self.server, self.connections);
        let _ = match self.rate {
            Some(rate) => writeln!(out, ", {} bytes, {rate:.0}/s asked", self.size),
            None if matches!(self.op, "idle" | "sessions") => writeln!(out),
            None => writeln!(out, " x {} in flight, {} bytes", self.depth, self.size),
        };
        if outcome.finished > 0 {
            let _ = writeln!(
                out,
                "  throughput   {:.0}/s ({} in {:.2} s)",
                outcome.per_second(),
                outcome.finished,
                outcome.window_seconds
            );
        }
        if outcome.latencies.count() > 0 {
            let _ = write!(out, "  latency us  ");
            for (name, quantile) in QUANTILES {
                let _ = write!(out, " {name} {}", micros(outcome.latencies.quantile_us(quantile)));
            }
            let _ = writeln!(out, " max {}", micros(outcome.latencies.max_us()));
        }
        if let Some((before, after)) = self.server_stat {
            let _ = writeln!(
                out,
                "  server       {}, {:.1} MB resident (before {:.1} MB)",
                self.cpu(before, after),
                mb(after.rss_bytes),
                mb(before.rss_bytes)
            );
        }
        if let Some(bytes) = self.bytes_per_session() {
            let _ = writeln!(out, "  idle session {bytes:.0} bytes of resident memory");
        }
        if let Some((before, after)) = self.own_stat {
            let _ = writeln!(out, "  generator    {}", self.cpu(before, after));
        }
        let _ = writeln!(out, "  errors       {}", outcome.troubles.total());
        for line in outcome.troubles.lines() {
            let _ = writeln!(out, "    {line}");
        }
        out
    }

    /// One JSON object. Keys without a value are left out.
    pub fn json(&self) -> Value {
        let outcome = &self.outcome;
        let mut object = json!({
            "op": self.op,
            "server_address": self.server,
            "connections": self.connections,
            "depth": self.depth,
            "size_bytes": self.size,
            "finished": outcome.finished,
            "seconds": outcome.window_seconds,
            "per_second": outcome.per_second(),
            "errors": outcome.troubles.total(),
            "error_lines": outcome.troubles.lines(),
        });
        if let Some(rate) = self.rate {
            object["rate_asked"] = json!(rate);
        }
        if outcome.latencies.count() > 0 {
            let mut latency = json!({
                "max": outcome.latencies.max_us(),
                "mean": outcome.latencies.mean_us(),
            });
            for (name, quantile) in QUANTILES {
                latency[name] = json!(outcome.latencies.quantile_us(quantile));
            }
            object["latency_us"] = latency;
        }
        for (name, stat) in [("server", self.server_stat), ("generator", self.own_stat)] {
            let Some((before, after)) = stat else { continue };
            object[name] = json!({
                "cpu_seconds": after.cpu_seconds - before.cpu_seconds,
                "rss_bytes_before": before.rss_bytes,
                "rss_bytes": after.rss_bytes,
            });
            if outcome.finished > 0 {
                object[name]["cpu_us_per_op"] = json!(self.cpu_us_per_op(before, after));
            }
        }
        if let Some(bytes) = self.bytes_per_session() {
            object["bytes_per_session"] = json!(bytes);
        }
        object
    }

    fn cpu_us_per_op(&self, before: ProcStat, after: ProcStat) -> f64 {
        (after.cpu_seconds - before.cpu_seconds) * 1e6 / self.outcome.finished.max(1) as f64
    }

    fn cpu(&self, before: ProcStat, after: ProcStat) -> String {
        let seconds = after.cpu_seconds - before.cpu_seconds;
        if self.outcome.finished == 0 {
            return format!("{seconds:.2} s CPU");
        }
        let percent = seconds * 100.0 / self.outcome.window_seconds.max(1e-9);
        format!("{:.2} us CPU per op, {percent:.0}% of a core", self.cpu_us_per_op(before, after))
    }

    fn bytes_per_session(&self) -> Option<f64> {
        let (before, after) = self.server_stat?;
        let grown = after.rss_bytes as f64 - before.rss_bytes as f64;
        Some(grown / f64::from(self.sessions_held?.max(1)))
    }
}

fn micros(value: f64) -> String {
    if value < 100.0 { format!("{value:.1}") } else { format!("{value:.0}") }
}

fn mb(bytes: u64) -> f64 {
    bytes as f64 / 1e6
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::tally::Trouble;

    fn report() -> Report {
        let mut outcome = Outcome::new();
        outcome.finished = 1000;
        outcome.window_seconds = 2.0;
        for _ in 0..1000 {
            outcome.latencies.record(84_000);
        }
        Report {
            op: "get",
            server: "127.0.0.1:2181".to_owned(),
            connections: 50,
            depth: 16,
            size: 1024,
            rate: None,
            outcome,
            server_stat: Some((
                ProcStat { cpu_seconds: 1.0, rss_bytes: 1_000_000 },
                ProcStat { cpu_seconds: 1.5, rss_bytes: 3_000_000 },
            )),
            own_stat: None,
            sessions_held: None,
        }
    }

    #[test]
    fn cpu_is_divided_by_the_windows_operations() {
        let text = report().text();
        assert!(text.contains("throughput   500/s (1000 in 2.00 s)"), "{text}");
        assert!(text.contains("500.00 us CPU per op, 25% of a core, 3.0 MB resident"), "{text}");
        assert!(text.contains("errors       0"), "{text}");
    }

    #[test]
    fn json_holds_what_there_is_and_leaves_out_the_rest() {
        let mut report = report();
        report.outcome.troubles.add(Trouble::ErrorReply(-101));
        let json = report.json();
        assert_eq!(json["per_second"], 500.0);
        assert_eq!(json["server"]["cpu_us_per_op"], 500.0);
        assert_eq!(json["errors"], 1);
        assert_eq!(json["error_lines"][0], "1 x error -101 in a reply");
        assert!(json.get("generator").is_none() && json.get("rate_asked").is_none());
        assert!((json["latency_us"]["p50"].as_f64().expect("a number") - 84.0).abs() < 0.1);
    }

    #[test]
    fn an_idle_session_is_the_growth_divided() {
        let mut report = report();
        report.sessions_held = Some(1000);
        report.outcome.finished = 0;
        assert_eq!(report.json()["bytes_per_session"], 2000.0);
        assert!(report.text().contains("0.50 s CPU, 3.0 MB resident"), "{}", report.text());
    }
}
