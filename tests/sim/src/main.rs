//! `zkrs-sim`: cuts the power of a simulated server until its promises break, or the seeds run out.
//!
//! `--images N` recovers and compares at least N crash images (default 100,000); `--seed S` runs one seed and says
//! what it saw. Exit status 1 on any violation.

use std::io::{IsTerminal, Write};
use std::process::ExitCode;

use zkrs_sim::campaign::{Plan, Tally, run};

const USAGE: &str = "usage: zkrs-sim [--images N] [--from SEED] | --seed SEED";

fn main() -> ExitCode {
    let mut args = std::env::args().skip(1);
    let (mut images, mut from, mut only) = (100_000, 0, None);
    while let Some(flag) = args.next() {
        let value = args.next().and_then(|value| value.parse::<u64>().ok());
        match (flag.as_str(), value) {
            ("--images", Some(value)) => images = value,
            ("--from", Some(value)) => from = value,
            ("--seed", Some(value)) => only = Some(value),
            _ => {
                eprintln!("{USAGE}");
                return ExitCode::from(2);
            }
        }
    }
    let plan = Plan::default();
    let mut total = Tally::default();
    let mut seed = only.unwrap_or(from);
    loop {
        match run(seed, &plan) {
            Ok(tally) => total.add(&tally),
            Err(violation) => {
                eprintln!("\nVIOLATION: {violation}\nreplay: zkrs-sim --seed {}", violation.seed);
                return ExitCode::FAILURE;
            }
        }
        if only.is_some() || total.images >= images {
            break;
        }
        seed += 1;
        if std::io::stderr().is_terminal() {
            eprint!("\r{} of {images} crash images", total.images);
            let _ = std::io::stderr().flush();
        }
    }
    println!(
        "{} crash images recovered and compared ({} had lost unacknowledged transactions, {} fell into a snapshot), \
         {} transactions, 0 violations, trace {:016x}",
        total.images, total.images_shortened, total.images_in_snapshot, total.txns, total.trace
    );
    ExitCode::SUCCESS
}
