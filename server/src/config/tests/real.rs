//! Configurations as they are found, and properties that hold for all keys.

use super::*;

#[test]
fn apaches_sample_file_needs_no_word() {
    let text = "# The number of milliseconds of each tick\ntickTime=2000\n# ticks that the first phase can take\n\
        initLimit=10\nsyncLimit=5\n# not for real use\ndataDir=/tmp/zookeeper\nclientPort=2181\n\
        #maxClientCnxns=60\n#autopurge.snapRetainCount=3\n#autopurge.purgeInterval=1\n\n## Metrics Providers\n\
        #metricsProvider.httpPort=7000\n";
    let (config, warnings) =
        ServerConfig::from_text("zoo.cfg", text.as_bytes(), true).expect("strict is content");
    assert_eq!(warnings, []);
    assert_eq!(config.data_dir, Path::new("/tmp/zookeeper"));
    assert_eq!(config.data_log_dir, Path::new("/tmp/zookeeper"));
    assert_eq!(config.clients.address, ListenAddress { host: None, port: 2181 });
    assert_eq!(config.sessions.tick_time_ms, 2000);
    assert_eq!((config.sessions.timeout_ms_min, config.sessions.timeout_ms_max), (4000, 40_000));
    assert_eq!((config.init_limit_ticks, config.sync_limit_ticks), (10, 5));
    assert!(!config.is_distributed());
}

#[test]
fn defaults_are_apaches() {
    let config = with_minimum("");
    assert_eq!(config.sessions.tick_time_ms, 3000);
    assert_eq!((config.clients.connections_per_address_max, config.clients.connections_max), (60, 0));
    assert_eq!((config.clients.listen_backlog, config.clients.sessionless_timeout_ms), (None, 10_000));
    let requests = &config.requests;
    assert_eq!((requests.jute_bytes_max, requests.jute_extra_bytes_max), (0xfffff, 0xfffff));
    assert_eq!((requests.outstanding_max, requests.throttle_requests_max), (1000, 0));
    assert_eq!((requests.large_requests_bytes_max, requests.large_request_bytes), (100 << 20, None));
    assert!(requests.throttle_drop_stale && requests.stale_connection_check && !requests.stale_latency_check);
    let throttle = &config.connection_throttle;
    assert_eq!((throttle.tokens_max, throttle.fill_time_ms, throttle.fill_tokens), (0, 1, 1));
    assert_eq!((throttle.freeze_time_ms, throttle.weights), (None, None));
    assert_eq!((throttle.drop_increase, throttle.drop_decrease, throttle.decrease_ratio), (0.02, 0.002, 0.0));
    let log = LogConfig {
        pre_alloc_bytes: 64 << 20,
        file_bytes_max: None,
        force_sync: true,
        fsync_warning_ms: 1000,
        flush_delay_ms: 0,
        queue_poll_ms_max: 0,
        batch_txns_max: 1000,
    };
    assert_eq!(config.log, log);
    let snapshots = SnapshotsConfig {
        snap_count: 100_000,
        log_bytes_max: Some(4 << 30),
        compression: SnapshotCompression::Plain,
        trust_empty: false,
        serialize_last_processed_zxid: true,
        retain_count: 3,
        purge_interval_hours: None,
    };
    assert_eq!(config.snapshots, snapshots);
    let tree = TreeConfig {
        digest_enabled: true,
        extended_types_enabled: false,
        emulate_353_ttl: false,
        enforce_quota: false,
        container_check_interval_ms: 60_000,
        containers_per_minute_max: 10_000,
        container_never_used_ms_max: None,
    };
    assert_eq!(config.tree, tree);
    let auth = AuthConfig {
        skip_acl: false,
        digest_enabled: true,
        digest_algorithm: DigestAlgorithm::Sha1,
        super_digest: None,
        sasl: SaslConfig::default(),
        enforced_schemes: None,
    };
    assert_eq!(config.auth, auth);
    assert!(config.sessions.close_session_txn && config.data_dir_autocreate && config.db_autocreate);
    assert!(config.standalone_enabled && !config.reconfig_enabled && !config.audit_enabled);
    assert_eq!(config.commit_log_txns_max, 500);
}

#[test]
fn the_local_default_is_for_this_machine() {
    let config = ServerConfig::default_local();
    assert_eq!(config.clients.address.to_string(), "127.0.0.1:2181");
    assert_eq!(config.data_dir, Path::new("./zkrs-data"));
    assert_eq!(config.sessions.tick_time_ms, 2000);
}

/// Every key that a server obeys changes the configuration: none is read and forgotten.
#[test]
fn every_used_key_has_an_effect() {
    let other_value = |key: &keys::Key| match (key.name, key.kind) {
        ("clientPort", _) => "1234".to_owned(),
        ("dataDir" | "dataLogDir", _) => "/other".to_owned(),
        ("clientPortAddress", _) => "10.1.2.3".to_owned(),
        ("minSessionTimeout" | "maxSessionTimeout", _) => "7000".to_owned(),
        ("largeRequestThreshold" | "connection_throttle_freeze_time", _) => "4711".to_owned(),
        ("jute.maxbuffer" | "jute.maxbuffer.extrasize", _) => "4711".to_owned(),
        ("enforce.auth.schemes", _) => "ip".to_owned(),
        ("4lw.commands.whitelist", _) => "*".to_owned(),
        ("server.*", _) => "zoo1:2888:3888".to_owned(),
        ("authProvider.*", _) => SASL_PROVIDER.to_owned(),
        ("superUser" | "superUser.*", _) => "bob".to_owned(),
        (_, keys::Kind::Bool) => (key.default != "true").to_string(),
        (_, keys::Kind::YesNo) => (if key.default == "yes" { "no" } else { "yes" }).to_owned(),
        (_, keys::Kind::Int { .. }) => (key.default.parse::<i64>().unwrap_or(50).max(0) + 1000).to_string(),
        (_, keys::Kind::Real { .. }) => "0.5".to_owned(),
        (_, keys::Kind::Choice(words)) => words.last().expect("words").to_string(),
        (_, keys::Kind::Secret) => "super:x".to_owned(),
        (name, kind) => panic!("no other value for {name} of kind {kind:?}"),
    };
    for key in keys::all().filter(|key| key.class == keys::Class::Used) {
        // These point to files, or to what this build refuses; tests of their own cover them.
        let needs_more = [
            "dynamicConfigFile",
            "standaloneEnabled",
            "java.security.auth.login.config",
            "sasl.serverconfig",
            "SASLAuthenticationProvider.superPassword",
        ];
        if needs_more.contains(&key.name) {
            continue;
        }
        let provider = format!("authProvider.1={SASL_PROVIDER}\n");
        let context = match key.name {
            "enforce.auth.schemes" => "enforce.auth.enabled=true\n",
            "enforce.auth.enabled" => "enforce.auth.schemes=digest\n",
            "sessionRequireClientSASLAuth" => &provider,
            name if name.ends_with("_weight") => "connection_throttle_weight_enabled=true\n",
            _ => "",
        };
        let line = format!("{}={}\n", key.name.replace('*', "1"), other_value(key));
        let plain = ServerConfig::from_text("zoo.cfg", format!("{MINIMUM}{context}").as_bytes(), false);
        let (changed, _) = load(&format!("{MINIMUM}{context}{line}"));
        assert_ne!(plain.ok().map(|(config, _)| config), Some(changed), "{line}");
    }
}

#[test]
fn apaches_arguments() {
    let args = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
    let load = |text: &str| ServerConfig::from_args(&args(text), &LoadOptions::default());
    let (config, warnings) = load("2181 /d").expect("two arguments");
    assert_eq!(warnings, []);
    assert_eq!((config.clients.address.port, config.sessions.tick_time_ms), (2181, 3000));
    assert_eq!(config.clients.connections_per_address_max, 0);
    let (config, _) = load("2181 /d 500").expect("three arguments");
    assert_eq!((config.sessions.tick_time_ms, config.clients.connections_per_address_max), (500, 0));
    let (config, _) = load("2181 /d 500 7").expect("four arguments");
    assert_eq!((config.sessions.tick_time_ms, config.clients.connections_per_address_max), (500, 7));
    let errors = load("x").expect_err("one argument");
    let expected = "command line: 1 arguments are given, 2 to 4 are wanted; \
        write clientPort dataDir [tickTime] [maxClientCnxns]";
    assert_eq!(errors[0].to_string(), expected);
    let errors = load("port /d").expect_err("no port");
    let expected =
        "command line: clientPort: \"port\" is not a port number from 0 to 65535; write e.g. clientPort=2181";
    assert_eq!(errors[0].to_string(), expected);
}

/// What kazoo's test harness writes for a single server, with the flags that it gives to Java.
#[test]
fn kazoos_harness_is_served() {
    let dir = TempDir::new("kazoo");
    let text = format!(
        "\ntickTime=2000\ndataDir={}\nclientPort=20000\nsecureClientPort=20004\nmaxClientCnxns=0\n\
         admin.serverPort=20003\nserverCnxnFactory=org.apache.zookeeper.server.NettyServerCnxnFactory\n\
         authProvider.1={SASL_PROVIDER}\n\
         ssl.keyStore.location=/k/keystore.jks\nssl.keyStore.password=apassword\n\
         ssl.trustStore.location=/k/truststore.jks\nssl.trustStore.password=apassword\n\
         4lw.commands.whitelist=*\nreconfigEnabled=true\nlocalSessionsEnabled=true\n\
         localSessionsUpgradingEnabled=true\nextendedTypesEnabled=true\n\n",
        dir.show("")
    );
    let path = dir.write("zoo.cfg", &text);
    dir.write("myid", "1");
    let module = "org.apache.zookeeper.server.auth.DigestLoginModule";
    let jaas =
        format!("\nServer {{\n    {module} required\n    user_super=\"s\"\n    user_jaasuser=\"p\";\n}};");
    let jaas = dir.write("jaas.conf", &jaas).to_string_lossy().into_owned();
    let properties = [
        ("file.encoding", "UTF-8"),
        ("readonlymode.enabled", "true"),
        ("zookeeper.log.dir", "/l"),
        ("zookeeper.root.logger", "INFO,CONSOLE"),
        ("log4j.configuration", "file:/l/log4j.properties"),
        ("java.awt.headless", "true"),
        ("java.security.auth.login.config", &jaas),
        ("zookeeper.DigestAuthenticationProvider.superDigest", "super:D/InIHSb7yEEbrWz8b9l71RjZJU="),
        ("znode.container.checkIntervalMs", "100"),
        ("zookeeper.tickTime", "9999"),
    ];
    let java_properties = properties.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec();
    let overrides = vec![("snapCount".to_owned(), "1000".to_owned())];
    let options = LoadOptions { strict: false, java_properties, overrides };
    let (config, warnings) = ServerConfig::load(&path, &options).expect("kazoo's file is right");
    assert_eq!((config.clients.address.port, config.clients.connections_per_address_max), (20_000, 0));
    assert_eq!(config.sessions.tick_time_ms, 2000, "the file wins over -D");
    assert_eq!(config.snapshots.snap_count, 1000);
    assert_eq!(config.tree.container_check_interval_ms, 100);
    assert!(config.reconfig_enabled && config.tree.extended_types_enabled && config.read_only_mode_enabled);
    assert!(config.sessions.local_sessions && config.sessions.local_sessions_upgrading);
    assert!(config.auth.super_digest.is_some() && config.four_letter_words.allow("ruok"));
    assert!(config.auth.sasl.scheme_enabled && config.auth.sasl.users.len() == 2);
    let mut unheeded: Vec<&str> = warnings.iter().map(|warning| warning.key.as_str()).collect();
    unheeded.sort_unstable();
    let expected = [
        "admin.serverPort",
        "secureClientPort",
        "serverCnxnFactory",
        "ssl.keyStore.location",
        "ssl.keyStore.password",
        "ssl.trustStore.location",
        "ssl.trustStore.password",
        "zookeeper.log.dir",
        "zookeeper.root.logger",
    ];
    assert_eq!(unheeded, expected);
}

/// No secret reaches a debug output, a warning or an error, whatever else is wrong with the file.
#[test]
fn secrets_are_never_shown() {
    let canary = "CaNaRy";
    let secret_keys: Vec<&keys::Key> = keys::all().filter(|key| key.is_secret()).collect();
    assert!(secret_keys.len() >= 6);
    for key in secret_keys {
        for line in [
            format!("{}={canary}", key.name),
            format!("zookeeper.{}={canary}", key.name),
            format!("{}={canary}1\n{}={canary}2", key.name, key.name),
            format!("{}x={canary}", key.name),
        ] {
            for text in [format!("{MINIMUM}{line}\n"), format!("{line}\ntickTime=x\n")] {
                for strict in [false, true] {
                    let shown = match ServerConfig::from_text("zoo.cfg", text.as_bytes(), strict) {
                        Ok((config, warnings)) => {
                            let texts: String = warnings.iter().map(ToString::to_string).collect();
                            format!("{config:?} {config:#?} {warnings:?} {texts}")
                        }
                        Err(errors) => {
                            let texts: String = errors.iter().map(ToString::to_string).collect();
                            format!("{errors:?} {texts}")
                        }
                    };
                    assert!(!shown.contains(canary), "{line}: {shown}");
                }
            }
        }
    }
    let config = with_minimum(&format!("DigestAuthenticationProvider.superDigest=super:{canary}"));
    assert_eq!(config.auth.super_digest.as_ref().map(Secret::expose), Some("super:CaNaRy"));
}

/// Every key with values of every kind: nothing panics, and what is accepted twice is the same.
#[test]
fn any_value_of_any_key_is_read_without_panic() {
    let values = [
        "",
        "x",
        "-1",
        "0",
        "1",
        "2147483647",
        "9223372036854775807",
        "true",
        "a:1:2;3",
        "1:2",
        "*",
        "\\u0000",
    ];
    for key in keys::all() {
        for value in values {
            let text = format!("{MINIMUM}{}={value}\n", key.name.replace('*', "1"));
            let first = ServerConfig::from_text("zoo.cfg", text.as_bytes(), false);
            assert_eq!(first, ServerConfig::from_text("zoo.cfg", text.as_bytes(), false), "{text}");
        }
    }
}
