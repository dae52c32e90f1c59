//! The rules for the list of servers: what makes an ensemble, and what an ensemble needs.

use super::peers::PeerRole;
use super::problem::{Origin, Problems, shown};
use super::server_config::ServerConfig;
use super::settings::Settings;
use super::value;

/// The rules for the list of servers (QuorumPeerConfig.parseDynamicConfig and checkValidity).
pub(super) fn check(config: &ServerConfig, file: &str, settings: &Settings, problems: &mut Problems) {
    let peers = &config.peers;
    let (participants, observers) = (peers.participants(), peers.observers());
    let origin = Origin::file(file);
    let mut error = |key: &str, problem: String, remedy: &str| {
        problems.error(&origin, key, problem, remedy.to_owned());
    };
    if participants == 0 && !config.standalone_enabled {
        let problem = "is false, but no server line names a participant".to_owned();
        error("standaloneEnabled", problem, "write e.g. server.1=zoo1:2888:3888;2181");
    } else if participants <= 1 && observers > 0 && config.standalone_enabled {
        let problem = "there are observers, but too few participants for a quorum".to_owned();
        error("server", problem, "name at least two participants");
    }
    if peers.hierarchical {
        for (id, server) in &peers.servers {
            if server.role == PeerRole::Participant && !peers.groups.contains_key(id) {
                let problem = format!("server {id} is in no group, but groups or weights are set");
                error(&format!("server.{id}"), problem, "name every participant in one group");
            }
        }
        for (id, group) in peers.groups.iter().filter(|(id, _)| !peers.servers.contains_key(id)) {
            let problem = format!("names server {id}, of which there is no server line");
            error(&format!("group.{group}"), problem, "remove the server from the group, or add its line");
        }
    }
    if !config.is_distributed() {
        return;
    }
    for (name, ticks) in [("initLimit", config.init_limit_ticks), ("syncLimit", config.sync_limit_ticks)] {
        if ticks == 0 && settings.get(name).is_none_or(|s| value::parse_int(s.key.read, &s.value).is_some()) {
            error(name, "is not set, but needed in an ensemble".to_owned(), &format!("write e.g. {name}=5"));
        }
    }
    if config.server_id.is_none() {
        let path = config.data_dir.join("myid");
        let problem = format!("the file {} is missing", shown(&path.to_string_lossy()));
        error("dataDir", problem, "write this server's id to it, one line with a number");
    }
}

impl ServerConfig {
    /// Whether this is a member of an ensemble, not a server that stands alone (QuorumPeerConfig.isDistributed).
    pub fn is_distributed(&self) -> bool {
        !self.standalone_enabled || self.peers.participants() > 1
    }
}

/// Refuses ensembles, which this build cannot serve yet.
pub(super) fn refuse(config: &ServerConfig, file: &str, problems: &mut Problems) {
    if config.is_distributed() {
        let origin = Origin::file(file);
        let problem = match config.peers.participants() {
            1 => "standaloneEnabled=false asks for an ensemble, but this build serves standalone only"
                .to_owned(),
            many => format!("there are {many} participants, but this build serves standalone only"),
        };
        let remedy = "leave one server line, or none, and standaloneEnabled=true";
        problems.error(&origin, "server", problem, remedy.to_owned());
    }
}
