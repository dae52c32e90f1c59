//! The binary from outside: `zkrs server` and what it says and ends with, `zkrs shell` piped and one-shot.

use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

const ZKRS: &str = env!("CARGO_BIN_EXE_zkrs");

/// A server of its own, on a port that the system chose.
struct Server {
    child: Child,
    address: String,
    /// What it said until it was ready.
    banner: String,
}

impl Server {
    fn start(directory: &Path, prepare: impl FnOnce(&mut Command)) -> Self {
        let mut command = Command::new(ZKRS);
        command.args(["server", "--set", "clientPort=0"]).current_dir(directory);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        prepare(&mut command);
        let mut child = command.spawn().expect("zkrs starts");
        let mut lines = BufReader::new(child.stderr.take().expect("piped")).lines();
        let mut banner = String::new();
        loop {
            let line = lines.next().unwrap_or_else(|| panic!("it ended: {banner}")).expect("text");
            banner += &(line + "\n");
            if banner.contains("\n  ready ") {
                break;
            }
        }
        let clients = banner.lines().find_map(|line| line.strip_prefix("  clients ")).expect("an address");
        let address = clients.split_whitespace().next().expect("an address").to_owned();
        // The pipe must not fill up while the server lives.
        std::thread::spawn(move || lines.count());
        Self { child, address, banner }
    }

    fn shell(&self, words: &[&str]) -> Output {
        let mut command = Command::new(ZKRS);
        command.args(["shell", "-server", &self.address]).args(words).stdin(Stdio::null());
        command.output().expect("zkrs shell runs")
    }

    /// Standard output of lines that are piped in, without the greeting.
    fn lines(&self, lines: &str) -> String {
        let mut command = Command::new(ZKRS);
        command.args(["shell", "-q", "-server", &self.address]);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("zkrs shell starts");
        child.stdin.take().expect("piped").write_all(lines.as_bytes()).expect("it reads");
        let output = child.wait_with_output().expect("it ends");
        text(&output.stdout)
    }

    /// Ends it as a service manager does, and returns the exit code.
    fn terminate(mut self) -> Option<i32> {
        let pid = self.child.id().to_string();
        let killed = Command::new("kill").args(["-TERM", &pid]).status().expect("kill runs");
        assert!(killed.success());
        self.child.wait().expect("it ends").code()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn server_fails(directory: &Path, words: &[&str]) -> (Option<i32>, String) {
    let output =
        Command::new(ZKRS).arg("server").args(words).current_dir(directory).output().expect("it runs");
    (output.status.code(), text(&output.stderr))
}

#[test]
fn a_server_says_where_it_is_and_ends_cleanly() {
    let directory = tempfile::tempdir().unwrap();
    let server = Server::start(directory.path(), |_| {});
    for said in ["(not encrypted)", "/zkrs-data\n", "last zxid 0x0, from a new database"] {
        assert!(server.banner.contains(said), "{said}: {}", server.banner);
    }
    assert!(server.shell(&["create", "/kept", "x"]).status.success());
    assert_eq!(server.terminate(), Some(0));
    let server = Server::start(directory.path(), |_| {});
    assert!(server.banner.contains("logged txns"), "{}", server.banner);
    assert_eq!(server.lines("get /kept\n"), "x\n");
}

#[test]
fn a_service_manager_is_told() {
    let directory = tempfile::tempdir().unwrap();
    let socket = directory.path().join("notify");
    let manager = UnixDatagram::bind(&socket).unwrap();
    manager.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    let server = Server::start(directory.path(), |command| {
        command.env("NOTIFY_SOCKET", &socket);
    });
    let mut told = [0; 512];
    let length = manager.recv(&mut told).unwrap();
    let expected = format!("READY=1\nSTATUS=serving clients on {}\n", server.address);
    assert_eq!(text(&told[..length]), expected);
}

#[test]
fn a_bad_configuration_is_refused_with_all_that_is_wrong() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("zoo.cfg");
    std::fs::write(&file, "dataDir=d\nclientPort=x\ntickTime=-1\n").unwrap();
    let (code, said) = server_fails(directory.path(), &["zoo.cfg"]);
    assert_eq!(code, Some(2));
    for expected in ["zoo.cfg:2: clientPort: ", "zoo.cfg:3: tickTime: ", "not started: 2 problems"] {
        assert!(said.contains(expected), "{expected}: {said}");
    }
    std::fs::write(&file, "dataDir=d\nclientPort=0\ntickTimes=1\n").unwrap();
    let (code, said) = server_fails(directory.path(), &["--strict-config", "zoo.cfg"]);
    assert_eq!(code, Some(2));
    assert!(said.contains("zoo.cfg:3: tickTimes: "), "{said}");
    let (code, said) = server_fails(directory.path(), &["--no-such-flag"]);
    assert_eq!(code, Some(2));
    assert!(said.contains("--no-such-flag"), "{said}");
    assert!(!directory.path().join("d").exists());
}

#[test]
fn a_directory_has_one_server() {
    let directory = tempfile::tempdir().unwrap();
    let _server = Server::start(directory.path(), |_| {});
    let (code, said) = server_fails(directory.path(), &["--set", "clientPort=0"]);
    assert_eq!(code, Some(3), "{said}");
    assert!(said.contains("another server is running on this directory"), "{said}");
}

#[test]
fn one_shot_calls_have_exit_codes() {
    let directory = tempfile::tempdir().unwrap();
    let server = Server::start(directory.path(), |_| {});
    let created = server.shell(&["create", "-e", "/e", "x"]);
    assert_eq!((created.status.code(), text(&created.stderr).as_str()), (Some(0), "Created /e\n"));
    let greeting = format!("Connecting to {}\n\nWATCHER::\n\nWatchedEvent ", server.address);
    assert!(text(&created.stdout).starts_with(&greeting), "{}", text(&created.stdout));
    // The call's session is left to expire, as zkCli leaves it, so that the znode outlives the call.
    assert_eq!(server.lines("ls /\n"), "[e, zookeeper]\n");
    let missing = server.shell(&["get", "/none"]);
    assert_eq!(
        (missing.status.code(), text(&missing.stderr).as_str()),
        (Some(1), "Node does not exist: /none\n")
    );
    assert_eq!(server.shell(&["nonsense"]).status.code(), Some(127));
    let json = server.shell(&["--json", "get", "/e"]);
    let value: serde_json::Value = serde_json::from_slice(&json.stdout).expect("one JSON object");
    assert_eq!((value["data"].as_str(), value["stat"]["dataLength"].as_i64()), (Some("x"), Some(1)));
    let json = server.shell(&["--json", "delete", "/none"]);
    assert_eq!(
        text(&json.stderr),
        "{\"code\":-101,\"error\":\"Node does not exist: /none\",\"name\":\"NONODE\"}\n"
    );
}

#[test]
fn piped_lines_print_what_zkcli_prints() {
    let directory = tempfile::tempdir().unwrap();
    let server = Server::start(directory.path(), |_| {});
    let lines = "\
create /a 'two words'
create /a/b
create /a/c
ls -R /a
get /a
get -b /a
get -w /a
set /a new
getAllChildrenNumber /a
setAcl /a/b ip:127.0.0.1:rw,world:anyone:a
getAcl /a/b
setquota -n 5 /a
listquota /a
delquota /a
whoami
deleteall /a
ls /
printwatches
redo 16
history
quit
ls /never
";
    let expected = "\
/a
/a/b
/a/c
two words
dHdvIHdvcmRz
two words

WATCHER::

WatchedEvent state:SyncConnected type:NodeDataChanged path:/a zxid: 5
2
'ip,'127.0.0.1
: rw
'world,'anyone
: a
Output quota for /a count=5,bytes=-1=;byteHardLimit=-1;countHardLimit=-1
Output stat for /a count=3,bytes=3
Auth scheme: User
ip: 127.0.0.1
[zookeeper]
printwatches is on
[zookeeper]
9 - setAcl /a/b ip:127.0.0.1:rw,world:anyone:a
10 - getAcl /a/b
11 - setquota -n 5 /a
12 - listquota /a
13 - delquota /a
14 - whoami
15 - deleteall /a
16 - ls /
17 - printwatches
18 - ls /
19 - history
";
    assert_eq!(server.lines(lines), expected);
}

#[test]
fn watches_are_told_while_nothing_is_typed() {
    let directory = tempfile::tempdir().unwrap();
    let server = Server::start(directory.path(), |_| {});
    let mut command = Command::new(ZKRS);
    command.args(["shell", "--json", "-q", "-server", &server.address]);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("zkrs shell starts");
    let mut input = child.stdin.take().expect("piped");
    let mut output = BufReader::new(child.stdout.take().expect("piped"));
    let mut line = || {
        let mut line = String::new();
        output.read_line(&mut line).expect("a line");
        line
    };
    input.write_all(b"addWatch /\n").unwrap();
    assert_eq!(line(), "{\"mode\":\"PERSISTENT_RECURSIVE\",\"path\":\"/\"}\n");
    assert!(server.shell(&["create", "/new"]).status.success());
    assert!(
        line().starts_with(
            "{\"event\":{\"path\":\"/new\",\"state\":\"SyncConnected\",\"type\":\"NodeCreated\""
        )
    );
    drop(input);
    let mut rest = String::new();
    output.read_to_string(&mut rest).unwrap();
    assert!(child.wait().unwrap().success());
}

#[test]
fn without_a_server_a_command_fails() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    drop(listener);
    let output = Command::new(ZKRS).args(["shell", "-server", &address, "ls", "/"]).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(text(&output.stderr), "KeeperErrorCode = ConnectionLoss for /\n");
}

#[test]
fn help_and_mistakes() {
    let run = |words: &[&str]| Command::new(ZKRS).args(words).output().unwrap();
    let help = run(&["help"]);
    for command in ["server", "shell", "log", "snapshot", "cleanup", "bench", "status", "version"] {
        assert!(text(&help.stdout).contains(&format!("\n  {command} ")), "{command}");
    }
    assert!(text(&run(&["version"]).stdout).starts_with("zkrs "));
    let unknown = run(&["frobnicate"]);
    assert_eq!(unknown.status.code(), Some(2));
    assert!(text(&unknown.stderr).contains("no command 'frobnicate'"));
}
