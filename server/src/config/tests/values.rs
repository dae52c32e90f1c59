//! Values: what they become, and what is said of wrong ones.

use super::*;

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
fn sasl_needs_its_provider_and_its_users() {
    let sasl = with_minimum(&format!(
        "authProvider.1={SASL_PROVIDER}\nsuperUser=bob\nsuperUser.2=eve\nallowSaslFailedClients=true"
    ));
    let sasl = sasl.auth.sasl;
    assert!(sasl.scheme_enabled && sasl.allow_failed_clients && sasl.users.is_empty());
    assert_eq!(Vec::from_iter(sasl.super_users), ["bob", "eve"]);
    let missing = "the scheme sasl is not available; \
        write authProvider.sasl=org.apache.zookeeper.server.auth.SASLAuthenticationProvider";
    assert_eq!(
        errors_of("sessionRequireClientSASLAuth=true"),
        [format!("zoo.cfg:3: sessionRequireClientSASLAuth: {missing}")]
    );
    assert_eq!(
        errors_of("enforce.auth.enabled=true\nenforce.auth.schemes=sasl"),
        [format!("zoo.cfg:4: enforce.auth.schemes: {missing}")]
    );
    let (_, warnings) =
        load(&format!("{MINIMUM}authProvider.1={SASL_PROVIDER}\nsessionRequireClientSASLAuth=true"));
    let nobody = "zoo.cfg:4: sessionRequireClientSASLAuth: no client can be served: \
        java.security.auth.login.config names no file with SASL users";
    assert_eq!(warnings, [nobody]);
    let (_, warnings) = load(&format!("{MINIMUM}authProvider.2=org.example.Mine"));
    assert!(warnings.len() == 1 && warnings[0].starts_with("zoo.cfg:3: authProvider.2: has no effect yet: "));
}

#[test]
fn enforced_authentication_fails_closed() {
    let schemes = |text: &str| {
        let schemes = with_minimum(text).auth.enforced_schemes;
        schemes.map(|schemes| schemes.into_iter().collect::<Vec<_>>().join(" "))
    };
    assert_eq!(schemes("enforce.auth.schemes=digest"), None);
    assert_eq!(
        schemes(&format!(
            "authProvider.1={SASL_PROVIDER}\nenforce.auth.enabled=true\nenforce.auth.schemes=digest, sasl"
        )),
        Some("digest sasl".to_owned())
    );
    assert_eq!(
        schemes(&format!("authProvider.1={SASL_PROVIDER}\nsessionRequireClientSASLAuth=true")),
        Some("sasl".to_owned())
    );
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
    let secure = "zoo.cfg:3: secureClientPortAddress: is set, but secureClientPort is not; write e.g. secureClientPort=2281";
    assert_eq!(errors_of("secureClientPortAddress=::1"), [secure]);
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

#[test]
fn a_relative_data_directory_is_noted() {
    let (_, warnings) = load("dataDir=data\nclientPort=2181");
    assert_eq!(warnings, ["zoo.cfg:1: dataDir: is a relative path; write ./ before it if that is meant"]);
    assert_eq!(load("dataDir=./data\nclientPort=2181").1, [""; 0]);
}
