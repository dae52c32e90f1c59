//! Hands data directories from Apache to zkrs and back, and compares what both make of them.

use std::process::ExitCode;
use std::time::Instant;
use zkrs_differential::files::Stop;
use zkrs_differential::files::handover::Plan;
use zkrs_differential::files::round_trip::round_trip;
use zkrs_differential::rng::sequence_seed;
use zkrs_differential::server::{Kind, ScratchDir};

const USAGE: &str = "\
Usage: files-both-ways [--znodes N] [--small N] [--round-trips N] [--seed N] [--a apache|zkrs] [--b apache|zkrs]
                       [--require] [--keep]

Builds trees with every kind of znode, ACL, quota, session and counter at one server, ends it (SIGTERM, then
again with SIGKILL), starts the other one on a copy of its data directory, and compares: every znode with data,
ACL and all numbers of its Stat, sessions and their ephemerals, the last zxid, the tree's digest, the next
sequence numbers, quotas; and Apache's own tools read both servers' files. In both directions: a large tree of N
znodes (default 200000), smaller ones (default 5000) with snapshots plain, gz and snappy; then N random round
trips (default 20). Exit code 1: a difference; 97: SKIPPED, where Java is missing (1 under --require).";

/// What a peer that cannot be had ends with, in all our test programs.
const EXIT_SKIPPED: u8 = 97;

struct Arguments {
    znodes: usize,
    small: usize,
    round_trips: u64,
    seed: u64,
    kinds: [Kind; 2],
    require: bool,
    keep: bool,
}

fn main() -> ExitCode {
    let arguments = match parse(std::env::args().skip(1)) {
        Ok(Some(arguments)) => arguments,
        Ok(None) => {
            println!("{USAGE}");
            return ExitCode::SUCCESS;
        }
        Err(why) => {
            eprintln!("files-both-ways: {why}\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    if let Some(why) = arguments.kinds.iter().find_map(|kind| kind.unavailable()) {
        println!("SKIPPED: files both ways, because {why}");
        return if arguments.require { ExitCode::FAILURE } else { ExitCode::from(EXIT_SKIPPED) };
    }
    let failures = run(&arguments);
    println!("{failures} failures");
    if failures == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn run(arguments: &Arguments) -> usize {
    let [a, b] = arguments.kinds;
    let mut plans = Vec::new();
    for (from, to) in [(a, b), (b, a)] {
        for stop in [Stop::Clean, Stop::Kill] {
            let mut plan = |compression, znodes: usize, snap_count: usize| {
                let snap_count = snap_count.to_string();
                plans.push(Plan { from, to, stop, compression, znodes, snap_count, seed: arguments.seed });
            };
            plan("", arguments.small, 1_000_000);
            plan("", arguments.small, arguments.small);
            plan("gz", arguments.small, arguments.small);
            plan("snappy", arguments.small, arguments.small);
            if arguments.znodes > 0 {
                plan("", arguments.znodes, 100_000);
            }
        }
    }
    plans.sort_by_key(|plan| plan.znodes);
    let mut failures = 0;
    for plan in plans {
        let Plan { from, to, stop, compression, znodes, snap_count, .. } = &plan;
        println!(
            "{from:?} -> {to:?}, {znodes} znodes, {stop:?} stop, compression '{compression}', snapCount {snap_count}"
        );
        failures += report(arguments.keep, |scratch| plan.run(scratch).map(|report| report.lines));
    }
    for trip in 0..arguments.round_trips {
        let seed = sequence_seed(arguments.seed, trip);
        println!("round trip {trip}, seed {seed:#x}");
        failures += report(arguments.keep, |scratch| round_trip([a, b], 5, seed, scratch));
    }
    failures
}

fn report(keep: bool, work: impl FnOnce(&std::path::Path) -> Result<Vec<String>, String>) -> usize {
    let started = Instant::now();
    let mut scratch = match ScratchDir::new("files") {
        Ok(scratch) => scratch,
        Err(error) => {
            println!("  FAILED: no scratch folder: {error}");
            return 1;
        }
    };
    let result = work(&scratch.path);
    let seconds = started.elapsed().as_secs_f64();
    match result {
        Ok(lines) => {
            lines.iter().for_each(|line| println!("  equal: {line}"));
            println!("  ({seconds:.1} s)");
            0
        }
        Err(why) => {
            scratch.keep = keep;
            let place = if keep { format!(" (kept: {})", scratch.path.display()) } else { String::new() };
            println!("  FAILED after {seconds:.1} s: {why}{place}");
            1
        }
    }
}

fn parse(mut words: impl Iterator<Item = String>) -> Result<Option<Arguments>, String> {
    let mut arguments = Arguments {
        znodes: 200_000,
        small: 5_000,
        round_trips: 20,
        seed: 1,
        kinds: [Kind::Apache, Kind::Zkrs],
        require: false,
        keep: false,
    };
    while let Some(word) = words.next() {
        let mut value = || words.next().ok_or_else(|| format!("{word} needs a value"));
        let number = |text: String| text.parse::<u64>().map_err(|error| format!("'{text}': {error}"));
        match word.as_str() {
            "-h" | "--help" => return Ok(None),
            "--znodes" => arguments.znodes = number(value()?)? as usize,
            "--small" => arguments.small = number(value()?)?.max(100) as usize,
            "--round-trips" => arguments.round_trips = number(value()?)?,
            "--seed" => arguments.seed = number(value()?)?,
            "--a" => arguments.kinds[0] = Kind::parse(&value()?)?,
            "--b" => arguments.kinds[1] = Kind::parse(&value()?)?,
            "--require" => arguments.require = true,
            "--keep" => arguments.keep = true,
            _ => return Err(format!("unknown option '{word}'")),
        }
    }
    Ok(Some(arguments))
}
