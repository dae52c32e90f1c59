//! The command line of `zkrs bench`.

use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::path::PathBuf;
use std::time::Duration;

use clap::{Parser, ValueEnum};

/// Load a ZooKeeper server (any: zkrs, Apache ZooKeeper) and measure it.
///
/// Closed loop unless --rate is given. Every reply is checked; a run with errors ends with exit code 1.
#[derive(Debug, Clone, Parser)]
#[command(name = "zkrs bench")]
pub struct Args {
    /// The server, host:port
    #[arg(long, default_value = "127.0.0.1:2181")]
    pub server: String,
    /// What to do
    #[arg(long, value_enum, default_value = "get")]
    pub op: Op,
    /// Share of reads in --op mixed
    #[arg(long, default_value_t = 0.9, value_parser = share)]
    pub mix: f64,
    /// Sessions; for sessions: cycles at once; for watch: watchers; for idle: sessions held
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=60_000))]
    pub connections: u32,
    /// Requests in flight on each session; for watch: changes in flight
    #[arg(long, default_value_t = 16, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub depth: u32,
    /// Data bytes of each znode
    #[arg(long, default_value_t = 1024, value_parser = clap::value_parser!(u32).range(0..=1_000_000))]
    pub size: u32,
    /// Length of the measured window
    #[arg(long, default_value_t = 10.0, value_parser = seconds)]
    pub seconds: f64,
    /// Stop after this many requests instead
    #[arg(long)]
    pub count: Option<u64>,
    /// Open loop: requests per second on a fixed timetable; latency counts from the due time
    #[arg(long, value_parser = rate)]
    pub rate: Option<f64>,
    /// Znodes that get, set, exists and mixed choose from
    #[arg(long, default_value_t = 1000, value_parser = clap::value_parser!(u64).range(1..=9_999_999_999))]
    pub keys: u64,
    /// Seconds before the window opens
    #[arg(long, default_value_t = 2.0, value_parser = seconds)]
    pub warmup: f64,
    /// Threads of the generator
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=64))]
    pub threads: u32,
    /// Writes in each --op multi
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub multi: u32,
    /// Which writes these are
    #[arg(long, value_enum, default_value = "set")]
    pub multi_op: MultiOp,
    /// What kind of watch --op watch sets
    #[arg(long, value_enum, default_value = "one-shot")]
    pub watch: WatchKind,
    /// First create this many znodes (they stay); with --op none, do only that
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..=9_999_999_999))]
    pub preload: Option<u64>,
    /// Preloaded znodes in each directory; 0 puts all under one parent
    #[arg(long, default_value_t = 1000)]
    pub fanout: u64,
    /// The parent of everything that the run creates
    #[arg(long, default_value = "/zkrs-bench", value_parser = root)]
    pub root: String,
    /// Session timeout to ask for
    #[arg(long, default_value_t = 30_000, value_parser = clap::value_parser!(u32).range(1..=3_600_000))]
    pub session_timeout_ms: u32,
    /// Process of the server on this machine: reports its CPU per operation and its memory
    #[arg(long)]
    pub server_pid: Option<u32>,
    /// Leave the run's znodes in place
    #[arg(long)]
    pub keep: bool,
    /// Write every request's due time (Unix, ns) and latency (ns) to this file, a line each
    #[arg(long)]
    pub samples: Option<PathBuf>,
    /// Print one JSON object instead of text
    #[arg(long)]
    pub json: bool,
}

/// What the load does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Op {
    Get,
    Set,
    Create,
    /// Deletes --count znodes (100000 unless given), created before the window
    Delete,
    Exists,
    Multi,
    /// Reads and writes by --mix
    Mixed,
    Ping,
    /// Opens and closes sessions
    Sessions,
    /// Many watchers of one znode, which is changed again as soon as all have heard
    Watch,
    /// Opens sessions, holds them for --seconds, reports the memory of each
    Idle,
    /// Nothing, after --preload
    None,
}

impl Op {
    /// Its name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Get => "get",
            Self::Set => "set",
            Self::Create => "create",
            Self::Delete => "delete",
            Self::Exists => "exists",
            Self::Multi => "multi",
            Self::Mixed => "mixed",
            Self::Ping => "ping",
            Self::Sessions => "sessions",
            Self::Watch => "watch",
            Self::Idle => "idle",
            Self::None => "none",
        }
    }
}

/// The writes in a multi.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum MultiOp {
    Set,
    Create,
}

/// The kind of watch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum WatchKind {
    /// Left by a read, gone with its event, and set again by the next read
    OneShot,
    /// Stays until removed
    Persistent,
}

impl Args {
    /// The server's address.
    ///
    /// # Errors
    /// If the host cannot be resolved, or there is no port.
    pub fn address(&self) -> io::Result<SocketAddr> {
        let mut found = self.server.to_socket_addrs().map_err(|error| {
            io::Error::new(error.kind(), format!("--server {}: {error} (expected host:port)", self.server))
        })?;
        found.next().ok_or_else(|| io::Error::other(format!("--server {}: no address", self.server)))
    }

    /// The session timeout to ask for.
    pub fn session_timeout(&self) -> Duration {
        Duration::from_millis(u64::from(self.session_timeout_ms))
    }
}

fn share(text: &str) -> Result<f64, String> {
    number_in(text, 0.0, 1.0)
}

fn seconds(text: &str) -> Result<f64, String> {
    number_in(text, 0.0, 1e6)
}

fn rate(text: &str) -> Result<f64, String> {
    number_in(text, 0.001, 1e8)
}

fn number_in(text: &str, least: f64, most: f64) -> Result<f64, String> {
    let value: f64 = text.parse().map_err(|_| "not a number".to_owned())?;
    if (least..=most).contains(&value) { Ok(value) } else { Err(format!("not between {least} and {most}")) }
}

fn root(text: &str) -> Result<String, String> {
    if !text.starts_with('/') || text.len() < 2 || text.ends_with('/') || text.contains("//") {
        return Err("not an absolute path below /".to_owned());
    }
    Ok(text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(args: &[&str]) -> Result<Args, clap::Error> {
        Args::try_parse_from(std::iter::once(&"bench").chain(args))
    }

    #[test]
    fn the_defaults_are_the_tables_load() {
        let args = parse(&[]).expect("no argument is required");
        assert_eq!((args.op, args.connections, args.depth, args.size), (Op::Get, 50, 16, 1024));
        assert_eq!(args.rate, None);
    }

    #[test]
    fn bad_values_are_refused() {
        for bad in [
            ["--mix", "1.1"],
            ["--rate", "0"],
            ["--rate", "nan"],
            ["--connections", "0"],
            ["--root", "/"],
            ["--root", "relative"],
            ["--op", "sweep"],
        ] {
            assert!(parse(&bad).is_err(), "{bad:?} was accepted");
        }
    }

    #[test]
    fn every_op_has_its_command_line_name() {
        for op in Op::value_variants() {
            let value = op.to_possible_value().expect("no op is hidden");
            assert_eq!(value.get_name(), op.name());
        }
    }
}
