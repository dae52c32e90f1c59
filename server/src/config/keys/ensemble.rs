//! Keys of ensembles: which servers there are, and how they find and follow one another.

use super::{Key, Kind, int, long, peers, row, used};
use crate::config::keys::Class;

const ANY: i64 = i32::MIN as i64;
const ASYNC: Class = Class::JavaOnly { instead: "peer links never block a thread" };
const NODELAY: Class = Class::JavaOnly { instead: "TCP_NODELAY is always on" };

pub(super) static MEMBERS: &[Key] = &[
    used("server.*", Kind::Text, "", "a member: host:peerPort:electionPort[:participant|observer][;[clientHost:]clientPort], several addresses with | between")
        .parsed()
        .example_is("zoo1:2888:3888;2181"),
    peers("group.*", Kind::Text, "", "a group of a hierarchical quorum: server ids with : between").parsed().example_is("1:2:3"),
    peers("weight.*", Kind::Text, "", "a server's weight within its group").parsed().example_is("1"),
    used("standaloneEnabled", Kind::Bool, "true", "a single participant serves alone").parsed(),
    used("reconfigEnabled", Kind::Bool, "false", "allow reconfig; standalone: decides which error it gets").parsed(),
    peers("peerType", Kind::Choice(&["participant", "observer"]), "participant", "this server's role; the list of servers decides").parsed(),
    peers("initLimit", int(ANY, "ticks"), "0", "time to connect to a leader and get its data; required in an ensemble").parsed().example_is("10"),
    peers("syncLimit", int(ANY, "ticks"), "0", "time that a follower may lag; required in an ensemble").parsed().example_is("5"),
    peers("connectToLearnerMasterLimit", int(ANY, "ticks"), "0", "time to connect to a leader; 0: initLimit").parsed(),
    peers("electionAlg", Kind::Int { unit: "", min: 3, max: 3 }, "3", "election algorithm; there is only 3").parsed(),
    peers("leaderServes", Kind::YesNo, "yes", "the leader serves clients"),
    peers("observerMasterPort", int(ANY, ""), "0", "port on which a follower serves observers; 0 or less: off").parsed().example_is("2191"),
    peers("syncEnabled", Kind::Bool, "true", "observers write log and snapshots").parsed(),
    peers("observer.syncEnabled", Kind::Bool, "true", "the same as syncEnabled, and wins over it"),
    peers("oraclePath", Kind::Path, "", "file that grants progress to one of two servers").parsed().example_is("/run/zookeeper/oracle"),
    peers("multiAddress.enabled", Kind::Bool, "false", "several addresses per server").parsed(),
    peers("multiAddress.reachabilityCheckEnabled", Kind::Bool, "true", "probe which of the addresses answer").parsed(),
    peers("multiAddress.reachabilityCheckTimeoutMs", int(0, "milliseconds"), "1000", "time limit of the probe").parsed(),
    peers("quorumListenOnAllIPs", Kind::Bool, "false", "peer ports listen on all addresses").parsed(),
];

pub(super) static LINKS: &[Key] = &[
    peers("cnxTimeout", int(ANY, "milliseconds"), "5000", "time limit of opening an election connection"),
    peers(
        "quorumCnxnTimeoutMs",
        int(ANY, "milliseconds"),
        "-1",
        "read timeout of election connections; -1: syncLimit ticks",
    )
    .example_is("10000"),
    peers("electionPortBindRetry", int(0, "attempts"), "3", "attempts to bind the election port; 0: forever"),
    peers("tcpKeepAlive", Kind::Bool, "false", "SO_KEEPALIVE on election connections"),
    peers(
        "fastleader.minNotificationInterval",
        int(1, "milliseconds"),
        "200",
        "shortest wait for notifications in an election",
    ),
    peers(
        "fastleader.maxNotificationInterval",
        int(1, "milliseconds"),
        "60000",
        "longest wait for notifications in an election",
    ),
    peers(
        "leader.maxTimeToWaitForEpoch",
        int(-1, "milliseconds"),
        "-1",
        "time limit of the epoch agreement; -1: initLimit",
    )
    .alias(&["maxTimeToWaitForEpoch"])
    .example_is("30000"),
    peers(
        "leader.maxConcurrentSnapSyncs",
        int(1, "learners"),
        "10",
        "learners that get a snapshot at a time",
    )
    .alias(&["maxConcurrentSnapSyncs"]),
    peers("leader.maxConcurrentDiffSyncs", int(1, "learners"), "100", "learners that get a diff at a time")
        .alias(&["maxConcurrentDiffSyncs"]),
    peers("leader.ackLoggingFrequency", int(1, "acks"), "1000", "every so many acks one is logged"),
    peers(
        "leaderConnectDelayDuringRetryMs",
        int(0, "milliseconds"),
        "100",
        "wait between attempts to reach the leader",
    ),
    peers(
        "snapshotSizeFactor",
        Kind::Text,
        "0.33",
        "log up to this part of the snapshot's size is sent instead of it; negative: never",
    ),
    peers("forceSnapshotSync", Kind::Bool, "false", "learners always get a snapshot; for tests"),
    peers(
        "observer.reconnectDelayMs",
        long(0, "milliseconds"),
        "0",
        "wait before an observer connects again",
    ),
    peers(
        "observer.election.DelayMs",
        long(0, "milliseconds"),
        "200",
        "wait before an observer asks for votes",
    ),
    peers(
        "observerMaster.sizeLimit",
        int(1, "bytes"),
        "33554432",
        "committed transactions kept for observers of this follower",
    ),
    peers("enableEagerACLCheck", Kind::Bool, "false", "followers check ACLs before they forward a write"),
    peers(
        "follower.skipLearnerRequestToNextProcessor",
        Kind::Bool,
        "false",
        "followers keep no copy of requests of their learners",
    ),
    peers(
        "messageTracker.Enabled",
        Kind::Bool,
        "false",
        "keep the last messages of each peer link for the log",
    ),
    peers("messageTracker.BufferSize", int(1, "messages"), "10", "how many of them"),
    peers("testingonly.initialZxid", Kind::Text, "", "low half of the first zxid; for tests"),
    row(
        "forward_learner_requests_to_commit_processor_disabled",
        Kind::Bool,
        "false",
        Class::JavaOnly { instead: "a leader keeps no copy of learners' requests" },
        "saves memory of the leader",
    ),
    row("learner.asyncSending", Kind::Bool, "false", ASYNC, "a learner's answers leave through a queue"),
    row(
        "learner.closeSocketAsync",
        Kind::Bool,
        "false",
        ASYNC,
        "a learner closes its socket in the background",
    ),
    row("leader.closeSocketAsync", Kind::Bool, "false", ASYNC, "a leader closes sockets in the background"),
    row("leader.nodelay", Kind::Bool, "true", NODELAY, "TCP_NODELAY of the leader").flag(),
    row("follower.nodelay", Kind::Bool, "true", NODELAY, "TCP_NODELAY of followers").flag(),
];
