//! What a run prints: text for people, one JSON object for programs.

use std::fmt::Write as _;

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
                "  server       {:.2} us CPU per op, {:.0}% of a core, {:.1} MB resident (before {:.1} MB)",
                self.cpu_us_per_op(before, after),
                self.cpu_percent(before, after),
                mb(after.rss_bytes),
                mb(before.rss_bytes)
            );
        }
        if let Some(bytes) = self.bytes_per_session() {
            let _ = writeln!(out, "  idle session {bytes:.0} bytes of resident memory");
        }
        if let Some((before, after)) = self.own_stat.filter(|_| outcome.finished > 0) {
            let _ = writeln!(
                out,
                "  generator    {:.2} us CPU per op, {:.0}% of a core",
                self.cpu_us_per_op(before, after),
                self.cpu_percent(before, after)
            );
        }
        let _ = writeln!(out, "  errors       {}", outcome.troubles.total());
        for line in outcome.troubles.lines() {
            let _ = writeln!(out, "    {line}");
        }
        out
    }

    /// One JSON object on one line. Keys without a value are left out.
    pub fn json(&self) -> String {
        let outcome = &self.outcome;
        let mut object = Object::default();
        object.text("op", self.op).text("server", &self.server);
        object.number("connections", self.connections.into()).number("depth", self.depth.into());
        object.number("size_bytes", self.size.into());
        if let Some(rate) = self.rate {
            object.number("rate_asked", rate);
        }
        object.number("finished", outcome.finished as f64).number("seconds", outcome.window_seconds);
        object.number("per_second", outcome.per_second());
        if outcome.latencies.count() > 0 {
            let mut latency = Object::default();
            for (name, quantile) in QUANTILES {
                latency.number(name, outcome.latencies.quantile_us(quantile));
            }
            latency.number("max", outcome.latencies.max_us()).number("mean", outcome.latencies.mean_us());
            object.object("latency_us", latency);
        }
        for (name, stat) in [("server", self.server_stat), ("generator", self.own_stat)] {
            let Some((before, after)) = stat else { continue };
            let mut process = Object::default();
            process.number("cpu_seconds", after.cpu_seconds - before.cpu_seconds);
            if outcome.finished > 0 {
                process.number("cpu_us_per_op", self.cpu_us_per_op(before, after));
            }
            process.number("rss_bytes_before", before.rss_bytes as f64);
            process.number("rss_bytes", after.rss_bytes as f64);
            object.object(name, process);
        }
        if let Some(bytes) = self.bytes_per_session() {
            object.number("bytes_per_session", bytes);
        }
        object.number("errors", outcome.troubles.total() as f64);
        object.texts("error_lines", &outcome.troubles.lines());
        object.into_string()
    }

    fn cpu_us_per_op(&self, before: ProcStat, after: ProcStat) -> f64 {
        (after.cpu_seconds - before.cpu_seconds) * 1e6 / self.outcome.finished.max(1) as f64
    }

    fn cpu_percent(&self, before: ProcStat, after: ProcStat) -> f64 {
        (after.cpu_seconds - before.cpu_seconds) * 100.0 / self.outcome.window_seconds.max(1e-9)
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

/// A JSON object under construction.
#[derive(Debug, Default)]
struct Object {
    members: String,
}

impl Object {
    fn number(&mut self, key: &str, value: f64) -> &mut Self {
        // Whole numbers print whole; JSON has no infinities.
        let value = if value.is_finite() { value } else { 0.0 };
        self.raw(key, &format!("{}", (value * 1000.0).round() / 1000.0))
    }

    fn text(&mut self, key: &str, value: &str) -> &mut Self {
        self.raw(key, &quoted(value))
    }

    fn texts(&mut self, key: &str, values: &[String]) -> &mut Self {
        let list: Vec<String> = values.iter().map(|value| quoted(value)).collect();
        self.raw(key, &format!("[{}]", list.join(",")))
    }

    fn object(&mut self, key: &str, value: Object) -> &mut Self {
        self.raw(key, &value.into_string())
    }

    fn raw(&mut self, key: &str, value: &str) -> &mut Self {
        if !self.members.is_empty() {
            self.members.push(',');
        }
        self.members.push_str(&quoted(key));
        self.members.push(':');
        self.members.push_str(value);
        self
    }

    fn into_string(self) -> String {
        format!("{{{}}}", self.members)
    }
}

fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for character in text.chars() {
        match character {
            '"' | '\\' => out.extend(['\\', character]),
            control if u32::from(control) < 0x20 => {
                let _ = write!(out, "\\u{:04x}", u32::from(control));
            }
            other => out.push(other),
        }
    }
    out.push('"');
    out
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
    fn json_is_one_object_with_quoted_text() {
        let mut report = report();
        report.outcome.troubles.add(Trouble::Socket("a \"quote\"\n".to_owned()));
        let json = report.json();
        assert!(json.starts_with(r#"{"op":"get","server":"127.0.0.1:2181","connections":50,"#), "{json}");
        assert!(json.contains(r#""per_second":500,"#), "{json}");
        assert!(json.contains(r#""cpu_us_per_op":500,"#), "{json}");
        assert!(json.ends_with(r#""errors":1,"error_lines":["1 x a \"quote\"\u000a"]}"#), "{json}");
    }

    #[test]
    fn an_idle_session_is_the_growth_divided() {
        let mut report = report();
        report.sessions_held = Some(1000);
        assert!(report.json().contains(r#""bytes_per_session":2000,"#));
    }
}
