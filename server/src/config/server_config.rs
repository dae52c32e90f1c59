//! All that a server is told before it starts, typed and checked. What each key means in `zoo.cfg` is in `keys/`.

use std::collections::BTreeSet;
use std::fmt;
use std::path::PathBuf;

use super::peers::PeersConfig;
use super::secret::Secret;

/// The configuration of one server.
#[derive(Clone, Debug, PartialEq)]
pub struct ServerConfig {
    /// The file that was read, if one was.
    pub config_file: Option<PathBuf>,
    /// The dynamic configuration file that it names, if it names one.
    pub dynamic_config_file: Option<PathBuf>,
    /// Directory of snapshots and `myid`; the files are in its `version-2`.
    pub data_dir: PathBuf,
    /// Directory of transaction logs; the files are in its `version-2`. May equal `data_dir`.
    pub data_log_dir: PathBuf,
    /// Make missing data directories at start.
    pub data_dir_autocreate: bool,
    /// Start with an empty tree where the data directory is empty.
    pub db_autocreate: bool,
    /// The id in `myid`, if there is one. A standalone server needs none.
    pub server_id: Option<i64>,
    /// The client port and what protects it.
    pub clients: ClientsConfig,
    /// Session times.
    pub sessions: SessionsConfig,
    /// What limits requests.
    pub requests: RequestsConfig,
    /// The token bucket for new sessions.
    pub connection_throttle: ConnectionThrottleConfig,
    /// Transaction log.
    pub log: LogConfig,
    /// Snapshots and their purge.
    pub snapshots: SnapshotsConfig,
    /// The tree.
    pub tree: TreeConfig,
    /// Who may do what.
    pub auth: AuthConfig,
    /// Which four-letter words are answered.
    pub four_letter_words: FourLetterWords,
    /// Write an audit log.
    pub audit_enabled: bool,
    /// Serve reads without a quorum; in a standalone server it only allows the word `isro`.
    pub read_only_mode_enabled: bool,
    /// Whether reconfig is allowed; a standalone server answers UNIMPLEMENTED if it is, RECONFIGDISABLED if not.
    pub reconfig_enabled: bool,
    /// A single participant serves alone.
    pub standalone_enabled: bool,
    /// `initLimit` in ticks; 0: not set.
    pub init_limit_ticks: u32,
    /// `syncLimit` in ticks; 0: not set.
    pub sync_limit_ticks: u32,
    /// Committed transactions kept in memory for followers, at least 500.
    pub commit_log_txns_max: u32,
    /// The members of the ensemble, if any are named.
    pub peers: PeersConfig,
}

/// The client port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientsConfig {
    /// Where to listen.
    pub address: ListenAddress,
    /// `SO_KEEPALIVE` on client connections.
    pub tcp_keep_alive: bool,
    /// Listen backlog in connections; `None`: not set, where Java takes 50.
    pub listen_backlog: Option<u32>,
    /// Connections per client address; 0: no limit.
    pub connections_per_address_max: u32,
    /// Connections in all; 0: no limit.
    pub connections_max: u32,
    /// How long a connection may be without a session, in milliseconds.
    pub sessionless_timeout_ms: u32,
    /// Bytes that may wait for a slow client before its connection is closed.
    pub out_buffer_bytes_max: u32,
    /// Threads that serve clients; 0: one per core.
    pub io_threads: u32,
}

/// A host and port to listen on. The host is resolved when it is bound.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListenAddress {
    /// Host name or address without brackets; `None`: all addresses.
    pub host: Option<String>,
    /// Port; 0 lets the system choose.
    pub port: u16,
}

impl fmt::Display for ListenAddress {
    /// `host:port`, with brackets around an IPv6 address; all addresses are shown as `0.0.0.0`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.host.as_deref() {
            Some(host) if host.contains(':') => write!(f, "[{host}]:{}", self.port),
            host => write!(f, "{}:{}", host.unwrap_or("0.0.0.0"), self.port),
        }
    }
}

/// Session times.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionsConfig {
    /// Length of a tick in milliseconds.
    pub tick_time_ms: u32,
    /// Least session timeout in milliseconds.
    pub timeout_ms_min: u32,
    /// Greatest session timeout in milliseconds.
    pub timeout_ms_max: u32,
    /// closeSession transactions list the ephemerals that they remove.
    pub close_session_txn: bool,
    /// Sessions known to one server only; ensembles.
    pub local_sessions: bool,
    /// Local sessions become global at need; ensembles.
    pub local_sessions_upgrading: bool,
}

/// What limits requests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestsConfig {
    /// `jute.maxbuffer`: the largest request, in bytes.
    pub jute_bytes_max: u32,
    /// `jute.maxbuffer.extrasize`: allowance beyond it for records from disk and peers, in bytes; at least 1024.
    pub jute_extra_bytes_max: u32,
    /// Requests in work before sockets are no longer read.
    pub outstanding_max: u32,
    /// Requests in work before further ones wait; 0: off.
    pub throttle_requests_max: u32,
    /// Longest wait of a throttled request at a time, in milliseconds.
    pub throttle_stall_ms: u32,
    /// Drop throttled requests that became stale.
    pub throttle_drop_stale: bool,
    /// A request older than its session timeout is stale.
    pub stale_latency_check: bool,
    /// A request of a closed connection is stale.
    pub stale_connection_check: bool,
    /// How long waiting requests are drained at shutdown, in milliseconds.
    pub throttle_shutdown_ms: u32,
    /// A request that waited longer than this many milliseconds gets THROTTLEDOP; 0: off.
    pub throttled_op_wait_ms: u32,
    /// Bytes of large requests in work; beyond it the connection is closed.
    pub large_requests_bytes_max: u32,
    /// A request of more bytes than this is large; `None`: none is.
    pub large_request_bytes: Option<u32>,
}

/// The token bucket for new sessions (Apache's BlueThrottle). Weights are as configured, not multiplied in.
#[derive(Clone, Debug, PartialEq)]
pub struct ConnectionThrottleConfig {
    /// Size of the bucket; 0: off.
    pub tokens_max: u32,
    /// Interval at which tokens are added, in milliseconds.
    pub fill_time_ms: u32,
    /// Tokens added per interval.
    pub fill_tokens: u32,
    /// Least time between two changes of the drop probability, in milliseconds; `None`: it stays 0.
    pub freeze_time_ms: Option<u32>,
    /// Step up of the drop probability, 0 to 1.
    pub drop_increase: f64,
    /// Step down of the drop probability, 0 to 1.
    pub drop_decrease: f64,
    /// How full the bucket must be for a step down, 0 to 1.
    pub decrease_ratio: f64,
    /// What a session costs, if it is weighed; `None`: 1 token each. Bucket and fill then count in global sessions:
    /// both are multiplied by `global`.
    pub weights: Option<SessionWeights>,
}

/// What a session costs in tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionWeights {
    /// A new global session.
    pub global: u32,
    /// A renewed session.
    pub renew: u32,
    /// A new local session.
    pub local: u32,
}

/// Transaction log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogConfig {
    /// Step by which a file is preallocated, in bytes; 0: off.
    pub pre_alloc_bytes: u64,
    /// Size at which a file is closed, in bytes; `None`: only with a snapshot.
    pub file_bytes_max: Option<u64>,
    /// fsync before answering.
    pub force_sync: bool,
    /// An fsync that takes longer than this many milliseconds is logged.
    pub fsync_warning_ms: u64,
    /// Longest time that a write waits for others to share its fsync, in milliseconds; 0: not at all.
    pub flush_delay_ms: u64,
    /// Longest idle time before a delayed fsync, in milliseconds.
    pub queue_poll_ms_max: u64,
    /// Transactions that share one fsync.
    pub batch_txns_max: u32,
}

/// Snapshots.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SnapshotsConfig {
    /// A snapshot after this many transactions, at the latest; at least 2.
    pub snap_count: u32,
    /// A snapshot after this many bytes of log, at the latest; `None`: off.
    pub log_bytes_max: Option<u64>,
    /// Compression of new snapshots.
    pub compression: SnapshotCompression,
    /// Start from logs without a snapshot.
    pub trust_empty: bool,
    /// Snapshots carry the last processed zxid.
    pub serialize_last_processed_zxid: bool,
    /// Snapshots that a purge keeps; at least 3.
    pub retain_count: u32,
    /// Hours between purges; `None`: off.
    pub purge_interval_hours: Option<u32>,
}

/// Compression of snapshots; it also names the file: `snapshot.<zxid>`, `.gz`, `.snappy`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SnapshotCompression {
    /// None.
    Plain,
    /// gzip.
    Gzip,
    /// Snappy in the framing of snappy-java.
    Snappy,
}

/// The tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TreeConfig {
    /// Keep the digest of the tree.
    pub digest_enabled: bool,
    /// Allow TTL znodes.
    pub extended_types_enabled: bool,
    /// Read and write TTLs as 3.5.3 did.
    pub emulate_353_ttl: bool,
    /// Refuse writes beyond a hard quota.
    pub enforce_quota: bool,
    /// How often empty containers and old TTL znodes are looked for, in milliseconds.
    pub container_check_interval_ms: u32,
    /// Containers and TTL znodes removed per minute.
    pub containers_per_minute_max: u32,
    /// A container that never had children is removed after this many milliseconds; `None`: never.
    pub container_never_used_ms_max: Option<u64>,
}

/// Who may do what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuthConfig {
    /// Check no ACLs.
    pub skip_acl: bool,
    /// Allow the scheme digest.
    pub digest_enabled: bool,
    /// Hash of the scheme digest.
    pub digest_algorithm: DigestAlgorithm,
    /// `super:<base64 of the hash of super:password>`; who knows the password bypasses ACLs.
    pub super_digest: Option<Secret>,
    /// How clients authenticate by SASL.
    pub sasl: SaslConfig,
    /// Requests only from clients that authenticated by one of these schemes; `None`: from all.
    pub enforced_schemes: Option<BTreeSet<String>>,
}

/// SASL of clients, by DIGEST-MD5.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SaslConfig {
    /// Names and passwords out of the JAAS file; empty: SASL is not configured.
    pub users: Vec<(String, Secret)>,
    /// Users that bypass ACLs.
    pub super_users: BTreeSet<String>,
    /// Whether the scheme sasl counts in ACLs.
    pub scheme_enabled: bool,
    /// Whether clients whose authentication failed may go on without it.
    pub allow_failed_clients: bool,
}

/// Hash of the scheme digest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DigestAlgorithm {
    /// SHA-1, ZooKeeper's default.
    Sha1,
    /// SHA-256.
    Sha256,
    /// SHA-384.
    Sha384,
    /// SHA-512.
    Sha512,
}

/// Which four-letter words are answered.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FourLetterWords {
    /// All of them.
    pub all: bool,
    /// These.
    pub words: BTreeSet<String>,
}

impl FourLetterWords {
    /// Whether a known word is answered.
    pub fn allow(&self, word: &str) -> bool {
        self.all || self.words.contains(word)
    }
}
