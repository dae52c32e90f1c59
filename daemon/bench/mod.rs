//! `zkrs bench`: the load generator.
//!
//! One thread (or a few) drives many sessions by readiness events, with requests encoded once and patched, so
//! that on a small machine the server under test keeps the CPU to itself. It works against any ZooKeeper server
//! and knows nothing of zkrs's own crates.

mod args;
mod churn;
mod connection;
mod control;
#[cfg(test)]
mod fake_server;
mod idle;
mod load;
#[cfg(test)]
mod load_tests;
mod measure;
mod pacer;
mod procstat;
mod progress;
mod report;
mod runner;
mod samples;
mod tally;
mod watchers;
mod wire;
mod workload;

use std::io;
use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::atomic::AtomicU64;
use std::time::{Duration, Instant};

use clap::Parser;

use args::{Args, Op};
use load::Stop;
use measure::Window;
use report::Report;
use watchers::FanOut;

/// Runs `zkrs bench` with the arguments behind its name. Ends with 1 if the run failed or any reply was wrong,
/// with 2 if the arguments were.
pub fn main(args: &[String]) -> ExitCode {
    let name = std::iter::once("zkrs bench");
    let args = match Args::try_parse_from(name.chain(args.iter().map(String::as_str))) {
        Ok(args) => args,
        Err(error) => {
            let failed = error.use_stderr();
            // Nothing is left to say if the terminal is gone.
            let _ = error.print();
            return if failed { ExitCode::from(2) } else { ExitCode::SUCCESS };
        }
    };
    match run(&args) {
        Ok(0) => ExitCode::SUCCESS,
        Ok(_) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("zkrs bench: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Runs what the arguments ask for and prints it; how many errors there were.
fn run(args: &Args) -> io::Result<u64> {
    let server = args.address()?;
    raise_file_limit(u64::from(args.connections) + 64)?;
    if let Some(count) = args.preload {
        let outcome = runner::preload(args, server, count)?;
        eprintln!("preloaded {count} znodes in {:.2} s", outcome.window_seconds);
    }
    let report = match args.op {
        Op::None if args.preload.is_none() => {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                "--op none does nothing without --preload",
            ));
        }
        Op::None => return Ok(0),
        Op::Sessions => sessions(args, server)?,
        Op::Watch => watch(args, server)?,
        Op::Idle => idle(args, server)?,
        _ => runner::run(args, server)?,
    };
    if args.json {
        println!("{}", report.json());
    } else {
        print!("{}", report.text());
    }
    Ok(report.outcome.troubles.total())
}

fn sessions(args: &Args, server: SocketAddr) -> io::Result<Report> {
    let finished = AtomicU64::new(0);
    let window = window(args);
    let watched = measure::watch(window, "sessions", &finished, || {
        let at_once = args.connections as usize;
        let timeout = args.session_timeout();
        churn::run(server, at_once, timeout, window.warmup, window.stop, window.start, &finished)
    })?;
    let mut report = report(args, watched.result?);
    report.server_stat = watched.server;
    report.own_stat = watched.own;
    Ok(report)
}

fn watch(args: &Args, server: SocketAddr) -> io::Result<Report> {
    let mut fan_out = FanOut::open(args, server)?;
    let finished = AtomicU64::new(0);
    let length = Duration::from_secs_f64(args.seconds);
    let window = Window { stop: Stop::After(length), ..window(args) };
    let watched = measure::watch(window, "notifications", &finished, || {
        fan_out.run(window.warmup, length, window.start, &finished)
    })?;
    let mut report = report(args, watched.result?);
    if report.outcome.troubles.total() == 0 {
        fan_out.close()?;
    }
    report.server_stat = watched.server;
    report.own_stat = watched.own;
    Ok(report)
}

fn idle(args: &Args, server: SocketAddr) -> io::Result<Report> {
    let hold = Duration::from_secs_f64(args.seconds);
    let count = args.connections as usize;
    let (outcome, stats) = idle::run(server, count, args.session_timeout(), hold, args.server_pid)?;
    let mut report = report(args, outcome);
    report.server_stat = stats;
    report.sessions_held = Some(args.connections);
    Ok(report)
}

fn window(args: &Args) -> Window {
    let length = Duration::from_secs_f64(args.seconds);
    Window {
        start: Instant::now(),
        warmup: Duration::from_secs_f64(args.warmup),
        stop: args.count.map_or(Stop::After(length), Stop::Requests),
        to_the_end: false,
        server_pid: args.server_pid,
    }
}

fn report(args: &Args, outcome: tally::Outcome) -> Report {
    Report {
        op: args.op.name(),
        server: args.server.clone(),
        connections: args.connections,
        depth: args.depth,
        size: args.size,
        rate: args.rate,
        outcome,
        server_stat: None,
        own_stat: None,
        sessions_held: None,
    }
}

/// Makes room for this many open files, as far as the hard limit goes.
#[cfg(unix)]
fn raise_file_limit(files: u64) -> io::Result<()> {
    use rustix::process::{Resource, getrlimit, setrlimit};

    let mut limit = getrlimit(Resource::Nofile);
    if limit.current.is_none_or(|current| current >= files) {
        return Ok(());
    }
    if limit.maximum.is_some_and(|maximum| maximum < files) {
        let message = format!(
            "--connections needs {files} open files, the limit is {}: raise it (ulimit -Hn)",
            limit.maximum.unwrap_or_default()
        );
        return Err(io::Error::other(message));
    }
    limit.current = Some(files);
    Ok(setrlimit(Resource::Nofile, limit)?)
}

#[cfg(not(unix))]
fn raise_file_limit(_: u64) -> io::Result<()> {
    Ok(())
}
