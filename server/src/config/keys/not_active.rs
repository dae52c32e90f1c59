//! Keys of what this build does not do yet: TLS, Kerberos, the admin server, metrics; and of SASL, which it does.

use super::{Class, Key, Kind, int, row, used};

const fn tls(name: &'static str, kind: Kind, default: &'static str, meaning: &'static str) -> Key {
    row(name, kind, default, Class::Later { what: "TLS", quiet: "" }, meaning)
}

const fn tls_switch(name: &'static str, meaning: &'static str) -> Key {
    row(name, Kind::Bool, "false", Class::Later { what: "TLS", quiet: "false" }, meaning)
}

const fn kerberos(name: &'static str, kind: Kind, default: &'static str, meaning: &'static str) -> Key {
    row(name, kind, default, Class::Later { what: "Kerberos", quiet: "" }, meaning)
}

const fn kerberos_switch(name: &'static str, meaning: &'static str) -> Key {
    row(name, Kind::Bool, "false", Class::Later { what: "Kerberos", quiet: "false" }, meaning)
}

const fn sasl(name: &'static str, kind: Kind, default: &'static str, meaning: &'static str) -> Key {
    row(name, kind, default, Class::Later { what: "SASL between servers", quiet: "" }, meaning)
}

const fn sasl_switch(name: &'static str, meaning: &'static str) -> Key {
    row(name, Kind::Bool, "false", Class::Later { what: "SASL between servers", quiet: "false" }, meaning)
}

const fn admin(name: &'static str, kind: Kind, default: &'static str, meaning: &'static str) -> Key {
    row(name, kind, default, Class::Later { what: "the admin server", quiet: "" }, meaning)
}

const fn metrics(name: &'static str, kind: Kind, default: &'static str, meaning: &'static str) -> Key {
    row(name, kind, default, Class::Later { what: "the metrics endpoint", quiet: "" }, meaning)
}

const STORE_TYPES: Kind = Kind::Choice(&["", "JKS", "PEM", "PKCS12", "BCFKS"]);
const CLIENT_AUTH: Kind = Kind::Choice(&["", "need", "want", "none"]);

pub(super) static TLS: &[Key] = &[
    tls("secureClientPort", Kind::Port, "", "port for clients that use TLS").parsed().example_is("2281"),
    tls("secureClientPortAddress", Kind::Host, "", "address that secureClientPort is bound to").parsed(),
    tls_switch("client.portUnification", "clientPort takes TLS and plain connections"),
    tls_switch("client.certReload", "read the stores for clients again when they change"),
    tls("ssl.keyStore.location", Kind::Text, "", "own key and certificate, for clients"),
    tls("ssl.keyStore.password", Kind::Secret, "", "its password"),
    tls("ssl.keyStore.passwordPath", Kind::Text, "", "file with its password"),
    tls("ssl.keyStore.type", STORE_TYPES, "", "its format; default: by the file name"),
    tls("ssl.trustStore.location", Kind::Text, "", "certificates that clients are checked against"),
    tls("ssl.trustStore.password", Kind::Secret, "", "its password"),
    tls("ssl.trustStore.passwordPath", Kind::Text, "", "file with its password"),
    tls("ssl.trustStore.type", STORE_TYPES, "", "its format; default: by the file name"),
    tls("ssl.protocol", Kind::Text, "", "TLS version for clients"),
    tls("ssl.enabledProtocols", Kind::List, "", "TLS versions that clients may choose from"),
    tls("ssl.ciphersuites", Kind::List, "", "cipher suites that clients may choose from"),
    tls("ssl.context.supplier.class", Kind::Text, "", "Java class that makes the TLS context"),
    tls("ssl.hostnameVerification", Kind::Bool, "true", "check that a certificate names its host"),
    tls("ssl.clientHostnameVerification", Kind::Bool, "false", "check clients' host names too"),
    tls("ssl.allowReverseDnsLookup", Kind::Bool, "false", "look an address up to check its name"),
    tls("ssl.crl", Kind::Bool, "false", "check revocation lists"),
    tls("ssl.ocsp", Kind::Bool, "false", "ask whether a certificate is revoked"),
    tls("ssl.clientAuth", CLIENT_AUTH, "need", "whether clients must have a certificate"),
    tls("ssl.handshakeDetectionTimeoutMillis", int(0, "milliseconds"), "5000", "time to tell TLS from plain"),
    tls("ssl.sslProvider", Kind::Text, "JDK", "Java's or OpenSSL's implementation"),
    tls("ssl.authProvider", Kind::Text, "x509", "scheme that checks clients' certificates"),
    tls(
        "X509AuthenticationProvider.superUser",
        Kind::Text,
        "",
        "subject of the certificate that bypasses ACLs",
    ),
    tls_switch("sslQuorum", "TLS between servers").parsed(),
    tls_switch("portUnification", "peer ports take TLS and plain connections").parsed(),
    tls_switch("sslQuorumReloadCertFiles", "read the stores for peers again when they change").parsed(),
    tls("ssl.quorum.keyStore.location", Kind::Text, "", "own key and certificate, for peers"),
    tls("ssl.quorum.keyStore.password", Kind::Secret, "", "its password"),
    tls("ssl.quorum.keyStore.passwordPath", Kind::Text, "", "file with its password"),
    tls("ssl.quorum.keyStore.type", STORE_TYPES, "", "its format; default: by the file name"),
    tls("ssl.quorum.trustStore.location", Kind::Text, "", "certificates that peers are checked against"),
    tls("ssl.quorum.trustStore.password", Kind::Secret, "", "its password"),
    tls("ssl.quorum.trustStore.passwordPath", Kind::Text, "", "file with its password"),
    tls("ssl.quorum.trustStore.type", STORE_TYPES, "", "its format; default: by the file name"),
    tls("ssl.quorum.protocol", Kind::Text, "", "TLS version for peers"),
    tls("ssl.quorum.enabledProtocols", Kind::List, "", "TLS versions that peers may choose from"),
    tls("ssl.quorum.ciphersuites", Kind::List, "", "cipher suites that peers may choose from"),
    tls("ssl.quorum.context.supplier.class", Kind::Text, "", "Java class that makes the TLS context"),
    tls("ssl.quorum.hostnameVerification", Kind::Bool, "true", "check that a certificate names its host"),
    tls(
        "ssl.quorum.clientHostnameVerification",
        Kind::Bool,
        "true",
        "check connecting peers' host names too",
    ),
    tls("ssl.quorum.allowReverseDnsLookup", Kind::Bool, "true", "look an address up to check its name"),
    tls("ssl.quorum.crl", Kind::Bool, "false", "check revocation lists"),
    tls("ssl.quorum.ocsp", Kind::Bool, "false", "ask whether a certificate is revoked"),
    tls("ssl.quorum.clientAuth", CLIENT_AUTH, "need", "whether connecting peers must have a certificate"),
    tls(
        "ssl.quorum.handshakeDetectionTimeoutMillis",
        int(0, "milliseconds"),
        "5000",
        "time to tell TLS from plain",
    ),
    tls(
        "netty.server.outstandingHandshake.limit",
        int(-1, "handshakes"),
        "-1",
        "TLS handshakes at a time; -1: no limit",
    )
    .alias(&["outstandingHandshake.limit"])
    .example_is("250"),
    tls_switch(
        "netty.server.earlyDropSecureConnectionHandshakes",
        "refuse TLS connections while not serving",
    ),
    tls("fips-mode", Kind::Bool, "true", "only what FIPS allows"),
];

pub(super) static AUTH: &[Key] = &[
    used(
        "authProvider.*",
        Kind::Text,
        "",
        "class of an authentication provider; sasl needs its own, ip and digest do not",
    )
    .example_is("org.apache.zookeeper.server.auth.SASLAuthenticationProvider"),
    used(
        "java.security.auth.login.config",
        Kind::Path,
        "",
        "JAAS file; SASL's users and their passwords are in its section Server",
    )
    .flag()
    .example_is("/etc/zookeeper/jaas.conf"),
    row(
        "ensembleAuthName",
        Kind::List,
        "",
        Class::Later { what: "the scheme ensemble", quiet: "" },
        "names by which clients may call this ensemble",
    ),
    used("superUser", Kind::Text, "", "SASL user that bypasses ACLs"),
    used("superUser.*", Kind::Text, "", "further SASL users that bypass ACLs"),
    used("allowSaslFailedClients", Kind::Bool, "false", "clients whose SASL failed go on without it"),
    row(
        "letAnySaslUserDoX",
        Kind::Text,
        "",
        Class::Later { what: "an id for every SASL user", quiet: "" },
        "an ACL id that every SASL user matches",
    ),
    used("sasl.serverconfig", Kind::Text, "Server", "section of the JAAS file"),
    used(
        "SASLAuthenticationProvider.superPassword",
        Kind::Secret,
        "",
        "password of the SASL user super, in place of the one in the JAAS file",
    ),
    kerberos_switch("kerberos.removeHostFromPrincipal", "drop the host of Kerberos names"),
    kerberos_switch("kerberos.removeRealmFromPrincipal", "drop the realm of Kerberos names"),
    kerberos_switch("kerberos.canonicalizeHostNames", "use the servers' canonical host names"),
    kerberos("kinit", Kind::Text, "", "path of kinit"),
    kerberos("server.realm", Kind::Text, "", "Kerberos realm of the servers"),
    kerberos_switch("requireKerberosConfig", "a Kerberos configuration must be there"),
    kerberos("security.auth_to_local", Kind::Text, "DEFAULT", "rules that shorten Kerberos names"),
    sasl_switch("quorum.auth.enableSasl", "SASL between servers").parsed(),
    sasl_switch("quorum.auth.learnerRequireSasl", "a learner insists on SASL").parsed(),
    sasl_switch("quorum.auth.serverRequireSasl", "a server insists on SASL from learners").parsed(),
    sasl(
        "quorum.auth.kerberos.servicePrincipal",
        Kind::Text,
        "zkquorum/localhost",
        "Kerberos name of the servers",
    )
    .parsed(),
    sasl("quorum.auth.learner.saslLoginContext", Kind::Text, "QuorumLearner", "JAAS section of a learner")
        .parsed(),
    sasl("quorum.auth.server.saslLoginContext", Kind::Text, "QuorumServer", "JAAS section of a server")
        .parsed(),
];

pub(super) static ADMIN: &[Key] = &[
    row(
        "admin.enableServer",
        Kind::Bool,
        "true",
        Class::Later { what: "the admin server", quiet: "false" },
        "serve the admin commands over HTTP",
    ),
    admin("admin.serverAddress", Kind::Text, "0.0.0.0", "its address"),
    admin("admin.serverPort", Kind::Port, "8080", "its port"),
    admin("admin.idleTimeout", int(0, "milliseconds"), "30000", "how long its connections may be idle"),
    admin("admin.commandURL", Kind::Text, "/commands", "path of the commands"),
    admin("admin.portUnification", Kind::Bool, "false", "its port takes HTTP and HTTPS"),
    admin("admin.forceHttps", Kind::Bool, "false", "its port takes HTTPS only"),
    admin("admin.needClientAuth", Kind::Bool, "false", "its clients must have a certificate"),
    admin("admin.httpVersion", int(0, ""), "11", "HTTP version"),
    admin(
        "admin.rateLimiterIntervalInMS",
        int(0, "milliseconds"),
        "300000",
        "least time between snapshot or restore commands",
    ),
    admin("admin.snapshot.enabled", Kind::Bool, "true", "allow the snapshot command"),
    admin("admin.restore.enabled", Kind::Bool, "true", "allow the restore command"),
    admin(
        "IPAuthenticationProvider.usexforwardedfor",
        Kind::Bool,
        "false",
        "believe the header X-Forwarded-For",
    ),
    row(
        "metricsProvider.className",
        Kind::Text,
        "org.apache.zookeeper.metrics.impl.DefaultMetricsProvider",
        Class::Later {
            what: "the metrics endpoint",
            quiet: "org.apache.zookeeper.metrics.impl.DefaultMetricsProvider",
        },
        "Java class that exports metrics",
    )
    .parsed(),
    metrics("metricsProvider.httpHost", Kind::Text, "0.0.0.0", "address of /metrics").parsed(),
    metrics("metricsProvider.httpPort", Kind::Port, "7000", "port of /metrics").parsed(),
    metrics("metricsProvider.exportJvmInfo", Kind::Bool, "true", "metrics of the JVM too").parsed(),
    metrics(
        "metricsProvider.numWorkerThreads",
        int(i32::MIN as i64, "threads"),
        "1",
        "threads that count summaries",
    )
    .parsed(),
    metrics("metricsProvider.maxQueueSize", int(1, "samples"), "1000000", "queue of those threads").parsed(),
    metrics(
        "metricsProvider.workerShutdownTimeoutMs",
        int(0, "milliseconds"),
        "1000",
        "time to end those threads",
    )
    .parsed(),
    metrics("metricsProvider.*", Kind::Text, "", "anything else for the provider").parsed(),
    row(
        "pathStats.enabled",
        Kind::Bool,
        "false",
        Class::Later { what: "statistics by path", quiet: "false" },
        "count requests by path",
    ),
    metrics("pathStats.slotCapacity", int(1, "slots"), "60", "time slots kept"),
    metrics("pathStats.slotDuration", int(1, "seconds"), "15", "length of a slot"),
    metrics("pathStats.maxDepth", int(1, "levels"), "6", "levels of the path that are told apart"),
    metrics("pathStats.sampleRate", Kind::Real { max: 1.0 }, "0.1", "part of the requests that is counted"),
    metrics("pathStats.initialDelay", int(0, "minutes"), "5", "first report after this time"),
    metrics("pathStats.delay", int(1, "minutes"), "5", "time between reports"),
    metrics("pathStats.topPathMax", int(1, "paths"), "20", "paths in a report"),
];
