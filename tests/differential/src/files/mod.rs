//! The same data directory at two servers: what one wrote, the other must read as the same state.
//!
//! [`build`] makes a tree with every kind of znode through the client protocol, [`handover`] passes a
//! directory from one server to another and compares what both make of it, [`round_trip`] does that back and
//! forth with random small trees, [`apache_tools`] lets Apache's own programs judge the files, and [`txn_log`]
//! reads the digests that each server logged.

pub mod apache_tools;
pub mod build;
pub mod handover;
pub mod round_trip;
pub mod txn_log;

use crate::client::Client;
use crate::server::Server;
use crate::tree::Znode;
use std::collections::BTreeSet;
use std::path::Path;

/// How a server is ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stop {
    /// SIGTERM.
    Clean,
    /// SIGKILL.
    Kill,
}

impl Stop {
    /// Ends the server.
    ///
    /// # Errors
    /// A message when it does not end.
    pub fn end(self, server: Server) -> Result<(), String> {
        match self {
            Self::Clean => server.stop(),
            Self::Kill => {
                server.kill();
                Ok(())
            }
        }
    }
}

/// A session that is open while its server stops.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OpenSession {
    /// Its id.
    pub id: i64,
    /// Its timeout, milliseconds.
    pub timeout_ms: i32,
}

/// What a server shows of its state, in absolute numbers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct State {
    /// `Zxid:` of `srvr`.
    pub zxid: i64,
    /// All znodes.
    pub tree: Vec<Znode>,
    /// Sessions and ephemerals that `dump` lists.
    pub sessions: BTreeSet<String>,
}

impl State {
    /// Reads it all. The reading client's own session is left out of the sessions.
    ///
    /// # Errors
    /// A message when the server does not answer.
    pub fn read(server: &Server, client: &mut Client, zxid: i64) -> Result<Self, String> {
        let tree = client.walk(&[b"/"])?;
        let own = format!("{:#x}", client.session);
        let sessions = sessions(server)?.into_iter().filter(|line| !line.contains(&own)).collect();
        Ok(Self { zxid, tree, sessions })
    }

    /// The differences between two states, at most ten, for people.
    pub fn differences(&self, other: &Self) -> Vec<String> {
        let mut found = Vec::new();
        if self.zxid != other.zxid {
            found.push(format!("last zxid {:#x} and {:#x}", self.zxid, other.zxid));
        }
        for line in self.sessions.symmetric_difference(&other.sessions) {
            let side = if self.sessions.contains(line) { "first" } else { "second" };
            found.push(format!("session line only at the {side}: {line}"));
        }
        found.extend(tree_differences(&self.tree, &other.tree));
        found.truncate(10);
        found
    }
}

/// The znodes that two trees (sorted by path) do not share.
pub fn tree_differences(one: &[Znode], other: &[Znode]) -> Vec<String> {
    let (mut one, mut other) = (one.iter().peekable(), other.iter().peekable());
    let mut found = Vec::new();
    while found.len() < 10 {
        let order = match (one.peek(), other.peek()) {
            (None, None) => break,
            (Some(_), None) => std::cmp::Ordering::Less,
            (None, Some(_)) => std::cmp::Ordering::Greater,
            (Some(one), Some(other)) => one.path.cmp(&other.path),
        };
        let left = if order.is_le() { one.next() } else { None };
        let right = if order.is_ge() { other.next() } else { None };
        if left != right {
            found.push(format!("znode at the first: {}\n      at the second: {}", show(left), show(right)));
        }
    }
    found
}

fn show(znode: Option<&Znode>) -> String {
    znode.map_or_else(
        || "none".to_string(),
        |znode| {
            format!(
                "{} '{}' {:?} {}",
                crate::wire::show(&znode.path),
                crate::wire::show_or_null(znode.data.as_deref()),
                znode.stat,
                crate::request::show_acls(znode.acl.as_deref())
            )
        },
    )
}

/// The last zxid that `srvr` shows.
///
/// # Errors
/// A message when it shows none.
pub fn last_zxid(server: &Server) -> Result<i64, String> {
    let text = server.four_letters("srvr").map_err(|error| error.to_string())?;
    let zxid = text.lines().find_map(|line| line.strip_prefix("Zxid: 0x"));
    zxid.and_then(|hex| i64::from_str_radix(hex.trim(), 16).ok()).ok_or_else(|| format!("no zxid in: {text}"))
}

/// A number that `mntr` shows.
///
/// # Errors
/// A message when it is not there.
pub fn monitored(server: &Server, key: &str) -> Result<i64, String> {
    let text = server.four_letters("mntr").map_err(|error| error.to_string())?;
    let value = text.lines().find_map(|line| line.strip_prefix(key)?.trim().split('.').next()?.parse().ok());
    value.ok_or_else(|| format!("{:?} shows no {key} in mntr", server.kind))
}

/// Session ids, and ephemerals with their sessions, as `dump` lists them.
fn sessions(server: &Server) -> Result<BTreeSet<String>, String> {
    let text = server.four_letters("dump").map_err(|error| error.to_string())?;
    let mut owner = String::new();
    let mut lines = BTreeSet::new();
    // The connections that follow differ: only some clients have come back yet.
    for line in text.lines().take_while(|line| !line.starts_with("Connections")) {
        let word = line.trim();
        if word.starts_with("0x") {
            owner = word.trim_end_matches(':').to_string();
            let kind = if word.ends_with(':') { "has ephemerals" } else { "is tracked" };
            lines.insert(format!("{owner} {kind}"));
        } else if word.starts_with('/') {
            lines.insert(format!("{owner} owns {word}"));
        }
    }
    Ok(lines)
}

/// Copies a data directory.
///
/// # Errors
/// A message naming the file that could not be copied.
pub fn copy_dir(from: &Path, to: &Path) -> Result<(), String> {
    let explain = |error: std::io::Error| format!("copy {} to {}: {error}", from.display(), to.display());
    std::fs::create_dir_all(to).map_err(explain)?;
    for entry in std::fs::read_dir(from).map_err(explain)? {
        let entry = entry.map_err(explain)?;
        let target = to.join(entry.file_name());
        if entry.file_type().map_err(explain)?.is_dir() {
            copy_dir(&entry.path(), &target)?;
        } else {
            std::fs::copy(entry.path(), target).map_err(explain)?;
        }
    }
    Ok(())
}
