//! One data directory handed from server to server and back, with random writes at each.

use super::{OpenSession, State, Stop, apache_tools, last_zxid, monitored};
use crate::client::Client;
use crate::generate::generate;
use crate::rng::{Rng, sequence_seed};
use crate::server::{Kind, Server};
use crate::side::{Answer, Side};
use crate::step::World;
use std::path::Path;

/// Sequences of random steps at each server.
const SEQUENCES_PER_LEG: u64 = 6;

/// Goes through `legs` servers of alternating kind and compares the state before each stop with that after
/// the next start. Returns what was compared, one line per leg.
///
/// # Errors
/// A message with the first difference.
pub fn round_trip(kinds: [Kind; 2], legs: usize, seed: u64, scratch: &Path) -> Result<Vec<String>, String> {
    let mut rng = Rng::new(seed);
    let mut lines = Vec::new();
    let mut expected: Option<(State, Vec<OpenSession>)> = None;
    for leg in 0..legs {
        let kind = kinds[leg % 2];
        let compression = *rng.pick(&["", "gz", "snappy"]);
        let snap_count = *rng.pick(&["20", "100", "100000"]);
        let stop = *rng.pick(&[Stop::Clean, Stop::Kill]);
        let mut config = vec![("extendedTypesEnabled", "true"), ("snapCount", snap_count)];
        if !compression.is_empty() {
            config.push(("snapshot.compression.method", compression));
        }
        let server = Server::start(kind, scratch, &config)?;
        let mut resumed = 0;
        if let Some((before, sessions)) = expected.take() {
            resumed = check(&server, &before, &sessions)?;
        }
        let mut side = Side::new(server)?;
        for index in 0..SEQUENCES_PER_LEG {
            let root = format!("/d{:04x}{index:04x}", leg + 1);
            let mut world = World { root: root.clone(), ..World::default() };
            side.start_sequence(&root)?;
            for step in generate(sequence_seed(seed, (leg as u64) << 32 | index)) {
                let mut answer = Answer::default();
                let sent = side.begin(&step, &world, &mut answer);
                side.finish(&step, sent, &mut answer);
                world.learn(answer.facts);
            }
            side.settle();
        }
        let (server, sessions) = side.into_server();
        let zxid_client = &mut Client::open_super(server.address)?;
        let state = State::read(&server, zxid_client, last_zxid(&server)?)?;
        lines.push(format!(
            "{kind:?} ({stop:?}, compression '{compression}', snapCount {snap_count}): {resumed} sessions resumed, then {} znodes, {} session lines, zxid {:#x}",
            state.tree.len(),
            state.sessions.len(),
            state.zxid
        ));
        stop.end(server)?;
        apache_tools::judge(&scratch.join("data"))?;
        expected = Some((state, sessions));
    }
    Ok(lines)
}

/// Compares what a server loaded with what the one before it had; ends the old sessions.
fn check(server: &Server, before: &State, sessions: &[OpenSession]) -> Result<usize, String> {
    let zxid = last_zxid(server)?;
    let mut client = Client::open_super(server.address)?;
    let mut after = State::read(server, &mut client, zxid)?;
    // The client that read the state before the stop was not among its sessions, but its session lives.
    let known = |line: &String| before.sessions.contains(line) || !line.ends_with("is tracked");
    let reader = after.sessions.iter().filter(|line| !known(line)).count();
    after.sessions.retain(known);
    let differences = before.differences(&after);
    if !differences.is_empty() || reader != 1 {
        return Err(format!(
            "{:?}, {reader} unknown sessions, differences:\n    {}",
            server.kind,
            differences.join("\n    ")
        ));
    }
    if monitored(server, "zk_digest_mismatches_count")? != 0 {
        return Err(format!("{:?} counts digest mismatches", server.kind));
    }
    for session in sessions {
        let mut client = Client::resume(server.address, session.timeout_ms, session.id)
            .map_err(|why| format!("{:?}: {why}", server.kind))?;
        let (header, _) = client.call(crate::op::CLOSE_SESSION, &[])?;
        if header.err != 0 {
            return Err(format!("closeSession: error {}", header.err));
        }
    }
    Ok(sessions.len())
}
