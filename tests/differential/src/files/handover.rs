//! One data directory, two readers: the server that wrote it, started again, and the other one.

use super::build::{Built, Call, build, create, open_acl, set_data};
use super::{
    OpenSession, State, Stop, apache_tools, copy_dir, last_zxid, monitored, tree_differences, txn_log,
};
use crate::client::Client;
use crate::op;
use crate::reply::Names;
use crate::server::{Kind, Server};
use std::path::{Path, PathBuf};

/// `zoo.cfg` keys of every server here: TTL znodes, enforced quotas, and snapshots often enough that a
/// directory holds both snapshots and the logs that follow them.
const CONFIG: [(&str, &str); 2] = [("extendedTypesEnabled", "true"), ("enforceQuota", "true")];

/// Trees built until one has right digests.
const BUILD_ATTEMPTS: usize = 5;

/// A hand-over to do.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Who writes.
    pub from: Kind,
    /// Who takes over.
    pub to: Kind,
    /// How the writer ends.
    pub stop: Stop,
    /// `snapshot.compression.method`: empty, `gz` or `snappy`.
    pub compression: &'static str,
    /// Size of the tree.
    pub znodes: usize,
    /// Transactions between snapshots.
    pub snap_count: String,
    /// Seed of the tree's contents.
    pub seed: u64,
}

/// What was compared, for people; every line is a fact that held.
#[derive(Debug, Default)]
pub struct Report {
    /// The facts.
    pub lines: Vec<String>,
}

impl Plan {
    /// The configuration of both servers.
    pub fn config(&self) -> Vec<(&str, &str)> {
        let mut config = CONFIG.to_vec();
        config.push(("snapshot.compression.method", self.compression));
        config.push(("snapCount", &self.snap_count));
        config.retain(|(_, value)| !value.is_empty());
        config
    }

    /// Builds the tree, stops the writer, and compares the two readers.
    ///
    /// # Errors
    /// A message with the first difference.
    pub fn run(&self, scratch: &Path) -> Result<Report, String> {
        let (origin, server, built) = self.write(scratch)?;
        let mut reader = Client::open_super(server.address)?;
        let before = State::read(&server, &mut reader, last_zxid(&server)?)?;
        let reader_session = OpenSession { id: reader.session, timeout_ms: reader.timeout_ms };
        self.stop.end(server)?;
        drop(reader);
        let Built { mut sessions, clients, counters } = built;
        drop(clients);
        sessions.push(reader_session);
        let copies = [scratch.join("same"), scratch.join("other")];
        for copy in &copies {
            copy_dir(&origin.join("data"), &copy.join("data"))?;
        }
        self.compare(&before, &sessions, &counters, &copies)
    }

    /// Builds the tree. Now and then Apache predicts digests of pipelined writes wrongly, finds that out
    /// itself and has logged them already; such a directory is of no use to compare digests with.
    fn write(&self, scratch: &Path) -> Result<(PathBuf, Server, Built), String> {
        for attempt in 0..BUILD_ATTEMPTS {
            let origin = scratch.join(format!("origin-{attempt}"));
            let server = Server::start(self.from, &origin, &self.config())?;
            let built = build(server.address, self.znodes, self.seed)?;
            match monitored(&server, "zk_digest_mismatches_count")? {
                0 => return Ok((origin, server, built)),
                _ if self.from == Kind::Apache => {}
                count => return Err(format!("zkrs counts {count} digest mismatches")),
            }
        }
        Err(format!("Apache logged wrong digests {BUILD_ATTEMPTS} times"))
    }

    fn compare(
        &self,
        before: &State,
        sessions: &[OpenSession],
        counters: &[String],
        copies: &[PathBuf; 2],
    ) -> Result<Report, String> {
        let mut report = Report::default();
        let logged = txn_log::read_all(&copies[0].join("data"))?;
        let last = logged.last().ok_or("the writer's log is empty")?;
        same("last zxid in the log and in srvr", &last.zxid, &before.zxid)?;
        let last_digest = logged.iter().rev().find_map(|logged| logged.digest);
        let config = self.config();
        let same_kind = Server::start(self.from, &copies[0], &config)?;
        let other_kind = Server::start(self.to, &copies[1], &config)?;
        let mut states = Vec::new();
        let mut clients = Vec::new();
        for server in [&same_kind, &other_kind] {
            let zxid = last_zxid(server)?;
            let mut client = Client::open_super(server.address)?;
            let state = State::read(server, &mut client, zxid)?;
            let mut expected = before.clone();
            // The reading client itself is one of the sessions now.
            expected.sessions.extend(reader_lines(sessions));
            no_differences(
                &format!("{:?} after {:?}", server.kind, self.from),
                &expected.differences(&state),
            )?;
            states.push(state);
            clients.push(client);
        }
        report.lines.push(format!(
            "last zxid {:#x}, {} znodes with data, ACL and Stat",
            before.zxid,
            before.tree.len()
        ));
        report.lines.push(format!("{} lines of sessions and ephemerals in dump", states[1].sessions.len()));
        for session in sessions {
            Client::resume(other_kind.address, session.timeout_ms, session.id)
                .map_err(|why| format!("{:?}: {why}", self.to))?;
            Client::resume(same_kind.address, session.timeout_ms, session.id)?;
        }
        report.lines.push(format!("{} sessions resumed with their passwords", sessions.len()));
        let probed = probe(&mut clients, counters)?;
        report.lines.push(format!(
            "{probed} replies to writes after the hand-over: sequence numbers, quotas, versions"
        ));
        let trees: Vec<_> = clients.iter_mut().map(probed_tree).collect::<Result<_, _>>()?;
        no_differences("the tree after those writes", &tree_differences(&trees[0], &trees[1]))?;
        for server in [&same_kind, &other_kind] {
            same(
                &format!("{:?}: digest mismatches", server.kind),
                &monitored(server, "zk_digest_mismatches_count")?,
                &0,
            )?;
        }
        drop(clients);
        same_kind.stop()?;
        other_kind.stop()?;
        for (kind, copy) in [self.from, self.to].iter().zip(copies) {
            let logged = txn_log::read_all(&copy.join("data"))?;
            let first = logged.iter().find(|logged| logged.zxid > before.zxid).ok_or("nothing was logged")?;
            // A session's creation does not change the tree, so it carries the digest of what was loaded.
            same(&format!("{kind:?}: digest of the tree it loaded"), &first.digest, &last_digest)?;
            let verdict = apache_tools::judge(&copy.join("data"))?;
            same("transactions that TxnLogToolkit counts", &verdict.transactions, &logged.len())?;
            report.lines.push(format!(
                "{kind:?}'s files: {} snapshots and {} logs of {} transactions accepted by Apache's tools",
                verdict.snapshots, verdict.logs, verdict.transactions
            ));
        }
        report.lines.push(format!("tree digest {} at both", last_digest.unwrap_or_default()));
        Ok(report)
    }
}

/// What `dump` says of the session that read the state before the stop: it had no ephemerals.
fn reader_lines(sessions: &[OpenSession]) -> Vec<String> {
    sessions.last().map(|session| format!("{:#x} is tracked", session.id)).into_iter().collect()
}

/// Writes whose results depend on counters, quotas and versions; both servers must answer alike.
fn probe(clients: &mut [Client], counters: &[String]) -> Result<usize, String> {
    let mut calls: Vec<Call> = Vec::new();
    for parent in counters {
        calls.push(create(&format!("{parent}/probe-"), Some(b"probe"), &open_acl(), 2));
        calls.push(create(&format!("{parent}/probe-"), Some(b"probe"), &open_acl(), 2));
    }
    calls.push(set_data("/counters", Some(b"probe")));
    let pipelined = calls.len();
    for index in 0..8 {
        calls.push(create(&format!("/quota-hard/probe{index}"), Some(b"0123456789"), &open_acl(), 0));
        calls.push(create(&format!("/quota-soft/probe{index}"), Some(b"0123456789"), &open_acl(), 0));
    }
    calls.push(set_data("/quota-hard/old", Some(&[1; 300])));
    calls.push(set_data("/quota-hard/old", Some(&[1; 20])));
    let mut answers = Vec::new();
    for client in clients {
        let names = Names::default();
        let mut replies = client.call_all(&calls[..pipelined])?;
        // Apache checks a quota against what is applied, so only one at a time is a fixed number.
        for (op, body) in &calls[pipelined..] {
            replies.push(client.call(*op, body)?);
        }
        let lines: Vec<String> = replies
            .iter()
            .zip(&calls)
            .map(|((header, body), (op, _))| names.reply(*op, *header, body, &mut Vec::new()))
            .collect();
        answers.push(lines);
    }
    for ((one, other), (op, body)) in answers[0].iter().zip(&answers[1]).zip(&calls) {
        same(&format!("{} {}", op::name(*op).unwrap_or("?"), crate::wire::show(body)), other, one)?;
    }
    Ok(calls.len())
}

/// The znodes that the probe touched, and quotas, without the times that each server gave them.
fn probed_tree(client: &mut Client) -> Result<Vec<crate::tree::Znode>, String> {
    let mut tree = client.walk(&[b"/zookeeper", b"/quota-hard", b"/quota-soft", b"/counters", b"/multi"])?;
    for znode in &mut tree {
        znode.stat.ctime = 0;
        znode.stat.mtime = 0;
    }
    Ok(tree)
}

fn same<T: PartialEq + std::fmt::Debug>(what: &str, found: &T, expected: &T) -> Result<(), String> {
    match found == expected {
        true => Ok(()),
        false => Err(format!("{what}: {found:?}, expected {expected:?}")),
    }
}

fn no_differences(what: &str, differences: &[String]) -> Result<(), String> {
    match differences {
        [] => Ok(()),
        differences => Err(format!("{what}:\n    {}", differences.join("\n    "))),
    }
}
