//! Starting and stopping one server, Apache's or ours, on a free port with a directory of its own.

use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const START_DEADLINE: Duration = Duration::from_secs(120);
const STOP_DEADLINE: Duration = Duration::from_secs(120);
const START_ATTEMPTS: usize = 3;
/// Containers and TTL znodes are never reaped during a run: the time of a reaping is not comparable.
const REAPER_INTERVAL_MS: &str = "86400000";

/// Whose server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Apache ZooKeeper 3.9.5, from the jars that `tests/install.sh apache` fetches.
    Apache,
    /// The `zkrs` binary.
    Zkrs,
}

impl Kind {
    /// The kind of a command line's word.
    ///
    /// # Errors
    /// A message naming the words there are.
    pub fn parse(word: &str) -> Result<Self, String> {
        match word {
            "apache" => Ok(Self::Apache),
            "zkrs" => Ok(Self::Zkrs),
            _ => Err(format!("server '{word}': it must be apache or zkrs")),
        }
    }

    /// Why this machine cannot run such a server, or `None`.
    pub fn unavailable(self) -> Option<String> {
        match self {
            Self::Zkrs => {
                let binary = zkrs_binary();
                (!binary.is_file()).then(|| {
                    format!("there is no {} (cargo build --release, or set ZKRS_BIN)", binary.display())
                })
            }
            Self::Apache => apache_class_path().err().or_else(|| {
                let mut java = Command::new("java");
                run_ok(java.arg("-version").stdout(Stdio::null()).stderr(Stdio::null()))
                    .err()
                    .map(|why| format!("java does not run: {why}"))
            }),
        }
    }
}

/// A running server process.
#[derive(Debug)]
pub struct Server {
    /// Whose it is.
    pub kind: Kind,
    /// Where clients reach it.
    pub address: SocketAddr,
    /// Its directory: `zoo.cfg`, `server.log` and the data directory `data`.
    pub dir: PathBuf,
    process: Child,
}

impl Server {
    /// Starts a server in `dir` (made if need be; data that is there is used) and waits until it serves.
    ///
    /// `config` are `zoo.cfg` keys beside those that every run sets.
    ///
    /// # Errors
    /// A message with the end of the server's log.
    pub fn start(kind: Kind, dir: &Path, config: &[(&str, &str)]) -> Result<Self, String> {
        let mut failure = String::new();
        // The free port can be taken by somebody else before the server binds it.
        for _ in 0..START_ATTEMPTS {
            match Self::start_once(kind, dir, config) {
                Ok(server) => return Ok(server),
                Err(why) => failure = why,
            }
        }
        Err(failure)
    }

    fn start_once(kind: Kind, dir: &Path, config: &[(&str, &str)]) -> Result<Self, String> {
        let explain = |error: std::io::Error| format!("{}: {error}", dir.display());
        fs::create_dir_all(dir).map_err(explain)?;
        let dir = dir.canonicalize().map_err(explain)?;
        let address = free_address().map_err(explain)?;
        let zoo_cfg = dir.join("zoo.cfg");
        fs::write(&zoo_cfg, zoo_cfg_text(&dir, address, config)).map_err(explain)?;
        let log = fs::File::create(dir.join("server.log")).map_err(explain)?;
        let mut command = match kind {
            Kind::Apache => apache_command()?,
            Kind::Zkrs => {
                let mut command = Command::new(zkrs_binary());
                command.arg("server");
                command
            }
        };
        command.arg(&zoo_cfg).current_dir(&dir).stdin(Stdio::null());
        command.stdout(log.try_clone().map_err(explain)?).stderr(log);
        let process = command.spawn().map_err(|error| format!("{:?}: {error}", command.get_program()))?;
        let mut server = Self { kind, address, dir, process };
        server.wait_until_it_serves()?;
        Ok(server)
    }

    /// The process id.
    pub fn pid(&self) -> u32 {
        self.process.id()
    }

    /// The answer to a four-letter word.
    ///
    /// # Errors
    /// The operating system's.
    pub fn four_letters(&self, word: &str) -> std::io::Result<String> {
        self.four_letters_within(word, Duration::from_secs(60))
    }

    fn four_letters_within(&self, word: &str, deadline: Duration) -> std::io::Result<String> {
        let mut stream = TcpStream::connect_timeout(&self.address, deadline)?;
        stream.set_read_timeout(Some(deadline))?;
        stream.write_all(word.as_bytes())?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        Ok(answer)
    }

    /// Stops the server with SIGTERM and waits for its end.
    ///
    /// # Errors
    /// A message when it does not end in time.
    pub fn stop(mut self) -> Result<(), String> {
        let pid = self.process.id().to_string();
        let mut kill = Command::new("kill");
        kill.args(["-TERM", &pid]);
        run_ok(&mut kill)?;
        let deadline = Instant::now() + STOP_DEADLINE;
        while Instant::now() < deadline {
            if self.process.try_wait().map_err(|error| error.to_string())?.is_some() {
                return Ok(());
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        Err(format!("process {pid} did not end {STOP_DEADLINE:?} after SIGTERM"))
    }

    /// Kills the server with SIGKILL and waits for its end.
    pub fn kill(self) {
        drop(self);
    }

    /// Whether the process still runs.
    pub fn is_alive(&mut self) -> bool {
        matches!(self.process.try_wait(), Ok(None))
    }

    /// The last lines of its log.
    pub fn log_tail(&self) -> String {
        let text = fs::read(self.dir.join("server.log")).unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(20)..].join("\n")
    }

    fn wait_until_it_serves(&mut self) -> Result<(), String> {
        let deadline = Instant::now() + START_DEADLINE;
        while Instant::now() < deadline {
            if !self.is_alive() {
                return Err(format!("{:?} ended at start:\n{}", self.kind, self.log_tail()));
            }
            // A server that is not ready yet may take the connection and say nothing.
            let answer = self.four_letters_within("srvr", Duration::from_millis(500));
            if answer.is_ok_and(|answer| answer.contains("Zxid:")) {
                return Ok(());
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        Err(format!("{:?} did not serve within {START_DEADLINE:?}:\n{}", self.kind, self.log_tail()))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Both fail only when the process has ended and been waited for already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// A directory for one run, removed at the end unless `keep` is set.
#[derive(Debug)]
pub struct ScratchDir {
    /// Where it is.
    pub path: PathBuf,
    /// Leave it there.
    pub keep: bool,
}

impl ScratchDir {
    /// Makes a new directory below the system's temporary one.
    ///
    /// # Errors
    /// The operating system's.
    pub fn new(label: &str) -> std::io::Result<Self> {
        let base = std::env::temp_dir();
        let stamp = std::time::SystemTime::UNIX_EPOCH.elapsed().map_or(0, |since| since.as_nanos());
        let path = base.join(format!("zkrs-{label}-{}-{stamp}", std::process::id()));
        fs::create_dir_all(&path)?;
        Ok(Self { path, keep: false })
    }
}

impl Drop for ScratchDir {
    fn drop(&mut self) {
        if !self.keep {
            // A leftover directory in the temporary folder harms nobody.
            let _ = fs::remove_dir_all(&self.path);
        }
    }
}

/// A `java` command with Apache's jars, up to the class to run.
///
/// # Errors
/// A message when the jars are not there.
pub fn java() -> Result<Command, String> {
    let mut command = Command::new("java");
    command.args(["-Xmx800m", "-XX:+UseSerialGC", "-XX:-UsePerfData", "-XX:TieredStopAtLevel=1"]);
    command.args(["-Dorg.slf4j.simpleLogger.defaultLogLevel=warn", "-Dzookeeper.admin.enableServer=false"]);
    command.arg("-cp").arg(apache_class_path()?);
    Ok(command)
}

/// The folder `tests/` of the checkout.
pub fn tests_folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the crate lives in tests/").to_path_buf()
}

fn apache_command() -> Result<Command, String> {
    let mut command = java()?;
    command.arg(format!("-Dznode.container.checkIntervalMs={REAPER_INTERVAL_MS}"));
    command.arg("org.apache.zookeeper.server.quorum.QuorumPeerMain");
    Ok(command)
}

fn apache_class_path() -> Result<String, String> {
    if let Ok(path) = std::env::var("ZKRS_APACHE_CLASSPATH") {
        return Ok(path);
    }
    let jars = tests_folder().join(".cache/apache");
    match jars.is_dir() {
        true => Ok(format!("{}/*", jars.display())),
        false => Err(format!("there are no Apache jars in {} (run tests/install.sh apache)", jars.display())),
    }
}

fn zkrs_binary() -> PathBuf {
    if let Ok(path) = std::env::var("ZKRS_BIN") {
        return path.into();
    }
    // Beside this program (target/<profile>/), or one up when this is a test in deps/.
    let own = std::env::current_exe().unwrap_or_default();
    let beside =
        own.ancestors().skip(1).take(2).map(|folder| folder.join("zkrs")).find(|path| path.is_file());
    beside.unwrap_or_else(|| tests_folder().join("../target/release/zkrs"))
}

fn zoo_cfg_text(dir: &Path, address: SocketAddr, config: &[(&str, &str)]) -> String {
    let mut text = format!(
        "dataDir={}/data\nclientPort={}\nclientPortAddress={}\n",
        dir.display(),
        address.port(),
        address.ip()
    );
    let fixed = [
        ("tickTime", "500"),
        ("minSessionTimeout", "3000"),
        ("maxSessionTimeout", "120000"),
        ("maxClientCnxns", "0"),
        ("admin.enableServer", "false"),
        ("4lw.commands.whitelist", "*"),
        ("forceSync", "no"),
        ("znode.container.checkIntervalMs", REAPER_INTERVAL_MS),
        // The password of super is "test".
        ("DigestAuthenticationProvider.superDigest", "super:D/InIHSb7yEEbrWz8b9l71RjZJU="),
    ];
    for (key, value) in fixed.iter().filter(|(key, _)| config.iter().all(|(own, _)| own != key)).chain(config)
    {
        text.push_str(&format!("{key}={value}\n"));
    }
    text
}

fn free_address() -> std::io::Result<SocketAddr> {
    TcpListener::bind(("127.0.0.1", 0))?.local_addr()
}

fn run_ok(command: &mut Command) -> Result<(), String> {
    match command.status() {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(status.to_string()),
        Err(error) => Err(error.to_string()),
    }
}
