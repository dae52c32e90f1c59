//! The members of an ensemble as `server.N`, `group.N`, `weight.N` and the dynamic file name them.
//!
//! The form is that of `QuorumPeer.QuorumServer` and `QuorumHierarchical` of Apache ZooKeeper 3.9.5. Names are kept
//! as they were written: they are resolved when they are used, and again whenever a connection is made anew.

use std::collections::BTreeMap;

use super::problem::Problems;
use super::settings::{Setting, Settings, trim};
use super::value::{is_host, parse_port};

/// The servers of a configuration, and how their votes count.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PeersConfig {
    /// All servers by their id.
    pub servers: BTreeMap<i64, ServerSpec>,
    /// The group of each server of a hierarchical quorum; empty: a plain majority.
    pub groups: BTreeMap<i64, i64>,
    /// The weights that were set, by server; the others have weight 1.
    pub weights: BTreeMap<i64, i64>,
    /// Whether `group.*` or `weight.*` was set.
    pub hierarchical: bool,
    /// The version of the membership: the hexadecimal suffix of the dynamic file's name, else 0.
    pub version: u64,
}

impl PeersConfig {
    /// How many servers vote.
    pub fn participants(&self) -> usize {
        self.servers.values().filter(|server| server.role == PeerRole::Participant).count()
    }

    /// How many servers only observe.
    pub fn observers(&self) -> usize {
        self.servers.len() - self.participants()
    }
}

/// One `server.N` line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerSpec {
    /// Its addresses for peers; at least one.
    pub addresses: Vec<PeerAddress>,
    /// Whether it votes.
    pub role: PeerRole,
    /// Where it listens for clients, if the line says so.
    pub client: Option<HostPort>,
}

/// A host with its two peer ports.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeerAddress {
    /// Host name or address, without brackets.
    pub host: String,
    /// The port on which a leader serves followers.
    pub peer_port: u16,
    /// The port of elections.
    pub election_port: u16,
}

/// A host and a port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostPort {
    /// Host name or address, without brackets.
    pub host: String,
    /// The port; 0 lets the system choose.
    pub port: u16,
}

/// Whether a server votes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PeerRole {
    /// Votes in elections and on proposals.
    #[default]
    Participant,
    /// Follows the leader without a vote.
    Observer,
}

const FORM: &str = "write e.g. server.1=zoo1:2888:3888:participant;2181";

/// Reads all `server.*`, `group.*` and `weight.*` settings.
pub(super) fn read(settings: &Settings, problems: &mut Problems) -> PeersConfig {
    let mut peers = PeersConfig::default();
    for (id, setting) in settings.family("server.") {
        if let Some((id, server)) = read_server(settings, id, setting, problems) {
            peers.servers.insert(id, server);
        }
    }
    for (id, setting) in settings.family("group.") {
        peers.hierarchical = true;
        read_group(id, setting, &mut peers, problems);
    }
    for (id, setting) in settings.family("weight.") {
        peers.hierarchical = true;
        match (id.parse(), setting.value.parse()) {
            (Ok(id), Ok(weight)) if weight >= 0 => _ = peers.weights.insert(id, weight),
            _ => wrong(setting, problems, "is not weight.<server id>=<weight>", "write e.g. weight.1=1"),
        }
    }
    peers
}

fn read_server(
    settings: &Settings,
    id: &str,
    setting: &Setting,
    problems: &mut Problems,
) -> Option<(i64, ServerSpec)> {
    let Some(id) = id.parse().ok().filter(|id| *id >= 0) else {
        wrong(setting, problems, "the server id is not a whole number from 0", FORM);
        return None;
    };
    match parse_server(&setting.value) {
        Ok(server) if server.addresses.len() > 1 && !settings.switch("multiAddress.enabled") => {
            let problem = "has several addresses, but multiAddress.enabled is not true";
            wrong(setting, problems, problem, "write multiAddress.enabled=true, or one address");
            None
        }
        Ok(server) => Some((id, server)),
        Err(problem) => {
            wrong(setting, problems, &problem, FORM);
            None
        }
    }
}

fn read_group(id: &str, setting: &Setting, peers: &mut PeersConfig, problems: &mut Problems) {
    let members: Result<Vec<i64>, _> = java_split(&setting.value, ':').into_iter().map(str::parse).collect();
    let (Ok(group), Ok(members)) = (id.parse::<i64>(), members) else {
        return wrong(
            setting,
            problems,
            "is not group.<id>=<server id>:<server id>...",
            "write e.g. group.1=1:2:3",
        );
    };
    for member in members {
        if peers.groups.insert(member, group).is_some() {
            let problem = format!("server {member} is in a group already");
            wrong(setting, problems, &problem, "name every server in one group");
        }
    }
}

fn wrong(setting: &Setting, problems: &mut Problems, problem: &str, remedy: &str) {
    problems.error(&setting.origin, &setting.written, problem.to_owned(), remedy.to_owned());
}

/// Reads `host:peerPort:electionPort[:role]`, further addresses after `|`, and `[clientHost:]clientPort` after `;`.
pub(super) fn parse_server(text: &str) -> Result<ServerSpec, String> {
    let parts = java_split(text, ';');
    if parts.is_empty() || parts.len() > 2 {
        return Err("is not host:peerPort:electionPort[:role][;[clientHost:]clientPort]".to_owned());
    }
    let client = parts.get(1).map(|client| parse_client(client)).transpose()?;
    let mut addresses = Vec::new();
    let mut role = None;
    for address in java_split(parts[0], '|') {
        let (address, its_role) = parse_address(address)?;
        if its_role.is_some() && role.is_some() && its_role != role {
            return Err("has addresses with different roles".to_owned());
        }
        role = role.or(its_role);
        addresses.push(address);
    }
    if addresses.is_empty() {
        return Err("has no address".to_owned());
    }
    Ok(ServerSpec { addresses, role: role.unwrap_or_default(), client })
}

fn parse_address(text: &str) -> Result<(PeerAddress, Option<PeerRole>), String> {
    let (host, rest) = split_host(trim(text))?;
    let (peer, election, role) = match rest[..] {
        [peer, election] => (peer, election, None),
        [peer, election, role] => (peer, election, Some(parse_role(role)?)),
        _ => return Err("is not host:peerPort:electionPort[:role]".to_owned()),
    };
    let (peer_port, election_port) = (named_port("peer", peer)?, named_port("election", election)?);
    if peer_port == election_port {
        return Err(format!("has the port {peer_port} for both peers and elections"));
    }
    Ok((PeerAddress { host, peer_port, election_port }, role))
}

fn parse_client(text: &str) -> Result<HostPort, String> {
    let text = trim(text);
    if !text.contains(':') {
        return Ok(HostPort { host: "0.0.0.0".to_owned(), port: named_port("client", text)? });
    }
    let (host, rest) = split_host(text)?;
    match rest[..] {
        [port] => Ok(HostPort { host, port: named_port("client", port)? }),
        _ => Err("has a client address that is not [clientHost:]clientPort".to_owned()),
    }
}

/// The host, and what follows it between colons; an IPv6 address stands in brackets (ConfigUtils.getHostAndPort).
fn split_host(text: &str) -> Result<(String, Vec<&str>), String> {
    let (host, rest) = match text.strip_prefix('[') {
        Some(open) => open.split_once(']').ok_or("has a [ without its ]")?,
        None => text.split_at(text.find(':').unwrap_or(text.len())),
    };
    let rest = match rest.strip_prefix(':') {
        Some(rest) => java_split(rest, ':'),
        None if rest.is_empty() => Vec::new(),
        None => return Err("has something other than a : after the ]".to_owned()),
    };
    let bracketed = text.starts_with('[');
    if !is_host(host) || host.starts_with('[') || (bracketed && !host.contains(':')) {
        return Err("has no valid host name or address".to_owned());
    }
    Ok((host.to_owned(), rest))
}

fn named_port(what: &str, text: &str) -> Result<u16, String> {
    parse_port(text).ok_or_else(|| format!("the {what} port is not a port number from 0 to 65535"))
}

/// `participant` or `observer`, in any case of letters.
pub(super) fn parse_role(text: &str) -> Result<PeerRole, String> {
    match trim(text).to_ascii_lowercase().as_str() {
        "participant" => Ok(PeerRole::Participant),
        "observer" => Ok(PeerRole::Observer),
        _ => Err("has a role that is neither participant nor observer".to_owned()),
    }
}

/// Java's `String.split`: empty parts at the end do not count.
fn java_split(text: &str, separator: char) -> Vec<&str> {
    let mut parts: Vec<&str> = text.split(separator).collect();
    while parts.last().is_some_and(|part| part.is_empty()) {
        parts.pop();
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(host: &str, peer_port: u16, election_port: u16) -> PeerAddress {
        PeerAddress { host: host.to_owned(), peer_port, election_port }
    }

    fn client(host: &str, port: u16) -> Option<HostPort> {
        Some(HostPort { host: host.to_owned(), port })
    }

    #[test]
    fn server_lines() {
        use PeerRole::{Observer, Participant};
        let zoo1 = || address("zoo1", 2888, 3888);
        let table = [
            ("zoo1:2888:3888", vec![zoo1()], Participant, None),
            ("zoo1:2888:3888;", vec![zoo1()], Participant, None),
            ("zoo1:2888:3888:observer", vec![zoo1()], Observer, None),
            ("zoo1:2888:3888: PARTICIPANT ", vec![zoo1()], Participant, None),
            ("zoo1:2888:3888;2181", vec![zoo1()], Participant, client("0.0.0.0", 2181)),
            ("zoo1:2888:3888:observer;zoo1:2181", vec![zoo1()], Observer, client("zoo1", 2181)),
            ("[::1]:2888:3888;[::]:2181", vec![address("::1", 2888, 3888)], Participant, client("::", 2181)),
            ("zoo1:2888:3888|zoo2:2889:3889", vec![zoo1(), address("zoo2", 2889, 3889)], Participant, None),
            (
                "zoo1:2888:3888:observer|zoo2:2889:3889:observer;2181",
                vec![zoo1(), address("zoo2", 2889, 3889)],
                Observer,
                client("0.0.0.0", 2181),
            ),
        ];
        for (text, addresses, role, client) in table {
            assert_eq!(parse_server(text), Ok(ServerSpec { addresses, role, client }), "{text}");
        }
    }

    #[test]
    fn wrong_server_lines() {
        let table = [
            ("", "is not host:peerPort:electionPort[:role][;[clientHost:]clientPort]"),
            ("a:1:2;3;4", "is not host:peerPort:electionPort[:role][;[clientHost:]clientPort]"),
            ("a", "is not host:peerPort:electionPort[:role]"),
            ("a:2888", "is not host:peerPort:electionPort[:role]"),
            ("a:1:2:observer:x", "is not host:peerPort:electionPort[:role]"),
            ("a:1:2:leader", "has a role that is neither participant nor observer"),
            ("a:1:2|b:1:2:observer|c:1:2:participant", "has addresses with different roles"),
            ("a:x:2", "the peer port is not a port number from 0 to 65535"),
            ("a:1:70000", "the election port is not a port number from 0 to 65535"),
            ("a:2888:2888", "has the port 2888 for both peers and elections"),
            ("a:1:2;x", "the client port is not a port number from 0 to 65535"),
            ("a:1:2;b:1:2", "has a client address that is not [clientHost:]clientPort"),
            ("[::1:2888:3888", "has a [ without its ]"),
            ("[::1]x:2888:3888", "has something other than a : after the ]"),
            ("[zoo1]:2888:3888", "has no valid host name or address"),
            (":2888:3888", "has no valid host name or address"),
            ("a b:2888:3888", "has no valid host name or address"),
            ("|", "has no address"),
        ];
        for (text, expected) in table {
            assert_eq!(parse_server(text).expect_err(text), expected, "{text}");
        }
    }

    fn read_text(text: &str) -> (PeersConfig, Vec<String>) {
        let (mut settings, mut problems) = (Settings::default(), Problems::default());
        settings.add_file("zoo.cfg", text.as_bytes(), &mut problems);
        let peers = read(&settings, &mut problems);
        (peers, problems.errors.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn groups_and_weights() {
        let (peers, errors) =
            read_text("server.1=a:1:2\nserver.2=b:1:2:observer\ngroup.1=1:3\ngroup.2=2\nweight.1=0");
        assert_eq!(errors, [""; 0]);
        assert_eq!((peers.participants(), peers.observers(), peers.hierarchical), (1, 1, true));
        assert_eq!(peers.groups.into_iter().collect::<Vec<_>>(), [(1, 1), (2, 2), (3, 1)]);
        assert_eq!(peers.weights.into_iter().collect::<Vec<_>>(), [(1, 0)]);
    }

    #[test]
    fn wrong_members_are_all_reported() {
        let text = "server.x=a:1:2\nserver.1=a:1:2|b:1:2\ngroup.1=1:x\ngroup.2=1\ngroup.3=1\nweight.1=-1\nserver.2=a";
        let (_, mut errors) = read_text(text);
        errors.sort();
        let expected = [
            "zoo.cfg:1: server.x: the server id is not a whole number from 0; write e.g. server.1=zoo1:2888:3888:participant;2181",
            "zoo.cfg:2: server.1: has several addresses, but multiAddress.enabled is not true; write multiAddress.enabled=true, or one address",
            "zoo.cfg:3: group.1: is not group.<id>=<server id>:<server id>...; write e.g. group.1=1:2:3",
            "zoo.cfg:5: group.3: server 1 is in a group already; name every server in one group",
            "zoo.cfg:6: weight.1: is not weight.<server id>=<weight>; write e.g. weight.1=1",
            "zoo.cfg:7: server.2: is not host:peerPort:electionPort[:role]; write e.g. server.1=zoo1:2888:3888:participant;2181",
        ];
        assert_eq!(errors, expected);
    }
}
