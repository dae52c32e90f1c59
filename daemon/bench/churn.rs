//! Sessions opened and closed, some at once, as fast as the server takes them.
//!
//! A cycle is: connect, handshake, closeSession, its reply, the end of the connection. The server closes first, as
//! ZooKeeper's does after a closeSession, so that no client port is left waiting and cycles never run out of ports.

use std::io::{self, Read, Write};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Registry, Token};

use super::load::Stop;
use super::tally::{Outcome, Trouble, Troubles};
use super::wire::{self, ConnectReply, Cut, ReplyHeader};

/// A cycle without an end is given up.
const CYCLE_TIMEOUT: Duration = Duration::from_secs(30);
/// After this many cycles went wrong the run ends.
const TROUBLES_MAX: u64 = 1000;
/// Both replies of a cycle fit into this.
const REPLY_BYTES_MAX: usize = 256;
/// The closeSession's xid.
const CLOSE_XID: i32 = 1;

/// Keeps `at_once` cycles going until `stop`, after `warmup`.
///
/// # Errors
/// The poll's. What goes wrong in a cycle is counted in the outcome.
pub fn run(
    server: SocketAddr,
    at_once: usize,
    timeout: Duration,
    warmup: Duration,
    stop: Stop,
    start: Instant,
    progress: &AtomicU64,
) -> io::Result<Outcome> {
    let mut poll = Poll::new()?;
    let mut events = Events::with_capacity(1024);
    let hello = wire::connect_request(timeout.as_millis().min(i32::MAX as u128) as i32);
    let mut outcome = Outcome::new();
    let opens = start + warmup;
    let (closes, count) = match stop {
        Stop::After(length) => (Some(opens + length), u64::MAX),
        Stop::Requests(count) => (None, count),
    };
    let mut cycles: Vec<Option<Cycle>> = Vec::new();
    for slot in 0..at_once {
        cycles.push(Cycle::begin(poll.registry(), Token(slot), server, &mut outcome.troubles));
    }

    let is_over = |outcome: &Outcome| {
        outcome.finished >= count
            || closes.is_some_and(|closes| Instant::now() >= closes)
            || outcome.troubles.total() >= TROUBLES_MAX
    };
    while !is_over(&outcome) {
        match poll.poll(&mut events, Some(Duration::from_millis(100))) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            result => result?,
        }
        for event in &events {
            let slot = event.token().0;
            let Some(cycle) = &mut cycles[slot] else { continue };
            match cycle.advance(&hello) {
                Ok(false) => continue,
                Ok(true) => {
                    let now = Instant::now();
                    if now >= opens && outcome.finished < count {
                        outcome.finished += 1;
                        outcome.latencies.record((now - cycle.begun).as_nanos() as u64);
                        outcome.window_seconds = (now - opens).as_secs_f64();
                        progress.fetch_add(1, Ordering::Relaxed);
                    }
                }
                Err(trouble) => outcome.troubles.add(trouble),
            }
            cycles[slot] = Cycle::begin(poll.registry(), event.token(), server, &mut outcome.troubles);
        }
        for (slot, place) in cycles.iter_mut().enumerate() {
            if place.as_ref().is_none_or(|cycle| cycle.begun.elapsed() > CYCLE_TIMEOUT) {
                if place.is_some() {
                    outcome.troubles.add(Trouble::Unanswered(1));
                }
                *place = Cycle::begin(poll.registry(), Token(slot), server, &mut outcome.troubles);
            }
        }
    }
    if let Stop::After(length) = stop {
        outcome.window_seconds = length.as_secs_f64();
    }
    Ok(outcome)
}

/// How far a cycle is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// The connection may not be made yet; nothing is sent.
    Connecting,
    /// The ConnectResponse is awaited.
    Opening,
    /// The closeSession's reply is awaited.
    Closing,
    /// The end of the connection is awaited.
    Ending,
}

struct Cycle {
    stream: TcpStream,
    phase: Phase,
    begun: Instant,
    received: Vec<u8>,
}

impl Cycle {
    fn begin(registry: &Registry, token: Token, server: SocketAddr, troubles: &mut Troubles) -> Option<Self> {
        let connect = || {
            let mut stream = TcpStream::connect(server)?;
            stream.set_nodelay(true)?;
            registry.register(&mut stream, token, Interest::READABLE | Interest::WRITABLE)?;
            Ok::<_, io::Error>(stream)
        };
        match connect() {
            Ok(stream) => {
                Some(Self { stream, phase: Phase::Connecting, begun: Instant::now(), received: Vec::new() })
            }
            Err(error) => {
                troubles.add(Trouble::Socket(format!("connect: {error}")));
                None
            }
        }
    }

    /// Goes as far as the socket lets it; whether the cycle is complete.
    fn advance(&mut self, hello: &[u8]) -> Result<bool, Trouble> {
        if self.phase == Phase::Connecting {
            // 49 bytes always fit into a fresh socket: a short write cannot happen.
            match self.stream.write(hello) {
                Ok(_) => self.phase = Phase::Opening,
                Err(error) if not_yet(&error) => return Ok(false),
                Err(error) => return Err(Trouble::Socket(format!("connect: {error}"))),
            }
        }
        loop {
            let mut bytes = [0; REPLY_BYTES_MAX];
            match self.stream.read(&mut bytes) {
                Ok(0) if self.phase == Phase::Ending => return Ok(true),
                Ok(0) => return Err(Trouble::ConnectionLost(1)),
                Ok(count) => self.received.extend_from_slice(&bytes[..count]),
                Err(error) if not_yet(&error) => return Ok(false),
                Err(error) => return Err(Trouble::Socket(error.to_string())),
            }
            self.take_replies()?;
        }
    }

    fn take_replies(&mut self) -> Result<(), Trouble> {
        while !self.received.is_empty() {
            let payload = match wire::cut_frame(&self.received, REPLY_BYTES_MAX) {
                Cut::Frame(payload) => payload,
                Cut::Partial => break,
                Cut::BadLength(_) => return Err(Trouble::Malformed),
            };
            let frame = &self.received[4..4 + payload];
            match self.phase {
                Phase::Opening => {
                    let reply = ConnectReply::parse(frame).ok_or(Trouble::Malformed)?;
                    if reply.timeout_ms <= 0 || reply.session_id == 0 {
                        return Err(Trouble::SessionRefused);
                    }
                    let bye = wire::close_session(CLOSE_XID);
                    self.stream.write_all(&bye).map_err(|error| Trouble::Socket(error.to_string()))?;
                    self.phase = Phase::Closing;
                }
                Phase::Closing => {
                    let header = ReplyHeader::parse(frame).ok_or(Trouble::Malformed)?;
                    if header.xid != CLOSE_XID {
                        return Err(Trouble::OutOfOrder { expected: CLOSE_XID, got: header.xid });
                    }
                    if header.err != 0 {
                        return Err(Trouble::ErrorReply(header.err));
                    }
                    self.phase = Phase::Ending;
                }
                Phase::Connecting | Phase::Ending => return Err(Trouble::Unasked(0)),
            }
            self.received.drain(..4 + payload);
        }
        Ok(())
    }
}

fn not_yet(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::WouldBlock | io::ErrorKind::NotConnected | io::ErrorKind::Interrupted
    )
}
