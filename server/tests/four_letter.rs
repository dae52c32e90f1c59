//! Four-letter words, against what Apache ZooKeeper 3.9.5 printed for the same state.

mod support;

use std::io::Write;

use support::*;
use zkrs_core::proto::Request;

/// Replaces what differs from run to run.
fn masked(text: &str, replacements: &[(&str, &str)]) -> String {
    replacements.iter().fold(text.to_owned(), |text, (from, to)| text.replace(from, to))
}

#[test]
fn words_about_an_empty_server() {
    let dir = tempfile::tempdir().unwrap();
    let server = server(dir.path(), "tickTime=2000\n");
    let at = server.client_addr();
    let version = masked(word(at, "envi").lines().nth(1).unwrap(), &[("zookeeper.version=", "")]);
    assert!(version.starts_with("3.9.5-zkrs") && version.contains(", built on "), "{version}");
    assert_eq!(word(at, "ruok"), "imok");
    wait_for("the connections before are gone", || word(at, "srvr").contains("Connections: 1\n"));
    assert_eq!(word(at, "srst"), "Server stats reset.\n");
    wait_for("the connection before is gone", || server.connections() == 0);
    let srvr = format!(
        "Zookeeper version: {version}\nLatency min/avg/max: 0/0.0/0\nReceived: 1\nSent: 1\nConnections: 1\n\
         Outstanding: 0\nZxid: 0x0\nMode: standalone\nNode count: 5\n"
    );
    assert_eq!(word(at, "srvr"), srvr);
    assert_eq!(word(at, "crst"), "Connection stats reset.\n");
    assert_eq!(word(at, "srst"), "Server stats reset.\n");
    assert_eq!(word(at, "isro"), "rw");
    assert_eq!(word(at, "hash"), "");
    assert_eq!(word(at, "wchs"), "0 connections watching 0 paths\nTotal watches:0\n");
    assert_eq!(word(at, "wchc"), "\n");
    assert_eq!(word(at, "wchp"), "\n");
    assert_eq!(word(at, "gtmk"), "306");
    assert_eq!(word_bytes(at, b"stmk\0\0\0\0\0\0\0\x07"), b"7");
    assert_eq!(word(at, "gtmk"), "7");
    assert_eq!(word_bytes(at, b"stmk\0\0"), b"");
    assert!(word(at, "mntr\n").starts_with("zk_version\t"), "a line end does not matter");
    let folder = dir.path().join("version-2");
    let size = word(at, "dirs").lines().next().unwrap().strip_prefix("datadir_size: ").unwrap().to_owned();
    assert_eq!(word(at, "dirs"), format!("datadir_size: {size}\nlogdir_size: {size}\n"));
    let conf = format!(
        "clientPort={}\nsecureClientPort=-1\ndataDir={folder}\ndataDirSize={size}\ndataLogDir={folder}\n\
         dataLogSize={size}\ntickTime=2000\nmaxClientCnxns=60\nminSessionTimeout=4000\nmaxSessionTimeout=40000\n\
         clientPortListenBacklog=-1\nserverId=0\n",
        at.port(),
        folder = folder.display()
    );
    assert_eq!(word(at, "conf"), conf);
}

#[test]
fn words_about_clients() {
    let dir = tempfile::tempdir().unwrap();
    let server = server(dir.path(), "");
    let at = server.client_addr();
    let mut client = Client::connect(at);
    let id = format!("0x{:x}", client.session.session_id);
    client.create("/w", b"x");
    client.call(&create("/w/e2", b"", 1));
    client.call(&create("/w/e1", b"", 1));
    client.call(&get("/w", true));
    client.call(&get("/w/e1", true));
    client.call(&Request::GetChildren { path: "/".into(), watch: true });
    let own = client.stream.local_addr().unwrap().to_string();

    let stat = word(at, "stat");
    let clients = stat.split("Clients:\n").nth(1).unwrap().split("Latency").next().unwrap();
    let (first, rest) = clients.split_once('\n').unwrap();
    assert_eq!(first, format!(" /{own}[1](queued=0,recved=7,sent=7)"));
    assert!(
        rest.starts_with(" /127.0.0.1:") && rest.ends_with("[0](queued=0,recved=1,sent=0)\n\n"),
        "{rest:?}"
    );

    let cons = word(at, "cons");
    let line = cons.lines().next().unwrap();
    let start = format!(" /{own}[1](queued=0,recved=7,sent=7,sid={id},lop=GETC,est=");
    let end = line.strip_prefix(&start).unwrap_or_else(|| panic!("{line}"));
    let keys: Vec<&str> = end.split(',').skip(1).map(|pair| pair.split('=').next().unwrap()).collect();
    assert_eq!(keys, ["to", "lcxid", "lzxid", "lresp", "llat", "minlat", "avglat", "maxlat"]);
    assert!(end.contains(",to=10000,lcxid=0x6,lzxid=0x4,lresp=") && cons.ends_with(")\n\n"), "{cons}");

    assert_eq!(word(at, "wchs"), "1 connections watching 2 paths\nTotal watches:2\n");
    assert_eq!(word(at, "wchc"), format!("{id}\n\t/w\n\t/w/e1\n\n"));
    assert_eq!(word(at, "wchp"), format!("/w\n\t{id}\n/w/e1\n\t{id}\n\n"));

    let dump = word(at, "dump");
    let lines: Vec<&str> = dump.lines().collect();
    assert_eq!(lines[..2], ["SessionTracker dump:", "Session Sets (1)/(1):"]);
    assert!(lines[2].starts_with("1 expire at ") && lines[2].ends_with(':'), "{dump}");
    assert_eq!(lines[3], format!("\t{id}"));
    assert_eq!(lines[4..6], ["ephemeral nodes dump:", "Sessions with Ephemerals (1):"]);
    assert_eq!(lines[6..9], [format!("{id}:"), "\t/w/e2".to_owned(), "\t/w/e1".to_owned()]);
    assert_eq!(lines[9], "Connections dump:");
    assert!(lines.contains(&format!("\tip: /{own} sessionId: {id}").as_str()), "{dump}");

    assert_eq!(word(at, "crst"), "Connection stats reset.\n");
    let cons = word(at, "cons");
    let reset = "(queued=0,recved=0,sent=0,sid=";
    assert!(cons.contains(reset) && cons.contains(",lop=NA,") && !cons.contains("lcxid"), "{cons}");
    assert!(cons.contains(",lzxid=0xffffffffffffffff,lresp=0,llat=0,minlat=0,avglat=0,maxlat=0)"), "{cons}");
}

#[test]
fn monitors_find_their_keys() {
    let dir = tempfile::tempdir().unwrap();
    let server = server(dir.path(), "");
    let at = server.client_addr();
    let mut client = Client::connect(at);
    client.create("/a", b"12345");
    client.call(&create("/e", b"", 1));
    client.call(&get("/a", true));
    assert_eq!(monitored(at, "num_alive_connections"), "2");
    let expected = [
        ("server_state", "standalone"),
        ("ephemerals_count", "1"),
        ("outstanding_requests", "0"),
        ("znode_count", "7"),
        ("global_sessions", "1"),
        ("watch_count", "1"),
        ("approximate_data_size", "53"),
        ("cnt_readlatency", "1"),
        ("cnt_fsynctime", "3"),
        ("connection_drop_probability", "0.0"),
    ];
    for (key, value) in expected {
        assert_eq!(monitored(at, key), value, "{key}");
    }
    let text = word(at, "mntr");
    for line in text.lines() {
        let (key, value) = line.split_once('\t').unwrap();
        assert!(key.starts_with("zk_"), "{line}");
        assert!(key == "zk_version" || key == "zk_server_state" || value.parse::<f64>().is_ok(), "{line}");
    }
    let files: u64 = monitored(at, "open_file_descriptor_count").parse().unwrap();
    let files_max: u64 = monitored(at, "max_file_descriptor_count").parse().unwrap();
    assert!(0 < files && files < files_max);
}

#[test]
fn only_listed_words_are_answered() {
    let dir = tempfile::tempdir().unwrap();
    let server = server(dir.path(), "4lw.commands.whitelist=ruok\n");
    let at = server.client_addr();
    assert_eq!(word(at, "ruok"), "imok");
    assert_eq!(word(at, "mntr"), "mntr is not executed because it is not in the whitelist.\n");
    assert!(word(at, "srvr").starts_with("Zookeeper version: "), "srvr is always listed");
    let mut unknown = raw(at);
    unknown.write_all(b"xxxx").unwrap();
    assert_end(&mut unknown);
}

#[test]
fn a_word_is_a_word_only_at_the_start() {
    let dir = tempfile::tempdir().unwrap();
    let server = server(dir.path(), "");
    let mut client = Client::connect(server.client_addr());
    client.stream.write_all(b"ruok").unwrap();
    assert_end(&mut client.stream);
    let mut split = raw(server.client_addr());
    split.write_all(b"ru").unwrap();
    assert_eq!(word(server.client_addr(), "ruok"), "imok");
    split.write_all(b"ok").unwrap();
    let mut answer = String::new();
    std::io::Read::read_to_string(&mut split, &mut answer).unwrap();
    assert_eq!(answer, "imok");
}
