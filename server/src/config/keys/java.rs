//! Keys that tune the Java server's inside: threads, buffers, garbage collection, log files.

use super::{Class, Key, Kind, int, row};

const ANY: i64 = i32::MIN as i64;

const fn java(
    name: &'static str,
    kind: Kind,
    default: &'static str,
    meaning: &'static str,
    instead: &'static str,
) -> Key {
    row(name, kind, default, Class::JavaOnly { instead }, meaning)
}

const THREADS: &str = "zkrs.ioThreads sets the number of threads that serve clients";
const BUFFERS: &str = "buffers grow and shrink with the requests";
const COMMITS: &str = "requests are not handed between threads to be committed";
const WATCHES: &str = "there is one watch table, and dead watchers leave it at once";
const PAUSES: &str = "there is no garbage collector to watch";
const LOGS: &str = "the log goes to standard error, where systemd or a container collects it";

pub(super) static INTERNALS: &[Key] = &[
    java(
        "serverCnxnFactory",
        Kind::Text,
        "org.apache.zookeeper.server.NIOServerCnxnFactory",
        "NIO or Netty",
        "there is one network layer",
    ),
    java("nio.numSelectorThreads", int(1, "threads"), "", "threads that wait for sockets", THREADS)
        .example_is("1"),
    java("nio.numWorkerThreads", int(0, "threads"), "", "threads that read and write sockets", THREADS)
        .example_is("4"),
    java("nio.directBufferBytes", int(0, "bytes"), "65536", "direct buffer of a worker thread", BUFFERS),
    java(
        "nio.shutdownTimeout",
        int(0, "milliseconds"),
        "5000",
        "time to end the worker threads",
        "threads end when their connections are closed",
    ),
    java("intBufferStartingSizeBytes", int(32, "bytes"), "1024", "first size of a reply buffer", BUFFERS),
    java(
        "netty.advancedFlowControl.enabled",
        Kind::Bool,
        "false",
        "Netty stops reading from throttled clients",
        "sockets of throttled clients are never read",
    )
    .alias(&["advancedFlowControlEnabled"]),
    java("commitProcessor.numWorkerThreads", int(0, "threads"), "", "threads that answer requests", THREADS)
        .example_is("4"),
    java("commitProcessor.maxReadBatchSize", int(-1, "requests"), "-1", "reads between two commits", COMMITS)
        .example_is("100"),
    java("commitProcessor.maxCommitBatchSize", int(1, "requests"), "1", "commits between two reads", COMMITS),
    java(
        "commitProcessor.shutdownTimeout",
        int(0, "milliseconds"),
        "5000",
        "time to end those threads",
        COMMITS,
    ),
    java(
        "watchManagerName",
        Kind::Text,
        "org.apache.zookeeper.server.watch.WatchManager",
        "Java class of the watch table",
        WATCHES,
    ),
    java("watcherCleanThreadsNum", int(0, "threads"), "2", "threads that remove dead watchers", WATCHES),
    java("watcherCleanThreshold", int(ANY, "watchers"), "1000", "dead watchers removed at a time", WATCHES),
    java("watcherCleanIntervalInSeconds", int(ANY, "seconds"), "600", "time between two removals", WATCHES),
    java("maxInProcessingDeadWatchers", int(ANY, "watchers"), "-1", "dead watchers that may wait", WATCHES)
        .example_is("2000"),
    java("bitHashCacheSize", int(0, "entries"), "10", "cache of the optimized watch table", WATCHES),
    java(
        "quorum.cnxn.threads.size",
        int(ANY, "threads"),
        "20",
        "threads that authenticate peers",
        "peers are authenticated without threads of their own",
    )
    .parsed(),
    java(
        "audit.impl.class",
        Kind::Text,
        "org.apache.zookeeper.audit.Slf4jAuditLogger",
        "Java class of the audit log",
        "audit.enable writes the same lines to the log",
    ),
    java("jvm.pause.monitor", Kind::Bool, "false", "log pauses of the JVM", PAUSES).parsed(),
    java("jvm.pause.warn-threshold.ms", int(0, "milliseconds"), "10000", "a pause that is a warning", PAUSES)
        .parsed(),
    java("jvm.pause.info-threshold.ms", int(0, "milliseconds"), "1000", "a pause that is mentioned", PAUSES)
        .parsed(),
    java("jvm.pause.sleep.time.ms", int(0, "milliseconds"), "500", "interval of the check", PAUSES).parsed(),
    java("jmx.log4j.disable", Kind::Bool, "false", "no JMX beans for the logger", "there is no JMX"),
    java("jmx.log4j.mbean", Kind::Text, "log4j:hierarchy=default", "name of those beans", "there is no JMX"),
    java("controllerPort", Kind::Port, "", "port of a test harness", "the tests of zkrs need none"),
    java("test.allowDiscontinuousProposals", Kind::Bool, "false", "for tests", "the tests of zkrs need none"),
    java("root.logger", Kind::Text, "", "log level and appender", LOGS),
    java("console.threshold", Kind::Text, "INFO", "log level of the console", LOGS),
    java("log.dir", Kind::Text, ".", "directory of the log files", LOGS),
    java("log.file", Kind::Text, "zookeeper.log", "name of the log file", LOGS),
    java("log.threshold", Kind::Text, "INFO", "log level of the log file", LOGS),
    java("log.maxfilesize", Kind::Text, "256MB", "size at which the log file is changed", LOGS),
    java("log.maxbackupindex", Kind::Text, "20", "log files kept", LOGS),
    java("tracelog.file", Kind::Text, "zookeeper_trace.log", "name of the trace file", LOGS),
    java("auditlog.file", Kind::Text, "zookeeper_audit.log", "name of the audit file", LOGS),
    java("auditlog.threshold", Kind::Text, "INFO", "log level of the audit file", LOGS),
];
