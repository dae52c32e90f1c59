//! `kill -9` of the real server under load, again and again, on one directory.
//!
//! Several clients write with many requests in flight. After every kill the server starts again on what it left, and
//! each client finds exactly what it was promised: everything acknowledged, and of what was still in flight the
//! first so many requests, each once, whole and in order. Sessions live on with their ephemerals, closed ones stay
//! closed, abandoned ones expire.
//!
//! `ZKRS_KILLS` sets how often (default 10), `ZKRS_KILL_SEED` from where; `tests/crash-kill.sh` runs the campaign.

mod kill;
mod wire;

use std::sync::mpsc;
use std::time::Duration;

use kill::random::Random;
use kill::server::ServerProcess;
use kill::sleeper::Sleeper;
use kill::writer::Writer;
use wire::{PATIENCE, TempDir, word};

const WRITERS: u32 = 6;

#[test]
fn killed_servers_keep_their_promises() {
    let kills: u32 = number("ZKRS_KILLS").unwrap_or(10);
    let seed: u64 = number("ZKRS_KILL_SEED").unwrap_or(1);
    println!("{kills} kills, ZKRS_KILL_SEED={seed}");
    let mut random = Random::new(seed);
    let dir = TempDir::new("kill");
    let mut server = ServerProcess::start(dir.path());
    let mut writers: Vec<Writer> = (0..WRITERS).map(|id| Writer::new(id, random.fork())).collect();
    let mut sleeper = Sleeper::default();
    let (mut acknowledged, mut in_flight, mut survived) = (0, 0, 0);
    for kill in 1..=kills {
        if random.below(5) == 0 {
            sleeper.lie_down(server.address);
        }
        acknowledged += load(&mut server, &mut writers, random.below(1500) + 1);
        if random.below(4) == 0 {
            // Once more before anybody is served, somewhere in the recovery.
            server.spawn();
            let moment = Duration::from_micros(random.below(40_000));
            server.kill_after(moment);
        }
        server.restart();
        let last_zxid = writers.iter().map(Writer::last_zxid).max().unwrap_or(0);
        assert!(server.zxid() >= last_zxid, "kill {kill}: the server went back behind 0x{last_zxid:x}");
        for writer in &mut writers {
            in_flight += writer.in_flight() as u64;
            survived +=
                writer.verify(server.address).unwrap_or_else(|problem| panic!("kill {kill}: {problem}"));
        }
        sleeper.is_gone(server.address);
        let mntr = word(server.address, "mntr");
        assert!(
            mntr.contains("zk_digest_mismatches_count\t0\n"),
            "kill {kill}: the digests come true: {mntr}"
        );
    }
    assert!(acknowledged > u64::from(kills), "there was load");
    println!(
        "{kills} kills: {acknowledged} acknowledged writes kept; of {in_flight} in flight {survived} were carried out, \
         each once and in order"
    );
}

/// Lets all writers write until so many requests were acknowledged, then kills the server; how many were.
fn load(server: &mut ServerProcess, writers: &mut [Writer], wanted: u64) -> u64 {
    let address = server.address;
    let (acks, heard) = mpsc::channel::<u64>();
    let mut total = 0;
    std::thread::scope(|scope| {
        for writer in writers.iter_mut() {
            let acks = acks.clone();
            scope.spawn(move || writer.write_until_closed(address, &acks));
        }
        drop(acks);
        while total < wanted {
            total += heard.recv_timeout(PATIENCE).expect("the writers are served");
        }
        server.kill_now();
        total += heard.iter().sum::<u64>();
    });
    total
}

fn number<T: std::str::FromStr>(name: &str) -> Option<T> {
    let text = std::env::var(name).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{name}={text} is not a number")))
}
