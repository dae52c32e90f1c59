//! Tests of whole configurations: what real files say, and the words of every error.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use super::*;

/// A directory that is gone when the test ends.
pub(super) struct TempDir(PathBuf);

impl TempDir {
    pub(super) fn new(name: &str) -> TempDir {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("zkrs-config-{name}-{}-{count}", std::process::id()));
        fs::create_dir_all(&path).expect("a temporary directory");
        TempDir(path)
    }

    pub(super) fn path(&self) -> &Path {
        &self.0
    }

    fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.0.join(name);
        fs::write(&path, text).expect("a temporary file");
        path
    }

    fn show(&self, name: &str) -> String {
        self.0.join(name).to_string_lossy().into_owned()
    }
}

impl Drop for TempDir {
    fn drop(&mut self) {
        _ = fs::remove_dir_all(&self.0);
    }
}

const MINIMUM: &str = "dataDir=/d\nclientPort=2181\n";

fn load(text: &str) -> (ServerConfig, Vec<String>) {
    let (config, warnings) = ServerConfig::from_text("zoo.cfg", text.as_bytes(), false).expect(text);
    (config, warnings.iter().map(ToString::to_string).collect())
}

fn with_minimum(text: &str) -> ServerConfig {
    load(&format!("{MINIMUM}{text}")).0
}

fn errors(text: &str) -> Vec<String> {
    let errors = ServerConfig::from_text("zoo.cfg", text.as_bytes(), false).expect_err(text);
    errors.iter().map(ToString::to_string).collect()
}

/// The errors of lines that stand below a right `dataDir` and `clientPort`.
fn errors_of(text: &str) -> Vec<String> {
    errors(&format!("{MINIMUM}{text}"))
}

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
        (_, keys::Kind::Bool) => (key.default != "true").to_string(),
        (_, keys::Kind::YesNo) => (if key.default == "yes" { "no" } else { "yes" }).to_owned(),
        (_, keys::Kind::Int { .. }) => (key.default.parse::<i64>().unwrap_or(50).max(0) + 1000).to_string(),
        (_, keys::Kind::Real { .. }) => "0.5".to_owned(),
        (_, keys::Kind::Choice(words)) => words.last().expect("words").to_string(),
        (_, keys::Kind::Secret) => "super:x".to_owned(),
        (name, kind) => panic!("no other value for {name} of kind {kind:?}"),
    };
    for key in keys::all().filter(|key| key.class == keys::Class::Used) {
        // These two point to files, or to what this build refuses; tests of their own cover them.
        if ["dynamicConfigFile", "standaloneEnabled"].contains(&key.name) {
            continue;
        }
        let context = match key.name {
            "enforce.auth.schemes" => "enforce.auth.enabled=true\n",
            "enforce.auth.enabled" => "enforce.auth.schemes=digest\n",
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
fn values_that_apache_replaces_are_replaced_with_a_warning() {
    let table = [
        ("autopurge.snapRetainCount=1", "1 is less than 3; 3 is used"),
        ("snapCount=0", "0 is less than 2; 2 is used"),
        ("commitLogCount=499", "499 is less than 500; 500 is used"),
        ("jute.maxbuffer.extrasize=10", "10 is less than 1024; 1024 is used"),
        ("largeRequestMaxBytes=0", "0 makes no sense; 104857600 is used"),
        ("largeRequestThreshold=0", "0 is neither -1 nor positive; -1 is used"),
        ("connection_throttle_global_session_weight=0", "0 makes no sense; 3 is used"),
    ];
    for (line, expected) in table {
        let (_, warnings) = load(&format!("{MINIMUM}{line}"));
        let (name, _) = line.split_once('=').expect("a line");
        assert_eq!(warnings, [format!("zoo.cfg:3: {name}: {expected}")]);
        let strict = ServerConfig::from_text("zoo.cfg", format!("{MINIMUM}{line}").as_bytes(), true);
        assert_eq!(strict.expect_err(line).len(), 1, "{line}");
    }
}

#[test]
fn what_is_off_is_off() {
    let off = "maxClientCnxns=-1\nmaxCnxns=-5\nsnapSizeLimitInKb=0\nautopurge.purgeInterval=-1\npreAllocSize=0\n\
        throttled_op_wait_time=-1\nclientPortListenBacklog=0\nforceSync=no\n";
    let config = with_minimum(off);
    assert_eq!((config.clients.connections_per_address_max, config.clients.connections_max), (0, 0));
    assert_eq!((config.snapshots.log_bytes_max, config.snapshots.purge_interval_hours), (None, None));
    assert_eq!((config.log.pre_alloc_bytes, config.log.force_sync), (0, false));
    assert_eq!((config.requests.throttled_op_wait_ms, config.clients.listen_backlog), (0, None));
}

#[test]
fn values_that_depend_on_others() {
    let config = with_minimum("flushDelay=30\njute.maxbuffer=5000\ntickTime=1000\nmaxSessionTimeout=2000\n");
    assert_eq!((config.log.flush_delay_ms, config.log.queue_poll_ms_max), (30, 10));
    assert_eq!(config.requests.jute_extra_bytes_max, 5000);
    assert_eq!((config.sessions.timeout_ms_min, config.sessions.timeout_ms_max), (2000, 2000));
    let weights = with_minimum(
        "connection_throttle_weight_enabled=true\nconnection_throttle_local_session_weight=5\n\
         connection_throttle_global_session_weight=4\n",
    );
    let expected = SessionWeights { global: 5, renew: 5, local: 5 };
    assert_eq!(weights.connection_throttle.weights, Some(expected));
}

#[test]
fn four_letter_words() {
    let allowed = |text: &str| {
        let words = with_minimum(text).four_letter_words;
        ["ruok", "srvr", "isro", "conf"].map(|word| words.allow(word))
    };
    assert_eq!(allowed(""), [false, true, false, false]);
    assert_eq!(allowed("4lw.commands.whitelist=*"), [true; 4]);
    assert_eq!(allowed("4lw.commands.whitelist= ruok , conf ,"), [true, true, false, true]);
    assert_eq!(allowed("4lw.commands.whitelist="), [false, true, false, false]);
    assert_eq!(allowed("readonlymode.enabled=true"), [false, true, true, false]);
    let (_, warnings) = load(&format!("{MINIMUM}4lw.commands.whitelist=ruok, roku"));
    assert_eq!(warnings, ["zoo.cfg:3: 4lw.commands.whitelist: roku is not a four-letter word of ZooKeeper"]);
}

#[test]
fn enforced_authentication_fails_closed() {
    let schemes = |text: &str| {
        let schemes = with_minimum(text).auth.enforced_schemes;
        schemes.map(|schemes| schemes.into_iter().collect::<Vec<_>>().join(" "))
    };
    assert_eq!(schemes("enforce.auth.schemes=digest"), None);
    assert_eq!(
        schemes("enforce.auth.enabled=true\nenforce.auth.schemes=digest, sasl"),
        Some("digest sasl".to_owned())
    );
    assert_eq!(schemes("sessionRequireClientSASLAuth=true"), Some("sasl".to_owned()));
    let missing = "zoo.cfg:3: enforce.auth.enabled: is true, but enforce.auth.schemes names no scheme; \
        write e.g. enforce.auth.schemes=digest";
    assert_eq!(errors_of("enforce.auth.enabled=true"), [missing]);
    let unavailable = "zoo.cfg:4: enforce.auth.schemes: the scheme digest is not available; \
        write e.g. enforce.auth.schemes=digest";
    let text =
        "enforce.auth.enabled=true\nenforce.auth.schemes=digest\nDigestAuthenticationProvider.enabled=false";
    assert_eq!(errors_of(text), [unavailable]);
}

#[test]
fn required_keys() {
    let data_dir = "zoo.cfg: dataDir: is not set; write e.g. dataDir=/var/lib/zookeeper";
    let client_port = "zoo.cfg: clientPort: is not set; write e.g. clientPort=2181";
    assert_eq!(errors(""), [data_dir, client_port]);
    assert_eq!(errors("secureClientPort=2281\ndataDir=/d"), [client_port]);
    let address = "zoo.cfg:2: clientPortAddress: is set, but clientPort is not; write e.g. clientPort=2181";
    assert_eq!(errors("dataDir=/d\nclientPortAddress=::1"), [address]);
}

#[test]
fn all_errors_come_at_once_in_the_order_of_the_lines() {
    let text = "tickTime=abc\ndataDir=\nforceSync=false\nclientPort=99999\nsnapshot.compression.method=zip\n";
    let expected = [
        "zoo.cfg:1: tickTime: \"abc\" is not a whole number of milliseconds; write e.g. tickTime=2000",
        "zoo.cfg:2: dataDir: the path is empty; write e.g. dataDir=/var/lib/zookeeper",
        "zoo.cfg:3: forceSync: \"false\" is not yes or no; write e.g. forceSync=yes",
        "zoo.cfg:4: clientPort: \"99999\" is not a port number from 0 to 65535; write e.g. clientPort=2181",
        "zoo.cfg:5: snapshot.compression.method: \"zip\" is not one of (nothing), gz, snappy; write e.g. snapshot.compression.method=gz",
    ];
    assert_eq!(errors(text), expected);
    let text = "dataDir=/d\n\nclientPort=1\\u00zz\n";
    let expected = "zoo.cfg:3: a \\u is not followed by four hexadecimal digits; mend or split the file";
    assert_eq!(errors(text), [expected]);
}

#[test]
fn session_timeouts_must_be_in_order() {
    let remedy =
        "set minSessionTimeout (default 2 ticks) no larger than maxSessionTimeout (default 20 ticks)";
    let table = [
        ("minSessionTimeout=5\nmaxSessionTimeout=4", "minSessionTimeout", 5, 4),
        ("minSessionTimeout=60001", "minSessionTimeout", 60001, 60000),
        ("maxSessionTimeout=5999", "maxSessionTimeout", 6000, 5999),
    ];
    for (text, key, min, max) in table {
        let expected = format!(
            "zoo.cfg:3: {key}: the least session timeout, {min} ms, is larger than the greatest, {max} ms; {remedy}"
        );
        assert_eq!(errors_of(text), [expected]);
    }
    assert_eq!(with_minimum("minSessionTimeout=0\nmaxSessionTimeout=0").sessions.timeout_ms_max, 0);
}

#[test]
fn sasl_between_servers_needs_its_switches() {
    let expected = [
        "zoo.cfg:3: quorum.auth.serverRequireSasl: is true, but quorum.auth.enableSasl is not; write quorum.auth.enableSasl=true",
        "zoo.cfg:3: quorum.auth.serverRequireSasl: is true, but quorum.auth.learnerRequireSasl is not; write quorum.auth.learnerRequireSasl=true",
    ];
    assert_eq!(errors_of("quorum.auth.serverRequireSasl=true"), expected);
}

#[test]
fn one_participant_serves_alone_and_names_the_client_port() {
    let dir = TempDir::new("one");
    let path =
        dir.write("zoo.cfg", &format!("dataDir={}\nserver.3=localhost:2888:3888;2199\n", dir.show("")));
    dir.write("myid", "3\n");
    let (config, warnings) = ServerConfig::from_file(&path, true).expect("one server is standalone");
    assert_eq!(config.clients.address, ListenAddress { host: None, port: 2199 });
    assert_eq!((config.server_id, config.peers.participants()), (Some(3), 1));
    assert_eq!(config.config_file, Some(path.clone()));
    let expected = format!("{}:2: server.3: is the only server: it serves standalone", path.display());
    assert_eq!(warnings.iter().map(ToString::to_string).collect::<Vec<_>>(), [expected]);
}

#[test]
fn a_client_port_must_agree_with_the_server_line() {
    let dir = TempDir::new("agree");
    dir.write("myid", "1");
    let load = |client: &str, line: &str| {
        let text = format!("dataDir={}\n{client}\nserver.1=a:2888:3888;{line}\n", dir.show(""));
        let path = dir.write("zoo.cfg", &text);
        ServerConfig::from_file(&path, false).map(|(config, _)| config.clients.address.to_string())
    };
    let table = [
        ("clientPort=2181", "2181", "0.0.0.0:2181"),
        ("clientPort=2181", "10.0.0.1:2181", "10.0.0.1:2181"),
        ("clientPort=2181\nclientPortAddress=0.0.0.0", "[::1]:2181", "[::1]:2181"),
        ("clientPort=2181\nclientPortAddress=ZOO1", "zoo1:2181", "zoo1:2181"),
        ("clientPort=2181\nclientPortAddress=localhost", "127.0.0.1:2181", "127.0.0.1:2181"),
        ("", "127.0.0.1:2181", "127.0.0.1:2181"),
    ];
    for (client, line, expected) in table {
        assert_eq!(load(client, line).as_deref(), Ok(expected), "{client:?} {line}");
    }
    let differ = [
        ("clientPort=2181", "2182"),
        ("clientPort=2181\nclientPortAddress=10.0.0.1", "2181"),
        ("clientPort=2181\nclientPortAddress=10.0.0.1", "10.0.0.2:2181"),
        ("clientPort=2181\nclientPortAddress=a", "b:2181"),
    ];
    for (client, line) in differ {
        let errors = load(client, line).expect_err(line);
        assert_eq!(errors.len(), 1, "{client:?} {line}");
        assert!(errors[0].problem.contains(" differs from "), "{}", errors[0]);
    }
}

#[test]
fn a_server_line_without_myid_is_not_ours() {
    let expected = "zoo.cfg: clientPort: is not set; write e.g. clientPort=2181, or write this server's id to \
        dataDir/myid so that its server line is found";
    assert_eq!(errors("dataDir=/d\nserver.1=a:2888:3888;2181"), [expected]);
}

#[test]
fn ensembles_are_refused_for_now() {
    let lines = "server.1=a:2888:3888\nserver.2=b:2888:3888\ninitLimit=5\nsyncLimit=2\n";
    let found = errors_of(lines);
    let refused = "zoo.cfg: server: there are 2 participants, but this build serves standalone only; \
        leave one server line, or none, and standaloneEnabled=true";
    let my_id =
        "zoo.cfg: dataDir: the file /d/myid is missing; write this server's id to it, one line with a number";
    assert_eq!(found, [my_id, refused]);
    let alone = errors_of("server.1=a:2888:3888\nstandaloneEnabled=false\n");
    assert!(alone.iter().any(|error| error.contains("initLimit: is not set, but needed in an ensemble")));
    assert!(alone.iter().any(|error| error.contains("standaloneEnabled=false asks for an ensemble")));
    let none = errors_of("standaloneEnabled=false\n");
    assert!(
        none[0].contains("standaloneEnabled: is false, but no server line names a participant"),
        "{none:?}"
    );
    let observer = errors_of("server.1=a:2888:3888:observer\n");
    let expected = "zoo.cfg: server: there are observers, but too few participants for a quorum; \
        name at least two participants";
    assert_eq!(observer, [expected]);
    let groups = errors_of("server.1=a:2888:3888\nweight.1=1\n");
    let expected = "zoo.cfg: server.1: server 1 is in no group, but groups or weights are set; \
        name every participant in one group";
    assert_eq!(groups, [expected]);
}

#[test]
fn my_id_must_be_a_number() {
    let dir = TempDir::new("myid");
    let path = dir.write("zoo.cfg", &format!("dataDir={}\nclientPort=2181\n", dir.show("")));
    for (text, expected) in [("12\r\nx", Some(12)), (" 7 ", Some(7)), ("x", None), ("", None)] {
        dir.write("myid", text);
        let loaded = ServerConfig::from_file(&path, false);
        assert_eq!(loaded.as_ref().ok().map(|(config, _)| config.server_id), expected.map(Some), "{text:?}");
        if let Err(errors) = loaded {
            let shown = text.lines().next().unwrap_or_default();
            let expected = format!(
                "{}:1: \"{shown}\" is not a server id; write this server's id to it, one line with a number",
                dir.path().join("").join("myid").display()
            );
            assert_eq!(errors.iter().map(ToString::to_string).collect::<Vec<_>>(), [expected]);
        }
    }
}

#[test]
fn the_dynamic_file_is_read() {
    let dir = TempDir::new("dynamic");
    let dynamic = dir.write("zoo.cfg.dynamic.1f", "server.1=localhost:2888:3888:participant;2199\n");
    let text = format!("dataDir={}\ndynamicConfigFile={}\n", dir.show(""), dynamic.display());
    let path = dir.write("zoo.cfg", &text);
    dir.write("myid", "1");
    let (config, _) = ServerConfig::from_file(&path, true).expect("a dynamic file of one server");
    assert_eq!((config.peers.version, config.clients.address.port), (0x1f, 2199));
    assert_eq!(config.dynamic_config_file, Some(dynamic.clone()));

    dir.write(
        "zoo.cfg.dynamic.1f",
        "version=3\nclientPort=2181\nserver.1=x\nserver.1=localhost:2888:3888;2199\n",
    );
    dir.write("zoo.cfg", &format!("{text}server.2=a:1:2\n"));
    let errors = ServerConfig::from_file(&path, false).expect_err("a dynamic file of wrong lines");
    let errors: Vec<String> = errors.iter().map(ToString::to_string).collect();
    let (path, dynamic) = (path.display(), dynamic.display());
    let expected = [
        format!(
            "{dynamic}:1: version: the version is the suffix of the file's name, never in the file; remove the line, or move it to the static file"
        ),
        format!(
            "{dynamic}:2: clientPort: does not belong into a dynamic configuration file; remove the line, or move it to the static file"
        ),
        format!(
            "{path}:3: server.2: is in the static file, but there is a dynamicConfigFile; move the line to the dynamic file"
        ),
    ];
    assert_eq!(errors, expected);

    dir.write(
        "zoo.cfg",
        &format!("clientPort=1\ndataDir={}\ndynamicConfigFile=/nonexistent/x\n", dir.show("")),
    );
    let errors = ServerConfig::from_file(&dir.path().join("zoo.cfg"), false).expect_err("no dynamic file");
    assert!(errors[0].to_string().contains("zoo.cfg:3: dynamicConfigFile: /nonexistent/x cannot be read: "));
}

#[test]
fn a_missing_file_is_named() {
    let errors = ServerConfig::from_file(Path::new("/nonexistent/zoo.cfg"), false).expect_err("no file");
    let text = errors[0].to_string();
    assert!(
        text.starts_with("/nonexistent/zoo.cfg: cannot be read: ") && text.ends_with("; check the path"),
        "{text}"
    );
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
         authProvider.1=org.apache.zookeeper.server.auth.SASLAuthenticationProvider\n\
         ssl.keyStore.location=/k/keystore.jks\nssl.keyStore.password=apassword\n\
         ssl.trustStore.location=/k/truststore.jks\nssl.trustStore.password=apassword\n\
         4lw.commands.whitelist=*\nreconfigEnabled=true\nlocalSessionsEnabled=true\n\
         localSessionsUpgradingEnabled=true\nextendedTypesEnabled=true\n\n",
        dir.show("")
    );
    let path = dir.write("zoo.cfg", &text);
    dir.write("myid", "1");
    let properties = [
        ("file.encoding", "UTF-8"),
        ("readonlymode.enabled", "true"),
        ("zookeeper.log.dir", "/l"),
        ("zookeeper.root.logger", "INFO,CONSOLE"),
        ("log4j.configuration", "file:/l/log4j.properties"),
        ("java.awt.headless", "true"),
        ("java.security.auth.login.config", "/k/jaas.conf"),
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
    let mut unheeded: Vec<&str> = warnings.iter().map(|warning| warning.key.as_str()).collect();
    unheeded.sort_unstable();
    let expected = [
        "admin.serverPort",
        "authProvider.1",
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

#[test]
fn strict_refuses_lines_without_effect() {
    let load = |line: &str, strict| {
        ServerConfig::from_text("zoo.cfg", format!("{MINIMUM}{line}").as_bytes(), strict)
            .map(|(_, w)| w.len())
    };
    for line in ["tickTmie=1", "serverCnxnFactory=x", "secureClientPort=2281", "snapCount=5\nsnapCount=6"] {
        assert_eq!(load(line, false), Ok(1), "{line}");
        let errors = load(line, true).expect_err(line);
        assert_eq!(errors[0].remedy, "mend or remove the line, or start without --strict-config");
    }
    assert_eq!(load("requestThrottleLimit=5", true), Ok(1), "another spelling is a note");
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

#[test]
fn a_relative_data_directory_is_noted() {
    let (_, warnings) = load("dataDir=data\nclientPort=2181");
    assert_eq!(warnings, ["zoo.cfg:1: dataDir: is a relative path; write ./ before it if that is meant"]);
    assert_eq!(load("dataDir=./data\nclientPort=2181").1, [""; 0]);
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
