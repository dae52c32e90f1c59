//! The client port: binding it early, listening when there is something to serve, letting connections in.

use std::io;
use std::net::{SocketAddr, TcpListener as StdListener, ToSocketAddrs};
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use mio::net::{TcpListener, TcpStream};
use mio::{Interest, Registry, Token};
use socket2::{Domain, Protocol, SockRef, Socket, Type};

use crate::config::{ClientsConfig, ListenAddress};
use crate::conn::{Conn, ConnLimits, Rejected};
use crate::driver::Shared;
use crate::out::Out;
use crate::stats::ConnStats;

/// After an accept that failed for want of descriptors or memory, when to try again.
pub(crate) const RETRY: Duration = Duration::from_millis(100);
/// How often refused connections are logged.
const REFUSAL_LOG_INTERVAL: Duration = Duration::from_secs(10);
/// What Java takes when `clientPortListenBacklog` is not set is 50, which loses connects in a burst; this loses none
/// and costs nothing.
const BACKLOG_CONNECTIONS: i32 = 1024;

/// Binds the client port, without listening: nobody else can have it, and nobody is let in before there is
/// something to serve.
///
/// # Errors
/// The system's, for the last of the addresses that the host has.
pub(crate) fn bind(config: &ClientsConfig) -> io::Result<Socket> {
    let mut last = io::Error::new(io::ErrorKind::NotFound, "the host has no address");
    for address in addresses(&config.address)? {
        match bind_to(address, config) {
            Ok(socket) => return Ok(socket),
            Err(error) => last = error,
        }
    }
    Err(last)
}

/// Begins to listen.
///
/// # Errors
/// The system's.
pub(crate) fn listen(socket: Socket, config: &ClientsConfig) -> io::Result<TcpListener> {
    let backlog = config.listen_backlog.map_or(BACKLOG_CONNECTIONS, |n| i32::try_from(n).unwrap_or(i32::MAX));
    socket.listen(backlog)?;
    socket.set_nonblocking(true)?;
    Ok(TcpListener::from_std(StdListener::from(socket)))
}

/// Without a host: all addresses, of both families where the system has both.
fn addresses(address: &ListenAddress) -> io::Result<Vec<SocketAddr>> {
    match &address.host {
        Some(host) => Ok((host.as_str(), address.port).to_socket_addrs()?.collect()),
        None => Ok(vec![
            SocketAddr::from(([0u16; 8], address.port)),
            SocketAddr::from(([0, 0, 0, 0], address.port)),
        ]),
    }
}

fn bind_to(address: SocketAddr, config: &ClientsConfig) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    // A server that starts again must not wait for the last one's connections to time out.
    socket.set_reuse_address(true)?;
    if address.is_ipv6() && address.ip().is_unspecified() {
        socket.set_only_v6(false)?;
    }
    // Accepted sockets inherit both on Linux, which saves two calls per connection.
    socket.set_tcp_nodelay(true)?;
    socket.set_keepalive(config.tcp_keep_alive)?;
    socket.bind(&address.into())?;
    Ok(socket)
}

/// Lets connections in and hands them to the I/O threads in turn.
pub(crate) struct Acceptor {
    listener: TcpListener,
    next_thread: usize,
    retry_at: Option<Instant>,
    refusals: Refusals,
}

impl Acceptor {
    pub(crate) fn new(listener: TcpListener) -> Self {
        Self { listener, next_thread: 0, retry_at: None, refusals: Refusals::default() }
    }

    pub(crate) fn register(&mut self, registry: &Registry, token: Token) -> io::Result<()> {
        registry.register(&mut self.listener, token, Interest::READABLE)
    }

    /// Whether the last accept failed and is to be tried again.
    pub(crate) fn is_waiting(&self) -> bool {
        self.retry_at.is_some()
    }

    pub(crate) fn is_retry_due(&self) -> bool {
        self.retry_at.is_some_and(|at| Instant::now() >= at)
    }

    /// Lets in all that wait.
    pub(crate) fn accept_all(&mut self, shared: &Shared) {
        self.retry_at = None;
        loop {
            match self.listener.accept() {
                Ok((stream, address)) => self.let_in(shared, stream, address),
                Err(error) => match error.kind() {
                    io::ErrorKind::WouldBlock => return,
                    io::ErrorKind::Interrupted | io::ErrorKind::ConnectionAborted => {}
                    _ => {
                        tracing::warn!(%error, "a connection could not be accepted; raise the limit of open files");
                        self.retry_at = Some(Instant::now() + RETRY);
                        return;
                    }
                },
            }
        }
    }

    fn let_in(&mut self, shared: &Shared, stream: TcpStream, address: SocketAddr) {
        let address = SocketAddr::new(address.ip().to_canonical(), address.port());
        let clients = &shared.config.clients;
        if !cfg!(target_os = "linux") {
            // A failure costs latency or a probe, not the connection.
            let _ = stream.set_nodelay(true);
            let _ = SockRef::from(&stream).set_keepalive(clients.tcp_keep_alive);
        }
        let limits = ConnLimits {
            connections_max: clients.connections_max as usize,
            connections_per_address_max: clients.connections_per_address_max as usize,
        };
        let io_thread = self.next_thread % shared.io.len();
        let now = shared.clock.now();
        let (out, stats) = (Out::default(), ConnStats::new(now.wall_ms));
        let admitted = {
            let mut core = shared.write();
            let checked = core.conns.check(address.ip(), limits);
            checked.map(|()| core.conns.insert(|id| Conn { id, address, io_thread, stream, out, stats }))
        };
        match admitted {
            Ok(conn) => {
                self.next_thread = self.next_thread.wrapping_add(1);
                shared.deadlines.accepted(conn.id, now.mono_ms);
                if let Err(error) = shared.io.register(&conn) {
                    tracing::warn!(%address, %error, "a connection could not be watched and is closed");
                    shared.write().conns.remove(conn.id);
                }
            }
            Err(rejected) => {
                shared.stats.connections_rejected.fetch_add(1, Ordering::Relaxed);
                self.refusals.log(rejected, address);
            }
        }
    }
}

/// Says that connections are refused, but not for each of a flood.
#[derive(Default)]
struct Refusals {
    logged_at: Option<Instant>,
    unlogged: u64,
}

impl Refusals {
    fn log(&mut self, rejected: Rejected, address: SocketAddr) {
        if self.logged_at.is_some_and(|at| at.elapsed() < REFUSAL_LOG_INTERVAL) {
            self.unlogged += 1;
            return;
        }
        self.logged_at = Some(Instant::now());
        let unlogged = std::mem::take(&mut self.unlogged);
        let (open, key) = match rejected {
            Rejected::PerAddress(open) => (open, "maxClientCnxns"),
            Rejected::Total(open) => (open, "maxCnxns"),
        };
        tracing::warn!(%address, open, unlogged, "a connection was refused; raise {key} to allow more");
    }
}
