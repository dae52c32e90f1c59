//! The real binary on a directory that outlives it.

use std::fs;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::wire::{PATIENCE, Wire, eventually, word};

/// A server process.
pub struct ServerProcess {
    pub address: SocketAddr,
    config: PathBuf,
    /// What it said, of all its lives.
    output: PathBuf,
    child: Option<Child>,
}

impl ServerProcess {
    /// Starts one on `dir`. Logs and snapshots are small, so that many kills fall between two of them.
    pub fn start(dir: &Path) -> Self {
        // Free when asked for; should somebody take it between two lives, the start says so and the test fails.
        let address =
            TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a free port");
        let config = dir.join("zoo.cfg");
        let text = format!(
            "dataDir={}/data\nclientPort={}\nclientPortAddress=127.0.0.1\npreAllocSize=64\nsnapCount=500\n\
             tickTime=200\nminSessionTimeout=400\nmaxSessionTimeout=60000\n4lw.commands.whitelist=*\n",
            dir.display(),
            address.port()
        );
        fs::write(&config, text).expect("the folder is writable");
        let mut server = Self { address, config, output: dir.join("output"), child: None };
        server.restart();
        server
    }

    /// Starts the process, without waiting for anything.
    pub fn spawn(&mut self) {
        let output =
            fs::File::options().create(true).append(true).open(&self.output).expect("a file for the output");
        let child = Command::new(env!("CARGO_BIN_EXE_zkrs"))
            .arg("server")
            .arg(&self.config)
            .stdin(Stdio::null())
            .stdout(output.try_clone().expect("a second handle"))
            .stderr(output)
            .spawn();
        self.child = Some(child.expect("the binary runs"));
    }

    /// Starts the process, if it is not there, and waits until it serves.
    pub fn restart(&mut self) {
        if self.child.is_none() {
            self.spawn();
        }
        eventually("the server serves", || {
            let child = self.child.as_mut().expect("just started");
            if let Some(status) = child.try_wait().expect("a child can be asked") {
                let said = fs::read_to_string(&self.output).unwrap_or_default();
                panic!("the server ended at its start: {status}; it said:\n{said}");
            }
            Wire::try_connect(self.address).ok()
        });
    }

    /// `kill -9`, and waits for the end.
    pub fn kill_now(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().expect("a child can be killed");
            child.wait().expect("a killed child ends");
        }
    }

    /// The same when so much time has passed. When exactly does not matter, that it varies does.
    pub fn kill_after(&mut self, moment: Duration) {
        let end = Instant::now() + moment;
        while Instant::now() < end {
            std::thread::yield_now();
        }
        self.kill_now();
    }

    /// The last zxid, as `srvr` prints it.
    pub fn zxid(&self) -> i64 {
        let text = word(self.address, "srvr");
        let hex = text.lines().find_map(|line| line.strip_prefix("Zxid: 0x")).expect("srvr prints the zxid");
        i64::from_str_radix(hex, 16).expect("a zxid")
    }
}

impl Drop for ServerProcess {
    fn drop(&mut self) {
        self.kill_now();
        if std::thread::panicking() {
            eprintln!("the server's output of all its lives is in {}", self.output.display());
        }
        debug_assert!(PATIENCE > Duration::ZERO);
    }
}
