//! Keys that a standalone server obeys.

use super::{Key, Kind, int, long, peers, row, used};
use crate::config::keys::Class;

/// 20 ticks, the default of `maxSessionTimeout`, must fit the 32 bits that sessions' timeouts have.
const TICK_MS_MAX: i64 = i32::MAX as i64 / 20;

const TICK: Kind = Kind::Int { unit: "milliseconds", min: 1, max: TICK_MS_MAX };
/// Preallocating more than 4 GiB at a time is a mistake of units.
const PREALLOC: Kind = Kind::Int { unit: "KiB", min: i32::MIN as i64, max: 4 * 1024 * 1024 };
const OUT_BUFFER: Kind = Kind::Int { unit: "bytes", min: 64 * 1024, max: i32::MAX as i64 };
const IO_THREADS: Kind = Kind::Int { unit: "threads", min: 0, max: 1024 };
const FRACTION: Kind = Kind::Real { max: 1.0 };
const ANY: i64 = i32::MIN as i64;

const CACHE: Class =
    Class::JavaOnly { instead: "replies are encoded straight from the tree, there is no cache to size" };

pub(super) static PLACES: &[Key] = &[
    used("dataDir", Kind::Path, "", "directory of the snapshots and of myid; required").parsed(),
    used("dataLogDir", Kind::Path, "", "directory of the transaction logs; default: dataDir").parsed(),
    used("clientPort", Kind::Port, "", "port for clients; 0: any free one").parsed(),
    used("clientPortAddress", Kind::Host, "", "address that clientPort is bound to; default: all").parsed(),
    used("clientPortListenBacklog", int(ANY, "connections"), "-1", "listen backlog; negative: 50")
        .parsed()
        .example_is("128"),
    used("datadir.autocreate", Kind::Bool, "true", "make missing data directories at start"),
    used("db.autocreate", Kind::Bool, "true", "start with an empty tree where the data directory is empty"),
    used("dynamicConfigFile", Kind::Path, "", "file that holds server.*, group.* and weight.*")
        .parsed()
        .example_is("/etc/zookeeper/zoo.cfg.dynamic"),
];

pub(super) static CONNECTIONS: &[Key] = &[
    used("tickTime", TICK, "3000", "length of a tick, the unit of the other times")
        .parsed()
        .example_is("2000"),
    used("minSessionTimeout", int(-1, "milliseconds"), "-1", "least session timeout; -1: 2 ticks")
        .parsed()
        .example_is("4000"),
    used("maxSessionTimeout", int(-1, "milliseconds"), "-1", "greatest session timeout; -1: 20 ticks")
        .parsed()
        .example_is("40000"),
    used(
        "maxClientCnxns",
        int(ANY, "connections"),
        "60",
        "connections per client address; 0 or less: no limit",
    )
    .parsed(),
    used("maxCnxns", int(ANY, "connections"), "0", "connections in all; 0 or less: no limit"),
    used("clientTcpKeepAlive", Kind::Bool, "false", "SO_KEEPALIVE on client connections"),
    used(
        "nio.sessionlessCnxnTimeout",
        int(1, "milliseconds"),
        "10000",
        "how long a connection may be without session",
    ),
    used(
        "closeSessionTxn.enabled",
        Kind::Bool,
        "true",
        "closeSession transactions list the ephemerals they remove",
    ),
    peers("localSessionsEnabled", Kind::Bool, "false", "sessions known to one server only").parsed(),
    peers("localSessionsUpgradingEnabled", Kind::Bool, "false", "local sessions become global at need")
        .parsed(),
    used(
        "connection_throttle_tokens",
        int(0, "tokens"),
        "0",
        "size of the token bucket for new sessions; 0: off",
    )
    .alias(&["connectionMaxTokens"]),
    used(
        "connection_throttle_fill_time",
        int(1, "milliseconds"),
        "1",
        "interval at which the bucket is filled",
    )
    .alias(&["connectionTokenFillTime"]),
    used("connection_throttle_fill_count", int(0, "tokens"), "1", "tokens added per interval")
        .alias(&["connectionTokenFillCount"]),
    used(
        "connection_throttle_freeze_time",
        int(-1, "milliseconds"),
        "-1",
        "least time between two changes of the drop probability; -1: off",
    )
    .alias(&["connectionFreezeTime"]),
    used("connection_throttle_drop_increase", FRACTION, "0.02", "step up of the drop probability")
        .alias(&["connectionDropIncrease"]),
    used("connection_throttle_drop_decrease", FRACTION, "0.002", "step down of the drop probability")
        .alias(&["connectionDropDecrease"]),
    used("connection_throttle_decrease_ratio", FRACTION, "0", "how full the bucket must be for a step down")
        .alias(&["connectionDecreaseRatio"]),
    used("connection_throttle_weight_enabled", Kind::Bool, "false", "count sessions by their weight"),
    used(
        "connection_throttle_global_session_weight",
        int(ANY, "tokens"),
        "3",
        "tokens that a new global session costs",
    ),
    used(
        "connection_throttle_renew_session_weight",
        int(ANY, "tokens"),
        "2",
        "tokens that a renewed session costs",
    ),
    used(
        "connection_throttle_local_session_weight",
        int(ANY, "tokens"),
        "1",
        "tokens that a new local session costs",
    ),
];

pub(super) static REQUESTS: &[Key] = &[
    used("jute.maxbuffer", int(1024, "bytes"), "1048575", "largest request").flag(),
    used("jute.maxbuffer.extrasize", int(ANY, "bytes"), "", "allowance beyond jute.maxbuffer for records from disk and peers; default: jute.maxbuffer, at least 1024")
        .example_is("1048575"),
    used("globalOutstandingLimit", int(1, "requests"), "1000", "requests in work before sockets are no longer read"),
    used("request_throttle_max_requests", int(0, "requests"), "0", "requests in work before further ones wait; 0: off")
        .alias(&["requestThrottleLimit"]),
    used("request_throttle_stall_time", int(1, "milliseconds"), "100", "longest wait of a throttled request at a time")
        .alias(&["requestThrottleStallTime"]),
    used("request_throttle_drop_stale", Kind::Bool, "true", "drop throttled requests that became stale, and close their connection")
        .alias(&["requestThrottleDropStale"]),
    used("request_stale_latency_check", Kind::Bool, "false", "a request older than its session timeout is stale")
        .alias(&["requestStaleLatencyCheck"]),
    used("request_stale_connection_check", Kind::Bool, "true", "a request of a closed connection is stale")
        .alias(&["requestStaleConnectionCheck"]),
    used("request_throttler.shutdownTimeout", int(0, "milliseconds"), "10000", "how long waiting requests are drained at shutdown"),
    used("throttled_op_wait_time", int(ANY, "milliseconds"), "0", "a request that waited longer gets THROTTLEDOP; 0 or less: off")
        .alias(&["throttledOpWaitTime"]),
    used("largeRequestMaxBytes", int(ANY, "bytes"), "104857600", "bytes of large requests in work; beyond it the connection is closed"),
    used("largeRequestThreshold", int(ANY, "bytes"), "-1", "size from which a request is large; -1: off")
        .example_is("1048576"),
    used("4lw.commands.whitelist", Kind::List, "srvr", "four-letter words that are answered; * for all; srvr always is")
        .example_is("ruok, srvr, mntr"),
    used("readonlymode.enabled", Kind::Bool, "false", "serve reads without a quorum; standalone: allows the word isro").flag(),
    row("maxResponseCacheSize", int(ANY, "entries"), "400", CACHE, "cache of getData replies"),
    row("maxGetChildrenResponseCacheSize", int(ANY, "entries"), "400", CACHE, "cache of getChildren2 replies"),
];

pub(super) static DATA: &[Key] = &[
    used("preAllocSize", PREALLOC, "65536", "step by which log files are preallocated; 0 or less: off")
        .decimal(),
    used(
        "snapCount",
        int(ANY, "transactions"),
        "100000",
        "a snapshot after this many transactions, at the latest; at least 2",
    ),
    used(
        "snapSizeLimitInKb",
        long(i32::MIN as i64, "KiB"),
        "4194304",
        "a snapshot after this much log, at the latest; 0 or less: off",
    ),
    used(
        "txnLogSizeLimitInKb",
        long(i32::MIN as i64, "KiB"),
        "-1",
        "size at which a log file is closed; 0 or less: off",
    )
    .example_is("65536"),
    used(
        "flushDelay",
        long(0, "milliseconds"),
        "0",
        "longest time that a write waits for others to share its fsync",
    ),
    used(
        "maxWriteQueuePollTime",
        long(0, "milliseconds"),
        "",
        "longest idle time before a delayed fsync; default: a third of flushDelay",
    )
    .example_is("10"),
    used("maxBatchSize", int(1, "transactions"), "1000", "transactions that share one fsync"),
    used("forceSync", Kind::YesNo, "yes", "fsync before answering; no: a crash may lose acknowledged writes"),
    used("fsync.warningthresholdms", long(0, "milliseconds"), "1000", "an fsync that takes longer is logged"),
    used(
        "snapshot.compression.method",
        Kind::Choice(&["", "gz", "snappy"]),
        "",
        "compression of snapshots; nothing: none",
    )
    .example_is("gz"),
    used("snapshot.trust.empty", Kind::Bool, "false", "start from logs without a snapshot"),
    used("serializeLastProcessedZxid.enabled", Kind::Bool, "true", "snapshots carry the last processed zxid"),
    used(
        "digest.enabled",
        Kind::Bool,
        "true",
        "keep the digest of the tree, and write it to log and snapshots",
    ),
    used("autopurge.snapRetainCount", int(ANY, "snapshots"), "3", "snapshots that a purge keeps; at least 3")
        .parsed(),
    used("autopurge.purgeInterval", int(ANY, "hours"), "0", "time between purges; 0 or less: off")
        .parsed()
        .example_is("24"),
    used("extendedTypesEnabled", Kind::Bool, "false", "allow TTL znodes"),
    used("emulate353TTLNodes", Kind::Bool, "false", "read and write TTLs as 3.5.3 did"),
    used("enforceQuota", Kind::Bool, "false", "refuse writes beyond a hard quota"),
    used(
        "znode.container.checkIntervalMs",
        int(1, "milliseconds"),
        "60000",
        "how often empty containers and old TTL znodes are looked for",
    )
    .flag(),
    used(
        "znode.container.maxPerMinute",
        int(1, "znodes"),
        "10000",
        "containers and TTL znodes removed per minute",
    )
    .flag(),
    used(
        "znode.container.maxNeverUsedIntervalMs",
        long(0, "milliseconds"),
        "0",
        "a container that never had children is removed after this time; 0: never",
    )
    .flag(),
    used(
        "commitLogCount",
        int(ANY, "transactions"),
        "500",
        "committed transactions kept in memory for followers; at least 500",
    )
    .decimal(),
];

pub(super) static ACCESS: &[Key] = &[
    used("skipACL", Kind::YesNo, "no", "check no ACLs"),
    used("DigestAuthenticationProvider.enabled", Kind::Bool, "true", "allow the scheme digest"),
    used(
        "DigestAuthenticationProvider.superDigest",
        Kind::Secret,
        "",
        "super:base64(sha1(super:password)): who knows the password bypasses ACLs",
    ),
    used(
        "DigestAuthenticationProvider.digestAlg",
        Kind::Choice(&[
            "SHA1", "SHA-1", "SHA", "SHA256", "SHA-256", "SHA384", "SHA-384", "SHA512", "SHA-512",
        ]),
        "SHA1",
        "hash of the scheme digest",
    ),
    used("enforce.auth.enabled", Kind::Bool, "false", "requests only from clients that authenticated"),
    used("enforce.auth.schemes", Kind::List, "", "schemes that count for it").example_is("digest"),
    used("sessionRequireClientSASLAuth", Kind::Bool, "false", "the same as enforcing the scheme sasl"),
    used("audit.enable", Kind::Bool, "false", "write an audit log"),
];

pub(super) static OWN: &[Key] = &[
    used("zkrs.ioThreads", IO_THREADS, "0", "threads that serve clients; 0: one per core").own(),
    used(
        "zkrs.connOutBufferBytesMax",
        OUT_BUFFER,
        "16777216",
        "bytes that may wait for a slow client before its connection is closed",
    )
    .own(),
];
