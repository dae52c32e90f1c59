//! A short slice of the differential tests, for every run of the test suite.

use zkrs_differential::generate::generate;
use zkrs_differential::pair::{PROFILES, Pair};
use zkrs_differential::rng::sequence_seed;
use zkrs_differential::server::Kind;

/// `tests/differential/run.sh --slice` runs more.
const SEQUENCES_PER_PROFILE: u64 = 10;

#[test]
fn zkrs_answers_as_apache_does() {
    let kinds = [Kind::Apache, Kind::Zkrs];
    if let Some(why) = kinds.iter().find_map(|kind| kind.unavailable()) {
        eprintln!("SKIPPED: the differential tests, because {why}");
        assert!(std::env::var_os("ZKRS_REQUIRE_PEERS").is_none(), "ZKRS_REQUIRE_PEERS is set: {why}");
        return;
    }
    for (number, profile) in PROFILES.into_iter().enumerate() {
        let mut pair = Pair::start(kinds, profile).expect("both servers start");
        for index in 0..SEQUENCES_PER_PROFILE {
            let seed = sequence_seed(300 + number as u64, index);
            let outcome = pair.run(&generate(seed));
            assert!(
                !outcome.diverged(),
                "cargo run --release -p zkrs-differential -- --replay {seed:#x} --profile {}\n{:#?}\n{:?}",
                profile.name,
                outcome.records.last(),
                outcome.failure
            );
            if outcome.parted {
                pair.recover().expect("both servers go on");
            }
        }
    }
}
