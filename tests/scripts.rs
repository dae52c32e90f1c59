//! The binary called by the names of ZooKeeper's scripts, and its tools on the files that a server wrote.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

const ZKRS: &str = env!("CARGO_BIN_EXE_zkrs");

/// A directory laid out as Apache's: `bin` with the scripts, `conf/zoo.cfg`, `data`, `logs`.
struct Home {
    root: tempfile::TempDir,
}

impl Home {
    fn new() -> Self {
        let home = Self { root: tempfile::tempdir().unwrap() };
        fs::create_dir(home.path("bin")).unwrap();
        fs::create_dir(home.path("conf")).unwrap();
        for name in
            ["zkServer.sh", "zkCli.sh", "zkCleanup.sh", "zkServer-initialize.sh", "zkTxnLogToolkit.sh"]
        {
            symlink(ZKRS, home.path("bin").join(name)).unwrap();
        }
        let data = home.path("data");
        // The port is known to the scripts only from the file, so it must be a real one; one that was free just now.
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let config = format!("dataDir={}\nclientPort={port}\nclientPortAddress=127.0.0.1\n", data.display());
        fs::write(home.path("conf/zoo.cfg"), config).unwrap();
        home
    }

    fn path(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    fn run(&self, script: &str, words: &[&str]) -> Output {
        let mut command = Command::new(self.path("bin").join(script));
        for variable in ["ZOOCFGDIR", "ZOOCFG", "ZOOPIDFILE", "ZOO_LOG_DIR", "ZOO_DATADIR_AUTOCREATE_DISABLE"]
        {
            command.env_remove(variable);
        }
        command.args(words).output().unwrap()
    }

    /// Standard output and the exit code.
    fn said(&self, script: &str, words: &[&str]) -> (String, Option<i32>) {
        let output = self.run(script, words);
        (text(&output.stdout), output.status.code())
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        self.run("zkServer.sh", &["stop"]);
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn zkrs(words: &[&str]) -> (String, Option<i32>) {
    let output = Command::new(ZKRS).args(words).output().unwrap();
    (text(&output.stdout) + &text(&output.stderr), output.status.code())
}

fn shown(path: &Path) -> &str {
    path.to_str().unwrap()
}

#[test]
fn a_server_is_started_asked_and_stopped() {
    let home = Home::new();
    let said = |words: &[&str]| home.said("zkServer.sh", words);
    let (status, code) = said(&["status"]);
    assert!(status.ends_with("Error contacting service. It is probably not running.\n"), "{status}");
    assert_eq!(code, Some(1));
    assert_eq!(said(&["start"]), ("Starting zookeeper ... STARTED\n".to_owned(), Some(0)));
    let pid = fs::read_to_string(home.path("data/zookeeper_server.pid")).unwrap();
    let expected = format!("Starting zookeeper ... already running as process {pid}.\n");
    assert_eq!(said(&["start"]), (expected, Some(1)));
    let (status, code) = said(&["status"]);
    let lines: Vec<&str> = status.lines().collect();
    assert!(
        lines[0].starts_with("Client port found: ") && lines[0].ends_with("127.0.0.1. Client SSL: false.")
    );
    assert_eq!((lines[1], code), ("Mode: standalone", Some(0)));
    assert_eq!(said(&["stop"]), ("Stopping zookeeper ... STOPPED\n".to_owned(), Some(0)));
    assert!(!home.path("data/zookeeper_server.pid").exists());
    let (stopped, code) = said(&["stop"]);
    assert!(
        stopped.starts_with("Stopping zookeeper ... no zookeeper to stop (could not find file "),
        "{stopped}"
    );
    assert_eq!(code, Some(0));
    let (usage, code) = (text(&home.run("zkServer.sh", &["dance"]).stderr), said(&["dance"]).1);
    assert!(usage.starts_with("Usage: zkServer.sh [--config <conf-dir>] {start|"), "{usage}");
    assert_eq!(code, Some(1));
}

#[test]
fn a_server_that_cannot_start_is_said_to_have_failed() {
    let home = Home::new();
    fs::write(home.path("conf/zoo.cfg"), format!("dataDir={}\nclientPort=x\n", home.path("data").display()))
        .unwrap();
    let (said, code) = home.said("zkServer.sh", &["start"]);
    assert!(said.starts_with("Starting zookeeper ... FAILED TO START\nsee "), "{said}");
    assert_eq!(code, Some(1));
    let output = fs::read_dir(home.path("logs")).unwrap().next().unwrap().unwrap().path();
    assert!(fs::read_to_string(output).unwrap().contains("zoo.cfg:2: clientPort: "));
    let other = home.run("zkServer.sh", &["--config", shown(&home.path("none")), "status"]);
    assert_eq!(other.status.code(), Some(1));
}

#[test]
fn tools_read_what_a_server_wrote() {
    let home = Home::new();
    assert_eq!(home.said("zkServer-initialize.sh", &["--myid=1"]).1, Some(0));
    assert_eq!(home.said("zkServer.sh", &["start"]).1, Some(0));
    let config = fs::read_to_string(home.path("conf/zoo.cfg")).unwrap();
    let port = config.lines().find_map(|line| line.strip_prefix("clientPort=")).unwrap();
    let server = format!("127.0.0.1:{port}");
    for command in
        [&["create", "/a", "x"][..], &["create", "/a/b"], &["set", "/a", "yz"], &["delete", "/a/b"]]
    {
        let words = [&["-server", server.as_str()][..], command].concat();
        assert_eq!(home.run("zkCli.sh", &words).status.code(), Some(0), "{command:?}");
    }
    assert_eq!(home.said("zkServer.sh", &["stop"]).1, Some(0));

    let data = home.path("data");
    let (verified, code) = zkrs(&["log", "verify", shown(&data)]);
    assert!(code == Some(0) && verified.ends_with(" whole\n"), "{verified}");
    let log = home.path("data/version-2/log.1");
    let (dump, code) = home.said("zkTxnLogToolkit.sh", &["-d", shown(&log)]);
    assert_eq!(code, Some(0));
    for expected in
        [" create /a,x,[31,s{'world,'anyone}\n],false,1\n", " setData /a,yz,1\n", " delete '/a/b\n"]
    {
        assert!(dump.contains(expected), "{expected}: {dump}");
    }
    let (json, _) = zkrs(&["log", "dump", "--json", shown(&data)]);
    assert!(json.lines().all(|line| serde_json::from_str::<serde_json::Value>(line).is_ok()), "{json}");
    let snapshot = home.path("data/version-2/snapshot.0");
    let (snapshot, code) = zkrs(&["snapshot", "dump", shown(&snapshot)]);
    assert!(code == Some(0) && snapshot.starts_with("ZNode Details (count=5):\n"), "{snapshot}");
    assert_eq!(home.said("zkCleanup.sh", &["-n", "3"]), (String::new(), Some(0)));
    assert_eq!(home.said("zkCleanup.sh", &["-n", "2"]).1, Some(1));

    // A flipped bit is found, and what follows it can be given up.
    let mut bytes = fs::read(&log).unwrap();
    let at = bytes.windows(2).position(|two| two == b"yz").unwrap();
    bytes[at] ^= 1;
    fs::write(&log, bytes).unwrap();
    let (found, code) = zkrs(&["log", "verify", shown(&data)]);
    assert!(code == Some(1) && found.contains("log.1"), "{found}");
    let good = json.lines().find(|line| line.contains("\"create\"")).unwrap();
    let zxid = good.rsplit("\"zxid\":\"").next().unwrap().trim_end_matches("\"}");
    let (chopped, code) = zkrs(&["log", "chop", shown(&data), "--after", zxid]);
    assert!(code == Some(0) && chopped.contains(&format!("the last txn is {zxid}")), "{chopped}");
    assert_eq!(zkrs(&["log", "verify", shown(&data)]).1, Some(0));
    assert_eq!(home.said("zkServer.sh", &["start"]).1, Some(0));
    assert_eq!(home.said("zkServer.sh", &["stop"]).1, Some(0));
}
