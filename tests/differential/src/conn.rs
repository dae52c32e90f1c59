//! One client connection: handshake, requests out, frames in.

use crate::wire::{Put, Take};
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

/// How long a server may take to answer before the transcript says that it did not.
pub const ANSWER_MS: u64 = 10_000;

/// What came next on a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Incoming {
    /// A frame's payload.
    Frame(Vec<u8>),
    /// The server closed the connection.
    Closed,
    /// Nothing within the deadline.
    Silence,
}

/// A TCP connection to a server.
#[derive(Debug)]
pub struct Conn {
    stream: TcpStream,
    /// Bytes received and not yet returned as frames, and how many of them are used up.
    received: Vec<u8>,
    used: usize,
    /// Set once the server's end is gone.
    pub closed: bool,
    /// The next request's xid.
    pub next_xid: i32,
}

impl Conn {
    /// Connects.
    ///
    /// # Errors
    /// The operating system's, when nobody listens.
    pub fn open(address: SocketAddr) -> std::io::Result<Self> {
        let stream = TcpStream::connect_timeout(&address, Duration::from_millis(ANSWER_MS))?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, received: Vec::new(), used: 0, closed: false, next_xid: 1 })
    }

    /// Sends bytes as they are; a failure only marks the connection closed, reading tells the rest.
    pub fn send_raw(&mut self, bytes: &[u8]) {
        if self.stream.write_all(bytes).is_err() {
            self.closed = true;
        }
    }

    /// Sends one frame.
    pub fn send(&mut self, payload: &[u8]) {
        self.send_raw(&framed(payload));
    }

    /// Sends a request and returns the xid it was given.
    pub fn request(&mut self, op: i32, body: &[u8]) -> i32 {
        let xid = self.take_xid();
        self.send(&request_payload(xid, op, body));
        xid
    }

    /// The next xid of the connection's own counter.
    pub fn take_xid(&mut self) -> i32 {
        let xid = self.next_xid;
        self.next_xid += 1;
        xid
    }

    /// The next frame, or that there is none within `deadline_ms`.
    pub fn receive(&mut self, deadline_ms: u64) -> Incoming {
        let deadline = Instant::now() + Duration::from_millis(deadline_ms);
        loop {
            if let Some(frame) = self.buffered_frame() {
                return Incoming::Frame(frame);
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Incoming::Silence;
            }
            self.stream.set_read_timeout(Some(left)).expect("a nonzero timeout is always accepted");
            let mut chunk = [0; 65_536];
            match self.stream.read(&mut chunk) {
                Ok(0) => return self.ended(),
                Ok(count) => self.received.extend_from_slice(&chunk[..count]),
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                    return Incoming::Silence;
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => return self.ended(),
            }
        }
    }

    /// Shuts the connection without a word to the server.
    pub fn drop_abruptly(self) {
        // The error would say that it is down already.
        let _ = self.stream.shutdown(std::net::Shutdown::Both);
    }

    fn ended(&mut self) -> Incoming {
        self.closed = true;
        Incoming::Closed
    }

    fn buffered_frame(&mut self) -> Option<Vec<u8>> {
        let mut from = Take::new(&self.received[self.used..]);
        let length = usize::try_from(from.int()?).ok()?;
        let frame = from.rest.get(..length)?.to_vec();
        self.used += 4 + length;
        if self.used == self.received.len() {
            self.received.clear();
            self.used = 0;
        }
        Some(frame)
    }
}

/// A payload with its length in front.
pub fn framed(payload: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(payload.len() + 4);
    out.buffer(Some(payload));
    out
}

/// A request's payload: header and body.
pub fn request_payload(xid: i32, op: i32, body: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(body.len() + 8);
    out.int(xid);
    out.int(op);
    out.extend_from_slice(body);
    out
}

/// A `ConnectRequest`'s payload; `read_only` is left out for the form of clients up to 3.3.
pub fn connect_payload(
    last_zxid: i64,
    timeout_ms: i32,
    session: i64,
    password: &[u8],
    read_only: Option<bool>,
) -> Vec<u8> {
    let mut out = Vec::new();
    out.int(0);
    out.long(last_zxid);
    out.int(timeout_ms);
    out.long(session);
    out.buffer(Some(password));
    if let Some(read_only) = read_only {
        out.flag(read_only);
    }
    out
}

/// A decoded `ConnectResponse`.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct Connected {
    pub protocol_version: i32,
    pub timeout_ms: i32,
    pub session: i64,
    pub password: Vec<u8>,
    /// `None` in the form for clients up to 3.3.
    pub read_only: Option<bool>,
}

impl Connected {
    /// Reads a whole payload; `None` when it is anything else.
    pub fn take(payload: &[u8]) -> Option<Self> {
        let mut from = Take::new(payload);
        let connected = Self {
            protocol_version: from.int()?,
            timeout_ms: from.int()?,
            session: from.long()?,
            password: from.buffer()??.to_vec(),
            read_only: if from.rest.is_empty() { None } else { Some(from.flag()?) },
        };
        from.rest.is_empty().then_some(connected)
    }
}

/// The password Apache derives from a session id: 16 bytes of `java.util.Random(id ^ 0xB3415C00)`.
pub fn session_password(session: i64) -> [u8; 16] {
    const MULTIPLIER: u64 = 0x5_DEEC_E66D;
    const MASK: u64 = (1 << 48) - 1;
    let mut state = ((session as u64 ^ 0xB341_5C00) ^ MULTIPLIER) & MASK;
    let mut password = [0; 16];
    for quarter in password.chunks_exact_mut(4) {
        state = state.wrapping_mul(MULTIPLIER).wrapping_add(0xB) & MASK;
        quarter.copy_from_slice(&((state >> 16) as u32).to_le_bytes());
    }
    password
}
