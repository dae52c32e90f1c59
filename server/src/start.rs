//! Starting and stopping a server.
//!
//! A start binds the port first, so that a taken one is found at once, recovers the tree, and only then listens:
//! whoever gets in is answered. A shutdown takes no more requests, lets the log finish what it has, sends what is to
//! be sent, and loses nothing.

use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{self, Receiver};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use mio::Poll;
use zkrs_core::peer::Peer;
use zkrs_storage::{
    DirLock, Dirs, Fs, LogWriter, LogWriterOptions, RealFs, Recovered, RecoveryOptions, SnapshotWriter,
    StorageError, epochs, recover,
};

use crate::accept::{self, Acceptor};
use crate::clock::Clock;
use crate::config::ServerConfig;
use crate::driver::{Parts, Shared};
use crate::fatal::{Exit, OnFatal};
use crate::io::{IoThread, IoWakers, Phase};
use crate::{io as io_threads, lane, recovery, snapshots, timers};

pub use zkrs_storage::recovery::Progress;

/// I/O threads when the configuration leaves the number to us, at most.
const IO_THREADS_MAX: usize = 8;
/// How long a shutdown waits for a thread that should answer at once.
const SHUTDOWN_STEP: Duration = Duration::from_secs(5);
/// How long a shutdown goes on sending to clients that do not read.
const SHUTDOWN_SEND: Duration = Duration::from_millis(500);

/// What may be said of a start beside its configuration.
#[derive(Default)]
pub struct StartOptions {
    /// The disk; `None` for the real one.
    pub fs: Option<Arc<dyn Fs>>,
    /// Hears how far recovery is.
    pub progress: Option<Box<dyn FnMut(Progress)>>,
    /// Called once when the server cannot go on; `None` prints the message and ends the process with
    /// [`crate::Fatal::exit_code`].
    pub on_fatal: Option<OnFatal>,
}

/// Why a server did not start. Displayed with the remedy.
#[derive(Debug)]
pub enum StartError {
    /// The client port cannot be had.
    Bind {
        /// `host:port` as configured.
        address: String,
        /// The system's error.
        source: io::Error,
    },
    /// The directories or the files in them are not ones to start on.
    Storage(StorageError),
    /// The database is empty and `db.autocreate` is false.
    EmptyDatabase {
        /// Where the file `initialize` would say that this is meant.
        dir: std::path::PathBuf,
    },
    /// The system gave no thread, poll or descriptor.
    System(io::Error),
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StartError::Bind { address, source } => {
                let remedy = match source.kind() {
                    io::ErrorKind::AddrInUse => "stop the program that has it, or set another clientPort",
                    io::ErrorKind::PermissionDenied => {
                        "set a clientPort above 1023, or allow the server to bind this one"
                    }
                    io::ErrorKind::AddrNotAvailable => "set clientPortAddress to an address of this machine",
                    _ => "check clientPort and clientPortAddress",
                };
                write!(f, "the client port {address} cannot be bound: {source} ({remedy})")
            }
            StartError::Storage(error) => write!(f, "{error}"),
            StartError::EmptyDatabase { dir } => write!(
                f,
                "{}: there is no database, and db.autocreate is false (if that is meant, put an empty file named \
                 initialize there; else check dataDir and dataLogDir)",
                dir.display()
            ),
            StartError::System(error) => {
                write!(
                    f,
                    "the system refused a thread, a poll or a descriptor: {error} (raise the process's limits)"
                )
            }
        }
    }
}

impl std::error::Error for StartError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            StartError::Bind { source, .. } | StartError::System(source) => Some(source),
            StartError::Storage(error) => Some(error),
            StartError::EmptyDatabase { .. } => None,
        }
    }
}

impl From<StorageError> for StartError {
    fn from(error: StorageError) -> Self {
        StartError::Storage(error)
    }
}

/// A running server. Dropping it shuts it down.
pub struct Server {
    shared: Arc<Shared>,
    client_addr: SocketAddr,
    recovered: Recovered,
    drained: Receiver<()>,
    io: Vec<JoinHandle<()>>,
    lane: Option<JoinHandle<()>>,
    helpers: Vec<JoinHandle<()>>,
    /// Given back last.
    _lock: DirLock,
}

impl Server {
    /// Starts a server; when this returns, it listens and answers.
    ///
    /// # Errors
    /// [`StartError`]; nothing was changed on disk but directories and what recovery tidies up.
    pub fn start(config: ServerConfig) -> Result<Server, StartError> {
        Server::start_with(config, StartOptions::default())
    }

    /// Starts a server with options.
    ///
    /// # Errors
    /// As [`Server::start`].
    pub fn start_with(config: ServerConfig, options: StartOptions) -> Result<Server, StartError> {
        let StartOptions { fs, progress, on_fatal } = options;
        let fs = fs.unwrap_or_else(|| Arc::new(RealFs));
        let clock = Clock::start();
        let socket = accept::bind(&config.clients)
            .map_err(|source| StartError::Bind { address: config.clients.address.to_string(), source })?;
        let dirs = Dirs::new(&config.data_dir, Some(config.data_log_dir.clone()));
        dirs.ensure(&*fs, config.data_dir_autocreate)?;
        let lock = DirLock::take(&*fs, &dirs)?;
        let (peer, recovered) = recover_peer(&fs, &dirs, &config, &clock, progress)?;
        let log = open_log(&fs, &dirs, &config, recovered.last_zxid)?;

        let polls = (0..io_threads_of(&config)).map(|_| Poll::new()).collect::<io::Result<Vec<_>>>();
        let polls = polls.map_err(StartError::System)?;
        let io = IoWakers::new(&polls).map_err(StartError::System)?;
        let listener = accept::listen(socket, &config.clients)
            .map_err(|source| StartError::Bind { address: config.clients.address.to_string(), source })?;
        let client_addr = listener.local_addr().map_err(StartError::System)?;
        let exit = Exit::new(on_fatal);
        let client_port = client_addr.port();
        let shared = Arc::new(Shared::new(Parts { peer, config, clock, fs, dirs, io, exit, client_port }));

        let (drained_tx, drained) = mpsc::channel();
        let mut server = Server {
            shared,
            client_addr,
            recovered,
            drained,
            io: Vec::new(),
            lane: None,
            helpers: Vec::new(),
            _lock: lock,
        };
        server.spawn(log, polls, Acceptor::new(listener), &drained_tx).map_err(StartError::System)?;
        tracing::info!(address = %client_addr, "serving clients");
        Ok(server)
    }

    fn spawn(
        &mut self,
        log: LogWriter,
        polls: Vec<Poll>,
        acceptor: Acceptor,
        drained: &mpsc::Sender<()>,
    ) -> io::Result<()> {
        let shared = &self.shared;
        self.lane = Some(lane::spawn(Arc::clone(shared), log)?);
        self.helpers.push(timers::spawn(Arc::clone(shared))?);
        self.helpers.push(snapshots::spawn(Arc::clone(shared))?);
        let mut acceptor = Some(acceptor);
        for (index, poll) in polls.into_iter().enumerate() {
            let thread = IoThread::new(Arc::clone(shared), index, poll, acceptor.take(), drained.clone())?;
            self.io.push(io_threads::spawn(thread)?);
        }
        Ok(())
    }

    /// Where clients are served; the port is the real one when the configuration said 0.
    pub fn client_addr(&self) -> SocketAddr {
        self.client_addr
    }

    /// What recovery found at start.
    pub fn recovered(&self) -> &Recovered {
        &self.recovered
    }

    /// The configuration it was started with.
    pub fn config(&self) -> &ServerConfig {
        &self.shared.config
    }

    /// How many client connections are open.
    pub fn connections(&self) -> usize {
        self.shared.read().conns.len()
    }

    /// Stops taking connections and requests, finishes what is in work, makes it durable, closes everything. Blocks
    /// until that is done. Sessions live on in the log and go on after the next start.
    pub fn shutdown(mut self) {
        self.stop();
    }

    fn stop(&mut self) {
        let Some(lane) = self.lane.take() else { return };
        let shared = &self.shared;
        shared.serving.store(false, Ordering::SeqCst);
        shared.io.set_phase(Phase::Draining);
        for _ in &self.io {
            // A thread that does not answer died, and the server with it.
            let _ = self.drained.recv_timeout(SHUTDOWN_STEP);
        }
        shared.stopping.store(true, Ordering::SeqCst);
        shared.wake_timer();
        shared.snapshots.wake();
        for helper in self.helpers.drain(..) {
            let _ = helper.join();
        }
        // Nobody steps the peer any more but the lane itself.
        shared.lane.stop();
        let _ = lane.join();
        shared.wait_until_sent(SHUTDOWN_SEND);
        shared.io.set_phase(Phase::Stopped);
        for thread in self.io.drain(..) {
            let _ = thread.join();
        }
        shared.drop_connections();
        tracing::info!(address = %self.client_addr, "stopped");
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop();
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server").field("client_addr", &self.client_addr).finish_non_exhaustive()
    }
}

impl Shared {
    /// Waits until every client has been sent what waits for it, but no longer than `limit`.
    fn wait_until_sent(&self, limit: Duration) {
        let end = Instant::now() + limit;
        while Instant::now() < end && self.read().conns.iter().any(|conn| !conn.out.is_empty()) {
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    fn drop_connections(&self) {
        self.write().conns = crate::conn::Conns::default();
    }
}

fn io_threads_of(config: &ServerConfig) -> usize {
    match config.clients.io_threads {
        0 => std::thread::available_parallelism().map_or(1, |n| n.get().min(IO_THREADS_MAX)),
        threads => threads as usize,
    }
}

fn recover_peer(
    fs: &Arc<dyn Fs>,
    dirs: &Dirs,
    config: &ServerConfig,
    clock: &Clock,
    progress: Option<Box<dyn FnMut(Progress)>>,
) -> Result<(Peer, Recovered), StartError> {
    let seed = RandomState::new().hash_one(clock.mono_ms());
    let mut sink = recovery::Sink::new(recovery::peer_config(config), seed);
    let mut progress = progress.unwrap_or_else(|| Box::new(|_| {}));
    let options = RecoveryOptions {
        auto_create_dirs: config.data_dir_autocreate,
        auto_create_db: config.db_autocreate,
        trust_empty: config.snapshots.trust_empty,
    };
    let recovered = recover(&**fs, dirs, options, &mut sink, &mut *progress)?;
    if recovered.last_zxid < 0 {
        return Err(StartError::EmptyDatabase { dir: dirs.log_root.clone() });
    }
    for (path, why) in &recovered.snapshots_skipped {
        tracing::warn!("a snapshot was skipped: {}: {why}", path.display());
    }
    if recovered.torn_bytes > 0 {
        tracing::warn!(bytes = recovered.torn_bytes, "an unfinished write at the end of the log was cut");
    }
    let mut peer = sink.finish(clock.now());
    if recovered.is_fresh() {
        // Logs without a snapshot are refused at the next start, so the first one comes before the first log.
        let compression = snapshots::compression(config.snapshots.compression);
        let writer = SnapshotWriter::create(Arc::clone(fs), &dirs.snap(), recovered.last_zxid, compression)?;
        recovery::write_first_snapshot(&mut peer, writer, clock.now())?;
        epochs::clear_initialize(&**fs, dirs)?;
    }
    Ok((peer, recovered))
}

fn open_log(
    fs: &Arc<dyn Fs>,
    dirs: &Dirs,
    config: &ServerConfig,
    last_zxid: i64,
) -> Result<LogWriter, StartError> {
    let options = LogWriterOptions {
        pre_alloc_bytes: config.log.pre_alloc_bytes,
        log_bytes_max: config.log.file_bytes_max,
        force_sync: config.log.force_sync,
    };
    Ok(LogWriter::open(Arc::clone(fs), &dirs.log(), last_zxid, options)?)
}
