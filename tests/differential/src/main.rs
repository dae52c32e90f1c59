//! The differential tester's command line.

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::time::Instant;
use zkrs_differential::generate::generate;
use zkrs_differential::op;
use zkrs_differential::pair::{Outcome, PROFILES, Pair, Profile};
use zkrs_differential::rng::sequence_seed;
use zkrs_differential::server::Kind;
use zkrs_differential::shrink::shrink;
use zkrs_differential::side::MULTI_FAILED;

const USAGE: &str = "\
Usage: zkrs-differential [--sequences N] [--seed N] [--a apache|zkrs] [--b apache|zkrs] [--profile NAME]
                         [--divergences N] [--no-shrink] [--require]
       zkrs-differential --replay SEED [--profile NAME] [--a ...] [--b ...] [--shrink]

Runs N random sequences of client requests (default 1000) against two servers, which it starts itself, and
compares everything they answer. Without --profile the sequences are spread over all profiles: soft, quota,
plain, skipacl. Exit code 1: a divergence that src/explained.rs does not explain, or a server that would not
start; 2: a wrong command line; 97: SKIPPED, where Java or the Apache jars are missing (1 under --require).

--divergences N   stop a profile after N divergences of different kinds (default 20)
ZKRS_BIN, ZKRS_APACHE_CLASSPATH: other places of the zkrs binary and of Apache's jars";

/// What a peer that cannot be had ends with, in all our test programs.
const EXIT_SKIPPED: u8 = 97;

struct Arguments {
    sequences: u64,
    seed: u64,
    kinds: [Kind; 2],
    profiles: Vec<Profile>,
    replay: Option<u64>,
    divergences: usize,
    shrinks: bool,
    require: bool,
}

fn main() -> ExitCode {
    let arguments = match parse(std::env::args().skip(1)) {
        Ok(Some(arguments)) => arguments,
        Ok(None) => {
            println!("{USAGE}");
            return ExitCode::SUCCESS;
        }
        Err(why) => {
            eprintln!("zkrs-differential: {why}\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    if let Some(why) = arguments.kinds.iter().find_map(|kind| kind.unavailable()) {
        println!("SKIPPED: the differential tests, because {why}");
        return if arguments.require { ExitCode::FAILURE } else { ExitCode::from(EXIT_SKIPPED) };
    }
    let result = match arguments.replay {
        Some(seed) => replay(&arguments, seed),
        None => campaign(&arguments),
    };
    match result {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(why) => {
            eprintln!("zkrs-differential: {why}");
            ExitCode::FAILURE
        }
    }
}

fn parse(mut words: impl Iterator<Item = String>) -> Result<Option<Arguments>, String> {
    let mut arguments = Arguments {
        sequences: 1000,
        seed: 1,
        kinds: [Kind::Apache, Kind::Zkrs],
        profiles: PROFILES.to_vec(),
        replay: None,
        divergences: 20,
        shrinks: true,
        require: false,
    };
    let mut wants_shrink = false;
    while let Some(word) = words.next() {
        let mut value = || words.next().ok_or_else(|| format!("{word} needs a value"));
        match word.as_str() {
            "-h" | "--help" => return Ok(None),
            "--sequences" => arguments.sequences = number(&value()?)?,
            "--seed" => arguments.seed = number(&value()?)?,
            "--a" => arguments.kinds[0] = Kind::parse(&value()?)?,
            "--b" => arguments.kinds[1] = Kind::parse(&value()?)?,
            "--replay" => arguments.replay = Some(number(&value()?)?),
            "--divergences" => arguments.divergences = number(&value()?)? as usize,
            "--no-shrink" => arguments.shrinks = false,
            "--shrink" => wants_shrink = true,
            "--require" => arguments.require = true,
            "--profile" => {
                let name = value()?;
                let profile = PROFILES.into_iter().find(|profile| profile.name == name);
                arguments.profiles = vec![profile.ok_or_else(|| format!("there is no profile '{name}'"))?];
            }
            _ => return Err(format!("unknown option '{word}'")),
        }
    }
    if arguments.replay.is_some() {
        arguments.shrinks = wants_shrink;
        arguments.profiles.truncate(1);
    }
    Ok(Some(arguments))
}

fn number(text: &str) -> Result<u64, String> {
    let parsed = match text.strip_prefix("0x") {
        Some(hex) => u64::from_str_radix(hex, 16),
        None => text.parse(),
    };
    parsed.map_err(|error| format!("'{text}': {error}"))
}

fn replay(arguments: &Arguments, seed: u64) -> Result<bool, String> {
    let mut pair = Pair::start(arguments.kinds, arguments.profiles[0])?;
    let steps = generate(seed);
    let outcome = match arguments.shrinks {
        true => shrink(&mut pair, &steps)?.1,
        false => pair.run(&steps),
    };
    print_outcome(&outcome);
    println!("{}", if outcome.diverged() { "DIVERGED" } else { "no divergence" });
    Ok(!outcome.diverged())
}

fn campaign(arguments: &Arguments) -> Result<bool, String> {
    let started = Instant::now();
    let total_percent: u64 = arguments.profiles.iter().map(|profile| profile.percent).sum();
    let mut first = 0;
    let mut found: BTreeMap<String, u64> = BTreeMap::new();
    let mut explained: BTreeMap<&'static str, u64> = BTreeMap::new();
    let mut results: BTreeMap<(i32, i32), u64> = BTreeMap::new();
    let mut steps_run = 0;
    let mut sequences_run = 0;
    for (index, profile) in arguments.profiles.iter().enumerate() {
        let is_last = index + 1 == arguments.profiles.len();
        let count = arguments.sequences * profile.percent / total_percent;
        let end = if is_last { arguments.sequences } else { first + count };
        let mut pair = Pair::start(arguments.kinds, *profile)?;
        let mut parted = false;
        for index in first..end {
            let seed = sequence_seed(arguments.seed, index);
            let steps = generate(seed);
            let outcome = pair.run(&steps);
            steps_run += outcome.records.len();
            sequences_run += 1;
            for result in &outcome.results {
                *results.entry(*result).or_default() += 1;
            }
            for entry in outcome.records.iter().filter_map(|record| record.explained) {
                *explained.entry(entry.entry).or_default() += 1;
            }
            if sequences_run % 1000 == 0 {
                println!("{sequences_run} sequences, {:.0} s", started.elapsed().as_secs_f64());
            }
            if !outcome.diverged() {
                if outcome.parted {
                    parted = true;
                    pair.recover()?;
                }
                continue;
            }
            let times = found.entry(outcome.signature()).or_default();
            *times += 1;
            let is_new = *times == 1;
            pair.recover()?;
            if is_new {
                println!("\n=== divergence {}: --replay {seed:#x} --profile {}", found.len(), profile.name);
                let outcome = match arguments.shrinks {
                    true => {
                        Some(shrink(&mut pair, &steps)?.1).filter(Outcome::diverged).unwrap_or_else(|| {
                            println!("(seen once, not on fresh servers)");
                            outcome
                        })
                    }
                    false => outcome,
                };
                print_outcome(&outcome);
            }
            if found.len() >= arguments.divergences {
                println!("stopped after {} kinds of divergence", found.len());
                break;
            }
        }
        let [a, b] = pair.last_zxids();
        // A sequence that ended early may have taken a transaction more at one of them.
        if a != b && found.is_empty() && !parted {
            println!("profile {}: the servers end at different zxids: {a} and {b}", profile.name);
            *found.entry("zxid at the end".to_string()).or_default() += 1;
        }
        first = end;
        if found.len() >= arguments.divergences {
            break;
        }
    }
    let [a, b] = arguments.kinds;
    println!(
        "\n{a:?} and {b:?}, seed {}: {sequences_run} sequences, {steps_run} steps, {:.0} s",
        arguments.seed,
        started.elapsed().as_secs_f64()
    );
    print_results(&results);
    for (entry, times) in &explained {
        println!("explained, {times} times: {entry}");
    }
    for (signature, times) in &found {
        println!("DIVERGED, {times} times: {signature}");
    }
    println!("{} unexplained divergences", found.values().sum::<u64>());
    Ok(found.is_empty())
}

/// How often each request ended how: a generator that only makes errors would show here.
fn print_results(results: &BTreeMap<(i32, i32), u64>) {
    let mut lines: BTreeMap<String, String> = BTreeMap::new();
    for ((op, err), times) in results {
        let name = op::name(*op).map_or_else(|| "unknown".to_string(), str::to_string);
        let result = match *err {
            0 => "ok".to_string(),
            MULTI_FAILED => "failed".to_string(),
            err => err.to_string(),
        };
        lines.entry(name).or_default().push_str(&format!(" {result}:{times}"));
    }
    println!("replies of the first server, result:times");
    lines.iter().for_each(|(name, line)| println!("  {name:22}{line}"));
}

fn print_outcome(outcome: &Outcome) {
    for record in &outcome.records {
        println!("{}", record.step);
        if record.a == record.b {
            record.a.iter().for_each(|line| println!("    = {line}"));
            continue;
        }
        for line in &record.a {
            println!("    {} {line}", if record.b.contains(line) { "=" } else { "A" });
        }
        record.b.iter().filter(|line| !record.a.contains(line)).for_each(|line| println!("    B {line}"));
        if let Some(entry) = record.explained {
            println!("    (explained: {}: {})", entry.entry, entry.reason);
        } else {
            let at = record.a.iter().zip(&record.b).take_while(|(a, b)| a == b).count();
            println!("    ^ they differ from line {} on", at + 1);
        }
    }
    if let Some(failure) = &outcome.failure {
        println!("FAILED: {failure}");
    }
}
