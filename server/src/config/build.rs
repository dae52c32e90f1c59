//! Makes a [`ServerConfig`] of settings: defaults that depend on other keys, values that Apache ZooKeeper replaces,
//! and the rules between keys (QuorumPeerConfig.parseProperties of 3.9.5). The rules for ensembles are in `ensemble`.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::peers::{HostPort, PeerRole, PeersConfig};
use super::problem::{Problems, WarningKind, shown};
use super::secret::Secret;
use super::server_config::*;
use super::settings::Settings;

/// The words of 3.9.5.
const WORDS: &[&str] = &[
    "conf", "cons", "crst", "dirs", "dump", "envi", "gtmk", "hash", "isro", "mntr", "ruok", "srst", "srvr",
    "stat", "stmk", "wchc", "wchp", "wchs",
];

/// Schemes that 3.9.5 knows but this build cannot authenticate by.
const SCHEMES_NOT_ACTIVE: &[&str] = &["x509", "ensemble", "key"];

/// What the settings stand on: the file's name for messages, and what was found beside it.
pub(super) struct Surroundings<'a> {
    pub file: &'a str,
    pub server_id: Option<i64>,
    pub peers: PeersConfig,
    pub sasl_users: Vec<(String, Secret)>,
}

struct Builder<'a> {
    settings: &'a Settings,
    file: &'a str,
    problems: &'a mut Problems,
}

/// Makes the configuration; whatever is wrong is in `problems`, and then the result must not be used.
pub(super) fn build(settings: &Settings, around: Surroundings<'_>, problems: &mut Problems) -> ServerConfig {
    let Surroundings { file, server_id, peers, sasl_users } = around;
    let mut builder = Builder { settings, file, problems };
    let data_dir = builder.data_dir("dataDir").unwrap_or_else(|| {
        builder.error("dataDir", "is not set", "write e.g. dataDir=/var/lib/zookeeper");
        PathBuf::new()
    });
    let data_log_dir = builder.data_dir("dataLogDir").unwrap_or_else(|| data_dir.clone());
    builder.check_peer_type(server_id, &peers);
    builder.check_quorum_sasl();
    builder.check_secure_address();
    ServerConfig {
        config_file: None,
        dynamic_config_file: settings.text("dynamicConfigFile").map(PathBuf::from),
        data_dir,
        data_log_dir,
        data_dir_autocreate: settings.switch("datadir.autocreate"),
        db_autocreate: settings.switch("db.autocreate"),
        server_id,
        clients: builder.clients(server_id, &peers),
        sessions: builder.sessions(),
        requests: builder.requests(),
        connection_throttle: builder.connection_throttle(),
        log: builder.log(),
        snapshots: builder.snapshots(),
        tree: builder.tree(),
        auth: builder.auth(sasl_users),
        four_letter_words: builder.four_letter_words(),
        audit_enabled: settings.switch("audit.enable"),
        read_only_mode_enabled: settings.switch("readonlymode.enabled"),
        reconfig_enabled: settings.switch("reconfigEnabled"),
        standalone_enabled: settings.switch("standaloneEnabled"),
        init_limit_ticks: settings.count("initLimit"),
        sync_limit_ticks: settings.count("syncLimit"),
        commit_log_txns_max: builder.at_least("commitLogCount", 500),
        peers,
    }
}

impl Builder<'_> {
    fn data_dir(&mut self, name: &'static str) -> Option<PathBuf> {
        let path = self.settings.text(name)?;
        let relative = !Path::new(path).is_absolute();
        if relative && path != "." && path != ".." && !path.starts_with("./") && !path.starts_with("../") {
            self.warn(
                name,
                WarningKind::Note,
                "is a relative path; write ./ before it if that is meant".to_owned(),
            );
        }
        Some(PathBuf::from(path))
    }

    fn clients(&mut self, server_id: Option<i64>, peers: &PeersConfig) -> ClientsConfig {
        let settings = self.settings;
        let backlog = settings.int("clientPortListenBacklog").unwrap_or(-1);
        ClientsConfig {
            address: self.client_address(server_id, peers),
            tcp_keep_alive: settings.switch("clientTcpKeepAlive"),
            listen_backlog: u32::try_from(backlog).ok().filter(|backlog| *backlog > 0),
            connections_per_address_max: settings.count("maxClientCnxns"),
            connections_max: settings.count("maxCnxns"),
            sessionless_timeout_ms: settings.count("nio.sessionlessCnxnTimeout"),
            out_buffer_bytes_max: settings.count("zkrs.connOutBufferBytesMax"),
            io_threads: settings.count("zkrs.ioThreads"),
        }
    }

    /// The client address of this server's own `server.N` line, which wins over `clientPort`, with which it must
    /// agree (QuorumPeerConfig.setupClientPort).
    fn client_address(&mut self, server_id: Option<i64>, peers: &PeersConfig) -> ListenAddress {
        let port = self.settings.port("clientPort");
        let host = self.settings.text("clientPortAddress").map(unbracketed).map(str::to_owned);
        let of_line =
            server_id.and_then(|id| peers.servers.get(&id)).and_then(|server| server.client.as_ref());
        match (port, of_line) {
            (Some(port), Some(line)) => {
                self.check_client_addresses(&ListenAddress { host, port }, line);
                listen_on(line)
            }
            (None, _) if host.is_some() => {
                self.error(
                    "clientPortAddress",
                    "is set, but clientPort is not",
                    "write e.g. clientPort=2181",
                );
                ListenAddress { host, port: 0 }
            }
            (None, Some(line)) => listen_on(line),
            (Some(port), None) => ListenAddress { host, port },
            (None, None) => {
                if self.settings.get("clientPort").is_none() {
                    self.error("clientPort", "is not set", self.missing_client_port(server_id, peers));
                }
                ListenAddress { host, port: 0 }
            }
        }
    }

    fn missing_client_port(&self, server_id: Option<i64>, peers: &PeersConfig) -> &'static str {
        let lines_have_ports = peers.servers.values().any(|server| server.client.is_some());
        match server_id {
            None if lines_have_ports => {
                "write e.g. clientPort=2181, or write this server's id to dataDir/myid so that its server line is found"
            }
            _ => "write e.g. clientPort=2181",
        }
    }

    fn check_client_addresses(&mut self, set: &ListenAddress, line: &HostPort) {
        let agree = match set.host.as_deref().filter(|host| !is_any(host)) {
            None => set.port == line.port,
            Some(host) => set.port == line.port && same_host(host, &line.host),
        };
        if !agree {
            let line = listen_on(line);
            let problem =
                format!("{set} differs from {line}, the client address of this server's server line");
            self.error("clientPort", &problem, "remove clientPort and clientPortAddress, or make both agree");
        }
    }

    fn sessions(&mut self) -> SessionsConfig {
        let settings = self.settings;
        let tick_time_ms = settings.count("tickTime");
        let timeout = |name, ticks: u32| match settings.int(name) {
            Some(ms) if ms >= 0 => u32::try_from(ms).unwrap_or(u32::MAX),
            _ => tick_time_ms.saturating_mul(ticks),
        };
        let (timeout_ms_min, timeout_ms_max) =
            (timeout("minSessionTimeout", 2), timeout("maxSessionTimeout", 20));
        if timeout_ms_min > timeout_ms_max {
            let set = ["minSessionTimeout", "maxSessionTimeout"]
                .into_iter()
                .find(|name| settings.get(name).is_some());
            let problem = format!(
                "the least session timeout, {timeout_ms_min} ms, is larger than the greatest, {timeout_ms_max} ms"
            );
            let remedy =
                "set minSessionTimeout (default 2 ticks) no larger than maxSessionTimeout (default 20 ticks)";
            self.error(set.unwrap_or("minSessionTimeout"), &problem, remedy);
        }
        SessionsConfig {
            tick_time_ms,
            timeout_ms_min,
            timeout_ms_max,
            close_session_txn: settings.switch("closeSessionTxn.enabled"),
            local_sessions: settings.switch("localSessionsEnabled"),
            local_sessions_upgrading: settings.switch("localSessionsUpgradingEnabled"),
        }
    }

    fn requests(&mut self) -> RequestsConfig {
        let settings = self.settings;
        let jute_bytes_max = settings.count("jute.maxbuffer");
        RequestsConfig {
            jute_bytes_max,
            jute_extra_bytes_max: match settings.int("jute.maxbuffer.extrasize") {
                Some(_) => self.at_least("jute.maxbuffer.extrasize", 1024),
                None => jute_bytes_max,
            },
            outstanding_max: settings.count("globalOutstandingLimit"),
            throttle_requests_max: settings.count("request_throttle_max_requests"),
            throttle_stall_ms: settings.count("request_throttle_stall_time"),
            throttle_drop_stale: settings.switch("request_throttle_drop_stale"),
            stale_latency_check: settings.switch("request_stale_latency_check"),
            stale_connection_check: settings.switch("request_stale_connection_check"),
            throttle_shutdown_ms: settings.count("request_throttler.shutdownTimeout"),
            throttled_op_wait_ms: settings.count("throttled_op_wait_time"),
            large_requests_bytes_max: self.replaced(
                "largeRequestMaxBytes",
                |bytes| bytes <= 0,
                100 * 1024 * 1024,
            ),
            large_request_bytes: match self.settings.int("largeRequestThreshold") {
                None | Some(-1) => None,
                Some(bytes) if bytes > 0 => u32::try_from(bytes).ok(),
                Some(bytes) => {
                    self.adjusted(
                        "largeRequestThreshold",
                        format!("{bytes} is neither -1 nor positive; -1 is used"),
                    );
                    None
                }
            },
        }
    }

    /// Weights as BlueThrottle's static block makes them sane.
    fn connection_throttle(&mut self) -> ConnectionThrottleConfig {
        let settings = self.settings;
        let local = self.replaced("connection_throttle_local_session_weight", |weight| weight <= 0, 1);
        let global =
            self.replaced("connection_throttle_global_session_weight", |weight| weight <= 0, 3).max(local);
        let renew =
            self.replaced("connection_throttle_renew_session_weight", |weight| weight <= 0, 2).max(local);
        let weights = SessionWeights { global, renew, local };
        ConnectionThrottleConfig {
            tokens_max: settings.count("connection_throttle_tokens"),
            fill_time_ms: settings.count("connection_throttle_fill_time"),
            fill_tokens: settings.count("connection_throttle_fill_count"),
            freeze_time_ms: settings
                .int("connection_throttle_freeze_time")
                .and_then(|milliseconds| u32::try_from(milliseconds).ok()),
            drop_increase: settings.real("connection_throttle_drop_increase"),
            drop_decrease: settings.real("connection_throttle_drop_decrease"),
            decrease_ratio: settings.real("connection_throttle_decrease_ratio"),
            weights: settings.switch("connection_throttle_weight_enabled").then_some(weights),
        }
    }

    fn log(&self) -> LogConfig {
        let settings = self.settings;
        let flush_delay_ms = settings.long("flushDelay");
        let poll_is_set = settings.int("maxWriteQueuePollTime").is_some();
        LogConfig {
            pre_alloc_bytes: settings.long("preAllocSize") * 1024,
            file_bytes_max: kib(settings.long("txnLogSizeLimitInKb")),
            force_sync: settings.switch("forceSync"),
            fsync_warning_ms: settings.long("fsync.warningthresholdms"),
            flush_delay_ms,
            queue_poll_ms_max: if poll_is_set {
                settings.long("maxWriteQueuePollTime")
            } else {
                flush_delay_ms / 3
            },
            batch_txns_max: settings.count("maxBatchSize"),
        }
    }

    fn snapshots(&mut self) -> SnapshotsConfig {
        let settings = self.settings;
        let purge_hours = settings.count("autopurge.purgeInterval");
        SnapshotsConfig {
            snap_count: self.at_least("snapCount", 2),
            log_bytes_max: kib(settings.long("snapSizeLimitInKb")),
            compression: match settings
                .text("snapshot.compression.method")
                .map(str::to_ascii_lowercase)
                .as_deref()
            {
                Some("gz") => SnapshotCompression::Gzip,
                Some("snappy") => SnapshotCompression::Snappy,
                _ => SnapshotCompression::Plain,
            },
            trust_empty: settings.switch("snapshot.trust.empty"),
            serialize_last_processed_zxid: settings.switch("serializeLastProcessedZxid.enabled"),
            retain_count: self.at_least("autopurge.snapRetainCount", 3),
            purge_interval_hours: (purge_hours > 0).then_some(purge_hours),
        }
    }

    fn tree(&self) -> TreeConfig {
        let settings = self.settings;
        let never_used_ms = settings.long("znode.container.maxNeverUsedIntervalMs");
        TreeConfig {
            digest_enabled: settings.switch("digest.enabled"),
            extended_types_enabled: settings.switch("extendedTypesEnabled"),
            emulate_353_ttl: settings.switch("emulate353TTLNodes"),
            enforce_quota: settings.switch("enforceQuota"),
            container_check_interval_ms: settings.count("znode.container.checkIntervalMs"),
            containers_per_minute_max: settings.count("znode.container.maxPerMinute"),
            container_never_used_ms_max: (never_used_ms > 0).then_some(never_used_ms),
        }
    }

    fn auth(&mut self, sasl_users: Vec<(String, Secret)>) -> AuthConfig {
        let settings = self.settings;
        let sasl = self.sasl(sasl_users);
        let algorithm = settings.text("DigestAuthenticationProvider.digestAlg").unwrap_or_default();
        let super_digest = settings.text("DigestAuthenticationProvider.superDigest");
        AuthConfig {
            skip_acl: settings.switch("skipACL"),
            digest_enabled: settings.switch("DigestAuthenticationProvider.enabled"),
            digest_algorithm: match algorithm.to_ascii_uppercase().replace('-', "").as_str() {
                "SHA256" => DigestAlgorithm::Sha256,
                "SHA384" => DigestAlgorithm::Sha384,
                "SHA512" => DigestAlgorithm::Sha512,
                _ => DigestAlgorithm::Sha1,
            },
            super_digest: super_digest.map(|text| Secret::new(text.to_owned())),
            enforced_schemes: self.enforced_schemes(&sasl),
            sasl,
        }
    }

    fn sasl(&mut self, users: Vec<(String, Secret)>) -> SaslConfig {
        let settings = self.settings;
        let super_users = settings.get("superUser").into_iter();
        let super_users = super_users.chain(settings.family("superUser.").map(|(_, setting)| setting));
        let super_users = super_users.map(|setting| setting.value.clone()).filter(|name| !name.is_empty());
        SaslConfig {
            users,
            super_users: super_users.collect(),
            scheme_enabled: self.has_sasl_provider(),
            allow_failed_clients: settings.switch("allowSaslFailedClients"),
        }
    }

    /// Whether one of the lines `authProvider.N` names SASL's class; what they name beside it is not active.
    fn has_sasl_provider(&mut self) -> bool {
        let mut has_sasl = false;
        for (_, setting) in self.settings.family("authProvider.") {
            match setting.value.strip_prefix("org.apache.zookeeper.server.auth.") {
                Some("SASLAuthenticationProvider") => has_sasl = true,
                Some("IPAuthenticationProvider" | "DigestAuthenticationProvider") => {}
                _ => {
                    let text = "has no effect yet: of Apache ZooKeeper's authentication providers, those for ip, \
                                digest and sasl are part of this build";
                    let kind = WarningKind::NotActive;
                    self.problems.warn(&setting.origin, &setting.written, kind, text.to_owned());
                }
            }
        }
        has_sasl
    }

    /// AuthenticationHelper.initConfigurations. Schemes that cannot be had here stay in the set: it is safer to
    /// serve nobody than to serve those whom the operator shut out.
    fn enforced_schemes(&mut self, sasl: &SaslConfig) -> Option<BTreeSet<String>> {
        let settings = self.settings;
        if settings.switch("sessionRequireClientSASLAuth") {
            self.check_sasl("sessionRequireClientSASLAuth", sasl);
            return Some(BTreeSet::from(["sasl".to_owned()]));
        }
        if !settings.switch("enforce.auth.enabled") {
            return None;
        }
        let schemes = BTreeSet::from_iter(settings.list("enforce.auth.schemes"));
        if schemes.is_empty() {
            let problem = "is true, but enforce.auth.schemes names no scheme";
            self.error("enforce.auth.enabled", problem, "write e.g. enforce.auth.schemes=digest");
        }
        let digest = settings.switch("DigestAuthenticationProvider.enabled");
        for scheme in &schemes {
            match scheme.as_str() {
                "ip" => {}
                "digest" if digest => {}
                "sasl" => self.check_sasl("enforce.auth.schemes", sasl),
                known if SCHEMES_NOT_ACTIVE.contains(&known) => {
                    let text = format!("no client can authenticate by {known}: it is not part of this build");
                    self.warn("enforce.auth.schemes", WarningKind::NotActive, text);
                }
                other => {
                    let problem = format!("the scheme {} is not available", shown(other));
                    self.error("enforce.auth.schemes", &problem, "write e.g. enforce.auth.schemes=digest");
                }
            }
        }
        Some(schemes)
    }

    /// Whether the scheme sasl, which the key `name` insists on, can be had.
    fn check_sasl(&mut self, name: &'static str, sasl: &SaslConfig) {
        if !sasl.scheme_enabled {
            let remedy =
                "write authProvider.sasl=org.apache.zookeeper.server.auth.SASLAuthenticationProvider";
            self.error(name, "the scheme sasl is not available", remedy);
        } else if sasl.users.is_empty() {
            let text =
                "no client can be served: java.security.auth.login.config names no file with SASL users";
            self.warn(name, WarningKind::Note, text.to_owned());
        }
    }

    /// FourLetterCommands.isEnabled: everything after a `*` is ignored, `srvr` is always there.
    fn four_letter_words(&mut self) -> FourLetterWords {
        let mut enabled = FourLetterWords::default();
        for word in self.settings.list("4lw.commands.whitelist") {
            if word == "*" {
                enabled.all = true;
                break;
            }
            if !WORDS.contains(&word.as_str()) {
                let text = format!("{} is not a four-letter word of ZooKeeper", shown(&word));
                self.warn("4lw.commands.whitelist", WarningKind::Note, text);
            }
            enabled.words.insert(word);
        }
        enabled.words.insert("srvr".to_owned());
        if self.settings.switch("readonlymode.enabled") {
            enabled.words.insert("isro".to_owned());
        }
        enabled
    }

    /// The list of servers decides; `peerType` may only repeat it (QuorumPeerConfig.setupPeerType).
    fn check_peer_type(&mut self, server_id: Option<i64>, peers: &PeersConfig) {
        let listed =
            server_id.and_then(|id| peers.servers.get(&id)).map(|server| server.role).unwrap_or_default();
        let set = self.settings.text("peerType").unwrap_or_default();
        if set.eq_ignore_ascii_case("observer") != (listed == PeerRole::Observer) {
            let text = "differs from this server's role in its server line, which is used";
            self.warn("peerType", WarningKind::Note, text.to_owned());
        }
    }

    fn check_quorum_sasl(&mut self) {
        let needs = [
            ("quorum.auth.serverRequireSasl", "quorum.auth.enableSasl"),
            ("quorum.auth.learnerRequireSasl", "quorum.auth.enableSasl"),
            ("quorum.auth.serverRequireSasl", "quorum.auth.learnerRequireSasl"),
        ];
        for (name, needed) in needs {
            if self.settings.switch(name) && !self.settings.switch(needed) {
                let problem = format!("is true, but {needed} is not");
                self.error(name, &problem, &format!("write {needed}=true"));
            }
        }
    }

    fn check_secure_address(&mut self) {
        if self.settings.get("secureClientPortAddress").is_some()
            && self.settings.get("secureClientPort").is_none()
        {
            let problem = "is set, but secureClientPort is not";
            self.error("secureClientPortAddress", problem, "write e.g. secureClientPort=2281");
        }
    }

    /// A number that Apache raises to a least value.
    fn at_least(&mut self, name: &'static str, least: u32) -> u32 {
        let number = self.settings.int(name).unwrap_or_default();
        if number < i64::from(least) {
            self.adjusted(name, format!("{number} is less than {least}; {least} is used"));
        }
        u32::try_from(number.max(i64::from(least))).unwrap_or(u32::MAX)
    }

    /// A number for which Apache takes the default when it makes no sense.
    fn replaced(&mut self, name: &'static str, is_wrong: impl Fn(i64) -> bool, default: u32) -> u32 {
        let number = self.settings.int(name).unwrap_or(i64::from(default));
        if is_wrong(number) {
            self.adjusted(name, format!("{number} makes no sense; {default} is used"));
            return default;
        }
        u32::try_from(number).unwrap_or(u32::MAX)
    }

    fn adjusted(&mut self, name: &'static str, text: String) {
        self.warn(name, WarningKind::Adjusted, text);
    }

    fn warn(&mut self, name: &'static str, kind: WarningKind, text: String) {
        let (origin, written) = self.settings.place(name, self.file);
        self.problems.warn(&origin, &written, kind, text);
    }

    fn error(&mut self, name: &'static str, problem: &str, remedy: &str) {
        let (origin, written) = self.settings.place(name, self.file);
        self.problems.error(&origin, &written, problem.to_owned(), remedy.to_owned());
    }
}

fn kib(number: u64) -> Option<u64> {
    (number > 0).then_some(number.saturating_mul(1024))
}

fn listen_on(line: &HostPort) -> ListenAddress {
    ListenAddress { host: (!is_any(&line.host)).then(|| line.host.clone()), port: line.port }
}

fn unbracketed(host: &str) -> &str {
    host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host)
}

fn is_any(host: &str) -> bool {
    host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_unspecified())
}

/// Whether two hosts can be the same. A name and an address are compared when they are resolved, not here.
fn same_host(a: &str, b: &str) -> bool {
    match (a.parse::<std::net::IpAddr>(), b.parse::<std::net::IpAddr>()) {
        (Ok(a), Ok(b)) => a == b,
        (Err(_), Err(_)) => a.eq_ignore_ascii_case(b),
        _ => !is_any(a) && !is_any(b),
    }
}
