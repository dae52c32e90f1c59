//! One client session on one non-blocking socket: what it sent, what it awaits, and the checks of every reply.
//!
//! It knows nothing of what is measured. The loops in `load`, `watchers` and `idle` decide what to send and
//! what a reply means.

use std::collections::VecDeque;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream as BlockingStream};
use std::time::{Duration, Instant};

use mio::net::TcpStream;

use super::control::{finish_handshake, start_handshake};
use super::tally::Trouble;
use super::wire::{self, Cut, REPLY_HEADER_BYTES, ReplyHeader};

/// How long the good-byes of all sessions may take.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(10);
/// Handshakes in flight at once: below Linux's default listen backlog of a Java server (50).
const HANDSHAKES_MAX: usize = 32;
/// A reply beyond the receive buffer's room is refused.
pub const RECEIVE_BUFFER_BYTES: usize = 4 << 20;

/// A request on its way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InFlight {
    pub xid: i32,
    /// Payload bytes of a good reply; 0 if any length will do.
    pub reply_bytes: u32,
    /// When it was due, in nanoseconds since the run began.
    pub due_nanos: u64,
}

/// What one frame from the server turned out to be.
#[derive(Debug, PartialEq, Eq)]
pub enum Received {
    /// The reply to the oldest request, as it should be.
    Reply(InFlight),
    /// The reply to the oldest request, with something wrong.
    Faulty(InFlight, Trouble),
    /// A watch event.
    Notification,
    /// The reply to a keep-alive ping.
    Pong,
    /// Nothing that can follow here; the connection is of no more use.
    Broken(Trouble),
}

/// The requests in flight, oldest first.
#[derive(Debug, Default)]
pub struct Pending {
    requests: VecDeque<InFlight>,
    last_xid: i32,
    last_zxid: i64,
    pings: u32,
}

impl Pending {
    /// How many replies are awaited.
    pub fn len(&self) -> usize {
        self.requests.len()
    }

    /// Takes the next xid, from 1 and back to 1.
    pub fn next_xid(&mut self) -> i32 {
        self.last_xid = if self.last_xid == i32::MAX { 1 } else { self.last_xid + 1 };
        self.last_xid
    }

    /// Notes a request as sent.
    pub fn push(&mut self, request: InFlight) {
        self.requests.push_back(request);
    }

    /// Holds one frame's payload against what is awaited.
    pub fn settle(&mut self, frame: &[u8]) -> Received {
        let Some(header) = ReplyHeader::parse(frame) else { return Received::Broken(Trouble::Malformed) };
        if header.xid == wire::XID_NOTIFICATION {
            return Received::Notification;
        }
        if header.xid == wire::XID_PING && self.pings > 0 {
            self.pings -= 1;
            return Received::Pong;
        }
        let Some(request) = self.requests.pop_front() else {
            return Received::Broken(Trouble::Unasked(header.xid));
        };
        if header.xid != request.xid {
            return Received::Broken(Trouble::OutOfOrder { expected: request.xid, got: header.xid });
        }
        // One server's replies on one connection never go back in time.
        if header.zxid < self.last_zxid {
            return Received::Faulty(request, Trouble::ZxidBackwards);
        }
        self.last_zxid = header.zxid;
        if header.err != 0 {
            return Received::Faulty(request, Trouble::ErrorReply(header.err));
        }
        let expected = request.reply_bytes as usize;
        if expected != 0 && expected != frame.len() {
            return Received::Faulty(request, Trouble::WrongLength { expected, got: frame.len() });
        }
        Received::Reply(request)
    }
}

/// A session on its socket.
#[derive(Debug)]
pub struct Connection {
    pub stream: TcpStream,
    pub pending: Pending,
    /// Requests appended here go out with the next [`Connection::flush`].
    pub output: Vec<u8>,
    written: usize,
    partial: Vec<u8>,
    /// The negotiated session timeout.
    timeout: Duration,
    /// When bytes last left, in nanoseconds since the run began.
    last_sent_nanos: u64,
    closed: bool,
}

impl Connection {
    /// Opens `count` sessions, some at a time, and hands them over non-blocking; `opened` is told after each.
    ///
    /// # Errors
    /// When the server is not there, closes the connection, or refuses the session.
    pub fn open_many(
        server: SocketAddr,
        count: usize,
        timeout: Duration,
        mut opened: impl FnMut(),
    ) -> io::Result<Vec<Self>> {
        let mut connections = Vec::with_capacity(count);
        while connections.len() < count {
            let batch = HANDSHAKES_MAX.min(count - connections.len());
            let mut streams = Vec::with_capacity(batch);
            for _ in 0..batch {
                streams.push(start_handshake(server, timeout)?);
            }
            for mut stream in streams {
                let reply = finish_handshake(&mut stream)?;
                stream.set_read_timeout(None)?;
                stream.set_nonblocking(true)?;
                connections.push(Self::new(stream, Duration::from_millis(reply.timeout_ms as u64)));
                opened();
            }
        }
        Ok(connections)
    }

    /// Closes sessions in good order: closeSession on all of them, then each connection's end. Those that do not
    /// answer are left to their timeout.
    pub fn close_many(connections: Vec<Self>) {
        let mut streams = Vec::with_capacity(connections.len());
        for mut connection in connections.into_iter().filter(|connection| !connection.closed) {
            let xid = connection.pending.next_xid();
            let mut stream = BlockingStream::from(connection.stream);
            let sent = stream
                .set_nonblocking(false)
                .and_then(|()| stream.set_read_timeout(Some(CLOSE_TIMEOUT)))
                .and_then(|()| stream.write_all(&wire::close_session(xid)));
            if sent.is_ok() {
                streams.push(stream);
            }
        }
        let deadline = Instant::now() + CLOSE_TIMEOUT;
        let mut bytes = [0; 4096];
        for mut stream in streams {
            while Instant::now() < deadline && stream.read(&mut bytes).is_ok_and(|count| count > 0) {}
        }
    }

    fn new(stream: BlockingStream, timeout: Duration) -> Self {
        Self {
            stream: TcpStream::from_std(stream),
            pending: Pending::default(),
            output: Vec::new(),
            written: 0,
            partial: Vec::new(),
            timeout,
            last_sent_nanos: 0,
            closed: false,
        }
    }

    /// Whether the connection ended or was given up.
    pub fn is_closed(&self) -> bool {
        self.closed
    }

    /// Gives the connection up; says how many requests that leaves unanswered.
    pub fn close(&mut self) -> usize {
        self.closed = true;
        self.output.clear();
        self.written = 0;
        std::mem::take(&mut self.pending.requests).len()
    }

    /// Writes what is queued, as far as the socket takes it; the rest waits for the next call.
    ///
    /// # Errors
    /// The socket's.
    pub fn flush(&mut self, now_nanos: u64) -> io::Result<()> {
        while self.written < self.output.len() {
            match self.stream.write(&self.output[self.written..]) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(bytes) => self.written += bytes,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
            self.last_sent_nanos = now_nanos;
        }
        self.output.clear();
        self.written = 0;
        Ok(())
    }

    /// Queues a ping if nothing was sent for a third of the session timeout.
    pub fn keep_alive(&mut self, now_nanos: u64) {
        let quiet = Duration::from_nanos(now_nanos.saturating_sub(self.last_sent_nanos));
        if !self.closed && quiet > self.timeout / 3 && self.pending.pings == 0 {
            self.output.extend_from_slice(&wire::ping());
            self.pending.pings += 1;
        }
    }

    /// Reads all that has come and hands every whole frame's payload to `on_frame`, which returns whether the
    /// connection is still good. `buffer` is scratch space that all connections of a thread share.
    ///
    /// # Errors
    /// The end of the connection is [`io::ErrorKind::UnexpectedEof`], a frame beyond the buffer
    /// [`io::ErrorKind::InvalidData`]; otherwise the socket's.
    pub fn receive(
        &mut self,
        buffer: &mut [u8],
        mut on_frame: impl FnMut(&mut Pending, &[u8]) -> bool,
    ) -> io::Result<()> {
        let mut filled = self.partial.len();
        buffer[..filled].copy_from_slice(&self.partial);
        self.partial.clear();
        loop {
            let room = buffer.len() - filled;
            let bytes = match self.stream.read(&mut buffer[filled..]) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(bytes) => bytes,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            filled += bytes;
            let mut start = 0;
            // One byte of room is kept, so that a read never has an empty buffer and a zero means the end.
            let payload_bytes_max = buffer.len() - 5;
            loop {
                match wire::cut_frame(&buffer[start..filled], payload_bytes_max) {
                    Cut::Frame(payload) => {
                        let frame = &buffer[start + 4..start + 4 + payload];
                        if !on_frame(&mut self.pending, frame) {
                            return Ok(());
                        }
                        start += 4 + payload;
                    }
                    Cut::Partial => break,
                    Cut::BadLength(length) => {
                        let message = format!("a frame of {length} bytes from the server");
                        return Err(io::Error::new(io::ErrorKind::InvalidData, message));
                    }
                }
            }
            buffer.copy_within(start..filled, 0);
            filled -= start;
            if bytes < room {
                break; // the socket is drained; the next arrival is a new event
            }
        }
        self.partial.extend_from_slice(&buffer[..filled]);
        Ok(())
    }
}

/// Payload bytes of a good reply with this body.
pub fn reply_bytes(body: usize) -> u32 {
    (REPLY_HEADER_BYTES + body).min(u32::MAX as usize) as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reply(xid: i32, err: i32, body: usize) -> Vec<u8> {
        reply_at(1, xid, err, body)
    }

    fn reply_at(zxid: i64, xid: i32, err: i32, body: usize) -> Vec<u8> {
        let mut frame = Vec::new();
        frame.extend_from_slice(&xid.to_be_bytes());
        frame.extend_from_slice(&zxid.to_be_bytes());
        frame.extend_from_slice(&err.to_be_bytes());
        frame.resize(frame.len() + body, 0);
        frame
    }

    fn pending_of(xids: &[i32]) -> Pending {
        let mut pending = Pending::default();
        for &xid in xids {
            pending.push(InFlight { xid, reply_bytes: reply_bytes(68), due_nanos: 5 });
        }
        pending
    }

    #[test]
    fn replies_settle_in_order_whatever_comes_between() {
        let mut pending = pending_of(&[1, 2]);
        pending.pings = 1;
        assert!(matches!(pending.settle(&reply(1, 0, 68)), Received::Reply(InFlight { xid: 1, .. })));
        assert_eq!(pending.settle(&reply(-1, 0, 20)), Received::Notification);
        assert_eq!(pending.settle(&reply(-2, 0, 0)), Received::Pong);
        assert!(matches!(pending.settle(&reply(2, 0, 68)), Received::Reply(InFlight { xid: 2, .. })));
        assert_eq!(pending.len(), 0);
    }

    #[test]
    fn every_wrong_reply_is_named() {
        let mut pending = pending_of(&[1, 2, 3]);
        let Received::Faulty(_, trouble) = pending.settle(&reply(1, -101, 0)) else { panic!("not faulty") };
        assert_eq!(trouble, Trouble::ErrorReply(-101));
        let Received::Faulty(_, trouble) = pending.settle(&reply(2, 0, 67)) else { panic!("not faulty") };
        assert_eq!(trouble, Trouble::WrongLength { expected: 84, got: 83 });
        let wrong_xid = pending.settle(&reply(9, 0, 68));
        assert_eq!(wrong_xid, Received::Broken(Trouble::OutOfOrder { expected: 3, got: 9 }));
        assert_eq!(pending.settle(&reply(4, 0, 68)), Received::Broken(Trouble::Unasked(4)));
        assert_eq!(pending.settle(&[0; 15]), Received::Broken(Trouble::Malformed));
    }

    #[test]
    fn a_reply_from_the_past_is_faulty() {
        let mut pending = pending_of(&[1, 2, 3]);
        assert!(matches!(pending.settle(&reply_at(7, 1, 0, 68)), Received::Reply(_)));
        assert!(matches!(pending.settle(&reply_at(7, 2, 0, 68)), Received::Reply(_)));
        let Received::Faulty(_, trouble) = pending.settle(&reply_at(6, 3, 0, 68)) else {
            panic!("not faulty")
        };
        assert_eq!(trouble, Trouble::ZxidBackwards);
    }

    #[test]
    fn an_unasked_pong_is_an_unasked_reply() {
        let mut pending = Pending::default();
        assert_eq!(pending.settle(&reply(-2, 0, 0)), Received::Broken(Trouble::Unasked(-2)));
    }

    #[test]
    fn xids_go_round_without_the_reserved_ones() {
        let mut pending = Pending { last_xid: i32::MAX - 1, ..Pending::default() };
        assert_eq!(pending.next_xid(), i32::MAX);
        assert_eq!(pending.next_xid(), 1);
    }
}
